//! What the hall says of a terminal's line once it is counted: signed, so that nobody else can say it.
//!
//! As text, for a program in any language:
//!
//! ```text
//! { "receipt": "{…}", "key": "64 hexadecimal digits", "signature": "128 hexadecimal digits" }
//! ```
//!
//! The signature is the key's, Ed25519, of: `zhoubao receipt v1`, one zero byte, the characters of `receipt`, which is
//! itself JSON.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zhoubao_domain::id::{Digest, PublicKey, Signature};

use crate::signature::{SigningKey, Verifier};

/// How far the line of a terminal is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The line: `hall.510000.terminal.w01`.
    pub source: String,
    /// Number of the last event of the line that is counted, flagged or quarantined under its number.
    pub number: u64,
    /// Its hash.
    #[serde(with = "text")]
    pub hash: Digest,
    /// Incarnation of the journal.
    pub incarnation: String,
    /// Everything up to this position was looked at.
    pub position: u64,
    /// What of the line waits for a person, ascending by position; of many the first.
    #[serde(default)]
    pub open: Vec<Open>,
    /// How many wait.
    pub open_count: u64,
    /// When this was said.
    pub at: Timestamp,
}

/// An event that did not simply count and is not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// Its number.
    pub number: u64,
    /// Its position.
    pub position: u64,
    /// `warned`, `flagged`, `held` or `quarantined`.
    pub standing: String,
    /// The code, such as `E.110`.
    pub code: String,
    /// One sentence.
    pub detail: String,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    receipt: String,
    #[serde(with = "text")]
    key: PublicKey,
    #[serde(with = "text")]
    signature: Signature,
}

/// A text that is no receipt, or one that nobody signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no receipt that its key has signed")]
pub struct ReceiptError;

impl Receipt {
    /// The signed text.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        let receipt = serde_json::to_string(self).unwrap_or_default();
        let signature = key.sign_receipt(&receipt);
        let signed = Signed { receipt, key: key.public_key(), signature };
        serde_json::to_string(&signed).unwrap_or_default()
    }

    /// Reads a signed text, and says whose signature it bears.
    ///
    /// # Errors
    ///
    /// For any other text.
    pub fn verify(text: &str) -> Result<(Self, PublicKey), ReceiptError> {
        let signed: Signed = serde_json::from_str(text).map_err(|_| ReceiptError)?;
        let verifier = Verifier::new(&signed.key).ok_or(ReceiptError)?;
        if !verifier.verifies_receipt(&signed.receipt, &signed.signature) {
            return Err(ReceiptError);
        }
        let receipt = serde_json::from_str(&signed.receipt).map_err(|_| ReceiptError)?;
        Ok((receipt, signed.key))
    }
}

/// Values that are written as their text.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(it: &impl Display, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(it)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            source: "hall.510000.terminal.w01".to_owned(),
            number: 17,
            hash: Digest::new([9; 32]),
            incarnation: "7c".to_owned(),
            position: 4711,
            open: vec![Open {
                number: 12,
                position: 4700,
                standing: "flagged".to_owned(),
                code: "E.110".to_owned(),
                detail: "该日未获授权".to_owned(),
            }],
            open_count: 1,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_was_signed_is_read_back_with_its_key() {
        let key = SigningKey::from_seed(&[3; 32]);
        assert_eq!(Receipt::verify(&receipt().sign(&key)), Ok((receipt(), key.public_key())));
    }

    #[test]
    fn any_other_text_is_refused() {
        let key = SigningKey::from_seed(&[3; 32]);
        let other = SigningKey::from_seed(&[4; 32]).public_key().to_string();
        let text = receipt().sign(&key);
        for forged in [
            text.replace("17", "18"),
            text.replace(&key.public_key().to_string(), &other),
            text.replace("w01", "w02"),
            text[1..].to_owned(),
            String::new(),
        ] {
            assert_eq!(Receipt::verify(&forged), Err(ReceiptError), "{forged}");
        }
    }
}
