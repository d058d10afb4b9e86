//! The two Kubernetes documents that an admission hook reads and writes.
//!
//! Types by hand for the part of `AdmissionReview` v1 (`admission.k8s.io/v1`) that a decision
//! needs. What the API server sends besides is tolerated, and repeated JSON keys are not: the
//! cluster must not see another object in the same bytes than the one judged here.

use std::collections::BTreeMap;

use attest::json::{self, JsonError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The one version of the review that is spoken.
pub const API_VERSION: &str = "admission.k8s.io/v1";

const KIND: &str = "AdmissionReview";

/// Why a request cannot be answered as a review: there is no `uid` to answer to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// Not JSON, or not of the shape of a review.
    #[error("not an admission review: {0}")]
    Json(#[from] JsonError),
    /// Another kind of object, or another version of it.
    #[error("expected `{KIND}` of `{API_VERSION}`, got `{kind}` of `{version}`")]
    Version {
        /// The `kind` that came.
        kind: String,
        /// The `apiVersion` that came.
        version: String,
    },
}

/// What the API server asks: may this object be stored?
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// Identifies the question; the answer repeats it.
    pub uid: String,
    /// What kind of object it is.
    pub kind: GroupVersionKind,
    /// What is to be done with it.
    pub operation: Operation,
    /// Where the object lives; absent for objects of the whole cluster.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The object as it would be stored; null when it is deleted.
    #[serde(default)]
    pub object: Value,
}

/// The kind of an object, with its API group.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct GroupVersionKind {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// Version of the group.
    pub version: String,
    /// Name of the kind.
    pub kind: String,
}

/// What is to be done with an object.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// A new object.
    Create,
    /// A changed object, subresources such as `ephemeralcontainers` included.
    Update,
    /// An object goes away.
    Delete,
    /// A connection to a running object.
    Connect,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    api_version: String,
}

#[derive(Deserialize)]
struct Envelope {
    request: Review,
}

impl Review {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`ReviewError`] when the body is not an `AdmissionReview` of v1 with a request in it.
    pub fn parse(body: &[u8]) -> Result<Self, ReviewError> {
        let value = json::parse(body)?;
        let head = Head::deserialize(&value).map_err(JsonError::from)?;
        if head.kind != KIND || head.api_version != API_VERSION {
            return Err(ReviewError::Version { kind: head.kind, version: head.api_version });
        }
        Ok(Envelope::deserialize(value).map_err(JsonError::from)?.request)
    }
}

/// The answer to a review.
///
/// A refusal is a successful HTTP exchange that says `allowed: false`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    kind: &'static str,
    api_version: &'static str,
    response: Response,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
struct Status {
    status: &'static str,
    code: u16,
    reason: &'static str,
    message: String,
}

impl Answer {
    /// Lets the object pass.
    pub fn allowed(uid: &str) -> Self {
        Self::new(uid, true, None)
    }

    /// Refuses the object; `message` is what the user of `kubectl` reads.
    pub fn denied(uid: &str, message: String) -> Self {
        let status = Status { status: "Failure", code: 403, reason: "Forbidden", message };
        Self::new(uid, false, Some(status))
    }

    fn new(uid: &str, allowed: bool, status: Option<Status>) -> Self {
        let response = Response {
            uid: uid.to_owned(),
            allowed,
            status,
            warnings: Vec::new(),
            audit_annotations: BTreeMap::new(),
        };
        Self { kind: KIND, api_version: API_VERSION, response }
    }

    /// Adds sentences that `kubectl` shows as warnings.
    #[must_use]
    pub fn warning(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.response.warnings.extend(warnings);
        self
    }

    /// Adds a fact for the cluster's audit log; the API server puts the hook's name before `key`.
    #[must_use]
    pub fn annotated(mut self, key: &'static str, value: String) -> Self {
        self.response.audit_annotations.insert(key, value);
        self
    }

    /// Whether the object may pass.
    pub const fn is_allowed(&self) -> bool {
        self.response.allowed
    }

    /// Why the object was refused.
    pub fn message(&self) -> Option<&str> {
        self.response.status.as_ref().map(|status| status.message.as_str())
    }

    /// What is shown besides the answer.
    pub fn warnings(&self) -> &[String] {
        &self.response.warnings
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body() -> Value {
        json!({
            "kind": KIND,
            "apiVersion": API_VERSION,
            "request": {
                "uid": "u-1",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "operation": "CREATE",
                "namespace": "default",
                "object": {"spec": {}},
                "somethingNew": true,
            },
        })
    }

    #[test]
    fn a_review_is_read() {
        let review = Review::parse(body().to_string().as_bytes()).unwrap();
        assert_eq!(review.uid, "u-1");
        assert_eq!(review.operation, Operation::Create);
        assert_eq!(review.namespace.as_deref(), Some("default"));
    }

    #[test]
    fn what_is_not_a_review_is_an_error() {
        let changed = |pointer: &str, value: Value| {
            let mut body = body();
            *body.pointer_mut(pointer).unwrap() = value;
            body.to_string()
        };
        let cases = [
            ("not JSON", "{".to_owned()),
            ("other version", changed("/apiVersion", json!("admission.k8s.io/v1beta1"))),
            ("other kind", changed("/kind", json!("TokenReview"))),
            ("no request", changed("/request", json!(null))),
            ("no uid", changed("/request/uid", json!(null))),
            ("unknown operation", changed("/request/operation", json!("PATCH"))),
            ("repeated key", body().to_string().replacen("\"uid\"", "\"uid\":\"u-0\",\"uid\"", 1)),
        ];
        for (name, text) in cases {
            assert!(Review::parse(text.as_bytes()).is_err(), "{name}");
        }
    }

    #[test]
    fn a_refusal_is_spelled_as_the_api_server_reads_it() {
        let answer = Answer::denied("u-1", "no".into()).annotated("stage", "production".into());
        assert_eq!(
            serde_json::to_value(answer).unwrap(),
            json!({
                "kind": KIND,
                "apiVersion": API_VERSION,
                "response": {
                    "uid": "u-1",
                    "allowed": false,
                    "status": {"status": "Failure", "code": 403, "reason": "Forbidden", "message": "no"},
                    "auditAnnotations": {"stage": "production"},
                },
            })
        );
        assert_eq!(
            serde_json::to_value(Answer::allowed("u-1")).unwrap(),
            json!({
                "kind": KIND,
                "apiVersion": API_VERSION,
                "response": {"uid": "u-1", "allowed": true},
            })
        );
    }
}
