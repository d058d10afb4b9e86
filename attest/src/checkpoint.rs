//! Checkpoints: a log's word about its size and root.
//!
//! Source: C2SP tlog-checkpoint. The text is the origin, the size in decimal and the root in
//! base64, a line each; extension lines may follow and are kept out of the meaning.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::Sha256;
use crate::note::{Note, NoteError, VerifierKey};

/// What a log commits to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// The name of the log, unique and permanent.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of its Merkle tree (RFC 6962, section 2.1).
    pub root: Sha256,
}

/// Why a text is not a checkpoint, or not one by the expected log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The text is not a checkpoint.
    #[error("not a checkpoint (C2SP tlog-checkpoint)")]
    Malformed,
    /// The note around it is not accepted.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The log signed a checkpoint of another origin.
    #[error("the checkpoint is of `{found}`, not of `{expected}`")]
    Origin {
        /// What the trusted key is called.
        expected: String,
        /// What the checkpoint says.
        found: String,
    },
}

impl Checkpoint {
    /// Reads the checkpoint in a signed note, as `verifier` signed it. The origin must be the
    /// name of the key.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: &str, verifier: &VerifierKey) -> Result<Self, CheckpointError> {
        let note: Note = note.parse()?;
        let checkpoint: Self = note.open(verifier)?.parse()?;
        if checkpoint.origin != verifier.name() {
            return Err(CheckpointError::Origin {
                expected: verifier.name().into(),
                found: checkpoint.origin,
            });
        }
        Ok(checkpoint)
    }

    /// The origin that a note claims, read without believing it: to find the key to check with.
    pub fn claimed_origin(note: &str) -> Option<&str> {
        note.split('\n').next().filter(|line| !line.is_empty())
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        parse(text).ok_or(CheckpointError::Malformed)
    }
}

fn parse(text: &str) -> Option<Checkpoint> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let origin = lines.next().filter(|line| !line.is_empty())?;
    let digits = lines.next()?;
    let size: u64 = digits.parse().ok()?;
    // `+7` and `007` parse as numbers but are not how a size is written.
    if size.to_string() != digits {
        return None;
    }
    let root: [u8; 32] = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
    if lines.any(str::is_empty) {
        return None;
    }
    Some(Checkpoint { origin: origin.into(), size, root: Sha256::from_bytes(root) })
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = STANDARD.encode(self.root.as_bytes());
        write!(formatter, "{}\n{}\n{root}\n", self.origin, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;
    use crate::note::NoteSigner;

    #[test]
    fn checkpoint_text() {
        let root = STANDARD.encode([7; 32]);
        let cases = [
            (format!("log\n0\n{root}\n"), true),
            (format!("log\n7\n{root}\nextension\n"), true),
            (format!("log\n7\n{root}"), false),
            (format!("log\n07\n{root}\n"), false),
            (format!("log\n+7\n{root}\n"), false),
            (format!("log\n-7\n{root}\n"), false),
            (format!("\n7\n{root}\n"), false),
            (format!("log\n7\n{root}\n\nx\n"), false),
            ("log\n7\nAAAA\n".into(), false),
            ("log\n7\n".into(), false),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<Checkpoint>().is_ok(), want, "{text:?}");
        }
    }

    #[test]
    fn the_origin_is_the_name_of_the_key() {
        let signer =
            NoteSigner::new("log", SigningKey::from_ed25519_seed(&[1; 32]).unwrap()).unwrap();
        for (origin, want) in [("log", true), ("other", false)] {
            let checkpoint = Checkpoint { origin: origin.into(), size: 3, root: Sha256::of(b"") };
            let note = signer.sign(&checkpoint.to_string()).unwrap().to_string();
            assert_eq!(Checkpoint::open(&note, signer.verifier()).is_ok(), want, "{origin}");
            assert_eq!(Checkpoint::claimed_origin(&note), Some(origin));
        }
    }
}
