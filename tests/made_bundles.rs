//! Every form of bundle that Sigstore's conformance suite calls good, made anew with fresh keys, is
//! good here, and no smallest change of it is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use attest::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fixtures::sigstore::{Form, Made};
use serde_json::{Value, json};
use verify::{
    Custody, Demands, May, Pattern, SigstoreArtifact, SigstoreBundle, SigstoreRoot, Trust, Whom,
    Window, verify_sigstore,
};

/// When all of it was signed: long enough ago for the machine's clock.
const NOW: i64 = 1_750_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// Whether a bundle is good, and why not.
fn believed(made: &Made, bundle: &Value, root: &Value, artifact: &[u8]) -> Result<(), String> {
    let said = |error: &dyn std::error::Error| error.to_string();
    let mut trust = Trust::empty();
    let root = SigstoreRoot::parse(&root.to_string()).map_err(|error| said(&error))?;
    trust.add_root("made", &root, Demands::default()).unwrap();
    let (may, window, custody) = (May::default(), Window::default(), Custody::default());
    match &made.key {
        Some(key) => trust.add_key("signer", key, "signer", &may, window, custody).unwrap(),
        None => {
            let exact = |text| Pattern::exact(text).unwrap();
            let (issuer, subject) = (exact(made.issuer), exact(made.identity));
            let whom = Whom { issuer, subject, claims: BTreeMap::new() };
            trust.add_signer("signer", "made", &whom, "signer", &may, window, custody).unwrap();
        }
    }
    let bundle =
        SigstoreBundle::parse(bundle.to_string().as_bytes()).map_err(|error| said(&error))?;
    verify_sigstore(&bundle, SigstoreArtifact::Bytes(artifact), &trust, now())
        .map(drop)
        .map_err(|error| said(&error))
}

/// The bytes in base64 at `pointer`, with one bit changed `from_end` bytes before their end.
fn flip(document: &mut Value, pointer: &str, from_end: usize) {
    let text = document.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    let mut bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
    let place = bytes.len() - 1 - from_end;
    bytes[place] ^= 1;
    *text = STANDARD.encode(bytes).into();
}

/// The changes that a form has room for: where, and how far from the end.
fn places(form: &Form, bundle: &Value) -> Vec<(&'static str, usize)> {
    let entry = "/verificationMaterial/tlogEntries/0";
    assert!(bundle.pointer(entry).is_some());
    let mut places = vec![
        ("/verificationMaterial/tlogEntries/0/canonicalizedBody", 5),
        ("/verificationMaterial/tlogEntries/0/inclusionProof/hashes/0", 0),
        ("/verificationMaterial/tlogEntries/0/logId/keyId", 0),
    ];
    if bundle.get("messageSignature").is_some() {
        places.push(("/messageSignature/signature", 0));
        places.push(("/messageSignature/messageDigest/digest", 0));
    } else {
        places.push(("/dsseEnvelope/signatures/0/sig", 0));
        places.push(("/dsseEnvelope/payload", 5));
    }
    if form.is_promised() {
        let promise = "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp";
        places.push((promise, 0));
    }
    if form.is_timed() {
        let told =
            "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
        places.push((told, 0));
    }
    let material = &bundle["verificationMaterial"];
    if material.get("certificate").is_some() {
        places.push(("/verificationMaterial/certificate/rawBytes", 0));
        places.push(("/verificationMaterial/certificate/rawBytes", 200));
    }
    if material.get("x509CertificateChain").is_some() {
        places.push(("/verificationMaterial/x509CertificateChain/certificates/0/rawBytes", 0));
    }
    places
}

#[test]
fn every_form_is_good_and_no_smallest_change_is() {
    for form in Form::ALL {
        let made = form.make(now()).unwrap();
        let Made { bundle, trusted_root: root, artifact, .. } = &made;
        assert_eq!(believed(&made, bundle, root, artifact), Ok(()), "{}", form.name);
        assert!(believed(&made, bundle, root, b"another").is_err(), "{}", form.name);
        for (pointer, from_end) in places(&form, bundle) {
            let mut changed = bundle.clone();
            flip(&mut changed, pointer, from_end);
            let found = believed(&made, &changed, root, artifact);
            assert!(found.is_err(), "{}: {pointer}", form.name);
        }
        if form.is_promised() {
            let mut changed = bundle.clone();
            changed["verificationMaterial"]["tlogEntries"][0]["integratedTime"] =
                (NOW + 1).to_string().into();
            assert!(believed(&made, &changed, root, artifact).is_err(), "{}: time", form.name);
        }
        let checkpoint = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
        let mut changed = bundle.clone();
        let note = changed.pointer_mut(checkpoint).unwrap();
        *note = note.as_str().unwrap().replacen("\n4\n", "\n5\n", 1).into();
        assert!(believed(&made, &changed, root, artifact).is_err(), "{}: size", form.name);
    }
}

#[test]
fn no_form_is_good_under_the_keys_of_another() {
    for form in Form::ALL {
        let (made, other) = (form.make(now()).unwrap(), form.make(now()).unwrap());
        for part in ["tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"] {
            let mut root = made.trusted_root.clone();
            root[part] = other.trusted_root[part].clone();
            let needed = match part {
                "tlogs" => true,
                "timestampAuthorities" => form.is_timed(),
                _ => form.is_keyless(),
            };
            let found = believed(&made, &made.bundle, &root, &made.artifact);
            assert_eq!(found.is_err(), needed, "{} with other {part}: {found:?}", form.name);
        }
    }
}

#[test]
fn a_clock_speaks_to_the_end_of_its_time_and_no_longer() {
    let form = Form::ALL.into_iter().find(|form| form.name.contains("end-inclusive")).unwrap();
    let made = form.make(now()).unwrap();
    let end = "/timestampAuthorities/0/validFor/end";
    let mut root = made.trusted_root.clone();
    assert!(root.pointer(end).is_some());
    assert_eq!(believed(&made, &made.bundle, &root, &made.artifact), Ok(()));
    let before = Timestamp::from_second(NOW - 1).unwrap();
    *root.pointer_mut(end).unwrap() = json!(before.to_string());
    assert!(believed(&made, &made.bundle, &root, &made.artifact).is_err());
}

#[test]
fn the_forms_are_those_of_the_suite() {
    let vectors = std::env::var_os("ASSAY_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors")),
        PathBuf::from,
    );
    let Ok(cases) = fs::read_dir(vectors.join("sigstore/bundle-verify")) else {
        eprintln!("\n!!! NOT RUN: no conformance cases in `{}` !!!\n", vectors.display());
        return;
    };
    let cases = cases.map(|case| case.unwrap()).filter(|case| case.path().is_dir());
    let names = cases.map(|case| case.file_name().into_string().unwrap());
    let good: BTreeSet<String> = names.filter(|name| !name.ends_with("_fail")).collect();
    let made = Form::ALL.into_iter().filter(|form| form.is_public);
    assert_eq!(made.map(|form| form.name.to_owned()).collect::<BTreeSet<_>>(), good);
}
