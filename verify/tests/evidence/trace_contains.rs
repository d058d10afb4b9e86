//! Kinds join through a checked manifest and through nothing else.

use attest::Kind;
use verify::Direction;

use crate::support::{changed, file, follow, traced, trust, up};

const TREE: (&str, &str) = (
    "keys:",
    "contents: {bundle: {tree: {a.bin: shard-a, b/b.bin: shard-b}}, image: {manifest: [config, shard-a]}}\nkeys:",
);
const EVENT: &str = "{id: pack, sign: trainer, says: training, step: train, about: model is tree:bundle, manifests: bundle}";

#[test]
fn a_tree_has_the_parts_of_its_manifest() {
    let scene = changed(EVENT, &[TREE, ("artifact: model", "artifact: tree:bundle")]);
    let lineage = up(&scene);
    let root = lineage.root();
    assert_eq!(root.kind(), Some(Kind::Tree));
    let parts: Vec<_> =
        lineage.parts_of(&root).iter().map(|one| (one.part, one.name.as_str())).collect();
    let mut want = vec![(file("shard-a"), "a.bin"), (file("shard-b"), "b/b.bin")];
    want.sort();
    assert_eq!(parts, want);
    assert_eq!(
        lineage.wholes_of(&file("shard-a")).map(|one| one.whole).collect::<Vec<_>>(),
        [root]
    );
    assert!(lineage.artifacts().contains(&file("shard-a")), "a part's history is the whole's");
}

#[test]
fn what_proves_nothing() {
    let byproduct = "/predicate/runDetails/byproducts/0";
    let cases = [
        ("as made", String::new(), 2),
        ("another media type", format!("set: {{{byproduct}/mediaType: text/plain}}, "), 0),
        ("no media type", format!("remove: [{byproduct}/mediaType], "), 0),
        ("no content", format!("remove: [{byproduct}/content], "), 0),
        ("not base64", format!("set: {{{byproduct}/content: \"%\"}}, "), 0),
        ("another's manifest", format!("set: {{{byproduct}/content: aGVsbG8K}}, "), 0),
        // The digest beside it is a claim; that of the bytes counts.
        (
            "a digest that is not its own",
            format!("set: {{{byproduct}/digest/sha256: \"${{hex other}}\"}}, "),
            2,
        ),
    ];
    for (name, change, want) in cases {
        let event = EVENT.replace("says:", &format!("{change}says:"));
        let scene = changed(&event, &[TREE, ("artifact: model", "artifact: tree:bundle")]);
        let lineage = up(&scene);
        assert_eq!(lineage.parts_of(&lineage.root()).len(), want, "{name}");
    }
    // A stranger's manifest is right as well, but nothing of a stranger's is looked at.
    let event = EVENT.replace("sign: trainer", "sign: stranger");
    let scene = changed(&event, &[TREE, ("artifact: model", "artifact: tree:bundle")]);
    assert_eq!(up(&scene).contains(), []);
}

#[test]
fn an_image_has_layers() {
    let event = "{id: pack, sign: trainer, says: training, step: train, about: model is oci-manifest:image, manifests: image}";
    let scene = changed(event, &[TREE, ("artifact: model", "artifact: oci-manifest:image")]);
    let lineage = up(&scene);
    let parts = lineage.parts_of(&lineage.root());
    assert!(
        parts.iter().any(|one| one.part == file("shard-a") && one.name == "layer"),
        "{parts:?}"
    );
    assert!(
        parts.iter().any(|one| one.part == file("config") && one.name == "config"),
        "{parts:?}"
    );
}

#[test]
fn revocations_go_both_ways() {
    for revoked in ["shard-a", "x is tree:bundle"] {
        let events =
            format!("{EVENT}\n{{id: r, sign: security, says: revocation, about: {revoked}}}");
        let scene = changed(&events, &[TREE, ("artifact: model", "artifact: tree:bundle")]);
        let lineage = up(&scene);
        assert!(lineage.revoked(&lineage.root()).is_some(), "{revoked}");
        assert!(lineage.revoked(&file("shard-a")).is_some(), "{revoked}");
        let followed = follow(&scene).unwrap();
        let down =
            traced(&scene, lineage.root(), Direction::Down, &trust(&scene), &followed.negatives);
        assert!(down.revoked(&file("shard-b")).is_some(), "{revoked}");
    }
}
