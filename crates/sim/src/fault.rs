//! What may go wrong in a run.

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Requests and answers are lost, come late, come twice, and overtake each other.
    Network,
    /// A terminal is cut off for days, up to three weeks.
    Offline,
    /// Terminals are switched off in the middle of anything.
    Crash,
    /// Clocks of terminals are wrong, and jump.
    Clock,
    /// A terminal goes on with an older copy of its ledger.
    OldLedger,
    /// A second device has a terminal's ledger.
    Clone,
    /// A device whose program is wrong: gaps, repeats, forks, broken chains, bytes nobody can read.
    Rogue,
    /// The server is down, takes no batches, does not answer.
    Server,
    /// The server's disk is full.
    Full,
    /// The journal loses its tail and gives its sequences out again.
    Tail,
    /// The journal loses a message in its middle.
    Hole,
    /// Readers hear nothing, or are refused.
    Deaf,
    /// The projector is killed, or two run at once.
    Projector,
    /// The read store loses commits, or their answers, or goes back to an older copy.
    Store,
    /// What the office writes is lost on the way, or its answer is.
    Office,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 15] = [
        Self::Network,
        Self::Offline,
        Self::Crash,
        Self::Clock,
        Self::OldLedger,
        Self::Clone,
        Self::Rogue,
        Self::Server,
        Self::Full,
        Self::Tail,
        Self::Hole,
        Self::Deaf,
        Self::Projector,
        Self::Store,
        Self::Office,
    ];

    /// The word on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Offline => "offline",
            Self::Crash => "crash",
            Self::Clock => "clock",
            Self::OldLedger => "old-ledger",
            Self::Clone => "clone",
            Self::Rogue => "rogue",
            Self::Server => "server",
            Self::Full => "full",
            Self::Tail => "tail",
            Self::Hole => "hole",
            Self::Deaf => "deaf",
            Self::Projector => "projector",
            Self::Store => "store",
            Self::Office => "office",
        }
    }

    /// The fault of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.word() == word)
    }
}
