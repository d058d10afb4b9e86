//! What a first use makes: the folder, the key `local`, a trust file, and a register.
//!
//! Nothing that is there is replaced. The trust file that is made believes the key `local` about
//! everything, which is right for one person alone with the folder and for nobody else: it says
//! so in its first lines and by the mark `local`, and `assay trust` narrows it. A service is never trusted by being used.

use std::path::Path;

use attest::{Algorithm, VerifierKey};
use verify::{Custody, May, Trust, Window};

use crate::context::Context;
use crate::error::Error;
use crate::home::{self, Existing, Home, Readers};
use crate::keys::{self, KeyFile, KeysError};

/// The id under which the key `local` gives its verdicts.
pub const LOCAL_VERIFIER: &str = "https://assay.example/verifier/local";

const HEADER: &str = "\
# local: made by the first use of this folder. The key `local` may say anything here, which suits
# one person alone. For more than one, give each step a key of its own: `assay trust add --help`.
";

/// The folder, made if there is none, and the key that `name` means, made if there is none.
pub fn key(name: Option<&str>, cx: &Context<'_>) -> Result<(Home, KeyFile), Error> {
    let home = match cx.found_home()? {
        Some(home) => home,
        None => Home::make(cx.global.dir.as_deref())?,
    };
    // Two first uses at once make one key.
    let _held = home.hold()?;
    if let Some(file) = KeyFile::find(&home, name)? {
        return Ok((home, file));
    }
    home::private_folder(&home.keys())?;
    let path = home.keys().join(format!("{}.pem", keys::LOCAL));
    keys::make(
        &path,
        Algorithm::P256,
        keys::environment_passphrase().as_ref().map(|text| text.as_str()),
    )?;
    cx.printer.note(&format!("made key `{}`", path.display()));
    match KeyFile::find(&home, Some(keys::LOCAL))? {
        Some(file) => Ok((home, file)),
        None => {
            Err(Error::Keys(KeysError::NotFound { name: keys::LOCAL.into(), known: Vec::new() }))
        }
    }
}

/// Makes the trust file if there is none, and adds the log of a register that was just made.
pub fn trust(home: &Home, made: Option<&VerifierKey>, cx: &Context<'_>) -> Result<(), Error> {
    let path = home.trust();
    // What another command adds meanwhile is not lost.
    let _held = home.hold()?;
    let exists = path.exists();
    if exists && made.is_none() {
        return Ok(());
    }
    let broken = |source| Error::Trust { path: path.clone(), source };
    let mut trust = if exists {
        Trust::parse(&home::read_text(&path)?).map_err(broken)?
    } else {
        Trust::empty()
    };
    if !exists {
        trust_local(&mut trust, home, &path)?;
        trust.set_local(true);
    }
    // What has owners is changed by them.
    if trust.governance().is_some() {
        return Ok(());
    }
    if let Some(log) = made
        && trust.log(log.name()).is_none()
    {
        trust.add_log(log).map_err(broken)?;
    }
    let header = if exists { "" } else { HEADER };
    let text = format!("{header}{}", trust.to_yaml());
    let existing = if exists { Existing::Replaced } else { Existing::Kept };
    home::write(&path, text.as_bytes(), Readers::All, existing)?;
    let verb = if exists { "added the register to" } else { "made" };
    cx.printer.note(&format!("{verb} trust file `{}`", path.display()));
    Ok(())
}

fn trust_local(trust: &mut Trust, home: &Home, path: &Path) -> Result<(), Error> {
    let public = home.keys().join(format!("{}.pub", keys::LOCAL));
    if !public.is_file() {
        return Ok(());
    }
    let broken = |source| Error::Trust { path: path.into(), source };
    let key = keys::read_public(&public)?;
    let may = May::of(&["*"], &["*"], &["*"], &["*"]).map_err(broken)?;
    let window = Window::default();
    trust.add_key(keys::LOCAL, &key, keys::LOCAL, &may, window, Custody::Shared).map_err(broken)?;
    trust.add_verifier(LOCAL_VERIFIER, keys::LOCAL).map_err(broken)
}
