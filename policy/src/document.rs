//! The policy document: one YAML text, read strictly.
//!
//! Reading has two steps. Here the text becomes plain fields with their places (line and
//! column), and nothing is tolerated that a reader could overlook: an unknown key, a repeated
//! key, an anchor, a merge, a tag or a second document is an error. [`compile`] then makes
//! rules of the fields, and refuses what cannot mean anything. No file is opened: a policy is a
//! closed set of bytes, and its digest covers all of them.

mod cases;
mod compile;
mod conflict;
mod corroboration;
mod dependencies;
mod describe;
mod error;
mod field;
mod files;
mod gather;
mod layouts;
mod lines;
mod ml;
mod nearest;
mod place;
mod policy;
mod rego;
mod shape;
mod stages;
mod steps;
mod sublayouts;
mod trust;
mod waivers;

use serde_saphyr::Spanned;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

pub(crate) use cases::read as read_case;
pub(crate) use compile::compile;
pub(crate) use describe::schema;
pub use error::{PolicyError, Problem};
pub(crate) use field::can_be_a_step;
pub use files::{Files, MAX_FILE_BYTES, MAX_FILES_BYTES};
pub(crate) use files::{named, registered};
pub(crate) use gather::{Entries, Items};
pub(crate) use ml::{Holdout, Metric, Slices};
pub(crate) use nearest::nearest;
pub use place::Place;
pub(crate) use shape::{Document, Flow, Forbid, Rego, Signers, Step};

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

/// Reads the text of a policy.
pub(crate) fn read(text: &str) -> Result<Document, PolicyError> {
    strictly(text)
}

/// Reads a text of one of our shapes.
fn strictly<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, PolicyError> {
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

/// The fields of a document as they are written, texts as texts, without those that are not there:
/// for whoever compares documents.
pub(crate) fn fields(document: &Document) -> serde_json::Value {
    let mut fields = serde_json::to_value(document).unwrap_or_default();
    drop_absent(&mut fields);
    fields
}

/// The document nests [`MAX_DEPTH`] levels at most.
fn drop_absent(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_absent);
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(drop_absent),
        _ => {}
    }
}
