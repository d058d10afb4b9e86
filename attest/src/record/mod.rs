//! wip
pub mod secrets;
