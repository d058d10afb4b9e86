//! Hyperparameters, from the command line and from files.
//!
//! In a statement each is a text under one name; a table inside a table joins its names with
//! `.`, and a list stands as JSON. Values keep the spelling that their format gives them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use crate::json::{self, MAX_DEPTH};

/// The largest file of parameters, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// How many parameters a step may have.
pub const MAX_PARAMETERS: usize = 10_000;
/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// Why a text holds no parameters.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParametersError {
    /// Not `NAME=VALUE`.
    #[error("`{0}` is not a parameter: write `NAME=VALUE`")]
    NoValue(String),
    /// A name that cannot be shown or found again.
    #[error(
        "`{0}` is not the name of a parameter: 1 to {MAX_NAME_BYTES} bytes without control characters"
    )]
    Name(String),
    /// Two ways to one name.
    #[error("the parameter `{0}` is given twice")]
    Twice(String),
    /// The file is too large, or holds too much.
    #[error("more than {MAX_PARAMETERS} parameters, or {MAX_BYTES} bytes of them")]
    TooMany,
    /// Neither JSON nor YAML, with the place.
    #[error("neither JSON nor YAML: {0}")]
    Syntax(String),
    /// The document is not a table.
    #[error("the parameters are no table of names and values")]
    NoTable,
}

/// Reads one `NAME=VALUE`.
///
/// # Errors
/// [`ParametersError`] when it is none.
pub fn parse_one(text: &str) -> Result<(String, String), ParametersError> {
    let shown = || text.chars().take(64).collect();
    let (name, value) = text.split_once('=').ok_or_else(|| ParametersError::NoValue(shown()))?;
    check_name(name)?;
    Ok((name.into(), value.into()))
}

/// Reads a file of parameters, in JSON or YAML.
///
/// # Errors
/// [`ParametersError`], with the line and column where the text is neither.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, ParametersError> {
    if text.len() > MAX_BYTES {
        return Err(ParametersError::TooMany);
    }
    let value = if text.trim_start().starts_with('{') {
        json::parse(text.as_bytes()).map_err(|error| ParametersError::Syntax(error.to_string()))?
    } else {
        yaml(text)?
    };
    let Value::Object(table) = value else { return Err(ParametersError::NoTable) };
    let mut found = BTreeMap::new();
    for (name, value) in table {
        flatten(&mut found, name, value)?;
    }
    Ok(found)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::read(deserializer).map(Self)
    }
}

fn yaml(text: &str) -> Result<Value, ParametersError> {
    let mut budget = serde_saphyr::Budget::default();
    budget.max_depth = MAX_DEPTH;
    budget.max_nodes = 4 * MAX_PARAMETERS;
    budget.max_documents = 1;
    budget.max_aliases = 0;
    budget.max_anchors = 0;
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.merge_keys = MergeKeyPolicy::Error;
    options.reject_unsupported_tags = true;
    let found: Strict = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| ParametersError::Syntax(said(&error)))?;
    Ok(found.0)
}

fn said(error: &serde_saphyr::Error) -> String {
    let words = crate::yaml::words(error);
    match error.location().filter(|place| place.line() > 0) {
        Some(place) => format!("{words} at line {} column {}", place.line(), place.column()),
        None => words,
    }
}

/// Adds what stands under a name. Recursion ends at the depth that parsing allows.
fn flatten(
    found: &mut BTreeMap<String, String>,
    name: String,
    value: Value,
) -> Result<(), ParametersError> {
    check_name(&name)?;
    let text = match value {
        Value::Object(table) => {
            for (inner, value) in table {
                flatten(found, format!("{name}.{inner}"), value)?;
            }
            return Ok(());
        }
        Value::String(text) => text,
        other => other.to_string(),
    };
    if found.len() >= MAX_PARAMETERS {
        return Err(ParametersError::TooMany);
    }
    match found.insert(name.clone(), text) {
        Some(_) => Err(ParametersError::Twice(name)),
        None => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), ParametersError> {
    let good = (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
    if good {
        return Ok(());
    }
    Err(ParametersError::Name(name.chars().take(64).flat_map(char::escape_debug).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_give_the_same() {
        let json = r#"{"C": 1.0, "max_iter": 500, "solver": "lbfgs", "deep": {"a": true, "b": [1, "x"]}, "none": null}"#;
        let yaml =
            "C: 1.0\nmax_iter: 500\nsolver: lbfgs\ndeep:\n  a: true\n  b: [1, x]\nnone: null\n";
        let want = [
            ("C", "1.0"),
            ("deep.a", "true"),
            ("deep.b", "[1,\"x\"]"),
            ("max_iter", "500"),
            ("none", "null"),
            ("solver", "lbfgs"),
        ];
        let want: BTreeMap<_, _> =
            want.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(parse(json).as_ref(), Ok(&want));
        assert_eq!(parse(yaml).as_ref(), Ok(&want));
    }

    #[test]
    fn what_holds_no_parameters() {
        let many: String = (0..=MAX_PARAMETERS).map(|number| format!("p{number}: 1\n")).collect();
        let cases = [
            ("{\"a\": 1, \"a\": 2}", "twice"),
            ("a: 1\na: 2\n", "a"),
            ("{\"a\": NaN}", "JSON"),
            ("a: .nan\n", "finite"),
            ("- 1\n- 2\n", "no table"),
            ("{\"a\": {\"b\": 1}, \"a.b\": 2}", "twice"),
            ("{\"\": 1}", "not the name"),
            ("a: [", "YAML"),
            ("a: &x 1\nb: *x\n", "YAML"),
            (&many, "more than"),
        ];
        for (text, want) in cases {
            let found = parse(text).unwrap_err().to_string();
            assert!(found.contains(want), "{}: {found}", text.get(..20).unwrap_or(text));
        }
    }

    #[test]
    fn one_parameter() {
        assert_eq!(parse_one("rate=0.1"), Ok(("rate".into(), "0.1".into())));
        assert_eq!(parse_one("formula=a=b"), Ok(("formula".into(), "a=b".into())));
        assert_eq!(parse_one("empty="), Ok(("empty".into(), String::new())));
        for bad in ["rate", "=1", "a\u{1}=1"] {
            assert!(parse_one(bad).is_err(), "{bad}");
        }
    }
}
