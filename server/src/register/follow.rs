//! Reading every entry of the register as whoever enforces must: nothing negative is missed.

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

impl<S: Storage> Register<S> {
    /// Reads every entry, looking out for what the signers of `trust` may say.
    ///
    /// # Errors
    /// [`RegisterFollowError`].
    pub async fn follow(&self, trust: &Trust) -> Result<Followed, RegisterFollowError> {
        let mut follower = Follower::new(self.origin(), trust)?;
        self.follow_on(&mut follower, trust).await
    }

    /// Reads the entries that `follower` has not read yet.
    ///
    /// # Errors
    /// [`RegisterFollowError`]. What was read stays read: the follower can be used again.
    pub async fn follow_on(
        &self,
        follower: &mut Follower,
        trust: &Trust,
    ) -> Result<Followed, RegisterFollowError> {
        let mut leaves = self.leaves(follower.size()).await?;
        while let Some(entry) = leaves.next().await? {
            follower.leaf(entry.index, entry.leaf.bytes(), entry.pae().as_deref())?;
        }
        Ok(follower.finish(&leaves.signed().note, trust)?)
    }
}
