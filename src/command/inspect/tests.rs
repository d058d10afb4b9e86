//! One good file of each kind with what must be said of it, beside it the smallest change that
//! makes it another kind or none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::LazyLock;

use ::attest::certificate::MAX_CERTIFICATES;
use ::attest::envelope::IN_TOTO;
use ::attest::in_toto::{self, Form, LayoutKey};
use ::attest::{Cosigner, Envelope, Inclusion, LogProof, PublicKey, Statement, VerifierKey, oms};
use fixtures::{Scene, load, signing_key};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Exit, explain};
use crate::page::{Glyphs, Page};

/// What is explained of `bytes`: how it ends, as a page and as JSON.
fn explained(bytes: &[u8]) -> (Exit, String, String) {
    let answer = explain(bytes);
    let mut page = Page::new(Glyphs::Ascii);
    answer.draw(&mut page);
    let text = anstream::adapter::strip_str(&page.into_text()).to_string();
    (answer.exit(), text, answer.json().unwrap())
}

/// The kind of a file, or `unknown`.
fn kind(bytes: &[u8]) -> String {
    let (exit, text, json) = explained(bytes);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], "assay/inspection/v1");
    if exit == Exit::Success {
        assert_eq!(json["verified"], false);
        assert!(text.contains("nothing of this was verified\nto check it: "), "{text}");
    }
    json["kind"].as_str().unwrap_or("unknown").to_owned()
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks");
    let cases = load(&folder).unwrap();
    let now = "2026-11-24T12:00:00Z".parse().unwrap();
    cases.first().unwrap().rows.first().unwrap().scene(now).unwrap()
});

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let length = match length {
        [0, short] if short < 0x80 => vec![short],
        [0, long] => vec![0x81, long],
        [high, low] => vec![0x82, high, low],
    };
    [&[tag], &length[..], &body].concat()
}

/// A certificate in DER with these subject alternative names, of which nobody is the issuer.
fn certificate(names: &[&[u8]]) -> Vec<u8> {
    let key = signing_key("alice").unwrap();
    let algorithm = tlv(0x30, &[&tlv(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]])]);
    let time = |text: &[u8]| tlv(0x17, &[text]);
    let validity = tlv(0x30, &[&time(b"260101000000Z"), &time(b"260101001000Z")]);
    let common = tlv(0x30, &[&tlv(6, &[&[0x55, 4, 3]]), &tlv(0x0c, &[b"some issuer"])]);
    let issuer = tlv(0x30, &[&tlv(0x31, &[&common])]);
    let named = tlv(0x30, &[&tlv(6, &[&[0x55, 0x1d, 0x11]]), &tlv(4, &[&tlv(0x30, names)])]);
    let login = tlv(
        0x30,
        &[
            &tlv(6, &[&[0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1, 8]]),
            &tlv(4, &[&tlv(0x0c, &[b"https://login.example"])]),
        ],
    );
    let body = tlv(
        0x30,
        &[
            &tlv(0xa0, &[&tlv(2, &[&[2]])]),
            &tlv(2, &[&[1, 0x2c]]),
            &algorithm,
            &issuer,
            &validity,
            &tlv(0x30, &[]),
            key.public().der(),
            &tlv(0xa3, &[&tlv(0x30, &[&named, &login])]),
        ],
    );
    tlv(0x30, &[&body, &algorithm, &tlv(3, &[&[0, 0]])])
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn layout(form: Form) -> Vec<u8> {
    let key = signing_key("alice").unwrap();
    let name = LayoutKey::from_public(key.public()).unwrap();
    let layout = json!({
        "_type": "layout", "expires": "2027-01-31T12:00:00Z", "readme": "x", "inspect": [],
        "keys": {name.label().as_str(): name.to_json().unwrap()},
        "steps": [{"name": "pack", "pubkeys": [name.label()], "threshold": 1,
            "expected_command": [], "expected_materials": [],
            "expected_products": [["CREATE", "d"]]}],
    });
    in_toto::sign(&layout, form, &[&key]).unwrap()
}

fn link(form: Form) -> Vec<u8> {
    let key = signing_key("alice").unwrap();
    let digests = json!({"sha256": "ab"});
    let link = json!({
        "_type": "link", "name": "pack", "command": ["tar", "x"], "byproducts": {},
        "materials": {"a.c": digests}, "products": {"d": digests}, "environment": {},
    });
    in_toto::sign(&link, form, &[&key]).unwrap()
}

fn model() -> Vec<u8> {
    let key = signing_key("alice").unwrap();
    let manifest = json!({
        "resources": [{"name": "weights.bin", "algorithm": "sha256", "digest": "00".repeat(32)}],
        "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": false,
            "ignore_paths": []},
    });
    let manifest = serde_json::from_value(manifest).unwrap();
    let payload = oms::payload("small-model", &manifest).unwrap();
    let material = oms::Material::of_key(key.public());
    let envelope = Envelope::sign(IN_TOTO, payload, &[&key]).unwrap();
    oms::Bundle { envelope, material, timestamps: Vec::new() }.to_json()
}

fn proof() -> String {
    let bundle = &SCENE.evidence.first().unwrap().presented;
    let proof = bundle.entries.iter().find_map(|entry| entry.proof.clone()).unwrap();
    let Inclusion { index, hashes, checkpoint, .. } = proof;
    LogProof { extra: None, index, hashes, checkpoint }.to_string()
}

/// A good file, what must be said of it, and what the file is after the smallest change.
struct Case {
    kind: &'static str,
    good: Vec<u8>,
    words: Vec<String>,
    changed: Vec<u8>,
    becomes: &'static str,
}

fn case(
    kind: &'static str,
    good: impl Into<Vec<u8>>,
    words: &[&str],
    change: (&str, &str),
    becomes: &'static str,
) -> Case {
    let good = good.into();
    let text = String::from_utf8(good.clone()).unwrap();
    assert!(text.contains(change.0), "`{}` is not in: {text}", change.0);
    let changed = text.replacen(change.0, change.1, 1).into_bytes();
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Case { kind, good, words, changed, becomes }
}

fn cases() -> Vec<Case> {
    let evidence = SCENE.evidence.first().unwrap();
    let envelope = &evidence.presented.envelope;
    let alice = signing_key("alice").unwrap();
    let identity = alice.public().id().to_string();
    let log = fixtures::log_signer().unwrap();
    let witness = Cosigner::new("witness.example/w1", signing_key("witness").unwrap()).unwrap();
    let note = log.sign("any text\nat all\n").unwrap().to_string();
    let der = certificate(&[&tlv(0x81, &[b"dev@example.com"]), &tlv(0x87, &[&[1, 2, 3]])]);
    let (leaf, _) = SCENE.leaves.first().unwrap();
    let said = [
        "claims name (email)",
        "dev@example.com",
        "name (address)",
        "unreadable",
        "claims valid until",
        "2026-01-01T00:10:00Z",
        "claims issuer ",
        "CN=some issuer",
        "issuer of the login (Fulcio .8)",
        "https://login.example",
        "012c",
        &identity,
    ];
    let root = include_str!("../../../tests/cmd/keyless.in/trusted_root.json");
    let secret = alice.to_pem(None).unwrap();
    let sealed = alice.to_pem(Some("words")).unwrap();
    let statement = envelope.payload.clone();
    let predicate = Statement::parse(&statement).unwrap().predicate_type().to_owned();
    vec![
        Case {
            kind: "certificate",
            good: der.clone(),
            words: said.map(str::to_owned).to_vec(),
            changed: der[..der.len() - 1].to_vec(),
            becomes: "unknown",
        },
        case(
            "certificate",
            pem("CERTIFICATE", &der),
            &said,
            ("BEGIN CERT", "BEGIN CART"),
            "unknown",
        ),
        case(
            "certificates",
            pem("CERTIFICATE", &der) + &pem("CERTIFICATE", &certificate(&[])),
            &said,
            ("-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----", ""),
            "unknown",
        ),
        case(
            "bundle",
            evidence.presented.to_json(),
            &["claims media type", "- envelope", "- statement", "- log entry", "- checkpoint"],
            ("bundle.v0.3", "bundle.v0.9"),
            "unknown",
        ),
        case(
            "envelope",
            envelope.to_json(),
            &["claims payload type", "- statement", &evidence.body.to_string(), &predicate],
            ("\"payloadType\"", "\"payloadKind\""),
            "unknown",
        ),
        case(
            "public key",
            alice.public().to_pem(),
            &["key identity", &identity, alice.public().algorithm().as_str()],
            ("PUBLIC", "PUBLIK"),
            "unknown",
        ),
        Case {
            kind: "public key",
            good: alice.public().der().to_vec(),
            words: vec![identity.clone()],
            changed: alice.public().der()[1..].to_vec(),
            becomes: "unknown",
        },
        case(
            "private key",
            secret.as_bytes(),
            &["not shown", &identity],
            ("PRIVATE KEY-----\nM", "PRIVATE KEY-----\nA"),
            "unknown",
        ),
        case(
            "private key",
            sealed.as_bytes(),
            &["under a passphrase"],
            ("ENCRYPTED", "EMCRYPTED"),
            "unknown",
        ),
        case(
            "checkpoint",
            SCENE.checkpoint.clone(),
            &[
                "claims log ",
                fixtures::LOG_ORIGIN,
                "claims size",
                " entries",
                "claims root",
                "claims signed by",
            ],
            ("\n", "\n0"),
            "signed note",
        ),
        case(
            "signed note",
            note,
            &["claims text", "at all", "claims signed by"],
            ("— ", "- "),
            "unknown",
        ),
        case(
            "verifier key",
            log.verifier().to_string(),
            &["claims name", fixtures::LOG_ORIGIN, "key hash in notes"],
            ("+", "-"),
            "unknown",
        ),
        case(
            "verifier key of a witness",
            witness.verifier().to_string(),
            &["claims name", "witness.example/w1"],
            ("+", "-"),
            "unknown",
        ),
        case(
            "statement",
            statement,
            &["claims about", &predicate],
            ("\"subject\"", "\"object\""),
            "unknown",
        ),
        case(
            "hashedrekord entry",
            leaf.bytes(),
            &["claims digest of what was signed", "leaf hash", "key identity"],
            ("0.0.2", "0.0.3"),
            "unknown",
        ),
        case(
            "proof that an entry is in a log",
            proof(),
            &["claims position", "- checkpoint"],
            ("@v1", "@v2"),
            "signed note",
        ),
        case(
            "in-toto layout",
            layout(Form::Metablock),
            &["claims expires", "2027-01-31T12:00:00Z", "CREATE d", &identity, "metablock"],
            ("\"layout\"", "\"leyout\""),
            "unknown",
        ),
        case(
            "in-toto link",
            link(Form::Metablock),
            &["went in", "a.c  sha256:ab", "tar x"],
            ("\"link\"", "\"lunk\""),
            "unknown",
        ),
        case(
            "in-toto link",
            link(Form::Envelope),
            &["DSSE envelope", "a.c  sha256:ab"],
            ("in-toto+json", "in-toto+jsonn"),
            "envelope",
        ),
        case(
            "signature of a model",
            model(),
            &["claims model", "small-model", "weights.bin", "- envelope"],
            ("bundle.v0.3", "bundle.v0.9"),
            "unknown",
        ),
        case(
            "trusted root of a Sigstore instance",
            root,
            &["logs and authorities", "certificate logs"],
            ("trustedroot", "trustedruut"),
            "unknown",
        ),
        case(
            "trust file",
            SCENE.trust.clone(),
            &["- key", "claims owner", "- log"],
            ("keys", "kees"),
            "unknown",
        ),
        case(
            "policy",
            SCENE.policy.clone(),
            &["claims stage", "claims rule"],
            ("stages", "steges"),
            "unknown",
        ),
    ]
}

#[test]
fn every_kind_is_explained_and_its_smallest_change_is_not() {
    for Case { kind: want, good, words, changed, becomes } in cases() {
        let (exit, text, _) = explained(&good);
        assert_eq!(kind(&good), want, "{text}");
        assert_eq!(exit, Exit::Success, "{text}");
        for word in words {
            assert!(text.contains(&word), "`{word}` is not in: {text}");
        }
        assert_eq!(kind(&changed), becomes, "{want}: {}", explained(&changed).1);
    }
}

#[test]
fn what_nobody_can_tell_says_what_was_tried() {
    let (exit, text, json) = explained(b"just words");
    assert_eq!(exit, Exit::Undecided);
    for reader in &super::READERS {
        assert!(text.contains(&format!("no {}", reader.name)), "{} is not in: {text}", reader.name);
    }
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["tried"].as_array().unwrap().len(), super::READERS.len());
    assert_eq!(json["kind"], Value::Null);
}

#[test]
fn a_secret_is_never_said() {
    let key = signing_key("alice").unwrap();
    let good = key.to_pem(None).unwrap();
    let broken = good.replace("BEGIN PRIVATE KEY", "BEGIN RSA PRIVATE KEY");
    for text in [good.to_string(), broken, format!("key: |\n  {}", good.replace('\n', "\n  "))] {
        let (_, page, json) = explained(text.as_bytes());
        let secrets = good.lines().filter(|line| !line.starts_with("-----"));
        for secret in secrets {
            assert!(!page.contains(secret) && !json.contains(secret), "{page}");
        }
        // Nor its digest, which a guess could be held against.
        assert!(!json.contains("\"digest\""), "{json}");
    }
}

#[test]
fn no_name_moves_the_cursor_or_turns_the_line() {
    let name = "a\u{202e}b\u{9b}2K";
    let names = [tlv(0xa0, &[&tlv(6, &[&[0x2a]]), &tlv(0xa0, &[&tlv(0x0c, &[name.as_bytes()])])])];
    let (_, page, json) = explained(&certificate(&[&names[0]]));
    for text in [&page, &json] {
        assert!(!text.contains('\u{202e}') && !text.contains('\u{9b}'), "{text}");
    }
    let json: Value = serde_json::from_str(&json).unwrap();
    let claims = json["claims"].as_array().unwrap();
    assert!(claims.iter().any(|claim| claim["value"] == name), "{json}");
}

#[test]
fn long_lists_and_texts_are_cut_and_that_is_said() {
    let host = tlv(0x82, &[&[b'x'; 600]]);
    let (_, text, _) = explained(&certificate(&[&host]));
    assert!(text.contains("… (and 200 bytes)"), "{text}");
    let many = pem("CERTIFICATE", &certificate(&[])).repeat(21);
    let (_, text, _) = explained(many.as_bytes());
    assert!(text.contains("1 more of the certificates"), "{text}");
    let one = pem("CERTIFICATE", &certificate(&[]));
    assert_eq!(kind(one.repeat(MAX_CERTIFICATES + 1).as_bytes()), "unknown");
}

#[test]
fn keys_read_back_as_they_are_named() {
    let key = fixtures::log_signer().unwrap();
    let text: VerifierKey = key.verifier().to_string().parse().unwrap();
    let public = PublicKey::from_der(text.key().der()).unwrap();
    let (_, page, _) = explained(key.verifier().to_string().as_bytes());
    assert!(page.contains(&public.id().to_string()), "{page}");
}

/// Bundles, trusted roots, layouts, links and checkpoints that other programs wrote.
#[test]
fn what_others_wrote_is_explained() {
    let folder = std::env::var_os("ASSAY_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"),
        std::path::PathBuf::from,
    );
    let suite = folder.join("sigstore/bundle-verify");
    let Ok(entries) = std::fs::read_dir(&suite) else {
        eprintln!("\n!!! VECTORS NOT RUN: no folder `sigstore` in ASSAY_VECTORS !!!\n");
        return;
    };
    let mut bundles = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(path.join("bundle.sigstore.json")) else { continue };
        let found = kind(&bytes);
        let may_fail = path.display().to_string().ends_with("_fail");
        assert!(
            found == "bundle" || (may_fail && found == "unknown"),
            "{found}: {}",
            path.display()
        );
        bundles += usize::from(found == "bundle");
    }
    assert!(bundles > 30, "{bundles}");
    let root = std::fs::read(folder.join("sigstore/production_trusted_root.json")).unwrap();
    let (_, text, _) = explained(&root);
    for words in ["- certificate authority", "claims believed until", "- timestamp authority"] {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
    let checkpoint = std::fs::read(folder.join("tlog/tessera/log/checkpoint")).unwrap();
    assert_eq!(kind(&checkpoint), "checkpoint");
}

static SEEDS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| cases().into_iter().map(|case| case.good).collect());

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_explained_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        kind(&bytes);
    }

    #[test]
    fn any_change_is_explained_or_refused(
        seed in 0..23_usize,
        place in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in 0..9_usize,
    ) {
        let mut bytes = SEEDS[seed].clone();
        let place = place.index(bytes.len());
        bytes[place] = value;
        let end = bytes.len().min(place + 1 + cut);
        bytes.drain(place + 1..end);
        kind(&bytes);
    }
}
