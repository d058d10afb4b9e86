//! in-toto layouts in a policy: met by believed statements of the line, and by nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;

use attest::in_toto::{Form, LayoutKey, sign};
use attest::{Sha256, SigningKey, Timestamp};
use fixtures::{Recipe, Scene};
use policy::{Code, Decision, Files, Means, Policy, Remedy};
use serde_json::{Value, json};
use support::{Door, decide, lineage};

const NOW: &str = "2026-11-20T12:00:00Z";
const LINK: &str = "https://in-toto.io/attestation/link/v0.3";

fn key(name: &str) -> SigningKey {
    fixtures::signing_key(name).unwrap()
}

fn layout_key(name: &str) -> LayoutKey {
    LayoutKey::from_public(key(name).public()).unwrap()
}

fn step(name: &str, who: &[&str], materials: Value, products: Value) -> Value {
    let pubkeys: Vec<String> =
        who.iter().map(|name| layout_key(name).label().to_string()).collect();
    json!({
        "_type": "step", "name": name, "pubkeys": pubkeys, "threshold": 1,
        "expected_command": [], "expected_materials": materials, "expected_products": products,
    })
}

/// The layout of the honest line.
fn good_layout() -> Value {
    let rest = json!(["DISALLOW", "*"]);
    let names = ["data", "trainer", "packager", "evaluator"];
    let keys: serde_json::Map<_, _> = names
        .iter()
        .map(|name| (layout_key(name).label().to_string(), layout_key(name).to_json().unwrap()))
        .collect();
    let from = |path: &str, step: &str| json!(["MATCH", path, "WITH", "PRODUCTS", "FROM", step]);
    json!({
        "_type": "layout", "expires": "2027-01-31T12:00:00Z", "readme": "", "keys": keys,
        "steps": [
            step("prepare", &["data"], json!([["ALLOW", "data/raw.csv"], rest]), json!([["CREATE", "data/*"], rest])),
            step("train", &["trainer"], json!([from("data/train.csv", "prepare"), rest]), json!([["CREATE", "model/model.bin"], rest])),
            step("package", &["packager"], json!([from("model/model.bin", "train"), rest]), json!([["CREATE", "image"], rest])),
        ],
        "inspect": [],
    })
}

/// The section with this layout, signed by these and said to be owned by `owner`.
fn section(layout: &Value, signers: &[&str]) -> Value {
    let keys: Vec<SigningKey> = signers.iter().map(|name| key(name)).collect();
    let text = sign(layout, Form::Envelope, &keys.iter().collect::<Vec<_>>()).unwrap();
    let text = String::from_utf8(text).unwrap();
    json!([{"id": "line", "text": text, "owners": [key("owner").public().to_pem()]}])
}

fn read(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn scene_of(line: Value, layouts: Value, now: Timestamp) -> Scene {
    let recipe: Recipe = serde_json::from_value(line).unwrap();
    let mut policy = read(include_str!("cases/policy.yaml"));
    policy["layouts"] = layouts;
    Scene::new(&recipe, &policy, now).unwrap()
}

fn line() -> Value {
    read(include_str!("cases/line.yaml"))
}

/// The codes against the layout, each once.
fn against(decision: &Decision) -> Vec<Code> {
    let findings = decision.findings().iter().filter(|one| one.rule == "layouts.line");
    let codes: BTreeSet<Code> = findings.map(|finding| finding.code).collect();
    codes.into_iter().collect()
}

#[test]
fn a_layout_is_met_by_the_steps_of_the_line_or_by_nothing() {
    type Edit = fn(&mut Value);
    // What of the layout is another, and what comes of it.
    let cases: [(&str, Edit, &[Code]); 11] = [
        ("as it was", |_| {}, &[]),
        (
            "train by another's key",
            |layout| layout["steps"][1]["pubkeys"] = layout["steps"][2]["pubkeys"].clone(),
            &[Code::LayoutMissing, Code::LayoutUnmet],
        ),
        (
            "train by one of two",
            |layout| {
                let other = layout["steps"][2]["pubkeys"][0].clone();
                layout["steps"][1]["pubkeys"].as_array_mut().unwrap().push(other);
            },
            &[],
        ),
        (
            "train by both of two",
            |layout| {
                let other = layout["steps"][2]["pubkeys"][0].clone();
                layout["steps"][1]["pubkeys"].as_array_mut().unwrap().push(other);
                layout["steps"][1]["threshold"] = 2.into();
            },
            &[Code::LayoutUnmet],
        ),
        (
            "a product more",
            |layout| {
                layout["steps"][0]["expected_products"][0] = json!(["CREATE", "data/train.csv"]);
            },
            &[Code::LayoutUnmet],
        ),
        (
            "a material from elsewhere",
            |layout| layout["steps"][2]["expected_materials"][0][5] = "prepare".into(),
            &[Code::LayoutUnmet],
        ),
        (
            "a product that is not there",
            |layout| {
                let rules = layout["steps"][1]["expected_products"].as_array_mut().unwrap();
                rules.insert(0, json!(["REQUIRE", "model/card.md"]));
            },
            &[Code::LayoutUnmet],
        ),
        (
            "a step that nobody recorded",
            |layout| layout["steps"][1]["name"] = "retrain".into(),
            &[Code::LayoutMissing, Code::LayoutUnmet],
        ),
        (
            "that ends before the artifact",
            |layout| drop(layout["steps"].as_array_mut().unwrap().pop()),
            &[Code::LayoutMissing],
        ),
        ("run out this second", |layout| layout["expires"] = NOW.into(), &[Code::LayoutExpired]),
        ("good for a second", |layout| layout["expires"] = "2026-11-20T12:00:01Z".into(), &[]),
    ];
    let now: Timestamp = NOW.parse().unwrap();
    for (name, edit, want) in cases {
        let mut layout = good_layout();
        edit(&mut layout);
        let scene = scene_of(line(), section(&layout, &["owner"]), now);
        let decision = decide(&scene, Door::Registered).unwrap();
        assert_eq!(against(&decision), want, "{name}: {:?}", decision.findings());
        assert_eq!(decision.passed(), want.is_empty(), "{name}: {:?}", decision.findings());
        if want.is_empty() {
            let expires = layout["expires"].as_str().unwrap().parse().unwrap();
            assert!(decision.holds().until.is_some_and(|until| until <= expires), "{name}");
            let rule = decision.rules().iter().find(|rule| rule.rule == "layouts.line").unwrap();
            assert_eq!(rule.evidence.len(), 3, "{name}: every step names its evidence");
        }
    }
}

#[test]
fn a_denial_says_what_was_looked_at_and_why_not() {
    let mut layout = good_layout();
    layout["steps"][1]["pubkeys"] = layout["steps"][2]["pubkeys"].clone();
    let now = NOW.parse().unwrap();
    let scene = scene_of(line(), section(&layout, &["owner"]), now);
    let decision = decide(&scene, Door::Registered).unwrap();
    let found = decision.findings().iter().find(|one| one.code == Code::LayoutMissing).unwrap();
    assert_eq!(
        found.message,
        "layout `line`, step `train`: 0 of 1 functionaries have done the step"
    );
    let considered: Vec<_> = found.considered.iter().map(|one| (one.body, &*one.why)).collect();
    let train = scene.body("train").unwrap();
    assert_eq!(considered, [(train, "signed by no key that the layout names for the step")]);
    assert!(found.next.as_ref().unwrap().contains("have `train` done"), "{found:?}");
}

#[test]
fn a_denial_names_what_would_meet_the_layout() {
    let now: Timestamp = NOW.parse().unwrap();
    let remedies = |line: Value, layout: &Value| -> Vec<(Code, Remedy)> {
        let scene = scene_of(line, section(layout, &["owner"]), now);
        let decision = decide(&scene, Door::Registered).unwrap();
        let findings = decision.findings().iter().filter(|one| one.rule == "layouts.line");
        findings.map(|one| (one.code, one.remedy.clone().unwrap())).collect()
    };
    let run = |step: &str| ["assay", "run", "--step", step].map(str::to_owned).to_vec();
    // What the step made was changed afterwards, or nobody recorded the step.
    let mut unrecorded = line();
    let evidence = unrecorded["evidence"].as_array_mut().unwrap();
    let trains = evidence.iter().position(|event| event["id"] == "train").unwrap();
    let train = evidence.remove(trains);
    let found = remedies(unrecorded.clone(), &good_layout());
    let missing = found.iter().find(|(code, _)| *code == Code::LayoutMissing).unwrap();
    assert_eq!((missing.1.kind, &missing.1.argv), (Means::Run, &run("train")));
    // Done as the remedy says.
    unrecorded["evidence"].as_array_mut().unwrap().insert(trains, train);
    assert_eq!(remedies(unrecorded, &good_layout()), []);

    let mut other = line();
    other["evidence"][trains]["about"] = json!(["model/model.bin", "model/card.md"]);
    let found = remedies(other.clone(), &good_layout());
    let unmet = found.iter().find(|(code, _)| *code == Code::LayoutUnmet).unwrap();
    assert_eq!((unmet.1.kind, &unmet.1.argv), (Means::Run, &run("train")));
    other["evidence"][trains]["about"] = json!("model/model.bin");
    assert_eq!(remedies(other, &good_layout()), []);

    let mut layout = good_layout();
    layout["expires"] = NOW.into();
    let found = remedies(line(), &layout);
    let expired = found.iter().find(|(code, _)| *code == Code::LayoutExpired).unwrap();
    assert_eq!(expired.1.kind, Means::Policy);
}

#[test]
fn the_evidence_is_what_is_believed_and_registered() {
    let now: Timestamp = NOW.parse().unwrap();
    let good = section(&good_layout(), &["owner"]);
    type Edit = fn(&mut Value, &mut Value);
    let cases: [(&str, Edit, &[Code]); 6] = [
        ("logged", |_, _| {}, &[]),
        (
            "not logged",
            |line, _| line["evidence"][0]["log"] = "nowhere".into(),
            &[Code::LayoutMissing],
        ),
        (
            "not logged, and need not be",
            |line, layouts| {
                line["evidence"][0]["log"] = "nowhere".into();
                layouts[0]["log"] = "optional".into();
            },
            &[],
        ),
        (
            "a name for a step that is another's",
            |line, _| line["keys"]["data"]["steps"] = json!(["clean"]),
            &[Code::LayoutMissing],
        ),
        (
            "for a step of the policy",
            |_, layouts| {
                let mut layout = good_layout();
                drop(layout["steps"].as_array_mut().unwrap().pop());
                *layouts = section(&layout, &["owner"]);
                layouts[0]["step"] = "train".into();
            },
            &[],
        ),
        (
            "for a step that another made",
            |_, layouts| layouts[0]["step"] = "train".into(),
            &[Code::LayoutMissing],
        ),
    ];
    for (name, edit, want) in cases {
        let (mut line, mut layouts) = (line(), good.clone());
        edit(&mut line, &mut layouts);
        let scene = scene_of(line, layouts, now);
        // Statements that are in no log are there for whoever is handed them.
        let door = if name.contains("not logged") { Door::Presented } else { Door::Registered };
        let decision = decide(&scene, door).unwrap();
        let found: Vec<Code> =
            against(&decision).into_iter().filter(|code| *code != Code::LayoutUnmet).collect();
        assert_eq!(found, want, "{name}: {:?}", decision.findings());
    }
}

/// The training as an in-toto link, instead of provenance.
#[test]
fn links_of_in_toto_are_evidence_and_lead_to_what_went_in() {
    let now: Timestamp = NOW.parse().unwrap();
    let made = scene_of(line(), section(&good_layout(), &["owner"]), now);
    let lineage_of = |scene: &Scene| lineage(scene, Door::Registered).unwrap();
    let data = lineage_of(&made).attestations().to_vec();
    let train =
        data.iter().find(|one| one.step.as_ref().is_some_and(|step| step.as_str() == "train"));
    let material = train.unwrap().materials[0].artifact.digest().unwrap().hex();
    let event = |name: &str, digest: &str| {
        let descriptor = json!([{"name": "data/train.csv", "digest": {"sha256": digest}}]);
        json!({
            "id": "train", "sign": "trainer", "says": LINK, "about": "model/model.bin",
            "set": {"/predicate": {"name": name, "materials": descriptor}},
        })
    };
    let other = Sha256::of(b"other").hex();
    let cases: [(&str, Value, &[Code]); 3] = [
        ("a link", event("train", &material), &[]),
        ("of another step", event("trains", &material), &[Code::LayoutMissing, Code::LayoutUnmet]),
        ("from other data", event("train", &other), &[Code::LayoutUnmet]),
    ];
    for (name, event, want) in cases {
        let mut line = line();
        line["evidence"][1] = event;
        line["keys"]["trainer"]["predicates"] = json!([LINK]);
        line["keys"]["trainer"]["steps"] = json!(["train", "trains"]);
        let decision =
            decide(&scene_of(line, section(&good_layout(), &["owner"]), now), Door::Registered);
        assert_eq!(against(&decision.unwrap()), want, "{name}");
    }
}

fn document(layouts: &Value) -> String {
    json!({
        "apiVersion": "assay/v1", "kind": "PromotionPolicy",
        "metadata": {"name": "models", "version": 1},
        "stages": {"production": {"mode": "enforce"}},
        "steps": {"train": {"predicates": ["https://slsa.dev/provenance/v1"], "signers": {"anyOf": ["a"]}}},
        "layouts": layouts,
    })
    .to_string()
}

#[test]
fn what_could_never_be_met_or_is_nobodys_is_refused() {
    let good = section(&good_layout(), &["owner"]);
    Policy::parse(&document(&good)).unwrap();
    let changed = |edit: &dyn Fn(&mut Value)| {
        let mut layout = good_layout();
        edit(&mut layout);
        section(&layout, &["owner"])
    };
    let with = |field: &str, value: Value| {
        let mut section = good.clone();
        section[0][field] = value;
        section
    };
    let unowned = section(&good_layout(), &["trainer"]);
    let text = good[0]["text"].as_str().unwrap();
    let twice = json!([good[0], good[0]]);
    let cases = [
        ("signed by another", unowned, "has no signature by key"),
        ("owned by nobody", with("owners", json!([])), "`owners` is empty"),
        ("owned by no key", with("owners", json!(["owner"])), "PEM"),
        ("one letter less", with("text", text[1..].into()), "not a layout or link"),
        ("called twice", twice, "the key `line` stands twice"),
        (
            "for no step",
            with("step", "trian".into()),
            "there is no step `trian`; did you mean `train`?",
        ),
        ("in a file too", with("file", "a.layout".into()), "not both"),
        ("of no steps", changed(&|layout| layout["steps"] = json!([])), "`steps` is empty"),
        (
            "with an inspection",
            changed(&|layout| {
                layout["inspect"] = json!([{"_type": "inspection", "name": "look", "run": ["ls"],
                    "expected_materials": [], "expected_products": []}]);
            }),
            "judging runs nothing",
        ),
        (
            "with too few keys",
            changed(&|layout| layout["steps"][0]["threshold"] = 2.into()),
            "needs 2 functionaries and names 1",
        ),
    ];
    for (name, section, want) in cases {
        match Policy::parse(&document(&section)) {
            Ok(_) => panic!("{name} is read"),
            Err(error) => assert!(error.to_string().contains(want), "{name}: {error}"),
        }
    }
}

#[test]
fn a_layout_stands_in_a_file_that_the_digest_of_the_policy_covers() {
    let section = section(&good_layout(), &["owner"]);
    let text = section[0]["text"].as_str().unwrap().to_owned();
    let digest = Sha256::of(text.as_bytes());
    let named = json!([{
        "id": "line", "file": "line.layout", "sha256": digest.hex(),
        "owners": section[0]["owners"],
    }]);
    let policy = document(&named);
    assert_eq!(Policy::files_of(&policy).unwrap(), ["line.layout"]);
    let files: Files = [("line.layout".to_owned(), text.clone().into_bytes())].into();
    let read = Policy::parse_with(&policy, &files).unwrap();
    assert_eq!(read.files(), &files);
    assert!(Policy::parse_registered(&policy, |of| (*of == digest).then_some(&text)).is_ok());
    assert!(Policy::parse_registered(&policy, |_| None).is_err());
    assert!(Policy::parse(&policy).is_err());
}

/// A layout, signed by these, as it stands in a document.
fn text_of(layout: &Value, signers: &[&str]) -> String {
    let keys: Vec<SigningKey> = signers.iter().map(|name| key(name)).collect();
    let bytes = sign(layout, Form::Envelope, &keys.iter().collect::<Vec<_>>()).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The layout of the line in which the packager builds all that comes after the data.
fn outer_layout() -> Value {
    let mut layout = good_layout();
    let from = json!(["MATCH", "data/train.csv", "WITH", "PRODUCTS", "FROM", "prepare"]);
    let rest = json!(["DISALLOW", "*"]);
    let build = step(
        "build",
        &["packager"],
        json!([from, ["ALLOW", "model/*"], rest]),
        json!([["CREATE", "image"], rest]),
    );
    let prepare = layout["steps"][0].clone();
    layout["steps"] = json!([prepare, build]);
    layout
}

/// How the packager builds: the last two steps of the line.
fn inner_layout() -> Value {
    let mut layout = good_layout();
    layout["steps"].as_array_mut().unwrap().remove(0);
    layout["steps"][0]["expected_materials"] =
        json!([["ALLOW", "data/train.csv"], ["DISALLOW", "*"]]);
    layout
}

/// The section with the outer layout and these below it: each of a step, by somebody.
fn delegated(below: &[(&str, &Value, &str)]) -> Value {
    let mut section = section(&outer_layout(), &["owner"]);
    let below = below
        .iter()
        .map(|(step, layout, signer)| json!({"step": step, "text": text_of(layout, &[signer])}));
    section[0]["sublayouts"] = below.collect();
    section
}

#[test]
fn a_step_is_done_by_a_layout_of_whoever_may_do_it() {
    type Edit = fn(&mut Value);
    let cases: [(&str, Edit, &[Code]); 8] = [
        ("as it was", |_| {}, &[]),
        (
            "train by another's key",
            |layout| layout["steps"][0]["pubkeys"] = layout["steps"][1]["pubkeys"].clone(),
            &[Code::LayoutMissing, Code::LayoutUnmet],
        ),
        (
            "a step that nobody recorded",
            |layout| layout["steps"][0]["name"] = "retrain".into(),
            &[Code::LayoutMissing, Code::LayoutUnmet],
        ),
        (
            "a product that is not there",
            |layout| {
                let rules = layout["steps"][0]["expected_products"].as_array_mut().unwrap();
                rules.insert(0, json!(["REQUIRE", "model/card.md"]));
            },
            &[Code::LayoutUnmet],
        ),
        (
            "that ends before the artifact",
            |layout| drop(layout["steps"].as_array_mut().unwrap().pop()),
            &[Code::LayoutMissing],
        ),
        (
            "that begins after the data",
            |layout| drop(layout["steps"].as_array_mut().unwrap().remove(0)),
            &[Code::LayoutUnmet],
        ),
        ("run out this second", |layout| layout["expires"] = NOW.into(), &[Code::LayoutExpired]),
        ("good for a second", |layout| layout["expires"] = "2026-11-20T12:00:01Z".into(), &[]),
    ];
    let now: Timestamp = NOW.parse().unwrap();
    for (name, edit, want) in cases {
        let mut inner = inner_layout();
        edit(&mut inner);
        let scene = scene_of(line(), delegated(&[("build", &inner, "packager")]), now);
        let decision = decide(&scene, Door::Registered).unwrap();
        assert_eq!(against(&decision), want, "{name}: {:#?}", decision.findings());
        if want.is_empty() {
            let expires = inner["expires"].as_str().unwrap().parse().unwrap();
            assert!(decision.holds().until.is_some_and(|until| until <= expires), "{name}");
            let rule = decision.rules().iter().find(|rule| rule.rule == "layouts.line").unwrap();
            assert_eq!(rule.evidence.len(), 3, "{name}: every step names its evidence");
        }
    }

    // One below the other: the trainer makes the model in steps of their own.
    let mut between = inner_layout();
    between["steps"][0]["name"] = "make".into();
    between["steps"][1]["expected_materials"][0][5] = "make".into();
    let mut last = inner_layout();
    last["steps"].as_array_mut().unwrap().pop();
    let codes = |last: &Value| {
        let below = delegated(&[("make", last, "trainer"), ("build", &between, "packager")]);
        against(&decide(&scene_of(line(), below, now), Door::Registered).unwrap())
    };
    assert_eq!(codes(&last), []);
    last["steps"][0]["expected_products"] = json!([["DISALLOW", "*"]]);
    assert_eq!(codes(&last), [Code::LayoutUnmet]);
}

/// Whoever says by a layout how a step is done does not say besides that it was done.
#[test]
fn a_statement_stands_for_no_step_that_is_done_by_a_layout() {
    let now: Timestamp = NOW.parse().unwrap();
    let mut line = line();
    line["keys"]["packager"]["steps"] = json!(["package", "build"]);
    line["evidence"][3]["step"] = "build".into();
    let alone = section(&outer_layout(), &["owner"]);
    let codes = |section: Value| {
        against(&decide(&scene_of(line.clone(), section, now), Door::Registered).unwrap())
    };
    assert_eq!(codes(alone), []);
    let below = delegated(&[("build", &inner_layout(), "packager")]);
    assert_eq!(codes(below), [Code::LayoutMissing]);
}

#[test]
fn a_sublayout_that_stands_for_nothing_is_refused() {
    let inner = inner_layout();
    let good = delegated(&[("build", &inner, "packager")]);
    Policy::parse(&document(&good)).unwrap();
    let changed = |edit: &dyn Fn(&mut Value)| {
        let mut inner = inner_layout();
        edit(&mut inner);
        delegated(&[("build", &inner, "packager")])
    };
    let mut in_a_file = good.clone();
    in_a_file[0]["sublayouts"][0]["file"] = "inner.layout".into();
    let other = good_layout();
    let cases = [
        (
            "by somebody who may not",
            delegated(&[("build", &inner, "trainer")]),
            "nobody has signed it who may do the step `build`",
        ),
        (
            "by the owner",
            delegated(&[("build", &inner, "owner")]),
            "nobody has signed it who may do the step `build`",
        ),
        (
            "of no step",
            delegated(&[("biuld", &inner, "packager")]),
            "there is no step `biuld` in the layout",
        ),
        (
            "with a step of the layout above",
            delegated(&[("build", &other, "packager")]),
            "the step `prepare` stands in another layout of these too",
        ),
        (
            "twice",
            delegated(&[("build", &inner, "packager"), ("build", &inner, "packager")]),
            "the step `train` stands in another layout of these too",
        ),
        (
            "two by one key",
            {
                let [mut one, mut two] = [inner_layout(), inner_layout()];
                one["steps"].as_array_mut().unwrap().pop();
                two["steps"].as_array_mut().unwrap().remove(0);
                delegated(&[("build", &one, "packager"), ("build", &two, "packager")])
            },
            "has signed two for the step `build`",
        ),
        (
            "with an inspection",
            changed(&|layout| {
                layout["inspect"] = json!([{"_type": "inspection", "name": "look", "run": ["ls"],
                    "expected_materials": [], "expected_products": []}]);
            }),
            "judging runs nothing",
        ),
        ("of no steps", changed(&|layout| layout["steps"] = json!([])), "`steps` is empty"),
        (
            "with too few keys",
            changed(&|layout| layout["steps"][0]["threshold"] = 2.into()),
            "needs 2 functionaries and names 1",
        ),
        ("in a file too", in_a_file, "not both"),
    ];
    for (name, section, want) in cases {
        match Policy::parse(&document(&section)) {
            Ok(_) => panic!("{name} is read"),
            Err(error) => assert!(error.to_string().contains(want), "{name}: {error}"),
        }
    }
}

#[test]
fn a_sublayout_stands_in_a_file_that_the_digest_of_the_policy_covers() {
    let mut section = delegated(&[("build", &inner_layout(), "packager")]);
    let text = section[0]["sublayouts"][0]["text"].as_str().unwrap().to_owned();
    let digest = Sha256::of(text.as_bytes());
    section[0]["sublayouts"][0] =
        json!({"step": "build", "file": "inner.layout", "sha256": digest.hex()});
    let policy = document(&section);
    assert_eq!(Policy::files_of(&policy).unwrap(), ["inner.layout"]);
    let files: Files = [("inner.layout".to_owned(), text.clone().into_bytes())].into();
    assert_eq!(Policy::parse_with(&policy, &files).unwrap().files(), &files);
    assert!(Policy::parse_registered(&policy, |of| (*of == digest).then_some(&text)).is_ok());
    assert!(Policy::parse(&policy).is_err());
}

#[test]
fn parameters_stand_for_names_in_the_layout() {
    let now: Timestamp = NOW.parse().unwrap();
    let mut layout = good_layout();
    layout["steps"][1]["expected_products"][0] = json!(["CREATE", "model/{name}.bin"]);
    let with = |parameters: Value| {
        let mut section = section(&layout, &["owner"]);
        if !parameters.is_null() {
            section[0]["parameters"] = parameters;
        }
        section
    };
    let cases: [(&str, Value, &[Code]); 3] = [
        ("as it is called", json!({"name": "model"}), &[]),
        ("another name", json!({"name": "models"}), &[Code::LayoutUnmet]),
        ("none: braces are braces", Value::Null, &[Code::LayoutUnmet]),
    ];
    for (name, parameters, want) in cases {
        let scene = scene_of(line(), with(parameters), now);
        let decision = decide(&scene, Door::Registered).unwrap();
        assert_eq!(against(&decision), want, "{name}: {:?}", decision.findings());
    }
    let refused = [
        ("not all", json!({"nam": "model"}), "the layout asks for parameter `name`"),
        ("none", json!({}), "`parameters` is empty"),
        ("no name", json!({"name": "model", "a b": "c"}), "`a b` is no parameter name"),
    ];
    for (name, parameters, want) in refused {
        let error = Policy::parse(&document(&with(parameters))).unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
}
