//! What happens to an artifact after it was made: tests, deployments, monitoring.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::resource::ResourceDescriptor;

/// in-toto test results v0.1.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestResult {
    /// `PASSED`, `WARNED` or `FAILED`, as the tester says.
    pub result: String,
    /// What configured the tests.
    #[serde(default)]
    pub configuration: Vec<ResourceDescriptor>,
    /// Which passed.
    #[serde(default)]
    pub passed_tests: Vec<String>,
    /// Which warned.
    #[serde(default)]
    pub warned_tests: Vec<String>,
    /// Which failed.
    #[serde(default)]
    pub failed_tests: Vec<String>,
    /// All other fields.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Where an artifact runs, from an event on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// `rollout`, `traffic`, `rollback`, `retirement`, as the deployer says.
    pub event: String,
    /// The stage, or the deployer's name for it.
    pub environment: String,
    /// All other fields.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// How an artifact fares over a window of time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// `OK`, `DRIFT` or `DEGRADED`, as the monitor says.
    pub verdict: String,
    /// `NONE`, `RETRAIN` or `ROLLBACK`, as the monitor says.
    pub recommendation: String,
    /// All other fields.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}
