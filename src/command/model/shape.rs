//! How the files of a model are listed and hashed, as options.

use std::num::NonZeroU64;
use std::path::Path;

use ::attest::hash::HashAlgorithm;
use ::attest::oms::{
    Cache, DEFAULT_IGNORED, HashedFile, Manifest, ManifestError, Method, Scan, Serialization,
};
use clap::Args;

use super::trouble::Trouble;
use crate::context::Context;
use crate::error::Error;
use crate::progress::Bar;

/// How files become resources.
#[derive(Args, Debug)]
#[command(next_help_heading = "Files")]
pub struct ShapeArgs {
    /// The hash of each file
    #[arg(long, value_name = "HASH", default_value = "sha256", value_parser = ["sha256", "blake2b", "blake3"])]
    hash: String,

    /// Hash files in shards of this many bytes, so that a large one is hashed by several threads
    #[arg(
        long,
        value_name = "BYTES",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1000000000"
    )]
    shards: Option<NonZeroU64>,

    /// Leave out this path in the model, with all that is below it; may be given several times
    ///
    /// `.git`, `.gitattributes`, `.github` and `.gitignore` at the top, and the signature, always
    /// are. A path is exact: there are no wildcards.
    #[arg(long = "ignore", value_name = "PATH")]
    ignored: Vec<String>,

    /// Follow links, and hash what they lead to
    #[arg(long)]
    allow_symlinks: bool,
}

impl ShapeArgs {
    /// The serialization that the options ask for.
    fn serialization(&self) -> Result<Serialization, Trouble> {
        let hash: HashAlgorithm = self.hash.parse().map_err(ManifestError::from)?;
        let method = self.shards.map_or(Method::Files, Method::Shards);
        let serialization = Serialization::new(method, hash);
        let serialization =
            if self.allow_symlinks { serialization.with_symlinks() } else { serialization };
        // What a shell completes to may end in a separator.
        let paths = self.ignored.iter().map(|path| path.trim_end_matches('/').to_owned());
        let defaults = DEFAULT_IGNORED.map(str::to_owned);
        Ok(serialization.with_ignored(paths.chain(defaults))?)
    }

    /// Lists and hashes the model at `path`, all of which must be fit to be signed.
    pub fn manifest(
        &self,
        path: &Path,
        signature: Option<&Path>,
        cache: Option<&mut Cache>,
        cx: &Context<'_>,
    ) -> Result<(Scan, Manifest), Error> {
        let serialization = self.serialization()?;
        let failed = |source| Trouble::Scan { path: path.into(), source };
        let scan = Scan::of(path, &serialization, signature, &|_| false).map_err(failed)?;
        if let Some(first) = scan.refused().first() {
            let others = scan.refused().len() - 1;
            let (name, why) = (first.name.clone(), first.why.clone());
            return Err(Trouble::Refused { name, why, others }.into());
        }
        for note in scan.notes() {
            cx.printer.warn(note);
        }
        let bar = Bar::new(cx.printer);
        let hashed: Vec<HashedFile> =
            scan.hash(&serialization, &|_| true, cache, &bar).map_err(failed)?;
        // The signature is left out of what is signed, and said to be (section 6.2).
        let own = scan.signature().map(str::to_owned);
        let serialization = serialization.clone().with_ignored(own).unwrap_or(serialization);
        Ok((scan, Manifest::new(&hashed, serialization).map_err(Trouble::from)?))
    }
}

#[cfg(test)]
mod tests {
    use ::attest::oms::DEFAULT_SHARD_BYTES;
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        shape: ShapeArgs,
    }

    fn shape(words: &str) -> Serialization {
        let words = std::iter::once("x").chain(words.split_whitespace());
        Only::try_parse_from(words).ok().unwrap().shape.serialization().unwrap()
    }

    #[test]
    fn what_the_options_ask_for() {
        assert_eq!(shape("").method(), Method::Files);
        assert_eq!(shape("--shards").method(), Method::Shards(DEFAULT_SHARD_BYTES));
        assert_eq!(shape("--shards=7").method(), Method::Shards(7.try_into().unwrap()));
        assert_eq!(shape("--hash blake2b").hash(), HashAlgorithm::Blake2b);
        assert!(!shape("").allow_symlinks() && shape("--allow-symlinks").allow_symlinks());
        let ignored = shape("--ignore sub/cache/");
        assert!(ignored.ignores("sub/cache/x") && !ignored.ignores("cache"));
        assert_eq!(shape("").ignored(), DEFAULT_IGNORED);
    }
}
