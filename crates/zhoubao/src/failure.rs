//! How a command fails: a stable code, an exit code, a sentence, and what to do next.
//!
//! Every error of the layers below becomes a [`Failure`] here and nowhere else.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use serde_json::{Value, json};
use zhoubao_application::blobs::BlobError;
use zhoubao_application::desk::DeskError;
use zhoubao_application::follow::FollowError;
use zhoubao_application::journal::{AppendError, JournalError};
use zhoubao_application::package::PackageError;
use zhoubao_application::projector::ProjectError;
use zhoubao_application::publication::PublishError;
use zhoubao_application::receipts::ReceiptsError;
use zhoubao_application::store::StoreError;
use zhoubao_application::weekly::WeeklyError;
use zhoubao_application::writer::WriteError;
use zhoubao_contract::DecodeError;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Refusal;
use zhoubao_domain::id::ParseIdError;

use crate::config::redact;

/// How a command that failed ends, as the shell sees it; 0 is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 2: the command line is wrong.
    Usage,
    /// 4: refused by a rule (`E.*`).
    Refused,
    /// 5: a certificate or signature is not to be trusted.
    Trust,
    /// 6: a server, a disk or a file does not answer.
    Unavailable,
    /// 78: the configuration is wrong.
    Configuration,
    /// 3: the record and what was made from it do not agree.
    Integrity,
}

impl Exit {
    /// The number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Integrity => 3,
            Self::Refused => 4,
            Self::Trust => 5,
            Self::Unavailable => 6,
            Self::Configuration => 78,
        }
    }

    /// How a command ends that met this code.
    #[must_use]
    pub fn of(code: Code) -> Self {
        match code {
            Code::Configuration | Code::UnsafeBroker | Code::MissingFont => Self::Configuration,
            Code::Unavailable | Code::Fenced | Code::ArchiveLags => Self::Unavailable,
            Code::SumsDiffer
            | Code::ChainBroken
            | Code::HeadsDiffer
            | Code::SignedFiguresDiffer
            | Code::Altered
            | Code::TreeDiffers
            | Code::FormsDiffer
            | Code::JournalGap
            | Code::OtherJournal
            | Code::JournalWentBack
            | Code::ArchiveDamaged => Self::Integrity,
            Code::UntrustedSeal => Self::Trust,
            _ => Self::Refused,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// Why a command ended without success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The stable code, where there is one.
    pub code: Option<Code>,
    /// How the program ends.
    pub exit: Exit,
    /// What is wrong.
    pub message: String,
    /// What to do; none where the message says it.
    pub next: Option<String>,
}

impl Failure {
    /// A failure with a stable code; what to do is the code's own advice.
    #[must_use]
    pub fn coded(code: Code, message: impl Into<String>) -> Self {
        let next = Some(code.fix().to_owned());
        Self { code: Some(code), exit: Exit::of(code), message: message.into(), next }
    }

    /// A command line that makes no sense.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: None, exit: Exit::Usage, message: message.into(), next: None }
    }

    /// A wrong setting (E.780).
    #[must_use]
    pub fn configuration(message: impl Into<String>) -> Self {
        Self::coded(Code::Configuration, message)
    }

    /// Something outside this program does not work (E.705).
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::coded(Code::Unavailable, message)
    }

    /// The record and what was made from it do not agree.
    #[must_use]
    pub fn integrity(message: impl Into<String>) -> Self {
        let next = Some("run `zhoubao rebuild --verify` and look at the differences".to_owned());
        Self { code: None, exit: Exit::Integrity, message: message.into(), next }
    }

    /// A file that cannot be read or written.
    #[must_use]
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self {
            next: Some("check the path, its permissions and the free space of the disk".to_owned()),
            ..Self::unavailable(format!("`{}`: {error}", path.display()))
        }
    }

    /// The same with other advice.
    #[must_use]
    pub fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The failure as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "code": self.code.map(Code::text),
            "title": self.code.map(Code::title),
            "exit": self.exit.number(),
            "message": redact(&self.message),
            "next": self.next.as_deref().map(redact),
        })
    }
}

impl fmt::Display for Failure {
    /// As a person reads it on the terminal, without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "错误 error {code} {}: ", code.title())?,
            None => f.write_str("错误 error: ")?,
        }
        f.write_str(&redact(&self.message))?;
        if let Some(next) = &self.next {
            write!(f, "\n  怎么办 what to do: {}", redact(next))?;
        }
        if let Some(code) = self.code {
            write!(f, "\n  详见 more: zhoubao explain {code}")?;
        }
        Ok(())
    }
}

impl Error for Failure {}

/// An error with its causes in one line, without the code that a [`Failure`] shows anyway.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(it) = source {
        let cause = it.to_string();
        // A transparent variant repeats its source.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = it.source();
    }
    text
}

/// The message of an error whose text ends with its code in brackets.
fn without_code(error: &dyn Error, code: Code) -> String {
    chain(error).replace(&format!(" ({code})"), "")
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Unsafe { code, detail } => Self::coded(code, detail),
            error @ JournalError::Unavailable(_) => Self::unavailable(chain(&error)),
        }
    }
}

impl From<ReceiptsError> for Failure {
    fn from(error: ReceiptsError) -> Self {
        match error {
            ReceiptsError::Store(error) => error.into(),
            ReceiptsError::Put(error) => error.into(),
        }
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        match &error {
            AppendError::Conflict => Self::coded(Code::NumberCollision, chain(&error)),
            AppendError::TooLarge { .. } => Self::coded(Code::TooLarge, chain(&error)),
            AppendError::Invalid { .. } => Self::coded(Code::Malformed, chain(&error)),
            AppendError::BatchRefused | AppendError::Unavailable(_) => {
                Self::unavailable(chain(&error))
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Fenced => Self::coded(Code::Fenced, without_code(&error, Code::Fenced)),
            StoreError::Unavailable(_) => {
                Self::unavailable(without_code(&error, Code::Unavailable))
            }
            StoreError::Damaged(_) => Self::integrity(chain(&error)),
        }
    }
}

impl From<FollowError> for Failure {
    fn from(error: FollowError) -> Self {
        let code = error.code();
        Self::coded(code, without_code(&error, code))
    }
}

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Self {
        match error {
            ProjectError::Follow(error) => error.into(),
            ProjectError::Store(error) => error.into(),
            ProjectError::Fenced => {
                Self::coded(Code::Fenced, without_code(&ProjectError::Fenced, Code::Fenced))
            }
            error @ (ProjectError::Seed(_) | ProjectError::Entry(_)) => {
                Self::integrity(chain(&error))
            }
        }
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        match &error {
            BlobError::Unavailable(_) => Self::unavailable(chain(&error).replace(" (E.705)", "")),
            BlobError::Damaged(_) => {
                Self::coded(Code::ArchiveDamaged, without_code(&error, Code::ArchiveDamaged))
            }
            BlobError::TooLarge(_) => {
                Self::coded(Code::TooLarge, without_code(&error, Code::TooLarge))
            }
        }
    }
}

impl From<PublishError<Failure>> for Failure {
    fn from(error: PublishError<Failure>) -> Self {
        match error {
            PublishError::Desk(error) => error.into(),
            PublishError::Blobs(error) => error.into(),
            PublishError::Render(failure) => failure,
        }
    }
}

impl From<PackageError> for Failure {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Refused(refusal) => refusal.into(),
            PackageError::Blobs(error) => error.into(),
            PackageError::Missing { .. } => Self::coded(Code::ArchiveDamaged, error.to_string()),
        }
    }
}

impl From<WeeklyError> for Failure {
    fn from(error: WeeklyError) -> Self {
        DeskError::from(error).into()
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Append(error) => error.into(),
            WriteError::Journal(error) => error.into(),
        }
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Refused(refusal) => refusal.into(),
            DeskError::Write(error) => error.into(),
            DeskError::Journal(error) => error.into(),
            DeskError::Store(error) => error.into(),
            error @ DeskError::Behind { .. } => {
                Self::coded(Code::Unavailable, without_code(&error, Code::Unavailable))
            }
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::coded(refusal.code, refusal.detail)
    }
}

impl From<Box<DecodeError>> for Failure {
    fn from(error: Box<DecodeError>) -> Self {
        Self::coded(error.code, error.detail)
    }
}

impl From<ParseIdError> for Failure {
    fn from(error: ParseIdError) -> Self {
        Self::usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_said_once_and_the_causes_in_one_line() {
        let cause = std::io::Error::other("connection refused");
        let failure = Failure::from(StoreError::Unavailable(Box::new(cause)));
        assert_eq!(failure.exit.number(), 6);
        assert_eq!(failure.message, "the store does not answer: connection refused");
        let gap = Failure::from(FollowError::Gap { expected: 3, found: 5 });
        assert_eq!(gap.exit.number(), 3);
        assert_eq!(gap.to_string().matches("E.702").count(), 2, "in front and in `explain`: {gap}");
    }

    #[test]
    fn passwords_in_a_message_are_not_shown() {
        let failure = Failure::unavailable("cannot reach postgres://hall:geheim@db/zhoubao");
        assert!(!failure.to_string().contains("geheim"));
        assert!(!failure.to_json().to_string().contains("geheim"));
    }
}
