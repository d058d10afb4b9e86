//! Processes that are killed, fight over a folder, or find no room: a client that keeps its
//! receipts elsewhere misses none of them afterwards.
//!
//! A killed process leaves its writes in the page cache: that what was not synced may be lost is
//! shown in `server/src/register/faults/` and in `tests/power/`.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and may take the time"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use faults_client::Client;
use faults_client::service::{REVIEW, SERVE, Service, assay, folder, said};

mod faults_client;

/// Numbers that look random and are the same in every run.
fn spread(number: u64, below: u64) -> u64 {
    number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % below
}

#[test]
fn a_service_killed_at_any_moment_loses_nothing_that_it_acknowledged() {
    const LOOPS: u64 = 50;
    const SUBMITTERS: u64 = 4;

    let folder = folder();
    let folder = folder.path();
    let mut service = Service::start(folder);
    let client = Client::new(folder);
    for round in 0..LOOPS {
        let url = service.url.clone();
        thread::scope(|scope| {
            for submitter in 0..SUBMITTERS {
                let (client, url) = (&client, &url);
                // Now and then a body that does not fit into one sector, or one page.
                let padding = [0, 700, 9000][spread(round + submitter, 3) as usize];
                scope.spawn(move || while client.submit(url, padding).is_ok() {});
            }
            thread::sleep(Duration::from_millis(10 + spread(round, 90)));
            service.kill();
        });
        service = Service::start(folder);
        client.check(&service.url, round == LOOPS - 1);
        client.submit(&service.url, 0).unwrap();
    }
    client.check(&service.url, true);
    assert!(!service.log().contains("panicked"), "{}", service.log());
    println!("{LOOPS} kills, {} entries acknowledged, none lost", client.acknowledged());
    assert!(client.acknowledged() as u64 > LOOPS, "{}", client.acknowledged());
}

/// The position that a command says its entry has.
fn entry(said: &str) -> Option<u64> {
    let (_, rest) = said.split_once("registered as entry ")?;
    rest.split(|other: char| !other.is_ascii_digit()).next()?.parse().ok()
}

#[test]
fn a_command_killed_at_any_moment_loses_nothing_and_stands_in_nobody_s_way() {
    let folder = folder();
    let folder = folder.path();
    let (mut last, mut killed) = (None, 0);
    for round in 0..20 {
        let mut child =
            assay(folder, REVIEW).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        thread::sleep(Duration::from_micros(spread(round, 60_000)));
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        killed += u64::from(!output.status.success());
        let after = assay(folder, REVIEW).output().unwrap();
        assert!(after.status.success(), "{}", said(&after));
        for index in [entry(&said(&output)), entry(&said(&after))].into_iter().flatten() {
            assert!(last.is_none_or(|last| last < index), "{last:?} then {index}");
            last = Some(index);
        }
    }
    assert!(killed > 0);
    let service = Service::start(folder);
    let client = Client::new(folder);
    client.check(&service.url, true);
    let next = client.submit(&service.url, 0).unwrap();
    assert!(last.is_some_and(|last| last < next), "{last:?} then {next}");
}

#[test]
fn commands_at_once_take_turns_and_a_second_service_is_refused() {
    let folder = folder();
    let folder = folder.path();
    let writers: Vec<_> = (0..6)
        .map(|_| {
            assay(folder, REVIEW).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut entries: Vec<u64> = writers
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
            entry(&said(&output)).unwrap()
        })
        .collect();
    entries.sort_unstable();
    assert_eq!(entries, [0, 1, 2, 3, 4, 5]);

    let mut service = Service::start(folder);
    let second = assay(folder, "serve --listen 127.0.0.1:0").output().unwrap();
    assert_eq!(second.status.code(), Some(2), "{}", said(&second));
    assert!(said(&second).contains(&format!("is served by process {}", service.id())));
    assert!(service.runs());
    let through = assay(folder, REVIEW).output().unwrap();
    assert_eq!(entry(&said(&through)), Some(6), "{}", said(&through));
    // What a killed service wrote into the lock keeps nobody out.
    service.kill();
    let direct = assay(folder, REVIEW).output().unwrap();
    assert_eq!(entry(&said(&direct)), Some(7), "{}", said(&direct));
}

/// Bounds how long any file of a process may get; without `bytes`, takes the bound away.
fn limit_files(id: u32, bytes: Option<u64>) {
    let id = Pid::from_raw(i32::try_from(id).unwrap());
    let before = prlimit(id, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
    assert_eq!(before.maximum, None, "this test needs a process without a hard limit");
}

#[test]
fn a_service_that_cannot_write_says_so_ends_and_works_again_when_there_is_room() {
    let folder = folder();
    let folder = folder.path();
    // Of the files that are written now none may grow beyond this, as on a disk with a quota.
    for bytes in [100_000, 200_000, 600_000] {
        let mut service = Service::start(folder);
        let client = Client::new(folder);
        client.submit(&service.url, 100).unwrap();
        assert_eq!(client.ask(&service.url, "/readyz").0, 200);
        limit_files(service.id(), Some(bytes));
        let refused = (0..80).find_map(|_| client.submit(&service.url, 20_000).err());
        let refused = refused.expect("refused when there is no room");
        assert!(refused.contains("503"), "{bytes}: {refused}");
        // At once, and with the reason; it still answers for what it has.
        let (status, why) = client.ask(&service.url, "/readyz");
        assert_eq!(status, 503, "{bytes}: {why}");
        assert!(why.contains("takes nothing more"), "{bytes}: {why}");
        assert_eq!(client.ask(&service.url, "/healthz").0, 200);
        client.check(&service.url, true);
        let refused = client.submit(&service.url, 10).unwrap_err();
        assert!(refused.contains("takes nothing more"), "{bytes}: {refused}");
        assert!(service.runs());

        let log = service.log_file();
        assert_eq!(service.ends(), Some(2), "{bytes}");
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.contains("File too large"), "{bytes}: {log}");
        assert!(log.contains("hint: free some space and start it again"), "{bytes}: {log}");
        assert!(!log.contains("panicked"), "{bytes}: {log}");
        // As long as there is no room it says so, or serves what it has.
        match Service::launch(bounded(folder, bytes, SERVE), folder) {
            Ok(service) => {
                client.check(&service.url, true);
                service.kill();
            }
            Err(said) => assert!(said.contains("no room on disk"), "{bytes}: {said}"),
        }
        // Nobody had to mend anything.
        let service = Service::start(folder);
        client.check(&service.url, true);
        for _ in 0..4 {
            client.submit(&service.url, 20_000).unwrap();
        }
        client.check(&service.url, true);
        service.kill();
    }
}

/// The command with a bound on the length of its files, from its start on.
fn bounded(folder: &Path, bytes: u64, words: &str) -> Command {
    // Python ignores the signal that comes with the bound, and so would what it starts.
    let python = "import os, resource, signal, sys; limit = int(sys.argv[1]); \
                  signal.signal(signal.SIGXFSZ, signal.SIG_DFL); \
                  resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)); \
                  os.execv(sys.argv[2], sys.argv[2:])";
    let program = assay(folder, words);
    let mut command = Command::new("python3");
    command.args(["-c", python, &bytes.to_string()]).arg(program.get_program());
    command.args(program.get_args()).current_dir(folder).stdin(Stdio::null());
    command
}

#[test]
fn a_command_without_room_says_so_and_loses_nothing() {
    for bytes in [0, 100, 1 << 10, 1 << 16, 1 << 20] {
        // Not even the first use fits.
        let first = folder();
        let output = bounded(first.path(), bytes, REVIEW).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{bytes}: {}", said(&output));
        assert!(said(&output).contains("error: "), "{bytes}: {}", said(&output));
        assert!(said(&output).contains("File too large"), "{bytes}: {}", said(&output));
        assert!(!said(&output).contains("panicked"), "{bytes}: {}", said(&output));
        let after = assay(first.path(), REVIEW).output().unwrap();
        assert!(after.status.success(), "{bytes}: {}", said(&after));
    }
}
