//! Talking to a service over HTTP: JSON in, JSON out, with bounds and time-outs.
//!
//! Plain `http` goes to this machine only: a verdict or a token that crosses a network does so
//! under TLS. No redirect is followed, and no answer is read beyond a limit.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use server::register::PlainHttp;
use ureq::http::Uri;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::home;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 << 20;
/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long to wait for a whole answer.
const WHOLE: Duration = Duration::from_secs(60);
/// How long a segment of the register may take, one way.
const SEGMENT: Duration = Duration::from_secs(600);
/// Holds the token for writes.
const TOKEN: &str = "ASSAY_TOKEN";
/// Names the file with the token for writes.
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
    /// The service at `url`. Nothing is sent yet.
    pub fn at(url: &str) -> Result<Self, Error> {
        let wrong = |why| Error::ServerUrl { url: url.into(), why };
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
        Ok(Self { agent: config.build().into(), base })
    }

    /// The URL that all its paths start with, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Asks for a text.
    pub fn text(&self, path: &str) -> Result<String, Error> {
        let answer = self.agent.get(format!("{}{path}", self.base)).call();
        let bytes = self.read(answer)?;
        String::from_utf8(bytes).map_err(|_| self.unreadable("it is not UTF-8".into()))
    }

    /// Asks for a file of at most `limit` bytes; `None` when the service has none.
    pub fn bytes(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let unreachable =
            |source| Error::Unreachable { url: self.base.clone(), source: Box::new(source) };
        let mut answer =
            self.agent.get(format!("{}{path}", self.base)).call().map_err(unreachable)?;
        match answer.status().as_u16() {
            200 => {}
            404 | 410 => return Ok(None),
            status => return Err(self.unreadable(format!("status {status}"))),
        }
        let body = answer.body_mut().with_config().limit(limit);
        body.read_to_vec().map(Some).map_err(unreachable)
    }

    /// Asks for a JSON document.
    pub fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Error> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let query = query.iter().map(|(name, value)| (*name, value.as_str()));
        self.parse(self.read(request.query_pairs(query).call())?)
    }

    /// Sends a JSON document and reads the one that comes back.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        if let Some(token) = token()? {
            let value = Zeroizing::new(format!("Bearer {}", token.trim()));
            request = request.header("authorization", value.as_str());
        }
        self.parse(self.read(request.send_json(body))?)
    }

    fn read(
        &self,
        answer: Result<ureq::http::Response<Body>, ureq::Error>,
    ) -> Result<Vec<u8>, Error> {
        let unreachable =
            |source| Error::Unreachable { url: self.base.clone(), source: Box::new(source) };
        let mut answer = answer.map_err(unreachable)?;
        let status = answer.status();
        let bytes =
            answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(unreachable)?;
        if status.is_success() {
            return Ok(bytes);
        }
        let problem: Problem = attest::json::parse_as(&bytes).unwrap_or_default();
        let text = [problem.detail, problem.title].into_iter().find(|text| !text.is_empty());
        Err(Error::Refused {
            url: self.base.clone(),
            status: status.as_u16(),
            detail: text.unwrap_or_else(|| "it gives no reason".into()),
            next: problem.next,
        })
    }

    fn parse<T: DeserializeOwned>(&self, bytes: Vec<u8>) -> Result<T, Error> {
        attest::json::parse_as(&bytes).map_err(|error| self.unreadable(error.to_string()))
    }

    /// An answer that is not what the interface says.
    pub fn unreadable(&self, why: String) -> Error {
        Error::Unreadable { url: self.base.clone(), why }
    }
}

/// Speaks to witnesses, whose answers are signed: over TLS as this system trusts it, if it trusts
/// anybody.
pub fn agent() -> Result<Agent, Error> {
    let config = Agent::config_builder().user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")));
    let config = config.timeout_connect(Some(CONNECT)).timeout_global(Some(WHOLE));
    match tls() {
        Ok(tls) => Ok(config.tls_config(tls).build().into()),
        Err(Error::NoCertificates) => Ok(config.build().into()),
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

/// The token for writes, if there is one.
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
        .ok_or(Error::NoCertificates)?;
    let certificates: Vec<_> = parse_pem(&home::read(&path)?)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(Error::NoCertificates);
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(Service::at(url).is_ok(), want, "{url}");
            let store = |plain| store_agent(Some(url), plain).is_ok();
            assert_eq!(store(PlainHttp::ThisMachine), want, "{url}");
            assert_eq!(store(PlainHttp::Anywhere), url.starts_with("http"), "{url}");
        }
    }
}
