//! From the fields of a document to rules that are right ever after.
//!
//! What could never hold, or never fail, is refused here with its place: a rule that decides
//! nothing is the commonest way in which a policy allows what it should not.

use std::collections::BTreeMap;

use attest::predicate::{BuildKind, EVALUATION, PROVENANCE, is_provenance};
use attest::{NAMESPACE, Sha256, StageName, StepName};
use serde_saphyr::Spanned;

use super::field::{
    Compiled, completeness, defined, expect, label, plain, predicate, uri, value, word, wrong,
};
use super::lines::{flow, holdout, later_first, metric};
use super::{Document, Problem, Text};
use crate::asks::asks;
use crate::model::{LogRule, Mode, Model, SignerRule, Stage, Step};

/// Makes rules of `document`, whose bytes have `digest`.
pub(crate) fn compile(document: Document, digest: Sha256) -> Compiled<Model> {
    expect(&document.api_version, "API version", "assay/v1")?;
    expect(&document.kind, "kind of document", "PromotionPolicy")?;
    let name = label::<StepName>(&document.metadata.name)?;
    let version = document.metadata.version.value;
    if version == 0 {
        return Err(wrong(
            &document.metadata.version,
            Problem::Value("versions count from 1".into()),
        ));
    }
    let uri = match &document.metadata.uri {
        Some(text) => uri(text)?,
        None => format!("{NAMESPACE}policy/{name}/v{version}"),
    };
    let stages = stages(&document)?;
    let names = step_names(&document)?;
    let steps = steps(&document, &names)?;
    let mut model = Model {
        name: name.as_str().to_owned(),
        version,
        uri,
        digest,
        completeness: completeness(document.completeness.as_ref())?,
        stages,
        steps,
        later_first: Vec::new(),
        flows: Vec::new(),
        forbidden: Vec::new(),
        metrics: Vec::new(),
        holdouts: Vec::new(),
        asks: BTreeMap::new(),
    };
    for (index, line) in document.flow.0.iter().enumerate() {
        flow(&mut model, &names, index, line)?;
    }
    model.later_first = later_first(&model).map_err(|step| {
        let name = document.steps.value.0.get(step).map(|(name, _)| name);
        let problem = Problem::Contradiction("the flows of this step lead back to it");
        name.map_or_else(|| problem.clone().into(), |name| wrong(name, problem.clone()))
    })?;
    for (index, line) in document.ml.metrics.0.iter().enumerate() {
        let rule = metric(&model, &names, index, line)?;
        model.metrics.push(rule);
    }
    for (index, line) in document.ml.holdout.0.iter().enumerate() {
        let rule = holdout(&model, &names, index, line)?;
        model.holdouts.push(rule);
    }
    for (step, age) in &document.ages.0 {
        let index = defined("step", step, &names)?;
        let age =
            age.value.parse().map_err(|error: crate::age::AgeError| wrong(age, value(error)))?;
        if let Some(step) = model.steps.get_mut(index) {
            step.max_age = Some(age);
        }
    }
    model.asks = asks(&model);
    Ok(model)
}

fn stages(document: &Document) -> Compiled<Vec<Stage>> {
    let entries = &document.stages.value.0;
    if entries.is_empty() {
        return Err(wrong(&document.stages, Problem::Empty("stages")));
    }
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.value.as_str()).collect();
    let mut stages = Vec::with_capacity(entries.len());
    for (name, stage) in entries {
        let mode = word(&stage.mode, "mode", &Mode::ALL, Mode::as_str)?;
        let mut after = Vec::new();
        if let Some(list) = &stage.after {
            if list.value.0.is_empty() {
                return Err(wrong(list, Problem::Empty("after")));
            }
            for earlier in &list.value.0 {
                after.push(defined("stage", earlier, &names)?);
            }
        }
        let rule = format!("stages.{}.after", name.value);
        stages.push(Stage { name: label::<StageName>(name)?, mode, after, rule });
    }
    for (index, (name, _)) in entries.iter().enumerate() {
        if comes_before_itself(&stages, index) {
            return Err(wrong(name, Problem::Circle(name.value.clone())));
        }
    }
    Ok(stages)
}

/// Whether `stage` is among those that must come before it, directly or not. Visits each stage
/// once.
fn comes_before_itself(stages: &[Stage], stage: usize) -> bool {
    let mut seen = vec![false; stages.len()];
    let mut open = vec![stage];
    while let Some(next) = open.pop() {
        for earlier in stages.get(next).into_iter().flat_map(|stage| &stage.after) {
            if *earlier == stage {
                return true;
            }
            if let Some(seen) = seen.get_mut(*earlier).filter(|seen| !**seen) {
                *seen = true;
                open.push(*earlier);
            }
        }
    }
    false
}

fn step_names(document: &Document) -> Compiled<Vec<&str>> {
    let entries = &document.steps.value.0;
    if entries.is_empty() {
        return Err(wrong(&document.steps, Problem::Empty("steps")));
    }
    Ok(entries.iter().map(|(name, _)| name.value.as_str()).collect())
}

fn steps(document: &Document, names: &[&str]) -> Compiled<Vec<Step>> {
    document.steps.value.0.iter().map(|(name, fields)| step(name, fields, names)).collect()
}

fn step(name: &Text, fields: &Spanned<super::Step>, names: &[&str]) -> Compiled<Step> {
    let step_name = label::<StepName>(name)?;
    let list = &fields.value.predicates;
    if list.value.0.is_empty() {
        return Err(wrong(list, Problem::Empty("predicates")));
    }
    let predicates: Vec<String> = list.value.0.iter().map(predicate).collect::<Compiled<_>>()?;
    let kind = match &fields.value.kind {
        None => None,
        Some(text) => {
            let kind = text.value.parse::<BuildKind>();
            let kind = kind.map_err(|error| wrong(text, value(error)))?;
            let read = |predicate: &String| {
                predicate == PROVENANCE
                    || (predicate == EVALUATION && kind == BuildKind::Evaluation)
            };
            if !predicates.iter().all(read) {
                let problem = "`kind` is read from SLSA provenance only (`evaluation` also from \
                               evaluations); give the other types a step of their own";
                return Err(wrong(text, Problem::Contradiction(problem)));
            }
            Some(kind)
        }
    };
    let build_types = build_types(&fields.value, &predicates)?;
    let log = match &fields.value.log {
        None => LogRule::Required,
        Some(text) => word(text, "log rule", &LogRule::ALL, LogRule::as_str)?,
    };
    Ok(Step {
        rule: format!("steps.{step_name}"),
        age_rule: format!("ages.{step_name}"),
        signers: signers(name, &fields.value.signers, names)?,
        name: step_name,
        predicates,
        kind,
        build_types,
        log,
        max_age: None,
    })
}

fn build_types(fields: &super::Step, predicates: &[String]) -> Compiled<Vec<String>> {
    let Some(list) = &fields.build_types else { return Ok(Vec::new()) };
    if list.value.0.is_empty() {
        return Err(wrong(list, Problem::Empty("buildTypes")));
    }
    let own = |text: &&Text| BuildKind::from_uri(&text.value).is_some();
    if let Some(text) = list.value.0.iter().find(own) {
        let problem = "a build type of Assay's own names its step and is asked for by `kind`";
        return Err(wrong(text, Problem::Contradiction(problem)));
    }
    if fields.kind.is_some() {
        let problem = "no build type of others has a `kind`; give the step one of the two";
        return Err(wrong(list, Problem::Contradiction(problem)));
    }
    if !predicates.iter().all(|predicate| is_provenance(predicate)) {
        let problem = "`buildTypes` are read from SLSA provenance only; give the other types a \
                       step of their own";
        return Err(wrong(list, Problem::Contradiction(problem)));
    }
    Ok(list.value.0.iter().map(|text| text.value.clone()).collect())
}

fn signers(step: &Text, fields: &super::Signers, names: &[&str]) -> Compiled<SignerRule> {
    let list = &fields.any_of;
    if list.value.0.is_empty() {
        return Err(wrong(list, Problem::Empty("anyOf")));
    }
    let mut any_of = Vec::with_capacity(list.value.0.len());
    for name in &list.value.0 {
        plain(name)?;
        if any_of.contains(&name.value) {
            return Err(wrong(name, Problem::RepeatedKey(name.value.clone())));
        }
        any_of.push(name.value.clone());
    }
    let whoever = any_of.iter().any(|name| name == "*");
    if whoever && any_of.len() > 1 {
        let problem = "`*` already stands for every signer that the trust file lets sign the step";
        return Err(wrong(list, Problem::Contradiction(problem)));
    }
    let threshold = match &fields.threshold {
        None => 1,
        Some(threshold) if threshold.value == 0 => {
            return Err(wrong(threshold, Problem::Value("a threshold is at least 1".into())));
        }
        Some(threshold) if !whoever && threshold.value > any_of.len() as u64 => {
            let problem = Problem::Threshold { threshold: threshold.value, signers: any_of.len() };
            return Err(wrong(threshold, problem));
        }
        Some(threshold) => usize::try_from(threshold.value).unwrap_or(usize::MAX),
    };
    let not_same_as = match &fields.not_same_as {
        None => None,
        Some(other) if other.value == step.value => {
            let problem = "a step cannot have other signers than itself";
            return Err(wrong(other, Problem::Contradiction(problem)));
        }
        Some(other) => Some(defined("step", other, names)?),
    };
    Ok(SignerRule { any_of: if whoever { None } else { Some(any_of) }, threshold, not_same_as })
}
