//! The schema of policies, for editors: it is what the types say, takes every policy of the project,
//! and refuses what the reader refuses for its shape.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use jsonschema::Validator;
use policy::Policy;
use serde_json::{Map, Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&Policy::schema()).unwrap()
}

/// A policy with every key that there is.
const WHOLE: &str = include_str!("policy_schema/whole.yaml");

fn whole() -> Value {
    serde_saphyr::from_str(WHOLE).unwrap()
}

/// `schemas/policy.schema.json` is what is published; write it anew with `ASSAY_BLESS=1`.
#[test]
fn the_committed_schema_is_what_the_types_and_the_command_say() {
    let path = root().join("schemas/policy.schema.json");
    let made = Policy::schema();
    if std::env::var_os("ASSAY_BLESS").is_some() {
        fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&made).unwrap())).unwrap();
    }
    let committed: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(committed, made, "run the test again with ASSAY_BLESS=1 and read the difference");
    for more in [&["policy", "schema"][..], &["policy", "schema", "--json"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_assay")).args(more).output().unwrap();
        assert!(output.status.success());
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said, made, "{more:?}");
    }
}

#[test]
fn every_policy_of_the_project_is_valid() {
    let validator = validator();
    let now = "2026-11-20T12:00:00Z".parse().unwrap();
    let mut policies = vec![("whole".to_owned(), WHOLE.to_owned())];
    for path in ["examples/breast-cancer/policy.yaml", "tests/cmd/judge.in/policy.yaml"] {
        policies.push((path.into(), fs::read_to_string(root().join(path)).unwrap()));
    }
    for folder in ["policy/tests/cases", "tests/attacks"] {
        for case in fixtures::load(&root().join(folder)).unwrap() {
            for row in &case.rows {
                let scene = row.scene(now).unwrap();
                policies.push((format!("{}, `{}`", case.name, row.name), scene.policy));
            }
        }
    }
    assert!(policies.len() > 100, "the cases were not found");
    for (name, text) in policies {
        let document: Value = serde_saphyr::from_str(&text).unwrap();
        // A row may have a policy that is refused; then the schema may say what it likes.
        if let Err(error) = Policy::parse(&text) {
            // Without its engine, rules in Rego are refused.
            assert!(name != "whole" || !cfg!(feature = "rego"), "{error}");
            continue;
        }
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

/// An unknown key at any place is refused by both, and so is every key that must be there and is
/// not.
#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let (validator, whole) = (validator(), whole());
    let mut maps = Vec::new();
    find_maps(&Policy::schema(), &whole, String::new(), &mut maps);
    assert!(maps.len() > 40, "{maps:?}");
    for (pointer, required) in maps {
        let changed = |change: &dyn Fn(&mut Map<String, Value>)| {
            let mut document = whole.clone();
            change(document.pointer_mut(&pointer).unwrap().as_object_mut().unwrap());
            let valid = validator.is_valid(&document);
            (valid, Policy::parse(&document.to_string()))
        };
        let (valid, read) = changed(&|map| drop(map.insert("kindd".into(), json!("x"))));
        let error = read.map(drop).unwrap_err().to_string();
        assert!(error.contains("unknown key `kindd`"), "{pointer}: {error}");
        assert!(!valid, "an unknown key in `{pointer}`");
        for key in required {
            let (valid, read) = changed(&|map| drop(map.remove(&key)));
            let error = read.map(drop).unwrap_err().to_string();
            assert!(error.contains(&key), "{pointer}/{key}: {error}");
            assert!(!valid, "{pointer} without `{key}`");
        }
    }
}

/// Every map of `document` whose keys the schema lists, with those that must be there.
fn find_maps(
    schema: &Value,
    document: &Value,
    pointer: String,
    found: &mut Vec<(String, Vec<String>)>,
) {
    match document {
        Value::Object(map) => {
            let listed = schema["properties"].as_object();
            if listed.is_some() {
                let required = schema["required"].as_array().into_iter().flatten();
                let required = required.map(|key| key.as_str().unwrap().to_owned()).collect();
                found.push((pointer.clone(), required));
            }
            for (key, value) in map {
                let below = listed.map_or(&schema["additionalProperties"], |listed| &listed[key]);
                find_maps(below, value, format!("{pointer}/{key}"), found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                find_maps(&schema["items"], value, format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Every key of the schema stands in the policy that has them all, so that the tests here see it.
#[test]
fn the_whole_policy_has_every_key() {
    fn missing(schema: &Value, documents: &[&Value], at: &str, found: &mut Vec<String>) {
        for (key, below) in schema["properties"].as_object().into_iter().flatten() {
            let values: Vec<&Value> = documents.iter().filter_map(|one| one.get(key)).collect();
            if values.is_empty() {
                found.push(format!("{at}/{key}"));
            }
            missing(below, &values, &format!("{at}/{key}"), found);
        }
        let each = |of: fn(&Value) -> Vec<&Value>| {
            documents.iter().flat_map(|one| of(one)).collect::<Vec<_>>()
        };
        if schema["items"].is_object() {
            let items = each(|one| one.as_array().into_iter().flatten().collect());
            missing(&schema["items"], &items, &format!("{at}/*"), found);
        }
        if schema["additionalProperties"].is_object() {
            let values =
                each(|one| one.as_object().into_iter().flat_map(|map| map.values()).collect());
            missing(&schema["additionalProperties"], &values, &format!("{at}/*"), found);
        }
    }
    let mut found = Vec::new();
    missing(&Policy::schema(), &[&whole()], "", &mut found);
    // A list of licences is one or the other, and a layout or a rule in Rego stands here or in a
    // file.
    let others = [
        "/dependencies/licences/deny",
        "/layouts/*/file",
        "/layouts/*/sha256",
        "/layouts/*/sublayouts/*/file",
        "/layouts/*/sublayouts/*/sha256",
        "/ml/datasets/licences/deny",
        "/rego/*/file",
        "/rego/*/sha256",
    ];
    assert_eq!(found, others);
}
