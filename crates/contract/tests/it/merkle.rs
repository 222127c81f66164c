//! The tree against its definition, the vectors of RFC 6962's reference implementation and of GB/T 32905.

use jiff::Timestamp;
use proptest::prelude::*;
use zhoubao_contract::archive::{leaf_line, read_leaf_line};
use zhoubao_contract::merkle::{
    Peaks, consistency, hash, includes, inclusion, is_consistent, leaf, root,
};
use zhoubao_contract::{Attributes, Message, Stored};
use zhoubao_domain::event::{Tree, TreeHash};
use zhoubao_domain::id::Digest;

const BY: [TreeHash; 2] = [TreeHash::Sha256, TreeHash::Sm3];

/// RFC 6962 §2.1, word by word.
fn defined(by: TreeHash, leaves: &[Digest]) -> Digest {
    match leaves {
        [] => hash(by, &[]),
        [one] => *one,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            let (left, right) = (defined(by, &leaves[..k]), defined(by, &leaves[k..]));
            hash(by, &[&[1], left.as_bytes(), right.as_bytes()])
        }
    }
}

fn leaves(by: TreeHash, count: usize) -> Vec<Digest> {
    (0..count).map(|it| leaf(by, it.to_string().as_bytes())).collect()
}

fn tree(by: TreeHash, leaves: &[Digest]) -> Tree {
    let mut peaks = Peaks::new(by);
    leaves.iter().for_each(|it| peaks.push(*it));
    peaks.tree()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn digests(texts: &[&str]) -> Vec<Digest> {
    texts.iter().map(|it| it.parse().unwrap()).collect()
}

#[test]
fn the_roots_and_proofs_of_the_reference_implementation() {
    let by = TreeHash::Sha256;
    let inputs = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let leaves: Vec<_> = inputs.iter().map(|it| leaf(by, &hex(it))).collect();
    let roots = digests(&[
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]);
    for (size, expected) in roots.iter().enumerate() {
        assert_eq!(root(by, &leaves[..size]), *expected, "{size}");
    }
    let first = digests(&[
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]);
    assert_eq!(inclusion(by, &leaves, 0), Some(first));
    let six = digests(&[
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]);
    assert_eq!(consistency(by, &leaves, 6), Some(six));
}

#[test]
fn sm3_is_that_of_gb_t_32905() {
    let digest = |text: &[u8]| hash(TreeHash::Sm3, &[text]).to_string();
    assert_eq!(digest(b"abc"), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
    let long = digest(&b"abcd".repeat(16));
    assert_eq!(long, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732");
}

#[test]
fn every_proof_of_every_small_tree_holds_and_for_nothing_else() {
    for by in BY {
        let all = leaves(by, 20);
        for size in 1..=all.len() {
            let (leaves, now) = (&all[..size], tree(by, &all[..size]));
            for (index, own) in leaves.iter().enumerate() {
                let proof = inclusion(by, leaves, index).unwrap();
                for (other, it) in leaves.iter().enumerate() {
                    let holds = includes(&now, other as u64, it, &proof);
                    assert_eq!(holds, other == index, "{index} {other} of {size}");
                    assert_eq!(includes(&now, other as u64, own, &proof), other == index);
                }
                assert!(!includes(&now, size as u64, own, &proof));
            }
            for old in 1..=size {
                let proof = consistency(by, leaves, old).unwrap();
                for other in 1..=size {
                    let then = tree(by, &leaves[..other]);
                    assert_eq!(is_consistent(&then, &now, &proof), other == old, "{other} {size}");
                }
            }
        }
        assert_eq!(inclusion(by, &all, all.len()), None);
        assert_eq!(consistency(by, &all, 0), None);
    }
}

fn message() -> impl Strategy<Value = Stored> {
    (1..u64::MAX, 0..4_102_444_800_i64, "\\PC{0,20}", proptest::collection::vec(any::<u8>(), 0..40))
        .prop_map(|(position, second, actor, body)| {
            let attributes = Attributes { actor: Some(actor), ..Attributes::default() };
            let subject = "hall.510000.terminal.w01".to_owned();
            let recorded_at = Timestamp::from_second(second).unwrap();
            Stored { position, recorded_at, message: Message { subject, attributes, body } }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn peaks_give_the_defined_root_and_go_on_from_anywhere(size in 0_usize..300, cut in 0_usize..300) {
        let by = TreeHash::Sha256;
        let all = leaves(by, size);
        prop_assert_eq!(root(by, &all), defined(by, &all));
        let cut = cut.min(size);
        let before = tree(by, &all[..cut]);
        let mut peaks = Peaks::from_parts(by, cut as u64, before.peaks).unwrap();
        all[cut..].iter().for_each(|it| peaks.push(*it));
        prop_assert_eq!(peaks.tree(), tree(by, &all));
    }

    #[test]
    fn a_proof_with_anything_changed_is_refused(
        size in 2_usize..200, index in any::<usize>(), place in any::<usize>(), bit in 0_usize..256,
    ) {
        let by = TreeHash::Sm3;
        let all = leaves(by, size);
        let (now, index) = (tree(by, &all), index % size);
        let proof = inclusion(by, &all, index).unwrap();
        prop_assert!(includes(&now, index as u64, &all[index], &proof));
        let flip = |it: &Digest| {
            let mut bytes = *it.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            Digest::new(bytes)
        };
        prop_assert!(!includes(&now, index as u64, &flip(&all[index]), &proof));
        let mut other = proof.clone();
        let place = place % other.len();
        other[place] = flip(&other[place]);
        prop_assert!(!includes(&now, index as u64, &all[index], &other));
        prop_assert!(!includes(&now, index as u64, &all[index], &proof[1..]));
        let longer = [proof.as_slice(), &[all[0]]].concat();
        prop_assert!(!includes(&now, index as u64, &all[index], &longer));
    }

    #[test]
    fn a_line_reads_back_as_it_was_written(stored in message()) {
        let line = leaf_line(&stored);
        prop_assert!(!line.contains('\n'));
        let read = read_leaf_line(line.as_bytes()).unwrap();
        prop_assert_eq!(read, stored);
        prop_assert_eq!(read_leaf_line(format!(" {line}").as_bytes()), None);
    }
}
