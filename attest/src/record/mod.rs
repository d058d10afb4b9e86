//! Recording a step: running a command, and saying what went in and what came out.
//!
//! Three moments, each a type, so that none can be left out or come too early:
//! [`Recorder::start`] looks at the materials before the command runs, [`Started::run`] runs it
//! until all of it has ended, and [`Ended::finish`] looks at the materials again, at the
//! products, and writes the statement. The statement is not signed: no key is read here, and
//! whoever signs opens the key only after [`Started::run`] has returned (THREATS, rule 4).
//!
//! What a statement claims with `before-and-after` is this: each material was read through a
//! descriptor that followed no link, and was in the same state before and after the command;
//! each product was not there before, or changed. It is no proof that the command read only
//! these. Nothing here reads the clock, and no command but the one that is recorded is run.

mod child;
mod code;
mod environment;
mod error;
mod formats;
mod hardware;
mod link;
mod locks;
pub mod metrics;
pub mod parameters;
mod paths;
mod plan;
mod processes;
mod recorder;
mod runtime;
pub mod secrets;
mod signals;
mod statement;
mod version;
mod watch;

pub use environment::{RECORDED, without_secrets};
pub use error::RecordError;
pub use metrics::MetricsError;
pub use plan::{Material, Plan, ProductName, ProductNameError, Role};
pub use recorder::{Ended, Recorder, Recording, Started};

use crate::hash::{Progress, Silent};

/// Somebody who watches a step being recorded.
pub trait Observer: Progress {
    /// The command has ended two seconds ago, and these processes that it left behind have not.
    /// They are waited for. Called at most once, from another thread.
    fn still_running(&self, processes: &[Process]) {
        let _ = processes;
    }
}

impl Observer for Silent {}

/// A running process.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Process {
    /// Its number.
    pub id: i32,
    /// Its name, as far as the system tells.
    pub name: String,
}

impl Process {
    fn new(id: i32, name: String) -> Self {
        Self { id, name }
    }
}
