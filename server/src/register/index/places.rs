//! Where entries are in the journal: rows of up to 64 entries each.
//!
//! # Bytes of a row
//!
//! Extents, one for each record that has entries of the row: how many entries (1), the record's
//! segment (8) and offset there (8), its commit time (8), where in the record the first of these
//! leaves starts (4); then for each entry the leaf's length (2) and, in the record, the start (4)
//! and length (4) of its body. Leaves of an extent follow each other, a leaf header apart.

use attest::Timestamp;

use super::super::fields::{Fields, Short};
use super::super::published::Position;
use super::super::record::LEAF_HEADER_BYTES;

/// Entries of a row. With one record for each entry a row has 64 × 39 bytes.
pub(super) const ENTRIES_A_ROW: u64 = 64;
/// Length of a body that there is none of.
const NONE: u32 = u32::MAX;
/// Length of a body that an earlier record brought.
const ELSEWHERE: u32 = u32::MAX - 1;

/// Where an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) struct Place {
    /// Where its record starts.
    pub(in super::super) record: Position,
    /// When it was committed.
    pub(in super::super) time: Timestamp,
    /// Where its leaf starts, in bytes from the start of the record.
    pub(in super::super) leaf: u32,
    /// Length of the leaf, in bytes.
    pub(in super::super) length: u16,
    /// Where its body is.
    pub(in super::super) body: BodyPlace,
}

/// Where the body of an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum BodyPlace {
    /// The register was never given it.
    None,
    /// In the entry's own record.
    Here {
        /// Where it starts, in bytes from the start of the record.
        start: u32,
        /// Length, in bytes.
        length: u32,
    },
    /// In the record of an earlier entry.
    Elsewhere,
}

/// The row of an entry, and which of the row's entries it is.
pub(super) const fn row_of(index: u64) -> (u64, usize) {
    (index / ENTRIES_A_ROW, (index % ENTRIES_A_ROW) as usize)
}

/// Appends the places of entries that one record has in one row.
pub(super) fn append(row: &mut Vec<u8>, places: &[Place]) {
    let Some(first) = places.first() else { return };
    row.push(u8::try_from(places.len()).unwrap_or(u8::MAX));
    row.extend_from_slice(&first.record.segment.to_be_bytes());
    row.extend_from_slice(&first.record.offset.to_be_bytes());
    row.extend_from_slice(&first.time.as_microsecond().to_be_bytes());
    row.extend_from_slice(&first.leaf.to_be_bytes());
    for place in places {
        let (start, length) = match place.body {
            BodyPlace::None => (0, NONE),
            BodyPlace::Elsewhere => (0, ELSEWHERE),
            BodyPlace::Here { start, length } => (start, length),
        };
        row.extend_from_slice(&place.length.to_be_bytes());
        row.extend_from_slice(&start.to_be_bytes());
        row.extend_from_slice(&length.to_be_bytes());
    }
}

/// The place of one of a row's entries; `None` when the row has not that many.
pub(super) fn find(row: &[u8], wanted: usize) -> Result<Option<Place>, Short> {
    let mut fields = Fields::new(row);
    let mut number = 0;
    while !fields.rest().is_empty() {
        let count = usize::from(fields.u8()?);
        let record = Position { segment: fields.u64()?, offset: fields.u64()? };
        let time = Timestamp::from_microsecond(fields.i64()?).map_err(|_| Short)?;
        let mut leaf = fields.u32()?;
        for _ in 0..count {
            let length = fields.u16()?;
            let (start, body_length) = (fields.u32()?, fields.u32()?);
            if number == wanted {
                let body = match body_length {
                    NONE => BodyPlace::None,
                    ELSEWHERE => BodyPlace::Elsewhere,
                    length => BodyPlace::Here { start, length },
                };
                return Ok(Some(Place { record, time, leaf, length, body }));
            }
            number += 1;
            let next = u32::from(length) + u32::try_from(LEAF_HEADER_BYTES).map_err(|_| Short)?;
            leaf = leaf.checked_add(next).ok_or(Short)?;
        }
    }
    Ok(None)
}

/// The time of a row's first entry.
pub(super) fn first_time(row: &[u8]) -> Result<Timestamp, Short> {
    find(row, 0)?.map(|place| place.time).ok_or(Short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(count: u32, offset: u64) -> Vec<Place> {
        let header = u32::try_from(LEAF_HEADER_BYTES).unwrap();
        let mut leaf = 211;
        (0..count)
            .map(|number| {
                let length = 300 + number as u16;
                let body = match number % 3 {
                    0 => BodyPlace::None,
                    1 => BodyPlace::Elsewhere,
                    _ => BodyPlace::Here { start: 9000 + number, length: number },
                };
                let record = Position { segment: 1, offset };
                let time = Timestamp::from_microsecond(offset as i64).unwrap();
                let place = Place { record, time, leaf, length, body };
                leaf += u32::from(length) + header;
                place
            })
            .collect()
    }

    #[test]
    fn places_come_back_from_a_row_of_several_records() {
        let (one, two) = (places(5, 512), places(3, 4096));
        let mut row = Vec::new();
        append(&mut row, &one);
        append(&mut row, &two);
        for (number, place) in one.iter().chain(&two).enumerate() {
            assert_eq!(find(&row, number), Ok(Some(*place)));
        }
        assert_eq!(find(&row, 8), Ok(None));
        assert_eq!(first_time(&row), Ok(one[0].time));
        for end in 1..row.len() {
            assert!(find(&row[..end], 100).is_err() || find(&row[..end], 7) == Ok(None), "{end}");
        }
    }

    #[test]
    fn a_row_with_a_record_for_each_entry_stays_below_the_largest_value() {
        let mut row = Vec::new();
        for number in 0..ENTRIES_A_ROW {
            append(&mut row, &places(1, number * 512));
        }
        assert!(row.len() <= 4096, "{}", row.len());
        assert!(find(&row, 63).unwrap().is_some());
    }
}
