//! Tiles of the register's tree: what is served to whoever reads the whole log.
//!
//! Source: C2SP tlog-tiles. Every tile that the published tree or an earlier one has is given at
//! every width, computed from the leaves each time; nothing above the published checkpoint is.

use attest::TilePath;
use attest::tile::Held;

use super::log::{ReadError, Register};
use super::storage::{Blob, Damaged, Key, Storage, StorageError, Stored};

impl<S: Storage> Register<S> {
    /// The bytes of a tile: hashes of 32 bytes, or entries, each after its length in two bytes,
    /// big-endian. At most 8 KiB of hashes, and 16 MiB of entries.
    ///
    /// # Errors
    /// [`ReadError::NoTile`] when the newest checkpoint has not all of it.
    pub async fn tile(&self, path: &TilePath) -> Result<Vec<u8>, ReadError> {
        self.tile_below(path, self.signed().await?.checkpoint.size).await
    }

    /// The same, of the first `size` entries alone.
    ///
    /// # Errors
    /// [`ReadError::NoTile`] when they have not all of it.
    pub async fn tile_below(&self, path: &TilePath, size: u64) -> Result<Vec<u8>, ReadError> {
        let size = size.min(self.tree().await?.size);
        if !path.is_within(size) {
            return Err(ReadError::NoTile { path: *path, size });
        }
        match path.held() {
            Held::Hashes { level } => self.hashes(level, path.start(), path.width()).await,
            Held::Entries => self.bundled(path.start(), path.width()).await,
        }
    }

    /// Hashes of complete subtrees of `256^level` leaves, one after the other.
    async fn hashes(&self, level: u8, start: u64, count: u16) -> Result<Vec<u8>, ReadError> {
        match self.storage.read(&Key::Hashes { level, start, count }).await? {
            Some(Blob::Bytes(bytes)) => Ok(bytes),
            Some(Blob::Tombstone) | None => {
                // Below the size of the tree all of them are there.
                let size = start.saturating_add(count.into());
                Err(StorageError::Damaged(Damaged::Root(size)).into())
            }
        }
    }

    /// Leaves, one after the other. Their bodies are not read.
    async fn bundled(&self, start: u64, count: u16) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        for index in start..start.saturating_add(count.into()) {
            let damaged = || StorageError::Damaged(Damaged::Entry(index));
            let Some(Blob::Bytes(stored)) = self.storage.read(&Key::Entry(index)).await? else {
                return Err(damaged().into());
            };
            let Stored { leaf, .. } = Stored::parse(&stored).ok_or_else(damaged)?;
            // No leaf is longer than an entry can be: both end at 65,535 bytes.
            let length = u16::try_from(leaf.len()).map_err(|_| damaged())?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&leaf);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use attest::{NoteSigner, Sha256, SigningKey, Timestamp};
    use verify::merkle::{Frontier, leaf_hash, root};

    use super::super::batch::{Batch, Covered, NewEntry};
    use super::super::contract::wait;
    use super::super::memory::Memory;
    use super::*;

    fn leaf(index: u64) -> Vec<u8> {
        format!("entry {index}").into_bytes()
    }

    /// A register of so many entries, which are no statements.
    fn register(sizes: &[u64]) -> Register<Memory> {
        let (storage, mut frontier, mut head) = (Memory::new(), Frontier::new(), None);
        for size in sizes {
            let entries = (frontier.size()..*size)
                .map(|index| Arc::new(NewEntry::new(leaf(index), Covered::Unknown)))
                .collect();
            let batch = Batch::new(&frontier, Timestamp::UNIX_EPOCH, entries).unwrap();
            frontier = batch.frontier().clone();
            let after = batch.head();
            wait(storage.commit(head.as_ref(), batch)).unwrap();
            head = Some(after);
        }
        let key = SigningKey::from_ed25519_seed(&[7; 32]).unwrap();
        let signer = NoteSigner::new("assay.local/0", key).unwrap();
        wait(Register::open(storage, signer)).unwrap()
    }

    fn read(register: &Register<Memory>, path: &str) -> Result<Vec<u8>, ReadError> {
        wait(register.tile(&path.parse().unwrap()))
    }

    fn hashes(bytes: &[u8]) -> Vec<Sha256> {
        bytes.chunks(32).map(|hash| Sha256::from_bytes(hash.try_into().unwrap())).collect()
    }

    /// The example of C2SP tlog-tiles, "Partial Tiles": 273 full tiles of level 0 and a part of
    /// 112, a full one of level 1 and a part of 17, a part of 1 of level 2.
    #[test]
    fn a_tree_of_70_000_entries_has_the_tiles_of_the_specification() {
        let register = register(&[65_536, 70_000]);
        let mut leaves = Vec::new();
        let mut above = Vec::new();
        for index in 0..273 {
            let tile = hashes(&read(&register, &format!("tile/0/{index:03}")).unwrap());
            assert_eq!(tile.len(), 256);
            above.push(root(&tile));
            leaves.extend(tile);
        }
        leaves.extend(hashes(&read(&register, "tile/0/273.p/112").unwrap()));
        assert!(leaves.iter().zip(0..).all(|(hash, index)| *hash == leaf_hash(&leaf(index))));
        assert_eq!(leaves.len(), 70_000);
        assert_eq!(root(&leaves), wait(register.signed()).unwrap().checkpoint.root);

        let full = hashes(&read(&register, "tile/1/000").unwrap());
        let part = hashes(&read(&register, "tile/1/001.p/17").unwrap());
        assert_eq!([full.clone(), part].concat(), above);
        assert_eq!(hashes(&read(&register, "tile/2/000.p/1").unwrap()), [root(&full)]);

        for path in [
            "tile/0/273.p/113",
            "tile/0/273",
            "tile/0/274.p/1",
            "tile/1/001.p/18",
            "tile/1/001",
            "tile/2/000.p/2",
            "tile/3/000.p/1",
            "tile/63/000.p/1",
            "tile/entries/273.p/113",
        ] {
            let found = read(&register, path);
            assert!(matches!(found, Err(ReadError::NoTile { size: 70_000, .. })), "{path}");
        }
    }

    #[test]
    fn entries_stand_after_their_lengths() {
        let register = register(&[3]);
        let entries = read(&register, "tile/entries/000.p/3").unwrap();
        assert_eq!(entries, b"\0\x07entry 0\0\x07entry 1\0\x07entry 2");
        let entries = read(&register, "tile/entries/000.p/1").unwrap();
        assert_eq!(entries, b"\0\x07entry 0");
        assert!(read(&register, "tile/entries/000.p/4").is_err());
    }
}
