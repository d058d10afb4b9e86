//! `assay policy lint`: tries to break every rule of a policy with evidence that passes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ::attest::StageName;
use ::attest::hash::Progress as _;
use ::policy::{Fault, FaultKind, LintReport, Specimen, Untried, WhyUntried};
use clap::Args;
use serde::Serialize;

use super::read;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::grounds::{Asked, Grounds};
use crate::page::{Page, Tone};
use crate::progress::{Bar, Work};
use crate::render::{Answer, to_json};
use crate::target::Target;

/// Find rules that nothing can break, or nothing can satisfy
///
/// Takes the evidence of an artifact that passes and changes it piece by piece, each change in what
/// a rule says that it reads, until every rule has failed. Nothing is signed or registered.
///
/// Ends with 0 if nothing is wrong, 1 if a rule is, and 2 if the evidence does not pass.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay policy lint policy.yaml --artifact model.bin --stage production
  assay policy lint policy.yaml --artifact model.bin --stage production --evidence model.bundle.json")]
pub(super) struct LintArgs {
    /// The policy
    file: PathBuf,

    /// An artifact that passes: a file, a folder, an OCI image layout or a digest
    #[arg(long, value_name = "PATH|DIGEST")]
    artifact: Target,

    /// Where it passes
    #[arg(long)]
    stage: StageName,

    /// The trust file; otherwise `trust.yaml` in the `.assay` folder
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,

    /// Take this bundle instead of what a register has; may be given several times
    #[arg(long = "evidence", value_name = "FILE")]
    #[cfg_attr(not(feature = "server"), arg(required = true))]
    evidence: Vec<PathBuf>,
}

impl LintArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Linted, Error> {
        let policy = read(&self.file)?;
        let grounds = Grounds::of(
            Asked {
                artifact: &self.artifact,
                stage: &self.stage,
                policy: Some(&self.file),
                trust: self.trust.as_ref(),
                bundles: &self.evidence,
            },
            cx,
        )?;
        let lineage = grounds.lineage(cx.now)?;
        let specimen = Specimen {
            artifact: &grounds.artifact,
            stage: &self.stage,
            lineage: &lineage,
            trust: &grounds.trust,
            now: cx.now,
        };
        let bar = Bar::of(Work::Linting, cx.printer);
        let mut before = 0;
        let report = policy.lint(&specimen, &mut |done, of| {
            if done == 0 {
                bar.start(of as u64);
            }
            bar.advance(done.saturating_sub(before) as u64);
            before = done;
        });
        bar.finish();
        let report = report.map_err(|source| Error::Lint(Box::new(source)))?;
        Ok(Linted { name: policy.name().into(), report })
    }
}

/// What came of it, for a person or a program.
#[derive(Serialize)]
pub(super) struct Linted {
    #[serde(skip)]
    name: String,
    #[serde(flatten)]
    report: LintReport,
}

impl Answer for Linted {
    fn exit(&self) -> Exit {
        if self.report.faults.is_empty() { Exit::Success } else { Exit::Denied }
    }

    fn draw(&self, page: &mut Page) {
        let LintReport { tried, broken, untried, faults, .. } = &self.report;
        match faults.len() {
            0 => page.put(Tone::Good, "sound"),
            1 => page.put(Tone::Bad, "1 fault"),
            some => page.put(Tone::Bad, format_args!("{some} faults")),
        };
        page.text("  ").put(Tone::Strong, &self.name);
        page.line(format_args!("  {tried} changes of the evidence were tried"));
        for Fault { rule, kind, message, next } in faults {
            page.put(Tone::Bad, format_args!("  {:<16}", word(*kind)))
                .put(Tone::Strong, rule)
                .end();
            page.text("    ").line(message);
            page.put(Tone::Faint, "    next: ").line(next);
        }
        for one in broken {
            page.put(Tone::Faint, "  fails           ").text(&one.rule);
            page.put(Tone::Faint, format_args!(": {}", one.by)).end();
        }
        let mut left: BTreeMap<WhyUntried, (usize, Vec<&str>)> = BTreeMap::new();
        for Untried { rule, changes, why } in untried {
            let (all, rules) = left.entry(*why).or_default();
            *all += changes;
            rules.extend(rule.as_deref());
        }
        for (why, (changes, rules)) in left {
            page.put(Tone::Faint, "  not tried       ");
            match changes {
                0 => {
                    page.text(rules.join(", ")).put(Tone::Faint, format_args!(": {}", why.words()))
                }
                1 => page.text("1 change").put(Tone::Faint, format_args!(": {}", why.words())),
                _ => page
                    .text(format_args!("{changes} changes"))
                    .put(Tone::Faint, format_args!(": {}", why.words())),
            };
            page.end();
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

const fn word(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Unsatisfiable => "cannot hold",
        FaultKind::Overlap => "overlaps",
        FaultKind::LooseBound => "is loose",
        FaultKind::Unreachable => "unreachable",
        _ => "cannot fail",
    }
}
