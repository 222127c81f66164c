//! Figures, news and a template become a document.
