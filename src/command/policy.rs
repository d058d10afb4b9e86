//! `assay policy`: looks at a policy by itself, before anything is judged by it, and has its owners
//! say for which stages it judges.

mod difference;
mod explain;
#[cfg(feature = "server")]
mod fetch;
#[cfg(feature = "server")]
mod govern;
mod library;
mod lint;
mod rehearsal;
#[cfg(feature = "server")]
mod replay;
#[cfg(feature = "server")]
mod starter;

#[cfg(feature = "server")]
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::attest::Sha256;
use ::attest::content::{self, ContentError};
use ::attest::hash::read_file;
use ::attest::root::Root;
use ::policy::{Files, MAX_FILE_BYTES, Mode, Policy, RuleView};
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
    Lint(lint::LintArgs),
    Schema(SchemaArgs),
    Library(library::LibraryArgs),
    #[cfg(feature = "server")]
    Init(starter::InitArgs),
    Explain(explain::ExplainArgs),
    Diff(difference::DiffArgs),
    Test(rehearsal::TestArgs),
    #[cfg(feature = "server")]
    Simulate(replay::SimulateArgs),
    #[cfg(feature = "server")]
    Publish(govern::PublishArgs),
    #[cfg(feature = "server")]
    Fetch(fetch::FetchArgs),
    #[cfg(feature = "server")]
    Propose(govern::ProposeArgs),
    #[cfg(feature = "server")]
    Sign(govern::SignArgs),
    #[cfg(feature = "server")]
    Activate(govern::ActivateArgs),
    #[cfg(feature = "server")]
    History(govern::HistoryArgs),
}

/// Write the JSON Schema of policies, for editors
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay policy schema > policy.schema.json

In the first line of a policy, an editor with YAML support finds it by
  # yaml-language-server: $schema=policy.schema.json")]
struct SchemaArgs {}

/// Read a policy strictly and say what it asks for
#[derive(Args, Debug)]
struct CheckArgs {
    /// The policy
    file: PathBuf,
}

pub fn policy(args: &PolicyArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    Ok(match &args.command {
        PolicyCommand::Library(library) => library.run(cx)?,
        PolicyCommand::Check(check) => Box::new(Summary::of(&read(&check.file)?)),
        #[cfg(feature = "server")]
        PolicyCommand::Init(init) => Box::new(init.run(cx)?),
        PolicyCommand::Explain(explain) => Box::new(explain.run()?),
        PolicyCommand::Diff(diff) => Box::new(diff.run()?),
        PolicyCommand::Test(test) => Box::new(test.run()?),
        #[cfg(feature = "server")]
        PolicyCommand::Simulate(simulate) => Box::new(simulate.run(cx)?),
        PolicyCommand::Lint(lint) => Box::new(lint.run(cx)?),
        PolicyCommand::Schema(SchemaArgs {}) => Box::new(Schema(Policy::schema())),
        #[cfg(feature = "server")]
        PolicyCommand::Publish(publish) => Box::new(publish.run(cx)?),
        #[cfg(feature = "server")]
        PolicyCommand::Fetch(fetch) => Box::new(fetch.run(cx)?),
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

/// Reads a policy, with the files that it names: they stand below its folder, and no link leads to
/// them.
pub fn read(path: &Path) -> Result<Policy, Error> {
    let text = home::read_text(path)?;
    let refused = |source| Error::Policy { path: path.into(), source: Box::new(source) };
    let names = Policy::files_of(&text).map_err(refused)?;
    let files = if names.is_empty() { Files::new() } else { beside(path, names)? };
    Policy::parse_with(&text, &files).map_err(refused)
}

/// The text of a policy and those of the files that it names, for whoever else is to judge by it.
#[cfg(feature = "server")]
pub fn texts(path: &Path) -> Result<(String, BTreeMap<String, String>), Error> {
    let text = home::read_text(path)?;
    let refused = |source| Error::Policy { path: path.into(), source: Box::new(source) };
    let names = Policy::files_of(&text).map_err(refused)?;
    let files = if names.is_empty() { Files::new() } else { beside(path, names)? };
    let file = |(name, bytes): (String, Vec<u8>)| match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(_) => Err(Error::NotText(path.with_file_name(name))),
    };
    Ok((text, files.into_iter().map(file).collect::<Result<_, _>>()?))
}

/// Reads the files of these names, of which there are at most as many as there can be rules.
fn beside(policy: &Path, names: Vec<String>) -> Result<Files, Error> {
    let folder = policy.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let failed = |name: &str, source: ContentError| {
        let path = folder.join(name);
        Error::PolicyFile { path, source }
    };
    let root = Root::open(folder).map_err(|error| failed("", error.into()))?;
    let mut files = Files::new();
    for name in names {
        let listed = content::list(&root, &name).map_err(|error| failed(&name, error))?;
        let file = listed.files().first().filter(|_| listed.is_file());
        let Some(file) = file else { return Err(Error::NotAFile(folder.join(&name))) };
        let bytes = read_file(&root, file, MAX_FILE_BYTES);
        let bytes = bytes.map_err(|error| failed(&name, ContentError::Hash(error)))?;
        files.insert(name, bytes);
    }
    Ok(files)
}

/// The schema, which is JSON for a person as for a program.
struct Schema(serde_json::Value);

impl Answer for Schema {
    fn draw(&self, page: &mut Page) {
        let text = serde_json::to_string_pretty(&self.0).unwrap_or_default();
        for line in text.lines() {
            page.line(line);
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(&self.0)
    }
}

#[derive(Serialize)]
struct Summary {
    version: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
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

impl Summary {
    fn of(policy: &Policy) -> Self {
        let stages =
            policy.stages().map(|(stage, mode)| StageView { name: stage.to_string(), mode });
        Self {
            version: "assay/policy/v1",
            name: policy.name().into(),
            description: policy.description().map(str::to_owned),
            policy_version: policy.version(),
            uri: policy.uri().into(),
            digest: policy.digest(),
            stages: stages.collect(),
            rules: policy.inventory(),
        }
    }
}

impl Answer for Summary {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Strong, &self.name).line(format_args!(" version {}", self.policy_version));
        if let Some(description) = &self.description {
            page.line(description);
        }
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
