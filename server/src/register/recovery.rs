//! Opening a journal after whatever happened to it.
//!
//! What was published is trusted and must be there: a journal that leads to less, or to another
//! tree, is refused. What stands after it was never acknowledged. Whole records there are kept,
//! but not believed to last (their sync may have failed): they are written anew to a segment of
//! their own, synced, and only then published. Bytes that are no whole record are copied to a
//! file for inspection. What both leave in the segment before is cut off, together with the room
//! that it had: so a power cut takes no more room than what was written, however many there are. A damaged record with whole ones after it is no torn
//! tail, it is corruption: refused, never skipped.
//!
//! Nothing is changed before the journal was found to be good.

use std::sync::Arc;

use super::disk::Disk;
use super::erasing;
use super::journal::{Journal, JournalError};
use super::published::{Position, Published, Tip};
use super::record::{ALIGNMENT, Record};
use super::segment::{FOLDER, Found, HEADER_BYTES, Segments, path_of};
use super::walk::{Step, Walk};

/// How much is read at once when looking through what a crash left, in bytes.
const CHUNK_BYTES: usize = 1 << 20;
/// How many files with bytes that were put aside are kept; of older ones only the name is.
const MAX_ASIDES: usize = 8;

/// What opening a journal had to do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Recovery {
    /// Commits that were whole on disk but had not been published, and were taken over.
    pub commits: usize,
    /// Where bytes of an unfinished commit were put, as a path in the register's folder.
    pub aside: Option<String>,
}

/// Opens the journal on `disk` and brings it to a state in which commits can follow.
pub(super) fn open(
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
) -> Result<(Journal, Published, Recovery), JournalError> {
    let (journal, published, recovery) = open_journal(disk, segment_bytes)?;
    erasing::finish(journal.segments())?;
    Ok((journal, published, recovery))
}

fn open_journal(
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
) -> Result<(Journal, Published, Recovery), JournalError> {
    let Some(segments) = Segments::open(Arc::clone(&disk))? else {
        return Err(match Published::open(disk.as_ref(), None)? {
            Some(published) if published.tip().sequence > 0 => {
                JournalError::Behind { published: published.tip().tree.size, recovered: 0 }
            }
            _ => JournalError::NotFound,
        });
    };
    let segments = Arc::new(segments);
    let mut published = match Published::open(disk.as_ref(), Some(segments.identity().id))? {
        Some(published) => published,
        None if is_new(&segments)? => {
            Published::create(disk.as_ref(), segments.identity().id, Tip::empty())?
        }
        None => return Err(JournalError::MissingPublished),
    };
    let tail = find_tail(&segments, published.tip())?;
    // A process that was killed may have left names that are seen and do not last yet: before
    // anything more is acknowledged under them, they must.
    for folder in [FOLDER, ""] {
        disk.sync_folder(folder).map_err(JournalError::io("sync", folder))?;
    }

    let mut recovery = Recovery { commits: tail.records.len(), aside: None };
    if tail.records.is_empty() && !tail.is_damaged {
        let journal = Journal::at(segments, tail.trusted, tail.end, segment_bytes);
        if journal.tip() != published.tip() {
            published.write(*journal.tip())?;
        }
        return Ok((journal, published, recovery));
    }
    if tail.is_damaged {
        recovery.aside = Some(set_aside(&segments, tail.end)?);
    }
    let mut journal = Journal::at(Arc::clone(&segments), tail.trusted, tail.end, segment_bytes);
    journal.start_segment(&tail.records)?;
    // Before these records are published: whoever is cut off here finds them, and comes here again.
    if tail.trusted.sequence > 0 {
        segments.trim(Walk::after(&segments, &tail.trusted)?.next())?;
    }
    let (tip, end) = last_of(&segments, tail.trusted)?;
    let journal = Journal::at(segments, tip, end, segment_bytes);
    published.write(tip)?;
    Ok((journal, published, recovery))
}

/// Whether the journal was only just made: one segment, no record. The file `published` is made
/// after it.
fn is_new(segments: &Segments) -> Result<bool, JournalError> {
    let start = Position { segment: 1, offset: HEADER_BYTES };
    Ok(segments.first() == Some(1)
        && segments.last() == Some(1)
        && matches!(segments.look(start)?, Found::Blank))
}

/// What stands after the published tip.
struct Tail {
    /// The last tip that is known to last.
    trusted: Tip,
    /// Whole records after it; all in the last segment.
    records: Vec<Vec<u8>>,
    /// Where they end.
    end: Position,
    /// Whether bytes follow that are no whole record.
    is_damaged: bool,
}

fn find_tail(segments: &Segments, published: &Tip) -> Result<Tail, JournalError> {
    let mut walk = match Walk::after(segments, published) {
        Ok(walk) => walk,
        Err(JournalError::Missing { .. }) => return Err(diagnose(segments, published)?),
        Err(error) => return Err(error),
    };
    let last = segments.last().ok_or(JournalError::NotFound)?;
    let mut trusted = *published;
    let mut records = Vec::new();
    loop {
        let end = walk.next();
        let is_damaged = match walk.step()? {
            // A segment was only ever started after all before it was published.
            Step::Record(_, tip) if tip.position.segment != last => {
                trusted = tip;
                continue;
            }
            Step::Record(bytes, _) if bodies_are_whole(&bytes, segments)? => {
                records.push(bytes);
                continue;
            }
            // The record's own part is whole and its bodies are not: as torn as any other.
            Step::Record(..) | Step::Damaged => true,
            Step::End => false,
        };
        // A step may have gone on to the next segment before it found nothing.
        let end = if is_damaged && end.segment == last { end } else { walk.next() };
        if is_damaged {
            refuse_if_followed(segments, end, last)?;
        } else if end.segment != last {
            return Err(JournalError::Corrupt { position: end });
        }
        return Ok(Tail { trusted, records, end, is_damaged });
    }
}

pub(super) fn bodies_are_whole(bytes: &[u8], segments: &Segments) -> Result<bool, JournalError> {
    let (record, _) = Record::parse(bytes, segments.identity().id)?;
    Ok(record.bodies.iter().zip(record.body_offsets()).all(|(body, offset)| {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(body.length as usize);
        bytes.get(start..end).is_some_and(|found| attest::Sha256::of(found) == body.hash)
    }))
}

/// An unfinished commit is the last thing in a journal. If anything whole follows, it is not that.
pub(super) fn refuse_if_followed(
    segments: &Segments,
    at: Position,
    last: u64,
) -> Result<(), JournalError> {
    let corrupt = Err(JournalError::Corrupt { position: at });
    if at.segment != last {
        return corrupt;
    }
    let path = path_of(at.segment);
    let length = segments.file(at.segment)?.length().map_err(JournalError::io("read", &path))?;
    let mut offset = at.offset + ALIGNMENT;
    while offset < length {
        let place = Position { offset, ..at };
        if let Found::Record(_) = segments.look(place)? {
            return corrupt;
        }
        offset += ALIGNMENT;
    }
    Ok(())
}

/// Why the published record is not where it should be.
fn diagnose(segments: &Segments, published: &Tip) -> Result<JournalError, JournalError> {
    let behind = |recovered| JournalError::Behind { published: published.tree.size, recovered };
    let Some(first) = segments.holding(published.sequence) else { return Ok(behind(0)) };
    let mut walk = Walk::from(segments, first)?;
    loop {
        let before = walk.next();
        match walk.step()? {
            Step::Record(_, tip) if tip.sequence < published.sequence => {}
            Step::Record(_, tip) if tip.tree.root != published.tree.root => {
                return Ok(JournalError::Forked {
                    size: tip.tree.size,
                    published: published.tree.root,
                    found: tip.tree.root,
                });
            }
            Step::Record(..) => return Ok(JournalError::Corrupt { position: before }),
            Step::Damaged => {
                let last = segments.last().unwrap_or(first);
                refuse_if_followed(segments, walk.next(), last)?;
                return Ok(behind(walk.tip().tree.size));
            }
            Step::End => return Ok(behind(walk.tip().tree.size)),
        }
    }
}

/// Copies what stands from `from` to the last byte that is not zero into a file of its own.
fn set_aside(segments: &Segments, from: Position) -> Result<String, JournalError> {
    let source_path = path_of(from.segment);
    let read = JournalError::io("read", &source_path);
    let source = segments.file(from.segment)?;
    let length = source.length().map_err(&read)?;

    let names = segments.disk().names(FOLDER).map_err(JournalError::io("list", FOLDER))?;
    let earlier = names.iter().filter(|name| name.starts_with("aside-")).count();
    let path = format!("{FOLDER}/aside-{earlier}-{}-{}.bin", from.segment, from.offset);
    let write = JournalError::io("write", &path);
    let file = segments.disk().create(&path).map_err(&write)?;
    let mut offset = from.offset;
    while offset < length {
        let left = usize::try_from(length - offset).unwrap_or(usize::MAX);
        let mut chunk = vec![0; left.min(CHUNK_BYTES)];
        source.read_at(&mut chunk, offset).map_err(&read)?;
        let used = chunk.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if let Some(used) = chunk.get(..used).filter(|used| !used.is_empty()) {
            file.write_at(used, offset - from.offset).map_err(&write)?;
        }
        offset += chunk.len() as u64;
    }
    file.sync().map_err(&write)?;
    segments.disk().sync_folder(FOLDER).map_err(JournalError::io("sync", FOLDER))?;
    // Each new one takes the room of one before: whatever the power does, they do not fill a disk.
    if let Some(number) = earlier.checked_sub(MAX_ASIDES) {
        let start = format!("aside-{number}-");
        for name in names.iter().filter(|name| name.starts_with(&start)) {
            let path = format!("{FOLDER}/{name}");
            let cut = segments.disk().open(&path).and_then(|file| file.truncate(0));
            cut.map_err(JournalError::io("cut off", &path))?;
        }
    }
    Ok(path)
}

/// The last tip after `trusted`, and where it ends, of a journal that was just put in order.
fn last_of(segments: &Segments, trusted: Tip) -> Result<(Tip, Position), JournalError> {
    let mut walk = Walk::after(segments, &trusted)?;
    loop {
        match walk.step()? {
            Step::Record(..) => {}
            Step::End => return Ok((*walk.tip(), walk.next())),
            Step::Damaged => return Err(JournalError::Corrupt { position: walk.next() }),
        }
    }
}

#[cfg(test)]
mod tests;
