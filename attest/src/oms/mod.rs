//! OpenSSF Model Signing (OMS) v1.0: a signed list of the files of a model.
//!
//! Source: `spec/v1.0.md` of ossf/model-signing-spec; "section" means a section of it. Where the
//! reference implementation (`model-signing` 1.1.1) departs from it, the specification rules;
//! what that implementation writes is read all the same:
//!
//! | it writes | read as |
//! | --- | --- |
//! | resources in the order of path components (`a/b` before `a.b`) | their order, which the root hashes |
//! | `algorithm: sha256-sharded-1000` for shards | `sha256` |
//! | `shard_size: 1000.0` | `1000` |
//! | `name: .` for a model of one file | the file |
//! | `keyid` empty or `null`, `rawBytes` beside no `hint` | hints, which decide nothing |
//!
//! It also accepts what is refused here: an empty model, a resource that stands twice, a name
//! that leads out of the model, an ignored path with a wildcard, more than one signature.
//!
//! The root of a model ([`Manifest::root`]) hashes digests alone: files that trade names keep it.
//! It is believed only together with the manifest that it was computed from, and a statement
//! whose subject is not the root of its own manifest is no statement.

mod bundle;
mod cache;
mod manifest;
mod names;
mod scan;
mod serialization;
mod signed;
mod walk;

pub use bundle::{Bundle, BundleError, MAX_CERTIFICATES, MAX_TIMESTAMPS, Material};
pub use cache::{Cache, CacheError};
pub use manifest::{Manifest, ManifestError, Resource, SignedFile, Stretch};
pub use names::MAX_NAME_BYTES;
pub use scan::{
    HashedFile, HashedStretch, MAX_LINKED_DIRECTORIES, Refused, Scan, ScanError, ScannedFile,
    Skipped, WhySkipped,
};
pub use serialization::{DEFAULT_IGNORED, DEFAULT_SHARD_BYTES, MAX_IGNORED, Method, Serialization};
pub use signed::{LEGACY, Model, ModelError, payload};

/// How many resources a manifest may have.
pub const MAX_RESOURCES: usize = 1_000_000;
