//! What a verdict costs once its evidence is loaded.
//!
//! The lineage has twenty attestations, from exported data to an image that passed two stages,
//! and the policy has a rule of every sort. Checking the signatures of the same twenty is the raw
//! probe: a decision that costs more than it costs to believe the evidence would be a mistake.

use attest::{ArtifactId, Timestamp};
use fixtures::{LOG_ORIGIN, Recipe, Scene};
use policy::Policy;
use serde_json::{Value, json};
use verify::{Direction, Follower, Lineage, Supposed, Trace, Trust};

use crate::report::Report;
use crate::timing::median;

const ATTESTATIONS: usize = 20;
const MANY: usize = 200;
const RUNS: usize = 201;
/// A verdict takes too short to be timed alone.
const VERDICTS_A_RUN: usize = 50;

/// The most that reading a policy may take, in milliseconds.
const MAX_COMPILE: f64 = 5.0;
/// The least replayed decisions a second on a core, where lineages are traced.
const MIN_REPLAYED: f64 = 10_000.0;

/// Measures `policy.evaluate`, `policy.compile` and `policy.simulate`.
pub(crate) fn measure(report: &mut Report) {
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let few: Recipe = serde_json::from_value(recipe()).unwrap();
    let scene = Scene::new(&few, &policy_document(), now).unwrap();
    let policy = Policy::parse(&scene.policy).unwrap();
    let lineage = self::lineage(&scene);
    assert_eq!(lineage.attestations().len(), ATTESTATIONS);
    let evaluate = || policy.evaluate(&scene.artifact, &scene.stage, &lineage, now);
    let decision = evaluate();
    assert!(decision.passed(), "{:#?}", decision.findings());

    let microseconds = |time: std::time::Duration| time.as_secs_f64() * 1e6;
    let signed: Vec<_> = scene
        .submissions
        .iter()
        .map(|submission| {
            let signature = submission.envelope.signatures.first().unwrap().sig.clone();
            (submission.keys.first().unwrap().clone(), submission.envelope.pae(), signature)
        })
        .collect();
    let signatures = median(RUNS, || {
        for (key, message, signature) in &signed {
            key.verify(message, signature).unwrap();
        }
    });
    report.probe("probe.20-signatures", microseconds(signatures), "µs");

    let verdicts = median(RUNS, || {
        for _ in 0..VERDICTS_A_RUN {
            std::hint::black_box(evaluate());
        }
    });
    let each = microseconds(verdicts) / VERDICTS_A_RUN as f64;
    report.figure("policy.evaluate", each, "µs", "probe.20-signatures");

    replay(report, &scene, &lineage, now);

    let many: Recipe = serde_json::from_value(wider(recipe())).unwrap();
    let scene = Scene::new(&many, &policy_document(), now).unwrap();
    let policy = Policy::parse(&scene.policy).unwrap();
    let lineage = self::lineage(&scene);
    assert_eq!(lineage.attestations().len(), MANY);
    let evaluate = || policy.evaluate(&scene.artifact, &scene.stage, &lineage, now);
    let decision = evaluate();
    assert!(decision.passed(), "{:#?}", decision.findings());
    let verdicts = median(RUNS, || {
        std::hint::black_box(evaluate());
    });
    report.figure("policy.evaluate-200", microseconds(verdicts), "µs", "probe.20-signatures");
    let recipe: Recipe = serde_json::from_value(recipe()).unwrap();
    rego(report, &recipe, now);
}

/// Reading the policy, and judging by it in the place of another what was decided before.
fn replay(report: &mut Report, scene: &Scene, lineage: &Lineage, now: Timestamp) {
    let compiled = median(RUNS, || {
        std::hint::black_box(Policy::parse(&scene.policy).unwrap());
    });
    let milliseconds = compiled.as_secs_f64() * 1e3;
    assert!(milliseconds <= MAX_COMPILE, "reading a policy takes {milliseconds} ms");
    report.figure("policy.compile", milliseconds * 1e3, "µs", "policy.evaluate");

    let successor = Policy::parse(&scene.policy).unwrap().successor();
    let supposed = Supposed::of(lineage);
    let simulated = median(RUNS, || {
        for _ in 0..VERDICTS_A_RUN {
            let found = successor.simulate(&scene.artifact, &scene.stage, &supposed, now);
            assert!(std::hint::black_box(found).would_pass());
        }
    });
    let second = VERDICTS_A_RUN as f64 / simulated.as_secs_f64();
    assert!(second >= MIN_REPLAYED, "{second} decisions are replayed a second");
    report.figure("policy.simulate", 1e6 / second, "µs", "policy.evaluate");
}

/// The same with as many more parts, each built by itself, as make up [`MANY`] attestations.
fn wider(mut recipe: Value) -> Value {
    let more: Vec<String> =
        (0..MANY - ATTESTATIONS).map(|part| format!("dist/more/{part}")).collect();
    let evidence = recipe["evidence"].as_array_mut().unwrap();
    let package = evidence.iter().position(|one| one["step"] == "package").unwrap();
    for part in &more {
        evidence[package]["materials"].as_array_mut().unwrap().push(part.as_str().into());
    }
    let made = more.iter().map(|part| made("builder", "build", "build", &[], &[part]));
    evidence.splice(package..package, made);
    recipe["keys"]["builder"]["artifacts"] = json!(["dist/**"]);
    recipe
}

/// The same asked in Rego: one step is left to the policy, which must have one, and a module asks
/// for the others, who signed them, what flows, the numbers and the ages.
fn rego(report: &mut Report, recipe: &Recipe, now: Timestamp) {
    let text = include_str!("judge.rego");
    let compile = |policy: &serde_json::Value| {
        let mut policy = policy.clone();
        for key in ["flow", "ml", "ages"] {
            policy.as_object_mut().unwrap().remove(key);
        }
        let steps = policy["steps"].as_object_mut().unwrap();
        steps.retain(|step, _| step == "package");
        policy["rego"] = json!([{"id": "R-1", "text": text}]);
        policy
    };
    let scene = Scene::new(recipe, &compile(&policy_document()), now).unwrap();
    let parse = || Policy::parse(&scene.policy).unwrap();
    let policy = parse();
    let lineage = lineage(&scene);
    let evaluate = || policy.evaluate(&scene.artifact, &scene.stage, &lineage, now);
    let decision = evaluate();
    assert!(decision.passed(), "{:#?}", decision.findings());
    let microseconds = |time: std::time::Duration| time.as_secs_f64() * 1e6;
    let verdicts = median(RUNS, || {
        std::hint::black_box(evaluate());
    });
    report.figure("policy.evaluate-rego", microseconds(verdicts), "µs", "policy.evaluate");
    let compiled = median(RUNS, || {
        std::hint::black_box(parse());
    });
    report.figure("policy.compile-rego", microseconds(compiled), "µs", "policy.evaluate-rego");
}

/// The lineage of the scene's artifact, with its log followed.
fn lineage(scene: &Scene) -> Lineage {
    let trust = Trust::parse(&scene.trust).unwrap();
    let mut follower = Follower::new(LOG_ORIGIN, &trust).unwrap();
    for (index, (leaf, body)) in (0..).zip(&scene.leaves) {
        follower.leaf(index, leaf.bytes(), body.as_deref()).unwrap();
    }
    let followed = follower.finish(&scene.checkpoint, &trust).unwrap();
    let mut trace =
        Trace::new(scene.artifact, Direction::Up, &trust, &followed.negatives, scene.now);
    while let Some(wanted) = trace.wanted().first().copied() {
        trace.supply(wanted, bundles(scene, wanted), None);
    }
    trace.finish()
}

fn bundles(scene: &Scene, artifact: ArtifactId) -> Vec<attest::Bundle> {
    let about = scene.evidence.iter().filter(|evidence| evidence.subjects.contains(&artifact));
    about.filter_map(|evidence| evidence.registered.clone()).collect()
}

/// Twenty attestations, each by the key of its step.
fn recipe() -> Value {
    let signer = |predicate: &str, step: &str, artifact: &str| json!({"predicates": [predicate], "steps": [step], "artifacts": [artifact]});
    let mut evidence = vec![
        made("data", "data-preparation", "export", &[], &["data/raw.csv"]),
        made(
            "data",
            "data-preparation",
            "prepare",
            &["raw-dataset=data/raw.csv"],
            &["data/train.csv", "data/holdout.csv"],
        ),
        made(
            "trainer",
            "training",
            "train",
            &["training-dataset=data/train.csv"],
            &["model/base.bin"],
        ),
        made(
            "trainer",
            "fine-tuning",
            "tune",
            &["base-model=model/base.bin", "training-dataset=data/train.csv"],
            &["model/model.bin"],
        ),
    ];
    for round in 0..4 {
        evidence.push(json!({
            "id": format!("evaluate-{round}"), "sign": "evaluator", "says": "evaluation",
            "step": "evaluate", "about": "model/model.bin",
            "dataset": "holdout-dataset=data/holdout.csv", "samples": 143,
            "metrics": {"accuracy": "0.97", "recall": "0.96"},
            "slices": [
                {"feature": "radius", "value": "small", "samples": 72, "metrics": {"accuracy": "0.96"}},
                {"feature": "radius", "value": "large", "samples": 71, "metrics": {"accuracy": "0.98"}},
            ],
            "at": "-3h",
        }));
    }
    let parts = ["dist/a", "dist/b", "dist/c", "dist/d", "dist/e", "dist/f"];
    for part in parts {
        evidence.push(made("builder", "build", "build", &[], &[part]));
    }
    let materials: Vec<&str> = ["model=model/model.bin"].into_iter().chain(parts).collect();
    evidence.push(made(
        "packager",
        "packaging",
        "package",
        &materials,
        &["image is oci-manifest:image"],
    ));
    for id in ["bill of materials", "scan", "tests"] {
        evidence.push(json!({
            "id": id, "sign": "packager", "says": "bom", "about": "image is oci-manifest:image",
        }));
    }
    for stage in ["development", "staging"] {
        evidence.push(json!({
            "id": stage, "sign": "gate", "says": "summary", "stage": stage,
            "about": "image is oci-manifest:image", "at": "-1h",
        }));
    }
    json!({
        "artifact": "oci-manifest:image",
        "stage": "production",
        "keys": {
            "data": {"predicates": ["provenance"], "steps": ["export", "prepare"], "artifacts": ["data/*"]},
            "trainer": {"predicates": ["provenance"], "steps": ["train", "tune"], "artifacts": ["model/*"]},
            "evaluator": signer("evaluation", "evaluate", "model/*"),
            "builder": signer("provenance", "build", "dist/*"),
            "packager": {"predicates": ["provenance", "bom"], "steps": ["package"], "artifacts": ["image"]},
            "gate": {
                "predicates": ["summary"], "artifacts": ["*"], "stages": ["*"],
                "verifier": "https://gate.example",
            },
        },
        "evidence": evidence,
    })
}

fn made(sign: &str, says: &str, step: &str, materials: &[&str], about: &[&str]) -> Value {
    json!({
        "id": format!("{step} {}", about.join(" ")), "sign": sign, "says": says, "step": step,
        "materials": materials, "about": about, "at": "-4h",
    })
}

/// A policy with a rule of every sort.
fn policy_document() -> Value {
    let provenance = |kind: &str, signer: &str| {
        json!({
            "predicates": ["https://slsa.dev/provenance/v1"], "kind": kind,
            "signers": {"anyOf": [signer], "threshold": 1},
        })
    };
    let holdout = json!({"name": "holdout", "digest": "${sha256 data/holdout.csv}"});
    json!({
        "apiVersion": "assay/v1",
        "kind": "PromotionPolicy",
        "metadata": {"name": "bench", "version": 1},
        "stages": {
            "development": {"mode": "audit"},
            "staging": {"mode": "warn", "after": ["development"]},
            "production": {"mode": "enforce", "after": ["staging"]},
        },
        "steps": {
            "export": provenance("data-preparation", "data"),
            "prepare": provenance("data-preparation", "data"),
            "train": provenance("training", "trainer"),
            "tune": provenance("fine-tuning", "trainer"),
            "evaluate": {
                "predicates": ["evaluation/v0.1"],
                "signers": {"anyOf": ["evaluator"], "threshold": 1, "notSameAs": "train"},
            },
            "build": provenance("build", "builder"),
            "package": provenance("packaging", "packager"),
        },
        "flow": [
            {"from": "export.products", "to": "prepare.materials", "coverage": "all"},
            {"from": "prepare.products", "select": "data/train.csv", "to": "train.materials", "coverage": "all"},
            {"from": "train.products", "to": "tune.materials", "coverage": "all"},
            {"from": "tune.products", "to": "evaluate.subject", "coverage": "all"},
            {"from": "tune.products", "to": "package.materials", "coverage": "all"},
            {"from": "build.products", "to": "package.materials", "coverage": "any"},
            {
                "forbid": {"from": "prepare.products", "select": "data/holdout.csv", "to": "train.materials"},
                "strength": "declared-files",
            },
        ],
        "ml": {
            "metrics": [
                {
                    "step": "evaluate", "name": "accuracy", "dataset": holdout, "atLeast": "0.95",
                    "minSamples": 100, "slices": {"atLeast": "0.90", "gapAtMost": "0.08"},
                },
                {"step": "evaluate", "name": "recall", "dataset": holdout, "atLeast": "0.93", "minSamples": 100},
            ],
            "holdout": [
                {"name": "holdout", "digest": "${sha256 data/holdout.csv}", "notIn": "tune.materials"},
            ],
        },
        "ages": {"train": "90d", "evaluate": "30d"},
    })
}
