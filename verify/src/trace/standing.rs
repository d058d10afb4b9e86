//! What an authentic statement counts for: which of its signers may say it, and where in the
//! order of events it stands.

use std::collections::BTreeSet;

use attest::{KeyId, Predicate, Sha256, Statement, Timestamp};

use crate::lineage::{Attestation, Rejection};
use crate::negatives::{Negatives, Revocation};
use crate::trust::{Grant, OutOfScope, Trust};
use crate::verified::{Signer, Verified};

/// Judges statements one by one against trust, revocations and the log that orders.
#[derive(Debug)]
pub(super) struct Standing<'t> {
    trust: &'t Trust,
    negatives: &'t Negatives,
    now: Timestamp,
    /// The one log whose positions order events: the followed one, else the first that the
    /// trust file names. Positions of different logs cannot be compared.
    orders: Option<String>,
}

/// Why a statement counts.
#[derive(Debug)]
pub(super) struct Counted {
    signers: Vec<Signer>,
    index: Option<u64>,
    verifier: Option<String>,
    voided: Option<Rejection>,
}

impl<'t> Standing<'t> {
    pub(super) fn new(trust: &'t Trust, negatives: &'t Negatives, now: Timestamp) -> Self {
        let followed = negatives.head().map(|head| head.origin.clone());
        let orders = followed.or_else(|| trust.logs().first().map(|log| log.origin().into()));
        Self { trust, negatives, now, orders }
    }

    /// The log whose positions order events, if the trust file names any.
    pub(super) fn orders(&self) -> Option<&str> {
        self.orders.as_deref()
    }

    /// Whether the statement counts.
    pub(super) fn of(&self, verified: &Verified<Statement>) -> Result<Counted, Rejection> {
        self.one_history(verified)?;
        self.counts(verified)
    }

    /// Whether the statement would count by grants that have run out. It then speaks against what
    /// it is about, and for nothing.
    pub(super) fn lapsed(&self, verified: &Verified<Statement>) -> Result<Counted, Rejection> {
        self.one_history(verified)?;
        self.counts_by(verified, |grant, _| grant.has_lapsed(self.now))
    }

    /// Whether the statement counts, were there no second history of its log. More evidence can
    /// only turn this from no to yes.
    pub(super) fn counts(&self, verified: &Verified<Statement>) -> Result<Counted, Rejection> {
        let places = verified.logged();
        self.counts_by(verified, |grant, signer| grant.counts(self.now, signer.key, places))
    }

    fn counts_by(
        &self,
        verified: &Verified<Statement>,
        holds: impl Fn(&Grant, &Signer) -> bool,
    ) -> Result<Counted, Rejection> {
        if let Some(revocation) = self.negatives.of_attestation(&verified.body()) {
            return Err(Rejection::Revoked { index: revocation.index, by: revocation.body });
        }
        if let Some(why) = self.revoked_builder(verified) {
            return Err(why);
        }
        let mut signers = Vec::new();
        let mut outside: Vec<(String, OutOfScope)> = Vec::new();
        let mut revoked = None;
        for signer in verified.signers() {
            if let Some(why) = self.revoked_key(verified, signer) {
                revoked = Some(why);
                continue;
            }
            match self.in_scope(signer, verified.content(), |grant| holds(grant, signer)) {
                Ok(names) => signers.extend(names),
                Err(None) => {}
                Err(Some(why)) => outside.push((signer.name.clone(), why)),
            }
        }
        if signers.is_empty() {
            return Err(revoked.unwrap_or(Rejection::OutOfScope(outside)));
        }
        signers.sort();
        signers.dedup();
        let verifier = self.verifier(verified.content(), &signers);
        // A verdict stands where the verifier's own signature does: that of another signer of
        // the same bytes does not place it.
        let counts = |key: &KeyId| {
            let mut own = signers.iter().filter(|signer| signer.key == *key);
            own.any(|signer| match &verifier {
                Some(id) => self.trust.is_by_verifier(id, signer),
                None => true,
            })
        };
        let index = self.index(verified, counts);
        let voided = revoked.and_then(|_| self.voided(verified));
        Ok(Counted { signers, index, verifier, voided })
    }

    /// The latest revocation of the key of a signer who might have said it, were it not revoked, now
    /// or before time ran out.
    pub(super) fn voided(&self, verified: &Verified<Statement>) -> Option<Rejection> {
        let (statement, places) = (verified.content(), verified.logged());
        let revoked = verified.signers().iter().filter_map(|signer| {
            let why = self.revoked_key(verified, signer)?;
            let might = |grant: &Grant| {
                grant.counts(self.now, signer.key, places) || grant.has_lapsed(self.now)
            };
            let counted =
                self.in_scope(signer, statement, might).is_ok_and(|names| !names.is_empty());
            // What a key signs after its revocation nobody ever relied on.
            (counted && stood_before(verified, signer, &why)).then_some(why)
        });
        revoked.fold(None, |known, new| latest(known, Some(new)))
    }

    /// The lowest position in the log that orders, of signatures by keys that `counts` takes.
    ///
    /// Where the follower has seen the body itself, a lower position that was not supplied counts:
    /// anybody can turn an ECDSA signature into another valid one and log that once more, and an
    /// old verdict must not become the latest by it.
    pub(super) fn index(
        &self,
        verified: &Verified<Statement>,
        counts: impl Fn(&KeyId) -> bool,
    ) -> Option<u64> {
        let orders = self.orders.as_deref()?;
        let places = verified.logged().iter().filter(|place| place.origin == orders);
        let supplied = places.filter(|place| counts(&place.key)).map(|place| place.index).min()?;
        let signers = verified.signers().iter().map(|signer| signer.key).filter(&counts);
        let followed =
            signers.filter_map(|key| self.negatives.first_position(verified.body(), key));
        Some(followed.fold(supplied, u64::min))
    }

    /// A proof under another root of the same size as the followed one shows that the log has
    /// two histories. Then nothing of it is evidence.
    fn one_history(&self, verified: &Verified<Statement>) -> Result<(), Rejection> {
        let Some(head) = self.negatives.head() else { return Ok(()) };
        let fork = verified.logged().iter().any(|place| {
            place.origin == head.origin && place.size == head.size && place.root != head.root
        });
        if fork {
            return Err(Rejection::Fork { origin: head.origin.clone(), size: head.size });
        }
        Ok(())
    }

    /// A revoked key still counts for what it signed before: for entries of the followed log
    /// that stand before the revocation. Times in statements are claims.
    fn revoked_key(&self, verified: &Verified<Statement>, signer: &Signer) -> Option<Rejection> {
        let own = signer.certified.as_ref().map(|certified| certified.key);
        let ids: Vec<KeyId> = [Some(signer.key), own].into_iter().flatten().collect();
        // Of two that are revoked, the identity and the key in its certificate, the earlier counts.
        let revocations: Vec<&Revocation> =
            ids.iter().flat_map(|id| self.negatives.ever_of_key(id)).collect();
        let stand = |one: &&&Revocation| one.reinstated.is_none();
        let standing = revocations.iter().filter(stand).min_by_key(|one| one.from);
        let revocation = standing.or(revocations.last())?;
        // Without a followed head there are no positions to compare, and nothing is older.
        let outside = self.negatives.head().is_some_and(|head| {
            verified.logged().iter().any(|place| {
                place.origin == head.origin
                    && place.key == signer.key
                    && !revocations.iter().any(|one| one.voids(place.index))
            })
        });
        (!outside).then(|| Rejection::RevokedKey {
            name: signer.name.clone(),
            key: signer.key,
            index: revocation.index,
            from: revocation.from,
            by: revocation.body,
        })
    }

    /// What a revoked builder made is void, but for entries of the followed log that stand before
    /// the one from which on it is.
    fn revoked_builder(&self, verified: &Verified<Statement>) -> Option<Rejection> {
        let builder = verified.content().predicate.builder()?;
        let revocation = self.negatives.of_builder(builder)?;
        let before = self.negatives.head().is_some_and(|head| {
            let mut places = verified.logged().iter().filter(|one| one.origin == head.origin);
            places.any(|place| place.index < revocation.from)
        });
        (!before).then(|| Rejection::RevokedBuilder {
            builder: builder.to_owned(),
            index: revocation.index,
            by: revocation.body,
        })
    }

    /// The revocation of its body, of its builder or of a key of its signers that takes along what
    /// this statement made, if one does.
    ///
    /// Only a statement that somebody could make who may, and that stood in the log before it was
    /// revoked, ever made anything: what a stolen key says afterwards is void and condemns nothing.
    pub(super) fn taken_along(&self, verified: &Verified<Statement>) -> Option<Revocation> {
        let statement = verified.content();
        let builder = statement.predicate.builder()?;
        let index = self.index(verified, |_| true)?;
        let in_scope = |signer: &&Signer| {
            let holds = |grant: &Grant| grant.counts(self.now, signer.key, verified.logged());
            self.in_scope(signer, statement, holds).is_ok_and(|names| !names.is_empty())
        };
        let may: Vec<&Signer> = verified.signers().iter().filter(in_scope).collect();
        if may.is_empty() {
            return None;
        }
        let own = |signer: &&Signer| signer.certified.as_ref().map(|certified| certified.key);
        let keys = may.iter().flat_map(|signer| [Some(signer.key), own(signer)]).flatten();
        let keys: BTreeSet<KeyId> = keys.collect();
        let of_keys = keys.iter().flat_map(|key| self.negatives.all_of_key(key));
        let of_builder = self.negatives.all_of_builder(builder);
        let since = of_keys.chain(of_builder).filter(|one| one.from <= index);
        let body = verified.body();
        let mut all = self.negatives.all_of_attestation(&body).chain(since);
        all.find(|one| one.descendants && index < one.index).cloned()
    }

    /// The names under which the signer may sign the statement by grants that `holds` takes: at
    /// least one, or what the first of them leaves out; nothing when the trust file does not know
    /// the signer.
    fn in_scope(
        &self,
        signer: &Signer,
        statement: &Statement,
        holds: impl Fn(&Grant) -> bool,
    ) -> Result<Vec<Signer>, Option<OutOfScope>> {
        let mut names = Vec::new();
        let mut first = None;
        for grant in self.grants(signer)?.into_iter().filter(|grant| holds(grant)) {
            match grant.may().covers(statement) {
                Ok(()) => names.push(Signer { name: grant.name().into(), ..signer.clone() }),
                Err(why) => first = first.or(Some(why)),
            }
        }
        match first {
            Some(why) if names.is_empty() => Err(Some(why)),
            _ => Ok(names),
        }
    }

    /// The entries of the trust file for a signer.
    fn grants(&self, signer: &Signer) -> Result<Vec<&'t Grant>, Option<OutOfScope>> {
        let grants = self.trust.grants_of(signer);
        if grants.is_empty() { Err(None) } else { Ok(grants) }
    }

    fn verifier(&self, statement: &Statement, signers: &[Signer]) -> Option<String> {
        let (id, stage) = match &statement.predicate {
            Predicate::VerificationSummary(summary) => (&summary.verifier.id, summary.stage()),
            Predicate::SimpleVerification(result) => (&result.verifier.id, result.stage()),
            _ => return None,
        };
        let pair = |signer: &Signer| self.trust.is_by_verifier(id, signer);
        // Where the document has roles of gates, as many owners must agree as they say.
        let signed: BTreeSet<KeyId> = signers.iter().map(|signer| signer.key).collect();
        let agreed = self
            .trust
            .governance()
            .is_none_or(|governance| governance.is_gate_quorum(&signed, stage.as_ref()));
        (agreed && signers.iter().any(pair)).then(|| id.clone())
    }
}

impl Counted {
    pub(super) fn attestation(self, verified: Verified<Statement>) -> Attestation {
        Attestation::of(verified, self.signers, self.index, self.verifier, self.voided)
    }
}

/// Whether the signature stood in a log before its key was revoked.
fn stood_before(verified: &Verified<Statement>, signer: &Signer, revoked: &Rejection) -> bool {
    let mut places = verified.logged().iter().filter(|place| place.key == signer.key);
    places.any(|place| Some(place.index) < revoked_in(revoked))
}

/// Of two revocations of keys, the one in the later entry.
pub(super) fn latest(known: Option<Rejection>, new: Option<Rejection>) -> Option<Rejection> {
    known.into_iter().chain(new).max_by_key(revoked_in)
}

/// The entry of a revocation of a key.
const fn revoked_in(why: &Rejection) -> Option<u64> {
    match why {
        Rejection::RevokedKey { index, .. } => Some(*index),
        _ => None,
    }
}

/// The digests of a statement's descriptors other than the one that identifies, with the
/// artifact that they are said of.
pub(super) fn other_digests(statement: &Statement) -> impl Iterator<Item = (Sha256, &str, &str)> {
    let descriptors = statement.subject.iter().chain(statement.materials());
    descriptors.flat_map(|descriptor| {
        let identity = descriptor.artifact().ok().and_then(|artifact| artifact.digest());
        let others = descriptor.digest.iter().filter(|(algorithm, _)| *algorithm != "sha256");
        let others = others.map(|(algorithm, digest)| (algorithm.as_str(), digest.as_str()));
        others.filter_map(move |(algorithm, digest)| Some((identity?, algorithm, digest)))
    })
}
