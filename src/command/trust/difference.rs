//! What one trust document says otherwise than another, in words.

use std::collections::{BTreeMap, BTreeSet};

use ::attest::Sha256;
use ::attest::predicate::REVOCATION;
use ::verify::{
    CertifiedSigner, Duty, Governance, Grant, Role, Trust, TrustedAuthority, TrustedClock,
    TrustedKey, TrustedSigner, Usage,
};

use super::certified::ListRow;
use super::keyless::written;
use super::list::verifier_in_words;
use crate::predicate_name;

/// What `after` says that `before` did not, and what it no longer says; a line each, without the
/// number and the end of the versions.
pub(super) fn difference(before: &Trust, after: &Trust) -> Vec<String> {
    let mut lines = Vec::new();
    if before.is_local() != after.is_local() {
        let verb = if after.is_local() { "marks" } else { "no longer marks" };
        lines.push(format!("{verb} the document as local"));
    }
    compare(&keys(before), &keys(after), "key", &mut lines);
    for name in lost_revokers(before, after) {
        lines.push(format!(
            "warning: key {name} may no longer revoke; whoever joins later does not know its \
             revocations: keep it with an end (`validUntil`) instead"
        ));
    }
    let signers = |trust: &Trust| -> BTreeMap<String, String> {
        let signers = trust.signers().iter();
        signers.map(|one| (one.grant().name().into(), keyless(one))).collect()
    };
    compare(&signers(before), &signers(after), "signer", &mut lines);
    let logs = |trust: &Trust| -> BTreeMap<String, String> {
        let logs = trust.logs().iter().map(|log| {
            let former: Vec<String> =
                log.former().iter().map(|one| format!("{} {}", one.key(), one.reach())).collect();
            let witnesses = log.witnesses().list().iter().map(|one| one.key().to_string());
            let witnesses: Vec<String> = witnesses.collect();
            let words = format!(
                "by {}, former {former:?}, {} of witnesses {witnesses:?}",
                log.key(),
                log.witnesses().quorum(),
            );
            (log.origin().to_owned(), words)
        });
        logs.collect()
    };
    compare(&logs(before), &logs(after), "log", &mut lines);
    let verifiers = |trust: &Trust| -> BTreeMap<String, String> {
        let verifiers = trust.verifiers().iter();
        let verifiers = verifiers.map(|one| (verifier_in_words(one), String::new()));
        verifiers.collect()
    };
    compare(&verifiers(before), &verifiers(after), "verifier", &mut lines);
    let roots = |trust: &Trust| -> BTreeMap<String, String> {
        let roots = trust.roots().iter();
        roots.map(|root| (root.name().into(), root.root().digest().to_string())).collect()
    };
    compare(&roots(before), &roots(after), "sigstore instance", &mut lines);
    compare(&clocks(before), &clocks(after), "clock", &mut lines);
    compare(&authorities(before), &authorities(after), "authority", &mut lines);
    compare(&certified(before), &certified(after), "signer", &mut lines);
    let (old, new) = (roles(before), roles(after));
    lines.extend(old.difference(&new).map(|role| format!("no longer: {role}")));
    lines.extend(new.difference(&old).map(|role| format!("new: {role}")));
    lines
}

/// Says what came, what went, and what says something else now.
fn compare(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    what: &str,
    lines: &mut Vec<String>,
) {
    let say = |verb: &str, name: &str, words: &str| {
        let colon = if words.is_empty() { "" } else { ": " };
        format!("{verb} {what} {name}{colon}{words}")
    };
    for (name, words) in after {
        match before.get(name) {
            None => lines.push(say("adds", name, words)),
            Some(old) if old != words => {
                lines.push(say("changes", name, &format!("{words} (was: {old})")));
            }
            Some(_) => {}
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        lines.push(say("drops", name, ""));
    }
}

/// Whom an instance vouches for, and what he may sign.
fn keyless(signer: &TrustedSigner) -> String {
    let whom = signer.whom();
    let claims = whom.claims.iter();
    let claims: String =
        claims.map(|(claim, one)| format!(", {} {}", claim.as_str(), written(one))).collect();
    format!(
        "issuer {}, subject {}{claims}, by {}, of {}, custody {}, {}",
        written(&whom.issuer),
        written(&whom.subject),
        signer.root(),
        signer.owner(),
        signer.custody().as_str(),
        scope(signer.grant())
    )
}

/// What each clock is.
fn clocks(trust: &Trust) -> BTreeMap<String, String> {
    let words = |clock: &TrustedClock| {
        let mut words = clock.certificate().to_string();
        let window = clock.window();
        words.extend(window.from.map(|from| format!(", from {from}")));
        words.extend(window.until.map(|until| format!(", until {until}")));
        words
    };
    trust.clocks().iter().map(|clock| (clock.name().into(), words(clock))).collect()
}

/// What each authority of certificates is, by what it is judged, and what it took back.
fn authorities(trust: &Trust) -> BTreeMap<String, String> {
    let words = |authority: &TrustedAuthority| {
        let usage = match authority.usage() {
            Usage::ClientAuth => "clientAuth",
            _ => "codeSigning",
        };
        let digests = |all: &[Vec<u8>]| -> Vec<String> {
            all.iter().map(|der| Sha256::of(der).to_string()).collect()
        };
        let mut words = format!(
            "{} for {usage}, judged by {}",
            digests(authority.roots()).join(" "),
            authority.clocks().join(", ")
        );
        if !authority.intermediates().is_empty() {
            words.push_str(&format!(", with {}", digests(authority.intermediates()).join(" ")));
        }
        for list in authority.revocation_lists().iter().map(ListRow::of) {
            words.push_str(&format!("; {}", list.in_words()));
        }
        words
    };
    trust.authorities().iter().map(|one| (one.name().into(), words(one))).collect()
}

/// Whom authorities certify, and what each may sign.
fn certified(trust: &Trust) -> BTreeMap<String, String> {
    let words = |signer: &CertifiedSigner| {
        let rule = signer.rule();
        format!(
            "{} {} by {}, of {}, custody {}, {}",
            rule.kind.as_str(),
            written(&rule.pattern),
            signer.authority(),
            signer.owner(),
            signer.custody().as_str(),
            scope(signer.grant())
        )
    };
    let all = trust.certified_signers().iter();
    all.map(|signer| (signer.grant().name().into(), words(signer))).collect()
}

/// What each name of a key stands for.
fn keys(trust: &Trust) -> BTreeMap<String, String> {
    let names = |key: &TrustedKey| -> Vec<(String, String)> {
        let words = |grant: &Grant| {
            format!(
                "{} of {}, custody {}, {}",
                key.id(),
                key.owner(),
                key.custody().as_str(),
                scope(grant)
            )
        };
        key.grants().iter().map(|grant| (grant.name().to_owned(), words(grant))).collect()
    };
    trust.keys().iter().flat_map(names).collect()
}

/// What may be signed, in words.
pub(super) fn scope(grant: &Grant) -> String {
    let may = grant.may();
    let predicates = may.predicates.list();
    let predicates: Vec<&str> = predicates.iter().map(|name| predicate_name::short(name)).collect();
    let list = |name: &str, items: &[String]| match items {
        [] => None,
        items => Some(format!("{name} {}", items.join(" "))),
    };
    let mut words: Vec<String> = [
        (!predicates.is_empty()).then(|| format!("signs {}", predicates.join(" "))),
        list("steps", &may.steps.list()),
        list("artifacts", may.artifacts.list()),
        list("stages", &may.stages.list()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let window = grant.window();
    words.extend(window.from.map(|from| format!("from {from}")));
    words.extend(window.until.map(|until| format!("until {until}")));
    if words.is_empty() { "signs nothing".into() } else { words.join(", ") }
}

/// The names of the keys that may revoke in one document and in no later way.
fn lost_revokers(before: &Trust, after: &Trust) -> Vec<String> {
    let revokes =
        |key: &&TrustedKey| key.grants().iter().any(|grant| grant.may().predicates.has(REVOCATION));
    let still: BTreeSet<_> = after.keys().iter().filter(revokes).map(TrustedKey::id).collect();
    let lost = before.keys().iter().filter(revokes).filter(|key| !still.contains(&key.id()));
    lost.map(|key| key.name().to_owned()).collect()
}

/// The roles, each in words.
fn roles(trust: &Trust) -> BTreeSet<String> {
    trust.governance().map(Governance::roles).unwrap_or_default().iter().map(role).collect()
}

/// A role, in words.
pub(super) fn role(role: &Role) -> String {
    let (threshold, names) = (role.threshold(), role.names().join(", "));
    let mut words = format!(
        "{threshold} owners of {names} decide about {}",
        match role.duty() {
            Duty::Trust => "the next version",
            Duty::Policy => "policies",
            Duty::Gate => "promotions",
        }
    );
    if role.duty() == Duty::Policy {
        words.push_str(&format!(" {}", role.policies().list().join(" ")));
    }
    if role.duty() != Duty::Trust {
        words.push_str(&format!(" for stages {}", role.stages().list().join(" ")));
    }
    words
}

#[cfg(test)]
mod tests {
    use ::attest::certificate::lists_to_pem;
    use ::verify::{Custody, May, NameKind, NameRule, Pattern, Usage, Window};
    use fixtures::authority::{CertificateAuthority, to_pem};
    use fixtures::revocation::{RevocationRecipe, revocation_list};

    use super::*;

    /// A document with a clock, an authority and a signer whom it certifies.
    fn document(clock: &str, root: &CertificateAuthority, usage: Usage, whom: &str) -> Trust {
        let mut trust = Trust::empty();
        let pem = to_pem(&[root.certificate()]);
        trust.add_clock("clock", clock, Window::default()).unwrap();
        trust.add_authority("corporate", &pem, None, usage, &["clock"]).unwrap();
        let rule = NameRule::new(NameKind::Dns, Pattern::exact(whom).unwrap()).unwrap();
        let may = May::of(&[], &["https://example.com/review/v1"], &["*"], &[]).unwrap();
        let (window, custody) = (Window::default(), Custody::Separate);
        trust
            .add_certified_signer("builder", "corporate", &rule, "team", &may, window, custody)
            .unwrap();
        trust
    }

    #[test]
    fn authorities_clocks_and_whom_they_certify_are_told_apart() {
        let moment = |text: &str| text.parse().unwrap();
        let (early, late) = (moment("2024-01-01T00:00:00Z"), moment("2034-01-01T00:00:00Z"));
        let (root, other) = (
            CertificateAuthority::root("one").unwrap(),
            CertificateAuthority::root("two").unwrap(),
        );
        let clock = |name: &str| {
            let clock = other.clock(name, early, late).unwrap();
            to_pem(&[clock.certificate(), other.certificate()])
        };
        let (one, two) = (clock("one"), clock("two"));
        let make = |clock: &str, root, usage, whom| document(clock, root, usage, whom);
        let before = make(&one, &root, Usage::CodeSigning, "a.example");
        let with_list = {
            let (from, until, entries) = (early, Some(late), Vec::new());
            let recipe = RevocationRecipe { from, until, entries, extensions: Vec::new() };
            let list = lists_to_pem(&revocation_list(&root, &recipe).unwrap()).unwrap();
            let mut trust = before.clone();
            trust.set_revocation_lists("corporate", &list).unwrap();
            trust
        };
        let changed = [
            ("nothing", before.clone(), None),
            (
                "a clock",
                make(&two, &root, Usage::CodeSigning, "a.example"),
                Some("changes clock clock: sha256:"),
            ),
            (
                "a root",
                make(&one, &other, Usage::CodeSigning, "a.example"),
                Some("changes authority corporate: sha256:"),
            ),
            (
                "a usage",
                make(&one, &root, Usage::ClientAuth, "a.example"),
                Some("changes authority corporate: sha256:"),
            ),
            ("a list", with_list, Some("; revocation list of CN=one, 0 on it, from 2024-01-01")),
            (
                "a name",
                make(&one, &root, Usage::CodeSigning, "b.example"),
                Some("changes signer builder: dns exact:b.example by corporate, of team"),
            ),
        ];
        for (name, after, want) in changed {
            let lines = difference(&before, &after);
            assert_eq!(lines.len(), usize::from(want.is_some()), "{name}: {lines:?}");
            let found = |want: &str| lines.iter().any(|line| line.contains(want));
            assert!(want.is_none_or(found), "{name}: {lines:?}");
        }
        assert_eq!(difference(&Trust::empty(), &before).len(), 3);
    }
}
