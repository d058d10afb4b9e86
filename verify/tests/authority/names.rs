//! Whom a certificate names, and which entry of the trust file that is.

use attest::certificate;
use attest::{KeyId, Sha256};
use fixtures::authority::{extension, extensions, tlv};
use verify::{NameKind, NameRule, Pattern, Trust, Usage};

use crate::support::{BUILDER, SIGNED, Scene, add, check, moment, rule, said};

fn named(scene: &Scene, names: &[(u8, &str)]) -> attest::Bundle {
    with(scene, extensions::names(names))
}

fn with(scene: &Scene, names: Vec<u8>) -> attest::Bundle {
    let mut extensions = scene.recipe.extensions.clone();
    extensions[2] = names;
    let chain = [scene.with(extensions), scene.between.certificate().to_vec()];
    scene.bundle(&chain, &[moment(SIGNED)])
}

fn trusting(scene: &Scene, rules: &[(&str, NameRule, &str)]) -> Trust {
    let mut trust = scene.authority(Usage::CodeSigning, &["clock"]);
    for (name, rule, owner) in rules {
        add(&mut trust, name, rule, owner);
    }
    trust
}

#[test]
fn a_name_counts_by_kind_and_as_a_whole() {
    let scene = Scene::new();
    let uri = |pattern| rule(NameKind::Uri, pattern);
    let (dns, email) = (NameKind::Dns, NameKind::Email);
    let cases = [
        ("itself", uri(Pattern::exact(BUILDER)), vec![(6, BUILDER)], true),
        (
            "under a place",
            uri(Pattern::under("spiffe://corp.example/ci")),
            vec![(6, BUILDER)],
            true,
        ),
        ("beside it", uri(Pattern::under("spiffe://corp.example/c")), vec![(6, BUILDER)], false),
        ("the place", uri(Pattern::under(BUILDER)), vec![(6, BUILDER)], false),
        ("a glob", uri(Pattern::glob("spiffe://*/ci/*")), vec![(6, BUILDER)], true),
        ("as a host", uri(Pattern::exact(BUILDER)), vec![(2, BUILDER)], false),
        ("a host", rule(dns, Pattern::exact("a.example")), vec![(2, "A.example")], true),
        ("a host as mail", rule(email, Pattern::exact("a.example")), vec![(2, "a.example")], false),
        ("any host", rule(dns, Pattern::glob("*.example")), vec![(2, "*.example")], false),
        ("mail", rule(email, Pattern::exact("a@b.example")), vec![(1, "a@b.example")], true),
        (
            "mail of another",
            rule(email, Pattern::exact("a@b.example")),
            vec![(1, "b@b.example")],
            false,
        ),
        (
            "among others",
            rule(dns, Pattern::exact("a.example")),
            vec![(2, "b.example"), (2, "a.example"), (1, "a@b.example"), (6, BUILDER)],
            true,
        ),
        (
            "two URIs, one of a workload",
            uri(Pattern::exact(BUILDER)),
            vec![(6, BUILDER), (6, "https://a.example/")],
            false,
        ),
        (
            "no identity of a workload",
            uri(Pattern::glob("**")),
            vec![(6, "spiffe://corp.example/ci/../x")],
            false,
        ),
        ("in capitals", uri(Pattern::glob("**")), vec![(6, "SPIFFE://corp.example/ci")], false),
        ("a control character", uri(Pattern::glob("**")), vec![(6, "https://a.example/\n")], false),
        ("an empty name beside", uri(Pattern::exact(BUILDER)), vec![(6, BUILDER), (2, "")], false),
    ];
    for (name, rule, names, want) in cases {
        let trust = trusting(&scene, &[("signer", rule, "team")]);
        let found = said(&named(&scene, &names), &trust);
        assert_eq!(found == "signer", want, "{name}: {found}");
    }
}

#[test]
fn a_name_that_cannot_be_read_makes_all_unreadable() {
    let scene = Scene::new();
    let trust = trusting(&scene, &[("signer", rule(NameKind::Uri, Pattern::exact(BUILDER)), "t")]);
    let uri = tlv(0x86, &[BUILDER.as_bytes()]);
    let id = [0x55, 0x1d, 0x11];
    let cases = [
        ("good", extension(&id, false, &tlv(0x30, &[&uri])), true),
        (
            "not ASCII beside it",
            extension(&id, false, &tlv(0x30, &[&uri, &tlv(0x82, &["ü".as_bytes()])])),
            false,
        ),
        (
            "a kind that is none",
            extension(&id, false, &tlv(0x30, &[&uri, &tlv(0x89, &[b"x"])])),
            false,
        ),
        (
            "something after it",
            extension(&id, false, &[tlv(0x30, &[&uri]), vec![5, 0]].concat()),
            false,
        ),
        (
            "an address beside it",
            extension(&id, false, &tlv(0x30, &[&uri, &tlv(0x87, &[&[127, 0, 0, 1]])])),
            true,
        ),
    ];
    for (name, names, want) in cases {
        let found = said(&with(&scene, names), &trust);
        assert_eq!(found == "signer", want, "{name}: {found}");
    }
}

#[test]
fn one_signature_is_of_one_signer_with_one_owner() {
    let scene = Scene::new();
    let bundle = named(&scene, &[(6, BUILDER), (2, "a.example")]);
    let uri = || rule(NameKind::Uri, Pattern::exact(BUILDER));
    let broad = || rule(NameKind::Uri, Pattern::glob("spiffe://**"));
    let host = || rule(NameKind::Dns, Pattern::exact("a.example"));
    type Case<'a> = (&'a str, Vec<(&'a str, NameRule, &'a str)>, bool);
    let cases: [Case<'_>; 4] = [
        ("one rule", vec![("one", uri(), "team")], true),
        ("two rules, one owner", vec![("one", uri(), "team"), ("two", broad(), "team")], true),
        ("two owners", vec![("one", uri(), "team"), ("two", broad(), "others")], false),
        ("two names", vec![("one", uri(), "team"), ("two", host(), "team")], false),
    ];
    for (name, rules, want) in cases {
        let trust = trusting(&scene, &rules);
        let found = check(&bundle, &trust);
        assert_eq!(found.is_ok(), want, "{name}: {:?}", found.err());
    }
}

#[test]
fn identity_is_the_authority_and_the_name() {
    let scene = Scene::new();
    let trust = scene.trust(Usage::CodeSigning, &["clock"]);
    let found = check(&scene.bundle(&scene.chain(), &[moment(SIGNED)]), &trust).unwrap();
    let root = certificate::public_key(scene.root.certificate()).unwrap();
    let [signer] = found.signers() else { panic!("{found:?}") };
    let want = KeyId::of_certified(Sha256::of(root.der()), "uri", BUILDER);
    assert_eq!((signer.key, signer.owner.as_str()), (want, "ci-team"));
    let certified = signer.certified.as_ref().unwrap();
    assert_eq!((certified.authority.as_str(), certified.name.as_str()), ("corporate", BUILDER));
    assert_eq!(certified.key, scene.key.public().id());
    // A new key under a new certificate is the same signer, and so is another authority's none.
    let mut renewed = Scene::new();
    let second = check(
        &renewed.bundle(&renewed.chain(), &[moment(SIGNED)]),
        &renewed.trust(Usage::CodeSigning, &["clock"]),
    );
    assert_ne!(second.unwrap().signers()[0].key, want);
    let key = std::mem::replace(&mut renewed.key, fixtures::authority::fresh_key().unwrap());
    let issued = scene.between.issue(key.public(), &scene.recipe).unwrap();
    renewed.key = key;
    renewed.clock = scene.clock;
    let chain = [issued, scene.between.certificate().to_vec()];
    let third = check(&renewed.bundle(&chain, &[moment(SIGNED)]), &trust).unwrap();
    assert_eq!(third.signers()[0].key, want);
    assert_ne!(third.signers()[0].certified.as_ref().unwrap().key, certified.key);
}
