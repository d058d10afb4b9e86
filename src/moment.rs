//! A time as a user writes it: a date, a timestamp, or a length of time from now.

use std::str::FromStr;

use jiff::{Span, Timestamp, civil, tz::TimeZone};

/// A time on the command line.
///
/// `2027-03-01` is the start of that day in UTC, `2027-03-01T08:00:00Z` is itself, and `30d` or
/// `12h` counts from now, forwards or backwards as the option means it.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// A point in time.
    At(Timestamp),
    /// A length of time, counted from now.
    Away(Span),
}

/// The text is neither a date, a timestamp nor a length of time.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not a time; write `2027-03-01`, `2027-03-01T08:00:00Z` or `30d`")]
pub struct MomentError;

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self::At(at));
        }
        if let Ok(day) = text.parse::<civil::Date>() {
            let start = day.to_zoned(TimeZone::UTC).map_err(|_| MomentError)?;
            return Ok(Self::At(start.timestamp()));
        }
        let span = text.parse::<Span>().map_err(|_| MomentError)?;
        if span.is_negative() || span.is_zero() {
            return Err(MomentError);
        }
        Ok(Self::Away(span))
    }
}

impl Moment {
    /// The time meant, if lengths count forwards from `now`; `None` past the end of the calendar.
    pub fn after(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Away(span) => {
                Some(now.to_zoned(TimeZone::UTC).checked_add(span).ok()?.timestamp())
            }
        }
    }

    /// The time meant, if lengths count backwards from `now`.
    pub fn before(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Away(span) => {
                Some(now.to_zoned(TimeZone::UTC).checked_sub(span).ok()?.timestamp())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let cases = [
            ("2027-03-01", Some(("2027-03-01T00:00:00Z", "2027-03-01T00:00:00Z"))),
            ("2027-03-01T08:00:00Z", Some(("2027-03-01T08:00:00Z", "2027-03-01T08:00:00Z"))),
            ("30d", Some(("2026-12-24T12:00:00Z", "2026-10-25T12:00:00Z"))),
            ("12h", Some(("2026-11-25T00:00:00Z", "2026-11-24T00:00:00Z"))),
            ("-30d", None),
            ("0d", None),
            ("soon", None),
            ("2027-02-30", None),
            ("", None),
        ];
        for (text, want) in cases {
            let found = text.parse::<Moment>().ok().map(|moment| {
                (moment.after(now).unwrap().to_string(), moment.before(now).unwrap().to_string())
            });
            let want = want.map(|(after, before)| (after.to_owned(), before.to_owned()));
            assert_eq!(found, want, "{text}");
        }
    }

    #[test]
    fn a_length_past_the_calendar_is_none() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let moment: Moment = "19000y".parse().unwrap();
        assert_eq!(moment.after(now), None);
    }
}
