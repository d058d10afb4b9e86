//! Who may sign what by a trust document, as a lineage carries it along.
//!
//! It is for advice alone: what whoever judges tells people to have signed, and by whom. Whether a
//! statement counts was decided when it was traced, and nothing here decides it again.

use std::collections::BTreeSet;
use std::sync::Arc;

use attest::{KeyId, Statement, Timestamp};

use super::{Duty, Grant, OutOfScope, Role, Trust};

/// The entries of a trust document by which anybody may sign anything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scopes {
    all: Arc<All>,
    /// The keys that are revoked.
    revoked: BTreeSet<KeyId>,
}

#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct All {
    scopes: Vec<Scope>,
    owners: Vec<Role>,
}

/// One entry: a name, and what may be signed under it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scope {
    grant: Grant,
    owner: String,
    key: Option<KeyId>,
}

/// Why nothing that is signed now under a name would count.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotNow {
    /// Its time has not come, or is over.
    #[error("it is not valid at {0}")]
    Time(
        /// The time that was asked about.
        Timestamp,
    ),
    /// Its key is revoked.
    #[error("its key is revoked")]
    Revoked,
    /// It may not sign this.
    #[error("it may not sign {0}")]
    OutOfScope(
        /// What of the statement is outside.
        OutOfScope,
    ),
}

impl Trust {
    /// Who may sign what. Made once for a document.
    pub(crate) fn scopes(&self, is_revoked: impl Fn(&KeyId) -> bool) -> Scopes {
        let all = self.scopes.get_or_init(|| Arc::new(All::of(self)));
        let keys = all.scopes.iter().filter_map(|scope| scope.key);
        Scopes { all: Arc::clone(all), revoked: keys.filter(is_revoked).collect() }
    }
}

/// What is made once for a document.
pub(super) type Made = std::sync::OnceLock<Arc<All>>;

impl All {
    fn of(trust: &Trust) -> Self {
        let keys = trust.keys().iter().flat_map(|key| {
            let scope = |grant: &Grant| Scope {
                grant: grant.clone(),
                owner: key.owner().to_owned(),
                key: Some(key.id()),
            };
            key.grants().iter().map(scope)
        });
        let keyless = trust.signers().iter().map(|one| (one.grant(), one.owner()));
        let certified = trust.certified_signers().iter().map(|one| (one.grant(), one.owner()));
        let without_key = keyless.chain(certified).map(|(grant, owner)| Scope {
            grant: grant.clone(),
            owner: owner.to_owned(),
            key: None,
        });
        let governance = trust.governance().into_iter();
        let owners = governance.flat_map(|governance| governance.duty(Duty::Trust)).cloned();
        Self { scopes: keys.chain(without_key).collect(), owners: owners.collect() }
    }
}

impl Scopes {
    /// The entry with this name.
    pub fn named(&self, name: &str) -> Option<&Scope> {
        self.all.scopes.iter().find(|scope| scope.grant.name() == name)
    }

    /// Whether `statement`, signed now under the name of the entry, would be by somebody who may.
    ///
    /// # Errors
    /// [`NotNow`].
    pub fn would_count(
        &self,
        scope: &Scope,
        statement: &Statement,
        now: Timestamp,
    ) -> Result<(), NotNow> {
        self.is_good(scope, now)?;
        scope.grant.may().covers(statement).map_err(NotNow::OutOfScope)
    }

    /// Whether anything that is signed now under the name of the entry would count.
    ///
    /// # Errors
    /// [`NotNow`].
    pub fn is_good(&self, scope: &Scope, now: Timestamp) -> Result<(), NotNow> {
        match scope.key {
            Some(key) if self.revoked.contains(&key) => Err(NotNow::Revoked),
            _ if !scope.grant.is_valid(now) => Err(NotNow::Time(now)),
            _ => Ok(()),
        }
    }

    /// A role whose owners make the next version of the document together and take revocations back,
    /// if it has one: the names of its keys that are not revoked, and how many owners must agree.
    pub fn owners(&self) -> Option<(Vec<&str>, usize)> {
        let role = self.all.owners.first()?;
        let good = |name: &&str| {
            let key = self.named(name).and_then(|scope| scope.key);
            key.is_some_and(|key| !self.revoked.contains(&key))
        };
        let names = role.names().iter().map(String::as_str).filter(good);
        Some((names.collect(), role.threshold()))
    }
}

impl Scope {
    /// The grant.
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Whoever answers for it.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Its key, if it has one that stays: whoever has a certificate signs with another each time.
    pub const fn key(&self) -> Option<KeyId> {
        self.key
    }
}
