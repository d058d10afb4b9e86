//! Signing keys: which one is meant, how it is made, and how it is opened.
//!
//! A key is a file, or it is kept elsewhere and named by a URI: in a token (`pkcs11:…`) or with a
//! program of its own (`plugin:…`). A key file is `keys/NAME.pem` in the folder, readable by its owner only, with its public half
//! in `keys/NAME.pub`. A passphrase comes from the environment or from the terminal, and is
//! never shown. Nothing here keeps a key open longer than its caller needs it.

mod error;
mod kept;
mod plugin;
#[cfg(feature = "pkcs11")]
mod token;
mod uri;

use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use attest::{Algorithm, KeyError, KeyId, PublicKey, SigningKey};
use zeroize::Zeroizing;

pub use self::error::KeysError;
use self::kept::Kept;
use crate::context::Context;
#[cfg(feature = "server")]
use crate::error::Action;
use crate::error::Error;
use crate::home::{self, Existing, Home, Readers};
use crate::render::Printer;

/// The key that a first use makes.
pub const LOCAL: &str = "local";
/// Holds the passphrase of an encrypted key.
pub const PASSPHRASE: &str = "ASSAY_KEY_PASSPHRASE";
/// The environment variable that names a key.
pub const KEY: &str = "ASSAY_KEY";
/// What the file of a key under a passphrase begins with (RFC 7468, section 11).
#[cfg(feature = "server")]
const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
/// How many key files are looked at when none is named.
const MAX_KEYS: usize = 1_000;

/// A key file that is known to be there, or the URI of a key that is kept elsewhere; not opened.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// The file, or the URI.
    path: PathBuf,
    kept: Option<Kept>,
}

impl KeyFile {
    /// The key that `name` means: a URI, a file, or the key of that name in the folder. Without a
    /// name, the only key of the folder, or the one called `local`; `None` when the folder has no
    /// key.
    pub fn find(home: &Home, name: Option<&str>) -> Result<Option<Self>, Error> {
        let known = names(home);
        if let Some(name) = name {
            if let Some(kept) = Self::elsewhere(name)? {
                return Ok(Some(kept));
            }
            let path = home.keys().join(format!("{name}.pem"));
            if is_name(name) && path.is_file() {
                return Ok(Some(Self::at(&path)));
            }
            let path = PathBuf::from(name);
            if path.is_file() {
                return Ok(Some(Self::at(&path)));
            }
            return Err(Error::Keys(KeysError::NotFound { name: name.into(), known }));
        }
        let name = match known.as_slice() {
            [] => return Ok(None),
            [only] => only.clone(),
            several if several.iter().any(|name| name == LOCAL) => LOCAL.to_owned(),
            _ => return Err(Error::Keys(KeysError::Several { known })),
        };
        Ok(Some(Self::at(&home.keys().join(format!("{name}.pem")))))
    }

    /// The key that is kept elsewhere, when `name` is the URI of one.
    pub fn elsewhere(name: &str) -> Result<Option<Self>, Error> {
        let kept = Kept::parse(name)?;
        Ok(kept.map(|kept| Self { path: name.into(), kept: Some(kept) }))
    }

    /// The key in this file, which must be there.
    pub fn at(path: &Path) -> Self {
        Self { path: path.into(), kept: None }
    }

    /// The file, or the URI of a key that is kept elsewhere.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name by which to speak of it.
    pub fn name(&self) -> String {
        if let Some(kept) = &self.kept {
            return kept.name(&self.path.to_string_lossy());
        }
        self.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
    }

    /// Opens the key. Asks for its passphrase on the terminal when the environment has none.
    /// A key that is kept elsewhere asks for its PIN there, or has its program asked.
    pub fn open(&self, printer: Printer) -> Result<SigningKey, Error> {
        if let Some(kept) = &self.kept {
            return Ok(kept.open(printer)?);
        }
        let failed = |source| Error::Keys(KeysError::Unusable { path: self.path.clone(), source });
        if let Ok(found) = fs::metadata(&self.path)
            && found.permissions().mode() & 0o077 != 0
        {
            printer.warn(&format!(
                "key `{}` can be read by others; run `chmod 600 {}`",
                self.path.display(),
                self.path.display()
            ));
        }
        let pem = Zeroizing::new(home::read_text(&self.path)?);
        match SigningKey::from_pem(&pem, None) {
            Err(KeyError::PassphraseNeeded) => {}
            other => return other.map_err(failed),
        }
        let prompt = format!("Passphrase of `{}`: ", self.path.display());
        let passphrase = passphrase(&prompt)?.ok_or(KeyError::PassphraseNeeded).map_err(failed)?;
        SigningKey::from_pem(&pem, Some(&passphrase)).map_err(failed)
    }

    /// Refuses, before a step runs, a key that nobody could open after it: one under a passphrase
    /// that is neither in the environment nor can be asked for, one in a token without a PIN or a
    /// module, one with a plugin that is not there. No more than the first line of a file is read,
    /// no module loaded and no plugin started (THREATS, rule 4).
    ///
    /// # Errors
    /// [`KeysError::Unusable`] with [`KeyError::PassphraseNeeded`]; [`Error::Io`] when the file cannot be
    /// read; [`KeysError::Token`], [`KeysError::Plugin`].
    #[cfg(feature = "server")]
    pub fn require_passphrase(&self) -> Result<(), Error> {
        use std::io::Read as _;

        if let Some(kept) = &self.kept {
            return Ok(kept.require()?);
        }

        let failed = |error| Error::io(Action::Read, &self.path, error);
        let mut label = Vec::with_capacity(ENCRYPTED.len());
        let file = fs::File::open(&self.path).map_err(failed)?;
        file.take(ENCRYPTED.len() as u64).read_to_end(&mut label).map_err(failed)?;
        if label == ENCRYPTED && environment_passphrase().is_none() && !io::stdin().is_terminal() {
            let path = self.path.clone();
            return Err(Error::Keys(KeysError::Unusable {
                path,
                source: KeyError::PassphraseNeeded,
            }));
        }
        Ok(())
    }

    /// The public half: from `NAME.pub` beside the key, else by opening the key. Whoever keeps it
    /// elsewhere is asked.
    pub fn public(&self, printer: Printer) -> Result<PublicKey, Error> {
        if let Some(kept) = &self.kept {
            return Ok(kept.public(printer)?);
        }
        let path = self.path.with_extension("pub");
        if path.is_file() {
            return read_public(&path);
        }
        Ok(self.open(printer)?.public().clone())
    }
}

/// Reads a public key in PEM.
pub fn read_public(path: &Path) -> Result<PublicKey, Error> {
    let pem = home::read_text(path)?;
    PublicKey::from_pem(&pem)
        .map_err(|source| Error::Keys(KeysError::Unusable { path: path.into(), source }))
}

/// The key that is meant: an identity, a name in the trust file, a key of the folder, a file with a
/// public half. What one word names in several of these is what stands first.
pub fn id_of(named: &str, cx: &Context<'_>) -> Result<KeyId, Error> {
    if let Ok(id) = named.parse() {
        return Ok(id);
    }
    let home = cx.found_home()?;
    if home.as_ref().is_some_and(|home| home.trust().exists())
        && let Some((key, _)) = cx.believed(None)?.named(named)
    {
        return Ok(key.id());
    }
    if let Some(home) = home
        && let Ok(Some(file)) = KeyFile::find(&home, Some(named))
    {
        // A file that has the public half already is not opened as a key.
        if let Ok(public) = read_public(file.path()) {
            return Ok(public.id());
        }
        return Ok(file.public(cx.printer)?.id());
    }
    if !Path::new(named).is_file() {
        return Err(Error::Keys(KeysError::NoSigner(named.into())));
    }
    Ok(read_public(named.as_ref())?.id())
}

/// Where the public half of the key at `path` goes.
pub fn public_half(path: &Path) -> Result<PathBuf, Error> {
    let half = path.with_extension("pub");
    // The public half, written second, would take the place of the key.
    if half == path { Err(Error::Keys(KeysError::Ending(half))) } else { Ok(half) }
}

/// Writes a fresh key and its public half beside it; an existing key is never touched.
pub fn make(
    path: &Path,
    algorithm: Algorithm,
    passphrase: Option<&str>,
) -> Result<PublicKey, Error> {
    if path.exists() {
        return Err(Error::Keys(KeysError::Exists(path.into())));
    }
    let half = public_half(path)?;
    let failed = |source| Error::Keys(KeysError::Unusable { path: path.into(), source });
    let key = SigningKey::generate(algorithm).map_err(failed)?;
    let pem = key.to_pem(passphrase).map_err(failed)?;
    home::write(path, pem.as_bytes(), Readers::Owner, Existing::Kept)?;
    let public = key.public().clone();
    home::write(&half, public.to_pem().as_bytes(), Readers::All, Existing::Replaced)?;
    Ok(public)
}

/// The passphrase from the environment, else from the terminal; `None` when there is neither.
pub fn passphrase(prompt: &str) -> Result<Option<Zeroizing<String>>, Error> {
    if let Some(found) = environment_passphrase() {
        return Ok(Some(found));
    }
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    rpassword::prompt_password(prompt)
        .map(|text| Some(Zeroizing::new(text)))
        .map_err(|error| Error::Keys(KeysError::Prompt(error)))
}

/// A passphrase for a new key, typed twice.
pub fn new_passphrase() -> Result<Zeroizing<String>, Error> {
    let ask = |prompt| {
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .map_err(|error| Error::Keys(KeysError::Prompt(error)))
    };
    let passphrase = ask("New passphrase: ")?;
    if passphrase.is_empty() {
        return Err(Error::Keys(KeysError::EmptyPassphrase));
    }
    if ask("The same again: ")? != passphrase {
        return Err(Error::Keys(KeysError::PassphrasesDiffer));
    }
    Ok(passphrase)
}

/// The passphrase from the environment; an empty one is none.
pub fn environment_passphrase() -> Option<Zeroizing<String>> {
    std::env::var(PASSPHRASE).ok().map(Zeroizing::new).filter(|text| !text.is_empty())
}

/// The names of the folder's keys, sorted.
pub fn names(home: &Home) -> Vec<String> {
    let Ok(entries) = fs::read_dir(home.keys()) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .take(MAX_KEYS)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|file| Some(file.strip_suffix(".pem")?.to_owned()))
        .filter(|name| is_name(name))
        .collect();
    names.sort();
    names
}

/// The public halves that lie in the folder; what cannot be read is left out.
#[cfg(feature = "server")]
pub fn public_keys(home: &Home) -> Vec<PublicKey> {
    let paths = names(home).into_iter().map(|name| home.keys().join(format!("{name}.pub")));
    paths.filter_map(|path| read_public(&path).ok()).collect()
}

/// A key's name is one path component of plain characters.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && !text.starts_with('.')
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-_.@".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Color;

    fn home(folder: &Path, keys: &[&str]) -> Home {
        let home = Home::make(Some(folder)).unwrap();
        for name in keys {
            let path = home.keys().join(format!("{name}.pem"));
            make(&path, Algorithm::Ed25519, None).unwrap();
        }
        home
    }

    #[test]
    fn which_key_is_meant() {
        type Case<'a> = (&'a str, &'a [&'a str], Option<&'a str>, Result<Option<&'a str>, ()>);
        let cases: [Case<'_>; 8] = [
            ("no key yet", &[], None, Ok(None)),
            ("the only key", &["alice"], None, Ok(Some("alice"))),
            ("local among several", &["alice", "local"], None, Ok(Some("local"))),
            ("several without local", &["alice", "bob"], None, Err(())),
            ("named", &["alice", "bob"], Some("bob"), Ok(Some("bob"))),
            ("named, not there", &["alice"], Some("bob"), Err(())),
            ("not a name", &["alice"], Some("../keys/alice"), Err(())),
            ("empty", &["alice"], Some(""), Err(())),
        ];
        for (case, keys, name, want) in cases {
            let folder = tempfile::tempdir().unwrap();
            let home = home(folder.path(), keys);
            let found = KeyFile::find(&home, name).map_err(|_| ()).map(|found| {
                found.map(|found| found.path.file_stem().unwrap().to_str().unwrap().to_owned())
            });
            assert_eq!(found, want.map(|name| name.map(str::to_owned)), "{case}");
        }
    }

    #[test]
    fn a_key_is_private_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(folder.path(), &["alice"]);
        let path = home.keys().join("alice.pem");
        let before = fs::read(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(
            make(&path, Algorithm::P256, None),
            Err(Error::Keys(KeysError::Exists(_)))
        ));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_key_does_not_lie_where_its_public_half_goes() {
        let folder = tempfile::tempdir().unwrap();
        for (name, want) in [("key.pub", false), ("key.pub.pem", true), ("key", true)] {
            let path = folder.path().join(name);
            assert_eq!(make(&path, Algorithm::P256, None).is_ok(), want, "{name}");
            assert_eq!(path.exists(), want, "{name}");
        }
    }

    #[test]
    fn the_public_half_is_the_keys_own() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(folder.path(), &["alice"]);
        let printer = Printer::new(Color::Never, false, true);
        let file = KeyFile::find(&home, None).unwrap().unwrap();
        let written = file.public(printer).unwrap();
        fs::remove_file(home.keys().join("alice.pub")).unwrap();
        assert_eq!(file.public(printer).unwrap(), written);
    }
}
