//! `assay trust export`: what other people's clients need to know in order to use the register.
//!
//! For Sigstore clients these are a trusted root, which says whose checkpoints to believe, a signing
//! configuration, which says where to register, and both in one file. Source:
//! `sigstore_trustroot.proto` of the Sigstore protobuf specification, as the clients of today read
//! it. Only a register that the trust file names is exported: nobody learns trust from a service.

use std::fs;
use std::path::{Path, PathBuf};

use ::attest::{Checkpoint, Timestamp, VerifierKey, json};
use ::verify::TrustedLog;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use ureq::http::Uri;

use crate::context::Context;
use crate::error::{Action, Error};
use crate::home::{self, Existing, Readers};
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::source::Source;

/// The media type of trusted roots that every client of today reads.
const TRUSTED_ROOT: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
/// What all media types of trusted roots start with.
const TRUSTED_ROOTS: &str = "application/vnd.dev.sigstore.trustedroot";
const SIGNING_CONFIG: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
const CLIENT_TRUST: &str = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json";

const TRUSTED_ROOT_FILE: &str = "trusted_root.json";
const SIGNING_CONFIG_FILE: &str = "signing_config.json";
const CLIENT_TRUST_FILE: &str = "client_trust_config.json";

/// Write what other programs need in order to use the register
///
/// The register must be named by the trust file. Without `--instance`, Sigstore clients can check
/// entries of the register; to sign, they need a certificate authority besides.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay trust export --sigstore --url https://assay.example
  assay trust export --sigstore --url https://assay.example --instance our-sigstore --output out
  sigstore --trust-config out/client_trust_config.json sign model.bin")]
pub(super) struct ExportArgs {
    /// For Sigstore clients: a trusted root and a signing configuration
    #[arg(long, required = true)]
    sigstore: bool,

    /// Where clients reach the service; otherwise where this command does
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// A Sigstore instance to use the register with: a folder with its `trusted_root.json` and
    /// `signing_config.json`
    #[arg(long, value_name = "DIR")]
    instance: Option<PathBuf>,

    /// The folder to write to; otherwise the working directory
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl ExportArgs {
    pub(super) fn run(&self, trust: Option<&Path>, cx: &Context<'_>) -> Result<Exported, Error> {
        let source = Source::open(cx)?;
        let url = self.url.as_deref().or(source.url()).ok_or(Error::NoServiceUrl)?;
        let url = service_url(url)?;
        let (log, size) = trusted_log(&source, trust, cx)?;
        let key = log.key();
        // The key is trusted for every entry, so from the first on.
        let start = match size {
            0 => cx.now,
            _ => source.entry(0)?.entry.time,
        };
        let register = Exporting { key, former: former(&log), url: &url, start };
        let (root, config) = match &self.instance {
            None => (register.trusted_root(), register.signing_config()),
            Some(folder) => register.with_instance(folder)?,
        };
        let both = json!({
            "mediaType": CLIENT_TRUST,
            "trustedRoot": root,
            "signingConfig": config,
        });
        let folder = self.output.clone().unwrap_or_default();
        if !folder.as_os_str().is_empty() {
            fs::create_dir_all(&folder).map_err(|error| Error::io(Action::Make, &folder, error))?;
        }
        let mut files = Vec::new();
        for (name, document) in
            [(TRUSTED_ROOT_FILE, &root), (SIGNING_CONFIG_FILE, &config), (CLIENT_TRUST_FILE, &both)]
        {
            let path = folder.join(name);
            let text = format!("{document:#}\n");
            home::write(&path, text.as_bytes(), Readers::All, Existing::Replaced)?;
            files.push(path);
        }
        Ok(Exported {
            version: "assay/trust-exported/v1",
            origin: key.name().into(),
            signs: !list(&config, "caUrls").is_empty(),
            url,
            files,
        })
    }
}

/// The URL without a slash at the end: clients put theirs after it.
fn service_url(url: &str) -> Result<String, Error> {
    let wrong = || Error::NotAServiceUrl(url.into());
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    match (uri.scheme_str(), uri.host(), uri.query()) {
        (Some("http" | "https"), Some(_), None) => Ok(url.trim_end_matches('/').to_owned()),
        _ => Err(wrong()),
    }
}

/// The keys that the register had and that are believed still. Of one that was lost a single tree
/// counts, which a trusted root cannot say.
fn former(log: &TrustedLog) -> Vec<VerifierKey> {
    let kept = log.former().iter().filter(|former| former.last_good().is_none());
    kept.map(|former| former.key().clone()).collect()
}

/// The register, as the trust file has it, and how many entries are under its newest checkpoint.
fn trusted_log(
    source: &Source,
    trust: Option<&Path>,
    cx: &Context<'_>,
) -> Result<(TrustedLog, u64), Error> {
    let note = source.checkpoint()?;
    let origin = Checkpoint::claimed_origin(&note).unwrap_or_default();
    let trust = cx.believed(trust)?;
    let log = trust.log(origin).ok_or_else(|| match source.verifier() {
        Some(key) => Error::UntrustedLog { origin: origin.into(), key: key.to_string() },
        None => Error::UnnamedRegister(origin.into()),
    })?;
    let (checkpoint, _) = log.open(&note).map_err(|source| Error::Log(Box::new(source)))?;
    Ok((log.clone(), checkpoint.size))
}

/// A register that is being exported.
struct Exporting<'a> {
    key: &'a VerifierKey,
    /// Keys that it had and that are believed still.
    former: Vec<VerifierKey>,
    url: &'a str,
    start: Timestamp,
}

impl Exporting<'_> {
    fn start(&self) -> Value {
        json!({"start": self.start.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()})
    }

    /// The logs in a trusted root: one for each of the register's keys.
    fn logs(&self) -> impl Iterator<Item = Value> {
        [self.key].into_iter().chain(&self.former).map(|key| self.log(key))
    }

    /// The log in a trusted root. Clients take the name in its checkpoints from `baseUrl`, without
    /// the scheme (`CLIENTS.md` of rekor-tiles), so that it says the origin and not the service.
    fn log(&self, key: &VerifierKey) -> Value {
        json!({
            "baseUrl": format!("https://{}", key.name()),
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": STANDARD.encode(key.key().der()),
                "keyDetails": "PKIX_ED25519",
                "validFor": self.start(),
            },
            "logId": {"keyId": STANDARD.encode(key.id().as_bytes())},
        })
    }

    fn service(&self) -> Value {
        json!({
            "url": self.url,
            "majorApiVersion": 2,
            "validFor": self.start(),
            "operator": self.key.name(),
        })
    }

    fn trusted_root(&self) -> Value {
        json!({
            "mediaType": TRUSTED_ROOT,
            "tlogs": self.logs().collect::<Value>(),
            "certificateAuthorities": [],
            "ctlogs": [],
            "timestampAuthorities": [],
        })
    }

    fn signing_config(&self) -> Value {
        json!({
            "mediaType": SIGNING_CONFIG,
            "caUrls": [],
            "oidcUrls": [],
            "rekorTlogUrls": [self.service()],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [],
            "tsaConfig": {"selector": "ANY"},
        })
    }

    /// The documents of an instance with this register: its log is believed beside the instance's
    /// own, and new entries go to this register alone.
    fn with_instance(&self, folder: &Path) -> Result<(Value, Value), Error> {
        let mut root = document(folder, TRUSTED_ROOT_FILE, "a trusted root of Sigstore", |kind| {
            kind.starts_with(TRUSTED_ROOTS)
        })?;
        let mut config = document(
            folder,
            SIGNING_CONFIG_FILE,
            "a signing configuration v0.2 of Sigstore",
            |kind| kind == SIGNING_CONFIG,
        )?;
        let own: Vec<Value> = self.logs().collect();
        // What this command wrote before is replaced.
        let is_own = |log: &&Value| own.iter().any(|own| log.get("logId") == own.get("logId"));
        let others = list(&root, "tlogs").iter().filter(|log| !is_own(log)).cloned();
        let logs: Vec<Value> = others.collect::<Vec<_>>().into_iter().chain(own.clone()).collect();
        set(&mut root, "tlogs", logs.into());
        set(&mut config, "rekorTlogUrls", json!([self.service()]));
        set(&mut config, "rekorTlogConfig", json!({"selector": "ANY"}));
        Ok((root, config))
    }
}

/// A document of a Sigstore instance, of the media type that is wanted.
fn document(
    folder: &Path,
    name: &str,
    expected: &'static str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Value, Error> {
    let path = folder.join(name);
    let found = json::parse(&home::read(&path)?);
    let found = found.map_err(|source| Error::Document { path: path.clone(), source })?;
    match found.get("mediaType").and_then(Value::as_str) {
        Some(kind) if wanted(kind) => Ok(found),
        _ => Err(Error::NotOfSigstore { path, expected }),
    }
}

fn list<'v>(document: &'v Value, name: &str) -> &'v [Value] {
    document.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn set(document: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = document {
        fields.insert(name.into(), value);
    }
}

/// What was written.
#[derive(Serialize)]
pub(super) struct Exported {
    version: &'static str,
    origin: String,
    url: String,
    /// Whether clients can sign with these files alone.
    signs: bool,
    files: Vec<PathBuf>,
}

impl Answer for Exported {
    fn draw(&self, page: &mut Page) {
        page.text("exported ").put(Tone::Strong, &self.origin).text(" at ").line(&self.url);
        for file in &self.files {
            page.line(format_args!("written to {}", file.display()));
        }
        if !self.signs {
            page.line(
                "clients can check entries with this; to sign they need a certificate authority: \
                 `--instance`",
            );
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

#[cfg(test)]
mod tests {
    use ::attest::SigningKey;

    use super::*;

    #[test]
    fn urls_are_those_of_services() {
        let cases = [
            ("https://assay.example", Some("https://assay.example")),
            ("https://assay.example/register/", Some("https://assay.example/register")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("ftp://assay.example", None),
            ("assay.example", None),
            ("https://assay.example/?a=b", None),
            ("", None),
        ];
        for (url, want) in cases {
            assert_eq!(service_url(url).ok().as_deref(), want, "{url}");
        }
    }

    #[test]
    fn an_instance_keeps_what_it_has_and_registers_here() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, document: Value| {
            fs::write(folder.path().join(name), document.to_string()).unwrap();
        };
        let key = SigningKey::from_ed25519_seed(&[7; 32]).unwrap();
        let key = VerifierKey::new("assay.local/0", key.public().clone()).unwrap();
        let former = VerifierKey::new(
            "assay.local/0",
            SigningKey::from_ed25519_seed(&[8; 32]).unwrap().public().clone(),
        );
        let register = Exporting {
            key: &key,
            former: vec![former.unwrap()],
            url: "https://assay.example",
            start: Timestamp::UNIX_EPOCH,
        };
        let [own, old] = [register.key, &register.former[0]].map(|key| register.log(key));
        let mut root = register.trusted_root();
        set(&mut root, "tlogs", json!([{"logId": {"keyId": "AAAA"}}, old]));
        set(&mut root, "certificateAuthorities", json!(["theirs"]));
        let mut config = register.signing_config();
        set(&mut config, "caUrls", json!(["theirs"]));
        set(&mut config, "rekorTlogUrls", json!(["theirs"]));
        write(TRUSTED_ROOT_FILE, root.clone());
        write(SIGNING_CONFIG_FILE, config.clone());

        let (root, config) = register.with_instance(folder.path()).unwrap();
        assert_eq!(root["tlogs"], json!([{"logId": {"keyId": "AAAA"}}, own, old]));
        assert_eq!(root["certificateAuthorities"], json!(["theirs"]));
        assert_eq!(config["caUrls"], json!(["theirs"]));
        assert_eq!(config["rekorTlogUrls"], json!([register.service()]));

        // The smallest changes: the two files changed about, and one that says nothing.
        for (root, config) in [(&config, &root), (&root, &json!({})), (&json!({}), &config)] {
            write(TRUSTED_ROOT_FILE, root.clone());
            write(SIGNING_CONFIG_FILE, config.clone());
            let refused = register.with_instance(folder.path());
            assert!(matches!(refused, Err(Error::NotOfSigstore { .. })));
        }
    }
}
