//! For each check a case that passes, and the smallest change that fails.

use attest::in_toto::{Form, Link, Metadata, file_name};
use policy::layout::{InspectionRun, LayoutCode, Parameters, Severity};
use serde_json::{Value, json};
use verify::layout::{LinkRefusal, MAX_LINK_CHECKS};

use crate::support::{Chain, File, digests, key, label, layout_key, link, step};

type Case = (&'static str, fn(&mut Chain), &'static str);

/// The files of the good chain, by what they are.
const WRITE: usize = 0;
const PACK: usize = 1;

fn rules(chain: &mut Chain, step: usize, side: &str, rules: Value) {
    chain.layout["steps"][step][side] = rules;
}

fn product(chain: &mut Chain, file: usize, path: &str, content: &str) {
    chain.files[file].document["products"][path] = digests(content);
}

#[test]
fn who_signed_the_layout_and_the_links() {
    let cases: &[Case] = &[
        ("as it should be", |_| {}, "passed"),
        ("as a metablock", |chain| chain.form = Form::Metablock, "passed"),
        ("nobody signed the layout", |chain| chain.signers = vec![], "error: "),
        (
            "a metablock that nobody signed",
            |chain| {
                chain.form = Form::Metablock;
                chain.signers = vec![];
            },
            "error: the layout has no signature",
        ),
        (
            "a functionary signed the layout",
            |chain| chain.signers = vec!["bob"],
            "error: the layout has no signature",
        ),
        ("no owner", |chain| chain.owners = vec![], "error: no key"),
        (
            "two owners",
            |chain| {
                chain.owners.push("partner");
                chain.signers.push("partner");
            },
            "passed",
        ),
        (
            "one of two owners",
            |chain| chain.owners.push("partner"),
            "error: the layout has no signature",
        ),
        (
            "a link in the place of the layout",
            |chain| {
                chain.layout = chain.files[WRITE].document.clone();
            },
            "error: this is a link",
        ),
        ("no link", |chain| drop(chain.files.remove(PACK)), "failed step.threshold"),
        (
            "a link under another name",
            |chain| chain.files[PACK].name = "pack.link".into(),
            "failed step.threshold",
        ),
        (
            "a link by nobody of the layout",
            |chain| chain.files[PACK].signers = vec!["mallory"],
            "failed step.refused step.threshold",
        ),
        (
            "a link that another functionary signed",
            |chain| {
                chain.files[PACK].signers = vec!["alice"];
            },
            "failed step.refused step.threshold",
        ),
        (
            "a step by somebody who may do another",
            |chain| {
                chain.files[PACK].signers = vec!["alice"];
                chain.files[PACK].name = file_name("pack", &label("alice"));
            },
            "failed step.unauthorised step.threshold",
        ),
        (
            "also by somebody who may not",
            |chain| {
                let copy = chain.files[PACK].document.clone();
                chain.add("pack", "alice", copy);
            },
            "passed step.unauthorised",
        ),
        (
            "a step whose key the layout does not hold",
            |chain| {
                let bob = label("bob").to_string();
                chain.layout["keys"].as_object_mut().unwrap().remove(&bob);
            },
            "failed step.threshold",
        ),
        (
            "another step's link",
            |chain| chain.files[PACK].document["name"] = "write".into(),
            "failed step.other-name step.threshold",
        ),
        (
            "a link that says nothing",
            |chain| chain.files[PACK].document = json!({"_type": "link"}),
            "failed step.refused step.threshold",
        ),
        (
            "a statement in the place of a link",
            |chain| {
                chain.files[PACK].document["_type"] = "https://in-toto.io/Statement/v1".into();
            },
            "failed step.refused step.threshold",
        ),
    ];
    run(cases);
}

#[test]
fn thresholds() {
    fn two(chain: &mut Chain) {
        chain.layout["steps"][1] = step(
            "pack",
            &["bob", "carol"],
            chain.layout["steps"][1]["expected_materials"].clone(),
            chain.layout["steps"][1]["expected_products"].clone(),
        );
        chain.layout["steps"][1]["threshold"] = 2.into();
        let carol = layout_key("carol").to_json().unwrap();
        chain.layout["keys"][label("carol").as_str()] = carol;
        let copy = chain.files[PACK].document.clone();
        chain.add("pack", "carol", copy);
    }
    let cases: &[Case] = &[
        ("two of two", two, "passed"),
        (
            "one of two",
            |chain| {
                two(chain);
                chain.files.pop();
            },
            "failed step.threshold",
        ),
        (
            "one file for two",
            |chain| {
                two(chain);
                chain.files.pop();
                chain.files[PACK].signers = vec!["bob", "carol"];
            },
            "failed step.threshold",
        ),
        (
            "the second may not",
            |chain| {
                two(chain);
                chain.layout["steps"][1]["pubkeys"] = json!([label("bob").as_str()]);
            },
            "failed step.unauthorised step.threshold",
        ),
        (
            "one key id twice",
            |chain| {
                two(chain);
                let bob = label("bob").to_string();
                chain.layout["steps"][1]["pubkeys"] = json!([bob, bob]);
            },
            "failed step.unauthorised step.threshold",
        ),
        (
            "they disagree",
            |chain| {
                two(chain);
                product(chain, 2, "foo.tgz", "other");
            },
            "failed step.contradiction",
        ),
        (
            "one is enough, and they disagree",
            |chain| {
                two(chain);
                chain.layout["steps"][1]["threshold"] = 1.into();
                product(chain, 2, "foo.tgz", "other");
            },
            "failed step.contradiction",
        ),
        ("none", |chain| chain.layout["steps"][0]["threshold"] = 0.into(), "error: step `write`"),
        (
            "less",
            |chain| chain.layout["steps"][0]["threshold"] = (-1).into(),
            "error: step `write`",
        ),
        ("not a number", |chain| chain.layout["steps"][0]["threshold"] = true.into(), "error: not"),
    ];
    run(cases);
}

#[test]
fn one_key_under_two_ids_is_one_functionary() {
    let mut chain = Chain::good();
    let (real, other) = (label("bob").to_string(), "ab".repeat(32));
    let mut again = layout_key("bob").to_json().unwrap();
    again["keyid"] = other.clone().into();
    chain.layout["keys"][&other] = again;
    chain.layout["steps"][1]["pubkeys"] = json!([real, other]);
    assert_eq!(chain.outcome(), "passed");
    chain.layout["steps"][1]["threshold"] = 2.into();

    // A signature under the second id, as bob can make one.
    let document = chain.files[PACK].document.clone();
    let mut block: Value = serde_json::from_slice(
        &attest::in_toto::sign(&document, Form::Metablock, &[&key("bob")]).unwrap(),
    )
    .unwrap();
    block["signatures"][0]["keyid"] = other.into();
    let mut folder = chain.folder();
    folder.insert(&[], "pack.abababab.link", block.to_string().into_bytes()).unwrap();
    let layout = Metadata::parse(&chain.sign(&chain.layout, &["owner"])).unwrap();
    let signed = verify::layout::verify_layout(&layout, &[layout_key("owner")], &folder).unwrap();
    assert_eq!(signed.links().len(), 3, "both are authentic");
    let decision = policy::layout::judge(&signed, None, &chain.inspected, chain.now).unwrap();
    let codes: Vec<_> = decision.findings().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [LayoutCode::Threshold]);
}

#[test]
fn the_layout_itself() {
    let cases: &[Case] = &[
        (
            "a second before it expires",
            |chain| {
                chain.now = "2027-01-31T11:59:59Z".parse().unwrap();
            },
            "passed",
        ),
        (
            "when it expires",
            |chain| chain.now = "2027-01-31T12:00:00Z".parse().unwrap(),
            "failed layout.expired",
        ),
        (
            "without an expiry",
            |chain| {
                chain.layout.as_object_mut().unwrap().remove("expires");
            },
            "error: not a layout",
        ),
        (
            "another spelling of a time",
            |chain| chain.layout["expires"] = "2027-01-31".into(),
            "error: `expires`",
        ),
        (
            "a zone",
            |chain| chain.layout["expires"] = "2027-01-31T12:00:00+00:00".into(),
            "error: `expires`",
        ),
        (
            "no such day",
            |chain| chain.layout["expires"] = "2027-02-30T12:00:00Z".into(),
            "error: `expires`",
        ),
        (
            "a second 60",
            |chain| chain.layout["expires"] = "2027-01-31T12:00:60Z".into(),
            "error: `expires`",
        ),
        ("no steps", |chain| chain.layout["steps"] = json!([]), "failed layout.empty"),
        (
            "a step twice",
            |chain| {
                let again = chain.layout["steps"][0].clone();
                chain.layout["steps"].as_array_mut().unwrap().push(again);
            },
            "error: two steps",
        ),
        (
            "a name that leads elsewhere",
            |chain| chain.layout["steps"][0]["name"] = "../x".into(),
            "error: `../x`",
        ),
        (
            "a key that calls itself otherwise",
            |chain| {
                chain.layout["keys"][label("bob").as_str()]["keyid"] = "abcd".into();
            },
            "error: key",
        ),
        (
            "a key under another key's id",
            |chain| {
                let mut mallory = layout_key("mallory").to_json().unwrap();
                mallory["keyid"] = label("bob").as_str().into();
                chain.layout["keys"][label("bob").as_str()] = mallory;
            },
            "failed step.refused step.threshold",
        ),
        (
            "an unknown rule",
            |chain| rules(chain, 0, "expected_products", json!([["PERMIT", "*"]])),
            "error: rule 1",
        ),
        ("a field that nobody knows", |chain| chain.layout["x"] = json!({"y": []}), "passed"),
        (
            "another command",
            |chain| chain.files[WRITE].document["command"] = json!(["rm"]),
            "passed step.command",
        ),
    ];
    run(cases);
}

#[test]
fn keys_that_prove_nothing() {
    // The point of small order: the identity.
    let weak = format!("01{}", "00".repeat(31));
    let cases = [
        ("weak", "ed25519", "ed25519", weak.as_str(), "is weak"),
        ("no point", "ed25519", "ed25519", "zz", "malformed"),
        ("of another kind", "mldsa", "mldsa-44/1", "", "are not checked"),
        ("OpenPGP", "rsa", "pgp+rsa-pkcsv1.5", "", "are not checked"),
        ("a key of another scheme", "ecdsa", "ecdsa-sha2-nistp384", P256, "not one for scheme"),
    ];
    for (name, keytype, scheme, public, want) in cases {
        let mut chain = Chain::good();
        let bob = label("bob").to_string();
        chain.layout["keys"][&bob] = json!({
            "keyid": bob, "keytype": keytype, "scheme": scheme, "keyval": {"public": public},
        });
        let signed = chain.verify().unwrap();
        let why = signed.refused().first().map(|refused| refused.why.to_string()).unwrap();
        assert!(
            matches!(signed.refused()[0].why, LinkRefusal::Key { .. }) && why.contains(want),
            "{name}: {why}"
        );
        assert_eq!(chain.outcome(), "failed step.refused step.threshold", "{name}");
    }
}

const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERxNoFJUin2GrxUju0jLNq9ArSl4i
1FAPu5EkTuXDEhsTV0gynBldtYeFPPd8TkwN7JTSiiUTBv7l19Vaai3SRg==
-----END PUBLIC KEY-----
";

#[test]
fn rules_of_artifacts() {
    let cases: &[Case] = &[
        ("created, and nothing else", |_| {}, "passed"),
        (
            "something else was created",
            |chain| product(chain, WRITE, "b", "b"),
            "failed rule.disallow",
        ),
        (
            "created, and was there before",
            |chain| {
                chain.files[WRITE].document["materials"] = json!({"foo.txt": digests("hi")});
            },
            "failed rule.disallow",
        ),
        ("matched by another step's product", |_| {}, "passed"),
        (
            "a material of other digest",
            |chain| {
                chain.files[PACK].document["materials"]["foo.txt"] = digests("evil");
            },
            "failed rule.disallow",
        ),
        (
            "matched by materials",
            |chain| {
                rules(
                    chain,
                    1,
                    "expected_materials",
                    json!([
                        ["MATCH", "*", "WITH", "MATERIALS", "FROM", "write"],
                        ["DISALLOW", "*"]
                    ]),
                );
            },
            "failed rule.disallow",
        ),
        (
            "matched by a step that there is not",
            |chain| {
                rules(
                    chain,
                    1,
                    "expected_materials",
                    json!([["MATCH", "*", "WITH", "PRODUCTS", "FROM", "rite"], ["DISALLOW", "*"]]),
                );
            },
            "failed rule.disallow",
        ),
        (
            "matched below prefixes",
            |chain| prefixed(chain, "in/foo.txt", "out/", "out/foo.txt"),
            "passed",
        ),
        (
            "matched below another prefix",
            |chain| prefixed(chain, "in/foo.txt", "aus", "out/foo.txt"),
            "failed rule.disallow",
        ),
        (
            "beside the prefix",
            |chain| prefixed(chain, "inn/foo.txt", "out", "out/foo.txt"),
            "failed rule.disallow",
        ),
        ("modified", |chain| modified(chain, "bye"), "passed"),
        ("not modified", |chain| modified(chain, "hi"), "failed rule.disallow"),
        (
            "deleted",
            |chain| {
                rules(
                    chain,
                    1,
                    "expected_materials",
                    json!([["DELETE", "foo.*"], ["DISALLOW", "*"]]),
                );
                chain.files[PACK].document["products"].as_object_mut().unwrap().remove("foo.txt");
            },
            "passed",
        ),
        (
            "not deleted",
            |chain| {
                rules(
                    chain,
                    1,
                    "expected_materials",
                    json!([["DELETE", "foo.*"], ["DISALLOW", "*"]]),
                );
            },
            "failed rule.disallow",
        ),
        (
            "required",
            |chain| {
                rules(chain, 1, "expected_products", json!([["REQUIRE", "foo.tgz"]]));
            },
            "passed",
        ),
        (
            "required, and not there",
            |chain| {
                rules(chain, 1, "expected_products", json!([["REQUIRE", "foo.zip"]]));
            },
            "failed rule.require",
        ),
        (
            "a pattern is no path",
            |chain| {
                rules(chain, 1, "expected_products", json!([["REQUIRE", "foo.*"]]));
            },
            "failed rule.require",
        ),
        (
            "required after it was taken",
            |chain| {
                rules(
                    chain,
                    1,
                    "expected_products",
                    json!([["ALLOW", "*"], ["REQUIRE", "foo.tgz"]]),
                );
            },
            "failed rule.require",
        ),
        (
            "disallowed before it was taken",
            |chain| {
                rules(chain, 1, "expected_products", json!([["DISALLOW", "*"], ["ALLOW", "*"]]));
            },
            "failed rule.disallow",
        ),
        ("nothing disallowed", |chain| rules(chain, 0, "expected_products", json!([])), "passed"),
        ("equal by SHA-512", |chain| same(chain, "sha512"), "passed"),
        ("equal by MD5 alone", |chain| same(chain, "md5"), "failed rule.disallow"),
        ("without digests", |chain| same(chain, ""), "failed rule.disallow"),
    ];
    run(cases);
}

fn prefixed(chain: &mut Chain, material: &str, prefix: &str, made: &str) {
    rules(chain, 0, "expected_products", json!([["CREATE", "out/*"], ["DISALLOW", "*"]]));
    rules(
        chain,
        1,
        "expected_materials",
        json!([
            ["MATCH", "*.txt", "IN", "in", "WITH", "PRODUCTS", "IN", prefix, "FROM", "write"],
            ["DISALLOW", "*"]
        ]),
    );
    chain.files[WRITE].document["products"] = json!({made: digests("hi")});
    chain.files[PACK].document["materials"] = json!({material: digests("hi")});
}

fn modified(chain: &mut Chain, content: &str) {
    rules(
        chain,
        1,
        "expected_products",
        json!([["CREATE", "foo.tgz"], ["MODIFY", "foo.txt"], ["DISALLOW", "*"]]),
    );
    product(chain, PACK, "foo.txt", content);
}

/// Both steps know the file by this algorithm alone.
fn same(chain: &mut Chain, algorithm: &str) {
    let digest = if algorithm.is_empty() { json!({}) } else { json!({algorithm: "abcd"}) };
    chain.files[WRITE].document["products"]["foo.txt"] = digest.clone();
    chain.files[PACK].document["materials"]["foo.txt"] = digest;
}

#[test]
fn a_finding_names_rule_artifact_and_what_came_near() {
    let mut chain = Chain::good();
    chain.files[PACK].document["materials"]["foo.txt"] = digests("evil");
    let decision = chain.decide().unwrap();
    let [finding] = decision.findings() else { panic!("{:#?}", decision.findings()) };
    assert_eq!((finding.code, finding.severity), (LayoutCode::Disallow, Severity::Fail));
    assert_eq!(finding.item.as_deref(), Some("pack"));
    let rule = finding.rule.as_ref().unwrap();
    assert_eq!((rule.place, rule.text.as_str()), (2, "DISALLOW *"));
    assert_eq!(finding.artifacts, ["foo.txt"]);
    assert_eq!(
        finding.near.as_deref(),
        Some(
            "`foo.txt`: `MATCH foo.txt WITH PRODUCTS FROM write`: it has other digests among the \
             products of `write`"
        )
    );
}

#[test]
fn parameters() {
    fn given(chain: &mut Chain, name: &str, value: &str) {
        rules(chain, 0, "expected_products", json!([["CREATE", "{name}.txt"], ["DISALLOW", "*"]]));
        chain.parameters.get_or_insert_with(Parameters::default).add(name, value).unwrap();
    }
    let cases: &[Case] = &[
        ("filled in", |chain| given(chain, "name", "foo"), "passed"),
        ("filled in otherwise", |chain| given(chain, "name", "bar"), "failed rule.disallow"),
        ("not given", |chain| given(chain, "other", "foo"), "error: the layout asks for"),
        (
            "none given",
            |chain| {
                given(chain, "name", "foo");
                chain.parameters = None;
            },
            "failed rule.disallow",
        ),
    ];
    run(cases);
}

#[test]
fn inspections() {
    fn inspect(chain: &mut Chain, status: Option<i32>, found: &str) {
        chain.layout["inspect"] = json!([{
            "_type": "inspection", "name": "unpack", "run": ["tar", "xzf", "foo.tgz"],
            "expected_materials": [],
            "expected_products": [
                ["MATCH", "foo.txt", "WITH", "PRODUCTS", "FROM", "write"], ["DISALLOW", "*"]],
        }]);
        let mut link = Link { name: "unpack".into(), ..Link::default() };
        let digest = attest::Sha256::of(found.as_bytes()).hex();
        link.products.insert("foo.txt".into(), [("sha256".to_owned(), digest)].into());
        let run = InspectionRun { status, link };
        chain.inspected.insert((Vec::new(), "unpack".into()), run);
    }
    let cases: &[Case] = &[
        ("run, and as it should be", |chain| inspect(chain, Some(0), "hi"), "passed"),
        ("other content", |chain| inspect(chain, Some(0), "bye"), "failed rule.disallow"),
        ("it failed", |chain| inspect(chain, Some(1), "hi"), "failed inspection.failed"),
        ("it was killed", |chain| inspect(chain, None, "hi"), "failed inspection.failed"),
        (
            "not run",
            |chain| {
                inspect(chain, Some(0), "hi");
                chain.inspected.clear();
            },
            "undecided inspection.not-run",
        ),
        (
            "run in another layout",
            |chain| {
                inspect(chain, Some(0), "hi");
                let run = chain.inspected.pop_first().unwrap().1;
                chain.inspected.insert((vec!["pack".into()], "unpack".into()), run);
            },
            "undecided inspection.not-run",
        ),
    ];
    run(cases);
}

#[test]
fn work_is_bounded() {
    let mut chain = Chain::good();
    let many: serde_json::Map<_, _> =
        (0..2000).map(|number| (format!("{}{number}", "a".repeat(400)), digests("hi"))).collect();
    chain.files[WRITE].document["products"] = Value::Object(many);
    let pattern = format!("*{}b", "a".repeat(200));
    chain.layout["steps"][0]["expected_products"] = json!(vec![json!(["ALLOW", pattern]); 100]);
    assert_eq!(chain.outcome(), "undecided layout.costly layout.costly layout.costly");

    // Nobody checks more signatures than this, whatever a layout says.
    let mut chain = Chain::good();
    let labels: Vec<String> = (0..900).map(|number| format!("abababab{number:04}")).collect();
    let mut key = layout_key("mallory").to_json().unwrap();
    for label in &labels {
        key["keyid"] = label.as_str().into();
        chain.layout["keys"][label] = key.clone();
    }
    let steps = (0..30).map(|number| step(&format!("s{number}"), &[], json!([]), json!([])));
    chain.layout["steps"] = json!(steps.collect::<Vec<_>>());
    assert!(labels.len() * 30 > MAX_LINK_CHECKS);
    for number in 0..30 {
        let name = format!("s{number}.abababab.link");
        let document = link(&format!("s{number}"), json!({}), json!({}));
        chain.files.push(File { folders: vec![], name, document, signers: vec!["alice"] });
    }
    // Signatures that do not say whose they are, so that every key has to be tried.
    let mut folder = verify::layout::LinkFolder::default();
    for file in &chain.files {
        let mut envelope: Value =
            serde_json::from_slice(&chain.sign(&file.document, &file.signers)).unwrap();
        envelope["signatures"][0].as_object_mut().unwrap().remove("keyid");
        folder.insert(&[], &file.name, envelope.to_string().into_bytes()).unwrap();
    }
    let layout = Metadata::parse(&chain.sign(&chain.layout, &["owner"])).unwrap();
    let error =
        verify::layout::verify_layout(&layout, &[layout_key("owner")], &folder).unwrap_err();
    assert_eq!(error, verify::layout::LayoutError::TooManyChecks);
}

fn run(cases: &[Case]) {
    for (name, change, want) in cases {
        let mut chain = Chain::good();
        change(&mut chain);
        let outcome = chain.outcome();
        let exact = !want.starts_with("error");
        let same = if exact { outcome == *want } else { outcome.starts_with(want) };
        assert!(same, "{name}: {outcome}, expected {want}");
    }
}
