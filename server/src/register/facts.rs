//! What an entry can be found by: the one place that looks into statements for the index.
//!
//! Everything here is what the statement says, not what is true: a search answers "which entries
//! say so", and whoever decides verifies them. What cannot be read is kept all the same and found
//! by its type; unknown never means ignored.

use attest::carried::carried;
use attest::envelope::IN_TOTO;
use attest::predicate::{BuildKind, Slice, VerificationResult};
use attest::{
    ArtifactId, Bundle, ClaimedIdentity, Envelope, KeyId, Leaf, Predicate, ResourceDescriptor,
    Sha256, Statement, Verifier,
};
use serde_json::Value;

use super::measured::measurements;
use super::words::each_word;

/// Most terms of one entry; a statement with more is refused when it is submitted.
pub const MAX_TERMS: usize = 65_536;

/// How many terms there is room for before it grows.
const TYPICAL_TERMS: usize = 24;

/// Something that entries can be found by.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Term {
    /// An artifact that the statement is about.
    Subject(ArtifactId),
    /// An artifact that went into the step: a dependency, a data set, a model that was evaluated.
    Material(ArtifactId),
    /// The name of a subject, exactly as it stands in the statement.
    Name(String),
    /// A word of the name of a subject or a material, or of its URI where it has no name; as
    /// [`super::words::words`] has it.
    Word(String),
    /// The key that signed.
    Signer(KeyId),
    /// Whom the certificate of a keyless signature names. A claim of the certificate, which nobody
    /// here has judged.
    Identity(String),
    /// Who vouched for that, by the same certificate's claim.
    Issuer(String),
    /// The predicate type; for anything but in-toto statements, the payload type.
    Type(String),
    /// The step.
    Step(String),
    /// The kind of step.
    Kind(BuildKind),
    /// The stage that a verification summary is for, or a deployment's environment.
    Stage(String),
    /// What it came to, in the statement's own word: the result of a test or a verification
    /// summary (`PASSED`, `FAILED`), the verdict of monitoring (`OK`, `DRIFT`, `DEGRADED`).
    Result(String),
    /// A metric that an evaluation measured, or that a step left in the file of numbers it carries.
    Metric {
        /// Its name.
        name: String,
        /// The slice of the data that it was measured over; without, whatever it was measured over.
        slice: Option<Slice>,
    },
    /// A parameter of the step, with its value as text.
    Parameter {
        /// Its name.
        name: String,
        /// Its value: the text, number or truth value as the statement spells it.
        value: String,
    },
}

impl Term {
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
            Self::Name(name) => parts("name", name),
            Self::Word(word) => parts("word", word),
            Self::Identity(name) => parts("identity", name),
            Self::Issuer(name) => parts("issuer", name),
            Self::Kind(kind) => parts("kind", kind.as_str()),
            Self::Result(word) => parts("result", word),
            Self::Metric { name, slice: None } => parts("metric", name),
            Self::Metric { name, slice: Some(Slice { feature, value }) } => {
                let lengths = [name, feature].map(|text| (text.len() as u64).to_be_bytes());
                let lengths = lengths.as_flattened();
                let texts = [name, feature, value].map(|text| text.as_bytes());
                Sha256::of_parts([&b"slice\0"[..], lengths].into_iter().chain(texts))
            }
            Self::Signer(key) => {
                Sha256::of_parts([&b"signer\0sha256:"[..], &key.digest().hex_bytes()])
            }
            Self::Type(name) => parts("type", name),
            Self::Step(step) => parts("step", step),
            Self::Stage(stage) => parts("stage", stage),
            // The length keeps `a=b` with `c` apart from `a` with `b=c`.
            Self::Parameter { name, value } => {
                let length = (name.len() as u64).to_be_bytes();
                Sha256::of_parts([b"parameter\0", &length[..], name.as_bytes(), value.as_bytes()])
            }
        }
    }
}

/// What the entry with this leaf and body can be found by; in no order, and a term may stand twice.
pub(super) fn terms(leaf: &[u8], body: Option<&[u8]>) -> Vec<Term> {
    let mut terms = Vec::new();
    if let Ok(leaf) = Leaf::parse(leaf) {
        of_verifier(leaf.verifier(), &mut terms);
    }
    if let Some(body) = body {
        of_body(body, &mut terms);
    }
    terms
}

/// What the entry with this leaf can be found by, whose envelope was read already: `statement` is
/// its payload, unless that is something else. In no order, and a term may stand twice.
pub(super) fn terms_of(
    leaf: &Leaf,
    envelope: &Envelope,
    statement: Option<&Statement>,
) -> Vec<Term> {
    let mut terms = Vec::with_capacity(TYPICAL_TERMS);
    of_verifier(leaf.verifier(), &mut terms);
    match statement {
        Some(statement) => of_statement(statement, &mut terms),
        None => match carried(envelope) {
            Ok(Some(bundle)) => of_carried(&bundle, &mut terms),
            _ => terms.push(Term::Type(envelope.payload_type.clone())),
        },
    }
    terms
}

fn of_verifier(verifier: &Verifier, terms: &mut Vec<Term>) {
    match verifier {
        Verifier::Key(key) => {
            terms.push(Term::Signer(key.id()));
        }
        Verifier::Certificate(der) => {
            let ClaimedIdentity { names, issuer } = ClaimedIdentity::of(der);
            terms.extend(names.into_iter().map(Term::Identity));
            terms.extend(issuer.map(Term::Issuer));
        }
    }
}

fn of_body(body: &[u8], terms: &mut Vec<Term>) {
    let Ok(envelope) = Envelope::from_pae(body) else { return };
    if let Ok(Some(bundle)) = carried(&envelope) {
        return of_carried(&bundle, terms);
    }
    if envelope.payload_type != IN_TOTO {
        terms.push(Term::Type(envelope.payload_type));
        return;
    }
    match Statement::read(&envelope.payload) {
        Ok(statement) => of_statement(&statement, terms),
        Err(_) => of_unreadable(&envelope, terms),
    }
}

/// A carried bundle is found by what is in it, and by whom its certificate names.
fn of_carried(bundle: &Bundle, terms: &mut Vec<Term>) {
    if let Some(certificate) = bundle.certificate() {
        of_verifier(&Verifier::Certificate(certificate), terms);
    }
    let envelope = &bundle.envelope;
    match Statement::read(&envelope.payload) {
        Ok(statement) if envelope.payload_type == IN_TOTO => of_statement(&statement, terms),
        Err(_) if envelope.payload_type == IN_TOTO => of_unreadable(envelope, terms),
        _ => terms.push(Term::Type(envelope.payload_type.clone())),
    }
}

/// A payload that calls itself a statement and is none: its type is all that is taken from it.
fn of_unreadable(envelope: &Envelope, terms: &mut Vec<Term>) {
    let predicate_type = attest::json::parse(&envelope.payload)
        .ok()
        .and_then(|value| Some(value.get("predicateType")?.as_str()?.to_owned()));
    terms.push(Term::Type(predicate_type.unwrap_or_else(|| envelope.payload_type.clone())));
}

pub(super) fn of_statement(statement: &Statement, terms: &mut Vec<Term>) {
    terms.push(Term::Type(statement.predicate_type().into()));
    for subject in &statement.subject {
        terms.extend(subject.artifact().ok().map(Term::Subject));
        terms.extend(subject.name.clone().map(Term::Name));
    }
    let materials = statement.materials();
    terms.extend(materials.iter().filter_map(|one| one.artifact().ok()).map(Term::Material));
    for named in statement.subject.iter().chain(materials) {
        let name = named.name.as_deref().or(named.uri.as_deref()).unwrap_or_default();
        each_word(name, |word| terms.push(Term::Word(word)));
    }
    terms.extend(statement.step().map(|step| Term::Step(step.as_str().into())));
    terms.extend(kind_of(statement).map(Term::Kind));
    terms.extend(statement.stage().map(|stage| Term::Stage(stage.as_str().into())));
    for one in measurements(statement).iter() {
        let metric = |slice| Term::Metric { name: one.metric.clone(), slice };
        terms.push(metric(None));
        terms.push(metric(one.slice.clone()));
    }
    match &statement.predicate {
        Predicate::Provenance(provenance) => {
            terms.extend(provenance.parameters().into_iter().flatten().filter_map(parameter));
        }
        Predicate::EarlierProvenance(provenance) => {
            terms.extend(provenance.parameters().into_iter().flatten().filter_map(parameter));
        }
        Predicate::Evaluation(evaluation) => {
            let run = evaluation.run.iter().flat_map(|run| &run.parameters);
            terms.extend(run.filter_map(parameter));
        }
        Predicate::Deployment(deployment) => {
            terms.push(Term::Stage(deployment.environment.clone()));
        }
        Predicate::TestResult(result) => {
            let configuration = result.configuration.iter().map(ResourceDescriptor::artifact);
            terms.extend(configuration.flatten().map(Term::Material));
            terms.push(Term::Result(result.result.clone()));
        }
        Predicate::VerificationSummary(summary) => {
            let word = match summary.verification_result {
                VerificationResult::Passed => "PASSED",
                VerificationResult::Failed => "FAILED",
            };
            terms.push(Term::Result(word.into()));
        }
        Predicate::SimpleVerification(result) => {
            terms.extend(result.properties.iter().cloned().map(Term::Result));
        }
        Predicate::Monitoring(monitoring) => {
            terms.push(Term::Result(monitoring.verdict.clone()));
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

fn parameter((name, value): (&String, &Value)) -> Option<Term> {
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(Term::Parameter { name: name.clone(), value })
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
            assert_eq!(terms_of(&leaf, &envelope, statement.as_ref()), terms);
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
            assert_eq!(Term::Subject(artifact).digest(), of("subject"));
            assert_eq!(Term::Material(artifact).digest(), of("material"));
        }
        let signer = Sha256::of(format!("signer\0{key}").as_bytes());
        assert_eq!(Term::Signer(key).digest(), signer);
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
