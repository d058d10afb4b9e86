//! Following a log leaf by leaf, so that nothing negative in it can be missed.
//!
//! An inclusion proof shows presence; nothing shows absence but having read everything. The
//! follower recomputes the root from every leaf and keeps what authorised signers say against
//! artifacts, keys and attestations. It fails closed: a leaf by somebody who may say such things,
//! whose body is missing, makes it stale, because that body may be a revocation; unless somebody
//! who may say so says, in a tombstone in the log, that it was erased and what it was. The same holds
//! for every bundle of a signer without a key (`without_key`).
//!
//! It keeps no leaves: about 64 hashes and the negative facts. A service keeps one and feeds it
//! what is new.

mod without_key;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use attest::carried::is_mark;
use attest::envelope::IN_TOTO;
use attest::predicate::{
    APPROVAL, EVALUATION, MONITORING, REVOCATION, TEST_RESULT, TOMBSTONE, VERIFICATION_SUMMARY,
    WAIVER, is_erasable,
};
use attest::{
    CheckpointError, Envelope, KeyId, Leaf, NoteError, Predicate, PublicKey, Sha256, Statement,
    Verifier,
};

use crate::governing::{GOVERNING_TYPES, Governing};
use crate::merkle::{Frontier, leaf_hash};
use crate::negatives::Negatives;
use crate::trust::{EndedError, LastGood, OpenError, Trust, TrustedKey};
use crate::verified::Signer;

/// How many negative facts a follower keeps. Only trusted signers can add to them.
pub const MAX_NEGATIVES: usize = 1 << 20;
/// How many positions of missing bodies are named in the error.
const MAX_MISSING: usize = 16;
/// How many missing bodies are remembered, in case a tombstone follows. What is beyond stays
/// missing.
const MAX_AWAITED: usize = 1 << 16;

/// The types of statement that can speak against an artifact: an answer that leaves one of
/// them out could turn "denied" into "allowed". Verdicts are among them: the latest counts, and
/// it may be FAILED. Waivers are, because of their place: a rejection ends every waiver before it, so
/// that a copy of an entry further on must not make an old waiver a new one.
const NEGATIVE_TYPES: [&str; 7] =
    [REVOCATION, EVALUATION, MONITORING, TEST_RESULT, APPROVAL, VERIFICATION_SUMMARY, WAIVER];

/// Reads every leaf of one log, from the first on.
#[derive(Clone, Debug)]
pub struct Follower {
    origin: String,
    /// By which the leaves are read: the document that this began with, or the one that an earlier
    /// reading of the same leaves came to.
    trust: Arc<Trust>,
    governing: Governing,
    frontier: Frontier,
    last_good: Vec<LastGood>,
    /// The first last good tree that the leaves do not make.
    forked: Option<EndedError>,
    watched: BTreeMap<KeyId, Watched>,
    /// The documents that were in force before, and where: for signers without a key.
    periods: Vec<(Arc<Trust>, Range<u64>)>,
    negatives: Negatives,
    missing: Vec<u64>,
    missing_count: u64,
    /// Leaves whose body is missing and may have been erased: the digest of the body, as the leaf
    /// has it, and the positions.
    awaited: BTreeMap<Vec<u8>, Vec<u64>>,
    awaited_count: usize,
    unreadable: u64,
}

/// A signer who may say something negative.
#[derive(Clone, Debug)]
struct Watched {
    key: PublicKey,
    signer: Signer,
    revokes: Right,
    buries: Right,
    speaks: bool,
}

/// Where what a key says counts: everywhere, because the document by which the leaves are read says
/// so; or where an earlier one did that was in force there. What was revoked validly stays so when
/// whoever revoked it is no longer asked.
#[derive(Clone, Debug, Default)]
struct Right {
    everywhere: bool,
    within: Vec<Range<u64>>,
}

impl Right {
    fn holds(&self, index: u64) -> bool {
        self.everywhere || self.within.iter().any(|range| range.contains(&index))
    }
}

/// A log read to the end, under a checkpoint that it signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Followed {
    /// The log.
    pub origin: String,
    /// How many leaves were read.
    pub size: u64,
    /// Their root, which the log signed.
    pub root: Sha256,
    /// What stands against artifacts, keys and attestations.
    pub negatives: Negatives,
    /// Whom to believe and what judges, as the leaves say.
    pub governing: Governing,
}

impl Followed {
    /// The trust document in force: the one that was begun with, where none came after it.
    pub fn trust(&self) -> &Arc<Trust> {
        self.governing.trust()
    }
}

/// Why a log cannot be followed, or not to this checkpoint.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The trust file does not name the log.
    #[error("the trust file does not name the log `{0}`")]
    UnknownLog(
        /// The log.
        String,
    ),
    /// A leaf came out of order.
    #[error("leaf {found} came where leaf {expected} was due")]
    OutOfOrder {
        /// Which was due.
        expected: u64,
        /// Which came.
        found: u64,
    },
    /// More than [`MAX_NEGATIVES`].
    #[error("the log holds more than {MAX_NEGATIVES} negative facts")]
    TooManyNegatives,
    /// Bodies of leaves by authorised negative signers are missing or do not fit their leaves, so
    /// that they may be revocations; or they are revocations that cannot be read.
    #[error("{count} bodies that may be revocations are missing or unreadable, the first at entry {}", first.first().copied().unwrap_or_default())]
    Stale {
        /// How many.
        count: u64,
        /// The first positions.
        first: Vec<u64>,
    },
    /// The trust file has changed since the follower was made: follow again from the first leaf.
    #[error("the trust file has changed since leaf 0 was followed")]
    TrustChanged,
    /// The log has a newer trust document than the leaves were read by: read them again
    /// ([`Follower::again`]).
    #[error(
        "the register has version {version} of the trust document; follow it again by that one"
    )]
    Superseded {
        /// Its version.
        version: u64,
    },
    /// Nobody signed the checkpoint whom the trust file names.
    #[error("the checkpoint of `{0}` is signed by no key of it that the trust file names")]
    OtherKey(
        /// The log.
        String,
    ),
    /// The checkpoint is not one that the log signed.
    #[error("checkpoint of `{origin}`: {reason}")]
    Checkpoint {
        /// The log.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// The checkpoint is for another number of leaves than were followed.
    #[error("followed {followed} leaves, but the checkpoint has {signed}")]
    Size {
        /// How many were followed.
        followed: u64,
        /// How many the log signed for.
        signed: u64,
    },
    /// The leaves do not make a tree that the trust file vouches for.
    #[error("the log has another history than the trust file vouches for: {0}")]
    NotLastGood(
        /// Which tree.
        EndedError,
    ),
    /// The log has fewer entries than a tree that the trust file vouches for.
    #[error(
        "the log has {size} entries, but had {last_good} when its key was lost, as the trust file says"
    )]
    BeforeLastGood {
        /// How many the log signed for.
        size: u64,
        /// The size of the last good tree.
        last_good: u64,
    },
    /// The leaves do not make the root that the log signed.
    #[error("the {size} leaves make the root {computed}, but the log signed {signed}")]
    Root {
        /// How many leaves.
        size: u64,
        /// What they make.
        computed: Sha256,
        /// What the log signed.
        signed: Sha256,
    },
}

impl Follower {
    /// Starts at the first leaf of the log `origin`, looking out for what the signers of
    /// `trust` may say.
    ///
    /// # Errors
    /// [`FollowError::UnknownLog`] when `trust` does not name the log.
    pub fn new(origin: &str, trust: &Trust) -> Result<Self, FollowError> {
        let trust = Arc::new(trust.clone());
        Self::by(Governing::new(origin, Arc::clone(&trust)), trust, origin)
    }

    /// Starts at the first leaf again, by the trust document that these leaves came to: what keys
    /// may say that it names for the first time, they may have said before.
    ///
    /// # Errors
    /// As [`Follower::new`].
    pub fn again(&self) -> Result<Self, FollowError> {
        let begun = Arc::clone(self.governing.begun());
        let mut again = Self::by(
            Governing::new(&self.origin, begun),
            Arc::clone(self.governing.trust()),
            &self.origin,
        )?;
        for (trust, from, until) in self.governing.periods() {
            again.watch_period(trust, from..until);
            again.periods.push((Arc::clone(trust), from..until));
        }
        Ok(again)
    }

    fn by(governing: Governing, trust: Arc<Trust>, origin: &str) -> Result<Self, FollowError> {
        let log = trust.log(origin).ok_or_else(|| FollowError::UnknownLog(origin.into()))?;
        let watched = trust.keys().iter().filter_map(|key| {
            let speaks = NEGATIVE_TYPES.iter().any(|predicate| may(key, predicate));
            (speaks || may(key, TOMBSTONE)).then(|| {
                let everywhere =
                    |predicate| Right { everywhere: may(key, predicate), within: Vec::new() };
                let signer = Signer::of(key, key.name());
                let (revokes, buries) = (everywhere(REVOCATION), everywhere(TOMBSTONE));
                (key.id(), Watched { key: key.key().clone(), signer, revokes, buries, speaks })
            })
        });
        let mut follower = Self {
            origin: origin.into(),
            frontier: Frontier::new(),
            last_good: log.last_good().collect(),
            forked: None,
            watched: watched.collect(),
            periods: Vec::new(),
            trust,
            governing,
            negatives: Negatives::none(),
            missing: Vec::new(),
            missing_count: 0,
            awaited: BTreeMap::new(),
            awaited_count: 0,
            unreadable: 0,
        };
        follower.watch_governing();
        Ok(follower)
    }

    /// Looks out for whoever may decide about trust and policies from here on.
    fn watch_governing(&mut self) {
        for id in self.governing.watched() {
            let documents = [Some(self.governing.trust()), Some(&self.trust)];
            let proposed = self.governing.proposals();
            let mut documents = documents.into_iter().flatten().chain(proposed);
            let Some(key) = documents.find_map(|trust| trust.key(&id)) else { continue };
            self.watched.entry(id).or_insert_with(|| Watched::nothing(key));
        }
    }

    /// Heeds what keys said that a document let revoke and bury while it was in force.
    fn watch_period(&mut self, trust: &Trust, within: Range<u64>) {
        for key in trust.keys() {
            let (revokes, buries) = (may(key, REVOCATION), may(key, TOMBSTONE));
            let decides = trust.governance().is_some_and(|governance| {
                governance.deciding().any(|deciding| deciding == key.id())
            });
            if !revokes && !buries && !decides {
                continue;
            }
            let watched = self.watched.entry(key.id()).or_insert_with(|| Watched::nothing(key));
            if revokes {
                watched.revokes.within.push(within.clone());
            }
            if buries {
                watched.buries.within.push(within.clone());
            }
        }
    }

    /// Whom to believe and what judges, as the leaves say so far.
    pub const fn governing(&self) -> &Governing {
        &self.governing
    }

    /// The document by which the leaves are read.
    pub const fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// The log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many leaves were read: the position of the next.
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root of what was read.
    pub fn root(&self) -> Sha256 {
        self.frontier.root()
    }

    /// What was found so far. To judge by it, [`Follower::finish`] first.
    pub const fn negatives(&self) -> &Negatives {
        &self.negatives
    }

    /// How many leaves were not of the kind that we know. They speak for nobody.
    pub const fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Reads the leaf at `index` with its body: the pre-authentication encoding whose digest is
    /// in the leaf. A body that does not have this digest counts as missing.
    ///
    /// # Errors
    /// [`FollowError::OutOfOrder`] unless `index` is the number of leaves read so far;
    /// [`FollowError::TooManyNegatives`]. Then nothing has changed.
    pub fn leaf(
        &mut self,
        index: u64,
        leaf: &[u8],
        body: Option<&[u8]>,
    ) -> Result<(), FollowError> {
        let expected = self.size();
        if index != expected {
            return Err(FollowError::OutOfOrder { expected, found: index });
        }
        if self.negatives.len() >= MAX_NEGATIVES {
            return Err(FollowError::TooManyNegatives);
        }
        match Leaf::parse(leaf) {
            Ok(parsed) => self.read(index, &parsed, body),
            Err(_) => self.unreadable += 1,
        }
        self.frontier.append(leaf_hash(leaf));
        let size = self.size();
        let mut vouched = self.last_good.iter().filter(|last_good| last_good.size == size);
        let forked = vouched.find_map(|last_good| last_good.require(size, self.root()).err());
        self.forked = self.forked.take().or(forked);
        Ok(())
    }

    /// Ends at a checkpoint that the log signed and its witnesses cosigned, as many as the trust
    /// file demands, whose size and root must be those of the leaves
    /// read. The follower can go on from there. `trust` is the document that was begun with.
    ///
    /// # Errors
    /// [`FollowError`]; with any of them nobody may be told "allowed".
    pub fn finish(&self, note: &str, trust: &Trust) -> Result<Followed, FollowError> {
        if trust.digest() != self.governing.begun().digest() {
            return Err(FollowError::TrustChanged);
        }
        if let Some(newest) = self.governing.versions().last()
            && newest.trust.digest() != self.trust.digest()
        {
            return Err(FollowError::Superseded { version: newest.version });
        }
        let log = self
            .trust
            .log(&self.origin)
            .ok_or_else(|| FollowError::UnknownLog(self.origin.clone()))?;
        let origin = || self.origin.clone();
        let (head, _) = log.open(note).map_err(|error| match error {
            OpenError::Checkpoint(CheckpointError::Note(NoteError::Unsigned(_))) => {
                FollowError::OtherKey(origin())
            }
            error => FollowError::Checkpoint { origin: origin(), reason: error.to_string() },
        })?;
        if head.size != self.size() {
            return Err(FollowError::Size { followed: self.size(), signed: head.size });
        }
        let computed = self.root();
        if head.root != computed {
            return Err(FollowError::Root { size: head.size, computed, signed: head.root });
        }
        if let Some(forked) = &self.forked {
            return Err(FollowError::NotLastGood(forked.clone()));
        }
        if let Some(last_good) = self.last_good.iter().map(|one| one.size).max()
            && head.size < last_good
        {
            return Err(FollowError::BeforeLastGood { size: head.size, last_good });
        }
        let count = self.missing_count + self.awaited_count as u64;
        if count > 0 {
            let mut first = self.missing.clone();
            first.extend(self.awaited.values().flatten());
            first.sort_unstable();
            first.truncate(MAX_MISSING);
            return Err(FollowError::Stale { count, first });
        }
        Ok(Followed {
            origin: head.origin.clone(),
            size: head.size,
            root: head.root,
            negatives: self.negatives.clone().at(head, self.governing.activations()),
            governing: self.governing.clone(),
        })
    }

    fn read(&mut self, index: u64, leaf: &Leaf, body: Option<&[u8]>) {
        let Verifier::Key(key) = leaf.verifier() else { return };
        if is_mark(&key.id()) {
            return self.read_carried(index, leaf, body);
        }
        let Some(watched) = self.watched.get(&key.id()) else { return };
        // What a key says after its revocation is void, and so is what it revokes.
        let void = self.negatives.of_key(&key.id()).is_some();
        if void && !self.governing.heeds(&key.id()) {
            return;
        }
        let Some(pae) = body.filter(|body| leaf.covers(body)) else {
            return self.await_tombstone(index, leaf);
        };
        // The bytes are there and are no envelope's: whatever they say, it is no statement.
        let Ok(envelope) = Envelope::from_pae(pae) else { return };
        let governs = may_be(&GOVERNING_TYPES, &envelope.payload);
        let says = governs
            || may_be(&NEGATIVE_TYPES, &envelope.payload)
            || watched.buries.holds(index) && may_be(&[TOMBSTONE], &envelope.payload);
        if envelope.payload_type != IN_TOTO || !says {
            return;
        }
        let watched = watched.clone();
        // A leaf that merely names the key says nothing for it.
        if watched.key.verify(pae, leaf.signature()).is_err() {
            return;
        }
        match Statement::parse(&envelope.payload) {
            Ok(statement) => {
                let body = Sha256::of(pae);
                // Whose word counts for documents is a matter of what was in force here.
                if self.governing.take(index, key.id(), body, &statement) {
                    self.watch_governing();
                }
                if let Some(last) = self.governing.reinstated().last()
                    && last.index == index
                {
                    self.negatives.take_back(*last);
                }
                if !void {
                    self.note(index, body, &watched.voice(index), &statement);
                }
            }
            // Signed by somebody who may revoke, and nobody can tell what it revokes.
            Err(_)
                if !void
                    && watched.revokes.holds(index)
                    && may_be(&[REVOCATION], &envelope.payload) =>
            {
                self.miss(index);
            }
            // Nothing else that does not parse is evidence of anything, here or elsewhere.
            Err(_) => {}
        }
    }

    fn note(&mut self, index: u64, body: Sha256, voice: &Voice, statement: &Statement) {
        let artifacts: Vec<_> = match statement.subjects() {
            Ok(subjects) => subjects.into_iter().map(|(artifact, _)| artifact).collect(),
            Err(_) => return self.miss(index),
        };
        match &statement.predicate {
            Predicate::Tombstone(said) if voice.buries && is_erasable(&said.predicate_type) => {
                let digests = statement.subject.iter().flat_map(|subject| subject.digest.values());
                for digest in digests.filter_map(|hex| attest::digest::from_hex(hex)) {
                    self.bury(&digest);
                }
            }
            Predicate::Revocation(_) if !voice.revokes => {}
            Predicate::Revocation(said) => {
                let by = voice.signer.clone();
                self.negatives.take(index, body, by, said, &artifacts);
            }
            _ if voice.speaks && NEGATIVE_TYPES.contains(&statement.predicate_type()) => {
                for artifact in artifacts {
                    self.negatives.owe(artifact, body, index, &voice.signer);
                }
            }
            _ => {}
        }
    }

    /// A body is missing that a tombstone may still account for.
    fn await_tombstone(&mut self, index: u64, leaf: &Leaf) {
        if self.awaited_count >= MAX_AWAITED {
            return self.miss(index);
        }
        self.awaited_count += 1;
        self.awaited.entry(leaf.data().to_vec()).or_default().push(index);
    }

    /// The body with this digest was erased: what is missing of it is accounted for. A tombstone
    /// stands after what it is about.
    fn bury(&mut self, digest: &[u8]) {
        let buried = self.awaited.remove(digest).map_or(0, |indices| indices.len());
        self.awaited_count = self.awaited_count.saturating_sub(buried);
    }

    fn miss(&mut self, index: u64) {
        self.missing_count += 1;
        if self.missing.len() < MAX_MISSING {
            self.missing.push(index);
        }
    }
}

/// What counts of somebody's word at one place.
#[derive(Clone, Debug)]
struct Voice {
    signer: Signer,
    revokes: bool,
    buries: bool,
    speaks: bool,
}

impl Watched {
    fn voice(&self, index: u64) -> Voice {
        let (revokes, buries) = (self.revokes.holds(index), self.buries.holds(index));
        Voice { signer: self.signer.clone(), revokes, buries, speaks: self.speaks }
    }

    /// A key that is looked at, and whose word counts for nothing by itself.
    fn nothing(key: &TrustedKey) -> Self {
        let signer = Signer::of(key, key.name());
        let (revokes, buries) = (Right::default(), Right::default());
        Self { key: key.key().clone(), signer, revokes, buries, speaks: false }
    }
}

/// Whether an entry of the trust file lets the key sign this type.
fn may(key: &TrustedKey, predicate: &str) -> bool {
    key.grants().iter().any(|grant| grant.may().predicates.has(predicate))
}

/// Whether the payload can be a statement of one of `types`; a cheap look before the parse. A
/// JSON text equals a string only if it spells it, or has a backslash.
fn may_be(types: &[&str], payload: &[u8]) -> bool {
    let spells = |name: &str| payload.windows(name.len()).any(|part| part == name.as_bytes());
    payload.contains(&b'\\') || types.iter().any(|name| spells(name))
}
