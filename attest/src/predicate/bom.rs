//! CycloneDX bills of materials: licences, and what is said of vulnerabilities.
//!
//! Source: CycloneDX 1.6 (`https://cyclonedx.org/docs/1.6/json/`), members `metadata.component`,
//! `components`, `licenses` and `vulnerabilities`. A bill is kept as it came and read where it
//! lies; what has another shape than the format says is an error and never "no licence".

use serde_json::Value;

use super::{CYCLONEDX, Predicate};

/// The most components of one bill that are read, with those inside others.
pub const MAX_COMPONENTS: usize = 100_000;
/// How deep components may be inside each other.
const MAX_DEPTH: usize = 16;

/// A bill of materials.
#[derive(Clone, Copy, Debug)]
pub struct Bom<'a> {
    value: &'a Value,
}

/// A component, or what the whole bill is of.
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    value: &'a Value,
}

/// What a bill says of one vulnerability.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Analysis<'a> {
    /// Its identifier.
    pub id: &'a str,
    /// The state, such as `not_affected`, `resolved` or `exploitable`.
    pub state: &'a str,
}

/// Why a bill cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BomError {
    /// It is no bill.
    #[error("`bomFormat` is not `CycloneDX`")]
    Format,
    /// A part has another shape than the format says.
    #[error("`{0}` has not the shape of CycloneDX")]
    Shape(
        /// The member.
        &'static str,
    ),
    /// There are too many components, or they lie too deep inside each other.
    #[error("more than {MAX_COMPONENTS} components, or more than {MAX_DEPTH} inside each other")]
    TooMany,
}

impl<'a> Bom<'a> {
    /// The bill that `predicate` is; `None` for any other predicate.
    ///
    /// # Errors
    /// [`BomError::Format`].
    pub fn of(predicate: &'a Predicate) -> Option<Result<Self, BomError>> {
        let Predicate::Other { predicate_type, value } = predicate else { return None };
        if predicate_type != CYCLONEDX {
            return None;
        }
        let format = value.get("bomFormat").and_then(Value::as_str);
        Some(if format == Some("CycloneDX") { Ok(Self { value }) } else { Err(BomError::Format) })
    }

    /// What the bill is of.
    pub fn subject(&self) -> Option<Component<'a>> {
        let value = self.value.get("metadata")?.get("component")?;
        Some(Component { value })
    }

    /// Every component, those inside others too, outer ones first.
    ///
    /// # Errors
    /// [`BomError`] when there are more than are read, or one is none.
    pub fn components(&self) -> Result<Vec<Component<'a>>, BomError> {
        let mut found = Vec::new();
        let mut layer = vec![self.value];
        if let Some(subject) = self.subject() {
            layer.push(subject.value);
        }
        for depth in 0.. {
            let mut next = Vec::new();
            for whole in layer {
                for value in list(whole, "components")? {
                    if !value.is_object() {
                        return Err(BomError::Shape("components"));
                    }
                    found.push(Component { value });
                    next.push(value);
                }
            }
            if next.is_empty() {
                return Ok(found);
            }
            if depth == MAX_DEPTH || found.len() > MAX_COMPONENTS {
                return Err(BomError::TooMany);
            }
            layer = next;
        }
        Ok(found)
    }

    /// What it says of vulnerabilities, where it says in which state they are.
    ///
    /// # Errors
    /// [`BomError::Shape`].
    pub fn analyses(&self) -> Result<Vec<Analysis<'a>>, BomError> {
        let wrong = || BomError::Shape("vulnerabilities");
        let mut found = Vec::new();
        for one in list(self.value, "vulnerabilities")? {
            let id = one.get("id").and_then(Value::as_str).ok_or_else(wrong)?;
            let Some(state) = one.get("analysis").and_then(|analysis| analysis.get("state")) else {
                continue;
            };
            found.push(Analysis { id, state: state.as_str().ok_or_else(wrong)? });
        }
        Ok(found)
    }
}

impl<'a> Component<'a> {
    /// What to call it: its name with its version.
    pub fn label(&self) -> String {
        let text = |member: &str| self.value.get(member).and_then(Value::as_str);
        let name = text("name").unwrap_or("(unnamed)");
        match text("version") {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        }
    }

    /// Its licences, as SPDX identifiers, names or expressions. All of them apply.
    ///
    /// # Errors
    /// [`BomError::Shape`].
    pub fn licences(&self) -> Result<Vec<&'a str>, BomError> {
        let text = |value: Option<&'a Value>| value.and_then(Value::as_str);
        let mut found = Vec::new();
        for choice in list(self.value, "licenses")? {
            let expression = text(choice.get("expression"));
            let named = || {
                let licence = choice.get("license")?;
                text(licence.get("id")).or_else(|| text(licence.get("name")))
            };
            found.push(expression.or_else(named).ok_or(BomError::Shape("licenses"))?);
        }
        Ok(found)
    }
}

fn list<'a>(value: &'a Value, member: &'static str) -> Result<&'a [Value], BomError> {
    match value.get(member) {
        None => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(BomError::Shape(member)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bom(value: Value) -> Predicate {
        Predicate::Other { predicate_type: CYCLONEDX.into(), value }
    }

    #[test]
    fn licences_are_read_at_every_depth_and_all_apply() {
        let predicate = bom(json!({
            "bomFormat": "CycloneDX",
            "metadata": {"component": {"name": "data", "licenses": [{"license": {"id": "MIT"}}]}},
            "components": [{
                "name": "outer", "version": "1",
                "licenses": [{"license": {"name": "Own"}}, {"license": {"id": "MIT"}}],
                "components": [{"name": "inner", "licenses": [{"expression": "MIT OR X"}]}],
            }],
        }));
        let bom = Bom::of(&predicate).unwrap().unwrap();
        assert_eq!(bom.subject().unwrap().licences(), Ok(vec!["MIT"]));
        let found: Vec<(String, Vec<&str>)> = bom
            .components()
            .unwrap()
            .iter()
            .map(|one| (one.label(), one.licences().unwrap()))
            .collect();
        let want =
            [("outer 1".to_owned(), vec!["Own", "MIT"]), ("inner".to_owned(), vec!["MIT OR X"])];
        assert_eq!(found, want);
    }

    #[test]
    fn another_shape_is_an_error() {
        let read = |value: Value| {
            let predicate = bom(value);
            Bom::of(&predicate).unwrap().and_then(|bom| {
                bom.analyses()?;
                bom.components()?.iter().try_for_each(|one| one.licences().map(drop))
            })
        };
        let with = |member: &str, value: Value| json!({"bomFormat": "CycloneDX", member: value});
        let good = json!([{"licenses": [{"license": {"id": "MIT"}}]}]);
        assert_eq!(read(with("components", good)), Ok(()));
        let cases = [
            (json!({}), BomError::Format),
            (with("components", json!({})), BomError::Shape("components")),
            (with("components", json!([1])), BomError::Shape("components")),
            (with("components", json!([{"licenses": [{}]}])), BomError::Shape("licenses")),
            (with("components", json!([{"licenses": "MIT"}])), BomError::Shape("licenses")),
            (with("vulnerabilities", json!([{}])), BomError::Shape("vulnerabilities")),
        ];
        for (value, want) in cases {
            assert_eq!(read(value.clone()), Err(want), "{value}");
        }
        let mut deep = json!({});
        for _ in 0..MAX_DEPTH + 2 {
            deep = json!({"components": [deep]});
        }
        deep["bomFormat"] = "CycloneDX".into();
        assert_eq!(read(deep), Err(BomError::TooMany));
    }
}
