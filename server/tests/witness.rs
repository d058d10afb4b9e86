//! Our register under our witness, over real connections: growth, a fork, and a register that
//! came back from yesterday.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends when something is not as it should be"
)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use attest::envelope::IN_TOTO;
use attest::{
    Checkpoint, Cosigner, CosignerKey, Envelope, Note, NoteSigner, SigningKey, Timestamp,
};
use axum::http::StatusCode;
use server::register::{Memory, Register};
use server::witness::{
    Cosigning, CosigningError, Outcome, Witness, WitnessList, restore, settle, unsettled,
    witness_router,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use common::{Service, Setup};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()
}

fn log() -> NoteSigner {
    NoteSigner::new("assay.local/0", key(9)).unwrap()
}

/// A register with one entry for each word.
async fn register(words: &[&str]) -> Register<Memory> {
    let register = Register::open(Memory::new(), log()).await.unwrap();
    for word in words {
        add(&register, word).await;
    }
    register
}

async fn add(register: &Register<Memory>, word: &str) {
    let statement = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"{word}","digest":{{"sha256":"{}"}}}}],"predicateType":"https://example.com/word/v1","predicate":{{}}}}"#,
        attest::Sha256::of(word.as_bytes()).hex()
    );
    let envelope = Envelope::sign(IN_TOTO, statement.into_bytes(), &[&key(1)]).unwrap();
    let keys = [key(1).public().clone()];
    register.submit(&envelope, &keys, Timestamp::UNIX_EPOCH).await.unwrap();
}

/// A witness of that log that answers over HTTP: its URL and key.
async fn witness(folder: &Path, seed: u8) -> (String, CosignerKey) {
    witness_of(&log(), folder, seed).await
}

/// The same, of another log.
async fn witness_of(log: &NoteSigner, folder: &Path, seed: u8) -> (String, CosignerKey) {
    let cosigner = Cosigner::new(&format!("w{seed}"), key(seed)).unwrap();
    let verifier = cosigner.verifier().clone();
    let witness = Witness::open(folder, cosigner, vec![log.verifier().clone()]).unwrap();
    let router = witness_router(witness, || Timestamp::from_second(100).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, verifier)
}

/// The folder of a register that asks those witnesses.
fn asking(witnesses: &[(String, CosignerKey)], quorum: usize) -> (TempDir, Cosigning) {
    let folder = tempfile::tempdir().unwrap();
    let mut list = WitnessList::default();
    for (url, key) in witnesses {
        list.add(url, key.clone()).unwrap();
    }
    list.set_quorum(quorum).unwrap();
    list.save(folder.path()).unwrap();
    let cosigning = Cosigning::new(folder.path().into(), ureq::Agent::new_with_defaults());
    (folder, cosigning)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grows_is_cosigned_and_shown_so() {
    let state = tempfile::tempdir().unwrap();
    let one = witness(state.path(), 2).await;
    let register = register(&["one"]).await;
    let (folder, cosigning) = asking(std::slice::from_ref(&one), 1);
    for word in ["two", "three"] {
        let round = cosigning.round(&register).await.unwrap();
        assert!(round.is_met());
        let note: Note = register.checkpoint().await.unwrap().parse().unwrap();
        assert_eq!(one.1.cosigned(&note), Ok(Some(100)));
        let bundle = register.bundle(0).await.unwrap();
        let proof = bundle.entries[0].proof.as_ref().unwrap();
        assert_eq!(proof.checkpoint, note.to_string(), "bundles carry the cosignatures");
        add(&register, word).await;
        // What is new is not shown before it is cosigned.
        let newest = register.signed().await.unwrap();
        assert_eq!(cosigning.shown(Arc::clone(&newest)).unwrap().note, note.to_string());
        let size = newest.checkpoint.size;
        assert!(cosigning.require(&register, size).await.unwrap());
        assert_eq!(cosigning.shown(newest).unwrap().checkpoint.size, size);
    }
    assert_eq!(unsettled(folder.path()), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_witness_too_few_makes_no_quorum() {
    let state = tempfile::tempdir().unwrap();
    let one = witness(state.path(), 2).await;
    let gone = ("http://127.0.0.1:1".to_owned(), Cosigner::new("w3", key(3)).unwrap());
    let both = [one, (gone.0, gone.1.verifier().clone())];
    let register = register(&["one"]).await;
    for (quorum, met) in [(2, false), (1, true), (0, true)] {
        let (_folder, cosigning) = asking(&both, quorum);
        let round = cosigning.round(&register).await.unwrap();
        assert_eq!(round.is_met(), met, "{quorum}");
        assert_eq!(cosigning.require(&register, 1).await.unwrap(), met, "{quorum}");
        let note: Note = register.checkpoint().await.unwrap().parse().unwrap();
        assert_eq!(note.signatures.len(), if met { 2 } else { 1 }, "{quorum}");
        let newest = register.signed().await.unwrap();
        assert_eq!(cosigning.shown(newest).is_some(), met, "{quorum}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_met_a_smaller_quorum_is_not_shown_under_a_larger_one() {
    let states = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let both = [witness(states[0].path(), 2).await, witness(states[1].path(), 3).await];
    let register = register(&["one"]).await;
    let (folder, cosigning) = asking(&both[..1], 1);
    assert!(cosigning.require(&register, 1).await.unwrap());
    let newest = || async { register.signed().await.unwrap() };
    assert!(cosigning.shown(newest().await).is_some());
    let mut list = WitnessList::load(folder.path()).unwrap();
    list.add(&both[1].0, both[1].1.clone()).unwrap();
    list.set_quorum(2).unwrap();
    list.save(folder.path()).unwrap();
    assert_eq!(cosigning.shown(newest().await), None);
    assert!(cosigning.require(&register, 1).await.unwrap());
    assert!(cosigning.shown(newest().await).is_some());
    // A register without entries has nothing that they could have cosigned.
    let empty = self::register(&[]).await;
    let (_folder, cosigning) = asking(&both, 2);
    assert!(cosigning.shown(empty.signed().await.unwrap()).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cosigned_is_put_back_for_its_own_tree_alone() {
    let state = tempfile::tempdir().unwrap();
    let one = witness(state.path(), 2).await;
    let cosigned = register(&["one"]).await;
    let (folder, cosigning) = asking(std::slice::from_ref(&one), 1);
    assert!(cosigning.require(&cosigned, 1).await.unwrap());
    let cases: [(&[&str], bool); 5] = [
        (&["one"], true),
        (&["one", "two"], true),
        (&["other"], false),
        (&["other", "two"], false),
        (&[], false),
    ];
    for (words, is_back) in cases {
        let again = register(words).await;
        assert_eq!(restore(folder.path(), &again).await.is_some(), is_back, "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_register_that_its_witness_does_not_know_is_held_up() {
    let cases: [(&str, &[&str]); 3] = [
        ("but there are 1", &["one"]),
        ("is another", &["one", "other"]),
        ("does not extend", &["one", "other", "more"]),
    ];
    for (says, words) in cases {
        let state = tempfile::tempdir().unwrap();
        let one = witness(state.path(), 2).await;
        let (_known, cosigning) = asking(std::slice::from_ref(&one), 0);
        assert!(cosigning.round(&register(&["one", "two"]).await).await.unwrap().is_met());
        let (folder, cosigning) = asking(std::slice::from_ref(&one), 0);
        let round = cosigning.round(&register(words).await).await.unwrap();
        let Outcome::Fork(fork) = &round.outcomes[0].1 else { panic!("{round:?}") };
        assert!(fork.says.contains(says) && fork.proven, "{}", fork.says);
        assert_eq!(cosigning.fork(), unsettled(folder.path()));
        assert!(settle(folder.path()).unwrap().is_some());
        assert_eq!(cosigning.fork(), None);
    }
}

/// Something that takes every request and answers none, for so long: where it is, and how many
/// have come.
async fn silent(patience: Duration) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                tokio::time::sleep(patience).await;
                drop(stream);
            });
        }
    });
    (url, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_wait_for_a_witness_that_says_nothing_wait_together() {
    let patience = Duration::from_millis(500);
    let (url, rounds) = silent(patience).await;
    let key = Cosigner::new("w2", key(2)).unwrap().verifier().clone();
    let (_folder, cosigning) = asking(&[(url, key)], 1);
    let (register, cosigning) = (Arc::new(register(&["one", "two"]).await), Arc::new(cosigning));
    let wait = |size: u64| {
        let (register, cosigning) = (Arc::clone(&register), Arc::clone(&cosigning));
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            runtime.block_on(async move { cosigning.require(&register, size).await })
        })
    };
    let waiting: Vec<_> = (0..40).map(|one| wait(1 + one % 2)).collect();
    for one in waiting {
        assert!(!one.await.unwrap().unwrap());
    }
    // Some may have come when the first round had ended already.
    let shared = rounds.load(Ordering::SeqCst);
    assert!((1..=3).contains(&shared), "{shared} rounds for 40 who waited");

    // Whoever comes later has a round of its own, and so has whoever has more than it was about.
    assert!(!wait(2).await.unwrap().unwrap());
    assert_eq!(rounds.load(Ordering::SeqCst), shared + 1);
    let early = wait(2);
    while rounds.load(Ordering::SeqCst) == shared + 1 {
        tokio::time::sleep(patience / 50).await;
    }
    add(&register, "three").await;
    let late = wait(3);
    assert!(!early.await.unwrap().unwrap() && !late.await.unwrap().unwrap());
    assert_eq!(rounds.load(Ordering::SeqCst), shared + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_round_when_the_service_stops_is_answered() {
    let state = tempfile::tempdir().unwrap();
    let (url, rounds) = silent(Duration::from_secs(2)).await;
    let key = Cosigner::new("w3", key(3)).unwrap().verifier().clone();
    let register = register(&["one"]).await;
    let (_folder, cosigning) = asking(&[(url, key)], 1);
    let (register, cosigning) = (Arc::new(register), Arc::new(cosigning));
    let wait = || {
        let (register, cosigning) = (Arc::clone(&register), Arc::clone(&cosigning));
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            runtime.block_on(async move { cosigning.require(&register, 1).await })
        })
    };
    let first = wait();
    while rounds.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = wait();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!second.is_finished());
    cosigning.stop();
    assert!(matches!(second.await.unwrap(), Err(CosigningError::Stopping)));
    assert!(!first.is_finished(), "a round that is under way comes to its end");
    assert!(matches!(wait().await.unwrap(), Err(CosigningError::Stopping)));
    assert!(!first.await.unwrap().unwrap());

    // The same with a witness that answers: it is asked before that, and not after it.
    let one = witness(state.path(), 2).await;
    let (_folder, cosigning) = asking(std::slice::from_ref(&one), 1);
    assert!(cosigning.require(&register, 1).await.unwrap());
    cosigning.stop();
    let refused = cosigning.round(&register).await;
    assert!(matches!(refused, Err(CosigningError::Stopping)), "{refused:?}");
}

/// The checkpoint that a note is about.
fn checkpoint(note: &[u8]) -> Checkpoint {
    let note = std::str::from_utf8(note).unwrap();
    Checkpoint::open(note, fixtures::log_signer().unwrap().verifier()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_shows_nothing_above_what_met_its_quorum() {
    let state = tempfile::tempdir().unwrap();
    let alive = witness_of(&fixtures::log_signer().unwrap(), state.path(), 2).await;
    let dead = ("http://127.0.0.1:1".to_owned(), alive.1.clone());
    let (folder, cosigning) = asking(std::slice::from_ref(&dead), 1);
    let ask = |witness: &(String, CosignerKey)| {
        let mut list = WitnessList::default();
        list.add(&witness.0, witness.1.clone()).unwrap();
        list.set_quorum(1).unwrap();
        list.save(folder.path()).unwrap();
    };
    let scene = common::revoked();
    let setup = Setup { witnesses: Some(cosigning), ..Setup::default() };
    let service = Service::new(&scene, setup).await;
    let submit = async |at: usize| {
        let sent = &scene.submissions[at];
        service.submit(&sent.envelope, &sent.keys).await
    };
    service.app.catch_up(scene.now).await.unwrap();
    assert_eq!(checkpoint(&service.get("/checkpoint").await.body).size, 0);
    assert_eq!(service.get("/readyz").await.status, StatusCode::OK);

    // None was ever met.
    assert_eq!(submit(0).await.problem(), "not-witnessed");
    for path in [
        "/checkpoint",
        "/readyz",
        "/tile/0/000.p/1",
        "/tile/entries/000.p/1",
        "/v1/entries/0",
        "/v1/find",
        "/v1/proofs/inclusion?index=0&size=1",
        "/v1/proofs/consistency?from=1&to=1",
    ] {
        assert_eq!(service.get(path).await.problem(), "nothing-witnessed", "{path}");
    }

    ask(&alive);
    let receipt = submit(1).await.good();
    let proof = &receipt["entries"][0]["bundle"]["verificationMaterial"]["tlogEntries"][0];
    let note = proof["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap();
    assert_eq!(alive.1.cosigned(&note.parse().unwrap()), Ok(Some(100)), "{receipt}");
    assert_eq!(service.get("/readyz").await.status, StatusCode::OK);

    // What came since is not shown, and what is shown is under what met it.
    ask(&dead);
    assert_eq!(submit(2).await.problem(), "not-witnessed");
    assert_eq!(service.size().await, 3);
    let shown = service.get("/checkpoint").await.body;
    assert_eq!(checkpoint(&shown).size, 2);
    let cases = [
        ("/tile/0/000.p/2", "/tile/0/000.p/3", "no-tile"),
        ("/tile/entries/000.p/2", "/tile/entries/000.p/3", "no-tile"),
        ("/v1/entries/1", "/v1/entries/2", "no-entry"),
        ("/v1/proofs/inclusion?index=0&size=2", "/v1/proofs/inclusion?index=0&size=3", "no-tree"),
        ("/v1/proofs/consistency?from=1&to=2", "/v1/proofs/consistency?from=1&to=3", "no-tree"),
    ];
    for (within, above, code) in cases {
        let good = service.get(within).await;
        assert_eq!(good.status, StatusCode::OK, "{within}");
        if let Ok(answer) = serde_json::from_slice::<serde_json::Value>(&good.body)
            && let Some(note) = answer["checkpoint"].as_str()
        {
            assert_eq!(note.as_bytes(), shown, "{within}");
        }
        assert_eq!(service.get(above).await.problem(), code, "{above}");
    }
    for query in ["", "?proofs=true", "?reverse=true", "?reverse=true&proofs=true"] {
        let found = service.get(&format!("/v1/find{query}")).await.good();
        assert_eq!(found["entries"].as_array().unwrap().len(), 2, "{query}");
        assert_eq!(found["completeTo"]["size"], 2, "{query}: {found}");
    }
    assert_eq!(service.get("/readyz").await.status, StatusCode::OK);
    ask(&alive);
    submit(2).await.good();
    assert_eq!(checkpoint(&service.get("/checkpoint").await.body).size, 3);
}
