//! Cases of a policy: evidence in a folder, a question about it, and what must come of it.
//!
//! They stand in the document (`tests`) or each in a file beside its evidence. No rule reads them,
//! so that they never decide anything.

use std::collections::BTreeSet;
use std::fmt;

use attest::{ArtifactId, StageName, Timestamp};
use serde::Serialize;
use verify::Lineage;

use crate::code::Code;
use crate::decision::{Decision, Finding};
use crate::document::{PolicyError, read_case};
use crate::evaluate::evaluate;
use crate::model::{Completeness, Model};

/// One case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// The folder of its evidence, relative to the document, with `/` and without `..`; `None` in a
    /// file that stands beside the evidence.
    pub evidence: Option<String>,
    /// The files in that folder that are evidence; every bundle in it where none is named.
    pub bundles: Vec<String>,
    /// When the question is asked.
    pub at: Timestamp,
    /// For which stage.
    pub stage: StageName,
    /// About which artifact.
    pub artifact: ArtifactId,
    /// What must come of it.
    pub expected: Expected,
}

/// What must come of a case.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// The answer.
    pub verdict: Verdict,
    /// Exactly these codes are found; whichever where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes: Option<BTreeSet<Code>>,
}

/// The answer to whether an artifact may run at a stage.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every rule holds.
    Allowed,
    /// Not every rule holds.
    Denied,
}

impl Verdict {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Allowed, Self::Denied];

    /// The word in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }

    /// What a decision says, whatever the stage makes of it.
    pub fn of(decision: &Decision) -> Self {
        if decision.passed() { Self::Allowed } else { Self::Denied }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl Case {
    /// Reads a case that stands beside its evidence; `name` is that of its folder.
    ///
    /// # Errors
    /// [`PolicyError`], with line and column.
    pub fn parse(name: &str, text: &str) -> Result<Self, PolicyError> {
        read_case(name, text)
    }
}

impl Expected {
    /// Whether this verdict with these codes is what must come of it.
    pub fn is_met(&self, verdict: Verdict, codes: &BTreeSet<Code>) -> bool {
        self.verdict == verdict && self.codes.as_ref().is_none_or(|wanted| wanted == codes)
    }
}

/// What came of a case: never a [`Decision`], so that nothing is promoted by it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rehearsed {
    findings: Vec<Finding>,
    verdict: Verdict,
}

impl Rehearsed {
    /// The answer.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Everything that stands against the artifact.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The codes of these, each once.
    pub fn codes(&self) -> BTreeSet<Code> {
        self.findings.iter().map(|finding| finding.code).collect()
    }
}

/// Judges the lineage of a case as the policy would. Two things are taken for granted that a folder
/// of files cannot show: that it holds all there is, and that summaries of earlier stages are by
/// the policy that counts, whose digest changes with every edit.
pub(crate) fn rehearse(model: &Model, case: &Case, lineage: &Lineage) -> Rehearsed {
    let mut model = model.clone();
    model.completeness = Completeness::Given;
    model.any_version = true;
    let decision = evaluate(&model, &case.artifact, &case.stage, lineage, case.at);
    Rehearsed { verdict: Verdict::of(&decision), findings: decision.findings }
}
