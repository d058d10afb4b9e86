"""Make a case, ask at every door about it, and hold the answers against what had to come out."""

import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from .attacks import Attack
from .doors import DOORS, Door
from .line import STAGES
from .service import ServiceError
from .table import Row
from .verdict import Verdict
from .workspace import EXAMPLE, CommandFailed, Workspace

LAST = STAGES[-1]
AT_A_TIME = 2


@dataclass(frozen=True)
class Expected:
    """What has to come out."""

    answer: str
    code: str = ""
    """The finding that has to be there."""
    fault: str = ""
    """What it has to name: the body of a statement, or an artifact."""
    shown: str = ""
    """How the table calls that."""


ALLOWED = Expected("allowed")


def rows(attack: Attack, base: Workspace, folder: Path) -> list[Row]:
    """All rows of an attack: itself, the control, and the attack without the one rule."""
    policy = the_policy()

    def at(door: str, name: str, tampered: bool, text: str) -> Row:
        def judge(opened: Door) -> tuple[Expected, list[Verdict]]:
            attack.perform(opened.workspace, tampered)
            for stage in STAGES[:-1]:
                if not (tampered and stage in attack.skipped):
                    opened.promote(stage)
            expected = denied(attack, opened.workspace) if name == "attack" else ALLOWED
            return expected, opened.ask(LAST)

        workspace = base.copy(folder / f"{name}-{door}")
        workspace.use_policy(text)
        attack.prepare(workspace)
        return tried(titles[name], door, Expected("denied" if name == "attack" else "allowed"),
                     DOORS[door](workspace), judge)

    titles = {"control": f"{attack.name}: control", "attack": attack.name,
              "without": f"{attack.name}: without the rule"}
    cases = [(door, "attack", True, policy) for door in DOORS]
    cases += [(door, "control", False, policy) for door in DOORS]
    if attack.rule:
        cases += [(door, "without", True, without(policy, *attack.rule)) for door in DOORS]
    # Each has a workspace of its own, so that two can be made at a time.
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(lambda case: at(*case), cases))


def denied(attack: Attack, workspace: Workspace) -> Expected:
    """What the attack has to come to: its code, and the statement at fault."""
    if not attack.fault:
        return Expected("denied", attack.code, workspace.image(), "the image")
    entry = workspace.newest(attack.fault)
    return Expected("denied", attack.code, entry["body"], f"entry {entry['index']}, {attack.fault}")


def the_policy() -> str:
    return (EXAMPLE / "policy.yaml").read_text(encoding="utf-8")


def without(policy: str, rule: str, instead: str) -> str:
    """The policy with exactly one piece replaced."""
    if policy.count(rule) != 1:
        raise ValueError(f"the policy does not have exactly one `{rule}`")
    return policy.replace(rule, instead)


def tried(case: str, door: str, otherwise: Expected, opening: AbstractContextManager[Door],
          judge: Callable[[Door], tuple[Expected, list[Verdict]]]) -> Row:
    """The row of a case at a door. Whatever goes wrong on the way is an answer, to be held against
    what is expected `otherwise`."""
    try:
        with opening as opened:
            return row(case, door, *judge(opened))
    except (CommandFailed, ServiceError, OSError, KeyError, subprocess.SubprocessError) as error:
        return row(case, door, otherwise, [Verdict("case", "undecided", said=f"{type(error).__name__}: {error}")])


def row(case: str, door: str, expected: Expected, verdicts: Sequence[Verdict]) -> Row:
    """Holds what a door said against what had to come out."""
    reports = [verdict for verdict in verdicts if verdict.reported]
    # Admission has no third answer: what cannot be decided, it refuses.
    refusals = [verdict for verdict in verdicts if not verdict.reported and verdict.answer == "denied"]
    counted = [verdict for verdict in verdicts if not (expected.answer == "undecided" and verdict in refusals)]
    answers = {verdict.answer for verdict in counted}
    got = counted[0].answer if len(answers) == 1 else ", ".join(f"{v.asked} {v.answer}" for v in verdicts)
    # Where admission is all that was asked, its sentence has to hold what a report would.
    telling = reports or refusals
    coded = bool(telling) and all(has_code(verdict, expected) for verdict in telling)
    named = bool(telling) and all(names(verdict, expected) for verdict in telling)

    def told(what: Callable[[Verdict], object]) -> str:
        return " | ".join(f"{verdict.asked}: {what(verdict)}" for verdict in verdicts)

    why = ""
    if got != expected.answer:
        why = f"expected {expected.answer}; " + told(lambda v: f"{v.answer} {sorted(v.codes)} {v.said}")
    elif expected.code and not coded:
        why = f"expected the finding {expected.code}; " + told(lambda v: sorted(v.codes))
    elif expected.fault and not named:
        why = f"expected {expected.fault} to be named; " + told(lambda v: (v.codes, sorted(v.rejected), v.said))
    # What gives no verdict has no finding: the table says so, beside what is at fault.
    finding = "no verdict" if expected.answer == "undecided" else expected.code
    return Row(case, door, expected.answer, got, "" if why else finding, "" if why else expected.shown,
               right=not why, why=why)


def has_code(verdict: Verdict, expected: Expected) -> bool:
    """Whether an answer has the finding: in its report, or, where there is none, in its sentence,
    in which a colon follows each code."""
    return expected.code in verdict.codes if verdict.reported else f"{expected.code}: " in verdict.said


def names(verdict: Verdict, expected: Expected) -> bool:
    """Whether an answer names what is at fault: with the finding, among what it did not believe,
    or, where there is no report, in what it said."""
    if verdict.answer == "undecided" or not verdict.reported:
        return expected.fault in verdict.said
    return expected.fault in verdict.codes.get(expected.code, ()) or expected.fault in verdict.rejected
