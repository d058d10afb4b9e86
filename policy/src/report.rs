//! The one report: what the command, the HTTP API and pages have in common.
//!
//! It is data, drawn by others. Its JSON is versioned; a reader of another version refuses it.

use attest::{ArtifactId, Sha256, StageName, Timestamp};
use serde::{Deserialize, Serialize};
use verify::{Completeness, Window};

use crate::decision::{Decision, Finding, Outcome, RuleResult, SingleKey};
use crate::draft::printable;
use crate::model::{Mode, OnError};
use crate::rules::waivers::WaiverView;

/// What [`Report::version`] is.
pub const REPORT_VERSION: &str = "assay/report/v1";
/// The most rejected attestations, and the most unexplored parts, that a report lists.
pub(crate) const MAX_LISTED: usize = 100;

/// A decision as data.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub version: String,
    /// The artifact that was asked about.
    pub artifact: ArtifactId,
    /// The stage that was asked about.
    pub stage: StageName,
    /// What follows from the verdict there.
    pub mode: Mode,
    /// What follows where something cannot be decided, if not what the mode says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// Whether every rule held.
    pub passed: bool,
    /// Whether the artifact may run: it passed, or the stage does not enforce.
    pub admitted: bool,
    /// The time in which no finding comes or goes unless something new is known.
    pub holds: Holds,
    /// By which policy.
    pub policy: PolicyReport,
    /// By which trust file.
    pub trust: Sha256,
    /// How much of the log stands behind it.
    pub completeness: CompletenessReport,
    /// Whether the policy, or the trust file, was the asker's own choice: an opinion that binds
    /// nobody. The door through which the question came sets it.
    pub advisory: bool,
    /// What came of each rule.
    pub rules: Vec<RuleResult>,
    /// Everything that stands against the artifact.
    pub findings: Vec<Finding>,
    /// The waivers that were accepted, and those that were meant for a finding and were not; the
    /// first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<WaiverView>,
    /// What it rests on.
    pub basis: Basis,
    /// Attestations that do not count; the first hundred.
    pub rejected: Vec<RejectedReport>,
    /// Parts of the history that were not looked at; the first hundred.
    pub unexplored: Vec<UnexploredReport>,
}

/// A half-open stretch of time; an absent end is open.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holds {
    /// The first moment inside.
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub until: Option<Timestamp>,
}

/// A policy by its names.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyReport {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// Its URI.
    pub uri: String,
    /// The digest of its bytes.
    pub digest: Sha256,
}

/// How much of the log stands behind a decision.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CompletenessReport {
    /// In what way.
    pub kind: CompletenessKind,
    /// The log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Up to which size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The root at that size, where every leaf was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Sha256>,
}

/// In what way an answer is complete.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CompletenessKind {
    /// Every leaf was followed.
    Followed,
    /// The source says so.
    Claimed,
    /// Nobody says so.
    None,
}

/// What a decision rests on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// The bodies of all attestations that it rests on, in the order of their digests.
    pub attestations: Vec<Sha256>,
    /// The keys on which a step or another rule rests alone.
    pub single_keys: Vec<SingleKey>,
    /// The SLSA Build level that the evidence can show at most; 0 for none.
    pub slsa_build_level: u8,
    /// Why not more.
    pub reason: String,
}

/// An attestation that does not count.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectedReport {
    /// The artifact for which it was supplied.
    pub artifact: ArtifactId,
    /// Its body.
    pub body: Sha256,
    /// Its position, if that is proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Why it does not count.
    pub why: String,
}

/// A part of the history that was not looked at.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnexploredReport {
    /// Whose history.
    pub artifact: ArtifactId,
    /// Why not.
    pub why: String,
}

impl Report {
    /// Whether nothing is known to stand against the artifact, and something that a verdict wants
    /// could not be decided. It denies as a failure does; only whoever asks again may be answered
    /// otherwise.
    pub fn is_undecided(&self) -> bool {
        let mut standing =
            self.findings.iter().filter(|one| one.outcome != Outcome::Waived).peekable();
        standing.peek().is_some() && standing.all(|one| one.outcome == Outcome::Error)
    }
}

impl Decision {
    /// The decision as data for whoever asks at `now`, at which it holds: the waivers that end soon
    /// are marked. `advisory` is false; the door sets it.
    pub fn report_at(&self, now: Timestamp) -> Report {
        let mut report = self.report();
        let waivers = report.waivers.into_iter();
        report.waivers = waivers.map(|waiver| waiver.read_at(now)).collect();
        report
    }

    /// The decision as data, whenever it is read. `advisory` is false; the door sets it.
    pub fn report(&self) -> Report {
        let rejected = self.rejected.iter().take(MAX_LISTED).map(|rejected| RejectedReport {
            artifact: rejected.artifact,
            body: rejected.body,
            index: rejected.index,
            why: printable(rejected.why.to_string()),
        });
        let unexplored = self
            .unexplored
            .iter()
            .take(MAX_LISTED)
            .map(|part| UnexploredReport { artifact: part.artifact, why: part.why.to_string() });
        Report {
            version: REPORT_VERSION.into(),
            artifact: self.artifact,
            stage: self.stage.clone(),
            mode: self.mode,
            on_error: self.stated_on_error(),
            passed: self.passed(),
            admitted: self.admitted(),
            holds: self.holds.into(),
            policy: PolicyReport {
                name: self.policy.name.clone(),
                version: self.policy.version,
                uri: self.policy.uri.clone(),
                digest: self.policy.digest,
            },
            trust: self.trust,
            completeness: (&self.completeness).into(),
            advisory: false,
            rules: self.rules.clone(),
            findings: self.findings.clone(),
            waivers: self.waivers.clone(),
            basis: Basis {
                attestations: self.inputs.iter().copied().collect(),
                single_keys: self.single_keys.clone(),
                slsa_build_level: self.build_level,
                reason: self.level_reason.into(),
            },
            rejected: rejected.collect(),
            unexplored: unexplored.collect(),
        }
    }
}

impl From<Window> for Holds {
    fn from(window: Window) -> Self {
        Self { from: window.from, until: window.until }
    }
}

impl From<&Completeness> for CompletenessReport {
    fn from(completeness: &Completeness) -> Self {
        match completeness {
            Completeness::Followed { origin, size, root } => Self {
                kind: CompletenessKind::Followed,
                origin: Some(origin.clone()),
                size: Some(*size),
                root: Some(*root),
            },
            Completeness::Claimed { origin, size } => Self {
                kind: CompletenessKind::Claimed,
                origin: Some(origin.clone()),
                size: Some(*size),
                root: None,
            },
            // What a later version of this crate adds is not known to be complete.
            _ => Self { kind: CompletenessKind::None, origin: None, size: None, root: None },
        }
    }
}
