//! Which witnesses must have cosigned a checkpoint before it counts.
//!
//! A log that shows one tree to one reader and another tree to another is caught by witnesses that
//! each saw one tree only. How many must agree is said in the trust file; owners are counted, not
//! names or keys, so that nobody makes a quorum alone. Source: C2SP tlog-cosignature.

use std::collections::{BTreeMap, BTreeSet};

use attest::{CosignerKey, Note, NoteError};

/// A witness of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustedWitness {
    key: CosignerKey,
    owner: String,
}

/// The witnesses of a log, and how many owners of theirs must have cosigned.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Witnesses {
    list: Vec<TrustedWitness>,
    quorum: usize,
}

/// Who cosigned a checkpoint, and when.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Witnessed {
    /// The newest time of each owner, in seconds since 1970.
    times: BTreeMap<String, u64>,
    quorum: usize,
}

/// Why witnesses make no quorum.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessesError {
    /// One key under two names: cosignatures do not say under which name they were made.
    #[error("the witnesses `{0}` and `{1}` have the same key")]
    SameKey(
        /// The earlier name.
        String,
        /// The later name.
        String,
    ),
    /// A quorum that nobody can meet, or that asks for nobody.
    #[error("a quorum of {quorum} among witnesses of {owners} owners; it must be 1 to {owners}")]
    Quorum {
        /// What is asked for.
        quorum: usize,
        /// How many owners there are.
        owners: usize,
    },
}

/// Why the cosignatures of a note do not suffice.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuorumError {
    /// The note is not one, or a line that names a witness does not hold.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Too few witnesses cosigned.
    #[error("cosigned by witnesses of {found} owners, {needed} are needed")]
    TooFew {
        /// How many owners cosigned.
        found: usize,
        /// How many must.
        needed: usize,
    },
}

impl TrustedWitness {
    /// The witness with `key`, which `owner` answers for.
    pub fn new(key: CosignerKey, owner: impl Into<String>) -> Self {
        Self { key, owner: owner.into() }
    }

    /// What checks its cosignatures.
    pub const fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// Whoever answers for it.
    pub fn owner(&self) -> &str {
        &self.owner
    }
}

impl Witnesses {
    /// `quorum` owners among those of `list` must have cosigned. An empty list and a quorum of 0
    /// ask for nobody.
    ///
    /// # Errors
    /// [`WitnessesError`].
    pub fn new(list: Vec<TrustedWitness>, quorum: usize) -> Result<Self, WitnessesError> {
        let mut keys = BTreeMap::new();
        for witness in &list {
            let name = witness.key.name();
            if let Some(other) = keys.insert(witness.key.key().id(), name) {
                return Err(WitnessesError::SameKey(other.into(), name.into()));
            }
        }
        let owners = list.iter().map(TrustedWitness::owner).collect::<BTreeSet<_>>().len();
        if quorum > owners || (quorum == 0) != list.is_empty() {
            return Err(WitnessesError::Quorum { quorum, owners });
        }
        Ok(Self { list, quorum })
    }

    /// The witnesses.
    pub fn list(&self) -> &[TrustedWitness] {
        &self.list
    }

    /// How many owners must have cosigned; 0 when nobody must.
    pub const fn quorum(&self) -> usize {
        self.quorum
    }

    /// Who cosigned `note`, if those are enough. Lines by unknown keys are ignored.
    ///
    /// # Errors
    /// [`QuorumError::Note`] when a line that names a witness does not hold,
    /// [`QuorumError::TooFew`] when the quorum is not met.
    pub fn check(&self, note: &Note) -> Result<Witnessed, QuorumError> {
        let mut times: BTreeMap<String, u64> = BTreeMap::new();
        for witness in &self.list {
            if let Some(time) = witness.key.cosigned(note)? {
                let newest = times.entry(witness.owner.clone()).or_default();
                *newest = time.max(*newest);
            }
        }
        if times.len() < self.quorum {
            return Err(QuorumError::TooFew { found: times.len(), needed: self.quorum });
        }
        Ok(Witnessed { times, quorum: self.quorum })
    }
}

impl Witnessed {
    /// The newest time of each owner whose witness cosigned, in seconds since 1970.
    pub const fn times(&self) -> &BTreeMap<String, u64> {
        &self.times
    }

    /// The newest time at which a witness still saw nothing larger, in seconds since 1970; `None`
    /// when nobody cosigned.
    pub fn newest(&self) -> Option<u64> {
        self.times.values().copied().max()
    }

    /// The time by which a whole quorum had seen the checkpoint, in seconds since 1970: the tree,
    /// and all in it, is no younger than the quorum says. `None` when no quorum is asked for.
    pub fn by(&self) -> Option<u64> {
        let mut times: Vec<u64> = self.times.values().copied().collect();
        times.sort_unstable();
        times.get(self.quorum.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use attest::{Cosigner, NoteSignature, SigningKey};

    use super::*;

    const TEXT: &str = "log\n7\nroot\n";

    fn cosigner(seed: u8) -> Cosigner {
        let key = SigningKey::from_ed25519_seed(&[seed; 32]).unwrap();
        Cosigner::new(&format!("w{seed}"), key).unwrap()
    }

    fn trusted(seed: u8, owner: &str) -> TrustedWitness {
        TrustedWitness::new(cosigner(seed).verifier().clone(), owner)
    }

    fn note(lines: Vec<NoteSignature>) -> Note {
        Note { text: TEXT.into(), signatures: lines }
    }

    fn by(seed: u8, time: u64) -> NoteSignature {
        cosigner(seed).cosign(TEXT, time).unwrap()
    }

    #[test]
    fn a_quorum_is_of_distinct_owners_over_this_text() {
        let list = vec![trusted(1, "one"), trusted(2, "two"), trusted(3, "two")];
        let two = Witnesses::new(list, 2).unwrap();
        let too_few = |found| Err(QuorumError::TooFew { found, needed: 2 });
        let other = cosigner(2).cosign("log\n8\nroot\n", 6).unwrap();
        let cases = [
            ("two owners", vec![by(1, 5), by(2, 6)], Ok(Some(6))),
            ("one cosignature too few", vec![by(1, 5)], too_few(1)),
            ("the same witness twice", vec![by(1, 5), by(1, 6)], too_few(1)),
            ("two witnesses of one owner", vec![by(2, 5), by(3, 6)], too_few(1)),
            ("a stranger makes none", vec![by(1, 5), by(9, 6)], too_few(1)),
            ("a stranger does no harm", vec![by(1, 5), by(2, 6), by(9, 6)], Ok(Some(6))),
            (
                "a cosignature over another checkpoint",
                vec![by(1, 5), other],
                Err(QuorumError::Note(NoteError::Broken("w2".into()))),
            ),
        ];
        for (name, lines, want) in cases {
            let found = two.check(&note(lines)).map(|witnessed| witnessed.newest());
            assert_eq!(found, want, "{name}");
        }
    }

    #[test]
    fn the_proven_time_is_the_one_of_the_whole_quorum() {
        let list = vec![trusted(1, "one"), trusted(2, "two"), trusted(3, "three")];
        let lines = vec![by(1, 5), by(2, 6), by(3, 7)];
        for (quorum, want) in [(1, 5), (2, 6), (3, 7)] {
            let witnesses = Witnesses::new(list.clone(), quorum).unwrap();
            let witnessed = witnesses.check(&note(lines.clone())).unwrap();
            assert_eq!((witnessed.by(), witnessed.newest()), (Some(want), Some(7)));
        }
        let nobody = Witnesses::default().check(&note(lines)).unwrap();
        assert_eq!((nobody.by(), nobody.newest()), (None, None));
    }

    #[test]
    fn quorums_that_cannot_be() {
        let list = || vec![trusted(1, "one"), trusted(2, "two"), trusted(3, "two")];
        for (quorum, want) in [(1, true), (2, true), (3, false), (0, false)] {
            assert_eq!(Witnesses::new(list(), quorum).is_ok(), want, "{quorum}");
        }
        assert!(Witnesses::new(Vec::new(), 0).is_ok());
        assert!(Witnesses::new(Vec::new(), 1).is_err());
        let key = cosigner(1).verifier().key().clone();
        let renamed = TrustedWitness::new(CosignerKey::new("other", key).unwrap(), "other");
        let twice = Witnesses::new(vec![trusted(1, "one"), renamed], 2);
        assert_eq!(twice, Err(WitnessesError::SameKey("w1".into(), "other".into())));
    }
}
