//! A key that a program of its own signs with: with a cloud's key service, say.
//!
//! `plugin:NAME?key=REFERENCE` names it. The program is `assay-signer-NAME` in `PATH`, or an
//! absolute path in the place of `NAME`; the reference is its own affair. It is asked one question
//! a run, by a JSON document on its standard input, and answers with one on its standard output:
//! which public key it is (`describe`), and a signature (`sign`). `examples/signers/README.md`
//! says it all, for whoever writes such a program.
//!
//! Nothing that it says is believed: a signature is checked under the key that it described, and
//! that key is held against `id=…` of the URI when it has one.

mod environment;
mod error;
mod process;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use attest::{Keeper, KeyError, KeyId, PublicKey, SigningKey, json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::error::PluginError;
use super::uri::{self, UriError};

/// What the URI of such a key begins with.
pub const SCHEME: &str = "plugin:";
/// What the names of such programs begin with.
const PREFIX: &str = "assay-signer-";
/// The version of the protocol.
const VERSION: &str = "assay/signer/v1";
/// How long a program may take for one answer.
const LIMIT: Duration = Duration::from_secs(60);
/// The longest time that `timeout=…` can ask for, in seconds.
const MAX_SECONDS: u64 = 600;

/// A key with a plugin, which has not been asked yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PluginKey {
    program: Program,
    reference: String,
    id: Option<KeyId>,
    limit: Duration,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Program {
    /// `assay-signer-NAME`, looked for in `PATH`.
    Named(String),
    At(PathBuf),
}

impl PluginKey {
    /// Reads what follows `plugin:`.
    ///
    /// # Errors
    /// [`UriError`].
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let (program, query) = text.split_once('?').unwrap_or((text, ""));
        let program = match uri::decoded(program).map(OsString::from_vec) {
            Some(path) if Path::new(&path).is_absolute() => Program::At(path.into()),
            Some(name) if name.to_str().is_some_and(super::is_name) => {
                Program::Named(name.to_string_lossy().into_owned())
            }
            _ => {
                let expected = "the name of a signer, or an absolute path";
                return Err(UriError::Value { name: "plugin", expected });
            }
        };
        let (mut reference, mut id, mut limit) = (None, None, LIMIT);
        for (name, value) in uri::attributes(query, '&')? {
            let value = uri::text(name, value)?;
            match name {
                "key" => reference = Some(value),
                "id" => {
                    let expected = "what `assay key id` says of a key: `sha256:` and 64 hex digits";
                    let read = value.parse().map_err(|_| UriError::Value { name: "id", expected });
                    id = Some(read?);
                }
                "timeout" => {
                    let seconds = value.parse().ok().filter(|n| (1..=MAX_SECONDS).contains(n));
                    let expected = "a number of seconds, from 1 to 600";
                    let read = seconds.ok_or(UriError::Value { name: "timeout", expected });
                    limit = Duration::from_secs(read?);
                }
                other => return Err(UriError::Unknown(other.into())),
            }
        }
        let reference = reference.filter(|text| !text.is_empty());
        Ok(Self { program, reference: reference.ok_or(UriError::Missing("key"))?, id, limit })
    }

    /// Where the program is. Nothing is started.
    ///
    /// # Errors
    /// [`PluginError::NotFound`].
    pub fn program(&self) -> Result<PathBuf, PluginError> {
        match &self.program {
            Program::At(path) if is_program(path) => Ok(path.clone()),
            Program::At(path) => Err(PluginError::NotFound(path.clone())),
            Program::Named(name) => {
                let file = format!("{PREFIX}{name}");
                let path = std::env::var_os("PATH").unwrap_or_default();
                // A relative entry would be a program of whatever folder this is.
                std::env::split_paths(&path)
                    .filter(|folder| folder.is_absolute())
                    .map(|folder| folder.join(&file))
                    .find(|path| is_program(path))
                    .ok_or_else(|| PluginError::NotFound(file.into()))
            }
        }
    }

    /// Asks which public key it is.
    ///
    /// # Errors
    /// [`PluginError`].
    pub fn describe(&self) -> Result<PublicKey, PluginError> {
        let program = self.program()?;
        let question = Question { operation: "describe", ..Question::about(&self.reference) };
        let found: Described = self.ask(&program, &question)?;
        let wrong = |source| PluginError::Key { program: program.clone(), source };
        let public = PublicKey::from_pem(&found.public_key).map_err(wrong)?;
        if found.algorithm != public.algorithm().as_str() {
            let (claimed, found) = (found.algorithm, public.algorithm().as_str());
            return Err(PluginError::Algorithm { program, claimed, found });
        }
        match self.id {
            Some(wanted) if wanted != public.id() => {
                Err(PluginError::OtherKey { program, wanted, found: public.id() })
            }
            _ => Ok(public),
        }
    }

    /// Asks which key it is, and makes it one to sign with.
    ///
    /// # Errors
    /// [`PluginError`].
    pub fn open(&self) -> Result<SigningKey, PluginError> {
        let public = self.describe()?;
        let signer = Signer { key: self.clone(), public: public.clone() };
        Ok(SigningKey::kept(public, Box::new(signer)))
    }

    fn ask<T: DeserializeOwned>(
        &self,
        program: &Path,
        question: &Question<'_>,
    ) -> Result<T, PluginError> {
        let asked = serde_json::to_vec(question);
        let asked = asked.map_err(|error| PluginError::start(program, error.into()))?;
        let answer = process::ask(program, environment::passed(), asked, self.limit)?;
        let garbage = |source| PluginError::Garbage { program: program.into(), source };
        if let Ok(Refusal { error }) = json::parse_as(&answer.output) {
            let why = last_words(error.as_bytes());
            return Err(PluginError::Refused { program: program.into(), why });
        }
        if answer.status != 0 {
            let (status, words) = (answer.status, answer.words);
            return Err(PluginError::Failed { program: program.into(), status, words });
        }
        let versioned: Versioned = json::parse_as(&answer.output).map_err(garbage)?;
        if versioned.version != VERSION {
            let found = versioned.version;
            return Err(PluginError::Version { program: program.into(), found });
        }
        json::parse_as(&answer.output).map_err(garbage)
    }
}

/// Whether a file can be run by somebody.
fn is_program(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The same key, once it has said which it is.
struct Signer {
    key: PluginKey,
    public: PublicKey,
}

impl Keeper for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let said = |error: PluginError| KeyError::Kept(error.whole());
        let program = self.key.program().map_err(said)?;
        let algorithm = self.public.algorithm();
        let question = Question {
            operation: "sign",
            algorithm: Some(algorithm.as_str()),
            message: Some(STANDARD.encode(message)),
            digest: algorithm.prehash(message).map(|digest| STANDARD.encode(digest)),
            ..Question::about(&self.key.reference)
        };
        let found: Signed = self.key.ask(&program, &question).map_err(said)?;
        STANDARD.decode(&found.signature).map_err(|_| said(PluginError::Signature { program }))
    }
}

/// What is asked.
#[derive(Serialize)]
struct Question<'a> {
    version: &'static str,
    operation: &'static str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl<'a> Question<'a> {
    const fn about(key: &'a str) -> Self {
        let (version, operation) = (VERSION, "describe");
        Self { version, operation, key, algorithm: None, digest: None, message: None }
    }
}

#[derive(Deserialize)]
struct Versioned {
    version: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    public_key: String,
    algorithm: String,
}

#[derive(Deserialize)]
struct Signed {
    signature: String,
}

/// How many characters of what a program says are passed on.
const MAX_WORDS: usize = 500;

/// What a program wrote, in one line, and no more of it than its end.
fn last_words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let before = text.chars().count().saturating_sub(MAX_WORDS);
    text.chars().skip(before).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_uri_names() {
        let id = format!("sha256:{}", "0f".repeat(32));
        let unlike = |name, expected| Err(UriError::Value { name, expected });
        let named = |reference: &str, id: Option<&str>, seconds| {
            Ok(PluginKey {
                program: Program::Named("cloud".into()),
                reference: reference.into(),
                id: id.map(|id| id.parse().unwrap()),
                limit: Duration::from_secs(seconds),
            })
        };
        let program = "the name of a signer, or an absolute path";
        let seconds = "a number of seconds, from 1 to 600";
        let cases = [
            ("cloud?key=a".into(), named("a", None, 60)),
            ("cloud?key=arn:aws:kms:x:1:key/2".into(), named("arn:aws:kms:x:1:key/2", None, 60)),
            ("cloud?key=a%26b".into(), named("a&b", None, 60)),
            (format!("cloud?key=a&id={id}"), named("a", Some(&id), 60)),
            ("cloud?key=a&timeout=600".into(), named("a", None, 600)),
            ("cloud?key=a&timeout=601".into(), unlike("timeout", seconds)),
            ("cloud?key=a&timeout=0".into(), unlike("timeout", seconds)),
            ("cloud".into(), Err(UriError::Missing("key"))),
            ("cloud?key=".into(), Err(UriError::Missing("key"))),
            ("cloud?key=a&key=b".into(), Err(UriError::Twice("key".into()))),
            ("cloud?key=a&region=b".into(), Err(UriError::Unknown("region".into()))),
            ("?key=a".into(), unlike("plugin", program)),
            ("../cloud?key=a".into(), unlike("plugin", program)),
            ("a%2fcloud?key=a".into(), unlike("plugin", program)),
        ];
        for (text, want) in cases {
            assert_eq!(PluginKey::parse(&text), want, "{text}");
        }
        let at = PluginKey::parse("/usr/lib/my%20signer?key=a").unwrap();
        assert_eq!(at.program, Program::At("/usr/lib/my signer".into()));
    }
}
