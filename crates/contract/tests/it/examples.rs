//! `examples/v1` holds one event of each type. They decode for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use zhoubao_contract::body::TYPES;
use zhoubao_contract::structured::parse;
use zhoubao_contract::{
    Draft, Stored, decode, encode, event_from_json, event_to_json, hash, to_structured,
};
use zhoubao_domain::calendar::Schedule;
use zhoubao_domain::event::{Event, Setup};
use zhoubao_domain::id::Stream;

use crate::samples::{self, hall};

/// Every sample with its type and its file: `Accepted.json`, and `Corrected.2.json` for a second of a type.
fn files() -> Vec<(PathBuf, &'static str, Draft)> {
    let mut seen = BTreeMap::new();
    samples::all()
        .into_iter()
        .map(|(kind, draft)| {
            let name =
                kind.strip_prefix("cn.zhoubao.").and_then(|it| it.strip_suffix(".v1")).unwrap();
            let file = match seen.entry(kind).and_modify(|it| *it += 1).or_insert(1) {
                1 => format!("{name}.json"),
                count => format!("{name}.{count}.json"),
            };
            (Path::new(FOLDER).join(file), kind, draft)
        })
        .collect()
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/v1");

#[test]
fn every_type_has_a_sample_and_a_file() {
    let known: BTreeSet<_> = TYPES.iter().copied().collect();
    let sampled: BTreeSet<_> = samples::all().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(known, sampled);
    assert_eq!(TYPES.len(), known.len(), "a type is listed twice");
    let expected: BTreeSet<_> = files().into_iter().map(|(path, ..)| path).collect();
    for (path, _, draft) in files().into_iter().filter(|(path, ..)| !path.exists()) {
        let message = encode(&draft);
        let (position, recorded_at) = (draft.number, Timestamp::UNIX_EPOCH);
        let stored = Stored { position, recorded_at, message };
        println!("{}\n{}", path.display(), to_structured(&stored));
    }
    let there: BTreeSet<_> =
        std::fs::read_dir(FOLDER).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(expected, there, "the missing ones are printed above");
}

#[test]
fn every_example_decodes_to_the_value_beside_it_and_back_to_its_bytes() {
    for (path, kind, draft) in files() {
        let file = std::fs::read_to_string(path).unwrap();
        let incoming = parse(file.trim_end(), &hall()).unwrap();
        assert_eq!(incoming.event, draft.event, "{kind}");
        assert_eq!(incoming.number, Some(draft.number), "{kind}");

        let message = incoming.message(draft.number, incoming.previous);
        let stored =
            Stored { position: 1, recorded_at: Timestamp::UNIX_EPOCH, message: message.clone() };
        let recorded = decode(&stored, &hall()).unwrap();
        assert_eq!(recorded.event, draft.event, "{kind}");
        assert_eq!(recorded.identity.stream, draft.subject.stream, "{kind}");
        assert_eq!(
            (recorded.occurred_at, recorded.entered_at, recorded.actor, recorded.command),
            (draft.occurred_at, draft.entered_at, draft.actor.clone(), draft.command.clone()),
            "{kind}"
        );
        assert_eq!(recorded.hash, hash(&message), "{kind}");

        assert_eq!(encode(&draft), message, "{kind} is written with other bytes than before");
        assert_eq!(event_to_json(&draft.event).1, incoming.body, "{kind}");
    }
}

#[test]
fn the_calendars_of_this_product_are_bodies() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/calendars");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "json") {
            continue;
        }
        let year = path.file_stem().unwrap().to_str().unwrap();
        let stream: Stream = format!("setup.calendar.{year}").parse().unwrap();
        let body = std::fs::read(&path).unwrap();
        let event = event_from_json("cn.zhoubao.CalendarPublished.v1", &body, &stream).unwrap();
        let Event::Setup(Setup::Calendar { year, notice, off, work }) = event else {
            panic!("not a calendar")
        };
        Schedule::new(year, notice, off, work).unwrap();
        read += 1;
    }
    assert!(read > 0);
}
