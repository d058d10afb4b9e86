//! Going through the journal record by record, each checked against the one before it.

use super::journal::JournalError;
use super::published::{Position, Tip};
use super::record::Record;
use super::segment::{Found, HEADER_BYTES, Segments};

/// A walk over the records after a tip.
pub(super) struct Walk<'s> {
    segments: &'s Segments,
    /// Where the next record starts, unless a segment starts with it.
    next: Position,
    /// The last record that was passed.
    tip: Tip,
}

/// What a walk finds next.
pub(super) enum Step {
    /// A record that continues the one before it: its bytes, and the tip that it makes.
    Record(Vec<u8>, Tip),
    /// Nothing was written after the last record.
    End,
    /// The bytes after the last record are not a whole record that continues it.
    Damaged,
}

impl<'s> Walk<'s> {
    /// A walk that starts after `tip`, whose record must be in the journal and unchanged.
    ///
    /// # Errors
    /// [`JournalError::Missing`] when the record is not there.
    pub(super) fn after(segments: &'s Segments, tip: &Tip) -> Result<Self, JournalError> {
        if tip.sequence == 0 {
            let segment = segments.first().ok_or(JournalError::NotFound)?;
            let next = Position { segment, offset: HEADER_BYTES };
            return Ok(Self { segments, next, tip: *tip });
        }
        let missing = JournalError::Missing { sequence: tip.sequence, position: tip.position };
        if segments.holding(tip.sequence) != Some(tip.position.segment) {
            return Err(missing);
        }
        let Found::Record(bytes) = segments.look(tip.position)? else { return Err(missing) };
        let (record, checksum) = Record::parse(&bytes, segments.identity().id)?;
        if checksum != tip.checksum || record.sequence != tip.sequence || record.to != tip.tree {
            return Err(missing);
        }
        let offset = tip.position.offset + bytes.len() as u64;
        Ok(Self { segments, next: Position { offset, ..tip.position }, tip: *tip })
    }

    /// A walk over the records of the segment that starts with `first`, and the ones after it.
    pub(super) fn from(segments: &'s Segments, first: u64) -> Result<Self, JournalError> {
        let tip = segments.tip_before(first)?;
        Ok(Self { segments, next: Position { segment: first, offset: HEADER_BYTES }, tip })
    }

    /// The last record that was passed.
    pub(super) const fn tip(&self) -> &Tip {
        &self.tip
    }

    /// Where the next record starts, or would start.
    pub(super) const fn next(&self) -> Position {
        self.next
    }

    /// Goes one record further. Ends because every step passes bytes of a file.
    pub(super) fn step(&mut self) -> Result<Step, JournalError> {
        if let Some(first) = self.segments.after(self.next.segment)
            && first == self.tip.sequence + 1
        {
            let before = self.segments.tip_before(first)?;
            self.next = Position { segment: first, offset: HEADER_BYTES };
            if before.checksum != self.tip.checksum || before.tree != self.tip.tree {
                return Err(JournalError::Corrupt { position: self.next });
            }
        }
        let bytes = match self.segments.look(self.next)? {
            Found::Record(bytes) => bytes,
            Found::Blank => return Ok(Step::End),
            Found::Damaged => return Ok(Step::Damaged),
        };
        let (record, checksum) = Record::parse(&bytes, self.segments.identity().id)?;
        let continues = record.sequence == self.tip.sequence + 1
            && record.previous == self.tip.checksum
            && record.from == self.tip.tree
            && record.time >= self.tip.time;
        if !continues {
            return Err(JournalError::Corrupt { position: self.next });
        }
        self.tip = Tip {
            tree: record.to,
            time: record.time,
            sequence: record.sequence,
            checksum,
            position: self.next,
        };
        self.next.offset += bytes.len() as u64;
        Ok(Step::Record(bytes, self.tip))
    }
}
