//! One run of a plugin: a question in, an answer out, in bounded time and space.
//!
//! The program leads a process group of its own. Whatever it leaves behind there is ended with
//! it, and its number is nobody else's until then, because its status is taken last.

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{PluginError, last_words};

/// How many bytes an answer has at most.
pub(super) const MAX_OUTPUT_BYTES: u64 = 64 << 10;
/// How many bytes of standard error are read.
const MAX_ERROR_BYTES: u64 = 8 << 10;

/// How a program ended, and what it wrote.
pub(super) struct Answer {
    /// Its exit status, or 128 and the signal that ended it.
    pub(super) status: i32,
    pub(super) output: Vec<u8>,
    /// The end of what it wrote to standard error.
    pub(super) words: String,
}

enum Event {
    Output(io::Result<Vec<u8>>),
    Words(Vec<u8>),
    Ended,
    TimeUp,
}

/// Runs `program`, hands it `question`, and waits for its answer.
pub(super) fn ask(
    program: &Path,
    environment: Vec<(OsString, OsString)>,
    question: Vec<u8>,
    limit: Duration,
) -> Result<Answer, PluginError> {
    let failed = |source| PluginError::start(program, source);
    let mut child = Command::new(program)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let (sender, events) = mpsc::channel();
    // Dropped on return, which ends the timer.
    let timer = watch(&mut child, question, &sender, limit);
    let heard = timer.map_err(failed).and_then(|_timer| listen(program, &child, &events, limit));
    end(&child);
    let status = child.wait().map_err(failed)?;
    let (output, words) = heard?;
    let status = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(Answer { status, output, words })
}

/// Starts the threads that write, read, wait and count the time. Each ends with the program, or
/// with the pipe that it holds.
fn watch(
    child: &mut Child,
    question: Vec<u8>,
    sender: &Sender<Event>,
    limit: Duration,
) -> io::Result<Sender<()>> {
    let missing = || io::Error::other("no pipe to the program");
    let mut input = child.stdin.take().ok_or_else(missing)?;
    let output = child.stdout.take().ok_or_else(missing)?;
    let errors = child.stderr.take().ok_or_else(missing)?;
    let number = number(child).ok_or_else(missing)?;
    let start = |work: Box<dyn FnOnce() + Send>| thread::Builder::new().spawn(work).map(drop);
    // A program that does not read its question may still answer.
    start(Box::new(move || drop(input.write_all(&question))))?;
    let events = sender.clone();
    start(Box::new(move || drop(events.send(Event::Output(read(output, MAX_OUTPUT_BYTES + 1))))))?;
    let events = sender.clone();
    start(Box::new(move || {
        let found = read(errors, MAX_ERROR_BYTES).unwrap_or_default();
        drop(events.send(Event::Words(found)));
    }))?;
    let events = sender.clone();
    start(Box::new(move || {
        let seen = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(number), seen), Err(Errno::INTR)) {}
        drop(events.send(Event::Ended));
    }))?;
    let (stop, stopped) = mpsc::channel::<()>();
    let events = sender.clone();
    start(Box::new(move || {
        if stopped.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            drop(events.send(Event::TimeUp));
        }
    }))?;
    Ok(stop)
}

/// Waits until the program has ended and all of its answer is there.
fn listen(
    program: &Path,
    child: &Child,
    events: &Receiver<Event>,
    limit: Duration,
) -> Result<(Vec<u8>, String), PluginError> {
    let (mut output, mut said, mut ended) = (None, None, false);
    loop {
        match events.recv() {
            Ok(Event::Output(Ok(found))) if found.len() as u64 > MAX_OUTPUT_BYTES => {
                return Err(PluginError::TooMuch(program.into()));
            }
            Ok(Event::Output(found)) => {
                output = Some(found.map_err(|source| PluginError::start(program, source))?);
            }
            Ok(Event::Words(found)) => said = Some(last_words(&found)),
            Ok(Event::Ended) => {
                // What it left behind would hold the pipes open.
                end(child);
                ended = true;
            }
            Ok(Event::TimeUp) | Err(_) => {
                return Err(PluginError::Late { program: program.into(), limit });
            }
        }
        match (output.take(), said.take()) {
            (Some(output), Some(said)) if ended => return Ok((output, said)),
            (found, words) => (output, said) = (found, words),
        }
    }
}

fn read(pipe: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.take(limit).read_to_end(&mut bytes).map(|_| bytes)
}

fn number(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Ends the program and whatever it left in its group. Its status has not been taken, so that the
/// number is still its own.
fn end(child: &Child) {
    if let Some(number) = number(child) {
        let _ = kill_process_group(number, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, seconds: u64) -> Result<Answer, PluginError> {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let (written, path) = (folder.path().join("written"), folder.path().join("signer"));
        std::fs::write(&written, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&written, std::fs::Permissions::from_mode(0o755)).unwrap();
        // What another test starts meanwhile may have `written` open, and then it does not run.
        assert!(Command::new("cp").args([&written, &path]).status().unwrap().success());
        let environment = vec![("PATH".into(), std::env::var_os("PATH").unwrap())];
        ask(&path, environment, b"question".to_vec(), Duration::from_secs(seconds))
    }

    #[test]
    fn an_answer_is_what_was_written_and_how_it_ended() {
        let said = "no ".repeat(super::super::MAX_WORDS).trim().to_owned();
        let said = said.get(said.len() - super::super::MAX_WORDS..).unwrap();
        let cases = [
            ("cat", 0, "question", ""),
            ("true", 0, "", ""),
            ("cat; echo no >&2; exit 3", 3, "question", "no"),
            ("kill -TERM $$", 143, "", ""),
            ("head -c 65536 /dev/zero | tr '\\0' a", 0, &"a".repeat(65_536), ""),
            ("sleep 1000 & echo left", 0, "left\n", ""),
            ("(sleep 0.1; yes no >&2) || exit 4", 4, "", said),
        ];
        for (script, status, output, words) in cases {
            let answer = run(script, 60).unwrap();
            let found = (answer.status, String::from_utf8(answer.output).unwrap(), answer.words);
            assert_eq!(found, (status, output.to_owned(), words.to_owned()), "{script}");
        }
    }

    #[test]
    fn nothing_lasts_and_nothing_is_too_long() {
        let late = ["sleep 1000", "exec >&- 2>&-; sleep 1000", "setsid sleep 3"];
        for script in late {
            let found = run(script, 1).err();
            assert!(matches!(found, Some(PluginError::Late { .. })), "{script}: {found:?}");
        }
        for script in ["yes", "head -c 65537 /dev/zero"] {
            let found = run(script, 60).err();
            assert!(matches!(found, Some(PluginError::TooMuch(_))), "{script}: {found:?}");
        }
    }
}
