//! What is said of an artifact, and by what it is judged.

use super::*;

#[test]
fn a_check_names_what_is_wrong_and_what_to_do() {
    let folder = folder();
    let folder = folder.path();
    policy(folder);
    expect(&assay(folder, POLICY), 1, "denied");
    let said = expect(&assay(folder, "log fsck"), 0, "sound");
    assert!(said.contains("what was seen before"), "{said}");

    let journal = segment(&folder.join(".assay/register/journal"));
    let whole = fs::read(&journal).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let cases = [
        (700, "the journal is damaged at `journal/00000000000000000001.seg`, offset 512"),
        (end - 40, "body sha256:"),
    ];
    for (at, words) in cases {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&journal, &flipped).unwrap();
        let said = expect(&assay(folder, "log fsck"), 1, words);
        assert!(said.contains("hint: restore the register from a backup"), "{said}");
        expect(&assay(folder, "log fsck --json"), 1, "\"sound\": false");
        assert_eq!(fs::read(&journal).unwrap(), flipped, "nothing was changed");
    }
    fs::write(&journal, &whole).unwrap();
    fs::remove_file(folder.join(".assay/register/published")).unwrap();
    expect(&assay(folder, "log fsck"), 1, "`published` cannot be used: it is missing");
    fs::remove_dir_all(folder.join(".assay/register")).unwrap();
    expect(&assay(folder, "log fsck"), 2, "error: ");
}

#[test]
fn deep_and_large_documents_are_bounded() {
    let folder = folder();
    let folder = folder.path();
    fs::write(folder.join("deep.json"), "[".repeat(32 << 20)).unwrap();
    File::create(folder.join("large.json")).unwrap().set_len(1 << 30).unwrap();
    let cases = [("deep.json", "nested deeper than 64 levels"), ("large.json", "larger than")];
    for (file, why) in cases {
        let start = Instant::now();
        for words in [
            format!("attest --type https://example.com/x --predicate {file} --subject model.bin"),
            format!("verify model.bin --bundle {file}"),
        ] {
            expect(&assay(folder, &words), 2, why);
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{file}");
    }
    for words in ["policy check large.json", "trust --trust large.json list"] {
        expect(&assay(folder, words), 2, "larger than");
    }
    for words in ["policy check deep.json", "trust --trust deep.json list"] {
        expect(&assay(folder, words), 2, "error: cannot use");
    }
}

#[test]
fn a_subject_without_a_digest_is_not_believed() {
    let folder = folder();
    let folder = folder.path();
    let pem = fs::read_to_string(folder.join(".assay/keys/local.pem")).unwrap();
    let key = attest::SigningKey::from_pem(&pem, None).unwrap();
    let artifact = attest::ArtifactId::file(attest::Sha256::of(b"weights"));
    let digest = artifact.digest().unwrap().to_string();
    let digest = digest.trim_start_matches("sha256:");
    let cases = [
        ("with its digest", format!(r#"{{"sha256":"{digest}"}}"#), 0, "believed"),
        ("without", "{}".to_owned(), 1, "not believed"),
        (
            "of a kind that nobody knows",
            format!(r#"{{"md5":"{}"}}"#, &digest[..32]),
            1,
            "not believed",
        ),
    ];
    for (name, digest, status, words) in cases {
        let payload = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"model.bin","digest":{digest}}}],"predicateType":"https://example.com/x","predicate":{{}}}}"#
        );
        let envelope =
            attest::Envelope::sign("application/vnd.in-toto+json", payload.into_bytes(), &[&key]);
        let bundle = attest::Bundle {
            envelope: envelope.unwrap(),
            hint: None,
            entries: Vec::new(),
            keyless: None,
        };
        fs::write(folder.join("bundle.json"), bundle.to_json()).unwrap();
        let said = expect(&assay(folder, "verify model.bin --bundle bundle.json"), status, words);
        assert!(said.contains("believed"), "{name}: {said}");
    }
}

#[test]
fn a_foreign_signer_is_shown_and_not_believed() {
    let folder = folder();
    let folder = folder.path();
    let mine = fs::read(folder.join(".assay/trust.yaml")).unwrap();
    expect(&assay(folder, "key generate stranger"), 0, "made");
    expect(&assay(folder, &format!("{REVIEW} --key stranger")), 0, "entry 2");
    assert_eq!(fs::read(folder.join(".assay/trust.yaml")).unwrap(), mine, "nobody new is trusted");
    expect(&assay(folder, "verify model.bin"), 0, "entry 2    no signature by a trusted key");
    expect(&assay(folder, "find --signer stranger"), 0, "not trusted");

    // What only a stranger speaks of is unknown, and where to look is said.
    policy(folder);
    fs::write(folder.join("other.bin"), "other").unwrap();
    let check = POLICY.replace("model.bin", "other.bin");
    let said = expect(&assay(folder, &check), 1, "artifact.unknown");
    assert!(!said.contains("trust add"), "{said}");
    let review = REVIEW.replace("model.bin", "other.bin");
    expect(&assay(folder, &format!("{review} --key stranger")), 0, "entry 3");
    let said = expect(&assay(folder, &check), 1, "artifact.unknown");
    assert!(said.contains("evidence: entry 3") && said.contains("trust add KEY"), "{said}");
}

#[test]
fn a_trust_file_of_ones_own_is_an_opinion() {
    let folder = folder();
    let folder = folder.path();
    policy(folder);
    fs::copy(folder.join("policy.yaml"), folder.join(".assay/policy.yaml")).unwrap();
    fs::copy(folder.join(".assay/trust.yaml"), folder.join("mine.yaml")).unwrap();
    expect(&assay(folder, "log entry 1 --output model.bundle.json"), 0, "");
    let check = "check model.bin --stage staging --json";
    for bundles in ["", " --bundle model.bundle.json"] {
        for (chosen, advisory) in
            [("", false), (" --trust mine.yaml", true), (" --policy policy.yaml", true)]
        {
            let words = format!("{check}{bundles}{chosen}");
            let said = expect(&assay(folder, &words), 1, "");
            let says = said.contains("\"advisory\": true") || said.contains("\"advisory\":true");
            assert_eq!(says, advisory, "{words}: {said}");
        }
    }
}

#[test]
fn a_proof_leads_to_the_checkpoint_that_it_comes_with() {
    use attest::{Checkpoint, Sha256};
    use serde_json::Value;
    use verify::merkle::{verify_consistency, verify_inclusion};

    let folder = folder();
    let folder = folder.path();
    expect(&assay(folder, REVIEW), 0, "entry 2");
    let ask = |words: &str| -> Value {
        serde_json::from_str(&expect(&assay(folder, words), 0, "toCheckpoint")).unwrap()
    };
    let key = ask_key(folder);
    let hash = |value: &Value| -> Sha256 { value.as_str().unwrap().parse().unwrap() };
    let hashes =
        |value: &Value| -> Vec<Sha256> { value.as_array().unwrap().iter().map(hash).collect() };
    for size in 2..=3 {
        let inclusion = ask(&format!("--json log prove 1 --size {size}"));
        let consistency = ask(&format!("--json log prove --from 1 --to {size}"));
        let root = hash(&inclusion["root"]);
        let leaf = hash(&inclusion["leafHash"]);
        assert_eq!(verify_inclusion(1, size, &leaf, &hashes(&inclusion["hashes"]), &root), Ok(()));
        assert_eq!(hash(&consistency["toRoot"]), root);
        for answer in [inclusion, consistency] {
            let newest = Checkpoint::open(answer["checkpoint"].as_str().unwrap(), &key).unwrap();
            let mut grown = hashes(&answer["toCheckpoint"]);
            let led = |grown: &[Sha256]| {
                verify_consistency(size, newest.size, grown, &root, &newest.root)
            };
            assert_eq!((newest.size, led(&grown)), (3, Ok(())));
            grown.push(root);
            assert!(led(&grown).is_err(), "one hash more");
        }
    }
}

fn ask_key(folder: &Path) -> attest::VerifierKey {
    let head = expect(&assay(folder, "--json log head"), 0, "assay/head/v1");
    let head: serde_json::Value = serde_json::from_str(&head).unwrap();
    head["key"].as_str().unwrap().parse().unwrap()
}

#[test]
fn what_cannot_be_said_of_a_step_does_not_change_how_it_ended() {
    let folder = folder();
    let folder = folder.path();
    for (code, words) in [(0, "true"), (3, "exit 3")] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_assay"));
        run.args(["run", "--kind", "training", "--product", "out.bin", "--", "sh", "-c"]);
        run.arg(format!("date +%N > out.bin; {words}")).current_dir(folder);
        run.stderr(OpenOptions::new().write(true).open("/dev/full").unwrap());
        assert_eq!(run.status().unwrap().code(), Some(code), "{words}");
    }
    expect(&assay(folder, "find --step training"), 0, "1 entry");
    // An answer that is lost is no answer.
    let mut lost = command(folder, "find");
    lost.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
    assert_eq!(lost.output().unwrap().status.code(), Some(2));
}

#[test]
fn a_pipe_is_read_only_while_somebody_writes_to_it() {
    let folder = folder();
    let folder = folder.path();
    let shell = |words: &str| {
        let mut bash = Command::new("bash");
        bash.args(["-c", words]).current_dir(folder).env("PROGRAM", env!("CARGO_BIN_EXE_assay"));
        bash.output().unwrap()
    };
    let verify = "\"$PROGRAM\" verify model.bin --trust";
    expect(&shell(&format!("{verify} <(cat .assay/trust.yaml)")), 0, "believed");
    expect(&shell(&format!("{verify} <(sleep 1; cat .assay/trust.yaml)")), 0, "believed");
    let piped = format!("mkfifo pipe; cat .assay/trust.yaml > pipe & {verify} pipe");
    expect(&shell(&piped), 0, "believed");
    let start = Instant::now();
    expect(&shell(&format!("{verify} pipe")), 2, "nobody writes to this pipe");
    assert!(start.elapsed() < Duration::from_secs(30));
}
