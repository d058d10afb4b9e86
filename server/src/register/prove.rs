//! Proving that an entry is in the register, and that the register has only grown.

use std::sync::{Mutex, PoisonError};

use attest::Sha256;
use verify::merkle::{Frontier, MakeError, Node, Nodes, consistency_proof, inclusion_proof};

use super::entry::{ConsistencyProof, InclusionProof};
use super::log::{ReadError, Register};
use super::storage::{Blob, Damaged, Key, Storage, StorageError};
use super::tree::edge;

impl<S: Storage> Register<S> {
    /// Proves that the entry at `index` is in the tree of `size` entries.
    ///
    /// # Errors
    /// [`ReadError::NoTree`] beyond the end; [`ReadError::Proof`] unless `index < size`.
    pub async fn inclusion(&self, index: u64, size: u64) -> Result<InclusionProof, ReadError> {
        self.require_size(size).await?;
        let hashes = self.proof(|nodes| inclusion_proof(nodes, index, size)).await?;
        let leaf_hash = self.node(Node { level: 0, index }).await?;
        let root = self.root(size).await?;
        Ok(InclusionProof { index, size, leaf_hash, root, hashes })
    }

    /// Proves that the tree of `to` entries extends the tree of `from` entries.
    ///
    /// # Errors
    /// [`ReadError::NoTree`] beyond the end; [`ReadError::Proof`] when `from` is 0 or above `to`.
    pub async fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, ReadError> {
        self.require_size(to).await?;
        let hashes = self.proof(|nodes| consistency_proof(nodes, from, to)).await?;
        let (from_root, to_root) = (self.root(from).await?, self.root(to).await?);
        Ok(ConsistencyProof { from, to, from_root, to_root, hashes })
    }

    /// The root of the tree of the first `size` entries.
    ///
    /// # Errors
    /// [`ReadError::NoTree`] beyond the end.
    pub async fn root(&self, size: u64) -> Result<Sha256, ReadError> {
        self.require_size(size).await?;
        Ok(frontier(&self.storage, size).await?.root())
    }

    async fn require_size(&self, asked: u64) -> Result<(), ReadError> {
        let size = self.tree().await?.size;
        if asked > size { Err(ReadError::NoTree { asked, size }) } else { Ok(()) }
    }

    /// Makes a proof: the maker is asked once to learn which nodes it needs, and once with them.
    pub(super) async fn proof<F>(&self, make: F) -> Result<Vec<Sha256>, ReadError>
    where
        F: Fn(&Known) -> Result<Vec<Sha256>, MakeError<()>>,
    {
        let mut known = Known::default();
        match make(&known) {
            Ok(_) => {}
            Err(MakeError::Proof(error)) => return Err(error.into()),
            Err(_) => return Err(StorageError::Damaged(Damaged::Root(0)).into()),
        }
        // At most a few for each level of the tree.
        for node in std::mem::take(known.wanted.get_mut().unwrap_or_else(PoisonError::into_inner)) {
            known.hashes.push((node, self.node(node).await?));
        }
        make(&known).map_err(|error| match error {
            MakeError::Proof(error) => error.into(),
            _ => StorageError::Damaged(Damaged::Root(0)).into(),
        })
    }

    pub(super) async fn node(&self, node: Node) -> Result<Sha256, ReadError> {
        Ok(node_hash(&self.storage, node).await?)
    }
}

/// The nodes that are at hand, and those that were asked for and are not.
#[derive(Default)]
pub(super) struct Known {
    hashes: Vec<(Node, Sha256)>,
    wanted: Mutex<Vec<Node>>,
}

impl Nodes for Known {
    type Error = ();

    fn node(&self, node: Node) -> Result<Sha256, ()> {
        if let Some((_, hash)) = self.hashes.iter().find(|(known, _)| *known == node) {
            return Ok(*hash);
        }
        if !self.hashes.is_empty() {
            return Err(());
        }
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).push(node);
        Ok(Sha256::from_bytes([0; 32]))
    }
}

/// The right edge of the tree of `size` entries, as the storage has its nodes.
pub(super) async fn frontier<S: Storage>(storage: &S, size: u64) -> Result<Frontier, StorageError> {
    let mut hashes = Vec::new();
    for node in edge(size) {
        hashes.push(node_hash(storage, node).await?);
    }
    Frontier::from_parts(size, hashes).map_err(|_| StorageError::Damaged(Damaged::Root(size)))
}

async fn node_hash<S: Storage>(storage: &S, node: Node) -> Result<Sha256, StorageError> {
    let hash = match storage.read(&Key::Node(node)).await? {
        Some(Blob::Bytes(bytes)) => bytes.as_slice().try_into().ok().map(Sha256::from_bytes),
        Some(Blob::Tombstone) | None => None,
    };
    let size = node.index.saturating_add(1) << node.level.min(63);
    hash.ok_or(StorageError::Damaged(Damaged::Root(size)))
}
