//! What the register gives back: entries, bundles, proofs, pages of answers.

use attest::{
    Bundle, Checkpoint, Envelope, Inclusion, Leaf, LogEntry, Sha256, Signature, Timestamp,
    Verifier, VerifierKey,
};

/// An entry of the register.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its position, from 0.
    pub index: u64,
    /// When it was committed.
    pub time: Timestamp,
    /// The leaf.
    pub leaf: Leaf,
    /// What the leaf's signature covers.
    pub body: EntryBody,
}

/// What an entry's signature covers, as far as the register can tell.
#[derive(Clone, Debug)]
pub enum EntryBody {
    /// The body, which the leaf covers.
    Here {
        /// SHA-256 of the pre-authentication encoding.
        hash: Sha256,
        /// The payload with its type; without signatures.
        envelope: Envelope,
    },
    /// The body was erased.
    Erased(Sha256),
    /// The register was never given it.
    Unknown,
}

impl Entry {
    /// The hash of the body, if it is known.
    pub const fn body_hash(&self) -> Option<Sha256> {
        match &self.body {
            EntryBody::Here { hash, .. } | EntryBody::Erased(hash) => Some(*hash),
            EntryBody::Unknown => None,
        }
    }

    /// The bytes that the signature is over, if the body is here.
    pub fn pae(&self) -> Option<Vec<u8>> {
        match &self.body {
            EntryBody::Here { envelope, .. } => Some(envelope.pae()),
            EntryBody::Erased(_) | EntryBody::Unknown => None,
        }
    }

    /// The envelope with this entry's one signature, if the body is here. Its `keyid` is the key's
    /// identity: what a submitter wrote there is not kept, and decides nothing.
    pub fn envelope(&self) -> Option<Envelope> {
        let EntryBody::Here { envelope, .. } = &self.body else { return None };
        Some(with_signature(envelope, &self.leaf, self.hint()))
    }

    /// The identity of the key that signed, if it was a plain key.
    pub fn hint(&self) -> Option<String> {
        hint(&self.leaf)
    }

    /// The bundle that carries this entry's attestation with the proof that it is under a signed
    /// checkpoint, if the body is here.
    pub(super) fn bundle(
        &self,
        log: &VerifierKey,
        signed: &Signed,
        hashes: Vec<Sha256>,
    ) -> Option<Bundle> {
        let EntryBody::Here { envelope, .. } = &self.body else { return None };
        Some(bundle(&self.leaf, envelope, self.index, log, signed, hashes))
    }
}

/// The identity of the key that signed a leaf, if it was a plain key.
fn hint(leaf: &Leaf) -> Option<String> {
    match leaf.verifier() {
        Verifier::Key(key) => Some(key.id().to_string()),
        Verifier::Certificate(_) => None,
    }
}

/// The envelope with a leaf's one signature. Its `keyid` is the key's identity: what a submitter
/// wrote there is not kept, and decides nothing.
fn with_signature(envelope: &Envelope, leaf: &Leaf, keyid: Option<String>) -> Envelope {
    let Envelope { payload_type, payload, .. } = envelope;
    let signature = Signature { keyid, sig: leaf.signature().to_vec() };
    let (payload_type, payload) = (payload_type.clone(), payload.clone());
    Envelope { payload_type, payload, signatures: vec![signature] }
}

/// The bundle with a leaf's signature over what `envelope` carries, and the proof that the leaf is
/// at `index` under a signed checkpoint of `log`.
pub(super) fn bundle(
    leaf: &Leaf,
    envelope: &Envelope,
    index: u64,
    log: &VerifierKey,
    signed: &Signed,
    hashes: Vec<Sha256>,
) -> Bundle {
    let Checkpoint { size, root, .. } = signed.checkpoint;
    let proof = Inclusion { index, size, root, hashes, checkpoint: signed.note.clone() };
    let entry = LogEntry {
        index,
        log_id: log.id().as_bytes().to_vec(),
        leaf: leaf.bytes().to_vec(),
        proof: Some(proof),
    };
    let hint = hint(leaf);
    Bundle {
        envelope: with_signature(envelope, leaf, hint.clone()),
        hint,
        entries: vec![entry],
        keyless: None,
    }
}

/// A checkpoint, and the note in which the register signed it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signed {
    /// Origin, size and root.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
}

/// What a submitter gets for each signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Receipt {
    /// Position of the entry.
    pub index: u64,
    /// Whether the register had the entry already.
    pub duplicate: bool,
    /// The attestation with the proof that it is in the register.
    pub bundle: Bundle,
}

/// Evidence that an entry is in the tree of a size.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InclusionProof {
    /// Position of the entry.
    pub index: u64,
    /// Size of the tree.
    pub size: u64,
    /// Hash of the entry's leaf.
    pub leaf_hash: Sha256,
    /// Root of the tree.
    pub root: Sha256,
    /// The audit path (RFC 6962, section 2.1.1).
    pub hashes: Vec<Sha256>,
}

/// Evidence that a tree has only grown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsistencyProof {
    /// Size of the earlier tree.
    pub from: u64,
    /// Size of the later tree.
    pub to: u64,
    /// Root of the earlier tree.
    pub from_root: Sha256,
    /// Root of the later tree.
    pub to_root: Sha256,
    /// The proof (RFC 6962, section 2.1.2).
    pub hashes: Vec<Sha256>,
}

/// A page of entries that match a query.
#[derive(Clone, Debug)]
pub struct Found {
    /// The entries, in the order that was asked for.
    pub entries: Vec<Entry>,
    /// Where the next page starts, if there may be more.
    pub next: Option<u64>,
    /// No entry of this tree that matches is missing between where the page began and where the
    /// next one does; with the newest first, all pages are complete to the tree of the first.
    pub complete_to: Checkpoint,
}

/// The attestations of an artifact.
#[derive(Clone, Debug)]
pub struct Bundles {
    /// One for each entry, in the order of their positions.
    pub bundles: Vec<Bundle>,
    /// Where to go on, if there are more than one answer holds.
    pub next: Option<u64>,
    /// No attestation up to here is missing, but for erased bodies, and for what is still to come
    /// from `next` on.
    pub complete_to: Checkpoint,
}
