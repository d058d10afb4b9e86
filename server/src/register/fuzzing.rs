//! The parsers of what the register reads from disk and from submitters, each as one function that
//! a fuzzer can call.
//!
//! They are private parts of the register, and stay so: this module is there in tests and with the
//! feature `fuzzing`, which only the crate in `fuzz/` turns on. Each target panics when a parser
//! does, and when what was read cannot be written so that it is read the same again. Bytes under a
//! checksum are tried as they are and with the checksum put right, so that changes get past it.

use attest::envelope::{Envelope, pae};
use attest::hash::HashAlgorithm;
use attest::oms::{self, Manifest, Material, Model};
use attest::{
    Algorithm, Checkpoint, Leaf, Note, NoteSigner, Sha256, SigningKey, Timestamp, certificate, json,
};
use serde_json::{Value, json};

use super::fields::Fields;
use super::lock::Holder;
use super::published::{self, Position, Tip};
use super::record::{JournalId, Lengths, PREFIX_BYTES, Record, RecordBody, RecordLeaf};
use super::segment::{self, Identity, encode_header, parse_header};
use super::storage::Stored;
use super::tree::Tree;
use crate::wire;

const JOURNAL: JournalId = JournalId([9; 16]);

/// A parser to try.
#[derive(Debug)]
pub struct Target {
    /// Its name, and that of the fuzz target.
    pub name: &'static str,
    /// Gives it bytes; whether they were read. Panics when it is wrong.
    pub read: fn(&[u8]) -> bool,
    /// Whole encodings to start from, each of which is read.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every parser.
pub const TARGETS: [Target; 13] = [
    Target { name: "record", read: record, seeds: records },
    Target { name: "segment", read: header, seeds: headers },
    Target { name: "published", read: slot, seeds: slots },
    Target { name: "stored", read: stored, seeds: stored_entries },
    Target { name: "leaf", read: leaf, seeds: leaves },
    Target { name: "note", read: note, seeds: notes },
    Target { name: "checkpoint", read: checkpoint, seeds: checkpoints },
    Target { name: "holder", read: holder, seeds: holders },
    Target { name: "submission", read: submission, seeds: submissions },
    Target { name: "model", read: model, seeds: models },
    Target { name: "signature", read: signature, seeds: signatures },
    Target { name: "certificate", read: certificates, seeds: certificate_texts },
    Target { name: "digests", read: digests, seeds: digest_caches },
];

/// Gives `bytes` to the target called `name`; for fuzz targets, which know it.
pub fn try_one(name: &str, bytes: &[u8]) {
    for target in TARGETS.iter().filter(|target| target.name == name) {
        let _ = (target.read)(bytes);
    }
}

fn record(bytes: &[u8]) -> bool {
    let mut sealed = bytes.to_vec();
    // The checked part is as long as there are bytes, and its checksum right.
    let bodies = bytes.get(16..24).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
    let bodies = usize::try_from(bodies.unwrap_or(0)).unwrap_or(usize::MAX);
    let checked = Lengths::parse(bytes).map_or(PREFIX_BYTES, |lengths| lengths.checked - 32);
    let checked = checked.min(bytes.len().saturating_sub(bodies.saturating_add(32)));
    if checked >= PREFIX_BYTES {
        put(&mut sealed, 12, &u32::try_from(checked).unwrap_or(u32::MAX).to_be_bytes());
        seal(&mut sealed, checked);
    }
    let is_read = record_as_is(bytes);
    record_as_is(&sealed) || is_read
}

fn record_as_is(bytes: &[u8]) -> bool {
    let Ok((record, checksum)) = Record::parse(bytes, JOURNAL) else { return false };
    let bodies: Option<Vec<&[u8]>> = (record.bodies.iter().zip(record.body_offsets()))
        .map(|(body, offset)| {
            let start = usize::try_from(offset).ok()?;
            bytes.get(start..start.checked_add(body.length as usize)?)
        })
        .collect();
    for offset in record.leaf_offsets().zip(&record.leaves) {
        let (start, leaf) = (usize::try_from(offset.0).unwrap_or(usize::MAX), offset.1);
        assert_eq!(bytes.get(start..start + leaf.bytes.len()), Some(leaf.bytes));
    }
    let Some(bodies) = bodies else { return true };
    let written = record.encode(JOURNAL, &bodies);
    assert!(written.is_ok(), "{:?}", written.err());
    if let Ok((written, again)) = written {
        assert_eq!(again, checksum);
        let whole = record.lengths().checked + record.lengths().bodies;
        assert_eq!(written.get(..whole), bytes.get(..whole));
    }
    true
}

fn header(bytes: &[u8]) -> bool {
    let checked = bytes.get(..segment::CHECKED_BYTES).unwrap_or(bytes);
    let Ok((version, first, identity, tip)) = parse_header(checked) else { return false };
    let written = encode_header(&identity, &tip);
    let again = written.as_ref().ok().and_then(|written| parse_header(written).ok());
    if version == 1 {
        assert!(again == Some((version, first, identity, tip)));
    }
    true
}

fn slot(bytes: &[u8]) -> bool {
    let Some(slot) = bytes.first_chunk::<{ published::SLOT_BYTES }>() else { return false };
    let mut sealed = *slot;
    let (checked, _) = slot.split_at(published::CHECKED_BYTES);
    put(&mut sealed, published::CHECKED_BYTES, Sha256::of(checked).as_bytes());
    let as_is = published::parse(slot);
    let Some((_, _, tip)) = as_is.or_else(|| published::parse(&sealed)) else { return false };
    let mut written = Vec::new();
    tip.encode(&mut written);
    assert_eq!(slot.get(40..published::CHECKED_BYTES), Some(written.as_slice()));
    assert!(Tip::decode(&mut Fields::new(&written)) == Ok(tip));
    true
}

fn stored(bytes: &[u8]) -> bool {
    let Some(stored) = Stored::parse(bytes) else { return false };
    assert_eq!(stored.encode(), bytes);
    true
}

fn leaf(bytes: &[u8]) -> bool {
    let Ok(leaf) = Leaf::parse(bytes) else { return false };
    assert_eq!(leaf.bytes(), bytes);
    let _ = super::facts::terms(bytes, Some(bytes));
    true
}

fn note(bytes: &[u8]) -> bool {
    again::<Note>(bytes)
}

fn checkpoint(bytes: &[u8]) -> bool {
    again::<Checkpoint>(bytes)
}

/// What was read, written, is read the same and written the same.
fn again<T: std::str::FromStr + ToString>(bytes: &[u8]) -> bool {
    let read = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<T>().ok();
    let Some(value) = read(bytes) else { return false };
    let written = value.to_string();
    assert_eq!(read(written.as_bytes()).map(|value| value.to_string()), Some(written));
    true
}

fn holder(bytes: &[u8]) -> bool {
    let Ok(holder) = serde_json::from_slice::<Holder>(bytes) else { return false };
    let written = serde_json::to_vec(&holder).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<Holder>(&written).ok(), Some(holder));
    true
}

fn submission(bytes: &[u8]) -> bool {
    let Ok(submission) = json::parse_as::<wire::Submission>(bytes) else { return false };
    let keys = submission.verifiers.iter().map(|text| wire::Submission::parse_verifier(text));
    let keys: Option<Vec<_>> = keys.collect();
    let envelope = Envelope::parse(submission.envelope.to_string().as_bytes());
    let (Some(keys), Ok(envelope)) = (keys, envelope) else { return false };
    let body = envelope.pae();
    for signature in &envelope.signatures {
        // Whatever the signature is worth, the leaf of it is read again as it was written.
        if let Some(key) = keys.first() {
            let made = Leaf::of(&body, &signature.sig, key);
            let _ = super::facts::terms(made.bytes(), Some(&body));
        }
    }
    true
}

/// The statement of a model: what is read has the root that it says, and is written the same.
fn model(bytes: &[u8]) -> bool {
    let Ok(model) = Model::parse(bytes) else { return false };
    let _ = (model.manifest.files(), model.manifest.whole_files());
    if !model.is_legacy() {
        let written = serde_json::to_value(&model.manifest).unwrap_or_default();
        assert_eq!(serde_json::from_value(written).ok(), Some(model.manifest));
    }
    true
}

/// The file that a model's signature is in.
fn signature(bytes: &[u8]) -> bool {
    let Ok(bundle) = oms::Bundle::parse(bytes) else { return false };
    let _ = Model::legacy_encoding(&bundle.envelope);
    // Older bundles have another hint, which nothing is made of.
    if bundle.material != (Material::Key { hint: None }) {
        assert_eq!(oms::Bundle::parse(&bundle.to_json()).ok(), Some(bundle.clone()));
    }
    if let Material::Chain(chain) = &bundle.material {
        let (roots, now) = (chain.clone(), Timestamp::UNIX_EPOCH);
        let authority = verify::Authority::Roots { roots: &roots, identity: None };
        assert!(verify::verify_model(&bundle, authority, now).is_err());
    }
    true
}

fn certificates(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(found) = certificate::from_pem(&text) else { return false };
    for der in &found {
        let _ = (certificate::public_key(der), attest::ClaimedIdentity::of(der));
    }
    true
}

fn digests(bytes: &[u8]) -> bool {
    let now = Timestamp::UNIX_EPOCH;
    let Ok(cache) = oms::Cache::parse(bytes, now) else { return false };
    let written = cache.to_bytes();
    let again = oms::Cache::parse(&written, now).map(|cache| cache.to_bytes());
    assert_eq!(again, Ok(written));
    true
}

/// Puts the checksum of the first `checked` bytes after them.
fn seal(bytes: &mut [u8], checked: usize) {
    let checksum = Sha256::of(bytes.get(..checked).unwrap_or_default());
    put(bytes, checked, checksum.as_bytes());
}

/// Overwrites what there is from `start` on.
fn put(bytes: &mut [u8], start: usize, value: &[u8]) {
    for (byte, value) in bytes.iter_mut().skip(start).zip(value) {
        *byte = *value;
    }
}

fn key() -> Option<SigningKey> {
    SigningKey::from_ed25519_seed(&[7; 32]).ok()
}

fn tip(sequence: u64) -> Tip {
    Tip {
        tree: Tree { size: sequence, root: Sha256::of(b"root") },
        time: Timestamp::UNIX_EPOCH,
        sequence,
        checksum: Sha256::of(b"record"),
        position: Position { segment: 1, offset: 512 * sequence },
    }
}

fn records() -> Vec<Vec<u8>> {
    let bodies: [&[u8]; 2] = [b"body", &[b'b'; 700]];
    let leaf = |bytes, body: Option<&[u8]>| RecordLeaf { bytes, body: body.map(Sha256::of) };
    let announced = |body: &&[u8]| RecordBody { hash: Sha256::of(body), length: body.len() as u32 };
    let make = |leaves: Vec<RecordLeaf<'_>>, bodies: &[&[u8]]| {
        let to = Tree { size: 3 + leaves.len() as u64, root: Sha256::of(b"to") };
        let record = Record {
            sequence: 2,
            time: Timestamp::UNIX_EPOCH,
            previous: Sha256::of(b"previous"),
            from: tip(3).tree,
            to,
            leaves,
            bodies: bodies.iter().map(announced).collect(),
        };
        record.encode(JOURNAL, bodies).map(|(bytes, _)| bytes).unwrap_or_default()
    };
    vec![
        make(vec![leaf(b"leaf", None)], &[]),
        make(vec![leaf(b"one", Some(bodies[0])), leaf(b"two", Some(bodies[1]))], &bodies),
    ]
}

fn headers() -> Vec<Vec<u8>> {
    let identity = |origin: &str| Identity { id: JOURNAL, origin: origin.into() };
    [("assay.local/00", 0), ("log.example/\u{e9}", 7)]
        .map(|(origin, sequence)| {
            encode_header(&identity(origin), &tip(sequence)).unwrap_or_default()
        })
        .into()
}

fn slots() -> Vec<Vec<u8>> {
    let mut bytes = b"ASSAYPUB\x00\x01\0\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(&JOURNAL.0);
    bytes.extend_from_slice(&5_u64.to_be_bytes());
    tip(4).encode(&mut bytes);
    let checksum = Sha256::of(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    vec![bytes]
}

fn stored_entries() -> Vec<Vec<u8>> {
    let stored = |body: Option<Sha256>| Stored {
        time: Timestamp::UNIX_EPOCH,
        body,
        leaf: leaves().pop().unwrap_or_default(),
    };
    vec![stored(None).encode(), stored(Some(Sha256::of(b"body"))).encode()]
}

fn leaves() -> Vec<Vec<u8>> {
    let body = pae("text/plain", b"payload");
    let keys = Algorithm::ALL.into_iter().filter_map(|one| SigningKey::generate(one).ok());
    keys.filter_map(|key| {
        let signature = key.sign(&body).ok()?;
        Some(Leaf::of(&body, &signature, key.public()).bytes().to_vec())
    })
    .collect()
}

fn checkpoints() -> Vec<Vec<u8>> {
    let checkpoint =
        |size| Checkpoint { origin: "assay.local/0".into(), size, root: Sha256::of(b"root") };
    [0, 7, u64::MAX].map(|size| checkpoint(size).to_string().into_bytes()).into()
}

fn notes() -> Vec<Vec<u8>> {
    let signer = key().and_then(|key| NoteSigner::new("assay.local/0", key).ok());
    let sign = |text: &Vec<u8>| {
        let note = signer.as_ref()?.sign(std::str::from_utf8(text).ok()?).ok()?;
        Some(note.to_string().into_bytes())
    };
    checkpoints().iter().filter_map(sign).collect()
}

fn holders() -> Vec<Vec<u8>> {
    let holders = [Holder::command(), Holder::server("http://127.0.0.1:8080")];
    holders.iter().filter_map(|holder| serde_json::to_vec(holder).ok()).collect()
}

fn submissions() -> Vec<Vec<u8>> {
    let make = |payload_type: &str, payload: &[u8]| {
        let key = key()?;
        let envelope = Envelope::sign(payload_type, payload.to_vec(), &[&key]).ok()?;
        let envelope: Value = serde_json::from_slice(&envelope.to_json()).ok()?;
        let verifiers = [wire::Submission::verifier(key.public())];
        Some(json!({"envelope": envelope, "verifiers": verifiers}).to_string().into_bytes())
    };
    let statement = br#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"}}],"predicateType":"https://example.com/x/v1","predicate":{}}"#;
    [make("text/plain", b"text"), make(attest::envelope::IN_TOTO, statement)]
        .into_iter()
        .flatten()
        .collect()
}

/// A certificate of nobody, for a key that was thrown away.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBvTCCAWSgAwIBAgIUEw//ugN6FEUNtwaOez/fni4xy2wwCgYIKoZIzj0EAwIw\n\
ETEPMA0GA1UEAwwGc2lnbmVyMCAXDTI2MTEyNjE4MjYzNloYDzIxMjYxMTAyMTgy\n\
NjM2WjARMQ8wDQYDVQQDDAZzaWduZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n\
AAQvcr94qZYPnroHg8iraJ74M0Is/H0/5JA70Dh0lF+9WYjok8rps4Bpy0er+LRq\n\
6h/rw6lgp3Nia2+ubeUI6YbMo4GXMIGUMB0GA1UdDgQWBBT+4AJpfO0pBLq+tQXC\n\
E20q9gOW8jAfBgNVHSMEGDAWgBT+4AJpfO0pBLq+tQXCE20q9gOW8jAOBgNVHQ8B\n\
Af8EBAMCB4AwEwYDVR0lBAwwCgYIKwYBBQUHAwMwHwYDVR0RBBgwFoEUc2lnbmVy\n\
QGFzc2F5LmV4YW1wbGUwDAYDVR0TAQH/BAIwADAKBggqhkjOPQQDAgNHADBEAiBA\n\
RPeR2OfJO/Awv+9tb5wGnVm+teP7fS1bVMreRIoWWgIgMS9wkNZ2YcnvGG4qEAeC\n\
mq284l6Ay29kjh5baK+duSg=\n\
-----END CERTIFICATE-----\n";

fn certificate_texts() -> Vec<Vec<u8>> {
    vec![CERTIFICATE.into(), format!("text\n{CERTIFICATE}{CERTIFICATE}").into()]
}

fn digest_caches() -> Vec<Vec<u8>> {
    let of = |name: &str, length| {
        format!("assay digests 1\n{name} 1 2 3 4 -5 0 3 {}\n", "ab".repeat(length)).into_bytes()
    };
    HashAlgorithm::ALL.map(|hash| of(hash.as_str(), hash.length())).to_vec()
}

/// Statements of models: files, shards, and the deprecated kind.
fn models() -> Vec<Vec<u8>> {
    let shards = json!({
        "resources": [
            {"name": "a:0:10", "algorithm": "sha256-sharded-10", "digest": "00".repeat(32)},
            {"name": "a:10:12", "algorithm": "sha256", "digest": "11".repeat(32)},
        ],
        "serialization": {
            "method": "shards", "hash_type": "sha256", "shard_size": 10.0,
            "allow_symlinks": true, "ignore_paths": ["b", "c/d"],
        },
    });
    let files = json!({
        "resources": [{"name": "a/b", "algorithm": "blake2b", "digest": "22".repeat(64)}],
        "serialization": {"method": "files", "hash_type": "blake2b", "allow_symlinks": false},
    });
    let legacy = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": oms::LEGACY,
        "subject": [{"name": "a", "digest": {"sha256": "33".repeat(32)}}],
    });
    let manifests = [shards, files].map(|value| serde_json::from_value::<Manifest>(value).ok());
    let mut all: Vec<Vec<u8>> = manifests
        .iter()
        .flatten()
        .filter_map(|manifest| oms::payload("model", manifest).ok())
        .collect();
    all.push(legacy.to_string().into_bytes());
    all
}

fn signatures() -> Vec<Vec<u8>> {
    let Ok(key) = SigningKey::generate(Algorithm::P256) else { return Vec::new() };
    let chain = certificate::from_pem(CERTIFICATE).unwrap_or_default();
    let materials = [Material::of_key(key.public()), Material::Chain(chain)];
    let payloads = models();
    let made = materials.into_iter().zip(payloads).filter_map(|(material, payload)| {
        let envelope = Envelope::sign(attest::envelope::IN_TOTO, payload, &[&key]).ok()?;
        Some(oms::Bundle { envelope, material }.to_json())
    });
    made.collect()
}

#[cfg(test)]
mod tests {
    use super::super::simulated::Dice;
    use super::*;

    /// How often each parser is tried, with a few changes each time.
    const ROUNDS: usize = 6000;
    /// Numbers at which lengths and counts go wrong.
    const NUMBERS: [u64; 8] =
        [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff];

    /// A change as damage and forgery make them: bits flipped, numbers put in, parts cut out, put
    /// in, repeated, or taken from another document.
    fn change(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
        let place = dice.below(bytes.len());
        let end = (place + 1 + dice.below(40)).min(bytes.len());
        match dice.below(8) {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << dice.below(8);
                }
            }
            2 => {
                let number = NUMBERS[dice.below(NUMBERS.len())].to_be_bytes();
                let width = [1, 2, 4, 8][dice.below(4)];
                put(bytes, place, &number[8 - width..]);
            }
            3 => drop(bytes.drain(place..end)),
            4 => bytes.truncate(place),
            5 => {
                let part = bytes[place..end].repeat(1 + dice.below(20));
                bytes.splice(place..place, part);
            }
            6 => {
                let start = dice.below(other.len());
                let part = other[start..other.len().min(start + 1 + dice.below(60))].to_vec();
                bytes.splice(place..end, part);
            }
            _ => {
                let count = dice.below(12);
                let part: Vec<u8> = (0..count).map(|_| dice.roll() as u8).collect();
                bytes.splice(place..place, part);
            }
        }
    }

    /// Not a test of its own: `make fuzz` has it write what the fuzzers start from, into the folder
    /// `ASSAY_CORPUS`.
    #[test]
    #[ignore = "started by `make fuzz`"]
    fn write_seeds() {
        let corpus = std::path::PathBuf::from(std::env::var_os("ASSAY_CORPUS").unwrap());
        for target in &TARGETS {
            let folder = corpus.join(target.name);
            std::fs::create_dir_all(&folder).unwrap();
            for (number, seed) in (target.seeds)().iter().enumerate() {
                std::fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
            }
        }
    }

    #[test]
    fn every_parser_reads_its_seeds_and_survives_their_changes() {
        for target in &TARGETS {
            let seeds = (target.seeds)();
            assert!(!seeds.is_empty(), "{}", target.name);
            for seed in &seeds {
                assert!((target.read)(seed), "{}", target.name);
            }
            let (mut dice, mut read) = (Dice(11), 0);
            for round in 0..ROUNDS {
                let mut bytes = seeds[dice.below(seeds.len())].clone();
                let other = &seeds[dice.below(seeds.len())];
                for _ in 0..=dice.below(3) {
                    change(&mut bytes, other, &mut dice);
                }
                let result = std::panic::catch_unwind(|| (target.read)(&bytes));
                match result {
                    Ok(is_read) => read += usize::from(is_read),
                    Err(_) => panic!("{} in round {round}: {bytes:02x?}", target.name),
                }
            }
            println!("{}: {read} of {ROUNDS} changed documents were read", target.name);
        }
    }
}
