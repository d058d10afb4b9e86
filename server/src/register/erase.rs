//! Erasing what a statement says, and not that it was there.
//!
//! The order: a tombstone is registered, which says which body goes and why; then the body is
//! overwritten. A crash between the two leaves a tombstone and a body, and asking again finishes
//! it. The leaf stays, so that the tree and every proof in it hold as before. Statements that may
//! speak against somebody stay whole (THREATS 32).

use attest::carried::opened;
use attest::envelope::IN_TOTO;
use attest::predicate::{TOMBSTONE, is_erasable};
use attest::{
    ArtifactId, Envelope, KeyId, Predicate, PublicKey, Sha256, Statement, StatementError, Timestamp,
};

use super::buried::buries;
use super::embedded::Embedded;
use super::facts::Term;
use super::log::{ReadError, Register};
use super::storage::{Blob, Damaged, Key, MAX_PAGE, Query, Storage, StorageError};
use super::submit::SubmitError;

/// Why a body is not erased.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// The register has no such body.
    #[error("the register has no body {0}")]
    NoBody(Sha256),
    /// A statement that has to stay.
    #[error("body {body} is a statement of type `{predicate_type}`, and those are never erased")]
    Kept {
        /// The body.
        body: Sha256,
        /// The type.
        predicate_type: String,
    },
    /// A body that says it is a statement and is none, so that nobody can tell of what type.
    #[error("body {body} cannot be read, so that nobody can tell whether it may be erased")]
    Unreadable {
        /// The body.
        body: Sha256,
        /// What is wrong with it.
        source: StatementError,
    },
    /// The tombstone is not one of this body.
    #[error("the tombstone is not one of body {0}")]
    Tombstone(Sha256),
    /// The tombstone was not registered: nothing was erased.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The register does not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<StorageError> for EraseError {
    fn from(error: StorageError) -> Self {
        Self::Read(error.into())
    }
}

/// A body that was erased.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Erased {
    /// The body.
    pub body: Sha256,
    /// Position of its tombstone.
    pub tombstone: u64,
}

/// What tombstones are found by.
pub(super) fn tombstones() -> Term {
    Term::Type(TOMBSTONE.into())
}

impl<S: Storage> Register<S> {
    /// The bytes of a body that may be erased, and the type that its tombstone has to name; `None`
    /// when it was erased already.
    ///
    /// # Errors
    /// [`EraseError::NoBody`], [`EraseError::Kept`], [`EraseError::Unreadable`].
    pub async fn erasable(&self, body: &Sha256) -> Result<Option<(Vec<u8>, String)>, EraseError> {
        let bytes = match self.storage.read(&Key::Body(*body)).await? {
            Some(Blob::Bytes(bytes)) => bytes,
            Some(Blob::Tombstone) => return Ok(None),
            None => return Err(EraseError::NoBody(*body)),
        };
        let envelope =
            Envelope::from_pae(&bytes).map_err(|_| StorageError::Damaged(Damaged::Body(*body)))?;
        // What may speak against somebody stays, also inside a carried bundle.
        let envelope = opened(&envelope).into_owned();
        let predicate_type = if envelope.payload_type == IN_TOTO {
            let statement = Statement::read(&envelope.payload)
                .map_err(|source| EraseError::Unreadable { body: *body, source })?;
            statement.predicate_type().to_owned()
        } else {
            envelope.payload_type
        };
        if !is_erasable(&predicate_type) {
            return Err(EraseError::Kept { body: *body, predicate_type });
        }
        Ok(Some((bytes, predicate_type)))
    }

    /// The position of the first tombstone of a body that was signed by `key`.
    ///
    /// # Errors
    /// When the storage does not answer.
    pub async fn tombstone(&self, body: &Sha256, key: KeyId) -> Result<Option<u64>, ReadError> {
        let terms = vec![Term::Subject(ArtifactId::file(*body)), tombstones(), Term::Signer(key)];
        let mut query = Query { terms, limit: MAX_PAGE, ..Query::default() };
        // Every page starts after the one before it.
        loop {
            let page = self.storage.find(&query).await?;
            for index in page.indices {
                let entry = self.entry_below(index, page.complete_to.size).await?;
                if entry.pae().is_some_and(|pae| buries(&pae, body)) {
                    return Ok(Some(index));
                }
            }
            match page.next {
                Some(next) => query.start = Some(next),
                None => return Ok(None),
            }
        }
    }

    /// The position of the first entry that has all of these terms.
    pub(super) async fn first(&self, terms: Vec<Term>) -> Result<Option<u64>, ReadError> {
        let mut query = Query { terms, limit: 1, ..Query::default() };
        loop {
            let page = self.storage.find(&query).await?;
            match (page.indices.first(), page.next) {
                (Some(index), _) => return Ok(Some(*index)),
                (None, None) => return Ok(None),
                // Every page starts after the one before it.
                (None, Some(next)) => query.start = Some(next),
            }
        }
    }
}

impl Register<Embedded> {
    /// Registers a tombstone and erases the body that it is of.
    ///
    /// # Errors
    /// [`EraseError`]; after [`EraseError::Read`] the tombstone may be registered and the body
    /// still here: [`Register::finish_erasing`] goes on from there.
    pub async fn erase(
        &self,
        body: &Sha256,
        tombstone: &Envelope,
        verifiers: &[PublicKey],
        now: Timestamp,
    ) -> Result<Erased, EraseError> {
        let Some((_, erased)) = self.erasable(body).await? else {
            return Err(SubmitError::Erased(*body).into());
        };
        let is_of_it = Statement::parse(&tombstone.payload).is_ok_and(|statement| {
            let subjects = statement.subjects().unwrap_or_default();
            let named = subjects.iter().any(|(named, _)| *named == ArtifactId::file(*body));
            named
                && matches!(&statement.predicate, Predicate::Tombstone(said)
                    if said.predicate_type == erased)
        });
        if !is_of_it || tombstone.payload_type != IN_TOTO {
            return Err(EraseError::Tombstone(*body));
        }
        let receipts = self.submit(tombstone, verifiers, now).await?;
        let tombstone = receipts.first().ok_or(EraseError::Tombstone(*body))?.index;
        self.storage.erase_body(body)?;
        Ok(Erased { body: *body, tombstone })
    }

    /// Erases a body of which `key` has registered a tombstone; `None` when it has not.
    ///
    /// # Errors
    /// [`EraseError`].
    pub async fn finish_erasing(
        &self,
        body: &Sha256,
        key: KeyId,
    ) -> Result<Option<Erased>, EraseError> {
        let erasable = self.erasable(body).await?.is_some();
        let Some(tombstone) = self.tombstone(body, key).await? else { return Ok(None) };
        if erasable {
            self.storage.erase_body(body)?;
        }
        Ok(Some(Erased { body: *body, tombstone }))
    }
}

#[cfg(test)]
mod tests;
