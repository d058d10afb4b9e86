"""What the quickstart says while it works, coloured only where somebody is looking."""

import os
import shlex
import shutil
import sys
import textwrap

COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "cyan": "36"}
WIDEST = 110  # a wider line is hard to read, however wide the window


class Terminal:
    """Says what is being done: headings, commands, and what they answered."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._watched = sys.stdout.isatty()
        self._coloured = self._watched and "NO_COLOR" not in os.environ
        self.width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)

    def paint(self, colour: str, text: str) -> str:
        return f"\033[{COLOURS[colour]}m{text}\033[0m" if self._coloured else text

    def heading(self, text: str) -> None:
        self._say(f"\n{self.paint('bold', text)}")

    def remark(self, text: str) -> None:
        self._say(f"  {text}")

    def command(self, words: list[str]) -> None:
        """A command as one could type it, folded where it is long."""
        for number, line in enumerate(fold(words, self.width - 8)):
            self._say(self.paint("cyan", f"  {'$' if number == 0 else ' '} {'' if number == 0 else '    '}{line}"))

    def answer(self, text: str) -> None:
        for line in text.strip("\n").splitlines():
            # A drawn tree keeps its lines; a sentence is folded.
            parts = textwrap.wrap(line, self.width - 4, subsequent_indent="  ", break_on_hyphens=False,
                                  break_long_words=False, drop_whitespace=False) or [""]
            for part in parts:
                self._say(f"    {part.rstrip()}")

    def begin(self, text: str) -> None:
        """Something that takes a while begins; `end` replaces the line."""
        if self._watched and not self.quiet:
            print(f"  …     {text}", end="", flush=True)

    def end(self, good: bool, text: str) -> None:
        mark = self.paint("green", "ok   ") if good else self.paint("red", "WRONG")
        self._say(("\r\033[K" if self._watched else "") + f"  {mark} {text}")

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)


def fold(words: list[str], width: int) -> list[str]:
    """The command on several lines, none wider than `width` if it can be, broken before options."""
    groups: list[str] = []
    for word in map(shlex.quote, words):
        # What belongs to an option stays with it; `--` begins what is run under the command.
        if groups and not word.startswith("--"):
            groups[-1] += f" {word}"
        else:
            groups.append(word)
    lines: list[str] = []
    for group in groups:
        if lines and len(lines[-1]) + 1 + len(group) <= width and not group.startswith("-- "):
            lines[-1] += f" {group}"
        else:
            lines.append(group)
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]
