//! `assay log archive`: copies closed segments to a folder or a bucket, and makes a register of
//! them again.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use serde::Serialize;
use server::register::{
    Archive, ArchiveError, Archived, Bucket, Holder, PATIENCE, PlainHttp, Restored, archive,
    restore,
};
use tokio::runtime::Builder;

use super::folder_error;
use crate::context::Context;
use crate::error::Error;
use crate::home::Home;
use crate::http;
use crate::page::{Page, Tone};
use crate::progress::{Bar, Work};
use crate::render::{Answer, to_json};

/// The region of a bucket of which nobody says where it is.
const REGION: &str = "us-east-1";

/// Copy the closed segments of the folder's register to a folder or an S3-compatible store, or make a register of them again
///
/// A segment is closed when another one follows it. What the archive has is not sent again; what
/// is sent is read back. The segments stay in the register, which is read from them; what the open
/// one has is in a backup (`assay log backup`) and not in the archive. An archive has every
/// statement, like a backup, and not the key. A statement that is erased leaves it with the next
/// run.
///
/// With `--restore` the folder's register is made anew from the archive and the register's key,
/// and held against the checkpoint that the key signed. If the register had published more since,
/// everybody who saw that takes the restored one for a fork.
///
/// A bucket takes its access key from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
/// AWS_SESSION_TOKEN, and its region from AWS_REGION or AWS_DEFAULT_REGION. The key has to be
/// allowed to list the bucket, and to get, put and delete what starts with the prefix.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay log archive /mnt/archive
  assay log archive s3://evidence/register
  assay log archive s3://evidence/register --endpoint https://store.example
  assay log archive --restore --key key.pem s3://evidence/register")]
pub(super) struct ArchiveArgs {
    /// Where the archive is: a folder, or `s3://BUCKET/PREFIX`
    #[arg(value_name = "DESTINATION")]
    destination: Destination,

    /// Make the folder's register anew from the archive; there must be none yet
    #[arg(long, requires = "key")]
    restore: bool,

    /// The register's key: `key.pem` of its folder
    #[arg(long, value_name = "FILE", requires = "restore")]
    key: Option<PathBuf>,

    /// Where the store of a bucket is; otherwise that of its region
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL", hide_env_values = true)]
    endpoint: Option<String>,

    /// Talk to the endpoint without TLS, whatever machine it is: whoever is on the way can read every statement
    #[arg(long, requires = "endpoint")]
    allow_http: bool,
}

/// Where an archive is.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Destination {
    Folder(PathBuf),
    Bucket { name: String, prefix: String },
}

impl FromStr for Destination {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return match text.split_once("://") {
                Some(_) => Err("name a folder, or a bucket as `s3://BUCKET/PREFIX`"),
                None => Ok(Self::Folder(text.into())),
            };
        };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() {
            return Err("name the bucket: `s3://BUCKET/PREFIX`");
        }
        Ok(Self::Bucket { name: name.into(), prefix: prefix.trim_end_matches('/').into() })
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(formatter),
            Self::Bucket { name, prefix } if prefix.is_empty() => write!(formatter, "s3://{name}"),
            Self::Bucket { name, prefix } => write!(formatter, "s3://{name}/{prefix}"),
        }
    }
}

impl ArchiveArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
        let runtime =
            Builder::new_current_thread().enable_time().build().map_err(Error::Runtime)?;
        match &self.key {
            Some(key) => Ok(Box::new(runtime.block_on(self.restore(key, cx))?)),
            None => Ok(Box::new(runtime.block_on(self.archive(cx))?)),
        }
    }

    async fn archive(&self, cx: &Context<'_>) -> Result<Sent, Error> {
        let path = cx.home()?.register();
        if !path.join("journal").is_dir() {
            return Err(Error::NoRegister(path));
        }
        let failed = |source| match source {
            ArchiveError::Folder(source) => folder_error(&path, source),
            source => Error::Archive(Box::new(source)),
        };
        let place = self.place(Archive::in_folder)?;
        let bar = Bar::of(Work::Archiving, cx.printer);
        let made = archive(&path, &place, &bar).await.map_err(failed)?;
        Ok(Sent::of(&self.destination, &made))
    }

    async fn restore(&self, key: &Path, cx: &Context<'_>) -> Result<Made, Error> {
        let place = self.place(Archive::found_in_folder)?;
        let home = match cx.found_home()? {
            Some(home) => home,
            None => Home::make(cx.global.dir.as_deref())?,
        };
        let path = home.register();
        let bar = Bar::of(Work::Restoring, cx.printer);
        let made = restore(&place, key, &path, &Holder::command(), PATIENCE, &bar).await;
        let made = made.map_err(|source| Error::Restore(Box::new(source)))?;
        Ok(Made::of(&self.destination, &path, &made))
    }

    fn place(
        &self,
        folder: impl FnOnce(&Path) -> Result<Archive, ArchiveError>,
    ) -> Result<Archive, Error> {
        let place = match &self.destination {
            Destination::Folder(path) => folder(path),
            Destination::Bucket { name, prefix } => Archive::in_bucket(self.bucket(name, prefix)?),
        };
        place.map_err(|source| Error::Archive(Box::new(source)))
    }

    fn bucket(&self, name: &str, prefix: &str) -> Result<Bucket, Error> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let no_key = || Error::NoAccessKey(name.into());
        let endpoint = self.endpoint.clone().filter(|endpoint| !endpoint.is_empty());
        let plain = if self.allow_http { PlainHttp::Anywhere } else { PlainHttp::ThisMachine };
        let agent = http::store_agent(endpoint.as_deref(), plain)?;
        Ok(Bucket {
            name: name.into(),
            prefix: prefix.into(),
            endpoint,
            region: variable("AWS_REGION")
                .or_else(|| variable("AWS_DEFAULT_REGION"))
                .unwrap_or_else(|| REGION.into()),
            key_id: variable("AWS_ACCESS_KEY_ID").ok_or_else(no_key)?,
            secret: variable("AWS_SECRET_ACCESS_KEY").ok_or_else(no_key)?,
            session: variable("AWS_SESSION_TOKEN"),
            agent,
            plain,
        })
    }
}

/// What an archive has.
#[derive(Serialize)]
struct Sent {
    version: &'static str,
    destination: String,
    origin: String,
    size: u64,
    root: ::attest::Sha256,
    segments: u64,
    sent: u64,
    bytes: u64,
    removed: u64,
}

impl Sent {
    fn of(destination: &Destination, made: &Archived) -> Self {
        let Archived { checkpoint, segments, sent, bytes, removed } = made;
        Self {
            version: "assay/archived/v1",
            destination: destination.to_string(),
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            root: checkpoint.root,
            segments: *segments,
            sent: *sent,
            bytes: *bytes,
            removed: *removed,
        }
    }
}

impl Answer for Sent {
    fn draw(&self, page: &mut Page) {
        let Self { destination, origin, size, root, segments, sent, bytes, removed, .. } = self;
        if *segments == 0 {
            page.text("nothing to archive of ").put(Tone::Strong, origin).end();
            page.line("  no segment is closed yet; `assay log backup` copies what there is");
            return;
        }
        page.text("archived ").put(Tone::Strong, origin).text(" to ").line(destination);
        page.line(format_args!(
            "  {size} entries in {segments} segments; {sent} sent ({bytes} bytes) and read back, {} there already",
            segments - sent
        ));
        if *removed > 0 {
            page.line(format_args!("  {removed} removed that had statements which were erased"));
        }
        page.put(Tone::Faint, "  root  ").line(root);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// A register that was made of an archive.
#[derive(Serialize)]
struct Made {
    version: &'static str,
    destination: String,
    folder: PathBuf,
    origin: String,
    size: u64,
    root: ::attest::Sha256,
    segments: u64,
    bodies: u64,
    erased: u64,
}

impl Made {
    fn of(destination: &Destination, folder: &Path, made: &Restored) -> Self {
        let Restored { checkpoint, segments, checked } = made;
        Self {
            version: "assay/restored/v1",
            destination: destination.to_string(),
            folder: folder.into(),
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            root: checkpoint.root,
            segments: *segments,
            bodies: checked.bodies - checked.erased,
            erased: checked.erased,
        }
    }
}

impl Answer for Made {
    fn draw(&self, page: &mut Page) {
        let Self { destination, folder, origin, size, root, segments, bodies, erased, .. } = self;
        page.text("restored ").put(Tone::Strong, origin).text(" from ").line(destination);
        page.line(format_args!(
            "  {size} entries in {segments} segments, {bodies} statements, {erased} erased; in {}",
            folder.display()
        ));
        page.put(Tone::Faint, "  root  ").line(root);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_folder_or_a_bucket() {
        let bucket = |name: &str, prefix: &str| {
            Some(Destination::Bucket { name: name.into(), prefix: prefix.into() })
        };
        let cases = [
            ("/mnt/archive", Some(Destination::Folder("/mnt/archive".into())), "/mnt/archive"),
            ("s3", Some(Destination::Folder("s3".into())), "s3"),
            ("s3://evidence", bucket("evidence", ""), "s3://evidence"),
            ("s3://evidence/", bucket("evidence", ""), "s3://evidence"),
            ("s3://evidence/a/b/", bucket("evidence", "a/b"), "s3://evidence/a/b"),
            ("s3://", None, ""),
            ("s3:///a", None, ""),
            ("gs://evidence", None, ""),
            ("https://store.example/evidence", None, ""),
        ];
        for (text, want, shown) in cases {
            let found = text.parse::<Destination>().ok();
            assert_eq!(found, want, "{text}");
            assert_eq!(found.map_or(String::new(), |found| found.to_string()), shown, "{text}");
        }
    }
}
