//! `assay policy init`: a first policy, from the lineage of an artifact that is known to be good.

use ::attest::StageName;
use ::policy::{Finding, Policy};
use ::verify::Direction;
use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::gather;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::source::Source;
use crate::target::Target;

/// Write a policy from the lineage of an artifact that is known to be good
///
/// What was found becomes what is asked: steps, signers, flows, numbers and data sets. The policy
/// goes to standard output, for you to read and to tighten. Ends with 1 if the artifact itself
/// would not pass it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay policy init model.bin --stage staging --stage production > policy.yaml")]
pub(super) struct InitArgs {
    /// The artifact: a file, a folder, an OCI image layout or a digest
    #[arg(value_name = "PATH|DIGEST")]
    artifact: Target,

    /// A stage, in the order in which they are passed; may be given several times
    #[arg(long = "stage", value_name = "STAGE", required = true)]
    stages: Vec<StageName>,

    /// What to call the policy
    #[arg(long, default_value = "policy")]
    name: StageName,
}

impl InitArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Written, Error> {
        let source = Source::open(cx)?;
        let artifact = self.artifact.resolve(cx.printer, |candidates| source.known(candidates))?;
        let trust = cx.trust(None)?;
        let lineage = gather::from_source(artifact, Direction::Up, &source, &trust, cx)?;
        let text = Policy::starter(self.name.as_str(), &self.stages, &lineage, cx.now);
        let policy = Policy::parse(&text).map_err(|source| Error::Starter(Box::new(source)))?;
        // Of the later ones nothing was passed yet.
        let first = self.stages.iter().take(1);
        let findings = first
            .flat_map(|stage| {
                policy.evaluate(&artifact, stage, &lineage, cx.now).findings().to_vec()
            })
            .collect();
        Ok(Written { version: "assay/policy-init/v1", policy: text, findings })
    }
}

/// The policy, and what stands against the artifact by it.
#[derive(Serialize)]
pub(super) struct Written {
    version: &'static str,
    policy: String,
    findings: Vec<Finding>,
}

impl Answer for Written {
    fn exit(&self) -> Exit {
        if self.findings.is_empty() { Exit::Success } else { Exit::Denied }
    }

    fn draw(&self, page: &mut Page) {
        for line in self.policy.lines() {
            page.line(line);
        }
        for one in &self.findings {
            let words =
                format_args!("# would not pass: {} by {}: {}", one.code, one.rule, one.message);
            page.put(Tone::Warn, words).end();
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
