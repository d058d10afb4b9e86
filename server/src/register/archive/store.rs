//! The place that an archive stands in: a folder, or a bucket that speaks S3.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use attest::Sha256;
use attest::digest::Hasher;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Name;
use object_store::{
    Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, RetryConfig,
};
use ureq::Agent;

use super::super::folder::FolderError;
use super::super::segment::FOLDER;
use super::ArchiveError;
use super::connector::Connector;

/// How much of an object is read at once, in bytes.
const CHUNK_BYTES: u64 = 8 << 20;
/// How often a request is repeated that may succeed the next time, and for how long at most.
const RETRIES: usize = 3;
const RETRYING: Duration = Duration::from_secs(60);

/// Where requests may go without TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PlainHttp {
    /// To this machine.
    ThisMachine,
    /// To any machine: whoever is on the way can read every statement.
    Anywhere,
}

/// A bucket, and by what right it is used.
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What the names of all objects start with, without slashes around; may be empty.
    pub prefix: String,
    /// Where it is reached; otherwise where the region's buckets are.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: String,
    /// Name of the access key.
    pub key_id: String,
    /// The access key's secret.
    pub secret: String,
    /// What a temporary access key comes with.
    pub session: Option<String>,
    /// Speaks HTTP; takes no status for an error and follows no redirect.
    pub agent: Agent,
    /// Where requests may go without TLS.
    pub plain: PlainHttp,
}

/// An archive, or the place for one.
pub struct Archive {
    store: Box<dyn ObjectStore>,
    prefix: Name,
    /// The folder, if it is one.
    folder: Option<PathBuf>,
}

impl Archive {
    /// In a folder, which is made where there is none.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn in_folder(folder: &Path) -> Result<Self, ArchiveError> {
        if folder.join(FOLDER).exists() {
            return Err(ArchiveError::Register(folder.into()));
        }
        // Like the register's own folder it has every statement.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(FolderError::io(folder))?;
        Self::found_in_folder(folder)
    }

    /// In a folder that is there.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn found_in_folder(folder: &Path) -> Result<Self, ArchiveError> {
        let store = LocalFileSystem::new_with_prefix(folder).map_err(ArchiveError::Destination)?;
        let (store, folder) = (Box::new(store.with_fsync(true)), Some(folder.to_owned()));
        Ok(Self { store, prefix: Name::default(), folder })
    }

    /// In a bucket. Nothing is sent yet.
    ///
    /// # Errors
    /// When what is said of the bucket makes no sense.
    pub fn in_bucket(bucket: Bucket) -> Result<Self, ArchiveError> {
        let prefix = Name::parse(&bucket.prefix)
            .map_err(|source| ArchiveError::Destination(source.into()))?;
        let retry =
            RetryConfig { max_retries: RETRIES, retry_timeout: RETRYING, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket.name)
            .with_region(bucket.region)
            .with_access_key_id(bucket.key_id)
            .with_secret_access_key(bucket.secret)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(retry)
            // Whether that is so, the connector sees to.
            .with_allow_http(true)
            .with_http_connector(Connector { agent: bucket.agent, plain: bucket.plain });
        if let Some(session) = bucket.session {
            builder = builder.with_token(session);
        }
        if let Some(endpoint) = bucket.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder.build().map_err(ArchiveError::Destination)?;
        Ok(Self { store: Box::new(store), prefix, folder: None })
    }

    fn at(&self, name: &str) -> Name {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// How many bytes an object has; `None` when there is none.
    pub(super) async fn length(&self, name: &str) -> Result<Option<u64>, ArchiveError> {
        match self.store.head(&self.at(name)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(failed("looked at", name)(source)),
        }
    }

    /// Reads an object of at most `limit` bytes, part by part; `None` when there is none.
    pub(super) async fn read(
        &self,
        name: &str,
        limit: u64,
        mut part: impl FnMut(&[u8]) -> Result<(), ArchiveError>,
    ) -> Result<Option<u64>, ArchiveError> {
        let Some(length) = self.length(name).await? else { return Ok(None) };
        if length > limit {
            return Err(ArchiveError::Changed(name.into()));
        }
        let mut offset = 0;
        while offset < length {
            let end = length.min(offset + CHUNK_BYTES);
            let bytes = match self.store.get_range(&self.at(name), offset..end).await {
                Ok(bytes) => bytes,
                Err(Error::NotFound { .. }) => return Ok(None),
                Err(source) => return Err(failed("read", name)(source)),
            };
            if bytes.len() as u64 != end - offset {
                return Err(ArchiveError::Changed(name.into()));
            }
            part(&bytes)?;
            offset = end;
        }
        Ok(Some(length))
    }

    /// Reads a small object whole, of at most `limit` bytes; `None` when there is none.
    pub(super) async fn read_whole(
        &self,
        name: &str,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, ArchiveError> {
        let mut whole = Vec::new();
        let found = self.read(name, limit, |bytes| {
            whole.extend_from_slice(bytes);
            Ok(())
        });
        Ok(found.await?.map(|_| whole))
    }

    /// Whether an object holds just the bytes with this digest; `None` when there is none.
    pub(super) async fn holds(
        &self,
        name: &str,
        length: u64,
        digest: &Sha256,
    ) -> Result<Option<bool>, ArchiveError> {
        let mut hasher = Hasher::default();
        match self
            .read(name, length, |bytes| {
                hasher.update(bytes);
                Ok(())
            })
            .await
        {
            Ok(None) => Ok(None),
            Ok(Some(found)) => Ok(Some(found == length && hasher.finish() == *digest)),
            Err(ArchiveError::Changed(_)) => Ok(Some(false)),
            Err(error) => Err(error),
        }
    }

    /// Adds an object under a name that has none, and reads it back; whether it was not there yet.
    ///
    /// # Errors
    /// [`ArchiveError::Different`] when another one has the name.
    pub(super) async fn add(&self, name: &str, bytes: Vec<u8>) -> Result<bool, ArchiveError> {
        let (length, digest) = (bytes.len() as u64, Sha256::of(&bytes));
        // Not every store knows of conditions; with one that does not, only a race remains.
        let mut is_there = self.length(name).await?.is_some();
        if !is_there {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let put = self.store.put_opts(&self.at(name), PutPayload::from(bytes), options).await;
            is_there = match put {
                Ok(_) => {
                    self.keep_to_owner(name)?;
                    false
                }
                // Also what is repeated because the answer was lost.
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => true,
                Err(source) => return Err(failed("written", name)(source)),
            };
        }
        match self.holds(name, length, &digest).await? {
            Some(true) => Ok(!is_there),
            Some(false) if is_there => Err(ArchiveError::Different(name.into())),
            Some(false) | None => Err(ArchiveError::NotAsSent(name.into())),
        }
    }

    /// Like a file of the register: it has statements.
    fn keep_to_owner(&self, name: &str) -> Result<(), ArchiveError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = folder.join(name);
        fs::set_permissions(&path, Permissions::from_mode(0o600))
            .map_err(FolderError::io(&path))?;
        Ok(())
    }

    /// Removes an object, if it is there; whether it was.
    pub(super) async fn remove(&self, name: &str) -> Result<bool, ArchiveError> {
        if self.length(name).await?.is_none() {
            return Ok(false);
        }
        match self.store.delete(&self.at(name)).await {
            Ok(()) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(ArchiveError::NotErased { name: name.into(), source }),
        }
    }
}

fn failed(action: &'static str, name: &str) -> impl Fn(Error) -> ArchiveError + use<> {
    let name = name.to_owned();
    move |source| ArchiveError::Store { action, name: name.clone(), source }
}
