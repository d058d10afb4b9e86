//! What was seen of registers before: the newest time and the largest tree of each.
//!
//! Kept outside the register (`.assay/seen.json`), so that a register that comes back shorter, or
//! with another past, is noticed, and so that a clock set backwards cannot make old evidence young
//! again. Nothing here repairs anything: whoever accepted a checkpoint and is shown less is told
//! so, and decides.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use attest::json::{self, JsonError};
use attest::{Checkpoint, Sha256, Timestamp};
use serde::{Deserialize, Serialize};

use verify::Trust;

use crate::clock::ClockBehind;
use crate::monitor::Split;
use crate::notes::Notes;
use crate::register::{CLOCK_TOLERANCE_MICROSECONDS, ReadError, Register, Signed, Storage};

/// How many registers are remembered.
pub const MAX_LOGS: usize = 1024;
/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// How much newer a time must be for the file to be written when nothing else is new.
const STEP_MICROSECONDS: i64 = 60 * 1_000_000;

/// High-water marks.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seen {
    /// When the newest checkpoint was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<Timestamp>,
    /// The largest tree of each register, by origin.
    #[serde(default)]
    logs: BTreeMap<String, Mark>,
    /// The newest trust document that was in force in each register, by origin.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    trust: BTreeMap<String, TrustMark>,
}

/// A version of a trust document that was in force.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrustMark {
    /// Which version.
    pub version: u64,
    /// Its digest.
    pub digest: Sha256,
}

/// The largest tree seen of a register.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Sha256,
}

/// Why what is shown now does not fit what was seen before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeenError {
    /// The clock is before what was accepted already.
    #[error(
        "clock is behind: it is {now}, but a checkpoint was accepted at {accepted}; set the clock"
    )]
    ClockBehind {
        /// The caller's time.
        now: Timestamp,
        /// When the newest checkpoint was accepted.
        accepted: Timestamp,
    },
    /// The register is shorter than it was.
    #[error(
        "register `{origin}` has {size} entries, but had {seen} before; restore the newer copy of it"
    )]
    Shorter {
        /// The register.
        origin: String,
        /// Its size now.
        size: u64,
        /// Its largest size so far.
        seen: u64,
    },
    /// The register has another past than it had.
    #[error(
        "register `{origin}` has another history: its first {size} entries had the root {seen}, now they have {root}"
    )]
    Fork {
        /// The register.
        origin: String,
        /// The size that was seen.
        size: u64,
        /// The root that was seen.
        seen: Sha256,
        /// The root now.
        root: Sha256,
    },
    /// A trust document that is older than one that was in force, or none at all.
    #[error(
        "version {found} of the trust document is in force in `{origin}`, but version {seen} was before; get the newer one from the register: `assay trust join`"
    )]
    OlderTrust {
        /// The register.
        origin: String,
        /// Which is in force now; 0 for a file that is only its keeper's.
        found: u64,
        /// Which was.
        seen: u64,
    },
    /// Another document of the version that was in force.
    #[error(
        "version {version} of the trust document of `{origin}` was {seen}, and is {found} now: somebody was shown another history"
    )]
    OtherTrust {
        /// The register.
        origin: String,
        /// The version.
        version: u64,
        /// The digest that was seen.
        seen: Sha256,
        /// The digest now.
        found: Sha256,
    },
    /// More than [`MAX_LOGS`].
    #[error("more than {MAX_LOGS} registers were seen; remove those that are gone from the file")]
    TooManyLogs,
    /// The file cannot be used.
    #[error("cannot use `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error(
        "cannot read `{path}`; if it is beyond repair, remove it and compare the register's checkpoint by hand"
    )]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: JsonError,
    },
    /// The clock has gone back since the service was started.
    #[error(transparent)]
    Clock(#[from] ClockBehind),
    /// The register does not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Holds what `register` shows now against what was seen before, and remembers it. Returns the
/// newest time that was accepted so far.
///
/// # Errors
/// [`SeenError`]; nobody may be told "allowed" then, and nothing was remembered.
pub async fn accept<S: Storage>(
    path: &Path,
    register: &Register<S>,
    now: Timestamp,
) -> Result<Timestamp, SeenError> {
    let _held = hold(path)?;
    let before = Seen::load(path)?;
    before.require_clock(now)?;
    let signed = register.signed().await?;
    let checkpoint = &signed.checkpoint;
    let notes = Notes::beside(path);
    if let Some(mark) = before.mark(&checkpoint.origin)
        && let Err(error) = require_grown(mark, checkpoint, register).await
    {
        keep_evidence(&notes, mark, &signed, &error);
        return Err(error);
    }
    let mut after = before.clone();
    after.accept(checkpoint, now)?;
    if after.logs != before.logs
        && let Err(error) = notes.keep(&checkpoint.origin, &signed.note)
    {
        // What counts is the mark; the note would be evidence.
        tracing::warn!(%error, "cannot keep the newest checkpoint");
    }
    if after.is_worth_writing(&before) {
        after.save(path)?;
    }
    Ok(after.accepted.unwrap_or(now))
}

/// Demands that the tree that was seen is in the register's tree.
async fn require_grown<S: Storage>(
    mark: Mark,
    checkpoint: &Checkpoint,
    register: &Register<S>,
) -> Result<(), SeenError> {
    mark.require_not_shorter(checkpoint)?;
    mark.require_root(&checkpoint.origin, register.root(mark.size).await?)
}

/// Keeps what the register shows and what was seen of it, when the two are at odds.
fn keep_evidence(notes: &Notes, before: Mark, signed: &Signed, error: &SeenError) {
    let what = match error {
        SeenError::Shorter { .. } => "rollback",
        SeenError::Fork { .. } => "fork",
        _ => return,
    };
    let (now, note) = (signed.checkpoint.clone(), signed.note.clone());
    let kept = notes.keep_evidence(what, &Split { now, note, before });
    tracing::error!(what, ?kept, "the register is not the one that it was");
}

/// Remembers a checkpoint of somebody else's log that was proven to extend what was seen.
///
/// # Errors
/// [`SeenError`]; another process may have seen more meanwhile.
pub fn remember(path: &Path, checkpoint: &Checkpoint, now: Timestamp) -> Result<(), SeenError> {
    let _held = hold(path)?;
    let before = Seen::load(path)?;
    before.require_clock(now)?;
    let mut after = before.clone();
    after.accept(checkpoint, now)?;
    if after.is_worth_writing(&before) { after.save(path) } else { Ok(()) }
}

/// Holds the trust document that is in force in a register against the one that was, and remembers
/// it. A file that is only its keeper's is held against nothing, unless there was a version before.
///
/// # Errors
/// [`SeenError::OlderTrust`], [`SeenError::OtherTrust`]: nobody may be told "allowed" then.
pub fn accept_trust(path: &Path, origin: &str, trust: &Trust) -> Result<(), SeenError> {
    let before = Seen::load(path)?;
    let found = trust.governance().map_or(0, |governance| governance.version());
    match before.trust.get(origin) {
        Some(seen) if found < seen.version => {
            let (origin, seen) = (origin.to_owned(), seen.version);
            return Err(SeenError::OlderTrust { origin, found, seen });
        }
        Some(seen) if found == seen.version && trust.digest() != seen.digest => {
            let (origin, seen) = (origin.to_owned(), seen.digest);
            let (version, found) = (found, trust.digest());
            return Err(SeenError::OtherTrust { origin, version, seen, found });
        }
        Some(seen) if found == seen.version => return Ok(()),
        None if found == 0 => return Ok(()),
        Some(_) | None => {}
    }
    let _held = hold(path)?;
    // Another process may have seen a newer one meanwhile.
    let mut after = Seen::load(path)?;
    if after.trust.get(origin).is_some_and(|seen| seen.version >= found) {
        drop(_held);
        return Ok(());
    }
    if after.trust.len() >= MAX_LOGS {
        return Err(SeenError::TooManyLogs);
    }
    after.trust.insert(origin.into(), TrustMark { version: found, digest: trust.digest() });
    after.save(path)
}

/// Keeps others from changing the file between reading and writing it, until this is dropped.
fn hold(path: &Path) -> Result<File, SeenError> {
    let broken = |source| SeenError::Io { path: path.into(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = File::create(folder.unwrap_or(Path::new(".")).join("seen.lock")).map_err(broken)?;
    match file.lock() {
        // Where files cannot be locked, two at once may forget one mark.
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(broken(error)),
        _ => Ok(file),
    }
}

impl Seen {
    /// Reads the file; nothing was seen when there is none.
    ///
    /// # Errors
    /// [`SeenError::Io`], [`SeenError::Json`].
    pub fn load(path: &Path) -> Result<Self, SeenError> {
        let broken = |source| SeenError::Io { path: path.into(), source };
        match fs::metadata(path) {
            Ok(found) if found.len() > MAX_BYTES => {
                return Err(broken(io::Error::new(io::ErrorKind::FileTooLarge, "too large")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(broken(error)),
        }
        let bytes = fs::read(path).map_err(broken)?;
        json::parse_as(&bytes).map_err(|source| SeenError::Json { path: path.into(), source })
    }

    /// Refuses a time that is more than five minutes before the newest accepted checkpoint.
    ///
    /// # Errors
    /// [`SeenError::ClockBehind`].
    pub fn require_clock(&self, now: Timestamp) -> Result<(), SeenError> {
        match self.accepted {
            Some(accepted) if is_behind(now, accepted) => {
                Err(SeenError::ClockBehind { now, accepted })
            }
            _ => Ok(()),
        }
    }

    /// The largest tree seen of the register `origin`.
    pub fn mark(&self, origin: &str) -> Option<Mark> {
        self.logs.get(origin).copied()
    }

    /// The newest trust document that was in force in the register `origin`.
    pub fn trust_mark(&self, origin: &str) -> Option<TrustMark> {
        self.trust.get(origin).copied()
    }

    /// Remembers a checkpoint that was accepted at `now`: signed by its register, and not at odds
    /// with what was seen.
    ///
    /// # Errors
    /// [`SeenError::Shorter`], or [`SeenError::Fork`] for another root at the same size: that the
    /// larger tree has the smaller one in it is the caller's to check.
    pub fn accept(&mut self, checkpoint: &Checkpoint, now: Timestamp) -> Result<(), SeenError> {
        let Checkpoint { origin, size, root } = checkpoint;
        match self.mark(origin) {
            Some(mark) => {
                mark.require_not_shorter(checkpoint)?;
                if mark.size == *size {
                    mark.require_root(origin, *root)?;
                }
            }
            None if self.logs.len() >= MAX_LOGS => return Err(SeenError::TooManyLogs),
            None => {}
        }
        self.logs.insert(origin.clone(), Mark { size: *size, root: *root });
        self.accepted = self.accepted.max(Some(now));
        Ok(())
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`SeenError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), SeenError> {
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        let new = path.with_extension(format!("{}.new", std::process::id()));
        let write = || -> io::Result<()> {
            let mut file = File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, path)
        };
        write().map_err(|source| SeenError::Io { path: path.into(), source })
    }

    /// A file is not written again only because a second has passed.
    fn is_worth_writing(&self, before: &Self) -> bool {
        let time = |seen: &Self| seen.accepted.map_or(i64::MIN, Timestamp::as_microsecond);
        self.logs != before.logs || time(self).saturating_sub(time(before)) >= STEP_MICROSECONDS
    }
}

impl Mark {
    fn require_not_shorter(self, checkpoint: &Checkpoint) -> Result<(), SeenError> {
        let Checkpoint { origin, size, .. } = checkpoint;
        if *size < self.size {
            return Err(SeenError::Shorter {
                origin: origin.clone(),
                size: *size,
                seen: self.size,
            });
        }
        Ok(())
    }

    fn require_root(self, origin: &str, root: Sha256) -> Result<(), SeenError> {
        let Self { size, root: seen } = self;
        if root != seen {
            return Err(SeenError::Fork { origin: origin.into(), size, seen, root });
        }
        Ok(())
    }
}

/// How far a clock may be behind what was accepted.
pub(crate) const TOLERANCE: Duration =
    Duration::from_micros(CLOCK_TOLERANCE_MICROSECONDS.unsigned_abs());

/// Whether `now` is more than the tolerated five minutes before `newest`.
pub(crate) fn is_behind(now: Timestamp, newest: Timestamp) -> bool {
    newest.as_microsecond().saturating_sub(now.as_microsecond()) > CLOCK_TOLERANCE_MICROSECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn checkpoint(size: u64, root: &str) -> Checkpoint {
        Checkpoint { origin: "assay.local/0".into(), size, root: Sha256::of(root.as_bytes()) }
    }

    fn seen() -> Seen {
        let mut seen = Seen::default();
        seen.accept(&checkpoint(5, "five"), at(NOW)).unwrap();
        seen
    }

    #[test]
    fn a_clock_may_be_five_minutes_behind_and_no_more() {
        for (now, fits) in [(NOW + 1, true), (NOW - 300, true), (NOW - 301, false)] {
            assert_eq!(seen().require_clock(at(now)).is_ok(), fits, "{now}");
        }
        assert!(Seen::default().require_clock(at(0)).is_ok());
    }

    #[test]
    fn a_register_only_grows() {
        assert!(seen().accept(&checkpoint(5, "five"), at(NOW)).is_ok());
        assert!(seen().accept(&checkpoint(6, "six"), at(NOW)).is_ok());
        let shorter = seen().accept(&checkpoint(4, "four"), at(NOW));
        assert!(matches!(shorter, Err(SeenError::Shorter { size: 4, seen: 5, .. })));
        let fork = seen().accept(&checkpoint(5, "other"), at(NOW));
        assert!(matches!(fork, Err(SeenError::Fork { size: 5, .. })));
    }

    #[test]
    fn the_file_reads_back_and_damage_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen.json");
        assert_eq!(Seen::load(&path).unwrap(), Seen::default());
        seen().save(&path).unwrap();
        assert_eq!(Seen::load(&path).unwrap(), seen());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
        fs::write(&path, "{").unwrap();
        assert!(matches!(Seen::load(&path), Err(SeenError::Json { .. })));
    }

    #[test]
    fn a_trust_document_never_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen.json");
        let governed = |version: u64, expires: &str| {
            let previous = match version {
                1 => String::new(),
                _ => format!("  previous: {}\n", Sha256::of(b"before")),
            };
            let key = attest::SigningKey::from_ed25519_seed(&[1; 32]).unwrap();
            let spki = base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                key.public().der(),
            );
            let text = format!(
                "apiVersion: assay/v1\nkind: Trust\ngovernance:\n  version: {version}\n  expires: {expires}\n\
                 {previous}  roles: [{{role: trust, keys: [ana], threshold: 1}}]\n\
                 keys: [{{id: ana, spki: {spki}, owner: ana}}]\n"
            );
            Trust::parse(&text).unwrap()
        };
        let accept = |trust: &Trust| accept_trust(&path, "assay.local/0", trust);
        let soon = "2027-01-01T00:00:00Z";
        assert!(accept(&Trust::empty()).is_ok(), "there was none before");
        let (one, two, three) = (governed(1, soon), governed(2, soon), governed(3, soon));
        for trust in [&one, &two, &two, &three] {
            assert!(accept(trust).is_ok());
        }
        let older = accept(&two);
        assert!(matches!(older, Err(SeenError::OlderTrust { found: 2, seen: 3, .. })));
        let none = accept(&Trust::empty());
        assert!(matches!(none, Err(SeenError::OlderTrust { found: 0, .. })));
        let other = accept(&governed(3, "2028-01-01T00:00:00Z"));
        assert!(matches!(other, Err(SeenError::OtherTrust { version: 3, .. })));
        assert!(accept(&three).is_ok());
        assert!(accept_trust(&path, "elsewhere", &one).is_ok(), "each register has its own");
    }

    #[test]
    fn an_earlier_time_never_lowers_the_mark() {
        let mut seen = seen();
        seen.accept(&checkpoint(6, "six"), at(NOW - 200)).unwrap();
        assert!(seen.require_clock(at(NOW - 301)).is_err());
    }
}
