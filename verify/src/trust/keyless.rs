//! Signers without a key of their own: whom a Sigstore instance vouches for.
//!
//! An instance is named by its trusted root, whole, in the trust file: the digest of the trust
//! file covers it. A signer is an issuer, a subject and claims, each a pattern over what the
//! certificate says once it is verified; every pattern has to match, and what is absent matches
//! none. What such a signer may sign is said as for a key.

use std::collections::BTreeMap;

use attest::Timestamp;

use super::{Custody, Grant, Trust};
use crate::sigstore::{Claim, Keyless, Pattern, SigstoreRoot};

/// A Sigstore instance whose certificates, logs and clocks count.
#[derive(Clone, Debug)]
pub struct TrustedRoot {
    pub(super) name: String,
    pub(super) root: SigstoreRoot,
    pub(super) demands: Demands,
}

/// What a keyless bundle must bring with it under a root. What is not said is demanded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Demands {
    /// An entry in a log of signatures.
    pub log: Demand,
    /// A stamp in the certificate by a log of certificates. It can only be waived for a root that
    /// names no such log.
    pub certificate_log: Demand,
    /// A proof that the entry is in the log. Where it is waived, the log's signed promise is enough
    /// in a bundle of version 0.1, which is all that its early signers wrote.
    pub inclusion_proof: Demand,
}

/// Whether evidence must be there. What is there must be right in either case.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Demand {
    /// It must.
    #[default]
    Required,
    /// It need not.
    Waived,
}

/// A signer whom an instance vouches for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustedSigner {
    pub(super) root: String,
    pub(super) whom: Whom,
    pub(super) owner: String,
    pub(super) custody: Custody,
    pub(super) grant: Grant,
}

/// Which certificates are a signer's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Whom {
    /// The OpenID Connect issuer.
    pub issuer: Pattern,
    /// The subject: an address or a URI.
    pub subject: Pattern,
    /// Claims that must be there and match.
    pub claims: BTreeMap<Claim, Pattern>,
}

impl Trust {
    /// Every trusted Sigstore instance, in the order of the file.
    pub fn roots(&self) -> &[TrustedRoot] {
        &self.roots
    }

    /// The instance with this name.
    pub fn root(&self, name: &str) -> Option<&TrustedRoot> {
        self.roots.iter().find(|root| root.name == name)
    }

    /// Every keyless signer, in the order of the file.
    pub fn signers(&self) -> &[TrustedSigner] {
        &self.signers
    }

    /// The entries that a verified certificate matches, in the order of the file.
    pub fn matching(&self, keyless: &Keyless) -> impl Iterator<Item = &TrustedSigner> {
        self.signers.iter().filter(move |signer| signer.is(keyless))
    }
}

impl TrustedRoot {
    /// Its name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The trusted root.
    pub const fn root(&self) -> &SigstoreRoot {
        &self.root
    }

    /// What a bundle must bring with it.
    pub const fn demands(&self) -> Demands {
        self.demands
    }
}

impl TrustedSigner {
    /// The instance that must vouch.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Which certificates are this signer's.
    pub const fn whom(&self) -> &Whom {
        &self.whom
    }

    /// Whoever answers for it. Thresholds and "not the same as" count owners.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Whether the steps it signs for can ask for the certificate.
    pub const fn custody(&self) -> Custody {
        self.custody
    }

    /// Its name, what it may sign and when.
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Whether a verified certificate is this signer's.
    pub fn is(&self, keyless: &Keyless) -> bool {
        self.root == keyless.root && self.whom.is(keyless)
    }

    /// Whether its grant is valid at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.grant.is_valid(now)
    }
}

impl Whom {
    fn is(&self, keyless: &Keyless) -> bool {
        let claimed = |(claim, pattern): (&Claim, &Pattern)| {
            keyless.claims.get(claim).is_some_and(|value| pattern.matches(value))
        };
        self.issuer.matches(&keyless.issuer)
            && self.subject.matches(&keyless.subject)
            && self.claims.iter().all(claimed)
    }
}
