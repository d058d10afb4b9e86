//! Several writers on one folder: handles, processes, killed processes, a server.

use super::*;

#[test]
fn writers_on_one_folder_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    let keys: Vec<SigningKey> = (0..3).map(|_| key()).collect();
    std::thread::scope(|scope| {
        for key in &keys {
            let folder = &folder;
            scope.spawn(move || {
                for round in 0..4 {
                    let register = open_folder(folder);
                    let envelope = envelope(&format!("{round}"), &[key]);
                    let receipts =
                        wait(register.submit(&envelope, &public(&[key]), at(1))).unwrap();
                    assert!(!receipts[0].duplicate);
                    holds_of(&receipts[0].bundle, register.verifier());
                }
            });
        }
    });
    let register = open_folder(&folder);
    assert_eq!(wait(register.signed()).unwrap().checkpoint.size, 12);
    assert_eq!(register.storage().recovery(), &Recovery::default());
    proofs_hold(&register, &(0..=12).collect());
}

#[test]
fn while_a_server_holds_the_folder_a_command_is_told_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    let served =
        wait(open_or_create(&folder, &Holder::server("http://127.0.0.1:0"), Duration::ZERO))
            .unwrap();
    served.storage().announce(&Holder::server("http://127.0.0.1:4000")).unwrap();
    let found = served_by(&folder).unwrap().unwrap();
    assert_eq!(found.url.as_deref(), Some("http://127.0.0.1:4000"));
    for holder in [Holder::command(), Holder::server("http://127.0.0.1:5000")] {
        let error = wait(open(&folder, &holder, PATIENCE)).map(|_| ()).unwrap_err();
        assert!(matches!(error, FolderError::Lock(LockError::Served { .. })), "{error}");
    }
    drop(served);
    assert_eq!(served_by(&folder).unwrap(), None);
    open_folder(&folder);
}

/// Not a test of its own: the writer that the two tests below start as another process. It adds
/// entries to the folder in `ASSAY_TEST_FOLDER` and says each index once it is acknowledged.
#[test]
#[ignore = "started by other tests"]
fn child_writer() {
    use std::io::Write as _;

    let folder = std::env::var("ASSAY_TEST_FOLDER").unwrap();
    let count: u32 = std::env::var("ASSAY_TEST_COUNT").unwrap().parse().unwrap();
    let key = key();
    for number in 0..count {
        let register = open_folder(Path::new(&folder));
        let envelope = envelope(&format!("{}", number % 5), &[&key]);
        let receipts = wait(register.submit(&envelope, &public(&[&key]), at(1))).unwrap();
        let [receipt] = receipts.as_slice() else { panic!("one receipt") };
        let leaf = Leaf::parse(&receipt.bundle.entries[0].leaf).unwrap();
        let mut out = std::io::stderr().lock();
        writeln!(out, "added {} {}", receipt.index, leaf.hash()).unwrap();
        out.flush().unwrap();
    }
}

fn start_child(folder: &Path, count: u32) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "register::tests::processes::child_writer"])
        .env("ASSAY_TEST_FOLDER", folder)
        .env("ASSAY_TEST_COUNT", count.to_string())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap()
}

/// The index and the leaf hash of an acknowledgement.
fn added(line: &str) -> Option<(u64, attest::Sha256)> {
    let (index, hash) = line.split_once("added ")?.1.split_once(' ')?;
    Some((index.parse().ok()?, hash.trim().parse().ok()?))
}

/// What was acknowledged is there; gives the size.
fn has(register: &Register<Embedded>, acknowledged: &[(u64, attest::Sha256)]) -> u64 {
    for (index, hash) in acknowledged {
        assert_eq!(wait(register.entry(*index)).unwrap().leaf.hash(), *hash, "{index}");
    }
    let indices: BTreeSet<u64> = acknowledged.iter().map(|(index, _)| *index).collect();
    assert_eq!(indices.len(), acknowledged.len());
    wait(register.signed()).unwrap().checkpoint.size
}

#[test]
fn processes_take_turns() {
    use std::io::Read as _;

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    let mut children: Vec<_> = (0..3).map(|_| start_child(&folder, 4)).collect();
    let mut acknowledged = Vec::new();
    for child in &mut children {
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
        acknowledged.extend(text.lines().filter_map(added));
    }
    assert_eq!(has(&open_folder(&folder), &acknowledged), 12);
}

#[test]
fn a_killed_writer_loses_nothing_that_was_acknowledged() {
    use std::io::{BufRead as _, BufReader};

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    let mut acknowledged = Vec::new();
    for round in 0..6_u64 {
        let mut child = start_child(&folder, 1000);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for line in lines.by_ref().map_while(Result::ok).take(3) {
            acknowledged.extend(added(&line));
        }
        std::thread::sleep(Duration::from_micros(700 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it was killed.
        acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| added(&line)));
        let register = open_folder(&folder);
        let size = has(&register, &acknowledged);
        assert!(size >= acknowledged.len() as u64);
        proofs_hold(&register, &BTreeSet::from([size]));
    }
    assert!(acknowledged.len() >= 12);
}
