//! Which characters have no glyph: found before layout, by character, paragraph and face.

use std::fmt;

use crate::fonts::{Fonts, Role};
use crate::typesetter::is_ignorable;

/// Roles in which a character is looked for after the one of its paragraph, in this order.
const OTHERS: [Role; 4] = [Role::Rare, Role::Song, Role::Hei, Role::Kai];

/// A character that its role's face does not have, taken from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substitution {
    /// The character.
    pub character: char,
    /// Index of its block in the document.
    pub block: usize,
    /// What its face should have been.
    pub role: Role,
    /// PostScript name of the face that was used.
    pub used: String,
}

impl fmt::Display for Substitution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { character, role, used, .. } = self;
        write!(f, "「{character}」({}) 不在{role}中，用 {used}", code_point(*character))
    }
}

/// A character that no face has, or that is no character of print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The character.
    pub character: char,
    /// Index of its block in the document.
    pub block: usize,
    /// Its paragraph.
    pub paragraph: String,
    /// What its face should have been.
    pub role: Role,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { character, block, paragraph, role } = self;
        let code_point = code_point(*character);
        let shown: String = paragraph.chars().take(20).filter(|it| is_printed(*it)).collect();
        let more = if paragraph.chars().count() > 20 { "…" } else { "" };
        let place = block + 1;
        if is_printed(*character) {
            write!(
                f,
                "「{character}」({code_point}) 没有字形 has no glyph in {role} or any other face: 第 {place} 段「{shown}{more}」"
            )
        } else {
            write!(
                f,
                "{code_point} 不可印 is not a character of print: 第 {place} 段「{shown}{more}」"
            )
        }
    }
}

fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

/// Controls, marks of direction, joiners and selectors of variants change how their neighbours are set: what is read
/// from a file would not be what is seen.
fn is_printed(character: char) -> bool {
    let is_break = matches!(character, '\u{2028}' | '\u{2029}');
    !character.is_control() && !is_break && !is_ignorable(character)
}

/// What was found in a document.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Each character once a role, where it is first met.
    pub(crate) substitutions: Vec<Substitution>,
    pub(crate) missing: Vec<Missing>,
}

/// Looks up the characters of paragraphs in the faces that the page would take them from (`faces` in `issue.typ`).
pub(crate) fn check<'a>(
    texts: impl Iterator<Item = (usize, Role, &'a str)>,
    fonts: &Fonts,
) -> Found {
    let parsed: Vec<_> =
        fonts.faces().iter().map(|it| ttf_parser::Face::parse(&it.file, it.index).ok()).collect();
    let has = |role: Role, character: char| {
        let place = fonts.place(role);
        parsed[place].as_ref().is_some_and(|it| it.glyph_index(character).is_some())
    };
    let mut found = Found::default();
    let mut seen = std::collections::BTreeSet::new();
    for (block, role, text) in texts {
        for character in text.chars() {
            if !seen.insert((role, character)) {
                continue;
            }
            if is_printed(character)
                && (has(role, character) || has(first(character, role), character))
            {
                continue;
            }
            let other = OTHERS.into_iter().find(|it| is_printed(character) && has(*it, character));
            match other {
                Some(other) => found.substitutions.push(Substitution {
                    character,
                    block,
                    role,
                    used: fonts.face(other).name.clone(),
                }),
                None => {
                    found.missing.push(Missing {
                        character,
                        block,
                        paragraph: text.to_owned(),
                        role,
                    });
                }
            }
        }
    }
    found
}

/// The role that a character is looked for in first, as `faces` in `issue.typ` and typst's `latin-in-cjk` have it.
fn first(character: char, role: Role) -> Role {
    match character {
        '“' | '”' | '‘' | '’' | '—' | '…' => Role::Song,
        '·' | '–' | '\u{2025}' | '\u{2027}' | '\u{2E3A}' => role,
        _ => Role::Latin,
    }
}
