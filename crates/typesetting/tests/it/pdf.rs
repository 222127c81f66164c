//! The PDF, read by another program.

use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::sample::{document, heading, issue, laid_out, paragraph, squeezed, text};

/// What a program of poppler says of a PDF.
fn poppler(program: &str, arguments: &[&str], pdf: &[u8]) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("issue.pdf");
    std::fs::write(&file, pdf)?;
    let output = Command::new(program)
        .args(arguments)
        .arg(&file)
        .args((program == "pdftotext").then_some("-"))
        .output()
        .with_context(|| format!("`{program}` is missing, run `cargo xtask setup poppler`"))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The tree of tags is printed with the titles as they are stored.
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_text_is_read_as_it_was_composed() -> anyhow::Result<()> {
    let document = issue();
    let pages = laid_out(&document);
    let read = squeezed(&poppler("pdftotext", &[], &pages.pdf()?)?);
    let mut without_numbers = read.clone();
    for number in 1..=pages.pages.len() {
        without_numbers = without_numbers.replacen(&format!("—{number}—"), "", 1);
    }
    assert_eq!(without_numbers, text(&document));
    Ok(())
}

#[test]
fn it_declares_both_standards_and_the_issue() -> anyhow::Result<()> {
    let pages = laid_out(&issue());
    let pdf = pages.pdf()?;
    let info = poppler("pdfinfo", &[], &pdf)?;
    for line in [
        "窗口工作周报 2023年第5期（总第425期）",
        "四川省政府政务服务和公共资源交易服务中心",
        "Tagged:          yes",
        "Page size:       595.276 x 841.89 pts (A4)",
    ] {
        assert!(info.contains(line), "{line}\n{info}");
    }
    assert!(info.contains(&format!("Pages:           {}", pages.pages.len())), "{info}");
    let meta = poppler("pdfinfo", &["-meta"], &pdf)?;
    for part in [
        "<pdfaid:part>2</pdfaid:part>",
        "<pdfaid:conformance>A</pdfaid:conformance>",
        "<pdfuaid:part>1</pdfuaid:part>",
        "<dc:language><rdf:Bag><rdf:li>zh-CN</rdf:li></rdf:Bag></dc:language>",
    ] {
        assert!(meta.contains(part), "{part}\n{meta}");
    }
    Ok(())
}

#[test]
fn headings_are_headings_and_no_rank_is_skipped() -> anyhow::Result<()> {
    let strange =
        document(vec![heading(3, "跳级"), paragraph("文"), heading(1, "一、"), heading(3, "1.")]);
    for document in [issue(), strange] {
        let tree = poppler("pdfinfo", &["-struct"], &laid_out(&document).pdf()?)?;
        let ranks = tree
            .lines()
            .filter_map(|it| it.trim().strip_prefix('H')?.split(' ').next()?.parse::<u8>().ok());
        let ranks: Vec<_> = ranks.collect();
        assert_eq!(ranks[0], 1, "the part: {tree}");
        assert!(
            ranks.len() >= 4 && ranks.windows(2).all(|it| it[1] <= it[0] + 1),
            "{ranks:?}\n{tree}"
        );
        assert!(tree.contains("P (block)"), "{tree}");
    }
    Ok(())
}

#[test]
fn the_same_issue_has_the_same_bytes() -> anyhow::Result<()> {
    let first = laid_out(&issue()).pdf()?;
    // Something else in between, so that the second time differs in what the typesetter remembers.
    let other = laid_out(&document(vec![paragraph("另一期")])).pdf()?;
    assert_ne!(first, other);
    assert!(first == laid_out(&issue()).pdf()?);
    Ok(())
}
