//! How far a revocation reaches: the artifact that it names and, if it says so, all that was
//! made from it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use attest::{ArtifactId, Predicate};

use crate::lineage::{Attestation, Contains, Revoked};
use crate::negatives::{Negatives, Revocation};

/// `negatives` with these registered revocations, one after the other as they stand in the log: what
/// a key says after it was revoked is void.
pub(super) fn in_hand(mut negatives: Negatives, mut revocations: Vec<Attestation>) -> Negatives {
    revocations.sort_by_key(|one| (one.index, one.body()));
    for one in &revocations {
        let Predicate::Revocation(said) = &one.statement().predicate else { continue };
        let Some(index) = one.index else { continue };
        let mut valid = one.signers.iter().filter(|signer| negatives.of_key(&signer.key).is_none());
        if let Some(by) = valid.next().cloned() {
            let subjects: Vec<_> = one.subjects.iter().map(|subject| subject.artifact).collect();
            negatives.take(index, one.body(), by, said, &subjects);
        }
    }
    negatives
}

/// The revoked ones of `known`, each with the shortest way from the artifact that is named, or that
/// was `taken_along` with a key, a builder or a statement that made it.
///
/// Descendants follow steps from materials to products, and `contains` both ways: a bad part
/// makes a bad whole, and a bad whole is bad because of a part that nobody has named.
pub(super) fn spread(
    negatives: &Negatives,
    known: &BTreeSet<ArtifactId>,
    attestations: &[Attestation],
    contains: &[Contains],
    taken_along: Vec<(ArtifactId, Revocation)>,
) -> BTreeMap<ArtifactId, Revoked> {
    let mut revoked: BTreeMap<ArtifactId, Revoked> = BTreeMap::new();
    if negatives.revocations().is_empty() {
        return revoked;
    }
    let named = || {
        let all = attestations.iter().flat_map(|one| one.subjects.iter().chain(&one.materials));
        let all = all.map(|named| named.artifact).chain(known.iter().copied());
        all.chain(contains.iter().flat_map(|edge| [edge.whole, edge.part])).collect::<BTreeSet<_>>()
    };
    let next = derived(attestations, contains);
    let mut open = VecDeque::new();
    for (artifact, by) in taken_along {
        revoked.entry(artifact).or_insert(Revoked { by, through: None });
        open.push_back(artifact);
    }
    for artifact in named() {
        for revocation in negatives.of_artifact(&artifact) {
            let direct = Revoked { by: revocation.clone(), through: None };
            let known = revoked.entry(artifact).or_insert_with(|| direct.clone());
            // One that takes the descendants along says more than one that does not.
            if revocation.descendants && !known.by.descendants {
                *known = direct;
            }
        }
        if revoked.get(&artifact).is_some_and(|revoked| revoked.by.descendants) {
            open.push_back(artifact);
        }
    }
    let mut reached: BTreeSet<ArtifactId> = open.iter().copied().collect();
    // Each artifact is opened once: the first way that reaches it is a shortest one.
    while let Some(from) = open.pop_front() {
        let Some(by) = revoked.get(&from).map(|revoked| revoked.by.clone()) else { continue };
        for artifact in next.get(&from).into_iter().flatten() {
            if reached.insert(*artifact) {
                // It may be named itself, by a revocation that stops there: this one goes on.
                let through = Some(from);
                revoked.insert(*artifact, Revoked { by: by.clone(), through });
                open.push_back(*artifact);
            }
        }
    }
    revoked
}

fn derived(
    attestations: &[Attestation],
    contains: &[Contains],
) -> BTreeMap<ArtifactId, BTreeSet<ArtifactId>> {
    let mut next: BTreeMap<ArtifactId, BTreeSet<ArtifactId>> = BTreeMap::new();
    for attestation in attestations.iter().filter(|attestation| attestation.makes()) {
        for material in &attestation.materials {
            let made = attestation.subjects.iter().map(|subject| subject.artifact);
            next.entry(material.artifact).or_default().extend(made);
        }
    }
    for edge in contains {
        next.entry(edge.part).or_default().insert(edge.whole);
        next.entry(edge.whole).or_default().insert(edge.part);
    }
    next
}
