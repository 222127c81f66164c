//! The numbers of every form of an issue, beside those of the canonical document.

use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use zhoubao::play::Player;

use crate::hall::{Hall, Ran, ended, sample};

/// A hall with a signed issue, its files in a folder, and with 本周 462 people advised.
struct Files {
    hall: Hall,
    folder: PathBuf,
}

const ENDINGS: [&str; 7] = ["txt", "html", "json", "csv", "docx", "pdf", "ofd"];

impl Files {
    async fn written() -> anyhow::Result<Self> {
        for (program, package) in [("pdftotext", "poppler"), ("soffice", "libreoffice")] {
            // Missing, they would be left out of the comparison.
            Command::new(program).arg("--version").output().with_context(|| {
                format!("`{program}` is missing, run `cargo xtask setup {package}`")
            })?;
        }
        let sample = sample()?;
        let hall = Hall::in_files()?;
        let desk = hall.context().desk().await?;
        let mut player = Player::new(&desk, &sample, sample.acts(7)?);
        player.begin().await?;
        player.week(&sample.weeks[0]).await?;
        player.finish(&sample.weeks[0]).await?;
        let folder = hall.dir().join("issue");
        let to = folder.display().to_string();
        hall.run(&["compose", "2023-01", "--format", "all", "--out", &to]).await?.ok();
        Ok(Self { hall, folder })
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("2023-01.{ending}"))
    }

    async fn compared(&self, folder: &Path) -> anyhow::Result<Ran> {
        let from = folder.display().to_string();
        self.hall.run(&["--json", "issue", "diff-formats", "2023-01", "--from", &from]).await
    }
}

fn form<'a>(value: &'a Value, name: &str) -> anyhow::Result<&'a Value> {
    let forms = value["forms"].as_array().context("no forms")?;
    forms.iter().find(|it| it["form"] == name).with_context(|| format!("no {name}: {value}"))
}

/// The package with a part of it changed.
fn repacked(bytes: &[u8], part: &str, change: impl Fn(&str) -> String) -> anyhow::Result<Vec<u8>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes))?;
    let mut out = zip::ZipWriter::new(Cursor::new(vec![]));
    for nth in 0..zip.len() {
        let mut file = zip.by_index(nth)?;
        let name = file.name()?.into_owned();
        let mut content = vec![];
        file.read_to_end(&mut content)?;
        if name == part {
            content = change(std::str::from_utf8(&content)?).into_bytes();
        }
        out.start_file(name, zip::write::SimpleFileOptions::default())?;
        out.write_all(&content)?;
    }
    Ok(out.finish()?.into_inner())
}

/// With the last digit of the first of these words changed.
fn altered(text: &str, words: &str) -> anyhow::Result<String> {
    let digit = words.chars().last().and_then(|it| it.to_digit(10)).context("no digit")?;
    let other = format!("{}{}", &words[..words.len() - 1], (digit + 1) % 10);
    ensure!(text.contains(words), "no `{words}` in {text}");
    Ok(text.replacen(words, &other, 1))
}

/// The canonical form with another digit in the text of the week's consultations.
fn json_altered(bytes: &[u8], consulted: &str) -> anyhow::Result<Vec<u8>> {
    let page = std::str::from_utf8(bytes)?;
    let (before, after) = page.split_once("共计咨询").context("no sentence")?;
    // Behind it, keys in order of the alphabet: the value of the source, then the text as printed.
    let rest = altered(after, &format!("\"text\":\"{consulted}"))?;
    Ok(format!("{before}共计咨询{rest}").into_bytes())
}

/// A PDF of another document.
fn set_anew(canonical: &[u8]) -> anyhow::Result<Vec<u8>> {
    let files = zhoubao_test_support::fonts()?.into_iter().map(|path| {
        let bytes = std::fs::read(&path)?;
        Ok(zhoubao_typesetting::fonts::describe(path, &bytes))
    });
    let files = files.collect::<anyhow::Result<Vec<_>>>()?;
    let fonts = zhoubao_typesetting::fonts::choose(&files)?.load(|path| std::fs::read(path))?;
    let document = zhoubao_composer::json::read(canonical)?;
    Ok(zhoubao_typesetting::lay_out(&document, &fonts)?.pdf()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_has_the_numbers_of_the_issue() -> anyhow::Result<()> {
    let files = Files::written().await?;
    let anew =
        files.hall.run(&["--json", "issue", "diff-formats", "2023-01"]).await?.ok().json()?;
    let numbers = form(&anew, "txt")?["numbers"].as_u64().context("no count")?;
    assert!(numbers > 30, "{anew}");
    for name in ["txt", "docx", "docx → LibreOffice", "pdf", "ofd"] {
        assert_eq!(form(&anew, name)?["numbers"], numbers, "{name}");
    }
    assert!(form(&anew, "csv")?["numbers"].as_u64() > Some(10), "{anew}");
    for it in anew["forms"].as_array().context("no forms")? {
        assert_eq!(it["differences"], 0, "{it}");
    }
    let kept = files.compared(&files.folder).await?.ok().json()?;
    let count = |it: &Value| it["forms"].as_array().map(Vec::len);
    assert_eq!((count(&kept), count(&anew)), (Some(8), Some(8)));
    // A person reads a line a form.
    let table = files.hall.run(&["issue", "diff-formats", "2023-01"]).await?.ok().text();
    assert_eq!(table.lines().count(), 9, "{table}");
    // Without the programs that read pages, what was not compared is said and is no agreement.
    let mut command = files.hall.command(&["issue", "diff-formats", "2023-01"]);
    let ran = ended(command.env("PATH", files.hall.dir()).spawn()?).await?;
    assert_eq!(ran.text().matches("未比对").count(), 2, "{ran:?}");
    ran.fails(6, "E.705");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_digit_is_found_in_every_form() -> anyhow::Result<()> {
    let files = Files::written().await?;
    let text = std::fs::read_to_string(files.path("txt"))?;
    let sentence = text.lines().find(|it| it.starts_with("本周，共计咨询")).context("no line")?;
    let rest = sentence.strip_prefix("本周，共计咨询").and_then(|it| it.split_once("人次"));
    let (consulted, _) = rest.with_context(|| sentence.to_owned())?;
    let other = altered(consulted, consulted)?;

    for ending in ENDINGS {
        let folder = tempfile::tempdir()?;
        let kept = std::fs::read(files.path(ending))?;
        let changed = match ending {
            "txt" => altered(&text, &format!("咨询{consulted}"))?.into_bytes(),
            "html" => altered(
                std::str::from_utf8(&kept)?,
                &format!("\"><data value=\"{consulted}\">{consulted}"),
            )?
            .into_bytes(),
            "json" => json_altered(&kept, consulted)?,
            "csv" => altered(std::str::from_utf8(&kept)?, &format!("\"{consulted}"))?.into_bytes(),
            "docx" => repacked(&kept, "word/document.xml", |it| {
                altered(it, &format!("<w:t xml:space=\"preserve\">{consulted}")).unwrap_or_default()
            })?,
            "ofd" => repacked(&kept, "Doc_0/Pages/Page_0/Content.xml", |it| {
                altered(it, &format!(">{consulted}")).unwrap_or_default()
            })?,
            _ => set_anew(&json_altered(&std::fs::read(files.path("json"))?, consulted)?)?,
        };
        assert_ne!(kept, changed, "{ending}");
        let name = format!("2023-01.{ending}");
        std::fs::write(folder.path().join(&name), changed)?;
        let ran = files.compared(folder.path()).await?;
        assert!(ran.exit == 3 && ran.err.contains("E.334"), "{ending}: {ran:?}");
        for said in [name.as_str(), consulted, other.as_str()] {
            assert!(ran.err.contains(said), "{ending}: {said} in {}", ran.err);
        }
        let value = ran.json()?;
        let form = form(&value, &name)?;
        assert_eq!(form["differences"], 1, "{ending}: {form}");
        assert_eq!(form["first"]["expected"], consulted, "{ending}: {form}");
        assert_eq!(form["first"]["found"], other, "{ending}: {form}");
        if ending == "docx" {
            let pages = &value["forms"][5];
            assert_eq!((&pages["differences"], &pages["first"]), (&1.into(), &form["first"]));
        }
    }

    // What is no file of its form, alone in a folder; then a folder without a file of the issue.
    for ending in ENDINGS.into_iter().filter(|it| *it != "txt") {
        let folder = tempfile::tempdir()?;
        let name = format!("2023-01.{ending}");
        std::fs::write(folder.path().join(&name), b"%PDF-1.7\n")?;
        let ran = files.compared(folder.path()).await?;
        assert!(ran.exit == 3 && ran.err.contains("E.334"), "{ending}: {ran:?}");
        assert!(ran.err.contains(&format!("{name}: 无法读取")), "{ending}: {}", ran.err);
        std::fs::rename(folder.path().join(&name), folder.path().join("other"))?;
        let nothing = files.compared(folder.path()).await?;
        assert_eq!(nothing.exit, 2, "{}", nothing.err);
    }
    Ok(())
}
