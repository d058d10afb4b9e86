//! A followed log as it was when it had fewer entries, for whoever replays what was decided then.
//!
//! What speaks against an artifact since then is left out, and so a history of it is only supposed:
//! no decision can be made by it (THREATS, rule 24). The entries themselves are checked as always,
//! against the log as it is.

use std::sync::Arc;

use attest::carried::carried;
use attest::predicate::VERIFICATION_SUMMARY;
use attest::{ArtifactId, Bundle, KeyId, Timestamp};

use crate::bundle::signed_without_key;
use crate::follow::Followed;
use crate::lineage::Direction;
use crate::negatives::Negatives;
use crate::supposed::Supposed;
use crate::trace::Trace;
use crate::trust::{Grant, Trust};

/// How many artifacts are asked for; the trace has a limit of its own below it.
const MAX_ASKED: usize = 1 << 16;

/// A followed log as it was.
#[derive(Clone, Debug)]
pub struct Rewound {
    negatives: Negatives,
    trust: Arc<Trust>,
    before: u64,
}

impl Rewound {
    /// The log as it was before the entry `before`: without it, and by the trust document that was
    /// in force for it.
    pub fn new(followed: &Followed, before: u64) -> Self {
        let mut periods = followed.governing.periods();
        let then = periods.find(|(_, from, until)| (*from..*until).contains(&before));
        let trust =
            then.map_or_else(|| Arc::clone(followed.trust()), |(trust, ..)| Arc::clone(trust));
        Self { negatives: followed.negatives.before(before), trust, before }
    }

    /// The trust document that was in force.
    pub const fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// What stood against artifacts, keys and attestations, and what judged.
    pub const fn negatives(&self) -> &Negatives {
        &self.negatives
    }

    /// Whether the bundle of a registered summary is by the verifier `id`, as the trust document that
    /// was in force had it: by the key that the bundle names, to which the register and whoever has
    /// followed it hold its signature, or by a signer without a key, whom the bundle itself proves.
    pub fn is_verdict_of(&self, id: &str, bundle: &Bundle) -> bool {
        match carried(&bundle.envelope) {
            Ok(Some(inside)) => {
                let may = |grant: &Grant| grant.may().predicates.has(VERIFICATION_SUMMARY);
                let signer = signed_without_key(&inside, &self.trust, may);
                signer.is_some_and(|signer| self.trust.is_by_verifier(id, &signer))
            }
            Ok(None) => {
                let hint = bundle.hint.as_ref().and_then(|hint| hint.parse::<KeyId>().ok());
                hint.is_some_and(|key| self.trust.is_verifier(id, &key))
            }
            Err(_) => false,
        }
    }

    /// What made `artifact`, as far as the log showed it, by signers whose time is judged by `now`.
    /// `supply` gives the bundles about an artifact, also those that came later; it is asked once for
    /// each.
    ///
    /// # Errors
    /// Those of `supply`.
    pub fn history<E>(
        &self,
        artifact: ArtifactId,
        now: Timestamp,
        mut supply: impl FnMut(&ArtifactId) -> Result<Vec<Bundle>, E>,
    ) -> Result<Supposed, E> {
        let mut trace = Trace::new(artifact, Direction::Up, &self.trust, &self.negatives, now);
        for _ in 0..MAX_ASKED {
            let Some(wanted) = trace.wanted().first().copied() else { break };
            let bundles = supply(&wanted)?.into_iter().filter_map(|bundle| self.then(bundle));
            trace.supply(wanted, bundles.collect(), None);
        }
        Ok(Supposed::of(&trace.finish()))
    }

    /// The bundle as it was; `None` for one whose every entry came later.
    fn then(&self, mut bundle: Bundle) -> Option<Bundle> {
        let logged = !bundle.entries.is_empty();
        bundle
            .entries
            .retain(|entry| entry.proof.as_ref().is_none_or(|proof| proof.index < self.before));
        (!logged || !bundle.entries.is_empty()).then_some(bundle)
    }
}
