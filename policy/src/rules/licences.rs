//! Licences of what is in the artifact, by its bill of materials.
//!
//! The last bill by position counts, of those whom the rule names. Every component must have a
//! licence that suits; one without, and a bill without components, says nothing and fails.

use attest::predicate::bom::{Bom, BomError, Component};
use verify::Attestation;

use super::rule::{Asked, Reads, Rule, View};
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::licence::Licences;
use crate::model::Model;
use crate::remedy::{self, Remedy};
use crate::whom::{NOBODY, Whom};

/// How many components a message names.
const MAX_NAMED: usize = 5;

/// Which licences components may have.
#[derive(Clone, Debug)]
pub(crate) struct ComponentLicences {
    pub(crate) licences: Licences,
    pub(crate) whom: Whom,
    /// Whether a component may be without one.
    pub(crate) unlicensed: bool,
}

impl Rule for ComponentLicences {
    fn place(&self) -> &str {
        "dependencies.licences"
    }

    fn asks(&self, _: &Model) -> String {
        format!("every component has a licence that suits: {}", self.licences.words())
    }

    fn reads(&self, _: &Model) -> Vec<Reads> {
        let mut reads = vec![
            Reads::Type(attest::predicate::CYCLONEDX.into()),
            Reads::field("/predicate/components/*/licenses/*"),
            Reads::signers(&self.whom),
            Reads::Digests,
            Reads::Order,
        ];
        reads.extend(self.licences.denied().iter().cloned().map(Reads::Word));
        reads
    }

    fn asked(&self, _: &Model) -> Vec<Asked<'_>> {
        vec![Asked::one("list components", &self.whom, &[attest::predicate::CYCLONEDX])]
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let artifact = view.question.artifact;
        let bills = view.about(&artifact, |one| Bom::of(&one.statement().predicate));
        // What says of vulnerabilities alone is a bill by its type, and lists nothing.
        let lists = |bom: &Result<Bom<'_>, BomError>| {
            bom.is_err() || bom.is_ok_and(|bom| bom.components().is_ok_and(|all| !all.is_empty()))
        };
        let counting = bills.iter().filter(|(one, bom)| self.whom.stand_behind(one) && lists(bom));
        let next = format!(
            "have {} sign a CycloneDX bill of materials of {artifact}, and register it",
            self.whom.words()
        );
        let Some((one, bom)) = counting.max_by_key(|(one, _)| one.index) else {
            let message = format!("no bill of materials of {artifact} that lists anything counts");
            let near = bills.iter().map(|(one, _)| *one);
            let problem = Problem::fail(Code::LicenceUnlisted, message, next).shown_by(near);
            let why = |(one, bom): &(&Attestation, Result<Bom<'_>, BomError>)| {
                let why = if lists(bom) { NOBODY } else { "it lists no component" };
                (one.body(), why.to_owned())
            };
            let problem = problem.considering(bills.iter().rev().map(why));
            let problem = problem.mended(self.bill(view));
            draft.fail(self.place(), vec![problem.about([artifact])]);
            return;
        };
        let unsuited = bom.and_then(|bom| {
            let mut unsuited = Vec::new();
            for component in bom.components()? {
                unsuited.extend(self.unsuited(&component)?);
            }
            Ok(unsuited)
        });
        let problem = match unsuited {
            Ok(unsuited) if unsuited.is_empty() => {
                draft.rests(self.place(), &[*one], |one, by| self.whom.counts(one, by));
                draft.pass(self.place(), bodies([*one]), None);
                return;
            }
            Ok(unsuited) => {
                let more = unsuited.len().saturating_sub(MAX_NAMED);
                let named: Vec<String> = unsuited.into_iter().take(MAX_NAMED).collect();
                let more = if more > 0 { format!(", and {more} more") } else { String::new() };
                let message =
                    format!("{}{more}; what suits is {}", named.join(", "), self.licences.words());
                let next = "replace these components, and make the artifact and its bill again";
                Problem::fail(Code::LicenceDenied, message, next)
            }
            Err(error) => {
                let message = format!("the bill of materials is unreadable: {error}");
                Problem::error(Code::LicenceUnlisted, message, next).mended(self.bill(view))
            }
        };
        draft.fail(self.place(), vec![problem.shown_by([*one]).about([artifact])]);
    }
}

impl ComponentLicences {
    /// A bill that lists something.
    fn bill(&self, view: View<'_, '_>) -> Remedy {
        let bill = remedy::component_bill(view.question, &self.licences);
        Remedy::statement(bill, &self.whom)
    }

    fn unsuited(&self, component: &Component<'_>) -> Result<Option<String>, BomError> {
        let licences = component.licences()?;
        if licences.is_empty() {
            let label = component.label();
            return Ok((!self.unlicensed).then(|| format!("`{label}` has no licence")));
        }
        let unsuited = licences.iter().find(|one| self.licences.suit(one) != Some(true));
        Ok(unsuited.map(|found| format!("`{}` is under `{found}`", component.label())))
    }
}
