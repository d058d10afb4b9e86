//! Rules that nothing can break, or nothing can satisfy, are found; sound ones are left alone.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use fixtures::{Row, Scene};
use policy::{FaultKind, LintError, LintReport, Policy, Specimen};
use serde_json::{Value, json};
use support::{Door, decide, lineage};
use verify::Trust;

fn rows() -> Vec<(String, Row)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [here.join("../tests/attacks"), here.join("tests/cases")];
    let cases = folders.iter().flat_map(|folder| fixtures::load(folder).unwrap());
    cases.flat_map(|case| case.rows.into_iter().map(move |row| (case.name.clone(), row))).collect()
}

fn lint(scene: &Scene, policy: &str, trust: &str) -> Result<LintReport, LintError> {
    let policy = Policy::parse(policy).unwrap();
    let trust = Trust::parse(trust).unwrap();
    let lineage = lineage(scene, Door::Registered).unwrap();
    let Scene { artifact, stage, now, .. } = scene;
    let specimen = Specimen { artifact, stage, lineage: &lineage, trust: &trust, now: *now };
    policy.lint(&specimen, &mut |_, _| {})
}

#[test]
fn no_sound_policy_has_a_fault() {
    let (mut wrong, mut looked, mut policies) = (Vec::new(), 0, BTreeSet::new());
    for (case, row) in rows() {
        if row.registered.is_none() {
            continue;
        }
        let scene = row.scene("2026-11-20T12:00:00Z".parse().unwrap()).unwrap();
        if scene.submissions.iter().any(|one| one.refused)
            || !decide(&scene, Door::Registered)
                .is_ok_and(|decision| decision.passed() && decision.findings().is_empty())
        {
            continue;
        }
        // Its trust file lets one person sign both sides on purpose.
        if row.name.starts_with("the trainer signs the evaluation too") {
            continue;
        }
        // Rows of a case differ in their evidence, and mostly not in what they ask.
        if !policies.insert(scene.policy.clone()) {
            continue;
        }
        looked += 1;
        for fault in lint(&scene, &scene.policy, &scene.trust).unwrap().faults {
            wrong.push(format!("{case}, `{}`: {fault:?}", row.name));
        }
    }
    assert!(looked > 20, "{looked}");
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// The honest line, which its policy allows.
fn honest() -> Scene {
    let (_, row) = rows().into_iter().find(|(_, row)| row.name == "the honest line").unwrap();
    row.scene("2026-11-20T12:00:00Z".parse().unwrap()).unwrap()
}

fn with(policy: &str, changes: &[(&str, Value)]) -> String {
    let mut policy: Value = serde_json::from_str(policy).unwrap();
    for (place, value) in changes {
        let (whole, key) = place.rsplit_once('/').unwrap();
        let whole = policy.pointer_mut(whole).unwrap();
        match whole {
            Value::Array(items) => items[key.parse::<usize>().unwrap()] = value.clone(),
            _ => whole[key] = value.clone(),
        }
    }
    policy.to_string()
}

/// The trust file with nobody who may promote to another stage.
fn production_alone(trust: &str) -> String {
    let mut trust: Value = serde_json::from_str(trust).unwrap();
    for key in trust["keys"].as_array_mut().unwrap() {
        if !key["may"]["stages"].is_null() {
            key["may"]["stages"] = json!(["production"]);
        }
    }
    trust.to_string()
}

/// What is planted: its name, what it changes in the policy, the rule that is at fault, and how.
type Planted<'a> = (&'a str, Vec<(&'a str, Value)>, &'a str, FaultKind);

#[test]
fn rules_that_are_planted_vacuous_in_eleven_ways_are_found() {
    let rego = |body: &str| json!([{"id": "R-1", "text": format!("package assay\n\n{body}\n")}]);
    let everybody = json!(["data", "trainer", "evaluator", "packager", "gate", "security"]);
    let unknown = format!("sha256:{}", "ab".repeat(32));
    let cases: Vec<Planted<'_>> = vec![
        (
            "a share that is at least nothing",
            vec![
                ("/ml/metrics/0/atLeast", json!("0")),
                ("/ml/metrics/0/slices", json!({"atLeast": "0"})),
            ],
            "ml.metrics",
            FaultKind::VacuousBound,
        ),
        (
            "a hundred years",
            vec![("/ages/train", json!("36500d"))],
            "ages.train",
            FaultKind::Vacuous,
        ),
        (
            "Rego that looks for a field that nobody writes",
            vec![(
                "/rego",
                rego(
                    "deny contains \"slow\" if {\n    some one in input.chain.train\n    one.predicate.acuracy < 0.5\n}",
                ),
            )],
            "rego.R-1",
            FaultKind::Vacuous,
        ),
        (
            "Rego that asks for what cannot be",
            vec![(
                "/rego",
                rego("deny contains \"none\" if {\n    count(input.chain.train) < 0\n}"),
            )],
            "rego.R-1",
            FaultKind::Vacuous,
        ),
        ("every name", vec![("/match", json!({"names": ["**"]}))], "match", FaultKind::Vacuous),
        (
            "a hold-out that is nobody's data",
            vec![("/ml/holdout", json!([{"digest": unknown, "notIn": "train.materials"}]))],
            "ml.holdout",
            FaultKind::Vacuous,
        ),
        (
            "a bound that no number reaches",
            vec![(
                "/ml/hyperparameters",
                json!({"train": {"epochs": {"atMost": "1e18", "required": false}}}),
            )],
            "ml.hyperparameters.train.epochs",
            FaultKind::VacuousBound,
        ),
        (
            "whoever there is",
            vec![("/steps/train/signers/anyOf", everybody)],
            "steps.train",
            FaultKind::VacuousSigners,
        ),
        (
            "more owners than there are",
            vec![
                ("/steps/train/signers", json!({"anyOf": ["trainer"], "threshold": 1})),
                ("/steps/evaluate/signers", json!({"anyOf": ["gate"]})),
            ],
            "steps.evaluate",
            FaultKind::Unsatisfiable,
        ),
        (
            "a stage before that nobody can say was passed",
            vec![(
                "/stages",
                json!({"staging": {"mode": "enforce"}, "production": {"mode": "enforce", "after": ["staging"]}}),
            )],
            "stages.production",
            FaultKind::Unreachable,
        ),
    ];
    let scene = honest();
    for (name, changes, rule, kind) in &cases {
        let trust = match kind {
            FaultKind::Unreachable => production_alone(&scene.trust),
            _ => scene.trust.clone(),
        };
        let policy = with(&scene.policy, changes);
        let faults = match lint(&scene, &policy, &trust) {
            Ok(report) => report.faults,
            Err(error) => panic!("{name}: {error:?}\n{trust}"),
        };
        let found = faults.iter().any(|one| one.kind == *kind && one.rule.starts_with(rule));
        assert!(found, "{name}: {faults:?}");
    }
    let (_, both) = rows()
        .into_iter()
        .find(|(_, row)| row.name.starts_with("the trainer signs the evaluation too"))
        .unwrap();
    let both = both.scene(scene.now).unwrap();
    let report = lint(&both, &both.policy, &both.trust).unwrap();
    assert!(report.faults.iter().any(|one| one.kind == FaultKind::Overlap), "{report:?}");
    assert!(report.broken.len() > 8 && report.tried > 20, "{report:?}");
}

#[test]
fn what_does_not_pass_cannot_be_broken() {
    let scene = honest();
    let policy = with(&scene.policy, &[("/ml/metrics/0/atLeast", json!("0.99"))]);
    let refused = lint(&scene, &policy, &scene.trust).unwrap_err();
    let LintError::DoesNotPass { findings, .. } = refused else { panic!("{refused:?}") };
    assert!(!findings.is_empty());
    let presented = decide(&scene, Door::Presented).unwrap();
    assert!(!presented.passed(), "nor what is not in a register that was read");
}
