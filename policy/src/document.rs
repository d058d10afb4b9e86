//! The policy document: one YAML text, read strictly.
//!
//! Reading has two steps. Here the text becomes plain fields with their places (line and
//! column), and nothing is tolerated that a reader could overlook: an unknown key, a repeated
//! key, an anchor, a merge, a tag or a second document is an error. [`compile`] then makes
//! rules of the fields, and refuses what cannot mean anything. No file is opened: a policy is a
//! closed set of bytes, and its digest covers all of them.

mod compile;
mod error;
mod field;
mod lines;
mod nearest;
mod place;

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

pub(crate) use compile::compile;
pub use error::{PolicyError, Problem};
pub use place::Place;

/// The largest policy document, in bytes.
pub const MAX_BYTES: usize = 256 << 10;
/// The most entries in any one list or map of the document.
pub const MAX_ENTRIES: usize = 256;
/// How deep the document may nest; its own shape needs eight levels.
const MAX_DEPTH: usize = 16;
/// The most YAML nodes in a document.
const MAX_NODES: usize = 50_000;

/// A text with its place in the document.
pub(crate) type Text = Spanned<String>;

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

/// Reads the text of a policy.
pub(crate) fn read(text: &str) -> Result<Document, PolicyError> {
    if text.len() > MAX_BYTES {
        return Err(Problem::TooLarge { bytes: text.len() }.into());
    }
    let mut budget = serde_saphyr::Budget::default();
    budget.max_depth = MAX_DEPTH;
    budget.max_nodes = MAX_NODES;
    budget.max_documents = 1;
    budget.max_aliases = 0;
    budget.max_anchors = 0;
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.merge_keys = MergeKeyPolicy::Error;
    options.strict_booleans = true;
    options.reject_unsupported_tags = true;
    options.reject_tagged_field_names = true;
    options.with_snippet = false;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| PolicyError::of_yaml(&error))
}

/// The entries of a map in the order of the document, at most [`MAX_ENTRIES`].
#[derive(Debug)]
pub(crate) struct Entries<T>(pub(crate) Vec<(Text, T)>);

/// The items of a list, at most [`MAX_ENTRIES`].
#[derive(Debug)]
pub(crate) struct Items<T>(pub(crate) Vec<T>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct Gather<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Gather::<Self>(PhantomData))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Gather::<Self>(PhantomData))
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Gather<Entries<T>> {
    type Value = Entries<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            bound::<A::Error>(entries.len())?;
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Gather<Items<T>> {
    type Value = Items<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            bound::<A::Error>(items.len())?;
            items.push(item);
        }
        Ok(Items(items))
    }
}

fn bound<E: serde::de::Error>(held: usize) -> Result<(), E> {
    if held < MAX_ENTRIES {
        return Ok(());
    }
    Err(E::custom(format_args!("more than {MAX_ENTRIES} entries")))
}
