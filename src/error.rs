//! What can keep the command from answering, each with a line of advice.
//!
//! An error is never an answer: whatever stands here ends with status 2. A check that failed is
//! not an error but a finding, and lives in the report.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use attest::certificate::CertificateError;
use attest::content::ContentError;
#[cfg(feature = "server")]
use attest::in_toto::SignError;
use attest::in_toto::{LayoutKeyError, MetadataError};
use attest::json::JsonError;
use attest::{ArtifactId, BundleError, LogProofError, StatementError};
use policy::PolicyError;
use policy::layout::ParameterError;
use verify::{NoSuchClaim, PatternError, SigstoreBundleError, SigstoreRootError, TrustError};

/// What was being done with a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Reading it.
    Read,
    /// Writing it.
    Write,
    /// Making a folder.
    Make,
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Make => "make the folder",
        })
    }
}

/// Why the command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A model cannot be signed or looked at.
    #[error(transparent)]
    Model(#[from] Box<crate::command::model::trouble::Trouble>),
    /// The operating system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was being done.
        action: Action,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file stands where a folder is needed.
    #[error("`{}` is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// A folder stands where a file is needed.
    #[error("`{}` is a folder, not a file", .0.display())]
    NotAFile(PathBuf),
    /// The `.assay` folder belongs to somebody else.
    #[error("folder `{}` belongs to another user ({owner})", path.display())]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// The user id that owns it.
        owner: u32,
    },
    /// There is no `.assay` folder.
    #[error("no `.assay` folder here or above")]
    NoFolder,
    /// A service does not say whom to believe.
    #[cfg(feature = "server")]
    #[error(
        "there is no trust file: none was named, and there is none in a folder `.assay` here or above"
    )]
    NoTrustNamed,
    /// There is no `.assay` folder where one was named.
    #[error("there is no folder `{}`", .0.display())]
    NoFolderAt(PathBuf),
    /// A document is larger than is read.
    #[error("`{}` is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A document is not UTF-8.
    #[error("`{}` is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// There is no such key, or it cannot be used.
    #[error(transparent)]
    Keys(#[from] crate::keys::KeysError),
    /// A link would be written among what the step reads or writes.
    #[cfg(feature = "server")]
    #[error("no link can be written to `{}`: `{}` is part of the step", folder.display(), path.display())]
    LinkInStep {
        /// Where the link should go.
        folder: PathBuf,
        /// The material or product.
        path: PathBuf,
    },
    /// What was recorded cannot be written as a link.
    #[cfg(feature = "server")]
    #[error("no link can be written of this step")]
    Link(#[source] Box<SignError>),
    /// The bundle would be written over what the step reads or writes.
    #[cfg(feature = "server")]
    #[error("the bundle cannot be written to `{}`: `{}` is part of the step", output.display(), path.display())]
    OutputInStep {
        /// Where the bundle should go.
        output: PathBuf,
        /// The material or product.
        path: PathBuf,
    },
    /// A predicate that is a list, a text or a number.
    #[error("`{}` is not a JSON object", .0.display())]
    NotAnObject(PathBuf),
    /// Something in a statement is yet to be filled in.
    #[error("`{}` says `{what}` at `{at}`", path.display())]
    Placeholder {
        /// The file.
        path: PathBuf,
        /// The place, as a JSON pointer.
        at: String,
        /// The placeholder.
        what: String,
    },
    /// The type of a predicate is none.
    #[error("`{0}` is no type of a predicate")]
    NotAType(String),
    /// The file is neither an in-toto layout nor a link.
    #[error("cannot read `{}`", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<MetadataError>,
    },
    /// A key that no layout can be checked with.
    #[error("cannot use key `{}`", path.display())]
    LayoutKey {
        /// The file.
        path: PathBuf,
        /// Why.
        source: LayoutKeyError,
    },
    /// A layout cannot be judged.
    #[error("nobody can tell whether `{}` holds", path.display())]
    LayoutUndecided {
        /// The layout.
        path: PathBuf,
        /// Why.
        source: verify::layout::LayoutError,
    },
    /// The files among which a layout's links lie are too many or too large.
    #[error("cannot read the links in `{}`", path.display())]
    Links {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: verify::layout::FolderError,
    },
    /// A parameter of a layout.
    #[error(transparent)]
    LayoutParameter(ParameterError),
    /// An inspection of a layout cannot be run.
    #[error("cannot run the inspection `{name}`")]
    Inspection {
        /// The inspection.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is more beside an inspection than is recorded.
    #[error("there are more than {limit} files here for the inspection to look at")]
    InspectionFiles {
        /// How many there may be.
        limit: usize,
    },
    /// The trust file is not one.
    #[error("cannot use trust file `{}`", path.display())]
    Trust {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TrustError,
    },
    /// What was typed cannot be added to the trust file.
    #[error("nothing was added to `{}`", path.display())]
    NotAdded {
        /// The trust file.
        path: PathBuf,
        /// Why.
        source: TrustError,
    },
    /// A bundle does not say that a trusted log gets another key.
    #[error("`{}` is no rotation of a key that is trusted", path.display())]
    Rotation {
        /// The bundle.
        path: PathBuf,
        /// Why.
        source: Box<verify::RotationError>,
    },
    /// A bundle is of a log that the trust file does not name, or of none.
    #[error("the trust file does not name the log `{0}`, whose key would be rotated")]
    NoRotationOf(String),
    /// A tree is a size and a root.
    #[error("`{0}` is not a size and a root")]
    NotATree(String),
    /// A document is not the JSON that is asked for.
    #[error("cannot use `{}`", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        source: JsonError,
    },
    /// A document is no bill of materials that we know.
    #[error("`{}` is neither a CycloneDX nor an SPDX document", .0.display())]
    NotASbom(PathBuf),
    /// A document is no vulnerability scan.
    #[error("`{}` has no `scanner` with a `result` list", .0.display())]
    NotAScan(PathBuf),
    /// The result of tests and what is said of them do not fit.
    #[error("the result is `{result}`, but `{option}` is given")]
    Contradicts {
        /// The result.
        result: String,
        /// What contradicts it.
        option: &'static str,
    },
    /// Neither a shortcut nor a type was given.
    #[error("there is nothing to attest")]
    NothingToAttest,
    /// The policy is not one.
    #[error("cannot use policy `{}`", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<PolicyError>,
    },
    /// No verdict is registered that could be replayed.
    #[cfg(feature = "server")]
    #[error("no verdict was registered since {0}, so that nothing was replayed")]
    NothingToReplay(attest::Timestamp),
    /// No policy can be written by what was found.
    #[cfg(feature = "server")]
    #[error("what is known of the artifact makes no policy")]
    Starter(#[source] Box<PolicyError>),
    /// There is no case to try a policy by.
    #[error("policy `{}` has no cases, so that nothing was tried", .0.display())]
    NoCases(PathBuf),
    /// A case cannot be read.
    #[error("cannot use case `{}`", path.display())]
    Case {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<PolicyError>,
    },
    /// A case has no evidence.
    #[error("folder `{}` holds no bundle", .0.display())]
    NoEvidence(PathBuf),
    /// The library has no such policy.
    #[error("the library has no policy `{0}`; `assay policy library list` has them all")]
    NoLibraryPolicy(String),
    /// A policy of the library cannot be filled in.
    #[error(transparent)]
    Library(#[from] policy::library::LibraryError),
    /// A file that a policy names cannot be read.
    #[error("cannot read `{}`, which the policy names", path.display())]
    PolicyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ContentError,
    },
    /// There is no policy to judge by.
    #[error("there is no policy: none was named, and `{}` is not there", .0.display())]
    NoPolicy(PathBuf),
    /// A policy cannot be looked at with the evidence that is there.
    #[error("cannot try to break the policy: {}{}", .0, first(.0))]
    Lint(Box<policy::LintError>),
    /// The trust file says who owns it.
    #[error("`{}` is a version of a registered document, which its owners change", .0.display())]
    Governed(PathBuf),
    /// The trust file is only its keeper's.
    #[cfg(feature = "server")]
    #[error("`{}` is no version of a registered document", .0.display())]
    Ungoverned(PathBuf),
    /// The section of a trust document about itself.
    #[cfg(feature = "server")]
    #[error("the trust document cannot be governed so")]
    Governance(#[source] verify::GovernanceError),
    /// A statement of a version that could not count.
    #[cfg(feature = "server")]
    #[error("it is no version of a trust document")]
    Version(#[source] Box<verify::VersionError>),
    /// A file with a draft.
    #[cfg(feature = "server")]
    #[error("cannot use the draft `{}`: {why}", path.display())]
    Draft {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No draft was named.
    #[cfg(feature = "server")]
    #[error("no draft was named")]
    NoDraft,
    /// Nobody said that it may be done.
    #[cfg(feature = "server")]
    #[error("nothing was revoked: nobody confirmed it")]
    Unconfirmed,
    /// Nobody could revoke anything.
    #[cfg(feature = "server")]
    #[error("the trust file lets no key sign revocations")]
    NobodyRevokes,
    /// A revocation that would be void.
    #[cfg(feature = "server")]
    #[error("nothing was revoked: nobody would believe it: {0}")]
    NobodyBelieves(verify::Unheard),
    /// An entry that holds no statement that could be signed.
    #[cfg(feature = "server")]
    #[error("entry {0} holds no statement")]
    NothingToCosign(u64),
    /// The entry revokes nothing.
    #[cfg(feature = "server")]
    #[error("entry {0} is no revocation that could be taken back")]
    NotARevocation(u64),
    /// A draft of something else.
    #[cfg(feature = "server")]
    #[error("the draft is not {0}")]
    OtherDraft(&'static str),
    /// The key does not sign.
    #[cfg(feature = "server")]
    #[error("the draft cannot be signed")]
    Signature(#[source] attest::KeyError),
    /// More signatures than an envelope has.
    #[cfg(feature = "server")]
    #[error("the draft has {0} signatures already, which is the most that count")]
    TooManySigners(usize),
    /// A version that does not come after the one in force.
    #[cfg(feature = "server")]
    #[error("the version with the digest {0} does not follow the one that is in force")]
    NotNext(attest::Sha256),
    /// What was registered does not count.
    #[cfg(feature = "server")]
    #[error("entry {0} is registered, but something else is in force")]
    NotInForce(u64),
    /// A key that decides nothing here.
    #[cfg(feature = "server")]
    #[error("the key `{0}` is no owner's who decides about this")]
    NoOwner(String),
    /// A name or an id that the trust document does not have.
    #[cfg(feature = "server")]
    #[error("the trust document has no key `{0}`")]
    NoSuchKey(String),
    /// Nobody says where the register is.
    #[cfg(feature = "server")]
    #[error("the line does not say where the register is")]
    NoJoinUrl,
    /// The register has no such document.
    #[cfg(feature = "server")]
    #[error("the register at `{origin}` shows no trust document with the digest {digest}")]
    NoSuchDocument {
        /// The register.
        origin: String,
        /// The digest in the line.
        digest: attest::Sha256,
    },
    /// The document is another register's, or has no owners.
    #[cfg(feature = "server")]
    #[error("the document with the digest {digest} does not speak of `{origin}`, or has no owners")]
    NotOfRegister {
        /// The register in the line.
        origin: String,
        /// The digest in the line.
        digest: attest::Sha256,
    },
    /// The folder believes something else.
    #[cfg(feature = "server")]
    #[error("`{}` says otherwise whom to believe", .0.display())]
    OtherTrust(PathBuf),
    /// A service does not prove what it shows.
    #[cfg(feature = "server")]
    #[error("`{origin}` does not prove that entry {index} is what it shows")]
    NotShown {
        /// The register.
        origin: String,
        /// The position.
        index: u64,
    },
    /// Nothing judges, or what does cannot be read.
    #[cfg(feature = "server")]
    #[error(transparent)]
    Rules(server::force::RulesError),
    /// No policy was activated for a stage.
    #[cfg(feature = "server")]
    #[error("the register says of no policy that it judges for the stage `{0}`")]
    NothingActive(attest::StageName),
    /// A policy that is not the one that judges.
    #[cfg(feature = "server")]
    #[error("for stage `{stage}` the register says that {active} judges, not {named}")]
    NotActive {
        /// The stage.
        stage: attest::StageName,
        /// The policy that does.
        active: attest::Sha256,
        /// The policy that was named.
        named: attest::Sha256,
    },
    /// A policy that is not registered.
    #[cfg(feature = "server")]
    #[error("no policy owner has registered the policy {0}")]
    NotPublished(attest::Sha256),
    /// A stage that the policy does not have.
    #[cfg(feature = "server")]
    #[error("the policy `{policy}` has no stage `{stage}`")]
    NoSuchStage {
        /// The policy.
        policy: String,
        /// The stage.
        stage: attest::StageName,
    },
    /// An activation that comes too late.
    #[cfg(feature = "server")]
    #[error("a later activation than number {0} was registered meanwhile")]
    OldActivation(u64),
    /// A step cannot be recorded.
    #[cfg(feature = "server")]
    #[error("cannot record the step")]
    Record(#[source] Box<attest::record::RecordError>),
    /// A file has no parameters.
    #[cfg(feature = "server")]
    #[error("cannot use the parameters in `{}`", path.display())]
    Parameters {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<attest::record::parameters::ParametersError>,
    },
    /// A file has no numbers.
    #[error("cannot use the metrics in `{}`", path.display())]
    Metrics {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<attest::record::MetricsError>,
    },
    /// A material that was taken for a role and a path, and is a path.
    #[cfg(feature = "server")]
    #[error("there is no `{}`, which `{whole}` was taken to name with its role", path.display())]
    RoleOrPath {
        /// What was typed, which exists.
        whole: String,
        /// What follows its `=`, which does not.
        path: PathBuf,
    },
    /// A parameter is not one.
    #[cfg(feature = "server")]
    #[error("cannot use the parameter")]
    Parameter(#[source] Box<attest::record::parameters::ParametersError>),
    /// A name is not one.
    #[cfg(feature = "server")]
    #[error("cannot use the name")]
    Name(#[source] attest::NameError),
    /// Neither a key, a log nor a verifier was given.
    #[error("there is nobody to trust")]
    NothingToTrust,
    /// Trust that ends before it begins.
    #[error("the time given with `--until` is not in the future")]
    PastUntil,
    /// A path has no digest.
    #[error("cannot take the digest of `{}`", path.display())]
    Content {
        /// The path.
        path: PathBuf,
        /// Why.
        source: ContentError,
    },
    /// Something ends before it begins.
    #[error("the time given with `--expires` is not in the future")]
    PastExpiry,
    /// A window that has not begun.
    #[error("the time given with `--since` is not in the past")]
    FutureWindow,
    /// A statement cannot be made of what was given.
    #[error("cannot make the statement")]
    Statement(#[from] StatementError),
    /// A file is not a proof.
    #[error("`{}` cannot be used as a proof", path.display())]
    LogProof {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LogProofError,
    },
    /// What should be the leaf of a log is not a file.
    #[error("a proof is about a leaf, and the leaf must be a file")]
    LeafIsNoFile,
    /// A file is not a bundle.
    #[error("cannot use bundle `{}`", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        source: BundleError,
    },
    /// A file is not a Sigstore bundle.
    #[error("cannot use bundle `{}`", path.display())]
    SigstoreBundle {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SigstoreBundleError,
    },
    /// A file is not a trusted root of Sigstore.
    #[error("cannot use trusted root `{}`", path.display())]
    TrustedRoot {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SigstoreRootError,
    },
    /// The signer of the command line cannot be believed.
    #[error("cannot believe this signer")]
    Signer(#[source] TrustError),
    /// A file is no revocation list.
    #[error("cannot use revocation list `{}`", path.display())]
    RevocationList {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// What a certificate must say is no pattern.
    #[error("cannot use this pattern")]
    Pattern(#[source] PatternError),
    /// A word that names no claim of a certificate.
    #[error(transparent)]
    Claim(NoSuchClaim),
    /// A trusted root without a signer.
    #[error("nobody is named who must have signed")]
    NoSigner,
    /// An answer cannot be written as JSON.
    #[error("cannot write the answer as JSON")]
    Json(#[source] serde_json::Error),
    /// Standard output cannot be written to.
    #[error("cannot write the answer")]
    Output(#[source] io::Error),
    /// A digest without a kind stands for several artifacts.
    #[error("`{digest}` is the digest of several artifacts")]
    Ambiguous {
        /// The digest as typed.
        digest: String,
        /// The artifacts that it may mean.
        choices: Vec<ArtifactId>,
    },
    /// A service was not asked, or did not answer.
    #[cfg(feature = "server")]
    #[error(transparent)]
    Service(#[from] crate::http::ServiceError),
    /// Nothing was signed without a key.
    #[cfg(feature = "server")]
    #[error(transparent)]
    Keyless(#[from] crate::keyless::KeylessError),
    /// The bundle of a signer without a key cannot be registered.
    #[cfg(feature = "server")]
    #[error(transparent)]
    Carried(::attest::carried::CarriedError),
    /// The statement of a step was not signed, and is kept.
    #[cfg(feature = "server")]
    #[error("the step ended well and its statement is not signed; it is kept in `{}`", path.display())]
    Unsigned {
        /// Where it is kept.
        path: PathBuf,
        /// Why it was not signed.
        source: Box<Error>,
    },
    /// What was just signed does not read back.
    #[cfg(feature = "server")]
    #[error("the bundle that was just signed does not read back")]
    Fresh(#[source] attest::BundleError),
    /// The folder has no register.
    #[cfg(feature = "server")]
    #[error("there is no register in `{}`", .0.display())]
    NoRegister(PathBuf),
    /// The register in the folder cannot be used.
    #[cfg(feature = "server")]
    #[error("cannot use register `{}`", path.display())]
    Register {
        /// The register's folder.
        path: PathBuf,
        /// Why.
        source: Box<server::register::FolderError>,
    },
    /// A service runs on the register that is to be worked on as it lies on disk.
    #[cfg(feature = "server")]
    #[error("register `{}` is served by process {pid}, and this needs it for itself", path.display())]
    Served {
        /// The register's folder.
        path: PathBuf,
        /// The service's process id.
        pid: u32,
    },
    /// The register was not backed up.
    #[cfg(feature = "server")]
    #[error("cannot back up the register")]
    Backup(#[source] Box<server::register::BackupError>),
    /// The register was not exported, or not imported.
    #[cfg(feature = "server")]
    #[error("cannot copy the register")]
    Copy(#[source] Box<server::register::ExportError>),
    /// The register was not archived.
    #[cfg(feature = "server")]
    #[error("cannot archive the register")]
    Archive(#[source] Box<server::register::ArchiveError>),
    /// The register was not restored from an archive.
    #[cfg(feature = "server")]
    #[error("cannot restore the register")]
    Restore(#[source] Box<server::register::ArchiveError>),
    /// A bucket without an access key.
    #[cfg(feature = "server")]
    #[error("there is no access key for the bucket `{0}`")]
    NoAccessKey(String),
    /// A text is not where a store of buckets is.
    #[cfg(feature = "server")]
    #[error("cannot use the endpoint `{url}`: {why}")]
    Endpoint {
        /// The text.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A statement cannot be erased.
    #[cfg(feature = "server")]
    #[error("cannot erase the statement")]
    Erase(#[source] Box<server::register::EraseError>),
    /// The key of the register is not rotated.
    #[cfg(feature = "server")]
    #[error("cannot rotate the register's key")]
    Rotate(#[source] Box<server::register::RotateError>),
    /// A statement was erased before, under somebody else's tombstone.
    #[cfg(feature = "server")]
    #[error("body {0} was erased before")]
    ErasedBefore(attest::Sha256),
    /// The register does not answer.
    #[cfg(feature = "server")]
    #[error("cannot read the register")]
    Read(#[source] Box<server::register::ReadError>),
    /// The register does not take a statement.
    #[cfg(feature = "server")]
    #[error("the register does not take the statement")]
    Submit(#[source] Box<server::register::SubmitError>),
    /// The register took a statement and gave nothing back.
    #[cfg(feature = "server")]
    #[error("the register gave no receipt")]
    NoReceipt,
    /// The register gave an entry whose leaf is not base64.
    #[cfg(feature = "server")]
    #[error("the register gave entry {0} without a leaf that can be read")]
    NoLeaf(u64),
    /// A statement was signed and not registered.
    #[cfg(feature = "server")]
    #[error("signed, but not registered; the bundle is kept as `{}`", path.display())]
    Unsent {
        /// Where the bundle is.
        path: PathBuf,
        /// What registers it.
        command: String,
        /// Why it was not registered.
        source: Box<Error>,
    },
    /// What was signed before has to be registered first.
    #[cfg(feature = "server")]
    #[error("`{}` was signed before and is not registered yet", path.display())]
    Waiting {
        /// The kept file.
        path: PathBuf,
        /// Why it is not registered.
        source: Box<Error>,
    },
    /// Something that was signed before for the same register is not registered.
    #[cfg(feature = "server")]
    #[error("what was signed before it for the same register is not registered")]
    Behind,
    /// A statement was registered, and its bundle cannot be written.
    #[cfg(feature = "server")]
    #[error("registered as entry {index}, but its bundle is not written")]
    Unwritten {
        /// The entry.
        index: u64,
        /// Why the bundle is not written.
        source: Box<Error>,
    },
    /// The clock was never set.
    #[error("the clock says {now}, which is before 1970")]
    ClockUnset {
        /// What it says.
        now: attest::Timestamp,
    },
    /// A checkpoint is not what it should be.
    #[cfg(feature = "server")]
    #[error("the register's checkpoint is not good")]
    Checkpoint(#[source] attest::CheckpointError),
    /// A proof proves nothing.
    #[cfg(feature = "server")]
    #[error("the register's proof is wrong")]
    Proof(#[source] verify::merkle::ProofError),
    /// A tree is not one that the register signed.
    #[cfg(feature = "server")]
    #[error("the tree of {size} entries is not under the register's checkpoint")]
    NotSigned {
        /// Its size.
        size: u64,
    },
    /// An entry has no statement.
    #[cfg(feature = "server")]
    #[error("entry {0} has no statement")]
    NoBundle(u64),
    /// What is said of an entry is not what its evidence says.
    #[cfg(feature = "server")]
    #[error("the evidence for entry {index} is not evidence for what is said of it: {why}")]
    OtherEvidence {
        /// Position of the entry.
        index: u64,
        /// What does not fit.
        why: &'static str,
    },
    /// An answer without the proofs that were asked for.
    #[cfg(feature = "server")]
    #[error("the answer does not carry a proof for each of its entries")]
    NoProofs,
    /// A text without words.
    #[cfg(feature = "server")]
    #[error("`{0}` has no letter and no digit to search for")]
    NoWords(String),
    /// A word that stands for no type; nothing would be found by a word that was mistyped.
    #[cfg(feature = "server")]
    #[error("there is no type `{0}`")]
    NoType(String),
    /// A query that cannot be asked.
    #[cfg(feature = "server")]
    #[error("`{0}` is not a parameter with its value")]
    NotAParameter(String),
    /// The register cannot be read to its end.
    #[cfg(feature = "server")]
    #[error("cannot follow the register")]
    Follow(#[source] Box<server::register::RegisterFollowError>),
    /// The folder has no trust file.
    #[error("there is no trust file `{}`", .0.display())]
    NoTrust(PathBuf),
    /// An answer that is spread too thin.
    #[cfg(feature = "server")]
    #[error("too little was found on {0} pages")]
    TooManyPages(usize),
    /// The system gives no threads or handles to wait with.
    #[cfg(feature = "server")]
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// There is nothing to look into.
    #[cfg(not(feature = "server"))]
    #[error("no bundles were given")]
    NoBundles,
    /// The trust file does not name the folder's own register.
    #[cfg(feature = "server")]
    #[error("the trust file does not name the register `{origin}`")]
    UntrustedLog {
        /// The register.
        origin: String,
        /// Its verifier key.
        key: String,
    },
    /// The trust file does not name the register of a service.
    #[cfg(feature = "server")]
    #[error("the trust file does not name the register `{0}` of the service")]
    UnnamedRegister(String),
    /// Nobody said where clients reach the service.
    #[cfg(feature = "server")]
    #[error("no service runs on this folder, and no URL was given")]
    NoServiceUrl,
    /// A text is not the URL of a service.
    #[cfg(feature = "server")]
    #[error("`{0}` is not the URL of a service")]
    NotAServiceUrl(String),
    /// A file is not the part of a Sigstore instance that it should be.
    #[cfg(feature = "server")]
    #[error("`{}` is not {expected}", path.display())]
    NotOfSigstore {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// The register of a service has more entries than are read over a network.
    #[cfg(feature = "server")]
    #[error("the register has {size} entries, and at most {limit} are read from a service")]
    TooLargeToFollow {
        /// How many it has.
        size: u64,
        /// How many are read.
        limit: u64,
    },
    /// What is seen now does not fit what was seen before.
    #[cfg(feature = "server")]
    #[error("cannot go on from what was seen before")]
    Seen {
        /// The file that remembers it.
        path: PathBuf,
        /// What does not fit.
        source: Box<server::seen::SeenError>,
    },
    /// A question that could not be asked.
    #[cfg(feature = "server")]
    #[error("cannot decide")]
    Judge(#[source] Box<server::judge::JudgeError>),
    /// The key is not that of a verifier.
    #[cfg(feature = "server")]
    #[error(
        "the trust file names no verifier with this key ({0}), so that nobody would believe what it promotes"
    )]
    NoVerifier(attest::KeyId),
    /// A service promotes by its own policy.
    #[cfg(feature = "server")]
    #[error("a service promotes by its own policy, not by one that it is given")]
    PolicyOfAService,
    /// A service judges by its own trust file.
    #[cfg(feature = "server")]
    #[error("a service judges by its own trust file, not by one that it is given")]
    TrustOfAService,
    /// The service does not run.
    #[cfg(feature = "server")]
    #[error("cannot serve")]
    Serve(#[source] Box<server::ServeError>),
    /// The checkpoint of a log that the trust file names does not count.
    #[cfg(feature = "server")]
    #[error("the register's checkpoint does not count")]
    Log(#[source] Box<verify::OpenError>),
    /// The trust file names no such log.
    #[cfg(feature = "server")]
    #[error("the trust file does not name the log `{0}`")]
    UnknownLog(String),
    /// A log could not be looked at.
    #[cfg(feature = "server")]
    #[error("cannot tell whether the log only grows")]
    Monitor(#[source] Box<server::monitor::MonitorError>),
    /// The list of witnesses cannot be used.
    #[cfg(feature = "server")]
    #[error("cannot use the list of witnesses")]
    WitnessList(#[source] Box<server::witness::ListError>),
    /// The witnesses cannot be asked.
    #[cfg(feature = "server")]
    #[error("cannot ask the witnesses")]
    Cosigning(#[source] Box<server::witness::CosigningError>),
    /// A service over the folder asks the witnesses itself.
    #[cfg(feature = "server")]
    #[error("the service over this folder asks the witnesses by itself")]
    AskedByService,
    /// A witness has seen another history of the register.
    #[cfg(feature = "server")]
    #[error("a witness has seen another history of this register; the evidence is in `{}`", .0.display())]
    Forked(PathBuf),
    /// The witness does not run.
    #[cfg(feature = "server")]
    #[error("cannot witness")]
    Witness(#[source] Box<server::witness::WitnessServeError>),
    /// A witness cannot sign with this key, or under this name.
    #[cfg(feature = "server")]
    #[error("cannot cosign as `{name}` with key `{}`", path.display())]
    Cosigner {
        /// The name.
        name: String,
        /// The key's file.
        path: PathBuf,
        /// Why.
        source: attest::NoteError,
    },
    /// A list of logs has a line that is no verifier key.
    #[cfg(feature = "server")]
    #[error("line {line} of `{}` is not the verifier key of a log", path.display())]
    LogList {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        source: attest::NoteError,
    },
    /// A witness of nothing.
    #[cfg(feature = "server")]
    #[error("there is no log to witness")]
    NoLogs,
    /// A namespace with two stages.
    #[cfg(feature = "server")]
    #[error("namespace `{0}` is given two stages")]
    TwoStages(String),
    /// A file does not hold a token.
    #[cfg(feature = "server")]
    #[error("cannot use the token in `{}`: {why}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl From<crate::command::model::trouble::Trouble> for Error {
    fn from(trouble: crate::command::model::trouble::Trouble) -> Self {
        Self::Model(Box::new(trouble))
    }
}

impl Error {
    /// An [`Error::Io`].
    pub fn io(action: Action, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }

    /// An error of the judge, with its own word for what a user can mend.
    #[cfg(feature = "server")]
    pub fn judge(source: server::judge::JudgeError) -> Self {
        match source {
            server::judge::JudgeError::NoVerifier { key } => Self::NoVerifier(key),
            source => Self::Judge(Box::new(source)),
        }
    }

    /// The error and what caused it, in one line.
    pub fn message(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            let cause = error.to_string();
            // Some errors say what caused them; nobody has to read it twice.
            if !text.contains(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
            source = error.source();
        }
        text
    }
}

/// The first of what stands against evidence that was to pass.
fn first(error: &policy::LintError) -> String {
    match error {
        policy::LintError::DoesNotPass { findings, .. } => findings
            .first()
            .map(|found| format!("; `{}`: {}", found.rule, found.message))
            .unwrap_or_default(),
        _ => String::new(),
    }
}
