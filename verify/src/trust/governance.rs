//! Who may change the trust document and what judges: its version, its end, its roles.
//!
//! A trust file without this section is nobody's but its keeper's, and is changed by writing it.
//! With it, the file is a version of a document that is registered: the next one counts when its
//! owners say so. A role names keys of the file; who they are, the file says in their entries, and
//! a threshold counts distinct owners. The times for which a key's entry holds do not end a role:
//! a version without the key in it does, so that the version in force follows from the register
//! alone.

use std::collections::BTreeSet;
use std::fmt;

use attest::{KeyId, Sha256, StageName, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use super::document::MAX_NAME_BYTES;
use super::{Globs, Names, Trust};

/// How many roles a trust document may have.
pub const MAX_ROLES: usize = 64;
/// How many keys, stages and names a role may each have.
pub const MAX_ROLE_ITEMS: usize = 256;

/// The part of a trust document that is about the document itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Governance {
    version: u64,
    expires: Timestamp,
    previous: Option<Sha256>,
    roles: Vec<Role>,
}

/// What a decision must know of the trust document that it rests on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct TrustStanding {
    /// It is marked as one person's alone, and others are answered by it.
    pub too_local: bool,
    /// Its version, if it is governed.
    pub version: Option<u64>,
    /// When it ceases to be believed, if it is governed.
    pub expires: Option<Timestamp>,
}

/// What some keys may decide together, and about what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Role {
    duty: Duty,
    /// By their names in the document.
    names: Vec<String>,
    keys: Vec<RoleKey>,
    threshold: usize,
    stages: Names,
    policies: Globs,
}

/// A key of a role, with whoever answers for it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct RoleKey {
    id: KeyId,
    owner: String,
}

/// What a role is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Duty {
    /// The next version of the document.
    Trust,
    /// Which policies judge, and for which stages.
    Policy,
    /// Verdicts: a summary for a stage counts when the role has signed it.
    Gate,
}

/// Why the section is not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GovernanceError {
    /// The first version is 1.
    #[error("`version` is 0; the first version is 1")]
    Version,
    /// The first version, and no other, has none before it.
    #[error("`previous` is the digest of version {}: {}", version.saturating_sub(1), if *version == 1 { "version 1 has none" } else { "it is missing" })]
    Previous {
        /// The version.
        version: u64,
    },
    /// Nobody may make the next version.
    #[error("no role is for `trust`: nobody could make the next version")]
    NoTrustOwners,
    /// More than the limit.
    #[error("{found} {what}, more than the limit of {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A role names a key that the document does not have.
    #[error("the role `{duty}` names the key `{name}`, which is not under `keys`")]
    NoSuchKey {
        /// The role.
        duty: Duty,
        /// The name.
        name: String,
    },
    /// A threshold that nobody can meet, or that everybody meets.
    #[error("the threshold of the role `{duty}` is {threshold}, but its keys have {owners} owners")]
    Threshold {
        /// The role.
        duty: Duty,
        /// The threshold.
        threshold: usize,
        /// How many distinct owners its keys have.
        owners: usize,
    },
    /// A scope where there is none, or none where there must be.
    #[error("the role `{duty}` {why}")]
    Scope {
        /// The role.
        duty: Duty,
        /// What is wrong.
        why: &'static str,
    },
    /// A stage that no stage can be called.
    #[error("the role `{duty}` names the stage `{stage}`, which is no name of a stage")]
    Stage {
        /// The role.
        duty: Duty,
        /// The stage.
        stage: String,
    },
    /// A pattern of policies' names does not parse.
    #[error("pattern `{pattern}`: {message}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        message: String,
    },
}

/// The section as it is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GovernanceEntry {
    version: u64,
    expires: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    previous: Option<Sha256>,
    roles: Vec<RoleEntry>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RoleEntry {
    role: Duty,
    keys: Vec<String>,
    threshold: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stages: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    policies: Vec<String>,
}

impl Trust {
    /// The part that is about the document itself; none in a file that is only its keeper's.
    pub const fn governance(&self) -> Option<&Governance> {
        self.governance.as_ref()
    }

    /// Whether this is what a first use makes, for one person alone: the file says so.
    pub const fn is_local(&self) -> bool {
        self.local
    }

    /// Marks the document as one for a single person alone, or takes the mark away. The digest
    /// becomes that of [`Trust::to_yaml`].
    pub fn set_local(&mut self, local: bool) {
        self.local = local;
        self.seal();
    }

    /// The same document, to judge by for others: what is marked as one person's alone satisfies
    /// no stage there that enforces.
    #[must_use]
    pub fn for_others(mut self) -> Self {
        self.for_others = true;
        self
    }

    /// What a decision must know of the document itself.
    pub fn standing(&self) -> TrustStanding {
        TrustStanding {
            too_local: self.local && self.for_others,
            version: self.governance.as_ref().map(Governance::version),
            expires: self.governance.as_ref().map(Governance::expires),
        }
    }

    /// Says of the document which version it is and who may change it. The digest becomes that of
    /// [`Trust::to_yaml`].
    ///
    /// # Errors
    /// [`GovernanceError`].
    pub fn govern(&mut self, governance: Governance) -> Result<(), GovernanceError> {
        // As it would be read: names and owners are those of this document.
        self.governance = Some(Governance::of(governance.entry(), self)?);
        self.seal();
        Ok(())
    }
}

/// The same document: the bytes are.
impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Trust {}

impl Governance {
    /// Version `version`, after the one with the digest `previous`, until `expires`.
    ///
    /// # Errors
    /// [`GovernanceError`], when the roles do not fit `trust`, whose keys they name.
    pub fn new(
        version: u64,
        expires: Timestamp,
        previous: Option<Sha256>,
        roles: Vec<Role>,
        trust: &Trust,
    ) -> Result<Self, GovernanceError> {
        Self::of(Self { version, expires, previous, roles }.entry(), trust)
    }

    /// Which version of the document it is; the first is 1.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// When the version ceases to be believed.
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Whether it has ceased to be believed at `now`.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// The digest of the version before it.
    pub const fn previous(&self) -> Option<Sha256> {
        self.previous
    }

    /// Who may decide what.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The roles with this duty.
    pub fn duty(&self, duty: Duty) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter(move |role| role.duty == duty)
    }

    /// Whether `signed` meets the threshold of a role that makes the next version.
    pub fn is_trust_quorum(&self, signed: &BTreeSet<KeyId>) -> bool {
        self.duty(Duty::Trust).any(|role| role.is_met(signed))
    }

    /// Whether `signed` meets the threshold of a role that lets the policy `name` judge for
    /// `stage`.
    pub fn is_policy_quorum(
        &self,
        signed: &BTreeSet<KeyId>,
        name: &str,
        stage: &StageName,
    ) -> bool {
        self.of_policy(name, stage).any(|role| role.is_met(signed))
    }

    /// The owners of the keys that may sign the next version.
    pub fn trust_owners(&self) -> BTreeSet<&str> {
        self.duty(Duty::Trust).flat_map(Role::every_owner).collect()
    }

    /// The owners of the keys that may sign that the policy `name` judges for `stage`.
    pub fn policy_owners(&self, name: &str, stage: &StageName) -> BTreeSet<&str> {
        self.of_policy(name, stage).flat_map(Role::every_owner).collect()
    }

    fn of_policy(&self, name: &str, stage: &StageName) -> impl Iterator<Item = &Role> {
        let roles = self.duty(Duty::Policy);
        roles.filter(move |role| role.covers(name) && role.stages.has(stage.as_str()))
    }

    /// Whether `key` is one of those that may register the policy `name`.
    pub fn may_propose(&self, key: &KeyId, name: &str) -> bool {
        self.duty(Duty::Policy).any(|role| role.covers(name) && role.has(key))
    }

    /// Whether `signed` meets the threshold of a gate for `stage`. Where no role is a gate's, the
    /// entries of the verifiers alone say who may promote.
    pub fn is_gate_quorum(&self, signed: &BTreeSet<KeyId>, stage: Option<&StageName>) -> bool {
        let mut gates = self.duty(Duty::Gate).peekable();
        if gates.peek().is_none() {
            return true;
        }
        gates.any(|role| {
            let in_scope = match stage {
                Some(stage) => role.stages.has(stage.as_str()),
                None => role.stages == Names::Any,
            };
            in_scope && role.is_met(signed)
        })
    }

    /// Every key of a role that decides about documents.
    pub(crate) fn deciding(&self) -> impl Iterator<Item = KeyId> {
        let roles = self.roles.iter().filter(|role| role.duty != Duty::Gate);
        roles.flat_map(|role| role.keys.iter().map(|key| key.id))
    }

    /// Reads the section of `trust`.
    pub(super) fn of(entry: GovernanceEntry, trust: &Trust) -> Result<Self, GovernanceError> {
        let GovernanceEntry { version, expires, previous, roles } = entry;
        if version == 0 {
            return Err(GovernanceError::Version);
        }
        if (version == 1) != previous.is_none() {
            return Err(GovernanceError::Previous { version });
        }
        room(roles.len(), "roles", MAX_ROLES)?;
        let roles: Vec<Role> =
            roles.into_iter().map(|role| Role::of(role, trust)).collect::<Result<_, _>>()?;
        if !roles.iter().any(|role| role.duty == Duty::Trust) {
            return Err(GovernanceError::NoTrustOwners);
        }
        Ok(Self { version, expires, previous, roles })
    }

    pub(super) fn entry(&self) -> GovernanceEntry {
        GovernanceEntry {
            version: self.version,
            expires: self.expires,
            previous: self.previous,
            roles: self.roles.iter().map(Role::entry).collect(),
        }
    }
}

impl Role {
    /// The role of the keys called `names` in a document, of whose owners `threshold` must agree.
    /// Policies and gates have stages, and policies names of policies; `*` is any.
    ///
    /// # Errors
    /// [`GovernanceError`], when the role does not fit `trust`.
    pub fn new(
        duty: Duty,
        names: &[&str],
        threshold: usize,
        stages: &[&str],
        policies: &[&str],
        trust: &Trust,
    ) -> Result<Self, GovernanceError> {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let (keys, stages, policies) = (list(names), list(stages), list(policies));
        Self::of(RoleEntry { role: duty, keys, threshold, stages, policies }, trust)
    }

    /// What it is for.
    pub const fn duty(&self) -> Duty {
        self.duty
    }

    /// Its keys, by their names in the document.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many distinct owners must agree.
    pub const fn threshold(&self) -> usize {
        self.threshold
    }

    /// For which stages.
    pub const fn stages(&self) -> &Names {
        &self.stages
    }

    /// For policies of which names.
    pub const fn policies(&self) -> &Globs {
        &self.policies
    }

    /// Whether it has the key.
    pub fn has(&self, key: &KeyId) -> bool {
        self.keys.iter().any(|known| known.id == *key)
    }

    /// The owners of its keys among `signed`.
    pub fn owners(&self, signed: &BTreeSet<KeyId>) -> BTreeSet<&str> {
        let signed = self.keys.iter().filter(|key| signed.contains(&key.id));
        signed.map(|key| key.owner.as_str()).collect()
    }

    /// Whether enough distinct owners are among `signed`.
    pub fn is_met(&self, signed: &BTreeSet<KeyId>) -> bool {
        self.owners(signed).len() >= self.threshold
    }

    fn every_owner(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.owner.as_str())
    }

    fn covers(&self, policy: &str) -> bool {
        self.policies.has(policy)
    }

    fn of(entry: RoleEntry, trust: &Trust) -> Result<Self, GovernanceError> {
        let RoleEntry { role: duty, keys: names, threshold, stages, policies } = entry;
        room(names.len(), "keys of a role", MAX_ROLE_ITEMS)?;
        room(stages.len(), "stages of a role", MAX_ROLE_ITEMS)?;
        room(policies.len(), "names of policies of a role", MAX_ROLE_ITEMS)?;
        let mut keys = Vec::new();
        for name in &names {
            let Some((key, _)) = trust.named(name) else {
                return Err(GovernanceError::NoSuchKey { duty, name: name.clone() });
            };
            keys.push(RoleKey { id: key.id(), owner: key.owner().into() });
        }
        let owners: BTreeSet<&str> = keys.iter().map(|key| key.owner.as_str()).collect();
        if threshold == 0 || threshold > owners.len() {
            return Err(GovernanceError::Threshold { duty, threshold, owners: owners.len() });
        }
        let why = match duty {
            Duty::Trust if !stages.is_empty() || !policies.is_empty() => {
                Some("is for the whole document: it has no `stages` and no `policies`")
            }
            Duty::Policy if stages.is_empty() || policies.is_empty() => {
                Some("needs `stages` and `policies`, `[\"*\"]` being any")
            }
            Duty::Gate if stages.is_empty() || !policies.is_empty() => {
                Some("needs `stages`, `[\"*\"]` being any, and has no `policies`")
            }
            Duty::Trust | Duty::Policy | Duty::Gate => None,
        };
        if let Some(why) = why {
            return Err(GovernanceError::Scope { duty, why });
        }
        if let Some(stage) =
            stages.iter().find(|stage| *stage != "*" && stage.parse::<StageName>().is_err())
        {
            return Err(GovernanceError::Stage { duty, stage: stage.clone() });
        }
        let unreadable = |text: &&String| {
            text.is_empty() || text.len() > MAX_NAME_BYTES || text.chars().any(char::is_control)
        };
        if let Some(pattern) = policies.iter().find(unreadable) {
            let message = format!(
                "it must have 1 to {MAX_NAME_BYTES} bytes, none of them control characters"
            );
            let pattern = pattern.chars().take(64).collect();
            return Err(GovernanceError::Pattern { pattern, message });
        }
        let policies = Globs::parse(policies).map_err(|error| GovernanceError::Pattern {
            pattern: error.glob().unwrap_or_default().into(),
            message: error.kind().to_string(),
        })?;
        Ok(Self { duty, names, keys, threshold, stages: Names::parse(stages), policies })
    }

    fn entry(&self) -> RoleEntry {
        RoleEntry {
            role: self.duty,
            keys: self.names.clone(),
            threshold: self.threshold,
            stages: self.stages.list(),
            policies: self.policies.list().to_vec(),
        }
    }
}

impl Duty {
    /// The word in trust documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Policy => "policy",
            Self::Gate => "gate",
        }
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

fn room(found: usize, what: &'static str, limit: usize) -> Result<(), GovernanceError> {
    if found <= limit { Ok(()) } else { Err(GovernanceError::TooMany { what, found, limit }) }
}

/// A field that is there has a value.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the serialiser calls it with a reference")]
pub(super) const fn is_not(word: &bool) -> bool {
    !*word
}
