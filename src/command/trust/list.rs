//! `assay trust list`: whom a trust file has, about what at most.

use ::attest::{KeyId, Timestamp};
use ::verify::{Trust, TrustedKey, TrustedLog, TrustedVerifier};
use clap::Args;
use serde::Serialize;

use super::granted::Granted;
use super::{certified, keyless, rotate};
use crate::page::{Page, Tone};
use crate::predicate_name;
use crate::render::{Answer, to_json};

/// Show whom to believe about what
#[derive(Args, Debug)]
pub(super) struct ListArgs {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listing {
    version: &'static str,
    digest: String,
    keys: Vec<KeyRow>,
    logs: Vec<LogRow>,
    verifiers: Vec<VerifierRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sigstore: Vec<keyless::RootRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signers: Vec<keyless::SignerRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clocks: Vec<certified::ClockRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorities: Vec<certified::AuthorityRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    certified: Vec<certified::CertifiedRow>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyRow {
    name: String,
    owner: String,
    id: KeyId,
    algorithm: &'static str,
    #[serde(flatten)]
    granted: Granted,
}

#[derive(Serialize)]
struct LogRow {
    origin: String,
    key: String,
    #[serde(rename = "formerKeys", skip_serializing_if = "Vec::is_empty")]
    former: Vec<rotate::Former>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    witnesses: Vec<WitnessRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quorum: Option<usize>,
}

#[derive(Serialize)]
struct WitnessRow {
    key: String,
    owner: String,
}

impl LogRow {
    fn of(log: &TrustedLog) -> Self {
        let witnesses = log.witnesses().list().iter().map(|witness| WitnessRow {
            key: witness.key().to_string(),
            owner: witness.owner().into(),
        });
        Self {
            origin: log.origin().into(),
            key: log.key().to_string(),
            former: log.former().iter().map(rotate::Former::of).collect(),
            witnesses: witnesses.collect(),
            quorum: Some(log.witnesses().quorum()).filter(|quorum| *quorum > 0),
        }
    }
}

#[derive(Serialize)]
struct VerifierRow {
    id: String,
    /// The name of the key that signs for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The name of the signer without a key that signs for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    #[serde(skip)]
    words: String,
}

impl VerifierRow {
    fn of(verifier: &TrustedVerifier) -> Self {
        let named = |wanted: bool| wanted.then(|| verifier.name().to_owned());
        Self {
            id: verifier.id().into(),
            key: named(verifier.key().is_some()),
            signer: named(verifier.key().is_none()),
            words: verifier_in_words(verifier),
        }
    }
}

/// A verifier and whatever signs for it: a key, or a signer that has none of its own.
pub(super) fn verifier_in_words(verifier: &TrustedVerifier) -> String {
    let by = if verifier.key().is_some() { "with key" } else { "by signer" };
    format!("{} {by} {}", verifier.id(), verifier.name())
}

impl Listing {
    pub(super) fn of(trust: &Trust, now: Timestamp) -> Self {
        let logs = trust.logs().iter();
        let verifiers = trust.verifiers().iter();
        Self {
            version: "assay/trust/v1",
            digest: trust.digest().to_string(),
            keys: trust.keys().iter().flat_map(|key| rows(key, now)).collect(),
            logs: logs.map(LogRow::of).collect(),
            verifiers: verifiers.map(VerifierRow::of).collect(),
            sigstore: trust.roots().iter().map(keyless::RootRow::of).collect(),
            signers: trust.signers().iter().map(|one| keyless::SignerRow::of(one, now)).collect(),
            clocks: trust.clocks().iter().map(certified::ClockRow::of).collect(),
            authorities: trust.authorities().iter().map(certified::AuthorityRow::of).collect(),
            certified: trust
                .certified_signers()
                .iter()
                .map(|one| certified::CertifiedRow::of(one, now))
                .collect(),
        }
    }
}

fn rows(key: &TrustedKey, now: Timestamp) -> Vec<KeyRow> {
    let row = |grant: &::verify::Grant| KeyRow {
        name: grant.name().into(),
        owner: key.owner().into(),
        id: key.id(),
        algorithm: key.key().algorithm().as_str(),
        granted: Granted::of(grant, key.custody(), now),
    };
    key.grants().iter().map(row).collect()
}

impl Answer for Listing {
    fn draw(&self, page: &mut Page) {
        if self.keys.is_empty()
            && self.logs.is_empty()
            && self.sigstore.is_empty()
            && self.clocks.is_empty()
            && self.authorities.is_empty()
        {
            page.line("nobody is trusted");
            return;
        }
        let heads = ["KEY", "OWNER", "STEPS", "PREDICATES", "ARTIFACTS", "STAGES", "UNTIL"];
        let rows: Vec<Vec<String>> = self.keys.iter().map(KeyRow::cells).collect();
        if !rows.is_empty() {
            page.table(&heads, &rows);
        }
        for log in &self.logs {
            page.end().put(Tone::Faint, "log       ").text(&log.key).end();
            for former in &log.former {
                former.draw(page, "former    ");
            }
            if let Some(quorum) = log.quorum {
                let count = log.witnesses.len();
                page.line(format_args!("          if cosigned by {quorum} of {count} witnesses:"));
            }
            for witness in &log.witnesses {
                page.put(Tone::Faint, "witness   ").text(&witness.key);
                page.text(format_args!(" of {}", witness.owner)).end();
            }
        }
        for verifier in &self.verifiers {
            page.put(Tone::Faint, "verifier  ").text(&verifier.words).end();
        }
        self.sigstore.iter().for_each(|root| root.draw(page));
        self.signers.iter().for_each(|signer| signer.draw(page));
        self.clocks.iter().for_each(|clock| clock.draw(page));
        self.authorities.iter().for_each(|authority| authority.draw(page));
        self.certified.iter().for_each(|signer| signer.draw(page));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

impl KeyRow {
    fn cells(&self) -> Vec<String> {
        let granted = &self.granted;
        let all = |list: &[String]| {
            if list.is_empty() { "-".to_owned() } else { list.join(" ") }
        };
        let predicates: Vec<String> =
            granted.predicates.iter().map(|name| predicate_name::short(name).to_owned()).collect();
        let until = match (granted.valid_until, granted.valid) {
            (Some(until), true) => until.to_string(),
            (_, false) => match &granted.still_counts {
                Some(still) => format!("ended; before entry {}", still.before),
                None => "not valid now".into(),
            },
            (None, true) => "-".into(),
        };
        vec![
            self.name.clone(),
            self.owner.clone(),
            all(&granted.steps),
            all(&predicates),
            all(&granted.artifacts),
            all(&granted.stages),
            until,
        ]
    }
}
