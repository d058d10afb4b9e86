//! Policies and evidence that somebody made to be hard: each is refused, or judged within its
//! bounds.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed; a bound on time is held against a clock"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use attest::{ArtifactId, Timestamp};
use fixtures::{LOG_ORIGIN, Recipe, Row, Scene};
use policy::{Code, MAX_BYTES, Outcome, Policy};
use serde_json::{Value, json};
use support::{Door, decide};
use verify::{Direction, Follower, Trace, Trust};

/// How long anything here may take, built without optimisation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const GOOD: &str = "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: hard, version: 1}
stages:
  one: {mode: enforce}
  two: {mode: enforce, after: [one]}
trust: {signers: {a: {identity: {regex: 'a@b'}}, b: {identity: {exact: 'b@b'}}, c: {identity: {exact: 'c@b'}}}}
steps:
  prepare: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [a]}}
  train: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [b]}}
  evaluate: {predicates: [evaluation/v0.1], signers: {anyOf: [c], notSameAs: train}}
flow:
  - {from: prepare.products, to: train.materials, coverage: any}
  - {from: train.products, to: evaluate.subject, coverage: all}
  - {forbid: {from: prepare.products, select: holdout.csv, to: train.materials}, strength: declared-files}
ml:
  metrics:
    - {step: evaluate, name: loss, dataset: {digest: 'sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f'}, atMost: '0.5', minSamples: 1}
    - {step: evaluate, name: loss, dataset: {digest: 'sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f'}, atLeast: '0.1', minSamples: 9}
  hyperparameters: {train: {rate: {oneOf: [1, 5], atLeast: 1, atMost: '1.0'}}}
";

/// What to replace, by what, where the error stands, and what it says; beside each the smallest
/// change that can hold.
#[test]
fn rules_that_cannot_hold_together_are_refused() {
    assert!(Policy::parse(GOOD).is_ok());
    let rows = [
        (
            "one: {mode: enforce}",
            "one: {mode: enforce, after: [two]}",
            "line 5",
            "`one` would have to come before itself",
        ),
        (
            "to: evaluate.subject, coverage: all",
            "to: evaluate.subject, coverage: all}\n  - {from: evaluate.subject, to: prepare.materials, coverage: any",
            "line",
            "lead back to it",
        ),
        (
            "to: train.materials, coverage: any",
            "to: train.materials, coverage: all",
            "line 15",
            "demands this very flow",
        ),
        (
            "to: train.materials, coverage: any",
            "select: holdout.csv, to: train.materials, coverage: any",
            "line 15",
            "demands this very flow",
        ),
        (
            "select: holdout.csv, to: train.materials}, str",
            "to: train.materials}, str",
            "line 15",
            "demands this very flow",
        ),
        ("atLeast: '0.1'", "atLeast: '0.51'", "line 19", "no number is within these bounds"),
        ("oneOf: [1, 5]", "oneOf: [5]", "line 20", "no value of `oneOf` is within"),
        ("oneOf: [1, 5]", "oneOf: [one]", "line 20", "no value of `oneOf` is within"),
        ("atLeast: 1,", "atLeast: 2,", "line 20", "no value is both"),
        ("anyOf: [c], notSameAs", "anyOf: [b], notSameAs", "line 11", "one and the same signer"),
    ];
    for (from, to, place, want) in rows {
        assert!(GOOD.contains(from), "{from}");
        let error = Policy::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with(place) && error.contains(want), "{from} -> {to}: {error}");
    }
    let rows = [
        (
            "to: train.materials, coverage: any",
            "select: train.csv, to: train.materials, coverage: any",
        ),
        ("atLeast: '0.1'", "atLeast: '0.5'"),
        ("oneOf: [1, 5]", "oneOf: ['1e0', 5]"),
        ("anyOf: [c], notSameAs", "anyOf: [b, c], notSameAs"),
    ];
    for (from, to) in rows {
        assert!(Policy::parse(&GOOD.replacen(from, to, 1)).is_ok(), "{from} -> {to}");
    }
}

/// Patterns that take other engines for ever are read and matched in linear time, or refused.
#[test]
fn catastrophic_patterns_are_refused_or_cost_nothing() {
    let start = Instant::now();
    for (pattern, read) in [
        ("(a+)+$", true),
        ("(a|aa)+b", true),
        ("(.*.*.*.*.*)*x", true),
        ("((a{100}){100}){100}", false),
        ("(?=a)a", false),
    ] {
        let policy = Policy::parse(&GOOD.replacen("'a@b'", &format!("'{pattern}'"), 1));
        assert_eq!(policy.is_ok(), read, "{pattern}: {:?}", policy.err());
        if read {
            let pattern = verify::Pattern::regex(pattern).unwrap();
            assert!(!pattern.matches(&format!("{}!", "a".repeat(100_000))));
        }
    }
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn long_documents_are_refused_before_they_are_read() {
    let long = format!("{GOOD}# {}\n", "x".repeat(MAX_BYTES));
    assert!(Policy::parse(&long).unwrap_err().to_string().contains("more than the limit"));
}

/// What somebody forged, signed alone, took back for themselves or dated ahead: its case, its row, and
/// the code of the finding that stands against it.
#[test]
fn what_is_forged_or_self_made_has_a_clear_finding() {
    let forged = "a summary in the log under the signature of somebody who is no verifier";
    let rows = [
        ("19-failed-where-it-was-only-warned", forged, Code::StageNotPassed),
        ("22-vsa-that-has-not-seen-all", "", Code::StageNotPassed),
        ("22-waivers", "whoever asks signs alone", Code::AgeExceeded),
        ("22-waivers", "whoever approves signs alone", Code::AgeExceeded),
        (
            "11-revocations",
            "a key revokes itself, and its earlier revocation with it",
            Code::RevokedArtifact,
        ),
        ("08-dated-in-the-future", "an hour ahead", Code::AgeFuture),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/attacks");
    let cases = fixtures::load(&folder).unwrap();
    for (case, name, code) in rows {
        let case = cases.iter().find(|one| one.name == case).unwrap();
        let denied = |row: &&Row| {
            let outcome = row.registered.as_ref().or(row.presented.as_ref());
            outcome.is_some_and(|outcome| outcome.codes.contains(code.as_str()))
        };
        let mut rows = case.rows.iter().filter(|row| name.is_empty() || row.name == name);
        let row = rows.find(denied).unwrap();
        let door = if row.registered.is_some() { Door::Registered } else { Door::Presented };
        let start = Instant::now();
        let scene = row.scene("2026-11-20T12:00:00Z".parse().unwrap()).unwrap();
        let decision = decide(&scene, door).unwrap();
        assert!(!decision.passed() && !decision.admitted(), "{name}");
        let finding = decision.findings().iter().find(|finding| finding.code == code);
        let finding = finding.unwrap_or_else(|| panic!("{name}: {:?}", decision.findings()));
        assert!(!finding.message.is_empty() && finding.next.is_some(), "{finding:?}");
        assert!(start.elapsed() < PATIENCE, "{name}: {:?}", start.elapsed());
    }
}

/// A model of which a hundred thousand files went in: what is beyond the bounds is not looked at,
/// and that is an error, never "allowed".
#[test]
fn a_lineage_of_a_hundred_thousand_artifacts_is_undecided_within_its_time() {
    let start = Instant::now();
    let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let (parts, files) = (50, 2000);
    let made = |id: &str, materials: Vec<String>, about: &str| {
        json!({"id": id, "sign": "trainer", "says": "training", "step": "train",
            "materials": materials, "about": [about], "at": "-4h"})
    };
    let evidence: Vec<Value> = (0..parts)
        .map(|part| {
            let files = (0..files).map(|file| format!("data/{part}/{file}")).collect();
            made(&format!("part {part}"), files, &format!("part/{part}"))
        })
        .chain([made("model", (0..parts).map(|part| format!("part/{part}")).collect(), "model")])
        .collect();
    let recipe: Recipe = serde_json::from_value(json!({
        "artifact": "model", "stage": "production",
        "keys": {"trainer": {"predicates": ["provenance"], "steps": ["train"], "artifacts": ["**"]}},
        "evidence": evidence,
    }))
    .unwrap();
    let policy = json!({
        "apiVersion": "assay/v1", "kind": "PromotionPolicy", "metadata": {"name": "large", "version": 1},
        "stages": {"production": {"mode": "enforce"}},
        "steps": {"train": {"predicates": ["https://slsa.dev/provenance/v1"], "signers": {"anyOf": ["trainer"]}}},
    });
    let scene = Scene::new(&recipe, &policy, now).unwrap();
    let trust = Trust::parse(&scene.trust).unwrap();
    let mut follower = Follower::new(LOG_ORIGIN, &trust).unwrap();
    for (index, (leaf, body)) in (0..).zip(&scene.leaves) {
        follower.leaf(index, leaf.bytes(), body.as_deref()).unwrap();
    }
    let followed = follower.finish(&scene.checkpoint, &trust).unwrap();
    let mut about: BTreeMap<ArtifactId, Vec<attest::Bundle>> = BTreeMap::new();
    for one in &scene.evidence {
        for subject in &one.subjects {
            about.entry(*subject).or_default().extend(one.registered.clone());
        }
    }
    let traced = Instant::now();
    let mut trace = Trace::new(scene.artifact, Direction::Up, &trust, &followed.negatives, now);
    while let Some(wanted) = trace.wanted().first().copied() {
        trace.supply(wanted, about.get(&wanted).cloned().unwrap_or_default(), None);
    }
    let lineage = trace.finish();
    assert!(lineage.artifacts().len() <= verify::MAX_ARTIFACTS, "{}", lineage.artifacts().len());
    let policy = Policy::parse(&scene.policy).unwrap();
    let decision = policy.evaluate(&scene.artifact, &scene.stage, &lineage, now);
    assert!(!decision.passed() && !decision.admitted());
    let undecided = |code: Code| {
        decision.findings().iter().any(|one| one.code == code && one.outcome == Outcome::Error)
    };
    assert!(undecided(Code::TraceUnexplored), "{:?}", decision.findings());
    assert!(traced.elapsed() < PATIENCE, "{:?} after {:?}", traced.elapsed(), start.elapsed());
}
