//! `assay man`: manual pages, one a command, made from the same words as `--help`.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use serde::Serialize;

use crate::cli::Cli;
use crate::error::{Action, Error};
use crate::page::Page;
use crate::render::{Answer, to_json};

/// Write the manual pages into a folder
#[derive(Args, Debug)]
pub struct ManArgs {
    /// The folder; made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn man(args: &ManArgs) -> Result<Box<dyn Answer>, Error> {
    fs::create_dir_all(&args.folder)
        .map_err(|error| Error::io(Action::Make, &args.folder, error))?;
    clap_mangen::generate_to(Cli::command(), &args.folder)
        .map_err(|error| Error::io(Action::Write, &args.folder, error))?;
    let count = fs::read_dir(&args.folder).map_or(0, Iterator::count);
    Ok(Box::new(Pages { version: "assay/man/v1", folder: args.folder.clone(), pages: count }))
}

#[derive(Serialize)]
struct Pages {
    version: &'static str,
    folder: PathBuf,
    pages: usize,
}

impl Answer for Pages {
    fn draw(&self, page: &mut Page) {
        page.line(format_args!("{} manual pages in {}", self.pages, self.folder.display()));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
