//! Layouts and links, judged: others' vectors, a case for each check with the smallest change that
//! fails beside it, and every field of a good document changed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test fails by panicking, and reads vectors from disk or says that it does not"
)]

mod cases;
mod mutations;
mod patterns;
mod seeds;
mod sublayouts;
mod support;
mod vectors;
