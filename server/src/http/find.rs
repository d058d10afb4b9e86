//! Searching the register.

use std::fmt;
use std::sync::Arc;

use attest::{ArtifactId, KeyId, StageName, StepName, Timestamp};
use axum::Json;
use axum::extract::State;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::extract::{Asked, MayRead};
use super::openapi::{Access, Answer, Operation, Parameter, Place};
use super::problem::ApiError;
use crate::app::App;
use crate::register::{MAX_PAGE, Measured, Order, Proofs, Query, Search, Storage, Term, words};
use crate::wire::Found;

/// How many entries a page has unless asked for otherwise.
const PAGE: usize = 100;

/// What is searched for: entries that match all of it.
#[derive(Debug, Default)]
pub(super) struct Sought {
    subject: Option<ArtifactId>,
    material: Option<ArtifactId>,
    name: Option<String>,
    words: Option<String>,
    signer: Option<KeyId>,
    identity: Option<String>,
    issuer: Option<String>,
    type_: Option<String>,
    step: Option<StepName>,
    kind: Option<String>,
    stage: Option<StageName>,
    result: Option<String>,
    /// Given as often as there are names of parameters.
    parameters: Vec<String>,
    metrics: Vec<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    reverse: Option<bool>,
    start: Option<u64>,
    limit: Option<usize>,
    proofs: Option<bool>,
}

impl<'de> Deserialize<'de> for Sought {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs)
    }
}

/// Reads the pairs of a query. Written out because two names may be given several times, and no
/// other.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Sought;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("what to search for")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sought, A::Error> {
        let mut sought = Sought::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "subject" => once(&mut sought.subject, "subject", &mut map)?,
                "material" => once(&mut sought.material, "material", &mut map)?,
                "name" => once(&mut sought.name, "name", &mut map)?,
                "words" => once(&mut sought.words, "words", &mut map)?,
                "signer" => once(&mut sought.signer, "signer", &mut map)?,
                "identity" => once(&mut sought.identity, "identity", &mut map)?,
                "issuer" => once(&mut sought.issuer, "issuer", &mut map)?,
                "type" => once(&mut sought.type_, "type", &mut map)?,
                "step" => once(&mut sought.step, "step", &mut map)?,
                "kind" => once(&mut sought.kind, "kind", &mut map)?,
                "stage" => once(&mut sought.stage, "stage", &mut map)?,
                "result" => once(&mut sought.result, "result", &mut map)?,
                "parameter" => sought.parameters.push(map.next_value()?),
                "metric" => sought.metrics.push(map.next_value()?),
                "from" => once(&mut sought.from, "from", &mut map)?,
                "until" => once(&mut sought.until, "until", &mut map)?,
                "reverse" => once(&mut sought.reverse, "reverse", &mut map)?,
                "start" => once(&mut sought.start, "start", &mut map)?,
                "limit" => once(&mut sought.limit, "limit", &mut map)?,
                "proofs" => once(&mut sought.proofs, "proofs", &mut map)?,
                other => {
                    let other: String = other.chars().take(64).collect();
                    return Err(A::Error::custom(format!("unknown field `{other}`")));
                }
            }
        }
        Ok(sought)
    }
}

fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    place: &mut Option<T>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if place.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *place = Some(map.next_value()?);
    Ok(())
}

impl Sought {
    fn search(self) -> Result<Search, ApiError> {
        let limit = match self.limit {
            None => PAGE,
            Some(limit @ 1..=MAX_PAGE) => limit,
            Some(_) => return Err(wrong("limit", format!("it is 1 to {MAX_PAGE}"))),
        };
        let kind = self.kind.map(|kind| kind.parse().map_err(|error| wrong("kind", error)));
        let terms = [
            self.subject.map(Term::Subject),
            self.material.map(Term::Material),
            self.name.map(Term::Name),
            self.signer.map(Term::Signer),
            self.identity.map(Term::Identity),
            self.issuer.map(Term::Issuer),
            self.type_.map(Term::Type),
            self.step.map(|step| Term::Step(step.to_string())),
            kind.transpose()?.map(Term::Kind),
            self.stage.map(|stage| Term::Stage(stage.to_string())),
            self.result.map(Term::Result),
        ];
        let mut terms: Vec<Term> = terms.into_iter().flatten().collect();
        if let Some(text) = self.words {
            let words = words(&text);
            if words.is_empty() {
                return Err(wrong("words", "it has no letter and no digit"));
            }
            terms.extend(words.into_iter().map(Term::Word));
        }
        for parameter in self.parameters {
            let (name, value) = parameter
                .split_once('=')
                .ok_or_else(|| wrong("parameter", "it is written `NAME=VALUE`"))?;
            terms.push(Term::Parameter { name: name.into(), value: value.into() });
        }
        let metrics = self.metrics.iter().map(|metric| metric.parse::<Measured>());
        let measured: Result<_, _> = metrics.collect();
        let measured = measured.map_err(|error| wrong("metric", error))?;
        let order =
            if self.reverse == Some(true) { Order::NewestFirst } else { Order::OldestFirst };
        let Self { from, until, start, .. } = self;
        let query = Query { terms, from, until, order, start, limit };
        let proofs = if self.proofs == Some(true) { Proofs::With } else { Proofs::Without };
        Ok(Search { query, measured, proofs })
    }
}

/// The search that the query of a URL asks for; for fuzzers.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn search_of(query: &str) -> Option<Search> {
    let uri = format!("/v1/find?{query}").parse().ok()?;
    let axum::extract::Query(sought) = axum::extract::Query::<Sought>::try_from_uri(&uri).ok()?;
    sought.search().ok()
}

fn wrong(name: &'static str, reason: impl fmt::Display) -> ApiError {
    ApiError::Parameter { name, reason: reason.to_string() }
}

const fn by(name: &'static str, schema: &'static str, description: &'static str) -> Parameter {
    Parameter { name, place: Place::Optional, schema, description }
}

pub(super) const FIND: Operation = Operation {
    id: "find",
    summary: "Finds entries",
    description: "By what their statements say; what is given must match all together, and nothing found is \
                  verified. Ordered by position; says how far the answer is complete: no entry of that tree that matches \
                  is missing between where the page began and where the next one does. A page can be short, or \
                  empty, and still have a `next`. \
                  Needs the token, unless the register is declared public.",
    parameters: &[
        by("subject", "Artifact", "An artifact that the statement is about."),
        by("material", "Artifact", "An artifact that went into the step."),
        by("name", "Text", "The name of a subject, whole."),
        by(
            "words",
            "Text",
            "Words of names of subjects and materials, in any order and case; all must be there.",
        ),
        by("signer", "KeyId", "The key that signed."),
        by(
            "identity",
            "Text",
            "A subject alternative name of the certificate of a keyless signature, whole. A claim: nobody has judged \
             the certificate.",
        ),
        by("issuer", "Text", "Who vouched for the identity, by the same certificate's claim."),
        by("type", "Text", "The predicate type, whole."),
        by("step", "Name", "The step."),
        by("kind", "StepKind", "The kind of step."),
        by(
            "stage",
            "Name",
            "The stage that a verification summary is for, or the environment of a deployment.",
        ),
        by(
            "result",
            "Text",
            "The result of a test or a verification summary, or the verdict of monitoring, as the statement spells it.",
        ),
        by(
            "parameter",
            "Text",
            "A parameter of the step, as `NAME=VALUE`; may be given several times.",
        ),
        by(
            "metric",
            "Metric",
            "What an evaluation measured, or another step left in its file of numbers; may be given several times. Numbers are compared exactly, in the statements \
             of the page: `compared` says in how many.",
        ),
        by("from", "Time", "Registered then or later."),
        by("until", "Time", "Registered before then."),
        by(
            "reverse",
            "Truth",
            "Whether the newest come first. Then all pages together are complete to the tree of the first page: what \
             is registered later is in none of the others.",
        ),
        by("start", "Index", "Where to go on: `next` of the page before."),
        by("limit", "Index", "Most entries of the page, 1 to 1000; 100 unless given."),
        by(
            "proofs",
            "Truth",
            "Whether the page carries `evidence`: for each entry, that it is under the page's `checkpoint`, which is \
             then what the page is complete to.",
        ),
    ],
    body: None,
    answer: Answer::json("Found", "A page of entries."),
    access: Access::Readers,
};

pub(super) async fn find<S: Storage + 'static>(
    State(app): State<Arc<App<S>>>,
    _: MayRead,
    Asked(sought): Asked<Sought>,
) -> Result<Json<Found>, ApiError> {
    let search = sought.search()?;
    app.read(move |app| async move {
        let shown = app.shown().await?;
        Ok(Json(app.register().search_under(&search, shown).await?.into()))
    })
    .await
}
