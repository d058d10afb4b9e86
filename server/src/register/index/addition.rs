//! Commits that are to be added to the index.

use std::collections::HashMap;

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
    pub(super) postings: Vec<Posting>,
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
            postings: Vec::new(),
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
        let bodies: HashMap<Sha256, (u64, u32)> = record
            .bodies
            .iter()
            .zip(record.body_offsets())
            .map(|(body, start)| (body.hash, (start, body.length)))
            .collect();
        // A record has at most 192 MiB.
        let narrow = |offset: u64| u32::try_from(offset).unwrap_or(u32::MAX);
        let leaves = batch.entries().iter().zip(record.leaf_offsets());
        for ((entry, leaf), index) in leaves.zip(batch.from().size..) {
            let hash = entry.body();
            let brought = hash.and_then(|hash| bodies.get(&hash).map(|place| (hash, place)));
            let body = match (hash, brought) {
                (None, _) => BodyPlace::None,
                (Some(_), None) => BodyPlace::Elsewhere,
                (Some(_), Some((hash, (start, length)))) => {
                    self.post(Kind::Body, &hash, index);
                    BodyPlace::Here { start: narrow(*start), length: *length }
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
        self.postings.push(Posting { fingerprint, index });
    }
}
