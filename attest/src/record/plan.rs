//! What is to be recorded: the step, its command, what goes in and what comes out.
//!
//! A plan is only words; [`super::Recorder::start`] holds them against each other and against
//! the folder before anything runs.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::name::{NameError, StepName, check_artifact_name};
use crate::predicate::BuildKind;

/// The longest version in a [`ProductName`], in bytes.
const MAX_VERSION_BYTES: usize = 128;

/// What is to be recorded.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What kind of step it is.
    pub kind: BuildKind,
    /// The name of the step.
    pub step: StepName,
    /// The command with its arguments.
    pub command: Vec<OsString>,
    /// The folder below which everything that is recorded lies.
    pub root: PathBuf,
    /// The folder that paths are relative to and in which the command runs.
    pub directory: PathBuf,
    /// What the command reads.
    pub materials: Vec<Material>,
    /// What the command writes.
    pub products: Vec<PathBuf>,
    /// The file of numbers that the command writes.
    pub metrics: Option<PathBuf>,
    /// Hyperparameters, as given.
    pub parameters: BTreeMap<String, String>,
    /// What the one product, or the evaluated model, is called.
    pub name: Option<ProductName>,
    /// Environment variables to record besides [`super::RECORDED`].
    pub environment: Vec<String>,
    /// Environment variables that the command must not see, besides Assay's own.
    pub hidden: Vec<String>,
    /// Whether a command that fails leaves a statement, too.
    pub attest_failure: bool,
}

impl Plan {
    /// A plan to run `command` in the current folder, recording nothing else yet.
    pub fn new(kind: BuildKind, step: StepName, command: Vec<OsString>) -> Self {
        Self {
            kind,
            step,
            command,
            root: ".".into(),
            directory: ".".into(),
            materials: Vec::new(),
            products: Vec::new(),
            metrics: None,
            parameters: BTreeMap::new(),
            name: None,
            environment: Vec::new(),
            hidden: Vec::new(),
            attest_failure: false,
        }
    }
}

/// Something that the command reads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Material {
    /// What it is to the step.
    pub role: Option<Role>,
    /// Where it is.
    pub path: PathBuf,
}

impl Material {
    /// Reads `[ROLE=]PATH`. What stands before a `=` and is no role belongs to the path, as in
    /// `./a=b`.
    pub fn parse(text: &OsStr) -> Self {
        let with_role = text.to_str().and_then(|text| {
            let (role, path) = text.split_once('=')?;
            Some((role.parse::<Role>().ok()?, path)).filter(|(_, path)| !path.is_empty())
        });
        match with_role {
            Some((role, path)) => Self { role: Some(role), path: path.into() },
            None => Self { role: None, path: text.into() },
        }
    }
}

/// What a material is to a step: `model`, `training-dataset`. It has the form of a step's name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Role(String);

impl Role {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Role {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.parse::<StepName>().map(|name| Self(name.as_str().into()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What an artifact is called, apart from where it stands: `NAME` or `NAME@VERSION`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProductName {
    name: String,
    version: Option<String>,
}

impl ProductName {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version, if one is given.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

/// Why a text is not `NAME@VERSION`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProductNameError {
    /// The name is none that a statement may carry.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The version is empty, too long, or has characters that cannot be seen.
    #[error(
        "`{0}` is not a version: 1 to {MAX_VERSION_BYTES} visible ASCII characters without spaces"
    )]
    Version(String),
}

impl FromStr for ProductName {
    type Err = ProductNameError;

    fn from_str(text: &str) -> Result<Self, ProductNameError> {
        let (name, version) = match text.rsplit_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        check_artifact_name(name)?;
        if let Some(version) = version
            && (!(1..=MAX_VERSION_BYTES).contains(&version.len())
                || !version.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            let shown = version.chars().take(64).flat_map(char::escape_debug).collect();
            return Err(ProductNameError::Version(shown));
        }
        Ok(Self { name: name.into(), version: version.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn materials_with_and_without_roles() {
        let cases = [
            ("data.csv", None, "data.csv"),
            ("model=model.json", Some("model"), "model.json"),
            ("holdout-dataset=a=b.csv", Some("holdout-dataset"), "a=b.csv"),
            ("./a=b", None, "./a=b"),
            ("Model=x", None, "Model=x"),
            ("model=", None, "model="),
            ("=x", None, "=x"),
        ];
        for (text, role, path) in cases {
            let found = Material::parse(OsStr::new(text));
            assert_eq!(found.role.as_ref().map(Role::as_str), role, "{text}");
            assert_eq!(found.path, PathBuf::from(path), "{text}");
        }
    }

    #[test]
    fn names_with_and_without_versions() {
        let good = [
            ("bc", "bc", None),
            ("bc@1.2.3", "bc", Some("1.2.3")),
            ("team/bc@2026-11-25", "team/bc", Some("2026-11-25")),
            ("a@b@1", "a@b", Some("1")),
        ];
        for (text, name, version) in good {
            let found: ProductName = text.parse().unwrap();
            assert_eq!((found.name(), found.version()), (name, version), "{text}");
        }
        for bad in ["", "@1", "bc@", "bc@1 2", "bc@\u{202E}1", "/bc@1", "../bc"] {
            assert!(bad.parse::<ProductName>().is_err(), "{bad}");
        }
    }
}
