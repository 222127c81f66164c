//! What programs get: one type an answer, from which both the JSON and its description are made.
//!
//! Dates are `2023-02-10`, moments RFC 3339, positions those of the journal.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Why a request was not done (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct ProblemDetails {
    /// `urn:zhoubao:` and the code, or `about:blank`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line for a person.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// The stable code: `zhoubao explain` says more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<&'static str>,
}

/// What became of a command.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Done {
    /// The position of its event; where nothing was to be done, the end of the journal.
    pub position: u64,
    /// Its event; none where it was so already.
    pub event: Option<String>,
}

/// The process answers.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Live {
    pub live: bool,
}

/// Whether requests can be done.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Ready {
    pub ready: bool,
    /// What is in the way: `journal`, `store` or `projector`.
    pub cause: Option<&'static str>,
    /// The end of the journal.
    pub journal: Option<u64>,
    /// How far the read models are.
    pub projected: Option<u64>,
}

/// Who asks, and what he may do.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Me {
    /// The work number; none for a wall screen.
    pub user: Option<String>,
    pub rights: Vec<&'static str>,
    /// What `X-CSRF-Token` has to hold in every request that changes something.
    pub csrf: String,
}

/// The live board, or that of a past moment.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Board {
    pub position: u64,
    /// As of when; none for a past moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// The day that is today on it.
    pub day: String,
    /// Changes where a page has to be built anew; none for a past moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// By key, for example `consulted.week`.
    pub tiles: BTreeMap<String, Tile>,
}

/// Sums of what counts.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Sums {
    pub first: String,
    pub last: String,
    /// Along what they are split.
    pub by: &'static str,
    /// Position as of which they hold.
    pub position: u64,
    pub rows: Vec<SumsRow>,
}

/// The sums of one part.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SumsRow {
    /// The day, window or department; empty where nothing is split.
    pub part: String,
    pub consulted: i64,
    pub accepted: i64,
    pub issued: i64,
    pub transferred: i64,
    /// How many events they are made of.
    pub events: i64,
}

/// The entries of the set-up.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SetupList {
    pub entries: Vec<SetupEntry>,
}

/// An entry of the set-up, as it stands.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SetupEntry {
    /// Its line.
    pub line: String,
    /// The position of its latest version.
    pub position: u64,
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its body, as asyncapi.json describes it.
    pub data: serde_json::Value,
}

/// What differs between two boards.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BoardChange {
    /// The position of the later one.
    pub position: u64,
    /// Changes where a page has to be built anew.
    pub layout: String,
    /// Tiles that are new or others, by key.
    pub tiles: BTreeMap<String, Tile>,
    /// Keys of tiles that are there no more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
}

/// The live board as programs on the broker are told of it. A program takes the first snapshot, and then each change
/// whose `before` is what it has; all others it leaves, and the next snapshot makes up for what it missed.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum BoardTold {
    /// The whole board, every two seconds, also when nothing is new.
    Snapshot {
        /// Names the board: the position, which journal it is a position of, and which day was today.
        id: String,
        /// The board.
        #[serde(flatten)]
        board: Board,
    },
    /// What changed, as soon as it did.
    Change {
        /// The board that it leads to.
        id: String,
        /// The board that it goes on from.
        before: String,
        /// The difference.
        #[serde(flatten)]
        change: BoardChange,
    },
}

/// One tile.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Tile {
    /// A figure.
    Number(i64),
    /// How a window stands.
    State {
        /// One word.
        state: &'static str,
    },
    /// Why there is no figure.
    Mark {
        /// `unreported` (未报) or `not-applicable` (不适用).
        mark: &'static str,
    },
}

/// Where a terminal's line ends.
#[derive(Serialize, JsonSchema)]
pub(crate) struct LineEnd {
    /// The number of the last event, 0 for none.
    pub number: u64,
    /// Its SHA-256.
    pub hash: Option<String>,
    /// Its position, 0 for none.
    pub position: u64,
}

/// Where a terminal's line ends, how far it counts, and with which key it is to be signed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct LineState {
    #[serde(flatten)]
    pub end: LineEnd,
    /// Whether the terminal is in service.
    pub active: bool,
    /// The public key that the register holds for it.
    pub key: Option<String>,
    /// The number up to which events are in the read models.
    pub counted: u64,
    /// How many of its events do not count as they stand.
    pub open_count: u64,
    /// The latest of them.
    pub open: Vec<OpenItem>,
}

/// A person of the hall, and how he stands with the pages.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AdminUser {
    /// The work number.
    pub user: String,
    pub rights: Vec<&'static str>,
    /// Whether he may do anything still.
    pub active: bool,
    /// Whether he has a password.
    pub password: bool,
    /// Until when a link holds with which he may set one.
    pub link_until: Option<String>,
    /// Whether he has a device that makes one-time codes.
    pub device: bool,
    /// Sessions that are open.
    pub sessions: usize,
}

/// An event that does not count as it stands.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OpenItem {
    pub number: u64,
    pub position: u64,
    pub code: String,
    pub detail: String,
    /// The code in words.
    pub title: Option<&'static str>,
    /// What to do.
    pub next: Option<&'static str>,
}

/// What a window's page offers today.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Offered {
    pub hall: String,
    /// Departments that are authorised today: id and name.
    pub departments: Vec<(String, String)>,
    /// Their matters: the matter and its department.
    pub matters: Vec<(String, String)>,
}

/// What was appended.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Appended {
    /// The position of each event, in order.
    pub positions: Vec<u64>,
}

/// Published issues (已刊发).
#[derive(Serialize, JsonSchema)]
pub(crate) struct Published {
    pub issues: Vec<PublishedIssue>,
}

/// One published version of an issue.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PublishedIssue {
    pub issue: String,
    /// The name of its files.
    pub name: String,
    pub version: usize,
    /// None for 《窗口工作周报》.
    pub series: Option<String>,
    pub year: i16,
    /// 期号.
    pub number: u32,
    /// 总期号.
    pub running_number: u32,
    pub first: String,
    pub last: String,
    /// Whether no later version was published.
    pub current: bool,
    pub files: Vec<PublishedFile>,
}

/// A file as it was signed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PublishedFile {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

/// Every issue as it stands.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DeskList {
    pub issues: Vec<DeskIssue>,
    /// What would be opened next.
    pub next: Option<Proposal>,
}

/// An issue that could be opened.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Proposal {
    pub issue: String,
    pub first: String,
    pub last: String,
}

/// An issue as it stands.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DeskIssue {
    pub issue: String,
    /// None for 《窗口工作周报》.
    pub series: Option<String>,
    pub parameters: BTreeMap<String, String>,
    pub year: i16,
    pub number: u32,
    pub running_number: u32,
    /// Whether the numbers are not given yet.
    pub proposed: bool,
    pub version: usize,
    pub first: String,
    pub last: String,
    /// `open`, `frozen`, `submitted`, `signed-off`, `published` or `voided`.
    pub stage: &'static str,
    /// The position up to which events are in it.
    pub cut: Option<u64>,
    pub submissions: Vec<Placed>,
    /// Why the leader handed it back.
    pub handed_back: Option<String>,
    /// The position of its last event: what `If-Match` holds.
    pub position: Option<u64>,
}

/// News that is in an issue.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Placed {
    pub submission: String,
    pub order: u32,
}

/// An issue as it stands, its text, and what the checks find.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DraftAnswer {
    #[serde(flatten)]
    pub issue: DeskIssue,
    pub findings: Vec<FoundRow>,
    /// What is missing, so that there is no text yet.
    pub lacking: Vec<String>,
    /// The digest of the canonical issue: what is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The digest of its figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<String>,
    /// The issue, as in its published JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Value>,
}

/// What a check finds.
#[derive(Serialize, JsonSchema)]
pub(crate) struct FoundRow {
    pub code: &'static str,
    pub place: String,
    pub text: String,
    /// Its digest, by which it is accepted.
    pub finding: String,
    pub standing: &'static str,
    /// Whether it is still in the way.
    pub open: bool,
    pub accepted: Option<AcceptedBy>,
}

/// Who answers for a finding, and why.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AcceptedBy {
    pub by: Option<String>,
    pub reason: String,
}

/// How the hall stands (运维).
#[derive(Serialize, JsonSchema)]
pub(crate) struct AdminState {
    /// The end of the journal; none where it does not answer.
    pub journal: Option<u64>,
    /// How far the read models are.
    pub projected: Option<u64>,
    /// Events that are not in the read models yet.
    pub lag: Option<u64>,
    /// When the read models were last known to have everything.
    pub as_of: Option<String>,
    /// What became of the events up to there.
    pub counts: Option<AdminCounts>,
    pub terminals: Vec<AdminTerminal>,
    /// Everybody of the hall, for whoever administers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<AdminUser>>,
    /// Events that do not count as they stand, the oldest first.
    pub waiting: Vec<Waiting>,
}

/// What became of all events; the first is the sum of the others.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AdminCounts {
    pub stored: u64,
    pub counted: u64,
    pub flagged: u64,
    pub quarantined: u64,
    pub held: u64,
    pub repeated: u64,
}

/// A terminal, as the read models know it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AdminTerminal {
    pub terminal: String,
    /// The name of its window; none where the register does not have it.
    pub window: Option<String>,
    /// Whether it is in service.
    pub active: bool,
    /// The number of its last event that its line took.
    pub number: Option<u64>,
    /// When the journal took that one.
    pub last_seen: Option<String>,
    /// First number that is missing, while later ones wait for it.
    pub missing_first: Option<u64>,
    pub missing_last: Option<u64>,
    /// Working days of its window that are not closed.
    pub open_days: Vec<String>,
}

/// An event that does not count as it stands.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Waiting {
    pub position: u64,
    /// Such as `terminal.w01#17`; none where line or number could not be read.
    pub event: Option<String>,
    /// `flagged`, `held` or `quarantined`.
    pub standing: &'static str,
    pub code: &'static str,
    /// The code in words.
    pub title: &'static str,
    pub detail: String,
    /// What to do.
    pub next: &'static str,
    /// Whether its release or rejection has to name the position.
    pub by_position: bool,
}

/// News: an editor's all, everybody else's own.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SubmissionList {
    pub submissions: Vec<SubmissionRow>,
}

/// News of a department (报送).
#[derive(Serialize, JsonSchema)]
pub(crate) struct SubmissionRow {
    pub submission: String,
    pub section: String,
    pub department: String,
    pub text: String,
    pub filed_at: String,
    pub by: Option<String>,
    /// `filed`, `adopted` or `returned`.
    pub state: &'static str,
    /// The issue that has it.
    pub issue: Option<String>,
    /// Why it was returned.
    pub reason: Option<String>,
    /// The words in which the issue prints it, where the editor changed them.
    pub edited: Option<Edited>,
    /// SHA-256 of each attachment.
    pub attachments: Vec<String>,
}

/// A file that was attached (附件).
#[derive(Serialize, JsonSchema)]
pub(crate) struct Attached {
    /// Its name in `attachments` of the news.
    pub sha256: String,
    /// What it is: `png`, `jpg`, `pdf`, `docx`, `xlsx` or `ofd`.
    pub kind: &'static str,
}

/// Other words for news (改稿).
#[derive(Serialize, JsonSchema)]
pub(crate) struct Edited {
    pub text: String,
    /// Why.
    pub reason: String,
}
