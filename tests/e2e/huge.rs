//! Texts that are far too large, or hold what nobody sees: refused with a code at every door, in little time and memory.

use std::fs::File;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tokio::time::Instant;

use crate::desk::Person;
use crate::hall::{Hall, ended};
use crate::web::Service;

/// Longest answer, on a busy machine and of a debug build: a text that is read at all has 256 KB.
const SOON: Duration = Duration::from_secs(20);

/// What a service may need for the largest of them, beside what it needed before.
const MORE_KIB_MAX: u64 = 48 * 1024;

/// What somebody files, and the code and status of its refusal.
fn texts() -> Vec<(&'static str, String, u16, &'static str)> {
    vec![
        ("10 MB", "字".repeat(10 * 1024 * 1024 / 3), 413, "E.121"),
        ("10 MB of one word", "x".repeat(10 * 1024 * 1024), 413, "E.121"),
        ("100,000 paragraphs", "一。\n".repeat(100_000), 413, "E.121"),
        ("100,000 short paragraphs", "1\n".repeat(100_000), 413, "E.121"),
        ("a little too long", "字".repeat(24 * 1024 / 3 + 1), 413, "E.121"),
        ("empty paragraphs alone", "\n".repeat(20_000), 400, "E.102"),
        ("a bell", "响\u{7}铃".to_owned(), 400, "E.102"),
        ("nothing", "无\0。".to_owned(), 400, "E.102"),
        ("an escape", "\u{1b}[31m红".to_owned(), 400, "E.102"),
        ("to the right", "受理\u{202e}49\u{202c}件。".to_owned(), 400, "E.102"),
        ("from right to left", "受理\u{200f}94件。".to_owned(), 400, "E.102"),
        ("apart", "受理\u{2067}94\u{2069}件。".to_owned(), 400, "E.102"),
    ]
}

/// The largest resident size of a process so far.
fn peak_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).context("no peak")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_no_text_is_refused_by_the_pages_and_nothing_of_it_stays()
-> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let mut service = Service::start(&hall, 0).await?;
    let department = Person::named(&hall, &service, "r01").await?;
    let pid = service.process.id().context("it ended")?;
    // What a first answer needs is there.
    let fine = json!({ "section": "window-service", "department": "tax", "text": "一条动态。" });
    assert_eq!(department.wants("/v1/submissions", "fine", &fine).await?.status, 200);
    let (last, before_kib) = (hall.last().await?, peak_kib(pid)?);
    for (name, text, status, code) in texts() {
        let started = Instant::now();
        let body = json!({ "section": "window-service", "department": "tax", "text": text });
        let refused = department.wants("/v1/submissions", name, &body).await?;
        let told = (refused.status, refused.json()?["code"].as_str().map(str::to_owned));
        assert_eq!(told, (status, Some(code.to_owned())), "{name}: {refused:?}");
        let fields = [("section", "window-service"), ("department", "tax"), ("text", &text)];
        let refused = department.fills("/submissions", name, &fields).await?;
        assert_eq!(refused.status, status, "{name}: {}", refused.head);
        assert!(refused.body.contains(code), "{name}: {}", refused.body);
        assert!(started.elapsed() < SOON, "{name}: {:?}", started.elapsed());
    }
    let more_kib = peak_kib(pid)? - before_kib;
    assert!(more_kib < MORE_KIB_MAX, "{more_kib} KiB more");
    assert_eq!(hall.last().await?, last, "nothing was stored");
    service.process.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_no_text_is_refused_by_the_command_line_and_nothing_of_it_stays()
-> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let last = hall.last().await?;
    // One of each kind: a command takes its time to start.
    let named = ["10 MB", "100,000 paragraphs", "a little too long", "an escape", "to the right"];
    for (name, text, _, code) in texts().into_iter().filter(|it| named.contains(&it.0)) {
        let line = json!({
            "specversion": "1.0", "source": "hall.510000.desk.submission.s99",
            "type": "cn.zhoubao.SubmissionFiled.v1", "time": "2023-02-13T09:00:00+08:00",
            "data": { "section": "window-service", "department": "tax", "text": text },
        });
        let started = Instant::now();
        let refused = hall.run_with(&format!("{line}\n"), &["emit", "-", "--anyway"]).await?;
        refused.fails(4, code);
        assert!(started.elapsed() < SOON, "{name}: {:?}", started.elapsed());
    }
    // An input, or a file, without an end: whoever read it all would never say anything.
    let mut command = hall.command(&["emit", "-"]);
    let refused = ended(command.stdin(File::open("/dev/zero")?).spawn()?).await?;
    refused.fails(4, "E.121");
    let editor = crate::hall::sample()?.people.editor;
    let import = ["import", "calls", "/dev/zero", "--source", "热线平台", "--by", editor.as_str()];
    let days = ["--from", "2023-02-06", "--to", "2023-02-12"];
    hall.run(&[&import[..], &days].concat()).await?.fails(4, "E.121");
    assert_eq!(hall.last().await?, last, "nothing was stored");
    Ok(())
}
