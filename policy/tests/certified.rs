//! What a policy asks of a signer whom an authority certified: the name, and whose certificate it is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use attest::envelope::IN_TOTO;
use attest::{ArtifactId, Bundle, Envelope, Sha256, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fixtures::authority::{CertificateAuthority, CertificateRecipe, extensions, fresh_key, to_pem};
use policy::{Code, Policy};
use serde_json::{Value, json};
use verify::{
    Custody, Direction, May, NameKind, NameRule, Negatives, Pattern, Trace, Trust, Usage, Window,
};

const NAME: &str = "spiffe://corp.example/ci/builder";
const REVIEW: &str = "https://example.com/review/v1";

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A review of an artifact, and a trust file by which the authority `corporate` certified who signed.
fn scene(artifact: Sha256) -> (Bundle, Trust) {
    let root = CertificateAuthority::root("corporate").unwrap();
    let key = fresh_key().unwrap();
    let recipe = CertificateRecipe {
        subject: "builder".into(),
        from: time("2026-06-01T00:00:00Z"),
        until: time("2026-06-02T00:00:00Z"),
        extensions: vec![
            extensions::digital_signature(),
            extensions::usage(3),
            extensions::names(&[(6, NAME)]),
        ],
    };
    let certificate = root.issue(key.public(), &recipe).unwrap();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "app", "digest": {"sha256": artifact.hex()}}],
        "predicateType": REVIEW,
        "predicate": {},
    });
    let payload = statement.to_string().into_bytes();
    let envelope = Envelope::sign(IN_TOTO, payload, &[&key]).unwrap();
    let document = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "x509CertificateChain": {"certificates": [{"rawBytes": STANDARD.encode(certificate)}]},
            "tlogEntries": [],
        },
        "dsseEnvelope": serde_json::from_slice::<Value>(&envelope.to_json()).unwrap(),
    });
    let mut trust = Trust::empty();
    let pem = to_pem(&[root.certificate()]);
    trust.add_authority("corporate", &pem, None, Usage::CodeSigning, &["now"]).unwrap();
    let rule = NameRule::new(NameKind::Uri, Pattern::exact(NAME).unwrap()).unwrap();
    let may = May::of(&["*"], &[REVIEW], &["*"], &[]).unwrap();
    let (window, custody) = (Window::default(), Custody::Separate);
    trust
        .add_certified_signer("builder", "corporate", &rule, "team", &may, window, custody)
        .unwrap();
    (Bundle::parse(document.to_string().as_bytes()).unwrap(), trust)
}

#[test]
fn a_policy_names_the_authority_and_the_certified_name() {
    let digest = Sha256::of(b"app");
    let artifact = ArtifactId::file(digest);
    let (bundle, trust) = scene(digest);
    let negatives = Negatives::none();
    let mut trace = Trace::new(artifact, Direction::Up, &trust, &negatives, now());
    trace.supply(artifact, vec![bundle], None);
    let lineage = trace.finish();
    let key = format!("sha256:{}", "0f".repeat(32));
    let cases = [
        ("the signer as the trust file has it", "{}".to_owned(), true),
        (
            "the authority and the name",
            format!("{{authority: corporate, identity: {{exact: '{NAME}'}}}}"),
            true,
        ),
        ("the authority", "{authority: corporate}".into(), true),
        ("another authority", "{authority: corporat}".into(), false),
        ("the name", format!("{{identity: {{exact: '{NAME}'}}}}"), true),
        ("another name", format!("{{identity: {{exact: '{NAME}s'}}}}"), false),
        ("a name under it", "{identity: {glob: 'spiffe://corp.example/*'}}".into(), false),
        (
            "another name of the authority",
            "{authority: corporate, identity: {glob: 'spiffe://corp.example/ci/t*'}}".into(),
            false,
        ),
        ("the name, whoever vouches", "{issuer: corporate}".into(), false),
        ("a key", format!("{{key: '{key}'}}"), false),
    ];
    for (name, signer, want) in cases {
        let policy = format!(
            "apiVersion: assay/v1
kind: PromotionPolicy
metadata: {{name: reviewed, version: 1}}
stages: {{production: {{mode: enforce}}}}
completeness: given
trust: {{signers: {{builder: {signer}}}}}
steps: {{review: {{predicates: ['{REVIEW}'], signers: {{anyOf: [builder]}}, log: optional}}}}
"
        );
        let policy = Policy::parse(&policy).unwrap();
        let decision = policy.evaluate(&artifact, &"production".parse().unwrap(), &lineage, now());
        assert_eq!(decision.passed(), want, "{name}: {:?}", decision.findings());
        for finding in decision.findings() {
            assert_eq!(finding.code, Code::StepSigner, "{name}");
            let shown = format!("`builder` ({NAME} by corporate)");
            assert!(finding.message.contains(&shown), "{name}: {}", finding.message);
        }
    }
}
