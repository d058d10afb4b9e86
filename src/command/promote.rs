//! `assay promote`: checks an artifact, and signs and registers that it passed.

use std::path::PathBuf;

use ::attest::predicate::VerificationResult;
use ::attest::{ArtifactId, Predicate, StageName, Statement, Timestamp};
use ::policy::Report;
use ::verify::Trust;
use clap::Args;
use serde::Serialize;
use server::judge::{self, Gate, Grounds, IfDenied, SummaryFormat};
use server::wire::{Promoted, PromotionRequest, ReceiptDocument};

use super::check::{names, require_tree};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::governed;
use crate::keys::{self, KeyFile, KeysError};
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::rules;
use crate::source::Source;
use crate::target::Target;
use crate::verdict::{self, Names};

/// Check an artifact for a stage, and sign and register that it passed
///
/// What does not pass is not promoted, and nothing is signed.
#[derive(Args, Debug)]
pub struct PromoteArgs {
    /// The artifact: a file, a folder, an OCI image layout or a digest
    #[arg(value_name = "PATH|DIGEST")]
    artifact: Target,

    /// The stage to promote it to
    #[arg(long)]
    stage: StageName,

    /// How to write it down: `vsa`, or `svr` for a simple verification result beside that
    #[arg(long, value_name = "FORMAT", default_value = "vsa", hide_default_value = true)]
    format: SummaryFormat,

    /// The policy; otherwise that of the register
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// The trust file; otherwise `trust.yaml` in the `.assay` folder
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,

    /// Name, file or URI of the gate's key; otherwise the only one, or `local`
    #[arg(long, value_name = "NAME|FILE|URI", env = keys::KEY, hide_env = true)]
    key: Option<String>,
}

pub fn promote(args: &PromoteArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let source = Source::open(cx)?;
    let artifact = args.artifact.resolve(cx.printer, |candidates| source.known(candidates))?;
    let Promoted { report, entry, simple } = match &source {
        Source::Folder(folder) => {
            let trust = cx.trust(args.trust.as_deref())?;
            let policy = rules::beforehand(args.policy.as_ref(), &trust, cx)?;
            let followed = source.follow_to_judge(&trust, cx)?;
            let governing = &followed.governing;
            governed::remember(&followed.origin, governing.trust(), cx)?;
            let policy = rules::for_stage(policy, &args.stage, governing, cx)?;
            rules::require_active(&policy, &args.stage, governing)?;
            let trust = governing.trust();
            let gate = args.gate(trust, cx)?;
            let grounds = Grounds { trust, policy: &policy, followed: &followed, now: cx.now };
            let promotion = folder
                .wait(judge::promote_as(
                    folder.register(),
                    &artifact,
                    &args.stage,
                    &grounds,
                    &gate,
                    IfDenied::SignNothing,
                    args.format,
                ))
                .map_err(Error::judge)?;
            Promoted {
                report: promotion.decision.report_at(cx.now),
                entry: promotion.registered.map(ReceiptDocument::from),
                simple: promotion.simple.map(ReceiptDocument::from),
            }
        }
        // A served register is promoted by its own policy, with its own gate's key.
        Source::Service(_) if args.policy.is_some() => return Err(Error::PolicyOfAService),
        Source::Service(_) if args.trust.is_some() => return Err(Error::TrustOfAService),
        Source::Service(service) => {
            let shown = source.introduced(cx)?;
            let format = args.format;
            let question = PromotionRequest { artifact, stage: args.stage.clone(), format };
            let trust = governed::known(&source, cx)?;
            let promoted: Promoted = service.post("/v1/promote", &question)?;
            let answered = require_promotion(&promoted, &artifact, &args.stage, &trust, cx.now);
            answered.map_err(|why| service.unreadable(why))?;
            require_simple(&promoted, format).map_err(|why| service.unreadable(why))?;
            require_tree(&promoted.report, &shown).map_err(|why| service.unreadable(why))?;
            promoted
        }
    };
    let names = names(&report, &source, cx)?;
    Ok(Box::new(Promotion {
        version: "assay/promotion/v1",
        report,
        entry,
        simple,
        name: args.artifact.name(),
        names,
    }))
}

/// Demands that a service answered what was asked: a report on it, and a summary that says what
/// the report does, registered where it says, in a register that the trust file names and signed by
/// a verifier of that file.
fn require_promotion(
    promoted: &Promoted,
    artifact: &ArtifactId,
    stage: &StageName,
    trust: &Trust,
    now: Timestamp,
) -> Result<(), String> {
    let Promoted { report, entry, .. } = promoted;
    report.require_answer(artifact, stage, None).map_err(|error| error.to_string())?;
    let entry = match (report.passed, entry) {
        (false, None) => return Ok(()),
        (true, Some(entry)) => entry,
        (true, None) => return Err("it passed, and there is no entry of it".into()),
        (false, Some(_)) => return Err("it did not pass, and there is an entry of it".into()),
    };
    let bundle = &entry.bundle.0;
    let statement = Statement::parse(&bundle.envelope.payload);
    if !statement.is_ok_and(|statement| says_so(&statement, report)) {
        return Err("its entry is not the summary of its report".into());
    }
    let mut proofs = bundle.entries.iter().filter_map(|entry| entry.proof.as_ref());
    if !proofs.any(|proof| proof.index == entry.index) {
        return Err(format!("it has no proof of entry {}", entry.index));
    }
    let verified = ::verify::verify(bundle, trust, now).map_err(|error| error.to_string())?;
    let by_a_gate = verified.logged().iter().any(|place| {
        place.index == entry.index
            && trust.verifiers().iter().any(|verifier| verifier.key() == Some(place.key))
    });
    if !by_a_gate {
        return Err("its entry is by no verifier that the trust file names".into());
    }
    Ok(())
}

/// Demands a simple result that says what the report does where one was asked for, and only there.
fn require_simple(promoted: &Promoted, format: SummaryFormat) -> Result<(), String> {
    let Promoted { report, simple, .. } = promoted;
    let wanted = report.passed && format == SummaryFormat::Svr;
    let simple = match (wanted, simple) {
        (true, Some(simple)) => simple,
        (false, None) => return Ok(()),
        (true, None) => return Err("there is no simple result of it".into()),
        (false, Some(_)) => return Err("there is a simple result of it that nobody wanted".into()),
    };
    let statement = Statement::parse(&simple.bundle.0.envelope.payload);
    let says_so = statement.is_ok_and(|statement| {
        let Predicate::SimpleVerification(result) = &statement.predicate else { return false };
        let subjects = statement.subjects().unwrap_or_default();
        result.stage().as_ref() == Some(&report.stage)
            && matches!(subjects.as_slice(), [(artifact, _)] if *artifact == report.artifact)
    });
    if says_so { Ok(()) } else { Err("its simple result is not that of its report".into()) }
}

/// Whether a statement is the summary of a report.
fn says_so(statement: &Statement, report: &Report) -> bool {
    let Predicate::VerificationSummary(summary) = &statement.predicate else { return false };
    let policy = summary.policy.digest.get("sha256");
    let subjects = statement.subjects().unwrap_or_default();
    summary.verification_result == VerificationResult::Passed
        && summary.stage().as_ref() == Some(&report.stage)
        && policy.is_some_and(|digest| *digest == report.policy.digest.hex())
        && matches!(subjects.as_slice(), [(artifact, _)] if *artifact == report.artifact)
}

impl PromoteArgs {
    fn gate(&self, trust: &Trust, cx: &Context<'_>) -> Result<Gate, Error> {
        let file = KeyFile::find(&cx.home()?, self.key.as_deref())?.ok_or_else(|| {
            Error::Keys(KeysError::NotFound { name: keys::LOCAL.into(), known: Vec::new() })
        })?;
        Gate::new(file.open(cx.printer)?, trust).map_err(Error::judge)
    }
}

/// A decision, and where it was registered.
#[derive(Serialize)]
struct Promotion {
    version: &'static str,
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<ReceiptDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    simple: Option<ReceiptDocument>,
    #[serde(skip)]
    name: Option<String>,
    #[serde(skip)]
    names: Names,
}

impl Answer for Promotion {
    fn exit(&self) -> Exit {
        Exit::of(&self.report, self.report.passed && self.entry.is_some())
    }

    fn draw(&self, page: &mut Page) {
        match &self.entry {
            Some(entry) => {
                page.put(Tone::Good, "promoted").text(" to ").text(&self.report.stage);
                page.line(format_args!(": entry {}", entry.index));
                if let Some(simple) = &self.simple {
                    page.line(format_args!("simple verification result: entry {}", simple.index));
                }
            }
            None => {
                page.put(Tone::Bad, "not promoted").text(" to ").text(&self.report.stage);
                page.line("; nothing was signed");
            }
        }
        verdict::draw(&self.report, self.name.as_deref(), &self.names, page);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
