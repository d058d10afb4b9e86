//! SLSA verification summaries: what a verifier decided, by which policy, from which evidence.
//!
//! Source: SLSA v1.2, "Verification Summary Attestation"
//! (`https://slsa.dev/verification_summary/v1`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::name::StageName;
use crate::resource::ResourceDescriptor;

/// The predicate.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationSummary {
    /// Who decided.
    pub verifier: Verifier,
    /// When. A claim by the signer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_verified: Option<Timestamp>,
    /// Where the artifact is.
    pub resource_uri: String,
    /// By which policy.
    pub policy: PolicyReference,
    /// Every attestation that the decision rests on.
    #[serde(default)]
    pub input_attestations: Vec<ResourceDescriptor>,
    /// The verdict.
    pub verification_result: VerificationResult,
    /// The levels reached, and the stage that the verdict is for ([`StageName::level`]).
    pub verified_levels: Vec<String>,
    /// The version of SLSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slsa_version: Option<String>,
}

/// Who decided. Counts only together with the key that signed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Verifier {
    /// Its URI.
    pub id: String,
    /// Versions of its parts.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub version: Map<String, Value>,
}

/// A policy, by its digest.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PolicyReference {
    /// Its URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests.
    #[serde(default)]
    pub digest: std::collections::BTreeMap<String, String>,
}

/// The verdict.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerificationResult {
    /// Every rule held.
    Passed,
    /// A rule did not.
    Failed,
}

impl VerificationSummary {
    /// The stage that the verdict is for, if exactly one is named.
    pub fn stage(&self) -> Option<StageName> {
        let mut stages =
            self.verified_levels.iter().filter_map(|level| StageName::from_level(level));
        let stage = stages.next()?;
        stages.next().is_none().then_some(stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_for_exactly_one_stage() {
        let cases: [(&[&str], Option<&str>); 4] = [
            (&["SLSA_BUILD_LEVEL_1", "ASSAY_STAGE_STAGING"], Some("staging")),
            (&["SLSA_BUILD_LEVEL_1"], None),
            (&["ASSAY_STAGE_STAGING", "ASSAY_STAGE_PRODUCTION"], None),
            (&[], None),
        ];
        for (levels, want) in cases {
            let summary = VerificationSummary {
                verifier: Verifier { id: "https://gate.example".into(), version: Map::new() },
                time_verified: None,
                resource_uri: "x".into(),
                policy: PolicyReference { uri: None, digest: Default::default() },
                input_attestations: Vec::new(),
                verification_result: VerificationResult::Passed,
                verified_levels: levels.iter().map(ToString::to_string).collect(),
                slsa_version: None,
            };
            assert_eq!(summary.stage().as_ref().map(StageName::as_str), want);
        }
    }
}
