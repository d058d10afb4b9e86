//! What is supposed decides nothing (THREATS, rule 24).
//!
//! That nothing supposed can be passed off as something believed is held by the examples of
//! `policy::Simulation`, which do not compile, and by `verify/tests/unforgeable/supposed.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::path::Path;

use fixtures::Scene;
use policy::{Code, Outcome, Policy, Report, SIMULATION_VERSION};
use support::{Door, lineage};
use verify::{Change, ChangeError, Negatives, Rewound, Supposed, Trust};

fn scene() -> Scene {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let rows = fixtures::load(&here).unwrap().into_iter().flat_map(|case| case.rows);
    let passes = |row: &fixtures::Row| {
        let scene = row.scene("2026-11-20T12:00:00Z".parse().unwrap()).unwrap();
        let decided = support::decide(&scene, Door::Registered);
        decided
            .is_ok_and(|decision| decision.passed() && decision.rules().len() > 5)
            .then_some(scene)
    };
    rows.filter(|row| row.registered.is_some()).find_map(|row| passes(&row)).unwrap()
}

#[test]
fn what_is_supposed_as_it_is_believed_is_answered_alike_and_in_another_form() {
    let scene = scene();
    let policy = Policy::parse(&scene.policy).unwrap();
    let presented = Supposed::of(&lineage(&scene, Door::Presented).unwrap());
    let simulated = policy.simulate(&scene.artifact, &scene.stage, &presented, scene.now);
    assert!(!simulated.would_pass(), "a policy that asks for the register, without it");
    let lineage = lineage(&scene, Door::Registered).unwrap();
    let decided = policy.evaluate(&scene.artifact, &scene.stage, &lineage, scene.now);
    let supposed = Supposed::of(&lineage);
    let simulated = policy.simulate(&scene.artifact, &scene.stage, &supposed, scene.now);
    assert!(decided.passed() && simulated.would_pass());
    assert_eq!((decided.rules(), decided.holds()), (simulated.rules(), simulated.holds()));
    let report = simulated.report();
    assert_eq!(report.version, SIMULATION_VERSION);
    let json = serde_json::to_string(&report).unwrap();
    assert!(serde_json::from_str::<Report>(&json).is_err(), "no reader of reports takes it");
}

#[test]
fn what_is_changed_is_judged_as_changed_and_the_lineage_stays() {
    let scene = scene();
    let trust = Trust::parse(&scene.trust).unwrap();
    let lineage = lineage(&scene, Door::Registered).unwrap();
    let policy = Policy::parse(&scene.policy).unwrap();
    let supposed = Supposed::of(&lineage);
    let body = lineage.about(&scene.artifact).next().unwrap().body();
    let without = supposed.with(&Change::Remove { body }, &trust).unwrap();
    let simulated = policy.simulate(&scene.artifact, &scene.stage, &without, scene.now);
    assert!(!simulated.would_pass());
    assert!(policy.evaluate(&scene.artifact, &scene.stage, &lineage, scene.now).passed());
    let again = without.with(&Change::Remove { body }, &trust);
    assert_eq!(again.unwrap_err(), ChangeError::NoSuchBody(body));
    let nobody = supposed.with(&Change::Sign { body, signers: Vec::new() }, &trust);
    assert_eq!(nobody.unwrap_err(), ChangeError::NoSigner);
    let signers = lineage.attestation(&body).unwrap().signers.clone();
    let same = supposed.with(&Change::Sign { body, signers }, &trust).unwrap();
    assert_eq!(same, supposed, "signed by whoever signed it");
}

/// The same entries of the same register: as they stand, they decide; as of another time, even of
/// the moment after the last of them, they are supposed, and decide nothing.
#[test]
fn what_stood_against_an_artifact_at_another_time_decides_nothing() {
    let scene = scene();
    let trust = Trust::parse(&scene.trust).unwrap();
    let policy = Policy::parse(&scene.policy).unwrap();
    let followed = support::followed(&scene, &trust).unwrap();
    let size = scene.leaves.len() as u64;
    let decide = |negatives: &Negatives| {
        let lineage = support::traced(&scene, Door::Registered, &trust, negatives);
        policy.evaluate(&scene.artifact, &scene.stage, &lineage, scene.now)
    };
    let decided = decide(&followed.negatives);
    assert!(decided.passed() && decided.admitted(), "{:?}", decided.findings());
    for before in [size, size - 1, 0] {
        let then = Rewound::new(&followed, before);
        assert!(then.negatives().is_supposed() && !followed.negatives.is_supposed());
        let refused = decide(then.negatives());
        assert!(!refused.passed() && !refused.admitted(), "as of entry {before}");
        let [finding] = refused.findings() else { panic!("{:?}", refused.findings()) };
        assert_eq!((finding.code, finding.outcome), (Code::TraceUnexplored, Outcome::Error));
        assert!(finding.message.contains("supposed"), "{}", finding.message);
    }
}
