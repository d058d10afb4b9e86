//! What a policy asks of models and data.

use std::sync::Arc;

use attest::predicate::{EVALUATION, PROVENANCE, is_provenance};
use serde_saphyr::Spanned;

use super::dependencies::{Approval, approval, licences};
use super::describe::{self, count, fields, some, words};
use super::field::{self, Compiled, artifact, bounds, defined, optional, plain, word, wrong};
use super::trust::whom;
use super::{Entries, Items, Problem, Text};
use crate::format::FORMATS;
use crate::model::{LogRule, Model, Strength};
use crate::rules;

fields! {
    Ml {
        /// Numbers that must have been measured.
        #[serde(default)]
        metrics: Items<Spanned<Metric>>,
        /// Data that must not have been learnt from.
        #[serde(default)]
        holdout: Items<Spanned<Holdout>>,
        /// What must have been registered before anybody measured.
        criteria: Option<Spanned<Criteria>>,
        /// Data that may be learnt from.
        datasets: Option<Spanned<Datasets>>,
        /// Models that others may be made from.
        base_models: Option<Spanned<BaseModels>>,
        /// Bounds of parameters, by step and name.
        hyperparameters: Option<Entries<Spanned<Entries<Spanned<Hyperparameter>>>>>,
        /// Formats that models may have.
        weights: Option<Spanned<Weights>>,
    }

    Criteria {
        /// The step before which they must have been registered.
        registered_before: Text = describe::label(),
        /// Who must have registered them.
        signers: Spanned<Items<Text>> = some::<Text>(),
        /// The digest of the criteria; the policy itself unless said.
        digest: Option<Text> = describe::digest(),
    }

    Datasets {
        /// The steps whose materials are meant.
        of: Spanned<Items<Text>> = some::<Text>(),
        /// Roles of materials that are no data, beside those of tools, code and base models.
        except: Option<Spanned<Items<Text>>> = some::<Text>(),
        /// Under which licences data must be had.
        licences: Option<Spanned<DataLicences>>,
        /// Who must have approved it.
        approval: Option<Spanned<Approval>>,
    }

    DataLicences {
        /// Licences that suit, by SPDX identifiers; no other does.
        allow: Option<Spanned<Items<Text>>> = some::<Text>(),
        /// Licences that do not; any other does.
        deny: Option<Spanned<Items<Text>>> = some::<Text>(),
        /// Whose bills of materials count.
        signers: Spanned<Items<Text>> = some::<Text>(),
    }

    BaseModels {
        /// The steps that make models.
        of: Spanned<Items<Text>> = some::<Text>(),
        /// The models that they may be made from; every other is denied.
        allow: Spanned<Items<Spanned<Dataset>>> = some::<Dataset>(),
    }

    Hyperparameter {
        /// The least that it may be.
        at_least: Option<Text> = describe::number(),
        /// The most that it may be.
        at_most: Option<Text> = describe::number(),
        /// What it may be.
        one_of: Option<Spanned<Items<Text>>> = describe::scalars(),
        /// Whether it must have been recorded; `true` unless said.
        required: Option<Spanned<bool>>,
    }

    Weights {
        /// The steps whose products are meant.
        of: Spanned<Items<Text>> = some::<Text>(),
        /// Which formats they may have.
        formats: Spanned<Formats>,
        /// Whether the recorder must have looked at the bytes; `optional` unless said.
        detected: Option<Text> = words(LogRule::ALL, LogRule::as_str),
    }

    Formats {
        /// These and no other; texts are always allowed.
        allow: Option<Spanned<Items<Text>>> = describe::some_of(FORMATS.map(|format| format.name)),
        /// None of these.
        deny: Option<Spanned<Items<Text>>> = describe::some_of(FORMATS.map(|format| format.name)),
    }

    Metric {
        /// The step whose evaluations are read.
        step: Text = describe::label(),
        /// The name of the number.
        name: Text,
        /// The data set on which it must have been measured.
        dataset: Dataset,
        /// The least that it may be.
        at_least: Option<Text> = describe::decimal(),
        /// The most that it may be.
        at_most: Option<Text> = describe::decimal(),
        /// Over how many records it must have been measured.
        min_samples: Spanned<u64> = count(),
        /// What must hold for it on every part of the data.
        slices: Option<Spanned<Slices>>,
    }

    Dataset {
        /// What to call it.
        name: Option<Text>,
        /// Its digest.
        digest: Text = describe::digest(),
    }

    Slices {
        /// The least that the number may be on a part.
        at_least: Option<Text> = describe::decimal(),
        /// The most that it may be on a part.
        at_most: Option<Text> = describe::decimal(),
        /// How far the numbers of two parts may be apart.
        gap_at_most: Option<Text> = describe::decimal(),
    }

    Holdout {
        /// What to call it.
        name: Option<Text>,
        /// Its digest.
        digest: Text = describe::digest(),
        /// The materials of a step that it must not be among.
        not_in: Text = describe::end(),
        /// How sure that must be; `declared-files` unless said.
        strength: Option<Text> = words(Strength::ALL, Strength::as_str),
    }
}

/// The rules about models and data that are written as sections.
pub(super) fn sections(model: &mut Model, ml: &Ml, names: &[&str]) -> Compiled<()> {
    if let Some(fields) = &ml.criteria {
        let Criteria { registered_before, signers, digest } = &fields.value;
        let rule = rules::Criteria {
            step: defined("step", registered_before, names)?,
            whom: whom(signers, model.narrowed.as_ref())?,
            artifact: digest.as_ref().map(artifact).transpose()?,
        };
        let step = model.steps.get(rule.step);
        if step.is_some_and(|step| step.log == LogRule::Optional) {
            let problem = "what need not be in the log has no place in its order";
            return Err(wrong(registered_before, Problem::Contradiction(problem)));
        }
        model.rules.push(Arc::new(rule));
    }
    if let Some(fields) = &ml.datasets {
        datasets(model, fields, names)?;
    }
    if let Some(fields) = &ml.base_models {
        let BaseModels { of, allow } = &fields.value;
        if allow.value.0.is_empty() {
            return Err(wrong(allow, Problem::Empty("allow")));
        }
        let known = |one: &Spanned<Dataset>| {
            Ok((artifact(&one.value.digest)?, optional(one.value.name.as_ref())?))
        };
        let allow = allow.value.0.iter().map(known).collect::<Compiled<_>>()?;
        model.rules.push(Arc::new(rules::BaseModels { steps: making(model, of, names)?, allow }));
    }
    for (step, parameters) in ml.hyperparameters.iter().flat_map(|all| &all.0) {
        let index = defined("step", step, names)?;
        if parameters.value.0.is_empty() {
            return Err(wrong(parameters, Problem::Empty("hyperparameters")));
        }
        for (name, fields) in &parameters.value.0 {
            let rule = hyperparameter(model, (index, step), name, fields)?;
            model.rules.push(Arc::new(rule));
        }
    }
    if let Some(fields) = &ml.weights {
        weights(model, fields, names)?;
    }
    Ok(())
}

fn datasets(model: &mut Model, fields: &Spanned<Datasets>, names: &[&str]) -> Compiled<()> {
    let Datasets { of, except, licences: found, approval: approved } = &fields.value;
    if found.is_none() && approved.is_none() {
        let problem = "data needs `licences`, `approval` or both";
        return Err(wrong(fields, Problem::Contradiction(problem)));
    }
    let except = except.as_ref().map(|list| field::names(list, "except")).transpose()?;
    let data =
        rules::DataOf { steps: making(model, of, names)?, except: except.unwrap_or_default() };
    if let Some(fields) = found {
        let DataLicences { allow, deny, signers } = &fields.value;
        let rule = rules::DataLicences {
            data: data.clone(),
            licences: licences(fields, allow.as_ref(), deny.as_ref())?,
            whom: whom(signers, model.narrowed.as_ref())?,
        };
        model.rules.push(Arc::new(rule));
    }
    if let Some(fields) = approved {
        let approvals = approval(model, fields)?;
        model.rules.push(Arc::new(rules::DataApproval { data, approvals }));
    }
    Ok(())
}

fn hyperparameter(
    model: &Model,
    (index, step): (usize, &Text),
    name: &Text,
    fields: &Spanned<Hyperparameter>,
) -> Compiled<rules::Hyperparameter> {
    let records = |one: &String| one == PROVENANCE || one == EVALUATION;
    if !model.steps.get(index).is_some_and(|step| step.predicates.iter().all(records)) {
        let problem = "parameters are read from SLSA provenance v1 and from evaluations only";
        return Err(wrong(step, Problem::Contradiction(problem)));
    }
    plain(name)?;
    let Hyperparameter { at_least, at_most, one_of, required } = &fields.value;
    let (at_least, at_most) = bounds(fields, at_least.as_ref(), at_most.as_ref())?;
    let one_of = one_of.as_ref().map(|list| field::names(list, "oneOf")).transpose()?;
    let required = required.as_ref().is_none_or(|required| required.value);
    let bounded = at_least.is_some() || at_most.is_some() || one_of.is_some();
    if !bounded && (!required || fields.value.required.is_none()) {
        let problem = "a parameter needs `atLeast`, `atMost`, `oneOf` or `required: true`";
        return Err(wrong(fields, Problem::Contradiction(problem)));
    }
    let rule = rules::Hyperparameter {
        rule: format!("ml.hyperparameters.{}.{}", step.value, name.value),
        step: index,
        name: name.value.clone(),
        at_least,
        at_most,
        one_of,
        required,
    };
    if !rule.admits_any() {
        let problem = "no value of `oneOf` is within `atLeast` and `atMost`";
        return Err(wrong(fields, Problem::Contradiction(problem)));
    }
    Ok(rule)
}

fn weights(model: &mut Model, fields: &Spanned<Weights>, names: &[&str]) -> Compiled<()> {
    let Weights { of, formats, detected } = &fields.value;
    let Formats { allow, deny } = &formats.value;
    if allow.is_none() && deny.is_none() {
        return Err(wrong(formats, Problem::Empty("formats")));
    }
    let known = FORMATS.map(|format| format.name);
    let listed = |list: &Spanned<Items<Text>>, key| {
        for text in &list.value.0 {
            word(text, "format", &known, |name| name)?;
        }
        field::names(list, key)
    };
    let allow = allow.as_ref().map(|list| listed(list, "allow")).transpose()?;
    let deny = deny.as_ref().map(|list| listed(list, "deny")).transpose()?;
    let rule = rules::Weights {
        steps: making(model, of, names)?,
        allow,
        deny: deny.unwrap_or_default(),
        detected: match detected {
            None => false,
            Some(text) => {
                word(text, "demand", &LogRule::ALL, LogRule::as_str)? == LogRule::Required
            }
        },
    };
    let denied = |format: &String| rule.deny.contains(format);
    if let (Some(allow), Some(list)) = (&rule.allow, &fields.value.formats.value.allow)
        && allow.iter().any(denied)
    {
        let problem = "a format is both allowed and denied";
        return Err(wrong(list, Problem::Contradiction(problem)));
    }
    model.rules.push(Arc::new(rule));
    Ok(())
}

/// Steps that make things, by their names.
pub(super) fn making(
    model: &Model,
    list: &Spanned<Items<Text>>,
    names: &[&str],
) -> Compiled<Vec<usize>> {
    field::names(list, "of")?;
    let mut steps = Vec::new();
    for name in &list.value.0 {
        let index = defined("step", name, names)?;
        let step = model.steps.get(index);
        if !step.is_some_and(|step| step.predicates.iter().all(|one| is_provenance(one))) {
            let problem = "what went in and what came out is read from SLSA provenance only";
            return Err(wrong(name, Problem::Contradiction(problem)));
        }
        steps.push(index);
    }
    Ok(steps)
}
