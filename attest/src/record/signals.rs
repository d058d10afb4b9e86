//! Signals while a command runs: Ctrl-C is the command's, and what is sent to us is passed on.
//!
//! A signal that was ignored when we were started (`nohup`) stays ignored, by us and by the
//! command. After the command, signals do again what they always do.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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

    /// Does `work` while signals are passed to `command`; once `work` has called what it is
    /// given, to what `left` says is left, which is thereby asked to end.
    pub(super) fn during<T>(
        mut self,
        command: Pid,
        left: &(dyn Fn() -> Vec<Pid> + Sync),
        work: impl FnOnce(&dyn Fn()) -> T,
    ) -> T {
        let handle = self.signals.handle();
        let over = AtomicBool::new(false);
        let asked = AtomicUsize::new(0);
        thread::scope(|scope| {
            let signals = &mut self.signals;
            let (over, asked) = (&over, &asked);
            scope.spawn(move || {
                for number in signals.forever() {
                    let signal = PASSED.into_iter().find(|signal| signal.as_raw() == number);
                    match signal {
                        Some(signal) if over.load(Ordering::SeqCst) => end(signal, asked, left),
                        Some(signal) if !(OF_TERMINALS.contains(&signal) && in_front()) => {
                            // Gone already is as good as told.
                            let _ = kill_process(command, signal);
                        }
                        _ => {}
                    }
                }
            });
            let found = work(&|| over.store(true, Ordering::SeqCst));
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
fn end(signal: Signal, asked: &AtomicUsize, left: &(dyn Fn() -> Vec<Pid> + Sync)) {
    if matches!(signal, Signal::USR1 | Signal::USR2) {
        return;
    }
    let earlier = asked.fetch_add(1, Ordering::SeqCst);
    let signal = if earlier == 0 { Signal::TERM } else { Signal::KILL };
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
