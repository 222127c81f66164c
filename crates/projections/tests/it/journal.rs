//! A journal that is written by hand.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::date;
use zhoubao_contract::{Draft, Message, Stored, encode, hash};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Act, AuthorizationChange, Event, Kind, Right, Setup, Tally};
use zhoubao_domain::id::{Digest, EventRef, HallCode, SetupTopic, Stream, Subject};
use zhoubao_projections::model::{Incoming, Model};
use zhoubao_projections::rows::{Changes, Found, Standing};

pub(crate) fn hall() -> HallCode {
    "510000".parse().unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    format!("2023-{text}:00+08:00").parse().unwrap()
}

/// A journal that is written by hand, one event a line, each at its terminal's next number.
pub(crate) struct Journal {
    pub(crate) messages: Vec<Stored>,
    pub(crate) ends: HashMap<Stream, (u64, Option<Digest>)>,
    pub(crate) recorded_at: Timestamp,
}

impl Journal {
    /// A hall with a window, a terminal, an authorised tax department, a clerk and an office person.
    pub(crate) fn new() -> Self {
        let mut journal =
            Self { messages: vec![], ends: HashMap::new(), recorded_at: at("02-20T09:00") };
        let name = || "窗口".to_owned();
        journal.setup(SetupTopic::Window, "w01", Setup::Window { name: name(), open: true });
        journal.setup(SetupTopic::Window, "w02", Setup::Window { name: name(), open: true });
        for id in ["w01", "w02"] {
            let window = id.parse().unwrap();
            journal.setup(SetupTopic::Terminal, id, Setup::Terminal { window, active: true });
        }
        let department = Setup::Department { name: "省税务局".into(), aliases: vec![] };
        journal.setup(SetupTopic::Department, "tax", department);
        let user = |rights: &[Right]| Setup::User { rights: rights.to_vec(), active: true };
        journal.setup(SetupTopic::User, "clerk", user(&[Right::Record]));
        let office = [Right::Authorize, Right::Correct, Right::Release, Right::LateEntry];
        journal.setup(SetupTopic::User, "office", user(&office));
        let change = Event::AuthorizationChanged {
            department: "tax".parse().unwrap(),
            effective: date(2023, 1, 1),
            change: AuthorizationChange::DepartmentAuthorised,
        };
        journal.put("authorization.tax", "02-01T08:00", "office", change);
        journal
    }

    pub(crate) fn setup(&mut self, topic: SetupTopic, id: &str, setup: Setup) {
        let stream = format!("setup.{}.{id}", topic.word());
        self.put(&stream, "01-01T08:00", "", Event::Setup(setup));
    }

    pub(crate) fn draft(
        &self,
        stream: &str,
        occurred_at: Timestamp,
        actor: &str,
        event: Event,
    ) -> Draft {
        let stream: Stream = stream.parse().unwrap();
        let (number, previous) = self.ends.get(&stream).copied().unwrap_or((0, None));
        Draft {
            subject: Subject::new(hall(), stream),
            number: number + 1,
            previous,
            occurred_at,
            entered_at: None,
            actor: actor.parse().ok(),
            command: None,
            event,
        }
    }

    pub(crate) fn put(&mut self, stream: &str, time: &str, actor: &str, event: Event) -> EventRef {
        let draft = self.draft(stream, at(time), actor, event);
        self.append(draft)
    }

    pub(crate) fn append(&mut self, draft: Draft) -> EventRef {
        let (stream, number) = (draft.subject.stream.clone(), draft.number);
        let message = encode(&draft);
        self.ends.insert(stream.clone(), (number, Some(hash(&message))));
        self.store(message);
        EventRef { stream, number }
    }

    pub(crate) fn store(&mut self, message: Message) {
        let position = self.messages.len() as u64 + 1;
        self.messages.push(Stored { position, recorded_at: self.recorded_at, message });
    }

    pub(crate) fn act(&mut self, time: &str, kind: Kind, case: &str) -> EventRef {
        self.act_on("terminal.w01", time, kind, case)
    }

    pub(crate) fn act_on(&mut self, stream: &str, time: &str, kind: Kind, case: &str) -> EventRef {
        let act = Act {
            kind,
            amount: 1,
            department: Some("tax".parse().unwrap()),
            matter: None,
            case: (kind != Kind::Consulted).then(|| case.parse().unwrap()),
        };
        self.put(stream, time, "clerk", Event::Act(act))
    }

    pub(crate) fn position(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Folds everything as one page.
    pub(crate) fn fold(&self) -> (Model, Changes) {
        let mut model = Model::seed(hall(), None, &[], vec![]).unwrap();
        let page: Vec<_> =
            self.messages.iter().map(|it| Incoming::read(it.clone(), &hall())).collect();
        let needs = model.needs(&page);
        let at = |it: &u64| self.messages.get(usize::try_from(it - 1).unwrap());
        let early = needs.messages.iter().filter_map(at);
        let messages = early.map(|it| Incoming::read(it.clone(), &hall())).collect();
        model.supply(Found { messages, ..Found::default() });
        model.fold_run(page, "incarnation");
        let (changes, checkpoint) = model.take();
        let counts = checkpoint.unwrap().counts;
        assert_eq!(
            counts.stored,
            counts.counted + counts.flagged + counts.quarantined + counts.held + counts.repeated
        );
        assert_eq!(counts.stored, self.position());
        (model, changes)
    }

    #[track_caller]
    pub(crate) fn check(&self, tally: [i64; 4], exceptions: &[(&str, Standing, Code)]) {
        let (_, changes) = self.fold();
        let mut sums = Tally::default();
        for (cell, value) in &changes.tallies {
            sums.add(cell.kind, value.amount);
        }
        assert_eq!([sums.consulted, sums.accepted, sums.issued, sums.transferred], tally);
        let found: Vec<_> = changes
            .exceptions
            .iter()
            .map(|it| (format!("{}#{}", it.stream, it.number), it.standing, it.code))
            .collect();
        let expected: Vec<_> =
            exceptions.iter().map(|(event, a, b)| ((*event).to_owned(), *a, *b)).collect();
        assert_eq!(found, expected);
    }
}
