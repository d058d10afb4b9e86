//! An authority, a clock, and somebody with a certificate who signs.

use attest::envelope::IN_TOTO;
use attest::{Bundle, Envelope, SigningKey, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fixtures::authority::{
    CertificateAuthority, CertificateRecipe, TimestampClock, extensions, fresh_key, to_pem,
};
use serde_json::{Value, json};
use verify::{
    Content, Custody, May, NameKind, NameRule, Pattern, Trust, Usage, Verified, VerifyError,
    Window, verify,
};

pub(crate) const BUILDER: &str = "spiffe://corp.example/ci/builder";
/// When the certificate of [`Scene::new`] holds, and a time between.
pub(crate) const FROM: &str = "2026-06-01T00:00:00Z";
pub(crate) const SIGNED: &str = "2026-06-01T12:00:00Z";
pub(crate) const UNTIL: &str = "2026-06-02T00:00:00Z";
/// Long after the certificate has expired.
pub(crate) const NOW: &str = "2026-11-20T12:00:00Z";

pub(crate) fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Everybody who is needed, with a certificate that holds for a day and code signing.
pub(crate) struct Scene {
    pub(crate) root: CertificateAuthority,
    pub(crate) between: CertificateAuthority,
    pub(crate) clock_root: CertificateAuthority,
    pub(crate) clock: TimestampClock,
    pub(crate) key: SigningKey,
    pub(crate) recipe: CertificateRecipe,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let root = CertificateAuthority::root("corporate").unwrap();
        let between = root.intermediate("issuing", &[]).unwrap();
        let clock_root = CertificateAuthority::root("clocks").unwrap();
        let (early, late) = (moment("2024-01-01T00:00:00Z"), moment("2034-01-01T00:00:00Z"));
        let clock = clock_root.clock("clock", early, late).unwrap();
        let recipe = CertificateRecipe {
            subject: "builder".into(),
            from: moment(FROM),
            until: moment(UNTIL),
            extensions: vec![
                extensions::digital_signature(),
                extensions::usage(3),
                extensions::names(&[(6, BUILDER)]),
            ],
        };
        Self { root, between, clock_root, clock, key: fresh_key().unwrap(), recipe }
    }

    /// A certificate for the signer's key with these extensions instead of its own.
    pub(crate) fn with(&self, extensions: Vec<Vec<u8>>) -> Vec<u8> {
        let recipe = CertificateRecipe { extensions, ..self.recipe.clone() };
        self.between.issue(self.key.public(), &recipe).unwrap()
    }

    pub(crate) fn certificate(&self) -> Vec<u8> {
        self.between.issue(self.key.public(), &self.recipe).unwrap()
    }

    /// The certificate and the one between it and the root.
    pub(crate) fn chain(&self) -> Vec<Vec<u8>> {
        vec![self.certificate(), self.between.certificate().to_vec()]
    }

    pub(crate) fn clock_pem(&self) -> String {
        to_pem(&[self.clock.certificate(), self.clock_root.certificate()])
    }

    /// A trust file with the authority, judged by these clocks, and no signer.
    pub(crate) fn authority(&self, usage: Usage, clocks: &[&str]) -> Trust {
        let mut trust = Trust::empty();
        trust.add_clock("clock", &self.clock_pem(), Window::default()).unwrap();
        let pem = to_pem(&[self.root.certificate()]);
        trust.add_authority("corporate", &pem, None, usage, clocks).unwrap();
        trust
    }

    /// The same with the builder as a signer who may sign everything but what needs a key.
    pub(crate) fn trust(&self, usage: Usage, clocks: &[&str]) -> Trust {
        let mut trust = self.authority(usage, clocks);
        add(&mut trust, "builder", &rule(NameKind::Uri, Pattern::exact(BUILDER)), "ci-team");
        let read = Trust::parse(&trust.to_yaml()).unwrap();
        assert_eq!(read.digest(), trust.digest());
        assert_eq!(read.certified_signers(), trust.certified_signers());
        read
    }

    /// A bundle of a statement, signed by the key, with these certificates and timestamps.
    pub(crate) fn bundle(&self, chain: &[Vec<u8>], stamped: &[Timestamp]) -> Bundle {
        let envelope = self.envelope();
        let signature = &envelope.signatures[0].sig;
        let stamps = stamped.iter().map(|time| self.clock.stamp(signature, *time).unwrap());
        bundle_of(&envelope, chain, &stamps.collect::<Vec<_>>())
    }

    pub(crate) fn envelope(&self) -> Envelope {
        Envelope::sign(IN_TOTO, statement(), &[&self.key]).unwrap()
    }
}

pub(crate) fn rule(kind: NameKind, pattern: Result<Pattern, verify::PatternError>) -> NameRule {
    NameRule::new(kind, pattern.unwrap()).unwrap()
}

pub(crate) fn may() -> May {
    May::of(&["*"], &["https://example.com/test/v1"], &["*"], &[]).unwrap()
}

pub(crate) fn add(trust: &mut Trust, name: &str, rule: &NameRule, owner: &str) {
    let (window, custody) = (Window::default(), Custody::Separate);
    trust.add_certified_signer(name, "corporate", rule, owner, &may(), window, custody).unwrap();
}

pub(crate) fn statement() -> Vec<u8> {
    let digest = "0f".repeat(32);
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "app", "digest": {"sha256": digest}}],
        "predicateType": "https://example.com/test/v1",
        "predicate": {},
    })
    .to_string()
    .into_bytes()
}

/// The bundle as another program would write it.
pub(crate) fn document(envelope: &Envelope, chain: &[Vec<u8>], stamps: &[Vec<u8>]) -> Value {
    let raw = |der: &Vec<u8>| json!({"rawBytes": STANDARD.encode(der)});
    let stamp = |der: &Vec<u8>| json!({"signedTimestamp": STANDARD.encode(der)});
    let signature = &envelope.signatures[0];
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "x509CertificateChain": {"certificates": chain.iter().map(raw).collect::<Vec<_>>()},
            "tlogEntries": [],
            "timestampVerificationData":
                {"rfc3161Timestamps": stamps.iter().map(stamp).collect::<Vec<_>>()},
        },
        "dsseEnvelope": {
            "payload": STANDARD.encode(&envelope.payload),
            "payloadType": envelope.payload_type,
            "signatures": [{"keyid": "", "sig": STANDARD.encode(&signature.sig)}],
        },
    })
}

pub(crate) fn bundle_of(envelope: &Envelope, chain: &[Vec<u8>], stamps: &[Vec<u8>]) -> Bundle {
    Bundle::parse(document(envelope, chain, stamps).to_string().as_bytes()).unwrap()
}

pub(crate) fn check(bundle: &Bundle, trust: &Trust) -> Result<Verified<Content>, VerifyError> {
    verify(bundle, trust, moment(NOW))
}

/// Who signed, or why nobody is believed, in words.
pub(crate) fn said(bundle: &Bundle, trust: &Trust) -> String {
    match check(bundle, trust) {
        Ok(found) => found.signers().iter().map(|signer| signer.name.clone()).collect(),
        Err(error) => error.to_string(),
    }
}
