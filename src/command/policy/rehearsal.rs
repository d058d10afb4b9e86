//! `assay policy test`: tries a policy by cases whose outcome is known, before anything is judged by
//! it.
//!
//! A case is a folder of bundles with the trust file by which they are believed. Nothing is asked of
//! a register: what the folder holds is taken to be all there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ::policy::{Case, Code, Expected, Finding, Policy, Rehearsed, Verdict};
use ::verify::{Direction, Trust};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::read;
use crate::error::{Action, Error};
use crate::exit::Exit;
use crate::gather;
use crate::home;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// The most cases of one folder.
const MAX_CASES: usize = 10_000;
/// The most files of one case.
const MAX_FILES: usize = 10_000;

/// Try a policy by cases whose outcome is known
///
/// Cases stand under `tests` in the policy, or each in a folder of its own with `case.yaml`: `at`,
/// `stage`, `artifact` and `expect`. The bundles of a case stand in its folder, beside the
/// `trust.yaml` by which they are believed, and are taken to be all there is. Ends with 0 if every
/// case comes out as it should, 1 if one does not, and 2 if one cannot be tried; the others are.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay policy test policy.yaml
  assay policy test policy.yaml --cases cases --format junit > results.xml")]
pub(super) struct TestArgs {
    /// The policy
    file: PathBuf,

    /// Also try the cases of this folder, each in a folder with `case.yaml`
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,

    /// How to write what came of them
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// For a person
    #[default]
    Text,
    /// Test Anything Protocol, version 13
    Tap,
    /// JUnit's XML
    Junit,
}

impl TestArgs {
    pub(super) fn run(&self) -> Result<Tried, Error> {
        let policy = read(&self.file)?;
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let mut results = Vec::new();
        for case in policy.cases() {
            let evidence = folder.join(case.evidence.as_deref().unwrap_or_default());
            results.push(Attempt::of(&case.name, attempt(&policy, case, &evidence)));
        }
        let found = self.cases.as_deref().map(cases).transpose()?.unwrap_or_default();
        for (name, folder, case) in found {
            let tried = case.and_then(|case| attempt(&policy, &case, &folder));
            results.push(Attempt::of(&name, tried));
        }
        if results.is_empty() {
            return Err(Error::NoCases(self.file.clone()));
        }
        Ok(Tried {
            version: "assay/policy-test/v1",
            policy: policy.name().into(),
            digest: policy.digest().to_string(),
            passed: results.iter().all(|one| one.passed),
            cases: results,
            format: self.format,
        })
    }
}

/// A case with its name and its folder, or why it cannot be read.
type Found = (String, PathBuf, Result<Case, Error>);

/// The cases of a folder, by name; one that cannot be read is in it, too.
fn cases(folder: &Path) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for name in names(folder)?.into_iter().take(MAX_CASES) {
        let (place, path) = (folder.join(&name), folder.join(&name).join("case.yaml"));
        if path.is_file() {
            let case = home::read_text(&path).and_then(|text| {
                Case::parse(&name, &text)
                    .map_err(|source| Error::Case { path, source: Box::new(source) })
            });
            found.push((name, place, case));
        }
    }
    Ok(found)
}

fn attempt(policy: &Policy, case: &Case, folder: &Path) -> Result<Outcome, Error> {
    let path = folder.join("trust.yaml");
    let trust =
        Trust::parse(&home::read_text(&path)?).map_err(|source| Error::Trust { path, source })?;
    let files: Vec<PathBuf> = match case.bundles.as_slice() {
        [] => names(folder)?
            .into_iter()
            .filter(|name| name.ends_with(".json") || name.ends_with(".jsonl"))
            .map(|name| folder.join(name))
            .collect(),
        named => named.iter().map(|name| folder.join(name)).collect(),
    };
    if files.is_empty() {
        return Err(Error::NoEvidence(folder.into()));
    }
    let bundles = gather::read_bundles(&files)?;
    let lineage = gather::from_bundles(case.artifact, Direction::Up, &bundles, &trust, case.at);
    Ok(Outcome::of(case, &policy.rehearse(case, &lineage)))
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::io(Action::Read, folder, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)?.take(MAX_FILES) {
        let name = entry.map_err(failed)?.file_name();
        names.extend(name.into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

/// What came of all cases.
#[derive(Serialize)]
pub(super) struct Tried {
    version: &'static str,
    policy: String,
    digest: String,
    passed: bool,
    cases: Vec<Attempt>,
    #[serde(skip)]
    format: Format,
}

/// What came of one.
#[derive(Serialize)]
struct Attempt {
    name: String,
    passed: bool,
    #[serde(flatten)]
    came: Came,
}

/// What came of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Came {
    Tried(Outcome),
    Untried {
        /// Why it was not tried.
        untried: String,
        /// What to do about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

/// How a case came out that was tried.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    expected: Expected,
    verdict: Verdict,
    codes: BTreeSet<Code>,
    findings: Vec<Finding>,
}

impl Attempt {
    fn of(name: &str, tried: Result<Outcome, Error>) -> Self {
        let came = match tried {
            Ok(outcome) => Came::Tried(outcome),
            Err(error) => Came::Untried { untried: error.message(), hint: error.hint() },
        };
        let passed = match &came {
            Came::Tried(Outcome { expected, verdict, codes, .. }) => {
                expected.is_met(*verdict, codes)
            }
            Came::Untried { .. } => false,
        };
        Self { name: name.into(), passed, came }
    }

    /// Why it was not tried.
    fn untried(&self) -> Option<&str> {
        match &self.came {
            Came::Tried(_) => None,
            Came::Untried { untried, .. } => Some(untried),
        }
    }

    /// What differed, a line each; why it was not tried, and what to do about it.
    fn differences(&self) -> Vec<String> {
        match &self.came {
            Came::Tried(outcome) => outcome.differences(),
            Came::Untried { untried, hint, .. } => {
                let hint = hint.iter().map(|hint| format!("hint: {hint}"));
                std::iter::once(format!("not tried: {untried}")).chain(hint).collect()
            }
        }
    }
}

impl Outcome {
    fn of(case: &Case, found: &Rehearsed) -> Self {
        Self {
            expected: case.expected.clone(),
            verdict: found.verdict(),
            codes: found.codes(),
            findings: found.findings().to_vec(),
        }
    }

    /// What differed, a line each.
    fn differences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.verdict != self.expected.verdict {
            lines.push(format!("{}, not {}", self.verdict, self.expected.verdict));
        }
        if let Some(wanted) = &self.expected.codes {
            lines.extend(wanted.difference(&self.codes).map(|code| format!("not found: {code}")));
        }
        let wanted = |finding: &&Finding| {
            self.expected.codes.as_ref().is_none_or(|codes| !codes.contains(&finding.code))
        };
        let found = self.findings.iter().filter(wanted);
        lines.extend(
            found.map(|one| format!("found: {} by {}: {}", one.code, one.rule, one.message)),
        );
        lines
    }
}

impl Answer for Tried {
    fn exit(&self) -> Exit {
        match self.passed {
            true => Exit::Success,
            false if self.untried() > 0 => Exit::Undecided,
            false => Exit::Denied,
        }
    }

    fn draw(&self, page: &mut Page) {
        match self.format {
            Format::Text => self.text(page),
            Format::Tap => self.tap(page),
            Format::Junit => self.junit(page),
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

impl Tried {
    fn failed(&self) -> usize {
        self.cases.iter().filter(|one| !one.passed).count()
    }

    fn untried(&self) -> usize {
        self.cases.iter().filter(|one| one.untried().is_some()).count()
    }

    fn text(&self, page: &mut Page) {
        for one in &self.cases {
            let (tone, word) = if one.passed { (Tone::Good, "ok") } else { (Tone::Bad, "not ok") };
            page.put(tone, format_args!("{word:<8}")).put(Tone::Strong, &one.name);
            if let Came::Tried(outcome) = &one.came {
                page.put(Tone::Faint, format_args!("  {}", outcome.verdict));
            }
            page.end();
            if !one.passed {
                for line in one.differences() {
                    page.text("        ").line(line);
                }
            }
        }
        let (all, failed) = (self.cases.len(), self.failed());
        let tone = if failed == 0 { Tone::Good } else { Tone::Bad };
        page.put(tone, format_args!("{} of {all} cases", all - failed));
        page.text(format_args!(" come out as they should by policy {}", self.policy));
        if self.untried() > 0 {
            page.put(Tone::Warn, format_args!("; {} could not be tried", self.untried()));
        }
        page.end();
    }

    /// Test Anything Protocol, version 13 (testanything.org).
    fn tap(&self, page: &mut Page) {
        page.line("TAP version 13").line(format_args!("1..{}", self.cases.len()));
        for (number, one) in (1..).zip(&self.cases) {
            let word = if one.passed { "ok" } else { "not ok" };
            // A `#` would begin a directive.
            page.line(format_args!("{word} {number} - {}", one.name.replace('#', "\\#")));
            if !one.passed {
                for line in one.differences() {
                    page.line(format_args!("# {line}"));
                }
            }
        }
    }

    /// The XML that JUnit's Ant task writes, as CI systems read it.
    fn junit(&self, page: &mut Page) {
        page.line(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
        let (name, all, errors) = (escaped(&self.policy), self.cases.len(), self.untried());
        let failed = self.failed() - errors;
        page.line(format_args!(
            r#"<testsuite name="{name}" tests="{all}" failures="{failed}" errors="{errors}">"#
        ));
        for one in &self.cases {
            let case = escaped(&one.name);
            if one.passed {
                page.line(format_args!(r#"  <testcase classname="{name}" name="{case}"/>"#));
                continue;
            }
            page.line(format_args!(r#"  <testcase classname="{name}" name="{case}">"#));
            let lines: Vec<String> = one.differences().iter().map(|line| escaped(line)).collect();
            let first = lines.first().map_or("", String::as_str);
            let kind = if one.untried().is_some() { "error" } else { "failure" };
            page.line(format_args!(r#"    <{kind} message="{first}">"#));
            for line in &lines {
                page.line(line);
            }
            page.line(format_args!("    </{kind}>")).line("  </testcase>");
        }
        page.line("</testsuite>");
    }
}

/// A text in XML 1.0, in an attribute or between tags.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no way to write these.
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}
