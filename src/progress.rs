//! How far hashing has come: a bar on standard error, on a terminal and for large inputs only.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use attest::ArtifactId;
use attest::hash::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::Error;

/// Inputs below this many bytes are hashed before anybody could read a bar.
const LARGE: u64 = 256 << 20;
/// How often a bar is drawn, in times a second.
const DRAWS: u8 = 10;

/// Draws how far hashing is; nothing when nobody would see it.
#[derive(Debug, Default)]
pub struct Bar {
    bar: Mutex<Option<ProgressBar>>,
}

impl Progress for Bar {
    fn start(&self, bytes: u64) {
        if bytes < LARGE || !io::stderr().is_terminal() {
            return;
        }
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS);
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        let template = "assay: hashing {wide_bar} {bytes} of {total_bytes}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
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
pub fn artifact_of(path: &Path) -> Result<ArtifactId, Error> {
    attest::content::artifact_of(path, &Bar::default())
        .map_err(|source| Error::Content { path: path.into(), source })
}
