//! Which bundles are authentic, and what their log entries prove.

use attest::{Bundle, Checkpoint, Envelope, Leaf, NoteSigner, Sha256, Timestamp};
use fixtures::{LOG_ORIGIN, PlainLog, Scene, log_signer, signing_key};
use verify::{Content, Trust, Unlogged, Verified, VerifyError, verify};

use crate::support::{bundle, changed, now, scene, trust};

const PLAIN: &str =
    "{id: more, sign: [trainer, second], says: training, step: train, about: model}";

fn checked(bundle: &Bundle, scene: &Scene) -> Result<Verified<Content>, VerifyError> {
    verify(bundle, &trust(scene), now())
}

fn names(verified: &Verified<Content>) -> Vec<&str> {
    let mut names: Vec<&str> = verified.signers().iter().map(|one| one.name.as_str()).collect();
    names.sort_unstable();
    names
}

/// The entries of `leaves` in a log that signs with the key called `key`.
fn log(key: &str, leaves: &[Leaf]) -> PlainLog {
    let mut log = PlainLog::new(NoteSigner::new(LOG_ORIGIN, signing_key(key).unwrap()).unwrap());
    for leaf in leaves {
        log.append(leaf.clone());
    }
    log
}

fn entry(log: &PlainLog, place: usize) -> attest::LogEntry {
    let leaf = log.leaves()[place].bytes().to_vec();
    let proof = attest::Inclusion {
        index: place as u64,
        size: log.leaves().len() as u64,
        root: log.root(),
        hashes: log.path(place),
        checkpoint: log.checkpoint().unwrap(),
    };
    attest::LogEntry { index: place as u64, log_id: Vec::new(), leaf, proof: Some(proof) }
}

#[test]
fn an_honest_bundle_is_believed_with_its_places() {
    let scene = scene(PLAIN);
    let verified = checked(&bundle(&scene, "more"), &scene).unwrap();
    assert_eq!(names(&verified), ["second", "trainer"]);
    assert_eq!(verified.body(), scene.body("more").unwrap());
    let places: Vec<u64> = verified.logged().iter().map(|place| place.index).collect();
    assert_eq!(places, [3, 4]);
    assert!(verified.logged().iter().all(|place| place.origin == LOG_ORIGIN && place.size == 5));
    assert_eq!(verified.unlogged(), []);
    assert!(verified.into_statement().is_some());
}

#[test]
fn signatures() {
    let scene = scene(PLAIN);
    let good = bundle(&scene, "more");
    let bare = Bundle { entries: Vec::new(), ..good.clone() };
    type Change = fn(&mut Envelope);
    // The names of the signers who remain; none when the bundle is refused.
    let cases: [(&str, Change, &[&str]); 14] = [
        ("as signed", |_| {}, &["second", "trainer"]),
        ("one signature gone", |one| drop(one.signatures.remove(0)), &["second"]),
        ("none left", |one| one.signatures.clear(), &[]),
        ("first bit of one signature", |one| one.signatures[0].sig[0] ^= 1, &["second"]),
        ("last bit of one signature", |one| one.signatures[0].sig[63] ^= 0x80, &["second"]),
        ("one signature cut short", |one| one.signatures[0].sig.truncate(63), &["second"]),
        ("one signature empty", |one| one.signatures[0].sig.clear(), &["second"]),
        ("another payload", |one| one.payload.push(b' '), &[]),
        ("another payload type", |one| one.payload_type.push('x'), &[]),
        (
            "no key hint",
            |one| one.signatures.iter_mut().for_each(|one| one.keyid = None),
            &["second", "trainer"],
        ),
        ("each hint is the other's", swap_hints, &["second", "trainer"]),
        (
            "hints that are no hints",
            |one| one.signatures[0].keyid = Some("trainer".into()),
            &["second", "trainer"],
        ),
        (
            "one signature twice",
            |one| one.signatures.push(one.signatures[0].clone()),
            &["second", "trainer"],
        ),
        (
            "one signature in both places",
            |one| one.signatures[1].sig = one.signatures[0].sig.clone(),
            &["trainer"],
        ),
    ];
    for (name, change, want) in cases {
        let mut bundle = bare.clone();
        change(&mut bundle.envelope);
        match checked(&bundle, &scene) {
            Ok(verified) => assert_eq!(names(&verified), want, "{name}"),
            Err(_) => assert!(want.is_empty(), "{name}"),
        }
    }
}

fn swap_hints(envelope: &mut Envelope) {
    let hint = envelope.signatures[0].keyid.take();
    envelope.signatures[0].keyid = std::mem::replace(&mut envelope.signatures[1].keyid, hint);
}

#[test]
fn whose_signatures_count_and_what_is_read_first() {
    let key = |name: &str| signing_key(name).unwrap();
    let scene = scene("");
    let signed = |kind: &str, payload: &[u8], signer: &str| Bundle {
        envelope: Envelope::sign(kind, payload.to_vec(), &[&key(signer)]).unwrap(),
        hint: None,
        entries: Vec::new(),
        keyless: None,
    };
    let in_toto = attest::envelope::IN_TOTO;
    let payload = bundle(&scene, "train").envelope.payload;
    assert!(checked(&signed(in_toto, &payload, "trainer"), &scene).is_ok());
    assert_eq!(
        checked(&signed(in_toto, &payload, "stranger"), &scene),
        Err(VerifyError::NoTrustedSignature)
    );
    let found = "application/json".to_owned();
    assert_eq!(
        checked(&signed("application/json", &payload, "trainer"), &scene),
        Err(VerifyError::PayloadType { found })
    );
    // A stranger's payload is not read: the refusal is about the signature.
    for (signer, statement) in [("stranger", false), ("trainer", true)] {
        let error = checked(&signed(in_toto, b"{", signer), &scene).unwrap_err();
        assert_eq!(matches!(error, VerifyError::Statement { .. }), statement, "{signer}: {error}");
    }
    let mut many = signed(in_toto, &payload, "trainer");
    let entry = bundle(&scene, "train").entries[0].clone();
    many.entries = vec![entry; 17];
    assert_eq!(checked(&many, &scene), Err(VerifyError::TooManyEntries { count: 17, limit: 16 }));
    many.envelope.signatures = vec![many.envelope.signatures[0].clone(); 17];
    assert_eq!(
        checked(&many, &scene),
        Err(VerifyError::TooManySignatures { count: 17, limit: 16 })
    );
}

#[test]
fn keys_are_valid_from_then_until_then() {
    let key = "{predicates: [provenance], steps: [train], artifacts: [model]";
    let valid = format!("trainer: {key}, valid-from: -1h, valid-until: +1h}}");
    let scene = changed("", &[(&format!("trainer: {key}}}"), &valid)]);
    let (bundle, trust) = (bundle(&scene, "train"), trust(&scene));
    let at = |seconds: i64| Timestamp::from_second(now().as_second() + seconds).unwrap();
    for (seconds, want) in [(-3601, false), (-3600, true), (0, true), (3599, true), (3600, false)] {
        let found = verify(&bundle, &trust, at(seconds));
        assert_eq!(found.is_ok(), want, "{seconds}");
        if let Err(error) = found {
            let (from, until) = (Some(at(-3600)), Some(at(3600)));
            assert_eq!(error, VerifyError::OutsideValidity { name: "trainer".into(), from, until });
        }
    }
    let window = trust.window(now());
    assert_eq!((window.from, window.until), (Some(at(-3600)), Some(at(3600))));
    assert_eq!(trust.window(at(3600)).from, Some(at(3600)));
    assert_eq!(trust.window(at(3600)).until, None);
}

#[test]
fn an_entry_of_a_trusted_log_is_right_or_the_bundle_is_refused() {
    let scene = scene(PLAIN);
    let good = bundle(&scene, "train");
    let other = bundle(&scene, "evaluate");
    let origin = || LOG_ORIGIN.to_owned();
    let other_entry = other.entries[0].clone();
    type Change<'a> = Box<dyn Fn(&mut attest::LogEntry) + 'a>;
    let proof = |change: fn(&mut attest::Inclusion)| -> Change<'_> {
        Box::new(move |entry| change(entry.proof.as_mut().unwrap()))
    };
    let cases: Vec<(&str, Change<'_>, &str)> = vec![
        ("as logged", Box::new(|_| {}), ""),
        ("another logIndex beside the proof", Box::new(|one| one.index = 77), ""),
        ("another logId beside the proof", Box::new(|one| one.log_id = vec![7]), ""),
        ("another position", proof(|one| one.index ^= 1), "not under the signed root"),
        ("a position beyond the tree", proof(|one| one.index = 99), "not in a tree of 5"),
        ("another size", proof(|one| one.size += 1), "proof for a tree of 6"),
        ("another root", proof(|one| one.root = Sha256::of(b"x")), "or another root"),
        ("no hashes", proof(|one| one.hashes.clear()), "not under the signed root"),
        (
            "a hash more",
            proof(|one| one.hashes.push(Sha256::of(b"x"))),
            "not under the signed root",
        ),
        (
            "another hash",
            proof(|one| one.hashes[0] = Sha256::of(b"x")),
            "not under the signed root",
        ),
        (
            "the note's signature changed",
            proof(|one| {
                let at = one.checkpoint.len() - 10;
                let letter = if &one.checkpoint[at..=at] == "A" { "B" } else { "A" };
                one.checkpoint.replace_range(at..=at, letter);
            }),
            "checkpoint of",
        ),
        (
            "no note's signature",
            proof(|one| {
                let end = one.checkpoint.find("\n\n").unwrap();
                one.checkpoint.truncate(end + 1);
            }),
            "checkpoint of",
        ),
        (
            "a leaf with white space",
            Box::new(|one| one.leaf.push(b' ')),
            "not under the signed root",
        ),
        (
            "the entry of another body",
            Box::new(|one| *one = other_entry.clone()),
            "is not about body",
        ),
    ];
    for (name, change, want) in cases {
        let mut bundle = good.clone();
        change(&mut bundle.entries[0]);
        match checked(&bundle, &scene) {
            Ok(verified) => {
                assert_eq!(want, "", "{name}");
                assert_eq!(verified.logged()[0].index, 1, "{name}: the proof's position counts");
                assert_eq!(verified.logged()[0].origin, origin());
            }
            Err(error) => {
                let said = error.to_string();
                let source = std::error::Error::source(&error).map(ToString::to_string);
                let said = format!("{said} {}", source.unwrap_or_default());
                assert!(!want.is_empty() && said.contains(want), "{name}: {said}");
            }
        }
    }
}

#[test]
fn entries_that_are_no_evidence() {
    let scene = scene(
        r#"
        {id: foreign, sign: trainer, says: training, step: train, about: model, log: attacker}
        {id: impostor, sign: trainer, says: training, step: train, about: model, log: impostor}
        {id: mixed, sign: [trainer, stranger], says: training, step: train, about: model}
        "#,
    );
    let origin = "assay.local/00000000000000ff".to_owned();
    let foreign = checked(&bundle(&scene, "foreign"), &scene).unwrap();
    assert_eq!(
        (foreign.logged(), foreign.unlogged()),
        (&[][..], &[Unlogged::UnknownLog { origin }][..])
    );

    let error = checked(&bundle(&scene, "impostor"), &scene).unwrap_err();
    assert!(matches!(error, VerifyError::Checkpoint { .. }), "{error}");

    let mixed = checked(&bundle(&scene, "mixed"), &scene).unwrap();
    assert_eq!((names(&mixed), mixed.logged().len()), (vec!["trainer"], 1));
    assert_eq!(mixed.unlogged(), [Unlogged::OtherSigner]);

    let mut promised = bundle(&scene, "train");
    promised.entries[0].proof = None;
    let promised = checked(&promised, &scene).unwrap();
    assert_eq!((promised.logged(), promised.unlogged()), (&[][..], &[Unlogged::NoProof][..]));
}

/// What a log that trust names could be brought to hold.
#[test]
fn leaves_that_do_not_fit() {
    let scene = scene("");
    let good = bundle(&scene, "train");
    let pae = good.envelope.pae();
    let sig = good.envelope.signatures[0].sig.clone();
    let (trainer, second) = (signing_key("trainer").unwrap(), signing_key("second").unwrap());
    let again = second.sign(&pae).unwrap();
    let mut broken = sig.clone();
    broken[5] ^= 1;
    let cases = [
        ("its own leaf", Leaf::of(&pae, &sig, trainer.public()), ""),
        ("another key's name on it", Leaf::of(&pae, &sig, second.public()), "names another key"),
        (
            "a signature from elsewhere",
            Leaf::of(&pae, &again, second.public()),
            "not in the envelope",
        ),
        ("a broken signature", Leaf::of(&pae, &broken, trainer.public()), "not in the envelope"),
        ("another body", Leaf::of(b"DSSEv1 0  0 ", &sig, trainer.public()), "is not about body"),
    ];
    for (name, leaf, want) in cases {
        for (key, trusted) in [("log", true), ("attacker's log", false)] {
            let log = log(key, std::slice::from_ref(&leaf));
            let bundle = Bundle { entries: vec![entry(&log, 0)], ..good.clone() };
            let said =
                checked(&bundle, &scene).err().map(|error| error.to_string()).unwrap_or_default();
            if trusted {
                assert!(
                    said.contains(want) && said.is_empty() == want.is_empty(),
                    "{name}: {said}"
                );
            } else {
                assert!(said.contains("checkpoint of"), "{name}: {said}");
            }
        }
    }
}

#[test]
fn the_checkpoint_is_of_the_log_that_it_names() {
    let scene = scene("");
    let good = bundle(&scene, "train");
    // The trusted key of one log signs, as itself, what calls itself another log.
    let signer = NoteSigner::new("elsewhere", signing_key("log").unwrap()).unwrap();
    let note = signer.sign(
        &Checkpoint { origin: LOG_ORIGIN.into(), size: 3, root: Sha256::of(b"x") }.to_string(),
    );
    let mut bundle = good.clone();
    bundle.entries[0].proof.as_mut().unwrap().checkpoint = note.unwrap().to_string();
    let error = checked(&bundle, &scene).unwrap_err();
    assert!(matches!(error, VerifyError::Checkpoint { .. }), "{error}");
    assert_eq!(log_signer().unwrap().verifier().name(), LOG_ORIGIN);

    // A log that is not trusted any more proves nothing, and refuses nothing.
    let mut none = Trust::empty();
    let may = verify::May::of(&["*"], &["*"], &["*"], &[]).unwrap();
    let key = signing_key("trainer").unwrap();
    none.add_key("t", key.public(), "t", &may, verify::Window::default(), verify::Custody::Shared)
        .unwrap();
    let verified = verify(&bundle, &none, now()).unwrap();
    assert_eq!(verified.unlogged(), [Unlogged::UnknownLog { origin: LOG_ORIGIN.into() }]);
}
