//! Is a bundle authentic? Signatures by trusted keys or by somebody for whom a trusted Sigstore
//! instance vouches, and proven places in trusted logs.
//!
//! The order of the checks is part of their meaning. Nothing of a payload is read before a
//! trusted key is known to have signed it. An entry of a log that the trust file names must be
//! right in every respect, else the whole bundle is refused; an entry of any other log is noted
//! and proves nothing. The position that counts is the one that the inclusion proof was checked
//! for: `logIndex` and `logId` beside the proof are signed by nobody and are not looked at.
//!
//! A bundle that carries another ([`attest::carried`]) says what is inside, by whoever signed that,
//! and stands where the envelope around it does.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use attest::bundle::MAX_ENTRIES;
use attest::carried::{carried, mark};
use attest::envelope::{IN_TOTO, MAX_SIGNATURES};
use attest::{
    Bundle, Checkpoint, Envelope, Inclusion, KeyId, Leaf, LogEntry, PublicKey, Sha256, Statement,
    Timestamp, Verifier,
};

use crate::authority::{Certified, Presented, certified, or_passing, untimed};
use crate::error::VerifyError;
use crate::merkle::{leaf_hash, verify_inclusion};
use crate::sigstore::{
    Keyless, Proven, SigstoreArtifact, SigstoreBundle, SigstoreBundleError, keyless,
};
use crate::trust::{CertifiedSigner, Grant, Trust, TrustedKey, TrustedSigner};
use crate::verified::{Content, Logged, Signer, Unlogged, Verified};

/// How many opened checkpoints a [`Checker`] remembers; beyond that each is opened again.
const MAX_CHECKPOINTS: usize = 1024;
/// How much of an unknown log's name is kept, in characters.
const MAX_ORIGIN: usize = 200;

/// Checks that a bundle is authentic: signed by at least one key or keyless signer that `trust`
/// names and that is valid at `now`, with right evidence wherever a trusted log is concerned. A
/// certificate in it is looked at when no trusted key made the signature.
///
/// Authentic is not authorised: whether a signer may say this is judged later.
///
/// A signer's validity is judged by `now`, not by times in the statement: those are claims.
///
/// # Errors
/// [`VerifyError`] for the first check that fails.
pub fn verify(
    bundle: &Bundle,
    trust: &Trust,
    now: Timestamp,
) -> Result<Verified<Content>, VerifyError> {
    let read = Read::of(bundle);
    Checker::new(trust, now).check(&read).map(|found| found.map(Content::Statement))
}

/// A bundle, with what it is known by.
#[derive(Debug)]
pub(crate) struct Read<'b> {
    bundle: &'b Bundle,
    /// The bundle inside, if it carries one: then that says something, and this where it stands.
    inside: Option<Bundle>,
    /// The pre-authentication encoding of the envelope that says something.
    pae: Vec<u8>,
    /// Its digest: the body.
    body: Sha256,
}

impl<'b> Read<'b> {
    pub(crate) fn of(bundle: &'b Bundle) -> Self {
        // What carries nothing is an envelope of a type that is not read.
        let inside = carried(&bundle.envelope).unwrap_or_default();
        let pae = inside.as_ref().unwrap_or(bundle).envelope.pae();
        let body = Sha256::of(&pae);
        Self { bundle, inside, pae, body }
    }

    /// The bundle that says something.
    pub(crate) fn said(&self) -> &Bundle {
        self.inside.as_ref().unwrap_or(self.bundle)
    }

    pub(crate) const fn received(&self) -> &Bundle {
        self.bundle
    }

    pub(crate) const fn body(&self) -> Sha256 {
        self.body
    }

    /// The encoding that entries of the bundle's own are for: with a carried bundle, that of what
    /// carries it.
    fn placed(&self) -> Cow<'_, [u8]> {
        match self.inside {
            Some(_) => Cow::Owned(self.bundle.envelope.pae()),
            None => Cow::Borrowed(&self.pae),
        }
    }
}

/// Checks bundles one after another against one trust, opening each checkpoint once.
#[derive(Debug)]
pub(crate) struct Checker<'t> {
    trust: &'t Trust,
    now: Timestamp,
    checkpoints: HashMap<String, Checkpoint>,
}

impl<'t> Checker<'t> {
    pub(crate) fn new(trust: &'t Trust, now: Timestamp) -> Self {
        Self { trust, now, checkpoints: HashMap::new() }
    }

    /// As [`verify`].
    pub(crate) fn check(&mut self, read: &Read<'_>) -> Result<Verified<Statement>, VerifyError> {
        let now = self.now;
        let counts = |grant: &Grant| grant.is_valid(now) || grant.is_retired(now);
        let verified = self.check_by(read, counts)?;
        // What a retired key signed counts by its place, which is known only now.
        self.standing(verified)
    }

    /// The same without the signers that count by no grant.
    fn standing(
        &self,
        mut verified: Verified<Statement>,
    ) -> Result<Verified<Statement>, VerifyError> {
        let mut outside = None;
        let places = verified.logged().to_vec();
        verified.retain_signers(|signer| {
            let grants = self.trust.grants_of(signer);
            let counts = grants.iter().any(|grant| grant.counts(self.now, signer.key, &places));
            outside = if counts { outside } else { grants.first().copied() };
            counts
        });
        match outside {
            Some(grant) if verified.signers().is_empty() => Err(outside_validity(grant)),
            _ => Ok(verified),
        }
    }

    /// The same for signers that were trusted once and no longer are: what they said stands against
    /// an artifact until it is superseded, and for nothing. `None` when it is not authentic by one.
    pub(crate) fn lapsed(&mut self, read: &Read<'_>) -> Option<Verified<Statement>> {
        let now = self.now;
        self.check_by(read, |grant| grant.has_lapsed(now)).ok()
    }

    fn check_by(
        &mut self,
        read: &Read<'_>,
        holds: impl Fn(&Grant) -> bool,
    ) -> Result<Verified<Statement>, VerifyError> {
        check_counts(read.bundle)?;
        let (bundle, pae, body) = (read.said(), &read.pae, read.body);
        check_counts(bundle)?;
        let envelope = &bundle.envelope;
        if envelope.payload_type != IN_TOTO {
            let found = envelope.payload_type.chars().take(MAX_ORIGIN).collect();
            return Err(VerifyError::PayloadType { found });
        }
        let keys = self.signing_keys(envelope, pae);
        let counts = |grants: &[Grant]| grants.iter().any(&holds);
        let Made { hands, signers, proven } = match &bundle.keyless {
            Some(received) if keys.iter().all(Option::is_none) => {
                self.keyless(envelope, received, &bundle.entries, &holds)?
            }
            _ => {
                let signers = signers(&keys, |key| counts(key.grants()))?;
                let hand = |key: &'t TrustedKey| Hand::of(key, counts(key.grants()));
                let hands = keys.iter().map(|key| key.map(hand)).collect();
                Made { hands, signers, proven: Proven::default() }
            }
        };
        let statement = Statement::parse(&envelope.payload)
            .map_err(|error| VerifyError::Statement { reason: error.to_string() })?;
        let mut places = Vec::with_capacity(bundle.entries.len());
        for entry in &bundle.entries {
            places.push(self.entry(entry, envelope, &hands, pae, body)?);
        }
        if read.inside.is_some() {
            places.extend(self.around(read, &signers)?);
        }
        let (mut logged, mut unlogged) = (Vec::new(), Vec::new());
        for place in places {
            match place {
                Ok(place) => logged.push(place),
                Err(nowhere) => unlogged.push(nowhere),
            }
        }
        logged.sort();
        logged.dedup();
        unlogged.sort();
        unlogged.dedup();
        let verified = Verified::new(statement, body, signers, logged, unlogged);
        Ok(verified.with_evidence(proven.entries, proven.times))
    }

    /// Where the envelope around a carried bundle stands: there stands what is in it. Whoever signed
    /// the envelope vouches for nothing, so that only the mark is taken, which everybody can make.
    fn around(
        &mut self,
        read: &Read<'_>,
        signers: &[Signer],
    ) -> Result<Vec<Result<Logged, Unlogged>>, VerifyError> {
        let (Some(signer), Ok(mark)) = (signers.first(), mark()) else { return Ok(Vec::new()) };
        let (pae, envelope) = (read.placed(), &read.bundle.envelope);
        let body = Sha256::of(&pae);
        let hand = || Some(Hand { id: signer.key, by: By::Key(&mark), counts: true });
        let hands: Vec<Option<Hand<'_>>> = envelope.signatures.iter().map(|_| hand()).collect();
        let entries = read.bundle.entries.iter();
        entries.map(|entry| self.entry(entry, envelope, &hands, &pae, body)).collect()
    }

    /// Who signed a bundle that came with a certificate, and what is proven about that.
    fn keyless(
        &self,
        envelope: &Envelope,
        received: &[u8],
        entries: &[LogEntry],
        holds: impl Fn(&Grant) -> bool,
    ) -> Result<Made<'t>, VerifyError> {
        let failed = |error: SigstoreBundleError| VerifyError::SigstoreBundle(error);
        let bundle = SigstoreBundle::parse(received).map_err(failed)?;
        if !bundle.holds(envelope) {
            return Err(VerifyError::OtherEnvelope);
        }
        let refused = match self.certified(envelope, &bundle, entries, &holds) {
            Ok(Some(made)) => return Ok(made),
            Ok(None) if self.trust.roots().is_empty() && !self.trust.authorities().is_empty() => {
                return Err(VerifyError::UnknownIssuer);
            }
            Ok(None) => None,
            Err(error) if self.trust.roots().is_empty() => return Err(error),
            Err(error) => Some(error),
        };
        self.by_instance(&bundle, holds).map_err(|error| or_passing(refused, error))
    }

    /// Who signed, if an authority of the trust file issued the certificate.
    fn certified(
        &self,
        envelope: &Envelope,
        bundle: &SigstoreBundle,
        entries: &[LogEntry],
        holds: impl Fn(&Grant) -> bool,
    ) -> Result<Option<Made<'t>>, VerifyError> {
        let (chain, pae) = (bundle.chain(), envelope.pae());
        let Some(certificate) = chain.first() else { return Ok(None) };
        let witnessed = |origin: &str| {
            let times = entries.iter().filter_map(|entry| {
                witnessed(self.trust, origin, entry, &pae, bundle.signature(), certificate)
            });
            times.min()
        };
        let presented = Presented {
            chain: &chain,
            signature: bundle.signature(),
            timestamps: &bundle.timestamps(),
            witnessed: &witnessed,
        };
        let Some(found) = certified(&presented, self.trust, self.now, holds)? else {
            return Ok(None);
        };
        found.key.verify(&pae, bundle.signature()).map_err(|_| VerifyError::NoTrustedSignature)?;
        let by = By::Certificate(certificate.clone());
        let hand = Hand { id: found.signer.key, by, counts: true };
        let proven = Proven { times: found.times, ..Proven::default() };
        Ok(Some(Made { hands: vec![Some(hand)], signers: vec![found.signer], proven }))
    }

    /// Who signed, if a Sigstore instance of the trust file vouches for it.
    fn by_instance(
        &self,
        bundle: &SigstoreBundle,
        holds: impl Fn(&Grant) -> bool,
    ) -> Result<Made<'t>, VerifyError> {
        let artifact = bundle.first_subject().ok_or(VerifyError::NoSubject)?;
        let artifact = SigstoreArtifact::Digest(artifact);
        let (signer, proven) = keyless(bundle, artifact, self.trust, self.now, holds)?;
        let certificate = bundle.certificate().unwrap_or_default().to_vec();
        let hand = Hand { id: signer.key, by: By::Certificate(certificate), counts: true };
        Ok(Made { hands: vec![Some(hand)], signers: vec![signer], proven })
    }

    /// For each signature, the trusted key that made it, if one did: a signature counts for one
    /// key at most, and equal signatures are one. The `keyid` only says which key to try first.
    ///
    /// At most [`MAX_SIGNATURES`] times the number of trusted keys are tried.
    fn signing_keys(&self, envelope: &Envelope, pae: &[u8]) -> Vec<Option<&'t TrustedKey>> {
        let made = |key: &&TrustedKey, signature: &[u8]| key.key().verify(pae, signature).is_ok();
        let find = |signature: &attest::Signature| {
            let hint = signature.keyid.as_deref().and_then(|keyid| keyid.parse::<KeyId>().ok());
            let hinted = hint.and_then(|id| self.trust.key(&id));
            hinted.filter(|key| made(key, &signature.sig)).or_else(|| {
                let others = self.trust.keys().iter().filter(|key| Some(key.id()) != hint);
                others.into_iter().find(|key| made(key, &signature.sig))
            })
        };
        let mut seen = BTreeSet::new();
        let all = envelope.signatures.iter();
        all.map(|one| if seen.insert(&one.sig) { find(one) } else { None }).collect()
    }

    /// Where an entry proves the envelope to be; the inner `Err` for an entry that proves
    /// nothing.
    fn entry(
        &mut self,
        entry: &LogEntry,
        envelope: &Envelope,
        hands: &[Option<Hand<'_>>],
        pae: &[u8],
        body: Sha256,
    ) -> Result<Result<Logged, Unlogged>, VerifyError> {
        let Some(proof) = &entry.proof else { return Ok(Err(Unlogged::NoProof)) };
        let claimed = Checkpoint::claimed_origin(&proof.checkpoint).unwrap_or_default();
        if self.trust.log(claimed).is_none() {
            let origin = claimed.chars().take(MAX_ORIGIN).collect();
            return Ok(Err(Unlogged::UnknownLog { origin }));
        }
        let checkpoint = self.open(claimed, &proof.checkpoint)?;
        let origin = || checkpoint.origin.clone();
        let index = proof.index;
        included(&checkpoint, proof, &entry.leaf)?;

        let leaf = Leaf::parse(&entry.leaf).map_err(|error| VerifyError::Leaf {
            origin: origin(),
            index,
            reason: error.to_string(),
        })?;
        // A 32-byte digest is SHA-256, which is the body's own name: no need to hash again.
        if leaf.data() != body.as_bytes() && !leaf.covers(pae) {
            return Err(VerifyError::OtherBody { origin: origin(), index, body });
        }
        let signature =
            envelope.signatures.iter().position(|signature| signature.sig == leaf.signature());
        let Some(hand) = signature.and_then(|place| hands.get(place)) else {
            return Err(VerifyError::OtherSignature { origin: origin(), index });
        };
        let Some(hand) = hand.as_ref().filter(|hand| hand.counts) else {
            return Ok(Err(Unlogged::OtherSigner));
        };
        if !hand.by.is(leaf.verifier()) {
            return Err(VerifyError::OtherVerifier { origin: origin(), index });
        }
        let Checkpoint { origin, size, root } = checkpoint;
        Ok(Ok(Logged { origin, index, key: hand.id, size, root }))
    }

    /// Where the log `origin`, which is trusted, proves to hold these bytes, whoever signed them:
    /// it says where to look for what is not believed, and places nothing.
    pub(crate) fn position(&mut self, read: &Read<'_>, origin: &str) -> Option<u64> {
        let pae = read.placed();
        let body = Sha256::of(&pae);
        let entries = read.bundle.entries.iter().take(MAX_ENTRIES);
        let proven = entries.filter_map(|entry| {
            let proof = entry.proof.as_ref()?;
            Checkpoint::claimed_origin(&proof.checkpoint).filter(|claimed| *claimed == origin)?;
            let checkpoint = self.open(origin, &proof.checkpoint).ok()?;
            included(&checkpoint, proof, &entry.leaf).ok()?;
            let leaf = Leaf::parse(&entry.leaf).ok()?;
            (leaf.data() == body.as_bytes() || leaf.covers(&pae)).then_some(proof.index)
        });
        proven.min()
    }

    fn open(&mut self, origin: &str, note: &str) -> Result<Checkpoint, VerifyError> {
        if let Some(opened) = self.checkpoints.get(note) {
            return Ok(opened.clone());
        }
        let opened = open(self.trust, origin, note)?;
        if self.checkpoints.len() < MAX_CHECKPOINTS {
            self.checkpoints.insert(note.into(), opened.clone());
        }
        Ok(opened)
    }
}

/// Whoever signed a carried bundle without a key, by a grant of `trust` that `holds` takes: at the times
/// that its own evidence proves. Where only `now` or witnesses could tell the time, by the word of the
/// authority that the certificate held once; the signer then has the certificate's window.
pub(crate) fn signed_without_key(
    bundle: &Bundle,
    trust: &Trust,
    holds: impl Fn(&Grant) -> bool,
) -> Option<Signer> {
    let (envelope, received) = (&bundle.envelope, bundle.keyless.as_deref()?);
    let made = Checker::new(trust, Timestamp::MAX).keyless(envelope, received, &[], &holds);
    if let Ok(made) = made {
        return made.signers.into_iter().next();
    }
    let read = SigstoreBundle::parse(received).ok()?;
    let found = untimed(&read.chain(), trust, holds)?;
    found.key.verify(&envelope.pae(), read.signature()).is_ok().then_some(found.signer)
}

/// Who made the signatures of an envelope.
#[derive(Debug)]
struct Made<'t> {
    /// For each signature, whoever made it, if that is known.
    hands: Vec<Option<Hand<'t>>>,
    /// Those who count, each once.
    signers: Vec<Signer>,
    /// What Sigstore's logs and clocks prove.
    proven: Proven,
}

/// Whoever made a signature, whether or not it counts.
#[derive(Debug)]
struct Hand<'t> {
    id: KeyId,
    by: By<'t>,
    counts: bool,
}

/// What a signature was checked with.
#[derive(Debug)]
enum By<'t> {
    Key(&'t PublicKey),
    Certificate(Vec<u8>),
}

impl<'t> Hand<'t> {
    const fn of(key: &'t TrustedKey, counts: bool) -> Self {
        Self { id: key.id(), by: By::Key(key.key()), counts }
    }
}

impl By<'_> {
    fn is(&self, verifier: &Verifier) -> bool {
        match (self, verifier) {
            (Self::Key(key), Verifier::Key(logged)) => *key == logged,
            (Self::Certificate(der), Verifier::Certificate(logged)) => der == logged,
            _ => false,
        }
    }
}

/// The trusted keys that signed and count, each once.
fn signers(
    keys: &[Option<&TrustedKey>],
    counts: impl Fn(&TrustedKey) -> bool,
) -> Result<Vec<Signer>, VerifyError> {
    let mut signers: Vec<Signer> = keys
        .iter()
        .flatten()
        .filter(|key| counts(key))
        .map(|key| Signer::of(key, key.name()))
        .collect();
    signers.sort();
    signers.dedup();
    if !signers.is_empty() {
        return Ok(signers);
    }
    let outside = keys.iter().flatten().flat_map(|key| key.grants()).next();
    Err(outside.map_or(VerifyError::NoTrustedSignature, outside_validity))
}

fn outside_validity(grant: &Grant) -> VerifyError {
    let window = grant.window();
    let name = grant.name().into();
    VerifyError::OutsideValidity { name, from: window.from, until: window.until }
}

/// By when a quorum of the witnesses of `origin` had seen this signature in the log, made with this
/// certificate. What is not proven in every respect proves nothing.
fn witnessed(
    trust: &Trust,
    origin: &str,
    entry: &LogEntry,
    pae: &[u8],
    signature: &[u8],
    certificate: &[u8],
) -> Option<Timestamp> {
    let proof = entry.proof.as_ref()?;
    Checkpoint::claimed_origin(&proof.checkpoint).filter(|claimed| *claimed == origin)?;
    let (checkpoint, witnessed) = trust.log(origin)?.open(&proof.checkpoint).ok()?;
    included(&checkpoint, proof, &entry.leaf).ok()?;
    let leaf = Leaf::parse(&entry.leaf).ok()?;
    let is_by = matches!(leaf.verifier(), Verifier::Certificate(logged) if logged == certificate);
    if !is_by || leaf.signature() != signature || !leaf.covers(pae) {
        return None;
    }
    Timestamp::from_second(i64::try_from(witnessed.by()?).ok()?).ok()
}

/// The checkpoint in `note`, as the trusted log `origin` signed it and enough of its witnesses
/// cosigned it.
pub(crate) fn open(trust: &Trust, origin: &str, note: &str) -> Result<Checkpoint, VerifyError> {
    let failed = |reason: String| VerifyError::Checkpoint { origin: origin.to_owned(), reason };
    let log = trust.log(origin).ok_or_else(|| failed("not a trusted log".into()))?;
    log.open(note).map(|(checkpoint, _)| checkpoint).map_err(|error| failed(error.to_string()))
}

fn check_counts(bundle: &Bundle) -> Result<(), VerifyError> {
    let count = bundle.envelope.signatures.len();
    if count > MAX_SIGNATURES {
        return Err(VerifyError::TooManySignatures { count, limit: MAX_SIGNATURES });
    }
    let count = bundle.entries.len();
    if count > MAX_ENTRIES {
        return Err(VerifyError::TooManyEntries { count, limit: MAX_ENTRIES });
    }
    Ok(())
}

/// The size and root that count are those that the log signed; a proof that says otherwise of
/// itself is for another tree.
pub(crate) fn included(
    checkpoint: &Checkpoint,
    proof: &Inclusion,
    leaf: &[u8],
) -> Result<(), VerifyError> {
    let Checkpoint { origin, size, root } = checkpoint;
    if (proof.size, proof.root) != (*size, *root) {
        let (origin, claimed) = (origin.clone(), proof.size);
        return Err(VerifyError::OtherTree { origin, claimed, signed: *size });
    }
    let leaf = leaf_hash(leaf);
    verify_inclusion(proof.index, *size, &leaf, &proof.hashes, root).map_err(|source| {
        VerifyError::NotIncluded { origin: origin.clone(), index: proof.index, source }
    })
}

impl Signer {
    pub(crate) fn of(key: &TrustedKey, name: &str) -> Self {
        let (owner, custody) = (key.owner().into(), key.custody());
        Self { key: key.id(), name: name.into(), owner, custody, keyless: None, certified: None }
    }

    pub(crate) fn keyless(signer: &TrustedSigner, keyless: Keyless) -> Self {
        Self {
            key: KeyId::of_keyless(&keyless.issuer, &keyless.subject),
            name: signer.grant().name().into(),
            owner: signer.owner().into(),
            custody: signer.custody(),
            keyless: Some(keyless),
            certified: None,
        }
    }

    pub(crate) fn certified(signer: &CertifiedSigner, anchor: Sha256, who: Certified) -> Self {
        Self {
            key: KeyId::of_certified(anchor, who.kind.as_str(), &who.name),
            name: signer.grant().name().into(),
            owner: signer.owner().into(),
            custody: signer.custody(),
            keyless: None,
            certified: Some(who),
        }
    }
}
