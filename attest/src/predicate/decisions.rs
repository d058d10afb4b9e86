//! What people decide: approvals, waivers, revocations, tombstones, another key for a register.
//!
//! Who an approver or revoker says it is decides nothing: the verified signer does.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Sha256;
use crate::resource::ResourceDescriptor;

/// Somebody agrees that the subject may go on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Who, as the statement says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<Value>,
    /// `APPROVED` or `REJECTED`; anything else approves nothing.
    pub decision: String,
    /// When. A claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_on: Option<Timestamp>,
    /// For what, and how long.
    pub scope: Scope,
    /// The attestations that were looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reviewed: Vec<ResourceDescriptor>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// For what a decision counts, and how long.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// The stage; in other vendors' statements, the environment.
    #[serde(default, alias = "environment", skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The policy's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The rule, for waivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The code of the finding, for waivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<Timestamp>,
}

/// A signed, scoped, expiring exception to a rule.
///
/// Whoever asks for it signs it first, whoever approves it signs the same bytes: two owners, of
/// whom the policy names one.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiver {
    /// Who asked for it, as the statement says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<Value>,
    /// When. A claim: its life is counted from here, or from an earlier time that a clock proves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_on: Option<Timestamp>,
    /// What it excepts from, where, and how long.
    pub scope: Scope,
    /// Why.
    pub reason: String,
    /// Where it is followed up: the name or address of a ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// The subject is no longer good.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Revocation {
    /// Who, as the statement says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoker: Option<Value>,
    /// When. A claim: a revocation counts from its position in the register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_on: Option<Timestamp>,
    /// What the subject is.
    #[serde(default)]
    pub kind: RevocationKind,
    /// A short reason.
    #[serde(default)]
    pub reason: String,
    /// How far it reaches.
    #[serde(default)]
    pub effect: RevocationEffect,
    /// Of a key or a builder: from which entry of the register on what it signed or made is void. A
    /// key's own entry unless said, and 0 for a builder; 0 is all that it ever did. What is no
    /// position is 0.
    #[serde(default, deserialize_with = "position", skip_serializing_if = "Option::is_none")]
    pub from_entry: Option<u64>,
    /// A longer reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What is revoked.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", from = "String", into = "String")]
pub enum RevocationKind {
    /// An artifact; the subject is it.
    Artifact,
    /// A key, from a position in the register on; the subject's digest is the key's identity.
    Key,
    /// An attestation; the subject's digest is the name of its body.
    Attestation,
    /// A version of a builder; the subject's digest is the SHA-256 of its id, as provenance names
    /// it (SLSA 1.2, `runDetails.builder.id`).
    Builder,
    /// Something that this version does not know: whatever has the digest is revoked.
    #[default]
    Unknown,
}

/// How far a revocation reaches.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "String", into = "String")]
pub enum RevocationEffect {
    /// The subject alone.
    SubjectOnly,
    /// The subject and all that was made from it; also what this version does not know.
    #[default]
    Descendants,
}

/// A position; what is none reaches furthest.
fn position<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    Ok(value.map(|value| value.as_u64().unwrap_or(0)))
}

impl From<String> for RevocationKind {
    fn from(text: String) -> Self {
        match text.as_str() {
            "artifact" => Self::Artifact,
            "key" => Self::Key,
            "attestation" => Self::Attestation,
            "builder" => Self::Builder,
            _ => Self::Unknown,
        }
    }
}

impl From<RevocationKind> for String {
    fn from(kind: RevocationKind) -> Self {
        match kind {
            RevocationKind::Artifact => "artifact",
            RevocationKind::Key => "key",
            RevocationKind::Attestation => "attestation",
            RevocationKind::Builder => "builder",
            RevocationKind::Unknown => "unknown",
        }
        .into()
    }
}

impl From<String> for RevocationEffect {
    fn from(text: String) -> Self {
        match text.as_str() {
            "SUBJECT_ONLY" => Self::SubjectOnly,
            _ => Self::Descendants,
        }
    }
}

impl From<RevocationEffect> for String {
    fn from(effect: RevocationEffect) -> Self {
        match effect {
            RevocationEffect::SubjectOnly => "SUBJECT_ONLY",
            RevocationEffect::Descendants => "DESCENDANTS",
        }
        .into()
    }
}

/// The revocation that is the subject, by the name of its body, is taken back.
///
/// It counts when the owners of the trust document say so together, as for a version of it; neither
/// whoever revoked nor whoever was revoked can. What a key signed while it was revoked stays void.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reinstatement {
    /// Why.
    pub reason: String,
    /// When. A claim: it counts from its position in the register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reinstated_on: Option<Timestamp>,
}

/// The body of the statement that is the subject was erased from the register.
///
/// The subject has the digests by which leaves name the body (`sha256`, `sha384`, `sha512` of its
/// pre-authentication encoding).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tombstone {
    /// The type of the statement that was erased; the payload type, if it was no statement.
    pub predicate_type: String,
    /// Why.
    pub reason: String,
    /// When. A claim: the tombstone stands in the register before the body goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_on: Option<Timestamp>,
}

/// The register gets another key: said by the one that it had, of the one that it gets.
///
/// The subject is the new key; its digest is the key's identity. Nobody believes the new key
/// because of this statement alone: whoever keeps a trust file has to name the key there.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRotation {
    /// The register, whose name stays.
    pub origin: String,
    /// The verifier key that it had, which signs this statement.
    pub from: String,
    /// The verifier key that it gets.
    pub to: String,
    /// How many entries the register had: every larger tree is signed by both keys, until the
    /// rotation is finished.
    pub size: u64,
    /// The root of that tree.
    pub root: Sha256,
    /// When. A claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_on: Option<Timestamp>,
}

/// The own types, without their version, whose statements cannot be erased: what they say may
/// speak against somebody.
const KEPT: [&str; 9] = [
    "revocation",
    "reinstatement",
    "trust",
    "policy",
    "policy-activation",
    "activation",
    "waiver",
    "tombstone",
    "key-rotation",
];

/// Whether statements of this type, in any version, may be erased from a register.
pub fn is_erasable(predicate_type: &str) -> bool {
    let own = predicate_type
        .strip_prefix(crate::NAMESPACE)
        .and_then(|rest| rest.strip_prefix("attestation/"));
    let Some(own) = own else { return true };
    let name = own.split_once('/').map_or(own, |(name, _)| name);
    !KEPT.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_speak_against_somebody_is_kept() {
        let cases = [
            ("revocation/v0.1", false),
            ("revocation/v2", false),
            ("reinstatement/v0.1", false),
            ("trust/v1", false),
            ("policy/v0.1", false),
            ("policy-activation/v0.1", false),
            ("tombstone/v0.1", false),
            ("key-rotation/v0.1", false),
            ("evaluation/v0.1", true),
            ("revocations/v0.1", true),
        ];
        for (name, want) in cases {
            let full = format!("{}attestation/{name}", crate::NAMESPACE);
            assert_eq!(is_erasable(&full), want, "{name}");
        }
        assert!(is_erasable("https://example.com/attestation/revocation/v0.1"));
    }

    #[test]
    fn what_is_unknown_in_a_revocation_means_the_widest() {
        let parse = |json: &str| serde_json::from_str::<Revocation>(json).unwrap();
        let narrow = parse(r#"{"kind":"artifact","effect":"SUBJECT_ONLY"}"#);
        assert_eq!(
            (narrow.kind, narrow.effect),
            (RevocationKind::Artifact, RevocationEffect::SubjectOnly)
        );
        for json in [r#"{}"#, r#"{"kind":"galaxy","effect":"NOT_YET_INVENTED"}"#] {
            let wide = parse(json);
            assert_eq!(
                (wide.kind, wide.effect),
                (RevocationKind::Unknown, RevocationEffect::Descendants),
                "{json}"
            );
        }
        let from = [
            (r#"{}"#, None),
            (r#"{"fromEntry":null}"#, None),
            (r#"{"fromEntry":7}"#, Some(7)),
            (r#"{"fromEntry":-7}"#, Some(0)),
            (r#"{"fromEntry":"the first"}"#, Some(0)),
        ];
        for (json, want) in from {
            assert_eq!(parse(json).from_entry, want, "{json}");
        }
    }
}
