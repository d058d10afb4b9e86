//! Bringing an archive up to a register, which may be in use.
//!
//! Every closed segment is read, record by record, and its bodies are held against their hashes:
//! so damage is noticed while there is an archive to restore from, and never sent. Which bytes
//! those are decides whether they are there already. At most one segment is in memory.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use attest::hash::Progress;
use attest::{Checkpoint, NoteSigner, Sha256};

use super::super::disk::{Disk, FolderDisk};
use super::super::erasing;
use super::super::folder::{FolderError, read_key};
use super::super::fsck::Fault;
use super::super::journal::JournalError;
use super::super::published::{Position, Published, Tip};
use super::super::record::Record;
use super::super::segment::{HEADER_BYTES, Segments};
use super::super::storage::{Damaged, StorageError};
use super::super::tree::Tree;
use super::super::walk::{Step, Walk};
use super::list::{self, MAX_SEGMENTS, Part};
use super::restore::{at, newest, read_list};
use super::{Archive, ArchiveError};

/// What an archive has, and what of it is new.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Archived {
    /// The tree that its segments lead to.
    pub checkpoint: Checkpoint,
    /// How many segments it has.
    pub segments: u64,
    /// How many of them were sent.
    pub sent: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// How many objects were removed because they had a body that was erased.
    pub removed: u64,
}

/// Brings `archive` up to the register in `from`. The progress counts bytes of the register that
/// were read.
///
/// # Errors
/// [`ArchiveError`]; what the archive had before counts then.
pub async fn archive(
    from: &Path,
    archive: &Archive,
    progress: &dyn Progress,
) -> Result<Archived, ArchiveError> {
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::new(from));
    let segments = Segments::open(Arc::clone(&disk))?.ok_or(JournalError::NotFound)?;
    let identity = segments.identity().clone();
    let published =
        Published::open(disk.as_ref(), Some(identity.id))?.ok_or(JournalError::MissingPublished)?;
    let closed = closed(&segments, published.tip());
    if closed.len() > MAX_SEGMENTS {
        return Err(ArchiveError::TooMany);
    }
    let signer = NoteSigner::new(&identity.origin, read_key(from)?).map_err(FolderError::from)?;
    let number = newest(archive).await?;
    let earlier = match number {
        0 => Vec::new(),
        number => read_list(archive, number, signer.verifier()).await?.1,
    };
    require_same(&segments, &closed, &earlier)?;

    progress.start(lengths(&segments, &closed)?);
    let sent = send(&segments, &closed, &earlier, archive, progress).await;
    progress.finish();
    let Sent { parts, sent, bytes } = sent?;
    let end = parts.last().map_or_else(Tree::empty, |part| part.tree);
    if parts != earlier {
        let text = list::write(&parts);
        let digest = Sha256::of(text.as_bytes());
        archive.add(&list::name_of(&digest), text.into_bytes()).await?;
        let note = list::sign(&signer, end, &digest).map_err(FolderError::from)?;
        // Last: from here on what was sent counts.
        match archive.add(&at(number + 1), note.into_bytes()).await {
            Ok(true) => {}
            Ok(false) | Err(ArchiveError::Different(_)) => return Err(ArchiveError::Busy),
            Err(error) => return Err(error),
        }
    }
    let checkpoint = Checkpoint { origin: identity.origin, size: end.size, root: end.root };
    let removed = remove_superseded(archive, number, &parts, &earlier, &signer).await?;
    Ok(Archived { checkpoint, segments: parts.len() as u64, sent, bytes, removed })
}

/// First and last sequence of every segment that another one follows.
fn closed(segments: &Segments, published: &Tip) -> Vec<(u64, u64)> {
    let firsts = segments.firsts();
    let next = firsts.iter().skip(1);
    let pairs = firsts.iter().zip(next).map(|(first, next)| (*first, next - 1));
    pairs.take_while(|(_, last)| *last <= published.sequence).collect()
}

/// Makes sure that the archive is of this register, and that the register has all that it has.
fn require_same(
    segments: &Segments,
    closed: &[(u64, u64)],
    earlier: &[Part],
) -> Result<(), ArchiveError> {
    for (number, part) in earlier.iter().enumerate() {
        let Some((first, last)) = closed.get(number) else {
            let archived = earlier.last().map_or(0, |part| part.tree.size);
            let size = closed.last().map_or(Ok(0), |(_, last)| {
                segments.tip_before(last + 1).map(|tip| tip.tree.size)
            })?;
            return Err(ArchiveError::Ahead { archived, size });
        };
        let tree = segments.tip_before(last + 1)?.tree;
        if (*first, *last, tree) != (part.first, part.last, part.tree) {
            return Err(ArchiveError::Fork { sequence: part.first });
        }
    }
    Ok(())
}

fn lengths(segments: &Segments, closed: &[(u64, u64)]) -> Result<u64, JournalError> {
    let mut total = 0_u64;
    for (first, _) in closed {
        let length = segments.file(*first)?.length();
        total += length.map_err(JournalError::io("read", "journal"))?;
    }
    Ok(total)
}

/// What became of the segments.
struct Sent {
    parts: Vec<Part>,
    sent: u64,
    bytes: u64,
}

async fn send(
    segments: &Segments,
    closed: &[(u64, u64)],
    earlier: &[Part],
    archive: &Archive,
    progress: &dyn Progress,
) -> Result<Sent, ArchiveError> {
    let mut all = Sent { parts: Vec::with_capacity(closed.len()), sent: 0, bytes: 0 };
    for (number, (first, last)) in closed.iter().enumerate() {
        let (bytes, tree) = read(segments, *first, *last)?;
        let length = bytes.len() as u64;
        let digest = Sha256::of(&bytes);
        let part = Part { first: *first, last: *last, bytes: length, digest, tree };
        // What is listed was read back when it was sent: only its length is asked for.
        let is_listed = earlier.get(number) == Some(&part);
        let is_there = is_listed && archive.length(&part.name()).await? == Some(length);
        if !is_there && archive.add(&part.name(), bytes).await? {
            all.sent += 1;
            all.bytes += length;
        }
        all.parts.push(part);
        progress.advance(length);
    }
    Ok(all)
}

/// What counts of a closed segment, and the tree after it.
fn read(segments: &Segments, first: u64, last: u64) -> Result<(Vec<u8>, Tree), ArchiveError> {
    let start = Position { segment: first, offset: 0 };
    let mut bytes = segments.read(start, HEADER_BYTES as usize)?;
    let mut walk = Walk::from(segments, first)?;
    let entries = walk.tip().tree.size;
    let damaged = |position| ArchiveError::Unsound(Fault::Record { position, entries });
    // Each round passes a record.
    while walk.tip().sequence < last {
        let position = walk.next();
        match walk.step() {
            Ok(Step::Record(record, _)) => {
                require_bodies(&record, segments)?;
                bytes.extend_from_slice(&record);
            }
            Ok(Step::Damaged | Step::End) | Err(JournalError::Corrupt { .. }) => {
                return Err(damaged(position));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let next = segments.tip_before(last + 1)?;
    if (next.checksum, next.tree) != (walk.tip().checksum, walk.tip().tree) {
        return Err(damaged(walk.next()));
    }
    Ok((bytes, next.tree))
}

/// Every body of a record is what its hash says, or was erased.
fn require_bodies(bytes: &[u8], segments: &Segments) -> Result<(), ArchiveError> {
    let (record, _) = Record::parse(bytes, segments.identity().id).map_err(JournalError::from)?;
    for (body, offset) in record.bodies.iter().zip(record.body_offsets()) {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = bytes.get(start..start.saturating_add(body.length as usize));
        let found = found.unwrap_or_default();
        if found.iter().any(|byte| *byte != 0) && Sha256::of(found) != body.hash {
            if erasing::pending(segments)?.is_some_and(|erasing| erasing.body == body.hash) {
                return Err(ArchiveError::Erasing);
            }
            return Err(StorageError::Damaged(Damaged::Body(body.hash)).into());
        }
    }
    Ok(())
}

/// Removes what only earlier checkpoints name: segments with a body that was erased since. Also
/// what a run that was cut off should have removed.
async fn remove_superseded(
    archive: &Archive,
    number: u64,
    parts: &[Part],
    earlier: &[Part],
    signer: &NoteSigner,
) -> Result<u64, ArchiveError> {
    let mut before: BTreeSet<String> = earlier.iter().map(Part::name).collect();
    if parts == earlier && number > 1 {
        let (_, parts) = read_list(archive, number - 1, signer.verifier()).await?;
        before.extend(parts.iter().map(Part::name));
    }
    let now: BTreeSet<String> = parts.iter().map(Part::name).collect();
    let mut removed = 0;
    for name in before.difference(&now) {
        removed += u64::from(archive.remove(name).await?);
    }
    Ok(removed)
}
