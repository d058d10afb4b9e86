//! What an entry can be found by: the one place that looks into statements for the index.
//!
//! Everything here is what the statement says, not what is true: a search answers "which entries
//! say so", and whoever decides verifies them. What cannot be read is kept all the same and found
//! by its type; unknown never means ignored.

use std::borrow::Cow;

use attest::carried::carried;
use attest::envelope::IN_TOTO;
use attest::predicate::{BuildKind, Slice, VerificationResult};
use attest::{
    ArtifactId, Bundle, ClaimedIdentity, Envelope, KeyId, Leaf, Predicate, ResourceDescriptor,
    Sha256, Statement, Verifier,
};
use serde_json::{Map, Value};

use super::measured::measurements;
use super::words::each_word;

/// Most terms of one entry; a statement with more is refused when it is submitted.
pub const MAX_TERMS: usize = 65_536;

/// Something that entries can be found by; `T` is how it has its texts.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Term<T = String> {
    /// An artifact that the statement is about.
    Subject(ArtifactId),
    /// An artifact that went into the step: a dependency, a data set, a model that was evaluated.
    Material(ArtifactId),
    /// The name of a subject, exactly as it stands in the statement.
    Name(T),
    /// A word of the name of a subject or a material, or of its URI where it has no name; as
    /// [`super::words::words`] has it.
    Word(T),
    /// The key that signed.
    Signer(KeyId),
    /// Whom the certificate of a keyless signature names. A claim of the certificate, which nobody
    /// here has judged.
    Identity(T),
    /// Who vouched for that, by the same certificate's claim.
    Issuer(T),
    /// The predicate type; for anything but in-toto statements, the payload type.
    Type(T),
    /// The step.
    Step(T),
    /// The kind of step.
    Kind(BuildKind),
    /// The stage that a verification summary is for, or a deployment's environment.
    Stage(T),
    /// What it came to, in the statement's own word: the result of a test or a verification
    /// summary (`PASSED`, `FAILED`), the verdict of monitoring (`OK`, `DRIFT`, `DEGRADED`).
    Result(T),
    /// A metric that an evaluation measured, or that a step left in the file of numbers it carries.
    Metric {
        /// Its name.
        name: T,
        /// The slice of the data that it was measured over; without, whatever it was measured over.
        slice: Option<Slice>,
    },
    /// A parameter of the step, with its value as text.
    Parameter {
        /// Its name.
        name: T,
        /// Its value: the text, number or truth value as the statement spells it.
        value: T,
    },
}

/// A term in the words of a statement or a certificate.
pub(super) type Said<'a> = Term<Cow<'a, str>>;

/// Takes one term after the other: in no order, and some perhaps twice.
pub(super) type Take<'t> = &'t mut dyn FnMut(Said<'_>);

impl Said<'_> {
    /// The same, for longer than what it was said in.
    pub(super) fn into_owned(self) -> Term {
        let text = Cow::into_owned;
        match self {
            Self::Subject(artifact) => Term::Subject(artifact),
            Self::Material(artifact) => Term::Material(artifact),
            Self::Name(name) => Term::Name(text(name)),
            Self::Word(word) => Term::Word(text(word)),
            Self::Signer(key) => Term::Signer(key),
            Self::Identity(name) => Term::Identity(text(name)),
            Self::Issuer(name) => Term::Issuer(text(name)),
            Self::Type(name) => Term::Type(text(name)),
            Self::Step(step) => Term::Step(text(step)),
            Self::Kind(kind) => Term::Kind(kind),
            Self::Stage(stage) => Term::Stage(text(stage)),
            Self::Result(word) => Term::Result(text(word)),
            Self::Metric { name, slice } => Term::Metric { name: text(name), slice },
            Self::Parameter { name, value } => {
                Term::Parameter { name: text(name), value: text(value) }
            }
        }
    }
}

impl<T: AsRef<str>> Term<T> {
    /// What stands for the term in an index: a digest over its kind and its text, so that no two
    /// terms share one.
    pub fn digest(&self) -> Sha256 {
        let parts =
            |kind: &str, text: &str| Sha256::of_parts([kind.as_bytes(), &[0], text.as_bytes()]);
        // As `parts` of its text, which every entry has several of, without making that.
        let of_artifact = |kind: &str, artifact: &ArtifactId| match artifact {
            ArtifactId::Content { kind: content, digest } => Sha256::of_parts([
                kind.as_bytes(),
                &[0],
                content.as_str().as_bytes(),
                b":sha256:",
                &digest.hex_bytes(),
            ]),
            ArtifactId::Git(_) => parts(kind, &artifact.to_string()),
        };
        match self {
            Self::Subject(artifact) => of_artifact("subject", artifact),
            Self::Material(artifact) => of_artifact("material", artifact),
            Self::Name(name) => parts("name", name.as_ref()),
            Self::Word(word) => parts("word", word.as_ref()),
            Self::Identity(name) => parts("identity", name.as_ref()),
            Self::Issuer(name) => parts("issuer", name.as_ref()),
            Self::Kind(kind) => parts("kind", kind.as_str()),
            Self::Result(word) => parts("result", word.as_ref()),
            Self::Metric { name, slice: None } => parts("metric", name.as_ref()),
            Self::Metric { name, slice: Some(Slice { feature, value }) } => {
                let texts = [name.as_ref(), feature, value].map(str::as_bytes);
                let [name, feature, _] = texts.map(|text| (text.len() as u64).to_be_bytes());
                let lengths = [name, feature];
                let lengths = lengths.as_flattened();
                Sha256::of_parts([&b"slice\0"[..], lengths].into_iter().chain(texts))
            }
            Self::Signer(key) => {
                Sha256::of_parts([&b"signer\0sha256:"[..], &key.digest().hex_bytes()])
            }
            Self::Type(name) => parts("type", name.as_ref()),
            Self::Step(step) => parts("step", step.as_ref()),
            Self::Stage(stage) => parts("stage", stage.as_ref()),
            // The length keeps `a=b` with `c` apart from `a` with `b=c`.
            Self::Parameter { name, value } => {
                let [name, value] = [name, value].map(|text| text.as_ref().as_bytes());
                let length = (name.len() as u64).to_be_bytes();
                Sha256::of_parts([b"parameter\0", &length[..], name, value])
            }
        }
    }
}

/// What the entry with this leaf and body can be found by; in no order, and a term may stand twice.
pub(super) fn terms(leaf: &[u8], body: Option<&[u8]>) -> Vec<Term> {
    let mut terms = Vec::new();
    each_term(leaf, body, &mut |term| terms.push(term.into_owned()));
    terms
}

/// Takes what the entry with this leaf and body can be found by.
pub(super) fn each_term(leaf: &[u8], body: Option<&[u8]>, take: Take<'_>) {
    if let Ok(leaf) = Leaf::parse(leaf) {
        of_verifier(leaf.verifier(), take);
    }
    if let Some(body) = body {
        of_body(body, take);
    }
}

/// Takes what the entry with this leaf can be found by, whose envelope was read already: `statement`
/// is its payload, unless that is something else.
pub(super) fn each_term_of(
    leaf: &Leaf,
    envelope: &Envelope,
    statement: Option<&Statement>,
    take: Take<'_>,
) {
    of_verifier(leaf.verifier(), take);
    match statement {
        Some(statement) => of_statement(statement, take),
        None => match carried(envelope) {
            Ok(Some(bundle)) => of_carried(&bundle, take),
            _ => take(Term::Type(envelope.payload_type.as_str().into())),
        },
    }
}

fn of_verifier(verifier: &Verifier, take: Take<'_>) {
    match verifier {
        Verifier::Key(key) => take(Term::Signer(key.id())),
        Verifier::Certificate(der) => {
            let ClaimedIdentity { names, issuer } = ClaimedIdentity::of(der);
            names.into_iter().for_each(|name| take(Term::Identity(name.into())));
            issuer.into_iter().for_each(|issuer| take(Term::Issuer(issuer.into())));
        }
    }
}

fn of_body(body: &[u8], take: Take<'_>) {
    let Ok(envelope) = Envelope::from_pae(body) else { return };
    if let Ok(Some(bundle)) = carried(&envelope) {
        return of_carried(&bundle, take);
    }
    if envelope.payload_type != IN_TOTO {
        return take(Term::Type(envelope.payload_type.into()));
    }
    match Statement::read(&envelope.payload) {
        Ok(statement) => of_statement(&statement, take),
        Err(_) => of_unreadable(&envelope, take),
    }
}

/// A carried bundle is found by what is in it, and by whom its certificate names.
fn of_carried(bundle: &Bundle, take: Take<'_>) {
    if let Some(certificate) = bundle.certificate() {
        of_verifier(&Verifier::Certificate(certificate), take);
    }
    let envelope = &bundle.envelope;
    match Statement::read(&envelope.payload) {
        Ok(statement) if envelope.payload_type == IN_TOTO => of_statement(&statement, take),
        Err(_) if envelope.payload_type == IN_TOTO => of_unreadable(envelope, take),
        _ => take(Term::Type(envelope.payload_type.as_str().into())),
    }
}

/// A payload that calls itself a statement and is none: its type is all that is taken from it.
fn of_unreadable(envelope: &Envelope, take: Take<'_>) {
    let payload = attest::json::parse(&envelope.payload).ok();
    let predicate_type = payload.as_ref().and_then(|value| value.get("predicateType")?.as_str());
    take(Term::Type(predicate_type.unwrap_or(&envelope.payload_type).into()));
}

/// Takes what a statement can be found by.
pub(super) fn of_statement(statement: &Statement, take: Take<'_>) {
    take(Term::Type(statement.predicate_type().into()));
    for subject in &statement.subject {
        if let Ok(artifact) = subject.artifact() {
            take(Term::Subject(artifact));
        }
        if let Some(name) = subject.name.as_deref() {
            take(Term::Name(name.into()));
        }
    }
    let materials = statement.materials();
    for artifact in materials.iter().filter_map(|one| one.artifact().ok()) {
        take(Term::Material(artifact));
    }
    for named in statement.subject.iter().chain(materials) {
        let name = named.name.as_deref().or(named.uri.as_deref()).unwrap_or_default();
        each_word(name, |word| take(Term::Word(word.into())));
    }
    if let Some(step) = statement.step() {
        take(Term::Step(step.as_str().into()));
    }
    if let Some(kind) = kind_of(statement) {
        take(Term::Kind(kind));
    }
    if let Some(stage) = statement.stage() {
        take(Term::Stage(stage.as_str().into()));
    }
    for one in measurements(statement).iter() {
        let mut metric = |slice| take(Term::Metric { name: one.metric.as_str().into(), slice });
        metric(None);
        metric(one.slice.clone());
    }
    match &statement.predicate {
        Predicate::Provenance(provenance) => of_parameters(provenance.parameters(), take),
        Predicate::EarlierProvenance(provenance) => of_parameters(provenance.parameters(), take),
        Predicate::Evaluation(evaluation) => {
            of_parameters(evaluation.run.as_ref().map(|run| &run.parameters), take);
        }
        Predicate::Deployment(deployment) => {
            take(Term::Stage(deployment.environment.as_str().into()));
        }
        Predicate::TestResult(result) => {
            let configuration = result.configuration.iter().map(ResourceDescriptor::artifact);
            configuration.flatten().for_each(|artifact| take(Term::Material(artifact)));
            take(Term::Result(result.result.as_str().into()));
        }
        Predicate::VerificationSummary(summary) => {
            let word = match summary.verification_result {
                VerificationResult::Passed => "PASSED",
                VerificationResult::Failed => "FAILED",
            };
            take(Term::Result(word.into()));
        }
        Predicate::SimpleVerification(result) => {
            result.properties.iter().for_each(|word| take(Term::Result(word.into())));
        }
        Predicate::Monitoring(monitoring) => {
            take(Term::Result(monitoring.verdict.as_str().into()));
        }
        Predicate::ModelSignature(_)
        | Predicate::Link(_)
        | Predicate::Approval(_)
        | Predicate::Waiver(_)
        | Predicate::Revocation(_)
        | Predicate::Reinstatement(_)
        | Predicate::Tombstone(_)
        | Predicate::KeyRotation(_)
        | Predicate::TrustVersion(_)
        | Predicate::PolicyVersion(_)
        | Predicate::PolicyActivation(_)
        | Predicate::Other { .. } => {}
    }
}

/// The kind of step that a statement says it is.
pub fn kind_of(statement: &Statement) -> Option<BuildKind> {
    match &statement.predicate {
        Predicate::Provenance(provenance) => provenance.kind(),
        Predicate::Evaluation(_) => Some(BuildKind::Evaluation),
        _ => None,
    }
}

fn of_parameters(parameters: Option<&Map<String, Value>>, take: Take<'_>) {
    for (name, value) in parameters.into_iter().flatten() {
        let value = match value {
            Value::String(text) => text.into(),
            Value::Number(number) => number.to_string().into(),
            Value::Bool(truth) => truth.to_string().into(),
            Value::Null | Value::Array(_) | Value::Object(_) => continue,
        };
        take(Term::Parameter { name: name.into(), value });
    }
}

#[cfg(test)]
mod others;
#[cfg(test)]
mod tests {
    use attest::{Algorithm, SigningKey};

    use std::collections::BTreeSet;

    use super::*;

    fn of(payload_type: &str, payload: &str) -> Vec<Term> {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let pae = attest::envelope::pae(payload_type, payload.as_bytes());
        let leaf = Leaf::of(&pae, &key.sign(&pae).unwrap(), key.public());
        let mut terms = terms(leaf.bytes(), Some(&pae));
        // Whoever reads the envelope first finds the same.
        let envelope = Envelope::from_pae(&pae).unwrap();
        let statement = Statement::read(&envelope.payload).ok();
        let statement = statement.filter(|_| payload_type == IN_TOTO);
        if statement.is_some() || payload_type != IN_TOTO {
            let mut found = Vec::new();
            each_term_of(&leaf, &envelope, statement.as_ref(), &mut |term| {
                found.push(term.into_owned());
            });
            assert_eq!(found, terms);
        }
        let signer = Term::Signer(key.public().id());
        assert!(terms.contains(&signer));
        terms.retain(|term| *term != signer);
        terms.sort();
        terms.dedup();
        terms
    }

    fn file(digit: char) -> ArtifactId {
        format!("file:sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
    }

    fn text(term: &str) -> String {
        term.into()
    }

    #[test]
    fn what_statements_are_found_by() {
        let descriptor = |name: &str, digit: &str| {
            format!(r#"{{"name":"{name}","digest":{{"sha256":"{}"}}}}"#, digit.repeat(64))
        };
        let (model, data) = (descriptor("model.bin", "a"), descriptor("train.csv", "b"));
        let statement = |predicate_type: &str, predicate: &str| {
            format!(
                r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{model}],"predicateType":"{predicate_type}","predicate":{predicate}}}"#
            )
        };
        let word = |word: &str| Term::Word(word.into());
        let subject =
            [Term::Subject(file('a')), Term::Name(text("model.bin")), word("model"), word("bin")];
        let training = format!(
            r#"{{"buildDefinition":{{"buildType":"https://assay.example/build-type/training/v1",
                "externalParameters":{{"step":"train","command":[],"parameters":{{"lr":"0.1","deep":{{"x":1}},"epochs":3}}}},
                "resolvedDependencies":[{data}]}},
                "runDetails":{{"builder":{{"id":"https://assay.example/builder/local/v1"}}}}}}"#
        );
        let evaluation = format!(
            r#"{{"step":"evaluate","evaluator":{{"id":"x"}},"dataset":{data},"measurements":[{{"metric":"accuracy","value":"0.9"}},{{"metric":"recall","slice":{{"feature":"age","value":"old"}},"value":"1"}}],"run":{{"parameters":{{"seed":"7"}}}}}}"#
        );
        let parameter =
            |name: &str, value: &str| Term::Parameter { name: name.into(), value: value.into() };
        let metric = |name: &str, slice: Option<(&str, &str)>| Term::Metric {
            name: name.into(),
            slice: slice
                .map(|(feature, value)| Slice { feature: feature.into(), value: value.into() }),
        };
        let summary = r#"{"verifier":{"id":"x"},"resourceUri":"x","policy":{},"verificationResult":"PASSED","verifiedLevels":[]}"#;
        let cases: [(&str, &str, String, Vec<Term>); 12] = [
            (
                "training",
                IN_TOTO,
                statement(attest::predicate::PROVENANCE, &training),
                [
                    subject.as_slice(),
                    &[
                        Term::Material(file('b')),
                        Term::Type(text(attest::predicate::PROVENANCE)),
                        Term::Step(text("train")),
                        Term::Kind(BuildKind::Training),
                        word("train"),
                        word("csv"),
                        parameter("lr", "0.1"),
                        parameter("epochs", "3"),
                    ],
                ]
                .concat(),
            ),
            (
                "evaluation",
                IN_TOTO,
                statement(attest::predicate::EVALUATION, &evaluation),
                [
                    subject.as_slice(),
                    &[
                        Term::Material(file('b')),
                        Term::Type(text(attest::predicate::EVALUATION)),
                        Term::Step(text("evaluate")),
                        Term::Kind(BuildKind::Evaluation),
                        word("train"),
                        word("csv"),
                        metric("accuracy", None),
                        metric("recall", None),
                        metric("recall", Some(("age", "old"))),
                        parameter("seed", "7"),
                    ],
                ]
                .concat(),
            ),
            (
                "deployment",
                IN_TOTO,
                statement(
                    attest::predicate::DEPLOYMENT,
                    r#"{"event":"rollout","environment":"production"}"#,
                ),
                [
                    subject.as_slice(),
                    &[
                        Term::Type(text(attest::predicate::DEPLOYMENT)),
                        Term::Stage(text("production")),
                    ],
                ]
                .concat(),
            ),
            (
                "a build of somebody else's, from what has no name",
                IN_TOTO,
                statement(
                    attest::predicate::PROVENANCE,
                    &training
                        .replace("https://assay.example/build-type", "https://example.com")
                        .replace(r#""name":"train.csv""#, r#""uri":"git+https://Host/Repo""#),
                ),
                [
                    subject.as_slice(),
                    &[
                        Term::Material(file('b')),
                        Term::Type(text(attest::predicate::PROVENANCE)),
                        word("git"),
                        word("https"),
                        word("host"),
                        word("repo"),
                        parameter("lr", "0.1"),
                        parameter("epochs", "3"),
                    ],
                ]
                .concat(),
            ),
            (
                "monitoring",
                IN_TOTO,
                statement(
                    attest::predicate::MONITORING,
                    r#"{"verdict":"DRIFT","recommendation":"RETRAIN"}"#,
                ),
                [
                    subject.as_slice(),
                    &[Term::Type(text(attest::predicate::MONITORING)), Term::Result(text("DRIFT"))],
                ]
                .concat(),
            ),
            (
                "a test",
                IN_TOTO,
                statement(attest::predicate::TEST_RESULT, r#"{"result":"WARNED"}"#),
                [
                    subject.as_slice(),
                    &[
                        Term::Type(text(attest::predicate::TEST_RESULT)),
                        Term::Result(text("WARNED")),
                    ],
                ]
                .concat(),
            ),
            (
                "a verification summary",
                IN_TOTO,
                statement(attest::predicate::VERIFICATION_SUMMARY, summary),
                [
                    subject.as_slice(),
                    &[
                        Term::Type(text(attest::predicate::VERIFICATION_SUMMARY)),
                        Term::Result(text("PASSED")),
                    ],
                ]
                .concat(),
            ),
            (
                "a type of somebody else's",
                IN_TOTO,
                statement("https://example.com/x", r#"{"any":"thing"}"#),
                [subject.as_slice(), &[Term::Type(text("https://example.com/x"))]].concat(),
            ),
            (
                "a statement about what nothing identifies",
                IN_TOTO,
                statement("https://example.com/x", "{}").replace("sha256", "md5"),
                [&subject[1..], &[Term::Type(text("https://example.com/x"))]].concat(),
            ),
            (
                "a statement of our own about that",
                IN_TOTO,
                statement(
                    attest::predicate::DEPLOYMENT,
                    r#"{"event":"rollout","environment":"production"}"#,
                )
                .replace("sha256", "md5"),
                vec![Term::Type(text(attest::predicate::DEPLOYMENT))],
            ),
            ("no statement", IN_TOTO, text("not JSON"), vec![Term::Type(text(IN_TOTO))]),
            ("no in-toto", "text/plain", text("hello"), vec![Term::Type(text("text/plain"))]),
        ];
        for (name, payload_type, payload, want) in cases {
            let want: Vec<Term> = want.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
            assert_eq!(of(payload_type, &payload), want, "{name}");
        }
    }

    #[test]
    fn the_digest_of_a_term_is_over_its_kind_and_its_text() {
        let key = SigningKey::from_ed25519_seed(&[1; 32]).unwrap().public().id();
        let commit: ArtifactId = format!("git:{}", "c".repeat(40)).parse().unwrap();
        let tree: ArtifactId = format!("tree:sha256:{}", "d".repeat(64)).parse().unwrap();
        for artifact in [file('a'), tree, commit] {
            let of = |kind: &str| Sha256::of(format!("{kind}\0{artifact}").as_bytes());
            let terms: [Term; 2] = [Term::Subject(artifact), Term::Material(artifact)];
            assert_eq!(terms.map(|term| term.digest()), ["subject", "material"].map(of));
        }
        let signer = Sha256::of(format!("signer\0{key}").as_bytes());
        assert_eq!(Term::<&str>::Signer(key).digest(), signer);
        assert_eq!(Term::Step(text("train")).digest(), Sha256::of(b"step\0train"));
    }

    #[test]
    fn terms_of_different_kinds_and_splits_have_different_digests() {
        let parameter =
            |name: &str, value: &str| Term::Parameter { name: name.into(), value: value.into() };
        let metric = |name: &str, slice: Option<(&str, &str)>| Term::Metric {
            name: name.into(),
            slice: slice
                .map(|(feature, value)| Slice { feature: feature.into(), value: value.into() }),
        };
        let terms = [
            Term::Subject(file('a')),
            Term::Material(file('a')),
            Term::Name(file('a').to_string()),
            Term::Step(text("x")),
            Term::Stage(text("x")),
            Term::Type(text("x")),
            Term::Word(text("x")),
            Term::Identity(text("x")),
            Term::Issuer(text("x")),
            Term::Result(text("x")),
            Term::Result(text("training")),
            Term::Kind(BuildKind::Training),
            metric("x", None),
            metric("x", Some(("", ""))),
            metric("x", Some(("a", "bc"))),
            metric("x", Some(("ab", "c"))),
            metric("xa", Some(("b", "c"))),
            parameter("a", "bc"),
            parameter("ab", "c"),
        ];
        let digests: BTreeSet<Sha256> = terms.iter().map(Term::digest).collect();
        assert_eq!(digests.len(), terms.len());
    }

    #[test]
    fn keyless_entries_are_found_by_what_their_certificate_claims() {
        let leaf =
            super::super::search::tests::certified("dev@example.com", "https://login.example");
        let identity = Term::Identity(text("dev@example.com"));
        let issuer = Term::Issuer(text("https://login.example"));
        assert_eq!(terms(&leaf, None), [identity, issuer]);
    }

    #[test]
    fn what_is_no_encoding_and_no_leaf_has_no_terms() {
        assert_eq!(terms(b"leaf", Some(b"body")), []);
        assert_eq!(terms(b"", None), []);
    }
}
