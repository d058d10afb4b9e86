//! The register, the service, admission and audit.

pub mod admission;
pub mod register;
pub mod verdicts;
