//! Promoting an artifact to a stage.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::check::rules;
use super::extract::{Body, MAX_QUESTION, MayWrite, Now, Posted};
use super::openapi::{Access, Answer, Operation};
use super::problem::ApiError;
use crate::app::{App, Purpose};
use crate::judge::{self, Grounds, IfDenied, Promotion};
use crate::register::Storage;
use crate::wire::{Promoted, PromotionRequest};

impl Posted for PromotionRequest {
    const LIMIT: usize = MAX_QUESTION;
}

pub(super) const PROMOTE: Operation = Operation {
    id: "promote",
    summary: "Promotes an artifact to a stage",
    description: "Checks it by the policy of the register, and only by that; when it passes, signs a SLSA \
                  verification summary and registers it, and with `format: svr` also an in-toto simple \
                  verification result. When it does not, nothing is signed, and there is no \
                  `entry` in the answer.",
    parameters: &[],
    body: Some("PromotionRequest"),
    answer: Answer::json("Promoted", "The report, and where the summary stands."),
    access: Access::Writers,
};

pub(super) async fn promote<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    _: MayWrite,
    Now(now): Now,
    Body(PromotionRequest { artifact, stage, format }): Body<PromotionRequest>,
) -> Result<Json<Promoted>, ApiError> {
    app.write(now, move |app| async move {
        app.require_policy()?;
        let gate = app.gate().ok_or(ApiError::NoGate)?;
        app.require_sound(Purpose::Deciding)?;
        let (followed, in_force) = app.decide_by(now).await?;
        let policy = in_force.rules.policy(&stage).map_err(rules)?;
        let grounds = Grounds { trust: &in_force.trust, policy: &policy, followed: &followed, now };
        let denied = IfDenied::SignNothing;
        let (register, artifact) = (app.register(), &artifact);
        let Promotion { decision, mut registered, mut simple } =
            judge::promote_as(register, artifact, &stage, &grounds, gate, denied, format).await?;
        app.require_witnesses(registered.as_mut_slice()).await?;
        app.require_witnesses(simple.as_mut_slice()).await?;
        Ok(Json(Promoted {
            report: decision.report_at(now),
            entry: registered.map(Into::into),
            simple: simple.map(Into::into),
        }))
    })
    .await
}
