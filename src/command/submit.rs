//! `assay log submit`: registers what was signed before.
//!
//! Each file goes to the register that it was signed for. What cannot be registered stays where
//! it is and is listed at the end; what was signed after it for the same register waits with it,
//! unless no register will ever take it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::attest::PublicKey;
use ::verify::Trust;
use clap::Args;
use serde::Serialize;
use server::register::SubmitError;

use crate::command::log::known_trust;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::http::ServiceError;
use crate::keys;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::source::Source;
use crate::unsent::{self, Queue, Unsent};

/// Register bundles that were signed before: those kept when the register was out of reach
///
/// What was kept goes to the register that it was signed for, in the order of signing; `--server`
/// says where other bundles go.
#[derive(Args, Debug)]
pub struct SubmitArgs {
    /// The bundles; otherwise those kept in the `.assay` folder
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl SubmitArgs {
    /// Registers the files, one after another.
    pub fn submit(&self, cx: &Context<'_>) -> Result<Submitted, Error> {
        let home = cx.home()?;
        let queue = Queue::of(&home);
        let all = self.files.is_empty();
        let files = if all { queue.files()? } else { self.files.clone() };
        // What an older version kept was for the register in the folder.
        let server = if all { None } else { cx.global.server.as_deref() };
        let mut known = keys::public_keys(&home);
        known.extend(known_trust(cx)?.iter().flat_map(Trust::keys).map(|key| key.key().clone()));
        let mut registers = Registers { open: BTreeMap::new(), known, cx };
        let mut submitted =
            Submitted { version: "assay/submitted/v1", entries: Vec::new(), failed: Vec::new() };
        for path in files {
            match registers.submit(&path, server) {
                Ok(index) => {
                    if queue.holds(&path) {
                        unsent::sent(&path)?;
                    }
                    submitted.entries.push(SubmittedEntry { path, index });
                }
                Err(error) => {
                    let (why, hint) = (error.message(), error.hint());
                    submitted.failed.push(Failed { path, why, hint });
                }
            }
        }
        for Failed { path, why, hint } in &submitted.failed {
            let message = format!("`{}` is not registered: {why}", path.display());
            cx.printer.problem(&message, hint.as_deref());
        }
        Ok(submitted)
    }
}

/// The registers that something goes to, by their URLs; `None` for one that takes nothing more.
struct Registers<'a> {
    open: BTreeMap<Option<String>, Option<Source>>,
    known: Vec<PublicKey>,
    cx: &'a Context<'a>,
}

impl Registers<'_> {
    fn submit(&mut self, path: &Path, server: Option<&str>) -> Result<u64, Error> {
        let unsent = Unsent::read(path, server)?;
        let name = unsent.server().map(str::to_owned);
        if !self.open.contains_key(&name) {
            match Source::at(name.as_deref(), self.cx) {
                Ok(source) => drop(self.open.insert(name.clone(), Some(source))),
                Err(error) => {
                    self.open.insert(name, None);
                    return Err(error);
                }
            }
        }
        let Some(Some(source)) = self.open.get(&name) else { return Err(Error::Behind) };
        match unsent.submit(source, &self.known) {
            Ok(receipt) => Ok(receipt.index),
            Err(error) => {
                if !is_final(&error) {
                    self.open.insert(name, None);
                }
                Err(error)
            }
        }
    }
}

/// Whether a register refuses the statement itself, so that it will never stand before or after
/// any other.
fn is_final(error: &Error) -> bool {
    match error {
        Error::Submit(source) => matches!(
            **source,
            SubmitError::Unsigned
                | SubmitError::TooManySignatures(_)
                | SubmitError::Statement(_)
                | SubmitError::Carried(_)
                | SubmitError::TooManyTerms(_)
        ),
        Error::Service(ServiceError::Refused { status, .. }) => matches!(status, 400 | 413 | 422),
        _ => false,
    }
}

/// Bundles that were registered, and those that were not.
#[derive(Serialize)]
pub struct Submitted {
    version: &'static str,
    entries: Vec<SubmittedEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failed>,
}

#[derive(Serialize)]
struct SubmittedEntry {
    path: PathBuf,
    index: u64,
}

#[derive(Serialize)]
struct Failed {
    path: PathBuf,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Answer for Submitted {
    fn exit(&self) -> Exit {
        if self.failed.is_empty() { Exit::Success } else { Exit::Undecided }
    }

    fn draw(&self, page: &mut Page) {
        if self.entries.is_empty() && self.failed.is_empty() {
            page.line("nothing is waiting to be registered");
        }
        for SubmittedEntry { path, index } in &self.entries {
            page.text("registered as ").put(Tone::Strong, format_args!("entry {index}"));
            page.text(": ").line(path.display());
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
