"""aics-tlog, a reader of C2SP tlog-tiles logs that is not ours, reads and audits a live register.

Everything is checked against the register's key alone: checkpoints, every tile, every entry, proofs
made of tiles. Beside each register that it accepts stands one where a proxy changes one thing,
which it must refuse.
"""

import base64
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from aics_tlog import (
    HttpTileReader,
    TileMissingError,
    TileUnavailableError,
    TileVerificationError,
    VerifiedTileReader,
    audit_tiles,
    consistency_proof_from_tiles,
    inclusion_proof_from_tiles,
    leaf_hash,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    read_entry,
    verify_checkpoint,
    verify_consistency,
    verify_inclusion,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from register import Register
from web import Between, at, flipped, open_url, withheld

SIZES = (1, 2, 255, 256, 257, 513)
# The most signatures that one envelope may carry.
SIGNATURES = 16
TYPE = "text/plain"
TOKEN = "dGhpcyBpcyBhIHRva2VuIG9mIG91cnM"


class Writer:
    """Registers envelopes over HTTP, many signatures at a time: each becomes an entry."""

    def __init__(self, url, token=None):
        self.url = url
        self.token = token
        self.size = 0
        seeds = (bytes([number]) * 32 for number in range(1, SIGNATURES + 1))
        self.keys = [Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds]

    def grow_to(self, size):
        while self.size < size:
            self._submit(self.keys[: min(SIGNATURES, size - self.size)])

    def _submit(self, keys):
        payload = b"envelope at %d" % self.size
        encoding = b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)
        envelope = {
            "payloadType": TYPE,
            "payload": text(payload),
            "signatures": [{"sig": text(key.sign(encoding))} for key in keys],
        }
        spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        verifiers = [text(key.public_key().public_bytes(*spki)) for key in keys]
        body = json.dumps({"envelope": envelope, "verifiers": verifiers}).encode()
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(f"{self.url}/v1/entries", body, headers)
        with open_url(request) as answer:
            self.size += len(json.load(answer)["entries"])


def text(data):
    return base64.b64encode(data).decode()


def reader_of(url):
    return HttpTileReader(url, proxies={})


def head_of(reader, key):
    """The checkpoint that a source serves, if the register signed it."""
    note = parse_note(reader.read_checkpoint())
    result = verify_checkpoint(note, key, expected_origin=key.name)
    if not result.ok:
        raise ValueError(result.error)
    return parse_checkpoint(note.text)


def audit(url, key):
    """Reads the whole log and checks it; gives its checkpoint."""
    reader = reader_of(url)
    head = head_of(reader, key)
    audit_tiles(reader, head.size, head.root)
    return head


class Tlog(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with contextlib.ExitStack() as stack:
            cls.register = stack.enter_context(Register())
            cls.url = cls.register.serve("--public")
            shown = json.loads(cls.register.assay("log", "head", "--json"))
            cls.key = parse_vkey(shown["key"])
            cls.writer = Writer(cls.url)
            cls.heads = []
            for size in SIZES:
                cls.writer.grow_to(size)
                cls.heads.append(audit(cls.url, cls.key))
            cls.addClassCleanup(stack.pop_all().close)

    def test_a_register_of_any_size_is_read_whole(self):
        self.assertEqual([head.size for head in self.heads], list(SIZES))
        reader = reader_of(self.url)
        last = self.heads[-1]
        report = audit_tiles(reader, last.size, last.root)
        # Two full tiles and a part of one, a part of the level above; bundles likewise.
        self.assertEqual((report.tiles, report.bundles), (4, 3))
        self.assertEqual(reader.stats["not_found"], 0)

    def test_every_earlier_tree_is_still_there_and_only_grew(self):
        last = self.heads[-1]
        tree = VerifiedTileReader(reader_of(self.url), last.size, last.root)
        for head in self.heads:
            # Its own parts of tiles, which full tiles have overtaken since.
            audit_tiles(reader_of(self.url), head.size, head.root)
            proof = consistency_proof_from_tiles(tree, head.size, last.size)
            self.assertTrue(
                verify_consistency(head.size, last.size, head.root, last.root, proof)
            )
            other = leaf_hash(b"another root")
            self.assertFalse(
                head.size < last.size
                and verify_consistency(head.size, last.size, other, last.root, proof)
            )

    def test_entries_are_proven_from_tiles(self):
        last = self.heads[-1]
        tree = VerifiedTileReader(reader_of(self.url), last.size, last.root)
        for index in (0, 1, 254, 255, 256, 257, 511, 512):
            entry = read_entry(tree, index, last.size)
            self.assertEqual(json.loads(entry)["kind"], "hashedrekord")
            proof = inclusion_proof_from_tiles(tree, index, last.size)
            leaf = leaf_hash(entry)
            self.assertTrue(verify_inclusion(leaf, index, last.size, proof, last.root))
            other = leaf_hash(entry + b" ")
            self.assertFalse(verify_inclusion(other, index, last.size, proof, last.root))

    def test_its_command_finds_an_entry_by_the_leaf_that_ours_writes(self):
        leaf = self.register.folder / "leaf.json"
        self.register.assay("log", "entry", 300, "--leaf", leaf)
        for index, want in ((300, 0), (301, 1)):
            done = subprocess.run(
                [sys.executable, "-m", "aics_tlog", "verify-inclusion", "--leaf", str(leaf),
                 "--index", str(index), "--tiles", self.url, "--log-key", self.vkey()],
                capture_output=True,
                text=True,
                timeout=60,
            )
            self.assertEqual(done.returncode, want, done.stdout + done.stderr)

    def vkey(self):
        return json.loads(self.register.assay("log", "head", "--json"))["key"]

    def test_a_log_with_one_thing_changed_is_refused(self):
        full, wrong, missing = "/tile/0/000", TileVerificationError, TileMissingError
        cases = [
            ("nothing", "/tile/9/000", flipped(0), None),
            ("the first bit of a full tile", full, flipped(0), wrong),
            ("the last byte of a full tile", full, flipped(-1), wrong),
            ("a full tile of the middle", "/tile/0/001", flipped(4000), wrong),
            ("a part of a tile", "/tile/0/002.p/1", flipped(5), wrong),
            ("the level above", "/tile/1/000.p/2", flipped(40), wrong),
            ("an entry of a full bundle", "/tile/entries/000", flipped(100), wrong),
            ("an entry of a part", "/tile/entries/002.p/1", flipped(-2), wrong),
            ("a tile that is another", full, lambda *_: self.fetched("/tile/0/001"), wrong),
            ("a withheld tile", "/tile/0/001", withheld, missing),
            ("a withheld part", "/tile/0/002.p/1", withheld, missing),
            ("withheld entries", "/tile/entries/001", withheld, missing),
            ("the size", "/checkpoint", self.with_size(512), ValueError),
            ("the signature", "/checkpoint", flipped(-10), ValueError),
        ]
        for name, path, change, error in cases:
            with self.subTest(name), Between(self.url, at(path, change)) as between:
                if error is None:
                    self.assertEqual(audit(between.url, self.key), self.heads[-1])
                else:
                    self.assertRaises(error, audit, between.url, self.key)

    def fetched(self, path):
        with open_url(self.url + path) as answer:
            return answer.status, answer.read()

    @staticmethod
    def with_size(size):
        want = b"\n%d\n" % SIZES[-1]
        return lambda status, body: (status, body.replace(want, b"\n%d\n" % size))

    def test_headers_say_what_may_be_kept(self):
        octets, for_ever = "application/octet-stream", "public, max-age=31536000, immutable"
        cases = [
            ("/checkpoint", "text/plain; charset=utf-8", "no-cache"),
            ("/tile/0/000", octets, for_ever),
            ("/tile/0/002.p/1", octets, for_ever),
            ("/tile/entries/002.p/1", octets, for_ever),
        ]
        for path, media_type, cache in cases:
            with open_url(self.url + path) as answer:
                self.assertEqual(answer.headers["content-type"], media_type, path)
                self.assertEqual(answer.headers["cache-control"], cache, path)

    def test_an_offline_proof_holds_for_its_leaf_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            proof, leaf = pathlib.Path(folder, "7.tlog-proof"), pathlib.Path(folder, "leaf.json")
            self.register.assay("log", "prove", 7, "--output", proof)
            self.register.assay("log", "entry", 7, "--leaf", leaf)
            lines = proof.read_text(encoding="utf-8").split("\n")
            self.assertEqual(lines[:2], ["c2sp.org/tlog-proof@v1", "index 7"])
            # By the other implementation's reading: leaf, path and root fit each other.
            head = head_of(reader_of(self.url), self.key)
            path = [base64.b64decode(line) for line in lines[2 : lines.index("")]]
            proven = leaf_hash(leaf.read_bytes())
            self.assertTrue(verify_inclusion(proven, 7, head.size, path, head.root))
            self.assertIn("proven", self.register.assay("verify", leaf, "--proof", proof))
            leaf.write_bytes(leaf.read_bytes() + b" ")
            refused = self.register.assay("verify", leaf, "--proof", proof, check=False)
            self.assertIn("not proven", refused)


class Private(unittest.TestCase):
    def test_a_register_that_is_not_public_shows_its_entries_to_nobody_without_the_token(self):
        with Register() as register:
            token = register.folder / "token"
            token.write_text(TOKEN, encoding="utf-8")
            url = register.serve("--token-file", token)
            key = parse_vkey(json.loads(register.assay("log", "head", "--json"))["key"])
            Writer(url, TOKEN).grow_to(1)
            self.assertEqual(head_of(reader_of(url), key).size, 1)
            self.assertRaises(TileUnavailableError, audit, url, key)
            for asked in [("log", "entry", 0), ("find",)]:
                refused = register.run(*asked)
                self.assertEqual(refused.returncode, 2)
                self.assertIn("ASSAY_TOKEN_FILE", refused.stderr)
                shown = register.run(*asked, ASSAY_TOKEN_FILE=str(token))
                self.assertEqual(shown.returncode, 0, shown.stderr)
            register.stop()
            self.assertEqual(audit(register.serve("--token-file", token, "--public"), key).size, 1)


if __name__ == "__main__":
    unittest.main()
