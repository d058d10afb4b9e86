//! Every rule of a policy with what it reads, for tools that look at the policy itself.

use attest::predicate::{EVALUATION, REVOCATION, VERIFICATION_SUMMARY, WAIVER};

use crate::asks::{VERIFIERS, WAIVERS, details};
use crate::model::{Endpoint, Model, Step};
use crate::rego::RegoRule;
use crate::rules::rule::{Reads, RuleView};

/// The rules by their places.
pub(crate) fn inventory(model: &Model) -> Vec<RuleView> {
    let reads = |place: &str| {
        let rule = model.rules.iter().find(|rule| rule.place() == place);
        rule.map_or_else(|| of_the_rest(model, place), |rule| rule.reads(model))
    };
    let all = model.asks.iter().map(|(place, asks)| RuleView {
        rule: place.clone(),
        asks: format!("{asks}{}", details(model, place)),
        reads: reads(place),
    });
    all.collect()
}

/// What the rules read that are no [`crate::rules::Rule`]: those of every policy, steps, flows,
/// numbers, hold-outs, ages and stages.
fn of_the_rest(model: &Model, place: &str) -> Vec<Reads> {
    let step = |index: usize| Reads::step(model, index);
    let ends = |from: Endpoint, to: Endpoint, select: Option<&String>| {
        let mut reads: Vec<Reads> = step(from.step).into_iter().chain(step(to.step)).collect();
        reads.push(Reads::Digests);
        reads.extend(select.map(|_| Reads::Names));
        reads
    };
    if let Some(found) = model.steps.iter().find(|step| step.rule == place) {
        return of_step(found);
    }
    if let Some(found) = model.steps.iter().find(|step| step.age_rule == place) {
        let times = ["/predicate/runDetails/metadata/*", "/predicate/evaluatedOn"];
        let mut reads = vec![Reads::Step(found.name.clone())];
        reads.extend(times.map(Reads::field));
        reads.extend(found.max_age.map(Reads::age));
        return reads;
    }
    if let Some(flow) = model.flows.iter().find(|flow| flow.rule == place) {
        return ends(flow.from, flow.to, flow.select.as_ref());
    }
    if let Some(flow) = model.forbidden.iter().find(|flow| flow.rule == place) {
        return ends(flow.from, flow.to, flow.select.as_ref());
    }
    if let Some(metric) = model.metrics.iter().find(|metric| metric.rule == place) {
        let mut reads: Vec<Reads> = step(metric.step).into_iter().collect();
        let fields = ["/predicate/dataset", "/predicate/measurements/*"];
        reads.push(Reads::Type(EVALUATION.into()));
        reads.extend(fields.map(Reads::field));
        reads.extend(metric.bounds().into_iter().map(Reads::Bound));
        reads.push(Reads::Order);
        return reads;
    }
    if let Some(holdout) = model.holdouts.iter().find(|holdout| holdout.rule == place) {
        return step(holdout.step).into_iter().chain([Reads::Digests]).collect();
    }
    if let Some(rule) = model.rego.iter().find(|rule| rule.rule == place) {
        return of_rego(model, rule);
    }
    if model.stages.iter().any(|stage| stage.rule == place) {
        let result = Reads::field("/predicate/verificationResult");
        return vec![Reads::Type(VERIFICATION_SUMMARY.into()), result, Reads::Order];
    }
    match place {
        WAIVERS => {
            let approvers = model.waivers.as_ref().map(|one| Reads::signers(&one.approvers));
            let mut reads = vec![Reads::Type(WAIVER.into()), Reads::field("/predicate/*")];
            reads.extend(approvers);
            reads
        }
        VERIFIERS => {
            let pairs = model.narrowed.as_ref().and_then(|one| one.verifiers.as_ref());
            let names = pairs.into_iter().flatten().map(|pair| pair.signer.clone()).collect();
            vec![Reads::Type(VERIFICATION_SUMMARY.into()), Reads::Signers(names)]
        }
        "revocation" => vec![Reads::Type(REVOCATION.into()), Reads::Digests, Reads::Order],
        "chain" => vec![Reads::Digests],
        _ => Vec::new(),
    }
}

/// A module may read all that is given to it.
fn of_rego(model: &Model, rule: &RegoRule) -> Vec<Reads> {
    let steps = model.steps.iter().map(|step| Reads::Step(step.name.clone()));
    let moments = [rule.effective.from, rule.effective.until].into_iter().flatten();
    let all = [Reads::field("/predicate/*"), Reads::Digests, Reads::Names, Reads::Order];
    let signers = [Reads::Signers(Vec::new())];
    let compared = rule.module.compared().iter().cloned();
    steps.chain(all).chain(signers).chain(moments.map(Reads::Moment)).chain(compared).collect()
}

fn of_step(step: &Step) -> Vec<Reads> {
    let mut reads = vec![Reads::Step(step.name.clone())];
    reads.extend(step.predicates.iter().cloned().map(Reads::Type));
    let build_type = "/predicate/buildDefinition/buildType";
    reads.extend(
        (step.kind.is_some() || !step.build_types.is_empty()).then(|| Reads::field(build_type)),
    );
    reads.push(Reads::signers(&step.signers.whom));
    reads
}
