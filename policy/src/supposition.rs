//! What a decision would be, were something true that nobody has said yet.
//!
//! It is no [`Decision`]: no promotion and no admission takes it, and no report is made of it.

use crate::decision::{Decision, Finding};

/// What judging a supposed lineage comes to.
#[derive(Clone, Debug)]
pub struct Supposition {
    decision: Decision,
}

impl Supposition {
    pub(crate) const fn new(decision: Decision) -> Self {
        Self { decision }
    }

    /// Whether every rule would hold.
    pub fn would_pass(&self) -> bool {
        self.decision.passed()
    }

    /// What would stand against the artifact.
    pub fn findings(&self) -> &[Finding] {
        self.decision.findings()
    }
}
