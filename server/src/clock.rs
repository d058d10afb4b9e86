//! A clock that is not followed backwards.
//!
//! Ages count from what the clock says, so that a clock set back makes old evidence young again.
//! The newest time that anything was asked or judged at is kept here while the service runs, and
//! in `seen.json` ([`crate::seen`]) from one run to the next.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use attest::Timestamp;

use crate::seen::is_behind;

/// Reads the time.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// The clock is more than five minutes before a time that was accepted already.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("clock is behind: it is {now}, but it was {accepted} already; set the clock")]
pub struct ClockBehind {
    /// What the clock says.
    pub now: Timestamp,
    /// The newest time that was accepted.
    pub accepted: Timestamp,
}

/// A clock, and the newest time that was accepted.
pub(crate) struct Watch {
    clock: Clock,
    /// In microseconds since 1970.
    accepted: AtomicI64,
}

impl Watch {
    /// A watch that has accepted nothing yet.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, accepted: AtomicI64::new(i64::MIN) }
    }

    /// Reads the clock, once, and accepts what it says.
    pub(crate) fn now(&self) -> Result<Timestamp, ClockBehind> {
        let now = (self.clock)();
        self.accept(now)?;
        Ok(now)
    }

    /// The newest time that was accepted.
    pub(crate) fn newest(&self) -> Timestamp {
        let newest = self.accepted.load(Ordering::SeqCst);
        Timestamp::from_microsecond(newest).unwrap_or(Timestamp::MIN)
    }

    /// Accepts a time, unless it is more than the tolerated five minutes before the newest one.
    pub(crate) fn accept(&self, now: Timestamp) -> Result<(), ClockBehind> {
        let before = self.accepted.fetch_max(now.as_microsecond(), Ordering::SeqCst);
        match Timestamp::from_microsecond(before) {
            Ok(accepted) if is_behind(now, accepted) => Err(ClockBehind { now, accepted }),
            // Before the first time there is none.
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Watch").field("accepted", &self.accepted).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_time_may_be_five_minutes_before_the_newest_and_no_more() {
        let watch = Watch::new(Box::new(|| at(NOW)));
        assert!(watch.accept(at(0)).is_ok(), "nothing was accepted before");
        assert_eq!(watch.now(), Ok(at(NOW)));
        for (now, fits) in [(NOW - 300, true), (NOW - 301, false), (NOW + 300, true), (NOW, true)] {
            assert_eq!(watch.accept(at(now)).is_ok(), fits, "{now}");
        }
        watch.accept(at(NOW + 301)).unwrap();
        let behind = ClockBehind { now: at(NOW), accepted: at(NOW + 301) };
        assert_eq!(watch.now(), Err(behind));
    }
}
