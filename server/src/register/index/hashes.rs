//! The hashes of the tree: those of leaves, and of subtrees of 256, 65536, … leaves.
//!
//! What lies between is computed: a tile (C2SP tlog-tiles) is 256 hashes of one of these levels,
//! and all subtrees of 2, 4, … 128 of them follow. Tiles that were computed are kept for a while,
//! since proofs ask for the same ones again and again.
//!
//! A row holds up to 64 hashes of one level, one after the other.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use attest::Sha256;
use verify::merkle::{Node, node_hash};

use super::{IndexError, key};

/// Hashes of a row.
const HASHES_A_ROW: u64 = 64;
/// Hashes of a tile.
pub(in super::super) const TILE_WIDTH: u64 = 256;
/// Height of a tile.
pub(super) const TILE_HEIGHT: u8 = 8;
/// Most tiles that are kept; each has 16 KiB.
const MAX_KEPT: usize = 256;

/// The tiles of the tree that were computed last.
#[derive(Debug, Default)]
pub(super) struct Hashes {
    kept: Mutex<BTreeMap<(u8, u64), Tile>>,
}

/// A tile with all subtrees in it: its own hashes first, then those of two, four, ….
#[derive(Debug)]
struct Tile {
    rows: Vec<Vec<Sha256>>,
}

impl Tile {
    fn new(hashes: Vec<Sha256>) -> Self {
        let mut rows = vec![hashes];
        while let Some(below) = rows.last().filter(|row| row.len() > 1) {
            let pairs = below.chunks_exact(2);
            let above = pairs
                .filter_map(|pair| match pair {
                    [left, right] => Some(node_hash(left, right)),
                    _ => None,
                })
                .collect();
            rows.push(above);
        }
        Self { rows }
    }

    fn get(&self, height: u8, place: u64) -> Option<Sha256> {
        self.rows.get(usize::from(height))?.get(usize::try_from(place).ok()?).copied()
    }
}

impl Hashes {
    /// The hash of a complete subtree; `None` when the tree is not that large. `read` gives the
    /// hashes of a level of tiles from one on, as many as there are up to a number.
    pub(super) fn node(
        &self,
        read: impl FnOnce(u8, u64, u64) -> Result<Vec<Sha256>, IndexError>,
        node: Node,
    ) -> Result<Option<Sha256>, IndexError> {
        let (level, height) = (node.level / TILE_HEIGHT, node.level % TILE_HEIGHT);
        let width = TILE_WIDTH >> height;
        let (number, place) = (node.index / width, node.index % width);
        let find = |tile: &Tile| tile.get(height, place);
        if let Some(hash) = self.kept().get(&(level, number)).and_then(find) {
            return Ok(Some(hash));
        }
        // Not there, or the tile has grown since.
        let start = number.saturating_mul(TILE_WIDTH);
        let tile = Tile::new(read(level, start, TILE_WIDTH)?);
        let hash = tile.get(height, place);
        let mut kept = self.kept();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert((level, number), tile);
        Ok(hash)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<(u8, u64), Tile>> {
        // Nothing panics while it is held.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hashes of one level of tiles, from `start` on; fewer than `count` at the end of the tree.
pub(super) fn read(
    database: &sled::Db,
    level: u8,
    start: u64,
    count: u64,
) -> Result<Vec<Sha256>, IndexError> {
    let end = start.saturating_add(count);
    let mut hashes = Vec::with_capacity(usize::try_from(count.min(TILE_WIDTH)).unwrap_or(0));
    let mut at = start;
    while at < end {
        let Some(row) = database.get(row_key(level, at / HASHES_A_ROW))? else { break };
        let (whole, rest) = row.as_chunks::<32>();
        if !rest.is_empty() || whole.is_empty() {
            return Err(IndexError::Row('h'));
        }
        let from = usize::try_from(at % HASHES_A_ROW).unwrap_or(usize::MAX);
        let most = usize::try_from(end - at).unwrap_or(usize::MAX);
        let found = whole.iter().skip(from).take(most);
        hashes.extend(found.map(|bytes| Sha256::from_bytes(*bytes)));
        if whole.len() < usize::try_from(HASHES_A_ROW).unwrap_or(usize::MAX) {
            break;
        }
        at = (at / HASHES_A_ROW + 1) * HASHES_A_ROW;
    }
    Ok(hashes)
}

/// Adds hashes of one level of tiles to `rows`, which follow those that are there: the first is
/// that of the subtree `start`.
pub(super) fn add(
    database: &sled::Db,
    rows: &mut sled::Batch,
    level: u8,
    start: u64,
    hashes: &[Sha256],
) -> Result<(), IndexError> {
    let numbered: Vec<(u64, &Sha256)> = (start..).zip(hashes).collect();
    for group in numbered.chunk_by(|(one, _), (next, _)| one / HASHES_A_ROW == next / HASHES_A_ROW)
    {
        let Some((first, _)) = group.first() else { continue };
        let key = row_key(level, first / HASHES_A_ROW);
        let before = usize::try_from(first % HASHES_A_ROW).unwrap_or(0) * 32;
        let mut row = if before > 0 {
            let row = database.get(&key)?;
            row.and_then(|row| row.get(..before).map(<[u8]>::to_vec)).ok_or(IndexError::Row('h'))?
        } else {
            Vec::with_capacity(group.len() * 32)
        };
        for (_, hash) in group {
            row.extend_from_slice(hash.as_bytes());
        }
        rows.insert(key, row);
    }
    Ok(())
}

fn row_key(level: u8, number: u64) -> Vec<u8> {
    key(b'h', &[&[level], &number.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use verify::merkle::{Frontier, Nodes as _, Tree};

    use super::*;

    #[test]
    fn every_complete_subtree_is_found_at_every_size() {
        let folder = tempfile::tempdir().unwrap();
        let database = sled::Config::new().path(folder.path()).open().unwrap();
        let (mut frontier, mut tree, hashes) =
            (Frontier::new(), Tree::default(), Hashes::default());
        let mut size = 0_u64;
        for step in [1, 1, 61, 1, 1, 190, 1, 1, 255, 513, 66_000] {
            let mut nodes = Vec::new();
            for _ in 0..step {
                let leaf = Sha256::of(&size.to_be_bytes());
                frontier.append_with(leaf, |node, hash| nodes.push((node, hash)));
                tree.append(leaf);
                size += 1;
            }
            let mut rows = sled::Batch::default();
            for level in 0..3 {
                let of_level = nodes.iter().filter(|(node, _)| node.level == level * TILE_HEIGHT);
                let hashes: Vec<Sha256> = of_level.clone().map(|(_, hash)| *hash).collect();
                let start = of_level.map(|(node, _)| node.index).next().unwrap_or(0);
                add(&database, &mut rows, level, start, &hashes).unwrap();
            }
            database.apply_batch(rows).unwrap();
            let stored = |level, start, count| read(&database, level, start, count);
            for level in 0..20_u8 {
                let complete = size >> level;
                for index in [0, complete / 2, complete.saturating_sub(1)] {
                    let node = Node { level, index };
                    let want = tree.node(node).ok().filter(|_| index < complete);
                    assert_eq!(hashes.node(stored, node).unwrap(), want, "{node:?} of {size}");
                }
                let beyond = Node { level, index: complete };
                assert_eq!(hashes.node(stored, beyond).unwrap(), None, "{beyond:?} of {size}");
            }
            assert_eq!(read(&database, 0, 0, u64::MAX).unwrap().len() as u64, size);
            assert_eq!(read(&database, 0, size, 256).unwrap(), []);
        }
    }
}
