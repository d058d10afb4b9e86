//! What a policy would say, were something so that is not.
//!
//! A simulation is to a decision as a supposed history is to a lineage: it reads alike and binds
//! nobody. No promotion signs one, no admission takes one, and its JSON is that of no report
//! (THREATS, rule 24). The examples of [`Simulation`] try to pass one off as a decision and fail to
//! compile.

use attest::{ArtifactId, StageName, Timestamp};
use serde::{Deserialize, Serialize};
use verify::{Supposed, Window};

use crate::decision::{Decision, Finding, RuleResult};
use crate::model::{Mode, Model};
use crate::report::{Holds, PolicyReport};
use crate::{Policy, evaluate};

/// What [`SimulationReport::version`] is.
pub const SIMULATION_VERSION: &str = "assay/simulation/v1";

/// The answer that a policy would give.
///
/// What is supposed is simulated:
///
/// ```
/// # use {attest::{ArtifactId, StageName, Timestamp}, policy::*, verify::*};
/// fn ask(policy: &Policy, of: &ArtifactId, at: &StageName, it: &Supposed, now: Timestamp) {
///     let _: Simulation = policy.simulate(of, at, it, now);
/// }
/// ```
///
/// and not decided, neither as it is nor by the history in it:
///
/// ```compile_fail,E0308
/// # use {attest::{ArtifactId, StageName, Timestamp}, policy::*, verify::*};
/// fn ask(policy: &Policy, of: &ArtifactId, at: &StageName, it: &Supposed, now: Timestamp) {
///     let _: Decision = policy.evaluate(of, at, it, now);
/// }
/// ```
/// ```compile_fail,E0308
/// # use {attest::{ArtifactId, StageName, Timestamp}, policy::*, verify::*};
/// fn ask(policy: &Policy, of: &ArtifactId, at: &StageName, it: &Supposed, now: Timestamp) {
///     let _: Decision = policy.evaluate(of, at, it.history(), now);
/// }
/// ```
///
/// A gate signs what is decided:
///
/// ```
/// # use {attest::{Statement, StatementError, Timestamp}, policy::*};
/// fn sign(decided: &Decision, now: Timestamp) -> Result<Statement, StatementError> {
///     summary::statement(decided, "https://gate.example", "model", now)
/// }
/// ```
///
/// and not what is simulated, nor what can be got out of that:
///
/// ```compile_fail,E0308
/// # use {attest::{Statement, StatementError, Timestamp}, policy::*};
/// fn sign(decided: &Simulation, now: Timestamp) -> Result<Statement, StatementError> {
///     summary::statement(decided, "https://gate.example", "model", now)
/// }
/// ```
/// ```compile_fail,E0616
/// # use {attest::{Statement, StatementError, Timestamp}, policy::*};
/// fn sign(decided: &Simulation, now: Timestamp) -> Result<Statement, StatementError> {
///     summary::statement(&decided.decision, "https://gate.example", "model", now)
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    decision: Decision,
}

/// A simulation as data.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulationReport {
    /// [`SIMULATION_VERSION`].
    pub version: String,
    /// The artifact that was asked about.
    pub artifact: ArtifactId,
    /// The stage that was asked about.
    pub stage: StageName,
    /// What would follow from the verdict there.
    pub mode: Mode,
    /// Whether every rule would hold.
    pub would_pass: bool,
    /// Whether the artifact could run.
    pub would_be_admitted: bool,
    /// The time in which no finding would come or go.
    pub holds: Holds,
    /// By which policy.
    pub policy: PolicyReport,
    /// What would come of each rule.
    pub rules: Vec<RuleResult>,
    /// Everything that would stand against the artifact.
    pub findings: Vec<Finding>,
}

impl Policy {
    /// Says what [`Policy::evaluate`] would, if `supposed` were believed or `now` were the time.
    ///
    /// Pure, and by the very code that decides.
    pub fn simulate(
        &self,
        artifact: &ArtifactId,
        stage: &StageName,
        supposed: &Supposed,
        now: Timestamp,
    ) -> Simulation {
        simulate(&self.model, artifact, stage, supposed, now)
    }

    /// This policy as what would have judged in the place of an earlier one.
    pub fn successor(&self) -> Successor {
        let mut model = self.model.clone();
        model.any_version = true;
        Successor { model }
    }
}

/// A policy in the place of an earlier one: summaries of earlier stages count by whichever policy
/// they were, where no register says which one was active. It simulates and never decides.
#[derive(Clone, Debug)]
pub struct Successor {
    model: Model,
}

impl Successor {
    /// What [`Policy::simulate`] says, in the place of an earlier policy.
    pub fn simulate(
        &self,
        artifact: &ArtifactId,
        stage: &StageName,
        supposed: &Supposed,
        now: Timestamp,
    ) -> Simulation {
        simulate(&self.model, artifact, stage, supposed, now)
    }
}

fn simulate(
    model: &Model,
    artifact: &ArtifactId,
    stage: &StageName,
    supposed: &Supposed,
    now: Timestamp,
) -> Simulation {
    let decision = evaluate::suppose(model, artifact, stage, supposed.history(), now);
    Simulation { decision }
}

impl Simulation {
    /// Whether every rule would hold.
    pub fn would_pass(&self) -> bool {
        self.decision.passed()
    }

    /// Whether the artifact could run.
    pub fn would_be_admitted(&self) -> bool {
        self.decision.admitted()
    }

    /// The artifact that was asked about.
    pub const fn artifact(&self) -> &ArtifactId {
        self.decision.artifact()
    }

    /// The stage that was asked about.
    pub const fn stage(&self) -> &StageName {
        self.decision.stage()
    }

    /// What would follow from the verdict at the stage.
    pub const fn mode(&self) -> Mode {
        self.decision.mode()
    }

    /// The stretch of time in which no finding would come or go.
    pub const fn holds(&self) -> Window {
        self.decision.holds()
    }

    /// Everything that would stand against the artifact, in the order of the rules.
    pub fn findings(&self) -> &[Finding] {
        self.decision.findings()
    }

    /// What would come of each rule.
    pub fn rules(&self) -> &[RuleResult] {
        self.decision.rules()
    }

    /// The simulation as data.
    pub fn report(&self) -> SimulationReport {
        let decided = self.decision.report();
        SimulationReport {
            version: SIMULATION_VERSION.into(),
            artifact: decided.artifact,
            stage: decided.stage,
            mode: decided.mode,
            would_pass: decided.passed,
            would_be_admitted: decided.admitted,
            holds: decided.holds,
            policy: decided.policy,
            rules: decided.rules,
            findings: decided.findings,
        }
    }
}
