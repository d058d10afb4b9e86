//! Whether a workload may run in a cluster, from verdicts that are ready.
//!
//! [`decide`] is a pure function over the verdicts in memory, the review and the time: no
//! register, no registry, no clock. Only content addresses are judged (a tag names other bytes
//! tomorrow), every image must be allowed, and whatever is not understood is refused.

mod image;
mod namespaces;
mod review;
mod workload;

use std::collections::BTreeSet;

use attest::{ArtifactId, Kind, StageName, Timestamp};

pub use image::{MAX_REFERENCE, Reference, ReferenceError};
pub use namespaces::{MAX_NAMESPACES, NamespaceError, Namespaces};
pub use review::{API_VERSION, Answer, GroupVersionKind, Operation, Review, ReviewError};
pub use workload::{MAX_NAMED, Named, Runs, WorkloadError};

use crate::verdicts::{Currency, Standing, Subject, Verdict, Verdicts};

/// How many reasons an answer lists; `kubectl` shows them on one line.
const MAX_SHOWN: usize = 8;

/// Kinds that a digest in an image reference may be of: the reference does not say which.
const IMAGE_KINDS: [Kind; 2] = [Kind::OciManifest, Kind::OciIndex];

/// Answers a review.
pub fn decide(
    review: &Review,
    namespaces: &Namespaces,
    verdicts: &Verdicts,
    now: Timestamp,
) -> Answer {
    let uid = &review.uid;
    match review.operation {
        Operation::Delete => return Answer::allowed(uid),
        Operation::Create | Operation::Update => {}
        Operation::Connect => {
            return Answer::denied(
                uid,
                "connections are not judged; let the hook's rules match create and update only"
                    .into(),
            );
        }
    }
    let stage = namespaces.stage_of(review.namespace.as_deref());
    match verdicts.currency() {
        Currency::Current => {}
        Currency::Cold => {
            return Answer::denied(
                uid,
                "verdicts are not ready yet; try again when /readyz answers 200".into(),
            );
        }
        Currency::Behind => {
            return Answer::denied(
                uid,
                "the verdicts have fallen behind the register; the service's log says why".into(),
            );
        }
        Currency::Suspended(cause) => return Answer::denied(uid, cause.to_string()),
    }
    if !review.object.is_object() {
        return Answer::denied(uid, "`request.object` is not an object".into());
    }
    let named = match workload::named(&review.kind, &review.object) {
        Ok(named) => named,
        Err(error) => return Answer::denied(uid, error.to_string()),
    };

    let mut against = Vec::new();
    let mut warnings = Vec::new();
    let mut digests = BTreeSet::new();
    for Named { place, what } in &named {
        match judge(what, stage, namespaces, verdicts, now) {
            Ruling::Allowed(artifact) => {
                digests.insert(artifact);
            }
            Ruling::Tolerated(artifact, words) => {
                digests.insert(artifact);
                warnings.push(format!("{place}: {words}"));
            }
            Ruling::Refused(words) => against.push(format!("{place}: {words}")),
        }
    }

    let answer = if against.is_empty() {
        Answer::allowed(uid).warning(shown(warnings))
    } else {
        Answer::denied(uid, shown(against).join("; "))
    };
    let digests: Vec<String> = digests.iter().map(ToString::to_string).collect();
    let answer = answer.annotated("stage", stage.to_string());
    let answer = match namespaces.policy(stage) {
        Some(policy) => answer.annotated("policy", policy.to_string()),
        None => answer,
    };
    if digests.is_empty() { answer } else { answer.annotated("artifacts", digests.join(" ")) }
}

/// Answers a review that cannot be judged. What goes away is let go.
pub fn refuse(review: &Review, why: String) -> Answer {
    match review.operation {
        Operation::Delete => Answer::allowed(&review.uid),
        Operation::Create | Operation::Update | Operation::Connect => {
            Answer::denied(&review.uid, why)
        }
    }
}

/// What is ruled about one image or location.
enum Ruling {
    Allowed(ArtifactId),
    Tolerated(ArtifactId, String),
    Refused(String),
}

fn judge(
    what: &Runs,
    stage: &StageName,
    namespaces: &Namespaces,
    verdicts: &Verdicts,
    now: Timestamp,
) -> Ruling {
    let Some(policy) = namespaces.policy(stage) else {
        return Ruling::Refused(format!("no policy judges for stage `{stage}`"));
    };
    let reference = match what {
        Runs::Image(text) => text.as_str(),
        Runs::Location(uri) => match uri.strip_prefix("oci://") {
            Some(text) => text,
            None => {
                return Ruling::Refused(format!(
                    "`{uri}` is not content-addressed, what it holds can change; use `oci://…@sha256:…`"
                ));
            }
        },
    };
    let parsed: Reference = match reference.parse() {
        Ok(parsed) => parsed,
        Err(error) => {
            return Ruling::Refused(format!("`{reference}` is not an image reference: {error}"));
        }
    };
    let Some(digest) = parsed.digest() else {
        return Ruling::Refused(format!(
            "`{reference}` names no digest, what it means can change; write it as `{}/{}@sha256:…` with the digest \
             that `assay promote … --stage {stage}` printed",
            parsed.registry(),
            parsed.repository(),
        ));
    };
    let subjects = IMAGE_KINDS.map(|kind| Subject {
        artifact: ArtifactId::new(kind, digest),
        stage: stage.clone(),
        policy,
    });
    let mut best = None;
    for subject in subjects {
        if let Some(verdict) = verdicts.get(&subject) {
            let ruling = rule(&subject, &verdict, now);
            match ruling {
                Ruling::Allowed(_) => return ruling,
                // The two kinds are two readings of one digest: the better one stands, and bytes
                // cannot be both, so that a refusal of one is no refusal of the other.
                Ruling::Tolerated(..) => best = Some(ruling),
                Ruling::Refused(_) if best.is_none() => best = Some(ruling),
                Ruling::Refused(_) => {}
            }
        }
    }
    best.unwrap_or_else(|| {
        let artifact = ArtifactId::new(Kind::OciManifest, digest);
        let words = format!(
            "artifact.unknown: nothing promotes {digest} for stage `{stage}`; run `assay promote {artifact} --stage {stage}`"
        );
        if namespaces.is_lenient(stage) { Ruling::Tolerated(artifact, words) } else { Ruling::Refused(words) }
    })
}

fn rule(subject: &Subject, verdict: &Verdict, now: Timestamp) -> Ruling {
    let Subject { artifact, stage, .. } = subject;
    if now < verdict.from {
        return Ruling::Refused(format!(
            "clock.behind: the verdict on {artifact} holds from {}, and it is {now} here; set the service's clock right",
            verdict.from
        ));
    }
    if let Some(until) = verdict.until
        && now >= until
    {
        return Ruling::Refused(format!(
            "verdict.expired: the verdict on {artifact} held until {until}; run `assay check {artifact} --stage {stage}` to see what to renew"
        ));
    }
    let reasons = shown(
        verdict
            .reasons
            .iter()
            .map(|reason| format!("{}: {}", reason.code, reason.message))
            .collect(),
    );
    let words = format!("{}; run `assay check {artifact} --stage {stage}`", reasons.join("; "));
    match verdict.standing {
        Standing::Promoted => Ruling::Allowed(*artifact),
        Standing::Tolerated => Ruling::Tolerated(*artifact, words),
        Standing::Refused => Ruling::Refused(words),
    }
}

/// The first reasons, and how many more there are.
fn shown(mut reasons: Vec<String>) -> Vec<String> {
    let more = reasons.len().saturating_sub(MAX_SHOWN);
    reasons.truncate(MAX_SHOWN);
    if more > 0 {
        reasons.push(format!("and {more} more"));
    }
    reasons
}
