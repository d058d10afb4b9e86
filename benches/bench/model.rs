//! What signing and verifying a model cost beyond hashing it, beside the reference implementation
//! and `sha256sum`, each in a process of its own.
//!
//! Processor time, peak memory and wall time are those of the whole process, as the system counts
//! them. Files lie in memory-backed storage, so that no disk is measured.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::Digest as _;

use crate::report::Report;

const ASSAY: &str = env!("CARGO_BIN_EXE_assay");
/// Python with the reference implementation, which `make test` installs.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers/bin/python");
/// The model of few large files: 4 GiB, unless `--bytes` says otherwise.
const BYTES: u64 = 4 << 30;
const FILES: u64 = 8;
/// The model of many small files, of 8,000 bytes each.
const MANY: u64 = 20_000;
/// How often each is measured; the one with the least processor time counts.
const RUNS: usize = 3;
/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Measures `model.sign`, `model.verify` and their neighbours.
pub(crate) fn measure(report: &mut Report) {
    let given: Vec<String> = std::env::args().collect();
    let bytes = given.iter().position(|argument| argument == "--bytes");
    let bytes = bytes.map_or(BYTES, |at| given[at + 1].parse().unwrap());
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        println!("there is no /dev/shm: the disk is measured, too");
        tempfile::tempdir().unwrap()
    };
    let bench = Bench::new(folder.path());

    let large = bench.model("large", FILES, bytes / FILES);
    let hashing = least(|| bench.hashing(&large));
    report.probe("probe.model.hashing", hashing.cpu, "s");
    report.figure("probe.sha256sum", least(|| sums(&large)).cpu, "s", "probe.model.hashing");
    for (names, verb) in [(SIGN, "sign"), (VERIFY, "verify")] {
        let found = least(|| bench.assay(verb, &large, &[]));
        report.figure(names.cpu, found.cpu, "s", "probe.model.hashing");
        report.figure(names.wall, found.wall, "s", names.cpu);
        report.probe(names.memory, found.memory, "MiB");
        if let Some(theirs) = bench.reference(verb, &large) {
            report.figure(names.theirs, theirs.cpu, "s", "probe.model.hashing");
            report.probe(names.their_memory, theirs.memory, "MiB");
        }
    }
    let cache = bench.folder.join("digests");
    let words = ["--cache", cache.to_str().unwrap()];
    // What has just changed is not remembered: wait until it has not.
    std::thread::sleep(Duration::from_secs(3));
    bench.assay("verify", &large, &words);
    let again = least(|| bench.assay("verify", &large, &words));
    report.probe("model.verify.cached", again.wall * 1e3, "ms");
    fs::remove_dir_all(&large).unwrap();

    // One file of the same size: shards make it parallel.
    let one = bench.model("one", 1, bytes);
    let hashing = least(|| bench.hashing(&one));
    report.probe("probe.model.one", hashing.cpu, "s");
    let sharded = least(|| {
        bench.sign(&one, &[&format!("--shards={}", (bytes / 8).max(1))]);
        bench.assay("verify", &one, &[])
    });
    report.figure("model.shards", sharded.cpu, "s", "probe.model.one");
    report.figure("model.shards.wall", sharded.wall, "s", "model.shards");
    fs::remove_dir_all(&one).unwrap();

    let many = bench.model("many", MANY, 8_000);
    for (verb, cpu, theirs) in [
        ("sign", "model.sign.many", "peer.sign.many"),
        ("verify", "model.verify.many", "peer.verify.many"),
    ] {
        let found = least(|| bench.assay(verb, &many, &[]));
        match bench.reference(verb, &many) {
            Some(reference) => {
                report.probe(theirs, reference.cpu, "s");
                report.figure(cpu, found.cpu, "s", theirs);
            }
            None => report.probe(cpu, found.cpu, "s"),
        }
    }
}

/// What the rows of one verb are called.
#[derive(Clone, Copy)]
struct Names {
    cpu: &'static str,
    wall: &'static str,
    memory: &'static str,
    theirs: &'static str,
    their_memory: &'static str,
}

const SIGN: Names = Names {
    cpu: "model.sign",
    wall: "model.sign.wall",
    memory: "model.sign.memory",
    theirs: "peer.sign",
    their_memory: "peer.sign.memory",
};
const VERIFY: Names = Names {
    cpu: "model.verify",
    wall: "model.verify.wall",
    memory: "model.verify.memory",
    theirs: "peer.verify",
    their_memory: "peer.verify.memory",
};

/// What a process took.
#[derive(Clone, Copy)]
struct Took {
    /// Processor time of all its threads, in seconds.
    cpu: f64,
    wall: f64,
    /// The most memory that it had at once, in MiB.
    memory: f64,
}

struct Bench {
    folder: PathBuf,
    key: PathBuf,
}

impl Bench {
    fn new(folder: &Path) -> Self {
        let key = folder.join("key.pem");
        let mut command = Command::new(ASSAY);
        command.args(["key", "generate", "--output"]).arg(&key);
        succeed(&mut command);
        Self { folder: folder.to_owned(), key }
    }

    /// A model of `files` files of `size` bytes each.
    fn model(&self, name: &str, files: u64, size: u64) -> PathBuf {
        let model = self.folder.join(name);
        let mut state = 1_u64;
        let mut buffer = vec![0; 1 << 20];
        for file in 0..files {
            let path = model.join(format!("{:03}/{file:05}.safetensors", file / 100));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut out = fs::File::create(path).unwrap();
            let mut left = size;
            while left > 0 {
                for word in buffer.chunks_exact_mut(4096) {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    word[..8].copy_from_slice(&state.to_le_bytes());
                }
                let part = left.min(buffer.len() as u64);
                out.write_all(&buffer[..usize::try_from(part).unwrap()]).unwrap();
                left -= part;
            }
        }
        model
    }

    fn signature(model: &Path) -> PathBuf {
        model.with_extension("sig")
    }

    fn hashing(&self, model: &Path) -> Took {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--hash-below").arg(model).current_dir(&self.folder);
        run(&mut command)
    }

    fn sign(&self, model: &Path, words: &[&str]) -> Took {
        let mut command = Command::new(ASSAY);
        command.args(["model", "sign"]).arg(model).arg("--signature").arg(Self::signature(model));
        run(command.arg("--key").arg(&self.key).args(words))
    }

    fn assay(&self, verb: &str, model: &Path, words: &[&str]) -> Took {
        if verb == "sign" {
            return self.sign(model, words);
        }
        let mut command = Command::new(ASSAY);
        command.args(["model", verb]).arg(model).arg("--signature").arg(Self::signature(model));
        run(command.arg("--key").arg(self.key.with_extension("pub")).args(words))
    }

    /// The same by the reference implementation, with a signature of its own; `None` without it.
    fn reference(&self, verb: &str, model: &Path) -> Option<Took> {
        if !Path::new(PYTHON).is_file() {
            println!("run `make test` first: {PYTHON} is missing, and nothing is compared with it");
            return None;
        }
        let signature = model.with_extension("theirs");
        let public = self.key.with_extension("pub");
        let (option, key) =
            if verb == "sign" { ("--private_key", &self.key) } else { ("--public_key", &public) };
        let mut command = Command::new(PYTHON);
        command.args(["-m", "model_signing", verb, "key"]).arg(model);
        command.arg("--signature").arg(signature).arg(option).arg(key);
        Some(run(&mut command))
    }
}

fn sums(model: &Path) -> Took {
    let mut files: Vec<PathBuf> = Vec::new();
    below(model, &mut files);
    run(Command::new("sha256sum").args(files))
}

fn below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// In a process of its own: reads and hashes what is below a folder, and does nothing else.
pub(crate) fn hash_below(folder: &Path) {
    let mut files = Vec::new();
    below(folder, &mut files);
    let mut buffer = vec![0; 1 << 20];
    for path in files {
        let mut file = fs::File::open(path).unwrap();
        let mut hasher = sha2::Sha256::new();
        loop {
            let count = file.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
        }
        std::hint::black_box(hasher.finalize());
    }
}

/// The run of a few that took the least processor time: what else the machine does only adds.
fn least(mut one: impl FnMut() -> Took) -> Took {
    let runs = (0..RUNS).map(|_| one());
    runs.min_by(|one, other| one.cpu.total_cmp(&other.cpu)).unwrap()
}

fn succeed(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.unwrap().success(), "{command:?} failed");
}

/// Runs a command, which must succeed, and says what it took.
fn run(command: &mut Command) -> Took {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    let folder = PathBuf::from(format!("/proc/{}", child.id()));
    let mut memory: f64 = 0.0;
    // A process that has ended keeps its times until it is waited for, and its memory no longer.
    let (wall, cpu) = loop {
        let text = fs::read_to_string(folder.join("stat")).unwrap();
        let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
        if fields[0] == "Z" {
            let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
            break (start.elapsed().as_secs_f64(), ticks / ticks_per_second());
        }
        if let Ok(status) = fs::read_to_string(folder.join("status"))
            && let Some(line) = status.lines().find(|line| line.starts_with("VmHWM:"))
        {
            let kibibytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
            memory = memory.max(kibibytes / 1024.0);
        }
        std::thread::sleep(LOOK);
    };
    assert!(child.wait().unwrap().success(), "{command:?} failed");
    Took { cpu, wall, memory }
}

fn ticks_per_second() -> f64 {
    let said = Command::new("getconf").arg("CLK_TCK").output();
    said.ok()
        .and_then(|said| String::from_utf8(said.stdout).ok()?.trim().parse().ok())
        .unwrap_or(100.0)
}
