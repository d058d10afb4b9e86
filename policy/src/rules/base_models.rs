//! Base models: a model may be made only from models that the policy names by digest.
//!
//! A base model is a material of the role `base-model` or `model`, or of a name as weights have.
//! Every believed statement of the step is read, so that a second one that leaves the base out does
//! not hide the first. What the policy does not name is unknown, and denied.

use attest::ArtifactId;
use attest::predicate::BuildKind;
use verify::{Attestation, Named};

use super::rule::{Reads, Rule, View};
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::format;
use crate::model::Model;
use crate::remedy::{Means, Remedy};

/// The roles of models among materials.
const ROLES: [&str; 2] = ["base-model", "model"];

/// From which models the models of steps may be made.
#[derive(Clone, Debug)]
pub(crate) struct BaseModels {
    pub(crate) steps: Vec<usize>,
    pub(crate) allow: Vec<(ArtifactId, Option<String>)>,
}

impl Rule for BaseModels {
    fn place(&self) -> &str {
        "ml.baseModels"
    }

    fn asks(&self, model: &Model) -> String {
        let steps = self.steps.iter().filter_map(|step| model.steps.get(*step));
        let steps: Vec<&str> = steps.map(|step| step.name.as_str()).collect();
        let allowed: Vec<String> = self.allow.iter().map(label).collect();
        format!("base models of {} are among {}", steps.join(" and "), allowed.join(", "))
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let steps = self.steps.iter().filter_map(|step| Reads::step(model, *step));
        steps.chain([Reads::Digests, Reads::Names]).collect()
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let (mut evidence, mut problems) = (Vec::new(), Vec::new());
        for index in &self.steps {
            let name = view.step_name(*index);
            if !view.chain.is_found(*index) {
                draft.follows(self.place(), format!("follows from steps.{name}"));
                return;
            }
            let kind = view.question.model.steps.get(*index).and_then(|step| step.kind);
            for one in view.chain.steps.get(*index).into_iter().flat_map(|links| &links.all) {
                let before = problems.len();
                let again = || Remedy::step(Means::Anew, view.question, view.chain, *index);
                let found = self.of_statement(view, name, kind, one).into_iter();
                problems.extend(found.map(|problem| problem.mended(again())));
                if problems.len() == before {
                    evidence.push(*one);
                }
            }
        }
        if problems.is_empty() {
            draft.pass(self.place(), bodies(evidence), None);
        } else {
            draft.fail(self.place(), problems);
        }
    }
}

impl BaseModels {
    fn of_statement(
        &self,
        view: View<'_, '_>,
        step: &str,
        kind: Option<BuildKind>,
        one: &Attestation,
    ) -> Vec<Problem> {
        if let Some(unknown) = one.unidentified.first() {
            let message = format!("`{step}` used `{unknown}`, which no digest identifies");
            let next = format!("record `{step}` with a sha256 digest of all that it used");
            return vec![Problem::error(Code::ModelBase, message, next).shown_by([one])];
        }
        let bases: Vec<&Named> = one.materials.iter().filter(|one| is_base(one)).collect();
        if bases.is_empty() && kind == Some(BuildKind::FineTuning) {
            let message = format!("`{step}` tunes a model and names no material that is one");
            let next = format!("record `{step}` with its base model as `base-model=PATH`");
            return vec![Problem::fail(Code::ModelBase, message, next).shown_by([one])];
        }
        let allowed = |base: &Named| {
            let wholes = view.past.with_wholes(base.artifact);
            self.allow.iter().any(|(known, _)| wholes.contains(known))
        };
        let unknown = bases.into_iter().filter(|base| !allowed(base));
        unknown
            .map(|base| {
                let message = format!(
                    "`{step}` is made from `{}` ({}), which the policy does not name",
                    base.name, base.artifact
                );
                let next = format!(
                    "make it from a model of `ml.baseModels.allow`, or enter this one there with \
                     the digest {}",
                    base.artifact
                );
                Problem::fail(Code::ModelBase, message, next).shown_by([one]).about([base.artifact])
            })
            .collect()
    }
}

fn is_base(material: &Named) -> bool {
    let role = material.role.as_deref().unwrap_or_default();
    !matches!(material.artifact, ArtifactId::Git(_))
        && (ROLES.contains(&role) || format::is_weights(&material.name))
}

fn label((artifact, name): &(ArtifactId, Option<String>)) -> String {
    name.clone().unwrap_or_else(|| artifact.to_string())
}
