//! What the policy and the trust file show by themselves.

use attest::Decimal;
use attest::predicate::{VERIFICATION_SUMMARY, WAIVER};
use verify::Trust;

use super::apart::{of_step_by, owners, signing};
use super::number::is_share_name;
use super::{Fault, FaultKind};
use crate::asks::WAIVERS;
use crate::model::{Model, Step};
use crate::rules::Waivers;
use crate::rules::rule::{Asked, Without};

pub(super) fn faults(model: &Model, trust: &Trust) -> Vec<Fault> {
    let mut faults = Vec::new();
    for step in &model.steps {
        faults.extend(of_step(step, trust));
    }
    for rule in &model.rules {
        for asked in rule.asked(model) {
            faults.extend(of_asked(model, rule.place(), &asked, trust));
        }
        faults.extend(rule.idle().map(|why| Fault {
            rule: rule.place().to_owned(),
            kind: FaultKind::Vacuous,
            message: format!("nothing makes it fail: {why}"),
            next: "write down what must not be, or leave the rule out".into(),
        }));
    }
    faults.extend(model.waivers.as_ref().and_then(|waivers| of_waivers(waivers, trust)));
    for stage in &model.stages {
        let earlier = stage.after.iter().filter_map(|at| model.stages.get(*at));
        for earlier in
            earlier.filter(|earlier| !is_promoted(model, trust, Some(earlier.name.as_str())))
        {
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

/// Statements beside those of steps, for which there must be enough owners as well.
fn of_asked(model: &Model, place: &str, asked: &Asked<'_>, trust: &Trust) -> Option<Fault> {
    let Asked { whom, types, step, owners: wanted, to, without, .. } = asked;
    let (there, who) = match (whom, step.and_then(|step| model.steps.get(step))) {
        (Some(whom), Some(step)) => (of_step_by(whom, step, trust).len(), whom.words()),
        (Some(whom), None) => (signing(whom, types, trust).len(), whom.words()),
        (None, _) => (usize::from(is_promoted(model, trust, None)), "any verifier".into()),
    };
    if there >= *wanted {
        return None;
    }
    let (kind, message) = match (without, wanted) {
        (Without::AsksNothing, _) => (
            FaultKind::Vacuous,
            format!("the trust file lets none of {who} {to}, and the rule takes that nobody does"),
        ),
        (Without::CannotHold, 1) => {
            let message = format!("the trust file lets none of {who} {to}");
            (FaultKind::Unsatisfiable, message)
        }
        (Without::CannotHold, _) => {
            let message = format!(
                "{wanted} owners of {who} must {to}, and the trust file lets {there} of them"
            );
            (FaultKind::Unsatisfiable, message)
        }
    };
    let next = "name signers whom the trust file lets sign it, or let those whom it names".into();
    Some(Fault { rule: place.to_owned(), kind, message, next })
}

/// A waiver is signed by two owners, one of whom approves.
fn of_waivers(waivers: &Waivers, trust: &Trust) -> Option<Fault> {
    let approvers = signing(&waivers.approvers, &[WAIVER], trust);
    let all = signing(&waivers.requesters, &[WAIVER], trust);
    let message = match approvers.first_key_value() {
        None => {
            let who = waivers.approvers.words();
            format!("the trust file lets none of {who} sign a waiver, so that none is accepted")
        }
        Some((owner, _)) if all.len() < 2 => {
            format!("nobody but `{owner}` may sign a waiver, and it takes two owners")
        }
        Some(_) => return None,
    };
    Some(Fault {
        rule: WAIVERS.into(),
        kind: FaultKind::Unsatisfiable,
        message,
        next: "let two owners sign waivers, one of them an approver, or leave `waivers` out".into(),
    })
}

/// Whether a verifier whom the policy believes may say that a stage was passed, or anything of
/// what has no stage.
fn is_promoted(model: &Model, trust: &Trust, stage: Option<&str>) -> bool {
    let pairs = model.narrowed.as_ref().and_then(|narrowed| narrowed.verifiers.as_ref());
    trust.verifiers().iter().any(|verifier| {
        let believed = |name: &str| {
            pairs.is_none_or(|pairs| {
                pairs.iter().any(|pair| pair.signer == name && pair.id == verifier.id())
            })
        };
        let Some(key) = verifier.key().and_then(|id| trust.key(&id)) else {
            return believed(verifier.name());
        };
        key.grants().iter().any(|grant| {
            believed(grant.name())
                && grant.may().predicates.has(VERIFICATION_SUMMARY)
                && stage.is_none_or(|stage| grant.may().stages.has(stage))
        })
    })
}
