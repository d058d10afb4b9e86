//! Reading every entry of the register as whoever enforces must: nothing negative is missed.

use attest::hash::{Progress, Silent};
use verify::{FollowError, Followed, Follower, Trust};

use super::log::{ReadError, Register};
use super::storage::Storage;

/// Why the register was not followed to its end. Nobody may be told "allowed" then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterFollowError {
    /// An entry cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The entries are not what they should be, or the trust file does not fit.
    #[error(transparent)]
    Follow(#[from] FollowError),
}

/// How often the register is read again because it says that another trust document is in force:
/// once, unless one more is registered meanwhile.
const MAX_AGAIN: usize = 8;

impl<S: Storage> Register<S> {
    /// Reads every entry, looking out for what the signers of `trust` may say.
    ///
    /// # Errors
    /// [`RegisterFollowError`].
    pub async fn follow(&self, trust: &Trust) -> Result<Followed, RegisterFollowError> {
        self.follow_watched(trust, &Silent).await
    }

    /// The same, telling `progress` of the entries that are read.
    ///
    /// # Errors
    /// [`RegisterFollowError`].
    pub async fn follow_watched(
        &self,
        trust: &Trust,
        progress: &dyn Progress,
    ) -> Result<Followed, RegisterFollowError> {
        let mut follower = Follower::new(self.origin(), trust)?;
        self.read_on(&mut follower, trust, progress).await
    }

    /// Reads the entries that `follower` has not read yet; all of them again, where they say that
    /// another trust document is in force than they were read by. `trust` is the one that was begun
    /// with.
    ///
    /// # Errors
    /// [`RegisterFollowError`]. What was read stays read: the follower can be used again.
    pub async fn follow_on(
        &self,
        follower: &mut Follower,
        trust: &Trust,
    ) -> Result<Followed, RegisterFollowError> {
        self.read_on(follower, trust, &Silent).await
    }

    async fn read_on(
        &self,
        follower: &mut Follower,
        trust: &Trust,
        progress: &dyn Progress,
    ) -> Result<Followed, RegisterFollowError> {
        for _ in 0..MAX_AGAIN {
            let mut leaves = self.leaves(follower.size()).await?;
            progress.start(leaves.signed().checkpoint.size.saturating_sub(follower.size()));
            while let Some(entry) = leaves.next().await? {
                follower.leaf(entry.index, entry.leaf.bytes(), entry.pae().as_deref())?;
                progress.advance(1);
            }
            progress.finish();
            match follower.finish(&leaves.signed().note, trust) {
                Err(FollowError::Superseded { .. }) => *follower = follower.again()?,
                ended => return Ok(ended?),
            }
        }
        let newest = follower.governing().versions().last();
        let version = newest.map_or(0, |version| version.version);
        Err(FollowError::Superseded { version }.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use attest::envelope::IN_TOTO;
    use attest::predicate::REVOCATION;
    use attest::{ArtifactId, Envelope, NoteSigner, Sha256, SigningKey, Timestamp};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::super::memory::Memory;
    use super::*;

    const ORIGIN: &str = "assay.local/0";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()
    }

    async fn register() -> Register<Memory> {
        Register::open(Memory::new(), NoteSigner::new(ORIGIN, key(7)).unwrap()).await.unwrap()
    }

    /// The trust file by which the key 1 may revoke.
    fn trust(log: &SigningKey) -> Trust {
        let signer = NoteSigner::new(
            ORIGIN,
            SigningKey::from_pem(&log.to_pem(None).unwrap(), None).unwrap(),
        );
        let trust = json!({
            "apiVersion": "assay/v1",
            "kind": "Trust",
            "keys": [{
                "id": "security",
                "spki": STANDARD.encode(key(1).public().der()),
                "owner": "security",
                "may": {"steps": [], "predicates": [REVOCATION], "artifacts": ["*"], "stages": []},
            }],
            "logs": [{"origin": ORIGIN, "key": signer.unwrap().verifier().to_string()}],
            "verifiers": [],
        });
        Trust::parse(&trust.to_string()).unwrap()
    }

    fn artifact(name: &str) -> ArtifactId {
        ArtifactId::file(Sha256::of(name.as_bytes()))
    }

    async fn revoke(register: &Register<Memory>, name: &str, key: &SigningKey) {
        let statement = json!({
            "_type": attest::statement::STATEMENT_V1,
            "subject": [{"name": name, "digest": {"sha256": Sha256::of(name.as_bytes()).hex()}}],
            "predicateType": REVOCATION,
            "predicate": {"kind": "artifact"},
        });
        let payload = statement.to_string().into_bytes();
        let envelope = Envelope::sign(IN_TOTO, payload, &[key]).unwrap();
        let keys = [key.public().clone()];
        register.submit(&envelope, &keys, Timestamp::UNIX_EPOCH).await.unwrap();
    }

    #[tokio::test]
    async fn everything_negative_is_found_from_the_start_and_from_where_one_was() {
        let register = register().await;
        let trust = trust(&key(7));
        let mut kept = Follower::new(ORIGIN, &trust).unwrap();
        assert_eq!(register.follow_on(&mut kept, &trust).await.unwrap().size, 0);

        for (size, name) in [(1, "one"), (2, "two"), (3, "three")] {
            revoke(&register, name, &key(1)).await;
            let followed = register.follow_on(&mut kept, &trust).await.unwrap();
            assert_eq!(followed, register.follow(&trust).await.unwrap());
            assert_eq!(followed.size, size);
            assert_eq!(followed.root, register.root(size).await.unwrap());
            let index = followed.negatives.of_artifact(&artifact(name)).next().unwrap().index;
            assert_eq!(index, size - 1);
        }
        // The smallest change: somebody who may not revoke.
        revoke(&register, "four", &key(2)).await;
        let followed = register.follow_on(&mut kept, &trust).await.unwrap();
        assert_eq!(followed.size, 4);
        assert!(followed.negatives.of_artifact(&artifact("four")).next().is_none());
    }

    /// Counts what it is told.
    #[derive(Default)]
    struct Told([AtomicU64; 3]);

    impl Progress for Told {
        fn start(&self, bytes: u64) {
            self.0[0].fetch_add(bytes, Ordering::Relaxed);
        }

        fn advance(&self, bytes: u64) {
            self.0[1].fetch_add(bytes, Ordering::Relaxed);
        }

        fn finish(&self) {
            self.0[2].fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn whoever_watches_sees_every_entry_pass() {
        let register = register().await;
        for name in ["one", "two", "three"] {
            revoke(&register, name, &key(1)).await;
        }
        let (trust, told) = (trust(&key(7)), Told::default());
        let followed = register.follow_watched(&trust, &told).await.unwrap();
        assert_eq!(followed, register.follow(&trust).await.unwrap());
        assert_eq!(told.0.map(AtomicU64::into_inner), [3, 3, 1]);
    }

    #[tokio::test]
    async fn a_register_of_another_key_is_not_followed() {
        let register = register().await;
        assert!(register.follow(&trust(&key(7))).await.is_ok());
        let other = register.follow(&trust(&key(8))).await;
        assert!(matches!(other, Err(RegisterFollowError::Follow(FollowError::OtherKey(_)))));
    }
}
