//! A register in memory: what it holds is gone with the process.
//!
//! For tests, and wherever a register must answer without a disk. It keeps the same promises as
//! the others but the first, and passes the same suite.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use attest::{Sha256, Timestamp};
use verify::merkle::Node;

use super::batch::Batch;
use super::select::select;
use super::storage::{
    Blob, CommitError, Head, Key, Order, Page, Query, Storage, StorageError, Stored,
};
use super::tree::Tree;

/// A register in memory.
#[derive(Debug, Default)]
pub struct Memory {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    head: Option<Head>,
    entries: Vec<Stored>,
    bodies: HashMap<Sha256, Blob>,
    nodes: HashMap<Node, Sha256>,
    indices: HashMap<Sha256, u64>,
    postings: HashMap<Sha256, BTreeSet<u64>>,
    /// Commit time and first index of each commit.
    times: BTreeSet<(Timestamp, u64)>,
}

impl Memory {
    /// A register without entries.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn first_at(&self, time: Timestamp) -> Option<u64> {
        self.times.range((time, 0)..).next().map(|(_, first)| *first)
    }
}

impl Storage for Memory {
    async fn head(&self) -> Result<Option<Head>, StorageError> {
        Ok(self.state().head)
    }

    async fn read(&self, key: &Key) -> Result<Option<Blob>, StorageError> {
        let state = self.state();
        Ok(match key {
            Key::Entry(index) => {
                let entry = usize::try_from(*index).ok().and_then(|index| state.entries.get(index));
                entry.map(|stored| Blob::Bytes(stored.encode()))
            }
            Key::Body(hash) | Key::BodyOf { hash, .. } => state.bodies.get(hash).cloned(),
            Key::Node(node) => {
                state.nodes.get(node).map(|hash| Blob::Bytes(hash.as_bytes().to_vec()))
            }
            Key::Hashes { level, start, count } => {
                let height = level.checked_mul(8).unwrap_or(u8::MAX);
                let nodes = *start..start.saturating_add(u64::from(*count));
                let hashes = nodes.map(|index| state.nodes.get(&Node { level: height, index }));
                let hashes: Option<Vec<&Sha256>> = hashes.collect();
                let bytes = |hash: &Sha256| *hash.as_bytes();
                hashes
                    .filter(|hashes| hashes.len() == usize::from(*count))
                    .map(|hashes| Blob::Bytes(hashes.into_iter().flat_map(bytes).collect()))
            }
            Key::IndexOf(leaf_hash) => {
                state.indices.get(leaf_hash).map(|index| Blob::Bytes(index.to_be_bytes().to_vec()))
            }
        })
    }

    async fn find(&self, query: &Query) -> Result<Page, StorageError> {
        let state = self.state();
        let complete_to = state.head.map_or_else(Tree::empty, |head| head.tree());
        let bound = |time| state.first_at(time).unwrap_or(complete_to.size);
        let low = query.from.map_or(0, bound);
        let high = query.until.map_or(complete_to.size, bound);
        let (indices, next) = select(query, low, high, |term, from| {
            let Some(list) = state.postings.get(&term.digest()) else { return Ok(None) };
            Ok(match query.order {
                Order::OldestFirst => list.range(from..).next().copied(),
                Order::NewestFirst => list.range(..=from).next_back().copied(),
            })
        })?;
        Ok(Page { indices, next, complete_to })
    }

    async fn commit(&self, from: Option<&Head>, batch: Batch) -> Result<(), CommitError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let tree = state.head.map_or_else(Tree::empty, |head| head.tree());
        if from != state.head.as_ref() || batch.from() != tree {
            return Err(CommitError::Conflict {
                expected: from.map_or(0, |head| head.size),
                found: state.head,
            });
        }
        let time = batch.head().time;
        if let Some(Head { time: last, .. }) = state.head.filter(|head| head.time > time) {
            return Err(CommitError::Earlier { time, last });
        }
        for (entry, index) in batch.entries().iter().zip(tree.size..) {
            let stored = Stored { time, body: entry.body(), leaf: entry.leaf().to_vec() };
            state.entries.push(stored);
            state.indices.insert(entry.leaf_hash(), index);
            for term in entry.terms() {
                state.postings.entry(*term).or_default().insert(index);
            }
        }
        for (hash, body) in batch.bodies() {
            let blob = || Blob::Bytes(body.bytes().to_vec());
            state.bodies.entry(*hash).or_insert_with(blob);
        }
        state.nodes.extend(batch.nodes().iter().copied());
        state.times.insert((time, tree.size));
        state.head = Some(batch.head());
        Ok(())
    }
}
