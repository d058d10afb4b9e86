//! Signers whose certificates are for RSA keys, as those of many companies are.

use attest::carried;
use attest::envelope::IN_TOTO;
use attest::{Envelope, Signature};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use fixtures::authority::tlv;
use verify::Usage;

use crate::support::{SIGNED, Scene, bundle_of, document, moment, said, statement};

fn spki(pair: &KeyPair) -> Vec<u8> {
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    der.as_ref().to_vec()
}

/// A key with a modulus of so many bytes and this exponent, which nobody has the other half of.
fn made_up(bytes: usize, exponent: &[u8]) -> Vec<u8> {
    let modulus = tlv(2, &[&[0], &vec![0xc3; bytes]]);
    let numbers = tlv(0x30, &[&modulus, &tlv(2, &[exponent])]);
    let id = tlv(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]]);
    tlv(0x30, &[&tlv(0x30, &[&id, &tlv(5, &[])]), &tlv(3, &[&[0], &numbers])])
}

fn signed(pair: &KeyPair, how: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(how, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

/// What is said of a statement with this signature, by whoever has a certificate for `spki`.
fn found(scene: &Scene, spki: &[u8], signature: &[u8]) -> String {
    let own = scene.between.issue_for(spki, &scene.recipe).unwrap();
    let chain = [own, scene.between.certificate().to_vec()];
    let stamp = scene.clock.stamp(signature, moment(SIGNED)).unwrap();
    let bundle = bundle_of(&envelope(signature), &chain, &[stamp]);
    said(&bundle, &scene.trust(Usage::CodeSigning, &["clock"]))
}

fn envelope(signature: &[u8]) -> Envelope {
    Envelope {
        payload_type: IN_TOTO.into(),
        payload: statement(),
        signatures: vec![Signature { keyid: None, sig: signature.to_vec() }],
    }
}

#[test]
fn a_signature_counts_by_either_padding_and_no_other() {
    let scene = Scene::new();
    let pae = envelope(b"").pae();
    let (pair, other) = (
        KeyPair::generate(KeySize::Rsa2048).unwrap(),
        KeyPair::generate(KeySize::Rsa2048).unwrap(),
    );
    let ways: [&'static dyn RsaEncoding; 6] = [
        &RSA_PKCS1_SHA256,
        &RSA_PKCS1_SHA384,
        &RSA_PKCS1_SHA512,
        &RSA_PSS_SHA256,
        &RSA_PSS_SHA384,
        &RSA_PSS_SHA512,
    ];
    let refused = "no signature by a trusted key";
    for how in ways {
        let good = signed(&pair, how, &pae);
        assert_eq!(found(&scene, &spki(&pair), &good), "builder", "{how:?}");
        let mut changed = good.clone();
        *changed.last_mut().unwrap() ^= 1;
        let cases = [
            ("a bit changed", changed),
            ("a byte less", good[1..].to_vec()),
            ("over something else", signed(&pair, how, &pae[1..])),
            ("over the payload alone", signed(&pair, how, &statement())),
            ("by another key", signed(&other, how, &pae)),
        ];
        for (name, signature) in cases {
            let why = found(&scene, &spki(&pair), &signature);
            assert!(why.contains(refused), "{name}, {how:?}: {why}");
        }
    }
}

#[test]
fn a_key_counts_by_its_size_and_exponent() {
    let scene = Scene::new();
    let usual = &[1, 0, 1][..];
    let cases = [
        ("2048 bits", made_up(256, usual), "no signature by a trusted key"),
        ("8 bits less", made_up(255, usual), "an RSA key of 2040 bits"),
        ("1024 bits", made_up(128, usual), "an RSA key of 1024 bits"),
        ("8192 bits", made_up(1024, usual), "no signature by a trusted key"),
        ("8 bits more", made_up(1025, usual), "an RSA key of 8200 bits"),
        ("three", made_up(256, &[3]), "whose public exponent"),
        ("an even one", made_up(256, &[1, 0, 2]), "whose public exponent"),
    ];
    for (name, spki, want) in cases {
        let why = found(&scene, &spki, &[7; 256]);
        assert!(why.contains(want), "{name}: {why}");
    }
}

#[test]
fn a_register_carries_what_an_rsa_key_signed() {
    let scene = Scene::new();
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let good = signed(&pair, &RSA_PSS_SHA256, &envelope(b"").pae());
    let mut changed = good.clone();
    changed[0] ^= 1;
    let own = scene.between.issue_for(&spki(&pair), &scene.recipe).unwrap();
    for (signature, want) in [(good, true), (changed, false)] {
        let bundle = document(&envelope(&signature), std::slice::from_ref(&own), &[]);
        assert_eq!(carried::carry(bundle.to_string().as_bytes()).is_ok(), want);
    }
}
