//! Single values of a document, and the errors with their places.

use attest::predicate::{
    APPROVAL, DEPLOYMENT, EVALUATION, KEY_ROTATION, MONITORING, POLICY, POLICY_ACTIVATION,
    REINSTATEMENT, REVOCATION, TOMBSTONE, TRUST, VERIFICATION_SUMMARY, WAIVER,
};
use attest::{ArtifactId, Decimal, NAMESPACE, Sha256, Timestamp};
use serde_saphyr::Spanned;

use super::nearest::nearest;
use super::{Items, Place, PolicyError, Problem, Text};
use crate::age::{AgeError, MaxAge};
use crate::model::{Completeness, Strength};
use crate::number::exact;

/// The most characters of a name that a person chose: a metric, a data set, a product.
const MAX_TEXT: usize = 1024;
/// The own types that may be written short.
const OWN: [&str; 12] = [
    EVALUATION,
    DEPLOYMENT,
    MONITORING,
    APPROVAL,
    WAIVER,
    REVOCATION,
    REINSTATEMENT,
    TOMBSTONE,
    KEY_ROTATION,
    TRUST,
    POLICY,
    POLICY_ACTIVATION,
];
/// The types that are no step: each has its own rule, or will have one.
const NO_STEP: [&str; 12] = [
    VERIFICATION_SUMMARY,
    APPROVAL,
    WAIVER,
    REVOCATION,
    REINSTATEMENT,
    MONITORING,
    DEPLOYMENT,
    TOMBSTONE,
    KEY_ROTATION,
    TRUST,
    POLICY,
    POLICY_ACTIVATION,
];

/// Whether statements of this type can be a step.
pub(crate) fn can_be_a_step(predicate: &str) -> bool {
    !NO_STEP.contains(&predicate)
}

pub(super) type Compiled<T> = Result<T, PolicyError>;

pub(super) fn predicate(text: &Text) -> Compiled<String> {
    fn own(name: &str) -> Option<&str> {
        name.strip_prefix(NAMESPACE)?.strip_prefix("attestation/")
    }
    let short = OWN.into_iter().find(|name| own(name) == Some(text.value.as_str()));
    let full = match short {
        Some(name) => name.to_owned(),
        None if text.value.contains("://") => uri(text)?,
        None => {
            let known = OWN.into_iter().filter_map(own);
            let near = nearest(&text.value, known)
                .map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
            let problem =
                format!("`{}` is neither a URI nor a short name of an own type{near}", text.value);
            return Err(wrong(text, Problem::Value(problem)));
        }
    };
    if NO_STEP.contains(&full.as_str()) {
        let problem = "a summary, approval, waiver, revocation, deployment, tombstone, key \
                       rotation, trust document, policy, activation or window of monitoring is no step: its mere presence would \
                       count, whatever it says";
        return Err(wrong(text, Problem::Contradiction(problem)));
    }
    Ok(full)
}

/// An absolute URI with an authority, in printable ASCII. Types match whole, so that more than
/// the outer shape does not matter.
pub(super) fn uri(text: &Text) -> Compiled<String> {
    let good = text.value.split_once("://").is_some_and(|(scheme, rest)| {
        scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
            && scheme
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
            && rest.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '[')
            && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`*".contains(&byte))
    });
    if good && text.value.len() <= MAX_TEXT {
        return Ok(text.value.clone());
    }
    Err(wrong(text, Problem::Value(format!("`{}` is not an absolute URI", shown(&text.value)))))
}

pub(super) fn completeness(text: Option<&Text>) -> Compiled<Completeness> {
    // What was given can leave out what speaks against an artifact: taking that is said aloud.
    text.map_or(Ok(Completeness::Followed), |text| {
        word(text, "completeness", &Completeness::ALL, Completeness::as_str)
    })
}

pub(super) fn strength(text: &Text) -> Compiled<Strength> {
    if ["observed-files", "records"].contains(&text.value.as_str()) {
        let problem = "nothing that is recorded today can show this strength; `declared-files` is \
                       what can be shown";
        return Err(wrong(text, Problem::Contradiction(problem)));
    }
    word(text, "strength", &Strength::ALL, Strength::as_str)
}

pub(super) fn artifact(text: &Text) -> Compiled<ArtifactId> {
    text.value.parse().map_err(|error: attest::ArtifactError| wrong(text, value(error)))
}

pub(super) fn digest(text: &Text) -> Compiled<Sha256> {
    text.value.parse().map_err(|error: attest::DigestError| wrong(text, value(error)))
}

pub(super) fn age(text: &Text) -> Compiled<MaxAge> {
    text.value.parse().map_err(|error: AgeError| wrong(text, value(error)))
}

pub(super) fn moment(text: &Text) -> Compiled<Timestamp> {
    text.value.parse().map_err(|_| {
        let problem =
            format!("`{}` is not a moment such as `2027-05-01T00:00:00Z`", shown(&text.value));
        wrong(text, Problem::Value(problem))
    })
}

/// Names that a person chose, each once, of which there is at least one.
pub(super) fn names(list: &Spanned<Items<Text>>, key: &'static str) -> Compiled<Vec<String>> {
    if list.value.0.is_empty() {
        return Err(wrong(list, Problem::Empty(key)));
    }
    let mut names: Vec<String> = Vec::with_capacity(list.value.0.len());
    for name in &list.value.0 {
        plain(name)?;
        if names.contains(&name.value) {
            return Err(wrong(name, Problem::RepeatedKey(name.value.clone())));
        }
        names.push(name.value.clone());
    }
    Ok(names)
}

pub(super) fn decimal(text: Option<&Text>) -> Compiled<Option<Decimal>> {
    text.map(|text| {
        text.value.parse().map_err(|error: attest::DecimalError| wrong(text, value(error)))
    })
    .transpose()
}

/// The bounds of a number, of which one is enough and which must not exclude each other. They may
/// be written with an exponent.
pub(super) fn bounds<T>(
    at: &Spanned<T>,
    at_least: Option<&Text>,
    at_most: Option<&Text>,
) -> Compiled<(Option<Decimal>, Option<Decimal>)> {
    let read = |text: &Text| {
        let problem = || {
            let shown = shown(&text.value);
            Problem::Value(format!("`{shown}` is no number such as `0.95` or `1e-3`"))
        };
        exact(&text.value).ok_or_else(|| wrong(text, problem()))
    };
    let (at_least, at_most) = (at_least.map(read).transpose()?, at_most.map(read).transpose()?);
    if let (Some(least), Some(most)) = (at_least, at_most)
        && least > most
    {
        let problem = "no value is both `atLeast` and `atMost` what is written here";
        return Err(wrong(at, Problem::Contradiction(problem)));
    }
    Ok((at_least, at_most))
}

pub(super) fn selection(text: Option<&Text>) -> Compiled<Option<String>> {
    if let Some(text) = text {
        attest::name::check_artifact_name(&text.value)
            .map_err(|error| wrong(text, value(error)))?;
        if text.value.contains('*') {
            let problem = "`select` names a product whole; patterns are not read";
            return Err(wrong(text, Problem::Contradiction(problem)));
        }
    }
    Ok(text.map(|text| text.value.clone()))
}

pub(super) fn optional(text: Option<&Text>) -> Compiled<Option<String>> {
    text.map(|text| plain(text).map(|()| text.value.clone())).transpose()
}

/// A text that a person reads back: not empty, not endless, without control characters.
pub(super) fn plain(text: &Text) -> Compiled<()> {
    if text.value.is_empty()
        || text.value.len() > MAX_TEXT
        || text.value.chars().any(char::is_control)
    {
        let problem = format!("`{}` is empty, too long or not printable", shown(&text.value));
        return Err(wrong(text, Problem::Value(problem)));
    }
    Ok(())
}

pub(super) fn label<T: std::str::FromStr<Err = attest::NameError>>(text: &Text) -> Compiled<T> {
    text.value.parse().map_err(|error: attest::NameError| wrong(text, value(error)))
}

pub(super) fn expect(text: &Text, what: &'static str, known: &'static str) -> Compiled<()> {
    word(text, what, &[()], |()| known)
}

pub(super) fn word<T: Copy>(
    text: &Text,
    what: &'static str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Compiled<T> {
    all.iter().copied().find(|one| name(*one) == text.value).ok_or_else(|| {
        let known = all.iter().map(|one| format!("`{}`", name(*one))).collect::<Vec<_>>();
        let problem = Problem::Word { what, found: shown(&text.value), known: known.join(", ") };
        wrong(text, problem)
    })
}

pub(super) fn defined(what: &'static str, text: &Text, names: &[&str]) -> Compiled<usize> {
    names.iter().position(|name| *name == text.value).ok_or_else(|| {
        let near = nearest(&text.value, names.iter().copied()).map(str::to_owned);
        wrong(text, Problem::Undefined { what, name: shown(&text.value), nearest: near })
    })
}

pub(super) fn require<'a, T, U>(
    line: &Spanned<T>,
    field: Option<&'a U>,
    key: &str,
) -> Compiled<&'a U> {
    field.ok_or_else(|| wrong(line, Problem::MissingKey(key.into())))
}

pub(super) fn wrong<T>(at: &Spanned<T>, problem: Problem) -> PolicyError {
    PolicyError::at(Place::of(at.referenced), problem)
}

pub(super) fn value(error: impl std::fmt::Display) -> Problem {
    Problem::Value(error.to_string())
}

pub(super) fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}
