//! in-toto layouts and links: who may do which step of a supply chain, and evidence that a step
//! was done.
//!
//! Source: in-toto specification v1.0, section 4, and what the Python implementation writes. A
//! document is either a *metablock*, whose signatures are over the OLPC canonical JSON of its
//! field `signed`, or a DSSE envelope. What the signatures are over is worked out here, and
//! nobody is believed here: [`Metadata`] is what was received.
//!
//! The keys of layouts are of more kinds than [`crate::PublicKey`] accepts, RSA among them. They
//! stay in [`LayoutKey`], which converts into nothing else, so that such a key counts for layouts
//! and links alone.

mod canonical;
mod key;
mod layout;
mod link;
mod metadata;
mod rule;

pub use canonical::{CanonicalError, canonical};
pub use key::{
    KeyLabel, LabelError, LayoutKey, LayoutKeyError, MAX_RSA_BITS, MIN_RSA_BITS, Material,
    RsaScheme,
};
pub use layout::{
    Inspection, Layout, LayoutError, MAX_KEYS, MAX_NAME_BYTES, MAX_RULES, MAX_STEPS, Step,
};
pub use link::{Artifacts, Link, LinkError, MAX_ARTIFACTS, MAX_PATH_BYTES};
pub use metadata::{
    Content, Form, Metadata, MetadataError, MetadataSignature, SignError, file_name, folder_name,
    sign,
};
pub use rule::{MAX_WORD_BYTES, Match, Rule, RuleError, RuleKind, Side};
