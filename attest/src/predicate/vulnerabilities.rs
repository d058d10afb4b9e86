//! What scanners found, and what is said of it.
//!
//! Sources: in-toto attestation framework, `spec/predicates/vulns_02.md`; OpenVEX specification
//! v0.2.0; CycloneDX 1.6, `vulnerabilities[].analysis.state`; CVSS v3.1, section 5 (the words for
//! scores). A scan that cannot be read is an error and never a scan that found nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::bom::Bom;
use super::{OPENVEX, Predicate, VULNERABILITIES};
use crate::decimal::Decimal;

/// The most results of one scan, and statements of one document, that are read.
pub const MAX_RESULTS: usize = 100_000;

/// How bad a vulnerability is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Not at all.
    None,
    /// A score up to 3.9.
    Low,
    /// Up to 6.9.
    Medium,
    /// Up to 8.9.
    High,
    /// More.
    Critical,
    /// Nobody says, or in words that are not understood: worse than any that is known.
    Unknown,
}

/// What a scan found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scan<'a> {
    /// When it ended. A claim.
    pub finished_on: Option<Timestamp>,
    /// When the scanner's knowledge was last brought up to date. A claim.
    pub database_of: Option<Timestamp>,
    /// Each vulnerability with the worst that the scan says of it.
    pub results: BTreeMap<&'a str, Severity>,
}

/// What is said of a vulnerability in an artifact.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Status {
    /// It does no harm there, or no longer.
    Harmless,
    /// It does, or may.
    Affected,
}

/// Why a scan or a document about vulnerabilities cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is missing or has not the shape of its format")]
pub struct FormatError(
    /// The member.
    pub &'static str,
);

impl Severity {
    /// The ones that a limit can name.
    pub const LIMITS: [Self; 5] = [Self::None, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word in policies and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }

    /// The next worse one that can be named, as the word and as the least score for it; `None`
    /// where nothing that can be named is worse.
    pub const fn worse(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::None => Some(("low", "0.1")),
            Self::Low => Some(("medium", "4")),
            Self::Medium => Some(("high", "7")),
            Self::High => Some(("critical", "9")),
            Self::Critical | Self::Unknown => None,
        }
    }

    /// What a scanner's score means: a number from 0 to 10, or a word.
    fn of_score(score: &Value) -> Self {
        let text = match score {
            Value::String(text) => text.trim().to_ascii_lowercase(),
            Value::Number(number) => number.to_string(),
            _ => return Self::Unknown,
        };
        match text.as_str() {
            "none" | "negligible" => return Self::None,
            "low" => return Self::Low,
            "medium" | "moderate" => return Self::Medium,
            "high" | "important" => return Self::High,
            "critical" => return Self::Critical,
            _ => {}
        }
        let Ok(number) = text.parse::<Decimal>() else { return Self::Unknown };
        if number < Decimal::ZERO || number > Decimal::from(10) {
            return Self::Unknown;
        }
        // CVSS v3.1, table 14; between the upper end of one word and the next nothing is scored.
        let words = [(4, Self::Low), (7, Self::Medium), (9, Self::High)];
        if number == Decimal::ZERO {
            return Self::None;
        }
        let below = words.iter().find(|(end, _)| number < Decimal::from(*end));
        below.map_or(Self::Critical, |(_, severity)| *severity)
    }
}

impl<'a> Scan<'a> {
    /// The scan that `predicate` is; `None` for any other predicate.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn of(predicate: &'a Predicate) -> Option<Result<Self, FormatError>> {
        let Predicate::Other { predicate_type, value } = predicate else { return None };
        (predicate_type == VULNERABILITIES).then(|| Self::read(value))
    }

    fn read(value: &'a Value) -> Result<Self, FormatError> {
        let scanner = value.get("scanner").ok_or(FormatError("scanner"))?;
        let results = scanner.get("result").and_then(Value::as_array);
        let wrong = || FormatError("scanner.result");
        let results = results.filter(|all| all.len() <= MAX_RESULTS).ok_or_else(wrong)?;
        let mut found: BTreeMap<&str, Severity> = BTreeMap::new();
        for result in results {
            // Some tools write the example of v0.1, others its table of fields.
            let result = result.get("vulnerability").unwrap_or(result);
            let id = result.get("id").and_then(Value::as_str).ok_or_else(wrong)?;
            let scores = match result.get("severity") {
                Some(Value::Array(scores)) => scores.as_slice(),
                Some(one @ Value::Object(_)) => std::slice::from_ref(one),
                _ => &[],
            };
            let scores = scores.iter().filter_map(|one| one.get("score")).map(Severity::of_score);
            // One method that says nothing does not hide another that does.
            let known = scores.filter(|found| *found != Severity::Unknown).max();
            let worst = known.unwrap_or(Severity::Unknown);
            let entry = found.entry(id).or_insert(worst);
            *entry = (*entry).max(worst);
        }
        let moment = |value: Option<&Value>| value?.as_str()?.parse::<Timestamp>().ok();
        let database = scanner.get("db").and_then(|database| database.get("lastUpdate"));
        Ok(Self {
            finished_on: moment(value.get("metadata").and_then(|one| one.get("scanFinishedOn"))),
            database_of: moment(database),
            results: found,
        })
    }
}

/// What `predicate` says of vulnerabilities, by identifier; of several words about one the worst.
/// `None` where it is no document about vulnerabilities. `digest` is the SHA-256 digest, in hex, of
/// the artifact that the statement is about: what is said of another product is left out.
///
/// # Errors
/// [`FormatError`].
pub fn statuses(
    predicate: &Predicate,
    digest: Option<&str>,
) -> Option<Result<BTreeMap<String, Status>, FormatError>> {
    if let Some(bom) = Bom::of(predicate) {
        return Some(of_bom(bom.map_err(|_| FormatError("bomFormat"))));
    }
    let Predicate::Other { predicate_type, value } = predicate else { return None };
    let known = predicate_type == OPENVEX
        || predicate_type.strip_prefix(OPENVEX).is_some_and(|version| version.starts_with("/v0."));
    known.then(|| open_vex(value, digest))
}

fn of_bom(bom: Result<Bom<'_>, FormatError>) -> Result<BTreeMap<String, Status>, FormatError> {
    let mut found = BTreeMap::new();
    for analysis in bom?.analyses().map_err(|_| FormatError("vulnerabilities"))? {
        let harmless = matches!(
            analysis.state,
            "resolved" | "resolved_with_pedigree" | "false_positive" | "not_affected"
        );
        add(&mut found, analysis.id, harmless);
    }
    Ok(found)
}

fn open_vex(value: &Value, digest: Option<&str>) -> Result<BTreeMap<String, Status>, FormatError> {
    let statements = value.get("statements").and_then(Value::as_array);
    let statements = statements.filter(|all| all.len() <= MAX_RESULTS);
    let mut found = BTreeMap::new();
    for statement in statements.ok_or(FormatError("statements"))? {
        let status = statement.get("status").and_then(Value::as_str);
        let status = status.ok_or(FormatError("status"))?;
        let vulnerability = statement.get("vulnerability").ok_or(FormatError("vulnerability"))?;
        let harmless = matches!(status, "not_affected" | "fixed");
        // That somebody else's product is not affected helps nobody; that it is harms nobody.
        if !is_of(statement, digest) {
            continue;
        }
        let name = match vulnerability {
            Value::String(name) => Some(name.as_str()),
            other => other.get("name").or_else(|| other.get("@id")).and_then(Value::as_str),
        };
        add(&mut found, name.ok_or(FormatError("vulnerability"))?, harmless);
        let aliases = vulnerability.get("aliases").and_then(Value::as_array);
        for alias in aliases.into_iter().flatten().filter_map(Value::as_str) {
            add(&mut found, alias, harmless);
        }
    }
    Ok(found)
}

/// Whether a statement of OpenVEX names no product by its digest, or the one with this digest.
fn is_of(statement: &Value, digest: Option<&str>) -> bool {
    let products = statement.get("products").and_then(Value::as_array);
    let hashes: Vec<&str> = products
        .into_iter()
        .flatten()
        .filter_map(|product| product.get("hashes")?.get("sha-256")?.as_str())
        .collect();
    hashes.is_empty() || digest.is_some_and(|digest| hashes.contains(&digest))
}

fn add(found: &mut BTreeMap<String, Status>, id: &str, harmless: bool) {
    let status = if harmless { Status::Harmless } else { Status::Affected };
    let entry = found.entry(id.to_owned()).or_insert(status);
    *entry = (*entry).max(status);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn other(predicate_type: &str, value: Value) -> Predicate {
        Predicate::Other { predicate_type: predicate_type.into(), value }
    }

    #[test]
    fn scores() {
        use Severity::*;
        let cases = [
            (json!("0"), None),
            (json!("0.1"), Low),
            (json!("3.9"), Low),
            (json!("4.0"), Medium),
            (json!(6.9), Medium),
            (json!("7"), High),
            (json!("8.9"), High),
            (json!("9.0"), Critical),
            (json!("10"), Critical),
            (json!("10.1"), Unknown),
            (json!("-1"), Unknown),
            (json!("Moderate"), Medium),
            (json!("IMPORTANT"), High),
            (json!("CVSS:3.1/AV:N"), Unknown),
            (json!(null), Unknown),
        ];
        for (score, want) in cases {
            assert_eq!(Severity::of_score(&score), want, "{score}");
        }
    }

    #[test]
    fn the_worst_of_a_scan_counts_and_what_nobody_scores_is_unknown() {
        let value = json!({
            "scanner": {"result": [
                {"id": "A", "severity": [{"method": "nvd", "score": "low"}, {"method": "x", "score": "8.0"}]},
                {"id": "B", "severity": [{"method": "nvd", "score": "?"}, {"method": "x", "score": "2"}]},
                {"id": "C"},
                {"vulnerability": {"id": "D", "severity": {"method": "nvd", "score": "low"}}},
                {"id": "D", "severity": [{"method": "nvd", "score": "high"}]},
            ]},
            "metadata": {"scanFinishedOn": "2026-11-20T00:00:00Z"},
        });
        let predicate = other(VULNERABILITIES, value);
        let scan = Scan::of(&predicate).unwrap().unwrap();
        let want = [
            ("A", Severity::High),
            ("B", Severity::Low),
            ("C", Severity::Unknown),
            ("D", Severity::High),
        ];
        assert_eq!(scan.results, want.into());
        assert!(scan.finished_on.is_some() && scan.database_of.is_none());
        for value in [json!({}), json!({"scanner": {}}), json!({"scanner": {"result": [{}]}})] {
            let predicate = other(VULNERABILITIES, value.clone());
            assert!(Scan::of(&predicate).unwrap().is_err(), "{value}");
        }
    }

    #[test]
    fn both_formats_say_what_does_harm() {
        let hex = "ab";
        let open = |statements: Value| other(OPENVEX, json!({"statements": statements}));
        let bom = |states: Value| {
            let value = json!({"bomFormat": "CycloneDX", "vulnerabilities": states});
            other(super::super::CYCLONEDX, value)
        };
        let harmless = Some(Ok(BTreeMap::from([("A".to_owned(), Status::Harmless)])));
        let affected = Some(Ok(BTreeMap::from([("A".to_owned(), Status::Affected)])));
        let nothing = Some(Ok(BTreeMap::new()));
        let product = |hash: &str| json!([{"@id": "pkg:x", "hashes": {"sha-256": hash}}]);
        let cases = [
            (open(json!([{"vulnerability": {"name": "A"}, "status": "not_affected"}])), &harmless),
            (open(json!([{"vulnerability": "A", "status": "fixed"}])), &harmless),
            (open(json!([{"vulnerability": {"name": "A"}, "status": "affected"}])), &affected),
            (open(json!([{"vulnerability": "A", "status": "under_investigation"}])), &affected),
            (
                open(json!([
                    {"vulnerability": "A", "status": "affected"},
                    {"vulnerability": "A", "status": "fixed"},
                ])),
                &affected,
            ),
            (
                open(json!([{"vulnerability": "A", "status": "fixed", "products": product("ab")}])),
                &harmless,
            ),
            (
                open(json!([{"vulnerability": "A", "status": "fixed", "products": product("cd")}])),
                &nothing,
            ),
            (bom(json!([{"id": "A", "analysis": {"state": "not_affected"}}])), &harmless),
            (bom(json!([{"id": "A", "analysis": {"state": "exploitable"}}])), &affected),
            (bom(json!([{"id": "A"}])), &nothing),
        ];
        for (predicate, want) in cases {
            assert_eq!(statuses(&predicate, Some(hex)), *want, "{predicate:?}");
        }
        assert_eq!(statuses(&other("https://x.example/y", json!({})), None), None);
        assert!(statuses(&open(json!([{"status": "fixed"}])), None).unwrap().is_err());
    }
}
