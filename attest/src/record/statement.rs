//! From what was found to the statement that is signed.
//!
//! A step that succeeded is the SLSA provenance of its products, or, for an evaluation, one
//! statement of numbers about the model. A step that failed made nothing: whatever it left is
//! no subject, so that no rule can take it for a product of the step. Its statement is about a
//! record of the failure.

use std::collections::BTreeMap;
use std::ffi::OsString;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::paths::{DATASETS, MODEL, Paths};
use super::recorder::{Input, Inputs, Outputs};
use super::secrets::{redact_command, redact_value};
use super::{Plan, ProductName, RecordError, child};
use crate::NAMESPACE;
use crate::artifact::ArtifactId;
use crate::content::{Content, ManifestBytes};
use crate::digest::Sha256;
use crate::format::DETECTED_FORMATS;
use crate::json::canonical;
use crate::predicate::{
    BuildDefinition, BuildKind, Builder, Evaluation, Evaluator, Harness, Predicate, Provenance,
    Run, RunDetails, RunMetadata,
};
use crate::resource::ResourceDescriptor;
use crate::statement::Statement;

/// How surely the materials are what the command read.
const ASSURANCE: &str = "before-and-after";
/// How many bytes of manifests of products go into a statement. In base64 they still fit.
const MAX_PRODUCT_MANIFESTS: usize = 16 << 20;
/// How many bytes of manifests of materials do. Whoever made them has said what they hold.
const MAX_MATERIAL_MANIFESTS: usize = 4 << 20;

/// Whether the step becomes a statement of numbers.
pub(super) fn is_evaluation(plan: &Plan, status: i32) -> bool {
    plan.kind == BuildKind::Evaluation && status == 0
}

/// Writes the statement.
pub(super) fn write(
    plan: &Plan,
    paths: &Paths,
    inputs: &Inputs,
    outputs: &Outputs,
) -> Result<Statement, RecordError> {
    if is_evaluation(plan, outputs.status) {
        evaluation(plan, paths, inputs, outputs)
    } else {
        provenance(plan, paths, inputs, outputs)
    }
}

fn provenance(
    plan: &Plan,
    paths: &Paths,
    inputs: &Inputs,
    outputs: &Outputs,
) -> Result<Statement, RecordError> {
    let mut byproducts = Vec::new();
    let subject = if outputs.status == 0 {
        let formats = outputs.formats.iter().map(Vec::as_slice);
        let formats = formats.chain(std::iter::repeat(&[][..]));
        let named = |((path, content), formats): (&(String, Content), &[&str])| {
            let mut found = subject(path, &content.artifact, plan.name.as_ref());
            if !formats.is_empty() {
                found.annotations.insert(DETECTED_FORMATS.into(), formats.into());
            }
            found
        };
        outputs.products.iter().zip(formats).map(named).collect()
    } else {
        let (record, bytes) = failure(plan, paths, inputs, outputs);
        byproducts.push(embedded(record.clone(), "application/json", &bytes));
        byproducts.extend(
            outputs
                .products
                .iter()
                .map(|(path, content)| ResourceDescriptor::of(path, &content.artifact)),
        );
        vec![record]
    };
    if let Some(metrics) = &outputs.metrics {
        let artifact = ArtifactId::file(Sha256::of(&metrics.bytes));
        let descriptor = ResourceDescriptor::of(&metrics.name, &artifact).with_role("metrics");
        byproducts.push(embedded(descriptor, "application/json", &metrics.bytes));
    }
    byproducts.push(exit_status(outputs.status));
    byproducts.extend(manifests(inputs, outputs)?.into_values());

    let internal = json!({
        "assurance": ASSURANCE,
        "waitedFor": child::OBSERVED,
        "hardware": inputs.hardware,
        "environment": inputs.environment,
    });
    let external = json!({
        "step": plan.step,
        "command": command(&plan.command),
        "parameters": parameters(&plan.parameters),
    });
    let provenance = Provenance {
        build_definition: BuildDefinition {
            build_type: plan.kind.uri().into(),
            external_parameters: object(external),
            internal_parameters: object(internal),
            resolved_dependencies: dependencies(inputs),
        },
        run_details: RunDetails {
            builder: Builder {
                id: builder(),
                version: object(json!({"assay": env!("CARGO_PKG_VERSION")})),
            },
            metadata: RunMetadata {
                invocation_id: None,
                started_on: Some(inputs.started),
                finished_on: Some(outputs.finished),
            },
            byproducts,
        },
    };
    Ok(Statement { subject, predicate: Predicate::Provenance(Box::new(provenance)) })
}

fn evaluation(
    plan: &Plan,
    paths: &Paths,
    inputs: &Inputs,
    outputs: &Outputs,
) -> Result<Statement, RecordError> {
    let only = |roles: &[&str], wanted, example| {
        let place = paths.only(roles);
        let found = place.and_then(|place| inputs.materials.get(place).ok_or(0));
        found.map_err(|found| RecordError::Roles { wanted, found, example })
    };
    let model = only(&[MODEL], "`model`", "model")?;
    let dataset = only(&DATASETS, "`holdout-dataset` or `dataset`", "holdout-dataset")?;
    let metrics = outputs.metrics.as_ref().ok_or(RecordError::NoMetrics)?;

    let mut manifests = manifests(inputs, outputs)?;
    let mut carry = |mut descriptor: ResourceDescriptor| {
        // A statement of numbers has no byproducts: what is described carries its manifest.
        let hex = descriptor.digest.get("sha256").cloned().unwrap_or_default();
        if let Some(manifest) = manifests.remove(&hex) {
            descriptor.media_type = manifest.media_type;
            descriptor.content = manifest.content;
        }
        descriptor
    };
    let mut products: Vec<_> = outputs
        .products
        .iter()
        .map(|(path, content)| carry(ResourceDescriptor::of(path, &content.artifact)))
        .collect();
    if products.iter().all(|product| product.name.as_ref() != Some(&metrics.name)) {
        let artifact = ArtifactId::file(Sha256::of(&metrics.bytes));
        products.push(ResourceDescriptor::of(&metrics.name, &artifact).with_role("metrics"));
    }
    let materials = dependencies(inputs).into_iter().map(carry).collect();
    let run = Run {
        command: command(&plan.command),
        parameters: parameters(&plan.parameters),
        started_on: Some(inputs.started),
        finished_on: Some(outputs.finished),
        exit_status: outputs.status,
        assurance: ASSURANCE.into(),
        materials,
        products,
        environment: object(json!({
            "waitedFor": child::OBSERVED,
            "hardware": inputs.hardware,
            "variables": inputs.environment,
        })),
    };
    let harness = inputs.code.as_ref().map(|code| Harness {
        name: "git".into(),
        digest: BTreeMap::from([("gitCommit".into(), code.commit.to_string())]),
    });
    let evaluation = Evaluation {
        step: Some(plan.step.clone()),
        evaluator: Evaluator { id: builder() },
        evaluated_on: Some(outputs.finished),
        harness,
        dataset: described(dataset),
        criteria: None,
        measurements: metrics.measurements.clone(),
        run: Some(Box::new(run)),
    };
    let subject = subject(&model.named.name, &model.content.artifact, plan.name.as_ref());
    Ok(Statement { subject: vec![subject], predicate: Predicate::Evaluation(Box::new(evaluation)) })
}

/// Who records on this machine. A claim: trust in it comes from the key.
fn builder() -> String {
    format!("{NAMESPACE}builder/local/v1")
}

/// A subject under its path, or under the name that was given for it.
fn subject(path: &str, artifact: &ArtifactId, name: Option<&ProductName>) -> ResourceDescriptor {
    let Some(name) = name else { return ResourceDescriptor::of(path, artifact) };
    let mut found = ResourceDescriptor::of(name.name(), artifact);
    found.annotations.insert("path".into(), path.into());
    if let Some(version) = name.version() {
        found.annotations.insert("version".into(), version.into());
    }
    found
}

/// What went in: materials, code, lock files, runtime.
fn dependencies(inputs: &Inputs) -> Vec<ResourceDescriptor> {
    let materials = inputs.materials.iter().map(described);
    let code = inputs.code.iter().map(super::code::Code::descriptor);
    let locks = inputs.locks.iter().map(described);
    materials.chain(code).chain(locks).chain(inputs.runtime.iter().cloned()).collect()
}

fn described(input: &Input) -> ResourceDescriptor {
    let found = ResourceDescriptor::of(&input.named.name, &input.content.artifact);
    match &input.named.role {
        Some(role) => found.with_role(role),
        None => found,
    }
}

/// The manifests of products and materials, by the hex digits of their digests.
fn manifests(
    inputs: &Inputs,
    outputs: &Outputs,
) -> Result<BTreeMap<String, ResourceDescriptor>, RecordError> {
    let mut found = BTreeMap::new();
    let mut left = MAX_PRODUCT_MANIFESTS;
    for (path, content) in &outputs.products {
        for ManifestBytes { media_type, bytes } in &content.manifests {
            left = left.checked_sub(bytes.len()).ok_or_else(|| RecordError::TooManyFiles {
                path: path.clone(),
                bytes: bytes.len(),
            })?;
            add(&mut found, path, media_type, bytes);
        }
    }
    let mut left = MAX_MATERIAL_MANIFESTS;
    for input in &inputs.materials {
        for ManifestBytes { media_type, bytes } in &input.content.manifests {
            if let Some(less) = left.checked_sub(bytes.len()) {
                left = less;
                add(&mut found, &input.named.name, media_type, bytes);
            }
        }
    }
    Ok(found)
}

fn add(
    found: &mut BTreeMap<String, ResourceDescriptor>,
    name: &str,
    media_type: &str,
    bytes: &[u8],
) {
    let digest = Sha256::of(bytes);
    let manifest = ResourceDescriptor::of(name, &ArtifactId::file(digest));
    found.entry(digest.hex()).or_insert_with(|| embedded(manifest, media_type, bytes));
}

fn embedded(
    mut descriptor: ResourceDescriptor,
    media_type: &str,
    bytes: &[u8],
) -> ResourceDescriptor {
    descriptor.media_type = Some(media_type.into());
    descriptor.content = Some(STANDARD.encode(bytes));
    descriptor
}

fn exit_status(status: i32) -> ResourceDescriptor {
    let bytes = status.to_string().into_bytes();
    let descriptor = ResourceDescriptor::of("exit-status", &ArtifactId::file(Sha256::of(&bytes)));
    let mut found = embedded(descriptor, "text/plain", &bytes);
    found.annotations.insert("exitStatus".into(), status.into());
    found
}

/// The record that the statement of a failure is about. It is named after what should have been
/// made, so that who may sign for that may sign for this.
fn failure(
    plan: &Plan,
    paths: &Paths,
    inputs: &Inputs,
    outputs: &Outputs,
) -> (ResourceDescriptor, Vec<u8>) {
    let record = canonical(&json!({
        "step": plan.step,
        "command": command(&plan.command),
        "exitStatus": outputs.status,
        "startedOn": inputs.started,
        "finishedOn": outputs.finished,
    }));
    let model = paths.only(&[MODEL]).ok().and_then(|place| paths.materials.get(place));
    let about = model.filter(|_| plan.kind == BuildKind::Evaluation).map(|model| &model.name);
    let about = about.or(paths.products.first()).map_or(plan.step.as_str(), String::as_str);
    let artifact = ArtifactId::file(Sha256::of(&record));
    (ResourceDescriptor::of(format!("{about}.failure"), &artifact), record)
}

pub(super) fn command(words: &[OsString]) -> Vec<String> {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    redact_command(&words)
}

fn parameters(given: &BTreeMap<String, String>) -> Map<String, Value> {
    given.iter().map(|(name, value)| (name.clone(), redact_value(name, value).into())).collect()
}

/// The members of a JSON object.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Kind;
    use crate::tree;

    fn content(bytes: Vec<u8>) -> Content {
        let artifact = ArtifactId::new(Kind::Tree, Sha256::of(&bytes));
        let manifests = vec![ManifestBytes { media_type: tree::MEDIA_TYPE.into(), bytes }];
        Content { artifact, manifests, files: Vec::new() }
    }

    fn inputs() -> Inputs {
        Inputs {
            materials: Vec::new(),
            locks: Vec::new(),
            runtime: Vec::new(),
            hardware: Map::new(),
            environment: BTreeMap::new(),
            code: None,
            started: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn outputs(products: Vec<(String, Content)>) -> Outputs {
        let finished = jiff::Timestamp::UNIX_EPOCH;
        Outputs { products, formats: Vec::new(), metrics: None, status: 0, finished }
    }

    #[test]
    fn manifests_of_products_are_carried_or_refused() {
        let half = MAX_PRODUCT_MANIFESTS / 2;
        let cases: [(&[usize], Option<usize>); 4] = [
            (&[10, 20], Some(2)),
            (&[10, 10], Some(1)),
            (&[half, half - 1], Some(2)),
            (&[half, half + 1], None),
        ];
        for (sizes, want) in cases {
            let product = |size: &usize| (format!("p{size}"), content(vec![b'x'; *size]));
            let outputs = outputs(sizes.iter().map(product).collect());
            let found = manifests(&inputs(), &outputs);
            assert_eq!(found.as_ref().ok().map(BTreeMap::len), want, "{sizes:?}");
            if let Err(error) = found {
                assert!(error.to_string().contains("pack it into one file"), "{error}");
            }
        }
    }

    #[test]
    fn a_name_replaces_the_path_which_is_kept_beside_it() {
        let artifact = ArtifactId::file(Sha256::of(b"x"));
        let plain = subject("out/model", &artifact, None);
        assert_eq!(plain, ResourceDescriptor::of("out/model", &artifact));
        let name: ProductName = "bc@1".parse().unwrap();
        let named = subject("out/model", &artifact, Some(&name));
        assert_eq!(named.label(), "bc");
        assert_eq!(named.artifact(), Ok(artifact));
        assert_eq!(named.annotations["path"], "out/model");
        assert_eq!(named.annotations["version"], "1");
    }
}
