//! The service over a folder, as a process that can be killed.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The command in a folder of its own, with words separated by spaces.
pub(crate) fn assay(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(words.split(' ')).current_dir(folder).stdin(Stdio::null());
    for name in ["ASSAY_DIR", "ASSAY_SERVER", "ASSAY_KEY", "ASSAY_TOKEN", "ASSAY_TOKEN_FILE"] {
        command.env_remove(name);
    }
    command
}

/// What a command said, on both its outputs.
pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// A running service; it is killed when dropped.
pub(crate) struct Service {
    child: Child,
    pub(crate) url: String,
    log: PathBuf,
}

impl Service {
    /// Starts a service in `folder` and waits until it listens.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::launch(assay(folder, SERVE), folder)
            .unwrap_or_else(|said| panic!("the service did not start: {said}"))
    }

    /// Starts `command`, a service in `folder`, and waits until it listens; otherwise what it said.
    pub(crate) fn launch(mut command: Command, folder: &Path) -> Result<Self, String> {
        let log = folder.join("service.log");
        let file = OpenOptions::new().append(true).create(true).open(&log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(url) = line.trim().strip_prefix("listening on ") else {
            let _ = (child.kill(), child.wait());
            return Err(format!("{line}{}", fs::read_to_string(&log).unwrap()));
        };
        Ok(Self { url: url.to_owned(), child, log })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that it writes its log to.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.log.clone()
    }

    /// What it wrote to its log so far, and the ones before it.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Kills it (SIGKILL): nothing is finished, nothing is closed.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself; its exit status.
    pub(crate) fn ends(mut self) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(30);
        while self.runs() && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(!self.runs(), "the service goes on: {}", self.log());
        self.child.wait().unwrap().code()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

/// A folder with a model and what is said about it.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.bin"), "weights").unwrap();
    fs::write(folder.path().join("review.json"), r#"{"reviewed": "yes"}"#).unwrap();
    File::open(folder.path()).unwrap().sync_all().unwrap();
    folder
}

/// The service, wherever there is a free port.
pub(crate) const SERVE: &str = "serve --listen 127.0.0.1:0";
/// Says something about the model; each time it is another entry.
pub(crate) const REVIEW: &str =
    "attest --type https://example.com/review/v1 --predicate review.json --subject model.bin";
