//! Keys as their files hold them, and the certificates of timestamp authorities.

use attest::in_toto::LayoutKey;
use attest::{Algorithm, PublicKey, SigningKey};
use verify::TimestampAuthority;

use super::{key, models};

/// A public half, in PEM and bare: one key has one encoding.
pub(super) fn public(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).ok();
    let keys =
        [text.and_then(|text| PublicKey::from_pem(text).ok()), PublicKey::from_der(bytes).ok()];
    for key in keys.iter().flatten() {
        let again = PublicKey::from_pem(&key.to_pem());
        assert_eq!(again.ok().map(|again| again.id()), Some(key.id()));
        assert!(key.verify(b"message", bytes).is_err());
    }
    keys.iter().any(Option::is_some)
}

pub(super) fn publics() -> Vec<Vec<u8>> {
    let encodings = |key: SigningKey| {
        let public = key.public();
        [public.to_pem().into_bytes(), public.der().to_vec()]
    };
    all().into_iter().flat_map(encodings).collect()
}

/// A private half that no passphrase keeps: what is read is written and read as the same key.
pub(super) fn signing(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(key) = SigningKey::from_pem(text, None) else { return false };
    let again = key.to_pem(None).ok().and_then(|pem| SigningKey::from_pem(&pem, None).ok());
    assert_eq!(again.map(|again| again.public().id()), Some(key.public().id()));
    true
}

pub(super) fn signings() -> Vec<Vec<u8>> {
    let encoded = |key: SigningKey| key.to_pem(None).ok().map(|pem| pem.as_bytes().to_vec());
    all().into_iter().filter_map(encoded).collect()
}

/// A key of layouts, in JSON or PEM.
pub(super) fn layout(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let json = attest::json::parse(bytes).ok().and_then(|json| LayoutKey::from_json(&json).ok());
    let keys = [json, LayoutKey::from_pem(text).ok()];
    for key in keys.iter().flatten() {
        let again = key.to_json().and_then(|json| LayoutKey::from_json(&json).ok());
        assert_eq!(again.map(|again| again.identity()), Some(key.identity()));
    }
    keys.iter().any(Option::is_some)
}

pub(super) fn layouts() -> Vec<Vec<u8>> {
    let kinds = all().into_iter().filter_map(|key| LayoutKey::from_public(key.public()).ok());
    let json = kinds.filter_map(|key| Some(key.to_json()?.to_string().into_bytes()));
    json.chain([RSA.as_bytes().to_vec()]).collect()
}

/// The certificates of a timestamp authority.
pub(super) fn clock(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(clock) = TimestampAuthority::from_pem(text) else { return false };
    assert_eq!(clock.pem(), text);
    assert!(!clock.certificate().is_empty());
    true
}

pub(super) fn clocks() -> Vec<Vec<u8>> {
    // The second of the texts holds two certificates.
    models::certificate_texts().into_iter().skip(1).collect()
}

/// A key of the kind that is made where no other is asked for.
pub(super) fn generated() -> Option<SigningKey> {
    SigningKey::generate(Algorithm::P256).ok()
}

/// A key of each kind.
fn all() -> Vec<SigningKey> {
    let others = [Algorithm::P256, Algorithm::P384, Algorithm::P521];
    key()
        .into_iter()
        .chain(others.into_iter().filter_map(|one| SigningKey::generate(one).ok()))
        .collect()
}

/// The public half of a key that was thrown away.
const RSA: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAnlbMD1QmN3aWVD/QPPRM\n\
VwJjJpyXShlcOXOQ5d5TKHss2cYSEHSkAO2JZGuVa0cLcdbFy3MfeBy11J4668l8\n\
Q9H0rAyZYOVT+ogh6mdtR2c2M1RmfJUiHg1FdwnfADDT7xpPcbr5WnO5VDCp8Huu\n\
39u+1bwbJ3kw8TI3VCFkwQgieuJXLEhb/0eXJkqVpSpF1vRGwuw7xadgT0fCVgJM\n\
gurtEO0Yb0A3jfsug9sQSg2HZBekQFXkY314uR60bjeeTBHqirgvPNNjX4iQbg83\n\
HJS4oYytZFWVJeZtCTFVDr6W7oSPpYOmA+OrVbKADmZR6e2CR4SmIqx3Y+Wp9vUU\n\
2QIDAQAB\n\
-----END PUBLIC KEY-----\n";
