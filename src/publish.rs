//! Signing a statement and handing it to a register.
//!
//! A statement that was signed is never lost: when the register does not take it, the bundle is
//! kept in the folder, and the error says where.

#[cfg(feature = "server")]
use std::path::Path;
use std::path::PathBuf;

#[cfg(feature = "server")]
use attest::Timestamp;
use attest::envelope::IN_TOTO;
use attest::{ArtifactId, Bundle, Envelope, Sha256, Statement};
use serde::Serialize;
use serde_json::value::RawValue;
#[cfg(feature = "server")]
use server::register::Receipt;

use crate::command::attest::SignArgs;
use crate::context::Context;
#[cfg(feature = "server")]
use crate::error::Action;
use crate::error::Error;
#[cfg(feature = "server")]
use crate::home::Home;
use crate::home::{self, Existing, Readers};
#[cfg(feature = "server")]
use crate::keyless::{Keyless, Signable, SignedKeyless};
use crate::keys::{KeyFile, KeysError};
use crate::page::{Page, Tone};
use crate::predicate_name;
use crate::render::{Answer, Stream, to_json};
use crate::setup;
#[cfg(feature = "server")]
use crate::source::{Source, require_server};
#[cfg(feature = "server")]
use crate::unsent::{Queue, Unsent};

/// Signs `payload` with the key that the options name, and registers it.
#[cfg(feature = "server")]
pub fn attest(
    payload: Vec<u8>,
    sign: &SignArgs,
    cx: &Context<'_>,
) -> Result<Box<dyn Answer>, Error> {
    require_output(sign.output.as_deref())?;
    require_server(cx)?;
    if let (Some(keyless), Some(output)) = (sign.keyless.open(cx)?, &sign.output) {
        let signed = sign_keyless(&payload, &keyless, output, cx)?;
        return Ok(Box::new(signed.register(output, cx)?));
    }
    let (home, key) = setup::key(sign.key.as_deref(), cx)?;
    let registered = submit(payload, &key, &home, cx)?;
    write_bundle(&registered, sign.output.as_deref())?;
    Ok(Box::new(registered))
}

/// Signs `payload` without a key, and writes the bundle. The log of signatures that the bundle names
/// holds the entry, too.
#[cfg(feature = "server")]
pub fn sign_keyless(
    payload: &[u8],
    keyless: &Keyless,
    output: &Path,
    cx: &Context<'_>,
) -> Result<SignedKeyless, Error> {
    let signed = keyless.sign(Signable::Statement(payload), cx)?;
    signed.write(output)?;
    Ok(signed)
}

#[cfg(feature = "server")]
impl SignedKeyless {
    /// Registers what was signed and written to `output`, where the options name a service or a
    /// folder, or there is one; else the bundle is all there is, for `assay log submit` wherever a register is.
    pub fn register(&self, output: &Path, cx: &Context<'_>) -> Result<Registered, Error> {
        let bundle = Bundle::parse(&self.bundle).map_err(Error::Fresh)?;
        let written = Registered::of(&bundle, self.name(), Some(output.into()))?;
        let named = cx.global.server.is_some() || cx.global.dir.is_some();
        let home = match cx.found_home()? {
            Some(home) => home,
            None if named => Home::make(cx.global.dir.as_deref())?,
            None => return Ok(written),
        };
        let unsent = Unsent::carried(&self.bundle, cx.global.server.as_deref())?;
        let receipt = register_or_keep(&unsent, crate::clock::now(), &home, cx)?;
        Ok(written.placed_by(&receipt))
    }
}

/// Keeps the statement of a step that could not be signed, beside where its bundle was to be, and
/// says so with `why` it could not. The name has the digest of the statement, so that none is lost
/// to another. Nobody vouches for the file: whoever signs it later says that it is so.
#[cfg(feature = "server")]
pub fn keep_unsigned(payload: &[u8], output: &Path, why: Error) -> Error {
    let digest = Sha256::of(payload).hex();
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(format!(".unsigned-{}.json", digest.get(..8).unwrap_or(&digest)));
    let path = output.with_file_name(name);
    match home::write(&path, payload, Readers::All, Existing::Replaced) {
        Ok(()) => Error::Unsigned { path, source: Box::new(why) },
        // What cannot be kept is lost: why it was not signed matters more.
        Err(_) => why,
    }
}

/// Signs `payload` with the key that the options name, and writes the bundle.
#[cfg(not(feature = "server"))]
pub fn attest(
    payload: Vec<u8>,
    sign: &SignArgs,
    cx: &Context<'_>,
) -> Result<Box<dyn Answer>, Error> {
    let (home, key) = setup::key(sign.key.as_deref(), cx)?;
    setup::trust(&home, None, cx)?;
    let (envelope, name) = signed(payload, &key, cx)?;
    let bundle = Bundle { hint: hint(&envelope), envelope, entries: Vec::new(), keyless: None };
    home::write(&sign.output, &bundle.to_json(), Readers::All, Existing::Replaced)?;
    Ok(Box::new(Registered::of(&bundle, name, Some(sign.output.clone()))?))
}

/// Signs `payload` and registers it; what cannot be registered is kept in the folder.
///
/// The register is opened after signing: whatever is wrong with it, nothing that was signed is
/// lost.
#[cfg(feature = "server")]
pub fn submit(
    payload: Vec<u8>,
    key: &KeyFile,
    home: &Home,
    cx: &Context<'_>,
) -> Result<Registered, Error> {
    submit_opened(payload, key, key.open(cx.printer)?, home, cx)
}

/// Does the same with a key that was opened already, and closes it.
#[cfg(feature = "server")]
pub fn submit_opened(
    payload: Vec<u8>,
    key: &KeyFile,
    opened: attest::SigningKey,
    home: &Home,
    cx: &Context<'_>,
) -> Result<Registered, Error> {
    let public = opened.public().clone();
    let envelope = sign(payload, key, &opened)?;
    drop(opened);
    let signed_at = crate::clock::now();
    let bundle = Bundle { hint: hint(&envelope), envelope, entries: Vec::new(), keyless: None };
    let unsent = Unsent::new(bundle, &public, cx.global.server.as_deref());
    let receipt = register_or_keep(&unsent, signed_at, home, cx)?;
    Ok(Registered::of(&receipt.bundle, key.name(), None)?.placed_by(&receipt))
}

/// Registers what was signed at `signed_at`; what cannot be registered is kept in the folder.
#[cfg(feature = "server")]
fn register_or_keep(
    unsent: &Unsent,
    signed_at: Timestamp,
    home: &Home,
    cx: &Context<'_>,
) -> Result<Receipt, Error> {
    register(unsent, home, cx).map_err(|source| {
        let path = match Queue::of(home).keep(unsent, signed_at) {
            Ok(path) => path,
            Err(error) => return error,
        };
        let command = match &cx.global.dir {
            Some(folder) => format!("assay --dir {} log submit", folder.display()),
            None => "assay log submit".into(),
        };
        Error::Unsent { path, command, source: Box::new(source) }
    })
}

/// Registers what was signed, after all that was signed before for the same register.
#[cfg(feature = "server")]
fn register(unsent: &Unsent, home: &Home, cx: &Context<'_>) -> Result<Receipt, Error> {
    let source = Source::open_or_create(home, cx)?;
    Queue::of(home).send(unsent.server(), &source, home, cx)?;
    unsent.submit(&source, &[])
}

/// Refuses, before anything is signed, a place where no bundle can be written.
#[cfg(feature = "server")]
pub fn require_output(output: Option<&Path>) -> Result<(), Error> {
    let Some(output) = output else { return Ok(()) };
    if output.is_dir() {
        return Err(Error::NotAFile(output.into()));
    }
    match output.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => match std::fs::metadata(folder) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(Error::NotAFolder(folder.into())),
            Err(error) => Err(Error::io(Action::Write, output, error)),
        },
        None => Ok(()),
    }
}

/// Writes the bundle of what was registered.
#[cfg(feature = "server")]
pub fn write_bundle(registered: &Registered, output: Option<&Path>) -> Result<(), Error> {
    let (Some(path), Some(index)) = (output, registered.index) else { return Ok(()) };
    let bundle = registered.bundle.get().as_bytes();
    home::write(path, bundle, Readers::All, Existing::Replaced)
        .map_err(|source| Error::Unwritten { index, source: Box::new(source) })
}

#[cfg(not(feature = "server"))]
fn signed(payload: Vec<u8>, key: &KeyFile, cx: &Context<'_>) -> Result<(Envelope, String), Error> {
    let opened = key.open(cx.printer)?;
    Ok((sign(payload, key, &opened)?, key.name()))
}

fn sign(payload: Vec<u8>, key: &KeyFile, opened: &attest::SigningKey) -> Result<Envelope, Error> {
    Envelope::sign(IN_TOTO, payload, &[opened])
        .map_err(|source| Error::Keys(KeysError::Unusable { path: key.path().into(), source }))
}

fn hint(envelope: &Envelope) -> Option<String> {
    envelope.signatures.first().and_then(|signature| signature.keyid.clone())
}

/// A statement that was signed, and where it went.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    version: &'static str,
    /// Its position in the register, if it went to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Whether the register had it already.
    pub duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    body: Sha256,
    predicate_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    subjects: Vec<Subject>,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    /// The statement with its proof.
    pub bundle: Box<RawValue>,
}

#[derive(Debug, Serialize)]
struct Subject {
    name: String,
    artifact: Option<ArtifactId>,
}

impl Registered {
    fn of(bundle: &Bundle, key: String, path: Option<PathBuf>) -> Result<Self, Error> {
        let statement = Statement::read(&bundle.envelope.payload)?;
        let proof = bundle.entries.iter().find_map(|entry| entry.proof.as_ref());
        let origin = proof
            .and_then(|proof| attest::Checkpoint::claimed_origin(&proof.checkpoint))
            .map(str::to_owned);
        let subjects = statement.subject.iter().map(|subject| Subject {
            name: subject.label().to_owned(),
            artifact: subject.artifact().ok(),
        });
        let json = String::from_utf8_lossy(&bundle.to_json()).into_owned();
        Ok(Self {
            version: "assay/registered/v1",
            index: None,
            duplicate: false,
            origin,
            body: bundle.envelope.body(),
            predicate_type: statement.predicate_type().into(),
            step: statement.step().map(|step| step.to_string()),
            subjects: subjects.collect(),
            key,
            path,
            bundle: RawValue::from_string(json).map_err(Error::Json)?,
        })
    }

    /// The same with its place in the register.
    #[cfg(feature = "server")]
    fn placed_by(mut self, receipt: &Receipt) -> Self {
        let proofs = receipt.bundle.entries.iter().filter_map(|entry| entry.proof.as_ref());
        let mut origins =
            proofs.filter_map(|proof| attest::Checkpoint::claimed_origin(&proof.checkpoint));
        self.origin = origins.next().map(str::to_owned);
        self.index = Some(receipt.index);
        self.duplicate = receipt.duplicate;
        self
    }

    /// What was said of what, in one line.
    pub fn sentence(&self) -> String {
        let names: Vec<&str> = self.subjects.iter().map(|subject| subject.name.as_str()).collect();
        let what = match (&self.step, predicate_name::spoken(&self.predicate_type)) {
            (Some(step), word) => format!("{word} of step {step}"),
            (None, word) => word.to_owned(),
        };
        let about = match names.as_slice() {
            [] => String::new(),
            [first] => format!(" about {first}"),
            [first, second] => format!(" about {first} and {second}"),
            [first, rest @ ..] => format!(" about {first} and {} others", rest.len()),
        };
        format!("{what}{about}, signed with {}", self.key)
    }
}

impl Answer for Registered {
    fn stream(&self) -> Stream {
        Stream::Output
    }

    fn draw(&self, page: &mut Page) {
        match (self.index, &self.path) {
            (Some(index), path) => {
                let verb = if self.duplicate { "already registered as" } else { "registered as" };
                page.text(verb).text(" ").put(Tone::Strong, format_args!("entry {index}"));
                if let Some(path) = path {
                    page.text(" and written to ").put(Tone::Strong, path.display());
                }
            }
            (None, Some(path)) => {
                page.text("written to ").put(Tone::Strong, path.display());
            }
            (None, None) => {
                page.text("signed");
            }
        }
        page.text(": ").line(self.sentence());
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
