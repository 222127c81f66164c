//! What was printed can be traced and checked by whoever has it: packages, bundles, and the journal itself. Every change
//! that comes to mind is planted, and found with its place.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use zhoubao::play::Player;
use zhoubao::zipped::{pack, unpack};
use zhoubao_application::bundle::{Files, MANIFEST, SEAL, files_json};
use zhoubao_application::clock::{Clock as _, FixedClock};
use zhoubao_application::seal::{Algorithm, SealKey, sign};
use zhoubao_application::writer::{Unnumbered, Writer};
use zhoubao_contract::merkle::{Peaks, leaf};
use zhoubao_domain::event::{Event, Kind, TreeHash};
use zhoubao_domain::id::{Digest, EventRef};
use zhoubao_domain::time::hall_zone;

use crate::hall::{Hall, sample};

/// A hall with its first issue signed, sealed and published.
async fn published(algorithm: &str) -> anyhow::Result<(Hall, String)> {
    let hall = Hall::in_files()?;
    let desk = hall.context().desk().await?;
    let sample = sample()?;
    let mut player = Player::new(&desk, &sample, sample.acts(7)?);
    player.begin().await?;
    player.week(&sample.weeks[0]).await?;
    player.finish(&sample.weeks[0]).await?;
    drop(desk);
    hall.run(&["seal", "show"]).await?.fails_plainly(78, "zhoubao seal new");
    let made = hall.run(&["--json", "seal", "new", "--algorithm", algorithm]).await?.ok().json()?;
    let shown = hall.run(&["--json", "seal", "show"]).await?.ok().json()?;
    assert_eq!(made, shown);
    // A second one would leave nobody who can tell which is the office's.
    hall.run(&["seal", "new"]).await?.fails_plainly(78, "已有印章密钥");
    assert_eq!(hall.run(&["--json", "seal", "show"]).await?.ok().json()?, shown);
    hall.run(&["compose", "--once"]).await?.ok();
    let key = made["key"].as_str().context("no key")?.to_owned();
    Ok((hall, key))
}

fn write(folder: &Path, files: &Files) -> anyhow::Result<String> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(folder.display().to_string())
}

/// What whoever changed a package did then.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// Nothing.
    Left,
    /// Made the manifest fit.
    Fitted,
    /// And took the seal away.
    Stripped,
    /// And sealed it by a key of their own.
    Resealed,
}

type Change = Box<dyn Fn(&mut Files)>;

fn replaced(name: &'static str, from: &'static str, to: &'static str) -> Change {
    Box::new(move |files| {
        let text = String::from_utf8_lossy(&files[name]).into_owned();
        assert!(text.contains(from), "{name} has no {from}");
        files.insert(name.to_owned(), text.replacen(from, to, 1).into_bytes());
    })
}

/// Another byte in the middle.
fn flipped(name: &'static str) -> Change {
    Box::new(move |files| {
        let bytes = files.get_mut(name).expect("the file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    })
}

fn claimed(path: &'static str, value: Value) -> Change {
    Box::new(move |files| {
        let mut manifest: Value = serde_json::from_slice(&files[MANIFEST]).expect("a manifest");
        *manifest.pointer_mut(path).expect(path) = value.clone();
        files.insert(MANIFEST.to_owned(), format!("{manifest}\n").into_bytes());
    })
}

fn sealed(path: &'static str, value: &'static str) -> Change {
    Box::new(move |files| {
        let mut seal: Value = serde_json::from_slice(&files[SEAL]).expect("a seal");
        seal[path] = value.into();
        files.insert(SEAL.to_owned(), format!("{seal}\n").into_bytes());
    })
}

fn removed(name: &'static str) -> Change {
    Box::new(move |files| drop(files.remove(name)))
}

fn added(name: &'static str) -> Change {
    Box::new(move |files| drop(files.insert(name.to_owned(), b"x".to_vec())))
}

/// Makes the manifest name the files as they are now, and the canonical issue, too.
fn fit(files: &mut Files, then: Then) {
    if then == Then::Left {
        return;
    }
    let mut manifest: Value = serde_json::from_slice(&files[MANIFEST]).expect("a manifest");
    let mut others = files.clone();
    others.retain(|name, _| name != MANIFEST && name != SEAL);
    let list = files_json(&others);
    let issue = list.iter().find(|it| it["name"] == "2023-01.json");
    if let Some(issue) = issue {
        manifest["document"] = issue["sha256"].clone();
    }
    manifest["files"] = json!(list);
    let bytes = format!("{manifest}\n").into_bytes();
    match then {
        Then::Stripped => drop(files.remove(SEAL)),
        Then::Resealed => {
            let key = SealKey::from_seed(Algorithm::Ed25519, &[9; 32]).expect("a key");
            files.insert(SEAL.to_owned(), sign(&key, &bytes).into_bytes());
        }
        Then::Left | Then::Fitted => {}
    }
    files.insert(MANIFEST.to_owned(), bytes);
}

/// What is changed, what was done then, and the place that is named.
fn planted() -> Vec<(Change, Then, &'static str)> {
    use Then::{Fitted, Left, Resealed, Stripped};
    let figure = || replaced("2023-01.txt", "受理", "办结");
    vec![
        // A byte of any file.
        (figure(), Left, "2023-01.txt"),
        (flipped("2023-01.html"), Left, "2023-01.html"),
        (flipped("2023-01.json"), Left, "2023-01.json"),
        (flipped("2023-01.csv"), Left, "2023-01.csv"),
        (flipped("2023-01.docx"), Left, "2023-01.docx"),
        (flipped("2023-01.pdf"), Left, "2023-01.pdf"),
        (flipped("2023-01.ofd"), Left, "2023-01.ofd"),
        (flipped("checks.json"), Left, "checks.json"),
        (flipped("distribution.json"), Left, "distribution.json"),
        (flipped("rendering.json"), Left, "rendering.json"),
        // Files more and less.
        (removed("2023-01.pdf"), Left, "2023-01.pdf"),
        (removed("2023-01.pdf"), Fitted, "2023-01.pdf"),
        (removed("checks.json"), Stripped, "checks.json"),
        (removed("2023-01.json"), Fitted, "2023-01.json"),
        (removed(MANIFEST), Left, "package"),
        (added("2023-02.txt"), Left, "2023-02.txt"),
        (added("2023-02.txt"), Fitted, SEAL),
        // The manifest.
        (claimed("/number", json!(2)), Left, "2023-02."),
        (claimed("/running_number", json!(9)), Left, "/running_number"),
        (claimed("/year", json!(2024)), Left, "2024-01."),
        (claimed("/position", json!(9)), Left, "/position"),
        (claimed("/version", json!(2)), Left, "2023-01-v2."),
        (claimed("/document", json!("0".repeat(64))), Left, "2023-01.json"),
        (claimed("/figures", json!("0".repeat(64))), Left, SEAL),
        (claimed("/signed_by", json!("u999")), Left, SEAL),
        (claimed("/signed_at", json!("2024-01-01T00:00:00Z")), Left, SEAL),
        (claimed("/hall", json!("510100")), Left, SEAL),
        (claimed("/issue", json!("2023-w09")), Left, SEAL),
        (claimed("/format", json!("zhoubao-issue/2")), Left, "package"),
        (claimed("/files/0/bytes", json!(1)), Left, "2023-01.csv"),
        (claimed("/files/0/sha256", json!("0".repeat(64))), Left, "2023-01.csv"),
        (replaced(MANIFEST, ",", ", "), Left, MANIFEST),
        // The seal.
        (sealed("signature", "00"), Left, SEAL),
        (sealed("digest", "00"), Left, SEAL),
        (sealed("algorithm", "sm2-sm3"), Left, SEAL),
        (sealed("key", "00"), Left, SEAL),
        (removed(SEAL), Left, SEAL),
        // Whoever changed it made everything fit again, as far as is possible without the office's key.
        (figure(), Fitted, "2023-01.txt"),
        (figure(), Resealed, "2023-01.txt"),
        (replaced("2023-01.html", "</data>", "9</data>"), Resealed, "2023-01.html"),
        (replaced("2023-01.csv", "\n", "9\n"), Resealed, "2023-01.csv"),
        (replaced("2023-01.json", "受理", "办结"), Resealed, "2023-01.txt"),
        (replaced("checks.json", "reason", "season"), Fitted, SEAL),
        (replaced("checks.json", "reason", "season"), Stripped, SEAL),
        (replaced("checks.json", "reason", "season"), Resealed, SEAL),
        (flipped("2023-01.pdf"), Fitted, SEAL),
        (flipped("2023-01.pdf"), Stripped, SEAL),
        (flipped("2023-01.pdf"), Resealed, SEAL),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_changed_in_a_package_is_found_with_its_place() -> anyhow::Result<()> {
    let (hall, key) = published("ed25519").await?;
    let folder = hall.dir().join("issues").join("2023-01");
    let sound = unpack(&folder)?;
    let place = hall.dir().join("given").join("2023-01");
    let given = write(&place, &sound)?;
    let told = hall.run(&["verify", &given, "--key", &key]).await?.ok().text();
    assert!(told.starts_with("真实有效 genuine: 510000 2023年第1期（总第421期）"), "{told}");
    assert!(told.contains("为所要求的密钥 by a key demanded"), "{told}");

    let changes = planted();
    assert!(changes.len() >= 30, "{}", changes.len());
    for (nth, (change, then, named)) in changes.iter().enumerate() {
        let mut files = sound.clone();
        change(&mut files);
        fit(&mut files, *then);
        ensure!(files != sound, "{nth}: nothing was changed");
        write(&place, &files)?;
        let ran = hall.run(&["verify", &given, "--key", &key]).await?;
        let (is_altered, is_untrusted) = (ran.err.contains("E.320 "), ran.err.contains("E.321 "));
        ensure!(ran.exit == if is_altered { 3 } else { 5 }, "{nth} {named}: taken, {ran:?}");
        ensure!(is_altered || is_untrusted, "{nth} {named}: {ran:?}");
        ensure!(ran.err.contains(named), "{nth}: not {named} {then:?}: {}", ran.err);
        ensure!(!ran.text().contains("真实有效"), "{nth}: {ran:?}");
    }

    // Who has no key but the journal finds the same.
    let with_journal = ["verify", &given, "--with-journal"];
    write(&place, &sound)?;
    hall.run(&with_journal).await?.ok();
    for (change, named) in [
        (replaced("checks.json", "reason", "season"), "checks.json"),
        (flipped("2023-01.pdf"), "2023-01.pdf"),
        (added("2023-02.txt"), "2023-02.txt"),
        (claimed("/signed_by", json!("u999")), "/signed_by"),
        (claimed("/figures", json!("0".repeat(64))), "/figures"),
        (claimed("/issue", json!("2023-w09")), "/issue"),
        (claimed("/hall", json!("510100")), "/hall"),
    ] {
        let mut files = sound.clone();
        change(&mut files);
        fit(&mut files, Then::Stripped);
        write(&place, &files)?;
        hall.run(&["verify", &given]).await?.ok();
        let refused = hall.run(&with_journal).await?.fails(3, "E.320");
        ensure!(refused.err.contains(named), "{named}: {}", refused.err);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_checked_as_folder_and_zip_and_an_old_version_says_so() -> anyhow::Result<()> {
    let (hall, key) = published("sm2").await?;
    let issues = hall.dir().join("issues");
    let first = unpack(&issues.join("2023-01"))?;
    let of_folder = issues.join("2023-01").display().to_string();
    let told = hall.run(&["--json", "verify", &of_folder, "--key", &key]).await?.ok().json()?;
    assert_eq!(
        (&told["verdict"], &told["version"], &told["seal"]["algorithm"], &told["seal"]["trusted"]),
        (&json!("genuine"), &json!(1), &json!("sm2-sm3"), &json!(true))
    );
    // A single file is checked with what lies beside it.
    let of_file = issues.join("2023-01/2023-01.pdf").display().to_string();
    hall.run(&["verify", &of_file]).await?.ok();
    let other = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    hall.run(&["verify", &of_folder, "--key", other]).await?.fails(5, "E.321");
    let trust = hall.file("keys.txt", &format!("# office\n{key} 2023-01-01\n"))?;
    let late = hall.run(&["verify", &of_folder, "--trust", &trust]).await?.fails(5, "E.321");
    assert!(late.err.contains("2023-01-01"), "{}", late.err);

    // As a zip: of the files, and of the folder.
    let carried = tempfile::tempdir()?;
    let zip = carried.path().join("2023-01.zip");
    std::fs::write(&zip, pack(&first)?)?;
    let of_zip = zip.display().to_string();
    let told = hall.run(&["verify", &of_zip, "--key", &key]).await?.ok().text();
    assert!(told.starts_with("真实有效"), "{told}");
    let within: Files =
        first.iter().map(|(name, bytes)| (format!("2023-01/{name}"), bytes.clone())).collect();
    let nested = carried.path().join("nested.zip");
    std::fs::write(&nested, pack(&within)?)?;
    hall.run(&["verify", &nested.display().to_string()]).await?.ok();
    let mut bytes = std::fs::read(&zip)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = hall.file("damaged.zip", "")?;
    std::fs::File::create(&damaged)?.write_all(&bytes)?;
    hall.run(&["verify", &damaged]).await?.fails(3, "E.320");
    let stray = hall.file("stray.pdf", "%PDF")?;
    hall.run(&["verify", &stray]).await?.fails(3, "E.320");

    let people = sample()?.people;
    let (editor, leader) = (people.editor.to_string(), people.leader.to_string());
    let amend = ["issue", "amend", "2023-01", "--note", "标题更正", "--by", &editor];
    hall.run(&amend).await?.ok();
    // Until the new version is signed, the old one is the valid one.
    let told = hall.run(&["verify", &of_zip, "--with-journal"]).await?.ok().text();
    assert!(told.starts_with("真实有效"), "{told}");
    // And what is traced meanwhile is not signed.
    let bundle = hall.dir().join("draft.zip").display().to_string();
    hall.run(&["trace", "2023-01#受理.本周", "--bundle", &bundle]).await?.ok();
    let told = hall.run(&["--json", "verify", &bundle, "--key", &key]).await?.ok().json()?;
    assert_eq!((&told["signed"], &told["version"]), (&json!(false), &json!(2)));
    hall.run(&["issue", "submit", "2023-01", "--by", &editor]).await?.ok();
    let sign = ["issue", "sign", "2023-01", "--on", "2023-01-20", "--yes", "--by", &leader];
    hall.run(&sign).await?.ok();
    hall.run(&["compose", "--once"]).await?.ok();

    let corrected = "此版已被更正，现行为更正版";
    // Alone it cannot know; the journal and the newer package do.
    assert!(hall.run(&["verify", &of_zip]).await?.ok().text().starts_with("真实有效"));
    let told = hall.run(&["verify", &of_zip, "--with-journal"]).await?.ok().text();
    assert!(told.starts_with(corrected), "{told}");
    let told = hall.run(&["verify", &of_folder]).await?.ok().text();
    assert!(told.starts_with(corrected), "{told}");
    let of_second = issues.join("2023-01-v2").display().to_string();
    let told = hall.run(&["--json", "verify", &of_zip, &of_second]).await?.ok().text();
    let told: Vec<Value> =
        serde_json::Deserializer::from_str(&told).into_iter().collect::<Result<_, _>>()?;
    assert_eq!((&told[0]["verdict"], &told[0]["valid_version"]), (&json!("corrected"), &json!(2)));
    assert_eq!((&told[1]["verdict"], &told[1]["version"]), (&json!("genuine"), &json!(2)));
    hall.run(&["verify", &of_second, "--with-journal", "--key", &key]).await?.ok();
    // A newer package that nobody sealed, or that was changed, takes nothing from a sealed one.
    let second = unpack(Path::new(&of_second))?;
    let mut unsealed = second.clone();
    unsealed.remove(SEAL);
    write(&carried.path().join("2023-01-v2"), &unsealed)?;
    assert!(hall.run(&["verify", &of_zip]).await?.ok().text().starts_with("真实有效"));
    write(&carried.path().join("2023-01-v2"), &second)?;
    assert!(hall.run(&["verify", &of_zip]).await?.ok().text().starts_with(corrected));

    let void = ["issue", "void", "2023-01", "--reason", "误发", "--yes", "--by", &leader];
    if hall.run(&void).await?.exit == 0 {
        let told = hall.run(&["verify", &of_second, "--with-journal"]).await?.ok().text();
        assert!(told.starts_with("此期已作废"), "{told}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_figure_is_traced_and_its_bundle_checked_without_the_hall() -> anyhow::Result<()> {
    let (hall, key) = published("ed25519").await?;
    let listed = hall.run(&["trace", "2023-01"]).await?.ok().text();
    assert!(listed.contains("受理.本周"), "{listed}");
    hall.run(&["trace", "2023-01#办结.本周"]).await?.fails(4, "E.307");
    let bundle = hall.dir().join("accepted.zip").display().to_string();
    let traced = ["--json", "trace", "2023-01#受理.本周", "--bundle", &bundle];
    let traced = hall.run(&traced).await?.ok().json()?;
    let events = traced["events"].as_array().context("no events")?;
    let sum: i64 = events.iter().filter_map(|it| it["amount"].as_i64()).sum();
    assert_eq!(traced["value"], sum);
    let told = hall.run(&["--json", "verify", &bundle, "--key", &key]).await?.ok().json()?;
    assert_eq!((&told["value"], &told["entries"]), (&json!(sum), &json!(events.len())));
    assert_eq!((&told["verdict"], &told["signed"]), (&json!("genuine"), &json!(true)));
    hall.run(&["verify", &bundle, "--with-journal"]).await?.ok();
    // The printed root is that of the bundle.
    let issue = std::fs::read(hall.dir().join("issues/2023-01/2023-01.json"))?;
    let issue: Value = serde_json::from_slice(&issue)?;
    assert_eq!(issue["metadata"]["tree"]["root"], told["root"]);

    let sound = unpack(Path::new(&bundle))?;
    let lines = |change: fn(&mut Vec<String>)| {
        let mut files = sound.clone();
        let text = String::from_utf8_lossy(&files["messages.ndjson"]).into_owned();
        let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
        change(&mut lines);
        let text: String = lines.iter().map(|it| format!("{it}\n")).collect();
        files.insert("messages.ndjson".to_owned(), text.into_bytes());
        files
    };
    let changed: BTreeMap<&str, Files> = BTreeMap::from([
        ("缺失", lines(|it| drop(it.remove(20)))),
        ("缺失 is missing", lines(|it| it.swap(20, 21))),
        (
            "被改动",
            lines(|it| it[20] = it[20].replacen("ce-specversion:1.0", "ce-specversion:1.1", 1)),
        ),
    ]);
    for (named, files) in changed {
        std::fs::write(&bundle, pack(&files)?)?;
        let refused = hall.run(&["verify", &bundle]).await?.fails(3, "E.320");
        let position =
            serde_json::from_slice::<Value>(&sound[MANIFEST])?["before"]["size"].as_u64();
        let place = format!("#{}", position.context("no size")? + 21);
        ensure!(refused.err.contains(&place) && refused.err.contains(named), "{}", refused.err);
    }
    // A second program, from the description alone.
    let python = |path: &str| -> anyhow::Result<Option<i32>> {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recount/verify_bundle.py");
        let done = std::process::Command::new("python3").arg(script).arg(path).output();
        Ok(done.context("python3 is missing: apt-get install python3")?.status.code())
    };
    std::fs::write(&bundle, pack(&sound)?)?;
    assert_eq!(python(&bundle)?, Some(0));
    // The issue was signed: without its sign-off anything could be its text. All digests are made to fit.
    let mut files = sound.clone();
    let issues = String::from_utf8_lossy(&files["issues.ndjson"]).into_owned();
    let kept: Vec<_> = issues.lines().filter(|it| !it.contains("SignedOff")).collect();
    ensure!(kept.len() < issues.lines().count(), "{issues}");
    files.insert("issues.ndjson".to_owned(), (kept.join("\n") + "\n").into_bytes());
    files.remove(SEAL);
    let manifest = files.remove(MANIFEST).context("no manifest")?;
    let mut manifest: Value = serde_json::from_slice(&manifest)?;
    manifest["files"] = json!(files_json(&files));
    files.insert(MANIFEST.to_owned(), format!("{manifest}\n").into_bytes());
    std::fs::write(&bundle, pack(&files)?)?;
    let refused = hall.run(&["verify", &bundle]).await?.fails(3, "E.320");
    ensure!(refused.err.contains("issues.ndjson"), "{}", refused.err);
    assert_eq!(python(&bundle)?, Some(3));
    // Another figure than the journal's, everything made to fit but the office's seal.
    let mut files = sound.clone();
    files.remove(SEAL);
    std::fs::write(&bundle, pack(&files)?)?;
    hall.run(&["verify", &bundle]).await?.ok();
    hall.run(&["verify", &bundle, "--key", &key]).await?.fails(5, "E.321");
    Ok(())
}

/// What is changed in the file, and what is named.
const CHANGES: [(&str, &str); 7] = [
    (
        "drop trigger journal_never_changes; update journal set body = cast(replace(cast(body as text), '1', '2') as blob) \
         where sequence = (select min(sequence) from journal where cast(body as text) like '%1%' and subject like '%.terminal.w01')",
        ".terminal.w01：",
    ),
    (
        "drop trigger journal_never_changes; update journal set headers = replace(headers, 'ce-specversion:1.0', 'ce-specversion:1.1') \
         where sequence = 100",
        "#100 ",
    ),
    (
        "drop trigger journal_never_changes; update journal set recorded_at = recorded_at + 1 where sequence = 100",
        "#1—#",
    ),
    (
        "drop trigger journal_never_changes; \
         update journal set sequence = -1 where sequence = 100; update journal set sequence = 100 where sequence = 101; \
         update journal set sequence = 101 where sequence = -1",
        "#1—#",
    ),
    ("drop trigger journal_never_shrinks; delete from journal where sequence = 100", "100"),
    (
        "drop trigger journal_never_changes; update journal set body = cast(replace(cast(body as text), '\"root\":\"', '\"root\":\"0') as blob) \
         where subject like '%.issues' and headers like '%IssueFrozen%'",
        ".issues",
    ),
    (
        "drop trigger journal_never_changes; update journal set body = cast(replace(cast(body as text), '\"figures\":\"', '\"figures\":\"0') as blob) \
         where subject like '%.issues' and headers like '%IssueSignedOff%'",
        ".issues",
    ),
];

/// What is changed in a bundle that begins in the middle of the journal.
fn planted_in_the_middle() -> Vec<(Change, &'static str)> {
    let manifest = |change: fn(&mut Value)| -> Change {
        Box::new(move |files| {
            let mut manifest: Value = serde_json::from_slice(&files[MANIFEST]).expect("a manifest");
            change(&mut manifest);
            files.insert(MANIFEST.to_owned(), format!("{manifest}\n").into_bytes());
        })
    };
    let lines = |name: &'static str, change: fn(&mut Vec<String>)| -> Change {
        Box::new(move |files| {
            let text = String::from_utf8_lossy(&files[name]).into_owned();
            let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
            change(&mut lines);
            let text: String = lines.iter().map(|it| format!("{it}\n")).collect();
            files.insert(name.to_owned(), text.into_bytes());
        })
    };
    vec![
        (manifest(|it| it["before"]["peaks"][0] = "0".repeat(64).into()), "/tree/root"),
        (
            manifest(|it| drop(it["before"]["peaks"].as_array_mut().expect("a list").pop())),
            "/before",
        ),
        (manifest(|it| it["before"]["size"] = 1.into()), "/before"),
        (lines("messages.ndjson", |it| drop(it.remove(0))), "#"),
        (manifest(|it| it["earlier"][0]["proof"][0] = "0".repeat(64).into()), "不在树中"),
        (manifest(|it| it["earlier"][0]["position"] = 1.into()), "不在树中"),
        (
            manifest(|it| drop(it["earlier"].as_array_mut().expect("a list").pop())),
            "earlier.ndjson",
        ),
        (
            lines("earlier.ndjson", |it| {
                it[0] = it[0].replacen("specversion:1.0", "specversion:1.1", 1)
            }),
            "不在树中",
        ),
        (
            // The first messages are gone, and the tree before them is right.
            Box::new(|files| {
                let text = String::from_utf8_lossy(&files["messages.ndjson"]).into_owned();
                let mut manifest: Value =
                    serde_json::from_slice(&files[MANIFEST]).expect("a manifest");
                let size = manifest["before"]["size"].as_u64().expect("a size");
                let peaks = manifest["before"]["peaks"].as_array().expect("a list");
                let peaks = peaks.iter().map(|it| it.as_str()?.parse().ok());
                let peaks = peaks.collect::<Option<Vec<Digest>>>().expect("digests");
                let by = TreeHash::Sha256;
                let mut tree = Peaks::from_parts(by, size, peaks).expect("a tree");
                let mut lines = text.split_inclusive('\n');
                for line in lines.by_ref().take(40) {
                    tree.push(leaf(by, line.trim_end().as_bytes()));
                }
                let rest: String = lines.collect();
                files.insert("messages.ndjson".to_owned(), rest.into_bytes());
                let marks = String::from_utf8_lossy(&files["leaves.txt"]).into_owned();
                let marks: String = marks.split_inclusive('\n').skip(40).collect();
                files.insert("leaves.txt".to_owned(), marks.into_bytes());
                let peaks: Vec<_> = tree.peaks().iter().map(Digest::to_string).collect();
                manifest["before"] = json!({ "size": tree.size(), "peaks": peaks });
                files.insert(MANIFEST.to_owned(), format!("{manifest}\n").into_bytes());
            }),
            "之前的消息不全",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_begins_where_its_days_begin() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let sample = sample()?;
    let clock = Arc::new(FixedClock::new("2022-12-30T06:00:00Z".parse()?));
    let desk = hall.context_at(clock.clone()).desk().await?;
    let mut player = Player::new(&desk, &sample, sample.acts(7)?);
    player.begin().await?;
    for week in &sample.weeks[..3] {
        // Everything of a week is recorded on its last evening.
        clock.set(hall_zone().to_timestamp(week.period.last().at(22, 0, 0, 0))?);
        player.week(week).await?;
        if week.issue == sample.weeks[2].issue {
            // A late change of the first week: its original lies before the bundle.
            let (_, receipt) = player
                .receipts
                .iter()
                .find(|(it, _)| matches!(&it.event, Event::Act(act) if act.kind == Kind::Accepted))
                .context("no act")?;
            let original = EventRef { stream: receipt.stream.clone(), number: receipt.number };
            let event = Event::Voided { original, reason: "重复录入".to_owned() };
            let mut writer = Writer::new(desk.journal().clone(), desk.hall().clone());
            let stream = receipt.stream.clone();
            let actor = Some(sample.people.reviser.clone());
            let (occurred_at, entered_at, command) = (clock.now(), None, None);
            let voided = Unnumbered { stream, occurred_at, entered_at, actor, command, event };
            writer.write(vec![voided]).await?;
            desk.catch_up().await?;
        }
        player.finish(week).await?;
    }
    drop(desk);
    let bundle = hall.dir().join("accepted.zip");
    let path = bundle.display().to_string();
    for (figure, carried) in [
        ("受理.本周", false),
        ("受理.本周:window:w01", false),
        ("受理.调整", false),
        ("咨询.累计", true),
    ] {
        let figure = format!("2023-03#{figure}");
        let mut trace = vec!["--json", "trace", &figure, "--bundle", &path];
        trace.extend(carried.then_some("--carried"));
        let traced = hall.run(&trace).await?.ok().json()?;
        let told = hall.run(&["--json", "verify", &path, "--with-journal"]).await?.ok().json()?;
        assert_eq!(told["value"], traced["value"]);
        let manifest: Value = serde_json::from_slice(&unpack(&bundle)?[MANIFEST])?;
        let before = manifest["before"]["size"].as_u64().context("no size")?;
        assert!(before > 500, "{figure}: {before}");
    }
    let trace = ["trace", "2023-03#受理.本周", "--bundle", &path];
    hall.run(&trace).await?.ok();
    let sound = unpack(&bundle)?;
    assert!(sound.contains_key("earlier.ndjson"));
    for (nth, (change, named)) in planted_in_the_middle().iter().enumerate() {
        let mut files = sound.clone();
        change(&mut files);
        let mut manifest: Value = serde_json::from_slice(&files[MANIFEST])?;
        files.remove(MANIFEST);
        manifest["files"] = json!(files_json(&files));
        files.insert(MANIFEST.to_owned(), format!("{manifest}\n").into_bytes());
        std::fs::write(&bundle, pack(&files)?)?;
        let refused = hall.run(&["verify", &path]).await?.fails(3, "E.320");
        ensure!(refused.err.contains(named), "{nth}: not {named}: {}", refused.err);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_changed_in_the_journal_is_found_with_its_place() -> anyhow::Result<()> {
    let (hall, _) = published("ed25519").await?;
    let sound = hall.run(&["--json", "audit", "verify"]).await?.ok().json()?;
    assert_eq!((&sound["freezes"], &sound["findings"]), (&json!(1), &json!([])));
    let rooted = sound["rooted"].as_u64().context("no root")?;
    assert!(rooted > 100 && sound["files"].as_u64() == Some(10), "{sound}");
    let told = hall.run(&["audit", "verify"]).await?.ok().text();
    assert!(told.contains("与写入时一致 as it was written"), "{told}");

    let path = hall.dir().join("journal.db");
    let bytes = std::fs::read(&path)?;
    for (sql, named) in CHANGES {
        std::fs::write(&path, &bytes)?;
        let mut database =
            SqliteConnection::connect(&format!("sqlite://{}", path.display())).await?;
        let done = sqlx::raw_sql(sql).execute(&mut database).await?;
        database.close().await?;
        ensure!(done.rows_affected() > 0, "{sql}");
        let found = hall.run(&["audit", "verify"]).await?;
        ensure!(found.exit == 3, "{sql}: {found:?}");
        ensure!(found.err.contains(named), "{sql}: {}", found.err);
    }
    std::fs::write(&path, &bytes)?;
    hall.run(&["audit", "verify"]).await?.ok();

    // With an archive the message is named that a root only tells to be among some.
    let archive = hall.dir().join("kept").display().to_string();
    hall.run(&["archive", "--to", &archive, "--once"]).await?.ok();
    std::fs::write(hall.dir().join("zhoubao.toml"), format!("archive = {archive:?}\n"))?;
    let told = hall.run(&["--json", "audit", "verify"]).await?.ok().json()?;
    assert_eq!(told["archived"], told["messages"]);
    let mut database = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await?;
    sqlx::raw_sql(CHANGES[2].0).execute(&mut database).await?;
    database.close().await?;
    let found = hall.run(&["audit", "verify"]).await?.fails(3, "E.322");
    assert!(found.err.contains("#100 "), "{}", found.err);
    std::fs::write(&path, &bytes)?;

    // A published file.
    let files = hall.dir().join("files");
    let mut all = vec![files];
    let mut file = None;
    while let Some(folder) = all.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { all.push(path) } else { file = Some(path) }
        }
    }
    let file = file.context("no published file")?;
    std::fs::write(&file, b"x")?;
    hall.run(&["audit", "verify"]).await?.fails(3, "E.322");
    std::fs::remove_file(&file)?;
    let found = hall.run(&["audit", "verify"]).await?.fails(3, "E.322");
    assert!(found.err.contains("2023-01."), "{}", found.err);
    Ok(())
}
