//! `assay trust join`: takes a trust document from a register by the digest in a line.
//!
//! The register is not believed: it hands over texts. The one that has the digest is where belief
//! begins, and from there every version must follow by the signatures of its owners.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ::attest::Sha256;
use ::verify::Trust;
use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::error::Error;
use crate::governed;
use crate::home::{self, Existing, Readers};
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::source::Source;

/// What a line begins with.
const SCHEME: &str = "assay-join:";

/// Believe the trust document that a line names, and what its owners made of it since
///
/// The line is what `assay trust init` and `assay trust show` print. Get it from somebody whom you
/// know: whoever wrote it decides whom you believe. Nothing else that a service says does.
#[derive(Args, Debug)]
pub(super) struct JoinArgs {
    /// `assay-join:ORIGIN@URL#sha256:…`; without `@URL`, `--server` says where the register is
    line: JoinLine,
}

/// Where a register is, and the digest of the document to begin with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct JoinLine {
    origin: String,
    url: Option<String>,
    digest: Sha256,
}

impl JoinLine {
    pub(super) fn new(origin: &str, url: Option<&str>, digest: Sha256) -> Self {
        Self { origin: origin.into(), url: url.map(str::to_owned), digest }
    }
}

impl fmt::Display for JoinLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{SCHEME}{}", self.origin)?;
        if let Some(url) = &self.url {
            write!(formatter, "@{url}")?;
        }
        write!(formatter, "#{}", self.digest)
    }
}

impl FromStr for JoinLine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write it as it was printed: `assay-join:ORIGIN@URL#sha256:…`".to_owned();
        let rest = text.trim().strip_prefix(SCHEME).ok_or_else(wrong)?;
        let (place, digest) = rest.rsplit_once('#').ok_or_else(wrong)?;
        let digest = digest.parse().map_err(|error| format!("{error}; {}", wrong()))?;
        let (origin, url) = match place.split_once('@') {
            Some((origin, url)) => (origin, Some(url.to_owned())),
            None => (place, None),
        };
        let is_origin =
            !origin.is_empty() && !origin.chars().any(|one| one.is_whitespace() || one == '+');
        if !is_origin || url.as_ref().is_some_and(String::is_empty) {
            return Err(wrong());
        }
        Ok(Self { origin: origin.into(), url, digest })
    }
}

impl JoinArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Joined, Error> {
        let JoinLine { origin, url, digest } = &self.line;
        let server = cx.global.server.as_deref().or(url.as_deref());
        let source = match server {
            Some(url) => Source::at(Some(url), cx)?,
            None => return Err(Error::NoJoinUrl),
        };
        let begun = governed::document(&source, *digest)?
            .ok_or_else(|| Error::NoSuchDocument { origin: origin.clone(), digest: *digest })?;
        if begun.governance().is_none() || begun.log(origin).is_none() {
            return Err(Error::NotOfRegister { origin: origin.clone(), digest: *digest });
        }
        let home = cx.home_or_new()?;
        let path = home.trust();
        let _held = home.hold()?;
        if path.exists() {
            // Another belief is not replaced; the same one is joined once more.
            let known = Trust::parse(&home::read_text(&path)?);
            if known.is_ok_and(|known| known.digest() != *digest) {
                return Err(Error::OtherTrust(path));
            }
        }
        let governing = governed::shown(&source, &begun, cx)?;
        if governing.origin() != origin {
            return Err(Error::NotOfRegister { origin: origin.clone(), digest: *digest });
        }
        if !path.exists() {
            let text = governed::text(&source, *digest)?.unwrap_or_default();
            home::write(&path, text.as_bytes(), Readers::All, Existing::Kept)?;
        }
        governed::remember(origin, governing.trust(), cx)?;
        let newest = governing.trust();
        let version = |trust: &Trust| trust.governance().map_or(0, |one| one.version());
        Ok(Joined {
            version: "assay/trust-joined/v1",
            origin: origin.clone(),
            begun: Which { version: version(&begun), digest: *digest },
            in_force: Which { version: version(newest), digest: newest.digest() },
            local: newest.is_local(),
            path,
        })
    }
}

#[derive(Serialize)]
struct Which {
    version: u64,
    digest: Sha256,
}

/// Whom this folder believes from now on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Joined {
    version: &'static str,
    origin: String,
    begun: Which,
    in_force: Which,
    local: bool,
    path: PathBuf,
}

impl Answer for Joined {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Good, "joined").text(" ").put(Tone::Strong, &self.origin).end();
        let line = |page: &mut Page, head: &str, which: &Which| {
            page.put(Tone::Faint, head);
            page.line(format_args!("version {}, {}", which.version, which.digest));
        };
        line(page, "  begun with  ", &self.begun);
        line(page, "  in force    ", &self.in_force);
        page.line(format_args!("written to {}", self.path.display()));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back_and_nothing_else_is_one() {
        let digest = Sha256::of(b"trust");
        for url in [None, Some("https://log.example:8443/x")] {
            let line = JoinLine::new("assay.local/0", url, digest);
            assert_eq!(line.to_string().parse(), Ok(line));
        }
        let good = JoinLine::new("assay.local/0", None, digest).to_string();
        for wrong in [
            good.replace("assay-join:", ""),
            good.replace("sha256:", ""),
            good.replace("assay.local/0", ""),
            good.replace("assay.local/0", "two words"),
            good.replace('#', "@#"),
            format!("{good}0"),
        ] {
            assert!(wrong.parse::<JoinLine>().is_err(), "{wrong}");
        }
    }
}
