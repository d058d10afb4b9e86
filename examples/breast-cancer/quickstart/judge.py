"""Make a case, ask every door about it, and hold the answers against what had to come out."""

from collections.abc import Callable
from pathlib import Path

from . import verdict
from .attacks import Attack
from .line import STAGES
from .service import Service, ServiceError
from .table import Row
from .verdict import Verdict
from .workspace import EXAMPLE, Workspace

LAST = STAGES[-1]


def rows(attack: Attack, base: Workspace, folder: Path) -> list[Row]:
    """All rows of an attack: the control, the attack, and the attack without the one rule."""
    policy = (EXAMPLE / "policy.yaml").read_text(encoding="utf-8")

    def made(name: str, tampered: bool, text: str) -> Workspace:
        workspace = base.copy(folder / name)
        workspace.use_policy(text)
        attack.perform(workspace, tampered)
        for stage in STAGES[:-1]:
            if not (tampered and stage in attack.skipped):
                workspace.promote(stage)
        return workspace

    found = judge(f"{attack.name}: control", made("control", False, policy), "allowed", "", None)
    attacked = made("attack", True, policy)
    fault = attacked.newest(attack.fault) if attack.fault else None
    found += judge(attack.name, attacked, "denied", attack.code, fault)
    if attack.rule:
        before, after = attack.rule
        if policy.count(before) != 1:
            raise ValueError(f"the policy does not have exactly one `{before}`")
        without = made("without", True, policy.replace(before, after))
        found += judge(f"{attack.name}: without the rule", without, "allowed", "", None)
    return found


def judge(case: str, workspace: Workspace, expected: str, code: str, fault: int | None) -> list[Row]:
    """One row for the command and one for HTTP."""
    image = workspace.image()

    def asked_over_http() -> list[Verdict]:
        try:
            with workspace.serve() as service:
                return verdict.http(service, image, LAST)
        except ServiceError as error:
            return [Verdict("serve", "undecided", said=str(error))]

    doors: list[tuple[str, Callable[[], list[Verdict]]]] = [
        ("command", lambda: verdict.command(workspace, LAST)),
        ("HTTP", asked_over_http),
    ]
    return [row(case, door, expected, code, fault, ask()) for door, ask in doors]


def row(case: str, door: str, expected: str, code: str, fault: int | None, verdicts: list[Verdict]) -> Row:
    """Holds what a door said against what had to come out."""
    answers = {verdict.answer for verdict in verdicts}
    got = answers.pop() if len(answers) == 1 else ", ".join(f"{v.asked} {v.answer}" for v in verdicts)
    reports = [verdict for verdict in verdicts if verdict.evidence or verdict.codes]
    named = all(code in verdict.codes for verdict in reports) and bool(reports)
    at_fault = fault is None or all(fault in verdict.evidence.get(code, ()) for verdict in reports)

    why = ""
    if got != expected:
        why = f"expected {expected}: " + " | ".join(f"{v.asked}: {v.answer} {v.said}" for v in verdicts)
    elif code and not named:
        why = f"expected the finding {code}: " + " | ".join(f"{v.asked}: {sorted(v.codes)}" for v in verdicts)
    elif code and not at_fault:
        why = f"expected {code} to name entry {fault}: {[v.evidence for v in reports]}"
    return Row(case, door, expected, got, code if named else "", f"entry {fault}" if fault is not None and at_fault else "",
               right=not why, why=why)
