//! The three moments of a recording: before the command, the command, after it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::code::{Code, Look};
use super::environment::{recorded, without_secrets};
use super::locks::{MAX_LOCK_BYTES, lock_files};
use super::paths::{Named, Paths};
use super::runtime::runtime;
use super::watch::Watch;
use super::{Observer, Plan, RecordError, child, hardware, link, metrics, statement};
use crate::content::{self, Content, ContentError, Listing};
use crate::hash::{HashError, Silent, read_file};
use crate::in_toto::Link;
use crate::predicate::Measurement;
use crate::resource::ResourceDescriptor;
use crate::root::{OpenError, Root};
use crate::statement::Statement;

/// The role of a lock file.
const LOCK_ROLE: &str = "environment-lock";
/// For how long two changes may have one change time: kernels count time in ticks, of which
/// there are at least a hundred a second.
const TICK: Duration = Duration::from_millis(10);

/// Where recording begins.
#[derive(Clone, Copy, Debug)]
pub struct Recorder;

impl Recorder {
    /// Checks the plan and looks at everything that goes in. Nothing runs yet.
    ///
    /// `environment` is that of the caller, `now` is when the step starts.
    ///
    /// # Errors
    /// [`RecordError`] when the plan contradicts itself or the folder.
    pub fn start(
        plan: Plan,
        environment: &[(OsString, OsString)],
        now: Timestamp,
        observer: &dyn Observer,
    ) -> Result<Started, RecordError> {
        let program = plan.command.first().ok_or(RecordError::NoCommand)?.clone();
        let directory = plan
            .directory
            .canonicalize()
            .map_err(|source| RecordError::Directory { path: plan.directory.clone(), source })?;
        let look = Look::begin(directory.clone());
        let root = Root::open(&plan.root)?;
        let paths = Paths::of(&plan, &root, &directory)?;
        let environment = without_secrets(environment, &plan.hidden);

        let watch = Watch::of(&root, paths.materials.iter().map(|named| named.name.as_str()))?;
        let listings = paths
            .materials
            .iter()
            .map(|material| content::list(&root, &material.name))
            .collect::<Result<Vec<_>, _>>()?;
        let before: BTreeMap<String, Listing> = paths
            .written()
            .filter_map(|name| {
                Some(list_if_there(&root, name).transpose()?.map(|found| (name.to_owned(), found)))
            })
            .collect::<Result<_, _>>()?;
        settle(listings.iter().chain(before.values()), now);

        let all: Vec<&Listing> = listings.iter().collect();
        let contents = content::digest(&root, &all, observer)?;
        let materials = paths
            .materials
            .iter()
            .zip(listings)
            .zip(contents)
            .map(|((named, listing), content)| Input { named: named.clone(), listing, content })
            .collect();
        let locks = locks(&root, &paths);
        let inputs = Inputs {
            materials,
            locks,
            runtime: runtime(&program, &environment, &directory, observer),
            hardware: hardware::hardware(),
            environment: recorded(&environment, &plan.environment),
            code: look.end(),
            started: now,
        };
        Ok(Started { plan, root, directory, paths, environment, watch, before, inputs })
    }
}

/// What goes in, as it was before the command.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) materials: Vec<Input>,
    pub(super) locks: Vec<Input>,
    pub(super) runtime: Vec<ResourceDescriptor>,
    pub(super) hardware: serde_json::Map<String, serde_json::Value>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) code: Option<Code>,
    pub(super) started: Timestamp,
}

/// A material as it was found.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) named: Named,
    pub(super) listing: Listing,
    pub(super) content: Content,
}

/// What comes out.
#[derive(Debug)]
pub(super) struct Outputs {
    pub(super) products: Vec<(String, Content)>,
    /// What the files of each product seem to be, in the order of the products.
    pub(super) formats: Vec<Vec<&'static str>>,
    pub(super) metrics: Option<Metrics>,
    pub(super) status: i32,
    pub(super) finished: Timestamp,
}

/// The file of numbers.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Only an evaluation is a statement of numbers.
    pub(super) measurements: Vec<Measurement>,
}

/// A step whose materials are known and whose command has not run.
#[derive(Debug)]
pub struct Started {
    plan: Plan,
    root: Root,
    directory: PathBuf,
    paths: Paths,
    environment: Vec<(OsString, OsString)>,
    watch: Option<Watch>,
    before: BTreeMap<String, Listing>,
    inputs: Inputs,
}

impl Started {
    /// Runs the command with our own input, output and error, without our secrets, and returns
    /// when it and everything that it left behind have ended.
    ///
    /// # Errors
    /// [`RecordError`] when it cannot be started, or its end cannot be learned.
    pub fn run(self, observer: &dyn Observer) -> Result<Ended, RecordError> {
        let status = child::run(&self.plan.command, &self.environment, &self.directory, observer)?;
        Ok(Ended { started: self, status })
    }
}

/// A step whose command has ended.
#[derive(Debug)]
pub struct Ended {
    started: Started,
    status: i32,
}

impl Ended {
    /// The exit status of the command; 128 and the number of the signal that ended it.
    pub const fn status(&self) -> i32 {
        self.status
    }

    /// Looks at the materials again and at the products, and writes the statement.
    ///
    /// `now` is when the command ended.
    ///
    /// # Errors
    /// [`RecordError`] when a material changed, a product is missing or stale, or the numbers
    /// are none.
    pub fn finish(self, now: Timestamp, observer: &dyn Observer) -> Result<Recording, RecordError> {
        let Self { started, status } = self;
        let Started { plan, root, paths, watch, before, mut inputs, .. } = started;
        let failed = status != 0;
        if failed && !plan.attest_failure {
            return Ok(Recording { status, statement: None, link: None });
        }
        if let Some(path) = watch.and_then(|watch| watch.moved()) {
            return Err(RecordError::FolderMoved { path });
        }
        for material in &inputs.materials {
            unchanged(&root, &material.listing)?;
        }
        // Nobody named these: the command may well write them, and then they are no inputs.
        inputs.locks.retain(|lock| unchanged(&root, &lock.listing).is_ok());

        let mut written = BTreeMap::new();
        for name in paths.written() {
            match changed(&root, name, before.get(name)) {
                Ok(listing) => drop(written.insert(name, listing)),
                // Whatever a failed command left half done is no reason to forget its failure.
                Err(_) if failed => {}
                Err(error) => return Err(error),
            }
        }
        let is_evaluation = statement::is_evaluation(&plan, status);
        let metrics = match paths.metrics.as_deref().and_then(|name| written.get(name)) {
            Some(listing) => match read_metrics(&root, listing, is_evaluation) {
                Ok(metrics) => Some(metrics),
                Err(_) if failed => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let listings: Vec<&Listing> =
            paths.products.iter().filter_map(|name| written.get(name.as_str())).collect();
        let contents = match content::digest(&root, &listings, observer) {
            Err(_) if failed => Vec::new(),
            contents => contents?,
        };
        let formats = match super::formats::of(&root, &listings) {
            Err(_) if failed => Vec::new(),
            formats => formats?,
        };
        let names = listings.iter().map(|listing| listing.name().to_owned());
        let products = names.zip(contents).collect();
        let outputs = Outputs { products, formats, metrics, status, finished: now };
        let statement = statement::write(&plan, &paths, &inputs, &outputs)?;
        let link = (!failed).then(|| link::write(&plan, &inputs, &outputs, &listings));
        Ok(Recording { status, statement: Some(statement), link })
    }
}

/// A recorded step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recording {
    /// The exit status of the command.
    pub status: i32,
    /// What to sign; nothing when the command failed and its failure is not to be attested.
    pub statement: Option<Statement>,
    /// The same as an in-toto link, for those who check layouts; nothing when the command failed.
    pub link: Option<Link>,
}

/// Waits until a change of anything listed would show in its change time.
///
/// A file that was written a moment ago has the change time of the current tick, and so would
/// whatever is done to it next.
fn settle<'a>(listings: impl Iterator<Item = &'a Listing>, now: Timestamp) {
    let tick = i128::try_from(TICK.as_nanos()).unwrap_or(0);
    let Some(changed) = listings.map(Listing::changed).max() else { return };
    // `now` is from before the look at the files: what has passed since is not counted on.
    let left = (changed + tick - now.as_nanosecond()).clamp(0, tick);
    thread::sleep(Duration::from_nanos(u64::try_from(left).unwrap_or(0)));
}

/// The lock files, which are read as far as they can be: nobody asked for them.
fn locks(root: &Root, paths: &Paths) -> Vec<Input> {
    let read = |name: String| {
        let listing = content::list(root, &name).ok()?;
        if !listing.is_file() || listing.bytes() > MAX_LOCK_BYTES {
            return None;
        }
        let content = content::digest(root, &[&listing], &Silent).ok()?.pop()?;
        let named = Named { name, role: Some(LOCK_ROLE.into()) };
        Some(Input { named, listing, content })
    };
    lock_files(root).into_iter().filter(|name| !paths.mention(name)).filter_map(read).collect()
}

/// Lists what stands below a name; `None` when there is nothing.
fn list_if_there(root: &Root, name: &str) -> Result<Option<Listing>, ContentError> {
    match content::list(root, name) {
        Ok(listing) => Ok(Some(listing)),
        Err(ContentError::Hash(HashError::Open(OpenError::NotFound { .. }))) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Checks that a material is in the state in which it was hashed.
fn unchanged(root: &Root, before: &Listing) -> Result<(), RecordError> {
    let changed = |path: &str| RecordError::MaterialChanged { path: path.into() };
    let after = content::list(root, before.name()).map_err(|_| changed(before.name()))?;
    if after == *before {
        return Ok(());
    }
    let one = before.files().iter().zip(after.files()).find(|(one, other)| one != other);
    Err(changed(one.map_or(before.name(), |(file, _)| &file.name)))
}

/// Lists a product, of which every file must be new or written anew.
fn changed(root: &Root, name: &str, before: Option<&Listing>) -> Result<Listing, RecordError> {
    let Some(after) = list_if_there(root, name)? else {
        return Err(RecordError::Missing { path: name.into() });
    };
    let Some(before) = before else { return Ok(after) };
    // Both are in the order of their names.
    let stale = after.files().iter().find(|file| {
        let known = before.files().binary_search_by(|known| known.name.cmp(&file.name));
        known.is_ok_and(|place| before.files().get(place) == Some(file))
    });
    match stale {
        Some(file) => Err(RecordError::Stale { path: file.name.clone() }),
        None => Ok(after),
    }
}

fn read_metrics(
    root: &Root,
    listing: &Listing,
    is_evaluation: bool,
) -> Result<Metrics, RecordError> {
    let name = listing.name().to_owned();
    let missing = || RecordError::Missing { path: name.clone() };
    let file = listing.files().first().filter(|_| listing.is_file()).ok_or_else(missing)?;
    let bytes = read_file(root, file, metrics::MAX_BYTES)?;
    let wrong = |source| RecordError::Metrics { path: name.clone(), source };
    let measurements = if is_evaluation {
        metrics::parse(&bytes).map_err(wrong)?
    } else {
        metrics::check(&bytes).map_err(wrong)?;
        Vec::new()
    };
    Ok(Metrics { name, bytes, measurements })
}
