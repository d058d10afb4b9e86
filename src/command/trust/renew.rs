//! `assay trust renew`: gives an authority its newer revocation lists.
//!
//! Authorities publish lists again and again, and nothing here fetches them. Whoever does says with
//! this what is in force now, instead of what was.

use std::path::{Path, PathBuf};

use ::verify::RevocationList;
use clap::Args;
use serde::Serialize;

use super::certified::{ListRow, revocation_lists};
use super::file::TrustFile;
use crate::context::Context;
use crate::error::Error;
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
        let mut file = TrustFile::open(named, cx)?;
        let pem = revocation_lists(&self.lists)?;
        file.change(|trust| trust.set_revocation_lists(&self.authority, &pem))?;
        file.write(cx)?;
        let TrustFile { path, trust } = file;
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
