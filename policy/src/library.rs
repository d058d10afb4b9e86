//! Policies that come with Assay, to begin with.
//!
//! Each is a whole document in `policy/library/`, written for signers of the names that its first
//! lines say. What nobody but its user can know (a digest, a builder) stands there as `${name}`
//! and is given before it is used: until then it does not parse, or nothing satisfies it. For every rule of each,
//! `policy/tests/library/` has evidence that passes, and evidence that fails by that rule alone.

use std::collections::{BTreeMap, BTreeSet};

/// How many bytes a given value may have.
pub const MAX_VALUE_BYTES: usize = 1024;

/// A policy that comes with Assay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LibraryPolicy {
    /// Its name, which is that in its metadata.
    pub name: &'static str,
    text: &'static str,
}

/// Every policy of the library, by name.
pub const ALL: [LibraryPolicy; 5] = [
    LibraryPolicy {
        name: "eu-ai-act-high-risk",
        text: include_str!("../library/eu-ai-act-high-risk.yaml"),
    },
    LibraryPolicy { name: "ml-baseline", text: include_str!("../library/ml-baseline.yaml") },
    LibraryPolicy { name: "slsa-build-l1", text: include_str!("../library/slsa-build-l1.yaml") },
    LibraryPolicy { name: "slsa-build-l2", text: include_str!("../library/slsa-build-l2.yaml") },
    LibraryPolicy { name: "slsa-build-l3", text: include_str!("../library/slsa-build-l3.yaml") },
];

/// Why a policy of the library cannot be filled in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// A value is given that it does not ask for.
    #[error("`{policy}` asks for no `{name}`; it asks for {}", list(.asked))]
    Unknown {
        /// The policy.
        policy: &'static str,
        /// The name that was given.
        name: String,
        /// What it asks for.
        asked: Vec<&'static str>,
    },
    /// A value that would change the document around it.
    #[error(
        "`{name}` must be a text of at most {MAX_VALUE_BYTES} bytes without quotes, backslashes, \
         `$` and control characters"
    )]
    Value {
        /// Whose value it is.
        name: String,
    },
}

impl LibraryPolicy {
    /// The policy of this name.
    pub fn find(name: &str) -> Option<Self> {
        ALL.into_iter().find(|policy| policy.name == name)
    }

    /// Its text, with `${name}` for what is to be given.
    pub const fn text(&self) -> &'static str {
        self.text
    }

    /// The names of what is to be given, each once.
    pub fn asks(&self) -> Vec<&'static str> {
        let names = self.text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
        names.map(|(name, _)| name).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What it is for: the description in its metadata.
    pub fn description(&self) -> &'static str {
        let mut lines = self.text.lines().map(str::trim_start);
        let line = lines.find_map(|line| line.strip_prefix("description: "));
        line.unwrap_or_default().trim_matches('"')
    }

    /// Its text with these values. What is not given stays as it is.
    ///
    /// # Errors
    /// [`LibraryError`].
    pub fn fill(&self, values: &BTreeMap<String, String>) -> Result<String, LibraryError> {
        let asked = self.asks();
        let mut text = self.text.to_owned();
        for (name, value) in values {
            if !asked.contains(&name.as_str()) {
                return Err(LibraryError::Unknown { policy: self.name, name: name.clone(), asked });
            }
            // Values stand in double quotes, where only these mean something.
            let plain = |letter: char| !matches!(letter, '"' | '\\' | '$') && !letter.is_control();
            if value.is_empty() || value.len() > MAX_VALUE_BYTES || !value.chars().all(plain) {
                return Err(LibraryError::Value { name: name.clone() });
            }
            text = text.replace(&format!("${{{name}}}"), value);
        }
        Ok(text)
    }
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_asked_for_and_change_nothing_else() {
        let policy = LibraryPolicy::find("slsa-build-l3").unwrap();
        assert_eq!(policy.asks(), ["builder"]);
        let fill = |name: &str, value: &str| {
            policy.fill(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
        };
        let filled = fill("builder", "https://ci.example/runner@v3").unwrap();
        assert!(filled.contains("{id: \"https://ci.example/runner@v3\", signers"));
        assert!(!filled.contains("${"));
        let cases = [
            ("builder", ""),
            ("builder", "a\", signers: [mallory], id: \"b"),
            ("builder", "a\\x22"),
            ("builder", "a\nb"),
            ("builder", "${builder}"),
            ("bilder", "a"),
        ];
        for (name, value) in cases {
            assert!(fill(name, value).is_err(), "{name} {value:?}");
        }
    }
}
