//! Vulnerabilities: what a scan of the artifact found, and what is said of it.
//!
//! Of all scans that count the last by position decides, and every believed one that is not older
//! speaks against the artifact, whoever signed it: nobody can scan until it suits. A vulnerability
//! that is too bad is let pass where the last word about it, by somebody whom the rule names, is
//! that it does no harm. A score that nobody understands is worse than every limit.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use attest::predicate::vulnerabilities::{FormatError, Scan, Severity, Status, statuses};
use attest::{ArtifactId, Timestamp};
use verify::{Attestation, History};

use super::rule::{Asked, Reads, Rule, View, older};
use crate::age::MaxAge;
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::Model;
use crate::remedy::{self, Remedy};
use crate::whom::{NOBODY, Whom};

/// How many vulnerabilities a message names.
const MAX_NAMED: usize = 5;

/// How bad the vulnerabilities of the artifact may be.
#[derive(Clone, Debug)]
pub(crate) struct Vulnerabilities {
    pub(crate) most: Severity,
    pub(crate) whom: Whom,
    /// How old the scan may be.
    pub(crate) scan_max_age: MaxAge,
    /// How old the scanner's knowledge may be.
    pub(crate) database_max_age: Option<MaxAge>,
    /// Who may say that a vulnerability does no harm; nobody when `None`.
    pub(crate) exempt: Option<Whom>,
}

type Read<'a> = (&'a Attestation, Result<Scan<'a>, FormatError>);

impl Rule for Vulnerabilities {
    fn place(&self) -> &str {
        "dependencies.vulnerabilities"
    }

    fn asks(&self, _: &Model) -> String {
        let but = match &self.exempt {
            Some(whom) => format!(", but for what {} exempt", whom.words()),
            None => String::new(),
        };
        format!(
            "a scan by {}, at most {} old, finds nothing worse than {}{but}",
            self.whom.words(),
            self.scan_max_age,
            self.most.as_str()
        )
    }

    fn reads(&self, _: &Model) -> Vec<Reads> {
        let mut reads = vec![
            Reads::Type(attest::predicate::VULNERABILITIES.into()),
            Reads::field("/predicate/scanner/result/*"),
            Reads::field("/predicate/metadata/scanFinishedOn"),
            Reads::signers(&self.whom),
            Reads::Digests,
            Reads::Order,
            Reads::age(self.scan_max_age),
        ];
        // The least that is too bad, in words and as a score.
        reads.extend(
            self.most
                .worse()
                .into_iter()
                .flat_map(|(word, score)| [word, score].map(|one| Reads::Word(one.into()))),
        );
        if let Some(age) = self.database_max_age {
            reads.push(Reads::field("/predicate/scanner/db/lastUpdate"));
            reads.push(Reads::age(age));
        }
        if let Some(whom) = &self.exempt {
            reads.push(Reads::Type(attest::predicate::OPENVEX.into()));
            reads.push(Reads::Type(attest::predicate::CYCLONEDX.into()));
            reads.push(Reads::signers(whom));
        }
        reads
    }

    fn asked(&self, _: &Model) -> Vec<Asked<'_>> {
        let exempt = [attest::predicate::OPENVEX, attest::predicate::CYCLONEDX];
        let scan = Asked::one("scan", &self.whom, &[attest::predicate::VULNERABILITIES]);
        let exempt = self
            .exempt
            .as_ref()
            .map(|whom| Asked { needed: false, ..Asked::one("exempt from it", whom, &exempt) });
        [scan].into_iter().chain(exempt).collect()
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let artifact = view.question.artifact;
        let scan = |one| read(one);
        let mut scans: Vec<Read<'_>> = view.about(&artifact, scan);
        let counts = |(one, _): &&Read<'_>| self.whom.stand_behind(one);
        let again = || Remedy::statement(remedy::scan(view.question, self.most), &self.whom);
        let next = format!(
            "scan {artifact}, have {} sign what was found, and register it",
            self.whom.words()
        );
        let Some(last) = scans.iter().filter(counts).map(|(one, _)| one.index).max() else {
            let message = format!("no scan of {artifact} counts");
            let near = scans.iter().map(|(one, _)| *one);
            let why = scans.iter().rev().map(|(one, _)| (one.body(), NOBODY.to_owned()));
            let problem = Problem::fail(Code::VulnerabilityUnscanned, message, next);
            let problem = problem.shown_by(near).considering(why).mended(again());
            draft.fail(self.place(), vec![problem.about([artifact])]);
            return;
        };
        scans.extend(view.lapsed(&artifact, scan));
        let lineage = view.question.lineage;
        let words = || self.exempt.as_ref().map(|whom| Words::of(lineage, &artifact, whom));
        let words = LazyCell::new(words);
        let (mut evidence, mut problems) = (Vec::new(), Vec::new());
        for (one, scan) in scans.iter().filter(|(one, _)| one.index.is_none() || one.index >= last)
        {
            let decides = one.index == last && self.whom.stand_behind(one);
            let scan = match scan {
                Ok(scan) => scan,
                Err(error) => {
                    let message = format!("a scan of {artifact} is unreadable: {error}");
                    let code = Code::VulnerabilityUnreadable;
                    let problem = Problem::error(code, message, next.as_str()).shown_by([*one]);
                    problems.push(problem.mended(again()));
                    continue;
                }
            };
            if decides {
                evidence.push(*one);
                let old = self.aged(view, one, scan, &next, draft);
                problems.extend(old.into_iter().map(|problem| problem.mended(again())));
            }
            problems.extend(self.severe(view, one, scan, &words, &mut evidence));
        }
        if problems.is_empty() {
            for one in &evidence {
                // What is no scan says of one that it does no harm.
                let whom = match read(one) {
                    Some(_) => Some(&self.whom),
                    None => self.exempt.as_ref(),
                };
                draft.rests(self.place(), &[*one], |one, by| {
                    whom.is_some_and(|whom| whom.counts(one, by))
                });
            }
            draft.pass(self.place(), bodies(evidence), None);
        } else {
            draft.fail(self.place(), problems);
        }
    }
}

impl Vulnerabilities {
    fn aged(
        &self,
        view: View<'_, '_>,
        one: &Attestation,
        scan: &Scan<'_>,
        next: &str,
        draft: &mut Draft,
    ) -> Vec<Problem> {
        let mut limits = vec![("scan", older(scan.finished_on, one), self.scan_max_age)];
        if let Some(age) = self.database_max_age {
            limits.push(("knowledge of the scanner", scan.database_of, age));
        }
        let mut problems = Vec::new();
        for (what, since, age) in limits {
            let Some(why) = too_old(what, since, age, view.question.now, draft) else { continue };
            problems.push(Problem::fail(Code::VulnerabilityAge, why, next).shown_by([one]));
        }
        problems
    }

    fn severe<'a>(
        &self,
        view: View<'_, 'a>,
        one: &'a Attestation,
        scan: &Scan<'_>,
        words: &LazyCell<Option<Words<'a>>, impl FnOnce() -> Option<Words<'a>>>,
        evidence: &mut Vec<&'a Attestation>,
    ) -> Option<Problem> {
        let severe = scan.results.iter().filter(|(_, severity)| **severity > self.most);
        let mut severe: Vec<(&str, Severity)> =
            severe.map(|(id, severity)| (*id, *severity)).collect();
        if severe.is_empty() {
            return None;
        }
        if let Some(words) = &**words {
            let mut said = BTreeSet::new();
            severe.retain(|(id, _)| {
                let harmless = words.harmless(id);
                // One document may speak of many.
                evidence.extend(harmless.filter(|one| said.insert(one.body())));
                harmless.is_none()
            });
        }
        let named: Vec<String> = severe
            .iter()
            .take(MAX_NAMED)
            .map(|(id, severity)| format!("`{id}` ({})", severity.as_str()))
            .collect();
        if named.is_empty() {
            return None;
        }
        let more = severe.len().saturating_sub(MAX_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let most = self.most.as_str();
        let message = format!("the scan finds {}{more}, and lets {most} pass", named.join(", "));
        let next = match &self.exempt {
            Some(whom) => format!(
                "mend it and scan again, or have {} sign an OpenVEX statement about it with the \
                 status `not_affected` or `fixed`",
                whom.words()
            ),
            None => "mend it, and scan again".into(),
        };
        let problem = Problem::fail(Code::VulnerabilitySeverity, message, next)
            .shown_by([one])
            .about([view.question.artifact]);
        let ids: Vec<&str> = severe.iter().map(|(id, _)| *id).collect();
        Some(match &self.exempt {
            Some(whom) => {
                let statement = remedy::exchange(view.question, &ids);
                problem.mended(Remedy::statement(statement, whom))
            }
            None => problem,
        })
    }
}

/// The last word on each vulnerability of the artifact, by its id.
pub(crate) struct Words<'a> {
    last: BTreeMap<String, (&'a Attestation, Status)>,
}

impl<'a> Words<'a> {
    /// A document that cannot be read says nothing for the artifact.
    pub(crate) fn of(history: &'a History, artifact: &ArtifactId, whom: &Whom) -> Self {
        let digest = artifact.digest().map(|digest| digest.hex());
        let read = |one: &'a Attestation| {
            let found = statuses(&one.statement().predicate, digest.as_deref())?.ok()?;
            Some((one, found))
        };
        let mut said: Vec<_> = history.about(artifact).filter_map(read).collect();
        // Somebody else's word counts against it alone.
        for (one, found) in &mut said {
            if !whom.stand_behind(one) {
                found.retain(|_, status| *status == Status::Affected);
            }
        }
        for (one, mut found) in history.lapsed_about(artifact).filter_map(read) {
            found.retain(|_, status| *status == Status::Affected);
            said.push((one, found));
        }
        said.sort_by_key(|(one, _)| one.index.unwrap_or(u64::MAX));
        Self { last: last_of_each(said) }
    }

    /// Every document by which some vulnerability does no harm.
    pub(crate) fn all_harmless(&self) -> impl Iterator<Item = &'a Attestation> {
        let words = self.last.values();
        words.filter(|(_, status)| *status == Status::Harmless).map(|(one, _)| *one)
    }

    /// The document by which a vulnerability does no harm, where that is the last word about it.
    pub(crate) fn harmless(&self, id: &str) -> Option<&'a Attestation> {
        match self.last.get(id) {
            Some((one, Status::Harmless)) => Some(one),
            _ => None,
        }
    }
}

/// What is said last of each, each word looked at once.
fn last_of_each<T: Copy, K: Ord, S>(
    said: impl IntoIterator<Item = (T, BTreeMap<K, S>)>,
) -> BTreeMap<K, (T, S)> {
    let each = said
        .into_iter()
        .flat_map(|(one, found)| found.into_iter().map(move |(id, status)| (id, (one, status))));
    let mut last = BTreeMap::new();
    for (id, word) in each {
        last.insert(id, word);
    }
    last
}

/// The scan that a statement is, if it is one.
pub(crate) fn read(attestation: &Attestation) -> Option<Result<Scan<'_>, FormatError>> {
    Scan::of(&attestation.statement().predicate)
}

/// Why something is too old, if it is.
pub(crate) fn too_old(
    what: &str,
    since: Option<Timestamp>,
    age: MaxAge,
    now: Timestamp,
    draft: &mut Draft,
) -> Option<String> {
    let Some(since) = since else {
        return Some(format!("nobody says of when the {what} is, and {age} is its limit"));
    };
    let end = age.end(since);
    if now < end {
        draft.until(end);
        return None;
    }
    draft.from(end);
    Some(format!("the {what} is of {since}, and was too old after {age}"))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::cmp::Ordering;

    use super::*;

    thread_local! {
        static COMPARED: Cell<usize> = const { Cell::new(0) };
    }

    /// An id that counts how often any is compared.
    #[derive(Clone, Copy)]
    struct Counted(usize);

    impl Ord for Counted {
        fn cmp(&self, other: &Self) -> Ordering {
            COMPARED.set(COMPARED.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Counted {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other).is_eq()
        }
    }

    impl Eq for Counted {}

    /// How often ids are compared to find the last word on each of as many vulnerabilities as there
    /// are documents.
    fn comparisons(documents: usize) -> usize {
        COMPARED.set(0);
        let one = |at: usize| (at, BTreeMap::from([(Counted(at), Status::Harmless)]));
        let last = last_of_each((0..documents).map(one));
        for at in 0..documents {
            assert_eq!(last.get(&Counted(at)).map(|(from, _)| *from), Some(at));
        }
        COMPARED.get()
    }

    #[test]
    fn the_last_word_on_each_vulnerability_is_looked_up_and_not_searched_for() {
        let (few, many) = (comparisons(1_000), comparisons(8_000));
        // Eight times as many, each a few comparisons deeper; searching would take 64 times as many.
        assert!(many < few * 12, "{few} {many}");
        let twice = [("first", Status::Harmless), ("second", Status::Affected)];
        let said = twice.map(|(from, status)| (from, BTreeMap::from([("CVE-1", status)])));
        assert_eq!(last_of_each(said).get("CVE-1"), Some(&("second", Status::Affected)));
    }
}
