//! A rule that states one bound and holds another is found; nobody can write one, so it is put into
//! the model.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use attest::predicate::EVALUATION;
use attest::{Decimal, Predicate, StepName};
use fixtures::{LOG_ORIGIN, Scene};
use verify::{Direction, Follower, Lineage, Trace};

use super::*;
use crate::code::Code;
use crate::draft::{Draft, Problem, bodies};
use crate::model::Model;
use crate::rules::bound::{Bound, Side};
use crate::rules::rule::{Reads, Rule, View};

/// Says that accuracy is at least 0.95, and holds it against something else.
#[derive(Debug)]
struct Planted(Decimal);

impl Rule for Planted {
    fn place(&self) -> &str {
        "planted"
    }

    fn asks(&self, _: &Model) -> String {
        "accuracy is at least 0.95".into()
    }

    fn reads(&self, _: &Model) -> Vec<Reads> {
        let bound = Bound::new(Side::AtLeast, "0.95".parse().unwrap());
        let bound = bound.of_metric("accuracy").in_field("value").on_parts(false);
        let step: StepName = "evaluate".parse().unwrap();
        let field = Reads::field("/predicate/measurements/*");
        vec![Reads::Step(step), Reads::Type(EVALUATION.into()), field, Reads::Bound(bound)]
    }

    fn judge(&self, view: View<'_, '_>, draft: &mut Draft) {
        let mut read = view.chain.all().filter_map(|one| match &one.statement().predicate {
            Predicate::Evaluation(evaluation) => Some((one, evaluation)),
            _ => None,
        });
        let Some((one, evaluation)) = read.next() else {
            draft.follows("planted", "nobody evaluated it".into());
            return;
        };
        let mut whole = evaluation.measurements.iter().filter(|one| one.slice.is_none());
        if whole.any(|one| one.value >= self.0) {
            draft.pass("planted", bodies([one]), None);
        } else {
            let problem = Problem::fail(Code::MetricThreshold, "it is too low".into(), "train");
            draft.fail("planted", vec![problem]);
        }
    }
}

fn honest() -> Scene {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/attacks");
    let mut rows = fixtures::load(&here).unwrap().into_iter().flat_map(|case| case.rows);
    let row = rows.find(|row| row.name == "the honest line").unwrap();
    row.scene("2026-11-20T12:00:00Z".parse().unwrap()).unwrap()
}

fn lineage(scene: &Scene, trust: &Trust) -> Lineage {
    let mut follower = Follower::new(LOG_ORIGIN, trust).unwrap();
    for (index, (leaf, body)) in (0..).zip(&scene.leaves) {
        follower.leaf(index, leaf.bytes(), body.as_deref()).unwrap();
    }
    let followed = follower.finish(&scene.checkpoint, trust).unwrap();
    let mut trace =
        Trace::new(scene.artifact, Direction::Up, trust, &followed.negatives, scene.now);
    while let Some(wanted) = trace.wanted().first().copied() {
        let about = scene.evidence.iter().filter(|one| one.subjects.contains(&wanted));
        trace.supply(wanted, about.filter_map(|one| one.registered.clone()).collect(), None);
    }
    trace.finish()
}

#[test]
fn a_rule_that_holds_another_bound_than_it_states_is_found() {
    let scene = honest();
    let trust = Trust::parse(&scene.trust).unwrap();
    let lineage = lineage(&scene, &trust);
    let loose = BTreeSet::from([FaultKind::LooseBound]);
    let vacuous = BTreeSet::from([FaultKind::VacuousBound]);
    // The number at hand is 0.97.
    let rows =
        [("0.95", BTreeSet::new()), ("0.94999999", loose.clone()), ("0.5", loose), ("0", vacuous)];
    for (holds, want) in rows {
        let mut policy = Policy::parse(&scene.policy).unwrap();
        let rule = Planted(holds.parse().unwrap());
        policy.model.asks.insert("planted".into(), rule.asks(&policy.model));
        policy.model.rules.push(Arc::new(rule));
        let Scene { artifact, stage, now, .. } = &scene;
        let specimen = Specimen { artifact, stage, lineage: &lineage, trust: &trust, now: *now };
        let report = policy.lint(&specimen, &mut |_, _| {}).unwrap();
        assert!(report.faults.iter().all(|fault| fault.rule == "planted"), "{report:?}");
        let found: BTreeSet<_> = report.faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(found, want, "{holds}: {:?}", report.faults);
    }
}
