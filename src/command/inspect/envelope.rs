//! DSSE envelopes, with the statement in them if it can be read.

use attest::Envelope;
use attest::digest::Sha256;

use super::{part::Part, statement};

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    Ok(described(&Envelope::parse(bytes).map_err(|error| error.to_string())?))
}

/// An envelope, alone or in something else.
pub(super) fn described(envelope: &Envelope) -> Part {
    let mut part = Part::new("envelope");
    part.fact("payload", Sha256::of(&envelope.payload));
    part.fact("payload size", format_args!("{} bytes", envelope.payload.len()));
    part.fact("signed body", envelope.body());
    part.fact("signatures", envelope.signatures.len());
    part.claim("payload type", &envelope.payload_type);
    let names = envelope.signatures.iter().map(|signature| {
        signature.keyid.clone().unwrap_or_else(|| "(does not say by which key)".into())
    });
    part.claim_each("signed by", names);
    part.hold(payload(&envelope.payload));
    part
}

fn payload(bytes: &[u8]) -> Part {
    statement::read(bytes).unwrap_or_else(|why| {
        let mut part = Part::new("payload");
        part.fact("unreadable", why);
        part
    })
}
