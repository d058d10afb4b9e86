//! Tiles of the register's tree: what is served to whoever reads the whole log.
//!
//! Source: C2SP tlog-tiles. Every tile that the published tree or an earlier one has is given at
//! every width, computed from the leaves each time; nothing above the published checkpoint is.

use attest::TilePath;
use attest::tile::Held;
use verify::merkle::Node;

use super::log::{ReadError, Register};
use super::storage::{Blob, Damaged, Key, Storage, StorageError, Stored};

impl<S: Storage> Register<S> {
    /// The bytes of a tile: hashes of 32 bytes, or entries, each after its length in two bytes,
    /// big-endian. At most 8 KiB of hashes, and 16 MiB of entries.
    ///
    /// # Errors
    /// [`ReadError::NoTile`] when the newest checkpoint has not all of it.
    pub async fn tile(&self, path: &TilePath) -> Result<Vec<u8>, ReadError> {
        let size = self.signed().await?.checkpoint.size;
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
        let mut bytes = Vec::with_capacity(32 * usize::from(count));
        for index in start..start.saturating_add(count.into()) {
            // A level above 7 has no complete subtree, and no tile.
            let node = Node { level: level.saturating_mul(8), index };
            bytes.extend_from_slice(self.node(node).await?.as_bytes());
        }
        Ok(bytes)
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
