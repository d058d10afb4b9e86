//! The bytes of one journal record: a whole group commit of the register.
//!
//! A record that is whole on disk *is* the commit. Everything but the bodies' bytes stands under
//! one checksum; a body is held by its own hash, so that an erased body can be overwritten
//! without touching what the checksum covers. Nothing here opens a file, and nothing here knows
//! what a leaf or a body means.
//!
//! # Format, version 1 (final)
//!
//! Integers are big-endian, digests are SHA-256. A record starts at a multiple of 512 bytes and is
//! padded with zeros to the next one, so that no sector with an acknowledged byte is ever written
//! again by a later commit.
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 8 | `ASSAYREC` |
//! | 8 | 2 | version, 1 |
//! | 10 | 2 | zero |
//! | 12 | 4 | C, length of the checked part (offset 0 to C) |
//! | 16 | 8 | B, length of all bodies together |
//! | 24 | 16 | journal id: random and never shown, so that no body can contain a valid record |
//! | 40 | 8 | sequence; the first record of a journal has 1 |
//! | 48 | 8 | time of the commit, signed microseconds since 1970 |
//! | 56 | 32 | checksum of the previous record; zeros in the first |
//! | 88 | 8 + 32 | size and root before the commit |
//! | 128 | 8 + 32 | size and root after it |
//! | 168 | 4 | L, number of leaves; size after = size before + L |
//! | 172 | 4 | M, number of bodies that this record brings |
//! | 176 | … | L times: length (2), whether it has a body (1: 0 or 1), body hash (32, zeros without), leaf bytes |
//! | … | … | M times: body hash (32), length (4) |
//! | C | 32 | checksum: SHA-256 of the bytes 0 to C |
//! | C + 32 | B | the bodies, in the order of their hashes above |
//! | … | … | zeros to a multiple of 512 |
//!
//! A leaf may name a body that an earlier record brought, or none. An erased body is overwritten
//! with zeros, once its tombstone is registered; bytes that do not hash to the body's hash are
//! damage otherwise, zeros without a tombstone too ([`super::buried`]). Only a body
//! whose record both slots of `published` are at or past may be erased: recovery takes a body that
//! is not whole in a record after the published one for a torn write.

use attest::{Sha256, Timestamp};

use super::fields::{Fields, Short, round_up};
use super::tree::Tree;

/// Records start and end at multiples of this, in bytes.
pub(super) const ALIGNMENT: u64 = 512;
/// Length of the fixed part at the start of a record, in bytes.
pub(super) const PREFIX_BYTES: usize = 176;
/// Most leaves of one record.
pub const MAX_LEAVES: usize = 65_536;
/// Longest leaf, in bytes: an entry of a C2SP tile has a 16-bit length.
pub const MAX_LEAF_BYTES: usize = 65_535;
/// Longest body, in bytes: the largest JSON document that is read, with its envelope's header.
pub const MAX_BODY_BYTES: usize = attest::json::MAX_BYTES + (1 << 20);
/// Longest checked part of a record, in bytes.
pub(super) const MAX_CHECKED_BYTES: usize = 64 << 20;
/// Most bytes of bodies in one record.
pub const MAX_BODIES_BYTES: u64 = 128 << 20;

const MAGIC: &[u8; 8] = b"ASSAYREC";
const VERSION: u16 = 1;
const CHECKSUM_BYTES: usize = 32;
/// What stands before a leaf: its length (2), whether it has a body (1), the body's hash (32).
pub(super) const LEAF_HEADER_BYTES: usize = 2 + 1 + 32;
const BODY_HEADER_BYTES: usize = 32 + 4;

/// What tells one journal from another: 16 random bytes, kept for ever and never shown.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct JournalId(pub(super) [u8; 16]);

impl std::fmt::Debug for JournalId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JournalId(..)")
    }
}

/// A leaf as the journal holds it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct RecordLeaf<'a> {
    /// The bytes that the tree hashes.
    pub bytes: &'a [u8],
    /// Hash of the body that the leaf's signature covers, if the register was given it.
    pub body: Option<Sha256>,
}

/// A body that a record brings; its bytes follow the checked part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct RecordBody {
    /// SHA-256 of the bytes.
    pub hash: Sha256,
    /// How many bytes.
    pub length: u32,
}

/// The checked part of a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Record<'a> {
    /// Position in the chain of records, from 1.
    pub sequence: u64,
    /// When the commit was made, in whole microseconds.
    pub time: Timestamp,
    /// Checksum of the previous record.
    pub previous: Sha256,
    /// The tree before the commit.
    pub from: Tree,
    /// The tree after it.
    pub to: Tree,
    /// The new leaves, in order.
    pub leaves: Vec<RecordLeaf<'a>>,
    /// The new bodies, in order.
    pub bodies: Vec<RecordBody>,
}

/// Why bytes are not a record, or a record cannot be written.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes end before the record does.
    #[error("journal record is cut short")]
    Short,
    /// The bytes do not start like a record.
    #[error("no journal record starts here")]
    Magic,
    /// A version of the format that this program does not know.
    #[error(
        "journal record has version {0}, this program reads version {VERSION}: use a newer assay"
    )]
    Version(u16),
    /// The record was written by another journal.
    #[error("journal record belongs to another journal")]
    Journal,
    /// A length or a count is above its limit, or lengths disagree.
    #[error("journal record has a bad {0}")]
    Field(&'static str),
    /// The checked part was changed.
    #[error("journal record does not match its checksum")]
    Checksum,
}

impl From<Short> for RecordError {
    fn from(Short: Short) -> Self {
        Self::Short
    }
}

/// The lengths that the fixed part of a record states; within the limits, not yet checked by the
/// checksum.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Lengths {
    /// Length of the checked part with its checksum, in bytes.
    pub checked: usize,
    /// Length of the bodies, in bytes.
    pub bodies: usize,
}

impl Lengths {
    /// Reads the lengths from the first [`PREFIX_BYTES`] of a record.
    ///
    /// # Errors
    /// When the bytes are too few or do not start like a record, or a length is above its limit.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::new(bytes);
        if fields.array()? != *MAGIC {
            return Err(RecordError::Magic);
        }
        let version = fields.u16()?;
        if version != VERSION {
            return Err(RecordError::Version(version));
        }
        if fields.u16()? != 0 {
            return Err(RecordError::Field("reserved field"));
        }
        let checked = usize::try_from(fields.u32()?).unwrap_or(usize::MAX);
        if !(PREFIX_BYTES..=MAX_CHECKED_BYTES).contains(&checked) {
            return Err(RecordError::Field("length"));
        }
        let bodies = fields.u64()?;
        if bodies > MAX_BODIES_BYTES {
            return Err(RecordError::Field("length of bodies"));
        }
        Ok(Self {
            checked: checked + CHECKSUM_BYTES,
            bodies: usize::try_from(bodies).unwrap_or(usize::MAX),
        })
    }

    /// Length of the record on disk with its padding, in bytes.
    pub(super) fn padded(&self) -> u64 {
        round_up(self.checked as u64 + self.bodies as u64, ALIGNMENT)
    }
}

impl<'a> Record<'a> {
    /// The bytes of the record with its bodies and padding, and its checksum.
    ///
    /// # Errors
    /// As [`Record::encode_into`].
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn encode(
        &self,
        journal: JournalId,
        bodies: &[&[u8]],
    ) -> Result<(Vec<u8>, Sha256), RecordError> {
        let mut bytes = Vec::new();
        let checksum = self.encode_into(journal, bodies, &mut bytes)?;
        Ok((bytes, checksum))
    }

    /// Puts the bytes of the record with its bodies and padding in the place of what is in `bytes`,
    /// and gives its checksum.
    ///
    /// # Errors
    /// [`RecordError::Field`] when a part is above its limit, or `bodies` are not the bodies that
    /// the record announces (their hashes are the caller's promise).
    pub(super) fn encode_into(
        &self,
        journal: JournalId,
        bodies: &[&[u8]],
        bytes: &mut Vec<u8>,
    ) -> Result<Sha256, RecordError> {
        let lengths = self.lengths();
        if self.leaves.is_empty() || self.leaves.len() > MAX_LEAVES {
            return Err(RecordError::Field("number of leaves"));
        }
        if self.to.size.checked_sub(self.from.size) != Some(self.leaves.len() as u64) {
            return Err(RecordError::Field("tree size"));
        }
        if lengths.checked > MAX_CHECKED_BYTES || lengths.bodies as u64 > MAX_BODIES_BYTES {
            return Err(RecordError::Field("length"));
        }
        let announced = self.bodies.iter().map(|body| body.length as usize);
        if !bodies.iter().map(|body| body.len()).eq(announced) {
            return Err(RecordError::Field("body length"));
        }

        bytes.clear();
        bytes.reserve(usize::try_from(lengths.padded()).unwrap_or(0));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&narrow(lengths.checked - CHECKSUM_BYTES, "length")?.to_be_bytes());
        bytes.extend_from_slice(&(lengths.bodies as u64).to_be_bytes());
        bytes.extend_from_slice(&journal.0);
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.time.as_microsecond().to_be_bytes());
        bytes.extend_from_slice(self.previous.as_bytes());
        for tree in [self.from, self.to] {
            bytes.extend_from_slice(&tree.size.to_be_bytes());
            bytes.extend_from_slice(tree.root.as_bytes());
        }
        bytes.extend_from_slice(&narrow(self.leaves.len(), "number of leaves")?.to_be_bytes());
        bytes.extend_from_slice(&narrow(self.bodies.len(), "number of bodies")?.to_be_bytes());
        for leaf in &self.leaves {
            let length =
                u16::try_from(leaf.bytes.len()).map_err(|_| RecordError::Field("leaf length"))?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.push(u8::from(leaf.body.is_some()));
            bytes.extend_from_slice(leaf.body.map_or([0; 32], |hash| *hash.as_bytes()).as_slice());
            bytes.extend_from_slice(leaf.bytes);
        }
        for body in &self.bodies {
            if body.length as usize > MAX_BODY_BYTES {
                return Err(RecordError::Field("body length"));
            }
            bytes.extend_from_slice(body.hash.as_bytes());
            bytes.extend_from_slice(&body.length.to_be_bytes());
        }
        let checksum = Sha256::of(bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        for body in bodies {
            bytes.extend_from_slice(body);
        }
        bytes.resize(usize::try_from(lengths.padded()).unwrap_or(bytes.len()), 0);
        Ok(checksum)
    }

    /// Reads a record's checked part and gives it with its checksum. `bytes` start with the record
    /// and may go on after it; the bodies need not be there.
    ///
    /// # Errors
    /// For bytes that are not exactly what [`Record::encode`] writes for `journal`.
    pub(super) fn parse(
        bytes: &'a [u8],
        journal: JournalId,
    ) -> Result<(Self, Sha256), RecordError> {
        let lengths = Lengths::parse(bytes)?;
        let (checked, rest) =
            bytes.split_at_checked(lengths.checked - CHECKSUM_BYTES).ok_or(RecordError::Short)?;
        let checksum = Fields::new(rest).digest()?;
        if Sha256::of(checked) != checksum {
            return Err(RecordError::Checksum);
        }

        let mut fields = Fields::new(checked);
        fields.take(24)?;
        if fields.array()? != journal.0 {
            return Err(RecordError::Journal);
        }
        let sequence = fields.u64()?;
        let time = Timestamp::from_microsecond(fields.i64()?)
            .map_err(|_| RecordError::Field("commit time"))?;
        let previous = fields.digest()?;
        let from = Tree { size: fields.u64()?, root: fields.digest()? };
        let to = Tree { size: fields.u64()?, root: fields.digest()? };
        let leaf_count = fields.u32()? as usize;
        let body_count = fields.u32()? as usize;
        if leaf_count == 0 || leaf_count > MAX_LEAVES {
            return Err(RecordError::Field("number of leaves"));
        }
        if to.size.checked_sub(from.size) != Some(leaf_count as u64) {
            return Err(RecordError::Field("tree size"));
        }
        if body_count > leaf_count {
            return Err(RecordError::Field("number of bodies"));
        }

        let mut leaves = Vec::with_capacity(leaf_count);
        for _ in 0..leaf_count {
            let length = usize::from(fields.u16()?);
            let has_body = fields.u8()?;
            let hash = fields.digest()?;
            let body = match (has_body, hash.as_bytes()) {
                (0, [0, rest @ ..]) if rest.iter().all(|byte| *byte == 0) => None,
                (1, _) => Some(hash),
                _ => return Err(RecordError::Field("body mark")),
            };
            leaves.push(RecordLeaf { bytes: fields.take(length)?, body });
        }
        let mut bodies = Vec::with_capacity(body_count);
        for _ in 0..body_count {
            let body = RecordBody { hash: fields.digest()?, length: fields.u32()? };
            if body.length as usize > MAX_BODY_BYTES {
                return Err(RecordError::Field("body length"));
            }
            bodies.push(body);
        }
        if !fields.rest().is_empty() {
            return Err(RecordError::Field("length"));
        }
        let record = Self { sequence, time, previous, from, to, leaves, bodies };
        if record.lengths() != lengths {
            return Err(RecordError::Field("length of bodies"));
        }
        Ok((record, checksum))
    }

    /// The lengths of the record's parts.
    pub(super) fn lengths(&self) -> Lengths {
        let leaves = self.leaves.iter().map(|leaf| LEAF_HEADER_BYTES + leaf.bytes.len());
        Lengths {
            checked: PREFIX_BYTES
                + leaves.sum::<usize>()
                + self.bodies.len() * BODY_HEADER_BYTES
                + CHECKSUM_BYTES,
            bodies: self.bodies.iter().map(|body| body.length as usize).sum(),
        }
    }

    /// Where the bytes of each leaf start, in bytes from the start of the record.
    pub(super) fn leaf_offsets(&self) -> impl Iterator<Item = u64> {
        self.leaves.iter().scan(PREFIX_BYTES, |end, leaf| {
            let start = *end + LEAF_HEADER_BYTES;
            *end = start + leaf.bytes.len();
            Some(start as u64)
        })
    }

    /// Where the bytes of each body start, in bytes from the start of the record.
    pub(super) fn body_offsets(&self) -> impl Iterator<Item = u64> {
        self.bodies.iter().scan(self.lengths().checked as u64, |end, body| {
            let start = *end;
            *end += u64::from(body.length);
            Some(start)
        })
    }

    /// Each body that this record brings with its bytes, as `bytes`, the whole record, have them;
    /// none of those that `bytes` end before.
    pub(super) fn bodies_in<'b>(
        &self,
        bytes: &'b [u8],
    ) -> impl Iterator<Item = (RecordBody, &'b [u8])> {
        self.bodies.iter().zip(self.body_offsets()).map(move |(body, offset)| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let found = bytes.get(start..start.saturating_add(body.length as usize));
            (*body, found.unwrap_or_default())
        })
    }
}

fn narrow(number: usize, field: &'static str) -> Result<u32, RecordError> {
    u32::try_from(number).map_err(|_| RecordError::Field(field))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JOURNAL: JournalId = JournalId([7; 16]);

    type Part = (Vec<u8>, Option<Vec<u8>>);

    fn sample(sequence: u64, micros: i64, size: u64, parts: &[Part]) -> (Record<'_>, Vec<&[u8]>) {
        let bodies: Vec<&[u8]> = parts.iter().filter_map(|(_, body)| body.as_deref()).collect();
        let record = Record {
            sequence,
            time: Timestamp::from_microsecond(micros).unwrap(),
            previous: Sha256::of(b"previous"),
            from: Tree { size, root: Sha256::of(b"from") },
            to: Tree { size: size + parts.len() as u64, root: Sha256::of(b"to") },
            leaves: parts
                .iter()
                .map(|(leaf, body)| RecordLeaf {
                    bytes: leaf,
                    body: body.as_deref().map(Sha256::of),
                })
                .collect(),
            bodies: bodies
                .iter()
                .map(|body| RecordBody { hash: Sha256::of(body), length: body.len() as u32 })
                .collect(),
        };
        (record, bodies)
    }

    fn parts() -> impl Strategy<Value = Vec<Part>> {
        let bytes = prop::collection::vec(any::<u8>(), 0..200);
        prop::collection::vec((bytes.clone(), prop::option::of(bytes)), 1..6)
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was(
            parts in parts(), sequence: u64, micros in -1_000_000_000_000i64..4_000_000_000_000_000, size in 0..u64::MAX / 2,
        ) {
            let (record, bodies) = sample(sequence, micros, size, &parts);
            let (bytes, checksum) = record.encode(JOURNAL, &bodies).unwrap();
            prop_assert_eq!(bytes.len() as u64, record.lengths().padded());
            prop_assert_eq!(bytes.len() as u64 % ALIGNMENT, 0);
            let (parsed, found) = Record::parse(&bytes, JOURNAL).unwrap();
            prop_assert_eq!(&parsed, &record);
            prop_assert_eq!(found, checksum);
            for (leaf, offset) in parsed.leaves.iter().zip(parsed.leaf_offsets()) {
                let start = offset as usize;
                prop_assert_eq!(&bytes[start..start + leaf.bytes.len()], leaf.bytes);
            }
            for (body, offset) in bodies.iter().zip(parsed.body_offsets()) {
                let start = offset as usize;
                prop_assert_eq!(&&bytes[start..start + body.len()], body);
            }
        }

        #[test]
        fn any_flipped_bit_of_the_checked_part_is_noticed(parts in parts()) {
            let (record, bodies) = sample(3, 5, 9, &parts);
            let (mut bytes, _) = record.encode(JOURNAL, &bodies).unwrap();
            for bit in 0..record.lengths().checked * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(Record::parse(&bytes, JOURNAL).is_err(), "bit {}", bit);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            prop_assert!(Record::parse(&bytes, JOURNAL).is_ok());
        }

        #[test]
        fn any_cut_of_the_checked_part_is_noticed(parts in parts()) {
            let (record, bodies) = sample(3, 5, 9, &parts);
            let (bytes, _) = record.encode(JOURNAL, &bodies).unwrap();
            for end in 0..record.lengths().checked {
                prop_assert_eq!(Record::parse(&bytes[..end], JOURNAL), Err(RecordError::Short));
            }
            prop_assert!(Record::parse(&bytes[..record.lengths().checked], JOURNAL).is_ok());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut bytes = bytes;
            let _ = Record::parse(&bytes, JOURNAL);
            if let Some(start) = bytes.get_mut(..12) {
                start.copy_from_slice(b"ASSAYREC\0\x01\0\0");
            }
            let _ = Record::parse(&bytes, JOURNAL);
        }
    }

    /// Changes the bytes before the checksum and makes the checksum right again.
    fn forge(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let parts = [(b"leaf".to_vec(), Some(b"body".to_vec())), (b"bare".to_vec(), None)];
        let (record, bodies) = sample(1, 2, 3, &parts);
        let (mut bytes, _) = record.encode(JOURNAL, &bodies).unwrap();
        let checked = record.lengths().checked - CHECKSUM_BYTES;
        change(&mut bytes);
        let checksum = Sha256::of(&bytes[..checked]);
        bytes[checked..checked + 32].copy_from_slice(checksum.as_bytes());
        bytes
    }

    #[test]
    fn fields_are_held_to_their_limits() {
        type Change = fn(&mut Vec<u8>);
        let cases: [(&str, Change, Option<RecordError>); 11] = [
            ("nothing", |_| (), None),
            ("magic", |bytes| bytes[0] = b'B', Some(RecordError::Magic)),
            ("version", |bytes| bytes[9] = 2, Some(RecordError::Version(2))),
            ("reserved", |bytes| bytes[11] = 1, Some(RecordError::Field("reserved field"))),
            ("checked length", |bytes| bytes[12] = 255, Some(RecordError::Field("length"))),
            ("bodies length", |bytes| bytes[16] = 1, Some(RecordError::Field("length of bodies"))),
            ("bodies sum", |bytes| bytes[23] = 5, Some(RecordError::Field("length of bodies"))),
            ("journal", |bytes| bytes[24] = 8, Some(RecordError::Journal)),
            ("no leaves", |bytes| bytes[171] = 0, Some(RecordError::Field("number of leaves"))),
            ("size", |bytes| bytes[135] = 9, Some(RecordError::Field("tree size"))),
            ("body mark", |bytes| bytes[178] = 2, Some(RecordError::Field("body mark"))),
        ];
        for (name, change, want) in cases {
            assert_eq!(Record::parse(&forge(change), JOURNAL).err(), want, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_written() {
        let long = [(vec![0; MAX_LEAF_BYTES + 1], None)];
        let fits = [(vec![0; MAX_LEAF_BYTES], None)];
        let cases: [(&str, &[Part], Option<&str>); 3] = [
            ("no leaf", &[], Some("number of leaves")),
            ("long leaf", &long, Some("leaf length")),
            ("longest leaf", &fits, None),
        ];
        for (name, parts, want) in cases {
            let (record, bodies) = sample(1, 2, 3, parts);
            let found = record.encode(JOURNAL, &bodies).err();
            assert_eq!(found, want.map(RecordError::Field), "{name}");
        }
        let parts = [(vec![1], Some(vec![2]))];
        let (record, _) = sample(1, 2, 3, &parts);
        assert_eq!(record.encode(JOURNAL, &[]).err(), Some(RecordError::Field("body length")));
    }
}
