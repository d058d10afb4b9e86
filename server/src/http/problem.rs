//! What a client is told when a request fails: `application/problem+json` (RFC 9457).
//!
//! Each way to fail has a stable `type`, so that a program can tell them apart, and a `next`
//! that says what to do. What a client may not see (paths, storage messages) is logged here and
//! never sent. A denied check is no failure: it is a report.

use attest::{ArtifactError, NAMESPACE};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::clock::ClockBehind;
use crate::judge::JudgeError;
use crate::keeper::KeepError;
use crate::register::{ReadError, StorageError, SubmitError};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The body is not what the route reads.
    #[error("the body cannot be read: {0}")]
    Body(String),
    /// The body is not sent as `application/json`.
    #[error("the body must be sent as `content-type: application/json`")]
    MediaType,
    /// The body is larger than the route reads.
    #[error("the body has more than {limit} bytes")]
    TooLarge {
        /// The most that the route reads, in bytes.
        limit: usize,
    },
    /// A part of the path or query does not parse.
    #[error("`{name}` cannot be read: {reason}")]
    Parameter {
        /// Name of the path segment or query parameter.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The query has a parameter that the route does not know, or lacks one that it needs.
    #[error("the query cannot be read: {0}")]
    Query(String),
    /// A write without the token, or with another one, or a read that needs it.
    #[error("this request needs the service's token")]
    Unauthorised,
    /// A write that names another machine, to a service for this one alone.
    #[error("this service takes writes only under a name of its own machine, such as `localhost`")]
    NotLocal,
    /// Entries or tiles asked for under the name of another machine, of a service for this one
    /// alone.
    #[error("this service shows entries only under a name of its own machine, such as `localhost`")]
    NotPublic,
    /// The entry does not exist (yet).
    #[error("there is no entry {index}; the register has {size}")]
    NoEntry {
        /// Position that was asked for.
        index: u64,
        /// How many entries there are.
        size: u64,
    },
    /// No such tile (yet).
    #[error("there is no such tile: {0}")]
    NoTile(String),
    /// A tree that does not exist (yet).
    #[error("there is no tree of {asked} entries; the register has {size}")]
    NoTree {
        /// Size that was asked for.
        asked: u64,
        /// How many entries there are.
        size: u64,
    },
    /// A proof that there cannot be.
    #[error("there is no such proof: {0}")]
    NoProof(String),
    /// The envelope was read and is refused.
    #[error("the envelope is refused: {0}")]
    Refused(String),
    /// What was sent to be registered makes no entry.
    #[error("the entry is refused: {0}")]
    Entry(String),
    /// A signature without its statement, by a key whose statements are evidence here.
    #[error(
        "this service's trust file names the key, so that what it signs is registered with its \
         statement"
    )]
    StatementNeeded,
    /// The service has no key to sign promotions with.
    #[error("this service does not promote")]
    NoGate,
    /// The policy in the question does not parse.
    #[error("the policy cannot be used: {0}")]
    Policy(String),
    /// The clock of the service is wrong.
    #[error("{0}")]
    ClockBehind(String),
    /// The service has no policy.
    #[error("this service has no policy to check against")]
    NoPolicy,
    /// The policy that is active cannot be used. What is registered is no secret.
    #[error("the question could not be decided: {0}")]
    UnusablePolicy(String),
    /// No such route.
    #[error("there is nothing at this path")]
    NoRoute,
    /// The route exists, not with this method.
    #[error("this path does not answer this method")]
    Method,
    /// The question could not be asked; the reason is logged.
    #[error("the question could not be decided")]
    Undecided(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer took longer than the service waits.
    #[error("the answer took longer than {seconds} s")]
    TimedOut {
        /// How long the service waits, in seconds.
        seconds: u64,
        /// What may have come of the request all the same.
        effect: Effect,
    },
    /// The service is starting or has fallen behind.
    #[error("the service is not ready: {0}")]
    NotReady(&'static str),
    /// Too many submissions wait already.
    #[error("too many submissions wait to be committed")]
    Busy,
    /// The entries are in, and too few witnesses have cosigned a checkpoint that has them.
    #[error("the entries are in the register, but too few witnesses have cosigned them")]
    NotWitnessed,
    /// A quorum of witnesses is demanded, and no checkpoint has met it yet.
    #[error("no checkpoint has been cosigned by as many witnesses as are demanded")]
    NothingWitnessed,
    /// A defect of ours.
    #[error("the service failed")]
    Internal,
}

/// What a request may do to the register.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Nothing.
    Reads,
    /// It may add entries.
    Writes,
}

/// The document that is sent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// Which failure it is, as a URI; stable.
    #[serde(rename = "type")]
    pub kind: String,
    /// The failure in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence of it.
    pub detail: String,
    /// Which failure it is, as findings have their codes; stable.
    pub code: String,
    /// What to do about it.
    pub next: String,
}

impl ApiError {
    /// A path segment that should be an artifact.
    pub(super) fn artifact(error: &ArtifactError) -> Self {
        Self::Parameter { name: "artifact", reason: error.to_string() }
    }

    /// A question that could not be asked.
    pub(crate) fn undecided(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Undecided(error.into())
    }

    /// Status, last segment of the type, title.
    const fn shape(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Body(_) => (StatusCode::BAD_REQUEST, "body", "Unreadable body"),
            Self::MediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Unsupported media type")
            }
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Body too large"),
            Self::Parameter { .. } => {
                (StatusCode::BAD_REQUEST, "parameter", "Unreadable parameter")
            }
            Self::Query(_) => (StatusCode::BAD_REQUEST, "query", "Unreadable query"),
            Self::Unauthorised => (StatusCode::UNAUTHORIZED, "unauthorised", "Token needed"),
            Self::NotLocal => (StatusCode::FORBIDDEN, "not-local", "Not under this name"),
            Self::NotPublic => (StatusCode::FORBIDDEN, "not-public", "Not under this name"),
            Self::NoEntry { .. } => (StatusCode::NOT_FOUND, "no-entry", "No such entry"),
            Self::NoTile(_) => (StatusCode::NOT_FOUND, "no-tile", "No such tile"),
            Self::NoTree { .. } => (StatusCode::NOT_FOUND, "no-tree", "No such tree"),
            Self::NoProof(_) => (StatusCode::BAD_REQUEST, "no-proof", "No such proof"),
            Self::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "refused", "Envelope refused"),
            Self::Entry(_) => (StatusCode::BAD_REQUEST, "entry", "Entry refused"),
            Self::StatementNeeded => {
                (StatusCode::FORBIDDEN, "statement-needed", "Statement needed")
            }
            Self::Policy(_) => (StatusCode::UNPROCESSABLE_ENTITY, "policy", "Unusable policy"),
            Self::ClockBehind(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "clock-behind", "Clock is behind")
            }
            Self::NoGate => (StatusCode::NOT_IMPLEMENTED, "no-gate", "No gate key"),
            Self::NoPolicy => (StatusCode::NOT_IMPLEMENTED, "no-policy", "No policy"),
            Self::UnusablePolicy(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unusable-policy", "Active policy unusable")
            }
            Self::NoRoute => (StatusCode::NOT_FOUND, "no-route", "No such path"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed"),
            Self::Undecided(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "undecided", "Could not decide")
            }
            Self::TimedOut { effect: Effect::Reads, .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "timed-out", "Timed out")
            }
            Self::TimedOut { effect: Effect::Writes, .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "unacknowledged", "Not acknowledged")
            }
            Self::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready"),
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy", "Too many submissions"),
            Self::NotWitnessed => {
                (StatusCode::SERVICE_UNAVAILABLE, "not-witnessed", "Not witnessed")
            }
            Self::NothingWitnessed => {
                (StatusCode::SERVICE_UNAVAILABLE, "nothing-witnessed", "Nothing witnessed yet")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal failure"),
        }
    }

    /// The code of a finding where there is one, else the last segment of the type.
    fn code(&self, name: &str) -> String {
        match self {
            Self::ClockBehind(_) => "clock.behind".into(),
            _ => name.into(),
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Body(_) | Self::Parameter { .. } | Self::Query(_) => {
                "compare the request with /openapi.json".into()
            }
            Self::MediaType => "send the header `content-type: application/json`".into(),
            Self::TooLarge { .. } => {
                "send less; keep large evidence elsewhere and name its digest".into()
            }
            Self::Unauthorised => "send `authorization: Bearer TOKEN` with the token of the \
                                   operator's `--token-file`"
                .into(),
            Self::NotLocal => {
                "use `http://localhost:PORT`; for other machines, ask the operator for \
                               a service with a token"
                    .into()
            }
            Self::NotPublic => "use `http://localhost:PORT`; for other machines, ask the operator \
                                for a token or for `assay serve --public`"
                .into(),
            Self::NoEntry { .. } | Self::NoTree { .. } | Self::NoTile(_) | Self::NoProof(_) => {
                "read the size from /checkpoint and ask within it".into()
            }
            Self::Refused(_) => {
                "correct what is named and sign again; the keys that signed must be in `verifiers`"
                    .into()
            }
            Self::Entry(_) => "correct what is named and send it again".into(),
            Self::StatementNeeded => "send the whole envelope to /v1/entries".into(),
            Self::Policy(_) => "correct the policy at the place that is named".into(),
            Self::ClockBehind(_) => "take it as not allowed; set the clock of the service".into(),
            Self::NoGate => "promote where the gate key is, or ask the operator to start the \
                             service with one"
                .into(),
            Self::NoPolicy => {
                "ask the operator to give the register a policy (`.assay/policy.yaml`)".into()
            }
            Self::UnusablePolicy(_) => {
                "take it as not allowed; have the policy's owners register it again with its files \
                 (`assay policy publish`), or activate another"
                    .into()
            }
            Self::NoRoute | Self::Method => "read /openapi.json for what there is".into(),
            Self::TimedOut { effect: Effect::Writes, .. } => {
                "it may have been registered; look with /v1/find before you send it again".into()
            }
            Self::Undecided(_) | Self::TimedOut { .. } | Self::NotReady(_) => {
                "take it as not allowed and try again; if it stays, the service's log says why"
                    .into()
            }
            Self::Busy => "nothing was registered; send it again after a second".into(),
            Self::NotWitnessed => {
                "submit the same again for the receipt; nothing is registered twice".into()
            }
            Self::NothingWitnessed => {
                "ask again in a moment; if it stays, the service's log says which witnesses do not \
                 answer"
                    .into()
            }
            Self::Internal => {
                "report it with the time of the request; the service's log has more".into()
            }
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoEntry { index, size } => Self::NoEntry { index, size },
            ReadError::NoTree { asked, size } => Self::NoTree { asked, size },
            ReadError::NoTile { .. } => Self::NoTile(error.to_string()),
            ReadError::Proof(error) => Self::NoProof(error.to_string()),
            ReadError::Storage(StorageError::TooManyTerms(_)) => Self::Query(error.to_string()),
            error => Self::undecided(error),
        }
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::ClockBehind { .. } => Self::ClockBehind(error.to_string()),
            SubmitError::Proposal(error) => Self::Entry(error.to_string()),
            SubmitError::Busy { .. } => Self::Busy,
            SubmitError::Contended | SubmitError::Commit(_) | SubmitError::Read(_) => {
                Self::undecided(error)
            }
            // What is left is about what was sent.
            error => Self::Refused(error.to_string()),
        }
    }
}

impl From<JudgeError> for ApiError {
    fn from(error: JudgeError) -> Self {
        match error {
            JudgeError::ClockBehind { .. } => Self::ClockBehind(error.to_string()),
            error => Self::undecided(error),
        }
    }
}

impl From<ClockBehind> for ApiError {
    fn from(error: ClockBehind) -> Self {
        Self::ClockBehind(error.to_string())
    }
}

impl From<KeepError> for ApiError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Judge(error) => error.into(),
            KeepError::Clock(error) => error.into(),
            error => Self::undecided(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, name, title) = self.shape();
        if let Self::Undecided(source) = &self {
            tracing::error!(error = %source, chain = %chain(source.as_ref()), "question could not be asked");
        }
        let problem = Problem {
            kind: format!("{NAMESPACE}problem/{name}"),
            title: title.into(),
            status: status.as_u16(),
            detail: self.to_string(),
            code: self.code(name),
            next: self.next(),
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// The sources of an error, for the log.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    /// Deeper chains of sources are cut: errors of ours have fewer.
    const MAX_SOURCES: usize = 16;
    let sources = std::iter::successors(error.source(), |source| source.source());
    sources.take(MAX_SOURCES).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_to_come_again_is_told_when() {
        for (error, status, again) in [
            (ApiError::Busy, StatusCode::TOO_MANY_REQUESTS, true),
            (ApiError::NotReady("it is starting"), StatusCode::SERVICE_UNAVAILABLE, true),
            (ApiError::NoRoute, StatusCode::NOT_FOUND, false),
        ] {
            let response = error.into_response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), again, "{status}");
        }
    }

    #[tokio::test]
    async fn nothing_internal_is_sent() {
        let secret = std::io::Error::other("/var/lib/assay/register: permission denied");
        let response = ApiError::undecided(secret).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(!text.contains("/var/lib"), "{text}");
        assert!(text.contains("https://assay.example/problem/undecided"), "{text}");
    }
}
