"""The two ways in: the command on the folder, and the service over HTTP.

A case is recorded, promoted and judged through one door from beginning to end, so what holds at
one holds at the other because it was tried, and not because the code looks shared.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from . import verdict
from .service import Service
from .verdict import Verdict
from .workspace import Workspace

REVIEW = "5578406a-c9e3-4935-8824-365054eaf405"


@dataclass(frozen=True)
class Command:
    """`assay check` and `assay promote`, on the folder."""

    workspace: Workspace
    name = "command"

    def promote(self, stage: str) -> Verdict:
        return verdict.of_command("promote", self.workspace.promote(stage))

    def submit(self, bundle: dict) -> tuple[bool, str]:
        """Hand in what was signed elsewhere: whether it was taken, and how it was answered."""
        path = self.workspace.folder / "submitted.json"
        path.write_text(json.dumps(bundle), encoding="utf-8")
        answer = self.workspace.ask("log", "submit", path.name)
        return answer.status == 0, f"exit status {answer.status}"

    def ask(self, stage: str) -> list[Verdict]:
        check = self.workspace.ask("check", self.workspace.image(), "--stage", stage, "--json")
        return [verdict.of_command("check", check), self.promote(stage)]


@dataclass(frozen=True)
class Http:
    """`POST /v1/check`, `/v1/promote` and `/v1/admission`, of a service over the folder."""

    workspace: Workspace
    service: Service
    name = "HTTP"

    def promote(self, stage: str) -> Verdict:
        return self._post("promote", stage)

    def submit(self, bundle: dict) -> tuple[bool, str]:
        """Hand in what was signed elsewhere: whether it was taken, and how it was answered."""
        status, _ = self.service.post("/v1/entries", {"envelope": bundle["dsseEnvelope"]})
        return status == 200, f"HTTP {status}"

    def ask(self, stage: str) -> list[Verdict]:
        return [self._post("check", stage), self.promote(stage), self.admit(self.workspace.image())]

    def admit(self, image: str) -> Verdict:
        """Ask as a cluster would: may this pod be created?"""
        digest = image.removeprefix("oci-manifest:")
        review = pod(f"registry.example/breast-cancer@{digest}")
        return verdict.of_review(*self.service.post("/v1/admission", review), REVIEW)

    def _post(self, verb: str, stage: str) -> Verdict:
        question = {"artifact": self.workspace.image(), "stage": stage}
        return verdict.of_http(verb, *self.service.post(f"/v1/{verb}", question))


Door = Command | Http


@contextmanager
def command(workspace: Workspace) -> Iterator[Command]:
    """The command on the folder: nothing is running."""
    yield Command(workspace)


@contextmanager
def http(workspace: Workspace, awaited: str = "/readyz") -> Iterator[Http]:
    """A service over the folder; what is recorded meanwhile goes through it."""
    with workspace.serve(awaited) as service:
        yield Http(workspace.through(service), service)


DOORS = {Command.name: command, Http.name: http}


def pod(image: str) -> dict:
    """The admission review of a pod that runs `image`, as an API server sends it."""
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    pods = {"group": "", "version": "v1", "resource": "pods"}
    name = {"name": "predict", "namespace": "default"}
    spec = {"containers": [{"name": "predict", "image": image}]}
    request = {
        "uid": REVIEW, "kind": kind, "resource": pods, "requestKind": kind, "requestResource": pods,
        **name, "operation": "CREATE", "userInfo": {"username": "quickstart"}, "oldObject": None,
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": name, "spec": spec},
        "dryRun": False, "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
