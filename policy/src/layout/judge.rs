//! Judging a layout: expiry, who did each step, sublayouts, the rules, and the inspections.

use std::collections::{BTreeMap, BTreeSet};

use attest::Timestamp;
use attest::in_toto::{Artifacts, Inspection, Layout, Link, Rule, Side, Step, folder_name};
use verify::layout::{Evidence, SignedLayout, SignedLink};

use super::budget::{Budget, Exhausted, MAX_WORK};
use super::decision::{
    InspectionReport, LayoutCode, LayoutDecision, LayoutFinding, LinkReport, Severity, StepReport,
};
use super::parameters::{ParameterError, Parameters};
use super::rules::{Flow, apply};

/// The folders of the sublayouts that lead to a layout; empty for the outermost.
pub type LayoutPath = Vec<String>;

/// What inspections found, by layout and name.
pub type Inspected = BTreeMap<(LayoutPath, String), InspectionRun>;

/// An inspection that somebody ran.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InspectionRun {
    /// Its exit status; `None` when it did not end by itself.
    pub status: Option<i32>,
    /// What was there before and after.
    pub link: Link,
}

/// Judges whether a supply chain was carried out as the layout says, at `now`.
///
/// Pure: the same arguments give the same decision. Parameters are for the layout itself; without
/// any, braces in it stand for themselves. What `inspected` does not hold did not run, and then
/// there is no verdict but "failed" or "undecided".
///
/// # Errors
/// [`ParameterError`] when the layout cannot be filled in.
pub fn judge(
    signed: &SignedLayout,
    parameters: Option<&Parameters>,
    inspected: &Inspected,
    now: Timestamp,
) -> Result<LayoutDecision, ParameterError> {
    let decision = LayoutDecision {
        body: signed.body(),
        until: signed.layout().expires,
        steps: Vec::new(),
        inspections: Vec::new(),
        findings: Vec::new(),
    };
    let mut judge = Judge { decision, inspected, now, budget: Budget::new(MAX_WORK) };
    judge.layout(signed, parameters, &Vec::new())?;
    Ok(judge.decision)
}

struct Judge<'a> {
    decision: LayoutDecision,
    inspected: &'a Inspected,
    now: Timestamp,
    budget: Budget,
}

/// What a layout amounts to, seen from outside: what its first step took and its last one made.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Summary {
    materials: Artifacts,
    products: Artifacts,
    command: Vec<String>,
}

impl Judge<'_> {
    /// Recursion ends with the sublayouts, which `verify::layout` bounds.
    fn layout(
        &mut self,
        signed: &SignedLayout,
        parameters: Option<&Parameters>,
        path: &LayoutPath,
    ) -> Result<Summary, ParameterError> {
        let filled = fill(signed.layout(), parameters)?;
        let expires = filled.expires;
        self.decision.until = self.decision.until.min(expires);
        if expires <= self.now {
            let near = Some("the layout's owner has to sign a newer one".into());
            let message = format!("the layout expired at {expires}");
            self.find(Finding { near, ..Finding::at(path, LayoutCode::Expired, message) });
        }
        if filled.steps.is_empty() {
            let message = "the layout has no steps: there is nothing that it asks for".into();
            self.find(Finding::at(path, LayoutCode::Empty, message));
        }
        for refused in signed.refused() {
            let is_authorised = filled
                .steps
                .iter()
                .any(|step| step.name == refused.step && step.pubkeys.contains(&refused.label));
            if is_authorised {
                self.find(Finding {
                    severity: Severity::Note,
                    item: Some(refused.step.clone()),
                    link: Some(refused.file.clone()),
                    ..Finding::at(path, LayoutCode::Refused, refused.why.to_string())
                });
            }
        }
        let mut chain: BTreeMap<String, Summary> = BTreeMap::new();
        for step in &filled.steps {
            if let Some(summary) = self.step(step, signed, path)? {
                chain.insert(step.name.clone(), summary);
            }
        }
        let flows: BTreeMap<&str, Flow<'_>> =
            chain.iter().map(|(name, summary)| (name.as_str(), summary.flow())).collect();
        for step in &filled.steps {
            let Some(flow) = flows.get(step.name.as_str()) else { continue };
            self.rules(&step.name, &step.expected_materials, Side::Materials, *flow, &flows, path);
            self.rules(&step.name, &step.expected_products, Side::Products, *flow, &flows, path);
        }
        self.inspections(&filled.inspections, &flows, path);
        let end = |step: Option<&Step>| step.and_then(|step| chain.get(&step.name)).cloned();
        let last = end(filled.steps.last()).unwrap_or_default();
        let first = end(filled.steps.first()).unwrap_or_default();
        Ok(Summary { materials: first.materials, ..last })
    }

    /// The links that count for a step, and what they agree on.
    fn step(
        &mut self,
        step: &Step,
        signed: &SignedLayout,
        path: &LayoutPath,
    ) -> Result<Option<Summary>, ParameterError> {
        let mut report = StepReport {
            layout: path.clone(),
            name: step.name.clone(),
            threshold: step.threshold,
            links: Vec::new(),
        };
        let mut counted: Vec<(&SignedLink, Summary)> = Vec::new();
        for link in signed.links().iter().filter(|link| link.step() == step.name) {
            if !self.counts(step, link, path) {
                continue;
            }
            let summary = match link.evidence() {
                Evidence::Link(link) => Summary::of(link),
                Evidence::Layout(below) => {
                    let mut inner = path.clone();
                    inner.push(folder_name(&step.name, &link.functionary().label));
                    self.layout(below, None, &inner)?
                }
            };
            report.links.push(LinkReport {
                file: link.file().into(),
                functionary: link.functionary().clone(),
                body: link.body(),
                sublayout: matches!(link.evidence(), Evidence::Layout(_)),
            });
            counted.push((link, summary));
        }
        // One key under two labels is one functionary.
        let functionaries: BTreeSet<_> =
            report.links.iter().map(|link| link.functionary.identity).collect();
        let found = functionaries.len();
        self.decision.steps.push(report);
        if found < usize::try_from(step.threshold).unwrap_or(usize::MAX) {
            let message = format!("{found} of {} functionaries have done the step", step.threshold);
            let near = Some(self.whats_missing(step, signed));
            let item = Some(step.name.clone());
            self.find(Finding { item, near, ..Finding::at(path, LayoutCode::Threshold, message) });
            return Ok(None);
        }
        let mut counted = counted.into_iter();
        let Some((first, agreed)) = counted.next() else { return Ok(None) };
        for (link, other) in counted {
            if other.materials != agreed.materials || other.products != agreed.products {
                let message = format!("it disagrees with `{}` about the artifacts", first.file());
                self.find(Finding {
                    item: Some(step.name.clone()),
                    link: Some(link.file().into()),
                    artifacts: agreed.differences(&other),
                    ..Finding::at(path, LayoutCode::Contradiction, message)
                });
            }
        }
        if agreed.command != step.expected_command {
            let shown = |words: &[String]| words.join(" ").chars().take(200).collect::<String>();
            self.find(Finding {
                severity: Severity::Note,
                item: Some(step.name.clone()),
                link: Some(first.file().into()),
                near: Some(format!("expected `{}`", shown(&step.expected_command))),
                ..Finding::at(
                    path,
                    LayoutCode::Command,
                    format!("the command was `{}`", shown(&agreed.command)),
                )
            });
        }
        Ok(Some(agreed))
    }

    /// Whether an authentic link is one by somebody who may do the step, and about it.
    fn counts(&mut self, step: &Step, link: &SignedLink, path: &LayoutPath) -> bool {
        let label = &link.functionary().label;
        let (code, message) = if !step.pubkeys.contains(label) {
            (LayoutCode::Unauthorised, format!("key `{label}` may not do this step"))
        } else {
            match link.evidence() {
                Evidence::Link(found) if found.name != step.name => {
                    let message = format!("the link is about step `{}`", found.name);
                    (LayoutCode::OtherName, message)
                }
                _ => return true,
            }
        };
        self.find(Finding {
            severity: Severity::Note,
            item: Some(step.name.clone()),
            link: Some(link.file().into()),
            ..Finding::at(path, code, message)
        });
        false
    }

    fn whats_missing(&self, step: &Step, signed: &SignedLayout) -> String {
        let keys = &signed.layout().keys;
        let files = step
            .pubkeys
            .iter()
            .filter(|label| keys.contains_key(label))
            .filter(|label| {
                !signed
                    .links()
                    .iter()
                    .any(|link| link.step() == step.name && link.functionary().label == **label)
            })
            .take(5)
            .map(|label| format!("`{}`", attest::in_toto::file_name(&step.name, label)));
        let files: Vec<String> = files.collect();
        if files.is_empty() {
            "no other key of the layout may do the step".into()
        } else {
            format!("a good link would be {}", files.join(" or "))
        }
    }

    fn rules(
        &mut self,
        item: &str,
        rules: &[Rule],
        side: Side,
        flow: Flow<'_>,
        others: &BTreeMap<&str, Flow<'_>>,
        path: &LayoutPath,
    ) {
        match apply(rules, side, flow, others, &mut self.budget) {
            Ok(broken) => {
                for one in broken {
                    self.find(Finding {
                        item: Some(item.into()),
                        rule: Some(one.rule),
                        artifacts: one.artifacts,
                        near: one.near,
                        ..Finding::at(path, one.code, one.message)
                    });
                }
            }
            Err(Exhausted) => {
                let message = "its rules and artifacts are more than is compared".into();
                self.find(Finding {
                    severity: Severity::Undecided,
                    item: Some(item.into()),
                    ..Finding::at(path, LayoutCode::Costly, message)
                });
            }
        }
    }

    fn inspections(
        &mut self,
        inspections: &[Inspection],
        steps: &BTreeMap<&str, Flow<'_>>,
        path: &LayoutPath,
    ) {
        let inspected = self.inspected;
        let mut flows = steps.clone();
        let mut ran = Vec::new();
        for inspection in inspections {
            let run = inspected.get(&(path.clone(), inspection.name.clone()));
            self.decision.inspections.push(InspectionReport {
                layout: path.clone(),
                name: inspection.name.clone(),
                run: inspection.run.clone(),
                ran: run.is_some(),
            });
            let item = Some(inspection.name.clone());
            let Some(run) = run else {
                let command = inspection.run.join(" ");
                let message = format!("the inspection was not run: `{command}`");
                let severity = Severity::Undecided;
                let finding = Finding::at(path, LayoutCode::NotRun, message);
                self.find(Finding { severity, item, ..finding });
                continue;
            };
            if run.status != Some(0) {
                let message = match run.status {
                    Some(status) => format!("the inspection ended with status {status}"),
                    None => "the inspection was ended before it was done".into(),
                };
                let finding = Finding::at(path, LayoutCode::InspectionFailed, message);
                self.find(Finding { item, ..finding });
            }
            let Link { materials, products, .. } = &run.link;
            flows.insert(&inspection.name, Flow { materials, products });
            ran.push(inspection);
        }
        for inspection in ran {
            let Some(flow) = flows.get(inspection.name.as_str()).copied() else { continue };
            let Inspection { name, expected_materials, expected_products, .. } = inspection;
            self.rules(name, expected_materials, Side::Materials, flow, &flows, path);
            self.rules(name, expected_products, Side::Products, flow, &flows, path);
        }
    }

    fn find(&mut self, finding: Finding) {
        self.decision.findings.push(finding);
    }
}

type Finding = LayoutFinding;

impl LayoutFinding {
    fn at(path: &LayoutPath, code: LayoutCode, message: String) -> Self {
        Self {
            code,
            severity: Severity::Fail,
            layout: path.clone(),
            item: None,
            link: None,
            rule: None,
            artifacts: Vec::new(),
            message,
            near: None,
        }
    }
}

impl Summary {
    fn of(link: &Link) -> Self {
        Self {
            materials: link.materials.clone(),
            products: link.products.clone(),
            command: link.command.clone(),
        }
    }

    const fn flow(&self) -> Flow<'_> {
        Flow { materials: &self.materials, products: &self.products }
    }

    /// The artifacts that only one of two has, or that differ.
    fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for (one, another) in
            [(&self.materials, &other.materials), (&self.products, &other.products)]
        {
            found.extend(
                one.keys()
                    .chain(another.keys())
                    .filter(|path| one.get(*path) != another.get(*path)),
            );
        }
        found.into_iter().take(super::MAX_NAMED).cloned().collect()
    }
}

/// The layout with its parameters filled in.
fn fill(layout: &Layout, parameters: Option<&Parameters>) -> Result<Layout, ParameterError> {
    let mut layout = layout.clone();
    let Some(parameters) = parameters else { return Ok(layout) };
    let words = |words: &mut Vec<String>| {
        for word in words {
            *word = parameters.fill(word)?;
        }
        Ok(())
    };
    let rules = |rules: &mut Vec<Rule>| {
        for rule in rules {
            *rule = rule.try_map(|word| parameters.fill(word))?;
        }
        Ok(())
    };
    for step in &mut layout.steps {
        words(&mut step.expected_command)?;
        rules(&mut step.expected_materials)?;
        rules(&mut step.expected_products)?;
    }
    for inspection in &mut layout.inspections {
        words(&mut inspection.run)?;
        rules(&mut inspection.expected_materials)?;
        rules(&mut inspection.expected_products)?;
    }
    Ok(layout)
}
