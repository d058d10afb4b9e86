//! Every field of a good layout and a good link, changed and removed: what is still accepted is
//! listed in `unauthenticated.txt`, with the section of the standard that leaves it open.

use attest::in_toto::{Form, Metadata};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy::layout::{Inspected, judge};
use serde_json::{Value, json};
use verify::layout::{LinkFolder, verify_layout};

use crate::support::{Chain, layout_key, now};

/// Every place in a document, as the keys and numbers that lead to it.
fn places(value: &Value, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    if !at.is_empty() {
        found.push(at.clone());
    }
    let below: Vec<(String, &Value)> = match value {
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => (0..).map(|place: usize| place.to_string()).zip(items).collect(),
        _ => return,
    };
    for (key, value) in below {
        at.push(key);
        places(value, at, found);
        at.pop();
    }
}

fn changed(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.chars().next() {
            // Another digit of hex or base64, so that the change is not one of form.
            Some('a') => format!("b{}", &text[1..]).into(),
            Some(first) if first.is_ascii() => format!("a{}", &text[1..]).into(),
            _ => "a".into(),
        },
        Value::Number(number) => json!(number.as_i64().unwrap() + 1),
        Value::Array(items) => {
            let mut items = items.clone();
            items.push(json!("a"));
            items.into()
        }
        Value::Object(entries) => {
            let mut entries = entries.clone();
            entries.insert("a".into(), json!("a"));
            entries.into()
        }
        other => json!([other]),
    }
}

/// The document without a field, or with another value in it; `None` when nothing is there.
fn edit(document: &Value, place: &[String], remove: bool) -> Option<Value> {
    let mut document = document.clone();
    let (last, before) = place.split_last()?;
    let parent = before.iter().try_fold(&mut document, |value, key| match value {
        Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
        value => value.get_mut(key),
    })?;
    match parent {
        Value::Object(entries) if remove => drop(entries.remove(last)?),
        Value::Array(items) if remove => drop(items.remove(last.parse().ok()?)),
        Value::Object(entries) => {
            let value = entries.get_mut(last)?;
            *value = changed(value);
        }
        Value::Array(items) => {
            let value = items.get_mut(last.parse::<usize>().ok()?)?;
            *value = changed(value);
        }
        _ => return None,
    }
    Some(document)
}

fn passes(layout: &[u8], links: &[(String, Vec<u8>)]) -> bool {
    let mut folder = LinkFolder::default();
    for (name, bytes) in links {
        folder.insert(&[], name, bytes.clone()).unwrap();
    }
    Metadata::parse(layout)
        .ok()
        .and_then(|layout| verify_layout(&layout, &[layout_key("owner")], &folder).ok())
        .is_some_and(|signed| judge(&signed, None, &Inspected::new(), now()).unwrap().passed())
}

#[test]
fn every_field_is_authenticated_or_listed() {
    let mut accepted = Vec::new();
    let mut tried = 0;
    for form in [Form::Metablock, Form::Envelope] {
        let mut chain = Chain::good();
        chain.form = form;
        let layout = chain.sign(&chain.layout, &chain.signers);
        let links: Vec<_> = chain
            .files
            .iter()
            .map(|file| (file.name.clone(), chain.sign(&file.document, &file.signers)))
            .collect();
        assert!(passes(&layout, &links));
        for document in 0..=links.len() {
            let good: Value = serde_json::from_slice(match document {
                0 => &layout,
                link => &links[link - 1].1,
            })
            .unwrap();
            for bytes in edits(&good) {
                let (what, bytes) = bytes;
                tried += 1;
                let mut links = links.clone();
                let pass = match document {
                    0 => passes(&bytes, &links),
                    link => {
                        links[link - 1].1 = bytes;
                        passes(&layout, &links)
                    }
                };
                if pass {
                    let name = if document == 0 { "layout" } else { "link" };
                    let form = serde_json::to_value(form).unwrap();
                    accepted.push(format!("{} {name} {what}", form.as_str().unwrap()));
                }
            }
        }
    }
    accepted.sort();
    accepted.dedup();
    let listed = include_str!("unauthenticated.txt");
    let listed: Vec<&str> = listed
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_once("  ").unwrap().0)
        .collect();
    assert_eq!(accepted, listed);
    assert_eq!(listed.len(), 6, "this may only fall");
    assert_eq!(tried, 438, "changes");
}

/// Each changed document, with what was changed. Of an envelope the payload is changed, too.
fn edits(good: &Value) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut found = Vec::new();
    places(good, &mut Vec::new(), &mut found);
    for place in &found {
        for (remove, word) in [(false, "changed"), (true, "removed")] {
            let Some(document) = edit(good, place, remove) else { continue };
            all.push((format!("{} {word}", place.join(".")), document.to_string().into_bytes()));
        }
    }
    let payload = good.get("payload").and_then(Value::as_str);
    if let Some(payload) = payload.map(|text| STANDARD.decode(text).unwrap()) {
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        for (what, bytes) in edits(&payload) {
            let mut envelope = good.clone();
            envelope["payload"] = STANDARD.encode(bytes).into();
            all.push((format!("payload.{what}"), envelope.to_string().into_bytes()));
        }
    }
    all
}
