//! Levels of headings and lists: 一、 （一） 1. （1）, none skipped (GB/T 9704).

use zhoubao_domain::code::Code;

use super::placed;
use crate::compose::Problem;
use crate::document::{BlockKind, Document, Inline, Origin};
use crate::numbering::{NUMBER_MAX, Numbering};

/// Finds places where the numbering skips a level: （1） directly under （二）.
///
/// A section is named once. Within a submission a level is skipped where a new list (number 1) stands two or more
/// levels below the number before it; its first list may be of any level, because it stands in a list of the issue.
pub(super) fn problems(document: &Document) -> Vec<Problem> {
    let mut problems: Vec<Problem> = vec![];
    let mut heading = (0, String::new(), String::new());
    // Of the submission that is being read: its id, and the level of its last own number.
    let mut own: Option<(&str, usize)> = None;
    for (block, place) in placed(document) {
        let mut report = |place: &str, above: &str, below: &str| {
            let text = format!("「{above}」下直接用「{below}」，跳级 a level is skipped");
            let problem = Problem { code: Code::LevelSkipped, place: place.to_owned(), text };
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        };
        if let BlockKind::Heading { level } = block.kind {
            let level = usize::from(level);
            if level > heading.0 + 1 {
                report(&place, &heading.1, &block.marker);
            }
            heading = (level, block.marker.clone(), place);
            continue;
        }
        let style = style_of(&block.marker).filter(|_| block.kind == BlockKind::Item);
        if let Some((level, _)) = style
            && level > heading.0 + 1
        {
            let first = Numbering::LEVELS.get(level - 1).and_then(|it| it.marker(1));
            report(&heading.2, &heading.1, &first.unwrap_or_default());
        }
        let Origin::Submitted { id, .. } = &block.origin else { continue };
        let text: String = block.inlines.iter().map(Inline::text).collect();
        let before = own.filter(|(of, _)| of == id).map(|(_, level)| level);
        if let Some((level, begins)) = style_of(&text) {
            if let Some(before) = before.filter(|it| begins && level > it + 1) {
                let marker = |level: usize| {
                    Numbering::LEVELS.get(level - 1).and_then(|it| it.marker(1)).unwrap_or_default()
                };
                report(&place, &marker(before), &marker(level));
            }
            own = Some((id, level));
        }
    }
    problems
}

/// The level of the number that a text begins with, from 1, and whether it is the first of a list.
fn style_of(text: &str) -> Option<(usize, bool)> {
    Numbering::LEVELS.into_iter().enumerate().find_map(|(index, style)| {
        let number = (1..=NUMBER_MAX).find(|number| {
            let after = style.marker(*number).and_then(|it| text.strip_prefix(&it));
            // 1.5亿元 is no first item. The marker of a list has nothing after it.
            after.is_some_and(|it| style != Numbering::Arabic || !it.starts_with(is_digit))
        })?;
        Some((index + 1, number == 1))
    })
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}
