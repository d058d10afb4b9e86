//! Manifests: documents that prove which artifacts another artifact contains.
//!
//! An artifact of one kind says nothing about those of another until a manifest with exactly its
//! digest is shown. This module reads such a manifest, of whatever kind, and nothing else joins
//! kinds.

use crate::artifact::{ArtifactId, Kind};
use crate::oci::{self, Document, OciError};
use crate::tree::{self, Manifest, TreeError};

/// Why bytes prove nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not a tree manifest.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Not an OCI document.
    #[error(transparent)]
    Oci(#[from] OciError),
}

/// What a manifest proves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contents {
    /// The artifact whose manifest it is.
    pub artifact: ArtifactId,
    /// What that contains.
    pub contains: Vec<Contained>,
}

/// An artifact inside another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contained {
    /// The artifact.
    pub artifact: ArtifactId,
    /// Its path in a tree; in an image, what it is there: `config`, `layer` or `manifest`.
    pub name: String,
}

/// Whether bytes of this media type are a manifest: a cheap look before they are decoded.
pub fn is_manifest(media_type: &str) -> bool {
    media_type == tree::MEDIA_TYPE || oci::document_kind(media_type).is_some()
}

/// Reads a manifest of the given media type: a tree's, or an OCI image's or index's.
///
/// The artifact is computed from `bytes`, never taken from what they say. `None` when the media
/// type is not that of a manifest.
///
/// # Errors
/// [`ManifestError`] when the bytes are not what the media type says.
pub fn contents(media_type: &str, bytes: &[u8]) -> Result<Option<Contents>, ManifestError> {
    if media_type == tree::MEDIA_TYPE {
        let manifest = Manifest::parse(bytes)?;
        let contains = manifest.entries().iter().map(|entry| Contained {
            artifact: ArtifactId::file(entry.digest),
            name: entry.path.clone(),
        });
        return Ok(Some(Contents { artifact: manifest.artifact(), contains: contains.collect() }));
    }
    if !is_manifest(media_type) {
        return Ok(None);
    }
    let document = Document::parse(media_type, bytes)?;
    let contains = document
        .children()
        .iter()
        .enumerate()
        .map(|(place, child)| {
            let artifact = child.artifact();
            let name = match artifact.kind() {
                Some(Kind::OciManifest | Kind::OciIndex) => "manifest",
                // The first child of an image manifest is its configuration.
                _ if place == 0 => "config",
                _ => "layer",
            };
            Contained { artifact, name: name.into() }
        })
        .collect();
    Ok(Some(Contents { artifact: document.artifact(), contains }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;

    #[test]
    fn media_types_decide_and_digests_are_computed() {
        let file = Sha256::of(b"x");
        let tree_bytes = format!("{}\n{} - 1 a/x\n", tree::MEDIA_TYPE, file.hex());
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{file}","size":1}}]}}"#,
            oci::MANIFEST
        );
        let found = contents(tree::MEDIA_TYPE, tree_bytes.as_bytes()).unwrap().unwrap();
        assert_eq!(found.artifact, ArtifactId::new(Kind::Tree, Sha256::of(tree_bytes.as_bytes())));
        let inside = Contained { artifact: ArtifactId::file(file), name: "a/x".into() };
        assert_eq!(found.contains, [inside]);

        let found = contents(oci::INDEX, index.as_bytes()).unwrap().unwrap();
        assert_eq!(found.artifact, ArtifactId::new(Kind::OciIndex, Sha256::of(index.as_bytes())));
        let manifest = ArtifactId::new(Kind::OciManifest, file);
        assert_eq!(found.contains, [Contained { artifact: manifest, name: "manifest".into() }]);

        assert!(contents(oci::INDEX, tree_bytes.as_bytes()).is_err());
        assert!(contents(tree::MEDIA_TYPE, index.as_bytes()).is_err());
        assert_eq!(contents("application/json", index.as_bytes()).unwrap(), None);
    }
}
