//! Signatures attach to bodies: evidence for one body is united, whatever bundles it comes in.

use attest::Bundle;
use verify::{Direction, Lineage, Negatives, Trace};

use crate::support::{bundle, file, now, scene, trust};

#[test]
fn one_signature_then_two() {
    let scene = scene(
        r#"
        {id: first, sign: trainer, says: training, step: train, about: model}
        {id: later, sign: second, same-body-as: first}
        {id: third, sign: stranger, same-body-as: first}
        {id: loose, sign: second, same-body-as: first, log: nowhere}
        "#,
    );
    let trust = trust(&scene);
    let none = Negatives::none();
    let lineage = |ids: &[&str]| -> Lineage {
        let mut trace = Trace::new(file("model"), Direction::Up, &trust, &none, now());
        let bundles: Vec<Bundle> = ids.iter().map(|id| bundle(&scene, id)).collect();
        trace.supply(file("model"), bundles, None);
        trace.finish()
    };
    let cases: [(&[&str], usize, Option<u64>); 7] = [
        (&["first"], 1, Some(3)),
        (&["later"], 1, Some(4)),
        (&["first", "later"], 2, Some(3)),
        (&["later", "first"], 2, Some(3)),
        (&["first", "first", "first"], 1, Some(3)),
        (&["first", "third"], 1, Some(3)),
        (&["loose"], 1, None),
    ];
    for (ids, owners, index) in cases {
        let lineage = lineage(ids);
        assert_eq!(lineage.attestations().len(), 1, "{ids:?}");
        assert_eq!(lineage.rejected(), [], "{ids:?}: a body that is believed is not rejected");
        let found = &lineage.attestations()[0];
        assert_eq!((found.owners().len(), found.index), (owners, index), "{ids:?}");
    }
    assert_eq!(lineage(&["third"]).rejected().len(), 1);
}
