//! Who of those whom the policy names may sign what a remedy proposes.
//!
//! A policy narrows what the trust document says and cannot widen it: somebody who is named here, and
//! whom that document does not let sign the statement, would sign it in vain.

use std::collections::BTreeSet;

use attest::{Statement, StepName};
use serde_json::Value;
use verify::{NotNow, OutOfScope, Scope};

use super::{Means, PLACEHOLDER, Remedy};
use crate::decision::Finding;
use crate::rules::Question;

/// What is to be signed.
enum Wanted {
    /// This statement; whether whoever fills it in chooses what its subjects are called.
    Statement { said: Box<Statement>, unnamed: bool },
    /// Some statement of a step, of one of these types.
    Step { step: StepName, predicates: Vec<String> },
}

/// Leaves out who may not sign. Where too few are left, the trust document has to let somebody
/// first, and the finding says so.
pub(super) fn narrow(question: Question<'_>, finding: &mut Finding, remedy: Remedy) -> Remedy {
    if remedy.signers.is_empty() {
        return remedy;
    }
    let Some(wanted) = Wanted::of(question, &remedy) else { return remedy };
    let scopes = question.lineage.scopes();
    let may = |name: &&String| {
        let scope = scopes.named(name);
        scope.is_some_and(|scope| is_meant(question, scope) && wanted.is_for(question, scope))
    };
    let left: Vec<String> = remedy.signers.iter().filter(may).cloned().collect();
    let owners: BTreeSet<&str> =
        left.iter().filter_map(|name| scopes.named(name)).map(Scope::owner).collect();
    if owners.len() >= remedy.owners || remedy.kind == Means::Anew {
        return Remedy { signers: left, ..remedy };
    }
    let named: Vec<String> = remedy.signers.iter().map(|name| format!("`{name}`")).collect();
    let next = finding.next.take().unwrap_or_default();
    finding.next = Some(format!(
        "have the trust document let {} sign {}, each with a key that is good; then {next}",
        named.join(" or "),
        wanted.words(),
    ));
    Remedy { signers: remedy.signers, owners: remedy.owners, ..Remedy::new(Means::Trust) }
}

/// Whether the policy may mean whoever the trust document has under this name: not where it wants
/// another key, or a certificate where there is a key.
fn is_meant(question: Question<'_>, scope: &Scope) -> bool {
    let Some(narrowed) = &question.model.narrowed else { return true };
    narrowed.signers.get(scope.grant().name()).is_some_and(|wanted| {
        let certified =
            wanted.issuer.is_some() || wanted.authority.is_some() || wanted.identity.is_some();
        match scope.key() {
            Some(key) => !certified && wanted.key.is_none_or(|wanted| wanted == key),
            None => wanted.key.is_none(),
        }
    })
}

impl Wanted {
    fn of(question: Question<'_>, remedy: &Remedy) -> Option<Self> {
        if let Some(skeleton) = &remedy.skeleton {
            let filled = skeleton.filled(|one| one.suffices.clone());
            let said = Statement::parse(filled.to_string().as_bytes()).ok()?;
            let subjects = skeleton.statement.get("subject").and_then(Value::as_array);
            let open = |one: &Value| {
                let name = one.get("name").and_then(Value::as_str);
                name.is_none_or(|name| name.starts_with(PLACEHOLDER))
            };
            let unnamed = subjects.is_some_and(|all| all.iter().any(open));
            return Some(Self::Statement { said: Box::new(said), unnamed });
        }
        let words: Vec<&str> = remedy.argv.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["assay", "attest", "cosign", entry, ..] => {
                let entry = entry.parse().ok();
                let mut all = question.lineage.attestations().iter();
                let one = all.find(|one| one.index == entry)?;
                let said = Box::new(one.statement().clone());
                Some(Self::Statement { said, unnamed: false })
            }
            ["assay", "run", "--step", step, ..] => {
                let step = question.model.steps.iter().find(|one| one.name.as_str() == *step)?;
                let predicates = step.predicates.clone();
                Some(Self::Step { step: step.name.clone(), predicates })
            }
            _ => None,
        }
    }

    fn is_for(&self, question: Question<'_>, scope: &Scope) -> bool {
        let (scopes, now) = (question.lineage.scopes(), question.now);
        match self {
            Self::Statement { said, unnamed } => match scopes.would_count(scope, said, now) {
                Err(NotNow::OutOfScope(OutOfScope::Artifact(_))) => *unnamed,
                found => found.is_ok(),
            },
            Self::Step { step, predicates } => {
                let may = scope.grant().may();
                scopes.is_good(scope, now).is_ok()
                    && may.steps.has(step.as_str())
                    && predicates.iter().any(|one| may.predicates.has(one))
            }
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Statement { said, .. } => match said.step() {
                Some(step) => format!("`{}` of step `{step}`", said.predicate_type()),
                None => format!("`{}`", said.predicate_type()),
            },
            Self::Step { step, .. } => format!("statements of step `{step}`"),
        }
    }
}
