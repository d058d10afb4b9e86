//! Witnesses: other people's for our register, and ours for other people's logs.
//!
//! A witness remembers the largest tree of a log that it saw and cosigns only what extends it, so
//! that a log cannot show one tree here and another there. `request` and `state` are the protocol
//! without I/O (C2SP tlog-witness); `store`, `service` and `serve` make a witness of them. `list`,
//! `client`, `round` and `cosigning` are our register's side: whom it asks, and what comes of it;
//! `fork` keeps the evidence when a witness has seen another history.

mod client;
mod cosigning;
pub(crate) mod durable;
mod fork;
mod list;
mod request;
mod round;
mod serve;
mod service;
mod state;
mod store;

/// Whether an answer of a witness is one of those that the protocol has; for fuzzers.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn makes_sense(status: u16, is_size: bool, text: &str) -> bool {
    matches!(
        client::understood(status, is_size, text),
        client::Reply::Lines(_) | client::Reply::Conflict(_)
    )
}

pub use cosigning::{Cosigning, CosigningError, restore};
pub(crate) use cosigning::{FRESH, RETRY};
pub use fork::{Fork, settle, unsettled};
pub use list::{Asked, ListError, MAX_WITNESSES, WitnessList};
pub use request::{AddCheckpoint, MAX_PROOF_LINES, MAX_REQUEST_BYTES, RequestError};
pub use round::{Outcome, Round};
pub use serve::{
    WitnessConfig, WitnessServeError, serve_witness, serve_witness_until, witness_router,
};
pub use service::{MAX_LOGS, Witness, WitnessError};
pub use state::{Cosigned, Refusal};
pub use store::{Store, StoreError};
