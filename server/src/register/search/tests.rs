//! Searches over both kinds of storage, held against a scan of everything.

use attest::envelope::{IN_TOTO, pae};
use attest::predicate::{BuildKind, DEPLOYMENT, EVALUATION, PROVENANCE};
use attest::{Algorithm, NoteSigner, Sha256, SigningKey, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use verify::merkle::{leaf_hash, verify_inclusion};

use super::super::contract::wait;
use super::super::fuzzing::certificate;
use super::super::{
    Body, Covered, Embedded, Holder, MAX_QUERY_TERMS, Memory, NewEntry, Order, StorageError, Term,
    open_or_create, words,
};
use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()
}

fn in_memory() -> Register<Memory> {
    let signer = NoteSigner::new("assay.local/0", key(7)).unwrap();
    wait(Register::open(Memory::new(), signer)).unwrap()
}

fn in_folder(folder: &std::path::Path) -> Register<Embedded> {
    let patience = std::time::Duration::from_secs(20);
    wait(open_or_create(folder, &Holder::command(), patience)).unwrap()
}

/// The leaf of a keyless signature: its certificate, which nobody signed, names `name` and
/// `issuer`.
pub(in super::super) fn certified(name: &str, issuer: &str) -> Vec<u8> {
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let certificate = certificate(name, issuer, key.public());
    let digest = STANDARD.encode(Sha256::of(name.as_bytes()).as_bytes());
    let certificate = STANDARD.encode(certificate);
    let leaf = format!(
        r#"{{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{{"hashedRekordV002":{{"data":{{"algorithm":"SHA2_256","digest":"{digest}"}},"signature":{{"content":"c2ln","verifier":{{"keyDetails":"PKIX_ECDSA_P256_SHA_256","x509Certificate":{{"rawBytes":"{certificate}"}}}}}}}}}}}}"#
    );
    Leaf::parse(leaf.as_bytes()).unwrap();
    leaf.into_bytes()
}

const NAMES: [&str; 4] = ["Model One.bin", "model-two.bin", "data/one", "Überblick"];
const ENVIRONMENTS: [&str; 2] = ["staging", "production"];
const IDENTITIES: [&str; 2] = ["dev@example.com", "ops@example.com"];

/// What a statement is made of; every choice is a number.
#[derive(Clone, Copy, Debug)]
struct Made {
    form: u8,
    name: u8,
    other: u8,
    value: u8,
    sliced: bool,
    signer: u8,
}

fn made() -> impl Strategy<Value = Made> {
    (0..4_u8, 0..4_u8, 0..2_u8, 0..4_u8, any::<bool>(), 0..2_u8).prop_map(
        |(form, name, other, value, sliced, signer)| Made {
            form,
            name,
            other,
            value,
            sliced,
            signer,
        },
    )
}

impl Made {
    fn metric(self) -> &'static str {
        ["accuracy", "recall"][usize::from(self.other)]
    }

    fn payload(self, number: usize) -> String {
        let Self { form, name, other, value, .. } = self;
        let name = NAMES[usize::from(name)];
        let described = |name: &str| {
            format!(
                r#"{{"name":"{name}","digest":{{"sha256":"{}"}}}}"#,
                Sha256::of(name.as_bytes()).hex()
            )
        };
        let data = described("train.csv");
        let slice = if self.sliced { r#","slice":{"feature":"age","value":"old"}"# } else { "" };
        let metric = self.metric();
        let (predicate_type, predicate) = match form {
            0 => (
                PROVENANCE,
                format!(
                    r#"{{"number":{number},"buildDefinition":{{"buildType":"https://assay.example/build-type/training/v1","externalParameters":{{"step":"train","parameters":{{"lr":"0.{value}"}}}},"resolvedDependencies":[{data}]}},"runDetails":{{"builder":{{"id":"x"}}}}}}"#
                ),
            ),
            1 => (
                EVALUATION,
                format!(
                    r#"{{"number":{number},"evaluator":{{"id":"x"}},"dataset":{data},"measurements":[{{"metric":"{metric}","value":"0.{value}"{slice}}}]}}"#
                ),
            ),
            _ => (
                DEPLOYMENT,
                format!(
                    r#"{{"number":{number},"event":"rollout","environment":"{}"}}"#,
                    ENVIRONMENTS[usize::from(other)]
                ),
            ),
        };
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{}],"predicateType":"{predicate_type}","predicate":{predicate}}}"#,
            described(name)
        )
    }

    fn entry(self, number: usize) -> NewEntry {
        if self.form == 3 {
            let name = IDENTITIES[usize::from(self.other)];
            return NewEntry::new(certified(name, "https://login.example"), Covered::Unknown);
        }
        entry(&key(self.signer), IN_TOTO, self.payload(number).as_bytes())
    }
}

fn entry(key: &SigningKey, payload_type: &str, payload: &[u8]) -> NewEntry {
    let pae = pae(payload_type, payload);
    let leaf = Leaf::of(&pae, &key.sign(&pae).unwrap(), key.public());
    NewEntry::new(leaf.bytes().to_vec(), Covered::Body(Arc::new(Body::new(pae))))
}

enum Part {
    Terms(Vec<Term>),
    Metric(&'static str),
}

type Holds = fn(&Made) -> bool;

/// Parts of searches, each with what it means without an index.
fn parts() -> Vec<(Part, Holds)> {
    let term = |term| Part::Terms(vec![term]);
    let spoken = |text: &str| Part::Terms(words(text).into_iter().map(Term::Word).collect());
    let text = |text: &str| text.to_owned();
    let slice =
        |value: &str| attest::predicate::Slice { feature: "age".into(), value: value.into() };
    let measured = |slice| Term::Metric { name: "accuracy".into(), slice };
    vec![
        (term(Term::Name(text("model-two.bin"))), |it| it.form < 3 && it.name == 1),
        (term(Term::Name(text("model-two.bi"))), |_| false),
        (spoken("BIN"), |it| it.form < 3 && it.name < 2),
        (spoken("one model"), |it| it.form < 3 && it.name == 0),
        (spoken("u\u{308}berblick"), |it| it.form < 3 && it.name == 3),
        (spoken("csv train"), |it| it.form < 2),
        (spoken("mode"), |_| false),
        (term(Term::Kind(BuildKind::Training)), |it| it.form == 0),
        (term(Term::Kind(BuildKind::Evaluation)), |it| it.form == 1),
        (term(Term::Kind(BuildKind::FineTuning)), |_| false),
        (term(Term::Stage(text("production"))), |it| it.form == 2 && it.other == 1),
        (term(Term::Signer(key(1).public().id())), |it| it.form < 3 && it.signer == 1),
        (term(Term::Identity(text("dev@example.com"))), |it| it.form == 3 && it.other == 0),
        (term(Term::Identity(text("dev@example.co"))), |_| false),
        (term(Term::Issuer(text("https://login.example"))), |it| it.form == 3),
        (term(measured(None)), |it| it.form == 1 && it.other == 0),
        (term(measured(Some(slice("old")))), |it| it.form == 1 && it.other == 0 && it.sliced),
        (term(measured(Some(slice("young")))), |_| false),
        (Part::Metric("accuracy"), |it| it.form == 1 && it.other == 0),
        (Part::Metric("recall>=0.2"), |it| {
            it.form == 1 && it.other == 1 && !it.sliced && it.value >= 2
        }),
        (Part::Metric("recall>0.2"), |it| {
            it.form == 1 && it.other == 1 && !it.sliced && it.value > 2
        }),
        (Part::Metric("recall[age=old]<=0.20"), |it| {
            it.form == 1 && it.other == 1 && it.sliced && it.value <= 2
        }),
    ]
}

/// Checks that a page proves what it shows.
fn holds<S: Storage>(register: &Register<S>, page: &Searched) {
    let Some(Proven { signed, evidence }) = &page.proven else { panic!("no proofs") };
    let opened = Checkpoint::open(&signed.note, register.verifier()).unwrap();
    assert_eq!(opened, page.found.complete_to);
    assert_eq!(evidence.len(), page.found.entries.len());
    for (entry, evidence) in page.found.entries.iter().zip(evidence) {
        let (leaf, index, hashes, note) = match evidence {
            Evidence::Bundle(bundle) => {
                let [logged] = bundle.entries.as_slice() else { panic!("one entry") };
                let proof = logged.proof.clone().unwrap();
                assert!(entry.leaf.covers(&bundle.envelope.pae()));
                (logged.leaf.clone(), proof.index, proof.hashes, proof.checkpoint)
            }
            Evidence::Leaf { leaf, proof } => {
                let proof: LogProof = proof.to_string().parse().unwrap();
                assert_eq!(entry.pae(), None);
                (leaf.bytes().to_vec(), proof.index, proof.hashes, proof.checkpoint)
            }
        };
        assert_eq!((note, index), (signed.note.clone(), entry.index));
        assert_eq!(leaf, entry.leaf.bytes());
        let (size, root) = (opened.size, opened.root);
        verify_inclusion(index, size, &leaf_hash(&leaf), &hashes, &root).unwrap();
        let other = leaf_hash(b"another leaf");
        assert!(verify_inclusion(index, size, &other, &hashes, &root).is_err());
    }
}

/// Every page of a search, joined, and how many numbers were compared.
fn all<S: Storage>(register: &Register<S>, mut search: Search) -> (Vec<u64>, u64) {
    let (mut found, mut compared) = (Vec::new(), 0);
    for _ in 0..1000 {
        let page = wait(register.search(&search)).unwrap();
        assert!(page.found.entries.len() <= search.query.limit.max(1));
        assert_eq!(page.found.complete_to, wait(register.signed()).unwrap().checkpoint);
        match search.proofs {
            Proofs::With => holds(register, &page),
            Proofs::Without => assert!(page.proven.is_none()),
        }
        found.extend(page.found.entries.iter().map(|entry| entry.index));
        compared += page.compared.map_or(0, |compared| compared.entries);
        match page.found.next {
            Some(next) => search.query.start = Some(next),
            None => return (found, compared),
        }
    }
    panic!("pages without end");
}

fn agrees<S: Storage>(register: &Register<S>, made: &[Made], chosen: &[Vec<usize>]) {
    let parts = parts();
    let every: Vec<Vec<usize>> = (0..parts.len()).map(|one| vec![one]).collect();
    for (number, chosen) in every.iter().chain(chosen).enumerate() {
        let proofs = if number % 3 == 0 { Proofs::With } else { Proofs::Without };
        let mut search = Search { proofs, ..Search::default() };
        search.query.limit = number % 4;
        for (part, _) in chosen.iter().map(|one| &parts[*one]) {
            match part {
                Part::Terms(terms) => search.query.terms.extend(terms.iter().cloned()),
                Part::Metric(text) => search.measured.push(text.parse().unwrap()),
            }
        }
        let matches = |it: &Made| chosen.iter().all(|one| parts[*one].1(it));
        let want: Vec<u64> =
            (0_u64..).zip(made).filter(|(_, it)| matches(it)).map(|(index, _)| index).collect();
        let upward = |index: &u64| *index >= 5;
        let downward = |index: &u64| *index <= 5;
        let back: Vec<u64> = want.iter().rev().copied().collect();
        for (order, want, rest) in [
            (Order::OldestFirst, &want, upward as fn(&u64) -> bool),
            (Order::NewestFirst, &back, downward),
        ] {
            (search.query.order, search.query.start) = (order, None);
            assert_eq!(all(register, search.clone()).0, *want, "{search:?}");
            search.query.start = Some(5);
            let rest: Vec<u64> = want.iter().copied().filter(rest).collect();
            assert_eq!(all(register, search.clone()).0, rest, "{search:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn searches_find_what_a_scan_finds(
        made in prop::collection::vec(made(), 1..24),
        chosen in prop::collection::vec(prop::collection::vec(0..22_usize, 2..4), 0..40),
        commit in 1..7_usize,
    ) {
        prop_assert_eq!(parts().len(), 22);
        let entries: Vec<NewEntry> =
            made.iter().enumerate().map(|(number, it)| it.entry(number)).collect();
        let folder = tempfile::tempdir().unwrap();
        let (memory, embedded) = (in_memory(), in_folder(&folder.path().join("register")));
        for (second, entries) in (0..).zip(entries.chunks(commit)) {
            wait(memory.append(entries.to_vec(), at(second))).unwrap();
            wait(embedded.append(entries.to_vec(), at(second))).unwrap();
        }
        agrees(&memory, &made, &chosen);
        agrees(&embedded, &made, &chosen);
        drop(embedded);
        agrees(&in_folder(&folder.path().join("register")), &made, &chosen);
    }
}

#[test]
fn bodies_that_are_gone_are_proven_by_their_leaves() {
    let register = in_memory();
    let evaluation =
        Made { form: 1, name: 0, other: 0, value: 3, sliced: false, signer: 1 }.entry(0);
    let leaf = |text: &str| entry(&key(1), "text/plain", text.as_bytes()).leaf().to_vec();
    let entries = vec![
        evaluation,
        NewEntry::new(leaf("a"), Covered::Unknown),
        entry(&key(1), "text/plain", b"c"),
    ];
    wait(register.append(entries, at(1))).unwrap();
    let terms = vec![Term::Signer(key(1).public().id())];
    let query = Query { terms, limit: 10, ..Query::default() };
    let search = Search { query, proofs: Proofs::With, ..Search::default() };
    let page = wait(register.search(&search)).unwrap();
    holds(&register, &page);
    let shapes: Vec<bool> = page
        .proven
        .unwrap()
        .evidence
        .iter()
        .map(|evidence| matches!(evidence, Evidence::Bundle(_)))
        .collect();
    assert_eq!(shapes, [true, false, true]);
}

#[test]
fn a_page_with_proofs_ends_before_it_is_too_large() {
    let register = in_memory();
    let third = vec![b'x'; MAX_EVIDENCE_BYTES / 3];
    let entries: Vec<NewEntry> = (0..5)
        .map(|number| entry(&key(1), "text/plain", &[&third[..], &[number]].concat()))
        .collect();
    for (second, entry) in (0..).zip(entries) {
        wait(register.append(vec![entry], at(second))).unwrap();
    }
    let query = Query { limit: 10, ..Query::default() };
    let without = wait(register.search(&query.clone().into())).unwrap();
    assert_eq!((without.found.entries.len(), without.found.next), (5, None));
    let search = Search { query, proofs: Proofs::With, ..Search::default() };
    let page = wait(register.search(&search)).unwrap();
    assert_eq!((page.found.entries.len(), page.found.next), (2, Some(2)));
    assert_eq!(all(&register, search.clone()).0, [0, 1, 2, 3, 4]);
    let query = Query { order: Order::NewestFirst, ..search.query };
    let search = Search { query, ..search };
    let page = wait(register.search(&search)).unwrap();
    assert_eq!((page.found.entries.len(), page.found.next), (2, Some(2)));
    assert_eq!(all(&register, search).0, [4, 3, 2, 1, 0]);
}

#[test]
fn numbers_that_were_compared_are_counted_and_metrics_are_terms() {
    let register = in_memory();
    let made = |value| Made { form: 1, name: 0, other: 0, value, sliced: false, signer: 1 };
    let entries = (0..4).map(|value| made(value).entry(usize::from(value))).collect();
    wait(register.append(entries, at(1))).unwrap();
    let search = |text: &str| Search {
        query: Query { limit: 2, ..Query::default() },
        measured: vec![text.parse().unwrap()],
        ..Search::default()
    };
    let cases: [(&str, &[u64], u64); 4] = [
        ("accuracy", &[0, 1, 2, 3], 0),
        ("accuracy>=0.2", &[2, 3], 4),
        ("accuracy>=0.5", &[], 4),
        ("recall>=0", &[], 0),
    ];
    for (text, want, compared) in cases {
        assert_eq!(all(&register, search(text)), (want.to_vec(), compared), "{text}");
    }
    let one: Measured = "accuracy".parse().unwrap();
    for (count, fits) in [(MAX_QUERY_TERMS, true), (MAX_QUERY_TERMS + 1, false)] {
        let many = Search { measured: vec![one.clone(); count], ..Search::default() };
        let answer = wait(register.search(&many));
        let refused = matches!(answer, Err(ReadError::Storage(StorageError::TooManyTerms(_))));
        assert_eq!(refused, !fits, "{count}");
    }
}

/// What is committed between two pages belongs to neither, unless it is proven: then the page is
/// complete to the checkpoint that it shows, and the entry comes with the next question.
#[test]
fn pages_of_the_newest_are_complete_to_the_tree_of_the_first() {
    for proofs in [Proofs::Without, Proofs::With] {
        let register = in_memory();
        let one = |number: u8| entry(&key(1), "text/plain", &[number]);
        wait(register.append((0..5).map(one).collect(), at(1))).unwrap();
        let query = Query { limit: 2, order: Order::NewestFirst, ..Query::default() };
        let mut search = Search { query, proofs, ..Search::default() };
        let (mut found, mut first) = (Vec::new(), None);
        for number in 5..10 {
            let page = wait(register.search(&search)).unwrap().found;
            let complete_to = first.get_or_insert(page.complete_to.size);
            assert!(page.complete_to.size >= *complete_to);
            found.extend(page.entries.iter().map(|entry| entry.index));
            search.query.start = page.next;
            if page.next.is_none() {
                break;
            }
            wait(register.append(vec![one(number)], at(2))).unwrap();
        }
        assert_eq!((found, first), (vec![4, 3, 2, 1, 0], Some(5)));
    }
}
