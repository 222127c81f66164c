//! The language of templates: exact arithmetic, rows, conditions, and a few blocks.
//!
//! Every number that is printed carries what it was read from, so that the document can bind it: a figure as it
//! stands keeps its own source, a computed one names its expression and everything that went into it
//! ([`crate::document::FigureSource::Derived`]). Nothing here reads a clock, a locale or a file, loops run over rows
//! that are there, and work is bounded, so a template always ends and always says the same.
//!
//! The language as an author sees it is described in `docs/templates.md`.

pub(crate) mod check;
pub(crate) mod evaluate;
mod functions;
pub(crate) mod number;
pub(crate) mod syntax;
pub(crate) mod value;
