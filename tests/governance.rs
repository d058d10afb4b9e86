//! Trust and policy with owners, as those meet them who decide and those who only believe: by the
//! command, over a service, on another machine (THREATS 6, 21, 25, 31).
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod reviewed;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use reviewed::{POLICY, assay, command};
use serde_json::Value;

fn json(folder: &Path, words: &str, status: i32) -> Value {
    serde_json::from_str(&assay(folder, &format!("{words} --json"), status, "")).unwrap()
}

/// A folder with a reviewed model, and a trust file with three people beside the key `local`.
fn folder() -> tempfile::TempDir {
    let folder = reviewed::folder();
    let at = folder.path();
    fs::write(at.join("policy.yaml"), POLICY).unwrap();
    for name in ["ana", "ben", "pia"] {
        assay(at, &format!("key generate {name}"), 0, "");
        assay(at, &format!("trust add {name} --name {name} --owner {name}"), 0, "");
    }
    folder
}

/// The same, governed by two of two, with one owner of policies.
fn governed() -> tempfile::TempDir {
    let folder = folder();
    let init = "trust init --owner ana --owner ben --threshold 2 --policy-owner pia";
    assay(folder.path(), init, 0, "assay-join:");
    folder
}

/// Writes the document in force, changed by `change`, and has it signed by these.
fn propose(at: &Path, name: &str, change: &str, signers: &[&str]) -> String {
    let document = assay(at, "trust show --document", 0, "governance:");
    fs::write(at.join("next.yaml"), document).unwrap();
    if !change.is_empty() {
        assay(at, &format!("{change} --trust next.yaml"), 0, "");
    }
    assay(at, &format!("trust propose next.yaml --output {name}"), 0, "draft of version");
    for signer in signers {
        assay(at, &format!("trust sign {name} --key {signer}"), 0, "signed");
    }
    format!("trust activate {name}")
}

/// Has the policy in a file judge for a stage.
fn activate(at: &Path, file: &str, draft: &str) {
    assay(at, &format!("policy publish {file} --key pia"), 0, "registered");
    let propose = format!("policy propose {file} --stage staging --output {draft}");
    assay(at, &propose, 0, "draft");
    assay(at, &format!("policy activate {draft}"), 1, "not yet: pia");
    assay(at, &format!("policy sign {draft} --key pia"), 0, "signed");
    assay(at, &format!("policy activate {draft}"), 0, "active");
}

/// A service on the folder, which ends with this.
struct Service {
    child: Child,
    url: String,
}

impl Service {
    fn of(at: &Path, more: &str) -> Self {
        let listening = at.join("listening.txt");
        let words = format!("serve --listen 127.0.0.1:0{more}");
        let mut child = command(at, &words);
        child.stdout(fs::File::create(&listening).unwrap()).stderr(Stdio::null());
        let mut service = Self { child: child.spawn().unwrap(), url: String::new() };
        for _ in 0..3000 {
            let text = fs::read_to_string(&listening).unwrap();
            if let Some(url) = text.trim().strip_prefix("listening on ") {
                service.url = url.into();
                break;
            }
            sleep(Duration::from_millis(20));
        }
        assert!(!service.url.is_empty(), "it does not listen");
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

#[test]
fn a_version_counts_when_enough_owners_have_signed_it() {
    let folder = governed();
    let at = folder.path();
    assay(at, "trust add pia --name again --owner pia", 2, "which its owners change");
    assay(at, "trust retire pia", 2, "which its owners change");
    let activate = propose(at, "two.json", "trust add pia --name again --owner pia", &["ana"]);
    let few = json(at, &activate, 1);
    assert_eq!(few["agreements"][0]["missing"], serde_json::json!(["ben"]), "{few}");
    assay(at, "trust sign two.json --key pia", 2, "no owner's who decides");
    // Signed on a copy by somebody else.
    fs::copy(at.join("two.json"), at.join("copy.json")).unwrap();
    assay(at, "trust sign copy.json --key ben", 0, "2 of 2");
    assay(at, "trust activate two.json copy.json", 0, "in force");
    let history = json(at, "trust history", 0);
    let two = &history["versions"][1];
    assert_eq!((&two["number"], two["changes"].as_array().unwrap().len()), (&2.into(), 1));
    assay(at, "trust list", 0, "again");
    assay(at, "trust activate two.json copy.json", 2, "does not follow");
    let report = json(at, "check model.bin --stage staging --policy policy.yaml", 0);
    let shown = json(at, "trust show", 0);
    assert_eq!(report["trust"], shown["digest"], "{report}");
}

#[test]
fn nothing_goes_back_behind_a_version_that_was_seen() {
    let folder = governed();
    let at = folder.path();
    let seen = at.join(".assay/seen.json");
    let first = fs::read(at.join(".assay/trust.yaml")).unwrap();
    let activate = propose(at, "two.json", "", &["ana", "ben"]);
    assay(at, &activate, 0, "in force");
    let check = "check model.bin --stage staging --policy policy.yaml";
    assay(at, check, 0, "allowed");
    // Whoever asks no register is told by what was last in force, and by nothing older.
    assay(at, "log entry 0 --output model.bundle.json", 0, "");
    let offline = "verify model.bin --bundle model.bundle.json";
    assay(at, offline, 0, "believed");
    let kept = at.join(".assay/trust-in-force.yaml");
    let newest = fs::read(&kept).unwrap();
    fs::remove_file(&kept).unwrap();
    assay(at, offline, 2, "version 1 of the trust document is in force");
    fs::write(&kept, &newest[1..]).unwrap();
    assay(at, offline, 2, "version 1 of the trust document is in force");
    fs::write(&kept, &newest).unwrap();
    assay(at, offline, 0, "believed");
    // Somebody writes a file that has no owners in the place of the one that has.
    let text = String::from_utf8(first.clone()).unwrap();
    let start = text.find("governance:").unwrap();
    let end = start + text[start..].find("\nkeys:").unwrap();
    let ungoverned = format!("{}{}", &text[..start], &text[end + 1..]);
    fs::write(at.join(".assay/trust.yaml"), ungoverned).unwrap();
    assay(at, check, 2, "version 0 of the trust document is in force");
    fs::write(at.join(".assay/trust.yaml"), &first).unwrap();
    assay(at, check, 0, "allowed");
    // A newer one was seen, by this or another command.
    let marks = fs::read_to_string(&seen).unwrap().replace("\"version\": 2", "\"version\": 3");
    fs::write(&seen, marks).unwrap();
    assay(at, check, 2, "version 2 of the trust document is in force");
}

#[test]
fn another_machine_believes_a_register_by_the_digest_in_a_line_alone() {
    let folder = governed();
    let at = folder.path();
    let two = propose(at, "two.json", "trust add pia --name again --owner pia", &["ana", "ben"]);
    let line = {
        let service = Service::of(at, "");
        let shown = json(at, "trust show", 0);
        let line = shown["join"].as_str().unwrap().to_owned();
        assert!(line.contains(&service.url), "{line}");
        assay(at, &two, 0, "in force");
        let other = tempfile::tempdir().unwrap();
        let there = other.path();
        let unknown = format!("{}{}", &line[..line.len() - 4], "0000");
        let words = format!("--server {} verify {}", service.url, at.join("model.bin").display());
        let model = at.join("model.bin");
        let decides = ["check", "promote"].map(|word| {
            format!("--server {} {word} {} --stage staging", service.url, model.display())
        });
        assay(there, &words, 2, "a service does not say whom to believe");
        for words in &decides {
            assay(there, words, 2, "a service does not say whom to believe");
        }
        assay(there, &format!("trust join {unknown}"), 2, "shows no trust document");
        assert!(!there.join(".assay/trust.yaml").exists(), "nothing was learned");
        let joined = json(there, &format!("trust join {line}"), 0);
        assert_eq!(
            (&joined["begun"]["version"], &joined["inForce"]["version"]),
            (&1.into(), &2.into())
        );
        assay(there, &format!("trust join {line}"), 0, "joined");
        assay(there, &words, 0, "believed");
        // From then on it is asked, and has nothing to decide by.
        for words in &decides {
            assay(there, words, 2, "refuses (");
        }
        assay(there, &format!("--server {} trust history", service.url), 0, "version 2, entry");
        // The same register under another document is another belief.
        let newer = shown["digest"].as_str().unwrap();
        let digest = joined["inForce"]["digest"].as_str().unwrap();
        let newer = line.replace(newer, digest);
        assay(there, &format!("trust join {newer}"), 2, "says otherwise whom to believe");
        line
    };
    assay(at, &format!("trust join {line}"), 2, "");
}

#[test]
fn what_is_activated_judges_from_then_on_without_a_restart() {
    let folder = governed();
    let at = folder.path();
    let stricter = POLICY.replace("version: 1", "version: 2").replace("[local]", "[ana]");
    fs::write(at.join("stricter.yaml"), stricter).unwrap();
    let service = Service::of(at, " --key local");
    let check = format!("--server {} check model.bin --stage staging", service.url);
    assay(at, &check, 2, "no policy");
    // Why, somebody elsewhere can ask by no more than the document to begin with.
    let other = tempfile::tempdir().unwrap();
    let there = other.path();
    fs::copy(at.join(".assay/trust.yaml"), there.join("trust.yaml")).unwrap();
    fs::copy(at.join("model.bin"), there.join("model.bin")).unwrap();
    let why = format!("{} --trust trust.yaml", check.replace("check", "why"));
    assay(there, &why, 2, "policy.yaml");
    activate(at, "policy.yaml", "one.json");
    let report = json(at, &check, 0);
    assert_eq!(report["policy"]["version"], 1, "{report}");
    let reasons = json(there, &why, 0);
    assert_eq!(reasons["report"]["policy"], report["policy"], "{reasons}");
    assert_eq!(reasons["report"]["completeness"], report["completeness"], "{reasons}");
    assay(
        at,
        &format!("--server {} promote model.bin --stage staging", service.url),
        0,
        "promoted",
    );
    activate(at, "stricter.yaml", "two.json");
    let report = json(at, &check, 1);
    assert_eq!(report["policy"]["version"], 2, "{report}");
    // Going back is an activation, with a higher number.
    assay(at, "policy propose policy.yaml --stage staging --output three.json", 0, "sequence  3");
    assay(at, "policy sign three.json --key pia", 0, "signed");
    assay(at, "policy activate three.json", 0, "active");
    assert_eq!(json(at, &check, 0)["policy"]["version"], 1);
    assay(at, "policy activate two.json", 2, "a later activation");
    // So does a trust document.
    let activate =
        propose(at, "trust2.json", "trust add pia --name again --owner pia", &["ana", "ben"]);
    assay(at, &activate, 0, "in force");
    let report = json(at, &check, 0);
    assert_eq!(report["trust"], json(at, "trust show", 0)["digest"]);
    drop(service);

    // In the folder: what is brought along is an opinion, and signs nothing.
    let opinion = json(at, "check model.bin --stage staging --policy stricter.yaml", 1);
    assert_eq!(opinion["advisory"], true);
    let other = "promote model.bin --stage staging --policy stricter.yaml --key local";
    assay(at, other, 2, "the register says that");
    assay(at, "promote model.bin --stage staging --policy policy.yaml --key local", 0, "promoted");
    assay(at, "promote model.bin --stage staging --key local", 0, "promoted");
    let history = json(at, "policy history", 0);
    let sequences: Vec<u64> = history["activations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, [1, 2, 3]);
}

/// A policy with a rule in a file: nothing whose review says anything but "yes".
#[cfg(feature = "rego")]
fn with_a_file(at: &Path) -> (String, String) {
    let rule = "\
package assay

deny contains {\"msg\": \"not reviewed\", \"code\": \"review\", \"subject\": input.artifact} if {
  some review in input.chain.review
  review.predicate.reviewed != \"yes\"
}
"
    .to_owned();
    fs::create_dir_all(at.join("next/rules")).unwrap();
    fs::write(at.join("next/rules/r1.rego"), &rule).unwrap();
    let digest = attest::Sha256::of(rule.as_bytes()).hex();
    let policy = format!("{POLICY}rego:\n  - {{id: R-1, file: rules/r1.rego, sha256: {digest}}}\n");
    fs::write(at.join("next/policy.yaml"), &policy).unwrap();
    (policy, rule)
}

#[cfg(feature = "rego")]
#[test]
fn the_files_of_a_policy_travel_with_it() {
    let folder = governed();
    let at = folder.path();
    let (policy, rule) = with_a_file(at);
    let service = Service::of(at, " --key local");
    let check = format!("--server {} check model.bin --stage staging", service.url);
    activate(at, "next/policy.yaml", "one.json");
    // Whoever judges has no need of the folder.
    fs::rename(at.join("next"), at.join("gone")).unwrap();
    let report = json(at, &check, 0);
    assert!(report.to_string().contains("rego.R-1"), "{report}");
    let promote = format!("--server {} promote model.bin --stage staging", service.url);
    assay(at, &promote, 0, "promoted");

    // Another machine has what it is judged by, and can judge by it.
    let other = tempfile::tempdir().unwrap();
    let there = other.path();
    fs::copy(at.join("model.bin"), there.join("model.bin")).unwrap();
    let line = json(at, "trust show", 0)["join"].as_str().unwrap().to_owned();
    assay(there, &format!("trust join {line}"), 0, "joined");
    let asked = format!("--server {}", service.url);
    let fetch = "policy fetch --stage staging --output active";
    let fetched = json(there, &format!("{asked} {fetch}"), 0);
    assert_eq!(fetched["digest"], report["policy"]["digest"]);
    assert_eq!(fs::read_to_string(there.join("active/policy.yaml")).unwrap(), policy);
    assert_eq!(fs::read_to_string(there.join("active/rules/r1.rego")).unwrap(), rule);
    assay(there, &format!("{asked} {fetch}"), 2, "active");
    let moon = fetch.replace("staging", "moon").replace("active", "moon");
    assay(there, &format!("{asked} {moon}"), 2, "of no policy");
    assay(there, "policy check active/policy.yaml", 0, "rego.R-1");
    let opinion = format!("{asked} check model.bin --stage staging --policy active/policy.yaml");
    assert_eq!(json(there, &opinion, 0)["advisory"], true);
    fs::remove_file(there.join("active/rules/r1.rego")).unwrap();
    assay(there, &opinion, 2, "put it below the folder of the policy");
    drop(service);

    // In the folder of the register as through the service; what was decided is decided again.
    json(at, "check model.bin --stage staging", 0);
    assay(at, "promote model.bin --stage staging --key local", 0, "promoted");
    assay(at, "policy simulate --against 1d", 0, "2 come out as they were registered");
}

#[cfg(feature = "rego")]
#[test]
fn a_policy_whose_files_were_not_registered_allows_nothing() {
    let folder = governed();
    let at = folder.path();
    let (policy, _) = with_a_file(at);
    let digest = attest::Sha256::of(policy.as_bytes());
    let said = |of: &str, name: &str, predicate: Value| {
        fs::write(at.join(name), predicate.to_string()).unwrap();
        let words = format!(
            "attest --type https://assay.example/attestation/{of}/v0.1 --predicate {name} \
             --subject next/policy.yaml --key pia"
        );
        assay(at, &words, 0, "entry");
    };
    // As whoever knows nothing of files would have registered it.
    let document = serde_json::json!({"digest": digest, "text": policy});
    let bare = serde_json::json!({"name": "reviewed", "version": 1, "document": document});
    said("policy", "bare.json", bare);
    let propose = "policy propose next/policy.yaml --stage staging --output one.json";
    assay(at, propose, 2, "was not registered with the policy: register both again");
    let activation = serde_json::json!({"policy": digest, "stages": ["staging"], "sequence": 1});
    said("policy-activation", "activation.json", activation);
    assay(at, "check model.bin --stage staging", 2, "`rules/r1.rego`");
    let promote = "promote model.bin --stage staging --key local";
    assay(at, promote, 2, "`rules/r1.rego`");
    let service = Service::of(at, " --key local");
    let check = format!("--server {} check model.bin --stage staging", service.url);
    assay(at, &check, 2, "`rules/r1.rego`");
    drop(service);
    // Registered again with its file, it judges.
    assay(at, "policy publish next/policy.yaml --key pia", 0, "registered");
    assay(at, "check model.bin --stage staging", 0, "");
    assay(at, promote, 0, "promoted");
}

#[test]
fn what_a_first_use_makes_satisfies_no_stage_that_enforces_where_others_are_answered() {
    let folder = folder();
    let at = folder.path();
    let check = "check model.bin --stage staging --policy policy.yaml";
    assay(at, check, 0, "allowed");
    fs::copy(at.join("policy.yaml"), at.join(".assay/policy.yaml")).unwrap();
    {
        let service = Service::of(at, "");
        let words = format!("--server {} check model.bin --stage staging", service.url);
        assay(at, &words, 1, "trust.local");
    }
    // With the key `local` for its owner it stays so.
    assay(at, "trust init", 0, "local: it satisfies no stage");
    assay(at, check, 0, "allowed");
    {
        let service = Service::of(at, "");
        let words = format!("--server {} check model.bin --stage staging", service.url);
        assay(at, &words, 1, "trust.local");
    }
}

#[test]
fn the_owners_of_the_document_consent_to_another_key_of_the_register() {
    let folder = governed();
    let at = folder.path();
    let check = "check model.bin --stage staging --policy policy.yaml";
    assay(at, "log rotate-key --output rotation.json", 0, "two keys sign");
    let activate = propose(at, "two.json", "trust rotate rotation.json", &["ana", "ben"]);
    assay(at, &activate, 0, "in force");
    assay(at, "log rotate-key --finish", 0, "the new key alone signs");
    // The file in the folder still names the old key; the document in force does not.
    assay(at, check, 0, "allowed");

    // The smallest change: nobody has consented.
    let folder = governed();
    let at = folder.path();
    assay(at, "log rotate-key", 0, "two keys sign");
    assay(at, "log rotate-key --finish", 0, "the new key alone signs");
    assay(at, check, 2, "is signed by no key of it");
}

#[cfg(feature = "rego")]
#[test]
fn what_time_alone_will_change_names_whose_it_is() {
    let folder = governed();
    let at = folder.path();
    let (policy, _) = with_a_file(at);
    let why = "why model.bin --stage staging --next";
    let by = |days: i64| {
        let until = json(at, &format!("{why} {days}d --policy policy.yaml"), 0);
        until["outlook"]["until"].as_str().unwrap().to_owned()
    };
    let policy = policy.replace("sha256:", &format!("effectiveOn: '{}', sha256:", by(5)));
    let dated = format!("{policy}validity: {{expires: '{}'}}\n", by(10));
    fs::write(at.join("next/policy.yaml"), dated).unwrap();
    activate(at, "next/policy.yaml", "one.json");
    let flips = |options: &str| -> Vec<(String, Value, Value)> {
        let found = json(at, &format!("{why} 400d{options}"), 0);
        let flips = found["outlook"]["flips"].as_array().unwrap().iter();
        flips
            .map(|one| {
                let rule = one["rule"].as_str().unwrap().to_owned();
                (rule, one["of"].clone(), one["owners"].clone())
            })
            .collect()
    };
    let owned = |rule: &str, of: &str, owners: Value| (rule.to_owned(), Value::from(of), owners);
    let names = |names: &[&str]| Value::from(names.to_vec());
    let want = [
        owned("rego.R-1", "policy", names(&["pia"])),
        owned("validity", "policy", names(&["pia"])),
        owned("trust", "trust", names(&["ana", "ben"])),
    ];
    assert_eq!(flips(""), want);

    // Of files that are nobody's but their keepers', no owners are named.
    fs::copy(at.join("next/policy.yaml"), at.join(".assay/policy.yaml")).unwrap();
    let kept = fs::read_to_string(at.join(".assay/trust.yaml")).unwrap();
    let (before, rest) = kept.split_once("governance:").unwrap();
    let (_, keys) = rest.split_once("\nkeys:").unwrap();
    fs::write(at.join("kept.yaml"), format!("{before}keys:{keys}")).unwrap();
    let options = " --trust kept.yaml --policy next/policy.yaml";
    assert_eq!(flips(options)[1], owned("validity", "policy", names(&[])));
    assay(at, &format!("{why} 400d{options}"), 0, "owner: whoever keeps the policy");
}

#[test]
fn what_one_key_could_do_alone_is_said() {
    let folder = governed();
    let at = folder.path();
    activate(at, "policy.yaml", "one.json");
    let explain = |name: &str| json(at, &format!("trust explain {name}"), 0);
    let (ana, pia, local) = (explain("ana"), explain("pia"), explain("local"));
    assert_eq!(ana["roles"][0]["alone"], false);
    assert_eq!(pia["roles"][0]["alone"], true);
    assert_eq!(local["allows"], serde_json::json!(["staging"]));
    assert_eq!(local["steps"][0]["step"], "review");
    assert_eq!(
        (ana["allows"].as_array().unwrap().len(), &ana["promotes"]),
        (0, &serde_json::json!([]))
    );
    assay(at, "trust explain ana", 0, "by itself it makes nothing allowed");
    assay(at, "trust explain zoe", 2, "no key `zoe`");
    let id = ana["key"].as_str().unwrap();
    assert_eq!(explain(id)["names"], serde_json::json!(["ana"]));
}

#[test]
fn a_revocation_is_taken_back_by_as_many_owners_as_make_a_version_and_by_nobody_else() {
    let folder = governed();
    let at = folder.path();
    let check = "check model.bin --stage staging --policy policy.yaml";
    assay(at, check, 0, "allowed");
    let revoked = json(at, "revoke --subject model.bin --reason POISONED --yes --key local", 0);
    let entry = revoked["index"].as_u64().unwrap();
    assay(at, check, 1, "revoked.artifact");
    // The denial names the command, and an owner's key.
    assay(at, check, 1, &format!("assay attest reinstatement --revocation {entry} --reason"));
    assay(at, check, 1, "have the owners of the trust document take it back");

    // Whoever revoked takes nothing back, and neither does one owner alone.
    let back = format!("attest reinstatement --revocation {entry} --reason mistaken --key");
    json(at, &format!("{back} local"), 0);
    assay(at, check, 1, "revoked.artifact");
    let said = json(at, &format!("{back} ana"), 0)["index"].as_u64().unwrap();
    assay(at, check, 1, "revoked.artifact");
    assay(at, &format!("attest cosign {said} --key ana"), 0, "takes back");
    assay(at, check, 1, "revoked.artifact");
    let last = json(at, &format!("attest cosign {said} --key ben"), 0)["index"].as_u64().unwrap();
    assay(at, check, 0, "allowed");
    assay(
        at,
        &format!("attest reinstatement --revocation {said} --reason x --key ana"),
        2,
        "no revocation",
    );

    let words = "revoke --subject model.bin --reason AGAIN --dry-run";
    let taken = format!("by entry {entry} of local: POISONED; taken back by entry {last}");
    assay(at, words, 0, &taken);
    assay(at, "revoke --subject model.bin --reason AGAIN --yes --key local", 0, "entry");
    assay(at, check, 1, "revoked.artifact");
}
