//! What a rule is given: the lineage as plain JSON, `assay/rego-input/v1`.
//!
//! The schema is `schemas/rego-input-v1.schema.json`. Only what is believed is in it. Whole
//! numbers of predicates are exact; a number with a point is the double nearest to it, as other
//! engines for Rego read it, so that Assay's own statements have decimals in texts.

use std::collections::BTreeMap;

use attest::Timestamp;
use regorus::Value;
use serde_json::Value as Json;
use verify::{Attestation, Named, Signer};

use super::{REGO_INPUT_VERSION, RunError};
use crate::rules::Question;
use crate::rules::chain::Chain;

/// The most that a rule is given: the bytes of all texts, and a value for each of the others.
pub(super) const MAX_INPUT: usize = 16 << 20;

/// The input for a question about `stage` at `now`.
///
/// # Errors
/// [`RunError::Input`] for more than [`MAX_INPUT`].
pub(super) fn of(
    question: Question<'_>,
    stage: &str,
    chain: &Chain<'_>,
    now: Timestamp,
) -> Result<Value, RunError> {
    let mut writer = Writer { left: MAX_INPUT };
    let mut statements = Vec::new();
    let mut places = BTreeMap::new();
    for attestation in question.lineage.attestations() {
        let statement = writer.statement(attestation)?;
        places.insert(attestation.body(), statement.clone());
        statements.push(statement);
    }
    let mut steps = BTreeMap::new();
    for (step, links) in question.model.steps.iter().zip(&chain.steps) {
        let chosen = links.chosen.iter().filter_map(|one| places.get(&one.body()).cloned());
        let chosen: Vec<Value> = chosen.collect();
        writer.spend(chosen.len())?;
        steps.insert(Value::from(step.name.as_str()), Value::from(chosen));
    }
    Ok(object([
        ("version", writer.text(REGO_INPUT_VERSION)?),
        ("artifact", writer.text(&question.artifact.to_string())?),
        ("stage", writer.text(stage)?),
        ("now", writer.text(&now.to_string())?),
        ("statements", Value::from(statements)),
        ("chain", Value::from(steps)),
    ]))
}

/// Makes values as long as the budget lasts.
struct Writer {
    left: usize,
}

impl Writer {
    fn statement(&mut self, attestation: &Attestation) -> Result<Value, RunError> {
        let predicate = attestation.statement().predicate.to_value();
        // What was parsed can be written; where it cannot, a rule must not judge without it.
        let predicate =
            predicate.map_err(|error| RunError::Undefined(format!("a predicate: {error}")))?;
        let mut fields = vec![
            ("body", self.text(&attestation.body().to_string())?),
            ("predicateType", self.text(&attestation.predicate_type)?),
            ("predicate", self.json(predicate)?),
            ("subjects", self.named(&attestation.subjects)?),
            ("materials", self.named(&attestation.materials)?),
            ("unidentified", self.texts(&attestation.unidentified)?),
            ("signers", self.signers(&attestation.signers)?),
        ];
        if let Some(index) = attestation.index {
            fields.push(("index", Value::from(index)));
        }
        if let Some(step) = &attestation.step {
            fields.push(("step", self.text(step.as_str())?));
        }
        if let Some(verifier) = &attestation.verifier {
            fields.push(("verifier", self.text(verifier)?));
        }
        Ok(object(fields))
    }

    fn named(&mut self, all: &[Named]) -> Result<Value, RunError> {
        let one = |named: &Named| {
            let mut fields = vec![
                ("artifact", self.text(&named.artifact.to_string())?),
                ("name", self.text(&named.name)?),
            ];
            if let Some(role) = &named.role {
                fields.push(("role", self.text(role)?));
            }
            Ok(object(fields))
        };
        all.iter().map(one).collect::<Result<Vec<_>, _>>().map(Value::from)
    }

    fn signers(&mut self, all: &[Signer]) -> Result<Value, RunError> {
        let one = |signer: &Signer| {
            let mut fields = vec![
                ("name", self.text(&signer.name)?),
                ("owner", self.text(&signer.owner)?),
                ("custody", self.text(signer.custody.as_str())?),
                ("key", self.text(&signer.key.to_string())?),
            ];
            if let Some(keyless) = &signer.keyless {
                let issuer = self.text(&keyless.issuer)?;
                let subject = self.text(&keyless.subject)?;
                fields.push(("keyless", object([("issuer", issuer), ("subject", subject)])));
            }
            if let Some(certified) = &signer.certified {
                let authority = self.text(&certified.authority)?;
                let kind = self.text(certified.kind.as_str())?;
                let name = self.text(&certified.name)?;
                let named = [("authority", authority), ("kind", kind), ("name", name)];
                fields.push(("certified", object(named)));
            }
            Ok(object(fields))
        };
        all.iter().map(one).collect::<Result<Vec<_>, _>>().map(Value::from)
    }

    fn texts(&mut self, all: &[String]) -> Result<Value, RunError> {
        all.iter().map(|text| self.text(text)).collect::<Result<Vec<_>, _>>().map(Value::from)
    }

    /// As deep as statements are read.
    fn json(&mut self, json: Json) -> Result<Value, RunError> {
        self.spend(1)?;
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(value),
            Json::String(text) => self.text(&text)?,
            Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(whole), _, _) => Value::from(whole),
                (None, Some(whole), _) => Value::from(whole),
                (None, None, Some(nearest)) => Value::from(nearest),
                (None, None, None) => {
                    return Err(RunError::Undefined(format!("the number {number}")));
                }
            },
            Json::Array(items) => {
                let items = items.into_iter().map(|item| self.json(item));
                Value::from(items.collect::<Result<Vec<_>, _>>()?)
            }
            Json::Object(entries) => {
                let mut fields = BTreeMap::new();
                for (key, value) in entries {
                    fields.insert(self.text(&key)?, self.json(value)?);
                }
                Value::from(fields)
            }
        })
    }

    fn text(&mut self, text: &str) -> Result<Value, RunError> {
        self.spend(1 + text.len())?;
        Ok(Value::from(text))
    }

    fn spend(&mut self, cost: usize) -> Result<(), RunError> {
        self.left = self.left.checked_sub(cost).ok_or(RunError::Input(MAX_INPUT))?;
        Ok(())
    }
}

fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (Value::from(name), value));
    Value::from(fields.collect::<BTreeMap<_, _>>())
}
