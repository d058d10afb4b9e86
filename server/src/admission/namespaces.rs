//! Which stage each namespace of a cluster is.

use std::collections::{BTreeMap, BTreeSet};

use attest::{Sha256, StageName};
use policy::{Mode, Policy};

use crate::force::Rules;

/// How many namespaces may be mapped.
pub const MAX_NAMESPACES: usize = 10_000;

/// The stages of namespaces, under the policies that judge for them.
///
/// A namespace that is not mapped, and an object outside all namespaces, get the strictest stage:
/// of those with the strictest mode, the one that most others must be passed before; of several,
/// the one that the policy names last.
#[derive(Clone, Debug)]
pub struct Namespaces {
    stages: BTreeMap<String, StageName>,
    strictest: StageName,
    /// The stages that do not enforce.
    lenient: BTreeSet<StageName>,
    /// The digests of the policies whose verdicts count.
    policies: BTreeMap<StageName, Sha256>,
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
        Self::under(stages, &Rules::new(Some(policy.clone()))).ok_or(NamespaceError::NoStage)
    }

    /// Maps namespaces to stages for which policies judge; `None` where none does. What is mapped to
    /// another stage is refused, as every policy refuses it.
    pub fn under(stages: BTreeMap<String, StageName>, rules: &Rules) -> Option<Self> {
        let known = rules.stages();
        let mode = |stage: &StageName| {
            // What cannot be read enforces, and nothing passes it.
            rules.policy(stage).ok().and_then(|policy| policy.mode(stage)).unwrap_or(Mode::Enforce)
        };
        let before =
            |stage: &StageName| rules.policy(stage).map_or(0, |policy| policy.stages_before(stage));
        // Of equals, `max_by_key` gives the last.
        let strictest = known.iter().max_by_key(|stage| (mode(stage), before(stage)))?.clone();
        let lenient = known.iter().filter(|stage| mode(stage) != Mode::Enforce).cloned().collect();
        let named = known.iter().chain(stages.values());
        let policies = named.filter_map(|stage| Some((stage.clone(), rules.digest(stage)?)));
        Some(Self { policies: policies.collect(), lenient, strictest, stages })
    }

    /// The stage of a namespace.
    pub fn stage_of(&self, namespace: Option<&str>) -> &StageName {
        namespace.and_then(|namespace| self.stages.get(namespace)).unwrap_or(&self.strictest)
    }

    /// Whether a stage lets run what has not passed.
    pub fn is_lenient(&self, stage: &StageName) -> bool {
        self.lenient.contains(stage)
    }

    /// The digest of the policy whose verdicts count for a stage.
    pub fn policy(&self, stage: &StageName) -> Option<Sha256> {
        self.policies.get(stage).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unmapped_namespace_is_the_strictest_stage() {
        let cases = [
            ("the last of equals", "{a: {mode: enforce}, b: {mode: enforce}}", "b"),
            ("the strictest mode", "{a: {mode: enforce}, b: {mode: warn, after: [a]}}", "a"),
            ("the one behind", "{b: {mode: enforce, after: [a]}, a: {mode: enforce}}", "b"),
            (
                "the one furthest behind",
                "{c: {mode: enforce, after: [b]}, b: {mode: enforce, after: [a]}, a: {mode: audit}}",
                "c",
            ),
        ];
        for (name, stages, want) in cases {
            let policy = Policy::parse(&format!(
                "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {{name: stages, version: 1}}
stages: {stages}
steps: {{train: {{predicates: ['https://slsa.dev/provenance/v1'], signers: {{anyOf: [a]}}}}}}
"
            ));
            let mapped = [("mapped".to_owned(), "a".parse().unwrap())].into();
            let namespaces = Namespaces::new(mapped, &policy.unwrap()).unwrap();
            for unmapped in [Some("other"), None] {
                assert_eq!(namespaces.stage_of(unmapped).as_str(), want, "{name}");
            }
            assert_eq!(namespaces.stage_of(Some("mapped")).as_str(), "a", "{name}");
        }
    }
}
