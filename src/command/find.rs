//! `assay find`: which entries say so.
//!
//! What is found is what statements claim; the answer says up to which size of the register
//! nothing that matches is missing.

use std::num::NonZeroUsize;
use std::path::Path;

use ::attest::KeyId;
use ::attest::predicate::{BuildKind, EVALUATION, PROVENANCE};
use clap::Args;
use serde::Serialize;
use server::register::{MAX_PAGE, Query, Term};
use server::wire::{Complete, EntryView, Found};

use super::log::{kind_of, known_trust, short_time, signer_name, statement_of};
use crate::context::Context;
use crate::error::Error;
use crate::keys::{self, KeyFile};
use crate::moment::Moment;
use crate::page::{Page, Tone};
use crate::predicate_name;
use crate::render::{Answer, to_json};
use crate::source::Source;
use crate::target::Target;

/// How many pages are asked for at most to fill one answer.
const MAX_PAGES: usize = 1_000;

/// Find statements in the register; several conditions have to hold together
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay find --step train --since 7d
  assay find --subject model.bin --type promotion
  assay find --kind training --parameter epochs=3")]
pub struct FindArgs {
    /// About this artifact
    #[arg(long, value_name = "PATH|DIGEST")]
    subject: Option<Target>,

    /// This artifact went in
    #[arg(long, value_name = "PATH|DIGEST")]
    material: Option<Target>,

    /// Calls its subject this
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Signed with this key: its name, its identity or its public half
    #[arg(long, value_name = "NAME|ID|FILE")]
    signer: Option<String>,

    /// Of this type: a URI, or a word such as `provenance`, `evaluation`, `promotion`
    #[arg(long = "type", value_name = "TYPE")]
    predicate_type: Option<String>,

    /// Of this step
    #[arg(long)]
    step: Option<String>,

    /// For this stage
    #[arg(long)]
    stage: Option<String>,

    /// Of this kind of step: `training`, `evaluation`, …
    #[arg(long)]
    kind: Option<BuildKind>,

    /// With this parameter; may be given several times
    #[arg(long = "parameter", value_name = "NAME=VALUE")]
    parameters: Vec<String>,

    /// Registered at this time or later: `2027-03-01`, or `7d` ago
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Registered before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,

    /// How many entries at most
    #[arg(long, value_name = "COUNT", default_value = "100")]
    limit: NonZeroUsize,

    /// Where to go on: what the page before gave as next
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    cursor: u64,
}

pub fn find(args: &FindArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let query = args.query(cx)?;
    let source = Source::open(cx)?;
    let trust = known_trust(cx)?;
    let Found { entries, next, complete_to } = args.gather(query, &source)?;
    let signer = |entry: &EntryView| signer_name(entry.signer.as_ref(), trust.as_ref());
    let signers = entries.iter().map(signer).collect();
    Ok(Box::new(Listing { version: "assay/found/v1", entries, next, complete_to, signers }))
}

impl FindArgs {
    /// Asks for pages until there are enough entries, or no more.
    fn gather(&self, mut query: Query, source: &Source) -> Result<Found, Error> {
        let mut entries: Vec<EntryView> = Vec::new();
        for _ in 0..MAX_PAGES {
            query.limit = self.limit.get().saturating_sub(entries.len()).clamp(1, MAX_PAGE);
            let page = source.find(&query)?;
            for entry in page.entries {
                if self.is_kind(&entry, source)? {
                    entries.push(entry);
                }
            }
            match page.next {
                Some(next) if entries.len() < self.limit.get() => query.start = next,
                next => return Ok(Found { entries, next, complete_to: page.complete_to }),
            }
        }
        Err(Error::TooManyPages(MAX_PAGES))
    }

    /// The register does not index kinds: what it finds otherwise is looked through here.
    fn is_kind(&self, entry: &EntryView, source: &Source) -> Result<bool, Error> {
        let Some(kind) = self.kind else { return Ok(true) };
        let found = source.entry(entry.index)?.bundle;
        let statement = found.as_ref().and_then(statement_of);
        Ok(statement.as_ref().and_then(kind_of) == Some(kind))
    }

    fn query(&self, cx: &Context<'_>) -> Result<Query, Error> {
        let mut terms = Vec::new();
        if let Some(subject) = &self.subject {
            terms.push(Term::Subject(cx.resolve(subject)?));
        }
        if let Some(material) = &self.material {
            terms.push(Term::Material(cx.resolve(material)?));
        }
        if let Some(signer) = &self.signer {
            terms.push(Term::Signer(key_id(signer, cx)?));
        }
        terms.extend(self.name.clone().map(Term::Name));
        let kind = self.kind.map(|kind| match kind {
            BuildKind::Evaluation => EVALUATION.to_owned(),
            _ => PROVENANCE.to_owned(),
        });
        let predicate_type = self.predicate_type.as_deref().map(predicate_name::full);
        terms.extend(predicate_type.or(kind).map(Term::Type));
        terms.extend(self.step.clone().map(Term::Step));
        terms.extend(self.stage.clone().map(Term::Stage));
        for parameter in &self.parameters {
            let (name, value) =
                parameter.split_once('=').ok_or_else(|| Error::NotAParameter(parameter.clone()))?;
            terms.push(Term::Parameter { name: name.into(), value: value.into() });
        }
        Ok(Query {
            terms,
            from: self.since.and_then(|moment| moment.before(cx.now)),
            until: self.until.and_then(|moment| moment.before(cx.now)),
            start: self.cursor,
            limit: self.limit.get(),
        })
    }
}

/// The key that is meant: an identity, a name in the trust file, a key of the folder, a file.
fn key_id(signer: &str, cx: &Context<'_>) -> Result<KeyId, Error> {
    if let Ok(id) = signer.parse() {
        return Ok(id);
    }
    if let Some(trust) = known_trust(cx)?
        && let Some((key, _)) = trust.named(signer)
    {
        return Ok(key.id());
    }
    if let Some(home) = cx.found_home()?
        && let Ok(Some(file)) = KeyFile::find(&home, Some(signer))
    {
        return Ok(file.public(cx.printer)?.id());
    }
    if !Path::new(signer).is_file() {
        return Err(Error::NoSigner(signer.into()));
    }
    Ok(keys::read_public(signer.as_ref())?.id())
}

/// A page of entries, with the names of their signers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    version: &'static str,
    entries: Vec<EntryView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
    complete_to: Complete,
    #[serde(skip)]
    signers: Vec<Option<String>>,
}

impl Answer for Listing {
    fn draw(&self, page: &mut Page) {
        let Self { entries, next, complete_to, .. } = self;
        if !entries.is_empty() {
            let rows: Vec<Vec<String>> =
                entries.iter().zip(&self.signers).map(|(entry, name)| row(entry, name)).collect();
            page.table(&["ENTRY", "TIME", "TYPE", "STEP", "SIGNER", "ABOUT"], &rows);
        }
        let Complete { origin, size, .. } = complete_to;
        let count = entries.len();
        let plural = if count == 1 { "entry" } else { "entries" };
        page.put(Tone::Faint, format_args!("{count} {plural}; complete to {size} of {origin}"));
        match next {
            Some(next) => page.put(Tone::Faint, format_args!("; more with --cursor {next}")).end(),
            None => page.end(),
        };
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

fn row(entry: &EntryView, signer: &Option<String>) -> Vec<String> {
    let word = entry.predicate_type.as_deref().map_or("-", predicate_name::short);
    let word = match &entry.stage {
        Some(stage) => format!("{word} {stage}"),
        None => word.to_owned(),
    };
    let names: Vec<&str> = entry.subjects.iter().map(|subject| subject.name.as_str()).collect();
    let about = match names.as_slice() {
        [] => "-".to_owned(),
        [first] => (*first).to_owned(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    };
    vec![
        entry.index.to_string(),
        short_time(entry.time),
        word,
        entry.step.as_ref().map_or("-".into(), ToString::to_string),
        signer.clone().unwrap_or_else(|| "not trusted".into()),
        about,
    ]
}
