//! What the command adds to what it wraps: start-up, and recording a step.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::report::Report;
use crate::timing::{median, median_difference};

const ASSAY: &str = env!("CARGO_BIN_EXE_assay");
const RUNS: usize = 41;
/// How many files of code the repository of `cli.run-in-git` has.
const FILES: usize = 200;

/// Measures `cli.start`, `cli.run` and `cli.run-in-git`.
pub(crate) fn measure(report: &mut Report) {
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;

    let start = median(RUNS, || succeed(Command::new("true")));
    report.probe("probe.spawn", milliseconds(start), "ms");
    let start = median(RUNS, || {
        let mut command = Command::new(ASSAY);
        command.arg("--version");
        succeed(command);
    });
    report.figure("cli.start", milliseconds(start), "ms", "probe.spawn");

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("in"), "0").unwrap();
    // A commit of the register is a synced journal record and a synced head; nothing can record
    // durably in less than the same two writes with the same two syncs. It is not what the ratio
    // compares with, but tells how much of the figure below is the disk's.
    let mut journal = preallocated(&folder.join("journal.probe"));
    let mut head = preallocated(&folder.join("head.probe"));
    let syncs = median(RUNS, || {
        journal.write_all(&[7; 2560]).unwrap();
        journal.sync_data().unwrap();
        head.write_all(&[7; 128]).unwrap();
        head.sync_data().unwrap();
    });
    report.probe("probe.two-syncs", milliseconds(syncs), "ms");

    let alone = median(RUNS, || succeed(copy(folder, "plain")));
    report.probe("probe.command", milliseconds(alone), "ms");
    report.figure("cli.run", milliseconds(added(folder)), "ms", "probe.command");

    // Where people work: the commit, the state of the files and the lock file are recorded too.
    match repository() {
        Some(folder) => {
            let added = added(folder.path());
            report.figure("cli.run-in-git", milliseconds(added), "ms", "probe.command");
        }
        None => println!("git is not installed: cli.run-in-git is not measured"),
    }
}

/// What recording adds to a command in a folder. The first run makes the folder, the key and the
/// register; `median_difference` does not count it.
fn added(folder: &Path) -> std::time::Duration {
    let mut turn = 0;
    // What is copied differs in each run: a product that did not change is an error.
    let mut fresh = || {
        turn += 1;
        std::fs::write(folder.join("in"), turn.to_string()).unwrap();
    };
    fresh();
    median_difference(
        RUNS,
        || {
            fresh();
            succeed(recorded(folder));
        },
        || succeed(copy(folder, "plain")),
    )
}

fn copy(folder: &Path, product: &str) -> Command {
    let mut command = Command::new("cp");
    command.args(["in", product]).current_dir(folder);
    command
}

fn recorded(folder: &Path) -> Command {
    let mut command = Command::new(ASSAY);
    command.args(["run", "--quiet", "--kind", "build", "--step", "bench"]);
    command.args(["--material", "in", "--product", "out", "--", "cp", "in", "out"]);
    command.current_dir(folder);
    command
}

/// A repository of [`FILES`] programs and a lock file, all committed; `None` without git.
fn repository() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=Bench", "-c", "user.email=bench@assay.example"]);
        command.args(words).current_dir(folder.path());
        command
    };
    git(&["--version"]).stdout(Stdio::null()).status().ok()?;
    for file in 0..FILES {
        let path = folder.path().join(format!("program_{file}.py"));
        std::fs::write(path, format!("print({file})\n")).unwrap();
    }
    std::fs::write(folder.path().join("requirements.txt"), "numpy==2.3.4\n").unwrap();
    std::fs::write(folder.path().join(".gitignore"), "/in\n/out\n/plain\n").unwrap();
    succeed(git(&["init", "--quiet"]));
    succeed(git(&["add", "."]));
    succeed(git(&["commit", "--quiet", "--message", "Programs"]));
    Some(folder)
}

fn preallocated(path: &Path) -> File {
    std::fs::write(path, vec![0; 1 << 20]).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.sync_all().unwrap();
    file
}

fn succeed(mut command: Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.unwrap().success(), "{command:?} failed");
}
