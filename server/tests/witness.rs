//! Our register under our witness, over real connections: growth, a fork, and a register that
//! came back from yesterday.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends when something is not as it should be"
)]

use std::path::Path;

use attest::envelope::IN_TOTO;
use attest::{Cosigner, CosignerKey, Envelope, Note, NoteSigner, SigningKey, Timestamp};
use server::register::{Memory, Register};
use server::witness::{
    Cosigning, Outcome, Witness, WitnessList, settle, unsettled, witness_router,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

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
    let cosigner = Cosigner::new(&format!("w{seed}"), key(seed)).unwrap();
    let verifier = cosigner.verifier().clone();
    let witness = Witness::open(folder, cosigner, vec![log().verifier().clone()]).unwrap();
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
        let newest = register.checkpoint().await.unwrap();
        assert_eq!(cosigning.shown(newest.clone()), note.to_string());
        let size = register.signed().await.unwrap().checkpoint.size;
        assert!(cosigning.require(&register, size).await.unwrap());
        assert_ne!(cosigning.shown(newest), note.to_string());
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
