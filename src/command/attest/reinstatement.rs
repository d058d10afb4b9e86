//! What takes a revocation back: the word of the owners of the trust document.

use ::attest::carried::opened;
use ::attest::predicate::Reinstatement;
use ::attest::{ArtifactId, Predicate, ResourceDescriptor, Statement};
use clap::Args;

use super::SignArgs;
use crate::context::Context;
use crate::error::Error;
use crate::source::Source;

/// Say that a revocation is taken back: it is when as many owners of the trust document have signed
/// that as make a version of it
///
/// The other owners sign the same with `assay attest cosign`. What a key signed while it was revoked
/// stays void.
#[derive(Args, Debug)]
pub struct ReinstatementArgs {
    /// The position of the revocation's entry
    #[arg(long, value_name = "ENTRY")]
    revocation: u64,

    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,

    #[command(flatten)]
    pub sign: SignArgs,
}

impl ReinstatementArgs {
    /// The statement to sign.
    pub fn statement(&self, cx: &Context<'_>) -> Result<Statement, Error> {
        let entry = Source::open(cx)?.entry(self.revocation)?;
        let no_revocation = || Error::NotARevocation(self.revocation);
        let bundle = entry.bundle.ok_or_else(no_revocation)?;
        let envelope = opened(&bundle.0.envelope);
        let said = Statement::parse(&envelope.payload)?;
        let Predicate::Revocation(_) = &said.predicate else { return Err(no_revocation()) };
        let what = said.subject.first().map_or("nothing", |one| one.label());
        cx.printer.note(&format!(
            "it counts once enough owners of the trust document have signed it: `assay attest cosign`, \
             with the entry that it gets; entry {} revokes {what}",
            self.revocation
        ));
        let name = format!("the revocation of {what}");
        let subject = ResourceDescriptor::of(name, &ArtifactId::file(envelope.body()));
        let said = Reinstatement { reason: self.reason.clone(), reinstated_on: Some(cx.now) };
        Ok(Statement { subject: vec![subject], predicate: Predicate::Reinstatement(said) })
    }
}
