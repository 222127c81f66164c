//! A sound bundle, changed in every way that comes to mind; whoever changed it also made the list of files fit again.

use serde_json::{Value, json};
use zhoubao_application::bundle::{Files, MANIFEST, check, files_json};

type Change = Box<dyn Fn(&mut Files, &mut Value)>;

fn lines(files: &mut Files, name: &str, change: impl Fn(&mut Vec<String>)) {
    let text = String::from_utf8(files[name].clone()).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    change(&mut lines);
    let text: String = lines.iter().map(|it| format!("{it}\n")).collect();
    files.insert(name.to_owned(), text.into_bytes());
}

fn line_of(name: &'static str, from: &'static str, to: &'static str) -> Change {
    Box::new(move |files, _| {
        lines(files, name, |lines| {
            let line = lines.iter_mut().find(|it| it.contains(from)).expect("there is one");
            *line = line.replacen(from, to, 1);
        });
    })
}

fn claim(path: &'static str, value: Value) -> Change {
    Box::new(move |_, manifest| *manifest.pointer_mut(path).expect(path) = value.clone())
}

fn entries(change: fn(&mut Vec<Value>)) -> Change {
    Box::new(move |_, manifest| {
        change(manifest["entries"].as_array_mut().expect("a list"));
    })
}

fn rows(name: &'static str, change: fn(&mut Vec<String>)) -> Change {
    Box::new(move |files, _| lines(files, name, change))
}

fn planted() -> Vec<(&'static str, Change)> {
    const M: &str = "messages.ndjson";
    let zeros = "0".repeat(64);
    vec![
        ("a body", line_of(M, "Consulted.v1", "Consulted.v2")),
        ("people", line_of(M, "\\\"people\\\":1", "\\\"people\\\":2")),
        ("a header", line_of(M, "ce-time:2023-02-07", "ce-time:2023-02-08")),
        ("a subject", line_of(M, ".terminal.w03\"", ".terminal.w04\"")),
        ("a time of the journal", line_of(M, "\"recorded_at\":\"2", "\"recorded_at\":\"1")),
        ("a number", line_of(M, "ce-id:17\\n", "ce-id:18\\n")),
        ("a chain", line_of(M, "ce-prevhash:", "ce-prevhasi:")),
        ("white space", line_of(M, "\"subject\":", " \"subject\":")),
        ("one event less", rows(M, |it| drop(it.remove(100)))),
        ("the first event less", rows(M, |it| drop(it.remove(0)))),
        ("the last event less", rows(M, |it| drop(it.pop()))),
        ("one event twice", rows(M, |it| it.insert(100, it[100].clone()))),
        ("two events swapped", rows(M, |it| it.swap(100, 101))),
        ("the last event twice", rows(M, |it| it.push(it[it.len() - 1].clone()))),
        ("a mark", rows("leaves.txt", |it| it[7] = "00000000".to_owned())),
        ("a mark more", rows("leaves.txt", |it| it.push("00000000".to_owned()))),
        ("a freeze", line_of("issues.ndjson", "\\\"cut\\\":\\\"", "\\\"cut\\\":\\\"1")),
        ("a period", line_of("issues.ndjson", "2023-02-10", "2023-02-09")),
        ("a step less", rows("issues.ndjson", |it| drop(it.remove(1)))),
        ("steps swapped", rows("issues.ndjson", |it| it.swap(1, 2))),
        ("no sign-off of the issue before", rows("issues.ndjson", |it| it.truncate(4))),
        ("a definition", line_of("definitions.json", "受理", "办结")),
        ("a frozen figure", rows("figures.txt", |it| it[0].push('0'))),
        ("a frozen figure less", rows("figures.txt", |it| drop(it.pop()))),
        ("the printed issue", line_of("issue.json", "受理", "办结")),
        ("the value", claim("/value", json!(95))),
        ("the number of events", claim("/events", json!(95))),
        ("another figure", claim("/definition", json!("issued"))),
        ("another span", claim("/span", json!("year"))),
        ("another part", claim("/part", json!("w01"))),
        ("another issue", claim("/issue", json!("2023-w05"))),
        ("a base", claim("/base/value", json!(1))),
        ("the days", claim("/reaches/0/first", json!("2023-02-07"))),
        ("the period before", claim("/between/previous/cut", json!(1))),
        ("the root", claim("/tree/root", json!(zeros))),
        ("the size", claim("/tree/size", json!(17))),
        ("the hash", claim("/tree/hash", json!("sm3"))),
        ("a head", claim("/heads/0/number", json!(1))),
        ("the form", claim("/format", json!("zhoubao-trace/2"))),
        ("an entry less", entries(|it| drop(it.remove(3)))),
        ("an entry twice", entries(|it| it.insert(3, it[3].clone()))),
        ("entries swapped", entries(|it| it.swap(3, 4))),
        ("an entry's amount", entries(|it| it[3]["amount"] = json!(2))),
        ("an entry's sign", entries(|it| it[3]["sign"] = json!(-1))),
        ("an entry's day", entries(|it| it[3]["day"] = json!("2023-02-10"))),
        ("an entry's window", entries(|it| it[3]["window"] = json!("w99"))),
        ("an entry's department", entries(|it| it[3]["department"] = json!("-"))),
        ("an entry's event", entries(|it| it[3]["event"] = json!("terminal.w01#1"))),
        (
            "an event that is left out with a code",
            Box::new(|_, manifest| {
                let entries = manifest["entries"].as_array_mut().expect("a list");
                let position = entries.remove(3)["position"].clone();
                manifest["without"] = json!([{ "position": position, "code": "E.110" }]);
            }),
        ),
    ]
}

/// Plants each change in a sound bundle: none is taken, and each place is named.
pub(crate) fn all_are_found(sound: &Files) -> anyhow::Result<usize> {
    check(sound)?;
    let changes = planted();
    for (name, change) in &changes {
        let mut files = sound.clone();
        let mut manifest: Value = serde_json::from_slice(&files[MANIFEST])?;
        change(&mut files, &mut manifest);
        files.remove(MANIFEST);
        manifest["files"] = json!(files_json(&files));
        let text = zhoubao_composer::json::text(&manifest) + "\n";
        files.insert(MANIFEST.to_owned(), text.into_bytes());
        anyhow::ensure!(files != *sound, "{name}: nothing was changed");
        match check(&files) {
            Ok(it) => anyhow::bail!("{name}: taken, {it:?}"),
            Err(it) => anyhow::ensure!(!it.place.is_empty(), "{name}: {it}"),
        }
    }
    // Without making the list fit: any byte of any file.
    for (name, bytes) in sound {
        for place in (0..bytes.len()).step_by(bytes.len() / 3 + 1) {
            let mut files = sound.clone();
            let mut other = bytes.clone();
            other[place] ^= 1;
            files.insert(name.clone(), other);
            anyhow::ensure!(check(&files).is_err(), "{name}, byte {place}: taken");
        }
    }
    Ok(changes.len())
}
