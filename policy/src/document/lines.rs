//! The lines of a policy that join steps and measure them: flows, metrics, hold-outs.

use attest::Decimal;
use attest::predicate::{EVALUATION, is_provenance};
use serde_saphyr::Spanned;

use super::field::{
    Compiled, artifact, decimal, defined, optional, plain, require, selection, word, wrong,
};
use super::{Flow, Forbid, Holdout, Metric, Problem, Slices, Text, field};
use crate::model::{Coverage, Endpoint, Model, Port, Strength};
use crate::rules;

pub(super) fn flow(
    model: &mut Model,
    names: &[&str],
    index: usize,
    line: &Spanned<Flow>,
) -> Compiled<()> {
    let rule = format!("flow[{index}]");
    let fields = &line.value;
    if let Some(forbid) = &fields.forbid {
        if fields.from.is_some()
            || fields.to.is_some()
            || fields.select.is_some()
            || fields.coverage.is_some()
        {
            let problem = "a line either demands a flow (`from`, `to`, `coverage`) or forbids one \
                           (`forbid`, `strength`), not both";
            return Err(wrong(line, Problem::Contradiction(problem)));
        }
        let strength = require(line, fields.strength.as_ref(), "strength")?;
        let Forbid { from, select, to } = forbid;
        let (from, to) = ends(model, names, from, to)?;
        model.forbidden.push(rules::Forbidden {
            rule,
            from,
            select: selection(select.as_ref())?,
            to,
            strength: field::strength(strength)?,
        });
        return Ok(());
    }
    if let Some(strength) = &fields.strength {
        let problem = "`strength` belongs to a forbidden flow; a demanded one has `coverage`";
        return Err(wrong(strength, Problem::Contradiction(problem)));
    }
    let from = require(line, fields.from.as_ref(), "from")?;
    let to = require(line, fields.to.as_ref(), "to")?;
    let coverage = require(line, fields.coverage.as_ref(), "coverage")?;
    let (from, to) = ends(model, names, from, to)?;
    model.flows.push(rules::Flow {
        rule,
        from,
        select: selection(fields.select.as_ref())?,
        to,
        coverage: word(coverage, "coverage", &Coverage::ALL, Coverage::as_str)?,
    });
    Ok(())
}

/// The steps, each after all those that it feeds; a step of a circle when there is one.
pub(super) fn later_first(model: &Model) -> Result<Vec<usize>, usize> {
    let mut feeds = vec![0_usize; model.steps.len()];
    for flow in &model.flows {
        if let Some(feeds) = feeds.get_mut(flow.from.step) {
            *feeds += 1;
        }
    }
    let mut order: Vec<usize> =
        (0..feeds.len()).filter(|step| feeds.get(*step) == Some(&0)).collect();
    let mut done = 0;
    while let Some(step) = order.get(done).copied() {
        done += 1;
        for flow in model.flows.iter().filter(|flow| flow.to.step == step) {
            if let Some(feeds) = feeds.get_mut(flow.from.step) {
                *feeds -= 1;
                if *feeds == 0 {
                    order.push(flow.from.step);
                }
            }
        }
    }
    feeds.iter().position(|feeds| *feeds > 0).map_or(Ok(order), Err)
}

fn ends(model: &Model, names: &[&str], from: &Text, to: &Text) -> Compiled<(Endpoint, Endpoint)> {
    let source = endpoint(model, names, from)?;
    let target = endpoint(model, names, to)?;
    if source.port == Port::Materials {
        let problem = "a flow starts at `products` or `subject` of a step";
        return Err(wrong(from, Problem::Contradiction(problem)));
    }
    if target.port == Port::Products {
        let problem = "a flow ends at `materials` or `subject` of a step";
        return Err(wrong(to, Problem::Contradiction(problem)));
    }
    if source.step == target.step {
        let problem = "a flow joins two different steps";
        return Err(wrong(to, Problem::Contradiction(problem)));
    }
    Ok((source, target))
}

fn endpoint(model: &Model, names: &[&str], text: &Text) -> Compiled<Endpoint> {
    let Some((step, port)) = text.value.split_once('.') else {
        let problem =
            format!("`{}` is not a step and a port, such as `train.materials`", text.value);
        return Err(wrong(text, Problem::Value(problem)));
    };
    let at = |value: &str| Spanned::new(value.to_owned(), text.referenced, text.defined);
    let index = defined("step", &at(step), names)?;
    let port = word(&at(port), "port", &Port::ALL, Port::as_str)?;
    let predicates = model.steps.get(index).map(|step| step.predicates.as_slice());
    let only = |known: fn(&str) -> bool| {
        predicates.unwrap_or_default().iter().all(|predicate| known(predicate))
    };
    let problem = match port {
        Port::Products if !only(is_provenance) => {
            "`products` are read from SLSA provenance only; what another statement is about is its \
             `subject`"
        }
        Port::Materials if !only(|found| is_provenance(found) || found == EVALUATION) => {
            "`materials` are read from SLSA provenance and from evaluations only"
        }
        _ => return Ok(Endpoint { step: index, port }),
    };
    Err(wrong(text, Problem::Contradiction(problem)))
}

pub(super) fn metric(
    model: &Model,
    names: &[&str],
    index: usize,
    line: &Spanned<Metric>,
) -> Compiled<rules::Metric> {
    let fields = &line.value;
    let step = defined("step", &fields.step, names)?;
    let predicates = model.steps.get(step).map(|step| step.predicates.as_slice());
    if !predicates.unwrap_or_default().iter().any(|predicate| predicate == EVALUATION) {
        let problem = "metrics are read from evaluations; add `evaluation/v0.1` to the predicates \
                       of the step";
        return Err(wrong(&fields.step, Problem::Contradiction(problem)));
    }
    plain(&fields.name)?;
    if fields.min_samples.value == 0 {
        let problem = Problem::Value("`minSamples` is at least 1".into());
        return Err(wrong(&fields.min_samples, problem));
    }
    let at_least = decimal(fields.at_least.as_ref())?;
    let at_most = decimal(fields.at_most.as_ref())?;
    if at_least.is_none() && at_most.is_none() {
        let problem = "a metric needs `atLeast` or `atMost`";
        return Err(wrong(line, Problem::Contradiction(problem)));
    }
    if let (Some(least), Some(most)) = (at_least, at_most)
        && least > most
    {
        let problem = "no value is both `atLeast` and `atMost` what is written here";
        return Err(wrong(line, Problem::Contradiction(problem)));
    }
    Ok(rules::Metric {
        rule: format!("ml.metrics[{index}]"),
        step,
        name: fields.name.value.clone(),
        dataset: artifact(&fields.dataset.digest)?,
        dataset_name: optional(fields.dataset.name.as_ref())?,
        at_least,
        at_most,
        min_samples: fields.min_samples.value,
        slices: fields.slices.as_ref().map(slices).transpose()?,
    })
}

fn slices(fields: &Spanned<Slices>) -> Compiled<rules::Slices> {
    let Slices { at_least, at_most, gap_at_most } = &fields.value;
    let slices = rules::Slices {
        at_least: decimal(at_least.as_ref())?,
        at_most: decimal(at_most.as_ref())?,
        gap_at_most: decimal(gap_at_most.as_ref())?,
    };
    if slices.at_least.is_none() && slices.at_most.is_none() && slices.gap_at_most.is_none() {
        return Err(wrong(fields, Problem::Empty("slices")));
    }
    if let (Some(text), Some(gap)) = (gap_at_most, slices.gap_at_most)
        && gap < Decimal::ZERO
    {
        return Err(wrong(text, Problem::Value("a gap is not negative".into())));
    }
    Ok(slices)
}

pub(super) fn holdout(
    model: &Model,
    names: &[&str],
    index: usize,
    line: &Spanned<Holdout>,
) -> Compiled<rules::Holdout> {
    let fields = &line.value;
    let not_in = endpoint(model, names, &fields.not_in)?;
    if not_in.port != Port::Materials {
        let problem = "a hold-out is kept out of the `materials` of a step";
        return Err(wrong(&fields.not_in, Problem::Contradiction(problem)));
    }
    Ok(rules::Holdout {
        rule: format!("ml.holdout[{index}]"),
        name: optional(fields.name.as_ref())?,
        artifact: artifact(&fields.digest)?,
        step: not_in.step,
        strength: match &fields.strength {
            None => Strength::DeclaredFiles,
            Some(text) => field::strength(text)?,
        },
    })
}
