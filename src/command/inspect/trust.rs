//! Trust files: whom whoever wrote the file believes.

use verify::{Grant, Trust};

use super::part::Part;
use crate::command::trust::ListRow;

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let trust = Trust::parse(text).map_err(|error| error.to_string())?;
    let mut part = Part::new("trust file");
    part.fact("keys", trust.keys().len());
    part.fact("logs", trust.logs().len());
    part.fact("Sigstore instances", trust.roots().len());
    part.fact("keyless signers", trust.signers().len());
    let keys = trust.keys().iter().map(|key| {
        let mut held = Part::new("key");
        held.fact("key", key.key().algorithm().as_str());
        held.fact("key identity", key.id());
        held.claim("owner", key.owner());
        held.claim("custody", key.custody().as_str());
        held.hold_each("the names", key.grants().iter().map(granted));
        held
    });
    part.hold_each("the keys", keys);
    let logs = trust.logs().iter().map(|log| {
        let mut held = Part::new("log");
        held.fact("key identity", log.key().key().id());
        held.claim("origin", log.origin());
        held.claim("key", log.key());
        held.claim("former keys", log.former().len());
        let witnesses = log.witnesses();
        held.claim("witnesses needed", witnesses.quorum());
        held.claim_each("witness", witnesses.list().iter().map(|one| one.key().name()));
        held
    });
    part.hold_each("the logs", logs);
    let roots = trust.roots().iter().map(|root| {
        let mut held = Part::new("Sigstore instance");
        held.fact("trusted root", root.root().digest());
        held.claim("name", root.name());
        held
    });
    part.hold_each("the Sigstore instances", roots);
    let signers = trust.signers().iter().map(|signer| {
        let mut held = granted(signer.grant());
        let whom = signer.whom();
        held.claim("instance", signer.root());
        held.claim("owner", signer.owner());
        held.claim(
            "issuer",
            format_args!("{}:{}", whom.issuer.kind().as_str(), whom.issuer.text()),
        );
        let subject = &whom.subject;
        held.claim("subject", format_args!("{}:{}", subject.kind().as_str(), subject.text()));
        held
    });
    part.hold_each("the keyless signers", signers);
    let clocks = trust.clocks().iter().map(|clock| {
        let mut held = Part::new("timestamp authority");
        held.fact("certificate", clock.certificate());
        held.claim("name", clock.name());
        held
    });
    part.hold_each("the clocks", clocks);
    let authorities = trust.authorities().iter().map(|authority| {
        let mut held = Part::new("authority of certificates");
        for der in authority.roots() {
            held.fact("certificate", ::attest::Sha256::of(der));
        }
        held.claim("name", authority.name());
        held.claim_each("judged by", authority.clocks().iter());
        let lists = authority.revocation_lists().iter().map(ListRow::of);
        held.claim_each("takes back", lists.map(|list| list.in_words()));
        held
    });
    part.hold_each("the authorities", authorities);
    let certified = trust.certified_signers().iter().map(|signer| {
        let mut held = granted(signer.grant());
        let rule = signer.rule();
        held.claim("authority", signer.authority());
        held.claim("owner", signer.owner());
        let pattern = format_args!("{}:{}", rule.pattern.kind().as_str(), rule.pattern.text());
        held.claim(rule.kind.as_str(), pattern);
        held
    });
    part.hold_each("the certified signers", certified);
    let verifiers = trust.verifiers().iter();
    part.claim_each("verifier", verifiers.map(|one| format!("{} by {}", one.id(), one.name())));
    Ok(part)
}

fn granted(grant: &Grant) -> Part {
    let mut part = Part::new("signer");
    part.claim("name", grant.name());
    let may = grant.may();
    part.claim_each("step", may.steps.list().iter());
    part.claim_each("predicate", may.predicates.list().iter());
    part.claim_each("artifact", may.artifacts.list().iter());
    part.claim_each("stage", may.stages.list().iter());
    part.claim_if_any("valid from", grant.window().from);
    part.claim_if_any("valid until", grant.window().until);
    part
}
