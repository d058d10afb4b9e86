//! The statement of a step as the policy wants it: what it made and used, as far as the chain shows,
//! and everything that rules read in it.

use std::collections::BTreeMap;

use attest::ArtifactId;
use attest::NAMESPACE;
use attest::format::DETECTED_FORMATS;
use attest::predicate::{
    BuildKind, CYCLONEDX, EVALUATION, PROVENANCE, PROVENANCE_V0_2, TEST_RESULT,
};
use serde_json::{Map, Value, json};
use verify::Attestation;

use super::skeleton::{blank, descriptor, name_of};
use super::statement::{by_hand, number, of_subjects, when};
use super::{Means, Remedy};
use crate::model::{Model, Port, Step};
use crate::rules::chain::Chain;
use crate::rules::{Metric, Question};

/// The most statements of another step, and of each the most artifacts, that are looked at to say
/// what a step made and used; a person adds what is beyond.
const MAX_LOOKED: usize = 32;

/// Artifacts under the names that statements give them.
type Named = BTreeMap<ArtifactId, Value>;

/// What an evaluation measures, where it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    /// The model.
    pub(crate) model: Option<ArtifactId>,
    /// The data that it is measured on.
    pub(crate) dataset: Option<ArtifactId>,
}

/// The parts of a step's statement that other rules have a say in.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// The parameters of the run.
    pub(crate) parameters: Map<String, Value>,
    /// More of what goes in.
    pub(crate) materials: Vec<Value>,
    /// The format of what is made.
    pub(crate) format: Option<String>,
    /// What runs it.
    pub(crate) builder: Option<String>,
}

impl Remedy {
    /// That a step is run again, or has to be.
    pub(crate) fn step(
        kind: Means,
        question: Question<'_>,
        chain: &Chain<'_>,
        index: usize,
    ) -> Self {
        Self::step_on(kind, question, chain, index, Measured::default())
    }

    /// The same for an evaluation on a data set.
    pub(crate) fn step_on(
        kind: Means,
        question: Question<'_>,
        chain: &Chain<'_>,
        index: usize,
        measured: Measured,
    ) -> Self {
        let model = question.model;
        let Some(step) = model.steps.get(index) else { return Self::new(kind) };
        let build = build_kind(step);
        let kind = match (kind, build) {
            // No kind of run leaves such a statement: somebody signs it.
            (Means::Run, None) => Means::Statement,
            (kind, _) => kind,
        };
        let mut remedy = Self::new(kind).by(&step.signers.whom).owners(step.signers.threshold);
        if let Some(other) = step.signers.not_same_as {
            let signers = chain.chosen(other).iter().flat_map(|one| &one.signers);
            remedy = remedy.but_for(signers.map(|signer| signer.name.as_str()));
        }
        if let Some(build) = build {
            let argv = ["assay", "run", "--step", step.name.as_str(), "--kind", build.as_str()];
            remedy = remedy.argv(argv);
        }
        if kind == Means::Anew {
            return remedy;
        }
        remedy.with(of_step(question, chain, index, measured))
    }
}

/// The kind of run that leaves a statement of the step.
fn build_kind(step: &Step) -> Option<BuildKind> {
    let measures = step.predicates.iter().all(|one| one == EVALUATION);
    step.kind.or_else(|| measures.then_some(BuildKind::Evaluation))
}

/// The statement of a step, with blanks.
fn of_step(question: Question<'_>, chain: &Chain<'_>, index: usize, measured: Measured) -> Value {
    let model = question.model;
    let Some(step) = model.steps.get(index) else { return Value::Null };
    let mut made = Made::default();
    for rule in &model.rules {
        rule.wants(model, index, &mut made);
    }
    let ours = |one: &&String| {
        let one = one.as_str();
        [PROVENANCE, EVALUATION, TEST_RESULT, CYCLONEDX, PROVENANCE_V0_2].contains(&one)
    };
    let known = step.predicates.iter().find(ours).or(step.predicates.first());
    let known = known.map_or("", String::as_str);
    let mut subjects = subjects(question, chain, index);
    if known == EVALUATION {
        // One statement measures one model.
        let first = subjects.keys().next().copied();
        if let Some(model) = measured.model.or(first) {
            let name = subjects.remove(&model).unwrap_or_else(|| name_of(question, &model));
            subjects = Named::from([(model, name)]);
        }
    }
    let entering = materials(model, chain, index);
    let (predicate_type, predicate) = match known {
        EVALUATION => {
            let models = subjects.clone();
            (EVALUATION, evaluation(question, step, (index, measured), models, entering, &made))
        }
        TEST_RESULT => {
            let result = blank("what came of the tests: `PASSED`, `WARNED` or `FAILED`", "PASSED");
            let configured = "what configured the tests, as a list of resource descriptors";
            (TEST_RESULT, json!({"result": result, "configuration": blank(configured, json!([]))}))
        }
        CYCLONEDX => (CYCLONEDX, json!({"bomFormat": "CycloneDX", "specVersion": "1.6"})),
        PROVENANCE => (PROVENANCE, provenance(question, step, entering, &made)),
        PROVENANCE_V0_2 => (PROVENANCE_V0_2, earlier(question, step, entering, &made)),
        other => (other, json!({})),
    };
    let mut subjects = described(subjects);
    if let (Some(format), PROVENANCE) = (&made.format, predicate_type) {
        for members in subjects.iter_mut().filter_map(Value::as_object_mut) {
            let annotations = members.entry("annotations").or_insert_with(|| json!({}));
            if let Some(annotations) = annotations.as_object_mut() {
                let found = blank("the formats that its bytes have", json!([format]));
                annotations.insert(DETECTED_FORMATS.into(), found);
            }
        }
    }
    of_subjects(subjects.into(), predicate_type, predicate)
}

fn described(named: Named) -> Vec<Value> {
    named.into_iter().map(|(artifact, name)| descriptor(name, &artifact)).collect()
}

fn provenance(question: Question<'_>, step: &Step, entering: Named, made: &Made) -> Value {
    let mut external = Map::new();
    if step.build_types.is_empty() {
        external.insert("step".into(), step.name.as_str().into());
    }
    external.insert(
        "command".into(),
        blank("the command and its arguments, as a list of texts", json!(["true"])),
    );
    if !made.parameters.is_empty() {
        external.insert("parameters".into(), made.parameters.clone().into());
    }
    let mut materials = described(entering);
    materials.extend(made.materials.iter().cloned());
    json!({
        "buildDefinition": {
            "buildType": build_type(step),
            "externalParameters": external,
            "resolvedDependencies": materials,
        },
        "runDetails": {
            "builder": {"id": builder(made)},
            "metadata": {
                "startedOn": when(question, "it started"),
                "finishedOn": when(question, "it finished"),
            },
        },
    })
}

/// SLSA provenance v0.2, as builders write it that know no other.
fn earlier(question: Question<'_>, step: &Step, entering: Named, made: &Made) -> Value {
    let mut materials = described(entering);
    materials.extend(made.materials.iter().cloned());
    // The name of a material is its URI there.
    for members in materials.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(name) = members.remove("name") {
            members.insert("uri".into(), name);
        }
    }
    json!({
        "builder": {"id": builder(made)},
        "buildType": build_type(step),
        "invocation": {"parameters": made.parameters},
        "metadata": {
            "buildStartedOn": when(question, "it started"),
            "buildFinishedOn": when(question, "it finished"),
        },
        "materials": materials,
    })
}

fn build_type(step: &Step) -> Value {
    match (step.build_types.first(), build_kind(step)) {
        (Some(wanted), _) => wanted.clone().into(),
        (None, Some(kind)) => kind.uri().into(),
        (None, None) => blank("the type of the build, as a URI", BuildKind::Build.uri()),
    }
}

fn builder(made: &Made) -> Value {
    match &made.builder {
        Some(builder) => builder.clone().into(),
        None => blank("what ran it, as a URI", format!("{NAMESPACE}builder/local/v1")),
    }
}

fn evaluation(
    question: Question<'_>,
    step: &Step,
    (index, measured): (usize, Measured),
    models: Named,
    entering: Named,
    made: &Made,
) -> Value {
    let rules = || question.model.metrics.iter().filter(|rule| rule.step == index);
    let dataset = measured.dataset.or_else(|| rules().next().map(|rule| rule.dataset));
    let dataset = dataset.or_else(|| entering.keys().next().copied());
    let measured = rules().filter(|rule| Some(rule.dataset) == dataset);
    let mut seen: Vec<&str> = Vec::new();
    let mut measurements = Vec::new();
    for rule in measured {
        if !seen.contains(&rule.name.as_str()) {
            seen.push(&rule.name);
            measurements.extend(numbers(rule));
        }
    }
    let data = match &dataset {
        Some(dataset) => descriptor(name_of(question, dataset), dataset),
        None => json!({
            "name": blank("the name of the data", "data"),
            "digest": {"sha256": blank("its SHA-256 digest, in hex", "0".repeat(64))},
        }),
    };
    let with_role = |mut value: Value, role: &str| {
        if let Some(members) = value.as_object_mut() {
            let annotations = members.entry("annotations").or_insert_with(|| json!({}));
            if let Some(annotations) = annotations.as_object_mut() {
                annotations.insert("role".into(), role.into());
            }
        }
        value
    };
    let mut materials: Vec<Value> = described(models);
    materials = materials.into_iter().map(|model| with_role(model, "model")).collect();
    materials.push(with_role(data.clone(), "holdout-dataset"));
    materials.extend(described(entering));
    materials.extend(made.materials.iter().cloned());
    json!({
        "step": step.name.as_str(),
        "evaluator": {"id": by_hand()},
        "evaluatedOn": when(question, "it was measured"),
        "dataset": data,
        "measurements": measurements,
        "run": {"parameters": made.parameters, "materials": materials},
    })
}

/// The numbers that a rule asks for.
fn numbers(rule: &Metric) -> Vec<Value> {
    let value = |at_least: Option<attest::Decimal>, at_most: Option<attest::Decimal>| {
        blank(
            format!("what was measured, as a text; must be {}", rule.words(at_least, at_most)),
            number(at_least.or(at_most)),
        )
    };
    let samples = rule.min_samples.max(1);
    let mut numbers = vec![json!({
        "metric": rule.name,
        "value": value(rule.at_least, rule.at_most),
        "sampleSize": blank(format!("over how many records; at least {samples}"), samples),
    })];
    if let Some(slices) = &rule.slices {
        let (least, most) = match (slices.at_least, slices.at_most) {
            (None, None) => (rule.at_least, rule.at_most),
            bounds => bounds,
        };
        numbers.push(json!({
            "metric": rule.name,
            "slice": {
                "feature": blank("a feature of the data; one entry for each part", "feature"),
                "value": blank("its value", "value"),
            },
            "value": value(least, most),
            "sampleSize": blank("over how many records of that part", 1),
        }));
    }
    numbers
}

/// What the step must have made: what later steps used and earlier ones made for it to be about; the
/// artifact itself where no flow says.
fn subjects(question: Question<'_>, chain: &Chain<'_>, index: usize) -> Named {
    let mut found = Named::new();
    let add = |found: &mut Named, artifact: ArtifactId, name: &str| {
        let name = || match name {
            "" => name_of(question, &artifact),
            name => name.into(),
        };
        found.entry(artifact).or_insert_with(name);
    };
    for flow in &question.model.flows {
        if flow.from.step == index {
            for taker in chain.chosen(flow.to.step).iter().take(MAX_LOOKED) {
                let used = match flow.to.port {
                    Port::Materials => &taker.materials,
                    Port::Products | Port::Subject => &taker.subjects,
                };
                let meant = |name: &str| flow.select.as_deref().is_none_or(|one| one == name);
                let is_selected = used.iter().any(|named| meant(&named.name));
                let used = used.iter().filter(|named| !is_selected || meant(&named.name));
                for named in used.take(MAX_LOOKED) {
                    let name = flow.select.as_deref().unwrap_or(&named.name);
                    add(&mut found, named.artifact, name);
                }
            }
        }
        if flow.to.step == index && flow.to.port != Port::Materials {
            for maker in chain.chosen(flow.from.step).iter().take(MAX_LOOKED) {
                for artifact in flow.selected(maker).take(MAX_LOOKED) {
                    add(&mut found, artifact, named(maker, &artifact));
                }
            }
        }
    }
    if found.is_empty() {
        add(&mut found, question.artifact, "");
    }
    found
}

/// What must have gone in: what earlier steps made for it.
fn materials(model: &Model, chain: &Chain<'_>, index: usize) -> Named {
    let mut found = Named::new();
    for flow in model.flows.iter().filter(|flow| flow.to.step == index) {
        if flow.to.port != Port::Materials {
            continue;
        }
        for maker in chain.chosen(flow.from.step).iter().take(MAX_LOOKED) {
            for artifact in flow.selected(maker).take(MAX_LOOKED) {
                found.entry(artifact).or_insert_with(|| named(maker, &artifact).into());
            }
        }
    }
    found
}

fn named<'a>(maker: &'a Attestation, artifact: &ArtifactId) -> &'a str {
    let found = maker.subjects.iter().find(|named| named.artifact == *artifact);
    found.map_or("", |named| named.name.as_str())
}
