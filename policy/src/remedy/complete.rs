//! The last word on every finding: where a rule has named no remedy, that of the kind of finding;
//! and what all remedies have in common.

use std::collections::BTreeMap;

use attest::StageName;
use attest::predicate::is_provenance;
use serde_json::Value;

use super::may;
use super::skeleton::{PLACEHOLDER, name_of};
use super::{Means, Remedy};
use crate::code::Code;
use crate::decision::{Finding, Outcome};
use crate::draft::Draft;
use crate::model::Model;
use crate::rules::Question;
use crate::rules::chain::Chain;

/// The most findings of a decision whose remedies have a statement; those after them name the means
/// alone.
const MAX_SKELETONS: usize = 100;

/// Names a remedy for every finding.
pub(crate) fn complete(question: Question<'_>, stage: &StageName, draft: &mut Draft) {
    let mut given = BTreeMap::new();
    for (at, finding) in draft.findings.iter_mut().enumerate() {
        let remedy = finding.remedy.take().unwrap_or_else(|| by_code(question, stage, finding));
        let mut remedy = may::narrow(question, finding, remedy);
        if at >= MAX_SKELETONS {
            remedy.skeleton = None;
        }
        if let Some(skeleton) = &mut remedy.skeleton {
            skeleton.file = file(finding, &mut given);
            if remedy.kind == Means::Statement && remedy.argv.is_empty() {
                remedy.argv = words(&["assay", "attest", "--statement", &skeleton.file]);
            }
        }
        let signs = remedy.argv.get(1).is_some_and(|word| word == "run" || word == "attest");
        if signs && let Some(name) = remedy.signers.first().filter(|one| has_key(question, one)) {
            remedy.argv.extend(["--key".to_owned(), name.clone()]);
        }
        if finding.outcome == Outcome::Fail && finding.code.can_be_waived() {
            remedy.waiver = waiver(question, stage, finding);
            approved(question, &mut remedy);
        }
        finding.remedy = Some(remedy);
    }
}

/// The remedy of a finding of which the rule that found it has said no more.
fn by_code(question: Question<'_>, stage: &StageName, finding: &Finding) -> Remedy {
    let artifact = question.artifact.to_string();
    let again = || {
        let argv = ["assay", "check", &artifact, "--stage", stage.as_str()];
        Remedy::new(Means::Ask).argv(argv)
    };
    match finding.code {
        Code::StepMissing
        | Code::StepKind
        | Code::StepSigner
        | Code::StepThreshold
        | Code::StepSameSigner
        | Code::StepFailed
        | Code::FlowMissing
        | Code::FlowBroken
        | Code::MetricMissing
        | Code::MetricSamples
        | Code::MetricDataset
        | Code::AgeExceeded
        | Code::RevokedAttestation
        | Code::DatasetMissing
        | Code::CorroborationMissing
        | Code::LayoutMissing
        | Code::LayoutUnmet => Remedy::new(Means::Run),
        // Something speaks of it, by nobody who is believed.
        Code::ArtifactUnknown if !finding.evidence.is_empty() => {
            let key = format!("{PLACEHOLDER}the key of whoever signed, if you believe them>");
            Remedy::new(Means::Trust).argv(["assay", "trust", "add", &key])
        }
        Code::ArtifactUnknown => made(question),
        Code::ApprovalMissing
        | Code::ApprovalRejected
        | Code::ApprovalExpired
        | Code::ApprovalOwners
        | Code::DatasetLicence
        | Code::VulnerabilityUnscanned
        | Code::VulnerabilityUnreadable
        | Code::VulnerabilityAge
        | Code::LicenceUnlisted
        | Code::SlsaSource
        | Code::MonitoringMissing
        | Code::MonitoringAge
        | Code::MonitoringVerdict
        | Code::MonitoringDrift => Remedy::new(Means::Statement),
        Code::StageNotPassed => Remedy::new(Means::Command),
        Code::LogMissing => {
            let bundle = format!("{PLACEHOLDER}the file of the bundle>");
            Remedy::new(Means::Command).argv(["assay", "log", "submit", &bundle])
        }
        Code::EvidenceConflict => conflict(finding),
        // The evidence is about this artifact, and says what it says for good.
        Code::FlowForbidden
        | Code::MetricThreshold
        | Code::MetricSlice
        | Code::RevokedArtifact
        | Code::SlsaBuild
        | Code::DatasetUnidentified
        | Code::ModelBase
        | Code::ModelFormat
        | Code::ParameterMissing
        | Code::ParameterBound
        | Code::CriteriaMissing
        | Code::CriteriaLate
        | Code::DependencyUnpinned
        | Code::VulnerabilitySeverity
        | Code::LicenceDenied
        | Code::RegoDenied => Remedy::new(Means::Anew),
        Code::AgeFuture | Code::StageSoak | Code::PolicyNotYet => Remedy::new(Means::Wait),
        Code::FlowUnmatched
        | Code::PolicyEmpty
        | Code::PolicyExpired
        | Code::PolicyUnmatched
        | Code::LayoutExpired
        | Code::RegoUndecided => Remedy::new(Means::Policy),
        Code::TrustLocal => {
            let owner = format!("{PLACEHOLDER}who answers for it>");
            Remedy::new(Means::Trust).argv(["assay", "trust", "init", "--owner", &owner])
        }
        Code::TrustExpired => {
            let next = format!("{PLACEHOLDER}the file of the next version>");
            let argv = ["assay", "trust", "propose", &next, "--output", "proposal.json"];
            Remedy::new(Means::Trust).argv(argv)
        }
        Code::StageUnknown => {
            let known = question.model.stages.first().map_or("", |stage| stage.name.as_str());
            Remedy::new(Means::Ask).argv(["assay", "check", &artifact, "--stage", known])
        }
        Code::LogIncomplete | Code::TraceUnexplored | Code::ClockBehind | Code::VerdictExpired => {
            again()
        }
    }
}

/// An artifact of which nobody speaks: the last step that makes something is to be recorded.
fn made(question: Question<'_>) -> Remedy {
    let model = question.model;
    let feeds = |index: usize| model.flows.iter().any(|flow| flow.from.step == index);
    let makes = |index: &usize| {
        let step = model.steps.get(*index);
        step.is_some_and(|step| step.predicates.iter().any(|one| is_provenance(one)))
    };
    let last = (0..model.steps.len()).rev().filter(makes);
    let last = last.min_by_key(|index| feeds(*index)).unwrap_or_default();
    Remedy::step(Means::Run, question, &Chain::none(), last)
}

/// Of two statements that disagree somebody has to say which is wrong.
fn conflict(finding: &Finding) -> Remedy {
    let bodies: Vec<String> = finding.evidence.iter().take(2).map(ToString::to_string).collect();
    let which = format!("{PLACEHOLDER}whichever is wrong: {}>", bodies.join(" or "));
    let why = format!("{PLACEHOLDER}why it is wrong>");
    let argv = ["assay", "revoke", "--attestation", &which, "--reason", &why];
    Remedy::new(Means::Command).argv(argv)
}

/// The command that asks for an exception, where the policy accepts any.
fn waiver(question: Question<'_>, stage: &StageName, finding: &Finding) -> Vec<String> {
    let Some(waivers) = &question.model.waivers else { return Vec::new() };
    let artifact = question.artifact.to_string();
    let mut argv = words(&["assay", "attest", "waiver", "--subject", &artifact]);
    if let Value::String(name) = name_of(question, &question.artifact) {
        // In one word: a name may look like an option.
        argv.push(format!("--name={name}"));
    }
    let (life, policy) = (waivers.max_life.to_string(), question.model.digest.to_string());
    let why = format!("{PLACEHOLDER}why>");
    argv.extend(words(&[
        "--rule",
        &finding.rule,
        "--finding",
        finding.code.as_str(),
        "--stage",
        stage.as_str(),
        "--policy",
        &policy,
        "--expires",
        &life,
        "--reason",
        &why,
    ]));
    argv
}

/// Adds who approves the waiver that the remedy asks for, and how: whoever asked for it does not.
fn approved(question: Question<'_>, remedy: &mut Remedy) {
    let Some(waivers) = &question.model.waivers else { return };
    remedy.approvers = waivers.approvers.names();
    let entry = format!("{PLACEHOLDER}the entry of the waiver>");
    remedy.approval = words(&["assay", "attest", "cosign", &entry]);
    if let Some(name) = remedy.approvers.iter().find(|one| has_key(question, one)) {
        remedy.approval.extend(["--key".to_owned(), name.clone()]);
    }
}

/// Whether a signer has a key that stays: who is known by a certificate signs otherwise.
fn has_key(question: Question<'_>, name: &str) -> bool {
    let model: &Model = question.model;
    let narrowing = model.narrowed.as_ref().and_then(|narrowed| narrowed.signers.get(name));
    let scope = question.lineage.scopes().named(name);
    narrowing.is_none_or(|one| one.issuer.is_none() && one.authority.is_none())
        && scope.is_some_and(|scope| scope.key().is_some())
}

/// A name for the file of a statement, from the rule and the code.
fn file(finding: &Finding, given: &mut BTreeMap<String, usize>) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_') {
            letter
        } else {
            '-'
        }
    };
    let name: String = format!("{}.{}", finding.rule, finding.code).chars().map(plain).collect();
    let count = given.entry(name.clone()).or_default();
    *count += 1;
    match *count {
        1 => format!("{name}.json"),
        count => format!("{name}-{count}.json"),
    }
}

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|word| (*word).to_owned()).collect()
}
