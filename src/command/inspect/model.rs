//! Signatures of models (OpenSSF Model Signing).

use attest::digest::to_hex;
use attest::oms::{Bundle, Material, Model};

use super::{bundle, certificate, envelope, part::Part};

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    let signature = Bundle::parse(bytes).map_err(|error| error.to_string())?;
    let model = Model::parse(&signature.envelope.payload).map_err(|error| error.to_string())?;
    let mut part = Part::new("signature of a model");
    let files = model.manifest.files();
    part.fact("files", files.len());
    part.fact("root of the files", model.manifest.root());
    part.claim("model", &model.name);
    part.claim("predicate type", &model.predicate_type);
    let way = model.manifest.serialization();
    part.claim("hash", way.hash().as_str());
    part.claim_each("ignored", way.ignored().iter());
    part.claim_each(
        "file",
        model
            .manifest
            .resources()
            .iter()
            .map(|resource| format!("{}  {}", resource.name, to_hex(&resource.digest))),
    );
    // What stands around the statement, such as log entries, is that of any other bundle.
    if let Ok(whole) = bundle::read(bytes) {
        part.hold(whole);
        return Ok(part);
    }
    match &signature.material {
        Material::Key { hint } => part.claim_if_any("key hint", hint.as_ref()),
        Material::Chain(chain) => {
            let all = chain.iter().map(|der| certificate::or_unreadable("certificate", der));
            part.hold_each("the certificates", all);
        }
    }
    part.hold(envelope::described(&signature.envelope));
    Ok(part)
}
