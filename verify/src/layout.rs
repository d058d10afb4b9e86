//! Which links of a layout are authentic, and by whom.
//!
//! Source: in-toto specification v1.0, section 5.2, steps 1, 4 and 5. A layout counts when each of
//! its owners signed it; a link counts for a key of the layout when it lies under that key's file
//! name and bears its signature; a sublayout counts as a link does, with that key as its owner.
//! Authentic is not authorised: who may do which step, how many must have, and what must hold of
//! the artifacts is policy's to judge (`policy::layout`). Files are handed in as bytes.

mod believed;
mod folder;
mod key;

use attest::Sha256;
use attest::in_toto::{
    Content, KeyLabel, Layout, LayoutKey, Link, Metadata, file_name, folder_name,
};

pub use believed::name_of;
pub use folder::{FolderError, LinkFolder, MAX_LINK_BYTES, MAX_LINK_FILES};
use key::Checker;

/// How deep layouts may stand in the place of links.
pub const MAX_SUBLAYOUTS: usize = 8;
/// How many signatures are checked for one layout with all that is below it.
pub const MAX_LINK_CHECKS: usize = 20_000;

/// A layout that its owners signed, with the links that are authentic. Only [`verify_layout`]
/// makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedLayout {
    layout: Layout,
    body: Sha256,
    owners: Vec<Functionary>,
    links: Vec<SignedLink>,
    refused: Vec<RefusedLink>,
}

/// A key that signed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[non_exhaustive]
pub struct Functionary {
    /// What the layout calls the key.
    pub label: KeyLabel,
    /// Who it is: the digest of its SubjectPublicKeyInfo. Two labels can name one key.
    pub identity: Sha256,
}

/// A document in the place of a step's link, signed by a key of the layout.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedLink {
    step: String,
    file: String,
    functionary: Functionary,
    body: Sha256,
    evidence: Evidence,
}

/// What stands in the place of a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Evidence {
    /// A link.
    Link(Link),
    /// A layout with links of its own.
    Layout(Box<SignedLayout>),
}

/// A file in the place of a link that is no evidence.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RefusedLink {
    /// The step.
    pub step: String,
    /// The file.
    pub file: String,
    /// The key of the layout whose file name it has.
    pub label: KeyLabel,
    /// Why not.
    pub why: LinkRefusal,
}

/// Why a file is no evidence for a step.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkRefusal {
    /// Neither a link nor a layout.
    #[error("{0}")]
    Malformed(String),
    /// No signature in it is by the key.
    #[error("no signature in it is by key `{0}`")]
    NotSigned(KeyLabel),
    /// Nothing is checked with such a key.
    #[error("key `{label}` cannot be checked with: {why}")]
    Key {
        /// What the layout calls the key.
        label: KeyLabel,
        /// Why not.
        why: String,
    },
}

/// Why a layout is not believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// It is a link.
    #[error("this is a link, not a layout")]
    NotALayout,
    /// Nobody said who owns the layout.
    #[error("no key to check the layout with")]
    NoOwner,
    /// One of the owners did not sign.
    #[error("the layout has no signature by key `{0}`")]
    NotSigned(KeyLabel),
    /// Nothing is checked with the key of an owner.
    #[error("key `{label}` cannot be checked with: {why}")]
    Key {
        /// The key's id.
        label: KeyLabel,
        /// Why not.
        why: String,
    },
    /// Layouts stand in the place of links too often below each other.
    #[error("layouts nested deeper than {MAX_SUBLAYOUTS} levels")]
    TooDeep,
    /// Too many signatures to check.
    #[error("more than {MAX_LINK_CHECKS} signatures to check")]
    TooManyChecks,
}

/// Checks that every one of `owners` signed the layout, and finds the links in `folder` that keys
/// of the layout signed.
///
/// # Errors
/// [`LayoutError`] when the layout is not believed. A link that is not is data in the answer.
pub fn verify_layout(
    metadata: &Metadata,
    owners: &[LayoutKey],
    folder: &LinkFolder,
) -> Result<SignedLayout, LayoutError> {
    if owners.is_empty() {
        return Err(LayoutError::NoOwner);
    }
    Budget { checks: MAX_LINK_CHECKS }.layout(metadata, owners, folder, 0)
}

/// How many signatures may still be checked.
struct Budget {
    checks: usize,
}

impl Budget {
    /// Recursion ends at [`MAX_SUBLAYOUTS`].
    fn layout(
        &mut self,
        metadata: &Metadata,
        owners: &[LayoutKey],
        folder: &LinkFolder,
        depth: usize,
    ) -> Result<SignedLayout, LayoutError> {
        let Content::Layout(layout) = metadata.content() else {
            return Err(LayoutError::NotALayout);
        };
        if depth > MAX_SUBLAYOUTS {
            return Err(LayoutError::TooDeep);
        }
        let owners = owners
            .iter()
            .map(|owner| match self.check(metadata, owner)? {
                Ok(functionary) => Ok(functionary),
                Err(LinkRefusal::Key { label, why }) => Err(LayoutError::Key { label, why }),
                Err(_) => Err(LayoutError::NotSigned(owner.label().clone())),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut found = SignedLayout {
            layout: layout.clone(),
            body: metadata.body(),
            owners,
            links: Vec::new(),
            refused: Vec::new(),
        };
        for step in &layout.steps {
            for key in layout.keys.values() {
                let file = file_name(&step.name, key.label());
                let Some(bytes) = folder.file(&file) else { continue };
                let refused = |why| RefusedLink {
                    step: step.name.clone(),
                    file: file.clone(),
                    label: key.label().clone(),
                    why,
                };
                match self.link(bytes, &step.name, key, folder, depth)? {
                    Ok((functionary, body, evidence)) => found.links.push(SignedLink {
                        step: step.name.clone(),
                        file,
                        functionary,
                        body,
                        evidence,
                    }),
                    Err(why) => found.refused.push(refused(why)),
                }
            }
        }
        Ok(found)
    }

    fn link(
        &mut self,
        bytes: &[u8],
        step: &str,
        key: &LayoutKey,
        folder: &LinkFolder,
        depth: usize,
    ) -> Result<Result<(Functionary, Sha256, Evidence), LinkRefusal>, LayoutError> {
        let metadata = match Metadata::parse(bytes) {
            Ok(metadata) => metadata,
            Err(error) => return Ok(Err(LinkRefusal::Malformed(error.to_string()))),
        };
        let functionary = match self.check(&metadata, key)? {
            Ok(functionary) => functionary,
            Err(why) => return Ok(Err(why)),
        };
        let evidence = match metadata.content() {
            Content::Link(link) => Evidence::Link(link.clone()),
            Content::Layout(_) => {
                let nothing = LinkFolder::default();
                let below = folder.folder(&folder_name(step, key.label())).unwrap_or(&nothing);
                let owner = std::slice::from_ref(key);
                Evidence::Layout(Box::new(self.layout(&metadata, owner, below, depth + 1)?))
            }
        };
        Ok(Ok((functionary, metadata.body(), evidence)))
    }

    /// Whether `key` signed. A signature that says it is another's is not tried.
    fn check(
        &mut self,
        metadata: &Metadata,
        key: &LayoutKey,
    ) -> Result<Result<Functionary, LinkRefusal>, LayoutError> {
        let label = key.label().clone();
        let (checker, identity) = match (Checker::of(key), key.identity()) {
            (Ok(checker), Some(identity)) => (checker, identity),
            (Err(why), _) => return Ok(Err(LinkRefusal::Key { label, why })),
            (Ok(_), None) => return Ok(Err(LinkRefusal::NotSigned(label))),
        };
        for signature in metadata.signatures() {
            if signature.label.as_ref().is_some_and(|claimed| *claimed != label) {
                continue;
            }
            self.checks = self.checks.checked_sub(1).ok_or(LayoutError::TooManyChecks)?;
            if checker.signed(metadata.message(), &signature.bytes) {
                return Ok(Ok(Functionary { label, identity }));
            }
        }
        Ok(Err(LinkRefusal::NotSigned(label)))
    }
}

impl SignedLayout {
    /// What must hold.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The name of the document: the digest of what its signatures are over.
    pub const fn body(&self) -> Sha256 {
        self.body
    }

    /// The owners who signed, in the order in which they were asked for.
    pub fn owners(&self) -> &[Functionary] {
        &self.owners
    }

    /// The links that are authentic, by whoever: also those of a key that may not do the step.
    pub fn links(&self) -> &[SignedLink] {
        &self.links
    }

    /// The files in the place of links that are no evidence.
    pub fn refused(&self) -> &[RefusedLink] {
        &self.refused
    }
}

impl SignedLink {
    /// The step in whose place it lies. A link has a name of its own beside it.
    pub fn step(&self) -> &str {
        &self.step
    }

    /// The file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Who signed.
    pub const fn functionary(&self) -> &Functionary {
        &self.functionary
    }

    /// The name of the document: the digest of what its signatures are over.
    pub const fn body(&self) -> Sha256 {
        self.body
    }

    /// What was signed.
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}
