//! The names of findings: what programs match on, and what never changes its meaning.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// The stable name of a kind of finding.
        #[derive(
            Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
        )]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$name),+];

            /// The name in reports.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

codes! {
    /// No statement of a required step.
    StepMissing = "step.missing",
    /// A statement of a required step, by nobody who may make it.
    StepSigner = "step.signer",
    /// Fewer owners signed than the step needs.
    StepThreshold = "step.threshold",
    /// Signed by whoever signed a step that must be somebody else's.
    StepSameSigner = "step.same-signer",
    /// A statement of a required step is of another kind.
    StepKind = "step.kind",
    /// The last result of a required step is not that it passed.
    StepFailed = "step.failed",
    /// Nothing flows where something must.
    FlowMissing = "flow.missing",
    /// Not everything flows where everything must, or the chain does not reach the artifact.
    FlowBroken = "flow.broken",
    /// Something flows where it must not, or nobody can tell that it does not.
    FlowForbidden = "flow.forbidden",
    /// A name selects nothing.
    FlowUnmatched = "flow.unmatched",
    /// The evaluation that counts does not have the number.
    MetricMissing = "metric.missing",
    /// A number is beyond its threshold.
    MetricThreshold = "metric.threshold",
    /// A part of the data has no number, one beyond its threshold, or one too far from another's.
    MetricSlice = "metric.slice",
    /// Too few records, or nobody says how many.
    MetricSamples = "metric.samples",
    /// Nothing was measured on the data set of the rule.
    MetricDataset = "metric.dataset",
    /// Older than allowed, or nobody says how old.
    AgeExceeded = "age.exceeded",
    /// Dated later than now.
    AgeFuture = "age.future",
    /// A stage that must have been passed before was not.
    StageNotPassed = "stage.not-passed",
    /// A stage that must have been passed before was not passed long enough ago.
    StageSoak = "stage.soak",
    /// The policy has no such stage.
    StageUnknown = "stage.unknown",
    /// The trust document is one person's alone, and others are answered by it.
    TrustLocal = "trust.local",
    /// The trust document has run out.
    TrustExpired = "trust.expired",
    /// The artifact, or something that it rests on, is revoked.
    RevokedArtifact = "revoked.artifact",
    /// The statement of a required step is revoked.
    RevokedAttestation = "revoked.attestation",
    /// The statement of a required step stands in no trusted log.
    LogMissing = "log.missing",
    /// Less of the log was read than the policy wants.
    LogIncomplete = "log.incomplete",
    /// A part of the history that a rule reads was not looked at.
    TraceUnexplored = "trace.unexplored",
    /// Statements contradict each other about what an artifact is.
    EvidenceConflict = "evidence.conflict",
    /// The policy has no rule that could fail.
    PolicyEmpty = "policy.empty",
    /// The policy is not in force yet.
    PolicyNotYet = "policy.not-yet",
    /// The policy is no longer in force.
    PolicyExpired = "policy.expired",
    /// The policy is written for artifacts of other names.
    PolicyUnmatched = "policy.unmatched",
    /// A step was made by a builder that does not reach the level.
    SlsaBuild = "slsa.build",
    /// A commit has not the level, or nobody says so.
    SlsaSource = "slsa.source",
    /// No approval of the artifact, or of what went in, counts.
    ApprovalMissing = "approval.missing",
    /// Somebody rejected it, and nobody has approved it since.
    ApprovalRejected = "approval.rejected",
    /// The approval has run out.
    ApprovalExpired = "approval.expired",
    /// Fewer owners approved than must.
    ApprovalOwners = "approval.owners",
    /// No data went in where some must.
    DatasetMissing = "dataset.missing",
    /// Data went in that no digest identifies.
    DatasetUnidentified = "dataset.unidentified",
    /// Data is under no licence that suits, or nobody says under which.
    DatasetLicence = "dataset.licence",
    /// A model was made from one that the policy does not name.
    ModelBase = "model.base",
    /// A model has a format that it must not have, or nobody knows which.
    ModelFormat = "model.format",
    /// A parameter was not recorded.
    ParameterMissing = "parameter.missing",
    /// A parameter is beyond its bounds.
    ParameterBound = "parameter.bound",
    /// Nobody registered the criteria, or whoever measured does not name them.
    CriteriaMissing = "criteria.missing",
    /// The criteria were registered after somebody measured.
    CriteriaLate = "criteria.late",
    /// A dependency is known by no digest.
    DependencyUnpinned = "dependency.unpinned",
    /// No scan of the artifact counts.
    VulnerabilityUnscanned = "vulnerability.unscanned",
    /// A scan cannot be read.
    VulnerabilityUnreadable = "vulnerability.unreadable",
    /// The scan, or what the scanner knew, is too old.
    VulnerabilityAge = "vulnerability.age",
    /// A vulnerability is too bad, and nobody who may says that it does no harm.
    VulnerabilitySeverity = "vulnerability.severity",
    /// No bill of materials that lists anything counts.
    LicenceUnlisted = "licence.unlisted",
    /// A component is under no licence that suits.
    LicenceDenied = "licence.denied",
    /// Nobody has looked how the artifact fares, or not at what must be measured.
    MonitoringMissing = "monitoring.missing",
    /// Nobody has looked lately enough.
    MonitoringAge = "monitoring.age",
    /// The monitor says that the artifact does not fare well.
    MonitoringVerdict = "monitoring.verdict",
    /// A number is beyond its bounds where the artifact runs.
    MonitoringDrift = "monitoring.drift",
    /// Nobody but its own signer stands for the statement of a step.
    CorroborationMissing = "corroboration.missing",
    /// Nobody whom the layout names says that a step was done.
    LayoutMissing = "layout.missing",
    /// A step was done otherwise than the layout lays down, or nobody can tell.
    LayoutUnmet = "layout.unmet",
    /// The layout has run out.
    LayoutExpired = "layout.expired",
    /// The time of the question is before something that is known to have happened.
    ClockBehind = "clock.behind",
    /// A stored verdict is past the time for which it holds.
    VerdictExpired = "verdict.expired",
    /// A rule in Rego denies.
    RegoDenied = "rego.denied",
    /// A rule in Rego gives no answer.
    RegoUndecided = "rego.undecided",
    /// Nobody who is trusted says anything about the artifact.
    ArtifactUnknown = "artifact.unknown",
}

impl Code {
    /// Whether a waiver can except from a finding of this kind.
    ///
    /// None can from what makes evidence believable at all: signatures and their owners, digests
    /// and what flows by them, revocations, trust, approvals, the register and its completeness,
    /// the policy and the time. What a rule in Rego looks at nobody knows, so none can from that
    /// either.
    pub const fn can_be_waived(self) -> bool {
        match self {
            Self::StepMissing
            | Self::StepFailed
            | Self::MetricMissing
            | Self::MetricThreshold
            | Self::MetricSlice
            | Self::MetricSamples
            | Self::MetricDataset
            | Self::AgeExceeded
            | Self::StageSoak
            | Self::SlsaBuild
            | Self::SlsaSource
            | Self::DatasetMissing
            | Self::DatasetLicence
            | Self::ModelBase
            | Self::ModelFormat
            | Self::ParameterMissing
            | Self::ParameterBound
            | Self::CriteriaMissing
            | Self::CriteriaLate
            | Self::VulnerabilityUnscanned
            | Self::VulnerabilityAge
            | Self::VulnerabilitySeverity
            | Self::LicenceUnlisted
            | Self::LicenceDenied
            | Self::MonitoringMissing
            | Self::MonitoringAge
            | Self::MonitoringVerdict
            | Self::MonitoringDrift => true,
            Self::StepSigner
            | Self::StepThreshold
            | Self::StepSameSigner
            | Self::StepKind
            | Self::FlowMissing
            | Self::FlowBroken
            | Self::FlowForbidden
            | Self::FlowUnmatched
            | Self::AgeFuture
            | Self::StageNotPassed
            | Self::StageUnknown
            | Self::TrustLocal
            | Self::TrustExpired
            | Self::RevokedArtifact
            | Self::RevokedAttestation
            | Self::LogMissing
            | Self::LogIncomplete
            | Self::TraceUnexplored
            | Self::EvidenceConflict
            | Self::PolicyEmpty
            | Self::PolicyNotYet
            | Self::PolicyExpired
            | Self::PolicyUnmatched
            | Self::ApprovalMissing
            | Self::ApprovalRejected
            | Self::ApprovalExpired
            | Self::ApprovalOwners
            | Self::DatasetUnidentified
            | Self::DependencyUnpinned
            | Self::VulnerabilityUnreadable
            | Self::CorroborationMissing
            | Self::LayoutMissing
            | Self::LayoutUnmet
            | Self::LayoutExpired
            | Self::ClockBehind
            | Self::VerdictExpired
            | Self::RegoDenied
            | Self::RegoUndecided
            | Self::ArtifactUnknown => false,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_dotted_and_read_back() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            let text = code.as_str();
            assert!(seen.insert(text), "{text}");
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            assert!(
                text.split('.').count() == 2
                    && text.split('.').all(|part| !part.is_empty() && part.bytes().all(allowed)),
                "{text}"
            );
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Code>(&json).unwrap(), code);
        }
    }

    #[test]
    fn what_makes_evidence_believable_cannot_be_waived() {
        let never = [
            "flow",
            "layout",
            "corroboration",
            "trust",
            "revoked",
            "log",
            "trace",
            "evidence",
            "policy",
            "approval",
            "clock",
            "verdict",
            "rego",
            "artifact",
        ];
        for code in Code::ALL {
            let family = code.as_str().split('.').next().unwrap_or_default();
            assert!(!(never.contains(&family) && code.can_be_waived()), "{code}");
        }
        for code in [Code::StepSigner, Code::StepThreshold, Code::StepSameSigner, Code::AgeFuture] {
            assert!(!code.can_be_waived(), "{code}");
        }
        assert!(Code::AgeExceeded.can_be_waived());
    }
}
