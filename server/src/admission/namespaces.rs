//! Which stage each namespace of a cluster is.

use std::collections::BTreeMap;

use attest::{Sha256, StageName};

/// How many namespaces may be mapped.
pub const MAX_NAMESPACES: usize = 10_000;

/// The stages of namespaces, under one policy.
///
/// A namespace that is not mapped, and an object outside all namespaces, get the strictest stage.
#[derive(Clone, Debug)]
pub struct Namespaces {
    stages: BTreeMap<String, StageName>,
    strictest: StageName,
    policy: Sha256,
}

/// Why a map of namespaces is not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// A namespace is mapped to a stage that the policy does not have.
    #[error("namespace `{namespace}` is mapped to `{stage}`, which is no stage of the policy")]
    Stage {
        /// The namespace.
        namespace: String,
        /// Its stage.
        stage: StageName,
    },
    /// More than [`MAX_NAMESPACES`].
    #[error("{0} namespaces are mapped, more than the limit of {MAX_NAMESPACES}")]
    TooMany(usize),
}

impl Namespaces {
    /// The stage of a namespace.
    pub fn stage_of(&self, namespace: Option<&str>) -> &StageName {
        namespace.and_then(|namespace| self.stages.get(namespace)).unwrap_or(&self.strictest)
    }

    /// The digest of the policy whose verdicts count.
    pub const fn policy(&self) -> Sha256 {
        self.policy
    }
}
