"""The table that the quickstart ends with: one line a case, whatever door it was tried at."""

from dataclasses import asdict, dataclass
from itertools import groupby

from .terminal import Terminal

COLUMNS = ("case", "expected", "command", "HTTP", "finding", "at fault", "")


@dataclass(frozen=True)
class Row:
    """One case at one door: what had to come out, what did, and on which evidence."""

    case: str
    door: str
    expected: str
    got: str
    code: str
    evidence: str
    right: bool
    why: str = ""
    """What is not as it should be; empty when `right`."""

    def as_json(self) -> dict:
        return asdict(self)


def draw(rows: list[Row], terminal: Terminal) -> str:
    """Cases under their headings, columns aligned; what is wrong with one stands below it."""
    cases = [list(group) for _, group in groupby(rows, key=lambda row: row.case)]
    table = [COLUMNS, *map(cells, cases)]
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    # Widths are measured before painting: colours have no width.
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
    lines = [terminal.paint("bold", texts[0])]
    for case, text in zip(cases, texts[1:], strict=True):
        if all(row.right for row in case):
            start = text.removesuffix("ok")
            lines.append(start + terminal.paint("green", "ok"))
        else:
            lines.append(terminal.paint("red", text))
            lines += [terminal.paint("red", f"    {row.door}: {row.why}") for row in case if not row.right]
    return "\n".join(lines)


def cells(case: list[Row]) -> tuple[str, ...]:
    """The cells of one case. Its doors agree where all is right; where not, the first that has
    something to show is shown, and `draw` says the rest."""
    got = {row.door: row.got for row in case}
    mark = "ok" if all(row.right for row in case) else "WRONG"
    code, evidence = (next((value for value in values if value), "")
                      for values in ([row.code for row in case], [row.evidence for row in case]))
    attack, variant, words = case[0].case.partition(": ")
    # What stands beside an attack stands below it, indented.
    return f"  {words}" if variant else attack, case[0].expected, got.get("command", "-"), got.get("HTTP", "-"), code, evidence, mark
