//! Searching the register.

use std::sync::Arc;

use attest::{ArtifactId, KeyId, StageName, StepName, Timestamp};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::extract::Asked;
use super::openapi::{Answer, Operation, Parameter, Place};
use super::problem::ApiError;
use crate::app::App;
use crate::register::{MAX_PAGE, Query, Storage, Term};
use crate::wire::Found;

/// How many entries a page has unless asked for otherwise.
const PAGE: usize = 100;

/// What is searched for: entries that match all of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sought {
    subject: Option<ArtifactId>,
    material: Option<ArtifactId>,
    name: Option<String>,
    signer: Option<KeyId>,
    #[serde(rename = "type")]
    type_: Option<String>,
    step: Option<StepName>,
    stage: Option<StageName>,
    parameter: Option<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    #[serde(default)]
    start: u64,
    limit: Option<usize>,
}

impl Sought {
    fn query(self) -> Result<Query, ApiError> {
        let parameter = match self.parameter.as_deref().map(|text| text.split_once('=')) {
            None => None,
            Some(Some((name, value))) => {
                Some(Term::Parameter { name: name.to_owned(), value: value.to_owned() })
            }
            Some(None) => {
                let reason = "it is written `NAME=VALUE`".into();
                return Err(ApiError::Parameter { name: "parameter", reason });
            }
        };
        let limit = match self.limit {
            None => PAGE,
            Some(limit @ 1..=MAX_PAGE) => limit,
            Some(_) => {
                let reason = format!("it is 1 to {MAX_PAGE}");
                return Err(ApiError::Parameter { name: "limit", reason });
            }
        };
        let terms = [
            self.subject.map(Term::Subject),
            self.material.map(Term::Material),
            self.name.map(Term::Name),
            self.signer.map(Term::Signer),
            self.type_.map(Term::Type),
            self.step.map(|step| Term::Step(step.to_string())),
            self.stage.map(|stage| Term::Stage(stage.to_string())),
            parameter,
        ];
        let Self { from, until, start, .. } = self;
        Ok(Query { terms: terms.into_iter().flatten().collect(), from, until, start, limit })
    }
}

const fn by(name: &'static str, schema: &'static str, description: &'static str) -> Parameter {
    Parameter { name, place: Place::Optional, schema, description }
}

pub(super) const FIND: Operation = Operation {
    id: "find",
    summary: "Finds entries",
    description: "By what their statements say; what is given must match all together, and nothing found is \
                  verified. Ordered by position; says how far the answer is complete.",
    parameters: &[
        by("subject", "Artifact", "An artifact that the statement is about."),
        by("material", "Artifact", "An artifact that went into the step."),
        by("name", "Text", "The name of a subject, whole."),
        by("signer", "KeyId", "The key that signed."),
        by("type", "Text", "The predicate type, whole."),
        by("step", "Name", "The step."),
        by("stage", "Name", "The stage."),
        by("parameter", "Text", "A parameter of the step, as `NAME=VALUE`."),
        by("from", "Time", "Registered then or later."),
        by("until", "Time", "Registered before then."),
        by("start", "Index", "Where to go on: `next` of the page before."),
        by("limit", "Index", "Most entries of the page, 1 to 1000; 100 unless given."),
    ],
    body: None,
    answer: Answer::json("Found", "A page of entries."),
    writes: false,
};

pub(super) async fn find<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    Asked(sought): Asked<Sought>,
) -> Result<Json<Found>, ApiError> {
    let query = sought.query()?;
    app.read(move |app| async move { Ok(Json(app.register().find(&query).await?.into())) }).await
}
