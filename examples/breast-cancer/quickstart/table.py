"""The table that the quickstart ends with: one line a case and door."""

from dataclasses import asdict, dataclass

from .terminal import Terminal

COLUMNS = ("case", "door", "expected", "got", "code", "evidence", "")


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

    def cells(self) -> tuple[str, ...]:
        mark = "ok" if self.right else "WRONG"
        return self.case, self.door, self.expected, self.got, self.code, self.evidence, mark

    def as_json(self) -> dict:
        return asdict(self)


def draw(rows: list[Row], terminal: Terminal) -> str:
    """Rows under their headings, columns aligned; what is wrong with a row stands below it."""
    table = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    # Widths are measured before painting: colours have no width.
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
    lines = [terminal.paint("bold", texts[0])]
    for row, text in zip(rows, texts[1:], strict=True):
        lines.append(text if row.right else terminal.paint("red", text))
        if not row.right:
            lines.append(terminal.paint("red", f"    {row.why}"))
    return "\n".join(lines)
