//! Whether the rules of a policy can fail, and whether they can hold.
//!
//! A rule that nothing can break is worse than none: it reads like a promise. Here evidence that
//! passes is changed piece by piece, each change in what a rule says that it reads, until the rule
//! fails for a reason of its own. A number goes just across each bound that the rule states, by the
//! least that can be written there, and a time by a second; farther only where that breaks nothing.
//! A rule that no change makes fail is vacuous; so is one that no plausible number, no age of ten
//! years or no other signer breaks, where it reads such. Beside that the policy is held against the
//! trust file: what nobody could sign, and who could sign both sides of what must be two persons'
//! work. What was not tried is said, with how much of it there is and why.
//!
//! Nothing is decided here: the changed evidence is [`verify::Supposed`], and what comes of it a
//! simulation.

mod apart;
mod change;
mod field;
mod number;
mod scope;
#[cfg(test)]
mod tests;
mod trial;
mod try_out;

use attest::{ArtifactId, StageName, Timestamp};
use serde::{Deserialize, Serialize};
use verify::{Lineage, Trust};

use crate::Policy;
use crate::decision::Finding;

/// What [`LintReport::version`] is.
pub const LINT_VERSION: &str = "assay/policy-lint/v1";
/// The most changes that are tried for one rule.
pub const MAX_CHANGES_OF_A_RULE: usize = 2_000;
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
    /// What was not tried, of which rule and why; nothing is left out in silence.
    pub untried: Vec<Untried>,
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

/// Changes that were not tried.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Untried {
    /// The rule, by its place in the policy; absent for what concerns every rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How many changes; of moments and fields, as far as they were counted; 0 for a rule of which
    /// nothing was tried at all.
    pub changes: usize,
    /// Why not.
    pub why: WhyUntried,
}

/// Why a change was not tried.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WhyUntried {
    /// Another change of the same kind has made the rule fail already.
    NotNeeded,
    /// It leads to a statement that no tool could write, or that nobody could have registered.
    Unwritable,
    /// There are more of one rule than are tried.
    TooManyOfRule,
    /// There are more in all than are tried.
    TooMany,
    /// A statement has more fields, or deeper ones, than are changed.
    TooManyFields,
    /// More changes by time alone than are looked at.
    TooManyMoments,
    /// The evidence has no number that a bound of the rule is about.
    NoNumber,
    /// The rule asks nothing of this artifact at this stage.
    AsksNothing,
    /// Another rule cannot hold, so that what makes this one fail cannot be told from that.
    AnotherCannotHold,
    /// The rule is part of every policy, and nobody wrote it.
    OfEveryPolicy,
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
    /// A number across a bound of the rule, by the least that there is, does not make it fail.
    LooseBound,
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

impl Untried {
    /// Of a rule as a whole.
    fn whole(rule: &str, why: WhyUntried) -> Self {
        Self { rule: Some(rule.to_owned()), changes: 0, why }
    }
}

impl WhyUntried {
    /// In words, after how many changes it is.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotNeeded => "another change of the kind has made the rule fail",
            Self::Unwritable => "no tool could write such a statement",
            Self::TooManyOfRule => "more than are tried of one rule",
            Self::TooMany => "more than are tried in all",
            Self::TooManyFields => "statements with more or deeper fields than are changed",
            Self::TooManyMoments => "more moments than are looked at",
            Self::NoNumber => "a bound, and no number of the evidence to hold against it",
            Self::AsksNothing => "asks nothing of this artifact at this stage",
            Self::AnotherCannotHold => "another rule cannot hold",
            Self::OfEveryPolicy => "part of every policy",
        }
    }
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
            faults: self.lint_scopes(specimen.trust),
        };
        try_out::rules(self, specimen, progress, &mut report)?;
        report.faults.sort_by(|one, other| (&one.rule, one.kind).cmp(&(&other.rule, other.kind)));
        // What a rule shows by itself, trying to break it shows again.
        report.faults.dedup_by(|one, other| {
            let vacuous = one.kind == FaultKind::Vacuous && other.kind == FaultKind::Vacuous;
            vacuous && one.rule == other.rule
        });
        Ok(report)
    }

    /// What can be found without evidence, by the policy and the trust file alone.
    pub fn lint_scopes(&self, trust: &Trust) -> Vec<Fault> {
        let mut faults = scope::faults(&self.model, trust);
        faults.extend(apart::faults(&self.model, trust));
        faults
    }
}
