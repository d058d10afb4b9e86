//! When a certificate is judged: by a proven time, or not at all.

use attest::{
    Cosigner, Inclusion, LogEntry, NoteSigner, Proposal, Proposed, Sha256, SigningKey, Timestamp,
};
use fixtures::authority::{CertificateAuthority, to_pem};
use fixtures::{Over, PlainLog};
use verify::{Clock, NameKind, Pattern, Trust, Usage, Window, verify};

use crate::support::{
    BUILDER, FROM, NOW, SIGNED, Scene, UNTIL, add, bundle_of, document, moment, rule, said,
};

#[test]
fn a_certificate_counts_for_what_was_signed_while_it_held() {
    let scene = Scene::new();
    let by_clock = scene.trust(Usage::CodeSigning, &["clock"]);
    let by_now = scene.trust(Usage::CodeSigning, &["now"]);
    let either = scene.trust(Usage::CodeSigning, &["clock", "now"]);
    let (before, after) = ("2026-05-31T23:59:59Z", "2026-06-02T00:00:01Z");
    let cases: [(&str, &[&str], &Trust, &str, bool); 16] = [
        ("the first second", &[FROM], &by_clock, NOW, true),
        ("the last second", &[UNTIL], &by_clock, NOW, true),
        ("a second before", &[before], &by_clock, NOW, false),
        ("a second after", &[after], &by_clock, NOW, false),
        ("one time inside, one outside", &[SIGNED, after], &by_clock, NOW, false),
        ("two times inside", &[SIGNED, UNTIL], &by_clock, NOW, true),
        ("no time, and it has expired", &[], &by_clock, NOW, false),
        ("no time, and it holds now", &[], &by_clock, SIGNED, false),
        ("by now, while it holds", &[], &by_now, SIGNED, true),
        ("by now, in its last second", &[], &by_now, UNTIL, true),
        ("by now, a second later", &[], &by_now, after, false),
        ("by now, whatever another clock says", &[SIGNED], &by_now, NOW, false),
        ("either, the clock tells", &[SIGNED], &either, NOW, true),
        ("either, the clock tells otherwise", &[after], &either, UNTIL, false),
        ("either, no clock tells", &[], &either, UNTIL, true),
        ("from five minutes ahead", &["2026-06-01T12:05:01Z"], &by_clock, SIGNED, false),
    ];
    for (name, stamped, trust, now, want) in cases {
        let stamped: Vec<Timestamp> = stamped.iter().map(|time| moment(time)).collect();
        let found = verify(&scene.bundle(&scene.chain(), &stamped), trust, moment(now));
        assert_eq!(found.is_ok(), want, "{name}: {:?}", found.err());
        let Ok(found) = found else { continue };
        let times: Vec<Timestamp> = found.times().iter().map(|proven| proven.time).collect();
        assert_eq!(times, stamped, "{name}");
        let clock =
            |proven: &verify::ProvenTime| proven.by == Clock::Authority { root: "clock".into() };
        assert!(found.times().iter().all(clock), "{name}");
    }
}

#[test]
fn only_the_clocks_of_the_authority_tell_the_time() {
    let scene = Scene::new();
    let (early, late) = (moment("2024-01-01T00:00:00Z"), moment("2034-01-01T00:00:00Z"));
    let stranger = CertificateAuthority::root("clocks").unwrap();
    let alike = stranger.clock("clock", early, late).unwrap();
    // Under the right root, and not the one that the trust file names.
    let sibling = scene.clock_root.clock("another", early, late).unwrap();
    let ended = scene.clock_root.clock("ended", early, moment(FROM)).unwrap();
    let envelope = scene.envelope();
    let signature = envelope.signatures[0].sig.as_slice();
    let signed = moment(SIGNED);
    let good = scene.clock.stamp(signature, signed).unwrap();
    let mut broken = good.clone();
    *broken.last_mut().unwrap() ^= 1;
    let trust = scene.trust(Usage::CodeSigning, &["clock"]);
    let ended_pem = to_pem(&[ended.certificate(), scene.clock_root.certificate()]);
    let with = |pem: &str, window| {
        let mut trust = Trust::empty();
        trust.add_clock("clock", pem, window).unwrap();
        let root = to_pem(&[scene.root.certificate()]);
        trust.add_authority("corporate", &root, None, Usage::CodeSigning, &["clock"]).unwrap();
        add(&mut trust, "builder", &rule(NameKind::Uri, Pattern::exact(BUILDER)), "ci-team");
        trust
    };
    let until = |until| Window { from: None, until: Some(moment(until)) };
    let cases = [
        ("the clock's", vec![good.clone()], trust.clone(), true),
        ("a bit changed", vec![broken], trust.clone(), false),
        (
            "of another signature",
            vec![scene.clock.stamp(b"x", signed).unwrap()],
            trust.clone(),
            false,
        ),
        (
            "of a clock of the same name",
            vec![alike.stamp(signature, signed).unwrap()],
            trust.clone(),
            false,
        ),
        ("of its sibling", vec![sibling.stamp(signature, signed).unwrap()], trust.clone(), false),
        (
            "a stranger's beside it",
            vec![alike.stamp(signature, signed).unwrap(), good.clone()],
            trust.clone(),
            true,
        ),
        (
            "of a clock that had expired",
            vec![ended.stamp(signature, signed).unwrap()],
            with(&ended_pem, Window::default()),
            false,
        ),
        ("while it was believed", vec![good.clone()], with(&scene.clock_pem(), until(UNTIL)), true),
        ("when it no longer was", vec![good], with(&scene.clock_pem(), until(SIGNED)), false),
    ];
    for (name, stamps, trust, want) in cases {
        let found = said(&bundle_of(&envelope, &scene.chain(), &stamps), &trust);
        assert_eq!(found == "builder", want, "{name}: {found}");
    }
}

#[test]
fn witnesses_of_a_log_tell_by_when() {
    let mut scene = Scene::new();
    let time = "2023-11-14T22:13:20Z";
    scene.recipe.from = moment("2023-11-14T22:13:20Z");
    scene.recipe.until = moment("2023-11-14T22:13:20Z");
    let envelope = scene.envelope();
    let chain = scene.chain();
    let late = {
        let mut recipe = scene.recipe.clone();
        recipe.until = moment("2023-11-14T22:13:19Z");
        recipe.from = moment("2023-11-14T22:00:00Z");
        scene.between.issue(scene.key.public(), &recipe).unwrap()
    };
    let late = vec![late, chain[1].clone()];
    let signer = || NoteSigner::new("log.example", seed(1)).unwrap();
    let witness = Cosigner::new("witness.example", seed(2)).unwrap();
    let cosigner = witness.verifier().clone();
    // Its witnesses sign one time: the first second in which the certificate holds.
    let mut log = PlainLog::new(signer()).with_witnesses(vec![(witness, Over::This)]);
    let mut entry = |certificate: &[u8], message: &[u8]| {
        let signature = &envelope.signatures[0].sig;
        let proposal = Proposal {
            digest: Sha256::of(message).as_bytes().to_vec(),
            signature: signature.clone(),
            key_details: "PKIX_ECDSA_P256_SHA_256".into(),
            verifier: Proposed::Certificate(certificate.to_vec()),
        };
        let leaf = proposal.check().unwrap();
        let index = log.append(leaf.clone());
        let proof = Inclusion {
            index: index as u64,
            size: log.leaves().len() as u64,
            root: log.root(),
            hashes: log.path(index),
            checkpoint: log.checkpoint().unwrap(),
        };
        LogEntry {
            index: proof.index,
            log_id: Vec::new(),
            leaf: leaf.bytes().to_vec(),
            proof: Some(proof),
        }
    };
    let own = entry(&chain[0], &envelope.pae());
    let older = entry(&late[0], &envelope.pae());
    let trust = |clock: &str, witnessed: bool| {
        let mut trust = Trust::empty();
        let witnesses = if witnessed { vec![cosigner.clone()] } else { Vec::new() };
        let key = signer().verifier().clone();
        trust.add_witnessed_log(&key, &witnesses, witnesses.len()).unwrap();
        let root = to_pem(&[scene.root.certificate()]);
        trust.add_authority("corporate", &root, None, Usage::CodeSigning, &[clock]).map(|()| {
            add(&mut trust, "builder", &rule(NameKind::Uri, Pattern::exact(BUILDER)), "ci-team");
            trust
        })
    };
    let good = trust("log.example", true).unwrap();
    let mut unproven = own.clone();
    unproven.proof.as_mut().unwrap().hashes.push(Sha256::of(b"x"));
    let mut uncosigned = own.clone();
    let note = &mut uncosigned.proof.as_mut().unwrap().checkpoint;
    *note = note.split_inclusive('\n').filter(|line| !line.contains("witness.example")).collect();
    let cases = [
        ("seen in time", &chain, &own, "builder"),
        ("of another certificate", &chain, &older, "no clock proves"),
        ("seen a second late", &late, &older, "had expired"),
        ("not proven", &chain, &unproven, "no clock proves"),
        ("seen by nobody", &chain, &uncosigned, "no clock proves"),
    ];
    for (name, chain, entry, want) in cases {
        let mut document = document(&envelope, chain, &[]);
        let entry: serde_json::Value = serde_json::from_slice(&entry.to_json()).unwrap();
        document["verificationMaterial"]["tlogEntries"] = serde_json::json!([entry]);
        let bundle = attest::Bundle::parse(document.to_string().as_bytes()).unwrap();
        let found = said(&bundle, &good);
        assert!(found.contains(want), "{name}: {found}");
        if want == "builder" {
            let found = verify(&bundle, &good, moment(NOW)).unwrap();
            let by = Clock::Witnesses { origin: "log.example".into() };
            assert_eq!((found.times()[0].time, &found.times()[0].by), (moment(time), &by));
            assert_eq!(found.logged().len(), 1);
        }
    }
    // A log that nobody watches tells no time.
    assert!(trust("log.example", false).is_err());
}

fn seed(byte: u8) -> SigningKey {
    SigningKey::from_ed25519_seed(&[byte; 32]).unwrap()
}
