//! Demanded flow: what one step made is, by digest, what the other one used.
//!
//! Names decide nothing but which product is meant, and a name that no product has is a failure.
//! A product has entered a step when the step has it, something that a manifest proves it to be
//! in, or every part that a manifest proves to be in it.

use attest::ArtifactId;
use verify::{Attestation, Named};

use super::Question;
use super::chain::Chain;
use super::joint::FlowState;
use crate::code::Code;
use crate::document::nearest;
use crate::draft::{Draft, Problem, bodies};
use crate::model::{Coverage, Endpoint, Port};
use crate::remedy::{Means, Remedy};

/// How many names a message has.
const MAX_NAMED: usize = 5;

/// What one step made must enter another.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) rule: String,
    pub(crate) from: Endpoint,
    /// The whole name of the product that is meant; every product when `None`.
    pub(crate) select: Option<String>,
    pub(crate) to: Endpoint,
    pub(crate) coverage: Coverage,
}

impl Flow {
    /// The products of `maker` that are meant.
    pub(crate) fn selected(&self, maker: &Attestation) -> impl Iterator<Item = ArtifactId> {
        selected(self.select.as_deref(), maker)
    }
}

/// The products of `maker` with the whole name `select`, or all of them.
pub(crate) fn selected(
    select: Option<&str>,
    maker: &Attestation,
) -> impl Iterator<Item = ArtifactId> {
    let meant = move |name: &str| select.is_none_or(|select| name == select);
    maker.subjects.iter().filter(move |one| meant(&one.name)).map(|one| one.artifact)
}

/// Says what came of every demanded flow.
pub(crate) fn judge(question: Question<'_>, chain: &Chain<'_>, draft: &mut Draft) {
    for (flow, state) in question.model.flows.iter().zip(&chain.flows) {
        let (makers, takers) = (chain.chosen(flow.from.step), chain.chosen(flow.to.step));
        let name = |end: Endpoint| {
            let step = question.model.steps.get(end.step);
            step.map_or("", |step| step.name.as_str())
        };
        let (from, to) = (name(flow.from), name(flow.to));
        let port = flow.to.port.as_str();
        let problem = match state {
            FlowState::Joins => {
                draft.pass(&flow.rule, bodies(makers.iter().chain(takers).copied()), None);
                continue;
            }
            FlowState::NoStep => {
                draft.follows(&flow.rule, format!("follows from steps.{from} or steps.{to}"));
                continue;
            }
            FlowState::Unmatched => {
                draft.fail(&flow.rule, vec![unmatched(flow.select.as_deref(), from, makers)]);
                continue;
            }
            FlowState::Missing => Problem::fail(
                Code::FlowMissing,
                format!("nothing that `{from}` made is among the {port} of `{to}`"),
                format!("run `{to}` on what `{from}` made, without changing it in between"),
            ),
            FlowState::Broken => Problem::fail(
                Code::FlowBroken,
                format!("not everything that `{from}` made is among the {port} of `{to}`"),
                format!(
                    "run `{to}` on everything that `{from}` made, or select one product in the \
                     policy"
                ),
            ),
            FlowState::Apart => Problem::fail(
                Code::FlowBroken,
                "the statements of the joined steps do not come from one chain".into(),
                format!("run all steps from the first to `{to}` once more, each on the last"),
            ),
            FlowState::Undecided => Problem::error(
                Code::TraceUnexplored,
                "there are too many statements to tell which belong together".into(),
                "revoke statements that are not needed, or narrow the signers of the steps",
            ),
        };
        let considered: Vec<_> = takers
            .iter()
            .rev()
            .map(|taker| (taker.body(), near(flow, from, makers, taker)))
            .collect();
        let missing = makers.iter().flat_map(|maker| flow.selected(maker));
        let problem = problem
            .about(missing)
            .shown_by(takers.iter().chain(makers).copied())
            .considering(considered);
        let problem = match state {
            FlowState::Apart => {
                problem.mended(Remedy::step(Means::Anew, question, chain, flow.from.step))
            }
            FlowState::Missing | FlowState::Broken => {
                problem.mended(Remedy::step(Means::Run, question, chain, flow.to.step))
            }
            _ => problem.mended(Remedy::new(Means::Policy)),
        };
        draft.fail(&flow.rule, vec![problem]);
    }
}

/// What a statement has instead of what it should have, in words.
fn near(flow: &Flow, from: &str, makers: &[&Attestation], taker: &Attestation) -> String {
    let has = match flow.to.port {
        Port::Materials => &taker.materials,
        Port::Products | Port::Subject => &taker.subjects,
    };
    let made: Vec<&Named> = makers.iter().flat_map(|maker| &maker.subjects).collect();
    let renewed = has.iter().find(|one| {
        made.iter().any(|made| made.name == one.name && made.artifact != one.artifact)
            && made.iter().all(|made| made.artifact != one.artifact)
    });
    if let Some(other) = renewed {
        let Named { name, artifact, .. } = other;
        return format!("it has `{name}` as {artifact}, which is not what `{from}` made");
    }
    let names = has.iter().take(MAX_NAMED).map(|one| format!("`{}`", one.name));
    let names: Vec<String> = names.collect();
    match names.is_empty() {
        true => format!("it has no {}", flow.to.port.as_str()),
        false => format!("its {} are {}", flow.to.port.as_str(), names.join(", ")),
    }
}

/// The finding for a name that selects nothing.
pub(crate) fn unmatched(select: Option<&str>, from: &str, makers: &[&Attestation]) -> Problem {
    let select = select.unwrap_or_default();
    let message = format!("no product of `{from}` is called `{select}`");
    let next = format!("select a product by the name that `{from}` gives it");
    let why = |maker: &&Attestation| {
        let names: Vec<&str> = maker.subjects.iter().map(|one| one.name.as_str()).collect();
        let near = nearest(select, names.iter().copied());
        let names = names.iter().take(MAX_NAMED).map(|name| format!("`{name}`"));
        let names: Vec<String> = names.collect();
        let near = near.map_or_else(String::new, |near| format!("; the nearest is `{near}`"));
        (maker.body(), format!("its products are called {}{near}", names.join(", ")))
    };
    Problem::fail(Code::FlowUnmatched, message, next)
        .shown_by(makers.iter().copied())
        .considering(makers.iter().map(why))
}
