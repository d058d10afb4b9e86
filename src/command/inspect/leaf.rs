//! Entries of a register: Rekor v2 `hashedrekord` 0.0.2.

use attest::digest::to_hex;
use attest::{Leaf, Verifier};

use super::{certificate, key, part::Part};

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    let leaf = Leaf::parse(bytes).map_err(|error| error.to_string())?;
    let mut part = described(&leaf);
    part.fact("leaf hash", leaf.hash());
    Ok(part)
}

/// An entry, alone or in something else.
pub(super) fn described(leaf: &Leaf) -> Part {
    let mut part = Part::new("hashedrekord entry");
    part.claim("digest of what was signed", to_hex(leaf.data()));
    match leaf.verifier() {
        Verifier::Key(found) => {
            let mut held = Part::new("key of the signer");
            key::identify(&mut held, found);
            part.hold(held);
        }
        Verifier::Certificate(der) => {
            part.hold(certificate::or_unreadable("certificate of the signer", der));
        }
    }
    part
}
