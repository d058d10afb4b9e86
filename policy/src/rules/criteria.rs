//! Criteria: what counts as good enough must have been registered before anybody measured.
//!
//! The evaluation names the criteria among its materials, by digest: this policy itself, or the
//! file that the rule names. Somebody whom the rule names must have registered a statement about
//! them that stands before the evaluation. Order is the position in the register; no date is read.

use attest::predicate::{APPROVAL, POLICY, POLICY_ACTIVATION};
use attest::{ArtifactId, NAMESPACE, Predicate};
use verify::Attestation;

use super::approval::approval;
use super::rule::{Asked, Reads, Rule, View};
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::Model;
use crate::remedy::{Made, Means, Remedy, blank, descriptor};
use crate::whom::{NOBODY, Whom};

/// What must have been registered before a step.
#[derive(Clone, Debug)]
pub(crate) struct Criteria {
    pub(crate) step: usize,
    pub(crate) whom: Whom,
    /// The criteria; `None` for the policy itself.
    pub(crate) artifact: Option<ArtifactId>,
}

impl Rule for Criteria {
    fn place(&self) -> &str {
        "ml.criteria"
    }

    fn asks(&self, model: &Model) -> String {
        let step = model.steps.get(self.step).map_or("", |step| step.name.as_str());
        let what = self.artifact.map_or("this policy".to_owned(), |one| one.to_string());
        format!("{what} was registered by {} before {step}", self.whom.words())
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let step = Reads::step(model, self.step).into_iter();
        step.chain([Reads::Digests, Reads::signers(&self.whom), Reads::Order]).collect()
    }

    fn wants(&self, model: &Model, step: usize, made: &mut Made) {
        if step == self.step {
            let criteria = self.artifact.unwrap_or(ArtifactId::file(model.digest));
            let name = blank("the name of the criteria", "criteria");
            made.materials.push(descriptor(name, &criteria));
        }
    }

    fn asked(&self, _: &Model) -> Vec<Asked<'_>> {
        let types = [APPROVAL, POLICY, POLICY_ACTIVATION];
        vec![Asked::one("register the criteria", &self.whom, &types)]
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let step = view.step_name(self.step);
        if !view.chain.is_found(self.step) {
            draft.follows(self.place(), format!("follows from steps.{step}"));
            return;
        }
        let own = ArtifactId::file(view.question.model.digest);
        let criteria = self.artifact.unwrap_or(own);
        let registered = view.about(&criteria, |one| says_so(one).then_some(()));
        let all: Vec<&Attestation> = registered.iter().map(|(one, ())| *one).collect();
        let registered = all.iter().copied().filter(|one| self.whom.stand_behind(one));
        let first = registered.min_by_key(|one| one.index.unwrap_or(u64::MAX));
        let next = format!(
            "register the criteria ({criteria}), signed by {}, and then run `{step}` with them \
             among its materials",
            self.whom.words()
        );
        let (mut evidence, mut problems) = (Vec::new(), Vec::new());
        for one in view.chain.chosen(self.step) {
            let named = one.materials.iter().any(|material| material.artifact == criteria);
            let (code, message) = match first {
                _ if !named => {
                    let message = format!("`{step}` does not name the criteria ({criteria})");
                    (Code::CriteriaMissing, message)
                }
                None => {
                    let message = format!("nobody who may registered the criteria ({criteria})");
                    (Code::CriteriaMissing, message)
                }
                Some(first) if one.index.is_some() && first.index < one.index => {
                    evidence.extend([first, *one]);
                    continue;
                }
                Some(_) => {
                    let message = format!("the criteria were registered after `{step}`");
                    (Code::CriteriaLate, message)
                }
            };
            let again = Remedy::step(Means::Anew, view.question, view.chain, self.step);
            let problem = Problem::fail(code, message, next.clone()).shown_by([*one]).mended(again);
            let near = all.iter().rev().map(|other| {
                let why = match () {
                    () if !self.whom.stand_behind(other) => NOBODY,
                    () if !named => "the evaluation does not name what it registers",
                    () => "it stands after the evaluation",
                };
                (other.body(), why.to_owned())
            });
            let problem = problem.considering(near);
            problems.push(problem.shown_by(first).about([criteria]));
        }
        if problems.is_empty() {
            for one in view.chain.chosen(self.step) {
                let before = all.iter().copied().filter(|other| other.index < one.index);
                let before: Vec<&Attestation> = before.collect();
                draft.rests(self.place(), &before, |one, by| self.whom.counts(one, by));
            }
            draft.pass(self.place(), bodies(evidence), None);
        } else {
            draft.fail(self.place(), problems);
        }
    }
}

/// Whether a statement registers what it is about as what counts: it is one of a policy, or an
/// approval.
fn says_so(attestation: &Attestation) -> bool {
    match &attestation.statement().predicate {
        Predicate::Approval(_) => {
            approval(attestation).is_some_and(|approval| approval.decision == "APPROVED")
        }
        Predicate::Other { predicate_type, .. } => predicate_type
            .strip_prefix(NAMESPACE)
            .is_some_and(|own| own.starts_with("attestation/policy/")),
        _ => false,
    }
}
