//! Packages: a zip of XML files, as DOCX and OFD are.

use std::fmt::{self, Write as _};
use std::io::{Cursor, Write as _};

use zip::write::{SimpleFileOptions, ZipWriter};

/// The package cannot be written: memory does not fail to be written, but a zip ends at 4 GB a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the package cannot be written: {0}")]
pub struct TooLarge(String);

/// A zip that is being written, the same bytes for the same files: all of them are of 1 January 1980.
pub struct Package(ZipWriter<Cursor<Vec<u8>>>);

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Package").finish_non_exhaustive()
    }
}

impl Default for Package {
    fn default() -> Self {
        Self::new()
    }
}

impl Package {
    /// An empty package.
    #[must_use]
    pub fn new() -> Self {
        Self(ZipWriter::new(Cursor::new(vec![])))
    }

    /// Adds an XML file; its declaration is written here.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn xml(&mut self, path: &str, content: &str) -> Result<(), TooLarge> {
        let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{content}");
        self.file(path, text.as_bytes())
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn file(&mut self, path: &str, bytes: &[u8]) -> Result<(), TooLarge> {
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default());
        self.0.start_file(path, options).map_err(|it| TooLarge(it.to_string()))?;
        self.0.write_all(bytes).map_err(|it| TooLarge(it.to_string()))
    }

    /// The bytes of the whole.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn end(self) -> Result<Vec<u8>, TooLarge> {
        Ok(self.0.finish().map_err(|it| TooLarge(it.to_string()))?.into_inner())
    }
}

/// Text with everything escaped that means something in XML, and without the characters that XML 1.0 (2.2) does not
/// have.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\t' | '\n' | '\r' => f.write_char(c)?,
                '\0'..'\u{20}' | '\u{FFFE}' | '\u{FFFF}' => {}
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
