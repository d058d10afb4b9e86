//! Rules in Rego, for what the declarative rules cannot say.
//!
//! Each rule is one module of the package `assay` whose `deny` collects what stands against the
//! artifact. It is compiled once, when the policy is read, and run by a bytecode machine that is
//! bounded in every direction: what a rule may read is one document ([`input`]), what it may call
//! is one list ([`builtins`]), what it may make and how long it may run have limits, and beyond
//! any of them stands an error, never a verdict. Nothing here lets a rule see a clock, chance, a
//! file, the network or the machine that it runs on.

#![cfg_attr(
    not(feature = "rego"),
    allow(dead_code, reason = "without the engine nothing makes or says these")
)]

#[cfg(feature = "rego")]
mod answer;
#[cfg(feature = "rego")]
mod builtins;
#[cfg(feature = "rego")]
mod fence;
#[cfg(feature = "rego")]
mod fields;
#[cfg(feature = "rego")]
mod input;
#[cfg(feature = "rego")]
mod kind;
#[cfg(feature = "rego")]
mod look;
#[cfg(feature = "rego")]
mod measure;
#[cfg(feature = "rego")]
mod meter;
#[cfg(feature = "rego")]
mod module;
#[cfg(feature = "rego")]
mod names;
#[cfg(feature = "rego")]
mod reads;
#[cfg(feature = "rego")]
mod schema;
#[cfg(feature = "rego")]
mod sound;
#[cfg(all(test, feature = "rego"))]
mod tests;
#[cfg(not(feature = "rego"))]
mod without;

use attest::{ArtifactId, Timestamp};
use verify::Window;

#[cfg(feature = "rego")]
pub(crate) use module::{Module, run};
#[cfg(not(feature = "rego"))]
pub(crate) use without::{Module, run};

/// What `version` of the input document is.
pub const REGO_INPUT_VERSION: &str = "assay/rego-input/v1";
/// The package of every rule.
pub(crate) const PACKAGE: &str = "assay";
/// The most rules in Rego that one policy has.
pub const MAX_REGO_RULES: usize = 100;
/// The largest text of one rule, in bytes.
pub const MAX_REGO_BYTES: usize = 64 << 10;
/// The most findings that one rule makes; one more is an error.
pub(crate) const MAX_DENIALS: usize = 100;

/// The most digits of a number that is calculated with.
pub(crate) const MAX_DIGITS: usize = 100;

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct RegoRule {
    /// Its place in the policy: `rego.R-901`.
    pub(crate) rule: String,
    /// Its name.
    pub(crate) id: String,
    /// When it asks anything.
    pub(crate) effective: Window,
    /// What it asks.
    pub(crate) module: Module,
}

/// Something that a rule says against the artifact.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Denial {
    /// The rule's own name for it.
    pub(crate) code: String,
    /// What it says, in a sentence.
    pub(crate) message: String,
    /// What it says it of.
    pub(crate) subject: ArtifactId,
}

/// What came of one rule.
pub(crate) type Answer = Result<Vec<Denial>, RunError>;

/// Why a text is no rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ModuleError {
    /// More than [`MAX_REGO_BYTES`].
    #[error("the rule has {0} bytes, more than the limit of {MAX_REGO_BYTES}")]
    TooLarge(usize),
    /// The engine does not understand it.
    #[error("not a rule in Rego: {0}")]
    Engine(String),
    /// It is in another package.
    #[error("the rule is in package `{0}`; write `package {PACKAGE}`")]
    Package(String),
    /// It does not say what is to be denied.
    #[error(
        "the rule denies nothing; write `deny contains {{\"msg\": …, \"code\": …, \"subject\": …}} if …`"
    )]
    NoDeny,
    /// It reads nothing.
    #[error("`deny` reads nothing of `input`, so that no evidence could change its answer")]
    NoInput,
    /// It reads what is never there, whatever the evidence.
    #[error("at line {line}, column {column} of the rule: {why}")]
    Never {
        /// Where, in the text of the rule.
        line: u32,
        /// Likewise.
        column: u32,
        /// What it is, and what could be read instead.
        why: String,
    },
    /// It calls what is not there.
    #[error(
        "the function `{0}` is not there: a rule sees no clock but `time.now_ns`, and no chance, network or machine"
    )]
    Function(String),
    /// It reads data besides the input.
    #[error("there is no `data` besides the rule's own package; write it into the rule")]
    Data,
    /// A name has several values.
    #[error(
        "`{0}` is given several times with values that may differ, and would have none where two hold: join them with `else`, or collect them with `contains`"
    )]
    Ambiguous(String),
    /// A rule needs itself.
    #[error("`{0}` would need itself to be known")]
    Circle(String),
    /// A number beyond what is calculated with.
    #[error("`{0}` is a number of more than {MAX_DIGITS} digits")]
    Number(String),
    /// More than the engine runs.
    #[error("the rule is too long for the engine: {0}")]
    TooLong(String),
    /// The engine could not be run.
    #[error("the engine for Rego did not finish reading the rule")]
    Broken,
    /// There is no engine.
    #[cfg(not(feature = "rego"))]
    #[error("this build has no engine for rules in Rego; use one with the feature `rego`")]
    NoEngine,
}

/// Why a rule gave no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum RunError {
    /// It would have run too long, as it is counted.
    #[error("it took more than {0} instructions")]
    Instructions(usize),
    /// It ran too long, as a clock says.
    #[error("it took more than {0} seconds")]
    Time(u64),
    /// It made too much.
    #[error("it made more than {0} bytes")]
    Memory(u64),
    /// A pattern is too large once it is compiled.
    #[error("it used a regular expression that is too large")]
    Pattern,
    /// What it is given would be too large.
    #[error("the input is larger than {0} values and bytes")]
    Input(usize),
    /// Something in it has no value: a conversion, a division, a function out of its domain.
    #[error("{0}")]
    Undefined(String),
    /// Its answer is not as it must be.
    #[error("its answer is no set of `{{msg, code, subject}}`: {0}")]
    Answer(String),
    /// The engine could not be run.
    #[error("the engine for Rego did not finish")]
    Broken,
}

/// `now` as rules see it: whole minutes, so that an answer holds for the rest of the minute.
pub(crate) fn minute(now: Timestamp) -> Timestamp {
    let second = now.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(now)
}
