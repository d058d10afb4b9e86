//! `assay policy explain`: a policy in plain sentences, by stage, with what each rule reads.

use std::path::PathBuf;

use ::attest::StageName;
use ::policy::{Mode, Policy, Reads, RuleView};
use clap::Args;
use serde::Serialize;

use super::read;
use crate::error::Error;
use crate::page::{Page, Tone};
use crate::predicate_name;
use crate::render::{Answer, to_json};

/// Say in plain sentences what a policy asks
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay policy explain policy.yaml")]
pub(super) struct ExplainArgs {
    /// The policy
    file: PathBuf,
}

impl ExplainArgs {
    pub(super) fn run(&self) -> Result<Explained, Error> {
        Ok(Explained::of(&read(&self.file)?))
    }
}

/// A policy in sentences.
#[derive(Serialize)]
pub(super) struct Explained {
    version: &'static str,
    name: String,
    #[serde(rename = "policyVersion")]
    policy_version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    stages: Vec<Stage>,
    /// What holds at every stage.
    rules: Vec<Sentence>,
}

#[derive(Serialize)]
struct Stage {
    name: StageName,
    mode: Mode,
    says: String,
    /// What holds at this stage alone.
    rules: Vec<Sentence>,
}

#[derive(Serialize)]
struct Sentence {
    rule: String,
    says: String,
    reads: String,
}

impl Explained {
    fn of(policy: &Policy) -> Self {
        let all = policy.inventory();
        let own = |stage: &StageName, rule: &RuleView| {
            let rest = rule.rule.strip_prefix("stages.");
            rest.and_then(|rest| rest.strip_prefix(stage.as_str()))
                .is_some_and(|rest| rest.starts_with('.'))
        };
        let stage = |(name, mode): (&StageName, Mode)| Stage {
            name: name.clone(),
            mode,
            says: match mode {
                Mode::Audit => "what does not pass runs all the same, and is written down",
                Mode::Warn => "what does not pass runs all the same, and whoever asks is told",
                Mode::Enforce => "what does not pass does not run, nor does what cannot be decided",
            }
            .into(),
            rules: all.iter().filter(|rule| own(name, rule)).map(Sentence::of).collect(),
        };
        let everywhere = all.iter().filter(|rule| !rule.rule.starts_with("stages."));
        Self {
            version: "assay/policy-explanation/v1",
            name: policy.name().into(),
            policy_version: policy.version(),
            description: policy.description().map(str::to_owned),
            stages: policy.stages().map(stage).collect(),
            rules: everywhere.map(Sentence::of).collect(),
        }
    }
}

impl Sentence {
    fn of(rule: &RuleView) -> Self {
        let mut letters = rule.asks.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        let reads: Vec<String> = rule.reads.iter().filter_map(words).collect();
        Self {
            rule: rule.rule.clone(),
            says: format!("{}{}.", first.unwrap_or_default(), letters.as_str()),
            reads: reads.join(", "),
        }
    }
}

/// What is read, in words; nothing of what the sentence says already.
fn words(reads: &Reads) -> Option<String> {
    Some(match reads {
        Reads::Step(step) => format!("statements of {step}"),
        Reads::Type(name) => format!("each {}", predicate_name::spoken(name)),
        Reads::Field(pointer) => pointer.clone(),
        Reads::Signers(names) if names.is_empty() => "who signed".into(),
        Reads::Signers(names) => format!("whether {} signed", names.join(" or ")),
        Reads::Digests => "digests".into(),
        Reads::Names => "names of artifacts".into(),
        Reads::Order => "the order of the register".into(),
        Reads::Age(limit) => format!("times, against {limit}"),
        Reads::Moment(moment) => format!("the time, against {moment}"),
        _ => return None,
    })
}

impl Answer for Explained {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Strong, &self.name);
        page.line(format_args!(" version {}", self.policy_version));
        if let Some(description) = &self.description {
            page.line(description);
        }
        for stage in &self.stages {
            page.end().text("At ").put(Tone::Strong, &stage.name);
            page.line(format_args!(": {}.", stage.says));
            for rule in &stage.rules {
                rule.draw(page);
            }
        }
        page.end().line("At every stage:");
        for rule in &self.rules {
            rule.draw(page);
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

impl Sentence {
    fn draw(&self, page: &mut Page) {
        page.text("  ").text(&self.says).text("  ").put(Tone::Faint, &self.rule).end();
        if !self.reads.is_empty() {
            page.put(Tone::Faint, format_args!("    reads {}", self.reads)).end();
        }
    }
}
