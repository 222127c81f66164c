//! Which of a device's keys are taken.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use jiff::civil::date;
use zhoubao_domain::event::{Endorsement, Setup, TerminalKey};
use zhoubao_domain::id::{PublicKey, Signature};
use zhoubao_domain::registry::{Keys, Registry};

fn key(byte: u8, vouched_for_by: Option<u8>) -> TerminalKey {
    TerminalKey {
        signing: PublicKey::new([byte; 32]),
        nats: "U".to_owned(),
        valid_through: date(2024, 12, 31),
        endorsement: vouched_for_by.map(|it| Endorsement {
            key: PublicKey::new([it; 32]),
            signature: Signature::new([0; 64]),
        }),
        revoked: false,
    }
}

fn after(entries: &[TerminalKey]) -> Keys {
    let mut registry = Registry::default();
    for it in entries {
        registry.evolve(&"w01".parse().unwrap(), &Setup::Key(it.clone()));
    }
    registry.keys.remove(&"w01".parse().unwrap()).unwrap()
}

fn bytes(keys: &[PublicKey]) -> Vec<u8> {
    keys.iter().map(|it| it.as_bytes()[0]).collect()
}

#[test]
fn a_key_that_the_earlier_one_vouches_for_stands_beside_it() {
    let keys = after(&[key(1, None), key(2, Some(1)), key(3, Some(2))]);
    assert_eq!(bytes(&keys.valid), [1, 2, 3]);
    assert_eq!(bytes(&keys.revoked), []);
}

#[test]
fn a_key_that_nobody_vouches_for_takes_the_place_of_all_before_it() {
    let keys = after(&[key(1, None), key(2, Some(1)), key(3, None)]);
    assert_eq!((bytes(&keys.valid), bytes(&keys.revoked)), (vec![3], vec![1, 2]));
}

#[test]
fn a_key_that_is_not_taken_any_more_vouches_for_nobody() {
    let keys = after(&[key(1, None), key(2, None), key(3, Some(1))]);
    assert_eq!((bytes(&keys.valid), bytes(&keys.revoked)), (vec![3], vec![1, 2]));
}

#[test]
fn revoking_takes_all_keys_out_and_entering_one_again_brings_it_back() {
    let revoked = TerminalKey { revoked: true, ..key(2, None) };
    let keys = after(&[key(1, None), key(2, Some(1)), revoked.clone()]);
    assert_eq!((bytes(&keys.valid), bytes(&keys.revoked)), (vec![], vec![1, 2]));
    let keys = after(&[key(1, None), key(2, Some(1)), revoked, key(2, None)]);
    assert_eq!((bytes(&keys.valid), bytes(&keys.revoked)), (vec![2], vec![1]));
}

#[test]
fn the_same_key_with_a_later_last_day_changes_nothing_else() {
    let longer = TerminalKey { valid_through: date(2025, 12, 31), ..key(2, None) };
    let keys = after(&[key(1, None), key(2, Some(1)), longer]);
    assert_eq!(bytes(&keys.valid), [1, 2]);
    assert_eq!(keys.latest.valid_through, date(2025, 12, 31));
}
