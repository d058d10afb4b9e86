//! What the fields of a document are, for editors: a JSON Schema made from the very types that
//! read it.
//!
//! Source: JSON Schema, draft 2020-12. The schema says which keys there are, which are needed and
//! of which form values are. That a name is defined, or that a rule can hold at all, only
//! [`crate::Policy::parse`] tells.

use serde_json::{Map, Value, json};
use serde_saphyr::Spanned;

use super::{Entries, Items, MAX_ENTRIES};

/// The name of the schema.
const ID: &str = "https://assay.example/policy/v1/schema.json";

/// A type of which fields of the document can be.
pub(crate) trait Shape {
    /// Whether a field of this type must be there.
    const REQUIRED: bool = true;

    /// The schema of its values.
    fn schema() -> Value;
}

/// One field of a map.
pub(crate) struct Described {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) required: bool,
    pub(crate) schema: Value,
}

/// Defines the maps of a document, each with what an editor should know of its fields: the
/// comment above a field becomes its description, and what follows `=` its schema, where the type
/// alone says too little.
macro_rules! fields {
    ($(
        $(#[doc = $about:literal])*
        $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $(#[serde($serde:ident)])?
                $field:ident: $type:ty $(= $schema:expr)?,
            )+
        }
    )+) => {$(
        $(#[doc = $about])*
        #[derive(Debug, serde::Deserialize, serde::Serialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub(crate) struct $name {
            $(
                $(#[doc = $doc])*
                $(#[serde($serde)])?
                pub(crate) $field: $type,
            )+
        }

        impl $crate::document::describe::Shape for $name {
            fn schema() -> serde_json::Value {
                use $crate::document::describe::{Described, Shape, map};
                map(vec![$(Described {
                    name: stringify!($field),
                    about: concat!($($doc),*),
                    required: <$type as Shape>::REQUIRED,
                    schema: fields!(@schema $type $(= $schema)?),
                }),+])
            }
        }
    )+};
    (@schema $type:ty = $schema:expr) => { $schema };
    (@schema $type:ty) => { <$type as Shape>::schema() };
}
pub(crate) use fields;

/// The schema of a whole document.
pub(crate) fn schema() -> Value {
    let mut schema = <super::Document as Shape>::schema();
    if let Value::Object(fields) = &mut schema {
        fields.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        fields.insert("$id".into(), ID.into());
        fields.insert("title".into(), "A policy of Assay".into());
        let about = "What must hold before an artifact may be used at a stage.";
        fields.insert("description".into(), about.into());
    }
    schema
}

/// The schema of a map with these fields and no other.
pub(crate) fn map(fields: Vec<Described>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for Described { name, about, required: needed, mut schema } in fields {
        let name = camel(name);
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".into(), about.trim().into());
        }
        if needed {
            required.push(Value::from(name.clone()));
        }
        properties.insert(name, schema);
    }
    let mut schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if let (Value::Object(schema), false) = (&mut schema, required.is_empty()) {
        schema.insert("required".into(), required.into());
    }
    schema
}

/// One of these words.
pub(crate) fn words<T: Copy, const N: usize>(
    all: [T; N],
    name: impl Fn(T) -> &'static str,
) -> Value {
    json!({"enum": all.map(name).as_slice()})
}

/// This word.
pub(crate) fn constant(word: &str) -> Value {
    json!({"const": word})
}

/// A list of at least one.
pub(crate) fn some<T: Shape>() -> Value {
    json!({"type": "array", "minItems": 1, "maxItems": MAX_ENTRIES, "items": T::schema()})
}

/// A count of at least one.
pub(crate) fn count() -> Value {
    json!({"type": "integer", "minimum": 1})
}

/// A text of this form.
pub(crate) fn text(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

/// An age, such as `90d`.
pub(crate) fn age() -> Value {
    text("^[0-9]+[smhdw]$")
}

/// An exact decimal number, in quotes or not.
pub(crate) fn decimal() -> Value {
    json!({"type": ["string", "number"], "pattern": "^-?[0-9]+(\\.[0-9]+)?$"})
}

/// A number, with an exponent or without, in quotes or not.
pub(crate) fn number() -> Value {
    json!({
        "type": ["string", "number"],
        "pattern": "^-?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?$",
    })
}

/// A list of at least one single value.
pub(crate) fn scalars() -> Value {
    let item = json!({"type": ["string", "number", "boolean"]});
    json!({"type": "array", "minItems": 1, "maxItems": MAX_ENTRIES, "items": item})
}

/// A list of at least one of these words.
pub(crate) fn some_of<const N: usize>(words: [&'static str; N]) -> Value {
    let item = json!({"enum": words.as_slice()});
    json!({"type": "array", "minItems": 1, "maxItems": MAX_ENTRIES, "items": item})
}

/// Codes of findings.
pub(crate) fn codes() -> Value {
    let item = json!({"enum": crate::Code::ALL.map(crate::Code::as_str).as_slice()});
    json!({"type": "array", "maxItems": MAX_ENTRIES, "items": item})
}

/// A moment (RFC 3339).
pub(crate) fn moment() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// The digest of an artifact, with its kind if it is no file.
pub(crate) fn digest() -> Value {
    text("^(([a-z-]+:)?sha256:[0-9a-f]{64}|git:[0-9a-f]{40}([0-9a-f]{24})?)$")
}

/// A name of a step or a stage.
pub(crate) fn label() -> Value {
    text("^[a-z][a-z0-9-]{0,62}$")
}

/// One end of a flow.
pub(crate) fn end() -> Value {
    text("^[a-z][a-z0-9-]{0,62}\\.(products|materials|subject)$")
}

fn camel(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    let mut upper = false;
    for letter in field.trim_start_matches("r#").chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                name.extend(letter.to_uppercase());
                upper = false;
            }
            letter => name.push(letter),
        }
    }
    name
}

impl Shape for String {
    fn schema() -> Value {
        json!({"type": "string", "minLength": 1})
    }
}

impl Shape for u64 {
    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0})
    }
}

impl Shape for bool {
    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

impl<T: Shape> Shape for Spanned<T> {
    fn schema() -> Value {
        T::schema()
    }
}

impl<T: Shape> Shape for Option<T> {
    const REQUIRED: bool = false;

    fn schema() -> Value {
        T::schema()
    }
}

impl<T: Shape> Shape for Items<T> {
    // Where one must be there, its place is kept with it (`Spanned`).
    const REQUIRED: bool = false;

    fn schema() -> Value {
        json!({"type": "array", "maxItems": MAX_ENTRIES, "items": T::schema()})
    }
}

impl<T: Shape> Shape for Entries<T> {
    // Where one must be there, its place is kept with it (`Spanned`).
    const REQUIRED: bool = false;

    fn schema() -> Value {
        json!({
            "type": "object",
            "maxProperties": MAX_ENTRIES,
            "additionalProperties": T::schema(),
        })
    }
}
