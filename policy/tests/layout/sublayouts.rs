//! Layouts in the place of links.

use attest::in_toto::folder_name;
use serde_json::json;
use verify::layout::MAX_SUBLAYOUTS;

use crate::support::{Chain, File, digests, label, layout, link, step};

/// Bob lets carol do his step, in two steps of their own.
fn delegated() -> Chain {
    let mut chain = Chain::good();
    let pack = chain.files.pop().unwrap();
    let (materials, products) =
        (pack.document["materials"].clone(), pack.document["products"].clone());
    let inner = json!([
        step("tar", &["carol"], json!([["ALLOW", "foo.txt"], ["DISALLOW", "*"]]), json!([])),
        step(
            "zip",
            &["carol"],
            json!([["MATCH", "*", "WITH", "PRODUCTS", "FROM", "tar"], ["DISALLOW", "*"]]),
            json!([["ALLOW", "foo.t*"], ["DISALLOW", "*"]]),
        ),
    ]);
    chain.add("pack", "bob", layout(&["carol"], inner));
    let folders = vec![folder_name("pack", &label("bob"))];
    let tarred = json!({"foo.tar": digests("tarred")});
    for (name, took, made) in [("tar", materials, tarred.clone()), ("zip", tarred, products)] {
        let file = format!("{name}.{}.link", label("carol").prefix());
        let document = link(name, took, made);
        chain.files.push(File {
            folders: folders.clone(),
            name: file,
            document,
            signers: vec!["carol"],
        });
    }
    chain
}

const SUBLAYOUT: usize = 1;
const TAR: usize = 2;

#[test]
fn what_stands_for_a_step() {
    type Case = (&'static str, fn(&mut Chain), &'static str);
    let cases: &[Case] = &[
        ("as it should be", |_| {}, "passed step.command"),
        (
            "it expired",
            |chain| {
                chain.files[SUBLAYOUT].document["expires"] = "2026-11-26T12:00:00Z".into();
            },
            "failed layout.expired step.command",
        ),
        (
            "somebody else signed it",
            |chain| chain.files[SUBLAYOUT].signers = vec!["carol"],
            "failed step.refused step.threshold",
        ),
        (
            "its links lie beside it",
            |chain| chain.files[TAR].folders.clear(),
            "failed step.threshold rule.disallow step.command",
        ),
        (
            "what it took is not what was made",
            |chain| {
                chain.files[TAR].document["materials"]["foo.txt"] = digests("evil");
            },
            "failed step.command rule.disallow",
        ),
        (
            "its rules do not hold",
            |chain| {
                chain.files[TAR].document["products"]["foo.tar"] = digests("other");
            },
            "failed rule.disallow step.command",
        ),
        (
            "whoever may do a step of the outer layout does not do one of the inner",
            |chain| {
                chain.files[TAR].name = format!("tar.{}.link", label("bob").prefix());
                chain.files[TAR].signers = vec!["bob"];
            },
            "failed step.threshold rule.disallow step.command",
        ),
        (
            "by somebody who may not do the step",
            |chain| {
                chain.layout["steps"][1]["pubkeys"] = json!([label("alice").as_str()]);
            },
            "failed step.unauthorised step.threshold",
        ),
    ];
    for (name, change, want) in cases {
        let mut chain = delegated();
        change(&mut chain);
        assert_eq!(chain.outcome(), *want, "{name}");
    }
}

#[test]
fn a_decision_holds_until_the_first_layout_expires() {
    let mut chain = delegated();
    for (expires, want) in [
        ("2026-12-24T12:00:00Z", "2026-12-24T12:00:00Z"),
        ("2028-01-01T00:00:00Z", "2027-01-31T12:00:00Z"),
    ] {
        chain.files[SUBLAYOUT].document["expires"] = expires.into();
        let until = chain.decide().unwrap().until();
        assert_eq!(until.to_string(), want);
        chain.now = until;
        assert!(!chain.decide().unwrap().passed());
        chain.now = "2026-11-26T12:00:00Z".parse().unwrap();
        assert!(chain.decide().unwrap().passed());
    }
}

#[test]
fn depth_is_bounded() {
    for (levels, want) in
        [(MAX_SUBLAYOUTS, "passed"), (MAX_SUBLAYOUTS + 1, "error: layouts nested")]
    {
        let mut chain = Chain::good();
        chain.files.clear();
        chain.layout = layout(&["alice"], json!([step("s", &["alice"], json!([]), json!([]))]));
        let mut folders = Vec::new();
        let name = format!("s.{}.link", label("alice").prefix());
        for level in 0..=levels {
            let document =
                if level < levels { chain.layout.clone() } else { link("s", json!({}), json!({})) };
            let file = File {
                folders: folders.clone(),
                name: name.clone(),
                document,
                signers: vec!["alice"],
            };
            folders.push(folder_name("s", &label("alice")));
            if file.folders.len() <= MAX_SUBLAYOUTS {
                chain.files.push(file);
            }
        }
        // The command of a step is expected to be another one than that of the last link.
        let outcome = chain.outcome();
        assert!(outcome.starts_with(want), "{levels}: {outcome}");
    }
}
