//! Sorted lists of what entries can be found by, packed into blocks.
//!
//! A posting says that an entry has a fingerprint. Blocks hold postings in order, first by
//! fingerprint and then by entry. A block is read from its start, so that it is kept small.
//!
//! # Bytes
//!
//! For each posting a variable-length number (seven bits a byte, the low ones first, the high bit
//! says that more follow). An odd number is twice the distance from the entry before, plus one:
//! the same fingerprint again. An even number is twice the entry's distance from the run's first
//! entry, and 8 bytes of a new fingerprint follow.

use super::super::fields::Short;

/// About how long a block is, in bytes. Small enough that sled keeps it in its own file.
pub(super) const BLOCK_BYTES: usize = 2048;
/// Longest posting, in bytes: a number of ten bytes and a fingerprint.
const POSTING_BYTES: usize = 18;

/// That an entry has a fingerprint.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in super::super) struct Posting {
    /// Of what the entry can be found by.
    pub(in super::super) fingerprint: u64,
    /// Position of the entry.
    pub(in super::super) index: u64,
}

/// Packs postings, which come in order, into a block.
#[derive(Debug)]
pub(super) struct Builder {
    base: u64,
    bytes: Vec<u8>,
    first: Option<Posting>,
    last: Option<Posting>,
}

impl Builder {
    /// An empty block of a run whose first entry is `base`.
    pub(super) fn new(base: u64) -> Self {
        Self { base, bytes: Vec::with_capacity(BLOCK_BYTES), first: None, last: None }
    }

    /// Whether a posting more could make the block longer than [`BLOCK_BYTES`].
    pub(super) const fn is_full(&self) -> bool {
        self.bytes.len() + POSTING_BYTES > BLOCK_BYTES
    }

    /// Adds the next posting.
    pub(super) fn push(&mut self, posting: Posting) {
        let Posting { fingerprint, index } = posting;
        match self.last {
            Some(last) if last.fingerprint == fingerprint => {
                put_number(&mut self.bytes, (index.saturating_sub(last.index)) << 1 | 1);
            }
            _ => {
                put_number(&mut self.bytes, (index.saturating_sub(self.base)) << 1);
                self.bytes.extend_from_slice(&fingerprint.to_be_bytes());
            }
        }
        self.first.get_or_insert(posting);
        self.last = Some(posting);
    }

    /// The first posting and the bytes of the block, which is empty again; `None` for none.
    pub(super) fn take(&mut self) -> Option<(Posting, Vec<u8>)> {
        self.last = None;
        let first = self.first.take()?;
        Some((first, std::mem::replace(&mut self.bytes, Vec::with_capacity(BLOCK_BYTES))))
    }
}

/// The postings of a block, in order.
#[derive(Clone, Debug)]
pub(super) struct Postings<'b> {
    base: u64,
    rest: &'b [u8],
    last: Option<Posting>,
}

impl<'b> Postings<'b> {
    /// Reads a block of a run whose first entry is `base`.
    pub(super) const fn new(bytes: &'b [u8], base: u64) -> Self {
        Self { base, rest: bytes, last: None }
    }

    fn read(&mut self) -> Result<Posting, Short> {
        let number = take_number(&mut self.rest)?;
        let distance = number >> 1;
        let posting = if number & 1 == 1 {
            let last = self.last.ok_or(Short)?;
            Posting { index: last.index.checked_add(distance).ok_or(Short)?, ..last }
        } else {
            let (bytes, rest) = self.rest.split_first_chunk().ok_or(Short)?;
            self.rest = rest;
            let index = self.base.checked_add(distance).ok_or(Short)?;
            Posting { fingerprint: u64::from_be_bytes(*bytes), index }
        };
        if self.last.is_some_and(|last| last >= posting) {
            return Err(Short);
        }
        self.last = Some(posting);
        Ok(posting)
    }
}

impl Iterator for Postings<'_> {
    type Item = Result<Posting, Short>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let posting = self.read();
        if posting.is_err() {
            self.rest = &[];
        }
        Some(posting)
    }
}

/// Appends a number of variable length.
pub(super) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// Takes what [`put_number`] appended; any other spelling of a number is refused.
pub(super) fn take_number(bytes: &mut &[u8]) -> Result<u64, Short> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Short)?;
        *bytes = rest;
        let low = u64::from(byte & 0x7f);
        if shift == 63 && low > 1 || shift > 0 && *byte == 0 {
            return Err(Short);
        }
        number |= low << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Short)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn postings_come_back_in_order(
            base in 0..u64::MAX >> 2,
            pairs in prop::collection::btree_set((0..20u64, 0..1000u64), 0..300),
        ) {
            let postings: Vec<Posting> = pairs
                .iter()
                .map(|(mark, distance)| Posting {
                    fingerprint: mark.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                    index: base + distance,
                })
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            let mut builder = Builder::new(base);
            let mut blocks = Vec::new();
            for posting in &postings {
                if builder.is_full() {
                    blocks.extend(builder.take());
                }
                builder.push(*posting);
            }
            blocks.extend(builder.take());
            let mut found = Vec::new();
            for (first, bytes) in &blocks {
                prop_assert!(bytes.len() <= BLOCK_BYTES);
                let block: Vec<_> = Postings::new(bytes, base).collect::<Result<_, _>>().unwrap();
                prop_assert_eq!(block.first(), Some(first));
                found.extend(block);
            }
            prop_assert_eq!(found, postings);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), base: u64) {
            let read: Vec<_> = Postings::new(&bytes, base).collect();
            prop_assert!(read.len() <= bytes.len());
        }

        #[test]
        fn numbers_have_one_spelling(number: u64, bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut spelled = Vec::new();
            put_number(&mut spelled, number);
            prop_assert_eq!(take_number(&mut spelled.as_slice()), Ok(number));
            let mut rest = bytes.as_slice();
            if let Ok(number) = take_number(&mut rest) {
                let mut again = Vec::new();
                put_number(&mut again, number);
                prop_assert_eq!(&bytes[..bytes.len() - rest.len()], again.as_slice());
            }
        }
    }

    #[test]
    fn what_is_out_of_order_or_cut_is_refused() {
        let posting = |fingerprint, index| Posting { fingerprint, index };
        let pack = |postings: &[Posting]| {
            let mut builder = Builder::new(0);
            postings.iter().for_each(|posting| builder.push(*posting));
            builder.take().unwrap().1
        };
        let read = |bytes: &[u8]| Postings::new(bytes, 0).collect::<Result<Vec<_>, _>>();
        let good = pack(&[posting(1, 5), posting(1, 6), posting(2, 0)]);
        assert_eq!(read(&good).unwrap().len(), 3);
        assert_eq!(read(&good[..good.len() - 1]), Err(Short));
        assert_eq!(read(&pack(&[posting(2, 0), posting(1, 5)])), Err(Short));
        assert_eq!(read(&[1]), Err(Short), "the first posting names its fingerprint");
    }
}
