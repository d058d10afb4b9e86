//! The in-toto ResourceDescriptor, and the one identity that it gives an artifact.
//!
//! Source: in-toto Attestation Framework, `spec/v1/resource_descriptor.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::{ArtifactId, Commit, Kind};
use crate::digest::Sha256;
use crate::json::null_as_empty;

/// The annotation that holds the kind of an artifact; absent means a file.
pub const DIGEST_METHOD: &str = "digestMethod";
/// The annotation that says what a dependency was to the step.
pub const ROLE: &str = "role";

/// Something that a statement speaks of.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    /// Its name where the statement was made; for a product, a relative path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Digests by algorithm, in lowercase hex.
    #[serde(
        default,
        deserialize_with = "null_as_empty",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub digest: BTreeMap<String, String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Where it can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_location: Option<String>,
    /// Its bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Anything else; see [`DIGEST_METHOD`] and [`ROLE`].
    #[serde(
        default,
        deserialize_with = "null_as_empty",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, Value>,
}

/// Why a descriptor does not identify an artifact.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Neither `sha256` nor `gitCommit` is among the digests; no other algorithm identifies.
    #[error("`{name}` has neither a sha256 nor a gitCommit digest, and no other identifies it")]
    NoDigest {
        /// What the descriptor calls itself.
        name: String,
    },
    /// A digest is not lowercase hex of the right length.
    #[error("`{name}` has a malformed {algorithm} digest")]
    Malformed {
        /// What the descriptor calls itself.
        name: String,
        /// The algorithm of the digest.
        algorithm: &'static str,
    },
    /// The `digestMethod` annotation names no known kind.
    #[error("`{name}` has the unknown digest method `{method}`")]
    Method {
        /// What the descriptor calls itself.
        name: String,
        /// What stands in the annotation.
        method: String,
    },
    /// Both a `sha256` and a `gitCommit` digest: two identities for one thing.
    #[error("`{name}` has both a sha256 and a gitCommit digest")]
    TwoIdentities {
        /// What the descriptor calls itself.
        name: String,
    },
}

impl ResourceDescriptor {
    /// Describes `artifact` under `name`.
    pub fn of(name: impl Into<String>, artifact: &ArtifactId) -> Self {
        let mut descriptor = Self { name: Some(name.into()), ..Self::default() };
        match artifact {
            ArtifactId::Git(commit) => {
                descriptor.digest.insert("gitCommit".into(), commit.to_string());
            }
            ArtifactId::Content { kind, digest } => {
                descriptor.digest.insert("sha256".into(), digest.hex());
                if *kind != Kind::File {
                    descriptor.annotations.insert(DIGEST_METHOD.into(), kind.as_str().into());
                }
            }
        }
        descriptor
    }

    /// The same with `role` as its role.
    #[must_use]
    pub fn with_role(mut self, role: &str) -> Self {
        self.annotations.insert(ROLE.into(), role.into());
        self
    }

    /// What it was to the step, if it says.
    pub fn role(&self) -> Option<&str> {
        self.annotations.get(ROLE)?.as_str()
    }

    /// What to call it in a message: its name, else its URI.
    pub fn label(&self) -> &str {
        self.name.as_deref().or(self.uri.as_deref()).unwrap_or("(unnamed)")
    }

    /// The artifact that it identifies.
    ///
    /// Only `sha256`, with the kind that `digestMethod` signs, and `gitCommit` identify. Other
    /// algorithms never join two artifacts.
    ///
    /// # Errors
    /// [`IdentityError`] when there is no such digest, both, a malformed one or an unknown kind.
    pub fn artifact(&self) -> Result<ArtifactId, IdentityError> {
        let name = || self.label().to_owned();
        let sha256 = self.digest.get("sha256");
        let commit = self.digest.get("gitCommit");
        match (sha256, commit) {
            (Some(_), Some(_)) => Err(IdentityError::TwoIdentities { name: name() }),
            (None, None) => Err(IdentityError::NoDigest { name: name() }),
            (None, Some(commit)) => match commit.parse::<Commit>() {
                Ok(commit) => Ok(ArtifactId::Git(commit)),
                Err(_) => Err(IdentityError::Malformed { name: name(), algorithm: "gitCommit" }),
            },
            (Some(hex), None) => {
                let digest = Sha256::from_hex(hex)
                    .map_err(|_| IdentityError::Malformed { name: name(), algorithm: "sha256" })?;
                Ok(ArtifactId::new(self.kind()?, digest))
            }
        }
    }

    /// Whether it has digests, and none by which Assay knows an artifact.
    pub fn has_only_other_digests(&self) -> bool {
        let identifies = |algorithm: &str| self.digest.contains_key(algorithm);
        !self.digest.is_empty() && !identifies("sha256") && !identifies("gitCommit")
    }

    fn kind(&self) -> Result<Kind, IdentityError> {
        let unknown = |method: String| IdentityError::Method { name: self.label().into(), method };
        match self.annotations.get(DIGEST_METHOD) {
            None => Ok(Kind::File),
            Some(Value::String(method)) => method.parse().map_err(|_| unknown(method.clone())),
            Some(other) => Err(unknown(other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(json: &str) -> ResourceDescriptor {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn identity() {
        let a = "a".repeat(64);
        let b = "b".repeat(128);
        let git = "c".repeat(40);
        let cases = [
            (format!(r#"{{"digest":{{"sha256":"{a}"}}}}"#), Ok(format!("file:sha256:{a}"))),
            (
                format!(r#"{{"digest":{{"sha256":"{a}","sha512":"{b}"}}}}"#),
                Ok(format!("file:sha256:{a}")),
            ),
            (
                format!(
                    r#"{{"digest":{{"sha256":"{a}"}},"annotations":{{"digestMethod":"tree"}}}}"#
                ),
                Ok(format!("tree:sha256:{a}")),
            ),
            (format!(r#"{{"digest":{{"gitCommit":"{git}"}}}}"#), Ok(format!("git:{git}"))),
            (r#"{"name":"x"}"#.into(), Err("no digest")),
            (format!(r#"{{"digest":{{"sha512":"{b}"}}}}"#), Err("sha512 alone")),
            (format!(r#"{{"digest":{{"md5":"{}"}}}}"#, "d".repeat(32)), Err("md5")),
            (format!(r#"{{"digest":{{"sha1":"{git}"}}}}"#), Err("sha1")),
            (format!(r#"{{"digest":{{"sha256":"{}"}}}}"#, "A".repeat(64)), Err("uppercase")),
            (format!(r#"{{"digest":{{"sha256":"{a}","gitCommit":"{git}"}}}}"#), Err("two")),
            (
                format!(
                    r#"{{"digest":{{"sha256":"{a}"}},"annotations":{{"digestMethod":"zip"}}}}"#
                ),
                Err("unknown kind"),
            ),
            (
                format!(r#"{{"digest":{{"sha256":"{a}"}},"annotations":{{"digestMethod":1}}}}"#),
                Err("kind is no text"),
            ),
        ];
        for (json, want) in cases {
            let found = descriptor(&json).artifact().map(|id| id.to_string());
            match want {
                Ok(text) => assert_eq!(found, Ok(text), "{json}"),
                Err(why) => assert!(found.is_err(), "{why}: {json}"),
            }
        }
    }

    #[test]
    fn written_descriptors_read_back() {
        for kind in Kind::ALL {
            let artifact = ArtifactId::new(kind, Sha256::of(b"x"));
            let descriptor = ResourceDescriptor::of("x", &artifact).with_role("model");
            assert_eq!(descriptor.artifact(), Ok(artifact));
            assert_eq!(descriptor.role(), Some("model"));
        }
    }
}
