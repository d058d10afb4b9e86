//! Exact decimals: the numbers that rules compare.
//!
//! A metric of 0.95 that has been through a binary fraction may no longer reach a threshold of
//! 0.95. Numbers in statements and policies that are compared are therefore decimal texts, and
//! are compared as decimals.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An exact decimal of at most 28 significant digits.
///
/// Text form is an optional `-`, digits, and optionally a point and digits. There is no
/// exponent, no sign on positives, no infinity and no NaN.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Decimal(rust_decimal::Decimal);

/// Why a text is not a decimal.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a decimal number such as `0.95` (at most 28 digits, no exponent)")]
pub struct DecimalError(String);

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(rust_decimal::Decimal::ZERO);

    /// The difference, unless it leaves the range.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The shortest decimal that reads back as the double `value`, for numbers that arrive as
    /// JSON numbers; `None` for NaN, infinities and what needs more than 28 digits.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        // `{}` of a double is its shortest exact-round-trip decimal, without exponent.
        format!("{value}").parse().ok()
    }
}

impl From<u64> for Decimal {
    fn from(value: u64) -> Self {
        Self(value.into())
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let wrong = || DecimalError(text.chars().take(64).collect());
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let plain = match unsigned.split_once('.') {
            Some((whole, fraction)) => digits(whole) && digits(fraction),
            None => digits(unsigned),
        };
        if !plain {
            return Err(wrong());
        }
        rust_decimal::Decimal::from_str_exact(text).map(Self).map_err(|_| wrong())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text() {
        let good =
            ["0", "0.95", "-1.5", "143", "0.9790209790209791", "9999999999999999999999999999"];
        for text in good {
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), text);
        }
        let bad = [
            "",
            "-",
            ".5",
            "5.",
            "+1",
            "1e3",
            "NaN",
            "inf",
            "0x10",
            "1_000",
            " 1",
            "1 ",
            "--1",
            "1.2.3",
            "0.00000000000000000000000000001",
            "99999999999999999999999999999999999",
        ];
        for text in bad {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn order_is_of_values() {
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        assert!(decimal("0.9500") == decimal("0.95"));
        assert!(decimal("0.9499999999999999999") < decimal("0.95"));
        assert!(decimal("-1") < decimal("0"));
    }

    #[test]
    fn doubles() {
        assert_eq!(Decimal::from_f64(0.1).unwrap().to_string(), "0.1");
        assert_eq!(
            Decimal::from_f64(0.979_020_979_020_979).unwrap().to_string(),
            "0.979020979020979"
        );
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert!(Decimal::from_f64(value).is_none(), "{value}");
        }
    }
}
