//! What is recorded: every kind of event, as a fact without an opinion on whether it counts.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::{NamedDay, Period};
use crate::code::Code;
use crate::id::{
    CaseId, DepartmentId, Digest, EventRef, MatterId, ObjectId, PublicKey, SetupTopic, Signature,
    Stream, TerminalId, UserId, WindowId, words,
};

/// The four things a window does that are counted and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// 咨询, unit 人次: people advised.
    Consulted,
    /// 受理, unit 件: a case is accepted.
    Accepted,
    /// 颁发, unit 件: a result is handed out.
    Issued,
    /// 流转, unit 件: a case is handed on; one case many times, so 流转 may exceed 受理.
    Transferred,
}

impl Kind {
    /// All kinds in the order of print (咨询、受理、颁发、流转).
    pub const ALL: [Self; 4] = [Self::Consulted, Self::Accepted, Self::Issued, Self::Transferred];

    /// The Chinese word of print.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Consulted => "咨询",
            Self::Accepted => "受理",
            Self::Issued => "颁发",
            Self::Transferred => "流转",
        }
    }

    /// The unit of print.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Consulted => "人次",
            Self::Accepted | Self::Issued | Self::Transferred => "件",
        }
    }
}

words!(Kind {
    Consulted => "consulted", Accepted => "accepted", Issued => "issued", Transferred => "transferred",
});

/// Largest number of people one consultation may name; more is a typing error, refused at the edge.
pub const PEOPLE_MAX: u32 = 9_999;

/// Most columns of an imported table.
pub const TABLE_COLUMNS_MAX: usize = 24;

/// Most rows of an imported table: the places or classes of a bulletin, not a register of cases.
pub const TABLE_ROWS_MAX: usize = 500;

/// Most parameters that an issue may set.
pub const PARAMETERS_MAX: usize = 50;

/// Largest text of a submission, in bytes of UTF-8 (design §2).
pub const SUBMISSION_BYTES_MAX: usize = 24 * 1024;

/// Most attachments of a submission.
pub const ATTACHMENTS_MAX: usize = 8;

/// Largest attachment, in bytes.
pub const ATTACHMENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// An amount for each counted kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tally {
    /// 咨询, 人次.
    pub consulted: i64,
    /// 受理, 件.
    pub accepted: i64,
    /// 颁发, 件.
    pub issued: i64,
    /// 流转, 件.
    pub transferred: i64,
}

impl Tally {
    /// The amount of one kind.
    #[must_use]
    pub fn get(&self, kind: Kind) -> i64 {
        match kind {
            Kind::Consulted => self.consulted,
            Kind::Accepted => self.accepted,
            Kind::Issued => self.issued,
            Kind::Transferred => self.transferred,
        }
    }

    /// Adds `amount` to one kind; stops at the largest number there is.
    pub fn add(&mut self, kind: Kind, amount: i64) {
        match kind {
            Kind::Consulted => self.consulted = self.consulted.saturating_add(amount),
            Kind::Accepted => self.accepted = self.accepted.saturating_add(amount),
            Kind::Issued => self.issued = self.issued.saturating_add(amount),
            Kind::Transferred => self.transferred = self.transferred.saturating_add(amount),
        }
    }
}

/// What a window did: the part of a window's event that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Which of the four.
    pub kind: Kind,
    /// People for 咨询 (1 to [`PEOPLE_MAX`]), 1 for the others.
    pub amount: u32,
    /// The department concerned; a consultation may have none.
    pub department: Option<DepartmentId>,
    /// The matter, where the window knows it.
    pub matter: Option<MatterId>,
    /// The case; a consultation has none.
    pub case: Option<CaseId>,
}

/// What a correction puts in place of the original; an absent field stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replacement {
    /// The true time of occurrence.
    pub occurred_at: Option<Timestamp>,
    /// The true number of people.
    pub people: Option<u32>,
    /// The true department.
    pub department: Option<DepartmentId>,
    /// The true matter.
    pub matter: Option<MatterId>,
}

/// A change of a department's authorization (授权变更), effective from a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorizationChange {
    /// Scope: the department is authorised (授权).
    DepartmentAuthorised,
    /// Scope: the department is withdrawn (取消授权).
    DepartmentWithdrawn,
    /// Scope: items are included (事项纳入).
    ItemsIncluded(Vec<MatterId>),
    /// Scope: items are removed (事项移出).
    ItemsRemoved(Vec<MatterId>),
    /// Holder: the chief representative (首席事务代表) is replaced and the letter (授权书) signed again.
    RepresentativeReplaced {
        /// Work number of the new representative.
        representative: UserId,
        /// Number of the letter (授权书编号).
        letter: String,
    },
    /// Holder: the letter is signed again for the same representative.
    LetterSigned {
        /// Number of the letter.
        letter: String,
    },
}

impl AuthorizationChange {
    /// Whether this changes the *scope* (what 「事项纳入及授权情况」 reports) and not only the holder.
    #[must_use]
    pub fn is_scope(&self) -> bool {
        match self {
            Self::DepartmentAuthorised
            | Self::DepartmentWithdrawn
            | Self::ItemsIncluded(_)
            | Self::ItemsRemoved(_) => true,
            Self::RepresentativeReplaced { .. } | Self::LetterSigned { .. } => false,
        }
    }
}

/// One finding or remark of an inspection round on one checklist item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectionResult {
    /// The item's name as in the checklist.
    pub item: String,
    /// What was found wrong; empty: nothing.
    pub findings: Vec<String>,
    /// Wording of the inspectors for an item with wording of its own.
    pub remark: Option<String>,
}

/// One row of imported platform figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassFigures {
    /// 行政许可, 公共服务, 其它九类行权.
    pub class: String,
    /// 受理, 件.
    pub accepted: u64,
    /// 办结, 件; may exceed 受理 (cases carry over).
    pub finished: u64,
}

/// The last number a terminal had counted at a freeze.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TerminalHead {
    /// The terminal.
    pub terminal: TerminalId,
    /// Its last number at the cut; 0: nothing yet.
    pub number: u64,
}

/// How a Merkle tree over the journal is hashed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TreeHash {
    /// SHA-256.
    #[default]
    Sha256,
    /// SM3 (GB/T 32905).
    Sm3,
}

words!(TreeHash { Sha256 => "sha-256", Sm3 => "sm3" });

/// The Merkle tree over the first messages of a journal (RFC 6962 §2.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tree {
    /// How it is hashed.
    pub hash: TreeHash,
    /// Number of messages.
    pub size: u64,
    /// Its root.
    pub root: Digest,
    /// Roots of its whole subtrees from left to right, with which it goes on.
    pub peaks: Vec<Digest>,
}

/// A published file of an issue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IssueFile {
    /// Its name: `2023-05.pdf`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, by which it is found again.
    pub digest: Digest,
}

/// Most files of one issue.
pub const FILES_MAX: usize = 50;

/// A step in the life of an issue; all issues of a hall share one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssueEvent {
    /// Year-to-date figures and last numbers of a hall that starts in the middle of a year (期初数).
    OpeningFigures {
        /// Last day the figures cover; the product counts from the next day on.
        through: Date,
        /// 累计 from 1 January of that year to `through`.
        year_to_date: Tally,
        /// Number of the year's last issue before this system, 0 for none.
        last_number: u32,
        /// Running number (总第) of the last issue before this system, 0 for none.
        last_running_number: u32,
    },
    /// An issue is opened for a period.
    Opened {
        /// The issue.
        issue: ObjectId,
        /// Its period.
        period: Period,
        /// Template in force.
        template: Digest,
        /// Checklist in force.
        checklist: Digest,
        /// Figure definitions in force.
        figures: Digest,
        /// Calendars in force, by year.
        calendars: Vec<Digest>,
        /// The series, named as its template; none for the hall's main one.
        series: Option<ObjectId>,
        /// What this issue sets of the template's parameters and entered numbers.
        parameters: BTreeMap<String, String>,
    },
    /// The editor sets another period.
    PeriodSet {
        /// The issue.
        issue: ObjectId,
        /// The new period.
        period: Period,
    },
    /// A submission is taken into the issue.
    SubmissionAdopted {
        /// The issue.
        issue: ObjectId,
        /// The submission.
        submission: ObjectId,
        /// Place within its section, ascending; equal places keep the order of adoption.
        order: u32,
    },
    /// The editor changes the words of a submission that was taken in (改稿). What the department filed stays as it is.
    SubmissionEdited {
        /// The issue in which these words are printed.
        issue: ObjectId,
        /// The submission.
        submission: ObjectId,
        /// SHA-256 of the text that was filed. Where the department has filed another one since, that one is printed.
        of: Digest,
        /// What is printed instead.
        text: String,
        /// Why, for the department.
        reason: String,
    },
    /// Figures are fixed: everything at or before `cut` counts, nothing after it.
    Frozen {
        /// The issue.
        issue: ObjectId,
        /// Position in the journal up to which the figures go.
        cut: u64,
        /// The last number of each terminal at the cut, ascending by terminal.
        heads: Vec<TerminalHead>,
        /// The Merkle tree over everything at or before the cut; none in freezes of earlier versions.
        tree: Option<Tree>,
    },
    /// The draft is handed to the leader.
    Submitted {
        /// The issue.
        issue: ObjectId,
    },
    /// The leader hands it back.
    Returned {
        /// The issue.
        issue: ObjectId,
        /// Why.
        reason: String,
    },
    /// A named person accepts what a check found (提示确认); it is no drafting.
    WarningAccepted {
        /// The issue.
        issue: ObjectId,
        /// Code of the finding.
        code: Code,
        /// Where it was found, as the check prints it.
        place: String,
        /// Digest of the finding, see [`crate::finding::Finding`]: a changed one must be accepted anew.
        finding: Digest,
        /// Why.
        reason: String,
    },
    /// Approved and numbered (签发).
    SignedOff {
        /// The issue.
        issue: ObjectId,
        /// Year of the number: the year of the period's last day.
        year: i16,
        /// 年第 N 期.
        number: u32,
        /// 总第 M 期.
        running_number: u32,
        /// The date printed in the masthead.
        issued_on: Date,
        /// Digest of the frozen figures.
        figures: Digest,
        /// Digest of the canonical issue.
        document: Digest,
    },
    /// Rendered and out (发布).
    Published {
        /// The issue.
        issue: ObjectId,
        /// Its files, ascending by name. Empty in events of before they were recorded.
        files: Vec<IssueFile>,
    },
    /// A new version of a signed issue is begun (更正); the one before stays as it is.
    Amended {
        /// The issue.
        issue: ObjectId,
        /// What is put right, as readers are told.
        note: String,
    },
    /// A numbered issue is voided; its number stays visible.
    Voided {
        /// The issue.
        issue: ObjectId,
        /// Why.
        reason: String,
    },
}

impl IssueEvent {
    /// The issue that it is about; none of the opening figures.
    #[must_use]
    pub fn issue(&self) -> Option<&ObjectId> {
        match self {
            Self::OpeningFigures { .. } => None,
            Self::Opened { issue, .. }
            | Self::PeriodSet { issue, .. }
            | Self::SubmissionAdopted { issue, .. }
            | Self::SubmissionEdited { issue, .. }
            | Self::Frozen { issue, .. }
            | Self::Submitted { issue }
            | Self::Returned { issue, .. }
            | Self::WarningAccepted { issue, .. }
            | Self::SignedOff { issue, .. }
            | Self::Published { issue, .. }
            | Self::Amended { issue, .. }
            | Self::Voided { issue, .. } => Some(issue),
        }
    }
}

/// The public keys of a device: what it signs its events with, and what it connects to the broker with. Two keys,
/// because a broker chooses what the second one signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalKey {
    /// Ed25519, signs events.
    pub signing: PublicKey,
    /// The device's NATS user, an nkey (`U…`, 56 characters).
    pub nats: String,
    /// Last day on which it is meant to be used; `doctor` asks for a new one then, events count on.
    pub valid_through: Date,
    /// The earlier key of the device that vouches for this one.
    pub endorsement: Option<Endorsement>,
    /// True: nothing that any key of the device signed is taken any more.
    pub revoked: bool,
}

/// A device's earlier key vouches for a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endorsement {
    /// The earlier key.
    pub key: PublicKey,
    /// Its signature of the new keys.
    pub signature: Signature,
}

/// The hall's own set-up, one version each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setup {
    /// Names of the hall.
    Hall {
        /// Display name.
        name: String,
        /// Issuing body printed in the masthead.
        publisher: String,
    },
    /// A counter.
    Window {
        /// Display name, such as `窗口12`.
        name: String,
        /// False: closed for good, no day closes are due.
        open: bool,
    },
    /// A device and the counter it stands on.
    Terminal {
        /// The counter.
        window: WindowId,
        /// False: taken out of service.
        active: bool,
    },
    /// A department and its names.
    Department {
        /// The name of print.
        name: String,
        /// Other names in use (文旅厅 for 文化和旅游厅).
        aliases: Vec<String>,
    },
    /// A matter of a department.
    Matter {
        /// Display name.
        name: String,
        /// The department that decides.
        department: DepartmentId,
    },
    /// An inspection checklist: standing introduction and items in order.
    Checklist {
        /// Text before the items.
        introduction: String,
        /// Items in order.
        items: Vec<String>,
    },
    /// A template of an issue, as the text of its TOML file.
    Template {
        /// The file.
        source: String,
    },
    /// The working calendar of one year.
    Calendar {
        /// The year.
        year: i16,
        /// Where it comes from.
        notice: String,
        /// Days off.
        off: Vec<NamedDay>,
        /// Weekend days that are worked.
        work: Vec<NamedDay>,
    },
    /// A person and what he may do.
    User {
        /// Rights held.
        rights: Vec<Right>,
        /// False: may do nothing any more.
        active: bool,
    },
    /// Definitions of the printed figures.
    Figures {
        /// In order of print.
        definitions: Vec<crate::figure::Definition>,
    },
    /// Limits and severities of the counting rules.
    Rules(crate::counting::Rules),
    /// Keys of a device.
    Key(TerminalKey),
}

impl Setup {
    /// The topic in whose stream this belongs.
    #[must_use]
    pub fn topic(&self) -> SetupTopic {
        match self {
            Self::Hall { .. } => SetupTopic::Hall,
            Self::Window { .. } => SetupTopic::Window,
            Self::Terminal { .. } => SetupTopic::Terminal,
            Self::Department { .. } => SetupTopic::Department,
            Self::Matter { .. } => SetupTopic::Matter,
            Self::Checklist { .. } => SetupTopic::Checklist,
            Self::Template { .. } => SetupTopic::Template,
            Self::Calendar { .. } => SetupTopic::Calendar,
            Self::User { .. } => SetupTopic::User,
            Self::Figures { .. } => SetupTopic::Figures,
            Self::Rules(_) => SetupTopic::Rules,
            Self::Key(_) => SetupTopic::Key,
        }
    }
}

/// What a person of the hall may do (guarantees §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Record at a window.
    Record,
    /// Correct or void events of other windows or earlier days.
    Correct,
    /// Enter what happened long ago (补录).
    LateEntry,
    /// Record changes of authorization.
    Authorize,
    /// File submissions of a department.
    Submit,
    /// Hold inspections.
    Inspect,
    /// Open, edit, freeze and submit issues.
    Edit,
    /// Sign issues off.
    Sign,
    /// Keep the hall's set-up.
    Administer,
    /// Release or reject what was flagged, held or quarantined.
    Release,
}

impl Right {
    /// All rights.
    pub const ALL: [Self; 10] = [
        Self::Record,
        Self::Correct,
        Self::LateEntry,
        Self::Authorize,
        Self::Submit,
        Self::Inspect,
        Self::Edit,
        Self::Sign,
        Self::Administer,
        Self::Release,
    ];
}

words!(Right {
    Record => "record", Correct => "correct", LateEntry => "late-entry", Authorize => "authorize",
    Submit => "submit", Inspect => "inspect", Edit => "edit", Sign => "sign",
    Administer => "administer", Release => "release",
});

/// One recorded fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A window's act: 咨询, 受理, 颁发 or 流转.
    Act(Act),
    /// The window closes its day with its own tally; a zero day is a report too (日结, 零报告).
    DayClosed {
        /// The day that is closed.
        day: Date,
        /// What the window counted itself.
        tally: Tally,
    },
    /// An event is corrected (更正): names the *original* and replaces earlier corrections of it.
    Corrected {
        /// The original event.
        original: EventRef,
        /// What is put in place.
        replacement: Replacement,
        /// Why.
        reason: String,
    },
    /// An event is voided (撤销).
    Voided {
        /// The original event.
        original: EventRef,
        /// Why.
        reason: String,
    },
    /// 授权变更 of the department whose stream this is, or of the one named on a window's device.
    AuthorizationChanged {
        /// The department.
        department: DepartmentId,
        /// First day on which it holds.
        effective: Date,
        /// What changes.
        change: AuthorizationChange,
    },
    /// A department files news (动态稿件).
    SubmissionFiled {
        /// The section of the issue, by its key in the template.
        section: String,
        /// The department; a unit of the hall itself has one too.
        department: DepartmentId,
        /// The text as submitted, never corrected; ≤ [`SUBMISSION_BYTES_MAX`].
        text: String,
        /// Attachments in the blob store.
        attachments: Vec<Digest>,
    },
    /// The editor returns a submission.
    SubmissionReturned {
        /// Why.
        reason: String,
    },
    /// One inspection round (大厅巡查) over a checklist.
    InspectionHeld {
        /// The day of the round.
        day: Date,
        /// The checklist used.
        checklist: Digest,
        /// Results, one for each item.
        results: Vec<InspectionResult>,
    },
    /// Figures of the provincial platform (一体化平台数据).
    StatisticsImported {
        /// Name of the platform.
        source: String,
        /// Level of government (省本级).
        level: String,
        /// The period of the figures; its end is the cut-off.
        period: Period,
        /// One row a class.
        classes: Vec<ClassFigures>,
    },
    /// A table of figures from outside (导入表) under the key of its stream, as it came: no cell is read as a number
    /// here, and the rows may be none (a report that there was nothing).
    TableImported {
        /// Whose figures they are.
        source: String,
        /// The days they cover; the last one is the cut-off.
        period: Period,
        /// Names of the columns.
        columns: Vec<String>,
        /// Rows in order, a cell for each column.
        rows: Vec<Vec<String>>,
    },
    /// A step of an issue.
    Issue(IssueEvent),
    /// A version of a set-up entry.
    Setup(Setup),
    /// A person lets a flagged, held or quarantined event count, from this position on.
    Released {
        /// The event.
        original: EventRef,
        /// Which message, where the line did not take it when it came: its position.
        position: Option<u64>,
        /// Why.
        reason: String,
    },
    /// A person rejects a flagged, held or quarantined event for good.
    Rejected {
        /// The event.
        original: EventRef,
        /// Which message, where the line did not take it when it came: its position.
        position: Option<u64>,
        /// Why.
        reason: String,
    },
    /// A user of the broker tried what he may not; the time is that of the last try.
    AccessRefused {
        /// Who, as the broker's configuration names him: `terminal w02`, `office`; else his public key.
        user: String,
        /// What.
        attempt: Attempt,
        /// The subject of the broker.
        subject: String,
        /// How often, at least once.
        times: u32,
    },
    /// A request of a person on the pages that is worth knowing; once a minute at most for a person and a route.
    RequestNoted {
        /// Method and path, of a refusal with its variables in braces.
        route: String,
        /// What came of it.
        outcome: Outcome,
    },
}

/// What came of a request that is worth knowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The person lacks the right.
    Refused,
    /// He took a file with him.
    Downloaded,
}

words!(Outcome { Refused => "refused", Downloaded => "downloaded" });

/// What a user of the broker tried that he may not, or ought not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attempt {
    /// To write to a subject; refused.
    Publish,
    /// To listen to a subject; refused.
    Subscribe,
    /// To open atomic batches and leave them, which takes the places from others.
    LeaveBatches,
}

words!(Attempt {
    Publish => "publish", Subscribe => "subscribe", LeaveBatches => "leave-batches",
});

/// An event with everything its writer and the journal said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Sequence in the journal.
    pub position: u64,
    /// When the journal took it.
    pub recorded_at: Timestamp,
    /// The writer's line and the number in it.
    pub identity: EventRef,
    /// SHA-256 over identity, previous hash, kind, times and body, as stored.
    pub hash: Digest,
    /// Hash of the event before it in its line, where the writer gave one.
    pub previous: Option<Digest>,
    /// When it happened; decides the day.
    pub occurred_at: Timestamp,
    /// When it was typed in, if that was not when it happened (补录).
    pub entered_at: Option<Timestamp>,
    /// How far the device's clock was ahead of the journal's; the times above are put right by it.
    pub clock_offset: Option<SignedDuration>,
    /// When the device wrote it down by a clock that no contact in that boot had measured yet; put right likewise.
    pub clock_unsure: Option<Timestamp>,
    /// Who, by work number.
    pub actor: Option<UserId>,
    /// Idempotency key of the command that made it.
    pub command: Option<String>,
    /// What happened.
    pub event: Event,
}

impl Recorded {
    /// The stream of the event.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.identity.stream
    }
}

/// Why a fact cannot be recorded as it stands: malformed at the edge, nothing is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail} ({code})")]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// One sentence with the offending value.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its code and sentence.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}
