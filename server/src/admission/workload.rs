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

/// Fields whose keys are chosen by whoever writes the object, and name no field.
const FREE_KEYS: [&str; 4] = ["annotations", "labels", "matchLabels", "nodeSelector"];

/// How the annotations begin by which KServe's controller tells its own hook what a pod loads;
/// anybody can write them.
const STORAGE_ANNOTATIONS: &str = "internal.serving.kserve.io/storage";
/// The one of them that is a location.
const SOURCE_ANNOTATION: &str = "internal.serving.kserve.io/storage-initializer-sourceuri";

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
    /// An inference service has a part that is not known, and may hold a model.
    #[error("`{place}` is none of the components that are judged ({})", COMPONENTS.join(", "))]
    Component {
        /// Path in the object.
        place: String,
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
    let object = Node::root(object)?;
    let specification = object.object("spec")?;
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod") => found.pod(&specification)?,
        ("serving.kserve.io", "InferenceService") => found.inference_service(&specification)?,
        (group, kind) => {
            return Err(WorkloadError::Kind { kind: kind.to_owned(), group: group.to_owned() });
        }
    }
    if let Some(metadata) = object.optional_object("metadata")? {
        found.annotations(&metadata)?;
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
        self.volumes(specification)
    }

    /// Images mounted as volumes.
    fn volumes(&mut self, specification: &Node<'_>) -> Result<(), WorkloadError> {
        for volume in specification.list("volumes")? {
            if let Some(image) = volume.optional_object("image")? {
                let (place, reference) =
                    image.text("reference")?.ok_or_else(|| image.lacks_image())?;
                self.add(place, Runs::Image(reference.to_owned()))?;
            }
        }
        Ok(())
    }

    /// What annotations make KServe's hook load into a pod.
    fn annotations(&mut self, metadata: &Node<'_>) -> Result<(), WorkloadError> {
        let Some(annotations) = metadata.optional_object("annotations")? else { return Ok(()) };
        for key in annotations.fields.keys().filter(|key| key.starts_with(STORAGE_ANNOTATIONS)) {
            match annotations.text(key)? {
                Some((place, uri)) if key == SOURCE_ANNOTATION => {
                    self.add(place, Runs::Location(uri.to_owned()))?;
                }
                Some((place, _)) => return Err(WorkloadError::Storage { place }),
                None => {}
            }
        }
        Ok(())
    }

    /// The components, and nothing beside them that could hold one.
    fn inference_service(&mut self, specification: &Node<'_>) -> Result<(), WorkloadError> {
        let holds = |value: &Value| value.is_object() || value.is_array();
        for (name, value) in specification.fields {
            if holds(value) && !COMPONENTS.contains(&name.as_str()) {
                return Err(WorkloadError::Component { place: specification.path(name) });
            }
        }
        for name in COMPONENTS {
            if let Some(component) = specification.optional_object(name)? {
                self.component(&component)?;
            }
        }
        Ok(())
    }

    /// A component is a pod's specification with a `model`, with one of the older fields that are
    /// named after a framework (`sklearn`, `triton`, …), with a `workerSpec`, or with locations of
    /// its own. What KServe reads where differs between its versions, so that images and locations
    /// are judged wherever they stand; as deep as a review is parsed, which is 128 levels.
    fn component(&mut self, node: &Node<'_>) -> Result<(), WorkloadError> {
        for (key, value) in node.fields {
            match key.as_str() {
                _ if value.is_null() => {}
                key if FREE_KEYS.contains(&key) => {}
                "volumes" => self.volumes(node)?,
                "env" => self.storage_variables(node)?,
                "image" => {
                    if let Some((place, image)) = node.text(key)? {
                        self.add(place, Runs::Image(image.to_owned()))?;
                    }
                }
                "storageUri" | "uri" => {
                    if let Some((place, uri)) = node.text(key)? {
                        self.add(place, Runs::Location(uri.to_owned()))?;
                    }
                }
                key if key.to_ascii_lowercase().starts_with("storage") => {
                    return Err(WorkloadError::Storage { place: node.path(key) });
                }
                list if CONTAINER_LISTS.contains(&list) => {
                    for container in node.list(list)? {
                        if !container.has("image") {
                            return Err(container.lacks_image());
                        }
                        self.component(&container)?;
                    }
                }
                key => self.below(&node.path(key), value)?,
            }
        }
        Ok(())
    }

    /// What an object, or any object in a list, says.
    fn below(&mut self, place: &str, value: &Value) -> Result<(), WorkloadError> {
        match value {
            Value::Object(_) => self.component(&Node::new(place.to_owned(), value)?),
            Value::Array(items) => {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(index, item)| self.below(&format!("{place}[{index}]"), item))
            }
            _ => Ok(()),
        }
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
            ("spec.transformer.containers[0].env[1].value", "location s3://t"),
            ("spec.transformer.containers[0].image", "image t:1"),
            ("spec.explainer.art.image", "image e:1"),
            ("spec.explainer.art.storageUri", "location s3://e"),
        ];
        assert_eq!(found.unwrap(), want.map(|(place, what)| (place.into(), what.into())));
    }

    #[test]
    fn a_location_counts_wherever_it_stands() {
        let good = json!([{"image": "a:1"}]);
        let cases = [
            ("predictor.storageUri", json!({"containers": good, "storageUri": "s3://e"})),
            (
                "predictor.containers[0].storageUri",
                json!({"containers": [{"image": "a:1", "storageUri": "s3://e"}]}),
            ),
            (
                "predictor.workerSpec.storageUri",
                json!({"containers": good, "workerSpec": {"storageUri": "s3://e"}}),
            ),
            (
                "predictor.model.lora.adapters[0].uri",
                json!({"containers": good, "model": {"lora": {"adapters": [{"uri": "s3://e"}]}}}),
            ),
            (
                "predictor.model.container.image",
                json!({"containers": good, "model": {"container": {"image": "s3://e"}}}),
            ),
        ];
        for (place, predictor) in cases {
            let found = places(&service(), json!({"predictor": predictor})).unwrap();
            let says = |(at, what): &(String, String)| {
                *at == format!("spec.{place}") && what.ends_with(" s3://e")
            };
            assert!(found.iter().any(says), "{place}: {found:?}");
            assert!(found.len() == 2, "{place}: {found:?}");
        }
    }

    #[test]
    fn an_annotation_can_bring_a_model() {
        let source = "internal.serving.kserve.io/storage-initializer-sourceuri";
        let cases = [
            ("none", json!({}), Some(1)),
            ("somebody's own", json!({"example.com/storage": "s3://e"}), Some(1)),
            ("a location", json!({source: "s3://e"}), Some(2)),
            ("by key", json!({"internal.serving.kserve.io/storage-spec": "true"}), None),
        ];
        for (name, annotations, want) in cases {
            let object = json!({
                "metadata": {"annotations": annotations},
                "spec": {"containers": [{"image": "a:1"}]},
            });
            let found = named(&pod(), &object).map(|found| found.len());
            assert_eq!(found.ok(), want, "{name}");
        }
    }

    #[test]
    fn names_that_anybody_may_choose_are_no_locations() {
        let found = places(
            &service(),
            json!({"maxReplicas": 2, "predictor": {
                "containers": [{"image": "a:1"}],
                "nodeSelector": {"storage": "fast"},
                "labels": {"storageUri": "s3://a"},
                "volumes": [{"ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "fast"}}}}],
            }}),
        );
        assert_eq!(found.unwrap().len(), 1);
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
            (
                "by a list beside the model",
                service(),
                json!({"predictor": {"containers": [{"image": "a:1"}], "storageUris": [{"uri": "s3://a"}]}}),
            ),
            (
                "by a list of the workers",
                service(),
                json!({"predictor": {"containers": [{"image": "a:1"}], "workerSpec": {"storageUris": []}}}),
            ),
            (
                "by a word that is not known yet",
                service(),
                json!({"predictor": {"containers": [{"image": "a:1", "storageRef": "a"}]}}),
            ),
            (
                "by a part that is not known",
                service(),
                json!({"predictor": {"containers": [{"image": "a:1"}]}, "canary": {"predictor": {}}}),
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
