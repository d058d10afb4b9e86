//! JSON read strictly, and written canonically.
//!
//! Two readers must never see two documents in the same bytes: a repeated key, which most
//! parsers settle silently in favour of the last, is an error here, and so are bytes after the
//! document. Size and depth are bounded before anything is built. NaN and infinities have no
//! spelling in JSON and are refused with it; numbers beyond a double are refused as well.

/// What a visitor is given that has nothing inside goes to the visitor in its field `$inner` as it is.
macro_rules! visit_leaves {
    ($inner:tt) => {
        visit_leaves! { $inner:
            visit_bool: bool
            visit_i8: i8 visit_i16: i16 visit_i32: i32 visit_i64: i64 visit_i128: i128
            visit_u8: u8 visit_u16: u16 visit_u32: u32 visit_u64: u64 visit_u128: u128
            visit_f32: f32 visit_f64: f64 visit_char: char
            visit_str: &str visit_borrowed_str: &'de str visit_string: String
            visit_bytes: &[u8] visit_borrowed_bytes: &'de [u8] visit_byte_buf: Vec<u8>
        }

        fn visit_none<E: Error>(self) -> Result<V::Value, E> {
            self.$inner.visit_none()
        }

        fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
            self.$inner.visit_unit()
        }
    };
    ($inner:tt: $($method:ident: $value:ty)*) => {$(
        fn $method<E: Error>(self, value: $value) -> Result<V::Value, E> {
            self.$inner.$method(value)
        }
    )*};
}

mod objects;
mod once;

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

pub(crate) use self::objects::Objects;
pub(crate) use self::once::Once;

/// The largest document that is read, in bytes. A software bill of materials of a large image
/// stays well below it.
pub const MAX_BYTES: usize = 32 << 20;

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 64;

/// How many keys there is room for before it grows.
const TYPICAL_KEYS: usize = 32;

/// How keys begin that the library gives a meaning of its own: what stands behind such a key it
/// takes for the text of another document.
const RESERVED: &str = "$serde_json::private::";

/// What reads a text.
pub(crate) type TextReader<'de> = serde_json::Deserializer<serde_json::de::StrRead<'de>>;

/// How much of a document that does not parse is searched for NaN, in bytes.
const MAX_SEARCHED: usize = 1 << 20;

/// Why bytes are not acceptable JSON.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The document is larger than [`MAX_BYTES`].
    #[error("document of {0} bytes is larger than the limit of {MAX_BYTES} bytes")]
    TooLarge(usize),
    /// A number is NaN or infinite, which JSON cannot say.
    #[error("`{field}` is {value}, which JSON cannot say: write a finite number, or leave it out")]
    NotFinite {
        /// The name of the number, as far as one stands before it.
        field: String,
        /// What it is.
        value: String,
    },
    /// Not JSON, a repeated key, nested too deeply, or not of the expected shape; with the line
    /// and column where that was seen.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
}

/// Parses a whole document.
///
/// # Errors
/// [`JsonError`] when the bytes are too many, are not JSON, repeat a key in an object, nest
/// deeper than [`MAX_DEPTH`], or go on after the document.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    if bytes.len() > MAX_BYTES {
        return Err(JsonError::TooLarge(bytes.len()));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = read(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|error| match not_finite(bytes) {
        Some((field, value)) => JsonError::NotFinite { field, value },
        None => error.into(),
    })
}

/// The first NaN or infinity outside of strings, with the name before it.
fn not_finite(bytes: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(bytes.get(..bytes.len().min(MAX_SEARCHED))?).ok()?;
    let (mut name, mut rest) = ("", text);
    while let Some(at) =
        rest.find(|letter: char| letter == '"' || letter == '-' || letter.is_ascii_alphabetic())
    {
        rest = rest.get(at..)?;
        if let Some(inner) = rest.strip_prefix('"') {
            let mut escaped = false;
            let end = inner.find(|letter| {
                let ends = letter == '"' && !escaped;
                escaped = letter == '\\' && !escaped;
                ends
            })?;
            let (string, after) = (inner.get(..end)?, inner.get(end + 1..)?);
            if after.trim_start().starts_with(':') {
                name = string;
            }
            rest = after;
            continue;
        }
        let in_word = |letter: char| letter == '-' || letter.is_ascii_alphanumeric();
        let (word, after) =
            rest.split_at(rest.find(|letter| !in_word(letter)).unwrap_or(rest.len()));
        if matches!(word, "NaN" | "Infinity" | "-Infinity") {
            return Some((name.chars().take(200).collect(), word.into()));
        }
        rest = after;
    }
    None
}

/// Reads a value from any format, as strictly as [`parse`] from JSON; size is the caller's care.
pub(crate) fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Strict { depth: 0 }.deserialize(deserializer)
}

/// Parses a whole document into a type, as strictly as [`parse`].
///
/// # Errors
/// As [`parse`]; also when the document has another shape than `T`.
pub fn parse_as<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    Ok(T::deserialize(Objects(parse(bytes)?))?)
}

/// Reads a document into a type in one pass, as strictly as [`parse`], where nothing of it has to
/// be looked at twice; `depth` arrays and objects are around it. Why a document is refused, [`parse`]
/// says.
pub(crate) fn read_once<'de, T>(
    text: &'de str,
    depth: usize,
    read: impl FnOnce(Once<'_, 'de, &mut TextReader<'de>>) -> serde_json::Result<T>,
) -> Option<T> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let mut keys = Vec::with_capacity(TYPICAL_KEYS);
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = read(Once::new(&mut reader, &mut keys, depth)).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// Reads a field that other writers set to null where they have nothing: null is as good as absent
/// (in-toto Attestation Framework, `spec/v1/README.md`, "Parsing rules").
pub(crate) fn null_as_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// The one canonical spelling of a value: no white space, keys in byte order.
///
/// This is RFC 8785 for what Assay writes canonically: ASCII keys, strings and whole numbers.
pub fn canonical(value: &Value) -> Vec<u8> {
    // serde_json keeps objects in a BTreeMap (its `preserve_order` feature is off, which a test
    // holds), so that its compact form is already in key order.
    value.to_string().into_bytes()
}

struct Strict {
    depth: usize,
}

impl Strict {
    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        serde_json::Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner()?)? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key `{key}` stands twice")));
            }
            if key.starts_with(RESERVED) {
                return Err(A::Error::custom(format_args!("key `{key}` is not for documents")));
            }
            let value = entries.next_value_seed(self.inner()?)?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn once(text: &str) -> Option<Value> {
        read_once(text, 0, |reader| Value::deserialize(reader))
    }

    /// Whether the same is taken where nobody wants it.
    fn ignored(text: &str) -> bool {
        read_once(text, 0, |reader| IgnoredAny::deserialize(reader)).is_some()
    }

    proptest! {
        #[test]
        fn what_is_read_in_one_pass_is_what_parses(
            text in r#"([\[{]{0,2}(("(a|b|\\u0061|\\ud800|\\n)"|1|-0|0\.5|1e400|NaN|null|true)(,|:|\]|\}| )){0,6}[\]}]{0,3})"#,
        ) {
            let parsed = parse(text.as_bytes()).ok();
            prop_assert_eq!(ignored(&text), parsed.is_some(), "{}", text);
            prop_assert_eq!(once(&text), parsed, "{}", text);
        }
    }

    #[test]
    fn strictness() {
        let members = |count: usize, more: &str| {
            let all: Vec<_> = (0..count).map(|key| format!(r#""{key}":{{"x":1}}"#)).collect();
            all.join(",") + more
        };
        let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let cases = [
            (r#"{"a":1,"b":[true,null,"x",-1,0.5]}"#.to_string(), true),
            (r#"{"a":1,"a":1}"#.into(), false),
            (r#"{"a":{"b":1,"b":2}}"#.into(), false),
            (r#"{"a":1,"\u0061":1}"#.into(), false),
            (r#"{"a":1} x"#.into(), false),
            (r#"{"a":NaN}"#.into(), false),
            (r#"{"a":Infinity}"#.into(), false),
            (r#"{"a":1e400}"#.into(), false),
            ("".into(), false),
            (deep(MAX_DEPTH), true),
            (deep(MAX_DEPTH + 1), false),
            ("[".repeat(1 << 20), false),
            (r#"{"a":1,"b":{"c":1,"d":2,"c":3}}"#.into(), false),
            (r#"{"a":"\ud800"}"#.into(), false),
            (r#"{"a":-0,"b":18446744073709551616}"#.into(), true),
            (format!("{{{}}}", members(100, "")), true),
            (format!("{{{}}}", members(100, r#","3":0"#)), false),
            (format!("{{{}}}", members(100, r#","99":0"#)), false),
            // The first sixteen, and what comes after them.
            (format!("{{{}}}", members(16, r#","15":0"#)), false),
            (format!("{{{}}}", members(16, r#","16":0"#)), true),
            (format!("{{{}}}", members(17, r#","16":0"#)), false),
            (format!(r#"{{"a":{{{}}},"0":0}}"#, members(20, "")), true),
            (format!(r#"{{"a":{{{}}},"b":{{"c":0}},"a":0}}"#, members(20, "")), false),
            (r#"[{"a":0},{"a":0}]"#.into(), true),
            (r#"{"a":{"a":{"a":0}}}"#.into(), true),
            // Keys that the library takes for something else than keys.
            (r#"{"a":{"$serde_json::private::RawValue":"{\"b\":0,\"b\":1}"}}"#.into(), false),
            (r#"{"a":{"$serde_json::private::Number":"1"}}"#.into(), false),
            (r#"{"a":{"$serde_json":"1"}}"#.into(), true),
        ];
        for (text, good) in cases {
            let shown: String = text.chars().take(40).collect();
            assert_eq!(parse(text.as_bytes()).is_ok(), good, "{shown}");
            assert_eq!(once(&text), parse(text.as_bytes()).ok(), "{shown}");
            assert_eq!(ignored(&text), good, "{shown}");
        }
    }

    #[test]
    fn size_is_bounded_before_parsing() {
        let mut bytes = vec![b' '; MAX_BYTES];
        bytes[0] = b'1';
        let once = |bytes: &[u8]| once(std::str::from_utf8(bytes).unwrap());
        assert!(parse(&bytes).is_ok() && once(&bytes).is_some());
        bytes.push(b' ');
        assert!(once(&bytes).is_none());
        assert!(matches!(parse(&bytes), Err(JsonError::TooLarge(_))));
    }

    #[test]
    fn canonical_sorts_keys_at_every_level() {
        let value = parse(br#"{ "b": {"z":1,"y":2}, "a": [ {"d":0,"c":0} ] }"#).unwrap();
        assert_eq!(canonical(&value), br#"{"a":[{"c":0,"d":0}],"b":{"y":2,"z":1}}"#);
    }

    #[test]
    fn what_is_not_finite_is_named() {
        for (text, want) in [
            (r#"{"a": 1, "loss": NaN}"#, Some(("loss", "NaN"))),
            (r#"{"a": [1, -Infinity]}"#, Some(("a", "-Infinity"))),
            (r#"{"a": "NaN", "b": }"#, None),
            (r#"{"NaN": 1, "NaN": 2}"#, None),
        ] {
            let found = match parse(text.as_bytes()).unwrap_err() {
                JsonError::NotFinite { field, value } => Some((field, value)),
                _ => None,
            };
            let want = want.map(|(field, value)| (field.to_owned(), value.to_owned()));
            assert_eq!(found, want, "{text}");
        }
        assert!(parse(br#"{"loss": "NaN"}"#).is_ok());
    }

    #[test]
    fn an_error_says_where() {
        let error = parse(b"{\n \"a\": 1,\n \"a\": 2 }").unwrap_err().to_string();
        assert!(error.contains("`a` stands twice at line 3"), "{error}");
    }
}
