//! What a key may sign, at most: nothing is implied, and names are matched whole.

use attest::Statement;
use serde_json::json;
use verify::{May, OutOfScope};

const TRAINING: &str = "https://assay.example/build-type/training/v1";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
const EVALUATION: &str = "https://assay.example/attestation/evaluation/v0.1";
const SUMMARY: &str = "https://slsa.dev/verification_summary/v1";

fn statement(names: &[&str], predicate_type: &str, predicate: &serde_json::Value) -> Statement {
    let hex = "ab".repeat(32);
    let subject: Vec<_> =
        names.iter().map(|name| json!({"name": name, "digest": {"sha256": hex}})).collect();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": predicate_type,
        "predicate": predicate,
    });
    Statement::parse(statement.to_string().as_bytes()).unwrap()
}

fn training(names: &[&str]) -> Statement {
    let definition = json!({"buildType": TRAINING, "externalParameters": {"step": "train"}});
    let predicate = json!({"buildDefinition": definition, "runDetails": {"builder": {"id": "x"}}});
    statement(names, PROVENANCE, &predicate)
}

fn verdict(levels: &[&str]) -> Statement {
    let predicate = json!({
        "verifier": {"id": "https://gate.example"}, "resourceUri": "x", "policy": {},
        "verificationResult": "PASSED", "verifiedLevels": levels,
    });
    statement(&["model"], SUMMARY, &predicate)
}

#[test]
fn all_of_a_statement_is_in_scope_or_none() {
    type Lists<'a> = [&'a [&'a str]; 4];
    let full: Lists<'_> = [&["train"], &[PROVENANCE], &["models/*"], &[]];
    let step = || OutOfScope::Step("train".into());
    let predicate = || OutOfScope::Predicate(PROVENANCE.into());
    let artifact = |name: &str| OutOfScope::Artifact(name.into());
    let cases: [(&str, Lists<'_>, &[&str], Option<OutOfScope>); 14] = [
        ("all of it", full, &["models/a"], None),
        ("several subjects", full, &["models/a", "models/b"], None),
        ("one of several is outside", full, &["models/a", "other"], Some(artifact("other"))),
        ("no lists at all", [&[], &[], &[], &[]], &["models/a"], Some(predicate())),
        ("no steps", [&[], full[1], full[2], &[]], &["models/a"], Some(step())),
        ("another step", [&["trains"], full[1], full[2], &[]], &["models/a"], Some(step())),
        ("no predicates", [full[0], &[], full[2], &[]], &["models/a"], Some(predicate())),
        (
            "a part of the type",
            [full[0], &["https://slsa.dev/provenance"], full[2], &[]],
            &["models/a"],
            Some(predicate()),
        ),
        (
            "a longer type",
            [full[0], &["https://slsa.dev/provenance/v1.1"], full[2], &[]],
            &["models/a"],
            Some(predicate()),
        ),
        ("no artifacts", [full[0], full[1], &[], &[]], &["models/a"], Some(artifact("models/a"))),
        ("stages are no steps", [&[], full[1], full[2], &["train"]], &["models/a"], Some(step())),
        ("any step", [&["*"], full[1], full[2], &[]], &["models/a"], None),
        ("any type", [full[0], &["*"], full[2], &[]], &["models/a"], None),
        ("any name", [full[0], full[1], &["*"], &[]], &["models/a", "other"], None),
    ];
    for (name, [steps, predicates, artifacts, stages], names, want) in cases {
        let may = May::of(steps, predicates, artifacts, stages).unwrap();
        assert_eq!(may.covers(&training(names)).err(), want, "{name}");
    }
    assert_eq!(May::default().covers(&training(&["a"])), Err(predicate()));
}

#[test]
fn patterns_match_whole_names_that_are_written_in_one_way() {
    let cases = [
        ("models/*", "models/a", true),
        ("models/*", "models/a/b", false),
        ("models/*", "models/", false),
        ("models/*", "xmodels/a", false),
        ("models/*", "Models/a", false),
        ("models/**", "models/a/b", true),
        ("models/**", "models/../secret", false),
        ("models/**", "models/./a", false),
        ("models/**", "models//a", false),
        ("models/**", "/models/a", false),
        ("**", "a/b", true),
        ("**", "../a", false),
        ("**", "a\\b", false),
        ("**", "a\u{202e}b", false),
        ("mod?l", "model", true),
        ("mod?l", "mod/l", false),
        ("model", "model", true),
        ("model", "model2", false),
        ("{a,b}", "b", true),
        ("[ab]", "b", true),
        ("a.b", "axb", false),
        ("*", "../anything at all\\", true),
    ];
    for (pattern, name, want) in cases {
        let may = May::of(&[], &[], &[pattern], &[]).unwrap();
        assert_eq!(may.artifacts.has(name), want, "{pattern} {name}");
    }
    for broken in ["[a", "{a", "a**[", "[b-a]"] {
        assert!(May::of(&[], &[], &[broken], &[]).is_err(), "{broken}");
    }
}

#[test]
fn verdicts_are_for_stages() {
    let stage = |name: &str| OutOfScope::Stage(name.into());
    let (staging, production) = ("ASSAY_STAGE_STAGING", "ASSAY_STAGE_PRODUCTION");
    let cases: [(&[&str], &[&str], Option<OutOfScope>); 7] = [
        (&["staging"], &[staging], None),
        (&["staging"], &[production], Some(stage("production"))),
        (&[], &[staging], Some(stage("staging"))),
        (&["*"], &[production], None),
        (&["staging"], &[staging, production], Some(OutOfScope::NoStage)),
        (&["staging"], &["SLSA_BUILD_LEVEL_3"], Some(OutOfScope::NoStage)),
        (&["*"], &["SLSA_BUILD_LEVEL_3"], None),
    ];
    for (stages, levels, want) in cases {
        let may = May::of(&[], &[SUMMARY], &["*"], stages).unwrap();
        assert_eq!(may.covers(&verdict(levels)).err(), want, "{stages:?} {levels:?}");
    }
}

#[test]
fn short_types_are_our_own() {
    let evaluation = json!({
        "evaluator": {"id": "x"}, "dataset": {"name": "d", "digest": {"sha256": "ab".repeat(32)}},
        "measurements": [],
    });
    let statement = statement(&["model"], EVALUATION, &evaluation);
    for (name, want) in [("evaluation/v0.1", true), (EVALUATION, true), ("evaluation", false)] {
        let may = May::of(&[], &[name], &["*"], &[]).unwrap();
        assert_eq!(may.covers(&statement).is_ok(), want, "{name}");
    }
}
