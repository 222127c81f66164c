//! The hash is a promise to programs that share no code with this one.
//!
//! Both vectors were computed by this Python (standard library only):
//!
//! ```python
//! import hashlib, struct
//! def h(source, number, prev, type, time, entered, actor, command, body):
//!     f = lambda s: struct.pack('>I', len(s)) + s
//!     e = lambda s: f(s.encode())
//!     return hashlib.sha256(b'\x01' + e(source) + struct.pack('>Q', number) + bytes.fromhex(prev or '00' * 32)
//!         + e(type) + e(time) + e(entered) + e(actor) + e(command) + f(body)).hexdigest()
//! a = h('hall.510000.terminal.w01', 1, None, 'cn.zhoubao.Accepted.v1', '2023-02-06T09:10:00+08:00', '', '', '',
//!     b'{"department":"d01","case":"2023-0001"}')
//! b = h('hall.510000.terminal.w01', 2, a, 'cn.zhoubao.Consulted.v1', '2023-02-06T09:12:30+08:00',
//!     '2023-02-07T08:30:00+08:00', 'u100', '窗口12 "a"', b'{"people":3,"department":"d01"}')
//! ```

use jiff::Timestamp;
use zhoubao_contract::{Draft, Stored, decode, encode, hash};
use zhoubao_domain::event::{Act, Event, Kind};
use zhoubao_domain::id::HallCode;

const FIRST: &str = "723c85e932988225f9f74b60bee8772a2a548efc37f59691864d96d1331f121e";
const SECOND: &str = "0ce7bf9c2701af4770caa787a7550ff5b1379512b10b1599083748b28bf7a3b8";

fn first() -> Draft {
    Draft {
        subject: "hall.510000.terminal.w01".parse().unwrap(),
        number: 1,
        previous: None,
        occurred_at: "2023-02-06T09:10:00+08:00".parse().unwrap(),
        entered_at: None,
        actor: None,
        command: None,
        event: Event::Act(Act {
            kind: Kind::Accepted,
            amount: 1,
            department: Some("d01".parse().unwrap()),
            matter: None,
            case: Some("2023-0001".parse().unwrap()),
        }),
    }
}

#[test]
fn the_hash_is_the_one_that_another_program_computes() {
    let hall: HallCode = "510000".parse().unwrap();
    let first = first();
    let second = Draft {
        number: 2,
        previous: Some(FIRST.parse().unwrap()),
        occurred_at: "2023-02-06T09:12:30+08:00".parse().unwrap(),
        entered_at: Some("2023-02-07T08:30:00+08:00".parse().unwrap()),
        actor: Some("u100".parse().unwrap()),
        command: Some("窗口12 \"a\"".to_owned()),
        event: Event::Act(Act {
            kind: Kind::Consulted,
            amount: 3,
            department: Some("d01".parse().unwrap()),
            matter: None,
            case: None,
        }),
        ..first.clone()
    };

    for (draft, expected) in [(first, FIRST), (second, SECOND)] {
        let message = encode(&draft);
        assert_eq!(hash(&message).to_string(), expected);
        assert_eq!(message.attributes.hash.as_deref(), Some(expected));
        let stored = Stored { position: 7, recorded_at: Timestamp::UNIX_EPOCH, message };
        assert_eq!(decode(&stored, &hall).unwrap().hash.to_string(), expected);
    }
}

/// Computed by a program of another language, from what `hash` says of itself.
const WITH_OFFSET: &str = "9c1ea44455426e812ee397161c75092ccc190d39251e31f5ada70a7aba17ad2e";

#[test]
fn a_clock_that_is_off_is_part_of_the_hash_and_puts_the_time_right() {
    let hall: HallCode = "510000".parse().unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let draft = Draft {
        subject: "hall.510000.terminal.w01".parse().unwrap(),
        number: 1,
        previous: None,
        occurred_at: at("2023-02-06T09:10:00+08:00"),
        entered_at: None,
        actor: None,
        command: None,
        event: Event::Act(Act {
            kind: Kind::Accepted,
            amount: 1,
            department: Some("d01".parse().unwrap()),
            matter: None,
            case: Some("2023-0001".parse().unwrap()),
        }),
    };
    let with = |draft: &Draft, offset: &str| {
        let mut message = encode(draft);
        message.attributes.clockoffset = Some(offset.to_owned());
        message.attributes.hash = None;
        message
    };
    let read = |message| {
        decode(&Stored { position: 7, recorded_at: Timestamp::UNIX_EPOCH, message }, &hall)
    };
    let fast = with(&draft, "600000");
    assert_eq!(hash(&fast).to_string(), WITH_OFFSET);
    let recorded = read(fast).unwrap();
    assert_eq!(recorded.occurred_at, at("2023-02-06T09:00:00+08:00"));
    assert_eq!(recorded.clock_offset.unwrap().as_secs(), 600);
    let slow = read(with(&draft, "-86400000")).unwrap();
    assert_eq!(slow.occurred_at, at("2023-02-07T09:10:00+08:00"));
    // What a person typed in stays; when he did so is put right.
    let typed = Draft { entered_at: Some(at("2023-02-07T08:40:00+08:00")), ..draft.clone() };
    let recorded = read(with(&typed, "600000")).unwrap();
    assert_eq!(recorded.occurred_at, typed.occurred_at);
    assert_eq!(recorded.entered_at, Some(at("2023-02-07T08:30:00+08:00")));
    for wrong in ["", "+1", "01", "-0", "1.5", "9999999999999999999", "3200000000000000"] {
        let error = read(with(&draft, wrong)).unwrap_err();
        assert_eq!(error.code, zhoubao_domain::code::Code::Malformed, "{wrong}");
    }
}

/// Computed likewise: without an offset, and with one.
const UNSURE: &str = "b8ec22eac92d7b49011e0998b906da7e67c648624dbbdc593aa7cc574f03c703";
const UNSURE_AND_OFFSET: &str = "613e149f802e73b06ca8a3d7eb2a9d3970219c5cbc5d79c39db61eb2bdbbab5d";

#[test]
fn a_clock_that_nobody_measured_is_part_of_the_hash() {
    let hall: HallCode = "510000".parse().unwrap();
    let with = |offset: Option<&str>, unsure: &str| {
        let mut message = encode(&first());
        message.attributes.clockoffset = offset.map(str::to_owned);
        message.attributes.clockunsure = Some(unsure.to_owned());
        message.attributes.hash = None;
        message
    };
    let read = |message| {
        decode(&Stored { position: 7, recorded_at: Timestamp::UNIX_EPOCH, message }, &hall)
    };
    let said = "2023-02-06T09:10:01+08:00";
    let unsure = with(None, said);
    assert_eq!(hash(&unsure).to_string(), UNSURE);
    assert_eq!(read(unsure).unwrap().clock_unsure, said.parse().ok());
    // What the clock said is put right by what was carried from an earlier boot, as the time is.
    let both = with(Some("600000"), said);
    assert_eq!(hash(&both).to_string(), UNSURE_AND_OFFSET);
    assert_eq!(read(both).unwrap().clock_unsure, "2023-02-06T09:00:01+08:00".parse().ok());
    for wrong in ["", "1", "2023-02-06", "2023-02-30T09:10:01+08:00"] {
        let error = read(with(None, wrong)).unwrap_err();
        assert_eq!(error.code, zhoubao_domain::code::Code::Malformed, "{wrong}");
    }
}
