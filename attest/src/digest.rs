//! SHA-256, the one digest by which artifacts, bodies and log nodes are known.
//!
//! Other algorithms appear in statements and may confirm an identity; they never make one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// A SHA-256 digest.
///
/// Text form is `sha256:` and 64 lowercase hex digits; no other spelling parses, so equal
/// digests always have equal texts.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sha256([u8; 32]);

/// Hashes bytes that come part by part.
#[derive(Clone, Debug, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes that were taken.
    pub fn finish(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

/// Why a text is not a digest.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// The text does not start with `sha256:`.
    #[error("a digest starts with `sha256:`")]
    Algorithm,
    /// What follows is not 64 lowercase hex digits.
    #[error("a digest has 64 lowercase hex digits after `sha256:`")]
    Hex,
}

impl Sha256 {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Hashes the concatenation of `parts`, without joining them in memory.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = sha2::Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Takes a digest that was computed elsewhere (a streaming hasher, a binary format).
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 lowercase hex digits, without the algorithm.
    pub fn hex(&self) -> String {
        to_hex(&self.0)
    }

    /// The same digits, as bytes.
    pub fn hex_bytes(&self) -> [u8; 64] {
        let mut digits = [0; 64];
        let (pairs, _) = digits.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        digits
    }

    /// Parses 64 lowercase hex digits, as digest sets in statements hold them.
    ///
    /// # Errors
    /// [`DigestError::Hex`] for any other text.
    pub fn from_hex(text: &str) -> Result<Self, DigestError> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(DigestError::Hex) };
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() {
            return Err(DigestError::Hex);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (high, low) = nibble(*high).zip(nibble(*low)).ok_or(DigestError::Hex)?;
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

/// Lowercase hex of `bytes`.
pub fn to_hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(digits.map(char::from));
    text
}

const fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

/// The bytes of a text of lowercase hex digits; `None` for anything else, uppercase included.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl FromStr for Sha256 {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::from_hex(text.strip_prefix("sha256:").ok_or(DigestError::Algorithm)?)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_text() {
        let good = format!("sha256:{}", "0f".repeat(32));
        let cases = [
            ("no algorithm", "0f".repeat(32), Some(DigestError::Algorithm)),
            (
                "other algorithm",
                format!("sha512:{}", "0f".repeat(32)),
                Some(DigestError::Algorithm),
            ),
            ("too short", "sha256:0f".into(), Some(DigestError::Hex)),
            ("odd", format!("{good}0"), Some(DigestError::Hex)),
            ("uppercase", format!("sha256:{}", "0F".repeat(32)), Some(DigestError::Hex)),
            ("not ascii", format!("sha256:{}é", "0f".repeat(31)), Some(DigestError::Hex)),
            ("well formed", good.clone(), None),
        ];
        for (name, text, want) in cases {
            assert_eq!(text.parse::<Sha256>().err(), want, "{name}");
        }
        let parsed = good.parse::<Sha256>().unwrap();
        assert_eq!(parsed.to_string(), good);
        assert_eq!(parsed.hex_bytes().as_slice(), &good.as_bytes()["sha256:".len()..]);
    }

    #[test]
    fn parts_hash_as_their_concatenation() {
        assert_eq!(Sha256::of(b"abc"), Sha256::of_parts([&b"a"[..], b"bc"]));
        let mut hasher = Hasher::default();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(Sha256::of(b"abc"), hasher.finish());
        // FIPS 180-2, appendix B.1
        assert_eq!(
            Sha256::of(b"abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
