//! What a workload would run: every image and every model location that it names.
//!
//! Walks the two kinds that are judged, `Pod` and KServe's `InferenceService`. A field that can
//! bring code or weights into the workload and that is not understood is an error, so that the
//! whole object is refused: nothing is passed over because it was spelled unexpectedly.

use serde_json::{Map, Value};

use super::review::GroupVersionKind;

/// How many images and locations one workload may name.
pub const MAX_NAMED: usize = 512;

/// Lists of containers in a pod's specification.
const CONTAINER_LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Parts of an inference service that hold containers or models of their own.
const COMPONENTS: [&str; 3] = ["predictor", "transformer", "explainer"];

/// The variable by which a container of an inference service tells KServe where to load a model
/// from, as `storageUri` does for the containers that KServe knows.
const STORAGE_VARIABLE: &str = "STORAGE_URI";

/// Something that a workload runs, with the place in the object that names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// Path in the object, such as `spec.containers[0].image`.
    pub place: String,
    /// What stands there.
    pub what: Runs,
}

/// What a workload brings in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Runs {
    /// A container image, or an image mounted as a volume.
    Image(String),
    /// Where a model is loaded from.
    Location(String),
}

/// Why it cannot be said what a workload would run.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// Neither a pod nor an inference service.
    #[error(
        "`{kind}` of group `{group}` is not judged; let the hook's rules match pods and inferenceservices only"
    )]
    Kind {
        /// The kind that came.
        kind: String,
        /// Its API group.
        group: String,
    },
    /// A field has another type than it should.
    #[error("`{place}` is not {expected}")]
    Shape {
        /// Path in the object.
        place: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// A model is loaded by a way that says nothing about its content.
    #[error(
        "`{place}` loads a model by a way that names no digest; use `storageUri: oci://…@sha256:…`"
    )]
    Storage {
        /// Path in the object.
        place: String,
    },
    /// Nothing to judge: an empty workload is not a good one.
    #[error("the object names no image and no model location")]
    Nothing,
    /// More than [`MAX_NAMED`].
    #[error("the object names more than {MAX_NAMED} images and locations")]
    TooMany,
}

/// Lists everything that `object` would run.
///
/// # Errors
/// [`WorkloadError`] when that cannot be said for certain; the object is to be refused.
pub(super) fn named(kind: &GroupVersionKind, object: &Value) -> Result<Vec<Named>, WorkloadError> {
    let mut found = Found(Vec::new());
    let specification = Node::root(object)?.object("spec")?;
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod") => found.pod(&specification)?,
        ("serving.kserve.io", "InferenceService") => found.inference_service(&specification)?,
        (group, kind) => {
            return Err(WorkloadError::Kind { kind: kind.to_owned(), group: group.to_owned() });
        }
    }
    if found.0.is_empty() {
        return Err(WorkloadError::Nothing);
    }
    Ok(found.0)
}

struct Found(Vec<Named>);

impl Found {
    fn add(&mut self, place: String, what: Runs) -> Result<(), WorkloadError> {
        if self.0.len() >= MAX_NAMED {
            return Err(WorkloadError::TooMany);
        }
        self.0.push(Named { place, what });
        Ok(())
    }

    /// A pod's specification: containers of every sort, and images mounted as volumes.
    fn pod(&mut self, specification: &Node<'_>) -> Result<(), WorkloadError> {
        for list in CONTAINER_LISTS {
            for container in specification.list(list)? {
                let (place, image) =
                    container.text("image")?.ok_or_else(|| container.lacks_image())?;
                self.add(place, Runs::Image(image.to_owned()))?;
            }
        }
        for volume in specification.list("volumes")? {
            if let Some(image) = volume.optional_object("image")? {
                let (place, reference) =
                    image.text("reference")?.ok_or_else(|| image.lacks_image())?;
                self.add(place, Runs::Image(reference.to_owned()))?;
            }
        }
        Ok(())
    }

    fn inference_service(&mut self, specification: &Node<'_>) -> Result<(), WorkloadError> {
        for name in COMPONENTS {
            if let Some(component) = specification.optional_object(name)? {
                self.component(&component)?;
                if let Some(worker) = component.optional_object("workerSpec")? {
                    self.component(&worker)?;
                }
            }
        }
        Ok(())
    }

    /// A component is a pod's specification with a `model`, or with one of the older fields that
    /// are named after a framework (`sklearn`, `triton`, …): any object that names an image or a
    /// place to load from is one.
    fn component(&mut self, component: &Node<'_>) -> Result<(), WorkloadError> {
        self.pod(component)?;
        for list in CONTAINER_LISTS {
            for container in component.list(list)? {
                self.storage_variables(&container)?;
            }
        }
        for model in component.objects() {
            if model.name() == "workerSpec" {
                continue;
            }
            self.storage_variables(&model)?;
            if let Some((place, image)) = model.text("image")? {
                self.add(place, Runs::Image(image.to_owned()))?;
            }
            if let Some((place, uri)) = model.text("storageUri")? {
                self.add(place, Runs::Location(uri.to_owned()))?;
            }
            for opaque in ["storage", "storageUris"] {
                if model.has(opaque) {
                    return Err(WorkloadError::Storage { place: model.path(opaque) });
                }
            }
        }
        Ok(())
    }

    /// Where the environment of a container says that a model is loaded from.
    fn storage_variables(&mut self, container: &Node<'_>) -> Result<(), WorkloadError> {
        for variable in container.list("env")? {
            match variable.text("name")? {
                Some((_, STORAGE_VARIABLE)) => {}
                _ => continue,
            }
            let unclear = || WorkloadError::Storage { place: variable.path("valueFrom") };
            let (place, uri) = variable.text("value")?.ok_or_else(unclear)?;
            self.add(place, Runs::Location(uri.to_owned()))?;
        }
        Ok(())
    }
}

/// An object inside the reviewed one, with the path that leads to it.
struct Node<'v> {
    place: String,
    fields: &'v Map<String, Value>,
}

impl<'v> Node<'v> {
    fn root(value: &'v Value) -> Result<Self, WorkloadError> {
        Self::new(String::new(), value)
    }

    fn new(place: String, value: &'v Value) -> Result<Self, WorkloadError> {
        match value {
            Value::Object(fields) => Ok(Self { place, fields }),
            _ => Err(WorkloadError::Shape { place, expected: "an object" }),
        }
    }

    fn path(&self, field: &str) -> String {
        if self.place.is_empty() { field.to_owned() } else { format!("{}.{field}", self.place) }
    }

    fn name(&self) -> &str {
        self.place.rsplit('.').next().unwrap_or_default()
    }

    /// A field that is there and not null.
    fn field(&self, name: &str) -> Option<&'v Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    fn object(&self, name: &str) -> Result<Self, WorkloadError> {
        let place = self.path(name);
        match self.optional_object(name)? {
            Some(node) => Ok(node),
            None => Err(WorkloadError::Shape { place, expected: "an object" }),
        }
    }

    fn optional_object(&self, name: &str) -> Result<Option<Self>, WorkloadError> {
        self.field(name).map(|value| Self::new(self.path(name), value)).transpose()
    }

    /// Every field that is an object.
    fn objects(&self) -> impl Iterator<Item = Self> + '_ {
        self.fields.iter().filter_map(|(name, value)| Self::new(self.path(name), value).ok())
    }

    fn list(&self, name: &str) -> Result<Vec<Self>, WorkloadError> {
        let place = self.path(name);
        let items = match self.field(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(WorkloadError::Shape { place, expected: "a list" }),
        };
        if items.len() > MAX_NAMED {
            return Err(WorkloadError::TooMany);
        }
        let node = |(index, item)| Node::new(format!("{place}[{index}]"), item);
        items.iter().enumerate().map(node).collect()
    }

    fn text(&self, name: &str) -> Result<Option<(String, &'v str)>, WorkloadError> {
        let place = self.path(name);
        match self.field(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some((place, text))),
            Some(_) => Err(WorkloadError::Shape { place, expected: "a text" }),
        }
    }

    fn lacks_image(&self) -> WorkloadError {
        WorkloadError::Shape { place: self.path("image"), expected: "an image reference" }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> GroupVersionKind {
        GroupVersionKind { group: String::new(), version: "v1".into(), kind: "Pod".into() }
    }

    fn service() -> GroupVersionKind {
        GroupVersionKind {
            group: "serving.kserve.io".into(),
            version: "v1beta1".into(),
            kind: "InferenceService".into(),
        }
    }

    fn places(
        kind: &GroupVersionKind,
        specification: Value,
    ) -> Result<Vec<(String, String)>, WorkloadError> {
        let text = |runs| match runs {
            Runs::Image(image) => format!("image {image}"),
            Runs::Location(uri) => format!("location {uri}"),
        };
        Ok(named(kind, &json!({"spec": specification}))?
            .into_iter()
            .map(|named| (named.place, text(named.what)))
            .collect())
    }

    #[test]
    fn a_pod_names_all_it_runs() {
        let found = places(
            &pod(),
            json!({
                "containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}],
                "initContainers": [{"name": "c", "image": "c:1"}],
                "ephemeralContainers": [{"name": "d", "image": "d:1"}],
                "volumes": [{"name": "x", "emptyDir": {}}, {"name": "e", "image": {"reference": "e:1"}}],
            }),
        );
        let want = [
            ("spec.containers[0].image", "image a:1"),
            ("spec.containers[1].image", "image b:1"),
            ("spec.initContainers[0].image", "image c:1"),
            ("spec.ephemeralContainers[0].image", "image d:1"),
            ("spec.volumes[1].image.reference", "image e:1"),
        ];
        assert_eq!(found.unwrap(), want.map(|(place, what)| (place.into(), what.into())));
    }

    #[test]
    fn an_inference_service_names_all_it_runs() {
        let found = places(
            &service(),
            json!({
                "predictor": {
                    "model": {"modelFormat": {"name": "sklearn"}, "storageUri": "oci://r.example/m"},
                    "workerSpec": {"containers": [{"image": "w:1"}]},
                },
                "transformer": {"containers": [{"image": "t:1", "env": [
                    {"name": "LEVEL", "value": "info"},
                    {"name": "STORAGE_URI", "value": "s3://t"},
                ]}]},
                "explainer": {"art": {"storageUri": "s3://e", "image": "e:1"}},
            }),
        );
        let want = [
            ("spec.predictor.model.storageUri", "location oci://r.example/m"),
            ("spec.predictor.workerSpec.containers[0].image", "image w:1"),
            ("spec.transformer.containers[0].image", "image t:1"),
            ("spec.transformer.containers[0].env[1].value", "location s3://t"),
            ("spec.explainer.art.image", "image e:1"),
            ("spec.explainer.art.storageUri", "location s3://e"),
        ];
        assert_eq!(found.unwrap(), want.map(|(place, what)| (place.into(), what.into())));
    }

    #[test]
    fn what_cannot_be_said_for_certain_is_an_error() {
        let many = vec![json!({"image": "a:1"}); MAX_NAMED + 1];
        let half = vec![json!({"image": "a:1"}); MAX_NAMED / 2 + 1];
        let cases = [
            ("nothing", pod(), json!({})),
            ("empty", pod(), json!({"containers": []})),
            ("no image", pod(), json!({"containers": [{"name": "a"}]})),
            ("image of another type", pod(), json!({"containers": [{"image": 1}]})),
            ("containers of another type", pod(), json!({"containers": {"image": "a"}})),
            (
                "volume without reference",
                pod(),
                json!({"containers": [{"image": "a"}], "volumes": [{"image": {}}]}),
            ),
            ("too many", pod(), json!({"containers": many})),
            ("too many together", pod(), json!({"containers": half, "initContainers": half})),
            ("no model", service(), json!({"predictor": {"model": {}}})),
            (
                "location of another type",
                service(),
                json!({"predictor": {"model": {"storageUri": ["a"]}}}),
            ),
            (
                "by storage key",
                service(),
                json!({"predictor": {"model": {"storage": {"key": "x"}}}}),
            ),
            (
                "by a variable with its value elsewhere",
                service(),
                json!({"predictor": {"containers": [{"image": "a:1", "env": [
                    {"name": "STORAGE_URI", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "u"}}},
                ]}]}}),
            ),
            (
                "by a list",
                service(),
                json!({"predictor": {"model": {"storageUris": [{"uri": "s3://a"}]}}}),
            ),
        ];
        for (name, kind, specification) in cases {
            assert!(places(&kind, specification).is_err(), "{name}");
        }
    }

    #[test]
    fn other_kinds_are_not_judged() {
        let kind = GroupVersionKind {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
        };
        let object = json!({"spec": {"containers": [{"image": "a:1"}]}});
        assert!(matches!(named(&kind, &object), Err(WorkloadError::Kind { .. })));
        let kind = GroupVersionKind { group: "other.example".into(), ..pod() };
        assert!(matches!(named(&kind, &object), Err(WorkloadError::Kind { .. })));
    }
}
