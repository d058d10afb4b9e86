//! What a witness decides about a checkpoint, from what it cosigned before.
//!
//! Source: C2SP tlog-witness. The order of the checks is that of the specification. Nothing here
//! signs, stores or reads a clock: a decision to cosign is carried out by [`super::service`],
//! which makes the new state durable first.

use attest::{Checkpoint, CheckpointError, Note, NoteError, Sha256, VerifierKey};
use verify::merkle::{ProofError, empty_root, verify_consistency};

use super::request::AddCheckpoint;

/// The newest tree of a log that a witness cosigned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cosigned {
    /// Its size; 0 when none was cosigned.
    pub size: u64,
    /// Its root.
    pub root: Sha256,
}

/// Why a checkpoint is not cosigned.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The note is no checkpoint (400).
    #[error("the checkpoint cannot be read")]
    Malformed,
    /// A smaller checkpoint than the size that it should extend (400).
    #[error("the old size is larger than the checkpoint's")]
    OldIsLarger,
    /// The witness does not know the log (404).
    #[error("the log is not one of this witness's")]
    UnknownLog,
    /// No trusted key of the log signed, or one that should have did not (403).
    #[error("the checkpoint is not signed by the log")]
    NotByTheLog,
    /// Another size was cosigned last (409, with that size).
    #[error("the checkpoint cosigned last has {0} entries")]
    OtherSize(
        /// The size.
        u64,
    ),
    /// The size that was cosigned last, with another root (409, with that size).
    #[error("the tree of {0} entries that was cosigned has another root")]
    Fork(
        /// The size.
        u64,
    ),
    /// The proof does not hold (422).
    #[error("the checkpoint is not shown to extend the one cosigned last: {0}")]
    NotConsistent(
        /// What is wrong with the proof.
        #[from]
        ProofError,
    ),
    /// A size of 0 with a root, or a proof that starts at 0 (422).
    #[error("nothing is proven from the empty tree")]
    Empty,
}

impl Refusal {
    /// Whether the log has signed what cannot be true together with what was cosigned.
    pub const fn is_evidence(&self) -> bool {
        matches!(self, Self::Fork(_) | Self::NotConsistent(_) | Self::Empty)
    }
}

impl Cosigned {
    /// What a witness knows of a log that it has never seen.
    pub fn nothing() -> Self {
        Self { size: 0, root: empty_root() }
    }

    /// Whether a checkpoint of the log that has one of `keys` may be cosigned after this one: the
    /// tree that it is about. All keys have the log's name.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn extend(&self, request: &AddCheckpoint, keys: &[VerifierKey]) -> Result<Self, Refusal> {
        let note: Note = request.note.parse().map_err(|_| Refusal::Malformed)?;
        let checkpoint = open(&note, keys)?;
        let Checkpoint { size, root, .. } = checkpoint;
        if request.old > size {
            return Err(Refusal::OldIsLarger);
        }
        if size == self.size && root != self.root {
            return Err(Refusal::Fork(self.size));
        }
        if request.old != self.size {
            return Err(Refusal::OtherSize(self.size));
        }
        if self.size == 0 {
            // From the empty tree there is nothing to prove, and nothing may be sent as proof.
            let sound = request.proof.is_empty() && (size > 0 || root == empty_root());
            return if sound { Ok(Self { size, root }) } else { Err(Refusal::Empty) };
        }
        verify_consistency(self.size, size, &request.proof, &self.root, &root)?;
        Ok(Self { size, root })
    }
}

/// One key has to have signed, and a signature of none may be broken.
fn open(note: &Note, keys: &[VerifierKey]) -> Result<Checkpoint, Refusal> {
    let checkpoint: Checkpoint = note.text.parse().map_err(|_| Refusal::Malformed)?;
    if keys.iter().any(|key| checkpoint.origin != key.name()) {
        return Err(Refusal::UnknownLog);
    }
    let mut signed = false;
    for key in keys {
        match note.open(key) {
            Ok(_) => signed = true,
            Err(NoteError::Unsigned(_)) => {}
            Err(NoteError::Malformed(_)) => return Err(Refusal::Malformed),
            Err(_) => return Err(Refusal::NotByTheLog),
        }
    }
    if signed { Ok(checkpoint) } else { Err(Refusal::NotByTheLog) }
}

impl From<CheckpointError> for Refusal {
    fn from(_: CheckpointError) -> Self {
        Self::Malformed
    }
}

#[cfg(test)]
mod tests {
    use attest::{NoteSigner, SigningKey};
    use verify::merkle::{Tree, consistency_proof, leaf_hash};

    use super::*;

    fn signer(seed: u8) -> NoteSigner {
        NoteSigner::new("log", SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()).unwrap()
    }

    /// The first `size` leaves of a log; those from `fork` on are others.
    fn tree(size: u64, fork: u64) -> Tree {
        let leaf = |at: u64| leaf_hash(format!("{at} {}", at >= fork).as_bytes());
        (0..size).map(leaf).collect()
    }

    fn note(tree: &Tree, seed: u8) -> String {
        let checkpoint = Checkpoint { origin: "log".into(), size: tree.size(), root: tree.root() };
        signer(seed).sign(&checkpoint.to_string()).unwrap().to_string()
    }

    fn ask(old: u64, tree: &Tree) -> AddCheckpoint {
        let proof = match old {
            0 => Vec::new(),
            old => consistency_proof(tree, old.min(tree.size()), tree.size()).unwrap(),
        };
        AddCheckpoint { old, proof, note: note(tree, 1) }
    }

    fn at(size: u64) -> Cosigned {
        Cosigned { size, root: tree(size, 99).root() }
    }

    #[test]
    fn what_grows_is_cosigned_and_nothing_else() {
        let log = |size| tree(size, 99);
        let fork = |size| tree(size, 3);
        let with = |request: AddCheckpoint, proof: Vec<Sha256>| AddCheckpoint { proof, ..request };
        let stray = vec![Sha256::of(b"")];
        let broken = |request: &AddCheckpoint| {
            let mut proof = request.proof.clone();
            *proof.last_mut().unwrap() = Sha256::of(b"");
            with(request.clone(), proof)
        };
        let cases = [
            ("the first", Cosigned::nothing(), ask(0, &log(5)), Ok(at(5))),
            ("the first, empty", Cosigned::nothing(), ask(0, &log(0)), Ok(at(0))),
            ("growth", at(5), ask(5, &log(9)), Ok(at(9))),
            ("the same again", at(5), ask(5, &log(5)), Ok(at(5))),
            ("from another size", at(5), ask(4, &log(9)), Err(Refusal::OtherSize(5))),
            ("from nothing", at(5), ask(0, &log(9)), Err(Refusal::OtherSize(5))),
            ("a rollback", at(5), ask(4, &log(4)), Err(Refusal::OtherSize(5))),
            ("a rollback that says so", at(5), ask(5, &log(4)), Err(Refusal::OldIsLarger)),
            ("a fork of the size", at(5), ask(5, &fork(5)), Err(Refusal::Fork(5))),
            ("a fork of the size, from 0", at(5), ask(0, &fork(5)), Err(Refusal::Fork(5))),
            (
                "a proof from nothing",
                Cosigned::nothing(),
                with(ask(0, &log(5)), stray),
                Err(Refusal::Empty),
            ),
        ];
        for (name, known, request, want) in cases {
            assert_eq!(known.extend(&request, &[signer(1).verifier().clone()]), want, "{name}");
        }
        for request in [ask(5, &fork(9)), broken(&ask(5, &log(9)))] {
            let refused = at(5).extend(&request, &[signer(1).verifier().clone()]);
            assert!(matches!(refused, Err(Refusal::NotConsistent(_))), "{refused:?}");
        }
    }

    #[test]
    fn only_what_the_log_signed() {
        let good = ask(0, &tree(5, 99));
        let nothing = Cosigned::nothing();
        assert!(nothing.extend(&good, &[signer(1).verifier().clone()]).is_ok());
        assert_eq!(
            nothing.extend(&good, &[signer(2).verifier().clone()]),
            Err(Refusal::NotByTheLog)
        );
        let other = AddCheckpoint { note: good.note.replacen("log\n", "fog\n", 1), ..good.clone() };
        assert_eq!(
            nothing.extend(&other, &[signer(1).verifier().clone()]),
            Err(Refusal::UnknownLog)
        );
        let changed =
            AddCheckpoint { note: good.note.replacen("\n5\n", "\n6\n", 1), ..good.clone() };
        assert_eq!(
            nothing.extend(&changed, &[signer(1).verifier().clone()]),
            Err(Refusal::NotByTheLog)
        );
        let junk = AddCheckpoint { note: "log\n".into(), ..good };
        assert_eq!(nothing.extend(&junk, &[signer(1).verifier().clone()]), Err(Refusal::Malformed));
    }
}
