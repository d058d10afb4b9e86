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
/// case comes out as it should, 1 if one does not, and 2 if one cannot be tried.
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
            results.push(attempt(&policy, case, &evidence)?);
        }
        for (case, folder) in self.cases.as_deref().map(cases).transpose()?.unwrap_or_default() {
            results.push(attempt(&policy, &case, &folder)?);
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

/// The cases of a folder with their folders, by name.
fn cases(folder: &Path) -> Result<Vec<(Case, PathBuf)>, Error> {
    let mut found = Vec::new();
    for name in names(folder)?.into_iter().take(MAX_CASES) {
        let (place, path) = (folder.join(&name), folder.join(&name).join("case.yaml"));
        if path.is_file() {
            let case = Case::parse(&name, &home::read_text(&path)?)
                .map_err(|source| Error::Case { path, source: Box::new(source) })?;
            found.push((case, place));
        }
    }
    Ok(found)
}

fn attempt(policy: &Policy, case: &Case, folder: &Path) -> Result<Attempt, Error> {
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
    Ok(Attempt::of(case, &policy.rehearse(case, &lineage)))
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
#[serde(rename_all = "camelCase")]
struct Attempt {
    name: String,
    passed: bool,
    expected: Expected,
    verdict: Verdict,
    codes: BTreeSet<Code>,
    findings: Vec<Finding>,
}

impl Attempt {
    fn of(case: &Case, found: &Rehearsed) -> Self {
        let codes = found.codes();
        Self {
            name: case.name.clone(),
            passed: case.expected.is_met(found.verdict(), &codes),
            expected: case.expected.clone(),
            verdict: found.verdict(),
            codes,
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
        if self.passed { Exit::Success } else { Exit::Denied }
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

    fn text(&self, page: &mut Page) {
        for one in &self.cases {
            let (tone, word) = if one.passed { (Tone::Good, "ok") } else { (Tone::Bad, "not ok") };
            page.put(tone, format_args!("{word:<8}")).put(Tone::Strong, &one.name);
            page.put(Tone::Faint, format_args!("  {}", one.verdict)).end();
            if !one.passed {
                for line in one.differences() {
                    page.text("        ").line(line);
                }
            }
        }
        let (all, failed) = (self.cases.len(), self.failed());
        let tone = if failed == 0 { Tone::Good } else { Tone::Bad };
        page.put(tone, format_args!("{} of {all} cases", all - failed));
        page.line(format_args!(" come out as they should by policy {}", self.policy));
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
        let (name, all, failed) = (escaped(&self.policy), self.cases.len(), self.failed());
        page.line(format_args!(
            r#"<testsuite name="{name}" tests="{all}" failures="{failed}" errors="0">"#
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
            page.line(format_args!(r#"    <failure message="{first}">"#));
            for line in &lines {
                page.line(line);
            }
            page.line("    </failure>").line("  </testcase>");
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
