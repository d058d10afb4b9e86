//! How far a revocation reaches: the artifact that it names and, if it says so, all that was
//! made from it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use attest::{ArtifactId, Predicate};

use crate::lineage::{Attestation, Contains, Named, Revoked};
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
    let makes = attestations.iter().filter(|attestation| attestation.makes());
    let made = makes.map(|one| (one.materials.as_slice(), one.subjects.as_slice()));
    let mut descent = Descent::of(made, contains);
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
        for artifact in descent.from(&from) {
            if reached.insert(artifact) {
                // It may be named itself, by a revocation that stops there: this one goes on.
                let through = Some(from);
                revoked.insert(artifact, Revoked { by: by.clone(), through });
                open.push_back(artifact);
            }
        }
    }
    revoked
}

/// What was made from what, and what is in what.
struct Descent<'a> {
    /// The statements of how something was made, by their materials. Not the products by the
    /// materials: of a thousand files that a thousand were made from, that would be a million.
    makers: BTreeMap<ArtifactId, Vec<usize>>,
    /// What each of them made; nothing once it has been looked at.
    made: Vec<&'a [Named]>,
    beside: BTreeMap<ArtifactId, BTreeSet<ArtifactId>>,
}

impl<'a> Descent<'a> {
    /// Of materials with what was made from them, and what is in what.
    fn of(
        statements: impl Iterator<Item = (&'a [Named], &'a [Named])>,
        contains: &[Contains],
    ) -> Self {
        let (mut makers, mut made) = (BTreeMap::<_, Vec<usize>>::new(), Vec::new());
        for (place, (materials, products)) in statements.enumerate() {
            made.push(products);
            for material in materials {
                makers.entry(material.artifact).or_default().push(place);
            }
        }
        let mut beside: BTreeMap<ArtifactId, BTreeSet<ArtifactId>> = BTreeMap::new();
        for edge in contains {
            beside.entry(edge.part).or_default().insert(edge.whole);
            beside.entry(edge.whole).or_default().insert(edge.part);
        }
        Self { makers, made, beside }
    }

    /// What descends from `artifact` directly, without what has been answered for another artifact
    /// that went into the same.
    fn from(&mut self, artifact: &ArtifactId) -> BTreeSet<ArtifactId> {
        let mut next = self.beside.remove(artifact).unwrap_or_default();
        for place in self.makers.remove(artifact).unwrap_or_default() {
            let made = self.made.get_mut(place).map(std::mem::take).unwrap_or_default();
            next.extend(made.iter().map(|subject| subject.artifact));
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use attest::Sha256;

    use super::*;

    fn named(what: &str, count: usize) -> Vec<Named> {
        let artifact = |at| ArtifactId::file(Sha256::of(format!("{what} {at}").as_bytes()));
        (0..count)
            .map(|at| Named { artifact: artifact(at), name: String::new(), role: None })
            .collect()
    }

    #[test]
    fn what_many_were_made_from_many_is_looked_at_once() {
        let (materials, products) = (named("material", 1000), named("product", 1000));
        let statement = (materials.as_slice(), products.as_slice());
        let mut descent = Descent::of([statement, statement].into_iter(), &[]);
        let held: usize = descent.makers.values().map(Vec::len).sum();
        assert_eq!((held, descent.made.len()), (2000, 2), "and not each with each");
        assert_eq!(descent.from(&materials[0].artifact).len(), 1000);
        let again: usize = materials.iter().map(|one| descent.from(&one.artifact).len()).sum();
        assert_eq!(again, 0, "all that they made has been told");
        assert!(descent.from(&products[0].artifact).is_empty());
    }
}
