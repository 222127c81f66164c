//! The issue on pages.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, ensure};
use zhoubao_composer::{Document, docx, txt};
use zhoubao_typesetting::fonts::{choose, describe};
use zhoubao_typesetting::lay_out;

/// Lower edge of the type area, µm; page numbers stand below.
const FOOT_UM: i64 = 262_000;

/// Lays an issue out, compares the text of its PDF, as another program reads it, with the plain text, and counts the
/// lines of each page.
pub(crate) fn lines(document: &Document) -> anyhow::Result<Vec<usize>> {
    let files = zhoubao_test_support::fonts()?.into_iter().map(|path| {
        let bytes = std::fs::read(&path)?;
        Ok(describe(path, &bytes))
    });
    let files = files.collect::<anyhow::Result<Vec<_>>>()?;
    let fonts = choose(&files)?.load(|path| std::fs::read(path))?;
    let pages = lay_out(document, &fonts)?;
    ensure!(pages.substitutions.is_empty(), "{:?}", pages.substitutions);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("issue.pdf");
    std::fs::write(&file, pages.pdf()?)?;
    let output = Command::new("pdftotext")
        .arg(&file)
        .arg("-")
        .output()
        .context("`pdftotext` is missing, run `cargo xtask setup poppler`")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let squeezed = |text: &[u8]| -> anyhow::Result<String> {
        let text = std::str::from_utf8(text)?;
        Ok(text.chars().filter(|it| !it.is_whitespace()).collect())
    };
    let mut read = squeezed(&output.stdout)?;
    for number in 1..=pages.pages.len() {
        read = read.replacen(&format!("—{number}—"), "", 1);
    }
    // 核验 stands at the foot of the last page alone, and in no plain text.
    let root = document.metadata.tree.as_ref().context("the issue names no root")?.line();
    let read = read.strip_suffix(&squeezed(root.as_bytes())?).context("no root at the end")?;
    ensure!(read == squeezed(&txt::export(document))?, "the PDF reads otherwise: {read}");
    let count = |page: &zhoubao_typesetting::Page| {
        let places = page.runs.iter().map(|it| it.baseline_um).filter(|it| *it < FOOT_UM);
        places.collect::<BTreeSet<_>>().len()
    };
    Ok(pages.pages.iter().map(count).collect())
}

/// Opens the Word file with LibreOffice, compares the text of its pages with the plain text, and counts them.
pub(crate) fn word(document: &Document) -> anyhow::Result<usize> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("issue.docx");
    std::fs::write(&file, docx::export(document)?)?;
    let output = Command::new("soffice")
        .args(["--headless", "--convert-to", "pdf", "--outdir"])
        .arg(folder.path())
        .arg(&file)
        // A profile of its own: another LibreOffice of the same user would take the work.
        .env("HOME", folder.path())
        .env_remove("XDG_CONFIG_HOME")
        .output()
        .context("`soffice` is missing, run `cargo xtask setup libreoffice`")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new("pdftotext")
        .arg("-raw")
        .arg(file.with_extension("pdf"))
        .arg("-")
        .output()
        .context("`pdftotext` is missing, run `cargo xtask setup poppler`")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let squeezed =
        |text: &str| -> String { text.chars().filter(|it| !it.is_whitespace()).collect() };
    let text = std::str::from_utf8(&output.stdout)?;
    let pages = text.matches('\u{C}').count();
    let mut read = squeezed(text);
    for number in 1..=pages {
        read = read.replacen(&format!("—{number}—"), "", 1);
    }
    // LibreOffice leaves out a mark that hangs over the end of a line: letters and digits are compared.
    let letters =
        |text: &str| -> String { text.chars().filter(|it| it.is_alphanumeric()).collect() };
    let own = txt::export(document);
    ensure!(
        letters(&read) == letters(std::str::from_utf8(&own)?),
        "the Word file reads otherwise: {read}"
    );
    Ok(pages)
}
