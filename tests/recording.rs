//! What recording writes is what tracing reads: two recorded steps are one lineage.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use attest::envelope::IN_TOTO;
use attest::hash::Silent;
use attest::predicate::BuildKind;
use attest::record::{Material, Plan, Recorder};
use attest::{Algorithm, ArtifactId, Bundle, Envelope, SigningKey, Statement, Timestamp};
use verify::{Direction, Lineage, Negatives, Trace, Trust};

#[allow(clippy::disallowed_methods, reason = "the clock of a test is the caller's")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// Records `script` in `folder`; nonces keep equal statements apart.
fn record(folder: &Path, step: &str, materials: &[&str], product: &str, script: &str) -> Statement {
    let command = ["sh", "-c", script].map(OsString::from).into();
    let mut plan = Plan::new(BuildKind::DataPreparation, step.parse().unwrap(), command);
    (plan.root, plan.directory) = (folder.into(), folder.into());
    plan.materials = materials.iter().map(|text| Material::parse(OsStr::new(text))).collect();
    plan.products = vec![product.into()];
    let environment: Vec<_> = std::env::vars_os().collect();
    let started = Recorder::start(plan, &environment, now(), &Silent).unwrap();
    let recording = started.run(&Silent).unwrap().finish(now(), &Silent).unwrap();
    assert_eq!(recording.status, 0);
    recording.statement.unwrap().with_nonce().unwrap()
}

fn trust(key: &SigningKey) -> Trust {
    let pem = key.public().to_pem();
    let spki: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let may = r#"{steps: ["*"], predicates: ["*"], artifacts: ["*"]}"#;
    Trust::parse(&format!(
        "apiVersion: assay/v1\nkind: Trust\nkeys:\n  - {{id: ada, spki: \"{spki}\", owner: ada, may: {may}}}\n"
    ))
    .unwrap()
}

/// Traces from `artifact` up, answering from `statements`.
fn trace(artifact: ArtifactId, statements: &[Statement]) -> Lineage {
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let (trust, negatives) = (trust(&key), Negatives::none());
    let mut known: BTreeMap<ArtifactId, Vec<Bundle>> = BTreeMap::new();
    for statement in statements {
        let payload = statement.to_json().unwrap();
        let envelope = Envelope::sign(IN_TOTO, payload, &[&key]).unwrap();
        let bundle = Bundle { envelope, hint: None, entries: Vec::new(), keyless: None };
        for (subject, _) in statement.subjects().unwrap() {
            known.entry(subject).or_default().push(bundle.clone());
        }
    }
    let mut trace = Trace::new(artifact, Direction::Up, &trust, &negatives, now());
    while let Some(wanted) = trace.wanted().first().copied() {
        trace.supply(wanted, known.get(&wanted).cloned().unwrap_or_default(), None);
    }
    trace.finish()
}

#[test]
fn recorded_steps_join_by_digest_and_through_folders() {
    let cases = [
        ("a file", "data/train", "data/train", true),
        ("a folder", "data", "data", true),
        ("a file in a folder", "data/train", "data", true),
        ("another file", "data/other", "data/train", false),
    ];
    for (name, product, material, joined) in cases {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::write(folder.join("raw"), "raw").unwrap();
        let script = "mkdir data; cp raw data/train; echo other > data/other";
        let split = record(folder, "split", &["raw"], product, script);
        let train = record(folder, "train", &[material], "model", "echo 1 > model");
        let (model, _) = train.subjects().unwrap()[0];
        let lineage = trace(model, &[split, train]);
        assert!(lineage.rejected().is_empty() && lineage.unexplored().is_empty(), "{name}");
        let attestations = lineage.attestations();
        assert!(attestations.iter().all(|one| one.unidentified.is_empty()), "{name}");
        let steps: Vec<_> = attestations.iter().filter_map(|one| one.step.as_ref()).collect();
        let split = steps.iter().any(|step| step.as_str() == "split");
        assert_eq!((steps.len(), split), (1 + usize::from(joined), joined), "{name}: {steps:?}");
    }
}
