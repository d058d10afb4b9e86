//! What came of the required steps, and whether they end at the artifact.

use std::collections::BTreeSet;

use attest::predicate::is_provenance;
use attest::{ArtifactId, Kind};
use verify::{Attestation, Rejection, VerifyError};

use super::Question;
use super::chain::{Chain, MAX_STATEMENTS};
use super::past::Past;
use super::steps::{self, Flaw};
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::Step;
use crate::remedy::{self, Means, PLACEHOLDER, Remedy};

/// The name of the rule that the chain ends at the artifact.
const REACHES: &str = "chain";

/// Says what came of every required step.
pub(crate) fn judge(question: Question<'_>, chain: &Chain<'_>, draft: &mut Draft) {
    let model = question.model;
    for (index, (step, links)) in model.steps.iter().zip(&chain.steps).enumerate() {
        if links.too_many {
            let message =
                format!("there are more than {MAX_STATEMENTS} statements of `{}`", step.name);
            let next = "narrow the signers of the step, or split it into steps of their own";
            let code = Code::TraceUnexplored;
            draft.fail(&step.rule, vec![Problem::error(code, message, next)]);
            continue;
        }
        if let Some(flaw) = links.flaw {
            let other = step.signers.not_same_as.and_then(|other| model.steps.get(other));
            let at: Vec<&Attestation> = match flaw {
                Flaw::SameSigner => links.chosen.clone(),
                Flaw::Failed => links.failures().collect(),
                _ => {
                    let same = |one: &&&Attestation| steps::flaw(step, one) == Some(flaw);
                    links.all.iter().filter(same).copied().collect()
                }
            };
            let considered = steps::considered(step, &links.all, flaw);
            let remedy = mending(question, chain, index, flaw, &at);
            let problem = steps::flawed(step, other, flaw, &at).considering(considered);
            draft.fail(&step.rule, vec![problem.mended(remedy)]);
            continue;
        }
        if !links.chosen.is_empty() {
            draft.pass(&step.rule, bodies(links.chosen.iter().copied()), None);
            continue;
        }
        // Where nothing that should have used its products is there either, the step cannot be
        // looked for: the finding is that of the later step.
        let mut later = model.flows.iter().filter(|flow| flow.from.step == index).peekable();
        let sought = later.peek().is_none();
        let after: Vec<usize> =
            later.map(|flow| flow.to.step).filter(|step| chain.is_found(*step)).collect();
        if !sought && after.is_empty() {
            let detail = "it cannot be looked for: no step that uses its products is there";
            draft.follows(&step.rule, detail.into());
            continue;
        }
        let used: Vec<&Attestation> =
            after.iter().flat_map(|step| chain.chosen(*step)).copied().collect();
        let problem = steps::missing(step, question.lineage.rejected(), &used);
        let problem = match problem.code {
            Code::StepMissing | Code::StepSigner | Code::RevokedAttestation => {
                let remedy = Remedy::step(Means::Run, question, chain, index);
                by_another(question, step, remedy, problem)
            }
            _ => problem,
        };
        draft.fail(&step.rule, vec![problem]);
    }
}

/// The remedy by somebody whose statement of the step was not refused for who signed it; where
/// nobody is left whom the policy names, the trust document has to let somebody.
fn by_another(
    question: Question<'_>,
    step: &Step,
    remedy: Remedy,
    mut problem: Problem,
) -> Problem {
    let mut refused: BTreeSet<&str> = BTreeSet::new();
    let rejected = question.lineage.rejected().iter();
    for one in rejected.filter(|one| one.step.as_ref().is_none_or(|name| *name == step.name)) {
        match &one.why {
            Rejection::OutOfScope(names) => {
                refused.extend(names.iter().map(|(name, _)| name.as_str()));
            }
            Rejection::RevokedKey { name, .. }
            | Rejection::NotBelieved(VerifyError::OutsideValidity { name, .. }) => {
                refused.insert(name);
            }
            _ => {}
        }
    }
    let named = !remedy.signers.is_empty();
    if named && remedy.signers.iter().all(|name| refused.contains(name.as_str())) {
        problem.next = format!(
            "have the trust document let {} sign `{}` with a key that is good, and run it again",
            step.signers.whom.words(),
            step.name
        );
        return problem.mended(Remedy::new(Means::Trust).by(&step.signers.whom));
    }
    problem.mended(remedy.but_for(refused))
}

/// What makes a statement of the step count, or replaces it.
fn mending(
    question: Question<'_>,
    chain: &Chain<'_>,
    index: usize,
    flaw: Flaw,
    at: &[&Attestation],
) -> Remedy {
    let again = |kind| Remedy::step(kind, question, chain, index);
    let nearest = at.last().copied();
    let signed = nearest.into_iter().flat_map(|one| &one.signers);
    let signed = signed.map(|signer| signer.name.as_str());
    match flaw {
        Flaw::Kind | Flaw::Failed => again(Means::Run),
        Flaw::Unlogged => {
            let bundle = format!("{PLACEHOLDER}the file of the bundle>");
            Remedy::new(Means::Command).argv(["assay", "log", "submit", &bundle])
        }
        // The same statement, by whoever may sign it.
        Flaw::Signer => {
            let again = again(Means::Run).but_for(signed);
            match nearest.and_then(remedy::of_attestation) {
                Some(statement) => again.with_whole(statement),
                None => again,
            }
        }
        // What somebody else finds on their own: the numbers of the one are not the other's.
        Flaw::SameSigner => {
            let again = again(Means::Run).but_for(signed);
            match nearest.and_then(|one| remedy::repeated(question, one)) {
                Some(statement) => again.with(statement),
                None => again,
            }
        }
        Flaw::Threshold { owners } => {
            let entry = nearest.and_then(|one| one.index);
            let remedy = again(Means::Statement).but_for(signed);
            match entry {
                Some(entry) => {
                    let missing = remedy.owners.saturating_sub(owners).max(1);
                    let argv = ["assay", "attest", "cosign", &entry.to_string()];
                    Remedy { kind: Means::Command, skeleton: None, ..remedy }
                        .owners(missing)
                        .argv(argv)
                }
                None => remedy,
            }
        }
    }
}

/// Says whether a required step made the very artifact, where the policy has steps that make
/// things: else a good chain of something that went in would do for what was built upon it.
pub(crate) fn reaches(
    question: Question<'_>,
    chain: &Chain<'_>,
    past: &Past<'_>,
    draft: &mut Draft,
) {
    let makes = |step: &Step| step.predicates.iter().any(|one| is_provenance(one));
    let steps = question.model.steps.iter().enumerate();
    let making: Vec<usize> = steps.filter(|(_, step)| makes(step)).map(|(at, _)| at).collect();
    if making.is_empty() {
        draft.not_applicable(REACHES, "the policy asks for no step that makes anything");
        return;
    }
    if !making.iter().all(|step| chain.is_found(*step)) {
        draft.follows(REACHES, "follows from a step that does not hold".into());
        return;
    }
    let made = |one: &&&Attestation| one.subjects.iter().any(|one| past.is_itself(&one.artifact));
    let all = || making.iter().flat_map(|step| chain.chosen(*step));
    let last: Vec<&Attestation> = all().filter(made).copied().collect();
    let products: BTreeSet<ArtifactId> =
        last.iter().flat_map(|one| &one.subjects).map(|one| one.artifact).collect();
    if is_made(question, &products, past) {
        draft.pass(REACHES, bodies(last), None);
        return;
    }
    let message = match last.is_empty() {
        true => format!("no required step made {} itself", question.artifact),
        false => format!("required steps made a part of {}, and not the whole", question.artifact),
    };
    let next = "ask about what the last step made, or add the step that made it to the policy";
    let problem = Problem::fail(Code::FlowBroken, message, next);
    let problem = problem.mended(Remedy::new(Means::Policy));
    let about = question.lineage.about(&question.artifact);
    draft.fail(REACHES, vec![problem.shown_by(about).about([question.artifact])]);
}

/// Whether `artifact` is among `products`, or in one of them, or was made of nothing else: one good
/// file makes no good folder, and good files under each other's names make another folder than the
/// one that they came from. So the parts speak for a whole only if somebody who is trusted made it;
/// an image index, which everybody may write, is as good as the images in it.
fn is_made(question: Question<'_>, products: &BTreeSet<ArtifactId>, past: &Past<'_>) -> bool {
    let mut open = vec![question.artifact];
    let mut seen = BTreeSet::from([question.artifact]);
    while let Some(next) = open.pop() {
        if past.with_wholes(next).iter().any(|whole| products.contains(whole)) {
            continue;
        }
        let is_index = next.kind() == Some(Kind::OciIndex);
        if !is_index && !question.lineage.about(&next).any(Attestation::makes) {
            return false;
        }
        let mut has_parts = false;
        for part in past.parts(&next) {
            has_parts = true;
            if is_index && !matches!(part.kind(), Some(Kind::OciManifest | Kind::OciIndex)) {
                return false;
            }
            if seen.insert(part) {
                open.push(part);
            }
        }
        if !has_parts {
            return false;
        }
    }
    true
}
