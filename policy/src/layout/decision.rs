//! What came of judging a layout: findings that name what they rest on, and the verdict that
//! follows from them.

use attest::{Sha256, Timestamp};
use serde::Serialize;
use verify::layout::Functionary;

/// How many artifacts a finding names.
pub const MAX_NAMED: usize = 20;

/// The stable name of a kind of finding.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[non_exhaustive]
pub enum LayoutCode {
    /// The layout has expired.
    #[serde(rename = "layout.expired")]
    Expired,
    /// The layout asks for nothing.
    #[serde(rename = "layout.empty")]
    Empty,
    /// There is more to compare than is compared.
    #[serde(rename = "layout.costly")]
    Costly,
    /// Fewer functionaries than the threshold have done the step.
    #[serde(rename = "step.threshold")]
    Threshold,
    /// A link by a key that may not do the step; it does not count.
    #[serde(rename = "step.unauthorised")]
    Unauthorised,
    /// A link that is about another step; it does not count.
    #[serde(rename = "step.other-name")]
    OtherName,
    /// A file in the place of a link that is no evidence; it does not count.
    #[serde(rename = "step.refused")]
    Refused,
    /// Links of one step disagree about the artifacts.
    #[serde(rename = "step.contradiction")]
    Contradiction,
    /// Another command was run than the one expected.
    #[serde(rename = "step.command")]
    Command,
    /// Artifacts are left over that a rule disallows.
    #[serde(rename = "rule.disallow")]
    Disallow,
    /// An artifact is not there, or no more, that a rule requires.
    #[serde(rename = "rule.require")]
    Require,
    /// An inspection was not run.
    #[serde(rename = "inspection.not-run")]
    NotRun,
    /// An inspection ended with another status than 0.
    #[serde(rename = "inspection.failed")]
    InspectionFailed,
}

/// What a finding does to the verdict.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It stands against the layout.
    Fail,
    /// Because of it there is no answer.
    Undecided,
    /// Worth knowing.
    Note,
}

/// The answer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LayoutVerdict {
    /// All that the layout asks for holds.
    Passed,
    /// Something does not.
    Failed,
    /// Nobody can tell, which is never "passed".
    Undecided,
}

/// One observation.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayoutFinding {
    /// What kind.
    pub code: LayoutCode,
    /// What it does to the verdict.
    pub severity: Severity,
    /// The folders of the sublayouts that lead to where it was made; empty for the layout itself.
    pub layout: Vec<String>,
    /// The step or inspection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The file of the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RulePlace>,
    /// The artifacts, at most [`MAX_NAMED`] of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<String>,
    /// In words.
    pub message: String,
    /// What would have been enough, as far as something came near.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near: Option<String>,
}

/// Where a rule stands.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RulePlace {
    /// `materials` or `products`.
    pub side: attest::in_toto::Side,
    /// Which rule of these, counted from 1.
    pub place: usize,
    /// Its words, with parameters filled in.
    pub text: String,
}

/// A link that counts.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkReport {
    /// The file.
    pub file: String,
    /// Who signed.
    #[serde(flatten)]
    pub functionary: Functionary,
    /// The digest of what was signed.
    pub body: Sha256,
    /// Whether it is a layout with links of its own.
    pub sublayout: bool,
}

/// A step, and who did it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// The sublayouts that lead to it.
    pub layout: Vec<String>,
    /// Its name.
    pub name: String,
    /// How many functionaries must have done it.
    pub threshold: u32,
    /// The links that count.
    pub links: Vec<LinkReport>,
}

/// An inspection, and what came of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectionReport {
    /// The sublayouts that lead to it.
    pub layout: Vec<String>,
    /// Its name.
    pub name: String,
    /// The command, with parameters filled in.
    pub run: Vec<String>,
    /// Whether it ran.
    pub ran: bool,
}

/// The answer for one layout, with everything that it follows from. Only this crate makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LayoutDecision {
    pub(super) body: Sha256,
    pub(super) until: Timestamp,
    pub(super) steps: Vec<StepReport>,
    pub(super) inspections: Vec<InspectionReport>,
    pub(super) findings: Vec<LayoutFinding>,
}

impl LayoutDecision {
    /// The verdict, computed from the findings.
    pub fn verdict(&self) -> LayoutVerdict {
        let any = |severity| self.findings.iter().any(|finding| finding.severity == severity);
        if any(Severity::Fail) {
            LayoutVerdict::Failed
        } else if any(Severity::Undecided) || self.steps.iter().all(|step| step.links.is_empty()) {
            LayoutVerdict::Undecided
        } else {
            LayoutVerdict::Passed
        }
    }

    /// Whether all that the layout asks for holds.
    pub fn passed(&self) -> bool {
        self.verdict() == LayoutVerdict::Passed
    }

    /// The layout: the digest of what its signatures are over.
    pub const fn body(&self) -> Sha256 {
        self.body
    }

    /// When the first of the layouts that count expires: from then on this decision is another.
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// The steps, those of sublayouts before the step that they stand for.
    pub fn steps(&self) -> &[StepReport] {
        &self.steps
    }

    /// The inspections.
    pub fn inspections(&self) -> &[InspectionReport] {
        &self.inspections
    }

    /// The findings, notes included.
    pub fn findings(&self) -> &[LayoutFinding] {
        &self.findings
    }
}
