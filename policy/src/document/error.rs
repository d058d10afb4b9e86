//! Why a text is not a policy, and where.

use std::fmt;

use attest::Sha256;
use serde_saphyr::Error as Yaml;

use super::nearest::nearest;
use super::{MAX_BYTES, MAX_ENTRIES, Place};

/// Why a text is not a policy, with the place where that was seen.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct PolicyError {
    place: Option<Place>,
    problem: Problem,
}

/// What is wrong with a policy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// More than [`MAX_BYTES`].
    #[error("the document has {bytes} bytes, more than the limit of {MAX_BYTES}")]
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
    /// Not YAML, or not of the expected shape.
    #[error("{0}")]
    Shape(String),
    /// A key that nothing reads.
    #[error("unknown key `{key}`{}", suggested(nearest.as_deref(), known))]
    UnknownKey {
        /// The key.
        key: String,
        /// The known key that it most resembles, if it resembles any.
        nearest: Option<String>,
        /// The keys that are known there.
        known: Vec<String>,
    },
    /// A key that must be there.
    #[error("the key `{0}` is missing")]
    MissingKey(String),
    /// A key that stands twice in one map.
    #[error("the key `{0}` stands twice")]
    RepeatedKey(String),
    /// A name of a stage or a step that is not defined.
    #[error("there is no {what} `{name}`{}", suggestion(nearest.as_deref()))]
    Undefined {
        /// `stage` or `step`.
        what: &'static str,
        /// The name.
        name: String,
        /// The defined name that it most resembles.
        nearest: Option<String>,
    },
    /// A word that is none of those allowed here.
    #[error("`{found}` is not {} {what}; known are {known}", article(what))]
    Word {
        /// What is expected.
        what: &'static str,
        /// What stands there.
        found: String,
        /// What could stand there.
        known: String,
    },
    /// A value that does not parse.
    #[error("{0}")]
    Value(String),
    /// A list or map without entries, which no evidence could satisfy or fail.
    #[error("`{0}` is empty; a rule over nothing decides nothing")]
    Empty(&'static str),
    /// The stages that must come before each other form a circle.
    #[error("the stage `{0}` would have to come before itself")]
    Circle(String),
    /// More signers are needed than could sign.
    #[error("the threshold {threshold} is more than the {signers} signers of the step")]
    Threshold {
        /// How many are needed.
        threshold: u64,
        /// How many there are.
        signers: usize,
    },
    /// Keys that contradict each other, or one that would decide nothing.
    #[error("{0}")]
    Contradiction(&'static str),
    /// A file that the document names did not come beside it.
    #[error("the file `{0}` is not there: give it beside the policy, under this name")]
    FileMissing(String),
    /// A file that the document names was not registered with it.
    #[error(
        "the file `{name}` with the digest {digest} was not registered with the policy: register both again with `assay policy publish`, where the file is"
    )]
    FileNotRegistered {
        /// The file.
        name: String,
        /// Its digest.
        digest: Sha256,
    },
    /// A file has other bytes than the document says.
    #[error("the file `{name}` has the digest {found}, which is not the one that is written here")]
    FileDigest {
        /// The file.
        name: String,
        /// The digest of its bytes.
        found: Sha256,
    },
    /// More entries than are read.
    #[error("more than {MAX_ENTRIES} entries")]
    TooMany,
}

fn article(what: &str) -> &'static str {
    if what.starts_with(['A', 'E', 'I', 'O', 'U', 'a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |word| format!("; did you mean `{word}`?"))
}

/// The key that was meant, or where none is near those that there are.
fn suggested(nearest: Option<&str>, known: &[String]) -> String {
    match (nearest, known) {
        (Some(_), _) | (None, []) => suggestion(nearest),
        (None, known) => {
            let known: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
            format!("; known are {}", known.join(", "))
        }
    }
}

impl PolicyError {
    /// Where, if that is known.
    pub const fn place(&self) -> Option<Place> {
        self.place
    }

    /// What.
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    pub(super) const fn at(place: Option<Place>, problem: Problem) -> Self {
        Self { place, problem }
    }

    pub(super) fn of_yaml(error: &Yaml) -> Self {
        let error = error.without_snippet();
        let place = error.location().and_then(Place::of);
        let problem = match error {
            Yaml::SerdeUnknownField { field, expected, .. } => Problem::UnknownKey {
                key: field.clone(),
                nearest: nearest(field, expected.iter().copied()).map(str::to_owned),
                known: expected.iter().map(|known| (*known).to_owned()).collect(),
            },
            Yaml::SerdeMissingField { field, .. } => Problem::MissingKey((*field).into()),
            Yaml::DuplicateMappingKey { key, .. } => {
                Problem::RepeatedKey(key.clone().unwrap_or_default())
            }
            other => Problem::Shape(attest::yaml::words(other)),
        };
        Self { place, problem }
    }
}

impl From<Problem> for PolicyError {
    fn from(problem: Problem) -> Self {
        Self { place: None, problem }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(formatter, "{place}: {}", self.problem),
            None => self.problem.fmt(formatter),
        }
    }
}
