//! The three questions to a Sigstore instance: for a certificate, for the time, for a log entry.
//!
//! Source: `POST /api/v2/signingCert` of Fulcio; RFC 3161, section 3.4; `POST /api/v2/log/entries`
//! of Rekor v2.

use std::time::Duration;

use ::attest::SigningKey;
use ::attest::json;
use ::attest::keyless::{
    IdentityToken, KeylessContent, LoggedEntry, ServiceKind, SigningServices, TimestampQuery,
    issued, signing_request,
};
use serde::Deserialize;

use super::error::KeylessError;
use crate::error::Error;
use crate::http::{Outgoing, Service};
use crate::render::Printer;

/// How long to wait before a service that is down is asked again: the step that is to be signed may
/// have taken hours, and there is no second one like it.
const PATIENCE: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// How much of a refusal is repeated, in characters.
const MAX_REASON: usize = 300;

/// An instance.
pub(super) struct Instance {
    services: SigningServices,
    printer: Printer,
}

/// Why Fulcio or Rekor refuses, as they say it; ours say it as RFC 9457 has it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RefusalJson {
    message: String,
    detail: String,
}

impl Instance {
    pub(super) const fn of(services: SigningServices, printer: Printer) -> Self {
        Self { services, printer }
    }

    /// A certificate for `key` and whomever the token is about, in DER.
    pub(super) fn certificate(
        &self,
        key: &SigningKey,
        token: &IdentityToken,
    ) -> Result<Vec<u8>, Error> {
        let request = signing_request(key).map_err(KeylessError::Key)?;
        let url = &self.services.authority.url;
        let sent = Outgoing {
            body: Some(&request),
            kind: "application/json",
            accept: "application/json",
            bearer: Some(token.secret()),
        };
        let answer = self.ask(ServiceKind::Authority, url, "/api/v2/signingCert", &sent)?;
        let issued = issued(&answer, key.public());
        Ok(issued.map_err(|source| unreadable(ServiceKind::Authority, url, &source))?)
    }

    /// The time at which a signature is there, by each clock.
    pub(super) fn timestamps(&self, signature: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let mut told = Vec::new();
        for clock in &self.services.clocks {
            let query = TimestampQuery::new(signature).map_err(KeylessError::Key)?;
            let der = query.der();
            let sent = Outgoing {
                body: Some(&der),
                kind: "application/timestamp-query",
                accept: "application/timestamp-reply",
                bearer: None,
            };
            let answer = self.ask(ServiceKind::Clock, &clock.url, "", &sent)?;
            query
                .require_answer(&answer)
                .map_err(|source| unreadable(ServiceKind::Clock, &clock.url, &source))?;
            told.push(answer);
        }
        Ok(told)
    }

    /// The entry in each log.
    pub(super) fn log(
        &self,
        content: &KeylessContent,
        certificate: &[u8],
    ) -> Result<Vec<LoggedEntry>, Error> {
        let request = content.entry_request(certificate);
        let sent = Outgoing {
            body: Some(&request),
            kind: "application/json",
            accept: "application/json",
            bearer: None,
        };
        let mut entries = Vec::new();
        for log in &self.services.logs {
            let answer = self.ask(ServiceKind::Log, &log.url, "/api/v2/log/entries", &sent)?;
            let entry = LoggedEntry::parse(&answer);
            entries.push(entry.map_err(|source| unreadable(ServiceKind::Log, &log.url, &source))?);
        }
        Ok(entries)
    }

    fn ask(
        &self,
        kind: ServiceKind,
        url: &str,
        path: &str,
        sent: &Outgoing<'_>,
    ) -> Result<Vec<u8>, Error> {
        let failed = |source: Error| KeylessError::Unreachable { kind, source: Box::new(source) };
        let service = Service::at(url, self.printer).map_err(failed)?;
        let mut waits = PATIENCE.into_iter();
        // Ends with the patience. Each question may be asked twice: a certificate or a timestamp more
        // harms nobody, and a log answers with the entry that it has.
        let (status, body) = loop {
            let answer = service.exchange(path, sent);
            let is_down = answer.as_ref().map_or(true, |(status, _)| *status >= 500);
            let wait = if is_down { waits.next() } else { None };
            let Some(wait) = wait else { break answer.map_err(failed)? };
            let why = "does not answer; asking again in";
            self.printer.note(&format!("the {kind} at `{url}` {why} {} s", wait.as_secs()));
            std::thread::sleep(wait);
        };
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let said: RefusalJson = json::parse_as(&body).unwrap_or_default();
        let said = [said.message, said.detail].into_iter().find(|text| !text.is_empty());
        let plain = |letter: &char| !letter.is_control();
        let said = said.unwrap_or_else(|| "it gives no reason".into());
        let reason = said.chars().filter(plain).take(MAX_REASON).collect();
        Err(KeylessError::Refused { kind, url: url.into(), status, reason }.into())
    }
}

fn unreadable(kind: ServiceKind, url: &str, source: &dyn std::error::Error) -> KeylessError {
    KeylessError::Unreadable { kind, url: url.into(), why: source.to_string() }
}
