//! Authorities that certify signers, the clocks by which their certificates are judged, and whom
//! they certify.
//!
//! An authority is its root certificates, whole, in the trust file: the digest of the trust file
//! covers them. A signer is an authority and a rule over one kind of name; what is absent matches
//! no rule. What such a signer may sign is said as for a key.

use std::fmt;

use attest::{Sha256, Timestamp};

use super::{Custody, Grant, Trust, TrustedLog, TrustedRoot, Window};
use crate::authority::{Certified, NameRule, RevocationList, TimestampAuthority, Usage};

/// The word that stands among clocks for the time at which is judged.
pub(crate) const NOW: &str = "now";

/// An authority whose certificates count.
#[derive(Clone, Debug)]
pub struct TrustedAuthority {
    pub(super) name: String,
    pub(super) roots_pem: String,
    pub(super) roots: Vec<Vec<u8>>,
    pub(super) intermediates_pem: Option<String>,
    pub(super) intermediates: Vec<Vec<u8>>,
    pub(super) lists_pem: Option<String>,
    pub(super) lists: Vec<RevocationList>,
    pub(super) usage: Usage,
    pub(super) clocks: Vec<String>,
}

/// A timestamp authority that proves times.
#[derive(Clone, Debug)]
pub struct TrustedClock {
    pub(super) name: String,
    pub(super) authority: TimestampAuthority,
    pub(super) window: Window,
}

/// A signer whom an authority certifies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertifiedSigner {
    pub(super) authority: String,
    pub(super) rule: NameRule,
    pub(super) owner: String,
    pub(super) custody: Custody,
    pub(super) grant: Grant,
}

/// What proves a time to an authority.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClockKind<'t> {
    Clock(&'t TrustedClock),
    Root(&'t TrustedRoot),
    Log(&'t TrustedLog),
}

impl Trust {
    /// Every trusted authority of certificates, in the order of the file.
    pub fn authorities(&self) -> &[TrustedAuthority] {
        &self.authorities
    }

    /// The authority with this name.
    pub fn authority(&self, name: &str) -> Option<&TrustedAuthority> {
        self.authorities.iter().find(|authority| authority.name == name)
    }

    /// Every timestamp authority that has a name of its own, in the order of the file.
    pub fn clocks(&self) -> &[TrustedClock] {
        &self.clocks
    }

    /// Every signer whom an authority certifies, in the order of the file.
    pub fn certified_signers(&self) -> &[CertifiedSigner] {
        &self.certified
    }

    /// The entries that a verified certificate matches, in the order of the file.
    pub fn certified(&self, certified: &Certified) -> impl Iterator<Item = &CertifiedSigner> {
        self.certified.iter().filter(move |signer| signer.is(certified))
    }

    /// What proves a time under this name: a clock, else the timestamp authorities of a Sigstore
    /// instance, else the witnesses of a log.
    pub(crate) fn clock(&self, name: &str) -> Option<ClockKind<'_>> {
        let clock = self.clocks.iter().find(|clock| clock.name == name).map(ClockKind::Clock);
        let root = || self.root(name).map(ClockKind::Root);
        let log = || {
            let witnessed = |log: &&TrustedLog| log.witnesses().quorum() > 0;
            self.log(name).filter(witnessed).map(ClockKind::Log)
        };
        clock.or_else(root).or_else(log)
    }

    /// The time in `token` if the clock with this name made it for `signature`.
    pub(crate) fn clock_time(
        &self,
        name: &str,
        token: &[u8],
        signature: &[u8],
    ) -> Option<Timestamp> {
        match self.clock(name)? {
            ClockKind::Clock(clock) => clock.authority.time(token, signature, clock.window),
            ClockKind::Root(root) => root.root().time(token, signature),
            ClockKind::Log(_) => None,
        }
    }
}

impl<'t> ClockKind<'t> {
    /// The log, if its witnesses are the clock.
    pub(crate) const fn log(self) -> Option<&'t TrustedLog> {
        match self {
            Self::Log(log) => Some(log),
            Self::Clock(_) | Self::Root(_) => None,
        }
    }
}

impl TrustedAuthority {
    /// Its name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its certificates in DER, each believed by itself.
    pub fn roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    /// Certificates between these and its signers that need not come with a signature, in DER.
    pub fn intermediates(&self) -> &[Vec<u8>] {
        &self.intermediates
    }

    /// Which of its certificates were taken back, and of those between; where there is no list,
    /// nobody asks.
    pub fn revocation_lists(&self) -> &[RevocationList] {
        &self.lists
    }

    /// What its certificates must be for.
    pub const fn usage(&self) -> Usage {
        self.usage
    }

    /// What may prove when something was signed: clocks, Sigstore instances and witnessed logs by
    /// their names, and `now`.
    pub fn clocks(&self) -> &[String] {
        &self.clocks
    }

    /// Whether its certificates are judged by the time at which is judged, where no clock proves
    /// another: then whoever signed stops counting when the certificate runs out.
    pub fn is_judged_now(&self) -> bool {
        self.clocks.iter().any(|clock| clock == NOW)
    }
}

impl TrustedClock {
    /// Its name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 digest of its certificate in DER.
    pub fn certificate(&self) -> Sha256 {
        Sha256::of(self.authority.certificate())
    }

    /// The times that it is believed to tell.
    pub const fn window(&self) -> Window {
        self.window
    }
}

impl CertifiedSigner {
    /// The authority that must have certified it.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What it must be called.
    pub const fn rule(&self) -> &NameRule {
        &self.rule
    }

    /// Whoever answers for it. Thresholds and "not the same as" count owners.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Whether the steps it signs for can read the certificate's key.
    pub const fn custody(&self) -> Custody {
        self.custody
    }

    /// Its name, what it may sign and when.
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Whether a verified certificate is this signer's.
    pub fn is(&self, certified: &Certified) -> bool {
        self.authority == certified.authority
            && self.rule.kind == certified.kind
            && self.rule.matches(&certified.name)
    }
}

impl fmt::Display for Certified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` by {}", self.name, self.authority)
    }
}
