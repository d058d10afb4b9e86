//! The one identity of an artifact: its kind and its SHA-256 digest, or a git commit.
//!
//! Two artifacts are the same exactly when both parts are equal. A file and a directory tree
//! never meet, whatever their digests: only a checked manifest joins kinds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{DigestError, Sha256, from_hex, to_hex};

/// What the digest of an artifact was computed over.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// The bytes of one file.
    File,
    /// A directory: names, sizes, modes and digests, as [`crate::tree`] hashes them.
    Tree,
    /// The root of an OpenSSF Model Signing manifest.
    Oms,
    /// The bytes of an OCI image manifest.
    OciManifest,
    /// The bytes of an OCI image index.
    OciIndex,
}

impl Kind {
    /// Every kind, in the order of their names in texts.
    pub const ALL: [Self; 5] =
        [Self::File, Self::Tree, Self::Oms, Self::OciManifest, Self::OciIndex];

    /// The name in texts and in the `digestMethod` annotation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Tree => "tree",
            Self::Oms => "oms",
            Self::OciManifest => "oci-manifest",
            Self::OciIndex => "oci-index",
        }
    }
}

impl FromStr for Kind {
    type Err = ArtifactError;

    fn from_str(text: &str) -> Result<Self, ArtifactError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| ArtifactError::Kind(text.into()))
    }
}

/// A git commit: 40 (SHA-1) or 64 (SHA-256) lowercase hex digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Commit {
    length: u8,
    bytes: [u8; 32],
}

impl FromStr for Commit {
    type Err = ArtifactError;

    fn from_str(text: &str) -> Result<Self, ArtifactError> {
        let found = from_hex(text).ok_or(ArtifactError::Commit)?;
        let length = found.len();
        let mut bytes = [0; 32];
        match bytes.get_mut(..length) {
            Some(slot) if length == 20 || length == 32 => slot.copy_from_slice(&found),
            _ => return Err(ArtifactError::Commit),
        }
        Ok(Self { length: if length == 20 { 20 } else { 32 }, bytes })
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&to_hex(self.bytes.get(..usize::from(self.length)).unwrap_or_default()))
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// An artifact: anything with a digest.
///
/// Text form is the kind, a colon and the digest (`tree:sha256:…`, `git:…`). A bare `sha256:…`
/// parses as a file, because that is what a subject without a kind is.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ArtifactId {
    /// Content of a kind, by its SHA-256 digest.
    Content {
        /// What was hashed.
        kind: Kind,
        /// The digest.
        digest: Sha256,
    },
    /// A git commit.
    Git(Commit),
}

/// Why a text is not an artifact.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The kind is not one of those known.
    #[error("unknown artifact kind `{0}`; known are file, tree, oms, oci-manifest, oci-index, git")]
    Kind(String),
    /// The digest does not parse.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// Not 40 or 64 lowercase hex digits.
    #[error("a git commit has 40 or 64 lowercase hex digits")]
    Commit,
}

impl ArtifactId {
    /// The artifact of `kind` with `digest`.
    pub const fn new(kind: Kind, digest: Sha256) -> Self {
        Self::Content { kind, digest }
    }

    /// The file with `digest`.
    pub const fn file(digest: Sha256) -> Self {
        Self::new(Kind::File, digest)
    }

    /// The digest, unless this is a git commit.
    pub const fn digest(&self) -> Option<Sha256> {
        match self {
            Self::Content { digest, .. } => Some(*digest),
            Self::Git(_) => None,
        }
    }

    /// The kind, unless this is a git commit.
    pub const fn kind(&self) -> Option<Kind> {
        match self {
            Self::Content { kind, .. } => Some(*kind),
            Self::Git(_) => None,
        }
    }
}

impl FromStr for ArtifactId {
    type Err = ArtifactError;

    fn from_str(text: &str) -> Result<Self, ArtifactError> {
        if text.starts_with("sha256:") {
            return Ok(Self::file(text.parse()?));
        }
        match text.split_once(':') {
            Some(("git", commit)) => Ok(Self::Git(commit.parse()?)),
            Some((kind, digest)) => Ok(Self::new(kind.parse()?, digest.parse()?)),
            None => Err(DigestError::Algorithm.into()),
        }
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content { kind, digest } => write!(formatter, "{}:{digest}", kind.as_str()),
            Self::Git(commit) => write!(formatter, "git:{commit}"),
        }
    }
}

impl fmt::Debug for ArtifactId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for ArtifactId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ArtifactId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_text() {
        let hex = "ab".repeat(32);
        let sha1 = "cd".repeat(20);
        let cases = [
            (format!("file:sha256:{hex}"), Ok(format!("file:sha256:{hex}"))),
            (format!("sha256:{hex}"), Ok(format!("file:sha256:{hex}"))),
            (format!("oci-index:sha256:{hex}"), Ok(format!("oci-index:sha256:{hex}"))),
            (format!("git:{sha1}"), Ok(format!("git:{sha1}"))),
            (format!("git:{hex}"), Ok(format!("git:{hex}"))),
            (format!("git:{}", "cd".repeat(21)), Err(ArtifactError::Commit)),
            (format!("git:{}", "CD".repeat(20)), Err(ArtifactError::Commit)),
            (format!("folder:sha256:{hex}"), Err(ArtifactError::Kind("folder".into()))),
            (format!("tree:{hex}"), Err(ArtifactError::Digest(DigestError::Algorithm))),
            (hex.clone(), Err(ArtifactError::Digest(DigestError::Algorithm))),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<ArtifactId>().map(|id| id.to_string()), want, "{text}");
        }
    }

    #[test]
    fn kinds_never_meet() {
        let digest = Sha256::of(b"same bytes");
        for kind in Kind::ALL {
            for other in Kind::ALL {
                let equal = ArtifactId::new(kind, digest) == ArtifactId::new(other, digest);
                assert_eq!(equal, kind == other, "{kind:?} {other:?}");
            }
        }
    }
}
