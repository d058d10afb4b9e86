//! X.509 certificates: alone, or several in a PEM text.

use attest::Timestamp;
use attest::certificate::{CertificateClaims, from_pem};
use attest::digest::Sha256;

use super::part::Part;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// What is done with the certificate of an authority: nothing vouches for it but whoever names it.
const NAMED: &str = "none; whoever gave it to you vouches for it (assay trust add --authority FILE \
                     --name NAME --clock CLOCK, or assay model verify PATH --root FILE)";

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    if !bytes.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return described("certificate", bytes).map_err(|error| error.to_string());
    }
    // Other text may stand around the certificates, in any encoding.
    let found = from_pem(&String::from_utf8_lossy(bytes)).map_err(|error| error.to_string())?;
    if let [one] = found.as_slice() {
        return described("certificate", one).map_err(|error| error.to_string());
    }
    let mut part = Part::new("certificates");
    part.fact("certificates", found.len());
    part.hold_each("the certificates", found.iter().map(|der| or_unreadable("certificate", der)));
    let is_authority = |der: &Vec<u8>| {
        CertificateClaims::of(der).is_ok_and(|claims| claims.is_authority == Some(true))
    };
    if found.iter().all(is_authority) {
        part.checked_by(NAMED);
    }
    Ok(part)
}

/// A certificate in something else.
pub(super) fn or_unreadable(kind: &str, der: &[u8]) -> Part {
    described(kind, der).unwrap_or_else(|error| {
        let mut part = Part::new(kind);
        part.fact("unreadable", error);
        part
    })
}

fn described(kind: &str, der: &[u8]) -> Result<Part, attest::certificate::CertificateError> {
    let claims = CertificateClaims::of(der)?;
    let mut part = Part::new(kind);
    part.fact("digest", Sha256::of(der));
    part.fact("key identity", claims.identity);
    match &claims.key {
        Ok(key) => part.fact("key", key.describe()),
        Err(_) => {
            part.fact("key", format_args!("{}; Assay checks nothing with it", claims.key_algorithm))
        }
    }
    part.claim("subject", or_none(&claims.subject));
    part.claim("issuer", or_none(&claims.issuer));
    part.claim("serial", &claims.serial);
    part.claim("valid from", claims.not_before);
    part.claim("valid until", claims.not_after);
    part.claim("valid for", lasting(claims.not_before, claims.not_after));
    for name in claims.names {
        part.claim_or_unreadable(format_args!("name ({})", name.kind), name.value);
    }
    for claim in claims.fulcio {
        let name = format!("{} (Fulcio .{})", claim.name, claim.number);
        part.claim_or_unreadable(name, claim.value);
    }
    if claims.is_authority == Some(true) {
        part.checked_by(NAMED);
    }
    let authority = claims.is_authority.map(|is| if is { "yes" } else { "no" }.to_owned());
    part.claim_or_unreadable("may issue certificates", authority);
    part.claim_each("usage", claims.usages.iter());
    part.claim("signed with", &claims.signed_with);
    let others = claims
        .others
        .iter()
        .map(|(id, critical)| if *critical { format!("{id} (critical)") } else { id.clone() });
    part.claim_each("other extension", others);
    Ok(part)
}

/// How long a certificate holds, both ends included, in the largest unit that says it well.
fn lasting(from: Timestamp, until: Timestamp) -> String {
    let seconds = until.as_second().saturating_sub(from.as_second()).saturating_add(1);
    if seconds < 1 {
        return "no time: it ends before it begins".into();
    }
    let units = [(86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds")];
    // The last second is inside, so that most are a second longer than they are thought of.
    let counted = units.iter().find(|(unit, _)| seconds >= 2 * unit);
    counted.map_or_else(|| "1 second".into(), |(unit, word)| format!("{} {word}", seconds / unit))
}

const fn or_none(name: &str) -> &str {
    if name.is_empty() { "(empty)" } else { name }
}
