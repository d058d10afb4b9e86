//! Keys that a log had before, and how far they are believed.
//!
//! A log has one name for ever and may get another key. Whoever keeps the trust file consents by
//! naming the new key there and the one before it among the former ones: the file is where belief
//! begins, so that no statement in the log can put a key into it (THREATS 31).
//!
//! A former key that was lost to somebody else says nothing that has to be true. All that can be
//! known of its time is one tree that the owners of the trust file vouch for, the last good one.

use std::fmt;

use attest::{Checkpoint, Sha256, VerifierKey};

/// A key that signed the checkpoints of a log before it got another one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FormerKey {
    key: VerifierKey,
    reach: Reach,
}

/// How far a former key is believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reach {
    /// As much as the key of today: while both sign, and for what was signed before.
    Whole,
    /// For trees of at most so many entries: the key was given up in good order.
    Until(u64),
    /// The key is somebody else's: it counts for this tree, and for no other. A smaller one would
    /// have to be proven to be in it, which nothing that comes with a bundle does.
    LastGood(LastGood),
}

/// The last tree of a log that its owners vouch for, though its key was lost to somebody else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LastGood {
    /// How many entries it has.
    pub size: u64,
    /// Its root.
    pub root: Sha256,
}

/// Why a checkpoint that a log signed is not believed all the same.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndedError {
    /// A former key signed a larger tree than it may.
    #[error(
        "it is about {size} entries, and its key counts only up to {until}: the trust file names the key that the log has since"
    )]
    Beyond {
        /// The size in the checkpoint.
        size: u64,
        /// How far the key counts.
        until: u64,
    },
    /// It is about a smaller tree than the last good one, and signed by a lost key alone.
    #[error(
        "it is about {size} entries and signed by a key that was lost; only the tree of {last_good} entries counts by that key: get the bundle or the proof from the log again"
    )]
    Unproven {
        /// The size in the checkpoint.
        size: u64,
        /// The size of the last good tree.
        last_good: u64,
    },
    /// Another tree of the size of the last good one, whoever signed it.
    #[error("its {size} entries have the root {found}, but the last good tree has {root}")]
    Forked {
        /// The size.
        size: u64,
        /// The root of the last good tree.
        root: Sha256,
        /// The root in the checkpoint.
        found: Sha256,
    },
}

impl FormerKey {
    /// `key`, believed as far as `reach` says.
    pub const fn new(key: VerifierKey, reach: Reach) -> Self {
        Self { key, reach }
    }

    /// The key.
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// How far it is believed.
    pub const fn reach(&self) -> Reach {
        self.reach
    }

    /// The last good tree, if the key was lost to somebody else.
    pub const fn last_good(&self) -> Option<LastGood> {
        match self.reach {
            Reach::LastGood(last_good) => Some(last_good),
            Reach::Whole | Reach::Until(_) => None,
        }
    }

    /// Demands that the key may speak for a checkpoint that it signed alone.
    pub(super) const fn require(&self, checkpoint: &Checkpoint) -> Result<(), EndedError> {
        let size = checkpoint.size;
        match self.reach {
            Reach::Whole => Ok(()),
            Reach::Until(until) if size <= until => Ok(()),
            Reach::Until(until) => Err(EndedError::Beyond { size, until }),
            Reach::LastGood(LastGood { size: last_good, .. }) if size < last_good => {
                Err(EndedError::Unproven { size, last_good })
            }
            Reach::LastGood(LastGood { size: until, .. }) if size > until => {
                Err(EndedError::Beyond { size, until })
            }
            // Its root is held against the last good one whoever signed.
            Reach::LastGood(_) => Ok(()),
        }
    }
}

impl LastGood {
    /// Demands that a tree of this size is this tree; of another size nothing is said.
    ///
    /// # Errors
    /// [`EndedError::Forked`].
    pub fn require(&self, size: u64, found: Sha256) -> Result<(), EndedError> {
        let root = self.root;
        if size == self.size && found != root {
            return Err(EndedError::Forked { size, root, found });
        }
        Ok(())
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => formatter.write_str("still counts"),
            Self::Until(size) => write!(formatter, "counts up to {size} entries"),
            Self::LastGood(LastGood { size, root }) => {
                write!(formatter, "was lost; last good: {size} entries with the root {root}")
            }
        }
    }
}
