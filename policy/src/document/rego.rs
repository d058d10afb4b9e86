//! The section of rules in Rego: their texts, inline or in files that come beside the document.
//!
//! A file is named with its digest, so that the digest of the document covers it too.

use std::collections::{BTreeMap, BTreeSet};

use attest::{Sha256, Timestamp};
use serde_saphyr::Spanned;
use verify::Window;

use super::field::{Compiled, require, shown, value, wrong};
use super::{Document, Place, PolicyError, Problem, Rego, Text};
use crate::rego::{MAX_REGO_BYTES, MAX_REGO_FILES_BYTES, MAX_REGO_RULES, Module, RegoRule};

/// The longest name of a rule, in bytes.
const MAX_ID: usize = 64;

/// The files beside a document, by the names that it gives them.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The names of the files that a document names, each once, in their order.
pub(crate) fn named(document: &Document) -> Compiled<Vec<String>> {
    let mut names = BTreeSet::new();
    for line in &document.rego.0 {
        if let Some(file) = &line.value.file {
            names.insert(file_name(file)?);
        }
    }
    Ok(names.into_iter().collect())
}

/// Compiles every rule; of `files`, those that are named are kept.
pub(super) fn rego(
    document: &Document,
    steps: &[&str],
    files: &Files,
) -> Compiled<(Vec<RegoRule>, Files)> {
    let (mut rules, mut kept) = (Vec::<RegoRule>::new(), Files::new());
    for (index, line) in document.rego.0.iter().enumerate() {
        if index >= MAX_REGO_RULES {
            let problem = format!("more than {MAX_REGO_RULES} rules in Rego");
            return Err(wrong(line, Problem::Value(problem)));
        }
        let id = id(&line.value.id)?;
        if rules.iter().any(|known| known.id == id) {
            return Err(wrong(&line.value.id, Problem::RepeatedKey(id)));
        }
        let (text, at) = text(line, files, &mut kept)?;
        let module = Module::compile(&id, &text, steps)
            .map_err(|error| PolicyError::at(at, value(error)))?;
        rules.push(RegoRule {
            rule: format!("rego.{id}"),
            id,
            effective: effective(&line.value)?,
            module,
        });
    }
    Ok((rules, kept))
}

/// The text of a rule, and where it stands.
fn text(
    line: &Spanned<Rego>,
    files: &Files,
    kept: &mut Files,
) -> Compiled<(String, Option<Place>)> {
    let fields = &line.value;
    match (&fields.text, &fields.file) {
        (Some(text), None) => {
            if let Some(digest) = &fields.sha256 {
                let problem = "`sha256` is that of a `file`; a text in the document needs none";
                return Err(wrong(digest, Problem::Contradiction(problem)));
            }
            Ok((text.value.clone(), Place::of(text.referenced)))
        }
        (None, Some(file)) => {
            let digest = require(line, fields.sha256.as_ref(), "sha256")?;
            let text = read(file, digest, files, kept)?;
            Ok((text, Place::of(file.referenced)))
        }
        (Some(_), Some(file)) => {
            let problem = "a rule has a `text` or a `file`, not both";
            Err(wrong(file, Problem::Contradiction(problem)))
        }
        (None, None) => Err(wrong(line, Problem::MissingKey("text".into()))),
    }
}

fn read(file: &Text, digest: &Text, files: &Files, kept: &mut Files) -> Compiled<String> {
    let name = file_name(file)?;
    let wanted: Sha256 = match digest.value.len() {
        64 => format!("sha256:{}", digest.value).parse(),
        _ => digest.value.parse(),
    }
    .map_err(|error: attest::DigestError| wrong(digest, value(error)))?;
    let Some(bytes) = files.get(&name) else {
        return Err(wrong(file, Problem::FileMissing(name)));
    };
    let found = Sha256::of(bytes);
    if found != wanted {
        return Err(wrong(digest, Problem::FileDigest { name, found }));
    }
    if bytes.len() > MAX_REGO_BYTES {
        let problem =
            format!("`{name}` has {} bytes, more than the limit of {MAX_REGO_BYTES}", bytes.len());
        return Err(wrong(file, Problem::Value(problem)));
    }
    let text = str::from_utf8(bytes).map_err(|error| wrong(file, value(error)))?;
    if !kept.contains_key(&name) {
        let held: usize = kept.values().map(Vec::len).sum();
        if held.saturating_add(bytes.len()) > MAX_REGO_FILES_BYTES {
            let problem = format!("the files have more than {MAX_REGO_FILES_BYTES} bytes");
            return Err(wrong(file, Problem::Value(problem)));
        }
        kept.insert(name, bytes.clone());
    }
    Ok(text.to_owned())
}

/// A name below the folder of the document.
pub(super) fn file_name(file: &Text) -> Compiled<String> {
    attest::name::check_artifact_name(&file.value).map_err(|error| wrong(file, value(error)))?;
    let part = |part: &str| part.is_empty() || part == "." || part == "..";
    if file.value.split('/').any(part) {
        let problem = "a file stands below the folder of the policy: no `..`, no `/` in front";
        return Err(wrong(file, Problem::Contradiction(problem)));
    }
    Ok(file.value.clone())
}

/// Letters, digits, `-`, `_` and `.`: what can stand in the name of a rule.
fn id(text: &Text) -> Compiled<String> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let good = text.value.len() <= MAX_ID
        && text.value.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.value.bytes().all(letter);
    if good {
        return Ok(text.value.clone());
    }
    let problem = format!(
        "an `id` is letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most {MAX_ID}"
    );
    Err(wrong(text, Problem::Value(problem)))
}

fn effective(fields: &Rego) -> Compiled<Window> {
    let moment = |text: &Text| -> Compiled<Timestamp> {
        text.value.parse().map_err(|_| {
            let shown = shown(&text.value);
            let problem = format!("`{shown}` is no time; write it as `2027-01-01T00:00:00Z`");
            wrong(text, Problem::Value(problem))
        })
    };
    let from = fields.effective_on.as_ref().map(moment).transpose()?;
    let until = fields.effective_until.as_ref().map(moment).transpose()?;
    if let (Some(from), Some(until), Some(text)) = (from, until, &fields.effective_until)
        && until <= from
    {
        let problem = "the rule would end before it begins, and never ask anything";
        return Err(wrong(text, Problem::Contradiction(problem)));
    }
    Ok(Window { from, until })
}
