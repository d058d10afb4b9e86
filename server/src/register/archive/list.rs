//! The segments of an archive, and the checkpoint that vouches for them.
//!
//! A list has a line for each segment, in their order: sequence of its first record, sequence of
//! its last, bytes, SHA-256, then size and root of the tree after it; hashes in hex, numbers in
//! decimal, one space between.

use std::fmt::Write as _;

use attest::{Checkpoint, CheckpointError, NoteError, NoteSigner, Sha256, VerifierKey};

use super::super::record::{MAX_BODIES_BYTES, MAX_CHECKED_BYTES};
use super::super::tree::Tree;
use super::super::vouched;

/// Most segments of an archive.
pub(super) const MAX_SEGMENTS: usize = 300_000;
/// Longest list that is read, in bytes.
pub(super) const MAX_LIST_BYTES: u64 = 64 << 20;
/// Longest segment that is read, in bytes: one with the longest record, or a usual one.
pub(super) const MAX_SEGMENT_BYTES: u64 = MAX_CHECKED_BYTES as u64 + MAX_BODIES_BYTES + (1 << 20);
const EXTENSION: &str = "assay-archive/v1 ";

/// A closed segment as it is archived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Part {
    /// Sequence of its first record.
    pub(super) first: u64,
    /// Sequence of its last record.
    pub(super) last: u64,
    /// How many bytes.
    pub(super) bytes: u64,
    /// SHA-256 of the bytes.
    pub(super) digest: Sha256,
    /// The tree after its last record.
    pub(super) tree: Tree,
}

impl Part {
    /// The name of its object.
    pub(super) fn name(&self) -> String {
        format!("segments/{:020}-{}", self.first, self.digest.hex())
    }
}

/// The name of the list with this digest.
pub(super) fn name_of(digest: &Sha256) -> String {
    format!("lists/{}", digest.hex())
}

/// The list as text.
pub(super) fn write(parts: &[Part]) -> String {
    let mut text = String::new();
    for Part { first, last, bytes, digest, tree: Tree { size, root } } in parts {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{first} {last} {bytes} {} {size} {}", digest.hex(), root.hex());
    }
    text
}

/// Reads a list that leads to `end`; `None` for any other text.
pub(super) fn parse(text: &str, end: &Checkpoint) -> Option<Vec<Part>> {
    let parts = parse_any(text)?;
    let leads =
        parts.last().is_some_and(|part| part.tree == Tree { size: end.size, root: end.root });
    leads.then_some(parts)
}

/// Reads a list, wherever it leads; `None` for any other text.
pub(super) fn parse_any(text: &str) -> Option<Vec<Part>> {
    let (mut parts, mut next, mut tree) = (Vec::new(), 1, Tree::empty());
    for line in text.strip_suffix('\n')?.split('\n') {
        if parts.len() == MAX_SEGMENTS {
            return None;
        }
        let part = parse_line(line)?;
        let Part { first, last, bytes, tree: after, .. } = part;
        let fits = first == next && last >= first && after.size > tree.size;
        if !fits || bytes > MAX_SEGMENT_BYTES {
            return None;
        }
        (next, tree) = (last.checked_add(1)?, after);
        parts.push(part);
    }
    (write(&parts) == text).then_some(parts)
}

fn parse_line(line: &str) -> Option<Part> {
    let mut words = line.split(' ');
    let mut word = || words.next();
    let part = Part {
        first: word()?.parse().ok()?,
        last: word()?.parse().ok()?,
        bytes: word()?.parse().ok()?,
        digest: Sha256::from_hex(word()?).ok()?,
        tree: Tree { size: word()?.parse().ok()?, root: Sha256::from_hex(word()?).ok()? },
    };
    words.next().is_none().then_some(part)
}

/// Signs the checkpoint of the tree that a list leads to.
pub(super) fn sign(signer: &NoteSigner, tree: Tree, list: &Sha256) -> Result<String, NoteError> {
    vouched::sign(signer, tree, EXTENSION, list)
}

/// The checkpoint in a note that `verifier` signed, and the digest of its list.
pub(super) fn open(
    note: &str,
    verifier: &VerifierKey,
) -> Result<(Checkpoint, Sha256), CheckpointError> {
    vouched::open(note, EXTENSION, verifier)
}

#[cfg(test)]
mod tests {
    use attest::SigningKey;

    use super::*;

    fn part(first: u64, last: u64, size: u64) -> Part {
        let tree = Tree { size, root: Sha256::of(&size.to_be_bytes()) };
        Part { first, last, bytes: 700, digest: Sha256::of(&first.to_be_bytes()), tree }
    }

    #[test]
    fn a_list_is_read_only_as_it_is_written() {
        let parts = [part(1, 4, 9), part(5, 5, 10)];
        let root = |size: u64| Sha256::of(&size.to_be_bytes());
        let end = |size| Checkpoint { origin: "log".into(), size, root: root(size) };
        let text = write(&parts);
        assert_eq!(parse(&text, &end(10)).as_deref(), Some(&parts[..]));
        let cases = [
            ("another end", text.clone(), 9),
            ("no last line feed", text.trim_end().to_owned(), 10),
            ("nothing", String::new(), 10),
            ("a gap", write(&[part(1, 4, 9), part(6, 6, 10)]), 10),
            ("not from the start", write(&[part(5, 5, 10)]), 10),
            ("a segment of nothing", write(&[part(1, 4, 10), part(5, 5, 10)]), 10),
            ("another spelling", text.replacen("1 4", "01 4", 1), 10),
            ("a word more", text.replacen('\n', " 7\n", 1), 10),
            ("too long", text.replacen(" 700 ", " 700000000 ", 1), 10),
        ];
        for (name, text, size) in cases {
            assert_eq!(parse(&text, &end(size)), None, "{name}");
        }
    }

    #[test]
    fn a_checkpoint_is_of_one_key_and_one_list() {
        let signer = |seed| {
            NoteSigner::new("log", SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()).unwrap()
        };
        let (ours, theirs) = (signer(1), signer(2));
        let (tree, list) = (part(1, 4, 9).tree, Sha256::of(b"list"));
        let note = sign(&ours, tree, &list).unwrap();
        let (checkpoint, found) = open(&note, ours.verifier()).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root, found), (tree.size, tree.root, list));
        assert!(open(&note, theirs.verifier()).is_err());
        assert!(open(&note.replace(&list.hex(), &Sha256::of(b"").hex()), ours.verifier()).is_err());
        // Whoever reads checkpoints reads it as one; a checkpoint without a list is no archive.
        assert_eq!(Checkpoint::open(&note, ours.verifier()).unwrap(), checkpoint);
        let plain = ours.sign(&checkpoint.to_string()).unwrap().to_string();
        assert!(open(&plain, ours.verifier()).is_err());
    }
}
