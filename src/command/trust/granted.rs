//! What whoever is trusted may say and until when, as it is shown.

use ::attest::Timestamp;
use ::verify::{Custody, Grant};
use serde::Serialize;

use crate::page::{Page, Tone};

/// The part of a row that is the same for whoever vouches.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Granted {
    pub(super) custody: &'static str,
    pub(super) steps: Vec<String>,
    pub(super) predicates: Vec<String>,
    pub(super) artifacts: Vec<String>,
    pub(super) stages: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) valid_from: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) valid_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) still_counts: Option<Still>,
    pub(super) valid: bool,
}

/// What still counts of whoever has ended.
#[derive(Serialize)]
pub(super) struct Still {
    pub(super) log: String,
    pub(super) before: u64,
}

impl Granted {
    pub(super) fn of(grant: &Grant, custody: Custody, now: Timestamp) -> Self {
        let (may, window) = (grant.may(), grant.window());
        let still = grant.still_counts();
        Self {
            custody: custody.as_str(),
            steps: may.steps.list(),
            predicates: may.predicates.list(),
            artifacts: may.artifacts.list().to_vec(),
            stages: may.stages.list(),
            valid_from: window.from,
            valid_until: window.until,
            still_counts: still.map(|still| Still { log: still.log.clone(), before: still.before }),
            valid: grant.is_valid(now),
        }
    }

    /// The line that names the signer.
    pub(super) fn draw_name(&self, name: &str, whose: &str, page: &mut Page) {
        page.put(Tone::Faint, "signer    ").text(name).text(format_args!(" of {whose}"));
        match (self.valid, &self.still_counts) {
            (true, _) => page.end(),
            (false, Some(still)) => {
                page.line(format_args!(", ended; before entry {}", still.before))
            }
            (false, None) => page.line(", not valid now"),
        };
    }

    /// What it may say.
    pub(super) fn draw_scope(&self, page: &mut Page) {
        let lists = [
            ("steps", &self.steps),
            ("predicates", &self.predicates),
            ("artifacts", &self.artifacts),
            ("stages", &self.stages),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            page.put(Tone::Faint, format_args!("          {name} ")).line(list.join(" "));
        }
    }
}
