//! The office's seal: a signature of a file's exact bytes, in a file of its own beside it.
//!
//! ```text
//! {"algorithm":"ed25519","digest":"<SHA-256 of the file>","key":"<32 bytes>","signature":"<64 bytes>"}
//! {"algorithm":"sm2-sm3","digest":"<SM3 of the file>","key":"<65 bytes, 04 ‖ x ‖ y>","signature":"<r ‖ s>"}
//! ```
//!
//! Everything in lower-case hexadecimal. Ed25519 (RFC 8032) signs the bytes of the file; SM2 (GB/T 32918) signs them with
//! the signer's id `1234567812345678`.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::Signer as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sm2::dsa::signature::{Signer as _, Verifier as _};
use zhoubao_composer::json as canonical;
use zhoubao_contract::merkle;
use zhoubao_domain::event::TreeHash;

/// The signer's id where none was agreed upon (GB/T 35276).
const SM2_ID: &str = "1234567812345678";

/// How a seal is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Ed25519, with SHA-256 as the digest that is shown.
    Ed25519,
    /// SM2 with SM3.
    Sm2,
}

impl Algorithm {
    /// The word in a seal.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Sm2 => "sm2-sm3",
        }
    }

    fn hash(self) -> TreeHash {
        match self {
            Self::Ed25519 => TreeHash::Sha256,
            Self::Sm2 => TreeHash::Sm3,
        }
    }
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("不是密钥 it is no key")]
pub struct NoKey;

/// The office's secret key.
pub struct SealKey(Secret);

enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    Sm2(sm2::dsa::SigningKey),
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.algorithm().word())
    }
}

impl SealKey {
    /// The key that grows from 32 random bytes; none for the few that SM2 cannot use.
    #[must_use]
    pub fn from_seed(algorithm: Algorithm, seed: &[u8; 32]) -> Option<Self> {
        Some(Self(match algorithm {
            Algorithm::Ed25519 => Secret::Ed25519(ed25519_dalek::SigningKey::from_bytes(seed)),
            Algorithm::Sm2 => Secret::Sm2(sm2::dsa::SigningKey::from_slice(SM2_ID, seed).ok()?),
        }))
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Secret::Ed25519(_) => Algorithm::Ed25519,
            Secret::Sm2(_) => Algorithm::Sm2,
        }
    }

    /// The public half, in hexadecimal.
    #[must_use]
    pub fn public(&self) -> String {
        match &self.0 {
            Secret::Ed25519(it) => hex(it.verifying_key().as_bytes()),
            Secret::Sm2(it) => hex(&it.verifying_key().to_sec1_bytes()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    algorithm: String,
    digest: String,
    key: String,
    signature: String,
}

/// Signs the bytes of a file: the content of its seal's file.
#[must_use]
pub fn sign(key: &SealKey, bytes: &[u8]) -> String {
    let signature = match &key.0 {
        Secret::Ed25519(it) => it.sign(bytes).to_bytes().to_vec(),
        Secret::Sm2(it) => it.sign(bytes).to_bytes().to_vec(),
    };
    let algorithm = key.algorithm();
    let seal = Seal {
        algorithm: algorithm.word().to_owned(),
        digest: merkle::hash(algorithm.hash(), &[bytes]).to_string(),
        key: key.public(),
        signature: hex(&signature),
    };
    // Four texts always have a form in JSON.
    canonical::text(&serde_json::to_value(seal).unwrap_or_default()) + "\n"
}

/// A key that somebody trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// The public half, in hexadecimal.
    pub key: String,
    /// The last day on which it seals; none: for ever.
    pub through: Option<Date>,
}

impl FromStr for Trusted {
    type Err = NoKey;

    /// Reads `<hexadecimal>` or `<hexadecimal> 2026-12-31`.
    fn from_str(text: &str) -> Result<Self, NoKey> {
        let mut words = text.split_whitespace();
        let key = words.next().ok_or(NoKey)?.to_ascii_lowercase();
        let through = words.next().map(|it| it.parse().map_err(|_| NoKey)).transpose()?;
        let known = verifies(&key, &[], &[0; 64]).is_some();
        if known && words.next().is_none() { Ok(Self { key, through }) } else { Err(NoKey) }
    }
}

/// Reads a file of trusted keys: one a line, perhaps with the last day on which it seals; `#` begins a remark.
///
/// # Errors
///
/// The number of the first line that is no key.
pub fn trusted(text: &str) -> Result<Vec<Trusted>, usize> {
    let mut keys = vec![];
    for (number, line) in (1_usize..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let key = line.parse::<Trusted>().map_err(|_| number)?;
            keys.push(key);
        }
    }
    Ok(keys)
}

/// A seal that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// How it was made.
    pub algorithm: String,
    /// By which key.
    pub key: String,
    /// Whether somebody vouches for that key.
    pub trusted: bool,
}

/// Why a seal is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The file or the seal was changed.
    #[error("{0}")]
    Altered(String),
    /// The key is not one of those that are trusted, or is so no more.
    #[error("{0}")]
    Untrusted(String),
}

/// Checks a seal over the bytes of a file. Where `trust` names keys it must be one of them, and the day (of the
/// sign-off, where one is known) not after its last.
///
/// # Errors
///
/// [`SealError`].
pub fn verify(
    bytes: &[u8],
    seal: &[u8],
    trust: &[Trusted],
    day: Option<Date>,
) -> Result<Sealed, SealError> {
    let altered = |it: &str| SealError::Altered(it.to_owned());
    let seal: Seal =
        serde_json::from_slice(seal).map_err(|_| altered("印章不能读 the seal cannot be read"))?;
    let algorithm = [Algorithm::Ed25519, Algorithm::Sm2];
    let algorithm = algorithm.into_iter().find(|it| it.word() == seal.algorithm);
    let algorithm = algorithm.ok_or_else(|| altered("未知算法 an unknown algorithm"))?;
    if seal.digest != merkle::hash(algorithm.hash(), &[bytes]).to_string() {
        return Err(altered("盖章后被改动 was changed after it was sealed"));
    }
    let signature = unhex(&seal.signature).ok_or_else(|| altered("签名不能读 no signature"))?;
    let is_of = match verifies(&seal.key, bytes, &signature) {
        Some((of, holds)) => of == algorithm && holds,
        None => false,
    };
    if !is_of {
        return Err(altered("签名不是此密钥所签 the signature is not of this key"));
    }
    let known = trust.iter().find(|it| it.key == seal.key);
    if !trust.is_empty() && known.is_none() {
        let detail = format!("不是所要求的密钥 not the key demanded: {}", seal.key);
        return Err(SealError::Untrusted(detail));
    }
    if let Some(through) = known.and_then(|it| it.through)
        && day.is_none_or(|day| day > through)
    {
        let day = day.map_or_else(|| "—".to_owned(), |it| it.to_string());
        let detail =
            format!("密钥 {through} 到期，签发于 the key sealed through {through}, not on {day}");
        return Err(SealError::Untrusted(detail));
    }
    Ok(Sealed { algorithm: seal.algorithm, key: seal.key, trusted: known.is_some() })
}

/// Of which algorithm a key is, and whether the signature of the bytes is its; none for what is no key.
fn verifies(key: &str, bytes: &[u8], signature: &[u8]) -> Option<(Algorithm, bool)> {
    let key = unhex(key)?;
    if let Ok(key) = <[u8; 32]>::try_from(key.as_slice()) {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&key).ok().filter(|it| !it.is_weak())?;
        let signature = ed25519_dalek::Signature::from_slice(signature).ok();
        let holds = signature.is_some_and(|it| key.verify_strict(bytes, &it).is_ok());
        return Some((Algorithm::Ed25519, holds));
    }
    // One spelling only: the point uncompressed.
    if key.len() != 65 {
        return None;
    }
    let key = sm2::dsa::VerifyingKey::from_sec1_bytes(SM2_ID, &key).ok()?;
    let signature = sm2::dsa::Signature::from_slice(signature).ok();
    Some((Algorithm::Sm2, signature.is_some_and(|it| key.verify(bytes, &it).is_ok())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// Lower-case only, so that a key has one spelling.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |it: &u8| match it {
        b'0'..=b'9' => Some(it - b'0'),
        b'a'..=b'f' => Some(it - b'a' + 10),
        _ => None,
    };
    let pair = |it: &[u8]| match it {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Date = Date::constant(2023, 2, 20);

    fn keys() -> Vec<SealKey> {
        [Algorithm::Ed25519, Algorithm::Sm2]
            .into_iter()
            .map(|it| SealKey::from_seed(it, &[7; 32]).unwrap())
            .collect()
    }

    #[test]
    fn the_signature_of_gb_t_32918_5_is_verified() {
        let seed =
            unhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8").unwrap();
        let key = SealKey::from_seed(Algorithm::Sm2, &seed.try_into().unwrap()).unwrap();
        let public = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                      ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
        assert_eq!(key.public(), public);
        let signature = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
                         b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";
        let holds = verifies(public, b"message digest", &unhex(signature).unwrap());
        assert_eq!(holds, Some((Algorithm::Sm2, true)));
        let other = verifies(public, b"message digesT", &unhex(signature).unwrap());
        assert_eq!(other, Some((Algorithm::Sm2, false)));
    }

    #[test]
    fn the_signature_of_rfc_8032_comes_out() {
        let seed =
            unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = SealKey::from_seed(Algorithm::Ed25519, &seed.try_into().unwrap()).unwrap();
        let seal: Seal = serde_json::from_str(&sign(&key, b"")).unwrap();
        assert_eq!(seal.key, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert!(
            seal.signature
                .starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")
        );
    }

    #[test]
    fn a_seal_holds_for_its_bytes_and_its_key_alone() {
        let all = keys();
        for key in &all {
            let seal = sign(key, b"bytes");
            assert_eq!(seal, sign(key, b"bytes"), "the same key signs alike");
            let ask = |trust: &[Trusted], day| verify(b"bytes", seal.as_bytes(), trust, day);
            assert!(!ask(&[], None).unwrap().trusted);
            let own: Trusted = key.public().parse().unwrap();
            assert!(ask(std::slice::from_ref(&own), None).unwrap().trusted);
            let others: Vec<_> = all
                .iter()
                .filter(|it| it.public() != key.public())
                .map(|it| it.public().parse().unwrap())
                .collect();
            assert!(matches!(ask(&others, None), Err(SealError::Untrusted(_))));
            let through = Trusted { through: Some(DAY), ..own };
            assert!(ask(std::slice::from_ref(&through), Some(DAY)).is_ok());
            let late = Some(DAY.tomorrow().unwrap());
            assert!(matches!(ask(&[through], late), Err(SealError::Untrusted(_))));
            let other = verify(b"bytez", seal.as_bytes(), &[], None);
            assert!(matches!(other, Err(SealError::Altered(_))));
        }
    }

    #[test]
    fn a_seal_with_any_digit_changed_is_refused() {
        for key in keys() {
            let seal = sign(&key, b"bytes");
            for (place, digit) in seal.char_indices().filter(|(_, it)| it.is_ascii_hexdigit()) {
                let mut other = seal.clone().into_bytes();
                other[place] = if digit == '1' { b'2' } else { b'1' };
                assert!(verify(b"bytes", &other, &[], None).is_err(), "{place}: {digit}");
            }
        }
    }

    #[test]
    fn trusted_keys_are_read_one_a_line() {
        let [one, two] = &keys()[..] else { panic!("two keys") };
        let text =
            format!("# office\n{}\n\n{} 2026-12-31 # until then\n", one.public(), two.public());
        let read = trusted(&text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].through, Some(Date::constant(2026, 12, 31)));
        assert_eq!(trusted("# office\nabc\n"), Err(2));
        assert_eq!(trusted(&format!("{}00\n", one.public())), Err(1));
    }
}
