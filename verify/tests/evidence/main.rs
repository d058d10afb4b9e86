//! What is believed and what is not, from short recipes: each check has a row that passes it and,
//! beside it, the smallest change that fails.

#![cfg(test)]

mod bundle;
mod flips;
mod follow;
mod governing;
mod heard;
mod log_keys;
mod mutations;
mod retired;
mod scope;
mod support;
mod trace_conflict;
mod trace_contains;
mod trace_direction;
mod trace_limits;
mod trace_merge;
mod trace_order;
mod trace_revoked;
mod trace_standing;
mod trace_withheld;
mod trust;
mod vectors;
