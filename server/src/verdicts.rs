//! Verdicts kept ready in memory, so that admission asks nobody.
//!
//! A verdict is a cache of a judgement over the register; [`crate::keeper`] makes them and
//! remakes them when evidence arrives. Reading one takes a lock and a look-up: no disk, no
//! network, no register. Whatever is absent, out of its time, or from before the newest entry is
//! not allowed.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use attest::{ArtifactId, Sha256, StageName, Timestamp};

/// How many verdicts are kept. Promotions beyond it have no verdict, and are denied as unknown.
pub const MAX_VERDICTS: usize = 100_000;

/// How many reasons of one verdict are kept for its reader.
pub const MAX_REASONS: usize = 16;

/// Whom a verdict is about: an artifact, a stage and the policy that judged.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Subject {
    /// What would run.
    pub artifact: ArtifactId,
    /// Where it would run.
    pub stage: StageName,
    /// Digest of the policy.
    pub policy: Sha256,
}

/// What was judged about a subject.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Whether it may run.
    pub standing: Standing,
    /// Why not, when it may not or should not.
    pub reasons: Vec<Reason>,
    /// The first moment at which the verdict holds.
    pub from: Timestamp,
    /// The first moment at which it no longer holds; absent when time alone cannot end it.
    pub until: Option<Timestamp>,
}

/// Whether something may run in a stage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Promoted by a verifier that counts, and every rule passes now.
    Promoted,
    /// Not so, but the stage does not enforce.
    Tolerated,
    /// Not so.
    Refused,
}

/// One reason against an artifact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason {
    /// Stable code of the finding, such as `metric.threshold`.
    pub code: String,
    /// The finding in words.
    pub message: String,
}

impl Reason {
    /// A reason in words, under its code.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

/// All verdicts that are ready.
#[derive(Debug, Default)]
pub struct Verdicts {
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    ready: HashMap<Subject, Arc<Verdict>>,
    /// Which subjects a change to an artifact touches: every artifact of their lineages.
    touching: HashMap<ArtifactId, BTreeSet<Subject>>,
    currency: Currency,
    /// Why none of it counts.
    suspended: BTreeSet<Cause>,
}

/// How far the verdicts are to be believed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Currency {
    /// Not every promotion has been judged since the start.
    #[default]
    Cold,
    /// Every entry of the register has been taken into account.
    Current,
    /// There are entries that could not be taken into account, since the start or ever.
    Behind,
    /// Nothing counts: what they were judged by is no longer what it was.
    Suspended(Cause),
}

/// Why nothing may be decided, whatever the entries of the register say. What weighs most is first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    /// The register takes nothing more until it is opened anew.
    Register,
    /// A witness of the register has seen another history of it, and no operator has settled it.
    Fork,
    /// The register does not fit what was seen of it, or what was seen cannot be remembered.
    Seen,
    /// The trust file is another than the one that the service was started with.
    Trust,
    /// The policy is another than the one that the service was started with.
    Policy,
}

impl Cause {
    /// What it is and what to do, in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => {
                "the register takes nothing more and the service is ending, as its log says; its next start recovers by itself"
            }
            Self::Fork => {
                "a witness has seen another history of the register; an operator has to settle it"
            }
            Self::Seen => {
                "the register cannot be held against what was seen of it before; the service's log says why"
            }
            Self::Trust => "the trust file has changed; start the service again",
            Self::Policy => "the policy has changed; start the service again",
        }
    }

    /// Whether nothing may be added to the register either: what is added to a forked one makes
    /// the fork worse.
    pub const fn stops_adding(self) -> bool {
        match self {
            Self::Fork | Self::Register => true,
            Self::Seen | Self::Trust | Self::Policy => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Verdicts {
    /// The verdict about a subject, if one is ready.
    pub fn get(&self, subject: &Subject) -> Option<Arc<Verdict>> {
        self.read().ready.get(subject).cloned()
    }

    /// How far the verdicts are to be believed.
    pub fn currency(&self) -> Currency {
        let table = self.read();
        table.suspended.first().map_or(table.currency, |cause| Currency::Suspended(*cause))
    }

    /// How many verdicts are ready.
    pub fn len(&self) -> usize {
        self.read().ready.len()
    }

    /// Whether no verdict is ready.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn set_currency(&self, currency: Currency) {
        self.write().currency = currency;
    }

    /// Says whether `cause` stands: while one does, no verdict counts. Returns whether that is new.
    pub(crate) fn suspend(&self, cause: Cause, stands: bool) -> bool {
        let suspended = &mut self.write().suspended;
        if stands { suspended.insert(cause) } else { suspended.remove(&cause) }
    }

    /// Keeps a verdict and the artifacts that it depends on. Returns whether there was room.
    pub(crate) fn keep(
        &self,
        subject: Subject,
        verdict: Verdict,
        lineage: impl IntoIterator<Item = ArtifactId>,
    ) -> bool {
        let mut table = self.write();
        if table.ready.len() >= MAX_VERDICTS && !table.ready.contains_key(&subject) {
            return false;
        }
        for artifact in lineage {
            table.touching.entry(artifact).or_default().insert(subject.clone());
        }
        table.touching.entry(subject.artifact).or_default().insert(subject.clone());
        table.ready.insert(subject, Arc::new(verdict));
        true
    }

    /// Denies at once every subject whose lineage holds one of `artifacts`, until it is judged
    /// again.
    pub(crate) fn deny(&self, artifacts: &BTreeSet<ArtifactId>, reason: &Reason, now: Timestamp) {
        let mut table = self.write();
        for subject in table.touched(artifacts) {
            table.refuse(subject, reason, now);
        }
    }

    /// Denies at once every subject, until it is judged again: for negatives that name no
    /// artifact, such as a revoked key.
    pub(crate) fn deny_all(&self, reason: &Reason, now: Timestamp) {
        let mut table = self.write();
        let all: Vec<Subject> = table.ready.keys().cloned().collect();
        for subject in all {
            table.refuse(subject, reason, now);
        }
    }

    /// The subjects whose lineage holds one of `artifacts`.
    pub(crate) fn touched(&self, artifacts: &BTreeSet<ArtifactId>) -> BTreeSet<Subject> {
        self.read().touched(artifacts)
    }

    /// Every subject that has a verdict.
    pub(crate) fn subjects(&self) -> BTreeSet<Subject> {
        self.read().ready.keys().cloned().collect()
    }

    /// The subjects whose verdict has ended by `now`.
    pub(crate) fn ended(&self, now: Timestamp) -> BTreeSet<Subject> {
        let table = self.read();
        let ended = table
            .ready
            .iter()
            .filter(|(_, verdict)| verdict.until.is_some_and(|until| until <= now));
        ended.map(|(subject, _)| subject.clone()).collect()
    }

    // A verdict is put in whole, so that a writer that panicked has left the table usable.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn touched(&self, artifacts: &BTreeSet<ArtifactId>) -> BTreeSet<Subject> {
        artifacts
            .iter()
            .filter_map(|artifact| self.touching.get(artifact))
            .flatten()
            .cloned()
            .collect()
    }

    fn refuse(&mut self, subject: Subject, reason: &Reason, now: Timestamp) {
        let verdict = Verdict {
            standing: Standing::Refused,
            reasons: vec![reason.clone()],
            from: now,
            until: None,
        };
        self.ready.insert(subject, Arc::new(verdict));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use attest::Kind;

    use super::*;

    pub(crate) fn subject(content: &[u8], stage: &str) -> Subject {
        Subject {
            artifact: ArtifactId::new(Kind::OciManifest, Sha256::of(content)),
            stage: stage.parse().unwrap(),
            policy: Sha256::of(b"policy"),
        }
    }

    pub(crate) fn promoted() -> Verdict {
        Verdict {
            standing: Standing::Promoted,
            reasons: Vec::new(),
            from: Timestamp::UNIX_EPOCH,
            until: None,
        }
    }

    #[test]
    fn a_negative_denies_what_descends_and_nothing_else() {
        let verdicts = Verdicts::default();
        let poisoned = ArtifactId::file(Sha256::of(b"poisoned"));
        let (near, far) = (subject(b"near", "production"), subject(b"far", "production"));
        assert!(verdicts.keep(near.clone(), promoted(), [poisoned]));
        assert!(verdicts.keep(far.clone(), promoted(), [ArtifactId::file(Sha256::of(b"clean"))]));

        verdicts.deny(
            &BTreeSet::from([poisoned]),
            &Reason::new("revoked.artifact", "poisoned"),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(verdicts.get(&near).unwrap().standing, Standing::Refused);
        assert_eq!(verdicts.get(&far).unwrap().standing, Standing::Promoted);

        verdicts.deny_all(&Reason::new("revoked.attestation", "key"), Timestamp::UNIX_EPOCH);
        assert_eq!(verdicts.get(&far).unwrap().standing, Standing::Refused);
    }

    #[test]
    fn what_is_suspended_stays_so_until_every_cause_has_gone() {
        let verdicts = Verdicts::default();
        verdicts.set_currency(Currency::Current);
        assert_eq!(verdicts.currency(), Currency::Current);
        assert!(verdicts.suspend(Cause::Policy, true) && verdicts.suspend(Cause::Seen, true));
        verdicts.suspend(Cause::Fork, true);
        assert_eq!(verdicts.currency(), Currency::Suspended(Cause::Fork));
        verdicts.suspend(Cause::Fork, false);
        assert!(!verdicts.suspend(Cause::Seen, true), "that is not new");
        verdicts.set_currency(Currency::Current);
        assert_eq!(verdicts.currency(), Currency::Suspended(Cause::Seen));
        verdicts.suspend(Cause::Seen, false);
        assert_eq!(verdicts.currency(), Currency::Suspended(Cause::Policy));
        verdicts.suspend(Cause::Policy, false);
        assert_eq!(verdicts.currency(), Currency::Current);
    }

    #[test]
    fn stages_and_policies_do_not_share_verdicts() {
        let verdicts = Verdicts::default();
        let kept = subject(b"image", "staging");
        verdicts.keep(kept.clone(), promoted(), []);
        assert!(verdicts.get(&kept).is_some());
        assert!(verdicts.get(&subject(b"image", "production")).is_none());
        assert!(verdicts.get(&Subject { policy: Sha256::of(b"other"), ..kept }).is_none());
    }
}
