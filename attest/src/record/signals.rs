//! Signals while a command runs: Ctrl-C is the command's, and what is sent to us is passed on.
//!
//! A signal that was ignored when we were started (`nohup`) stays ignored, by us and by the
//! command. After the command, signals do again what they always do.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use signal_hook::flag::register_conditional_default;
use signal_hook::iterator::Signals;

/// The signals that are passed on.
const PASSED: [Signal; 6] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2];
/// Those of them that a terminal sends to the command as well as to us.
const OF_TERMINALS: [Signal; 3] = [Signal::HUP, Signal::INT, Signal::QUIT];

/// Whether signals have their usual effect on us; false while a command runs.
static USUAL: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// How far a command is; it only goes on.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub(super) enum Phase {
    /// It runs: signals are for it.
    Running,
    /// It has ended, and what it left behind is waited for.
    Ended,
    /// Somebody has been told of that.
    Told,
    /// What is left has been asked to end.
    Asked,
}

/// The phase of a command, as several threads see it.
#[derive(Debug)]
pub(super) struct Progressing(AtomicU8);

impl Progressing {
    /// The phase of a command that is about to run.
    pub(super) const fn new() -> Self {
        Self(AtomicU8::new(Phase::Running as u8))
    }

    /// Goes on to `phase`; returns whether it was reached before.
    pub(super) fn reach(&self, phase: Phase) -> bool {
        self.0.fetch_max(phase as u8, Ordering::SeqCst) >= phase as u8
    }

    fn before(&self, phase: Phase) -> bool {
        self.0.load(Ordering::SeqCst) < phase as u8
    }
}

/// Signals that wait for a command to be passed to.
pub(super) struct Passing {
    signals: Signals,
    usual: Arc<AtomicBool>,
}

impl Passing {
    /// From here on, no signal ends us.
    pub(super) fn prepare() -> io::Result<Self> {
        let ignored = ignored();
        let caught: Vec<i32> = PASSED
            .iter()
            .map(|signal| signal.as_raw())
            .filter(|signal| ignored & (1 << (signal - 1)) == 0)
            .collect();
        let usual = match USUAL.get() {
            Some(usual) => Arc::clone(usual),
            None => {
                // Handlers stay for as long as the process lives; this one gives each signal its
                // usual effect back whenever no command runs.
                let usual = Arc::new(AtomicBool::new(true));
                for signal in &caught {
                    register_conditional_default(*signal, Arc::clone(&usual))?;
                }
                Arc::clone(USUAL.get_or_init(|| usual))
            }
        };
        let signals = Signals::new(caught)?;
        usual.store(false, Ordering::SeqCst);
        Ok(Self { signals, usual })
    }

    /// Does `work` while signals are passed to `command`. When `phase` says that it has ended,
    /// what `left` gives is asked to end instead.
    pub(super) fn during<T>(
        mut self,
        command: Pid,
        phase: &Progressing,
        left: &(dyn Fn() -> Vec<Pid> + Sync),
        work: impl FnOnce() -> T,
    ) -> T {
        let handle = self.signals.handle();
        thread::scope(|scope| {
            let signals = &mut self.signals;
            scope.spawn(move || {
                for number in signals.forever() {
                    let signal = PASSED.into_iter().find(|signal| signal.as_raw() == number);
                    let Some(signal) = signal else { continue };
                    let typed = OF_TERMINALS.contains(&signal) && in_front();
                    // What is typed has reached the command, and may have ended it: only what
                    // is typed after somebody was told of the rest can be meant for the rest.
                    if typed && phase.before(Phase::Told) {
                        continue;
                    }
                    if phase.before(Phase::Ended) {
                        // Gone already is as good as told.
                        let _ = kill_process(command, signal);
                    } else if !matches!(signal, Signal::USR1 | Signal::USR2) {
                        end(phase, left);
                    }
                }
            });
            let found = work();
            handle.close();
            found
        })
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.usual.store(true, Ordering::SeqCst);
    }
}

/// Asks what is left to end; whoever asks a second time means it.
fn end(phase: &Progressing, left: &(dyn Fn() -> Vec<Pid> + Sync)) {
    let signal = if phase.reach(Phase::Asked) { Signal::KILL } else { Signal::TERM };
    for process in left() {
        let _ = kill_process(process, signal);
    }
}

/// Whether we, and the command with us, are what the terminal sends its signals to.
fn in_front() -> bool {
    std::fs::File::open("/dev/tty")
        .is_ok_and(|terminal| tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp()))
}

/// The signals that are ignored, one bit each; none where the system does not say.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_only_go_on() {
        let phase = Progressing::new();
        assert!(phase.before(Phase::Ended));
        assert!(!phase.reach(Phase::Ended));
        assert!(!phase.before(Phase::Ended) && phase.before(Phase::Told));
        assert!(!phase.reach(Phase::Asked));
        assert!(phase.reach(Phase::Told), "passed already");
        assert!(phase.reach(Phase::Asked));
    }
}
