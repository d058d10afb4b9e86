//! What one policy asks otherwise than another, and whether that is more or less.
//!
//! The fields of both documents are compared, not their texts: the order of lines, comments and
//! ways to write the same number make no difference. Of each field a table says which way is
//! tighter ([`measure`]): tighter is whatever can only turn "allowed" into "denied", looser what can
//! only do the opposite. Where neither can be said the change has no direction.

mod measure;
mod walk;

use std::collections::BTreeMap;

use attest::Sha256;
use serde::Serialize;
use serde_json::Value;

use crate::model::Model;

/// What one policy asks otherwise than another.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The digest of the older document.
    pub older: Sha256,
    /// The digest of the newer one.
    pub newer: Sha256,
    /// Whether no rule is another. Names, versions, descriptions and tests decide nothing.
    pub same: bool,
    /// What follows from all changes together.
    pub effect: Effect,
    /// Every change, in the order of the fields.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Where: the place in the newer document, or in the older one of what was removed.
    pub at: String,
    /// What happened there.
    pub kind: ChangeKind,
    /// What follows from it.
    pub effect: Effect,
    /// What stood there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// What stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
    /// What the rule asked, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// What it asks, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asks: Option<String>,
}

/// What happened to a rule or to a part of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// It is another.
    Changed,
}

/// What follows from a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It decides nothing.
    Nothing,
    /// What was denied may be allowed, and not the other way round.
    Looser,
    /// What was allowed may be denied, and not the other way round.
    Tighter,
    /// Either may be.
    Changed,
}

impl Effect {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Looser => "looser",
            Self::Tighter => "tighter",
            Self::Changed => "changed",
        }
    }

    const fn reversed(self) -> Self {
        match self {
            Self::Looser => Self::Tighter,
            Self::Tighter => Self::Looser,
            other => other,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, effect) | (effect, Self::Nothing) => effect,
            (one, other) if one == other => one,
            _ => Self::Changed,
        }
    }
}

impl ChangeKind {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// What `newer` asks otherwise than `older`.
pub(crate) fn between(older: &Model, newer: &Model) -> Difference {
    let found = walk::changes(&older.fields, &newer.fields);
    let changes: Vec<Change> = found
        .into_iter()
        .map(|found| Change {
            asked: found.older_at.and_then(|at| asks(&older.asks, &at)),
            asks: found.newer_at.and_then(|at| asks(&newer.asks, &at)),
            at: found.at,
            kind: found.kind,
            effect: found.effect,
            from: found.from,
            to: found.to,
        })
        .collect();
    let effect = changes.iter().fold(Effect::Nothing, |all, change| all.and(change.effect));
    Difference {
        older: older.digest,
        newer: newer.digest,
        same: effect == Effect::Nothing,
        effect,
        changes,
    }
}

/// What the rule asks of whose place `at` is a part.
fn asks(asks: &BTreeMap<String, String>, at: &str) -> Option<String> {
    let whole = std::iter::once(at.len());
    let parts = at.rmatch_indices(['.', '[']).map(|(end, _)| end);
    whole.chain(parts).find_map(|end| asks.get(at.get(..end)?).cloned())
}
