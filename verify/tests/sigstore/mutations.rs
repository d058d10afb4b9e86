//! Every field of every good bundle, removed and changed. What is believed nevertheless stands in
//! `unauthenticated.tsv`, with the section of the standard that lets nobody sign it; and whatever
//! is changed, nothing is believed that the honest bundle does not prove.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use verify::{Content, SigstoreBundle, Verified};

use crate::cases::{Case, all};

/// How many changes are believed nevertheless. It may only fall.
const UNAUTHENTICATED: usize = 26;
/// How many changes were tried at least: a test that tries none passes.
const AT_LEAST: usize = 1500;

/// A way to a value: names, and places in arrays.
type Path = Vec<String>;

/// Every value of a document, with the way to it, the document itself left out.
fn paths(value: &Value, here: &Path, found: &mut Vec<Path>) {
    let mut below = |name: String, child: &Value| {
        let path: Path = here.iter().cloned().chain([name]).collect();
        found.push(path.clone());
        paths(child, &path, found);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, child)| below(name.clone(), child)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(place, child)| below(place.to_string(), child));
        }
        _ => {}
    }
}

fn at<'v>(value: &'v mut Value, path: &[String]) -> &'v mut Value {
    path.iter().fold(value, |value, name| match value {
        Value::Array(items) => &mut items[name.parse::<usize>().unwrap()],
        value => &mut value[name.as_str()],
    })
}

fn without(document: &Value, path: &[String]) -> Value {
    let mut changed = document.clone();
    let (name, above) = path.split_last().unwrap();
    match at(&mut changed, above) {
        Value::Object(fields) => drop(fields.remove(name)),
        Value::Array(items) => drop(items.remove(name.parse().unwrap())),
        _ => unreachable!(),
    }
    changed
}

/// Other values in the place of one: of its own kind, and a little different each.
fn others(value: &Value) -> Vec<(&'static str, Value)> {
    let mut others = Vec::new();
    match value {
        Value::String(text) => {
            if let Ok(number) = text.parse::<i64>() {
                others.push(("one more", (number + 1).to_string().into()));
                others.push(("one less", (number - 1).to_string().into()));
                others.push(("zero", "0".into()));
            } else if let Ok(bytes) = STANDARD.decode(text)
                && !bytes.is_empty()
            {
                // Sixteen places, so that each part of a certificate or a timestamp is met.
                for part in 0..16 {
                    let mut bytes = bytes.clone();
                    let place = (bytes.len() - 1) * part / 15;
                    bytes[place] ^= 1;
                    others.push(("another byte", STANDARD.encode(bytes).into()));
                }
                others.push(("a byte less", STANDARD.encode(&bytes[1..]).into()));
                others.push(("a byte more", STANDARD.encode([&bytes[..], b"x"].concat()).into()));
            } else {
                others.push(("a letter more", format!("{text}x").into()));
            }
            for (place, line) in text.lines().enumerate().filter(|_| text.contains('\n')) {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines[place] = format!("{line}x");
                others.push(("a letter more", (lines.join("\n") + "\n").into()));
            }
            others.push(("empty", "".into()));
            others.push(("a number", 7.into()));
            others.push(("null", Value::Null));
        }
        Value::Number(number) => {
            others.push(("one more", (number.as_i64().unwrap() + 1).into()));
            others.push(("null", Value::Null));
        }
        Value::Array(items) => {
            if let Some(last) = items.last() {
                others.push(("twice the last", items.iter().chain([last]).cloned().collect()));
            }
            others.push(("empty", Value::Array(Vec::new())));
            others.push(("null", Value::Null));
        }
        Value::Object(_) => {
            others.push(("empty", Value::Object(serde_json::Map::new())));
            others.push(("null", Value::Null));
        }
        Value::Bool(_) | Value::Null => others.push(("a text", "x".into())),
    }
    others
}

/// Everything that a changed bundle proves, the honest one proves.
fn proves_no_more(name: &str, changed: &Verified<Content>, honest: &Verified<Content>) {
    assert_eq!(changed.content(), honest.content(), "{name}");
    assert_eq!(changed.signers(), honest.signers(), "{name}");
    assert_eq!(changed.body(), honest.body(), "{name}");
    assert!(changed.rekor().iter().all(|entry| honest.rekor().contains(entry)), "{name}");
    assert!(changed.times().iter().all(|time| honest.times().contains(time)), "{name}");
}

/// The changes of one case that are believed nevertheless, and how many were tried.
fn believed(case: &Case) -> (BTreeSet<(String, &'static str)>, usize) {
    let honest = case.run().unwrap();
    let trust = case.trust().unwrap();
    let document: Value = serde_json::from_slice(&case.bundle).unwrap();
    let (mut found, mut tried, mut ways) = (BTreeSet::new(), 0, Vec::new());
    paths(&document, &Vec::new(), &mut ways);
    for path in ways {
        let mut original = document.clone();
        let value = at(&mut original, &path).clone();
        let mut changes = vec![("removed", without(&document, &path))];
        for (what, other) in others(&value) {
            let mut changed = document.clone();
            *at(&mut changed, &path) = other;
            changes.push((what, changed));
        }
        for (what, changed) in changes.into_iter().filter(|(_, changed)| *changed != document) {
            tried += 1;
            let bytes = serde_json::to_vec(&changed).unwrap();
            let Ok(bundle) = SigstoreBundle::parse(&bytes) else { continue };
            if let Ok(verified) = case.verify(&bundle, &trust) {
                let name = format!("{} {} {what}", case.name, path.join("."));
                proves_no_more(&name, &verified, &honest);
                let place =
                    |name: &String| name.parse::<usize>().map_or(name.clone(), |_| "*".into());
                let path: Vec<String> = path.iter().map(place).collect();
                found.insert((path.join("."), what));
            }
        }
    }
    (found, tried)
}

#[test]
fn what_is_believed_in_spite_of_a_change_is_written_down() {
    let good: Vec<Case> = all().into_iter().filter(Case::is_good).collect();
    if good.is_empty() {
        return;
    }
    let (mut found, mut tried) = (BTreeSet::new(), 0);
    for case in &good {
        let (believed, count) = believed(case);
        found.extend(believed);
        tried += count;
    }
    let listed: BTreeMap<(&str, &str), &str> = include_str!("unauthenticated.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut columns = line.split('\t');
            let mut next = || columns.next().filter(|text| !text.is_empty()).unwrap();
            ((next(), next()), next())
        })
        .collect();
    let found: BTreeSet<(&str, &str)> =
        found.iter().map(|(path, what)| (path.as_str(), *what)).collect();
    let unlisted: Vec<_> = found.iter().filter(|one| !listed.contains_key(*one)).collect();
    assert!(unlisted.is_empty(), "believed, and not in the list: {unlisted:#?}");
    let gone: Vec<_> = listed.keys().filter(|one| !found.contains(*one)).collect();
    assert!(gone.is_empty(), "in the list, and no longer believed: {gone:#?}");
    assert_eq!(listed.len(), UNAUTHENTICATED);
    assert!(tried >= AT_LEAST, "{tried}");
    eprintln!("{tried} changes, {} believed nevertheless", found.len());
}
