//! For every finding there is a remedy, and where it can be applied it makes the finding go away.
//!
//! The cases are those of the rules (`tests/cases`, and the attacks at the root of the project): of
//! each row that is denied every finding's remedy is taken at its word. A skeleton is filled in with
//! what it says would do, signed by whom it names and registered; a command is done as the command
//! line would; time goes on; a waiver is asked for by one and approved by another. The same skeleton
//! signed by nobody who is trusted changes nothing.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "remedies/apply.rs"]
mod apply;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use apply::{Applied, apply, excepted};
use attest::{Statement, Timestamp};
use fixtures::{Case, Recipe, Scene};
use policy::{Code, Decision, Finding, Means, Outcome, PLACEHOLDER, Policy, Remedy};
use support::{Door, decide};
use verify::{Direction, Negatives, Trace, Trust};

const NOW: &str = "2026-11-20T12:00:00Z";

/// Codes whose remedy cannot be done in some of the rows, each with why.
const LEFT: [(Code, &str); 7] = [
    (Code::StepThreshold, "the trust file lets too few others sign the step"),
    (Code::StepSameSigner, "nobody else may sign the step"),
    (Code::StageNotPassed, "the gate may not speak for the stage, or the policy does not hear it"),
    (Code::StageSoak, "a stage passed anew has to soak first"),
    (Code::RevokedAttestation, "the builder that the example names is the one that is revoked"),
    (Code::ApprovalOwners, "the others are the same owner, or those who signed the step"),
    (Code::CorroborationMissing, "whom the policy names signed the step too, or is nobody"),
];

/// Codes that nothing mends which is said of the same artifact, under the same policy and by the same
/// trust, each with why.
const NOT_BY_EVIDENCE: [(Code, &str); 23] = [
    (Code::FlowForbidden, "what went in went in"),
    (Code::FlowUnmatched, "the policy selects a product by a name that none has"),
    (Code::MetricThreshold, "the number is that of this model"),
    (Code::AgeFuture, "time alone brings the date"),
    (Code::StageUnknown, "the policy has no such stage"),
    (Code::TrustExpired, "its owners sign the next version"),
    (Code::LogIncomplete, "who asks has not seen all there is"),
    (Code::TraceUnexplored, "who asks has not seen all there is"),
    (Code::PolicyNotYet, "time alone brings the date"),
    (Code::PolicyExpired, "its owners sign the next version"),
    (Code::PolicyUnmatched, "the policy is for others"),
    (Code::SlsaBuild, "the builder that made it made it"),
    (Code::DatasetUnidentified, "the statement that says too little stays"),
    (Code::ModelBase, "what it was made from it was made from"),
    (Code::ModelFormat, "the format is that of this model"),
    (Code::ParameterMissing, "the statement that says too little stays"),
    (Code::ParameterBound, "the parameter is that of this model"),
    (Code::CriteriaMissing, "criteria after the measurement are none"),
    (Code::CriteriaLate, "criteria after the measurement are none"),
    (Code::DependencyUnpinned, "the statement that says too little stays"),
    (Code::LicenceDenied, "the component is in it"),
    (Code::RegoDenied, "only whoever wrote the rule knows"),
    (Code::RegoUndecided, "the rule itself is wrong"),
];

/// Codes of which no row of evidence makes a finding, each with why.
const ELSEWHERE: [(Code, &str); 7] = [
    (Code::TrustLocal, "only where others are answered: the test after this one"),
    (Code::ClockBehind, "said by whoever serves, before anything is judged"),
    (Code::VerdictExpired, "said of a stored answer, before anything is judged"),
    (Code::PolicyEmpty, "no document without a step is read"),
    (Code::LayoutMissing, "layouts are signed by keys of their own: `layouts.rs`"),
    (Code::LayoutUnmet, "layouts are signed by keys of their own: `layouts.rs`"),
    (Code::LayoutExpired, "layouts are signed by keys of their own: `layouts.rs`"),
];

/// Codes of statements that were looked for: what came nearest is named where anything did.
const NEAR: [Code; 17] = [
    Code::StepSigner,
    Code::StepThreshold,
    Code::StepSameSigner,
    Code::StepKind,
    Code::StepFailed,
    Code::StageNotPassed,
    Code::FlowMissing,
    Code::FlowUnmatched,
    Code::MetricDataset,
    Code::MetricMissing,
    Code::ApprovalMissing,
    Code::ApprovalRejected,
    Code::ApprovalExpired,
    Code::ApprovalOwners,
    Code::VulnerabilityUnscanned,
    Code::LicenceUnlisted,
    Code::MonitoringMissing,
];

/// How often a remedy of one code is seen to work before no more are tried.
const ENOUGH: usize = 6;

/// What came of the remedies of one code.
#[derive(Default)]
struct Tally {
    kinds: BTreeSet<Means>,
    mended: usize,
    /// Of these, where the whole rule held then.
    holds: usize,
    waived: usize,
    left: Vec<String>,
}

#[test]
fn every_finding_names_a_remedy_and_the_remedy_does_what_it_says() {
    let now: Timestamp = NOW.parse().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tally: BTreeMap<Code, Tally> = BTreeMap::new();
    for folder in ["tests/cases", "tests/remedies", "../tests/attacks"] {
        for case in fixtures::load(&here.join(folder)).unwrap() {
            for (row, door) in doors(&case) {
                let scene = row.scene(now).unwrap();
                let refused = scene.submissions.iter().any(|one| one.refused);
                if row.asked.is_some() || refused {
                    continue;
                }
                let Ok(decision) = decide(&scene, door) else { continue };
                for finding in decision.findings() {
                    let place =
                        format!("{}, `{}`, {door:?}: {}", case.name, row.name, finding.rule);
                    let remedy = finding.remedy.as_ref().unwrap_or_else(|| panic!("{place}"));
                    well_formed(finding, remedy, &place);
                    let tally = tally.entry(finding.code).or_default();
                    tally.kinds.insert(remedy.kind);
                    if tally.mended < ENOUGH {
                        match apply(&case, row, door, &scene, finding, remedy) {
                            Applied::Mended { holds } => {
                                tally.mended += 1;
                                tally.holds += usize::from(holds);
                            }
                            Applied::Left(why) => tally.left.push(format!("{place}: {why}")),
                            Applied::Nothing => {}
                        }
                    }
                    if tally.waived == 0 && excepted(row, door, now, finding) {
                        tally.waived += 1;
                    }
                }
            }
        }
    }
    for (code, tally) in &tally {
        println!(
            "{code}: {:?}, mended {} (held {}), waived {}, left {}",
            tally.kinds,
            tally.mended,
            tally.holds,
            tally.waived,
            tally.left.len()
        );
        for left in &tally.left {
            println!("    {left}");
        }
    }
    for code in Code::ALL {
        let elsewhere = ELSEWHERE.iter().any(|(known, _)| *known == code);
        let found = tally.get(&code);
        assert_eq!(found.is_none(), elsewhere, "{code}");
        let Some(found) = found else { continue };
        assert!(found.holds > 0, "no remedy of `{code}` worked: {:#?}", found.left);
        let evidence = [Means::Run, Means::Statement, Means::Command];
        let by_evidence = evidence.iter().any(|kind| found.kinds.contains(kind));
        let listed = NOT_BY_EVIDENCE.iter().any(|(known, _)| *known == code);
        assert_eq!(!by_evidence, listed, "{code}: {:?}", found.kinds);
        let known = LEFT.iter().find(|(known, _)| *known == code);
        assert_eq!(!found.left.is_empty(), known.is_some(), "{code}: {:#?}", found.left);
        assert_eq!(found.waived > 0, code.can_be_waived(), "{code}");
    }
    assert_eq!(tally.len() + ELSEWHERE.len(), Code::ALL.len());
}

/// Where the trust document has owners, they can take a revocation back; else the artifact is made
/// anew.
#[test]
fn a_revocation_that_owners_can_take_back_names_how() {
    let now: Timestamp = NOW.parse().unwrap();
    let attacks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/attacks");
    let cases = fixtures::load(&attacks).unwrap();
    let case = cases.iter().find(|case| case.name == "11-reinstatements").unwrap();
    let (mut mended, mut anew) = (0, 0);
    for row in &case.rows {
        let scene = row.scene(now).unwrap();
        let ungoverned = Recipe { governance: None, ..row.recipe().clone() };
        let ungoverned = row.changed(ungoverned, row.policy().clone()).scene(now).unwrap();
        for (scene, door, governed) in [
            (&scene, Door::Registered, true),
            (&scene, Door::Presented, false),
            (&ungoverned, Door::Registered, false),
        ] {
            let Ok(decision) = decide(scene, door) else { continue };
            let findings = decision.findings().iter();
            for finding in findings.filter(|one| one.code == Code::RevokedArtifact) {
                let remedy = finding.remedy.as_ref().unwrap();
                if !governed {
                    assert_eq!(remedy.kind, Means::Anew, "{}", row.name);
                    anew += 1;
                    continue;
                }
                let place = format!("{}: {:?}", row.name, remedy.argv);
                assert_eq!((remedy.kind, remedy.owners), (Means::Command, 2), "{place}");
                assert_eq!(remedy.argv[..3], ["assay", "attest", "reinstatement"], "{place}");
                assert_eq!(remedy.argv[7..], ["--key".to_owned(), remedy.signers[0].clone()]);
                match apply(case, row, door, scene, finding, remedy) {
                    Applied::Mended { holds } => assert!(holds, "{place}"),
                    Applied::Left(why) => panic!("{place}: {why}"),
                    Applied::Nothing => panic!("{place}"),
                }
                mended += 1;
            }
        }
    }
    assert!(mended >= 8 && anew >= mended, "{mended} {anew}");
}

#[test]
fn a_trust_document_of_one_person_is_for_somebody_to_own() {
    let now: Timestamp = NOW.parse().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = fixtures::load(&here.join("tests/cases")).unwrap();
    let row = cases[0].rows.iter().find(|row| row.without.is_empty()).unwrap();
    for local in [true, false] {
        let recipe = Recipe { local, ..row.recipe().clone() };
        let scene = row.changed(recipe, row.policy().clone()).scene(now).unwrap();
        let trust = Trust::parse(&scene.trust).unwrap().for_others();
        let negatives = Negatives::none();
        let mut trace = Trace::new(scene.artifact, Direction::Up, &trust, &negatives, now);
        while let Some(wanted) = trace.wanted().first().copied() {
            let about = scene.evidence.iter().filter(|one| one.subjects.contains(&wanted));
            trace.supply(wanted, about.map(|one| one.presented.clone()).collect(), None);
        }
        let policy = Policy::parse(&scene.policy).unwrap();
        let decision = policy.evaluate(&scene.artifact, &scene.stage, &trace.finish(), now);
        let mut found = decision.findings().iter().filter(|one| one.code == Code::TrustLocal);
        let Some(found) = found.next() else {
            assert!(!local);
            continue;
        };
        assert!(local);
        let remedy = found.remedy.as_ref().unwrap();
        assert_eq!(remedy.kind, Means::Trust);
        assert_eq!(remedy.argv[..4], ["assay", "trust", "init", "--owner"]);
    }
}

#[test]
fn nobody_is_handed_the_numbers_of_another_to_sign() {
    let now: Timestamp = NOW.parse().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = BTreeMap::new();
    for case in fixtures::load(&here.join("tests/remedies")).unwrap() {
        for (row, door) in doors(&case) {
            let decision = decide(&row.scene(now).unwrap(), door).unwrap();
            for finding in decision.findings() {
                let skeleton = finding.remedy.as_ref().and_then(|one| one.skeleton.as_ref());
                let Some(skeleton) = skeleton else { continue };
                seen.insert(finding.code, skeleton.clone());
            }
        }
    }
    // To find out for oneself, and to sign what is right but for its signer.
    let own = &seen[&Code::StepSameSigner];
    let number = own.statement.pointer("/predicate/measurements/0/value").unwrap();
    assert!(number.as_str().unwrap().starts_with(PLACEHOLDER), "{number}");
    let blanks = own.placeholders.iter().filter(|one| one.at.ends_with("/value"));
    assert_eq!(
        blanks.count(),
        own.statement["predicate"]["measurements"].as_array().unwrap().len()
    );
    assert!(seen[&Code::StepSigner].placeholders.is_empty());
}

/// Each row with each door that it is denied at.
fn doors(case: &Case) -> impl Iterator<Item = (&fixtures::Row, Door)> {
    let rows = case.rows.iter();
    rows.flat_map(|row| {
        let registered = row.registered.as_ref().map(|_| (row, Door::Registered));
        let presented = row.presented.as_ref().map(|_| (row, Door::Presented));
        registered.into_iter().chain(presented)
    })
}

fn well_formed(finding: &Finding, remedy: &Remedy, place: &str) {
    assert!(finding.next.as_ref().is_some_and(|next| !next.is_empty()), "{place}");
    let needs_command = matches!(remedy.kind, Means::Statement | Means::Command | Means::Ask);
    assert!(!needs_command || remedy.argv.first().is_some_and(|one| one == "assay"), "{place}");
    assert_eq!(remedy.kind == Means::Wait, remedy.at.is_some(), "{place}");
    if remedy.kind == Means::Statement {
        assert!(remedy.skeleton.is_some(), "{place}");
    }
    // What is said of data is shown with the steps that used it.
    let of_data = finding.rule.starts_with("ml.datasets");
    if NEAR.contains(&finding.code) && !finding.evidence.is_empty() && !of_data {
        let nearest = finding.considered.first();
        assert!(nearest.is_some_and(|near| !near.why.is_empty()), "{place}: no nearest miss");
    }
    // Whoever asks for a waiver does not approve it, and nobody is excepted without that.
    assert_eq!(remedy.waiver.is_empty(), remedy.approval.is_empty(), "{place}");
    assert_eq!(remedy.waiver.is_empty(), remedy.approvers.is_empty(), "{place}");
    let Some(skeleton) = &remedy.skeleton else { return };
    assert!(skeleton.file.ends_with(".json") && !skeleton.file.contains('/'), "{place}");
    for placeholder in &skeleton.placeholders {
        let text = skeleton.statement.pointer(&placeholder.at).and_then(|one| one.as_str());
        assert!(text.is_some_and(|text| text.starts_with(PLACEHOLDER)), "{place}");
    }
    let filled = skeleton.filled(|one| one.suffices.clone()).to_string();
    assert!(!filled.contains(PLACEHOLDER), "{place}: {filled}");
    let read = Statement::parse(filled.as_bytes());
    assert!(read.is_ok(), "{place}: {:?} of {filled}", read.err());
}

/// Whether the decision no longer has the finding, or another of the rule and kind about the same.
fn is_gone(decision: &Decision, finding: &Finding) -> bool {
    let same = |one: &&Finding| {
        one.rule == finding.rule
            && one.code == finding.code
            && one.artifacts.iter().all(|artifact| finding.artifacts.contains(artifact))
    };
    decision.findings().iter().find(same).is_none()
}

/// Whether the rule of the finding holds.
fn holds(decision: &Decision, finding: &Finding) -> bool {
    let rule = decision.rules().iter().find(|rule| rule.rule == finding.rule);
    rule.is_none_or(|rule| matches!(rule.outcome, Outcome::Pass | Outcome::NotApplicable))
}

/// The decision about a scene, where one can be had.
fn judged(scene: &Scene, door: Door) -> Option<Decision> {
    decide(scene, door).ok()
}
