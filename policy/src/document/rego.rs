//! The section of rules in Rego: their texts, inline or in files that come with the document.

use attest::Timestamp;
use serde_saphyr::Spanned;
use verify::Window;

use super::field::{Compiled, require, shown, value, wrong};
use super::files::Shelf;
use super::{Document, Place, PolicyError, Problem, Rego, Text};
use crate::rego::{MAX_REGO_BYTES, MAX_REGO_RULES, Module, RegoRule};

/// The longest name of a rule, in bytes.
const MAX_ID: usize = 64;

/// Compiles every rule.
pub(super) fn rego(
    document: &Document,
    steps: &[&str],
    files: &mut Shelf<'_>,
) -> Compiled<Vec<RegoRule>> {
    let mut rules = Vec::<RegoRule>::new();
    for (index, line) in document.rego.0.iter().enumerate() {
        if index >= MAX_REGO_RULES {
            let problem = format!("more than {MAX_REGO_RULES} rules in Rego");
            return Err(wrong(line, Problem::Value(problem)));
        }
        let id = id(&line.value.id)?;
        if rules.iter().any(|known| known.id == id) {
            return Err(wrong(&line.value.id, Problem::RepeatedKey(id)));
        }
        let (text, at) = text(line, files)?;
        let module =
            Module::compile(&id, text, steps).map_err(|error| PolicyError::at(at, value(error)))?;
        rules.push(RegoRule {
            rule: format!("rego.{id}"),
            id,
            effective: effective(&line.value)?,
            module,
        });
    }
    Ok(rules)
}

/// The text of a rule, and where it stands.
fn text<'t, 'f: 't>(
    line: &'t Spanned<Rego>,
    files: &mut Shelf<'f>,
) -> Compiled<(&'t str, Option<Place>)> {
    let fields = &line.value;
    match (&fields.text, &fields.file) {
        (Some(text), None) => {
            if let Some(digest) = &fields.sha256 {
                let problem = "`sha256` is that of a `file`; a text in the document needs none";
                return Err(wrong(digest, Problem::Contradiction(problem)));
            }
            Ok((&text.value, Place::of(text.referenced)))
        }
        (None, Some(file)) => {
            let digest = require(line, fields.sha256.as_ref(), "sha256")?;
            let text = files.text(file, digest, MAX_REGO_BYTES)?;
            Ok((text, Place::of(file.referenced)))
        }
        (Some(_), Some(file)) => {
            let problem = "a rule has a `text` or a `file`, not both";
            Err(wrong(file, Problem::Contradiction(problem)))
        }
        (None, None) => Err(wrong(line, Problem::MissingKey("text".into()))),
    }
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
