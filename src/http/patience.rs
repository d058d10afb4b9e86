//! How long a service that has too much to do is asked again.
//!
//! It says when (`Retry-After`, RFC 9110, section 10.2.3); each time, at least twice as long is
//! waited as the time before, so that those who all came at once do not all come back at once for
//! ever. Both how often and how long in all are bounded: a step of a pipeline ends.

use std::time::Duration;

use ureq::http::{HeaderMap, header};

/// How often something is asked for at most.
const MAX_ATTEMPTS: u32 = 8;
/// How long is waited at most, in all.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// How long is waited when the service does not say in seconds.
const UNSAID: Duration = Duration::from_secs(1);
/// How long is waited at least, the first time.
const LEAST: Duration = Duration::from_millis(50);

/// What is left of the patience with one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Patience {
    /// How often it was asked for.
    pub(super) attempts: u32,
    /// How long was waited.
    pub(super) waited: Duration,
    least: Duration,
}

impl Patience {
    /// Before the first answer.
    pub(super) const fn new() -> Self {
        Self { attempts: 1, waited: Duration::ZERO, least: LEAST }
    }

    /// How long to wait before the next attempt, when the service wants at least `asked`; `None`
    /// when there is to be no other.
    pub(super) fn wait(&mut self, asked: Duration) -> Option<Duration> {
        let wait = asked.max(self.least);
        let waited = self.waited.saturating_add(wait);
        if self.attempts >= MAX_ATTEMPTS || waited > MAX_WAIT {
            return None;
        }
        self.attempts += 1;
        self.waited = waited;
        self.least = wait.saturating_mul(2);
        Some(wait)
    }

    /// The attempt that comes next, for whoever waits.
    pub(super) fn progress(&self) -> String {
        format!("attempt {} of {MAX_ATTEMPTS}", self.attempts)
    }
}

/// When a service that refuses wants to be asked again. A date is not read: our clock need not be
/// the service's.
pub(super) fn retry_after(headers: &HeaderMap) -> Duration {
    let value = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.trim().parse().ok()).map_or(UNSAID, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use ureq::http::HeaderValue;

    use super::*;

    #[test]
    fn patience_ends() {
        let second = Duration::from_secs(1);
        let cases: [(&str, Duration, &[u64]); 5] = [
            ("at once", Duration::ZERO, &[50, 100, 200, 400, 800, 1600, 3200]),
            ("a second", second, &[1000, 2000, 4000, 8000, 16_000]),
            ("longest of all", MAX_WAIT, &[60_000]),
            ("too long", MAX_WAIT + second, &[]),
            ("for ever", Duration::MAX, &[]),
        ];
        for (name, asked, want) in cases {
            let mut patience = Patience::new();
            let mut waits = Vec::new();
            while let Some(wait) = patience.wait(asked) {
                assert!(wait >= asked, "{name}");
                waits.push(u64::try_from(wait.as_millis()).unwrap());
            }
            assert_eq!(waits, want, "{name}");
            assert_eq!(patience.attempts as usize, want.len() + 1, "{name}");
            assert_eq!(patience.waited.as_millis(), u128::from(want.iter().sum::<u64>()), "{name}");
        }
    }

    #[test]
    fn times_are_seconds() {
        let cases = [
            (Some("3"), 3),
            (Some(" 0 "), 0),
            (Some("-1"), 1),
            (Some("1.5"), 1),
            (Some("Fri, 31 Dec 1999 23:59:59 GMT"), 1),
            (None, 1),
        ];
        for (value, want) in cases {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(value));
            }
            assert_eq!(retry_after(&headers), Duration::from_secs(want), "{value:?}");
        }
    }
}
