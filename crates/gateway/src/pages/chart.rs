//! The day's curve, drawn on the server.

use plotters::chart::ChartBuilder;
use plotters::drawing::IntoDrawingArea as _;
use plotters::element::Rectangle;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, IntoFont as _, RGBColor, TextStyle};
use plotters_svg::SVGBackend;
use zhoubao_application::board::{Board, CURVE_MINUTES};

/// Size of the picture, in units of its own.
const SIZE: (u32, u32) = (1856, 240);

/// The hours that are shown also where nothing happened.
const HOURS: (u16, u16) = (8, 18);

const INK: RGBColor = RGBColor(0x10, 0x14, 0x18);
const BAR: RGBColor = RGBColor(0x14, 0x49, 0x8c);
const LINE: RGBColor = RGBColor(0x9a, 0xa3, 0xab);

/// One bar for every five minutes in which something happened; a step without anything stays empty.
///
/// # Errors
///
/// What the drawing library says; it writes to memory only.
pub(crate) fn curve(board: &Board) -> Result<String, String> {
    let of_hour = 60 / CURVE_MINUTES;
    let first = board.curve.keys().next().map_or(HOURS.0, |it| HOURS.0.min(it / of_hour));
    let last = board.curve.keys().next_back().map_or(HOURS.1, |it| HOURS.1.max(it / of_hour + 1));
    let largest = board.curve.values().copied().max().unwrap_or(0).max(4);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let style = TextStyle::from(("sans-serif", 26).into_font())
            .color(&INK)
            .pos(Pos::new(HPos::Center, VPos::Top));
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_right(40)
            .x_label_area_size(40)
            .y_label_area_size(80)
            .build_cartesian_2d(f64::from(first)..f64::from(last), 0.0..small(largest) * 1.05)
            .map_err(|it| it.to_string())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .max_light_lines(1)
            .x_labels(usize::from(last - first) + 1)
            .y_labels(4)
            .x_label_formatter(&|hour| format!("{hour:.0}时"))
            .y_label_formatter(&|amount| format!("{amount:.0}"))
            .label_style(style)
            .axis_style(INK)
            .light_line_style(LINE.mix(0.3))
            .draw()
            .map_err(|it| it.to_string())?;
        let width = f64::from(CURVE_MINUTES) / 60.0;
        let bars = board.curve.iter().map(|(step, amount)| {
            let from = f64::from(*step) * width;
            Rectangle::new([(from, 0.0), (from + width * 0.8, small(*amount))], BAR.filled())
        });
        chart.draw_series(bars).map_err(|it| it.to_string())?;
        area.present().map_err(|it| it.to_string())?;
    }
    Ok(svg)
}

/// An amount as the library draws it; those of a day are far below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "a height on a screen")]
fn small(amount: i64) -> f64 {
    amount as f64
}
