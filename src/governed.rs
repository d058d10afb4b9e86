//! What is in force in a register, and drafts of what is to come: statements that owners sign one
//! after another before they are registered.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attest::envelope::{IN_TOTO, MAX_SIGNATURES};
use attest::predicate::{POLICY, POLICY_ACTIVATION, REINSTATEMENT, REVOCATION, TRUST};
use attest::{
    Checkpoint, Envelope, KeyId, Leaf, Predicate, PublicKey, Sha256, Signature, SigningKey,
    Statement,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use server::register::{Query, Search, Term};
use server::seen::{Seen, SeenError, TrustMark};
use verify::merkle::{leaf_hash, verify_inclusion};
use verify::{Governance, Governing, Trust};

use crate::command::log::known_trust;
use crate::context::Context;
use crate::error::Error;
use crate::home::{self, Existing, Readers};
use crate::source::Source;

/// How many statements of one type a service is asked for.
const MAX_STATEMENTS: usize = 4096;
/// How many pages they come in at most.
const MAX_PAGES: usize = 256;
/// What a file with a draft calls itself.
const DRAFT: &str = "assay/draft/v1";

/// Whom to believe and what judges in the register that the options name, from the document
/// `begun` on. A register that is open here is read whole; a service is asked, and what it does not
/// show nobody here can know, except that it must not be less than was seen before.
pub fn in_force(source: &Source, begun: &Trust, cx: &Context<'_>) -> Result<Governing, Error> {
    let governing = match source {
        Source::Folder(_) => source.follow_to_judge(begun, cx)?.governing,
        Source::Service(_) => shown(source, begun, cx)?,
    };
    remember(governing.origin(), governing.trust(), cx)?;
    Ok(governing)
}

/// Whom the folder believes about the register that is asked: the document that is in force there,
/// where the trust file has owners; the file itself where it has none.
pub fn known(source: &Source, cx: &Context<'_>) -> Result<Arc<Trust>, Error> {
    match known_trust(cx)? {
        Some(trust) if trust.governance().is_some() => {
            Ok(Arc::clone(in_force(source, &trust, cx)?.trust()))
        }
        Some(trust) => Ok(Arc::new(trust)),
        None => Err(Error::NoTrustNamed),
    }
}

/// Holds the document that is in force against the one that was, and remembers it.
pub fn remember(origin: &str, trust: &Trust, cx: &Context<'_>) -> Result<(), Error> {
    let Some(home) = cx.found_home()? else { return Ok(()) };
    let path = home.seen();
    let accepted = server::seen::accept_trust(&path, origin, trust);
    accepted.map_err(|source| Error::Seen { path, source: Box::new(source) })?;
    // For whoever asks no register. Its digest is beside it, among what was seen.
    let text = trust.to_yaml();
    let kept = std::fs::read(home.in_force()).is_ok_and(|bytes| bytes == text.as_bytes());
    if trust.governance().is_none() || kept || Sha256::of(text.as_bytes()) != trust.digest() {
        return Ok(());
    }
    home::write(&home.in_force(), text.as_bytes(), Readers::All, Existing::Replaced)
}

/// The newest version of `trust` that was seen to be in force.
pub fn last_seen(trust: Trust, cx: &Context<'_>) -> Result<Trust, Error> {
    let Some(home) = cx.found_home()? else { return Ok(trust) };
    let path = home.seen();
    let failed = |source| Error::Seen { path: path.clone(), source: Box::new(source) };
    let seen = Seen::load(&path).map_err(failed)?;
    let found = trust.governance().map_or(0, Governance::version);
    for log in trust.logs() {
        let Some(TrustMark { version, digest }) = seen.trust_mark(log.origin()) else { continue };
        if version == found && digest == trust.digest() {
            continue;
        }
        let newest = home::read_text(&home.in_force()).ok();
        let newest = newest.and_then(|text| Trust::parse(&text).ok());
        match newest.filter(|newest| newest.digest() == digest && version > found) {
            Some(newest) => return Ok(newest),
            None => {
                let (origin, seen) = (log.origin().to_owned(), version);
                return Err(failed(SeenError::OlderTrust { origin, found, seen }));
            }
        }
    }
    Ok(trust)
}

/// What a service shows of it. Signatures, and places under the newest checkpoint, are checked
/// here.
pub fn shown(source: &Source, begun: &Trust, cx: &Context<'_>) -> Result<Governing, Error> {
    let note = source.checkpoint()?;
    let origin = Checkpoint::claimed_origin(&note).unwrap_or_default().to_owned();
    if begun.log(&origin).is_none() {
        return Err(Error::UnnamedRegister(origin));
    }
    let mut indices = BTreeSet::new();
    for of in [TRUST, POLICY, POLICY_ACTIVATION, REVOCATION, REINSTATEMENT] {
        indices.extend(all_of(source, of)?);
    }
    let mut governing = Governing::new(&origin, begun.clone().into());
    let mut leaves = Vec::new();
    for index in indices {
        let entry = source.entry(index)?;
        let Some(bundle) = entry.bundle else { continue };
        let Ok(bytes) = STANDARD.decode(&entry.leaf) else { continue };
        let Ok(leaf) = Leaf::parse(&bytes) else { continue };
        governing.leaf(index, &leaf, &bundle.0.envelope.pae());
        leaves.push((index, bytes));
    }
    // Whose checkpoints count, the newest document says: the register may have got another key.
    let log =
        governing.trust().log(&origin).ok_or_else(|| Error::UnnamedRegister(origin.clone()))?;
    let (head, _) = log.open(&note).map_err(|source| Error::Log(Box::new(source)))?;
    for (index, bytes) in leaves.iter().filter(|(index, _)| *index < head.size) {
        let proof = source.inclusion(*index, head.size)?;
        let proven =
            verify_inclusion(*index, head.size, &leaf_hash(bytes), &proof.hashes, &head.root);
        proven.map_err(|_| Error::NotShown { origin: origin.clone(), index: *index })?;
    }
    if let Some((index, _)) = leaves.iter().find(|(index, _)| *index >= head.size) {
        return Err(Error::NotShown { origin, index: *index });
    }
    source.accept_shown_by(note, governing.trust(), cx)?;
    Ok(governing)
}

/// The positions of every statement of a type.
fn all_of(source: &Source, of: &str) -> Result<Vec<u64>, Error> {
    let mut query = Query {
        terms: vec![Term::Type(of.into())],
        limit: server::register::MAX_PAGE,
        ..Query::default()
    };
    let mut all = Vec::new();
    for _ in 0..MAX_PAGES {
        let page = source.find(&Search::from(query.clone()))?;
        all.extend(page.entries.iter().map(|entry| entry.index));
        if all.len() > MAX_STATEMENTS {
            break;
        }
        match page.next {
            // Every page starts after the one before it.
            Some(next) => query.start = Some(next),
            None => return Ok(all),
        }
    }
    Err(Error::TooManyPages(MAX_PAGES))
}

/// A statement that waits for signatures, in a file.
#[derive(Clone, Debug)]
pub struct Draft {
    envelope: Envelope,
    statement: Statement,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DraftJson {
    version: String,
    payload_type: String,
    payload: String,
    #[serde(default)]
    signatures: Vec<SignatureJson>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SignatureJson {
    keyid: KeyId,
    sig: String,
}

impl Draft {
    /// A statement that nobody has signed yet.
    pub fn new(statement: Statement) -> Result<Self, Error> {
        let statement = statement.with_nonce().map_err(Error::Statement)?;
        let payload = statement.to_json().map_err(Error::Statement)?;
        let payload_type = IN_TOTO.into();
        let envelope = Envelope { payload_type, payload, signatures: Vec::new() };
        Ok(Self { envelope, statement })
    }

    /// Reads a draft.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |why: String| Error::Draft { path: path.into(), why };
        let found: DraftJson =
            attest::json::parse_as(&home::read(path)?).map_err(|error| wrong(error.to_string()))?;
        if found.version != DRAFT || found.payload_type != IN_TOTO {
            return Err(wrong(format!("it is no `{DRAFT}`")));
        }
        if found.signatures.len() > MAX_SIGNATURES {
            return Err(wrong(format!("it has more than {MAX_SIGNATURES} signatures")));
        }
        let decode = |text: &str| {
            STANDARD.decode(text).map_err(|_| wrong("what should be base64 is not".into()))
        };
        let payload = decode(&found.payload)?;
        let statement = Statement::parse(&payload).map_err(|error| wrong(error.to_string()))?;
        let signatures = found.signatures.iter().map(|one| {
            Ok(Signature { keyid: Some(one.keyid.to_string()), sig: decode(&one.sig)? })
        });
        let signatures = signatures.collect::<Result<_, Error>>()?;
        Ok(Self {
            envelope: Envelope { payload_type: IN_TOTO.into(), payload, signatures },
            statement,
        })
    }

    /// Reads drafts of one statement that several people have signed, each a copy.
    pub fn read_all(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut all: Option<Self> = None;
        for path in paths {
            let next = Self::read(path)?;
            match &mut all {
                None => all = Some(next),
                Some(all) if all.envelope.payload == next.envelope.payload => {
                    for signature in next.envelope.signatures {
                        if !all.envelope.signatures.contains(&signature) {
                            all.envelope.signatures.push(signature);
                        }
                    }
                }
                Some(_) => {
                    let why = "it is a draft of another statement than the one before it".into();
                    return Err(Error::Draft { path: path.clone(), why });
                }
            }
        }
        all.ok_or(Error::NoDraft)
    }

    /// Writes it.
    pub fn write(&self, path: &Path, existing: Existing) -> Result<(), Error> {
        let signatures = self.envelope.signatures.iter().filter_map(|one| {
            let keyid = one.keyid.as_ref()?.parse().ok()?;
            Some(SignatureJson { keyid, sig: STANDARD.encode(&one.sig) })
        });
        let json = DraftJson {
            version: DRAFT.into(),
            payload_type: self.envelope.payload_type.clone(),
            payload: STANDARD.encode(&self.envelope.payload),
            signatures: signatures.collect(),
        };
        let mut bytes = serde_json::to_vec_pretty(&json).map_err(Error::Json)?;
        bytes.push(b'\n');
        home::write(path, &bytes, Readers::All, existing)
    }

    /// What it says.
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The name of what is signed.
    pub fn body(&self) -> Sha256 {
        self.envelope.body()
    }

    /// Signs it with a key. Says whether that key had not signed yet.
    pub fn sign(&mut self, key: &SigningKey) -> Result<bool, Error> {
        let keyid = key.public().id().to_string();
        if self.envelope.signatures.iter().any(|one| one.keyid.as_ref() == Some(&keyid)) {
            return Ok(false);
        }
        if self.envelope.signatures.len() >= MAX_SIGNATURES {
            return Err(Error::TooManySigners(MAX_SIGNATURES));
        }
        let sig = key.sign(&self.envelope.pae()).map_err(Error::Signature)?;
        self.envelope.signatures.push(Signature { keyid: Some(keyid), sig });
        Ok(true)
    }

    /// The keys of `documents` that have signed it, each checked, with those that `first` picks
    /// before the others.
    pub fn signed_by<'t>(
        &self,
        documents: &[&'t Trust],
        first: impl Fn(&KeyId) -> bool,
    ) -> Vec<(&'t PublicKey, Signature)> {
        let pae = self.envelope.pae();
        let mut signed = Vec::new();
        for signature in &self.envelope.signatures {
            let id = signature.keyid.as_ref().and_then(|id| id.parse::<KeyId>().ok());
            let known = id.and_then(|id| documents.iter().find_map(|trust| trust.key(&id)));
            let Some(known) = known else { continue };
            if known.key().verify(&pae, &signature.sig).is_ok() {
                signed.push((known.key(), signature.clone()));
            }
        }
        signed.sort_by_key(|(key, _)| !first(&key.id()));
        signed
    }

    /// Registers the signatures, in this order, and gives the position of the first.
    pub fn register(
        &self,
        signed: Vec<(&PublicKey, Signature)>,
        source: &Source,
        cx: &Context<'_>,
    ) -> Result<u64, Error> {
        let keys: Vec<PublicKey> = signed.iter().map(|(key, _)| (*key).clone()).collect();
        let signatures = signed.into_iter().map(|(_, signature)| signature).collect();
        let envelope = Envelope { signatures, ..self.envelope.clone() };
        Ok(source.submit(&envelope, &keys, cx.now)?.index)
    }
}

/// Who has agreed, and who has not yet, of the roles that decide.
#[derive(Clone, Debug, Serialize)]
pub struct Agreement {
    /// What is decided.
    role: &'static str,
    /// Of which document.
    of: String,
    /// How many owners must agree.
    threshold: usize,
    /// The owners who have.
    signed: Vec<String>,
    /// The names of the keys of those who have not.
    missing: Vec<String>,
    /// Whether that is enough.
    pub met: bool,
}

impl Agreement {
    /// How far `signed` goes for each role of `governance` that `counts`.
    pub fn of(
        governance: &Governance,
        of: &str,
        signed: &BTreeSet<KeyId>,
        trust: &Trust,
        counts: impl Fn(&verify::Role) -> bool,
    ) -> Vec<Self> {
        let roles = governance.roles().iter().filter(|role| counts(role));
        let agreement = |role: &verify::Role| {
            let owners = role.owners(signed);
            let missing = role.names().iter().filter(|name| {
                trust.named(name).is_some_and(|(key, _)| !owners.contains(key.owner()))
            });
            Self {
                role: role.duty().as_str(),
                of: of.into(),
                threshold: role.threshold(),
                missing: missing.cloned().collect(),
                signed: owners.into_iter().map(str::to_owned).collect(),
                met: role.is_met(signed),
            }
        };
        roles.map(agreement).collect()
    }

    /// Draws it, a line.
    pub fn draw(&self, page: &mut crate::page::Page) {
        let tone = if self.met { crate::page::Tone::Good } else { crate::page::Tone::Warn };
        let count = format!("{} of {}", self.signed.len().min(self.threshold), self.threshold);
        page.text("  ").put(tone, count).text(format_args!(" {} owners of {}", self.role, self.of));
        if !self.signed.is_empty() {
            page.text(format_args!(": {}", self.signed.join(", ")));
        }
        if !self.met && !self.missing.is_empty() {
            page.text(format_args!("; not yet: {}", self.missing.join(", ")));
        }
        page.end();
    }
}

/// The register's name.
pub fn origin(source: &Source) -> Result<String, Error> {
    let note = source.checkpoint()?;
    Ok(Checkpoint::claimed_origin(&note).unwrap_or_default().to_owned())
}

/// The trust document with this digest, if the register has one.
pub fn document(source: &Source, digest: Sha256) -> Result<Option<Trust>, Error> {
    let text = text(source, digest)?;
    // The digest was asked for, and the text has it; it may still be no trust document.
    Ok(text.and_then(|text| Trust::parse(&text).ok()))
}

/// The text of the trust document with this digest, if the register has one.
pub fn text(source: &Source, digest: Sha256) -> Result<Option<String>, Error> {
    for index in all_of(source, TRUST)? {
        let Some(bundle) = source.entry(index)?.bundle else { continue };
        let Ok(statement) = Statement::parse(&bundle.0.envelope.payload) else { continue };
        let Predicate::TrustVersion(said) = &statement.predicate else { continue };
        if let Some(text) = said.document.text().filter(|_| said.document.claimed() == digest) {
            return Ok(Some(text.to_owned()));
        }
    }
    Ok(None)
}
