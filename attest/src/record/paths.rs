//! The paths of a plan as names below the root, held against each other.

use std::path::Path;

use super::{Plan, RecordError};
use crate::name::check_product_names;
use crate::predicate::BuildKind;
use crate::root::{OpenError, Root};

/// How many materials, and how many products, a step may have. More belong into folders.
const MAX_PATHS: usize = 1000;
/// The role of what an evaluation evaluates.
pub(super) const MODEL: &str = "model";
/// The roles of what an evaluation evaluates on.
pub(super) const DATASETS: [&str; 2] = ["holdout-dataset", "dataset"];

/// A material by its name below the root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) role: Option<String>,
}

/// The names of a plan.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) materials: Vec<Named>,
    pub(super) products: Vec<String>,
    pub(super) metrics: Option<String>,
}

impl Paths {
    /// Names what a plan mentions, and checks that it can be recorded at all.
    pub(super) fn of(plan: &Plan, root: &Root, directory: &Path) -> Result<Self, RecordError> {
        for count in [plan.materials.len(), plan.products.len()] {
            if count > MAX_PATHS {
                return Err(RecordError::TooManyPaths { count, limit: MAX_PATHS });
            }
        }
        let name = |path: &Path| root.name_of(directory, path);
        let materials = plan.materials.iter().map(|material| {
            let role = material.role.as_ref().map(|role| role.as_str().to_owned());
            Ok(Named { name: name(&material.path)?, role })
        });
        let materials = materials.collect::<Result<Vec<_>, OpenError>>()?;
        let products = plan.products.iter().map(|path| name(path));
        let products = products.collect::<Result<Vec<_>, OpenError>>()?;
        let metrics = plan.metrics.as_deref().map(name).transpose()?;
        let found = Self { materials, products, metrics };
        found.check_apart()?;
        check_product_names(found.products.iter().map(String::as_str)).map_err(OpenError::from)?;
        found.check_kind(plan)?;
        Ok(found)
    }

    /// Everything that the command must write, each once.
    pub(super) fn written(&self) -> impl Iterator<Item = &str> {
        let products = self.products.iter().map(String::as_str);
        let metrics = self
            .metrics
            .as_deref()
            .filter(|metrics| self.products.iter().all(|name| name != metrics));
        products.chain(metrics)
    }

    /// Whether a file is mentioned, by itself or with a folder.
    pub(super) fn mention(&self, file: &str) -> bool {
        let materials = self.materials.iter().map(|material| material.name.as_str());
        materials.chain(self.written()).any(|name| holds(name, file))
    }

    /// The one material with one of `roles`; how many there are when it is not one.
    pub(super) fn only(&self, roles: &[&str]) -> Result<usize, usize> {
        let is = |named: &Named| named.role.as_deref().is_some_and(|role| roles.contains(&role));
        let mut places = (0..).zip(&self.materials).filter(|(_, named)| is(named));
        match (places.next(), places.count()) {
            (Some((place, _)), 0) => Ok(place),
            (None, _) => Err(0),
            (Some(_), more) => Err(more + 1),
        }
    }

    fn check_apart(&self) -> Result<(), RecordError> {
        let overlap = |one: &str, other: &str| {
            Err(RecordError::Overlap { one: one.into(), other: other.into() })
        };
        for (place, material) in self.materials.iter().enumerate() {
            let later = self.materials.iter().skip(place + 1);
            if let Some(same) = later.into_iter().find(|later| later.name == material.name) {
                return overlap(&material.name, &same.name);
            }
            let name = material.name.as_str();
            if let Some(product) = self.written().find(|product| meet(name, product)) {
                return overlap(name, product);
            }
        }
        for (place, product) in self.products.iter().enumerate() {
            let mut later = self.products.iter().skip(place + 1);
            if let Some(other) = later.find(|other| meet(product, other)) {
                return overlap(product, other);
            }
        }
        Ok(())
    }

    fn check_kind(&self, plan: &Plan) -> Result<(), RecordError> {
        if plan.kind != BuildKind::Evaluation {
            return match self.products.len() {
                0 => Err(RecordError::NoProduct(plan.kind)),
                count if count > 1 && plan.name.is_some() => Err(RecordError::NameOfSeveral(count)),
                _ => Ok(()),
            };
        }
        if self.metrics.is_none() {
            return Err(RecordError::NoMetrics);
        }
        let roles = |wanted, example| move |found| RecordError::Roles { wanted, found, example };
        self.only(&[MODEL]).map_err(roles("`model`", "model"))?;
        self.only(&DATASETS).map_err(roles("`holdout-dataset` or `dataset`", "holdout-dataset"))?;
        Ok(())
    }
}

/// Whether `file` is `name` or below it.
fn holds(name: &str, file: &str) -> bool {
    file.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn meet(one: &str, other: &str) -> bool {
    holds(one, other) || holds(other, one)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::record::Material;

    fn check(
        kind: &str,
        materials: &[&str],
        products: &[&str],
        metrics: Option<&str>,
        name: Option<&str>,
    ) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        let mut plan =
            Plan::new(kind.parse().unwrap(), "step".parse().unwrap(), vec!["true".into()]);
        plan.materials = materials.iter().map(|text| Material::parse(OsStr::new(text))).collect();
        plan.products = products.iter().map(Into::into).collect();
        plan.metrics = metrics.map(Into::into);
        plan.name = name.map(|name| name.parse().unwrap());
        Paths::of(&plan, &root, root.path()).map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_step_reads_and_writes_is_apart() {
        type Case =
            (&'static [&'static str], &'static [&'static str], Option<&'static str>, &'static str);
        let cases: [Case; 13] = [
            (&["a"], &["b"], None, ""),
            (&["a", "a/x"], &["ab"], None, ""),
            (&[], &["b"], Some("b"), ""),
            (&[], &["b"], Some("b/metrics.json"), ""),
            (&["a"], &[], None, "needs a product"),
            (&["a"], &["./a"], None, "overlap"),
            (&["a"], &["a/b"], None, "overlap"),
            (&["a/b"], &["a"], None, "overlap"),
            (&["a", "x=a"], &["b"], None, "overlap"),
            (&[], &["b", "b/c"], None, "overlap"),
            (&["m"], &["b"], Some("m"), "overlap"),
            (&["../a"], &["b"], None, "outside"),
            (&[], &["b", "B"], None, "B"),
        ];
        for (materials, products, metrics, want) in cases {
            let found = check("training", materials, products, metrics, None);
            let shown = format!("{materials:?} {products:?} {metrics:?}: {found:?}");
            match want {
                "" => assert!(found.is_ok(), "{shown}"),
                _ => assert!(found.is_err_and(|error| error.contains(want)), "{shown}"),
            }
        }
        assert!(check("training", &[], &["b"], None, Some("bc@1")).is_ok());
        let several = check("training", &[], &["b", "c"], None, Some("bc@1"));
        assert!(several.unwrap_err().contains("one product"));
    }

    #[test]
    fn an_evaluation_says_what_it_evaluates_and_on_what() {
        let cases: [(&[&str], Option<&str>, &str); 6] = [
            (&["model=m", "holdout-dataset=d"], Some("x"), ""),
            (&["model=m", "dataset=d", "source=s"], Some("x"), ""),
            (&["model=m", "holdout-dataset=d"], None, "--metrics"),
            (&["m", "holdout-dataset=d"], Some("x"), "has 0"),
            (&["model=m", "model=n", "dataset=d"], Some("x"), "has 2"),
            (&["model=m", "dataset=d", "holdout-dataset=e"], Some("x"), "holdout-dataset=PATH"),
        ];
        for (materials, metrics, want) in cases {
            let found = check("evaluation", materials, &[], metrics, None);
            match want {
                "" => assert!(found.is_ok(), "{materials:?}: {found:?}"),
                _ => assert!(found.as_ref().is_err_and(|error| error.contains(want)), "{found:?}"),
            }
        }
    }
}
