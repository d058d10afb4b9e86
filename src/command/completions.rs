//! `assay completions`: a script that teaches a shell our flags.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde::Serialize;

use crate::cli::Cli;
use crate::error::Error;
use crate::page::Page;
use crate::render::{Answer, to_json};

/// Write a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  assay completions bash > ~/.local/share/bash-completion/completions/assay")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub fn completions(args: &CompletionsArgs) -> Result<Box<dyn Answer>, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "assay", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Ok(Box::new(Script { version: "assay/completions/v1", shell: args.shell.to_string(), script }))
}

#[derive(Serialize)]
struct Script {
    version: &'static str,
    shell: String,
    script: String,
}

impl Answer for Script {
    fn draw(&self, page: &mut Page) {
        page.verbatim(&self.script);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
