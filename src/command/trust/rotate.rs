//! `assay trust rotate`: names the key that a log has got, or says how far the one before it counts.
//!
//! The trust file is where belief begins, so that writing the key into it is the consent of its
//! owners. The old key's word is asked for first, unless that key is in strange hands: then its
//! word is worth nothing, and the owners say instead which tree was the last good one.

use std::path::{Path, PathBuf};

use ::attest::{Bundle, Checkpoint, Sha256, VerifierKey};
use ::verify::{FormerKey, LastGood, Reach, Trust, verify_rotation};
use clap::{ArgGroup, Args};
use serde::Serialize;

use super::file::TrustFile;
use crate::context::Context;
use crate::error::Error;
use crate::home;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// Name the key that a log has got
///
/// Takes the statement of the key before it, as `assay log rotate-key` registers it. If that key
/// is in strange hands its word is worth nothing: name the new one with `--key`, and the last tree
/// that you vouch for with `--last-good`. Everybody who follows the log comes through that tree.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").args(["statement", "key", "former"]).required(true))]
#[command(group = ArgGroup::new("end").args(["until", "last_good"]))]
#[command(after_help = "\
Examples:
  assay trust rotate rotation.json                    both keys count
  assay trust rotate --former VKEY --until 120        the old one no longer, after 120 entries
  assay trust rotate --key VKEY --last-good 120 ROOT  the old one was lost")]
pub(super) struct RotateArgs {
    /// The bundle with the statement of the rotation
    #[arg(value_name = "BUNDLE")]
    statement: Option<PathBuf>,

    /// The new key, without a statement of the old one
    #[arg(long, value_name = "VKEY", requires = "last_good")]
    key: Option<VerifierKey>,

    /// A key that the log had, and that counts only so far from now on
    #[arg(long, value_name = "VKEY", requires = "end")]
    former: Option<VerifierKey>,

    /// The old key counts for trees of at most so many entries
    #[arg(long, value_name = "SIZE", conflicts_with = "key")]
    until: Option<u64>,

    /// The old key is in strange hands: of what it signed, this tree alone counts
    #[arg(long, num_args = 2, value_names = ["SIZE", "ROOT"])]
    last_good: Option<Vec<String>>,
}

impl RotateArgs {
    pub(super) fn run(&self, named: Option<&Path>, cx: &Context<'_>) -> Result<Named, Error> {
        let mut file = TrustFile::open(named, cx)?;
        let reach = self.reach()?;
        let key = match (&self.statement, &self.key, &self.former) {
            (Some(statement), ..) => {
                let key = said(statement, &file.trust)?;
                file.change(|trust| trust.rotate_log(&key, reach))?;
                key
            }
            (None, Some(key), _) => {
                file.change(|trust| trust.rotate_log(key, reach))?;
                key.clone()
            }
            (None, None, Some(key)) => {
                file.change(|trust| trust.end_log_key(key, reach))?;
                key.clone()
            }
            (None, None, None) => return Err(Error::NothingToTrust),
        };
        file.write(cx)?;
        Ok(Named::of(&key, &file.trust, file.path))
    }

    fn reach(&self) -> Result<Reach, Error> {
        match (self.until, self.last_good.as_deref()) {
            (Some(size), _) => Ok(Reach::Until(size)),
            (None, None) => Ok(Reach::Whole),
            (None, Some(words)) => {
                let wrong = || Error::NotATree(words.join(" "));
                let [size, root] = words else { return Err(wrong()) };
                let size = size.parse().map_err(|_| wrong())?;
                let root: Sha256 = root.parse().map_err(|_| wrong())?;
                Ok(Reach::LastGood(LastGood { size, root }))
            }
        }
    }
}

/// The key that a log of the trust file gets, as its own key says in a bundle.
fn said(file: &Path, trust: &Trust) -> Result<VerifierKey, Error> {
    let bundle = Bundle::parse(&home::read(file)?)
        .map_err(|source| Error::Bundle { path: file.into(), source })?;
    // Which log it is, the bundle says; whether it is, the log's key does.
    let mut notes = bundle.entries.iter().filter_map(|entry| entry.proof.as_ref());
    let note = notes.next().map_or("", |proof| proof.checkpoint.as_str());
    let origin = Checkpoint::claimed_origin(note).unwrap_or_default();
    let log = trust.log(origin).ok_or_else(|| Error::NoRotationOf(origin.into()))?;
    let rotation = verify_rotation(&bundle, log)
        .map_err(|source| Error::Rotation { path: file.into(), source: Box::new(source) })?;
    Ok(rotation.to)
}

/// A key that a log had, and how far it counts.
#[derive(Serialize)]
pub(super) struct Former {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(rename = "lastGood", skip_serializing_if = "Option::is_none")]
    last_good: Option<Tree>,
    #[serde(skip)]
    reach: Reach,
}

#[derive(Serialize)]
struct Tree {
    size: u64,
    root: Sha256,
}

impl Former {
    pub(super) fn of(former: &FormerKey) -> Self {
        let until = match former.reach() {
            Reach::Until(size) => Some(size),
            _ => None,
        };
        let last_good = former.last_good().map(|LastGood { size, root }| Tree { size, root });
        Self { key: former.key().to_string(), until, last_good, reach: former.reach() }
    }

    pub(super) fn draw(&self, page: &mut Page, head: &str) {
        page.put(Tone::Faint, head).text(&self.key).line(format_args!(", {}", self.reach));
    }
}

/// What the trust file says of a log's keys now.
#[derive(Serialize)]
pub(super) struct Named {
    version: &'static str,
    origin: String,
    key: String,
    former: Vec<Former>,
    path: PathBuf,
    digest: String,
}

impl Named {
    fn of(key: &VerifierKey, trust: &Trust, path: PathBuf) -> Self {
        let log = trust.log(key.name());
        let former = log.into_iter().flat_map(|log| log.former()).map(Former::of);
        Self {
            version: "assay/log-keys/v1",
            origin: key.name().into(),
            former: former.collect(),
            key: log.map_or_else(String::new, |log| log.key().to_string()),
            path,
            digest: trust.digest().to_string(),
        }
    }
}

impl Answer for Named {
    fn draw(&self, page: &mut Page) {
        page.text("trusting log ").put(Tone::Strong, &self.origin).end();
        page.put(Tone::Faint, "  key     ").line(&self.key);
        for former in &self.former {
            former.draw(page, "  former  ");
        }
        page.line(format_args!("written to {}", self.path.display()));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
