//! Tools that look at policies: a first one from good evidence, and cases whose outcome is known.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::path::Path;

use attest::Timestamp;
use fixtures::Scene;
use policy::{Case, Code, Policy, Verdict};
use support::{Door, decide, lineage};
use verify::{Change, Supposed, Trust};

const NOW: &str = "2026-11-20T12:00:00Z";

/// The honest line of the attacks.
fn good() -> Scene {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/attacks");
    let cases = fixtures::load(&root).unwrap();
    let case = cases.iter().find(|case| case.name.starts_with("08-too-old")).unwrap();
    let good = case.rows.iter().find(|row| {
        row.registered.as_ref().is_some_and(|want| want.verdict == fixtures::Verdict::Allowed)
    });
    good.unwrap().scene(NOW.parse().unwrap()).unwrap()
}

/// The bundles of a case are all there is, and nothing is decided by it.
#[test]
fn a_case_is_judged_by_what_stands_in_it() {
    let scene = good();
    let decision = decide(&scene, Door::Presented).unwrap();
    let codes: Vec<Code> = decision.findings().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::LogIncomplete]);

    let lineage = lineage(&scene, Door::Presented).unwrap();
    let policy = Policy::parse(&scene.policy).unwrap();
    let case = |at: &str, verdict: &str| {
        let (stage, artifact) = (&scene.stage, scene.artifact);
        let expect = format!("expect: {{verdict: {verdict}}}");
        let text = format!("at: {at}\nstage: {stage}\nartifact: {artifact}\n{expect}\n");
        Case::parse("case", &text).unwrap()
    };
    let rows = [
        (NOW, "allowed", Verdict::Allowed, "", true),
        (NOW, "denied", Verdict::Allowed, "", false),
        ("2027-11-20T12:00:00Z", "allowed", Verdict::Denied, "age.exceeded", false),
        (
            "2027-11-20T12:00:00Z",
            "{verdict: denied, codes: [age.exceeded]}",
            Verdict::Denied,
            "age.exceeded",
            true,
        ),
        (
            "2027-11-20T12:00:00Z",
            "{verdict: denied, codes: [age.future]}",
            Verdict::Denied,
            "age.exceeded",
            false,
        ),
    ];
    for (at, expected, verdict, code, met) in rows {
        let case = match expected.strip_prefix("{verdict: ") {
            Some(rest) => case(at, rest.trim_end_matches('}')),
            None => case(at, expected),
        };
        let found = policy.rehearse(&case, &lineage);
        assert_eq!(found.verdict(), verdict, "{at} {expected}: {:?}", found.findings());
        let codes: Vec<&str> = found.codes().into_iter().map(Code::as_str).collect();
        assert_eq!(codes.join(" "), code, "{at} {expected}");
        assert_eq!(case.expected.is_met(found.verdict(), &found.codes()), met, "{at} {expected}");
    }
}

#[test]
fn what_is_no_case_is_refused_with_its_place() {
    let good = format!(
        "at: {NOW}\nstage: production\nartifact: sha256:{}\nexpect: {{verdict: denied, codes: [age.exceeded]}}\n",
        "0f".repeat(32)
    );
    assert!(Case::parse("case", &good).is_ok());
    let rows = [
        (
            "age.exceeded",
            "age.exceded",
            "there is no code `age.exceded`; did you mean `age.exceeded`?",
        ),
        ("denied", "no", "`no` is not a verdict; known are `allowed`, `denied`"),
        ("denied", "allowed", "what is allowed has no findings, and so no codes"),
        ("expect", "expects", "unknown key `expects`; did you mean `expect`?"),
        ("artifact: sha256:", "artifact: sha256:z", "line 3"),
        ("stage: ", "stage: A", "line 2"),
        ("2026-11-20T12:00:00Z", "today", "line 1 column 5"),
    ];
    for (from, to, want) in rows {
        let error = Case::parse("case", &good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(want), "{from} -> {to}: {error}");
    }
}

#[test]
fn a_first_policy_passes_what_it_was_written_from_and_nothing_less() {
    let now: Timestamp = NOW.parse().unwrap();
    let scene = good();
    let lineage = lineage(&scene, Door::Registered).unwrap();
    let stages = ["staging".parse().unwrap(), "production".parse().unwrap()];
    let text = Policy::starter("first", &stages, &lineage, now);
    let policy = Policy::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let decision = policy.evaluate(&scene.artifact, &stages[0], &lineage, now);
    assert!(decision.passed(), "{:#?}\n{text}", decision.findings());
    for section in ["flow:", "metrics:", "holdout:", "ages:", "notSameAs: train"] {
        assert!(text.contains(section), "{section} is not in\n{text}");
    }
    // The later stage was not promoted to yet.
    assert!(!policy.evaluate(&scene.artifact, &stages[1], &lineage, now).passed());

    let (trust, whole) = (Trust::parse(&scene.trust).unwrap(), Supposed::of(&lineage));
    assert!(lineage.attestations().len() >= 4);
    assert!(policy.simulate(&scene.artifact, &stages[0], &whole, now).would_pass());
    for one in lineage.attestations() {
        let without = whole.with(&Change::Remove { body: one.body() }, &trust).unwrap();
        let found = policy.simulate(&scene.artifact, &stages[0], &without, now);
        assert!(
            !found.would_pass(),
            "passes without {:?} of {:?}\n{text}",
            one.predicate_type,
            one.step
        );
    }
}
