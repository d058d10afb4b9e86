//! OLPC canonical JSON: the one spelling that the signatures of a metablock are over.
//!
//! Source: in-toto specification v1.0, section 4.2; OLPC "Canonical JSON", as securesystemslib
//! writes it: keys in code point order, no white space, only `"` and `\` escaped, no fractions.
//! Two different documents never have one spelling: every other character stands for itself.

use serde_json::Value;

/// Why a document has no canonical spelling.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// A number that is no integer, or one too large for 64 bits.
    #[error("`{0}` has no canonical spelling: only integers of 64 bits have one")]
    Number(String),
}

/// The canonical spelling of `value`, in UTF-8.
///
/// Recursion is bounded by the depth that [`crate::json::parse`] allows.
///
/// # Errors
/// [`CanonicalError`] when it holds a number with a fraction.
pub fn canonical(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text.into_bytes())
}

fn write(value: &Value, text: &mut String) -> Result<(), CanonicalError> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            text.push_str(&number.to_string());
        }
        Value::Number(number) => return Err(CanonicalError::Number(number.to_string())),
        Value::String(string) => quote(string, text),
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write(item, text)?;
            }
            text.push(']');
        }
        // A BTreeMap: the order of UTF-8 bytes, which is that of code points.
        Value::Object(entries) => {
            text.push('{');
            for (place, (key, item)) in entries.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                quote(key, text);
                text.push(':');
                write(item, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn quote(string: &str, text: &mut String) {
    text.push('"');
    for letter in string.chars() {
        if matches!(letter, '"' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn one_spelling() {
        let cases: [(&str, Option<&str>); 12] = [
            (r#"{ "b": [1, 2, 3], "a": {} }"#, Some(r#"{"a":{},"b":[1,2,3]}"#)),
            (r#"{"Z":1,"a":2,"é":3,"😀":4,"ﬁ":5}"#, Some(r#"{"Z":1,"a":2,"é":3,"ﬁ":5,"😀":4}"#)),
            (r#""a\"b\\c\nd\u0000""#, Some("\"a\\\"b\\\\c\nd\0\"")),
            ("[true,false,null,[],\"\"]", Some("[true,false,null,[],\"\"]")),
            ("-9223372036854775808", Some("-9223372036854775808")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("18446744073709551616", None),
            ("1.0", None),
            ("1.5", None),
            ("-0", None),
            ("1e2", None),
            (r#"{"a":[0.5]}"#, None),
        ];
        for (text, want) in cases {
            let found = canonical(&json::parse(text.as_bytes()).unwrap()).ok();
            assert_eq!(found.as_deref(), want.map(str::as_bytes), "{text}");
        }
    }
}
