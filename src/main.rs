//! The `assay` command: parses what was typed, does it, draws the answer, picks the exit status.
//!
//! Nothing here decides anything that a library could: the folders `attest`, `verify`, `policy`
//! and `server` hold the work, `command` one file for each thing that can be typed.
#![allow(unreachable_pub, reason = "in a command, `pub` is what a file shows to the other files")]

mod advice;
mod cli;
mod clock;
mod command;
mod context;
mod error;
mod exit;
#[cfg(feature = "server")]
mod following;
mod gather;
#[cfg(feature = "server")]
mod governed;
mod grounds;
mod home;
#[cfg(feature = "server")]
mod http;
#[cfg(feature = "server")]
mod keyless;
mod keys;
mod moment;
mod page;
mod predicate_name;
mod progress;
mod publish;
mod render;
#[cfg(feature = "server")]
mod rules;
mod setup;
#[cfg(feature = "server")]
mod source;
mod target;
#[cfg(feature = "server")]
mod unsent;
mod verdict;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser as _;
use signal_hook::consts::SIGXFSZ;

use crate::cli::Cli;
use crate::context::Context;
use crate::exit::Exit;
use crate::render::Printer;

fn main() -> ExitCode {
    // Where files may not get any larger, the write that meets the limit fails and says so; the
    // signal that comes with it would end the process without a word.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    match Cli::try_parse() {
        Ok(cli) => run(&cli),
        Err(error) => Printer::usage(&error, wants_json()),
    }
    .into()
}

/// Whether JSON was asked for, in arguments that do not parse; those of a step are its own.
fn wants_json() -> bool {
    std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json")
}

fn run(cli: &Cli) -> Exit {
    let global = &cli.global;
    let printer = Printer::new(global.color, global.json, global.quiet);
    let answered = clock::checked(clock::now())
        .and_then(|now| command::execute(&cli.command, &Context { now, global, printer }));
    match answered {
        Ok(answer) => printer.answer(&*answer),
        Err(error) => printer.error(&error),
    }
}
