//! `assay why`: why an artifact may or may not run, and what time alone will change of that.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ::attest::{StageName, Timestamp};
use ::policy::{MaxAge, Outcome, Remedy, Report, Simulation};
use ::verify::{Lineage, Supposed};
use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::error::{Action, Error};
use crate::exit::Exit;
use crate::grounds::{Asked, Grounds};
use crate::home::{self, Existing, Readers};
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::target::Target;
use crate::verdict::{self, Names};

/// The most moments that are looked at; those after them are left out, and the answer says so.
const MAX_EDGES: usize = 200;

/// Say why an artifact may or may not run, and what will change by time alone
///
/// Ends as `assay check` does: with 0 if it is allowed now, 1 if it is denied, and 2 if the
/// question could not be asked or not be decided. It binds nobody.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay why model.bin --stage production
  assay why model.bin --stage production --next 30d --json
  assay why model.bin --stage production --skeletons .")]
pub struct WhyArgs {
    /// The artifact: a file, a folder, an OCI image layout or a digest
    #[arg(value_name = "PATH|DIGEST")]
    artifact: Target,

    /// Where it is to be used
    #[arg(long)]
    stage: StageName,

    /// Say what will change within this time, such as `30d`, if nothing new is registered
    #[arg(long, value_name = "TIME")]
    next: Option<MaxAge>,

    /// Write every statement that would satisfy a finding into this folder, to be filled in and
    /// signed with `assay attest --statement`
    #[arg(long, value_name = "DIR")]
    skeletons: Option<PathBuf>,

    /// The policy; otherwise that of the register
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// The trust file; otherwise `trust.yaml` in the `.assay` folder
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,

    /// Judge by this bundle instead of a register; may be given several times
    #[arg(long = "bundle", value_name = "FILE")]
    #[cfg_attr(not(feature = "server"), arg(required = true))]
    bundles: Vec<PathBuf>,
}

pub fn why(args: &WhyArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let WhyArgs { artifact, stage, .. } = args;
    let grounds = Grounds::of(
        Asked {
            artifact,
            stage,
            policy: args.policy.as_ref(),
            trust: args.trust.as_ref(),
            bundles: &args.bundles,
        },
        cx,
    )?;
    let lineage = grounds.lineage(cx.now)?;
    let decision = grounds.policy.evaluate(&grounds.artifact, stage, &lineage, cx.now);
    let mut report = decision.report_at(cx.now);
    report.advisory = true;
    let mut names = Names::default();
    names.add_lineage(&lineage);
    let outlook = match args.next {
        Some(next) => Some(outlook(&grounds, stage, next.end(cx.now), lineage, cx.now)?),
        None => None,
    };
    if let Some(folder) = &args.skeletons {
        write_skeletons(&mut report, folder)?;
    }
    let name = artifact.name();
    Ok(Box::new(Why { version: "assay/why/v1", report, outlook, name, names }))
}

/// Writes the statements of the remedies, and has the report name the files. What is there already
/// is left as it is: somebody may have filled it in.
fn write_skeletons(report: &mut Report, folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|error| Error::io(Action::Write, folder, error))?;
    let remedies = report.findings.iter_mut().filter_map(|finding| finding.remedy.as_mut());
    for remedy in remedies {
        let Some(skeleton) = &mut remedy.skeleton else { continue };
        let path = folder.join(&skeleton.file);
        if !path.exists() {
            let text = to_json(&skeleton.statement).map_err(Error::Json)?;
            home::write(&path, text.as_bytes(), Readers::All, Existing::Kept)?;
        }
        let written = path.display().to_string();
        for word in remedy.argv.iter_mut().filter(|word| **word == skeleton.file) {
            word.clone_from(&written);
        }
        skeleton.file = written;
    }
    Ok(())
}

/// What time alone will change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outlook {
    /// How far was looked.
    until: Timestamp,
    /// Whether every change until then is listed.
    complete: bool,
    flips: Vec<Flip>,
}

/// A rule that will come out otherwise.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Flip {
    at: Timestamp,
    rule: String,
    from: Option<Outcome>,
    to: Option<Outcome>,
    /// Whether the artifact would pass from then on.
    would_pass: bool,
    /// What would be found.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<::policy::Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What would mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<Remedy>,
    /// What the time of has come.
    of: Of,
    /// The owners of that.
    owners: Vec<String>,
}

/// What a rule comes out otherwise by: whose owners can do something about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Of {
    /// What the rule rested on before.
    Evidence,
    /// The policy, which has an end or asks something only from a day on.
    Policy,
    /// The trust document, which has run out.
    Trust,
}

impl Of {
    fn flip(rule: &str, from: Option<Outcome>, to: Option<Outcome>) -> Self {
        let asks = |outcome| !matches!(outcome, None | Some(Outcome::NotApplicable));
        match rule {
            "trust" => Self::Trust,
            "validity" => Self::Policy,
            rule if rule.starts_with("rego.") && asks(from) != asks(to) => Self::Policy,
            _ => Self::Evidence,
        }
    }

    /// Who answers for it where no owners are named.
    const fn keeper(self) -> Option<&'static str> {
        match self {
            Self::Evidence => None,
            Self::Policy => Some("whoever keeps the policy"),
            Self::Trust => Some("whoever keeps the trust file"),
        }
    }
}

/// Goes from one moment at which something changes to the next.
fn outlook(
    grounds: &Grounds,
    stage: &StageName,
    until: Timestamp,
    lineage: Lineage,
    now: Timestamp,
) -> Result<Outlook, Error> {
    let ask = |lineage: &Lineage, at| {
        grounds.policy.simulate(&grounds.artifact, stage, &Supposed::of(lineage), at)
    };
    let (mut before, mut at) = (lineage, now);
    let mut last = ask(&before, at);
    let mut outlook = Outlook { until, complete: false, flips: Vec::new() };
    for _ in 0..MAX_EDGES {
        let edge = last.holds().until.filter(|edge| *edge > at && *edge <= until);
        let Some(edge) = edge else {
            outlook.complete = true;
            break;
        };
        let lineage = grounds.lineage(edge)?;
        let next = ask(&lineage, edge);
        outlook.flips.extend(grounds.flips(stage, (&last, &next), &before, edge));
        (before, last, at) = (lineage, next, edge);
    }
    Ok(outlook)
}

impl Grounds {
    /// What comes out otherwise at `at` than it did by the lineage before.
    fn flips(
        &self,
        stage: &StageName,
        (last, next): (&Simulation, &Simulation),
        before: &Lineage,
        at: Timestamp,
    ) -> Vec<Flip> {
        let outcome = |of: &Simulation, rule: &str| {
            of.rules().iter().find(|one| one.rule == rule).map(|one| one.outcome)
        };
        let rules = last.rules().iter().chain(next.rules()).map(|one| one.rule.as_str());
        let mut seen = BTreeSet::new();
        let changed = rules.filter(|rule| seen.insert(*rule)).filter_map(|rule| {
            let (from, to) = (outcome(last, rule), outcome(next, rule));
            if from == to {
                return None;
            }
            let found = next.findings().iter().find(|finding| finding.rule == rule);
            let evidence = last.rules().iter().find(|one| one.rule == rule);
            let evidence = evidence.into_iter().flat_map(|one| &one.evidence);
            let of = Of::flip(rule, from, to);
            let owners = match of {
                Of::Evidence => evidence
                    .filter_map(|body| before.attestation(body))
                    .flat_map(|one| one.owners())
                    .collect(),
                Of::Policy | Of::Trust => self.owners(of, stage),
            };
            Some(Flip {
                at,
                rule: rule.into(),
                from,
                to,
                would_pass: next.would_pass(),
                code: found.map(|found| found.code),
                message: found.map(|found| found.message.clone()),
                next: found.and_then(|found| found.next.clone()),
                remedy: found.and_then(|found| found.remedy.clone()),
                of,
                owners: owners.into_iter().map(str::to_owned).collect(),
            })
        });
        changed.collect()
    }

    /// The owners of the documents that judge, where they are registered and have any.
    fn owners(&self, of: Of, stage: &StageName) -> BTreeSet<&str> {
        match (of, self.trust.governance()) {
            (Of::Policy, Some(roles)) => roles.policy_owners(self.policy.name(), stage),
            (Of::Trust, Some(roles)) => roles.trust_owners(),
            (Of::Evidence, _) | (_, None) => BTreeSet::new(),
        }
    }
}

/// Why, for a person or a program.
#[derive(Serialize)]
struct Why {
    version: &'static str,
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    outlook: Option<Outlook>,
    #[serde(skip)]
    name: Option<String>,
    #[serde(skip)]
    names: Names,
}

impl Answer for Why {
    fn exit(&self) -> Exit {
        Exit::of(&self.report, self.report.passed)
    }

    fn draw(&self, page: &mut Page) {
        verdict::draw(&self.report, self.name.as_deref(), &self.names, page);
        match &self.outlook {
            Some(outlook) => outlook.draw(page),
            None => verdict::draw_evidence(&self.report, &self.names, page),
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

impl Outlook {
    fn draw(&self, page: &mut Page) {
        let date = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        if self.flips.is_empty() {
            page.line(format_args!("  time alone changes nothing until {}", date(self.until)));
        }
        for flip in &self.flips {
            let word = |outcome: Option<Outcome>| match outcome {
                Some(Outcome::Pass) => "pass",
                Some(Outcome::Fail) => "fail",
                Some(Outcome::Error) => "error",
                Some(Outcome::Waived) => "waived",
                Some(Outcome::NotApplicable) | None => "n/a",
            };
            let tone = if flip.would_pass { Tone::Good } else { Tone::Bad };
            page.text("  ").put(tone, date(flip.at)).text("  ").put(Tone::Strong, &flip.rule);
            page.line(format_args!(": {} to {}", word(flip.from), word(flip.to)));
            if let Some(message) = &flip.message {
                page.text("    ").line(message);
            }
            match flip.of.keeper().filter(|_| flip.owners.is_empty()) {
                Some(keeper) => page.put(Tone::Faint, "    owner: ").line(keeper),
                None if flip.owners.is_empty() => page,
                None => page.put(Tone::Faint, "    owner: ").line(flip.owners.join(", ")),
            };
            if let Some(next) = &flip.next {
                page.put(Tone::Faint, "    next: ").line(next);
            }
            if let Some(remedy) = &flip.remedy {
                verdict::remedy(remedy, page);
            }
        }
        if !self.complete {
            page.put(Tone::Warn, "  more changes after these are left out").end();
        }
    }
}
