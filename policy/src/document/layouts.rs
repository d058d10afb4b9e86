//! The section of in-toto layouts: each inline or in a file that comes with the document, under the
//! signatures of its owners.

use attest::StepName;
use attest::in_toto::{LayoutKey, Metadata};
use serde_saphyr::Spanned;
use verify::layout::{LinkFolder, SignedLayout, verify_layout};

use super::describe::{self, fields, some, words};
use super::field::{Compiled, defined, label, require, value, word, wrong};
use super::files::{MAX_FILE_BYTES, Shelf};
use super::{Document, Items, Problem, Text};
use crate::model::{LogRule, Model};
use crate::rules::LayoutMet;
use crate::whom::Whom;

/// The most layouts of one policy.
const MAX_LAYOUTS: usize = 16;
/// The most owners of one layout.
const MAX_OWNERS: usize = 32;

fields! {
    Layout {
        /// What the layout is called.
        id: Text = describe::label(),
        /// The layout, if it stands here: a metablock or a DSSE envelope, in JSON.
        text: Option<Text>,
        /// The file with the layout, below the folder of the policy.
        file: Option<Text>,
        /// The file's SHA-256 in hex digits.
        sha256: Option<Text> = describe::text("^(sha256:)?[0-9a-f]{64}$"),
        /// The public keys of its owners, in PEM; each must have signed it.
        owners: Spanned<Items<Text>> = some::<Text>(),
        /// The step whose products the layout leads to; the artifact itself unless said.
        step: Option<Text> = describe::label(),
        /// Whether the statements must be in a trusted log; `required` unless said.
        log: Option<Text> = words(LogRule::ALL, LogRule::as_str),
    }
}

/// Makes a rule of each.
pub(super) fn layouts(
    document: &Document,
    model: &mut Model,
    names: &[&str],
    files: &mut Shelf<'_>,
) -> Compiled<()> {
    for (index, line) in document.layouts.0.iter().enumerate() {
        if index >= MAX_LAYOUTS {
            return Err(wrong(line, Problem::Value(format!("more than {MAX_LAYOUTS} layouts"))));
        }
        let id: StepName = label(&line.value.id)?;
        let place = format!("layouts.{id}");
        if model.rules.iter().any(|rule| rule.place() == place) {
            return Err(wrong(&line.value.id, Problem::RepeatedKey(id.as_str().into())));
        }
        let step = line.value.step.as_ref();
        let log = line.value.log.as_ref();
        let log = log.map(|text| word(text, "log rule", &LogRule::ALL, LogRule::as_str));
        let rule = LayoutMet {
            place,
            id: id.as_str().to_owned(),
            signed: signed(line, files)?,
            step: step.map(|name| defined("step", name, names)).transpose()?,
            log: log.transpose()?.unwrap_or(LogRule::Required),
            believed: Whom { any_of: None, narrowed: model.narrowed.clone() },
        };
        model.rules.push(std::sync::Arc::new(rule));
    }
    Ok(())
}

/// The layout under the signatures of all its owners. Whatever nothing could ever meet is refused.
fn signed(line: &Spanned<Layout>, files: &mut Shelf<'_>) -> Compiled<SignedLayout> {
    let fields = &line.value;
    let (text, at) = match (&fields.text, &fields.file) {
        (Some(text), None) => {
            if let Some(digest) = &fields.sha256 {
                let problem = "`sha256` is that of a `file`; a layout in the document needs none";
                return Err(wrong(digest, Problem::Contradiction(problem)));
            }
            (text.value.as_str(), text)
        }
        (None, Some(file)) => {
            let digest = require(line, fields.sha256.as_ref(), "sha256")?;
            (files.text(file, digest, MAX_FILE_BYTES)?, file)
        }
        (Some(_), Some(file)) => {
            let problem = "a layout has a `text` or a `file`, not both";
            return Err(wrong(file, Problem::Contradiction(problem)));
        }
        (None, None) => return Err(wrong(line, Problem::MissingKey("text".into()))),
    };
    let metadata = Metadata::parse(text.as_bytes()).map_err(|error| wrong(at, value(error)))?;
    let list = &fields.owners;
    if list.value.0.is_empty() {
        return Err(wrong(list, Problem::Empty("owners")));
    }
    if list.value.0.len() > MAX_OWNERS {
        return Err(wrong(list, Problem::Value(format!("more than {MAX_OWNERS} owners"))));
    }
    let owner =
        |text: &Text| LayoutKey::from_pem(&text.value).map_err(|error| wrong(text, value(error)));
    let owners: Vec<LayoutKey> = list.value.0.iter().map(owner).collect::<Compiled<_>>()?;
    let signed = verify_layout(&metadata, &owners, &LinkFolder::default())
        .map_err(|error| wrong(at, value(error)))?;
    let layout = signed.layout();
    if layout.steps.is_empty() {
        return Err(wrong(at, Problem::Empty("steps")));
    }
    if !layout.inspections.is_empty() {
        let problem = "the layout has inspections, and judging runs nothing: leave them out, or check it with `assay layout verify`";
        return Err(wrong(at, Problem::Contradiction(problem)));
    }
    let usable = |step: &attest::in_toto::Step| {
        let keys = step.pubkeys.iter().filter_map(|label| layout.keys.get(label)?.identity());
        keys.collect::<std::collections::BTreeSet<_>>().len()
    };
    let never = |step: &&attest::in_toto::Step| {
        usable(step) < usize::try_from(step.threshold).unwrap_or(usize::MAX)
    };
    if let Some(step) = layout.steps.iter().find(never) {
        let problem = format!(
            "the step `{}` of the layout needs {} functionaries and names {} that can be checked",
            step.name,
            step.threshold,
            usable(step)
        );
        return Err(wrong(at, Problem::Value(problem)));
    }
    Ok(signed)
}
