//! Signing without a key of one's own: the formats of what is asked of a Sigstore instance, of what
//! it answers, and of the bundle that comes out.
//!
//! A fresh key signs once. A certificate authority (Fulcio) certifies it for whomever an identity
//! token is about, a timestamp authority (RFC 3161) says when, and a log of signatures (Rekor v2)
//! takes it in. Nothing here opens a connection, and nothing that an instance answers is believed:
//! it is put together, and whoever signs has the bundle verified before it is used.

mod bundle;
mod certificate;
mod config;
mod timestamp;
mod token;

pub use self::bundle::{KeylessBundle, KeylessContent, LoggedEntry, LoggedEntryError};
pub use self::certificate::{IssuedError, issued, signing_request};
pub use self::config::{
    MAX_CONFIG_BYTES, Service, ServiceKind, SigningConfig, SigningConfigError, SigningServices,
};
pub use self::timestamp::{MAX_TIMESTAMP_BYTES, TimestampAnswerError, TimestampQuery};
pub use self::token::{AUDIENCE, IdentityToken, MAX_TOKEN_BYTES, TokenError};
