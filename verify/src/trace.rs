//! Tracing the history of an artifact: the trace asks, the caller fetches.
//!
//! No input or output happens here. The caller looks at [`Trace::wanted`], finds the bundles of
//! those artifacts wherever it keeps them, and hands them over with [`Trace::supply`] until
//! nothing more is wanted. What was not believed, not supplied or left out for want of budget
//! becomes part of the lineage, for policy to judge.
//!
//! The budgets are spent in the order of what a verdict needs most: first the bodies that a
//! followed log names, then those that say a trusted key signed them, then the rest. Revocations
//! need no budget at all: they come from the follower. Only what counts is followed further, so
//! that a stranger cannot lead the trace anywhere.

mod conflict;
mod revoked;
mod standing;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use attest::{
    ArtifactId, Bundle, Checkpoint, KeyId, Predicate, ResourceDescriptor, Sha256, Statement,
    Timestamp,
};

use crate::bundle::{Checker, Read};
use crate::contains::contained;
use crate::error::VerifyError;
use crate::lineage::{
    Attestation, Completeness, Contains, Direction, History, Lineage, Rejected, Rejection,
    Unexplored, WhyUnexplored,
};
use crate::negatives::{Negatives, Revocation};
use crate::trust::{Trust, Window};
use crate::verified::{Signer, Verified};

use self::standing::{Standing, latest};

/// How many artifacts one lineage may reach.
pub const MAX_ARTIFACTS: usize = 20_000;
/// How many bundles of one artifact are checked.
pub const MAX_BUNDLES: usize = 5_000;
/// How many bundles are checked for one lineage.
pub const MAX_CHECKS: usize = 50_000;
/// How many rejected bundles are kept, to be shown.
const MAX_REJECTED: usize = 10_000;

/// A lineage in the making.
#[derive(Debug)]
pub struct Trace<'t> {
    trust: &'t Trust,
    negatives: &'t Negatives,
    now: Timestamp,
    standing: Standing<'t>,
    checker: Checker<'t>,
    root: ArtifactId,
    direction: Direction,
    known: BTreeSet<ArtifactId>,
    /// In the order of asking; those before `asked` have been supplied.
    wanted: Vec<ArtifactId>,
    asked: usize,
    supplied: BTreeSet<ArtifactId>,
    checks: usize,
    /// In which no certificate that was judged by `now` begins or ends.
    certificates: Window,
    /// Whether the trust file has signers that have run out.
    some_lapsed: bool,
    /// Every authentic statement by its body, with the evidence of all its bundles.
    believed: BTreeMap<Sha256, Verified<Statement>>,
    /// Every statement that is authentic by keys that have run out, by its body.
    lapsed: BTreeMap<Sha256, Verified<Statement>>,
    /// Every bundle that was checked, by what it consists of, with why it is not believed and
    /// where it stands.
    checked: BTreeMap<(Sha256, Sha256), Option<Unbelieved>>,
    rejected: BTreeMap<Sha256, Rejected>,
    /// How the statement with this body meets the artifacts for which it was supplied.
    met: BTreeMap<Sha256, Met>,
    contains: BTreeSet<Contains>,
    unexplored: BTreeSet<Unexplored>,
    claims: Claims,
}

/// Why a bundle is not believed, and where the log that orders proves it to stand.
type Unbelieved = (VerifyError, Option<u64>);

/// How a statement meets the artifacts for which it was supplied.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    /// It speaks of one of them.
    speaks: bool,
    /// It has one of them where the direction comes from: as a subject going up, as a material
    /// going down.
    leads_on: bool,
    /// What it contains is wanted.
    opened: bool,
    /// What it leads on to is wanted.
    followed: bool,
}

/// What the sources say about the completeness of their answers.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Claims {
    /// No answer yet.
    Unasked,
    /// All answers so far are complete up to this size of this log.
    UpTo(String, u64),
    /// An answer claims nothing, or speaks of another log.
    Nothing,
}

impl<'t> Trace<'t> {
    /// Begins with the artifact `root`. `negatives` are those of a followed log, or
    /// [`Negatives::none`].
    pub fn new(
        root: ArtifactId,
        direction: Direction,
        trust: &'t Trust,
        negatives: &'t Negatives,
        now: Timestamp,
    ) -> Self {
        Self {
            trust,
            negatives,
            now,
            standing: Standing::new(trust, negatives, now),
            checker: Checker::new(trust, now),
            root,
            direction,
            known: BTreeSet::from([root]),
            wanted: vec![root],
            asked: 0,
            supplied: BTreeSet::new(),
            checks: 0,
            certificates: Window::default(),
            some_lapsed: trust.keys().iter().any(|key| key.has_lapsed(now))
                || trust.signers().iter().any(|signer| signer.grant().has_lapsed(now))
                || trust.certified_signers().iter().any(|signer| signer.grant().has_lapsed(now)),
            believed: BTreeMap::new(),
            lapsed: BTreeMap::new(),
            checked: BTreeMap::new(),
            rejected: BTreeMap::new(),
            met: BTreeMap::new(),
            contains: BTreeSet::new(),
            unexplored: BTreeSet::new(),
            claims: Claims::Unasked,
        }
    }

    /// The artifacts whose bundles are needed next: every one that names it as a subject, and,
    /// for [`Direction::Down`], every one that names it as a material.
    pub fn wanted(&self) -> &[ArtifactId] {
        self.wanted.get(self.asked..).unwrap_or_default()
    }

    /// Takes the bundles that speak of `artifact`. `complete_to` is the head of the log up to
    /// which the source says that none is missing.
    ///
    /// An artifact that was never wanted is ignored. One may be supplied in several parts; the
    /// first of them ends its being wanted.
    pub fn supply(
        &mut self,
        artifact: ArtifactId,
        bundles: Vec<Bundle>,
        complete_to: Option<&Checkpoint>,
    ) {
        if !self.known.contains(&artifact) {
            return;
        }
        // Most callers supply in the order of asking; then nothing has to be moved.
        if self.wanted.get(self.asked) == Some(&artifact) {
            self.asked += 1;
        } else if self.supplied.insert(artifact) {
            let asked = self.asked;
            let mut place = 0;
            self.wanted.retain(|wanted| {
                place += 1;
                place <= asked || *wanted != artifact
            });
        }
        self.supplied.insert(artifact);
        self.claim(complete_to);
        let read = bundles.iter().map(Read::of);
        let mut ranked: Vec<(u8, Read<'_>)> =
            read.map(|read| (self.rank(&artifact, &read), read)).collect();
        ranked.sort_by_key(|(rank, read)| (*rank, read.body()));
        let total = ranked.len();
        for (place, (_, read)) in ranked.into_iter().enumerate() {
            let limit = match () {
                () if place >= MAX_BUNDLES => MAX_BUNDLES,
                () if self.checks >= MAX_CHECKS => MAX_CHECKS,
                () => {
                    self.take(artifact, &read);
                    continue;
                }
            };
            self.leave(artifact, "attestations", total.saturating_sub(place), limit);
            break;
        }
    }

    /// Ends the trace. What is still wanted is unexplored.
    pub fn finish(mut self) -> Lineage {
        let asked = self.asked;
        for artifact in std::mem::take(&mut self.wanted).into_iter().skip(asked) {
            let why = WhyUnexplored::NotSupplied;
            self.unexplored.insert(Unexplored { artifact, why });
        }
        self.look_for_withheld();
        let in_hand = self.negatives.head().is_none().then(|| self.revocations_in_hand());
        let negatives = in_hand.as_ref().unwrap_or(self.negatives);
        let standing = Standing::new(self.trust, negatives, self.now);
        let taken_along = self.taken_along(&standing, negatives);
        let mut attestations = self.attestations(&standing);
        let lapsed = self.lapsed(&standing, &mut attestations);
        let mut conflicts = conflict::conflicts(&attestations);
        attestations.retain(|one| {
            let Some(conflict) = conflicts.remove(&one.body()) else { return true };
            self.reject_statement(&one.verified, one.index, conflict);
            false
        });
        attestations.sort_by_key(|one| (one.index.unwrap_or(u64::MAX), one.body()));

        let mut lineage = History::empty(self.root, self.direction, self.trust.digest());
        lineage.completeness = self.completeness();
        lineage.holds = self.trust.window(self.now).and(self.certificates);
        lineage.standing = self.trust.standing();
        lineage.scopes = self.trust.scopes(|key| negatives.of_key(key).is_some());
        lineage.activations = self.negatives.activations().clone();
        lineage.supposed = self.negatives.is_supposed();
        lineage.contains = self.contains.into_iter().collect();
        lineage.revoked =
            revoked::spread(negatives, &self.known, &attestations, &lineage.contains, taken_along);
        lineage.artifacts = self.supplied;
        lineage.attestations = attestations;
        lineage.lapsed = lapsed;
        lineage.rejected = self.rejected.into_values().collect();
        lineage.unexplored = self.unexplored.into_iter().collect();
        Lineage(lineage.index())
    }

    /// What comes first when not everything can be looked at. A bundle can lie about this to its
    /// own advantage only among those of its own rank.
    fn rank(&self, artifact: &ArtifactId, read: &Read<'_>) -> u8 {
        let bundle = read.said();
        if self.negatives.is_owed(artifact, &read.body()) {
            return 0;
        }
        let trusted =
            |keyid: &str| keyid.parse::<KeyId>().is_ok_and(|id| self.trust.key(&id).is_some());
        let vouched = !self.trust.signers().is_empty() || !self.trust.authorities().is_empty();
        if bundle.keyless.is_some() && vouched {
            return 1;
        }
        let hinted = bundle.envelope.signatures.iter().filter_map(|one| one.keyid.as_deref());
        if hinted.into_iter().any(trusted) { 1 } else { 2 }
    }

    fn take(&mut self, artifact: ArtifactId, read: &Read<'_>) {
        let body = read.body();
        let why = match self.checked.entry((body, Sha256::of(&read.received().to_json()))) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => {
                self.checks += 1;
                let found = self.checker.check(read);
                self.certificates = self.certificates.and(by_time(&found, self.now));
                let why = found.as_ref().err().cloned().map(|why| {
                    let place = |log| self.checker.position(read, log);
                    (why, self.standing.orders().and_then(place))
                });
                new.insert(why.clone());
                if let Ok(verified) = found {
                    keep(&mut self.believed, body, verified);
                }
                if self.some_lapsed {
                    self.checks += 1;
                    if let Some(verified) = self.checker.lapsed(read) {
                        keep(&mut self.lapsed, body, verified);
                    }
                }
                why
            }
        };
        if let Some((why, index)) = why {
            return self.reject_bundle(artifact, body, index, why);
        }
        let Some(verified) = self.believed.get(&body) else { return };
        let statement = verified.content();
        let met = self.met.entry(body).or_default();
        let subject = is_among(statement.subject.iter(), &artifact);
        let material = is_among(statement.materials(), &artifact);
        met.speaks |= subject || material;
        met.leads_on |= match self.direction {
            Direction::Up => subject,
            Direction::Down => material,
        };
        // More evidence for a body can only make more of its signers count. So the order in
        // which the bundles of one body come does not matter.
        let before = *met;
        if met.speaks && (!met.opened || met.leads_on != met.followed) {
            if self.standing.counts(verified).is_err() {
                return;
            }
            met.opened = true;
            met.followed = met.leads_on;
            let now = *met;
            self.follow(artifact, body, before, now);
        }
    }

    /// Wants whatever a statement that counts joins to its artifacts.
    fn follow(&mut self, artifact: ArtifactId, body: Sha256, before: Met, now: Met) {
        let Some(verified) = self.believed.get(&body) else { return };
        let statement = verified.content();
        let mut next: Vec<ArtifactId> = match self.direction {
            _ if before.followed || !now.followed => Vec::new(),
            Direction::Up => {
                let materials = statement.materials().into_iter();
                materials.filter_map(|material| material.artifact().ok()).collect()
            }
            Direction::Down => {
                let subjects = statement.subjects().unwrap_or_default().into_iter();
                subjects.map(|(subject, _)| subject).collect()
            }
        };
        if !before.opened {
            let edges = contained(statement);
            // Both ways: a part's history is the whole's, and a whole that is bad has bad parts.
            next.extend(edges.iter().flat_map(|edge| [edge.whole, edge.part]));
            self.contains.extend(edges);
        }
        let (mut left, mut seen) = (0, BTreeSet::new());
        for wanted in next {
            if self.known.contains(&wanted) || !seen.insert(wanted) {
                continue;
            }
            if self.known.len() >= MAX_ARTIFACTS {
                left += 1;
                continue;
            }
            self.known.insert(wanted);
            self.wanted.push(wanted);
        }
        if left > 0 {
            self.leave(artifact, "artifacts", left, MAX_ARTIFACTS);
        }
    }

    fn leave(&mut self, artifact: ArtifactId, what: &'static str, left: usize, limit: usize) {
        let why = WhyUnexplored::Budget { what, left, limit };
        self.unexplored.insert(Unexplored { artifact, why });
    }

    /// What is negative, with the registered revocations among all authentic statements, whatever
    /// they were supplied for: for who has not followed a log, others may be missing, but these were seen.
    fn revocations_in_hand(&self) -> Negatives {
        let counted = self.believed.values().filter_map(|verified| {
            let counted = self.standing.of(verified).ok()?;
            matches!(verified.content().predicate, Predicate::Revocation(_))
                .then(|| counted.attestation(verified.clone()))
        });
        revoked::in_hand(self.negatives.clone(), counted.collect())
    }

    /// The statements about what was asked for that count no longer, and only because time has run
    /// out for their signers. What was revoked stays revoked when its signers' time is over, and so
    /// does a signature that was taken from a statement that counts by others.
    fn lapsed(
        &mut self,
        standing: &Standing<'_>,
        counting: &mut [Attestation],
    ) -> Vec<Attestation> {
        let places = counting.iter().map(Attestation::body).zip(0..);
        let places: BTreeMap<Sha256, usize> = places.collect();
        let mut lapsed = Vec::new();
        for (body, verified) in std::mem::take(&mut self.lapsed) {
            if let Some(one) = places.get(&body).and_then(|place| counting.get_mut(*place)) {
                one.voided = latest(one.voided.take(), standing.voided(&verified));
                continue;
            }
            match standing.lapsed(&verified) {
                Ok(counted) => lapsed.push(counted.attestation(verified)),
                Err(
                    why @ (Rejection::Revoked { .. }
                    | Rejection::RevokedKey { .. }
                    | Rejection::RevokedBuilder { .. }),
                ) => {
                    self.rejected.remove(&body);
                    let index = standing.index(&verified, |_| true);
                    self.reject_statement(&verified, index, why);
                }
                Err(_) => {}
            }
        }
        lapsed.sort_by_key(|one| (one.index.unwrap_or(u64::MAX), one.body()));
        lapsed
    }

    /// What void statements made that were revoked together with what they made.
    fn taken_along(
        &self,
        standing: &Standing<'_>,
        negatives: &Negatives,
    ) -> Vec<(ArtifactId, Revocation)> {
        if !negatives.revocations().iter().any(|revocation| revocation.descendants) {
            return Vec::new();
        }
        let met = self
            .believed
            .iter()
            .filter(|(body, _)| self.met.get(*body).is_some_and(|met| met.speaks));
        let taken = met.filter_map(|(_, verified)| {
            let by = standing.taken_along(verified)?;
            let subjects = verified.content().subjects().unwrap_or_default();
            Some(subjects.into_iter().map(move |(artifact, _)| (artifact, by.clone())))
        });
        taken.flatten().collect()
    }

    /// The believed statements that count, and rejections of those that do not.
    fn attestations(&mut self, standing: &Standing<'_>) -> Vec<Attestation> {
        let mut attestations = Vec::with_capacity(self.believed.len());
        for (body, verified) in std::mem::take(&mut self.believed) {
            // Some bundle of the body is authentic: what was wrong with others does not matter.
            self.rejected.remove(&body);
            let why = match standing.of(&verified) {
                Ok(counted) if self.met.get(&body).is_some_and(|met| met.speaks) => {
                    attestations.push(counted.attestation(verified));
                    continue;
                }
                Ok(_) => Rejection::Unrelated,
                Err(why) => why,
            };
            let index = standing.index(&verified, |_| true);
            self.reject_statement(&verified, index, why);
        }
        attestations
    }

    /// A statement that a followed log holds about an artifact must have been supplied, with
    /// every signature that makes it count.
    fn look_for_withheld(&mut self) {
        for artifact in &self.supplied {
            for owed in self.negatives.owed(artifact) {
                let held = [self.believed.get(&owed.body), self.lapsed.get(&owed.body)];
                let has = |key: &KeyId| {
                    let mut signers = held.iter().flatten().flat_map(|held| held.signers());
                    signers.any(|one| one.key == *key)
                };
                let counts = |key: &&KeyId| match self.trust.key(key) {
                    Some(key) => key.is_valid(self.now) || key.has_lapsed(self.now),
                    None => self.counts_without_key(owed.body, key),
                };
                if owed.keys.iter().filter(counts).any(|key| !has(key)) {
                    let why = WhyUnexplored::Withheld { index: owed.index, body: owed.body };
                    self.unexplored.insert(Unexplored { artifact: *artifact, why });
                }
            }
        }
    }

    /// Whether whoever signed this statement with a certificate counts at this time, or counted.
    fn counts_without_key(&self, body: Sha256, key: &KeyId) -> bool {
        let Some(signer) = self.negatives.without_key(body, *key) else { return false };
        let certified = signer.certified.as_ref();
        // A certificate that is judged by `now` says nothing once it has run out.
        let window = certified.and_then(|certified| certified.window).unwrap_or_default();
        let mut grants = self.trust.grants_of(signer).into_iter();
        window.contains(self.now)
            && grants.any(|grant| grant.is_valid(self.now) || grant.has_lapsed(self.now))
    }

    fn reject_bundle(
        &mut self,
        artifact: ArtifactId,
        body: Sha256,
        index: Option<u64>,
        why: VerifyError,
    ) {
        if self.believed.contains_key(&body) {
            return;
        }
        let why = Rejection::NotBelieved(why);
        let rejected = Rejected { artifact, body, index, predicate_type: None, step: None, why };
        self.reject(rejected);
    }

    fn reject_statement(
        &mut self,
        verified: &Verified<Statement>,
        index: Option<u64>,
        why: Rejection,
    ) {
        let statement = verified.content();
        let first =
            statement.subjects().ok().and_then(|subjects| subjects.first().map(|one| one.0));
        self.reject(Rejected {
            artifact: first.unwrap_or(self.root),
            body: verified.body(),
            index,
            predicate_type: Some(statement.predicate_type().into()),
            step: statement.step(),
            why,
        });
    }

    /// One body has one reason: of several, the first in the order of their words and artifacts,
    /// so that the order of supply does not matter. It stands at the lowest of its positions.
    fn reject(&mut self, rejected: Rejected) {
        let full = self.rejected.len() >= MAX_REJECTED;
        match self.rejected.get_mut(&rejected.body) {
            Some(known) => {
                let order = |one: &Rejected| (one.why.to_string(), one.artifact);
                let index = known.index.into_iter().chain(rejected.index).min();
                if order(&rejected) < order(known) {
                    *known = rejected;
                }
                known.index = index;
            }
            None if full => {
                self.leave(rejected.artifact, "rejected attestations", 1, MAX_REJECTED);
            }
            None => {
                self.rejected.insert(rejected.body, rejected);
            }
        }
    }

    fn claim(&mut self, complete_to: Option<&Checkpoint>) {
        self.claims = match (std::mem::replace(&mut self.claims, Claims::Nothing), complete_to) {
            (Claims::Unasked, Some(head)) => Claims::UpTo(head.origin.clone(), head.size),
            (Claims::UpTo(origin, size), Some(head)) if origin == head.origin => {
                Claims::UpTo(origin, size.min(head.size))
            }
            _ => Claims::Nothing,
        };
    }

    fn completeness(&self) -> Completeness {
        if let Some(head) = self.negatives.head() {
            let Checkpoint { origin, size, root } = head;
            return Completeness::Followed { origin: origin.clone(), size: *size, root: *root };
        }
        match &self.claims {
            Claims::UpTo(origin, size) => {
                Completeness::Claimed { origin: origin.clone(), size: *size }
            }
            Claims::Unasked | Claims::Nothing => Completeness::None,
        }
    }
}

/// Keeps a statement with the evidence of all its bundles.
fn keep(
    kept: &mut BTreeMap<Sha256, Verified<Statement>>,
    body: Sha256,
    verified: Verified<Statement>,
) {
    match kept.get_mut(&body) {
        Some(known) => known.merge(&verified),
        None => drop(kept.insert(body, verified)),
    }
}

/// The stretch around `now` in which a bundle that was judged by it stays what it is.
fn by_time(found: &Result<Verified<Statement>, VerifyError>, now: Timestamp) -> Window {
    match found {
        Ok(verified) => {
            let certified = verified.signers().iter().filter_map(|one| one.certified.as_ref());
            let windows = certified.filter_map(|certified| certified.window);
            let window = windows.fold(Window::default(), Window::and);
            let without_key = |one: &Signer| one.certified.is_some() || one.keyless.is_some();
            if !verified.signers().iter().any(without_key) {
                return window;
            }
            // Before the time that is proven it was not believed, and whoever follows the log knew
            // of it already.
            let proven = verified.times().iter().map(|proven| proven.time).max();
            window.and(Window { from: proven.map(|proven| proven.min(now)), until: None })
        }
        // What a clock proved to be too early stays so; what is proven for later is believed then.
        Err(error) => Window { from: None, until: error.until().filter(|until| *until > now) },
    }
}

fn is_among<'a>(
    descriptors: impl IntoIterator<Item = &'a ResourceDescriptor>,
    artifact: &ArtifactId,
) -> bool {
    descriptors.into_iter().any(|one| one.artifact().as_ref() == Ok(artifact))
}
