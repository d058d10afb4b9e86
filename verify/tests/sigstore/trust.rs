//! Keyless signers of the trust file: who is one, and who just is not.

use attest::{KeyId, Timestamp};
use verify::{
    Claim, Custody, Demands, May, Pattern, SigstoreBundle, SigstoreRoot, Trust, VerifyError, Whom,
    Window,
};

use crate::cases::{Case, ISSUER, all, now};

const REPOSITORY: &str =
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon";
const WORKFLOWS: &str =
    "https://github.com/sigstore-conformance/*/.github/workflows/*@refs/heads/main";

fn case(name: &str) -> Option<Case> {
    all().into_iter().find(|case| case.name == name)
}

fn anything() -> May {
    May::of(&["*"], &["https://example.com/test/v1"], &["*"], &[]).unwrap()
}

fn whom(subject: Pattern, claims: &[(Claim, &str)]) -> Whom {
    let claims = claims.iter().map(|(claim, text)| (*claim, Pattern::glob(text).unwrap()));
    Whom { issuer: Pattern::exact(ISSUER).unwrap(), subject, claims: claims.collect() }
}

fn glob(text: &str) -> Pattern {
    Pattern::glob(text).unwrap()
}

/// A trust file with the case's root and these signers: a name, whom, and the owner.
fn trust(case: &Case, signers: &[(&str, Whom, &str)], window: Window) -> Trust {
    let mut trust = Trust::empty();
    let root = SigstoreRoot::parse(&case.root).unwrap();
    trust.add_root("public", &root, Demands::default()).unwrap();
    for (name, whom, owner) in signers {
        let custody = Custody::Separate;
        trust.add_signer(name, "public", whom, owner, &anything(), window, custody).unwrap();
    }
    // What is written is read the same again.
    let read = Trust::parse(&trust.to_yaml()).unwrap();
    assert_eq!(read.signers(), trust.signers());
    assert_eq!(read.roots()[0].root().digest(), root.digest());
    assert_eq!(read.digest(), trust.digest());
    read
}

#[test]
fn patterns_decide_over_what_was_verified() {
    let Some(case) = case("happy-path-v0.3") else { return };
    let bundle = SigstoreBundle::parse(&case.bundle).unwrap();
    let exact = |text: &str| Pattern::exact(text).unwrap();
    let regex = |text: &str| Pattern::regex(text).unwrap();
    let subject = format!(
        "{REPOSITORY}/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
    );
    let cases = [
        ("the value", whom(exact(&subject), &[]), true),
        ("another ref", whom(exact(&subject.replace("main", "main2")), &[]), false),
        ("a glob", whom(glob(WORKFLOWS), &[]), true),
        (
            "a glob of another owner",
            whom(glob(&WORKFLOWS.replace("sigstore-", "sigstor-")), &[]),
            false,
        ),
        (
            "a regular expression",
            whom(regex(r"https://github\.com/sigstore-conformance/.*"), &[]),
            true,
        ),
        ("a part of the value", whom(regex("sigstore-conformance"), &[]), false),
        ("its repository", whom(glob(WORKFLOWS), &[(Claim::Repository, REPOSITORY)]), true),
        ("another repository", whom(glob(WORKFLOWS), &[(Claim::Repository, ISSUER)]), false),
        ("its runner", whom(glob(WORKFLOWS), &[(Claim::Runner, "github-hosted")]), true),
        ("another runner", whom(glob(WORKFLOWS), &[(Claim::Runner, "self-hosted")]), false),
        (
            "its workflow, ref and commit",
            whom(
                glob(WORKFLOWS),
                &[
                    (Claim::Workflow, &subject),
                    (Claim::Ref, "refs/heads/main"),
                    (Claim::Commit, "????????????????????????????????????????"),
                ],
            ),
            true,
        ),
        (
            "one of two claims",
            whom(glob(WORKFLOWS), &[(Claim::Ref, "refs/heads/main"), (Claim::Commit, "?")]),
            false,
        ),
        ("a claim that it has not", whom(glob(WORKFLOWS), &[(Claim::Environment, "**")]), false),
        (
            "another issuer",
            Whom { issuer: exact("https://gitlab.com"), ..whom(glob(WORKFLOWS), &[]) },
            false,
        ),
        (
            "an issuer by pattern",
            Whom { issuer: glob("https://*.githubusercontent.com"), ..whom(glob(WORKFLOWS), &[]) },
            true,
        ),
    ];
    for (name, whom, want) in cases {
        let trust = trust(&case, &[("release", whom, "team")], Window::default());
        match case.verify(&bundle, &trust) {
            Ok(found) => {
                assert!(want, "{name}");
                let [signer] = found.signers() else { panic!("{name}") };
                assert_eq!((signer.name.as_str(), signer.owner.as_str()), ("release", "team"));
                assert_eq!(signer.key, KeyId::of_keyless(ISSUER, &subject), "{name}");
                let keyless = signer.keyless.as_ref().unwrap();
                assert_eq!((&keyless.subject, keyless.issuer.as_str()), (&subject, ISSUER));
                assert_eq!(keyless.claims[&Claim::Repository], REPOSITORY);
            }
            Err(VerifyError::NoTrustedSigner { .. }) => assert!(!want, "{name}"),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn signers_have_one_owner_and_a_time() {
    let Some(case) = case("happy-path-v0.3") else { return };
    let bundle = SigstoreBundle::parse(&case.bundle).unwrap();
    let one = ("one", whom(glob(WORKFLOWS), &[]), "team");
    let two = |owner| ("two", whom(glob("https://github.com/**"), &[]), owner);
    let found = |signers: &[(&str, Whom, &str)], window| {
        case.verify(&bundle, &trust(&case, signers, window)).map(|found| found.signers().len())
    };
    let always = Window::default();
    assert_eq!(found(&[one.clone(), two("team")], always), Ok(1));
    let error = found(&[one.clone(), two("others")], always).unwrap_err();
    assert!(matches!(error, VerifyError::SeveralOwners { .. }), "{error}");

    let second = |ahead: i64| Some(Timestamp::from_second(now().as_second() + ahead).unwrap());
    let cases = [
        ("from now on", Window { from: second(0), until: None }, true),
        ("from a second later on", Window { from: second(1), until: None }, false),
        ("until a second later", Window { from: None, until: second(1) }, true),
        ("until now", Window { from: None, until: second(0) }, false),
    ];
    for (name, window, want) in cases {
        let found = found(std::slice::from_ref(&one), window);
        assert_eq!(found.is_ok(), want, "{name}");
        if let Err(error) = found {
            assert!(matches!(error, VerifyError::OutsideValidity { .. }), "{name}: {error}");
        }
    }
}

#[test]
fn only_named_roots_count() {
    let Some(good) = case("happy-path-v0.3") else { return };
    let other = case("intoto-with-custom-trust-root").unwrap();
    let bundle = SigstoreBundle::parse(&good.bundle).unwrap();
    let whom = whom(glob("**"), &[]);
    let mut trust = Trust::empty();
    assert_eq!(good.verify(&bundle, &trust).unwrap_err(), VerifyError::NoRoot);
    let private = SigstoreRoot::parse(&other.root).unwrap();
    trust.add_root("private", &private, Demands::default()).unwrap();
    let error = good.verify(&bundle, &trust).unwrap_err();
    assert!(matches!(error, VerifyError::Sigstore { .. }), "{error}");
    // The right root vouches, but not for a signer of another root.
    let public = SigstoreRoot::parse(&good.root).unwrap();
    trust.add_root("public", &public, Demands::default()).unwrap();
    let (window, custody) = (Window::default(), Custody::Shared);
    trust.add_signer("theirs", "private", &whom, "team", &anything(), window, custody).unwrap();
    let error = good.verify(&bundle, &trust).unwrap_err();
    assert!(matches!(error, VerifyError::NoTrustedSigner { .. }), "{error}");
    trust.add_signer("ours", "public", &whom, "team", &anything(), window, custody).unwrap();
    let found = good.verify(&bundle, &trust).unwrap();
    assert_eq!(found.signers()[0].name, "ours");
    assert!(found.rekor().iter().all(|entry| entry.root == "public"));
}

#[test]
fn what_is_no_trust_file() {
    let Some(case) = case("happy-path-v0.3") else { return };
    let whom = whom(glob(WORKFLOWS), &[(Claim::Runner, "github-hosted")]);
    let good = trust(&case, &[("release", whom, "team")], Window::default()).to_yaml();
    let cases = [
        ("as written", "", "", true),
        ("another instance", "sigstore: public", "sigstore: privat", false),
        ("an unknown claim", "runner:", "runer:", false),
        (
            "an unknown kind of pattern",
            "    glob: github-hosted",
            "    globs: github-hosted",
            false,
        ),
        ("any type", "- https://example.com/test/v1", "- '*'", false),
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
        (
            "another type",
            "https://example.com/test/v1",
            "https://assay.example/attestation/evaluation/v0.1",
            true,
        ),
        ("an unknown field", "owner: team", "owner: team\n    owners: team", false),
        ("no owner", "owner: team", "", false),
        ("a log's key that is none", "rawBytes\": \"MFkw", "rawBytes\": \"AFkw", false),
    ];
    for (name, from, to, want) in cases {
        assert!(good.contains(from), "{name}: {from}");
        let text = if from.is_empty() { good.clone() } else { good.replacen(from, to, 1) };
        let found = Trust::parse(&text);
        assert_eq!(found.is_ok(), want, "{name}: {:?}", found.err());
    }
}
