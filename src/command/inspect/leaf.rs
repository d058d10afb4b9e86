//! Entries of a register: Rekor v2 `hashedrekord` 0.0.2.

use attest::digest::to_hex;
use attest::{Leaf, Sha256, Verifier};

use super::{certificate, key, part::Part};

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    let leaf = Leaf::parse(bytes).map_err(|error| error.to_string())?;
    let mut part = Part::new("hashedrekord entry");
    part.fact("leaf hash", leaf.hash());
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
    Ok(part)
}

/// Says in a line each what an entry in a bundle has, which shows the certificate elsewhere.
pub(super) fn sum_up(part: &mut Part, leaf: &Leaf) {
    part.fact("leaf hash", leaf.hash());
    part.claim("digest of what was signed", to_hex(leaf.data()));
    match leaf.verifier() {
        Verifier::Key(found) => part.claim("signed by key", found.id()),
        Verifier::Certificate(der) => part.claim("signed by certificate", Sha256::of(der)),
    }
}
