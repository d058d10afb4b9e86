//! For which artifacts the policy is written.
//!
//! An artifact has no name of its own: what it is called stands in the statements of the chain,
//! whose signers the trust file lets speak of artifacts of that name and no other. Every name that
//! they give it must match, so that a second name opens no second door.

use std::collections::BTreeSet;

use verify::{Attestation, Pattern};

use super::rule::{Reads, Rule, View};
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::{Model, OnNoMatch};

/// The names of the artifacts for which the policy is written.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) names: Vec<(String, Pattern)>,
    pub(crate) on_no_match: OnNoMatch,
}

impl Rule for Match {
    fn place(&self) -> &str {
        "match"
    }

    fn asks(&self, _: &Model) -> String {
        match self.on_no_match {
            OnNoMatch::Deny => format!("the artifact is called {}", self.words()),
            OnNoMatch::Apply => format!(
                "nothing of what the artifact is called: the policy is written for {}, and its \
                 rules are applied to others all the same",
                self.words()
            ),
        }
    }

    fn reads(&self, _: &Model) -> Vec<Reads> {
        vec![Reads::Names]
    }

    fn idle(&self) -> Option<&'static str> {
        // It then says for which artifacts the policy is written, and asks it of none.
        (self.on_no_match == OnNoMatch::Apply)
            .then_some("the rules are applied to artifacts of any other name all the same")
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let artifact = view.question.artifact;
        let named: Vec<(&Attestation, &str)> = view
            .chain
            .all()
            .flat_map(|one| one.subjects.iter().map(move |subject| (one, subject)))
            .filter(|(_, subject)| subject.artifact == artifact)
            .map(|(one, subject)| (one, subject.name.as_str()))
            .collect();
        let matches = |name: &str| self.names.iter().any(|(_, pattern)| pattern.matches(name));
        let other: BTreeSet<&str> =
            named.iter().map(|(_, name)| *name).filter(|name| !matches(name)).collect();
        if !named.is_empty() && other.is_empty() {
            let saying: Vec<&Attestation> = named.iter().map(|(one, _)| *one).collect();
            draft.rests(self.place(), &saying, |_, _| true);
            draft.pass(self.place(), bodies(named.iter().map(|(one, _)| *one)), None);
            return;
        }
        if self.on_no_match == OnNoMatch::Apply {
            let detail = "the policy is written for other names, and its rules are applied all \
                          the same, as it says";
            draft.not_applicable(self.place(), detail);
            return;
        }
        let message = match other.first() {
            Some(name) => {
                format!("the artifact is called `{name}`, and the policy is for {}", self.words())
            }
            None => format!(
                "no statement of the chain names the artifact, and the policy is for {}",
                self.words()
            ),
        };
        let next = "ask by the policy that is written for it, or add its name to `match.names`";
        let evidence = named.iter().map(|(one, _)| *one);
        let problem = Problem::fail(Code::PolicyUnmatched, message, next);
        draft.fail(self.place(), vec![problem.shown_by(evidence).about([artifact])]);
    }
}

impl Match {
    fn words(&self) -> String {
        let names: Vec<String> = self.names.iter().map(|(name, _)| format!("`{name}`")).collect();
        names.join(" or ")
    }
}
