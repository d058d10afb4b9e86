//! What is submitted, and what becomes of it.

use super::*;

#[test]
fn a_submission_comes_back_as_a_bundle_that_stands_on_its_own() {
    for algorithm in Algorithm::ALL {
        let (register, key) = (in_memory(), SigningKey::generate(algorithm).unwrap());
        let envelope = envelope("model", &[&key]);
        let receipts = wait(register.submit(&envelope, &public(&[&key]), at(1))).unwrap();
        let [receipt] = receipts.as_slice() else { panic!("one receipt") };
        assert_eq!((receipt.index, receipt.duplicate), (0, false));
        assert_eq!(holds(&receipt.bundle).size, 1);
        assert_eq!(receipt.bundle.envelope, envelope);
        assert_eq!(wait(register.bundle(0)).unwrap(), receipt.bundle);
    }
}

#[test]
fn one_leaf_a_signature_and_the_body_once() {
    let (register, a, b) = (in_memory(), key(), key());
    let keys = public(&[&b, &a]);
    let one = envelope("model", &[&a]);
    let two = Envelope {
        signatures: [one.signatures.clone(), envelope("model", &[&b]).signatures].concat(),
        ..one.clone()
    };
    // 1 of 2 first, then 2 of 2: the first signature is found again, the second is added.
    let first = wait(register.submit(&one, &keys, at(1))).unwrap();
    let both = wait(register.submit(&two, &keys, at(2))).unwrap();
    assert_eq!(first[0].index, 0);
    let places: Vec<_> = both.iter().map(|receipt| (receipt.index, receipt.duplicate)).collect();
    assert_eq!(places, [(0, true), (1, false)]);
    let again = wait(register.submit(&two, &keys, at(3))).unwrap();
    assert!(again.iter().all(|receipt| receipt.duplicate && holds(&receipt.bundle).size == 2));
    let bodies: BTreeSet<_> =
        (0..2).map(|index| wait(register.entry(index)).unwrap().body_hash()).collect();
    assert_eq!(bodies, BTreeSet::from([Some(one.body())]));
    assert_eq!(wait(register.bundles_of(&file("model"))).unwrap().bundles.len(), 2);
}

#[test]
fn a_batch_is_one_commit_and_duplicates_within_it_are_one_entry() {
    let (register, key) = (in_memory(), key());
    let keys = public(&[&key]);
    let envelopes: Vec<Envelope> =
        ["a", "b", "c"].iter().map(|name| envelope(name, &[&key])).collect();
    let submissions: Vec<Submission<'_>> = [0, 1, 0, 2]
        .iter()
        .map(|number| Submission { envelope: &envelopes[*number], verifiers: &keys })
        .collect();
    let receipts = wait(register.submit_all(&submissions, at(1))).unwrap();
    let indices: Vec<u64> = receipts.iter().map(|receipts| receipts[0].index).collect();
    assert_eq!(indices, [0, 1, 0, 2]);
    let times: BTreeSet<_> =
        (0..3).map(|index| wait(register.entry(index)).unwrap().time).collect();
    assert_eq!(times, BTreeSet::from([at(1)]));
}

#[test]
fn what_is_refused_changes_nothing() {
    let (register, key, other) = (in_memory(), key(), key());
    wait(register.submit(&envelope("first", &[&key]), &public(&[&key]), at(1000))).unwrap();
    let good = envelope("model", &[&key]);
    let unsigned = Envelope { signatures: Vec::new(), ..good.clone() };
    let mut forged = good.clone();
    forged.payload.push(b' ');
    let many = Envelope {
        signatures: vec![good.signatures[0].clone(); MAX_SIGNATURES + 1],
        ..good.clone()
    };
    let large = Envelope::sign("text/plain", vec![b'x'; MAX_BODY_BYTES], &[&key]).unwrap();
    type Check = fn(&SubmitError) -> bool;
    let keys = public(&[&key]);
    let cases: [(&str, &Envelope, Vec<PublicKey>, i64, Check); 8] = [
        ("no signature", &unsigned, keys.clone(), 1000, |error| {
            matches!(error, SubmitError::Unsigned)
        }),
        ("another payload", &forged, keys.clone(), 1000, |error| {
            matches!(error, SubmitError::UnknownSignature { position: 0 })
        }),
        ("another key", &good, public(&[&other]), 1000, |error| {
            matches!(error, SubmitError::UnknownSignature { position: 0 })
        }),
        ("no key", &good, Vec::new(), 1000, |error| {
            matches!(error, SubmitError::UnknownSignature { position: 0 })
        }),
        ("too many signatures", &many, keys.clone(), 1000, |error| {
            matches!(error, SubmitError::TooManySignatures(17))
        }),
        ("too many keys", &good, vec![keys[0].clone(); MAX_VERIFIERS + 1], 1000, |error| {
            matches!(error, SubmitError::TooManyVerifiers(17))
        }),
        ("too large", &large, keys.clone(), 1000, |error| {
            matches!(error, SubmitError::Batch(BatchError::Body(_)))
        }),
        ("clock", &good, keys.clone(), 699, |error| {
            matches!(error, SubmitError::ClockBehind { .. })
        }),
    ];
    for (name, envelope, keys, second, is_expected) in cases {
        let error = wait(register.submit(envelope, &keys, at(second))).unwrap_err();
        assert!(is_expected(&error), "{name}: {error}");
        assert_eq!(wait(register.signed()).unwrap().checkpoint.size, 1, "{name}");
    }
    assert!(matches!(wait(register.submit_all(&[], at(1000))), Err(SubmitError::Nothing)));
    // One bad envelope refuses the whole batch.
    let submissions = [
        Submission { envelope: &good, verifiers: &keys },
        Submission { envelope: &forged, verifiers: &keys },
    ];
    assert!(wait(register.submit_all(&submissions, at(1000))).is_err());
    assert_eq!(wait(register.signed()).unwrap().checkpoint.size, 1);
    // The smallest change that makes it good: a key, a second.
    wait(register.submit(&good, &keys, at(700))).unwrap();
    let entry = wait(register.entry(1)).unwrap();
    assert_eq!(entry.time, at(1000), "commit times do not go back");
}

#[test]
fn a_statement_that_names_too_much_is_refused() {
    let (register, key) = (in_memory(), key());
    let payload = |count: usize| {
        let parameters: Vec<String> =
            (0..count).map(|number| format!(r#""p{number}":"1""#)).collect();
        let text = String::from_utf8(payload("model", "data")).unwrap();
        text.replace(r#""lr":"0.1""#, &parameters.join(",")).into_bytes()
    };
    // Subject, name, material, two words, type, step, kind and signer come on top.
    for (count, fits) in [(MAX_TERMS - 9, true), (MAX_TERMS - 8, false)] {
        let envelope = Envelope::sign(IN_TOTO, payload(count), &[&key]).unwrap();
        let result = wait(register.submit(&envelope, &public(&[&key]), at(1)));
        assert_eq!(result.is_ok(), fits, "{count}");
        assert!(fits || matches!(result, Err(SubmitError::TooManyTerms(_))));
    }
}

#[test]
fn foreign_payloads_are_kept_and_found_by_their_type() {
    let (register, key) = (in_memory(), key());
    let types = ["text/plain", "application/octet-stream", "text/plain"];
    for (number, payload_type) in types.into_iter().enumerate() {
        let envelope = Envelope::sign(payload_type, vec![number as u8, 0xff], &[&key]).unwrap();
        wait(register.submit(&envelope, &public(&[&key]), at(1))).unwrap();
    }
    let query =
        |name: &str| Query { terms: vec![Term::Type(name.into())], limit: 10, ..Query::default() };
    for (name, want) in
        [("text/plain", &[0, 2][..]), ("application/octet-stream", &[1]), ("x", &[])]
    {
        let found = wait(register.find(&query(name))).unwrap();
        let indices: Vec<u64> = found.entries.iter().map(|entry| entry.index).collect();
        assert_eq!(indices, want, "{name}");
        assert_eq!(found.complete_to.size, 3);
        assert_eq!(found.complete_to.origin, register.origin());
    }
}

#[test]
fn submitters_at_once_all_get_their_place() {
    let key = key();
    let keys = public(&[&key]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let register = std::sync::Arc::new(in_memory());
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let (register, keys) = (register.clone(), keys.clone());
            let envelope = envelope(&number.to_string(), &[&key]);
            runtime.spawn(async move { register.submit(&envelope, &keys, at(1)).await.unwrap() })
        })
        .collect();
    let indices: BTreeSet<u64> = tasks
        .into_iter()
        .map(|task| {
            let receipts = runtime.block_on(task).unwrap();
            holds(&receipts[0].bundle);
            receipts[0].index
        })
        .collect();
    assert_eq!(indices, (0..20).collect());
}

/// A second register over the same storage: as another replica would be.
struct Shared(std::sync::Arc<Memory>);

impl Storage for Shared {
    async fn head(&self) -> Result<Option<Head>, StorageError> {
        self.0.head().await
    }

    async fn read(&self, key: &Key) -> Result<Option<Blob>, StorageError> {
        self.0.read(key).await
    }

    async fn find(&self, query: &Query) -> Result<Page, StorageError> {
        self.0.find(query).await
    }

    async fn commit(&self, from: Option<&Head>, batch: Batch) -> Result<(), CommitError> {
        self.0.commit(from, batch).await
    }
}

#[test]
fn two_registers_over_one_storage_take_turns() {
    let storage = std::sync::Arc::new(Memory::new());
    let open = || wait(Register::open(Shared(storage.clone()), signer())).unwrap();
    let (one, two, key) = (open(), open(), key());
    for number in 0..6_u64 {
        let register = if number % 2 == 0 { &one } else { &two };
        let envelope = envelope(&number.to_string(), &[&key]);
        let receipts = wait(register.submit(&envelope, &public(&[&key]), at(1))).unwrap();
        assert_eq!(receipts[0].index, number);
        assert_eq!(holds(&receipts[0].bundle).size, number + 1);
    }
    assert_eq!(wait(one.checkpoint()).unwrap(), wait(two.checkpoint()).unwrap());
}
