//! Timestamps (RFC 3161), alone or in a bundle.

use attest::digest::{Sha256, to_hex};
use attest::timestamp::TimestampClaims;

use super::{certificate, part::Part};

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    described(bytes, None).map_err(|error| error.to_string())
}

/// A timestamp in a bundle that has this signature.
pub(super) fn or_unreadable(der: &[u8], signature: Option<&[u8]>) -> Part {
    described(der, signature).unwrap_or_else(|error| {
        let mut part = Part::new("timestamp (RFC 3161)");
        part.fact("digest", Sha256::of(der));
        part.fact("unreadable", error);
        part
    })
}

fn described(der: &[u8], signature: Option<&[u8]>) -> Result<Part, attest::timestamp::NoTimestamp> {
    let claims = TimestampClaims::of(der)?;
    let mut part = Part::new("timestamp (RFC 3161)");
    part.fact("digest", Sha256::of(der));
    if let Some(signature) = signature {
        let covers = claims.covers(signature);
        let word = if covers { "the signature beside it" } else { "something else" };
        part.fact("covers", word);
    }
    part.claim("time", claims.time);
    part.claim_if_any("authority", claims.authority.as_ref());
    part.claim("serial", &claims.serial);
    part.claim("policy", &claims.policy);
    part.claim("covered digest", format_args!("{}:{}", claims.hash, to_hex(&claims.digest)));
    if let Some((issuer, serial)) = &claims.signer {
        part.claim("signed by", format_args!("certificate {serial} of {issuer}"));
    }
    let held = claims.certificates.iter();
    let held = held.map(|der| certificate::or_unreadable("certificate that came with it", der));
    part.hold_each("the certificates", held);
    Ok(part)
}
