//! `assay inspect`: what a file is and what it says, in words. It verifies nothing.
//!
//! A *fact* is computed here from the bytes: a digest, a length, the identity of a key. Everything
//! else that a file says is a *claim*, also of whom it says that it is by. Each kind of file has a
//! file here, which calls the parser that also the checks call; they are tried in the order of
//! [`READERS`].

mod bundle;
mod certificate;
mod envelope;
mod key;
mod layout;
mod leaf;
mod model;
mod note;
mod part;
mod policy;
mod proof;
mod root;
mod statement;
#[cfg(test)]
mod tests;
mod timestamp;
mod trust;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ::attest::Sha256;
use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use self::part::Part;
use crate::error::{Action, Error};
use crate::exit::Exit;
use crate::home;
use crate::page::{Page, Tone, moves};
use crate::render::{Answer, to_json};

/// The largest file that is explained, in bytes: the largest JSON document that is read.
const MAX_BYTES: u64 = ::attest::json::MAX_BYTES as u64;
const VERSION: &str = "assay/inspection/v1";

/// Explain a certificate, signature, key, proof or document; nothing is checked
///
/// Explains certificates (PEM or DER), timestamps (RFC 3161), Sigstore bundles, signatures of models, DSSE envelopes,
/// in-toto statements, layouts and links, entries of logs, trusted roots of Sigstore, keys (never
/// the secret), verifier keys, checkpoints and other signed notes, proofs (C2SP tlog-proof), trust
/// files and policies.
///
/// What follows `claims` is what the file says, and anybody can write a file. What does not is
/// computed here from its bytes.
///
/// Exit status: 0 it was explained, 2 nobody can tell what it is.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay inspect model.sig
  assay inspect --json bundle.sigstore.json
  openssl s_client -connect example.com:443 </dev/null | assay inspect -")]
pub struct InspectArgs {
    /// The file; `-` is standard input
    file: PathBuf,
}

pub fn inspect(args: &InspectArgs) -> Result<Box<dyn Answer>, Error> {
    let bytes = read(&args.file)?;
    Ok(explain(&bytes))
}

/// Reads the file, or standard input, up to [`MAX_BYTES`]. It may hold a secret key.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(Vec::new());
    if path == Path::new("-") {
        let input = std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes);
        input.map_err(|error| Error::io(Action::Read, path, error))?;
    } else {
        *bytes = home::read(path)?;
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLarge { path: path.into(), limit: MAX_BYTES });
    }
    Ok(bytes)
}

/// What reads one kind of file: its name, what it makes of the bytes, and what checks the kind.
struct Reader {
    name: &'static str,
    read: fn(&[u8]) -> Result<Part, String>,
    check: &'static str,
}

/// Every kind. What is a case of another comes before it.
const READERS: [Reader; 16] = [
    Reader {
        name: "certificate",
        read: certificate::read,
        check: "assay verify PATH --bundle FILE --trusted-root FILE (with the bundle that it came \
                in), or assay model verify PATH --root FILE",
    },
    Reader {
        name: "timestamp",
        read: timestamp::read,
        check: "assay verify PATH --bundle FILE (with the bundle that it came in)",
    },
    Reader { name: "key", read: key::read, check: "assay trust list (whether you trust it)" },
    Reader {
        name: "model signature",
        read: model::read,
        check: "assay model verify PATH --signature FILE",
    },
    Reader { name: "bundle", read: bundle::read, check: "assay verify PATH --bundle FILE" },
    Reader {
        name: "layout or link",
        read: layout::read,
        check: "assay layout verify LAYOUT --key OWNER --links DIR",
    },
    Reader {
        name: "envelope",
        read: envelope::read,
        check: "assay verify PATH --bundle FILE (with the bundle that it came in)",
    },
    Reader {
        name: "statement",
        read: statement::read,
        check: "assay verify PATH (nobody signed these bytes by themselves)",
    },
    Reader { name: "log entry", read: leaf::read, check: "assay verify FILE --proof PROOF" },
    Reader {
        name: "trusted root",
        read: root::read,
        check: "none; whoever gave it to you vouches for it (assay trust add --sigstore FILE)",
    },
    Reader { name: "proof", read: proof::read, check: "assay verify ENTRY --proof FILE" },
    Reader { name: "checkpoint", read: note::read_checkpoint, check: "assay monitor --key VKEY" },
    Reader { name: "signed note", read: note::read, check: "assay trust list (whom you trust)" },
    Reader {
        name: "verifier key",
        read: key::read_verifier,
        check: "assay trust list (whether you trust it)",
    },
    Reader { name: "trust file", read: trust::read, check: "assay trust list --trust FILE" },
    Reader { name: "policy", read: policy::read, check: "assay policy check FILE" },
];

/// Explains bytes as the first kind that they are.
fn explain(bytes: &[u8]) -> Box<dyn Answer> {
    let mut tried = Vec::new();
    for reader in &READERS {
        match (reader.read)(bytes) {
            Ok(part) => {
                let check = part.check().unwrap_or(reader.check);
                return Box::new(Inspection::of(bytes, part, check));
            }
            Err(why) => tried.push(Tried { kind: reader.name, why: part::shortened(&why) }),
        }
        // Other readers may quote what they cannot read, and no secret is quoted.
        if reader.name == "key" && key::is_secret(bytes) {
            break;
        }
    }
    Box::new(Unknown { version: VERSION, kind: None, bytes: bytes.len(), tried })
}

/// A file, explained.
#[derive(Serialize)]
struct Inspection<'a> {
    version: &'static str,
    /// Nothing was; whoever reads the answer alone is told.
    verified: bool,
    bytes: usize,
    /// The SHA-256 of the file, unless it holds a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Sha256>,
    #[serde(flatten)]
    part: Part,
    check: &'a str,
}

impl<'a> Inspection<'a> {
    fn of(bytes: &[u8], part: Part, check: &'a str) -> Self {
        let digest = (!key::is_secret(bytes)).then(|| Sha256::of(bytes));
        Self { version: VERSION, verified: false, bytes: bytes.len(), digest, part, check }
    }
}

impl Answer for Inspection<'_> {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Strong, self.part.kind()).line("  explained, not checked");
        page.put(Tone::Faint, "file").text(format_args!("  {} bytes", self.bytes));
        if let Some(digest) = self.digest {
            page.text("  ").text(digest);
        }
        page.end();
        self.part.draw_inside(page, 0);
        page.put(Tone::Warn, "nothing of this was verified").end();
        page.put(Tone::Faint, "to check it: ").line(self.check);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self).map(|text| escaped(&text))
    }
}

/// A file of which nobody can tell what it is.
#[derive(Serialize)]
struct Unknown {
    version: &'static str,
    kind: Option<&'static str>,
    bytes: usize,
    tried: Vec<Tried>,
}

/// What was tried, and why it is not that.
#[derive(Serialize)]
struct Tried {
    kind: &'static str,
    why: String,
}

impl Answer for Unknown {
    fn exit(&self) -> Exit {
        Exit::Undecided
    }

    fn draw(&self, page: &mut Page) {
        page.put(Tone::Warn, "unknown").line("  cannot tell what this file is");
        page.put(Tone::Faint, "file").line(format_args!("  {} bytes", self.bytes));
        for tried in &self.tried {
            page.put(Tone::Faint, format_args!("no {:15}  ", tried.kind)).line(&tried.why);
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self).map(|text| escaped(&text))
    }
}

/// The same JSON, with those characters escaped that could move the cursor or turn the line. Line
/// feeds stand between its members alone: in its texts they are escaped already.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && moves(character) {
            // All of them are below U+10000.
            out.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    out
}
