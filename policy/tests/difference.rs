//! What one policy asks otherwise than another: each row changes one thing of a document and says
//! which way that goes. The same change the other way round goes the other way.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use policy::{ChangeKind, Difference, Effect, Policy};

const WHOLE: &str = include_str!("../../tests/policy_schema/whole.yaml");

fn difference(older: &str, newer: &str) -> Difference {
    let read = |text: &str| Policy::parse(text).unwrap();
    read(older).difference(&read(newer))
}

use ChangeKind::{Added, Changed, Removed};
use Effect::{Looser, Nothing, Tighter};

/// What to replace, by what, and the change that must be found.
const ROWS: &[(&str, &str, &str, ChangeKind, Effect)] = &[
    ("atLeast: \"0.95\"", "atLeast: \"0.96\"", "ml.metrics[0].atLeast", Changed, Tighter),
    (
        "atMost: \"1\"\n      minSamples",
        "atMost: \"2\"\n      minSamples",
        "ml.metrics[0].atMost",
        Changed,
        Looser,
    ),
    ("minSamples: 100", "minSamples: 99", "ml.metrics[0].minSamples", Changed, Looser),
    (
        "gapAtMost: \"0.05\"",
        "gapAtMost: \"0.06\"",
        "ml.metrics[0].slices.gapAtMost",
        Changed,
        Looser,
    ),
    (
        "\n      slices: {atLeast: \"0.90\", atMost: \"1\", gapAtMost: \"0.05\"}",
        "",
        "ml.metrics[0].slices",
        Removed,
        Looser,
    ),
    ("ages: {train: 90d,", "ages: {train: 91d,", "ages.train", Changed, Looser),
    (
        "    log: required\n    text",
        "    log: optional\n    text",
        "layouts[0].log",
        Changed,
        Looser,
    ),
    ("ages: {train: 90d,", "ages: {train: 89d,", "ages.train", Changed, Tighter),
    ("ages: {train: 90d,", "ages: {", "ages.train", Removed, Looser),
    (
        "train: {signers: [release], threshold: 1}",
        "train: {signers: [release, ci]}",
        "corroboration.train.signers",
        Changed,
        Looser,
    ),
    ("completeness: followed", "completeness: claimed", "completeness", Changed, Looser),
    (
        "maxSeverity: medium",
        "maxSeverity: high",
        "dependencies.vulnerabilities.maxSeverity",
        Changed,
        Looser,
    ),
    (", vex: {signers: [release]}", "", "dependencies.vulnerabilities.vex", Removed, Tighter),
    (
        "licences: {allow: [CC-BY-4.0, MIT]",
        "licences: {allow: [MIT]",
        "ml.datasets.licences.allow",
        Changed,
        Tighter,
    ),
    ("deny: [pickle]", "deny: [pickle, keras]", "ml.weights.formats.deny", Changed, Tighter),
    ("detected: required", "detected: optional", "ml.weights.detected", Changed, Looser),
    (
        "epochs: {atMost: 50, required: true}",
        "epochs: {atMost: 50, required: false}",
        "ml.hyperparameters.train.epochs.required",
        Changed,
        Looser,
    ),
    (
        "solver: {oneOf: [lbfgs, saga]}",
        "solver: {oneOf: [lbfgs]}",
        "ml.hyperparameters.train.solver.oneOf",
        Changed,
        Tighter,
    ),
    (
        "solver: {oneOf: [lbfgs, saga]}",
        "solver: {oneOf: [lbfgs, sag]}",
        "ml.hyperparameters.train.solver.oneOf",
        Changed,
        Effect::Changed,
    ),
    (
        "signers: {anyOf: [release, other], threshold: 2",
        "signers: {anyOf: [release, other], threshold: 1",
        "approvals.signers.threshold",
        Changed,
        Looser,
    ),
    (
        ", notSameAs: train}, maxAge: 30d}",
        "}, maxAge: 30d}",
        "approvals.signers.notSameAs",
        Removed,
        Looser,
    ),
    (
        "monitoring: {signers: [release], maxAge: 24h",
        "monitoring: {signers: [release], maxAge: 25h",
        "monitoring.maxAge",
        Changed,
        Looser,
    ),
    ("onMissing: accept", "onMissing: deny", "monitoring.onMissing", Changed, Tighter),
    ("except: [script]", "except: [script, note]", "ml.datasets.except", Changed, Looser),
    ("verdict: denied, codes: [age.exceeded]", "verdict: denied", "tests", Changed, Nothing),
    (
        "name: holdout, digest: \"sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\", notIn",
        "name: kept, digest: \"sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\", notIn",
        "ml.holdout[0].name",
        Changed,
        Nothing,
    ),
    (
        "registeredBefore: evaluate, signers: [release], digest: \"sha256:0f",
        "registeredBefore: evaluate, signers: [release], digest: \"sha256:1f",
        "ml.criteria.digest",
        Changed,
        Effect::Changed,
    ),
    ("  criteria: {", "  # criteria: {", "ml.criteria", Removed, Looser),
];

#[test]
fn each_change_has_its_place_and_its_direction() {
    for (from, to, at, kind, effect) in ROWS {
        assert!(WHOLE.contains(from), "{from}");
        let newer = WHOLE.replacen(from, to, 1);
        let found = difference(WHOLE, &newer);
        let shown: Vec<_> =
            found.changes.iter().map(|one| (one.at.as_str(), one.kind, one.effect)).collect();
        assert_eq!(shown, [(*at, *kind, *effect)], "{from} -> {to}");
        assert_eq!((found.effect, found.same), (*effect, *effect == Nothing), "{from} -> {to}");

        let back = difference(&newer, WHOLE);
        let (kind, effect) = match (kind, effect) {
            (Removed, effect) => (Added, *effect),
            (Added, effect) => (Removed, *effect),
            (kind, effect) => (*kind, *effect),
        };
        let effect = match effect {
            Looser => Tighter,
            Tighter => Looser,
            other => other,
        };
        let shown: Vec<_> = back.changes.iter().map(|one| (one.kind, one.effect)).collect();
        assert_eq!(shown, [(kind, effect)], "{to} -> {from}");
    }
}

/// Ways to write the same that are no difference.
#[test]
fn the_same_in_other_words_is_the_same() {
    let rows = [
        ("atLeast: \"0.95\"", "atLeast: 0.950"),
        ("maxAge: 24h", "maxAge: 1d"),
        ("atLeast: 1e-6", "atLeast: \"0.000001\""),
        ("allow: [CC-BY-4.0, MIT], signers", "allow: [MIT, CC-BY-4.0], signers"),
        ("completeness: followed\n", ""),
        ("name: holdout, digest: \"sha256:", "name: holdout, digest: \"file:sha256:"),
        (", threshold: 1, maxAge: 365d", ", maxAge: 365d"),
        ("train.materials, strength: declared-files}\n  criteria", "train.materials}\n  criteria"),
    ];
    for (from, to) in rows {
        assert!(WHOLE.contains(from), "{from}");
        let found = difference(WHOLE, &WHOLE.replacen(from, to, 1));
        assert!(found.same && found.changes.is_empty(), "{from} -> {to}: {:?}", found.changes);
    }
}

#[test]
fn lines_that_move_are_the_same_lines_and_rules_say_what_they_ask() {
    let head = "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: lines, version: 1}
stages: {production: {mode: enforce}}
steps:
  train: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [a, b]}}
  evaluate: {predicates: [evaluation/v0.1], signers: {anyOf: [c]}}
";
    let metric = |name: &str, least: &str| {
        format!(
            "    - {{step: evaluate, name: {name}, dataset: {{digest: 'sha256:{}'}}, atLeast: '{least}', minSamples: 1}}\n",
            "0f".repeat(32)
        )
    };
    let document = |lines: &[String]| format!("{head}ml:\n  metrics:\n{}", lines.concat());
    let (one, other) = (metric("accuracy", "0.9"), metric("recall", "0.8"));
    let older = document(&[one.clone(), other.clone()]);
    assert!(difference(&older, &document(&[other.clone(), one.clone()])).same);

    let found = difference(&older, &document(&[other, metric("accuracy", "0.85")]));
    let [change] = found.changes.as_slice() else { panic!("{found:?}") };
    assert_eq!((change.at.as_str(), change.effect), ("ml.metrics[1].atLeast", Looser));
    let asked = |least: &str| {
        Some(format!("accuracy of evaluate at least {least} on file:sha256:{}", "0f".repeat(32)))
    };
    assert_eq!((&change.asked, &change.asks), (&asked("0.9"), &asked("0.85")));

    let anybody = older.replace("anyOf: [a, b]", "anyOf: ['*']");
    assert_eq!(difference(&older, &anybody).effect, Looser);
    assert_eq!(difference(&older, &document(&[one])).effect, Looser);
    let both = anybody.replace("'0.9'", "'0.99'");
    assert_eq!(difference(&older, &both).effect, Effect::Changed);
    let short =
        older.replace("evaluation/v0.1", "'https://assay.example/attestation/evaluation/v0.1'");
    assert!(difference(&older, &short).same);
}
