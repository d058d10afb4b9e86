//! One file a command: its arguments, and a function that turns them into an answer.

pub mod attest;
pub mod check;
pub mod completions;
#[cfg(feature = "server")]
pub mod find;
pub mod inspect;
pub mod key;
pub mod layout;
#[cfg(feature = "server")]
pub mod lineage;
#[cfg(feature = "server")]
pub mod log;
#[cfg(feature = "server")]
pub mod log_witness;
pub mod man;
pub mod model;
#[cfg(feature = "server")]
pub mod monitor;
pub mod policy;
#[cfg(feature = "server")]
pub mod promote;
pub mod proof;
#[cfg(feature = "server")]
pub mod proven;
#[cfg(feature = "server")]
pub mod revoke;
#[cfg(feature = "server")]
pub mod run;
#[cfg(feature = "server")]
pub mod serve;
#[cfg(feature = "server")]
pub mod sign;
pub mod signed;
#[cfg(feature = "server")]
pub mod submit;
pub mod trust;
pub mod verify;
pub mod why;
#[cfg(feature = "server")]
pub mod witness;

use crate::cli::Command;
use crate::context::Context;
use crate::error::Error;
use crate::render::Answer;

/// Does what was typed.
pub fn execute(command: &Command, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    match command {
        Command::Attest(args) => attest::attest(args, cx),
        #[cfg(feature = "server")]
        Command::Sign(args) => sign::sign(args, cx),
        #[cfg(feature = "server")]
        Command::Find(args) => find::find(args, cx),
        #[cfg(feature = "server")]
        Command::Log(args) => log::log(args, cx),
        Command::Verify(args) => verify::verify(args, cx),
        Command::Model(args) => model::model(args, cx),
        #[cfg(feature = "server")]
        Command::Revoke(args) => revoke::revoke(args, cx),
        #[cfg(feature = "server")]
        Command::Lineage(args) => lineage::lineage(args, cx),
        Command::Check(args) => check::check(args, cx),
        Command::Why(args) => why::why(args, cx),
        #[cfg(feature = "server")]
        Command::Promote(args) => promote::promote(args, cx),
        #[cfg(feature = "server")]
        Command::Serve(args) => serve::serve(args, cx),
        #[cfg(feature = "server")]
        Command::Monitor(args) => monitor::monitor(args, cx),
        #[cfg(feature = "server")]
        Command::Witness(args) => witness::witness(args, cx),
        Command::Policy(args) => policy::policy(args, cx),
        Command::Layout(args) => layout::layout(args, cx),
        #[cfg(feature = "server")]
        Command::Run(args) => run::run(args, cx),
        Command::Inspect(args) => inspect::inspect(args),
        Command::Key(args) => key::key(args, cx),
        Command::Trust(args) => trust::trust(args, cx),
        Command::Completions(args) => completions::completions(args),
        Command::Man(args) => man::man(args),
    }
}
