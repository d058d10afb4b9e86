"""What the quickstart says while it works, coloured only where somebody is looking."""

import os
import sys

COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32"}


class Terminal:
    """Says what is being done: headings, commands, and what they answered."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def paint(self, colour: str, text: str) -> str:
        return f"\033[{COLOURS[colour]}m{text}\033[0m" if self._coloured else text

    def heading(self, text: str) -> None:
        if not self.quiet:
            print(f"\n{self.paint('bold', text)}", flush=True)

    def command(self, text: str) -> None:
        if not self.quiet:
            print(self.paint("dim", f"  $ {text}"), flush=True)

    def answer(self, text: str) -> None:
        if not self.quiet:
            for line in text.splitlines():
                print(f"    {line}", flush=True)
