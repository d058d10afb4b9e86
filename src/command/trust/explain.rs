//! `assay trust explain`: what one key could make allowed, with nobody else.
//!
//! It reads what is in force, and says what a thief of the key could do: the roles, the steps and
//! the other rules whose threshold its owner meets alone, the types that it may sign, the stages that it promotes
//! to. A threshold counts owners: an owner's other keys are not counted in, as they were not lost.

use std::collections::BTreeSet;
use std::path::Path;

use ::attest::predicate::{REVOCATION, TOMBSTONE, VERIFICATION_SUMMARY};
use ::attest::{KeyId, StageName};
use ::verify::{Trust, TrustedKey};
use clap::Args;
use serde::Serialize;

use super::difference::{role, scope};
use crate::context::Context;
use crate::error::Error;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::rules::{self, Judging};

/// Say what one key could make allowed, with nobody else
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// The key: its name in the trust document, or its id
    #[arg(value_name = "KEY")]
    key: String,
}

impl ExplainArgs {
    pub(super) fn run(&self, named: Option<&Path>, cx: &Context<'_>) -> Result<Explained, Error> {
        let begun = cx.trust(named)?;
        let (trust, policies) = rules::known(begun, cx)?;
        let id = self.key.parse::<KeyId>().ok();
        let key = id.and_then(|id| trust.key(&id));
        let key = key.or_else(|| trust.named(&self.key).map(|(key, _)| key));
        let key = key.ok_or_else(|| Error::NoSuchKey(self.key.clone()))?;
        Ok(Explained::of(key, &trust, &policies))
    }
}

/// What a key could do.
#[derive(Serialize)]
pub(super) struct Explained {
    version: &'static str,
    key: KeyId,
    names: Vec<String>,
    owner: String,
    custody: &'static str,
    /// What it may sign at most, each name in words.
    grants: Vec<String>,
    /// The roles of the trust document that it has, and those that it fulfils alone.
    roles: Vec<RoleRow>,
    /// The stages that it promotes to.
    promotes: Vec<String>,
    revokes: bool,
    erases: bool,
    /// The steps of policies that it fulfils alone.
    steps: Vec<StepRow>,
    /// What else it signs for policies, as approvals and scans are, and what of it is fulfilled
    /// alone.
    rules: Vec<SignedRow>,
    /// The stages in which it needs nobody else: it fulfils all that is to be signed.
    allows: Vec<String>,
}

#[derive(Serialize)]
struct RoleRow {
    role: String,
    alone: bool,
}

#[derive(Serialize)]
struct StepRow {
    stage: StageName,
    policy: String,
    step: String,
    alone: bool,
}

#[derive(Serialize)]
struct SignedRow {
    stage: StageName,
    policy: String,
    rule: String,
    alone: bool,
}

impl Explained {
    fn of(key: &TrustedKey, trust: &Trust, policies: &Judging) -> Self {
        let id = key.id();
        let names: Vec<String> = key.grants().iter().map(|one| one.name().to_owned()).collect();
        let may = |predicate: &str| {
            key.grants().iter().any(|grant| grant.may().predicates.has(predicate))
        };
        let alone = BTreeSet::from([id]);
        let roles = trust.governance().map(|one| one.roles()).unwrap_or_default();
        let verifies = trust.verifiers().iter().any(|verifier| verifier.key() == Some(id));
        let promotes = |stage: &str| {
            let in_scope = key.grants().iter().any(|grant| {
                let may = grant.may();
                may.predicates.has(VERIFICATION_SUMMARY) && may.stages.has(stage)
            });
            let gate = trust.governance().is_none_or(|governance| {
                let stage = stage.parse::<StageName>().ok();
                governance.is_gate_quorum(&alone, stage.as_ref())
            });
            verifies && in_scope && gate
        };
        let steps: Vec<StepRow> = policies
            .iter()
            .flat_map(|(stage, policy)| {
                policy.steps_signed_by(&names).map(move |(step, alone)| StepRow {
                    stage: stage.clone(),
                    policy: policy.name().into(),
                    step: step.to_string(),
                    alone: alone && may_run(key, step.as_str()),
                })
            })
            .collect();
        let rules = policies.iter().flat_map(|(stage, policy)| {
            let signed = policy.rules_signed_by(&names);
            let signed = signed.filter(|signed| signed.predicate.is_none_or(may));
            signed.map(move |signed| SignedRow {
                stage: stage.clone(),
                policy: policy.name().into(),
                rule: signed.rule.into(),
                alone: signed.alone,
            })
        });
        let rules: Vec<SignedRow> = rules.collect();
        let stages: Vec<&StageName> = policies.iter().map(|(stage, _)| stage).collect();
        let listed = key.grants().iter().flat_map(|grant| grant.may().stages.list());
        let asked: BTreeSet<String> =
            stages.iter().map(|stage| stage.to_string()).chain(listed).collect();
        let allows = policies.iter().filter(|(stage, policy)| {
            let all = policy.step_count();
            policy.needs_nobody_but(&names)
                && steps.iter().filter(|row| row.stage == *stage && row.alone).count() == all
        });
        Self {
            version: "assay/trust-explained/v1",
            key: id,
            owner: key.owner().into(),
            custody: key.custody().as_str(),
            grants: key
                .grants()
                .iter()
                .map(|grant| format!("{}: {}", grant.name(), scope(grant)))
                .collect(),
            roles: roles
                .iter()
                .filter(|role| role.has(&id))
                .map(|one| RoleRow { role: role(one), alone: one.is_met(&alone) })
                .collect(),
            promotes: asked.into_iter().filter(|stage| promotes(stage)).collect(),
            revokes: may(REVOCATION),
            erases: may(TOMBSTONE),
            allows: allows.map(|(stage, _)| stage.to_string()).collect(),
            steps,
            rules,
            names,
        }
    }

    /// Whether it could decide anything with nobody else.
    fn decides_alone(&self) -> bool {
        !self.allows.is_empty()
            || !self.promotes.is_empty()
            || self.roles.iter().any(|one| one.alone)
    }
}

/// Whether a key may sign statements of a step, whatever their types.
fn may_run(key: &TrustedKey, step: &str) -> bool {
    key.grants().iter().any(|grant| grant.may().steps.has(step))
}

impl Answer for Explained {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Strong, self.names.join(", ")).text("  ").put(Tone::Faint, self.key).end();
        page.put(Tone::Faint, "  owner     ");
        page.line(format_args!("{}, custody {}", self.owner, self.custody));
        for grant in &self.grants {
            page.put(Tone::Faint, "  may       ").line(grant);
        }
        let alone = |alone| if alone { (Tone::Bad, "alone") } else { (Tone::Plain, "with others") };
        for RoleRow { role, alone: is_alone } in &self.roles {
            let (tone, word) = alone(*is_alone);
            page.put(Tone::Faint, "  role      ").put(tone, word).text(": ").line(role);
        }
        for StepRow { stage, policy, step, alone: is_alone } in &self.steps {
            let (tone, word) = alone(*is_alone);
            page.put(Tone::Faint, "  step      ").put(tone, word);
            page.line(format_args!(": {step}, for stage {stage} by policy {policy}"));
        }
        for SignedRow { stage, policy, rule, alone: is_alone } in &self.rules {
            let (tone, word) = alone(*is_alone);
            page.put(Tone::Faint, "  signs     ").put(tone, word);
            page.line(format_args!(": {rule}, for stage {stage} by policy {policy}"));
        }
        if !self.promotes.is_empty() {
            page.put(Tone::Faint, "  promotes  ")
                .line(format_args!("to {}", self.promotes.join(", ")));
        }
        if self.revokes {
            page.put(Tone::Faint, "  revokes   ").line("artifacts, keys and attestations");
        }
        if self.erases {
            page.put(Tone::Faint, "  erases    ")
                .line("its word is enough that a statement was erased");
        }
        match self.allows.as_slice() {
            _ if !self.decides_alone() => {
                page.line("by itself it makes nothing allowed");
            }
            [] => {}
            stages => {
                page.put(Tone::Bad, "by itself it fulfils every step").text(" for stage ");
                page.line(stages.join(", "));
            }
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
