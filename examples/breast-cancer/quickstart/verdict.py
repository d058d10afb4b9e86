"""Ask whether an image may run, at every door, and read the answers alike.

A door gives one of three answers: `allowed`, `denied`, or `undecided` when the question could not
be answered (exit status 2, or a 5xx), which nobody may take for a yes.
"""

from dataclasses import dataclass, field

from .service import Service
from .workspace import Answer, Workspace

POD = {"group": "", "version": "v1", "kind": "Pod"}
PODS = {"group": "", "version": "v1", "resource": "pods"}


@dataclass(frozen=True)
class Verdict:
    """What one door said: its answer, and the findings that stood against it."""

    asked: str
    answer: str
    codes: frozenset[str] = frozenset()
    evidence: dict[str, frozenset[int]] = field(default_factory=dict)
    """For each failed code, the register's positions of the statements that it names."""
    said: str = ""


def of_report(asked: str, report: dict, said: str = "") -> Verdict:
    """Reads the report that the command and the service have in common."""
    failed = [finding for finding in report["findings"] if finding["outcome"] in ("fail", "error")]
    evidence: dict[str, set[int]] = {}
    for finding in failed:
        places = {at["index"] for at in finding["evidence"] if at.get("index") is not None}
        evidence.setdefault(finding["code"], set()).update(places)
    allowed = report["passed"] and report["admitted"]
    return Verdict(asked, "allowed" if allowed else "denied", frozenset(evidence),
                   {code: frozenset(places) for code, places in evidence.items()},
                   said or "; ".join(finding["message"] for finding in failed))


def of_command(asked: str, answer: Answer) -> Verdict:
    """Reads a command's answer; exit status and report must say the same."""
    if answer.status not in (0, 1):
        return Verdict(asked, "undecided", said=answer.errors.strip())
    report = answer.json()
    verdict = of_report(asked, report.get("report", report))
    if (verdict.answer == "allowed") != (answer.status == 0):
        return Verdict(asked, f"{verdict.answer} with exit status {answer.status}", said=answer.errors)
    return verdict


def command(workspace: Workspace, stage: str) -> list[Verdict]:
    """`assay check` and `assay promote`."""
    check = workspace.ask("check", workspace.image(), "--stage", stage, "--json")
    return [of_command("check", check), of_command("promote", workspace.promote(stage))]


def http(service: Service, image: str, stage: str) -> list[Verdict]:
    """`POST /v1/check`, `/v1/promote` and `/v1/admission`."""
    verdicts = []
    for verb in ("check", "promote"):
        status, body = service.post(f"/v1/{verb}", {"artifact": image, "stage": stage})
        if status == 200 and isinstance(body, dict):
            verdicts.append(of_report(verb, body.get("report", body)))
        else:
            verdicts.append(Verdict(verb, "undecided", said=f"HTTP {status}: {body}"))
    return [*verdicts, admission(service, image)]


def admission(service: Service, image: str) -> Verdict:
    """Ask as a cluster would: may this pod be created?"""
    digest = image.removeprefix("oci-manifest:")
    status, body = service.post("/v1/admission", pod(f"registry.example/breast-cancer@{digest}"))
    response = body.get("response") if status == 200 and isinstance(body, dict) else None
    if response is None or response.get("uid") != UID:
        return Verdict("admission", "undecided", said=f"HTTP {status}: {body}")
    said = (response.get("status") or {}).get("message", "")
    return Verdict("admission", "allowed" if response["allowed"] else "denied", said=said)


UID = "5578406a-c9e3-4935-8824-365054eaf405"


def pod(image: str) -> dict:
    """The admission review of a pod that runs `image`."""
    spec = {"containers": [{"name": "predict", "image": image}]}
    name = {"name": "predict", "namespace": "default"}
    request = {
        "uid": UID, "kind": POD, "resource": PODS, "requestKind": POD, "requestResource": PODS,
        **name, "operation": "CREATE", "userInfo": {"username": "quickstart"}, "oldObject": None,
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": name, "spec": spec},
        "dryRun": False, "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
