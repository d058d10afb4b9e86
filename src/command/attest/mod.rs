//! `assay attest`: signs what somebody says of an artifact, and registers it.
//!
//! Any predicate can be said; the shortcuts are for those that we understand. A document that
//! was made elsewhere (a bill of materials, a scan) is signed as it is, byte for byte.

#[cfg(feature = "server")]
mod cosign;
pub mod decisions;
mod documents;
mod evaluation;
mod operations;
#[cfg(feature = "server")]
mod reinstatement;
mod subject;

use std::path::PathBuf;

use ::attest::Statement;
use clap::{Args, Subcommand};

use self::subject::describe;
use crate::context::Context;
use crate::error::Error;
use crate::home;
#[cfg(feature = "server")]
use crate::keyless::KeylessArgs;
use crate::predicate_name;
use crate::publish;
use crate::render::Answer;
use crate::target::Target;

/// Sign a statement about an artifact and register it
#[derive(Args, Debug)]
#[command(
    override_usage = "assay attest [OPTIONS] --type <URI> --predicate <FILE> --subject <PATH|DIGEST>
       assay attest [OPTIONS] --statement <FILE>
       assay attest <COMMAND>",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true
)]
pub struct AttestArgs {
    #[command(subcommand)]
    what: Option<What>,

    #[command(flatten)]
    any: AnyArgs,
}

/// A predicate of any type. Every option is needed unless a shortcut is used instead, which is
/// why those that must be there are optional here.
#[derive(Args, Debug)]
struct AnyArgs {
    /// An in-toto statement, as `assay why --skeletons` writes it, with everything filled in:
    /// signed as it is, under a nonce of its own
    #[arg(long, value_name = "FILE")]
    #[arg(conflicts_with_all = ["predicate_type", "predicate", "subject", "name"])]
    statement: Option<PathBuf>,

    /// Type of the predicate
    #[arg(long = "type", value_name = "URI", required_unless_present = "statement")]
    predicate_type: Option<String>,

    /// The predicate: a JSON document, signed as it is
    #[arg(long, value_name = "FILE", required_unless_present = "statement")]
    predicate: Option<PathBuf>,

    /// What it is about: a file, a folder, an OCI image layout or a digest
    #[arg(long, value_name = "PATH|DIGEST", required_unless_present = "statement")]
    subject: Option<Target>,

    /// The subject's name in the statement; otherwise the path or digest as given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Name, file or URI of the key; otherwise the only one, or `local`
    #[arg(long, value_name = "NAME|FILE|URI", env = crate::keys::KEY, hide_env = true)]
    #[cfg_attr(feature = "server", arg(conflicts_with = "keyless"))]
    key: Option<String>,

    /// Write the bundle here
    #[arg(long, short, value_name = "FILE", required = !cfg!(feature = "server"))]
    #[cfg_attr(feature = "server", arg(required_if_eq("keyless", "true")))]
    output: Option<PathBuf>,

    #[cfg(feature = "server")]
    #[command(flatten)]
    keyless: KeylessArgs,
}

/// How a statement is signed and where it goes.
#[derive(Args, Debug)]
pub struct SignArgs {
    /// Name, file or URI of the key; otherwise the only one, or `local`
    #[arg(long, value_name = "NAME|FILE|URI", env = crate::keys::KEY, hide_env = true)]
    #[cfg_attr(feature = "server", arg(conflicts_with = "keyless"))]
    pub key: Option<String>,

    /// Also write the bundle here
    #[cfg(feature = "server")]
    #[arg(long, short, value_name = "FILE", required_if_eq("keyless", "true"))]
    pub output: Option<PathBuf>,

    #[cfg(feature = "server")]
    #[command(flatten)]
    pub keyless: KeylessArgs,

    /// Write the bundle here
    #[cfg(not(feature = "server"))]
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    Sbom(documents::SbomArgs),
    Vulnerabilities(documents::VulnerabilitiesArgs),
    TestResult(operations::TestResultArgs),
    Evaluation(evaluation::EvaluationArgs),
    Approval(decisions::ApprovalArgs),
    Waiver(decisions::WaiverArgs),
    Revocation(decisions::RevocationArgs),
    #[cfg(feature = "server")]
    Reinstatement(reinstatement::ReinstatementArgs),
    Deployment(operations::DeploymentArgs),
    Monitoring(operations::MonitoringArgs),
    #[cfg(feature = "server")]
    Cosign(cosign::CosignArgs),
}

pub fn attest(args: &AttestArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let Some(what) = &args.what else { return args.any.attest(cx) };
    let (payload, sign) = match what {
        #[cfg(feature = "server")]
        What::Cosign(args) => (args.payload(cx)?, &args.sign),
        What::Sbom(args) => (args.payload(cx)?, &args.sign),
        What::Vulnerabilities(args) => (args.payload(cx)?, &args.sign),
        What::TestResult(args) => (payload(args.statement(cx)?)?, &args.sign),
        What::Evaluation(args) => (payload(args.statement(cx)?)?, &args.sign),
        What::Approval(args) => (payload(args.statement(cx)?)?, &args.sign),
        What::Waiver(args) => (payload(args.statement(cx)?)?, &args.sign),
        What::Revocation(args) => (payload(args.statement(cx)?)?, &args.sign),
        #[cfg(feature = "server")]
        What::Reinstatement(args) => (payload(args.statement(cx)?)?, &args.sign),
        What::Deployment(args) => (payload(args.statement(cx)?)?, &args.sign),
        What::Monitoring(args) => (payload(args.statement(cx)?)?, &args.sign),
    };
    publish::attest(payload, sign, cx)
}

impl AnyArgs {
    fn attest(&self, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
        publish::attest(self.payload(cx)?, &self.sign()?, cx)
    }

    /// The bytes to sign.
    fn payload(&self, cx: &Context<'_>) -> Result<Vec<u8>, Error> {
        if let Some(path) = &self.statement {
            return documents::whole(path, &home::read(path)?);
        }
        let (Some(predicate_type), Some(predicate), Some(subject)) =
            (&self.predicate_type, &self.predicate, &self.subject)
        else {
            return Err(Error::NothingToAttest);
        };
        let predicate_type = predicate_name::full(predicate_type);
        if !predicate_name::is_type(&predicate_type) {
            return Err(Error::NotAType(predicate_type));
        }
        let document = home::read(predicate)?;
        let subject = describe(subject, self.name.as_deref(), cx)?;
        documents::payload(predicate, subject, &predicate_type, &document)
    }

    fn sign(&self) -> Result<SignArgs, Error> {
        #[cfg(feature = "server")]
        let output = self.output.clone();
        #[cfg(not(feature = "server"))]
        let output = self.output.clone().ok_or(Error::NothingToAttest)?;
        Ok(SignArgs {
            key: self.key.clone(),
            output,
            #[cfg(feature = "server")]
            keyless: self.keyless.clone(),
        })
    }
}

/// The bytes to sign of a typed statement.
pub fn payload(statement: Statement) -> Result<Vec<u8>, Error> {
    Ok(statement.with_nonce()?.to_json()?)
}
