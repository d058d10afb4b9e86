//! in-toto Statements: a predicate said of subjects. Statement v1 is what Assay writes; v0.1, which
//! other tools still write, is read with the predicates of others.
//!
//! Source: in-toto Attestation Framework, `spec/v1/statement.md` and `spec/v0.1.0`. Unknown fields at the top are
//! tolerated when reading, because vendors add some; what was signed is never written anew.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::artifact::{ArtifactId, Kind};
use crate::digest::{Sha256, to_hex};
use crate::json::{self, JsonError, Objects};
use crate::name::{NameError, StageName, StepName, check_artifact_name, check_product_names};
use crate::predicate::Predicate;
use crate::resource::{DIGEST_METHOD, IdentityError, ResourceDescriptor};

/// The value of `_type`.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";
/// The value of `_type` in the statements of tools that have not moved to v1. It has the same
/// fields, of which a subject has but a name and digests.
pub const STATEMENT_V0_1: &str = "https://in-toto.io/Statement/v0.1";
/// How many subjects a statement may have.
pub const MAX_SUBJECTS: usize = 10_000;
/// The subject annotation that holds 128 random bits, so that nobody can confirm a guess of a
/// statement from its digest in the public tree.
pub const NONCE: &str = "nonce";

/// A predicate said of subjects.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it is said of; never empty when parsed.
    pub subject: Vec<ResourceDescriptor>,
    /// What is said.
    pub predicate: Predicate,
}

/// Why bytes are not a statement, or a statement cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Not JSON of this shape.
    #[error("not an in-toto statement: {0}")]
    Json(#[from] JsonError),
    /// `_type` is not Statement v1, nor v0.1 where that may stand.
    #[error("`_type` is `{0}`, not `{STATEMENT_V1}`")]
    Type(String),
    /// The predicate has not the shape of its type.
    #[error("the predicate is not a `{predicate_type}`: {source}")]
    Predicate {
        /// The type that it claims.
        predicate_type: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// No subject.
    #[error("the statement has no subject")]
    NoSubject,
    /// More than [`MAX_SUBJECTS`].
    #[error("the statement has {0} subjects, more than the limit of {MAX_SUBJECTS}")]
    TooManySubjects(usize),
    /// A predicate of this type has exactly one subject.
    #[error("a `{predicate_type}` statement has exactly one subject, this one has {found}")]
    OneSubject {
        /// The type.
        predicate_type: String,
        /// How many there are.
        found: usize,
    },
    /// A subject is not identified.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A subject has a name that two readers may read differently.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The subject of a model's signature is not the root of the manifest that is signed with it
    /// (OpenSSF Model Signing v1.0, section 6.5.1).
    #[error("the signed root is {signed}, but that of the signed files is {computed}")]
    Root {
        /// The artifact that the subject is.
        signed: ArtifactId,
        /// The root of the manifest.
        computed: Sha256,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

#[derive(Deserialize)]
struct StatementJson {
    #[serde(rename = "_type")]
    statement_type: String,
    subject: Vec<ResourceDescriptor>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(default)]
    predicate: Value,
}

/// What is written, with a predicate of whatever type.
#[derive(Serialize)]
struct WrittenStatement<'a, P> {
    #[serde(rename = "_type")]
    statement_type: &'static str,
    subject: &'a [ResourceDescriptor],
    #[serde(rename = "predicateType")]
    predicate_type: &'a str,
    predicate: P,
}

/// What is read, with the predicate as it stands.
#[derive(Deserialize)]
struct StatementText<'a> {
    #[serde(rename = "_type", borrow)]
    statement_type: Cow<'a, str>,
    subject: Vec<ResourceDescriptor>,
    #[serde(rename = "predicateType", borrow)]
    predicate_type: Cow<'a, str>,
    #[serde(borrow)]
    predicate: &'a RawValue,
}

fn wrong_type(found: &str) -> StatementError {
    StatementError::Type(found.chars().take(200).collect())
}

impl Statement {
    /// Parses the payload of an envelope.
    ///
    /// # Errors
    /// [`StatementError`]: also when a subject has no identity, when there are several where
    /// the predicate allows one, or when the products of a step of Assay's own have names that
    /// two readers may read differently.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        let statement = Self::typed(bytes)?;
        statement.check_subjects()?;
        statement.check_products()?;
        Ok(statement)
    }

    /// Parses the payload of an envelope for whoever keeps and finds statements, and believes
    /// none. As [`Self::parse`], but a statement of others may be about what only other algorithms
    /// identify, as the `sha512` of npm: it is found by its names, type and materials, and is said
    /// of no artifact. Results of tests are not among them: a failure must not be kept where
    /// nobody heeds it.
    ///
    /// # Errors
    /// [`StatementError`], as for [`Self::parse`] but for that; also when only some of the subjects
    /// are identified.
    pub fn read(bytes: &[u8]) -> Result<Self, StatementError> {
        let statement = Self::typed(bytes)?;
        let foreign = statement.predicate.is_of_others();
        if foreign
            && !matches!(statement.predicate, Predicate::TestResult(_))
            && statement.subject.iter().all(ResourceDescriptor::has_only_other_digests)
        {
            statement.check_count()?;
            return Ok(statement);
        }
        statement.check_subjects()?;
        statement.check_products()?;
        Ok(statement)
    }

    fn typed(bytes: &[u8]) -> Result<Self, StatementError> {
        // Most statements are good: those are typed as they stand. All others are read into JSON
        // values first, which says what is wrong with them.
        match Self::typed_as_it_stands(bytes) {
            Some(statement) => Ok(statement),
            None => Self::typed_by_value(bytes),
        }
    }

    /// What [`Self::typed_by_value`] gives, if there is nothing to say against the statement.
    fn typed_as_it_stands(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let found = json::read_once(text, 0, |reader| StatementText::deserialize(Objects(reader)))?;
        let predicate = Predicate::from_text(&found.predicate_type, found.predicate.get())?;
        Self::of_type(&found.statement_type, found.subject, predicate).ok()
    }

    fn typed_by_value(bytes: &[u8]) -> Result<Self, StatementError> {
        let found: StatementJson = json::parse_as(bytes)?;
        if !matches!(found.statement_type.as_str(), STATEMENT_V1 | STATEMENT_V0_1) {
            return Err(wrong_type(&found.statement_type));
        }
        let predicate =
            Predicate::from_value(&found.predicate_type, found.predicate).map_err(|source| {
                StatementError::Predicate { predicate_type: found.predicate_type.clone(), source }
            })?;
        Self::of_type(&found.statement_type, found.subject, predicate)
    }

    fn of_type(
        statement_type: &str,
        subject: Vec<ResourceDescriptor>,
        predicate: Predicate,
    ) -> Result<Self, StatementError> {
        match statement_type {
            STATEMENT_V1 => {}
            STATEMENT_V0_1 if predicate.is_of_others() => {}
            other => return Err(wrong_type(other)),
        }
        let mut statement = Self { subject, predicate };
        statement.say_kind();
        Ok(statement)
    }

    /// The bytes to sign.
    ///
    /// # Errors
    /// [`StatementError`], as for reading; names of subjects are always checked.
    pub fn to_json(&self) -> Result<Vec<u8>, StatementError> {
        self.check_subjects()?;
        for subject in &self.subject {
            check_artifact_name(subject.name.as_deref().unwrap_or("artifact"))?;
        }
        if matches!(self.predicate, Predicate::Provenance(_)) {
            check_product_names(self.subject.iter().map(ResourceDescriptor::label))?;
        }
        let bytes = match &self.predicate {
            // A model can have many files: they are written without a tree of values in between.
            Predicate::ModelSignature(manifest) => self.written(manifest)?,
            other => self.written(other.to_value().map_err(JsonError::from)?)?,
        };
        // What cannot be read back must not be signed: too large, too deep.
        Self::parse(&bytes)?;
        Ok(bytes)
    }

    fn written<P: Serialize>(&self, predicate: P) -> Result<Vec<u8>, StatementError> {
        let written = WrittenStatement {
            statement_type: STATEMENT_V1,
            subject: &self.subject,
            predicate_type: self.predicate_type(),
            predicate,
        };
        Ok(serde_json::to_vec(&written).map_err(JsonError::from)?)
    }

    /// The subject of a model's signature is the root of its manifest, whether it says so or not.
    fn say_kind(&mut self) {
        if matches!(self.predicate, Predicate::ModelSignature(_)) {
            for subject in &mut self.subject {
                let kind = || Kind::Oms.as_str().into();
                subject.annotations.entry(DIGEST_METHOD.into()).or_insert_with(kind);
            }
        }
    }

    fn check_products(&self) -> Result<(), StatementError> {
        if let Predicate::Provenance(provenance) = &self.predicate
            && provenance.kind().is_some()
        {
            check_product_names(self.subject.iter().map(ResourceDescriptor::label))?;
        }
        Ok(())
    }

    fn check_subjects(&self) -> Result<(), StatementError> {
        self.check_count()?;
        self.subject.iter().try_for_each(|subject| self.check_subject(subject))
    }

    fn check_count(&self) -> Result<(), StatementError> {
        match self.subject.len() {
            0 => Err(StatementError::NoSubject),
            1 => Ok(()),
            found if self.predicate.needs_one_subject() => {
                let predicate_type = self.predicate_type().into();
                Err(StatementError::OneSubject { predicate_type, found })
            }
            found if found > MAX_SUBJECTS => Err(StatementError::TooManySubjects(found)),
            _ => Ok(()),
        }
    }

    fn check_subject(&self, subject: &ResourceDescriptor) -> Result<(), StatementError> {
        let signed = subject.artifact()?;
        // The root binds no names: it is relied on with its manifest, or not at all.
        match &self.predicate {
            Predicate::ModelSignature(manifest) if signed != manifest.artifact() => {
                Err(StatementError::Root { signed, computed: manifest.root() })
            }
            _ => Ok(()),
        }
    }

    /// The same with 128 fresh random bits in the first subject.
    ///
    /// # Errors
    /// [`StatementError::Random`] when the system gives none.
    pub fn with_nonce(mut self) -> Result<Self, StatementError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| StatementError::Random)?;
        let first = self.subject.first_mut().ok_or(StatementError::NoSubject)?;
        first.annotations.insert(NONCE.into(), to_hex(&random).into());
        Ok(self)
    }

    /// The type URI of the predicate.
    pub fn predicate_type(&self) -> &str {
        self.predicate.predicate_type()
    }

    /// The step that the signer says this was, where the predicate says so.
    pub fn step(&self) -> Option<StepName> {
        match &self.predicate {
            Predicate::Provenance(provenance) => provenance.step(),
            Predicate::Evaluation(evaluation) => evaluation.step.clone(),
            Predicate::Link(link) => link.name.parse().ok(),
            _ => None,
        }
    }

    /// The stage that a verification summary is for, or that a simple result has among its
    /// properties.
    pub fn stage(&self) -> Option<StageName> {
        match &self.predicate {
            Predicate::VerificationSummary(summary) => summary.stage(),
            Predicate::SimpleVerification(result) => result.stage(),
            _ => None,
        }
    }

    /// The artifacts that it is said of, with their names.
    ///
    /// # Errors
    /// [`IdentityError`]; never for a statement that [`Self::parse`] gave.
    pub fn subjects(&self) -> Result<Vec<(ArtifactId, &str)>, IdentityError> {
        self.subject.iter().map(|subject| Ok((subject.artifact()?, subject.label()))).collect()
    }

    /// The descriptors of what went into the step: resolved dependencies of provenance (in v0.2,
    /// materials), the materials of a link, the data set and materials of an evaluation.
    pub fn materials(&self) -> Vec<&ResourceDescriptor> {
        match &self.predicate {
            Predicate::Provenance(provenance) => {
                provenance.build_definition.resolved_dependencies.iter().collect()
            }
            Predicate::EarlierProvenance(provenance) => provenance.materials.iter().collect(),
            Predicate::Link(link) => link.materials.iter().collect(),
            Predicate::Evaluation(evaluation) => {
                let run = evaluation.run.iter().flat_map(|run| &run.materials);
                std::iter::once(&evaluation.dataset).chain(run).collect()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_no_structure() {
        let with = |subject: &str, predicate: &str| {
            format!(
                r#"{{"_type": "{STATEMENT_V1}", "subject": [{subject}], "predicateType": "https://in-toto.io/attestation/test-result/v0.1", "predicate": {predicate}}}"#
            )
        };
        let digest = format!(r#"{{"sha256": "{}"}}"#, "ab".repeat(32));
        let object = format!(r#"{{"name": "a.bin", "digest": {digest}}}"#);
        let passed = r#"{"result": "PASSED", "configuration": [{"name": "a.yaml"}]}"#;
        assert!(Statement::parse(with(&object, passed).as_bytes()).is_ok());
        for bad in [
            with(&format!(r#"["a.bin", null, {digest}]"#), passed),
            with(&object, r#"["PASSED", []]"#),
            with(&object, r#"{"result": "PASSED", "configuration": [["a.yaml"]]}"#),
        ] {
            assert!(Statement::parse(bad.as_bytes()).is_err(), "{bad}");
            assert!(Statement::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
    use crate::digest::Sha256;
    use crate::predicate::{EVALUATION, PROVENANCE, TEST_RESULT, VERIFICATION_SUMMARY};

    fn text(subjects: &str, predicate_type: &str, predicate: &str) -> String {
        format!(
            r#"{{"_type":"{STATEMENT_V1}","subject":{subjects},"predicateType":"{predicate_type}","predicate":{predicate},"vendorField":1}}"#
        )
    }

    fn subject(name: &str) -> String {
        let hex = Sha256::of(name.as_bytes()).hex();
        format!(r#"{{"name":"{name}","digest":{{"sha256":"{hex}"}}}}"#)
    }

    fn provenance(build_type: &str) -> String {
        format!(
            r#"{{"buildDefinition":{{"buildType":"{build_type}","externalParameters":{{"step":"train"}}}},"runDetails":{{"builder":{{"id":"x"}}}}}}"#
        )
    }

    #[test]
    fn what_is_and_is_not_a_statement() {
        let one = format!("[{}]", subject("a"));
        let two = format!("[{},{}]", subject("a"), subject("b"));
        let odd = format!("[{},{}]", subject("a"), subject("A"));
        let own = provenance("https://assay.example/build-type/training/v1");
        let foreign = provenance("https://example.com/other");
        let evaluation = format!(
            r#"{{"evaluator":{{"id":"x"}},"dataset":{},"measurements":[]}}"#,
            subject("holdout")
        );
        let nan = evaluation.replace("[]", r#"[{"metric":"accuracy","value":"NaN"}]"#);
        let number = evaluation.replace("[]", r#"[{"metric":"accuracy","value":0.9}]"#);
        let cases = [
            ("provenance", text(&one, PROVENANCE, &own), true),
            ("provenance of two", text(&two, PROVENANCE, &own), true),
            ("names alike but for case", text(&odd, PROVENANCE, &own), false),
            ("the same in another vendor's", text(&odd, PROVENANCE, &foreign), true),
            ("other type", text(&one, "https://example.com/x", "{}"), true),
            ("no subject", text("[]", PROVENANCE, &own), false),
            ("subject without digest", text(r#"[{"name":"a"}]"#, PROVENANCE, &own), false),
            ("wrong shape", text(&one, PROVENANCE, "{}"), false),
            ("no predicate", text(&one, PROVENANCE, "null"), false),
            ("evaluation", text(&one, EVALUATION, &evaluation), true),
            ("evaluation of two", text(&two, EVALUATION, &evaluation), false),
            ("NaN metric", text(&one, EVALUATION, &nan), false),
            ("inexact metric", text(&one, EVALUATION, &number), false),
            ("summary of two", text(&two, VERIFICATION_SUMMARY, "{}"), false),
            (
                "other statement",
                text(&one, PROVENANCE, &own).replace("Statement/v1", "Statement/v0.1"),
                false,
            ),
            (
                "another's provenance in a statement of v0.1",
                text(&one, PROVENANCE, &foreign).replace("Statement/v1", "Statement/v0.1"),
                true,
            ),
            (
                "an evaluation in one",
                text(&one, EVALUATION, &evaluation).replace("Statement/v1", "Statement/v0.1"),
                false,
            ),
            (
                "a version that does not exist",
                text(&one, PROVENANCE, &foreign).replace("Statement/v1", "Statement/v0.2"),
                false,
            ),
            (
                "duplicate key",
                text(&one, PROVENANCE, &own).replace("\"vendorField\"", "\"_type\""),
                false,
            ),
        ];
        for (name, text, want) in cases {
            assert_eq!(Statement::parse(text.as_bytes()).is_ok(), want, "{name}");
            // Both ways of reading give the same, and only what is wrong needs the second.
            let by_value = Statement::typed_by_value(text.as_bytes()).ok();
            assert_eq!(Statement::typed_as_it_stands(text.as_bytes()), by_value, "{name}");
        }
    }

    #[test]
    fn what_only_other_algorithms_identify_is_kept_and_never_believed() {
        let other = |name: &str| subject(name).replace("sha256", "sha512");
        let bare = r#"{"name":"a"}"#.to_owned();
        let foreign = provenance("https://example.com/other");
        let own = provenance("https://assay.example/build-type/training/v1");
        let cases = [
            ("of another tool", PROVENANCE, &foreign, vec![other("a"), other("b")], true),
            ("one of two", PROVENANCE, &foreign, vec![other("a"), subject("b")], false),
            ("no digest at all", PROVENANCE, &foreign, vec![bare], false),
            ("our own", PROVENANCE, &own, vec![other("a")], false),
            ("of any type", "https://example.com/x", &foreign, vec![other("a")], true),
            (
                "of a type that starts as ours do",
                "https://assay.example/attestation/x/v9",
                &foreign,
                vec![other("a")],
                false,
            ),
            ("tests", TEST_RESULT, &r#"{"result":"FAILED"}"#.to_owned(), vec![other("a")], false),
        ];
        for (name, predicate_type, predicate, subjects, want) in cases {
            let text = text(&format!("[{}]", subjects.join(",")), predicate_type, predicate);
            assert_eq!(Statement::read(text.as_bytes()).is_ok(), want, "{name}");
            assert!(Statement::parse(text.as_bytes()).is_err(), "{name}");
            let identified = text.replace("sha512", "sha256");
            let parsed = Statement::parse(identified.as_bytes());
            assert_eq!(parsed.is_ok(), name != "no digest at all", "{name}, identified");
        }
    }

    #[test]
    fn written_statements_read_back() {
        let own = provenance("https://assay.example/build-type/training/v1");
        let statement =
            Statement::parse(text(&format!("[{}]", subject("a")), PROVENANCE, &own).as_bytes())
                .unwrap();
        assert_eq!(statement.step().unwrap().as_str(), "train");
        let signed = statement.clone().with_nonce().unwrap();
        let again = statement.with_nonce().unwrap();
        assert_ne!(signed, again, "nonces differ");
        assert_eq!(Statement::parse(&signed.to_json().unwrap()).unwrap(), signed);
        let mut nameless = signed.clone();
        nameless.subject[0].name = Some("../a".into());
        assert!(nameless.to_json().is_err());
    }
}
