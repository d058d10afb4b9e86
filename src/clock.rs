//! The only reader of the clock. Everything else is handed the time as an argument.

use jiff::Timestamp;

use crate::error::Error;

/// The time now, as this machine has it.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A time that can be worked with: no entry is older than 1970, and the register's index stops at
/// an earlier time without a word.
///
/// # Errors
/// [`Error::ClockUnset`] for a time before 1970.
pub fn checked(now: Timestamp) -> Result<Timestamp, Error> {
    if now < Timestamp::UNIX_EPOCH { Err(Error::ClockUnset { now }) } else { Ok(now) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_is_refused() {
        for (time, good) in
            [("1970-01-01T00:00:00Z", true), ("1969-12-31T23:59:59.999999999Z", false)]
        {
            assert_eq!(checked(time.parse().unwrap()).is_ok(), good, "{time}");
        }
        let error = checked("1969-01-01T00:00:00Z".parse().unwrap()).unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains("clock")), "{error}");
    }
}
