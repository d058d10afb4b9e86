//! The trust file as YAML: reading it strictly, adding to it, writing it.
//!
//! An unknown key, a key given twice, a bad value: each is an error with line and column. The
//! document is bounded before it is parsed.

mod authorities;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use attest::predicate::TOMBSTONE;
use attest::{
    CosignerKey, KeyError, NAMESPACE, NoteError, PublicKey, Sha256, Timestamp, VerifierKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize};
use serde_saphyr::Spanned;

use crate::authority::RevocationListError;
use crate::sigstore::{
    Claim, NoSuchClaim, Pattern, PatternError, PatternKind, SigstoreRoot, SigstoreRootError,
};

use authorities::{
    AuthorityEntry, ClockEntry, WrittenAuthority, WrittenClock, written_authority,
    written_certified, written_clock,
};

use super::governance::{Governance, GovernanceEntry, GovernanceError, is_not};
use super::scopes::Made;
use super::{
    Custody, Demand, Demands, FormerKey, Globs, Grant, LastGood, May, Names, Reach, StillCounts,
    Trust, TrustedKey, TrustedLog, TrustedRoot, TrustedSigner, TrustedVerifier, TrustedWitness,
    Whom, Window, Witnesses, WitnessesError,
};

/// The largest trust file that is read, in bytes.
pub const MAX_TRUST_BYTES: usize = 1 << 20;
/// How many Sigstore instances a trust file may have.
pub(super) const MAX_ROOTS: usize = 16;
/// How many keys, logs, verifiers and keyless signers a trust file may each have.
pub(super) const MAX_ENTRIES: usize = 256;
/// How many witnesses a log may have.
pub(super) const MAX_WITNESSES: usize = 64;
/// How many former keys a log may have.
pub(super) const MAX_FORMER_KEYS: usize = 16;
/// How many items each list of a key's `may` can have.
pub(super) const MAX_PATTERNS: usize = 256;
/// The longest name, owner, origin or pattern, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 512;

const API_VERSION: &str = "assay/v1";
const KIND: &str = "Trust";

/// A line and a column in a document, counted from one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// The line; 0 when the entry is not from a document, or nobody knows.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// Why a trust file is not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// More than [`MAX_TRUST_BYTES`].
    #[error("the trust file has {found} bytes, more than the limit of {MAX_TRUST_BYTES}")]
    TooLarge {
        /// How many it has.
        found: usize,
    },
    /// Not YAML of this shape.
    #[error("{}{message}", at(place))]
    Yaml {
        /// Where.
        place: Place,
        /// What is wrong, without the place.
        message: String,
    },
    /// Another `apiVersion` or `kind`.
    #[error("{}`{field}` is `{found}`, expected `{expected}`", at(place))]
    Document {
        /// Where.
        place: Place,
        /// The field.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// More entries than the limit.
    #[error("trust file: {found} {what}, more than the limit of {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// An empty or over-long text.
    #[error(
        "{}`{field}` must have 1 to {MAX_NAME_BYTES} bytes, none of them control characters",
        at(place)
    )]
    Text {
        /// Where.
        place: Place,
        /// The field.
        field: &'static str,
    },
    /// Two entries of one name.
    #[error("{}{what} `{name}` is there already", at(place))]
    Duplicate {
        /// Where.
        place: Place,
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The key is not one that can be trusted.
    #[error("{}key `{name}`: {source}", at(place))]
    Key {
        /// Where.
        place: Place,
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// `spki` is not base64.
    #[error(
        "{}`spki` of `{name}` is not base64 of a public key in DER (`assay key public` prints it)",
        at(place)
    )]
    Base64 {
        /// Where.
        place: Place,
        /// The name of the key.
        name: String,
    },
    /// One key under two owners or in two kinds of custody.
    #[error(
        "{}`{name}` is the same key as `{other}`; one key has one owner and one custody",
        at(place)
    )]
    SameKey {
        /// Where.
        place: Place,
        /// The later name.
        name: String,
        /// The earlier name.
        other: String,
    },
    /// A pattern does not parse.
    #[error("{}pattern `{pattern}`: {message}", at(place))]
    Pattern {
        /// Where.
        place: Place,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        message: String,
    },
    /// A trusted root of Sigstore that cannot be used.
    #[error("{}sigstore instance `{name}`: {source}", at(place))]
    Root {
        /// Where.
        place: Place,
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: SigstoreRootError,
    },
    /// A demand is waived that this root can check.
    #[error(
        "{}sigstore instance `{name}` names a log of certificates, so that `certificateLog` cannot be waived",
        at(place)
    )]
    NotWaived {
        /// Where.
        place: Place,
        /// Its name.
        name: String,
    },
    /// A keyless signer names an instance that the file does not have.
    #[error(
        "{}signer `{name}` names the sigstore instance `{root}`, which is not in the file",
        at(place)
    )]
    NoSuchRoot {
        /// Where.
        place: Place,
        /// The signer.
        name: String,
        /// The instance.
        root: String,
    },
    /// A signer without a key may sign what erases.
    #[error(
        "{}signer `{name}` may not sign `{predicate}`: what erases is found by the key that signed it; name the types, without `*`, and give this one to a key",
        at(place)
    )]
    NeedsKey {
        /// Where.
        place: Place,
        /// The signer.
        name: String,
        /// The predicate type.
        predicate: &'static str,
    },
    /// Certificates of an authority or a clock that cannot be used.
    #[error("{}certificates of `{name}`: {message}", at(place))]
    Certificates {
        /// Where.
        place: Place,
        /// The authority or the clock.
        name: String,
        /// What is wrong with them.
        message: String,
    },
    /// Revocation lists of an authority that cannot be used.
    #[error("{}revocation lists of `{name}`: {source}", at(place))]
    RevocationLists {
        /// Where.
        place: Place,
        /// The authority.
        name: String,
        /// What is wrong with them.
        source: RevocationListError,
    },
    /// An authority that the file does not have.
    #[error("the trust file has no authority `{name}`")]
    UnknownAuthority {
        /// The name that was given.
        name: String,
    },
    /// An authority without a clock: nobody would know when something was signed.
    #[error(
        "{}authority `{name}` has no `clocks`: say what proves when its signers signed (a clock, a sigstore instance, a log with witnesses), or `now` to judge its certificates by the time of judging",
        at(place)
    )]
    NoClock {
        /// Where.
        place: Place,
        /// The authority.
        name: String,
    },
    /// An authority names a clock that the file does not have.
    #[error(
        "{}authority `{name}` names the clock `{clock}`: the file has no clock, sigstore instance or log with a quorum of witnesses of this name",
        at(place)
    )]
    NoSuchClock {
        /// Where.
        place: Place,
        /// The authority.
        name: String,
        /// The clock.
        clock: String,
    },
    /// A signer names an authority that the file does not have.
    #[error(
        "{}signer `{name}` names the authority `{authority}`, which is not in the file",
        at(place)
    )]
    NoSuchAuthority {
        /// Where.
        place: Place,
        /// The signer.
        name: String,
        /// The authority.
        authority: String,
    },
    /// A signer that is neither of an instance nor of an authority, or of both.
    #[error(
        "{}signer `{name}` needs either `sigstore`, `issuer` and `subject`, or `authority` and one of `uri`, `dns` and `email`",
        at(place)
    )]
    SignerKind {
        /// Where.
        place: Place,
        /// The signer.
        name: String,
    },
    /// A certified signer without a rule for its name, or with several.
    #[error("{}signer `{name}` needs exactly one of `uri`, `dns` and `email`", at(place))]
    OneName {
        /// Where.
        place: Place,
        /// The signer.
        name: String,
    },
    /// What a keyless signer must be is no pattern.
    #[error("{}`{field}` of signer `{name}`: {source}", at(place))]
    Whom {
        /// Where.
        place: Place,
        /// The signer.
        name: String,
        /// Which of its patterns.
        field: &'static str,
        /// What is wrong with it.
        source: PatternError,
    },
    /// A word that names no claim.
    #[error("{}signer `{name}`: {source}", at(place))]
    Claim {
        /// Where.
        place: Place,
        /// The signer.
        name: String,
        /// What is wrong with it.
        source: NoSuchClaim,
    },
    /// The validity of a key ends before it begins.
    #[error("{}key `{name}` is never valid: `validUntil` is not after `validFrom`", at(place))]
    NeverValid {
        /// Where.
        place: Place,
        /// The name of the key.
        name: String,
    },
    /// What should still count of a key names a log that the file does not have, or the key has no
    /// end.
    #[error(
        "{}`stillCounts` of `{name}` needs a `validUntil`, and a log of the file: `{log}` is none",
        at(place)
    )]
    NoSuchLog {
        /// Where.
        place: Place,
        /// The name of the key.
        name: String,
        /// The log.
        log: String,
    },
    /// Nobody in the file has this name.
    #[error("the trust file has no key or signer `{name}`")]
    NoSuchSigner {
        /// The name.
        name: String,
    },
    /// The key that marks carried bundles: everybody has its secret half.
    #[error(
        "{}`{name}` is the key that everybody has: what it signs vouches for nothing",
        at(place)
    )]
    EverybodysKey {
        /// Where.
        place: Place,
        /// The name.
        name: String,
    },
    /// A key or signer has ended already.
    #[error("`{name}` has ended before that")]
    Retired {
        /// The name.
        name: String,
    },
    /// The key of a log is not a verifier key, or is called otherwise than the log.
    #[error("{}key of log `{origin}`: {source}", at(place))]
    LogKey {
        /// Where.
        place: Place,
        /// The log.
        origin: String,
        /// What is wrong with it.
        source: NoteError,
    },
    /// The name in a log's key is not its origin.
    #[error("{}the key of log `{origin}` is for `{found}`", at(place))]
    LogName {
        /// Where.
        place: Place,
        /// The log.
        origin: String,
        /// The name in the key.
        found: String,
    },
    /// A former key of a log has two ends.
    #[error(
        "{}the former key of log `{origin}` has both `until` and `lastGood`: the second is for a key that was lost to somebody else",
        at(place)
    )]
    TwoEnds {
        /// Where.
        place: Place,
        /// The log.
        origin: String,
    },
    /// The file does not name the log, or no such key of it.
    #[error("the trust file names no log `{origin}` with the key {key}")]
    NoSuchLogKey {
        /// The log.
        origin: String,
        /// The key.
        key: String,
    },
    /// The witnesses of a log make no quorum.
    #[error("trust file, {place}: log `{origin}`: {source}")]
    Witnesses {
        /// Where.
        place: Place,
        /// The log.
        origin: String,
        /// What is wrong with them.
        source: WitnessesError,
    },
    /// A verifier names a key or a signer that the file does not have.
    #[error("{}verifier `{id}` names the key `{name}`, which is not in the file", at(place))]
    NoSuchKey {
        /// Where.
        place: Place,
        /// The verifier.
        id: String,
        /// The name.
        name: String,
    },
    /// The section about the document itself.
    #[error("{}`governance`: {source}", at(place))]
    Governance {
        /// Where.
        place: Place,
        /// What is wrong with it.
        source: GovernanceError,
    },
    /// The document cannot be written.
    #[error("the trust file cannot be written: {0}")]
    Write(
        /// Why, in the serialiser's words.
        String,
    ),
}

/// What stands before what is wrong: where, if it is in a document at all.
fn at(place: &Place) -> String {
    if place.line == 0 { String::new() } else { format!("trust file, {place}: ") }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {} column {}", self.line, self.column)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: Spanned<String>,
    kind: Spanned<String>,
    #[serde(default)]
    local: bool,
    #[serde(default, deserialize_with = "given")]
    governance: Option<Spanned<GovernanceEntry>>,
    #[serde(default)]
    keys: Vec<KeyEntry>,
    #[serde(default)]
    logs: Vec<LogEntry>,
    #[serde(default)]
    verifiers: Vec<VerifierEntry>,
    #[serde(default)]
    sigstore: Vec<RootEntry>,
    #[serde(default)]
    clocks: Vec<ClockEntry>,
    #[serde(default)]
    authorities: Vec<AuthorityEntry>,
    #[serde(default)]
    signers: Vec<SignerEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RootEntry {
    id: Spanned<String>,
    /// The text of `trusted_root.json`, as it is.
    root: Spanned<String>,
    #[serde(default)]
    without: Vec<WaivedEntry>,
}

#[derive(Clone, Copy, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum WaivedEntry {
    Log,
    CertificateLog,
    InclusionProof,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SignerEntry {
    id: Spanned<String>,
    // Whom a Sigstore instance vouches for …
    #[serde(default, deserialize_with = "given")]
    sigstore: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "given")]
    issuer: Option<PatternEntry>,
    #[serde(default, deserialize_with = "given")]
    subject: Option<PatternEntry>,
    #[serde(default)]
    claims: BTreeMap<String, PatternEntry>,
    // … or whom an authority certifies, by one of its names.
    #[serde(default, deserialize_with = "given")]
    authority: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "given")]
    uri: Option<PatternEntry>,
    #[serde(default, deserialize_with = "given")]
    dns: Option<PatternEntry>,
    #[serde(default, deserialize_with = "given")]
    email: Option<PatternEntry>,
    owner: Spanned<String>,
    #[serde(default)]
    may: MayEntry,
    #[serde(default, deserialize_with = "given")]
    valid_from: Option<Timestamp>,
    #[serde(default, deserialize_with = "given")]
    valid_until: Option<Timestamp>,
    #[serde(default, deserialize_with = "given")]
    still_counts: Option<StillCountsEntry>,
    #[serde(default, deserialize_with = "given")]
    custody: Option<CustodyEntry>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum PatternEntry {
    Exact(String),
    Glob(String),
    Regex(String),
    Under(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyEntry {
    id: Spanned<String>,
    spki: Spanned<String>,
    owner: Spanned<String>,
    #[serde(default)]
    may: MayEntry,
    #[serde(default, deserialize_with = "given")]
    valid_from: Option<Timestamp>,
    #[serde(default, deserialize_with = "given")]
    valid_until: Option<Timestamp>,
    #[serde(default, deserialize_with = "given")]
    still_counts: Option<StillCountsEntry>,
    #[serde(default, deserialize_with = "given")]
    custody: Option<CustodyEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StillCountsEntry {
    log: Spanned<String>,
    before: u64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MayEntry {
    #[serde(default)]
    steps: Vec<Spanned<String>>,
    #[serde(default)]
    predicates: Vec<Spanned<String>>,
    #[serde(default)]
    artifacts: Vec<Spanned<String>>,
    #[serde(default)]
    stages: Vec<Spanned<String>>,
}

#[derive(Clone, Copy, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum CustodyEntry {
    Shared,
    Separate,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LogEntry {
    origin: Spanned<String>,
    key: Spanned<String>,
    #[serde(default)]
    former_keys: Vec<FormerEntry>,
    #[serde(default)]
    witnesses: Vec<WitnessEntry>,
    #[serde(default)]
    quorum: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FormerEntry {
    key: Spanned<String>,
    #[serde(default, deserialize_with = "given")]
    until: Option<u64>,
    #[serde(default, deserialize_with = "given")]
    last_good: Option<LastGoodEntry>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LastGoodEntry {
    size: u64,
    root: Sha256,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WitnessEntry {
    key: Spanned<String>,
    /// Whoever answers for it; the name in the key when it is not said.
    #[serde(default, deserialize_with = "given")]
    owner: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifierEntry {
    id: Spanned<String>,
    key: Spanned<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "is_not")]
    local: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    governance: Option<GovernanceEntry>,
    keys: Vec<WrittenKey<'a>>,
    logs: Vec<WrittenLog<'a>>,
    verifiers: Vec<WrittenVerifier<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sigstore: Vec<WrittenRoot<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clocks: Vec<WrittenClock<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorities: Vec<WrittenAuthority<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signers: Vec<WrittenSigner<'a>>,
}

#[derive(Serialize)]
struct WrittenRoot<'a> {
    id: &'a str,
    root: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without: Vec<WaivedEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenSigner<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sigstore: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<PatternEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<PatternEntry>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    claims: BTreeMap<&'static str, PatternEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authority: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<PatternEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<PatternEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<PatternEntry>,
    owner: &'a str,
    may: WrittenMay,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    still_counts: Option<WrittenStillCounts<'a>>,
    custody: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenKey<'a> {
    id: &'a str,
    spki: String,
    owner: &'a str,
    may: WrittenMay,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    still_counts: Option<WrittenStillCounts<'a>>,
    custody: &'static str,
}

#[derive(Serialize)]
struct WrittenStillCounts<'a> {
    log: &'a str,
    before: u64,
}

#[derive(Serialize)]
struct WrittenMay {
    steps: Vec<String>,
    predicates: Vec<String>,
    artifacts: Vec<String>,
    stages: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenLog<'a> {
    origin: &'a str,
    key: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    former_keys: Vec<WrittenFormer>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    witnesses: Vec<WrittenWitness<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    quorum: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenFormer {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_good: Option<LastGoodEntry>,
}

#[derive(Serialize)]
struct WrittenWitness<'a> {
    key: String,
    owner: &'a str,
}

#[derive(Serialize)]
struct WrittenVerifier<'a> {
    id: &'a str,
    key: &'a str,
}

impl Trust {
    /// A document that trusts nobody, to add to.
    pub fn empty() -> Self {
        let mut trust = Self {
            keys: Vec::new(),
            logs: Vec::new(),
            verifiers: Vec::new(),
            roots: Vec::new(),
            signers: Vec::new(),
            clocks: Vec::new(),
            authorities: Vec::new(),
            certified: Vec::new(),
            governance: None,
            local: false,
            for_others: false,
            digest: Sha256::of(b""),
            scopes: Made::new(),
        };
        trust.seal();
        trust
    }

    /// Parses the text of a trust file.
    ///
    /// # Errors
    /// [`TrustError`], with line and column where there is one.
    pub fn parse(text: &str) -> Result<Self, TrustError> {
        if text.len() > MAX_TRUST_BYTES {
            return Err(TrustError::TooLarge { found: text.len() });
        }
        let options = serde_saphyr::options! {
            duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
            merge_keys: serde_saphyr::MergeKeyPolicy::Error,
            strict_booleans: true,
            with_snippet: false,
            // Whoever reads the file sees what it says; nothing in it stands for something else.
            budget: serde_saphyr::budget! { max_anchors: 0, max_aliases: 0 },
        };
        let document: Document =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| yaml(&error))?;
        let mut trust = Self::empty();
        expect(&document.api_version, "apiVersion", API_VERSION)?;
        expect(&document.kind, "kind", KIND)?;
        for log in document.logs {
            trust.enter_log(log)?;
        }
        for key in document.keys {
            trust.enter_key(key)?;
        }
        for root in document.sigstore {
            trust.enter_root(&root)?;
        }
        for clock in &document.clocks {
            trust.enter_clock(clock)?;
        }
        for authority in document.authorities {
            trust.enter_authority(authority)?;
        }
        for signer in document.signers {
            if signer.authority.is_some() {
                trust.enter_certified(signer)?;
            } else {
                trust.enter_signer(signer)?;
            }
        }
        for verifier in document.verifiers {
            trust.enter_verifier(&verifier.id, &verifier.key)?;
        }
        trust.local = document.local;
        if let Some(entry) = document.governance {
            let place = Place { line: entry.referenced.line(), column: entry.referenced.column() };
            let governance = Governance::of(entry.value, &trust);
            trust.governance =
                Some(governance.map_err(|source| TrustError::Governance { place, source })?);
        }
        trust.digest = Sha256::of(text.as_bytes());
        Ok(trust)
    }

    /// The document as YAML, which parses back to the same trust. Comments are not kept.
    pub fn to_yaml(&self) -> String {
        let keys =
            self.keys.iter().flat_map(|key| key.grants.iter().map(move |grant| (key, grant)));
        let written = Written {
            api_version: API_VERSION,
            kind: KIND,
            local: self.local,
            governance: self.governance.as_ref().map(Governance::entry),
            keys: keys.map(|(key, grant)| written_key(key, grant)).collect(),
            logs: self.logs.iter().map(written_log).collect(),
            verifiers: self
                .verifiers
                .iter()
                .map(|verifier| WrittenVerifier { id: &verifier.id, key: &verifier.name })
                .collect(),
            sigstore: self.roots.iter().map(written_root).collect(),
            clocks: self.clocks.iter().map(written_clock).collect(),
            authorities: self.authorities.iter().map(written_authority).collect(),
            signers: (self.signers.iter().map(written_signer))
                .chain(self.certified.iter().map(written_certified))
                .collect(),
        };
        // Nothing in these types fails to serialise; were it to, what is written would not parse.
        serde_saphyr::to_string(&written).unwrap_or_default()
    }

    /// Adds a key under `name`. The digest becomes that of [`Trust::to_yaml`].
    ///
    /// # Errors
    /// As [`Trust::parse`] for such an entry.
    pub fn add_key(
        &mut self,
        name: &str,
        key: &PublicKey,
        owner: &str,
        may: &May,
        window: Window,
        custody: Custody,
    ) -> Result<(), TrustError> {
        self.enter_key(KeyEntry {
            id: unplaced(name),
            spki: unplaced(&STANDARD.encode(key.der())),
            owner: unplaced(owner),
            may: may_entry(may),
            valid_from: window.from,
            valid_until: window.until,
            still_counts: None,
            custody: custody_entry(custody),
        })?;
        self.seal();
        Ok(())
    }

    /// Ends the grant called `name`, of a key or of any other signer, at `until`. What a log of the
    /// file held of a key before may still count. The digest becomes that of [`Trust::to_yaml`].
    ///
    /// # Errors
    /// [`TrustError::NoSuchSigner`] when nobody has the name, [`TrustError::NeverValid`] when the
    /// grant would end before it begins, [`TrustError::NoSuchLog`], and [`TrustError::Retired`] when
    /// it had ended already.
    pub fn retire(
        &mut self,
        name: &str,
        until: Timestamp,
        still: Option<StillCounts>,
    ) -> Result<(), TrustError> {
        let place = Place::default();
        if let Some(still) = &still
            && self.log(&still.log).is_none()
        {
            let (name, log) = (name.into(), still.log.clone());
            return Err(TrustError::NoSuchLog { place, name, log });
        }
        let grants = self.keys.iter_mut().flat_map(|key| &mut key.grants);
        let grants = grants.chain(self.signers.iter_mut().map(|signer| &mut signer.grant));
        let mut grants = grants.chain(self.certified.iter_mut().map(|signer| &mut signer.grant));
        let grant = grants.find(|grant| grant.name == name);
        let grant = grant.ok_or_else(|| TrustError::NoSuchSigner { name: name.into() })?;
        // Nobody gets back what had ended, and no entry is ended where it does not count anyway.
        let ended = grant.valid_until.is_some_and(|before| before < until);
        if ended {
            return Err(TrustError::Retired { name: name.into() });
        }
        if grant.valid_from.is_some_and(|from| from >= until) {
            return Err(TrustError::NeverValid { place, name: name.into() });
        }
        grant.valid_until = Some(until);
        grant.still_counts = still;
        self.seal();
        Ok(())
    }

    /// Adds a Sigstore instance under `name`. The digest becomes that of [`Trust::to_yaml`].
    ///
    /// # Errors
    /// As [`Trust::parse`] for such an entry.
    pub fn add_root(
        &mut self,
        name: &str,
        root: &SigstoreRoot,
        demands: Demands,
    ) -> Result<(), TrustError> {
        let without = waived(demands);
        self.enter_root(&RootEntry { id: unplaced(name), root: unplaced(root.text()), without })?;
        self.seal();
        Ok(())
    }

    /// Adds a signer under `name` for whom the Sigstore instance `root` vouches. The digest becomes
    /// that of [`Trust::to_yaml`].
    ///
    /// # Errors
    /// As [`Trust::parse`] for such an entry.
    #[allow(clippy::too_many_arguments, reason = "an entry of the trust file has as many fields")]
    pub fn add_signer(
        &mut self,
        name: &str,
        root: &str,
        whom: &Whom,
        owner: &str,
        may: &May,
        window: Window,
        custody: Custody,
    ) -> Result<(), TrustError> {
        let claims = whom.claims.iter();
        self.enter_signer(SignerEntry {
            id: unplaced(name),
            sigstore: Some(unplaced(root)),
            issuer: Some(pattern_entry(&whom.issuer)),
            subject: Some(pattern_entry(&whom.subject)),
            claims: claims.map(|(claim, one)| (claim.to_string(), pattern_entry(one))).collect(),
            authority: None,
            uri: None,
            dns: None,
            email: None,
            owner: unplaced(owner),
            may: may_entry(may),
            valid_from: window.from,
            valid_until: window.until,
            still_counts: None,
            custody: custody_entry(custody),
        })?;
        self.seal();
        Ok(())
    }

    /// Adds a log by its verifier key. The digest becomes that of [`Trust::to_yaml`].
    ///
    /// # Errors
    /// As [`Trust::parse`] for such an entry.
    pub fn add_log(&mut self, key: &VerifierKey) -> Result<(), TrustError> {
        self.add_witnessed_log(key, &[], 0)
    }

    /// Adds a log by its verifier key, which counts only where `quorum` of these witnesses have
    /// cosigned; each is its own owner. The digest becomes that of [`Trust::to_yaml`].
    ///
    /// # Errors
    /// As [`Trust::parse`] for such an entry.
    pub fn add_witnessed_log(
        &mut self,
        key: &VerifierKey,
        witnesses: &[CosignerKey],
        quorum: usize,
    ) -> Result<(), TrustError> {
        let witness = |key: &CosignerKey| {
            let (key, owner) = (unplaced(&key.to_string()), Some(unplaced(key.name())));
            WitnessEntry { key, owner }
        };
        self.enter_log(LogEntry {
            origin: unplaced(key.name()),
            key: unplaced(&key.to_string()),
            former_keys: Vec::new(),
            witnesses: witnesses.iter().map(witness).collect(),
            quorum,
        })?;
        self.seal();
        Ok(())
    }

    /// Gives a log another key, as whoever keeps the file says: `key` signs its checkpoints from now
    /// on, and the one that it had is believed as far as `reach` says. The digest becomes that of
    /// [`Trust::to_yaml`].
    ///
    /// # Errors
    /// [`TrustError::NoSuchLogKey`] when the file does not name the log, [`TrustError::Duplicate`]
    /// when the key is or was the log's already, [`TrustError::TooMany`].
    pub fn rotate_log(&mut self, key: &VerifierKey, reach: Reach) -> Result<(), TrustError> {
        let log = self.log_mut(key)?;
        new_to(log, key, Place::default())?;
        room(log.former.len(), "former keys of a log", MAX_FORMER_KEYS)?;
        let former = std::mem::replace(&mut log.key, key.clone());
        log.former.insert(0, FormerKey::new(former, reach));
        self.seal();
        Ok(())
    }

    /// Says how far a former key of a log is believed from now on. The digest becomes that of
    /// [`Trust::to_yaml`].
    ///
    /// # Errors
    /// [`TrustError::NoSuchLogKey`] when the file names no such former key.
    pub fn end_log_key(&mut self, key: &VerifierKey, reach: Reach) -> Result<(), TrustError> {
        let log = self.log_mut(key)?;
        let former = log.former.iter_mut().find(|former| former.key() == key);
        let former = former.ok_or_else(|| no_such_key(key))?;
        *former = FormerKey::new(key.clone(), reach);
        self.seal();
        Ok(())
    }

    fn log_mut(&mut self, key: &VerifierKey) -> Result<&mut TrustedLog, TrustError> {
        let found = self.logs.iter_mut().find(|log| log.origin == key.name());
        found.ok_or_else(|| no_such_key(key))
    }

    /// Adds the verifier `id`, whose summaries the key called `name` signs. The digest becomes
    /// that of [`Trust::to_yaml`].
    ///
    /// # Errors
    /// As [`Trust::parse`] for such an entry.
    pub fn add_verifier(&mut self, id: &str, name: &str) -> Result<(), TrustError> {
        self.enter_verifier(&unplaced(id), &unplaced(name))?;
        self.seal();
        Ok(())
    }

    pub(super) fn seal(&mut self) {
        self.digest = Sha256::of(self.to_yaml().as_bytes());
        self.scopes = Made::new();
    }

    fn enter_key(&mut self, entry: KeyEntry) -> Result<(), TrustError> {
        let place = place(&entry.id);
        let name = text(&entry.id, "id")?.to_owned();
        let owner = text(&entry.owner, "owner")?.to_owned();
        self.unused(&name, place)?;
        let entries: usize = self.keys.iter().map(|key| key.grants.len()).sum();
        room(entries, "keys", MAX_ENTRIES)?;
        let key = parse_key(&entry.spki, &name)?;
        let custody = parse_custody(entry.custody);
        let (from, until) = (entry.valid_from, entry.valid_until);
        let mut grant = parse_grant(name.clone(), entry.may, from, until, place)?;
        grant.still_counts = self.still_counts(entry.still_counts.as_ref(), &grant)?;
        match self.keys.iter_mut().find(|known| known.key == key) {
            Some(known) if known.owner == owner && known.custody == custody => {
                known.grants.push(grant);
            }
            Some(known) => {
                let other = known.name().to_owned();
                return Err(TrustError::SameKey { place, name, other });
            }
            None => self.keys.push(TrustedKey { key, owner, custody, grants: vec![grant] }),
        }
        Ok(())
    }

    /// What still counts of a grant that runs out.
    fn still_counts(
        &self,
        entry: Option<&StillCountsEntry>,
        grant: &Grant,
    ) -> Result<Option<StillCounts>, TrustError> {
        let Some(still) = entry else { return Ok(None) };
        let log = text(&still.log, "log")?.to_owned();
        if self.log(&log).is_none() || grant.valid_until.is_none() {
            let (place, name) = (place(&still.log), grant.name.clone());
            return Err(TrustError::NoSuchLog { place, name, log });
        }
        Ok(Some(StillCounts { log, before: still.before }))
    }

    /// Whether a signer without a key has this name.
    fn is_signer_without_key(&self, name: &str) -> bool {
        let grants = self.signers.iter().map(|signer| &signer.grant);
        let mut grants = grants.chain(self.certified.iter().map(|signer| &signer.grant));
        grants.any(|grant| grant.name == name)
    }

    /// Keys and keyless signers share their names: policies ask for either by name.
    fn unused(&self, name: &str, place: Place) -> Result<(), TrustError> {
        let signer = self.signers.iter().any(|signer| signer.grant.name == name)
            || self.certified.iter().any(|signer| signer.grant.name == name);
        let what = if signer { "signer" } else { "key" };
        if signer || self.named(name).is_some() {
            return Err(TrustError::Duplicate { place, what, name: name.into() });
        }
        Ok(())
    }

    fn enter_root(&mut self, entry: &RootEntry) -> Result<(), TrustError> {
        let place = place(&entry.id);
        let name = text(&entry.id, "id")?.to_owned();
        if self.root(&name).is_some() {
            return Err(TrustError::Duplicate { place, what: "sigstore instance", name });
        }
        room(self.roots.len(), "sigstore instances", MAX_ROOTS)?;
        let root = SigstoreRoot::parse(&entry.root.value).map_err(|source| TrustError::Root {
            place,
            name: name.clone(),
            source,
        })?;
        let demand = |waived| {
            if entry.without.contains(&waived) { Demand::Waived } else { Demand::Required }
        };
        let demands = Demands {
            log: demand(WaivedEntry::Log),
            certificate_log: demand(WaivedEntry::CertificateLog),
            inclusion_proof: demand(WaivedEntry::InclusionProof),
        };
        if demands.certificate_log == Demand::Waived && root.has_certificate_logs() {
            return Err(TrustError::NotWaived { place, name });
        }
        self.roots.push(TrustedRoot { name, root, demands });
        Ok(())
    }

    fn enter_signer(&mut self, entry: SignerEntry) -> Result<(), TrustError> {
        let place = place(&entry.id);
        let name = text(&entry.id, "id")?.to_owned();
        let owner = text(&entry.owner, "owner")?.to_owned();
        let named = entry.uri.is_some() || entry.dns.is_some() || entry.email.is_some();
        let (Some(root), Some(issuer), Some(subject), false) =
            (&entry.sigstore, &entry.issuer, &entry.subject, named)
        else {
            return Err(TrustError::SignerKind { place, name });
        };
        let root = text(root, "sigstore")?.to_owned();
        self.unused(&name, place)?;
        room(self.signers.len(), "signers", MAX_ENTRIES)?;
        if self.root(&root).is_none() {
            return Err(TrustError::NoSuchRoot { place, name, root });
        }
        let pattern = |field, entry: &PatternEntry| {
            let failed = |source| TrustError::Whom { place, name: name.clone(), field, source };
            parse_pattern(entry).map_err(failed)
        };
        let mut claims = BTreeMap::new();
        for (word, entry) in &entry.claims {
            let claim: Claim = word.parse().map_err(|source| TrustError::Claim {
                place,
                name: name.clone(),
                source,
            })?;
            claims.insert(claim, pattern(claim.as_str(), entry)?);
        }
        let whom = Whom {
            issuer: pattern("issuer", issuer)?,
            subject: pattern("subject", subject)?,
            claims,
        };
        let custody = parse_custody(entry.custody);
        let mut grant = parse_grant(name, entry.may, entry.valid_from, entry.valid_until, place)?;
        needs_no_key(&grant, place)?;
        grant.still_counts = self.still_counts(entry.still_counts.as_ref(), &grant)?;
        self.signers.push(TrustedSigner { root, whom, owner, custody, grant });
        Ok(())
    }

    fn enter_log(&mut self, entry: LogEntry) -> Result<(), TrustError> {
        let name = text(&entry.origin, "origin")?.to_owned();
        if self.log(&name).is_some() {
            return Err(TrustError::Duplicate { place: place(&entry.origin), what: "log", name });
        }
        room(self.logs.len(), "logs", MAX_ENTRIES)?;
        let key = parse_log_key(&entry.key, &name)?;
        let witnesses = parse_witnesses(&entry, &name)?;
        let mut log = TrustedLog { origin: name, key, former: Vec::new(), witnesses };
        for former in &entry.former_keys {
            room(log.former.len(), "former keys of a log", MAX_FORMER_KEYS)?;
            let key = parse_log_key(&former.key, &log.origin)?;
            new_to(&log, &key, place(&former.key))?;
            let reach = match (former.until, &former.last_good) {
                (None, None) => Reach::Whole,
                (Some(size), None) => Reach::Until(size),
                (None, Some(LastGoodEntry { size, root })) => {
                    Reach::LastGood(LastGood { size: *size, root: *root })
                }
                (Some(_), Some(_)) => {
                    let (place, origin) = (place(&former.key), log.origin);
                    return Err(TrustError::TwoEnds { place, origin });
                }
            };
            log.former.push(FormerKey::new(key, reach));
        }
        self.logs.push(log);
        Ok(())
    }

    fn enter_verifier(
        &mut self,
        id: &Spanned<String>,
        key: &Spanned<String>,
    ) -> Result<(), TrustError> {
        let name = text(key, "key")?.to_owned();
        let id_text = text(id, "id")?.to_owned();
        room(self.verifiers.len(), "verifiers", MAX_ENTRIES)?;
        let key = match self.named(&name) {
            Some((trusted, _)) => Some(trusted.id()),
            None if self.is_signer_without_key(&name) => None,
            None => return Err(TrustError::NoSuchKey { place: place(key), id: id_text, name }),
        };
        let verifier = TrustedVerifier { id: id_text, name, key };
        let same = |known: &TrustedVerifier| {
            let one_key = known.key.is_some() && known.key == verifier.key;
            known.id == verifier.id && (one_key || known.name == verifier.name)
        };
        if self.verifiers.iter().any(same) {
            let what = "verifier";
            return Err(TrustError::Duplicate { place: place(id), what, name: verifier.id });
        }
        self.verifiers.push(verifier);
        Ok(())
    }
}

impl May {
    /// The scope with these lists, as the trust file spells them: `"*"` means any, predicate
    /// types without a scheme are Assay's own.
    ///
    /// # Errors
    /// As [`Trust::parse`] for such lists.
    pub fn of(
        steps: &[&str],
        predicates: &[&str],
        artifacts: &[&str],
        stages: &[&str],
    ) -> Result<Self, TrustError> {
        let list = |texts: &[&str]| texts.iter().map(|text| unplaced(text)).collect();
        parse_may(MayEntry {
            steps: list(steps),
            predicates: list(predicates),
            artifacts: list(artifacts),
            stages: list(stages),
        })
    }
}

fn parse_grant(
    name: String,
    may: MayEntry,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    place: Place,
) -> Result<Grant, TrustError> {
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        return Err(TrustError::NeverValid { place, name });
    }
    let may = parse_may(may)?;
    Ok(Grant { name, may, valid_from: from, valid_until: until, still_counts: None })
}

/// What erases is found in a register by the key that signed it.
fn needs_no_key(grant: &Grant, place: Place) -> Result<(), TrustError> {
    if grant.may.predicates.has(TOMBSTONE) {
        let (name, predicate) = (grant.name.clone(), TOMBSTONE);
        return Err(TrustError::NeedsKey { place, name, predicate });
    }
    Ok(())
}

const fn parse_custody(entry: Option<CustodyEntry>) -> Custody {
    match entry {
        Some(CustodyEntry::Separate) => Custody::Separate,
        Some(CustodyEntry::Shared) | None => Custody::Shared,
    }
}

const fn custody_entry(custody: Custody) -> Option<CustodyEntry> {
    match custody {
        Custody::Shared => None,
        Custody::Separate => Some(CustodyEntry::Separate),
    }
}

fn may_entry(may: &May) -> MayEntry {
    MayEntry {
        steps: may.steps.list().iter().map(|text| unplaced(text)).collect(),
        predicates: may.predicates.list().iter().map(|text| unplaced(text)).collect(),
        artifacts: may.artifacts.list().iter().map(|text| unplaced(text)).collect(),
        stages: may.stages.list().iter().map(|text| unplaced(text)).collect(),
    }
}

fn parse_pattern(entry: &PatternEntry) -> Result<Pattern, PatternError> {
    match entry {
        PatternEntry::Exact(text) => Pattern::exact(text),
        PatternEntry::Glob(text) => Pattern::glob(text),
        PatternEntry::Regex(text) => Pattern::regex(text),
        PatternEntry::Under(text) => Pattern::under(text),
    }
}

fn pattern_entry(pattern: &Pattern) -> PatternEntry {
    let text = pattern.text().to_owned();
    match pattern.kind() {
        PatternKind::Exact => PatternEntry::Exact(text),
        PatternKind::Glob => PatternEntry::Glob(text),
        PatternKind::Regex => PatternEntry::Regex(text),
        PatternKind::Under => PatternEntry::Under(text),
    }
}

fn waived(demands: Demands) -> Vec<WaivedEntry> {
    let all = [
        (demands.log, WaivedEntry::Log),
        (demands.certificate_log, WaivedEntry::CertificateLog),
        (demands.inclusion_proof, WaivedEntry::InclusionProof),
    ];
    let waived = all.into_iter().filter(|(demand, _)| *demand == Demand::Waived);
    waived.map(|(_, entry)| entry).collect()
}

fn parse_key(spki: &Spanned<String>, name: &str) -> Result<PublicKey, TrustError> {
    let place = place(spki);
    let der = STANDARD
        .decode(&spki.value)
        .map_err(|_| TrustError::Base64 { place, name: name.into() })?;
    let key = PublicKey::from_der(&der).map_err(|source| TrustError::Key {
        place,
        name: name.into(),
        source,
    })?;
    if attest::carried::is_mark(&key.id()) {
        return Err(TrustError::EverybodysKey { place, name: name.into() });
    }
    Ok(key)
}

/// A verifier key that has the name of its log.
fn parse_log_key(text: &Spanned<String>, origin: &str) -> Result<VerifierKey, TrustError> {
    let place = place(text);
    let parsed: VerifierKey = text.value.parse().map_err(|source| TrustError::LogKey {
        place,
        origin: origin.into(),
        source,
    })?;
    if parsed.name() != origin {
        let found = parsed.name().to_owned();
        return Err(TrustError::LogName { place, origin: origin.into(), found });
    }
    Ok(parsed)
}

/// One key has one reach.
fn new_to(log: &TrustedLog, key: &VerifierKey, place: Place) -> Result<(), TrustError> {
    if log.key == *key || log.former.iter().any(|former| former.key() == key) {
        let what = "key of the log";
        return Err(TrustError::Duplicate { place, what, name: key.to_string() });
    }
    Ok(())
}

fn no_such_key(key: &VerifierKey) -> TrustError {
    TrustError::NoSuchLogKey { origin: key.name().into(), key: key.to_string() }
}

fn parse_witnesses(entry: &LogEntry, log: &str) -> Result<Witnesses, TrustError> {
    let mut list = Vec::new();
    for witness in &entry.witnesses {
        room(list.len(), "witnesses of a log", MAX_WITNESSES)?;
        let key: CosignerKey = witness.key.value.parse().map_err(|source| TrustError::LogKey {
            place: place(&witness.key),
            origin: log.into(),
            source,
        })?;
        let owner = match &witness.owner {
            Some(owner) => text(owner, "owner")?.to_owned(),
            None => key.name().to_owned(),
        };
        list.push(TrustedWitness::new(key, owner));
    }
    Witnesses::new(list, entry.quorum).map_err(|source| TrustError::Witnesses {
        place: place(&entry.origin),
        origin: log.into(),
        source,
    })
}

fn parse_may(may: MayEntry) -> Result<May, TrustError> {
    let lists = [&may.steps, &may.predicates, &may.artifacts, &may.stages];
    for list in lists {
        room(list.len().saturating_sub(1), "items in a list of `may`", MAX_PATTERNS)?;
        for item in list {
            text(item, "may")?;
        }
    }
    for item in &may.artifacts {
        Globs::parse(vec![item.value.clone()]).map_err(|error| TrustError::Pattern {
            place: place(item),
            pattern: item.value.clone(),
            message: error.kind().to_string(),
        })?;
    }
    let values = |list: Vec<Spanned<String>>| list.into_iter().map(|item| item.value);
    let artifacts: BTreeSet<String> = values(may.artifacts).collect();
    Ok(May {
        steps: Names::parse(values(may.steps)),
        predicates: Names::parse(values(may.predicates).map(|name| full_type(&name))),
        artifacts: Globs::parse(artifacts.into_iter().collect()).map_err(|error| {
            // Each parsed by itself; together they can only be too much for the matcher.
            let pattern = error.glob().unwrap_or_default().into();
            TrustError::Pattern { place: Place::default(), pattern, message: error.to_string() }
        })?,
        stages: Names::parse(values(may.stages)),
    })
}

/// `evaluation/v0.1` is short for Assay's own predicate type; anything with a scheme is whole.
fn full_type(name: &str) -> String {
    if name == "*" || name.contains(':') {
        name.into()
    } else {
        format!("{NAMESPACE}attestation/{name}")
    }
}

fn written_may(may: &May) -> WrittenMay {
    WrittenMay {
        steps: may.steps.list(),
        predicates: may.predicates.list(),
        artifacts: may.artifacts.list().to_vec(),
        stages: may.stages.list(),
    }
}

fn written_root(root: &TrustedRoot) -> WrittenRoot<'_> {
    WrittenRoot { id: &root.name, root: root.root.text(), without: waived(root.demands) }
}

fn written_signer(signer: &TrustedSigner) -> WrittenSigner<'_> {
    let TrustedSigner { root, whom, owner, custody, grant } = signer;
    let claims = whom.claims.iter();
    WrittenSigner {
        id: &grant.name,
        sigstore: Some(root),
        issuer: Some(pattern_entry(&whom.issuer)),
        subject: Some(pattern_entry(&whom.subject)),
        claims: claims.map(|(claim, one)| (claim.as_str(), pattern_entry(one))).collect(),
        authority: None,
        uri: None,
        dns: None,
        email: None,
        owner,
        may: written_may(&grant.may),
        valid_from: grant.valid_from,
        valid_until: grant.valid_until,
        still_counts: written_still(grant),
        custody: custody.as_str(),
    }
}

fn written_still(grant: &Grant) -> Option<WrittenStillCounts<'_>> {
    let still = grant.still_counts.as_ref();
    still.map(|still| WrittenStillCounts { log: &still.log, before: still.before })
}

fn written_key<'a>(key: &'a TrustedKey, grant: &'a Grant) -> WrittenKey<'a> {
    WrittenKey {
        id: &grant.name,
        spki: STANDARD.encode(key.key.der()),
        owner: &key.owner,
        may: written_may(&grant.may),
        valid_from: grant.valid_from,
        valid_until: grant.valid_until,
        still_counts: written_still(grant),
        custody: key.custody.as_str(),
    }
}

fn written_log(log: &TrustedLog) -> WrittenLog<'_> {
    let witnesses = log
        .witnesses
        .list()
        .iter()
        .map(|witness| WrittenWitness { key: witness.key().to_string(), owner: witness.owner() });
    WrittenLog {
        origin: &log.origin,
        key: log.key.to_string(),
        former_keys: log.former.iter().map(written_former).collect(),
        witnesses: witnesses.collect(),
        quorum: log.witnesses.quorum(),
    }
}

fn written_former(former: &FormerKey) -> WrittenFormer {
    let (until, last_good) = match former.reach() {
        Reach::Whole => (None, None),
        Reach::Until(size) => (Some(size), None),
        Reach::LastGood(LastGood { size, root }) => (None, Some(LastGoodEntry { size, root })),
    };
    WrittenFormer { key: former.key().to_string(), until, last_good }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the serialiser calls it with a reference")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A field that is there has a value: an empty `validUntil:` must not mean "for ever".
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn room(found: usize, what: &'static str, limit: usize) -> Result<(), TrustError> {
    if found < limit { Ok(()) } else { Err(TrustError::TooMany { what, found: found + 1, limit }) }
}

fn text<'a>(value: &'a Spanned<String>, field: &'static str) -> Result<&'a str, TrustError> {
    let good = (1..=MAX_NAME_BYTES).contains(&value.value.len())
        && !value.value.chars().any(char::is_control);
    if good { Ok(&value.value) } else { Err(TrustError::Text { place: place(value), field }) }
}

fn expect(
    value: &Spanned<String>,
    field: &'static str,
    expected: &'static str,
) -> Result<(), TrustError> {
    if value.value == expected {
        return Ok(());
    }
    let found = value.value.chars().take(64).collect();
    Err(TrustError::Document { place: place(value), field, found, expected })
}

const fn unlocated() -> serde_saphyr::Location {
    serde_saphyr::Location::UNKNOWN
}

fn unplaced(value: &str) -> Spanned<String> {
    Spanned { value: value.into(), referenced: unlocated(), defined: unlocated() }
}

fn place(value: &Spanned<String>) -> Place {
    Place { line: value.referenced.line(), column: value.referenced.column() }
}

fn yaml(error: &serde_saphyr::Error) -> TrustError {
    let location = error.location();
    let place = location
        .map(|location| Place { line: location.line(), column: location.column() })
        .unwrap_or_default();
    TrustError::Yaml { place, message: attest::yaml::words(error) }
}
