//! `zhoubao issue diff-formats`: whether every form of an issue has the numbers of the canonical document.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use zhoubao_application::desk::Desk;
use zhoubao_application::weekly;
use zhoubao_domain::code::Code;

use crate::cli::Format;
use crate::failure::Failure;
use crate::fonts;
use crate::forms::{FORMS, Issue};
use crate::numbers::{self, Comparison, Order, Passage, Unreadable};
use crate::output::Table;
use crate::wiring::Context;

/// Longest run of a program that reads a form: LibreOffice makes its profile first.
const READER_MAX: Duration = Duration::from_secs(180);

/// The programs that read forms, and what brings them.
const PDFTOTEXT: (&str, &str) = ("pdftotext", "poppler-utils");
const SOFFICE: (&str, &str) = ("soffice", "libreoffice-writer-nogui");

/// What came of one form.
enum Outcome {
    Compared(Comparison),
    /// Its bytes are not of this form.
    Unreadable(String),
    /// It was not looked at.
    Skipped(String),
}

/// Runs the command.
///
/// # Errors
///
/// E.334 with the first difference of each form; what keeps the pages from being made; a form whose reader is not
/// installed.
pub(crate) async fn run(
    ctx: &Context,
    desk: &Desk,
    issue: &str,
    from: Option<&Path>,
) -> Result<(), Failure> {
    let id = desk.known().await?.find_issue(issue)?;
    let weekly = weekly::compose(&**desk.store(), desk.hall(), &id, None).await?;
    let fonts = fonts::of(&ctx.config);
    let issue = Issue::new(&weekly, &fonts, &ctx.output);

    let mut outcomes: Vec<(String, Outcome)> = vec![];
    let mut lacking = None;
    for (form, ending) in FORMS {
        let name = match from {
            Some(_) => issue.file_name(ending),
            None => ending.to_owned(),
        };
        let bytes = match from {
            Some(folder) => match std::fs::read(folder.join(&name)) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    outcomes.push((name, Outcome::Skipped("没有此文件 no such file".to_owned())));
                    continue;
                }
                Err(error) => return Err(Failure::file(&folder.join(&name), &error)),
            },
            None => match issue.bytes(form) {
                Ok(bytes) => bytes,
                Err(failure) => {
                    outcomes.push((name, Outcome::Skipped(failure.message.clone())));
                    lacking = Some(failure);
                    continue;
                }
            },
        };
        let document = issue.document();
        let order = |it: Order| numbers::expected(document, it);
        match form {
            Format::Txt | Format::All => {
                outcomes.push((name, compared(&order(Order::Lines), numbers::of_text(&bytes))));
            }
            Format::Html => {
                outcomes.push((
                    name,
                    compared(&numbers::of_article(document), numbers::of_html(&bytes)),
                ));
            }
            Format::Json => {
                let all = numbers::of_document(document);
                outcomes.push((name, compared(&all, numbers::of_json(&bytes))));
            }
            Format::Csv => {
                let values = numbers::values(document, Order::Lines);
                outcomes.push((name, compared(&values, numbers::of_csv(&bytes))));
            }
            Format::Docx => {
                let own = compared(&order(Order::Parts), numbers::of_docx(&bytes));
                let pages = pages(&bytes, Format::Docx, &order(Order::Pages)).await?;
                lacking = lacking.or_else(|| unread(&pages));
                outcomes.push((name.clone(), own));
                outcomes.push((format!("{name} → LibreOffice"), pages));
            }
            Format::Pdf => {
                let pages = pages(&bytes, form, &order(Order::Pages)).await?;
                lacking = lacking.or_else(|| unread(&pages));
                outcomes.push((name, pages));
            }
            Format::Ofd => {
                outcomes.push((name, compared(&order(Order::Pages), numbers::of_ofd(&bytes))));
            }
        }
    }
    if let Some(folder) = from
        && outcomes.iter().all(|(_, it)| matches!(it, Outcome::Skipped(_)))
    {
        let (folder, name) = (folder.display(), issue.file_name("*"));
        return Err(Failure::usage(format!("`{folder}` 中没有此期 has no file `{name}`"))
            .with_next("write them first: `zhoubao compose ISSUE --format all --out FOLDER`"));
    }
    print(ctx, &outcomes);
    let different: Vec<String> =
        outcomes.iter().filter_map(|(name, it)| Some(format!("{name}: {}", what(it)?))).collect();
    if !different.is_empty() {
        return Err(Failure::coded(Code::FormsDiffer, different.join("; ")));
    }
    lacking.map_or(Ok(()), Err)
}

/// The failure of a comparison that was not made: nobody may take its silence for agreement.
fn unread(outcome: &Outcome) -> Option<Failure> {
    match outcome {
        Outcome::Skipped(reason) => {
            Some(Failure::unavailable(reason.clone()).with_next("install it and compare once more"))
        }
        _ => None,
    }
}

fn compared(expected: &[Passage], found: Result<Vec<String>, Unreadable>) -> Outcome {
    match found {
        Ok(found) => Outcome::Compared(numbers::compare(expected, &found)),
        Err(error) => Outcome::Unreadable(error.to_string()),
    }
}

/// What is different; none where nothing is, or where nothing was looked at.
fn what(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Compared(done) => {
            let first = done.first.as_ref()?;
            let quoted =
                |it: &str| if it.is_empty() { "（无 none）".to_owned() } else { it.to_owned() };
            let (expected, found) = (quoted(&first.expected), quoted(&first.found));
            Some(format!("{}：应为 expected {expected}，实为 found {found}", first.place))
        }
        Outcome::Unreadable(reason) => Some(format!("无法读取 cannot be read: {reason}")),
        Outcome::Skipped(_) => None,
    }
}

fn print(ctx: &Context, outcomes: &[(String, Outcome)]) {
    if ctx.output.is_json() {
        let forms = outcomes.iter().map(|(name, it)| {
            let mut value = match it {
                Outcome::Compared(done) => Value::from(done),
                Outcome::Unreadable(reason) => json!({ "unreadable": reason }),
                Outcome::Skipped(reason) => json!({ "skipped": reason }),
            };
            value["form"] = name.as_str().into();
            value
        });
        ctx.output.value(&json!({ "forms": forms.collect::<Vec<_>>() }));
        return;
    }
    let mut table = Table::new(["格式 form", "数字 numbers", "不同 differences", "说明 remark"]);
    for (name, it) in outcomes {
        let (numbers, differences, remark) = match it {
            Outcome::Compared(done) => {
                (done.numbers.to_string(), done.differences.to_string(), what(it))
            }
            Outcome::Unreadable(_) => ("—".to_owned(), "—".to_owned(), what(it)),
            Outcome::Skipped(reason) => {
                let remark = Some(format!("未比对 not compared: {reason}"));
                ("—".to_owned(), "—".to_owned(), remark)
            }
        };
        table.row([name.clone(), numbers, differences, remark.unwrap_or_default()]);
    }
    ctx.output.table(&table);
}

/// Compares pages by the programs that others read them with: a PDF, or a Word file made into one.
async fn pages(bytes: &[u8], form: Format, expected: &[Passage]) -> Result<Outcome, Failure> {
    let folder = tempfile::tempdir().map_err(|it| Failure::unavailable(it.to_string()))?;
    let pdf = folder.path().join("issue.pdf");
    if form == Format::Docx {
        let docx = folder.path().join("issue.docx");
        std::fs::write(&docx, bytes).map_err(|it| Failure::file(&docx, &it))?;
        let mut convert = Command::new(SOFFICE.0);
        convert.args(["--headless", "--convert-to", "pdf", "--outdir"]).arg(folder.path());
        // A profile of its own: a running LibreOffice of the same user would take the work and not wait.
        convert.arg(&docx).env("HOME", folder.path()).env_remove("XDG_CONFIG_HOME");
        match ended(convert, SOFFICE).await? {
            Ok(_) if pdf.exists() => {}
            Ok(_) => {
                return Ok(Outcome::Unreadable("LibreOffice 无法打开 cannot open it".to_owned()));
            }
            Err(outcome) => return Ok(outcome),
        }
    } else {
        std::fs::write(&pdf, bytes).map_err(|it| Failure::file(&pdf, &it))?;
    }
    let mut read = Command::new(PDFTOTEXT.0);
    // In the order in which the page was written, not in columns that look like it.
    read.arg("-raw").arg(&pdf).arg("-");
    match ended(read, PDFTOTEXT).await? {
        Ok(text) => Ok(compared(expected, numbers::of_pages(&text))),
        Err(outcome) => Ok(outcome),
    }
}

/// What a program printed; an outcome where it is not installed or could not read the form.
async fn ended(
    mut command: Command,
    (program, package): (&str, &str),
) -> Result<Result<Vec<u8>, Outcome>, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let ran = tokio::time::timeout(READER_MAX, command.output()).await;
    match ran {
        Err(_) => {
            let seconds = READER_MAX.as_secs();
            Err(Failure::unavailable(format!("`{program}` 超时 did not end in {seconds} s")))
        }
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {
            let reason = format!("需要 needs `{program}`: apt-get install {package}");
            Ok(Err(Outcome::Skipped(reason)))
        }
        Ok(Err(error)) => Err(Failure::unavailable(format!("`{program}`: {error}"))),
        Ok(Ok(output)) if output.status.success() => Ok(Ok(output.stdout)),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Ok(Err(Outcome::Unreadable(format!("{program}: {}", said.trim()))))
        }
    }
}
