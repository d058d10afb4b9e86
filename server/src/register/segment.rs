//! The journal's files: preallocated segments, each with a header, filled with records.
//!
//! A segment's name is the sequence of its first record, in 20 digits, and `.seg`. What a segment
//! holds from the next segment's first sequence on was superseded and does not count: recovery cuts
//! it off once the next segment lasts. Files are never removed here, and a byte of a published
//! record is never written again, except to erase a body.
//!
//! # Header, version 1 (final)
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 8 | `ASSAYSEG` |
//! | 8 | 2 | version, 1 |
//! | 10 | 2 | length of the origin, 1 to 255 |
//! | 12 | 4 | zero |
//! | 16 | 16 | journal id |
//! | 32 | 8 | sequence of the first record |
//! | 40 | 32 | checksum of the record before it; zeros in the first segment |
//! | 72 | 8 + 32 | size and root of the tree before it |
//! | 112 | 8 | time of the commit before it, signed microseconds since 1970 |
//! | 120 | … | origin of the register, UTF-8, then zeros |
//! | 480 | 32 | SHA-256 of the bytes 0 to 480 |
//! | 512 | … | records |

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use attest::{Sha256, Timestamp};

use super::disk::{Disk, DiskFile};
use super::fields::{Fields, Short};
use super::journal::JournalError;
use super::published::{Position, Tip};
use super::record::{JournalId, Lengths, Record};
use super::tree::Tree;

/// Length of a segment's header, in bytes; the first record starts there.
pub(super) const HEADER_BYTES: u64 = 512;
/// Longest origin, in bytes.
pub(super) const MAX_ORIGIN_BYTES: usize = 255;
/// Folder of the segments, in the register's folder.
pub(super) const FOLDER: &str = "journal";

const MAGIC: &[u8; 8] = b"ASSAYSEG";
const VERSION: u16 = 1;
pub(super) const CHECKED_BYTES: usize = 480;
/// Most segments that are kept open.
const MAX_HANDLES: usize = 64;
/// How much of a record is read at first; small records are then complete.
const FIRST_READ_BYTES: u64 = 4096;

/// What a journal says of itself in the header of every segment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    pub(super) id: JournalId,
    pub(super) origin: String,
}

/// What stands at a place in a segment where a record could start.
pub(super) enum Found {
    /// A whole record: its bytes from start to padding.
    Record(Vec<u8>),
    /// Nothing was ever written here, or the segment ends.
    Blank,
    /// Bytes that are not a whole record.
    Damaged,
}

/// The segments of one journal, open for reading.
pub(super) struct Segments {
    disk: Arc<dyn Disk>,
    identity: Identity,
    firsts: RwLock<BTreeSet<u64>>,
    handles: Mutex<HashMap<u64, Arc<dyn DiskFile>>>,
}

impl Segments {
    /// The segments of a journal that has none yet.
    pub(super) fn new(disk: Arc<dyn Disk>, identity: Identity) -> Result<Self, JournalError> {
        if identity.origin.is_empty() || identity.origin.len() > MAX_ORIGIN_BYTES {
            return Err(JournalError::Origin(identity.origin));
        }
        disk.make_folder(FOLDER).map_err(JournalError::io("make", FOLDER))?;
        disk.sync_folder("").map_err(JournalError::io("sync", ""))?;
        Ok(Self { disk, identity, firsts: RwLock::default(), handles: Mutex::default() })
    }

    /// Finds the segments on `disk`; `None` when there are none.
    pub(super) fn open(disk: Arc<dyn Disk>) -> Result<Option<Self>, JournalError> {
        let names = disk.names(FOLDER).map_err(JournalError::io("list", FOLDER))?;
        let firsts: BTreeSet<u64> = names.iter().filter_map(|name| first_of(name)).collect();
        let Some(last) = firsts.last().copied() else { return Ok(None) };
        let path = path_of(last);
        let file = disk.open(&path).map_err(JournalError::io("open", &path))?;
        let (identity, _) = read_header(file.as_ref(), last)?;
        Ok(Some(Self {
            disk,
            identity,
            firsts: RwLock::new(firsts),
            handles: Mutex::new(HashMap::from([(last, Arc::from(file))])),
        }))
    }

    pub(super) const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// First sequences of all segments, in order.
    pub(super) fn firsts(&self) -> Vec<u64> {
        self.firsts.read().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Length of all segments together, in bytes.
    pub(super) fn length(&self) -> Result<u64, JournalError> {
        let mut total = 0_u64;
        for first in self.firsts() {
            let path = path_of(first);
            // A segment of another journal is found when it is read.
            let file = self.disk.open(&path).map_err(JournalError::io("open", &path))?;
            let length = file.length().map_err(JournalError::io("read", &path))?;
            total = total.saturating_add(length);
        }
        Ok(total)
    }

    /// First sequence of the first segment.
    pub(super) fn first(&self) -> Option<u64> {
        self.firsts.read().unwrap_or_else(PoisonError::into_inner).first().copied()
    }

    /// First sequence of the last segment.
    pub(super) fn last(&self) -> Option<u64> {
        self.firsts.read().unwrap_or_else(PoisonError::into_inner).last().copied()
    }

    /// First sequence of the segment after the one that starts with `first`.
    pub(super) fn after(&self, first: u64) -> Option<u64> {
        let firsts = self.firsts.read().unwrap_or_else(PoisonError::into_inner);
        firsts.range(first.checked_add(1)?..).next().copied()
    }

    /// First sequence of the segment that `sequence` falls in.
    pub(super) fn holding(&self, sequence: u64) -> Option<u64> {
        let firsts = self.firsts.read().unwrap_or_else(PoisonError::into_inner);
        firsts.range(..=sequence).next_back().copied()
    }

    /// The tip that the segment which starts with `first` continues.
    pub(super) fn tip_before(&self, first: u64) -> Result<Tip, JournalError> {
        let file = self.file(first)?;
        let (identity, tip) = read_header(file.as_ref(), first)?;
        if identity != self.identity {
            return Err(JournalError::OtherSegment { path: path_of(first) });
        }
        Ok(tip)
    }

    /// Makes the segment that continues `tip` and holds `records`; whole and synced when it gets
    /// its name. Replaces a segment that starts with the same sequence.
    ///
    /// # Errors
    /// [`Failure::Nothing`] when no name was changed, [`Failure::Unknown`] when it may have been.
    pub(super) fn install(
        &self,
        tip: &Tip,
        records: &[Vec<u8>],
        length: u64,
    ) -> Result<(), Failure> {
        let first = tip.sequence + 1;
        let path = path_of(first);
        let new = format!("{path}.new");
        let broken = JournalError::io("make", &new);
        let file = self.disk.create(&new).map_err(|error| Failure::Nothing(broken(error)))?;
        let header = encode_header(&self.identity, tip).map_err(Failure::Nothing)?;
        let fill = || -> std::io::Result<()> {
            file.allocate(length)?;
            file.write_at(&header, 0)?;
            let mut offset = HEADER_BYTES;
            for record in records {
                file.write_at(record, offset)?;
                offset += record.len() as u64;
            }
            Ok(())
        };
        fill().map_err(|error| {
            // On a full disk it may have got some of the room, which nobody else then has.
            let _ = file.truncate(0);
            Failure::Nothing(broken(error))
        })?;
        let unknown = |error| Failure::Unknown(broken(error));
        file.sync().map_err(unknown)?;
        self.disk.rename(&new, &path).map_err(unknown)?;
        self.disk.sync_folder(FOLDER).map_err(unknown)?;
        self.firsts.write().unwrap_or_else(PoisonError::into_inner).insert(first);
        self.keep(first, Arc::from(file));
        Ok(())
    }

    /// Cuts a segment off at `end`, where nothing follows that counts. The caller has made sure
    /// that the segment after it lasts.
    pub(super) fn trim(&self, end: Position) -> Result<(), JournalError> {
        let path = path_of(end.segment);
        let broken = JournalError::io("cut off", &path);
        let file = self.file(end.segment)?;
        if file.length().map_err(&broken)? > end.offset {
            file.truncate(end.offset).map_err(&broken)?;
            file.sync().map_err(&broken)?;
        }
        Ok(())
    }

    /// The open file of a segment.
    pub(super) fn file(&self, first: u64) -> Result<Arc<dyn DiskFile>, JournalError> {
        if let Some(file) = self.handles.lock().unwrap_or_else(PoisonError::into_inner).get(&first)
        {
            return Ok(Arc::clone(file));
        }
        let path = path_of(first);
        let file: Arc<dyn DiskFile> =
            Arc::from(self.disk.open(&path).map_err(JournalError::io("open", &path))?);
        let (identity, _) = read_header(file.as_ref(), first)?;
        if identity != self.identity {
            return Err(JournalError::OtherSegment { path });
        }
        self.keep(first, Arc::clone(&file));
        Ok(file)
    }

    fn keep(&self, first: u64, file: Arc<dyn DiskFile>) {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if handles.len() >= MAX_HANDLES {
            handles.clear();
        }
        handles.insert(first, file);
    }

    /// Reads `length` bytes, which the caller has bounded.
    pub(super) fn read(&self, at: Position, length: usize) -> Result<Vec<u8>, JournalError> {
        let mut bytes = vec![0; length];
        self.file(at.segment)?
            .read_at(&mut bytes, at.offset)
            .map_err(JournalError::io("read", &path_of(at.segment)))?;
        Ok(bytes)
    }

    /// Overwrites `length` bytes with zeros, which then last.
    pub(super) fn wipe(&self, at: Position, length: usize) -> Result<(), JournalError> {
        let path = path_of(at.segment);
        let file = self.file(at.segment)?;
        file.write_at(&vec![0; length], at.offset).map_err(JournalError::io("write", &path))?;
        file.sync().map_err(JournalError::io("sync", &path))
    }

    /// Overwrites copies of `bytes` that recovery left: in what it put aside, and in the segment
    /// before the one that starts with `first`, beyond the records that count. How many there were.
    pub(super) fn wipe_copies(&self, bytes: &[u8], first: u64) -> Result<usize, JournalError> {
        let mut places: Vec<(String, u64)> = Vec::new();
        let names = self.disk.names(FOLDER).map_err(JournalError::io("list", FOLDER))?;
        let asides = names.iter().filter(|name| name.starts_with("aside-"));
        places.extend(asides.map(|name| (format!("{FOLDER}/{name}"), 0)));
        if let Some(before) = first.checked_sub(1).and_then(|last| self.holding(last)) {
            places.push((path_of(before), self.end_of(before, first)?));
        }
        let mut wiped = 0;
        for (path, start) in places {
            let file = self.disk.open(&path).map_err(JournalError::io("open", &path))?;
            let length = file.length().map_err(JournalError::io("read", &path))?;
            // No longer than a segment.
            let left = usize::try_from(length.saturating_sub(start)).unwrap_or(0);
            let mut found = vec![0; left];
            file.read_at(&mut found, start).map_err(JournalError::io("read", &path))?;
            let mut offset = 0;
            while let Some(at) = find(found.get(offset..).unwrap_or_default(), bytes) {
                let zeros = vec![0; bytes.len()];
                let place = start + (offset + at) as u64;
                file.write_at(&zeros, place).map_err(JournalError::io("write", &path))?;
                offset += at + bytes.len();
                wiped += 1;
            }
            file.sync().map_err(JournalError::io("sync", &path))?;
        }
        Ok(wiped)
    }

    /// Where the records of a segment end that count, before the segment that starts with `next`.
    fn end_of(&self, segment: u64, next: u64) -> Result<u64, JournalError> {
        let mut at = Position { segment, offset: HEADER_BYTES };
        let mut sequence = segment;
        // Each round passes a record.
        while sequence < next
            && let Found::Record(bytes) = self.look(at)?
        {
            at.offset += bytes.len() as u64;
            sequence += 1;
        }
        Ok(at.offset)
    }

    /// Looks at the place where a record could start.
    pub(super) fn look(&self, at: Position) -> Result<Found, JournalError> {
        let path = path_of(at.segment);
        let broken = JournalError::io("read", &path);
        let file = self.file(at.segment)?;
        let left = file.length().map_err(&broken)?.saturating_sub(at.offset);
        let Ok(first_read) = usize::try_from(left.min(FIRST_READ_BYTES)) else {
            return Ok(Found::Damaged);
        };
        let mut bytes = vec![0; first_read];
        file.read_at(&mut bytes, at.offset).map_err(&broken)?;
        if bytes.iter().take(512).all(|byte| *byte == 0) {
            return Ok(Found::Blank);
        }
        let lengths = match Lengths::parse(&bytes) {
            Ok(lengths) => lengths,
            Err(_) => return Ok(Found::Damaged),
        };
        // The limits of a record bound what is read here.
        let Some(whole) =
            usize::try_from(lengths.padded()).ok().filter(|_| lengths.padded() <= left)
        else {
            return Ok(Found::Damaged);
        };
        let have = bytes.len().min(whole);
        bytes.resize(whole, 0);
        if let Some(missing) = bytes.get_mut(have..).filter(|missing| !missing.is_empty()) {
            file.read_at(missing, at.offset + have as u64).map_err(&broken)?;
        }
        Ok(match Record::parse(&bytes, self.identity.id) {
            Ok(_) => Found::Record(bytes),
            Err(_) => Found::Damaged,
        })
    }
}

/// Whether a register's folder has any segment.
pub(super) fn exists(folder: &std::path::Path) -> bool {
    let names = super::disk::FolderDisk::new(folder).names(FOLDER).unwrap_or_default();
    names.iter().any(|name| first_of(name).is_some())
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len().max(1)).position(|window| window == part)
}

/// How far making a segment got before it failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The journal is as it was.
    Nothing(JournalError),
    /// It is not known what lasts.
    Unknown(JournalError),
}

/// Path of the segment that starts with the record `first`, in the register's folder.
pub(super) fn path_of(first: u64) -> String {
    format!("{FOLDER}/{first:020}.seg")
}

fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    (digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

pub(super) fn encode_header(identity: &Identity, tip: &Tip) -> Result<Vec<u8>, JournalError> {
    let too_long = || JournalError::Origin(identity.origin.clone());
    let length = u16::try_from(identity.origin.len()).map_err(|_| too_long())?;
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&identity.id.0);
    bytes.extend_from_slice(&(tip.sequence + 1).to_be_bytes());
    bytes.extend_from_slice(tip.checksum.as_bytes());
    bytes.extend_from_slice(&tip.tree.size.to_be_bytes());
    bytes.extend_from_slice(tip.tree.root.as_bytes());
    bytes.extend_from_slice(&tip.time.as_microsecond().to_be_bytes());
    bytes.extend_from_slice(identity.origin.as_bytes());
    bytes.resize(CHECKED_BYTES, 0);
    let checksum = Sha256::of(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    Ok(bytes)
}

/// The identity in a segment's header, and the tip that the segment continues.
fn read_header(file: &dyn DiskFile, first: u64) -> Result<(Identity, Tip), JournalError> {
    let path = path_of(first);
    let mut bytes = [0; HEADER_BYTES as usize];
    match file.read_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(JournalError::io("read", &path)(error)),
    }
    let bad = || JournalError::Header { path: path.clone() };
    let (checked, checksum) = bytes.split_at_checked(CHECKED_BYTES).ok_or_else(bad)?;
    if Sha256::of(checked).as_bytes().as_slice() != checksum {
        return Err(bad());
    }
    let (version, found, identity, tip) = parse_header(checked).map_err(|Short| bad())?;
    if version != VERSION {
        return Err(JournalError::Version { path, version });
    }
    if found != first {
        return Err(bad());
    }
    Ok((identity, tip))
}

/// The version, the first sequence, the identity and the tip that the checked part of a header
/// states.
pub(super) fn parse_header(checked: &[u8]) -> Result<(u16, u64, Identity, Tip), Short> {
    let mut fields = Fields::new(checked);
    if fields.array()? != *MAGIC {
        return Err(Short);
    }
    let version = fields.u16()?;
    let length = fields.u16()?;
    fields.take(4)?;
    let id = JournalId(fields.array()?);
    let first = fields.u64()?;
    let checksum = fields.digest()?;
    let tree = Tree { size: fields.u64()?, root: fields.digest()? };
    let time = Timestamp::from_microsecond(fields.i64()?).map_err(|_| Short)?;
    let origin = std::str::from_utf8(fields.take(usize::from(length))?).map_err(|_| Short)?;
    let sequence = first.checked_sub(1).ok_or(Short)?;
    let tip = Tip { tree, time, sequence, checksum, position: Position { segment: 0, offset: 0 } };
    Ok((version, first, Identity { id, origin: origin.into() }, tip))
}

#[cfg(test)]
mod tests {
    use super::super::simulated::SimulatedDisk;
    use super::*;

    fn identity() -> Identity {
        Identity { id: JournalId([3; 16]), origin: "assay.local/00".into() }
    }

    #[test]
    fn names_of_segments() {
        let cases = [
            ("00000000000000000001.seg", Some(1)),
            ("18446744073709551615.seg", Some(u64::MAX)),
            ("18446744073709551616.seg", None),
            ("1.seg", None),
            ("+0000000000000000001.seg", None),
            ("00000000000000000001.seg.new", None),
            ("aside-1.bin", None),
        ];
        for (name, want) in cases {
            assert_eq!(first_of(name), want, "{name}");
        }
        assert_eq!(path_of(7), "journal/00000000000000000007.seg");
    }

    #[test]
    fn a_header_comes_back_and_any_flipped_bit_is_noticed() {
        let disk = SimulatedDisk::default();
        let segments = Segments::new(Arc::new(disk.clone()), identity()).unwrap();
        segments.install(&Tip::empty(), &[], 4096).unwrap();
        let open = || Segments::open(Arc::new(disk.clone())).map(Option::unwrap);
        assert_eq!(*open().unwrap().identity(), identity());
        assert_eq!(open().unwrap().tip_before(1).unwrap(), Tip::empty());
        for bit in 0..HEADER_BYTES as usize * 8 {
            disk.tamper(&path_of(1), |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            assert!(matches!(open(), Err(JournalError::Header { .. })), "bit {bit}");
            disk.tamper(&path_of(1), |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        }
    }

    #[test]
    fn an_origin_has_one_to_255_bytes() {
        for (length, fits) in [(0, false), (1, true), (255, true), (256, false)] {
            let identity = Identity { origin: "o".repeat(length), ..identity() };
            let segments = Segments::new(Arc::new(SimulatedDisk::default()), identity);
            assert_eq!(segments.is_ok(), fits, "{length}");
        }
    }
}
