//! Attachments of news: what is taken, who sees it, and the same on the command line.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::desk::Person;
use crate::hall::{Hall, sample};
use crate::web::Service;

const SCAN: &str = "%PDF-1.7\n1 0 obj\n<< >>\nendobj\n%%EOF\n";

/// A picture of one dot.
const DOT: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4,
    0x89, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0xf8, 0xcf, 0xc0, 0xf0,
    0x1f, 0x00, 0x05, 0x00, 0x01, 0xff, 0x89, 0x99, 0x3d, 0x1d, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45,
    0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

async fn attached(person: &Person, content: &str) -> anyhow::Result<Value> {
    let answer = person.program("").call("POST", "/v1/attachments", content).await?;
    let mut said = answer.json()?;
    said["status"] = answer.status.into();
    Ok(said)
}

fn news(attachments: &Value) -> Value {
    json!({
        "section": "window-service", "department": "tax", "text": "窗口延时服务。",
        "attachments": attachments,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn news_have_attachments_that_its_department_and_the_editor_see() -> anyhow::Result<()> {
    let people = sample()?.people;
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let service = Service::start(&hall, 0).await?;
    let department = Person::named(&hall, &service, "r01").await?;
    let other = Person::named(&hall, &service, "r02").await?;
    let editor = Person::named(&hall, &service, people.editor.as_str()).await?;
    let inspector = Person::named(&hall, &service, people.inspector.as_str()).await?;

    let said = attached(&department, SCAN).await?;
    let digest: String = Sha256::digest(SCAN).iter().map(|it| format!("{it:02x}")).collect();
    assert_eq!((&said["sha256"], &said["kind"]), (&json!(digest), &json!("pdf")));
    // Neither what is something else, nor what is too long, nor by whoever files nothing.
    for (content, status, code) in
        [("GIF89a".to_owned(), 422, "E.123"), ("x".repeat(9 * 1024 * 1024), 413, "E.121")]
    {
        let said = attached(&department, &content).await?;
        assert_eq!((&said["status"], &said["code"]), (&json!(status), &json!(code)));
    }
    assert_eq!(attached(&inspector, SCAN).await?["status"], 403);

    let mut nine = vec![];
    for number in 0..9 {
        nine.push(attached(&department, &format!("{SCAN}% {number}")).await?["sha256"].clone());
    }
    for (key, attachments) in [
        ("unknown", json!(["0".repeat(64)])),
        ("twice", json!([digest, digest])),
        ("nine", json!(nine)),
    ] {
        let answer = department.wants("/v1/submissions", key, &news(&attachments)).await?;
        assert_eq!((answer.status, &answer.json()?["code"]), (422, &json!("E.123")), "{key}");
    }
    let done = department.wants("/v1/submissions", "one", &news(&json!([digest, nine[0]]))).await?;
    ensure!(done.status == 200, "{done:?}");
    // The form names them in one field, and keeps them when it is refused.
    let form = |text: &'static str| {
        [
            ("section", "window-service"),
            ("department", "tax"),
            ("text", text),
            ("attachments", &digest),
        ]
    };
    let refused =
        department.fills("/submissions", "two", &form("身份证11010519491231002X")).await?;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.body.contains(&format!("name=\"attachments\" value=\"{digest}\"")));
    let done = department.fills("/submissions", "three", &form("自助终端上线。")).await?;
    assert_eq!(done.status, 303, "{done:?}");

    let after = done.header("location").context("no place")?.to_owned();
    let page = department.visitor.get(&after).await?.body;
    let list = department.visitor.get("/v1/submissions").await?.json()?;
    let list = list["submissions"].as_array().context("no list")?;
    let one = list.iter().find(|it| it["text"] == "窗口延时服务。").context("not filed")?;
    assert_eq!(one["attachments"], json!([digest, nine[0]]));
    let id = one["submission"].as_str().context("no id")?;
    let place = format!("/v1/submissions/{id}/attachments/{digest}");
    assert!(page.contains(&format!("href=\"{place}\"")), "{page}");
    for person in [&department, &editor] {
        let found = person.visitor.get(&place).await?;
        assert_eq!((found.status, found.body.as_str()), (200, SCAN));
        let saved = format!("attachment; filename=\"{}.pdf\"", &digest[..12]);
        assert_eq!(found.header("content-disposition"), Some(saved.as_str()));
    }
    assert_eq!(other.visitor.get(&place).await?.status, 404);
    let foreign = format!("/v1/submissions/{id}/attachments/{}", nine[1].as_str().context("")?);
    assert_eq!(editor.visitor.get(&foreign).await?.status, 404, "kept, and not of this news");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn news_and_rounds_are_filed_on_the_command_line() -> anyhow::Result<()> {
    let sample = sample()?;
    let people = &sample.people;
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let written = |name: &str, bytes: &[u8]| -> anyhow::Result<String> {
        let path = hall.dir().with_file_name(name);
        std::fs::write(&path, bytes)?;
        Ok(path.display().to_string())
    };
    let text = written("news.txt", "窗口延时服务。\n".as_bytes())?;
    let (dot, scan) = (written("dot.png", DOT)?, written("scan", SCAN.as_bytes())?);
    let broken = written("broken.png", &DOT[..50])?;
    let file = ["desk", "file", "--section", "window-service", "--department", "tax"];
    let file = |more: &[&'static str], attach: &[&str]| {
        let mut all: Vec<String> = file.iter().chain(more).map(|it| (*it).to_owned()).collect();
        all.extend(["--text".to_owned(), text.clone(), "--by".to_owned(), "r01".to_owned()]);
        all.extend(attach.iter().flat_map(|it| ["--attach".to_owned(), (*it).to_owned()]));
        all
    };
    let run = async |arguments: Vec<String>| {
        hall.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let before = hall.last().await?;
    run(file(&["--dry-run"], &[&dot])).await?.ok();
    run(file(&[], &[&dot, &broken])).await?.fails(4, "E.123");
    run(file(&[], &["/nowhere/photo.jpg"])).await?.fails(6, "E.705");
    assert_eq!(hall.last().await?, before, "nothing is recorded");
    run(file(&["--submission", "s1"], &[&dot, &scan])).await?.ok();
    run(file(&[], &[])).await?.ok();

    let listed = hall.run(&["desk", "list", "--json"]).await?.ok().json()?;
    let listed = listed["submissions"].as_array().context("no list")?.clone();
    assert_eq!(listed.len(), 2, "{listed:?}");
    let with = listed.iter().find(|it| it["submission"] == "s1").context("not filed")?;
    assert_eq!(with["attachments"].as_array().map(Vec::len), Some(2), "{with}");
    let out = hall.dir().with_file_name("out");
    let folder = out.display().to_string();
    hall.run(&["desk", "attachments", "s1", "--out", &folder]).await?.ok();
    let read = |name: &str| std::fs::read(out.join(PathBuf::from(name)));
    assert_eq!((read("s1-1.png")?, read("s1-2.pdf")?), (DOT.to_vec(), SCAN.as_bytes().to_vec()));
    // A copy of the hall has them as well.
    let backup = hall.dir().with_file_name("hall.backup").display().to_string();
    hall.run(&["backup", &backup]).await?.ok();
    let elsewhere = Hall::in_files()?;
    elsewhere.run(&["restore", &backup]).await?.ok();
    let again = hall.dir().with_file_name("again");
    let folder = again.display().to_string();
    elsewhere.run(&["desk", "attachments", "s1", "--out", &folder]).await?.ok();
    assert_eq!(std::fs::read(again.join("s1-1.png"))?, DOT);

    let back = ["desk", "return", "s1", "--reason", "请补充时限", "--by", people.editor.as_str()];
    hall.run(&back).await?.ok();
    let listed = hall.run(&["desk", "list"]).await?.ok().text();
    assert!(listed.contains("returned") && listed.contains("filed"), "{listed}");

    let items = &sample.weeks[0].inspection.results;
    let results: Vec<_> = items.iter().map(|it| json!({ "item": it.item })).collect();
    let whole = written("round.json", json!(results).to_string().as_bytes())?;
    let part = written("part.json", json!(results[1..]).to_string().as_bytes())?;
    let inspect = async |path: &str| {
        let by = ["--by", people.inspector.as_str()];
        hall.run(
            &[&["desk", "inspect", "--day", "2023-02-08", "--results", path][..], &by].concat(),
        )
        .await
    };
    inspect(&part).await?.fails(4, "E.102");
    inspect(&whole).await?.ok();
    Ok(())
}
