//! The rows of the index, each as one function that a fuzzer can call; see
//! [`super::super::fuzzing`]. Rows come from sled, which checks its pages: what is tried here is
//! that a row which is wrong all the same is an error.

use attest::{Sha256, Timestamp};

use super::super::published::{Position, Tip};
use super::super::record::JournalId;
use super::super::tree::Tree;
use super::block::{Builder, Posting, Postings, put_number};
use super::listed::{Listed, list};
use super::places::{self, BodyPlace, Place};
use super::run::{Run, fences_of};

const JOURNAL: JournalId = JournalId([9; 16]);
/// The first entry of the run that blocks are read for.
const BASE: u64 = 1000;

/// The row that says what the index is complete to and lists its runs.
pub(in super::super) fn state(bytes: &[u8]) -> bool {
    let Ok(Listed { journal, tip, next_id, runs }) = Listed::decode(bytes) else { return false };
    let written = list(journal, &tip, next_id, &runs);
    assert_eq!(written, bytes);
    // Together they hold every entry.
    assert_eq!(runs.iter().map(|run| run.count).sum::<u64>(), tip.tree.size);
    true
}

/// A block of postings: in order, and the same when they are packed anew.
pub(in super::super) fn block(bytes: &[u8]) -> bool {
    let Ok(postings) = Postings::new(bytes, BASE).collect::<Result<Vec<_>, _>>() else {
        return false;
    };
    assert!(postings.is_sorted());
    let mut builder = Builder::new(BASE);
    postings.iter().for_each(|posting| builder.push(*posting));
    let again = builder.take().map(|(_, bytes)| bytes).unwrap_or_default();
    let again: Result<Vec<_>, _> = Postings::new(&again, BASE).collect();
    assert_eq!(again, Ok(postings));
    true
}

/// First postings of blocks.
pub(in super::super) fn fences(bytes: &[u8]) -> bool {
    let Ok(fences) = fences_of(bytes) else { return false };
    assert_eq!(fences.len() * 16, bytes.len());
    true
}

/// Where entries stand: each that the row has is found, and none after.
pub(in super::super) fn places(bytes: &[u8]) -> bool {
    let found: Result<Vec<_>, _> = (0..64).map(|wanted| places::find(bytes, wanted)).collect();
    let Ok(found) = found else { return false };
    let count = found.iter().take_while(|place| place.is_some()).count();
    assert!(found.iter().skip(count).all(Option::is_none));
    places::first_time(bytes).is_ok() && count > 0
}

fn tip(size: u64) -> Tip {
    Tip {
        tree: Tree { size, root: Sha256::of(b"root") },
        time: Timestamp::UNIX_EPOCH,
        sequence: 4,
        checksum: Sha256::of(b"record"),
        position: Position { segment: 1, offset: 2048 },
    }
}

/// Whole state rows.
pub(in super::super) fn states() -> Vec<Vec<u8>> {
    let run = |id: u64, count: u64, first: u64| {
        let mut bytes = Vec::new();
        for number in [id, count, 3, 900, 700] {
            put_number(&mut bytes, number);
        }
        Run::decode(&mut bytes.as_slice(), first).ok().map(std::sync::Arc::new)
    };
    let runs: Vec<_> = [run(3, 5, 0), run(7, 200, 5)].into_iter().flatten().collect();
    vec![list(JOURNAL, &tip(205), 9, &runs), list(JOURNAL, &tip(0), 0, &[])]
}

fn postings() -> impl Iterator<Item = Posting> {
    let posting = |(fingerprint, index)| Posting { fingerprint, index: BASE + index };
    [(3, 0), (3, 1), (3, 200), (4, 7), (u64::MAX - 1, 3), (u64::MAX - 1, 90_000)]
        .into_iter()
        .map(posting)
}

/// Whole blocks.
pub(in super::super) fn blocks() -> Vec<Vec<u8>> {
    let mut builder = Builder::new(BASE);
    postings().for_each(|posting| builder.push(posting));
    builder.take().map(|(_, bytes)| bytes).into_iter().collect()
}

/// Whole rows of fences.
pub(in super::super) fn fence_rows() -> Vec<Vec<u8>> {
    let row = postings().flat_map(|Posting { fingerprint, index }| {
        [fingerprint.to_be_bytes(), index.to_be_bytes()].concat()
    });
    vec![row.collect()]
}

/// Whole rows of places.
pub(in super::super) fn place_rows() -> Vec<Vec<u8>> {
    let place = |offset: u64, leaf, body| Place {
        record: Position { segment: 1, offset },
        time: Timestamp::UNIX_EPOCH,
        leaf,
        length: 300,
        body,
    };
    let mut row = Vec::new();
    let here = BodyPlace::Here { start: 900, length: 70 };
    places::append(&mut row, &[place(512, 211, here), place(512, 546, BodyPlace::Elsewhere)]);
    places::append(&mut row, &[place(4096, 211, BodyPlace::None)]);
    vec![row]
}
