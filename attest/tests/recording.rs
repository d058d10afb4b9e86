//! Recording real commands: what is noticed, what is waited for, what is never written down.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail with their test")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use attest::hash::{Progress, Silent};
use attest::predicate::{BuildKind, Evaluation, Provenance};
use attest::record::{Material, Observer, Plan, Process, Recorder, Recording};
use attest::{ArtifactId, Kind, Predicate, ResourceDescriptor, Sha256, Statement, Timestamp};
use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What commands leave behind is recognised by process, so that only one may run at a time.
static ONE: Mutex<()> = Mutex::new(());

#[allow(clippy::disallowed_methods, reason = "the clock of a test is the caller's")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// A folder with materials, in which steps run.
struct Bench {
    folder: TempDir,
    environment: Vec<(OsString, OsString)>,
    _one: MutexGuard<'static, ()>,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let found = Self { folder, environment: vec![("PATH".into(), path)], _one: one };
        for (name, text) in files {
            found.put(name, text);
        }
        found
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn plan(&self, kind: BuildKind, materials: &[&str], products: &[&str], script: &str) -> Plan {
        let command = ["sh", "-c", script].map(OsString::from).into();
        let mut plan = Plan::new(kind, "step".parse().unwrap(), command);
        plan.root = self.folder.path().into();
        plan.directory = self.folder.path().into();
        plan.materials = materials.iter().map(|text| Material::parse(OsStr::new(text))).collect();
        plan.products = products.iter().map(Into::into).collect();
        plan
    }

    fn record(&self, plan: Plan) -> Result<Recording, String> {
        self.watched(plan, &Silent)
    }

    fn watched(&self, plan: Plan, observer: &dyn Observer) -> Result<Recording, String> {
        let started = Recorder::start(plan, &self.environment, now(), observer);
        let ended = started.and_then(|started| started.run(observer));
        let found = ended.and_then(|ended| ended.finish(now(), observer));
        found.map_err(|error| error.to_string())
    }

    /// A training step from `data` to `model`, with `script` as its command.
    fn train(&self, script: &str) -> Result<Recording, String> {
        self.record(self.plan(BuildKind::Training, &["training-dataset=data"], &["model"], script))
    }
}

/// What would be signed, as a reader sees it.
fn read(recording: Recording) -> Statement {
    let statement = recording.statement.unwrap().with_nonce().unwrap();
    Statement::parse(&statement.to_json().unwrap()).unwrap()
}

fn provenance(statement: &Statement) -> &Provenance {
    match &statement.predicate {
        Predicate::Provenance(provenance) => provenance,
        other => panic!("{other:?}"),
    }
}

fn evaluation(statement: &Statement) -> &Evaluation {
    match &statement.predicate {
        Predicate::Evaluation(evaluation) => evaluation,
        other => panic!("{other:?}"),
    }
}

fn file(text: &str) -> ArtifactId {
    ArtifactId::file(Sha256::of(text.as_bytes()))
}

fn with_role<'a>(found: &[&'a ResourceDescriptor], role: &str) -> Vec<&'a ResourceDescriptor> {
    found.iter().copied().filter(|descriptor| descriptor.role() == Some(role)).collect()
}

#[test]
fn a_step_is_its_materials_products_and_parameters() {
    let bench = Bench::new(&[("data", "1"), ("uv.lock", "lock"), ("code/train.sh", "x")]);
    let mut plan = bench.plan(
        BuildKind::Training,
        &["training-dataset=data", "source=code"],
        &["out/model"],
        "mkdir out; cat data > out/model; echo '{\"loss\": 0.5}' > loss.json",
    );
    plan.parameters.insert("rate".into(), "0.10".into());
    plan.metrics = Some("loss.json".into());
    let recording = bench.record(plan).unwrap();
    assert_eq!(recording.status, 0);
    let statement = read(recording);
    assert_eq!(statement.subjects().unwrap(), [(file("1"), "out/model")]);
    assert_eq!(statement.step().unwrap().as_str(), "step");

    let materials = statement.materials();
    let data = with_role(&materials, "training-dataset");
    assert_eq!(data[0].artifact(), Ok(file("1")));
    assert_eq!(with_role(&materials, "environment-lock")[0].artifact(), Ok(file("lock")));
    assert_eq!(with_role(&materials, "source")[0].artifact().unwrap().kind(), Some(Kind::Tree));
    let runtime = with_role(&materials, "runtime")[0];
    assert!(runtime.annotations["path"].as_str().unwrap().starts_with('/'));

    let found = provenance(&statement);
    assert_eq!(found.kind(), Some(BuildKind::Training));
    assert_eq!(found.parameters().unwrap()["rate"], "0.10");
    let external = &found.build_definition.external_parameters;
    assert_eq!(external["command"][0], "sh");
    let internal = &found.build_definition.internal_parameters;
    assert_eq!(internal["assurance"], "before-and-after");
    assert!(internal["hardware"]["cores"].as_u64() > Some(0));
    let metadata = &found.run_details.metadata;
    assert!(metadata.started_on.unwrap() <= metadata.finished_on.unwrap());
    let byproducts: Vec<_> = found.run_details.byproducts.iter().collect();
    let metrics = with_role(&byproducts, "metrics")[0];
    let content = decode(metrics.content.as_deref().unwrap());
    assert_eq!(content, b"{\"loss\": 0.5}\n");
    let status = byproducts.iter().find(|one| one.label() == "exit-status").unwrap();
    assert_eq!(status.annotations["exitStatus"], 0);
    let media: Vec<_> = byproducts.iter().filter_map(|one| one.media_type.as_deref()).collect();
    assert!(media.contains(&attest::tree::MEDIA_TYPE), "the source folder's manifest: {media:?}");
}

#[test]
fn a_material_that_changed_is_an_error_even_when_it_was_put_back() {
    let cases = [
        ("untouched", "cat data > model", None),
        ("read alone", "cat data/x > /dev/null; echo m > model", None),
        ("written", "echo 2 > data/x; echo m > model", Some("`data/x` changed")),
        ("same bytes", "cp data/x t; cat t > data/x; echo m > model", Some("`data/x` changed")),
        (
            "swapped and restored",
            "mv data/x kept; echo evil > data/x; cat data/x > model; mv kept data/x",
            Some("`data/x` changed"),
        ),
        ("folder swapped and restored", "mv data t; mv t data; echo m > model", Some("`data`")),
        ("way swapped and restored", "mv way t; mv t way; echo m > model", Some("folder `way`")),
        ("file that came and went", "touch data/y; rm data/y; echo m > model", Some("`data`")),
        ("removed", "rm -r data; echo m > model", Some("`data`")),
        ("another mode", "chmod 700 data/x; echo m > model", Some("`data/x` changed")),
    ];
    for (name, script, want) in cases {
        let bench = Bench::new(&[("data/x", "1"), ("way/file", "1")]);
        let script = format!("{script} 2>/dev/null || true");
        let plan = bench.plan(BuildKind::Training, &["data", "way/file"], &["model"], &script);
        match (bench.record(plan), want) {
            (found, None) => assert!(found.is_ok(), "{name}: {found:?}"),
            (found, Some(want)) => {
                let found = found.unwrap_err();
                assert!(found.contains(want), "{name}: {found}");
            }
        }
    }
}

#[test]
fn what_products_seem_to_be_is_found_in_their_bytes() {
    let bench = Bench::new(&[("data", "1")]);
    let script = "mkdir out; printf '\\200\\004.' > out/model.safetensors; echo 1,2 > out/a.csv";
    let found = |products: &[&str]| {
        let plan = bench.plan(BuildKind::Training, &["training-dataset=data"], products, script);
        let statement = read(bench.record(plan).unwrap());
        std::fs::remove_dir_all(bench.at("out")).unwrap();
        let formats = |one: &ResourceDescriptor| one.annotations["detectedFormats"].clone();
        statement.subject.iter().map(formats).collect::<Vec<_>>()
    };
    assert_eq!(
        found(&["out/model.safetensors", "out/a.csv"]),
        [json!(["pickle"]), json!(["text"])]
    );
    assert_eq!(found(&["out"]), [json!(["pickle", "text"])], "a folder is all that is in it");
}

#[test]
fn a_product_is_new_or_written_anew() {
    let cases = [
        ("new", "", "echo m > model", None),
        ("written anew", "old", "echo m > model", None),
        ("the same bytes anew", "old", "printf old > model", None),
        ("stale", "old", "true", Some("was there before")),
        ("missing", "", "true", Some("left no `model`")),
        ("a link", "", "ln -s data model", Some("links are not followed")),
        ("a loop", "", "ln -s model model", Some("links are not followed")),
        ("a FIFO", "", "mkfifo model", Some("a FIFO")),
        ("an empty folder", "", "mkdir model", Some("has no file")),
    ];
    for (name, before, script, want) in cases {
        let bench = Bench::new(&[("data", "1")]);
        if !before.is_empty() {
            bench.put("model", before);
        }
        match (bench.train(script), want) {
            (found, None) => assert!(found.is_ok(), "{name}: {found:?}"),
            (found, Some(want)) => {
                let found = found.unwrap_err();
                assert!(found.contains(want), "{name}: {found}");
            }
        }
    }
    let bench = Bench::new(&[("data", "1"), ("model/old", "1"), ("model/new", "1")]);
    let stale = bench.train("echo 2 > model/new").unwrap_err();
    assert!(stale.contains("`model/old` was there before"), "{stale}");
}

#[test]
fn what_cannot_be_a_material_is_refused_before_anything_runs() {
    let bench = Bench::new(&[("data", "1"), ("sub/x", "1")]);
    std::os::unix::fs::symlink("data", bench.at("link")).unwrap();
    std::os::unix::fs::symlink("loop", bench.at("loop")).unwrap();
    std::os::unix::fs::symlink("../data", bench.at("sub/inner")).unwrap();
    std::os::unix::fs::symlink("sub", bench.at("way")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bench.at("socket")).unwrap();
    let cases = [
        ("link", "is a link to `data`"),
        ("loop", "is a link to `loop`"),
        ("sub", "`sub/inner` is a link"),
        ("way/x", "`way` is a link"),
        ("socket", "a socket"),
        ("/dev/null", "outside"),
        ("../outside", "outside"),
        (".", "the root itself"),
        ("absent", "does not exist"),
    ];
    for (material, want) in cases {
        let plan = bench.plan(BuildKind::Training, &[material], &["model"], "echo m > model");
        let found = bench.record(plan).unwrap_err();
        assert!(found.contains(want), "{material}: {found}");
        assert!(!bench.at("model").exists(), "{material}: nothing ran");
    }
}

#[test]
fn background_writers_are_waited_for() {
    let bench = Bench::new(&[("data", "1")]);
    let scripts = [
        "(sleep 0.3; echo late > model) &",
        "echo early > model; (setsid sh -c 'sleep 0.3; echo late > model' >/dev/null 2>&1 &) ",
        "sh -c '(sh -c \"sleep 0.2; (sleep 0.1; echo late > model) &\") &'",
    ];
    for script in scripts {
        let statement = read(bench.train(script).unwrap());
        assert_eq!(statement.subjects().unwrap(), [(file("late\n"), "model")], "{script}");
    }
}

#[test]
fn whoever_ends_us_ends_what_the_command_left_behind() {
    let bench = Bench::new(&[("data", "1")]);
    let script = "echo m > model; sleep 5 & (sleep 0.2; kill -TERM $PPID) &";
    let plan = bench.plan(BuildKind::Training, &["data"], &["model"], script);
    let told = Told::default();
    assert_eq!(bench.watched(plan, &told).unwrap().status, 0);
    assert_eq!(told.0.into_inner().unwrap(), [], "it took less than two seconds");
}

#[derive(Default)]
struct Told(Mutex<Vec<Process>>);

impl Progress for Told {}

impl Observer for Told {
    fn still_running(&self, processes: &[Process]) {
        self.0.lock().unwrap().extend_from_slice(processes);
        // Whoever is told may ask them to end; nothing else ends them.
        for process in processes {
            let id = rustix::process::Pid::from_raw(process.id).unwrap();
            rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        }
    }
}

#[test]
fn signals_are_passed_on() {
    let bench = Bench::new(&[("data", "1")]);
    // We are the parent of the shell: it sends us what a batch system would.
    let script = "trap 'echo told > model; exit 0' USR1; kill -USR1 $PPID; sleep 0.4; exit 1";
    let recording = bench.train(script).unwrap();
    assert_eq!(recording.status, 0);
    assert_eq!(fs::read_to_string(bench.at("model")).unwrap(), "told\n");
}

#[test]
fn what_stays_is_named() {
    let bench = Bench::new(&[("data", "1")]);
    let plan = bench.plan(BuildKind::Training, &["data"], &["model"], "echo m > model; sleep 60 &");
    let told = Told::default();
    bench.watched(plan, &told).unwrap();
    let names: Vec<_> = told.0.into_inner().unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["sleep"]);
}

#[test]
fn the_command_sees_none_of_our_secrets() {
    let mut bench = Bench::new(&[("data", "1")]);
    for (name, value) in [
        ("ASSAY_PASSPHRASE", "open sesame"),
        ("ASSAY_DIR", "/x"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "open sesame"),
        ("TEAM_PASSPHRASE", "open sesame"),
        ("OTHER", "seen"),
        ("SEED", "7"),
        ("HF_TOKEN", "hf_seen_by_the_command"),
    ] {
        bench.environment.push((name.into(), value.into()));
    }
    let mut plan = bench.plan(BuildKind::Training, &["data"], &["model"], "env > model");
    plan.hidden = vec!["TEAM_PASSPHRASE".into()];
    plan.environment = vec!["SEED".into(), "HF_TOKEN".into()];
    let statement = read(bench.record(plan).unwrap());
    let seen = fs::read_to_string(bench.at("model")).unwrap();
    assert!(seen.contains("OTHER=seen") && seen.contains("HF_TOKEN=hf_seen"), "{seen}");
    assert!(!seen.contains("ASSAY_") && !seen.contains("sesame"), "{seen}");
    let peek = "tr '\\0' '\\n' 2> /dev/null < /proc/$PPID/environ > model; echo done >> model";
    fs::remove_file(bench.at("model")).unwrap();
    bench.train(peek).unwrap();
    let peeked = fs::read_to_string(bench.at("model")).unwrap();
    let all_powerful = rustix::process::geteuid().is_root();
    assert!(all_powerful || peeked == "done\n", "only root can look into our own environment");

    let recorded = &provenance(&statement).build_definition.internal_parameters["environment"];
    assert_eq!(*recorded, json!({"HF_TOKEN": "[redacted]", "SEED": "7"}));
}

#[test]
fn secrets_are_not_written_down() {
    let bench = Bench::new(&[("data", "1")]);
    let mut plan = bench.plan(BuildKind::Training, &["data"], &["model"], "echo m > model");
    let words = ["--token=hunter2", "--password", "hunter2", "https://ada:hunter2@host/x", "plain"];
    plan.command.extend(words.map(OsString::from));
    plan.parameters.insert("api_key".into(), "hunter2".into());
    plan.parameters.insert("rate".into(), "0.1".into());
    let statement = bench.record(plan).unwrap().statement.unwrap();
    let text = String::from_utf8(statement.to_json().unwrap()).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let external = &provenance(&statement).build_definition.external_parameters;
    assert_eq!(external["command"][7], "plain");
    assert_eq!(external["parameters"], json!({"api_key": "[redacted]", "rate": "0.1"}));
}

#[test]
fn an_evaluation_is_one_statement_about_the_model() {
    let bench = Bench::new(&[("model", "m"), ("holdout", "h")]);
    let plan = |script: &str| {
        let roles = ["model=model", "holdout-dataset=holdout"];
        let mut plan = bench.plan(BuildKind::Evaluation, &roles, &[], script);
        plan.metrics = Some("metrics.json".into());
        plan
    };
    let script = r#"echo '{"sampleSize": 50, "metrics": {"accuracy": 0.970},
        "slices": [{"feature": "sex", "value": "f", "sampleSize": 20, "metrics": {"accuracy": 1e-1}}]}' > metrics.json"#;
    let statement = read(bench.record(plan(script)).unwrap());
    assert_eq!(statement.subjects().unwrap(), [(file("m"), "model")]);
    let found = evaluation(&statement);
    assert_eq!(found.dataset.artifact(), Ok(file("h")));
    assert_eq!(found.dataset.role(), Some("holdout-dataset"));
    let numbers: Vec<_> =
        found.measurements.iter().map(|one| (one.value.to_string(), one.sample_size)).collect();
    assert_eq!(numbers, [("0.970".into(), Some(50)), ("0.1".into(), Some(20))]);
    let run = found.run.as_deref().unwrap();
    assert_eq!((run.exit_status, run.assurance.as_str()), (0, "before-and-after"));
    let materials: Vec<_> = run.materials.iter().collect();
    assert_eq!(with_role(&materials, "model")[0].artifact(), Ok(file("m")));
    assert_eq!(run.products[0].name.as_deref(), Some("metrics.json"));

    fs::remove_file(bench.at("model")).unwrap();
    bench.put("model/weights", "w");
    fs::remove_file(bench.at("metrics.json")).unwrap();
    let statement = read(bench.record(plan(script)).unwrap());
    let model = statement.subject[0].artifact().unwrap();
    let materials = statement.materials();
    let material = with_role(&materials, "model")[0];
    let manifest = decode(material.content.as_deref().unwrap());
    let media_type = material.media_type.as_deref().unwrap();
    let contents = attest::manifest::contents(media_type, &manifest).unwrap().unwrap();
    assert_eq!((contents.artifact, material.artifact().unwrap()), (model, model));

    let cases = [
        ("true", "was there before"),
        ("echo '{\"metrics\": {\"accuracy\": NaN}}' > metrics.json", "`accuracy` is NaN"),
        ("echo '{\"accuracy\": 1}' > metrics.json", "metrics.json"),
        ("rm metrics.json", "left no `metrics.json`"),
    ];
    for (script, want) in cases {
        let found = bench.record(plan(script)).unwrap_err();
        assert!(found.contains(want), "{script}: {found}");
    }
}

#[test]
fn a_failed_command_leaves_nothing_unless_asked() {
    let bench = Bench::new(&[("data", "1")]);
    let script = "echo half > model; exit 3";
    let silent = bench.train(script).unwrap();
    assert_eq!(silent.status, 3);
    assert!(silent.statement.is_none());

    let broken = "ln -s x model; exit 3";
    for (script, status) in [(script, 3), ("kill -KILL $$", 137), (broken, 3)] {
        fs::remove_file(bench.at("model")).unwrap_or_default();
        let mut plan = bench.plan(BuildKind::Training, &["data"], &["model"], script);
        plan.attest_failure = true;
        let recording = bench.record(plan).unwrap();
        assert_eq!(recording.status, status);
        let statement = read(recording);
        let [(artifact, name)] = statement.subjects().unwrap()[..] else { panic!("{script}") };
        assert_eq!(name, "model.failure");
        assert_ne!(artifact, file("half\n"), "what a failed command left is no product");
        let byproducts = &provenance(&statement).run_details.byproducts;
        let record = byproducts.iter().find(|one| one.artifact() == Ok(artifact)).unwrap();
        let record = decode(record.content.as_deref().unwrap());
        assert_eq!(serde_json::from_slice::<Value>(&record).unwrap()["exitStatus"], status);
    }
}

#[test]
fn a_folder_is_a_tree_and_an_image_layout_its_manifest() {
    let bench = Bench::new(&[("data", "1")]);
    let statement =
        read(bench.train("mkdir -p model/sub; echo a > model/a; echo b > model/sub/b").unwrap());
    let [(tree, _)] = statement.subjects().unwrap()[..] else { panic!() };
    assert_eq!(tree.kind(), Some(Kind::Tree));
    let manifest = manifest_of(&statement, attest::tree::MEDIA_TYPE);
    let contents =
        attest::manifest::contents(attest::tree::MEDIA_TYPE, &manifest).unwrap().unwrap();
    assert_eq!(contents.artifact, tree);
    assert!(contents.contains.iter().any(|part| part.artifact == file("b\n")));

    fs::remove_dir_all(bench.at("model")).unwrap();
    let config = Sha256::of(b"{}");
    let image = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}},"layers":[]}}"#,
        attest::oci::MANIFEST
    );
    let digest = Sha256::of(image.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{digest}","size":{}}}]}}"#,
        attest::oci::MANIFEST,
        image.len()
    );
    let script = format!(
        "mkdir -p model/blobs/sha256; cd model; printf '{{}}' > blobs/sha256/{}; printf '%s' '{image}' > blobs/sha256/{};
         printf '%s' '{index}' > index.json; printf '{{\"imageLayoutVersion\":\"1.0.0\"}}' > oci-layout",
        config.hex(),
        digest.hex(),
    );
    let mut plan = bench.plan(BuildKind::Packaging, &["data"], &["model"], &script);
    plan.name = Some("team/serve@1.2".parse().unwrap());
    let statement = read(bench.record(plan).unwrap());
    let want = ArtifactId::new(Kind::OciManifest, digest);
    assert_eq!(statement.subjects().unwrap(), [(want, "team/serve")]);
    assert_eq!(statement.subject[0].annotations["version"], "1.2");
    assert_eq!(manifest_of(&statement, attest::oci::MANIFEST), image.as_bytes());
}

fn manifest_of(statement: &Statement, media_type: &str) -> Vec<u8> {
    let byproducts = &provenance(statement).run_details.byproducts;
    let of_type = |one: &&ResourceDescriptor| one.media_type.as_deref() == Some(media_type);
    let manifest = byproducts.iter().find(of_type).unwrap();
    decode(manifest.content.as_deref().unwrap())
}

fn decode(content: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(content).unwrap()
}

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .current_dir(folder)
        .args([
            "-c",
            "user.name=A",
            "-c",
            "user.email=a@example.test",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .status();
    assert!(status.unwrap().success(), "{arguments:?}");
}

#[test]
fn the_commit_is_named_with_the_state_of_the_files() {
    let bench = Bench::new(&[("data", "1"), (".gitignore", "/model\n/.ignored\n")]);
    git(bench.folder.path(), &["init", "--quiet", "--initial-branch=main"]);
    git(bench.folder.path(), &["remote", "add", "origin", "https://ada:pw@host.test/team/bc.git"]);
    let code = || {
        let statement = read(bench.train("rm -f model; echo m > model").unwrap());
        with_role(&statement.materials(), "source").first().map(|found| (*found).clone())
    };
    assert_eq!(code(), None, "nothing is committed");
    git(bench.folder.path(), &["add", "."]);
    git(bench.folder.path(), &["commit", "--quiet", "--message=one"]);

    let steps: [(&str, &dyn Fn(), &str); 8] = [
        ("committed", &|| {}, "clean"),
        ("ignored", &|| bench.put(".ignored", "x"), "clean"),
        ("Assay's own folder", &|| bench.put(".assay/trust.yaml", "x"), "clean"),
        ("ignored as a whole", &|| bench.put(".assay/.gitignore", "*"), "clean"),
        ("an untracked file", &|| bench.put("sub/helper.py", "x"), "untracked-files"),
        ("staged", &|| git(bench.folder.path(), &["add", "sub"]), "changed"),
        ("removed again", &|| git(bench.folder.path(), &["rm", "-rfq", "sub"]), "clean"),
        ("written", &|| bench.put("data", "22"), "changed"),
    ];
    for (name, change, want) in steps {
        change();
        let found = code().unwrap();
        assert_eq!(found.annotations["state"], want, "{name}");
        assert_eq!(found.annotations["branch"], "main");
        assert_eq!(found.uri.as_deref(), Some("git+https://host.test/team/bc.git@refs/heads/main"));
        assert!(matches!(found.artifact(), Ok(ArtifactId::Git(_))));
    }
}
