//! From the fields of a document to rules that are right ever after.
//!
//! What could never hold, or never fail, is refused here with its place: a rule that decides
//! nothing is the commonest way in which a policy allows what it should not.

use attest::predicate::{
    APPROVAL, BuildKind, DEPLOYMENT, EVALUATION, MONITORING, PROVENANCE, REVOCATION,
    VERIFICATION_SUMMARY, WAIVER,
};
use attest::{ArtifactId, Decimal, NAMESPACE, Sha256, StageName, StepName};
use serde_saphyr::Spanned;

use super::nearest::nearest;
use super::{Document, Flow, Forbid, Holdout, Metric, Place, PolicyError, Problem, Slices, Text};
use crate::model::{
    Completeness, Coverage, Endpoint, LogRule, Mode, Model, Port, SignerRule, Stage, Step, Strength,
};
use crate::rules;

/// The most characters of a name that a person chose: a metric, a data set, a product.
const MAX_TEXT: usize = 1024;
/// The own types that may be written short.
const OWN: [&str; 6] = [EVALUATION, DEPLOYMENT, MONITORING, APPROVAL, WAIVER, REVOCATION];
/// The types that are no step: each has its own rule, or will have one.
const NO_STEP: [&str; 4] = [VERIFICATION_SUMMARY, APPROVAL, WAIVER, REVOCATION];

type Compiled<T> = Result<T, PolicyError>;

/// Makes rules of `document`, whose bytes have `digest`.
pub(crate) fn compile(document: Document, digest: Sha256) -> Compiled<Model> {
    expect(&document.api_version, "API version", "assay/v1")?;
    expect(&document.kind, "kind of document", "PromotionPolicy")?;
    let name = label::<StepName>(&document.metadata.name)?;
    let version = document.metadata.version.value;
    if version == 0 {
        return Err(wrong(
            &document.metadata.version,
            Problem::Value("versions count from 1".into()),
        ));
    }
    let uri = match &document.metadata.uri {
        Some(text) => uri(text)?,
        None => format!("{NAMESPACE}policy/{name}/v{version}"),
    };
    let stages = stages(&document)?;
    let names = step_names(&document)?;
    let steps = steps(&document, &names)?;
    let mut model = Model {
        name: name.as_str().to_owned(),
        version,
        uri,
        digest,
        completeness: completeness(document.completeness.as_ref())?,
        stages,
        steps,
        later_first: Vec::new(),
        flows: Vec::new(),
        forbidden: Vec::new(),
        metrics: Vec::new(),
        holdouts: Vec::new(),
    };
    for (index, line) in document.flow.0.iter().enumerate() {
        flow(&mut model, &names, index, line)?;
    }
    model.later_first = later_first(&model).map_err(|step| {
        let name = document.steps.value.0.get(step).map(|(name, _)| name);
        let problem = Problem::Contradiction("the flows of this step lead back to it");
        name.map_or_else(|| problem.clone().into(), |name| wrong(name, problem.clone()))
    })?;
    for (index, line) in document.ml.metrics.0.iter().enumerate() {
        let rule = metric(&model, &names, index, line)?;
        model.metrics.push(rule);
    }
    for (index, line) in document.ml.holdout.0.iter().enumerate() {
        let rule = holdout(&model, &names, index, line)?;
        model.holdouts.push(rule);
    }
    for (step, age) in &document.ages.0 {
        let index = defined("step", step, &names)?;
        let age =
            age.value.parse().map_err(|error: crate::age::AgeError| wrong(age, value(error)))?;
        if let Some(step) = model.steps.get_mut(index) {
            step.max_age = Some(age);
        }
    }
    Ok(model)
}

fn stages(document: &Document) -> Compiled<Vec<Stage>> {
    let entries = &document.stages.value.0;
    if entries.is_empty() {
        return Err(wrong(&document.stages, Problem::Empty("stages")));
    }
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.value.as_str()).collect();
    let mut stages = Vec::with_capacity(entries.len());
    for (name, stage) in entries {
        let mode = word(&stage.mode, "mode", &Mode::ALL, Mode::as_str)?;
        let mut after = Vec::new();
        if let Some(list) = &stage.after {
            if list.value.0.is_empty() {
                return Err(wrong(list, Problem::Empty("after")));
            }
            for earlier in &list.value.0 {
                after.push(defined("stage", earlier, &names)?);
            }
        }
        let rule = format!("stages.{}.after", name.value);
        stages.push(Stage { name: label::<StageName>(name)?, mode, after, rule });
    }
    for (index, (name, _)) in entries.iter().enumerate() {
        if comes_before_itself(&stages, index) {
            return Err(wrong(name, Problem::Circle(name.value.clone())));
        }
    }
    Ok(stages)
}

/// Whether `stage` is among those that must come before it, directly or not. Visits each stage
/// once.
fn comes_before_itself(stages: &[Stage], stage: usize) -> bool {
    let mut seen = vec![false; stages.len()];
    let mut open = vec![stage];
    while let Some(next) = open.pop() {
        for earlier in stages.get(next).into_iter().flat_map(|stage| &stage.after) {
            if *earlier == stage {
                return true;
            }
            if let Some(seen) = seen.get_mut(*earlier).filter(|seen| !**seen) {
                *seen = true;
                open.push(*earlier);
            }
        }
    }
    false
}

fn step_names(document: &Document) -> Compiled<Vec<&str>> {
    let entries = &document.steps.value.0;
    if entries.is_empty() {
        return Err(wrong(&document.steps, Problem::Empty("steps")));
    }
    Ok(entries.iter().map(|(name, _)| name.value.as_str()).collect())
}

fn steps(document: &Document, names: &[&str]) -> Compiled<Vec<Step>> {
    document.steps.value.0.iter().map(|(name, fields)| step(name, fields, names)).collect()
}

fn step(name: &Text, fields: &Spanned<super::Step>, names: &[&str]) -> Compiled<Step> {
    let step_name = label::<StepName>(name)?;
    let list = &fields.value.predicates;
    if list.value.0.is_empty() {
        return Err(wrong(list, Problem::Empty("predicates")));
    }
    let predicates: Vec<String> = list.value.0.iter().map(predicate).collect::<Compiled<_>>()?;
    let kind = match &fields.value.kind {
        None => None,
        Some(text) => {
            let kind = text.value.parse::<BuildKind>();
            let kind = kind.map_err(|error| wrong(text, value(error)))?;
            let read = |predicate: &String| {
                predicate == PROVENANCE
                    || (predicate == EVALUATION && kind == BuildKind::Evaluation)
            };
            if !predicates.iter().all(read) {
                let problem = "`kind` is read from SLSA provenance only (`evaluation` also from \
                               evaluations); give the other types a step of their own";
                return Err(wrong(text, Problem::Contradiction(problem)));
            }
            Some(kind)
        }
    };
    let log = match &fields.value.log {
        None => LogRule::Required,
        Some(text) => word(text, "log rule", &LogRule::ALL, LogRule::as_str)?,
    };
    Ok(Step {
        rule: format!("steps.{step_name}"),
        age_rule: format!("ages.{step_name}"),
        signers: signers(name, &fields.value.signers, names)?,
        name: step_name,
        predicates,
        kind,
        log,
        max_age: None,
    })
}

fn signers(step: &Text, fields: &super::Signers, names: &[&str]) -> Compiled<SignerRule> {
    let list = &fields.any_of;
    if list.value.0.is_empty() {
        return Err(wrong(list, Problem::Empty("anyOf")));
    }
    let mut any_of = Vec::with_capacity(list.value.0.len());
    for name in &list.value.0 {
        plain(name)?;
        if any_of.contains(&name.value) {
            return Err(wrong(name, Problem::RepeatedKey(name.value.clone())));
        }
        any_of.push(name.value.clone());
    }
    let whoever = any_of.iter().any(|name| name == "*");
    if whoever && any_of.len() > 1 {
        let problem = "`*` already stands for every signer that the trust file lets sign the step";
        return Err(wrong(list, Problem::Contradiction(problem)));
    }
    let threshold = match &fields.threshold {
        None => 1,
        Some(threshold) if threshold.value == 0 => {
            return Err(wrong(threshold, Problem::Value("a threshold is at least 1".into())));
        }
        Some(threshold) if !whoever && threshold.value > any_of.len() as u64 => {
            let problem = Problem::Threshold { threshold: threshold.value, signers: any_of.len() };
            return Err(wrong(threshold, problem));
        }
        Some(threshold) => usize::try_from(threshold.value).unwrap_or(usize::MAX),
    };
    let not_same_as = match &fields.not_same_as {
        None => None,
        Some(other) if other.value == step.value => {
            let problem = "a step cannot have other signers than itself";
            return Err(wrong(other, Problem::Contradiction(problem)));
        }
        Some(other) => Some(defined("step", other, names)?),
    };
    Ok(SignerRule { any_of: if whoever { None } else { Some(any_of) }, threshold, not_same_as })
}

fn flow(model: &mut Model, names: &[&str], index: usize, line: &Spanned<Flow>) -> Compiled<()> {
    let rule = format!("flow[{index}]");
    let fields = &line.value;
    if let Some(forbid) = &fields.forbid {
        if fields.from.is_some()
            || fields.to.is_some()
            || fields.select.is_some()
            || fields.coverage.is_some()
        {
            let problem = "a line either demands a flow (`from`, `to`, `coverage`) or forbids one \
                           (`forbid`, `strength`), not both";
            return Err(wrong(line, Problem::Contradiction(problem)));
        }
        let strength = require(line, fields.strength.as_ref(), "strength")?;
        let Forbid { from, select, to } = forbid;
        let (from, to) = ends(model, names, from, to)?;
        model.forbidden.push(rules::Forbidden {
            rule,
            from,
            select: selection(select.as_ref())?,
            to,
            strength: self::strength(strength)?,
        });
        return Ok(());
    }
    if let Some(strength) = &fields.strength {
        let problem = "`strength` belongs to a forbidden flow; a demanded one has `coverage`";
        return Err(wrong(strength, Problem::Contradiction(problem)));
    }
    let from = require(line, fields.from.as_ref(), "from")?;
    let to = require(line, fields.to.as_ref(), "to")?;
    let coverage = require(line, fields.coverage.as_ref(), "coverage")?;
    let (from, to) = ends(model, names, from, to)?;
    model.flows.push(rules::Flow {
        rule,
        from,
        select: selection(fields.select.as_ref())?,
        to,
        coverage: word(coverage, "coverage", &Coverage::ALL, Coverage::as_str)?,
    });
    Ok(())
}

/// The steps, each after all those that it feeds; a step of a circle when there is one.
fn later_first(model: &Model) -> Result<Vec<usize>, usize> {
    let mut feeds = vec![0_usize; model.steps.len()];
    for flow in &model.flows {
        if let Some(feeds) = feeds.get_mut(flow.from.step) {
            *feeds += 1;
        }
    }
    let mut order: Vec<usize> =
        (0..feeds.len()).filter(|step| feeds.get(*step) == Some(&0)).collect();
    let mut done = 0;
    while let Some(step) = order.get(done).copied() {
        done += 1;
        for flow in model.flows.iter().filter(|flow| flow.to.step == step) {
            if let Some(feeds) = feeds.get_mut(flow.from.step) {
                *feeds -= 1;
                if *feeds == 0 {
                    order.push(flow.from.step);
                }
            }
        }
    }
    feeds.iter().position(|feeds| *feeds > 0).map_or(Ok(order), Err)
}

fn ends(model: &Model, names: &[&str], from: &Text, to: &Text) -> Compiled<(Endpoint, Endpoint)> {
    let source = endpoint(model, names, from)?;
    let target = endpoint(model, names, to)?;
    if source.port == Port::Materials {
        let problem = "a flow starts at `products` or `subject` of a step";
        return Err(wrong(from, Problem::Contradiction(problem)));
    }
    if target.port == Port::Products {
        let problem = "a flow ends at `materials` or `subject` of a step";
        return Err(wrong(to, Problem::Contradiction(problem)));
    }
    if source.step == target.step {
        let problem = "a flow joins two different steps";
        return Err(wrong(to, Problem::Contradiction(problem)));
    }
    Ok((source, target))
}

fn endpoint(model: &Model, names: &[&str], text: &Text) -> Compiled<Endpoint> {
    let Some((step, port)) = text.value.split_once('.') else {
        let problem =
            format!("`{}` is not a step and a port, such as `train.materials`", text.value);
        return Err(wrong(text, Problem::Value(problem)));
    };
    let at = |value: &str| Spanned::new(value.to_owned(), text.referenced, text.defined);
    let index = defined("step", &at(step), names)?;
    let port = word(&at(port), "port", &Port::ALL, Port::as_str)?;
    let predicates = model.steps.get(index).map(|step| step.predicates.as_slice());
    let only = |known: &[&str]| {
        predicates.unwrap_or_default().iter().all(|found| known.contains(&found.as_str()))
    };
    let problem = match port {
        Port::Products if !only(&[PROVENANCE]) => {
            "`products` are read from SLSA provenance only; what another statement is about is its \
             `subject`"
        }
        Port::Materials if !only(&[PROVENANCE, EVALUATION]) => {
            "`materials` are read from SLSA provenance and from evaluations only"
        }
        _ => return Ok(Endpoint { step: index, port }),
    };
    Err(wrong(text, Problem::Contradiction(problem)))
}

fn metric(
    model: &Model,
    names: &[&str],
    index: usize,
    line: &Spanned<Metric>,
) -> Compiled<rules::Metric> {
    let fields = &line.value;
    let step = defined("step", &fields.step, names)?;
    let predicates = model.steps.get(step).map(|step| step.predicates.as_slice());
    if !predicates.unwrap_or_default().iter().any(|predicate| predicate == EVALUATION) {
        let problem = "metrics are read from evaluations; add `evaluation/v0.1` to the predicates \
                       of the step";
        return Err(wrong(&fields.step, Problem::Contradiction(problem)));
    }
    plain(&fields.name)?;
    if fields.min_samples.value == 0 {
        let problem = Problem::Value("`minSamples` is at least 1".into());
        return Err(wrong(&fields.min_samples, problem));
    }
    let at_least = decimal(fields.at_least.as_ref())?;
    let at_most = decimal(fields.at_most.as_ref())?;
    if at_least.is_none() && at_most.is_none() {
        let problem = "a metric needs `atLeast` or `atMost`";
        return Err(wrong(line, Problem::Contradiction(problem)));
    }
    if let (Some(least), Some(most)) = (at_least, at_most)
        && least > most
    {
        let problem = "no value is both `atLeast` and `atMost` what is written here";
        return Err(wrong(line, Problem::Contradiction(problem)));
    }
    Ok(rules::Metric {
        rule: format!("ml.metrics[{index}]"),
        step,
        name: fields.name.value.clone(),
        dataset: artifact(&fields.dataset.digest)?,
        dataset_name: optional(fields.dataset.name.as_ref())?,
        at_least,
        at_most,
        min_samples: fields.min_samples.value,
        slices: fields.slices.as_ref().map(slices).transpose()?,
    })
}

fn slices(fields: &Spanned<Slices>) -> Compiled<rules::Slices> {
    let Slices { at_least, at_most, gap_at_most } = &fields.value;
    let slices = rules::Slices {
        at_least: decimal(at_least.as_ref())?,
        at_most: decimal(at_most.as_ref())?,
        gap_at_most: decimal(gap_at_most.as_ref())?,
    };
    if slices.at_least.is_none() && slices.at_most.is_none() && slices.gap_at_most.is_none() {
        return Err(wrong(fields, Problem::Empty("slices")));
    }
    if let (Some(text), Some(gap)) = (gap_at_most, slices.gap_at_most)
        && gap < Decimal::ZERO
    {
        return Err(wrong(text, Problem::Value("a gap is not negative".into())));
    }
    Ok(slices)
}

fn holdout(
    model: &Model,
    names: &[&str],
    index: usize,
    line: &Spanned<Holdout>,
) -> Compiled<rules::Holdout> {
    let fields = &line.value;
    let not_in = endpoint(model, names, &fields.not_in)?;
    if not_in.port != Port::Materials {
        let problem = "a hold-out is kept out of the `materials` of a step";
        return Err(wrong(&fields.not_in, Problem::Contradiction(problem)));
    }
    Ok(rules::Holdout {
        rule: format!("ml.holdout[{index}]"),
        name: optional(fields.name.as_ref())?,
        artifact: artifact(&fields.digest)?,
        step: not_in.step,
        strength: match &fields.strength {
            None => Strength::DeclaredFiles,
            Some(text) => strength(text)?,
        },
    })
}

fn predicate(text: &Text) -> Compiled<String> {
    fn own(name: &str) -> Option<&str> {
        name.strip_prefix(NAMESPACE)?.strip_prefix("attestation/")
    }
    let short = OWN.into_iter().find(|name| own(name) == Some(text.value.as_str()));
    let full = match short {
        Some(name) => name.to_owned(),
        None if text.value.contains("://") => uri(text)?,
        None => {
            let known = OWN.into_iter().filter_map(own);
            let near = nearest(&text.value, known)
                .map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
            let problem =
                format!("`{}` is neither a URI nor a short name of an own type{near}", text.value);
            return Err(wrong(text, Problem::Value(problem)));
        }
    };
    if NO_STEP.contains(&full.as_str()) {
        let problem = "a summary, approval, waiver or revocation is no step: its mere presence \
                       would count, whatever it says";
        return Err(wrong(text, Problem::Contradiction(problem)));
    }
    Ok(full)
}

/// An absolute URI with an authority, in printable ASCII. Types match whole, so that more than
/// the outer shape does not matter.
fn uri(text: &Text) -> Compiled<String> {
    let good = text.value.split_once("://").is_some_and(|(scheme, rest)| {
        scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
            && scheme
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
            && rest.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '[')
            && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`*".contains(&byte))
    });
    if good && text.value.len() <= MAX_TEXT {
        return Ok(text.value.clone());
    }
    Err(wrong(text, Problem::Value(format!("`{}` is not an absolute URI", shown(&text.value)))))
}

fn completeness(text: Option<&Text>) -> Compiled<Completeness> {
    // What was given can leave out what speaks against an artifact: taking that is said aloud.
    text.map_or(Ok(Completeness::Followed), |text| {
        word(text, "completeness", &Completeness::ALL, Completeness::as_str)
    })
}

fn strength(text: &Text) -> Compiled<Strength> {
    if ["observed-files", "records"].contains(&text.value.as_str()) {
        let problem = "nothing that is recorded today can show this strength; `declared-files` is \
                       what can be shown";
        return Err(wrong(text, Problem::Contradiction(problem)));
    }
    word(text, "strength", &Strength::ALL, Strength::as_str)
}

fn artifact(text: &Text) -> Compiled<ArtifactId> {
    text.value.parse().map_err(|error: attest::ArtifactError| wrong(text, value(error)))
}

fn decimal(text: Option<&Text>) -> Compiled<Option<Decimal>> {
    text.map(|text| {
        text.value.parse().map_err(|error: attest::DecimalError| wrong(text, value(error)))
    })
    .transpose()
}

fn selection(text: Option<&Text>) -> Compiled<Option<String>> {
    if let Some(text) = text {
        attest::name::check_artifact_name(&text.value)
            .map_err(|error| wrong(text, value(error)))?;
        if text.value.contains('*') {
            let problem = "`select` names a product whole; patterns are not read";
            return Err(wrong(text, Problem::Contradiction(problem)));
        }
    }
    Ok(text.map(|text| text.value.clone()))
}

fn optional(text: Option<&Text>) -> Compiled<Option<String>> {
    text.map(|text| plain(text).map(|()| text.value.clone())).transpose()
}

/// A text that a person reads back: not empty, not endless, without control characters.
fn plain(text: &Text) -> Compiled<()> {
    if text.value.is_empty()
        || text.value.len() > MAX_TEXT
        || text.value.chars().any(char::is_control)
    {
        let problem = format!("`{}` is empty, too long or not printable", shown(&text.value));
        return Err(wrong(text, Problem::Value(problem)));
    }
    Ok(())
}

fn label<T: std::str::FromStr<Err = attest::NameError>>(text: &Text) -> Compiled<T> {
    text.value.parse().map_err(|error: attest::NameError| wrong(text, value(error)))
}

fn expect(text: &Text, what: &'static str, known: &'static str) -> Compiled<()> {
    word(text, what, &[()], |()| known)
}

fn word<T: Copy>(
    text: &Text,
    what: &'static str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Compiled<T> {
    all.iter().copied().find(|one| name(*one) == text.value).ok_or_else(|| {
        let known = all.iter().map(|one| format!("`{}`", name(*one))).collect::<Vec<_>>();
        let problem = Problem::Word { what, found: shown(&text.value), known: known.join(", ") };
        wrong(text, problem)
    })
}

fn defined(what: &'static str, text: &Text, names: &[&str]) -> Compiled<usize> {
    names.iter().position(|name| *name == text.value).ok_or_else(|| {
        let near = nearest(&text.value, names.iter().copied()).map(str::to_owned);
        wrong(text, Problem::Undefined { what, name: shown(&text.value), nearest: near })
    })
}

fn require<'a, T, U>(line: &Spanned<T>, field: Option<&'a U>, key: &str) -> Compiled<&'a U> {
    field.ok_or_else(|| wrong(line, Problem::MissingKey(key.into())))
}

fn wrong<T>(at: &Spanned<T>, problem: Problem) -> PolicyError {
    PolicyError::at(Place::of(at.referenced), problem)
}

fn value(error: impl std::fmt::Display) -> Problem {
    Problem::Value(error.to_string())
}

fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}
