//! Every parser of outside bytes, given what nobody would write: it answers or refuses, and
//! never panics; and what it accepts, it can write so that it is read the same again.
//!
//! The seeds are whole documents of the honest line, so that a change of a few bytes reaches the
//! depths of each parser, and not only its first check.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::LazyLock;

use attest::in_toto::{self, Content, LayoutKey, Metadata, Rule};
use attest::{
    Bundle, Checkpoint, Cosigner, CosignerKey, Decimal, Envelope, Inclusion, Leaf, LogProof, Note,
    Statement, TilePath, VerifierKey, oci, oms, tree,
};
use fixtures::{Scene, load};
use policy::Policy;
use policy::layout::Pattern;
use proptest::prelude::*;
use verify::Trust;

/// A parser: its name, whether it takes bytes, and what it makes of them, written again.
struct Parser {
    name: &'static str,
    /// Reads, and writes what was read; `None` when it refuses.
    again: fn(&[u8]) -> Option<Vec<u8>>,
}

const PARSERS: &[Parser] = &[
    Parser { name: "statement", again: |bytes| Statement::parse(bytes).ok()?.to_json().ok() },
    Parser { name: "envelope", again: |bytes| Some(Envelope::parse(bytes).ok()?.to_json()) },
    Parser { name: "encoding", again: |bytes| Some(Envelope::from_pae(bytes).ok()?.pae()) },
    Parser { name: "bundle", again: |bytes| Some(Bundle::parse(bytes).ok()?.to_json()) },
    Parser { name: "model", again: |bytes| model(bytes) },
    Parser { name: "signature", again: |bytes| Some(oms::Bundle::parse(bytes).ok()?.to_json()) },
    Parser { name: "leaf", again: |bytes| Some(Leaf::parse(bytes).ok()?.bytes().to_vec()) },
    Parser { name: "tree", again: |bytes| Some(tree::Manifest::parse(bytes).ok()?.to_bytes()) },
    Parser { name: "index", again: |bytes| image(oci::INDEX, bytes) },
    Parser { name: "manifest", again: |bytes| image(oci::MANIFEST, bytes) },
    Parser { name: "note", again: |bytes| again::<Note>(bytes) },
    Parser { name: "verifier key", again: |bytes| again::<VerifierKey>(bytes) },
    Parser { name: "log proof", again: |bytes| again::<LogProof>(bytes) },
    Parser { name: "tile path", again: |bytes| again::<TilePath>(bytes) },
    Parser { name: "cosigner key", again: |bytes| again::<CosignerKey>(bytes) },
    #[cfg(feature = "server")]
    Parser {
        name: "witness request",
        again: |bytes| again::<server::witness::AddCheckpoint>(bytes),
    },
    Parser { name: "in-toto link", again: in_toto_link },
    Parser { name: "in-toto layout", again: in_toto_layout },
    Parser {
        name: "layout key",
        again: |bytes| {
            let key = LayoutKey::from_json(&attest::json::parse(bytes).ok()?).ok()?;
            Some(key.to_json()?.to_string().into_bytes())
        },
    },
    Parser { name: "decimal", again: |bytes| again::<Decimal>(bytes) },
    Parser {
        name: "trust",
        again: |bytes| {
            let trust = Trust::parse(std::str::from_utf8(bytes).ok()?).ok()?;
            Some(trust.digest().to_string().into_bytes())
        },
    },
    Parser {
        name: "policy",
        again: |bytes| {
            let policy = Policy::parse(std::str::from_utf8(bytes).ok()?).ok()?;
            Some(policy.digest().to_string().into_bytes())
        },
    },
];

/// Parsers whose output is a name of the input, not the input again.
const NAMING: [&str; 5] = ["trust", "policy", "index", "manifest", "in-toto layout"];

fn image(media_type: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    Some(oci::Document::parse(media_type, bytes).ok()?.artifact().to_string().into_bytes())
}

/// The manifest in a statement, in a statement.
fn model(bytes: &[u8]) -> Option<Vec<u8>> {
    let found = oms::Model::parse(bytes).ok().filter(|model| !model.is_legacy())?;
    let mut statement = Statement::parse(bytes).ok()?;
    statement.predicate = attest::Predicate::ModelSignature(Box::new(found.manifest));
    statement.to_json().ok()
}

fn again<T: std::str::FromStr + ToString>(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(std::str::from_utf8(bytes).ok()?.parse::<T>().ok()?.to_string().into_bytes())
}

/// What a link says, under no signature.
fn in_toto_link(bytes: &[u8]) -> Option<Vec<u8>> {
    let metadata = Metadata::parse(bytes).ok()?;
    let Content::Link(link) = metadata.content() else { return None };
    in_toto::sign(&link.to_value().ok()?, in_toto::Form::Metablock, &[]).ok()
}

/// The name of a layout; each of its rules reads the same again, and each pattern is one.
fn in_toto_layout(bytes: &[u8]) -> Option<Vec<u8>> {
    let metadata = Metadata::parse(bytes).ok()?;
    let Content::Layout(layout) = metadata.content() else { return None };
    for rule in layout.steps.iter().flat_map(|step| &step.expected_products) {
        let words: Vec<String> = rule.words().into_iter().map(str::to_owned).collect();
        assert_eq!(Rule::parse(&words).as_ref(), Ok(rule));
        for word in &words {
            Pattern::new(word).matches(word);
        }
    }
    Some(metadata.body().to_string().into_bytes())
}

fn in_toto_documents() -> [Vec<u8>; 4] {
    let key = fixtures::signing_key("alice").unwrap();
    let name = LayoutKey::from_public(key.public()).unwrap();
    let digests = serde_json::json!({"sha256": "ab"});
    let link = serde_json::json!({
        "_type": "link", "name": "pack", "command": ["tar", "x"], "byproducts": {"return-value": 0},
        "materials": {"a/b.c": digests}, "products": {"d": digests}, "environment": {},
    });
    let rules = serde_json::json!([
        ["MATCH", "*.c", "IN", "a", "WITH", "PRODUCTS", "IN", "b", "FROM", "pack"],
        ["CREATE", "[!a-c]?"],
        ["REQUIRE", "d"],
        ["DISALLOW", "*"],
    ]);
    let layout = serde_json::json!({
        "_type": "layout", "expires": "2027-01-31T12:00:00Z", "readme": "x", "inspect": [],
        "keys": {name.label().as_str(): name.to_json().unwrap()},
        "steps": [{"name": "pack", "pubkeys": [name.label()], "threshold": 1,
            "expected_command": [], "expected_materials": [], "expected_products": rules}],
    });
    let sign = |document, form| in_toto::sign(document, form, &[&key]).unwrap();
    [
        sign(&link, in_toto::Form::Metablock),
        sign(&link, in_toto::Form::Envelope),
        sign(&layout, in_toto::Form::Metablock),
        name.to_json().unwrap().to_string().into_bytes(),
    ]
}

/// Whole documents, each read by one of the parsers.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks");
    let cases = load(&folder).unwrap();
    let now = "2026-11-24T12:00:00Z".parse().unwrap();
    let scene: Scene = cases.first().unwrap().rows.first().unwrap().scene(now).unwrap();
    let mut seeds = vec![
        scene.trust.into_bytes(),
        scene.policy.into_bytes(),
        scene.checkpoint.clone().into_bytes(),
        fixtures::log_signer().unwrap().verifier().to_string().into_bytes(),
        cosigner_key(),
        #[cfg(feature = "server")]
        witness_request(&scene.checkpoint),
        b"-12345.678900".to_vec(),
        b"tile/0/x001/x234/067.p/255".to_vec(),
        tree_manifest(),
        model_statement(),
        model_signature(),
        image_index(),
    ];
    seeds.extend(in_toto_documents());
    for evidence in scene.evidence.iter().take(2) {
        let envelope = &evidence.presented.envelope;
        seeds.push(evidence.presented.to_json());
        seeds.push(envelope.to_json());
        seeds.push(envelope.pae());
        seeds.push(envelope.payload.clone());
        let proof =
            evidence.presented.entries.iter().find_map(|entry| entry.proof.clone()).unwrap();
        let Inclusion { index, hashes, checkpoint, .. } = proof;
        let proof = LogProof { extra: Some(b"extra".to_vec()), index, hashes, checkpoint };
        seeds.push(proof.to_string().into_bytes());
    }
    seeds.extend(scene.leaves.iter().take(2).map(|(leaf, _)| leaf.bytes().to_vec()));
    seeds
});

fn cosigner_key() -> Vec<u8> {
    let key = fixtures::signing_key("witness").unwrap();
    Cosigner::new("witness.example/w1", key).unwrap().verifier().to_string().into_bytes()
}

#[cfg(feature = "server")]
fn witness_request(note: &str) -> Vec<u8> {
    let proof = vec![attest::Sha256::of(b"one"), attest::Sha256::of(b"two")];
    let request = server::witness::AddCheckpoint { old: 2, proof, note: note.into() };
    request.to_string().into_bytes()
}

fn tree_manifest() -> Vec<u8> {
    let entry = |path: &str, bytes: &[u8]| tree::Entry {
        path: path.into(),
        size: bytes.len() as u64,
        executable: false,
        digest: attest::Sha256::of(bytes),
    };
    let entries = vec![entry("a/b", b"x"), entry("c", b"")];
    tree::Manifest::new(entries).unwrap().to_bytes()
}

fn model_statement() -> Vec<u8> {
    let manifest = serde_json::json!({
        "resources": [
            {"name": "a:0:10", "algorithm": "sha256", "digest": "00".repeat(32)},
            {"name": "a:10:12", "algorithm": "sha256", "digest": "11".repeat(32)},
        ],
        "serialization": {
            "method": "shards", "hash_type": "sha256", "shard_size": 10, "allow_symlinks": false,
            "ignore_paths": ["b"],
        },
    });
    oms::payload("model", &serde_json::from_value(manifest).unwrap()).unwrap()
}

fn model_signature() -> Vec<u8> {
    let key = fixtures::signing_key("alice").unwrap();
    let material = oms::Material::of_key(key.public());
    let envelope = Envelope::sign(attest::envelope::IN_TOTO, model_statement(), &[&key]).unwrap();
    oms::Bundle { envelope, material, timestamps: Vec::new() }.to_json()
}

fn image_index() -> Vec<u8> {
    let digest = attest::Sha256::of(b"manifest");
    format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{digest}","size":8}}]}}"#,
        oci::MANIFEST
    )
    .into_bytes()
}

#[test]
fn every_seed_is_read_by_a_parser_and_every_parser_reads_a_seed() {
    for (number, seed) in SEEDS.iter().enumerate() {
        let read = PARSERS.iter().any(|parser| (parser.again)(seed).is_some());
        assert!(read, "seed {number}: {}", String::from_utf8_lossy(seed));
    }
    for parser in PARSERS.iter().filter(|parser| parser.name != "manifest") {
        let reads = SEEDS.iter().any(|seed| (parser.again)(seed).is_some());
        assert!(reads, "no seed is a {}", parser.name);
    }
}

#[test]
fn a_checkpoint_of_any_text_is_refused_or_opened() {
    let signer = fixtures::log_signer().unwrap();
    let good = SEEDS.get(2).map(|note| String::from_utf8_lossy(note).into_owned()).unwrap();
    assert!(Checkpoint::open(&good, signer.verifier()).is_ok());
    // The smallest change that fails: any one byte of the signed text.
    let text = good.find("\n\n").unwrap();
    for place in 0..text {
        let mut bytes = good.clone().into_bytes();
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1;
        }
        let changed = String::from_utf8_lossy(&bytes).into_owned();
        assert!(Checkpoint::open(&changed, signer.verifier()).is_err(), "byte {place}");
    }
}

/// A change to a document: bytes overwritten, removed, put in or repeated.
#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Cut(usize, usize),
    Put(usize, Vec<u8>),
    Again(usize, usize, usize),
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>) {
        let within = |place: usize| if bytes.is_empty() { 0 } else { place % bytes.len() };
        match self {
            Self::Set(place, value) => {
                let place = within(*place);
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = *value;
                }
            }
            Self::Cut(place, length) => {
                let start = within(*place);
                let end = bytes.len().min(start + length);
                bytes.drain(start..end);
            }
            Self::Put(place, more) => {
                let start = within(*place);
                bytes.splice(start..start, more.iter().copied());
            }
            Self::Again(place, length, times) => {
                let start = within(*place);
                let end = bytes.len().min(start + length);
                let part = bytes.get(start..end).unwrap_or_default().repeat(*times);
                bytes.splice(start..start, part);
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let token = prop_oneof![
        Just(b"{".to_vec()),
        Just(b"[[[[[[[[".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"\\u0000".to_vec()),
        Just(b"null".to_vec()),
        Just(b"1e999".to_vec()),
        Just(b"-0".to_vec()),
        Just(b"&a *a".to_vec()),
        Just(b"\xff\xfe".to_vec()),
        Just("\u{202e}".as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..12),
    ];
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(place, value)| Change::Set(place, value)),
        (any::<usize>(), 1..64_usize).prop_map(|(place, length)| Change::Cut(place, length)),
        (any::<usize>(), token).prop_map(|(place, more)| Change::Put(place, more)),
        (any::<usize>(), 1..64_usize, 1..40_usize)
            .prop_map(|(place, length, times)| Change::Again(place, length, times)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_documents_are_read_or_refused(
        seed in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec(change(), 1..6),
    ) {
        let mut bytes = seed.get(SEEDS.as_slice()).clone();
        for change in &changes {
            change.make(&mut bytes);
        }
        read(&bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read(&bytes);
    }
}

/// Gives the bytes to every parser; what one accepts, it accepts again as it wrote it.
fn read(bytes: &[u8]) {
    for parser in PARSERS {
        let Some(written) = (parser.again)(bytes) else { continue };
        if NAMING.contains(&parser.name) {
            continue;
        }
        let again = (parser.again)(&written);
        assert_eq!(again.as_deref(), Some(written.as_slice()), "{}", parser.name);
    }
}
