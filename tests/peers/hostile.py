"""A log that lies as it is told: C2SP tlog-tiles over HTTP, with every answer changeable.

The tree is computed from the definitions of RFC 6962, section 2.1, and shares no code with what is
under test.
"""

import base64
import hashlib
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from web import Web

WIDTH = 256


def leaf_hash(entry):
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def tree_hash(hashes):
    """The root over some leaf hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree_hash(hashes[:split]) + tree_hash(hashes[split:])).digest()


class History:
    """What a log can show: its entries, and which of their number it has signed."""

    def __init__(self, entries):
        self.entries = entries
        self.hashes = [leaf_hash(entry) for entry in entries]

    def consistency(self, old, size):
        """The proof that the tree of `size` extends that of `old` (RFC 6962, section 2.1.2)."""
        return self._subproof(old, 0, size, True) if 0 < old < size else []

    def _subproof(self, old, start, end, whole):
        if old == end - start:
            return [] if whole else [tree_hash(self.hashes[start:end])]
        split = 1 << (end - start - 1).bit_length() - 1
        if old <= split:
            rest = tree_hash(self.hashes[start + split : end])
            return [*self._subproof(old, start, start + split, whole), rest]
        first = tree_hash(self.hashes[start : start + split])
        return [*self._subproof(old - split, start + split, end, False), first]

    def file(self, path, size):
        """What is at a path of the log of `size` entries."""
        parts = path.split("/")
        if parts[0] != "tile":
            return None
        name = "/".join(parts[2:])
        name, _, width = name.partition(".p/")
        index = int(name.replace("x", "").replace("/", ""))
        width = int(width or WIDTH)
        if parts[1] == "entries":
            entries = self.entries[:size][index * WIDTH : index * WIDTH + width]
            if len(entries) < width:
                return None
            return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)
        span = WIDTH ** int(parts[1])
        row = [index * WIDTH + at for at in range(width)]
        if (row[-1] + 1) * span > size:
            return None
        return b"".join(tree_hash(self.hashes[at * span : (at + 1) * span]) for at in row)


class Hostile(Web):
    """The log, at a URL of its own. It ends with its block."""

    def __init__(self, entries, origin="hostile.example/log"):
        super().__init__()
        self.origin = origin
        self._key = Ed25519PrivateKey.generate()
        self.history = History(entries)
        self.size = len(entries)
        # What is served in place of the truth, by path: bytes, or None for nothing.
        self.lies = {}

    @property
    def key(self):
        """Its verifier key."""
        encoded = _text(b"\x01" + self._public())
        return f"{self.origin}+{self._hash().hex()}+{encoded}"

    def note(self, size=None):
        """The signed checkpoint over its first entries."""
        size = self.size if size is None else size
        root = _text(tree_hash(self.history.hashes[:size]))
        text = f"{self.origin}\n{size}\n{root}\n"
        signature = _text(self._hash() + self._key.sign(text.encode()))
        return f"{text}\n— {self.origin} {signature}\n"

    def request(self, old):
        """What it sends a witness to grow from `old`."""
        proof = self.history.consistency(old, self.size)
        lines = "".join(f"{_text(one)}\n" for one in proof)
        return f"old {old}\n{lines}\n{self.note()}"

    def answer(self, path, *_):
        found = self.file(path.strip("/"))
        return (404, b"") if found is None else (200, found)

    def file(self, path):
        """What is served at a path."""
        if path in self.lies:
            return self.lies[path]
        if path == "checkpoint":
            return self.note().encode()
        try:
            return self.history.file(path, self.size)
        except (ValueError, IndexError):
            return None

    def _public(self):
        return self._key.public_key().public_bytes_raw()

    def _hash(self):
        return hashlib.sha256(self.origin.encode() + b"\n\x01" + self._public()).digest()[:4]


def _text(data):
    return base64.b64encode(data).decode()
