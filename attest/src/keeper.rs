//! Keys that sign without ever being here: in a token, or with a service of somebody else's.
//!
//! Whoever keeps such a key is asked for each signature, and what it answers is believed of
//! nobody: a signature that does not check under the public key is an error, and goes nowhere.

use pkcs8::der::asn1::UintRef;
use pkcs8::der::{Encode as _, Length, SliceWriter};

use crate::key::KeyError;

/// Somebody who keeps a key and signs with it when asked.
pub trait Keeper: Send + Sync {
    /// Signs `message`: pure Ed25519 in 64 bytes, or ECDSA in ASN.1 DER with the hash of the
    /// key's curve.
    ///
    /// # Errors
    /// [`KeyError::Kept`] with what the keeper said.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// How many bytes an ECDSA signature of two equal halves has at most: two numbers of P-521.
const MAX_HALVES_BYTES: usize = 2 * 66;

/// The ASN.1 DER form (RFC 3279, section 2.2.3) of an ECDSA signature that is written as two
/// big-endian numbers of equal length, as PKCS#11 (mechanism `CKM_ECDSA`) and JOSE (RFC 7518,
/// section 3.4) write it. `None` when it cannot be one.
pub fn ecdsa_der(halves: &[u8]) -> Option<Vec<u8>> {
    if halves.is_empty() || halves.len() > MAX_HALVES_BYTES || !halves.len().is_multiple_of(2) {
        return None;
    }
    let (r, s) = halves.split_at_checked(halves.len() / 2)?;
    let numbers = [UintRef::new(r).ok()?, UintRef::new(s).ok()?];
    let mut length = Length::ZERO;
    for number in &numbers {
        length = (length + number.encoded_len().ok()?).ok()?;
    }
    let mut buffer = [0; MAX_HALVES_BYTES + 16];
    let mut writer = SliceWriter::new(&mut buffer);
    writer
        .sequence(length, |inner| numbers.iter().try_for_each(|number| number.encode(inner)))
        .ok()?;
    writer.finish().ok().map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Algorithm, SigningKey};

    /// Keeps a key, and may answer with another's signature.
    struct Kept(SigningKey);

    impl Keeper for Kept {
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
            self.0.sign(message)
        }
    }

    #[test]
    fn a_keeper_signs_with_the_key_that_was_named_or_not_at_all() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let other = SigningKey::generate(algorithm).unwrap();
            let public = key.public().clone();

            let honest = SigningKey::kept(public.clone(), Box::new(Kept(key)));
            let signature = honest.sign(b"message").unwrap();
            assert_eq!(public.verify(b"message", &signature), Ok(()));
            assert_eq!(honest.to_pem(None).unwrap_err(), KeyError::Stays);

            let dishonest = SigningKey::kept(public, Box::new(Kept(other)));
            assert_eq!(dishonest.sign(b"message"), Err(KeyError::OtherSignature));
        }
    }

    #[test]
    fn halves_become_der() {
        type Case<'a> = (&'a str, &'a [u8], Option<&'a [u8]>);
        let cases: [Case<'_>; 6] = [
            ("small numbers", &[0, 1, 0, 2], Some(&[0x30, 6, 2, 1, 1, 2, 1, 2])),
            ("a high bit", &[0x80, 1], Some(&[0x30, 7, 2, 2, 0, 0x80, 2, 1, 1])),
            ("zero", &[0, 0], Some(&[0x30, 6, 2, 1, 0, 2, 1, 0])),
            ("odd", &[1, 2, 3], None),
            ("empty", &[], None),
            ("too long", &[1; MAX_HALVES_BYTES + 2], None),
        ];
        for (name, halves, want) in cases {
            assert_eq!(ecdsa_der(halves).as_deref(), want, "{name}");
        }
        let longest = ecdsa_der(&[0xff; MAX_HALVES_BYTES]).unwrap();
        assert_eq!(longest.len(), 3 + 2 * (2 + 67));
    }
}
