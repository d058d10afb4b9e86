//! Where an instance is: its signing configuration.
//!
//! Source: `SigningConfig` in `sigstore_trustroot.proto` of the Sigstore protobuf specification,
//! v0.2, in its JSON form: of the services that are valid, those with the highest version that is
//! spoken here, one of each operator, the newest first.

use serde::Deserialize;

use crate::Timestamp;
use crate::json::{self, JsonError};

/// The largest signing configuration that is read, in bytes.
pub const MAX_CONFIG_BYTES: usize = 64 << 10;
/// How many services of one kind there may be.
const MAX_SERVICES: usize = 32;
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";

/// The services of an instance.
#[derive(Clone, Debug)]
pub struct SigningConfig(ConfigJson);

/// A service that was chosen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// The URL that its paths start with; of a timestamp authority the whole URL.
    pub url: String,
}

/// The services to sign with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningServices {
    /// Issues the certificate.
    pub authority: Service,
    /// Take the signature in.
    pub logs: Vec<Service>,
    /// Tell the time.
    pub clocks: Vec<Service>,
}

/// What a service is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServiceKind {
    /// A certificate authority (Fulcio).
    Authority,
    /// A log of signatures (Rekor).
    Log,
    /// A timestamp authority (RFC 3161).
    Clock,
}

/// Why a signing configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningConfigError {
    /// Not JSON of this shape.
    #[error("not a signing configuration of Sigstore: {0}")]
    Json(#[from] JsonError),
    /// More than [`MAX_CONFIG_BYTES`].
    #[error("the signing configuration has {0} bytes, more than the limit of {MAX_CONFIG_BYTES}")]
    TooLarge(
        /// How many it has.
        usize,
    ),
    /// Another type of document.
    #[error("signing configurations of type `{0}` are not read; expected `{MEDIA_TYPE}`")]
    MediaType(
        /// The type.
        String,
    ),
    /// More services than the limit.
    #[error(
        "the signing configuration has {found} of `{field}`, more than the limit of {MAX_SERVICES}"
    )]
    TooMany {
        /// Of what.
        field: &'static str,
        /// How many.
        found: usize,
    },
    /// A word that is no selector.
    #[error("`{0}` does not say how many services to use; known are ANY, ALL and EXACT")]
    Selector(
        /// The word.
        String,
    ),
    /// No service that can be used at this time.
    #[error(
        "no {kind} of the signing configuration is valid now and speaks version {version} of its \
         interface{}", others(.versions)
    )]
    None {
        /// What is needed.
        kind: ServiceKind,
        /// The version that is spoken here.
        version: u32,
        /// The versions that there are now.
        versions: Vec<u32>,
    },
    /// Fewer services than the configuration itself demands.
    #[error(
        "the signing configuration demands {wanted} of its services for a {kind}, and has {found}"
    )]
    TooFew {
        /// What is needed.
        kind: ServiceKind,
        /// How many are demanded.
        wanted: usize,
        /// How many can be used.
        found: usize,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigJson {
    media_type: String,
    #[serde(default)]
    ca_urls: Vec<ServiceJson>,
    #[serde(default)]
    rekor_tlog_urls: Vec<ServiceJson>,
    #[serde(default)]
    rekor_tlog_config: Option<SelectionJson>,
    #[serde(default)]
    tsa_urls: Vec<ServiceJson>,
    #[serde(default)]
    tsa_config: Option<SelectionJson>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceJson {
    url: String,
    // The JSON form of protocol buffers leaves zero out.
    #[serde(default)]
    major_api_version: u32,
    #[serde(default)]
    valid_for: ValidJson,
    #[serde(default)]
    operator: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct ValidJson {
    #[serde(default)]
    start: Option<Timestamp>,
    #[serde(default)]
    end: Option<Timestamp>,
}

#[derive(Clone, Debug, Deserialize)]
struct SelectionJson {
    #[serde(default)]
    selector: String,
    #[serde(default)]
    count: usize,
}

impl ServiceKind {
    const fn version(self) -> u32 {
        match self {
            Self::Authority | Self::Clock => 1,
            Self::Log => 2,
        }
    }

    /// What it is called in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authority => "certificate authority",
            Self::Log => "log of signatures",
            Self::Clock => "timestamp authority",
        }
    }
}

impl std::fmt::Display for ServiceKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl SigningConfig {
    /// Parses a `signing_config.v0.2.json`.
    ///
    /// # Errors
    /// [`SigningConfigError`].
    pub fn parse(text: &str) -> Result<Self, SigningConfigError> {
        if text.len() > MAX_CONFIG_BYTES {
            return Err(SigningConfigError::TooLarge(text.len()));
        }
        let found: ConfigJson = json::parse_as(text.as_bytes())?;
        if found.media_type != MEDIA_TYPE {
            let found = found.media_type.chars().take(100).collect();
            return Err(SigningConfigError::MediaType(found));
        }
        let counts = [
            ("caUrls", found.ca_urls.len()),
            ("rekorTlogUrls", found.rekor_tlog_urls.len()),
            ("tsaUrls", found.tsa_urls.len()),
        ];
        if let Some((field, found)) = counts.into_iter().find(|(_, count)| *count > MAX_SERVICES) {
            return Err(SigningConfigError::TooMany { field, found });
        }
        Ok(Self(found))
    }

    /// The services to sign with at `now`. Without a timestamp authority nothing proves when a
    /// certificate was used, so that one is needed.
    ///
    /// # Errors
    /// [`SigningConfigError`] when one of the kinds is missing.
    pub fn services(&self, now: Timestamp) -> Result<SigningServices, SigningConfigError> {
        let Self(found) = self;
        let authorities = choose(ServiceKind::Authority, &found.ca_urls, None, now)?;
        let (authority, _) =
            authorities.split_first().ok_or_else(|| none(ServiceKind::Authority))?;
        let (logs, clocks) = (found.rekor_tlog_config.as_ref(), found.tsa_config.as_ref());
        Ok(SigningServices {
            authority: authority.clone(),
            logs: choose(ServiceKind::Log, &found.rekor_tlog_urls, logs, now)?,
            clocks: choose(ServiceKind::Clock, &found.tsa_urls, clocks, now)?,
        })
    }
}

fn none(kind: ServiceKind) -> SigningConfigError {
    SigningConfigError::None { kind, version: kind.version(), versions: Vec::new() }
}

/// The services of one kind to use, at least one.
fn choose(
    kind: ServiceKind,
    services: &[ServiceJson],
    selection: Option<&SelectionJson>,
    now: Timestamp,
) -> Result<Vec<Service>, SigningConfigError> {
    let valid = |service: &&ServiceJson| {
        let ValidJson { start, end } = service.valid_for;
        start.is_some_and(|start| start <= now) && end.is_none_or(|end| now <= end)
    };
    let mut now_valid: Vec<&ServiceJson> = services.iter().filter(valid).collect();
    let mut versions: Vec<u32> =
        now_valid.iter().map(|service| service.major_api_version).collect();
    now_valid.retain(|service| service.major_api_version == kind.version());
    now_valid.sort_by_key(|service| std::cmp::Reverse(service.valid_for.start));
    let mut chosen: Vec<&ServiceJson> = Vec::new();
    for service in now_valid {
        if chosen.iter().all(|other| other.operator != service.operator) {
            chosen.push(service);
        }
    }
    if chosen.is_empty() {
        versions.sort_unstable();
        versions.dedup();
        return Err(SigningConfigError::None { kind, version: kind.version(), versions });
    }
    match selection.map(|selection| (selection.selector.as_str(), selection.count)) {
        Some(("ALL", _)) => {}
        Some(("EXACT", wanted)) if wanted > chosen.len() || wanted == 0 => {
            let found = chosen.len();
            return Err(SigningConfigError::TooFew { kind, wanted, found });
        }
        Some(("EXACT", wanted)) => chosen.truncate(wanted),
        None | Some(("ANY" | "SERVICE_SELECTOR_UNDEFINED" | "", _)) => chosen.truncate(1),
        Some((other, _)) => {
            return Err(SigningConfigError::Selector(other.chars().take(64).collect()));
        }
    }
    Ok(chosen.into_iter().map(|service| Service { url: service.url.clone() }).collect())
}

fn others(versions: &[u32]) -> String {
    if versions.is_empty() {
        return String::new();
    }
    let versions: Vec<String> = versions.iter().map(u32::to_string).collect();
    format!("; those that are valid speak {}", versions.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service(url: &str, version: u32, start: &str, operator: &str) -> Value {
        json!({"url": url, "majorApiVersion": version, "validFor": {"start": start}, "operator": operator})
    }

    fn config(logs: Value, selection: Value) -> String {
        json!({
            "mediaType": MEDIA_TYPE,
            "caUrls": [service("ca", 1, "2020-01-01T00:00:00Z", "a")],
            "rekorTlogUrls": logs,
            "rekorTlogConfig": selection,
            "tsaUrls": [service("tsa", 1, "2020-01-01T00:00:00Z", "a")],
        })
        .to_string()
    }

    #[test]
    fn which_services_are_used() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let old = service("old", 2, "2020-01-01T00:00:00Z", "a");
        let new = service("new", 2, "2025-01-01T00:00:00Z", "a");
        let other = service("other", 2, "2021-01-01T00:00:00Z", "b");
        let later = service("later", 2, "2026-01-01T00:00:01Z", "a");
        let first = service("first", 1, "2020-01-01T00:00:00Z", "a");
        let mut ended = new.clone();
        ended["validFor"]["end"] = json!("2025-12-31T23:59:59Z");
        let mut ending = new.clone();
        ending["validFor"]["end"] = json!("2026-01-01T00:00:00Z");
        let any = json!({"selector": "ANY"});
        let all = json!({"selector": "ALL"});
        let exactly = |count: u32| json!({"selector": "EXACT", "count": count});
        let cases = [
            ("one", json!([old]), any.clone(), Some(&["old"][..])),
            ("the newest", json!([old, new]), any.clone(), Some(&["new"])),
            ("one that has ended", json!([ended, old]), any.clone(), Some(&["old"])),
            ("one in its last second", json!([ending, old]), any.clone(), Some(&["new"])),
            ("one that begins later", json!([later, old]), any.clone(), Some(&["old"])),
            ("another version", json!([first, old]), any.clone(), Some(&["old"])),
            ("another version alone", json!([first]), any.clone(), None),
            ("none", json!([]), any.clone(), None),
            ("one of two operators", json!([old, other]), any, Some(&["other"])),
            ("all, one of each operator", json!([old, new, other]), all, Some(&["new", "other"])),
            ("two of two", json!([old, other]), exactly(2), Some(&["other", "old"])),
            ("two of one", json!([old, new]), exactly(2), None),
            ("none of one", json!([old]), exactly(0), None),
            ("a word", json!([old]), json!({"selector": "SOME"}), None),
            ("no word", json!([old, other]), Value::Null, Some(&["other"])),
        ];
        for (name, logs, selection, want) in cases {
            let config = SigningConfig::parse(&config(logs, selection)).unwrap();
            let found = config.services(now).ok();
            let urls = found
                .map(|found| found.logs.into_iter().map(|service| service.url).collect::<Vec<_>>());
            let want = want.map(|want| want.iter().map(|url| (*url).to_owned()).collect());
            assert_eq!(urls, want, "{name}");
        }
    }

    #[test]
    fn what_is_no_configuration() {
        let good = config(json!([]), Value::Null);
        let many =
            Value::Array(vec![service("x", 2, "2020-01-01T00:00:00Z", "a"); MAX_SERVICES + 1]);
        let cases = [
            ("as it is", good.clone(), true),
            ("another version", good.replace("v0.2", "v0.1"), false),
            ("no type", good.replace("mediaType", "mediaTypes"), false),
            ("a time that is none", good.replace("2020-01-01T00", "2020-13-01T00"), false),
            ("a service without a URL", good.replace("\"url\"", "\"uri\""), false),
            ("too many", config(many, Value::Null), false),
            ("too large", format!("{good}{}", " ".repeat(MAX_CONFIG_BYTES)), false),
        ];
        for (name, text, want) in cases {
            assert_eq!(SigningConfig::parse(&text).is_ok(), want, "{name}");
        }
    }
}
