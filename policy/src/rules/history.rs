//! Whether enough of the history was seen to judge by: completeness of the log, parts that were
//! not looked at, statements that contradict each other, and an artifact of which nobody speaks.
//!
//! What was not seen could have decided otherwise, so these are errors, and errors deny.

use std::cell::LazyCell;
use std::collections::BTreeSet;

use attest::{ArtifactId, Sha256};
use verify::{Attestation, Completeness, Rejected, Rejection, WhyUnexplored};

use super::Question;
use super::chain::Chain;
use super::past::Past;
use crate::code::Code;
use crate::draft::{Draft, MAX_EVIDENCE, Problem};
use crate::model;

/// The names of the rules, which every policy has.
pub(crate) const COMPLETENESS: &str = "completeness";
pub(crate) const EXPLORED: &str = "history.explored";
pub(crate) const CONSISTENT: &str = "history.consistent";
pub(crate) const KNOWN: &str = "artifact.known";

/// Says whether enough of the log was read.
pub(crate) fn completeness(question: Question<'_>, draft: &mut Draft) {
    use model::Completeness as Wanted;
    let enough = match (question.model.completeness, question.lineage.completeness()) {
        (Wanted::Given, _) | (_, Completeness::Followed { .. }) => true,
        (Wanted::Claimed, found) => matches!(found, Completeness::Claimed { .. }),
        (Wanted::Followed, _) => false,
    };
    if enough {
        draft.pass(COMPLETENESS, Vec::new(), None);
        return;
    }
    let found = match question.lineage.completeness() {
        Completeness::Claimed { origin, .. } => format!("it is complete as `{origin}` claims"),
        _ => "nobody says whether anything was left out".into(),
    };
    let wanted = question.model.completeness.as_str();
    let message = format!("the policy wants the log `{wanted}`, and {found}");
    let next = "ask where every entry of the register is followed, or write `completeness: given` \
                in the policy";
    draft.fail(COMPLETENESS, vec![Problem::error(Code::LogIncomplete, message, next)]);
}

/// Says whether anybody who is trusted speaks of the artifact at all, and in which statement: one
/// that the verdict rests on anyway, where there is such a one.
pub(crate) fn is_known(
    question: Question<'_>,
    chain: &Chain<'_>,
    past: &Past<'_>,
    draft: &mut Draft,
) -> bool {
    let itself = |one: &&Attestation| one.subjects.iter().any(|one| past.is_itself(&one.artifact));
    let spoken = || past.itself().iter().find_map(|one| question.lineage.about(one).next());
    if let Some(one) = chain.all().find(itself).or_else(spoken) {
        draft.pass(KNOWN, vec![one.body()], None);
        return true;
    }
    let rejected =
        |one: &&Rejected| one.artifact == question.artifact && one.predicate_type.is_some();
    if let Some(one) = question.lineage.rejected().iter().find(rejected) {
        draft.pass_by_rejected(KNOWN, one);
        return true;
    }
    let message = format!("nobody who is trusted says anything about {}", question.artifact);
    let next = if question.lineage.rejected().is_empty() {
        "record and register the steps that made it, or ask about the right artifact"
    } else {
        "if you believe whoever signed what is there, run `assay trust add KEY`; else record and \
         register the steps that made it"
    };
    let problem = Problem::fail(Code::ArtifactUnknown, message, next).about([question.artifact]);
    let bodies = question.lineage.rejected().iter().map(|one| one.body).take(MAX_EVIDENCE);
    draft.fail(KNOWN, vec![problem.shown_by_bodies(bodies)]);
    false
}

/// Says whether a part of the history that rules read was not looked at.
pub(crate) fn explored(
    question: Question<'_>,
    chain: &Chain<'_>,
    past: &Past<'_>,
    draft: &mut Draft,
) {
    if question.lineage.unexplored().is_empty() {
        draft.pass(EXPLORED, Vec::new(), None);
        return;
    }
    let used = chain.all().flat_map(|one| one.subjects.iter().chain(&one.materials));
    let used: BTreeSet<ArtifactId> = used.map(|named| named.artifact).collect();
    let is_read = |artifact| past.all().contains(artifact) || used.contains(artifact);
    let mut problems = Vec::new();
    for part in question.lineage.unexplored() {
        if problems.len() >= MAX_EVIDENCE || !is_read(&part.artifact) {
            continue;
        }
        let body: Option<Sha256> = match &part.why {
            WhyUnexplored::Withheld { body, .. } => Some(*body),
            _ => None,
        };
        let message =
            format!("a part of the history of {} was not seen: {}", part.artifact, part.why);
        let next = "ask again with all attestations of that artifact, from a complete source";
        let problem = Problem::error(Code::TraceUnexplored, message, next);
        problems.push(problem.shown_by_bodies(body).about([part.artifact]));
    }
    if problems.is_empty() {
        draft.pass(EXPLORED, Vec::new(), None);
    } else {
        draft.fail(EXPLORED, problems);
    }
}

/// Says whether statements contradict each other about an artifact that rules read.
pub(crate) fn consistent(
    question: Question<'_>,
    chain: &Chain<'_>,
    past: &Past<'_>,
    draft: &mut Draft,
) {
    let mut problems = Vec::new();
    let named = LazyCell::new(|| {
        let subjects = chain.all().flat_map(|one| &one.subjects);
        subjects.map(|one| one.artifact).collect::<BTreeSet<ArtifactId>>()
    });
    for rejected in question.lineage.rejected() {
        let Rejection::Conflict { artifact, algorithm, with } = &rejected.why else { continue };
        let of_step = rejected
            .step
            .as_ref()
            .is_some_and(|name| question.model.steps.iter().any(|step| step.name == *name));
        let used = || named.contains(&rejected.artifact);
        if !of_step && !past.all().contains(&rejected.artifact) && !used() {
            continue;
        }
        if problems.len() >= MAX_EVIDENCE {
            break;
        }
        let message = format!("two statements disagree about the {algorithm} digest of {artifact}");
        let next = "find out which of the two is wrong, revoke it, and run its step again";
        let problem = Problem::error(Code::EvidenceConflict, message, next);
        let bodies = [rejected.body, *with];
        problems.push(problem.shown_by_bodies(bodies).about([*artifact]));
    }
    if problems.is_empty() {
        draft.pass(CONSISTENT, Vec::new(), None);
    } else {
        draft.fail(CONSISTENT, problems);
    }
}
