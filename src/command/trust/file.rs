//! The trust file that a command changes.

use std::path::{Path, PathBuf};

use ::verify::{Trust, TrustError};
#[cfg(feature = "server")]
use server::register::{Holder, served_by};

use crate::context::Context;
use crate::error::Error;
use crate::home::{self, Existing, Readers};

/// A trust file as it was read, to be changed and written again.
pub(super) struct TrustFile {
    pub(super) path: PathBuf,
    pub(super) trust: Trust,
}

impl TrustFile {
    /// The file that was named, else that of the folder.
    pub(super) fn open(named: Option<&Path>, cx: &Context<'_>) -> Result<Self, Error> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => cx.home()?.trust(),
        };
        let text = home::read_text(&path)?;
        let trust = Trust::parse(&text);
        let trust = trust.map_err(|source| Error::Trust { path: path.clone(), source })?;
        require_ungoverned(&trust, &path, cx)?;
        Ok(Self { path, trust })
    }

    /// The same, which believes nobody yet where there is none; the folder is made where none is.
    pub(super) fn open_or_new(named: Option<&Path>, cx: &Context<'_>) -> Result<Self, Error> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => cx.home_or_new()?.trust(),
        };
        if path.exists() {
            return Self::open(Some(&path), cx);
        }
        Ok(Self { path, trust: Trust::empty() })
    }

    /// Changes it, but for its bytes on disk.
    pub(super) fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Trust) -> Result<T, TrustError>,
    ) -> Result<T, Error> {
        change(&mut self.trust)
            .map_err(|source| Error::NotAdded { path: self.path.clone(), source })
    }

    /// Puts it in the place of what was read.
    pub(super) fn write(&self, cx: &Context<'_>) -> Result<(), Error> {
        let text = self.trust.to_yaml();
        home::write(&self.path, text.as_bytes(), Readers::All, Existing::Replaced)?;
        #[cfg(feature = "server")]
        say_who_has_read_it(&self.path, cx)?;
        #[cfg(not(feature = "server"))]
        let _ = cx;
        Ok(())
    }
}

/// The folder's own file is not changed once the document has owners: they decide about the next
/// version. A copy of it can be, to be proposed.
fn require_ungoverned(trust: &Trust, path: &Path, cx: &Context<'_>) -> Result<(), Error> {
    let same = |own: PathBuf| match (own.canonicalize(), path.canonicalize()) {
        (Ok(own), Ok(path)) => own == path,
        _ => own == *path,
    };
    let own = cx.found_home()?.is_some_and(|home| same(home.trust()));
    if own && trust.governance().is_some() {
        return Err(Error::Governed(path.into()));
    }
    Ok(())
}

/// A running service judges by the trust file that it was started with, and by no other.
#[cfg(feature = "server")]
pub(super) fn say_who_has_read_it(path: &Path, cx: &Context<'_>) -> Result<(), Error> {
    let Some(home) = cx.found_home()?.filter(|home| home.trust() == *path) else { return Ok(()) };
    if let Ok(Some(Holder { url: Some(url), .. })) = served_by(&home.register()) {
        cx.printer.note(&format!(
            "the service at {url} reads it when it is started again, and decides nothing until then"
        ));
    }
    Ok(())
}
