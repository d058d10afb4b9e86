//! What each rule asks, in words: made once when the policy is read, for those who read verdicts.

use std::collections::BTreeMap;

use crate::model::{Completeness, Coverage, Endpoint, LogRule, Model, Step};
use crate::rego::RegoRule;
use crate::rules::history::COMPLETENESS;
use crate::rules::{Flow, Forbidden, Holdout, Metric, Waivers};

/// The rules that every policy has.
const ALWAYS: [(&str, &str); 6] = [
    (COMPLETENESS, "enough of the register was read"),
    ("artifact.known", "somebody who is trusted speaks of the artifact"),
    ("history.explored", "no part of the history was left out"),
    ("history.consistent", "no two statements contradict each other"),
    ("revocation", "no revocation reaches it"),
    ("chain", "the steps form one chain that ends at the artifact"),
];

/// The place of whose waivers are accepted.
pub(crate) const WAIVERS: &str = "waivers";
/// The place of whose summaries count.
pub(crate) const VERIFIERS: &str = "trust.verifiers";

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
    if let Some(Waivers { max_life, approvers, .. }) = &model.waivers {
        let ask = format!(
            "what was found is excepted by a waiver of two owners, one of them {}, that lives at \
             most {max_life}",
            approvers.words()
        );
        asks.insert(WAIVERS.into(), ask);
    }
    if let Some(pairs) = model.narrowed.as_ref().and_then(|narrowed| narrowed.verifiers.as_ref()) {
        let pairs: Vec<String> =
            pairs.iter().map(|pair| format!("`{}` as {}", pair.signer, pair.id)).collect();
        let ask = format!("no summary counts but of {}", pairs.join(" or "));
        asks.insert(VERIFIERS.into(), ask);
    }
    for rule in &model.rules {
        asks.insert(rule.place().into(), rule.asks(model));
    }
    for rule in &model.rego {
        asks.insert(rule.rule.clone(), of_rego(rule));
    }
    asks
}

/// The rest of what the rule at `place` asks, which reports leave out for being long.
pub(crate) fn details(model: &Model, place: &str) -> String {
    if place == COMPLETENESS {
        return match model.completeness {
            Completeness::Followed => ": every entry of it",
            Completeness::Claimed => ", or the register says that nothing of it was left out",
            Completeness::Given => ": whatever was given",
        }
        .to_owned();
    }
    if let Some(step) = model.steps.iter().find(|step| step.rule == place) {
        let kind = step.kind.map(|kind| format!(" of kind {}", kind.as_str()));
        return format!(", as {}{}", step.predicates.join(" or "), kind.unwrap_or_default());
    }
    let metric = model.metrics.iter().find(|metric| metric.rule == place);
    metric.map(of_parts).unwrap_or_default()
}

/// Over how much a number was measured, and what holds on parts of that.
fn of_parts(metric: &Metric) -> String {
    let mut ask = vec![format!(", over at least {} records", metric.min_samples)];
    if let Some(slices) = &metric.slices {
        ask.extend(slices.at_least.map(|least| format!("on each part at least {least}")));
        ask.extend(slices.at_most.map(|most| format!("on each part at most {most}")));
        ask.extend(slices.gap_at_most.map(|gap| format!("any two parts at most {gap} apart")));
    }
    ask.join("; ")
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

    const WHOLE: &str = "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: asks, version: 1}
completeness: claimed
stages: {production: {mode: enforce}}
match: {names: [\"m*\"], onNoMatch: apply}
trust: {signers: {a: {identity: {exact: a@b}}, b: {identity: {exact: b@b}}}, verifiers: [{signer: b, id: \"https://gate.example\"}]}
steps:
  train: {predicates: ['https://slsa.dev/provenance/v1'], kind: training, signers: {anyOf: [a]}}
  evaluate: {predicates: [evaluation/v0.1], signers: {anyOf: [b]}}
flow: [{from: train.products, to: evaluate.subject, coverage: all}]
ml:
  metrics:
    - {step: evaluate, name: accuracy, dataset: {name: holdout, digest: 'sha256:0000000000000000000000000000000000000000000000000000000000000000'}, atLeast: '0.9', minSamples: 10, slices: {atLeast: '0.8', gapAtMost: '0.1'}}
waivers: {maxLife: 30d, approvers: [a, b]}
";

    #[test]
    fn an_inventory_says_all_that_the_document_does() {
        // What the document says, the smallest change of it, where, and what is said of either.
        let cases = [
            (
                "completeness: claimed",
                "completeness: given",
                "completeness",
                ", or the register says that nothing of it was left out",
                ": whatever was given",
            ),
            (
                "completeness: claimed",
                "completeness: followed",
                "completeness",
                ", or the register says that",
                ": every entry of it",
            ),
            (
                "onNoMatch: apply",
                "onNoMatch: deny",
                "match",
                "and its rules are applied to others all the same",
                "the artifact is called `m*`",
            ),
            (
                "https://gate.example",
                "https://gate.test",
                "trust.verifiers",
                "no summary counts but of `b` as https://gate.example",
                "`b` as https://gate.test",
            ),
            (
                "kind: training",
                "kind: fine-tuning",
                "steps.train",
                "as https://slsa.dev/provenance/v1 of kind training",
                "of kind fine-tuning",
            ),
            (
                "minSamples: 10",
                "minSamples: 11",
                "ml.metrics[0]",
                "over at least 10 records",
                "over at least 11 records",
            ),
            (
                "slices: {atLeast: '0.8'",
                "slices: {atLeast: '0.7'",
                "ml.metrics[0]",
                "; on each part at least 0.8; any two parts at most 0.1 apart",
                "on each part at least 0.7;",
            ),
            (
                "gapAtMost: '0.1'",
                "atMost: '0.95'",
                "ml.metrics[0]",
                "any two parts at most 0.1 apart",
                "on each part at least 0.8; on each part at most 0.95",
            ),
            (
                "maxLife: 30d",
                "maxLife: 31d",
                "waivers",
                "by a waiver of two owners, one of them `a` or `b`, that lives at most 30d",
                "at most 31d",
            ),
            ("approvers: [a, b]", "approvers: [b]", "waivers", "`a` or `b`", "one of them `b`"),
        ];
        for (from, to, place, want, other) in cases {
            assert!(WHOLE.contains(from), "{from}");
            for (text, want) in [(WHOLE.to_owned(), want), (WHOLE.replacen(from, to, 1), other)] {
                let inventory = Policy::parse(&text).unwrap().inventory();
                let asks = inventory.into_iter().find(|rule| rule.rule == place).unwrap().asks;
                assert!(asks.contains(want), "{place}: {asks}");
            }
        }
    }
}
