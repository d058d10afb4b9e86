//! SHA-256, the one digest by which artifacts, bodies and log nodes are known.
//!
//! Other algorithms appear in statements and may confirm an identity; they never make one.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// A SHA-256 digest.
///
/// Text form is `sha256:` and 64 lowercase hex digits; no other spelling parses, so equal
/// digests always have equal texts.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Sha256([u8; 32]);

/// How a digest is written, before its digits.
const TEXT: &[u8; 71] = b"sha256:................................................................";

/// Parts that come to no more than this are joined, in bytes: a hasher that is fed bit by bit takes
/// as long for what it does around the hash.
const JOINED: usize = 192;

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

/// As their bytes; digests are sorted so often that it matters how they are compared.
impl Ord for Sha256 {
    fn cmp(&self, other: &Self) -> Ordering {
        self.words().cmp(&other.words())
    }
}

impl PartialOrd for Sha256 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Sha256 {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Hashes the concatenation of `parts`, without joining long ones in memory.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut joined, mut length) = ([0; JOINED], 0);
        let mut parts = parts.into_iter();
        while let Some(part) = parts.next() {
            if let Some(room) = joined.get_mut(length..length + part.len()) {
                room.copy_from_slice(part);
                length += part.len();
                continue;
            }
            let mut hasher = sha2::Sha256::new();
            hasher.update(joined.get(..length).unwrap_or_default());
            hasher.update(part);
            parts.for_each(|part| hasher.update(part));
            return Self(hasher.finalize().into());
        }
        Self::of(joined.get(..length).unwrap_or_default())
    }

    /// Takes a digest that was computed elsewhere (a streaming hasher, a binary format).
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest as whole numbers that are in the order of the digests.
    fn words(&self) -> [u64; 4] {
        let (words, _) = self.0.as_chunks::<8>();
        let mut numbers = [0; 4];
        for (number, word) in numbers.iter_mut().zip(words) {
            *number = u64::from_be_bytes(*word);
        }
        numbers
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
        let mut text = *TEXT;
        if let Some(digits) = text.last_chunk_mut() {
            *digits = self.hex_bytes();
        }
        formatter.write_str(str::from_utf8(&text).unwrap_or_default())
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
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn any_parts_hash_as_their_concatenation(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..8),
        ) {
            let of_parts = Sha256::of_parts(parts.iter().map(Vec::as_slice));
            prop_assert_eq!(of_parts, Sha256::of(&parts.concat()));
        }

        #[test]
        fn digests_are_in_the_order_of_their_bytes(one: [u8; 32], other: [u8; 32], same in 0..32_usize) {
            let mut near = one;
            near[same..].copy_from_slice(&other[same..]);
            let digest = Sha256::from_bytes;
            prop_assert_eq!(digest(one).cmp(&digest(near)), one.cmp(&near));
            prop_assert_eq!(digest(one).cmp(&digest(one)), Ordering::Equal);
        }
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
