//! Policies: what must hold before an artifact may run at a stage.

use policy::Policy;

use super::part::Part;

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let policy = Policy::parse(text).map_err(|error| error.to_string())?;
    let mut part = Part::new("policy");
    part.fact("digest", policy.digest());
    part.claim("name", policy.name());
    part.claim("version", policy.version());
    part.claim("URI", policy.uri());
    let stages: Vec<String> =
        policy.stages().map(|(stage, mode)| format!("{stage} ({})", mode.as_str())).collect();
    part.claim_each("stage", stages.into_iter());
    let rules: Vec<String> = policy.rules().map(|(rule, asks)| format!("{rule}: {asks}")).collect();
    part.claim_each("rule", rules.into_iter());
    Ok(part)
}
