//! The level of SLSA's build track: what the policy knows of the builders that made things.
//!
//! Source: SLSA v1.2, "Build: Track Basics" and "Verifying artifacts", step 1. Provenance says
//! which builder made it; the policy says which signer may say so, and how well that builder works.
//! Provenance of any other builder shows level 1, and so does a key that the build itself could
//! read.

use verify::{Attestation, Custody};

use super::rule::{Reads, Rule, View};
use super::steps;
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::{Builder, Model, Step};
use crate::remedy::{Made, Means, Remedy};

/// The level that every step that makes something must reach.
#[derive(Clone, Debug)]
pub(crate) struct BuildLevel {
    pub(crate) level: u8,
}

impl Rule for BuildLevel {
    fn place(&self) -> &str {
        "slsa.build"
    }

    fn asks(&self, _: &Model) -> String {
        format!("every step that makes something reaches SLSA Build L{}", self.level)
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let steps = (0..model.steps.len()).filter_map(|step| Reads::step(model, step));
        let mut reads: Vec<Reads> = steps.collect();
        reads.push(Reads::field("/predicate/runDetails/builder/id"));
        reads.push(Reads::field("/predicate/builder/id"));
        reads.extend(model.builders.iter().map(|builder| Reads::signers(&builder.signers)));
        reads
    }

    fn wants(&self, model: &Model, _: usize, made: &mut Made) {
        let known = model.builders.iter().find(|builder| builder.level >= self.level);
        made.builder = known.map(|builder| builder.id.clone());
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let model = view.question.model;
        let (mut evidence, mut problems) = (Vec::new(), Vec::new());
        for (step, links) in model.steps.iter().zip(&view.chain.steps) {
            for one in links.chosen.iter().filter(|one| one.makes()) {
                let found = level(model, step, one);
                if found >= self.level {
                    evidence.push(*one);
                    continue;
                }
                let id = builder_id(one).unwrap_or_default();
                let message = format!(
                    "`{}` was made by the builder `{id}`, as which its signer reaches SLSA Build \
                     L{found} of the L{} that is wanted",
                    step.name, self.level
                );
                let next = format!(
                    "have `{}` made by a builder of `builders` that reaches L{}, or enter this \
                     one with its signer there",
                    step.name, self.level
                );
                let named = model.steps.iter().position(|known| known.name == step.name);
                let again = |index| Remedy::step(Means::Anew, view.question, view.chain, index);
                let problem = Problem::fail(Code::SlsaBuild, message, next).shown_by([*one]);
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

/// The level that a statement of `step` shows.
pub(crate) fn level(model: &Model, step: &Step, attestation: &Attestation) -> u8 {
    let id = builder_id(attestation);
    let separate = attestation
        .signers
        .iter()
        .any(|signer| steps::is_named(step, signer) && signer.custody == Custody::Separate);
    let named = |builder: &&Builder| Some(builder.id.as_str()) == id;
    let entry = model.builders.iter().find(named);
    match entry.filter(|entry| separate && entry.signers.stand_behind(attestation)) {
        Some(entry) => entry.level,
        None => 1,
    }
}

fn builder_id(attestation: &Attestation) -> Option<&str> {
    match &attestation.statement().predicate {
        attest::Predicate::Provenance(provenance) => Some(&provenance.run_details.builder.id),
        attest::Predicate::EarlierProvenance(provenance) => provenance.builder(),
        _ => None,
    }
}
