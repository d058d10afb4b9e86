//! Signers with a certificate under an authority of the trust file: corporate chains, workload
//! identities.
//!
//! Whoever signed is an authority and a name that it certified, together; the key may change with
//! every certificate. A certificate is judged at the time of signing, and only a clock that the
//! trust file gives the authority knows it: a timestamp authority (RFC 3161), the witnesses of a
//! log that holds the signature, or, where the trust file says so, `now`. Without a proven time the
//! certificate proves nothing: an expired one would count for ever, for whoever has its key.

mod chain;
mod clock;
mod name;
mod revocation;

use attest::certificate::CertifiedKey;
use attest::{KeyId, Timestamp};

pub use chain::{ChainError, MAX_ROOTS, Usage};
pub use clock::{ClockError, TimestampAuthority};
pub use name::{NameError, NameKind, NameRule};
pub use revocation::{MAX_REVOCATION_LISTS, RevocationError, RevocationList, RevocationListError};

pub(crate) use chain::{Leaf, begins, check, weakness};
pub(crate) use clock::time;

use crate::error::{VerifyError, is_ahead};
use crate::sigstore::{Clock, ProvenTime};
use crate::trust::{CertifiedSigner, Grant, Trust, TrustedAuthority, Window};
use crate::verified::Signer;

/// How many timestamps of a signature are looked at.
pub(crate) const MAX_TIMESTAMPS: usize = 16;

/// A signer whom an authority certified, verified.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Certified {
    /// The name of the authority in the trust file.
    pub authority: String,
    /// What kind of name it certified.
    pub kind: NameKind,
    /// The name, as the certificate has it.
    pub name: String,
    /// The key in the certificate: revoking it voids what it signed, like revoking the signer.
    pub key: KeyId,
    /// When the certificate holds, if it was judged by `now` and not by a proven time.
    pub(crate) window: Option<Window>,
}

/// What came with a certificate.
pub(crate) struct Presented<'a> {
    /// The signer's certificate first.
    pub(crate) chain: &'a [Vec<u8>],
    /// The signature that the certificate's key is said to have made.
    pub(crate) signature: &'a [u8],
    /// Timestamps of that signature, in DER.
    pub(crate) timestamps: &'a [Vec<u8>],
    /// By when the witnesses of a log had seen that signature in it, made with this certificate.
    pub(crate) witnessed: &'a dyn Fn(&str) -> Option<Timestamp>,
}

/// Who signed, if the signature is by this key.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) signer: Signer,
    pub(crate) key: CertifiedKey,
    pub(crate) times: Vec<ProvenTime>,
}

/// Who signed what came with a certificate, by the first of the signer's grants that `holds` takes.
/// Whether the key made the signature is for the caller to check, before anything is believed.
///
/// `None` when no authority of the trust file knows who issued the certificate.
///
/// # Errors
/// [`VerifyError::Authority`] when the authority that knows it does not vouch for it, and that the
/// trust file names nobody like it, or people with different owners.
pub(crate) fn certified(
    presented: &Presented<'_>,
    trust: &Trust,
    now: Timestamp,
    holds: impl Fn(&Grant) -> bool,
) -> Result<Option<Found>, VerifyError> {
    let mut failed = None;
    let mut stranger = None;
    for authority in trust.authorities() {
        let refused = |source| VerifyError::Authority { name: authority.name().into(), source };
        match vouched(presented, authority, trust, now) {
            Ok((leaf, times, by_now)) => match signer(&leaf, authority, trust, by_now, &holds) {
                Ok(signer) => return Ok(Some(Found { signer, key: leaf.key, times })),
                Err(error) => failed = Some(or_passing(failed, error)),
            },
            Err(AuthorityError::Chain(ChainError::NoPath(_))) => {}
            Err(error @ AuthorityError::Chain(ChainError::AuthorityAsSigner)) => {
                stranger = stranger.or(Some(refused(error)));
            }
            Err(error) => failed = Some(or_passing(failed, refused(error))),
        }
    }
    failed.or(stranger).map_or(Ok(None), Err)
}

/// Of two refusals the one that time alone will take away, else the one before.
pub(crate) fn or_passing(before: Option<VerifyError>, error: VerifyError) -> VerifyError {
    match before {
        Some(before) => before.or_passing(error),
        None => error,
    }
}

/// Whoever has this certificate, by an authority whose clocks only tell the time when somebody asks:
/// that it held when it began to. Of no use to show that it held when something was signed.
pub(crate) fn untimed(
    chain: &[Vec<u8>],
    trust: &Trust,
    holds: impl Fn(&Grant) -> bool,
) -> Option<Found> {
    let first = chain.first()?;
    let by_asking = |authority: &&TrustedAuthority| {
        let log = |clock: &String| trust.clock(clock).is_some_and(|clock| clock.log().is_some());
        authority.is_judged_now() || authority.clocks().iter().any(log)
    };
    let from = begins(first)?;
    trust.authorities().iter().filter(by_asking).find_map(|authority| {
        let (roots, between) = (authority.roots(), authority.intermediates());
        // Whoever was taken back says nothing any more, and is still looked for: that is the safe side.
        let leaf = check(chain, roots, between, &[], authority.usage(), from).ok()?;
        let signer = signer(&leaf, authority, trust, true, &holds).ok()?;
        Some(Found { signer, key: leaf.key, times: Vec::new() })
    })
}

/// Why an authority of the trust file does not vouch for a signature.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The certificates do not hold.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// No clock of the authority says when it was signed.
    #[error(
        "no clock proves when it was signed, so that nobody knows whether the certificate held \
         then; the trust file gives this authority the clocks {}",
        listed(clocks)
    )]
    NoTime {
        /// The clocks that the trust file gives the authority.
        clocks: Vec<String>,
    },
    /// The proven time of signing is later than now.
    #[error("signed at {time}, which is later than now by more than five minutes")]
    Future {
        /// The proven time.
        time: Timestamp,
    },
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The certificate, if the authority vouches for it at every time that its clocks prove; with those
/// times, and whether it was judged by `now` for want of any.
fn vouched(
    presented: &Presented<'_>,
    authority: &TrustedAuthority,
    trust: &Trust,
    now: Timestamp,
) -> Result<(Leaf, Vec<ProvenTime>, bool), AuthorityError> {
    let at = |time| {
        let (roots, between) = (authority.roots(), authority.intermediates());
        let lists = authority.revocation_lists();
        check(presented.chain, roots, between, lists, authority.usage(), time)
    };
    let times = times(presented, authority, trust);
    if let Some(future) = times.iter().map(|proven| proven.time).find(|time| is_ahead(*time, now)) {
        return Err(AuthorityError::Future { time: future });
    }
    let mut leaf = None;
    for proven in &times {
        leaf = Some(at(proven.time)?);
    }
    match leaf {
        Some(leaf) => Ok((leaf, times, false)),
        None if authority.is_judged_now() => Ok((at(now)?, times, true)),
        None => {
            // Whoever issued it comes first: a stranger's certificate needs no clock.
            if let Err(error @ (ChainError::NoPath(_) | ChainError::AuthorityAsSigner)) = at(now) {
                return Err(error.into());
            }
            Err(AuthorityError::NoTime { clocks: authority.clocks().to_vec() })
        }
    }
}

/// The times that the authority's clocks prove: those of all timestamps, else the earliest by which
/// witnesses had seen the signature. Later witnesses do not contradict it: each only says that the
/// signature was there by then.
fn times(
    presented: &Presented<'_>,
    authority: &TrustedAuthority,
    trust: &Trust,
) -> Vec<ProvenTime> {
    let mut found = Vec::new();
    let tokens = presented.timestamps.iter().take(MAX_TIMESTAMPS);
    for token in tokens {
        let time = |clock: &String| {
            let time = trust.clock_time(clock, token, presented.signature)?;
            Some(ProvenTime { time, by: Clock::Authority { root: clock.clone() } })
        };
        found.extend(authority.clocks().iter().find_map(time));
    }
    if found.is_empty() {
        let witnessed = |origin: &String| {
            trust.clock(origin)?.log()?;
            let time = (presented.witnessed)(origin)?;
            Some(ProvenTime { time, by: Clock::Witnesses { origin: origin.clone() } })
        };
        found.extend(authority.clocks().iter().filter_map(witnessed).min());
    }
    found.sort();
    found.dedup();
    found
}

/// The signer of the trust file whom the certificate names.
fn signer(
    leaf: &Leaf,
    authority: &TrustedAuthority,
    trust: &Trust,
    by_now: bool,
    holds: &impl Fn(&Grant) -> bool,
) -> Result<Signer, VerifyError> {
    let window = by_now.then_some(leaf.window);
    let mut signers: Vec<(Signer, &CertifiedSigner)> = Vec::new();
    let mut outside = None;
    let named = leaf.names.iter().filter_map(|name| Some((name.kind?, &name.text)));
    for (kind, name) in named {
        let certified = Certified {
            authority: authority.name().into(),
            kind,
            name: name.clone(),
            key: leaf.key.id(),
            window,
        };
        for entry in trust.certified(&certified) {
            if holds(entry.grant()) {
                signers.push((Signer::certified(entry, leaf.anchor, certified.clone()), entry));
            } else {
                outside = outside.or(Some(entry.grant()));
            }
        }
    }
    if let Some((one, other)) = differing(&signers) {
        return Err(VerifyError::SeveralOwners { one, other });
    }
    match (signers.into_iter().next(), outside) {
        (Some((signer, _)), _) => Ok(signer),
        (None, Some(grant)) => {
            let window = grant.window();
            let name = grant.name().into();
            Err(VerifyError::OutsideValidity { name, from: window.from, until: window.until })
        }
        (None, None) => Err(VerifyError::NoTrustedCertificate {
            names: leaf.names.iter().map(|name| name.text.clone()).collect(),
            authority: authority.name().into(),
        }),
    }
}

/// Two entries that disagree on who answers for one signer or where it is kept, or that match two
/// names of the certificate: it is one signer.
fn differing(signers: &[(Signer, &CertifiedSigner)]) -> Option<(String, String)> {
    let ((first, _), rest) = signers.split_first()?;
    let same = |other: &Signer| {
        (&other.owner, other.custody, other.key) == (&first.owner, first.custody, first.key)
    };
    let other = rest.iter().find(|(other, _)| !same(other))?;
    Some((first.name.clone(), other.0.name.clone()))
}
