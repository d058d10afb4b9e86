//! `assay find`: which entries say so.
//!
//! What is found is what statements claim; the answer says up to which size of the register
//! nothing that matches is missing. With proofs, that each entry is in the register is checked
//! before it is shown; that none is missing stays the register's word.

use std::num::NonZeroUsize;

use ::attest::Checkpoint;
use ::attest::predicate::BuildKind;
use clap::Args;
use serde::Serialize;
use server::register::{MAX_PAGE, Measured, Order, Proofs, Query, Search, Term, words};
use server::wire::{Compared, Complete, EntryView, Evidence, Found};

use super::log::{Head, known_trust, short_time, signer_name, to_signed};
use super::proven;
use crate::context::Context;
use crate::error::Error;
use crate::keys;
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
  assay find --reverse --limit 10
  assay find --subject model.bin --type promotion
  assay find --kind training --parameter epochs=3
  assay find --words 'resnet 2.1' --metric 'accuracy>=0.95'
  assay find --stage production --proofs --json")]
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

    /// Names a subject or a material with these words, in any order and case
    #[arg(long, value_name = "TEXT")]
    words: Option<String>,

    /// Signed with this key: its name, its identity or its public half
    #[arg(long, value_name = "NAME|ID|FILE")]
    signer: Option<String>,

    /// Signed keyless by this address or URI: what its certificate says, which nobody has judged
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,

    /// Signed keyless with an identity that this issuer vouched for, as its certificate says
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,

    /// Of this type: a URI, or a word such as `provenance`, `evaluation`, `promotion`
    #[arg(long = "type", value_name = "TYPE")]
    predicate_type: Option<String>,

    /// Of this step
    #[arg(long)]
    step: Option<String>,

    /// For this stage, or deployed to this environment
    #[arg(long)]
    stage: Option<String>,

    /// Of this kind of step: `training`, `evaluation`, …
    #[arg(long)]
    kind: Option<BuildKind>,

    /// With this result of a test or a promotion, or verdict of monitoring: `FAILED`, `DRIFT`, …
    #[arg(long, value_name = "WORD")]
    result: Option<String>,

    /// With this parameter; may be given several times
    #[arg(long = "parameter", alias = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,

    /// Measured this: `accuracy`, `accuracy>=0.95`, `accuracy[age=young]>=0.95`; may be given several times
    #[arg(long = "metric", value_name = "METRIC[>=NUMBER]")]
    metrics: Vec<Measured>,

    /// Registered at this time or later: `2027-03-01`, or `7d` ago
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Registered before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,

    /// How many entries at most
    #[arg(long, value_name = "COUNT", default_value = "100")]
    limit: NonZeroUsize,

    /// The newest first
    #[arg(long)]
    reverse: bool,

    /// Where to go on: what the page before gave as next
    #[arg(long, value_name = "INDEX")]
    cursor: Option<u64>,

    /// Check that each entry is in the register; with --json, give the proofs too
    #[arg(long)]
    proofs: bool,
}

pub fn find(args: &FindArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let search = args.search(cx)?;
    let source = Source::open(cx)?;
    let trust = known_trust(cx)?;
    let (found, head) = args.gather(search, &source, cx)?;
    let signer = |entry: &EntryView| signer_name(entry.signer.as_ref(), trust.as_ref());
    let signers = found.entries.iter().map(signer).collect();
    let trusted = head.as_ref().map(|head| head.trusted);
    let way = if args.reverse { "back" } else { "on" };
    let from = args.cursor.map(|cursor| (cursor, way));
    Ok(Box::new(Listing { version: "assay/found/v1", found, from, trusted, signers }))
}

impl FindArgs {
    /// Asks for pages until there are enough entries, or no more. With proofs, each page is
    /// checked, and each tree has to begin with that of the page before, that of a service's first
    /// one with what was seen of its register.
    fn gather(
        &self,
        mut search: Search,
        source: &Source,
        cx: &Context<'_>,
    ) -> Result<(Found, Option<Head>), Error> {
        let (mut entries, mut evidence) = (Vec::<EntryView>::new(), Vec::<Evidence>::new());
        let (mut head, mut compared): (Option<Head>, Option<Compared>) = (None, None);
        let mut before: Option<Checkpoint> = None;
        // What was registered since the newest were shown is on no later page.
        let mut first: Option<(Complete, Option<String>)> = None;
        for _ in 0..MAX_PAGES {
            search.query.limit = self.limit.get().saturating_sub(entries.len()).clamp(1, MAX_PAGE);
            let page = source.find(&search)?;
            if search.proofs == Proofs::With {
                let now = proven::check(&page, &search, source, cx)?;
                match &before {
                    Some(before) => drop(to_signed(before.size, &before.root, &now, source)?),
                    None if source.url().is_some() => {
                        source.accept_shown(now.note.clone(), cx)?;
                    }
                    // Whoever reads the register itself wants to see it as it is.
                    None => {}
                }
                let Head { origin, size, root, .. } = &now;
                before = Some(Checkpoint { origin: origin.clone(), size: *size, root: *root });
                head = Some(now);
            }
            entries.extend(page.entries);
            evidence.extend(page.evidence);
            compared = page.compared.map(|page| page.with(compared));
            let this = (page.complete_to, page.checkpoint);
            let shown = match search.query.order {
                Order::OldestFirst => this,
                Order::NewestFirst => first.get_or_insert(this).clone(),
            };
            match page.next {
                Some(next) if entries.len() < self.limit.get() => search.query.start = Some(next),
                next => {
                    let (complete_to, checkpoint) = shown;
                    let found =
                        Found { entries, next, complete_to, compared, checkpoint, evidence };
                    return Ok((found, head));
                }
            }
        }
        Err(Error::TooManyPages(MAX_PAGES))
    }

    fn search(&self, cx: &Context<'_>) -> Result<Search, Error> {
        let proofs = if self.proofs { Proofs::With } else { Proofs::Without };
        Ok(Search { query: self.query(cx)?, measured: self.metrics.clone(), proofs })
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
            terms.push(Term::Signer(keys::id_of(signer, cx)?));
        }
        terms.extend(self.name.clone().map(Term::Name));
        if let Some(text) = &self.words {
            let words = words(text);
            if words.is_empty() {
                return Err(Error::NoWords(text.clone()));
            }
            terms.extend(words.into_iter().map(Term::Word));
        }
        terms.extend(self.identity.clone().map(Term::Identity));
        terms.extend(self.issuer.clone().map(Term::Issuer));
        if let Some(text) = &self.predicate_type {
            let predicate_type = predicate_name::full(text);
            if !predicate_type.contains(['/', ':']) {
                return Err(Error::NoType(text.clone()));
            }
            terms.push(Term::Type(predicate_type));
        }
        terms.extend(self.kind.map(Term::Kind));
        terms.extend(self.result.clone().map(Term::Result));
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
            order: if self.reverse { Order::NewestFirst } else { Order::OldestFirst },
            start: self.cursor,
            limit: self.limit.get(),
        })
    }
}

/// A page of entries, with the names of their signers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    version: &'static str,
    #[serde(flatten)]
    found: Found,
    /// Where the answer begins, if not at an end, and which way it goes.
    #[serde(skip)]
    from: Option<(u64, &'static str)>,
    /// With proofs: whether the trust file names the register.
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted: Option<bool>,
    #[serde(skip)]
    signers: Vec<Option<String>>,
}

impl Answer for Listing {
    fn draw(&self, page: &mut Page) {
        let Found { entries, next, complete_to, compared, .. } = &self.found;
        if !entries.is_empty() {
            let rows: Vec<Vec<String>> =
                entries.iter().zip(&self.signers).map(|(entry, name)| row(entry, name)).collect();
            page.table(&["ENTRY", "TIME", "TYPE", "STEP", "SIGNER", "ABOUT"], &rows);
        }
        let Complete { origin, size, .. } = complete_to;
        let count = entries.len();
        let plural = if count == 1 { "entry" } else { "entries" };
        page.put(Tone::Faint, format_args!("{count} {plural}; complete to {size} of {origin}"));
        if let Some((from, way)) = self.from {
            page.put(Tone::Faint, format_args!(", from entry {from} {way}"));
        }
        if let Some(Compared { entries, erased }) = compared {
            page.put(Tone::Faint, format_args!("; {entries} compared"));
            if *erased > 0 {
                page.put(Tone::Warn, format_args!(", {erased} of them erased"));
            }
        }
        match next {
            Some(next) => page.put(Tone::Faint, format_args!("; more with --cursor {next}")).end(),
            None => page.end(),
        };
        if let Some(trusted) = self.trusted.filter(|_| !entries.is_empty()) {
            let trusted = if trusted { "trusted" } else { "not trusted" };
            page.put(Tone::Good, "proven").line(format_args!(
                ": every entry shown is among the {size} of {origin} ({trusted}); that none is missing is its word"
            ));
        }
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
        signer.clone().unwrap_or_else(|| certified(entry)),
        about,
    ]
}

/// Who signed, where no trusted key did: whom a certificate names is only a claim.
fn certified(entry: &EntryView) -> String {
    let name = entry.certificate.as_ref().and_then(|certificate| certificate.names.first());
    name.map_or("not trusted".into(), |name| format!("not trusted ({name}?)"))
}
