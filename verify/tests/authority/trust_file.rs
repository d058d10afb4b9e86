//! Authorities, clocks and certified signers as the trust file spells them.

use fixtures::authority::{extensions, to_pem};
use verify::{Trust, Usage};

use crate::support::{SIGNED, Scene, moment};

#[test]
fn what_is_no_trust_file() {
    let scene = Scene::new();
    let good = scene.trust(Usage::CodeSigning, &["clock", "now"]).to_yaml();
    let uri = "uri:\n    exact: spiffe://corp.example/ci/builder";
    let cases = [
        ("as written", "", "", true),
        ("another authority", "authority: corporate", "authority: corporat", false),
        ("another clock", "  - clock\n", "  - clocks\n", false),
        ("only now", "  - clock\n", "", true),
        ("an unknown usage", "usage: codeSigning", "usage: any", false),
        ("another usage", "usage: codeSigning", "usage: clientAuth", true),
        ("no rule", uri, "claims: {}", false),
        ("two rules", uri, "uri: {exact: 'https://a'}\n  dns: {exact: a}", false),
        ("a host", uri, "dns: {exact: a.example}", true),
        ("a host in capitals", uri, "dns: {exact: A.example}", false),
        ("an identity of no workload", uri, "uri: {exact: 'spiffe://corp.example'}", false),
        ("under a place", uri, "uri: {under: 'spiffe://corp.example'}", true),
        ("under a place with a slash", uri, "uri: {under: 'spiffe://corp.example/'}", false),
        ("an instance as well", uri, "uri: {exact: 'https://a'}\n  sigstore: public", false),
        ("a claim", uri, "uri: {exact: 'https://a'}\n  claims: {ref: {exact: a}}", false),
        (
            "a type that needs a key",
            "https://example.com/test/v1",
            "https://assay.example/attestation/tombstone/v0.1",
            false,
        ),
        (
            "revocations",
            "https://example.com/test/v1",
            "https://assay.example/attestation/revocation/v0.1",
            true,
        ),
        ("any type", "- https://example.com/test/v1", "- '*'", false),
        (
            "a certificate that is none",
            "-----BEGIN CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n    AAAA",
            false,
        ),
        ("a clock called now", "- id: clock", "- id: now", false),
        ("an unknown field", "owner: ci-team", "owner: ci-team\n  owners: x", false),
    ];
    for (name, from, to, want) in cases {
        assert!(good.contains(from), "{name}: {from} in\n{good}");
        let text = if from.is_empty() { good.clone() } else { good.replacen(from, to, 1) };
        let found = Trust::parse(&text);
        assert_eq!(found.is_ok(), want, "{name}: {:?}", found.err());
    }
    let none = good.replacen("  clocks:\n  - clock\n  - now\n", "", 1);
    assert_ne!(none, good);
    let error = Trust::parse(&none).unwrap_err().to_string();
    assert!(error.contains("no `clocks`"), "{error}");
}

/// An Ed25519 key of small order: `01`, the neutral point, which signs anything for anybody.
const WEAK: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00\x01";

#[test]
fn a_weak_key_makes_no_authority_and_no_signer() {
    let scene = Scene::new();
    let weak = [WEAK, &[0; 31]].concat();
    let strong = fixtures::signing_key("strong").unwrap();
    let cases = [("strong", strong.public().der(), true), ("weak", weak.as_slice(), false)];
    for (name, spki, want) in cases {
        let mut recipe = scene.recipe.clone();
        recipe.extensions = vec![extensions::authority(true), extensions::certificate_signing()];
        let der = scene.root.issue_for(spki, &recipe).unwrap();
        let usage = Usage::CodeSigning;
        let added = Trust::empty().add_authority("a", &to_pem(&[&der]), None, usage, &["now"]);
        assert_eq!(added.is_ok(), want, "as a root, {name}: {added:?}");
        // Between the signer and a good root.
        let mut chain = scene.chain();
        chain.push(der);
        let trust = scene.trust(usage, &["clock"]);
        let found = crate::support::said(&scene.bundle(&chain, &[moment(SIGNED)]), &trust);
        assert_eq!(found == "builder", want, "between, {name}: {found}");
        // The signer's own.
        let own = scene.between.issue_for(spki, &scene.recipe).unwrap();
        let chain = [own, scene.between.certificate().to_vec()];
        let found = crate::support::said(&scene.bundle(&chain, &[moment(SIGNED)]), &trust);
        let why = if want { "no signature by a trusted key" } else { "weak" };
        assert!(found.contains(why), "its own, {name}: {found}");
    }
}
