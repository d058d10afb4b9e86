//! Keeps verdicts ready: judges every promotion when the service starts and again when evidence
//! arrives, so that admission only has to look.
//!
//! The keeper reads every entry itself and takes nothing negative from a search. A revocation
//! denies at once whatever it can touch; judging again afterwards can only improve the answer.
//! While an entry could not be taken into account, no verdict counts.

use std::collections::BTreeSet;
use std::sync::Arc;

use attest::carried::is_mark;
use attest::predicate::{RevocationKind, VERIFICATION_SUMMARY, VerificationSummary};
use attest::{ArtifactId, Kind, Predicate, Sha256, StageName, Statement, Timestamp, Verifier};
use policy::{LastVerdict, Mode, Outcome};
use verify::{Activations, FollowError, Followed, Follower, Trust};

use crate::clock::ClockBehind;
use crate::force::{Force, InForce};
use crate::judge::{self, Examined, Grounds, JudgeError};
use crate::register::{
    Entry, MAX_PAGE, Query, ReadError, Register, RegisterFollowError, Storage, StorageError, Term,
};
use crate::seen::TOLERANCE;
use crate::verdicts::{
    Currency, MAX_REASONS, MAX_VERDICTS, Reason, Standing, Subject, Verdict, Verdicts,
};
use crate::wire::statement_of;

/// Why the verdicts are not up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The register was not read to its end.
    #[error("the register cannot be followed")]
    Follow(#[from] RegisterFollowError),
    /// An entry cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It would be judged at an earlier time than before.
    #[error(transparent)]
    Clock(#[from] ClockBehind),
    /// A promotion cannot be judged.
    #[error("a promotion cannot be judged")]
    Judge(#[from] JudgeError),
}

impl From<StorageError> for KeepError {
    fn from(error: StorageError) -> Self {
        Self::Read(error.into())
    }
}

/// Follows the register and keeps the verdicts up to date with it.
#[derive(Debug)]
pub struct Keeper {
    state: tokio::sync::Mutex<State>,
}

#[derive(Debug)]
struct State {
    follower: Follower,
    /// What the follower came to last.
    followed: Option<Arc<Followed>>,
    /// Up to which entry the verdicts know what changed.
    scanned: Option<u64>,
    /// What is still to be judged.
    pending: BTreeSet<Subject>,
}

/// What the keeper judges by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeping<'a> {
    pub(crate) force: &'a Force,
    pub(crate) verdicts: &'a Verdicts,
    pub(crate) now: Timestamp,
}

impl Keeper {
    /// A keeper that has read nothing yet.
    ///
    /// # Errors
    /// [`FollowError::UnknownLog`] when `trust` does not name the register.
    pub fn new(origin: &str, trust: &Trust) -> Result<Self, FollowError> {
        let follower = Follower::new(origin, trust)?;
        let state = State { follower, followed: None, scanned: None, pending: BTreeSet::new() };
        Ok(Self { state: tokio::sync::Mutex::new(state) })
    }

    /// Takes every new entry into account and says what the register has come to.
    ///
    /// # Errors
    /// [`KeepError`]; when there is a new entry, no verdict counts until a later call succeeds.
    pub(crate) async fn catch_up<S: Storage>(
        &self,
        register: &Register<S>,
        keeping: Keeping<'_>,
    ) -> Result<Arc<Followed>, KeepError> {
        self.state.lock().await.catch_up(register, keeping).await
    }

    /// Judges again what time has ended.
    ///
    /// # Errors
    /// As [`Keeper::catch_up`].
    pub(crate) async fn renew<S: Storage>(
        &self,
        register: &Register<S>,
        keeping: Keeping<'_>,
    ) -> Result<(), KeepError> {
        let ended = keeping.verdicts.ended(keeping.now);
        self.state.lock().await.pending.extend(ended);
        self.catch_up(register, keeping).await.map(|_| ())
    }
}

/// Stands for entries that are not taken into account yet. When it is dropped before they are, by
/// an error or by a panic, no verdict counts any more.
pub(crate) struct Unaccounted<'v> {
    verdicts: &'v Verdicts,
    accounted: bool,
}

impl<'v> Unaccounted<'v> {
    pub(crate) const fn new(verdicts: &'v Verdicts) -> Self {
        Self { verdicts, accounted: false }
    }

    pub(crate) fn accounted(mut self) {
        self.accounted = true;
    }
}

impl Drop for Unaccounted<'_> {
    fn drop(&mut self) {
        if self.accounted {
            return;
        }
        // Several may fall together; it is said once.
        if self.verdicts.currency() != Currency::Behind {
            tracing::error!("verdicts do not count: an entry could not be taken into account");
            self.verdicts.set_currency(Currency::Behind);
        }
    }
}

impl State {
    async fn catch_up<S: Storage>(
        &mut self,
        register: &Register<S>,
        keeping: Keeping<'_>,
    ) -> Result<Arc<Followed>, KeepError> {
        let size = register.storage().head().await?.map_or(0, |head| head.size);
        let news = self.scanned != Some(size) || !self.pending.is_empty();
        let unaccounted = news.then(|| Unaccounted::new(keeping.verdicts));
        let followed = self.account(register, size, keeping).await?;
        if let Some(unaccounted) = unaccounted {
            unaccounted.accounted();
        }
        keeping.verdicts.set_currency(Currency::Current);
        Ok(followed)
    }

    /// Takes the entries up to `size` into account.
    async fn account<S: Storage>(
        &mut self,
        register: &Register<S>,
        size: u64,
        keeping: Keeping<'_>,
    ) -> Result<Arc<Followed>, KeepError> {
        let followed = self.follow(register, size, keeping.force.begun()).await?;
        if keeping.force.follow(&followed) {
            tracing::info!("another trust document or policy is in force");
            // Nothing that was judged by what was in force before counts until it is judged again.
            keeping.verdicts.set_currency(Currency::Behind);
            self.scanned = None;
            self.pending.extend(keeping.verdicts.subjects());
        }
        let in_force = keeping.force.now();
        if in_force.rules.is_empty() {
            self.scanned = Some(followed.size);
            return Ok(followed);
        }
        if self.scanned != Some(followed.size) {
            match self.scanned {
                None => {
                    let promoted = promoted(register, &in_force).await?;
                    self.pending.extend(promoted);
                }
                Some(from) => self.scan(register, from, &followed, &in_force, keeping).await?,
            }
            self.scanned = Some(followed.size);
        }
        let Keeping { verdicts, now, .. } = keeping;
        // Each is judged once; nothing is added meanwhile.
        while let Some(subject) = self.pending.first().cloned() {
            // Where another policy judges now, or one that cannot be read, nobody asks for it.
            let policy = in_force.rules.policy(&subject.stage);
            let policy = policy.ok().filter(|policy| policy.digest() == subject.policy);
            let Some(policy) = policy else {
                self.pending.remove(&subject);
                continue;
            };
            let trust = &in_force.trust;
            let grounds = Grounds { trust, policy: &policy, followed: &followed, now };
            let (verdict, lineage) = judge(register, &subject, &grounds).await?;
            if !verdicts.keep(subject.clone(), verdict, lineage) {
                tracing::warn!(artifact = %subject.artifact, "no room for more than {MAX_VERDICTS} verdicts");
            }
            self.pending.remove(&subject);
        }
        Ok(followed)
    }

    /// Follows the register up to `size` at least.
    async fn follow<S: Storage>(
        &mut self,
        register: &Register<S>,
        size: u64,
        trust: &Trust,
    ) -> Result<Arc<Followed>, KeepError> {
        if let Some(followed) = self.followed.as_ref().filter(|followed| followed.size == size) {
            return Ok(Arc::clone(followed));
        }
        let followed = Arc::new(register.follow_on(&mut self.follower, trust).await?);
        self.followed = Some(Arc::clone(&followed));
        Ok(followed)
    }

    /// Looks at the entries from `from` on: what they deny is denied at once, and what they speak
    /// of is to be judged again.
    async fn scan<S: Storage>(
        &mut self,
        register: &Register<S>,
        from: u64,
        followed: &Followed,
        in_force: &InForce,
        keeping: Keeping<'_>,
    ) -> Result<(), KeepError> {
        let Keeping { verdicts, now, .. } = keeping;
        let revocations = followed.negatives.revocations().iter();
        let revoking: BTreeSet<u64> =
            revocations.map(|revocation| revocation.index).filter(|index| *index >= from).collect();
        let mut changed = BTreeSet::new();
        for index in from..followed.size {
            let entry = register.entry(index).await?;
            let Some(statement) = statement_of(&entry) else { continue };
            if matches!(statement.predicate, Predicate::Reinstatement(_)) {
                // What it brings back is for the judgement to say; nothing is denied by it.
                self.pending.extend(verdicts.subjects());
            }
            if revoking.contains(&index) {
                deny(&statement, index, verdicts, now);
                // Which way a revocation reaches its descendants is the trace's to say.
                self.pending.extend(verdicts.subjects());
            }
            changed.extend(spoken_of(&statement));
            self.pending.extend(promotion(&entry, &statement, in_force));
        }
        self.pending.extend(verdicts.touched(&changed));
        Ok(())
    }
}

/// Denies what a revocation by an authorised signer can touch.
fn deny(statement: &Statement, index: u64, verdicts: &Verdicts, now: Timestamp) {
    let artifact = matches!(
        &statement.predicate,
        Predicate::Revocation(said) if said.kind == RevocationKind::Artifact
    );
    if !artifact {
        let reason = Reason::new(
            "revoked.attestation",
            format!("entry {index} revokes a key or an attestation"),
        );
        return verdicts.deny_all(&reason, now);
    }
    // A revocation of a digest hits whatever has the digest, so that a forgotten kind saves nothing.
    let mut hit = BTreeSet::new();
    for (artifact, _) in statement.subjects().unwrap_or_default() {
        hit.insert(artifact);
        let digest = artifact.digest();
        hit.extend(Kind::ALL.into_iter().filter_map(|kind| Some(ArtifactId::new(kind, digest?))));
    }
    let reason = Reason::new(
        "revoked.artifact",
        format!("entry {index} revokes an artifact of its lineage"),
    );
    verdicts.deny(&hit, &reason, now);
}

/// Every artifact that a statement speaks of.
fn spoken_of(statement: &Statement) -> BTreeSet<ArtifactId> {
    let subjects = statement.subjects().unwrap_or_default();
    let subjects = subjects.into_iter().map(|(artifact, _)| artifact);
    let materials = statement.materials();
    subjects.chain(materials.into_iter().filter_map(|one| one.artifact().ok())).collect()
}

/// What the entries of the register promote under what is in force.
async fn promoted<S: Storage>(
    register: &Register<S>,
    in_force: &InForce,
) -> Result<BTreeSet<Subject>, KeepError> {
    let terms = vec![Term::Type(VERIFICATION_SUMMARY.into())];
    let mut query = Query { terms, limit: MAX_PAGE, ..Query::default() };
    let mut all = BTreeSet::new();
    loop {
        let page = register.find(&query).await?;
        for entry in &page.entries {
            if let Some(statement) = statement_of(entry) {
                all.extend(promotion(entry, &statement, in_force));
            }
        }
        match page.next {
            None => return Ok(all),
            Some(_) if all.len() >= MAX_VERDICTS => {
                tracing::warn!(
                    "more than {MAX_VERDICTS} promotions: the later ones are not admitted"
                );
                return Ok(all);
            }
            // Every page starts after the one before it.
            Some(next) => query.start = Some(next),
        }
    }
}

/// What an entry promotes under what is in force, if it is by a verifier of the trust file. Whether
/// it counts is judged later.
fn promotion(entry: &Entry, statement: &Statement, in_force: &InForce) -> Option<Subject> {
    let Verifier::Key(key) = entry.leaf.verifier() else { return None };
    // Who signed a carried bundle without a key is judged later, too.
    let key = Some(key.id()).filter(|key| !is_mark(key));
    in_force.trust.verifiers().iter().find(|verifier| verifier.key() == key)?;
    let Predicate::VerificationSummary(summary) = &statement.predicate else { return None };
    let stage = summary.stage()?;
    let policy = in_force.rules.digest(&stage)?;
    if !counts(summary, &stage, policy, entry.index, &in_force.activations) {
        return None;
    }
    let (artifact, _) = statement.subjects().ok()?.into_iter().next()?;
    Some(Subject { artifact, stage, policy })
}

/// Whether a summary in the entry `index` counts where `policy` judges for `stage`: it is by that
/// policy, or by one that was active when it was registered and is still accepted.
fn counts(
    summary: &VerificationSummary,
    stage: &StageName,
    policy: Sha256,
    index: u64,
    activations: &Activations,
) -> bool {
    let named = summary.policy.digest.get("sha256");
    let Some(named) = named.and_then(|hex| format!("sha256:{hex}").parse().ok()) else {
        return false;
    };
    activations.counts(stage, &named, index).unwrap_or(named == policy)
}

/// Judges a subject: its verdict, and every artifact that it depends on.
async fn judge<S: Storage>(
    register: &Register<S>,
    subject: &Subject,
    grounds: &Grounds<'_>,
) -> Result<(Verdict, Vec<ArtifactId>), KeepError> {
    let Subject { artifact, stage, .. } = subject;
    let Examined { decision, lineage } = judge::examine(register, artifact, stage, grounds).await?;
    let mut reasons: Vec<Reason> = decision
        .findings()
        .iter()
        .filter(|finding| finding.outcome != Outcome::Waived)
        .map(|finding| Reason::new(finding.code.as_str(), finding.message.clone()))
        .collect();
    let promoted = match grounds.policy.last_verdict(artifact, stage, &lineage, grounds.now) {
        Some(LastVerdict::Passed) => true,
        Some(LastVerdict::Void(unseen)) => {
            let index = unseen.index;
            let words = format!(
                "its latest verdict for stage `{stage}` has not seen entry {index}, which speaks \
                 against it"
            );
            reasons.insert(0, Reason::new("stage.not-passed", words));
            false
        }
        Some(LastVerdict::Fallen(fallen)) => {
            let words = format!("its latest verdict for stage `{stage}` {fallen}");
            reasons.insert(0, Reason::new("stage.not-passed", words));
            false
        }
        Some(LastVerdict::Failed) => {
            let words = format!("its latest verdict for stage `{stage}` says FAILED");
            reasons.insert(0, Reason::new("stage.not-passed", words));
            false
        }
        None => {
            let words = format!("no trusted verifier has promoted it to stage `{stage}`");
            reasons.insert(0, Reason::new("stage.not-passed", words));
            false
        }
    };
    reasons.truncate(MAX_REASONS);
    let standing = match (decision.passed() && promoted, decision.mode()) {
        (true, _) => Standing::Promoted,
        (false, Mode::Audit | Mode::Warn) => Standing::Tolerated,
        (false, Mode::Enforce) => Standing::Refused,
    };
    // A clock set back behind what was known when this was judged must not revive it.
    let last = register.storage().head().await?.map(|head| head.time);
    let earliest = last.and_then(|last| last.checked_sub(TOLERANCE).ok());
    let holds = decision.holds();
    let from = holds.from.max(earliest).unwrap_or(Timestamp::MIN);
    let verdict = Verdict { standing, reasons, from, until: holds.until };
    Ok((verdict, lineage.artifacts().iter().copied().collect()))
}
