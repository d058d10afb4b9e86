//! Sigstore bundles that others made: the cases of Sigstore's conformance suite, when they are at
//! hand, whole and with every field changed.

#![cfg(test)]

mod cases;
mod conformance;
mod lineage;
mod mutations;
mod trust;
