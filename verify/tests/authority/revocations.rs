//! Certificates that an authority took back, by lists that stand in the trust file.

use attest::Timestamp;
use attest::certificate::lists_to_pem;
use fixtures::authority::{
    CertificateAuthority, CertificateRecipe, extension, extensions, serial, tlv,
};
use fixtures::revocation::{RevocationRecipe, RevokedRecipe, revocation_list};
use verify::{NameKind, Pattern, Trust, TrustError, Usage, Window, verify};

use crate::support::{BUILDER, SIGNED, Scene, add, moment, rule, said};

/// When the lists are made, and when newer ones are to come: the certificate holds from the first of
/// June to the second.
const MADE: &str = "2026-06-01T18:00:00Z";
const NEXT: &str = "2026-06-08T18:00:00Z";

fn recipe(entries: &[RevokedRecipe]) -> RevocationRecipe {
    RevocationRecipe {
        from: moment(MADE),
        until: Some(moment(NEXT)),
        entries: entries.to_vec(),
        extensions: Vec::new(),
    }
}

fn entry(subject: &str, at: &str) -> RevokedRecipe {
    let (serial, at) = (serial(subject), moment(at));
    RevokedRecipe { serial, at, reason: None, invalid_from: None }
}

/// A list in PEM.
fn list(authority: &CertificateAuthority, recipe: &RevocationRecipe) -> String {
    lists_to_pem(&revocation_list(authority, recipe).unwrap()).unwrap()
}

/// The trust file of the scene, in which the certificate between stands, with these lists.
fn trust(scene: &Scene, clocks: &[&str], lists: &[String]) -> Result<Trust, TrustError> {
    let mut trust = Trust::empty();
    trust.add_clock("clock", &scene.clock_pem(), Window::default())?;
    let pem = |one: &CertificateAuthority| fixtures::authority::to_pem(&[one.certificate()]);
    let (root, between) = (pem(&scene.root), pem(&scene.between));
    trust.add_authority("corporate", &root, Some(&between), Usage::CodeSigning, clocks)?;
    add(&mut trust, "builder", &rule(NameKind::Uri, Pattern::exact(BUILDER)), "ci-team");
    if !lists.is_empty() {
        trust.set_revocation_lists("corporate", &lists.concat())?;
    }
    // As it is read again.
    let read = Trust::parse(&trust.to_yaml())?;
    assert_eq!(read.digest(), trust.digest());
    let count = |trust: &Trust| trust.authority("corporate").unwrap().revocation_lists().len();
    assert_eq!((count(&read), count(&trust)), (lists.len(), lists.len()));
    Ok(read)
}

#[test]
fn a_certificate_counts_until_it_was_taken_back() {
    let scene = Scene::new();
    let root = list(&scene.root, &recipe(&[]));
    let with = |entry: RevokedRecipe| {
        let lists = [root.clone(), list(&scene.between, &recipe(&[entry]))];
        trust(&scene, &["clock"], &lists).unwrap()
    };
    let own = |at| entry("builder", at);
    let (before, after) = ("2026-06-01T11:59:59Z", "2026-06-01T12:00:01Z");
    let late = "2026-06-05T00:00:00Z";
    let because = |reason, at| RevokedRecipe { reason: Some(reason), ..own(at) };
    let invalid = |from: &str, at| RevokedRecipe { invalid_from: Some(moment(from)), ..own(at) };
    let cases = [
        ("somebody else", entry("other", before), "builder"),
        ("a second before", own(before), "was revoked at 2026-06-01T11:59:59Z"),
        ("in the same second", own(SIGNED), "was revoked at"),
        ("a second after", own(after), "builder"),
        ("superseded, a second before", because(4, before), "was revoked at"),
        ("superseded, a second after", because(4, after), "builder"),
        ("on hold, a second before", because(6, before), "was revoked at"),
        ("a compromised key, later", because(1, late), "in strange hands"),
        ("a compromised authority, later", because(2, late), "in strange hands"),
        ("of no use since", invalid(before, late), "was revoked at 2026-06-01T11:59:59Z"),
        ("of no use a second later", invalid(after, late), "builder"),
        ("of no use later than taken back", invalid(late, before), "was revoked at"),
    ];
    let bundle = scene.bundle(&scene.chain(), &[moment(SIGNED)]);
    for (name, entry, want) in cases {
        let found = said(&bundle, &with(entry));
        assert!(found.contains(want), "{name}: {found}");
    }
    // The same of the certificate between, which the root took back.
    for (at, want) in [(before, "was revoked at"), (after, "builder")] {
        let lists = [
            list(&scene.root, &recipe(&[entry("issuing", at)])),
            list(&scene.between, &recipe(&[])),
        ];
        let found = said(&bundle, &trust(&scene, &["clock"], &lists).unwrap());
        assert!(found.contains(want), "{found}");
    }
    // One serial number, of another issuer.
    let lists = [
        list(&scene.root, &recipe(&[own(before)])),
        list(&scene.between, &recipe(&[entry("issuing", before)])),
    ];
    assert_eq!(said(&bundle, &trust(&scene, &["clock"], &lists).unwrap()), "builder");
}

#[test]
fn without_an_answer_nobody_is_believed() {
    let scene = Scene::new();
    let root = list(&scene.root, &recipe(&[]));
    let made = |from: &str, until: &str| RevocationRecipe {
        from: moment(from),
        until: Some(moment(until)),
        ..recipe(&[])
    };
    let of = |recipe: &RevocationRecipe| list(&scene.between, recipe);
    let (old, ended) = ("2026-05-01T00:00:00Z", "2026-06-02T00:00:01Z");
    // X.509, section 9.5.2.8: since when the list keeps what has expired.
    let keeping = |time: &[u8]| RevocationRecipe {
        extensions: vec![extension(&[0x55, 0x1d, 0x3c], false, &tlv(0x18, &[time]))],
        ..made("2026-06-03T00:00:00Z", NEXT)
    };
    let cases = [
        ("both lists", vec![root.clone(), of(&recipe(&[]))], "builder"),
        ("none", vec![], "builder"),
        ("only the root's", vec![root.clone()], "no revocation list of the authority speaks for"),
        ("only the other", vec![of(&recipe(&[]))], "no revocation list of the authority speaks"),
        (
            "one that ends as it is signed",
            vec![root.clone(), of(&made(old, SIGNED))],
            "speaks until 2026-06-01T12:00:00Z, not at 2026-06-01T12:00:00Z",
        ),
        (
            "one that ends a second later",
            vec![root.clone(), of(&made(old, "2026-06-01T12:00:01Z"))],
            "builder",
        ),
        (
            "an old one beside a new one",
            vec![root.clone(), of(&made(old, SIGNED)), of(&recipe(&[]))],
            "builder",
        ),
        ("made as the certificate expired", vec![root.clone(), of(&made(ended, NEXT))], "builder"),
        (
            "made a second later",
            vec![root.clone(), of(&made("2026-06-02T00:00:02Z", NEXT))],
            "after certificate",
        ),
        (
            "that keeps what expired",
            vec![root.clone(), of(&keeping(b"20260602000001Z"))],
            "builder",
        ),
        ("that kept it later", vec![root.clone(), of(&keeping(b"20260602000002Z"))], "after"),
    ];
    let bundle = scene.bundle(&scene.chain(), &[moment(SIGNED)]);
    for (name, lists, want) in cases {
        let found = said(&bundle, &trust(&scene, &["clock"], &lists).unwrap());
        assert!(found.contains(want), "{name}: {found}");
    }
    // An older list that has it counts, whatever a newer one leaves out.
    let lists = [
        root,
        of(&recipe(&[])),
        of(&RevocationRecipe { entries: vec![entry("builder", old)], ..made(old, SIGNED) }),
    ];
    let found = said(&bundle, &trust(&scene, &["clock"], &lists).unwrap());
    assert!(found.contains("was revoked at"), "{found}");
}

/// An authority that was given another name goes on with its key.
#[test]
fn a_list_speaks_for_the_issuer_that_it_names_and_not_for_another_with_its_key() {
    let scene = Scene::new();
    let late = moment("2040-01-01T00:00:00Z");
    let renamed = scene.between.renamed("renamed", late, Some(&scene.root)).unwrap();
    let mut trust = Trust::empty();
    trust.add_clock("clock", &scene.clock_pem(), Window::default()).unwrap();
    let pem = |of: &[&CertificateAuthority]| {
        let certificates: Vec<&[u8]> = of.iter().map(|one| one.certificate()).collect();
        fixtures::authority::to_pem(&certificates)
    };
    let (root, both) = (pem(&[&scene.root]), pem(&[&scene.between, &renamed]));
    trust.add_authority("corporate", &root, Some(&both), Usage::CodeSigning, &["clock"]).unwrap();
    add(&mut trust, "builder", &rule(NameKind::Uri, Pattern::exact(BUILDER)), "ci-team");
    let bundle = scene.bundle(&scene.chain(), &[moment(SIGNED)]);
    let cases = [
        (&scene.between, recipe(&[]), "builder"),
        (&renamed, recipe(&[]), "no revocation list of the authority speaks for `CN=issuing`"),
        (&scene.between, recipe(&[entry("builder", SIGNED)]), "was revoked at"),
    ];
    for (of, recipe, want) in cases {
        let lists = [list(&scene.root, &self::recipe(&[])), list(of, &recipe)].concat();
        trust.set_revocation_lists("corporate", &lists).unwrap();
        let found = said(&bundle, &trust);
        assert!(found.contains(want), "{}: {found}", of.name());
    }
}

#[test]
fn what_is_judged_by_now_holds_no_longer_than_the_lists() {
    let scene = Scene::new();
    let lists = |until: &str, at: &str| {
        let entries = vec![entry("builder", at)];
        let until = Some(moment(until));
        [
            list(&scene.root, &recipe(&[])),
            list(&scene.between, &RevocationRecipe { until, ..recipe(&entries) }),
        ]
    };
    let (early, late) = ("2026-06-01T20:00:00Z", "2026-06-05T00:00:00Z");
    let cases = [(early, late, early), (late, early, early), (late, late, "2026-06-02T00:00:01Z")];
    for (until, at, want) in cases {
        let trust = trust(&scene, &["now"], &lists(until, at)).unwrap();
        let bundle = scene.bundle(&scene.chain(), &[]);
        let found = |time: Timestamp| verify(&bundle, &trust, time);
        let last = Timestamp::from_second(moment(want).as_second() - 1).unwrap();
        assert!(found(last).is_ok(), "{want}");
        assert!(found(moment(want)).is_err(), "{want}");
    }
}

#[test]
fn a_list_is_by_the_authority_and_for_all_its_certificates() {
    let scene = Scene::new();
    let good = recipe(&[entry("builder", SIGNED)]);
    let stranger = CertificateAuthority::root("corporate").unwrap();
    let id = |last: u8, critical| extension(&[0x55, 0x1d, last], critical, &tlv(0x30, &[]));
    let with = |extensions: Vec<Vec<u8>>| RevocationRecipe { extensions, ..good.clone() };
    // onlyContainsUserCerts (RFC 5280, section 5.2.5).
    let users = extension(&[0x55, 0x1d, 0x1c], true, &tlv(0x30, &[&tlv(0x81, &[&[0xff]])]));
    let mut changed = revocation_list(&scene.root, &good).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    let mut moved = revocation_list(&scene.root, &good).unwrap();
    let place = moved.windows(2).position(|two| two == b"26").unwrap();
    moved[place + 1] = b'7';
    // A certificate of the root's name and key that is not for lists.
    let mute = {
        let extensions = vec![
            extensions::authority(true),
            extension(&[0x55, 0x1d, 0x0f], true, &tlv(3, &[&[2, 4]])),
        ];
        let (from, until) = (moment("2020-01-01T00:00:00Z"), moment("2040-01-01T00:00:00Z"));
        let recipe = CertificateRecipe { subject: "corporate".into(), from, until, extensions };
        scene.root.issue(scene.root.key().public(), &recipe).unwrap()
    };
    let cases = [
        ("as it should be", list(&scene.root, &good), None),
        ("of the one between", list(&scene.between, &good), None),
        ("of a stranger with the name", list(&stranger, &good), Some("is not signed by")),
        ("of a clock", list(&scene.clock_root, &good), Some("is not signed by")),
        ("a bit of the signature changed", lists_to_pem(&changed).unwrap(), Some("not signed by")),
        ("a time changed", lists_to_pem(&moved).unwrap(), Some("is not signed by")),
        (
            "without an end",
            list(&scene.root, &RevocationRecipe { until: None, ..good.clone() }),
            Some("cannot be read"),
        ),
        ("of what changed", list(&scene.root, &with(vec![id(0x1b, true)])), Some("cannot be read")),
        ("of some", list(&scene.root, &with(vec![users])), Some("for some")),
        ("critical and unknown", list(&scene.root, &with(vec![id(0x63, true)])), Some("cannot be")),
        ("unknown", list(&scene.root, &with(vec![id(0x63, false)])), None),
        (
            "a certificate",
            fixtures::authority::to_pem(&[scene.root.certificate()]),
            Some("holds no"),
        ),
        ("too many", list(&scene.root, &good).repeat(17), Some("16")),
    ];
    for (name, lists, want) in cases {
        let mut trust = scene.authority(Usage::CodeSigning, &["clock"]);
        let root = fixtures::authority::to_pem(&[scene.root.certificate()]);
        let between = fixtures::authority::to_pem(&[scene.between.certificate()]);
        trust
            .add_authority("other", &root, Some(&between), Usage::CodeSigning, &["clock"])
            .unwrap();
        let found =
            trust.set_revocation_lists("other", &lists).err().map(|error| error.to_string());
        match (want, found) {
            (None, None) => {}
            (Some(want), Some(found)) => assert!(found.contains(want), "{name}: {found}"),
            (want, found) => panic!("{name}: {want:?}, {found:?}"),
        }
    }
    let mut trust = Trust::empty();
    trust.add_clock("clock", &scene.clock_pem(), Window::default()).unwrap();
    let (pem, usage) = (fixtures::authority::to_pem(&[&mute]), Usage::CodeSigning);
    trust.add_authority("mute", &pem, None, usage, &["clock"]).unwrap();
    let found = trust.set_revocation_lists("mute", &list(&scene.root, &good)).unwrap_err();
    assert!(found.to_string().contains("whose certificate is not for that"), "{found}");
    assert!(trust.set_revocation_lists("nobody", &list(&scene.root, &good)).is_err());
    // What was believed with a list is read again with it, to the letter.
    let lists = [list(&scene.root, &good)];
    let yaml = self::trust(&scene, &["clock"], &lists).unwrap().to_yaml();
    assert!(yaml.contains("revocationLists:"), "{yaml}");
    let cut = yaml.replacen("BEGIN X509 CRL", "BEGIN X509 CR", 1);
    assert!(Trust::parse(&yaml).is_ok() && Trust::parse(&cut).is_err());
}

#[test]
fn no_bit_of_a_list_can_change() {
    let scene = Scene::new();
    let good = revocation_list(&scene.root, &recipe(&[entry("builder", SIGNED)])).unwrap();
    let mut trust = scene.authority(Usage::CodeSigning, &["clock"]);
    for place in 0..good.len() * 8 {
        let mut changed = good.clone();
        changed[place / 8] ^= 1 << (place % 8);
        let Ok(pem) = lists_to_pem(&changed) else { continue };
        let found = trust.set_revocation_lists("corporate", &pem);
        assert!(found.is_err(), "bit {place}");
    }
    assert!(trust.set_revocation_lists("corporate", &lists_to_pem(&good).unwrap()).is_ok());
}
