//! When a certificate is judged: by a proven time, or not at all.

use attest::Timestamp;
use fixtures::authority::{CertificateAuthority, to_pem};
use verify::{Clock, NameKind, Pattern, Trust, Usage, Window, verify};

use crate::support::{
    BUILDER, FROM, NOW, SIGNED, Scene, UNTIL, add, bundle_of, moment, rule, said,
};

#[test]
fn a_certificate_counts_for_what_was_signed_while_it_held() {
    let scene = Scene::new();
    let by_clock = scene.trust(Usage::CodeSigning, &["clock"]);
    let by_now = scene.trust(Usage::CodeSigning, &["now"]);
    let either = scene.trust(Usage::CodeSigning, &["clock", "now"]);
    let (before, after) = ("2026-05-31T23:59:59Z", "2026-06-02T00:00:01Z");
    let cases: [(&str, &[&str], &Trust, &str, bool); 16] = [
        ("the first second", &[FROM], &by_clock, NOW, true),
        ("the last second", &[UNTIL], &by_clock, NOW, true),
        ("a second before", &[before], &by_clock, NOW, false),
        ("a second after", &[after], &by_clock, NOW, false),
        ("one time inside, one outside", &[SIGNED, after], &by_clock, NOW, false),
        ("two times inside", &[SIGNED, UNTIL], &by_clock, NOW, true),
        ("no time, and it has expired", &[], &by_clock, NOW, false),
        ("no time, and it holds now", &[], &by_clock, SIGNED, false),
        ("by now, while it holds", &[], &by_now, SIGNED, true),
        ("by now, in its last second", &[], &by_now, UNTIL, true),
        ("by now, a second later", &[], &by_now, after, false),
        ("by now, whatever another clock says", &[SIGNED], &by_now, NOW, false),
        ("either, the clock tells", &[SIGNED], &either, NOW, true),
        ("either, the clock tells otherwise", &[after], &either, UNTIL, false),
        ("either, no clock tells", &[], &either, UNTIL, true),
        ("from five minutes ahead", &["2026-06-01T12:05:01Z"], &by_clock, SIGNED, false),
    ];
    for (name, stamped, trust, now, want) in cases {
        let stamped: Vec<Timestamp> = stamped.iter().map(|time| moment(time)).collect();
        let found = verify(&scene.bundle(&scene.chain(), &stamped), trust, moment(now));
        assert_eq!(found.is_ok(), want, "{name}: {:?}", found.err());
        let Ok(found) = found else { continue };
        let times: Vec<Timestamp> = found.times().iter().map(|proven| proven.time).collect();
        assert_eq!(times, stamped, "{name}");
        let clock =
            |proven: &verify::ProvenTime| proven.by == Clock::Authority { root: "clock".into() };
        assert!(found.times().iter().all(clock), "{name}");
    }
}

#[test]
fn only_the_clocks_of_the_authority_tell_the_time() {
    let scene = Scene::new();
    let (early, late) = (moment("2024-01-01T00:00:00Z"), moment("2034-01-01T00:00:00Z"));
    let stranger = CertificateAuthority::root("clocks").unwrap();
    let alike = stranger.clock("clock", early, late).unwrap();
    // Under the right root, and not the one that the trust file names.
    let sibling = scene.clock_root.clock("another", early, late).unwrap();
    let ended = scene.clock_root.clock("ended", early, moment(FROM)).unwrap();
    let envelope = scene.envelope();
    let signature = envelope.signatures[0].sig.as_slice();
    let signed = moment(SIGNED);
    let good = scene.clock.stamp(signature, signed).unwrap();
    let mut broken = good.clone();
    *broken.last_mut().unwrap() ^= 1;
    let trust = scene.trust(Usage::CodeSigning, &["clock"]);
    let ended_pem = to_pem(&[ended.certificate(), scene.clock_root.certificate()]);
    let with = |pem: &str, window| {
        let mut trust = Trust::empty();
        trust.add_clock("clock", pem, window).unwrap();
        let root = to_pem(&[scene.root.certificate()]);
        trust.add_authority("corporate", &root, None, Usage::CodeSigning, &["clock"]).unwrap();
        add(&mut trust, "builder", &rule(NameKind::Uri, Pattern::exact(BUILDER)), "ci-team");
        trust
    };
    let until = |until| Window { from: None, until: Some(moment(until)) };
    let cases = [
        ("the clock's", vec![good.clone()], trust.clone(), true),
        ("a bit changed", vec![broken], trust.clone(), false),
        (
            "of another signature",
            vec![scene.clock.stamp(b"x", signed).unwrap()],
            trust.clone(),
            false,
        ),
        (
            "of a clock of the same name",
            vec![alike.stamp(signature, signed).unwrap()],
            trust.clone(),
            false,
        ),
        ("of its sibling", vec![sibling.stamp(signature, signed).unwrap()], trust.clone(), false),
        (
            "a stranger's beside it",
            vec![alike.stamp(signature, signed).unwrap(), good.clone()],
            trust.clone(),
            true,
        ),
        (
            "of a clock that had expired",
            vec![ended.stamp(signature, signed).unwrap()],
            with(&ended_pem, Window::default()),
            false,
        ),
        ("while it was believed", vec![good.clone()], with(&scene.clock_pem(), until(UNTIL)), true),
        ("when it no longer was", vec![good], with(&scene.clock_pem(), until(SIGNED)), false),
    ];
    for (name, stamps, trust, want) in cases {
        let found = said(&bundle_of(&envelope, &scene.chain(), &stamps), &trust);
        assert_eq!(found == "builder", want, "{name}: {found}");
    }
}
