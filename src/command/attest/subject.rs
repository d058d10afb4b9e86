//! What a statement is about.

use ::attest::ResourceDescriptor;
use clap::Args;

use crate::context::Context;
use crate::error::Error;
use crate::target::Target;

/// What a statement is about.
#[derive(Args, Debug)]
pub struct SubjectArgs {
    /// What it is about: a file, a folder, an OCI image layout or a digest
    #[arg(long, value_name = "PATH|DIGEST")]
    subject: Target,

    /// The subject's name in the statement; otherwise the path or digest as given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl SubjectArgs {
    /// The subject, with the name that the statement gives it.
    pub fn descriptor(&self, cx: &Context<'_>) -> Result<ResourceDescriptor, Error> {
        describe(&self.subject, self.name.as_deref(), cx)
    }
}

/// Describes `target` under `name`, or under the name that it was typed by.
pub fn describe(
    target: &Target,
    name: Option<&str>,
    cx: &Context<'_>,
) -> Result<ResourceDescriptor, Error> {
    let artifact = cx.resolve(target)?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => target.name().unwrap_or_else(|| artifact.to_string()),
    };
    Ok(ResourceDescriptor::of(name, &artifact))
}
