//! The fields of a document, as they are written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Entries, Items, Text};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) api_version: Text,
    pub(crate) kind: Text,
    pub(crate) metadata: Metadata,
    pub(crate) stages: Spanned<Entries<Stage>>,
    pub(crate) steps: Spanned<Entries<Spanned<Step>>>,
    #[serde(default)]
    pub(crate) flow: Items<Spanned<Flow>>,
    #[serde(default)]
    pub(crate) ml: Ml,
    #[serde(default)]
    pub(crate) ages: Entries<Text>,
    #[serde(default)]
    pub(crate) completeness: Option<Text>,
    #[serde(default)]
    pub(crate) rego: Items<Spanned<Rego>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Metadata {
    pub(crate) name: Text,
    pub(crate) version: Spanned<u64>,
    #[serde(default)]
    pub(crate) uri: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Stage {
    pub(crate) mode: Text,
    #[serde(default)]
    pub(crate) after: Option<Spanned<Items<Text>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) predicates: Spanned<Items<Text>>,
    #[serde(default)]
    pub(crate) kind: Option<Text>,
    #[serde(default)]
    pub(crate) build_types: Option<Spanned<Items<Text>>>,
    pub(crate) signers: Signers,
    #[serde(default)]
    pub(crate) log: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Signers {
    pub(crate) any_of: Spanned<Items<Text>>,
    #[serde(default)]
    pub(crate) threshold: Option<Spanned<u64>>,
    #[serde(default)]
    pub(crate) not_same_as: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Flow {
    #[serde(default)]
    pub(crate) from: Option<Text>,
    #[serde(default)]
    pub(crate) select: Option<Text>,
    #[serde(default)]
    pub(crate) to: Option<Text>,
    #[serde(default)]
    pub(crate) coverage: Option<Text>,
    #[serde(default)]
    pub(crate) forbid: Option<Forbid>,
    #[serde(default)]
    pub(crate) strength: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Forbid {
    pub(crate) from: Text,
    #[serde(default)]
    pub(crate) select: Option<Text>,
    pub(crate) to: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Ml {
    #[serde(default)]
    pub(crate) metrics: Items<Spanned<Metric>>,
    #[serde(default)]
    pub(crate) holdout: Items<Spanned<Holdout>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Metric {
    pub(crate) step: Text,
    pub(crate) name: Text,
    pub(crate) dataset: Dataset,
    #[serde(default)]
    pub(crate) at_least: Option<Text>,
    #[serde(default)]
    pub(crate) at_most: Option<Text>,
    pub(crate) min_samples: Spanned<u64>,
    #[serde(default)]
    pub(crate) slices: Option<Spanned<Slices>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Dataset {
    #[serde(default)]
    pub(crate) name: Option<Text>,
    pub(crate) digest: Text,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Slices {
    #[serde(default)]
    pub(crate) at_least: Option<Text>,
    #[serde(default)]
    pub(crate) at_most: Option<Text>,
    #[serde(default)]
    pub(crate) gap_at_most: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Holdout {
    #[serde(default)]
    pub(crate) name: Option<Text>,
    pub(crate) digest: Text,
    pub(crate) not_in: Text,
    #[serde(default)]
    pub(crate) strength: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rego {
    pub(crate) id: Text,
    #[serde(default)]
    pub(crate) effective_on: Option<Text>,
    #[serde(default)]
    pub(crate) effective_until: Option<Text>,
    #[serde(default)]
    pub(crate) text: Option<Text>,
    #[serde(default)]
    pub(crate) file: Option<Text>,
    #[serde(default)]
    pub(crate) sha256: Option<Text>,
}
