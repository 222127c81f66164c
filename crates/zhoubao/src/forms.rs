//! An issue in every form that exists.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zhoubao_application::publication::{Rendered, name_of};
use zhoubao_application::weekly::Weekly;
use zhoubao_composer::package::TooLarge;
use zhoubao_composer::{Document, csv, docx, html, json as canonical, txt};
use zhoubao_domain::code::Code;
use zhoubao_typesetting::{Pages, PagesError, Role, lay_out, ofd};

use crate::cli::Format;
use crate::failure::Failure;
use crate::files;
use crate::fonts::Fonts;
use crate::output::Output;

/// Every form, with the ending of its file. Those that need fonts come last: the others are written without.
pub const FORMS: [(Format, &str); 7] = [
    (Format::Txt, "txt"),
    (Format::Html, "html"),
    (Format::Json, "json"),
    (Format::Csv, "csv"),
    (Format::Docx, "docx"),
    (Format::Pdf, "pdf"),
    (Format::Ofd, "ofd"),
];

/// Name of the file that says what made the others.
const RENDERING: &str = "rendering.json";

/// Files of an issue.
#[derive(Debug)]
pub struct Written {
    /// Those that were written.
    pub files: Vec<PathBuf>,
    /// Why the pages are not among them.
    pub lacking: Option<Failure>,
}

/// An issue that is being written.
pub struct Issue<'a> {
    weekly: &'a Weekly,
    fonts: &'a Fonts,
    output: &'a Output,
    /// Laid out when a form first needs them.
    pages: OnceCell<Result<Pages, Failure>>,
}

impl<'a> Issue<'a> {
    /// The issue with the fonts of its pages.
    #[must_use]
    pub fn new(weekly: &'a Weekly, fonts: &'a Fonts, output: &'a Output) -> Self {
        Self { weekly, fonts, output, pages: OnceCell::new() }
    }

    /// The composed issue.
    #[must_use]
    pub fn document(&self) -> &'a Document {
        &self.weekly.composed.document
    }

    /// The name of the file of a form.
    pub(crate) fn file_name(&self, ending: &str) -> String {
        format!("{}.{ending}", name_of(self.weekly.series.as_ref(), self.document()))
    }

    /// Every form for publication, and what made them: with the program's version the faces decide the bytes.
    ///
    /// # Errors
    ///
    /// What keeps the pages from being made; then nothing is published.
    pub fn rendered(&self) -> Result<Vec<Rendered>, Failure> {
        let forms = FORMS.into_iter().map(|(form, ending)| {
            Ok(Rendered { name: self.file_name(ending), bytes: self.bytes(form)? })
        });
        let mut files = forms.collect::<Result<Vec<_>, Failure>>()?;
        let program = concat!("zhoubao ", env!("CARGO_PKG_VERSION"));
        let made = json!({ "program": program, "fonts": self.fonts_used() });
        files
            .push(Rendered { name: RENDERING.to_owned(), bytes: format!("{made}\n").into_bytes() });
        Ok(files)
    }

    /// Writes every form into a folder; each file is complete or not there. What keeps the pages from being made keeps
    /// back nothing else.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn write_all(&self, folder: &Path) -> Result<Written, Failure> {
        self.write(&FORMS, folder)
    }

    /// Writes some forms.
    ///
    /// # Errors
    ///
    /// As [`Issue::write_all`].
    pub fn write(&self, forms: &[(Format, &str)], folder: &Path) -> Result<Written, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
        let mut written = Written { files: vec![], lacking: None };
        for (form, ending) in forms {
            match self.bytes(*form) {
                Ok(bytes) => {
                    let path = folder.join(self.file_name(ending));
                    files::replace(&path, &bytes, files::PRIVATE)?;
                    written.files.push(path);
                }
                Err(failure) => written.lacking = Some(failure),
            }
        }
        Ok(written)
    }

    /// One form.
    ///
    /// # Errors
    ///
    /// What keeps the pages from being made.
    pub fn bytes(&self, form: Format) -> Result<Vec<u8>, Failure> {
        Ok(match form {
            Format::Txt | Format::All => txt::export(self.document()),
            Format::Html => html::export(self.document()),
            Format::Json => canonical::export(self.document()),
            Format::Csv => csv::export(self.document()),
            Format::Docx => docx::export(self.document())?,
            Format::Pdf => self.pages()?.pdf()?,
            Format::Ofd => ofd::export(self.pages()?)?,
        })
    }

    fn pages(&self) -> Result<&Pages, Failure> {
        let laid_out = self.pages.get_or_init(|| {
            let fonts = self.fonts.as_ref().map_err(Clone::clone)?;
            let pages = lay_out(self.document(), fonts)?;
            for substitution in &pages.substitutions {
                self.output.note(format!("{} {substitution}", Code::GlyphSubstituted));
            }
            Ok(pages)
        });
        laid_out.as_ref().map_err(Clone::clone)
    }

    /// The faces of the pages, if there are any, with the digests of their files.
    #[must_use]
    pub fn fonts_used(&self) -> Option<Value> {
        let (Some(Ok(_)), Ok(fonts)) = (self.pages.get(), &**self.fonts) else { return None };
        let faces = Role::ALL.into_iter().map(|role| {
            let face = fonts.face(role);
            let value = json!({ "face": face.name, "sha256": face.digest.to_string() });
            (role.word().to_owned(), value)
        });
        Some(Value::Object(faces.collect()))
    }
}

impl From<PagesError> for Failure {
    fn from(error: PagesError) -> Self {
        let code = match &error {
            PagesError::Missing { .. } | PagesError::Composed { .. } => Code::MissingGlyph,
            PagesError::Refused { .. } => Code::PageRefused,
        };
        Self::coded(code, error.to_string())
    }
}

impl From<TooLarge> for Failure {
    fn from(error: TooLarge) -> Self {
        Self::coded(Code::PageRefused, error.to_string())
    }
}
