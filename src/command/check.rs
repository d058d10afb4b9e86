//! `assay check`: decides whether an artifact may be used at a stage.
//!
//! A register in the folder is read to its end first. A service decides by its own policy and
//! trust; over bundles in files the decision says that nobody vouches for their completeness.

use std::path::PathBuf;

use ::attest::StageName;
use ::policy::{Policy, Report};
use clap::Args;

use super::policy::read;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::gather;
use crate::page::Page;
use crate::render::{Answer, to_json};
use crate::target::Target;
use crate::verdict::{self, Names};

/// Decide whether an artifact may be used at a stage
///
/// Ends with 0 if it is allowed, 1 if it is denied, and 2 if the question could not be asked or not
/// be decided.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay check model.bin --stage production
  assay check model.bin --stage production --policy policy.yaml --json
  assay check model.bin --stage production --policy policy.yaml --bundle model.bundle.json

Nobody says that bundles are all there is. That is enough only for a policy with
`completeness: given`; any other denies.")]
pub struct CheckArgs {
    /// The artifact: a file, a folder, an OCI image layout or a digest
    #[arg(value_name = "PATH|DIGEST")]
    artifact: Target,

    /// Where it is to be used
    #[arg(long)]
    stage: StageName,

    /// The policy, as an opinion; otherwise that of the register
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// The trust file, as an opinion; otherwise `trust.yaml` in the `.assay` folder
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,

    /// Judge by this bundle instead of a register; may be given several times
    #[arg(long = "bundle", value_name = "FILE")]
    #[cfg_attr(not(feature = "server"), arg(required = true))]
    bundles: Vec<PathBuf>,

    /// Also end with 0 when the stage does not enforce its policy
    #[arg(long)]
    follow_mode: bool,
}

pub fn check(args: &CheckArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let (report, names) = if args.bundles.is_empty() {
        #[cfg(feature = "server")]
        {
            args.by_register(cx)?
        }
        #[cfg(not(feature = "server"))]
        return Err(Error::NoBundles);
    } else {
        args.by_bundles(cx)?
    };
    Ok(Box::new(Checked {
        report,
        name: args.artifact.name(),
        names,
        follow_mode: args.follow_mode,
    }))
}

/// The policy named, else that of the register.
pub fn policy(named: Option<&PathBuf>, cx: &Context<'_>) -> Result<Policy, Error> {
    match named {
        Some(path) => read(path),
        // A folder is where a register is; whoever asks a service needs none.
        #[cfg(feature = "server")]
        None if cx.global.server.is_some() && cx.found_home()?.is_none() => {
            Err(Error::NoPolicy("policy.yaml".into()))
        }
        None => {
            let path = cx.home()?.policy();
            if path.exists() { read(&path) } else { Err(Error::NoPolicy(path)) }
        }
    }
}

impl CheckArgs {
    /// Whether whoever asks chose by what to judge: that binds nobody.
    const fn is_opinion(&self) -> bool {
        self.policy.is_some() || self.trust.is_some()
    }

    fn by_bundles(&self, cx: &Context<'_>) -> Result<(Report, Names), Error> {
        #[cfg(feature = "server")]
        crate::source::require_clock(cx)?;
        let trust = cx.believed(self.trust.as_deref())?;
        let policy = policy(self.policy.as_ref(), cx)?;
        let artifact = self.artifact.resolve(cx.printer, |_| Ok(Vec::new()))?;
        let bundles = gather::read_bundles(&self.bundles)?;
        let up = ::verify::Direction::Up;
        let lineage = gather::from_bundles(artifact, up, &bundles, &trust, cx.now);
        let mut report =
            policy.evaluate(&artifact, &self.stage, &lineage, cx.now).report_at(cx.now);
        report.advisory = self.is_opinion();
        let mut names = Names::default();
        names.add_lineage(&lineage);
        Ok((report, names))
    }

    #[cfg(feature = "server")]
    fn by_register(&self, cx: &Context<'_>) -> Result<(Report, Names), Error> {
        use ::attest::Sha256;
        use server::wire::Question;

        use crate::source::Source;

        let source = Source::open(cx)?;
        let artifact = self.artifact.resolve(cx.printer, |candidates| source.known(candidates))?;
        let report = match &source {
            Source::Folder(folder) => {
                let trust = cx.trust(self.trust.as_deref())?;
                let policy = crate::rules::beforehand(self.policy.as_ref(), &trust, cx)?;
                let followed = source.follow_to_judge(&trust, cx)?;
                let governing = &followed.governing;
                // A trust file that is brought along is an opinion, and leaves no mark.
                if self.trust.is_none() {
                    crate::governed::remember(&followed.origin, governing.trust(), cx)?;
                }
                let policy = crate::rules::for_stage(policy, &self.stage, governing, cx)?;
                let grounds = server::judge::Grounds {
                    trust: governing.trust(),
                    policy: &policy,
                    followed: &followed,
                    now: cx.now,
                };
                let register = folder.register();
                let decision = server::judge::check(register, &artifact, &self.stage, &grounds);
                let decision = folder.wait(decision).map_err(Error::judge)?;
                let mut report = decision.report_at(cx.now);
                report.advisory = self.is_opinion();
                report
            }
            // Whoever names a trust file wants to be told by that one, and by no other.
            Source::Service(_) if self.trust.is_some() => return Err(Error::TrustOfAService),
            Source::Service(service) => {
                let shown = source.introduced(cx)?;
                let policy = self.policy.as_ref().map(|path| crate::command::policy::texts(path));
                let (policy, files) = policy.transpose()?.unzip();
                let opinion = policy.as_ref().map(|text| Sha256::of(text.as_bytes()));
                let (stage, files) = (self.stage.clone(), files.unwrap_or_default());
                let question = Question { artifact, stage, policy, files };
                let report: Report = service.post("/v1/check", &question)?;
                let answered = report.require_answer(&artifact, &self.stage, opinion);
                answered.map_err(|error| service.unreadable(error.to_string()))?;
                require_tree(&report, &shown).map_err(|why| service.unreadable(why))?;
                report
            }
        };
        let names = names(&report, &source, cx)?;
        Ok((report, names))
    }
}

/// Demands that the report of a service is by all that it showed before.
#[cfg(feature = "server")]
pub fn require_tree(report: &Report, shown: &::attest::Checkpoint) -> Result<(), String> {
    let answered = report.require_tree(&shown.origin, shown.size, shown.root);
    answered.map_err(|error| error.to_string())
}

/// What the evidence of a report is called: looked up only where it is shown to a person.
#[cfg(feature = "server")]
pub fn names(
    report: &Report,
    source: &crate::source::Source,
    cx: &Context<'_>,
) -> Result<Names, Error> {
    let mut names = Names::default();
    let shown = report.findings.iter().any(|finding| !finding.evidence.is_empty());
    if cx.global.json || !shown {
        return Ok(names);
    }
    let (artifact, up) = (report.artifact, ::verify::Direction::Up);
    match super::log::known_trust(cx)? {
        Some(trust) => {
            names.add_lineage(&gather::from_source(artifact, up, source, &trust, cx)?);
        }
        None => {
            for bundle in &source.bundles(&artifact, up)?.0 {
                names.add(bundle);
            }
        }
    }
    Ok(names)
}

/// A decision, for a person or a program.
struct Checked {
    report: Report,
    name: Option<String>,
    names: Names,
    follow_mode: bool,
}

impl Answer for Checked {
    fn exit(&self) -> Exit {
        let yes = self.report.passed || (self.follow_mode && self.report.admitted);
        Exit::of(&self.report, yes)
    }

    fn draw(&self, page: &mut Page) {
        verdict::draw(&self.report, self.name.as_deref(), &self.names, page);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(&self.report)
    }
}
