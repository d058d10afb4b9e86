//! Parameters of a step: that they were recorded, and within which bounds.
//!
//! A parameter is what provenance or an evaluation says that the caller gave. Numbers are compared
//! as exact decimals, whatever their spelling; a value that is no number is within no bound. Every
//! statement of the chain must have it.

use attest::{Decimal, Predicate};
use serde_json::Value;
use verify::Attestation;

use super::bound::Bound;
use super::rule::{Reads, Rule, View};
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::Model;
use crate::number::exact;
use crate::remedy::{Made, Means, Remedy, blank};

/// What must hold of one parameter.
#[derive(Clone, Debug)]
pub(crate) struct Hyperparameter {
    pub(crate) rule: String,
    pub(crate) step: usize,
    pub(crate) name: String,
    pub(crate) at_least: Option<Decimal>,
    pub(crate) at_most: Option<Decimal>,
    /// Nothing else; `None` for whatever the bounds let.
    pub(crate) one_of: Option<Vec<String>>,
    /// Whether it must have been recorded.
    pub(crate) required: bool,
}

impl Rule for Hyperparameter {
    fn place(&self) -> &str {
        &self.rule
    }

    fn asks(&self, model: &Model) -> String {
        let step = model.steps.get(self.step).map_or("", |step| step.name.as_str());
        format!("the parameter {} of {step} is {}", self.name, self.words())
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let name = self.name.replace('~', "~0").replace('/', "~1");
        let places = [
            "/predicate/buildDefinition/externalParameters/parameters",
            "/predicate/run/parameters",
        ];
        let fields = places.iter().map(|place| Reads::Field(format!("{place}/{name}")));
        let bounds = Bound::within(self.at_least, self.at_most).into_iter().map(Reads::Bound);
        Reads::step(model, self.step).into_iter().chain(fields).chain(bounds).collect()
    }

    fn wants(&self, _: &Model, step: usize, made: &mut Made) {
        if step != self.step {
            return;
        }
        let example = match (&self.one_of, self.at_least.or(self.at_most)) {
            (Some(known), _) => known.first().cloned().unwrap_or_default(),
            (None, Some(bound)) => bound.to_string(),
            (None, None) => "0".into(),
        };
        let value = blank(format!("its value, as a text; must be {}", self.words()), example);
        made.parameters.insert(self.name.clone(), value);
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let step = view.step_name(self.step);
        if !view.chain.is_found(self.step) {
            draft.follows(&self.rule, format!("follows from steps.{step}"));
            return;
        }
        let name = &self.name;
        let (mut evidence, mut problems) = (Vec::new(), Vec::new());
        for one in view.chain.chosen(self.step) {
            let (code, message) = match parameter(one, name) {
                None if !self.required => {
                    evidence.push(*one);
                    continue;
                }
                None => {
                    let message = format!("the parameter `{name}` of `{step}` was not recorded");
                    (Code::ParameterMissing, message)
                }
                Some(value) => {
                    let text = text(value);
                    if self.admits(&text) {
                        evidence.push(*one);
                        continue;
                    }
                    let must = self.words();
                    let message = format!("`{name}` of `{step}` is `{text}`, and must be {must}");
                    (Code::ParameterBound, message)
                }
            };
            let next = format!("run `{step}` again with `{name}` {}", self.words());
            let again = Remedy::step(Means::Anew, view.question, view.chain, self.step);
            problems.push(Problem::fail(code, message, next).shown_by([*one]).mended(again));
        }
        if problems.is_empty() {
            draft.pass(&self.rule, bodies(evidence), None);
        } else {
            draft.fail(&self.rule, problems);
        }
    }
}

impl Hyperparameter {
    /// Whether its bounds let one of its values through.
    pub(crate) fn admits_any(&self) -> bool {
        self.one_of.as_ref().is_none_or(|known| known.iter().any(|one| self.admits(one)))
    }

    fn admits(&self, text: &str) -> bool {
        let number = exact(text);
        let within = self.at_least.is_none_or(|least| number.is_some_and(|one| one >= least))
            && self.at_most.is_none_or(|most| number.is_some_and(|one| one <= most));
        let equal = |known: &String| known == text || (number.is_some() && exact(known) == number);
        within && self.one_of.as_ref().is_none_or(|known| known.iter().any(equal))
    }

    fn words(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.at_least.map(|least| format!("at least {least}")));
        words.extend(self.at_most.map(|most| format!("at most {most}")));
        words.extend(self.one_of.as_ref().map(|known| format!("one of {}", known.join(", "))));
        let mut words = match words.is_empty() {
            true => "recorded".to_owned(),
            false => words.join(" and "),
        };
        if !self.required {
            words.push_str(", if it was recorded");
        }
        words
    }
}

fn parameter<'a>(attestation: &'a Attestation, name: &str) -> Option<&'a Value> {
    match &attestation.statement().predicate {
        Predicate::Provenance(provenance) => {
            provenance.build_definition.external_parameters.get("parameters")?.get(name)
        }
        Predicate::Evaluation(evaluation) => evaluation.run.as_ref()?.parameters.get(name),
        _ => None,
    }
}

/// A text as it is, anything else as JSON has it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
