//! Judging an artifact.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use policy::{Files, Policy, Report};

use super::extract::{Body, MAX_OPINION, Now, Posted};
use super::openapi::{Access, Answer, Operation};
use super::problem::ApiError;
use crate::app::{App, Purpose};
use crate::force::RulesError;
use crate::judge::{self, Grounds};
use crate::register::Storage;
use crate::wire::Question;

impl Posted for Question {
    const LIMIT: usize = MAX_OPINION;
}

pub(super) const CHECK: Operation = Operation {
    id: "check",
    summary: "Decides whether an artifact may be used in a stage",
    description: "A denied check is an answer with status 200 and `passed: false`. A policy in the question is \
                  an opinion: the report says `advisory: true`, and nothing can be promoted by it.",
    parameters: &[],
    body: Some("Question"),
    answer: Answer::json("Report", "The report."),
    access: Access::Everybody,
};

pub(super) async fn check<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    Now(now): Now,
    Body(question): Body<Question>,
) -> Result<Json<Report>, ApiError> {
    let Question { artifact, stage, policy, files } = question;
    let files: Files = files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    let opinion = policy.as_deref().map(|text| Policy::parse_with(text, &files)).transpose();
    let opinion = opinion.map_err(|error| ApiError::Policy(error.to_string()))?;
    app.read(move |app| async move {
        app.require_sound(Purpose::Deciding)?;
        if opinion.is_none() {
            app.require_policy()?;
        }
        let (followed, in_force) = app.decide_by(now).await?;
        let registered;
        let policy = match &opinion {
            Some(opinion) => opinion,
            None => {
                registered = in_force.rules.policy(&stage).map_err(rules)?;
                &*registered
            }
        };
        let grounds = Grounds { trust: &in_force.trust, policy, followed: &followed, now };
        let decision = judge::check(app.register(), &artifact, &stage, &grounds).await?;
        let mut report = decision.report_at(now);
        report.advisory = opinion.is_some();
        Ok(Json(report))
    })
    .await
}

/// Where nothing judges, nothing is decided.
pub(super) fn rules(error: RulesError) -> ApiError {
    match error {
        RulesError::None => ApiError::NoPolicy,
        error @ RulesError::Unreadable { .. } => ApiError::UnusablePolicy(error.to_string()),
    }
}
