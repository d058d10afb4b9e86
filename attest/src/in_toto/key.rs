//! Keys as layouts name them: securesystemslib's form in JSON, or a SubjectPublicKeyInfo in PEM.
//!
//! Source: in-toto specification v1.0, section 4.2; securesystemslib 1.x, `SSlibKey`. A key is
//! known by its SubjectPublicKeyInfo, of which one encoding is accepted; the key id of the layout
//! is a name that decides nothing. A key that is not checked here (OpenPGP, P-521, ML-DSA, RSA
//! below 2048 bits) stays in the layout as [`Material::Unusable`], and no signature is by it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::PublicEncryptingKey;
use pkcs8::der::Document;
use pkcs8::der::pem::LineEnding;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::canonical::canonical;
use crate::digest::{Sha256, from_hex, to_hex};
use crate::key::{Algorithm, KeyError, MAX_PEM_BYTES, PublicKey};

/// The smallest RSA key that is checked with, in bits.
pub const MIN_RSA_BITS: usize = 2048;
/// The largest RSA key that is checked with, in bits: time grows with the square.
pub const MAX_RSA_BITS: usize = 8192;
/// The longest key id, in characters. Those that are digests have 64.
const MAX_LABEL: usize = 128;
/// How many characters of a key id stand in file names (in-toto specification, section 4.4).
const PREFIX: usize = 8;
const PUBLIC_LABEL: &str = "PUBLIC KEY";

/// A key id of a layout: hex digits, by which the layout speaks of a key. It decides nothing:
/// who a key is, its [`LayoutKey::identity`] says.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyLabel(String);

/// The text is no key id.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a key id: hex digits, at most {MAX_LABEL}")]
pub struct LabelError(String);

impl KeyLabel {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part that stands in file names: its first eight digits.
    pub fn prefix(&self) -> &str {
        self.0.get(..PREFIX).unwrap_or(&self.0)
    }
}

impl FromStr for KeyLabel {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && !text.is_empty() && text.len() <= MAX_LABEL {
            Ok(Self(text.into()))
        } else {
            Err(LabelError(text.chars().take(MAX_LABEL).collect()))
        }
    }
}

impl fmt::Display for KeyLabel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for KeyLabel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// How an RSA key signs, with SHA-256.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RsaScheme {
    /// RSASSA-PSS with a salt of 32 bytes (RFC 8017, section 8.1).
    Pss,
    /// RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2).
    Pkcs1,
}

impl RsaScheme {
    /// securesystemslib's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pss => "rsassa-pss-sha256",
            Self::Pkcs1 => "rsa-pkcs1v15-sha256",
        }
    }
}

/// What a key checks with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Material {
    /// Ed25519, P-256 or P-384.
    Plain(PublicKey),
    /// RSA of 2048 to 8192 bits.
    Rsa {
        /// The SubjectPublicKeyInfo in DER.
        der: Vec<u8>,
        /// How it signs.
        scheme: RsaScheme,
    },
    /// Nothing: no signature is by this key.
    Unusable(LayoutKeyError),
}

/// A key that a layout names, or that its owner's signature is checked with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LayoutKey {
    label: KeyLabel,
    material: Material,
}

/// Why a key cannot be checked with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutKeyError {
    /// Not a key in JSON as securesystemslib writes it.
    #[error("not a key: `{0}` is missing or not text")]
    Field(&'static str),
    /// The key id is none.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// The layout calls the key by another id than the key itself.
    #[error("key `{outer}` calls itself `{inner}`")]
    Labels {
        /// In the layout.
        outer: String,
        /// In the key.
        inner: String,
    },
    /// A kind of key that is not checked.
    #[error("keys of kind `{keytype}` with scheme `{scheme}` are not checked")]
    Kind {
        /// What kind of key.
        keytype: String,
        /// How it signs.
        scheme: String,
    },
    /// The key is of another algorithm than its scheme.
    #[error("the key is not one for scheme `{0}`")]
    OtherScheme(String),
    /// The key itself.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not an RSA key, or not in the one encoding that is accepted.
    #[error("malformed RSA key")]
    Rsa,
    /// An RSA key of a size that is not checked with, or of numbers that are no key.
    #[error("not an RSA key of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")]
    RsaSize,
}

impl LayoutKey {
    /// The key in PEM (`-----BEGIN PUBLIC KEY-----`), with the key id that securesystemslib gives
    /// it. An RSA key signs by RSASSA-PSS, as it does there.
    ///
    /// # Errors
    /// [`LayoutKeyError`].
    pub fn from_pem(pem: &str) -> Result<Self, LayoutKeyError> {
        let material = match Self::rsa_from_pem(pem, RsaScheme::Pss) {
            // An encoding of another algorithm: then one of the others.
            Err(LayoutKeyError::Rsa) => Material::Plain(PublicKey::from_pem(pem)?),
            other => other?,
        };
        Self::of(material)
    }

    /// A key of Assay's own, with the key id that securesystemslib gives it.
    ///
    /// # Errors
    /// [`LayoutKeyError`], which no such key brings about.
    pub fn from_public(key: &PublicKey) -> Result<Self, LayoutKeyError> {
        Self::of(Material::Plain(key.clone()))
    }

    /// A key in JSON, as securesystemslib writes it, with its own `keyid`.
    ///
    /// # Errors
    /// [`LayoutKeyError`], also when it is of a kind that is not checked.
    pub fn from_json(key: &Value) -> Result<Self, LayoutKeyError> {
        let key = Self::from_entry(text(key, "keyid")?, key)?;
        match key.material {
            Material::Unusable(why) => Err(why),
            _ => Ok(key),
        }
    }

    /// An entry of a layout's `keys`. What is a key and cannot be checked with is kept as such.
    ///
    /// # Errors
    /// [`LayoutKeyError`] when the entry contradicts itself or is no key at all.
    pub(super) fn from_entry(outer: &str, key: &Value) -> Result<Self, LayoutKeyError> {
        let label: KeyLabel = outer.parse()?;
        if let Some(inner) = key.get("keyid") {
            let inner = inner.as_str().ok_or(LayoutKeyError::Field("keyid"))?;
            if inner != outer {
                let short = |text: &str| text.chars().take(MAX_LABEL).collect();
                return Err(LayoutKeyError::Labels { outer: short(outer), inner: short(inner) });
            }
        }
        let material = Self::read_material(key).unwrap_or_else(Material::Unusable);
        match material {
            Material::Unusable(LayoutKeyError::Field(field)) => Err(LayoutKeyError::Field(field)),
            material => Ok(Self { label, material }),
        }
    }

    fn read_material(key: &Value) -> Result<Material, LayoutKeyError> {
        // OpenPGP keys have `type` and `method` instead.
        let kind = |modern, old| text(key, modern).or_else(|_| text(key, old));
        let keytype = kind("keytype", "type").map_err(|_| LayoutKeyError::Field("keytype"))?;
        let scheme = kind("scheme", "method").map_err(|_| LayoutKeyError::Field("scheme"))?;
        let public = key.get("keyval").and_then(|value| value.get("public"));
        let plain = |algorithm| {
            let public = public.and_then(Value::as_str).ok_or(LayoutKeyError::Field("public"))?;
            let key = match algorithm {
                Algorithm::Ed25519 => raw_ed25519(public)?,
                Algorithm::P256 | Algorithm::P384 | Algorithm::P521 => PublicKey::from_pem(public)?,
            };
            if key.algorithm() == algorithm {
                Ok(Material::Plain(key))
            } else {
                Err(LayoutKeyError::OtherScheme(scheme.into()))
            }
        };
        let rsa = |scheme| {
            let public = public.and_then(Value::as_str).ok_or(LayoutKeyError::Field("public"))?;
            Self::rsa_from_pem(public, scheme)
        };
        match (keytype, scheme) {
            ("ed25519", "ed25519") => plain(Algorithm::Ed25519),
            // The kinds that are called like their schemes are what older programs wrote.
            ("ecdsa" | "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256") => plain(Algorithm::P256),
            ("ecdsa" | "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384") => plain(Algorithm::P384),
            ("rsa", "rsassa-pss-sha256") => rsa(RsaScheme::Pss),
            ("rsa", "rsa-pkcs1v15-sha256") => rsa(RsaScheme::Pkcs1),
            _ => {
                let short = |text: &str| text.chars().take(MAX_LABEL).collect();
                Err(LayoutKeyError::Kind { keytype: short(keytype), scheme: short(scheme) })
            }
        }
    }

    fn rsa_from_pem(pem: &str, scheme: RsaScheme) -> Result<Material, LayoutKeyError> {
        if pem.len() > MAX_PEM_BYTES {
            return Err(KeyError::TooLarge.into());
        }
        let Ok((PUBLIC_LABEL, document)) = Document::from_pem(pem.trim()) else {
            return Err(KeyError::Pem { expected: PUBLIC_LABEL }.into());
        };
        let key = PublicEncryptingKey::from_der(document.as_bytes())
            .map_err(|_| rejected_rsa(document.as_bytes()))?;
        let bits = key.key_size_bits();
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(LayoutKeyError::RsaSize);
        }
        // A second encoding would be a second identity.
        let written: PublicKeyX509Der<'_> = key.as_der().map_err(|_| LayoutKeyError::Rsa)?;
        if written.as_ref() != document.as_bytes() {
            return Err(LayoutKeyError::Rsa);
        }
        Ok(Material::Rsa { der: document.as_bytes().to_vec(), scheme })
    }

    fn of(material: Material) -> Result<Self, LayoutKeyError> {
        let (keytype, scheme, public) = material.described()?;
        let named = json!({"keytype": keytype, "scheme": scheme, "keyval": {"public": public}});
        let digest = Sha256::of(&canonical(&named).unwrap_or_default());
        Ok(Self { label: KeyLabel(digest.hex()), material })
    }

    /// What the layout calls it.
    pub const fn label(&self) -> &KeyLabel {
        &self.label
    }

    /// What it checks with.
    pub const fn material(&self) -> &Material {
        &self.material
    }

    /// Who it is: the SHA-256 digest of its SubjectPublicKeyInfo in DER. Keys under two names, or
    /// with two schemes, are one. `None` for a key that nothing is checked with.
    pub fn identity(&self) -> Option<Sha256> {
        match &self.material {
            Material::Plain(key) => Some(key.id().digest()),
            Material::Rsa { der, .. } => Some(Sha256::of(der)),
            Material::Unusable(_) => None,
        }
    }

    /// The JSON form, as securesystemslib reads it; `None` for a key that nothing is checked with.
    pub fn to_json(&self) -> Option<Value> {
        let (keytype, scheme, public) = self.material.described().ok()?;
        let keyval = json!({"public": public});
        Some(json!({
            "keyid": self.label.as_str(), "keytype": keytype, "scheme": scheme, "keyval": keyval,
        }))
    }
}

impl Material {
    /// Kind, scheme and public half as securesystemslib has them.
    fn described(&self) -> Result<(&'static str, &'static str, String), LayoutKeyError> {
        Ok(match self {
            Self::Plain(key) => match key.algorithm() {
                Algorithm::Ed25519 => ("ed25519", "ed25519", to_hex(key.raw())),
                Algorithm::P256 => ("ecdsa", "ecdsa-sha2-nistp256", key.to_pem()),
                Algorithm::P384 => ("ecdsa", "ecdsa-sha2-nistp384", key.to_pem()),
                Algorithm::P521 => {
                    let (keytype, scheme) = ("ecdsa".into(), "ecdsa-sha2-nistp521".into());
                    return Err(LayoutKeyError::Kind { keytype, scheme });
                }
            },
            Self::Rsa { der, scheme } => ("rsa", scheme.as_str(), rsa_pem(der)),
            Self::Unusable(why) => return Err(why.clone()),
        })
    }
}

fn text<'a>(value: &'a Value, field: &'static str) -> Result<&'a str, LayoutKeyError> {
    value.get(field).and_then(Value::as_str).ok_or(LayoutKeyError::Field(field))
}

fn raw_ed25519(hex: &str) -> Result<PublicKey, LayoutKeyError> {
    let malformed = || KeyError::Malformed(Algorithm::Ed25519.as_str());
    let bytes = from_hex(&hex.to_ascii_lowercase()).ok_or_else(malformed)?;
    let bytes = <&[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| malformed())?;
    Ok(PublicKey::from_ed25519(bytes)?)
}

/// Why the library refused, which does not say it: another algorithm, or a key that it does not
/// take.
fn rejected_rsa(der: &[u8]) -> LayoutKeyError {
    // rsaEncryption (RFC 8017, appendix C), as it stands in a SubjectPublicKeyInfo.
    const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    let is_rsa = der.get(..64).unwrap_or(der).windows(RSA.len()).any(|part| part == RSA);
    if is_rsa { LayoutKeyError::RsaSize } else { LayoutKeyError::Rsa }
}

fn rsa_pem(der: &[u8]) -> String {
    Document::try_from(der)
        .and_then(|document| document.to_pem(PUBLIC_LABEL, LineEnding::LF))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;

    // Made for this test; nobody has the private halves.
    const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDH5GLjjXLyiLzrRbntWD0Fu7Tj
ibp2mYIUb/t08Z3s3IwwGI5JhjLWTSkpX/WcKEXrCbxgT9CRP7gh/o3iRtBssCtU
EWC3Se2CZ60qDAu11h55FAW3PbM+JkXoDGHKeEp+8z5m4q9CK+ovDCBMSdfcMwkp
eycy7Eglnj5q5PjpNQIDAQAB
-----END PUBLIC KEY-----
";
    const RSA_2048: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAud4u8vORLT98bsKsye0o
kaPDuVv8mpA3vVZfMGTxKupPCO6HBmwR7eid8OBj4vRzmTLp2MLpEEetYGmgHmZY
yohyLNCm23gOSJ4HVMgbEl5pfyvm0ehYmdFrz7hrGIokscBi90NL14MG8aNAaJ8H
VicWiHAlaFTnl5b99qEo6fFaKHqtSED4CeHvpuYT6mxJ2oghuscNbuc+fDg5burh
hpn0le2Geq6qlaTTttyJX9c1KCnhMryBuZMmgkDsjG1H7tM+ammi3qpEFEe0aV2m
rFHj/9JS6sjQg7qTkStbaz6FwLWjwtMoqu/59YVRc9FuKlh1INzzFaQijvVfQ8au
LwIDAQAB
-----END PUBLIC KEY-----
";
    const RSA_2048_PKCS1: &str = "-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAud4u8vORLT98bsKsye0okaPDuVv8mpA3vVZfMGTxKupPCO6HBmwR
7eid8OBj4vRzmTLp2MLpEEetYGmgHmZYyohyLNCm23gOSJ4HVMgbEl5pfyvm0ehY
mdFrz7hrGIokscBi90NL14MG8aNAaJ8HVicWiHAlaFTnl5b99qEo6fFaKHqtSED4
CeHvpuYT6mxJ2oghuscNbuc+fDg5burhhpn0le2Geq6qlaTTttyJX9c1KCnhMryB
uZMmgkDsjG1H7tM+ammi3qpEFEe0aV2mrFHj/9JS6sjQg7qTkStbaz6FwLWjwtMo
qu/59YVRc9FuKlh1INzzFaQijvVfQ8auLwIDAQAB
-----END RSA PUBLIC KEY-----
";

    fn entry(keytype: &str, scheme: &str, public: &str) -> Value {
        json!({
            "keyid": "abcd", "keytype": keytype, "scheme": scheme, "keyval": {"public": public},
        })
    }

    #[test]
    fn rsa_keys_have_a_size_and_one_encoding() {
        // The key ids are what securesystemslib 1.6.0 gives these keys.
        let key = LayoutKey::from_pem(RSA_2048).unwrap();
        assert_eq!(
            key.label().as_str(),
            "7477dadfcc28f9cff792bb4356a14435bdc3c81d6ad41db4ab1160b2f2ad3565"
        );
        let pkcs1 = LayoutKey::from_json(&entry("rsa", "rsa-pkcs1v15-sha256", RSA_2048)).unwrap();
        let named = LayoutKey::of(pkcs1.material().clone()).unwrap();
        assert_eq!(
            named.label().as_str(),
            "72b5eac9352874c9d5f1897716d5ec76b1a4e0f61319378318e83151fbe71e81"
        );
        assert_eq!(pkcs1.identity(), key.identity(), "one key, whatever the scheme");

        let small = LayoutKeyError::RsaSize;
        assert_eq!(LayoutKey::from_pem(RSA_1024), Err(small.clone()));
        let kept = LayoutKey::from_entry("abcd", &entry("rsa", "rsassa-pss-sha256", RSA_1024));
        assert_eq!(kept.unwrap().material(), &Material::Unusable(small));
        assert!(LayoutKey::from_pem(RSA_2048_PKCS1).is_err(), "another label");
        // The same key as PKCS#1 under the label of an SPKI.
        let inner = RSA_2048_PKCS1.replace("RSA PUBLIC", "PUBLIC");
        assert!(LayoutKey::from_pem(&inner).is_err(), "another encoding");
    }

    #[test]
    fn an_rsa_key_is_no_public_key_elsewhere() {
        assert!(PublicKey::from_pem(RSA_2048).is_err());
    }

    #[test]
    fn keys_in_json() {
        let public = SigningKey::from_ed25519_seed(&[7; 32]).unwrap().public().clone();
        let hex = to_hex(public.raw());
        let cases = [
            ("as written", entry("ed25519", "ed25519", &hex), true),
            ("in capitals", entry("ed25519", "ed25519", &hex.to_uppercase()), true),
            ("too short", entry("ed25519", "ed25519", &hex[2..]), false),
            ("other scheme", entry("ed25519", "ecdsa-sha2-nistp256", &hex), false),
            ("other type", entry("rsa", "rsassa-pss-sha256", &public.to_pem()), false),
            (
                "PEM of another curve",
                entry("ecdsa", "ecdsa-sha2-nistp256", &public.to_pem()),
                false,
            ),
            ("no key", json!({"keyid": "abcd"}), false),
            (
                "not hex",
                {
                    let mut key = entry("ed25519", "ed25519", &hex);
                    key["keyid"] = "xyz".into();
                    key
                },
                false,
            ),
        ];
        for (name, key, good) in cases {
            assert_eq!(LayoutKey::from_json(&key).is_ok(), good, "{name}");
        }
        let key = LayoutKey::from_public(&public).unwrap();
        assert_eq!(LayoutKey::from_json(&key.to_json().unwrap()).unwrap(), key);
        assert_eq!(LayoutKey::from_pem(&public.to_pem()).unwrap(), key);
    }

    #[test]
    fn labels_are_hex_digits() {
        for (text, prefix) in [
            ("0123456789", Some("01234567")),
            ("ab", Some("ab")),
            ("", None),
            ("é", None),
            ("xy", None),
        ] {
            let label: Option<KeyLabel> = text.parse().ok();
            assert_eq!(label.as_ref().map(KeyLabel::prefix), prefix, "{text}");
        }
        assert!("a".repeat(MAX_LABEL + 1).parse::<KeyLabel>().is_err());
    }
}
