//! Who would be believed if they revoked something next, held against what following the register
//! makes of it once they have.

use verify::Unheard;

use crate::support::{follow, scene, trust};

#[test]
fn whoever_is_heard_beforehand_is_heard_afterwards_and_nobody_else() {
    let artifact = "{id: before, sign: security, says: revocation, about: data/holdout}";
    let key =
        "{id: before, sign: security, says: revocation, revokes: key, about: x is key:security}";
    let out = Unheard::OutOfScope { name: "trainer".into() };
    let revoked = Unheard::Revoked { name: "security".into(), index: 3 };
    let cases = [
        ("who may", artifact, "security", Some(None)),
        ("who may sign something else", artifact, "trainer", Some(Some(out))),
        ("whom nobody knows", artifact, "stranger", None),
        ("who is revoked", key, "security", Some(Some(revoked))),
    ];
    for (case, before, by, want) in cases {
        let next = format!("{before}\n{{id: next, sign: {by}, says: revocation, about: model}}");
        let (scene, after) = (scene(before), scene(&next));
        let signed = after.submissions.iter().find(|one| one.id == "next").unwrap();
        let key = signed.keys[0].id();
        let negatives = follow(&scene).unwrap().negatives;
        let found = negatives.hears(&trust(&scene), &key).err();
        assert_eq!(found, want.unwrap_or(Some(Unheard::Unknown(key))), "{case}");

        let counted = follow(&after).unwrap().negatives;
        let body = after.body("next").unwrap();
        let counts = counted.revocations().iter().any(|one| one.body == body);
        assert_eq!(counts, found.is_none(), "{case}");
    }
}
