//! SLSA verification summaries: what a verifier decided, by which policy, from which evidence.
//!
//! Source: SLSA v1.2, "Verification Summary Attestation"
//! (`https://slsa.dev/verification_summary/v1`).
//!
//! The checkpoint that a verdict judged is a field of ours. Its name is a URI, as the
//! specification's parsing rules ask of extensions, and readers of SLSA ignore it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest::Sha256;
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
    /// The levels reached, and the stage that the verdict is for ([`StageName::level`]); also
    /// [`FAILED`] where the result is that.
    pub verified_levels: Vec<String>,
    /// How many dependencies were verified at each level: numbers, or texts of them where the
    /// producer writes JSON by way of protocol buffers. Empty says that there are none, absent
    /// nothing. Shown; no rule reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependency_levels: Option<Map<String, Value>>,
    /// The version of SLSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slsa_version: Option<String>,
    /// How much of the register had been read: what stands in it from `size` on was not judged.
    #[serde(
        default,
        rename = "https://assay.example/verification_summary/checkpoint",
        skip_serializing_if = "Option::is_none"
    )]
    pub checkpoint: Option<JudgedCheckpoint>,
}

/// What stands among the levels of a summary that says FAILED (SLSA v1.2, "SlsaResult").
pub const FAILED: &str = "FAILED";

/// The state of a register by which a verdict was reached.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JudgedCheckpoint {
    /// The register.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// Its root.
    pub root: Sha256,
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
                dependency_levels: None,
                slsa_version: None,
                checkpoint: None,
            };
            assert_eq!(summary.stage().as_ref().map(StageName::as_str), want);
        }
    }

    /// The example of the specification, with what its parsing rules allow around it.
    #[test]
    fn a_summary_by_others_is_read_and_written_back() {
        let text = r#"{
            "verifier": {"id": "https://example.com/publication_verifier", "version": {"tool": "v2.3.0"}},
            "timeVerified": "1985-04-12T23:20:50.52Z",
            "resourceUri": "https://example.com/example-1.2.3.tar.gz",
            "policy": {"uri": "https://example.com/example_tarball.policy", "digest": {"sha256": "1234"}},
            "inputAttestations": [{"uri": "https://example.com/a.intoto.jsonl", "digest": {"sha256": "abcd"}}],
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
            "dependencyLevels": {"SLSA_BUILD_LEVEL_3": 5, "SLSA_BUILD_LEVEL_2": "7"},
            "slsaVersion": "1.2"
        }"#;
        let read: VerificationSummary = serde_json::from_str(text).unwrap();
        let same: Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), same);
        let more = text.replacen('{', r#"{"https://example.com/more": 1,"#, 1);
        assert_eq!(serde_json::from_str::<VerificationSummary>(&more).unwrap(), read);
        let required =
            ["verifier", "resourceUri", "policy", "verificationResult", "verifiedLevels"];
        for field in required {
            let mut without = same.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(serde_json::from_value::<VerificationSummary>(without).is_err(), "{field}");
        }
    }

    #[test]
    fn the_field_of_ours_is_named_by_a_uri_of_ours() {
        let checkpoint =
            JudgedCheckpoint { origin: "assay.local/1".into(), size: 3, root: Sha256::of(b"") };
        let mut summary: VerificationSummary = serde_json::from_str(
            r#"{"verifier":{"id":"v"},"resourceUri":"x","policy":{},"verificationResult":"FAILED","verifiedLevels":["FAILED"]}"#,
        )
        .unwrap();
        summary.checkpoint = Some(checkpoint);
        let value = serde_json::to_value(&summary).unwrap();
        let own = format!("{}verification_summary/checkpoint", crate::NAMESPACE);
        assert_eq!(value[&own]["size"], 3);
        assert_eq!(serde_json::from_value::<VerificationSummary>(value).unwrap(), summary);
    }
}
