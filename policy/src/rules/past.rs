//! What went into an artifact: everything that believed provenance and proven manifests lead to.

use std::collections::{BTreeMap, BTreeSet};

use attest::ArtifactId;
use verify::History;

/// How deep artifacts may be nested in each other: image index, manifest, layer, tree, file.
const MAX_NESTING: usize = 8;

/// The artifact, what is in it and what it is in, and the same of everything that it was made
/// from.
///
/// Evaluations, bills of materials and the like make nothing: what they name is not in the past
/// of the artifact for it.
#[derive(Debug)]
pub(crate) struct Past<'a> {
    lineage: &'a History,
    wholes: BTreeMap<ArtifactId, Vec<ArtifactId>>,
    itself: BTreeSet<ArtifactId>,
    all: BTreeSet<ArtifactId>,
}

impl<'a> Past<'a> {
    /// Visits each artifact of the lineage at most once.
    pub(crate) fn of(lineage: &'a History, artifact: ArtifactId) -> Self {
        let mut wholes: BTreeMap<ArtifactId, Vec<ArtifactId>> = BTreeMap::new();
        for edge in lineage.contains() {
            wholes.entry(edge.part).or_default().push(edge.whole);
        }
        let mut past = Self { lineage, wholes, itself: BTreeSet::new(), all: BTreeSet::new() };
        past.itself = past.related(artifact);
        let mut open: Vec<ArtifactId> = past.itself.iter().copied().collect();
        past.all = past.itself.clone();
        let mut expanded = BTreeSet::from([artifact]);
        while let Some(next) = open.pop() {
            for made in lineage.about(&next).filter(|attestation| attestation.makes()) {
                for material in &made.materials {
                    if !expanded.insert(material.artifact) {
                        continue;
                    }
                    if !past.has_parts() {
                        if past.all.insert(material.artifact) {
                            open.push(material.artifact);
                        }
                        continue;
                    }
                    for related in past.related(material.artifact) {
                        if past.all.insert(related) {
                            open.push(related);
                        }
                    }
                }
            }
        }
        past
    }

    /// Everything in it.
    pub(crate) const fn all(&self) -> &BTreeSet<ArtifactId> {
        &self.all
    }

    /// Whether anything is proven to be in anything. Where not, whatever asks for what is in an
    /// artifact, or what it is in, gets the artifact alone.
    pub(crate) fn has_parts(&self) -> bool {
        !self.wholes.is_empty()
    }

    /// Whether `artifact` is the one that is judged, in it, or what it is in.
    pub(crate) fn is_itself(&self, artifact: &ArtifactId) -> bool {
        self.itself.contains(artifact)
    }

    /// The artifact that is judged, what is in it and what it is in.
    pub(crate) const fn itself(&self) -> &BTreeSet<ArtifactId> {
        &self.itself
    }

    /// `artifact` with everything that is proven to be in it.
    pub(crate) fn with_parts(&self, artifact: ArtifactId) -> BTreeSet<ArtifactId> {
        self.closure(artifact, |next, found| {
            found.extend(self.lineage.parts_of(next).iter().map(|edge| edge.part));
        })
    }

    /// What `artifact` consists of directly.
    pub(crate) fn parts(
        &self,
        artifact: &ArtifactId,
    ) -> impl Iterator<Item = ArtifactId> + use<'a> {
        self.lineage.parts_of(artifact).iter().map(|edge| edge.part)
    }

    /// Everything that `artifact` is proven to be in, with itself.
    pub(crate) fn with_wholes(&self, artifact: ArtifactId) -> BTreeSet<ArtifactId> {
        self.closure(artifact, |next, found| {
            found.extend(self.wholes.get(next).into_iter().flatten());
        })
    }

    /// Down and up, and not down from what is above: two images with a layer in common are not
    /// each other's past.
    pub(crate) fn related(&self, artifact: ArtifactId) -> BTreeSet<ArtifactId> {
        if self.wholes.is_empty() {
            return BTreeSet::from([artifact]);
        }
        let mut related = self.with_parts(artifact);
        related.append(&mut self.with_wholes(artifact));
        related
    }

    fn closure(
        &self,
        artifact: ArtifactId,
        next: impl Fn(&ArtifactId, &mut Vec<ArtifactId>),
    ) -> BTreeSet<ArtifactId> {
        let mut closed = BTreeSet::from([artifact]);
        if self.wholes.is_empty() {
            return closed;
        }
        let mut layer = vec![artifact];
        for _ in 0..MAX_NESTING {
            let mut found = Vec::new();
            for artifact in &layer {
                next(artifact, &mut found);
            }
            found.retain(|artifact| closed.insert(*artifact));
            if found.is_empty() {
                break;
            }
            layer = found;
        }
        closed
    }
}
