//! The command: a folder made from a scene, and the binary that is run in it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use attest::Timestamp;
use fixtures::{LOG_ORIGIN, Scene, log_signer, signing_key};
use server::register::{
    Embedded, Holder, Lock, PATIENCE, Register, Settings, Submission, SubmitError,
};
use tempfile::TempDir;
use tokio::runtime::Builder;

use super::Answer;
use super::library::Evidence;

/// Variables that would lead the command elsewhere.
const LEADS_ELSEWHERE: [&str; 4] = ["ASSAY_DIR", "ASSAY_SERVER", "ASSAY_KEY", "ASSAY_TOKEN"];

/// A register that is made and thrown away for every row need not have room for more.
const SMALL: Settings = Settings { segment_bytes: 1 << 20, cache_bytes: 1 << 20 };

/// The time that the command will read, or a little before it.
#[expect(clippy::disallowed_methods, reason = "the command reads the clock, and is compared")]
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap()
}

/// A folder with trust file, policy, register and bundles of a scene.
pub(crate) struct Folder(TempDir);

/// What the command said.
pub(crate) struct Said {
    pub(crate) answer: Answer,
    /// The bytes on standard output.
    pub(crate) output: Vec<u8>,
    status: Option<i32>,
}

impl Said {
    /// How the command did not end with `status`.
    pub(crate) fn ends_with(&self, status: i32) -> Option<String> {
        let wrong = || format!("ends with {:?}, not {status}: {}", self.status, self.answer);
        (self.status != Some(status)).then(wrong)
    }
}

impl Folder {
    /// The folder of `scene`, whose register got everything at the time of the scene.
    pub(crate) fn of(scene: &Scene) -> Result<Self, String> {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(folder.path(".assay/register")).unwrap();
        folder.write(".assay/trust.yaml", &scene.trust);
        folder.write(".assay/policy.yaml", &scene.policy);
        let bundles = scene.evidence.iter().map(|one| one.presented.to_json());
        let lines: Vec<String> =
            bundles.map(|bundle| String::from_utf8(bundle).unwrap() + "\n").collect();
        folder.write("bundles.jsonl", &lines.concat());
        let key = signing_key("log").unwrap().to_pem(None).unwrap();
        folder.write(".assay/register/key.pem", &key);
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(folder.fill(scene))?;
        Ok(folder)
    }

    /// A register of the scene's own origin and key, so that its checkpoints are the same bytes.
    async fn fill(&self, scene: &Scene) -> Result<(), String> {
        let path = self.path(".assay/register");
        let lock = Lock::acquire(&path, &Holder::command(), PATIENCE).unwrap();
        let storage = Embedded::create(lock, LOG_ORIGIN, SMALL).unwrap();
        let register = Register::open(storage, log_signer().unwrap()).await.unwrap();
        for sent in scene.submissions.iter().filter(|sent| sent.refused) {
            match register.submit(&sent.envelope, &sent.keys, scene.now).await {
                Err(SubmitError::Statement(_)) => {}
                other => return Err(format!("`{}` is not refused: {other:?}", sent.id)),
            }
        }
        let taken = scene.submissions.iter().filter(|sent| !sent.refused);
        let taken: Vec<Submission<'_>> = taken
            .map(|sent| Submission { envelope: &sent.envelope, verifiers: &sent.keys })
            .collect();
        register.submit_all(&taken, scene.now).await.map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Writes a file, and says where.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// `assay check --json` for the artifact and stage of the scene.
    pub(crate) fn check(&self, scene: &Scene, evidence: Evidence, more: &[&str]) -> Said {
        let artifact = scene.artifact.to_string();
        let mut words = vec!["check", &artifact, "--json", "--stage", scene.stage.as_str()];
        words.extend(more);
        if evidence == Evidence::Presented {
            words.extend(["--bundle", "bundles.jsonl"]);
        }
        let output = self.assay(&words);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let answer = match serde_json::from_slice(&output.stdout) {
            Ok(report) => Answer::Report(Box::new(report)),
            Err(_) => Answer::Undecided(errors),
        };
        Said { answer, output: output.stdout, status: output.status.code() }
    }

    /// Runs the command in the folder.
    pub(crate) fn assay(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.current_dir(self.0.path()).stdin(Stdio::null()).args(words);
        for name in LEADS_ELSEWHERE {
            command.env_remove(name);
        }
        command.output().unwrap()
    }

    /// Where a file of the folder is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
