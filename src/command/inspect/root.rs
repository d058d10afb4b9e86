//! Trusted roots of Sigstore instances.

use verify::SigstoreRoot;

use super::part::Part;

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let root = SigstoreRoot::parse(text).map_err(|error| error.to_string())?;
    let mut part = Part::new("trusted root of a Sigstore instance");
    let logs: Vec<&str> = root.logs().collect();
    part.fact("logs of signatures", logs.len());
    part.fact("certificate logs", if root.has_certificate_logs() { "named" } else { "none" });
    part.claim_each("log", logs.into_iter());
    Ok(part)
}
