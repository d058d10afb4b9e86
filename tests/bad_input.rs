//! Bad input, handed to the command in a folder where everything was good and allowed.
//!
//! Whatever is broken, the command ends with 2, says what is wrong and what to do, and changes
//! nothing that was there; once it is mended, the answer is "allowed" again. It never says so
//! before that.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and may take the time"
)]

#[allow(dead_code, reason = "the attacks use the rest")]
mod attacks_doors;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use attacks_doors::command::{Folder, now};
use attacks_doors::library::Evidence;
use attest::{Bundle, Envelope};
use fixtures::{Scene, Verdict, signing_key};

/// The evaluation of the honest line, as its own file in the folder.
const EVALUATION: &str = "evaluation.json";
/// The length of a document that nobody could mean.
const GIB: u64 = 1 << 30;

/// The honest line at a time from now.
fn honest(away: &str) -> Scene {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks");
    let cases = fixtures::load(&folder).unwrap();
    let case = cases.iter().find(|case| case.name == "01-says-it-passed").unwrap();
    let row = case.rows.iter().find(|row| row.name == "the honest line").unwrap();
    row.scene(fixtures::moment(now(), away).unwrap()).unwrap()
}

/// A folder that is good.
struct Good {
    folder: Folder,
    scene: Scene,
}

impl Good {
    fn new() -> Self {
        let scene = honest("-1m");
        let folder = Folder::of(&scene).unwrap();
        fs::create_dir(folder.path(".assay/keys")).unwrap();
        let key = signing_key("evaluator").unwrap().to_pem(None).unwrap();
        folder.write(".assay/keys/local.pem", &key);
        let sent = scene.submissions.iter().find(|sent| sent.id == "evaluate").unwrap();
        folder.write(EVALUATION, std::str::from_utf8(&sent.envelope.payload).unwrap());
        folder.write("model.bin", "weights");
        folder.write("data.csv", "1,2\n");
        Self { folder, scene }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// Runs words separated by spaces; `ARTIFACT` is that of the scene.
    fn assay(&self, words: &str) -> Output {
        let words = words.replace("ARTIFACT", &self.scene.artifact.to_string());
        self.folder.assay(&words.split(' ').collect::<Vec<_>>())
    }

    fn is_allowed(&self) -> bool {
        let said = self.folder.check(&self.scene, Evidence::Registered, &[]);
        said.answer.verdict() == Verdict::Allowed
    }

    /// Everything that must not be lost: the journal, the keys, trust and policy.
    fn kept(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut kept = BTreeMap::new();
        for name in ["register/journal", "keys", "."] {
            let folder = self.path(".assay").join(name);
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                // The high-water mark may rise.
                if path.is_file() && !path.ends_with("seen.json") {
                    kept.insert(path.clone(), fs::read(&path).unwrap());
                }
            }
        }
        kept
    }

    /// The newest segment of the journal, and where its last byte is that is not zero.
    fn journal(&self) -> (PathBuf, Vec<u8>, usize) {
        let folder = fs::read_dir(self.path(".assay/register/journal")).unwrap();
        let path = folder.map(|entry| entry.unwrap().path()).max().unwrap();
        let bytes = fs::read(&path).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        (path, bytes, end)
    }

    /// Writes a bundle of the evaluation after a change, signed by the evaluator.
    fn write_changed_evaluation(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(EVALUATION)).unwrap();
        // The subject stands last.
        let (before, after) = text.rsplit_once(from).expect("what is changed is there");
        let payload = [before, to, after].concat().into_bytes();
        let key = signing_key("evaluator").unwrap();
        let envelope = Envelope::sign(attest::envelope::IN_TOTO, payload, &[&key]).unwrap();
        let bundle = Bundle { envelope, hint: None, entries: Vec::new(), keyless: None };
        fs::write(self.path("bundle.json"), bundle.to_json()).unwrap();
    }
}

/// How errors say what to do: in a line of its own, or themselves.
const ADVICE: [&str; 7] =
    ["hint: ", "restore ", "move it ", "name what ", "correct ", "round it", "set the clock"];

/// How it does not end with 2, does not say `words` and what to do, or panics.
fn wrong(name: &str, output: &Output, words: &str) -> Vec<String> {
    let [out, errors] = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said));
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("{name}: {what}: {:?}\n{out}{errors}", output.status.code()));
        }
    };
    must(output.status.code() == Some(2), "does not end with 2");
    must(!out.contains("allowed") && !out.contains("\"passed\": true"), "may be taken for allowed");
    must(errors.contains("error: ") && errors.contains(words), &format!("does not say `{words}`"));
    must(ADVICE.iter().any(|word| errors.contains(word)), "does not say what to do");
    must(!errors.contains("panicked"), "panics");
    wrong
}

fn refuses(name: &str, output: &Output, words: &str) {
    let wrong = wrong(name, output, words);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const CHECK: &str = "check ARTIFACT --stage production";

/// A way to break something in a good folder.
struct Bad {
    name: &'static str,
    harm: fn(&Good),
    /// What is typed then.
    words: &'static str,
    /// What the error says.
    says: &'static str,
}

/// Breaks a good folder in every way of `rows`, one after the other.
fn try_every(rows: &[Bad]) {
    let mut problems = Vec::new();
    for Bad { name, harm, words, says } in rows {
        let good = Good::new();
        harm(&good);
        let before = good.kept();
        problems.extend(wrong(name, &good.assay(words), says));
        if good.kept() != before {
            problems.push(format!("{name}: something in `.assay` has changed"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Puts a text in the place of another in a file of the folder.
fn edit(good: &Good, name: &str, from: &str, to: &str) {
    let text = fs::read_to_string(good.path(name)).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    good.folder.write(name, &text.replacen(from, to, 1));
}

#[test]
fn a_good_folder_is_allowed() {
    assert!(Good::new().is_allowed());
}

#[test]
fn a_trust_file_that_cannot_be_read() {
    const FILE: &str = ".assay/trust.yaml";
    let rows = [
        Bad {
            name: "gone",
            harm: |good| fs::remove_file(good.path(FILE)).unwrap(),
            words: CHECK,
            says: "trust.yaml",
        },
        Bad {
            name: "a folder",
            harm: |good| {
                fs::remove_file(good.path(FILE)).unwrap();
                fs::create_dir(good.path(FILE)).unwrap();
            },
            words: CHECK,
            says: "trust.yaml",
        },
        Bad {
            name: "a link to itself",
            harm: |good| {
                fs::remove_file(good.path(FILE)).unwrap();
                symlink("trust.yaml", good.path(FILE)).unwrap();
            },
            words: CHECK,
            says: "trust.yaml",
        },
        Bad {
            name: "no text",
            harm: |good| fs::write(good.path(FILE), b"\xff\xfe\x00").unwrap(),
            words: CHECK,
            says: "not UTF-8",
        },
        Bad {
            name: "cut in the middle",
            harm: |good| {
                let text = fs::read_to_string(good.path(FILE)).unwrap();
                good.folder.write(FILE, &text[..text.len() / 2]);
            },
            words: CHECK,
            says: "line ",
        },
        Bad {
            name: "empty",
            harm: |good| drop(good.folder.write(FILE, "")),
            words: CHECK,
            says: "trust.yaml",
        },
        Bad {
            name: "with an unknown key",
            harm: |good| edit(good, FILE, "\"owner\"", "\"owners\""),
            words: CHECK,
            says: "owners",
        },
        Bad {
            name: "with two entries of one id",
            harm: |good| edit(good, FILE, "\"id\": \"trainer\"", "\"id\": \"data\""),
            words: CHECK,
            says: "data",
        },
        Bad {
            name: "without the log of the register",
            harm: |good| edit(good, FILE, "assay.local/00000000000000f1", "assay.local/elsewhere"),
            words: CHECK,
            says: "trust",
        },
    ];
    try_every(&rows);
}

#[test]
fn a_policy_that_nothing_would_read() {
    const FILE: &str = ".assay/policy.yaml";
    let rows = [
        Bad {
            name: "an unknown key, with its place",
            harm: |good| edit(good, FILE, "\"minSamples\"", "\"minSample\""),
            words: CHECK,
            says: "unknown key `minSample`; did you mean `minSamples`?",
        },
        Bad {
            name: "line and column",
            harm: |good| {
                drop(good.folder.write("own.yaml", "apiVersion: assay/v1\nkind: PromotionPolicy\nmetadata: {name: x, version: 1, uri2: y}\n"))
            },
            words: "check ARTIFACT --stage production --policy own.yaml",
            says: "line 3 column 33",
        },
        Bad {
            name: "a key twice",
            harm: |good| {
                edit(good, FILE, "\"minSamples\": 100", "\"minSamples\": 100, \"minSamples\": 1")
            },
            words: CHECK,
            says: "twice",
        },
        Bad {
            name: "a threshold that is no number",
            harm: |good| edit(good, FILE, "\"0.95\"", "\"NaN\""),
            words: CHECK,
            says: "line ",
        },
        Bad {
            name: "a step that there is not",
            harm: |good| edit(good, FILE, "\"notSameAs\": \"train\"", "\"notSameAs\": \"trian\""),
            words: CHECK,
            says: "trian",
        },
        Bad {
            name: "gone",
            harm: |good| fs::remove_file(good.path(FILE)).unwrap(),
            words: CHECK,
            says: "no policy",
        },
        Bad {
            name: "deep",
            harm: |good| drop(good.folder.write(FILE, &"[".repeat(100_000))),
            words: CHECK,
            says: "policy.yaml",
        },
    ];
    try_every(&rows);
}

#[test]
fn a_statement_that_two_readers_read_differently() {
    let rows = [
        Bad {
            name: "a key twice",
            harm: |good| {
                good.write_changed_evaluation("\"metric\"", "\"value\":\"0.1\",\"metric\"")
            },
            words: "log submit bundle.json",
            says: "value",
        },
        Bad {
            name: "a key twice at the top",
            harm: |good| good.write_changed_evaluation("{\"_type\"", "{\"_type\":\"x\",\"_type\""),
            words: "log submit bundle.json",
            says: "_type",
        },
        Bad {
            name: "NaN instead of a number",
            harm: |good| good.write_changed_evaluation("\"0.97\"", "NaN"),
            words: "log submit bundle.json",
            says: "",
        },
        Bad {
            name: "NaN in a text",
            harm: |good| good.write_changed_evaluation("\"0.97\"", "\"NaN\""),
            words: "log submit bundle.json",
            says: "NaN",
        },
        Bad {
            name: "a subject without a digest",
            harm: |good| {
                good.write_changed_evaluation("\"digest\":{\"sha256\":", "\"digest\":{\"md5\":")
            },
            words: "log submit bundle.json",
            says: "digest",
        },
        Bad {
            name: "no JSON at all",
            harm: |good| drop(good.folder.write("bundle.json", "{")),
            words: "log submit bundle.json",
            says: "bundle.json",
        },
        Bad {
            name: "a predicate with a key twice",
            harm: |good| drop(good.folder.write("predicate.json", r#"{"a": 1, "a": 2}"#)),
            words: "attest --type https://example.com/x --predicate predicate.json --subject model.bin",
            says: "key `a` stands twice",
        },
        Bad {
            name: "a predicate with NaN",
            harm: |good| drop(good.folder.write("predicate.json", r#"{"accuracy": NaN}"#)),
            words: "attest --type https://example.com/x --predicate predicate.json --subject model.bin",
            says: "`accuracy` is NaN",
        },
    ];
    try_every(&rows);
}

#[test]
fn numbers_that_are_none() {
    const RUN: &str = "run --kind evaluation --material model=model.bin --material dataset=data.csv --metrics metrics.json -- cp given.json metrics.json";
    for number in ["NaN", "Infinity", "1e999", "\"NaN\"", "\"0x1p3\"", "null"] {
        let good = Good::new();
        let metrics = format!(r#"{{"sampleSize": 100, "metrics": {{"accuracy": {number}}}}}"#);
        good.folder.write("given.json", &metrics);
        let before = good.kept();
        refuses(number, &good.assay(RUN), "metrics.json");
        assert!(good.kept() == before, "{number} was registered");
    }
    // The control: with a number, the same step is recorded.
    let good = Good::new();
    good.folder.write("given.json", r#"{"sampleSize": 100, "metrics": {"accuracy": 0.97}}"#);
    let output = good.assay(RUN);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn paths_that_lead_elsewhere() {
    let rows = [
        Bad {
            name: "a material outside the tree",
            harm: |_| {},
            words: "run --kind training --material ../x --product model.bin -- touch model.bin",
            says: "../x",
        },
        Bad {
            name: "a product outside the tree",
            harm: |_| {},
            words: "run --kind training --material data.csv --product ../x -- true",
            says: "../x",
        },
        Bad {
            name: "a material from the root",
            harm: |_| {},
            words: "run --kind training --material /etc/passwd --product model.bin -- touch model.bin",
            says: "/etc/passwd",
        },
        Bad {
            name: "a link to itself as material",
            harm: |good| symlink("loop", good.path("loop")).unwrap(),
            words: "run --kind training --material loop --product model.bin -- touch model.bin",
            says: "loop",
        },
        Bad {
            name: "links in a circle as subject",
            harm: |good| {
                symlink("b", good.path("a")).unwrap();
                symlink("a", good.path("b")).unwrap();
            },
            words: "verify a",
            says: "`a`",
        },
        Bad {
            name: "a folder with a link to itself",
            harm: |good| {
                fs::create_dir(good.path("folder")).unwrap();
                symlink("../folder", good.path("folder/again")).unwrap();
            },
            words: "check folder --stage production",
            says: "again",
        },
        Bad {
            name: "a link out of the tree as material",
            harm: |good| symlink("/etc/passwd", good.path("innocent")).unwrap(),
            words: "run --kind training --material innocent --product model.bin -- touch model.bin",
            says: "innocent",
        },
    ];
    try_every(&rows);
}

#[test]
fn a_gibibyte_of_nested_json() {
    let good = Good::new();
    // Deep at the start, and then as long as it is said to be, without taking the space.
    let mut file = File::create(good.path("large.json")).unwrap();
    file.write_all("[".repeat(1 << 20).as_bytes()).unwrap();
    file.set_len(GIB).unwrap();
    let before = good.kept();
    let (start, mut problems) = (Instant::now(), Vec::new());
    for words in [
        "check ARTIFACT --stage production --bundle large.json",
        "check ARTIFACT --stage production --policy large.json",
        "check ARTIFACT --stage production --trust large.json",
        "attest --type https://example.com/x --predicate large.json --subject model.bin",
        "attest sbom large.json --subject model.bin",
        "log submit large.json",
        "run --kind evaluation --material model=model.bin --material dataset=data.csv --metrics large.json -- touch large.json",
        "run --kind training --material data.csv --product model.bin --params large.json -- touch model.bin",
    ] {
        problems.extend(wrong(words, &good.assay(words), "large.json"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert!(good.kept() == before);
}

#[test]
fn a_journal_whose_end_is_missing_or_another() {
    let good = Good::new();
    let (path, whole, end) = good.journal();

    // A tail that never became a record is what a crash leaves: nothing that was acknowledged.
    let mut torn = whole.clone();
    torn[end + 16..end + 48].fill(0xa5);
    fs::write(&path, &torn).unwrap();
    assert!(good.is_allowed(), "a torn record after the last whole one");
    fs::write(&path, &whole).unwrap();
    assert!(good.is_allowed(), "mended");

    // A record that was acknowledged is not given up.
    for cut in [1, 8, 64, end / 2] {
        OpenOptions::new().write(true).open(&path).unwrap().set_len((end - cut) as u64).unwrap();
        let before = good.kept();
        refuses(&format!("cut {cut}"), &good.assay(CHECK), "register");
        assert!(good.kept() == before, "cut {cut}: the journal has changed");
        fs::write(&path, &whole).unwrap();
    }

    // Any bit of it: header, leaves, bodies, checksum.
    for part in 0..16 {
        let place = end * part / 16 + 3;
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (part % 8);
        fs::write(&path, &flipped).unwrap();
        let output = good.assay(CHECK);
        let before = good.kept();
        refuses(&format!("a bit of byte {place} of {end}"), &output, "register");
        assert!(good.kept() == before, "byte {place}: the journal has changed");
    }
    fs::write(&path, &whole).unwrap();
    assert!(good.is_allowed(), "mended");
}

#[test]
fn a_clock_that_was_set_back() {
    // The register has entries of tomorrow.
    let scene = honest("+1d");
    let folder = Folder::of(&scene).unwrap();
    fs::create_dir(folder.path(".assay/keys")).unwrap();
    let key = signing_key("gate").unwrap().to_pem(None).unwrap();
    folder.write(".assay/keys/local.pem", &key);
    let artifact = scene.artifact.to_string();
    for words in ["check", "promote"] {
        let words = [words, &artifact, "--stage", "production"];
        refuses("the register is ahead", &folder.assay(&words), "clock is behind");
    }

    // The folder has seen tomorrow, elsewhere.
    let good = Good::new();
    assert!(good.is_allowed());
    let seen = fs::read_to_string(good.path(".assay/seen.json")).unwrap();
    let mut mark: serde_json::Value = serde_json::from_str(&seen).unwrap();
    mark["accepted"] = fixtures::moment(now(), "+1d").unwrap().to_string().into();
    good.folder.write(".assay/seen.json", &mark.to_string());
    refuses("the mark is ahead", &good.assay(CHECK), "clock is behind");
    // What cannot be read is no reason to forget it.
    good.folder.write(".assay/seen.json", "{");
    refuses("the mark is broken", &good.assay(CHECK), "seen.json");
    good.folder.write(".assay/seen.json", &seen);
    assert!(good.is_allowed(), "mended");
}
