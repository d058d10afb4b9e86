//! What the policy and the trust file show by themselves.

use attest::Decimal;
use attest::predicate::VERIFICATION_SUMMARY;
use verify::Trust;

use super::apart::owners;
use super::number::is_share_name;
use super::{Fault, FaultKind};
use crate::model::{Model, Step};

pub(super) fn faults(model: &Model, trust: &Trust) -> Vec<Fault> {
    let mut faults = Vec::new();
    for step in &model.steps {
        faults.extend(of_step(step, trust));
    }
    for stage in &model.stages {
        let earlier = stage.after.iter().filter_map(|at| model.stages.get(*at));
        for earlier in earlier.filter(|earlier| !is_promoted(trust, earlier.name.as_str())) {
            faults.push(Fault {
                rule: stage.rule.clone(),
                kind: FaultKind::Unreachable,
                message: format!(
                    "`{}` comes after `{}`, and no verifier may say that `{}` was passed",
                    stage.name, earlier.name, earlier.name
                ),
                next: format!(
                    "let a verifier of the trust file sign summaries for stage `{}`",
                    earlier.name
                ),
            });
        }
    }
    for metric in model.metrics.iter().filter(|metric| is_share_name(&metric.name)) {
        let least = metric.at_least.is_some_and(|least| least <= Decimal::ZERO);
        let one = "1".parse::<Decimal>().ok();
        let most = metric.at_most.is_some_and(|most| one.is_some_and(|one| most >= one));
        let bounds = [metric.at_least.map(|_| least), metric.at_most.map(|_| most)];
        if bounds.iter().flatten().all(|vacuous| *vacuous) && (least || most) {
            faults.push(Fault {
                rule: metric.rule.clone(),
                kind: FaultKind::VacuousBound,
                message: format!("`{}` is between 0 and 1, and the bound is not", metric.name),
                next: "set a bound that a bad artifact would not keep".into(),
            });
        }
    }
    faults
}

fn of_step(step: &Step, trust: &Trust) -> Vec<Fault> {
    let mut faults = Vec::new();
    let fault = |kind, message: String, next: String| Fault {
        rule: step.rule.clone(),
        kind,
        message,
        next,
    };
    let own = owners(step, trust);
    let threshold = step.signers.threshold;
    if own.len() < threshold {
        let message = format!(
            "`{}` needs {threshold} owners, and the trust file lets {} of them sign it",
            step.name,
            own.len()
        );
        let next = format!("let more owners sign `{}`, or ask for fewer", step.name);
        faults.push(fault(FaultKind::Unsatisfiable, message, next));
    }
    faults
}

fn is_promoted(trust: &Trust, stage: &str) -> bool {
    trust.verifiers().iter().any(|verifier| {
        let Some(key) = verifier.key().and_then(|id| trust.key(&id)) else { return true };
        key.grants().iter().any(|grant| {
            grant.may().predicates.has(VERIFICATION_SUMMARY) && grant.may().stages.has(stage)
        })
    })
}
