//! The policies that come with Assay: for every rule of each, one set of evidence passes, and one
//! fails by that rule alone. The cases stand in `tests/library/`, a row for each rule by its place.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and lays out its cases on disk"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use attest::{Sha256, Timestamp};
use fixtures::Scene;
use policy::library::{self, LibraryPolicy};
use policy::{Policy, Specimen};
use support::{Door, decide, lineage};
use verify::Trust;

const NOW: &str = "2026-11-20T12:00:00Z";
/// Rows of this name, and of what starts with it, pass.
const PASSES: &str = "everything holds";

/// A library policy with what it asks for, as the cases have it.
fn filled(policy: &LibraryPolicy) -> String {
    let digest = |name: &str| Sha256::of(format!("content of {name}\n").as_bytes()).to_string();
    let known = BTreeMap::from([
        ("builder", "https://assay.example/builder/local/v1".to_owned()),
        ("holdout", digest("data/holdout.csv")),
        ("criteria", digest("criteria.yaml")),
        ("training-data", "data/train.csv".to_owned()),
        ("metric", "accuracy".to_owned()),
        ("at-least", "0.95".to_owned()),
    ]);
    let values = policy.asks().into_iter().map(|name| (name.to_owned(), known[name].clone()));
    policy.fill(&values.collect()).unwrap()
}

/// The folder of cases, each with the policy of its name.
fn cases() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("library");
    fs::create_dir_all(&folder).unwrap();
    for shared in ["line.yaml", "policy.yaml"] {
        fs::copy(here.join("line.yaml"), folder.join(shared)).unwrap();
    }
    for policy in library::ALL {
        let case = folder.join(policy.name);
        fs::create_dir_all(&case).unwrap();
        fs::copy(here.join(policy.name).join("case.yaml"), case.join("case.yaml")).unwrap();
        fs::write(case.join("policy.yaml"), filled(&policy)).unwrap();
    }
    folder
}

#[test]
fn every_rule_has_evidence_that_passes_and_evidence_that_fails_by_it_alone() {
    let now: Timestamp = NOW.parse().unwrap();
    let mut wrong = Vec::new();
    for case in fixtures::load(&cases()).unwrap() {
        let policy = LibraryPolicy::find(&case.name).expect("a policy of that name");
        let policy = Policy::parse(&filled(&policy)).unwrap();
        let rules: BTreeSet<String> =
            policy.inventory().into_iter().map(|view| view.rule).collect();
        let mut failed = BTreeSet::new();
        for row in &case.rows {
            let door = match row.presented {
                Some(_) => Door::Presented,
                None => Door::Registered,
            };
            let decision = decide(&row.scene(now).unwrap(), door).unwrap();
            let found: BTreeSet<&str> =
                decision.findings().iter().map(|finding| finding.rule.as_str()).collect();
            let codes: BTreeSet<String> =
                decision.findings().iter().map(|finding| finding.code.to_string()).collect();
            let outcome = row.registered.as_ref().or(row.presented.as_ref()).unwrap();
            let passes = row.name.starts_with(PASSES);
            let alone = if passes { BTreeSet::new() } else { BTreeSet::from([row.name.as_str()]) };
            if found != alone || decision.passed() != passes || codes != outcome.codes {
                wrong.push(format!(
                    "{}, `{}`: {:#?}",
                    case.name,
                    row.name,
                    decision
                        .findings()
                        .iter()
                        .map(|one| (&one.rule, one.code, &one.message))
                        .collect::<Vec<_>>()
                ));
            }
            failed.extend((!passes).then(|| row.name.clone()));
        }
        let without: Vec<&String> = rules.symmetric_difference(&failed).collect();
        if !without.is_empty() {
            wrong.push(format!(
                "{}: no pair for the rules, or no rule for the rows {without:?}",
                case.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every rule of each can fail, by the least change that its bound leaves room for, and nobody may
/// sign both sides of what it wants apart.
#[test]
fn no_library_policy_has_a_fault() {
    let now: Timestamp = NOW.parse().unwrap();
    let (mut wrong, mut looked) = (Vec::new(), BTreeSet::new());
    for case in fixtures::load(&cases()).unwrap() {
        let rows = case.rows.iter().filter(|row| row.registered.is_some());
        for row in rows.filter(|row| row.name.starts_with(PASSES)) {
            let scene = row.scene(now).unwrap();
            let policy = Policy::parse(&scene.policy).unwrap();
            let trust = Trust::parse(&scene.trust).unwrap();
            let lineage = lineage(&scene, Door::Registered).unwrap();
            let Scene { artifact, stage, now, .. } = &scene;
            let specimen =
                Specimen { artifact, stage, lineage: &lineage, trust: &trust, now: *now };
            let report = policy.lint(&specimen, &mut |_, _| {}).unwrap();
            looked.insert(case.name.clone());
            for fault in report.faults {
                wrong.push(format!("{}, `{}`: {fault:?}", case.name, row.name));
            }
        }
    }
    assert_eq!(looked.len(), library::ALL.len(), "{looked:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_library_policy_is_what_it_says_and_parses_once_it_is_filled() {
    for policy in library::ALL {
        let text = filled(&policy);
        let parsed =
            Policy::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", policy.name));
        assert_eq!(parsed.name(), policy.name);
        assert_eq!(parsed.description(), Some(policy.description()));
        assert!(policy.text().starts_with("# "), "{}", policy.name);
        let unfilled = Policy::parse(policy.text());
        // A builder is any text; a digest is not.
        assert_eq!(unfilled.is_err(), policy.asks().contains(&"holdout"), "{}", policy.name);
    }
}
