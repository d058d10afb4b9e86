//! `assay monitor`: follows somebody else's log, and says so when it takes anything back.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use ::attest::{Checkpoint, Sha256, VerifierKey};
use clap::Args;
use serde::Serialize;
use server::monitor::{Believed, FetchError, Look, MonitorError, Split, look};
use server::notes::Notes;
use server::seen::{self, Seen};

use crate::clock;
use crate::context::Context;
use crate::error::{Action, Error};
use crate::exit::Exit;
use crate::home::Home;
use crate::http::{Service, ServiceError};
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// Follow a log over HTTP and prove that it only grows
///
/// The first look remembers what the log shows; every later one demands a proof of growth from
/// there. A fork or a rollback ends with status 1, and both notes are kept.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay monitor https://log.example --key log.example+5d2e…+AT…
  assay monitor https://log.example --interval 60      its key is in the trust file")]
pub struct MonitorArgs {
    /// What `/checkpoint` and `/tile/…` are put after (C2SP tlog-tiles)
    url: String,

    /// The log's verifier key; otherwise the trust file names the log
    #[arg(long, value_name = "VKEY")]
    key: Option<VerifierKey>,

    /// The trust file; otherwise `trust.yaml` in the `.assay` folder
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    trust: Option<PathBuf>,

    /// Also read every new entry: all of them at the first look
    #[arg(long)]
    entries: bool,

    /// Look once; this is what happens unless `--interval` is given
    #[arg(long, conflicts_with = "interval")]
    once: bool,

    /// Look again every so many seconds, until it is stopped
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: Option<u64>,
}

pub fn monitor(args: &MonitorArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let service = Service::at(&args.url, cx.printer)?;
    let home = cx.home_or_new()?;
    let Some(seconds) = args.interval else { return args.once(&service, &home, cx) };
    loop {
        match args.once(&service, &home, cx) {
            Ok(answer) if answer.exit() == Exit::Success => drop(cx.printer.answer(&*answer)),
            Ok(alarm) => return Ok(alarm),
            // A log that is away for a while is not gone, and nothing was remembered.
            Err(
                error @ (Error::Monitor(_)
                | Error::Service(
                    ServiceError::Unreachable { .. } | ServiceError::Busy { .. },
                )),
            ) => {
                cx.printer.warn(&error.message());
            }
            Err(error) => return Err(error),
        }
        thread::sleep(Duration::from_secs(seconds));
    }
}

impl MonitorArgs {
    fn once(
        &self,
        service: &Service,
        home: &Home,
        cx: &Context<'_>,
    ) -> Result<Box<dyn Answer>, Error> {
        let fetch = |path: &str, limit: usize| {
            let failed = |error: Error| FetchError { path: path.into(), why: error.message() };
            service.bytes(&format!("/{path}"), limit as u64).map_err(failed)
        };
        let failed = |source| Error::Monitor(Box::new(source));
        let trust = match &self.key {
            Some(_) => None,
            None => Some(cx.believed(self.trust.as_deref())?),
        };
        let believed = match (&self.key, &trust) {
            (Some(key), _) => Believed::Key(key),
            (None, Some(trust)) => {
                // Which log of the trust file it is, the log says; whether it is, the key does.
                let note = fetch("checkpoint", ::attest::note::MAX_BYTES);
                let note = note.map_err(|error| failed(error.into()))?;
                let note = note.ok_or_else(|| failed(MonitorError::NoCheckpoint))?;
                let note = String::from_utf8(note).unwrap_or_default();
                let origin = Checkpoint::claimed_origin(&note).unwrap_or_default().to_owned();
                let log = trust.log(&origin).ok_or(Error::UnknownLog(origin))?;
                Believed::Log(log)
            }
            (None, None) => return Err(Error::UnknownLog(String::new())),
        };
        let path = home.seen();
        let remembered = |source| Error::Seen { path: path.clone(), source: Box::new(source) };
        let seen = Seen::load(&path).map_err(remembered)?;
        let now = clock::now();
        seen.require_clock(now).map_err(remembered)?;
        let before = seen.mark(believed.origin());
        let notes = Notes::beside(&path);
        let kept = |source| Error::io(Action::Write, notes.folder(), source);
        match look(believed, before, self.entries, &fetch) {
            Ok(found) => {
                seen::remember(&home.seen(), &found.checkpoint, now).map_err(remembered)?;
                notes.keep(&found.checkpoint.origin, &found.note).map_err(kept)?;
                Ok(Box::new(Seeing::of(found)))
            }
            Err(MonitorError::Fork(split)) => {
                let evidence = notes.keep_evidence("fork", &split).map_err(kept)?;
                Ok(Box::new(Alarm::of("fork", *split, evidence)))
            }
            Err(MonitorError::Rollback(split)) => {
                let evidence = notes.keep_evidence("rollback", &split).map_err(kept)?;
                Ok(Box::new(Alarm::of("rollback", *split, evidence)))
            }
            Err(error) => Err(failed(error)),
        }
    }
}

#[derive(Serialize)]
struct Mark {
    size: u64,
    root: Sha256,
}

/// A log that only grows.
#[derive(Serialize)]
struct Seeing {
    version: &'static str,
    origin: String,
    size: u64,
    root: Sha256,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Mark>,
    entries: u64,
}

impl Seeing {
    fn of(found: Look) -> Self {
        let Checkpoint { origin, size, root } = found.checkpoint;
        let before = found.before.map(|mark| Mark { size: mark.size, root: mark.root });
        Self { version: "assay/seen/v1", origin, size, root, before, entries: found.entries }
    }
}

impl Answer for Seeing {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Strong, &self.origin).text("  ");
        match &self.before {
            None => page.text(format_args!("{} entries, seen for the first time", self.size)),
            Some(before) if before.size == self.size => {
                page.text(format_args!("{} entries, nothing new", self.size))
            }
            Some(before) => page.text(format_args!(
                "{} entries, {} more, which extend the {} seen before",
                self.size,
                self.size - before.size,
                before.size
            )),
        };
        page.end();
        if self.entries > 0 {
            page.line(format_args!("  {} entries read, all under the signed root", self.entries));
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// A log that took something back.
#[derive(Serialize)]
struct Alarm {
    version: &'static str,
    what: &'static str,
    origin: String,
    size: u64,
    root: Sha256,
    before: Mark,
    evidence: [PathBuf; 2],
}

impl Alarm {
    fn of(what: &'static str, split: Split, evidence: [PathBuf; 2]) -> Self {
        let Split { now: Checkpoint { origin, size, root }, before, .. } = split;
        let before = Mark { size: before.size, root: before.root };
        Self { version: "assay/alarm/v1", what, origin, size, root, before, evidence }
    }
}

impl Answer for Alarm {
    fn exit(&self) -> Exit {
        Exit::Denied
    }

    fn draw(&self, page: &mut Page) {
        page.put(Tone::Bad, self.what).text("  ").put(Tone::Strong, &self.origin).end();
        let shows =
            format_args!("  it had {} entries, root {}", self.before.size, self.before.root);
        page.line(shows);
        page.line(format_args!("  it shows {} entries, root {}", self.size, self.root));
        let [before, now] = &self.evidence;
        page.line(format_args!("  evidence: {}", before.display()));
        page.line(format_args!("  evidence: {}", now.display()));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
