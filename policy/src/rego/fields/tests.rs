//! What is never there is refused however a rule comes to it, and what may be there is not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and reads the schema"
)]

use std::path::Path;

use serde_json::Value;

use super::super::schema::{Is, Record};
use super::check;

const STEPS: [&str; 2] = ["train", "evaluate"];

/// What is said of a rule with this body, and these lines after it.
fn said(body: &str, lines: &str) -> Option<String> {
    let text = format!("package assay\n\ndeny contains x if {{\n{body}\nx := 1\n}}\n\n{lines}\n");
    check("R-1", &text, &STEPS).err().map(|error| error.to_string())
}

#[test]
fn a_body_reads_what_can_be_there() {
    // What holds, the smallest change of it, and what is said of that.
    let cases = [
        (
            "input.artifact",
            "input.artefact",
            "the input has no `input.artefact`; did you mean `artifact`? known are `artifact`, `chain`,",
        ),
        (
            "input.artifact",
            "input.artifact.digest",
            "nothing in `input.artifact.digest`: `artifact` of the input is a text",
        ),
        ("count(input.stage) > 1", "input.stage[0] == \"p\"", "`stage` of the input is a text"),
        ("input.now > \"\"", "input.now.second > 1", "`now` of the input is a text"),
        ("\"1\" in {input.version}", "\"1\" in input.version", "`version` of the input is a text"),
        (
            "some s in input.statements; s.predicateType == \"x\"",
            "some s in input.statements; s.predicateTyp == \"x\"",
            "at line 4, column 30 of the rule: a statement of the input has no `s.predicateTyp`; did you mean `predicateType`?",
        ),
        ("input.statements[0].step", "input.statements.step", "it is a list; take one of it"),
        (
            "input.statements[i].index == i",
            "input.statements[i].indx == i",
            "did you mean `index`?",
        ),
        ("input.statements[_][\"step\"]", "input.statements[_][\"stop\"]", "did you mean `step`?"),
        (
            "some s in input.statements; some m in s.materials; m.artifact",
            "some s in input.statements; some m in s.materials; m.digest",
            "a subject or material of the input has no `m.digest`; known are `artifact`, `name`, `role`",
        ),
        (
            "some s in input.chain.train; s.subjects[0].name",
            "some s in input.chain.train; s.subject[0].name",
            "did you mean `subjects`?",
        ),
        (
            "input.chain.train",
            "input.chain.tran",
            "the input has no `input.chain.tran`; did you mean `train`? known are `train`, `evaluate`",
        ),
        (
            "some step, all in input.chain; all[0].body == step",
            "some step, all in input.chain; all[0].bdy == step",
            "did you mean `body`?",
        ),
        (
            "input.chain[step][_].signers[_].owner == step",
            "input.chain[step][_].signers[_].ower == step",
            "a signer of the input has no",
        ),
        (
            "some s in input.statements; s.signers[_].keyless.issuer",
            "some s in input.statements; s.signers[_].keyless.isuer",
            "`keyless` of a signer has no",
        ),
        (
            "some s in input.statements; s.signers[_].certified.kind",
            "some s in input.statements; s.signers[_].certified.kind.x",
            "`kind` of `certified` of a signer is a text",
        ),
        (
            "some s in input.statements; s.predicate.anything[0].at.all",
            "some s in input.statements; s.predicates.anything[0].at.all",
            "did you mean `predicate`?",
        ),
        (
            "some s in input.statements; s.index > 1",
            "some s in input.statements; s.index.at > 1",
            "`index` of a statement of the input is a number",
        ),
        (
            "some s in input.statements; s.unidentified[_] == \"a\"",
            "some s in input.statements; s.unidentified[_].name == \"a\"",
            "is a text",
        ),
        (
            "every s in input.statements { s.step == \"a\" }",
            "every s in input.statements { s.stp == \"a\" }",
            "did you mean `step`?",
        ),
        ("not input.chain.train[0].step", "not input.chain.train[0].stp", "did you mean `step`?"),
        (
            "{s | some s in input.statements}[_].step",
            "{s | some s in input.statements}[_].stp",
            "did you mean `step`?",
        ),
        (
            "all := {s.body: s | some s in input.statements}; all.x.step",
            "all := {s.body: s | some s in input.statements}; all.x.stp",
            "did you mean `step`?",
        ),
        (
            "all := {\"a\": input}; all.a.stage",
            "all := {\"a\": input}; all.a.stag",
            "did you mean `stage`?",
        ),
        (
            "x1 := input; x2 := x1.statements; [a, _] = x2; a.step",
            "x1 := input; x2 := x1.statements; [a, _] = x2; a.stp",
            "did you mean `step`?",
        ),
        (
            "some {\"step\": step} in input.statements; step == \"a\"",
            "some {\"stp\": step} in input.statements; step == \"a\"",
            "a statement of the input has no `stp`",
        ),
        (
            "some s in input.statements; object.get(s, \"step\", \"\") == \"a\"",
            "some s in input.statements; object.get(s, \"stp\", \"\") == \"a\"",
            "has no `stp`",
        ),
        (
            "some s in input.statements; object.get(s, [\"predicate\", \"x\"], \"\") == \"a\"",
            "some s in input.statements; object.get(s, [\"predicte\", \"x\"], \"\") == \"a\"",
            "has no `predicte`",
        ),
        (
            "some s in array.concat(input.statements, []); s.step",
            "some s in array.concat(input.statements, []); s.stp",
            "has no `s.stp`",
        ),
        (
            "all := {s | some s in input.statements}; some s in all - {1}; s.step",
            "all := {s | some s in input.statements}; some s in all - {1}; s.stp",
            "has no `s.stp`",
        ),
        (
            "s := input.statements[_]; y := [s.body | some s in [{\"body\": 1}]]",
            "s := input.statements[_]; y := [s.bdy | true]",
            "has no `s.bdy`",
        ),
    ];
    for (holds, never, want) in cases {
        assert_eq!(said(holds, ""), None, "{holds}");
        let found = said(never, "").unwrap_or_else(|| panic!("read: {never}"));
        assert!(found.contains(want), "{never}: {found}");
    }
}

#[test]
fn names_functions_and_rules_lead_to_what_can_be_there() {
    let cases = [
        ("of(s, \"a\")", "of(s, step) if s.step == step", "of(s, step) if s.stp == step"),
        (
            "data.assay.of(s, \"a\")",
            "of(s, step) if s.step == step",
            "of(s, step) if s.stp == step",
        ),
        (
            "kept[_].step",
            "kept contains s if some s in input.statements",
            "kept contains s.stp if some s in input.statements",
        ),
        (
            "some one in kept; one.name",
            "kept := [n | some n in input.statements[_].subjects]",
            "kept := [n | some n in input.statements[_].signers; n.nam]",
        ),
        (
            "first.step",
            "first := input.statements[0] if input.stage\nelse := input.chain.train[0]",
            "first := input.artifact if input.stage\nelse := input.stage",
        ),
        (
            "map.a.step",
            "map[k] := s if { some k, s in input.statements }",
            "map[k] := s.body if { some k, s in input.statements }",
        ),
        (
            "outer(s).step",
            "outer(t) := inner(t)\ninner(t) := t",
            "outer(t) := inner(t)\ninner(t) := t.body",
        ),
        (
            "data.assay.first.step",
            "first := input.statements[0]",
            "first := input.statements[0].step",
        ),
        (
            "deep == 1",
            "deep := count(z0.step)\nz0 := z1\nz1 := z2\nz2 := input.statements[0]",
            "deep := count(z0.stp)\nz0 := z1\nz1 := z2\nz2 := input.statements[0]",
        ),
    ];
    for (body, holds, never) in cases {
        let body = format!("some s in input.statements\n{body}");
        assert_eq!(said(&body, holds), None, "{holds}");
        assert!(said(&body, never).is_some(), "read: {body}\n{never}");
    }
    // What it may be is what any of them is: of two kinds of members one has it.
    let either = "some n in either; n.step == n.name";
    let both = "either := {x | some x in input.statements} | {x | some x in input.chain.train[_].subjects}";
    assert_eq!(said(either, both), None);
    assert!(said(&either.replace("name", "nam"), both).is_some());
    let import = "package assay\nimport input.statements as all\n\ndeny contains 1 if all[_].step";
    assert!(check("R-1", import, &STEPS).is_ok());
    assert!(check("R-1", &import.replace(".step", ".stp"), &STEPS).is_err());
}

#[test]
fn what_a_rule_makes_has_members_of_its_own() {
    let latest = "latest := s if { some s in input.statements; s.index == 0 }";
    let default = format!("default latest := {{\"found\": false}}\n{latest}");
    let otherwise = format!("{latest} else := {{\"missing\": true}}");
    let given = "latest(step) := s if { some s in input.chain[step] } else := {\"missing\": true}";
    let first = "all := {\"first\": input.statements[0], \"limits\": {\"max\": 3}}";
    let limits = "all := {s.step: {\"max\": 3} | some s in input.statements}";
    let rows = "all := [{\"s\": s, \"why\": {\"text\": \"x\"}} | some s in input.statements]";
    let pairs = "all := [[s, {\"reason\": \"late\"}] | some s in input.statements]";
    let of = "of(s) := {\"of\": s, \"n\": {\"max\": 3}}";
    let roles = "roles := {\"train\": {\"team\": \"ml\"}}\nall := {\"g\": g, \"want\": roles[s.step]} if {\n\
                 some s in input.statements\nsome g in s.signers\n}";
    let deep = "all := {\"a\": {\"b\": {\"c\": {\"d\": {\"e\": {\"f\": 1}}}}}, \"s\": input.stage}";
    let parts = "all.first := input.statements[0]\nall.limits.max := 3";
    let keyed = "all[s] := s.step if some s in input.statements";
    let literal = "all := {[\"train\", {\"max\": 3}]: input.stage}";
    let lists = "default all := []\nall := input.statements if input.stage";
    let names = "all := {\"of\": input.artifact, \"names\": [\"a\"], \"more\": {\"b\"}}";
    // The lines, what holds of them, and the smallest change of it that never does.
    let cases = [
        (default.as_str(), "latest.found == false", "input.statements[0].found == false"),
        (&default, "some s in latest.materials; s.role", "some s in latest.materials; s.rle"),
        (&otherwise, "latest.missing", "latest.step.missing"),
        (given, "latest(\"train\").missing", "latest(\"train\").step.missing"),
        (rows, "some r in all; r.why.text == \"x\"", "some r in all; r.s.step.text == \"x\""),
        (limits, "some k; all[k].max > 2", "some k; all[k]; input.chain[k].max > 2"),
        (first, "all.limits.max > 2", "input.limits.max > 2"),
        (first, "all.first.subjects[0].name", "all.first.subjects[0].nme"),
        (pairs, "some [s, why] in all; why.reason", "some [s, why] in all; s.step.reason"),
        (of, "r := of(input.statements[0]); r.n.max > 2", "r := of(input.sttements); r.n.max > 2"),
        (roles, "all.want.team != all.g.owner", "all.want.team != input.team"),
        (deep, "all.a.b.c.d.e.f == 1", "all.s; input.stage.b == 1"),
        (parts, "all.limits.max > 2", "all.first.step.max > 2"),
        (keyed, "some k; all[k]; k.step", "some k; all[k]; k.stp"),
        (keyed, "some k, v in all; v == k.step", "some k, v in all; v == k.stp"),
        (keyed, "every k, v in all { v == k.step }", "every k, v in all { v == k.stp }"),
        (literal, "all[[a, b]]; b.max == 3", "all[[a, b]]; input.max == 3"),
        (lists, "all[0].step", "all[0].stp"),
        (lists, "count(all) > 0", "all.step"),
        (names, "all.names[0] == \"a\"", "all.of; input.artifact[0] == \"a\""),
        (names, "\"b\" in all.more", "\"b\" in input.artifact"),
    ];
    for (lines, holds, never) in cases {
        assert_eq!(said(holds, lines), None, "{lines}\n{holds}");
        assert!(said(never, lines).is_some(), "read: {lines}\n{never}");
    }
}

#[test]
fn what_cannot_be_followed_is_let_through() {
    let cases = [
        "some s in input.statements; some key in [\"a\"]; s[key].x",
        "some s in json.unmarshal(\"[]\"); s.stp",
        "some s in input.statements; s.predicate[\"x\"].y == input[\"statements\"][0].predicate.z",
        "x1 := {\"stp\": 1}; x1.stp == 1",
        "some v in input; v.x",
    ];
    for body in cases {
        assert_eq!(said(body, ""), None, "{body}");
    }
    let chain = |many: usize| {
        let lines = (0..many).map(|at| format!("z{at} := z{}\n", at + 1)).collect::<String>();
        format!("{lines}z{many} := input.statements")
    };
    assert_eq!(said("z0[_].step", &chain(60)), None);
    assert!(said("z0[_].stp", &chain(60)).is_some_and(|why| why.contains("did you mean `step`?")));
    assert!(said("z0[_].step", &chain(70)).is_some_and(|why| why.contains("through more than 64")));
}

/// What the schema has at a place, as it is followed here.
fn is(schema: &Value, defs: &Value, name: &str) -> Is {
    if name == "chain" {
        return Is::Chain;
    }
    match (schema["type"].as_str(), schema["$ref"].as_str()) {
        (_, Some("#/$defs/artifact")) | (Some("string"), _) => Is::Text,
        (Some("integer"), _) => Is::Number,
        (Some("array"), _) => match schema["items"]["$ref"].as_str() {
            Some(of) => Is::List(record(of.rsplit('/').next().unwrap())),
            None => Is::Texts,
        },
        (Some("object"), _) => Is::One(record(name)),
        _ if schema.get("const").is_some() || schema.get("enum").is_some() => Is::Text,
        _ => {
            assert_eq!(name, "predicate", "{defs}");
            Is::Open
        }
    }
}

fn record(name: &str) -> Record {
    match name {
        "statement" => Record::Statement,
        "named" => Record::Named,
        "signer" => Record::Signer,
        "keyless" => Record::Keyless,
        "certified" => Record::Certified,
        other => panic!("{other}"),
    }
}

#[test]
fn what_can_be_there_is_what_the_schema_has() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = std::fs::read(here.join("../schemas/rego/input.v1.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let defs = &schema["$defs"];
    for record in Record::ALL {
        let of = match record {
            Record::Input => &schema,
            Record::Statement => &defs["statement"],
            Record::Named => &defs["named"],
            Record::Signer => &defs["signer"],
            Record::Keyless => &defs["signer"]["properties"]["keyless"],
            Record::Certified => &defs["signer"]["properties"]["certified"],
        };
        assert_eq!(of["additionalProperties"], false, "{record:?}");
        let mut wanted: Vec<(&str, Is)> = of["properties"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, schema)| (name.as_str(), is(schema, defs, name)))
            .collect();
        wanted.sort_unstable();
        assert_eq!(record.members(), wanted, "{record:?}");
    }
}
