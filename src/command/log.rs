//! `assay log`: what the register holds, and the proofs that it does.
//!
//! A proof is checked before it is shown, against the tree that the register signed. Whether the
//! register itself is trusted is said beside it.

mod archive;
mod backup;
mod erase;
mod export;
mod fsck;
mod rebuild;
mod rotate;

use std::path::{Path, PathBuf};

use ::attest::{
    Checkpoint, CheckpointError, KeyId, LogProof, ResourceDescriptor, Statement, Timestamp,
    VerifierKey,
};
use ::verify::merkle::{verify_consistency, verify_inclusion};
use ::verify::{Trust, TrustedLog};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use serde::Serialize;
use server::register::{FolderError, LockError, kind_of};
use server::wire::{BodyState, BundleDocument, Consistency, EntryDocument, EntryView, Inclusion};

use crate::command::submit::SubmitArgs;
use crate::context::Context;
use crate::error::Error;
use crate::home::{self, Existing, Readers};
use crate::page::{Page, Tone};
use crate::predicate_name;
use crate::render::{Answer, to_json};
use crate::source::Source;

/// Look into the register and prove what it holds
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    Head(HeadArgs),
    Entry(EntryArgs),
    Prove(ProveArgs),
    Submit(SubmitArgs),
    Witness(super::log_witness::WitnessArgs),
    Archive(archive::ArchiveArgs),
    Backup(backup::BackupArgs),
    Erase(erase::EraseArgs),
    Export(export::ExportArgs),
    Fsck(fsck::FsckArgs),
    Import(export::ImportArgs),
    RebuildIndex(rebuild::RebuildArgs),
    RotateKey(rotate::RotateArgs),
}

/// Show the newest checkpoint: how many entries there are, and their root
#[derive(Args, Debug)]
struct HeadArgs {}

/// Show an entry
#[derive(Args, Debug)]
struct EntryArgs {
    /// Its position, from 0
    index: u64,

    /// Also write its bundle here
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Also write its leaf here: what a proof that the register holds it is about
    #[arg(long, value_name = "FILE")]
    leaf: Option<PathBuf>,
}

/// Prove that an entry is in the register, or that the register has only grown
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay log prove 7                   entry 7 is in the newest tree
  assay log prove 7 --output 7.tlog-proof
                                      the same, into a file that `assay verify --proof` checks
  assay log prove 7 --size 10         entry 7 is in the tree of the first 10 entries
  assay log prove --from 10           the newest tree extends that of the first 10 entries")]
struct ProveArgs {
    /// Position of the entry, from 0
    #[arg(required_unless_present = "from")]
    index: Option<u64>,

    /// Also write the proof here, to be checked without the register (C2SP tlog-proof)
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["size", "from"])]
    output: Option<PathBuf>,

    /// Size of the tree; otherwise the newest
    #[arg(long, value_name = "SIZE", conflicts_with = "from")]
    size: Option<u64>,

    /// Size of the earlier tree
    #[arg(long, value_name = "SIZE", conflicts_with = "index")]
    from: Option<u64>,

    /// Size of the later tree; otherwise the newest
    #[arg(long, value_name = "SIZE", requires = "from")]
    to: Option<u64>,
}

pub fn log(args: &LogArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    match &args.command {
        LogCommand::Witness(args) => super::log_witness::witness(args, cx),
        LogCommand::Submit(args) => Ok(Box::new(args.submit(cx)?)),
        LogCommand::Archive(args) => args.run(cx),
        LogCommand::Backup(args) => Ok(Box::new(args.run(cx)?)),
        LogCommand::Erase(args) => Ok(Box::new(args.run(cx)?)),
        LogCommand::Export(args) => Ok(Box::new(args.run(cx)?)),
        LogCommand::Import(args) => Ok(Box::new(args.run(cx)?)),
        LogCommand::Fsck(args) => Ok(Box::new(args.run(cx)?)),
        LogCommand::RebuildIndex(args) => Ok(Box::new(args.run(cx)?)),
        LogCommand::RotateKey(args) => args.run(cx),
        LogCommand::Head(HeadArgs {}) => Ok(Box::new(Head::of(&Source::open(cx)?, cx)?)),
        LogCommand::Entry(args) => Ok(Box::new(args.entry(&Source::open(cx)?, cx)?)),
        LogCommand::Prove(ProveArgs { index: Some(index), size, output, .. }) => {
            let proof = inclusion(*index, *size, &Source::open(cx)?, cx)?;
            if let Some(path) = output {
                proof.write(path)?;
            }
            Ok(Box::new(proof))
        }
        LogCommand::Prove(ProveArgs { from, to, .. }) => {
            Ok(Box::new(consistency(from.unwrap_or_default(), *to, &Source::open(cx)?, cx)?))
        }
    }
}

/// Why the folder's register cannot be worked on as it lies on disk.
fn folder_error(path: &Path, source: FolderError) -> Error {
    match source {
        FolderError::Lock(LockError::Served { pid, .. }) => {
            Error::Served { path: path.into(), pid }
        }
        source if source.is_not_found() => Error::NoRegister(path.into()),
        source => Error::Register { path: path.into(), source: Box::new(source) },
    }
}

/// The newest checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Head {
    version: &'static str,
    /// Name of the register.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// Root over them.
    pub root: ::attest::Sha256,
    /// The verifier key, if the register or the trust file says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Whether the trust file names the log, and its key signed this.
    pub trusted: bool,
    /// Whether the trust file names the log at all.
    #[serde(skip)]
    named: bool,
    /// The signed note.
    pub note: String,
}

impl Head {
    fn of(source: &Source, cx: &Context<'_>) -> Result<Self, Error> {
        Self::of_note(source.checkpoint()?, source.verifier(), cx)
    }

    /// The checkpoint in a note, opened with the key that is known: the trust file's, else `own`.
    pub fn of_note(
        note: String,
        own: Option<&VerifierKey>,
        cx: &Context<'_>,
    ) -> Result<Self, Error> {
        let trust = known_trust(cx)?;
        let origin = Checkpoint::claimed_origin(&note).unwrap_or_default().to_owned();
        let log = trust.as_ref().and_then(|trust| trust.log(&origin));
        let signed = log.and_then(|log| log.open(&note).ok().map(|(checkpoint, _)| checkpoint));
        let trusted = signed.is_some();
        let opened = match (signed, own) {
            (Some(checkpoint), _) => checkpoint,
            (None, Some(key)) => Checkpoint::open(&note, key).map_err(Error::Checkpoint)?,
            // Nobody to check it with: what it says is shown, and that it is not trusted.
            (None, None) => claimed(&note).map_err(Error::Checkpoint)?,
        };
        // Where the trust file's key did not sign, the register's own says whom to name there.
        let named = log.map(TrustedLog::key);
        let key = if trusted { named.or(own) } else { own.or(named) }.map(ToString::to_string);
        let named = named.is_some();
        let Checkpoint { origin, size, root } = opened;
        Ok(Self { version: "assay/head/v1", origin, size, root, key, trusted, named, note })
    }
}

/// What a note says, read without believing it.
fn claimed(note: &str) -> Result<Checkpoint, CheckpointError> {
    let text = note.split_once("\n\n").map_or(note, |(text, _)| text);
    format!("{text}\n").parse()
}

impl Answer for Head {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Faint, "origin   ").line(&self.origin);
        page.put(Tone::Faint, "entries  ").put(Tone::Strong, self.size).end();
        page.put(Tone::Faint, "root     ").line(self.root);
        if let Some(key) = &self.key {
            page.put(Tone::Faint, "key      ").line(key);
        }
        page.put(Tone::Faint, "trusted  ");
        if self.trusted {
            page.put(Tone::Good, "yes").end();
        } else if self.named {
            page.put(Tone::Warn, "no").line(": `assay trust rotate` if it has got another key");
        } else {
            page.put(Tone::Warn, "no").line(": `assay trust add --log KEY` if you believe it");
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

impl EntryArgs {
    fn entry(&self, source: &Source, cx: &Context<'_>) -> Result<Shown, Error> {
        let EntryDocument { entry, leaf, bundle } = source.entry(self.index)?;
        if let Some(path) = &self.leaf {
            let leaf = STANDARD.decode(&leaf).map_err(|_| Error::NoLeaf(self.index))?;
            home::write(path, &leaf, Readers::All, Existing::Replaced)?;
        }
        if let Some(path) = &self.output {
            let bundle = bundle.as_ref().ok_or(Error::NoBundle(self.index))?;
            home::write(path, &bundle.0.to_json(), Readers::All, Existing::Replaced)?;
        }
        let signed_by = signer_name(entry.signer.as_ref(), known_trust(cx)?.as_ref());
        let statement = bundle.as_ref().and_then(statement_of);
        Ok(Shown { version: "assay/entry/v1", entry, signed_by, bundle, statement })
    }
}

/// An entry.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    version: &'static str,
    entry: EntryView,
    /// The trust file's name for the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<BundleDocument>,
    #[serde(skip)]
    statement: Option<Statement>,
}

impl Answer for Shown {
    fn draw(&self, page: &mut Page) {
        let entry = &self.entry;
        let word = entry.predicate_type.as_deref().map_or("no statement", predicate_name::short);
        page.put(Tone::Strong, format_args!("entry {}", entry.index)).text("  ").line(word);
        let field = |page: &mut Page, name: &str, value: &str| {
            page.put(Tone::Faint, format_args!("  {name:<10}")).line(value);
        };
        field(page, "time", &entry.time.to_string());
        let signer = entry.signer.map_or_else(|| certificate(entry), |key| key.to_string());
        match &self.signed_by {
            Some(name) => field(page, "signer", &format!("{name} ({signer})")),
            None => field(page, "signer", &format!("not trusted ({signer})")),
        }
        let statement = self.statement.as_ref();
        let kind = statement.and_then(kind_of);
        for (name, value) in [
            ("step", entry.step.as_ref().map(ToString::to_string)),
            ("kind", kind.map(|kind| kind.as_str().to_owned())),
            ("stage", entry.stage.as_ref().map(ToString::to_string)),
        ] {
            if let Some(value) = value {
                field(page, name, &value);
            }
        }
        if let Some(body) = entry.body {
            let erased = if entry.state == BodyState::Erased { " (erased)" } else { "" };
            field(page, "body", &format!("{body}{erased}"));
        }
        if entry.state == BodyState::Unknown {
            field(page, "body", "never given: this is evidence of nothing");
        }
        let Some(statement) = statement else { return };
        for subject in &statement.subject {
            field(page, "subject", &named(subject));
        }
        for material in statement.materials() {
            field(page, "material", &named(material));
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// Whom the certificate names, as a claim.
fn certificate(entry: &EntryView) -> String {
    match entry.certificate.as_ref().and_then(|certificate| certificate.names.first()) {
        Some(name) => format!("a certificate that says {name}, and that nobody judged"),
        None => "a certificate".into(),
    }
}

fn named(descriptor: &ResourceDescriptor) -> String {
    let artifact = descriptor.artifact();
    let artifact = artifact.map_or("nothing identifies it".into(), |found| found.to_string());
    let role = descriptor.role().map(|role| format!("  ({role})")).unwrap_or_default();
    format!("{}  {artifact}{role}", descriptor.label())
}

/// What a bundle's statement says; nothing about whether it is true.
pub fn statement_of(bundle: &BundleDocument) -> Option<Statement> {
    Statement::read(&::attest::carried::opened(&bundle.0.envelope).payload).ok()
}

/// A proof that was checked.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Proof<T> {
    version: &'static str,
    #[serde(flatten)]
    proof: T,
    /// From the tree of the proof to that of the checkpoint (RFC 6962, section 2.1.2); none when
    /// they are the same.
    to_checkpoint: Vec<::attest::Sha256>,
    #[serde(skip)]
    head: Head,
    #[serde(skip)]
    sentence: String,
}

fn inclusion(
    index: u64,
    size: Option<u64>,
    source: &Source,
    cx: &Context<'_>,
) -> Result<Proof<Inclusion>, Error> {
    let head = Head::of(source, cx)?;
    let mut proof = source.inclusion(index, size.unwrap_or(head.size))?;
    verify_inclusion(index, proof.size, &proof.leaf_hash, &proof.hashes, &proof.root)
        .map_err(Error::Proof)?;
    let to_checkpoint = to_signed(proof.size, &proof.root, &head, source)?;
    proof.checkpoint.clone_from(&head.note);
    let sentence = format!("entry {index} is among the first {}", proof.size);
    Ok(Proof { version: "assay/inclusion/v1", proof, to_checkpoint, head, sentence })
}

fn consistency(
    from: u64,
    to: Option<u64>,
    source: &Source,
    cx: &Context<'_>,
) -> Result<Proof<Consistency>, Error> {
    let head = Head::of(source, cx)?;
    let mut proof = source.consistency(from, to.unwrap_or(head.size))?;
    verify_consistency(from, proof.to, &proof.hashes, &proof.from_root, &proof.to_root)
        .map_err(Error::Proof)?;
    let to_checkpoint = to_signed(proof.to, &proof.to_root, &head, source)?;
    proof.checkpoint.clone_from(&head.note);
    let sentence = format!("the first {} entries begin with the first {from}", proof.to);
    Ok(Proof { version: "assay/consistency/v1", proof, to_checkpoint, head, sentence })
}

/// The tree is the signed one, or the signed one extends it: the hashes that prove it.
pub fn to_signed(
    size: u64,
    root: &::attest::Sha256,
    head: &Head,
    source: &Source,
) -> Result<Vec<::attest::Sha256>, Error> {
    let (signed, hashes) = if size == head.size {
        (*root == head.root, Vec::new())
    } else {
        let hashes = source.consistency(size, head.size)?.hashes;
        (verify_consistency(size, head.size, &hashes, root, &head.root).is_ok(), hashes)
    };
    if signed { Ok(hashes) } else { Err(Error::NotSigned { size }) }
}

impl<T> Proof<T> {
    /// What is proven, the hashes that are its ends, and those that lead from one to the other.
    fn draw_with(
        &self,
        page: &mut Page,
        ends: [(&str, &::attest::Sha256); 2],
        hashes: &[::attest::Sha256],
    ) {
        page.put(Tone::Good, "proven").text(": ").line(&self.sentence);
        let field = |page: &mut Page, name: &str, value: &str| {
            page.put(Tone::Faint, format_args!("  {name:<8}")).line(value);
        };
        for (name, end) in ends {
            field(page, name, &end.to_string());
        }
        for hash in hashes {
            field(page, "hash", &hash.to_string());
        }
        let trusted = if self.head.trusted { "trusted" } else { "not trusted" };
        field(page, "by", &format!("{} ({trusted}), {} entries", self.head.origin, self.head.size));
        if self.to_checkpoint.is_empty() {
            return;
        }
        field(page, "root", &self.head.root.to_string());
        for hash in &self.to_checkpoint {
            field(page, "hash", &hash.to_string());
        }
    }
}

impl Proof<Inclusion> {
    /// Writes what is needed to check the proof without the register, but for the leaf.
    fn write(&self, path: &Path) -> Result<(), Error> {
        let Inclusion { index, hashes, .. } = &self.proof;
        // The proof was checked against this checkpoint; the one beside it may be newer.
        let (index, hashes, checkpoint) = (*index, hashes.clone(), self.head.note.clone());
        let proof = LogProof { extra: None, index, hashes, checkpoint };
        home::write(path, proof.to_string().as_bytes(), Readers::All, Existing::Replaced)
    }
}

impl Answer for Proof<Inclusion> {
    fn draw(&self, page: &mut Page) {
        let Inclusion { leaf_hash, root, hashes, .. } = &self.proof;
        self.draw_with(page, [("leaf", leaf_hash), ("root", root)], hashes);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

impl Answer for Proof<Consistency> {
    fn draw(&self, page: &mut Page) {
        let Consistency { from_root, to_root, hashes, .. } = &self.proof;
        self.draw_with(page, [("from", from_root), ("root", to_root)], hashes);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// The folder's trust file, if there is one: it gives names to keys. Where it has owners, what they
/// were last seen to have made of it, as far as that is known here.
pub fn known_trust(cx: &Context<'_>) -> Result<Option<Trust>, Error> {
    match cx.found_home()? {
        Some(home) if home.trust().exists() => {
            cx.believed(None).or_else(|_| cx.trust(None)).map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

/// The trust file's name for a key.
pub fn signer_name(id: Option<&KeyId>, trust: Option<&Trust>) -> Option<String> {
    Some(trust?.key(id?)?.name().to_owned())
}

/// A time, without what nobody reads.
pub fn short_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
