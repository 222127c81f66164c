//! What strikes when: drawn from a seed before anything starts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::kills::Dice;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// `kill -9` of a window's agent.
    KillTerminal,
    /// `kill -9` of nats-server.
    KillBroker,
    /// `kill -9` of the projector.
    KillProjector,
    /// `kill -9` of PostgreSQL.
    KillDatabase,
    /// The broker's disk loses what was not synced, and the server dies with it.
    PowerCut,
    /// Every connection to the broker is closed, and new ones are, too.
    Cut,
    /// What is sent to the broker and back comes late.
    Delay,
    /// Connections stay open, and nothing comes through.
    HalfOpen,
}

impl Fault {
    pub(super) const ALL: [Self; 8] = [
        Self::KillTerminal,
        Self::KillBroker,
        Self::KillProjector,
        Self::KillDatabase,
        Self::PowerCut,
        Self::Cut,
        Self::Delay,
        Self::HalfOpen,
    ];

    pub(super) fn is_kill(self) -> bool {
        use Fault::{KillBroker, KillDatabase, KillProjector, KillTerminal};
        matches!(self, KillTerminal | KillBroker | KillProjector | KillDatabase)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::KillTerminal => "kill -9 terminal",
            Self::KillBroker => "kill -9 nats-server",
            Self::KillProjector => "kill -9 projector",
            Self::KillDatabase => "kill -9 PostgreSQL",
            Self::PowerCut => "power cut of the broker",
            Self::Cut => "connections cut",
            Self::Delay => "connections delayed",
            Self::HalfOpen => "connections half open",
        })
    }
}

/// One round: windows record, and in the middle of it something strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) fault: Fault,
    /// From the first event of the round to the fault.
    pub(super) after: Duration,
    /// From the fault to its end.
    pub(super) lasts: Duration,
    /// Which terminal it is about.
    pub(super) terminal: usize,
}

/// How often each fault strikes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amounts {
    /// Of each of the four processes.
    pub(super) kills: usize,
    pub(super) cuts: usize,
    /// Of each fault of the network.
    pub(super) network: usize,
}

/// The rounds of a seed, for so many terminals.
pub(super) fn draw(seed: u64, amounts: Amounts, terminals: usize) -> Vec<Round> {
    let mut faults = Vec::new();
    for fault in Fault::ALL {
        let times = match fault {
            Fault::PowerCut => amounts.cuts,
            it if it.is_kill() => amounts.kills,
            _ => amounts.network,
        };
        faults.extend([fault].repeat(times));
    }
    let mut dice = Dice(seed);
    let mut rounds = Vec::new();
    while !faults.is_empty() {
        let fault = faults.swap_remove(place(&mut dice, faults.len()));
        let lasts = match fault {
            Fault::Delay | Fault::HalfOpen => 500 + dice.below(2_000),
            _ => dice.below(300),
        };
        rounds.push(Round {
            fault,
            after: Duration::from_millis(dice.below(400)),
            lasts: Duration::from_millis(lasts),
            terminal: place(&mut dice, terminals),
        });
    }
    rounds
}

fn place(dice: &mut Dice, count: usize) -> usize {
    // Cannot fail: it is below a count that is a usize.
    usize::try_from(dice.below(count as u64)).unwrap_or_default()
}

/// How often each fault was planned and how often it struck something that ran, a line each.
pub(super) fn table(planned: &[Round], fired: &BTreeMap<Fault, usize>) -> String {
    let mut lines = vec![format!("| {:<24} | planned | fired |", "fault")];
    for fault in Fault::ALL {
        let count = planned.iter().filter(|it| it.fault == fault).count();
        let fired = fired.get(&fault).copied().unwrap_or_default();
        lines.push(format!("| {fault:<24} | {count:>7} | {fired:>5} |"));
    }
    lines.join("\n")
}

#[test]
fn the_same_seed_is_the_same_plan() {
    let amounts = Amounts { kills: 13, cuts: 22, network: 3 };
    let plan = draw(7, amounts, 6);
    assert_eq!(plan, draw(7, amounts, 6));
    assert_ne!(plan, draw(8, amounts, 6));
    assert_eq!(plan.len(), 4 * 13 + 22 + 3 * 3);
    assert!(plan.iter().all(|it| it.terminal < 6));
    let fired = BTreeMap::from([(Fault::PowerCut, 21)]);
    assert!(table(&plan, &fired).contains("| power cut of the broker  |      22 |    21 |"));
}
