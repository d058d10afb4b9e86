"""What a door said, read alike wherever it was said.

A door gives one of three answers: `allowed`, `denied`, or `undecided` when the question could not
be answered (exit status 2, or an HTTP status other than 200), which nobody may take for a yes.
"""

from dataclasses import dataclass, field

from .workspace import Answer


@dataclass(frozen=True)
class Verdict:
    """An answer, and the findings that stood against the image."""

    asked: str
    answer: str
    codes: dict[str, frozenset[str]] = field(default_factory=dict)
    """For each code of a finding that failed, what those findings name: their rules, the bodies of
    statements, and artifacts."""
    rejected: frozenset[str] = frozenset()
    """The bodies of statements that were looked at and not believed."""
    said: str = ""
    reported: bool = True
    """Whether the door gives a whole report; admission gives a sentence."""


def of_report(asked: str, report: dict) -> Verdict:
    """Reads the report that the command and the service have in common."""
    codes: dict[str, frozenset[str]] = {}
    for finding in report["findings"]:
        if finding["outcome"] in ("fail", "error"):
            named = frozenset([finding["rule"], *finding["evidence"], *finding["artifacts"]])
            codes[finding["code"]] = codes.get(finding["code"], frozenset()) | named
    # A stage that only warns admits what failed; here only what passed counts as allowed.
    allowed = report["passed"] is True and report["admitted"] is True
    return Verdict(asked, "allowed" if allowed else "denied", codes,
                   frozenset(rejected["body"] for rejected in report["rejected"]),
                   "; ".join(finding["message"] for finding in report["findings"]))


def of_command(asked: str, answer: Answer) -> Verdict:
    """Reads a command's answer; exit status and report must say the same."""
    if answer.status not in (0, 1):
        return Verdict(asked, "undecided", said=answer.errors.strip())
    document = answer.json()
    verdict = of_report(asked, document.get("report", document))
    if (verdict.answer == "allowed") != (answer.status == 0):
        return Verdict(asked, f"{verdict.answer}, exit status {answer.status}", said=answer.errors)
    return verdict


def of_http(asked: str, status: int, body: object) -> Verdict:
    """Reads what the service answered to a check or a promotion."""
    if status != 200 or not isinstance(body, dict):
        return Verdict(asked, "undecided", said=f"HTTP {status}: {body}")
    return of_report(asked, body.get("report", body))


def of_review(status: int, body: object, uid: str) -> Verdict:
    """Reads an admission review; it has to answer the very request that was made."""
    response = body.get("response") if status == 200 and isinstance(body, dict) else None
    if not isinstance(response, dict) or response.get("uid") != uid:
        return Verdict("admission", "undecided", said=f"HTTP {status}: {body}", reported=False)
    said = (response.get("status") or {}).get("message", "")
    return Verdict("admission", "allowed" if response["allowed"] is True else "denied", said=said, reported=False)
