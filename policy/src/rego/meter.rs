//! What a rule may make: a budget to which every function and every calculation is charged before
//! it runs.
//!
//! The engine counts instructions, but one call of a function can make a gigabyte, and without an
//! allocator of its own, which would be everybody's, the engine cannot see that. So what each call
//! can make at most is estimated from its arguments, the sum is limited, and a limit that is
//! reached is the same on every machine. The budget belongs to the thread that runs the rule.

use std::cell::{Cell, RefCell};
use std::sync::OnceLock;

use attest::Timestamp;
use regorus::{LimitError, Value};

use super::MAX_DIGITS;

/// The most bytes that the functions of one rule may make, read or look through, in sum.
pub(super) const MAX_MADE: u64 = 64 << 20;

/// A number has more than [`MAX_DIGITS`] before the point.
#[derive(Debug, thiserror::Error)]
#[error("a number has more than {MAX_DIGITS} digits")]
pub(super) struct TooLong;

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
    static NOW: Cell<i64> = const { Cell::new(0) };
    static FAULT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Begins a rule: the whole budget, and `now` for whoever asks for the time.
pub(super) fn start(now: Timestamp) {
    LEFT.set(MAX_MADE);
    FAULT.set(None);
    NOW.set(i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX));
}

/// The time, in nanoseconds since 1970.
pub(super) fn now() -> i64 {
    NOW.get()
}

/// Remembers the first call that had no value for its arguments.
pub(super) fn note<E: ToString>(outcome: Result<Value, E>) -> Result<Value, E> {
    if let Err(error) = &outcome {
        FAULT.with_borrow_mut(|fault| {
            fault.get_or_insert_with(|| error.to_string());
        });
    }
    outcome
}

/// What the first call was that had no value, since the rule began.
pub(super) fn fault() -> Option<String> {
    FAULT.take()
}

/// Takes `bytes` off the budget.
pub(super) fn charge(bytes: u64) -> Result<(), LimitError> {
    let left = LEFT.get().checked_sub(bytes);
    LEFT.set(left.unwrap_or(0));
    left.map(|_| ()).ok_or(LimitError::MemoryLimitExceeded {
        usage: MAX_MADE.saturating_add(bytes),
        limit: MAX_MADE,
    })
}

/// Refuses a number with more than [`MAX_DIGITS`] before the point: each multiplication could
/// double them.
pub(super) fn bound(value: Value) -> Result<Value, TooLong> {
    if is_small(&value) { Ok(value) } else { Err(TooLong) }
}

/// Whether a number is within [`MAX_DIGITS`]; what is no number is.
pub(super) fn is_small(value: &Value) -> bool {
    static EDGES: OnceLock<Option<(Value, Value)>> = OnceLock::new();
    if !matches!(value, Value::Number(_)) {
        return true;
    }
    // Nearly every number is this small, and it costs nothing to see.
    if value.as_i64().is_ok() {
        return true;
    }
    let edges = EDGES.get_or_init(|| {
        let digits = "9".repeat(MAX_DIGITS);
        let most = Value::from_numeric_string(&digits).ok()?;
        let least = Value::from_numeric_string(&format!("-{digits}")).ok()?;
        Some((least, most))
    });
    edges.as_ref().is_some_and(|(least, most)| least <= value && value <= most)
}

/// Whether a text can be read as a number without making a large one: an exponent of four digits
/// is a number of a thousand.
pub(super) fn is_short_number(text: &str) -> bool {
    let exponent = text.rsplit(['e', 'E']).next().filter(|part| part.len() < text.len());
    let digits = exponent.map_or(0, |part| part.bytes().filter(u8::is_ascii_digit).count());
    text.len() <= 2 * MAX_DIGITS && digits <= 3
}
