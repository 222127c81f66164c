//! What a check found in an issue before it is signed, and what has to become of it.

use crate::code::{Code, Weight};
use crate::event::IssueEvent;
use crate::id::{Digest, ObjectId, UserId};

/// What has to become of a finding before its issue is submitted and signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It has to be put right: nobody can accept it.
    Blocks,
    /// A named person accepts it with a reason.
    NeedsAcceptance,
    /// Worth knowing, and nothing more.
    Note,
}

impl Standing {
    /// The word of people and rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::NeedsAcceptance => "needs-acceptance",
            Self::Note => "note",
        }
    }

    /// What becomes of a finding with this code.
    ///
    /// `E.` blocks, `W.` needs a named person and a reason. That goes for what is legal as well, such as more cases
    /// finished than accepted (W.204): it is printed as it is, but somebody says why it is so. Three codes differ:
    /// the issue *says* that no round was held (E.401) or rests on days that a window did not close (E.305) and
    /// claims nothing, so that a person may answer for it; and an imported rate (W.314) is bound to its import and
    /// could not be printed otherwise, so that there is nothing to answer for.
    #[must_use]
    pub fn of(code: Code) -> Self {
        match code {
            Code::NoInspection | Code::CoverageHole => Self::NeedsAcceptance,
            Code::ImportedRate => Self::Note,
            _ if code.weight() == Weight::Warning => Self::NeedsAcceptance,
            _ => Self::Blocks,
        }
    }
}

/// Something that a check found in an issue. It is the same finding as long as code, place and digest are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The stable code.
    pub code: Code,
    /// Where: a section's heading, or a submission.
    pub place: String,
    /// One sentence with the offending values.
    pub text: String,
    /// Digest of code, place and text.
    pub digest: Digest,
}

/// A named person accepted a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// Code of the finding.
    pub code: Code,
    /// Where it was found.
    pub place: String,
    /// Digest of what was accepted: if the finding changes, nobody has accepted it.
    pub finding: Digest,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: Option<UserId>,
}

impl Acceptance {
    /// Whether it is this finding that was accepted.
    #[must_use]
    pub fn covers(&self, finding: &Finding) -> bool {
        self.finding == finding.digest && self.code == finding.code && self.place == finding.place
    }
}

impl Finding {
    /// What has to become of it.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing::of(self.code)
    }

    /// The event that accepts it.
    pub(crate) fn accepted(self, issue: ObjectId, reason: String) -> IssueEvent {
        let Self { code, place, digest, .. } = self;
        IssueEvent::WarningAccepted { issue, code, place, finding: digest, reason }
    }
}
