//! How far long work has come: a bar on standard error, on a terminal and for large inputs only.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use attest::ArtifactId;
use attest::hash::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::Error;
use crate::render::Printer;

/// Inputs below this many bytes are hashed before anybody could read a bar.
const LARGE: u64 = 256 << 20;

/// What takes long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Work {
    /// Hashing files, in bytes.
    Hashing,
    /// Trying to break the rules of a policy.
    Linting,
    /// Judging what was promoted, as it is and as it would be.
    #[cfg(feature = "server")]
    Judging,
    /// Reading a register, in bytes.
    #[cfg(feature = "server")]
    Checking,
    /// Putting entries of a register into its index.
    #[cfg(feature = "server")]
    Indexing,
    /// Asking a service for the entries of its register.
    #[cfg(feature = "server")]
    Following,
    /// Reading the entries of a register here, before anything is judged by it.
    #[cfg(feature = "server")]
    Reading,
    /// Copying entries of a register.
    #[cfg(feature = "server")]
    Copying,
    /// Reading segments of a register and sending them, in bytes.
    #[cfg(feature = "server")]
    Archiving,
    /// Reading segments from an archive, in bytes.
    #[cfg(feature = "server")]
    Restoring,
}

impl Work {
    /// From how much on it takes so long that a bar can be read.
    const fn large(self) -> u64 {
        match self {
            Self::Hashing => LARGE,
            Self::Linting => 0,
            #[cfg(feature = "server")]
            Self::Judging => 16,
            #[cfg(feature = "server")]
            Self::Checking | Self::Archiving | Self::Restoring => LARGE / 8,
            #[cfg(feature = "server")]
            Self::Following => 200,
            #[cfg(feature = "server")]
            Self::Reading => 20_000,
            #[cfg(feature = "server")]
            Self::Indexing | Self::Copying => 50_000,
        }
    }

    const fn template(self) -> &'static str {
        match self {
            Self::Linting => "assay: linting {wide_bar} {pos} of {len} rules",
            Self::Hashing => "assay: hashing {wide_bar} {bytes} of {total_bytes}, {eta} left",
            #[cfg(feature = "server")]
            Self::Judging => "assay: judging {wide_bar} {pos} of {len}, {eta} left",
            #[cfg(feature = "server")]
            Self::Checking => "assay: reading {wide_bar} {bytes} of {total_bytes}, {eta} left",
            #[cfg(feature = "server")]
            Self::Indexing => "assay: indexing {wide_bar} {pos} of {len} entries, {eta} left",
            #[cfg(feature = "server")]
            Self::Following => "assay: following {wide_bar} {pos} of {len} entries, {eta} left",
            #[cfg(feature = "server")]
            Self::Reading => "assay: reading {wide_bar} {pos} of {len} entries, {eta} left",
            #[cfg(feature = "server")]
            Self::Copying => "assay: copying {wide_bar} {pos} of {len} entries, {eta} left",
            #[cfg(feature = "server")]
            Self::Archiving => "assay: archiving {wide_bar} {bytes} of {total_bytes}, {eta} left",
            #[cfg(feature = "server")]
            Self::Restoring => "assay: restoring {wide_bar} {bytes} of {total_bytes}, {eta} left",
        }
    }
}
/// How often a bar is drawn, in times a second.
const DRAWS: u8 = 10;

/// Draws how far work is; nothing when nobody would see it.
#[derive(Debug)]
pub struct Bar {
    seen: bool,
    work: Work,
    bar: Mutex<Option<ProgressBar>>,
}

impl Bar {
    /// A bar of hashing for whoever reads what `printer` notes.
    pub fn new(printer: Printer) -> Self {
        Self::of(Work::Hashing, printer)
    }

    /// A bar of some work for whoever reads what `printer` notes.
    pub fn of(work: Work, printer: Printer) -> Self {
        Self { work, ..Self::seen(printer.notes() && io::stderr().is_terminal()) }
    }

    const fn seen(seen: bool) -> Self {
        Self { seen, work: Work::Hashing, bar: Mutex::new(None) }
    }
}

impl Progress for Bar {
    fn start(&self, bytes: u64) {
        if bytes < self.work.large() || !self.seen {
            return;
        }
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS);
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        if let Ok(style) = ProgressStyle::with_template(self.work.template()) {
            bar.set_style(style);
        }
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.inc(bytes);
        }
    }

    fn finish(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }
}

/// The artifact that stands at a path, by its bytes.
pub fn artifact_of(path: &Path, printer: Printer) -> Result<ArtifactId, Error> {
    attest::content::artifact_of(path, &Bar::new(printer))
        .map_err(|source| Error::Content { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Color;

    #[test]
    fn a_bar_is_drawn_for_large_inputs_that_somebody_watches() {
        let cases = [
            ("watched and large", true, LARGE, true),
            ("watched and small", true, LARGE - 1, false),
            ("not watched", false, LARGE, false),
        ];
        for (name, seen, bytes, want) in cases {
            let bar = Bar::seen(seen);
            bar.start(bytes);
            assert_eq!(bar.bar.lock().unwrap().is_some(), want, "{name}");
            bar.finish();
        }
    }

    #[test]
    fn whoever_asked_for_quiet_watches_nothing() {
        for (quiet, want) in [(false, true), (true, false)] {
            let printer = Printer::new(Color::Never, false, quiet);
            assert_eq!(printer.notes(), want);
            assert_eq!(Bar::new(printer).seen, want && io::stderr().is_terminal());
        }
    }
}
