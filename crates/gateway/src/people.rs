//! Who is at the pages: passwords of which only an argon2id hash is kept, one-time links to set them, and sessions.
//!
//! Rights are the hall's events; what is here is secret or passes, so it is in no journal: a file for its owner only, and
//! memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zhoubao_domain::event::Refusal;
use zhoubao_domain::id::{HallCode, UserId};

use crate::codes::{self, Codes, Device, Handover};

/// How long a one-time link holds.
const LINK_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Longest time without doing anything (guarantees §6).
const IDLE_MAX: SignedDuration = SignedDuration::from_mins(30);

/// Longest session (guarantees §6).
const SESSION_MAX: SignedDuration = SignedDuration::from_hours(10);

/// How long it holds that somebody has shown once more, elsewhere, who he is.
const SHOWN_MAX: SignedDuration = SignedDuration::from_mins(2);

/// Sessions at a time; beyond them the oldest ends.
const SESSIONS_MAX: usize = 10_000;

/// Fewest characters of a password (NIST SP 800-63B-4 §3.1.1.2).
pub const PASSWORD_MIN: usize = 12;

/// Most characters.
pub const PASSWORD_MAX: usize = 128;

/// Longest pause after wrong passwords.
const PAUSE_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Why a file of accounts was not read or written.
#[derive(Debug, thiserror::Error)]
#[error("`{path}`: {detail}")]
pub struct AccountsError {
    path: String,
    detail: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    /// Its hash; empty for whoever logs in elsewhere only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    password: String,
    /// What makes his one-time codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    codes: Option<Device>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    user: UserIdText,
    until: Timestamp,
}

type UserIdText = String;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    accounts: BTreeMap<UserIdText, Account>,
    /// By the hash of what the link holds.
    links: BTreeMap<String, Link>,
    /// Names of wall screens, by the hash of what their link holds.
    #[serde(default)]
    screens: BTreeMap<String, String>,
}

/// What a file looked like when it was read: it is read anew when that differs.
type Stamp = (std::time::SystemTime, u64, u64);

/// The passwords of a hall, in a file.
#[derive(Debug)]
pub struct Accounts {
    path: PathBuf,
    /// Every request asks whether a password still holds.
    read: Mutex<Option<(Stamp, Arc<File>)>>,
}

impl Accounts {
    /// Those of a file, which need not be there yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::default() }
    }

    fn failed(&self, detail: impl ToString) -> AccountsError {
        AccountsError { path: self.path.display().to_string(), detail: detail.to_string() }
    }

    fn stamp(&self) -> Result<Option<Stamp>, AccountsError> {
        use std::os::unix::fs::MetadataExt as _;
        match std::fs::metadata(&self.path).and_then(|it| Ok((it.modified()?, it.len(), it.ino())))
        {
            Ok(stamp) => Ok(Some(stamp)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn read(&self) -> Result<Arc<File>, AccountsError> {
        // Looked at before it is read: what is written in between has another stamp.
        let Some(stamp) = self.stamp()? else { return Ok(Arc::default()) };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = read.as_ref().filter(|(it, _)| *it == stamp) {
            return Ok(file.clone());
        }
        let bytes = std::fs::read(&self.path).map_err(|it| self.failed(it))?;
        let file: Arc<File> =
            Arc::new(serde_json::from_slice(&bytes).map_err(|it| self.failed(it))?);
        *read = Some((stamp, file.clone()));
        Ok(file)
    }

    /// Changes the file, one program after the other: the command line and a service may both be at it.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut File) -> Result<T, AccountsError>,
    ) -> Result<T, AccountsError> {
        let beside = self.path.with_extension("lock");
        let lock = std::fs::File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&beside)
            .and_then(|it| it.lock().map(|()| it))
            .map_err(|it| self.failed(it))?;
        let mut file = (*self.read()?).clone();
        let before = serde_json::to_string(&file).unwrap_or_default();
        let done = change(&mut file)?;
        if serde_json::to_string(&file).unwrap_or_default() != before {
            self.write(&file)?;
        }
        drop(lock);
        Ok(done)
    }

    fn write(&self, file: &File) -> Result<(), AccountsError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let write = || -> std::io::Result<()> {
            // A temporary file is for its owner only, and so is what takes its name.
            let mut aside = tempfile::NamedTempFile::new_in(folder)?;
            aside.write_all(&serde_json::to_vec_pretty(file)?)?;
            aside.as_file().sync_all()?;
            aside.persist(&self.path)?;
            std::fs::File::open(folder)?.sync_all()
        };
        write().map_err(|it| self.failed(it))
    }

    /// Whether nobody has a password yet.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn is_empty(&self) -> Result<bool, AccountsError> {
        Ok(self.read()?.accounts.is_empty())
    }

    /// Makes a link with which a person sets a password once; answers with what it holds.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn link(
        &self,
        user: &UserId,
        secret: &[u8; 32],
        now: Timestamp,
    ) -> Result<String, AccountsError> {
        let token = hex(secret);
        self.change(|file| {
            file.links.retain(|_, it| it.until > now && it.user != user.as_str());
            let until = now.checked_add(LINK_MAX).unwrap_or(now);
            file.links.insert(hash(&token), Link { user: user.to_string(), until });
            Ok(())
        })?;
        Ok(token)
    }

    /// Whose link this is.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn of_link(&self, token: &str, now: Timestamp) -> Result<Option<UserId>, AccountsError> {
        let file = self.read()?;
        let link = file.links.get(&hash(token)).filter(|it| it.until > now);
        Ok(link.and_then(|it| it.user.parse().ok()))
    }

    /// Sets a password by a link, which ends.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn set(
        &self,
        token: &str,
        password_hash: String,
        now: Timestamp,
    ) -> Result<Option<UserId>, AccountsError> {
        self.change(|file| {
            let link = file.links.remove(&hash(token)).filter(|it| it.until > now);
            let Some(user) = link.and_then(|it| it.user.parse::<UserId>().ok()) else {
                return Ok(None);
            };
            // Who forgot the password has his device still.
            file.accounts.entry(user.to_string()).or_default().password = password_hash;
            Ok(Some(user))
        })
    }

    /// Makes a link for a wall screen, which shows boards until it is taken back; an earlier one of this name ends.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn screen(&self, name: &str, secret: &[u8; 32]) -> Result<String, AccountsError> {
        let token = hex(secret);
        self.change(|file| {
            file.screens.retain(|_, it| it != name);
            file.screens.insert(hash(&token), name.to_owned());
            Ok(())
        })?;
        Ok(token)
    }

    /// The name of the screen of a link, if it is not taken back.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn of_screen(&self, token: &str) -> Result<Option<String>, AccountsError> {
        Ok(self.read()?.screens.get(&hash(token)).cloned())
    }

    /// The names of all screens.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn screens(&self) -> Result<Vec<String>, AccountsError> {
        let mut names: Vec<_> = self.read()?.screens.values().cloned().collect();
        names.sort();
        Ok(names)
    }

    /// Takes a screen's link back. Answers whether there was one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn remove_screen(&self, name: &str) -> Result<bool, AccountsError> {
        self.change(|file| {
            let before = file.screens.len();
            file.screens.retain(|_, it| it != name);
            Ok(file.screens.len() < before)
        })
    }

    /// Whether a person has a device that makes one-time codes.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn has_device(&self, user: &UserId) -> Result<bool, AccountsError> {
        let file = self.read()?;
        let account = file.accounts.get(user.as_str());
        Ok(account.and_then(|it| it.codes.as_ref()).is_some_and(Device::is_confirmed))
    }

    /// Makes a secret for a person's device; it is asked for codes once it has made one ([`Accounts::confirm_device`]).
    /// None for whoever has a device already.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn begin_device(
        &self,
        hall: &HallCode,
        user: &UserId,
        random: &[u8; 32],
    ) -> Result<Option<Handover>, AccountsError> {
        self.change(|file| {
            let account = file.accounts.entry(user.to_string()).or_default();
            if account.codes.as_ref().is_some_and(Device::is_confirmed) {
                return Ok(None);
            }
            let device = account.codes.insert(Device::new(random));
            Ok(device.handed_over(hall, user))
        })
    }

    /// Takes the first code of a person's device; none when nothing was begun, or it is done already.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn confirm_device(
        &self,
        user: &UserId,
        code: &str,
        now: Timestamp,
    ) -> Result<Option<bool>, AccountsError> {
        self.change(|file| {
            let device = file.accounts.get_mut(user.as_str()).and_then(|it| it.codes.as_mut());
            let device = device.filter(|it| !it.is_confirmed());
            Ok(device.map(|it| it.take(code, None, now)))
        })
    }

    /// Forgets a person's device. Answers whether there was one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn remove_device(&self, user: &UserId) -> Result<bool, AccountsError> {
        self.change(|file| {
            let account = file.accounts.get_mut(user.as_str());
            Ok(account.and_then(|it| it.codes.take()).is_some())
        })
    }

    /// Takes the one-time code of a person who signs off, where one is asked for. `purpose` names what is signed and by
    /// which command.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written; inside, E.154 and E.155.
    pub fn take_code(
        &self,
        asked: Codes,
        user: &UserId,
        (code, purpose): (&str, Option<&str>),
        now: Timestamp,
    ) -> Result<Result<(), Refusal>, AccountsError> {
        match (asked, self.has_device(user)?) {
            (Codes::Off, _) | (Codes::Enrolled, false) => return Ok(Ok(())),
            (Codes::Required, false) => return Ok(Err(codes::without_device(user))),
            (Codes::Enrolled | Codes::Required, true) => {}
        }
        self.change(|file| {
            let device = file.accounts.get_mut(user.as_str()).and_then(|it| it.codes.as_mut());
            let taken = device.is_some_and(|it| it.take(code, purpose, now));
            Ok(if taken { Ok(()) } else { Err(codes::refused()) })
        })
    }

    /// How a person stands.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn standing(&self, user: &UserId, now: Timestamp) -> Result<Standing, AccountsError> {
        let file = self.read()?;
        let link = file.links.values().find(|it| it.user == user.as_str() && it.until > now);
        Ok(Standing {
            password: self.password(user)?.is_some(),
            link: link.map(|it| it.until),
            device: self.has_device(user)?,
        })
    }

    /// The hash of a person's password.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn password(&self, user: &UserId) -> Result<Option<String>, AccountsError> {
        let hash = self.read()?.accounts.get(user.as_str()).map(|it| it.password.clone());
        Ok(hash.filter(|it| !it.is_empty()))
    }
}

/// How a person stands with the pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether he has a password.
    pub password: bool,
    /// Until when a link holds with which he may set one.
    pub link: Option<Timestamp>,
    /// Whether he has a device that makes one-time codes.
    pub device: bool,
}

/// The hash of a password. It takes long on purpose.
#[must_use]
pub fn hash_password(password: &str, salt: &[u8; 16]) -> Option<String> {
    let hashed: Result<PasswordHash, _> =
        Argon2::default().hash_password_with_salt(password.as_bytes(), salt);
    hashed.ok().map(|it| it.to_string())
}

/// Whether a password is the one of a hash. It takes long on purpose.
#[must_use]
pub fn is_password(password: &str, hash: &str) -> bool {
    Argon2::default().verify_password(password.as_bytes(), hash).is_ok()
}

/// What is wrong with a password that somebody would like to have.
#[must_use]
pub fn weakness(password: &str, user: &UserId) -> Option<String> {
    let length = password.chars().count();
    if !(PASSWORD_MIN..=PASSWORD_MAX).contains(&length) {
        return Some(format!("口令须 {PASSWORD_MIN} 至 {PASSWORD_MAX} 个字符 characters"));
    }
    let mut different: Vec<char> = password.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < 5 || password.contains(user.as_str()) {
        return Some("口令过于简单 too easily guessed".to_owned());
    }
    None
}

fn hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// A person who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub user: UserId,
    /// What every form of his pages holds, and no page of others can know.
    pub csrf: String,
    /// What let him in.
    pub by: LetInBy,
    since: Timestamp,
    used: Timestamp,
    /// When he last logged in elsewhere anew. The login that let him in is none: the provider may have known him.
    shown: Option<Timestamp>,
}

/// What lets a person in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetInBy {
    /// The password of this hash; with another one the session is over.
    Password(String),
    /// The hall's identity provider.
    Provider,
}

#[derive(Debug, Clone, Copy, Default)]
struct Misses {
    count: u32,
    until: Timestamp,
}

/// Everybody who is logged in, by the hash of his token.
#[derive(Debug, Default)]
pub struct Sessions {
    open: Mutex<HashMap<String, Session>>,
    misses: Mutex<BTreeMap<String, Misses>>,
}

impl Sessions {
    fn open_sessions(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn misses(&self) -> MutexGuard<'_, BTreeMap<String, Misses>> {
        self.misses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many seconds a person must wait before the next try, if he must. Those without an account share one place.
    #[must_use]
    pub fn pause(&self, account: &str, now: Timestamp) -> Option<u64> {
        let until = self.misses().get(account)?.until;
        let left = until.duration_since(now).as_millis();
        u64::try_from(left).ok().filter(|it| *it > 0).map(|it| it.div_ceil(1000))
    }

    /// Notes a wrong password; answers with the seconds until the next try.
    pub fn miss(&self, account: &str, now: Timestamp) -> u64 {
        let mut misses = self.misses();
        let it = misses.entry(account.to_owned()).or_default();
        let seconds = 2_i64.saturating_pow(it.count.min(20)).min(PAUSE_MAX.as_secs());
        it.count = it.count.saturating_add(1);
        it.until = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
        seconds.unsigned_abs()
    }

    /// Forgets a person's wrong passwords after a right one.
    pub fn forgive(&self, account: &str) {
        self.misses().remove(account);
    }

    /// Lets a person in; answers with the token of the session.
    pub fn open(
        &self,
        user: UserId,
        by: LetInBy,
        secrets: [[u8; 32]; 2],
        now: Timestamp,
    ) -> String {
        self.forgive(user.as_str());
        let token = hex(&secrets[0]);
        let session =
            Session { user, csrf: hex(&secrets[1]), by, since: now, used: now, shown: None };
        let mut open = self.open_sessions();
        open.retain(|_, it| !it.is_over(now));
        if open.len() >= SESSIONS_MAX
            && let Some(oldest) = open.iter().min_by_key(|(_, it)| it.used).map(|(k, _)| k.clone())
        {
            open.remove(&oldest);
        }
        open.insert(hash(&token), session);
        token
    }

    /// The session of a token, if it is not over. Only what a person does keeps it alive (`active`).
    #[must_use]
    pub fn pass(&self, token: &str, active: bool, now: Timestamp) -> Option<Session> {
        let mut open = self.open_sessions();
        let key = hash(token);
        let session = open.get_mut(&key)?;
        if session.is_over(now) {
            open.remove(&key);
            return None;
        }
        if active {
            session.used = now;
        }
        Some(session.clone())
    }

    /// Notes that the person of a session has just logged in elsewhere once more.
    pub fn shown(&self, token: &str, now: Timestamp) {
        if let Some(session) = self.open_sessions().get_mut(&hash(token)) {
            session.shown = Some(now);
            session.used = now;
        }
    }

    /// How many sessions a person has open.
    #[must_use]
    pub fn of(&self, user: &UserId, now: Timestamp) -> usize {
        let open = self.open_sessions();
        open.values().filter(|it| it.user == *user && !it.is_over(now)).count()
    }

    /// Ends the session of a token.
    pub fn close(&self, token: &str) {
        self.open_sessions().remove(&hash(token));
    }
}

impl Session {
    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.since) >= SESSION_MAX || now.duration_since(self.used) >= IDLE_MAX
    }

    /// Whether what let him in still does; `password_hash` is that of his password now.
    #[must_use]
    pub fn is_of(&self, password_hash: Option<&str>) -> bool {
        match &self.by {
            LetInBy::Password(hash) => password_hash == Some(hash),
            LetInBy::Provider => true,
        }
    }

    /// Whether he has logged in elsewhere so lately that he need not show again who he is.
    #[must_use]
    pub fn is_shown(&self, now: Timestamp) -> bool {
        let lately = |it: Timestamp| now.duration_since(it) < SHOWN_MAX;
        self.by == LetInBy::Provider && self.shown.is_some_and(lately)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_link_sets_a_password_once_and_ends_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = Accounts::new(folder.path().join("accounts.json"));
        assert!(accounts.is_empty().unwrap());
        let first = accounts.link(&user("u100"), &[1; 32], at(0)).unwrap();
        let second = accounts.link(&user("u100"), &[2; 32], at(0)).unwrap();
        assert_eq!(accounts.of_link(&first, at(1)).unwrap(), None, "a later link replaces it");
        assert_eq!(accounts.of_link(&second, at(86_400)).unwrap(), None, "over");
        let set = |token: &str| accounts.set(token, "hash".to_owned(), at(1)).unwrap();
        assert_eq!(set(&second), Some(user("u100")));
        assert_eq!(set(&second), None, "once");
        assert_eq!(accounts.password(&user("u100")).unwrap().as_deref(), Some("hash"));
        let text = std::fs::read_to_string(folder.path().join("accounts.json")).unwrap();
        assert!(!text.contains(&second), "only its hash is kept");
    }

    #[test]
    fn programs_that_change_the_file_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.json");
        std::thread::scope(|scope| {
            for nth in 0..16_u8 {
                let accounts = Accounts::new(path.clone());
                scope.spawn(move || accounts.screen(&format!("s{nth}"), &[nth; 32]).unwrap());
            }
        });
        assert_eq!(Accounts::new(path).screens().unwrap().len(), 16);
    }

    #[test]
    fn a_screen_is_known_until_it_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = Accounts::new(folder.path().join("accounts.json"));
        let first = accounts.screen("一楼", &[1; 32]).unwrap();
        let second = accounts.screen("二楼", &[2; 32]).unwrap();
        assert_eq!(accounts.of_screen(&first).unwrap().as_deref(), Some("一楼"));
        let again = accounts.screen("一楼", &[3; 32]).unwrap();
        assert_eq!(accounts.of_screen(&first).unwrap(), None, "a later link replaces it");
        assert_eq!(accounts.screens().unwrap(), ["一楼", "二楼"]);
        assert!(accounts.remove_screen("一楼").unwrap());
        assert!(!accounts.remove_screen("一楼").unwrap());
        assert_eq!(accounts.of_screen(&again).unwrap(), None);
        assert_eq!(accounts.of_screen(&second).unwrap().as_deref(), Some("二楼"));
    }

    #[test]
    fn whoever_does_nothing_for_half_an_hour_is_out_and_everybody_after_ten_hours() {
        let sessions = Sessions::default();
        let by = LetInBy::Password(String::new());
        let open = |now| sessions.open(user("u1"), by.clone(), [[1; 32], [2; 32]], now);
        let token = open(at(0));
        assert!(sessions.pass(&token, false, at(1_799)).is_some());
        assert!(
            sessions.pass(&token, false, at(1_800)).is_none(),
            "a page that looks is not enough"
        );
        let token = open(at(0));
        for minutes in (20..600).step_by(20) {
            assert!(sessions.pass(&token, true, at(minutes * 60)).is_some(), "{minutes}");
        }
        assert!(sessions.pass(&token, true, at(600 * 60)).is_none());
        assert!(sessions.pass("another", true, at(0)).is_none());
    }

    #[test]
    fn each_wrong_password_doubles_the_pause_and_a_right_one_ends_it() {
        let sessions = Sessions::default();
        assert_eq!(sessions.pause("u1", at(0)), None);
        assert_eq!([0, 1, 3].map(|it| sessions.miss("u1", at(it))), [1, 2, 4]);
        assert_eq!(sessions.pause("u1", at(3)), Some(4));
        assert_eq!(sessions.pause("u2", at(3)), None);
        for _ in 0..100 {
            sessions.miss("u1", at(3));
        }
        assert_eq!(sessions.pause("u1", at(3)), Some(900));
        sessions.open(user("u1"), LetInBy::Provider, [[1; 32], [2; 32]], at(3));
        assert_eq!(sessions.pause("u1", at(3)), None);
    }

    #[test]
    fn whoever_logged_in_elsewhere_has_shown_for_two_minutes_who_he_is() {
        let sessions = Sessions::default();
        let shown = |token: &str, now| sessions.pass(token, true, now).unwrap().is_shown(now);
        let token = sessions.open(user("u1"), LetInBy::Provider, [[1; 32], [2; 32]], at(0));
        assert!(!shown(&token, at(0)), "he may have been logged in there for hours");
        sessions.shown(&token, at(200));
        assert!(shown(&token, at(319)) && !shown(&token, at(320)));
        let by = LetInBy::Password("hash".to_owned());
        let token = sessions.open(user("u2"), by, [[3; 32], [4; 32]], at(0));
        assert!(!shown(&token, at(0)), "a password is entered again");
        let session = |hash| sessions.pass(&token, true, at(0)).unwrap().is_of(hash);
        assert!(session(Some("hash")) && !session(Some("other")) && !session(None));
    }
}
