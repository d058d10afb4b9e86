//! How old something may be.

use std::fmt;
use std::str::FromStr;

use attest::Timestamp;
use jiff::SignedDuration;

/// The longest age, in days: a hundred years.
const MAX_DAYS: i64 = 36_525;
const DAY: i64 = 24 * 60 * 60;

/// An age limit: a positive whole number of seconds, minutes, hours, days or weeks.
///
/// Text form is the number and `s`, `m`, `h`, `d` or `w`; a day always has 24 hours.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MaxAge {
    seconds: i64,
}

/// Why a text is not an age.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not an age such as `90d`, `24h` or `30m` (at most {MAX_DAYS}d)")]
pub struct AgeError(String);

impl MaxAge {
    /// The first moment at which something from `start` is too old.
    pub fn end(self, start: Timestamp) -> Timestamp {
        // Beyond the last moment that there is, nothing gets older.
        start.checked_add(SignedDuration::from_secs(self.seconds)).unwrap_or(Timestamp::MAX)
    }
}

impl FromStr for MaxAge {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        let wrong = || AgeError(text.chars().take(64).collect());
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let number = text.strip_suffix(unit).unwrap_or_default();
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let length = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => DAY,
            'w' => 7 * DAY,
            _ => return Err(wrong()),
        };
        let number: i64 = number.parse().map_err(|_| wrong())?;
        let seconds = number.checked_mul(length).ok_or_else(wrong)?;
        if seconds == 0 || seconds > MAX_DAYS * DAY {
            return Err(wrong());
        }
        Ok(Self { seconds })
    }
}

impl fmt::Display for MaxAge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (length, unit) in [(DAY, 'd'), (60 * 60, 'h'), (60, 'm')] {
            if self.seconds % length == 0 {
                return write!(formatter, "{}{unit}", self.seconds / length);
            }
        }
        write!(formatter, "{}s", self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_text() {
        let cases = [
            ("90d", Some("90d")),
            ("24h", Some("1d")),
            ("36h", Some("36h")),
            ("2w", Some("14d")),
            ("30m", Some("30m")),
            ("1s", Some("1s")),
            ("36525d", Some("36525d")),
            ("36526d", None),
            ("0d", None),
            ("-1d", None),
            ("+1d", None),
            ("1.5d", None),
            ("90", None),
            ("d", None),
            ("", None),
            ("90 d", None),
            ("90D", None),
            ("90é", None),
            ("99999999999999999999d", None),
            ("9223372036854775807w", None),
        ];
        for (text, want) in cases {
            let found = text.parse::<MaxAge>().ok().map(|age| age.to_string());
            assert_eq!(found.as_deref(), want, "{text}");
        }
    }

    #[test]
    fn an_age_ends_one_length_after_its_start() {
        let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let age: MaxAge = "90d".parse().unwrap();
        assert_eq!(age.end(start), "2027-01-30T00:00:00Z".parse().unwrap());
        assert_eq!(age.end(Timestamp::MAX), Timestamp::MAX);
    }
}
