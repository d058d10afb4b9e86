//! Statements in the shapes of other people's tools, written for this test: what each is found by,
//! and beside it the smallest change by which it is not found so any more.

use std::collections::BTreeSet;
use std::path::Path;

use attest::predicate::{PROVENANCE, PROVENANCE_V0_2};
use attest::{ArtifactId, Statement};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Term, of_statement};

/// What stops a term: a text of the sample and what stands there instead.
type Stop = (&'static str, &'static str);
/// A sample with terms that find it, each with what stops that one.
type Case = (&'static str, Vec<(Term, Option<Stop>)>);

fn sample(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/others");
    std::fs::read_to_string(root.join(format!("{name}.json"))).unwrap()
}

fn terms(text: &str) -> BTreeSet<Term> {
    let mut terms = BTreeSet::new();
    of_statement(&Statement::read(text.as_bytes()).unwrap(), &mut |term| {
        terms.insert(term.into_owned());
    });
    terms
}

fn file(digit: &str) -> ArtifactId {
    format!("file:sha256:{}", digit.repeat(64)).parse().unwrap()
}

fn commit() -> ArtifactId {
    format!("git:{}", "c".repeat(40)).parse().unwrap()
}

#[test]
fn what_the_statements_of_others_are_found_by() {
    let subject = || Term::Subject(file("a"));
    let material = |artifact: ArtifactId| Term::Material(artifact);
    let of_type = |name: &str| Term::Type(name.into());
    let name = |name: &str| Term::Name(name.into());
    let word = |word: &str| Term::Word(word.into());
    let parameter =
        |name: &str, value: &str| Term::Parameter { name: name.into(), value: value.into() };
    let no_name: Stop = ("\"name\": \"", "\"title\": \"");
    let cases: [Case; 10] = [
        (
            "github-v1",
            vec![
                (subject(), Some(("\"sha256\"", "\"sha512\""))),
                (material(commit()), Some(("\"gitCommit\"", "\"sha1\""))),
                (of_type(PROVENANCE), Some(("provenance/v1", "provenance/v1.1"))),
                (name("classifier.tar.gz"), Some(no_name)),
                (word("git"), None),
            ],
        ),
        (
            "github-v0.2",
            vec![
                (subject(), Some(("\"sha256\"", "\"sha512\""))),
                (of_type(PROVENANCE_V0_2), Some(("provenance/v0.2", "provenance/v0.1"))),
                (word("refs"), Some(("\"materials\": [", "\"products\": ["))),
            ],
        ),
        (
            "gitlab-v0.2",
            vec![
                (subject(), Some(("\"aaaaaaaa", "\"0aaaaaaa"))),
                (Term::Subject(file("b")), None),
                (of_type(PROVENANCE_V0_2), Some(("provenance/v0.2", "provenance/v0.1"))),
                (parameter("EPOCHS", "3"), Some(("\"parameters\": {", "\"arguments\": {"))),
            ],
        ),
        (
            "gitlab-v1",
            vec![
                (subject(), Some(("\"sha256\"", "\"sha512\""))),
                (of_type(PROVENANCE), Some(("provenance/v1", "provenance/v1.1"))),
                (word("classifier"), Some(("\"resolvedDependencies\"", "\"dependencies\""))),
            ],
        ),
        (
            "tekton-v0.2",
            vec![
                (name("images.example/team/classifier"), Some(no_name)),
                (material(file("b")), Some(("\"materials\": [", "\"ingredients\": ["))),
                (of_type(PROVENANCE_V0_2), Some(("provenance/v0.2", "provenance/v0.1"))),
                (parameter("PUSH", "true"), Some(("\"PUSH\": true", "\"PUSH\": [true]"))),
            ],
        ),
        (
            "tekton-v1",
            vec![
                (name("images.example/team/classifier"), Some(no_name)),
                (material(file("b")), Some(("\"resolvedDependencies\"", "\"dependencies\""))),
                (of_type(PROVENANCE), Some(("provenance/v1", "provenance/v1.1"))),
            ],
        ),
        (
            "jfrog-evidence",
            vec![
                (subject(), Some(("\"sha256\"", "\"sha512\""))),
                (
                    of_type("https://files.example/evidence/approval/v1"),
                    Some(("approval/v1", "approval/v2")),
                ),
            ],
        ),
        (
            "npm-provenance",
            vec![
                (name("pkg:npm/%40team/classifier@3.0.0"), Some(no_name)),
                (material(commit()), Some(("\"gitCommit\"", "\"sha1\""))),
                (of_type(PROVENANCE), Some(("provenance/v1", "provenance/v1.1"))),
            ],
        ),
        (
            "npm-publish",
            vec![
                (name("pkg:npm/%40team/classifier@3.0.0"), Some(no_name)),
                (
                    of_type("https://github.com/npm/attestation/tree/main/specs/publish/v0.1"),
                    Some(("publish/v0.1", "publish/v0.2")),
                ),
            ],
        ),
        (
            "pypi-publish",
            vec![
                (subject(), Some(("\"sha256\"", "\"sha512\""))),
                (name("classifier-3.0.0-py3-none-any.whl"), Some(no_name)),
                (
                    of_type("https://docs.pypi.org/attestations/publish/v1"),
                    Some(("publish/v1", "publish/v2")),
                ),
            ],
        ),
    ];
    for (sample_name, wanted) in &cases {
        let text = sample(sample_name);
        let found = terms(&text);
        for (term, stop) in wanted {
            assert!(found.contains(term), "{sample_name}: {term:?}");
            let Some((from, to)) = stop else { continue };
            assert!(text.contains(from), "{sample_name}: {from}");
            let changed = terms(&text.replacen(from, to, 1));
            assert!(!changed.contains(term), "{sample_name} without {from}: {term:?}");
        }
    }
}

#[test]
fn what_identifies_nothing_is_no_artifact_and_says_no_step() {
    let cases = [
        ("github-v1", 1, 1),
        ("github-v0.2", 1, 0),
        ("gitlab-v0.2", 2, 0),
        ("gitlab-v1", 1, 0),
        ("tekton-v0.2", 1, 1),
        ("tekton-v1", 1, 1),
        ("jfrog-evidence", 1, 0),
        ("npm-provenance", 0, 1),
        ("npm-publish", 0, 0),
        ("pypi-publish", 1, 0),
    ];
    for (name, subjects, materials) in cases {
        let text = sample(name);
        let found = terms(&text);
        let count = |is: fn(&&Term) -> bool| found.iter().filter(is).count();
        assert_eq!(count(|term| matches!(term, Term::Subject(_))), subjects, "{name}");
        assert_eq!(count(|term| matches!(term, Term::Material(_))), materials, "{name}");
        let own = |term: &&Term| matches!(term, Term::Step(_) | Term::Kind(_) | Term::Stage(_));
        assert_eq!(found.iter().filter(own).count(), 0, "{name}");
        // What is about no artifact is kept and found, and is evidence of nothing.
        let believable = Statement::parse(text.as_bytes()).is_ok();
        assert_eq!(believable, subjects > 0, "{name}");
    }
}

/// Real payloads, signed by the tools themselves.
#[test]
fn the_statements_of_the_conformance_suite_are_found_by_their_subject_and_commit() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let vectors = std::env::var_os("ASSAY_VECTORS").map_or_else(beside, Into::into);
    let Ok(folders) = std::fs::read_dir(vectors.join("sigstore/bundle-verify")) else {
        eprintln!("\n!!! VECTORS NOT RUN: no folder `sigstore` in ASSAY_VECTORS !!!\n");
        return;
    };
    let (mut read, mut with_commit) = (0, 0);
    for folder in folders {
        let path = folder.unwrap().path().join("bundle.sigstore.json");
        let Ok(bytes) = std::fs::read(path) else { continue };
        let Ok(bundle) = attest::json::parse(&bytes) else { continue };
        let payload = bundle.pointer("/dsseEnvelope/payload").and_then(serde_json::Value::as_str);
        let Some(payload) = payload else { continue };
        let text = String::from_utf8(STANDARD.decode(payload).unwrap()).unwrap();
        let found = terms(&text);
        assert!(found.iter().any(|term| matches!(term, Term::Subject(_))), "{text}");
        read += 1;
        let commit = |term: &Term| matches!(term, Term::Material(ArtifactId::Git(_)));
        if !found.iter().any(commit) {
            continue;
        }
        assert!(found.contains(&Term::Type(PROVENANCE.into())), "{text}");
        assert!(!terms(&text.replace("gitCommit", "sha1")).iter().any(commit), "{text}");
        with_commit += 1;
    }
    assert_eq!((read, with_commit), (9, 6));
}
