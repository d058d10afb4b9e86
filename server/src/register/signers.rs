//! Who signs a register's checkpoints: its key, and the next one while it is being rotated.

use attest::{Note, NoteError, NoteSigner, VerifierKey};

/// The keys that sign the checkpoints of one register, under one name.
#[derive(Debug)]
pub(super) struct Signers {
    current: NoteSigner,
    next: Option<NoteSigner>,
}

impl Signers {
    /// `current` alone.
    pub(super) const fn new(current: NoteSigner) -> Self {
        Self { current, next: None }
    }

    /// Both, from now on.
    pub(super) fn set_next(&mut self, next: NoteSigner) {
        self.next = Some(next);
    }

    /// The key that the register has; while it is being rotated, the one that it had all along.
    pub(super) const fn verifier(&self) -> &VerifierKey {
        self.current.verifier()
    }

    /// The key that it gets, while it is being rotated.
    pub(super) fn next_verifier(&self) -> Option<&VerifierKey> {
        self.next.as_ref().map(NoteSigner::verifier)
    }

    /// Signs `text` with each key: whoever knows one of them ignores the other signature (C2SP
    /// signed-note).
    pub(super) fn sign(&self, text: &str) -> Result<Note, NoteError> {
        let mut note = self.current.sign(text)?;
        if let Some(next) = &self.next {
            note.signatures.append(&mut next.sign(text)?.signatures);
        }
        Ok(note)
    }
}
