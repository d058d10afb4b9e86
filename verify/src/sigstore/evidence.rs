//! What of a bundle's log entries and times is proven, and by whom: the only part of them that
//! may be shown or indexed.
//!
//! `sigstore-verify` says that an entry is in one of the root's logs. Here it is found in which
//! one, and the fields that Rekor v2 leaves unsigned (`logId`, and beside the proof `logIndex`,
//! `treeSize` and `rootHash`) are held against what the checkpoint says: an entry that contradicts
//! its own proof is refused. What is kept comes from the checkpoint.

use attest::{Sha256, Timestamp};
use sigstore_types::{KindVersion, MediaType, TransparencyLogEntry};

use super::error::SigstoreError;
use super::root::RekorLog;
use crate::trust::{Demand, TrustedRoot};

/// A place in a log that a trusted root names, proven under a checkpoint that the log signed.
///
/// It orders nothing: positions of this log cannot be compared with those of a register.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct RekorEntry {
    /// The name in the trust file of the root that names the log.
    pub root: String,
    /// Where that root says the log is served.
    pub log: String,
    /// The position in the tree, counted from zero.
    pub index: u64,
    /// The size of the tree that the log signed.
    pub size: u64,
    /// Its root.
    pub tree: Sha256,
}

/// A time by which the signature was there, proven.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct ProvenTime {
    /// The time.
    pub time: Timestamp,
    /// Who says so.
    pub by: Clock,
}

/// Who proves a time.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Clock {
    /// A timestamp authority (RFC 3161): a clock of the trust file, or one of this trusted root.
    Authority {
        /// The name of the clock or the root in the trust file.
        root: String,
    },
    /// A quorum of the witnesses of this log, which had seen the signature in it by then.
    Witnesses {
        /// The log.
        origin: String,
    },
    /// A log of signatures of this trusted root, by its signed promise (Rekor v1).
    Log {
        /// The name of the root in the trust file.
        root: String,
    },
}

/// Where `entry` is, once `sigstore-verify` has proven it to be in one of `logs`; nowhere when the
/// log only promised to take it.
///
/// A bundle of version 0.1 may hold the promise alone (`sigstore_bundle.proto`, "inclusion promise
/// (MUST be present) … inclusion proof (optional)"). `sigstore-verify` has checked the log's
/// signature on it. It proves the time, and no place. Nothing signed says whether there ever was a
/// proof, so whoever takes a promise alone lets anybody take the proof away: it counts only where
/// the trust file waives the proof.
pub(super) fn place(
    root: &TrustedRoot,
    version: MediaType,
    entry: &TransparencyLogEntry,
    logs: &[&RekorLog],
    earliest: Option<Timestamp>,
) -> Result<Option<RekorEntry>, SigstoreError> {
    let wrong = |what: &str| SigstoreError::Log(what.to_owned());
    let promised = entry.inclusion_promise.is_some() && entry.integrated_time.is_some();
    if entry.inclusion_proof.is_none() && version == MediaType::Bundle0_1 && promised {
        return match root.demands().inclusion_proof {
            Demand::Waived => Ok(None),
            Demand::Required => Err(SigstoreError::OnlyPromised),
        };
    }
    let proof = entry.inclusion_proof.as_ref().ok_or_else(|| wrong("no inclusion proof"))?;
    let checkpoint = proof.checkpoint.checkpoint().ok_or_else(|| wrong("no checkpoint"))?;
    let signed = |log: &&&RekorLog| {
        let hinted = |signature: &&sigstore_types::CheckpointSignature| {
            log.id.starts_with(signature.key_id.as_bytes())
        };
        let mut signatures = checkpoint.signatures().iter().filter(hinted);
        signatures.any(|one| log.key.verify(checkpoint.signed_data(), &one.signature).is_ok())
    };
    let log = logs.iter().find(signed).ok_or_else(|| wrong("no log of the root signed it"))?;
    if entry.log_id.key_id.as_bytes() != log.id {
        return Err(wrong("`logId` is not the log that signed the checkpoint"));
    }
    if let Some(end) = log.end()
        && earliest.is_some_and(|time| time > end)
    {
        return Err(wrong("the log had ended when the signature was made"));
    }
    if (proof.tree_size, proof.root_hash.as_bytes())
        != (checkpoint.tree_size(), checkpoint.root_hash().as_bytes())
    {
        return Err(wrong("the proof is for another tree than the checkpoint"));
    }
    let index = proof.log_index.get();
    if entry.kind_version == KindVersion::HashedRekordV002 && entry.log_index.get() != index {
        return Err(wrong("`logIndex` is not the position that the proof is for"));
    }
    Ok(Some(RekorEntry {
        root: root.name().to_owned(),
        log: log.url.clone(),
        index,
        size: checkpoint.tree_size(),
        tree: Sha256::from_bytes(*checkpoint.root_hash().as_bytes()),
    }))
}
