//! What speaks against artifacts, keys, builders and attestations: facts that whoever enforces must know
//! to be complete, and therefore takes from following every leaf of a log, never from a search.

mod heard;

use std::collections::{BTreeMap, BTreeSet};

use attest::predicate::{Revocation as Said, RevocationEffect, RevocationKind};
use attest::{ArtifactId, Checkpoint, KeyId, Sha256};

use crate::governing::{Activations, Reinstated};
use crate::trust::Trust;
use crate::verified::Signer;

pub use self::heard::Unheard;
use self::heard::may_revoke;

/// The negative facts of one log, up to a size.
///
/// Only [`crate::Follower`] fills it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Negatives {
    head: Option<Checkpoint>,
    revocations: Vec<Revocation>,
    taken_back: BTreeSet<Sha256>,
    artifacts: BTreeMap<ArtifactId, Vec<usize>>,
    attestations: BTreeMap<Sha256, Vec<usize>>,
    keys: BTreeMap<Sha256, Vec<usize>>,
    /// By the digests of their ids.
    builders: BTreeMap<Sha256, Vec<usize>>,
    owed: BTreeMap<ArtifactId, BTreeMap<Sha256, Owed>>,
    /// Where each key first signed a body that is owed.
    first: BTreeMap<(Sha256, KeyId), u64>,
    /// Who signed a body that is owed without a key of their own.
    without_key: BTreeMap<(Sha256, KeyId), Signer>,
    /// How many facts there are, each artifact of a statement counted.
    count: usize,
    /// Which policies judged where.
    activations: Activations,
    /// Whether something in it is only supposed.
    supposed: bool,
}

/// A registered revocation by an authorised revoker.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Revocation {
    /// Its position in the log: it counts from here on.
    pub index: u64,
    /// Its body.
    pub body: Sha256,
    /// Who revoked.
    pub by: Signer,
    /// The short reason in the statement.
    pub reason: String,
    /// Whether all that was made from the artifact is revoked with it; of a key, a builder or an
    /// attestation, whether what it made is.
    pub descendants: bool,
    /// Of a key or a builder: from which entry on what it signed or made is void.
    pub from: u64,
    /// How the owners of the trust document have taken it back, if they have. What a key signed
    /// between the two entries stays void: whoever had it was not heard.
    pub reinstated: Option<Reinstated>,
}

/// A statement that can speak against an artifact (an evaluation, a test result, a monitoring
/// window, a verdict, an approval or its refusal), signed by a trusted key and found in the log. An answer
/// about the artifact without it is not complete.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Owed {
    /// Its body.
    pub body: Sha256,
    /// Its first position in the log.
    pub index: u64,
    /// The trusted keys that signed it.
    pub keys: BTreeSet<KeyId>,
}

/// What a revocation takes its subject for. More than one when it does not say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Targets {
    artifact: bool,
    attestation: bool,
    key: bool,
    builder: bool,
}

impl Revocation {
    /// Whether what a revoked key signed in this entry is void.
    pub(crate) fn voids(&self, index: u64) -> bool {
        match &self.reinstated {
            None => index >= self.from,
            Some(how) => (self.index..how.index).contains(&index),
        }
    }
}

impl Negatives {
    /// For who has not followed a log. A lineage made with this is complete by somebody's claim
    /// at best, and says so.
    pub fn none() -> Self {
        Self::default()
    }

    /// How far the log was followed, if it was.
    pub const fn head(&self) -> Option<&Checkpoint> {
        self.head.as_ref()
    }

    /// Every revocation, by position.
    pub fn revocations(&self) -> &[Revocation] {
        &self.revocations
    }

    /// Every revocation of what has this digest, whatever it is, by position; also those that were
    /// taken back.
    pub fn history(&self, digest: &Sha256) -> impl Iterator<Item = &Revocation> {
        let artifacts = self.artifacts.get(&ArtifactId::file(*digest));
        let others = [&self.attestations, &self.keys, &self.builders].map(|one| one.get(digest));
        let places = artifacts.into_iter().chain(others.into_iter().flatten()).flatten();
        let places: BTreeSet<usize> = places.copied().collect();
        places.into_iter().filter_map(|place| self.revocations.get(place))
    }

    /// The revocations that name this artifact, by position, without those that were taken back.
    ///
    /// Kinds are not told apart here: a revocation of a digest hits whatever has the digest, so
    /// that a forgotten `digestMethod` does not save a tree.
    pub fn of_artifact(&self, artifact: &ArtifactId) -> impl Iterator<Item = &Revocation> {
        self.placed(self.artifacts.get(&without_kind(artifact)))
    }

    /// The first revocation of the attestation with this body.
    pub fn of_attestation(&self, body: &Sha256) -> Option<&Revocation> {
        self.all_of_attestation(body).next()
    }

    /// The revocation of this key that reaches furthest back: what the key signed from there on
    /// ([`Revocation::from`]) is void.
    pub fn of_key(&self, key: &KeyId) -> Option<&Revocation> {
        self.all_of_key(key).min_by_key(|revocation| revocation.from)
    }

    /// The revocation of the builder with this id that reaches furthest back: what it made from
    /// there on is void.
    pub fn of_builder(&self, id: &str) -> Option<&Revocation> {
        self.all_of_builder(id).min_by_key(|revocation| revocation.from)
    }

    pub(crate) fn all_of_attestation(&self, body: &Sha256) -> impl Iterator<Item = &Revocation> {
        self.placed(self.attestations.get(body))
    }

    pub(crate) fn all_of_key(&self, key: &KeyId) -> impl Iterator<Item = &Revocation> {
        self.placed(self.keys.get(&key.digest()))
    }

    pub(crate) fn all_of_builder(&self, id: &str) -> impl Iterator<Item = &Revocation> {
        // Most logs revoke no builder, and nothing is hashed for them.
        let known = (!self.builders.is_empty()).then(|| Sha256::of(id.as_bytes()));
        self.placed(known.and_then(|id| self.builders.get(&id)))
    }

    /// The revocations of this key, also those that were taken back.
    pub(crate) fn ever_of_key(&self, key: &KeyId) -> impl Iterator<Item = &Revocation> {
        self.ever(self.keys.get(&key.digest()))
    }

    fn placed<'n>(
        &'n self,
        places: Option<&'n Vec<usize>>,
    ) -> impl Iterator<Item = &'n Revocation> {
        self.ever(places).filter(|revocation| revocation.reinstated.is_none())
    }

    fn ever<'n>(&'n self, places: Option<&'n Vec<usize>>) -> impl Iterator<Item = &'n Revocation> {
        places.into_iter().flatten().filter_map(|place| self.revocations.get(*place))
    }

    /// Takes a revocation back. Another entry of the same statement does not bring it again: anybody
    /// can make one.
    pub(crate) fn take_back(&mut self, how: Reinstated) {
        let same = |one: &&mut Revocation| one.body == how.revocation;
        for revocation in self.revocations.iter_mut().filter(same) {
            revocation.reinstated = Some(how);
        }
        self.count += 1;
        self.taken_back.insert(how.revocation);
    }

    /// Which policies judged for which stages, and from which entries on.
    pub const fn activations(&self) -> &Activations {
        &self.activations
    }

    /// The same, were this revocation the next entry: what somebody who is about to revoke wants to
    /// know. `None` where `trust` lets no key revoke anything.
    ///
    /// A lineage that is made with it says that it is supposed, and decides nothing.
    #[must_use]
    pub fn supposing(
        &self,
        trust: &Trust,
        body: Sha256,
        said: &Said,
        subjects: &[ArtifactId],
    ) -> Option<Self> {
        let key = trust.keys().iter().find(|key| may_revoke(key))?;
        let index = self.head.as_ref().map_or(u64::MAX, |head| head.size);
        let mut supposed = Self { supposed: true, ..self.clone() };
        supposed.take(index, body, Signer::of(key, key.name()), said, subjects);
        Some(supposed)
    }

    /// Whether something in it is only supposed.
    pub const fn is_supposed(&self) -> bool {
        self.supposed
    }

    /// The statements about this artifact that an answer must not leave out.
    pub fn owed(&self, artifact: &ArtifactId) -> impl Iterator<Item = &Owed> {
        self.owed.get(artifact).into_iter().flat_map(BTreeMap::values)
    }

    pub(crate) fn is_owed(&self, artifact: &ArtifactId, body: &Sha256) -> bool {
        self.owed.get(artifact).is_some_and(|owed| owed.contains_key(body))
    }

    pub(crate) fn at(mut self, head: Checkpoint, activations: &Activations) -> Self {
        self.head = Some(head);
        self.activations = activations.clone();
        self
    }

    /// What was known before the entry `before`. Only for what is supposed.
    pub(crate) fn before(&self, before: u64) -> Self {
        let mut then = Self { supposed: true, ..self.clone() };
        let early = |place: &usize| {
            self.revocations.get(*place).is_some_and(|revocation| revocation.index < before)
        };
        // Places stay as they are, so that the list keeps what came later, which nothing names.
        let places = then.artifacts.values_mut().chain(then.attestations.values_mut());
        for places in places.chain(then.keys.values_mut()).chain(then.builders.values_mut()) {
            places.retain(early);
        }
        for owed in then.owed.values_mut() {
            owed.retain(|_, owed| owed.index < before);
        }
        then.first.retain(|_, index| *index < before);
        for revocation in &mut then.revocations {
            revocation.reinstated = revocation.reinstated.filter(|how| how.index < before);
        }
        then.activations = self.activations.before(before);
        then
    }

    /// The position at which `key` first signed this statement, if a followed log says so.
    pub(crate) fn first_position(&self, body: Sha256, key: KeyId) -> Option<u64> {
        self.head.as_ref()?;
        self.first.get(&(body, key)).copied()
    }

    /// Whoever signed this statement, which is owed, without a key of their own.
    pub(crate) fn without_key(&self, body: Sha256, key: KeyId) -> Option<&Signer> {
        self.without_key.get(&(body, key))
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Takes what the revocation `said` in the entry `index`, whose signer may revoke. What it
    /// does not say, or says in words that nobody knows, is the widest.
    pub(crate) fn take(
        &mut self,
        index: u64,
        body: Sha256,
        by: Signer,
        said: &Said,
        subjects: &[ArtifactId],
    ) {
        let descendants =
            said.effect == RevocationEffect::Descendants || said.kind == RevocationKind::Unknown;
        // Nobody knows what an unknown kind counts from. A builder made what it made before anybody
        // knew; a key is good until somebody says otherwise.
        let from = match said.kind {
            RevocationKind::Unknown => 0,
            RevocationKind::Builder => said.from_entry.unwrap_or(0).min(index),
            _ => said.from_entry.map_or(index, |from| from.min(index)),
        };
        if self.taken_back.contains(&body) {
            return;
        }
        let reason = said.reason.clone();
        let reinstated = None;
        let revocation = Revocation { index, body, by, reason, descendants, from, reinstated };
        self.revoke(revocation, subjects, Targets::of(&said.kind));
    }

    fn revoke(&mut self, revocation: Revocation, subjects: &[ArtifactId], as_: Targets) {
        let place = self.revocations.len();
        self.revocations.push(revocation);
        self.count += 1 + subjects.len();
        for subject in subjects {
            if as_.artifact {
                self.artifacts.entry(without_kind(subject)).or_default().push(place);
            }
            let Some(digest) = subject.digest() else { continue };
            if as_.attestation {
                self.attestations.entry(digest).or_default().push(place);
            }
            if as_.key {
                self.keys.entry(digest).or_default().push(place);
            }
            if as_.builder {
                self.builders.entry(digest).or_default().push(place);
            }
        }
    }

    pub(crate) fn owe(&mut self, artifact: ArtifactId, body: Sha256, index: u64, by: &Signer) {
        let key = by.key;
        self.count += 1;
        if by.keyless.is_some() || by.certified.is_some() {
            self.without_key.entry((body, key)).or_insert_with(|| by.clone());
        }
        self.first.entry((body, key)).or_insert(index);
        let owed = self.owed.entry(artifact).or_default().entry(body);
        let owed = owed.or_insert_with(|| Owed { body, index, keys: BTreeSet::new() });
        owed.keys.insert(key);
    }
}

impl Targets {
    const fn of(kind: &RevocationKind) -> Self {
        let unknown = matches!(kind, RevocationKind::Unknown);
        Self {
            artifact: unknown || matches!(kind, RevocationKind::Artifact),
            attestation: unknown || matches!(kind, RevocationKind::Attestation),
            key: unknown || matches!(kind, RevocationKind::Key),
            builder: unknown || matches!(kind, RevocationKind::Builder),
        }
    }
}

/// The same digest as a file, whatever the kind.
fn without_kind(artifact: &ArtifactId) -> ArtifactId {
    artifact.digest().map_or(*artifact, ArtifactId::file)
}
