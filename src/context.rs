//! What every command is handed: the time, the options of every command, the printer.

use std::path::Path;

use attest::{ArtifactId, Timestamp};
use verify::Trust;

use crate::cli::Global;
use crate::error::Error;
use crate::home::{self, Home};
use crate::render::Printer;
use crate::target::Target;

/// The surroundings of one command.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time, read once.
    pub now: Timestamp,
    /// Options of every command.
    pub global: &'a Global,
    /// Prints notes on the way; answers are returned.
    pub printer: Printer,
}

impl Context<'_> {
    /// The `.assay` folder, which must be there.
    pub fn home(&self) -> Result<Home, Error> {
        self.found_home()?.ok_or_else(|| match &self.global.dir {
            Some(named) => Error::NoFolderAt(named.clone()),
            None => Error::NoFolder,
        })
    }

    /// The `.assay` folder, if there is one.
    pub fn found_home(&self) -> Result<Option<Home>, Error> {
        Home::find(self.global.dir.as_deref())
    }

    /// The `.assay` folder; where there is none, it is made.
    pub fn home_or_new(&self) -> Result<Home, Error> {
        match self.found_home()? {
            Some(home) => Ok(home),
            None => Home::make(self.global.dir.as_deref()),
        }
    }

    /// The artifact that is meant. Which of several kinds a bare digest stands for, the register
    /// is asked.
    pub fn resolve(&self, target: &Target) -> Result<ArtifactId, Error> {
        #[cfg(feature = "server")]
        return target.resolve(self.printer, |candidates| {
            match crate::source::Source::open(self) {
                Ok(source) => source.known(candidates),
                Err(Error::NoFolder | Error::NoFolderAt(_) | Error::NoRegister(_)) => {
                    Ok(Vec::new())
                }
                Err(error) => Err(error),
            }
        });
        #[cfg(not(feature = "server"))]
        target.resolve(self.printer, |_| Ok(Vec::new()))
    }

    /// The trust file named, else the document that was last seen to be in force, where no register
    /// is asked: one that is known to be older decides nothing.
    pub fn believed(&self, named: Option<&Path>) -> Result<Trust, Error> {
        let trust = self.trust(named)?;
        #[cfg(feature = "server")]
        if named.is_none() {
            return crate::governed::last_seen(trust, self);
        }
        Ok(trust)
    }

    /// Whether there is a folder with a trust file.
    #[cfg(feature = "server")]
    fn has_trust(&self) -> Result<bool, Error> {
        Ok(self.found_home()?.is_some_and(|home| home.trust().exists()))
    }

    /// The trust file named, else that of the folder.
    pub fn trust(&self, named: Option<&Path>) -> Result<Trust, Error> {
        let path = match named {
            Some(path) => path.to_owned(),
            #[cfg(feature = "server")]
            None if self.global.server.is_some() && !self.has_trust()? => {
                return Err(Error::NoTrustNamed);
            }
            None => self.home()?.trust(),
        };
        if named.is_none() && !path.exists() {
            return Err(Error::NoTrust(path));
        }
        let text = home::read_text(&path)?;
        Trust::parse(&text).map_err(|source| Error::Trust { path, source })
    }
}
