//! What a policy consists of, once it is parsed: right ever after, cheap to judge by.
//!
//! Steps and stages are known by their place in the lists here; texts that only a reader needs
//! (the names of rules) are made once, when the document is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use attest::predicate::BuildKind;
use attest::{Sha256, StageName, StepName};
use serde::{Deserialize, Serialize};
use verify::{Attestation, Signer};

use crate::age::MaxAge;
use crate::case::Case;
use crate::document::Files;
use crate::rego::RegoRule;
use crate::rules::{Flow, Forbidden, Holdout, Metric, Rule, Waivers};
use crate::whom::{Narrowed, Whom, is_logged};

/// All rules of one policy.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) uri: String,
    pub(crate) description: Option<String>,
    pub(crate) digest: Sha256,
    pub(crate) completeness: Completeness,
    /// Whether summaries by any policy count for earlier stages, where no register says which one
    /// is active: of no document, and only where nothing is decided.
    pub(crate) any_version: bool,
    pub(crate) stages: Vec<Stage>,
    pub(crate) steps: Vec<Step>,
    /// The steps, each after all those that it feeds.
    pub(crate) later_first: Vec<usize>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) forbidden: Vec<Forbidden>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) holdouts: Vec<Holdout>,
    /// Whom the policy believes; `None` where it takes everybody as the trust file has them.
    pub(crate) narrowed: Option<Arc<Narrowed>>,
    pub(crate) builders: Vec<Builder>,
    /// All other rules.
    pub(crate) rules: Vec<Arc<dyn Rule>>,
    pub(crate) rego: Vec<RegoRule>,
    /// Whose exceptions are accepted; none where the document says nothing of them.
    pub(crate) waivers: Option<Waivers>,
    /// The files that the document names, by their names.
    pub(crate) files: Files,
    /// What must come of evidence beside the document; no rule reads them.
    pub(crate) cases: Vec<Case>,
    /// What each rule asks, in words, by its place.
    pub(crate) asks: BTreeMap<String, String>,
    /// The document as it is written, for whoever compares it with another.
    pub(crate) fields: Arc<serde_json::Value>,
}

impl Model {
    /// The stages right before the one at this place, in words.
    pub(crate) fn right_before(&self, stage: usize) -> String {
        let after = self.stages.get(stage).into_iter().flat_map(|stage| &stage.after);
        let earlier = after.filter_map(|index| self.stages.get(*index));
        earlier.map(|stage| stage.name.as_str()).collect::<Vec<_>>().join(" and ")
    }

    /// Whether the signature of `signer` is one by which a summary counts.
    pub(crate) fn is_verifier(&self, summary: &Attestation, signer: &Signer) -> bool {
        is_logged(summary, signer)
            && self.narrowed.as_ref().is_none_or(|narrowed| narrowed.admits(signer))
    }
}

/// Where an artifact may run.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) name: StageName,
    pub(crate) mode: Mode,
    pub(crate) on_error: OnError,
    /// The stages that must have been passed before.
    pub(crate) after: Vec<usize>,
    pub(crate) rule: String,
}

/// A step that must have happened.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) rule: String,
    pub(crate) age_rule: String,
    pub(crate) name: StepName,
    /// Type URIs, matched whole.
    pub(crate) predicates: Vec<String>,
    pub(crate) kind: Option<BuildKind>,
    /// Build types of others, matched whole: provenance of one counts, though it names no step,
    /// and no other does. Empty where the policy names none.
    pub(crate) build_types: Vec<String>,
    pub(crate) signers: SignerRule,
    pub(crate) log: LogRule,
    pub(crate) max_age: Option<MaxAge>,
}

/// Who must have signed.
#[derive(Clone, Debug)]
pub(crate) struct SignerRule {
    /// Of these.
    pub(crate) whom: Whom,
    /// How many distinct owners.
    pub(crate) threshold: usize,
    /// The step whose signers' owners do not count here.
    pub(crate) not_same_as: Option<usize>,
}

/// What runs builds.
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    /// As provenance names it, matched whole.
    pub(crate) id: String,
    /// Whose provenance may name it.
    pub(crate) signers: Whom,
    /// The level of SLSA's build track that it reaches at most.
    pub(crate) level: u8,
}

/// One end of a flow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) step: usize,
    pub(crate) port: Port,
}

macro_rules! words {
    ($(#[$doc:meta])* $visibility:vis enum $name:ident { $($(#[$case_doc:meta])* $case:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        $visibility enum $name {
            $($(#[$case_doc])* #[serde(rename = $word)] $case,)+
        }

        impl $name {
            /// Every one, in the order of their meaning.
            $visibility const ALL: [Self; [$($word),+].len()] = [$(Self::$case),+];

            /// The word in documents and reports.
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$case => $word,)+
                }
            }
        }
    };
}

words! {
    /// What follows from a verdict at a stage; from the mildest to the strictest.
    pub enum Mode {
        /// Findings are written down.
        Audit = "audit",
        /// Findings are shown to whoever asks.
        Warn = "warn",
        /// What has not passed is not admitted.
        Enforce = "enforce",
    }
}

words! {
    /// What happens where something cannot be decided.
    pub enum OnError {
        /// As the mode says of what has not passed; only where it does not enforce.
        Admit = "admit",
        /// The artifact is not admitted, whatever the mode.
        Deny = "deny",
    }
}

words! {
    /// What happens to an artifact for whose name the policy is not written.
    pub(crate) enum OnNoMatch {
        /// It does not pass.
        Deny = "deny",
        /// The other rules are applied all the same.
        Apply = "apply",
    }
}

words! {
    /// What happens where nothing is there to judge.
    pub(crate) enum OnMissing {
        /// It does not pass.
        Deny = "deny",
        /// The rule asks nothing then.
        Accept = "accept",
    }
}

words! {
    /// Which side of a step is meant.
    pub(crate) enum Port {
        /// What provenance says was made.
        Products = "products",
        /// What went in.
        Materials = "materials",
        /// What any statement is about.
        Subject = "subject",
    }
}

words! {
    /// How much of what one step made must enter the other.
    pub(crate) enum Coverage {
        /// Every selected product.
        All = "all",
        /// At least one.
        Any = "any",
    }
}

words! {
    /// How sure a rule against leakage can be.
    pub(crate) enum Strength {
        /// As sure as the declaration of the files that went in.
        DeclaredFiles = "declared-files",
    }
}

words! {
    /// Whether the attestations of a step must stand in a trusted log.
    pub(crate) enum LogRule {
        /// They must; what is not written here.
        Required = "required",
        /// They need not.
        Optional = "optional",
    }
}

words! {
    /// How much of the register must have been read for its silence to mean anything.
    pub(crate) enum Completeness {
        /// Every entry, by whoever judges.
        Followed = "followed",
        /// At least the register itself says that nothing is left out.
        Claimed = "claimed",
        /// What was given is all there is to go by.
        Given = "given",
    }
}
