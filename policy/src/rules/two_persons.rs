//! The two-person rule: distinct owners must have approved the artifact, for this stage and by this
//! policy.

use std::collections::BTreeSet;

use super::approval::Approvals;
use super::rule::{Apart, Asked, Reads, Rule, View};
use super::steps;
use crate::draft::{Draft, bodies};
use crate::model::Model;

/// Who must have approved the artifact.
#[derive(Clone, Debug)]
pub(crate) struct TwoPersons {
    pub(crate) approvals: Approvals,
    /// The step whose signers' owners do not count.
    pub(crate) not_same_as: Option<usize>,
}

impl Rule for TwoPersons {
    fn place(&self) -> &str {
        "approvals"
    }

    fn asks(&self, model: &Model) -> String {
        let other = self.not_same_as.and_then(|step| model.steps.get(step));
        let other =
            other.map(|step| format!(", not by whoever signed {}", step.name)).unwrap_or_default();
        format!("the artifact is {}{other}", self.approvals.words())
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let mut reads = self.approvals.reads();
        reads.extend(self.not_same_as.and_then(|step| Reads::step(model, step)));
        reads
    }

    fn asked(&self, _: &Model) -> Vec<Asked<'_>> {
        let approve = self.approvals.asked();
        vec![Asked { alone: approve.alone && self.not_same_as.is_none(), ..approve }]
    }

    fn apart(&self) -> Option<Apart<'_>> {
        let (whom, predicate) = (&self.approvals.whom, attest::predicate::APPROVAL);
        self.not_same_as.map(|step| Apart { whom, predicate, step })
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let mut others = BTreeSet::new();
        if let Some(step) = self.not_same_as {
            if !view.chain.is_found(step) {
                let name = view.step_name(step);
                draft.follows(self.place(), format!("follows from steps.{name}"));
                return;
            }
            others.extend(view.chain.chosen(step).iter().flat_map(|one| steps::hands(one)));
        }
        let about = BTreeSet::from([view.question.artifact]);
        match self.approvals.find(view, &about, &others, "the artifact", draft) {
            Ok(evidence) => {
                draft.rests(self.place(), &evidence, |one, signer| {
                    !others.contains(signer.owner.as_str())
                        && self.approvals.whom.counts(one, signer)
                });
                draft.pass(self.place(), bodies(evidence), None);
            }
            Err(problem) => draft.fail(self.place(), vec![problem]),
        }
    }
}
