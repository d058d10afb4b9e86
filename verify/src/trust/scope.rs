//! What a key may sign, at most.
//!
//! A statement is in scope when its predicate type, its step (if it has one), every subject's
//! name and, for verification summaries, its stage are each allowed. Nothing is implied: an
//! empty list allows nothing.

use std::collections::BTreeSet;

use attest::name::check_artifact_name;
use attest::{Predicate, ResourceDescriptor, Statement};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// What a key may sign.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct May {
    /// The steps that it may say it ran.
    pub steps: Names,
    /// The predicate types, whole.
    pub predicates: Names,
    /// The names of artifacts that it may speak of.
    pub artifacts: Globs,
    /// The stages for which it may sign verification summaries.
    pub stages: Names,
}

/// A list of names, matched whole, or any name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Names {
    /// `"*"`: any name.
    Any,
    /// These and no other.
    These(BTreeSet<String>),
}

/// A list of patterns of artifact names, each matched against the whole name.
///
/// `*` and `?` do not match `/`, `**` does. The pattern `"*"` by itself matches any name at all;
/// any other pattern matches only names that are written in one way ([`check_artifact_name`]),
/// so that `models/**` never matches `models/../secret`.
#[derive(Clone, Debug, Default)]
pub struct Globs {
    any: bool,
    patterns: Vec<String>,
    set: GlobSet,
}

/// What of a statement is outside a signer's scope.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[non_exhaustive]
pub enum OutOfScope {
    /// The predicate type.
    #[error("statements of type `{0}`")]
    Predicate(
        /// The type.
        String,
    ),
    /// The step.
    #[error("for step `{0}`")]
    Step(
        /// The step.
        String,
    ),
    /// The name of a subject.
    #[error("about `{0}`")]
    Artifact(
        /// The name.
        String,
    ),
    /// The stage of a verification summary.
    #[error("for stage `{0}`")]
    Stage(
        /// The stage.
        String,
    ),
    /// A verification summary that names no single stage, by a signer who is not free in stages.
    #[error("for no named stage")]
    NoStage,
}

impl May {
    /// Whether `statement` is in scope.
    ///
    /// # Errors
    /// The first thing that is outside.
    pub fn covers(&self, statement: &Statement) -> Result<(), OutOfScope> {
        let predicate_type = statement.predicate_type();
        if !self.predicates.has(predicate_type) {
            return Err(OutOfScope::Predicate(predicate_type.into()));
        }
        if let Some(step) = statement.step()
            && !self.steps.has(step.as_str())
        {
            return Err(OutOfScope::Step(step.to_string()));
        }
        let outside = |subject: &&ResourceDescriptor| !self.artifacts.has(subject.label());
        if let Some(subject) = statement.subject.iter().find(outside) {
            return Err(OutOfScope::Artifact(subject.label().into()));
        }
        if matches!(statement.predicate, Predicate::VerificationSummary(_)) {
            match statement.stage() {
                Some(stage) if self.stages.has(stage.as_str()) => {}
                Some(stage) => return Err(OutOfScope::Stage(stage.to_string())),
                None if self.stages == Names::Any => {}
                None => return Err(OutOfScope::NoStage),
            }
        }
        // A simple result is of others as well, who know no stages.
        if matches!(statement.predicate, Predicate::SimpleVerification(_))
            && let Some(stage) = statement.stage()
            && !self.stages.has(stage.as_str())
        {
            return Err(OutOfScope::Stage(stage.to_string()));
        }
        Ok(())
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl Names {
    /// Whether `name` is one of them.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(names) => names.contains(name),
        }
    }

    pub(super) fn parse(names: impl IntoIterator<Item = String>) -> Self {
        let names: BTreeSet<String> = names.into_iter().collect();
        if names.contains("*") { Self::Any } else { Self::These(names) }
    }

    /// The list as the trust file has it.
    pub fn list(&self) -> Vec<String> {
        match self {
            Self::Any => vec!["*".into()],
            Self::These(names) => names.iter().cloned().collect(),
        }
    }
}

impl Globs {
    pub(super) fn parse(patterns: Vec<String>) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns.iter().filter(|pattern| *pattern != "*") {
            let glob = GlobBuilder::new(pattern)
                .literal_separator(true)
                .backslash_escape(false)
                .case_insensitive(false)
                .build()?;
            set.add(glob);
        }
        let any = patterns.iter().any(|pattern| pattern == "*");
        Ok(Self { any, set: set.build()?, patterns })
    }

    /// Whether a pattern matches the whole of `name`.
    pub fn has(&self, name: &str) -> bool {
        self.any || (check_artifact_name(name).is_ok() && self.set.is_match(name))
    }

    /// The list as the trust file has it.
    pub fn list(&self) -> &[String] {
        &self.patterns
    }
}

// The compiled set is a function of the patterns.
impl PartialEq for Globs {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for Globs {}
