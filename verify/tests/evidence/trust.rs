//! The trust file: what is read, what is refused and where, and that adding to it is reading it.

use attest::{Algorithm, Cosigner, NoteSigner, SigningKey, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fixtures::signing_key;
use verify::{Custody, MAX_TRUST_BYTES, May, Place, Trust, TrustError, TrustedWitness, Window};

fn spki(name: &str) -> String {
    STANDARD.encode(signing_key(name).unwrap().public().der())
}

fn log_key(origin: &str) -> String {
    NoteSigner::new(origin, signing_key("log").unwrap()).unwrap().verifier().to_string()
}

fn good() -> String {
    format!(
        "apiVersion: assay/v1
kind: Trust
keys:
  - id: alice
    spki: {alice}
    owner: alice
    may:
      steps: [train]
      predicates: [evaluation/v0.1]
      artifacts: [\"models/**\"]
      stages: [staging]
    validFrom: 2026-01-01T00:00:00Z
    validUntil: 2027-01-01T00:00:00Z
    custody: separate
  - id: bob
    spki: {bob}
    owner: bob
logs:
  - origin: log.example
    key: {log}
verifiers:
  - {{id: \"https://gate.example\", key: bob}}
",
        alice = spki("alice"),
        bob = spki("bob"),
        log = log_key("log.example"),
    )
}

#[test]
fn a_good_file() {
    let trust = Trust::parse(&good()).unwrap();
    assert_eq!(trust.digest(), attest::Sha256::of(good().as_bytes()));
    let (alice, grant) = trust.named("alice").unwrap();
    assert_eq!(
        (alice.name(), alice.owner(), alice.custody()),
        ("alice", "alice", Custody::Separate)
    );
    assert_eq!(alice.id(), signing_key("alice").unwrap().public().id());
    let evaluation = "https://assay.example/attestation/evaluation/v0.1";
    assert!(grant.may().predicates.has(evaluation) && grant.may().steps.has("train"));
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let cases = [
        ("2025-12-31T23:59:59.999Z", false),
        ("2026-01-01T00:00:00Z", true),
        ("2026-12-31T23:59:59.999Z", true),
        ("2027-01-01T00:00:00Z", false),
    ];
    for (moment, want) in cases {
        assert_eq!(alice.is_valid(at(moment)), want, "{moment}");
    }
    let bob = trust.named("bob").unwrap().0;
    assert_eq!(bob.custody(), Custody::Shared, "what is not said is the weaker");
    assert_eq!(*bob.grants()[0].may(), May::default(), "lists that are missing allow nothing");
    assert!(trust.is_verifier("https://gate.example", &bob.id()));
    assert!(!trust.is_verifier("https://gate.example", &alice.id()));
    assert!(!trust.is_verifier("https://other.example", &bob.id()));
    assert!(trust.log("log.example").is_some() && trust.log("log.exampl").is_none());
}

#[test]
fn what_is_refused_and_where() {
    let (alice, bob) = (spki("alice"), spki("bob"));
    // Small order: y = 1, and the identity's other spelling; the last is no point.
    let point = |first: u8| {
        let mut der = signing_key("alice").unwrap().public().der()[..12].to_vec();
        der.extend([0; 32]);
        der[12] = first;
        STANDARD.encode(der)
    };
    let (weak, long) = (point(1), format!("owner: {}", "x".repeat(513)));
    let other_log = log_key("other.example");
    let log = log_key("log.example");
    let cases: Vec<(&str, &str, &str, &str)> = vec![
        ("an unknown key at the top", "logs:", "logz:", "line 18 column 1: unknown"),
        (
            "an unknown key of a key",
            "owner: bob",
            "owner: bob\n    admin: true",
            "line 18 column 5: unknown",
        ),
        ("an unknown list", "stages:", "stage:", "line 11 column 7: unknown"),
        (
            "an unknown key of a log",
            "    key: ",
            "    witness: x\n    key: ",
            "line 20 column 5: unknown",
        ),
        (
            "a key twice",
            "    owner: bob",
            "    owner: bob\n    owner: eve",
            "line 18 column 5: the key `owner` stands twice",
        ),
        (
            "a list twice",
            "      steps:",
            "      steps: [a]\n      steps:",
            "the key `steps` stands twice",
        ),
        ("no owner", "    owner: bob\n", "", "missing field `owner`"),
        ("another version", "assay/v1", "assay/v2", "line 1 column 13: `apiVersion` is `assay/v2`"),
        ("another kind", "kind: Trust", "kind: Policy", "line 2 column 7: `kind` is `Policy`"),
        ("no kind", "kind: Trust\n", "", "missing field `kind`"),
        ("a scalar for a list", "[train]", "train", "line 8"),
        ("a name twice", "id: bob", "id: alice", "line 15 column 9: key `alice` is there already"),
        ("one key, two owners", &bob, &alice, "`bob` is the same key as `alice`"),
        ("an empty name", "id: bob", "id: \"\"", "line 15 column 9: `id` must have"),
        ("an empty owner", "owner: bob", "owner: \"\"", "`owner` must have"),
        ("an over-long owner", "owner: bob", &long, "`owner` must have"),
        ("a control character", "owner: bob", "owner: \"b\\u0007\"", "`owner` must have"),
        ("an empty step", "[train]", "[\"\"]", "`may` must have"),
        ("a broken pattern", "models/**", "models/[", "pattern `models/[`"),
        ("key not in base64", &bob, "not-base64", "`spki` of `bob` is not base64"),
        ("not a key", &bob, "AAAA", "key `bob`"),
        ("a weak key", &bob, &weak, "key `bob`: the Ed25519 key is weak"),
        ("never valid", "2027-01-01", "2026-01-01", "is never valid"),
        ("no time", "2027-01-01T00:00:00Z", "tomorrow", "line 13"),
        ("a time without a zone", "2027-01-01T00:00:00Z", "2027-01-01T00:00:00", "line 13"),
        ("an end without a value", " 2027-01-01T00:00:00Z", "", "trust file, line 1"),
        ("an end that is null", "2027-01-01T00:00:00Z", "null", "line 13"),
        ("another custody", "separate", "elsewhere", "line 14"),
        ("a verifier without a key", "key: bob}", "key: carol}", "names the key `carol`"),
        ("a log key of another name", &log, &other_log, "is for `other.example`"),
        ("a log key that is none", &log, "log.example+00000000+AAAA", "key of log `log.example`"),
        ("an anchor", "owner: bob", "owner: &a bob", "anchor"),
        ("an alias", "    owner: alice", "    owner: &a alice", "anchor"),
        ("a second document", "verifiers:", "---\nverifiers:", "more than one document"),
        ("no YAML", "keys:", "keys: [", "line"),
    ];
    assert!(Trust::parse(&good()).is_ok());
    let mut wrong = Vec::new();
    for (name, from, to, want) in cases {
        let text = good();
        assert!(text.contains(from), "{name}: `{from}` is not in the file");
        let found = Trust::parse(&text.replacen(from, to, 1));
        let said = found.map_or_else(|error| error.to_string().to_lowercase(), |_| "ok".into());
        if !said.contains(&want.to_lowercase()) {
            wrong.push(format!("{name}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let source = |text: &str| match Trust::parse(&good().replacen(&bob, text, 1)) {
        Err(TrustError::Key { source, place, .. }) => (source, place),
        other => panic!("{other:?}"),
    };
    assert_eq!(source(&point(1)), (attest::KeyError::Weak, Place { line: 16, column: 11 }));
    assert_eq!(source(&point(2)).0, attest::KeyError::Malformed("ed25519"));
}

#[test]
fn two_names_on_one_key_are_one_identity() {
    let also = |owner: &str, custody: &str| {
        let entry = format!(
            "  - {{id: also, spki: {}, owner: {owner}, custody: {custody}, may: {{steps: [prepare]}}}}\nlogs:",
            spki("alice")
        );
        Trust::parse(&good().replacen("logs:", &entry, 1))
    };
    let trust = also("alice", "separate").unwrap();
    assert_eq!(trust.keys().len(), 2);
    assert_eq!(trust.named("also").unwrap().0.grants().len(), 2);
    assert!(matches!(also("eve", "separate"), Err(TrustError::SameKey { .. })));
    assert!(matches!(also("alice", "shared"), Err(TrustError::SameKey { .. })));
}

#[test]
fn bounds() {
    let filled = |bytes: usize| format!("{}{}", good(), "#".repeat(bytes - good().len()));
    assert!(Trust::parse(&filled(MAX_TRUST_BYTES)).is_ok());
    let found = MAX_TRUST_BYTES + 1;
    assert_eq!(Trust::parse(&filled(found)).err(), Some(TrustError::TooLarge { found }));

    let list = |count: usize| {
        let steps: Vec<String> = (0..count).map(|place| format!("s{place}")).collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        May::of(&steps, &[], &[], &[]).is_ok()
    };
    assert_eq!((list(256), list(257)), (true, false));

    let mut trust = Trust::empty();
    let key = signing_key("many").unwrap();
    let mut add = |name: &str| {
        let key = key.public();
        trust.add_key(name, key, "many", &May::default(), Window::default(), Custody::Shared)
    };
    for place in 0..256 {
        add(&format!("k{place}")).unwrap();
    }
    assert!(matches!(add("more"), Err(TrustError::TooMany { what: "keys", limit: 256, .. })));
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(Trust::parse(&deep).is_err());
    assert!(Trust::parse("").is_err());
}

#[test]
fn what_is_written_reads_back() {
    let mut trust = Trust::empty();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let may =
        May::of(&["train"], &["evaluation/v0.1", "*"], &["a: #", "models/**"], &["*"]).unwrap();
    let until = Window { from: None, until: Some(at("2027-01-01T00:00:00Z")) };
    for (name, algorithm) in
        [("null", Algorithm::P256), ("yes", Algorithm::P384), ("- x", Algorithm::Ed25519)]
    {
        let key = SigningKey::generate(algorithm).unwrap();
        let before = trust.digest();
        trust.add_key(name, key.public(), "1e3", &may, until, Custody::Separate).unwrap();
        assert_ne!(trust.digest(), before);
        let again = trust.add_key(name, key.public(), "1e3", &may, until, Custody::Separate);
        assert!(matches!(again, Err(TrustError::Duplicate { what: "key", .. })));
    }
    let log = NoteSigner::new("log.example", signing_key("log").unwrap()).unwrap();
    trust.add_log(log.verifier()).unwrap();
    assert!(matches!(
        trust.add_log(log.verifier()),
        Err(TrustError::Duplicate { what: "log", .. })
    ));
    trust.add_verifier("https://gate.example", "yes").unwrap();
    let again = trust.add_verifier("https://gate.example", "yes");
    assert!(matches!(again, Err(TrustError::Duplicate { what: "verifier", .. })));
    assert!(matches!(trust.add_verifier("x", "absent"), Err(TrustError::NoSuchKey { .. })));

    let back = Trust::parse(&trust.to_yaml()).unwrap();
    assert_eq!(back.to_yaml(), trust.to_yaml());
    assert_eq!(back.digest(), trust.digest());
    let (key, grant) = back.named("null").unwrap();
    assert_eq!((key.owner(), grant.may(), grant.window()), ("1e3", &may, until));
    assert_eq!(back.keys().len(), 3);
    let empty = Trust::parse(&Trust::empty().to_yaml()).unwrap();
    assert!(empty.keys().is_empty() && empty.logs().is_empty() && empty.verifiers().is_empty());
}

/// The verifier key of the witness called `name`, with the key called `key`.
fn witness_key(name: &str, key: &str) -> String {
    Cosigner::new(name, signing_key(key).unwrap()).unwrap().verifier().to_string()
}

#[test]
fn witnesses_of_a_log() {
    let (one, two) = (witness_key("w1", "one"), witness_key("w2", "two"));
    let log = log_key("log.example");
    let with = |witnesses: &str, quorum: &str| {
        let entry = format!("    key: {log}\n    witnesses: [{witnesses}]\n    {quorum}\n");
        Trust::parse(&good().replacen(&format!("    key: {log}\n"), &entry, 1))
    };
    let both = format!("{{key: {one}, owner: alpha}}, {{key: {two}}}");
    let trust = with(&both, "quorum: 2").unwrap();
    let witnesses = trust.log("log.example").unwrap().witnesses();
    let owners: Vec<&str> = witnesses.list().iter().map(TrustedWitness::owner).collect();
    assert_eq!((owners.as_slice(), witnesses.quorum()), (["alpha", "w2"].as_slice(), 2));
    // What is written reads back.
    let again = Trust::parse(&trust.to_yaml()).unwrap();
    assert_eq!(again.log("log.example").unwrap().witnesses(), witnesses);

    let one_owner = format!("{{key: {one}, owner: alpha}}, {{key: {two}, owner: alpha}}");
    let renamed = format!("{{key: {one}}}, {{key: {}}}", witness_key("w3", "one"));
    let log_as_witness = format!("{{key: {log}}}");
    let cases = [
        ("more than there are", both.as_str(), "quorum: 3", false),
        ("more than there are owners", one_owner.as_str(), "quorum: 2", false),
        ("one owner", one_owner.as_str(), "quorum: 1", true),
        ("no quorum", both.as_str(), "", false),
        ("a quorum of nobody", "", "quorum: 1", false),
        ("nobody", "", "", true),
        ("one key under two names", renamed.as_str(), "quorum: 1", false),
        ("the key of a log", log_as_witness.as_str(), "quorum: 1", false),
        ("an unknown field", "{name: w1}", "quorum: 1", false),
        ("a quorum below zero", both.as_str(), "quorum: -1", false),
    ];
    for (name, witnesses, quorum, want) in cases {
        let found = with(witnesses, quorum);
        assert_eq!(found.is_ok(), want, "{name}: {found:?}");
    }
}
