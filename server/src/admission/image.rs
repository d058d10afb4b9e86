//! Names of container images, as pods and `oci://` locations write them.
//!
//! The grammar is that of the distribution project (`[registry/]repository[:tag][@digest]`),
//! with Docker's defaults for what is left out. Parsing resolves nothing: a tag stays a tag, and
//! only a digest says which bytes will run.

use std::fmt;
use std::str::FromStr;

use attest::{DigestError, Sha256};

/// The longest reference that is read, in bytes.
pub const MAX_REFERENCE: usize = 1024;

/// The longest `registry/repository`, as the distribution project limits it, in bytes.
const MAX_NAME: usize = 255;

/// The longest tag, in bytes.
const MAX_TAG: usize = 128;

const DEFAULT_REGISTRY: &str = "docker.io";

/// A parsed image reference.
///
/// Text form is always complete: registry, repository, then the tag and the digest where given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Sha256>,
}

/// Why a text is not an image reference.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// Longer than [`MAX_REFERENCE`].
    #[error("an image reference has at most {MAX_REFERENCE} bytes")]
    Length,
    /// The registry's name does not parse.
    #[error("`{0}` is not the name of a registry")]
    Registry(String),
    /// The repository's name does not parse.
    #[error("`{0}` is not the name of a repository")]
    Repository(String),
    /// The tag does not parse.
    #[error("`{0}` is not a tag")]
    Tag(String),
    /// The digest does not parse, or is not of SHA-256.
    #[error("`{digest}` is not a usable digest: {source}")]
    Digest {
        /// What stands after the `@`.
        digest: String,
        /// What is wrong with it.
        source: DigestError,
    },
}

impl Reference {
    /// The registry that serves the image.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, which names different bytes at different times.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest or index that will run.
    pub const fn digest(&self) -> Option<Sha256> {
        self.digest
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.len() > MAX_REFERENCE {
            return Err(ReferenceError::Length);
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(parse_digest(digest)?)),
            None => (text, None),
        };
        // A colon after the last slash starts a tag; one before it belongs to the registry's port.
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(parse_tag(tag)?)),
            _ => (name, None),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if names_registry(first) => (first.to_owned(), rest.to_owned()),
            Some(_) => (DEFAULT_REGISTRY.to_owned(), name.to_owned()),
            None => (DEFAULT_REGISTRY.to_owned(), format!("library/{name}")),
        };
        if !is_registry(&registry) {
            return Err(ReferenceError::Registry(registry));
        }
        let fits = registry.len() + 1 + repository.len() <= MAX_NAME;
        if !fits || !repository.split('/').all(is_component) {
            return Err(ReferenceError::Repository(repository));
        }
        Ok(Self { registry, repository, tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

fn parse_digest(text: &str) -> Result<Sha256, ReferenceError> {
    text.parse().map_err(|source| ReferenceError::Digest { digest: text.to_owned(), source })
}

fn parse_tag(text: &str) -> Result<String, ReferenceError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = text.bytes().next().is_some_and(word);
    let rest = text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-');
    if !first || !rest || text.len() > MAX_TAG {
        return Err(ReferenceError::Tag(text.to_owned()));
    }
    Ok(text.to_owned())
}

/// Whether the first component of a name is a registry and not the start of a repository.
fn names_registry(component: &str) -> bool {
    component == "localhost" || component.contains(['.', ':'])
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let port_fits = port.is_none_or(|port| {
        !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    port_fits && host.split('.').all(label)
}

/// Lowercase letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_component(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(|byte| inside(*byte)))
        && text
            .split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit())
            .all(|joint| {
                matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|byte| byte == b'-')
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_completed() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        let cases = [
            ("nginx", "docker.io/library/nginx".to_owned()),
            ("acme/serve:1.2", "docker.io/acme/serve:1.2".to_owned()),
            ("registry.example/serve:1.2", "registry.example/serve:1.2".to_owned()),
            ("localhost/serve", "localhost/serve".to_owned()),
            ("registry.example:5000/a/b__c/d--e", "registry.example:5000/a/b__c/d--e".to_owned()),
            (&format!("serve@{digest}"), format!("docker.io/library/serve@{digest}")),
            (
                &format!("reg.example:5000/serve:1@{digest}"),
                format!("reg.example:5000/serve:1@{digest}"),
            ),
        ];
        for (text, want) in cases {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), want, "{text}");
            assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference, "{text}");
        }
    }

    #[test]
    fn parts() {
        let digest = Sha256::of(b"manifest");
        let reference: Reference = format!("reg.example:5000/a/b:v1@{digest}").parse().unwrap();
        assert_eq!(reference.registry(), "reg.example:5000");
        assert_eq!(reference.repository(), "a/b");
        assert_eq!(reference.tag(), Some("v1"));
        assert_eq!(reference.digest(), Some(digest));
    }

    #[test]
    fn what_is_not_a_reference() {
        let hex = "0f".repeat(32);
        let cases = [
            String::new(),
            "/serve".into(),
            "serve/".into(),
            "a//b".into(),
            "Serve".into(),
            "serve:".into(),
            "serve:a b".into(),
            "a/-b".into(),
            "a/b___c".into(),
            "a/b._c".into(),
            "http://registry.example/serve".into(),
            "registry.example:port/serve".into(),
            "-bad.example/serve".into(),
            "serve@".into(),
            format!("serve@sha512:{hex}{hex}"),
            format!("serve@sha256:{}", hex.to_uppercase()),
            format!("serve@sha256:{hex}@sha256:{hex}"),
            format!("serve:{}", "a".repeat(MAX_TAG + 1)),
            "a".repeat(MAX_NAME + 1),
            "a".repeat(MAX_REFERENCE + 1),
        ];
        for text in cases {
            let shown: String = text.chars().take(60).collect();
            assert!(text.parse::<Reference>().is_err(), "{shown}");
        }
    }
}
