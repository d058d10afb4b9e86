//! Is a model the one that somebody signed? OpenSSF Model Signing v1.0, section 8.
//!
//! [`verify_model`] decides whose signature it is and what it says; [`compare`] holds what it says
//! against what is there. Nothing of a payload is read before the signature over it was checked.
//! Time is an argument: a key, and a certificate under a root that is named by itself, is judged at
//! `now`. A certificate under an authority of the trust file is judged at the time that the
//! authority's clocks prove, as the authority's entry says.

mod compare;
mod keyless;

use attest::certificate::CertifiedKey;
use attest::oms::{Bundle, Material, Model};
use attest::{KeyError, KeyId, PublicKey, Sha256, Statement, Timestamp};

pub use compare::{Comparison, compare};
pub use keyless::{KeylessScope, verify_keyless_model};

use crate::authority::{ChainError, Presented, Usage, certified, check};
use crate::error::VerifyError;
use crate::trust::{Custody, Grant, OutOfScope, Trust, TrustedKey};
use crate::verified::{Signer, Verified};

/// Whose signature under a model counts.
#[derive(Clone, Copy, Debug)]
pub enum Authority<'a> {
    /// That of a key of the trust file, as far as it may sign models.
    Trust(&'a Trust),
    /// That of one of these keys, whatever they sign.
    Keys(&'a [PublicKey]),
    /// That of a certificate under one of these.
    Roots {
        /// Certificates in DER, each of which is believed by itself.
        roots: &'a [Vec<u8>],
        /// A name that the certificate must have been issued to, as a whole; without one,
        /// whoever has a certificate to sign code counts.
        identity: Option<&'a str>,
    },
}

/// Why the signature of a model is not believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelRejection {
    /// No key that counts made the signature.
    #[error(transparent)]
    Signature(#[from] VerifyError),
    /// A trusted key made it, and may not.
    #[error("signed by `{name}`, who may not sign {what}")]
    OutOfScope {
        /// The key's name in the trust file.
        name: String,
        /// What is outside its scope.
        what: OutOfScope,
    },
    /// The bundle names a key, and certificates are what counts.
    #[error("the model is signed by a bare key, not by a certificate: name the key")]
    NotByCertificate,
    /// The bundle holds certificates, and keys are what counts.
    #[error(
        "the model is signed by a certificate: name the certificate of an authority that vouches \
         for it"
    )]
    NotByKey,
    /// The bundle is signed without a key of the signer's own, and something else is what counts.
    #[error(
        "the model is signed without a key of the signer's own: name the trusted root of the \
         Sigstore instance, and who must have signed"
    )]
    Keyless,
    /// The bundle names a key or certificates of the signer's own, and a keyless signer is what
    /// counts.
    #[error("the model is signed with a key of the signer's own: name the key, or an authority")]
    NotKeyless,
    /// The certificates do not lead to one that is believed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// What is signed says nothing of a model.
    #[error("what is signed is not the signature of a model: {reason}")]
    Model {
        /// What is wrong with it.
        reason: String,
    },
}

/// Checks that a model's manifest is authentic: signed by whoever counts at `now`, and whole.
///
/// Whether the model is there as it was signed, [`compare`] says.
///
/// # Errors
/// [`ModelRejection`] for the first check that fails.
pub fn verify_model(
    bundle: &Bundle,
    authority: Authority<'_>,
    now: Timestamp,
) -> Result<Verified<Model>, ModelRejection> {
    let pae = bundle.envelope.pae();
    let [signature] = bundle.envelope.signatures.as_slice() else {
        let count = bundle.envelope.signatures.len();
        return Err(VerifyError::TooManySignatures { count, limit: 1 }.into());
    };
    let legacy = Model::legacy_encoding(&bundle.envelope);
    // Which of the two was signed; the second only for statements of the legacy kind.
    let made = |key: &PublicKey| {
        let holds = |message: &[u8]| key.verify(message, &signature.sig).is_ok();
        if holds(&pae) {
            return Some(Encoding::Standard);
        }
        legacy.as_deref().is_some_and(holds).then_some(Encoding::Legacy)
    };
    let mut times = Vec::new();
    let (signer, encoding, scope) = match (authority, &bundle.material) {
        (Authority::Trust(trust), Material::Key { .. }) => {
            let (key, encoding) = trusted(trust, &made)?;
            let name = valid(key, now)?.name().to_owned();
            (Signer::of(key, &name), encoding, Some(trust))
        }
        (Authority::Keys(keys), Material::Key { .. }) => {
            let found = keys.iter().find_map(|key| Some((key, made(key)?)));
            let (key, encoding) = found.ok_or(VerifyError::NoTrustedSignature)?;
            (by_itself(key.id(), key.id().to_string(), key.id().to_string()), encoding, None)
        }
        (Authority::Roots { roots, identity }, Material::Chain(chain)) => {
            let leaf = check(chain, roots, &[], &[], Usage::CodeSigningIfAny, now)?;
            if let Some(wanted) = identity {
                leaf.is(wanted)?;
            }
            let encoding = made(model_key(&leaf.key)?).ok_or(VerifyError::NoTrustedSignature)?;
            // Whoever issued and whoever it was issued to, together (THREATS, rule 2).
            let owner = format!("{} by {}", leaf.subject, leaf.issuer);
            let name = leaf.names.first().map_or(&leaf.subject, |name| &name.text).clone();
            (by_itself(leaf.key.id(), name, owner), encoding, None)
        }
        (Authority::Roots { .. }, Material::Key { .. }) => {
            return Err(ModelRejection::NotByCertificate);
        }
        (Authority::Trust(trust), Material::Chain(chain)) if !trust.authorities().is_empty() => {
            let presented = Presented {
                chain,
                signature: &signature.sig,
                timestamps: &bundle.timestamps,
                witnessed: &|_| None,
            };
            let found = certified(&presented, trust, now, |grant| grant.is_valid(now))?;
            let found = found.ok_or(VerifyError::UnknownIssuer)?;
            let encoding = made(model_key(&found.key)?).ok_or(VerifyError::NoTrustedSignature)?;
            times = found.times;
            (found.signer, encoding, Some(trust))
        }
        (Authority::Trust(_) | Authority::Keys(_), Material::Chain(_)) => {
            return Err(ModelRejection::NotByKey);
        }
    };
    let payload = &bundle.envelope.payload;
    let rejected = |reason: String| ModelRejection::Model { reason };
    let model = Model::parse(payload).map_err(|error| rejected(error.to_string()))?;
    if encoding == Encoding::Legacy && !model.is_legacy() {
        return Err(VerifyError::NoTrustedSignature.into());
    }
    if let Some(trust) = scope {
        let statement = Statement::parse(payload).map_err(|error| rejected(error.to_string()))?;
        in_scope(&trust.grants_of(&signer), &statement, now)?;
    }
    let verified = Verified::new(model, Sha256::of(&pae), vec![signer], Vec::new(), Vec::new());
    Ok(verified.with_evidence(Vec::new(), times))
}

/// The key of a certificate, if it is of a kind that signs models: the specification names ECDSA
/// alone, and the reference implementation refuses RSA as well.
fn model_key(key: &CertifiedKey) -> Result<&PublicKey, ChainError> {
    let other = || ChainError::Key(KeyError::Algorithm(key.describe()));
    key.plain().ok_or_else(other)
}

/// What a signature is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Encoding {
    /// The pre-authentication encoding of DSSE.
    Standard,
    /// What version 0.2.0 of the reference implementation signed.
    Legacy,
}

fn trusted<'t>(
    trust: &'t Trust,
    made: &dyn Fn(&PublicKey) -> Option<Encoding>,
) -> Result<(&'t TrustedKey, Encoding), VerifyError> {
    let found = trust.keys().iter().find_map(|key| Some((key, made(key.key())?)));
    found.ok_or(VerifyError::NoTrustedSignature)
}

/// A grant of the key that is valid now.
fn valid(key: &TrustedKey, now: Timestamp) -> Result<&Grant, VerifyError> {
    key.grants().iter().find(|grant| grant.is_valid(now)).ok_or_else(|| {
        let window = key.grants().first().map(Grant::window);
        VerifyError::OutsideValidity {
            name: key.name().into(),
            from: window.and_then(|window| window.from),
            until: window.and_then(|window| window.until),
        }
    })
}

fn in_scope(
    grants: &[&Grant],
    statement: &Statement,
    now: Timestamp,
) -> Result<(), ModelRejection> {
    let mut why = None;
    for grant in grants.iter().filter(|grant| grant.is_valid(now)) {
        match grant.may().covers(statement) {
            Ok(()) => return Ok(()),
            Err(what) => why = Some((grant.name().to_owned(), what)),
        }
    }
    Err(match why {
        Some((name, what)) => ModelRejection::OutOfScope { name, what },
        None => VerifyError::NoTrustedSignature.into(),
    })
}

/// A signer that no trust file names: nobody says where the key is kept.
const fn by_itself(key: KeyId, name: String, owner: String) -> Signer {
    Signer { key, name, owner, custody: Custody::Shared, keyless: None, certified: None }
}
