//! A key in a token that speaks PKCS#11: a security module, a smart card, or software.
//!
//! The URI says which (RFC 7512); the module, a shared library, is loaded at run time. The token
//! signs; the private key never leaves it. Everything is opened at once and after any step has
//! ended: module, session, login, key. The PIN is tried once, for a token locks after a few.
//!
//! What the token answers is checked like any other signature: under the public key beside the
//! private one, which is the token's public key object, or else its certificate.

mod error;
mod name;
mod pin;
mod public;

use std::sync::{Mutex, PoisonError};

use attest::{Algorithm, Keeper, KeyError, PublicKey, SigningKey, keeper};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Pkcs11Error, RvError};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};

pub use self::error::TokenError;
pub use self::name::{SCHEME, TokenKey};
use crate::render::Printer;

/// How many objects of one kind are looked at.
const MAX_OBJECTS: usize = 1_000;

impl TokenKey {
    /// The public half, for which most tokens need no PIN.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn public(&self, printer: Printer) -> Result<PublicKey, TokenError> {
        let opened = Opened::of(self)?;
        match opened.public_by_name(self) {
            Ok(Some(public)) => return Ok(public),
            Ok(None) => {}
            Err(error) => return Err(error),
        }
        opened.login(self, printer)?;
        let private = opened.private(self)?;
        opened.public(private)
    }

    /// Logs in and finds the key.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn open(&self, printer: Printer) -> Result<SigningKey, TokenError> {
        let opened = Opened::of(self)?;
        opened.login(self, printer)?;
        let key = opened.private(self)?;
        let public = opened.public(key)?;
        let algorithm = public.algorithm();
        let wanted = match algorithm {
            Algorithm::Ed25519 => MechanismType::EDDSA,
            Algorithm::P256 | Algorithm::P384 | Algorithm::P521 => MechanismType::ECDSA,
        };
        if !opened.context.get_mechanism_list(opened.slot)?.contains(&wanted) {
            return Err(TokenError::Mechanism { token: opened.label(), algorithm });
        }
        let keeper = Token { session: Mutex::new(opened.session), key, algorithm };
        Ok(SigningKey::kept(public, Box::new(keeper)))
    }
}

/// A session with the one token that is meant.
struct Opened {
    context: Pkcs11,
    slot: Slot,
    info: TokenInfo,
    session: Session,
}

impl Opened {
    fn of(key: &TokenKey) -> Result<Self, TokenError> {
        let module = key.module()?;
        let unloaded =
            |source| TokenError::Module { module: module.clone(), source: Box::new(source) };
        let context = Pkcs11::new(&module).map_err(unloaded)?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // A second key of the same module.
            Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(source) => return Err(unloaded(source)),
        }
        let mut found = Vec::new();
        let mut others = Vec::new();
        for slot in context.get_slots_with_initialized_token()? {
            let info = context.get_token_info(slot)?;
            if key.is_of(slot.id(), &info) {
                found.push((slot, info));
            } else {
                others.push(info.label().to_owned());
            }
        }
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(TokenError::NoToken { others }),
            (Some(_), false) => Err(TokenError::SeveralTokens(found.len() + 1)),
            (Some((slot, info)), true) => {
                let session = context.open_ro_session(slot)?;
                Ok(Self { context, slot, info, session })
            }
        }
    }

    fn label(&self) -> String {
        self.info.label().to_owned()
    }

    fn login(&self, key: &TokenKey, printer: Printer) -> Result<(), TokenError> {
        if !self.info.login_required() {
            return Ok(());
        }
        if self.info.user_pin_locked() {
            return Err(TokenError::PinLocked(self.label()));
        }
        // Otherwise a keypad of its own asks for it.
        let pin = match self.info.protected_authentication_path() {
            true => None,
            false => Some(pin::of(key, &self.label(), printer)?),
        };
        self.session.login(UserType::User, pin.as_ref()).or_else(|error| match error {
            Pkcs11Error::Pkcs11(RvError::UserAlreadyLoggedIn, _) => Ok(()),
            Pkcs11Error::Pkcs11(
                RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid,
                _,
            ) => {
                let last = self.context.get_token_info(self.slot);
                let last = last.is_ok_and(|info| info.user_pin_final_try());
                Err(TokenError::PinWrong { token: self.label(), last })
            }
            Pkcs11Error::Pkcs11(RvError::PinLocked, _) => Err(TokenError::PinLocked(self.label())),
            error => Err(error.into()),
        })
    }

    /// The one private key that is meant.
    fn private(&self, key: &TokenKey) -> Result<ObjectHandle, TokenError> {
        let found = self.find(key.attributes(ObjectClass::PRIVATE_KEY))?;
        match found.as_slice() {
            [] => Err(TokenError::NoKey { token: self.label(), others: self.names()? }),
            [one] => Ok(*one),
            several => Err(TokenError::SeveralKeys { token: self.label(), count: several.len() }),
        }
    }

    fn find(&self, wanted: Vec<Attribute>) -> Result<Vec<ObjectHandle>, TokenError> {
        let found = self.session.iter_objects(&wanted)?.take(MAX_OBJECTS).collect::<Result<_, _>>();
        Ok(found?)
    }

    /// The labels of the private keys that can be seen.
    fn names(&self) -> Result<Vec<String>, TokenError> {
        let mut names = Vec::new();
        for key in self.find(vec![Attribute::Class(ObjectClass::PRIVATE_KEY)])? {
            for attribute in self.session.get_attributes(key, &[AttributeType::Label])? {
                if let Attribute::Label(label) = attribute {
                    names.push(String::from_utf8_lossy(&label).into_owned());
                }
            }
        }
        Ok(names)
    }
}

/// A private key in a token, after login.
struct Token {
    session: Mutex<Session>,
    key: ObjectHandle,
    algorithm: Algorithm,
}

impl Keeper for Token {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: Pkcs11Error| KeyError::Kept(error.to_string());
        match self.algorithm.prehash(message) {
            // The raw mechanism is the one that every token has.
            Some(digest) => {
                let halves = session.sign(&Mechanism::Ecdsa, self.key, &digest).map_err(failed)?;
                keeper::ecdsa_der(&halves).ok_or(KeyError::OtherSignature)
            }
            None => {
                let pure = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
                session.sign(&pure, self.key, message).map_err(failed)
            }
        }
    }
}
