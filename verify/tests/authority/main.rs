//! Signers with a certificate under an authority of the trust file: each check that passes, and
//! beside it the smallest change that fails.

#![cfg(test)]

mod chains;
mod clocks;
mod mutations;
mod names;
mod registered;
mod revocations;
mod rsa;
mod support;
mod trust_file;
