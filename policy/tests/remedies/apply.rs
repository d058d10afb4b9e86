//! Remedies, done as they say.

use attest::Timestamp;
use fixtures::{Case, EventRecipe, Recipe, Row, Scene, Verdict};
use policy::{Code, Decision, Finding, Means, Outcome, Remedy};
use serde_json::{Value, json};

use super::{Door, holds, is_gone, judged};

/// Whose key no trust file knows.
const STRANGER: &str = "stranger";

/// What came of a remedy.
pub(super) enum Applied {
    /// The finding is gone; whether its rule holds now, too.
    Mended {
        /// Whether it does.
        holds: bool,
    },
    /// It is not, or was gone already without it.
    Left(String),
    /// It says only what a person is to do.
    Nothing,
}

/// Does what the remedy says, and judges again.
pub(super) fn apply(
    case: &Case,
    row: &Row,
    door: Door,
    scene: &Scene,
    finding: &Finding,
    remedy: &Remedy,
) -> Applied {
    let argv: Vec<&str> = remedy.argv.iter().map(String::as_str).collect();
    match (remedy.kind, argv.as_slice()) {
        (Means::Wait, _) => {
            let Some(at) = remedy.at else { return Applied::Nothing };
            let before = at.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap();
            let then = |now: Timestamp| Scene { now, ..again(scene, row) };
            match (gone(&then(at), door, finding), gone(&then(before), door, finding)) {
                (true, false) => weigh(judged(&then(at), door), finding),
                other => Applied::Left(format!("then and a second before: {other:?}")),
            }
        }
        (Means::Ask, ["assay", "check", _, "--stage", stage]) => {
            let changed = Recipe { stage: (*stage).into(), ..row.recipe().clone() };
            let there = row.changed(changed, row.policy().clone());
            match finding.code {
                // Whoever follows the register has seen all of it.
                Code::LogIncomplete | Code::StageUnknown => {
                    weigh(judged(&there.scene(scene.now).unwrap(), Door::Registered), finding)
                }
                // From a source that leaves nothing out.
                _ => {
                    let mut recipe = row.recipe().clone();
                    for event in &mut recipe.evidence {
                        (event.hidden, event.body_gone) = (false, false);
                    }
                    let row = row.changed(recipe, row.policy().clone());
                    weigh(judged(&row.scene(scene.now).unwrap(), door), finding)
                }
            }
        }
        (Means::Command, ["assay", "promote", _, "--stage", stage]) => {
            let gate = row.recipe().keys.iter().find(|(_, key)| key.verifier.is_some());
            let Some((gate, _)) = gate else { return Applied::Left("no gate".into()) };
            let about = subject(row);
            let event = json!({"id": "remedy", "sign": gate, "says": "summary", "about": about, "stage": stage, "at": "-0h"});
            then(row, door, scene, finding, vec![event])
        }
        (Means::Command, ["assay", "attest", "cosign", _, ..]) => {
            let Some(id) = id_of(scene, finding) else { return Applied::Left("no entry".into()) };
            let signers = signers(row, remedy);
            let event = json!({"id": "remedy", "sign": signers, "same-body-as": id});
            then(row, door, scene, finding, vec![event])
        }
        (Means::Command, ["assay", "attest", "reinstatement", "--revocation", ..]) => {
            let Some(id) = id_of(scene, finding) else { return Applied::Left("no entry".into()) };
            let event = |sign: &[String]| json!({"id": "remedy", "sign": sign, "says": "reinstatement", "at": "-0h", "about": format!("{id} is body:{id}")});
            let owners = signers(row, remedy);
            let applied = then(row, door, scene, finding, vec![event(&owners)]);
            let (_, fewer) = owners.split_last().unwrap();
            let too_few = judged(&with(row, vec![event(fewer)]).scene(scene.now).unwrap(), door);
            match too_few {
                Some(decision) if is_gone(&decision, finding) => {
                    Applied::Left("fewer owners do".into())
                }
                _ => applied,
            }
        }
        (Means::Command, ["assay", "log", "submit", ..]) => {
            let mut recipe = row.recipe().clone();
            for event in &mut recipe.evidence {
                event.log = serde_json::from_value(json!("trusted")).unwrap();
            }
            let row = row.changed(recipe, row.policy().clone());
            weigh(judged(&row.scene(scene.now).unwrap(), door), finding)
        }
        (Means::Command, ["assay", "revoke", "--attestation", ..]) => {
            let revokers = row.recipe().keys.iter();
            let mut revokers =
                revokers.filter(|(_, key)| key.predicates.iter().any(|one| one == "revocation"));
            let Some((revoker, _)) = revokers.next() else { return Applied::Nothing };
            // Whichever of the two is wrong.
            let mended = finding.evidence.iter().take(2).find_map(|body| {
                let one = scene.evidence.iter().find(|one| one.body == *body)?;
                let about = format!("{body} is body:{}", one.id);
                let event = json!({"id": "remedy", "sign": revoker, "says": "revocation", "about": about, "revokes": "attestation", "effect": "SUBJECT_ONLY"});
                let decision = judged(&with(row, vec![event]).scene(scene.now).unwrap(), door)?;
                is_gone(&decision, finding).then_some(decision)
            });
            weigh(mended, finding)
        }
        (Means::Run | Means::Statement, _) => match &remedy.skeleton {
            Some(skeleton) => {
                let statement = skeleton.filled(|one| one.suffices.clone());
                signed(row, door, scene, finding, remedy, &statement)
            }
            None => Applied::Left("no skeleton".into()),
        },
        // Another artifact of the same line, made as it must be.
        (Means::Anew, _) => {
            let good = case.rows.iter().find(|row| {
                let outcome = row.registered.as_ref();
                outcome.is_some_and(|one| one.verdict == Verdict::Allowed)
            });
            match good {
                Some(good) => {
                    weigh(judged(&good.scene(scene.now).unwrap(), Door::Registered), finding)
                }
                None => Applied::Nothing,
            }
        }
        (Means::Policy, _) if !row.without.is_empty() => {
            weigh(judged(&row.scene_without(scene.now).unwrap(), door), finding)
        }
        (Means::Trust, _) if finding.code == Code::TrustExpired => {
            let recipe = Recipe { local: false, governance: None, ..row.recipe().clone() };
            let row = row.changed(recipe, row.policy().clone());
            weigh(judged(&row.scene(scene.now).unwrap(), door), finding)
        }
        _ => Applied::Nothing,
    }
}

/// Whether a waiver of the finding, asked for by the command that the remedy names and approved by
/// somebody else, is accepted where the policy accepts any.
pub(super) fn excepted(row: &Row, door: Door, now: Timestamp, finding: &Finding) -> bool {
    let mut policy = row.policy().clone();
    policy["waivers"] = json!({"maxLife": "30d", "approvers": ["approver"]});
    let mut recipe = row.recipe().clone();
    for name in ["asker", "approver"] {
        let key = json!({"predicates": ["waiver"], "artifacts": ["*", "*/*"]});
        recipe.keys.insert(name.into(), serde_json::from_value(key).unwrap());
    }
    if policy.pointer("/trust/signers").is_some() {
        policy["trust"]["signers"]["asker"] = json!({});
        policy["trust"]["signers"]["approver"] = json!({});
    }
    let row = row.changed(recipe, policy);
    let scene = row.scene(now).unwrap();
    let Some(decision) = judged(&scene, door) else { return false };
    let found = decision.findings().iter().find(|one| is_same(one, finding));
    let Some(found) = found else { return false };
    let argv = &found.remedy.as_ref().unwrap().waiver;
    if argv.is_empty() {
        return false;
    }
    let said = |option: &str| {
        let at = argv.iter().position(|word| word == option).unwrap();
        argv[at + 1].clone()
    };
    assert_eq!(argv[..3], ["assay", "attest", "waiver"]);
    let Remedy { approval, approvers, .. } = found.remedy.as_ref().unwrap();
    assert_eq!(approval[..3], ["assay", "attest", "cosign"]);
    assert_eq!(
        (&approval[4..], approvers.as_slice()),
        (&["--key".into(), "approver".into()][..], &["approver".into()][..])
    );
    assert_eq!(said("--subject"), scene.artifact.to_string());
    let digest = attest::Sha256::of(scene.policy.as_bytes()).to_string();
    assert_eq!(said("--policy"), digest);
    let event = json!({
        "id": "waiver", "sign": ["asker", "approver"], "says": "waiver", "about": subject(&row),
        "stage": said("--stage"), "rule": said("--rule"), "finding": said("--finding"),
        "at": "-0h", "until": format!("+{}", said("--expires")),
    });
    let Some(decision) = judged(&with(&row, vec![event]).scene(now).unwrap(), door) else {
        return false;
    };
    let found = decision.findings().iter().find(|one| is_same(one, finding));
    found.is_some_and(|one| one.outcome == Outcome::Waived)
}

fn is_same(one: &Finding, other: &Finding) -> bool {
    one.rule == other.rule && one.code == other.code && one.artifacts == other.artifacts
}

/// Signs and registers a statement; by somebody who is not trusted it changes nothing.
fn signed(
    row: &Row,
    door: Door,
    scene: &Scene,
    finding: &Finding,
    remedy: &Remedy,
    statement: &Value,
) -> Applied {
    let event = |sign: &[String]| json!({"id": "remedy", "sign": sign, "statement": statement});
    let after = |sign: &[String]| {
        let row = with(row, vec![event(sign)]);
        let scene = row.scene(scene.now).unwrap();
        judged(&scene, door)
    };
    let by_a_stranger = after(&[STRANGER.into()]);
    if by_a_stranger.is_some_and(|decision| is_gone(&decision, finding)) {
        return Applied::Left("anybody's word does".into());
    }
    let candidates = match remedy.signers.is_empty() {
        false => vec![signers(row, remedy)],
        // Whoever the trust file lets.
        true => trusted(row).map(|name| vec![name]).collect(),
    };
    let mut why = "nobody may sign it".to_owned();
    for sign in candidates {
        let Some(decision) = after(&sign) else { continue };
        if is_gone(&decision, finding) {
            return weigh(Some(decision), finding);
        }
        let found = decision.findings().iter().find(|one| one.rule == finding.rule);
        let message = found.map(|one| one.message.as_str()).unwrap_or_default();
        why = format!("by {sign:?}: {message}");
    }
    Applied::Left(why)
}

/// As many signers of different owners as must sign.
fn signers(row: &Row, remedy: &Remedy) -> Vec<String> {
    let keys = &row.recipe().keys;
    let owner = |name: &String| keys.get(name).and_then(|key| key.owner.clone());
    let mut owners = Vec::new();
    let all: Vec<String> = match remedy.signers.is_empty() {
        true => trusted(row).collect(),
        false => remedy.signers.clone(),
    };
    let mut chosen = Vec::new();
    for name in all {
        let owner = owner(&name).unwrap_or_else(|| name.clone());
        if chosen.len() < remedy.owners && !owners.contains(&owner) && keys.contains_key(&name) {
            owners.push(owner);
            chosen.push(name);
        }
    }
    chosen
}

fn trusted(row: &Row) -> impl Iterator<Item = String> {
    row.recipe().keys.iter().filter(|(_, key)| key.trusted).map(|(name, _)| name.clone())
}

fn then(row: &Row, door: Door, scene: &Scene, finding: &Finding, events: Vec<Value>) -> Applied {
    weigh(judged(&with(row, events).scene(scene.now).unwrap(), door), finding)
}

fn with(row: &Row, events: Vec<Value>) -> Row {
    let mut recipe = row.recipe().clone();
    let stranger = json!({"trusted": false});
    recipe.keys.insert(STRANGER.into(), serde_json::from_value(stranger).unwrap());
    let events = events.into_iter().map(serde_json::from_value::<EventRecipe>);
    recipe.evidence.extend(events.map(Result::unwrap));
    row.changed(recipe, row.policy().clone())
}

fn gone(scene: &Scene, door: Door, finding: &Finding) -> bool {
    judged(scene, door).is_some_and(|decision| is_gone(&decision, finding))
}

fn again(scene: &Scene, row: &Row) -> Scene {
    row.scene(scene.now).unwrap()
}

fn weigh(decision: Option<Decision>, finding: &Finding) -> Applied {
    let Some(decision) = decision else { return Applied::Left("undecided".into()) };
    match is_gone(&decision, finding) {
        true => Applied::Mended { holds: holds(&decision, finding) },
        false => Applied::Left(finding.message.clone()),
    }
}

/// The artifact that is asked about, as an event names it.
fn subject(row: &Row) -> String {
    let artifact = &row.recipe().artifact;
    let name = artifact.split_once(':').map_or(artifact.as_str(), |(_, name)| name);
    format!("{name} is {artifact}")
}

fn id_of(scene: &Scene, finding: &Finding) -> Option<String> {
    let body = finding.evidence.last()?;
    scene.evidence.iter().find(|one| one.body == *body).map(|one| one.id.clone())
}
