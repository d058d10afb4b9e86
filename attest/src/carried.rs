//! Bundles of signers without a key, as a register keeps them: whole, in an envelope of their own.
//!
//! A signature that came with a certificate is good only together with what proves when it was made:
//! timestamps (RFC 3161), entries of other logs. A leaf of the register has no place for these, and
//! the time at which the register took an entry is its own word, which no checkpoint signs; so it is
//! no time by which a certificate may be judged (THREATS, rule 8). Therefore the bundle is the
//! payload, byte for byte as it was received, and it proves itself wherever it is read.
//!
//! The envelope is signed with one key that is known to all, because its secret half stands below.
//! That signature vouches for nothing. It marks the leaf: whoever follows a register sees from the
//! leaf alone that a bundle belongs to it, whoever signed inside, and cannot be denied the bundle
//! without noticing (THREATS, rule 26). What is inside counts from the entry of the envelope on.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::bundle::{Bundle, BundleError};
use crate::certificate::{self, CertificateError};
use crate::envelope::{Envelope, Signature};
use crate::key::{KeyError, KeyId, PublicKey, SigningKey};

/// The payload type of an envelope that holds a Sigstore bundle, of whatever version.
pub const CARRIED: &str = "application/vnd.dev.sigstore.bundle+json";
/// The largest bundle that is carried, in bytes: the largest statement, in base64, and its evidence.
pub const MAX_CARRIED_BYTES: usize = crate::json::MAX_BYTES;

/// The secret half of the key that everybody has.
const SEED: [u8; 32] = *b"assay evidence: nobody's own key";

static KEY: LazyLock<Result<SigningKey, KeyError>> =
    LazyLock::new(|| SigningKey::from_ed25519_seed(&SEED));

/// Why a bundle is not carried, or an envelope carries none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarriedError {
    /// More than [`MAX_CARRIED_BYTES`].
    #[error("the bundle has {0} bytes, at most {MAX_CARRIED_BYTES} are allowed")]
    TooLarge(usize),
    /// No bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A key signed, which needs nobody to carry its bundle.
    #[error("the bundle has no certificate: submit its envelope with the key that signed it")]
    NoCertificate,
    /// Not the one signature that a certificate is for.
    #[error("the envelope in the bundle has {0} signatures, and the certificate is for one")]
    Signatures(usize),
    /// The certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The certificate is another's.
    #[error("the signature in the bundle is not by the key of its certificate")]
    OtherKey,
    /// The key that everybody has cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The envelope has another signature than that which marks it.
    #[error("the envelope around the bundle is not signed as `assay log submit` signs it")]
    Mark,
}

/// The key that marks the leaves of carried bundles. Everybody can sign with it.
///
/// # Errors
/// [`KeyError`] when the library does not take the key.
pub fn mark() -> Result<PublicKey, KeyError> {
    KEY.as_ref().map(|key| key.public().clone()).map_err(Clone::clone)
}

/// Whether this is the key that everybody has.
pub fn is_mark(key: &KeyId) -> bool {
    KEY.as_ref().is_ok_and(|own| own.public().id() == *key)
}

/// The envelope that carries the bundle with these bytes, whose certificate must be for the key that
/// signed. Who issued the certificate, and when, is for whoever reads it.
///
/// # Errors
/// [`CarriedError`].
pub fn carry(received: &[u8]) -> Result<Envelope, CarriedError> {
    check(received)?;
    let key = KEY.as_ref().map_err(Clone::clone)?;
    Ok(Envelope::sign(CARRIED, received.to_vec(), &[key])?)
}

/// The bundle that an envelope carries; nothing when it is an envelope of another kind.
///
/// # Errors
/// [`CarriedError`].
pub fn carried(envelope: &Envelope) -> Result<Option<Bundle>, CarriedError> {
    if envelope.payload_type != CARRIED {
        return Ok(None);
    }
    check(&envelope.payload).map(Some)
}

/// Whether an envelope that carries a bundle has the one signature that marks it.
///
/// # Errors
/// [`CarriedError::Mark`].
pub fn require_mark(envelope: &Envelope) -> Result<(), CarriedError> {
    let [Signature { sig, .. }] = envelope.signatures.as_slice() else {
        return Err(CarriedError::Mark);
    };
    mark()?.verify(&envelope.pae(), sig).map_err(|_| CarriedError::Mark)
}

/// The envelope that says something: the one inside, where one is carried.
pub fn opened(envelope: &Envelope) -> Cow<'_, Envelope> {
    match carried(envelope) {
        Ok(Some(bundle)) => Cow::Owned(bundle.envelope),
        Ok(None) | Err(_) => Cow::Borrowed(envelope),
    }
}

fn check(received: &[u8]) -> Result<Bundle, CarriedError> {
    if received.len() > MAX_CARRIED_BYTES {
        return Err(CarriedError::TooLarge(received.len()));
    }
    let bundle = Bundle::parse(received)?;
    let certificate = bundle.certificate().ok_or(CarriedError::NoCertificate)?;
    let [Signature { sig, .. }] = bundle.envelope.signatures.as_slice() else {
        return Err(CarriedError::Signatures(bundle.envelope.signatures.len()));
    };
    let key = certificate::certified_key(&certificate)?;
    key.verify(&bundle.envelope.pae(), sig).map_err(|_| CarriedError::OtherKey)?;
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::envelope::IN_TOTO;
    use crate::key::Algorithm;
    use crate::proposal::tests::certificate_with;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    /// A bundle by `key`, with a certificate for `certified`.
    fn bundle(key: &SigningKey, certified: &PublicKey) -> Value {
        let envelope = Envelope::sign(IN_TOTO, b"{}".to_vec(), &[key]).unwrap();
        let certificate = STANDARD.encode(certificate_with(certified, &[]));
        json!({
            "mediaType": crate::bundle::MEDIA_TYPE,
            "verificationMaterial": {"certificate": {"rawBytes": certificate}, "tlogEntries": []},
            "dsseEnvelope": serde_json::from_slice::<Value>(&envelope.to_json()).unwrap(),
        })
    }

    #[test]
    fn a_bundle_comes_out_as_it_went_in() {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let received = serde_json::to_vec_pretty(&bundle(&key, key.public())).unwrap();
        let envelope = carry(&received).unwrap();
        require_mark(&envelope).unwrap();
        assert_eq!(carry(&received).unwrap(), envelope, "one bundle makes one leaf");
        let inside = carried(&envelope).unwrap().unwrap();
        assert_eq!(inside.to_json(), received);
        assert_eq!(opened(&envelope).into_owned(), inside.envelope);
        // An envelope of another kind is what it is.
        assert_eq!(carried(&inside.envelope).unwrap(), None);
        assert_eq!(opened(&inside.envelope).into_owned(), inside.envelope);
    }

    #[test]
    fn the_smallest_changes_are_not_carried() {
        type Change = fn(&mut Value);
        let (key, other) = (
            SigningKey::generate(Algorithm::P256).unwrap(),
            SigningKey::generate(Algorithm::P256).unwrap(),
        );
        let cases: [(&str, &PublicKey, Change, bool); 6] = [
            ("as it is", key.public(), |_| {}, true),
            ("somebody else's certificate", other.public(), |_| {}, false),
            (
                "another payload",
                key.public(),
                |it| it["dsseEnvelope"]["payload"] = "e30K".into(),
                false,
            ),
            (
                "a key's",
                key.public(),
                |it| it["verificationMaterial"] = json!({"publicKey": {"hint": "x"}}),
                false,
            ),
            (
                "a second signature",
                key.public(),
                |it| {
                    let signatures = it["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
                    signatures.push(signatures[0].clone());
                },
                false,
            ),
            ("no bundle", key.public(), |it| it["mediaType"] = "x".into(), false),
        ];
        for (name, certified, change, want) in cases {
            let mut it = bundle(&key, certified);
            change(&mut it);
            assert_eq!(carry(it.to_string().as_bytes()).is_ok(), want, "{name}");
        }
        // Whoever signs the envelope otherwise says nothing by it.
        let received = bundle(&key, key.public()).to_string().into_bytes();
        let marked = carry(&received).unwrap();
        let envelope = Envelope::sign(CARRIED, received, &[&key]).unwrap();
        assert!(require_mark(&marked).is_ok() && require_mark(&envelope).is_err());
    }
}
