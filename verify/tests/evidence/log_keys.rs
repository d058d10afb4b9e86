//! A log that got another key (THREATS 31): which of its keys counts for which tree, that growth
//! leads through the last good tree, and whose statement gives it another key.

use attest::envelope::IN_TOTO;
use attest::predicate::KeyRotation;
use attest::{
    Bundle, Checkpoint, Cosigner, Envelope, Inclusion, Leaf, LogEntry, NoteSigner, Predicate,
    ResourceDescriptor, Sha256, SigningKey, Statement, VerifierKey,
};
use verify::merkle::{Tree, leaf_hash};
use verify::{
    EndedError, FollowError, Follower, LastGood, OpenError, Reach, RotationError, Trust,
    TrustError, verify_rotation,
};

const ORIGIN: &str = "log.example";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()
}

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new(ORIGIN, key(seed)).unwrap()
}

fn verifier(seed: u8) -> VerifierKey {
    signer(seed).verifier().clone()
}

/// The log's first leaves; those from `fork` on are others.
fn leaf(index: u64, fork: u64) -> Vec<u8> {
    format!("{index} {}", index >= fork).into_bytes()
}

fn tree(size: u64, fork: u64) -> Tree {
    (0..size).map(|index| leaf_hash(&leaf(index, fork))).collect()
}

const HONEST: u64 = 99;

/// A checkpoint over `tree`, signed by these keys.
fn note(tree: &Tree, seeds: &[u8]) -> String {
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: tree.size(), root: tree.root() };
    let text = checkpoint.to_string();
    let mut signed = signer(seeds[0]).sign(&text).unwrap();
    for seed in &seeds[1..] {
        signed.signatures.extend(signer(*seed).sign(&text).unwrap().signatures);
    }
    signed.to_string()
}

fn last_good(size: u64) -> LastGood {
    LastGood { size, root: tree(size, HONEST).root() }
}

/// A trust file by which the log has key 2 and had key 1.
fn trust(reach: Reach) -> Trust {
    let mut trust = Trust::empty();
    trust.add_log(&verifier(1)).unwrap();
    trust.rotate_log(&verifier(2), reach).unwrap();
    trust
}

fn open(trust: &Trust, note: &str) -> Result<u64, OpenError> {
    trust.log(ORIGIN).unwrap().open(note).map(|(checkpoint, _)| checkpoint.size)
}

#[test]
fn a_key_counts_as_far_as_the_trust_file_says() {
    let (honest, forked) = (|size| tree(size, HONEST), |size| tree(size, 3));
    let (whole, until, lost) = (Reach::Whole, Reach::Until(8), Reach::LastGood(last_good(8)));
    let beyond = |size| Some(EndedError::Beyond { size, until: 8 });
    let unproven = |size| Some(EndedError::Unproven { size, last_good: 8 });
    let fork = Some(EndedError::Forked {
        size: 8,
        root: tree(8, HONEST).root(),
        found: tree(8, 3).root(),
    });
    let cases = [
        ("the new key", whole, note(&honest(9), &[2]), None),
        ("both", whole, note(&honest(9), &[1, 2]), None),
        ("both, turned about", whole, note(&honest(9), &[2, 1]), None),
        ("the old key, while both count", whole, note(&honest(9), &[1]), None),
        ("the old key at its end", until, note(&honest(8), &[1]), None),
        ("the old key before its end", until, note(&honest(3), &[1]), None),
        ("the old key after its end", until, note(&honest(9), &[1]), beyond(9)),
        ("both after the old key's end", until, note(&honest(9), &[1, 2]), None),
        ("the lost key at the last good tree", lost, note(&honest(8), &[1]), None),
        ("the lost key above it", lost, note(&honest(9), &[1]), beyond(9)),
        ("the lost key at another tree of its size", lost, note(&forked(8), &[1]), fork.clone()),
        ("the lost key below it", lost, note(&honest(7), &[1]), unproven(7)),
        ("the lost key below it, forked", lost, note(&forked(7), &[1]), unproven(7)),
        ("the new key below it", lost, note(&honest(7), &[2]), None),
        ("the new key above it", lost, note(&honest(9), &[2]), None),
        ("the new key at another tree of its size", lost, note(&forked(8), &[2]), fork),
    ];
    for (name, reach, note, want) in cases {
        let found = open(&trust(reach), &note);
        assert_eq!(found.err(), want.map(OpenError::Ended), "{name}");
    }
}

#[test]
fn only_the_keys_of_this_log_count_and_none_of_them_may_be_broken() {
    let trust = trust(Reach::Whole);
    let tree = tree(4, HONEST);
    assert_eq!(open(&trust, &note(&tree, &[3, 2])), Ok(4), "a stranger's is ignored");
    assert!(open(&trust, &note(&tree, &[3])).is_err(), "a stranger alone");
    // Of either key a signature that does not hold, beside one that does.
    let other = note(&self::tree(5, HONEST), &[1, 2]);
    let lines: Vec<&str> = other.lines().filter(|line| line.starts_with('—')).collect();
    for (signed, broken) in [(1, lines[1]), (2, lines[0])] {
        let good = note(&tree, &[signed]);
        assert_eq!(open(&trust, &good), Ok(4));
        assert!(open(&trust, &format!("{good}{broken}\n")).is_err(), "{signed}");
    }
    // Another log of one of the keys.
    let elsewhere = NoteSigner::new("fog.example", key(2)).unwrap();
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: 4, root: tree.root() };
    let foreign = elsewhere.sign(&checkpoint.to_string()).unwrap().to_string();
    assert!(open(&trust, &foreign).is_err());
}

#[test]
fn witnesses_are_demanded_whichever_key_signed() {
    let witness = Cosigner::new("witness", key(7)).unwrap();
    let mut trust = Trust::empty();
    trust.add_witnessed_log(&verifier(1), &[witness.verifier().clone()], 1).unwrap();
    trust.rotate_log(&verifier(2), Reach::Whole).unwrap();
    for seed in [1, 2] {
        let bare = note(&tree(4, HONEST), &[seed]);
        assert!(matches!(open(&trust, &bare), Err(OpenError::Quorum(_))), "{seed}");
        let text = bare.split_inclusive('\n').take(3).collect::<String>();
        let line = witness.cosign(&text, 100).unwrap();
        assert_eq!(open(&trust, &format!("{bare}{line}\n")), Ok(4), "{seed}");
    }
}

#[test]
fn the_file_says_what_was_said_to_it() {
    for reach in [Reach::Whole, Reach::Until(8), Reach::LastGood(last_good(8))] {
        let trust = trust(reach);
        let again = Trust::parse(&trust.to_yaml()).unwrap();
        let log = again.log(ORIGIN).unwrap();
        assert_eq!(*log.key(), verifier(2));
        let former: Vec<_> = log.former().iter().map(|one| (one.key(), one.reach())).collect();
        assert_eq!(former, [(&verifier(1), reach)]);
        assert_eq!(again.to_yaml(), trust.to_yaml());
    }
    let mut trust = trust(Reach::Whole);
    let before = trust.digest();
    trust.end_log_key(&verifier(1), Reach::Until(8)).unwrap();
    assert_eq!(trust.log(ORIGIN).unwrap().former()[0].reach(), Reach::Until(8));
    assert_ne!(trust.digest(), before, "whoever follows by it begins again");

    let no_such = |found| matches!(found, Err(TrustError::NoSuchLogKey { .. }));
    let elsewhere = NoteSigner::new("fog.example", key(3)).unwrap().verifier().clone();
    assert!(no_such(trust.rotate_log(&elsewhere, Reach::Whole)), "another log");
    assert!(no_such(trust.end_log_key(&verifier(2), Reach::Until(8))), "the key of today");
    for known in [1, 2] {
        let again = trust.rotate_log(&verifier(known), Reach::Whole);
        assert!(matches!(again, Err(TrustError::Duplicate { .. })), "{known}");
    }
    for seed in 3..18 {
        trust.rotate_log(&verifier(seed), Reach::Whole).unwrap();
    }
    let many = trust.rotate_log(&verifier(18), Reach::Whole);
    assert!(matches!(many, Err(TrustError::TooMany { limit: 16, .. })), "{many:?}");
}

#[test]
fn a_file_that_cannot_be_meant_is_refused() {
    let file = |former: &str| {
        let key = verifier(2);
        Trust::parse(&format!(
            "apiVersion: assay/v1\nkind: Trust\nlogs:\n- origin: {ORIGIN}\n  key: {key}\n  formerKeys:\n  - {former}\n"
        ))
    };
    let root = Sha256::of(b"root");
    let (one, two) = (verifier(1), verifier(2));
    let elsewhere = NoteSigner::new("fog.example", key(1)).unwrap().verifier().clone();
    let cases = [
        (format!("{{key: {one}}}"), true),
        (format!("{{key: {one}, until: 8}}"), true),
        (format!("{{key: {one}, lastGood: {{size: 8, root: '{root}'}}}}"), true),
        (format!("{{key: {one}, until: 8, lastGood: {{size: 8, root: '{root}'}}}}"), false),
        (format!("{{key: {one}, until: -1}}"), false),
        (format!("{{key: {one}, until: }}"), false),
        (format!("{{key: {one}, lastGood: }}"), false),
        (format!("{{key: {one}, lastGood: {{size: 8}}}}"), false),
        (format!("{{key: {one}, from: 8}}"), false),
        (format!("{{key: {two}}}"), false),
        (format!("{{key: {elsewhere}}}"), false),
        ("{key: key}".into(), false),
    ];
    for (former, want) in cases {
        let found = file(&former);
        assert_eq!(found.is_ok(), want, "{former}: {found:?}");
    }
}

/// Follows a log to a checkpoint over all its leaves.
fn follow(reach: Reach, size: u64, fork: u64, seeds: &[u8]) -> Result<u64, FollowError> {
    let trust = trust(reach);
    let mut follower = Follower::new(ORIGIN, &trust)?;
    for index in 0..size {
        follower.leaf(index, &leaf(index, fork), None)?;
    }
    let note = note(&tree(size, fork), seeds);
    follower.finish(&note, &trust).map(|followed| followed.size)
}

#[test]
fn whoever_follows_comes_through_the_last_good_tree() {
    let lost = Reach::LastGood(last_good(8));
    assert_eq!(follow(Reach::Whole, 9, HONEST, &[1]), Ok(9));
    assert_eq!(follow(lost, 9, HONEST, &[2]), Ok(9));
    assert_eq!(follow(lost, 8, HONEST, &[1]), Ok(8));
    let refused = |found| matches!(found, Err(FollowError::Checkpoint { .. }));
    assert!(refused(follow(lost, 9, HONEST, &[1])), "the lost key above it");
    assert!(refused(follow(lost, 7, HONEST, &[1])), "the lost key below it");
    assert!(refused(follow(lost, 8, 3, &[1])), "the lost key at another tree");
    // Another past of the log is refused even by the key of today; from the last good tree on it
    // goes where that key says.
    let forked = follow(lost, 9, 7, &[2]);
    assert!(matches!(forked, Err(FollowError::NotLastGood(EndedError::Forked { size: 8, .. }))));
    assert_eq!(follow(lost, 9, 8, &[2]), Ok(9));
    let short = FollowError::BeforeLastGood { size: 7, last_good: 8 };
    assert_eq!(follow(lost, 7, HONEST, &[2]), Err(short));
}

/// A change to what a rotation says.
type Edit = fn(&mut KeyRotation);

/// The statement that the log gets `to`, changed by `edit`.
fn statement(to: u8, edit: impl FnOnce(&mut KeyRotation)) -> Statement {
    let mut said = KeyRotation {
        origin: ORIGIN.into(),
        from: verifier(1).to_string(),
        to: verifier(to).to_string(),
        size: 4,
        root: tree(4, HONEST).root(),
        rotated_on: None,
    };
    edit(&mut said);
    let digest = key(to).public().id().digest();
    let subject = ResourceDescriptor::of("key", &attest::ArtifactId::file(digest));
    Statement { subject: vec![subject], predicate: Predicate::KeyRotation(said) }
}

/// `statement`, signed by `by`, as entry 4 of a log whose checkpoint `log` signed.
fn bundle(statement: &Statement, by: u8, log: u8) -> Bundle {
    let payload = statement.to_json().unwrap();
    let envelope = Envelope::sign(IN_TOTO, payload, &[&key(by)]).unwrap();
    let leaf = Leaf::of(&envelope.pae(), &envelope.signatures[0].sig, key(by).public());
    let hashes = (0..4).map(|index| leaf_hash(&self::leaf(index, HONEST)));
    let tree: Tree = hashes.chain([leaf_hash(leaf.bytes())]).collect();
    let proof = Inclusion {
        index: 4,
        size: 5,
        root: tree.root(),
        hashes: verify::merkle::inclusion_proof(&tree, 4, 5).unwrap(),
        checkpoint: note(&tree, &[log]),
    };
    let entry =
        LogEntry { index: 4, log_id: Vec::new(), leaf: leaf.bytes().to_vec(), proof: Some(proof) };
    Bundle { envelope, hint: None, entries: vec![entry], keyless: None }
}

#[test]
fn a_log_gets_another_key_by_the_word_of_the_one_that_it_has() {
    let mut trust = Trust::empty();
    trust.add_log(&verifier(1)).unwrap();
    let log = trust.log(ORIGIN).unwrap();
    let good = statement(2, |_| {});
    let found = verify_rotation(&bundle(&good, 1, 1), log).unwrap();
    assert_eq!((&found.to, found.index, found.size), (&verifier(2), 4, 4));

    let check = |statement: &Statement| verify_rotation(&bundle(statement, 1, 1), log);
    let by_another = verify_rotation(&bundle(&good, 2, 1), log);
    assert_eq!(by_another, Err(RotationError::OtherKey(ORIGIN.into())));
    let edits: [(&str, Edit); 5] = [
        ("of another log", |said| said.origin = "fog.example".into()),
        ("from another key", |said| said.from = verifier(3).to_string()),
        ("to another key than the subject", |said| said.to = verifier(3).to_string()),
        ("to no key", |said| said.to = "key".into()),
        ("to a key of another log", |said| {
            let key = NoteSigner::new("fog.example", key(2)).unwrap();
            said.to = key.verifier().to_string();
        }),
    ];
    for (name, edit) in edits {
        let found = check(&statement(2, edit));
        assert!(matches!(found, Err(RotationError::OtherStatement { .. })), "{name}: {found:?}");
    }
    let same = check(&statement(1, |_| {}));
    assert!(matches!(same, Err(RotationError::OtherStatement { .. })), "the key that it has");
    let mut other = good.clone();
    other.predicate =
        Predicate::Other { predicate_type: "https://example.com/x".into(), value: ().into() };
    assert!(matches!(check(&other), Err(RotationError::OtherStatement { .. })), "another type");

    let mut unlogged = bundle(&good, 1, 1);
    unlogged.entries.clear();
    let nowhere = Err(RotationError::NotLogged(ORIGIN.into()));
    assert_eq!(verify_rotation(&unlogged, log), nowhere);
    let mut lent = bundle(&good, 1, 1);
    lent.entries = bundle(&statement(3, |_| {}), 1, 1).entries;
    assert_eq!(verify_rotation(&lent, log), nowhere, "the entry of another statement");
    assert!(verify_rotation(&bundle(&good, 1, 2), log).is_ok(), "after the end the new key signs");
    let by_another_log = verify_rotation(&bundle(&good, 1, 3), log);
    assert!(matches!(by_another_log, Err(RotationError::Open(_))), "{by_another_log:?}");
    let mut moved = bundle(&good, 1, 1);
    moved.entries[0].proof.as_mut().unwrap().index = 3;
    assert!(matches!(verify_rotation(&moved, log), Err(RotationError::Verify(_))));
}
