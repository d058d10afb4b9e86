//! The description of the interface: OpenAPI 3.1, served at `/openapi.json`.
//!
//! Each handler has an [`Operation`] beside it, and [`super::router`] takes both or neither, so
//! that no route is undescribed. Shapes are in `schemas.json`. The whole is committed as
//! `server/openapi.json`, and a test compares the two.

use attest::NAMESPACE;
use serde_json::{Map, Value, json};

use super::problem::Effect;

/// The shapes of bodies, as JSON Schema.
const SCHEMAS: &str = include_str!("schemas.json");

/// What one route does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    /// Stable name, for generated clients.
    pub id: &'static str,
    /// One line.
    pub summary: &'static str,
    /// What the caller should know besides.
    pub description: &'static str,
    /// Parameters of the path and the query.
    pub parameters: &'static [Parameter],
    /// Name of the schema of the body, for routes that read one.
    pub body: Option<&'static str>,
    /// What is answered when all goes well.
    pub answer: Answer,
    /// Who may ask for it.
    pub access: Access,
}

/// Who may ask for something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    /// Whoever reaches the service.
    Everybody,
    /// Whoever may write, and everybody if the register is declared public: what shows leaves or
    /// statements.
    Readers,
    /// Whoever may write.
    Writers,
}

/// A parameter of the path or the query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub place: Place,
    /// Name of the schema of its value.
    pub schema: &'static str,
    pub description: &'static str,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// In the path.
    Path,
    /// In the query, always.
    Needed,
    /// In the query, if at all.
    Optional,
}

/// What is answered when all goes well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub media_type: &'static str,
    /// Name of the schema.
    pub schema: &'static str,
    pub description: &'static str,
}

impl Answer {
    /// A JSON document with status 200.
    pub(super) const fn json(schema: &'static str, description: &'static str) -> Self {
        Self { status: 200, media_type: "application/json", schema, description }
    }
}

impl Operation {
    /// What may have come of it when nobody waited for its end.
    pub(super) const fn effect(&self) -> Effect {
        match self.access {
            Access::Everybody | Access::Readers => Effect::Reads,
            Access::Writers => Effect::Writes,
        }
    }

    fn document(&self) -> Value {
        let mut operation = Map::new();
        operation.insert("operationId".into(), self.id.into());
        operation.insert("summary".into(), self.summary.into());
        operation.insert("description".into(), self.description.into());
        if !self.parameters.is_empty() {
            operation.insert(
                "parameters".into(),
                self.parameters.iter().map(Parameter::document).collect(),
            );
        }
        if let Some(schema) = self.body {
            let body = json!({"required": true, "content": {"application/json": {"schema": reference(schema)}}});
            operation.insert("requestBody".into(), body);
        }
        let Answer { status, media_type, schema, description } = self.answer;
        operation.insert(
            "responses".into(),
            json!({
                status.to_string(): {
                    "description": description,
                    "content": {media_type: {"schema": reference(schema)}},
                },
                "default": {
                    "description": "What went wrong and what to do next.",
                    "content": {super::problem::MEDIA_TYPE: {"schema": reference("Problem")}},
                },
            }),
        );
        if self.access != Access::Everybody {
            operation.insert("security".into(), json!([{"token": []}, {}]));
        }
        operation.into()
    }
}

impl Parameter {
    fn document(&self) -> Value {
        json!({
            "name": self.name,
            "in": if self.place == Place::Path { "path" } else { "query" },
            "required": self.place != Place::Optional,
            "description": self.description,
            "schema": reference(self.schema),
        })
    }
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// The whole description, of routes given as path, method and operation.
pub(super) fn document<'r>(
    routes: impl IntoIterator<Item = &'r (&'static str, &'static str, Operation)>,
) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (path, method, operation) in routes {
        // OpenAPI has no word for a parameter that goes over slashes.
        let entry =
            paths.entry(path.replace("{*", "{")).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(methods) = entry {
            methods.insert((*method).to_owned(), operation.document());
        }
    }
    // The text is a constant, and a test reads it.
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Assay",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "The register, the judge and the gate of Assay. Writes need the operator's token, as does \
                 whatever shows entries unless the register is declared public. \
                 A denied check is an answer (`passed: false`), not an error; an error is a question \
                 that could not be asked, and is never to be taken for allowed. Types of problems \
                 start with `{NAMESPACE}problem/`."
            ),
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}
