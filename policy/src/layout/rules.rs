//! Artifact rules: a queue of artifacts from which rules take what they account for.
//!
//! Source: in-toto specification v1.0, section 4.3.3; Python implementation, `verifylib`. All
//! artifacts are queued; `CREATE`, `DELETE`, `MODIFY`, `ALLOW` and `MATCH` take from the queue what
//! is as they say; `DISALLOW` fails on what is left of its pattern, `REQUIRE` on a path that is
//! not in the queue. What a rule nearly took is remembered, for whoever has to mend it.

use std::collections::{BTreeMap, BTreeSet};

use attest::in_toto::{Artifacts, Match, Rule, RuleKind, Side};

use super::budget::{Budget, Exhausted};
use super::decision::{LayoutCode, MAX_NAMED, RulePlace};
use super::pattern::Pattern;

/// Algorithms of which one at least must identify an artifact before it can be another's (THREATS,
/// rule 12: the others never join).
const STRONG: [&str; 5] = ["sha256", "sha384", "sha512", "blake2b", "blake2b-512"];

/// What it costs to say why a rule did not take an artifact.
const TELLING: usize = 100;

/// What went into a step and came out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow<'a> {
    pub(super) materials: &'a Artifacts,
    pub(super) products: &'a Artifacts,
}

impl<'a> Flow<'a> {
    const fn side(&self, side: Side) -> &'a Artifacts {
        match side {
            Side::Materials => self.materials,
            Side::Products => self.products,
        }
    }
}

/// A rule that does not hold.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) code: LayoutCode,
    pub(super) rule: RulePlace,
    pub(super) artifacts: Vec<String>,
    pub(super) message: String,
    pub(super) near: Option<String>,
}

/// Applies the rules for one side of a step. All are applied, also after one that does not hold.
pub(super) fn apply(
    rules: &[Rule],
    side: Side,
    item: Flow<'_>,
    others: &BTreeMap<&str, Flow<'_>>,
    budget: &mut Budget,
) -> Result<Vec<Broken>, Exhausted> {
    let mut queue = Queue {
        left: item.side(side).keys().map(String::as_str).collect(),
        taken: BTreeMap::new(),
        near: BTreeMap::new(),
    };
    let mut broken = Vec::new();
    for (rule, place) in rules.iter().zip(1..) {
        let at = || RulePlace { side, place, text: rule.to_string() };
        match rule {
            Rule::Match(rule) => {
                queue.take_matching(rule, item.side(side), others, place, budget)?
            }
            Rule::Plain { kind: RuleKind::Require, pattern } => {
                if !queue.left.contains(pattern.as_str()) {
                    broken.push(queue.required(pattern, at()));
                }
            }
            Rule::Plain { kind: RuleKind::Disallow, pattern } => {
                let found = queue.of_pattern(pattern, budget)?;
                if !found.is_empty() {
                    broken.push(queue.disallowed(&found, at()));
                }
            }
            Rule::Plain { kind, pattern } => queue.take(*kind, pattern, item, place, budget)?,
        }
    }
    Ok(broken)
}

/// The artifacts of one side that no rule has taken.
struct Queue<'a> {
    left: BTreeSet<&'a str>,
    /// By which rule the others were taken.
    taken: BTreeMap<&'a str, usize>,
    /// Which rule would have taken one, and why it did not.
    near: BTreeMap<&'a str, String>,
}

impl<'a> Queue<'a> {
    fn of_pattern(&self, pattern: &str, budget: &mut Budget) -> Result<Vec<&'a str>, Exhausted> {
        let pattern = Pattern::new(pattern);
        let mut found = Vec::new();
        for path in &self.left {
            if pattern.matches_within(path, budget)? {
                found.push(*path);
            }
        }
        Ok(found)
    }

    fn take_one(&mut self, path: &'a str, place: usize) {
        self.left.remove(path);
        self.taken.insert(path, place);
    }

    fn take(
        &mut self,
        kind: RuleKind,
        pattern: &str,
        item: Flow<'_>,
        place: usize,
        budget: &mut Budget,
    ) -> Result<(), Exhausted> {
        for path in self.of_pattern(pattern, budget)? {
            let (before, after) = (item.materials.get(path), item.products.get(path));
            let why = match (kind, before, after) {
                (RuleKind::Allow, ..) | (RuleKind::Create, None, Some(_)) => None,
                (RuleKind::Delete, Some(_), None) => None,
                (RuleKind::Modify, Some(before), Some(after)) if before != after => None,
                (RuleKind::Create, ..) => Some("it was there before"),
                (RuleKind::Delete, ..) => Some("it is still there"),
                (RuleKind::Modify, Some(_), Some(_)) => Some("it did not change"),
                (RuleKind::Modify, ..) => Some("it is not both a material and a product"),
                // These take nothing.
                (RuleKind::Disallow | RuleKind::Require, ..) => continue,
            };
            match why {
                None => self.take_one(path, place),
                Some(why) => {
                    budget.spend(TELLING)?;
                    self.near.insert(path, format!("`{} {pattern}`: {why}", kind.as_str()));
                }
            }
        }
        Ok(())
    }

    fn take_matching(
        &mut self,
        rule: &Match,
        artifacts: &Artifacts,
        others: &BTreeMap<&str, Flow<'_>>,
        place: usize,
        budget: &mut Budget,
    ) -> Result<(), Exhausted> {
        let pattern = Pattern::new(&rule.pattern);
        let prefix = with_slash(&rule.source_prefix);
        let left: Vec<&'a str> = self.left.iter().copied().collect();
        for path in left {
            let Some(below) = path.strip_prefix(prefix.as_str()) else { continue };
            if !pattern.matches_within(below, budget)? {
                continue;
            }
            let miss = self.miss(rule, path, below, artifacts, others);
            match miss {
                None => self.take_one(path, place),
                Some(why) => {
                    budget.spend(TELLING)?;
                    self.near.insert(path, format!("`{}`: {why}", Rule::Match(rule.clone())));
                }
            }
        }
        Ok(())
    }

    /// Why a `MATCH` rule does not take an artifact of its pattern; `None` when it does.
    fn miss(
        &self,
        rule: &Match,
        path: &str,
        below: &str,
        artifacts: &Artifacts,
        others: &BTreeMap<&str, Flow<'_>>,
    ) -> Option<String> {
        // A path that the prefix and the rest do not make again is not below the prefix.
        if !rule.source_prefix.is_empty() && joined(&rule.source_prefix, below) != path {
            return Some("its path is none below the prefix".into());
        }
        let Some(other) = others.get(rule.step.as_str()) else {
            return Some(format!("there is no link of `{}`", rule.step));
        };
        let there = if rule.destination_prefix.is_empty() {
            below.to_owned()
        } else {
            joined(&rule.destination_prefix, below)
        };
        let side = rule.side.as_str().to_lowercase();
        let Some(found) = other.side(rule.side).get(&there) else {
            return Some(format!("`{there}` is not among the {side} of `{}`", rule.step));
        };
        if artifacts.get(path) != Some(found) {
            return Some(format!("it has other digests among the {side} of `{}`", rule.step));
        }
        if !STRONG.iter().any(|algorithm| found.contains_key(*algorithm)) {
            return Some("no digest identifies it: SHA-256 or better is needed".into());
        }
        None
    }

    fn disallowed(&self, found: &[&str], rule: RulePlace) -> Broken {
        let near =
            found.iter().find_map(|path| Some(format!("`{path}`: {}", self.near.get(path)?)));
        let message = match found {
            [only] => format!("`{only}` is not accounted for"),
            [first, rest @ ..] => {
                format!("`{first}` and {} more are not accounted for", rest.len())
            }
            [] => String::new(),
        };
        let artifacts = found.iter().take(MAX_NAMED).map(|path| (*path).to_owned()).collect();
        Broken { code: LayoutCode::Disallow, rule, artifacts, message, near }
    }

    fn required(&self, path: &str, rule: RulePlace) -> Broken {
        let (message, near) = match self.taken.get(path) {
            Some(place) => (
                format!("`{path}` is required and rule {place} has taken it"),
                Some(format!("put this rule before rule {place}")),
            ),
            None => (format!("`{path}` is required and not there"), None),
        };
        let artifacts = vec![path.to_owned()];
        Broken { code: LayoutCode::Require, rule, artifacts, message, near }
    }
}

/// A prefix as it stands before paths: with one slash at its end, unless it is empty.
fn with_slash(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { joined(prefix, "") }
}

/// Python's `os.path.join(prefix, path).replace("\\", "/")`.
fn joined(prefix: &str, path: &str) -> String {
    let joined = if path.starts_with('/') {
        path.to_owned()
    } else if prefix.is_empty() || prefix.ends_with('/') {
        format!("{prefix}{path}")
    } else {
        format!("{prefix}/{path}")
    };
    joined.replace('\\', "/")
}
