//! What a reader must not take for something else: bodies in `examples/awkward`, attributes, headers, lines.

use std::collections::BTreeSet;

use jiff::Timestamp;
use zhoubao_contract::structured::parse;
use zhoubao_contract::{
    Attributes, DecodeError, Message, Stored, decode, encode, event_from_json, hash, to_structured,
};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, SUBMISSION_BYTES_MAX};

use crate::samples::{self, hall};

/// File, type, stream, and the code of its refusal; none where it is an event.
const BODIES: &[(&str, &str, &str, Option<Code>)] = &[
    ("array", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("absurd_number", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("byte_order_mark", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("date_without_hyphens", "DayClosed", "terminal.w01", Some(Code::Malformed)),
    ("deeply_nested", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("duplicate_key", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("empty", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("empty_object", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("empty_object", "Accepted", "terminal.w01", Some(Code::Malformed)),
    ("empty_object", "AuthorizationChanged", "terminal.w01", Some(Code::Malformed)),
    ("empty_object", "RulesSet", "setup.rules.standard", Some(Code::Malformed)),
    ("empty_object", "UserSet", "setup.user.u1", Some(Code::Malformed)),
    ("empty_object", "SubmissionReturned", "desk.submission.s1", Some(Code::NoReason)),
    ("empty_reason", "Voided", "terminal.w01", Some(Code::NoReason)),
    ("empty_reason", "Corrected", "terminal.w01", Some(Code::NoReason)),
    ("empty_reason", "Released", "quarantine", Some(Code::NoReason)),
    ("enum_quoted_in_text", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("fraction", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("huge_number", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("items_missing", "AuthorizationChanged", "authorization.d01", Some(Code::Malformed)),
    ("lone_surrogate", "Accepted", "terminal.w01", Some(Code::Malformed)),
    ("negative_number", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("not_utf8", "Accepted", "terminal.w01", Some(Code::Malformed)),
    ("nul_in_text", "Voided", "terminal.w01", Some(Code::Malformed)),
    ("null", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("null_field", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("number_as_text", "Consulted", "terminal.w01", None),
    ("number_with_leading_zero", "Voided", "terminal.w01", Some(Code::Malformed)),
    ("other_department", "AuthorizationChanged", "authorization.d01", Some(Code::Malformed)),
    ("other_department", "AuthorizationChanged", "terminal.w01", None),
    ("presence_of_false", "WindowSet", "setup.window.w1", Some(Code::Malformed)),
    ("snake_and_camel", "IssueSignedOff", "issues", Some(Code::Malformed)),
    ("snake_case", "IssueSignedOff", "issues", None),
    ("thirtieth_of_february", "DayClosed", "terminal.w01", Some(Code::Malformed)),
    ("too_many_people", "Consulted", "terminal.w01", Some(Code::OutOfRange)),
    ("trailing_garbage", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("unknown_enum", "AuthorizationChanged", "terminal.w01", Some(Code::UnknownKind)),
    ("unknown_enum_number", "AuthorizationChanged", "terminal.w01", Some(Code::UnknownKind)),
    ("unknown_field", "Consulted", "terminal.w01", None),
    ("unknown_field_twice", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("unspecified_enum", "AuthorizationChanged", "terminal.w01", Some(Code::Malformed)),
    ("upper_case_digest", "IssueSignedOff", "issues", Some(Code::Malformed)),
    ("wrong_type", "Consulted", "terminal.w01", Some(Code::Malformed)),
    ("unknown_code", "IssueWarningAccepted", "issues", Some(Code::UnknownKind)),
    ("zero_day", "DayClosed", "terminal.w01", None),
    ("zero_people", "Consulted", "terminal.w01", Some(Code::OutOfRange)),
    // A kind in the wrong place.
    ("number_as_text", "Consulted", "issues", Some(Code::Malformed)),
    ("presence_of_false", "WindowSet", "setup.terminal.w1", Some(Code::Malformed)),
    ("empty_reason", "Released", "terminal.w01", Some(Code::Malformed)),
    ("zero_day", "DayClosed", "audit", Some(Code::Malformed)),
    // A kind of a newer program.
    ("zero_day", "DayOpened", "terminal.w01", Some(Code::UnknownKind)),
];

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/awkward");

fn body(file: &str) -> Vec<u8> {
    std::fs::read(format!("{FOLDER}/{file}.json")).unwrap()
}

#[test]
fn every_awkward_body_has_its_code_at_the_edge_and_in_the_journal() {
    for (file, name, stream, expected) in BODIES {
        let kind = format!("cn.zhoubao.{name}.v1");
        let edge = event_from_json(&kind, &body(file), &stream.parse().unwrap());
        assert_eq!(edge.as_ref().err().map(|it| it.code), *expected, "{file} {name}: {edge:?}");

        let mut message = accepted();
        message.subject = format!("hall.510000.{stream}");
        message.attributes.source = Some(message.subject.clone());
        message.attributes.kind = Some(kind);
        message.attributes.hash = None;
        message.body = body(file);
        let journal = decode(&stored(message), &hall());
        // In the journal a field nobody knows does no harm, even twice or deeply nested.
        let ignorable = ["unknown_field_twice", "deeply_nested"].contains(file);
        let expected = if ignorable { None } else { *expected };
        assert_eq!(journal.as_ref().err().map(|it| it.code), expected, "{file} {name}");
        if let Err(error) = journal {
            assert_eq!(error.hold, error.code == Code::UnknownKind, "{file} {name}");
            assert!(error.identity.is_some() && error.hash.is_some(), "{file} {name}");
        }
    }
}

#[test]
fn every_awkward_file_is_used() {
    let used: BTreeSet<String> = BODIES.iter().map(|it| format!("{}.json", it.0)).collect();
    let there = std::fs::read_dir(FOLDER)
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(used, there);
}

fn accepted() -> Message {
    let (_, draft) = samples::all().swap_remove(1);
    encode(&draft)
}

fn stored(message: Message) -> Stored {
    Stored { position: 9, recorded_at: Timestamp::UNIX_EPOCH, message }
}

/// Changes a good message and returns why it is refused. Its hash goes, unless the change is to the hash.
#[track_caller]
fn refused(change: impl FnOnce(&mut Message)) -> DecodeError {
    let mut message = accepted();
    message.attributes.hash = None;
    change(&mut message);
    *decode(&stored(message), &hall()).unwrap_err()
}

#[test]
fn the_identity_is_known_even_of_what_is_not_understood() {
    let good = decode(&stored(accepted()), &hall()).unwrap();
    let newer = refused(|it| it.attributes.kind = Some("cn.zhoubao.Accepted.v2".to_owned()));
    assert_eq!((newer.code, newer.hold), (Code::UnknownKind, true));
    assert_eq!(newer.identity, Some(good.identity.clone()));
    assert_eq!(newer.previous, good.previous);
    assert_eq!(newer.occurred_at, Some(good.occurred_at));

    let broken = refused(|it| it.body.truncate(3));
    assert_eq!((broken.code, broken.hold), (Code::Malformed, false));
    assert_eq!(broken.identity, Some(good.identity));
    assert!(broken.hash.is_some());
    assert_ne!(broken.hash, Some(good.hash));
}

#[test]
fn a_missing_or_impossible_attribute_is_malformed() {
    type Change = fn(&mut Attributes);
    let changes: &[(&str, Change)] = &[
        ("no specversion", |it| it.specversion = None),
        ("specversion 0.3", |it| it.specversion = Some("0.3".to_owned())),
        ("no id", |it| it.id = None),
        ("id 0", |it| it.id = Some("0".to_owned())),
        ("id 01", |it| it.id = Some("01".to_owned())),
        ("id +1", |it| it.id = Some("+1".to_owned())),
        ("id 2^64", |it| it.id = Some("18446744073709551616".to_owned())),
        ("id １", |it| it.id = Some("１".to_owned())),
        ("no source", |it| it.source = None),
        ("source of another line", |it| it.source = Some("hall.510000.terminal.w02".to_owned())),
        ("no type", |it| it.kind = None),
        ("empty type", |it| it.kind = Some(String::new())),
        ("no time", |it| it.time = None),
        ("30 February", |it| it.time = Some("2023-02-30T09:00:00+08:00".to_owned())),
        ("time without offset", |it| it.time = Some("2023-02-06T09:00:00".to_owned())),
        ("time with a zone", |it| {
            it.time = Some("2023-02-06T09:00:00+08:00[Asia/Shanghai]".to_owned());
        }),
        ("time with a space", |it| it.time = Some("2023-02-06 09:00:00+08:00".to_owned())),
        ("empty enteredat", |it| it.enteredat = Some(String::new())),
        ("empty actor", |it| it.actor = Some(String::new())),
        ("a name as actor", |it| it.actor = Some("张三".to_owned())),
        ("empty command", |it| it.command = Some(String::new())),
        ("long command", |it| it.command = Some("x".repeat(129))),
        ("short prevhash", |it| it.prevhash = Some("00".to_owned())),
        ("XML", |it| it.datacontenttype = Some("text/xml".to_owned())),
        ("unreadable", |it| it.unreadable.push(("ce-x".to_owned(), "%C0%A0".to_owned()))),
    ];
    for (name, change) in changes {
        let error = refused(|it| change(&mut it.attributes));
        assert_eq!((error.code, error.hold), (Code::Malformed, false), "{name}: {error}");
    }
    for content_type in [None, Some("application/json; charset=utf-8")] {
        let mut message = accepted();
        message.attributes.datacontenttype = content_type.map(str::to_owned);
        assert!(decode(&stored(message), &hall()).is_ok(), "{content_type:?}");
    }
}

#[test]
fn an_event_of_another_hall_is_not_ours() {
    let subject = |it: &mut Message| it.subject = "hall.440000.terminal.w01".to_owned();
    let error = refused(subject);
    assert_eq!((error.code, error.identity), (Code::UnknownHall, None));

    let error = refused(|it| it.attributes.source = Some("hall.440000.terminal.w01".to_owned()));
    assert_eq!(error.code, Code::UnknownHall);
    assert!(error.identity.is_some(), "the subject says whose line it is");
}

#[test]
fn a_hash_that_is_not_of_the_bytes_breaks_the_chain() {
    let good = accepted();
    for claimed in ["", "00", &"0".repeat(64), &hash(&good).to_string().to_uppercase()] {
        let error = refused(|it| it.attributes.hash = Some(claimed.to_owned()));
        assert_eq!(error.code, Code::BrokenChain, "{claimed}");
    }
    // One blank more is the same JSON, and another event.
    let error = refused(|it| {
        it.attributes.hash = Some(hash(&good).to_string());
        it.body.push(b' ');
    });
    assert_eq!(error.code, Code::BrokenChain);
}

#[test]
fn a_submission_has_at_most_24_kb() {
    let (_, mut draft) = samples::all().swap_remove(8);
    for (bytes, code) in
        [(SUBMISSION_BYTES_MAX, None), (SUBMISSION_BYTES_MAX + 1, Some(Code::TooLarge))]
    {
        let Event::SubmissionFiled { text, .. } = &mut draft.event else {
            panic!("another sample")
        };
        *text = "a".repeat(bytes);
        let decoded = decode(&stored(encode(&draft)), &hall());
        assert_eq!(decoded.err().map(|it| it.code), code, "{bytes}");
    }
}

#[test]
fn an_amount_that_the_wire_cannot_hold_is_refused_and_never_another_amount() {
    let (_, mut draft) = samples::all().swap_remove(4);
    for amount in [-1, i64::from(u32::MAX) + 1] {
        let Event::DayClosed { tally, .. } = &mut draft.event else { panic!("another sample") };
        tally.accepted = amount;
        let error = decode(&stored(encode(&draft)), &hall()).unwrap_err();
        assert_eq!(error.code, Code::Malformed);
    }
}

#[test]
fn a_header_is_decoded_once_and_strictly() {
    let read = |value: &str| {
        Attributes::from_headers([("ce-x", value)]).map(|it| it.extra).map_err(|it| it.code)
    };
    let is = |value: &str| Ok(vec![("x".to_owned(), value.to_owned())]);
    assert_eq!(read("%E7%AA%97%E5%8F%A3"), is("窗口"));
    assert_eq!(read("%e7%aa%97%e5%8f%a3"), is("窗口"));
    assert_eq!(read("窗口"), is("窗口"));
    assert_eq!(read("%2525"), is("%25"));
    for bad in ["%C0%A0", "%ED%A0%80", "%", "%2", "%zz", "100%", "%0A", "%00", "a\u{7f}"] {
        assert_eq!(read(bad), Err(Code::Malformed), "{bad:?}");
    }
    let attributes =
        Attributes { actor: Some("窗口 \"a\" 100%~".to_owned()), ..Default::default() };
    let headers: Vec<_> = attributes.headers().collect();
    assert_eq!(headers[0].0, "ce-actor");
    assert_eq!(headers[0].1, "%E7%AA%97%E5%8F%A3%20%22a%22%20100%25~");
}

#[test]
fn a_repeated_or_misnamed_header_is_refused_and_kept() {
    let cases: [&[(&str, &str)]; 6] = [
        &[("ce-id", "1"), ("ce-id", "1")],
        &[("ce-id", "1"), ("CE-ID", "2")],
        &[("ce-x", "1"), ("ce-x", "1")],
        &[("Content-Type", "application/json"), ("content-type", "application/json")],
        &[("ce-some_thing", "1")],
        &[("ce-datacontenttype", "application/json")],
    ];
    for headers in cases {
        let code = Attributes::from_headers(headers.iter().copied()).unwrap_err().code;
        assert_eq!(code, Code::Malformed, "{headers:?}");
        let read = Attributes::read_headers(headers.iter().copied());
        assert_eq!(Attributes::read_block(&read.to_block()), read, "{headers:?}");
        assert_eq!(read.unreadable.len(), 1, "{headers:?}");
    }
    let foreign =
        [("Nats-Expected-Last-Subject-Sequence", "7"), ("traceparent", "00-1"), ("ce-id", "1")];
    assert_eq!(Attributes::from_headers(foreign).unwrap().headers().count(), 1);
}

const LINE: &str = r#"{"specversion":"1.0","source":"hall.510000.terminal.w01","type":"cn.zhoubao.Consulted.v1","time":"2023-02-06T09:10:00+08:00","data":{"people":3}}"#;

#[test]
fn a_line_needs_no_number_and_keeps_its_bytes() {
    let line = LINE.replace(r#"{"people":3}"#, r#"{ "people" : 3, "later":[1] }"#).replace(
        r#""type""#,
        r#""partition":"甲","retries":3,"sampled":true,"sequence":"7","id":null,"type""#,
    );
    let incoming = parse(&line, &hall()).unwrap();
    assert_eq!((incoming.number, incoming.previous), (None, None));
    assert_eq!(incoming.body, br#"{ "people" : 3, "later":[1] }"#);
    let extra = [("partition", "甲"), ("retries", "3"), ("sampled", "true")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(incoming.attributes.extra, extra);

    let message = incoming.message(4, Some(hash(&accepted())));
    let recorded = decode(&stored(message.clone()), &hall()).unwrap();
    assert_eq!((recorded.identity.number, recorded.event), (4, incoming.event));
    assert_eq!(recorded.previous, Some(hash(&accepted())));
    assert_eq!(message.body, incoming.body);
}

#[test]
fn a_body_that_is_not_one_line_survives_an_export() {
    let mut message = accepted();
    message.body = String::from_utf8(message.body).unwrap().replace(',', ",\n  ").into_bytes();
    message.attributes.hash = None;
    message.attributes.hash = Some(hash(&message).to_string());
    let line = to_structured(&stored(message.clone()));
    assert!(!line.contains('\n'));
    let incoming = parse(&line, &hall()).unwrap();
    assert_eq!(incoming.message(incoming.number.unwrap(), incoming.previous), message);
}

#[test]
fn an_awkward_line_has_its_code() {
    let with = |from: &str, to: &str| LINE.replacen(from, to, 1);
    let extra = |member: &str| with("{", &format!("{{{member},"));
    let cases = [
        (String::new(), Code::Malformed),
        ("[]".to_owned(), Code::Malformed),
        (format!("\u{feff}{LINE}"), Code::Malformed),
        (format!("{LINE}{LINE}"), Code::Malformed),
        (with("source", "sauce"), Code::Malformed),
        (with("510000", "440000"), Code::UnknownHall),
        (with(r#""time":"2023-02-06T09:10:00+08:00","#, ""), Code::Malformed),
        (with(r#","data":{"people":3}"#, ""), Code::Malformed),
        (with(r#"{"people":3}"#, "null"), Code::Malformed),
        (with(r#"{"people":3}"#, r#"{"people":0}"#), Code::OutOfRange),
        (with(r#"{"people":3}"#, r#"{"people":3,"x":{"y":1,"y":2}}"#), Code::Malformed),
        (with("Consulted.v1", "Consulted.v2"), Code::UnknownKind),
        (with("1.0", "0.3"), Code::Malformed),
        (
            with("people\":3", &format!("people\":3,\"x\":\"{}\"", "a".repeat(33_000))),
            Code::TooLarge,
        ),
        (extra(r#""id":1"#), Code::Malformed),
        (extra(r#""id":"0""#), Code::Malformed),
        (extra(r#""some_thing":"a""#), Code::Malformed),
        (extra(r#""Actor":"u1""#), Code::Malformed),
        (extra(r#""x":{"y":1}"#), Code::Malformed),
        (extra(r#""x":1.5"#), Code::Malformed),
        (extra(r#""x":"a\u0000""#), Code::Malformed),
        (extra(r#""x":"1","x":"1""#), Code::Malformed),
        (extra(r#""x":null,"x":"1""#), Code::Malformed),
        (extra(r#""x":"1","x":null"#), Code::Malformed),
        (extra(r#""type":"cn.zhoubao.Consulted.v1""#), Code::Malformed),
        (extra(r#""data":{"people":3}"#), Code::Malformed),
        (extra(r#""data_base64":"e30=""#), Code::Malformed),
        (extra(r#""actor":"张三""#), Code::Malformed),
        (extra(&format!(r#""hash":"{}""#, "0".repeat(64))), Code::Malformed),
        (extra(&format!(r#""id":"1","hash":"{}""#, "0".repeat(64))), Code::BrokenChain),
        (extra(&format!(r#""prevhash":"{}""#, "0".repeat(64))), Code::Malformed),
    ];
    assert!(parse(LINE, &hall()).is_ok());
    for (line, code) in cases {
        let parsed = parse(&line, &hall());
        assert_eq!(parsed.map_err(|it| it.code).err(), Some(code), "{line:.300}");
    }
}
