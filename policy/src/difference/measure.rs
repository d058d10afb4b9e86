//! Which way each field of a document is tighter.
//!
//! A field is known by the end of its shape: the names of the keys that lead to it, with `*` for an
//! entry that has a name of its own and `[]` for a line of a list. What no row names has no
//! direction.

use std::cmp::Ordering;

use attest::predicate::vulnerabilities::Severity;
use attest::{ArtifactId, NAMESPACE};
use serde_json::Value;

use super::Effect::{self, Changed, Looser, Nothing, Tighter};
use crate::age::MaxAge;
use crate::model::{Completeness, Coverage, LogRule, Mode, OnError, OnMissing, OnNoMatch};
use crate::number::exact;

/// What a value is, and what follows from more of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Measure {
    /// A number; what follows when it rises.
    Number(Effect),
    /// An age.
    Age(Effect),
    /// A moment.
    Moment(Effect),
    /// One of these words, from the loosest to the tightest.
    Words(&'static [&'static str]),
    /// A list of which each is enough, or each is meant; what follows when it gets longer.
    Set(Effect),
    /// Something with parts, or without a measure.
    Whole,
    /// Nothing but what holds its parts: when it is not there, neither is any of them.
    Group,
    /// What decides nothing.
    Idle,
}
use Measure::{Age, Group, Idle, Moment, Number, Set, Whole, Words};

/// What a field means that is not there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Absent {
    /// The loosest of all values.
    Loosest,
    /// The tightest.
    Tightest,
    /// This value.
    Is(&'static str),
}
use Absent::{Is, Loosest, Tightest};

/// A row: the end of a shape, what stands there, what follows when it is not there.
type Row = (&'static str, Measure, Absent);

const MISSING: Measure = Words(&[OnMissing::Accept.as_str(), OnMissing::Deny.as_str()]);
const LOG: Measure = Words(&[LogRule::Optional.as_str(), LogRule::Required.as_str()]);

/// Every field that has a direction. Of two rows that fit, the longer counts.
const ROWS: &[Row] = &[
    ("apiVersion", Idle, Loosest),
    ("kind", Idle, Loosest),
    ("metadata", Idle, Loosest),
    ("tests", Idle, Loosest),
    ("validity", Whole, Loosest),
    ("notBefore", Moment(Tighter), Loosest),
    ("expires", Moment(Looser), Loosest),
    ("match", Whole, Loosest),
    ("match.names", Set(Looser), Loosest),
    ("onNoMatch", Words(&[OnNoMatch::Apply.as_str(), OnNoMatch::Deny.as_str()]), Is("deny")),
    ("stages", Group, Loosest),
    // A stage that is not there denies.
    ("stages.*", Whole, Tightest),
    ("mode", Words(&[Mode::Audit.as_str(), Mode::Warn.as_str(), Mode::Enforce.as_str()]), Loosest),
    ("after", Set(Tighter), Loosest),
    ("soak", Age(Tighter), Loosest),
    ("onError", Words(&[OnError::Admit.as_str(), OnError::Deny.as_str()]), Loosest),
    ("trust", Whole, Loosest),
    ("trust.signers", Group, Loosest),
    ("trust.signers.*", Whole, Tightest),
    ("trust.signers.*.key", Whole, Loosest),
    ("trust.signers.*.authority", Whole, Loosest),
    ("issuer", Whole, Loosest),
    ("identity", Whole, Loosest),
    ("verifiers", Set(Looser), Loosest),
    ("builders", Group, Tightest),
    ("builders[]", Whole, Tightest),
    ("signers", Set(Looser), Tightest),
    ("maxSlsaBuildLevel", Number(Looser), Tightest),
    ("slsa", Group, Loosest),
    ("slsa.build", Number(Tighter), Loosest),
    ("slsa.source", Whole, Loosest),
    ("level", Number(Tighter), Loosest),
    ("source.steps", Set(Tighter), Tightest),
    ("policies", Set(Looser), Tightest),
    ("maxAge", Age(Looser), Loosest),
    ("steps", Group, Loosest),
    ("steps.*", Whole, Loosest),
    ("steps.*.signers", Group, Loosest),
    ("approvals.signers", Group, Loosest),
    ("predicates", Set(Looser), Tightest),
    ("steps.*.kind", Whole, Loosest),
    ("anyOf", Set(Looser), Tightest),
    ("threshold", Number(Tighter), Is("1")),
    ("notSameAs", Whole, Loosest),
    ("log", LOG, Is("required")),
    ("flow", Group, Loosest),
    ("flow[]", Whole, Loosest),
    ("coverage", Words(&[Coverage::Any.as_str(), Coverage::All.as_str()]), Tightest),
    ("strength", Whole, Is("declared-files")),
    ("ml", Group, Loosest),
    ("metrics", Group, Loosest),
    ("metrics[]", Whole, Loosest),
    ("holdout", Group, Loosest),
    ("holdout[]", Whole, Loosest),
    ("holdout[].name", Idle, Loosest),
    ("dataset.name", Idle, Loosest),
    ("atLeast", Number(Tighter), Loosest),
    ("atMost", Number(Looser), Loosest),
    ("gapAtMost", Number(Looser), Loosest),
    ("minSamples", Number(Tighter), Loosest),
    ("slices", Whole, Loosest),
    ("criteria", Whole, Loosest),
    ("datasets", Group, Loosest),
    ("of", Set(Tighter), Tightest),
    ("except", Set(Looser), Tightest),
    ("licences", Whole, Loosest),
    ("allow", Set(Looser), Loosest),
    ("allow[]", Whole, Tightest),
    ("allow[].name", Idle, Loosest),
    ("deny", Set(Tighter), Loosest),
    ("approval", Whole, Loosest),
    ("baseModels", Whole, Loosest),
    ("baseModels.allow", Group, Tightest),
    ("hyperparameters", Group, Loosest),
    ("hyperparameters.*", Group, Loosest),
    ("hyperparameters.*.*", Whole, Loosest),
    ("oneOf", Set(Looser), Loosest),
    ("required", Words(&["false", "true"]), Is("true")),
    ("weights", Whole, Loosest),
    ("detected", LOG, Is("optional")),
    ("dependencies", Group, Loosest),
    ("pinned", Whole, Loosest),
    ("vulnerabilities", Whole, Loosest),
    ("maxSeverity", Words(SEVERITIES), Loosest),
    ("scanMaxAge", Age(Looser), Loosest),
    ("databaseMaxAge", Age(Looser), Loosest),
    ("vex", Whole, Tightest),
    ("unlicensed", MISSING, Is("deny")),
    ("approvals", Whole, Loosest),
    // Where nothing is said, none are accepted.
    ("waivers", Whole, Tightest),
    ("approvers", Set(Looser), Tightest),
    ("maxLife", Age(Looser), Tightest),
    ("monitoring", Whole, Loosest),
    ("drift", Group, Loosest),
    ("drift.*", Whole, Loosest),
    ("onMissing", MISSING, Is("deny")),
    ("ages", Group, Loosest),
    ("ages.*", Age(Looser), Loosest),
    ("completeness", Words(COMPLETE), Is("followed")),
    ("rego", Group, Loosest),
    ("rego[]", Whole, Loosest),
    ("corroboration", Group, Loosest),
    ("corroboration.*", Whole, Loosest),
    ("layouts", Group, Loosest),
    ("layouts[]", Whole, Loosest),
    ("owners", Set(Tighter), Tightest),
    ("effectiveOn", Moment(Looser), Tightest),
    ("effectiveUntil", Moment(Tighter), Tightest),
];

const COMPLETE: &[&str] = &[
    Completeness::Given.as_str(),
    Completeness::Claimed.as_str(),
    Completeness::Followed.as_str(),
];
const SEVERITIES: &[&str] = &[
    Severity::Critical.as_str(),
    Severity::High.as_str(),
    Severity::Medium.as_str(),
    Severity::Low.as_str(),
    Severity::None.as_str(),
];

/// The row of a field.
pub(super) fn row(shape: &str) -> Option<&'static Row> {
    let fits = |end: &str| {
        shape.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    ROWS.iter().filter(|(end, ..)| fits(end)).max_by_key(|(end, ..)| end.len())
}

/// What a value says that can be written in several ways, in one of them.
pub(super) fn plain(shape: &str, value: &Value) -> Value {
    if shape.ends_with("predicates") {
        return long_names(value);
    }
    if shape.ends_with("digest") {
        return artifact(value);
    }
    let text = scalar(value);
    let number = |text: &str| exact(text).map(|number| number.to_string());
    let read = match row(shape).map(|(_, measure, _)| measure) {
        Some(Number(_)) => text.as_deref().and_then(number),
        Some(Age(_)) => text.and_then(|text| Some(text.parse::<MaxAge>().ok()?.to_string())),
        Some(Moment(_)) => {
            text.and_then(|text| Some(text.parse::<attest::Timestamp>().ok()?.to_string()))
        }
        Some(Words(_)) => text,
        _ => None,
    };
    read.map_or_else(|| value.clone(), Value::String)
}

/// An artifact, whose kind need not be written where it is a file.
pub(super) fn artifact(value: &Value) -> Value {
    let read = value.as_str().and_then(|text| text.parse::<ArtifactId>().ok());
    read.map_or_else(|| value.clone(), |artifact| Value::String(artifact.to_string()))
}

/// Types of statement, of which own ones may be written short.
fn long_names(value: &Value) -> Value {
    let long = |name: &Value| match name.as_str() {
        Some(short) if !short.contains("://") => {
            Value::String(format!("{NAMESPACE}attestation/{short}"))
        }
        _ => name.clone(),
    };
    value.as_array().map_or_else(|| value.clone(), |list| list.iter().map(long).collect())
}

/// What follows when `from` becomes `to`; both are plain.
pub(super) fn effect(shape: &str, from: Option<&Value>, to: Option<&Value>) -> Effect {
    let Some((_, measure, absent)) = row(shape) else { return Changed };
    if matches!(measure, Idle) {
        return Nothing;
    }
    let said = |value: Option<&Value>| match (value, absent) {
        (None, Is(value)) => Some(Value::from(*value)),
        (value, _) => value.cloned(),
    };
    let tight_if_absent = matches!(absent, Tightest);
    match (said(from), said(to)) {
        (Some(from), Some(to)) => between(*measure, &from, &to),
        (None, Some(_)) if tight_if_absent => Looser,
        (None, Some(_)) => Tighter,
        (Some(_), None) if tight_if_absent => Tighter,
        (Some(_), None) => Looser,
        (None, None) => Nothing,
    }
}

fn between(measure: Measure, from: &Value, to: &Value) -> Effect {
    if from == to {
        return Nothing;
    }
    let (Some(one), Some(other)) = (scalar(from), scalar(to)) else {
        return match measure {
            Set(longer) => sets(longer, from, to),
            _ => Changed,
        };
    };
    let more = |order: Option<Ordering>, effect: Effect| match order {
        Some(Ordering::Less) => effect,
        Some(Ordering::Equal) => Nothing,
        Some(Ordering::Greater) => effect.reversed(),
        None => Changed,
    };
    match measure {
        Number(effect) => more(order(exact(&one), exact(&other)), effect),
        Age(effect) => more(order(one.parse::<MaxAge>().ok(), other.parse().ok()), effect),
        Moment(effect) => {
            more(order(one.parse::<attest::Timestamp>().ok(), other.parse().ok()), effect)
        }
        Words(words) => {
            let place = |text: &str| words.iter().position(|word| *word == text);
            more(order(place(&one), place(&other)), Tighter)
        }
        Set(_) | Whole | Group | Idle => Changed,
    }
}

fn order<T: Ord>(one: Option<T>, other: Option<T>) -> Option<Ordering> {
    Some(one?.cmp(&other?))
}

/// Lists without order; `*` holds everything.
fn sets(longer: Effect, from: &Value, to: &Value) -> Effect {
    let (Some(from), Some(to)) = (from.as_array(), to.as_array()) else { return Changed };
    let everything = Value::from("*");
    let within = |small: &[Value], large: &[Value]| {
        large.contains(&everything) || small.iter().all(|one| large.contains(one))
    };
    match (within(from, to), within(to, from)) {
        (true, true) => Nothing,
        (true, false) => longer,
        (false, true) => longer.reversed(),
        (false, false) => Changed,
    }
}

/// A text, number or truth value as a text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a change of which has no direction, because neither value is more than the other.
    const WITHOUT: [&str; 26] = [
        "layouts[].step",
        "layouts[].parameters",
        "layouts[].sublayouts",
        "exact",
        "glob",
        "regex",
        "file",
        "sha256",
        "text",
        "dataset.digest",
        "allow[].digest",
        "holdout[].digest",
        "holdout[].notIn",
        "buildTypes",
        "select",
        "from",
        "to",
        "forbid",
        "registeredBefore",
        "criteria.digest",
        "formats",
        "metrics[].step",
        "metrics[].name",
        "metrics[].dataset",
        "builders[].id",
        "id",
    ];

    /// A new field of documents gets a row, or is named here as one without a direction.
    #[test]
    fn every_field_of_the_schema_has_a_direction_or_none_on_purpose() {
        let mut missing = Vec::new();
        visit(&crate::Policy::schema(), "", &mut missing);
        assert!(missing.is_empty(), "{missing:#?}");
    }

    fn visit(schema: &Value, shape: &str, missing: &mut Vec<String>) {
        let inside =
            |name: &str| if shape.is_empty() { name.into() } else { format!("{shape}.{name}") };
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let shape = inside(name);
            let named = WITHOUT.iter().any(|end| shape.ends_with(end));
            let found = row(&shape);
            if found.is_none() && !named {
                missing.push(shape.clone());
            }
            if !matches!(found, Some((_, Idle | Set(_), _))) && !named {
                visit(field, &shape, missing);
            }
        }
        if schema["additionalProperties"].is_object() {
            visit(&schema["additionalProperties"], &inside("*"), missing);
        }
        if schema["items"]["properties"].is_object() {
            visit(&schema["items"], &format!("{shape}[]"), missing);
        }
    }
}
