//! One look at a log: what it shows now, held against what it showed before.

use attest::{Checkpoint, CheckpointError, VerifierKey, note};
use verify::merkle::{MakeError, ProofError, consistency_proof, verify_consistency};
use verify::{LastGood, OpenError, TrustedLog};

use super::tiles::{Fetch, FetchError, TileError, Tiles};
use crate::seen::Mark;

/// By what a log is believed.
#[derive(Clone, Copy, Debug)]
pub enum Believed<'a> {
    /// The trust file names it, with its key and its witnesses.
    Log(&'a TrustedLog),
    /// Whoever asks gave its key.
    Key(&'a VerifierKey),
}

/// What a log shows, and it is consistent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Look {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The note that it was in.
    pub note: String,
    /// What was seen before, if anything was.
    pub before: Option<Mark>,
    /// How many entries were read and hashed.
    pub entries: u64,
}

/// What a log signed, and cannot be true together with what it signed before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Split {
    /// The checkpoint that it shows now.
    pub now: Checkpoint,
    /// The note that it is in.
    pub note: String,
    /// What was seen before, or what the trust file vouches for.
    pub before: Mark,
}

/// Why a log is not believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// The log shows fewer entries than it did.
    #[error("rollback: `{}` had {} entries and shows {}", .0.now.origin, .0.before.size, .0.now.size)]
    Rollback(
        /// Both.
        Box<Split>,
    ),
    /// The log shows another history than it did.
    #[error("fork: `{}` shows {} entries that do not extend the {} that it had", .0.now.origin, .0.now.size, .0.before.size)]
    Fork(
        /// Both.
        Box<Split>,
    ),
    /// The log did not answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// There is no checkpoint.
    #[error("there is no `checkpoint`: is this the URL of a log (C2SP tlog-tiles)?")]
    NoCheckpoint,
    /// The checkpoint is not one that counts.
    #[error("the checkpoint does not count")]
    Open(#[from] OpenError),
    /// The tree cannot be read, or is not the one that was signed.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// No proof can be asked for between these sizes.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl Believed<'_> {
    /// The log's name.
    pub fn origin(&self) -> &str {
        match self {
            Self::Log(log) => log.origin(),
            Self::Key(key) => key.name(),
        }
    }

    /// The trees that the trust file vouches for, because keys of the log were lost.
    fn last_good(&self) -> Vec<Mark> {
        match self {
            Self::Log(log) => {
                log.last_good().map(|LastGood { size, root }| Mark { size, root }).collect()
            }
            Self::Key(_) => Vec::new(),
        }
    }

    fn open(&self, note: &str) -> Result<Checkpoint, OpenError> {
        match self {
            Self::Log(log) => log.open(note).map(|(checkpoint, _)| checkpoint),
            Self::Key(key) => Checkpoint::open(note, key).map_err(OpenError::from),
        }
    }
}

/// Looks at a log once. With `entries`, every entry that was not there before is read, too.
///
/// # Errors
/// [`MonitorError::Rollback`] and [`MonitorError::Fork`] are what the log has to answer for; with
/// any other nothing is known. Nothing is to be remembered then.
pub fn look(
    believed: Believed<'_>,
    before: Option<Mark>,
    entries: bool,
    fetch: &Fetch<'_>,
) -> Result<Look, MonitorError> {
    let bytes = fetch("checkpoint", note::MAX_BYTES)?.ok_or(MonitorError::NoCheckpoint)?;
    let malformed = |_| OpenError::Checkpoint(CheckpointError::Malformed);
    let note = String::from_utf8(bytes).map_err(malformed)?;
    let now = believed.open(&note)?;
    let from = before.map_or(0, |mark| mark.size);
    let split = |before| Box::new(Split { now: now.clone(), note: note.clone(), before });
    let tiles = Tiles::new(now.size, now.root, fetch);
    for mark in before.into_iter().chain(believed.last_good()) {
        if now.size < mark.size {
            return Err(MonitorError::Rollback(split(mark)));
        }
        if !extends(&tiles, &now, mark)? {
            return Err(MonitorError::Fork(split(mark)));
        }
    }
    tiles.check_root()?;
    let entries = if entries && now.size > from { tiles.check_entries(from)? } else { 0 };
    Ok(Look { checkpoint: now, note, before, entries })
}

/// Whether the tree of `now`, which is no smaller, has the tree of `mark` in it.
fn extends(tiles: &Tiles<'_>, now: &Checkpoint, mark: Mark) -> Result<bool, MonitorError> {
    if now.size == mark.size {
        return Ok(now.root == mark.root);
    }
    if mark.size == 0 {
        return Ok(true);
    }
    // Every hash of the proof is shown to be under the signed root first: what does not lead to
    // the old root then is another history, and no wrong tile.
    let proof = match consistency_proof(tiles, mark.size, now.size) {
        Ok(proof) => proof,
        Err(MakeError::Nodes(error)) => return Err(error.into()),
        Err(MakeError::Proof(error)) => return Err(error.into()),
        Err(_) => return Err(ProofError::Length { found: 0 }.into()),
    };
    Ok(verify_consistency(mark.size, now.size, &proof, &mark.root, &now.root).is_ok())
}
