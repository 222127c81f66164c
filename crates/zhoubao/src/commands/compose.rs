//! `zhoubao compose`: an issue in every form that exists; without an issue the service that publishes what was signed.

use serde_json::json;
use zhoubao_application::weekly::{self, Trial};
use zhoubao_composer::{Template, json as canonical};

use super::setup::FILE_BYTES_MAX;
use crate::cli::{ComposeArgs, Format};
use crate::composing;
use crate::failure::Failure;
use crate::files;
use crate::fonts;
use crate::forms::{FORMS, Issue};
use crate::wiring::Context;

/// Runs the command.
///
/// # Errors
///
/// The sums that do not come out, the conditions of the template that are not met, or what keeps the pages from being
/// made.
pub async fn run(ctx: &Context, args: ComposeArgs) -> Result<(), Failure> {
    let Some(issue) = &args.issue else { return composing::run(ctx, args.once).await };
    let desk = ctx.desk_to_read().await?;
    let id = desk.known().await?.find_issue(issue)?;
    let weekly = match (&args.template, args.edition) {
        (Some(path), _) => {
            let source = files::read_text(path, FILE_BYTES_MAX)?;
            let template = Template::parse(&source)?;
            let parameters = args.set.into_iter().collect();
            let trial = Trial { template, parameters };
            weekly::try_template(&**desk.store(), desk.hall(), &id, trial).await?
        }
        (None, Some(version)) => {
            weekly::compose_version(&**desk.store(), desk.hall(), &id, version).await?
        }
        (None, None) => weekly::compose(&**desk.store(), desk.hall(), &id, None).await?,
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
