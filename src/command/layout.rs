//! `assay layout`: in-toto layouts, and whether a supply chain was carried out as one says.

mod inspect;
mod links;
mod show;

use std::path::{Path, PathBuf};

use ::attest::in_toto::{LayoutKey, Metadata};
use ::attest::{Sha256, Timestamp};
use ::policy::layout::{
    Inspected, InspectionReport, LayoutDecision, LayoutFinding, LayoutVerdict, Parameters,
    Severity, StepReport, judge,
};
use ::verify::layout::{Functionary, LayoutError, SignedLayout, verify_layout};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::home;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// Check a supply chain against an in-toto layout, or look at one
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct LayoutArgs {
    #[command(subcommand)]
    command: LayoutCommand,
}

#[derive(Debug, Subcommand)]
enum LayoutCommand {
    Verify(VerifyArgs),
    Show(show::ShowArgs),
}

/// Check that a supply chain was carried out as an in-toto layout says
///
/// The layout has to bear a signature by every key given, and not have expired. The links of its
/// steps lie in one folder as `STEP.KEYID.link`, with the first eight digits of the key id; those of
/// a sublayout in the folder `STEP.KEYID` in it. Layouts and links may be metablocks or DSSE
/// envelopes.
///
/// Exit status: 0 it was, 1 it was not, 2 nobody can tell, as when an inspection was not run.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay layout verify root.layout --key owner.pub --links links
  assay layout verify root.layout --key owner.pub --links links --parameter version=1.2 --run-inspections")]
struct VerifyArgs {
    /// The layout
    #[arg(value_name = "LAYOUT")]
    layout: PathBuf,

    /// Public key of an owner of the layout, in PEM or in securesystemslib's JSON; may be given
    /// several times, and then each must have signed
    #[arg(long = "key", visible_alias = "verification-keys", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,

    /// The folder in which the links lie
    #[arg(long, visible_alias = "link-dir", value_name = "DIR", default_value = ".")]
    links: PathBuf,

    /// A value for `{NAME}` in the layout; may be given several times
    #[arg(long = "parameter", value_name = "NAME=VALUE")]
    parameters: Vec<String>,

    /// Run the layout's inspections here: commands that its owner chose
    ///
    /// They run after all steps have been found good, in the working directory, without Assay's own
    /// secrets in their environment. What is there before and after is held to their rules.
    #[arg(long)]
    run_inspections: bool,

    /// How long one inspection may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    inspection_timeout: u32,
}

pub fn layout(args: &LayoutArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    match &args.command {
        LayoutCommand::Verify(args) => verify(args, cx),
        LayoutCommand::Show(args) => show::show(args),
    }
}

fn verify(args: &VerifyArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let parameters = args.parameters()?;
    let keys = args.keys.iter().map(|path| read_key(path)).collect::<Result<Vec<_>, _>>()?;
    let metadata = read(&args.layout)?;
    let folder = links::read(&args.links)?;
    let signed = match verify_layout(&metadata, &keys, &folder) {
        Ok(signed) => signed,
        Err(error @ LayoutError::NotSigned(_)) => {
            return Ok(Box::new(Checked::unsigned(metadata.body(), error.to_string())));
        }
        Err(source) => {
            return Err(Error::LayoutUndecided { path: args.layout.clone(), source });
        }
    };
    let decide = |inspected: &Inspected| {
        judge(&signed, parameters.as_ref(), inspected, cx.now).map_err(Error::LayoutParameter)
    };
    let mut decision = decide(&Inspected::new())?;
    // Nothing that its links do not speak for is run upon.
    if args.run_inspections && decision.verdict() != LayoutVerdict::Failed {
        let found = inspect::run_all(decision.inspections(), args.inspection_timeout, cx)?;
        decision = decide(&found)?;
    }
    Ok(Box::new(Checked::of(&signed, &decision)))
}

impl VerifyArgs {
    fn parameters(&self) -> Result<Option<Parameters>, Error> {
        if self.parameters.is_empty() {
            return Ok(None);
        }
        let mut given = Parameters::default();
        for text in &self.parameters {
            given.add_text(text).map_err(Error::LayoutParameter)?;
        }
        Ok(Some(given))
    }
}

/// Reads a layout or a link.
fn read(path: &Path) -> Result<Metadata, Error> {
    Metadata::parse(&home::read(path)?)
        .map_err(|source| Error::Layout { path: path.into(), source: Box::new(source) })
}

fn read_key(path: &Path) -> Result<LayoutKey, Error> {
    let text = home::read_text(path)?;
    let key = if text.trim_start().starts_with('{') {
        let json = ::attest::json::parse(text.as_bytes()).map_err(|source| Error::Layout {
            path: path.into(),
            source: Box::new(source.into()),
        })?;
        LayoutKey::from_json(&json)
    } else {
        LayoutKey::from_pem(&text)
    };
    key.map_err(|source| Error::LayoutKey { path: path.into(), source })
}

/// What came of checking a layout.
#[derive(Serialize)]
struct Checked {
    version: &'static str,
    verdict: LayoutVerdict,
    passed: bool,
    layout: Sha256,
    /// When the first of the layouts expires; what holds now does not hold then.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    owners: Vec<Functionary>,
    steps: Vec<StepReport>,
    inspections: Vec<InspectionReport>,
    findings: Vec<LayoutFinding>,
}

impl Checked {
    fn of(signed: &SignedLayout, decision: &LayoutDecision) -> Self {
        Self {
            version: "assay/layout/v1",
            verdict: decision.verdict(),
            passed: decision.passed(),
            layout: decision.body(),
            until: Some(decision.until()),
            refused: None,
            owners: signed.owners().to_vec(),
            steps: decision.steps().to_vec(),
            inspections: decision.inspections().to_vec(),
            findings: decision.findings().to_vec(),
        }
    }

    /// A layout that is not its owners': nothing in it is looked at.
    fn unsigned(layout: Sha256, why: String) -> Self {
        Self {
            version: "assay/layout/v1",
            verdict: LayoutVerdict::Failed,
            passed: false,
            layout,
            until: None,
            refused: Some(why),
            owners: Vec::new(),
            steps: Vec::new(),
            inspections: Vec::new(),
            findings: Vec::new(),
        }
    }
}

impl Answer for Checked {
    fn exit(&self) -> Exit {
        match self.verdict {
            LayoutVerdict::Passed => Exit::Success,
            LayoutVerdict::Failed => Exit::Denied,
            LayoutVerdict::Undecided => Exit::Undecided,
        }
    }

    fn draw(&self, page: &mut Page) {
        let (tone, word) = match self.verdict {
            LayoutVerdict::Passed => (Tone::Good, "passed"),
            LayoutVerdict::Failed => (Tone::Bad, "failed"),
            LayoutVerdict::Undecided => (Tone::Warn, "undecided"),
        };
        page.put(tone, word).text("  layout ").line(self.layout);
        if let Some(why) = &self.refused {
            page.text("  ").line(why);
        }
        for step in &self.steps {
            let who: Vec<_> =
                step.links.iter().map(|link| link.functionary.label.prefix()).collect();
            page.put(Tone::Faint, "step        ").text(below(&step.layout, &step.name));
            page.line(format_args!("  {} of {} by {}", who.len(), step.threshold, or_nobody(&who)));
        }
        for inspection in &self.inspections {
            page.put(Tone::Faint, "inspection  ").text(below(&inspection.layout, &inspection.name));
            let ran = if inspection.ran { "ran" } else { "not run" };
            page.line(format_args!("  {ran}: {}", inspection.run.join(" ")));
        }
        for finding in &self.findings {
            draw_finding(page, finding);
        }
        if self.inspections.iter().any(|inspection| !inspection.ran)
            && self.verdict == LayoutVerdict::Undecided
        {
            page.line("to run the commands that the layout's owner chose: --run-inspections");
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

fn draw_finding(page: &mut Page, finding: &LayoutFinding) {
    let (tone, word) = match finding.severity {
        Severity::Fail => (Tone::Bad, "fail"),
        Severity::Undecided => (Tone::Warn, "undecided"),
        Severity::Note => (Tone::Faint, "note"),
    };
    page.text("  ").put(tone, word).text("  ");
    page.text(below(&finding.layout, finding.item.as_deref().unwrap_or("layout"))).text(": ");
    page.line(&finding.message);
    if let Some(link) = &finding.link {
        page.put(Tone::Faint, "        link  ").line(link);
    }
    if let Some(rule) = &finding.rule {
        let side = rule.side.as_str().to_lowercase();
        page.put(Tone::Faint, "        rule  ");
        page.line(format_args!("{side} {}: {}", rule.place, rule.text));
    }
    if let Some(near) = &finding.near {
        page.put(Tone::Faint, "        near  ").line(near);
    }
}

/// The name of a step, with the sublayouts that lead to it.
fn below(layout: &[String], name: &str) -> String {
    let mut path = layout.to_vec();
    path.push(name.to_owned());
    path.join("/")
}

fn or_nobody(names: &[&str]) -> String {
    if names.is_empty() { "nobody".into() } else { names.join(", ") }
}
