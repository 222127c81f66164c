//! Figures, news and a template become a document.
//!
//! [`compose()`] joins the [`Material`] of one issue (frozen figures, adopted submissions, inspection, imports)
//! with a [`Template`] (wording and order, data of the hall) into a [`Document`]: blocks of inline text in which
//! every computed number is bound to its source. The exporters [`txt`], [`html`], [`json`], [`csv`] and
//! [`docx`] turn a document into bytes; pages (PDF, OFD) are made elsewhere from the same document.
//!
//! # Rules of this crate
//!
//! - No I/O, clock, randomness or locale: the same material and template give the same bytes.
//! - No figure without a source: see [`unbound_numbers`].
//! - A claim of absence (本周无变化, 总体情况良好) is printed only where the record covers it.
//! - What a department submitted is printed as submitted, never corrected.
//!
//! Read [`material`] first, then [`template`] and [`document`].

pub mod material;

pub mod template;

pub mod submission;

pub mod document;

pub mod compose;

pub mod checks;

pub mod numbering;

pub mod dates;

pub mod txt;

pub mod html;

pub mod json;

pub mod csv;

pub mod changes;

pub mod docx;

pub mod package;

pub mod describe;
mod figures;
mod language;

pub use compose::{ComposeError, Composed, Problem, compose};
pub use document::{Document, unbound_numbers};
pub use material::Material;
pub use template::Template;
