//! Trusted roots of Sigstore instances.

use attest::Sha256;
use verify::{AuthorityClaims, SigstoreRoot};

use super::{certificate, part::Part};

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let root = SigstoreRoot::parse(text).map_err(|error| error.to_string())?;
    let mut part = Part::new("trusted root of a Sigstore instance");
    let named = root.claims();
    part.fact("logs and authorities", named.len());
    part.fact("certificate logs", if root.has_certificate_logs() { "named" } else { "none" });
    part.hold_each("the logs and authorities", named.iter().map(authority));
    Ok(part)
}

fn authority(claims: &AuthorityClaims) -> Part {
    let mut part = Part::new(claims.kind);
    if let Some(key) = &claims.key {
        part.fact("key identity", Sha256::of(key));
    }
    part.claim("served at", if claims.uri.is_empty() { "(empty)" } else { &claims.uri });
    part.claim_if_any("believed from", claims.from);
    part.claim_if_any("believed until", claims.until);
    let chain = claims.certificates.iter();
    part.hold_each(
        "the certificates",
        chain.map(|der| certificate::or_unreadable("certificate", der)),
    );
    part
}
