//! Keys of a server's users.

use std::fmt;
use std::str::FromStr;

use nkeys::{KeyPair, KeyPairType};

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
