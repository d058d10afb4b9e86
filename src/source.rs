//! Where evidence is kept and asked for: the register in the folder, or a service.
//!
//! While `assay serve` runs on the folder, the folder's register is asked through the service. An
//! async runtime is made only for a register that is opened here, and lives as long as it.

use std::path::Path;

use attest::hash::Progress as _;
use attest::{ArtifactId, Bundle, Checkpoint, Envelope, PublicKey, Timestamp, VerifierKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use server::monitor::Split;
use server::notes::Notes;
use server::register::{
    Embedded, FolderError, Holder, LockError, MAX_PAGE, Measured, Order, PATIENCE, Proofs, Query,
    ReadError, Receipt, Register, RegisterFollowError, Search, Term, open, open_or_create,
    served_by,
};
use server::seen::{Mark, Seen, SeenError};
use server::wire::{
    ArtifactBundles, BundleDocument, Consistency, EntryDocument, EntryView, Found, Inclusion,
    Receipts, Submission,
};
use tokio::runtime::{Builder, Runtime};

use crate::command::log::known_trust;
use crate::context::Context;
use crate::error::{Action, Error};
use crate::governed;
use crate::home::Home;
use crate::http::Service;
use crate::progress::{Bar, Work};
use crate::render::Printer;
use crate::setup;
use verify::merkle::verify_consistency;
use verify::{Direction, FollowError, Followed, LastGood, Trust};

/// A register to ask.
pub enum Source {
    /// The one in the folder, opened here.
    Folder(Box<Folder>),
    /// One behind HTTP.
    Service(Service),
}

/// A register that is open in this process.
pub struct Folder {
    runtime: Runtime,
    register: Register<Embedded>,
}

impl Folder {
    /// The register.
    pub const fn register(&self) -> &Register<Embedded> {
        &self.register
    }

    /// Reads every entry of the register.
    fn follow(&self, trust: &Trust, cx: &Context<'_>) -> Result<Followed, RegisterFollowError> {
        let bar = Bar::of(Work::Reading, cx.printer);
        let followed = self.wait(self.register.follow_watched(trust, &bar));
        // Whatever was in the way of its end.
        bar.finish();
        followed
    }

    /// Waits for what the register is asked.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

impl Source {
    /// The register that the options name, which must be there.
    pub fn open(cx: &Context<'_>) -> Result<Self, Error> {
        Self::at(cx.global.server.as_deref(), cx)
    }

    /// The register of the service at `server`, or without one that of the folder, which must be
    /// there.
    pub fn at(server: Option<&str>, cx: &Context<'_>) -> Result<Self, Error> {
        if let Some(url) = server {
            return Ok(Self::Service(Service::at(url, cx.printer)?));
        }
        let path = cx.home()?.register();
        Self::of_folder(&path, cx.printer, |path, runtime| {
            runtime.block_on(open(path, &Holder::command(), PATIENCE))
        })
    }

    /// The register that the options name; the folder's is made if it is not there, and trusted.
    pub fn open_or_create(home: &Home, cx: &Context<'_>) -> Result<Self, Error> {
        if let Some(url) = &cx.global.server {
            setup::trust(home, None, cx)?;
            return Ok(Self::Service(Service::at(url, cx.printer)?));
        }
        let path = home.register();
        let existed = path.join("journal").is_dir();
        let source = Self::of_folder(&path, cx.printer, |path, runtime| {
            runtime.block_on(open_or_create(path, &Holder::command(), PATIENCE))
        })?;
        let made = match &source {
            Self::Folder(folder) if !existed => {
                cx.printer.note(&format!("made register {}", folder.register.origin()));
                Some(folder.register.verifier())
            }
            // A first use that was cut off left a register and nobody who trusts it.
            Self::Folder(folder) if !home.trust().exists() => Some(folder.register.verifier()),
            Self::Folder(_) | Self::Service(_) => None,
        };
        setup::trust(home, made, cx)?;
        Ok(source)
    }

    fn of_folder(
        path: &Path,
        printer: Printer,
        opened: impl FnOnce(&Path, &Runtime) -> Result<Register<Embedded>, FolderError>,
    ) -> Result<Self, Error> {
        if let Ok(Some(Holder { url: Some(url), .. })) = served_by(path) {
            return Ok(Self::Service(Service::at(&url, printer)?));
        }
        let runtime = Builder::new_current_thread().build().map_err(Error::Runtime)?;
        match opened(path, &runtime) {
            Ok(register) => {
                say_what_was_mended(&register, printer);
                Ok(Self::Folder(Box::new(Folder { runtime, register })))
            }
            Err(FolderError::Lock(LockError::Served { url: Some(url), .. })) => {
                Ok(Self::Service(Service::at(&url, printer)?))
            }
            Err(error) if error.is_not_found() => Err(Error::NoRegister(path.into())),
            Err(source) => Err(Error::Register { path: path.into(), source: Box::new(source) }),
        }
    }

    /// Registers an envelope, and gives the receipt of its first signature.
    pub fn submit(
        &self,
        envelope: &Envelope,
        verifiers: &[PublicKey],
        now: Timestamp,
    ) -> Result<Receipt, Error> {
        match self {
            Self::Folder(folder) => {
                let submitted = folder.wait(folder.register.submit(envelope, verifiers, now));
                let receipts = submitted.map_err(|source| Error::Submit(Box::new(source)))?;
                receipts.into_iter().next().ok_or(Error::NoReceipt)
            }
            Self::Service(service) => submit_over_http(service, envelope, verifiers),
        }
    }
}

/// Refuses options that name no service, before anything is done that takes long.
pub fn require_server(cx: &Context<'_>) -> Result<(), Error> {
    match &cx.global.server {
        Some(url) => Service::at(url, cx.printer).map(drop),
        None => Ok(()),
    }
}

/// A register that was not closed well is mended when it is opened; its owner should know.
fn say_what_was_mended(register: &Register<Embedded>, printer: Printer) {
    let (recovery, rebuilt) = (register.storage().recovery(), register.storage().rebuilt());
    if recovery.commits > 0 {
        printer.warn(&format!(
            "the register was not closed well; {} commits were taken over",
            recovery.commits
        ));
    }
    if let Some(aside) = &recovery.aside {
        printer.warn(&format!(
            "the register ended in a write that was never finished; its bytes are kept in `{aside}`"
        ));
    }
    if let Some(why) = rebuilt.why {
        printer.warn(&format!("the register's index was made anew from its journal: {why}"));
    }
}

fn submit_over_http(
    service: &Service,
    envelope: &Envelope,
    verifiers: &[PublicKey],
) -> Result<Receipt, Error> {
    let body = Submission {
        envelope: serde_json::from_slice(&envelope.to_json()).map_err(Error::Json)?,
        verifiers: verifiers.iter().map(Submission::verifier).collect(),
    };
    let answer: Receipts = service.post("/v1/entries", &body)?;
    let receipt = answer.entries.into_iter().next().map(Receipt::from);
    let receipt = receipt.ok_or_else(|| service.unreadable("it has no receipt".into()))?;
    if !is_of(&receipt, envelope) {
        return Err(service.unreadable("its receipt is for another attestation".into()));
    }
    Ok(receipt)
}

/// Whether a receipt says where `envelope` stands: for a stale answer, or that to somebody else,
/// what was signed here would be lost.
fn is_of(receipt: &Receipt, envelope: &Envelope) -> bool {
    let Bundle { envelope: found, entries, .. } = &receipt.bundle;
    let ours = |one: &attest::Signature| envelope.signatures.iter().any(|own| own.sig == one.sig);
    let proofs = || entries.iter().filter_map(|entry| entry.proof.as_ref());
    found.body() == envelope.body()
        && found.signatures.iter().any(ours)
        && proofs().any(|proof| proof.index == receipt.index)
}

impl Source {
    /// Which of some artifacts the register has heard of.
    pub fn known(&self, candidates: &[ArtifactId]) -> Result<Vec<ArtifactId>, Error> {
        let mut known = Vec::new();
        for artifact in candidates {
            for term in [Term::Subject(*artifact), Term::Material(*artifact)] {
                if self.has(term)? {
                    known.push(*artifact);
                    break;
                }
            }
        }
        Ok(known)
    }

    /// Whether an entry is found by this. A page can be empty and have a next one: that of an entry
    /// whose statement was erased.
    fn has(&self, term: Term) -> Result<bool, Error> {
        let mut query = Query { terms: vec![term], limit: 1, ..Query::default() };
        for _ in 0..MAX_EMPTY_PAGES {
            let page = self.find(&query.clone().into())?;
            match page.next {
                _ if !page.entries.is_empty() => return Ok(true),
                None => return Ok(false),
                Some(next) => (query.start, query.limit) = (Some(next), MAX_PAGE),
            }
        }
        // So many statements of it were erased: the register has heard of it.
        Ok(true)
    }

    /// Searches, one page.
    pub fn find(&self, search: &Search) -> Result<Found, Error> {
        match self {
            Self::Folder(folder) => {
                Ok(Found::from(folder.wait(folder.register.search(search)).map_err(read)?))
            }
            Self::Service(service) => service.get("/v1/find", &pairs(search)),
        }
    }

    /// The newest checkpoint, as a signed note.
    pub fn checkpoint(&self) -> Result<String, Error> {
        match self {
            Self::Folder(folder) => folder.wait(folder.register.checkpoint()).map_err(read),
            Self::Service(service) => service.text("/checkpoint"),
        }
    }

    /// Where the service is, if the register is behind one.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Folder(_) => None,
            Self::Service(service) => Some(service.url()),
        }
    }

    /// What checks the checkpoints, if the register is here to say so itself.
    pub fn verifier(&self) -> Option<&VerifierKey> {
        match self {
            Self::Folder(folder) => Some(folder.register.verifier()),
            Self::Service(_) => None,
        }
    }
}

fn read(source: ReadError) -> Error {
    Error::Read(Box::new(source))
}

/// The search as the service reads it.
fn pairs(search: &Search) -> Vec<(&'static str, String)> {
    let Search { query, measured, proofs } = search;
    let metric = |metric: &String, slice: &Option<_>| {
        let (metric, slice) = (metric.clone(), slice.clone());
        ("metric", Measured { metric, slice, compared: None }.to_string())
    };
    // The service takes words apart as they were taken apart here.
    let words = query.terms.iter().filter_map(|term| match term {
        Term::Word(word) => Some(word.as_str()),
        _ => None,
    });
    let words = words.collect::<Vec<_>>().join(" ");
    let mut pairs: Vec<_> = query
        .terms
        .iter()
        .filter(|term| !matches!(term, Term::Word(_)))
        .map(|term| match term {
            Term::Subject(artifact) => ("subject", artifact.to_string()),
            Term::Material(artifact) => ("material", artifact.to_string()),
            Term::Name(name) => ("name", name.clone()),
            Term::Word(word) => ("words", word.clone()),
            Term::Identity(name) => ("identity", name.clone()),
            Term::Issuer(name) => ("issuer", name.clone()),
            Term::Kind(kind) => ("kind", kind.to_string()),
            Term::Result(word) => ("result", word.clone()),
            Term::Metric { name, slice } => metric(name, slice),
            Term::Signer(key) => ("signer", key.to_string()),
            Term::Type(name) => ("type", name.clone()),
            Term::Step(step) => ("step", step.clone()),
            Term::Stage(stage) => ("stage", stage.clone()),
            Term::Parameter { name, value } => ("parameter", format!("{name}={value}")),
        })
        .collect();
    if !words.is_empty() {
        pairs.push(("words", words));
    }
    pairs.extend(measured.iter().map(|one| ("metric", one.to_string())));
    pairs.extend(query.from.map(|time| ("from", time.to_string())));
    pairs.extend(query.until.map(|time| ("until", time.to_string())));
    if query.order == Order::NewestFirst {
        pairs.push(("reverse", true.to_string()));
    }
    pairs.extend(query.start.map(|start| ("start", start.to_string())));
    pairs.push(("limit", query.limit.to_string()));
    if *proofs == Proofs::With {
        pairs.push(("proofs", true.to_string()));
    }
    pairs
}

impl Source {
    /// The entry at a position, with its bundle if it has one.
    pub fn entry(&self, index: u64) -> Result<EntryDocument, Error> {
        let folder = match self {
            Self::Folder(folder) => folder,
            Self::Service(service) => return service.get(&format!("/v1/entries/{index}"), &[]),
        };
        let entry = folder.wait(folder.register.entry(index)).map_err(read)?;
        let bundle = match folder.wait(folder.register.bundle(index)) {
            Ok(bundle) => Some(BundleDocument(bundle)),
            Err(ReadError::NoBody(_)) => None,
            Err(error) => return Err(read(error)),
        };
        let leaf = STANDARD.encode(entry.leaf.bytes());
        Ok(EntryDocument { entry: EntryView::of(&entry), leaf, bundle })
    }

    /// Proves that the entry at `index` is in the tree of `size` entries.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Inclusion, Error> {
        let folder = match self {
            Self::Folder(folder) => folder,
            Self::Service(service) => {
                let query = [("index", index.to_string()), ("size", size.to_string())];
                return service.get("/v1/proofs/inclusion", &query);
            }
        };
        let proof = folder.wait(folder.register.inclusion(index, size)).map_err(read)?;
        Ok(Inclusion::new(proof, self.checkpoint()?))
    }

    /// Proves that the tree of `to` entries extends the tree of `from` entries.
    pub fn consistency(&self, from: u64, to: u64) -> Result<Consistency, Error> {
        let folder = match self {
            Self::Folder(folder) => folder,
            Self::Service(service) => {
                let query = [("from", from.to_string()), ("to", to.to_string())];
                return service.get("/v1/proofs/consistency", &query);
            }
        };
        let proof = folder.wait(folder.register.consistency(from, to)).map_err(read)?;
        Ok(Consistency::new(proof, self.checkpoint()?))
    }
}

/// How many pages of statements about one artifact are read; what is left is not complete.
const MAX_PAGES: usize = 4;
/// How many pages of nothing but erased statements are turned.
const MAX_EMPTY_PAGES: usize = 100;

impl Source {
    /// Reads every entry of a register that is open here and that `trust` names; `None` of one
    /// that is not, whose answers are its claims.
    pub fn follow(&self, trust: &Trust, cx: &Context<'_>) -> Result<Option<Followed>, Error> {
        let Self::Folder(folder) = self else { return Ok(None) };
        match folder.follow(trust, cx) {
            Ok(followed) => Ok(Some(followed)),
            Err(RegisterFollowError::Follow(FollowError::UnknownLog(_))) => Ok(None),
            Err(error) => Err(Error::Follow(Box::new(error))),
        }
    }

    /// The statements that speak of an artifact, as [`verify::Trace::wanted`] asks for them.
    pub fn bundles(
        &self,
        artifact: &ArtifactId,
        direction: Direction,
    ) -> Result<(Vec<Bundle>, Option<Checkpoint>), Error> {
        let (mut bundles, mut complete) = self.bundles_as(artifact, "subject")?;
        if direction == Direction::Down {
            let (more, also) = self.bundles_as(artifact, "material")?;
            bundles.extend(more);
            complete = complete.filter(|_| also.is_some());
        }
        Ok((bundles, complete))
    }

    fn bundles_as(
        &self,
        artifact: &ArtifactId,
        place: &'static str,
    ) -> Result<(Vec<Bundle>, Option<Checkpoint>), Error> {
        let mut bundles = Vec::new();
        let mut start = 0;
        for _ in 0..MAX_PAGES {
            let (page, next, complete_to) = self.bundles_page(artifact, place, start)?;
            bundles.extend(page);
            match next {
                Some(next) => start = next,
                None => return Ok((bundles, Some(complete_to))),
            }
        }
        Ok((bundles, None))
    }

    fn bundles_page(
        &self,
        artifact: &ArtifactId,
        place: &'static str,
        start: u64,
    ) -> Result<(Vec<Bundle>, Option<u64>, Checkpoint), Error> {
        match self {
            Self::Folder(folder) => {
                let term = match place {
                    "material" => Term::Material(*artifact),
                    _ => Term::Subject(*artifact),
                };
                let found = folder.wait(folder.register.bundles_with(term, start)).map_err(read)?;
                Ok((found.bundles, found.next, found.complete_to))
            }
            Self::Service(service) => {
                let query = [("as", place.to_owned()), ("start", start.to_string())];
                let path = format!("/v1/artifacts/{artifact}/bundles");
                let found: ArtifactBundles = service.get(&path, &query)?;
                let bundles = found.bundles.into_iter().map(|bundle| bundle.0).collect();
                Ok((bundles, found.next, found.complete_to.into()))
            }
        }
    }
}

impl Source {
    /// Reads every entry of a register, before anything is judged by it: it must be what it was, the
    /// clock must not have gone back, and the trust file must name it.
    pub fn follow_to_judge(&self, trust: &Trust, cx: &Context<'_>) -> Result<Followed, Error> {
        let Self::Folder(folder) = self else {
            require_clock(cx)?;
            return crate::following::follow(self, trust, cx);
        };
        let register = folder.register();
        if trust.log(register.origin()).is_none() {
            return Err(Error::UntrustedLog {
                origin: register.origin().into(),
                key: register.verifier().to_string(),
            });
        }
        self.accept(cx)?;
        let followed = folder.follow(trust, cx);
        followed.map_err(|source| Error::Follow(Box::new(source)))
    }

    /// The checkpoint of a service that is to decide: of a register that a trust file here names,
    /// and that is what was seen of it before. A URL alone teaches no trust.
    pub fn introduced(&self, cx: &Context<'_>) -> Result<Checkpoint, Error> {
        cx.trust(None)?;
        let shown = self.accept(cx)?;
        shown.map_or_else(|| Err(Error::UnnamedRegister(governed::origin(self)?)), Ok)
    }

    /// Holds the register against what was seen of it before, and the clock against when. Gives
    /// the checkpoint that a service shows, if the trust file names its register.
    pub fn accept(&self, cx: &Context<'_>) -> Result<Option<Checkpoint>, Error> {
        // Without a folder there is nowhere to remember anything, and nothing was seen.
        let Some(home) = cx.found_home()? else { return Ok(None) };
        let path = home.seen();
        let seen = match self {
            Self::Folder(folder) => {
                if let Some(evidence) = server::witness::unsettled(&home.register()) {
                    return Err(Error::Forked(evidence));
                }
                let accepted = server::seen::accept(&path, folder.register(), cx.now);
                folder.wait(accepted).map(|_| None).inspect_err(|error| {
                    if matches!(error, SeenError::Fork { .. } | SeenError::Shorter { .. }) {
                        let kept = Notes::beside(&path).folder().display().to_string();
                        cx.printer.warn(&format!("both notes are kept in `{kept}`"));
                    }
                })
            }
            Self::Service(service) => {
                require_clock(cx)?;
                let Some(trust) = known_trust(cx)? else { return Ok(None) };
                let note = service.text("/checkpoint")?;
                let origin = Checkpoint::claimed_origin(&note).unwrap_or_default();
                // By whose keys the checkpoint counts, the document in force says.
                if trust.governance().is_some() && trust.log(origin).is_some() {
                    let governing = governed::in_force(self, &trust, cx)?;
                    return self.accept_shown_by(note, governing.trust(), cx);
                }
                return self.accept_shown(note, cx);
            }
        };
        seen.map_err(|source| Error::Seen { path, source: Box::new(source) })
    }
}

impl Source {
    /// Holds a checkpoint that a service shows of its register against what was seen of it before.
    /// What the trust file does not name is not remembered: anybody can make it.
    pub fn accept_shown(
        &self,
        note: String,
        cx: &Context<'_>,
    ) -> Result<Option<Checkpoint>, Error> {
        match known_trust(cx)? {
            Some(trust) => self.accept_shown_by(note, &trust, cx),
            None => Ok(None),
        }
    }

    /// The same by a trust document that is known to be in force.
    pub fn accept_shown_by(
        &self,
        note: String,
        trust: &Trust,
        cx: &Context<'_>,
    ) -> Result<Option<Checkpoint>, Error> {
        let Some(home) = cx.found_home()? else { return Ok(None) };
        let Some(log) = trust.log(Checkpoint::claimed_origin(&note).unwrap_or_default()) else {
            return Ok(None);
        };
        let (now, _) = log.open(&note).map_err(|source| Error::Log(Box::new(source)))?;
        let path = home.seen();
        let failed = |source| Error::Seen { path: path.clone(), source: Box::new(source) };
        let before = Seen::load(&path).map_err(failed)?.mark(&now.origin);
        let vouched = log.last_good().map(|LastGood { size, root }| Mark { size, root });
        for mark in before.into_iter().chain(vouched) {
            if !self.has_grown(mark, &now) {
                let what = if now.size < mark.size { "rollback" } else { "fork" };
                let split = Split { now, note, before: mark };
                return Err(failed(report(what, &split, &Notes::beside(&path), cx)?));
            }
        }
        if before.is_some_and(|before| now.size < before.size) {
            return Ok(Some(now));
        }
        server::seen::remember(&path, &now, cx.now).map_err(failed)?;
        if before != Some(Mark { size: now.size, root: now.root }) {
            let notes = Notes::beside(&path);
            let kept = notes.keep(&now.origin, &note);
            kept.map_err(|source| Error::io(Action::Write, notes.folder(), source))?;
        }
        Ok(Some(now))
    }

    /// Whether the larger of two trees of the register has the smaller one in it, as the service
    /// proves. With a quorum a service shows less than it has, and can prove that it has more.
    fn has_grown(&self, mark: Mark, now: &Checkpoint) -> bool {
        let here = Mark { size: now.size, root: now.root };
        let (older, newer) = if now.size < mark.size { (here, mark) } else { (mark, here) };
        match older.size {
            _ if older.size == newer.size => older.root == newer.root,
            0 => true,
            _ => self.consistency(older.size, newer.size).is_ok_and(|proof| {
                let (from, to) = (&older.root, &newer.root);
                verify_consistency(older.size, newer.size, &proof.hashes, from, to).is_ok()
            }),
        }
    }
}

/// Keeps both notes of a register that took something back, and says so.
fn report(what: &str, split: &Split, notes: &Notes, cx: &Context<'_>) -> Result<SeenError, Error> {
    let kept = notes.keep_evidence(what, split);
    let kept = kept.map_err(|source| Error::io(Action::Write, notes.folder(), source))?;
    let [one, other] = kept.map(|path| path.display().to_string());
    cx.printer.warn(&format!("both notes are kept: `{one}` and `{other}`"));
    let Checkpoint { origin, size, root } = split.now.clone();
    let Mark { size: seen, root: seen_root } = split.before;
    Ok(match what {
        "rollback" => SeenError::Shorter { origin, size, seen },
        _ => SeenError::Fork { origin, size: seen, seen: seen_root, root },
    })
}

/// Holds the clock against the newest checkpoint that was accepted in the folder, if there is one:
/// evidence in files does not say how late it is.
pub fn require_clock(cx: &Context<'_>) -> Result<(), Error> {
    let Some(home) = cx.found_home()? else { return Ok(()) };
    let path = home.seen();
    let seen = Seen::load(&path).and_then(|seen| seen.require_clock(cx.now));
    seen.map_err(|source| Error::Seen { path, source: Box::new(source) })
}
