//! In-toto statements: what is said, of what.

use attest::{Predicate, ResourceDescriptor, Statement};

use super::part::Part;

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    let statement = Statement::parse(bytes).map_err(|error| error.to_string())?;
    let mut part = Part::new("statement");
    part.fact("subjects", statement.subject.len());
    part.claim("predicate type", statement.predicate_type());
    part.claim_if_any("step", statement.step());
    part.claim_if_any("stage", statement.stage());
    part.claim_each("about", statement.subject.iter().map(described));
    part.claim_each("made from", statement.materials().into_iter().map(described));
    if let Predicate::Other { value, .. } = &statement.predicate {
        part.claim("predicate", value);
    }
    Ok(part)
}

/// A resource in one line: what it is called, and every digest.
fn described(resource: &ResourceDescriptor) -> String {
    let digests = resource.digest.iter().map(|(name, hex)| format!("  {name}:{hex}"));
    let digests: String = digests.collect();
    format!("{}{digests}", resource.label())
}
