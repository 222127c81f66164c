//! Who tries what he may not.
//!
//! The server refuses it and tells nobody but its log: there is no advisory of a violation. Of a batch that was opened
//! and left there is one, but it names only the batch; whose it was is seen by who published to it, and a terminal can
//! publish to its own line alone.
//!
//! ```text
//!  server.log ─► Publish Violation, Subscription Violation ─┐
//!  accounts.conf ─► whose key that is ──────────────────────┼─► Incident
//!  hall.<code>.terminal.* ─► whose batch that is ─┐         │
//!  $JS.EVENT.ADVISORY.…BATCH_ABANDONED ───────────┴─────────┘
//! ```

use std::collections::{HashMap, VecDeque};

use async_nats::Subscriber;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::Deserialize;
use zhoubao_application::journal::JournalError;
use zhoubao_domain::event::Attempt;
use zhoubao_domain::id::HallCode;

use crate::connection::{Connection, Options};
use crate::fault::Fault;
use crate::stream::stream_name;

/// Name of the client by which `zhoubao doctor` asks whether a service may do too much. That one question is refused
/// as it should be, and no incident.
pub const DOCTOR: &str = "zhoubao doctor";

/// Open batches that are remembered: more than a server lets be open.
const BATCHES_MAX: usize = 10_000;

/// Something that a user tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// When.
    pub at: Timestamp,
    /// Who: his key as the log has it, or the terminal whose line it was.
    pub user: String,
    /// What.
    pub attempt: Attempt,
    /// The subject.
    pub subject: String,
}

/// Reads one line of the server's log, which must be in UTC (`logtime_utc: true`).
///
/// Names that a client chose stand in it quoted, and before the user, so that nobody can put another's name in.
#[must_use]
pub fn read_log_line(line: &str, hall: &HallCode) -> Option<Incident> {
    let kinds =
        [("Publish Violation", Attempt::Publish), ("Subscription Violation", Attempt::Subscribe)];
    let (at, attempt, what) = kinds.iter().find_map(|(word, attempt)| {
        let mark = format!("\" - {word} - Subject \"");
        line.rfind(&mark).map(|at| (at, *attempt, mark.len()))
    })?;
    let (before, after) = (line.get(..at)?, line.get(at + what..)?);
    // A subject has no spaces.
    let subject = after.split(' ').next()?.trim_end_matches(',').trim_end_matches('"');
    let (client, user) = before.rsplit_once("\" - \"")?;
    let own = format!("$JS.API.STREAM.UPDATE.{}", stream_name(hall));
    if client.ends_with(&format!(":{DOCTOR}")) && subject == own {
        return None;
    }
    // `HALL/nkey:U…`, or `HALL/user:name`.
    let user = user.rsplit_once(':').map_or(user, |(_, name)| name);
    // `[1234] 2026/11/26 03:26:00.926428 [ERR] …`
    let mut words = line.split(' ').skip(1);
    let time = format!("{} {}", words.next()?, words.next()?);
    let time = DateTime::strptime("%Y/%m/%d %H:%M:%S%.f", &time).ok()?;
    let at = Offset::UTC.to_timestamp(time).ok()?;
    Some(Incident { at, user: user.to_owned(), attempt, subject: subject.to_owned() })
}

/// The names of the users in a file that [`Accounts`](crate::config::Accounts) wrote, by key.
#[must_use]
pub fn names(accounts: &str) -> HashMap<String, String> {
    let mut names = HashMap::new();
    let mut name = "";
    for line in accounts.lines().map(str::trim) {
        if let Some(it) = line.strip_prefix("# ") {
            name = it;
        } else if let Some(key) = line.strip_prefix("{ nkey: ").and_then(|it| it.split(',').next())
        {
            names.insert(key.to_owned(), name.to_owned());
        }
    }
    names
}

/// Hears of batches that were opened and left.
#[derive(Debug)]
pub struct LeftBatches {
    // Its subscriptions end with it.
    _connection: Connection,
    published: Subscriber,
    abandoned: Subscriber,
    /// Whose each batch is, the oldest first.
    owners: HashMap<String, String>,
    order: VecDeque<String>,
}

#[derive(Deserialize)]
struct Abandoned {
    timestamp: Timestamp,
    batch: String,
}

impl LeftBatches {
    /// Listens to the terminals of the hall and to the server's advisories.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] when the server cannot be reached.
    pub async fn listen(options: &Options) -> Result<Self, JournalError> {
        let connection = Connection::open(options).await?;
        let stream = stream_name(&options.hall);
        let gone = |_| JournalError::from(Fault::Disconnected);
        let lines = format!("hall.{}.terminal.*", options.hall);
        let published = connection.client.subscribe(lines).await.map_err(gone)?;
        let advisories = format!("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.{stream}");
        let abandoned = connection.client.subscribe(advisories).await.map_err(gone)?;
        connection.client.flush().await.map_err(|_| JournalError::from(Fault::Disconnected))?;
        let (owners, order) = (HashMap::new(), VecDeque::new());
        Ok(Self { _connection: connection, published, abandoned, owners, order })
    }

    /// The next one; none when the connection is given up.
    pub async fn next(&mut self) -> Option<Incident> {
        loop {
            tokio::select! {
                biased;
                message = self.published.next() => {
                    let message = message?;
                    let headers = message.headers.as_ref();
                    let Some(batch) = headers.and_then(|it| it.get("Nats-Batch-Id")) else { continue };
                    self.remember(batch.as_str(), message.subject.as_str());
                }
                message = self.abandoned.next() => {
                    let Ok(it) = serde_json::from_slice::<Abandoned>(&message?.payload) else { continue };
                    let Some(subject) = self.owners.remove(&it.batch) else { continue };
                    let terminal = subject.rsplit('.').next().unwrap_or_default();
                    return Some(Incident {
                        at: it.timestamp,
                        user: format!("terminal {terminal}"),
                        attempt: Attempt::LeaveBatches,
                        subject,
                    });
                }
            }
        }
    }

    /// The first who publishes to a batch has opened it.
    fn remember(&mut self, batch: &str, subject: &str) {
        if self.owners.contains_key(batch) {
            return;
        }
        self.owners.insert(batch.to_owned(), subject.to_owned());
        self.order.push_back(batch.to_owned());
        if self.order.len() > BATCHES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.owners.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Incident> {
        read_log_line(line, &"510000".parse().unwrap())
    }

    #[test]
    fn a_violation_is_read_and_nobody_can_put_another_name_in() {
        let line = r#"[7] 2026/11/26 03:26:00.926428 [ERR] 127.0.0.1:1 - cid:6 - "v1:py:evil\n[1] 2026/11/26 03:26:00.926428 [ERR] 1.1.1.1:1 - cid:1 - \"a\" - \"HALL/nkey:UOTHER\" - Publish Violation - Subject \"forged\"" - "HALL/nkey:UW01" - Publish Violation - Subject "hall.510000.terminal.w02""#;
        let incident = read(line).unwrap();
        assert_eq!(incident.user, "UW01");
        assert_eq!(incident.subject, "hall.510000.terminal.w02");
        assert_eq!(incident.attempt, Attempt::Publish);
        assert_eq!(incident.at.to_string(), "2026-11-26T03:26:00.926428Z");

        let line = r#"[7] 2026/11/26 03:26:00.926474 [ERR] 127.0.0.1:1 - cid:1 - "v1:py:x" - "HALL/nkey:UW01" - Subscription Violation - Subject ">", SID 9"#;
        let incident = read(line).unwrap();
        assert_eq!((incident.attempt, incident.subject.as_str()), (Attempt::Subscribe, ">"));
    }

    #[test]
    fn other_lines_and_the_question_of_the_doctor_are_no_incidents() {
        assert_eq!(read("[7] 2026/11/26 03:26:00.926474 [INF] Server is ready"), None);
        assert_eq!(read(r#"" - Publish Violation - Subject "x""#), None);
        let doctor = r#"[7] 2026/11/26 03:26:00.926474 [ERR] 127.0.0.1:1 - cid:1 - "v1:rust:zhoubao doctor" - "HALL/nkey:U" - Publish Violation - Subject "$JS.API.STREAM.UPDATE.HALL_510000""#;
        assert_eq!(read(doctor), None);
        assert!(read(&doctor.replace("UPDATE", "DELETE")).is_some());
        assert!(read(&doctor.replace("zhoubao doctor", "zhoubao")).is_some());
    }
}
