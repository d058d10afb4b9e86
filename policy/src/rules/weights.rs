//! Formats of weights: what a step may have made.
//!
//! Two witnesses are heard: the name of a product, and the format that the recorder found in its
//! bytes and that stands signed beside it. Either can deny. Where the policy lists what it allows,
//! a product whose format nobody knows is denied, but for texts.

use attest::ResourceDescriptor;
use attest::format::DETECTED_FORMATS;
use verify::Attestation;

use super::rule::{Reads, Rule, View};
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::format;
use crate::model::Model;
use crate::remedy::{Made, Means, Remedy};

/// Which formats the products of steps may have.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    pub(crate) steps: Vec<usize>,
    /// These and no other; `None` for all that are not denied.
    pub(crate) allow: Option<Vec<String>>,
    pub(crate) deny: Vec<String>,
    /// Whether the recorder must have looked at the bytes.
    pub(crate) detected: bool,
}

impl Rule for Weights {
    fn place(&self) -> &str {
        "ml.weights"
    }

    fn asks(&self, model: &Model) -> String {
        let steps = self.steps.iter().filter_map(|step| model.steps.get(*step));
        let steps: Vec<&str> = steps.map(|step| step.name.as_str()).collect();
        format!("what {} made is {}", steps.join(" and "), self.words())
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let steps = self.steps.iter().filter_map(|step| Reads::step(model, *step));
        let field = Reads::Field(format!("/subject/*/annotations/{DETECTED_FORMATS}"));
        let denied = self.deny.iter().cloned().map(Reads::Word);
        steps.chain([Reads::Names, field]).chain(denied).collect()
    }

    fn wants(&self, _: &Model, step: usize, made: &mut Made) {
        if self.steps.contains(&step) {
            let allowed = self.allow.as_ref().and_then(|allow| allow.first());
            made.format = Some(allowed.cloned().unwrap_or_else(|| "safetensors".into()));
        }
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let (mut evidence, mut problems) = (Vec::new(), Vec::new());
        for index in &self.steps {
            let step = view.step_name(*index);
            if !view.chain.is_found(*index) {
                draft.follows(self.place(), format!("follows from steps.{step}"));
                return;
            }
            for one in view.chain.chosen(*index) {
                let before = problems.len();
                let again = || Remedy::step(Means::Anew, view.question, view.chain, *index);
                let found = self.of_statement(step, one).into_iter();
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

impl Weights {
    fn of_statement(&self, step: &str, one: &Attestation) -> Vec<Problem> {
        let next = format!("have `{step}` save its model as {}", self.words());
        let mut problems = Vec::new();
        for product in &one.statement().subject {
            let name = product.label();
            let detected = detected(product);
            let named = format::of_name(name);
            let problem = |why: String| {
                Problem::fail(Code::ModelFormat, why, next.clone())
                    .shown_by([one])
                    .about(product.artifact().ok())
            };
            let by_bytes = detected.iter().flatten().map(|found| (*found, "by its bytes"));
            let by_name = named.map(|found| (found, "by its name"));
            let mut found = by_bytes.chain(by_name);
            if let Some((format, how)) = found.find(|(found, _)| self.denies(found)) {
                let must = self.words();
                problems.push(problem(format!("`{name}` is {format} {how}, and must be {must}")));
            } else if detected.is_none() && self.detected {
                problems.push(problem(format!("nobody looked which format `{name}` has")));
            } else if detected.is_none() && named.is_none() && self.allow.is_some() {
                problems.push(problem(format!("nobody knows which format `{name}` has")));
            }
        }
        problems
    }

    fn denies(&self, format: &str) -> bool {
        let listed = |list: &[String]| list.iter().any(|one| one == format);
        let allowed = |list: &Vec<String>| !format::holds_weights(format) || listed(list);
        listed(&self.deny) || !self.allow.as_ref().is_none_or(allowed)
    }

    fn words(&self) -> String {
        match &self.allow {
            Some(allow) => allow.join(" or "),
            None => format!("none of {}", self.deny.join(", ")),
        }
    }
}

/// What the recorder found in the files of a product; `None` where it did not look, or what it is
/// said to have found is no list of names.
pub(crate) fn detected(product: &ResourceDescriptor) -> Option<Vec<&str>> {
    let found = product.annotations.get(DETECTED_FORMATS)?.as_array()?;
    let found: Vec<&str> = found.iter().map(|one| one.as_str()).collect::<Option<_>>()?;
    (!found.is_empty()).then_some(found)
}
