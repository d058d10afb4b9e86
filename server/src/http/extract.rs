//! What handlers take: parsed, bounded, or refused before the handler runs.

use std::net::IpAddr;
use std::sync::Arc;

use attest::{ArtifactId, Timestamp, json};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::problem::ApiError;
use crate::app::{App, Readers, Writers};
use crate::register::Storage;

/// The most bytes of a question: a few names and digests.
pub(super) const MAX_QUESTION: usize = 1 << 20;
/// The most bytes of a question with an opinion: a policy of 256 KiB with its files of 1 MiB, in
/// JSON's spelling.
pub(super) const MAX_OPINION: usize = 4 << 20;

/// A body that a route reads.
pub(super) trait Posted: DeserializeOwned {
    /// The most bytes that are read.
    const LIMIT: usize;
}

/// A JSON body, read as strictly as statements are.
///
/// The content type is demanded because a web page can send other types across origins without
/// asking the browser first: a service on the loopback address must not be written to that way.
pub(super) struct Body<T>(pub T);

impl<T: Posted, S: Storage + 'static> FromRequest<Arc<App<S>>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App<S>>) -> Result<Self, ApiError> {
        let bytes = json_bytes(request, app, T::LIMIT).await?;
        json::parse_as(&bytes).map(Self).map_err(|error| ApiError::Body(error.to_string()))
    }
}

/// Reads a body that says it is JSON; the route's `DefaultBodyLimit` is `limit`. A service that is
/// being stopped does not wait long for it.
pub(super) async fn json_bytes<S: Storage + 'static>(
    request: Request,
    app: &Arc<App<S>>,
    limit: usize,
) -> Result<Bytes, ApiError> {
    if !is_json(request.headers()) {
        return Err(ApiError::MediaType);
    }
    let read = tokio::select! {
        read = Bytes::from_request(request, app) => read,
        () = app.hurries() => return Err(ApiError::NotReady("it is being stopped")),
    };
    read.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge { limit },
        _ => ApiError::Body("it ended before it was complete".into()),
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The artifact that the path names.
pub(super) struct OfArtifact(pub ArtifactId);

impl<A: Send + Sync> FromRequestParts<A> for OfArtifact {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &A) -> Result<Self, ApiError> {
        let text = segment(parts, app, "artifact").await?;
        text.parse().map(Self).map_err(|error| ApiError::artifact(&error))
    }
}

/// The position that the path names.
pub(super) struct OfEntry(pub u64);

impl<A: Send + Sync> FromRequestParts<A> for OfEntry {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &A) -> Result<Self, ApiError> {
        let text = segment(parts, app, "index").await?;
        let wrong = || ApiError::Parameter { name: "index", reason: "not a whole number".into() };
        text.parse().map(Self).map_err(|_| wrong())
    }
}

async fn segment<A: Send + Sync>(
    parts: &mut Parts,
    app: &A,
    name: &'static str,
) -> Result<String, ApiError> {
    let path = <Path<String> as FromRequestParts<A>>::from_request_parts(parts, app).await;
    path.map(|Path(text)| text)
        .map_err(|rejection| ApiError::Parameter { name, reason: rejection.body_text() })
}

/// The query of the request; a parameter that the route does not know is an error.
pub(super) struct Asked<T>(pub T);

impl<T: DeserializeOwned, A: Send + Sync> FromRequestParts<A> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &A) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, app).await;
        query
            .map(|Query(query)| Self(query))
            .map_err(|rejection| ApiError::Query(rejection.body_text()))
    }
}

/// The time of the request: the clock is read once for each, and not followed back.
pub(super) struct Now(pub Timestamp);

impl<S: Storage> FromRequestParts<Arc<App<S>>> for Now {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, app: &Arc<App<S>>) -> Result<Self, ApiError> {
        Ok(Self(app.now()?))
    }
}

/// Proof that the request may write.
pub(super) struct MayWrite;

impl<S: Storage> FromRequestParts<Arc<App<S>>> for MayWrite {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App<S>>) -> Result<Self, ApiError> {
        match app.writers() {
            Writers::Token(token) if token.is_in(&parts.headers) => Ok(Self),
            Writers::Token(_) => Err(ApiError::Unauthorised),
            Writers::ThisMachine if names_this_machine(parts) => Ok(Self),
            Writers::ThisMachine => Err(ApiError::NotLocal),
            Writers::Everybody => Ok(Self),
        }
    }
}

/// Proof that the request may read entries and what is made of them.
pub(super) struct MayRead;

impl<S: Storage> FromRequestParts<Arc<App<S>>> for MayRead {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App<S>>) -> Result<Self, ApiError> {
        match app.readers() {
            Readers::Everybody => Ok(Self),
            Readers::Writers => match MayWrite::from_request_parts(parts, app).await {
                Ok(MayWrite) => Ok(Self),
                Err(ApiError::NotLocal) => Err(ApiError::NotPublic),
                Err(error) => Err(error),
            },
        }
    }
}

/// Whether the request asks for this machine by a name of its own. A request without a name is
/// not a browser's.
fn names_this_machine(parts: &Parts) -> bool {
    let header = parts.headers.get(header::HOST);
    let name = match (parts.uri.authority(), header.map(|value| value.to_str())) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(Ok(name))) => name,
        (None, Some(Err(_))) => return false,
        (None, None) => return true,
    };
    let port = |(_, port): &(&str, &str)| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = name.rsplit_once(':').filter(port).map_or(name, |(host, _)| host);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
