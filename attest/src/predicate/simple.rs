//! Simple verification results: the properties that a verifier found an artifact to have.
//!
//! Source: in-toto attestation framework, "Simple Verification Result", version 0.2
//! (`https://in-toto.io/attestation/svr/v0.2`). Only what passed is listed; a result has no way to
//! say that something failed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::StageName;
use crate::resource::ResourceDescriptor;

/// The predicate.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SimpleVerification {
    /// Who verified.
    pub verifier: SimpleVerifier,
    /// When. A claim by the signer.
    pub time_created: Timestamp,
    /// The properties that passed, each under the name that its framework gives it.
    pub properties: Vec<String>,
}

/// Who verified, and by what. Counts only together with the key that signed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SimpleVerifier {
    /// Its URI.
    pub id: String,
    /// The policies; none where none can be named. The field must be there.
    pub policies: Vec<ResourceDescriptor>,
}

impl SimpleVerification {
    /// The stage that is among the properties ([`StageName::level`]), if exactly one is.
    pub fn stage(&self) -> Option<StageName> {
        let mut stages = self.properties.iter().filter_map(|one| StageName::from_level(one));
        let stage = stages.next()?;
        stages.next().is_none().then_some(stage)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The example of the specification with each field that must be there left out.
    #[test]
    fn every_field_of_the_specification_must_be_there() {
        let whole = json!({
            "verifier": {"id": "https://example.com/publication_verifier/v2", "policies": []},
            "timeCreated": "1985-04-12T23:20:50.52Z",
            "properties": ["SLSA_BUILD_LEVEL_3", "ASSAY_STAGE_STAGING"],
        });
        let read = |value: &Value| serde_json::from_value::<SimpleVerification>(value.clone());
        let found = read(&whole).unwrap();
        assert_eq!(serde_json::to_value(&found).unwrap(), whole);
        assert_eq!(found.stage().unwrap().as_str(), "staging");
        let fields =
            ["/verifier", "/verifier/id", "/verifier/policies", "/timeCreated", "/properties"];
        for field in fields {
            let mut without = whole.clone();
            let (above, name) = field.rsplit_once('/').unwrap();
            let map = without.pointer_mut(above).unwrap().as_object_mut().unwrap();
            map.remove(name).unwrap();
            assert!(read(&without).is_err(), "{field}");
        }
    }
}
