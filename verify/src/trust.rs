//! Whom we believe, and about what at most: the trust file.
//!
//! Identity is the key itself (its SubjectPublicKeyInfo), never a `keyid` and never a local name.
//! Two names on one key are one identity with one owner. What a key may sign is said entry by
//! entry and nothing is implied: a missing list allows nothing. Policy can narrow what is said
//! here, never widen it.
//!
//! Nothing here reads a clock or a file: the text of the trust file is an argument.

mod authority;
mod document;
mod former;
mod governance;
mod keyless;
mod scope;
mod scopes;
mod witnesses;

use attest::{
    Checkpoint, CheckpointError, KeyId, Note, NoteError, PublicKey, Sha256, Timestamp, VerifierKey,
};

use crate::verified::{Logged, Signer};
pub use authority::{CertifiedSigner, TrustedAuthority, TrustedClock};

pub use document::{MAX_TRUST_BYTES, Place, TrustError};
pub use former::{EndedError, FormerKey, LastGood, Reach};
pub use governance::{
    Duty, Governance, GovernanceError, MAX_ROLE_ITEMS, MAX_ROLES, Role, TrustStanding,
};
pub use keyless::{Demand, Demands, TrustedRoot, TrustedSigner, Whom};
pub use scope::{Globs, May, Names, OutOfScope};
pub use scopes::{NotNow, Scope, Scopes};
pub use witnesses::{QuorumError, TrustedWitness, Witnessed, Witnesses, WitnessesError};

/// Everybody whom we believe: keys, keyless and certified signers, logs and verifiers.
///
/// Made by [`Trust::parse`] from YAML; [`Trust::digest`] names the exact bytes.
#[derive(Clone, Debug)]
pub struct Trust {
    keys: Vec<TrustedKey>,
    logs: Vec<TrustedLog>,
    verifiers: Vec<TrustedVerifier>,
    roots: Vec<TrustedRoot>,
    signers: Vec<TrustedSigner>,
    clocks: Vec<TrustedClock>,
    authorities: Vec<TrustedAuthority>,
    certified: Vec<CertifiedSigner>,
    governance: Option<Governance>,
    /// Whether this is what a first use makes, for one person alone.
    local: bool,
    /// Whether others are answered by it.
    for_others: bool,
    digest: Sha256,
    /// Who may sign what, once somebody has asked; every change of the document forgets it.
    scopes: scopes::Made,
}

/// One key, whatever number of names it has.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    key: PublicKey,
    owner: String,
    custody: Custody,
    grants: Vec<Grant>,
}

/// One entry of the trust file: a name for a key and what the key may sign under it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    name: String,
    may: May,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    still_counts: Option<StillCounts>,
}

/// What of a grant is left when it has run out: what a log held before.
///
/// Positions decide and not times (THREATS, rule 8): a time in a statement is a claim, and whoever
/// has the key later can claim any.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StillCounts {
    /// The log.
    pub log: String,
    /// The first position in it that no longer counts.
    pub before: u64,
}

/// Where a key is kept, seen from the step whose statements it signs.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Custody {
    /// The user who runs the step can read the key, so the step can sign what it likes: what
    /// is claimed with it is SLSA Build L1 at most. What is not said is this.
    #[default]
    Shared,
    /// The step cannot reach the key.
    Separate,
}

/// A log whose checkpoints count.
#[derive(Clone, Debug)]
pub struct TrustedLog {
    origin: String,
    key: VerifierKey,
    former: Vec<FormerKey>,
    witnesses: Witnesses,
}

/// Why a note is no checkpoint of a trusted log that counts.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The log did not sign it, or it is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The witnesses that the trust file demands did not cosign it.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// A former key of the log signed what it no longer may, or it is not the last good tree.
    #[error(transparent)]
    Ended(#[from] EndedError),
}

/// Somebody whose verification summaries (SLSA VSA) count: an id and the key, or the signer without
/// a key, that must sign.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustedVerifier {
    id: String,
    name: String,
    key: Option<KeyId>,
}

/// A half-open stretch of time, `[from, until)`; an absent end is open.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Window {
    /// The first moment inside.
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub until: Option<Timestamp>,
}

impl Trust {
    /// Every trusted key, in the order of the file.
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// The key with this identity.
    pub fn key(&self, id: &KeyId) -> Option<&TrustedKey> {
        self.keys.iter().find(|trusted| trusted.id() == *id)
    }

    /// The key that has `name`, with the grant of that name.
    pub fn named(&self, name: &str) -> Option<(&TrustedKey, &Grant)> {
        self.keys.iter().find_map(|trusted| {
            let grant = trusted.grants.iter().find(|grant| grant.name == name)?;
            Some((trusted, grant))
        })
    }

    /// Every trusted log, in the order of the file.
    pub fn logs(&self) -> &[TrustedLog] {
        &self.logs
    }

    /// The log with this origin.
    pub fn log(&self, origin: &str) -> Option<&TrustedLog> {
        self.logs.iter().find(|log| log.origin == origin)
    }

    /// Everybody whose verification summaries count, in the order of the file.
    pub fn verifiers(&self) -> &[TrustedVerifier] {
        &self.verifiers
    }

    /// Whether a summary that names the verifier `id` and is signed by `key` is from a trusted
    /// pair of the two.
    pub fn is_verifier(&self, id: &str, key: &KeyId) -> bool {
        self.verifiers.iter().any(|verifier| verifier.id == id && verifier.key == Some(*key))
    }

    /// Whether a summary that names the verifier `id` and is by this signer is from a trusted pair of
    /// the two.
    pub(crate) fn is_by_verifier(&self, id: &str, signer: &Signer) -> bool {
        let mut verifiers = self.verifiers.iter().filter(|verifier| verifier.id == id);
        verifiers.any(|verifier| match verifier.key {
            Some(key) => key == signer.key,
            None => self.grants_of(signer).iter().any(|grant| grant.name == verifier.name),
        })
    }

    /// The entries for a signer; none when the file does not know it.
    pub(crate) fn grants_of(&self, signer: &Signer) -> Vec<&Grant> {
        if let Some(keyless) = &signer.keyless {
            return self.matching(keyless).map(TrustedSigner::grant).collect();
        }
        if let Some(certified) = &signer.certified {
            return self.certified(certified).map(CertifiedSigner::grant).collect();
        }
        self.key(&signer.key).map(|key| key.grants().iter().collect()).unwrap_or_default()
    }

    /// The digest of the bytes that were parsed.
    pub const fn digest(&self) -> Sha256 {
        self.digest
    }

    /// The stretch around `now` in which nobody becomes trusted or ceases to be.
    pub fn window(&self, now: Timestamp) -> Window {
        let edges = || {
            let grants = self.keys.iter().flat_map(|key| &key.grants);
            let grants = grants.chain(self.signers.iter().map(TrustedSigner::grant));
            let grants = grants.chain(self.certified.iter().map(CertifiedSigner::grant));
            let grants = grants.flat_map(|grant| [grant.valid_from, grant.valid_until]).flatten();
            grants.chain(self.governance.as_ref().map(Governance::expires))
        };
        let grants = Window {
            from: edges().filter(|edge| *edge <= now).max(),
            until: edges().filter(|edge| *edge > now).min(),
        };
        self.roots.iter().fold(grants, |window, root| window.and(root.root().window(now)))
    }
}

impl TrustedKey {
    /// The identity: the SHA-256 digest of the SubjectPublicKeyInfo.
    pub const fn id(&self) -> KeyId {
        self.key.id()
    }

    /// The key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The name by which to show it: that of its first grant in the file.
    pub fn name(&self) -> &str {
        self.grants.first().map_or("", |grant| grant.name.as_str())
    }

    /// Whoever answers for it. Thresholds and "not the same as" count owners.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Where it is kept.
    pub const fn custody(&self) -> Custody {
        self.custody
    }

    /// It as whoever signs under `grant`. That such a signer exists says nothing about what it
    /// has signed.
    pub fn signer(&self, grant: &Grant) -> Signer {
        Signer {
            key: self.id(),
            name: grant.name.clone(),
            owner: self.owner.clone(),
            custody: self.custody,
            keyless: None,
            certified: None,
        }
    }

    /// Its entries in the file, at least one.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Whether any of its grants is valid at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.grants.iter().any(|grant| grant.is_valid(now))
    }

    /// Whether any of its grants has run out by `now`.
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        self.grants.iter().any(|grant| grant.has_lapsed(now))
    }
}

impl Grant {
    /// The name, unique in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What may be signed.
    pub const fn may(&self) -> &May {
        &self.may
    }

    /// When the grant holds.
    pub const fn window(&self) -> Window {
        Window { from: self.valid_from, until: self.valid_until }
    }

    /// Whether the grant holds at `now`: from `validFrom` on, up to but without `validUntil`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.window().contains(now)
    }

    /// What still counts once it has run out, if anything does.
    pub const fn still_counts(&self) -> Option<&StillCounts> {
        self.still_counts.as_ref()
    }

    /// Whether the grant has run out by `now` and something may still count by it.
    pub(crate) fn is_retired(&self, now: Timestamp) -> bool {
        self.has_lapsed(now) && self.still_counts.is_some()
    }

    /// Whether the grant counts at `now` for what `key` signed and has these proven places: because
    /// it is valid, or because it stood in the log before the key was retired.
    pub(crate) fn counts(&self, now: Timestamp, key: KeyId, places: &[Logged]) -> bool {
        let kept = |still: &StillCounts| {
            let mut own = places.iter().filter(|place| place.key == key);
            own.any(|place| place.origin == still.log && place.index < still.before)
        };
        self.is_valid(now) || (self.has_lapsed(now) && self.still_counts.as_ref().is_some_and(kept))
    }

    /// Whether the grant held before `now` and no longer does.
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        self.valid_until.is_some_and(|until| until <= now)
    }
}

impl Custody {
    /// The word in the trust file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Separate => "separate",
        }
    }
}

impl TrustedLog {
    /// The name in the first line of its checkpoints.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The key that signs its checkpoints.
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The keys that signed its checkpoints before, the latest first.
    pub fn former(&self) -> &[FormerKey] {
        &self.former
    }

    /// The same log with another key; the one that it has becomes a former one.
    pub(crate) fn with_key(&self, key: VerifierKey) -> Self {
        let mut log = self.clone();
        let former = std::mem::replace(&mut log.key, key);
        log.former.insert(0, FormerKey::new(former, Reach::Whole));
        log
    }

    /// The trees that every larger one must extend, because keys were lost to somebody else.
    pub fn last_good(&self) -> impl Iterator<Item = LastGood> {
        self.former.iter().filter_map(FormerKey::last_good)
    }

    /// Who must have cosigned its checkpoints.
    pub const fn witnesses(&self) -> &Witnesses {
        &self.witnesses
    }

    /// Reads the checkpoint in a note that the log signed and enough of its witnesses cosigned,
    /// and says who did.
    ///
    /// One signature is enough, by the key that the log has or by a former one as far as that is
    /// believed. A signature that names any of them and does not hold rejects the note, and so
    /// does another tree of the size of a last good one, whoever signed it.
    ///
    /// # Errors
    /// [`OpenError`]; the note is then no evidence of anything.
    pub fn open(&self, note: &str) -> Result<(Checkpoint, Witnessed), OpenError> {
        let parsed: Note = note.parse().map_err(CheckpointError::from)?;
        let checkpoint = self.signed(note, &parsed)?;
        for last_good in self.last_good() {
            last_good.require(checkpoint.size, checkpoint.root)?;
        }
        Ok((checkpoint, self.witnesses.check(&parsed)?))
    }

    /// The checkpoint in a note that one of the log's keys signed and may speak for.
    fn signed(&self, text: &str, note: &Note) -> Result<Checkpoint, OpenError> {
        let mut signers = Vec::new();
        for former in &self.former {
            match note.open(former.key()) {
                Ok(_) => signers.push(former),
                Err(NoteError::Unsigned(_)) => {}
                Err(error) => return Err(CheckpointError::from(error).into()),
            }
        }
        let mut why = match Checkpoint::open(text, &self.key) {
            Err(error @ CheckpointError::Note(NoteError::Unsigned(_))) => OpenError::from(error),
            opened => return Ok(opened?),
        };
        for former in signers {
            let checkpoint = Checkpoint::open(text, former.key())?;
            match former.require(&checkpoint) {
                Ok(()) => return Ok(checkpoint),
                Err(error) => why = error.into(),
            }
        }
        Err(why)
    }
}

impl TrustedVerifier {
    /// The `verifier.id` of its summaries.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of the key, or of the signer without a key, that must sign them.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key that must sign them; none where it is a signer without a key.
    pub const fn key(&self) -> Option<KeyId> {
        self.key
    }
}

impl Window {
    /// Whether `moment` is inside.
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= moment) && self.until.is_none_or(|until| moment < until)
    }

    /// The stretch inside both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            until: match (self.until, other.until) {
                (Some(one), Some(two)) => Some(one.min(two)),
                (one, two) => one.or(two),
            },
        }
    }
}
