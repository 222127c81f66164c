//! News that were printed before, or twice in one issue.

use std::collections::BTreeMap;

use zhoubao_domain::code::Code;

use crate::compose::{Problem, place_of};
use crate::material::{Material, Submission};

/// Length of a shingle, in characters: a word and its neighbour.
const SHINGLE: usize = 4;

/// Fewest shingles of a text that is compared: a shorter one (本周无动态。) may well come again.
const SHINGLES_MIN: usize = 20;

/// From how many per cent two texts are alike.
const ALIKE_PERCENT: usize = 90;

/// Every run of [`SHINGLE`] characters of a text, once, ascending. Blanks and punctuation say nothing and are left out.
fn shingles(text: &str) -> Vec<u128> {
    let mut all = vec![];
    let (mut run, mut length) = (0_u128, 0);
    for c in text.chars().filter(|it| it.is_alphanumeric()) {
        // Four characters of 32 bits; the oldest one falls out.
        run = run << u32::BITS | u128::from(u32::from(c));
        length += 1;
        if length >= SHINGLE {
            all.push(run);
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Finds submissions that are alike to one of an earlier issue or to an earlier one of this issue; each names the most
/// alike.
///
/// Two texts are alike where, of all runs of 4 characters (without blanks and punctuation) that either has, both have
/// 90 in 100. A pair is compared only in the runs that both have: an index of this issue's runs is asked for each run
/// of an earlier text.
pub(super) fn problems(material: &Material) -> Vec<Problem> {
    let own: Vec<Vec<u128>> = material.submissions.iter().map(|it| shingles(&it.text)).collect();
    let mut index = Index { places: BTreeMap::new(), texts: &own };
    let mut best: Vec<Option<(usize, String)>> = vec![None; own.len()];
    let mut take = |at: usize, percent: usize, of: String| {
        if let Some(best) = best.get_mut(at)
            && best.as_ref().is_none_or(|(before, _)| percent > *before)
        {
            *best = Some((percent, of));
        }
    };
    for (at, (it, text)) in material.submissions.iter().zip(&own).enumerate() {
        // Those before it in this issue. What repeats one of them need not be found by the next.
        let before = index.alike(text);
        if before.is_empty() && text.len() >= SHINGLES_MIN {
            index.add(at);
        }
        for (other, percent) in before {
            let other = material.submissions.get(other).unwrap_or(it);
            take(at, percent, format!("本期 this issue {}", place(other)));
        }
    }
    // Of earlier issues, for all of this one's.
    let mut index = Index { places: BTreeMap::new(), texts: &own };
    (0..own.len()).filter(|at| own[*at].len() >= SHINGLES_MIN).for_each(|at| index.add(at));
    for (issue, it) in &material.earlier_news {
        for (at, percent) in index.alike(&shingles(&it.text)) {
            take(at, percent, format!("{issue} {}", place(it)));
        }
    }
    let all = material.submissions.iter().zip(best);
    all.filter_map(|(it, best)| {
        let (percent, of) = best?;
        let text = format!("与{of}相似 {percent}% alike");
        Some(Problem { code: Code::NearDuplicate, place: place(it), text })
    })
    .collect()
}

fn place(it: &Submission) -> String {
    place_of(it.id.as_str(), &it.department)
}

/// Which texts have a run.
struct Index<'a> {
    places: BTreeMap<u128, Vec<usize>>,
    texts: &'a [Vec<u128>],
}

impl Index<'_> {
    fn add(&mut self, at: usize) {
        for run in self.texts.get(at).into_iter().flatten() {
            self.places.entry(*run).or_default().push(at);
        }
    }

    /// The indexed texts that are alike to this one, and by how many per cent, rounded down.
    fn alike(&self, own: &[u128]) -> Vec<(usize, usize)> {
        let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
        for at in own.iter().filter_map(|it| self.places.get(it)).flatten() {
            *shared.entry(*at).or_default() += 1;
        }
        let percent = |(at, both): (usize, usize)| {
            let either = own.len() + self.texts.get(at)?.len() - both;
            let percent = both * 100 / either.max(1);
            (percent >= ALIKE_PERCENT).then_some((at, percent))
        };
        shared.into_iter().filter_map(percent).collect()
    }
}
