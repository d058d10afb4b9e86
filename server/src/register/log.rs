//! The register: takes attestations in, gives entries and proofs out.
//!
//! It is arithmetic over a [`Storage`]: what the tree becomes (`submit`), which nodes a proof
//! needs (`prove`), what belongs to an entry (`answer`), what the checkpoint says (here). The
//! register says that a signature was made and when it was seen. It refuses to say whom to
//! believe: any key may sign, and only the signature is checked.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use attest::{Checkpoint, Note, NoteError, NoteSignature, NoteSigner, TilePath, VerifierKey};
use verify::merkle::{Frontier, ProofError};

use super::entry::Signed;
use super::erase::tombstones;
use super::prove::frontier;
use super::queue::Queue;
use super::signers::Signers;
use super::storage::{Damaged, Head, Query, Storage, StorageError};
use super::tree::Tree;

/// How many checkpoints are not written to the file while others wait for the next one.
const MAX_UNKEPT: u32 = 16;

/// An append-only register over a storage.
pub struct Register<S> {
    pub(super) storage: S,
    signers: Signers,
    /// Submissions that wait to be committed.
    pub(super) queue: Arc<Queue>,
    /// The tree that the next commit continues, unless it has to be read.
    pub(super) edge: tokio::sync::Mutex<Option<Edge>>,
    /// The last checkpoint that was signed.
    signed: RwLock<Arc<Signed>>,
    checkpoint_file: Option<PathBuf>,
    /// How many checkpoints were signed since one was written to the file.
    unkept: AtomicU32,
    /// Whether a body may have been erased: a tombstone was registered.
    pub(super) has_tombstones: AtomicBool,
    /// When the storage does what commits left for later.
    settling: Settling,
}

/// When the storage does what commits left for later.
#[derive(Debug)]
enum Settling {
    /// After each commit, before whoever led it has the answer.
    AtOnce,
    /// When [`Register::settle`] is called; whether there is something to do.
    WhenTold(AtomicBool),
}

/// What the next commit continues.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) head: Option<Head>,
    pub(super) frontier: Frontier,
}

/// Why the register does not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no such entry.
    #[error("no entry {index}: the register has {size} entries")]
    NoEntry {
        /// What was asked for.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// The register has not that many entries.
    #[error("no tree of {asked} entries: the register has {size}")]
    NoTree {
        /// What was asked for.
        asked: u64,
        /// How many there are.
        size: u64,
    },
    /// The published tree has not all of that tile.
    #[error("no `{path}`: the register has {size} entries")]
    NoTile {
        /// What was asked for.
        path: TilePath,
        /// How many entries there are.
        size: u64,
    },
    /// There is no such proof.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The entry has no body to make a bundle of.
    #[error("entry {0} has no statement: it was erased or never given to this register")]
    NoBody(u64),
    /// The checkpoint cannot be signed or kept.
    #[error("cannot sign the checkpoint")]
    Sign(#[source] NoteError),
    /// Storage does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl<S: Storage> Register<S> {
    /// The register in `storage`, whose checkpoints `signer` signs under the register's origin.
    ///
    /// # Errors
    /// When the storage does not answer, or its tree does not lead to its head.
    pub async fn open(storage: S, signer: NoteSigner) -> Result<Self, ReadError> {
        let edge = Edge::read(&storage).await?;
        let tree = edge.head.map_or_else(Tree::empty, |head| head.tree());
        let signers = Signers::new(signer);
        let signed = RwLock::new(Arc::new(sign(&signers, tree)?));
        let edge = tokio::sync::Mutex::new(Some(edge));
        let queue = Arc::default();
        let terms = vec![tombstones()];
        let found = storage.find(&Query { terms, limit: 1, ..Query::default() }).await?;
        let has_tombstones = AtomicBool::new(!found.indices.is_empty() || found.next.is_some());
        let (checkpoint_file, unkept) = (None, AtomicU32::new(0));
        Ok(Self {
            storage,
            signers,
            queue,
            edge,
            signed,
            checkpoint_file,
            unkept,
            has_tombstones,
            settling: Settling::AtOnce,
        })
    }

    /// The same, for whoever calls [`Register::settle`] after each answer: no submission waits for
    /// what can be done later.
    #[must_use]
    pub fn settled_when_told(mut self) -> Self {
        self.settling = Settling::WhenTold(AtomicBool::new(false));
        self
    }

    /// Does what commits left for later, if there is something.
    pub fn settle(&self) {
        match &self.settling {
            Settling::WhenTold(owed) if owed.swap(false, Ordering::AcqRel) => self.storage.settle(),
            Settling::AtOnce | Settling::WhenTold(_) => {}
        }
    }

    /// After a commit.
    pub(super) fn committed(&self) {
        match &self.settling {
            Settling::AtOnce => self.storage.settle(),
            Settling::WhenTold(owed) => owed.store(true, Ordering::Release),
        }
    }

    /// The same, and the newest checkpoint is kept in a file as well, for whoever looks into the
    /// folder. It can be signed again at any time, so that losing it loses nothing.
    #[must_use]
    pub fn with_checkpoint_file(mut self, path: PathBuf) -> Self {
        self.checkpoint_file = Some(path);
        self.keep_checkpoint();
        self
    }

    /// The same while its key is being rotated: `next` signs every checkpoint as well.
    ///
    /// # Errors
    /// When it cannot sign.
    pub(super) fn with_next_key(mut self, next: NoteSigner) -> Result<Self, ReadError> {
        let last = Arc::clone(&self.signed.read().unwrap_or_else(PoisonError::into_inner));
        let Signed { checkpoint, note } = last.as_ref();
        let mut also = next.sign(&checkpoint.to_string()).map_err(ReadError::Sign)?;
        // What witnesses cosigned stays under it.
        let mut both: Note = note.parse().map_err(ReadError::Sign)?;
        both.signatures.append(&mut also.signatures);
        let signed = Signed { checkpoint: checkpoint.clone(), note: both.to_string() };
        self.signed = RwLock::new(Arc::new(signed));
        self.signers.set_next(next);
        self.keep_checkpoint();
        Ok(self)
    }

    /// The storage.
    pub const fn storage(&self) -> &S {
        &self.storage
    }

    /// The name of the register.
    pub fn origin(&self) -> &str {
        self.signers.verifier().name()
    }

    /// What checks the register's checkpoints.
    pub const fn verifier(&self) -> &VerifierKey {
        self.signers.verifier()
    }

    /// What checks them as well, and alone once the rotation of the register's key is finished.
    pub fn next_verifier(&self) -> Option<&VerifierKey> {
        self.signers.next_verifier()
    }

    /// Whether a signature line names one of the register's keys.
    pub(crate) fn is_named_by(&self, line: &NoteSignature) -> bool {
        let names = |key: &VerifierKey| line.name == key.name() && line.hash == key.hash();
        names(self.verifier()) || self.next_verifier().is_some_and(names)
    }

    /// How many entries wait to be committed.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// The newest checkpoint as a signed note.
    ///
    /// # Errors
    /// When the head cannot be read, or the checkpoint not signed.
    pub async fn checkpoint(&self) -> Result<String, ReadError> {
        Ok(self.signed().await?.note.clone())
    }

    /// The newest checkpoint, read and signed.
    ///
    /// # Errors
    /// When the head cannot be read, or the checkpoint not signed.
    pub async fn signed(&self) -> Result<Arc<Signed>, ReadError> {
        let tree = self.tree().await?;
        let last = Arc::clone(&self.signed.read().unwrap_or_else(PoisonError::into_inner));
        if last.checkpoint.size == tree.size && last.checkpoint.root == tree.root {
            return Ok(last);
        }
        let fresh = Arc::new(sign(&self.signers, tree)?);
        {
            let mut signed = self.signed.write().unwrap_or_else(PoisonError::into_inner);
            if signed.checkpoint.size < fresh.checkpoint.size {
                *signed = Arc::clone(&fresh);
            }
        }
        // While others wait, the next checkpoint follows at once.
        let unkept = self.unkept.fetch_add(1, Ordering::Relaxed);
        if self.waiting() == 0 || unkept >= MAX_UNKEPT {
            self.keep_checkpoint();
        }
        Ok(fresh)
    }

    /// Puts cosignatures under `checkpoint`, one of each witness, and gives the note with them. If
    /// it is still the newest checkpoint, that is how it is shown from now on. Whether the
    /// cosignatures hold is for the caller to know.
    ///
    /// # Errors
    /// [`NoteError`] when the register cannot sign.
    pub fn cosign(
        &self,
        checkpoint: &Checkpoint,
        lines: &[NoteSignature],
    ) -> Result<Arc<Signed>, NoteError> {
        let mut note: Note = self.signers.sign(&checkpoint.to_string())?;
        note.signatures.extend_from_slice(lines);
        let cosigned = Arc::new(Signed { checkpoint: checkpoint.clone(), note: note.to_string() });
        let is_newest = {
            let mut signed = self.signed.write().unwrap_or_else(PoisonError::into_inner);
            let is_newest = signed.checkpoint == *checkpoint;
            if is_newest {
                *signed = Arc::clone(&cosigned);
            }
            is_newest
        };
        if is_newest {
            self.keep_checkpoint();
        }
        Ok(cosigned)
    }

    /// Size and root of the head.
    pub(super) async fn tree(&self) -> Result<Tree, ReadError> {
        Ok(self.storage.head().await?.map_or_else(Tree::empty, |head| head.tree()))
    }

    fn keep_checkpoint(&self) {
        let Some(path) = &self.checkpoint_file else { return };
        self.unkept.store(0, Ordering::Relaxed);
        // Held while writing, so that the file never goes back.
        let signed = self.signed.write().unwrap_or_else(PoisonError::into_inner);
        let new = path.with_extension("new");
        let written = std::fs::write(&new, &signed.note).and_then(|()| std::fs::rename(&new, path));
        // Nothing is lost: the checkpoint can be had from the register itself.
        if let Err(error) = written {
            tracing::warn!(%error, "cannot keep the checkpoint in its file");
        }
    }
}

impl Edge {
    /// Reads the head and the right edge of its tree, which must fit each other.
    pub(super) async fn read<S: Storage>(storage: &S) -> Result<Self, StorageError> {
        let head = storage.head().await?;
        let tree = head.map_or_else(Tree::empty, |head| head.tree());
        let frontier = frontier(storage, tree.size).await?;
        if frontier.root() != tree.root {
            return Err(StorageError::Damaged(Damaged::Root(tree.size)));
        }
        Ok(Self { head, frontier })
    }
}

fn sign(signers: &Signers, tree: Tree) -> Result<Signed, ReadError> {
    let origin = signers.verifier().name().to_owned();
    let checkpoint = Checkpoint { origin, size: tree.size, root: tree.root };
    let note = signers.sign(&checkpoint.to_string()).map_err(ReadError::Sign)?.to_string();
    Ok(Signed { checkpoint, note })
}
