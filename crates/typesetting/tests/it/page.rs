//! The page of GB/T 9704.

use proptest::prelude::*;
use zhoubao_composer::document::{Block, BlockKind, Cell, Inline, Origin, Table};
use zhoubao_typesetting::Role;
use zhoubao_typesetting::page::Run;

use crate::sample::{
    FONTS, FOOT_UM, LEFT_UM, RIGHT_UM, block, document, heading, issue, laid_out, lines, paragraph,
    read, squeezed, text,
};

/// A tenth of a millimetre, less than the white at the side of a character.
const CLOSE_UM: i64 = 100;

/// Where the last glyph of a run ends: a letter or a mark may be narrower than half a character, a character is not.
fn end(run: &Run) -> i64 {
    let narrow = |it: char| it.is_ascii() || "，。、；：！？（）《》“”".contains(it);
    let width = |it: &str| match it {
        // 889 of 1000 units.
        "—" => run.size_um * 889 / 1000,
        _ if it.chars().all(narrow) => run.size_um / 2,
        _ => run.size_um,
    };
    let inked = run.glyphs.iter().rfind(|it| it.text != " ");
    inked.map_or(0, |it| it.x_um + width(&it.text))
}

/// Where the ink of a run begins: the left half of an opening mark is white, and hangs out at the head of a line.
fn start(run: &Run) -> i64 {
    let hangs = run.text().starts_with(['（', '《', '“']);
    run.glyphs.first().map_or(0, |it| it.x_um + if hangs { run.size_um / 2 } else { 0 })
}

fn close(one: i64, other: i64) -> bool {
    (one - other).abs() <= CLOSE_UM
}

#[test]
fn a_full_page_has_22_lines_and_a_full_line_28_characters() {
    let document = document(vec![paragraph(&"汉".repeat(28 * 22 * 3))]);
    let pages = laid_out(&document).pages;
    assert_eq!(pages.len(), 4);
    for page in &pages[1..3] {
        let lines = lines(page);
        assert_eq!(lines.len(), 22);
        for line in lines.values() {
            assert_eq!(read(line).chars().count(), 28);
            let (first, last) = (line[0].glyphs[0].x_um, end(line[line.len() - 1]));
            assert!(close(first, LEFT_UM) && close(last, RIGHT_UM), "{first} to {last}");
        }
        let places: Vec<_> = lines.keys().collect();
        // 225 mm / 22
        assert!(places.windows(2).all(|it| (it[1] - it[0] - 10_227).abs() <= 1), "{places:?}");
    }
}

#[test]
fn the_first_line_of_a_paragraph_is_indented_by_two_characters() {
    let pages =
        laid_out(&document(vec![paragraph(&"汉".repeat(40)), heading(1, "一、标题")])).pages;
    let lines: Vec<_> = lines(&pages[0]).into_values().collect();
    let starts = |text: &str| {
        let line = lines.iter().find(|it| read(it).starts_with(text)).unwrap();
        (line[0].glyphs[0].x_um, read(line).chars().count())
    };
    // 2 × 156 mm / 28
    assert_eq!(starts(&"汉".repeat(26)), (LEFT_UM + 11_143, 26));
    assert_eq!(starts("一、").0, LEFT_UM + 11_143);
    let second = lines.iter().filter(|it| read(it).starts_with('汉')).nth(1).unwrap();
    assert_eq!((second[0].glyphs[0].x_um, read(second).chars().count()), (LEFT_UM, 14));
}

#[test]
fn numbers_and_quotation_marks_do_not_depend_on_the_face_of_the_text() {
    let pages = laid_out(&issue()).pages;
    let latin = FONTS.faces().iter().position(|it| it.name == FONTS.face(Role::Latin).name);
    for run in pages.iter().flat_map(|it| &it.runs).filter(|it| it.baseline_um < FOOT_UM) {
        for glyph in
            run.glyphs.iter().filter(|it| it.text.chars().all(|it| it.is_ascii_alphanumeric()))
        {
            assert_eq!(Some(run.face), latin, "{glyph:?} in {}", run.text());
        }
    }
}

#[test]
fn a_double_dash_is_one_line_and_reads_as_two_characters() {
    let pages = laid_out(&document(vec![paragraph("目标——服务")])).pages;
    let glyph = |run: &Run| run.glyphs.iter().find(|it| it.text.contains('—')).cloned();
    let line = lines(&pages[0]).into_values().find(|it| read(it) == "目标——服务").unwrap();
    assert_eq!(line.iter().find_map(|it| glyph(it)).unwrap().text, "——");
}

#[test]
fn each_level_of_heading_has_its_face() {
    let pages = laid_out(&issue()).pages;
    let face_of = |text: &str| {
        let run = pages.iter().flat_map(|it| &it.runs).find(|it| it.text().contains(text)).unwrap();
        FONTS.faces()[run.face].name.clone()
    };
    for (text, role) in [
        ("窗口工作周报", Role::Title),
        ("政务服务工作", Role::Title),
        ("综窗改革攻坚行动", Role::Hei),
        ("省本级综窗办件情况", Role::Kai),
        ("生态环境厅", Role::FangSong),
        ("共计咨询", Role::FangSong),
    ] {
        assert_eq!(face_of(text), FONTS.face(role).name, "{text}");
    }
}

#[test]
fn page_numbers_stand_outside_odd_and_even() {
    let pages = laid_out(&issue()).pages;
    assert!(pages.len() >= 3);
    // 四号, 14 pt
    let character = 4_939;
    for (number, page) in (1..).zip(&pages) {
        let runs: Vec<_> = page.runs.iter().filter(|it| it.baseline_um > FOOT_UM).collect();
        assert_eq!(squeezed(&read(&runs)), format!("—{number}—"));
        // The dash is 7 mm under the type area.
        assert!(runs.iter().all(|it| it.baseline_um == FOOT_UM + 7_000));
        let (first, last) = (runs[0].glyphs[0].x_um, end(runs[runs.len() - 1]));
        if number % 2 == 1 {
            assert!(close(last, RIGHT_UM - character), "{last} on page {number}");
        } else {
            assert!(close(first, LEFT_UM + character), "{first} on page {number}");
        }
    }
}

#[test]
fn the_red_rule_is_under_the_masthead_and_the_imprint_at_the_foot_of_the_last_page() {
    let pages = laid_out(&issue()).pages;
    let [rule] = pages[0].rules.as_slice() else { panic!("{:?}", pages[0].rules) };
    assert_eq!((rule.from.0, rule.to.0), (LEFT_UM, RIGHT_UM));
    assert_eq!((rule.width_um, rule.colour), (700, [230, 0, 18]));
    let date = lines(&pages[0]).into_values().find(|it| read(it).ends_with("2月20日")).unwrap();
    let last = date[date.len() - 1];
    assert!(last.baseline_um < rule.from.1 && close(end(last), RIGHT_UM));

    let last = &pages[pages.len() - 1];
    let rules: Vec<_> = last.rules.iter().map(|it| (it.from.1, it.width_um)).collect();
    assert_eq!(rules.iter().map(|it| it.1).collect::<Vec<_>>(), [350, 250, 350]);
    assert_eq!(rules[2].0, FOOT_UM);
    assert!(pages[1..pages.len() - 1].iter().all(|it| it.rules.is_empty()));
}

#[test]
fn an_imprint_without_room_goes_to_the_foot_of_a_further_page() {
    // The text ends on the last but one line of a page: 22 − 9 lines of the first page, then full pages.
    let text = |lines: usize| document(vec![paragraph(&"汉".repeat(28 * lines - 2))]);
    let pages = laid_out(&text(13 + 21)).pages;
    assert_eq!(pages.len(), 3);
    assert_eq!(lines(&pages[1]).len(), 21);
    assert_eq!(read(lines(&pages[2]).values().next().unwrap()), "报：中心领导。");
    assert_eq!(pages[2].rules[2].from.1, FOOT_UM);
    // With room for its four lines it stands under the text.
    assert_eq!(laid_out(&text(13 + 18)).pages.len(), 2);
}

#[test]
fn nothing_leaves_the_type_area_however_long_names_are() {
    let mut document = issue();
    document.blocks[0] = block(BlockKind::Title, "", "公共资源交易和政务服务大厅窗口工作情况周报");
    document.blocks[2] = block(BlockKind::Publisher, "", &"四川省政府政务服务中心办公室".repeat(3));
    let pages = laid_out(&document).pages;
    for run in pages.iter().flat_map(|it| &it.runs) {
        let (first, last) = (start(run), end(run));
        assert!(
            first >= LEFT_UM - CLOSE_UM && last <= RIGHT_UM + CLOSE_UM,
            "{}: {first} to {last}",
            run.text()
        );
    }
    let rule = &pages[0].rules[0];
    let above = pages[0].runs.iter().filter(|it| it.text().contains("办公室"));
    assert!(above.clone().count() > 0 && above.clone().all(|it| it.baseline_um < rule.from.1));
}

#[test]
fn a_draft_says_so_on_every_page_and_a_signed_issue_never() {
    let mut draft = issue();
    draft.metadata.proposed = true;
    draft.metadata.issued_on = None;
    let says = |document| {
        let pages = laid_out(document).pages;
        let saying =
            pages.iter().filter(|it| it.runs.iter().any(|it| it.text().contains("未签发稿")));
        (saying.count(), pages.len())
    };
    let (saying, all) = says(&draft);
    assert_eq!(saying, all);
    assert_eq!(says(&issue()).0, 0);
}

#[test]
fn what_looks_like_markup_is_text() {
    let strange = "#set text(red) *粗* _斜_ $x$ <标签> @引用 `码` // 注 \\ [括] ~ -- ' \" = 题";
    let document = document(vec![paragraph(strange)]);
    let pages = laid_out(&document).pages;
    let all: String = pages
        .iter()
        .flat_map(|it| &it.runs)
        .filter(|it| it.baseline_um < FOOT_UM)
        .map(Run::text)
        .collect();
    assert!(squeezed(&all).contains(&squeezed(strange)), "{all}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written, every character stands on a page, once, in order and within the type area.
    #[test]
    fn no_character_is_lost(texts in prop::collection::vec("[一-龥0-9A-Za-z，。、；：！？（）《》“”—… ]{1,120}", 1..12)) {
        let document = document(texts.iter().map(|it| paragraph(it)).collect());
        let pages = laid_out(&document).pages;
        let runs: Vec<_> = pages.iter().flat_map(|it| &it.runs).filter(|it| it.baseline_um < FOOT_UM).collect();
        prop_assert_eq!(squeezed(&read(&runs)), text(&document));
        for run in runs {
            // Letters differ in width: that each begins well within is enough to see a line that runs over.
            let last = run.glyphs.iter().rfind(|it| it.text != " ").map_or(0, |it| it.x_um);
            prop_assert!(start(run) >= LEFT_UM - CLOSE_UM, "{run:?}");
            prop_assert!(last <= RIGHT_UM - run.size_um / 4, "{run:?}");
        }
    }
}

/// A table of two columns under a head that spans both, with so many rows.
fn table(rows: usize) -> Block {
    let cell = |text: &str, columns| Cell { inlines: vec![Inline::words(text)], columns, rows: 1 };
    let mut all = vec![vec![cell("办件情况", 2)], vec![cell("地区", 1), cell("受理（件）", 1)]];
    all.extend((1..=rows).map(|it| vec![cell("成都市", 1), cell(&it.to_string(), 1)]));
    let table = Table { caption: vec![Inline::words("各地办件情况")], head: 2, rows: all };
    let block = Block::new(BlockKind::Table, "", "", vec![], Origin::Computed);
    Block { table: Some(table), ..block }
}

#[test]
fn the_rows_of_a_table_stand_on_the_lines_of_the_page_and_its_head_on_each_page() {
    let pages = laid_out(&document(vec![paragraph("见下表。"), table(40)])).pages;
    assert!(pages.len() >= 3);
    let places: Vec<_> = lines(&pages[1]).into_keys().collect();
    assert_eq!(places.len(), 22);
    assert!(places.windows(2).all(|it| (it[1] - it[0] - 10_227).abs() <= 1), "{places:?}");
    for page in &pages {
        let text: Vec<String> = lines(page).values().map(|it| read(it)).collect();
        assert!(text.iter().any(|it| it == "地区受理（件）"), "{text:?}");
        assert!(!page.rules.is_empty());
    }
    let all: String = pages.iter().flat_map(|it| &it.runs).map(Run::text).collect();
    for row in 1..=40 {
        assert!(squeezed(&all).contains(&format!("成都市{row}")), "{row}");
    }
}

#[test]
fn every_page_of_a_training_hall_says_so() {
    let mut issue = issue();
    issue.metadata.training = true;
    for page in laid_out(&issue).pages {
        assert!(page.runs.iter().any(|it| it.text().contains("培训，非正式文件")));
    }
}
