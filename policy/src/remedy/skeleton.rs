//! A statement that nobody has signed yet, and what in it only a person can know.

use attest::{ArtifactId, ResourceDescriptor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::rules::Question;

/// How every placeholder in a statement starts; no statement with one is signed.
pub const PLACEHOLDER: &str = "<fill in: ";

/// The member by which a blank is known while a statement is put together.
const WHAT: &str = "\u{0}what";
/// What would do in its place.
const SUFFICES: &str = "\u{0}suffices";
/// How deep a statement is looked into.
const MAX_DEPTH: usize = 32;

/// An in-toto statement (Statement v1) to be filled in and signed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Skeleton {
    /// The name of a file to keep it in, different for each finding of a report.
    pub file: String,
    /// The statement. Where something is to be filled in, a text that starts with
    /// [`PLACEHOLDER`] stands, whatever type belongs there.
    pub statement: Value,
    /// What is to be filled in, in the order of the statement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placeholders: Vec<Placeholder>,
}

/// Something in a statement that only whoever signs can know.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Placeholder {
    /// Its place, as a JSON pointer (RFC 6901).
    pub at: String,
    /// What belongs there.
    pub what: String,
    /// A value with which the rule would hold: an example of the form, to be signed by nobody for
    /// whom it is not true.
    pub suffices: Value,
}

/// A place to be filled in by whoever signs; `suffices` would do.
pub(crate) fn blank(what: impl Into<String>, suffices: impl Into<Value>) -> Value {
    let what: String = what.into();
    Value::Object(Map::from_iter([
        (WHAT.to_owned(), what.into()),
        (SUFFICES.to_owned(), suffices.into()),
    ]))
}

/// An artifact under a name, which may be a blank.
pub(crate) fn descriptor(name: Value, artifact: &ArtifactId) -> Value {
    let mut value = serde_json::to_value(ResourceDescriptor::of("", artifact)).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.insert("name".into(), name);
    }
    value
}

/// The name that statements give an artifact; a blank where none does.
pub(crate) fn name_of(question: Question<'_>, artifact: &ArtifactId) -> Value {
    let about = question.lineage.about(artifact);
    let named = about.flat_map(|one| one.subjects.iter().chain(&one.materials));
    let used = question.lineage.using(artifact).flat_map(|one| &one.materials);
    let mut named = named.chain(used);
    let found = named.find(|named| named.artifact == *artifact && !named.name.is_empty());
    found.map_or_else(
        || blank("the name of the artifact", artifact.to_string()),
        |named| named.name.clone().into(),
    )
}

impl Skeleton {
    /// The statement, with every blank as a placeholder.
    pub(crate) fn of(mut statement: Value) -> Self {
        let mut placeholders = Vec::new();
        settle(&mut statement, &mut String::new(), &mut placeholders, 0);
        Self { file: String::new(), statement, placeholders }
    }

    /// A statement without blanks.
    pub(crate) const fn whole(statement: Value) -> Self {
        Self { file: String::new(), statement, placeholders: Vec::new() }
    }

    /// The statement with `value` for each placeholder.
    pub fn filled(&self, value: impl Fn(&Placeholder) -> Value) -> Value {
        let mut statement = self.statement.clone();
        for placeholder in &self.placeholders {
            if let Some(place) = statement.pointer_mut(&placeholder.at) {
                *place = value(placeholder);
            }
        }
        statement
    }
}

fn settle(value: &mut Value, at: &mut String, found: &mut Vec<Placeholder>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let length = at.len();
    match value {
        Value::Object(members) if members.contains_key(WHAT) => {
            let what = members.get(WHAT).and_then(Value::as_str).unwrap_or_default().to_owned();
            let suffices = members.remove(SUFFICES).unwrap_or_default();
            *value = format!("{PLACEHOLDER}{what}>").into();
            found.push(Placeholder { at: at.clone(), what, suffices });
        }
        Value::Object(members) => {
            for (name, member) in members {
                at.push('/');
                at.push_str(&name.replace('~', "~0").replace('/', "~1"));
                settle(member, at, found, depth + 1);
                at.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                at.push('/');
                at.push_str(&index.to_string());
                settle(item, at, found, depth + 1);
                at.truncate(length);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blanks_become_placeholders_and_are_filled_where_they_stand() {
        let skeleton = Skeleton::of(json!({
            "a/b": [1, blank("a number", 5)],
            "c": blank("a text", "x"),
            "d": {"what": "not a blank"},
        }));
        let places: Vec<&str> = skeleton.placeholders.iter().map(|one| one.at.as_str()).collect();
        assert_eq!(places, ["/a~1b/1", "/c"]);
        assert_eq!(skeleton.statement["c"], "<fill in: a text>");
        let filled = skeleton.filled(|one| one.suffices.clone());
        let want = json!({"a/b": [1, 5], "c": "x", "d": {"what": "not a blank"}});
        assert_eq!(filled, want);
        assert!(!filled.to_string().contains(PLACEHOLDER));
    }
}
