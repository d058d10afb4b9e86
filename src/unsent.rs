//! What was signed and not registered: kept in the folder, in the order of signing.
//!
//! Of several evaluations the latest by position counts (THREATS, rule 18), so that the order of
//! registering must be that of signing. The name of a kept file begins with a number that grows,
//! and nothing newer goes to a register before what waits for it.
//!
//! A kept file is a bundle with one member more, which says for which register it was signed and
//! which key checks it. It can be verified like any other bundle.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use attest::{Bundle, Envelope, PublicKey, Sha256, Timestamp, carried, json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use server::register::Receipt;
use server::wire::Submission;

use crate::clock;
use crate::context::Context;
use crate::error::{Action, Error};
use crate::home::{self, Existing, Home, Readers};
use crate::keys;
use crate::source::Source;

/// How many statements may wait.
const MAX_WAITING: usize = 1_000_000;
/// The member that a kept file has beside those of a bundle.
const MEMBER: &str = "unsent";

/// A statement that was signed, and where it is to go.
#[derive(Debug)]
pub struct Unsent {
    bundle: Bundle,
    label: Label,
}

/// What a kept file says beside its bundle.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Label {
    /// The URL of the service; without one, it is for the register in the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// The keys of the signatures, as a submission has them. They are offered, not believed.
    #[serde(default)]
    verifiers: Vec<String>,
}

impl Unsent {
    /// What was signed with `key` for the register that the options name.
    pub fn new(bundle: Bundle, key: &PublicKey, server: Option<&str>) -> Self {
        let verifiers = vec![Submission::verifier(key)];
        Self { bundle, label: Label { server: server.map(plain), verifiers } }
    }

    /// The bundle with these bytes, of a signer without a key, for the register that the options
    /// name. It is carried whole, so that what is registered later is what was signed, byte for byte.
    pub fn carried(received: &[u8], server: Option<&str>) -> Result<Self, Error> {
        let (envelope, mark) = carry(received)?;
        let bundle = Bundle { hint: None, envelope, entries: Vec::new(), keyless: None };
        let verifiers = vec![Submission::verifier(&mark)];
        Ok(Self { bundle, label: Label { server: server.map(plain), verifiers } })
    }

    /// Reads a file: one that was kept, or a bundle of any origin, which is for the register that
    /// `server` names.
    pub fn read(path: &Path, server: Option<&str>) -> Result<Self, Error> {
        let bytes = home::read(path)?;
        let bundle =
            Bundle::parse(&bytes).map_err(|source| Error::Bundle { path: path.into(), source })?;
        let broken = |source| Error::Document { path: path.into(), source };
        let member = match json::parse(&bytes).map_err(broken)? {
            Value::Object(mut members) => members.remove(MEMBER),
            _ => None,
        };
        let label = match member {
            Some(label) => serde_json::from_value(label).map_err(|source| broken(source.into()))?,
            None => Label { server: server.map(plain), verifiers: Vec::new() },
        };
        Ok(Self { bundle, label })
    }

    /// The service that it is for; `None` stands for the register in the folder.
    pub fn server(&self) -> Option<&str> {
        self.label.server.as_deref()
    }

    /// Registers it. Of `known` and its own keys, those are offered that made its signatures.
    pub fn submit(&self, source: &Source, known: &[PublicKey]) -> Result<Receipt, Error> {
        if let Some(received) = &self.bundle.keyless {
            return submit_carried(received, source);
        }
        let pae = self.bundle.envelope.pae();
        let signatures = &self.bundle.envelope.signatures;
        let own = self.label.verifiers.iter().filter_map(|text| Submission::parse_verifier(text));
        let mut verifiers: Vec<PublicKey> = Vec::new();
        // A bundle that a register gave out may carry another.
        let mark = carried::mark().ok();
        for key in own.chain(known.iter().cloned()).chain(mark) {
            let made = |signature: &attest::Signature| key.verify(&pae, &signature.sig).is_ok();
            if !verifiers.contains(&key) && signatures.iter().any(made) {
                verifiers.push(key);
            }
        }
        source.submit(&self.bundle.envelope, &verifiers, clock::checked(clock::now())?)
    }

    fn to_json(&self) -> Result<Vec<u8>, Error> {
        let mut document: Value =
            serde_json::from_slice(&self.bundle.to_json()).map_err(Error::Json)?;
        if let Value::Object(members) = &mut document {
            let label = serde_json::to_value(&self.label).map_err(Error::Json)?;
            members.insert(MEMBER.into(), label);
        }
        serde_json::to_vec_pretty(&document).map_err(Error::Json)
    }
}

/// Registers the bundle of a signer without a key as it is, with all that proves when it was made.
fn submit_carried(received: &[u8], source: &Source) -> Result<Receipt, Error> {
    let (envelope, mark) = carry(received)?;
    source.submit(&envelope, &[mark], clock::checked(clock::now())?)
}

/// The envelope that carries a bundle, and the key that marks it.
fn carry(received: &[u8]) -> Result<(Envelope, PublicKey), Error> {
    let envelope = carried::carry(received).map_err(Error::Carried)?;
    let mark = carried::mark().map_err(|error| Error::Carried(error.into()))?;
    Ok((envelope, mark))
}

/// The kept files of a folder.
#[derive(Debug)]
pub struct Queue {
    folder: PathBuf,
}

impl Queue {
    /// The queue of an `.assay` folder.
    pub fn of(home: &Home) -> Self {
        Self { folder: home.unsent() }
    }

    /// Whether a file lies in the queue.
    pub fn holds(&self, path: &Path) -> bool {
        let parent = path.parent().and_then(|folder| folder.canonicalize().ok());
        parent.is_some() && parent == self.folder.canonicalize().ok()
    }

    /// The files, in the order of signing; none when there is no queue.
    pub fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let failed = |error| Error::io(Action::Read, &self.folder, error);
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            // What is being written has a name that begins with a point.
            let whole =
                path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."));
            if whole && path.is_file() {
                files.push(path);
            }
            // A part of the queue would have another order than the whole.
            if files.len() > MAX_WAITING {
                return Err(failed(io::Error::other(format!("more than {MAX_WAITING} files"))));
            }
        }
        files.sort_by_cached_key(|path| (number(path), path.clone()));
        Ok(files)
    }

    /// Keeps what was signed at `now`, after all that is kept already, and gives its file.
    pub fn keep(&self, unsent: &Unsent, now: Timestamp) -> Result<PathBuf, Error> {
        home::private_folder(&self.folder)?;
        // Two who keep at once get two numbers.
        let failed = |error| Error::io(Action::Read, &self.folder, error);
        let held = File::open(&self.folder).map_err(failed)?;
        match held.lock() {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(failed(error)),
            _ => {}
        }
        let last = self.files()?.last().map_or(0, |path| number(path));
        let digest = Sha256::of(&unsent.bundle.envelope.pae()).hex();
        let time = now.strftime("%Y%m%dT%H%M%SZ");
        // The number orders, also where the clock went back; the time is for whoever looks.
        let path = self.folder.join(format!("{:08}-{time}-{digest}.json", last.saturating_add(1)));
        home::write(&path, &unsent.to_json()?, Readers::Owner, Existing::Kept)?;
        Ok(path)
    }

    /// Registers what waits for the register that `server` names, in order.
    ///
    /// # Errors
    /// [`Error::Waiting`] for the first that is not registered; those after it wait on.
    pub fn send(
        &self,
        server: Option<&str>,
        source: &Source,
        home: &Home,
        cx: &Context<'_>,
    ) -> Result<(), Error> {
        let files = self.files()?;
        if files.is_empty() {
            return Ok(());
        }
        let known = keys::public_keys(home);
        for path in files {
            let waiting = |source| Error::Waiting { path: path.clone(), source: Box::new(source) };
            let unsent = match Unsent::read(&path, None) {
                // Another command has sent it meanwhile.
                Err(_) if !path.exists() => continue,
                unsent => unsent.map_err(waiting)?,
            };
            if unsent.server() != server {
                continue;
            }
            let receipt = unsent.submit(source, &known).map_err(waiting)?;
            sent(&path)?;
            let file = path.display();
            let index = receipt.index;
            cx.printer.note(&format!("registered as entry {index} what was kept as `{file}`"));
        }
        Ok(())
    }
}

/// A URL as it is compared: one service has one queue, with and without a last `/`.
fn plain(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// Takes a file that was registered out of the queue: it would only be sent again.
pub fn sent(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(Action::Write, path, error))
        }
        _ => Ok(()),
    }
}

/// The number that the name of a kept file begins with; 0 for names without one, whose order
/// nobody knows.
fn number(path: &Path) -> u64 {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split_once('-').and_then(|(number, _)| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use attest::envelope::IN_TOTO;
    use attest::{Algorithm, SigningKey};

    use super::*;

    #[test]
    fn the_queue_is_in_the_order_of_keeping_whatever_the_clock_says() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::make(Some(folder.path())).unwrap();
        let queue = Queue::of(&home);
        assert!(queue.files().unwrap().is_empty());
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let mut kept = Vec::new();
        // Nine and ten differ in their number of digits, and every hour is before the last one.
        for hour in 0..12_i64 {
            let payload = format!("{hour}").into_bytes();
            let envelope = Envelope::sign(IN_TOTO, payload, &[&key]).unwrap();
            let bundle = Bundle { envelope, hint: None, entries: Vec::new(), keyless: None };
            let unsent = Unsent::new(bundle, key.public(), Some("https://assay.example/"));
            let at = now.checked_sub(jiff::SignedDuration::from_hours(hour)).unwrap();
            kept.push(queue.keep(&unsent, at).unwrap());
        }
        assert_eq!(queue.files().unwrap(), kept);
        std::fs::remove_file(kept.remove(0)).unwrap();
        assert_eq!(queue.files().unwrap(), kept);

        let read = Unsent::read(&kept[0], None).unwrap();
        assert_eq!(read.server(), Some("https://assay.example"));
        assert_eq!(read.label.verifiers, [Submission::verifier(key.public())]);
        assert!(Bundle::parse(&std::fs::read(&kept[0]).unwrap()).is_ok(), "a bundle like others");
        assert!(queue.holds(&kept[0]) && !queue.holds(&folder.path().join("x.json")));
    }
}
