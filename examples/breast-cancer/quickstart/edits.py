"""A metric edited in a stored statement, wherever a statement can be stored.

In a bundle that somebody hands on, on its way into the register, and in the register's own files.
No rule of the policy is what refuses: a signature covers every byte of a statement, and the
register's tree every entry. So there is no row without a rule here.
"""

import base64
import copy
import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from .doors import DOORS, Door, Http, command, http
from .judge import ALLOWED, LAST, Expected, the_policy, tried
from .line import STAGES, STEPS
from .table import Row
from .verdict import Verdict, of_command
from .workspace import CommandFailed, Workspace

JOURNAL = ".assay/register/journal"


def in_a_bundle(base: Workspace, folder: Path) -> list[Row]:
    """Whoever wants the answer hands on the evidence himself, in files."""

    def at(name: str, tampered: bool) -> Row:
        workspace = base.copy(folder / name)
        # Only evidence in hand counts here, so the policy must say that this is enough.
        workspace.use_policy(the_policy() + "\ncompleteness: given\n")

        def judge(door: Door) -> tuple[Expected, list[Verdict]]:
            for stage in STAGES[:-1]:
                door.promote(stage)
            bundles = workspace.bundles()
            at_fault = workspace.newest("evaluate")["index"]
            expected = ALLOWED
            if tampered:
                envelope = edited(bundles[at_fault]["dsseEnvelope"])
                bundles[at_fault]["dsseEnvelope"] = envelope
                expected = Expected("denied", "step.missing", body(envelope), "the edited statement")
            (workspace.folder / "bundles").mkdir()
            files = []
            for index, bundle in bundles.items():
                files += ["--bundle", f"bundles/{index}.json"]
                (workspace.folder / files[-1]).write_text(json.dumps(bundle), encoding="utf-8")
            answer = workspace.ask("check", workspace.image(), "--stage", LAST, "--json", *files)
            return expected, [of_command("check", answer)]

        title = "a metric edited in a bundle" + ("" if tampered else ": control")
        return tried(title, "command", Expected("denied" if tampered else "allowed"), DOORS["command"](workspace), judge)

    return [at("attack", True), at("control", False)]


def on_its_way(base: Workspace, folder: Path) -> list[Row]:
    """The evaluation is made on another machine; somebody edits it before it is submitted."""
    elsewhere = base.copy(folder / "elsewhere")
    elsewhere.record(STEPS["evaluate"])
    honest = elsewhere.bundles()[elsewhere.newest("evaluate")["index"]]

    def at(door: str, name: str, tampered: bool) -> Row:
        workspace = base.copy(folder / f"{name}-{door}")
        workspace.use_policy(the_policy())

        def judge(opened: Door) -> tuple[Expected, list[Verdict]]:
            opened.workspace.redo("build", "package")
            envelope = honest["dsseEnvelope"]
            taken, answer = opened.submit(honest | {"dsseEnvelope": edited(envelope) if tampered else envelope})
            if taken == tampered:
                raise CommandFailed(f"submitting it was answered with {answer}")
            for stage in STAGES[:-1]:
                opened.promote(stage)
            # It was not taken, so no finding can name it: the rule that goes without it does.
            expected = Expected("denied", "step.missing", "steps.evaluate", "it was not taken")
            return expected if tampered else ALLOWED, opened.ask(LAST)

        title = "a metric edited on its way" + ("" if tampered else ": control")
        return tried(title, door, Expected("denied" if tampered else "allowed"), DOORS[door](workspace), judge)

    return [at(door, name, name == "attack") for name in ("attack", "control") for door in DOORS]


def in_the_register(base: Workspace, folder: Path) -> list[Row]:
    """Whoever can write to the disk edits the journal. A register that is not what it signed
    gives no verdict at all, and what gives none is never taken for a yes."""

    def at(door: str, name: str, tampered: bool) -> Row:
        workspace = base.copy(folder / f"{name}-{door}")
        entry = workspace.newest("evaluate")
        expected = ALLOWED
        if tampered:
            payload = base64.b64decode(workspace.bundles()[entry["index"]]["dsseEnvelope"]["payload"])
            replace_in_files(workspace.folder / JOURNAL, payload, improved(payload))
            digest = entry["body"].removeprefix("sha256:")
            expected = Expected("undecided", "", digest, f"entry {entry['index']}, evaluate")

        def judge(opened: Door) -> tuple[Expected, list[Verdict]]:
            verdicts = opened.ask(LAST)
            if isinstance(opened, Http):
                # What is wrong with a register is the operator's to know: it stands in the log.
                verdicts = [dataclasses.replace(verdict, said=opened.service.log()) for verdict in verdicts]
            return expected, verdicts

        title = "a metric edited in the register" + ("" if tampered else ": control")
        # Such a service lives, and is never ready.
        opening = http(workspace, "/healthz" if tampered else "/readyz") if door == "HTTP" else command(workspace)
        return tried(title, door, expected, opening, judge)

    return [at(door, name, name == "attack") for name in ("attack", "control") for door in DOORS]


EDITS: tuple[tuple[str, str, Callable[[Workspace, Path], list[Row]]], ...] = (
    ("a metric edited in a bundle", "recorded", in_a_bundle),
    ("a metric edited on its way", "trained", on_its_way),
    ("a metric edited in the register", "promoted", in_the_register),
)


def edited(envelope: dict) -> dict:
    """The envelope with a better accuracy in it and its signatures as they were."""
    changed = copy.deepcopy(envelope)
    payload = improved(base64.b64decode(envelope["payload"]))
    changed["payload"] = base64.b64encode(payload).decode()
    return changed


def improved(payload: bytes) -> bytes:
    """The statement with one digit of its first accuracy made larger, and no other byte changed."""
    measurements = json.loads(payload)["predicate"]["measurements"]
    value = next(one["value"] for one in measurements if one["metric"] == "accuracy" and not one.get("slice"))
    digit = next(place for place in range(2, len(value)) if value[place] != "9")
    better = value[:digit] + "9" + value[digit + 1:]
    changed = payload.replace(f'"{value}"'.encode(), f'"{better}"'.encode(), 1)
    if changed == payload:
        raise CommandFailed(f"the statement does not hold the text `{value}`")
    return changed


def body(envelope: dict) -> str:
    """The digest by which a signed statement is known: of what DSSE signs."""
    kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    return "sha256:" + hashlib.sha256(signed).hexdigest()


def replace_in_files(folder: Path, before: bytes, after: bytes) -> None:
    """Put `after` where `before` stands, in the one file that holds it."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        place = path.read_bytes().find(before)
        if place >= 0:
            with path.open("r+b") as file:
                file.seek(place)
                file.write(after)
            return
    raise CommandFailed(f"no file under {folder} holds the statement")
