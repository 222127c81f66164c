//! What a device signs: the hash of an event, and the keys that come after its own.
//!
//! Ed25519 (RFC 8032), strict verification: one signature, one answer, whoever checks it. Each signed text begins with
//! what it is for, so that no signature can be used for something else.
//!
//! ```
//! use zhoubao_contract::signature::SigningKey;
//! use zhoubao_domain::id::Digest;
//!
//! let key = SigningKey::from_seed(&[7; 32]);
//! let hash = Digest::new([1; 32]);
//! assert!(key.public().verifies(&hash, &key.sign(&hash)));
//! assert!(!key.public().verifies(&Digest::new([2; 32]), &key.sign(&hash)));
//! ```

use ed25519_dalek::{Signer as _, VerifyingKey};
use zhoubao_domain::event::{Endorsement, TerminalKey};
use zhoubao_domain::id::{Digest, PublicKey, Signature};

/// Before the hash of an event.
const EVENT: &[u8] = b"zhoubao event v1\0";

/// Before keys that are vouched for.
const KEY: &[u8] = b"zhoubao key v1\0";

/// Before a receipt.
const RECEIPT: &[u8] = b"zhoubao receipt v1\0";

/// The secret half of a device's key.
pub struct SigningKey(ed25519_dalek::SigningKey);

/// A public key that is ready to verify.
#[derive(Debug, Clone)]
pub struct Verifier(VerifyingKey);

impl SigningKey {
    /// The key that grows from 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::new(self.0.verifying_key().to_bytes())
    }

    /// The public half, to verify with.
    #[must_use]
    pub fn public(&self) -> Verifier {
        Verifier(self.0.verifying_key())
    }

    /// Signs the hash of an event.
    #[must_use]
    pub fn sign(&self, hash: &Digest) -> Signature {
        Signature::new(self.0.sign(&text(EVENT, &[hash.as_bytes()])).to_bytes())
    }

    pub(crate) fn sign_receipt(&self, receipt: &str) -> Signature {
        Signature::new(self.0.sign(&text(RECEIPT, &[receipt.as_bytes()])).to_bytes())
    }

    /// Vouches for the keys that come after this one.
    #[must_use]
    pub fn endorse(&self, signing: &PublicKey, nats: &str) -> Endorsement {
        let signature = self.0.sign(&text(KEY, &[signing.as_bytes(), nats.as_bytes()]));
        Endorsement { key: self.public_key(), signature: Signature::new(signature.to_bytes()) }
    }
}

impl Verifier {
    /// None for 32 bytes that are no point of the curve, or one of small order: whoever has such a key has none.
    #[must_use]
    pub fn new(key: &PublicKey) -> Option<Self> {
        let key = VerifyingKey::from_bytes(key.as_bytes()).ok()?;
        (!key.is_weak()).then_some(Self(key))
    }

    /// Whether the signature of an event's hash is this key's.
    #[must_use]
    pub fn verifies(&self, hash: &Digest, signature: &Signature) -> bool {
        self.verifies_text(&text(EVENT, &[hash.as_bytes()]), signature)
    }

    pub(crate) fn verifies_receipt(&self, receipt: &str, signature: &Signature) -> bool {
        self.verifies_text(&text(RECEIPT, &[receipt.as_bytes()]), signature)
    }

    fn verifies_text(&self, text: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        self.0.verify_strict(text, &signature).is_ok()
    }
}

/// Whether the earlier key has signed these keys.
pub(crate) fn vouches(endorsement: &Endorsement, key: &TerminalKey) -> bool {
    let signed = text(KEY, &[key.signing.as_bytes(), key.nats.as_bytes()]);
    Verifier::new(&endorsement.key)
        .is_some_and(|it| it.verifies_text(&signed, &endorsement.signature))
}

fn text(purpose: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut text = purpose.to_vec();
    for part in parts {
        text.extend_from_slice(part);
    }
    text
}
