//! Which bodies were erased: those that a registered tombstone is of.
//!
//! Zeros alone say nothing. A body is overwritten only after its tombstone was registered
//! ([`super::erase`]), so that one which is all zeros and has no tombstone was not erased but
//! lost. Nothing here asks who signed a tombstone: any key may sign, here as everywhere in the
//! register.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use attest::envelope::IN_TOTO;
use attest::predicate::is_erasable;
use attest::{ArtifactId, Envelope, Predicate, Sha256, Statement};

use super::batch::{Covered, NewEntry};
use super::disk::Disk;
use super::erase::tombstones;
use super::journal::JournalError;
use super::published::{Position, Published, Tip};
use super::record::Record;
use super::segment::Segments;
use super::walk::{Step, Walk};

/// The bodies that the statement with this encoding is a tombstone of; none of any other. One that
/// says it is of a statement which is never erased accounts for nothing (THREATS 32).
pub(super) fn buried_by(pae: &[u8]) -> Vec<ArtifactId> {
    let Ok(envelope) = Envelope::from_pae(pae) else { return Vec::new() };
    if envelope.payload_type != IN_TOTO {
        return Vec::new();
    }
    let Ok(statement) = Statement::parse(&envelope.payload) else { return Vec::new() };
    match &statement.predicate {
        Predicate::Tombstone(said) if is_erasable(&said.predicate_type) => {
            let subjects = statement.subjects().unwrap_or_default();
            subjects.into_iter().map(|(subject, _)| subject).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether the statement with this encoding is a tombstone of `body`.
pub(super) fn buries(pae: &[u8], body: &Sha256) -> bool {
    buried_by(pae).contains(&ArtifactId::file(*body))
}

/// Bodies that are all zeros, and tombstones, as somebody comes by them who reads a journal. Both
/// are few; no order is taken for granted, since a tombstone can be registered before the
/// statement that it is of.
#[derive(Debug)]
pub(super) struct Zeroed {
    /// What entries with tombstones are found by.
    term: Sha256,
    bodies: BTreeMap<Sha256, Position>,
    buried: HashSet<ArtifactId>,
}

impl Default for Zeroed {
    fn default() -> Self {
        Self { term: tombstones().digest(), bodies: BTreeMap::new(), buried: HashSet::new() }
    }
}

impl Zeroed {
    /// A body that is all zeros, of the record at `position`.
    pub(super) fn body(&mut self, hash: Sha256, position: Position) {
        self.bodies.insert(hash, position);
    }

    /// An entry that was passed; its body fits its hash, if it is there.
    pub(super) fn entry(&mut self, entry: &NewEntry) {
        if let Covered::Body(body) = entry.covered()
            && entry.terms().binary_search(&self.term).is_ok()
        {
            self.buried.extend(buried_by(body.bytes()));
        }
    }

    /// The encoding of a statement that was passed; it fits its hash.
    pub(super) fn statement(&mut self, pae: &[u8]) {
        self.buried.extend(buried_by(pae));
    }

    /// The bodies that are all zeros and have no tombstone, and where the records are that bring
    /// them.
    pub(super) fn lost(&self) -> impl Iterator<Item = (Sha256, Position)> + '_ {
        let is_lost = |hash: &Sha256| !self.buried.contains(&ArtifactId::file(*hash));
        let bodies = self.bodies.iter().map(|(hash, position)| (*hash, *position));
        bodies.filter(move |(hash, _)| is_lost(hash))
    }
}

/// Everything that was erased from the journal on `disk`, up to what it has published by now, and
/// the sequence of the first record that has a tombstone of it.
///
/// # Errors
/// When the journal cannot be read to there.
pub(super) fn all(disk: &Arc<dyn Disk>) -> Result<HashMap<ArtifactId, u64>, JournalError> {
    let segments = Segments::open(Arc::clone(disk))?.ok_or(JournalError::NotFound)?;
    let id = segments.identity().id;
    let published =
        Published::open(disk.as_ref(), Some(id))?.ok_or(JournalError::MissingPublished)?;
    // Again: a segment that was started meanwhile is there now.
    let segments = Segments::open(Arc::clone(disk))?.unwrap_or(segments);
    let mut buried = HashMap::new();
    let mut walk = Walk::after(&segments, &Tip::empty())?;
    // Each round passes a record.
    while walk.tip().sequence < published.tip().sequence {
        let Step::Record(bytes, tip) = walk.step()? else {
            return Err(JournalError::Corrupt { position: walk.next() });
        };
        let (record, _) = Record::parse(&bytes, id)?;
        for (body, found) in record.bodies_in(&bytes) {
            let subjects = buried_by(found);
            if !subjects.is_empty() && Sha256::of(found) == body.hash {
                for subject in subjects {
                    buried.entry(subject).or_insert(tip.sequence);
                }
            }
        }
    }
    Ok(buried)
}

#[cfg(test)]
pub(super) mod tests {
    use attest::leaf::body_digests;
    use attest::predicate::{REVOCATION, TOMBSTONE};
    use attest::statement::STATEMENT_V1;
    use serde_json::json;

    use super::super::batch::Body;
    use super::*;

    /// A tombstone of the body `pae`, a statement of type `erased`.
    pub(in crate::register) fn tombstone(pae: &[u8], erased: &str) -> Vec<u8> {
        of_type(TOMBSTONE, pae, erased)
    }

    /// The encoding of that.
    pub(in crate::register) fn tombstone_of(pae: &[u8], erased: &str) -> Vec<u8> {
        encoding(&tombstone(pae, erased))
    }

    fn encoding(payload: &[u8]) -> Vec<u8> {
        attest::envelope::pae(IN_TOTO, payload)
    }

    fn of_type(predicate_type: &str, pae: &[u8], erased: &str) -> Vec<u8> {
        let digests: BTreeMap<&str, String> = body_digests(pae).into_iter().collect();
        let statement = json!({
            "_type": STATEMENT_V1,
            "subject": [{"name": "it", "digest": digests}],
            "predicateType": predicate_type,
            "predicate": {"predicateType": erased, "reason": "asked for"},
        });
        statement.to_string().into_bytes()
    }

    #[test]
    fn a_tombstone_buries_what_it_is_of_and_nothing_else() {
        let (body, review) = (b"body".as_slice(), "https://example.com/review/v1");
        let stone = tombstone(body, review);
        let cases = [
            ("a tombstone of it", encoding(&stone), true),
            ("of another body", tombstone_of(b"other", review), false),
            ("of what is never erased", tombstone_of(body, REVOCATION), false),
            ("of another type", encoding(&of_type("https://example.com/x", body, review)), false),
            ("no statement", attest::envelope::pae("text/plain", &stone), false),
            ("no encoding", b"{}".to_vec(), false),
        ];
        for (name, pae, want) in cases {
            assert_eq!(buries(&pae, &Sha256::of(body)), want, "{name}");
        }
    }

    #[test]
    fn zeros_are_lost_until_a_tombstone_was_passed() {
        let entry =
            |pae: Vec<u8>| NewEntry::new(b"leaf".to_vec(), Covered::Body(Arc::new(Body::new(pae))));
        let (one, two) = (b"one".as_slice(), b"two".as_slice());
        let at = |offset| Position { segment: 1, offset };
        let mut zeroed = Zeroed::default();
        zeroed.body(Sha256::of(one), at(512));
        zeroed.body(Sha256::of(two), at(1024));
        zeroed.entry(&entry(tombstone_of(one, "text/plain")));
        zeroed.entry(&entry(tombstone_of(two, REVOCATION)));
        let lost: Vec<(Sha256, Position)> = zeroed.lost().collect();
        assert_eq!(lost, [(Sha256::of(two), at(1024))]);
    }
}
