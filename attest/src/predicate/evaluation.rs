//! Evaluation numbers: what was measured, on which data, over which slices.
//!
//! `passed`, `threshold` and `comparator` are what the evaluator says of its own numbers. They
//! are shown and never decide: rules compare the value with the policy's threshold.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::decimal::Decimal;
use crate::name::StepName;
use crate::resource::ResourceDescriptor;

/// The predicate.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// The step that the signer says this was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
    /// What measured. A claim: trust in it comes from the key.
    pub evaluator: Evaluator,
    /// When. A claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluated_on: Option<Timestamp>,
    /// The code that measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harness: Option<Harness>,
    /// The data that was measured on.
    pub dataset: ResourceDescriptor,
    /// The criteria that the evaluator says it held the numbers against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criteria: Option<ResourceDescriptor>,
    /// The numbers.
    pub measurements: Vec<Measurement>,
    /// How the evaluation ran, when `assay run` recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Box<Run>>,
}

/// What measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Evaluator {
    /// Its URI.
    pub id: String,
}

/// The code that measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Harness {
    /// Its name.
    pub name: String,
    /// Its digests.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub digest: std::collections::BTreeMap<String, String>,
}

/// One number.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// What was measured: `accuracy`.
    pub metric: String,
    /// Over which part of the data; absent means all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<Slice>,
    /// The number, exactly.
    pub value: Decimal,
    /// Over how many records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_size: Option<u64>,
    /// The evaluator's comparator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparator: Option<String>,
    /// The evaluator's threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Decimal>,
    /// The evaluator's verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
}

/// A part of the data: the records where a feature has a value.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Slice {
    /// The feature.
    pub feature: String,
    /// Its value, or the name of a range of values.
    pub value: String,
}

/// How an evaluation ran.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The command line, without secrets.
    #[serde(default)]
    pub command: Vec<String>,
    /// Its parameters.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// When it started. A claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_on: Option<Timestamp>,
    /// When it finished. A claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<Timestamp>,
    /// The exit status.
    #[serde(default)]
    pub exit_status: i32,
    /// How surely the materials are what the command read: `before-and-after`.
    #[serde(default)]
    pub assurance: String,
    /// What it read: the model, the data, code, lock files, runtimes.
    #[serde(default)]
    pub materials: Vec<ResourceDescriptor>,
    /// What it wrote.
    #[serde(default)]
    pub products: Vec<ResourceDescriptor>,
    /// Hardware and allow-listed environment.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub environment: Map<String, Value>,
}
