//! A report that somebody else made, held against what was asked.
//!
//! Whoever acts on a report from elsewhere believes whoever sent it. What can be seen without
//! believing anybody is whether it is an answer to the question, and whether its verdict follows
//! from its own findings.

use attest::{ArtifactId, Sha256, StageName};

use crate::decision::{admitted, held, refused};
use crate::model::{Mode, OnError};
use crate::report::{CompletenessKind, REPORT_VERSION, Report};

/// Why a report is no answer to what was asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceivedError {
    /// Its fields may mean something else.
    #[error("the report has version `{0}`, not `{REPORT_VERSION}`")]
    Version(String),
    /// It is about something else.
    #[error("the report is about {found}, not {asked}")]
    Artifact {
        /// The artifact that was asked about.
        asked: ArtifactId,
        /// The artifact of the report.
        found: ArtifactId,
    },
    /// It is for somewhere else.
    #[error("the report is for stage `{found}`, not `{asked}`")]
    Stage {
        /// The stage that was asked about.
        asked: StageName,
        /// The stage of the report.
        found: StageName,
    },
    /// It is by another policy than was asked for: an opinion instead of the register's, or the
    /// other way round.
    #[error("the report says `advisory: {found}`, and {} was asked", if *found { "no opinion" } else { "an opinion" })]
    Advisory {
        /// What the report says.
        found: bool,
    },
    /// It is an opinion by another policy than the one that was given.
    #[error(
        "the report is by a policy with the digest {found}, not by the one that was given ({asked})"
    )]
    Policy {
        /// The digest of the policy that was given.
        asked: Sha256,
        /// The digest of the policy that the report names.
        found: Sha256,
    },
    /// Its verdict is not what its findings and rules come to.
    #[error(
        "the report says `passed: {passed}`, which does not follow from its findings and rules"
    )]
    Passed {
        /// What the report says.
        passed: bool,
    },
    /// It was made from less of the register than the register had shown before it was asked.
    #[error(
        "the report is not by all of the {size} entries of `{origin}` that the service showed before, but by {}",
        found.map_or("nothing that says how many".to_owned(), |found| format!("{found} entries"))
    )]
    Older {
        /// The register.
        origin: String,
        /// How many entries it had shown.
        size: u64,
        /// How many the report is by, if it says so of the same register.
        found: Option<u64>,
    },
    /// It was made from another tree than the one that was signed.
    #[error(
        "the report is by another tree of {size} entries of `{origin}` than the one that is signed"
    )]
    Tree {
        /// The register.
        origin: String,
        /// The size of both trees.
        size: u64,
    },
    /// Whether the artifact is admitted is not what follows from the verdict.
    #[error("the report says `admitted: {admitted}`, which does not follow from its verdict where the stage's mode is `{}`", mode.as_str())]
    Admitted {
        /// What the report says.
        admitted: bool,
        /// The mode of the stage, as the report says it.
        mode: Mode,
    },
}

impl Report {
    /// Demands that this is an answer to whether `artifact` may run at `stage`, and that its
    /// verdict follows from what it lists. `opinion` is the digest of the asker's own policy, if
    /// one was given.
    ///
    /// # Errors
    /// [`ReceivedError`]: the question was not answered, and nothing may be taken for allowed.
    pub fn require_answer(
        &self,
        artifact: &ArtifactId,
        stage: &StageName,
        opinion: Option<Sha256>,
    ) -> Result<(), ReceivedError> {
        let Self { mode, passed, admitted: enters, .. } = *self;
        let on_error = self.on_error.unwrap_or(OnError::Admit);
        if self.version != REPORT_VERSION {
            return Err(ReceivedError::Version(self.version.clone()));
        }
        if self.artifact != *artifact {
            return Err(ReceivedError::Artifact { asked: *artifact, found: self.artifact });
        }
        if self.stage != *stage {
            let (asked, found) = (stage.clone(), self.stage.clone());
            return Err(ReceivedError::Stage { asked, found });
        }
        if self.advisory != opinion.is_some() {
            return Err(ReceivedError::Advisory { found: self.advisory });
        }
        let found = self.policy.digest;
        if let Some(asked) = opinion.filter(|asked| *asked != found) {
            return Err(ReceivedError::Policy { asked, found });
        }
        if passed != held(&self.findings, &self.rules) {
            return Err(ReceivedError::Passed { passed });
        }
        let follows = admitted(passed, mode) && (passed || !refused(on_error, &self.rules));
        if enters != follows {
            return Err(ReceivedError::Admitted { admitted: enters, mode });
        }
        Ok(())
    }

    /// Demands that the report takes into account all that the register `origin` had in the tree
    /// of `size` entries, which it had shown and signed before it was asked.
    ///
    /// # Errors
    /// [`ReceivedError::Older`], [`ReceivedError::Tree`].
    pub fn require_tree(&self, origin: &str, size: u64, root: Sha256) -> Result<(), ReceivedError> {
        let own = &self.completeness;
        let is_of_it =
            own.kind == CompletenessKind::Followed && own.origin.as_deref() == Some(origin);
        let found = own.size.filter(|_| is_of_it);
        let origin = || origin.to_owned();
        match found {
            Some(found) if found > size => Ok(()),
            Some(found) if found == size && own.root == Some(root) => Ok(()),
            Some(found) if found == size => Err(ReceivedError::Tree { origin: origin(), size }),
            _ => Err(ReceivedError::Older { origin: origin(), size, found }),
        }
    }
}

#[cfg(test)]
mod tests {
    use attest::Kind;

    use super::*;
    use crate::code::Code;
    use crate::decision::{Finding, Outcome, RuleResult};
    use crate::report::{Basis, CompletenessReport, Holds, PolicyReport};

    fn artifact(content: &[u8]) -> ArtifactId {
        ArtifactId::new(Kind::OciManifest, Sha256::of(content))
    }

    fn rule(outcome: Outcome) -> RuleResult {
        let (rule, evidence) = ("chain".to_owned(), Vec::new());
        RuleResult { rule, asks: None, outcome, evidence, detail: None }
    }

    fn passing() -> Report {
        Report {
            version: REPORT_VERSION.into(),
            artifact: artifact(b"image"),
            stage: "production".parse().unwrap(),
            mode: Mode::Enforce,
            on_error: None,
            passed: true,
            admitted: true,
            holds: Holds::default(),
            policy: PolicyReport {
                name: "own".into(),
                version: 1,
                uri: "https://example.test/policy".into(),
                digest: Sha256::of(b"policy"),
            },
            trust: Sha256::of(b"trust"),
            completeness: CompletenessReport {
                kind: CompletenessKind::None,
                origin: None,
                size: None,
                root: None,
            },
            advisory: false,
            rules: vec![rule(Outcome::Pass), rule(Outcome::NotApplicable)],
            findings: Vec::new(),
            waivers: Vec::new(),
            basis: Basis {
                attestations: Vec::new(),
                single_keys: Vec::new(),
                slsa_build_level: 0,
                reason: String::new(),
            },
            rejected: Vec::new(),
            unexplored: Vec::new(),
        }
    }

    fn finding() -> Finding {
        Finding {
            rule: "chain".into(),
            code: Code::RevokedArtifact,
            outcome: Outcome::Fail,
            message: "it is revoked".into(),
            evidence: Vec::new(),
            artifacts: Vec::new(),
            next: None,
            waived_by: None,
            considered: Vec::new(),
            remedy: None,
        }
    }

    fn waived(code: Code) -> Finding {
        let by = Some(Sha256::of(b"waiver"));
        Finding { code, outcome: Outcome::Waived, waived_by: by, ..finding() }
    }

    #[test]
    fn a_report_is_by_no_less_than_was_shown() {
        let root = Sha256::of(b"root");
        let by = |kind, origin: &str, size, root| {
            let (origin, size, root) = (Some(origin.to_owned()), Some(size), Some(root));
            CompletenessReport { kind, origin, size, root }
        };
        let (followed, claimed) = (CompletenessKind::Followed, CompletenessKind::Claimed);
        let cases = [
            ("all of it", by(followed, "log", 7, root), None),
            ("more", by(followed, "log", 8, Sha256::of(b"later")), None),
            ("an entry less", by(followed, "log", 6, root), Some("by 6 entries")),
            ("another tree", by(followed, "log", 7, Sha256::of(b"x")), Some("another tree of 7")),
            ("another register", by(followed, "other", 7, root), Some("nothing that says")),
            ("a claim", by(claimed, "log", 7, root), Some("nothing that says")),
            ("nothing", passing().completeness, Some("nothing that says")),
        ];
        for (name, completeness, want) in cases {
            let report = Report { completeness, ..passing() };
            let said = report.require_tree("log", 7, root).map_err(|error| error.to_string());
            match want {
                None => assert_eq!(said, Ok(()), "{name}"),
                Some(want) => assert!(said.unwrap_err().contains(want), "{name}"),
            }
        }
    }

    #[test]
    fn a_report_is_an_answer_only_as_a_whole() {
        type Change = fn(&mut Report);
        let cases: [(&str, Change, Option<&str>); 18] = [
            ("as it was made", |_| {}, None),
            ("a waived rule", |report| report.rules.push(rule(Outcome::Waived)), None),
            (
                "another version",
                |report| report.version = "assay/report/v2".into(),
                Some("version"),
            ),
            ("another artifact", |report| report.artifact = artifact(b"other"), Some("is about")),
            (
                "another kind of the same digest",
                |report| report.artifact = ArtifactId::file(Sha256::of(b"image")),
                Some("is about"),
            ),
            (
                "another stage",
                |report| report.stage = "staging".parse().unwrap(),
                Some("for stage `staging`"),
            ),
            ("an opinion", |report| report.advisory = true, Some("no opinion was asked")),
            (
                "a finding that is waived",
                |report| report.findings.push(waived(Code::AgeExceeded)),
                None,
            ),
            (
                "a finding that is waived by nothing",
                |report| {
                    let finding = Finding { waived_by: None, ..waived(Code::AgeExceeded) };
                    report.findings.push(finding);
                },
                Some("passed: true"),
            ),
            (
                "a finding that nobody can waive",
                |report| report.findings.push(waived(Code::RevokedArtifact)),
                Some("passed: true"),
            ),
            ("a finding", |report| report.findings.push(finding()), Some("passed: true")),
            (
                "a rule that fails",
                |report| report.rules.push(rule(Outcome::Fail)),
                Some("passed: true"),
            ),
            ("no rule that passes", |report| drop(report.rules.remove(0)), Some("passed: true")),
            ("denied for nothing", |report| report.passed = false, Some("passed: false")),
            (
                "denied and admitted where the stage enforces",
                |report| {
                    report.findings.push(finding());
                    report.passed = false;
                },
                Some("admitted: true"),
            ),
            (
                "denied and admitted where the stage warns",
                |report| {
                    report.findings.push(finding());
                    report.passed = false;
                    report.mode = Mode::Warn;
                },
                None,
            ),
            (
                "undecided and admitted where the stage warns",
                |report| {
                    report.rules.push(rule(Outcome::Error));
                    report.passed = false;
                    report.mode = Mode::Warn;
                },
                None,
            ),
            (
                "undecided and admitted where the stage refuses that",
                |report| {
                    report.rules.push(rule(Outcome::Error));
                    report.passed = false;
                    report.mode = Mode::Warn;
                    report.on_error = Some(OnError::Deny);
                },
                Some("admitted: true"),
            ),
        ];
        let stage = "production".parse().unwrap();
        for (name, change, want) in cases {
            let mut report = passing();
            change(&mut report);
            let said = report.require_answer(&artifact(b"image"), &stage, None);
            let said = said.err().map(|error| error.to_string());
            let fits = match (&said, want) {
                (said, None) => said.is_none(),
                (said, Some(words)) => said.as_ref().is_some_and(|text| text.contains(words)),
            };
            assert!(fits, "{name}: {said:?}, not {want:?}");
        }
    }

    #[test]
    fn an_opinion_is_by_the_policy_that_was_given() {
        let stage = "production".parse().unwrap();
        let opinion = Report { advisory: true, ..passing() };
        let ask = |report: &Report, policy: &[u8]| {
            report.require_answer(&artifact(b"image"), &stage, Some(Sha256::of(policy)))
        };
        assert_eq!(ask(&opinion, b"policy"), Ok(()));
        let (asked, found) = (Sha256::of(b"mine"), Sha256::of(b"policy"));
        assert_eq!(ask(&opinion, b"mine"), Err(ReceivedError::Policy { asked, found }));
        let binding = ask(&passing(), b"policy");
        assert_eq!(binding, Err(ReceivedError::Advisory { found: false }));
    }
}
