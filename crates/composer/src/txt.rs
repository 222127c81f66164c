//! Plain text: a paragraph a line, LF, no blank lines, no indents, a line feed at the end.

use crate::document::Document;

/// The document as text.
#[must_use]
pub fn export(document: &Document) -> Vec<u8> {
    let mut text = String::new();
    for block in &document.blocks {
        text.push_str(&block.text());
        text.push('\n');
    }
    text.into_bytes()
}
