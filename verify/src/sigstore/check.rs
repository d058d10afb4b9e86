//! One bundle against one trusted root.
//!
//! The cryptography is that of `sigstore-verify`: certificate chain at every proven time, signed
//! certificate timestamps, inclusion proofs, checkpoints, promises, RFC 3161 timestamps, the
//! signature, and that the log entry is about this very signature. Time is `now`: what a root
//! trusts only later is left out, and a signature from the future is refused. That crate looks
//! at the machine's clock as well, to refuse what is later still; it can only refuse more by it.

use attest::{Sha256, Timestamp};
use sigstore_types::{Artifact, DerPublicKey, Sha256Hash};
use sigstore_verify::{
    PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult, Verifier,
};

use super::bundle::SigstoreBundle;
use super::error::SigstoreError;
use super::evidence::{Clock, ProvenTime, RekorEntry, place};
use super::identity::Keyless;
use super::root::RekorLog;
use crate::error::is_ahead;
use crate::trust::{Demand, TrustedRoot};

/// What a bundle's signature has to be about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum SigstoreArtifact<'a> {
    /// The artifact's own bytes.
    Bytes(&'a [u8]),
    /// The SHA-256 digest of its bytes.
    Digest(Sha256),
}

/// What one root proves of a bundle.
#[derive(Debug, Default)]
pub(crate) struct Proven {
    pub(crate) entries: Vec<RekorEntry>,
    pub(crate) times: Vec<ProvenTime>,
}

/// Who signed a keyless bundle.
pub(super) fn keyless(
    bundle: &SigstoreBundle,
    artifact: SigstoreArtifact<'_>,
    root: &TrustedRoot,
    now: Timestamp,
) -> Result<(Keyless, Proven), SigstoreError> {
    let read = bundle.read();
    let unlogged = read.verification_material.tlog_entries.is_empty();
    let mut policy = VerificationPolicy::any_identity();
    // An entry that is there is checked even where none is demanded.
    if root.demands().log == Demand::Waived && unlogged {
        policy = policy.skip_tlog_unsafe();
    }
    if root.demands().certificate_log == Demand::Waived && !root.root().has_certificate_logs() {
        policy = policy.skip_sct();
    }
    root.root().at(now, |verifier, logs| {
        let result = verifier.verify(artifact.lent(), read, &policy)?;
        if unlogged && root.demands().log == Demand::Required {
            return Err(SigstoreError::Log("none, and the trusted root demands one".into()));
        }
        let missing = || SigstoreError::Certificate("none".into());
        let der = read.signing_certificate().ok_or_else(missing)?;
        let info = result.certificate().filter(|_| result.certificate_verified());
        let signer = Keyless::of(root.name(), der.as_bytes(), info.ok_or_else(missing)?)?;
        // Authorities come first in the list, then the promises of logs.
        let clocks =
            read.verification_material.timestamp_verification_data.rfc3161_timestamps.len();
        let times = result.verified_timestamps().iter().enumerate();
        let times = times.map(|(place, time)| (*time, place < clocks)).collect();
        Ok((signer, proven(bundle, root, logs, times, now)?))
    })?
}

/// What is proven about a signature by `key`, which is known already.
pub(super) fn by_key(
    bundle: &SigstoreBundle,
    artifact: SigstoreArtifact<'_>,
    key: &attest::PublicKey,
    root: &TrustedRoot,
    now: Timestamp,
) -> Result<Proven, SigstoreError> {
    let read = bundle.read();
    let key = DerPublicKey::new(key.der().to_vec());
    let mut policy = PublicKeyVerificationPolicy::new(key);
    if read.verification_material.tlog_entries.is_empty() {
        policy = policy.skip_tlog_unsafe();
    }
    root.root().at(now, |verifier: &Verifier, logs| {
        let result: VerificationResult = verifier.verify(artifact.lent(), read, &policy)?;
        // Promises of logs come first in the list here, then authorities.
        let all = result.verified_timestamps();
        let clocks =
            read.verification_material.timestamp_verification_data.rfc3161_timestamps.len();
        let promises = all.len().saturating_sub(clocks);
        let times = all.iter().enumerate().map(|(place, time)| (*time, place >= promises));
        proven(bundle, root, logs, times.collect(), now)
    })?
}

fn proven(
    bundle: &SigstoreBundle,
    root: &TrustedRoot,
    logs: &[&RekorLog],
    times: Vec<(Timestamp, bool)>,
    now: Timestamp,
) -> Result<Proven, SigstoreError> {
    if let Some((time, _)) = times.iter().find(|(time, _)| is_ahead(*time, now)) {
        return Err(SigstoreError::Future { time: *time });
    }
    let earliest = times.iter().map(|(time, _)| *time).min();
    let read = bundle.read();
    let mut entries = Vec::new();
    for entry in &read.verification_material.tlog_entries {
        entries.extend(place(root, read.media_type, entry, logs, earliest)?);
    }
    entries.sort();
    entries.dedup();
    let name = || root.name().to_owned();
    let clock = |(time, by_authority)| ProvenTime {
        time,
        by: if by_authority {
            Clock::Authority { root: name() }
        } else {
            Clock::Log { root: name() }
        },
    };
    let mut times: Vec<ProvenTime> = times.into_iter().map(clock).collect();
    times.sort();
    times.dedup();
    Ok(Proven { entries, times })
}

impl<'a> SigstoreArtifact<'a> {
    fn lent(self) -> Artifact<'a> {
        match self {
            Self::Bytes(bytes) => Artifact::from_blob(bytes),
            Self::Digest(digest) => Artifact::from_digest(Sha256Hash::new(*digest.as_bytes())),
        }
    }

    /// The SHA-256 digest of the bytes.
    pub(super) fn digest(self) -> Sha256 {
        match self {
            Self::Bytes(bytes) => Sha256::of(bytes),
            Self::Digest(digest) => digest,
        }
    }
}
