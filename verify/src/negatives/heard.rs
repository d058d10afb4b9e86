//! Whether anybody would believe a revocation that a key is about to sign: what following the register
//! asks of each, asked before it is registered.

use attest::KeyId;
use attest::predicate::REVOCATION;

use super::Negatives;
use crate::trust::{Trust, TrustedKey};

/// Why a revocation by a key would be void.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unheard {
    /// Nobody believes the key anything.
    #[error("the trust document does not name the key {0}")]
    Unknown(
        /// The key.
        KeyId,
    ),
    /// No entry of the key lets it revoke.
    #[error("the trust document does not let `{name}` sign revocations")]
    OutOfScope {
        /// The name of the key.
        name: String,
    },
    /// The key was revoked, and that was not taken back: what it says afterwards is void (THREATS,
    /// rule 11), whatever it says.
    #[error("`{name}` is revoked by entry {index}, and what it says afterwards is void")]
    Revoked {
        /// The name of the key.
        name: String,
        /// The position of the first revocation.
        index: u64,
    },
}

impl Negatives {
    /// Whether a revocation would count that this key signs in the next entry, `trust` being in force.
    ///
    /// # Errors
    /// [`Unheard`].
    pub fn hears(&self, trust: &Trust, key: &KeyId) -> Result<(), Unheard> {
        let known = trust.key(key).ok_or(Unheard::Unknown(*key))?;
        let name = || known.name().to_owned();
        if !may_revoke(known) {
            return Err(Unheard::OutOfScope { name: name() });
        }
        match self.all_of_key(key).map(|revocation| revocation.index).min() {
            Some(index) => Err(Unheard::Revoked { name: name(), index }),
            None => Ok(()),
        }
    }
}

/// Whether an entry of the trust file lets the key revoke.
pub(super) fn may_revoke(key: &TrustedKey) -> bool {
    key.grants().iter().any(|grant| grant.may().predicates.has(REVOCATION))
}
