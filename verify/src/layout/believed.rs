//! Believed statements in the place of links: what a policy has instead of a folder.
//!
//! A statement is a link of a step when it names the step and one of its signers has a key of the
//! layout: provenance that names its step, or an in-toto link (attestation framework, "Link",
//! version 0.3). Its subjects are the products, its materials the materials. That the signature
//! is authentic and the key trusted was found when it was believed.

use std::collections::BTreeMap;

use attest::in_toto::{Artifacts, Link, file_name};
use attest::{ArtifactId, Kind, Predicate};

use super::{Evidence, Functionary, SignedLayout, SignedLink};
use crate::lineage::{Attestation, Named};
use crate::verified::Signer;

impl SignedLayout {
    /// The same layout with the links that are among `believed`, under signatures that `counts`
    /// admits. Of several by one key for one step the last counts, by their places in the register.
    ///
    /// The layouts in the place of links stay, each with its links from the same statements: for a
    /// step that a key does by such a layout, no statement under that key is a link.
    #[must_use]
    pub fn among<'a>(
        &self,
        believed: impl IntoIterator<Item = &'a Attestation>,
        counts: impl Fn(&Attestation, &Signer) -> bool,
    ) -> Self {
        self.among_all(&believed.into_iter().collect::<Vec<_>>(), &counts)
    }

    /// Recursion ends with the sublayouts, which [`super::verify_layout`] bounds.
    fn among_all(
        &self,
        believed: &[&Attestation],
        counts: &dyn Fn(&Attestation, &Signer) -> bool,
    ) -> Self {
        let below = |link: &SignedLink| match &link.evidence {
            Evidence::Link(_) => None,
            Evidence::Layout(layout) => {
                let layout = Box::new(layout.among_all(believed, counts));
                Some(SignedLink { evidence: Evidence::Layout(layout), ..link.clone() })
            }
        };
        let mut links: Vec<SignedLink> = self.links.iter().filter_map(below).collect();
        let mut last: BTreeMap<(&str, &Functionary), &Attestation> = BTreeMap::new();
        let keys: Vec<Functionary> = self.keys().collect();
        for one in believed.iter().copied() {
            let Some(step) = name_of(one) else { continue };
            let Some(step) = self.layout.steps.iter().find(|known| known.name == step) else {
                continue;
            };
            let by_layout = |key: &Functionary| {
                let same = |link: &SignedLink| link.functionary.identity == key.identity;
                links.iter().any(|link| link.step == step.name && same(link))
            };
            let own = keys.iter().filter(|key| !by_layout(key));
            for key in own.filter(|key| has_signed(one, key, counts)) {
                let known = last.entry((&step.name, key)).or_insert(one);
                if (known.index, known.body()) < (one.index, one.body()) {
                    *known = one;
                }
            }
        }
        let by_statement = last.into_iter().filter_map(|((step, functionary), one)| {
            Some(SignedLink {
                step: step.to_owned(),
                file: file_name(step, &functionary.label),
                functionary: functionary.clone(),
                body: one.body(),
                evidence: Evidence::Link(link_of(one)?),
            })
        });
        links.extend(by_statement.collect::<Vec<_>>());
        Self { links, refused: Vec::new(), ..self.clone() }
    }

    /// The keys of the layout with which something can be checked.
    fn keys(&self) -> impl Iterator<Item = Functionary> {
        self.layout.keys.values().filter_map(|key| {
            let identity = key.identity()?;
            Some(Functionary { label: key.label().clone(), identity })
        })
    }
}

/// Whether the key itself has signed: whoever has a certificate has another key each time.
fn has_signed(
    one: &Attestation,
    key: &Functionary,
    counts: impl Fn(&Attestation, &Signer) -> bool,
) -> bool {
    let is_key = |signer: &&Signer| {
        signer.keyless.is_none()
            && signer.certified.is_none()
            && signer.key.digest() == key.identity
    };
    one.signers.iter().filter(is_key).any(|signer| counts(one, signer))
}

/// The step of a layout that a believed statement could be a link of, if any.
pub fn name_of(one: &Attestation) -> Option<&str> {
    match &one.statement().predicate {
        Predicate::Link(link) => Some(&link.name),
        Predicate::Provenance(_) => one.step.as_ref().map(|step| step.as_str()),
        _ => None,
    }
}

/// The link that a believed statement is. `None` where a digest is missing, or a name stands for
/// two artifacts: rules go by names and digests.
fn link_of(one: &Attestation) -> Option<Link> {
    if !one.unidentified.is_empty() {
        return None;
    }
    let command = match &one.statement().predicate {
        Predicate::Link(link) => link.command.clone(),
        _ => Vec::new(),
    };
    Some(Link {
        name: name_of(one)?.to_owned(),
        command,
        materials: artifacts(&one.materials)?,
        products: artifacts(&one.subjects)?,
        ..Link::default()
    })
}

fn artifacts(named: &[Named]) -> Option<Artifacts> {
    let mut artifacts = Artifacts::new();
    for Named { artifact, name, .. } in named {
        let path = if name.is_empty() { artifact.to_string() } else { name.clone() };
        let digests = digests(artifact);
        match artifacts.get(&path) {
            Some(known) if *known != digests => return None,
            _ => drop(artifacts.insert(path, digests)),
        }
    }
    Some(artifacts)
}

/// The digests by which rules compare: those of other kinds than files are never those of a file.
fn digests(artifact: &ArtifactId) -> BTreeMap<String, String> {
    let mut digests = BTreeMap::new();
    match artifact.digest() {
        Some(digest) => {
            digests.insert("sha256".to_owned(), digest.hex());
            if let Some(kind) = artifact.kind().filter(|kind| *kind != Kind::File) {
                digests.insert("digestMethod".to_owned(), kind.as_str().to_owned());
            }
        }
        None => drop(digests.insert("gitCommit".to_owned(), artifact.to_string())),
    }
    digests
}
