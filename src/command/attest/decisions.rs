//! What people decide: approvals, waivers, revocations.
//!
//! Nothing here says who decides: the key that signs does.

use ::attest::predicate::{Approval, Revocation, RevocationEffect, RevocationKind, Scope, Waiver};
use ::attest::{ArtifactId, Predicate, ResourceDescriptor, Sha256, StageName, Statement};
use clap::Args;

use super::SignArgs;
use super::subject::{SubjectArgs, describe};
use crate::context::Context;
use crate::error::Error;
use crate::keys;
use crate::moment::Moment;
use crate::target::Target;

/// Approve an artifact for a stage, until a time
#[derive(Args, Debug)]
pub struct ApprovalArgs {
    #[command(flatten)]
    subject: SubjectArgs,

    /// The stage that it is approved for
    #[arg(long)]
    stage: StageName,

    /// Until when: `2027-03-01` or `90d`
    #[arg(long, value_name = "TIME")]
    expires: Moment,

    /// Digest of the policy that the approval goes with
    #[arg(long, value_name = "DIGEST")]
    policy: Option<Sha256>,

    /// Say no instead: a rejection
    #[arg(long)]
    reject: bool,

    /// Why
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,

    #[command(flatten)]
    pub sign: SignArgs,
}

impl ApprovalArgs {
    /// The statement to sign.
    pub fn statement(&self, cx: &Context<'_>) -> Result<Statement, Error> {
        let approval = Approval {
            approver: None,
            decision: if self.reject { "REJECTED" } else { "APPROVED" }.into(),
            approved_on: Some(cx.now),
            scope: Scope {
                stage: Some(self.stage.to_string()),
                policy: self.policy.map(|digest| digest.to_string()),
                rule: None,
                finding: None,
                expires_on: Some(later(self.expires, cx)?),
            },
            reviewed: Vec::new(),
            comment: self.comment.clone(),
        };
        let subject = vec![self.subject.descriptor(cx)?];
        Ok(Statement { subject, predicate: Predicate::Approval(approval) })
    }
}

/// Ask that an artifact is excepted from a rule at a stage, until a time
///
/// It counts once somebody else, whom the policy names under `waivers`, has signed the same
/// statement: `assay attest cosign`.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  assay attest waiver --subject model.bin --rule ages.evaluate --finding age.exceeded \\
      --stage production --policy sha256:… --reason 'the data arrives on Monday' --expires 7d --key ana
  assay attest cosign 17 --key ben")]
pub struct WaiverArgs {
    #[command(flatten)]
    subject: SubjectArgs,

    /// The rule, as the finding names it
    #[arg(long)]
    rule: String,

    /// The code of the finding, such as `age.exceeded`
    #[arg(long, value_name = "CODE")]
    finding: Option<String>,

    /// The stage
    #[arg(long)]
    stage: StageName,

    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// Where it is followed up: the name or address of a ticket
    #[arg(long, value_name = "TEXT")]
    ticket: Option<String>,

    /// Who asked for it
    #[arg(long, value_name = "WHO")]
    requested_by: Option<String>,

    /// Digest of the policy that the waiver goes with
    #[arg(long, value_name = "DIGEST")]
    policy: Option<Sha256>,

    /// Until when: `2027-03-01` or `14d`
    #[arg(long, value_name = "TIME")]
    expires: Moment,

    #[command(flatten)]
    pub sign: SignArgs,
}

impl WaiverArgs {
    /// The statement to sign.
    pub fn statement(&self, cx: &Context<'_>) -> Result<Statement, Error> {
        if self.finding.is_none() || self.policy.is_none() {
            cx.printer.note(
                "no policy accepts a waiver that does not say `--finding` and `--policy`, as the \
                 report has them",
            );
        }
        let waiver = Waiver {
            requested_on: Some(cx.now),
            requester: self.requested_by.as_ref().map(|who| serde_json::json!({ "id": who })),
            scope: Scope {
                stage: Some(self.stage.to_string()),
                policy: self.policy.map(|digest| digest.to_string()),
                rule: Some(self.rule.clone()),
                finding: self.finding.clone(),
                expires_on: Some(later(self.expires, cx)?),
            },
            reason: self.reason.clone(),
            ticket: self.ticket.clone(),
        };
        let subject = vec![self.subject.descriptor(cx)?];
        Ok(Statement { subject, predicate: Predicate::Waiver(waiver) })
    }
}

/// Say that an artifact, a key, a builder or an attestation is no longer good
#[derive(Args, Debug)]
pub struct RevocationArgs {
    #[command(flatten)]
    what: Revoked,

    /// Its name in the statement; otherwise the path or digest as given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// Also everything that was made from it
    #[arg(long)]
    descendants: bool,

    /// A key or a builder is void from this entry of the register on; 0 is all that it ever did
    #[arg(long, value_name = "ENTRY", conflicts_with_all = ["subject", "attestation"])]
    from_entry: Option<u64>,

    #[command(flatten)]
    pub sign: SignArgs,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Revoked {
    /// An artifact: a file, a folder, an OCI image layout or a digest
    #[arg(long, value_name = "PATH|DIGEST")]
    subject: Option<Target>,

    /// A key, from now on unless said: its name, its identity or its public half
    #[arg(long, value_name = "NAME|ID|FILE")]
    revoked_key: Option<String>,

    /// An attestation, by the digest that `assay verify` shows
    #[arg(long, value_name = "DIGEST")]
    attestation: Option<Sha256>,

    /// A version of a builder, by its id as provenance names it
    #[arg(long, value_name = "ID")]
    builder: Option<String>,
}

impl RevocationArgs {
    /// The statement to sign.
    pub fn statement(&self, cx: &Context<'_>) -> Result<Statement, Error> {
        let (kind, subject) = match &self.what {
            Revoked { revoked_key: Some(key), .. } => {
                let digest = keys::id_of(key, cx)?.digest();
                // A name says more than a digest; a path says where somebody keeps a file.
                let name = keys::is_name(key).then_some(key.as_str());
                (RevocationKind::Key, self.named_or(digest, name))
            }
            Revoked { attestation: Some(body), .. } => {
                (RevocationKind::Attestation, self.named(*body))
            }
            Revoked { builder: Some(id), .. } => {
                let digest = Sha256::of(id.as_bytes());
                // An id is no name of an artifact; whoever reads the statement wants to see it.
                let uri = Some(id.clone());
                (RevocationKind::Builder, ResourceDescriptor { uri, ..self.named(digest) })
            }
            Revoked { subject: Some(target), .. } => {
                (RevocationKind::Artifact, describe(target, self.name.as_deref(), cx)?)
            }
            Revoked { .. } => return Err(Error::NothingToAttest),
        };
        if self.what.subject.is_some() && !self.descendants {
            cx.printer.note(
                "what was made from it stays allowed; revoke that, too, with `--descendants`",
            );
        }
        let effect = if self.descendants {
            RevocationEffect::Descendants
        } else {
            RevocationEffect::SubjectOnly
        };
        let revocation = Revocation {
            revoker: None,
            revoked_on: Some(cx.now),
            kind,
            reason: self.reason.clone(),
            effect,
            from_entry: self.from_entry,
            description: None,
        };
        Ok(Statement { subject: vec![subject], predicate: Predicate::Revocation(revocation) })
    }

    fn named(&self, digest: Sha256) -> ResourceDescriptor {
        self.named_or(digest, None)
    }

    /// What has this digest, under the name that was asked for, else under `name`.
    fn named_or(&self, digest: Sha256, name: Option<&str>) -> ResourceDescriptor {
        let name = self.name.as_deref().or(name).map_or_else(|| digest.to_string(), str::to_owned);
        ResourceDescriptor::of(name, &ArtifactId::file(digest))
    }
}

/// A time to come: what ends before it begins is a slip of the pen.
fn later(moment: Moment, cx: &Context<'_>) -> Result<::attest::Timestamp, Error> {
    moment.after(cx.now).filter(|time| *time > cx.now).ok_or(Error::PastExpiry)
}
