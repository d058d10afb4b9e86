//! What a user points at: a path, an artifact, or a digest whose kind is not said.

use std::path::PathBuf;
use std::str::FromStr;

use attest::{ArtifactError, ArtifactId, Kind, Sha256};

use crate::error::Error;
use crate::render::Printer;

/// How texts begin that are artifacts and not paths. A path that begins so is written `./file:…`.
const PREFIXES: [&str; 7] =
    ["sha256:", "file:", "tree:", "oms:", "oci-manifest:", "oci-index:", "git:"];

/// How digests begin that identify nothing here (THREATS, rule 12). A path that begins so is
/// written `./md5:…`.
const OTHER_DIGESTS: [&str; 8] =
    ["sha512:", "sha384:", "sha224:", "sha1:", "md5:", "blake2b:", "blake2s:", "blake3:"];

/// Why a text is no artifact.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TargetError {
    /// It begins as an artifact does, and is none.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A digest by which no artifact is known.
    #[error(
        "only a sha256 digest identifies an artifact, not `{0}…`; a file of that name is `./{0}…`"
    )]
    Algorithm(&'static str),
}

/// What was typed where an artifact is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// A file, a directory or an OCI image layout.
    Path(PathBuf),
    /// An artifact with its kind.
    Artifact(ArtifactId),
    /// A bare digest: any kind that the register knows it as.
    Digest(Sha256),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.starts_with("sha256:") {
            return Ok(Self::Digest(text.parse().map_err(ArtifactError::from)?));
        }
        if let Some(other) = OTHER_DIGESTS.into_iter().find(|other| text.starts_with(other)) {
            return Err(TargetError::Algorithm(other));
        }
        if PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            return Ok(Self::Artifact(text.parse()?));
        }
        Ok(Self::Path(text.into()))
    }
}

impl Target {
    /// The artifact meant. `known` tells which of some artifacts are known where evidence is
    /// looked for; a bare digest that nobody knows is a file's.
    pub fn resolve(
        &self,
        printer: Printer,
        known: impl FnOnce(&[ArtifactId]) -> Result<Vec<ArtifactId>, Error>,
    ) -> Result<ArtifactId, Error> {
        match self {
            Self::Artifact(artifact) => Ok(*artifact),
            Self::Path(path) => crate::progress::artifact_of(path, printer),
            Self::Digest(digest) => {
                let candidates = Kind::ALL.map(|kind| ArtifactId::new(kind, *digest));
                match known(&candidates)?.as_slice() {
                    [] => Ok(ArtifactId::file(*digest)),
                    [only] => Ok(*only),
                    several => Err(Error::Ambiguous {
                        digest: digest.to_string(),
                        choices: several.to_vec(),
                    }),
                }
            }
        }
    }

    /// The name under which to speak of it, if it has one: a path as it was typed.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Path(path) => Some(path.display().to_string()),
            Self::Artifact(_) | Self::Digest(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Color;

    #[test]
    fn texts() {
        let hex = "0f".repeat(32);
        let digest: Sha256 = format!("sha256:{hex}").parse().unwrap();
        let cases = [
            ("a path", "model.bin".to_owned(), Some(Target::Path("model.bin".into()))),
            ("a bare digest", format!("sha256:{hex}"), Some(Target::Digest(digest))),
            (
                "with its kind",
                format!("tree:sha256:{hex}"),
                Some(Target::Artifact(ArtifactId::new(Kind::Tree, digest))),
            ),
            ("a short digest", "sha256:0f".to_owned(), None),
            ("another algorithm", format!("sha512:{hex}{hex}"), None),
            (
                "a path that begins like one",
                "./sha512:0f".to_owned(),
                Some(Target::Path("./sha512:0f".into())),
            ),
            ("a path", "sha512".to_owned(), Some(Target::Path("sha512".into()))),
            (
                "a path that says so",
                "./sha256:0f".to_owned(),
                Some(Target::Path("./sha256:0f".into())),
            ),
        ];
        for (name, text, want) in cases {
            assert_eq!(text.parse::<Target>().ok(), want, "{name}");
        }
    }

    #[test]
    fn a_bare_digest_is_what_is_known_by_it() {
        let digest = Sha256::of(b"x");
        let [file, tree] = [Kind::File, Kind::Tree].map(|kind| ArtifactId::new(kind, digest));
        let cases: [(&str, Vec<ArtifactId>, Option<ArtifactId>); 3] = [
            ("nothing known", vec![], Some(file)),
            ("one known", vec![tree], Some(tree)),
            ("two known", vec![file, tree], None),
        ];
        for (name, known, want) in cases {
            let found = Target::Digest(digest)
                .resolve(Printer::new(Color::Never, false, true), |_| Ok(known));
            assert_eq!(found.ok(), want, "{name}");
        }
    }
}
