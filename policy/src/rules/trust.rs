//! The trust document itself: whether it may be relied on at all, whatever it says.
//!
//! One that has run out is no ground for an answer, and one that is marked as one person's alone
//! satisfies no stage that enforces where others are answered. A file without a version has neither
//! end nor owners, and this rule asks nothing of it.

use super::Question;
use crate::code::Code;
use crate::draft::{Draft, Problem};
use crate::model::Mode;

/// The name of the rule, which every policy has.
pub(crate) const TRUST: &str = "trust";

/// Says whether the trust document may be relied on.
pub(crate) fn judge(question: Question<'_>, mode: Mode, draft: &mut Draft) {
    let standing = question.lineage.trust_standing();
    let mut problems = Vec::new();
    if standing.too_local && mode == Mode::Enforce {
        let message = "the trust document is marked `local`: it is one person's alone, and others \
                       are answered by it"
            .into();
        let next = "name its owners, and who may sign what: `assay trust init --owner NAME`";
        problems.push(Problem::fail(Code::TrustLocal, message, next));
    }
    match standing.expires.filter(|expires| *expires <= question.now) {
        Some(expires) => {
            let message = format!("the trust document has run out at {expires}");
            let next = "have its owners sign and activate the next version: `assay trust propose`";
            problems.push(Problem::error(Code::TrustExpired, message, next));
        }
        None if problems.is_empty() => {
            if let (Some(version), Some(expires)) = (standing.version, standing.expires) {
                let detail = format!("version {version} of the trust document, until {expires}");
                draft.pass(TRUST, Vec::new(), Some(detail));
            }
            return;
        }
        None => {}
    }
    draft.fail(TRUST, problems);
}
