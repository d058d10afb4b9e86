//! Which key of which token of which module: `pkcs11:` URIs (RFC 7512).

use std::path::{Path, PathBuf};

use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::slot::TokenInfo;

use super::TokenError;
use crate::keys::uri::{self, UriError};

/// What the URI of such a key begins with (RFC 7512, section 2.3).
pub const SCHEME: &str = "pkcs11:";
/// Names the module when the URI does not.
const MODULE: &str = "ASSAY_PKCS11_MODULE";

/// A key in a token, by the attributes of its URI. What is absent may be anything; what is found
/// must then be one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenKey {
    token: Option<String>,
    manufacturer: Option<String>,
    serial: Option<String>,
    model: Option<String>,
    slot: Option<u64>,
    object: Option<String>,
    id: Option<Vec<u8>>,
    module: Option<PathBuf>,
    pin_source: Option<PathBuf>,
}

impl TokenKey {
    /// Reads what follows `pkcs11:`.
    ///
    /// # Errors
    /// [`UriError`]; also for attributes that RFC 7512 knows and this does not look at.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut key = Self::default();
        for (name, value) in uri::attributes(path, ';')? {
            if name == "id" {
                key.id = Some(value);
                continue;
            }
            let value = uri::text(name, value)?;
            match name {
                "token" => key.token = Some(value),
                "manufacturer" => key.manufacturer = Some(value),
                "serial" => key.serial = Some(value),
                "model" => key.model = Some(value),
                "object" => key.object = Some(value),
                "slot-id" => {
                    let wrong = UriError::Value { name: "slot-id", expected: "a number" };
                    key.slot = Some(value.parse().map_err(|_| wrong)?);
                }
                "type" if value == "private" => {}
                "type" => {
                    let expected = "`private`, or left out: a key to sign with";
                    return Err(UriError::Value { name: "type", expected });
                }
                other => return Err(UriError::Unknown(other.into())),
            }
        }
        for (name, value) in uri::attributes(query, '&')? {
            let value = uri::text(name, value)?;
            match name {
                "module-path" => key.module = Some(absolute("module-path", &value)?),
                "pin-source" => {
                    let path = value.strip_prefix("file:").unwrap_or(&value);
                    key.pin_source = Some(absolute("pin-source", path)?);
                }
                "pin-value" => return Err(UriError::PinInSight),
                other => return Err(UriError::Unknown(other.into())),
            }
        }
        if key.object.is_none() && key.id.is_none() {
            return Err(UriError::Missing("object"));
        }
        Ok(key)
    }

    /// The shared library to load.
    pub(super) fn module(&self) -> Result<PathBuf, TokenError> {
        let named = || std::env::var_os(MODULE).map(PathBuf::from);
        let module = self.module.clone().or_else(named).ok_or(TokenError::NoModule)?;
        // Any other name would be looked for in folders that nobody named.
        if module.is_absolute() { Ok(module) } else { Err(TokenError::NoModule) }
    }

    /// Where the PIN is written.
    pub(super) fn pin_source(&self) -> Option<&Path> {
        self.pin_source.as_deref()
    }

    /// Refuses a key that nobody could open later for want of a module or a PIN. Neither is
    /// touched.
    ///
    /// # Errors
    /// [`TokenError::NoModule`], [`TokenError::NoPin`].
    #[cfg(feature = "server")]
    pub fn require(&self) -> Result<(), TokenError> {
        self.module()?;
        if super::pin::is_within_reach(self) {
            return Ok(());
        }
        Err(TokenError::NoPin(self.token.clone().unwrap_or_default()))
    }

    /// Whether a token is one that is meant.
    pub(super) fn is_of(&self, slot: u64, info: &TokenInfo) -> bool {
        let agrees = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        agrees(&self.token, info.label())
            && agrees(&self.manufacturer, info.manufacturer_id())
            && agrees(&self.serial, info.serial_number())
            && agrees(&self.model, info.model())
            && self.slot.is_none_or(|wanted| wanted == slot)
    }

    /// What an object of `class` must have to be the one that is meant.
    pub(super) fn attributes(&self, class: ObjectClass) -> Vec<Attribute> {
        let label = self.object.iter().map(|label| Attribute::Label(label.clone().into_bytes()));
        let id = self.id.iter().map(|id| Attribute::Id(id.clone()));
        std::iter::once(Attribute::Class(class)).chain(label).chain(id).collect()
    }
}

fn absolute(name: &'static str, value: &str) -> Result<PathBuf, UriError> {
    let path = PathBuf::from(value);
    let expected = "an absolute path";
    if path.is_absolute() { Ok(path) } else { Err(UriError::Value { name, expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_uri_names() {
        let key = || TokenKey { object: Some("release".into()), ..TokenKey::default() };
        let value = |name, expected| Err(UriError::Value { name, expected });
        let cases = [
            ("object=release", Ok(key())),
            ("object=release;type=private", Ok(key())),
            (
                "token=My%20token;object=release",
                Ok(TokenKey { token: Some("My token".into()), ..key() }),
            ),
            (
                "id=%01%ff?module-path=/usr/lib/x.so&pin-source=file:/run/pin",
                Ok(TokenKey {
                    id: Some(vec![1, 255]),
                    module: Some("/usr/lib/x.so".into()),
                    pin_source: Some("/run/pin".into()),
                    ..TokenKey::default()
                }),
            ),
            ("object=release;slot-id=3", Ok(TokenKey { slot: Some(3), ..key() })),
            ("token=a", Err(UriError::Missing("object"))),
            ("", Err(UriError::Missing("object"))),
            ("object=a;object=b", Err(UriError::Twice("object".into()))),
            ("object=a;library-version=3", Err(UriError::Unknown("library-version".into()))),
            ("object=a?pin-value=1234", Err(UriError::PinInSight)),
            ("object=a?module-name=x", Err(UriError::Unknown("module-name".into()))),
            ("object=a?module-path=x.so", value("module-path", "an absolute path")),
            ("object=a?pin-source=|cat", value("pin-source", "an absolute path")),
            ("object=a;type=public", value("type", "`private`, or left out: a key to sign with")),
        ];
        for (text, want) in cases {
            assert_eq!(TokenKey::parse(text), want, "{text}");
        }
    }
}
