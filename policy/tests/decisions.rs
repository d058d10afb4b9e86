//! Decisions: pure, true for as long as they say, and the same as data.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::path::Path;
use std::time::Duration;

use attest::predicate::{Predicate, VerificationResult};
use attest::{Statement, Timestamp};
use fixtures::{LOG_ORIGIN, Row, Scene};
use policy::{Decision, Mode, Outcome, Policy, REPORT_VERSION, Report, summary};
use support::{Door, decide, lineage};
use verify::Attestation;

const NOW: &str = "2026-11-20T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn rows() -> Vec<Row> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [here.join("../tests/attacks"), here.join("tests/cases")];
    let cases = folders.iter().flat_map(|folder| fixtures::load(folder).unwrap());
    cases.flat_map(|case| case.rows).collect()
}

fn row(name: &str) -> Row {
    rows().into_iter().find(|row| row.name == name).unwrap()
}

fn scene(name: &str) -> Scene {
    row(name).scene(now()).unwrap()
}

/// Every decision that the rows come to, made twice.
fn decisions() -> Vec<(Decision, Decision)> {
    let mut all = Vec::new();
    for row in rows() {
        let doors = [(Door::Registered, &row.registered), (Door::Presented, &row.presented)];
        for (door, _) in doors.into_iter().filter(|(_, outcome)| outcome.is_some()) {
            let scene = row.scene(now()).unwrap();
            let Ok(lineage) = lineage(&scene, door) else { continue };
            // A row may be about a policy that is none.
            let Ok(policy) = Policy::parse(&scene.policy) else { continue };
            let decide = || policy.evaluate(&scene.artifact, &scene.stage, &lineage, scene.now);
            all.push((decide(), decide()));
        }
    }
    assert!(all.len() > 100, "{}", all.len());
    all
}

/// Rules look up what is said of an artifact: nothing else is found than a search finds.
#[test]
fn what_is_looked_up_is_what_a_search_finds() {
    let (mut lapsed, mut inside) = (0, 0);
    for row in rows().iter().filter(|row| row.registered.is_some()) {
        let Ok(lineage) = lineage(&row.scene(now()).unwrap(), Door::Registered) else { continue };
        for artifact in lineage.artifacts() {
            let search = |all: &[Attestation]| {
                let found = all.iter().filter(|one| one.is_about(artifact));
                found.map(Attestation::body).collect::<Vec<_>>()
            };
            let about: Vec<_> = lineage.about(artifact).map(Attestation::body).collect();
            assert_eq!(about, search(lineage.attestations()));
            let about: Vec<_> = lineage.lapsed_about(artifact).map(Attestation::body).collect();
            assert_eq!(about, search(lineage.lapsed()));
            lapsed += about.len();
            let wholes: Vec<_> = lineage.wholes_of(artifact).collect();
            let all = lineage.contains().iter();
            assert_eq!(wholes, all.filter(|edge| edge.part == *artifact).collect::<Vec<_>>());
            inside += wholes.len();
        }
        for one in lineage.attestations() {
            assert_eq!(lineage.attestation(&one.body()).map(Attestation::body), Some(one.body()));
        }
        for one in lineage.lapsed() {
            assert_eq!(lineage.attestation(&one.body()), None);
        }
    }
    assert!(lapsed > 5 && inside > 5, "{lapsed} {inside}");
}

#[test]
fn every_decision_is_complete_repeatable_and_reads_back_as_data() {
    for (decision, again) in decisions() {
        assert_eq!(decision, again, "the same twice");
        assert!(!decision.rules().is_empty());
        let failed = |outcome| matches!(outcome, Outcome::Fail | Outcome::Error);
        // A waived finding is shown and denies nothing.
        let waived = |finding: &policy::Finding| finding.outcome == Outcome::Waived;
        let clear = decision.findings().iter().all(waived);
        assert_eq!(
            decision.passed(),
            clear && decision.rules().iter().all(|rule| !failed(rule.outcome)),
            "the verdict is that of the findings"
        );
        assert_eq!(decision.passed(), clear, "no failure is silent");
        for rule in decision.rules().iter().filter(|rule| failed(rule.outcome)) {
            let found = decision.findings().iter().any(|finding| finding.rule == rule.rule);
            assert!(found || rule.detail.is_some(), "{} fails and nobody says why", rule.rule);
        }
        let known = decision.rules().iter().find(|rule| rule.rule == "artifact.known");
        assert!(known.is_none_or(|one| one.outcome != Outcome::Pass || !one.evidence.is_empty()));
        for finding in decision.findings() {
            assert!(failed(finding.outcome) || waived(finding) && finding.waived_by.is_some());
            assert!(!finding.message.is_empty() && !finding.message.ends_with('.'));
            assert!(finding.next.as_ref().is_some_and(|next| !next.is_empty()), "{finding:?}");
            let rule = decision.rules().iter().find(|rule| rule.rule == finding.rule);
            let ended = rule.map(|rule| rule.outcome);
            assert!(ended.is_some_and(|ended| failed(ended) || ended == Outcome::Waived));
        }
        let report = decision.report();
        assert_eq!(report.version, REPORT_VERSION);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
        assert!(report.rejected.len() <= 100 && report.unexplored.len() <= 100);
    }
}

#[test]
fn nothing_changes_by_time_alone_while_a_decision_holds() {
    let second = Duration::from_secs(1);
    for row in rows().iter().filter(|row| row.registered.is_some()) {
        let mut scene = row.scene(now()).unwrap();
        // Heaps of junk are slow to verify, and know no time.
        if scene.evidence.len() > 50 {
            continue;
        }
        let Ok(decision) = decide(&scene, Door::Registered) else { continue };
        let codes = |decision: &Decision| {
            decision.findings().iter().map(|one| (one.rule.clone(), one.code)).collect::<Vec<_>>()
        };
        let want = codes(&decision);
        let mut at = |moment: Timestamp| {
            scene.now = moment;
            codes(&decide(&scene, Door::Registered).unwrap())
        };
        let holds = decision.holds();
        assert!(holds.contains(now()), "{}", row.name);
        if let Some(until) = holds.until {
            assert_eq!(at(until - second), want, "{}: just before its end", row.name);
        }
        if let Some(from) = holds.from {
            assert_eq!(at(from), want, "{}: at its start", row.name);
        }
    }
}

#[test]
fn the_end_of_a_time_bound_rule_is_the_end_of_the_decision() {
    for name in ["the model gets too old", "the evaluation gets too old", "a key runs out"] {
        let row = row(name);
        let until = decide(&row.scene(now()).unwrap(), Door::Registered).unwrap().holds().until;
        let scene = Scene { now: until.unwrap(), ..row.scene(now()).unwrap() };
        assert!(!decide(&scene, Door::Registered).unwrap().passed(), "{name}");
    }
}

#[test]
fn a_lineage_of_something_else_decides_nothing() {
    let scene = scene("the honest line");
    let policy = Policy::parse(&scene.policy).unwrap();
    let lineage = lineage(&scene, Door::Registered).unwrap();
    let other = attest::ArtifactId::file(attest::Sha256::of(b"other"));
    let right = policy.evaluate(&scene.artifact, &scene.stage, &lineage, scene.now);
    let wrong = policy.evaluate(&other, &scene.stage, &lineage, scene.now);
    assert!(right.passed() && right.admitted());
    assert!(!wrong.passed() && !wrong.admitted());
    assert!(wrong.findings().iter().all(|finding| finding.outcome == Outcome::Error));
}

#[test]
fn the_report_names_what_the_verdict_rests_on() {
    let scene = scene("the honest line");
    let report = decide(&scene, Door::Registered).unwrap().report();
    let names: Vec<(&str, &str)> = report
        .basis
        .single_keys
        .iter()
        .map(|key| (key.step.as_deref().unwrap_or_default(), key.name.as_str()))
        .collect();
    let want = [
        ("prepare", "data"),
        ("train", "trainer"),
        ("evaluate", "evaluator"),
        ("package", "packager"),
    ];
    assert!(want.iter().all(|one| names.contains(one)), "{names:?}");
    assert_eq!(report.basis.attestations.len(), 4);
    for id in ["prepare", "train", "evaluate", "package"] {
        assert!(report.basis.attestations.contains(&scene.body(id).unwrap()), "{id}");
    }
    assert_eq!(report.basis.slsa_build_level, 1, "keys that do not say are within reach");
    assert_eq!(report.mode, Mode::Enforce);

    let json = serde_json::to_value(&report).unwrap();
    for key in [
        "version",
        "artifact",
        "stage",
        "mode",
        "passed",
        "admitted",
        "holds",
        "policy",
        "trust",
        "completeness",
        "advisory",
        "rules",
        "findings",
        "basis",
        "rejected",
        "unexplored",
    ] {
        assert!(json.get(key).is_some(), "{key}");
    }
    assert_eq!(json["completeness"]["kind"], "followed");
    assert_eq!(json["rules"][0]["outcome"], "pass");
    assert!(json["basis"]["singleKeys"].is_array());
}

#[test]
fn a_rule_that_fails_with_another_says_with_which() {
    let cases = [
        ("the honest line", Outcome::Pass, None),
        (
            "training evaluates itself with its key",
            Outcome::Fail,
            Some("follows from steps.evaluate"),
        ),
    ];
    for (name, outcome, detail) in cases {
        let decision = decide(&scene(name), Door::Registered).unwrap();
        let of = |rule: &str| decision.rules().iter().find(|one| one.rule == rule).unwrap();
        let metric = of("ml.metrics[0]");
        assert_eq!((metric.outcome, metric.detail.as_deref()), (outcome, detail), "{name}");
        assert!(!of("artifact.known").evidence.is_empty(), "{name}");
    }
}

#[test]
fn what_only_could_not_be_decided_is_told_from_what_fails() {
    let cases = [
        ("the honest line", Door::Registered, false),
        ("the honest line", Door::Presented, true),
        ("below the policy's threshold", Door::Registered, false),
        ("below the policy's threshold", Door::Presented, false),
    ];
    for (name, door, undecided) in cases {
        let report = decide(&scene(name), door).unwrap().report();
        assert_eq!(report.is_undecided(), undecided, "{name}, {door:?}: {:?}", report.findings);
        assert!(!(report.is_undecided() && report.passed), "{name}, {door:?}");
    }
}

/// The rules beside the steps that a decision says to rest on one key, each with the key's name.
fn alone(case: &str, name: &str) -> Vec<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let cases = fixtures::load(&here).unwrap();
    let case = cases.into_iter().find(|found| found.name == case).unwrap();
    let row = case.rows.into_iter().find(|row| row.name == name).unwrap();
    let scene = row.scene(now()).unwrap();
    let keys = decide(&scene, Door::Registered).unwrap().report().basis.single_keys;
    let rules = keys.iter().filter_map(|key| Some(format!("{} {}", key.rule.as_ref()?, key.name)));
    rules.collect()
}

#[test]
fn a_rule_beside_the_steps_rests_on_one_key_or_does_not() {
    let vulnerabilities = ["scanner", "triage"];
    let vulnerabilities = vulnerabilities.map(|key| format!("dependencies.vulnerabilities {key}"));
    let cases: [(&str, &str, &[&str]); 19] = [
        ("approvals", "two people", &[]),
        ("approvals", "one person, where one is enough", &["approvals ana"]),
        ("approvals", "either of two people", &[]),
        ("approvals", "one of them", &[]),
        (
            "datasets",
            "approved and under a licence that suits",
            &["ml.datasets.licences steward", "ml.datasets.approval steward"],
        ),
        ("datasets", "approved by another as well", &["ml.datasets.licences steward"]),
        (
            "vulnerabilities",
            "nothing worse than is let pass, and one that does no harm",
            &vulnerabilities.each_ref().map(String::as_str),
        ),
        ("vulnerabilities", "nothing that needs a word", &["dependencies.vulnerabilities scanner"]),
        ("monitoring", "it fares well", &["monitoring monitor"]),
        ("monitoring", "nobody has looked yet, which is accepted", &[]),
        ("criteria", "registered before", &["ml.criteria board"]),
        ("criteria", "registered before by another as well", &[]),
        ("licences", "every one suits", &["dependencies.licences packager"]),
        ("slsa", "every level is reached", &["slsa.source source"]),
        (
            "soak",
            "as long as it must",
            &["stages.production.after gate", "stages.production.soak gate"],
        ),
        ("soak", "passed by another gate as well", &["stages.production.soak gate"]),
        (
            "fresh",
            "as old as it may be",
            &["stages.production.after gate", "stages.production.maxAge gate"],
        ),
        ("fresh", "asked for the stage before", &[]),
        ("fresh", "a second older", &["stages.production.after gate"]),
    ];
    for (case, name, want) in cases {
        assert_eq!(alone(case, name), want, "{case}, {name}");
    }
}

#[test]
fn a_summary_says_what_was_decided() {
    let cases = [
        ("the honest line", VerificationResult::Passed),
        ("below the policy's threshold", VerificationResult::Failed),
        ("asked for the stage that only warns, with a number too low", VerificationResult::Failed),
    ];
    for (name, want) in cases {
        let scene = scene(name);
        let decision = decide(&scene, Door::Registered).unwrap();
        let statement =
            summary::statement(&decision, "https://gate.example", "image", scene.now).unwrap();
        let read = Statement::parse(&statement.to_json().unwrap()).unwrap();
        assert_eq!(read, statement, "{name}");
        assert_eq!(read.subjects().unwrap(), [(scene.artifact, "image")]);
        assert_eq!(read.stage().as_ref(), Some(&scene.stage), "{name}");
        let Predicate::VerificationSummary(found) = &read.predicate else { panic!("{name}") };
        assert_eq!(found.verification_result, want, "{name}");
        assert_eq!(found.verifier.id, "https://gate.example");
        assert_eq!(found.resource_uri, scene.artifact.to_string(), "a URI, with a scheme");
        assert_eq!(found.time_verified, Some(scene.now));
        assert_eq!(found.input_attestations.len(), decision.inputs().len());
        let digest = attest::Sha256::of(scene.policy.as_bytes());
        assert_eq!(found.policy.digest.get("sha256"), Some(&digest.hex()));
        let judged = found.checkpoint.as_ref().unwrap();
        assert_eq!((judged.origin.as_str(), judged.size), (LOG_ORIGIN, scene.leaves.len() as u64));
        let passed = want == VerificationResult::Passed;
        assert_eq!(found.verified_levels.iter().any(|level| level == "FAILED"), !passed, "{name}");

        let simple = summary::simple(&decision, "https://gate.example", "image", scene.now);
        let simple = simple.unwrap();
        let read = Statement::parse(&simple.to_json().unwrap()).unwrap();
        assert_eq!(read, simple, "{name}");
        assert_eq!(read.subjects().unwrap(), [(scene.artifact, "image")]);
        let Predicate::SimpleVerification(found) = &read.predicate else { panic!("{name}") };
        assert_eq!(found.verifier.id, "https://gate.example");
        assert_eq!(found.verifier.policies[0].digest.get("sha256"), Some(&digest.hex()));
        assert_eq!(found.time_created, scene.now);
        // Only what passed is said, and nothing did where the decision did not.
        assert_eq!(found.properties.is_empty(), !passed, "{name}");
        assert_eq!(read.stage().is_some(), passed, "{name}");
    }
}

#[test]
fn a_waiver_that_ends_within_a_week_is_marked_for_whoever_reads_of_it() {
    const WEEK: u64 = 7 * 24 * 60 * 60;
    let before = |until: Timestamp, seconds| until - Duration::from_secs(seconds);
    for (name, accepted) in
        [("one asks and another approves", true), ("whoever asks signs alone", false)]
    {
        let decision = decide(&scene(name), Door::Registered).unwrap();
        let report = decision.report();
        let [waiver] = report.waivers.as_slice() else { panic!("{name}: {report:?}") };
        let until = waiver.until.unwrap();
        let soon = |time| decision.report_at(time).waivers.iter().any(|one| one.soon);
        assert_eq!(waiver.accepted, accepted, "{name}");
        let marks = [soon(before(until, WEEK + 1)), soon(before(until, WEEK))];
        assert_eq!(marks, [false, accepted], "{name}");
        // Nothing is marked for whoever does not say when they read it.
        assert!(!waiver.soon, "{name}");
    }
}
