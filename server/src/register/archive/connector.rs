//! Carries the requests of `object_store` with the HTTP client that everything else here uses: one
//! TLS, one list of trusted certificates, and no redirects.

use std::future::Future;
use std::io;
use std::pin::Pin;

use axum::body::Body;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use ureq::Agent;
use ureq::http::{Method, Request, Uri};

use super::list::MAX_SEGMENT_BYTES;
use super::store::PlainHttp;

/// Longest body that is sent or read, in bytes: a segment with something around it.
const MAX_BODY_BYTES: u64 = MAX_SEGMENT_BYTES + (1 << 20);

/// Gives `object_store` a client.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    /// What speaks HTTP. It must not take a status for an error, nor follow redirects.
    pub(super) agent: Agent,
    /// Whether requests may go out without TLS.
    pub(super) plain: PlainHttp,
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl HttpService for Connector {
    fn call<'s, 'a>(&'s self, request: HttpRequest) -> Answer<'a>
    where
        's: 'a,
        Self: 'a,
    {
        Box::pin(async move {
            if !self.plain.permits(request.uri()) {
                let why = "plain http goes to this machine only";
                return Err(HttpError::new(HttpErrorKind::Unknown, io::Error::other(why)));
            }
            let (parts, body) = request.into_parts();
            let limit = usize::try_from(MAX_BODY_BYTES).unwrap_or(usize::MAX);
            let body = axum::body::to_bytes(Body::new(body), limit)
                .await
                .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
            let agent = self.agent.clone();
            let answered = tokio::task::spawn_blocking(move || {
                let answer = if matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE)
                {
                    agent.run(Request::from_parts(parts, ()))
                } else {
                    agent.run(Request::from_parts(parts, body.as_ref()))
                };
                let (parts, mut body) = answer?.into_parts();
                let bytes = body.with_config().limit(MAX_BODY_BYTES).read_to_vec()?;
                Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(bytes)))
            });
            match answered.await {
                Ok(answer) => answer.map_err(|error| HttpError::new(kind(&error), error)),
                Err(error) => Err(HttpError::new(HttpErrorKind::Unknown, error)),
            }
        })
    }
}

/// What went wrong, as far as it decides whether to try again.
fn kind(error: &ureq::Error) -> HttpErrorKind {
    match error {
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            HttpErrorKind::Connect
        }
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    }
}

impl PlainHttp {
    /// Whether a request may go to `uri`.
    pub(super) fn permits(self, uri: &Uri) -> bool {
        match uri.scheme_str() {
            Some("https") => true,
            Some("http") => match self {
                Self::Anywhere => true,
                Self::ThisMachine => uri.host().is_some_and(is_loopback),
            },
            _ => false,
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_crosses_a_network_without_tls_unless_it_is_told_to() {
        let cases = [
            ("https://store.example/bucket", true, true),
            ("http://127.0.0.1:9000/bucket", true, true),
            ("http://[::1]:9000/bucket", true, true),
            ("http://localhost/bucket", true, true),
            ("http://store.example/bucket", false, true),
            ("http://127.0.0.1.store.example/bucket", false, true),
            ("ftp://127.0.0.1/bucket", false, false),
        ];
        for (uri, here, anywhere) in cases {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(PlainHttp::ThisMachine.permits(&uri), here, "{uri}");
            assert_eq!(PlainHttp::Anywhere.permits(&uri), anywhere, "{uri}");
        }
    }
}
