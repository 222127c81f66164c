//! A year-to-date figure that rests on no issue before, or after a gap.

use zhoubao_domain::code::Code;
use zhoubao_domain::figure::Span;

use super::sources;
use crate::compose::Problem;
use crate::document::{Document, FigureSource};
use crate::figures;
use crate::material::Material;

/// Days with business between two periods that are as many as an issue covers: a week.
const DAYS_OUTSIDE_MIN: usize = 5;

/// Finds printed 累计 that continue nothing: there is neither an issue before nor opening figures, or so many days with
/// business lie between the periods that an issue seems to be left out. A make-up weekend (期间外) is no gap.
pub(super) fn problems(document: &Document, material: &Material) -> Vec<Problem> {
    let year = sources(document).into_iter().find(|(source, _)| {
        matches!(source, FigureSource::Counted { span: Span::Year, position, .. } if *position == material.position)
    });
    let Some((_, place)) = year else { return vec![] };
    let outside = figures::days_with_amounts(material, Span::Outside).len();
    let text = if material.previous_last.is_none() {
        "没有上期，也没有期初数 there is neither a previous issue nor opening figures".to_owned()
    } else if outside >= DAYS_OUTSIDE_MIN {
        format!(
            "与上期之间有 {outside} 个有业务的日子不属任何一期 days with business in no issue: is one missing?"
        )
    } else {
        return vec![];
    };
    vec![Problem { code: Code::PreviousMissing, place, text }]
}
