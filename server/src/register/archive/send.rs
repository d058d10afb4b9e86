//! Bringing an archive up to a register, which may be in use.
//!
//! Every closed segment is read, record by record, and its bodies are held against their hashes:
//! so damage is noticed while there is an archive to restore from, and never sent. A body that is
//! all zeros was lost, unless a tombstone of it is registered, and then what is sent goes as far
//! as that. Which bytes those are decides whether they are there already. At most one segment is
//! in memory.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use attest::hash::Progress;
use attest::{ArtifactId, Checkpoint, NoteSigner, Sha256};

use super::super::buried;
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
    let published = *published.tip();
    // Again: the segment that this is in may have been started meanwhile.
    let segments = Segments::open(Arc::clone(&disk))?.unwrap_or(segments);
    let closed = closed(&segments, &published);
    if closed.len() > MAX_SEGMENTS {
        return Err(ArchiveError::TooMany);
    }
    let signer = NoteSigner::new(&identity.origin, read_key(from)?).map_err(FolderError::from)?;
    let number = newest(archive).await?;
    let earlier = match number {
        0 => Vec::new(),
        number => read_list(archive, number, signer.verifier()).await?.1,
    };
    require_same(&segments, &closed, &published, &earlier)?;

    progress.start(lengths(&segments, &closed)?);
    let mut sender = Sender {
        disk,
        segments: &segments,
        earlier: &earlier,
        archive,
        buried: HashMap::new(),
        needed: 0,
        parts: Vec::with_capacity(closed.len()),
        sent: 0,
        bytes: 0,
    };
    let done = sender.send(&closed, &published, progress).await;
    progress.finish();
    done?;
    let Sender { parts, sent, bytes, .. } = sender;
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

/// Makes sure that the archive is of this register, and that the register has all that it has. What
/// was archived last may have been a part of a segment that was open then.
fn require_same(
    segments: &Segments,
    closed: &[(u64, u64)],
    published: &Tip,
    earlier: &[Part],
) -> Result<(), ArchiveError> {
    for (number, part) in earlier.iter().enumerate() {
        let (first, last) = match closed.get(number) {
            Some(segment) => *segment,
            None if number == closed.len() => (open_after(closed), published.sequence),
            None => (0, 0),
        };
        let tree = if (first, last) == (part.first, part.last) && number < closed.len() {
            segments.tip_before(last + 1)?.tree
        } else if number + 1 == earlier.len() && first == part.first && part.last <= last {
            tree_at(segments, first, part.last)?
        } else if number < closed.len() {
            return Err(ArchiveError::Fork { sequence: part.first });
        } else {
            let archived = earlier.last().map_or(0, |part| part.tree.size);
            let size = closed.last().map_or(Ok(0), |(_, last)| {
                segments.tip_before(last + 1).map(|tip| tip.tree.size)
            })?;
            return Err(ArchiveError::Ahead { archived, size });
        };
        if tree != part.tree {
            return Err(ArchiveError::Fork { sequence: part.first });
        }
    }
    Ok(())
}

/// First sequence of the segment after those that are closed.
fn open_after(closed: &[(u64, u64)]) -> u64 {
    closed.last().map_or(1, |(_, last)| last + 1)
}

/// The tree after the record `last` of the segment that starts with `first`.
fn tree_at(segments: &Segments, first: u64, last: u64) -> Result<Tree, JournalError> {
    let mut walk = Walk::from(segments, first)?;
    // Each round passes a record.
    while walk.tip().sequence < last {
        let Step::Record(..) = walk.step()? else {
            return Err(JournalError::Corrupt { position: walk.next() });
        };
    }
    Ok(walk.tip().tree)
}

fn lengths(segments: &Segments, closed: &[(u64, u64)]) -> Result<u64, JournalError> {
    let mut total = 0_u64;
    for (first, _) in closed {
        let length = segments.file(*first)?.length();
        total += length.map_err(JournalError::io("read", "journal"))?;
    }
    Ok(total)
}

/// What sends the segments.
struct Sender<'a> {
    disk: Arc<dyn Disk>,
    segments: &'a Segments,
    earlier: &'a [Part],
    archive: &'a Archive,
    /// What was erased from the register, and the record that has the tombstone: read once a body
    /// is found that is all zeros, and again for one that it does not name.
    buried: HashMap<ArtifactId, u64>,
    /// The last record with a tombstone of a body that is sent as zeros.
    needed: u64,
    parts: Vec<Part>,
    sent: u64,
    bytes: u64,
}

impl Sender<'_> {
    async fn send(
        &mut self,
        closed: &[(u64, u64)],
        published: &Tip,
        progress: &dyn Progress,
    ) -> Result<(), ArchiveError> {
        for (first, last) in closed {
            let end = self.segments.tip_before(last + 1)?;
            let (bytes, tree) = self.read(*first, *last, &end)?;
            let length = bytes.len() as u64;
            self.part(*first, *last, bytes, tree).await?;
            progress.advance(length);
        }
        // Nobody believes zeros without their tombstone: the open segment goes along up to it.
        let first = open_after(closed);
        let mut open: Option<(u64, Vec<u8>, Tree)> = None;
        // Each round goes further, and none goes beyond what is published.
        while self.needed >= open.as_ref().map_or(first, |(last, ..)| last + 1) {
            let last = self.needed;
            if last > published.sequence {
                return Err(ArchiveError::Erasing);
            }
            let (bytes, tree) = self.read(first, last, published)?;
            open = Some((last, bytes, tree));
        }
        if let Some((last, bytes, tree)) = open {
            self.part(first, last, bytes, tree).await?;
        }
        Ok(())
    }

    /// Sends a segment, unless it is there.
    async fn part(
        &mut self,
        first: u64,
        last: u64,
        bytes: Vec<u8>,
        tree: Tree,
    ) -> Result<(), ArchiveError> {
        let length = bytes.len() as u64;
        let digest = Sha256::of(&bytes);
        let part = Part { first, last, bytes: length, digest, tree };
        // What is listed was read back when it was sent: only its length is asked for.
        let is_listed = self.earlier.get(self.parts.len()) == Some(&part);
        let is_there = is_listed && self.archive.length(&part.name()).await? == Some(length);
        if !is_there && self.archive.add(&part.name(), bytes).await? {
            self.sent += 1;
            self.bytes += length;
        }
        self.parts.push(part);
        Ok(())
    }

    /// What counts of a segment up to the record `last`, and the tree after it. Behind it the
    /// segment leads to `end`.
    fn read(&mut self, first: u64, last: u64, end: &Tip) -> Result<(Vec<u8>, Tree), ArchiveError> {
        let start = Position { segment: first, offset: 0 };
        let mut bytes = self.segments.read(start, HEADER_BYTES as usize)?;
        let mut walk = Walk::from(self.segments, first)?;
        let entries = walk.tip().tree.size;
        let mut tree = walk.tip().tree;
        let damaged = |position| ArchiveError::Unsound(Fault::Record { position, entries });
        // Each round passes a record.
        while walk.tip().sequence < end.sequence {
            let position = walk.next();
            match walk.step() {
                Ok(Step::Record(_, tip)) if tip.sequence > last => {}
                Ok(Step::Record(record, tip)) => {
                    self.require_bodies(&record)?;
                    bytes.extend_from_slice(&record);
                    tree = tip.tree;
                }
                Ok(Step::Damaged | Step::End) | Err(JournalError::Corrupt { .. }) => {
                    return Err(damaged(position));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if (end.checksum, end.tree) != (walk.tip().checksum, walk.tip().tree) {
            return Err(damaged(walk.next()));
        }
        Ok((bytes, tree))
    }

    /// Every body of a record is what its hash says, or was erased: then a tombstone is registered.
    fn require_bodies(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let id = self.segments.identity().id;
        let (record, _) = Record::parse(bytes, id).map_err(JournalError::from)?;
        for (body, found) in record.bodies_in(bytes) {
            if Sha256::of(found) == body.hash {
                continue;
            }
            let damaged = || StorageError::Damaged(Damaged::Body(body.hash));
            if found.iter().all(|byte| *byte == 0) {
                let tombstone = self.tombstone(&body.hash)?.ok_or_else(damaged)?;
                self.needed = self.needed.max(tombstone);
            } else if erasing::pending(self.segments)?.is_some_and(|one| one.body == body.hash) {
                return Err(ArchiveError::Erasing);
            } else {
                return Err(damaged().into());
            }
        }
        Ok(())
    }

    /// The record with the first tombstone of a body.
    fn tombstone(&mut self, body: &Sha256) -> Result<Option<u64>, JournalError> {
        let body = ArtifactId::file(*body);
        if !self.buried.contains_key(&body) {
            self.buried = buried::all(&self.disk)?;
        }
        Ok(self.buried.get(&body).copied())
    }
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
