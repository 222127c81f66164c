//! Who may work on this device: work numbers, each with a PIN of which only an argon2id hash is kept.
//!
//! The hashes are in a file of their own beside the ledger, because copies of a ledger are handed to auditors, and six
//! digits are soon tried through.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::UserId;

use crate::failure::Failure;
use crate::files::{PRIVATE, replace};

/// Fewest digits.
const DIGITS_MIN: usize = 6;

/// Most digits.
const DIGITS_MAX: usize = 32;

/// Fewest different digits: `112233` and `121212` are what people take first.
const DIFFERENT_MIN: usize = 4;

/// Patterns of the key pad, and numbers that sound like words.
const WELL_KNOWN: [&str; 6] = ["147258", "258369", "147369", "159357", "159753", "5201314"];

/// A PIN that may be set: digits, and not the first that somebody would try.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(String);

impl Pin {
    /// Checks the PIN of a clerk.
    ///
    /// # Errors
    ///
    /// E.152 for one that is no number of 6 to 32 digits, or too easily guessed.
    pub fn new(text: &str, of: &UserId) -> Result<Self, Failure> {
        let weak = |why: &str| Err(Failure::coded(Code::WeakPin, why));
        if !text.bytes().all(|it| it.is_ascii_digit()) {
            return weak("只能是数字 digits only");
        }
        if !(DIGITS_MIN..=DIGITS_MAX).contains(&text.len()) {
            return weak("须 6 至 32 位数字 6 to 32 digits");
        }
        let digits: Vec<u8> = text.bytes().map(|it| it - b'0').collect();
        let mut different = digits.clone();
        different.sort_unstable();
        different.dedup();
        let step = |pair: &[u8]| (pair[1] + 10 - pair[0]) % 10;
        let even = digits.windows(2).all(|it| step(it) == step(&digits[..2]));
        let number: String = of.as_str().chars().filter(char::is_ascii_digit).collect();
        let like_number = number.len() >= DIFFERENT_MIN && text.contains(&number);
        if different.len() < DIFFERENT_MIN || even || like_number || WELL_KNOWN.contains(&text) {
            return weak("过于简单 too easily guessed");
        }
        Ok(Self(text.to_owned()))
    }

    /// Hashes it: 19 MiB, two rounds, one lane, which takes a small device a fraction of a second.
    ///
    /// # Errors
    ///
    /// When there is not enough memory.
    pub fn hash(&self, salt: &[u8; 16]) -> Result<String, Failure> {
        let hashed: Result<PasswordHash, _> =
            Argon2::default().hash_password_with_salt(self.0.as_bytes(), salt);
        let hashed = hashed.map_err(|error| Failure::unavailable(format!("argon2: {error}")))?;
        Ok(hashed.to_string())
    }
}

/// Whether a text is the PIN of a hash. It takes long on purpose, and must not run on a thread that others wait for.
#[must_use]
pub fn is_pin(text: &str, hash: &str) -> bool {
    Argon2::default().verify_password(text.as_bytes(), hash).is_ok()
}

/// The clerks of a device.
#[derive(Debug, Clone)]
pub struct Clerks(PathBuf);

impl Clerks {
    /// Those beside a ledger, in the file that has its name and ends in `.clerks`.
    #[must_use]
    pub fn beside(ledger: &Path) -> Self {
        Self(ledger.with_extension("clerks"))
    }

    /// The hash of each.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be read.
    pub fn all(&self) -> Result<BTreeMap<String, String>, Failure> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(BTreeMap::new());
            }
            Err(error) => return Err(Failure::file(&self.0, &error)),
        };
        serde_json::from_str(&text).map_err(|error| {
            Failure::configuration(format!("`{}`: {error}", self.0.display()))
                .with_next("remove the file, and set the PINs again: zhoubao terminal clerk add")
        })
    }

    /// Sets the hash of a clerk; `None` removes him. Answers whether he was there.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written; then it is as it was.
    pub fn put(&self, clerk: &UserId, hash: Option<String>) -> Result<bool, Failure> {
        let mut all = self.all()?;
        let before = match hash {
            Some(hash) => all.insert(clerk.to_string(), hash),
            None => all.remove(clerk.as_str()),
        };
        let mut text = serde_json::to_string_pretty(&all)
            .map_err(|error| Failure::configuration(error.to_string()))?;
        text.push('\n');
        replace(&self.0, text.as_bytes(), PRIVATE)?;
        Ok(before.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn clerk(id: &str) -> UserId {
        id.parse().unwrap()
    }

    #[test]
    fn a_pin_that_somebody_would_try_first_is_refused() {
        for weak in [
            "",
            "12345",
            "12345a",
            "１２３４５６",
            " 204917",
            "000000",
            "123456",
            "654321",
            "890123",
            "135791",
            "121212",
            "123123",
            "112233",
            "123321",
            "147258",
            "5201314",
            "2049172",
            &"2049".repeat(9),
        ] {
            let refused = Pin::new(weak, &clerk("u204917")).err().unwrap();
            assert_eq!(refused.code, Some(Code::WeakPin), "{weak}");
        }
        for fine in ["204918", "730194", "0000123456789"] {
            assert!(Pin::new(fine, &clerk("u204917")).is_ok(), "{fine}");
        }
    }

    #[test]
    fn a_hash_opens_for_its_pin_only_and_is_never_the_same_for_another_salt() {
        let pin = Pin::new("730194", &clerk("u100")).ok().unwrap();
        let hash = pin.hash(&[7; 16]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, pin.hash(&[8; 16]).unwrap());
        assert!(is_pin("730194", &hash));
        for wrong in ["730195", "", "7301940"] {
            assert!(!is_pin(wrong, &hash), "{wrong}");
        }
        assert!(!is_pin("730194", "no hash"));
    }

    #[test]
    fn the_file_is_for_its_owner_only_and_keeps_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let clerks = Clerks::beside(&folder.path().join("terminal-w01.db"));
        assert!(clerks.all().unwrap().is_empty());
        assert!(!clerks.put(&clerk("u100"), Some("a".to_owned())).unwrap());
        assert!(!clerks.put(&clerk("u200"), Some("b".to_owned())).unwrap());
        assert!(clerks.put(&clerk("u100"), Some("c".to_owned())).unwrap());
        let path = folder.path().join("terminal-w01.clerks");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(clerks.put(&clerk("u200"), None).unwrap());
        assert!(!clerks.put(&clerk("u200"), None).unwrap());
        let all: Vec<_> = clerks.all().unwrap().into_iter().collect();
        assert_eq!(all, [("u100".to_owned(), "c".to_owned())]);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(clerks.all().unwrap_err().code, Some(Code::Configuration));
        assert!(clerks.put(&clerk("u200"), None).is_err(), "nothing is written over it");
    }
}
