//! Monitoring: how the artifact fares where it runs, and how lately somebody looked.
//!
//! Of all windows that count the last by position decides, and every believed one that is not older
//! speaks against the artifact. Numbers are held against the policy's thresholds, on every feature.
//! What a monitor says of its own verdict is read to the artifact's disadvantage alone.

use std::collections::BTreeSet;

use attest::predicate::Monitoring as Window;
use attest::{Decimal, Predicate, Timestamp};
use serde_json::Value;
use verify::Attestation;

use super::bound::Bound;
use super::rule::{Asked, Reads, Rule, View, Without, older};
use super::vulnerabilities::too_old;
use crate::age::MaxAge;
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::{Model, OnMissing};
use crate::number::exact;
use crate::remedy::{self, Remedy};
use crate::whom::{NOBODY, Whom};

/// How many numbers of a window are looked at to say what it measures.
const MAX_NAMED: usize = 16;
/// The verdict of a monitor that found nothing.
const OK: &str = "OK";

/// How the artifact must fare.
#[derive(Clone, Debug)]
pub(crate) struct Monitoring {
    pub(crate) whom: Whom,
    pub(crate) max_age: MaxAge,
    pub(crate) drift: Vec<Drift>,
    pub(crate) on_missing: OnMissing,
}

/// A number that must have been seen, and within which bounds.
#[derive(Clone, Debug)]
pub(crate) struct Drift {
    pub(crate) metric: String,
    pub(crate) at_least: Option<Decimal>,
    pub(crate) at_most: Option<Decimal>,
}

impl Rule for Monitoring {
    fn place(&self) -> &str {
        "monitoring"
    }

    fn asks(&self, _: &Model) -> String {
        let mut asks = format!(
            "{} looked at it at most {} ago and found it good",
            self.whom.words(),
            self.max_age
        );
        for drift in &self.drift {
            asks.push_str(&format!(", {}", drift.words()));
        }
        if self.on_missing == OnMissing::Accept {
            asks.push_str(", if anybody looked");
        }
        asks
    }

    fn reads(&self, _: &Model) -> Vec<Reads> {
        let mut reads = vec![
            Reads::Type(attest::predicate::MONITORING.into()),
            Reads::field("/predicate/window/to"),
            Reads::field("/predicate/measurements/*"),
            Reads::field("/predicate/verdict"),
            Reads::signers(&self.whom),
            Reads::Digests,
            Reads::Order,
            Reads::age(self.max_age),
        ];
        for drift in &self.drift {
            let bounds = Bound::within(drift.at_least, drift.at_most).into_iter();
            let of = |bound: Bound| bound.of_metric(&drift.metric).in_field("value");
            reads.extend(bounds.map(|bound| Reads::Bound(of(bound))));
        }
        reads
    }

    fn asked(&self, _: &Model) -> Vec<Asked<'_>> {
        let without = match self.on_missing {
            OnMissing::Accept => Without::AsksNothing,
            OnMissing::Deny => Without::CannotHold,
        };
        let look = Asked::one("look at it", &self.whom, &[attest::predicate::MONITORING]);
        vec![Asked { without, ..look }]
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let artifact = view.question.artifact;
        let mut windows = view.about(&artifact, window);
        // What a signer said whose time has run out counts against it alone.
        let counting = windows.iter().filter(|(one, _)| self.whom.stand_behind(one));
        let last = counting.map(|(one, _)| one.index).max();
        windows.extend(view.lapsed(&artifact, window));
        let next = format!("have {} look at {artifact} again, and register it", self.whom.words());
        if last.is_none() && windows.is_empty() && self.on_missing == OnMissing::Accept {
            let detail = "nobody has looked yet, and the policy takes that";
            draft.not_applicable(self.place(), detail);
            return;
        }
        let mending =
            || Remedy::statement(remedy::monitoring(view.question, &self.drift), &self.whom);
        let mut problems = Vec::new();
        if last.is_none() && self.on_missing == OnMissing::Deny {
            let message = format!("no window of monitoring of {artifact} counts");
            let near = windows.iter().map(|(one, _)| (one.body(), NOBODY.to_owned()));
            let problem = Problem::fail(Code::MonitoringMissing, message, next.as_str());
            problems.push(problem.considering(near));
        }
        let mut evidence = Vec::new();
        let recent =
            |one: &Attestation| one.index.is_none() || last.is_none_or(|last| one.index >= last);
        for (one, window) in windows.iter().filter(|(one, _)| recent(one)) {
            let fail = |code, message| {
                Problem::fail(code, message, next.as_str()).shown_by([*one]).about([artifact])
            };
            if Some(one.index) == last && self.whom.stand_behind(one) {
                evidence.push(*one);
                let now = view.question.now;
                let since = older(until(window), one);
                let old = too_old("last window of monitoring", since, self.max_age, now, draft);
                problems.extend(old.map(|why| fail(Code::MonitoringAge, why)));
                let missing = self.drift.iter().filter(|drift| drift.values(window).is_empty());
                problems.extend(missing.map(|drift| {
                    let message = format!("the last window does not measure `{}`", drift.metric);
                    let near = (one.body(), measures(window));
                    fail(Code::MonitoringMissing, message).considering([near])
                }));
            }
            if window.verdict != OK {
                let message = format!("the monitor says `{}`", window.verdict);
                problems.push(fail(Code::MonitoringVerdict, message));
            }
            for drift in &self.drift {
                let beyond =
                    drift.values(window).into_iter().find(|(_, value)| !drift.admits(value));
                problems.extend(beyond.map(|(feature, value)| {
                    let message = format!(
                        "`{}` of `{feature}` is {value}, and must be {}",
                        drift.metric,
                        drift.bounds()
                    );
                    fail(Code::MonitoringDrift, message)
                }));
            }
        }
        if !problems.is_empty() {
            let problems = problems.into_iter().map(|one: Problem| one.mended(mending()));
            draft.fail(self.place(), problems.collect());
        } else if evidence.is_empty() {
            draft.not_applicable(self.place(), "nobody whom the policy names has looked yet");
        } else {
            draft.rests(self.place(), &evidence, |one, by| self.whom.counts(one, by));
            draft.pass(self.place(), bodies(evidence), None);
        }
    }
}

impl Drift {
    fn words(&self) -> String {
        format!("{} is {}", self.metric, self.bounds())
    }

    pub(crate) fn bounds(&self) -> String {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) => format!("from {least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => "a number".into(),
        }
    }

    /// The values of the number in a window, each with its feature.
    fn values(&self, window: &Window) -> Vec<(String, String)> {
        let all = window.more.get("measurements").and_then(Value::as_array);
        let named = |one: &&Value| one.get("metric").and_then(Value::as_str) == Some(&self.metric);
        let text = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "nothing".into(),
        };
        let found = all.into_iter().flatten().filter(named);
        found.map(|one| (text(one.get("feature")), text(one.get("value")))).collect()
    }

    fn admits(&self, value: &str) -> bool {
        exact(value).is_some_and(|value| {
            self.at_least.is_none_or(|least| value >= least)
                && self.at_most.is_none_or(|most| value <= most)
        })
    }
}

fn window(attestation: &Attestation) -> Option<&Window> {
    match &attestation.statement().predicate {
        Predicate::Monitoring(window) => Some(window),
        _ => None,
    }
}

/// What a window measures, in words.
fn measures(window: &Window) -> String {
    let all = window.more.get("measurements").and_then(Value::as_array);
    let names = all.into_iter().flatten().filter_map(|one| one.get("metric")?.as_str());
    let names: BTreeSet<&str> = names.take(MAX_NAMED).collect();
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.is_empty() {
        true => "it measures nothing".into(),
        false => format!("it measures {}", names.join(", ")),
    }
}

fn until(window: &Window) -> Option<Timestamp> {
    window.more.get("window")?.get("to")?.as_str()?.parse().ok()
}
