//! Running the command, and waiting until all of it has ended.
//!
//! The command has our standard input, output and error, our terminal and our process group:
//! Ctrl-C reaches it as if it had been started alone, and we go on waiting. What is sent to us
//! by name (`kill`, a batch system) is passed on. What the command leaves behind in the
//! background is waited for as well, because it may still write (THREATS, rule 16); nothing is
//! ended unless somebody asks us to end while we wait for it.
//!
//! On Linux, orphans of the command become our children. Elsewhere they cannot be seen, and
//! only the command itself is waited for; [`OBSERVED`] says which.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, WaitStatus, waitid, waitpid};

use super::processes::{Reaper, children, name_of};
use super::signals::{Passing, Phase, Progressing};
use super::{Observer, Process, RecordError};

/// What is waited for, as statements say it.
pub(super) const OBSERVED: &str =
    if cfg!(target_os = "linux") { "all-descendants" } else { "command-only" };

/// After how long somebody is told what is still running.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many processes are told of.
const MAX_PROCESSES: usize = 64;

/// Orphans belong to the whole process, so that two commands at once could not be told apart.
static ONE: Mutex<()> = Mutex::new(());

/// Runs the command; returns its exit status when all of it has ended.
pub(super) fn run(
    command: &[OsString],
    environment: &[(OsString, OsString)],
    directory: &Path,
    observer: &dyn Observer,
) -> Result<i32, RecordError> {
    let (program, arguments) = command.split_first().ok_or(RecordError::NoCommand)?;
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _reaper = Reaper::new().map_err(|errno| RecordError::Wait(errno.into()))?;
    let passing = Passing::prepare().map_err(RecordError::Wait)?;
    // Who ran us by `exec` may have left us children of its own.
    let before = children();

    let mut child = Command::new(program);
    child.args(arguments).env_clear().envs(environment.iter().cloned()).current_dir(directory);
    let child = child.spawn().map_err(|source| match std::fs::metadata(directory) {
        Err(source) => RecordError::Directory { path: directory.into(), source },
        Ok(_) => RecordError::Spawn { command: program.clone(), source },
    })?;
    let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let number = number.ok_or_else(|| RecordError::Wait(io::Error::other("no process id")))?;
    let left = || children().into_iter().filter(|child| !before.contains(child)).collect();
    let phase = Progressing::new();
    passing.during(number, &phase, &left, || {
        // Its number is nobody else's until its status is taken, so that no signal goes astray.
        let seen = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(number), seen), Err(Errno::INTR)) {}
        phase.reach(Phase::Ended);
        let status = wait_for(number).map_err(|errno| RecordError::Wait(errno.into()));
        wait_for_others(&phase, &left, observer);
        status
    })
}

/// Waits for what the command left behind.
fn wait_for_others(
    phase: &Progressing,
    left: &(dyn Fn() -> Vec<Pid> + Sync),
    observer: &dyn Observer,
) {
    let Some(mut first) = left().first().copied() else { return };
    let (done, told) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if told.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let running = left().into_iter().take(MAX_PROCESSES);
                let running: Vec<Process> =
                    running.map(|id| Process::new(id.as_raw_pid(), name_of(id))).collect();
                phase.reach(Phase::Told);
                observer.still_running(&running);
            }
        });
        // Whoever ends leaves its children to us before we see its end, so that the list is
        // empty only when nothing is left.
        while wait_for(first).is_ok() {
            match left().first() {
                Some(next) => first = *next,
                None => break,
            }
        }
        drop(done);
    });
}

/// Waits for one of our children: its exit status, or 128 and the signal that ended it.
fn wait_for(child: Pid) -> rustix::io::Result<i32> {
    loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status_of(status)),
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn status_of(status: WaitStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(status), _) => status,
        (None, Some(signal)) => 128_i32.saturating_add(signal),
        (None, None) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Silent;

    #[test]
    fn exit_statuses_are_those_of_a_shell() {
        let folder = tempfile::tempdir().unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let run = |words: &[&str]| {
            let command: Vec<OsString> = words.iter().map(OsString::from).collect();
            run(&command, &[("PATH".into(), path.clone())], folder.path(), &Silent)
        };
        assert_eq!(run(&["true"]).unwrap(), 0);
        assert_eq!(run(&["sh", "-c", "exit 7"]).unwrap(), 7);
        assert_eq!(run(&["sh", "-c", "kill -TERM $$"]).unwrap(), 143);
        assert_eq!(run(&["sh", "-c", "kill -KILL $$"]).unwrap(), 137);
        let status = |words: &[&str]| run(words).unwrap_err().exit_status();
        assert_eq!(status(&["no-such-command-anywhere"]), Some(127));
        assert_eq!(status(&["/"]), Some(126));
        assert_eq!(status(&[]), None);
    }
}
