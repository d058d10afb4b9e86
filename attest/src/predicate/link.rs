//! Links as attestations: that a functionary has done a step, with what went in.
//!
//! Source: in-toto attestation framework, "Link", version 0.3
//! (`https://in-toto.io/attestation/link/v0.3`). What came out are the statement's subjects.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::resource::ResourceDescriptor;

/// The predicate.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct StepLink {
    /// The step.
    pub name: String,
    /// The command that was run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// What went in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub materials: Vec<ResourceDescriptor>,
    /// What else came of it, such as `return-value`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub byproducts: Map<String, Value>,
    /// Where it was done.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub environment: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_link_has_the_name_of_a_step() {
        let whole = json!({
            "name": "pack", "command": ["tar", "zcvf", "foo.tgz", "foo.txt"],
            "materials": [{"name": "foo.txt", "digest": {"sha256": "00"}}],
            "byproducts": {"return-value": 0}, "environment": {"variables": ""},
        });
        let read = |value: &Value| serde_json::from_value::<StepLink>(value.clone());
        assert_eq!(serde_json::to_value(read(&whole).unwrap()).unwrap(), whole);
        assert!(read(&json!({"name": "pack"})).is_ok());
        // The smallest change.
        let mut without = whole;
        without.as_object_mut().unwrap().remove("name");
        assert!(read(&without).is_err());
    }
}
