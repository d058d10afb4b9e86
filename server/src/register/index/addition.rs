//! Commits that are to be added to the index.

use attest::Sha256;
use verify::merkle::Node;

use super::super::batch::Batch;
use super::super::published::Tip;
use super::super::record::{JournalId, Record};
use super::block::Posting;
use super::fingerprint::{Fingerprints, Kind};
use super::places::{BodyPlace, Place};

/// Commits that are to be added to the index in one step.
pub(in crate::register) struct Addition {
    pub(super) fingerprints: Fingerprints,
    pub(super) first: u64,
    pub(super) places: Vec<Place>,
    /// By their leaves and bodies.
    pub(super) names: Vec<Posting>,
    /// By what they say.
    pub(super) terms: Vec<Posting>,
    pub(super) nodes: Vec<(Node, Sha256)>,
    pub(super) tip: Tip,
}

impl Addition {
    /// Nothing yet, after `tip`.
    pub(in crate::register) fn after(journal: JournalId, tip: Tip) -> Self {
        Self {
            fingerprints: Fingerprints::new(journal),
            first: tip.tree.size,
            places: Vec::new(),
            names: Vec::new(),
            terms: Vec::new(),
            nodes: Vec::new(),
            tip,
        }
    }

    /// How many entries.
    pub(in crate::register) const fn len(&self) -> usize {
        self.places.len()
    }

    /// Adds the next commit: what `batch` says of it, and where `record`, the one at `tip`, put it.
    pub(in crate::register) fn push(&mut self, batch: &Batch, record: &Record<'_>, tip: Tip) {
        let mut bodies: Vec<(Sha256, u64, u32)> = record
            .bodies
            .iter()
            .zip(record.body_offsets())
            .map(|(body, start)| (body.hash, start, body.length))
            .collect();
        bodies.sort_unstable_by_key(|(hash, ..)| *hash);
        let brought = |hash: Sha256| {
            let at = bodies.binary_search_by_key(&hash, |(hash, ..)| *hash).ok()?;
            bodies.get(at).copied()
        };
        // A record has at most 192 MiB.
        let narrow = |offset: u64| u32::try_from(offset).unwrap_or(u32::MAX);
        let entries = batch.entries();
        self.places.reserve(entries.len());
        self.names.reserve(2 * entries.len());
        self.terms.reserve(entries.iter().map(|entry| entry.terms().len()).sum());
        let leaves = entries.iter().zip(record.leaf_offsets());
        for ((entry, leaf), index) in leaves.zip(batch.from().size..) {
            let hash = entry.body();
            let body = match (hash, hash.and_then(brought)) {
                (None, _) => BodyPlace::None,
                (Some(_), None) => BodyPlace::Elsewhere,
                (Some(_), Some((hash, start, length))) => {
                    self.post(Kind::Body, &hash, index);
                    BodyPlace::Here { start: narrow(start), length }
                }
            };
            let length = u16::try_from(entry.leaf().len()).unwrap_or(u16::MAX);
            let (record, time) = (tip.position, record.time);
            self.places.push(Place { record, time, leaf: narrow(leaf), length, body });
            self.post(Kind::Leaf, &entry.leaf_hash(), index);
            for term in entry.terms() {
                self.post(Kind::Term, term, index);
            }
        }
        self.nodes.extend_from_slice(batch.nodes());
        self.tip = tip;
    }

    pub(super) fn post(&mut self, kind: Kind, digest: &Sha256, index: u64) {
        let fingerprint = self.fingerprints.of(kind, digest);
        let postings = match kind {
            Kind::Leaf | Kind::Body => &mut self.names,
            Kind::Term => &mut self.terms,
        };
        postings.push(Posting { fingerprint, index });
    }

    /// All that its entries can be found by.
    pub(super) fn postings(&self) -> impl Iterator<Item = &Posting> {
        self.names.iter().chain(&self.terms)
    }
}
