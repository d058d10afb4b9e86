//! A decision in the making: what the rules have said so far.

use std::collections::BTreeSet;

use attest::{ArtifactId, Sha256, Timestamp};
use verify::{Attestation, Window};

use crate::code::Code;
use crate::decision::{Finding, Outcome, RuleResult};

/// The most bodies that one finding names.
pub(crate) const MAX_EVIDENCE: usize = 32;

/// What the rules have said so far.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) rules: Vec<RuleResult>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) inputs: BTreeSet<Sha256>,
    pub(crate) holds: Window,
}

/// A finding before it is written down.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) outcome: Outcome,
    pub(crate) message: String,
    pub(crate) evidence: Vec<Sha256>,
    pub(crate) artifacts: Vec<ArtifactId>,
    pub(crate) next: String,
}

impl Draft {
    pub(crate) const fn new(holds: Window) -> Self {
        Self { rules: Vec::new(), findings: Vec::new(), inputs: BTreeSet::new(), holds }
    }

    /// The rule holds, by this evidence.
    pub(crate) fn pass(&mut self, rule: &str, evidence: Vec<Sha256>, detail: Option<String>) {
        self.inputs.extend(evidence.iter().copied());
        self.end(rule, Outcome::Pass, evidence, detail);
    }

    /// The rule asks nothing here.
    pub(crate) fn not_applicable(&mut self, rule: &str, detail: &str) {
        self.end(rule, Outcome::NotApplicable, Vec::new(), Some(detail.into()));
    }

    /// The rule cannot hold because another one does not, which has its own finding.
    pub(crate) fn follows(&mut self, rule: &str, detail: String) {
        self.end(rule, Outcome::Fail, Vec::new(), Some(detail));
    }

    /// The rule does not hold, for these reasons.
    pub(crate) fn fail(&mut self, rule: &str, problems: Vec<Problem>) {
        let error = problems.iter().any(|problem| problem.outcome == Outcome::Error);
        let outcome = if error { Outcome::Error } else { Outcome::Fail };
        let mut evidence: Vec<Sha256> = Vec::new();
        for mut problem in problems {
            problem.evidence.truncate(MAX_EVIDENCE);
            for body in &problem.evidence {
                if !evidence.contains(body) && evidence.len() < MAX_EVIDENCE {
                    evidence.push(*body);
                }
            }
            self.findings.push(Finding {
                rule: rule.into(),
                code: problem.code,
                outcome: problem.outcome,
                message: problem.message,
                evidence: problem.evidence,
                artifacts: problem.artifacts,
                next: Some(problem.next),
            });
        }
        self.end(rule, outcome, evidence, None);
    }

    /// From `moment` on, what has been found no longer is.
    pub(crate) fn until(&mut self, moment: Timestamp) {
        self.holds = self.holds.and(Window { from: None, until: Some(moment) });
    }

    /// Before `moment`, what has been found was not.
    pub(crate) fn from(&mut self, moment: Timestamp) {
        self.holds = self.holds.and(Window { from: Some(moment), until: None });
    }

    fn end(&mut self, rule: &str, outcome: Outcome, evidence: Vec<Sha256>, detail: Option<String>) {
        self.rules.push(RuleResult { rule: rule.into(), outcome, evidence, detail });
    }
}

impl Problem {
    /// Something that is not as it must be.
    pub(crate) fn fail(code: Code, message: String, next: impl Into<String>) -> Self {
        let (evidence, artifacts) = (Vec::new(), Vec::new());
        Self { code, outcome: Outcome::Fail, message, evidence, artifacts, next: next.into() }
    }

    /// Something that cannot be decided.
    pub(crate) fn error(code: Code, message: String, next: impl Into<String>) -> Self {
        Self { outcome: Outcome::Error, ..Self::fail(code, message, next) }
    }

    pub(crate) fn shown_by<'a>(
        mut self,
        attestations: impl IntoIterator<Item = &'a Attestation>,
    ) -> Self {
        let bodies = attestations.into_iter().map(Attestation::body);
        self.evidence.extend(bodies.take(MAX_EVIDENCE));
        self
    }

    pub(crate) fn shown_by_bodies(mut self, bodies: impl IntoIterator<Item = Sha256>) -> Self {
        self.evidence.extend(bodies.into_iter().take(MAX_EVIDENCE));
        self
    }

    pub(crate) fn about(mut self, artifacts: impl IntoIterator<Item = ArtifactId>) -> Self {
        self.artifacts.extend(artifacts.into_iter().take(MAX_EVIDENCE));
        self
    }
}

/// The bodies of attestations.
pub(crate) fn bodies<'a>(attestations: impl IntoIterator<Item = &'a Attestation>) -> Vec<Sha256> {
    attestations.into_iter().map(Attestation::body).take(MAX_EVIDENCE).collect()
}
