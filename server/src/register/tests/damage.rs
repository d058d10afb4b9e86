//! Files that are not what was written, or are from yesterday, or lack their key.

use super::*;

#[test]
fn damage_of_what_was_published_is_an_error_and_never_a_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    closed(&folder);
    let segment = folder.join("journal/00000000000000000001.seg");
    let bytes = std::fs::read(&segment).unwrap();
    // Every 41st byte of the three records, with a bit flipped.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for place in (512..end).step_by(41) {
        let mut changed = bytes.clone();
        changed[place] ^= 4;
        std::fs::write(&segment, &changed).unwrap();
        let register = match wait(open(&folder, &Holder::command(), Duration::ZERO)) {
            Ok(register) => register,
            Err(error) => {
                assert!(matches!(error, FolderError::Storage(_)), "{place}: {error}");
                continue;
            }
        };
        for index in 0..3 {
            match wait(register.bundle(index)) {
                Ok(bundle) => assert_eq!(holds_of(&bundle, register.verifier()).size, 3),
                Err(error) => assert!(
                    matches!(error, ReadError::Storage(StorageError::Damaged(_))),
                    "{place}: {error}"
                ),
            }
        }
    }
    std::fs::write(&segment, &bytes).unwrap();
    let register = open_folder(&folder);
    for index in 0..3 {
        wait(register.bundle(index)).unwrap();
    }
}

#[test]
fn yesterday_s_journal_under_today_s_published_head_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    closed(&folder);
    let yesterday = folder.join("yesterday");
    copy(&folder.join("journal"), &yesterday);
    let register = open_folder(&folder);
    let key = key();
    wait(register.submit(&envelope("d", &[&key]), &public(&[&key]), at(1))).unwrap();
    drop(register);
    std::fs::remove_dir_all(folder.join("journal")).unwrap();
    std::fs::rename(&yesterday, folder.join("journal")).unwrap();
    let error = wait(open(&folder, &Holder::command(), Duration::ZERO)).map(|_| ()).unwrap_err();
    assert!(
        matches!(
            error,
            FolderError::Storage(StorageError::Journal(JournalError::Behind {
                published: 4,
                recovered: 3
            }))
        ),
        "{error}"
    );
    // Nor is a new one made in its place.
    std::fs::remove_dir_all(folder.join("journal")).unwrap();
    let error =
        wait(open_or_create(&folder, &Holder::command(), Duration::ZERO)).map(|_| ()).unwrap_err();
    assert!(!error.is_not_found(), "{error}");
}

#[test]
fn a_register_keeps_its_key_and_is_not_continued_without_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("deep/register");
    let error = wait(open(&folder, &Holder::command(), Duration::ZERO)).map(|_| ()).unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let want = closed(&folder);
    let key = folder.join("key.pem");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let note = std::fs::read_to_string(folder.join("checkpoint")).unwrap();
    assert_eq!(note, want[0]);
    let again = wait(create(&folder, &Holder::command(), Duration::ZERO)).map(|_| ()).unwrap_err();
    assert!(
        matches!(again, FolderError::Storage(StorageError::Journal(JournalError::Exists))),
        "{again}"
    );

    let pem = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let error = wait(open(&folder, &Holder::command(), Duration::ZERO)).map(|_| ()).unwrap_err();
    assert!(matches!(error, FolderError::NoKey(_)), "{error}");
    assert!(!error.is_not_found());
    std::fs::write(&key, pem).unwrap();
    assert_eq!(answers(&open_folder(&folder)), want);
}
