//! What is wrong with a YAML document, in words for whoever wrote it.
//!
//! A parser speaks to programmers: it names options of its own, shows limits as data, and adds
//! the place, which our errors say themselves.

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DefaultMessageFormatter, Error, MessageFormatter as _};

/// What `error` says, without the place.
pub fn words(error: &Error) -> String {
    match error.without_snippet() {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` stands twice")
        }
        Error::DuplicateMappingKey { key: None, .. } => "a key stands twice".into(),
        Error::MergeKeyNotAllowed { .. } => "`<<` is not read: write out what it stands for".into(),
        Error::MultipleDocuments { .. } => MANY.into(),
        Error::UnknownAnchor { .. } => ANCHORS.into(),
        Error::Budget { breach, .. } => limit(breach),
        other => DefaultMessageFormatter.format_message(other).into_owned(),
    }
}

const MANY: &str = "more than one document: a file holds one, and no `---` after it";

const ANCHORS: &str = "anchors (`&`) and aliases (`*`) are not read: write out what they stand for";

fn limit(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Documents { .. } => MANY.into(),
        BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. } => ANCHORS.into(),
        BudgetBreach::Depth { depth } => format!("nested {depth} levels deep, more than is read"),
        BudgetBreach::Nodes { nodes } => format!("{nodes} values or more, more than are read"),
        _ => "larger than is read".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn nobody_is_told_of_a_parsers_options() {
        let merge = "`<<` is not read: write out what it stands for";
        let cases = [
            ("a key twice", "a: {}\na: {}\n", Some("the key `a` stands twice")),
            ("two keys", "a: {}\nb: {}\n", None),
            ("two documents", "a: {}\n---\na: {}\n", Some(MANY)),
            ("one document", "---\na: {}\n", None),
            ("a merge", "a: {<<: {b: 1}}\n", Some(merge)),
            ("an alias", "a: *b\n", Some(ANCHORS)),
            ("an anchor", "a: &b {}\n", Some(ANCHORS)),
            ("a number", "a: {b: 1}\n", None),
            ("no number", "a: {b: x}\n", Some("invalid u8")),
            ("deep", "a: {b: [1]}\n", Some("nested 3 levels deep, more than is read")),
        ];
        for (name, text, want) in cases {
            let options = serde_saphyr::options! {
                duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
                merge_keys: serde_saphyr::MergeKeyPolicy::Error,
                budget: serde_saphyr::budget! {
                    max_documents: 1, max_depth: 2, max_anchors: 0, max_aliases: 0
                },
            };
            type Maps = BTreeMap<String, BTreeMap<String, u8>>;
            let read = serde_saphyr::from_str_with_options::<Maps>(text, options);
            let said = read.err().map(|error| words(&error));
            assert_eq!(said.as_deref(), want, "{name}");
        }
    }
}
