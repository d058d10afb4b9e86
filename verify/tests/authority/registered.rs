//! What signers with a certificate say in a register: their bundles stand in it whole, and count from
//! there on as what a key signed does.

use attest::carried::{carry, mark};
use attest::envelope::IN_TOTO;
use attest::predicate::{EVALUATION, REVOCATION};
use attest::{
    ArtifactId, Bundle, Envelope, Inclusion, Leaf, LogEntry, NoteSigner, Sha256, SigningKey,
};
use fixtures::PlainLog;
use serde_json::{Value, json};
use verify::{
    Custody, Direction, FollowError, Followed, Follower, Lineage, May, NameKind, Pattern,
    StillCounts, Trace, Trust, Usage, Window,
};

use crate::support::{BUILDER, FROM, NOW, SIGNED, Scene, UNTIL, bundle_of, moment, rule};

const ORIGIN: &str = "assay.test/certified";

/// A log in memory, with the bodies of its entries.
struct Register {
    log: PlainLog,
    bodies: Vec<Option<Vec<u8>>>,
}

impl Register {
    fn new() -> Self {
        let key = SigningKey::from_ed25519_seed(&[9; 32]).unwrap();
        let log = PlainLog::new(NoteSigner::new(ORIGIN, key).unwrap());
        Self { log, bodies: Vec::new() }
    }

    /// Puts the bundle in as `assay log submit` does.
    fn carry(&mut self, bundle: &Bundle) -> Envelope {
        let envelope = carry(&bundle.to_json()).unwrap();
        self.enter(&envelope, &mark().unwrap());
        envelope
    }

    fn enter(&mut self, envelope: &Envelope, key: &attest::PublicKey) {
        let leaf = Leaf::of(&envelope.pae(), &envelope.signatures[0].sig, key);
        let place = self.log.append(leaf);
        assert_eq!(place, self.bodies.len());
        self.bodies.push(Some(envelope.pae()));
    }

    /// What the register hands out for an entry.
    fn bundle(&self, index: usize, envelope: &Envelope) -> Bundle {
        let proof = Inclusion {
            index: index as u64,
            size: self.bodies.len() as u64,
            root: self.log.root(),
            hashes: self.log.path(index),
            checkpoint: self.log.checkpoint().unwrap(),
        };
        let leaf = self.log.leaves()[index].bytes().to_vec();
        let entry = LogEntry { index: index as u64, log_id: Vec::new(), leaf, proof: Some(proof) };
        let (envelope, hint) = (envelope.clone(), None);
        let bundle = Bundle { envelope, hint, entries: vec![entry], keyless: None };
        // As it is after having been a document.
        Bundle::parse(&bundle.to_json()).unwrap()
    }

    fn follow(&self, trust: &Trust) -> Result<Followed, FollowError> {
        let mut follower = Follower::new(ORIGIN, trust)?;
        for (index, leaf) in self.log.leaves().iter().enumerate() {
            follower.leaf(index as u64, leaf.bytes(), self.bodies[index].as_deref())?;
        }
        follower.finish(&self.log.checkpoint().unwrap(), trust)
    }

    fn lineage(&self, trust: &Trust, bundles: &[Bundle]) -> Lineage {
        let followed = self.follow(trust).unwrap();
        let mut trace = Trace::new(app(), Direction::Up, trust, &followed.negatives, moment(NOW));
        trace.supply(app(), bundles.to_vec(), None);
        trace.finish()
    }
}

/// How much of what the log holds about the application was not supplied.
fn missing(lineage: &Lineage) -> usize {
    lineage.unexplored().iter().filter(|one| one.artifact == app()).count()
}

fn app() -> ArtifactId {
    ArtifactId::file(Sha256::of(b"app"))
}

/// A statement about the application.
fn statement(kind: &str, predicate: &Value) -> Vec<u8> {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "app", "digest": {"sha256": Sha256::of(b"app").hex()}}],
        "predicateType": kind,
        "predicate": predicate,
    });
    statement.to_string().into_bytes()
}

fn revocation() -> Vec<u8> {
    statement(REVOCATION, &json!({"kind": "artifact", "reason": "poisoned"}))
}

fn evaluation() -> Vec<u8> {
    let dataset = json!({"digest": {"sha256": "0f".repeat(32)}});
    let measured = json!([{"metric": "accuracy", "value": "0.9"}]);
    let said = json!({"evaluator": {"id": "x"}, "dataset": dataset, "measurements": measured});
    statement(EVALUATION, &said)
}

/// The statement, signed by the builder while the certificate held, or at another time.
fn signed(scene: &Scene, payload: Vec<u8>, at: &str) -> Bundle {
    let envelope = Envelope::sign(IN_TOTO, payload, &[&scene.key]).unwrap();
    let stamp = scene.clock.stamp(&envelope.signatures[0].sig, moment(at)).unwrap();
    bundle_of(&envelope, &scene.chain(), &[stamp])
}

/// A trust file that lets the builder say these.
fn trust(scene: &Scene, clocks: &[&str], types: &[&str], register: &Register) -> Trust {
    trust_in(scene, clocks, types, register, Window::default())
}

fn trust_in(
    scene: &Scene,
    clocks: &[&str],
    types: &[&str],
    register: &Register,
    window: Window,
) -> Trust {
    let mut trust = scene.authority(Usage::CodeSigning, clocks);
    trust.add_log(register.log.signer().verifier()).unwrap();
    let may = May::of(&["*"], types, &["*"], &["*"]).unwrap();
    let (rule, custody) = (rule(NameKind::Uri, Pattern::exact(BUILDER)), Custody::Separate);
    let added =
        trust.add_certified_signer("builder", "corporate", &rule, "ci-team", &may, window, custody);
    added.unwrap();
    trust
}

#[test]
fn a_revocation_without_a_key_is_found_by_following_and_nobody_is_denied_it() {
    let scene = Scene::new();
    let mut register = Register::new();
    let bundle = signed(&scene, revocation(), SIGNED);
    register.carry(&bundle);
    let good = trust(&scene, &["clock"], &[REVOCATION], &register);

    let followed = register.follow(&good).unwrap();
    let [found] = followed.negatives.revocations() else { panic!("{followed:?}") };
    assert_eq!((found.index, found.by.name.as_str()), (0, "builder"));
    assert_eq!(found.body, bundle.envelope.body(), "the statement's own name");
    assert!(followed.negatives.of_artifact(&app()).next().is_some());

    // The smallest changes: somebody who may not revoke, and a body that is kept back.
    let other = trust(&scene, &["clock"], &[EVALUATION], &register);
    assert!(register.follow(&other).unwrap().negatives.revocations().is_empty());
    register.bodies[0] = None;
    let stale = register.follow(&good);
    assert_eq!(stale, Err(FollowError::Stale { count: 1, first: vec![0] }));
    // It may be a revocation, whoever signed it: the leaf does not say.
    assert!(matches!(register.follow(&other), Err(FollowError::Stale { .. })));
    let deaf = trust(&scene, &["clock"], &["https://example.com/test/v1"], &register);
    assert!(register.follow(&deaf).is_ok(), "nobody without a key may say anything negative");
}

#[test]
fn only_a_time_at_which_the_certificate_held_makes_a_revocation() {
    let scene = Scene::new();
    let rows = [
        ("as the certificate begins", FROM, &["clock"][..], 1),
        ("within it", SIGNED, &["clock"], 1),
        ("after it has run out", NOW, &["clock"], 0),
        ("by a clock that the authority has not", SIGNED, &["now"], 0),
    ];
    for (name, at, clocks, want) in rows {
        let mut register = Register::new();
        register.carry(&signed(&scene, revocation(), at));
        let trust = trust(&scene, clocks, &[REVOCATION], &register);
        let followed = register.follow(&trust).unwrap();
        assert_eq!(followed.negatives.revocations().len(), want, "{name}");
    }
    let late = moment(UNTIL);
    assert!(late < moment(NOW));
}

#[test]
fn a_verdict_lasts_no_longer_than_until_a_proven_time_has_come() {
    let scene = Scene::new();
    let mut register = Register::new();
    register.carry(&signed(&scene, evaluation(), SIGNED));
    let envelope = carry(&signed(&scene, evaluation(), SIGNED).to_json()).unwrap();
    let trust = trust(&scene, &["clock"], &[EVALUATION], &register);
    let seconds = |ahead: i64| {
        let second = moment(SIGNED).as_second() - ahead;
        attest::Timestamp::from_second(second).unwrap()
    };
    let found = Bundle { envelope, hint: None, entries: Vec::new(), keyless: None };
    let found = Bundle::parse(&found.to_json()).unwrap();
    let comes = seconds(300);
    // The clocks of two machines may differ by five minutes.
    for (ahead, believed, until) in
        [(301, 0, Some(comes)), (100_000, 0, Some(comes)), (300, 1, None), (0, 1, None)]
    {
        let negatives = verify::Negatives::none();
        let now = seconds(ahead);
        let mut trace = Trace::new(app(), Direction::Up, &trust, &negatives, now);
        trace.supply(app(), vec![found.clone()], None);
        let lineage = trace.finish();
        assert_eq!(lineage.attestations().len(), believed, "{ahead}: {:?}", lineage.rejected());
        assert_eq!(lineage.holds().until, until, "{ahead}");
        assert!(lineage.holds().contains(now), "{ahead}");
    }
}

#[test]
fn an_evaluation_without_a_key_counts_where_it_stands_and_must_be_supplied() {
    let scene = Scene::new();
    let mut register = Register::new();
    let key = SigningKey::from_ed25519_seed(&[3; 32]).unwrap();
    let before = Envelope::sign(IN_TOTO, revocation(), &[&key]).unwrap();
    register.enter(&before, key.public());
    let payload = evaluation();
    let inside = signed(&scene, payload, SIGNED);
    let envelope = register.carry(&inside);
    let trust = trust(&scene, &["clock"], &[EVALUATION], &register);

    let found = register.bundle(1, &envelope);
    let lineage = register.lineage(&trust, std::slice::from_ref(&found));
    let [counts] = lineage.attestations() else { panic!("{:?}", lineage.rejected()) };
    assert_eq!((counts.index, counts.body()), (Some(1), inside.envelope.body()));
    assert_eq!(
        (counts.signers[0].name.as_str(), counts.signers[0].owner.as_str()),
        ("builder", "ci-team")
    );
    assert_eq!(missing(&lineage), 0);

    // Left out of the answer, it is missed.
    let lineage = register.lineage(&trust, &[]);
    assert_eq!(missing(&lineage), 1, "{:?}", lineage.unexplored());

    // Around somebody else's proof, it stands nowhere.
    let mut elsewhere = found.clone();
    elsewhere.entries[0].proof.as_mut().unwrap().index = 0;
    let lineage = register.lineage(&trust, &[elsewhere]);
    assert!(lineage.attestations().is_empty());
    let mut unproven = found;
    unproven.entries.clear();
    let lineage = register.lineage(&trust, &[unproven]);
    assert_eq!(lineage.attestations()[0].index, None);
}

#[test]
fn a_retired_signer_without_a_key_counts_by_place() {
    let scene = Scene::new();
    let mut register = Register::new();
    let inside = signed(&scene, evaluation(), SIGNED);
    let envelope = register.carry(&inside);
    let trust = trust(&scene, &["clock"], &[EVALUATION], &register);
    let found = register.bundle(0, &envelope);
    for (name, before, want) in
        [("kept", Some(1), 1), ("not that far", Some(0), 0), ("no", None, 0)]
    {
        let mut trust = trust.clone();
        let still = before.map(|before| StillCounts { log: ORIGIN.into(), before });
        trust.retire("builder", moment(SIGNED), still).unwrap();
        let trust = Trust::parse(&trust.to_yaml()).unwrap();
        let lineage = register.lineage(&trust, std::slice::from_ref(&found));
        assert_eq!(lineage.attestations().len(), want, "{name}: {:?}", lineage.rejected());
    }
}

#[test]
fn nobody_speaks_by_the_key_that_everybody_has() {
    let scene = Scene::new();
    let register = Register::new();
    let mut trust = trust(&scene, &["clock"], &[EVALUATION], &register);
    let may = May::of(&["*"], &[EVALUATION], &["*"], &[]).unwrap();
    let (window, custody) = (Window::default(), Custody::Shared);
    let key = mark().unwrap();
    assert!(trust.add_key("mark", &key, "x", &may, window, custody).is_err());
    let key = SigningKey::from_ed25519_seed(&[3; 32]).unwrap();
    assert!(trust.add_key("mark", key.public(), "x", &may, window, custody).is_ok());
}
