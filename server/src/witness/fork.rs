//! Evidence that our own register has two histories, and what is held up by it.
//!
//! As long as there is any in the register's folder, in `fork`, nothing is allowed: an operator
//! looks at both notes, decides, and settles it. Nothing is deleted by that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use attest::{Checkpoint, Sha256, VerifierKey};
use serde::Serialize;

use super::durable;

const FOLDER: &str = "fork";
/// How many pieces of evidence are kept.
const MAX_EVIDENCE: usize = 100;
/// How many settled forks there can be.
const MAX_SETTLED: usize = 10_000;

/// Two histories of one register, as one of its witnesses has it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fork {
    version: &'static str,
    /// The witness.
    pub witness: String,
    /// What it says, or shows.
    pub says: String,
    /// Whether the register's own signature is under both notes, so that nobody else can have
    /// made this up.
    pub proven: bool,
    /// The note of the register as it is here.
    pub ours: String,
    /// The note that the witness cosigned, if it shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<String>,
}

impl Fork {
    /// What a witness says against the note `ours` of the register that has any of `keys`.
    pub fn new(
        witness: &str,
        says: String,
        ours: &str,
        theirs: Option<String>,
        keys: &[&VerifierKey],
    ) -> Self {
        let by_us = |note: &str| keys.iter().any(|key| Checkpoint::open(note, key).is_ok());
        let signed = theirs.as_deref().is_some_and(by_us);
        Self {
            version: "assay/fork/v1",
            witness: witness.into(),
            says,
            proven: signed,
            ours: ours.into(),
            theirs,
        }
    }

    /// Keeps it in the folder of the register, and says where. The same evidence is kept once.
    ///
    /// # Errors
    /// When it cannot be written; whoever found the fork must act on it all the same.
    pub fn keep(&self, register: &Path) -> io::Result<PathBuf> {
        let folder = register.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        let path = folder.join(Sha256::of(&bytes).hex()).with_extension("json");
        if !path.exists() {
            if fs::read_dir(&folder)?.take(MAX_EVIDENCE).count() == MAX_EVIDENCE {
                return Ok(folder);
            }
            durable::replace(&path, &bytes)?;
        }
        Ok(path)
    }
}

/// Where the evidence of a fork lies that nobody has settled, if there is any.
pub fn unsettled(register: &Path) -> Option<PathBuf> {
    let folder = register.join(FOLDER);
    folder.symlink_metadata().is_ok().then_some(folder)
}

/// Puts the evidence aside, because an operator has decided: the register here is the right one.
/// Says where it lies now; `None` when there was none.
///
/// # Errors
/// When it cannot be moved.
pub fn settle(register: &Path) -> io::Result<Option<PathBuf>> {
    let Some(folder) = unsettled(register) else { return Ok(None) };
    for number in 1..=MAX_SETTLED {
        let aside = register.join(format!("{FOLDER}-settled-{number}"));
        if !aside.exists() {
            fs::rename(&folder, &aside)?;
            return Ok(Some(aside));
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many settled forks"))
}

#[cfg(test)]
mod tests {
    use attest::{NoteSigner, SigningKey};

    use super::*;

    fn note(seed: u8, size: u64) -> (NoteSigner, String) {
        let key = SigningKey::from_ed25519_seed(&[seed; 32]).unwrap();
        let signer = NoteSigner::new("log", key).unwrap();
        let checkpoint = Checkpoint { origin: "log".into(), size, root: Sha256::of(b"") };
        let note = signer.sign(&checkpoint.to_string()).unwrap().to_string();
        (signer, note)
    }

    #[test]
    fn a_fork_is_kept_until_it_is_settled_and_its_evidence_after() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(unsettled(folder.path()), None);
        let (signer, ours) = note(1, 5);
        let fork = Fork::new("w", "ahead".into(), &ours, Some(note(1, 7).1), &[signer.verifier()]);
        assert!(fork.proven);
        let path = fork.keep(folder.path()).unwrap();
        assert_eq!(fork.keep(folder.path()).unwrap(), path);
        assert_eq!(unsettled(folder.path()), path.parent().map(Path::to_owned));
        let aside = settle(folder.path()).unwrap().unwrap();
        assert!(aside.join(path.file_name().unwrap()).exists());
        assert_eq!(unsettled(folder.path()), None);
        assert_eq!(settle(folder.path()).unwrap(), None);
    }

    #[test]
    fn only_the_registers_own_signature_proves_it() {
        let (signer, ours) = note(1, 5);
        for (theirs, want) in
            [(Some(note(1, 7).1), true), (Some(note(2, 7).1), false), (None, false)]
        {
            let fork = Fork::new("w", "ahead".into(), &ours, theirs, &[signer.verifier()]);
            assert_eq!(fork.proven, want);
        }
    }
}
