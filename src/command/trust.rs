//! `assay trust`: whom this folder believes, and about what at most.

mod add;
mod certified;
#[cfg(feature = "server")]
mod difference;
#[cfg(feature = "server")]
mod explain;
#[cfg(feature = "server")]
mod export;
mod file;
mod granted;
#[cfg(feature = "server")]
mod init;
#[cfg(feature = "server")]
mod join;
mod keyless;
mod list;
#[cfg(feature = "server")]
mod propose;
mod renew;
mod retire;
mod rotate;
#[cfg(feature = "server")]
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::error::Error;
use crate::render::Answer;

pub use self::certified::ListRow;
#[cfg(feature = "server")]
pub use self::init::open_key;
#[cfg(feature = "server")]
pub use self::propose::begun;

/// Say whom to believe about what, or show it
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct TrustArgs {
    #[command(subcommand)]
    command: TrustCommand,

    /// The trust file; otherwise `trust.yaml` in the `.assay` folder
    #[arg(long, global = true, value_name = "FILE")]
    trust: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum TrustCommand {
    Add(Box<add::AddArgs>),
    List(list::ListArgs),
    Rotate(Box<rotate::RotateArgs>),
    Retire(retire::RetireArgs),
    Renew(renew::RenewArgs),
    #[cfg(feature = "server")]
    Export(export::ExportArgs),
    #[cfg(feature = "server")]
    Init(init::InitArgs),
    #[cfg(feature = "server")]
    Show(show::ShowArgs),
    #[cfg(feature = "server")]
    Propose(propose::ProposeArgs),
    #[cfg(feature = "server")]
    Sign(propose::SignArgs),
    #[cfg(feature = "server")]
    Activate(propose::ActivateArgs),
    #[cfg(feature = "server")]
    History(show::HistoryArgs),
    #[cfg(feature = "server")]
    Join(join::JoinArgs),
    #[cfg(feature = "server")]
    Explain(explain::ExplainArgs),
}

pub fn trust(args: &TrustArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    match &args.command {
        TrustCommand::Add(add) => Ok(Box::new(add.run(args.trust.as_deref(), cx)?)),
        TrustCommand::List(list::ListArgs {}) => {
            let trust = cx.trust(args.trust.as_deref())?;
            // The file of a document that has owners is where belief began; a named one is shown.
            #[cfg(feature = "server")]
            if args.trust.is_none() && trust.governance().is_some() {
                let (_, governing) = propose::begun(None, cx)?;
                return Ok(Box::new(list::Listing::of(governing.trust(), cx.now)));
            }
            Ok(Box::new(list::Listing::of(&trust, cx.now)))
        }
        TrustCommand::Rotate(rotate) => Ok(Box::new(rotate.run(args.trust.as_deref(), cx)?)),
        TrustCommand::Retire(retire) => Ok(Box::new(retire.run(args.trust.as_deref(), cx)?)),
        TrustCommand::Renew(renew) => Ok(Box::new(renew.run(args.trust.as_deref(), cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::Export(export) => Ok(Box::new(export.run(args.trust.as_deref(), cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::Init(init) => Ok(Box::new(init.run(args.trust.as_deref(), cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::Show(show) => show.run(args.trust.as_deref(), cx),
        #[cfg(feature = "server")]
        TrustCommand::Propose(propose) => Ok(Box::new(propose.run(args.trust.as_deref(), cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::Sign(sign) => {
            Ok(Box::new(propose::Signed(sign.run(args.trust.as_deref(), cx)?)))
        }
        #[cfg(feature = "server")]
        TrustCommand::Activate(activate) => Ok(Box::new(activate.run(args.trust.as_deref(), cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::History(history) => Ok(Box::new(history.run(args.trust.as_deref(), cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::Join(join) => Ok(Box::new(join.run(cx)?)),
        #[cfg(feature = "server")]
        TrustCommand::Explain(explain) => Ok(Box::new(explain.run(args.trust.as_deref(), cx)?)),
    }
}
