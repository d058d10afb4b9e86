//! The published schemas say what Assay writes, and nothing that its readers refuse.
//!
//! No schema is fetched: `$ref` finds the shared files beside the others, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use attest::hash::Silent;
use attest::predicate::{
    APPROVAL, BuildKind, DEPLOYMENT, EVALUATION, KEY_ROTATION, MONITORING, POLICY,
    POLICY_ACTIVATION, PROVENANCE, REINSTATEMENT, REVOCATION, TOMBSTONE, TRUST, WAIVER,
};
use attest::record::{Material, Plan, Recorder};
use attest::statement::STATEMENT_V1;
use attest::{NAMESPACE, Predicate, Sha256, Statement, Timestamp, json};
use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value, json};

/// The predicates of Assay's own.
const OWN: [&str; 12] = [
    EVALUATION,
    APPROVAL,
    WAIVER,
    REVOCATION,
    REINSTATEMENT,
    TOMBSTONE,
    KEY_ROTATION,
    TRUST,
    POLICY,
    POLICY_ACTIVATION,
    DEPLOYMENT,
    MONITORING,
];
/// What the others refer to.
const SHARED: [&str; 2] = ["build-type/parameters/v1", "attestation/shared/v0.1"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The schemas, by the name of their type below the namespace, as the file name spells it:
/// `attestation/waiver.v0.1.json` is of `attestation/waiver/v0.1`.
fn published() -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for folder in ["build-type", "attestation"] {
        for file in fs::read_dir(root().join("schemas").join(folder)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let (name, version) = name.strip_suffix(".json").unwrap().split_once('.').unwrap();
            let schema = json::parse(&fs::read(&path).unwrap()).unwrap();
            found.insert(format!("{folder}/{name}/{version}"), schema);
        }
    }
    found
}

/// A validator for each type, by its URI.
struct Schemas(BTreeMap<String, Validator>);

impl Schemas {
    fn load() -> Self {
        let published = published();
        let mut registry = Registry::new();
        for name in SHARED {
            let uri = format!("{NAMESPACE}{name}/schema.json");
            registry = registry.add(uri, published[name].clone()).unwrap();
        }
        let registry = registry.prepare().unwrap();
        let validator = |(name, schema): (&String, &Value)| {
            let options = jsonschema::options();
            let options = options.with_draft(Draft::Draft202012).with_registry(&registry);
            let built = options.should_validate_formats(true).build(schema);
            (format!("{NAMESPACE}{name}"), built.unwrap_or_else(|error| panic!("{name}: {error}")))
        };
        Self(published.iter().map(validator).collect())
    }

    /// What is wrong with a value of a type, each with its place.
    fn problems(&self, of: &str, value: &Value) -> Vec<String> {
        let errors = self.0[of].iter_errors(value);
        errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    fn accept(&self, of: &str, value: &Value) -> bool {
        self.problems(of, value).is_empty()
    }

    /// What is wrong with what the payload of an envelope says, if there is a schema of it.
    fn problems_of(&self, payload: &[u8]) -> Option<Vec<String>> {
        let (of, value) = said(&json::parse(payload).ok()?)?;
        self.0.contains_key(&of).then(|| self.problems(&of, &value))
    }
}

/// The part of a statement that there is a schema of, and its type.
fn said(statement: &Value) -> Option<(String, Value)> {
    let predicate = &statement["predicate"];
    let of = statement["predicateType"].as_str()?;
    if of != PROVENANCE {
        return Some((of.into(), predicate.clone()));
    }
    let definition = &predicate["buildDefinition"];
    Some((definition["buildType"].as_str()?.into(), definition["externalParameters"].clone()))
}

/// What a reader makes of a value of a type: whether a statement with it is read, and for the
/// parameters of a step, whether the step and they are found.
fn read(of: &str, value: &Value) -> bool {
    let (predicate_type, predicate) = match BuildKind::from_uri(of) {
        None => (of, value.clone()),
        Some(_) => {
            let definition = json!({"buildType": of, "externalParameters": value});
            let details = json!({"builder": {"id": "https://example.com/builder"}});
            (PROVENANCE, json!({"buildDefinition": definition, "runDetails": details}))
        }
    };
    let subject = json!({"name": "model", "digest": {"sha256": Sha256::of(b"model").hex()}});
    let statement = json!({
        "_type": STATEMENT_V1,
        "subject": [subject],
        "predicateType": predicate_type,
        "predicate": predicate,
    });
    match Statement::parse(statement.to_string().as_bytes()) {
        Err(_) => false,
        Ok(Statement { predicate: Predicate::Provenance(provenance), .. }) => {
            provenance.step().is_some() && provenance.parameters().is_some()
        }
        Ok(statement) => {
            // What was read is what is written again: no field is lost on the way.
            let written = statement.predicate.to_value().unwrap();
            assert_eq!(Predicate::from_value(of, written).unwrap(), statement.predicate);
            true
        }
    }
}

/// A value of each type with every member that its schema names.
fn good(of: &str) -> Value {
    let sha256 = "0123456789abcdef".repeat(4);
    let file =
        json!({"name": "f", "digest": {"sha256": sha256}, "annotations": {"role": "dataset"}});
    let tree = json!({
        "name": "t", "uri": "file:t", "mediaType": "text/plain", "downloadLocation": "https://x.example",
        "content": "eA==", "digest": {"sha256": sha256}, "annotations": {"digestMethod": "tree"},
    });
    let code = json!({"name": "git", "digest": {"gitCommit": "01234567".repeat(5)}});
    let party = json!({"id": "mailto:ana@example.test"});
    let policy = format!("sha256:{sha256}");
    let number = json!({
        "metric": "accuracy", "slice": {"feature": "sex", "value": "f"}, "value": "0.97",
        "sampleSize": 143, "comparator": ">=", "threshold": "0.95", "passed": true,
    });
    let (from, to) = ("2026-11-23T08:00:00Z", "2026-11-24T08:00:00.5+01:00");
    match of {
        EVALUATION => json!({
            "step": "evaluate", "evaluator": party, "evaluatedOn": from,
            "harness": {"name": "git", "digest": {"gitCommit": "01234567".repeat(5)}},
            "dataset": file, "criteria": {"uri": "file:gates.yaml"}, "measurements": [number],
            "run": {
                "command": ["sh", "-c", "true"], "parameters": {"rate": "0.10"},
                "startedOn": from, "finishedOn": to, "exitStatus": 0,
                "assurance": "before-and-after", "materials": [tree, code, file],
                "products": [file], "environment": {"hardware": {}},
            },
        }),
        APPROVAL => json!({
            "approver": party, "decision": "APPROVED", "approvedOn": from,
            "scope": {"stage": "production", "policy": policy, "expiresOn": to},
            "reviewed": [file], "comment": "as agreed",
        }),
        WAIVER => json!({
            "requester": party, "requestedOn": from, "reason": "one run only", "ticket": "OPS-7",
            "scope": {
                "stage": "production", "policy": policy, "rule": "metrics/0",
                "finding": "metric.threshold", "expiresOn": to,
            },
        }),
        REVOCATION => json!({
            "revoker": party, "revokedOn": from, "kind": "artifact", "reason": "POISONED",
            "effect": "DESCENDANTS", "fromEntry": 12, "description": "twelve records",
        }),
        REINSTATEMENT => json!({"reason": "the report was mistaken", "reinstatedOn": from}),
        TOMBSTONE => json!({
            "predicateType": "https://example.com/review/v1", "reason": "personal data",
            "erasedOn": from,
        }),
        KEY_ROTATION => json!({
            "origin": "assay.local/0", "from": "assay.local/0+33d7b496+AeHTu4Q=",
            "to": "assay.local/0+d7b49633+AeHTu4Q=", "size": 12,
            "root": policy, "rotatedOn": from,
        }),
        TRUST => json!({
            "version": 2, "expiresOn": to, "previous": policy,
            "document": {"digest": policy, "text": "kind: Trust"}, "proposedOn": from,
        }),
        POLICY => json!({
            "name": "models", "version": 3,
            "document": {"digest": policy, "text": "kind: PromotionPolicy"}, "proposedOn": from,
            "files": [{"digest": policy, "text": "package assay"}],
        }),
        POLICY_ACTIVATION => json!({
            "policy": policy, "stages": ["production"], "sequence": 4, "acceptPrevious": 1,
            "activatedOn": from,
        }),
        DEPLOYMENT => json!({
            "deployer": party, "event": "rollout", "environment": "production",
            "deployedOn": from, "target": {"uri": "k8s://production/model"},
            "strategy": {"type": "canary", "trafficPercent": 10}, "companions": [tree],
            "previous": file, "authorization": {"digest": {"sha256": sha256}},
        }),
        MONITORING => json!({
            "monitor": party, "window": {"from": from, "to": to, "samples": 143},
            "reference": file, "observed": tree, "verdict": "DRIFT", "recommendation": "RETRAIN",
            "measurements": [{"metric": "psi", "feature": "mean area", "value": "0.953"}],
        }),
        _ => json!({
            "step": "train", "command": ["sh", "-c", "true"], "parameters": {"rate": "0.10"},
        }),
    }
}

/// The types that there is a schema of.
fn types() -> impl Iterator<Item = &'static str> {
    OWN.into_iter().chain(BuildKind::ALL.map(BuildKind::uri))
}

/// `value` with something else at a place, or with nothing there.
fn changed(mut value: Value, pointer: &str, to: Option<Value>) -> Value {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match (value.pointer_mut(parent).unwrap(), to) {
        (Value::Object(members), Some(to)) => drop(members.insert(last.into(), to)),
        (Value::Object(members), None) => assert!(members.remove(last).is_some(), "{pointer}"),
        (Value::Array(items), Some(to)) => items[last.parse::<usize>().unwrap()] = to,
        (Value::Array(items), None) => drop(items.remove(last.parse().unwrap())),
        (other, _) => panic!("{other} has nothing at {pointer}"),
    }
    value
}

#[test]
fn there_is_one_schema_of_each_type_and_it_is_valid() {
    let published = published();
    let names: BTreeSet<String> = types()
        .map(|of| of.strip_prefix(NAMESPACE).unwrap().to_owned())
        .chain(SHARED.map(String::from))
        .collect();
    assert_eq!(published.keys().cloned().collect::<BTreeSet<_>>(), names);
    for (name, schema) in &published {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert_eq!(schema["$id"], format!("{NAMESPACE}{name}/schema.json"));
        let valid = jsonschema::meta::validate(schema);
        valid.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(schema["description"].is_string(), "{name}");
        described(schema, name);
    }
    // A wrong keyword is noticed.
    let wrong = changed(published[SHARED[0]].clone(), "/type", Some("objekt".into()));
    assert!(jsonschema::meta::validate(&wrong).is_err());
}

/// Every member says what it means, or refers to what does.
fn described(schema: &Value, place: &str) {
    let Value::Object(keywords) = schema else { return };
    for (keyword, inner) in keywords {
        let place = format!("{place}/{keyword}");
        match (keyword.as_str(), inner) {
            ("properties" | "$defs", Value::Object(members)) => {
                for (name, member) in members {
                    let says = ["description", "$ref"].iter().any(|one| member[one].is_string());
                    let refines = member.get("type").is_none() && member.get("enum").is_none();
                    assert!(says || refines, "{place}/{name} is not described");
                    described(member, &format!("{place}/{name}"));
                }
            }
            ("items" | "additionalProperties", inner) => described(inner, &place),
            _ => {}
        }
    }
}

/// Whether a reader refuses a change, too, or reads it as the README of the schemas says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reader {
    Refuses,
    Reads,
}
use Reader::{Reads, Refuses};

#[test]
fn what_is_good_is_accepted_and_the_smallest_change_is_not() {
    let schemas = Schemas::load();
    for of in types() {
        let good = good(of);
        assert_eq!(schemas.problems(of, &good), [""; 0], "{of}");
        assert!(read(of, &good), "{of}");
    }
    let none = None;
    let some = |value: Value| Some(value);
    let long = "1".repeat(29);
    let deep = format!("0.{}", "1".repeat(29));
    let parameters: [(&str, Option<Value>, Reader); 8] = [
        ("/step", none.clone(), Refuses),
        ("/step", some("Train".into()), Refuses),
        ("/command", none.clone(), Reads),
        ("/command", some(json!([])), Reads),
        ("/command/0", some(1.into()), Reads),
        ("/parameters", none.clone(), Refuses),
        ("/parameters/rate", some(json!(0.1)), Reads),
        ("/parameters/", some("0.1".into()), Reads),
    ];
    let own = [
        (EVALUATION, "/step", some("an evaluation".into()), Refuses),
        (EVALUATION, "/evaluator", none.clone(), Refuses),
        (EVALUATION, "/evaluatedOn", some("yesterday".into()), Refuses),
        (EVALUATION, "/evaluatedOn", some("2026-02-30T08:00:00Z".into()), Refuses),
        (EVALUATION, "/evaluatedOn", some("2026-11-23T08:00:00".into()), Refuses),
        (EVALUATION, "/evaluatedOn", some(Value::Null), Reads),
        (EVALUATION, "/harness/name", none.clone(), Refuses),
        (EVALUATION, "/dataset", none.clone(), Refuses),
        (EVALUATION, "/dataset/digest", none.clone(), Reads),
        (EVALUATION, "/dataset/digest/sha256", some("AB".into()), Reads),
        (EVALUATION, "/dataset/digest/gitCommit", some("01234567".repeat(5).into()), Reads),
        (EVALUATION, "/dataset/annotations/digestMethod", some("zip".into()), Reads),
        (EVALUATION, "/measurements", none.clone(), Refuses),
        (EVALUATION, "/measurements/0/value", some(json!(0.97)), Refuses),
        (EVALUATION, "/measurements/0/value", some("NaN".into()), Refuses),
        (EVALUATION, "/measurements/0/value", some("9.7e-1".into()), Refuses),
        (EVALUATION, "/measurements/0/value", some("+1".into()), Refuses),
        (EVALUATION, "/measurements/0/value", some(".5".into()), Refuses),
        (EVALUATION, "/measurements/0/value", some("1\n".into()), Refuses),
        // The reader takes 29 digits where 96 bits hold them; nobody should rely on it.
        (EVALUATION, "/measurements/0/value", some(long.clone().into()), Reads),
        (EVALUATION, "/measurements/0/value", some(long.repeat(2).into()), Refuses),
        (EVALUATION, "/measurements/0/value", some(deep.into()), Refuses),
        (EVALUATION, "/measurements/0/threshold", some(json!(0.95)), Refuses),
        (EVALUATION, "/measurements/0/sampleSize", some((-1).into()), Refuses),
        (EVALUATION, "/measurements/0/sampleSize", some(json!(0.5)), Refuses),
        (EVALUATION, "/measurements/0/slice/value", none.clone(), Refuses),
        (EVALUATION, "/run/exitStatus", some(2_147_483_648_u64.into()), Refuses),
        (EVALUATION, "/run/materials/0/digest", none.clone(), Reads),
        (EVALUATION, "/run/parameters/rate", some(json!(0.1)), Reads),
        (APPROVAL, "/decision", none.clone(), Refuses),
        (APPROVAL, "/decision", some("approved".into()), Reads),
        (APPROVAL, "/scope", none.clone(), Refuses),
        (APPROVAL, "/scope/stage", none.clone(), Reads),
        (APPROVAL, "/scope/stage", some("Production".into()), Reads),
        (APPROVAL, "/scope/environment", some("production".into()), Refuses),
        (APPROVAL, "/scope/policy", some("0123".into()), Reads),
        (APPROVAL, "/scope/expiresOn", none.clone(), Reads),
        (APPROVAL, "/scope/expiresOn", some("2027".into()), Refuses),
        (APPROVAL, "/reviewed/0", some(json!({"name": "f"})), Reads),
        (WAIVER, "/scope", none.clone(), Refuses),
        (WAIVER, "/scope/rule", none.clone(), Reads),
        (WAIVER, "/scope/expiresOn", none.clone(), Reads),
        (WAIVER, "/reason", none.clone(), Refuses),
        (WAIVER, "/reason", some("".into()), Reads),
        (WAIVER, "/requester", some("ana".into()), Reads),
        (WAIVER, "/requestedOn", some("2027".into()), Refuses),
        (WAIVER, "/scope/finding", some("too old".into()), Reads),
        (WAIVER, "/ticket", some("".into()), Reads),
        (REVOCATION, "/kind", none.clone(), Reads),
        (REVOCATION, "/kind", some("credential".into()), Reads),
        (REVOCATION, "/kind", some(Value::Null), Refuses),
        (REVOCATION, "/effect", some("EVERYTHING".into()), Reads),
        (REVOCATION, "/reason", none.clone(), Reads),
        (REVOCATION, "/revokedOn", some("2026-12-01".into()), Refuses),
        (REINSTATEMENT, "/reason", none.clone(), Refuses),
        (REINSTATEMENT, "/reinstatedOn", none.clone(), Reads),
        (TOMBSTONE, "/predicateType", none.clone(), Refuses),
        (TOMBSTONE, "/reason", none.clone(), Refuses),
        (TOMBSTONE, "/reason", some("".into()), Reads),
        (TOMBSTONE, "/erasedOn", none.clone(), Reads),
        (KEY_ROTATION, "/origin", none.clone(), Refuses),
        (KEY_ROTATION, "/from", none.clone(), Refuses),
        (KEY_ROTATION, "/to", some("".into()), Reads),
        (KEY_ROTATION, "/size", some("12".into()), Refuses),
        (KEY_ROTATION, "/root", some("sha256:00".into()), Refuses),
        (KEY_ROTATION, "/rotatedOn", none.clone(), Reads),
        (TRUST, "/version", none.clone(), Refuses),
        (TRUST, "/version", some(0.into()), Reads),
        (TRUST, "/expiresOn", none.clone(), Refuses),
        (TRUST, "/previous", some("sha256:00".into()), Refuses),
        (TRUST, "/document", none.clone(), Refuses),
        (TRUST, "/document/text", none.clone(), Refuses),
        (TRUST, "/document/digest", some("00".into()), Refuses),
        (TRUST, "/proposedOn", none.clone(), Reads),
        (POLICY, "/name", none.clone(), Refuses),
        (POLICY, "/name", some("".into()), Reads),
        (POLICY, "/version", some("3".into()), Refuses),
        (POLICY, "/document/text", some(1.into()), Refuses),
        (POLICY, "/files", some(json!([])), Reads),
        (POLICY, "/files/0/text", none.clone(), Refuses),
        (POLICY, "/files/0/digest", some("00".into()), Refuses),
        (POLICY_ACTIVATION, "/policy", none.clone(), Refuses),
        (POLICY_ACTIVATION, "/stages", none.clone(), Refuses),
        (POLICY_ACTIVATION, "/stages", some(json!([])), Reads),
        (POLICY_ACTIVATION, "/stages/0", some("Production".into()), Reads),
        (POLICY_ACTIVATION, "/sequence", none.clone(), Refuses),
        (POLICY_ACTIVATION, "/acceptPrevious", none.clone(), Reads),
        (POLICY_ACTIVATION, "/acceptPrevious", some((-1).into()), Refuses),
        (DEPLOYMENT, "/event", none.clone(), Refuses),
        (DEPLOYMENT, "/event", some("promotion".into()), Reads),
        (DEPLOYMENT, "/environment", none.clone(), Refuses),
        (DEPLOYMENT, "/strategy/trafficPercent", some(101.into()), Reads),
        (DEPLOYMENT, "/previous/digest", none.clone(), Reads),
        (MONITORING, "/verdict", none.clone(), Refuses),
        (MONITORING, "/verdict", some("FINE".into()), Reads),
        (MONITORING, "/recommendation", none.clone(), Refuses),
        (MONITORING, "/recommendation", some("PRAY".into()), Reads),
        (MONITORING, "/window/to", none.clone(), Reads),
        (MONITORING, "/measurements/0/value", some(json!(0.953)), Reads),
    ];
    let steps = BuildKind::ALL.into_iter().flat_map(|kind| {
        parameters.iter().map(move |(at, to, reader)| (kind.uri(), *at, to.clone(), *reader))
    });
    for (of, pointer, to, reader) in own.into_iter().chain(steps) {
        let row = format!("{of}{pointer} as {to:?}");
        let value = changed(good(of), pointer, to);
        assert!(!schemas.accept(of, &value), "{row}");
        assert_eq!(read(of, &value), reader == Reads, "{row}");
    }
}

#[test]
fn what_a_schema_accepts_a_reader_reads() {
    let schemas = Schemas::load();
    let others = [
        Value::Null,
        true.into(),
        0.into(),
        (-1).into(),
        json!(0.5),
        u64::MAX.into(),
        "".into(),
        "x".into(),
        "0".into(),
        "-00.50".into(),
        "1".repeat(28).into(),
        format!("0.{}", "1".repeat(28)).into(),
        format!("1{}", "0".repeat(28)).into(),
        "2026-11-23T08:00:00Z".into(),
        "2026-11-23T08:00:60Z".into(),
        "2026-11-23T24:00:00Z".into(),
        "2026-11-23T08:00:00+24:00".into(),
        "f".repeat(64).into(),
        "f".repeat(40).into(),
        "tree".into(),
        json!([]),
        json!(["x"]),
        json!({}),
        json!({"id": "x"}),
        json!({"digest": {"sha512": "x"}}),
        json!([[]]),
    ];
    let (mut accepted, mut refused) = (0, 0);
    for of in types() {
        let good = good(of);
        for pointer in places(&good) {
            let unknown = format!("{pointer}/vendorField");
            let mut variants: Vec<Value> = Vec::new();
            variants.push(changed(good.clone(), &pointer, None));
            if good.pointer(&pointer).unwrap().is_object() {
                variants.push(changed(good.clone(), &unknown, Some("x".into())));
            }
            let other = |other: &Value| changed(good.clone(), &pointer, Some(other.clone()));
            variants.extend(others.iter().map(other));
            for value in variants {
                if schemas.accept(of, &value) {
                    assert!(read(of, &value), "{of}{pointer}: accepted and not read: {value}");
                    accepted += 1;
                } else {
                    refused += 1;
                }
            }
        }
    }
    assert!(accepted > 500 && refused > 500, "{accepted} accepted, {refused} refused");

    // Where a reader is stricter than a schema can be.
    for pointer in ["/measurements/0/sampleSize", "/run/exitStatus"] {
        let value = changed(good(EVALUATION), pointer, Some(json!(143.0)));
        assert!(schemas.accept(EVALUATION, &value) && !read(EVALUATION, &value), "{pointer}");
    }
}

/// Every place in a value below its top.
fn places(value: &Value) -> Vec<String> {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, one)| (name.clone(), one)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, one)| (at.to_string(), one)).collect()
        }
        _ => Vec::new(),
    };
    let below = |(name, one): &(String, &Value)| {
        let deeper = places(one).into_iter().map(move |place| format!("/{name}{place}"));
        std::iter::once(format!("/{name}")).chain(deeper.collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    members.iter().flat_map(below).collect()
}

#[allow(clippy::disallowed_methods, reason = "the clock of a test is the caller's")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// Records a step of a kind that reads a model and data, and writes a product and numbers.
fn record(kind: BuildKind, script: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    for name in ["model", "data", "uv.lock"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let command = ["sh", "-c", script].map(OsString::from).into();
    let mut plan = Plan::new(kind, "a-step".parse().unwrap(), command);
    (plan.root, plan.directory) = (folder.path().into(), folder.path().into());
    let material = |text: &str| Material::parse(OsStr::new(text));
    plan.materials = ["model=model", "holdout-dataset=data"].map(material).into();
    plan.products = vec!["out".into()];
    plan.metrics = Some("metrics.json".into());
    plan.parameters = [("rate", "0.10"), ("deep.list", "[1,\"x\"]"), ("api_key", "hunter2hunter2")]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
    plan.attest_failure = true;
    let environment: Vec<_> = std::env::vars_os().collect();
    let started = Recorder::start(plan, &environment, now(), &Silent).unwrap();
    let recording = started.run(&Silent).unwrap().finish(now(), &Silent).unwrap();
    recording.statement.unwrap().with_nonce().unwrap().to_json().unwrap()
}

#[test]
fn recorded_steps_are_as_published() {
    let schemas = Schemas::load();
    let numbers = r#"{"sampleSize": 143, "metrics": {"accuracy": 0.979, "loss": 1e-3},
        "slices": [{"feature": "sex", "value": "f", "metrics": {"accuracy": -0}}]}"#;
    let good = format!("mkdir out; echo 1 > out/a; echo '{numbers}' > metrics.json");
    let cases =
        BuildKind::ALL.into_iter().flat_map(|kind| [(kind, good.as_str()), (kind, "exit 3")]);
    let mut seen = BTreeSet::new();
    for (kind, script) in cases {
        let payload = record(kind, script);
        assert_eq!(schemas.problems_of(&payload).unwrap(), [""; 0], "{kind}: {script}");
        seen.insert(said(&json::parse(&payload).unwrap()).unwrap().0);
    }
    assert_eq!(seen.len(), 7, "six build types, and the statement of numbers");
}

#[cfg(feature = "server")]
#[test]
fn what_the_command_attests_is_as_published() {
    use std::process::Command;

    let schemas = Schemas::load();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("model"), "weights").unwrap();
    fs::write(at.join("psi.json"), r#"[{"metric": "psi", "value": "0.953"}]"#).unwrap();
    let policy = Sha256::of(b"policy");
    let cases = [
        (APPROVAL, "approval --stage production --expires 90d --comment fine".to_owned()),
        (APPROVAL, format!("approval --stage production --expires 90d --reject --policy {policy}")),
        (WAIVER, "waiver --rule a --stage production --reason b --expires 14d".into()),
        (
            WAIVER,
            format!(
                "waiver --rule a --stage production --reason b --expires 14d --requested-by ana --policy {policy} --finding age.exceeded --ticket OPS-7"
            ),
        ),
        (REVOCATION, "revocation --reason POISONED".into()),
        (REVOCATION, "revocation --reason POISONED --descendants".into()),
        (DEPLOYMENT, "deployment --stage production".into()),
        (
            DEPLOYMENT,
            "deployment --event traffic --stage production --target k8s://a --traffic 10".into(),
        ),
        (MONITORING, "monitoring --verdict ok".into()),
        (
            MONITORING,
            "monitoring --verdict drift --recommendation retrain --measurements psi.json".into(),
        ),
    ];
    for (of, words) in cases {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        for name in ["ASSAY_DIR", "ASSAY_SERVER", "ASSAY_KEY", "ASSAY_TOKEN", "ASSAY_TOKEN_FILE"] {
            command.env_remove(name);
        }
        let all = format!("attest {words} --subject model --output bundle.json");
        let output = command.args(all.split(' ')).current_dir(at).output().unwrap();
        assert!(output.status.success(), "{all}: {}", String::from_utf8_lossy(&output.stderr));
        let bundle = attest::Bundle::parse(&fs::read(at.join("bundle.json")).unwrap()).unwrap();
        fs::remove_file(at.join("bundle.json")).unwrap();
        let payload = &bundle.envelope.payload;
        assert_eq!(schemas.problems_of(payload).unwrap(), [""; 0], "{all}");
        assert_eq!(json::parse(payload).unwrap()["predicateType"], of);
    }
}

/// The same without members that are null, which readers take for absent.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, one)| !one.is_null())
            .map(|(name, one)| (name, without_nulls(one)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

#[test]
fn scenes_are_as_published_and_what_is_not_is_still_read() {
    let schemas = Schemas::load();
    let at: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    let (mut seen, mut deviations) = (BTreeSet::new(), Vec::new());
    for case in fixtures::load(&root().join("tests/attacks")).unwrap() {
        for row in &case.rows {
            for evidence in row.scene(at).unwrap().evidence {
                let payload = &evidence.presented.envelope.payload;
                let Some((of, value)) = json::parse(payload).ok().and_then(|one| said(&one)) else {
                    continue;
                };
                if !schemas.0.contains_key(&of) {
                    continue;
                }
                let name = format!("{}/{}/{}", case.name, row.name, evidence.id);
                assert!(read(&of, &value), "{name}");
                let problems = schemas.problems(&of, &without_nulls(value));
                deviations.extend(problems.into_iter().map(|problem| format!("{name}{problem}")));
                seen.insert(of);
            }
        }
    }
    // What nobody knows is read as the widest, what says too little excepts from nothing or rejects
    // more, and neither is ever written.
    let places: BTreeSet<&str> =
        deviations.iter().filter_map(|one| one.split_once(": ")).map(|(place, _)| place).collect();
    let known = [
        "08-revoked-key-signs-with-an-old-date/revoked in words that this version does not know/revoke/kind",
        "11-revocations/a key is revoked from what is no entry/revocation/fromEntry",
        "11-revocations/a kind that nobody knows is the widest/revocation/kind",
        "11-revocations/an effect that nobody knows is the widest/revocation/effect",
        "22-waivers/it is for no stage/waiver/scope",
        "22-waivers/it never ends/waiver/scope",
        "22-waivers/the artifact was rejected afterwards for another stage/refusal/scope",
        "22-waivers/the artifact was rejected afterwards for every stage/refusal/scope",
        "22-waivers/the artifact was rejected afterwards/refusal/scope",
        "22-waivers/the artifact was rejected before/refusal/scope",
        "22-waivers/the artifact was rejected between asking and approving/refusal/scope",
    ];
    assert_eq!(places, known.into());
    assert!(seen.len() >= 5, "{seen:?}");
}

/// The type of Assay's own that a worked sample is a draft of, by file; the others are of types
/// that others publish. Then what of it is not as published: the drafts of provenance name a
/// source and an entry point where a recorded step has its name and command, and numbers where it
/// has texts.
const SAMPLES: [(&str, &str, &[&str]); 9] = [
    (
        "01-data-preparation.json",
        BuildKind::DataPreparation.uri(),
        &[
            "/parameters/seed: 7 is not of type \"string\"",
            "/parameters/test_size: 0.25 is not of type \"string\"",
            ": \"command\" is a required property",
            ": \"step\" is a required property",
        ],
    ),
    ("02-training.json", BuildKind::Training.uri(), &NO_STEP),
    ("03-fine-tuning.json", BuildKind::FineTuning.uri(), &NO_STEP),
    ("04b-evaluation-measurements.json", EVALUATION, &[]),
    ("05-packaging.json", BuildKind::Packaging.uri(), &NO_STEP),
    ("07-deployment.json", DEPLOYMENT, &[]),
    ("08-monitoring.json", MONITORING, &[]),
    ("09-approval.json", APPROVAL, &[]),
    ("10-revocation.json", REVOCATION, &[]),
];
const NO_STEP: [&str; 3] = [
    ": \"command\" is a required property",
    ": \"parameters\" is a required property",
    ": \"step\" is a required property",
];

#[test]
fn worked_samples_are_as_published_but_for_what_is_listed() {
    let beside = root().join("../shared/vectors");
    let vectors = std::env::var_os("ASSAY_VECTORS").map_or(beside, PathBuf::from);
    let folder = vectors.join("../statements");
    if !folder.is_dir() {
        // Nobody must take an absent folder for a passed test.
        println!(
            "WARNING: no samples at `{}`: set ASSAY_VECTORS; nothing was tested",
            folder.display()
        );
        return;
    }
    let schemas = Schemas::load();
    for (file, of, deviations) in SAMPLES {
        let sample = json::parse(&fs::read(folder.join(file)).unwrap()).unwrap();
        let (draft, value) = said(&sample).unwrap();
        assert!(!schemas.0.contains_key(&draft), "{file} is no draft any more: {draft}");
        let mut problems = schemas.problems(of, &value);
        problems.sort();
        assert_eq!(problems, deviations, "{file}");
    }
}
