//! Ages, and dates that are not yet.
//!
//! A date in a statement is a claim, and is read only to its disadvantage: of several the oldest
//! counts for the age, the newest for being in the future, and a statement without a date is too
//! old for every limit. Order is never decided by dates.

use std::collections::{BTreeMap, BTreeSet};

use attest::{ArtifactId, Predicate, Timestamp};
use jiff::SignedDuration;
use verify::Attestation;

use super::Question;
use super::chain::{Chain, Links};
use super::past::Past;
use crate::code::Code;
use crate::draft::{Draft, Problem};
use crate::model::Step;
use crate::remedy::{Means, Measured, Remedy};

/// How far clocks may be apart.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Says what came of every age limit, and of dates that are not yet. `read` are the evaluations
/// that decided about numbers, with their step.
pub(crate) fn judge<'a>(
    question: Question<'a>,
    chain: &Chain<'a>,
    past: &Past<'a>,
    read: &[(usize, &'a Attestation)],
    draft: &mut Draft,
) {
    for (index, (step, links)) in question.model.steps.iter().zip(&chain.steps).enumerate() {
        if !links.is_found() {
            if step.max_age.is_some() {
                draft.follows(&step.age_rule, format!("follows from steps.{}", step.name));
            }
            continue;
        }
        // Where numbers decided, a younger statement that they are not in is of no use.
        let mut seen = BTreeSet::new();
        let of_step = read.iter().filter(|(of, _)| *of == index).map(|(_, one)| *one);
        let mut judged: Vec<&Attestation> = of_step.filter(|one| seen.insert(one.body())).collect();
        if judged.is_empty() {
            judged = last_about_each(links, past);
        }
        let mut problems = Vec::new();
        for one in &judged {
            problems.extend(future(step, one, question.now, draft));
            let old = exceeded(step, one, question.now, draft);
            let again = || Remedy::step_on(Means::Run, question, chain, index, measured(one));
            problems.extend(old.map(|problem| problem.mended(again())));
        }
        if !problems.is_empty() {
            draft.fail(&step.age_rule, problems);
        } else if step.max_age.is_some() {
            let evidence = judged.iter().map(|one| one.body()).collect();
            draft.pass(&step.age_rule, evidence, None);
        }
    }
}

/// What an evaluation measured.
fn measured(one: &Attestation) -> Measured {
    let dataset = match &one.statement().predicate {
        Predicate::Evaluation(evaluation) => evaluation.dataset.artifact().ok(),
        _ => None,
    };
    Measured { model: one.subjects.first().map(|model| model.artifact), dataset }
}

/// Of the statements about each artifact that went in the last one, which may be a repetition;
/// a young statement about one artifact makes no other one younger.
fn last_about_each<'a>(links: &Links<'a>, past: &Past<'a>) -> Vec<&'a Attestation> {
    let mut last: BTreeMap<ArtifactId, &Attestation> = BTreeMap::new();
    for one in &links.chosen {
        for subject in one.subjects.iter().filter(|named| past.all().contains(&named.artifact)) {
            let known = last.entry(subject.artifact).or_insert(one);
            if one.index.is_some() || known.index.is_none() {
                *known = one;
            }
        }
    }
    let mut seen = BTreeSet::new();
    let judged = links.last().into_iter().chain(last.into_values());
    judged.filter(|one| seen.insert(one.body())).collect()
}

fn future(step: &Step, one: &Attestation, now: Timestamp, draft: &mut Draft) -> Option<Problem> {
    let (_, newest) = claims(one)?;
    let edge = newest.checked_sub(SKEW).unwrap_or(Timestamp::MIN);
    if now >= edge {
        draft.from(edge);
        return None;
    }
    draft.until(edge);
    let message =
        format!("the statement of step `{}` is dated {newest}, which is not yet", step.name);
    let next = format!("set the clock of whoever runs `{}`, and run it again", step.name);
    let remedy = Remedy::new(Means::Wait).at(edge);
    Some(Problem::fail(Code::AgeFuture, message, next).shown_by([one]).mended(remedy))
}

fn exceeded(step: &Step, one: &Attestation, now: Timestamp, draft: &mut Draft) -> Option<Problem> {
    let limit = step.max_age?;
    let next = format!("run `{}` again", step.name);
    let Some((oldest, _)) = claims(one) else {
        let message =
            format!("the statement of step `{}` has no date, and {limit} is its limit", step.name);
        return Some(Problem::fail(Code::AgeExceeded, message, next).shown_by([one]));
    };
    let end = limit.end(oldest);
    if now < end {
        draft.until(end);
        return None;
    }
    draft.from(end);
    let message = format!(
        "the statement of step `{}` is of {oldest}, and was too old after {limit}",
        step.name
    );
    Some(Problem::fail(Code::AgeExceeded, message, next).shown_by([one]))
}

/// The oldest and the newest time that a statement claims for itself.
pub(crate) fn claims(attestation: &Attestation) -> Option<(Timestamp, Timestamp)> {
    let times: [Option<Timestamp>; 3] = match &attestation.statement().predicate {
        Predicate::Provenance(provenance) => {
            let metadata = &provenance.run_details.metadata;
            [metadata.started_on, metadata.finished_on, None]
        }
        Predicate::EarlierProvenance(provenance) => {
            let metadata = &provenance.metadata;
            [metadata.build_started_on, metadata.build_finished_on, None]
        }
        Predicate::Evaluation(evaluation) => {
            let run = evaluation.run.as_ref();
            let started = run.and_then(|run| run.started_on);
            [evaluation.evaluated_on, started, run.and_then(|run| run.finished_on)]
        }
        _ => [None; 3],
    };
    let times = || times.iter().flatten().copied();
    times().min().zip(times().max())
}
