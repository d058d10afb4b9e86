//! The index: what makes the journal quick to search. Nothing in it is worth a backup.
//!
//! One sled tree with prefixed keys, one sled batch for each commit, no value above 4 KiB, and in
//! the same batch the record that the index is complete to: that is the use of sled 0.34 in which
//! a power cut loses the last batches whole or none of them. It is never synced. Whether it fits
//! the journal is checked when it is opened, and whatever is wrong with it, it is made anew.
//!
//! | key | value |
//! | --- | --- |
//! | `m` | version (2), journal id (16), tip (104): the record that the index is complete to |
//! | `e` index (8) | where the leaf is (segment 8, offset 8, length 2), commit time (8), body mark (1) and hash (32), leaf hash (32) |
//! | `h` leaf hash (32) | index (8) |
//! | `b` body hash (32) | where the body is (segment 8, offset 8, length 4) |
//! | `n` level (1) index (8) | hash of the complete subtree (32); level 0 is in `e` |
//! | `p` digest of a term (32) index (8) | nothing |
//! | `t` commit time (8) first index (8) | nothing; one for each commit |

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use attest::{Sha256, Timestamp};
use verify::merkle::Node;

use super::batch::{Batch, BatchEntry};
use super::facts::Term;
use super::fields::{Fields, Short};
use super::published::{Position, Tip};
use super::record::{JournalId, MAX_BODY_BYTES, Record};

/// Version of the rows; an index of another version is made anew. It changes with the rows and
/// with what [`super::facts`] finds in statements.
const VERSION: u16 = 1;

/// How often opening is tried while the last user of the index is still closing it.
const OPEN_ATTEMPTS: u32 = 1000;
const OPEN_INTERVAL: Duration = Duration::from_millis(2);

/// Why the index does not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The database failed.
    #[error(
        "the index of the register cannot be used: remove the folder `index`, it is made anew at the next start"
    )]
    Database(#[from] sled::Error),
    /// The database gave up while it was opened.
    #[error(
        "the index of the register cannot be opened: remove the folder `index`, it is made anew at the next start"
    )]
    Panicked,
    /// Another process keeps the database open.
    #[error("the index of the register is still open elsewhere: try again")]
    Busy,
    /// A row is not what was written, or is missing.
    #[error(
        "the index of the register is damaged (row `{0}`): remove the folder `index`, it is made anew at the next start"
    )]
    Row(char),
}

/// Where a leaf is, and what belongs to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct EntryRow {
    pub(super) at: Position,
    pub(super) length: u16,
    pub(super) time: Timestamp,
    pub(super) body: Option<Sha256>,
    pub(super) leaf_hash: Sha256,
}

/// Where a body is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct BodyRow {
    pub(super) at: Position,
    pub(super) length: u32,
}

/// What an index says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// Nothing was ever written to it.
    New,
    /// Complete to this record of this journal.
    Complete(JournalId, Tip),
    /// Another version of the rows, or nothing that can be read.
    Unknown,
}

/// The index of one register.
pub(super) struct Index {
    database: sled::Db,
}

impl Index {
    /// Opens the index in `folder`, or makes an empty one there.
    pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, IndexError> {
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(cache_bytes)
            // No thread of its own: what is not written when the process ends is caught up.
            .flush_every_ms(None);
        for _ in 0..OPEN_ATTEMPTS {
            // sled 0.34 panics while it recovers from some torn files. Nothing of ours is shared
            // with the closure but the configuration, and what it leaves is thrown away with the
            // folder.
            match catch_unwind(AssertUnwindSafe(|| config.open())) {
                Ok(Ok(database)) => return Ok(Self { database }),
                // A thread of the one who had it open last is still closing the file.
                Ok(Err(sled::Error::Io(error))) if error.to_string().contains("acquire lock") => {
                    std::thread::sleep(OPEN_INTERVAL);
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(IndexError::Panicked),
            }
        }
        Err(IndexError::Busy)
    }

    /// What the index is complete to.
    pub(super) fn state(&self) -> Result<State, IndexError> {
        let Some(row) = self.database.get(b"m")? else {
            return Ok(if self.database.is_empty() { State::New } else { State::Unknown });
        };
        let parse = || -> Result<Option<(JournalId, Tip)>, Short> {
            let mut fields = Fields::new(&row);
            if fields.u16()? != VERSION {
                return Ok(None);
            }
            let journal = JournalId(fields.array()?);
            Ok(Some((journal, Tip::decode(&mut fields)?)))
        };
        Ok(match parse() {
            Ok(Some((journal, tip))) => State::Complete(journal, tip),
            Ok(None) | Err(Short) => State::Unknown,
        })
    }

    /// Adds a commit: what `batch` says of it, and where `record`, the one at `tip`, put it.
    pub(super) fn apply(
        &self,
        batch: &Batch,
        record: &Record<'_>,
        journal: JournalId,
        tip: &Tip,
    ) -> Result<(), IndexError> {
        let mut rows = sled::Batch::default();
        let start = tip.position;
        let place = |offset: u64| Position { offset: start.offset + offset, ..start };
        let leaves = batch.entries().iter().zip(record.leaf_offsets());
        for ((entry, offset), index) in leaves.zip(batch.from().size..) {
            rows.insert(
                key(b'e', &[&index.to_be_bytes()]),
                entry_row(entry, place(offset), record.time)?,
            );
            rows.insert(key(b'h', &[entry.leaf_hash.as_bytes()]), &index.to_be_bytes());
            for term in &entry.terms {
                rows.insert(posting(term, index), &[]);
            }
        }
        for (body, offset) in record.bodies.iter().zip(record.body_offsets()) {
            let mut row = Vec::with_capacity(20);
            put(&mut row, place(offset));
            row.extend_from_slice(&body.length.to_be_bytes());
            rows.insert(key(b'b', &[body.hash.as_bytes()]), row);
        }
        for (node, hash) in batch.nodes().iter().filter(|(node, _)| node.level > 0) {
            rows.insert(node_key(*node), hash.as_bytes());
        }
        rows.insert(time_key(record.time, batch.from().size), &[]);
        let mut state = Vec::with_capacity(122);
        state.extend_from_slice(&VERSION.to_be_bytes());
        state.extend_from_slice(&journal.0);
        tip.encode(&mut state);
        rows.insert(b"m", state);
        self.database.apply_batch(rows)?;
        Ok(())
    }

    pub(super) fn entry(&self, index: u64) -> Result<Option<EntryRow>, IndexError> {
        self.row(b'e', &index.to_be_bytes(), |fields| {
            let at = position(fields)?;
            let length = fields.u16()?;
            let time = Timestamp::from_microsecond(fields.i64()?).map_err(|_| Short)?;
            let has_body = fields.u8()?;
            let hash = fields.digest()?;
            let body = (has_body == 1).then_some(hash);
            Ok(EntryRow { at, length, time, body, leaf_hash: fields.digest()? })
        })
    }

    pub(super) fn body(&self, hash: &Sha256) -> Result<Option<BodyRow>, IndexError> {
        self.row(b'b', hash.as_bytes(), |fields| {
            let row = BodyRow { at: position(fields)?, length: fields.u32()? };
            // What a row says is how much memory reading the body takes.
            if row.length as usize <= MAX_BODY_BYTES { Ok(row) } else { Err(Short) }
        })
    }

    pub(super) fn node(&self, node: Node) -> Result<Option<Sha256>, IndexError> {
        if node.level == 0 {
            return Ok(self.entry(node.index)?.map(|row| row.leaf_hash));
        }
        let name = [&[node.level][..], &node.index.to_be_bytes()].concat();
        self.row(b'n', &name, |fields| fields.digest())
    }

    pub(super) fn index_of(&self, leaf_hash: &Sha256) -> Result<Option<u64>, IndexError> {
        self.row(b'h', leaf_hash.as_bytes(), |fields| fields.u64())
    }

    /// The first entry with `term` at `start` or after it.
    pub(super) fn next(&self, term: &Term, start: u64) -> Result<Option<u64>, IndexError> {
        let range = posting(term, start)..=posting(term, u64::MAX);
        self.database
            .range(range)
            .next()
            .transpose()?
            .map(|(key, _)| last_number(&key, 'p'))
            .transpose()
    }

    /// The first entry of the first commit at `time` or after it.
    pub(super) fn first_at(&self, time: Timestamp) -> Result<Option<u64>, IndexError> {
        let range = time_key(time, 0)..=time_key(Timestamp::MAX, u64::MAX);
        self.database
            .range(range)
            .next()
            .transpose()?
            .map(|(key, _)| last_number(&key, 't'))
            .transpose()
    }

    fn row<T>(
        &self,
        kind: u8,
        name: &[u8],
        parse: impl FnOnce(&mut Fields<'_>) -> Result<T, Short>,
    ) -> Result<Option<T>, IndexError> {
        let Some(row) = self.database.get(key(kind, &[name]))? else { return Ok(None) };
        let mut fields = Fields::new(&row);
        let damaged = |Short| IndexError::Row(char::from(kind));
        let value = parse(&mut fields).map_err(damaged)?;
        if fields.rest().is_empty() { Ok(Some(value)) } else { Err(damaged(Short)) }
    }
}

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

fn posting(term: &Term, index: u64) -> Vec<u8> {
    key(b'p', &[term.digest().as_bytes(), &index.to_be_bytes()])
}

fn node_key(node: Node) -> Vec<u8> {
    key(b'n', &[&[node.level], &node.index.to_be_bytes()])
}

fn time_key(time: Timestamp, first: u64) -> Vec<u8> {
    // The flipped sign makes byte order the order of times before and after 1970.
    let ordered = time.as_microsecond().cast_unsigned() ^ (1 << 63);
    key(b't', &[&ordered.to_be_bytes(), &first.to_be_bytes()])
}

fn last_number(key: &[u8], kind: char) -> Result<u64, IndexError> {
    key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(IndexError::Row(kind))
}

fn entry_row(entry: &BatchEntry, at: Position, time: Timestamp) -> Result<Vec<u8>, IndexError> {
    let mut row = Vec::with_capacity(91);
    put(&mut row, at);
    let length = u16::try_from(entry.leaf.len()).map_err(|_| IndexError::Row('e'))?;
    row.extend_from_slice(&length.to_be_bytes());
    row.extend_from_slice(&time.as_microsecond().to_be_bytes());
    row.push(u8::from(entry.body.is_some()));
    row.extend_from_slice(entry.body.map_or([0; 32], |hash| *hash.as_bytes()).as_slice());
    row.extend_from_slice(entry.leaf_hash.as_bytes());
    Ok(row)
}

fn put(row: &mut Vec<u8>, at: Position) {
    row.extend_from_slice(&at.segment.to_be_bytes());
    row.extend_from_slice(&at.offset.to_be_bytes());
}

fn position(fields: &mut Fields<'_>) -> Result<Position, Short> {
    Ok(Position { segment: fields.u64()?, offset: fields.u64()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_the_order_of_their_keys() {
        let at = |micros| time_key(Timestamp::from_microsecond(micros).unwrap(), 0);
        let times = [-5_000_000_000, -1, 0, 1, 1_700_000_000_000_000];
        assert!(times.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
        assert!(at(1) < time_key(Timestamp::from_microsecond(1).unwrap(), 1));
    }

    #[test]
    fn a_folder_that_is_no_index_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index");
        std::fs::write(&file, b"not a folder").unwrap();
        assert!(Index::open(&file, 1 << 20).is_err());
    }

    #[test]
    fn an_index_without_its_state_row_is_unknown_unless_new() {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(folder.path(), 1 << 20).unwrap();
        assert_eq!(index.state().unwrap(), State::New);
        index.database.insert(b"x", b"y").unwrap();
        assert_eq!(index.state().unwrap(), State::Unknown);
        index.database.insert(b"m", b"\0\x01short").unwrap();
        assert_eq!(index.state().unwrap(), State::Unknown);
        index.database.insert(b"e\0\0\0\0\0\0\0\0", b"short").unwrap();
        assert!(matches!(index.entry(0), Err(IndexError::Row('e'))));
        assert_eq!(index.entry(1).unwrap(), None);
    }
}
