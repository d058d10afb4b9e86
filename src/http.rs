//! Talking to a service over HTTP: JSON in, JSON out, with bounds and time-outs.
//!
//! Plain `http` goes to this machine only: a verdict or a token that crosses a network does so
//! under TLS. No redirect is followed, and no answer is read beyond a limit. A service that has too
//! much to do (429) registered nothing and is asked again, within bounds (`patience`).

mod error;
mod patience;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use server::register::PlainHttp;
use ureq::http::{Response, StatusCode, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};
use zeroize::Zeroizing;

pub use self::error::ServiceError;
use self::patience::{Patience, retry_after};
use crate::error::Error;
use crate::home;
use crate::render::Printer;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 << 20;
/// The largest answer of a service that is not one of Assay's, in bytes.
const MAX_BYTES_ANSWER: u64 = 1 << 20;
/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long to wait for a whole answer.
const WHOLE: Duration = Duration::from_secs(60);
/// How long a segment of the register may take, one way.
const SEGMENT: Duration = Duration::from_secs(600);
/// Holds the token of the service, for writes and for reading entries.
const TOKEN: &str = "ASSAY_TOKEN";
/// Names the file with the token.
const TOKEN_FILE: &str = "ASSAY_TOKEN_FILE";
/// Where systems keep the certificates that they trust, most common first.
const CERTIFICATES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A service, by the URL that all its paths start with.
#[derive(Debug)]
pub struct Service {
    agent: Agent,
    base: String,
    printer: Printer,
}

/// What goes to a service that is not one of Assay's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'a> {
    /// What is sent; without it, something is asked for.
    pub body: Option<&'a [u8]>,
    /// Its media type.
    pub kind: &'a str,
    /// The media type of the answer.
    pub accept: &'a str,
    /// A token to show, a secret.
    pub bearer: Option<&'a str>,
}

/// What a service says when it refuses (RFC 9457).
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    next: Option<String>,
}

impl Service {
    /// The service at `url`. Nothing is sent yet. Whoever reads what `printer` notes learns why it
    /// takes long.
    pub fn at(url: &str, printer: Printer) -> Result<Self, Error> {
        let wrong = |why| Error::from(ServiceError::Url { url: url.into(), why });
        let uri: Uri = url.parse().map_err(|_| wrong("it is not a URL"))?;
        let host = uri.host().ok_or_else(|| wrong("it has no host"))?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(WHOLE))
            .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")));
        let config = match uri.scheme_str() {
            Some("http") if is_loopback(host) => config.proxy(None),
            Some("http") => return Err(wrong("plain http goes to this machine only")),
            Some("https") => config.tls_config(tls()?),
            _ => return Err(wrong("it starts with neither https:// nor http://")),
        };
        let base = url.trim_end_matches('/').to_owned();
        Ok(Self { agent: config.build().into(), base, printer })
    }

    /// The URL that all its paths start with, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Asks for a text.
    pub fn text(&self, path: &str) -> Result<String, Error> {
        let bytes = self.read(self.ask(|| self.agent.get(self.base.clone() + path).call())?)?;
        String::from_utf8(bytes).map_err(|_| self.unreadable("it is not UTF-8".into()))
    }

    /// Asks for a file of at most `limit` bytes; `None` when the service has none.
    pub fn bytes(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let mut answer = self.ask(|| self.agent.get(self.base.clone() + path).call())?;
        match answer.status().as_u16() {
            200 => {}
            404 | 410 => return Ok(None),
            status => return Err(self.unreadable(format!("status {status}"))),
        }
        let body = answer.body_mut().with_config().limit(limit);
        body.read_to_vec().map(Some).map_err(|source| self.unreachable(source))
    }

    /// Asks for a JSON document, with the token if there is one.
    pub fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Error> {
        let token = bearer()?;
        let answer = self.ask(|| {
            let query = query.iter().map(|(name, value)| (*name, value.as_str()));
            let request = self.agent.get(self.base.clone() + path).query_pairs(query);
            match &token {
                Some(token) => request.header("authorization", token.as_str()).call(),
                None => request.call(),
            }
        })?;
        self.parse(self.read(answer)?)
    }

    /// Sends a JSON document and reads the one that comes back.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        let token = bearer()?;
        let answer = self.ask(|| {
            let request = self.agent.post(self.base.clone() + path);
            match &token {
                Some(token) => request.header("authorization", token.as_str()).send_json(body),
                None => request.send_json(body),
            }
        })?;
        self.parse(self.read(answer)?)
    }

    /// Sends or asks for bytes: the status and what is answered, at most [`MAX_BYTES_ANSWER`].
    pub fn exchange(&self, path: &str, sent: &Outgoing<'_>) -> Result<(u16, Vec<u8>), Error> {
        let url = self.base.clone() + path;
        let bearer = sent.bearer.map(|token| Zeroizing::new(format!("Bearer {token}")));
        let accept = Some(sent.accept).filter(|accept| !accept.is_empty()).unwrap_or("*/*");
        let mut answer = self.ask(|| match sent.body {
            Some(body) => {
                let mut request = self.agent.post(&url).header("accept", accept);
                if let Some(bearer) = &bearer {
                    request = request.header("authorization", bearer.as_str());
                }
                request.header("content-type", sent.kind).send(body)
            }
            None => {
                let mut request = self.agent.get(&url).header("accept", accept);
                if let Some(bearer) = &bearer {
                    request = request.header("authorization", bearer.as_str());
                }
                request.call()
            }
        })?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(MAX_BYTES_ANSWER);
        Ok((status, body.read_to_vec().map_err(|source| self.unreachable(source))?))
    }

    /// Asks, and asks again while the service has too much to do: it did nothing then.
    fn ask(
        &self,
        call: impl Fn() -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, Error> {
        let mut patience = Patience::new();
        // Ends with the patience.
        loop {
            let answer = call().map_err(|source| self.unreachable(source))?;
            if answer.status() != StatusCode::TOO_MANY_REQUESTS {
                return Ok(answer);
            }
            let asked = retry_after(answer.headers());
            let Some(wait) = patience.wait(asked) else {
                let Patience { attempts, waited, .. } = patience;
                let url = self.base.clone();
                return Err(ServiceError::Busy { url, attempts, waited, asked }.into());
            };
            self.printer.note(&format!(
                "`{}` has too much to do; asking again in {:.1} s ({})",
                self.base,
                wait.as_secs_f32(),
                patience.progress()
            ));
            std::thread::sleep(wait);
        }
    }

    fn unreachable(&self, source: ureq::Error) -> Error {
        ServiceError::Unreachable { url: self.base.clone(), source: Box::new(source) }.into()
    }

    fn read(&self, mut answer: Response<Body>) -> Result<Vec<u8>, Error> {
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(MAX_ANSWER);
        let bytes = body.read_to_vec().map_err(|source| self.unreachable(source))?;
        if status.is_success() {
            return Ok(bytes);
        }
        let problem: Problem = attest::json::parse_as(&bytes).unwrap_or_default();
        let text = [problem.detail, problem.title].into_iter().find(|text| !text.is_empty());
        Err(ServiceError::Refused {
            url: self.base.clone(),
            status: status.as_u16(),
            detail: text.unwrap_or_else(|| "it gives no reason".into()),
            next: problem.next,
        }
        .into())
    }

    fn parse<T: DeserializeOwned>(&self, bytes: Vec<u8>) -> Result<T, Error> {
        attest::json::parse_as(&bytes).map_err(|error| self.unreadable(error.to_string()))
    }

    /// An answer that is not what the interface says.
    pub fn unreadable(&self, why: String) -> Error {
        ServiceError::Unreadable { url: self.base.clone(), why }.into()
    }
}

/// Speaks to witnesses, whose answers are signed: over TLS as this system trusts it, if it trusts
/// anybody.
pub fn agent() -> Result<Agent, Error> {
    let config = Agent::config_builder().user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")));
    let config = config.timeout_connect(Some(CONNECT)).timeout_global(Some(WHOLE));
    match tls() {
        Ok(tls) => Ok(config.tls_config(tls).build().into()),
        Err(Error::Service(ServiceError::NoCertificates)) => Ok(config.build().into()),
        Err(error) => Err(error),
    }
}

/// Speaks to a store of buckets at `endpoint`, or where those of a region are. What it answers is
/// for whoever asks to judge.
pub fn store_agent(endpoint: Option<&str>, plain: PlainHttp) -> Result<Agent, Error> {
    let wrong = |why| Error::Endpoint { url: endpoint.unwrap_or_default().into(), why };
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_send_body(Some(SEGMENT))
        .timeout_recv_response(Some(WHOLE))
        .timeout_recv_body(Some(SEGMENT))
        .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")));
    let config = match endpoint {
        None => config.tls_config(tls()?),
        Some(endpoint) => {
            let uri: Uri = endpoint.parse().map_err(|_| wrong("it is not a URL"))?;
            let host = uri.host().ok_or_else(|| wrong("it has no host"))?;
            match uri.scheme_str() {
                Some("https") => config.tls_config(tls()?),
                Some("http") if is_loopback(host) => config.proxy(None),
                Some("http") if plain == PlainHttp::Anywhere => config,
                Some("http") => return Err(wrong("plain http goes to this machine only")),
                _ => return Err(wrong("it starts with neither https:// nor http://")),
            }
        }
    };
    Ok(config.build().into())
}

/// The token as it is sent, if there is one.
fn bearer() -> Result<Option<Zeroizing<String>>, Error> {
    Ok(token()?.map(|token| Zeroizing::new(format!("Bearer {}", token.trim()))))
}

/// The service's token, if there is one.
fn token() -> Result<Option<Zeroizing<String>>, Error> {
    if let Ok(token) = std::env::var(TOKEN) {
        return Ok(Some(Zeroizing::new(token)));
    }
    match std::env::var_os(TOKEN_FILE) {
        Some(path) => Ok(Some(Zeroizing::new(home::read_text(Path::new(&path))?))),
        None => Ok(None),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// TLS as this system trusts it: `SSL_CERT_FILE`, else the usual places.
fn tls() -> Result<TlsConfig, Error> {
    let path = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let path = path
        .or_else(|| CERTIFICATES.iter().map(PathBuf::from).find(|path| path.is_file()))
        .ok_or(ServiceError::NoCertificates)?;
    let certificates: Vec<_> = parse_pem(&home::read(&path)?)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(ServiceError::NoCertificates.into());
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Color;

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        let cases = [
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080/", true),
            ("http://localhost", true),
            ("http://assay.example", false),
            ("http://127.0.0.1.assay.example", false),
            ("http://localhost.assay.example", false),
            ("ftp://127.0.0.1", false),
            ("127.0.0.1:8080", false),
            ("", false),
        ];
        for (url, want) in cases {
            let printer = Printer::new(Color::Never, false, true);
            assert_eq!(Service::at(url, printer).is_ok(), want, "{url}");
            let store = |plain| store_agent(Some(url), plain).is_ok();
            assert_eq!(store(PlainHttp::ThisMachine), want, "{url}");
            assert_eq!(store(PlainHttp::Anywhere), url.starts_with("http"), "{url}");
        }
    }
}
