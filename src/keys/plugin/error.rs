//! Why a signer plugin gave no key, or no signature.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use attest::json::JsonError;
use attest::{KeyError, KeyId};

use super::process::MAX_OUTPUT_BYTES;

/// Why a plugin gave no key, or no signature.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// There is no such program.
    #[error("no program `{}` that can be run", .0.display())]
    NotFound(PathBuf),
    /// It cannot be started or spoken to.
    #[error("cannot run `{}`", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It took too long, and was ended.
    #[error("`{}` has not answered within {} s, and was ended", program.display(), limit.as_secs())]
    Late {
        /// The program.
        program: PathBuf,
        /// How long it had.
        limit: Duration,
    },
    /// It wrote too much, and was ended.
    #[error("`{}` wrote more than {MAX_OUTPUT_BYTES} bytes, and was ended", .0.display())]
    TooMuch(PathBuf),
    /// It ended with an error.
    #[error("`{}` ended with status {status}{}", program.display(), said(words))]
    Failed {
        /// The program.
        program: PathBuf,
        /// Its exit status, or 128 and the signal that ended it.
        status: i32,
        /// The end of what it wrote to standard error.
        words: String,
    },
    /// It says that it will not.
    #[error("`{}` refused: {why}", program.display())]
    Refused {
        /// The program.
        program: PathBuf,
        /// The end of its reason.
        why: String,
    },
    /// Its answer is not one.
    #[error("`{}` did not answer as a signer does", program.display())]
    Garbage {
        /// The program.
        program: PathBuf,
        /// Why.
        source: JsonError,
    },
    /// It speaks another version.
    #[error("`{}` answers in version `{}`, not `assay/signer/v1`", program.display(), cut(found))]
    Version {
        /// The program.
        program: PathBuf,
        /// Its version.
        found: String,
    },
    /// What it described is no key.
    #[error("`{}` described no usable key", program.display())]
    Key {
        /// The program.
        program: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// The key is of another algorithm than it said.
    #[error("`{}` says `{}` of a key that is `{found}`", program.display(), cut(claimed))]
    Algorithm {
        /// The program.
        program: PathBuf,
        /// What it said.
        claimed: String,
        /// What the key is.
        found: &'static str,
    },
    /// Not the key that the URI asks for.
    #[error("`{}` has key {found}, and {wanted} was asked for", program.display())]
    OtherKey {
        /// The program.
        program: PathBuf,
        /// The key that was asked for.
        wanted: KeyId,
        /// The key that it described.
        found: KeyId,
    },
    /// The signature is not base64.
    #[error("`{}` gave a signature that is not base64", program.display())]
    Signature {
        /// The program.
        program: PathBuf,
    },
}

impl PluginError {
    pub(super) fn start(program: &Path, source: io::Error) -> Self {
        Self::Start { program: program.into(), source }
    }

    /// The message with those of its causes.
    pub(super) fn whole(&self) -> String {
        self.source().map_or_else(|| self.to_string(), |source| format!("{self}: {source}"))
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotFound(_) => {
                "put the signer into a folder of PATH, or name it by its absolute path; \
                 `examples/signers` has some"
            }
            Self::Start { .. } => "see that the program and its interpreter are there",
            Self::Late { .. } => "see why it waits; `timeout=SECONDS` in the URI gives it longer",
            Self::Failed { .. } | Self::Refused { .. } => {
                "see that the key's reference is right and the program may sign with it; of the \
                 environment it sees its service's variables, and `ASSAY_SIGNER_X` as `X`"
            }
            Self::OtherKey { .. } => {
                "if the key was replaced, trust the new one and correct `id` in the URI"
            }
            Self::TooMuch(_)
            | Self::Garbage { .. }
            | Self::Version { .. }
            | Self::Key { .. }
            | Self::Algorithm { .. }
            | Self::Signature { .. } => "the program is at fault; nothing was signed with it",
        }
    }
}

fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

fn cut(text: &str) -> String {
    text.chars().take(super::MAX_WORDS).collect()
}
