//! Running the inspections of a layout, when asked to: what is here, the command, what is here
//! then.
//!
//! Source: in-toto specification v1.0, section 5.2, step 8. As the Python implementation does,
//! everything in the working directory is recorded but `*.link*`, `.git`, `*.pyc` and `*~`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use attest::digest::Hasher;
use attest::in_toto::{Artifacts, Link, MAX_ARTIFACTS};
use policy::layout::{Inspected, InspectionReport, InspectionRun};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::context::Context;
use crate::error::{Action, Error};

/// How often it is looked whether a command has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How deep folders are looked into.
const MAX_DEPTH: usize = 64;

/// Runs them, one after the other; none after one that failed.
pub(super) fn run_all(
    inspections: &[InspectionReport],
    seconds: u32,
    cx: &Context<'_>,
) -> Result<Inspected, Error> {
    let mut found = Inspected::new();
    for inspection in inspections {
        cx.printer.note(&format!("inspection `{}`: {}", inspection.name, inspection.run.join(" ")));
        let run = run(inspection, seconds)?;
        let status = run.status;
        found.insert((inspection.layout.clone(), inspection.name.clone()), run);
        if status != Some(0) {
            break;
        }
    }
    Ok(found)
}

fn run(inspection: &InspectionReport, seconds: u32) -> Result<InspectionRun, Error> {
    let materials = artifacts()?;
    let status = execute(&inspection.run, seconds)
        .map_err(|source| Error::Inspection { name: inspection.name.clone(), source })?;
    let link = Link {
        name: inspection.name.clone(),
        command: inspection.run.clone(),
        materials,
        products: artifacts()?,
        ..Link::default()
    };
    Ok(InspectionRun { status, link })
}

/// The exit status; `None` when the command was ended by a signal, or because it took too long.
fn execute(words: &[String], seconds: u32) -> io::Result<Option<i32>> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it has no command"));
    };
    let environment: Vec<_> = std::env::vars_os().collect();
    // Standard output is for the answer.
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(attest::record::without_secrets(&environment, &[]))
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .process_group(0)
        .spawn()?;
    let looks = u64::from(seconds) * 1000 / 20;
    for _ in 0..looks {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        thread::sleep(LOOK);
    }
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended in this moment.
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.wait()?;
    Ok(None)
}

/// What is in the working directory.
fn artifacts() -> Result<Artifacts, Error> {
    let mut found = Artifacts::new();
    walk(Path::new("."), "", 0, &mut found)?;
    Ok(found)
}

/// Recursion ends at [`MAX_DEPTH`]; folders are not entered through links, files are read through
/// them.
fn walk(path: &Path, name: &str, depth: usize, found: &mut Artifacts) -> Result<(), Error> {
    let failed = |path: &Path, error| Error::io(Action::Read, path, error);
    let too_many = || Error::InspectionFiles { limit: MAX_ARTIFACTS };
    if depth > MAX_DEPTH {
        return Err(too_many());
    }
    for entry in fs::read_dir(path).map_err(|error| failed(path, error))? {
        let entry = entry.map_err(|error| failed(path, error))?;
        let Ok(last) = entry.file_name().into_string() else {
            return Err(Error::NotText(entry.path()));
        };
        if is_excluded(&last) {
            continue;
        }
        let path = entry.path();
        let name = if name.is_empty() { last } else { format!("{name}/{last}") };
        let kind = entry.file_type().map_err(|error| failed(&path, error))?;
        if kind.is_dir() {
            walk(&path, &name, depth + 1, found)?;
        } else if fs::metadata(&path).is_ok_and(|found| found.is_file()) {
            if found.len() >= MAX_ARTIFACTS {
                return Err(too_many());
            }
            let digest = hash(&path).map_err(|error| failed(&path, error))?;
            found.insert(name, BTreeMap::from([("sha256".into(), digest)]));
        }
    }
    Ok(())
}

fn is_excluded(name: &str) -> bool {
    name == ".git" || name.contains(".link") || name.ends_with(".pyc") || name.ends_with('~')
}

fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish().hex()),
            length => hasher.update(buffer.get(..length).unwrap_or_default()),
        }
    }
}
