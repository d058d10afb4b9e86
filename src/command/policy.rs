//! `assay policy`: looks at a policy by itself, before anything is judged by it, and has its owners
//! say for which stages it judges.

#[cfg(feature = "server")]
mod govern;

use std::path::{Path, PathBuf};

use ::attest::Sha256;
use ::policy::{Mode, Policy};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::context::Context;
use crate::error::Error;
use crate::home;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// Look at a policy, or have it judge
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    Check(CheckArgs),
    #[cfg(feature = "server")]
    Publish(govern::PublishArgs),
    #[cfg(feature = "server")]
    Propose(govern::ProposeArgs),
    #[cfg(feature = "server")]
    Sign(govern::SignArgs),
    #[cfg(feature = "server")]
    Activate(govern::ActivateArgs),
    #[cfg(feature = "server")]
    History(govern::HistoryArgs),
}

/// Read a policy strictly and say what it asks for
#[derive(Args, Debug)]
struct CheckArgs {
    /// The policy
    file: PathBuf,
}

pub fn policy(args: &PolicyArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    #[cfg(not(feature = "server"))]
    let _ = cx;
    Ok(match &args.command {
        PolicyCommand::Check(check) => Box::new(Summary::of(&read(&check.file)?)),
        #[cfg(feature = "server")]
        PolicyCommand::Publish(publish) => Box::new(publish.run(cx)?),
        #[cfg(feature = "server")]
        PolicyCommand::Propose(propose) => Box::new(propose.run(cx)?),
        #[cfg(feature = "server")]
        PolicyCommand::Sign(sign) => Box::new(sign.run(cx)?),
        #[cfg(feature = "server")]
        PolicyCommand::Activate(activate) => Box::new(activate.run(cx)?),
        #[cfg(feature = "server")]
        PolicyCommand::History(history) => Box::new(history.run(cx)?),
    })
}

/// Reads a policy.
pub fn read(path: &Path) -> Result<Policy, Error> {
    let text = home::read_text(path)?;
    Policy::parse(&text)
        .map_err(|source| Error::Policy { path: path.into(), source: Box::new(source) })
}

#[derive(Serialize)]
struct Summary {
    version: &'static str,
    name: String,
    #[serde(rename = "policyVersion")]
    policy_version: u64,
    uri: String,
    digest: Sha256,
    stages: Vec<StageView>,
    rules: Vec<RuleView>,
}

#[derive(Serialize)]
struct StageView {
    name: String,
    mode: Mode,
}

#[derive(Serialize)]
struct RuleView {
    rule: String,
    asks: String,
}

impl Summary {
    fn of(policy: &Policy) -> Self {
        let stages =
            policy.stages().map(|(stage, mode)| StageView { name: stage.to_string(), mode });
        let rules =
            policy.rules().map(|(rule, asks)| RuleView { rule: rule.into(), asks: asks.into() });
        Self {
            version: "assay/policy/v1",
            name: policy.name().into(),
            policy_version: policy.version(),
            uri: policy.uri().into(),
            digest: policy.digest(),
            stages: stages.collect(),
            rules: rules.collect(),
        }
    }
}

impl Answer for Summary {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Strong, &self.name).line(format_args!(" version {}", self.policy_version));
        page.put(Tone::Faint, "digest  ").line(self.digest);
        page.put(Tone::Faint, "uri     ").line(&self.uri);
        for stage in &self.stages {
            page.put(Tone::Faint, "stage   ").put(Tone::Strong, &stage.name);
            page.line(format_args!(" {}", mode_word(stage.mode)));
        }
        for rule in &self.rules {
            page.put(Tone::Faint, "rule    ").text(&rule.asks).text("  ");
            page.put(Tone::Faint, &rule.rule).end();
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// What a mode means, in a word.
pub const fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Audit => "audits",
        Mode::Warn => "warns",
        Mode::Enforce => "enforces",
    }
}
