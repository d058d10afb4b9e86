//! Finds what is another in two documents, by keys, names and what identifies a line.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::measure::{Absent, Measure, artifact, effect, plain, row, scalar};
use super::{ChangeKind, Effect};

/// What was found, with the places of both documents.
pub(super) struct Found {
    pub(super) at: String,
    pub(super) older_at: Option<String>,
    pub(super) newer_at: Option<String>,
    pub(super) kind: ChangeKind,
    pub(super) effect: Effect,
    pub(super) from: Option<Value>,
    pub(super) to: Option<Value>,
}

/// Maps whose keys are names that a person chose.
const NAMED: [&str; 8] = [
    "stages",
    "trust.signers",
    "steps",
    "hyperparameters",
    "hyperparameters.*",
    "drift",
    "ages",
    "corroboration",
];

/// What identifies a line of these lists: two with the same are one line that changed.
const LINES: [(&str, &[&str]); 7] = [
    ("flow", &["/from", "/to", "/select", "/forbid"]),
    ("metrics", &["/step", "/name", "/dataset/digest"]),
    ("holdout", &["/digest", "/notIn"]),
    ("allow", &["/digest"]),
    ("builders", &["/id"]),
    ("rego", &["/id"]),
    ("layouts", &["/id"]),
];

/// Every change, in the order of the fields. Documents are bounded when they are read, and nest
/// less than their reader allows.
pub(super) fn changes(older: &Value, newer: &Value) -> Vec<Found> {
    let mut found = Vec::new();
    let at = At { shape: String::new(), older: String::new(), newer: String::new() };
    maps(&at, older.as_object(), newer.as_object(), &mut found);
    found
}

/// A place in both documents, and its shape.
#[derive(Clone, Debug)]
struct At {
    shape: String,
    older: String,
    newer: String,
}

impl At {
    fn key(&self, key: &str, shape: &str) -> Self {
        let join = |before: &str, key: &str| {
            if before.is_empty() { key.into() } else { format!("{before}.{key}") }
        };
        Self {
            shape: join(&self.shape, shape),
            older: join(&self.older, key),
            newer: join(&self.newer, key),
        }
    }

    fn line(&self, older: Option<usize>, newer: Option<usize>) -> Self {
        let place = |before: &str, index: Option<usize>| {
            index.map_or_else(String::new, |index| format!("{before}[{index}]"))
        };
        Self {
            shape: format!("{}[]", self.shape),
            older: place(&self.older, older),
            newer: place(&self.newer, newer),
        }
    }
}

fn maps(
    at: &At,
    older: Option<&Map<String, Value>>,
    newer: Option<&Map<String, Value>>,
    found: &mut Vec<Found>,
) {
    let keys = |map: Option<&Map<String, Value>>| -> Vec<String> {
        map.into_iter().flat_map(Map::keys).cloned().collect()
    };
    let named = NAMED.iter().any(|end| at.shape.ends_with(end));
    let all: BTreeSet<String> = keys(older).into_iter().chain(keys(newer)).collect();
    for key in all {
        let at = at.key(&key, if named { "*" } else { &key });
        let (from, to) = (older.and_then(|map| map.get(&key)), newer.and_then(|map| map.get(&key)));
        values(&at, from, to, found);
    }
}

fn values(at: &At, older: Option<&Value>, newer: Option<&Value>, found: &mut Vec<Found>) {
    let (from, to) =
        (older.map(|one| plain(&at.shape, one)), newer.map(|one| plain(&at.shape, one)));
    if from == to {
        return;
    }
    let measure = row(&at.shape).map(|(_, measure, _)| *measure);
    let group = matches!(measure, Some(Measure::Group));
    let both = older.is_some() && newer.is_some();
    // A rule that was added is one change, and so is one that changed in several parts several.
    if (both || group) && !matches!(measure, Some(Measure::Idle | Measure::Set(_))) {
        if [older, newer].into_iter().flatten().all(Value::is_object) {
            return maps(
                at,
                older.and_then(Value::as_object),
                newer.and_then(Value::as_object),
                found,
            );
        }
        if let Some((_, identity)) = LINES.iter().find(|(end, _)| at.shape.ends_with(end)) {
            return lines(at, (older, newer), identity, found);
        }
    }
    push(at, older, newer, effect(&at.shape, from.as_ref(), to.as_ref()), found);
}

/// Lines by what identifies them, so that moving one changes nothing. What several have in common
/// is told apart by their order.
fn lines(
    at: &At,
    (older, newer): (Option<&Value>, Option<&Value>),
    identity: &[&str],
    found: &mut Vec<Found>,
) {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let (older, newer) = (list(older), list(newer));
    let same = |one: &Value, other: &Value| {
        identity.iter().all(|pointer| {
            one.pointer(pointer).map(artifact) == other.pointer(pointer).map(artifact)
        })
    };
    let mut taken = vec![false; older.len()];
    for (index, line) in newer.iter().enumerate() {
        let mut before = older.iter().zip(&taken).enumerate();
        let before = before.find(|(_, (one, taken))| !**taken && same(one, line));
        let before = before.map(|(index, (one, _))| (index, one));
        if let Some(taken) = before.and_then(|(index, _)| taken.get_mut(index)) {
            *taken = true;
        }
        let at = at.line(before.map(|(index, _)| index), Some(index));
        values(&at, before.map(|(_, one)| one), Some(line), found);
    }
    for (index, (line, taken)) in older.iter().zip(&taken).enumerate() {
        if !taken {
            values(&at.line(Some(index), None), Some(line), None, found);
        }
    }
}

fn push(
    at: &At,
    older: Option<&Value>,
    newer: Option<&Value>,
    effect: Effect,
    found: &mut Vec<Found>,
) {
    let absent = row(&at.shape).map(|(_, _, absent)| *absent);
    // What says what is so without it says nothing.
    if let (Some(Absent::Is(default)), None, Some(one))
    | (Some(Absent::Is(default)), Some(one), None) = (absent, older, newer)
        && scalar(one).as_deref() == Some(default)
    {
        return;
    }
    // The same in another order, or with more zeros.
    let idle = matches!(row(&at.shape), Some((_, Measure::Idle, _)));
    if older.is_some() && newer.is_some() && effect == Effect::Nothing && !idle {
        return;
    }
    let kind = match (older, newer) {
        (None, _) => ChangeKind::Added,
        (_, None) => ChangeKind::Removed,
        _ => ChangeKind::Changed,
    };
    found.push(Found {
        at: if newer.is_some() || at.older.is_empty() {
            at.newer.clone()
        } else {
            at.older.clone()
        },
        older_at: older.map(|_| at.older.clone()),
        newer_at: newer.map(|_| at.newer.clone()),
        kind,
        effect,
        from: older.cloned(),
        to: newer.cloned(),
    });
}
