//! Keys that sign statements, and the keys that check them.
//!
//! Ed25519 is pure Ed25519 (RFC 8032), checked strictly: the lax rule that most libraries
//! follow accepts a signature by a small-order key on any message. ECDSA is P-256 with SHA-256,
//! P-384 with SHA-384 and P-521 with SHA-512, signatures in ASN.1 DER. Private keys are PKCS#8 in PEM, optionally
//! under a passphrase (PBES2 with scrypt). Public keys are SubjectPublicKeyInfo, of which
//! exactly one encoding is accepted, so that equal keys always have equal identities.

pub mod effort;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _, ParsedPublicKey,
};
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use pkcs8::der::Document;
use pkcs8::der::pem::LineEnding;
use pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::digest::consts::U64;
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};
use zeroize::Zeroizing;

use crate::digest::{DigestError, Sha256};
use crate::in_toto::{MAX_RSA_BITS, MIN_RSA_BITS};
use crate::keeper::Keeper;

/// The largest PEM text that is read as a key, in bytes.
pub const MAX_PEM_BYTES: usize = 16 << 10;

const PUBLIC_LABEL: &str = "PUBLIC KEY";
const PRIVATE_LABEL: &str = "PRIVATE KEY";
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";

// RFC 8410, section 3; RFC 5480, section 2.1.1.
const ID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ID_EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ID_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ID_P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ID_P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

// Everything of a SubjectPublicKeyInfo that stands before the key itself (an uncompressed
// point for the curves).
const SPKI_ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
const SPKI_P256: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const SPKI_P384: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const SPKI_P521: &[u8] =
    b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00";

/// A signature algorithm with its curve and hash.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// Pure Ed25519.
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
    /// ECDSA on P-521 with SHA-512.
    P521,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::Ed25519, Self::P256, Self::P384, Self::P521];

    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::P521 => "p521",
        }
    }

    const fn spki_prefix(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => SPKI_ED25519,
            Self::P256 => SPKI_P256,
            Self::P384 => SPKI_P384,
            Self::P521 => SPKI_P521,
        }
    }

    /// What ECDSA signs of a message: its digest by the curve's hash. `None` for Ed25519, which
    /// signs the message itself.
    pub fn prehash(self, message: &[u8]) -> Option<Vec<u8>> {
        let hash = match self {
            Self::Ed25519 => return None,
            Self::P256 => &digest::SHA256,
            Self::P384 => &digest::SHA384,
            Self::P521 => &digest::SHA512,
        };
        Some(digest::digest(hash, message).as_ref().to_vec())
    }

    const fn key_length(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::P256 => 65,
            Self::P384 => 97,
            Self::P521 => 133,
        }
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| KeyError::Algorithm(text.into()))
    }
}

/// What names of keyless signers are hashed after; no SubjectPublicKeyInfo begins so.
const KEYLESS: &[u8] = b"assay keyless signer v1\0";
/// What names of certified signers are hashed after.
const CERTIFIED: &[u8] = b"assay certified signer v1\0";

/// The identity of a signer: the SHA-256 digest of a key's SubjectPublicKeyInfo in DER, or of a
/// keyless signer's issuer and subject ([`KeyId::of_keyless`]).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(Sha256);

impl KeyId {
    /// The identity of whoever `issuer` calls `subject`: the SHA-256 digest of a prefix of its own,
    /// the length of the issuer as a big-endian `u64`, the issuer and the subject. Keys change with every signature, this does not.
    pub fn of_keyless(issuer: &str, subject: &str) -> Self {
        let length = (issuer.len() as u64).to_be_bytes();
        let parts = [KEYLESS, &length, issuer.as_bytes(), subject.as_bytes()];
        Self(Sha256::of(&parts.concat()))
    }

    /// The identity of whoever the authority with the key `anchor` (the SHA-256 digest of its
    /// SubjectPublicKeyInfo in DER) certified under `name`, a name of this kind: the SHA-256 digest
    /// of a prefix of its own, the digest, the kind, a zero byte and the name. It outlives every
    /// certificate.
    pub fn of_certified(anchor: Sha256, kind: &str, name: &str) -> Self {
        let parts = [CERTIFIED, anchor.as_bytes(), kind.as_bytes(), b"\0", name.as_bytes()];
        Self(Sha256::of(&parts.concat()))
    }

    /// The identity of the key with this SubjectPublicKeyInfo in DER.
    pub(crate) fn of_spki(der: &[u8]) -> Self {
        Self(Sha256::of(der))
    }

    /// The digest.
    pub const fn digest(&self) -> Sha256 {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl FromStr for KeyId {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.parse().map(Self)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Sha256::deserialize(deserializer).map(Self)
    }
}

/// Why a key cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not PEM, or holds something else than a key.
    #[error("not a PEM file with `{expected}`")]
    Pem {
        /// The label that was expected.
        expected: &'static str,
    },
    /// The text is longer than [`MAX_PEM_BYTES`].
    #[error("a key file has at most {MAX_PEM_BYTES} bytes")]
    TooLarge,
    /// The key is under a passphrase and none was given.
    #[error("the key is encrypted and no passphrase was given")]
    PassphraseNeeded,
    /// The passphrase does not open the key.
    #[error("the passphrase does not open the key")]
    PassphraseWrong,
    /// Its file asks for more work than [`MAX_PBKDF2_ROUNDS`](effort::MAX_PBKDF2_ROUNDS) or
    /// [`MAX_SCRYPT_EFFORT`](effort::MAX_SCRYPT_EFFORT), or for a way that is not PBES2.
    #[error("the key is encrypted in a way that takes too much to open, or that nobody should use")]
    Dear,
    /// An algorithm that Assay does not sign or check with.
    #[error("unknown key algorithm `{0}`; known are ed25519, p256, p384, p521")]
    Algorithm(String),
    /// The bytes are not a key of their algorithm (an encoding other than the one accepted, or
    /// a point that is not on the curve).
    #[error("malformed {0} key")]
    Malformed(&'static str),
    /// An RSA key of a size that is not checked with.
    #[error(
        "an RSA key of {bits} bits; those of {MIN_RSA_BITS} to {MAX_RSA_BITS} are checked with"
    )]
    RsaSize {
        /// The length of its modulus, in bits.
        bits: usize,
    },
    /// An RSA key whose public exponent is even, below 65537 or too long.
    #[error("an RSA key whose public exponent is not one that is checked with: odd, from 65537 on")]
    RsaExponent,
    /// An Ed25519 key of small order: signatures by it prove nothing.
    #[error("the Ed25519 key is weak (of small order): signatures by it prove nothing")]
    Weak,
    /// The system gives no random numbers, or the library refused to sign.
    #[error("the cryptographic library failed")]
    Library,
    /// Whoever keeps the key did not sign; in its own words.
    #[error("the keeper of the key did not sign: {0}")]
    Kept(String),
    /// What the keeper of the key answered is no signature by that key over what was asked.
    #[error("what the keeper of the key answered is not a signature by this key")]
    OtherSignature,
    /// A private key was asked for that does not leave its place.
    #[error("the private key does not leave the place where it is kept")]
    Stays,
}

/// The signature is not by this key over this message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the signature is not by this key over these bytes")]
pub struct SignatureError;

/// A key that checks signatures. Two are equal when their identities are.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    der: Arc<[u8]>,
    id: KeyId,
    checker: Checker,
}

#[derive(Clone)]
enum Checker {
    Ed25519(Arc<ed25519_dalek::VerifyingKey>),
    Ecdsa(Arc<ParsedPublicKey>),
}

/// How many keys each thread remembers.
const MAX_RECENT: usize = 8;

thread_local! {
    /// Keys that were parsed lately. A log holds the same few again and again, and finding out
    /// that a point is a sound one costs a third of what checking a signature does.
    static RECENT: RefCell<VecDeque<PublicKey>> = const { RefCell::new(VecDeque::new()) };
}

impl PublicKey {
    /// Parses a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`KeyError::Algorithm`] when it is of no known algorithm, [`KeyError::Malformed`] when the
    /// point is not on the curve, [`KeyError::Weak`] for Ed25519 keys of small order.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let known =
            RECENT.with_borrow(|recent| recent.iter().find(|key| *key.der == *der).cloned());
        if let Some(key) = known {
            return Ok(key);
        }
        let key = Self::parse_der(der)?;
        RECENT.with_borrow_mut(|recent| {
            recent.truncate(MAX_RECENT - 1);
            recent.push_front(key.clone());
        });
        Ok(key)
    }

    fn parse_der(der: &[u8]) -> Result<Self, KeyError> {
        let (algorithm, point) = Algorithm::ALL
            .into_iter()
            .find_map(|algorithm| {
                let point = der.strip_prefix(algorithm.spki_prefix())?;
                (point.len() == algorithm.key_length()).then_some((algorithm, point))
            })
            .ok_or_else(|| KeyError::Algorithm("(not an accepted SubjectPublicKeyInfo)".into()))?;
        let malformed = KeyError::Malformed(algorithm.as_str());
        let ecdsa = |verifier| {
            // Compressed points would give one key two identities.
            if point.first() != Some(&4) {
                return Err(malformed.clone());
            }
            let key = ParsedPublicKey::new(verifier, point).map_err(|_| malformed.clone())?;
            Ok(Checker::Ecdsa(Arc::new(key)))
        };
        let checker = match algorithm {
            Algorithm::P256 => ecdsa(&ECDSA_P256_SHA256_ASN1)?,
            Algorithm::P384 => ecdsa(&ECDSA_P384_SHA384_ASN1)?,
            Algorithm::P521 => ecdsa(&ECDSA_P521_SHA512_ASN1)?,
            Algorithm::Ed25519 => {
                let bytes = <&[u8; 32]>::try_from(point).map_err(|_| malformed.clone())?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
                    .map_err(|_| malformed.clone())?;
                if key.is_weak() {
                    return Err(KeyError::Weak);
                }
                // A second spelling of the same point would be a second identity.
                if key.to_edwards().compress().as_bytes() != bytes {
                    return Err(malformed);
                }
                Checker::Ed25519(Arc::new(key))
            }
        };
        Ok(Self { algorithm, der: der.into(), id: KeyId(Sha256::of(der)), checker })
    }

    /// The Ed25519 key with these 32 bytes.
    ///
    /// # Errors
    /// As [`PublicKey::from_der`].
    pub fn from_ed25519(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        Self::from_der(&[SPKI_ED25519, bytes].concat())
    }

    /// The key of an algorithm with these bytes: 32 for Ed25519, an uncompressed point for the
    /// curves, as [`PublicKey::raw`] gives them.
    ///
    /// # Errors
    /// As [`PublicKey::from_der`].
    pub fn from_raw(algorithm: Algorithm, raw: &[u8]) -> Result<Self, KeyError> {
        Self::from_der(&[algorithm.spki_prefix(), raw].concat())
    }

    /// Parses `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if pem.len() > MAX_PEM_BYTES {
            return Err(KeyError::TooLarge);
        }
        match Document::from_pem(pem.trim()) {
            Ok((PUBLIC_LABEL, document)) => Self::from_der(document.as_bytes()),
            _ => Err(KeyError::Pem { expected: PUBLIC_LABEL }),
        }
    }

    /// The PEM form, ending in a line feed.
    pub fn to_pem(&self) -> String {
        Document::try_from(self.der())
            .and_then(|document| document.to_pem(PUBLIC_LABEL, LineEnding::LF))
            .unwrap_or_default()
    }

    /// The SubjectPublicKeyInfo in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The key alone: 32 bytes for Ed25519, an uncompressed point for the curves.
    pub fn raw(&self) -> &[u8] {
        self.der.get(self.algorithm.spki_prefix().len()..).unwrap_or_default()
    }

    /// The algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The identity.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Checks `signature` over `message`, strictly for Ed25519.
    ///
    /// # Errors
    /// [`SignatureError`] when the signature is not by this key over this message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match &self.checker {
            Checker::Ed25519(key) => {
                let signature =
                    ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureError)?;
                key.verify_strict(message, &signature).map_err(|_| SignatureError)
            }
            Checker::Ecdsa(key) => key.verify_sig(message, signature).map_err(|_| SignatureError),
        }
    }

    /// Checks `signature` over the message that has this digest, for whoever has the digest alone:
    /// SHA-256 for P-256, SHA-384 for P-384, SHA-512 for P-521. With an Ed25519 key this is Ed25519ph (RFC 8032,
    /// section 5.1) over SHA-512 without a context, strictly: a signature by pure Ed25519 is over
    /// the message itself, and never passes.
    ///
    /// # Errors
    /// [`SignatureError`] when the signature is not by this key over this digest, or the digest
    /// has another length.
    pub fn verify_digest(&self, digest: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let hash = match self.algorithm {
            Algorithm::P256 => &digest::SHA256,
            Algorithm::P384 => &digest::SHA384,
            Algorithm::P521 | Algorithm::Ed25519 => &digest::SHA512,
        };
        let digest = Digest::import_less_safe(digest, hash).map_err(|_| SignatureError)?;
        match &self.checker {
            Checker::Ed25519(key) => {
                let signature =
                    ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureError)?;
                let computed = Computed::of(digest.as_ref()).ok_or(SignatureError)?;
                key.verify_prehashed_strict(computed, None, &signature).map_err(|_| SignatureError)
            }
            Checker::Ecdsa(key) => {
                key.verify_digest_sig(&digest, signature).map_err(|_| SignatureError)
            }
        }
    }
}

/// A SHA-512 digest that somebody else has computed, for a library that wants to finish the
/// hashing itself.
#[derive(Clone)]
struct Computed([u8; 64]);

impl Computed {
    fn of(digest: &[u8]) -> Option<Self> {
        digest.try_into().ok().map(Self)
    }
}

impl Default for Computed {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl HashMarker for Computed {}

impl OutputSizeUser for Computed {
    type OutputSize = U64;
}

impl Update for Computed {
    fn update(&mut self, _: &[u8]) {}
}

impl FixedOutput for Computed {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(&self.0);
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({} {})", self.algorithm.as_str(), self.id)
    }
}

/// A key that signs. It is never printed.
pub struct SigningKey {
    secret: Secret,
    public: PublicKey,
}

enum Secret {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Ecdsa(Box<EcdsaKeyPair>),
    Kept(Box<dyn Keeper>),
}

impl SigningKey {
    /// The key that somebody else keeps, whose public half is `public`.
    pub fn kept(public: PublicKey, keeper: Box<dyn Keeper>) -> Self {
        Self { secret: Secret::Kept(keeper), public }
    }

    /// Makes a fresh key from the system's random numbers.
    ///
    /// # Errors
    /// [`KeyError::Library`] when the system gives none.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let ecdsa = |signer: &'static EcdsaSigningAlgorithm| {
            let pair = EcdsaKeyPair::generate(signer).map_err(|_| KeyError::Library)?;
            Self::of(algorithm, Secret::Ecdsa(Box::new(pair)))
        };
        match algorithm {
            Algorithm::P256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            Algorithm::P384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
            Algorithm::P521 => ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING),
            Algorithm::Ed25519 => {
                let mut seed = Zeroizing::new([0; 32]);
                getrandom::fill(seed.as_mut()).map_err(|_| KeyError::Library)?;
                Self::from_ed25519_seed(&seed)
            }
        }
    }

    /// The Ed25519 key with this seed (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// [`KeyError`] when its public key is not usable, which no honest seed brings about.
    pub fn from_ed25519_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        Self::of(Algorithm::Ed25519, Secret::Ed25519(Box::new(key)))
    }

    fn of(algorithm: Algorithm, secret: Secret) -> Result<Self, KeyError> {
        let point = match &secret {
            Secret::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
            Secret::Ecdsa(pair) => pair.public_key().as_ref().to_vec(),
            Secret::Kept(_) => return Err(KeyError::Stays),
        };
        let public = PublicKey::from_raw(algorithm, &point)?;
        Ok(Self { secret, public })
    }

    /// Parses a PKCS#8 key in PEM, opening it with `passphrase` when it is encrypted.
    ///
    /// # Errors
    /// [`KeyError::PassphraseNeeded`] and [`KeyError::PassphraseWrong`] say what to ask for.
    pub fn from_pem(pem: &str, passphrase: Option<&str>) -> Result<Self, KeyError> {
        if pem.len() > MAX_PEM_BYTES {
            return Err(KeyError::TooLarge);
        }
        match SecretDocument::from_pem(pem.trim()) {
            Ok((PRIVATE_LABEL, document)) => Self::from_pkcs8(document.as_bytes()),
            Ok((ENCRYPTED_LABEL, document)) => {
                let passphrase = passphrase.ok_or(KeyError::PassphraseNeeded)?;
                let closed = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
                    .map_err(|_| KeyError::Malformed("encrypted"))?;
                if !effort::is_bounded(&closed) {
                    return Err(KeyError::Dear);
                }
                let opened = closed.decrypt(passphrase).map_err(|_| KeyError::PassphraseWrong)?;
                Self::from_pkcs8(opened.as_bytes())
            }
            _ => Err(KeyError::Pem { expected: PRIVATE_LABEL }),
        }
    }

    /// Whether a PEM text holds a key that needs a passphrase.
    pub fn is_encrypted(pem: &str) -> bool {
        pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::Malformed("PKCS#8"))?;
        let curve = info.algorithm.parameters_oid().ok();
        let ecdsa = |algorithm: Algorithm, signer| {
            let pair = EcdsaKeyPair::from_pkcs8(signer, der)
                .map_err(|_| KeyError::Malformed(algorithm.as_str()))?;
            Self::of(algorithm, Secret::Ecdsa(Box::new(pair)))
        };
        if info.algorithm.oid == ID_ED25519 {
            let key = ed25519_dalek::SigningKey::from_pkcs8_der(der)
                .map_err(|_| KeyError::Malformed("ed25519"))?;
            Self::of(Algorithm::Ed25519, Secret::Ed25519(Box::new(key)))
        } else if info.algorithm.oid == ID_EC && curve == Some(ID_P256) {
            ecdsa(Algorithm::P256, &ECDSA_P256_SHA256_ASN1_SIGNING)
        } else if info.algorithm.oid == ID_EC && curve == Some(ID_P384) {
            ecdsa(Algorithm::P384, &ECDSA_P384_SHA384_ASN1_SIGNING)
        } else if info.algorithm.oid == ID_EC && curve == Some(ID_P521) {
            ecdsa(Algorithm::P521, &ECDSA_P521_SHA512_ASN1_SIGNING)
        } else {
            Err(KeyError::Algorithm(info.algorithm.oid.to_string()))
        }
    }

    /// The PKCS#8 PEM form, encrypted (PBES2 with scrypt) when a passphrase is given.
    ///
    /// # Errors
    /// [`KeyError::Library`] when encoding or encrypting fails, [`KeyError::Stays`] for a key that
    /// somebody else keeps.
    pub fn to_pem(&self, passphrase: Option<&str>) -> Result<Zeroizing<String>, KeyError> {
        let failed = |_| KeyError::Library;
        let der = match &self.secret {
            // Version 1 (RFC 5208), without the public half: OpenSSL 3.0 and what is built on it
            // read no other, and it is what the other algorithms are written in.
            Secret::Ed25519(key) => {
                let bare = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
                Zeroizing::new(bare.to_pkcs8_der().map_err(failed)?.as_bytes().to_vec())
            }
            Secret::Ecdsa(pair) => {
                let document = pair.to_pkcs8v1().map_err(|_| KeyError::Library)?;
                Zeroizing::new(document.as_ref().to_vec())
            }
            Secret::Kept(_) => return Err(KeyError::Stays),
        };
        let (label, document) = match passphrase {
            None => {
                let document = SecretDocument::try_from(der.as_slice());
                (PRIVATE_LABEL, document.map_err(|_| KeyError::Library)?)
            }
            Some(passphrase) => {
                let info = PrivateKeyInfoRef::try_from(der.as_slice()).map_err(failed)?;
                (ENCRYPTED_LABEL, info.encrypt(passphrase).map_err(failed)?)
            }
        };
        document.to_pem(label, LineEnding::LF).map_err(|_| KeyError::Library)
    }

    /// The key that checks what this one signs.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// [`KeyError::Library`] when the library refuses (ECDSA needs random numbers). When somebody
    /// else keeps the key, [`KeyError::Kept`] and [`KeyError::OtherSignature`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.secret {
            Secret::Ed25519(key) => Ok(key.sign(message).to_bytes().to_vec()),
            Secret::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                signature.map(|found| found.as_ref().to_vec()).map_err(|_| KeyError::Library)
            }
            Secret::Kept(keeper) => {
                let signature = keeper.sign(message)?;
                self.public
                    .verify(message, &signature)
                    .map_err(|SignatureError| KeyError::OtherSignature)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({:?})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_parsed_before_is_the_same_and_a_bad_one_is_refused_again() {
        let keys: Vec<PublicKey> = (0..3 * MAX_RECENT)
            .map(|seed| SigningKey::from_ed25519_seed(&[seed as u8; 32]).unwrap().public().clone())
            .collect();
        let weak = [SPKI_ED25519, &[1][..], &[0; 31]].concat();
        for _ in 0..2 {
            for key in &keys {
                let parsed = PublicKey::from_der(key.der()).unwrap();
                assert_eq!((parsed.id(), parsed.der()), (key.id(), key.der()));
                assert!(matches!(PublicKey::from_der(&weak), Err(KeyError::Weak)));
            }
        }
        RECENT.with_borrow(|recent| assert_eq!(recent.len(), MAX_RECENT));
    }

    #[test]
    fn signatures_hold_for_their_key_and_message_alone() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let other = SigningKey::generate(algorithm).unwrap();
            let signature = key.sign(b"message").unwrap();
            assert_eq!(key.public().verify(b"message", &signature), Ok(()));
            assert!(key.public().verify(b"massage", &signature).is_err());
            assert!(other.public().verify(b"message", &signature).is_err());
            for at in 0..signature.len() {
                let mut broken = signature.clone();
                broken[at] ^= 1;
                assert!(key.public().verify(b"message", &broken).is_err(), "{algorithm:?} {at}");
            }
            assert!(key.public().verify(b"message", &[]).is_err());
        }
    }

    #[test]
    fn signatures_over_a_digest_hold_for_that_digest_alone() {
        let algorithms = [
            (Algorithm::P256, &digest::SHA256),
            (Algorithm::P384, &digest::SHA384),
            (Algorithm::P521, &digest::SHA512),
        ];
        for (algorithm, hash) in algorithms {
            let key = SigningKey::generate(algorithm).unwrap();
            let signature = key.sign(b"message").unwrap();
            let of = |message: &[u8]| digest::digest(hash, message).as_ref().to_vec();
            let check = |digest: &[u8]| key.public().verify_digest(digest, &signature);
            assert_eq!(check(&of(b"message")), Ok(()));
            assert!(check(&of(b"massage")).is_err());
            assert!(check(&of(b"message")[1..]).is_err());
            assert!(check(&[]).is_err());
        }
        // Pure Ed25519 is over the message: whoever has the digest alone cannot check it.
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let digest = digest::digest(&digest::SHA512, b"message");
        let pure = key.sign(b"message").unwrap();
        assert!(key.public().verify_digest(digest.as_ref(), &pure).is_err());
    }

    /// RFC 8032, section 7.3: the signature over `abc`.
    #[test]
    fn a_prehashed_signature_of_the_standard() {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len() / 2)
                .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
                .collect()
        };
        let key = bytes("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf");
        let key = PublicKey::from_ed25519(&key.try_into().unwrap()).unwrap();
        let signature = bytes(
            "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41\
             31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
        );
        let digest = digest::digest(&digest::SHA512, b"abc");
        assert_eq!(key.verify_digest(digest.as_ref(), &signature), Ok(()));
        let other = digest::digest(&digest::SHA512, b"abd");
        assert!(key.verify_digest(other.as_ref(), &signature).is_err());
        assert!(key.verify(b"abc", &signature).is_err());
    }

    #[test]
    fn pem_round_trips() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let plain = key.to_pem(None).unwrap();
            assert_eq!(SigningKey::from_pem(&plain, None).unwrap().public(), key.public());
            let public = PublicKey::from_pem(&key.public().to_pem()).unwrap();
            assert_eq!(&public, key.public());
            assert!(!format!("{key:?}").contains("PRIVATE"));
        }
    }

    /// RFC 5208, section 5 (version 0 in the bytes), and RFC 5958, section 2 (1, with the public key).
    #[test]
    fn an_ed25519_key_is_written_in_the_first_version_and_read_in_both() {
        let seed = [7; 32];
        let key = SigningKey::from_ed25519_seed(&seed).unwrap();
        let written = key.to_pem(None).unwrap();
        let (label, first) = SecretDocument::from_pem(&written).unwrap();
        assert_eq!(label, PRIVATE_LABEL);
        assert_eq!(first.as_bytes()[..5], [0x30, 46, 0x02, 1, 0]);
        let second = ed25519_dalek::SigningKey::from_bytes(&seed).to_pkcs8_der().unwrap();
        assert_eq!(second.as_bytes()[2..5], [0x02, 1, 1]);
        let public = key.public().der()[SPKI_ED25519.len()..].to_vec();
        let mut other = second.as_bytes().to_vec();
        let place = other.len() - public.len();
        other[place] ^= 1;
        let cases = [
            ("first", first.as_bytes(), true),
            ("second", second.as_bytes(), true),
            ("second with the public half of another", other.as_slice(), false),
        ];
        for (name, der, want) in cases {
            let pem = SecretDocument::try_from(der).unwrap().to_pem(PRIVATE_LABEL, LineEnding::LF);
            let read = SigningKey::from_pem(&pem.unwrap(), None);
            assert_eq!(read.is_ok_and(|read| read.public() == key.public()), want, "{name}");
        }
    }

    #[test]
    fn a_passphrase_opens_only_its_key() {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let sealed = key.to_pem(Some("correct horse")).unwrap();
        assert!(SigningKey::is_encrypted(&sealed));
        assert_eq!(SigningKey::from_pem(&sealed, None).unwrap_err(), KeyError::PassphraseNeeded);
        let wrong = SigningKey::from_pem(&sealed, Some("wrong horse")).unwrap_err();
        assert_eq!(wrong, KeyError::PassphraseWrong);
        let opened = SigningKey::from_pem(&sealed, Some("correct horse")).unwrap();
        assert_eq!(opened.public(), key.public());
    }

    #[test]
    fn keys_that_are_refused() {
        let good = SigningKey::generate(Algorithm::P256).unwrap().public().der().to_vec();
        let mut off_curve = good.clone();
        *off_curve.last_mut().unwrap() ^= 1;
        let mut compressed = good.clone();
        compressed[SPKI_P256.len()] = 2;
        let identity = [&[1u8][..], &[0; 31]].concat();
        let cases = [
            ("good", good.clone(), true),
            ("one byte more", [good.clone(), vec![0]].concat(), false),
            ("not on the curve", off_curve, false),
            ("the point at infinity", [SPKI_P256, &[0; 65]].concat(), false),
            ("a point of zeros", [SPKI_P256, &[4], &[0; 64]].concat(), false),
            ("compressed form", compressed, false),
            ("weak Ed25519", [SPKI_ED25519, &identity].concat(), false),
            ("empty", Vec::new(), false),
        ];
        for (name, der, want) in cases {
            assert_eq!(PublicKey::from_der(&der).is_ok(), want, "{name}");
        }
        assert!(PublicKey::from_pem("nonsense").is_err());
        assert!(SigningKey::from_pem(&"x".repeat(MAX_PEM_BYTES + 1), None).is_err());
    }
}
