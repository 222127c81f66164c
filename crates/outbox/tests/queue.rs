//! A terminal's queue against a model of the journal, by the tables of the protocol and under random faults.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::Digest;
use zhoubao_outbox::{BATCH_EVENTS_MAX, Effect, Head, Input, Mark, Outbox, Refusal};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn digest(number: u64) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Digest::new(bytes)
}

fn head(number: u64, position: u64) -> Head {
    Head { number, hash: digest(number), position, own: Some(digest(number)) }
}

fn mark(number: u64, position: u64) -> Option<Mark> {
    Some(Mark { number, position })
}

fn send(after: u64, upto: u64, expected: u64) -> Effect {
    Effect::Send { after, upto, expected }
}

/// A queue that has just heard that the journal has everything up to `stored`, at the same position.
fn started(recorded: u64, stored: u64) -> (Outbox, Vec<Effect>) {
    let mut outbox = Outbox::new(recorded, mark(stored, stored));
    assert_eq!(outbox.step(Input::Start, NOW, 0), [Effect::Ask]);
    let effects = outbox.step(Input::Head(Some(head(stored, stored))), NOW, 0);
    (outbox, effects)
}

#[test]
fn given_many_events_when_the_journal_takes_them_then_one_batch_follows_the_other() {
    let (mut outbox, effects) = started(450, 10);
    assert_eq!(effects, [send(10, 210, 10)]);
    let positions: Vec<u64> = (1001..=1200).collect();
    let effects = outbox.step(Input::Stored(positions.clone()), NOW, 0);
    assert_eq!(effects, [Effect::MarkStored { after: 10, positions }, send(210, 410, 1200)]);
    assert_eq!(outbox.stored(), mark(210, 1200));
    assert!(!outbox.is_drained());
}

#[test]
fn given_a_batch_in_flight_when_more_is_recorded_then_it_waits_for_the_answer() {
    let (mut outbox, effects) = started(2, 1);
    assert_eq!(effects, [send(1, 2, 1)]);
    assert_eq!(outbox.step(Input::Recorded(3), NOW, 0), []);
    let effects = outbox.step(Input::Stored(vec![7]), NOW, 0);
    assert_eq!(effects, [Effect::MarkStored { after: 1, positions: vec![7] }, send(2, 3, 7)]);
    outbox.step(Input::Stored(vec![9]), NOW, 0).clear();
    assert!(outbox.is_drained());
    assert_eq!(outbox.step(Input::Recorded(4), NOW, 0), [send(3, 4, 9)]);
}

#[test]
fn given_a_full_batch_that_is_the_last_when_it_is_stored_then_everything_is_and_nobody_waits() {
    let (mut outbox, effects) = started(201, 1);
    assert_eq!(effects, [send(1, 201, 1)]);
    let (positions, later): (Vec<u64>, _) =
        ((2..=201).collect(), NOW + SignedDuration::from_millis(20));
    let effects = outbox.step(Input::Stored(positions.clone()), later, 0);
    assert_eq!(effects, [Effect::MarkStored { after: 1, positions }]);
    assert!(outbox.is_drained());
}

#[test]
fn given_a_conflict_when_another_follows_then_the_second_is_waited_out() {
    let (mut outbox, effects) = started(2, 1);
    assert_eq!(effects, [send(1, 2, 1)]);
    assert_eq!(outbox.step(Input::Refused(Refusal::Conflict), NOW, 0), [Effect::Ask]);
    // The line is as it was: somebody else was at work on it and came to nothing.
    assert_eq!(outbox.step(Input::Head(Some(head(1, 1))), NOW, 0), [send(1, 2, 1)]);
    let effects = outbox.step(Input::Refused(Refusal::Conflict), NOW, 0);
    assert!(matches!(effects[..], [Effect::Rest(until)] if until > NOW), "{effects:?}");
}

#[test]
fn given_pauses_that_grow_when_the_journal_has_come_further_then_they_begin_anew_and_else_not() {
    // Where the journal is found after an answer that did not come, and how long the next pause is.
    for (found, pause_ms) in [(2, 100), (1, 200), (0, 200)] {
        let (mut outbox, _) = started(3, 1);
        let effects = outbox.step(Input::Refused(Refusal::NoAnswer), NOW, 0);
        let [Effect::Rest(until)] = effects[..] else { panic!("{effects:?}") };
        assert_eq!(until, NOW + SignedDuration::from_millis(100));
        assert_eq!(outbox.step(Input::Woken, until, 0), [Effect::Ask]);
        let there = (found > 0).then(|| head(found, found));
        let effects = outbox.step(Input::Head(there), until, 0);
        assert_eq!(effects.last(), Some(&send(found, 3, found)));
        let effects = outbox.step(Input::Refused(Refusal::NoAnswer), until, 0);
        let later = until + SignedDuration::from_millis(pause_ms);
        assert_eq!(effects, [Effect::Rest(later)], "found {found}");
    }
}

#[test]
fn given_all_stored_as_last_heard_when_the_journal_is_asked_then_only_its_answer_says_so() {
    let mut outbox = Outbox::new(3, mark(3, 3));
    assert_eq!(outbox.step(Input::Start, NOW, 0), [Effect::Ask]);
    assert!(!outbox.is_drained(), "it may have lost them");
    assert_eq!(outbox.step(Input::Head(Some(head(3, 3))), NOW, 0), []);
    assert!(outbox.is_drained());
}

#[test]
fn given_no_answer_when_the_pause_is_over_then_the_journal_is_asked_before_anything_is_sent_again()
{
    let (mut outbox, _) = started(3, 1);
    let effects = outbox.step(Input::Refused(Refusal::NoAnswer), NOW, 0);
    let [Effect::Rest(until)] = effects[..] else { panic!("{effects:?}") };
    assert!(until > NOW);
    assert_eq!(outbox.step(Input::Woken, NOW, 0), [Effect::Rest(until)], "too early");
    assert_eq!(outbox.step(Input::Recorded(4), NOW, 0), [], "rests");
    assert_eq!(outbox.step(Input::Woken, until, 0), [Effect::Ask]);
    // It had been stored after all.
    let effects = outbox.step(Input::Head(Some(head(3, 8))), until, 0);
    assert_eq!(effects, [Effect::MarkHead(mark(3, 8)), send(3, 4, 8)]);
}

#[test]
fn given_a_server_that_is_down_when_tried_again_then_pauses_grow_to_a_limit_and_differ_between_terminals()
 {
    let pauses = |jitter: u16| {
        let (mut outbox, _) = started(2, 1);
        let mut now = NOW;
        let mut pauses = Vec::new();
        let mut effects = outbox.step(Input::Refused(Refusal::NoAnswer), now, jitter);
        for _ in 0..40 {
            let [Effect::Rest(until)] = effects[..] else { panic!("{effects:?}") };
            pauses.push(until.duration_since(now));
            now = until;
            assert_eq!(outbox.step(Input::Woken, now, jitter), [Effect::Ask]);
            effects = outbox.step(Input::NoHead, now, jitter);
        }
        pauses
    };
    let (short, long) = (pauses(0), pauses(u16::MAX));
    assert_eq!(short[0], SignedDuration::from_millis(100));
    assert_eq!(long[0], SignedDuration::from_millis(200));
    assert_eq!(short[39], SignedDuration::from_secs(5));
    assert_eq!(long[39], SignedDuration::from_secs(10));
    assert!(short.is_sorted() && long.is_sorted());
}

#[test]
fn given_much_to_send_when_a_full_batch_is_stored_then_the_journal_is_left_to_others_three_times_as_long()
 {
    let (mut outbox, effects) = started(450, 1);
    assert_eq!(effects, [send(1, 201, 1)]);
    let stored = NOW + SignedDuration::from_millis(20);
    let until = stored + SignedDuration::from_millis(60);
    let effects = outbox.step(Input::Stored((2..=201).collect()), stored, 0);
    assert_eq!(effects.last(), Some(&Effect::Rest(until)));
    assert_eq!(outbox.step(Input::Recorded(460), stored, 0), [], "nor does what is new hurry it");
    assert_eq!(outbox.step(Input::Woken, stored, 0), [Effect::Rest(until)], "too early");
    assert_eq!(outbox.step(Input::Woken, until, 0), [send(201, 401, 201)], "nothing is in doubt");
    let slow = until + SignedDuration::from_secs(5);
    let effects = outbox.step(Input::Stored((202..=401).collect()), slow, 0);
    assert_eq!(effects.last(), Some(&Effect::Rest(slow + SignedDuration::from_secs(1))));
    let until = slow + SignedDuration::from_secs(1);
    assert_eq!(outbox.step(Input::Woken, until, 0), [send(401, 460, 401)]);
    let effects = outbox.step(Input::Stored((402..=460).collect()), until, 0);
    assert_eq!(effects.len(), 1, "what is stored is noted, and the queue is empty: {effects:?}");
    assert!(outbox.is_drained());
}

#[test]
fn given_a_clock_that_was_set_back_while_a_batch_was_stored_then_the_next_one_follows_at_once() {
    let (mut outbox, _) = started(450, 1);
    let before = NOW - SignedDuration::from_hours(1);
    let effects = outbox.step(Input::Stored((2..=201).collect()), before, 0);
    assert_eq!(effects.last(), Some(&send(201, 401, 201)));
}

#[test]
fn given_no_slot_for_a_batch_when_refused_then_the_events_go_one_by_one_for_a_while() {
    let (mut outbox, effects) = started(500, 1);
    assert_eq!(effects, [send(1, 201, 1)]);
    let mut effects = outbox.step(Input::Refused(Refusal::BatchRefused), NOW, 0);
    for number in 2..=BATCH_EVENTS_MAX + 1 {
        assert_eq!(effects.last(), Some(&send(number - 1, number, number - 1)));
        effects = outbox.step(Input::Stored(vec![number]), NOW, 0);
    }
    assert_eq!(effects.last(), Some(&send(201, 401, 201)), "and then a batch is tried again");
}

#[test]
fn given_an_event_that_can_never_be_stored_when_found_then_those_before_it_go_and_nothing_overtakes_it()
 {
    let (mut outbox, _) = started(4, 1);
    let impossible = Refusal::Impossible(Code::TooLarge);
    let effects = outbox.step(Input::Refused(impossible), NOW, 0);
    assert_eq!(effects, [send(1, 2, 1)], "which one is it?");
    let effects = outbox.step(Input::Stored(vec![5]), NOW, 0);
    assert_eq!(effects.last(), Some(&send(2, 3, 5)));
    let effects = outbox.step(Input::Refused(impossible), NOW, 0);
    assert_eq!(effects, [Effect::Stop { code: Code::TooLarge, number: 3 }]);
    for input in [Input::Recorded(5), Input::Woken, Input::Start, Input::Stored(vec![9])] {
        assert_eq!(outbox.step(input, NOW, 0), [], "stopped");
    }
}

#[test]
fn given_another_content_under_its_number_when_asked_then_it_is_a_fork() {
    let mut outbox = Outbox::new(5, mark(5, 50));
    let _ = outbox.step(Input::Start, NOW, 0);
    let other = Head { own: Some(digest(99)), ..head(5, 50) };
    let effects = outbox.step(Input::Head(Some(other)), NOW, 0);
    assert_eq!(effects, [Effect::Stop { code: Code::Fork, number: 5 }]);
}

#[test]
fn given_a_ledger_from_an_old_copy_when_asked_then_the_journal_has_more_than_it() {
    let mut outbox = Outbox::new(5, mark(5, 50));
    let _ = outbox.step(Input::Start, NOW, 0);
    let ahead = Head { own: None, ..head(9, 90) };
    let effects = outbox.step(Input::Head(Some(ahead)), NOW, 0);
    assert_eq!(effects, [Effect::Stop { code: Code::LedgerBehind, number: 9 }]);
}

#[test]
fn given_a_journal_that_lost_its_tail_when_asked_then_it_is_sent_again_and_said() {
    let mut outbox = Outbox::new(500, mark(500, 900));
    let _ = outbox.step(Input::Start, NOW, 0);
    let effects = outbox.step(Input::Head(Some(head(250, 300))), NOW, 0);
    assert_eq!(effects, [Effect::MarkHead(mark(250, 300)), send(250, 450, 300)]);
    let effects = outbox.step(Input::Stored((301..=500).collect()), NOW, 0);
    assert_eq!(effects.last(), Some(&send(450, 500, 500)));
    let effects = outbox.step(Input::Stored((501..=550).collect()), NOW, 0);
    assert_eq!(effects.last(), Some(&Effect::Restored { first: 251, last: 500 }));
    assert!(outbox.is_drained());
}

#[test]
fn given_nothing_to_send_when_it_looks_then_a_lost_tail_is_found_and_sent_again() {
    let (mut outbox, effects) = started(7, 7);
    assert!(effects.is_empty() && outbox.is_drained());
    assert_eq!(outbox.step(Input::Look, NOW, 0), [Effect::Ask]);
    assert_eq!(outbox.step(Input::Look, NOW, 0), [], "it is asking already");
    assert_eq!(outbox.step(Input::Head(Some(head(7, 70))), NOW, 0), []);
    assert!(outbox.is_drained(), "nothing was lost");
    let _ = outbox.step(Input::Look, NOW, 0);
    let effects = outbox.step(Input::Head(Some(head(5, 50))), NOW, 0);
    assert_eq!(effects, [Effect::MarkHead(mark(5, 50)), send(5, 7, 50)]);
    assert_eq!(outbox.step(Input::Look, NOW, 0), [], "an answer is waited for");
    let effects = outbox.step(Input::Stored(vec![51, 52]), NOW, 0);
    assert_eq!(effects.last(), Some(&Effect::Restored { first: 6, last: 7 }));
    // A second device is found, too, before it has harmed anything.
    let _ = outbox.step(Input::Look, NOW, 0);
    let effects = outbox.step(Input::Head(Some(Head { own: None, ..head(8, 80) })), NOW, 0);
    assert_eq!(effects, [Effect::Stop { code: Code::LedgerBehind, number: 8 }]);
}

#[test]
fn given_an_old_answer_of_a_server_that_lags_when_what_follows_conflicts_then_nothing_was_lost() {
    let mut outbox = Outbox::new(8, mark(7, 70));
    let _ = outbox.step(Input::Start, NOW, 0);
    let effects = outbox.step(Input::Head(Some(head(5, 50))), NOW, 0);
    assert_eq!(effects, [Effect::MarkHead(mark(5, 50)), send(5, 8, 50)]);
    assert_eq!(outbox.step(Input::Refused(Refusal::Conflict), NOW, 0), [Effect::Ask]);
    let effects = outbox.step(Input::Head(Some(head(7, 70))), NOW, 0);
    assert_eq!(effects, [Effect::MarkHead(mark(7, 70)), send(7, 8, 70)]);
    let effects = outbox.step(Input::Stored(vec![80]), NOW, 0);
    assert_eq!(effects, [Effect::MarkStored { after: 7, positions: vec![80] }]);
}

/// What the journal and the network do with the next call.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    /// Nothing arrives.
    Lost,
    /// It is done, and the answer is lost.
    AnswerLost,
    NoBatch,
    /// The journal forgets its last messages.
    TailLost(u8),
    /// The terminal is switched off and on.
    Restart,
    /// More is recorded.
    Record(u8),
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::None),
        2 => Just(Fault::Lost),
        2 => Just(Fault::AnswerLost),
        1 => Just(Fault::NoBatch),
        1 => any::<u8>().prop_map(Fault::TailLost),
        1 => Just(Fault::Restart),
        2 => any::<u8>().prop_map(Fault::Record),
    ]
}

/// A terminal with its ledger, and the journal: (number, position) of the messages of its line.
struct World {
    recorded: u64,
    /// The ledger's own note of how far the journal has come.
    noted: Option<Mark>,
    journal: Vec<(u64, u64)>,
    position: u64,
    now: Timestamp,
    outbox: Outbox,
    effects: VecDeque<Effect>,
}

impl World {
    fn new(recorded: u64) -> Self {
        let mut world = Self {
            recorded,
            noted: None,
            journal: Vec::new(),
            position: 0,
            now: NOW,
            outbox: Outbox::new(recorded, None),
            effects: VecDeque::new(),
        };
        world.give(Input::Start);
        world
    }

    fn give(&mut self, input: Input) {
        let effects = self.outbox.step(input, self.now, 17);
        self.effects.extend(effects);
    }

    fn act(&mut self, effect: Effect, fault: Fault) {
        match effect {
            Effect::Send { after, upto, expected } => {
                assert!(after < upto && upto <= self.recorded && upto - after <= BATCH_EVENTS_MAX);
                if matches!(fault, Fault::Lost) {
                    return self.give(Input::Refused(Refusal::NoAnswer));
                }
                if matches!(fault, Fault::NoBatch) && upto - after > 1 {
                    return self.give(Input::Refused(Refusal::BatchRefused));
                }
                if self.journal.last().map_or(0, |it| it.1) != expected {
                    return self.give(Input::Refused(Refusal::Conflict));
                }
                let mut positions = Vec::new();
                for number in after + 1..=upto {
                    self.position += 3;
                    self.journal.push((number, self.position));
                    positions.push(self.position);
                }
                match fault {
                    Fault::AnswerLost => self.give(Input::Refused(Refusal::NoAnswer)),
                    _ => self.give(Input::Stored(positions)),
                }
            }
            Effect::Ask if matches!(fault, Fault::Lost | Fault::AnswerLost) => {
                self.give(Input::NoHead);
            }
            Effect::Ask => {
                let last = self.journal.last().map(|(number, position)| head(*number, *position));
                self.give(Input::Head(last));
            }
            Effect::Rest(until) => {
                assert!(until > self.now);
                self.now = until;
                self.give(Input::Woken);
            }
            Effect::MarkStored { after, positions } => {
                let position = *positions.last().expect("at least one");
                self.noted = mark(after + positions.len() as u64, position);
            }
            Effect::MarkHead(mark) => self.noted = mark,
            Effect::Restored { first, last } => assert!(first <= last),
            Effect::Stop { code, number } => panic!("stopped at {number}: {code}"),
        }
    }

    fn happen(&mut self, fault: Fault) {
        match fault {
            Fault::TailLost(many) => {
                let left = self.journal.len().saturating_sub(usize::from(many));
                self.journal.truncate(left);
            }
            Fault::Restart => {
                self.outbox = Outbox::new(self.recorded, self.noted);
                self.effects.clear();
                self.give(Input::Start);
            }
            Fault::Record(many) => {
                self.recorded += u64::from(many);
                self.give(Input::Recorded(self.recorded));
            }
            Fault::None | Fault::Lost | Fault::AnswerLost | Fault::NoBatch => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_happens_the_line_is_a_beginning_of_the_ledger_and_in_the_end_all_of_it(
        recorded in 0_u64..700,
        faults in prop::collection::vec(fault(), 0..60),
    ) {
        let mut world = World::new(recorded);
        for fault in faults {
            world.happen(fault);
            if let Some(effect) = world.effects.pop_front() {
                world.act(effect, fault);
            }
            let numbers: Vec<u64> = world.journal.iter().map(|it| it.0).collect();
            let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
            prop_assert_eq!(numbers, expected, "in order, each once");
        }
        // A journal that forgets is only noticed when there is something to send, or at a new start.
        world.happen(Fault::Restart);
        let mut steps = 0;
        while let Some(effect) = world.effects.pop_front() {
            world.act(effect, Fault::None);
            steps += 1;
            prop_assert!(steps < 2_000, "comes to an end");
        }
        prop_assert!(world.outbox.is_drained());
        prop_assert_eq!(world.journal.len() as u64, world.recorded);
        prop_assert_eq!(world.noted.map_or(0, |it| it.number), world.recorded);
    }
}
