//! What stands for a digest in the index: 64 bits.
//!
//! Multilinear hashing of the digest's four words with the upper half of a 128-bit sum: for keys
//! that are random, two digests have the same fingerprint with probability 2^-64 (Lemire and
//! Kaser, "Strongly universal string hashing is fast", 2014, theorem 3.1). The keys come from the
//! journal's id, which nobody is shown: so nobody can choose statements whose terms meet.

use attest::Sha256;

use super::super::record::JournalId;

/// What a digest is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A body.
    Body,
    /// A leaf, as the tree hashes it.
    Leaf,
    /// A term.
    Term,
}

/// Makes the fingerprints of one register.
#[derive(Clone, Copy)]
pub(super) struct Fingerprints {
    /// For each kind what is added, and a factor for each word.
    keys: [[u128; 5]; 3],
}

impl Fingerprints {
    pub(super) fn new(journal: JournalId) -> Self {
        let key = |kind: u8, number: u8| {
            let mixed = Sha256::of_parts([&b"fingerprint"[..], &journal.0, &[kind, number]]);
            mixed.as_bytes().first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
        };
        Self { keys: [0, 1, 2].map(|kind| [0, 1, 2, 3, 4].map(|number| key(kind, number))) }
    }

    /// The fingerprint of a digest.
    pub(super) fn of(&self, kind: Kind, digest: &Sha256) -> u64 {
        let [body, leaf, term] = &self.keys;
        let [added, factors @ ..] = match kind {
            Kind::Body => body,
            Kind::Leaf => leaf,
            Kind::Term => term,
        };
        let (words, _) = digest.as_bytes().as_chunks::<8>();
        let words = words.iter().map(|word| u128::from(u64::from_be_bytes(*word)));
        let sum = words
            .zip(factors)
            .fold(*added, |sum, (word, factor)| sum.wrapping_add(word.wrapping_mul(*factor)));
        u64::try_from(sum >> 64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn fingerprints_differ_by_digest_kind_and_register() {
        let registers = [1, 2].map(|number| Fingerprints::new(JournalId([number; 16])));
        let kinds = [Kind::Body, Kind::Leaf, Kind::Term];
        let mut found = BTreeSet::new();
        for number in 0..2000_u16 {
            // Digests that differ little.
            let mut digest = [0; 32];
            digest[usize::from(number % 31)..][..2]
                .copy_from_slice(&(number / 31 + 1).to_be_bytes());
            let digest = Sha256::from_bytes(digest);
            for (kind, register) in
                kinds.into_iter().flat_map(|kind| registers.iter().map(move |one| (kind, one)))
            {
                found.insert(register.of(kind, &digest));
            }
        }
        assert_eq!(found.len(), 6 * 2000);
        // They are spread over all of their range, by which filters choose a block.
        for eighth in 0..8_u64 {
            let low = eighth << 61;
            let count = found.range(low..=low | (u64::MAX >> 3)).count();
            assert!((1200..1800).contains(&count), "{count} in {eighth}");
        }
    }
}
