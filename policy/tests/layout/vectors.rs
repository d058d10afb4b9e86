//! Supply chains that the Python implementation made.

use std::fs;
use std::path::{Path, PathBuf};

use attest::in_toto::{LayoutKey, Metadata};
use policy::layout::{Inspected, LayoutCode, judge};
use serde_json::Value;
use verify::layout::{LinkFolder, verify_layout};

use crate::support::now;

fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let folder =
        std::env::var("ASSAY_VECTORS").map_or_else(|_| beside(), PathBuf::from).join("in-toto");
    if !folder.is_dir() {
        eprintln!(
            "\n!!! VECTORS NOT RUN: no folder `in-toto` in ASSAY_VECTORS or ../shared/vectors !!!\n"
        );
        return None;
    }
    Some(folder)
}

fn links(path: &Path) -> LinkFolder {
    let mut links = LinkFolder::default();
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".link") {
            links.insert(&[], &name, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
    links
}

#[test]
fn what_python_signed_is_believed_and_its_attacks_are_not() {
    let Some(folder) = folder() else { return };
    let mut run = 0;
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let case = entry.path();
        let name = case.display();
        let metadata = Metadata::parse(&fs::read(case.join("root.layout")).unwrap()).unwrap();
        let pem = |who: &str| fs::read_to_string(case.join(format!("{who}.pub"))).unwrap();
        let owner = LayoutKey::from_pem(&pem("owner")).unwrap();
        // Our key ids are securesystemslib's.
        for who in ["owner", "alice", "bob"] {
            let json: Value =
                serde_json::from_slice(&fs::read(case.join(format!("{who}.key.json"))).unwrap())
                    .unwrap();
            let read = LayoutKey::from_json(&json).unwrap();
            assert_eq!(read, LayoutKey::from_pem(&pem(who)).unwrap(), "{name}: {who}");
            assert_eq!(read.to_json().unwrap(), json);
        }
        for (links, passes) in [(links(&case), true), (links(&case.join("attack")), false)] {
            assert_eq!(links.count(), 2, "{name}");
            let signed = verify_layout(&metadata, std::slice::from_ref(&owner), &links).unwrap();
            let decision = judge(&signed, None, &Inspected::new(), now()).unwrap();
            assert_eq!(decision.passed(), passes, "{name}: {:#?}", decision.findings());
            let codes: Vec<_> = decision.findings().iter().map(|finding| finding.code).collect();
            if !passes {
                assert_eq!(codes, [LayoutCode::Unauthorised, LayoutCode::Threshold], "{name}");
            }
            let after = signed.layout().expires;
            assert!(!judge(&signed, None, &Inspected::new(), after).unwrap().passed(), "{name}");
            run += 1;
        }
        let bob = LayoutKey::from_pem(&pem("bob")).unwrap();
        assert!(verify_layout(&metadata, &[bob], &links(&case)).is_err(), "{name}: other owner");
    }
    assert_eq!(run, 4);
}
