//! Trust, bundle checks, Merkle proofs and lineage.
//!
//! This crate decides what is *authentic* and joins it into a history; whether that history is
//! good enough is policy's to say. It opens no file and no socket, starts no process and reads
//! no clock: bundles, leaves, the text of the trust file and `now` are arguments. What is
//! rejected is data in the answer, never a reason to stop looking.

mod authority;
mod bundle;
mod contains;
mod error;
mod follow;
mod governing;
pub mod layout;
mod lineage;
pub mod merkle;
mod model;
mod negatives;
mod proof;
mod rewound;
mod rotation;
mod sigstore;
mod supposed;
mod trace;
mod trust;
mod verified;

pub use authority::{
    AuthorityError, Certified, ChainError, ClockError, MAX_REVOCATION_LISTS, MAX_ROOTS, NameError,
    NameKind, NameRule, RevocationError, RevocationList, RevocationListError, TimestampAuthority,
    Usage,
};
pub use bundle::verify;
pub use error::VerifyError;
pub use follow::{FollowError, Followed, Follower, MAX_NEGATIVES};
pub use governing::{
    Activation, Activations, Governing, MAX_VERSIONS, PolicyText, Reinstated, Version,
    VersionError, read_version,
};
pub use lineage::{
    Attestation, Completeness, Contains, Direction, History, Lineage, Named, Rejected, Rejection,
    Revoked, Unexplored, WhyUnexplored,
};
pub use model::{
    Authority, Comparison, KeylessScope, ModelRejection, compare, verify_keyless_model,
    verify_model,
};
pub use negatives::{Negatives, Owed, Revocation, Unheard};
pub use proof::verify_log_proof;
pub use rewound::Rewound;
pub use rotation::{Rotation, RotationError, verify_rotation};
pub use sigstore::{
    AuthorityClaims, BundleClaims, Claim, Clock, EntryClaims, Keyless, MAX_PATTERN_BYTES,
    MAX_ROOT_BYTES, NoSuchClaim, Pattern, PatternError, PatternKind, ProvenTime, RekorEntry,
    SigstoreArtifact, SigstoreBundle, SigstoreBundleError, SigstoreError, SigstoreRoot,
    SigstoreRootError, verify_sigstore,
};
pub use supposed::{Change, ChangeError, Supposed};
pub use trace::{MAX_ARTIFACTS, MAX_BUNDLES, MAX_CHECKS, Trace};
pub use trust::{
    CertifiedSigner, Custody, Demand, Demands, Duty, EndedError, FormerKey, Globs, Governance,
    GovernanceError, Grant, LastGood, MAX_ROLE_ITEMS, MAX_ROLES, MAX_TRUST_BYTES, May, Names,
    NotNow, OpenError, OutOfScope, Place, QuorumError, Reach, Role, Scope, Scopes, StillCounts,
    Trust, TrustError, TrustStanding, TrustedAuthority, TrustedClock, TrustedKey, TrustedLog,
    TrustedRoot, TrustedSigner, TrustedVerifier, TrustedWitness, Whom, Window, Witnessed,
    Witnesses, WitnessesError,
};
pub use verified::{Content, Logged, Signer, Unlogged, Verified};
