//! A case (办件) as far as counting needs it.

use crate::event::Kind;
use crate::id::{DepartmentId, EventRef};
use crate::planted;

/// What has counted for one case so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Case {
    /// The acceptance that counts.
    pub accepted: Option<EventRef>,
    /// The hand-out that counts.
    pub issued: Option<EventRef>,
    /// How often it was handed on.
    pub transferred: u32,
    /// The department that accepted it.
    pub department: Option<DepartmentId>,
}

/// Why a case cannot do what an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Illegal {
    /// 颁发 or 流转 without an acceptance.
    NeverAccepted,
    /// A second acceptance.
    AcceptedTwice,
    /// A second hand-out.
    IssuedTwice,
}

impl Case {
    /// Whether an act of `kind` fits; `except` is an event that is being replaced and does not stand in the way.
    #[must_use]
    pub fn illegal(&self, kind: Kind, except: Option<&EventRef>) -> Option<Illegal> {
        let other = |it: &Option<EventRef>| it.is_some() && it.as_ref() != except;
        match kind {
            Kind::Consulted => None,
            Kind::Accepted => other(&self.accepted).then_some(Illegal::AcceptedTwice),
            Kind::Issued if other(&self.issued) && !planted!(DoubleIssue) => {
                Some(Illegal::IssuedTwice)
            }
            Kind::Issued | Kind::Transferred => {
                self.accepted.is_none().then_some(Illegal::NeverAccepted)
            }
        }
    }

    /// Folds an act that counts.
    pub fn count(&mut self, kind: Kind, event: &EventRef, department: Option<&DepartmentId>) {
        match kind {
            Kind::Consulted => {}
            Kind::Accepted => {
                self.accepted = Some(event.clone());
                self.department = department.cloned();
            }
            Kind::Issued => self.issued = Some(event.clone()),
            Kind::Transferred => self.transferred += 1,
        }
    }

    /// Takes back an act that counted and was voided or is being replaced.
    pub fn uncount(&mut self, kind: Kind, event: &EventRef) {
        match kind {
            Kind::Accepted if self.accepted.as_ref() == Some(event) => {
                self.accepted = None;
                self.department = None;
            }
            Kind::Issued if self.issued.as_ref() == Some(event) => self.issued = None,
            Kind::Transferred => self.transferred = self.transferred.saturating_sub(1),
            _ => {}
        }
    }
}
