//! Authorities, clocks and certified signers as the trust file spells them.

use verify::{Trust, Usage};

use crate::support::Scene;

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
            "https://assay.example/attestation/revocation/v0.1",
            false,
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
