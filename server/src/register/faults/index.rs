//! Whatever becomes of the index, every answer is what the journal says, or a clear error: an index
//! is never believed over it.

use std::fs;

use super::*;

/// Opens the register over whatever index is there. It answers like a scan of the journal, or it
/// refuses with an error of the storage; then, without the index, it answers.
fn answers_or_refuses(machine: &Machine, client: &mut Client, what: &str) -> bool {
    let register = match machine.open() {
        Ok(register) => register,
        Err(ReadError::Storage(error)) => {
            fs::remove_dir_all(machine.index()).unwrap();
            let register = machine.open().unwrap_or_else(|_| panic!("{what}: {error}"));
            client.check(&register);
            return false;
        }
        Err(error) => panic!("{what}: {error}"),
    };
    client.check(&register);
    answers_like_a_scan(&register);
    client.go_on(&register);
    client.check(&register);
    answers_like_a_scan(&register);
    true
}

/// The disk and the closed index of a register with entries in it, and what its client knows.
fn closed() -> (Machine, Client) {
    let (machine, mut client) = (Machine::new(), Client::default());
    assert!(work(&machine, &mut client));
    (machine, client)
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn an_index_that_is_missing_or_cut_or_foreign_is_made_anew() {
    let (machine, client) = closed();
    let copied = machine.again();
    fs::remove_dir_all(copied.index()).unwrap();
    assert!(answers_or_refuses(&copied, &mut client.clone(), "missing"));

    for (number, path) in files(&machine.index()).iter().enumerate() {
        let length = fs::metadata(path).unwrap().len();
        for part in [0, 1, 2, 3, 7] {
            let copied = machine.again();
            let path = &files(&copied.index())[number];
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(length * part / 8).unwrap();
            let what = format!("{} cut to {part} eighths", path.display());
            assert!(answers_or_refuses(&copied, &mut client.clone(), &what), "{what}");
        }
        let copied = machine.again();
        let path = &files(&copied.index())[number];
        fs::remove_file(path).unwrap();
        let what = format!("{} removed", path.display());
        assert!(answers_or_refuses(&copied, &mut client.clone(), &what), "{what}");
    }

    // Of another register, that has as many entries and as many commits.
    let other = Machine::with(SimulatedDisk::default());
    let storage = Embedded::create_on(
        Arc::new(other.disk.clone()),
        &other.index(),
        "assay.local/0",
        JournalId([6; 16]),
        SETTINGS,
        None,
    );
    drop(storage.unwrap());
    let mut theirs = Client { next: 20, ..Client::default() };
    assert!(work(&other, &mut theirs));
    let copied = machine.again();
    fs::remove_dir_all(copied.index()).unwrap();
    copy(&other.index(), &copied.index());
    assert!(answers_or_refuses(&copied, &mut client.clone(), "of another register"));
}

#[test]
fn an_older_index_is_brought_up() {
    let (machine, mut client) = closed();
    let mut older = vec![tempfile::tempdir().unwrap()];
    copy(&machine.index(), older[0].path());
    for _ in 0..3 {
        let register = machine.open().unwrap();
        client.go_on(&register);
        drop(register);
        older.push(tempfile::tempdir().unwrap());
        copy(&machine.index(), older.last().unwrap().path());
    }
    for (age, folder) in older.iter().rev().enumerate() {
        let copied = Machine::with(machine.disk.restart());
        copy(folder.path(), &copied.index());
        assert!(answers_or_refuses(&copied, &mut client.clone(), &format!("{age} behind")));
    }
}

#[test]
fn flipped_bytes_of_the_index_give_no_wrong_answer() {
    let (machine, client) = closed();
    let (mut dice, mut answered) = (Dice(10), 0);
    const ROUNDS: usize = 120;
    for round in 0..ROUNDS {
        let copied = machine.again();
        let files = files(&copied.index());
        let path = &files[dice.below(files.len())];
        let mut bytes = fs::read(path).unwrap();
        // Where something stands, now and then anywhere.
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        for _ in 0..=dice.below(4) {
            let place = if used.is_empty() || dice.one_in(8) {
                dice.below(bytes.len())
            } else {
                used[dice.below(used.len())]
            };
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << dice.below(8);
            }
        }
        fs::write(path, bytes).unwrap();
        let what = format!("round {round}, {}", path.display());
        answered += usize::from(answers_or_refuses(&copied, &mut client.clone(), &what));
    }
    assert!(answered > ROUNDS / 2, "{answered}");
}
