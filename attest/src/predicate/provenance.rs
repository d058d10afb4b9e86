//! SLSA provenance v1: how artifacts were made, from what.
//!
//! Source: SLSA v1.2, "Build: Provenance" (`https://slsa.dev/provenance/v1`).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::json::null_as_empty;
use crate::name::StepName;
use crate::resource::ResourceDescriptor;

/// The predicate.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// What was asked for.
    pub build_definition: BuildDefinition,
    /// What happened.
    pub run_details: RunDetails,
}

/// What was asked for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// The template of the build; for Assay's own, see [`BuildKind::uri`].
    pub build_type: String,
    /// Parameters under the control of the caller: step, command, hyperparameters.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub external_parameters: Map<String, Value>,
    /// Parameters under the control of the builder: assurance, hardware, environment.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Map::is_empty")]
    pub internal_parameters: Map<String, Value>,
    /// What went in: materials, code, lock files, runtimes, each with its role.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

/// What happened.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// What ran it.
    pub builder: Builder,
    /// When, and under which invocation.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub metadata: RunMetadata,
    /// What else came out: metrics, logs, manifests.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub byproducts: Vec<ResourceDescriptor>,
}

/// What ran the build. A claim by the signer: trust in it comes from the key.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Builder {
    /// Its URI.
    pub id: String,
    /// Versions of its parts.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Map::is_empty")]
    pub version: Map<String, Value>,
}

/// When a build ran. Claims by the signer.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunMetadata {
    /// A name for this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_on: Option<Timestamp>,
    /// When it finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<Timestamp>,
}

/// The kinds of step that Assay records.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum BuildKind {
    /// Data is gathered, cleaned or split.
    DataPreparation,
    /// A model is trained from data.
    Training,
    /// A model is trained from another model.
    FineTuning,
    /// A model is measured.
    Evaluation,
    /// Software is built.
    Build,
    /// Artifacts are put into one that is shipped.
    Packaging,
}

impl BuildKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::DataPreparation,
        Self::Training,
        Self::FineTuning,
        Self::Evaluation,
        Self::Build,
        Self::Packaging,
    ];

    /// The name on the command line and in policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DataPreparation => "data-preparation",
            Self::Training => "training",
            Self::FineTuning => "fine-tuning",
            Self::Evaluation => "evaluation",
            Self::Build => "build",
            Self::Packaging => "packaging",
        }
    }

    /// The build type.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::DataPreparation => "https://assay.example/build-type/data-preparation/v1",
            Self::Training => "https://assay.example/build-type/training/v1",
            Self::FineTuning => "https://assay.example/build-type/fine-tuning/v1",
            Self::Evaluation => "https://assay.example/build-type/evaluation/v1",
            Self::Build => "https://assay.example/build-type/build/v1",
            Self::Packaging => "https://assay.example/build-type/packaging/v1",
        }
    }

    /// The kind with this build type, which matches whole.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.uri() == uri)
    }
}

impl fmt::Display for BuildKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no kind of step.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "unknown kind of step `{0}`; known are data-preparation, training, fine-tuning, evaluation, build, packaging"
)]
pub struct BuildKindError(String);

impl FromStr for BuildKind {
    type Err = BuildKindError;

    fn from_str(text: &str) -> Result<Self, BuildKindError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| BuildKindError(text.chars().take(64).collect()))
    }
}

impl Provenance {
    /// The step that the signer says this was, if the build type is Assay's own.
    pub fn step(&self) -> Option<StepName> {
        self.kind()?;
        self.build_definition.external_parameters.get("step")?.as_str()?.parse().ok()
    }

    /// The kind of step, if the build type is Assay's own.
    pub fn kind(&self) -> Option<BuildKind> {
        BuildKind::from_uri(&self.build_definition.build_type)
    }

    /// The hyperparameters, if the build type is Assay's own.
    pub fn parameters(&self) -> Option<&Map<String, Value>> {
        self.build_definition.external_parameters.get("parameters")?.as_object()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NAMESPACE;

    #[test]
    fn kinds_and_uris_are_one_to_one() {
        for kind in BuildKind::ALL {
            assert_eq!(kind.uri(), format!("{NAMESPACE}build-type/{kind}/v1"));
            assert_eq!(BuildKind::from_uri(kind.uri()), Some(kind));
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!(BuildKind::from_uri("https://assay.example/build-type/training/v1/"), None);
        assert!("Training".parse::<BuildKind>().is_err());
    }
}
