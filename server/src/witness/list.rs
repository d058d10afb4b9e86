//! Which witnesses our register asks, and how many must answer before it shows a checkpoint.
//!
//! A document of its own in the register's folder, `witnesses.json`: it is read for every round,
//! so that a change takes effect while the service runs. It says whom we ask; whom a reader
//! believes is in the reader's trust file.

use std::io;
use std::path::{Path, PathBuf};

use attest::json::{self, JsonError};
use attest::{CosignerKey, NoteError};
use serde::{Deserialize, Serialize};

use super::durable;

/// How many witnesses a register can have.
pub const MAX_WITNESSES: usize = 64;
/// The longest URL of a witness, in bytes.
const MAX_URL_BYTES: usize = 2048;
const FILE: &str = "witnesses.json";
const VERSION: &str = "assay/witnesses/v1";
const MAX_BYTES: u64 = 1 << 20;

/// The witnesses of a register.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WitnessList {
    witnesses: Vec<Asked>,
    quorum: usize,
}

/// A witness that is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// What `/add-checkpoint` is put after.
    pub url: String,
    /// What checks its cosignatures.
    pub key: CosignerKey,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: String,
    quorum: usize,
    witnesses: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    key: String,
}

/// Why the list cannot be used or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The system refused.
    #[error("cannot use `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not such a list.
    #[error("cannot read `{path}`")]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: JsonError,
    },
    /// The list is of another version.
    #[error("the list of witnesses is of version `{0}`, expected `{VERSION}`")]
    Version(
        /// What it says.
        String,
    ),
    /// A key is not one.
    #[error(transparent)]
    Key(#[from] NoteError),
    /// The URL is not one.
    #[error("`{0}` is not the URL of a witness: it starts with `https://` or `http://`")]
    Url(
        /// The text.
        String,
    ),
    /// The key is there already: its owner would be counted twice.
    #[error("the key of `{0}` is there already, as `{1}`")]
    SameKey(
        /// The new name.
        String,
        /// The name that it has.
        String,
    ),
    /// There is no such witness.
    #[error("no witness `{0}`")]
    Unknown(
        /// The name.
        String,
    ),
    /// More than [`MAX_WITNESSES`].
    #[error("a register has at most {MAX_WITNESSES} witnesses")]
    TooMany,
    /// A quorum that cannot be met.
    #[error("a quorum of {quorum} cannot be met by {witnesses} witnesses")]
    Quorum {
        /// What is asked for.
        quorum: usize,
        /// How many there are.
        witnesses: usize,
    },
}

impl WitnessList {
    /// Reads the list of the register in `folder`; empty when there is none.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn load(folder: &Path) -> Result<Self, ListError> {
        let path = folder.join(FILE);
        let read = durable::read(&path, MAX_BYTES);
        let Some(text) = read.map_err(|source| ListError::Io { path: path.clone(), source })?
        else {
            return Ok(Self::default());
        };
        Self::parse(&path, text.as_bytes())
    }

    /// Reads a list; `path` is where it is from.
    ///
    /// # Errors
    /// [`ListError`].
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ListError> {
        let document: Document = json::parse_as(bytes)
            .map_err(|source| ListError::Json { path: path.into(), source })?;
        if document.version != VERSION {
            return Err(ListError::Version(document.version.chars().take(64).collect()));
        }
        let mut list = Self::default();
        for Entry { url, key } in document.witnesses {
            list.add(&url, key.parse()?)?;
        }
        list.set_quorum(document.quorum)?;
        Ok(list)
    }

    /// Writes the list of the register in `folder`, whole or not at all.
    ///
    /// # Errors
    /// [`ListError::Io`].
    pub fn save(&self, folder: &Path) -> Result<(), ListError> {
        let path = folder.join(FILE);
        durable::replace(&path, &self.to_json()).map_err(|source| ListError::Io { path, source })
    }

    /// The document.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let entry = |asked: &Asked| Entry { url: asked.url.clone(), key: asked.key.to_string() };
        let document = Document {
            version: VERSION.into(),
            quorum: self.quorum,
            witnesses: self.witnesses.iter().map(entry).collect(),
        };
        serde_json::to_vec_pretty(&document).unwrap_or_default()
    }

    /// Adds the witness with `key`, which answers at `url`.
    ///
    /// # Errors
    /// [`ListError::Url`], [`ListError::SameKey`], [`ListError::TooMany`].
    pub fn add(&mut self, url: &str, key: CosignerKey) -> Result<(), ListError> {
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let host = host.filter(|host| !host.is_empty() && url.len() <= MAX_URL_BYTES);
        if host
            .is_none_or(|host| host.contains(|one: char| one.is_whitespace() || one.is_control()))
        {
            return Err(ListError::Url(url.chars().take(200).collect()));
        }
        if let Some(known) = self.witnesses.iter().find(|known| known.key.key() == key.key()) {
            return Err(ListError::SameKey(key.name().into(), known.key.name().into()));
        }
        if self.witnesses.len() == MAX_WITNESSES {
            return Err(ListError::TooMany);
        }
        self.witnesses.push(Asked { url: url.trim_end_matches('/').into(), key });
        Ok(())
    }

    /// Takes out the witnesses called `name`, or with the verifier key `name`. The quorum becomes
    /// what is left, if that is less.
    ///
    /// # Errors
    /// [`ListError::Unknown`].
    pub fn remove(&mut self, name: &str) -> Result<(), ListError> {
        let before = self.witnesses.len();
        self.witnesses.retain(|one| one.key.name() != name && one.key.to_string() != name);
        if self.witnesses.len() == before {
            return Err(ListError::Unknown(name.into()));
        }
        self.quorum = self.quorum.min(self.witnesses.len());
        Ok(())
    }

    /// Demands that `quorum` witnesses cosign before a checkpoint is shown; 0 is as many as answer.
    ///
    /// # Errors
    /// [`ListError::Quorum`].
    pub fn set_quorum(&mut self, quorum: usize) -> Result<(), ListError> {
        let witnesses = self.witnesses.len();
        if quorum > witnesses {
            return Err(ListError::Quorum { quorum, witnesses });
        }
        self.quorum = quorum;
        Ok(())
    }

    /// The witnesses, in the order in which they were added.
    pub fn witnesses(&self) -> &[Asked] {
        &self.witnesses
    }

    /// How many must cosign before a checkpoint is shown.
    pub const fn quorum(&self) -> usize {
        self.quorum
    }
}

#[cfg(test)]
mod tests {
    use attest::{Cosigner, SigningKey};

    use super::*;

    fn key(seed: u8, name: &str) -> CosignerKey {
        let key = SigningKey::from_ed25519_seed(&[seed; 32]).unwrap();
        Cosigner::new(name, key).unwrap().verifier().clone()
    }

    #[test]
    fn a_list_reads_back_and_keeps_its_rules() {
        let folder = tempfile::tempdir().unwrap();
        let mut list = WitnessList::load(folder.path()).unwrap();
        assert_eq!(list, WitnessList::default());
        list.add("http://127.0.0.1:1/", key(1, "one")).unwrap();
        assert!(matches!(list.set_quorum(2), Err(ListError::Quorum { .. })));
        list.add("https://two.example/prefix", key(2, "two")).unwrap();
        list.set_quorum(2).unwrap();
        list.save(folder.path()).unwrap();
        assert_eq!(WitnessList::load(folder.path()).unwrap(), list);
        let again = list.add("https://three.example", key(2, "three"));
        assert!(matches!(again, Err(ListError::SameKey(..))), "an owner is counted once");
        assert!(matches!(list.remove("three"), Err(ListError::Unknown(_))));
        list.remove("one").unwrap();
        assert_eq!((list.quorum(), list.witnesses().len()), (1, 1));
    }

    #[test]
    fn what_is_no_url_or_no_list_is_refused() {
        let mut list = WitnessList::default();
        for url in ["", "ftp://one.example", "https://", "one.example", "https://one example"] {
            assert!(matches!(list.add(url, key(1, "one")), Err(ListError::Url(_))), "{url}");
        }
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{}", r#"{"version":"x","quorum":0,"witnesses":[]}"#] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            assert!(WitnessList::load(folder.path()).is_err(), "{text}");
        }
    }
}
