//! Statements that contradict each other about digests.
//!
//! Only SHA-256 identifies. Digests by other algorithms confirm: when two statements give the
//! same bytes different digests by one algorithm, or different bytes the same digest by a strong
//! one, somebody is wrong, nobody here can tell who, and neither statement counts.

use std::collections::BTreeMap;

use attest::{ArtifactId, Sha256};

use super::standing::other_digests;
use crate::lineage::{Attestation, Rejection};

/// Algorithms by which different bytes never have the same digest (names of the in-toto digest
/// set). Of an algorithm that is not known, nobody can tell.
const STRONG: [&str; 7] =
    ["sha384", "sha512", "sha512_256", "sha3_256", "sha3_384", "sha3_512", "blake2b"];

/// The statements that contradict another one, by body, each with the first that it contradicts.
pub(super) fn conflicts(attestations: &[Attestation]) -> BTreeMap<Sha256, Rejection> {
    let mut of_identity: BTreeMap<(Sha256, &str), BTreeMap<&str, Sha256>> = BTreeMap::new();
    let mut of_digest: BTreeMap<(&str, &str), BTreeMap<Sha256, Sha256>> = BTreeMap::new();
    let mut said: Vec<(Sha256, Sha256, &str, &str)> = Vec::new();
    for attestation in attestations {
        let body = attestation.body();
        for (identity, algorithm, digest) in other_digests(attestation.statement()) {
            of_identity.entry((identity, algorithm)).or_default().entry(digest).or_insert(body);
            if STRONG.contains(&algorithm) {
                of_digest.entry((algorithm, digest)).or_default().entry(identity).or_insert(body);
            }
            said.push((body, identity, algorithm, digest));
        }
    }
    let mut found = BTreeMap::new();
    for (body, identity, algorithm, digest) in said {
        let digests = of_identity.get(&(identity, algorithm));
        let other_digest = digests.into_iter().flatten().find(|(other, _)| **other != digest);
        let identities = of_digest.get(&(algorithm, digest));
        let other_bytes = identities.into_iter().flatten().find(|(other, _)| **other != identity);
        let with = other_digest.map(|(_, with)| *with).or(other_bytes.map(|(_, with)| *with));
        if let Some(with) = with {
            found.entry(body).or_insert_with(|| Rejection::Conflict {
                artifact: ArtifactId::file(identity),
                algorithm: algorithm.to_owned(),
                with,
            });
        }
    }
    found
}
