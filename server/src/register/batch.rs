//! One commit, worked out: what the tree becomes, what each entry can be found by.
//!
//! A batch is a pure function of the tree before it, the time, the leaves and the bodies. Whoever
//! commits and whoever rebuilds an index from the journal make it here, so that both have the
//! same nodes, the same root and the same terms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use attest::{Envelope, Leaf, Sha256, Statement, Timestamp};
use verify::merkle::{Frontier, Node, leaf_hash};

use super::facts::{Take, Term, each_term, each_term_of};
use super::record::{MAX_BODIES_BYTES, MAX_BODY_BYTES, MAX_LEAF_BYTES, MAX_LEAVES};
use super::storage::Head;
use super::tree::Tree;

/// How many terms of an entry there is room for before it grows.
const TYPICAL_TERMS: usize = 24;

/// A body and its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Body {
    hash: Sha256,
    bytes: Vec<u8>,
}

impl Body {
    /// The body with these bytes: a pre-authentication encoding.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { hash: Sha256::of(&bytes), bytes }
    }

    /// SHA-256 of the bytes.
    pub const fn hash(&self) -> Sha256 {
        self.hash
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What an entry's signature covers, as far as the register knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Covered {
    /// This body.
    Body(Arc<Body>),
    /// A body that was erased.
    Erased(Sha256),
    /// The register was never given it.
    Unknown,
}

/// An entry to be, with everything about it that does not depend on where it comes to stand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewEntry {
    leaf: Vec<u8>,
    leaf_hash: Sha256,
    covered: Covered,
    terms: Vec<Sha256>,
}

impl NewEntry {
    /// The entry with this leaf, whose signature covers `covered`.
    pub fn new(leaf: Vec<u8>, covered: Covered) -> Self {
        let found = match &covered {
            Covered::Body(body) => Some(body.bytes()),
            Covered::Erased(_) | Covered::Unknown => None,
        };
        let terms = digests(|take| each_term(&leaf, found, take));
        Self { leaf_hash: leaf_hash(&leaf), leaf, covered, terms }
    }

    /// The entry of a leaf whose signature covers `body`, the encoding of `envelope`. `statement`
    /// is the envelope's payload, unless that is something else.
    pub fn of(
        leaf: &Leaf,
        body: &Arc<Body>,
        envelope: &Envelope,
        statement: Option<&Statement>,
    ) -> Self {
        Self {
            leaf: leaf.bytes().to_vec(),
            leaf_hash: leaf.hash(),
            covered: Covered::Body(Arc::clone(body)),
            terms: digests(|take| each_term_of(leaf, envelope, statement, take)),
        }
    }

    /// The same entry, found by something else than it says.
    #[cfg(test)]
    pub(super) fn with_terms(self, terms: Vec<Sha256>) -> Self {
        Self { terms, ..self }
    }

    /// Hash of the leaf (RFC 6962, section 2.1).
    pub const fn leaf_hash(&self) -> Sha256 {
        self.leaf_hash
    }

    /// The bytes of the leaf.
    pub fn leaf(&self) -> &[u8] {
        &self.leaf
    }

    /// What the leaf's signature covers.
    pub const fn covered(&self) -> &Covered {
        &self.covered
    }

    /// Hash of the body that the leaf's signature covers.
    pub fn body(&self) -> Option<Sha256> {
        match &self.covered {
            Covered::Body(body) => Some(body.hash),
            Covered::Erased(hash) => Some(*hash),
            Covered::Unknown => None,
        }
    }

    /// Digests of what it can be found by ([`Term::digest`]); sorted, each once.
    pub fn terms(&self) -> &[Sha256] {
        &self.terms
    }

    /// Whether it can be found by a term.
    pub fn has(&self, term: &Term) -> bool {
        self.terms.binary_search(&term.digest()).is_ok()
    }

    /// How long it is in the journal, in bytes, its body included.
    pub fn length(&self) -> usize {
        let body = match &self.covered {
            Covered::Body(body) => body.bytes.len(),
            Covered::Erased(_) | Covered::Unknown => 0,
        };
        self.leaf.len().saturating_add(body)
    }
}

fn digests(each_term: impl FnOnce(Take<'_>)) -> Vec<Sha256> {
    let mut digests = Vec::with_capacity(TYPICAL_TERMS);
    each_term(&mut |term| digests.push(term.digest()));
    digests.sort_unstable();
    digests.dedup();
    digests
}

/// A commit.
#[derive(Clone, Debug)]
pub struct Batch {
    from: Tree,
    head: Head,
    entries: Vec<Arc<NewEntry>>,
    bodies: BTreeMap<Sha256, Arc<Body>>,
    nodes: Vec<(Node, Sha256)>,
    frontier: Frontier,
}

/// Why there is no such batch.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// No entries at all.
    #[error("a commit needs at least one entry")]
    Empty,
    /// More entries than one commit can have.
    #[error("{0} entries in one commit, at most {MAX_LEAVES} are allowed: submit fewer at a time")]
    TooMany(usize),
    /// A leaf is too long.
    #[error("a leaf has {0} bytes, at most {MAX_LEAF_BYTES} are allowed")]
    Leaf(usize),
    /// A body is too long.
    #[error(
        "a statement has {0} bytes with its header, at most {MAX_BODY_BYTES} are allowed: keep large content outside and refer to it by digest"
    )]
    Body(usize),
    /// The bodies together are too long.
    #[error(
        "{0} bytes of statements in one commit, at most {MAX_BODIES_BYTES} are allowed: submit fewer at a time"
    )]
    Bodies(u64),
}

impl Batch {
    /// The batch that adds `entries` to the tree of `frontier` at `time`.
    ///
    /// # Errors
    /// When a limit of the journal's format is exceeded.
    pub fn new(
        frontier: &Frontier,
        time: Timestamp,
        entries: Vec<Arc<NewEntry>>,
    ) -> Result<Self, BatchError> {
        if entries.is_empty() {
            return Err(BatchError::Empty);
        }
        if entries.len() > MAX_LEAVES {
            return Err(BatchError::TooMany(entries.len()));
        }
        let from = Tree { size: frontier.size(), root: frontier.root() };
        let mut frontier = frontier.clone();
        let mut nodes = Vec::with_capacity(entries.len() * 2);
        let mut bodies = BTreeMap::new();
        for entry in &entries {
            if entry.leaf.len() > MAX_LEAF_BYTES {
                return Err(BatchError::Leaf(entry.leaf.len()));
            }
            frontier.append_with(entry.leaf_hash, |node, hash| nodes.push((node, hash)));
            if let Covered::Body(body) = &entry.covered {
                if body.bytes.len() > MAX_BODY_BYTES {
                    return Err(BatchError::Body(body.bytes.len()));
                }
                bodies.insert(body.hash, Arc::clone(body));
            }
        }
        let total = bodies.values().map(|body| body.bytes.len() as u64).sum();
        if total > MAX_BODIES_BYTES {
            return Err(BatchError::Bodies(total));
        }
        let head =
            Head { size: frontier.size(), root: frontier.root(), time: whole_microseconds(time) };
        Ok(Self { from, head, entries, bodies, nodes, frontier })
    }

    /// The tree before.
    pub const fn from(&self) -> Tree {
        self.from
    }

    /// The head after.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The entries, in order; the first has the index [`Tree::size`] of [`Batch::from`].
    pub fn entries(&self) -> &[Arc<NewEntry>] {
        &self.entries
    }

    /// The bodies that the entries' signatures cover, each once; some may be stored already.
    pub const fn bodies(&self) -> &BTreeMap<Sha256, Arc<Body>> {
        &self.bodies
    }

    /// Hashes of the bodies that the entries' signatures cover and that were erased before, each
    /// once.
    pub(super) fn erased(&self) -> BTreeSet<Sha256> {
        let erased = self.entries.iter().filter_map(|entry| match &entry.covered {
            Covered::Erased(hash) => Some(*hash),
            Covered::Body(_) | Covered::Unknown => None,
        });
        erased.filter(|hash| !self.bodies.contains_key(hash)).collect()
    }

    /// Every complete subtree that the entries make complete, leaves included.
    pub fn nodes(&self) -> &[(Node, Sha256)] {
        &self.nodes
    }

    /// The right edge of the tree after.
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }
}

/// `time` without what the journal does not keep.
pub(super) fn whole_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}
