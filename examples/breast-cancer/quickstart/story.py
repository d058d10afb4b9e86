"""The part without attacks: record, promote, admit, and run what was admitted."""

import json
import tarfile
from pathlib import Path

from . import verdict
from .judge import judge, row
from .line import STAGES, STEPS
from .service import Service
from .table import Row
from .terminal import Terminal
from .workspace import EXAMPLE, IMAGE, CommandFailed, Workspace

UNKNOWN = "oci-manifest:sha256:" + "0" * 64


class Story:
    """A workspace taken from nothing to an admitted image, with snapshots for the attacks."""

    def __init__(self, work: Path, assay: Path, terminal: Terminal) -> None:
        self._work, self._terminal = work, terminal
        self.line = Workspace(work / "line", assay, terminal)
        self.snapshots: dict[str, Workspace] = {}

    def record(self) -> None:
        """From an empty folder to a packaged image with every step attested."""
        self._terminal.heading(f"A workspace: programs, git repository, keys, trust, policy ({self.line.folder})")
        self.line.folder.mkdir(parents=True)
        self.line.make()
        self.line.trust_keys()
        self.line.use_policy((EXAMPLE / "policy.yaml").read_text(encoding="utf-8"))

        self._terminal.heading("Every step under `assay run`: it runs as before, and leaves a signed, registered statement")
        for name in ("export", "prepare", "train"):
            self.line.record(STEPS[name])
        self.line.make_sbom()
        self._keep("trained")
        for name in ("evaluate", "build", "package"):
            self.line.record(STEPS[name])
        self.line.attest_sbom()
        self._keep("recorded")

    def promote_and_admit(self) -> list[Row]:
        """Through the stages, then at the door of a cluster."""
        self._terminal.heading("Promotion, a stage at a time: checked, signed, registered")
        for stage in STAGES:
            answer = self.line.promote(stage)
            self._terminal.answer(f"{stage}: {verdict.of_command('promote', answer).answer}")
        self._keep("promoted")
        table = judge("the honest image", self.line, "allowed", "", None)

        self._terminal.heading("A cluster asks the service whether a pod may run")
        with self.line.serve() as service:
            for case, image, expected in (("the promoted image", self.line.image(), "allowed"),
                                          ("an unknown image", UNKNOWN, "denied")):
                answer = verdict.admission(service, image)
                self._terminal.answer(f"{case}: {answer.answer} {answer.said}".rstrip())
                table.append(row(f"a pod with {case}", "HTTP", expected, "", None, [answer]))
        self._predict()
        return table

    def _predict(self) -> None:
        """Run what the image holds, to see that what was admitted works."""
        self._terminal.heading("What was admitted, at work")
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
        with Service(command, folder) as program:
            status, said = program.post("/predict", {name: float(value) for name, value in features})
        if status != 200:
            raise CommandFailed(f"the serving program answered {status}: {said}")
        truth = "malignant" if answer[1] == "1" else "benign"
        self._terminal.answer(f"first sample of the hold-out, {truth}: {json.dumps(said)}")

    def _keep(self, name: str) -> None:
        self.snapshots[name] = self.line.copy(self._work / "snapshots" / name)


def layers(image: Path) -> list[Path]:
    """The files of the layers of an OCI image layout."""
    def blob(digest: str) -> Path:
        return image / "blobs" / digest.replace(":", "/")

    index = json.loads((image / "index.json").read_text(encoding="utf-8"))
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text(encoding="utf-8"))
    return [blob(layer["digest"]) for layer in manifest["layers"]]
