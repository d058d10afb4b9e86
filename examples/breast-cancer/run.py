"""The quickstart: record the line, promote its image, ask a service to admit it, then attack it.

    python run.py --assay PATH/TO/assay [--work FOLDER] [--json | --quiet]

Run it with the Python that has the packages of requirements.txt (`make quickstart` does). Exits
with 0 when every line of the last table is as it should be, 1 when one is not, and 2 when it
could not come so far.
"""

import argparse
import functools
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from quickstart.attacks import ATTACKS
from quickstart.edits import EDITS
from quickstart.judge import rows
from quickstart.service import ServiceError
from quickstart.story import Story
from quickstart.table import Row, draw
from quickstart.terminal import Terminal
from quickstart.workspace import CommandFailed

MARK = ".made-by-quickstart"


def clean(work: Path) -> None:
    """Begin in an empty folder. Only what an earlier run made is removed."""
    if work.exists() and not (work / MARK).exists() and any(work.iterdir()):
        raise CommandFailed(f"`{work}` holds other files; name an empty folder with --work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    (work / MARK).touch()


def everything(work: Path, assay: Path, terminal: Terminal) -> list[Row]:
    story = Story(work, assay, terminal)
    story.record()
    table = story.promote_and_admit()

    terminal.heading("7. Attacks, each on a copy, each beside a control without the tampering")
    cases = [(attack.name, attack.start, functools.partial(rows, attack)) for attack in ATTACKS]
    for number, (name, start, make) in enumerate([*cases, *EDITS], start=1):
        terminal.begin(name)
        began = time.monotonic()
        found = make(story.snapshots[start].told(Terminal(quiet=True)), work / "attacks" / str(number))
        terminal.end(all(row.right for row in found), f"{name} ({time.monotonic() - began:.0f} s)")
        table += found
    return table


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--assay", type=Path, required=True, help="the command to use")
    arguments.add_argument("--work", type=Path, default=Path("target/quickstart"), help="folder to work in")
    arguments.add_argument("--json", action="store_true", help="print the last table as JSON, and nothing else")
    arguments.add_argument("--quiet", action="store_true", help="print the last table only")
    options = arguments.parse_args()
    terminal = Terminal(quiet=options.json or options.quiet)

    # Being ended is an exception, so that whatever was started is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    try:
        clean(options.work)
        table = everything(options.work.resolve(), options.assay.resolve(strict=True), terminal)
    except (CommandFailed, ServiceError, OSError, subprocess.SubprocessError) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("quickstart: interrupted", file=sys.stderr)
        return 130

    wrong = sum(not row.right for row in table)
    if options.json:
        print(json.dumps({"rows": [row.as_json() for row in table], "wrong": wrong}, indent=1))
    else:
        print("\n" + draw(table, terminal))
        said = f"{len(table) - wrong} of {len(table)} answers as they should be, in {time.monotonic() - began:.0f} s"
        print("\n" + terminal.paint("red" if wrong else "green", said))
        terminal.remark(f"The workspace stays in {options.work / 'line'}: look around with `assay verify image`, `assay find`, …")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
