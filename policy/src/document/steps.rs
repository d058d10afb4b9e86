//! The steps of a policy: what must have happened, and who must have signed for it.

use std::sync::Arc;

use attest::StepName;
use attest::predicate::{BuildKind, EVALUATION, PROVENANCE, is_provenance};
use serde_saphyr::Spanned;

use super::dependencies::threshold;
use super::field::{Compiled, defined, label, predicate, value, word, wrong};
use super::trust::whom;
use super::{Document, Problem, Text};
use crate::model::{LogRule, SignerRule, Step};
use crate::whom::Narrowed;

pub(super) fn step_names(document: &Document) -> Compiled<Vec<&str>> {
    let entries = &document.steps.value.0;
    if entries.is_empty() {
        return Err(wrong(&document.steps, Problem::Empty("steps")));
    }
    Ok(entries.iter().map(|(name, _)| name.value.as_str()).collect())
}

pub(super) fn steps(
    document: &Document,
    names: &[&str],
    narrowed: Option<&Arc<Narrowed>>,
) -> Compiled<Vec<Step>> {
    let entries = document.steps.value.0.iter();
    entries.map(|(name, fields)| step(name, fields, names, narrowed)).collect()
}

fn step(
    name: &Text,
    fields: &Spanned<super::Step>,
    names: &[&str],
    narrowed: Option<&Arc<Narrowed>>,
) -> Compiled<Step> {
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
        signers: signers(name, &fields.value.signers, names, narrowed)?,
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

fn signers(
    step: &Text,
    fields: &super::Signers,
    names: &[&str],
    narrowed: Option<&Arc<Narrowed>>,
) -> Compiled<SignerRule> {
    let list = &fields.any_of;
    let whom = whom(list, narrowed)?;
    let threshold = threshold(&whom, fields.threshold.as_ref())?;
    let not_same_as = match &fields.not_same_as {
        None => None,
        Some(other) if other.value == step.value => {
            let problem = "a step cannot have other signers than itself";
            return Err(wrong(other, Problem::Contradiction(problem)));
        }
        Some(other) => Some(defined("step", other, names)?),
    };
    Ok(SignerRule { whom, threshold, not_same_as })
}
