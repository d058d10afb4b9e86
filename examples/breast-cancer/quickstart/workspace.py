"""A folder in which the line runs: the programs, a git repository, keys, trust, policy, register.

Everything is done with the `assay` command, as a person would type it.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .line import KEYS, STEPS, Key, Step
from .service import Service
from .terminal import Terminal

EXAMPLE = Path(__file__).resolve().parent.parent
MAKES = (".assay", "data", "model", "reports", "dist", "image", "sbom.cdx.json", ".service.log")
IMAGE = "image"
BLOCK = 64 * 1024
MOST_SECONDS = 120  # for one command; the longest takes seconds
GATE = "https://assay.example/quickstart/gate"


class CommandFailed(Exception):
    """A command that had to succeed did not."""


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit status."""

    status: int
    output: str
    errors: str

    def json(self) -> dict:
        try:
            return json.loads(self.output)
        except ValueError:
            raise CommandFailed(f"no JSON, exit status {self.status}: {self.output}{self.errors}") from None


class Workspace:
    """One folder, and the commands that are run in it."""

    def __init__(self, folder: Path, assay: Path, terminal: Terminal) -> None:
        self.folder, self._assay, self._terminal = folder, assay, terminal
        # `python` is the one that runs this program: the environment with scikit-learn. Git is
        # told to ignore how this user has set it up.
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ASSAY_", "GIT_"))},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def copy(self, folder: Path) -> "Workspace":
        """All of it elsewhere: keys, register and files."""
        shutil.copytree(self.folder, folder, symlinks=True, copy_function=copy_sparse)
        return Workspace(folder, self._assay, self._terminal)

    def make(self) -> None:
        """Lay out the programs and commit them, so that statements can name the commit."""
        shutil.copytree(EXAMPLE / "pipeline", self.folder / "pipeline")
        for name in ("requirements.txt", "policy.yaml"):
            shutil.copy(EXAMPLE / name, self.folder / name)
        (self.folder / ".gitignore").write_text("".join(f"/{name}\n" for name in MAKES), encoding="utf-8")
        if shutil.which("git") is None:
            self._terminal.answer("git is not installed: the statements will name no commit")
            return
        identity = ["-c", "user.name=Example", "-c", "user.email=example@assay.example"]
        self.run("git", "init", "--quiet", "--initial-branch=main")
        self.run("git", "add", ".")
        self.run("git", *identity, "commit", "--quiet", "--message=The line from data set to image")

    def make_key(self, key: Key) -> None:
        """Make a key of the line, and write down what it may sign."""
        self.assay("key", "generate", key.name)
        self.trust(key, key.name)

    def trust_gate(self) -> None:
        """Let the gate's verdicts count: a summary is believed from a pair of key and verifier."""
        self.assay("trust", "add", "--verifier", GATE, "--key", "gate")

    def trust(self, may: Key, key: str) -> None:
        """Let the holder of `key` sign what `may` says, under the name in it."""
        lists = [("--predicate", may.predicates), ("--artifact", may.artifacts),
                 ("--step", may.steps), ("--stage", may.stages)]
        words = [word for option, values in lists for value in values for word in (option, value)]
        self.assay("trust", "add", key, "--name", may.name, "--owner", key, *words)

    def use_policy(self, text: str) -> None:
        """Make `text` the register's own policy."""
        (self.folder / ".assay" / "policy.yaml").write_text(text, encoding="utf-8")

    def record(self, step: Step) -> None:
        """Run a step under `assay run`. What it made before goes first, as `make clean` would."""
        for product in step.products:
            path = self.folder / product
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        materials = [word for path in step.materials for word in ("--material", path)]
        products = [word for path in step.products for word in ("--product", path)]
        self.assay("run", "--kind", step.kind, "--step", step.name, "--key", step.key,
                   *materials, *products, *step.options, "--", *step.command)

    def make_sbom(self) -> None:
        """Write down what the environment consists of, in CycloneDX."""
        self.run("cyclonedx-py", "environment", "--output-reproducible", "--sv", "1.6",
                 "--of", "JSON", "--output-file", "sbom.cdx.json", sys.executable)

    def attest_sbom(self) -> None:
        self.assay("attest", "sbom", "sbom.cdx.json", "--subject", IMAGE, "--key", "packager")

    def redo(self, *names: str) -> None:
        """Record some steps anew, and that the SBOM is also that of the image that came of them."""
        for name in names:
            self.record(STEPS[name])
        self.attest_sbom()

    def newest(self, step: str) -> dict:
        """The register's newest entry of a step: its `index` and `body` among other things."""
        found = self.assay("find", "--step", step, "--json").json()
        return max(found["entries"], key=lambda entry: entry["index"])

    def bundles(self) -> dict[int, dict]:
        """Every attestation of the register with its proof, by position."""
        size = self.assay("log", "head", "--json").json()["size"]
        entries = {index: self.assay("log", "entry", str(index), "--json").json() for index in range(size)}
        return {index: entry["bundle"] for index, entry in entries.items()}

    def serve(self, awaited: str = "/readyz") -> Service:
        """The service over this workspace's register, once it answers `awaited`."""
        return Service(self.command("serve", "--listen", "127.0.0.1:0", "--key", "gate"),
                       self.folder, self.environment, awaited)

    def told(self, terminal: Terminal) -> "Workspace":
        """The same workspace, telling another terminal what it does."""
        return Workspace(self.folder, self._assay, terminal)

    def through(self, service: Service) -> "Workspace":
        """The same workspace, whose commands use the register of a service."""
        workspace = Workspace(self.folder, self._assay, self._terminal)
        workspace.environment["ASSAY_SERVER"] = service.url
        return workspace

    def python(self) -> Path:
        return Path(sys.executable)

    def promote(self, stage: str) -> Answer:
        return self.ask("promote", self.image(), "--stage", stage, "--key", "gate", "--json")

    def image(self) -> str:
        """The image's identity: the digest of its manifest."""
        index = json.loads((self.folder / IMAGE / "index.json").read_text(encoding="utf-8"))
        return "oci-manifest:" + index["manifests"][0]["digest"]

    def assay(self, *words: str) -> Answer:
        """Run `assay`, which has to succeed."""
        return self._run(self._assay, "assay", words, must=True)

    def ask(self, *words: str) -> Answer:
        """Run `assay` and take whatever it answers."""
        return self._run(self._assay, "assay", words, must=False)

    def ask_aloud(self, *words: str) -> None:
        """Run `assay`, show what it answers, and take it."""
        answer = self.ask(*words)
        self._terminal.answer(answer.output + answer.errors)

    def run(self, program: str, *words: str) -> Answer:
        """Run another program, which has to succeed."""
        return self._run(program, program, words, must=True)

    def command(self, *words: str) -> list[str]:
        """The words that start `assay`."""
        return [str(self._assay), *words]

    def _run(self, program: str | Path, name: str, words: tuple[str, ...], must: bool) -> Answer:
        self._terminal.command([name, *words])
        path = shutil.which(str(program), path=self.environment["PATH"]) or str(program)
        done = subprocess.run([path, *words], cwd=self.folder, env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=MOST_SECONDS)
        if must and done.returncode != 0:
            raise CommandFailed(f"`{shlex.join([name, *words])}` ended with {done.returncode}\n{done.stdout}{done.stderr}")
        if must:
            self._terminal.answer(done.stdout + done.stderr)
        return Answer(done.returncode, done.stdout, done.stderr)


def copy_sparse(source: str, target: str) -> None:
    """Copy a file and leave holes for its zeros: a register sets space aside that it does not use
    yet, and there will be dozens of copies."""
    with open(source, "rb") as old, open(target, "wb") as new:
        while block := old.read(BLOCK):
            if any(block):
                new.write(block)
            else:
                new.seek(len(block), os.SEEK_CUR)
        new.truncate()
    shutil.copystat(source, target)
