//! The only reader of the clock. Everything else is handed the time as an argument.

use jiff::Timestamp;

/// The time now, as this machine has it.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
