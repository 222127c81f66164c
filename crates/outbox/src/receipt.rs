//! Whether what the hall says of the line is to be believed.

use zhoubao_domain::code::Code;
use zhoubao_domain::id::{Digest, PublicKey};

/// What a receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The line is counted up to this number.
    pub number: u64,
    /// The hash of the event there.
    pub hash: Digest,
    /// Whose signature it bears.
    pub key: PublicKey,
}

/// Checks a receipt against the key that was trusted before, if any, and the ledger's own hash under its number.
///
/// # Errors
///
/// Why it is not believed: [`Code::ReceiptKey`], [`Code::Fork`] where the hall has counted another content,
/// [`Code::LedgerBehind`] where it has counted more than the ledger has.
pub fn check(
    counted: &Counted,
    trusted: Option<PublicKey>,
    own: Option<Digest>,
) -> Result<(), Code> {
    if trusted.is_some_and(|it| it != counted.key) {
        return Err(Code::ReceiptKey);
    }
    match own {
        _ if counted.number == 0 => Ok(()),
        Some(own) if own == counted.hash => Ok(()),
        Some(_) => Err(Code::Fork),
        None => Err(Code::LedgerBehind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_trusted_key_and_the_own_content_are_believed() {
        let (key, other) = (PublicKey::new([1; 32]), PublicKey::new([2; 32]));
        let (hash, changed) = (Digest::new([3; 32]), Digest::new([4; 32]));
        let counted = Counted { number: 7, hash, key };
        assert_eq!(check(&counted, None, Some(hash)), Ok(()), "the first key seen is trusted");
        assert_eq!(check(&counted, Some(key), Some(hash)), Ok(()));
        assert_eq!(check(&counted, Some(other), Some(hash)), Err(Code::ReceiptKey));
        assert_eq!(check(&counted, Some(key), Some(changed)), Err(Code::Fork));
        assert_eq!(check(&counted, Some(key), None), Err(Code::LedgerBehind));
        let nothing = Counted { number: 0, hash: changed, key };
        assert_eq!(check(&nothing, Some(key), None), Ok(()), "nothing is counted yet");
    }
}
