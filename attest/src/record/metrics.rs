//! The numbers that an evaluation leaves in a file, read exactly.
//!
//! ```json
//! {"sampleSize": 143, "metrics": {"accuracy": 0.979}, "slices":
//!   [{"feature": "sex", "value": "f", "sampleSize": 70, "metrics": {"accuracy": 0.971}}]}
//! ```
//!
//! A number is taken from its digits, never by way of a binary fraction. NaN and infinities,
//! which Python writes into JSON without asking, are refused by the name of the field.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decimal::Decimal;
use crate::json::{self, JsonError};
use crate::predicate::{Measurement, Slice};

/// The largest metrics file, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// How many numbers a file may have.
const MAX_MEASUREMENTS: usize = 10_000;
/// The largest exponent that is written out. Beyond it no decimal has the digits.
const MAX_EXPONENT: i32 = 64;

/// Why a file is no metrics file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// A number is NaN or infinite.
    #[error("`{field}` is {value}: a metric must be finite; correct the command, or leave it out")]
    NotFinite {
        /// The name of the number.
        field: String,
        /// What it is.
        value: String,
    },
    /// A number has too many digits, or is none.
    #[error("`{field}` is {value}, which is no decimal of at most 28 digits: round it")]
    Number {
        /// The name of the number.
        field: String,
        /// What it is.
        value: String,
    },
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON of another shape.
    #[error(
        "not `{{\"sampleSize\": N, \"metrics\": {{NAME: NUMBER}}, \"slices\": [{{\"feature\", \"value\", \"sampleSize\", \"metrics\"}}]}}`: {0}"
    )]
    Shape(#[source] serde_json::Error),
    /// No number, or too many.
    #[error("{0} numbers; there must be one to {MAX_MEASUREMENTS}")]
    Count(usize),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FileJson<'a> {
    #[serde(default)]
    sample_size: Option<u64>,
    #[serde(borrow)]
    metrics: BTreeMap<String, &'a RawValue>,
    #[serde(borrow, default)]
    slices: Vec<SliceJson<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SliceJson<'a> {
    feature: String,
    value: String,
    #[serde(default)]
    sample_size: Option<u64>,
    #[serde(borrow)]
    metrics: BTreeMap<String, &'a RawValue>,
}

/// Reads a metrics file.
///
/// # Errors
/// [`MetricsError`].
pub fn parse(bytes: &[u8]) -> Result<Vec<Measurement>, MetricsError> {
    check(bytes)?;
    let file: FileJson<'_> = serde_json::from_slice(bytes).map_err(MetricsError::Shape)?;
    let mut found = Vec::new();
    for (name, value) in &file.metrics {
        found.push(measurement(name, None, value, file.sample_size)?);
    }
    for part in &file.slices {
        let slice = Slice { feature: part.feature.clone(), value: part.value.clone() };
        for (name, value) in &part.metrics {
            found.push(measurement(name, Some(slice.clone()), value, part.sample_size)?);
        }
    }
    match found.len() {
        1..=MAX_MEASUREMENTS => Ok(found),
        count => Err(MetricsError::Count(count)),
    }
}

/// Checks that the bytes are JSON without NaN or infinities.
pub(super) fn check(bytes: &[u8]) -> Result<(), MetricsError> {
    match json::parse(bytes) {
        Ok(_) => Ok(()),
        Err(JsonError::NotFinite { field, value }) => Err(MetricsError::NotFinite { field, value }),
        Err(error) => Err(error.into()),
    }
}

fn measurement(
    name: &str,
    slice: Option<Slice>,
    value: &RawValue,
    sample_size: Option<u64>,
) -> Result<Measurement, MetricsError> {
    let field = || match &slice {
        Some(Slice { feature, value }) => format!("{name} where {feature} is {value}"),
        None => name.to_owned(),
    };
    let shown = || value.get().chars().take(64).collect();
    // A decimal in quotes is a number, too: that is how exact programs write them.
    let quoted = serde_json::from_str::<String>(value.get()).ok();
    let text = quoted.as_deref().unwrap_or(value.get());
    let Some(value) = exact(text) else {
        let plain = text.trim_start_matches(['-', '+']).to_ascii_lowercase();
        return Err(match plain.as_str() {
            "nan" | "inf" | "infinity" => {
                MetricsError::NotFinite { field: field(), value: shown() }
            }
            _ => MetricsError::Number { field: field(), value: shown() },
        });
    };
    Ok(Measurement {
        metric: name.into(),
        slice,
        value,
        sample_size,
        comparator: None,
        threshold: None,
        passed: None,
    })
}

/// The decimal that a JSON number is, digit by digit, its exponent written out.
fn exact(text: &str) -> Option<Decimal> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return text.parse().ok();
    };
    let exponent: i32 = exponent.parse().ok()?;
    if exponent.abs() > MAX_EXPONENT || mantissa.len() > 64 {
        return None;
    }
    let (sign, unsigned) = match mantissa.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", mantissa),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let zeros = "0".repeat(usize::try_from(exponent.unsigned_abs()).ok()?);
    // So many zeros on either side that the point can move as far as it must.
    let digits = format!("{zeros}{whole}{fraction}{zeros}");
    let point = i32::try_from(zeros.len() + whole.len()).ok()? + exponent;
    let (whole, fraction) = digits.split_at_checked(usize::try_from(point).ok()?)?;
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_from_their_digits() {
        let cases = [
            ("0.979020979020979", Some("0.979020979020979")),
            ("\"0.95\"", Some("0.95")),
            ("1", Some("1")),
            ("-0.5", Some("-0.5")),
            ("1e-05", Some("0.00001")),
            ("1.5E+3", Some("1500")),
            ("-12.5e-1", Some("-1.25")),
            ("0e10", Some("0")),
            ("0.1234567890123456789012345678", Some("0.1234567890123456789012345678")),
            ("0.12345678901234567890123456789", None),
            ("1e-40", None),
            ("1e400", None),
            ("\"high\"", None),
            ("true", None),
            ("[1]", None),
        ];
        for (text, want) in cases {
            let file = format!(r#"{{"metrics": {{"m": {text}}}}}"#);
            let found = parse(file.as_bytes()).map(|found| found[0].value.to_string());
            assert_eq!(found.as_deref().ok(), want, "{text}: {found:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_named() {
        let cases = [
            (r#"{"metrics": {"accuracy": 1, "loss": NaN}}"#, "`loss` is NaN"),
            (r#"{"metrics": {"a\"b": 1, "loss": -Infinity}}"#, "`loss` is -Infinity"),
            (r#"{"metrics": {"loss": "nan"}}"#, "`loss` is \"nan\""),
            (
                r#"{"metrics": {"a": 1}, "slices": [{"feature": "sex", "value": "f", "metrics": {"a": "x"}}]}"#,
                "`a where sex is f`",
            ),
            (r#"{"metrics": {}}"#, "0 numbers"),
            (r#"{"metrics": {"NaN": 1, "b": }}"#, "not JSON"),
            (r#"{"metrics": {"a": 1, "a": 2}}"#, "`a` stands twice"),
            (r#"{"metrics": {"a": 1}, "slice": []}"#, "unknown field `slice`"),
            (r#"{"metrics": {"a": 1}, "sampleSize": -1}"#, "invalid value"),
            (r#"{"metrics": {"a": 1}, "sampleSize": 1.5}"#, "invalid type"),
        ];
        for (text, want) in cases {
            let found = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(found.contains(want), "{text}: {found}");
        }
    }

    #[test]
    fn slices_and_sizes() {
        let text = br#"{"sampleSize": 143, "metrics": {"b": 0.5, "a": 0.25}, "slices": [
            {"feature": "radius", "value": "small", "sampleSize": 72, "metrics": {"a": 1}}]}"#;
        let found = parse(text).unwrap();
        let names: Vec<_> =
            found.iter().map(|one| (one.metric.as_str(), one.sample_size)).collect();
        assert_eq!(names, [("a", Some(143)), ("b", Some(143)), ("a", Some(72))]);
        let slice = Slice { feature: "radius".into(), value: "small".into() };
        assert_eq!(found[2].slice, Some(slice));
    }
}
