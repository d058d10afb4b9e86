//! The doors that an attack is tried at. Each takes a scene and gives an [`Answer`].

#[cfg(feature = "server")]
pub(crate) mod command;
pub(crate) mod library;
#[cfg(feature = "server")]
pub(crate) mod service;

use std::collections::BTreeSet;
use std::fmt;

use fixtures::{Outcome, Scene, Verdict};
use policy::Report;

/// What a door says.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A report, which decides.
    Report(Box<Report>),
    /// Why the question could not be asked.
    Undecided(String),
}

impl Answer {
    /// Whether nothing but errors stands against the artifact.
    #[cfg(feature = "server")]
    pub(crate) fn is_undecided(&self) -> bool {
        let Self::Report(report) = self else { return true };
        let has = |outcome| report.findings.iter().any(|one| one.outcome == outcome);
        has(policy::Outcome::Error) && !has(policy::Outcome::Fail)
    }

    /// The answer in one word.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Undecided(_) => Verdict::Undecided,
            Self::Report(report) if report.passed => Verdict::Allowed,
            Self::Report(report) if report.admitted => Verdict::Tolerated,
            Self::Report(_) => Verdict::Denied,
        }
    }

    /// The codes of all findings.
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        let Self::Report(report) = self else { return BTreeSet::new() };
        report.findings.iter().map(|finding| finding.code.to_string()).collect()
    }

    /// How another door's answer is not this one: the bytes of its report, and what was read from
    /// them. A question that cannot be asked may be refused in other words.
    #[cfg(feature = "server")]
    pub(crate) fn is_written_as(&self, bytes: &[u8], other: &Self) -> Vec<String> {
        self.is_the_same(&|report| serde_json::to_vec(report).unwrap(), bytes, other)
    }

    /// The same for a report that is indented and ends with a line feed.
    #[cfg(feature = "server")]
    pub(crate) fn is_drawn_as(&self, bytes: &[u8], other: &Self) -> Vec<String> {
        let draw =
            |report: &Report| [&serde_json::to_vec_pretty(report).unwrap()[..], b"\n"].concat();
        self.is_the_same(&draw, bytes, other)
    }

    #[cfg(feature = "server")]
    fn is_the_same(
        &self,
        write: &dyn Fn(&Report) -> Vec<u8>,
        bytes: &[u8],
        other: &Self,
    ) -> Vec<String> {
        match (self, other) {
            (Self::Undecided(_), Self::Undecided(_)) => Vec::new(),
            (Self::Report(ours), Self::Report(_)) => {
                let ours = write(ours);
                if ours == bytes {
                    return Vec::new();
                }
                let [ours, theirs] = [&ours[..], bytes].map(String::from_utf8_lossy);
                vec![format!("another report:\n{ours}\n{theirs}")]
            }
            _ => vec![format!("{self} here, {other} there")],
        }
    }

    /// How it is not an opinion of this verdict, which says of itself that it is no more.
    #[cfg(feature = "server")]
    pub(crate) fn is_no_more_than(&self, opinion: Verdict) -> Vec<String> {
        match self {
            Self::Report(report) if report.advisory && self.verdict() == opinion => Vec::new(),
            _ => vec![format!("an advisory {opinion:?} was due, and came {self}")],
        }
    }

    /// How it is not what a row says, one line each.
    pub(crate) fn differs_from(&self, want: &Outcome, scene: &Scene) -> Vec<String> {
        let mut problems = Vec::new();
        if self.verdict() != want.verdict || self.codes() != want.codes {
            problems.push(format!("{:?} {:?} was due, and came {self}", want.verdict, want.codes));
        }
        let Self::Report(report) = self else { return problems };
        let level = report.basis.slsa_build_level;
        if want.build_level.is_some_and(|want| want != level) {
            problems.push(format!("grants SLSA Build L{level}, not {:?}", want.build_level));
        }
        for blamed in &want.blames {
            let body = scene.body(blamed).unwrap();
            if !report.findings.iter().any(|finding| finding.evidence.contains(&body)) {
                problems.push(format!("no finding blames `{blamed}`: {self}"));
            }
        }
        let messages = report.findings.iter().map(|finding| finding.message.as_str());
        let details = report.rules.iter().filter_map(|rule| rule.detail.as_deref());
        let texts: Vec<&str> = messages.chain(details).collect();
        for said in &want.says {
            // A name of evidence means its body.
            let said = scene.body(said).map_or_else(|| said.clone(), |body| body.to_string());
            if !texts.iter().any(|text| text.contains(&said)) {
                problems.push(format!("does not say `{said}`: {texts:?}"));
            }
        }
        problems
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecided(why) => write!(formatter, "Undecided: {why}"),
            Self::Report(report) => {
                write!(formatter, "{:?} {:?}", self.verdict(), self.codes())?;
                report.findings.iter().try_for_each(|one| {
                    write!(formatter, "\n    {} ({}): {}", one.code, one.rule, one.message)
                })
            }
        }
    }
}
