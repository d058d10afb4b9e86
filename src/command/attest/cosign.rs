//! What somebody else has registered, signed as well: the same bytes under another key.
//!
//! A threshold of two owners counts signatures over one statement. Two statements that say the same
//! are two persons' words, and not one word of two.

use ::attest::envelope::IN_TOTO;
use ::attest::{Predicate, Statement};
use clap::Args;

use super::SignArgs;
use crate::context::Context;
use crate::error::Error;
use crate::source::Source;

/// Sign a statement that is registered already, as it is: what approves a waiver, or agrees to a
/// reinstatement
#[derive(Args, Debug)]
pub struct CosignArgs {
    /// The position of its entry
    #[arg(value_name = "ENTRY")]
    entry: u64,

    #[command(flatten)]
    pub sign: SignArgs,
}

impl CosignArgs {
    /// The bytes to sign: those of the entry.
    pub fn payload(&self, cx: &Context<'_>) -> Result<Vec<u8>, Error> {
        let entry = Source::open(cx)?.entry(self.entry)?;
        let bundle = entry.bundle.ok_or(Error::NothingToCosign(self.entry))?;
        let envelope = bundle.0.envelope;
        if envelope.payload_type != IN_TOTO {
            return Err(Error::NothingToCosign(self.entry));
        }
        let statement = Statement::parse(&envelope.payload)?;
        // Whoever signs should have read what.
        if let Predicate::Reinstatement(said) = &statement.predicate {
            let revocation = statement.subject.first().map_or("nothing", |one| one.label());
            let (entry, reason) = (self.entry, &said.reason);
            cx.printer.note(&format!("entry {entry} takes back {revocation}: {reason}"));
        }
        if let Predicate::Waiver(waiver) = &statement.predicate {
            let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".into());
            let scope = &waiver.scope;
            let until = scope.expires_on.map_or("ever".into(), |until| until.to_string());
            let subject = statement.subject.first().map_or("nothing", |one| one.label());
            let (finding, rule, stage) = (or(&scope.finding), or(&scope.rule), or(&scope.stage));
            let reason = &waiver.reason;
            cx.printer.note(&format!(
                "entry {} asks that {subject} is excepted from {finding} of {rule} at {stage} until \
                 {until}: {reason}; it is once enough have signed it whom the policy lets approve",
                self.entry
            ));
        }
        Ok(envelope.payload)
    }
}
