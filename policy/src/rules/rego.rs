//! Rules in Rego: what each says against the artifact, and what it says nothing against.

use std::collections::BTreeSet;

use attest::{Sha256, Timestamp};
use verify::Attestation;

use super::Question;
use super::chain::Chain;
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::rego::{Denial, RegoRule, RunError, minute, run};

/// How long an answer holds that reads the time, in seconds: the rest of the minute.
const MINUTE: i64 = 60;

/// Says what came of every rule in Rego.
pub(crate) fn judge(question: Question<'_>, stage: &str, chain: &Chain<'_>, draft: &mut Draft) {
    let asked: Vec<&RegoRule> =
        question.model.rego.iter().filter(|rule| asks(rule, question.now, draft)).collect();
    if asked.is_empty() {
        return;
    }
    let now = minute(question.now);
    // A rule that finds nothing has looked at the chain, and at everything else that is believed.
    let chosen: BTreeSet<Sha256> = chain.all().map(Attestation::body).collect();
    let others = question.lineage.attestations().iter().map(Attestation::body);
    let mut seen: Vec<Sha256> = chosen.iter().copied().collect();
    seen.extend(others.filter(|body| !chosen.contains(body)));
    let answers = run(question, stage, chain, &asked, now);
    for (rule, answer) in asked.into_iter().zip(answers) {
        if rule.module.reads_time() {
            draft.from(now);
            let end = Timestamp::from_second(now.as_second().saturating_add(MINUTE));
            draft.until(end.unwrap_or(Timestamp::MAX));
        }
        match answer {
            Err(error) => draft.fail(&rule.rule, vec![undecided(rule, &error)]),
            Ok(_) if seen.is_empty() => {
                let message = format!("the rule `{}` was given no statement", rule.id);
                let next = "register what the rule is to read";
                let problem = Problem::fail(Code::RegoUndecided, message, next);
                draft.fail(&rule.rule, vec![problem]);
            }
            Ok(denials) if denials.is_empty() => draft.pass(&rule.rule, seen.clone(), None),
            Ok(denials) => {
                let problems = denials.iter().map(|denial| denied(question, rule, denial));
                draft.fail(&rule.rule, problems.collect());
            }
        }
    }
}

/// Whether the rule asks anything now; where not, that is said, and until when.
fn asks(rule: &RegoRule, now: Timestamp, draft: &mut Draft) -> bool {
    if let Some(from) = rule.effective.from {
        if now < from {
            draft.not_applicable(&rule.rule, &format!("it asks something from {from} on"));
            draft.until(from);
            return false;
        }
        draft.from(from);
    }
    if let Some(until) = rule.effective.until {
        if now >= until {
            draft.not_applicable(&rule.rule, &format!("it asked something until {until}"));
            draft.from(until);
            return false;
        }
        draft.until(until);
    }
    true
}

fn denied(question: Question<'_>, rule: &RegoRule, denial: &Denial) -> Problem {
    let Denial { code, message, subject } = denial;
    let message = format!("`{}` denies by `{code}`: {message}", rule.id);
    let next =
        format!("change what `{code}` of the rule `{}` names, and register it anew", rule.id);
    let about = bodies(question.lineage.about(subject));
    Problem::fail(Code::RegoDenied, message, next).shown_by_bodies(about).about([*subject])
}

fn undecided(rule: &RegoRule, error: &RunError) -> Problem {
    let message = format!("the rule `{}` gives no answer: {error}", rule.id);
    let next = format!("correct the rule `{}` in the policy", rule.id);
    Problem::error(Code::RegoUndecided, message, next)
}
