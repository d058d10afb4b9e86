//! A lineage as data to be drawn: rows in drawing order, each with its depth.
//!
//! The command and the service hand out the same rows. They are flat, because a tree of JSON
//! objects as deep as a lineage would be refused by any reader that bounds nesting. A lineage is
//! a graph: an artifact that stands in several places is drawn in full once, and marked
//! `repeated` elsewhere. Depth and number of rows are bounded, and the answer says when it was
//! cut.

use std::collections::BTreeSet;

use attest::{ArtifactId, Sha256, StepName};
use serde::{Deserialize, Serialize};
use verify::{Attestation, Completeness, Direction, Lineage, Named};

/// How many artifacts deep a lineage is drawn.
pub const MAX_DEPTH: usize = 64;

/// How many rows are drawn.
pub const MAX_ROWS: usize = 10_000;

/// The version of the answer.
pub const VERSION: &str = "assay/lineage/v1";

/// What made an artifact, or what was made from it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Family {
    version: String,
    /// Whose family.
    pub artifact: ArtifactId,
    /// Which way it runs.
    pub direction: Way,
    /// How much of the log stands behind the answer.
    pub completeness: Known,
    /// Artifacts and statements in drawing order; the first is the artifact itself.
    pub rows: Vec<Row>,
    /// Whether there is more than [`MAX_ROWS`] or [`MAX_DEPTH`] let through.
    pub cut: bool,
    /// What does not count, and why.
    pub rejected: Vec<Rejected>,
    /// What was not looked at, and why.
    pub unexplored: Vec<Unexplored>,
}

/// Which way a family is drawn.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Way {
    /// What made the artifact.
    Up,
    /// What was made from it.
    Down,
}

impl From<Way> for Direction {
    fn from(way: Way) -> Self {
        match way {
            Way::Up => Self::Up,
            Way::Down => Self::Down,
        }
    }
}

/// How much of the log stands behind an answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Known {
    /// Every leaf was followed.
    Followed {
        /// The log.
        origin: String,
        /// Up to which size.
        size: u64,
        /// The root at that size.
        root: Sha256,
    },
    /// The source says so.
    Claimed {
        /// The log.
        origin: String,
        /// Up to which size.
        size: u64,
    },
    /// Nobody says anything.
    None,
}

/// One line of the drawing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Row {
    /// How far to indent.
    pub depth: usize,
    /// What stands there.
    #[serde(flatten)]
    pub item: Item,
}

/// What stands on a line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Item {
    /// An artifact.
    Artifact {
        /// Which.
        artifact: ArtifactId,
        /// What the statement above calls it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// What it is to the line above.
        relation: Relation,
        /// What it was to the step, for a material that says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String>,
        /// Position of the revocation that reaches it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revoked_by: Option<u64>,
        /// Whether its own lines stand elsewhere.
        repeated: bool,
    },
    /// A believed statement.
    Statement {
        /// Its body.
        body: Sha256,
        /// Its position in the register.
        index: Option<u64>,
        /// The step that it says it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepName>,
        /// Its predicate type.
        predicate_type: String,
        /// Names of the signers in scope.
        signers: Vec<String>,
    },
}

/// What an artifact is to the line above it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Relation {
    /// The artifact that was asked about.
    Root,
    /// It went into the step.
    Material,
    /// The statement is about it.
    Subject,
    /// It is proven to be inside.
    Part,
    /// It is proven to hold it.
    Whole,
}

/// An attestation that does not count.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// For which artifact it was found.
    pub artifact: ArtifactId,
    /// Its body.
    pub body: Sha256,
    /// Its position, if proven.
    pub index: Option<u64>,
    /// Why it does not count.
    pub why: String,
}

/// A part of the history that was not looked at.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unexplored {
    /// Whose history.
    pub artifact: ArtifactId,
    /// Why not.
    pub why: String,
}

impl Family {
    /// Lays out a lineage for drawing.
    pub fn of(lineage: &Lineage) -> Self {
        let (rows, cut) = rows(lineage);
        let rejected = lineage.rejected().iter().map(|rejected| Rejected {
            artifact: rejected.artifact,
            body: rejected.body,
            index: rejected.index,
            why: rejected.why.to_string(),
        });
        let unexplored = lineage.unexplored().iter().map(|unexplored| Unexplored {
            artifact: unexplored.artifact,
            why: unexplored.why.to_string(),
        });
        Self {
            version: VERSION.into(),
            artifact: lineage.root(),
            direction: match lineage.direction() {
                Direction::Up => Way::Up,
                Direction::Down => Way::Down,
            },
            completeness: Known::from(lineage.completeness()),
            rows,
            cut: cut
                || lineage.rejected().len() > MAX_ROWS
                || lineage.unexplored().len() > MAX_ROWS,
            rejected: rejected.take(MAX_ROWS).collect(),
            unexplored: unexplored.take(MAX_ROWS).collect(),
        }
    }
}

impl From<&Completeness> for Known {
    fn from(completeness: &Completeness) -> Self {
        match completeness {
            Completeness::Followed { origin, size, root } => {
                Self::Followed { origin: origin.clone(), size: *size, root: *root }
            }
            Completeness::Claimed { origin, size } => {
                Self::Claimed { origin: origin.clone(), size: *size }
            }
            // A kind that is not known here claims nothing.
            _ => Self::None,
        }
    }
}

/// What is still to be drawn: last in, first drawn.
enum Pending<'l> {
    Artifact { artifact: ArtifactId, named: Option<&'l Named>, name: &'l str, relation: Relation },
    Statement(&'l Attestation),
}

fn rows(lineage: &Lineage) -> (Vec<Row>, bool) {
    let mut rows = Vec::new();
    let mut cut = false;
    let mut drawn = BTreeSet::new();
    let root = Pending::Artifact {
        artifact: lineage.root(),
        named: None,
        name: own_name(lineage),
        relation: Relation::Root,
    };
    let mut pending = vec![(0, root)];
    while let Some((depth, item)) = pending.pop() {
        // A row of an artifact and one of a statement take turns: two rows for each step.
        if rows.len() >= MAX_ROWS || depth > 2 * MAX_DEPTH {
            cut = true;
            continue;
        }
        let below = depth + 1;
        let before = pending.len();
        let item = match item {
            Pending::Artifact { artifact, named, name, relation } => {
                let repeated = !drawn.insert(artifact);
                if !repeated {
                    pending.extend(under_artifact(lineage, &artifact).map(|item| (below, item)));
                }
                Item::Artifact {
                    artifact,
                    name: name.to_owned(),
                    relation,
                    role: named.and_then(|named| named.role.clone()),
                    revoked_by: lineage.revoked(&artifact).map(|revoked| revoked.by.index),
                    repeated,
                }
            }
            Pending::Statement(attestation) => {
                pending.extend(
                    under_statement(lineage.direction(), attestation).map(|item| (below, item)),
                );
                Item::Statement {
                    body: attestation.body(),
                    index: attestation.index,
                    step: attestation.step.clone(),
                    predicate_type: attestation.predicate_type.clone(),
                    signers: attestation.signers.iter().map(|signer| signer.name.clone()).collect(),
                }
            }
        };
        // What was put down last is drawn first: turn it, so that it is drawn in its own order.
        if let Some(new) = pending.get_mut(before..) {
            new.reverse();
        }
        rows.push(Row { depth, item });
    }
    (rows, cut)
}

/// The name that the first statement about the root gives it; empty when none does.
pub(crate) fn own_name(lineage: &Lineage) -> &str {
    let root = lineage.root();
    let subjects = lineage.about(&root).flat_map(|attestation| &attestation.subjects);
    let mut names =
        subjects.filter(|subject| subject.artifact == root).map(|subject| subject.name.as_str());
    names.find(|name| !name.is_empty()).unwrap_or_default()
}

fn under_artifact<'l>(
    lineage: &'l Lineage,
    artifact: &ArtifactId,
) -> impl Iterator<Item = Pending<'l>> {
    let part = |edge: &'l verify::Contains, artifact, relation| Pending::Artifact {
        artifact,
        named: None,
        name: edge.name.as_str(),
        relation,
    };
    let (statements, artifacts): (Vec<_>, Vec<_>) = match lineage.direction() {
        Direction::Up => (
            lineage.about(artifact).collect(),
            lineage
                .parts_of(artifact)
                .iter()
                .map(|edge| part(edge, edge.part, Relation::Part))
                .collect(),
        ),
        Direction::Down => (
            lineage.using(artifact).collect(),
            lineage
                .wholes_of(artifact)
                .map(|edge| part(edge, edge.whole, Relation::Whole))
                .collect(),
        ),
    };
    statements.into_iter().map(Pending::Statement).chain(artifacts)
}

fn under_statement(
    direction: Direction,
    attestation: &Attestation,
) -> impl Iterator<Item = Pending<'_>> {
    let (named, relation) = match direction {
        Direction::Up => (&attestation.materials, Relation::Material),
        Direction::Down => (&attestation.subjects, Relation::Subject),
    };
    named.iter().map(move |named| Pending::Artifact {
        artifact: named.artifact,
        named: Some(named),
        name: named.name.as_str(),
        relation,
    })
}
