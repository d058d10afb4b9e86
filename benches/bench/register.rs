//! The register: commits, ingestion, its index, searches and proofs.
//!
//! Writers ask the register in this process, as the service does; what they write is on disk, in
//! the folder for temporary files, when they are answered.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use attest::{Envelope, PublicKey, Timestamp};
use server::register::{
    Embedded, Holder, PATIENCE, Query, Register, Storage as _, SubmitError, Term, create, open,
};
use tokio::runtime::{Builder, Runtime};

use crate::ledger::{Ledger, entry_of};
use crate::report::Report;

const WRITERS: usize = 256;
/// Entries of `register.commit` and `register.ingest`.
const ENTRIES: usize = 60_000;
const LARGE: u64 = 1_000_000;
const SMALL: u64 = 100_000;
/// How many entries are added to an index to see how fast that is.
const STEP: u64 = 50_000;
/// Entries of one commit while a register is filled.
const FILL: usize = 4096;
const QUERIES: usize = 1000;
/// Bytes of a slot of the file `published`.
const HEAD: usize = 176;
/// How many writes fit into a file that is probed.
const PROBE_STEPS: u64 = 512;

type Folder = Register<Embedded>;

/// Measures what takes seconds.
pub(crate) fn measure_filled(report: &mut Report) {
    filled(report, SMALL);
}

/// Measures at a million entries; takes minutes.
pub(crate) fn measure_large(report: &mut Report) {
    filled(report, LARGE);
}

fn runtime() -> Runtime {
    let threads = server::worker_threads();
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

fn now() -> Timestamp {
    Timestamp::now()
}

/// Runs the writers, each with its turn at the envelopes; gives the time of all and of each.
fn write<F>(
    runtime: &Runtime,
    envelopes: Arc<Vec<Envelope>>,
    submit: impl Fn(Arc<Vec<Envelope>>, usize) -> F + Clone + Send + 'static,
) -> (Duration, Duration, Vec<Duration>)
where
    F: Future<Output = Result<(), SubmitError>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let processor = processor_time();
    let start = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (next, submit) = (Arc::clone(&next), submit.clone());
            let envelopes = Arc::clone(&envelopes);
            runtime.spawn(async move {
                let mut times = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= envelopes.len() {
                        return times;
                    }
                    let start = Instant::now();
                    submit(Arc::clone(&envelopes), number).await.unwrap();
                    times.push(start.elapsed());
                }
            })
        })
        .collect();
    let times = writers.into_iter().flat_map(|writer| runtime.block_on(writer).unwrap()).collect();
    (start.elapsed(), processor_time() - processor, times)
}

/// Processor time that this process has had; the kernel counts it in hundredths of a second.
fn processor_time() -> Duration {
    let status = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = status.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    Duration::from_millis(10 * ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>())
}

/// Measures many who write at the same time.
pub(crate) fn measure_writers(report: &mut Report) {
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::new();
    let envelopes: Arc<Vec<Envelope>> = Arc::new((0..ENTRIES).map(|_| ledger.unsigned()).collect());
    let key = ledger.public().clone();
    let sent: usize = envelopes.iter().map(|envelope| envelope.to_json().len()).sum();
    let written: usize = envelopes.iter().map(|one| entry_of(one, &key).length()).sum();
    let register = Arc::new(made(&runtime, &folder.path().join("commit")));
    let commits = Arc::new(AtomicU64::new(0));
    let (time, processor, mut times) = write(&runtime, Arc::clone(&envelopes), {
        let (register, key) = (Arc::clone(&register), key.clone());
        move |envelopes, number| {
            let (register, key) = (Arc::clone(&register), key.clone());
            async move {
                let entry = entry_of(&envelopes[number], &key);
                register.append(vec![entry], now()).await.map(|_| ())
            }
        }
    });
    let size = runtime.block_on(register.signed()).unwrap().checkpoint.size;
    assert_eq!(size, ENTRIES as u64);
    commits.store(register.storage().commits(), Ordering::Relaxed);
    drop(register);
    let commits = commits.load(Ordering::Relaxed).max(1);
    let megabytes = |bytes: usize, time: Duration| bytes as f64 / 1e6 / time.as_secs_f64();
    let length = written / usize::try_from(commits).unwrap();
    println!(
        "register.commit: {commits} commits of {} entries, {length} bytes each",
        ENTRIES as u64 / commits
    );
    let probe = synced_commits(folder.path(), length, commits);
    report.probe("probe.synced-commits", megabytes(written, probe), "MB/s");
    report.figure("register.commit", megabytes(written, time), "MB/s", "probe.synced-commits");
    // Without the head, and of what was sent alone: what a disk takes that is asked for no more.
    let probe = synced_writes(folder.path(), sent / usize::try_from(commits).unwrap(), commits);
    report.probe("probe.synced-writes", megabytes(sent, probe), "MB/s");
    report.figure("register.commit.sent", megabytes(sent, time), "MB/s", "probe.synced-writes");
    let each = |time: Duration| time.as_secs_f64() * 1e6 / ENTRIES as f64;
    report.probe("register.commit.processor", each(processor), "µs");
    report.probe("register.commit.p99", percentile(&mut times, 99), "ms");

    let envelopes: Arc<Vec<Envelope>> = Arc::new((0..ENTRIES).map(|_| ledger.signed()).collect());
    let rate = |time: Duration| ENTRIES as f64 / time.as_secs_f64();
    report.probe("probe.verify", rate(verify_all(&envelopes, &key)), "/s");
    let register = Arc::new(made(&runtime, &folder.path().join("ingest")));
    let (time, processor, mut times) = write(&runtime, envelopes, {
        let (register, keys) = (Arc::clone(&register), Arc::new([key]));
        move |envelopes, number| {
            let (register, keys) = (Arc::clone(&register), Arc::clone(&keys));
            async move { register.submit(&envelopes[number], keys.as_slice(), now()).await.map(|_| ()) }
        }
    });
    report.figure("register.ingest", rate(time), "/s", "probe.verify");
    report.probe("register.ingest.processor", each(processor), "µs");
    report.probe("register.ingest.p99", percentile(&mut times, 99), "ms");
}

/// How long the disk takes for what a register writes and syncs: for each commit a record of so many
/// bytes in the journal, and the head beside it.
fn synced_commits(folder: &Path, each: usize, count: u64) -> Duration {
    let mut journal = Probe::new(folder, "journal", each);
    let mut head = Probe::new(folder, "published", HEAD);
    let start = Instant::now();
    for number in 0..count {
        journal.write(number);
        head.write(number);
    }
    start.elapsed()
}

/// How long the disk takes for so many bytes that are written and synced, again and again.
fn synced_writes(folder: &Path, each: usize, count: u64) -> Duration {
    let mut probe = Probe::new(folder, "probe", each);
    let start = Instant::now();
    for number in 0..count {
        probe.write(number);
    }
    start.elapsed()
}

/// A file that is written over from its start to its end, in steps of one length.
struct Probe {
    file: File,
    bytes: Vec<u8>,
}

impl Probe {
    fn new(folder: &Path, name: &str, each: usize) -> Self {
        let path = folder.join(name);
        let room = (each as u64).next_multiple_of(512) * PROBE_STEPS + 512;
        std::fs::write(&path, vec![0; usize::try_from(room).unwrap()]).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.sync_all().unwrap();
        Self { file, bytes: vec![7; each] }
    }

    fn write(&mut self, number: u64) {
        if number.is_multiple_of(PROBE_STEPS) {
            self.file.rewind().unwrap();
        }
        self.file.write_all(&self.bytes).unwrap();
        self.file.sync_data().unwrap();
    }
}

/// All cores check all signatures.
fn verify_all(envelopes: &[Envelope], key: &PublicKey) -> Duration {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for part in envelopes.chunks(envelopes.len().div_ceil(cores)) {
            scope.spawn(move || {
                for envelope in part {
                    key.verify(&envelope.pae(), &envelope.signatures[0].sig).unwrap();
                }
            });
        }
    });
    start.elapsed()
}

fn filled(report: &mut Report, count: u64) {
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("register");
    let mut ledger = Ledger::new();
    drop(made(&runtime, &path));

    // The index is brought up to the journal, once from nothing and once at the end.
    fill(&runtime, &path, &mut ledger, STEP);
    std::fs::remove_dir_all(path.join("index")).unwrap();
    let start = Instant::now();
    drop(opened(&runtime, &path));
    let rate = |time: Duration| STEP as f64 / time.as_secs_f64();
    report.probe("register.index.empty", rate(start.elapsed()), "/s");
    fill(&runtime, &path, &mut ledger, count - 2 * STEP);
    let kept = folder.path().join("kept");
    copy(&path.join("index"), &kept);
    fill(&runtime, &path, &mut ledger, STEP);
    std::fs::remove_dir_all(path.join("index")).unwrap();
    std::fs::rename(&kept, path.join("index")).unwrap();
    let start = Instant::now();
    drop(opened(&runtime, &path));
    report.figure("register.index", rate(start.elapsed()), "/s", "register.index.empty");

    let start = Instant::now();
    let register = opened(&runtime, &path);
    report.probe("register.open", start.elapsed().as_secs_f64(), "s");
    let (mut positions, mut pages) = (Vec::new(), Vec::new());
    for _ in 0..QUERIES {
        let (artifact, want) = ledger.asked();
        let query = Query { terms: vec![Term::Subject(artifact)], limit: 100, ..Query::default() };
        let start = Instant::now();
        let page = runtime.block_on(register.storage().find(&query)).unwrap();
        positions.push(start.elapsed());
        let found = runtime.block_on(register.find(&query)).unwrap();
        pages.push(start.elapsed());
        let found: Vec<u64> = found.entries.iter().map(|entry| entry.index).collect();
        assert_eq!(found, want[..want.len().min(100)], "{artifact}");
        assert_eq!(page.indices, found, "{artifact}");
    }
    // Which entries match, and a page of up to a hundred of them with their statements.
    report.probe("register.find.p50", percentile(&mut positions, 50), "ms");
    report.probe("register.find.p99", percentile(&mut positions, 99), "ms");
    report.probe("register.page.p99", percentile(&mut pages, 99), "ms");
    let mut times: Vec<Duration> = (0..QUERIES as u64)
        .map(|number| {
            let index = number * 7_919 % count;
            let start = Instant::now();
            runtime.block_on(register.inclusion(index, count)).unwrap();
            start.elapsed()
        })
        .collect();
    report.probe("register.prove", percentile(&mut times, 50), "ms");
    report.probe("register.prove.p99", percentile(&mut times, 99), "ms");
    drop(register);

    let resident = Command::new(std::env::current_exe().unwrap())
        .arg("--resident")
        .arg(&path)
        .output()
        .unwrap();
    assert!(resident.status.success());
    let resident: f64 = String::from_utf8(resident.stdout).unwrap().trim().parse().unwrap();
    report.probe("register.rss", resident, "MB");
    report.probe("probe.leaves-and-bodies", ledger.raw_bytes as f64 / 1e6, "MB");
    report.figure("register.disk", used(&path) as f64 / 1e6, "MB", "probe.leaves-and-bodies");
}

/// In a process of its own: opens a register, reads all over it, and says how much memory it has.
pub(crate) fn say_resident(path: &Path) {
    let runtime = runtime();
    let register = opened(&runtime, path);
    let size = runtime.block_on(register.signed()).unwrap().checkpoint.size;
    for number in 0..5_000 {
        runtime.block_on(register.bundle(number * 7_919 % size)).unwrap();
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("{}", kilobytes / 1e3);
}

fn made(runtime: &Runtime, path: &Path) -> Folder {
    runtime.block_on(create(path, &Holder::command(), PATIENCE)).unwrap()
}

fn opened(runtime: &Runtime, path: &Path) -> Folder {
    runtime.block_on(open(path, &Holder::command(), PATIENCE)).unwrap()
}

fn fill(runtime: &Runtime, path: &Path, ledger: &mut Ledger, count: u64) {
    let register = opened(runtime, path);
    let mut left = usize::try_from(count).unwrap();
    while left > 0 {
        let entries: Vec<_> = (0..left.min(FILL)).map(|_| ledger.entry()).collect();
        left -= entries.len();
        runtime.block_on(register.append(entries, now())).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Bytes of all files of a folder, as many as the disk gave them.
fn used(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::read_dir(path)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() { used(&entry.path()) } else { metadata.blocks() * 512 }
        })
        .sum()
}

/// A percentile, in milliseconds.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3
}
