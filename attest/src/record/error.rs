//! Why a step is not recorded.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use super::metrics::MetricsError;
use crate::content::ContentError;
use crate::hash::HashError;
use crate::predicate::BuildKind;
use crate::root::OpenError;
use crate::statement::StatementError;

/// Why a step is not recorded. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// There is no command.
    #[error("no command to run: write it after `--`")]
    NoCommand,
    /// Nothing would come out.
    #[error("a step of kind {0} needs a product: name what the command writes with `--product`")]
    NoProduct(BuildKind),
    /// An evaluation without numbers.
    #[error(
        "an evaluation needs its numbers: name the file that the command writes with `--metrics`"
    )]
    NoMetrics,
    /// An evaluation does not say what it evaluates, or on what.
    #[error(
        "an evaluation has exactly one material with the role {wanted}, this one has {found}: write `--material {example}=PATH`"
    )]
    Roles {
        /// The role, or roles.
        wanted: &'static str,
        /// How many materials have it.
        found: usize,
        /// What to write.
        example: &'static str,
    },
    /// A name for several products.
    #[error("`--name` names one product, and there are {0}: leave it out, or record one product")]
    NameOfSeveral(usize),
    /// More paths than a plan may have.
    #[error("{count} paths, more than {limit}: name the folders that hold them")]
    TooManyPaths {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The same path twice, or one inside another.
    #[error(
        "`{one}` and `{other}` overlap: what a step reads and what it writes must be apart, and nothing is named twice"
    )]
    Overlap {
        /// A path.
        one: String,
        /// Another path, or the same.
        other: String,
    },
    /// A material or product that is not there, is a link, is outside, or cannot be read.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A material was changed while the command ran, even if it was put back.
    #[error(
        "the material `{path}` changed while the command ran, so that nobody can say which bytes it read: keep the command and others from writing it, then run again"
    )]
    MaterialChanged {
        /// The path below the root.
        path: String,
    },
    /// A directory on the way to a material was moved while the command ran.
    #[error(
        "the folder `{path}` was moved or removed while the command ran, so that nobody can say which materials it held: run again without that"
    )]
    FolderMoved {
        /// The path below the root.
        path: String,
    },
    /// A product was there before, and the command did not write it.
    #[error(
        "`{path}` was there before and the command did not write it: remove it first, or do not name it as product"
    )]
    Stale {
        /// The path below the root.
        path: String,
    },
    /// The command did not leave the product.
    #[error("the command left no `{path}`: correct the path, or the command")]
    Missing {
        /// The path below the root.
        path: String,
    },
    /// The metrics file is not what it should be.
    #[error("the metrics file `{path}`: {source}")]
    Metrics {
        /// The path below the root.
        path: String,
        /// What is wrong.
        source: MetricsError,
    },
    /// A product of so many files that no statement can list them.
    #[error(
        "the manifest of `{path}` has {bytes} bytes, too many for a statement: pack it into one file"
    )]
    TooManyFiles {
        /// The path below the root.
        path: String,
        /// The size of its manifest.
        bytes: usize,
    },
    /// The command cannot be started.
    #[error("cannot run `{}`: {source}", command.display())]
    Spawn {
        /// The command.
        command: OsString,
        /// What the system says.
        source: io::Error,
    },
    /// The folder in which the command should run is not one.
    #[error("cannot run in `{}`: {source}", path.display())]
    Directory {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The command ran, and its end cannot be learned.
    #[error("cannot wait for the command: {0}")]
    Wait(#[source] io::Error),
    /// What was recorded makes no statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl RecordError {
    /// The exit status that shells give to this: 127 for a command that is not there, 126 for
    /// one that cannot be started.
    pub fn exit_status(&self) -> Option<i32> {
        match self {
            Self::Spawn { source, .. } if source.kind() == io::ErrorKind::NotFound => Some(127),
            Self::Spawn { .. } => Some(126),
            _ => None,
        }
    }
}

impl From<OpenError> for RecordError {
    fn from(error: OpenError) -> Self {
        Self::Content(error.into())
    }
}

impl From<HashError> for RecordError {
    fn from(error: HashError) -> Self {
        Self::Content(error.into())
    }
}
