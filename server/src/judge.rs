//! Judging an artifact by what a register holds: the one function that command, API and admission
//! call.
//!
//! The register is asked for what the trace wants, the policy judges the lineage, and a promotion
//! signs what was judged and registers it. Nothing here reads a clock, and an `Err` means that the
//! question could not be asked: it is never to be taken for "allowed".

use std::collections::BTreeSet;
use std::str::FromStr;

use attest::envelope::IN_TOTO;
use attest::{
    ArtifactId, Bundle, Checkpoint, Envelope, KeyError, KeyId, SigningKey, StageName, Statement,
    StatementError, Timestamp,
};
use policy::{Decision, Policy, summary};
use serde::{Deserialize, Serialize};
use verify::{Direction, Followed, Lineage, Negatives, Trace, Trust};

use crate::family::own_name;
use crate::register::{
    Bundles, ReadError, Receipt, Register, Storage, StorageError, SubmitError, Term,
};
use crate::seen::is_behind;

/// How many pages of attestations of one artifact are read, each of
/// [`crate::register::MAX_BUNDLES`]. More is no answer.
const MAX_PAGES: usize = 16;
/// How many attestations of one artifact by keys that the trust file does not know are handed to
/// the trace, which refuses them: enough to be shown, and not enough to use up its budget.
pub const MAX_STRANGERS: usize = 256;
/// How many artifacts are asked for; the trace has a limit of its own below it.
const MAX_ASKED: usize = 1 << 16;

/// What a judgement is made by.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    /// Whom we believe.
    pub trust: &'a Trust,
    /// What must hold.
    pub policy: &'a Policy,
    /// The register, read to its end: what stands against artifacts, keys and attestations.
    pub followed: &'a Followed,
    /// The time.
    pub now: Timestamp,
}

/// Why a question could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// The clock is before what the register has already seen.
    #[error(
        "clock is behind: it is {now}, but the register's last entry was made at {last}; set the clock"
    )]
    ClockBehind {
        /// The caller's time.
        now: Timestamp,
        /// Time of the register's last entry.
        last: Timestamp,
    },
    /// The register does not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// More than is read.
    #[error("there are too many attestations of {artifact} to judge it by all of them")]
    TooMany {
        /// The artifact.
        artifact: ArtifactId,
    },
    /// The key is not one that may sign promotions.
    #[error("the trust file names no verifier with the key {key}; add one under `verifiers`")]
    NoVerifier {
        /// The key.
        key: KeyId,
    },
    /// The document asks for more owners, or for other keys, to promote to the stage.
    #[error("the trust document does not let the key {key} alone promote to stage `{stage}`")]
    NotAlone {
        /// The key.
        key: KeyId,
        /// The stage.
        stage: StageName,
    },
    /// The summary cannot be made.
    #[error("the summary cannot be made")]
    Summary(#[from] StatementError),
    /// The key does not sign.
    #[error("the summary cannot be signed")]
    Sign(#[from] KeyError),
    /// The register does not take the summary.
    #[error("the summary cannot be registered")]
    Submit(#[from] SubmitError),
}

impl From<StorageError> for JudgeError {
    fn from(error: StorageError) -> Self {
        Self::Read(error.into())
    }
}

/// Traces what made an artifact, or what was made from it.
///
/// # Errors
/// [`JudgeError`].
pub async fn lineage<S: Storage>(
    register: &Register<S>,
    artifact: ArtifactId,
    direction: Direction,
    trust: &Trust,
    negatives: &Negatives,
    now: Timestamp,
) -> Result<Lineage, JudgeError> {
    require_clock(register, now).await?;
    let known: BTreeSet<String> = trust.keys().iter().map(|key| key.id().to_string()).collect();
    let mut trace = Trace::new(artifact, direction, trust, negatives, now);
    for _ in 0..MAX_ASKED {
        let Some(wanted) = trace.wanted().first().copied() else { break };
        let terms: &[fn(ArtifactId) -> Term] = match direction {
            Direction::Up => &[Term::Subject],
            Direction::Down => &[Term::Subject, Term::Material],
        };
        for term in terms {
            let found = bundles(register, &term(wanted), &known).await?;
            let (bundles, complete_to) = found.ok_or(JudgeError::TooMany { artifact: wanted })?;
            trace.supply(wanted, bundles, Some(&complete_to));
        }
    }
    Ok(trace.finish())
}

/// Decides whether an artifact may be used in a stage.
///
/// # Errors
/// [`JudgeError`].
pub async fn check<S: Storage>(
    register: &Register<S>,
    artifact: &ArtifactId,
    stage: &StageName,
    grounds: &Grounds<'_>,
) -> Result<Decision, JudgeError> {
    Ok(examine(register, artifact, stage, grounds).await?.decision)
}

/// A decision with the lineage that it is about.
pub(crate) struct Examined {
    pub(crate) decision: Decision,
    pub(crate) lineage: Lineage,
}

/// What [`check`] does, for whoever needs the lineage as well.
pub(crate) async fn examine<S: Storage>(
    register: &Register<S>,
    artifact: &ArtifactId,
    stage: &StageName,
    grounds: &Grounds<'_>,
) -> Result<Examined, JudgeError> {
    let Grounds { trust, policy, followed, now } = *grounds;
    let up = Direction::Up;
    let lineage = lineage(register, *artifact, up, trust, &followed.negatives, now).await?;
    let decision = policy.evaluate(artifact, stage, &lineage, now);
    Ok(Examined { decision, lineage })
}

/// Who signs promotions: a key, and the verifier that the trust file knows it as.
#[derive(Debug)]
pub struct Gate {
    key: SigningKey,
}

impl Gate {
    /// The gate with `key`.
    ///
    /// # Errors
    /// [`JudgeError::NoVerifier`] when nobody who trusts `trust` would believe its summaries, and
    /// no later version of the document could say otherwise.
    pub fn new(key: SigningKey, trust: &Trust) -> Result<Self, JudgeError> {
        let gate = Self { key };
        match gate.verifier(trust) {
            Err(error) if trust.governance().is_none() => Err(error),
            _ => Ok(gate),
        }
    }

    /// What the summaries call the verifier for whoever trusts `trust`.
    ///
    /// # Errors
    /// [`JudgeError::NoVerifier`].
    pub fn verifier<'t>(&self, trust: &'t Trust) -> Result<&'t str, JudgeError> {
        let id = self.key.public().id();
        let verifier = trust.verifiers().iter().find(|verifier| verifier.key() == Some(id));
        Ok(verifier.ok_or(JudgeError::NoVerifier { key: id })?.id())
    }
}

impl Gate {
    /// Refuses to sign what would count for nobody.
    fn require_alone(&self, trust: &Trust, stage: &StageName) -> Result<(), JudgeError> {
        let key = self.key.public().id();
        let alone = BTreeSet::from([key]);
        let may = trust.governance().is_none_or(|one| one.is_gate_quorum(&alone, Some(stage)));
        if may { Ok(()) } else { Err(JudgeError::NotAlone { key, stage: stage.clone() }) }
    }
}

impl Gate {
    async fn register<S: Storage>(
        &self,
        register: &Register<S>,
        statement: &Statement,
        now: Timestamp,
    ) -> Result<Option<Receipt>, JudgeError> {
        let envelope = Envelope::sign(IN_TOTO, statement.to_json()?, &[&self.key])?;
        let verifiers = [self.key.public().clone()];
        let receipts = register.submit(&envelope, &verifiers, now).await?;
        Ok(receipts.into_iter().next())
    }
}

/// What becomes of a promotion that is denied.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IfDenied {
    /// Nothing is signed.
    #[default]
    SignNothing,
    /// A summary that says FAILED is signed and registered.
    RegisterFailure,
}

/// How a promotion is written down.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SummaryFormat {
    /// As a SLSA verification summary, which is what gates read.
    #[default]
    Vsa,
    /// As that, and beside it as an in-toto simple verification result for others.
    Svr,
}

impl SummaryFormat {
    /// Whether it is the one that is written unless somebody says otherwise.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl FromStr for SummaryFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "vsa" => Ok(Self::Vsa),
            "svr" => Ok(Self::Svr),
            _ => Err("known are `vsa` and `svr`".into()),
        }
    }
}

/// What came of a promotion.
#[derive(Clone, Debug)]
pub struct Promotion {
    /// The decision.
    pub decision: Decision,
    /// Where its summary stands; nothing was signed without it.
    pub registered: Option<Receipt>,
    /// Where its simple result stands, if one was asked for and it passed.
    pub simple: Option<Receipt>,
}

/// Checks an artifact, and signs and registers the summary of it.
///
/// # Errors
/// [`JudgeError`]. Nothing was registered then, unless it says that the register did not take the
/// summary: promote again to know.
pub async fn promote<S: Storage>(
    register: &Register<S>,
    artifact: &ArtifactId,
    stage: &StageName,
    grounds: &Grounds<'_>,
    gate: &Gate,
    if_denied: IfDenied,
) -> Result<Promotion, JudgeError> {
    promote_as(register, artifact, stage, grounds, gate, if_denied, SummaryFormat::Vsa).await
}

/// Does what [`promote`] does, and writes it down as `format` says.
///
/// # Errors
/// As [`promote`]; the summary may be registered where the simple result is not.
pub async fn promote_as<S: Storage>(
    register: &Register<S>,
    artifact: &ArtifactId,
    stage: &StageName,
    grounds: &Grounds<'_>,
    gate: &Gate,
    if_denied: IfDenied,
    format: SummaryFormat,
) -> Result<Promotion, JudgeError> {
    let verifier = gate.verifier(grounds.trust)?;
    gate.require_alone(grounds.trust, stage)?;
    let Examined { decision, lineage } = examine(register, artifact, stage, grounds).await?;
    if !decision.passed() && if_denied == IfDenied::SignNothing {
        return Ok(Promotion { decision, registered: None, simple: None });
    }
    let name = match own_name(&lineage) {
        "" => artifact.to_string(),
        name => name.to_owned(),
    };
    let now = grounds.now;
    let statement = summary::statement(&decision, verifier, &name, now)?;
    let registered = gate.register(register, &statement, now).await?;
    let simple = match format {
        SummaryFormat::Svr if decision.passed() => {
            let result = summary::simple(&decision, verifier, &name, now)?;
            gate.register(register, &result, now).await?
        }
        SummaryFormat::Svr | SummaryFormat::Vsa => None,
    };
    Ok(Promotion { decision, registered, simple })
}

/// Every attestation that a term finds and that can count, with some that cannot, and what the
/// answer is complete to; `None` when there are more than are read.
async fn bundles<S: Storage>(
    register: &Register<S>,
    term: &Term,
    known: &BTreeSet<String>,
) -> Result<Option<(Vec<Bundle>, Checkpoint)>, JudgeError> {
    let mut all = Vec::new();
    let mut strangers = 0;
    let mut start = 0;
    for _ in 0..MAX_PAGES {
        let Bundles { bundles, next, complete_to } =
            register.bundles_with(term.clone(), start).await?;
        for bundle in bundles {
            // The register itself says by which key the entry's signature is: nobody else can
            // have made it, and only trusted keys are believed.
            if !bundle.hint.as_ref().is_some_and(|key| known.contains(key)) {
                strangers += 1;
                if strangers > MAX_STRANGERS {
                    continue;
                }
            }
            all.push(bundle);
        }
        match next {
            None => return Ok(Some((all, complete_to))),
            Some(next) => start = next,
        }
    }
    Ok(None)
}

async fn require_clock<S: Storage>(
    register: &Register<S>,
    now: Timestamp,
) -> Result<(), JudgeError> {
    match register.storage().head().await? {
        Some(head) if is_behind(now, head.time) => {
            Err(JudgeError::ClockBehind { now, last: head.time })
        }
        _ => Ok(()),
    }
}
