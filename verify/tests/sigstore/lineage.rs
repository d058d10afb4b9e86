//! Keyless statements in a lineage: they count as those of a key do, within what the trust file
//! lets their signer say.

use attest::predicate::PROVENANCE;
use attest::{ArtifactId, Bundle, KeyId, Sha256, Timestamp};
use verify::{
    Content, Custody, Demands, Direction, Lineage, May, Negatives, Pattern, Rejection,
    SigstoreRoot, Trace, Trust, VerifyError, Whom, Window, verify,
};

use crate::cases::{Case, ISSUER, Signed, all, now};

fn cases() -> Vec<Case> {
    let statements = ["rekor2-dsse-happy-path", "intoto-with-custom-trust-root"];
    all().into_iter().filter(|case| statements.contains(&case.name.as_str())).collect()
}

/// A trust file that lets the case's signer, and whoever has this subject, sign what `may` says.
fn trust(case: &Case, may: &May, subject: Option<&str>, window: Window) -> Trust {
    let Signed::Keyless { subject: own, issuer } = &case.whom else { panic!("by a key") };
    let whom = Whom {
        issuer: Pattern::exact(issuer).unwrap(),
        subject: Pattern::exact(subject.unwrap_or(own)).unwrap(),
        claims: std::collections::BTreeMap::new(),
    };
    let mut trust = Trust::empty();
    let root = SigstoreRoot::parse(&case.root).unwrap();
    trust.add_root("public", &root, Demands::default()).unwrap();
    let custody = Custody::Separate;
    trust.add_signer("release", "public", &whom, "team", may, window, custody).unwrap();
    trust
}

fn lineage(case: &Case, bundle: &Bundle, trust: &Trust) -> Lineage {
    let artifact = ArtifactId::file(Sha256::of(&case.artifact));
    let negatives = Negatives::none();
    let mut trace = Trace::new(artifact, Direction::Up, trust, &negatives, now());
    trace.supply(artifact, vec![bundle.clone()], None);
    trace.finish()
}

#[test]
fn a_statement_counts_within_the_scope_of_its_signer() {
    for case in cases() {
        let bundle = Bundle::parse(&case.bundle).unwrap();
        assert_eq!(bundle.to_json(), case.bundle, "{}: passed on as it was", case.name);
        let may = |predicate: &str, artifact: &str| {
            May::of(&["*"], &[predicate], &[artifact], &[]).unwrap()
        };
        let good = may(PROVENANCE, "?.txt");
        let always = Window::default();
        let second = |ahead: i64| Some(Timestamp::from_second(now().as_second() + ahead).unwrap());

        let believed = verify(&bundle, &trust(&case, &good, None, always), now()).unwrap();
        assert!(matches!(believed.content(), Content::Statement(_)));
        assert!(!believed.rekor().is_empty() && !believed.times().is_empty(), "{}", case.name);
        // Where Sigstore logged it orders nothing here.
        assert!(believed.logged().is_empty());
        assert_eq!(believed.body(), bundle.envelope.body());

        let rows = [
            ("as it is", good.clone(), None, always, Ok(1)),
            ("another type", may("https://example.com/x", "?.txt"), None, always, Err(true)),
            ("another artifact", may(PROVENANCE, "?.bin"), None, always, Err(true)),
            ("somebody else", good.clone(), Some("somebody"), always, Err(false)),
            (
                "a second too late",
                good.clone(),
                None,
                Window { from: None, until: second(0) },
                Err(false),
            ),
            ("just in time", good, None, Window { from: None, until: second(1) }, Ok(1)),
        ];
        for (row, may, subject, window, want) in rows {
            let name = format!("{}, {row}", case.name);
            let trust = trust(&case, &may, subject, window);
            let lineage = lineage(&case, &bundle, &trust);
            let artifact = ArtifactId::file(Sha256::of(&case.artifact));
            match want {
                Ok(count) => {
                    let found: Vec<_> = lineage.about(&artifact).collect();
                    assert_eq!(found.len(), count, "{name}: {:?}", lineage.rejected());
                    let [signer] = found[0].signers.as_slice() else { panic!("{name}") };
                    assert_eq!((signer.name.as_str(), signer.owner.as_str()), ("release", "team"));
                    let keyless = signer.keyless.as_ref().unwrap();
                    let id = KeyId::of_keyless(&keyless.issuer, &keyless.subject);
                    assert_eq!((signer.key, keyless.issuer.as_str()), (id, ISSUER), "{name}");
                }
                Err(scope) => {
                    assert_eq!(lineage.about(&artifact).count(), 0, "{name}");
                    let [rejected] = lineage.rejected() else { panic!("{name}") };
                    let is_scope = matches!(rejected.why, Rejection::OutOfScope(_));
                    assert_eq!(is_scope, scope, "{name}: {}", rejected.why);
                }
            }
        }
    }
}

#[test]
fn a_carried_statement_counts_as_it_does_alone() {
    for case in cases() {
        let bundle = Bundle::parse(&case.bundle).unwrap();
        let may = May::of(&["*"], &[PROVENANCE], &["*"], &[]).unwrap();
        let trust = trust(&case, &may, None, Window::default());
        let alone = verify(&bundle, &trust, now()).unwrap();
        let envelope = attest::carried::carry(&case.bundle).unwrap();
        let carried = Bundle { envelope, hint: None, entries: Vec::new(), keyless: None };
        let carried = Bundle::parse(&carried.to_json()).unwrap();
        assert_eq!(verify(&carried, &trust, now()).unwrap(), alone, "{}", case.name);

        // Whatever else is in the envelope is not believed.
        let mut changed = carried;
        changed.envelope.payload[8] ^= 1;
        assert!(verify(&changed, &trust, now()).is_err(), "{}", case.name);
    }
}

#[test]
fn a_changed_statement_is_not_believed_and_a_key_decides_before_a_certificate() {
    for case in cases() {
        let bundle = Bundle::parse(&case.bundle).unwrap();
        let may = May::of(&["*"], &[PROVENANCE], &["*"], &[]).unwrap();
        let mut trust = trust(&case, &may, None, Window::default());
        let text = String::from_utf8(case.bundle.clone()).unwrap();

        let mut changed = bundle.clone();
        let received = text.replacen("in-toto+json", "on-toto+json", 1);
        changed.keyless = Some(received.into_bytes());
        assert!(changed.keyless != bundle.keyless, "{}", case.name);
        assert!(verify(&changed, &trust, now()).is_err());

        // The bytes of another good bundle do not speak for this envelope.
        let mut foreign = bundle.clone();
        foreign.envelope = attest::Envelope { payload: b"{}".to_vec(), ..bundle.envelope.clone() };
        assert_eq!(verify(&foreign, &trust, now()), Err(VerifyError::OtherEnvelope));
        foreign.envelope = bundle.envelope.clone();
        foreign.envelope.signatures[0].sig[8] ^= 1;
        assert_eq!(verify(&foreign, &trust, now()), Err(VerifyError::OtherEnvelope));
        changed.keyless = None;
        assert_eq!(verify(&changed, &trust, now()), Err(VerifyError::NoTrustedSignature));

        // A key that the trust file names needs nobody to vouch for it.
        let key = attest::SigningKey::generate(attest::Algorithm::P256).unwrap();
        let (window, custody) = (Window::default(), Custody::Shared);
        trust.add_key("local", key.public(), "me", &may, window, custody).unwrap();
        let envelope = bundle.envelope.clone();
        changed.envelope =
            attest::Envelope::sign(&envelope.payload_type, envelope.payload, &[&key]).unwrap();
        changed.keyless = bundle.keyless.clone();
        let found = verify(&changed, &trust, now()).unwrap();
        assert_eq!(found.signers()[0].name, "local");
    }
}
