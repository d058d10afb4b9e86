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
use fixtures::{Case, Scene};
use policy::{Code, Decision, Finding, Means, Outcome, PLACEHOLDER, Remedy};
use support::{Door, decide};

const NOW: &str = "2026-11-20T12:00:00Z";

/// Codes of which no row of evidence makes a finding, each with why.
const ELSEWHERE: [(Code, &str); 3] = [
    (Code::ClockBehind, "said by whoever serves, before anything is judged"),
    (Code::VerdictExpired, "said of a stored answer, before anything is judged"),
    (Code::PolicyEmpty, "no document without a step is read"),
];

/// What came of the remedies of one code.
#[derive(Default)]
struct Tally {
    kinds: BTreeSet<Means>,
    mended: usize,
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
                    let place = format!("{}, `{}`, {door:?}: {}", case.name, row.name, finding.rule);
                    let remedy = finding.remedy.as_ref().unwrap_or_else(|| panic!("{place}"));
                    well_formed(finding, remedy, &place);
                    let tally = tally.entry(finding.code).or_default();
                    tally.kinds.insert(remedy.kind);
                    match apply(&case, row, door, &scene, finding, remedy) {
                        Applied::Mended => tally.mended += 1,
                        Applied::Left(why) => tally.left.push(format!("{place}: {why}")),
                        Applied::Nothing => {}
                    }
                    if excepted(row, door, now, finding) {
                        tally.waived += 1;
                    }
                }
            }
        }
    }
    for (code, tally) in &tally {
        println!(
            "{code}: {:?}, mended {}, waived {}, left {}",
            tally.kinds,
            tally.mended,
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
        assert!(found.mended > 0, "no remedy of `{code}` worked: {:#?}", found.left);
        assert_eq!(found.waived > 0, code.can_be_waived(), "{code}");
    }
    assert_eq!(tally.len() + ELSEWHERE.len(), Code::ALL.len());
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
