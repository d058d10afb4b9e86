//! Signing without a key: a fresh one signs once, certified for whomever an identity token is about.
//!
//! The instance is private or public, as its signing configuration says; nothing is built in. What
//! it answers is put into a bundle, and the bundle is verified under the trusted root before anybody
//! gets it: an instance that answers wrongly leaves no signature behind.

mod error;
mod services;
mod token;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::attest::envelope::IN_TOTO;
use ::attest::keyless::{KeylessBundle, KeylessContent, SigningConfig};
use ::attest::{Algorithm, Sha256, SigningKey, Statement};
use ::verify::{
    Content, Custody, Demands, May, Pattern, SigstoreArtifact, SigstoreBundle, SigstoreRoot, Trust,
    Verified, Whom, Window, verify_sigstore,
};
use clap::Args;

pub use self::error::KeylessError;
use self::services::Instance;
use self::token::TokenSource;
use crate::clock;
use crate::command::signed;
use crate::context::Context;
use crate::error::Error;
use crate::home;

/// What the one root and the one signer are called while a fresh bundle is verified.
const ROOT: &str = "--trusted-root";
const SIGNER: &str = "--keyless";

/// How to sign without a key.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Signing without a key")]
pub struct KeylessArgs {
    /// Sign as whomever an identity token names, with a key that is used once
    ///
    /// The token is that of `--identity-token` or `--identity-token-variable`, else of
    /// `SIGSTORE_ID_TOKEN` (GitLab: `id_tokens` with `aud: sigstore`), else one that GitHub Actions
    /// gives the job (`permissions: id-token: write`).
    #[arg(long, requires = "signing_config", requires = "trusted_root")]
    pub keyless: bool,

    /// The file with the identity token, for the audience `sigstore`
    #[arg(long, value_name = "FILE", requires = "keyless")]
    identity_token: Option<PathBuf>,

    /// The environment variable with the identity token; the command of a step never sees it
    #[arg(long, value_name = "VARIABLE", requires = "keyless", conflicts_with = "identity_token")]
    identity_token_variable: Option<String>,

    /// Where the certificate, the timestamp and the log entry come from: a signing configuration
    /// of Sigstore, v0.2
    #[arg(long, value_name = "FILE", requires = "keyless")]
    signing_config: Option<PathBuf>,

    /// What they are verified under before the bundle is written: a `trusted_root.json`
    #[arg(long, value_name = "FILE", requires = "keyless")]
    trusted_root: Option<PathBuf>,
}

/// Everything that signing needs and that can be known beforehand.
#[derive(Debug)]
pub struct Keyless {
    config: (PathBuf, SigningConfig),
    root: (PathBuf, SigstoreRoot),
    token: TokenSource,
}

/// What is to be signed.
#[derive(Clone, Copy, Debug)]
pub enum Signable<'a> {
    /// A statement's payload.
    Statement(&'a [u8]),
    /// An artifact's own bytes.
    Message(&'a [u8]),
}

/// What was signed, and verified again.
#[derive(Debug)]
pub struct SignedKeyless {
    /// The bundle.
    pub bundle: Vec<u8>,
    /// Who signed it, as its certificate says and the trusted root vouches.
    pub signer: ::verify::Signer,
}

impl KeylessArgs {
    /// What is needed to sign, if signing without a key was asked for. Says now what would fail
    /// later: the step may take hours.
    pub fn open(&self, cx: &Context<'_>) -> Result<Option<Keyless>, Error> {
        let (true, Some(config), Some(root)) =
            (self.keyless, &self.signing_config, &self.trusted_root)
        else {
            return Ok(None);
        };
        let text = home::read_text(config)?;
        let parsed = SigningConfig::parse(&text).and_then(|parsed| {
            parsed.services(cx.now)?;
            Ok(parsed)
        });
        let parsed = parsed.map_err(|source| KeylessError::Config {
            path: config.clone(),
            source: Box::new(source),
        })?;
        let token = TokenSource::find(
            self.identity_token.as_deref(),
            self.identity_token_variable.as_deref(),
        )?;
        token.require(cx.now)?;
        let root = (root.clone(), signed::read_root(root)?);
        Ok(Some(Keyless { config: (config.clone(), parsed), root, token }))
    }

    /// The variable that holds a token, if one was named.
    pub fn variable(&self) -> Option<&str> {
        self.identity_token_variable.as_deref()
    }
}

impl Keyless {
    /// Signs, and verifies what came of it.
    pub fn sign(&self, what: Signable<'_>, cx: &Context<'_>) -> Result<SignedKeyless, Error> {
        let artifact = what.artifact()?;
        let now = clock::now();
        let (path, config) = &self.config;
        let services = config.services(now).map_err(|source| KeylessError::Config {
            path: path.clone(),
            source: Box::new(source),
        })?;
        let token = self.token.token(now, cx.printer)?;
        let instance = Instance::of(services, cx.printer);
        let key = SigningKey::generate(Algorithm::P256).map_err(KeylessError::Key)?;
        let content = match what {
            Signable::Statement(payload) => {
                KeylessContent::sign_statement(IN_TOTO, payload.to_vec(), &key)
            }
            Signable::Message(bytes) => KeylessContent::sign_message(bytes, &key),
        };
        let content = content.map_err(KeylessError::Key)?;
        let certificate = instance.certificate(&key, &token)?;
        // It has signed all that it ever will.
        drop(key);
        let timestamps = instance.timestamps(content.signature())?;
        let entries = instance.log(&content, &certificate)?;
        let bundle = KeylessBundle { content, certificate, entries, timestamps }.to_json();
        let signer = self.verified(&bundle, artifact)?;
        let issuer = signer.keyless.as_ref().map_or("", |keyless| keyless.issuer.as_str());
        if !token.is_of(issuer) {
            let (expected, found) = (token.issuer().to_owned(), issuer.to_owned());
            return Err(KeylessError::OtherIssuer { expected, found }.into());
        }
        Ok(SignedKeyless { bundle, signer })
    }

    /// Who signed, when the bundle is good under the trusted root.
    fn verified(
        &self,
        bundle: &[u8],
        artifact: SigstoreArtifact<'_>,
    ) -> Result<::verify::Signer, Error> {
        let (path, root) = &self.root;
        let trust = anybody_of(root)?;
        let refused = |source: Box<dyn std::error::Error + Send + Sync>| {
            KeylessError::NotVerified { root: path.clone(), source }
        };
        let parsed = SigstoreBundle::parse(bundle).map_err(|error| refused(error.into()))?;
        let verified: Verified<Content> = verify_sigstore(&parsed, artifact, &trust, clock::now())
            .map_err(|error| refused(error.into()))?;
        let signer = verified.signers().first().cloned();
        Ok(signer.ok_or_else(|| refused("it has no signer".into()))?)
    }
}

impl<'a> Signable<'a> {
    /// What a verifier is asked about: the bytes themselves, or the first subject.
    fn artifact(self) -> Result<SigstoreArtifact<'a>, Error> {
        match self {
            Self::Message(bytes) => Ok(SigstoreArtifact::Bytes(bytes)),
            Self::Statement(payload) => {
                let statement = Statement::read(payload)?;
                let mut digests =
                    statement.subject.iter().filter_map(|subject| subject.digest.get("sha256"));
                let digest = digests.find_map(|hex| Sha256::from_hex(hex).ok());
                Ok(SigstoreArtifact::Digest(digest.ok_or(KeylessError::NoDigest)?))
            }
        }
    }
}

/// Trusts whoever has a certificate under this root: who it is, is the answer and not the question.
fn anybody_of(root: &SigstoreRoot) -> Result<Trust, Error> {
    let mut trust = Trust::empty();
    trust.add_root(ROOT, root, Demands::default()).map_err(Error::Signer)?;
    let anything = || Pattern::glob("**").map_err(Error::Pattern);
    let whom = Whom { issuer: anything()?, subject: anything()?, claims: BTreeMap::new() };
    let (may, window, custody) = (May::default(), Window::default(), Custody::default());
    trust.add_signer(SIGNER, ROOT, &whom, SIGNER, &may, window, custody).map_err(Error::Signer)?;
    Ok(trust)
}

impl SignedKeyless {
    /// Who signed, in few words.
    pub fn name(&self) -> String {
        let keyless = self.signer.keyless.as_ref();
        keyless.map_or_else(|| self.signer.key.to_string(), |keyless| keyless.subject.clone())
    }

    /// Writes the bundle.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        home::write(path, &self.bundle, home::Readers::All, home::Existing::Replaced)
    }
}
