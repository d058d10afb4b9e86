//! What the command adds to what it wraps: start-up, and recording a step.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::report::Report;
use crate::timing::{median, median_difference};

const ASSAY: &str = env!("CARGO_BIN_EXE_assay");
const RUNS: usize = 41;

/// Measures `cli.start` and `cli.run`.
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

    let copy = |product: &str| {
        let mut command = Command::new("cp");
        command.args(["in", product]).current_dir(folder);
        command
    };
    let recorded = || {
        let mut command = Command::new(ASSAY);
        command.args(["run", "--quiet", "--kind", "build", "--step", "bench"]);
        command.args(["--material", "in", "--product", "out", "--", "cp", "in", "out"]);
        command.current_dir(folder);
        command
    };
    let mut turn = 0;
    // What is copied differs in each run: a product that did not change is an error.
    let mut fresh = || {
        turn += 1;
        std::fs::write(folder.join("in"), turn.to_string()).unwrap();
    };
    fresh();
    let alone = median(RUNS, || succeed(copy("plain")));
    report.probe("probe.command", milliseconds(alone), "ms");
    // The first run makes the folder, the key and the register; `median_difference` does not
    // count it.
    let added = median_difference(
        RUNS,
        || {
            fresh();
            succeed(recorded());
        },
        || succeed(copy("plain")),
    );
    report.figure("cli.run", milliseconds(added), "ms", "probe.command");
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
