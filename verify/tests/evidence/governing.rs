//! Trust documents and activations in a log: which of them count, from which leaf on, and for whom
//! that reads the leaves.

use attest::envelope::IN_TOTO;
use attest::predicate::{
    Document, PolicyActivation, PolicyVersion, REVOCATION, Revocation, RevocationEffect,
    RevocationKind, TrustVersion,
};
use attest::{
    ArtifactId, Checkpoint, Envelope, Leaf, NoteSigner, Predicate, ResourceDescriptor, Sha256,
    SigningKey, StageName, Statement, Timestamp,
};
use verify::merkle::{Tree, leaf_hash};
use verify::{
    Custody, Duty, FollowError, Followed, Follower, Governance, May, Role, Trust, VersionError,
    Window, read_version,
};

const ORIGIN: &str = "assay.local/0";

/// The key of a person, and of the log.
fn key(name: &str) -> SigningKey {
    SigningKey::from_ed25519_seed(Sha256::of(name.as_bytes()).as_bytes()).unwrap()
}

fn log_signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, key("log")).unwrap()
}

fn until() -> Timestamp {
    "2027-11-26T00:00:00Z".parse().unwrap()
}

/// What a version of the document says: its trust owners with their threshold, its policy owners
/// with theirs, who may revoke.
#[derive(Clone)]
struct Says {
    owners: &'static [&'static str],
    threshold: usize,
    policy: &'static [&'static str],
    revokers: &'static [&'static str],
}

const TWO: Says =
    Says { owners: &["ana", "ben", "cem"], threshold: 2, policy: &["pia"], revokers: &["rex"] };

fn document(version: u64, previous: Option<&Trust>, says: &Says) -> Trust {
    let mut trust = Trust::empty();
    let mut add = |name: &str, predicates: &[&str]| {
        let may = May::of(&[], predicates, &["*"], &[]).unwrap();
        let key = key(name);
        let (window, custody) = (Window::default(), Custody::Separate);
        // One person has several names here, and is one owner.
        let owner = name.trim_end_matches('2');
        trust.add_key(name, key.public(), owner, &may, window, custody).unwrap();
    };
    says.owners.iter().chain(says.policy).for_each(|name| add(name, &[]));
    says.revokers.iter().for_each(|name| add(name, &[REVOCATION]));
    trust.add_log(log_signer().verifier()).unwrap();
    let owners = Role::new(Duty::Trust, says.owners, says.threshold, &[], &[], &trust).unwrap();
    let policy = Role::new(Duty::Policy, says.policy, 1, &["*"], &["models"], &trust).unwrap();
    let previous = previous.map(Trust::digest);
    let roles = vec![owners, policy];
    let governance = Governance::new(version, until(), previous, roles, &trust).unwrap();
    trust.govern(governance).unwrap();
    trust
}

fn statement(digest: Sha256, predicate: Predicate) -> Statement {
    let subject = vec![ResourceDescriptor::of("document", &ArtifactId::file(digest))];
    Statement { subject, predicate }
}

fn proposal(trust: &Trust) -> Statement {
    proposal_as(trust, |_| {})
}

fn proposal_as(trust: &Trust, edit: impl FnOnce(&mut TrustVersion)) -> Statement {
    let governance = trust.governance().unwrap();
    let mut said = TrustVersion {
        version: governance.version(),
        expires_on: governance.expires(),
        previous: governance.previous(),
        document: Document::new(trust.to_yaml()),
        proposed_on: None,
    };
    edit(&mut said);
    statement(trust.digest(), Predicate::TrustVersion(Box::new(said)))
}

fn policy(text: &str) -> Statement {
    policy_with(text, Vec::new())
}

fn policy_with(text: &str, files: Vec<Document>) -> Statement {
    let said = PolicyVersion {
        name: "models".into(),
        version: 1,
        document: Document::new(text),
        files,
        proposed_on: None,
    };
    statement(Sha256::of(text.as_bytes()), Predicate::PolicyVersion(Box::new(said)))
}

fn activation(text: &str, sequence: u64, accept_previous: u64) -> Statement {
    let policy = Sha256::of(text.as_bytes());
    let stages = vec!["production".to_owned()];
    let said = PolicyActivation { policy, stages, sequence, accept_previous, activated_on: None };
    statement(policy, Predicate::PolicyActivation(said))
}

fn revocation(subject: Sha256, kind: RevocationKind) -> Statement {
    let said = Revocation {
        revoker: None,
        revoked_on: None,
        kind,
        reason: String::new(),
        effect: RevocationEffect::SubjectOnly,
        from_entry: None,
        description: None,
    };
    statement(subject, Predicate::Revocation(said))
}

fn of_key(name: &str) -> Statement {
    revocation(key(name).public().id().digest(), RevocationKind::Key)
}

/// A log in the making.
#[derive(Clone, Default)]
struct Log(Vec<(Leaf, Vec<u8>)>);

impl Log {
    /// Each of `names` signs, in a leaf of its own.
    fn signed(mut self, statement: &Statement, names: &[&str]) -> Self {
        for name in names {
            let key = key(name);
            let payload = statement.to_json().unwrap();
            let envelope = Envelope::sign(IN_TOTO, payload, &[&key]).unwrap();
            let leaf = Leaf::of(&envelope.pae(), &envelope.signatures[0].sig, key.public());
            self.0.push((leaf, envelope.pae()));
        }
        self
    }

    fn note(&self) -> String {
        let tree: Tree = self.0.iter().map(|(leaf, _)| leaf_hash(leaf.bytes())).collect();
        let (size, root) = (self.0.len() as u64, tree.root());
        let text = Checkpoint { origin: ORIGIN.into(), size, root }.to_string();
        log_signer().sign(&text).unwrap().to_string()
    }

    fn read(&self, mut follower: Follower, begun: &Trust) -> Result<Followed, FollowError> {
        for (index, (leaf, pae)) in self.0.iter().enumerate() {
            follower.leaf(index as u64, leaf.bytes(), Some(pae))?;
        }
        match follower.finish(&self.note(), begun) {
            Err(FollowError::Superseded { .. }) => self.read(follower.again()?, begun),
            ended => ended,
        }
    }

    fn follow(&self, begun: &Trust) -> Followed {
        self.read(Follower::new(ORIGIN, begun).unwrap(), begun).unwrap()
    }

    /// The version in force for who begins with `begun`.
    fn version(&self, begun: &Trust) -> u64 {
        self.follow(begun).trust().governance().unwrap().version()
    }
}

#[test]
fn the_next_version_counts_when_the_owners_of_both_have_signed_it() {
    let one = document(1, None, &TWO);
    let two = document(2, Some(&one), &TWO);
    let handed_over = Says { owners: &["dee", "eva"], ..TWO };
    let theirs = document(2, Some(&one), &handed_over);
    let mixed = document(2, Some(&one), &Says { owners: &["ben", "dee"], ..TWO });
    let same_person = document(1, None, &Says { owners: &["ana", "ana2", "ben"], ..TWO });
    let after_same = document(2, Some(&same_person), &TWO);
    let cases: [(&str, &Trust, &Trust, &[&str], u64); 14] = [
        ("by the threshold", &one, &two, &["ana", "ben"], 2),
        ("in any order", &one, &two, &["cem", "ana"], 2),
        ("by more", &one, &two, &["ana", "ben", "cem"], 2),
        ("by one fewer", &one, &two, &["ana"], 1),
        ("by one of them twice", &one, &two, &["ana", "ana"], 1),
        ("by one of them and a stranger", &one, &two, &["ana", "zoe"], 1),
        ("by one of them and a policy owner", &one, &two, &["ana", "pia"], 1),
        ("by nobody of the next one", &one, &theirs, &["ana", "ben"], 1),
        ("by nobody of this one", &one, &theirs, &["dee", "eva"], 1),
        ("by both", &one, &theirs, &["ana", "ben", "dee", "eva"], 2),
        ("by a new owner before any other has", &one, &theirs, &["dee", "ana", "ben", "eva"], 1),
        ("by one who owns both and one of each", &one, &mixed, &["ben", "ana", "dee"], 2),
        ("by one person with two keys", &same_person, &after_same, &["ana", "ana2"], 1),
        ("by that one and another", &same_person, &after_same, &["ana", "ana2", "ben"], 2),
    ];
    for (name, begun, next, signers, want) in cases {
        let log = Log::default().signed(&proposal(next), signers);
        assert_eq!(log.version(begun), want, "{name}");
    }
}

#[test]
fn versions_come_in_their_order_and_never_back() {
    let one = document(1, None, &TWO);
    let two = document(2, Some(&one), &TWO);
    let three = document(3, Some(&two), &TWO);
    let another = document(2, Some(&one), &Says { revokers: &["rex", "roy"], ..TWO });
    let owners = ["ana", "ben"];
    let log = Log::default();
    let chain = log.signed(&proposal(&two), &owners).signed(&proposal(&three), &owners);
    assert_eq!(chain.version(&one), 3);
    assert_eq!(chain.version(&two), 3, "whoever begins with a later version gets to the same");
    assert_eq!(chain.version(&three), 3);
    let back = chain.clone().signed(&proposal(&two), &["cem"]).signed(&proposal(&another), &owners);
    assert_eq!(back.follow(&one).trust(), chain.follow(&one).trust(), "not back, not beside");

    let skipped = Log::default().signed(&proposal(&three), &owners);
    assert_eq!(skipped.version(&one), 1, "not over one that is missing");
    assert_eq!(skipped.version(&another), 2, "not after one that it does not name");
    // The first that has its signatures counts; what was signed for the other no longer does.
    let race = Log::default()
        .signed(&proposal(&two), &["ana"])
        .signed(&proposal(&another), &["ana", "ben"])
        .signed(&proposal(&two), &["ben"]);
    assert_eq!(race.follow(&one).trust().digest(), another.digest());
}

#[test]
fn a_statement_that_says_otherwise_than_its_document_is_none() {
    let one = document(1, None, &TWO);
    let two = document(2, Some(&one), &TWO);
    assert!(read_version(&proposal(&two), ORIGIN).is_ok());
    type Edit = fn(&mut TrustVersion);
    let edits: [(&str, Edit); 5] = [
        ("version", |said| said.version = 3),
        ("expiresOn", |said| said.expires_on = "2029-01-01T00:00:00Z".parse().unwrap()),
        ("previous", |said| said.previous = None),
        ("text", |said| said.document = Document::new("kind: Trust\n")),
        ("ungoverned", |said| {
            said.document = Document::new(Trust::empty().to_yaml());
        }),
    ];
    for (name, edit) in edits {
        let statement = proposal_as(&two, edit);
        assert!(read_version(&statement, ORIGIN).is_err(), "{name}");
        let log = Log::default().signed(&statement, &["ana", "ben"]);
        assert_eq!(log.version(&one), 1, "{name}");
    }
    let elsewhere = read_version(&proposal(&two), "elsewhere");
    assert_eq!(elsewhere, Err(VersionError::NoLog("elsewhere".into())));
}

#[test]
fn files_come_with_a_policy_or_after_it_and_are_what_their_digests_say() {
    let begun = document(1, None, &TWO);
    let (file, digest) = (Document::new("package assay"), Sha256::of(b"package assay"));
    let forged = serde_json::json!({"digest": digest, "text": "package other"});
    let forged: Document = serde_json::from_value(forged).unwrap();
    /// Who registers the policy, with which files.
    type Said = Vec<(Vec<Document>, &'static str)>;
    let cases: [(&str, Said, bool); 6] = [
        ("with it", vec![(vec![file.clone()], "pia")], true),
        ("without it", vec![(vec![], "pia")], false),
        ("of another text", vec![(vec![forged.clone()], "pia")], false),
        ("by nobody who owns policies", vec![(vec![], "pia"), (vec![file.clone()], "ana")], false),
        ("after it", vec![(vec![], "pia"), (vec![file.clone()], "pia")], true),
        ("after one of another text", vec![(vec![forged], "pia"), (vec![file], "pia")], true),
    ];
    for (name, said, want) in cases {
        let said = said.into_iter();
        let log = said.fold(Log::default(), |log, (files, signer)| {
            log.signed(&policy_with("kind: PromotionPolicy", files), &[signer])
        });
        let followed = log.follow(&begun);
        let policy = followed.governing.activations();
        let policy = policy.policy(&Sha256::of(b"kind: PromotionPolicy")).unwrap();
        let want = want.then_some("package assay");
        assert_eq!(policy.file(&digest), want, "{name}");
    }
}

#[test]
fn a_file_that_is_only_its_keepers_is_governed_by_nobody() {
    let two = document(2, Some(&document(1, None, &TWO)), &TWO);
    let mut file = Trust::empty();
    for name in TWO.owners {
        let (may, window) = (May::default(), Window::default());
        file.add_key(name, key(name).public(), name, &may, window, Custody::Separate).unwrap();
    }
    file.add_log(log_signer().verifier()).unwrap();
    let log = Log::default().signed(&proposal(&two), &["ana", "ben"]);
    let followed = log.follow(&file);
    assert_eq!(followed.trust().digest(), file.digest());
    assert!(followed.governing.versions().is_empty());
}

#[test]
fn a_revoked_owner_counts_no_longer_and_a_revocation_outlives_its_revoker() {
    let one = document(1, None, &TWO);
    let no_rex = document(2, Some(&one), &Says { revokers: &["roy"], ..TWO });
    let owners = ["ana", "ben"];
    // Before the revocation, and after it.
    let before =
        Log::default().signed(&proposal(&no_rex), &owners).signed(&of_key("ben"), &["rex"]);
    assert_eq!(before.version(&one), 2);
    let after = Log::default().signed(&of_key("ben"), &["rex"]).signed(&proposal(&no_rex), &owners);
    assert_eq!(after.version(&one), 1);
    let by_nobody =
        Log::default().signed(&of_key("ben"), &["roy"]).signed(&proposal(&no_rex), &owners);
    assert_eq!(by_nobody.version(&one), 2, "who may revoke only later revoked no owner before");

    let artifact = Sha256::of(b"model");
    let bad = revocation(artifact, RevocationKind::Artifact);
    let cases: [(&str, Log, bool); 4] = [
        ("by whom the document let then", Log::default().signed(&bad, &["rex"]), true),
        (
            "by whom it no longer lets",
            Log::default().signed(&proposal(&no_rex), &owners).signed(&bad, &["rex"]),
            false,
        ),
        ("by whom it lets only now", Log::default().signed(&bad, &["roy"]), true),
        ("by nobody", Log::default().signed(&bad, &["zoe"]), false),
    ];
    for (name, log, revoked) in cases {
        let log = match log.version(&one) {
            1 => log.signed(&proposal(&no_rex), &owners),
            _ => log,
        };
        let followed = log.follow(&one);
        assert_eq!(followed.trust().digest(), no_rex.digest(), "{name}");
        let found = followed.negatives.of_artifact(&ArtifactId::file(artifact)).next();
        assert_eq!(found.is_some(), revoked, "{name}");
    }
}

#[test]
fn nobody_is_answered_by_a_document_that_was_superseded() {
    let one = document(1, None, &TWO);
    let two = document(2, Some(&one), &TWO);
    let log = Log::default().signed(&proposal(&two), &["ana", "ben"]);
    let mut follower = Follower::new(ORIGIN, &one).unwrap();
    for (index, (leaf, pae)) in log.0.iter().enumerate() {
        follower.leaf(index as u64, leaf.bytes(), Some(pae)).unwrap();
    }
    let ended = follower.finish(&log.note(), &one);
    assert_eq!(ended, Err(FollowError::Superseded { version: 2 }));
    // A leaf of an owner whose statement is kept back may be a newer document.
    let mut follower = Follower::new(ORIGIN, &one).unwrap();
    for (index, (leaf, _)) in log.0.iter().enumerate() {
        follower.leaf(index as u64, leaf.bytes(), None).unwrap();
    }
    let ended = follower.finish(&log.note(), &one);
    assert!(matches!(ended, Err(FollowError::Stale { count: 2, .. })), "{ended:?}");
}

#[test]
fn policies_judge_by_activations_with_rising_numbers() {
    let begun = document(1, None, &TWO);
    let stage: StageName = "production".parse().unwrap();
    let (a, b) = ("kind: a\n", "kind: b\n");
    let known = Log::default().signed(&policy(a), &["pia"]).signed(&policy(b), &["pia"]);
    let active = |log: &Log| {
        let followed = log.follow(&begun);
        let found = followed.governing.activations().active(&stage);
        found.map(|(active, text)| (active.sequence, text.text.clone()))
    };
    let on = |log: Log, text, sequence| log.signed(&activation(text, sequence, 0), &["pia"]);
    assert_eq!(active(&known), None);
    let first = on(known.clone(), a, 1);
    assert_eq!(active(&first), Some((1, a.into())));
    assert_eq!(active(&on(first.clone(), b, 2)), Some((2, b.into())));
    assert_eq!(active(&on(first.clone(), b, 1)), Some((1, a.into())), "not the same number");
    let back = on(on(first.clone(), b, 2), a, 3);
    assert_eq!(active(&back), Some((3, a.into())), "going back is an activation");
    assert_eq!(active(&on(back, b, 2)), Some((3, a.into())), "an old one does not count again");
    let stranger = known.clone().signed(&activation(a, 1, 0), &["ana", "ben"]);
    assert_eq!(active(&stranger), None, "owners of the trust document own no policies");
    assert_eq!(active(&on(Log::default(), a, 1)), None, "a policy whose text nobody has");

    // Where each verdict stands, and whether it counts.
    let log = on(on(known.clone(), a, 1), b, 2);
    let digest = |text: &str| Sha256::of(text.as_bytes());
    let count = |log: &Log, text: &str, index: u64| {
        log.follow(&begun).governing.activations().counts(&stage, &digest(text), index)
    };
    let rows: [(&str, u64, bool); 6] = [
        (a, 2, false), // before there was one
        (a, 3, false), // while it was active, which the next does not accept
        (b, 3, false), // before it was active
        (a, 4, false),
        (b, 4, true),
        (b, 9, true),
    ];
    for (text, index, want) in rows {
        assert_eq!(count(&log, text, index), Some(want), "{text} at {index}");
    }
    let lenient = on(known, a, 1).signed(&activation(b, 2, 1), &["pia"]);
    assert_eq!(count(&lenient, a, 3), Some(true), "the one before is accepted still");
    assert_eq!(count(&lenient, a, 2), Some(false));
    assert_eq!(count(&lenient, b, 3), Some(false));
    for (name, want) in [("staging", None), ("production", Some(true))] {
        let followed = lenient.follow(&begun);
        let stage: StageName = name.parse().unwrap();
        assert_eq!(followed.governing.activations().counts(&stage, &digest(b), 9), want, "{name}");
    }
}

/// A trust file with this section.
fn governed(section: &str) -> Result<Trust, String> {
    let spki = |name: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(key(name).public().der())
    };
    let text = format!(
        "apiVersion: assay/v1\nkind: Trust\ngovernance: {section}\nkeys:\n  - {{id: ana, spki: {}, owner: \
         ana}}\n  - {{id: ana2, spki: {}, owner: ana}}\n  - {{id: ben, spki: {}, owner: ben}}\n",
        spki("ana"),
        spki("ana2"),
        spki("ben"),
    );
    Trust::parse(&text).map_err(|error| error.to_string())
}

#[test]
fn the_owners_of_documents_are_those_of_the_roles_that_reach_them() {
    let roles = "{role: trust, keys: [ana, ana2], threshold: 1}, {role: policy, keys: [ben], \
                 threshold: 1, stages: [staging], policies: ['b*']}";
    let section = format!("{{version: 1, expires: 2027-01-01T00:00:00Z, roles: [{roles}]}}");
    let trust = governed(&section).unwrap();
    let governance = trust.governance().unwrap();
    assert_eq!(governance.trust_owners().into_iter().collect::<Vec<_>>(), ["ana"]);
    let cases: [(&str, &str, &[&str]); 3] =
        [("base", "staging", &["ben"]), ("other", "staging", &[]), ("base", "production", &[])];
    for (name, stage, owners) in cases {
        let found = governance.policy_owners(name, &stage.parse().unwrap());
        assert_eq!(found.into_iter().collect::<Vec<_>>(), owners, "{name} at {stage}");
    }
}

#[test]
fn what_a_document_says_of_itself_must_make_sense() {
    let trust = "{role: trust, keys: [ana, ben], threshold: 2}";
    let good = format!("{{version: 1, expires: 2027-01-01T00:00:00Z, roles: [{trust}]}}");
    let found = governed(&good).unwrap();
    assert_eq!(Trust::parse(&found.to_yaml()).unwrap().to_yaml(), found.to_yaml());
    let with = |role: &str| good.replace(trust, &format!("{trust}, {role}"));
    for role in [
        "{role: policy, keys: [ana], threshold: 1, stages: ['*'], policies: ['*']}",
        "{role: policy, keys: [ana], threshold: 1, stages: [production], policies: [models, 'b*']}",
        "{role: gate, keys: [ana, ben], threshold: 2, stages: [production]}",
    ] {
        assert!(governed(&with(role)).is_ok(), "{role}: {:?}", governed(&with(role)).err());
    }
    let digest = Sha256::of(b"before").to_string();
    let later = good.replace("version: 1", &format!("version: 2, previous: '{digest}'"));
    assert!(governed(&later).is_ok());
    let wrong = [
        (good.replace("version: 1", "version: 0"), "the first version is 1"),
        (good.replace("version: 1", "version: 2"), "it is missing"),
        (later.replace("version: 2", "version: 1"), "version 1 has none"),
        (good.replace("expires: 2027-01-01T00:00:00Z, ", ""), "missing field"),
        (good.replace("role: trust", "role: king"), "unknown variant"),
        (good.replace("threshold: 2", "threshold: 0"), "threshold of the role `trust` is 0"),
        (good.replace("threshold: 2", "threshold: 3"), "its keys have 2 owners"),
        (good.replace("[ana, ben]", "[ana, ana2]"), "its keys have 1 owners"),
        (good.replace("[ana, ben]", "[ana, zoe]"), "names the key `zoe`"),
        (good.replace(trust, ""), "no role is for `trust`"),
        (good.replace("threshold: 2", "threshold: 2, stages: [x]"), "for the whole document"),
        (with("{role: policy, keys: [ana], threshold: 1, stages: ['*']}"), "needs `stages` and"),
        (with("{role: gate, keys: [ana], threshold: 1}"), "needs `stages`"),
        (
            with("{role: gate, keys: [ana], threshold: 1, stages: [Production]}"),
            "no name of a stage",
        ),
        (
            with("{role: policy, keys: [ana], threshold: 1, stages: ['*'], policies: ['[']}"),
            "pattern `[`",
        ),
        (good.replace("roles:", "rolls:"), "unknown field `rolls`"),
    ];
    for (section, says) in wrong {
        let found = governed(&section).err().unwrap_or_default();
        assert!(found.contains(says), "{section}: `{says}` is not in: {found}");
    }
}
