//! `assay policy library`: policies to begin with.
//!
//! What nobody but its user can know stands in them as `${name}` and is given with `--set`.

use std::collections::BTreeMap;

use ::policy::library::{self, LibraryPolicy};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::context::Context;
use crate::error::Error;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// Policies to begin with: SLSA Build levels, models, the EU AI Act
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub(super) struct LibraryArgs {
    #[command(subcommand)]
    command: LibraryCommand,
}

#[derive(Debug, Subcommand)]
enum LibraryCommand {
    List(ListArgs),
    Show(ShowArgs),
}

/// List the policies, with what each asks its user for
#[derive(Args, Debug)]
struct ListArgs {}

/// Write a policy out
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay policy library show slsa-build-l1 > policy.yaml
  assay policy library show slsa-build-l3 --set builder=https://ci.example/runner@v3 > policy.yaml")]
struct ShowArgs {
    /// Its name
    name: String,

    /// A value that the policy asks for; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    values: Vec<(String, String)>,
}

impl LibraryArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
        match &self.command {
            LibraryCommand::List(ListArgs {}) => Ok(Box::new(List::new())),
            LibraryCommand::Show(show) => Ok(Box::new(show.run(cx)?)),
        }
    }
}

impl ShowArgs {
    fn run(&self, cx: &Context<'_>) -> Result<Shown, Error> {
        let policy = LibraryPolicy::find(&self.name)
            .ok_or_else(|| Error::NoLibraryPolicy(self.name.clone()))?;
        let values: BTreeMap<String, String> = self.values.iter().cloned().collect();
        let text = policy.fill(&values)?;
        let left: Vec<&str> =
            policy.asks().into_iter().filter(|name| !values.contains_key(*name)).collect();
        if !left.is_empty() {
            let note = format!("still to be given with `--set NAME=VALUE`: {}", left.join(", "));
            cx.printer.note(&note);
        }
        Ok(Shown { version: "assay/library-policy/v1", name: policy.name, text, asks: left })
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("has no `=`; write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The policies there are.
#[derive(Serialize)]
struct List {
    version: &'static str,
    policies: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    description: &'static str,
    asks: Vec<&'static str>,
}

impl List {
    fn new() -> Self {
        let policies = library::ALL.iter().map(|policy| Listed {
            name: policy.name,
            description: policy.description(),
            asks: policy.asks(),
        });
        Self { version: "assay/policy-library/v1", policies: policies.collect() }
    }
}

impl Answer for List {
    fn draw(&self, page: &mut Page) {
        for policy in &self.policies {
            page.put(Tone::Strong, policy.name).line("");
            page.line(format_args!("  {}", policy.description));
            if !policy.asks.is_empty() {
                page.line(format_args!("  asks for {}", policy.asks.join(", ")));
            }
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// A policy, with the names of what is still to be given.
#[derive(Serialize)]
struct Shown {
    version: &'static str,
    name: &'static str,
    text: String,
    asks: Vec<&'static str>,
}

impl Answer for Shown {
    fn draw(&self, page: &mut Page) {
        for line in self.text.lines() {
            page.line(line);
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
