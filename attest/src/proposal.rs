//! A leaf that is proposed without what it covers: a digest, a signature over it, a verifier.
//!
//! This is how Sigstore clients register a signature (Rekor v2, `HashedRekordRequestV002`). The
//! signature is checked over the digest alone, so that only algorithms are taken that sign one:
//! ECDSA on P-256 and P-384, and Ed25519ph. Of a certificate nothing is believed but that it names
//! the key: who issued it, for whom and until when, is for those who verify the entry.

use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

use crate::key::{Algorithm, KeyError, PublicKey, SignatureError};
use crate::leaf::{ED25519_PH, Leaf, MAX_BYTES, Verifier, key_details};

/// The largest certificate, in bytes of DER: those of Fulcio have about one KiB.
pub const MAX_CERTIFICATE_BYTES: usize = 16 << 10;

/// `keyDetails` of what can be checked over a digest, with the key's algorithm.
const ACCEPTED: [(&str, Algorithm); 4] = [
    (key_details(Algorithm::P256), Algorithm::P256),
    (key_details(Algorithm::P384), Algorithm::P384),
    (key_details(Algorithm::P521), Algorithm::P521),
    (ED25519_PH, Algorithm::Ed25519),
];

/// What somebody wants to have registered; nothing of it is checked yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proposal {
    /// Digest of what was signed, with the hash that the algorithm names.
    pub digest: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// The algorithm, as `PublicKeyDetails` of the Sigstore protobuf specification calls it.
    pub key_details: String,
    /// What checks the signature.
    pub verifier: Proposed,
}

/// What checks the signature of a proposal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Proposed {
    /// A SubjectPublicKeyInfo in DER.
    Key(Vec<u8>),
    /// An X.509 certificate in DER, whose key it is.
    Certificate(Vec<u8>),
}

/// Why a proposal makes no leaf.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposalError {
    /// An algorithm that is not checked here.
    #[error(
        "signatures by `{0}` cannot be checked here; sign with one of {accepted}",
        accepted = ACCEPTED.map(|(name, _)| name).join(", ")
    )]
    Algorithm(String),
    /// Pure Ed25519 signs the message, and there is none.
    #[error(
        "pure Ed25519 signs the message, and a digest does not have it: sign with Ed25519ph \
         ({ED25519_PH}), or submit the whole envelope to /v1/entries"
    )]
    NeedsMessage,
    /// The key cannot be used.
    #[error("the public key: {0}")]
    Key(#[from] KeyError),
    /// The certificate is not one.
    #[error(
        "the certificate is not X.509 in DER (RFC 5280), or has more than {MAX_CERTIFICATE_BYTES} bytes"
    )]
    Certificate,
    /// The key is of another algorithm than is said.
    #[error("`keyDetails` says {said}, but the key is for {found}")]
    Mismatch {
        /// What the proposal says.
        said: String,
        /// The algorithm of the key.
        found: &'static str,
    },
    /// The digest is not of the algorithm's hash.
    #[error("the digest has {found} bytes, but {said} signs one of {expected}")]
    Digest {
        /// What the proposal says.
        said: String,
        /// Bytes of the digest of its hash.
        expected: usize,
        /// Bytes of the digest.
        found: usize,
    },
    /// The signature is not by the key over the digest.
    #[error("the signature is not by the given key over the given digest")]
    Signature,
    /// The leaf would be larger than a log's entry can be.
    #[error("the entry would have {0} bytes, at most {MAX_BYTES} are allowed")]
    TooLarge(usize),
}

impl From<SignatureError> for ProposalError {
    fn from(_: SignatureError) -> Self {
        Self::Signature
    }
}

impl Proposal {
    /// The key that checks the signature.
    ///
    /// # Errors
    /// [`ProposalError::Key`] and [`ProposalError::Certificate`].
    pub fn key(&self) -> Result<PublicKey, ProposalError> {
        match &self.verifier {
            Proposed::Key(der) => Ok(PublicKey::from_der(der)?),
            Proposed::Certificate(der) => key_of(der),
        }
    }

    /// The leaf, if the signature is by the verifier's key over the digest.
    ///
    /// # Errors
    /// [`ProposalError`].
    pub fn check(&self) -> Result<Leaf, ProposalError> {
        let said = self.key_details.as_str();
        if said == key_details(Algorithm::Ed25519) {
            return Err(ProposalError::NeedsMessage);
        }
        let short = || said.chars().take(64).collect::<String>();
        let (_, algorithm) = ACCEPTED
            .into_iter()
            .find(|(name, _)| *name == said)
            .ok_or_else(|| ProposalError::Algorithm(short()))?;
        let key = self.key()?;
        if key.algorithm() != algorithm {
            let found = key.algorithm().as_str();
            return Err(ProposalError::Mismatch { said: short(), found });
        }
        let (expected, found) = (Leaf::data_length(algorithm), self.digest.len());
        if found != expected {
            return Err(ProposalError::Digest { said: short(), expected, found });
        }
        key.verify_digest(&self.digest, &self.signature)?;
        let verifier = match &self.verifier {
            Proposed::Key(_) => Verifier::Key(key),
            Proposed::Certificate(der) => Verifier::Certificate(der.clone()),
        };
        let leaf = Leaf::of_digest(self.digest.clone(), &self.signature, algorithm, said, verifier);
        match leaf.bytes().len() {
            length if length > MAX_BYTES => Err(ProposalError::TooLarge(length)),
            _ => Ok(leaf),
        }
    }
}

/// The key that a certificate is about.
fn key_of(der: &[u8]) -> Result<PublicKey, ProposalError> {
    if der.len() > MAX_CERTIFICATE_BYTES {
        return Err(ProposalError::Certificate);
    }
    let certificate = Certificate::from_der(der).map_err(|_| ProposalError::Certificate)?;
    let key = certificate.tbs_certificate().subject_public_key_info();
    let key = key.to_der().map_err(|_| ProposalError::Certificate)?;
    Ok(PublicKey::from_der(&key)?)
}

#[cfg(test)]
pub(crate) mod tests {
    use sha2::Digest as _;

    use super::*;
    use crate::key::SigningKey;

    /// A value of DER with its tag and length.
    pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = content.len();
        let head = match length {
            0..128 => vec![tag, length as u8],
            128..256 => vec![tag, 0x81, length as u8],
            _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
        };
        [head, content].concat()
    }

    /// A certificate about `key` that nobody signed: whether it is believed is not decided here.
    fn certificate(key: &PublicKey) -> Vec<u8> {
        certificate_with(key, &[])
    }

    /// The same with extensions.
    pub(crate) fn certificate_with(key: &PublicKey, extensions: &[Vec<u8>]) -> Vec<u8> {
        let sequence = |parts: &[&[u8]]| tlv(0x30, parts);
        // ecdsa-with-SHA256
        let algorithm = sequence(&[&tlv(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]])]);
        let version = tlv(0xa0, &[&tlv(2, &[&[2]])]);
        let time = tlv(0x17, &[b"260101000000Z"]);
        let validity = sequence(&[&time, &time]);
        let name = sequence(&[]);
        let serial = tlv(2, &[&[1]]);
        let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
        let extensions = match extensions.as_slice() {
            [] => Vec::new(),
            some => tlv(0xa3, &[&sequence(some)]),
        };
        let body = sequence(&[
            &version,
            &serial,
            &algorithm,
            &name,
            &validity,
            &name,
            key.der(),
            &extensions,
        ]);
        sequence(&[&body, &algorithm, &tlv(3, &[&[0, 0]])])
    }

    /// A signature over the digest of `message`, ready to be proposed.
    fn proposal(algorithm: Algorithm) -> (Proposal, SigningKey) {
        let key = SigningKey::generate(algorithm).unwrap();
        let signature = key.sign(b"message").unwrap();
        let digest = Leaf::of(b"message", &signature, key.public()).data().to_vec();
        let verifier = Proposed::Key(key.public().der().to_vec());
        let key_details = key_details(algorithm).into();
        (Proposal { digest, signature, key_details, verifier }, key)
    }

    #[test]
    fn a_signature_over_a_digest_becomes_the_leaf_of_the_message() {
        for algorithm in [Algorithm::P256, Algorithm::P384, Algorithm::P521] {
            let (good, key) = proposal(algorithm);
            let leaf = good.check().unwrap();
            assert_eq!(leaf, Leaf::of(b"message", &good.signature, key.public()));
            assert_eq!(Leaf::parse(leaf.bytes()).unwrap(), leaf);

            let der = certificate(key.public());
            let with = Proposal { verifier: Proposed::Certificate(der.clone()), ..good };
            let leaf = with.check().unwrap();
            assert_eq!(leaf.verifier(), &Verifier::Certificate(der));
            assert_eq!(Leaf::parse(leaf.bytes()).unwrap(), leaf);
            assert!(leaf.covers(b"message"));
        }
    }

    #[test]
    fn the_smallest_changes_make_no_leaf() {
        type Change = fn(&mut Proposal);
        let other = || SigningKey::generate(Algorithm::P256).unwrap().public().clone();
        let cases: [(&str, Change); 13] = [
            ("a bit of the digest", |it| it.digest[0] ^= 1),
            ("a bit of the signature", |it| *it.signature.last_mut().unwrap() ^= 1),
            ("no signature", |it| it.signature.clear()),
            ("a digest of another hash", |it| it.digest.extend([0; 16])),
            ("no digest", |it| it.digest.clear()),
            ("another curve", |it| it.key_details = "PKIX_ECDSA_P384_SHA_384".into()),
            ("pure Ed25519", |it| it.key_details = "PKIX_ED25519".into()),
            ("RSA", |it| it.key_details = "PKIX_RSA_PKCS1V15_2048_SHA256".into()),
            ("no algorithm", |it| it.key_details.clear()),
            ("a key cut short", |it| {
                let Proposed::Key(der) = &mut it.verifier else { return };
                der.pop();
            }),
            ("a key for a certificate", |it| {
                let Proposed::Key(der) = &it.verifier else { return };
                it.verifier = Proposed::Certificate(der.clone());
            }),
            ("an empty certificate", |it| it.verifier = Proposed::Certificate(Vec::new())),
            ("an endless certificate", |it| {
                it.verifier = Proposed::Certificate(vec![0x30; MAX_CERTIFICATE_BYTES + 1]);
            }),
        ];
        for (name, change) in cases {
            let (mut it, _) = proposal(Algorithm::P256);
            assert!(it.check().is_ok());
            change(&mut it);
            assert!(it.check().is_err(), "{name}");
        }
        let (mut it, _) = proposal(Algorithm::P256);
        it.verifier = Proposed::Key(other().der().to_vec());
        assert_eq!(it.check(), Err(ProposalError::Signature));
        it.verifier = Proposed::Certificate(certificate(&other()));
        assert_eq!(it.check(), Err(ProposalError::Signature));
    }

    /// The start, one byte more, one byte other: no certificate makes the parser fail otherwise.
    #[test]
    fn certificates_that_are_none() {
        let (good, key) = proposal(Algorithm::P256);
        let der = certificate(key.public());
        let tried = |der: Vec<u8>| {
            Proposal { verifier: Proposed::Certificate(der), ..good.clone() }.check()
        };
        assert!(tried(der.clone()).is_ok());
        for end in 0..der.len() {
            assert_eq!(tried(der[..end].to_vec()), Err(ProposalError::Certificate), "{end}");
        }
        assert_eq!(tried([&der[..], &[0]].concat()), Err(ProposalError::Certificate));
        for at in 0..der.len() {
            let mut changed = der.clone();
            changed[at] ^= 0xff;
            // Names, times and the issuer's signature are not looked at; the key is.
            if let Ok(leaf) = tried(changed) {
                assert!(!der[at..].starts_with(key.public().raw()), "{leaf:?}");
            }
        }
    }

    #[test]
    fn pure_ed25519_is_told_where_to_go() {
        let (it, _) = proposal(Algorithm::Ed25519);
        assert_eq!(it.check(), Err(ProposalError::NeedsMessage));
        // Called Ed25519ph, the signature is still one over the message.
        let it = Proposal { key_details: ED25519_PH.into(), ..it };
        assert_eq!(it.check(), Err(ProposalError::Signature));
    }

    /// RFC 8032, section 7.3.
    #[test]
    fn ed25519_over_a_digest_is_a_leaf_that_reads_back() {
        let key = SigningKey::from_ed25519_seed(&[7; 32]).unwrap();
        let digest = sha2::Sha512::digest(b"message").to_vec();
        let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let signature = secret.sign_prehashed(sha2::Sha512::new_with_prefix(b"message"), None);
        let good = Proposal {
            digest,
            signature: signature.unwrap().to_bytes().to_vec(),
            key_details: ED25519_PH.into(),
            verifier: Proposed::Key(key.public().der().to_vec()),
        };
        let leaf = good.check().unwrap();
        assert_eq!(Leaf::parse(leaf.bytes()).unwrap(), leaf);
        assert!(leaf.covers(b"message"));
        // It is no signature over the message: nothing that has the message believes it.
        assert!(key.public().verify(b"message", leaf.signature()).is_err());
    }
}
