//! What is inside what, proven by manifests.
//!
//! A manifest proves its edges by itself: the digest of its bytes is the whole, and the bytes
//! name the parts. So it does not matter who carried it, only that it is parsed strictly. Names
//! of artifacts prove nothing here.

use attest::manifest::{self, Contained};
use attest::{ArtifactId, Predicate, ResourceDescriptor, Statement};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::lineage::Contains;

/// How many manifests of one statement are read.
pub(crate) const MAX_MANIFESTS: usize = 256;

/// The edges proven by the manifests that a statement carries, sorted, each once.
///
/// At most [`MAX_MANIFESTS`] are read; the limits of each are those of its parser. What is not a
/// manifest, or a malformed one, proves nothing.
pub(crate) fn contained(statement: &Statement) -> Vec<Contains> {
    let mut edges: Vec<Contains> =
        carriers(statement).filter_map(manifest).take(MAX_MANIFESTS).flatten().collect();
    // The root of a model hashes digests alone, so that many manifests have it: the one that
    // counts is the one that was signed with it, and no other document joins its parts to it.
    if let Predicate::ModelSignature(manifest) = &statement.predicate {
        let whole = manifest.artifact();
        let files = manifest.whole_files().into_iter();
        edges.extend(files.map(|(name, digest)| Contains {
            whole,
            part: ArtifactId::file(digest),
            name: name.into(),
        }));
    }
    edges.sort();
    edges.dedup();
    edges
}

/// Every descriptor of the statement that could carry a manifest.
fn carriers(statement: &Statement) -> impl Iterator<Item = &ResourceDescriptor> {
    let more: &[ResourceDescriptor] = match &statement.predicate {
        Predicate::Provenance(provenance) => &provenance.run_details.byproducts,
        Predicate::Evaluation(evaluation) => {
            evaluation.run.as_ref().map_or(&[][..], |run| &run.products)
        }
        _ => &[],
    };
    let descriptors = statement.subject.iter().chain(more).chain(statement.materials());
    descriptors.filter(|descriptor| descriptor.content.is_some())
}

fn manifest(descriptor: &ResourceDescriptor) -> Option<Vec<Contains>> {
    let media_type = descriptor.media_type.as_deref()?;
    if !manifest::is_manifest(media_type) {
        return None;
    }
    let bytes = STANDARD.decode(descriptor.content.as_deref()?).ok()?;
    let contents = manifest::contents(media_type, &bytes).ok()??;
    let whole = contents.artifact;
    let edge = |part: Contained| Contains { whole, part: part.artifact, name: part.name };
    Some(contents.contains.into_iter().map(edge).collect())
}
