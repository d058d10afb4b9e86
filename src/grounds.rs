//! What a question is asked of that no door decides: an artifact's lineage, the policy and whom to
//! believe, now or as it will be.
//!
//! A register is read to its end, also that of a service: what `assay check` is answered by there is
//! what this follows from. One that is too large for that is an error, not a denial. It is held
//! against what was seen of it once, at the time it is; a later time is only supposed, and leaves no
//! mark.

use std::path::PathBuf;
use std::sync::Arc;

use attest::{ArtifactId, Bundle, StageName, Timestamp};
use policy::Policy;
use verify::{Direction, Lineage, Trust};

use crate::context::Context;
use crate::error::Error;
use crate::gather;
use crate::target::Target;

/// What was asked for on the command line.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The artifact.
    pub artifact: &'a Target,
    /// The stage.
    #[cfg_attr(not(feature = "server"), allow(dead_code, reason = "a register says whose it is"))]
    pub stage: &'a StageName,
    /// The policy, if one was named.
    pub policy: Option<&'a PathBuf>,
    /// The trust file, if one was named.
    pub trust: Option<&'a PathBuf>,
    /// Bundles to go by instead of a register.
    pub bundles: &'a [PathBuf],
}

/// All that an answer follows from, but for the time.
pub struct Grounds {
    /// The artifact.
    pub artifact: ArtifactId,
    /// The policy.
    pub policy: Arc<Policy>,
    /// Whom to believe.
    pub trust: Arc<Trust>,
    evidence: Evidence,
}

#[allow(clippy::large_enum_variant, reason = "there is one of it")]
enum Evidence {
    Bundles(Vec<Bundle>),
    #[cfg(feature = "server")]
    Register {
        source: crate::source::Source,
        followed: verify::Followed,
    },
}

impl Grounds {
    /// Finds them.
    pub fn of(asked: Asked<'_>, cx: &Context<'_>) -> Result<Self, Error> {
        if asked.bundles.is_empty() {
            #[cfg(feature = "server")]
            return Self::of_register(asked, cx);
            #[cfg(not(feature = "server"))]
            return Err(Error::NoBundles);
        }
        #[cfg(feature = "server")]
        crate::source::require_clock(cx)?;
        let trust = Arc::new(cx.believed(asked.trust.map(PathBuf::as_path))?);
        let policy = Arc::new(crate::command::check::policy(asked.policy, cx)?);
        let artifact = asked.artifact.resolve(cx.printer, |_| Ok(Vec::new()))?;
        let evidence = Evidence::Bundles(gather::read_bundles(asked.bundles)?);
        Ok(Self { artifact, policy, trust, evidence })
    }

    #[cfg(feature = "server")]
    fn of_register(asked: Asked<'_>, cx: &Context<'_>) -> Result<Self, Error> {
        let source = crate::source::Source::open(cx)?;
        let artifact = asked.artifact.resolve(cx.printer, |found| source.known(found))?;
        let begun = cx.trust(asked.trust.map(PathBuf::as_path))?;
        let policy = crate::rules::beforehand(asked.policy, &begun, cx)?;
        let followed = source.follow_to_judge(&begun, cx)?;
        let governing = &followed.governing;
        // A trust file that is brought along is an opinion, and leaves no mark.
        if asked.trust.is_none() {
            crate::governed::remember(&followed.origin, governing.trust(), cx)?;
        }
        let trust = match &source {
            crate::source::Source::Folder(_) => Arc::clone(governing.trust()),
            // As the service itself answers, which answers others.
            crate::source::Source::Service(_) => {
                Arc::new(Trust::clone(governing.trust()).for_others())
            }
        };
        let policy = crate::rules::for_stage(policy, asked.stage, governing, cx)?;
        Ok(Self { artifact, policy, trust, evidence: Evidence::Register { source, followed } })
    }

    /// The lineage as it is, or will be, believed at `at`.
    pub fn lineage(&self, at: Timestamp) -> Result<Lineage, Error> {
        let (artifact, up) = (self.artifact, Direction::Up);
        match &self.evidence {
            Evidence::Bundles(bundles) => {
                Ok(gather::from_bundles(artifact, up, bundles, &self.trust, at))
            }
            #[cfg(feature = "server")]
            Evidence::Register { source, followed } => {
                let negatives = &followed.negatives;
                match source {
                    crate::source::Source::Folder(folder) => {
                        let traced = server::judge::lineage(
                            folder.register(),
                            artifact,
                            up,
                            &self.trust,
                            negatives,
                            at,
                        );
                        folder.wait(traced).map_err(Error::judge)
                    }
                    crate::source::Source::Service(_) => {
                        gather::traced(artifact, up, source, &self.trust, negatives, at)
                    }
                }
            }
        }
    }
}
