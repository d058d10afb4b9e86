//! From the fields of a document to rules that are right ever after.
//!
//! What could never hold, or never fail, is refused here with its place: a rule that decides
//! nothing is the commonest way in which a policy allows what it should not.

use std::collections::BTreeMap;

use std::sync::Arc;

use attest::{NAMESPACE, Sha256, StepName};

use super::cases::cases;
use super::conflict::refuse;
use super::corroboration::corroboration;
use super::dependencies::{approvals, dependencies, monitoring};
use super::field::{Compiled, age, completeness, defined, expect, label, optional, uri, wrong};
use super::files::Shelf;
use super::layouts::layouts;
use super::lines::{flow, holdout, later_first, metric};
use super::ml::sections;
use super::policy::{matching, validity};
use super::rego::rego;
use super::stages::{soaks, stages};
use super::steps::{step_names, steps};
use super::trust::{levels, narrowed};
use super::waivers::waivers;
use super::{Document, Files, Problem, fields};
use crate::asks::asks;
use crate::model::Model;

/// Makes rules of `document`, whose bytes have `digest`, and of the `files` that it names.
pub(crate) fn compile(document: Document, digest: Sha256, files: &Files) -> Compiled<Model> {
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
    let description = optional(document.metadata.description.as_ref())?;
    let narrowed = narrowed(document.trust.as_ref())?;
    let stages = stages(&document)?;
    let names = step_names(&document)?;
    let steps = steps(&document, &names, narrowed.as_ref())?;
    let mut model = Model {
        name: name.as_str().to_owned(),
        version,
        uri,
        description,
        digest,
        completeness: completeness(document.completeness.as_ref())?,
        any_version: false,
        stages,
        steps,
        later_first: Vec::new(),
        flows: Vec::new(),
        forbidden: Vec::new(),
        metrics: Vec::new(),
        holdouts: Vec::new(),
        narrowed,
        builders: Vec::new(),
        rules: Vec::new(),
        rego: Vec::new(),
        waivers: None,
        files: Files::new(),
        cases: Vec::new(),
        asks: BTreeMap::new(),
        fields: Arc::new(fields(&document)),
    };
    if let Some(fields) = &document.validity {
        model.rules.push(Arc::new(validity(fields)?));
    }
    if let Some(fields) = &document.r#match {
        model.rules.push(Arc::new(matching(fields)?));
    }
    soaks(&document, &mut model)?;
    levels(&mut model, document.builders.as_ref(), document.slsa.as_ref(), &names)?;
    for (index, line) in document.flow.0.iter().enumerate() {
        flow(&mut model, &names, index, line)?;
    }
    model.later_first = later_first(&model).map_err(|step| {
        let name = document.steps.value.0.get(step).map(|(name, _)| name);
        let problem = Problem::Contradiction("the flows of this step lead back to it");
        name.map_or_else(|| problem.clone().into(), |name| wrong(name, problem.clone()))
    })?;
    let ml = document.ml.as_ref();
    for (index, line) in ml.iter().flat_map(|ml| &ml.metrics.0).enumerate() {
        let rule = metric(&model, &names, index, line)?;
        model.metrics.push(rule);
    }
    for (index, line) in ml.iter().flat_map(|ml| &ml.holdout.0).enumerate() {
        let rule = holdout(&model, &names, index, line)?;
        model.holdouts.push(rule);
    }
    for (step, text) in &document.ages.0 {
        let index = defined("step", step, &names)?;
        let limit = age(text)?;
        if let Some(step) = model.steps.get_mut(index) {
            step.max_age = Some(limit);
        }
    }
    if let Some(ml) = ml {
        sections(&mut model, ml, &names)?;
    }
    if let Some(fields) = &document.dependencies {
        dependencies(&mut model, fields)?;
    }
    if let Some(fields) = &document.approvals {
        approvals(&mut model, fields, &names)?;
    }
    corroboration(&document, &mut model, &names)?;
    if let Some(fields) = &document.monitoring {
        monitoring(&mut model, fields)?;
    }
    model.waivers = document.waivers.as_ref().map(|fields| waivers(fields, &model)).transpose()?;
    let mut shelf = Shelf::new(files);
    model.rego = rego(&document, &names, &mut shelf)?;
    layouts(&document, &mut model, &names, &mut shelf)?;
    model.files = shelf.into_kept();
    refuse(&model, &document)?;
    model.cases = cases(&document, &model.stages)?;
    model.asks = asks(&model);
    Ok(model)
}
