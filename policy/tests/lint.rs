//! Rules that nothing can break, or nothing can satisfy, are found; sound ones are left alone.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fixtures::{Row, Scene};
use policy::{
    FaultKind, LintError, LintReport, MAX_CHANGES, MAX_CHANGES_OF_A_RULE, Policy, Specimen,
    WhyUntried,
};
use serde_json::{Value, json};
use support::{Door, decide, lineage};
use verify::{Custody, Demands, May, Pattern, SigstoreRoot, Trust, Whom, Window};

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
        if row.name.starts_with("the trainer signs the evaluation too")
            // And this policy says whom it is for, and asks it of nobody.
            || row.name == "written for other names, and to be applied all the same"
        {
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
        *policy.pointer_mut(place).unwrap() = value.clone();
    }
    policy.to_string()
}

/// The cases beside this file, over the honest line and its policy.
fn planted() -> Vec<(String, Row)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint");
    let cases = ["planted", "overlapping"]
        .map(|case| (case, fs::read_to_string(here.join(case).join("case.yaml")).unwrap()));
    over_the_line("lint", &cases)
}

/// Cases over the honest line and its policy, laid out in a folder of that name.
fn over_the_line(folder: &str, cases: &[(&str, String)]) -> Vec<(String, Row)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lint").join(folder);
    for (case, text) in cases {
        fs::create_dir_all(folder.join(case)).unwrap();
        fs::write(folder.join(case).join("case.yaml"), text).unwrap();
    }
    for shared in ["line.yaml", "policy.yaml"] {
        fs::copy(here.join(shared), folder.join(shared)).unwrap();
    }
    let cases = fixtures::load(&folder).unwrap().into_iter();
    cases.flat_map(|case| case.rows.into_iter().map(move |row| (case.name.clone(), row))).collect()
}

/// The kind of a fault as reports have it.
fn word(kind: FaultKind) -> String {
    serde_json::to_value(kind).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn what_is_planted_is_found_and_its_sound_twin_is_not() {
    let (mut wrong, mut found_kinds, mut ways) = (Vec::new(), BTreeSet::new(), 0);
    for (case, row) in planted() {
        let scene = row.scene("2026-11-20T12:00:00Z".parse().unwrap()).unwrap();
        let (expected, _) = row.name.split_once(": ").unwrap();
        let report = match lint(&scene, &scene.policy, &scene.trust) {
            Ok(report) => report,
            Err(error) => {
                wrong.push(format!("{case}, `{}`: {error:?}", row.name));
                continue;
            }
        };
        let faults: Vec<String> = report
            .faults
            .iter()
            .map(|fault| format!("{} at {}", word(fault.kind), fault.rule))
            .collect();
        let good = match expected {
            "sound" => faults.is_empty(),
            _ => faults.iter().any(|fault| fault == expected),
        };
        if !good {
            wrong.push(format!("{case}, `{}`: {:#?}", row.name, report.faults));
        }
        if expected != "sound" {
            ways += 1;
            found_kinds.extend(expected.split_once(' ').map(|(kind, _)| kind.to_owned()));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    assert!(ways > 16 && found_kinds.len() == 7, "{ways} {found_kinds:?}");
}

/// A trust file with two signers without keys: what their subjects are, and who answers for them.
fn keyless(signers: [(&str, Pattern, &str); 2]) -> Trust {
    let now = "2026-11-20T12:00:00Z".parse().unwrap();
    let instance = fixtures::sigstore::Instance::new("https://issuer.example", now).unwrap();
    let root = instance.trusted_root(&[]).unwrap().to_string();
    let root = SigstoreRoot::parse(&root).unwrap();
    let mut trust = Trust::empty();
    trust.add_root("instance", &root, Demands::default()).unwrap();
    for (name, subject, owner) in signers {
        let issuer = Pattern::exact("https://issuer.example").unwrap();
        let whom = Whom { issuer, subject, claims: [].into() };
        let types = ["https://slsa.dev/provenance/v1", attest::predicate::EVALUATION];
        let may = May::of(&["train", "evaluate"], &types, &["*"], &[]).unwrap();
        let (window, custody) = (Window::default(), Custody::Separate);
        trust.add_signer(name, "instance", &whom, owner, &may, window, custody).unwrap();
    }
    trust
}

#[test]
fn one_certificate_that_is_two_owners_is_found() {
    let policy = |evaluate: &str| {
        let text = format!(
            "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {{name: keyless, version: 1}}
stages: {{production: {{mode: enforce}}}}
steps:
  train: {{predicates: ['https://slsa.dev/provenance/v1'], signers: {{anyOf: [trainer]}}}}
  evaluate: {{predicates: [evaluation/v0.1], signers: {evaluate}}}
"
        );
        Policy::parse(&text).unwrap()
    };
    let apart = policy("{anyOf: [evaluator], notSameAs: train}");
    let both = policy("{anyOf: [trainer, evaluator], threshold: 2}");
    let one = policy("{anyOf: [evaluator]}");
    let exact = || Pattern::exact("https://git.example/acme/eval/ci.yml").unwrap();
    let glob = |text: &str| Pattern::glob(text).unwrap();
    let regex = |text: &str| Pattern::regex(text).unwrap();
    let rows = [
        ("every workflow trains", &apart, glob("https://git.example/acme/**"), "ana", true),
        ("its own workflow trains", &apart, glob("https://git.example/acme/train/*"), "ana", false),
        ("a pattern that is too wide", &apart, regex(r"https://git\.example/acme/.+"), "ana", true),
        ("one that is not", &apart, regex(r"https://git\.example/acme/train/.+"), "ana", false),
        (
            "everything under it",
            &apart,
            Pattern::under("https://git.example/acme").unwrap(),
            "ana",
            true,
        ),
        ("the same of one person", &apart, glob("https://git.example/acme/**"), "ben", true),
        ("two at once", &both, glob("https://git.example/acme/**"), "ana", true),
        ("two that are apart", &both, glob("https://git.example/acme/train/*"), "ana", false),
        ("where nobody wants two", &one, glob("https://git.example/acme/**"), "ana", false),
    ];
    for (name, policy, trains, owner, overlaps) in rows {
        let trust = keyless([("trainer", trains, owner), ("evaluator", exact(), "ben")]);
        let faults = policy.lint_scopes(&trust);
        let found = faults.iter().any(|fault| fault.kind == FaultKind::Overlap);
        assert_eq!(found, overlaps, "{name}: {faults:?}");
        assert!(faults.iter().all(|fault| fault.rule == "steps.evaluate"), "{name}: {faults:?}");
    }
}

#[test]
fn what_is_not_tried_is_listed_with_how_many_and_why() {
    let scene = honest();
    let report = lint(&scene, &scene.policy, &scene.trust).unwrap();
    let left = |why| report.untried.iter().filter(move |one| one.why == why);
    assert!(left(WhyUntried::NotNeeded).all(|one| one.changes > 0 && one.rule.is_some()));
    let whole: Vec<_> = left(WhyUntried::OfEveryPolicy).collect();
    assert!(whole.iter().any(|one| one.rule.as_deref() == Some("revocation")), "{whole:?}");
    // One part of the data is apart from no other.
    let alone: Vec<_> = left(WhyUntried::NoNumber).collect();
    assert_eq!(alone.len(), 1, "{alone:?}");
    assert!(left(WhyUntried::TooManyOfRule).next().is_none(), "{report:?}");

    // A rule that nothing breaks, over more than is tried of one rule, and more than is looked at.
    let parts: Vec<Value> = (0..90)
        .map(|part| {
            let value = part.to_string();
            json!({"feature": "part", "value": value, "samples": 1, "metrics": {"accuracy": "0.96"}})
        })
        .collect();
    let text = "package assay\n\nfew := {11, 12, 13, 14, 15, 16, 17, 18, 19, 20}\n\n\
        deny contains \"x\" if count(input.chain.train) < 0\n";
    let rego = json!([{"id": "R-1", "text": text}]);
    let row = json!({
        "name": "many",
        "change": {"events": {"evaluate": {"slices": parts}}, "policy": {"set": {"/rego": rego}}},
        "registered": {"verdict": "allowed"},
    });
    let many = json!({"tries": "More than is tried.", "rows": [row]}).to_string();
    let rows = over_the_line("many", &[("many", many)]);
    let scene = rows[0].1.scene(scene.now).unwrap();
    let report = lint(&scene, &scene.policy, &scene.trust).unwrap();
    for why in [WhyUntried::TooManyOfRule, WhyUntried::TooManyFields] {
        let mut of_rego = report.untried.iter().filter(|one| one.why == why);
        let found = of_rego.find(|one| one.rule.as_deref() == Some("rego.R-1"));
        assert!(found.is_some_and(|one| one.changes > 0), "{why:?}: {:?}", report.untried);
    }
    assert!(report.tried >= MAX_CHANGES_OF_A_RULE && report.tried <= MAX_CHANGES);
}

#[test]
fn where_one_rule_cannot_hold_the_others_are_not_tried() {
    let scene = honest();
    let signers = |signers| {
        let policy = with(&scene.policy, &[("/steps/evaluate/signers", signers)]);
        lint(&scene, &policy, &scene.trust).unwrap()
    };
    let untried = |report: &LintReport, rule: &str| {
        let why = WhyUntried::AnotherCannotHold;
        report.untried.iter().any(|one| one.why == why && one.rule.as_deref() == Some(rule))
    };
    for wanted in
        [json!({"anyOf": ["gate"]}), json!({"anyOf": ["evaluator", "gate"], "threshold": 2})]
    {
        let report = signers(wanted);
        let found: Vec<_> = report.faults.iter().map(|one| (one.rule.as_str(), one.kind)).collect();
        assert_eq!(found, [("steps.evaluate", FaultKind::Unsatisfiable)], "{report:?}");
        assert!(untried(&report, "steps.train") && report.tried == 0, "{report:?}");
        assert!(!untried(&report, "steps.evaluate") && report.broken.is_empty(), "{report:?}");
    }
    let report = signers(json!({"anyOf": ["evaluator", "gate"]}));
    assert!(report.faults.is_empty() && !untried(&report, "steps.train"), "{report:?}");
    assert!(report.broken.iter().any(|one| one.rule == "steps.train"), "{report:?}");
}

#[test]
fn a_moment_from_which_on_a_policy_is_in_force_breaks_it_before() {
    let scene = honest();
    let mut policy: Value = serde_json::from_str(&scene.policy).unwrap();
    policy["validity"] = json!({"notBefore": "2026-11-01T00:00:00Z"});
    let report = lint(&scene, &policy.to_string(), &scene.trust).unwrap();
    let found = report.broken.iter().find(|one| one.rule == "validity");
    assert_eq!(found.map(|one| one.by.as_str()), Some("asked at 2026-10-31T23:59:59Z"));
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
