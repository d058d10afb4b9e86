//! What has to be right between a signer's certificate and an authority.

use attest::{Statement, Timestamp};
use fixtures::authority::{CertificateAuthority, extension, extensions, tlv, to_pem};
use verify::{Direction, NameKind, Negatives, Pattern, Trace, Trust, Usage, Window};

use crate::support::{
    BUILDER, SIGNED, Scene, UNTIL, add, bundle_of, check, moment, rule, said, statement,
};

#[test]
fn a_chain_counts_when_all_of_it_does() {
    let scene = Scene::new();
    let trust = scene.trust(Usage::CodeSigning, &["clock"]);
    let signed = [moment(SIGNED)];
    let names = || extensions::names(&[(6, BUILDER)]);
    let (signs, code) = (extensions::digital_signature, || extensions::usage(3));
    let chain = |certificate: Vec<u8>| vec![certificate, scene.between.certificate().to_vec()];
    let unknown = |critical| extension(&[0x2a, 3, 4], critical, &tlv(5, &[]));
    let stranger = CertificateAuthority::root("corporate").unwrap();
    let cases = [
        ("as it should be", scene.chain(), "builder"),
        ("without the one between", vec![scene.certificate()], "no authority of the trust file"),
        (
            "by somebody of the same name",
            vec![stranger.issue(scene.key.public(), &scene.recipe).unwrap()],
            "a path that does not hold",
        ),
        (
            "another usage",
            chain(scene.with(vec![signs(), extensions::usage(2), names()])),
            "not for signatures",
        ),
        ("no usage", chain(scene.with(vec![signs(), names()])), "not for signatures"),
        (
            "a key that signs certificates",
            chain(scene.with(vec![extensions::certificate_signing(), code(), names()])),
            "not for signatures",
        ),
        ("no key usage", chain(scene.with(vec![code(), names()])), "builder"),
        (
            "a critical extension that nobody knows",
            chain(scene.with(vec![signs(), code(), names(), unknown(true)])),
            "malformed",
        ),
        (
            "the same, not critical",
            chain(scene.with(vec![signs(), code(), names(), unknown(false)])),
            "builder",
        ),
        ("no name", chain(scene.with(vec![signs(), code()])), "nobody like that"),
        (
            "an authority itself",
            chain(scene.with(vec![signs(), code(), names(), extensions::authority(true)])),
            "CA:TRUE",
        ),
        (
            "expressly none",
            chain(scene.with(vec![signs(), code(), names(), extensions::authority(false)])),
            "builder",
        ),
    ];
    for (name, chain, want) in cases {
        let found = said(&scene.bundle(&chain, &signed), &trust);
        assert!(found.contains(want), "{name}: {found}");
    }
    // The same chain for a signature by another key.
    let other = Scene::new();
    let envelope = other.envelope();
    let stamp = scene.clock.stamp(&envelope.signatures[0].sig, signed[0]).unwrap();
    let found = said(&bundle_of(&envelope, &scene.chain(), &[stamp]), &trust);
    assert!(found.contains("no signature by a trusted key"), "{found}");
}

#[test]
fn workloads_have_another_usage() {
    let scene = Scene::new();
    let names = || extensions::names(&[(6, BUILDER)]);
    let signs = extensions::digital_signature;
    let cases = [
        ("tls clients", vec![signs(), extensions::usage(2), names()], true),
        ("none", vec![signs(), names()], true),
        ("signing code", vec![signs(), extensions::usage(3), names()], false),
    ];
    let trust = scene.trust(Usage::ClientAuth, &["clock"]);
    for (name, extensions, want) in cases {
        let chain = [scene.with(extensions), scene.between.certificate().to_vec()];
        let found = check(&scene.bundle(&chain, &[moment(SIGNED)]), &trust);
        assert_eq!(found.is_ok(), want, "{name}: {:?}", found.err());
    }
}

#[test]
fn constraints_on_names_bind_the_authority_between() {
    let scene = Scene::new();
    let cases = [
        ("a host within", "corp.example", "build.corp.example", true),
        ("a host without", "corp.example", "build.other.example", false),
        ("a host that ends alike", "corp.example", "buildcorp.example", false),
    ];
    for (name, domain, host, want) in cases {
        let between = scene.root.intermediate("hosts", &[extensions::only_hosts(domain)]).unwrap();
        let mut recipe = scene.recipe.clone();
        recipe.extensions[2] = extensions::names(&[(2, host)]);
        let certificate = between.issue(scene.key.public(), &recipe).unwrap();
        let mut trust = scene.authority(Usage::CodeSigning, &["clock"]);
        add(&mut trust, "host", &rule(NameKind::Dns, Pattern::exact(host)), "ci-team");
        let chain = [certificate, between.certificate().to_vec()];
        let found = said(&scene.bundle(&chain, &[moment(SIGNED)]), &trust);
        assert_eq!(found == "host", want, "{name}: {found}");
    }
}

#[test]
fn an_authority_signs_only_where_it_is_named_itself() {
    let scene = Scene::new();
    let extended = |more: &[Vec<u8>]| {
        let mut all = vec![extensions::digital_signature(), extensions::usage(3)];
        all.push(extensions::names(&[(6, BUILDER)]));
        all.push(extensions::authority(true));
        all.extend_from_slice(more);
        scene.with(all)
    };
    let unknown = extension(&[0x2a, 3, 4], true, &tlv(5, &[]));
    let (good, strange) = (extended(&[]), extended(&[unknown]));
    let changed = {
        // Another certificate of the same key: it is not the one that was named.
        let mut recipe = scene.recipe.clone();
        recipe.subject = "builder two".into();
        recipe.extensions.push(extensions::authority(true));
        scene.between.issue(scene.key.public(), &recipe).unwrap()
    };
    let cases = [
        ("the one that was named", &good, &good, "2026-06-01T12:00:00Z", true),
        ("another one", &good, &changed, "2026-06-01T12:00:00Z", false),
        ("after it has expired", &good, &good, "2026-06-02T00:00:01Z", false),
        ("with an extension that nobody knows", &strange, &strange, SIGNED, false),
    ];
    for (name, named, shown, time, want) in cases {
        let mut trust = Trust::empty();
        trust.add_clock("clock", &scene.clock_pem(), Window::default()).unwrap();
        let pem = to_pem(&[named]);
        trust.add_authority("corporate", &pem, None, Usage::CodeSigning, &["clock"]).unwrap();
        add(&mut trust, "builder", &rule(NameKind::Uri, Pattern::exact(BUILDER)), "ci-team");
        let chain = [shown.clone(), scene.between.certificate().to_vec()];
        let found = check(&scene.bundle(&chain, &[moment(time)]), &trust);
        assert_eq!(found.is_ok(), want, "{name}: {:?}", found.err());
    }
}

#[test]
fn certificates_between_may_stand_in_the_trust_file() {
    let scene = Scene::new();
    for (kept, want) in [(true, true), (false, false)] {
        let mut trust = Trust::empty();
        trust.add_clock("clock", &scene.clock_pem(), Window::default()).unwrap();
        let (root, between) =
            (to_pem(&[scene.root.certificate()]), to_pem(&[scene.between.certificate()]));
        let between = kept.then_some(between.as_str());
        let usage = Usage::CodeSigning;
        trust.add_authority("corporate", &root, between, usage, &["clock"]).unwrap();
        add(&mut trust, "builder", &rule(NameKind::Uri, Pattern::exact(BUILDER)), "ci-team");
        let bundle = scene.bundle(&[scene.certificate()], &[moment(SIGNED)]);
        assert_eq!(check(&bundle, &trust).is_ok(), want);
    }
}

/// A root that was given another name goes on with its key, and each ends by itself.
#[test]
fn what_is_judged_by_now_holds_no_longer_than_its_own_root() {
    let scene = Scene::new();
    let (early, late) = (moment("2026-06-01T20:00:00Z"), moment("2040-01-01T00:00:00Z"));
    let until = |end: Timestamp| {
        let other = scene.root.renamed("renamed", end, None).unwrap();
        let between = other.intermediate("issuing", &[]).unwrap();
        let certificate = between.issue(scene.key.public(), &scene.recipe).unwrap();
        let bundle = scene.bundle(&[certificate, between.certificate().to_vec()], &[]);
        let mut trust = Trust::empty();
        let roots = to_pem(&[scene.root.certificate(), other.certificate()]);
        trust.add_authority("corporate", &roots, None, Usage::CodeSigning, &["now"]).unwrap();
        add(&mut trust, "builder", &rule(NameKind::Uri, Pattern::exact(BUILDER)), "ci-team");
        let app = Statement::parse(&statement()).unwrap().subject[0].artifact().unwrap();
        let none = Negatives::none();
        let mut trace = Trace::new(app, Direction::Up, &trust, &none, moment(SIGNED));
        trace.supply(app, vec![bundle], None);
        let lineage = trace.finish();
        assert_eq!(lineage.attestations().len(), 1, "{:?}", lineage.rejected());
        lineage.holds().until.map(|until| until.as_second())
    };
    assert_eq!(until(early), Some(early.as_second() + 1));
    assert_eq!(until(late), Some(moment(UNTIL).as_second() + 1));
}
