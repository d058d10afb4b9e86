//! Parameters: values that stand in for `{name}` in rules and commands.
//!
//! Source: what the Python implementation does with `str.format`, of which names alone are
//! taken. `{{` and `}}` stand for braces. A sublayout has no parameters.

use std::collections::BTreeMap;

/// How many parameters there may be.
const MAX_PARAMETERS: usize = 1_000;
/// The longest text that a word may become, in bytes.
const MAX_WORD: usize = 64 << 10;

/// Values by their names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Parameters(BTreeMap<String, String>);

/// Why a parameter cannot be used, or a word of the layout not be filled in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// No value.
    #[error("parameter `{0}` has no value")]
    NoValue(String),
    /// Not a name.
    #[error("`{0}` is no parameter name: letters, digits, `-` and `_`")]
    Name(String),
    /// One name twice.
    #[error("parameter `{0}` is given twice")]
    Twice(String),
    /// Too many.
    #[error("more than {MAX_PARAMETERS} parameters")]
    TooMany,
    /// The layout asks for one that was not given.
    #[error("the layout asks for parameter `{0}`")]
    Missing(String),
    /// Braces that hold no name.
    #[error("`{0}` in the layout: write `{{name}}`, and braces themselves twice")]
    Braces(String),
    /// What comes of it is too long.
    #[error("with its parameters, a word of the layout has more than {MAX_WORD} bytes")]
    TooLong,
}

impl Parameters {
    /// Adds a parameter, written `NAME=VALUE`.
    ///
    /// # Errors
    /// [`ParameterError`], as [`Parameters::add`]; also when there is no `=`.
    pub fn add_text(&mut self, text: &str) -> Result<(), ParameterError> {
        match text.split_once('=') {
            Some((name, value)) => self.add(name, value),
            None => Err(ParameterError::NoValue(text.chars().take(100).collect())),
        }
    }

    /// Adds a parameter.
    ///
    /// # Errors
    /// [`ParameterError`] when the name is none, or was given before.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), ParameterError> {
        if !is_name(name) {
            return Err(ParameterError::Name(name.chars().take(100).collect()));
        }
        if self.0.len() >= MAX_PARAMETERS {
            return Err(ParameterError::TooMany);
        }
        match self.0.insert(name.into(), value.into()) {
            None => Ok(()),
            Some(_) => Err(ParameterError::Twice(name.into())),
        }
    }

    /// Fills a word in.
    pub(super) fn fill(&self, word: &str) -> Result<String, ParameterError> {
        let braces = || ParameterError::Braces(word.chars().take(100).collect());
        let mut filled = String::new();
        let mut rest = word;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            filled.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                filled.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                filled.push('}');
                rest = after;
            } else {
                let inside = from.strip_prefix('{').ok_or_else(braces)?;
                let (name, after) = inside.split_once('}').ok_or_else(braces)?;
                if !is_name(name) {
                    return Err(braces());
                }
                let value = self.0.get(name);
                filled.push_str(value.ok_or_else(|| ParameterError::Missing(name.into()))?);
                rest = after;
            }
            if filled.len() > MAX_WORD {
                return Err(ParameterError::TooLong);
            }
        }
        filled.push_str(rest);
        if filled.len() > MAX_WORD { Err(ParameterError::TooLong) } else { Ok(filled) }
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.len() <= 100 && text.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_filled_in_or_refused() {
        let mut given = Parameters::default();
        given.add("name", "foo").unwrap();
        given.add("v-1_2", "{x}").unwrap();
        let missing = |name: &str| Err(ParameterError::Missing(name.into()));
        let braces = |word: &str| Err(ParameterError::Braces(word.into()));
        let cases = [
            ("plain", Ok("plain".to_owned())),
            ("a/{name}.txt", Ok("a/foo.txt".into())),
            ("{name}{name}", Ok("foofoo".into())),
            ("{{name}}", Ok("{name}".into())),
            ("{v-1_2}", Ok("{x}".into())),
            ("{other}", missing("other")),
            ("{}", braces("{}")),
            ("{name", braces("{name")),
            ("name}", braces("name}")),
            ("{name.__class__}", braces("{name.__class__}")),
            ("{name!r}", braces("{name!r}")),
            ("{name:>10}", braces("{name:>10}")),
        ];
        for (word, want) in cases {
            assert_eq!(given.fill(word), want, "{word}");
        }
        assert_eq!(given.add("name", "bar"), Err(ParameterError::Twice("name".into())));
        assert!(matches!(given.add("a b", "c"), Err(ParameterError::Name(_))));
        assert_eq!(given.add_text("x=y=z"), Ok(()));
        assert_eq!(given.fill("{x}"), Ok("y=z".into()));
        assert_eq!(given.add_text("y"), Err(ParameterError::NoValue("y".into())));
        given.add("long", &"x".repeat(MAX_WORD)).unwrap();
        assert!(given.fill("{long}").is_ok());
        assert_eq!(given.fill("{long}y"), Err(ParameterError::TooLong));
    }
}
