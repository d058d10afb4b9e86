//! Policy documents, decisions, findings and report data.
//!
//! A policy is a closed set of bytes; judging a lineage by it is a pure function of the artifact,
//! the stage, the lineage and the time. No file is opened here, no clock read, and nothing asks
//! how evidence was gathered or how a report is drawn.
//!
//! No verdict is vacuous: every rule ends in an [`Outcome`] and names the evidence that decided
//! it, what matches nothing fails, and what cannot be decided denies.

mod age;
mod alone;
mod asks;
mod case;
mod code;
mod decision;
mod difference;
mod document;
mod draft;
mod evaluate;
mod format;
mod inventory;
pub mod layout;
pub mod library;
mod licence;
mod lint;
mod model;
mod number;
mod received;
mod rego;
mod remedy;
mod report;
mod rules;
mod simulation;
mod starter;
pub mod summary;
mod whom;

use std::collections::BTreeSet;

use attest::{ArtifactId, Sha256, StageName, Timestamp};
use verify::Lineage;

pub use age::{AgeError, MaxAge};
pub use alone::SignedRule;
pub use case::{Case, Expected, Rehearsed, Verdict};
pub use code::Code;
pub use decision::{Considered, Decision, Finding, Outcome, RuleResult, SingleKey};
pub use difference::{Change, ChangeKind, Difference, Effect};
pub use document::{
    Files, MAX_BYTES, MAX_ENTRIES, MAX_FILE_BYTES, MAX_FILES_BYTES, Place, PolicyError, Problem,
};
pub use licence::Licences;
pub use lint::{
    Broken, Fault, FaultKind, LINT_VERSION, LintError, LintReport, MAX_CHANGES,
    MAX_CHANGES_OF_A_RULE, MAX_YEARS, Specimen, Untried, WhyUntried,
};
pub use model::{Mode, OnError};
pub use received::ReceivedError;
pub use rego::{MAX_REGO_BYTES, MAX_REGO_RULES, REGO_INPUT_VERSION};
pub use remedy::{Means, PLACEHOLDER, Placeholder, Remedy, Skeleton};
pub use report::{
    Basis, CompletenessKind, CompletenessReport, Holds, PolicyReport, REPORT_VERSION,
    RejectedReport, Report, UnexploredReport,
};
pub use rules::bound::{Bound, Side};
pub use rules::rule::{Reads, RuleView};
pub use rules::stages::LastVerdict;
pub use rules::unseen::{Fallen, Unseen, Withdrawn};
pub use rules::waivers::WaiverView;
pub use simulation::{SIMULATION_VERSION, Simulation, SimulationReport, Successor};

/// What must hold before an artifact may run at a stage.
///
/// Made by [`Policy::parse`]; [`Policy::digest`] names the exact bytes.
#[derive(Clone, Debug)]
pub struct Policy {
    model: model::Model,
}

impl Policy {
    /// Reads a policy document that names no files.
    ///
    /// # Errors
    /// [`PolicyError`], with line and column: for whatever nothing would read, for rules
    /// that could never hold or never fail, and for a file that is named.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Self::parse_with(text, &Files::new())
    }

    /// Reads a policy document with the files that it names, which hold rules in Rego. The
    /// document carries their digests, so that [`Policy::digest`] covers them. What it does not
    /// name is not looked at.
    ///
    /// # Errors
    /// As [`Policy::parse`]; also for a file that is not there, or has other bytes.
    pub fn parse_with(text: &str, files: &Files) -> Result<Self, PolicyError> {
        let document = document::read(text)?;
        let model = document::compile(document, Sha256::of(text.as_bytes()), files)?;
        Ok(Self { model })
    }

    /// The names of the files that a policy document names, for whoever is to give them to
    /// [`Policy::parse_with`]: each once, relative to the document, with `/` and without `..`.
    ///
    /// # Errors
    /// [`PolicyError`] for what is no document; its rules are not looked at.
    pub fn files_of(text: &str) -> Result<Vec<String>, PolicyError> {
        let named = document::named(&document::read(text)?)?;
        let names: BTreeSet<String> = named.into_iter().map(|(name, _)| name).collect();
        Ok(names.into_iter().collect())
    }

    /// Reads a policy document that was registered, with the files that it names: `registered`
    /// gives the text with a digest. What it gives is held to that digest as in
    /// [`Policy::parse_with`].
    ///
    /// # Errors
    /// As [`Policy::parse_with`]; [`Problem::FileNotRegistered`] for a file that is not given.
    pub fn parse_registered<'t>(
        text: &str,
        registered: impl Fn(&Sha256) -> Option<&'t str>,
    ) -> Result<Self, PolicyError> {
        let document = document::read(text)?;
        let files = document::registered(&document, registered)?;
        let model = document::compile(document, Sha256::of(text.as_bytes()), &files)?;
        Ok(Self { model })
    }

    /// The files that belong to it: what was given to [`Policy::parse_with`] and is named.
    pub const fn files(&self) -> &Files {
        &self.model.files
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.model.name
    }

    /// Its version, counted from 1.
    pub const fn version(&self) -> u64 {
        self.model.version
    }

    /// Its URI.
    pub fn uri(&self) -> &str {
        &self.model.uri
    }

    /// The digest of the bytes that were parsed.
    pub const fn digest(&self) -> Sha256 {
        self.model.digest
    }

    /// Its rules by their places, each with what it asks.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &str)> {
        self.model.asks.iter().map(|(rule, asks)| (rule.as_str(), asks.as_str()))
    }

    /// What it is for, in words, if it says.
    pub fn description(&self) -> Option<&str> {
        self.model.description.as_deref()
    }

    /// Its rules by their places, each with what it asks and what it reads.
    pub fn inventory(&self) -> Vec<RuleView> {
        inventory::inventory(&self.model)
    }

    /// What `newer` asks otherwise than this one, rule by rule, and whether it asks more or less.
    pub fn difference(&self, newer: &Self) -> Difference {
        difference::between(&self.model, &newer.model)
    }

    /// The cases of its own: what must come of evidence that stands beside it. They decide nothing.
    pub fn cases(&self) -> &[Case] {
        &self.model.cases
    }

    /// What comes of a case, whose evidence has this lineage. It decides nothing.
    pub fn rehearse(&self, case: &Case, lineage: &Lineage) -> Rehearsed {
        case::rehearse(&self.model, case, lineage)
    }

    /// Writes a policy that an artifact which is known to be good passes, by what its lineage shows:
    /// steps, signers, flows, numbers and data sets as they were found. It is a beginning, for
    /// somebody to read and to tighten; ages are judged at `now`.
    pub fn starter(name: &str, stages: &[StageName], lineage: &Lineage, now: Timestamp) -> String {
        starter::write(name, stages, lineage, now)
    }

    /// The JSON Schema of policy documents, for editors.
    pub fn schema() -> serde_json::Value {
        document::schema()
    }

    /// Its stages with their modes, in the order of the document.
    pub fn stages(&self) -> impl Iterator<Item = (&StageName, Mode)> {
        self.model.stages.iter().map(|stage| (&stage.name, stage.mode))
    }

    /// How many other stages must have been passed before `stage`, directly or not.
    pub fn stages_before(&self, stage: &StageName) -> usize {
        let stages = &self.model.stages;
        let Some(asked) = stages.iter().position(|known| known.name == *stage) else { return 0 };
        let (mut open, mut before) = (vec![asked], BTreeSet::new());
        while let Some(next) = open.pop() {
            for earlier in stages.get(next).into_iter().flat_map(|stage| &stage.after) {
                if before.insert(*earlier) {
                    open.push(*earlier);
                }
            }
        }
        before.len()
    }

    /// What follows from a verdict at `stage`; `None` for a stage that the policy does not have.
    pub fn mode(&self, stage: &StageName) -> Option<Mode> {
        self.stages().find(|(name, _)| *name == stage).map(|(_, mode)| mode)
    }

    /// What the last verdict that counts says of `artifact` at `stage`, if there is one: by a
    /// verifier whom the policy believes, by this policy or one that was active, and registered.
    pub fn last_verdict(
        &self,
        artifact: &ArtifactId,
        stage: &StageName,
        lineage: &Lineage,
        now: Timestamp,
    ) -> Option<LastVerdict> {
        let question = rules::Question { model: &self.model, artifact: *artifact, lineage, now };
        let last = rules::stages::verdicts(question, stage).pop()?;
        Some(last.says)
    }

    /// Judges whether `artifact` may run at `stage`, by its lineage, at `now`.
    ///
    /// Pure: the same arguments give the same decision. It never fails: what cannot be decided
    /// is a finding of the outcome [`Outcome::Error`], and denies.
    pub fn evaluate(
        &self,
        artifact: &ArtifactId,
        stage: &StageName,
        lineage: &Lineage,
        now: Timestamp,
    ) -> Decision {
        evaluate::evaluate(&self.model, artifact, stage, lineage, now)
    }
}
