//! The cases in `tests/cases/`, judged by the library alone: the shortest way from a rule to its
//! test. The attacks, which stand at the root of the project, go through every door.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use attest::Timestamp;
use fixtures::{Outcome, Row, Scene, Verdict};
use policy::Decision;
use support::{Door, decide};

const NOW: &str = "2026-11-20T12:00:00Z";

#[test]
fn every_case_comes_out_as_its_file_says() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let now: Timestamp = NOW.parse().unwrap();
    let mut wrong = Vec::new();
    for case in fixtures::load(&here.join("tests/cases")).unwrap() {
        for row in &case.rows {
            for (door, want) in
                [(Door::Registered, &row.registered), (Door::Presented, &row.presented)]
            {
                let Some(want) = want else { continue };
                let scene = row.scene(now).unwrap();
                // What a register refuses never gets a leaf; here it would have one.
                if door == Door::Registered && scene.submissions.iter().any(|one| one.refused) {
                    continue;
                }
                for problem in check(row, &scene, door, want) {
                    wrong.push(format!("{}, `{}`, {door:?}: {problem}", case.name, row.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(row: &Row, scene: &Scene, door: Door, want: &Outcome) -> Vec<String> {
    let decision = match decide(scene, door) {
        Ok(decision) => decision,
        Err(_) if want.verdict == Verdict::Undecided => return Vec::new(),
        Err(error) => return vec![format!("undecided: {error}")],
    };
    let mut wrong = Vec::new();
    let found = match (decision.passed(), decision.admitted()) {
        (true, true) => Verdict::Allowed,
        (false, true) => Verdict::Tolerated,
        _ => Verdict::Denied,
    };
    let codes: BTreeSet<String> =
        decision.findings().iter().map(|finding| finding.code.to_string()).collect();
    if found != want.verdict || codes != want.codes {
        let messages: Vec<&str> =
            decision.findings().iter().map(|finding| finding.message.as_str()).collect();
        wrong.push(format!(
            "{found:?} {codes:?}, not {:?} {:?}: {messages:?}",
            want.verdict, want.codes
        ));
    }
    for blamed in &want.blames {
        let body = scene.body(blamed).unwrap();
        let found = decision.findings().iter().any(|finding| finding.evidence.contains(&body));
        // Of what is allowed all the same, the rule says what it rests on.
        let shown = decision.rules().iter().any(|rule| rule.evidence.contains(&body));
        if !(found || want.verdict == Verdict::Allowed && shown) {
            wrong.push(format!("does not blame `{blamed}`"));
        }
    }
    for said in &want.says {
        let said = scene.body(said).map_or_else(|| said.clone(), |body| body.to_string());
        if !texts(&decision).iter().any(|text| text.contains(&said)) {
            wrong.push(format!("does not say `{said}`"));
        }
    }
    if !row.without.is_empty() {
        let scene = row.scene_without(scene.now).unwrap();
        let decision = decide(&scene, door).unwrap();
        if !decision.passed() {
            let messages: Vec<&str> =
                decision.findings().iter().map(|finding| finding.message.as_str()).collect();
            wrong.push(format!("not allowed without the rule: {messages:?}"));
        }
    }
    if let Some(length) = &row.holds_for {
        let length: jiff::Span = length.trim_start_matches('+').parse().unwrap();
        let until = scene.now.checked_add(length).unwrap();
        if decision.holds().until != Some(until) {
            wrong.push(format!("holds until {:?}, not {until}", decision.holds().until));
        }
    }
    wrong
}

fn texts(decision: &Decision) -> Vec<String> {
    let findings = decision.findings().iter().map(|finding| finding.message.clone());
    findings.chain(decision.rules().iter().filter_map(|rule| rule.detail.clone())).collect()
}
