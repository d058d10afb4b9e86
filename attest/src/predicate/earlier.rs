//! SLSA provenance v0.2: how artifacts were made, as older builders still say it.
//!
//! Source: SLSA, "Provenance v0.2" (`https://slsa.dev/provenance/v0.2`). Only what judging rests on
//! has a type, the materials and the times; a statement is not refused for the shape of the rest,
//! which is kept whole. All of it is a claim by the signer. It can neither name a step nor be of a
//! kind of Assay's own.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::json::null_as_empty;
use crate::resource::ResourceDescriptor;

/// The predicate.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct EarlierProvenance {
    /// What went in. A git commit stands there as `sha1` as a rule, which identifies nothing.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub materials: Vec<ResourceDescriptor>,
    /// When it ran.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub metadata: EarlierMetadata,
    /// Anything else: the builder, the build type, the invocation, the build configuration.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// When a build ran. Claims by the signer.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EarlierMetadata {
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_started_on: Option<Timestamp>,
    /// When it finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_finished_on: Option<Timestamp>,
    /// Anything else: the name of the run, and what the builder holds for complete.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl EarlierProvenance {
    /// The template of the build, a URI.
    pub fn build_type(&self) -> Option<&str> {
        self.rest.get("buildType")?.as_str()
    }

    /// What the signer says ran the build, a URI. Trust in it comes from the key alone.
    pub fn builder(&self) -> Option<&str> {
        self.rest.get("builder")?.get("id")?.as_str()
    }

    /// What the caller of the build gave it.
    pub fn parameters(&self) -> Option<&Map<String, Value>> {
        self.rest.get("invocation")?.get("parameters")?.as_object()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_judging_rests_on_must_have_its_shape() {
        let whole = json!({
            "builder": {"id": "https://builder.example"},
            "buildType": "https://builder.example/make",
            "invocation": {"parameters": {"target": "all"}},
            "metadata": {"buildStartedOn": "2026-11-01T00:00:00Z", "reproducible": false},
            "materials": [{"uri": "git+https://host.example/repo", "digest": {"sha1": "00"}}],
        });
        let typed: EarlierProvenance = serde_json::from_value(whole.clone()).unwrap();
        assert_eq!(typed.builder(), Some("https://builder.example"));
        assert_eq!(typed.build_type(), Some("https://builder.example/make"));
        assert_eq!(typed.parameters().unwrap()["target"], "all");
        assert_eq!(serde_json::to_value(&typed).unwrap(), whole, "nothing is lost");
        let cases = [
            ("no materials", "materials", json!(null), true),
            ("no metadata", "metadata", json!(null), true),
            ("no builder", "builder", json!(null), true),
            ("a builder of another shape", "builder", json!("x"), true),
            ("an invocation of another shape", "invocation", json!([]), true),
            ("materials by name", "materials", json!({"a": "b"}), false),
            ("materials that are texts", "materials", json!(["a"]), false),
            ("a digest that is a text", "materials", json!([{"digest": "sha256:00"}]), false),
            ("no time", "metadata", json!({"buildStartedOn": null}), true),
            ("a time that is none", "metadata", json!({"buildStartedOn": "yesterday"}), false),
        ];
        for (name, field, value, want) in cases {
            let mut changed = whole.clone();
            changed[field] = value;
            let found = serde_json::from_value::<EarlierProvenance>(changed);
            assert_eq!(found.is_ok(), want, "{name}");
        }
    }
}
