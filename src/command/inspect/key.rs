//! Keys: public ones, private ones without their secret, and verifier keys of notes.

use attest::digest::to_hex;
use attest::in_toto::{LayoutKey, Material};
use attest::{CosignerKey, PublicKey, SigningKey, VerifierKey};
use zeroize::Zeroizing;

use super::part::Part;

const SECRET: &[u8] = b"PRIVATE KEY-----";

/// Whether a text holds what nobody else may see.
pub(super) fn is_secret(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET)
}

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    if is_secret(bytes) {
        return secret(bytes);
    }
    if let Ok(key) = PublicKey::from_der(bytes) {
        return Ok(public(&key));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let failed = match PublicKey::from_pem(text) {
        Ok(key) => return Ok(public(&key)),
        Err(error) => error.to_string(),
    };
    let json = || LayoutKey::from_json(&attest::json::parse(bytes).ok()?).ok();
    let key = LayoutKey::from_pem(text).ok().or_else(json).ok_or(failed)?;
    Ok(of_layout(&key))
}

fn secret(bytes: &[u8]) -> Result<Part, String> {
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    let mut part = Part::new("private key");
    if SigningKey::is_encrypted(&text) {
        part.fact("secret", "under a passphrase; of which key it is cannot be told without it");
        return Ok(part);
    }
    let key = SigningKey::from_pem(&text, None).map_err(|error| error.to_string())?;
    part.fact("secret", "not under a passphrase, and not shown");
    identify(&mut part, key.public());
    Ok(part)
}

fn public(key: &PublicKey) -> Part {
    let mut part = Part::new("public key");
    identify(&mut part, key);
    part
}

/// What a key is known by, in Assay and in in-toto layouts.
pub(super) fn identify(part: &mut Part, key: &PublicKey) {
    part.fact("key", key.algorithm().as_str());
    part.fact("key identity", key.id());
    if let Ok(named) = LayoutKey::from_public(key) {
        part.fact("key id in layouts", named.label());
    }
}

/// A key that layouts alone are checked with, such as RSA.
pub(super) fn of_layout(key: &LayoutKey) -> Part {
    let mut part = Part::new("public key of layouts");
    match key.material() {
        Material::Plain(plain) => part.fact("key", plain.algorithm().as_str()),
        Material::Rsa { scheme, .. } => part.fact("key", scheme.as_str()),
        Material::Unusable(why) => part.fact("unusable", why),
    }
    if let Some(identity) = key.identity() {
        part.fact("key identity", identity);
    }
    part.claim("key id in layouts", key.label());
    part
}

/// C2SP signed-note and tlog-cosignature: the text form of a log's or a witness's key.
pub(super) fn read_verifier(bytes: &[u8]) -> Result<Part, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?.trim();
    if let Ok(witness) = text.parse::<CosignerKey>() {
        let mut part = Part::new("verifier key of a witness");
        identify(&mut part, witness.key());
        part.claim("name", witness.name());
        return Ok(part);
    }
    let log = text.parse::<VerifierKey>().map_err(|error| error.to_string())?;
    let mut part = Part::new("verifier key");
    identify(&mut part, log.key());
    part.fact("key hash in notes", to_hex(&log.hash()));
    part.fact("log id in bundles", log.id());
    part.claim("name", log.name());
    Ok(part)
}
