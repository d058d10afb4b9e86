//! What the leaves of a log have come to say of whom to believe, and of which policy judges.
//!
//! The document in force is a function of the leaves and of the version that a verifier began
//! with, and of nothing else: no clock, no search, no order of asking. Version n + 1 counts from
//! the leaf on with which enough owners of version n *and* of version n + 1 have signed it: those
//! of n, because they alone are believed so far; those of n + 1, because a document whose owners
//! do not have their keys could never be replaced again (The Update Framework, specification
//! 1.0, section 5.3.4, checks a new root by both thresholds). It names the digest of version n, so
//! that what was signed for one history never counts in another.
//!
//! Signatures over one statement are leaves of their own; each counts from its position. A key
//! that was revoked counts no longer from the revocation on, as whoever might revoke it under the
//! version that was in force there has said.

mod activation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use attest::envelope::IN_TOTO;
use attest::predicate::{
    POLICY, POLICY_ACTIVATION, PolicyVersion, REINSTATEMENT, REVOCATION, Revocation,
    RevocationKind, TRUST, TrustVersion,
};
use attest::{
    ArtifactId, Envelope, KeyId, Leaf, Predicate, Sha256, StageName, Statement, Verifier,
};

use crate::trust::{Duty, Governance, Trust};

pub use self::activation::{Activation, Activations, PolicyText};

/// The types of statement that say whom to believe and what judges.
pub(crate) const GOVERNING_TYPES: [&str; 4] = [TRUST, POLICY, POLICY_ACTIVATION, REINSTATEMENT];

/// How many versions of a trust document are followed.
pub const MAX_VERSIONS: usize = 1024;
/// How many proposals wait for signatures. Only owners can add to them; what is beyond does not
/// count.
const MAX_PENDING: usize = 256;

/// Trust and policies of one log, as far as its leaves were read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Governing {
    origin: String,
    begun: Arc<Trust>,
    versions: Vec<Version>,
    pending: BTreeMap<Sha256, Pending>,
    activations: Activations,
    /// Which keys are revoked, by which statements.
    revoked: BTreeMap<Sha256, BTreeSet<Sha256>>,
    reinstated: Vec<Reinstated>,
}

/// A revocation that the owners have taken back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Reinstated {
    /// The body of the revocation.
    pub revocation: Sha256,
    /// The position of the leaf with which enough owners had signed: it counts from there on.
    pub index: u64,
    /// The body of the statement that takes it back.
    pub body: Sha256,
}

/// A version of the trust document that counts, or counted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Version {
    /// The document.
    pub trust: Arc<Trust>,
    /// Which version it is.
    pub version: u64,
    /// The position of the leaf with which it had enough signatures: it counts from the next on.
    pub index: u64,
    /// The body of its statement.
    pub body: Sha256,
    /// Who had signed it by then.
    pub signed: BTreeSet<KeyId>,
}

/// A proposal that waits for signatures.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Pending {
    proposal: Proposal,
    signed: BTreeSet<KeyId>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Proposal {
    Trust(Arc<Trust>),
    Activation(activation::Proposed),
    Reinstatement(Sha256),
}

/// Why a statement is no version of a trust document that could count.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// The text has not the digest that it is said to have, or is too long.
    #[error("the document is not the one whose digest is signed, or is too long")]
    Document,
    /// The subject is not the document.
    #[error("the subject is not the document")]
    Subject,
    /// It is no trust document.
    #[error(transparent)]
    Trust(#[from] crate::trust::TrustError),
    /// It does not say who may change it.
    #[error("the document has no section `governance`")]
    Ungoverned,
    /// The statement says otherwise than the document.
    #[error("`{field}` of the statement is not what the document says")]
    Differs {
        /// The field.
        field: &'static str,
    },
    /// The log whose owners it speaks for is not in it.
    #[error("the document does not name the log `{0}`: whoever believed it could follow no more")]
    NoLog(
        /// The log.
        String,
    ),
}

/// Reads the document in the statement of a version.
///
/// # Errors
/// [`VersionError`].
pub fn read_version(statement: &Statement, origin: &str) -> Result<Trust, VersionError> {
    let Predicate::TrustVersion(said) = &statement.predicate else {
        return Err(VersionError::Differs { field: "predicateType" });
    };
    let TrustVersion { version, expires_on, previous, document, .. } = &**said;
    let text = document.text().ok_or(VersionError::Document)?;
    require_subject(statement, document.claimed()).ok_or(VersionError::Subject)?;
    let trust = Trust::parse(text)?;
    let governance = trust.governance().ok_or(VersionError::Ungoverned)?;
    let differs = |field| Err(VersionError::Differs { field });
    match governance {
        _ if governance.version() != *version => differs("version"),
        _ if governance.expires() != *expires_on => differs("expiresOn"),
        _ if governance.previous() != *previous => differs("previous"),
        _ if trust.log(origin).is_none() => Err(VersionError::NoLog(origin.into())),
        _ => Ok(trust),
    }
}

/// That a statement is about the file with this digest alone.
fn require_subject(statement: &Statement, digest: Sha256) -> Option<()> {
    let subjects = statement.subjects().ok()?;
    matches!(subjects.as_slice(), [(artifact, _)] if *artifact == ArtifactId::file(digest))
        .then_some(())
}

impl Governing {
    /// Begins with the document that a verifier believes already, at the first leaf of `origin`.
    pub fn new(origin: &str, trust: Arc<Trust>) -> Self {
        Self {
            origin: origin.into(),
            begun: trust,
            versions: Vec::new(),
            pending: BTreeMap::new(),
            activations: Activations::default(),
            revoked: BTreeMap::new(),
            reinstated: Vec::new(),
        }
    }

    /// The log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The document that was begun with.
    pub const fn begun(&self) -> &Arc<Trust> {
        &self.begun
    }

    /// The document in force.
    pub fn trust(&self) -> &Arc<Trust> {
        self.versions.last().map_or(&self.begun, |version| &version.trust)
    }

    /// The versions that came after the one that was begun with, in order.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Which policies judge.
    pub const fn activations(&self) -> &Activations {
        &self.activations
    }

    /// The revocations that were taken back, in the order in which they were.
    pub fn reinstated(&self) -> &[Reinstated] {
        &self.reinstated
    }

    /// Every document that counts or counted, with the positions of the leaves `[from, until)` that
    /// it counted for.
    pub(crate) fn periods(&self) -> impl Iterator<Item = (&Arc<Trust>, u64, u64)> {
        let starts = self.versions.iter().map(|version| version.index + 1);
        let documents =
            std::iter::once(&self.begun).chain(self.versions.iter().map(|version| &version.trust));
        let ends = starts.clone().chain([u64::MAX]);
        documents
            .zip(std::iter::once(0).chain(starts))
            .zip(ends)
            .map(|((trust, from), until)| (trust, from, until))
    }

    /// The keys whose leaves must be read for it: the deciding ones of the document in force and of
    /// proposals, and those that may revoke keys.
    pub(crate) fn watched(&self) -> BTreeSet<KeyId> {
        let Some(governance) = self.trust().governance() else { return BTreeSet::new() };
        let proposed = self.proposals().filter_map(|trust| trust.governance());
        let deciding = governance.deciding().chain(proposed.flat_map(Governance::deciding));
        let revoking = self.trust().keys().iter().filter(|key| may_revoke(key));
        deciding.chain(revoking.map(|key| key.id())).collect()
    }

    /// Whether what `key` says may decide about documents here.
    pub(crate) fn heeds(&self, key: &KeyId) -> bool {
        self.trust().governance().is_some() && !self.is_void(key) && self.watched().contains(key)
    }

    /// The documents that wait for signatures.
    pub(crate) fn proposals(&self) -> impl Iterator<Item = &Arc<Trust>> {
        self.pending.values().filter_map(|pending| match &pending.proposal {
            Proposal::Trust(trust) => Some(trust),
            Proposal::Activation(_) | Proposal::Reinstatement(_) => None,
        })
    }

    /// Takes the leaf at `index` with the pre-authentication encoding that it covers, for whoever has
    /// not all leaves: those that were handed over, in their order. That none was left out is then
    /// the word of whoever did so.
    pub fn leaf(&mut self, index: u64, leaf: &Leaf, pae: &[u8]) {
        let Verifier::Key(key) = leaf.verifier() else { return };
        let signed = leaf.covers(pae) && key.verify(pae, leaf.signature()).is_ok();
        let Ok(envelope) = Envelope::from_pae(pae) else { return };
        if !signed || envelope.payload_type != IN_TOTO {
            return;
        }
        if let Ok(statement) = Statement::parse(&envelope.payload) {
            self.take(index, key.id(), Sha256::of(pae), &statement);
        }
    }

    /// Takes the statement with this body, which `key` has signed in the leaf at `index`; says
    /// whether other keys are to be watched from now on.
    pub(crate) fn take(
        &mut self,
        index: u64,
        key: KeyId,
        body: Sha256,
        statement: &Statement,
    ) -> bool {
        // Nobody governs a file that is only its keeper's.
        if self.trust().governance().is_none() || self.is_void(&key) {
            return false;
        }
        match &statement.predicate {
            Predicate::TrustVersion(_) => self.take_version(index, key, body, statement),
            Predicate::PolicyVersion(policy) => {
                self.take_policy(key, policy, statement);
                false
            }
            Predicate::PolicyActivation(_) => {
                self.take_activation(index, key, body, statement);
                false
            }
            Predicate::Revocation(said) => {
                self.take_revocation(key, body, said, statement);
                false
            }
            Predicate::Reinstatement(_) => {
                self.take_reinstatement(index, key, body, statement);
                false
            }
            _ => false,
        }
    }

    fn is_void(&self, key: &KeyId) -> bool {
        self.revoked.contains_key(&key.digest())
    }

    fn take_revocation(
        &mut self,
        key: KeyId,
        body: Sha256,
        said: &Revocation,
        statement: &Statement,
    ) {
        let is_of_keys = matches!(said.kind, RevocationKind::Key | RevocationKind::Unknown);
        // Whoever wants to revoke once more says so anew: anybody can copy what was taken back.
        let taken_back = self.reinstated.iter().any(|one| one.revocation == body);
        if !is_of_keys || taken_back || !self.trust().key(&key).is_some_and(may_revoke) {
            return;
        }
        for (artifact, _) in statement.subjects().unwrap_or_default() {
            let Some(digest) = artifact.digest() else { continue };
            self.revoked.entry(digest).or_default().insert(body);
        }
    }

    /// Takes an owner's word that a revocation is taken back; it is when enough of them say so who are
    /// not revoked themselves.
    fn take_reinstatement(&mut self, index: u64, key: KeyId, body: Sha256, statement: &Statement) {
        let Some(now) = self.trust().governance() else { return };
        if !now.duty(Duty::Trust).any(|role| role.has(&key)) {
            return;
        }
        let subjects = statement.subjects().unwrap_or_default();
        let [(subject, _)] = subjects.as_slice() else { return };
        let Some(revocation) = subject.digest() else { return };
        let pending = self.pending.get(&body);
        let known = self.reinstated.iter().any(|one| one.revocation == revocation);
        if known || pending.is_none() && self.pending.len() >= MAX_PENDING {
            return;
        }
        let mut signed = pending.map(|pending| pending.signed.clone()).unwrap_or_default();
        signed.insert(key);
        let counting: BTreeSet<KeyId> =
            signed.iter().copied().filter(|key| !self.is_void(key)).collect();
        if !now.is_trust_quorum(&counting) {
            let proposal = Proposal::Reinstatement(revocation);
            self.pending.insert(body, Pending { proposal, signed });
            return;
        }
        self.pending.remove(&body);
        for by in self.revoked.values_mut() {
            by.remove(&revocation);
        }
        self.revoked.retain(|_, by| !by.is_empty());
        self.reinstated.push(Reinstated { revocation, index, body });
    }

    fn take_version(
        &mut self,
        index: u64,
        key: KeyId,
        body: Sha256,
        statement: &Statement,
    ) -> bool {
        if self.versions.len() >= MAX_VERSIONS {
            return false;
        }
        let Some(next) = self.proposed(body, statement) else { return false };
        let (Some(now), Some(then)) = (self.trust().governance(), next.governance()) else {
            return false;
        };
        let is_owner = now.duty(Duty::Trust).any(|role| role.has(&key));
        let pending = self.pending.get(&body);
        // Somebody who owns neither says nothing, and who owns the next one only speaks when an
        // owner of this one has: nobody else can add to what is kept.
        let heard =
            is_owner || pending.is_some() && then.duty(Duty::Trust).any(|role| role.has(&key));
        if !heard || pending.is_none() && self.pending.len() >= MAX_PENDING {
            return false;
        }
        let mut signed = pending.map(|pending| pending.signed.clone()).unwrap_or_default();
        signed.insert(key);
        let counting: BTreeSet<KeyId> =
            signed.iter().copied().filter(|key| !self.is_void(key)).collect();
        if now.is_trust_quorum(&counting) && then.is_trust_quorum(&counting) {
            let version = then.version();
            self.versions.push(Version { trust: next, version, index, body, signed: counting });
            // Whatever else was proposed was proposed to owners who are no longer asked.
            self.pending.clear();
        } else {
            let proposal = Proposal::Trust(next);
            self.pending.insert(body, Pending { proposal, signed });
        }
        true
    }

    /// The document that a statement proposes, if it is the next after the one in force.
    fn proposed(&self, body: Sha256, statement: &Statement) -> Option<Arc<Trust>> {
        if let Some(Pending { proposal: Proposal::Trust(trust), .. }) = self.pending.get(&body) {
            return Some(Arc::clone(trust));
        }
        let current = self.trust();
        let now = current.governance()?;
        let trust = read_version(statement, &self.origin).ok()?;
        let then = trust.governance()?;
        let follows = now.version().checked_add(1) == Some(then.version())
            && then.previous() == Some(current.digest());
        follows.then(|| Arc::new(trust))
    }

    fn take_policy(&mut self, key: KeyId, policy: &PolicyVersion, statement: &Statement) {
        let Some(governance) = self.trust().governance() else { return };
        if !governance.may_propose(&key, &policy.name) {
            return;
        }
        if require_subject(statement, policy.document.claimed()).is_some() {
            self.activations.keep(policy);
        }
    }

    fn take_activation(&mut self, index: u64, key: KeyId, body: Sha256, statement: &Statement) {
        let known = match self.pending.get(&body) {
            Some(Pending { proposal: Proposal::Activation(proposed), .. }) => {
                Some(proposed.clone())
            }
            _ => None,
        };
        let Some(proposed) = known.or_else(|| self.activations.read(statement)) else { return };
        let Some(now) = self.trust().governance() else { return };
        if !now.may_propose(&key, &proposed.name) {
            return;
        }
        let pending = self.pending.get(&body);
        if pending.is_none() && self.pending.len() >= MAX_PENDING {
            return;
        }
        let mut signed = pending.map(|pending| pending.signed.clone()).unwrap_or_default();
        signed.insert(key);
        let counting: BTreeSet<KeyId> =
            signed.iter().copied().filter(|key| !self.is_void(key)).collect();
        let agreed = |stage: &StageName| now.is_policy_quorum(&counting, &proposed.name, stage);
        // One act is one act: for all of its stages, or for none.
        if proposed.stages.iter().all(agreed) {
            self.pending.remove(&body);
            self.activations.activate(&proposed, index, body);
        } else {
            let proposal = Proposal::Activation(proposed);
            self.pending.insert(body, Pending { proposal, signed });
        }
    }
}

/// Whether a key may revoke others.
pub(crate) fn may_revoke(key: &crate::trust::TrustedKey) -> bool {
    key.grants().iter().any(|grant| grant.may().predicates.has(REVOCATION))
}
