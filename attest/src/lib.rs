//! The vocabulary of Assay and its byte formats; recording a step and signing statements.
//!
//! This crate knows what a digest, an artifact, a statement, an envelope and a bundle are, how
//! each is written and how it is read back. It refuses to decide: nothing here says whom to
//! trust, what is allowed or where evidence is kept, and nothing here reads the clock.

pub mod artifact;
pub mod bundle;
pub mod carried;
pub mod certificate;
pub mod checkpoint;
pub mod content;
pub mod cosignature;
pub mod decimal;
pub mod digest;
pub mod envelope;
pub mod format;
pub mod hash;
pub mod in_toto;
pub mod json;
pub mod keeper;
pub mod key;
pub mod keyless;
pub mod leaf;
pub mod manifest;
pub mod name;
pub mod note;
pub mod oci;
pub mod oms;
pub mod predicate;
pub mod proof;
pub mod proposal;
pub mod record;
pub mod resource;
pub mod root;
pub mod statement;
pub mod tile;
pub mod timestamp;
pub mod tree;
pub mod yaml;

pub use artifact::{ArtifactError, ArtifactId, Commit, Kind};
pub use bundle::{Bundle, BundleError, Inclusion, LogEntry};
pub use certificate::ClaimedIdentity;
pub use checkpoint::{Checkpoint, CheckpointError};
pub use cosignature::{Cosigner, CosignerKey};
pub use decimal::{Decimal, DecimalError};
pub use digest::{DigestError, Sha256};
pub use envelope::{Envelope, EnvelopeError, Signature};
pub use jiff::Timestamp;
pub use keeper::Keeper;
pub use key::{Algorithm, KeyError, KeyId, PublicKey, SignatureError, SigningKey};
pub use leaf::{Leaf, LeafError, Verifier};
pub use name::{NameError, StageName, StepName};
pub use note::{Note, NoteError, NoteSignature, NoteSigner, VerifierKey};
pub use predicate::Predicate;
pub use proof::{LogProof, LogProofError};
pub use proposal::{Proposal, ProposalError, Proposed};
pub use resource::{IdentityError, ResourceDescriptor};
pub use statement::{Statement, StatementError};
pub use tile::{TilePath, TilePathError};

/// What the names of Assay's own types start with: predicate types, build types, builder ids.
///
/// The host is reserved (RFC 2606), so that nobody else can ever mean something by these names.
pub const NAMESPACE: &str = "https://assay.example/";
