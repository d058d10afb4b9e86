//! The tiles of somebody else's log, each proven before it is used.
//!
//! Source: C2SP tlog-tiles. The partial tiles at the right edge must make the signed root
//! together; a full tile must hash to its entry in the tile above it, which is proven the same way.
//! So a wrong tile is told apart from a log that has forked: the one proves nothing against
//! the log, the other all.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use attest::Sha256;
use verify::merkle::{Node, Nodes, empty_root, leaf_hash, node_hash};

/// How many hashes a full tile has.
const WIDTH: u64 = 256;
/// The bytes of a full tile.
pub const TILE_BYTES: usize = 256 * 32;
/// The most bytes of a full bundle of entries.
pub const MAX_ENTRIES_BYTES: usize = 256 * (2 + 65_535);
/// How many tiles are remembered; more are fetched again.
const MAX_KNOWN: usize = 4096;

/// Fetches a path of the log, reading at most so many bytes; `None` when it is not there.
pub type Fetch<'f> = dyn Fn(&str, usize) -> Result<Option<Vec<u8>>, FetchError> + 'f;

/// The log did not answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot fetch `{path}`: {why}")]
pub struct FetchError {
    /// What was asked for.
    pub path: String,
    /// What happened.
    pub why: String,
}

/// Why the tree of a log cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// The log did not answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The log does not have what it must have.
    #[error("the log withholds `{0}`")]
    Missing(
        /// The path.
        String,
    ),
    /// A tile or a bundle of entries is not the one under the signed root.
    #[error("the log serves a wrong `{0}`: it does not lead to the signed root")]
    Wrong(
        /// The path.
        String,
    ),
}

/// The tree of a signed size and root, read from tiles.
pub struct Tiles<'f> {
    size: u64,
    root: Sha256,
    fetch: &'f Fetch<'f>,
    known: RefCell<HashMap<(u8, u64), Tile>>,
}

type Tile = Rc<Vec<Sha256>>;

impl<'f> Tiles<'f> {
    /// The tree of `size` entries with `root`, whose tiles `fetch` gets.
    pub fn new(size: u64, root: Sha256, fetch: &'f Fetch<'f>) -> Self {
        Self { size, root, fetch, known: RefCell::default() }
    }

    /// Proves that the right edge makes the root.
    ///
    /// # Errors
    /// [`TileError`].
    pub fn check_root(&self) -> Result<(), TileError> {
        let mut peaks = Vec::new();
        let mut tiles = Vec::new();
        let mut last = None;
        // From the largest subtree to the smallest.
        for level in (0..8_u8).rev() {
            let count = self.entries(level);
            let width = count % WIDTH;
            if width == 0 {
                continue;
            }
            let index = count / WIDTH;
            if self.known.borrow().contains_key(&(level, index)) {
                return Ok(());
            }
            let tile = self.partial(level, index, width)?;
            let mut start = 0;
            for bit in (0..8).rev().filter(|bit| width >> bit & 1 == 1) {
                peaks.push(fold(tile.get(start..start + (1 << bit)).unwrap_or_default()));
                start += 1 << bit;
            }
            last = Some(tile_path(level, index, width));
            tiles.push(((level, index), Rc::new(tile)));
        }
        let root = peaks.into_iter().rev().reduce(|right, left| node_hash(&left, &right));
        if root.unwrap_or_else(empty_root) != self.root {
            let path = last.unwrap_or_else(|| "checkpoint".into());
            return Err(TileError::Wrong(path));
        }
        self.known.borrow_mut().extend(tiles);
        Ok(())
    }

    /// Proves that the log has the entries `from..`, all that there are: each must hash to its
    /// place in the tree. Returns how many were read.
    ///
    /// # Errors
    /// [`TileError`].
    pub fn check_entries(&self, from: u64) -> Result<u64, TileError> {
        let mut read = 0;
        for index in from / WIDTH..self.size.div_ceil(WIDTH) {
            let width = WIDTH.min(self.size - index * WIDTH);
            let path = entries_path(index, width);
            let bytes = self.either(&path, &entries_path(index, WIDTH), MAX_ENTRIES_BYTES)?;
            let hashes = self.tile(0, index)?;
            let wrong = || TileError::Wrong(path.clone());
            let mut rest = bytes.as_slice();
            for hash in hashes.iter() {
                let (entry, after) = split_entry(rest).ok_or_else(wrong)?;
                if leaf_hash(entry) != *hash {
                    return Err(wrong());
                }
                rest = after;
                read += 1;
            }
        }
        Ok(read)
    }

    /// How many entries there are at a level of tiles: subtrees of 256^level leaves.
    const fn entries(&self, level: u8) -> u64 {
        self.size >> (8 * level as u32)
    }

    /// A tile of this tree, proven.
    fn tile(&self, level: u8, index: u64) -> Result<Tile, TileError> {
        if let Some(tile) = self.known.borrow().get(&(level, index)) {
            return Ok(Rc::clone(tile));
        }
        let path = tile_path(level, index, WIDTH);
        if level >= 8 || index > self.entries(level) / WIDTH {
            return Err(TileError::Missing(path));
        }
        if index == self.entries(level) / WIDTH {
            self.check_root()?;
            let known = self.known.borrow().get(&(level, index)).map(Rc::clone);
            return known.ok_or(TileError::Missing(path));
        }
        // One level up each time: at most eight.
        let parent = self.tile(level + 1, index / WIDTH)?;
        let place = usize::try_from(index % WIDTH).ok().and_then(|place| parent.get(place));
        let want = *place.ok_or_else(|| TileError::Missing(path.clone()))?;
        let bytes =
            (self.fetch)(&path, TILE_BYTES)?.ok_or_else(|| TileError::Missing(path.clone()))?;
        let tile = hashes(&bytes, WIDTH).filter(|tile| fold(tile) == want);
        let tile = Rc::new(tile.ok_or(TileError::Wrong(path))?);
        let mut known = self.known.borrow_mut();
        if known.len() < MAX_KNOWN {
            known.insert((level, index), Rc::clone(&tile));
        }
        Ok(tile)
    }

    /// The first `width` hashes of a tile that is not full, not proven yet.
    fn partial(&self, level: u8, index: u64, width: u64) -> Result<Vec<Sha256>, TileError> {
        let path = tile_path(level, index, width);
        let bytes = self.either(&path, &tile_path(level, index, WIDTH), TILE_BYTES)?;
        hashes(&bytes, width).ok_or(TileError::Wrong(path))
    }

    /// What is at `path`; a log that has grown may have the full one alone.
    fn either(&self, path: &str, full: &str, limit: usize) -> Result<Vec<u8>, TileError> {
        if let Some(bytes) = (self.fetch)(path, limit)? {
            return Ok(bytes);
        }
        if path != full
            && let Some(bytes) = (self.fetch)(full, limit)?
        {
            return Ok(bytes);
        }
        Err(TileError::Missing(path.into()))
    }
}

impl Nodes for Tiles<'_> {
    type Error = TileError;

    fn node(&self, node: Node) -> Result<Sha256, TileError> {
        let (level, height) = (node.level / 8, node.level % 8);
        let first = node.index.checked_shl(u32::from(height)).unwrap_or(u64::MAX);
        let tile = self.tile(level, first / WIDTH)?;
        let start = usize::try_from(first % WIDTH).unwrap_or(usize::MAX);
        let part = tile.get(start..start.saturating_add(1 << height));
        let path = || tile_path(level, first / WIDTH, WIDTH);
        part.map(fold).ok_or_else(|| TileError::Missing(path()))
    }
}

/// The path of a tile, of `width` hashes if it is not full.
pub fn tile_path(level: u8, index: u64, width: u64) -> String {
    format!("tile/{level}/{}{}", place(index), partial(width))
}

/// The path of a bundle of entries, of `width` entries if it is not full.
pub fn entries_path(index: u64, width: u64) -> String {
    format!("tile/entries/{}{}", place(index), partial(width))
}

fn partial(width: u64) -> String {
    if width < WIDTH { format!(".p/{width}") } else { String::new() }
}

/// `1234067` is written `x001/x234/067`.
fn place(index: u64) -> String {
    let (mut text, mut rest) = (format!("{:03}", index % 1000), index / 1000);
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    text
}

/// The first `width` hashes of a tile that has at least so many.
fn hashes(bytes: &[u8], width: u64) -> Option<Vec<Sha256>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let width = usize::try_from(width).ok()?;
    let right = rest.is_empty() && (hashes.len() == width || hashes.len() == 256);
    let hashes = hashes.get(..width).filter(|_| right)?;
    Some(hashes.iter().map(|hash| Sha256::from_bytes(*hash)).collect())
}

/// The root of a row of subtrees whose length is a power of two.
fn fold(row: &[Sha256]) -> Sha256 {
    let mut row = row.to_vec();
    while row.len() > 1 {
        let pairs = row.as_chunks::<2>().0;
        row = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    row.first().copied().unwrap_or_else(empty_root)
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use verify::merkle::{Tree, consistency_proof, verify_consistency};

    use super::*;

    fn entry(at: u64) -> Vec<u8> {
        format!("entry {at}").into_bytes()
    }

    fn tree(size: u64) -> Tree {
        (0..size).map(|at| leaf_hash(&entry(at))).collect()
    }

    /// Every file of a log of `size` entries.
    fn files(size: u64) -> HashMap<String, Vec<u8>> {
        let tree = tree(size);
        let mut files = HashMap::new();
        for level in 0..3_u8 {
            let count = size >> (8 * level);
            for index in 0..count.div_ceil(WIDTH) {
                let width = WIDTH.min(count - index * WIDTH);
                let node = |at| tree.node(Node { level: 8 * level, index: index * WIDTH + at });
                let bytes = (0..width).flat_map(|at| *node(at).unwrap().as_bytes()).collect();
                files.insert(tile_path(level, index, width), bytes);
            }
        }
        for index in 0..size.div_ceil(WIDTH) {
            let width = WIDTH.min(size - index * WIDTH);
            let mut bytes = Vec::new();
            for at in index * WIDTH..index * WIDTH + width {
                let entry = entry(at);
                bytes.extend_from_slice(&u16::try_from(entry.len()).unwrap().to_be_bytes());
                bytes.extend_from_slice(&entry);
            }
            files.insert(entries_path(index, width), bytes);
        }
        files
    }

    /// The root of the first `size` entries.
    fn root(size: u64) -> Sha256 {
        static ROOTS: Mutex<BTreeMap<u64, Sha256>> = Mutex::new(BTreeMap::new());
        *ROOTS.lock().unwrap().entry(size).or_insert_with(|| tree(size).root())
    }

    fn prove(size: u64, from: u64, files: &HashMap<String, Vec<u8>>) -> Result<(), TileError> {
        let fetch = |path: &str, _: usize| Ok(files.get(path).cloned());
        let tiles = Tiles::new(size, root(size), &fetch);
        tiles.check_root()?;
        let proof = consistency_proof(&tiles, from, size).map_err(|error| match error {
            verify::merkle::MakeError::Nodes(error) => error,
            other => panic!("{other}"),
        })?;
        verify_consistency(from, size, &proof, &root(from), &root(size)).unwrap();
        assert_eq!(tiles.check_entries(from)?, size - from / WIDTH * WIDTH);
        Ok(())
    }

    #[test]
    fn paths() {
        for (index, want) in [
            (0, "000"),
            (67, "067"),
            (1_067, "x001/067"),
            (1_234_067, "x001/x234/067"),
            (1_000_000, "x001/x000/000"),
        ] {
            assert_eq!(tile_path(3, index, 256), format!("tile/3/{want}"));
            assert_eq!(entries_path(index, 7), format!("tile/entries/{want}.p/7"));
        }
    }

    #[test]
    fn growth_is_proven_from_tiles_of_any_size() {
        for size in [1, 2, 255, 256, 257, 511, 512, 700, 65_537, 66_000] {
            let files = files(size);
            for from in [1, 100, 255, 256, 257, 65_535, 65_536, size] {
                if from <= size {
                    assert_eq!(prove(size, from, &files), Ok(()), "{from} to {size}");
                }
            }
        }
    }

    #[test]
    fn a_changed_bit_is_a_wrong_tile_and_a_missing_file_a_missing_one() {
        let (size, from) = (66_000, 300);
        let good = files(size);
        let used = [
            tile_path(0, 1, 256),
            tile_path(0, 257, 208),
            tile_path(1, 0, 256),
            tile_path(1, 1, 1),
            tile_path(2, 0, 1),
            entries_path(1, 256),
            entries_path(257, 208),
        ];
        for path in used {
            let mut wrong = good.clone();
            *wrong.get_mut(&path).unwrap().last_mut().unwrap() ^= 1;
            let found = prove(size, from, &wrong);
            assert!(matches!(found, Err(TileError::Wrong(_))), "{path}: {found:?}");
            let mut missing = good.clone();
            missing.remove(&path);
            let found = prove(size, from, &missing);
            assert_eq!(found, Err(TileError::Missing(path)));
        }
    }

    #[test]
    fn a_full_tile_serves_for_a_partial_one() {
        let mut grown = files(512);
        grown.extend(files(300).into_iter().filter(|(path, _)| path.starts_with("tile/1/")));
        assert_eq!(prove(300, 100, &grown), Ok(()));
    }
}
