//! `assay trust renew`: gives an authority its newer revocation lists.
//!
//! Authorities publish lists again and again, and nothing here fetches them. Whoever does says with
//! this what is in force now, instead of what was.

use std::path::{Path, PathBuf};

use ::verify::{RevocationList, Trust};
use clap::Args;
use serde::Serialize;

use super::certified::{ListRow, revocation_lists};
use crate::context::Context;
use crate::error::Error;
use crate::home::{self, Existing, Readers};
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// Give an authority newer revocation lists
///
/// They take the place of all that it has. Every certificate under the authority must be spoken of
/// by one of them: give one of each issuer. What was signed with a certificate that has expired
/// since needs a list of its day: keep that beside the newer one.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay trust renew corporate --crl root.crl --crl issuing.crl")]
pub(super) struct RenewArgs {
    /// The name of the authority in the trust file
    authority: String,

    /// A revocation list, in PEM or DER; may be given several times
    #[arg(long = "crl", value_name = "FILE", required = true)]
    lists: Vec<PathBuf>,
}

impl RenewArgs {
    pub(super) fn run(&self, named: Option<&Path>, cx: &Context<'_>) -> Result<Renewed, Error> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => cx.home()?.trust(),
        };
        let broken = |source| Error::Trust { path: path.clone(), source };
        let mut trust = Trust::parse(&home::read_text(&path)?).map_err(broken)?;
        super::require_ungoverned(&trust, &path, cx)?;
        let refused = |source| Error::NotAdded { path: path.clone(), source };
        let pem = revocation_lists(&self.lists)?;
        trust.set_revocation_lists(&self.authority, &pem).map_err(refused)?;
        home::write(&path, trust.to_yaml().as_bytes(), Readers::All, Existing::Replaced)?;
        #[cfg(feature = "server")]
        super::say_who_has_read_it(&path, cx)?;
        let authority = trust.authority(&self.authority);
        let lists = authority.map(|authority| authority.revocation_lists()).unwrap_or_default();
        let outdated = |list: &&RevocationList| list.until() <= cx.now;
        for list in lists.iter().filter(outdated) {
            cx.printer.warn(&format!(
                "the revocation list of {} speaks until {} only: newer signatures need a newer one",
                list.issuer(),
                list.until()
            ));
        }
        Ok(Renewed {
            version: "assay/trust-renewed/v1",
            name: self.authority.clone(),
            revocation_lists: lists.iter().map(ListRow::of).collect(),
            path,
            digest: trust.digest().to_string(),
        })
    }
}

/// What the trust file says of an authority now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Renewed {
    version: &'static str,
    name: String,
    revocation_lists: Vec<ListRow>,
    path: PathBuf,
    digest: String,
}

impl Answer for Renewed {
    fn draw(&self, page: &mut Page) {
        page.text("trusting ").put(Tone::Strong, &self.name).line(", as far as it has not revoked");
        for list in &self.revocation_lists {
            page.line(format_args!("  {}", list.in_words()));
        }
        page.line(format_args!("written to {}", self.path.display()));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
