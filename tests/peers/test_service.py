"""A service that lies, and what our own clients make of it: `assay monitor`, `check`, `promote`,
`find`, `verify`.

The truth is a live register; lies are told by somebody in between, by an older copy of it (a
rollback), and by a copy that went another way (a fork), both of which sign with the register's own
key. Where a client cannot notice, the test asserts that, and its name or text says so.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from register import ASSAY, PATIENCE, Register
from test_tlog import Writer
from web import Between, at, flipped, withheld

# A full tile and a part of one, with a level above them.
SIZE = 300
TILE, ABOVE, ENTRIES = "/tile/0/001.p/44", "/tile/1/000.p/1", "/tile/entries/001.p/44"
POLICY = """\
apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: reviewed, version: 1}
stages: {staging: {mode: enforce}}
steps: {review: {predicates: ['https://example.com/review/v1'], signers: {anyOf: ['*']}}}
"""


def review(register, number):
    """Registers something about the model."""
    (register.folder / "said.json").write_text(json.dumps({"number": number}), encoding="utf-8")
    kind = ["--type", "https://example.com/review/v1", "--predicate", "said.json"]
    register.assay("attest", *kind, "--subject", "model.bin")


class Reader:
    """Somebody with a trust file, who remembers what was seen."""

    def __init__(self, trust):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._folder.name)
        (self.folder / "model.bin").write_text("weights", encoding="utf-8")
        (self.folder / ".assay").mkdir()
        shutil.copy(trust, self.folder / ".assay" / "trust.yaml")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def asks(self, url, words):
        """Runs the command against a service: exit status and output."""
        where = [url] if words.startswith("monitor") else ["--server", url]
        done = subprocess.run(
            [ASSAY, *words.split(), *where],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def remembers(self):
        """The largest size that was seen of any register."""
        seen = json.loads((self.folder / ".assay" / "seen.json").read_text(encoding="utf-8"))
        return max(mark["size"] for mark in seen["logs"].values())


class Lying(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with contextlib.ExitStack() as stack:
            make = lambda: stack.enter_context(Register())
            cls.register, cls.older, cls.other = make(), make(), make()
            (cls.register.folder / "model.bin").write_text("weights", encoding="utf-8")
            review(cls.register, 0)
            home = cls.register.folder / ".assay"
            (home / "policy.yaml").write_text(POLICY, encoding="utf-8")
            # Others are answered by it: it is not one person's alone.
            trust = (home / "trust.yaml").read_text(encoding="utf-8")
            (home / "trust.yaml").write_text(trust.replace("local: true\n", ""), encoding="utf-8")
            for copy in (cls.older, cls.other):
                shutil.copytree(home, copy.folder / ".assay")
                shutil.copy(cls.register.folder / "model.bin", copy.folder)
            review(cls.register, 1)
            review(cls.other, 2)
            for register in (cls.register, cls.older, cls.other):
                register.serve("--public", "--key", "local")
            for register in (cls.register, cls.other):
                Writer(register.url).grow_to(SIZE - 2)
            cls.trust = home / "trust.yaml"
            cls.addClassCleanup(stack.pop_all().close)

    def setUp(self):
        self.reader = self.enterContext(Reader(self.trust))
        (self.reader.folder / "policy.yaml").write_text(POLICY, encoding="utf-8")

    def asks(self, words, status, want, url=None):
        """Runs the command and holds what it says against what it should."""
        found, said = self.reader.asks(url or self.register.url, words)
        self.assertEqual(found, status, said)
        self.assertIn(want, said)
        return said

    def between(self, path, change):
        """The register's service with one thing changed."""
        return self.enterContext(Between(self.register.url, at(path, change))).url

    def test_the_truth_is_told_and_remembered(self):
        self.asks("monitor --once --entries", 0, f"{SIZE} entries, seen for the first time")
        self.asks("check model.bin --stage staging", 0, f"read all {SIZE} entries")
        self.asks("find --proofs --limit 5 --reverse", 0, f"complete to {SIZE} of")
        self.asks("verify model.bin", 0, f"complete to {SIZE} entries, as")
        why = "why model.bin --stage staging --policy policy.yaml"
        self.asks(why, 0, f"read all {SIZE} entries")
        self.assertEqual(self.reader.remembers(), SIZE)

    def test_the_monitor_follows_a_live_register_of_any_size(self):
        with Register() as register:
            writer = Writer(register.serve("--public"))
            with Reader(register.folder / ".assay" / "trust.yaml") as reader:
                for size in (1, 2, 255, 256, 257):
                    writer.grow_to(size)
                    status, said = reader.asks(register.url, "monitor --once --entries")
                    self.assertEqual((status, reader.remembers()), (0, size), said)

    def test_the_monitor_refuses_a_register_with_one_thing_changed(self):
        cases = [
            ("nothing", "/tile/9/000", flipped(0), 0, f"{SIZE} entries"),
            ("a part of a tile", TILE, flipped(5), 2, f"wrong `{TILE[1:]}`"),
            ("the level above", ABOVE, flipped(31), 2, "wrong `tile/"),
            ("a full tile", "/tile/0/000", flipped(-1), 2, "wrong `tile/0/000`"),
            ("an entry of a full bundle", "/tile/entries/000", flipped(100), 2, "entries/000`"),
            ("an entry of a part", ENTRIES, flipped(-2), 2, f"wrong `{ENTRIES[1:]}`"),
            ("a withheld part", TILE, withheld, 2, f"withholds `{TILE[1:]}`"),
            ("a withheld body", ENTRIES, withheld, 2, f"withholds `{ENTRIES[1:]}`"),
            ("the signature", "/checkpoint", flipped(-10), 2, "does not count"),
            ("no checkpoint", "/checkpoint", withheld, 2, "no `checkpoint`"),
        ]
        for name, path, change, status, want in cases:
            with self.subTest(name), Reader(self.trust) as reader:
                found, said = reader.asks(self.between(path, change), "monitor --once --entries")
                self.assertEqual(found, status, said)
                self.assertIn(want, said)
                remembers = (reader.folder / ".assay" / "seen.json").exists()
                self.assertEqual(remembers, status == 0, "a lie is not remembered")

    def test_a_rollback_and_a_fork_are_refused_by_every_client_that_remembers(self):
        questions = [
            ("monitor --once", 1),
            ("check model.bin --stage staging", 2),
            ("promote model.bin --stage staging", 2),
            ("why model.bin --stage staging --policy policy.yaml", 2),
            ("find --proofs", 2),
            ("verify model.bin", 2),
            ("lineage model.bin", 2),
        ]
        self.asks("check model.bin --stage staging", 0, "allowed")
        for words, status in questions:
            with self.subTest(words):
                rollback = f"had {SIZE} before" if status == 2 else "rollback"
                fork = "another history" if status == 2 else "fork"
                self.asks(words, status, rollback, self.older.url)
                said = self.asks(words, status, fork, self.other.url)
                self.assertIn("before.note", said, "the evidence is kept")
                self.assertEqual(self.reader.remembers(), SIZE)
        self.asks("check model.bin --stage staging", 0, "allowed")

    def test_a_rollback_and_a_fork_cannot_be_noticed_by_who_sees_them_first(self):
        """Nor by `find` without `--proofs` and `log head`, which show what the register says and
        hold it against nothing: their answers are its word."""
        self.asks("check model.bin --stage staging", 0, "allowed", self.other.url)
        self.asks("find", 0, "complete to 1 of", self.older.url)
        self.asks("log head", 0, "entries  1", self.older.url)

    def test_a_report_by_less_than_was_shown_is_no_answer(self):
        def changed(name, value):
            def change(status, body):
                report = json.loads(body)
                report["completeness"][name] = value
                return status, json.dumps(report).encode()

            return self.between("/v1/check", change)

        ask, root = "check model.bin --stage staging", "sha256:" + "0f" * 32
        self.asks(ask, 0, "allowed", changed("size", SIZE))
        self.asks(ask, 2, f"all of the {SIZE} entries", changed("size", SIZE - 1))
        self.asks(ask, 2, "another tree", changed("root", root))
        self.asks(ask, 2, f"all of the {SIZE} entries", changed("kind", "claimed"))
        other = lambda status, body: (status, body.replace(b"assay.local/", b"other.local/"))
        self.asks(ask, 2, "does not name the register `other", self.between("/checkpoint", other))
        self.asks(ask, 2, "refuses (404)", self.between("/checkpoint", withheld))

    def test_what_a_service_judges_by_cannot_be_seen_by_who_asks_it(self):
        """`check` reads no tiles and no bodies: a service that withholds them, or leaves a
        revocation out of what it judges by, is believed. That is for the monitor to notice, and
        for whoever reads the register."""
        ask = "check model.bin --stage staging"
        for path in (TILE, ENTRIES):
            self.asks(ask, 0, "allowed", self.between(path, withheld))


if __name__ == "__main__":
    unittest.main()
