//! A file that a register's key vouches for: a checkpoint whose note has one extension line more,
//! with what the file is and its SHA-256 (C2SP tlog-checkpoint, "Extension lines").

use attest::{Checkpoint, CheckpointError, Note, NoteError, NoteSigner, Sha256, VerifierKey};

use super::tree::Tree;

/// Signs that the file with this digest, of the kind `extension`, belongs to `tree`.
pub(super) fn sign(
    signer: &NoteSigner,
    tree: Tree,
    extension: &str,
    digest: &Sha256,
) -> Result<String, NoteError> {
    let origin = signer.verifier().name().to_owned();
    let checkpoint = Checkpoint { origin, size: tree.size, root: tree.root };
    Ok(signer.sign(&format!("{checkpoint}{extension}{}\n", digest.hex()))?.to_string())
}

/// The checkpoint in a note that `verifier` signed, and the digest of its file.
pub(super) fn open(
    note: &str,
    extension: &str,
    verifier: &VerifierKey,
) -> Result<(Checkpoint, Sha256), CheckpointError> {
    let checkpoint = Checkpoint::open(note, verifier)?;
    let note: Note = note.parse()?;
    let mut extensions = note.open(verifier)?.lines().skip(3);
    let digest = extensions.next().and_then(|line| line.strip_prefix(extension));
    let digest = digest.and_then(|hex| Sha256::from_hex(hex).ok());
    match (digest, extensions.next()) {
        (Some(digest), None) => Ok((checkpoint, digest)),
        _ => Err(CheckpointError::Malformed),
    }
}
