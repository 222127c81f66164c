//! `zhoubao compose`: an issue in every form that exists.

use std::path::{Path, PathBuf};

use serde_json::json;
use zhoubao_application::weekly::{self, Trial, Weekly};
use zhoubao_composer::{Template, csv, html, json as canonical, txt};

use crate::cli::{ComposeArgs, Format};
use crate::commands::issue::find;
use crate::failure::Failure;
use crate::wiring::Context;

/// Every form, with the ending of its file.
const FORMS: [(Format, &str); 4] =
    [(Format::Txt, "txt"), (Format::Html, "html"), (Format::Json, "json"), (Format::Csv, "csv")];

/// Runs the command.
///
/// # Errors
///
/// The sums that do not come out, or the conditions of the template that are not met.
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
    let forms: Vec<_> = FORMS
        .into_iter()
        .filter(|(form, _)| args.format == Format::All || args.format == *form)
        .collect();
    match (&args.out, forms.as_slice()) {
        (None, [(form, _)]) => {
            ctx.output.raw(&rendered(&weekly, *form));
            Ok(())
        }
        (None, _) => Err(Failure::usage("多种格式需要输出目录 several forms need a folder")
            .with_next("name it: --out FOLDER")),
        (Some(folder), forms) => {
            let forms: Vec<_> = forms.to_vec();
            let files = write(&weekly, &forms, folder)?;
            if ctx.output.is_json() {
                let files: Vec<_> = files.iter().map(|it| it.display().to_string()).collect();
                let digest = canonical::digest(&weekly.composed.document).to_string();
                ctx.output.value(&json!({ "files": files, "document": digest }));
            } else {
                files.iter().for_each(|it| ctx.output.line(it.display()));
            }
            Ok(())
        }
    }
}

fn rendered(weekly: &Weekly, form: Format) -> Vec<u8> {
    let document = &weekly.composed.document;
    match form {
        Format::Txt | Format::All => txt::export(document),
        Format::Html => html::export(document),
        Format::Json => canonical::export(document),
        Format::Csv => csv::export(document),
    }
}

/// Writes every form of an issue into a folder; each file is complete or not there.
///
/// # Errors
///
/// When the folder cannot be written.
pub fn write_all(weekly: &Weekly, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    write(weekly, &FORMS, folder)
}

fn write(
    weekly: &Weekly,
    forms: &[(Format, &str)],
    folder: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
    let mut files = vec![];
    for (form, ending) in forms {
        // Names are made of numbers and ids only, whatever the hall is called.
        let metadata = &weekly.composed.document.metadata;
        let series = weekly.series.as_ref().map_or(String::new(), |it| format!("{it}-"));
        let name = format!("{series}{}-{:02}.{ending}", metadata.year, metadata.number);
        let path = folder.join(name);
        let write = || -> std::io::Result<()> {
            use std::io::Write as _;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&rendered(weekly, *form))?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| Failure::file(&path, &error))?;
        files.push(path);
    }
    Ok(files)
}
