//! Whether the rules of a policy can fail, and whether they can hold.
//!
//! A rule that nothing can break is worse than none: it reads like a promise. Here evidence that
//! passes is changed piece by piece, each change in what a rule says that it reads, until the rule
//! fails for a reason of its own. A rule that no change makes fail is vacuous; so is one that no
//! plausible number, no age of ten years or no other signer breaks, where it reads such. Beside
//! that the policy is held against the trust file: what nobody could sign, and who could sign
//! both sides of what must be two persons' work.
//!
//! Nothing is decided here: the changed evidence is [`verify::Supposed`], and what comes of it a
//! simulation.

mod change;
mod scope;
mod try_out;

use attest::{ArtifactId, StageName, Timestamp};
use serde::{Deserialize, Serialize};
use verify::{Lineage, Trust};

use crate::Policy;
use crate::decision::Finding;

/// What [`LintReport::version`] is.
pub const LINT_VERSION: &str = "assay/policy-lint/v1";
/// The most changes that are tried for one rule.
const MAX_CHANGES_OF_A_RULE: usize = 2_000;
/// The most changes that are tried in all.
pub const MAX_CHANGES: usize = 50_000;
/// How far from now time is supposed to be, in years: what holds longer holds for ever.
pub const MAX_YEARS: i64 = 10;

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Specimen<'a> {
    /// An artifact that passes.
    pub artifact: &'a ArtifactId,
    /// Where it passes.
    pub stage: &'a StageName,
    /// Its lineage.
    pub lineage: &'a Lineage,
    /// The trust file by which the lineage is believed.
    pub trust: &'a Trust,
    /// The time.
    pub now: Timestamp,
}

/// What is wrong with a policy.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LintReport {
    /// [`LINT_VERSION`].
    pub version: String,
    /// How many changes of the evidence were tried.
    pub tried: usize,
    /// What can break each rule that holds, in the order of the rules.
    pub broken: Vec<Broken>,
    /// The rules that ask nothing of this artifact at this stage, or were not all tried.
    pub untried: Vec<String>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// By what a rule can be broken.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broken {
    /// The rule, by its place in the policy.
    pub rule: String,
    /// The first change that breaks it, in words.
    pub by: String,
}

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// The rule, by its place in the policy.
    pub rule: String,
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What would mend it, in a sentence.
    pub next: String,
}

/// What kind of fault something is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FaultKind {
    /// Nothing makes the rule fail.
    Vacuous,
    /// No number that is read makes the rule fail.
    VacuousBound,
    /// No time within [`MAX_YEARS`] makes the rule fail, though it has a limit of age.
    VacuousAge,
    /// No other signer makes the rule fail, though it names signers.
    VacuousSigners,
    /// Nothing that anybody whom the trust file names could sign makes the rule hold.
    Unsatisfiable,
    /// Whoever may sign one side of what must be two persons' may sign the other.
    Overlap,
    /// Nobody can say that the stage was passed.
    Unreachable,
}

/// Why a policy cannot be looked at so.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LintError {
    /// What fails already cannot be made to fail.
    #[error("the evidence does not pass at stage `{stage}`, and only what passes can be broken")]
    DoesNotPass {
        /// The stage.
        stage: StageName,
        /// What stands against it.
        findings: Vec<Finding>,
    },
}

impl Policy {
    /// Tries to break every rule. `progress` is told how many rules have been tried, of how many.
    ///
    /// What the policy and the trust file show by themselves is found first: a rule that nothing
    /// satisfies is not the fault of the evidence.
    ///
    /// # Errors
    /// [`LintError`] for evidence that does not pass, where no fault of the policy explains it.
    pub fn lint(
        &self,
        specimen: &Specimen<'_>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<LintReport, LintError> {
        let mut report = LintReport {
            version: LINT_VERSION.into(),
            tried: 0,
            broken: Vec::new(),
            untried: Vec::new(),
            faults: scope::faults(&self.model, specimen.trust),
        };
        try_out::rules(self, specimen, progress, &mut report)?;
        report.faults.sort_by(|one, other| (&one.rule, one.kind).cmp(&(&other.rule, other.kind)));
        Ok(report)
    }

    /// What can be found without evidence, by the policy and the trust file alone.
    pub fn lint_scopes(&self, trust: &Trust) -> Vec<Fault> {
        scope::faults(&self.model, trust)
    }
}
