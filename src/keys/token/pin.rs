//! The PIN of a token: from the file that the URI names, else from the environment, else from the
//! terminal. Each run tries one, once.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::PermissionsExt as _;

use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::{TokenError, TokenKey};
use crate::home;
use crate::render::Printer;

/// Holds the PIN of a token.
pub(super) const PIN: &str = "ASSAY_PKCS11_PIN";

/// The PIN for the token with this label.
pub(super) fn of(key: &TokenKey, label: &str, printer: Printer) -> Result<AuthPin, TokenError> {
    if let Some(path) = key.pin_source() {
        if fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0) {
            let path = path.display();
            printer
                .warn(&format!("PIN file `{path}` can be read by others; run `chmod 600 {path}`"));
        }
        let text = home::read_text(path).map_err(|error| TokenError::PinFile(Box::new(error)))?;
        let text = Zeroizing::new(text);
        // Editors end a file with a line feed, and no PIN ends with one.
        return Ok(AuthPin::from(text.trim_end_matches(['\n', '\r'])));
    }
    if let Some(pin) = from_environment() {
        return Ok(AuthPin::from(pin.as_str()));
    }
    if !io::stdin().is_terminal() {
        return Err(TokenError::NoPin(label.into()));
    }
    let typed = rpassword::prompt_password(format!("PIN of token `{label}`: "));
    let typed = Zeroizing::new(typed.map_err(TokenError::Prompt)?);
    Ok(AuthPin::from(typed.as_str()))
}

/// Whether a PIN can be had at all. Nothing is read or asked.
#[cfg(feature = "server")]
pub(super) fn is_within_reach(key: &TokenKey) -> bool {
    key.pin_source().is_some() || from_environment().is_some() || io::stdin().is_terminal()
}

fn from_environment() -> Option<Zeroizing<String>> {
    std::env::var(PIN).ok().map(Zeroizing::new).filter(|pin| !pin.is_empty())
}
