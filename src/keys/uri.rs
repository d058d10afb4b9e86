//! Reading the URI of a key that is kept elsewhere: attributes, and percent-encoding.
//!
//! An attribute that nobody here knows is refused, and so is one that stands twice: either could
//! mean another key than the one that would be found without it.

/// The longest URI of a key, in bytes.
pub const MAX_URI_BYTES: usize = 4_096;

/// Why a URI names no key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UriError {
    /// Longer than [`MAX_URI_BYTES`].
    #[error("it has more than {MAX_URI_BYTES} bytes")]
    TooLong,
    /// Not `NAME=VALUE`.
    #[error("`{0}` is not `NAME=VALUE`")]
    NoValue(String),
    /// A `%` without two hex digits, or bytes that are not UTF-8.
    #[error("the value of `{0}` is not percent-encoded UTF-8")]
    Encoding(String),
    /// The same attribute twice.
    #[error("`{0}` stands in it twice")]
    Twice(String),
    /// An attribute that means nothing here.
    #[error("`{0}` means nothing in it")]
    Unknown(String),
    /// An attribute that must be there.
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// An attribute with another value than it can have.
    #[error("`{name}` is {expected}")]
    Value {
        /// The attribute.
        name: &'static str,
        /// What it can be.
        expected: &'static str,
    },
    /// A secret where everybody sees it.
    #[cfg(feature = "pkcs11")]
    #[error("`pin-value` shows the PIN to everybody who lists processes")]
    PinInSight,
}

/// The attributes in `text`, in order, each with its decoded value.
pub fn attributes(text: &str, separator: char) -> Result<Vec<(&str, Vec<u8>)>, UriError> {
    if text.len() > MAX_URI_BYTES {
        return Err(UriError::TooLong);
    }
    let mut found: Vec<(&str, Vec<u8>)> = Vec::new();
    for part in text.split(separator).filter(|part| !part.is_empty()) {
        let (name, value) =
            part.split_once('=').ok_or_else(|| UriError::NoValue(part.to_owned()))?;
        if found.iter().any(|(other, _)| *other == name) {
            return Err(UriError::Twice(name.into()));
        }
        found.push((name, decoded(value).ok_or_else(|| UriError::Encoding(name.into()))?));
    }
    Ok(found)
}

/// A value that is text.
pub fn text(name: &str, value: Vec<u8>) -> Result<String, UriError> {
    String::from_utf8(value).map_err(|_| UriError::Encoding(name.into()))
}

/// The bytes behind a percent-encoding (RFC 3986, section 2.1).
pub fn decoded(value: &str) -> Option<Vec<u8>> {
    let mut rest = value.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_a_uri() {
        type Want<'a> = Result<&'a [(&'a str, &'a [u8])], UriError>;
        let cases: [(&str, Want<'_>); 8] = [
            ("", Ok(&[])),
            ("a=1;b=%32%33;", Ok(&[("a", b"1"), ("b", b"23")])),
            ("id=%ff%00", Ok(&[("id", &[255, 0])])),
            ("a=b=c", Ok(&[("a", b"b=c")])),
            ("a", Err(UriError::NoValue("a".into()))),
            ("a=%4", Err(UriError::Encoding("a".into()))),
            ("a=%+1", Err(UriError::Encoding("a".into()))),
            ("a=1;a=1", Err(UriError::Twice("a".into()))),
        ];
        for (uri, want) in cases {
            let want = want.map(|list| {
                list.iter().map(|(name, value)| (*name, value.to_vec())).collect::<Vec<_>>()
            });
            assert_eq!(attributes(uri, ';'), want, "{uri}");
        }
        assert_eq!(attributes(&"a".repeat(MAX_URI_BYTES + 1), ';'), Err(UriError::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn every_value_can_be_written(value in proptest::collection::vec(0_u8..=255, 0..64)) {
            let written: String = value.iter().map(|byte| format!("%{byte:02x}")).collect();
            proptest::prop_assert_eq!(decoded(&written), Some(value));
        }

        #[test]
        fn reading_a_uri_is_total(text in "(plugin:|pkcs11:)?[a-z/%=&;?0-9é-]{0,80}") {
            let _ = crate::keys::kept::Kept::parse(&text);
        }
    }
}
