//! Reading over HTTP: entries, checkpoint, proofs, attestations, searches, lineages.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends when something is not as it should be"
)]

mod common;

use attest::{Bundle, Checkpoint, Sha256};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fixtures::log_signer;
use serde_json::{Value, json};
use server::wire::{Consistency, Evidence, Found, Inclusion};
use verify::merkle::{leaf_hash, verify_consistency, verify_inclusion};

use common::{Service, revoked};

async fn checkpoint(service: &Service) -> Checkpoint {
    let note = service.get("/checkpoint").await;
    assert_eq!(
        (note.status, note.media_type.as_str()),
        (StatusCode::OK, "text/plain; charset=utf-8")
    );
    let note = String::from_utf8(note.body).unwrap();
    Checkpoint::open(&note, log_signer().unwrap().verifier()).unwrap()
}

#[tokio::test]
async fn every_entry_is_proven_under_the_checkpoint() {
    let scene = revoked();
    let service = Service::of(&scene).await;
    let head = checkpoint(&service).await;
    assert_eq!(head.size, scene.submissions.len() as u64);
    assert_eq!(
        Checkpoint::open(&scene.checkpoint, log_signer().unwrap().verifier()).unwrap(),
        head
    );

    for index in 0..head.size {
        let entry = service.get(&format!("/v1/entries/{index}")).await.good();
        let leaf = STANDARD.decode(entry["leaf"].as_str().unwrap()).unwrap();
        let path = format!("/v1/proofs/inclusion?index={index}&size={}", head.size);
        let proof: Inclusion = serde_json::from_value(service.get(&path).await.good()).unwrap();
        assert_eq!(proof.leaf_hash, leaf_hash(&leaf));
        verify_inclusion(index, head.size, &proof.leaf_hash, &proof.hashes, &head.root).unwrap();
        let other = Sha256::of(b"another leaf");
        assert!(verify_inclusion(index, head.size, &other, &proof.hashes, &head.root).is_err());

        let bundle = entry["bundle"].to_string();
        let trust = verify::Trust::parse(&scene.trust).unwrap();
        let believed =
            verify::verify(&Bundle::parse(bundle.as_bytes()).unwrap(), &trust, scene.now);
        assert_eq!(believed.unwrap().logged()[0].index, index);
    }
}

#[tokio::test]
async fn every_tree_is_proven_to_have_only_grown() {
    let service = Service::of(&revoked()).await;
    let head = checkpoint(&service).await;
    for from in 1..=head.size {
        let path = format!("/v1/proofs/consistency?from={from}&to={}", head.size);
        let proof: Consistency = serde_json::from_value(service.get(&path).await.good()).unwrap();
        assert_eq!(proof.to_root, head.root);
        let Consistency { from_root, to_root, hashes, .. } = proof;
        verify_consistency(from, head.size, &hashes, &from_root, &to_root).unwrap();
        let other = Sha256::of(b"another root");
        assert!(verify_consistency(from, head.size, &hashes, &other, &to_root).is_err());
    }
}

#[tokio::test]
async fn pages_together_are_everything() {
    let scene = revoked();
    let service = Service::of(&scene).await;
    let size = scene.submissions.len() as u64;
    let upward: Vec<u64> = (0..size).collect();
    let downward: Vec<u64> = (0..size).rev().collect();
    let from_the_middle: Vec<u64> = (0..=size / 2).rev().collect();
    let cases = [
        ("", &upward),
        ("&reverse=false", &upward),
        ("&reverse=true", &downward),
        ("&reverse=true&proofs=true", &downward),
        (&format!("&reverse=true&start={}", size / 2), &from_the_middle),
        ("&reverse=true&start=18446744073709551615", &downward),
    ];
    for (asked, want) in cases {
        let mut found = Vec::new();
        let first = format!("/v1/find?limit=2{asked}");
        let mut path = first.clone();
        for _ in 0..20 {
            let page = service.get(&path).await.good();
            let entries = page["entries"].as_array().unwrap();
            assert!(entries.len() <= 2);
            assert_eq!(page["completeTo"]["size"], size);
            let proven = if asked.contains("proofs") { entries.len() } else { 0 };
            assert_eq!(page["evidence"].as_array().map_or(0, Vec::len), proven);
            found.extend(entries.iter().map(|one| one["index"].as_u64().unwrap()));
            let Some(next) = page.get("next").and_then(Value::as_u64) else { break };
            let asked = first.split("&start").next().unwrap();
            path = format!("{asked}&start={next}");
        }
        assert_eq!(found, *want, "{asked}");
    }
}

#[tokio::test]
async fn what_is_searched_for_is_found_and_nothing_else() {
    let scene = revoked();
    let service = Service::of(&scene).await;
    let key = fixtures::signing_key("trainer").unwrap().public().id();
    let train = json!([1]);
    let none = json!([]);
    let measured = json!([2]);
    let cases = [
        ("step=train".to_owned(), &train),
        ("step=none".to_owned(), &none),
        (format!("signer={key}"), &train),
        ("name=model/model.bin&step=train".to_owned(), &train),
        ("name=model/model.bi".to_owned(), &none),
        (format!("subject={}&step=train", scene.artifact), &none),
        ("type=https://assay.example/attestation/revocation/v0.1".to_owned(), &json!([4])),
        ("from=2026-11-24T12:00:00Z&step=train".to_owned(), &train),
        ("until=2026-11-24T12:00:00Z".to_owned(), &none),
        ("parameter=lr%3D0.1".to_owned(), &none),
        ("kind=training".to_owned(), &train),
        ("kind=fine-tuning".to_owned(), &none),
        ("words=BIN+model&step=train".to_owned(), &train),
        ("words=bins&step=train".to_owned(), &none),
        ("words=bin&kind=training&signer=KEY".replace("KEY", &key.to_string()), &train),
        ("metric=accuracy".to_owned(), &measured),
        ("metric=accurac".to_owned(), &none),
        ("metric=accuracy%3E%3D0.5&metric=accuracy%3C1".to_owned(), &measured),
        ("metric=accuracy%3E%3D1".to_owned(), &none),
        ("identity=dev%40example.com".to_owned(), &none),
        ("result=FAILED".to_owned(), &none),
    ];
    for (query, want) in cases {
        let page = service.get(&format!("/v1/find?{query}")).await.good();
        let found: Vec<&Value> =
            page["entries"].as_array().unwrap().iter().map(|one| &one["index"]).collect();
        assert_eq!(json!(found), *want, "{query}");
    }
}

#[tokio::test]
async fn a_page_carries_its_proofs_if_asked() {
    let scene = revoked();
    let service = Service::of(&scene).await;
    let note = String::from_utf8(service.get("/checkpoint").await.body).unwrap();
    let plain = service.get("/v1/find?limit=3").await.good();
    assert!(plain.get("evidence").is_none() && plain.get("checkpoint").is_none());
    let page: Found =
        serde_json::from_value(service.get("/v1/find?limit=3&proofs=true").await.good()).unwrap();
    assert_eq!(page.checkpoint.as_ref(), Some(&note));
    let head = Checkpoint::open(&note, log_signer().unwrap().verifier()).unwrap();
    assert_eq!(Checkpoint::from(page.complete_to), head);
    assert_eq!((page.entries.len(), page.evidence.len(), page.next), (3, 3, Some(3)));
    let trust = verify::Trust::parse(&scene.trust).unwrap();
    for (entry, evidence) in page.entries.iter().zip(&page.evidence) {
        let Evidence::Bundle { bundle } = evidence else { panic!("no bundle") };
        let believed = verify::verify(&bundle.0, &trust, scene.now).unwrap();
        assert_eq!(believed.logged()[0].index, entry.index);
        assert_eq!(bundle.0.entries[0].proof.as_ref().unwrap().checkpoint, note);
    }
}

#[tokio::test]
async fn attestations_and_lineage_of_an_artifact() {
    let scene = revoked();
    let service = Service::of(&scene).await;
    let image = scene.artifact;
    let about = service.get(&format!("/v1/artifacts/{image}/bundles")).await.good();
    assert_eq!(about["bundles"].as_array().unwrap().len(), 1);
    let raw = scene.evidence.iter().find(|one| one.id == "revoke").unwrap().subjects[0];
    let using = service.get(&format!("/v1/artifacts/{raw}/bundles?as=material")).await.good();
    assert_eq!(using["bundles"].as_array().unwrap().len(), 1);

    for (artifact, direction, other) in [(image, "up", raw), (raw, "down", image)] {
        let path = format!("/v1/lineage/{artifact}?direction={direction}");
        let family: server::family::Family =
            serde_json::from_value(service.get(&path).await.good()).unwrap();
        let drawn = family.rows.iter().any(|row| {
            matches!(&row.item, server::family::Item::Artifact { artifact, revoked_by: Some(4), .. }
                if *artifact == other)
        });
        assert!(drawn, "{direction} from {artifact} does not reach {other}: {family:#?}");
    }
}

#[tokio::test]
async fn questions_that_cannot_be_read_or_answered() {
    let service = Service::of(&revoked()).await;
    let cases = [
        ("/v1/entries/5", StatusCode::NOT_FOUND, "no-entry"),
        ("/v1/entries/-1", StatusCode::BAD_REQUEST, "parameter"),
        ("/v1/entries/18446744073709551616", StatusCode::BAD_REQUEST, "parameter"),
        ("/v1/entries/%ff", StatusCode::BAD_REQUEST, "parameter"),
        ("/v1/proofs/inclusion?index=0&size=6", StatusCode::NOT_FOUND, "no-tree"),
        ("/v1/proofs/inclusion?index=5&size=5", StatusCode::BAD_REQUEST, "no-proof"),
        ("/v1/proofs/inclusion?index=0", StatusCode::BAD_REQUEST, "query"),
        ("/v1/proofs/consistency?from=0&to=5", StatusCode::BAD_REQUEST, "no-proof"),
        ("/v1/proofs/consistency?from=3&to=2", StatusCode::BAD_REQUEST, "no-proof"),
        ("/v1/artifacts/sha1:00/bundles", StatusCode::BAD_REQUEST, "parameter"),
        ("/v1/find?color=red", StatusCode::BAD_REQUEST, "query"),
        ("/v1/find?limit=0", StatusCode::BAD_REQUEST, "parameter"),
        ("/v1/find?limit=1001", StatusCode::BAD_REQUEST, "parameter"),
        ("/v1/find?parameter=lr", StatusCode::BAD_REQUEST, "parameter"),
        ("/v1/find?step=a&step=b", StatusCode::BAD_REQUEST, "query"),
        ("/v1/find?kind=cooking", StatusCode::BAD_REQUEST, "parameter"),
        ("/v1/find?words=--", StatusCode::BAD_REQUEST, "parameter"),
        ("/v1/find?metric=accuracy%3E%3D", StatusCode::BAD_REQUEST, "parameter"),
        ("/v1/find?proofs=yes", StatusCode::BAD_REQUEST, "query"),
        ("/v1/find?words=a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q", StatusCode::BAD_REQUEST, "query"),
    ];
    for (path, status, code) in cases {
        let reply = service.get(path).await;
        assert_eq!(reply.status, status, "{path}: {}", String::from_utf8_lossy(&reply.body));
        assert_eq!(reply.problem(), code, "{path}");
    }
}

#[tokio::test]
async fn the_interface_describes_itself() {
    let service = Service::of(&revoked()).await;
    let document = service.get("/openapi.json").await.good();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/v1/admission"]["post"].is_object());
    assert_eq!(service.get("/healthz").await.good()["status"], "live");
    assert_eq!(service.get("/readyz").await.good()["status"], "ready");
}
