//! The interface over HTTP: [`router`] lists every route, a file for each resource has its
//! handlers, and each handler parses, calls and answers.

mod admit;
mod artifacts;
mod check;
mod entries;
mod extract;
mod find;
mod health;
mod metrics;
mod openapi;
mod problem;
mod promote;
mod proofs;
mod rekor;
mod router;
mod tiles;
mod token;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use find::search_of;
pub(crate) use metrics::Requests;
pub use problem::{ApiError, Effect, MEDIA_TYPE, Problem};
pub use router::router;
pub use token::{MAX_LENGTH, MIN_LENGTH, Token, TokenError};
