//! What came of judging: results of rules, findings, and the verdict that follows from them.
//!
//! The verdict is computed from the findings whenever it is asked for, so that the two cannot
//! disagree. Nothing outside this crate can make a decision.

use std::collections::BTreeSet;

use attest::{ArtifactId, Sha256, StageName};
use serde::{Deserialize, Serialize};
use verify::{Completeness, Rejected, Signer, Unexplored, Window};

use crate::code::Code;
use crate::model::{Mode, OnError};
use crate::remedy::Remedy;
use crate::rules::waivers::WaiverView;

/// The answer for one artifact and one stage, with everything that it follows from.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub(crate) artifact: ArtifactId,
    pub(crate) stage: StageName,
    pub(crate) mode: Mode,
    pub(crate) on_error: OnError,
    pub(crate) holds: Window,
    pub(crate) rules: Vec<RuleResult>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) inputs: BTreeSet<Sha256>,
    pub(crate) single_keys: Vec<SingleKey>,
    pub(crate) build_level: u8,
    pub(crate) shown_level: u8,
    pub(crate) level_reason: &'static str,
    pub(crate) policy: PolicyName,
    pub(crate) trust: Sha256,
    pub(crate) completeness: Completeness,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) unexplored: Vec<Unexplored>,
    pub(crate) waivers: Vec<WaiverView>,
}

/// By which policy a decision was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PolicyName {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) uri: String,
    pub(crate) digest: Sha256,
}

/// What came of one rule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleResult {
    /// The rule, by its place in the policy: `steps.train`, `flow[0]`.
    pub rule: String,
    /// What it asks, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// The bodies of the attestations that decided it.
    pub evidence: Vec<Sha256>,
    /// What a reader should know of it, beyond the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How a rule ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It cannot be decided; this denies as a failure does.
    Error,
    /// It does not hold, and an accepted waiver excepts from it.
    Waived,
    /// It asks nothing here.
    NotApplicable,
}

/// One observation that stands against the artifact.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The rule, by its place in the policy.
    pub rule: String,
    /// What kind of finding it is.
    pub code: Code,
    /// [`Outcome::Fail`], [`Outcome::Error`], or [`Outcome::Waived`] for a failure that an accepted
    /// waiver excepts from the rule.
    pub outcome: Outcome,
    /// What was found, in a sentence.
    pub message: String,
    /// The bodies of the attestations that show it.
    pub evidence: Vec<Sha256>,
    /// The artifacts that it is about.
    pub artifacts: Vec<ArtifactId>,
    /// What would make it yes, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The body of the waiver, where one is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived_by: Option<Sha256>,
    /// Which statements were considered, and why each does not do, the nearest first; absent where
    /// the finding is not about statements that were looked for, and in older reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub considered: Vec<Considered>,
    /// What makes it go away, for a person or a program to do; absent in older reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
}

/// A statement that does not do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Considered {
    /// Its body.
    pub body: Sha256,
    /// Why not, in words.
    pub why: String,
}

/// A key on which a step or another rule rests alone: whoever has it could have said what was
/// believed.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SingleKey {
    /// The step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The rule, by its place in the policy, where it is not one of a step: `approvals`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The key's name in the trust file.
    pub name: String,
    /// Whoever answers for it.
    pub owner: String,
    /// Where it is kept: `shared` or `separate`.
    pub custody: String,
}

impl Decision {
    /// Whether every rule held. At least one did, and nothing was found that is not waived.
    pub fn passed(&self) -> bool {
        held(&self.findings, &self.rules)
    }

    /// Whether the artifact may run: it passed, or the stage does not enforce.
    pub fn admitted(&self) -> bool {
        let passed = self.passed();
        admitted(passed, self.mode) && (passed || !refused(self.on_error, &self.rules))
    }

    /// What follows from the verdict at the stage. A stage that the policy does not have
    /// enforces.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// What the stage says of what cannot be decided, where the mode alone does not say it.
    pub(crate) fn stated_on_error(&self) -> Option<OnError> {
        (self.mode != Mode::Enforce && self.on_error == OnError::Deny).then_some(self.on_error)
    }

    /// The stage that was asked about.
    pub const fn stage(&self) -> &StageName {
        &self.stage
    }

    /// The artifact that was asked about.
    pub const fn artifact(&self) -> &ArtifactId {
        &self.artifact
    }

    /// The stretch of time in which no finding comes or goes unless something new is known.
    /// Whoever answers by a stored decision outside of it must refuse
    /// ([`Code::VerdictExpired`]).
    pub const fn holds(&self) -> Window {
        self.holds
    }

    /// Everything that stands against the artifact, in the order of the rules.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The waivers that were accepted, and those that were meant for a finding and were not.
    pub fn waivers(&self) -> &[WaiverView] {
        &self.waivers
    }

    /// What came of each rule.
    pub fn rules(&self) -> &[RuleResult] {
        &self.rules
    }

    /// The bodies of all attestations that the decision rests on.
    pub const fn inputs(&self) -> &BTreeSet<Sha256> {
        &self.inputs
    }

    /// The keys on which a step or another rule rests alone.
    pub fn single_keys(&self) -> &[SingleKey] {
        &self.single_keys
    }

    /// The SLSA Build level that the evidence can show at most, 0 for none.
    pub const fn build_level(&self) -> u8 {
        self.build_level
    }

    /// The SLSA Build level that the evidence shows, by what the policy knows of the builders; 0
    /// for none. Not more than [`Self::build_level`].
    pub const fn shown_level(&self) -> u8 {
        self.shown_level
    }

    /// How much of the register was read for it.
    pub const fn completeness(&self) -> &Completeness {
        &self.completeness
    }

    /// The digest of the policy.
    pub const fn policy_digest(&self) -> Sha256 {
        self.policy.digest
    }

    /// The URI of the policy.
    pub fn policy_uri(&self) -> &str {
        &self.policy.uri
    }
}

/// The verdict that follows from findings and rules.
pub(crate) fn held(findings: &[Finding], rules: &[RuleResult]) -> bool {
    findings.iter().all(is_waived)
        && rules.iter().any(|rule| rule.outcome == Outcome::Pass)
        && rules.iter().all(|rule| {
            matches!(rule.outcome, Outcome::Pass | Outcome::Waived | Outcome::NotApplicable)
        })
}

/// Whether a finding does not count. One of a kind that nobody can waive always does.
pub(crate) fn is_waived(finding: &Finding) -> bool {
    finding.outcome == Outcome::Waived
        && finding.waived_by.is_some()
        && finding.code.can_be_waived()
}

/// What follows from the verdict where a stage has a mode.
pub(crate) fn admitted(passed: bool, mode: Mode) -> bool {
    passed || mode != Mode::Enforce
}

/// Whether the stage refuses what cannot be decided, and something cannot.
pub(crate) fn refused(on_error: OnError, rules: &[RuleResult]) -> bool {
    on_error == OnError::Deny && rules.iter().any(|rule| rule.outcome == Outcome::Error)
}

impl SingleKey {
    pub(crate) fn of_step(step: &str, signer: &Signer) -> Self {
        Self { step: Some(step.into()), ..Self::of(signer) }
    }

    pub(crate) fn of_rule(rule: &str, signer: &Signer) -> Self {
        Self { rule: Some(rule.into()), ..Self::of(signer) }
    }

    fn of(signer: &Signer) -> Self {
        Self {
            step: None,
            rule: None,
            name: signer.name.clone(),
            owner: signer.owner.clone(),
            custody: signer.custody.as_str().into(),
        }
    }
}
