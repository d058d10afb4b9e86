//! Sigstore bundles v0.1 to v0.3, those that Assay writes among them.

use attest::Leaf;
use attest::digest::{Sha256, to_hex};
use verify::{BundleClaims, EntryClaims, SigstoreBundle};

use super::{certificate, envelope, leaf, note, part::Part, timestamp};

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    match SigstoreBundle::parse(bytes) {
        Ok(bundle) => Ok(described(&bundle.claims())),
        // Assay's own may hold more signatures than the one that Sigstore allows.
        Err(why) => own(bytes).ok_or_else(|| why.to_string()),
    }
}

fn described(claims: &BundleClaims) -> Part {
    let mut part = Part::new("bundle");
    part.fact("certificates", claims.certificates.len());
    part.fact("log entries", claims.entries.len());
    part.fact("timestamps", claims.timestamps.len());
    part.claim("media type", claims.media_type);
    part.claim_if_any("key hint", claims.hint.as_ref());
    if let Some((hash, digest)) = &claims.message {
        part.claim("message digest", format_args!("{hash}:{}", to_hex(digest)));
    }
    match &claims.envelope {
        Some(held) => part.hold(envelope::described(held)),
        None => part.claim("signs", "the bytes of an artifact, which are not in it"),
    }
    let certificates = claims.certificates.iter().enumerate().map(|(place, der)| {
        let kind = if place == 0 { "certificate of the signer" } else { "certificate above it" };
        certificate::or_unreadable(kind, der)
    });
    part.hold_each("the certificates", certificates);
    part.hold_each("the log entries", claims.entries.iter().map(entry));
    let stamps =
        claims.timestamps.iter().map(|der| timestamp::or_unreadable(der, Some(&claims.signature)));
    part.hold_each("the timestamps", stamps);
    part
}

fn entry(claims: &EntryClaims) -> Part {
    let mut part = Part::new("log entry");
    part.fact("entry", Sha256::of(&claims.body));
    part.claim("kind", &claims.kind);
    part.claim("position", claims.index);
    part.claim("log id", to_hex(&claims.log_id));
    part.claim_if_any("taken into the log", claims.integrated);
    part.claim("promise of the log", if claims.promised { "there" } else { "none" });
    match &claims.proof {
        Some((size, root, checkpoint)) => {
            part.claim("proof for size", size);
            part.claim("proof for root", root);
            if checkpoint.is_empty() {
                part.claim("checkpoint", "none");
            } else {
                part.hold(note::or_unreadable(checkpoint));
            }
        }
        None => part.claim("proof", "none"),
    }
    if let Ok(found) = Leaf::parse(&claims.body) {
        leaf::sum_up(&mut part, &found);
    }
    part
}

/// A bundle that Assay wrote.
fn own(bytes: &[u8]) -> Option<Part> {
    let bundle = attest::Bundle::parse(bytes).ok()?;
    let mut part = Part::new("bundle");
    part.fact("log entries", bundle.entries.len());
    part.claim_if_any("key hint", bundle.hint.as_ref());
    part.hold(envelope::described(&bundle.envelope));
    let entries = bundle.entries.iter().map(|held| {
        entry(&EntryClaims {
            index: held.index,
            log_id: held.log_id.clone(),
            kind: "hashedrekord 0.0.2".into(),
            integrated: None,
            promised: false,
            body: held.leaf.clone(),
            proof: held
                .proof
                .as_ref()
                .map(|proof| (proof.size, proof.root, proof.checkpoint.clone())),
        })
    });
    part.hold_each("the log entries", entries);
    Some(part)
}
