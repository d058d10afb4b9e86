//! How many bundles one core verifies in a second: by a key, and keyless.
//!
//! A bundle by a key, with its entry in a log, is compared with checking two signatures of the same
//! kinds, which it cannot do without. A keyless one, of Sigstore's conformance cases, is compared
//! with Sigstore's own client in Python, which verifies the very same bundle in the same run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use attest::Timestamp;
use fixtures::{Recipe, Scene};
use serde_json::json;
use verify::{
    Custody, Demands, May, Pattern, SigstoreArtifact, SigstoreBundle, SigstoreRoot, Trust, Whom,
    Window, verify, verify_sigstore,
};

use crate::report::Report;
use crate::timing::median;

const RUNS: usize = 51;
const BUNDLES_A_RUN: usize = 20;
const CASE: &str = "sigstore/bundle-verify/happy-path-v0.3";
const SUBJECT: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";
/// Reads the bundle once and says how many times a second it is verified.
const PEER: &str = "
import pathlib, sys, time
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity
bundle, root, artifact, subject, issuer = sys.argv[1:]
verifier = Verifier(trusted_root=TrustedRoot.from_file(root))
text, data = pathlib.Path(bundle).read_bytes(), pathlib.Path(artifact).read_bytes()
policy = Identity(identity=subject, issuer=issuer)
count, start = 0, time.monotonic()
while time.monotonic() - start < 3:
    verifier.verify_artifact(data, Bundle.from_json(text), policy)
    count += 1
print(count / (time.monotonic() - start))
";

/// Measures `bundle.verify.key` and `bundle.verify.keyless`.
pub(crate) fn measure(report: &mut Report) {
    by_key(report);
    keyless(report);
}

fn per_second(mut check: impl FnMut()) -> f64 {
    let time = median(RUNS, || {
        for _ in 0..BUNDLES_A_RUN {
            check();
        }
    });
    BUNDLES_A_RUN as f64 / time.as_secs_f64()
}

fn by_key(report: &mut Report) {
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let recipe: Recipe = serde_json::from_value(json!({
        "artifact": "model",
        "stage": "production",
        "keys": {"trainer": {"predicates": ["provenance"], "steps": ["train"], "artifacts": ["model"]}},
        "evidence": [{"id": "train", "sign": "trainer", "says": "training", "step": "train", "about": "model", "at": "-1h"}],
    }))
    .unwrap();
    let scene = Scene::new(&recipe, &json!({}), now).unwrap();
    let trust = Trust::parse(&scene.trust).unwrap();
    let bundle = scene.evidence[0].presented.clone();
    assert!(!verify(&bundle, &trust, now).unwrap().logged().is_empty());

    let key = trust.keys()[0].key().clone();
    let (pae, signature) = (bundle.envelope.pae(), bundle.envelope.signatures[0].sig.clone());
    let log = fixtures::log_signer().unwrap();
    let note = log.sign("log.example\n1\nAAAA\n").unwrap();
    let two = per_second(|| {
        key.verify(&pae, &signature).unwrap();
        note.open(log.verifier()).unwrap();
    });
    report.probe("probe.2-signatures", two, "/s");
    // A verifier that starts anew for every bundle: nothing is remembered between them.
    let each = per_second(|| drop(std::hint::black_box(verify(&bundle, &trust, now).unwrap())));
    report.figure("bundle.verify.key", each, "/s", "probe.2-signatures");
}

fn keyless(report: &mut Report) {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors");
    let vectors = std::env::var("ASSAY_VECTORS").map_or_else(|_| beside(), PathBuf::from);
    let files = [
        vectors.join(CASE).join("bundle.sigstore.json"),
        vectors.join("sigstore/production_trusted_root.json"),
        vectors.join("sigstore/a.txt"),
    ];
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin/python");
    if !files.iter().all(|file| file.is_file()) || !python.is_file() {
        println!(
            "!!! bundle.verify.keyless NOT MEASURED: it needs the vectors and target/peers !!!"
        );
        return;
    }
    let [bundle, root, artifact] = files.clone().map(|file| std::fs::read(file).unwrap());
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let mut trust = Trust::empty();
    let root = SigstoreRoot::parse(std::str::from_utf8(&root).unwrap()).unwrap();
    trust.add_root("public", &root, Demands::default()).unwrap();
    let whom = Whom {
        issuer: Pattern::exact(ISSUER).unwrap(),
        subject: Pattern::exact(SUBJECT).unwrap(),
        claims: BTreeMap::new(),
    };
    let (may, window, custody) = (May::default(), Window::default(), Custody::default());
    trust.add_signer("signer", "public", &whom, "owner", &may, window, custody).unwrap();

    let mut command = Command::new(python);
    command.args(["-c", PEER]).args(&files).args([SUBJECT, ISSUER]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let theirs = said.trim().parse().expect("sigstore verifies the bundle");
    report.probe("probe.sigstore-python", theirs, "/s");
    let each = per_second(|| {
        let bundle = SigstoreBundle::parse(&bundle).unwrap();
        let artifact = SigstoreArtifact::Bytes(&artifact);
        drop(std::hint::black_box(verify_sigstore(&bundle, artifact, &trust, now).unwrap()));
    });
    report.figure("bundle.verify.keyless", each, "/s", "probe.sigstore-python");
}
