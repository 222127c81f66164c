//! A Merkle tree over a journal, in the form of RFC 6962 §2.1: leaf n is the message at position n.
//!
//! ```text
//!   root(1…5)            leaf n = H( 0x00 ‖ line )        line: crate::archive::leaf_line of the message
//!    ├── a(1…4)          node   = H( 0x01 ‖ left ‖ right ), left: the largest power of two below the size
//!    │    ├── 1 2
//!    │    └── 3 4        peaks of size 5: [a(1…4), 5] — the whole subtrees from left to right. Whoever has them
//!    └── 5               goes on without the leaves, and the root is made of them from right to left.
//! ```
//!
//! The root of nothing is H of nothing. H is SHA-256, or SM3 where the hall says so ([`TreeHash`]).

use sha2::Sha256;
use sm3::Sm3;
use zhoubao_domain::event::{Tree, TreeHash};
use zhoubao_domain::id::Digest;

/// The plain hash of some bytes.
#[must_use]
pub fn hash(by: TreeHash, parts: &[&[u8]]) -> Digest {
    fn of<D: sha2::Digest<OutputSize = sha2::digest::consts::U32>>(parts: &[&[u8]]) -> Digest {
        let mut hasher = D::new();
        for part in parts {
            hasher.update(part);
        }
        Digest::new(hasher.finalize().into())
    }
    match by {
        TreeHash::Sha256 => of::<Sha256>(parts),
        TreeHash::Sm3 => of::<Sm3>(parts),
    }
}

/// The hash of a leaf.
#[must_use]
pub fn leaf(by: TreeHash, line: &[u8]) -> Digest {
    hash(by, &[&[0], line])
}

fn node(by: TreeHash, left: &Digest, right: &Digest) -> Digest {
    hash(by, &[&[1], left.as_bytes(), right.as_bytes()])
}

/// A tree that grows at its right end, without its leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peaks {
    by: TreeHash,
    size: u64,
    peaks: Vec<Digest>,
}

impl Peaks {
    /// The empty tree.
    #[must_use]
    pub fn new(by: TreeHash) -> Self {
        Self { by, size: 0, peaks: vec![] }
    }

    /// A tree of which the peaks are known; none where there are not as many as the size has.
    #[must_use]
    pub fn from_parts(by: TreeHash, size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { by, size, peaks })
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The whole subtrees from left to right.
    #[must_use]
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// Adds the hash of the next leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut right = leaf;
        // Each whole pair of subtrees of one size becomes one: as many as the size ends in ones.
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            right = node(self.by, &left, &right);
        }
        self.peaks.push(right);
        self.size += 1;
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return hash(self.by, &[]) };
        peaks.fold(*last, |right, left| node(self.by, left, &right))
    }

    /// What a freeze names.
    #[must_use]
    pub fn tree(&self) -> Tree {
        Tree { hash: self.by, size: self.size, root: self.root(), peaks: self.peaks.clone() }
    }
}

/// The root over leaves.
#[must_use]
pub fn root(by: TreeHash, leaves: &[Digest]) -> Digest {
    let mut peaks = Peaks::new(by);
    leaves.iter().for_each(|it| peaks.push(*it));
    peaks.root()
}

/// The largest power of two below a size of at least 2.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// The proof that the leaf at `index` (from 0) is in the tree over `leaves`: the hashes beside its way up, from the
/// leaf on. None beyond the end.
#[must_use]
pub fn inclusion(by: TreeHash, leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    leaves.get(index)?;
    let (mut rest, mut index, mut proof) = (leaves, index, vec![]);
    while rest.len() > 1 {
        let (left, right) = rest.split_at(split(rest.len() as u64) as usize);
        if index < left.len() {
            proof.push(root(by, right));
            rest = left;
        } else {
            index -= left.len();
            proof.push(root(by, left));
            rest = right;
        }
    }
    proof.reverse();
    Some(proof)
}

/// Whether a leaf is at `index` (from 0) of the tree of this size and root.
#[must_use]
pub fn includes(tree: &Tree, index: u64, leaf: &Digest, proof: &[Digest]) -> bool {
    if index >= tree.size {
        return false;
    }
    let (mut place, mut last, mut at) = (index, tree.size - 1, *leaf);
    for beside in proof {
        if last == 0 {
            return false;
        }
        if place % 2 == 1 || place == last {
            at = node(tree.hash, beside, &at);
            while place % 2 == 0 && place != 0 {
                place /= 2;
                last /= 2;
            }
        } else {
            at = node(tree.hash, &at, beside);
        }
        place /= 2;
        last /= 2;
    }
    last == 0 && at == tree.root
}

/// The proof that the tree over the first `old` leaves is the beginning of the tree over all of them. None for an
/// `old` of 0 or beyond the end.
#[must_use]
pub fn consistency(by: TreeHash, leaves: &[Digest], old: usize) -> Option<Vec<Digest>> {
    if old == 0 || old > leaves.len() {
        return None;
    }
    let (mut rest, mut old, mut whole, mut proof) = (leaves, old, true, vec![]);
    while old < rest.len() {
        let (left, right) = rest.split_at(split(rest.len() as u64) as usize);
        if old <= left.len() {
            proof.push(root(by, right));
            rest = left;
        } else {
            old -= left.len();
            proof.push(root(by, left));
            (rest, whole) = (right, false);
        }
    }
    if !whole {
        proof.push(root(by, rest));
    }
    proof.reverse();
    Some(proof)
}

/// Whether the `old` tree is the beginning of the `new` one.
#[must_use]
pub fn is_consistent(old: &Tree, new: &Tree, proof: &[Digest]) -> bool {
    if old.hash != new.hash || old.size == 0 || old.size > new.size {
        return false;
    }
    if old.size == new.size {
        return proof.is_empty() && old.root == new.root;
    }
    let mut proof = proof.iter();
    let (mut place, mut last) = (old.size - 1, new.size - 1);
    while place % 2 == 1 {
        place /= 2;
        last /= 2;
    }
    // A whole subtree is its own first hash.
    let first = if place == 0 { Some(&old.root) } else { proof.next() };
    let Some(first) = first else { return false };
    let (mut then, mut now) = (*first, *first);
    for beside in proof {
        if last == 0 {
            return false;
        }
        if place % 2 == 1 || place == last {
            then = node(new.hash, beside, &then);
            now = node(new.hash, beside, &now);
            while place % 2 == 0 && place != 0 {
                place /= 2;
                last /= 2;
            }
        } else {
            now = node(new.hash, &now, beside);
        }
        place /= 2;
        last /= 2;
    }
    last == 0 && then == old.root && now == new.root
}
