//! Rules that no evidence could satisfy together.
//!
//! A policy with such a pair denies everything, and nobody would know why from its findings: it is
//! refused where the second of the two stands.

use attest::Decimal;
use serde_saphyr::Spanned;

use super::field::{Compiled, wrong};
use super::{Document, Problem};
use crate::model::{Coverage, Model};
use crate::rules::{Flow, Forbidden, Metric};

/// Refuses what cannot hold together. There are at most [`super::MAX_ENTRIES`] lines of each kind,
/// and each is held against each.
pub(super) fn refuse(model: &Model, document: &Document) -> Compiled<()> {
    for forbidden in &model.forbidden {
        if model.flows.iter().any(|flow| excludes(flow, forbidden)) {
            let problem = "a line demands this very flow; what must enter is also forbidden";
            let lines = document.flow.0.iter().enumerate();
            return at(lines, "flow", &forbidden.rule, problem);
        }
    }
    let metrics = &model.metrics;
    for (index, metric) in metrics.iter().enumerate() {
        if metrics.iter().take(index).any(|earlier| exclude(earlier, metric)) {
            let problem = "no number is within these bounds and those of an earlier line";
            let lines = document.ml.iter().flat_map(|ml| &ml.metrics.0).enumerate();
            return at(lines, "ml.metrics", &metric.rule, problem);
        }
    }
    for (index, (_, fields)) in document.steps.value.0.iter().enumerate() {
        let Some(step) = model.steps.get(index) else { continue };
        let Some(other) = step.signers.not_same_as.and_then(|other| model.steps.get(other)) else {
            continue;
        };
        let only = |names: &Option<Vec<String>>| match names.as_deref() {
            Some([name]) => Some(name.clone()),
            _ => None,
        };
        let (own, theirs) = (only(&step.signers.whom.any_of), only(&other.signers.whom.any_of));
        if own.is_some() && own == theirs {
            let problem = "both steps have one and the same signer, who can never be another";
            return Err(wrong(fields, Problem::Contradiction(problem)));
        }
    }
    Ok(())
}

/// Whether what `flow` demands is what `forbidden` forbids.
fn excludes(flow: &Flow, forbidden: &Forbidden) -> bool {
    let same_ends = flow.from == forbidden.from && flow.to == forbidden.to;
    same_ends
        && match (&flow.select, &forbidden.select) {
            (_, None) => true,
            (Some(wanted), Some(unwanted)) => wanted == unwanted,
            // A name that selects nothing is no way out: the rule fails by it.
            (None, Some(_)) => flow.coverage == Coverage::All,
        }
}

/// Whether no number satisfies both, of the same evaluations on the same data.
fn exclude(one: &Metric, other: &Metric) -> bool {
    let above = |least: Option<Decimal>, most: Option<Decimal>| {
        least.zip(most).is_some_and(|(least, most)| least > most)
    };
    one.step == other.step
        && one.name == other.name
        && one.dataset == other.dataset
        && (above(one.at_least, other.at_most) || above(other.at_least, one.at_most))
}

/// The error at the line of a section whose rule this is.
fn at<'d, T: 'd>(
    mut lines: impl Iterator<Item = (usize, &'d Spanned<T>)>,
    section: &str,
    rule: &str,
    problem: &'static str,
) -> Compiled<()> {
    let line = lines.find(|(index, _)| format!("{section}[{index}]") == rule);
    let problem = Problem::Contradiction(problem);
    Err(line.map_or_else(|| problem.clone().into(), |(_, line)| wrong(line, problem.clone())))
}
