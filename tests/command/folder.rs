//! The folder and its register: made, cut off, gone back, damaged, mended.

use super::*;

#[test]
fn first_uses_at_once_make_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("model.bin"), "weights").unwrap();
    fs::write(folder.join("review.json"), r#"{"reviewed": "yes"}"#).unwrap();
    let first: Vec<_> = (0..4)
        .map(|_| {
            command(folder, REVIEW).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for one in first {
        expect(&one.wait_with_output().unwrap(), 0, "registered as entry");
    }
    let said = expect(&assay(folder, "verify model.bin"), 0, "read all 4 entries");
    assert!(!said.contains("not believed"), "{said}");
}

#[test]
fn a_first_use_that_was_cut_off_is_taken_up() {
    let folder = folder();
    let folder = folder.path();
    fs::remove_file(folder.join(".assay/trust.yaml")).unwrap();
    let said = expect(&assay(folder, "verify model.bin"), 2, "there is no trust file");
    // The path by which a subject was typed may be no name.
    fs::create_dir(folder.join("inner")).unwrap();
    let above = REVIEW.replace("model.bin", "../model.bin");
    let above = above.replace("review.json", "../review.json");
    let inner = folder.join("inner");
    expect(&assay(&inner, &above), 2, "--name NAME");
    expect(&assay(&inner, &format!("{above} --name model.bin")), 0, "made trust file");
    fs::remove_file(folder.join(".assay/trust.yaml")).unwrap();
    assert!(said.contains("assay trust add"), "{said}");
    expect(&assay(folder, REVIEW), 0, "made trust file");
    expect(&assay(folder, "log head"), 0, "trusted  yes");
}

#[test]
fn a_clock_that_went_back_decides_nothing() {
    let folder = folder();
    let folder = folder.path();
    policy(folder);
    expect(&assay(folder, POLICY), 1, "denied");

    let bundled = format!("{POLICY} --bundle one.json");
    let bundle = format!("{REVIEW} --output one.json");
    expect(&assay(folder, &bundle), 0, "registered");
    expect(&assay(folder, &bundled), 1, "denied");

    let seen = folder.join(".assay/seen.json");
    let text = fs::read_to_string(&seen).unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(document["accepted"].is_string(), "{text}");
    document["accepted"] = "2199-01-01T00:00:00Z".into();
    fs::write(&seen, document.to_string()).unwrap();
    for words in [POLICY, "promote model.bin --stage staging --policy policy.yaml", &bundled] {
        let said = expect(&assay(folder, words), 2, "clock is behind");
        assert!(said.contains("take `accepted` with its time out of `"), "{said}");
        assert!(said.contains(".assay/seen.json`"), "{said}");
    }
    // What the hint says helps, and forgets nothing of the register.
    document.as_object_mut().unwrap().remove("accepted");
    fs::write(&seen, document.to_string()).unwrap();
    expect(&assay(folder, POLICY), 1, "denied");
    let after: serde_json::Value = serde_json::from_slice(&fs::read(&seen).unwrap()).unwrap();
    assert_eq!(after["logs"].as_object().unwrap().len(), 1);
}

#[test]
fn a_register_that_went_back_decides_nothing() {
    let folder = folder();
    let folder = folder.path();
    policy(folder);
    copy(&folder.join(".assay/register"), &folder.join("yesterday"));
    expect(&assay(folder, REVIEW), 0, "entry 2");
    expect(&assay(folder, POLICY), 1, "denied");

    fs::remove_dir_all(folder.join(".assay/register")).unwrap();
    fs::rename(folder.join("yesterday"), folder.join(".assay/register")).unwrap();
    expect(&assay(folder, POLICY), 2, "has 2 entries, but had 3 before");
}

#[test]
fn a_damaged_journal_is_said_and_nothing_is_lost() {
    let folder = folder();
    let folder = folder.path();
    let journal = segment(&folder.join(".assay/register/journal"));
    let whole = fs::read(&journal).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();

    // The end is missing: it was published, so that going on without it would lose it.
    OpenOptions::new().write(true).open(&journal).unwrap().set_len(end as u64 - 8).unwrap();
    let cut = fs::read(&journal).unwrap();
    for words in ["log head", "find", "verify model.bin", REVIEW] {
        expect(&assay(folder, words), 2, "error: ");
    }
    assert_eq!(fs::read(&journal).unwrap(), cut, "nothing was changed");

    // A bit of the last statement is another: it is not shown as if it had been signed.
    let mut flipped = whole.clone();
    flipped[end - 40] ^= 1;
    fs::write(&journal, &flipped).unwrap();
    for words in ["find", "verify model.bin", "log entry 1"] {
        expect(&assay(folder, words), 2, "damaged");
    }
    assert_eq!(fs::read(&journal).unwrap(), flipped, "nothing was changed");

    fs::write(&journal, &whole).unwrap();
    expect(&assay(folder, "verify model.bin"), 0, "read all 2 entries");
    // What was signed while the register was of no use was kept, and goes in now.
    let said = expect(&assay(folder, "log submit"), 0, "");
    assert!(
        said.contains("registered as entry 2") || said.contains("nothing is waiting"),
        "{said}"
    );
}

#[test]
fn an_erased_statement_leaves_a_tombstone_and_its_place() {
    let folder = folder();
    let folder = folder.path();
    expect(&assay(folder, &format!("{REVIEW} --output signed.json")), 0, "entry 2");
    let shown = assay(folder, "log entry 2 --json").stdout;
    let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    let body = shown["entry"]["body"].as_str().unwrap();
    let erase = format!("log erase {body} --reason asked-for");

    expect(&assay(folder, "key generate stranger"), 0, "made");
    expect(&assay(folder, &format!("{erase} --key local")), 0, "its tombstone is entry 3");
    expect(&assay(folder, "log entry 2"), 0, "(erased)");
    expect(&assay(folder, "log entry 2 --output gone.json"), 2, "entry 2 has no statement");
    expect(&assay(folder, "log entry 3"), 0, "tombstone");
    expect(&assay(folder, "log prove 2"), 0, "proven");
    expect(&assay(folder, "log fsck --all"), 0, "4, 1 of them erased");
    // The others are still believed, and the register is read to its end.
    let said = expect(&assay(folder, "verify model.bin"), 0, "read all 4 entries");
    assert!(said.contains("entry 0") && !said.contains("entry 2"), "{said}");
    expect(&assay(folder, "log submit signed.json"), 2, "was erased from this register");

    // Again: by the same key it is done already, by another one it was somebody else's.
    expect(&assay(folder, &format!("{erase} --key local")), 0, "its tombstone is entry 3");
    expect(&assay(folder, &format!("{erase} --key stranger")), 2, "was erased before");
    let stone = assay(folder, "log entry 3 --json").stdout;
    let stone: serde_json::Value = serde_json::from_slice(&stone).unwrap();
    let stone = stone["entry"]["body"].as_str().unwrap();
    let refused = format!("log erase {stone} --reason x --key local");
    expect(&assay(folder, &refused), 2, "those are never erased");

    expect(&assay(folder, "log rebuild-index"), 0, "anew from 4 commits");
    expect(&assay(folder, "log fsck --all"), 0, "sound");
    expect(&assay(folder, "log submit signed.json"), 2, "was erased from this register");
}

#[test]
fn an_artifact_is_known_by_what_was_not_erased_of_it() {
    let folder = folder();
    let folder = folder.path();
    std::fs::create_dir(folder.join("data")).unwrap();
    std::fs::write(folder.join("data/a.csv"), "1").unwrap();
    let review = REVIEW.replace("model.bin", "data");
    for entry in [2, 3] {
        expect(&assay(folder, &review), 0, &format!("entry {entry}"));
    }
    let shown = assay(folder, "log entry 2 --json").stdout;
    let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    let (body, subject) = (&shown["entry"]["body"], &shown["entry"]["subjects"][0]["artifact"]);
    let (body, subject) = (body.as_str().unwrap(), subject.as_str().unwrap());
    let digest = subject.strip_prefix("tree:").unwrap();

    let tree = format!("tree:{digest}");
    expect(&assay(folder, &format!("lineage {digest}")), 0, &tree);
    let erase = format!("log erase {body} --reason asked-for --key local");
    expect(&assay(folder, &erase), 0, "its tombstone is entry 4");
    expect(&assay(folder, &format!("lineage {digest}")), 0, &tree);
    expect(&assay(folder, &format!("find --subject {digest}")), 0, "1 entry; complete to 5");
}

#[test]
fn an_index_is_made_anew() {
    let folder = folder();
    let folder = folder.path();
    fs::remove_dir_all(folder.join(".assay/register/index")).unwrap();
    expect(&assay(folder, "find"), 0, "2 entries");
    fs::write(folder.join(".assay/register/index/conf"), "nonsense").unwrap();
    expect(&assay(folder, "find"), 0, "2 entries");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_link_lies_beside_the_step_and_is_written_when_it_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = |link: &str, product: &str, command: &str| {
        let words = format!("run --kind build --step make --product {product} --link {link}");
        assay(folder, &format!("{words} -- {command}"))
    };
    let links = || fs::read_dir(folder.join("links")).unwrap().count();
    expect(&run("links", "made", "touch made"), 2, "links");
    assert!(!folder.join("made").exists(), "said before the step runs");
    fs::create_dir(folder.join("links")).unwrap();
    fs::write(folder.join("file"), "").unwrap();
    expect(&run("file", "made", "touch made"), 2, "is not a folder");
    expect(&run("links", "links", "touch made"), 2, "`links` is part of the step");
    expect(&run("links", "made", "false"), 1, "nothing was attested");
    assert_eq!(links(), 0);
    expect(&run("links", "made", "touch made"), 0, "wrote link `links/make.");
    assert_eq!(links(), 1);
}
