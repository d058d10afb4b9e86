//! Corroboration: what one signer says of a step, another has found out as well, in a statement of
//! their own.
//!
//! A threshold asks that several sign one statement, which the second need not have tried. Here the
//! second has: made the same products from the same materials, or measured good numbers on the same
//! data. Nobody who has a hand in the statement that counts corroborates it, under whatever name.

use std::collections::BTreeSet;

use attest::{ArtifactId, Predicate};
use verify::{Attestation, Signer};

use super::Metric;
use super::rule::{Asked, Reads, Rule, View};
use super::steps;
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::{Model, Step};
use crate::remedy::{self, Means, Remedy};
use crate::whom::{Whom, is_logged};

/// Who must have come to the same as whoever did a step.
#[derive(Clone, Debug)]
pub(crate) struct Corroboration {
    pub(crate) place: String,
    pub(crate) step: usize,
    pub(crate) whom: Whom,
    /// How many distinct owners, beside those of the statement itself.
    pub(crate) threshold: usize,
}

/// The place of the rule for a step.
pub(crate) fn place(step: &str) -> String {
    format!("corroboration.{step}")
}

impl Rule for Corroboration {
    fn place(&self) -> &str {
        &self.place
    }

    fn asks(&self, model: &Model) -> String {
        let step = model.steps.get(self.step).map_or("", |step| step.name.as_str());
        let whom = self.whom.words();
        match self.threshold {
            1 => format!("{whom} came to the same as whoever signed {step}"),
            more => format!("{more} owners of {whom} came to the same as whoever signed {step}"),
        }
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let step = model.steps.get(self.step);
        let mut reads: Vec<Reads> = Reads::step(model, self.step).into_iter().collect();
        reads.extend(step.into_iter().flat_map(|step| &step.predicates).cloned().map(Reads::Type));
        reads.extend([Reads::Digests, Reads::signers(&self.whom)]);
        reads
    }

    fn asked(&self, _: &Model) -> Vec<Asked<'_>> {
        let come = Asked::one("come to the same", &self.whom, &[]);
        vec![Asked { step: Some(self.step), owners: self.threshold, alone: false, ..come }]
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let Some(step) = view.question.model.steps.get(self.step) else { return };
        if !view.chain.is_found(self.step) {
            return draft.follows(self.place(), format!("follows from steps.{}", step.name));
        }
        let metrics: Vec<&Metric> =
            view.question.model.metrics.iter().filter(|one| one.step == self.step).collect();
        let (mut evidence, mut problems) = (Vec::new(), Vec::new());
        let mut held = BTreeSet::new();
        for said in view.chain.chosen(self.step) {
            let hands: BTreeSet<&str> = steps::hands(said).collect();
            let (mut owners, mut by, mut considered) = (BTreeSet::new(), Vec::new(), Vec::new());
            for other in candidates(view, said, step) {
                match self.refusal(said, other, step, &hands, &metrics) {
                    Some(why) => considered.push((other.body(), why.to_owned())),
                    None => {
                        owners.extend(self.owners(other, &hands));
                        by.push(other);
                    }
                }
            }
            if owners.len() >= self.threshold {
                held.extend(said.subjects.iter().map(|one| one.artifact));
                evidence.push(*said);
                evidence.extend(by);
                continue;
            }
            let problem = self.problem(said, step, owners.len()).considering(considered);
            let problem = problem.mended(self.mending(view, said, owners.len()));
            problems.push((said, problem));
        }
        // What one statement of the step does not show, another one may.
        let all_held =
            |said: &Attestation| said.subjects.iter().all(|one| held.contains(&one.artifact));
        problems.retain(|(said, _)| !all_held(said));
        let problems: Vec<Problem> = problems.into_iter().map(|(_, problem)| problem).collect();
        if problems.is_empty() {
            draft.pass(self.place(), bodies(evidence), None);
        } else {
            draft.fail(self.place(), problems);
        }
    }
}

impl Corroboration {
    /// The owners who count, with no hand in the statement that is corroborated.
    fn owners<'a>(&self, other: &'a Attestation, hands: &BTreeSet<&str>) -> BTreeSet<&'a str> {
        let counts = |signer: &&Signer| {
            self.whom.admits(signer)
                && is_logged(other, signer)
                && !hands.contains(signer.owner.as_str())
        };
        other.signers.iter().filter(counts).map(|signer| signer.owner.as_str()).collect()
    }

    /// Why a statement does not corroborate `said`.
    fn refusal(
        &self,
        said: &Attestation,
        other: &Attestation,
        step: &Step,
        hands: &BTreeSet<&str>,
        metrics: &[&Metric],
    ) -> Option<&'static str> {
        if self.owners(other, hands).is_empty() {
            return Some(
                "signed by nobody who may corroborate it, by whoever signed what it is to \
                 corroborate, or in no trusted log",
            );
        }
        if !steps::is_of_the_kind(step, other) {
            return Some("it is of another kind");
        }
        if steps::has_failed(other) {
            return Some("its result is not that the tests passed");
        }
        if !said.subjects.iter().all(|one| other.is_about(&one.artifact)) {
            return Some("it did not make all of the same products");
        }
        if !said.unidentified.is_empty() || !other.unidentified.is_empty() {
            return Some("something that went in is known by no digest, and cannot be compared");
        }
        if materials(said) != materials(other) {
            return Some("something else went in");
        }
        let measures = matches!(other.statement().predicate, Predicate::Evaluation(_));
        if measures && !metrics.iter().all(|metric| metric.is_met_by(other)) {
            return Some("it did not measure good numbers for every rule of the step");
        }
        None
    }

    /// Somebody else does the step again, and says so.
    fn mending(&self, view: View<'_, '_>, said: &Attestation, found: usize) -> Remedy {
        let again = Remedy::step(Means::Run, view.question, view.chain, self.step)
            .by(&self.whom)
            .but_for(said.signers.iter().map(|signer| signer.name.as_str()))
            .owners(self.threshold.saturating_sub(found));
        match remedy::repeated(view.question, said) {
            Some(statement) => again.with(statement),
            None => again,
        }
    }

    fn problem(&self, said: &Attestation, step: &Step, found: usize) -> Problem {
        let (name, whom) = (&step.name, self.whom.words());
        let message = format!(
            "nobody but its own signer stands for the statement of step `{name}`: {found} of {} \
             needed owners of {whom} came to the same",
            self.threshold
        );
        let next = format!(
            "have {whom} do `{name}` again from the same materials, and register what comes of it"
        );
        let problem = Problem::fail(Code::CorroborationMissing, message, next);
        problem.shown_by([said]).about(said.subjects.iter().map(|one| one.artifact))
    }
}

/// The other believed statements of the step about what `said` is about, each once.
fn candidates<'a>(view: View<'_, 'a>, said: &'a Attestation, step: &Step) -> Vec<&'a Attestation> {
    let mut found: Vec<&Attestation> = Vec::new();
    for subject in &said.subjects {
        for one in view.question.lineage.about(&subject.artifact) {
            let other = one.body() != said.body() && steps::speaks_for(step, one);
            if other && !found.iter().any(|known| known.body() == one.body()) {
                found.push(one);
            }
        }
    }
    found
}

fn materials(one: &Attestation) -> BTreeSet<ArtifactId> {
    one.materials.iter().map(|one| one.artifact).collect()
}
