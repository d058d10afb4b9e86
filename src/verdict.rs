//! A decision as a page: the verdict, what stands against it and what would make it yes, what
//! holds, how complete the evidence is, and until when all that is true.

use std::collections::BTreeMap;

use attest::{Sha256, StageName, StepName};
use policy::{
    Basis, CompletenessKind, CompletenessReport, Finding, Means, Outcome, Remedy, Report,
    RuleResult, WaiverView,
};
use verify::Lineage;

use crate::command::policy::mode_word;
use crate::page::{Glyphs, Page, Tone};
use crate::predicate_name;

/// What attestations are called on a page, by their bodies.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<Sha256, String>);

impl Names {
    /// Remembers what a bundle calls itself, and where it says that it stands.
    #[cfg(feature = "server")]
    pub fn add(&mut self, bundle: &attest::Bundle) {
        let envelope = attest::carried::opened(&bundle.envelope);
        let Ok(statement) = attest::Statement::parse(&envelope.payload) else { return };
        let proof = bundle.entries.iter().find_map(|entry| entry.proof.as_ref());
        let index = proof.map(|proof| proof.index);
        let stage = statement.stage();
        let name =
            name(index, statement.predicate_type(), statement.step().as_ref(), stage.as_ref());
        self.0.insert(envelope.body(), name);
    }

    /// Remembers the attestations of a lineage, believed and not.
    pub fn add_lineage(&mut self, lineage: &Lineage) {
        for one in lineage.rejected() {
            let word = one.predicate_type.as_deref().unwrap_or("a statement");
            self.0.insert(one.body, name(one.index, word, one.step.as_ref(), None));
        }
        for one in lineage.attestations() {
            let stage = one.statement().stage();
            let text = name(one.index, &one.predicate_type, one.step.as_ref(), stage.as_ref());
            let signers: Vec<&str> =
                one.signers.iter().map(|signer| signer.name.as_str()).collect();
            self.0.insert(one.body(), format!("{text}, signed by {}", signers.join(", ")));
        }
    }

    fn of(&self, body: &Sha256) -> String {
        self.0.get(body).cloned().unwrap_or_else(|| body.to_string())
    }
}

fn name(
    index: Option<u64>,
    predicate_type: &str,
    step: Option<&StepName>,
    stage: Option<&StageName>,
) -> String {
    let word = predicate_name::spoken(predicate_type);
    let place = index.map_or("not logged".into(), |index| format!("entry {index}"));
    match (step, stage) {
        (Some(step), _) => format!("{place}, {word} of step {step}"),
        (None, Some(stage)) => format!("{place}, {word} for {stage}"),
        (None, None) => format!("{place}, {word}"),
    }
}

/// Draws a decision.
pub fn draw(report: &Report, name: Option<&str>, names: &Names, page: &mut Page) {
    head(report, name, page);
    for finding in &report.findings {
        self::finding(finding, names, page);
    }
    // What fails with another rule has no finding of its own.
    let is_found = |rule: &RuleResult| report.findings.iter().any(|one| one.rule == rule.rule);
    for rule in report.rules.iter().filter(|rule| !denies(rule.outcome) || !is_found(rule)) {
        self::rule(rule, page);
    }
    for waiver in &report.waivers {
        self::waiver(waiver, names, page);
    }
    skeletons(report, page);
    foot(report, page);
}

/// Says how to have the statements that commands name, unless they are there.
fn skeletons(report: &Report, page: &mut Page) {
    let remedies = report.findings.iter().filter_map(|finding| finding.remedy.as_ref());
    let unwritten = |remedy: &Remedy| {
        let file = remedy.skeleton.as_ref().map(|skeleton| &skeleton.file);
        file.is_some_and(|file| !file.contains('/') && remedy.argv.contains(file))
    };
    if remedies.into_iter().any(unwritten) {
        let (artifact, stage) = (report.artifact, &report.stage);
        page.put(Tone::Faint, "  the statements to fill in: ");
        page.line(format_args!("assay why {artifact} --stage {stage} --skeletons ."));
    }
}

/// Draws what every rule rests on.
pub fn draw_evidence(report: &Report, names: &Names, page: &mut Page) {
    for rule in report.rules.iter().filter(|rule| !rule.evidence.is_empty()) {
        page.put(Tone::Faint, "  by which  ").line(&rule.rule);
        for body in &rule.evidence {
            page.put(Tone::Faint, "    ").line(names.of(body));
        }
    }
}

fn head(report: &Report, name: Option<&str>, page: &mut Page) {
    match (report.passed, report.is_undecided()) {
        (true, _) => page.put(Tone::Good, "allowed"),
        (false, true) => page.put(Tone::Bad, "denied, as it could not be decided"),
        (false, false) => page.put(Tone::Bad, "denied"),
    };
    page.text("  ").put(Tone::Strong, name.unwrap_or("artifact"));
    page.text("  ").put(Tone::Faint, report.artifact).end();
    let policy = &report.policy;
    page.text(format_args!("  at {}, which {}", report.stage, mode_word(report.mode)));
    page.text(format_args!(", by policy {} version {}", policy.name, policy.version));
    if report.advisory {
        page.text(" as given: an opinion");
    }
    page.end();
    if report.admitted && !report.passed {
        page.put(Tone::Warn, "  admitted all the same: the stage does not enforce").end();
    }
}

const fn denies(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Fail | Outcome::Error)
}

/// What a line says at a glance.
#[derive(Clone, Copy)]
enum Mark {
    Yes,
    No,
    Neither,
}

/// A mark where a terminal can show it; the word beside it says the same.
const fn mark(glyphs: Glyphs, mark: Mark) -> &'static str {
    match (glyphs, mark) {
        (Glyphs::Unicode, Mark::Yes) => "✓ ",
        (Glyphs::Unicode, Mark::No) => "✗ ",
        (Glyphs::Unicode, Mark::Neither) => "· ",
        (Glyphs::Ascii, _) => "",
    }
}

fn finding(finding: &Finding, names: &Names, page: &mut Page) {
    let (tone, word, kind) = match finding.outcome {
        Outcome::Error => (Tone::Warn, "error", Mark::No),
        Outcome::Waived => (Tone::Warn, "waived", Mark::Neither),
        _ => (Tone::Bad, "fail", Mark::No),
    };
    let mark = mark(page.glyphs(), kind);
    page.text("  ")
        .put(tone, mark)
        .put(tone, format_args!("{word:<7}"))
        .put(Tone::Strong, &finding.rule);
    page.text("  ").put(Tone::Faint, finding.code).end();
    page.text("         ").line(&finding.message);
    for body in &finding.evidence {
        page.put(Tone::Faint, "         evidence: ").line(names.of(body));
    }
    for (at, considered) in finding.considered.iter().enumerate() {
        let word = if at == 0 { "         nearest: " } else { "         considered: " };
        page.put(Tone::Faint, word).text(names.of(&considered.body));
        page.text(": ").line(&considered.why);
    }
    if let Some(next) = &finding.next {
        page.put(Tone::Faint, "         next: ").line(next);
    }
    if let Some(remedy) = &finding.remedy
        && finding.outcome != Outcome::Waived
    {
        self::remedy(remedy, page);
    }
}

/// Draws what makes a finding go away: the means, and the command where one does it.
pub fn remedy(remedy: &Remedy, page: &mut Page) {
    page.put(Tone::Faint, "         to satisfy it: ");
    let command = command_line(&remedy.argv);
    let rest = remedy.rest();
    match (remedy.at, remedy.kind) {
        (Some(at), _) => page.text(at.strftime("wait until %Y-%m-%d %H:%M:%SZ")),
        _ if command.is_empty() => page.text(remedy.kind.words()),
        (None, Means::Anew) => {
            page.text(format_args!("{}, from this step on: {command}{rest}", remedy.kind.words()))
        }
        (None, _) => page.text(format_args!("{command}{rest}")),
    };
    if remedy.owners > 1 {
        page.text(format_args!(", and so for {} owners", remedy.owners));
    }
    if remedy.signers.len() > 1 {
        page.text(format_args!(", by one of {}", remedy.signers.join(", ")));
    }
    page.end();
    if !remedy.waiver.is_empty() {
        page.put(Tone::Faint, "         to be excepted from it: ");
        page.line(command_line(&remedy.waiver));
        page.put(Tone::Faint, "           and by somebody else: ");
        page.text(command_line(&remedy.approval));
        if remedy.approvers.len() > 1 {
            page.text(format_args!(", by one of {}", remedy.approvers.join(", ")));
        }
        page.end();
    }
}

/// A command as a shell takes it.
fn command_line(argv: &[String]) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    let word = |word: &String| match !word.is_empty() && word.chars().all(plain) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn rule(rule: &RuleResult, page: &mut Page) {
    let (tone, word) = match rule.outcome {
        Outcome::Pass => (Tone::Good, "pass"),
        Outcome::Waived => (Tone::Warn, "waived"),
        Outcome::NotApplicable => (Tone::Faint, "n/a"),
        Outcome::Fail | Outcome::Error => (Tone::Bad, "fail"),
    };
    let kind = match rule.outcome {
        Outcome::Pass => Mark::Yes,
        Outcome::Fail | Outcome::Error => Mark::No,
        Outcome::Waived | Outcome::NotApplicable => Mark::Neither,
    };
    let mark = mark(page.glyphs(), kind);
    page.text("  ").put(tone, mark).put(tone, format_args!("{word:<7}"));
    match &rule.asks {
        Some(asks) => page.text(asks).text("  ").put(Tone::Faint, &rule.rule),
        None => page.text(&rule.rule),
    };
    if let Some(detail) = &rule.detail {
        page.put(Tone::Faint, format_args!(": {detail}"));
    }
    page.end();
}

fn waiver(waiver: &WaiverView, names: &Names, page: &mut Page) {
    let place = names.of(&waiver.waiver);
    match (&waiver.why, waiver.until) {
        (Some(why), _) => {
            page.put(Tone::Warn, "  waiver not accepted: ").text(place).text(": ").line(why);
        }
        (None, until) => {
            page.put(Tone::Warn, "  waived ");
            if let Some(until) = until {
                page.put(Tone::Warn, until.strftime("until %Y-%m-%d %H:%M:%SZ"));
            }
            if waiver.soon {
                page.put(Tone::Bad, ", which is soon");
            }
            page.text(format_args!(": {} of {}: {}", waiver.finding, waiver.rule, waiver.reason));
            if let Some(ticket) = &waiver.ticket {
                page.text(format_args!(" ({ticket})"));
            }
            page.put(Tone::Faint, format_args!("; {place}")).end();
        }
    }
}

fn foot(report: &Report, page: &mut Page) {
    for rejected in &report.rejected {
        let place =
            rejected.index.map_or(rejected.body.to_string(), |index| format!("entry {index}"));
        page.put(Tone::Warn, "  not believed: ").text(place).text(": ").line(&rejected.why);
    }
    for unexplored in &report.unexplored {
        page.put(Tone::Warn, "  not looked at: ").text(unexplored.artifact);
        page.text(": ").line(&unexplored.why);
    }
    let basis = &report.basis;
    let level = format_args!("  SLSA Build L{} at most: {}", basis.slsa_build_level, basis.reason);
    page.put(Tone::Faint, level).end();
    for (key, steps) in alone(&report.basis) {
        page.put(Tone::Faint, format_args!("  rests on {key} alone: {}", steps.join(", "))).end();
    }
    page.put(Tone::Faint, format_args!("  {}", complete(&report.completeness))).end();
    let until = match report.holds.until {
        Some(until) => {
            let until = until.strftime("%Y-%m-%d %H:%M:%SZ");
            format!("  holds until {until} unless something new is registered")
        }
        None => "  holds until something new is registered".into(),
    };
    page.put(Tone::Faint, until).end();
}

/// The keys that could have said alone what was believed, each with its steps and other rules.
fn alone(basis: &Basis) -> BTreeMap<String, Vec<&str>> {
    let mut keys: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for key in &basis.single_keys {
        let name = format!("key {} (of {})", key.name, key.owner);
        keys.entry(name)
            .or_default()
            .push(key.step.as_deref().or(key.rule.as_deref()).unwrap_or("other statements"));
    }
    keys
}

fn complete(completeness: &CompletenessReport) -> String {
    let origin = completeness.origin.as_deref().unwrap_or("the register");
    let size = completeness.size.unwrap_or_default();
    match completeness.kind {
        CompletenessKind::Followed => format!("read all {size} entries of {origin}"),
        CompletenessKind::Claimed => format!("complete to {size} entries, as {origin} claims"),
        CompletenessKind::None => {
            "nothing says that the evidence is all: something against it may be missing".into()
        }
    }
}
