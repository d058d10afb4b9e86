//! What each rule asks, in words: made once when the policy is read, for those who read verdicts.

use std::collections::BTreeMap;

use crate::model::{Coverage, Endpoint, LogRule, Model, Step};
use crate::rego::RegoRule;
use crate::rules::{Flow, Forbidden, Holdout, Metric};

/// The rules that every policy has.
const ALWAYS: [(&str, &str); 6] = [
    ("completeness", "enough of the register was read"),
    ("artifact.known", "somebody who is trusted speaks of the artifact"),
    ("history.explored", "no part of the history was left out"),
    ("history.consistent", "no two statements contradict each other"),
    ("revocation", "no revocation reaches it"),
    ("chain", "the steps form one chain that ends at the artifact"),
];

/// What every rule of the policy asks, by its place.
pub(crate) fn asks(model: &Model) -> BTreeMap<String, String> {
    let name = |step: usize| model.steps.get(step).map_or("", |step| step.name.as_str());
    let end = |end: Endpoint| format!("{}.{}", name(end.step), end.port.as_str());
    let mut asks: BTreeMap<String, String> = BTreeMap::new();
    for (rule, ask) in ALWAYS {
        asks.insert(rule.into(), ask.into());
    }
    for stage in model.stages.iter().filter(|stage| !stage.after.is_empty()) {
        let earlier = stage.after.iter().filter_map(|index| model.stages.get(*index));
        let earlier: Vec<&str> = earlier.map(|stage| stage.name.as_str()).collect();
        asks.insert(stage.rule.clone(), format!("{} was passed before", earlier.join(" and ")));
    }
    for step in &model.steps {
        asks.insert(step.rule.clone(), of_step(step, name));
        if let Some(age) = step.max_age {
            asks.insert(step.age_rule.clone(), format!("{} is at most {age} old", step.name));
        }
    }
    for Flow { rule, from, select, to, coverage } in &model.flows {
        let what = select.as_ref().map_or_else(
            || if *coverage == Coverage::Any { "something" } else { "all" }.to_owned(),
            |select| format!("`{select}`"),
        );
        asks.insert(rule.clone(), format!("{what} of {} is among {}", end(*from), end(*to)));
    }
    for Forbidden { rule, from, select, to, .. } in &model.forbidden {
        let what = select.as_ref().map_or("nothing".to_owned(), |select| format!("no `{select}`"));
        asks.insert(rule.clone(), format!("{what} of {} is among {}", end(*from), end(*to)));
    }
    for metric in &model.metrics {
        asks.insert(metric.rule.clone(), of_metric(metric, name));
    }
    for Holdout { rule, name: data, artifact, step, .. } in &model.holdouts {
        let data = data.clone().unwrap_or_else(|| artifact.to_string());
        asks.insert(rule.clone(), format!("{data} is not among {}.materials", name(*step)));
    }
    for rule in &model.rules {
        asks.insert(rule.place().into(), rule.asks(model));
    }
    for rule in &model.rego {
        asks.insert(rule.rule.clone(), of_rego(rule));
    }
    asks
}

fn of_rego(rule: &RegoRule) -> String {
    let mut ask = format!("the rule {} in Rego denies nothing", rule.id);
    if let Some(from) = rule.effective.from {
        ask.push_str(&format!(", from {from} on"));
    }
    if let Some(until) = rule.effective.until {
        ask.push_str(&format!(", until {until}"));
    }
    ask
}

fn of_step<'a>(step: &Step, name: impl Fn(usize) -> &'a str) -> String {
    let signers = &step.signers;
    let mut ask = match &signers.whom.any_of {
        Some(names) => format!("{} is signed by {}", step.name, names.join(" or ")),
        None => format!("{} is signed by whoever may", step.name),
    };
    if signers.threshold > 1 {
        ask.push_str(&format!(", by {} owners", signers.threshold));
    }
    if let Some(other) = signers.not_same_as {
        ask.push_str(&format!(", not by whoever signed {}", name(other)));
    }
    if !step.build_types.is_empty() {
        ask.push_str(&format!(", as a build of {}", step.build_types.join(" or ")));
    }
    if step.log == LogRule::Optional {
        ask.push_str(", logged or not");
    }
    ask
}

fn of_metric<'a>(metric: &Metric, name: impl Fn(usize) -> &'a str) -> String {
    let data = metric.dataset_name.clone().unwrap_or_else(|| metric.dataset.to_string());
    let bound = match (metric.at_least, metric.at_most) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" at least {least}"),
        (None, Some(most)) => format!(" at most {most}"),
        (None, None) => String::new(),
    };
    let parts = if metric.slices.is_some() { ", and its parts" } else { "" };
    format!("{} of {}{bound} on {data}{parts}", metric.name, name(metric.step))
}

#[cfg(test)]
mod tests {
    use crate::Policy;

    #[test]
    fn every_rule_says_what_it_asks() {
        let policy = Policy::parse(
            "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: asks, version: 1}
stages:
  staging: {mode: warn}
  production: {mode: enforce, after: [staging]}
steps:
  prepare: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: ['*']}, log: optional}
  train: {predicates: ['https://slsa.dev/provenance/v1'], signers: {anyOf: [a, b], threshold: 2, notSameAs: prepare}}
  evaluate: {predicates: [evaluation/v0.1], signers: {anyOf: [c]}}
flow:
  - {from: prepare.products, select: train.csv, to: train.materials, coverage: all}
  - {from: train.products, to: evaluate.subject, coverage: any}
  - {forbid: {from: prepare.products, select: holdout.csv, to: train.materials}, strength: declared-files}
ml:
  metrics:
    - {step: evaluate, name: accuracy, dataset: {name: holdout, digest: 'sha256:0000000000000000000000000000000000000000000000000000000000000000'}, atLeast: '0.9', minSamples: 10}
ages: {train: 90d}
",
        )
        .unwrap();
        let rules: Vec<(&str, &str)> = policy.rules().collect();
        let wanted = [
            ("ages.train", "train is at most 90d old"),
            ("flow[0]", "`train.csv` of prepare.products is among train.materials"),
            ("flow[1]", "something of train.products is among evaluate.subject"),
            ("flow[2]", "no `holdout.csv` of prepare.products is among train.materials"),
            ("ml.metrics[0]", "accuracy of evaluate at least 0.9 on holdout"),
            ("stages.production.after", "staging was passed before"),
            ("steps.evaluate", "evaluate is signed by c"),
            ("steps.prepare", "prepare is signed by whoever may, logged or not"),
            (
                "steps.train",
                "train is signed by a or b, by 2 owners, not by whoever signed prepare",
            ),
        ];
        for want in wanted {
            assert!(rules.contains(&want), "{want:?} is not in {rules:?}");
        }
        assert_eq!(rules.len(), wanted.len() + super::ALWAYS.len());
    }
}
