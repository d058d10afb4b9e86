//! Giving entries and attestations out, each with what it is complete to.

use std::sync::Arc;

use attest::{ArtifactId, Bundle, Checkpoint, Envelope, Leaf};
use verify::merkle::inclusion_proof;

use super::entry::{Bundles, Entry, EntryBody, Found, Signed};
use super::facts::{Term, terms};
use super::log::{ReadError, Register};
use super::storage::{Blob, Damaged, Key, MAX_PAGE, Query, Storage, StorageError, Stored};
use super::tree::Tree;

/// Most attestations of one answer about an artifact.
pub const MAX_BUNDLES: usize = 10_000;

impl<S: Storage> Register<S> {
    /// The entry at `index`.
    ///
    /// # Errors
    /// [`ReadError::NoEntry`] beyond the end; [`ReadError::Storage`] when it cannot be read.
    pub async fn entry(&self, index: u64) -> Result<Entry, ReadError> {
        let tree = self.tree().await?;
        self.entry_below(index, tree.size).await
    }

    /// The attestation of the entry at `index`, with the proof that it is under the newest
    /// checkpoint.
    ///
    /// # Errors
    /// [`ReadError::NoEntry`] beyond the end, [`ReadError::NoBody`] when there is no statement.
    pub async fn bundle(&self, index: u64) -> Result<Bundle, ReadError> {
        let signed = self.signed().await?;
        self.bundle_under(index, &signed).await
    }

    /// The same, under a checkpoint of the register's own, whose note the bundle carries.
    ///
    /// # Errors
    /// As [`Register::bundle`], also of an entry that comes after the checkpoint.
    pub async fn bundle_under(&self, index: u64, signed: &Signed) -> Result<Bundle, ReadError> {
        let size = signed.checkpoint.size;
        let entry = self.entry_below(index, size).await?;
        let hashes = self.proof(|nodes| inclusion_proof(nodes, index, size)).await?;
        entry.bundle(self.verifier(), signed, hashes).ok_or(ReadError::NoBody(index))
    }

    /// The attestations that are about `artifact`: it is a subject of theirs.
    ///
    /// # Errors
    /// When the storage does not answer.
    pub async fn bundles_of(&self, artifact: &ArtifactId) -> Result<Bundles, ReadError> {
        self.bundles_with(Term::Subject(*artifact), 0).await
    }

    /// The attestations of steps that used `artifact`: it is a material of theirs.
    ///
    /// # Errors
    /// When the storage does not answer.
    pub async fn bundles_using(&self, artifact: &ArtifactId) -> Result<Bundles, ReadError> {
        self.bundles_with(Term::Material(*artifact), 0).await
    }

    /// The attestations that `term` finds, from the index `start` on; at most [`MAX_BUNDLES`].
    ///
    /// # Errors
    /// When the storage does not answer.
    pub async fn bundles_with(&self, term: Term, start: u64) -> Result<Bundles, ReadError> {
        self.bundles_under(term, start, &*self.signed().await?).await
    }

    /// The same, under a checkpoint of the register's own: what comes after it is left out.
    ///
    /// # Errors
    /// When the storage does not answer.
    pub async fn bundles_under(
        &self,
        term: Term,
        start: u64,
        signed: &Signed,
    ) -> Result<Bundles, ReadError> {
        let mut query =
            Query { terms: vec![term], start: Some(start), limit: MAX_PAGE, ..Query::default() };
        let mut bundles = Vec::new();
        let next = loop {
            let page = self.storage.find(&query).await?;
            // Entries after the checkpoint belong to the next answer.
            let known =
                page.indices.iter().copied().filter(|index| *index < signed.checkpoint.size);
            for index in known {
                match self.bundle_under(index, signed).await {
                    Ok(bundle) => bundles.push(bundle),
                    Err(ReadError::NoBody(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            match page.next.filter(|next| *next < signed.checkpoint.size) {
                None => break None,
                Some(next) if bundles.len() >= MAX_BUNDLES => break Some(next),
                Some(next) => query.start = Some(next),
            }
        };
        Ok(Bundles { bundles, next, complete_to: signed.checkpoint.clone() })
    }

    /// Searches. Ordered by position, in the direction that was asked for; the page says what it is complete to.
    ///
    /// # Errors
    /// When the storage does not answer, or the query has too many terms.
    pub async fn find(&self, query: &Query) -> Result<Found, ReadError> {
        let page = self.storage.find(query).await?;
        let mut entries = Vec::with_capacity(page.indices.len());
        for index in page.indices {
            let entry = self.entry_below(index, page.complete_to.size).await?;
            if is_found_by(&entry, query) {
                entries.push(entry);
            }
        }
        let Tree { size, root } = page.complete_to;
        let complete_to = Checkpoint { origin: self.origin().into(), size, root };
        Ok(Found { entries, next: page.next, complete_to })
    }

    /// Entries from `start` on, at most [`MAX_PAGE`]; fewer only at the end.
    ///
    /// # Errors
    /// When the storage does not answer.
    pub async fn entries(&self, start: u64) -> Result<Vec<Entry>, ReadError> {
        let size = self.tree().await?.size;
        let end = size.min(start.saturating_add(MAX_PAGE as u64));
        let mut entries = Vec::new();
        for index in start..end {
            entries.push(self.entry_below(index, size).await?);
        }
        Ok(entries)
    }

    /// Every entry from `start` up to the newest checkpoint, one after the other: for whoever
    /// follows the register.
    ///
    /// # Errors
    /// When the head cannot be read.
    pub async fn leaves(&self, start: u64) -> Result<Leaves<'_, S>, ReadError> {
        Ok(Leaves { register: self, next: start, signed: self.signed().await? })
    }

    pub(super) async fn entry_below(&self, index: u64, size: u64) -> Result<Entry, ReadError> {
        if index >= size {
            return Err(ReadError::NoEntry { index, size });
        }
        let damaged = || StorageError::Damaged(Damaged::Entry(index));
        let Some(Blob::Bytes(bytes)) = self.storage.read(&Key::Entry(index)).await? else {
            return Err(damaged().into());
        };
        let Stored { time, body, leaf } = Stored::parse(&bytes).ok_or_else(damaged)?;
        let leaf = Leaf::parse(&leaf).map_err(|_| damaged())?;
        let body = match body {
            None => EntryBody::Unknown,
            Some(hash) => match self.storage.read(&Key::BodyOf { entry: index, hash }).await? {
                Some(Blob::Bytes(bytes)) => {
                    let damaged = || StorageError::Damaged(Damaged::Body(hash));
                    if !leaf.covers(&bytes) {
                        return Err(damaged().into());
                    }
                    let envelope = Envelope::from_pae(&bytes).map_err(|_| damaged())?;
                    EntryBody::Here { hash, envelope }
                }
                Some(Blob::Tombstone) => EntryBody::Erased(hash),
                None => return Err(StorageError::Damaged(Damaged::Body(hash)).into()),
            },
        };
        Ok(Entry { index, time, leaf, body })
    }
}

/// Whether a query finds an entry that the index names. One whose statement was erased is found by
/// what its leaf says, and by nothing that the index may still know of the statement.
pub(super) fn is_found_by(entry: &Entry, query: &Query) -> bool {
    if !matches!(entry.body, EntryBody::Erased(_)) {
        return true;
    }
    let own = terms(entry.leaf.bytes(), None);
    query.terms.iter().all(|term| own.contains(term))
}

/// Every entry up to a checkpoint.
pub struct Leaves<'r, S> {
    register: &'r Register<S>,
    next: u64,
    signed: Arc<Signed>,
}

impl<S: Storage> Leaves<'_, S> {
    /// The checkpoint that the walk ends at.
    pub fn signed(&self) -> &Signed {
        &self.signed
    }

    /// The next entry; `None` at the checkpoint.
    ///
    /// # Errors
    /// When the entry cannot be read.
    pub async fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        let size = self.signed.checkpoint.size;
        if self.next >= size {
            return Ok(None);
        }
        let entry = self.register.entry_below(self.next, size).await?;
        self.next += 1;
        Ok(Some(entry))
    }
}
