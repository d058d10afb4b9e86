//! Data that went in: under which licence it may be used, and who approved it.
//!
//! What is data is every material of the steps that the policy names, by digest, but commits and
//! what has the role of a tool or of a base model, or another role that the policy excepts. The
//! role is the word of whoever signed the step. What is said of a whole counts for what a manifest
//! proves to be in it.

use std::collections::{BTreeMap, BTreeSet};

use attest::ArtifactId;
use attest::predicate::bom::{Bom, BomError};
use verify::{Attestation, Named};

use super::approval::Approvals;
use super::rule::{Asked, Reads, Rule, View};
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::licence::Licences;
use crate::model::Model;
use crate::remedy::{self, Means, Remedy};
use crate::whom::{NOBODY, Whom};

/// The roles of what is no data: runtimes and lock files, as the recorder calls them, and base
/// models, which have a rule of their own.
pub(crate) const NO_DATA: [&str; 3] = ["runtime", "environment-lock", "base-model"];

/// Whose data is meant.
#[derive(Clone, Debug)]
pub(crate) struct DataOf {
    pub(crate) steps: Vec<usize>,
    /// More roles of what is no data.
    pub(crate) except: Vec<String>,
}

/// Under which licences data must be had.
#[derive(Clone, Debug)]
pub(crate) struct DataLicences {
    pub(crate) data: DataOf,
    pub(crate) licences: Licences,
    pub(crate) whom: Whom,
}

/// Who must have approved data.
#[derive(Clone, Debug)]
pub(crate) struct DataApproval {
    pub(crate) data: DataOf,
    pub(crate) approvals: Approvals,
}

/// A data set under the name that a step gives it, with the statements of the step.
type Found<'a> = BTreeMap<ArtifactId, (&'a str, Vec<&'a Attestation>)>;

impl DataOf {
    fn words(&self, model: &Model) -> String {
        let steps = self.steps.iter().filter_map(|step| model.steps.get(*step));
        let steps: Vec<&str> = steps.map(|step| step.name.as_str()).collect();
        format!("all data of {}", steps.join(" and "))
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let steps = self.steps.iter().filter_map(|step| Reads::step(model, *step));
        steps.chain([Reads::Digests]).collect()
    }

    /// The data, and what stands against judging it; `None` where a step does not hold itself.
    fn find<'a>(
        &self,
        place: &str,
        view: View<'_, 'a>,
        draft: &mut Draft,
    ) -> Option<(Found<'a>, Vec<Problem>)> {
        let (mut found, mut problems) = (Found::new(), Vec::new());
        for step in &self.steps {
            let name = view.step_name(*step);
            if !view.chain.is_found(*step) {
                draft.follows(place, format!("follows from steps.{name}"));
                return None;
            }
            // What another statement of the step says that went in went in all the same.
            for one in view.chain.steps.get(*step).into_iter().flat_map(|links| &links.all) {
                if let Some(unknown) = one.unidentified.first() {
                    let message = format!("`{name}` used `{unknown}`, which no digest identifies");
                    let next = format!("record `{name}` with a sha256 digest of all that it used");
                    let problem = Problem::error(Code::DatasetUnidentified, message, next);
                    let again = Remedy::step(Means::Anew, view.question, view.chain, *step);
                    problems.push(problem.shown_by([*one]).mended(again));
                }
                for material in &one.materials {
                    if is_data(material, &self.except) {
                        let entry = found.entry(material.artifact);
                        entry.or_insert((&material.name, Vec::new())).1.push(*one);
                    }
                }
            }
        }
        if found.is_empty() && problems.is_empty() {
            let message = "no data went in, and the policy asks for some".to_owned();
            let next = "run the step on its data, so that it is recorded";
            let problem = Problem::fail(Code::DatasetMissing, message, next);
            let first = self.steps.first().copied().unwrap_or_default();
            let again = Remedy::step(Means::Run, view.question, view.chain, first);
            problems.push(problem.mended(again));
        }
        Some((found, problems))
    }
}

/// Whether what went in is data, by its role; `except` names more roles of what is none.
pub(crate) fn is_data(material: &Named, except: &[String]) -> bool {
    let role = material.role.as_deref().unwrap_or_default();
    !matches!(material.artifact, ArtifactId::Git(_))
        && !NO_DATA.contains(&role)
        && !except.iter().any(|except| except == role)
}

impl Rule for DataLicences {
    fn place(&self) -> &str {
        "ml.datasets.licences"
    }

    fn asks(&self, model: &Model) -> String {
        format!("{} has a licence that suits: {}", self.data.words(model), self.licences.words())
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let mut reads = self.data.reads(model);
        reads.extend([
            Reads::Type(attest::predicate::CYCLONEDX.into()),
            Reads::field("/predicate/metadata/component/licenses/*"),
            Reads::signers(&self.whom),
            Reads::Order,
        ]);
        reads.extend(self.licences.denied().iter().cloned().map(Reads::Word));
        reads
    }

    fn asked(&self, _: &Model) -> Vec<Asked<'_>> {
        vec![Asked::one("list licences of data", &self.whom, &[attest::predicate::CYCLONEDX])]
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let Some((found, mut problems)) = self.data.find(self.place(), view, draft) else { return };
        let mut evidence = Vec::new();
        for (artifact, (name, used)) in found {
            match self.licensed(view, artifact, name) {
                Ok(one) => {
                    draft.rests(self.place(), &[one], |one, by| self.whom.counts(one, by));
                    evidence.push(one);
                }
                Err(problem) => {
                    let bill = remedy::data_bill(view.question, &artifact, &self.licences);
                    let remedy = Remedy::statement(bill, &self.whom);
                    let problem = problem.shown_by(used).about([artifact]);
                    problems.push(problem.mended(remedy));
                }
            }
        }
        if problems.is_empty() {
            draft.pass(self.place(), bodies(evidence), None);
        } else {
            draft.fail(self.place(), problems);
        }
    }
}

impl DataLicences {
    fn licensed<'a>(
        &self,
        view: View<'_, 'a>,
        artifact: ArtifactId,
        name: &str,
    ) -> Result<&'a Attestation, Problem> {
        let next = format!(
            "have {} sign a CycloneDX bill of materials of `{name}` with its licence, and submit \
             it to the register",
            self.whom.words()
        );
        let wholes = view.past.with_wholes(artifact);
        let all = wholes
            .iter()
            .flat_map(|whole| view.about(whole, |one| Bom::of(&one.statement().predicate)));
        let counting = all.filter(|(one, _)| self.whom.stand_behind(one));
        let Some((one, bom)) = counting.max_by_key(|(one, _)| one.index) else {
            let message = format!("nobody who may says under which licence `{name}` is");
            let near = wholes
                .iter()
                .flat_map(|whole| view.about(whole, |one| Bom::of(&one.statement().predicate)))
                .map(|(one, _)| (one.body(), NOBODY.to_owned()));
            let problem = Problem::fail(Code::DatasetLicence, message, next);
            return Err(problem.considering(near));
        };
        let read = || -> Result<Vec<&str>, BomError> {
            bom?.subject().map_or(Ok(Vec::new()), |subject| subject.licences())
        };
        let licences = match read() {
            Ok(licences) => licences,
            Err(error) => {
                let message = format!("the bill of materials of `{name}` is unreadable: {error}");
                let problem = Problem::error(Code::DatasetLicence, message, next);
                return Err(problem.shown_by([one]));
            }
        };
        let unsuited = licences.iter().find(|one| self.licences.suit(one) != Some(true));
        let message = match unsuited {
            None if licences.is_empty() => format!("the bill of `{name}` names no licence"),
            None => return Ok(one),
            Some(found) => {
                format!("`{name}` is under `{found}`, and what suits is {}", self.licences.words())
            }
        };
        Err(Problem::fail(Code::DatasetLicence, message, next).shown_by([one]))
    }
}

impl Rule for DataApproval {
    fn place(&self) -> &str {
        "ml.datasets.approval"
    }

    fn asks(&self, model: &Model) -> String {
        format!("{} is {}", self.data.words(model), self.approvals.words())
    }

    fn reads(&self, model: &Model) -> Vec<Reads> {
        let mut reads = self.data.reads(model);
        reads.extend(self.approvals.reads());
        reads
    }

    fn asked(&self, _: &Model) -> Vec<Asked<'_>> {
        vec![self.approvals.asked()]
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let Some((found, mut problems)) = self.data.find(self.place(), view, draft) else { return };
        let mut evidence = Vec::new();
        for (artifact, (name, used)) in found {
            let wholes = view.past.with_wholes(artifact);
            let what = format!("`{name}`");
            match self.approvals.find(view, &wholes, &BTreeSet::new(), &what, draft) {
                Ok(found) => {
                    let whom = &self.approvals.whom;
                    draft.rests(self.place(), &found, |one, by| whom.counts(one, by));
                    evidence.extend(found);
                }
                Err(problem) => problems.push(problem.shown_by(used)),
            }
        }
        if problems.is_empty() {
            draft.pass(self.place(), bodies(evidence), None);
        } else {
            draft.fail(self.place(), problems);
        }
    }
}
