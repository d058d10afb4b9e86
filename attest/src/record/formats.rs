//! What the files of products seem to be, by their first bytes.
//!
//! Read through the same listing as their digests: what changed in between is an error.

use crate::content::Listing;
use crate::format::{HEAD_BYTES, UNKNOWN, detect};
use crate::hash::{HashError, read_head};
use crate::root::Root;

/// The most files of one product that are looked at; of more nobody knows all.
const MAX_FILES: usize = 1_000;

/// For each listing, the formats of its files, each once, in the order of their names.
pub(super) fn of(root: &Root, listings: &[&Listing]) -> Result<Vec<Vec<&'static str>>, HashError> {
    listings.iter().map(|listing| of_one(root, listing)).collect()
}

fn of_one(root: &Root, listing: &Listing) -> Result<Vec<&'static str>, HashError> {
    let mut found = Vec::new();
    for file in listing.files().iter().take(MAX_FILES) {
        let head = read_head(root, file, HEAD_BYTES)?;
        found.push(detect(&head, file.identity.size()));
    }
    if listing.files().len() > MAX_FILES {
        found.push(UNKNOWN);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
