//! Words that the hall does not want, with those it wants: hints that change no text.

use std::collections::BTreeMap;

use zhoubao_domain::code::Code;

use super::placed;
use crate::compose::Problem;
use crate::document::Document;
use crate::template::Template;

/// Finds the words of the template's list (`[terms]`), each once a place, with their number.
pub(super) fn problems(document: &Document, template: &Template) -> Vec<Problem> {
    let mut found: Vec<(String, &str, &str, usize)> = vec![];
    let mut known: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for (block, place) in placed(document) {
        let text = block.text();
        for (word, better) in &template.terms {
            let count = text.matches(word.as_str()).count();
            if count == 0 {
                continue;
            }
            let index = *known.entry((place.clone(), word)).or_insert(found.len());
            match found.get_mut(index) {
                Some(it) => it.3 += count,
                None => found.push((place.clone(), word, better, count)),
            }
        }
    }
    let problem = |(place, word, better, count)| Problem {
        code: Code::TermHint,
        place,
        text: format!(
            "「{word}」{count} 处，建议「{better}」 suggested; 照原文刊印 printed as it is"
        ),
    };
    found.into_iter().map(problem).collect()
}
