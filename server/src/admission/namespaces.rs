//! Which stage each namespace of a cluster is.

use std::collections::{BTreeMap, BTreeSet};

use attest::{Sha256, StageName};
use policy::{Mode, Policy};

/// How many namespaces may be mapped.
pub const MAX_NAMESPACES: usize = 10_000;

/// The stages of namespaces, under one policy.
///
/// A namespace that is not mapped, and an object outside all namespaces, get the strictest stage:
/// of those with the strictest mode, the one that the policy names last.
#[derive(Clone, Debug)]
pub struct Namespaces {
    stages: BTreeMap<String, StageName>,
    strictest: StageName,
    /// The stages that do not enforce.
    lenient: BTreeSet<StageName>,
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
    /// The policy has no stage to map to.
    #[error("the policy has no stage")]
    NoStage,
}

impl Namespaces {
    /// Maps namespaces to stages of `policy`.
    ///
    /// # Errors
    /// [`NamespaceError`].
    pub fn new(
        stages: BTreeMap<String, StageName>,
        policy: &Policy,
    ) -> Result<Self, NamespaceError> {
        if stages.len() > MAX_NAMESPACES {
            return Err(NamespaceError::TooMany(stages.len()));
        }
        for (namespace, stage) in &stages {
            if policy.mode(stage).is_none() {
                let (namespace, stage) = (namespace.clone(), stage.clone());
                return Err(NamespaceError::Stage { namespace, stage });
            }
        }
        // Of equals, `max_by_key` gives the last.
        let strictest = policy.stages().max_by_key(|(_, mode)| *mode);
        let (strictest, _) = strictest.ok_or(NamespaceError::NoStage)?;
        let lenient = policy.stages().filter(|(_, mode)| *mode != Mode::Enforce);
        Ok(Self {
            strictest: strictest.clone(),
            lenient: lenient.map(|(stage, _)| stage.clone()).collect(),
            stages,
            policy: policy.digest(),
        })
    }

    /// The stage of a namespace.
    pub fn stage_of(&self, namespace: Option<&str>) -> &StageName {
        namespace.and_then(|namespace| self.stages.get(namespace)).unwrap_or(&self.strictest)
    }

    /// Whether a stage lets run what has not passed.
    pub fn is_lenient(&self, stage: &StageName) -> bool {
        self.lenient.contains(stage)
    }

    /// The digest of the policy whose verdicts count.
    pub const fn policy(&self) -> Sha256 {
        self.policy
    }
}
