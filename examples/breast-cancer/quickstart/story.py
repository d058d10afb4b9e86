"""The part without attacks: record, promote, admit, and run what was admitted."""

import json
import tarfile
from pathlib import Path

from .doors import DOORS
from .judge import ALLOWED, LAST, Expected, row, the_policy
from .line import KEYS, STAGES, STEPS
from .service import Service
from .table import Row
from .terminal import Terminal
from .verdict import of_command
from .workspace import IMAGE, CommandFailed, Workspace

UNKNOWN = "oci-manifest:sha256:" + "0" * 64
# Nothing was ever said about it, and admission has to say which image it means.
REFUSED = Expected("denied", "artifact.unknown", UNKNOWN, "the image")


class Story:
    """A workspace taken from nothing to an admitted image, with snapshots for the attacks."""

    def __init__(self, work: Path, assay: Path, terminal: Terminal) -> None:
        self._work, self._terminal = work, terminal
        self.line = Workspace(work / "line", assay, terminal)
        self.snapshots: dict[str, Workspace] = {}

    def record(self) -> None:
        """From an empty folder to a packaged image with every step attested."""
        say = self._terminal
        say.heading(f"1. A workspace: programs, git, keys, trust, policy (in {self.line.folder})")
        self.line.folder.mkdir(parents=True)
        self.line.make()
        first, *others = KEYS.values()
        self.line.make_key(first)
        for key in others:
            self.line.told(Terminal(quiet=True)).make_key(key)
        say.remark(f"likewise {', '.join(key.name for key in others)}: no two may sign the same")
        self.line.trust_gate()
        self.line.use_policy(the_policy())

        say.heading("2. Each step under `assay run`: it runs as before, and leaves a signed, registered statement")
        for name in ("export", "prepare", "train"):
            self.line.record(STEPS[name])
        self.line.make_sbom()
        self._keep("trained")
        for name in ("evaluate", "build", "package"):
            self.line.record(STEPS[name])
        self.line.attest_sbom()
        self._keep("recorded")

        say.heading("3. One lineage: image, model, data and code")
        self.line.assay("lineage", IMAGE, "--up")

    def promote_and_admit(self) -> list[Row]:
        """Through the stages, then at the door of a cluster."""
        say = self._terminal
        say.heading("4. Promotion, a stage at a time: checked, signed, registered")
        silent = self.line.told(Terminal(quiet=True))
        for stage in STAGES:
            if stage == LAST:
                self.line.ask_aloud("check", IMAGE, "--stage", stage)
            say.command(["assay", "promote", IMAGE, "--stage", stage, "--key", "gate"])
            answer = silent.promote(stage)
            verdict = of_command("promote", answer)
            entry = (answer.json().get("entry") or {}).get("index") if verdict.answer == "allowed" else None
            say.answer(verdict.said or f"{verdict.answer}; the verdict is signed and registered as entry {entry}")
        self._keep("promoted")

        say.heading("5. A service; a cluster asks it whether a pod may run")
        say.command(["assay", "serve", "--listen", "127.0.0.1:0", "--key", "gate"])
        with DOORS["command"](silent) as door:
            table = [row("the honest image", "command", ALLOWED, door.ask(LAST))]
        with DOORS["HTTP"](silent) as door:
            say.answer(f"listening on {door.service.url}")
            table.append(row("the honest image", "HTTP", ALLOWED, door.ask(LAST)))
            for case, image, expected in (("the promoted image", self.line.image(), ALLOWED),
                                          ("an unknown image", UNKNOWN, REFUSED)):
                verdict = door.admit(image)
                say.answer(f"{case}: {verdict.answer}")
                say.answer(verdict.said)
                table.append(row(f"a pod with {case}", "HTTP", expected, [verdict]))
        self._predict()
        return table

    def _predict(self) -> None:
        """Run what the image holds, to see that what was admitted works."""
        self._terminal.heading("6. What was admitted, at work")
        folder = self._work / "run"
        (folder / "app").mkdir(parents=True)
        for blob in layers(self.line.folder / IMAGE):
            with tarfile.open(blob) as tar:
                # Whoever packages chooses the names in a layer: the last part is all that is taken.
                for entry in tar:
                    (folder / "app" / Path(entry.name).name).write_bytes(tar.extractfile(entry).read())
        header, sample = (self.line.folder / "data/holdout.csv").read_text(encoding="utf-8").splitlines()[:2]
        *features, answer = zip(header.split(","), sample.split(","))
        command = [str(self.line.python()), "app/serve.pyz", "app/model.json", "--port", "0"]
        self._terminal.command(["python", *command[1:]])
        with Service(command, folder) as program:
            status, said = program.post("/predict", {name: float(value) for name, value in features})
        if status != 200:
            raise CommandFailed(f"the serving program answered {status}: {said}")
        truth = "malignant" if answer[1] == "1" else "benign"
        self._terminal.answer(f"the first sample of the hold-out, which is {truth}: {json.dumps(said)}")

    def _keep(self, name: str) -> None:
        self.snapshots[name] = self.line.copy(self._work / "snapshots" / name)


def layers(image: Path) -> list[Path]:
    """The files of the layers of an OCI image layout."""
    def blob(digest: str) -> Path:
        return image / "blobs" / digest.replace(":", "/")

    index = json.loads((image / "index.json").read_text(encoding="utf-8"))
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text(encoding="utf-8"))
    return [blob(layer["digest"]) for layer in manifest["layers"]]
