//! The configuration of a server for one hall: one file of settings, one of users with their rights.
//!
//! A right that nobody needs is a right that a stolen key has. A terminal reaches its own line and nothing else; no
//! service that runs may make, change, empty or delete a stream, or write into the line of a terminal.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use nkeys::{KeyPair, KeyPairType};
use zhoubao_domain::id::{HallCode, Stream, Subject, TerminalId};

use crate::blobs::{bucket_name, bucket_stream};
use crate::stream::{
    head_subject, inbox, live_board, receipt_request, receipt_subject, receipts_name, stream_name,
};

/// The settings of the server, as they are shipped.
const TEMPLATE: &str = include_str!("../../../deploy/nats-server.conf");

/// What differs between servers, as it stands in [`TEMPLATE`].
const LISTEN: &str = "listen: \"127.0.0.1:4222\"";
const SERVER_NAME: &str = "server_name: \"hall-1\"";
const STORE_DIR: &str = "store_dir: \"/var/lib/zhoubao/nats\"";

/// The file with the users, beside the one with the settings, which includes it.
pub const ACCOUNTS_FILE: &str = "accounts.conf";

/// The settings of one server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Address and port for clients, such as `127.0.0.1:4222`.
    pub listen: String,
    /// Its name, unique among the hall's servers.
    pub name: String,
    /// Folder of the streams.
    pub store_dir: String,
}

impl fmt::Display for Server {
    /// As a configuration file, which includes [`ACCOUNTS_FILE`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = TEMPLATE
            .replace(LISTEN, &format!("listen: {:?}", self.listen))
            .replace(SERVER_NAME, &format!("server_name: {:?}", self.name))
            .replace(STORE_DIR, &format!("store_dir: {:?}", self.store_dir));
        f.write_str(&text)
    }
}

/// A user of the server that is no terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Folds the journal into the read models: reads, and writes receipts.
    Projector,
    /// Desk and office: reads, and appends everywhere but to the lines of terminals.
    Office,
    /// Keeps a copy of the journal: reads.
    Archive,
    /// Two persons with a reason, never a service that runs: makes and changes streams, and puts back what was lost.
    BreakGlass,
    /// Notes who tries what he may not: reads, hears the terminals, and appends to the audit line.
    Watch,
    /// Hears what is told live, the board and every step of an issue, and may do nothing else.
    Live,
    /// The user of `$SYS` who finds out how the servers write, and may do nothing else.
    Check,
}

impl Service {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::Projector,
        Self::Office,
        Self::Archive,
        Self::BreakGlass,
        Self::Watch,
        Self::Live,
        Self::Check,
    ];

    /// Its name, and that of its key's file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Projector => "projector",
            Self::Office => "office",
            Self::Archive => "archive",
            Self::BreakGlass => "break-glass",
            Self::Watch => "watch",
            Self::Live => "live",
            Self::Check => "check",
        }
    }
}

/// The public part of a user's nkey, `U` and 55 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(String);

/// A text that is not the public part of a user's nkey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not the public part of a user's nkey, which begins with U and has 56 characters")]
pub struct ParseUserKeyError;

impl FromStr for UserKey {
    type Err = ParseUserKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match KeyPair::from_public_key(text) {
            Ok(key) if key.key_pair_type() == KeyPairType::User => Ok(Self(text.to_owned())),
            _ => Err(ParseUserKeyError),
        }
    }
}

impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not the seed of a user's nkey. The text is a secret and is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not the seed of a user's nkey, which begins with SU")]
pub struct ParseSeedError;

/// The public part of the key with this seed.
///
/// # Errors
///
/// When the text is no seed of a user.
pub fn public_key(seed: &str) -> Result<UserKey, ParseSeedError> {
    let key = KeyPair::from_seed(seed.trim()).map_err(|_| ParseSeedError)?;
    key.public_key().parse().map_err(|_| ParseSeedError)
}

/// The seed of a new key, made of 32 random bytes.
///
/// # Errors
///
/// Never with 32 bytes; the library does not say so in its types.
pub fn seed(random: [u8; 32]) -> Result<String, ParseSeedError> {
    let key = KeyPair::new_from_raw(KeyPairType::User, random).map_err(|_| ParseSeedError)?;
    key.seed().map_err(|_| ParseSeedError)
}

/// Who may connect.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// The hall.
    pub hall: HallCode,
    /// Its terminals in service, each with the key of its user.
    pub terminals: Vec<(TerminalId, UserKey)>,
    /// Its services.
    pub services: Vec<(Service, UserKey)>,
}

/// Subjects that a user may publish to and subscribe to; all others are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// To publish.
    pub publish: Vec<String>,
    /// To subscribe.
    pub subscribe: Vec<String>,
}

impl Rights {
    /// The rights of one terminal.
    #[must_use]
    pub fn of_terminal(hall: &HallCode, terminal: &TerminalId) -> Self {
        let line = Subject::new(hall.clone(), Stream::Terminal(terminal.clone()));
        let publish = vec![line.to_string(), head_subject(&line), receipt_request(hall, terminal)];
        let receipt = receipt_subject(hall, terminal);
        Self { publish, subscribe: vec![answers(terminal.as_str()), receipt] }
    }

    /// The rights of one service. Its answers are told from others by its key: a terminal may have any short name.
    #[must_use]
    pub fn of_service(hall: &HallCode, service: Service, key: &UserKey) -> Self {
        let publish = match service {
            Service::Archive => reading(hall).into_iter().chain(reading_files(hall)).collect(),
            Service::Projector => {
                let mut publish = reading(hall);
                publish.push(format!("receipt.{hall}.*"));
                let receipts = receipts_name(hall);
                publish.push(format!("$JS.API.DIRECT.GET.{receipts}.receipt.{hall}.*"));
                publish
            }
            Service::Office => {
                let lines =
                    ["authorization.*", "desk.>", "issues", "setup.>", "quarantine", "audit"];
                let lines = lines.map(|it| format!("hall.{hall}.{it}"));
                let told = live_board(hall);
                reading(hall).into_iter().chain(lines).chain(files(hall)).chain([told]).collect()
            }
            Service::BreakGlass => {
                let receipts = receipts_name(hall);
                let mut publish = reading(hall);
                publish.push(format!("hall.{hall}.>"));
                publish.extend(files(hall));
                publish.push(format!("$JS.API.STREAM.INFO.{receipts}"));
                for stream in [stream_name(hall), receipts, bucket_stream(hall)] {
                    publish.push(format!("$JS.API.STREAM.CREATE.{stream}"));
                    publish.push(format!("$JS.API.STREAM.UPDATE.{stream}"));
                }
                publish
            }
            Service::Watch => {
                let mut publish = reading(hall);
                publish.push(format!("hall.{hall}.audit"));
                publish
            }
            Service::Live => vec![],
            Service::Check => vec!["$SYS.REQ.SERVER.PING.VARZ".to_owned()],
        };
        let mut subscribe = vec![answers(&key.0)];
        match service {
            Service::Watch => {
                subscribe.push(format!("hall.{hall}.terminal.*"));
                let stream = stream_name(hall);
                subscribe.push(format!("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.{stream}"));
            }
            Service::Live => subscribe.push(format!("live.{hall}.*")),
            _ => {}
        }
        Self { publish, subscribe }
    }
}

/// What whoever follows the journal asks the server.
fn reading(hall: &HallCode) -> Vec<String> {
    let stream = stream_name(hall);
    [
        format!("STREAM.INFO.{stream}"),
        format!("STREAM.MSG.GET.{stream}"),
        format!("DIRECT.GET.{stream}"),
        format!("DIRECT.GET.{stream}.hall.{hall}.>"),
        format!("CONSUMER.CREATE.{stream}"),
        format!("CONSUMER.MSG.NEXT.{stream}.*"),
        format!("CONSUMER.DELETE.{stream}.*"),
    ]
    .map(|it| format!("$JS.API.{it}"))
    .into()
}

/// What whoever keeps files asks the server: their chunks and names, and never to remove one.
fn files(hall: &HallCode) -> Vec<String> {
    let mut files = vec![format!("$O.{}.>", bucket_name(hall))];
    files.extend(reading_files(hall));
    files
}

/// What whoever reads files asks the server.
fn reading_files(hall: &HallCode) -> [String; 3] {
    let (bucket, stream) = (bucket_name(hall), bucket_stream(hall));
    [
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}.$O.{bucket}.M.>"),
    ]
}

fn answers(user: &str) -> String {
    format!("{}.>", inbox(user))
}

impl fmt::Display for Accounts {
    /// As a configuration file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hall = &self.hall;
        writeln!(
            f,
            "# Written by `zhoubao nats-config` from the register of hall {hall}; what is changed by hand is overwritten.\n\
             # Check it with `nats-server --config nats-server.conf -t`; put it in force with `nats-server --signal reload`.\n\n\
             accounts {{\n  HALL {{\n    jetstream: enabled\n    users: ["
        )?;
        let of_hall = self.services.iter().filter(|(it, _)| *it != Service::Check);
        for (service, key) in of_hall {
            user(f, service.name(), key, &Rights::of_service(hall, *service, key))?;
        }
        for (terminal, key) in &self.terminals {
            user(f, &format!("terminal {terminal}"), key, &Rights::of_terminal(hall, terminal))?;
        }
        f.write_str("    ]\n  }\n  $SYS {\n    users: [\n")?;
        for (service, key) in self.services.iter().filter(|(it, _)| *it == Service::Check) {
            user(f, service.name(), key, &Rights::of_service(hall, *service, key))?;
        }
        f.write_str("    ]\n  }\n}\n")
    }
}

fn user(f: &mut fmt::Formatter<'_>, name: &str, key: &UserKey, rights: &Rights) -> fmt::Result {
    let mut text = String::new();
    writeln!(text, "      # {name}\n      {{ nkey: {key}, permissions: {{")?;
    for (what, subjects) in [("publish", &rights.publish), ("subscribe", &rights.subscribe)] {
        // An empty list would allow everything.
        let (verb, subjects) = if subjects.is_empty() {
            ("deny", &[">".to_owned()] as &[_])
        } else {
            ("allow", &subjects[..])
        };
        writeln!(text, "        {what}: {{ {verb}: [")?;
        for subject in subjects {
            writeln!(text, "          {subject:?}")?;
        }
        writeln!(text, "        ] }}")?;
    }
    writeln!(text, "      }} }}")?;
    f.write_str(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shipped example of [`ACCOUNTS_FILE`].
    const EXAMPLE: &str = include_str!("../../../deploy/accounts.conf");

    #[test]
    fn what_differs_between_servers_stands_in_the_shipped_file_once() {
        for it in [LISTEN, SERVER_NAME, STORE_DIR, ACCOUNTS_FILE, "sync_interval: always"] {
            let lines = TEMPLATE.lines().filter(|line| !line.starts_with('#'));
            assert_eq!(lines.filter(|line| line.contains(it)).count(), 1, "{it}");
        }
        let server = Server {
            listen: "10.0.0.1:4222".into(),
            name: "hall-2".into(),
            store_dir: "/srv/政务/nats".into(),
        };
        let text = server.to_string();
        for it in ["\"10.0.0.1:4222\"", "\"hall-2\"", "\"/srv/政务/nats\""] {
            assert_eq!(text.matches(it).count(), 1, "{it}");
        }
        assert!(!text.contains("no_auth_user:"));
    }

    #[test]
    fn the_shipped_example_is_what_is_written() {
        // Nobody has the seeds of these keys: whoever takes the example as it is lets nobody in.
        let keys = EXAMPLE.split("nkey: ").skip(1).map(|it| it[..56].parse().unwrap());
        let keys: Vec<UserKey> = keys.collect();
        let [projector, office, archive, break_glass, watch, live, terminal, check] = &keys[..]
        else {
            panic!("{keys:?}")
        };
        let services = [projector, office, archive, break_glass, watch, live, check];
        let services = Service::ALL.into_iter().zip(services.map(Clone::clone));
        let accounts = Accounts {
            hall: "510000".parse().unwrap(),
            terminals: vec![("w01-1".parse().unwrap(), terminal.clone())],
            services: services.collect(),
        };
        let text = accounts.to_string();
        if std::env::var_os("INSTA_UPDATE").is_some_and(|it| it == "always") {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/accounts.conf");
            std::fs::write(path, &text).unwrap();
            return;
        }
        assert_eq!(text, EXAMPLE, "INSTA_UPDATE=always writes it");
    }

    #[test]
    fn keys_of_other_kinds_are_refused() {
        let user = KeyPair::new_from_raw(KeyPairType::User, [7; 32]).unwrap();
        assert_eq!(public_key(&user.seed().unwrap()).unwrap().to_string(), user.public_key());
        let account = KeyPair::new_from_raw(KeyPairType::Account, [7; 32]).unwrap();
        assert_eq!(public_key(&account.seed().unwrap()), Err(ParseSeedError));
        for wrong in [account.public_key(), "U".into(), String::new(), user.seed().unwrap()] {
            assert_eq!(wrong.parse::<UserKey>(), Err(ParseUserKeyError));
        }
        let mut changed = user.public_key();
        changed.pop();
        changed.push('A');
        assert_eq!(changed.parse::<UserKey>(), Err(ParseUserKeyError), "its checksum is wrong");
    }
}
