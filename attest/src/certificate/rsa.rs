//! RSA keys in certificates, which many a company's authority issues.
//!
//! A signature does not say how it was made, and neither does such a key: whatever of RFC 8017 is
//! sound today counts, under PKCS#1 v1.5 or PSS (with a salt as long as the hash), with SHA-256,
//! SHA-384 or SHA-512. Nothing is signed with RSA here, and such a key stands nowhere but in a
//! certificate.

use std::fmt;

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters,
};
use x509_cert::der::asn1::{BitStringRef, UintRef};
use x509_cert::der::{self, Decode as _, Reader as _, SliceReader};

use crate::digest::Sha256;
use crate::in_toto::{MAX_RSA_BITS, MIN_RSA_BITS};
use crate::key::{KeyError, SignatureError};

/// The smallest public exponent that is checked with (FIPS 186-5, appendix A.1.1); the library
/// takes none above 33 bits.
pub const MIN_EXPONENT: u64 = (1 << 16) + 1;

/// A hash, and the two paddings with it.
type Scheme = (&'static digest::Algorithm, [&'static RsaParameters; 2]);

/// What counts, the usual first.
const SCHEMES: [Scheme; 3] = [
    (&digest::SHA256, [&RSA_PKCS1_2048_8192_SHA256, &RSA_PSS_2048_8192_SHA256]),
    (&digest::SHA384, [&RSA_PKCS1_2048_8192_SHA384, &RSA_PSS_2048_8192_SHA384]),
    (&digest::SHA512, [&RSA_PKCS1_2048_8192_SHA512, &RSA_PSS_2048_8192_SHA512]),
];

/// An RSA key of a certificate: `rsaEncryption` (RFC 3279, section 2.3.1), 2048 to 8192 bits.
#[derive(Clone, Eq, PartialEq)]
pub struct RsaKey {
    der: Vec<u8>,
    bits: usize,
}

impl RsaKey {
    /// Parses a SubjectPublicKeyInfo in DER; `None` when it is no RSA key.
    ///
    /// # Errors
    /// [`KeyError::RsaSize`] and [`KeyError::RsaExponent`] for what is not checked with,
    /// [`KeyError::Malformed`] for another encoding than the one that is accepted.
    pub(super) fn from_der(spki: &[u8]) -> Result<Option<Self>, KeyError> {
        let malformed = || KeyError::Malformed("RSA");
        let Some(inner) = unwrapped(spki).map_err(|_| malformed())? else { return Ok(None) };
        let (bits, exponent) = numbers(&inner).map_err(|_| malformed())?;
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(KeyError::RsaSize { bits });
        }
        if !exponent.is_some_and(|exponent| exponent >= MIN_EXPONENT && exponent % 2 == 1) {
            return Err(KeyError::RsaExponent);
        }
        let key = PublicEncryptingKey::from_der(spki).map_err(|_| malformed())?;
        // A second encoding would be a second identity.
        let written: PublicKeyX509Der<'_> = key.as_der().map_err(|_| malformed())?;
        if written.as_ref() != spki {
            return Err(malformed());
        }
        Ok(Some(Self { der: spki.to_vec(), bits }))
    }

    /// The SubjectPublicKeyInfo in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The length of its modulus, in bits.
    pub const fn bits(&self) -> usize {
        self.bits
    }

    /// Checks `signature` over `message`, by each of the ways that count.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let by =
            |(hash, ways): &Scheme| self.made(&digest::digest(hash, message), *ways, signature);
        if self.is_long_enough(signature) && SCHEMES.iter().any(by) {
            return Ok(());
        }
        Err(SignatureError)
    }

    /// Checks `signature` over the message with this digest, for whoever has that alone: a signature
    /// with another hash than SHA-256 cannot be told from none.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify_sha256(&self, message: &Sha256, signature: &[u8]) -> Result<(), SignatureError> {
        let [(hash, ways), ..] = SCHEMES;
        let digest = Digest::import_less_safe(message.as_bytes(), hash);
        let digest = digest.map_err(|_| SignatureError)?;
        if self.is_long_enough(signature) && self.made(&digest, ways, signature) {
            return Ok(());
        }
        Err(SignatureError)
    }

    /// RFC 8017, sections 8.1.2 and 8.2.2, step 1.
    const fn is_long_enough(&self, signature: &[u8]) -> bool {
        signature.len() == self.bits.div_ceil(8)
    }

    fn made(&self, digest: &Digest, ways: [&'static RsaParameters; 2], signature: &[u8]) -> bool {
        ways.into_iter().any(|way| {
            let key = ParsedPublicKey::new(way, &self.der);
            key.is_ok_and(|key| key.verify_digest_sig(digest, signature).is_ok())
        })
    }
}

impl fmt::Debug for RsaKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RsaKey({} bits {})", self.bits, Sha256::of(&self.der))
    }
}

/// The RSAPublicKey in a SubjectPublicKeyInfo; `None` when that is of another algorithm.
fn unwrapped(spki: &[u8]) -> Result<Option<Vec<u8>>, der::Error> {
    // rsaEncryption with NULL (RFC 3279, section 2.3.1).
    const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    let mut reader = SliceReader::new(spki)?;
    reader.sequence(|inside| {
        if inside.tlv_bytes()? != RSA {
            // Read to its end, so that it is no error.
            inside.tlv_bytes()?;
            return Ok(None);
        }
        let bits = BitStringRef::decode(inside)?;
        Ok(bits.as_bytes().map(<[u8]>::to_vec))
    })
}

/// The length of the modulus in bits, and the public exponent where it has at most 64 (RFC 8017,
/// appendix A.1.1).
fn numbers(key: &[u8]) -> Result<(usize, Option<u64>), der::Error> {
    let mut reader = SliceReader::new(key)?;
    reader.sequence(|inside| {
        let modulus = UintRef::decode(inside)?;
        let exponent = UintRef::decode(inside)?;
        let first = modulus.as_bytes().first().map_or(8, |byte| byte.leading_zeros() as usize);
        let bits = (modulus.as_bytes().len() * 8).saturating_sub(first);
        let small = exponent.as_bytes();
        let value = (small.len() <= 8)
            .then(|| small.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)));
        Ok((bits, value))
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{
        KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
        RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    };

    use super::*;
    use crate::proposal::tests::tlv;

    /// A key with this modulus and exponent, whoever may have made them.
    fn key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
        let number = |digits: &[u8]| {
            let sign: &[u8] =
                if digits.first().is_some_and(|byte| *byte > 0x7f) { &[0] } else { &[] };
            tlv(2, &[sign, digits])
        };
        let numbers = tlv(0x30, &[&number(modulus), &number(exponent)]);
        let id = tlv(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]]);
        tlv(0x30, &[&tlv(0x30, &[&id, &tlv(5, &[])]), &tlv(3, &[&[0], &numbers])])
    }

    fn modulus(bytes: usize) -> Vec<u8> {
        let mut modulus = vec![0xc3; bytes];
        *modulus.last_mut().unwrap() |= 1;
        modulus
    }

    #[test]
    fn keys_have_a_size_an_exponent_and_one_encoding() {
        let good = &[1, 0, 1][..];
        let size = |bits| Err(KeyError::RsaSize { bits });
        let cases = [
            ("2048 bits", key(&modulus(256), good), Ok(Some(2048))),
            ("a bit less", key(&[&[0x61][..], &modulus(255)].concat(), good), size(2047)),
            ("8192 bits", key(&modulus(1024), good), Ok(Some(8192))),
            ("more", key(&modulus(1025), good), size(8200)),
            ("1024 bits", key(&modulus(128), good), size(1024)),
            ("three", key(&modulus(256), &[3]), Err(KeyError::RsaExponent)),
            ("one", key(&modulus(256), &[1]), Err(KeyError::RsaExponent)),
            ("even", key(&modulus(256), &[1, 0, 2]), Err(KeyError::RsaExponent)),
            ("the next odd one", key(&modulus(256), &[1, 0, 3]), Ok(Some(2048))),
            ("65535", key(&modulus(256), &[0xff, 0xff]), Err(KeyError::RsaExponent)),
            ("too long", key(&modulus(256), &[1; 9]), Err(KeyError::RsaExponent)),
            ("bytes after it", [&key(&modulus(256), good)[..], &[0]].concat(), {
                Err(KeyError::Malformed("RSA"))
            }),
            ("half of it", key(&modulus(256), good)[..200].to_vec(), {
                Err(KeyError::Malformed("RSA"))
            }),
        ];
        for (name, spki, want) in cases {
            let found = RsaKey::from_der(&spki).map(|key| key.map(|key| key.bits()));
            assert_eq!(found, want, "{name}");
        }
        let other = crate::SigningKey::from_ed25519_seed(&[7; 32]).unwrap();
        assert_eq!(RsaKey::from_der(other.public().der()), Ok(None));
    }

    #[test]
    fn a_signature_counts_however_it_is_padded_and_for_one_message() {
        for size in [KeySize::Rsa2048, KeySize::Rsa3072] {
            let (pair, other) =
                (KeyPair::generate(size).unwrap(), KeyPair::generate(size).unwrap());
            let of = |pair: &KeyPair| {
                let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
                RsaKey::from_der(der.as_ref()).unwrap().unwrap()
            };
            let (key, stranger) = (of(&pair), of(&other));
            let sign = |how: &'static dyn RsaEncoding| {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(how, &SystemRandom::new(), b"message", &mut signature).unwrap();
                signature
            };
            let ways: [(&'static dyn RsaEncoding, bool); 6] = [
                (&RSA_PKCS1_SHA256, true),
                (&RSA_PSS_SHA256, true),
                (&RSA_PKCS1_SHA384, false),
                (&RSA_PSS_SHA384, false),
                (&RSA_PKCS1_SHA512, false),
                (&RSA_PSS_SHA512, false),
            ];
            for (how, is_sha256) in ways {
                let signature = sign(how);
                assert_eq!(key.verify(b"message", &signature), Ok(()), "{how:?}");
                assert!(key.verify(b"massage", &signature).is_err(), "{how:?}");
                assert!(stranger.verify(b"message", &signature).is_err(), "{how:?}");
                let by_digest = key.verify_sha256(&Sha256::of(b"message"), &signature);
                assert_eq!(by_digest.is_ok(), is_sha256, "{how:?}");
                assert!(key.verify_sha256(&Sha256::of(b"massage"), &signature).is_err());
                let mut changed = signature.clone();
                *changed.last_mut().unwrap() ^= 1;
                let longer = [&[0][..], &signature].concat();
                for wrong in [&changed[..], &signature[1..], &longer, &[]] {
                    assert!(key.verify(b"message", wrong).is_err(), "{how:?}");
                }
            }
        }
    }
}
