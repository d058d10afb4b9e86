//! What can be typed. Flags as they are written here, resolved in the files of `command`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::command;
use crate::render::Color;

/// Signed statements, lineage, policy and an append-only register for software and models
#[derive(Debug, Parser)]
#[command(name = "assay", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
First steps:
  assay run --kind training --material data.csv --product model.bin -- python train.py
  assay verify model.bin
  assay lineage model.bin --up

Exit status: 0 yes or done, 1 no, 2 could not decide. `assay run` ends as its command did.")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,

    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// The `.assay` folder; otherwise looked for here and above
    #[arg(long, global = true, value_name = "DIR", env = "ASSAY_DIR", hide_env = true)]
    pub dir: Option<PathBuf>,

    /// Use the register of a service instead of the one in the folder
    #[cfg(feature = "server")]
    #[arg(long, global = true, value_name = "URL", env = "ASSAY_SERVER", hide_env = true)]
    pub server: Option<String>,

    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,

    /// Do not say on standard error what was made or recorded
    #[arg(long, short, global = true)]
    pub quiet: bool,

    /// When to colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,
}

/// The commands, in the order in which one meets them.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[cfg(feature = "server")]
    Run(Box<command::run::RunArgs>),
    Attest(Box<command::attest::AttestArgs>),
    #[cfg(feature = "server")]
    Sign(Box<command::sign::SignArgs>),
    Verify(command::verify::VerifyArgs),
    Check(Box<command::check::CheckArgs>),
    Why(Box<command::why::WhyArgs>),
    #[cfg(feature = "server")]
    Promote(Box<command::promote::PromoteArgs>),
    #[cfg(feature = "server")]
    Serve(Box<command::serve::ServeArgs>),
    #[cfg(feature = "server")]
    Find(Box<command::find::FindArgs>),
    #[cfg(feature = "server")]
    Revoke(Box<command::revoke::RevokeArgs>),
    #[cfg(feature = "server")]
    Lineage(command::lineage::LineageArgs),
    #[cfg(feature = "server")]
    Log(Box<command::log::LogArgs>),
    #[cfg(feature = "server")]
    Monitor(command::monitor::MonitorArgs),
    #[cfg(feature = "server")]
    Witness(Box<command::witness::WitnessArgs>),
    Model(command::model::ModelArgs),
    Inspect(command::inspect::InspectArgs),
    Key(command::key::KeyArgs),
    Trust(Box<command::trust::TrustArgs>),
    Policy(command::policy::PolicyArgs),
    Layout(command::layout::LayoutArgs),
    Completions(command::completions::CompletionsArgs),
    Man(command::man::ManArgs),
}
