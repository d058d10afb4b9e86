//! Proofs that an entry is in a log (C2SP tlog-proof).

use attest::LogProof;
use attest::digest::Sha256;

use super::{note, part::Part};

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let proof: LogProof = text.parse().map_err(|error: attest::LogProofError| error.to_string())?;
    let mut part = Part::new("proof that an entry is in a log");
    part.fact("hashes", proof.hashes.len());
    if let Some(extra) = &proof.extra {
        part.fact("extra data", format_args!("{} bytes, {}", extra.len(), Sha256::of(extra)));
    }
    part.claim("position", proof.index);
    part.claim("entry", "not in the proof; who checks it brings it");
    part.hold(note::or_unreadable(&proof.checkpoint));
    Ok(part)
}
