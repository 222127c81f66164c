//! A document becomes pages: PDF and OFD.
//!
//! [`lay_out()`] sets a composed [`Document`](zhoubao_composer::Document) on the page of GB/T 9704-2012 with given
//! [`Fonts`]; [`Pages::pdf`] and [`ofd::export`] write the same laid-out pages, so both break lines alike. What is
//! measured rather than chosen in the page is told in `docs/pages.md`.
//!
//! # Rules of this crate
//!
//! - No I/O, clock or randomness: the same document, fonts and program give the same bytes.
//! - Only the module `typesetter` knows typst, whose library interface changes with every version; everything else
//!   works on [`Page`].
//! - A character without a glyph is found before layout. It is taken from another face and listed, or it is refused;
//!   a box is never printed.
//! - It is a crate of its own because typst takes minutes to compile: texts, HTML and JSON do without.
//!
//! Read [`fonts`] first, then [`page`].

pub mod fonts;

pub mod page;

pub mod ofd;

mod glyphs;
mod subset;
mod typesetter;

pub use fonts::{Fonts, Role};
pub use glyphs::{Missing, Substitution};
pub use page::{Page, Pages};
pub use typesetter::{PagesError, forget, lay_out};

/// What stands in the files as the program that made them.
pub(crate) const CREATOR: &str = concat!("zhoubao ", env!("CARGO_PKG_VERSION"));
