//! Taking in a signature without what it covers, as Sigstore clients register them.
//!
//! The signature is checked over the digest; the statement behind it stays with the client. Such
//! an entry is counted, shown and proven like any other, and is never evidence: nobody can tell
//! from it what was said. Its statement cannot be added later, because a leaf stands once.

use attest::carried::is_mark;
use attest::{Inclusion, LogEntry, Proposal, Timestamp, Verifier};
use verify::merkle::inclusion_proof;

use super::batch::{Covered, NewEntry};
use super::entry::Signed;
use super::log::{ReadError, Register};
use super::storage::{Blob, Damaged, Key, Storage, StorageError, Stored};
use super::submit::{Place, SubmitError};

/// Where a signature without its statement was registered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recorded {
    /// Whether the register had the entry already.
    pub duplicate: bool,
    /// The entry with the proof that it is in the register.
    pub entry: LogEntry,
}

impl<S: Storage> Register<S> {
    /// Registers a signature over a digest; one that is there already is not added again.
    ///
    /// # Errors
    /// As [`Register::submit`]; [`SubmitError::Proposal`] when the signature is not good.
    pub async fn record(
        &self,
        proposal: &Proposal,
        now: Timestamp,
    ) -> Result<Recorded, SubmitError> {
        let leaf = proposal.check()?;
        // Whoever follows must have what that key marks; a leaf of it without would stop everybody.
        if matches!(leaf.verifier(), Verifier::Key(key) if is_mark(&key.id())) {
            return Err(SubmitError::Mark);
        }
        let leaf = leaf.bytes().to_vec();
        let places = self.append(vec![NewEntry::new(leaf, Covered::Unknown)], now).await?;
        let signed = self.signed().await?;
        let lost = StorageError::Damaged(Damaged::Root(signed.checkpoint.size));
        let Place { index, duplicate } = *places.first().ok_or(lost)?;
        Ok(Recorded { duplicate, entry: self.log_entry(index, &signed).await? })
    }

    /// The entry at `index` with the proof that it is under a checkpoint of the register's own,
    /// whether or not its body is here.
    ///
    /// # Errors
    /// [`ReadError::Proof`] of an entry that comes after the checkpoint.
    pub async fn log_entry(&self, index: u64, signed: &Signed) -> Result<LogEntry, ReadError> {
        let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
        let leaf = self.stored(index).await?.leaf;
        let hashes = self.proof(|nodes| inclusion_proof(nodes, index, size)).await?;
        let proof = Inclusion { index, size, root, hashes, checkpoint: signed.note.clone() };
        let log_id = self.verifier().id().as_bytes().to_vec();
        Ok(LogEntry { index, log_id, leaf, proof: Some(proof) })
    }

    /// Refuses to call a statement registered whose signature is there from before, without it.
    pub(super) async fn require_body(
        &self,
        Place { index, duplicate }: Place,
    ) -> Result<(), SubmitError> {
        if duplicate && self.stored(index).await?.body.is_none() {
            return Err(SubmitError::WithoutBody { index });
        }
        Ok(())
    }

    async fn stored(&self, index: u64) -> Result<Stored, StorageError> {
        let stored = match self.storage.read(&Key::Entry(index)).await? {
            Some(Blob::Bytes(bytes)) => Stored::parse(&bytes),
            Some(Blob::Tombstone) | None => None,
        };
        stored.ok_or(StorageError::Damaged(Damaged::Entry(index)))
    }
}

#[cfg(test)]
mod tests {
    use attest::envelope::IN_TOTO;
    use attest::{Algorithm, Envelope, Leaf, NoteSigner, Proposed, SigningKey};
    use verify::merkle::{leaf_hash, verify_inclusion};

    use super::super::entry::EntryBody;
    use super::super::memory::Memory;
    use super::*;

    async fn register() -> Register<Memory> {
        let key = SigningKey::from_ed25519_seed(&[7; 32]).unwrap();
        Register::open(Memory::new(), NoteSigner::new("assay.local/0", key).unwrap()).await.unwrap()
    }

    fn envelope(payload: &str, key: &SigningKey) -> Envelope {
        Envelope::sign("text/plain", payload.as_bytes().to_vec(), &[key]).unwrap()
    }

    /// What a Sigstore client sends for an envelope.
    fn proposal(envelope: &Envelope, key: &SigningKey) -> Proposal {
        let signature = envelope.signatures[0].sig.clone();
        let digest = Leaf::of(&envelope.pae(), &signature, key.public()).data().to_vec();
        let key_details = "PKIX_ECDSA_P256_SHA_256".into();
        let verifier = Proposed::Key(key.public().der().to_vec());
        Proposal { digest, signature, key_details, verifier }
    }

    #[tokio::test]
    async fn an_entry_without_its_body_is_proven_and_stands_once() {
        let register = register().await;
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        for (index, payload) in ["one", "two", "three"].into_iter().enumerate() {
            let proposal = proposal(&envelope(payload, &key), &key);
            for duplicate in [false, true] {
                let recorded = register.record(&proposal, now).await.unwrap();
                assert_eq!(recorded.duplicate, duplicate);
                assert_eq!(recorded.entry.index, index as u64);
                let proof = recorded.entry.proof.unwrap();
                assert_eq!(proof.size, index as u64 + 1);
                let hash = leaf_hash(&recorded.entry.leaf);
                verify_inclusion(proof.index, proof.size, &hash, &proof.hashes, &proof.root)
                    .unwrap();
                assert_eq!(proof.checkpoint, register.checkpoint().await.unwrap());
            }
            let entry = register.entry(index as u64).await.unwrap();
            assert!(matches!(entry.body, EntryBody::Unknown));
            assert!(matches!(register.bundle(index as u64).await, Err(ReadError::NoBody(_))));
        }
        let mut forged = proposal(&envelope("four", &key), &key);
        forged.digest[0] ^= 1;
        let refused = register.record(&forged, now).await;
        assert!(matches!(refused, Err(SubmitError::Proposal(_))), "{refused:?}");
        assert_eq!(register.signed().await.unwrap().checkpoint.size, 3);
    }

    #[tokio::test]
    async fn the_statement_of_such_an_entry_comes_too_late() {
        let register = register().await;
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let keys = [key.public().clone()];
        let now = Timestamp::UNIX_EPOCH;
        let late = envelope("late", &key);
        register.record(&proposal(&late, &key), now).await.unwrap();
        let refused = register.submit(&late, &keys, now).await;
        assert!(matches!(refused, Err(SubmitError::WithoutBody { index: 0 })), "{refused:?}");
        // Signed again, it is another leaf.
        let again = envelope("late", &key);
        assert_eq!(register.submit(&again, &keys, now).await.unwrap()[0].index, 1);
        // The other way round, the entry stays as it is.
        let recorded = register.record(&proposal(&again, &key), now).await.unwrap();
        assert!(recorded.duplicate);
        assert_eq!(recorded.entry.index, 1);
        assert!(register.bundle(1).await.is_ok());
        assert_ne!(again.payload_type, IN_TOTO);
    }
}
