//! Models signed by OpenSSF Model Signing: published vectors, and what happens when anything of a
//! good signature or of the model is changed or removed.
//!
//! `tests/model/unauthenticated.txt` lists every change to a bundle that is accepted all the same,
//! with the section of the specification that leaves the field unauthenticated. The list can only
//! get shorter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says loudly what it could not test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use attest::envelope::IN_TOTO;
use attest::hash::{HashAlgorithm, Silent};
use attest::oms::{self, Bundle, Manifest, Material, Method, Scan, Serialization};
use attest::{Algorithm, Envelope, PublicKey, SigningKey, Timestamp, certificate};
use serde_json::Value;
use verify::{Authority, Comparison, Custody, May, Trust, Window, compare, verify_model};

/// When the vectors' certificates are valid.
const NOW: &str = "2026-12-01T00:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// The published vectors, unpacked; `None` where they are not.
fn vectors() -> Option<tempfile::TempDir> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors");
    let folder = PathBuf::from(std::env::var("ASSAY_VECTORS").unwrap_or_else(|_| beside.into()));
    let archive = folder.join("oms/oms.tar.gz");
    if !archive.is_file() {
        eprintln!(
            "WARNING: no vectors of model signing at `{}`: set ASSAY_VECTORS; nothing was tested",
            archive.display()
        );
        return None;
    }
    let unpacked = tempfile::tempdir().unwrap();
    let status =
        Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(unpacked.path()).status();
    assert!(status.unwrap().success());
    Some(unpacked)
}

/// Whether the model is as it was signed; `Err` when the signature is not believed.
fn check(
    bundle: &[u8],
    authority: Authority<'_>,
    model: &Path,
    signature: Option<&Path>,
    at: Timestamp,
) -> Result<Comparison, String> {
    let bundle = Bundle::parse(bundle).map_err(|error| error.to_string())?;
    let signed = verify_model(&bundle, authority, at).map_err(|error| error.to_string())?;
    let manifest = &signed.content().manifest;
    let files = manifest.files();
    let listed: BTreeSet<&str> = files.iter().map(|file| file.path).collect();
    let is_listed = |name: &str| listed.contains(name);
    let scan = Scan::of(model, manifest.serialization(), signature, &is_listed).unwrap();
    let wanted = |file: &oms::ScannedFile| is_listed(&file.name);
    let hashed = scan.hash(manifest.serialization(), &wanted, None, &Silent).unwrap();
    Ok(compare(&signed, &scan, &hashed))
}

fn is_whole(found: &Result<Comparison, String>) -> bool {
    found.as_ref().is_ok_and(Comparison::is_whole)
}

#[test]
fn published_vectors() {
    let Some(unpacked) = vectors() else { return };
    let top = unpacked.path().join("oms");
    let key = |name: &str| {
        PublicKey::from_pem(&fs::read_to_string(top.join("keys").join(name)).unwrap()).unwrap()
    };
    let certificates =
        |name: &str| certificate::from_pem(&fs::read_to_string(top.join(name)).unwrap()).unwrap();
    let keys = [key("p256.pub.pem"), key("p384.pub.pem"), key("p521.pub.pem")];
    let other = [key("other.pub.pem"), key("ed25519.pub.pem")];
    let roots = certificates("keys/ca.crt");
    let other_roots = certificates("keys/ca2.crt");
    let by_root = |roots| Authority::Roots { roots, identity: None };

    let mut count = 0;
    let mut paths: Vec<_> = fs::read_dir(top.join("bundles")).unwrap().flatten().collect();
    paths.sort_by_key(|entry| entry.file_name());
    for entry in paths {
        let name = entry.file_name().into_string().unwrap();
        let bundle = fs::read(entry.path()).unwrap();
        let chain = name.starts_with("cert-");
        let authority = if chain { by_root(&roots[..]) } else { Authority::Keys(&keys) };
        let wrong = if chain { by_root(&other_roots[..]) } else { Authority::Keys(&other) };
        let found = check(&bundle, authority, &top.join("model"), None, now());
        assert_eq!(is_whole(&found), !name.starts_with("NEG-"), "{name}: {found:?}");
        assert!(check(&bundle, wrong, &top.join("model"), None, now()).is_err(), "{name}");
        count += 1;
    }
    assert_eq!(count, 8, "bundles");

    let bundle = fs::read(top.join("bundles/key-p256-files-sha256.sig.json")).unwrap();
    let changed: Vec<_> = fs::read_dir(top.join("models-changed")).unwrap().flatten().collect();
    for entry in &changed {
        let found = check(&bundle, Authority::Keys(&keys), &entry.path(), None, now());
        assert!(!is_whole(&found), "{entry:?}");
    }
    assert_eq!(changed.len(), 3, "changed models");

    // The specification's own: a bundle that must not be read, or not be believed.
    let upstream = certificates("upstream/keys/certificate/ca-cert.pem");
    let own = certificates("upstream/keys/certificate/signing-key-cert.pem");
    let signer = "../upstream/keys/certificate/signing-key-pub.pem";
    let signer = [key(signer)];
    let model = top.join("upstream/v1.1.0-elliptic-key");
    let signature = model.join("model.sig");
    let bundle = fs::read(&signature).unwrap();
    let found = check(&bundle, Authority::Keys(&signer), &model, Some(&signature), now());
    assert!(is_whole(&found), "{found:?}");
    let mut count = 0;
    for folder in ["valid", "invalid", "invalid-payload"] {
        let folder_path = top.join("upstream/spec-vectors/test-vectors/v1.0").join(folder);
        for entry in fs::read_dir(folder_path).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            let bundle = fs::read(entry.path()).unwrap();
            // Keyless signatures need a Sigstore client. The certificate of the specification is
            // that of an authority, which speaks for itself where it is named, and for nobody
            // else: whoever has its key could take any name under the root.
            let (key, itself) = ("key", "certificate");
            let authorities = [
                (key, Authority::Keys(&signer)),
                ("none", by_root(&upstream[..])),
                (itself, by_root(&own[..])),
            ];
            for (by, authority) in authorities {
                let want = folder == "valid" && name.starts_with(by);
                let believed = Bundle::parse(&bundle)
                    .is_ok_and(|bundle| verify_model(&bundle, authority, now()).is_ok());
                assert_eq!(believed, want, "{name} by {by}");
            }
            count += 1;
        }
    }
    assert_eq!(count, 8, "bundles of the specification");
}

#[test]
fn a_certificate_counts_while_it_is_valid_and_for_whom_it_names() {
    let Some(unpacked) = vectors() else { return };
    let top = unpacked.path().join("oms");
    let pem = |name: &str| fs::read_to_string(top.join("keys").join(name)).unwrap();
    let roots = certificate::from_pem(&pem("ca.crt")).unwrap();
    let bundle = fs::read(top.join("bundles/cert-p384-files-sha256.sig.json")).unwrap();
    let bundle = Bundle::parse(&bundle).unwrap();
    let cases = [
        ("the second before", "2026-11-23T08:13:43Z", None, false),
        ("the first second", "2026-11-23T08:13:44Z", None, true),
        ("the last second", "2029-02-25T08:13:44Z", None, true),
        ("the second after", "2029-02-25T08:13:45Z", None, false),
        ("for its address", NOW, Some("signer@example.test"), true),
        ("for another", NOW, Some("signer@example.tes"), false),
        ("for its subject, which is no name", NOW, Some("oms-test-signer"), false),
    ];
    for (name, at, identity, want) in cases {
        let authority = Authority::Roots { roots: &roots, identity };
        let found = verify_model(&bundle, authority, at.parse().unwrap());
        assert_eq!(found.is_ok(), want, "{name}: {found:?}");
    }
    let Material::Chain(chain) = &bundle.material else { panic!("{bundle:?}") };
    let short = Bundle { material: Material::Chain(chain[..1].to_vec()), ..bundle.clone() };
    let authority = Authority::Roots { roots: &roots, identity: None };
    assert!(verify_model(&short, authority, now()).is_err(), "the one between is missing");
    for certificates in ["leaf_nosign.crt", "leaf_expired.crt"] {
        let other = certificate::from_pem(&pem(certificates)).unwrap();
        let swapped = [&other[..1], &chain[1..]].concat();
        let swapped = Bundle { material: Material::Chain(swapped), ..bundle.clone() };
        assert!(verify_model(&swapped, authority, now()).is_err(), "{certificates}");
    }
}

/// A model of several files.
fn model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in
        [("a.bin", "one"), ("b/c.bin", "two, longer than a shard"), ("b.bin", "three"), ("e", "4")]
    {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn sign(model: &Path, key: &SigningKey, serialization: &Serialization) -> Bundle {
    let scan = Scan::of(model, serialization, None, &|_| false).unwrap();
    let hashed = scan.hash(serialization, &|_| true, None, &Silent).unwrap();
    let manifest = Manifest::new(&hashed, serialization.clone()).unwrap();
    let payload = oms::payload("model", &manifest).unwrap();
    let envelope = Envelope::sign(IN_TOTO, payload, &[key]).unwrap();
    Bundle { envelope, material: Material::of_key(key.public()), timestamps: Vec::new() }
}

/// Every serialization, with a name.
fn serializations() -> Vec<(String, Serialization)> {
    let shards = Method::Shards(10.try_into().unwrap());
    let methods = [("files", Method::Files), ("shards", shards)];
    let all = methods.into_iter().flat_map(|(name, method)| {
        HashAlgorithm::ALL
            .map(|hash| (format!("{name} {}", hash.as_str()), Serialization::new(method, hash)))
    });
    all.collect()
}

#[test]
fn whatever_is_done_to_a_file_is_seen() {
    let key = SigningKey::generate(Algorithm::P521).unwrap();
    let keys = [key.public().clone()];
    let mut count = 0;
    for (name, serialization) in serializations() {
        let folder = model();
        let bundle = sign(folder.path(), &key, &serialization).to_json();
        let found = || check(&bundle, Authority::Keys(&keys), folder.path(), None, now());
        let files = ["a.bin", "b/c.bin", "b.bin", "e"];
        for file in files {
            let path = folder.path().join(file);
            let kept = fs::read(&path).unwrap();
            let mut changes: Vec<Box<dyn Fn()>> = vec![
                Box::new(|| fs::remove_file(&path).unwrap()),
                Box::new(|| fs::write(&path, [&kept[..], b"x"].concat()).unwrap()),
                Box::new(|| fs::write(&path, &kept[1..]).unwrap()),
                Box::new(|| fs::write(&path, b"").unwrap()),
                Box::new(|| {
                    fs::remove_file(&path).unwrap();
                    fs::create_dir(&path).unwrap();
                }),
                Box::new(|| {
                    fs::remove_file(&path).unwrap();
                    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
                }),
                Box::new(|| fs::rename(&path, folder.path().join("renamed")).unwrap()),
            ];
            for at in 0..kept.len() {
                let (path, mut bytes) = (&path, kept.clone());
                bytes[at] ^= 1;
                changes.push(Box::new(move || fs::write(path, &bytes).unwrap()));
            }
            for (place, change) in changes.iter().enumerate() {
                assert!(is_whole(&found()), "{name} {file}: {:?}", found());
                change();
                assert!(!is_whole(&found()), "{name} {file} {place}");
                let _ = fs::remove_file(folder.path().join("renamed"));
                let _ = fs::remove_dir(&path);
                let _ = fs::remove_file(&path);
                fs::write(&path, &kept).unwrap();
                count += 1;
            }
        }
        fs::write(folder.path().join("more"), "x").unwrap();
        let more = found().unwrap();
        assert!(!more.is_whole() && more.has_signed() && more.unsigned == ["more"], "{name}");
    }
    assert_eq!(count, 6 * (4 * 7 + 3 + 24 + 5 + 1), "changes");
}

/// Each place of a document, as the keys that lead to it.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                found.push(format!("{at}/{key}"));
                places(inner, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (place, inner) in items.iter().enumerate() {
                found.push(format!("{at}/{place}"));
                places(inner, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

/// The changes to what stands at one place.
fn changed(document: &Value, place: &str) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    let (parent, last) = place.rsplit_once('/').unwrap();
    let mut without = document.clone();
    match without.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.remove(last)),
        Value::Array(items) => drop(items.remove(last.parse().unwrap())),
        other => panic!("{other}"),
    }
    all.push(("removed", without));
    let mut put = |name, value: Value| {
        let mut other = document.clone();
        let slot = other.pointer_mut(place).unwrap();
        if *slot != value {
            *slot = value;
            all.push((name, other));
        }
    };
    put("null", Value::Null);
    put(
        "empty",
        match document.pointer(place).unwrap() {
            Value::String(_) => "".into(),
            Value::Array(_) => Value::Array(Vec::new()),
            Value::Object(_) => Value::Object(serde_json::Map::new()),
            other => other.clone(),
        },
    );
    put("another type", 7.into());
    match document.pointer(place).unwrap() {
        Value::String(text) => {
            put("longer", format!("{text}A").into());
            // The first, the middle and the last letter that carries whole bits of base64.
            let letters: Vec<char> = text.chars().collect();
            for (name, at) in [
                ("first letter", 0),
                ("middle letter", letters.len() / 2),
                ("late letter", letters.len().saturating_sub(8)),
            ] {
                if let Some(letter) = letters.get(at) {
                    let mut other = letters.clone();
                    other[at] = if *letter == 'B' { 'C' } else { 'B' };
                    put(name, other.into_iter().collect::<String>().into());
                }
            }
        }
        Value::Array(items) => {
            let twice = items.iter().chain(items).cloned().collect();
            put("twice", Value::Array(twice));
            put("more", Value::Array(items.iter().cloned().chain([7.into()]).collect()));
        }
        _ => {}
    }
    all
}

/// Every change to each field of a good bundle is refused, or is on the list.
#[test]
fn what_is_not_authenticated_is_on_the_list() {
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let keys = [key.public().clone()];
    let folder = model();
    let mut accepted = BTreeSet::new();
    let mut count = 0;
    let mut try_all = |name: &str, bundle: &[u8], authority: Authority<'_>, model: &Path| {
        let document: Value = serde_json::from_slice(bundle).unwrap();
        assert!(is_whole(&check(bundle, authority, model, None, now())), "{name}");
        let mut all = Vec::new();
        places(&document, "", &mut all);
        for place in all {
            for (change, other) in changed(&document, &place) {
                let other = serde_json::to_vec(&other).unwrap();
                if check(&other, authority, model, None, now()).is_ok() {
                    accepted.insert(format!("{name} {place} {change}"));
                }
                count += 1;
            }
        }
    };
    let bundle = sign(folder.path(), &key, &Serialization::default()).to_json();
    try_all("key", &bundle, Authority::Keys(&keys), folder.path());
    let mut want = 74;
    if let Some(unpacked) = vectors() {
        let top = unpacked.path().join("oms");
        let roots = fs::read_to_string(top.join("keys/ca.crt")).unwrap();
        let roots = certificate::from_pem(&roots).unwrap();
        let bundle = fs::read(top.join("bundles/cert-p384-files-sha256.sig.json")).unwrap();
        let authority = Authority::Roots { roots: &roots, identity: None };
        try_all("certificate", &bundle, authority, &top.join("model"));
        want = 178;
    }
    assert_eq!(count, want, "changes");

    let list = include_str!("model/unauthenticated.txt");
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let listed: BTreeSet<String> = lines
        .map(|line| {
            let (what, section) = line.split_once(" -- ").expect("a change, and its section");
            assert!(section.starts_with("section "), "{line}");
            what.to_owned()
        })
        .collect();
    let more: Vec<_> = accepted.difference(&listed).collect();
    assert!(more.is_empty(), "accepted and not on the list: {more:#?}");
    if want == 178 {
        let fewer: Vec<_> = listed.difference(&accepted).collect();
        assert!(fewer.is_empty(), "refused, take it off the list: {fewer:#?}");
    }
    assert_eq!(listed.len(), LISTED, "the list may only get shorter");
}

/// How many changes are on the list.
const LISTED: usize = 25;

/// A trust file that names the key, with these lines under its `may`.
fn trust(key: &SigningKey, may: &str, until: &str) -> Trust {
    let mut trust = Trust::empty();
    let lists: Vec<&str> = may.split(' ').collect();
    let [predicate, artifact] = lists[..] else { panic!("{may}") };
    let may = May::of(&[], &[predicate], &[artifact], &[]).unwrap();
    let window = Window { from: None, until: Some(until.parse().unwrap()) };
    let public = key.public();
    trust.add_key("signer", public, "owner", &may, window, Custody::Separate).unwrap();
    trust
}

#[test]
fn a_key_of_the_trust_file_counts_as_far_as_it_may() {
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let folder = model();
    let bundle = sign(folder.path(), &key, &Serialization::default()).to_json();
    let other = SigningKey::generate(Algorithm::P256).unwrap();
    let later = "2027-01-01T00:00:00Z";
    let model_type = attest::predicate::MODEL_SIGNATURE;
    let cases = [
        ("any", trust(&key, "* *", later), true),
        ("this type and name", trust(&key, &format!("{model_type} model"), later), true),
        ("another type", trust(&key, "https://slsa.dev/provenance/v1 *", later), false),
        ("another name", trust(&key, "* models", later), false),
        ("no longer", trust(&key, "* *", NOW), false),
        ("another key", trust(&other, "* *", later), false),
    ];
    for (name, trust, want) in cases {
        let found = check(&bundle, Authority::Trust(&trust), folder.path(), None, now());
        assert_eq!(is_whole(&found), want, "{name}: {found:?}");
    }
}

/// A statement whose manifest is not that of its root, or no manifest at all, though whoever counts
/// signed it.
#[test]
fn what_is_signed_must_be_whole_too() {
    let key = SigningKey::generate(Algorithm::P384).unwrap();
    let keys = [key.public().clone()];
    let folder = model();
    type Change<'a> = &'a dyn Fn(&mut Value);
    let put = |place: &'static str, value: Value| {
        move |statement: &mut Value| *statement.pointer_mut(place).unwrap() = value.clone()
    };
    let swap = |statement: &mut Value| {
        let resources = statement.pointer_mut("/predicate/resources").unwrap();
        resources.as_array_mut().unwrap().swap(0, 1);
    };
    let drop_last = |statement: &mut Value| {
        let resources = statement.pointer_mut("/predicate/resources").unwrap();
        drop(resources.as_array_mut().unwrap().pop());
    };
    let twice = |statement: &mut Value| {
        let subject = statement["subject"][0].clone();
        statement["subject"].as_array_mut().unwrap().push(subject);
    };
    let cases: [(&str, Change<'_>, bool); 17] = [
        ("nothing", &|_| {}, true),
        ("another name of the model", &put("/subject/0/name", "x".into()), true),
        ("another root", &put("/subject/0/digest/sha256", "00".repeat(32).into()), false),
        ("another kind", &put("/subject/0/annotations/digestMethod", "tree".into()), false),
        ("no digest", &put("/subject/0/digest", serde_json::json!({})), false),
        ("two subjects", &twice, false),
        ("no subject", &put("/subject", serde_json::json!([])), false),
        ("another statement", &put("/_type", "https://in-toto.io/Statement/v0.1".into()), false),
        ("another predicate", &put("/predicateType", "https://example.com/x".into()), false),
        ("another digest", &put("/predicate/resources/0/digest", "00".repeat(32).into()), false),
        ("a short digest", &put("/predicate/resources/0/digest", "00".into()), false),
        ("another order", &swap, false),
        ("a file less", &drop_last, false),
        ("another hash", &put("/predicate/serialization/hash_type", "blake3".into()), false),
        ("another hash of one", &put("/predicate/resources/0/algorithm", "blake3".into()), false),
        ("a name that leads out", &put("/predicate/resources/0/name", "../a.bin".into()), false),
        ("another method", &put("/predicate/serialization/method", "shards".into()), false),
    ];
    for (name, change, want) in cases {
        let signed = sign(folder.path(), &key, &Serialization::default());
        let mut statement: Value = serde_json::from_slice(&signed.envelope.payload).unwrap();
        change(&mut statement);
        let payload = serde_json::to_vec(&statement).unwrap();
        let envelope = Envelope::sign(IN_TOTO, payload, &[&key]).unwrap();
        let bundle = Bundle { envelope, ..signed }.to_json();
        let found = check(&bundle, Authority::Keys(&keys), folder.path(), None, now());
        assert_eq!(is_whole(&found), want, "{name}: {found:?}");
    }
}
