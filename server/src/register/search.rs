//! A search whose answer is exact, and can prove what it shows.
//!
//! The index finds by terms; numbers are compared here, in the statements that it found. With
//! proofs, every entry of a page comes with its evidence under one checkpoint, which is also what
//! the page is complete to. Proofs show that an entry is there; that none is missing is the
//! register's word, which whoever follows it can check.

use std::sync::Arc;

use attest::{Bundle, Checkpoint, Leaf, LogProof, Statement};
use verify::merkle::inclusion_proof;

use super::answer::is_found_by;
use super::entry::{Entry, EntryBody, Found, Signed};
use super::log::{ReadError, Register};
use super::measured::Measured;
use super::storage::{Order, Query, Storage};
use super::tree::Tree;

/// Most bytes of statements on a page with proofs, but for its first one: the page ends before
/// what would be more.
pub const MAX_EVIDENCE_BYTES: usize = 16 << 20;

/// What to search for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Search {
    /// Terms, times, and which page.
    pub query: Query,
    /// What evaluations are to have measured, all of it; each counts as a term.
    pub measured: Vec<Measured>,
    /// Whether the page is to prove what it shows.
    pub proofs: Proofs,
}

/// Whether a page carries proofs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Proofs {
    /// It shows what the register says.
    #[default]
    Without,
    /// It proves that each entry is in the register.
    With,
}

impl From<Query> for Search {
    fn from(query: Query) -> Self {
        Self { query, ..Self::default() }
    }
}

/// A page of what was found.
#[derive(Clone, Debug)]
pub struct Searched {
    /// The entries.
    pub found: Found,
    /// How many entries had to be looked into, if numbers were compared.
    pub compared: Option<Compared>,
    /// The evidence, if it was asked for.
    pub proven: Option<Proven>,
}

/// How many entries of a page had their numbers compared.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Compared {
    /// Entries that measured what was asked for.
    pub entries: u64,
    /// Those among them whose statement was erased: their numbers are gone, and they are not
    /// shown.
    pub erased: u64,
}

/// Evidence for the entries of a page.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The checkpoint that all of it is under.
    pub signed: Arc<Signed>,
    /// One for each entry, in their order.
    pub evidence: Vec<Evidence>,
}

/// Evidence for an entry, which can be checked without the register.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Evidence {
    /// The attestation with its proof.
    Bundle(Bundle),
    /// The leaf of a statement that was erased or never given, and the proof that it is there.
    Leaf {
        /// The leaf.
        leaf: Leaf,
        /// The proof.
        proof: LogProof,
    },
}

impl Search {
    /// What the index is asked: the terms of the metrics among the others.
    pub fn indexed(&self) -> Query {
        let mut query = self.query.clone();
        query.terms.extend(self.measured.iter().map(Measured::term));
        query
    }

    fn compares(&self) -> bool {
        self.measured.iter().any(|one| one.compared.is_some())
    }

    /// Whether numbers in the statement compare as they should.
    pub fn holds(&self, statement: &Statement) -> bool {
        self.measured.iter().all(|one| one.holds(statement))
    }
}

impl<S: Storage> Register<S> {
    /// Searches. Ordered by position, in the direction that was asked for; the page says what it
    /// is complete to, and can be short, or empty, and still have a next one.
    ///
    /// # Errors
    /// When the storage does not answer, or there are too many terms.
    pub async fn search(&self, search: &Search) -> Result<Searched, ReadError> {
        // Before the index is asked: what is committed meanwhile belongs to the next answer.
        let signed = match search.proofs {
            Proofs::With => Some(self.signed().await?),
            Proofs::Without => None,
        };
        self.search_in(search, signed).await
    }

    /// The same, under a checkpoint of the register's own: what comes after it is left out.
    ///
    /// # Errors
    /// As [`Register::search`].
    pub async fn search_under(
        &self,
        search: &Search,
        signed: Arc<Signed>,
    ) -> Result<Searched, ReadError> {
        self.search_in(search, Some(signed)).await
    }

    async fn search_in(
        &self,
        search: &Search,
        signed: Option<Arc<Signed>>,
    ) -> Result<Searched, ReadError> {
        let mut query = search.indexed();
        if let (Some(signed), Order::NewestFirst) = (&signed, query.order) {
            // What is newer than the checkpoint is passed over, and not taken for the first page.
            let last = signed.checkpoint.size.saturating_sub(1);
            query.start = Some(query.start.map_or(last, |start| start.min(last)));
        }
        let page = self.storage.find(&query).await?;
        let complete_to = match &signed {
            Some(signed) => signed.checkpoint.clone(),
            None => {
                let Tree { size, root } = page.complete_to;
                Checkpoint { origin: self.origin().into(), size, root }
            }
        };
        let size = complete_to.size;
        let mut next = page.next.filter(|next| *next < size);
        let (mut entries, mut evidence) = (Vec::new(), Vec::new());
        let (mut compared, mut bytes) = (Compared::default(), 0_usize);
        for index in page.indices.into_iter().filter(|index| *index < size) {
            let entry = self.entry_below(index, size).await?;
            if search.compares() {
                compared.entries += 1;
                let Some(statement) = statement_of(&entry) else {
                    compared.erased += 1;
                    continue;
                };
                if !search.holds(&statement) {
                    continue;
                }
            }
            if !is_found_by(&entry, &query) {
                continue;
            }
            if let Some(signed) = signed.as_ref().filter(|_| search.proofs == Proofs::With) {
                bytes = bytes.saturating_add(length(&entry));
                if bytes > MAX_EVIDENCE_BYTES && !entries.is_empty() {
                    // It is looked at again on the next page, and counted there.
                    compared.entries = compared.entries.saturating_sub(1);
                    next = Some(index);
                    break;
                }
                evidence.push(self.evidence(&entry, signed).await?);
            }
            entries.push(entry);
        }
        Ok(Searched {
            found: Found { entries, next, complete_to },
            compared: search.compares().then_some(compared),
            proven: signed
                .filter(|_| search.proofs == Proofs::With)
                .map(|signed| Proven { signed, evidence }),
        })
    }

    async fn evidence(&self, entry: &Entry, signed: &Signed) -> Result<Evidence, ReadError> {
        let (index, size) = (entry.index, signed.checkpoint.size);
        let hashes = self.proof(|nodes| inclusion_proof(nodes, index, size)).await?;
        Ok(match entry.bundle(self.verifier(), signed, hashes.clone()) {
            Some(bundle) => Evidence::Bundle(bundle),
            None => {
                let proof =
                    LogProof { extra: None, index, hashes, checkpoint: signed.note.clone() };
                Evidence::Leaf { leaf: entry.leaf.clone(), proof }
            }
        })
    }
}

fn statement_of(entry: &Entry) -> Option<Statement> {
    let EntryBody::Here { envelope, .. } = &entry.body else { return None };
    Statement::read(&attest::carried::opened(envelope).payload).ok()
}

fn length(entry: &Entry) -> usize {
    match &entry.body {
        EntryBody::Here { envelope, .. } => envelope.payload.len(),
        EntryBody::Erased(_) | EntryBody::Unknown => 0,
    }
}

#[cfg(test)]
pub(super) mod tests;
