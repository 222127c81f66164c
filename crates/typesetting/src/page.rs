//! Laid-out pages, free of the library that laid them out.
//!
//! Lengths are whole micrometres from the upper left corner of the page: sums close, and nothing depends on how a
//! fraction is printed.

use jiff::civil::Date;
use zhoubao_domain::id::Digest;

use crate::fonts::Face;
use crate::glyphs::Substitution;
use crate::typesetter::{PagesError, Typeset};

/// Width of a page, µm (A4).
pub const WIDTH_UM: i64 = 210_000;

/// Height of a page, µm (A4).
pub const HEIGHT_UM: i64 = 297_000;

/// Pages of an issue.
pub struct Pages {
    /// Name of the series and number.
    pub title: String,
    /// Issuing body.
    pub publisher: String,
    /// Date of the masthead; of a draft the last day of its period.
    pub date: Date,
    /// SHA-256 of the canonical issue.
    pub digest: Digest,
    /// The faces of the texts.
    pub faces: Vec<Face>,
    /// In order.
    pub pages: Vec<Page>,
    /// Characters that were taken from another face than the one of their role.
    pub substitutions: Vec<Substitution>,
    pub(crate) typeset: Typeset,
}

impl Pages {
    /// The pages as PDF/A-2a and PDF/UA-1.
    ///
    /// # Errors
    ///
    /// When the pages do not meet these standards.
    pub fn pdf(&self) -> Result<Vec<u8>, PagesError> {
        self.typeset.pdf()
    }
}

/// One page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Texts in reading order; the page number is the last.
    pub runs: Vec<Run>,
    /// Lines.
    pub rules: Vec<Rule>,
}

/// Glyphs of one face and size on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The face, by its place in [`Pages::faces`].
    pub face: usize,
    /// Size of the face, µm.
    pub size_um: i64,
    /// Red, green and blue.
    pub colour: [u8; 3],
    /// The line that the glyphs stand on, µm.
    pub baseline_um: i64,
    /// From left to right.
    pub glyphs: Vec<Glyph>,
}

impl Run {
    /// What is read.
    #[must_use]
    pub fn text(&self) -> String {
        self.glyphs.iter().map(|it| it.text.as_str()).collect()
    }
}

/// One glyph in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glyph {
    /// Number of the glyph in its face.
    pub id: u16,
    /// What it stands for: one character, or several that the face joins, such as the two dashes of ——.
    pub text: String,
    /// Where its origin is, µm.
    pub x_um: i64,
}

/// A straight line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Where it begins: x and y, µm.
    pub from: (i64, i64),
    /// Where it ends.
    pub to: (i64, i64),
    /// Its width, µm.
    pub width_um: i64,
    /// Red, green and blue.
    pub colour: [u8; 3],
}
