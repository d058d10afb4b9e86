//! Documents that others made: bills of materials and vulnerability scans, signed as they are.

use std::path::{Path, PathBuf};

use ::attest::predicate::{CYCLONEDX, SPDX, VULNERABILITIES};
use ::attest::statement::STATEMENT_V1;
use ::attest::{Predicate, ResourceDescriptor, Statement, json};
use ::policy::PLACEHOLDER;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::SignArgs;
use super::subject::SubjectArgs;
use crate::context::Context;
use crate::error::Error;
use crate::home;

/// Attest a bill of materials (CycloneDX or SPDX, JSON)
#[derive(Args, Debug)]
pub struct SbomArgs {
    /// The bill of materials
    file: PathBuf,

    #[command(flatten)]
    subject: SubjectArgs,

    #[command(flatten)]
    pub sign: SignArgs,
}

impl SbomArgs {
    /// The bytes to sign.
    pub fn payload(&self, cx: &Context<'_>) -> Result<Vec<u8>, Error> {
        let document = home::read(&self.file)?;
        let found = parse(&self.file, &document)?;
        let predicate_type = if found.get("bomFormat").and_then(Value::as_str) == Some("CycloneDX")
        {
            CYCLONEDX
        } else if found.get("spdxVersion").is_some_and(Value::is_string) {
            SPDX
        } else {
            return Err(Error::NotASbom(self.file.clone()));
        };
        payload(&self.file, self.subject.descriptor(cx)?, predicate_type, &document)
    }
}

/// Attest a vulnerability scan (the predicate of in-toto `vulns/v0.2`, JSON)
#[derive(Args, Debug)]
pub struct VulnerabilitiesArgs {
    /// The scan's result
    file: PathBuf,

    #[command(flatten)]
    subject: SubjectArgs,

    #[command(flatten)]
    pub sign: SignArgs,
}

impl VulnerabilitiesArgs {
    /// The bytes to sign.
    pub fn payload(&self, cx: &Context<'_>) -> Result<Vec<u8>, Error> {
        let document = home::read(&self.file)?;
        let found = parse(&self.file, &document)?;
        if !(found.get("scanner").is_some_and(Value::is_object)
            && found.pointer("/scanner/result").is_some_and(Value::is_array))
        {
            return Err(Error::NotAScan(self.file.clone()));
        }
        payload(&self.file, self.subject.descriptor(cx)?, VULNERABILITIES, &document)
    }
}

/// A statement whose predicate keeps the bytes in which it was written.
#[derive(Serialize)]
struct RawStatement<'a> {
    #[serde(rename = "_type")]
    statement_type: &'a str,
    subject: &'a [ResourceDescriptor],
    #[serde(rename = "predicateType")]
    predicate_type: &'a str,
    predicate: &'a RawValue,
}

/// The bytes to sign: the document is the predicate, byte for byte.
pub fn payload(
    path: &Path,
    subject: ResourceDescriptor,
    predicate_type: &str,
    document: &[u8],
) -> Result<Vec<u8>, Error> {
    let broken = |source| Error::Document { path: path.into(), source };
    let value = parse(path, document)?;
    require_filled(path, &value)?;
    // A predicate is an object (in-toto Statement v1); readers elsewhere refuse anything else.
    if !value.is_object() {
        return Err(Error::NotAnObject(path.into()));
    }
    let predicate =
        Predicate::from_value(predicate_type, value).map_err(|source| broken(source.into()))?;
    let statement = Statement { subject: vec![subject], predicate };
    let predicate = serde_json::from_slice(document).map_err(|source| broken(source.into()))?;
    written(path, statement, predicate_type, predicate)
}

/// The bytes to sign of a whole statement: its predicate stays as it is, byte for byte, and it gets a
/// nonce of its own. One in which something is yet to be filled in is refused.
pub fn whole(path: &Path, document: &[u8]) -> Result<Vec<u8>, Error> {
    let broken = |source| Error::Document { path: path.into(), source };
    require_filled(path, &parse(path, document)?)?;
    let statement = Statement::parse(document)?;
    let received: ReceivedStatement<'_> =
        serde_json::from_slice(document).map_err(|source| broken(source.into()))?;
    written(path, statement, &received.predicate_type, received.predicate)
}

/// A whole statement in its own bytes.
#[derive(Deserialize)]
struct ReceivedStatement<'a> {
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(borrow)]
    predicate: &'a RawValue,
}

/// Refuses a document with a placeholder: only a person knows what belongs there.
fn require_filled(path: &Path, value: &Value) -> Result<(), Error> {
    let mut open = vec![(String::new(), value)];
    while let Some((at, value)) = open.pop() {
        match value {
            Value::String(text) if text.starts_with(PLACEHOLDER) => {
                let what = text.clone();
                return Err(Error::Placeholder { path: path.into(), at, what });
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                open.extend(items.map(|(index, item)| (format!("{at}/{index}"), item)));
            }
            Value::Object(members) => {
                open.extend(members.iter().map(|(name, item)| (format!("{at}/{name}"), item)));
            }
            _ => {}
        }
    }
    Ok(())
}

fn written(
    path: &Path,
    statement: Statement,
    predicate_type: &str,
    predicate: &RawValue,
) -> Result<Vec<u8>, Error> {
    let broken = |source| Error::Document { path: path.into(), source };
    let statement = statement.with_nonce()?;
    // The same checks as for a statement of our own: names, identities, how many subjects.
    statement.to_json()?;
    let written = RawStatement {
        statement_type: STATEMENT_V1,
        subject: &statement.subject,
        predicate_type,
        predicate,
    };
    let bytes = serde_json::to_vec(&written).map_err(|source| broken(source.into()))?;
    // What cannot be read back must not be signed.
    Statement::parse(&bytes)?;
    Ok(bytes)
}

fn parse(path: &Path, document: &[u8]) -> Result<Value, Error> {
    json::parse(document).map_err(|source| Error::Document { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use ::attest::ArtifactId;
    use ::attest::Sha256;

    use super::*;

    fn subject() -> ResourceDescriptor {
        ResourceDescriptor::of("model.bin", &ArtifactId::file(Sha256::of(b"model")))
    }

    #[test]
    fn a_document_is_signed_byte_for_byte() {
        let document = br#"{ "z": 1.50, "a": [1e3,  2] }"#;
        let bytes = payload(Path::new("x"), subject(), CYCLONEDX, document).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(r#"{ "z": 1.50, "a": [1e3,  2] }"#), "{text}");
    }

    #[test]
    fn a_statement_is_signed_once_everything_in_it_is_filled_in() {
        let digest = Sha256::of(b"model").hex();
        let statement = |value: &str| {
            format!(
                r#"{{"_type": "{STATEMENT_V1}", "subject": [{{"name": "m", "digest": {{"sha256": "{digest}"}}}}],
                    "predicateType": "https://example.com/x", "predicate": {{ "z": 1.50, "a": [{value}] }}}}"#
            )
        };
        let good = whole(Path::new("x"), statement(r#""what was seen""#).as_bytes()).unwrap();
        let good = String::from_utf8(good).unwrap();
        assert!(good.contains(r#"{ "z": 1.50, "a": ["what was seen"] }"#), "{good}");
        assert!(good.contains("nonce"), "{good}");
        let unfilled = statement(r#""<fill in: what was seen>""#);
        match whole(Path::new("x"), unfilled.as_bytes()) {
            Err(Error::Placeholder { at, .. }) => assert_eq!(at, "/predicate/a/0"),
            other => panic!("{other:?}"),
        }
        for broken in ["{}", "", &statement("1,"), &statement("1").replace("sha256", "md5")] {
            assert!(whole(Path::new("x"), broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn what_is_no_document_is_not_signed() {
        let cases: [(&str, &str, &[u8], bool); 6] = [
            ("an object", "https://example.com/x", b"{}", true),
            ("nothing", "https://example.com/x", b"", false),
            ("not JSON", "https://example.com/x", b"{]", false),
            ("a repeated key", "https://example.com/x", br#"{"a":1,"a":2}"#, false),
            ("two documents", "https://example.com/x", b"{}{}", false),
            ("a known type of another shape", "https://slsa.dev/provenance/v1", b"{}", false),
        ];
        for (name, predicate_type, document, want) in cases {
            let found = payload(Path::new("x"), subject(), predicate_type, document);
            assert_eq!(found.is_ok(), want, "{name}");
        }
    }
}
