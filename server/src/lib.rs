//! The register, the service, admission and audit.
//!
//! `register` keeps every attestation and proves it; `judge` is the one function by which command,
//! interface and admission decide; `keeper` has verdicts ready in memory for `admission`; `http`
//! answers, and `serve` runs it all. Nothing here prints, knows flags or reads the clock: whoever
//! starts it hands them in.

pub mod admission;
pub mod app;
pub mod clock;
pub mod family;
pub mod force;
pub mod http;
pub mod judge;
pub mod keeper;
mod listener;
pub mod monitor;
pub mod notes;
pub mod register;
pub mod seen;
mod serve;
pub mod verdicts;
mod watched;
pub mod wire;
pub mod witness;

pub use http::Token;
#[cfg(feature = "fuzzing")]
pub use register::fuzzing;
pub use serve::{ServeConfig, ServeError, serve, serve_until, worker_threads};
pub use watched::Watched;
