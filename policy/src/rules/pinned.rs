//! Dependencies: everything that went into the chain is known by a digest.
//!
//! A dependency without one could be anything the next time. What digests identify is for
//! `attest` to say: `sha256` and `gitCommit`, and no other.

use super::rule::{Reads, Rule, View};
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::Model;
use crate::remedy::{Means, Remedy};

/// That every dependency of every step that makes something is pinned.
#[derive(Clone, Debug)]
pub(crate) struct Pinned;

impl Rule for Pinned {
    fn place(&self) -> &str {
        "dependencies.pinned"
    }

    fn asks(&self, _: &Model) -> String {
        "every dependency is known by a digest".into()
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let steps = (0..model.steps.len()).filter_map(|step| Reads::step(model, step));
        steps
            .chain([Reads::field("/predicate/buildDefinition/resolvedDependencies/*/digest")])
            .collect()
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let (mut evidence, mut problems) = (Vec::new(), Vec::new());
        let model = view.question.model;
        for (step, links) in model.steps.iter().zip(&view.chain.steps) {
            for one in links.chosen.iter().filter(|one| one.makes()) {
                let Some(first) = one.unidentified.first() else {
                    evidence.push(*one);
                    continue;
                };
                let message = format!(
                    "{} of what `{}` used is known by no digest: `{first}`",
                    one.unidentified.len(),
                    step.name
                );
                let next =
                    format!("record `{}` with a sha256 digest of all that it used", step.name);
                let problem = Problem::fail(Code::DependencyUnpinned, message, next);
                let problem = problem.shown_by([*one]);
                let named = model.steps.iter().position(|known| known.name == step.name);
                let again = |index| Remedy::step(Means::Anew, view.question, view.chain, index);
                problems.push(match named {
                    Some(index) => problem.mended(again(index)),
                    None => problem,
                });
            }
        }
        if !problems.is_empty() {
            draft.fail(self.place(), problems);
        } else if evidence.is_empty() {
            draft.follows(self.place(), "no step that makes anything holds".into());
        } else {
            draft.pass(self.place(), bodies(evidence), None);
        }
    }
}
