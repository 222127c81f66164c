//! `zhoubao compose`: an issue in every form that exists.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zhoubao_application::weekly::{self, Trial, Weekly};
use zhoubao_composer::package::TooLarge;
use zhoubao_composer::{Document, Template, csv, docx, html, json as canonical, txt};
use zhoubao_domain::code::Code;
use zhoubao_typesetting::{Pages, PagesError, Role, lay_out, ofd};

use crate::cli::{ComposeArgs, Format};
use crate::commands::issue::find;
use crate::failure::Failure;
use crate::files;
use crate::fonts::{self, Fonts};
use crate::output::Output;
use crate::wiring::Context;

/// Every form, with the ending of its file. Those that need fonts come last: the others are written without.
pub(crate) const FORMS: [(Format, &str); 7] = [
    (Format::Txt, "txt"),
    (Format::Html, "html"),
    (Format::Json, "json"),
    (Format::Csv, "csv"),
    (Format::Docx, "docx"),
    (Format::Pdf, "pdf"),
    (Format::Ofd, "ofd"),
];

/// Runs the command.
///
/// # Errors
///
/// The sums that do not come out, the conditions of the template that are not met, or what keeps the pages from being
/// made.
pub async fn run(ctx: &Context, args: ComposeArgs) -> Result<(), Failure> {
    let desk = ctx.desk_to_read().await?;
    let id = find(&desk.known().await?, &args.issue)?;
    let weekly = match &args.template {
        None => weekly::compose(&**desk.store(), desk.hall(), &id, None).await?,
        Some(path) => {
            let source = std::fs::read_to_string(path).map_err(|it| Failure::file(path, &it))?;
            let template = Template::parse(&source)?;
            let parameters = args.set.into_iter().collect();
            let trial = Trial { template, parameters };
            weekly::try_template(&**desk.store(), desk.hall(), &id, trial).await?
        }
    };
    for warning in &weekly.composed.warnings {
        ctx.output.note(format!("{} {}: {}", warning.code, warning.place, warning.text));
    }
    let fonts = fonts::of(&ctx.config);
    let issue = Issue::new(&weekly, &fonts, &ctx.output);
    let forms: Vec<_> = FORMS
        .into_iter()
        .filter(|(form, _)| args.format == Format::All || args.format == *form)
        .collect();
    match (&args.out, forms.as_slice()) {
        (None, [(form, _)]) => {
            ctx.output.raw(&issue.bytes(*form)?);
            Ok(())
        }
        (None, _) => Err(Failure::usage("多种格式需要输出目录 several forms need a folder")
            .with_next("name it: --out FOLDER")),
        (Some(folder), forms) => {
            let written = issue.write(forms, folder)?;
            if ctx.output.is_json() {
                let files: Vec<_> =
                    written.files.iter().map(|it| it.display().to_string()).collect();
                let digest = canonical::digest(issue.document()).to_string();
                let mut value = json!({ "files": files, "document": digest });
                if let Some(fonts) = issue.fonts_used() {
                    value["fonts"] = fonts;
                }
                ctx.output.value(&value);
            } else {
                written.files.iter().for_each(|it| ctx.output.line(it.display()));
            }
            written.lacking.map_or(Ok(()), Err)
        }
    }
}

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

    /// The canonical document.
    pub(crate) fn document(&self) -> &'a Document {
        &self.weekly.composed.document
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

    fn write(&self, forms: &[(Format, &str)], folder: &Path) -> Result<Written, Failure> {
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

    /// Names are made of numbers and ids only, whatever the hall is called.
    pub(crate) fn file_name(&self, ending: &str) -> String {
        let metadata = &self.document().metadata;
        let series = self.weekly.series.as_ref();
        let series = series.map_or(String::new(), |it| format!("{it}-"));
        format!("{series}{}-{:02}.{ending}", metadata.year, metadata.number)
    }

    /// One form of it.
    pub(crate) fn bytes(&self, form: Format) -> Result<Vec<u8>, Failure> {
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

    /// The faces of the pages, if there are any, with the digests of their files: with the program's version they
    /// decide the bytes of the pages.
    fn fonts_used(&self) -> Option<Value> {
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
