"""A log that lies, and who notices: `aics-tlog`, `aics-witness`, our witness and `assay monitor`.

Every test says of each of them what it does about the lie. Where one cannot notice, because it
never sees what the lie is about, the test asserts that too, and its name or text says so.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from hostile import History, Hostile
from register import ASSAY, PATIENCE, Register
from web import Between
from witnesses import OwnWitness, PeerWitness

# More than one tile, and a right edge of two levels.
BEFORE, AFTER = 300, 700
PARTIAL = f"tile/0/002.p/{AFTER - 2 * 256}"
ENTRIES = f"tile/entries/002.p/{AFTER - 2 * 256}"


def entries(count, fork=None):
    """Some entries; those from `fork` on are of another history."""
    other = count if fork is None else fork
    return [f"entry {at} {at >= other}".encode() for at in range(count)]


class Lies(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.log = self.enterContext(Hostile(entries(BEFORE)))
        (self.folder / "key").write_text(self.log.key, encoding="utf-8")
        (self.folder / "before.note").write_text(self.log.note(), encoding="utf-8")

    def monitor(self, *arguments):
        """`assay monitor`: exit status and output."""
        command = [ASSAY, "monitor", self.log.url, "--key", self.log.key, "--once", *arguments]
        return self._run(command)

    def peer(self, command, *arguments):
        """`aics-tlog`: exit status and output."""
        key = ["--vkey-file", self.folder / "key"]
        where = ["--tiles", self.log.url]
        return self._run([sys.executable, "-m", "aics_tlog", command, *key, *where, *arguments])

    def peer_grows(self):
        """`aics-tlog verify-consistency` from the note that was kept."""
        return self.peer("verify-consistency", "--old-checkpoint", self.folder / "before.note")

    def peer_reads_all(self):
        """Why `aics_tlog.audit_tiles` does not accept every tile and entry; None if it does."""
        from aics_tlog import HttpTileReader, audit_tiles, parse_checkpoint, parse_note

        head = parse_checkpoint(parse_note(self.log.note()).text)
        try:
            audit_tiles(HttpTileReader([self.log.url]), head.size, head.root)
        except Exception as error:  # its errors have no common type
            return type(error).__name__
        return None

    def _run(self, command):
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def witnesses(self):
        """Both witnesses, who have cosigned the log as it is now."""
        for kind in (PeerWitness, OwnWitness):
            witness = self.enterContext(kind())
            witness.serve(self.log.key)
            self.assertEqual(witness.add(self.log.request(0))[0], 200)
            yield witness

    def grow(self, fork=None):
        """The log has more entries; from `fork` on they are of another history."""
        self.log.history = History(entries(AFTER, fork))
        self.log.size = AFTER

    def remembered(self):
        """What the monitor remembers of the log."""
        seen = json.loads((self.folder / ".assay" / "seen.json").read_text(encoding="utf-8"))
        return seen["logs"][self.log.origin]["size"]

    def test_everybody_accepts_growth(self):
        witnesses = list(self.witnesses())
        self.assertEqual(self.monitor()[0], 0)
        self.grow()
        status, said = self.monitor("--entries")
        self.assertEqual(status, 0, said)
        self.assertIn("400 more, which extend the 300 seen before", said)
        self.assertEqual(self.remembered(), AFTER)
        status, said = self.peer_grows()
        self.assertEqual(status, 0, said)
        self.assertIsNone(self.peer_reads_all())
        for witness in witnesses:
            status, body = witness.add(self.log.request(BEFORE))
            self.assertEqual(status, 200, body)

    def test_a_fork_is_refused_by_everybody_who_remembers(self):
        witnesses = list(self.witnesses())
        self.assertEqual(self.monitor()[0], 0)
        self.grow(fork=200)
        status, said = self.monitor()
        self.assertEqual(status, 1, said)
        self.assertIn("fork  hostile.example/log", said)
        kept = [line.split("evidence: ")[1] for line in said.splitlines() if "evidence" in line]
        notes = [pathlib.Path(path).read_text(encoding="utf-8") for path in kept]
        before = (self.folder / "before.note").read_text(encoding="utf-8")
        self.assertEqual(notes, [before, self.log.note()], "both notes are kept")
        self.assertEqual(self.remembered(), BEFORE, "the fork is not what is remembered")
        self.assertEqual(self.monitor()[0], 1, "and it is said again")
        self.assertEqual(self.peer_grows()[0], 1)
        for witness in witnesses:
            status, body = witness.add(self.log.request(BEFORE))
            self.assertEqual(status, 422, body)

    def test_a_fork_of_the_same_size_is_refused_by_everybody_who_remembers(self):
        witnesses = list(self.witnesses())
        self.assertEqual(self.monitor()[0], 0)
        self.log.history = History(entries(BEFORE, fork=200))
        self.assertEqual(self.monitor()[0], 1)
        self.assertEqual(self.peer_grows()[0], 1)
        for witness in witnesses:
            self.assertIn(witness.add(self.log.request(BEFORE))[0], (409, 422))

    def test_a_fork_cannot_be_noticed_by_who_sees_it_first(self):
        """Neither `aics-tlog` nor `assay monitor` can know of a history that it was never shown:
        that is what witnesses are for."""
        self.grow(fork=200)
        self.assertEqual(self.monitor("--entries")[0], 0)
        self.assertEqual(self.peer("verify-checkpoint")[0], 0)
        self.assertIsNone(self.peer_reads_all())

    def test_a_rollback_is_refused_by_everybody_who_remembers(self):
        self.grow()
        (self.folder / "before.note").write_text(self.log.note(), encoding="utf-8")
        witnesses = list(self.witnesses())
        self.assertEqual(self.monitor()[0], 0)
        self.log.size = BEFORE
        status, said = self.monitor()
        self.assertEqual(status, 1, said)
        self.assertIn("rollback  hostile.example/log", said)
        self.assertEqual(self.remembered(), AFTER)
        self.assertEqual(self.peer_grows()[0], 1)
        for witness in witnesses:
            self.assertEqual(witness.add(self.log.request(BEFORE)), (409, f"{AFTER}\n"))

    def test_a_rollback_cannot_be_noticed_by_a_peer_without_its_older_note(self):
        """`aics-tlog verify-checkpoint` keeps no memory of its own."""
        self.assertEqual(self.peer("verify-checkpoint")[0], 0)
        self.log.size = BEFORE - 1
        self.assertEqual(self.peer("verify-checkpoint")[0], 0)

    def test_a_wrong_partial_tile_is_refused_by_every_reader_and_not_seen_by_witnesses(self):
        """A witness gets a proof and no tiles: it cannot notice, and cosigns."""
        witnesses = list(self.witnesses())
        self.assertEqual(self.monitor()[0], 0)
        self.grow()
        right = self.log.file(PARTIAL)
        self.log.lies[PARTIAL] = right[:-1] + bytes([right[-1] ^ 1])
        status, said = self.monitor()
        self.assertEqual(status, 2, said)
        self.assertIn(f"wrong `{PARTIAL}`", said)
        self.assertEqual(self.remembered(), BEFORE)
        self.assertEqual(self.peer("verify-checkpoint")[0], 1)
        self.assertEqual(self.peer_grows()[0], 1)
        for witness in witnesses:
            self.assertEqual(witness.add(self.log.request(BEFORE))[0], 200)
        # A tile that is right again is no fork.
        self.log.lies.clear()
        self.assertEqual(self.monitor()[0], 0)

    def test_a_withheld_body_is_missed_by_who_reads_it_and_not_by_who_reads_hashes(self):
        """Hashes alone do not show that an entry is withheld: `aics-tlog verify-checkpoint`,
        `verify-consistency`, both witnesses and `assay monitor` without `--entries` cannot
        notice; an audit by `aics-tlog` and `assay monitor --entries` do."""
        witnesses = list(self.witnesses())
        self.assertEqual(self.monitor()[0], 0)
        self.grow()
        self.log.lies[ENTRIES] = None
        status, said = self.monitor("--entries")
        self.assertEqual(status, 2, said)
        self.assertIn(f"withholds `{ENTRIES}`", said)
        self.assertEqual(self.remembered(), BEFORE)
        self.assertEqual(self.peer_reads_all(), "TileMissingError")
        self.assertEqual(self.peer("verify-checkpoint")[0], 0)
        self.assertEqual(self.peer_grows()[0], 0)
        for witness in witnesses:
            self.assertEqual(witness.add(self.log.request(BEFORE))[0], 200)
        self.assertEqual(self.monitor()[0], 0)


def without(index):
    """Leaves an entry out of what is said of any artifact."""

    def change(path, status, body):
        if not path.startswith("/v1/artifacts/"):
            return status, body
        answer = json.loads(body)
        place = lambda bundle: bundle["verificationMaterial"]["tlogEntries"][0]["logIndex"]
        answer["bundles"] = [one for one in answer["bundles"] if place(one) != str(index)]
        return status, json.dumps(answer).encode()

    return change


class Withheld(unittest.TestCase):
    def test_a_withheld_statement_cannot_be_noticed_over_a_service_and_the_answer_says_so(self):
        """`assay verify --server` cannot know what a service leaves out, and says that it
        `claims`; a command that reads the register itself says that it read every entry."""
        with Register() as register, Register() as reader:
            (register.folder / "model.bin").write_text("weights", encoding="utf-8")
            (reader.folder / "model.bin").write_text("weights", encoding="utf-8")
            (register.folder / "p.json").write_text("{}", encoding="utf-8")
            for word in ("one", "two"):
                kind = f"https://example.com/{word}/v1"
                register.assay(
                    *["attest", "--type", kind, "--predicate", "p.json", "--subject", "model.bin"]
                )
            (reader.folder / ".assay").mkdir()
            shutil.copy(register.folder / ".assay" / "trust.yaml", reader.folder / ".assay")
            url = register.serve()
            ask = lambda url: reader.assay("verify", "model.bin", "--server", url)
            self.assertIn("example.com/two", ask(url))
            with Between(url, without(1)) as between:
                said = ask(between.url)
            self.assertNotIn("example.com/two", said)
            self.assertIn("claims", said)
            register.stop()
            said = register.assay("verify", "model.bin")
            self.assertIn("read all 2 entries", said)


if __name__ == "__main__":
    unittest.main()
