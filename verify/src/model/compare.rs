//! What is there against what was signed (section 8.4).

use std::collections::BTreeMap;

use attest::oms::{HashedFile, Model, Refused, Scan, Skipped, Stretch};

use crate::verified::Verified;

/// How a model that is there differs from the one that was signed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// Signed files that are there with other bytes.
    pub changed: Vec<String>,
    /// Signed files that are not there.
    pub missing: Vec<String>,
    /// Files that are there, are not signed, and are in no ignored path (section 8.5).
    pub unsigned: Vec<String>,
    /// What no model may hold: links that are not followed, devices and the like.
    pub refused: Vec<Refused>,
    /// What is not signed because it is left out. It may be anything.
    pub skipped: Vec<Skipped>,
    /// How many files are as they were signed.
    pub intact: usize,
}

impl Comparison {
    /// Whether every signed file is there as it was signed, and nothing else is.
    pub const fn is_whole(&self) -> bool {
        self.has_signed() && self.unsigned.is_empty() && self.refused.is_empty()
    }

    /// Whether every signed file is there as it was signed, whatever else is.
    pub const fn has_signed(&self) -> bool {
        self.changed.is_empty() && self.missing.is_empty()
    }
}

/// Holds what is there against what is believed to have been signed.
///
/// `hashed` are the digests of those files of `scan` that the manifest lists.
pub fn compare(signed: &Verified<Model>, scan: &Scan, hashed: &[HashedFile]) -> Comparison {
    let manifest = &signed.content().manifest;
    let mut there: BTreeMap<&str, &HashedFile> =
        hashed.iter().map(|file| (file.name.as_str(), file)).collect();
    let mut found = Comparison {
        refused: scan.refused().to_vec(),
        skipped: scan.skipped().to_vec(),
        ..Comparison::default()
    };
    let mut listed = std::collections::BTreeSet::new();
    for file in manifest.files() {
        listed.insert(file.path);
        match there.remove(file.path) {
            None => found.missing.push(file.path.into()),
            Some(hashed) if is_same(hashed, &file.stretches) => found.intact += 1,
            Some(_) => found.changed.push(file.path.into()),
        }
    }
    let serialization = manifest.serialization();
    let others = scan.files().iter().filter(|file| {
        // Of an empty file shards have nothing to sign; it stands among what is left out.
        !listed.contains(file.name.as_str()) && serialization.pieces(file.size()) > 0
    });
    found.unsigned = others.map(|file| file.name.clone()).collect();
    found
}

fn is_same(hashed: &HashedFile, signed: &[Stretch<'_>]) -> bool {
    hashed.stretches.len() == signed.len()
        && hashed.stretches.iter().zip(signed).all(|(hashed, signed)| {
            signed.range.is_none_or(|range| range == hashed.range) && hashed.digest == signed.digest
        })
}
