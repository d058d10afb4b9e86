//! What the register reads from its own folder: records and their segments, what was published,
//! what is being erased, who holds the lock.

use attest::{Sha256, Timestamp};

use super::log::leaves;
use super::{JOURNAL, put, seal};
use crate::register::erasing;
use crate::register::fields::Fields;
use crate::register::lock::Holder;
use crate::register::published::{self, Position, Tip};
use crate::register::record::{Lengths, PREFIX_BYTES, Record, RecordBody, RecordLeaf};
use crate::register::segment::{self, Identity, encode_header, parse_header};
use crate::register::storage::Stored;
use crate::register::tree::Tree;

pub(super) fn record(bytes: &[u8]) -> bool {
    let mut sealed = bytes.to_vec();
    // The checked part is as long as there are bytes, and its checksum right.
    let bodies = bytes.get(16..24).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
    let bodies = usize::try_from(bodies.unwrap_or(0)).unwrap_or(usize::MAX);
    let checked = Lengths::parse(bytes).map_or(PREFIX_BYTES, |lengths| lengths.checked - 32);
    let checked = checked.min(bytes.len().saturating_sub(bodies.saturating_add(32)));
    if checked >= PREFIX_BYTES {
        put(&mut sealed, 12, &u32::try_from(checked).unwrap_or(u32::MAX).to_be_bytes());
        seal(&mut sealed, checked);
    }
    let is_read = record_as_is(bytes);
    record_as_is(&sealed) || is_read
}

fn record_as_is(bytes: &[u8]) -> bool {
    let Ok((record, checksum)) = Record::parse(bytes, JOURNAL) else { return false };
    let bodies: Option<Vec<&[u8]>> = (record.bodies.iter().zip(record.body_offsets()))
        .map(|(body, offset)| {
            let start = usize::try_from(offset).ok()?;
            bytes.get(start..start.checked_add(body.length as usize)?)
        })
        .collect();
    for offset in record.leaf_offsets().zip(&record.leaves) {
        let (start, leaf) = (usize::try_from(offset.0).unwrap_or(usize::MAX), offset.1);
        assert_eq!(bytes.get(start..start + leaf.bytes.len()), Some(leaf.bytes));
    }
    let Some(bodies) = bodies else { return true };
    let written = record.encode(JOURNAL, &bodies);
    assert!(written.is_ok(), "{:?}", written.err());
    if let Ok((written, again)) = written {
        assert_eq!(again, checksum);
        let whole = record.lengths().checked + record.lengths().bodies;
        assert_eq!(written.get(..whole), bytes.get(..whole));
    }
    true
}

pub(super) fn header(bytes: &[u8]) -> bool {
    let checked = bytes.get(..segment::CHECKED_BYTES).unwrap_or(bytes);
    let Ok((version, first, identity, tip)) = parse_header(checked) else { return false };
    let written = encode_header(&identity, &tip);
    let again = written.as_ref().ok().and_then(|written| parse_header(written).ok());
    if version == 1 {
        assert!(again == Some((version, first, identity, tip)));
    }
    true
}

pub(super) fn slot(bytes: &[u8]) -> bool {
    let Some(slot) = bytes.first_chunk::<{ published::SLOT_BYTES }>() else { return false };
    let mut sealed = *slot;
    let (checked, _) = slot.split_at(published::CHECKED_BYTES);
    put(&mut sealed, published::CHECKED_BYTES, Sha256::of(checked).as_bytes());
    let as_is = published::parse(slot);
    let Some((_, _, tip)) = as_is.or_else(|| published::parse(&sealed)) else { return false };
    let mut written = Vec::new();
    tip.encode(&mut written);
    assert_eq!(slot.get(40..published::CHECKED_BYTES), Some(written.as_slice()));
    assert!(Tip::decode(&mut Fields::new(&written)) == Ok(tip));
    true
}

pub(super) fn stored(bytes: &[u8]) -> bool {
    let Some(stored) = Stored::parse(bytes) else { return false };
    assert_eq!(stored.encode(), bytes);
    true
}

pub(super) fn erasing(bytes: &[u8]) -> bool {
    let Some(file) = bytes.first_chunk::<{ erasing::BYTES }>() else { return false };
    let mut sealed = file.to_vec();
    seal(&mut sealed, erasing::CHECKED_BYTES);
    let read = |bytes: &[u8]| erasing::parse(bytes, JOURNAL).ok().flatten();
    let Some(erasing) = read(file).or_else(|| read(&sealed)) else { return false };
    assert_eq!(read(&erasing.encode(JOURNAL)), Some(erasing));
    true
}

pub(super) fn holder(bytes: &[u8]) -> bool {
    let Ok(holder) = serde_json::from_slice::<Holder>(bytes) else { return false };
    let written = serde_json::to_vec(&holder).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<Holder>(&written).ok(), Some(holder));
    true
}

pub(super) fn tip(sequence: u64) -> Tip {
    Tip {
        tree: Tree { size: sequence, root: Sha256::of(b"root") },
        time: Timestamp::UNIX_EPOCH,
        sequence,
        checksum: Sha256::of(b"record"),
        position: Position { segment: 1, offset: 512 * sequence },
    }
}

pub(super) fn records() -> Vec<Vec<u8>> {
    let bodies: [&[u8]; 2] = [b"body", &[b'b'; 700]];
    let leaf = |bytes, body: Option<&[u8]>| RecordLeaf { bytes, body: body.map(Sha256::of) };
    let announced = |body: &&[u8]| RecordBody { hash: Sha256::of(body), length: body.len() as u32 };
    let make = |leaves: Vec<RecordLeaf<'_>>, bodies: &[&[u8]]| {
        let to = Tree { size: 3 + leaves.len() as u64, root: Sha256::of(b"to") };
        let record = Record {
            sequence: 2,
            time: Timestamp::UNIX_EPOCH,
            previous: Sha256::of(b"previous"),
            from: tip(3).tree,
            to,
            leaves,
            bodies: bodies.iter().map(announced).collect(),
        };
        record.encode(JOURNAL, bodies).map(|(bytes, _)| bytes).unwrap_or_default()
    };
    vec![
        make(vec![leaf(b"leaf", None)], &[]),
        make(vec![leaf(b"one", Some(bodies[0])), leaf(b"two", Some(bodies[1]))], &bodies),
    ]
}

pub(super) fn headers() -> Vec<Vec<u8>> {
    let identity = |origin: &str| Identity { id: JOURNAL, origin: origin.into() };
    [("assay.local/00", 0), ("log.example/\u{e9}", 7)]
        .map(|(origin, sequence)| {
            encode_header(&identity(origin), &tip(sequence)).unwrap_or_default()
        })
        .into()
}

pub(super) fn slots() -> Vec<Vec<u8>> {
    let mut bytes = b"ASSAYPUB\x00\x01\0\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(&JOURNAL.0);
    bytes.extend_from_slice(&5_u64.to_be_bytes());
    tip(4).encode(&mut bytes);
    let checksum = Sha256::of(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    vec![bytes]
}

pub(super) fn stored_entries() -> Vec<Vec<u8>> {
    let stored = |body: Option<Sha256>| Stored {
        time: Timestamp::UNIX_EPOCH,
        body,
        leaf: leaves().pop().unwrap_or_default(),
    };
    vec![stored(None).encode(), stored(Some(Sha256::of(b"body"))).encode()]
}

pub(super) fn erasings() -> Vec<Vec<u8>> {
    let at = Position { segment: 4, offset: 1536 };
    let erasing = erasing::Erasing { body: Sha256::of(b"body"), at, length: 700 };
    vec![erasing.encode(JOURNAL)]
}

pub(super) fn holders() -> Vec<Vec<u8>> {
    let holders = [Holder::command(), Holder::server("http://127.0.0.1:8080")];
    holders.iter().filter_map(|holder| serde_json::to_vec(holder).ok()).collect()
}
