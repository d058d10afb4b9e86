//! Asking a witness over HTTP (C2SP tlog-witness), with bounds and time-outs.
//!
//! It blocks. What a witness answers is believed no further than its cosignature goes: nothing
//! else in the answer is signed. No redirect is followed.

use std::time::Duration;

use attest::{NoteSignature, Sha256};
use ureq::Agent;
use ureq::http::Uri;

use super::request::parse_size;
use super::serve::SIZE;

/// How long a witness may take for one answer. A round has three, and whoever waits for a quorum
/// waits no longer than a request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 << 10;
/// How many lines of an answer are read.
const MAX_LINES: usize = 64;
/// How much of a reason is kept, in characters.
const MAX_REASON: usize = 200;

/// What a witness answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Reply {
    /// Signature lines; whose they are is still to be seen.
    Lines(Vec<NoteSignature>),
    /// It cosigned another size last.
    Conflict(u64),
    /// It says that the checkpoint does not extend what it cosigned.
    Inconsistent,
    /// It refuses, or cannot be reached, or makes no sense.
    Nothing(String),
}

/// Sends a request to the witness at `url`.
pub(super) fn ask(agent: &Agent, url: &str, body: &str) -> Reply {
    let request = agent.post(format!("{url}/add-checkpoint"));
    let request = match is_here(url) {
        true => request.config().proxy(None),
        false => request.config(),
    };
    let request = request
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(PATIENCE))
        .build();
    match request.header("content-type", "text/plain; charset=utf-8").send(body) {
        Ok(answer) => read(answer),
        Err(error) => Reply::Nothing(error.to_string()),
    }
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> Reply {
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    let is_size = kind.is_some_and(|kind| kind.split(';').next().map(str::trim) == Some(SIZE));
    let bytes = match answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec() {
        Ok(bytes) => bytes,
        Err(error) => return Reply::Nothing(error.to_string()),
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return Reply::Nothing("its answer is not UTF-8".into());
    };
    understood(status, is_size, &text)
}

/// What an answer says, with this status and, of type [`SIZE`] or not, this text.
pub(super) fn understood(status: u16, is_size: bool, text: &str) -> Reply {
    let line = text.strip_suffix('\n');
    match (status, line) {
        (200, Some(lines)) => {
            let lines = lines.split('\n').take(MAX_LINES).map(str::parse);
            match lines.collect::<Result<_, _>>() {
                Ok(lines) => Reply::Lines(lines),
                Err(_) => Reply::Nothing("its answer is no signature".into()),
            }
        }
        (409, Some(size)) if is_size => match parse_size(size) {
            Some(size) => Reply::Conflict(size),
            None => Reply::Nothing("its answer is no size".into()),
        },
        // Earlier versions of the protocol answer so when the roots of one size differ.
        (409 | 422, _) => Reply::Inconsistent,
        _ => Reply::Nothing(format!("{status}: {}", reason(text))),
    }
}

/// The note that the witness at `url` cosigned last of the log `origin`, if it shows it. Nothing
/// says that it is right: its signatures are to be checked.
pub(super) fn newest(agent: &Agent, url: &str, origin: &str) -> Option<String> {
    let log = Sha256::of(origin.as_bytes()).hex();
    let request = agent.get(format!("{url}/{log}/checkpoint"));
    let request = match is_here(url) {
        true => request.config().proxy(None),
        false => request.config(),
    };
    let request = request
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(PATIENCE))
        .build();
    let mut answer = request.call().ok().filter(|answer| answer.status().as_u16() == 200)?;
    let bytes = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().ok()?;
    String::from_utf8(bytes).ok()
}

/// Whether a URL names this machine, which is not reached over a proxy.
fn is_here(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn reason(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|one| !one.is_control()).take(MAX_REASON).collect()
}
