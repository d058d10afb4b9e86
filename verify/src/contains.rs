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

#[cfg(test)]
mod tests {
    use attest::hash::HashAlgorithm;
    use attest::oms::{HashedFile, HashedStretch, Manifest, Method, Serialization, payload};
    use attest::{Kind, Sha256};

    use super::*;

    fn model(names: [&str; 2], hash: HashAlgorithm) -> Manifest {
        let file = |(place, name): (u8, &str)| HashedFile {
            name: name.into(),
            size: 1,
            stretches: vec![HashedStretch {
                range: (0, 1),
                digest: Sha256::of(&[place]).as_bytes().repeat(hash.length() / 32),
            }],
        };
        let files: Vec<HashedFile> = (0..).zip(names).map(file).collect();
        Manifest::new(&files, Serialization::new(Method::Files, hash)).unwrap()
    }

    /// The root of a model binds no names (THREATS, rule 13): what is inside of it is said by
    /// the manifest that was signed with it, and by no document that somebody carries.
    #[test]
    fn a_model_contains_what_was_signed_with_its_root_alone() {
        let manifest = model(["a", "b"], HashAlgorithm::Sha256);
        let signed = Statement::parse(&payload("model", &manifest).unwrap()).unwrap();
        let edge = |place: u8, name: &str| Contains {
            whole: ArtifactId::new(Kind::Oms, manifest.root()),
            part: ArtifactId::file(Sha256::of(&[place])),
            name: name.into(),
        };
        let mut want = vec![edge(0, "a"), edge(1, "b")];
        want.sort();
        assert_eq!(contained(&signed), want);

        let other = model(["a", "b"], HashAlgorithm::Blake2b);
        let other = Statement::parse(&payload("model", &other).unwrap()).unwrap();
        assert!(contained(&other).is_empty(), "of its files, no SHA-256 digest is known");

        let renamed = model(["a", "c"], HashAlgorithm::Sha256);
        assert_eq!(renamed.root(), manifest.root());
        let bytes = payload("model", &renamed).unwrap();
        let mut carrier = other;
        for media_type in ["application/vnd.in-toto+json", "application/json"] {
            let mut subject = ResourceDescriptor::of("model", &manifest.artifact());
            subject.media_type = Some(media_type.into());
            subject.content = Some(STANDARD.encode(&bytes));
            carrier.subject = vec![subject];
            assert!(contained(&carrier).is_empty(), "{media_type}");
        }
    }
}
