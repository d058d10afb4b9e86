//! What a question is asked of that no door decides: an artifact's lineage, the policy and whom to
//! believe, now or as it will be.
//!
//! A register in the folder is read to its end, as for `assay check`. A service hands out its
//! statements, and nobody here knows what it leaves out; the lineage says so.

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
        followed: Option<verify::Followed>,
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
        use crate::command::policy::read;
        use crate::source::Source;

        let source = Source::open(cx)?;
        let artifact = asked.artifact.resolve(cx.printer, |found| source.known(found))?;
        let begun = cx.trust(asked.trust.map(PathBuf::as_path))?;
        if let Source::Folder(_) = &source {
            let policy = crate::rules::beforehand(asked.policy, &begun, cx)?;
            let followed = source.follow_to_judge(&begun, cx)?;
            let trust = Arc::clone(followed.governing.trust());
            let policy = crate::rules::for_stage(policy, asked.stage, &followed.governing, cx)?;
            let evidence = Evidence::Register { source, followed: Some(followed) };
            return Ok(Self { artifact, policy, trust, evidence });
        }
        let (trust, policies) = crate::rules::known(begun, cx)?;
        let policy = match asked.policy {
            Some(path) => Arc::new(read(path)?),
            None => {
                let mut known = policies.into_iter();
                let found = known.find(|(stage, _)| stage == asked.stage);
                found.ok_or_else(|| Error::NoPolicy("policy.yaml".into()))?.1
            }
        };
        let evidence = Evidence::Register { source, followed: None };
        Ok(Self { artifact, policy, trust, evidence })
    }

    /// The lineage as it is, or will be, believed at `at`.
    pub fn lineage(&self, at: Timestamp, cx: &Context<'_>) -> Result<Lineage, Error> {
        #[cfg(not(feature = "server"))]
        let _ = cx;
        let (artifact, up) = (self.artifact, Direction::Up);
        match &self.evidence {
            Evidence::Bundles(bundles) => {
                Ok(gather::from_bundles(artifact, up, bundles, &self.trust, at))
            }
            #[cfg(feature = "server")]
            Evidence::Register { source, followed } => {
                use crate::source::Source;

                match (source, followed) {
                    (Source::Folder(folder), Some(followed)) => {
                        let traced = server::judge::lineage(
                            folder.register(),
                            artifact,
                            up,
                            &self.trust,
                            &followed.negatives,
                            at,
                        );
                        folder.wait(traced).map_err(Error::judge)
                    }
                    _ => {
                        let later = Context { now: at, global: cx.global, printer: cx.printer };
                        gather::from_source(artifact, up, source, &self.trust, &later)
                    }
                }
            }
        }
    }
}
