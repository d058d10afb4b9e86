//! The graph of artifacts joined by believed attestations, and everything that did not make it
//! in.
//!
//! A lineage is data for policy to judge: what is believed, what was rejected and why, what was
//! left unexplored, what is revoked, and how complete the answer is. Only [`crate::Trace`]
//! makes one. The same evidence gives the same lineage, in whatever order it was supplied, as
//! long as no budget is reached.
//!
//! What is in it is a [`History`]; that the history is believed is said by the type around it. A
//! history that a tool has changed is a [`crate::Supposed`], and never a lineage.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use attest::{ArtifactId, KeyId, Predicate, Sha256, Statement, StepName};

use crate::error::VerifyError;
use crate::governing::Activations;
use crate::negatives::Revocation;
use crate::trust::{OutOfScope, Scopes, TrustStanding, Window};
use crate::verified::{Signer, Verified};

/// Which way a lineage runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// What made the artifact: from a subject to the materials of the statement.
    Up,
    /// What was made from it: from a material to the subjects of the statement.
    Down,
}

/// The believed history of one artifact.
#[derive(Clone, Debug, PartialEq)]
pub struct Lineage(pub(crate) History);

/// The history of one artifact, as a [`Lineage`] believes it or a [`crate::Supposed`] supposes it.
/// By itself it says nothing about which of the two.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    pub(crate) root: ArtifactId,
    pub(crate) direction: Direction,
    pub(crate) artifacts: BTreeSet<ArtifactId>,
    pub(crate) attestations: Vec<Attestation>,
    pub(crate) lapsed: Vec<Attestation>,
    pub(crate) contains: Vec<Contains>,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) unexplored: Vec<Unexplored>,
    pub(crate) revoked: BTreeMap<ArtifactId, Revoked>,
    pub(crate) completeness: Completeness,
    pub(crate) holds: Window,
    pub(crate) trust: Sha256,
    pub(crate) standing: TrustStanding,
    pub(crate) scopes: Scopes,
    pub(crate) activations: Activations,
    pub(crate) supposed: bool,
    by_subject: BTreeMap<ArtifactId, Vec<usize>>,
    by_material: BTreeMap<ArtifactId, Vec<usize>>,
    lapsed_by_subject: BTreeMap<ArtifactId, Vec<usize>>,
    by_body: BTreeMap<Sha256, usize>,
    contains_by_part: BTreeMap<ArtifactId, Vec<usize>>,
}

/// A believed statement, as far as its signers may speak.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Attestation {
    /// The statement and the evidence for it. Its signers include those out of scope; judge by
    /// [`Attestation::signers`].
    pub verified: Verified<Statement>,
    /// The signers whose scope covers the statement and whose keys were good where the entry
    /// stands; at least one, in the order of their identities.
    pub signers: Vec<Signer>,
    /// What the statement is about, in its order.
    pub subjects: Vec<Named>,
    /// What it says went in, in its order.
    pub materials: Vec<Named>,
    /// Materials without a digest that identifies them, by name: they can match nothing, and a
    /// rule about what did *not* go in cannot be decided while there are any.
    pub unidentified: Vec<String>,
    /// The lowest position, in the one log that orders, of a signature by one of `signers`.
    /// This is the order of events; times inside statements are claims.
    pub index: Option<u64>,
    /// The step that it says it is.
    pub step: Option<StepName>,
    /// The predicate type, whole.
    pub predicate_type: String,
    /// For a verification summary or a simple result: the verifier id that it names, if one of
    /// `signers` is the trusted key of that verifier. One without it is nobody's verdict.
    pub verifier: Option<String>,
    /// [`Rejection::RevokedKey`] of a signer who might have said it, where it counts by the others:
    /// the latest of several. What wanted that signature as well has it no longer.
    pub voided: Option<Rejection>,
}

/// An artifact under the name that a statement gives it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Named {
    /// The artifact.
    pub artifact: ArtifactId,
    /// Its name; empty when the statement gives none.
    pub name: String,
    /// What it was to the step, for materials that say so.
    pub role: Option<String>,
}

/// That one artifact is inside another, proven by a manifest whose digest is the whole's.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Contains {
    /// The tree, image manifest or image index.
    pub whole: ArtifactId,
    /// What is in it.
    pub part: ArtifactId,
    /// Its path in a tree; for images, what it is there (`config`, `layer`, `manifest`).
    pub name: String,
}

/// An attestation that does not count, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rejected {
    /// What it is about: its first subject. The artifact for which it was supplied when nobody
    /// whom we trust signed it, the least of them when it came for several.
    pub artifact: ArtifactId,
    /// Its body.
    pub body: Sha256,
    /// Its proven position, if it got that far.
    pub index: Option<u64>,
    /// What it was about, if a trusted key signed it.
    pub predicate_type: Option<String>,
    /// Which step it was, if a trusted key signed it.
    pub step: Option<StepName>,
    /// Why it does not count.
    pub why: Rejection,
}

/// Why an attestation does not count.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// It is not authentic.
    #[error(transparent)]
    NotBelieved(#[from] VerifyError),
    /// Its signers are trusted, and not for this.
    #[error("out of scope: {}", list(.0))]
    OutOfScope(
        /// Each signer's name with what the signer may not sign.
        Vec<(String, OutOfScope)>,
    ),
    /// It does not speak of the artifact for which it was supplied.
    #[error("does not speak of the artifact for which it was supplied")]
    Unrelated,
    /// It and another statement give one artifact different digests by one algorithm, or
    /// different artifacts the same digest.
    #[error("contradicts {with} about the {algorithm} digest of {artifact}")]
    Conflict {
        /// The artifact.
        artifact: ArtifactId,
        /// The algorithm.
        algorithm: String,
        /// The first statement that says otherwise.
        with: Sha256,
    },
    /// An authorised revoker revoked it.
    #[error("revoked by entry {index}")]
    Revoked {
        /// Position of the revocation.
        index: u64,
        /// Body of the revocation.
        by: Sha256,
    },
    /// The key of this signer was revoked before the entry, or the entry is not logged.
    #[error(
        "the key of `{name}` was revoked by entry {index}, and nothing shows this signature to be older{}",
        if *from < *index { format!(" than entry {from}, from which on it is void") } else { String::new() }
    )]
    RevokedKey {
        /// The signer's name.
        name: String,
        /// The key.
        key: KeyId,
        /// Position of the revocation.
        index: u64,
        /// From which entry on the key is void.
        from: u64,
        /// Body of the revocation.
        by: Sha256,
    },
    /// It says that it was made by a builder that an authorised revoker revoked.
    #[error("its builder `{builder}` was revoked by entry {index}")]
    RevokedBuilder {
        /// The builder's id.
        builder: String,
        /// Position of the revocation.
        index: u64,
        /// Body of the revocation.
        by: Sha256,
    },
    /// It is proven under another root than the one followed at the same size: the log showed
    /// two histories.
    #[error("`{origin}` signed two different trees of {size} entries")]
    Fork {
        /// The log.
        origin: String,
        /// The size of both trees.
        size: u64,
    },
}

/// A part of the history that was not looked at.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Unexplored {
    /// Whose history.
    pub artifact: ArtifactId,
    /// Why not.
    pub why: WhyUnexplored,
}

/// Why a part of the history was not looked at.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[non_exhaustive]
pub enum WhyUnexplored {
    /// Nobody supplied its bundles.
    #[error("its bundles were not supplied")]
    NotSupplied,
    /// A bound was reached.
    #[error("{left} {what} left over, the limit being {limit}")]
    Budget {
        /// What there was too much of.
        what: &'static str,
        /// How many were not looked at.
        left: usize,
        /// The limit.
        limit: usize,
    },
    /// The followed log holds a statement about it that the answer left out.
    #[error("entry {index} speaks of it and was not supplied")]
    Withheld {
        /// Position of the entry.
        index: u64,
        /// Its body.
        body: Sha256,
    },
}

/// That an artifact is revoked, and by which way the revocation reaches it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Revoked {
    /// The revocation.
    pub by: Revocation,
    /// Through which neighbour it comes; absent for an artifact that the revocation names.
    pub through: Option<ArtifactId>,
}

/// How much of the log stands behind the answer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Completeness {
    /// Every leaf up to a signed checkpoint was followed, so nothing negative is missing.
    Followed {
        /// The log.
        origin: String,
        /// Up to which size.
        size: u64,
        /// The root at that size.
        root: Sha256,
    },
    /// The source says that its answers are complete up to a size; nobody checked.
    Claimed {
        /// The log.
        origin: String,
        /// Up to which size, the smallest of all answers.
        size: u64,
    },
    /// Nobody says anything.
    None,
}

impl Deref for Lineage {
    type Target = History;

    fn deref(&self) -> &History {
        &self.0
    }
}

impl History {
    pub(crate) fn empty(root: ArtifactId, direction: Direction, trust: Sha256) -> Self {
        Self {
            root,
            direction,
            artifacts: BTreeSet::from([root]),
            attestations: Vec::new(),
            lapsed: Vec::new(),
            contains: Vec::new(),
            rejected: Vec::new(),
            unexplored: Vec::new(),
            revoked: BTreeMap::new(),
            completeness: Completeness::None,
            holds: Window::default(),
            trust,
            standing: TrustStanding::default(),
            scopes: Scopes::default(),
            activations: Activations::default(),
            supposed: false,
            by_subject: BTreeMap::new(),
            by_material: BTreeMap::new(),
            lapsed_by_subject: BTreeMap::new(),
            by_body: BTreeMap::new(),
            contains_by_part: BTreeMap::new(),
        }
    }

    /// Builds the indexes, once the attestations are final.
    pub(crate) fn index(mut self) -> Self {
        self.by_subject.clear();
        self.by_material.clear();
        self.lapsed_by_subject.clear();
        self.by_body.clear();
        self.contains_by_part.clear();
        for (place, edge) in self.contains.iter().enumerate() {
            self.contains_by_part.entry(edge.part).or_default().push(place);
        }
        for (place, attestation) in self.lapsed.iter().enumerate() {
            enter(&mut self.lapsed_by_subject, &attestation.subjects, place);
        }
        for (place, attestation) in self.attestations.iter().enumerate() {
            self.by_body.entry(attestation.body()).or_insert(place);
            enter(&mut self.by_subject, &attestation.subjects, place);
            enter(&mut self.by_material, &attestation.materials, place);
        }
        self
    }

    /// The artifact whose history this is.
    pub const fn root(&self) -> ArtifactId {
        self.root
    }

    /// Which way it runs.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Every artifact whose bundles were asked for.
    pub const fn artifacts(&self) -> &BTreeSet<ArtifactId> {
        &self.artifacts
    }

    /// Everything believed, by position (unlogged last), then by body.
    pub fn attestations(&self) -> &[Attestation] {
        &self.attestations
    }

    /// The attestations with `artifact` as a subject, in the order of [`Self::attestations`].
    pub fn about(&self, artifact: &ArtifactId) -> impl Iterator<Item = &Attestation> {
        indexed(&self.attestations, &self.by_subject, artifact)
    }

    /// The attestations with `artifact` as a material, in the order of [`Self::attestations`].
    pub fn using(&self, artifact: &ArtifactId) -> impl Iterator<Item = &Attestation> {
        indexed(&self.attestations, &self.by_material, artifact)
    }

    /// The attestation with this body.
    pub fn attestation(&self, body: &Sha256) -> Option<&Attestation> {
        self.by_body.get(body).and_then(|place| self.attestations.get(*place))
    }

    /// Statements that counted until the time ran out for which their signers are trusted, by
    /// position. What they say stands against an artifact until a statement that counts supersedes
    /// it, and for nothing: a verdict must not become better by time alone.
    pub fn lapsed(&self) -> &[Attestation] {
        &self.lapsed
    }

    /// Those of [`Self::lapsed`] with `artifact` as a subject, in its order.
    pub fn lapsed_about(&self, artifact: &ArtifactId) -> impl Iterator<Item = &Attestation> {
        indexed(&self.lapsed, &self.lapsed_by_subject, artifact)
    }

    /// Every proven `contains`, by whole, part and name.
    pub fn contains(&self) -> &[Contains] {
        &self.contains
    }

    /// What is proven to be in `whole`.
    pub fn parts_of(&self, whole: &ArtifactId) -> &[Contains] {
        let start = self.contains.partition_point(|edge| edge.whole < *whole);
        let end = self.contains.partition_point(|edge| edge.whole <= *whole);
        self.contains.get(start..end).unwrap_or_default()
    }

    /// What `part` is proven to be in.
    pub fn wholes_of(&self, part: &ArtifactId) -> impl Iterator<Item = &Contains> {
        let places = self.contains_by_part.get(part).into_iter().flatten();
        places.filter_map(|place| self.contains.get(*place))
    }

    /// What does not count, and why, by body.
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// What was not looked at.
    pub fn unexplored(&self) -> &[Unexplored] {
        &self.unexplored
    }

    /// Why `artifact` is revoked, if it is.
    pub fn revoked(&self, artifact: &ArtifactId) -> Option<&Revoked> {
        self.revoked.get(artifact)
    }

    /// The way that a revocation took: from `artifact` to the one that the revocation names, both
    /// included; empty when `artifact` is not revoked.
    pub fn revoked_through(&self, artifact: &ArtifactId) -> Vec<ArtifactId> {
        let mut way = Vec::new();
        let mut next = Some(*artifact).filter(|artifact| self.revoked.contains_key(artifact));
        // No way visits an artifact twice.
        while let Some(artifact) = next.filter(|_| way.len() < self.revoked.len()) {
            way.push(artifact);
            next = self.revoked.get(&artifact).and_then(|revoked| revoked.through);
        }
        way
    }

    /// Every artifact of this lineage that is revoked.
    pub const fn all_revoked(&self) -> &BTreeMap<ArtifactId, Revoked> {
        &self.revoked
    }

    /// How much of the log stands behind this.
    pub const fn completeness(&self) -> &Completeness {
        &self.completeness
    }

    /// The stretch around `now` in which no signer's validity changes by time alone.
    pub const fn holds(&self) -> Window {
        self.holds
    }

    /// What a decision must know of the trust document itself.
    pub const fn trust_standing(&self) -> TrustStanding {
        self.standing
    }

    /// Who may sign what by the trust document, for whoever says what is missing.
    pub const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Which policies judged where, as the followed log says.
    pub const fn activations(&self) -> &Activations {
        &self.activations
    }

    /// Whether it rests on something that nobody said, and that is only supposed. Then nothing may
    /// be decided by it.
    pub const fn is_supposed(&self) -> bool {
        self.supposed
    }

    /// The digest of the trust file by which it was believed.
    pub const fn trust(&self) -> Sha256 {
        self.trust
    }
}

impl Attestation {
    /// What `verified` says, as far as `signers` may say it.
    pub(crate) fn of(
        verified: Verified<Statement>,
        signers: Vec<Signer>,
        index: Option<u64>,
        verifier: Option<String>,
        voided: Option<Rejection>,
    ) -> Self {
        let statement = verified.content();
        let subjects = statement.subject.iter().filter_map(|subject| {
            let artifact = subject.artifact().ok()?;
            let name = subject.name.clone().unwrap_or_default();
            Some(Named { artifact, name, role: None })
        });
        let subjects = subjects.collect();
        let (mut materials, mut unidentified) = (Vec::new(), Vec::new());
        for material in statement.materials() {
            match material.artifact() {
                Ok(artifact) => {
                    let name = material.name.clone().or_else(|| material.uri.clone());
                    let role = material.role().map(str::to_owned);
                    let name = name.unwrap_or_default();
                    materials.push(Named { artifact, name, role });
                }
                Err(_) => unidentified.push(material.label().to_owned()),
            }
        }
        Self {
            signers,
            subjects,
            materials,
            unidentified,
            index,
            step: statement.step(),
            predicate_type: statement.predicate_type().into(),
            verifier,
            voided,
            verified,
        }
    }

    /// The statement.
    pub const fn statement(&self) -> &Statement {
        self.verified.content()
    }

    /// The body: what findings name as evidence.
    pub const fn body(&self) -> Sha256 {
        self.verified.body()
    }

    /// Whether the subjects were made from the materials. An evaluation uses its data set and
    /// makes no model of it, so that revoking the set does not revoke the model.
    pub const fn makes(&self) -> bool {
        let predicate = &self.statement().predicate;
        matches!(
            predicate,
            Predicate::Provenance(_) | Predicate::EarlierProvenance(_) | Predicate::Link(_)
        )
    }

    /// The owners who stand behind it, each once.
    pub fn owners(&self) -> BTreeSet<&str> {
        self.signers.iter().map(|signer| signer.owner.as_str()).collect()
    }

    /// Whether it has `artifact` as a subject.
    pub fn is_about(&self, artifact: &ArtifactId) -> bool {
        self.subjects.iter().any(|subject| subject.artifact == *artifact)
    }
}

fn indexed<'a>(
    all: &'a [Attestation],
    index: &'a BTreeMap<ArtifactId, Vec<usize>>,
    artifact: &ArtifactId,
) -> impl Iterator<Item = &'a Attestation> + use<'a> {
    index.get(artifact).into_iter().flatten().filter_map(|place| all.get(*place))
}

fn enter(index: &mut BTreeMap<ArtifactId, Vec<usize>>, named: &[Named], place: usize) {
    for named in named {
        let places = index.entry(named.artifact).or_default();
        if places.last() != Some(&place) {
            places.push(place);
        }
    }
}

fn list(signers: &[(String, OutOfScope)]) -> String {
    let each: Vec<String> =
        signers.iter().map(|(name, why)| format!("`{name}` may not sign {why}")).collect();
    each.join("; ")
}
