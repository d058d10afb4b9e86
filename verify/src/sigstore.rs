//! Sigstore bundles, checked under the trusted roots that the trust file names.
//!
//! A bundle is believed when one root makes all of it good and the trust file knows who signed.
//! Patterns of identities are matched here, on what was verified, never inside the library that
//! verifies; nobody whom no pattern matches is believed. Nothing of a payload is read as a
//! statement before its signature is known to be good.

mod bundle;
mod check;
mod claims;
mod error;
mod evidence;
mod identity;
mod pattern;
mod root;

use attest::certificate::CertifiedKey;
use attest::{Sha256, Statement, Timestamp};
use sigstore_types::{DsseEnvelope, SignatureContent};

pub use bundle::SigstoreBundle;
pub use check::SigstoreArtifact;
pub use claims::{AuthorityClaims, BundleClaims, EntryClaims};
pub use error::{SigstoreBundleError, SigstoreError};
pub use evidence::{Clock, ProvenTime, RekorEntry};
pub use identity::{Claim, Keyless, NoSuchClaim};
pub use pattern::{MAX_PATTERN_BYTES, Pattern, PatternError, PatternKind};
pub use root::{MAX_ROOT_BYTES, SigstoreRoot, SigstoreRootError};

pub(crate) use check::Proven;

use crate::authority::{Presented, certified};
use crate::error::VerifyError;
use crate::trust::{Grant, Trust, TrustedRoot};
use crate::verified::{Content, Signer, Verified};

/// Checks that a Sigstore bundle is authentic and about `artifact`: signed by a key or a keyless
/// signer that `trust` names and that is valid at `now`, and with all its evidence right under one
/// of the trusted roots.
///
/// A bundle by a key that has neither log entries nor timestamps needs no root. At most as many
/// roots and keys are tried as a trust file can have.
///
/// # Errors
/// [`VerifyError`]; that of the first root whose authorities know the certificate, if several fail.
pub fn verify_sigstore(
    bundle: &SigstoreBundle,
    artifact: SigstoreArtifact<'_>,
    trust: &Trust,
    now: Timestamp,
) -> Result<Verified<Content>, VerifyError> {
    let (signers, proven) = if bundle.is_keyless() {
        let holds = |one: &Grant| one.is_valid(now);
        let by_authority = match by_authority(bundle, artifact, trust, now) {
            Err(error) if trust.roots().is_empty() => return Err(error),
            found => found,
        };
        let (signer, proven) = match by_authority {
            Ok(Some(found)) => found,
            Ok(None) if trust.roots().is_empty() && !trust.authorities().is_empty() => {
                return Err(VerifyError::UnknownIssuer);
            }
            Ok(None) => keyless(bundle, artifact, trust, now, holds)?,
            // What an authority says of it comes before what strangers say.
            Err(error) => keyless(bundle, artifact, trust, now, holds)
                .map_err(|other| error.or_passing(other))?,
        };
        (vec![signer], proven)
    } else {
        by_key(bundle, artifact, trust, now)?
    };
    let (content, body) = match &bundle.read().content {
        SignatureContent::DsseEnvelope(envelope) => {
            let statement = Statement::parse(envelope.payload.as_bytes())
                .map_err(|error| VerifyError::Statement { reason: error.to_string() })?;
            (Content::Statement(statement), Sha256::of(&pae(envelope)))
        }
        _ => (Content::Message(artifact.digest()), artifact.digest()),
    };
    let Proven { entries, times } = proven;
    let verified = Verified::new(content, body, signers, Vec::new(), Vec::new());
    Ok(verified.with_evidence(entries, times))
}

/// Who signed, if an authority of the trust file issued the certificate, and what is proven about it.
fn by_authority(
    bundle: &SigstoreBundle,
    artifact: SigstoreArtifact<'_>,
    trust: &Trust,
    now: Timestamp,
) -> Result<Option<(Signer, Proven)>, VerifyError> {
    let presented = Presented {
        chain: &bundle.chain(),
        signature: bundle.signature(),
        timestamps: &bundle.timestamps(),
        witnessed: &|_| None,
    };
    let Some(found) = certified(&presented, trust, now, |one| one.is_valid(now))? else {
        return Ok(None);
    };
    match signed(bundle, artifact, &found.key) {
        Some(true) => about(bundle, artifact)?,
        Some(false) => return Err(VerifyError::NoTrustedSignature),
        None => return Err(VerifyError::NeedsBytes),
    }
    Ok(Some((found.signer, Proven { times: found.times, ..Proven::default() })))
}

/// Who signed a keyless bundle, by the first of the signer's grants that `holds` takes, and what is
/// proven about it.
pub(crate) fn keyless(
    bundle: &SigstoreBundle,
    artifact: SigstoreArtifact<'_>,
    trust: &Trust,
    now: Timestamp,
    holds: impl Fn(&Grant) -> bool,
) -> Result<(Signer, Proven), VerifyError> {
    let (keyless, proven) =
        under_a_root(trust, |root| check::keyless(bundle, artifact, root, now))?;
    let mut signers = Vec::new();
    let mut outside = None;
    for signer in trust.matching(&keyless) {
        if holds(signer.grant()) {
            signers.push(Signer::keyless(signer, keyless.clone()));
        } else {
            outside = outside.or_else(|| Some(signer.grant()));
        }
    }
    if let Some([one, other]) = differing(&signers) {
        return Err(VerifyError::SeveralOwners {
            one: one.name.clone(),
            other: other.name.clone(),
        });
    }
    match (signers.into_iter().next(), outside) {
        (Some(signer), _) => Ok((signer, proven)),
        (None, Some(grant)) => {
            let window = grant.window();
            let name = grant.name().into();
            Err(VerifyError::OutsideValidity { name, from: window.from, until: window.until })
        }
        (None, None) => {
            let Keyless { subject, issuer, .. } = keyless;
            Err(VerifyError::NoTrustedSigner { subject, issuer })
        }
    }
}

/// Two entries that disagree on who answers for one signer, or on where it is kept.
fn differing(signers: &[Signer]) -> Option<[&Signer; 2]> {
    let (first, rest) = signers.split_first()?;
    let differs =
        |signer: &&Signer| (&signer.owner, signer.custody) != (&first.owner, first.custody);
    rest.iter().find(differs).map(|other| [first, other])
}

fn by_key(
    bundle: &SigstoreBundle,
    artifact: SigstoreArtifact<'_>,
    trust: &Trust,
    now: Timestamp,
) -> Result<(Vec<Signer>, Proven), VerifyError> {
    let mut outside = None;
    let mut needs_bytes = false;
    for key in trust.keys() {
        match signed(bundle, artifact, &key.key().clone().into()) {
            Some(true) => {}
            Some(false) => continue,
            None => {
                needs_bytes = true;
                continue;
            }
        }
        if !key.is_valid(now) {
            outside = outside.or_else(|| key.grants().first());
            continue;
        }
        let signer = Signer::of(key, key.name());
        let material = &bundle.read().verification_material;
        let clocks = &material.timestamp_verification_data.rfc3161_timestamps;
        if material.tlog_entries.is_empty() && clocks.is_empty() {
            about(bundle, artifact)?;
            return Ok((vec![signer], Proven::default()));
        }
        let proven =
            under_a_root(trust, |root| check::by_key(bundle, artifact, key.key(), root, now))?;
        return Ok((vec![signer], proven));
    }
    match outside {
        Some(grant) => {
            let window = grant.window();
            let name = grant.name().into();
            Err(VerifyError::OutsideValidity { name, from: window.from, until: window.until })
        }
        None if needs_bytes => Err(VerifyError::NeedsBytes),
        None => Err(VerifyError::NoTrustedSignature),
    }
}

/// Whether `key` made the bundle's signature; `None` when only the artifact's bytes can tell.
fn signed(
    bundle: &SigstoreBundle,
    artifact: SigstoreArtifact<'_>,
    key: &CertifiedKey,
) -> Option<bool> {
    match (&bundle.read().content, artifact) {
        (SignatureContent::DsseEnvelope(envelope), _) => {
            Some(key.verify(&pae(envelope), envelope.signature.sig.as_bytes()).is_ok())
        }
        (SignatureContent::MessageSignature(message), SigstoreArtifact::Bytes(bytes)) => {
            Some(key.verify(bytes, message.signature.as_bytes()).is_ok())
        }
        (SignatureContent::MessageSignature(message), SigstoreArtifact::Digest(digest)) => {
            key.signed_digest(&digest, message.signature.as_bytes())
        }
        _ => Some(false),
    }
}

/// Whether a bundle that its key alone makes good is about the artifact: a message is, by its
/// signature.
fn about(bundle: &SigstoreBundle, artifact: SigstoreArtifact<'_>) -> Result<(), VerifyError> {
    let SignatureContent::DsseEnvelope(envelope) = &bundle.read().content else { return Ok(()) };
    let statement = Statement::parse(envelope.payload.as_bytes())
        .map_err(|error| VerifyError::Statement { reason: error.to_string() })?;
    let digest = artifact.digest();
    let is = |subject: &attest::ResourceDescriptor| {
        subject.artifact().is_ok_and(|found| found.digest() == Some(digest))
    };
    if statement.subject.iter().any(is) {
        return Ok(());
    }
    Err(VerifyError::OtherArtifact)
}

/// What the first root proves that makes the bundle good, or why none does.
fn under_a_root<T>(
    trust: &Trust,
    check: impl Fn(&TrustedRoot) -> Result<T, SigstoreError>,
) -> Result<T, VerifyError> {
    let mut failed: Option<(String, SigstoreError)> = None;
    for root in trust.roots() {
        match check(root) {
            Ok(found) => return Ok(found),
            Err(source) => {
                // A root that does not know who issued the certificate says the least.
                // One before which only the time stands says until when the others hold.
                let weight = |error: &SigstoreError| match error {
                    SigstoreError::Certificate(_) => 0,
                    SigstoreError::Future { .. } => 2,
                    _ => 1,
                };
                if failed.as_ref().is_none_or(|(_, before)| weight(before) < weight(&source)) {
                    failed = Some((root.name().into(), source));
                }
            }
        }
    }
    let (root, source) = failed.ok_or(VerifyError::NoRoot)?;
    Err(match source {
        SigstoreError::OtherArtifact => VerifyError::OtherArtifact,
        SigstoreError::NeedsBytes => VerifyError::NeedsBytes,
        source => VerifyError::Sigstore { root, source },
    })
}

fn pae(envelope: &DsseEnvelope) -> Vec<u8> {
    attest::envelope::pae(&envelope.payload_type, envelope.payload.as_bytes())
}
