//! The whole journal against what it says of itself: the chain of every line, the signatures of devices, and the root
//! that each freeze names. Read twice from its beginning, and nothing of the read models is believed but which events
//! they have set aside: those prove nothing, and nothing is held against them.
//!
//! | changed afterwards | found by |
//! |---|---|
//! | an event, and whoever did it left its `hash` | `hash` |
//! | any byte of a message at or before the last freeze; one dropped, added, moved | root of the next freeze |
//! | an event that has a successor in its line | the successor's `prevhash` |
//! | an event of a device with a key | signature |
//! | the last event of a line without a key, after the last freeze | nothing yet: the next freeze names it |

use std::collections::{BTreeMap, BTreeSet};

use zhoubao_contract::archive::leaf_line;
use zhoubao_contract::merkle::{Peaks, leaf};
use zhoubao_contract::signature::Verifier;
use zhoubao_contract::{Stored, decode};
use zhoubao_domain::event::{Event, IssueEvent, Tree, TreeHash};
use zhoubao_domain::id::{Digest, HallCode, ObjectId, Signature, Stream, Subject, TerminalId};
use zhoubao_domain::registry::Registry;
use zhoubao_projections::rows::{ExceptionRow, Standing};

use crate::bundle::Broken;
use crate::journal::{Journal, JournalError};
use crate::tree;

/// Most findings that are kept.
const FINDINGS_MAX: usize = 100;

/// What came of an audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages that were read.
    pub messages: u64,
    /// Lines with a chain of their own.
    pub lines: usize,
    /// Events that a device's signature covers.
    pub signed: u64,
    /// Freezes whose root was computed again.
    pub freezes: usize,
    /// Position up to which a root holds: later messages are held by chains and signatures alone.
    pub rooted: u64,
    /// Events that are set aside and were passed over.
    pub excused: usize,
    /// What is not as it was written, in order of position; at most 100.
    pub findings: Vec<Broken>,
}

/// Checks a journal up to what it holds now. `exceptions` are the events that the read models have set aside.
///
/// # Errors
///
/// What the journal answers; E.702 where a message is missing.
pub async fn audit(
    journal: &dyn Journal,
    hall: &HallCode,
    exceptions: &[ExceptionRow],
) -> Result<Report, JournalError> {
    let last = journal.state().await?.last;
    let mut chains = Chains::new(hall, exceptions);
    tree::read::<JournalError>(journal, 1, last, |stored| {
        chains.push(&stored);
        Ok(())
    })
    .await?;
    let (mut report, freezes) = chains.end();
    let mut roots = Roots::new(freezes);
    tree::read::<JournalError>(journal, 1, roots.end(), |stored| {
        roots.push(&stored);
        Ok(())
    })
    .await?;
    roots.close();
    report.freezes = roots.checked;
    report.rooted = roots.rooted;
    report.findings.extend(roots.findings);
    report.findings.truncate(FINDINGS_MAX);
    Ok(report)
}

/// A freeze that names a tree.
struct Freeze {
    position: u64,
    issue: ObjectId,
    tree: Tree,
}

/// An event's own hash, and the one that it names.
type Link = (Digest, Option<Digest>);

/// One line, event by event.
#[derive(Default)]
struct Line {
    /// Hash of each event, by its number less one.
    hashes: Vec<Digest>,
    /// Events that came before an earlier one, by number, each with its position.
    early: BTreeMap<u64, (Link, u64)>,
    /// Events that are quarantined, by number: one of them may have been released.
    aside: BTreeMap<u64, Vec<Link>>,
}

impl Line {
    fn next(&self) -> u64 {
        self.hashes.len() as u64 + 1
    }

    /// Whether an event follows the last one.
    fn takes(&self, (_, names): &Link) -> bool {
        self.hashes.last() == names.as_ref()
    }

    /// Goes on with what came too early, over a released event where it names one.
    fn go_on(&mut self) {
        loop {
            let next = self.next();
            let early = self.early.get(&next).map(|(link, _)| *link).filter(|it| self.takes(it));
            let after = self.early.get(&(next + 1)).and_then(|((_, names), _)| *names);
            let released = || {
                let mut aside = self.aside.get(&next)?.iter();
                aside.find(|it| self.takes(it) && Some(it.0) == after).copied()
            };
            let Some((hash, _)) = early.or_else(released) else { return };
            self.early.remove(&next);
            self.hashes.push(hash);
        }
    }
}

/// The first reading: chains and signatures.
struct Chains<'a> {
    hall: &'a HallCode,
    exceptions: BTreeMap<u64, Standing>,
    lines: BTreeMap<String, Line>,
    registry: Registry,
    /// Events of a device that the next signature has to cover: the first and the last position.
    open: BTreeMap<TerminalId, (u64, u64)>,
    freezes: Vec<Freeze>,
    report: Report,
}

impl<'a> Chains<'a> {
    fn new(hall: &'a HallCode, exceptions: &[ExceptionRow]) -> Self {
        let aside = exceptions.iter().filter(|it| it.standing != Standing::Warned);
        let exceptions: BTreeMap<_, _> = aside.map(|it| (it.position, it.standing)).collect();
        let report = Report { excused: exceptions.len(), ..Report::default() };
        Self {
            hall,
            exceptions,
            report,
            lines: BTreeMap::new(),
            registry: Registry::default(),
            open: BTreeMap::new(),
            freezes: vec![],
        }
    }

    fn find(&mut self, position: u64, subject: &str, detail: impl Into<String>) {
        if self.report.findings.len() < FINDINGS_MAX {
            let place = format!("#{position} {subject}");
            self.report.findings.push(Broken { place, detail: detail.into() });
        }
    }

    fn push(&mut self, stored: &Stored) {
        self.report.messages += 1;
        let (position, subject) = (stored.position, stored.message.subject.as_str());
        let standing = self.exceptions.get(&position).copied();
        let fresh = self.chain(stored, standing);
        // Not to be trusted: it says nothing under the name that it bears.
        if standing == Some(Standing::Quarantined) {
            return;
        }
        if let Ok(it) = subject.parse::<Subject>()
            && let Stream::Terminal(terminal) = &it.stream
            && fresh
        {
            self.sign(terminal, stored);
        }
        let recorded = match decode(stored, self.hall) {
            Ok(recorded) => recorded,
            Err(error) => {
                if standing.is_none() {
                    self.find(position, subject, format!("{} {}", error.code, error.detail));
                }
                return;
            }
        };
        match (&recorded.event, &recorded.identity.stream) {
            (Event::Setup(setup), Stream::Setup(_, id)) if standing.is_none() => {
                self.registry.evolve(id, setup);
            }
            (Event::Issue(IssueEvent::Frozen { issue, tree: Some(tree), .. }), _) => {
                let (issue, tree) = (issue.clone(), tree.clone());
                self.freezes.push(Freeze { position, issue, tree });
            }
            _ => {}
        }
    }

    /// Takes an event into its line. False for one that is there already, or has no place in it.
    fn chain(&mut self, stored: &Stored, standing: Option<Standing>) -> bool {
        let (position, subject) = (stored.position, stored.message.subject.clone());
        let attributes = &stored.message.attributes;
        let number = attributes.id.as_deref().and_then(|it| it.parse::<u64>().ok());
        let Some(number) = number.filter(|it| *it > 0) else {
            if standing.is_none() {
                self.find(position, &subject, "没有编号 has no number");
            }
            return false;
        };
        let names = attributes.prevhash.as_deref().and_then(|it| it.parse::<Digest>().ok());
        let names = names.filter(|it| *it != Digest::new([0; 32]));
        let link = (zhoubao_contract::hash(&stored.message), names);
        let line = self.lines.entry(subject.clone()).or_default();
        if standing == Some(Standing::Quarantined) {
            line.aside.entry(number).or_default().push(link);
            return false;
        }
        let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
        if let Some(known) = line.hashes.get(index) {
            // The same event once more changes nothing.
            if *known != link.0 && standing.is_none() {
                let detail =
                    format!("与先前的 {number} 号不同 is not the event that came as {number}");
                self.find(position, &subject, detail);
            }
            return false;
        }
        if number > line.next() {
            let again = line.early.insert(number, (link, position));
            line.go_on();
            return again.is_none_or(|(it, _)| it != link);
        }
        if line.takes(&link) {
            line.hashes.push(link.0);
            line.go_on();
            return true;
        }
        if standing.is_some() {
            return false;
        }
        let own = line.hashes.last().map_or_else(|| "—".to_owned(), Digest::to_string);
        line.hashes.push(link.0);
        line.go_on();
        let names = names.map_or_else(|| "—".to_owned(), |it| it.to_string());
        let detail = match number - 1 {
            0 => format!("首条却有前一条 is the first and names one before it: {names}"),
            before => format!(
                "{before} 号被改动，或此条被改动 event {before} of the line was changed, or this one: {own} ≠ {names}"
            ),
        };
        self.find(position, &subject, detail);
        true
    }

    /// One signature covers the events directly before it, if they lie side by side.
    fn sign(&mut self, terminal: &TerminalId, stored: &Stored) {
        if !self.registry.keys.contains_key(terminal) {
            return;
        }
        let (position, subject) = (stored.position, stored.message.subject.as_str());
        let mut first = position;
        if let Some((open, last)) = self.open.remove(terminal) {
            if last + 1 == position {
                first = open;
            } else {
                self.find(open, subject, "无签名 no signature covers it");
            }
        }
        let Some(signature) = stored.message.attributes.signature.as_deref() else {
            self.open.insert(terminal.clone(), (first, position));
            return;
        };
        let Some(keys) = self.registry.keys.get(terminal) else { return };
        let hash = zhoubao_contract::hash(&stored.message);
        let holds = signature.parse::<Signature>().is_ok_and(|signature| {
            let is_of = |key| Verifier::new(key).is_some_and(|it| it.verifies(&hash, &signature));
            keys.valid.iter().rev().any(is_of)
        });
        if holds {
            self.report.signed += position - first + 1;
        } else {
            self.find(position, subject, "签名不符 the signature is not of the device's key");
        }
    }

    fn end(mut self) -> (Report, Vec<Freeze>) {
        let early = self.lines.iter().filter_map(|(subject, line)| {
            let (number, (_, position)) = line.early.first_key_value()?;
            let due = line.next();
            let excused = self.exceptions.contains_key(position);
            (!excused).then(|| (*position, subject.clone(), due, *number))
        });
        let early: Vec<_> = early.collect();
        for (position, subject, due, number) in early {
            let detail = format!("缺 {due} 号 the event before {number} is missing: {due}");
            self.find(position, &subject, detail);
        }
        let open: Vec<_> = std::mem::take(&mut self.open).into_iter().collect();
        for (terminal, (position, _)) in open {
            self.find(position, &format!("terminal.{terminal}"), "无签名 no signature covers it");
        }
        self.report.lines = self.lines.len();
        (self.report, self.freezes)
    }
}

/// The second reading: the tree, held against the freezes as it grows.
struct Roots {
    freezes: Vec<Freeze>,
    trees: BTreeMap<TreeHash, Peaks>,
    /// How many of the freezes are done.
    next: usize,
    size: u64,
    rooted: u64,
    checked: usize,
    findings: Vec<Broken>,
}

impl Roots {
    fn new(mut freezes: Vec<Freeze>) -> Self {
        freezes.sort_by_key(|it| it.tree.size);
        let hashes: BTreeSet<_> = freezes.iter().map(|it| it.tree.hash).collect();
        let trees = hashes.into_iter().map(|it| (it, Peaks::new(it))).collect();
        let mut roots =
            Self { freezes, trees, next: 0, size: 0, rooted: 0, checked: 0, findings: vec![] };
        roots.compare();
        roots
    }

    /// How far the tree has to grow. A freeze names nothing that comes after it.
    fn end(&self) -> u64 {
        let sizes = self.freezes.iter().filter(|it| it.tree.size < it.position);
        sizes.map(|it| it.tree.size).max().unwrap_or_default()
    }

    fn push(&mut self, stored: &Stored) {
        let line = leaf_line(stored);
        for (by, tree) in &mut self.trees {
            tree.push(leaf(*by, line.as_bytes()));
        }
        self.size = stored.position;
        self.compare();
    }

    /// A freeze that names what it cannot have known.
    fn close(&mut self) {
        for it in self.freezes.iter().skip(self.next) {
            let place = format!("#{} issues", it.position);
            let detail = format!("冻结所载条数不可能 cannot name {} messages", it.tree.size);
            self.findings.push(Broken { place, detail });
        }
    }

    fn compare(&mut self) {
        while let Some(it) = self.freezes.get(self.next).filter(|it| it.tree.size == self.size) {
            let same = self.trees.get(&it.tree.hash).is_some_and(|own| own.tree() == it.tree);
            self.checked += 1;
            if same {
                self.rooted = self.size;
            } else if self.findings.is_empty() {
                // Every later root differs, too.
                let place = format!("#{}—#{}", self.rooted + 1, self.size);
                let (position, issue, root) = (it.position, &it.issue, it.tree.root);
                let detail = format!(
                    "与 #{position} 冻结 {issue} 的树根不符 is not what the freeze of {issue} at #{position} names: {root}"
                );
                self.findings.push(Broken { place, detail });
            }
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, civil::date};
    use zhoubao_contract::signature::SigningKey;
    use zhoubao_contract::{Draft, encode, hash};
    use zhoubao_domain::code::Code;
    use zhoubao_domain::event::{Act, Kind, Setup, TerminalKey};

    use super::*;

    const NATS: &str = "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR";

    fn hall() -> HallCode {
        "510000".parse().unwrap()
    }

    /// A journal that is written line by line.
    #[derive(Default, Clone)]
    struct Written {
        all: Vec<Stored>,
        ends: BTreeMap<String, (u64, Digest)>,
    }

    impl Written {
        fn push(&mut self, stream: &str, event: Event, key: Option<&SigningKey>) {
            let subject = Subject::new(hall(), stream.parse().unwrap());
            let end = self.ends.get(stream).copied();
            let number = end.map_or(1, |(number, _)| number + 1);
            let mut message = encode(&Draft {
                subject,
                number,
                previous: end.map(|(_, hash)| hash),
                occurred_at: "2023-02-06T01:10:00Z".parse().unwrap(),
                entered_at: None,
                actor: None,
                command: None,
                event,
            });
            let own = hash(&message);
            message.attributes.signature = key.map(|it| it.sign(&own).to_string());
            self.ends.insert(stream.to_owned(), (number, own));
            let position = self.all.len() as u64 + 1;
            self.all.push(Stored { position, recorded_at: Timestamp::UNIX_EPOCH, message });
        }

        fn act(&mut self, terminal: &str, key: Option<&SigningKey>) {
            let act = Act {
                kind: Kind::Consulted,
                amount: 1,
                department: None,
                matter: None,
                case: None,
            };
            self.push(&format!("terminal.{terminal}"), Event::Act(act), key);
        }

        fn freeze(&mut self, by: TreeHash) {
            let mut peaks = Peaks::new(by);
            for it in &self.all {
                peaks.push(leaf(by, leaf_line(it).as_bytes()));
            }
            let (issue, cut) = ("i1".parse().unwrap(), self.all.len() as u64);
            let tree = Some(peaks.tree());
            let event = IssueEvent::Frozen { issue, cut, heads: vec![], tree };
            self.push("issues", Event::Issue(event), None);
        }

        fn audited(&self, exceptions: &[ExceptionRow]) -> Report {
            let hall = hall();
            let mut chains = Chains::new(&hall, exceptions);
            self.all.iter().for_each(|it| chains.push(it));
            let (mut report, freezes) = chains.end();
            let mut roots = Roots::new(freezes);
            let end = usize::try_from(roots.end()).unwrap();
            self.all[..end].iter().for_each(|it| roots.push(it));
            roots.close();
            (report.freezes, report.rooted) = (roots.checked, roots.rooted);
            report.findings.extend(roots.findings);
            report
        }

        /// The places that are found after a change.
        fn places(&self, change: impl Fn(&mut Vec<Stored>)) -> Vec<String> {
            let mut other = self.clone();
            change(&mut other.all);
            other.audited(&[]).findings.into_iter().map(|it| it.place).collect()
        }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn keyed() -> Written {
        let mut journal = Written::default();
        let signing = key(1).public_key();
        let entry = TerminalKey {
            signing,
            nats: NATS.to_owned(),
            valid_through: date(2024, 12, 31),
            endorsement: None,
            revoked: false,
        };
        journal.push("setup.key.w01", Event::Setup(Setup::Key(entry)), None);
        journal
    }

    fn exception(position: u64, code: Code, standing: Standing) -> ExceptionRow {
        let (stream, detail) = ("terminal.w01".to_owned(), String::new());
        ExceptionRow { position, stream, number: 0, standing, code, detail, settled: None }
    }

    #[test]
    fn what_was_written_is_found_whole_by_either_hash() {
        for by in [TreeHash::Sha256, TreeHash::Sm3] {
            let mut journal = keyed();
            journal.act("w01", None);
            journal.act("w01", Some(&key(1)));
            journal.act("w02", None);
            journal.freeze(by);
            journal.act("w02", None);
            journal.freeze(by);
            journal.act("w01", Some(&key(1)));
            let report = journal.audited(&[]);
            assert_eq!(report.findings, []);
            assert_eq!((report.messages, report.lines, report.signed), (8, 4, 3));
            assert_eq!((report.freezes, report.rooted), (2, 6));
        }
    }

    #[test]
    fn every_change_is_found_where_it_is() {
        let mut journal = Written::default();
        for terminal in ["w01", "w02", "w01", "w02"] {
            journal.act(terminal, None);
        }
        journal.freeze(TreeHash::Sha256);
        journal.act("w01", None);
        journal.act("w01", None);
        // Whoever changes it also makes the event's own hash fit.
        let time = |it: &mut Stored| {
            it.message.attributes.time = Some("2023-02-07T09:10:00+08:00".into());
            it.message.attributes.hash = Some(hash(&it.message).to_string());
        };
        // Its successor names it; the root holds it, too.
        let found = journal.places(|it| time(&mut it[0]));
        assert_eq!(found, ["#3 hall.510000.terminal.w01", "#1—#4"]);
        // The last one of its line, behind which nothing comes but the root.
        assert_eq!(journal.places(|it| time(&mut it[3])), ["#1—#4"]);
        assert_eq!(
            journal.places(|it| it[1].recorded_at += jiff::Span::new().seconds(1)),
            ["#1—#4"]
        );
        let body = |it: &mut Stored| it.message.body = br#"{"people":2}"#.to_vec();
        assert_eq!(journal.places(|it| body(&mut it[3])), ["#4 hall.510000.terminal.w02", "#1—#4"]);
        // After the freeze.
        assert_eq!(journal.places(|it| time(&mut it[5])), ["#7 hall.510000.terminal.w01"]);
        // What the freeze names.
        let root = |it: &mut Vec<Stored>| {
            let text = String::from_utf8(it[4].message.body.clone()).unwrap();
            let (before, after) = text.split_at(text.find("root").unwrap() + 7);
            let text = format!(
                "{before}{}{}",
                if after.starts_with('0') { '1' } else { '0' },
                &after[1..]
            );
            it[4].message.body = text.into_bytes();
            it[4].message.attributes.hash = Some(hash(&it[4].message).to_string());
        };
        assert_eq!(journal.places(root), ["#1—#4"]);
        // Two that changed places, each with the other's position.
        let swapped = journal.places(|it| {
            it.swap(1, 3);
            (it[1].position, it[3].position) = (2, 4);
        });
        assert_eq!(swapped, ["#1—#4"]);
        // One that is gone, and those after it moved up.
        let dropped = journal.places(|it| {
            it.remove(0);
            (1..).zip(it).for_each(|(position, it)| it.position = position);
        });
        assert_eq!(dropped[0], "#2 hall.510000.terminal.w01");
    }

    #[test]
    fn a_signature_covers_what_lies_before_it_side_by_side() {
        let mut journal = keyed();
        journal.act("w01", None);
        journal.act("w01", None);
        journal.act("w01", Some(&key(1)));
        assert_eq!(journal.audited(&[]).findings, []);
        let stripped = journal.places(|it| it[3].message.attributes.signature = None);
        assert_eq!(stripped, ["#2 terminal.w01"]);
        let forged = journal.places(|it| {
            let hash = hash(&it[3].message);
            it[3].message.attributes.signature = Some(key(2).sign(&hash).to_string());
        });
        assert_eq!(forged, ["#4 hall.510000.terminal.w01"]);
        journal.act("w01", None);
        journal.act("w02", None);
        journal.act("w01", Some(&key(1)));
        let apart = journal.places(|_| {});
        assert_eq!(apart, ["#5 hall.510000.terminal.w01"]);
    }

    #[test]
    fn what_the_projector_has_set_aside_is_no_finding() {
        let mut journal = keyed();
        journal.act("w01", Some(&key(1)));
        let line = journal.ends.clone();
        // Somebody else writes under the name, and the terminal goes on as if nothing had been.
        journal.act("w01", Some(&key(2)));
        journal.ends = line;
        journal.act("w01", Some(&key(1)));
        let forged = exception(3, Code::BadSignature, Standing::Quarantined);
        assert_eq!(journal.audited(&[forged]).findings, []);
        assert!(!journal.audited(&[]).findings.is_empty());
        // The same event once more.
        let mut again = journal.all[1].clone();
        again.position = 5;
        journal.all.push(again);
        let forged = exception(3, Code::BadSignature, Standing::Quarantined);
        assert_eq!(journal.audited(std::slice::from_ref(&forged)).findings, []);
        // One that was quarantined and released, on which the line goes on.
        journal.act("w01", None);
        journal.act("w01", Some(&key(1)));
        journal.all[5].message.attributes.signature =
            Some(key(2).sign(&Digest::new([0; 32])).to_string());
        let released = exception(6, Code::BadSignature, Standing::Quarantined);
        assert_eq!(journal.audited(&[forged, released]).findings, []);
    }
}
