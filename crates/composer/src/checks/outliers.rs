//! A figure that is far from those of the last weeks.

use std::collections::BTreeSet;

use zhoubao_domain::code::Code;
use zhoubao_domain::figure::{Definition, FigureKey, Partition, Span};

use super::sources;
use crate::compose::Problem;
use crate::document::{Document, FigureSource};
use crate::material::Material;

/// Fewest earlier issues that say what is usual.
const EARLIER_MIN: usize = 4;

/// How many times the usual distance from the median is far.
const DISTANCES: i128 = 5;

/// A difference up to this is never far, whatever is usual: small numbers jump.
const DIFFERENCE_MIN: i128 = 10;

/// Finds printed figures of the period that are far from those of the last up to 12 issues of the series.
///
/// With the median m of the earlier amounts and the median d of their distances from it (MAD), an amount x is far
/// where |x − m| is more than 5 d, more than m / 2 and more than 10. At least four earlier issues are needed. The
/// rule looks at nothing but the amounts: a short week after a holiday is named as well, and somebody says why. It is
/// a hint and blocks nothing.
pub(super) fn problems(document: &Document, material: &Material) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let mut problems = vec![];
    for (source, place) in sources(document) {
        let FigureSource::Counted { definition, span: Span::Week, position, .. } = source else {
            continue;
        };
        // An earlier issue's figure has that one's position.
        if *position != material.position || !seen.insert(definition.as_str()) {
            continue;
        }
        let Some(definition) = material.definitions.iter().find(|it| it.key == *definition) else {
            continue;
        };
        problems.extend(text(definition, material).map(|text| Problem {
            code: Code::Outlier,
            place,
            text,
        }));
    }
    problems
}

fn text(definition: &Definition, material: &Material) -> Option<String> {
    let key = FigureKey {
        definition: definition.key.clone(),
        span: Span::Week,
        partition: Partition::Total,
        part: String::new(),
    };
    let amount = material.figures.get(&key)?.amount;
    let earlier: Vec<i64> =
        material.earlier.iter().filter_map(|it| Some(it.figures.get(&key)?.amount)).collect();
    if earlier.len() < EARLIER_MIN || !is_far(amount, &earlier) {
        return None;
    }
    let (least, most) = (earlier.iter().min()?, earlier.iter().max()?);
    let Definition { title, unit, .. } = definition;
    let count = earlier.len();
    Some(format!(
        "本期{title}{amount}{unit}，前{count}期为{least}至{most}{unit} far from the issues before"
    ))
}

/// Whether an amount is far from earlier ones; exact, in quarters, so that no median is rounded.
fn is_far(amount: i64, earlier: &[i64]) -> bool {
    let doubled = |values: Vec<i128>| doubled_median(values);
    let median = doubled(earlier.iter().map(|it| i128::from(*it)).collect());
    let distances = earlier.iter().map(|it| (2 * i128::from(*it) - median).abs()).collect();
    // Four times the MAD, and four times the difference.
    let usual = doubled(distances);
    let difference = 2 * (2 * i128::from(amount) - median).abs();
    // `median` is twice the median, which is four times its half.
    difference > (DISTANCES * usual).max(median.abs()).max(4 * DIFFERENCE_MIN)
}

/// Twice the median: the sum of the two in the middle, which is the same one twice where the count is odd.
fn doubled_median(mut values: Vec<i128>) -> i128 {
    values.sort_unstable();
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(0);
    let lower = if values.len() % 2 == 1 {
        upper
    } else {
        values.get(middle.wrapping_sub(1)).copied().unwrap_or(0)
    };
    lower + upper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_is_what_is_beyond_the_usual_distance_and_half_of_the_median() {
        let usual = [142, 188, 121, 189];
        // The median is 165, half of it 82.5, and five times the median distance 117.5.
        for (amount, far) in
            [(459, true), (283, true), (282, false), (165, false), (48, false), (47, true)]
        {
            assert_eq!(is_far(amount, &usual), far, "{amount}");
        }
        // Always the same: half of it counts.
        assert!(!is_far(150, &[100; 12]));
        assert!(is_far(151, &[100; 12]));
        assert!(is_far(49, &[100; 12]));
        // Small numbers jump.
        assert!(!is_far(10, &[0, 0, 1, 0]));
        assert!(is_far(11, &[0, 0, 1, 0]));
        assert!(is_far(i64::MAX, &[i64::MIN; 4]));
    }
}
