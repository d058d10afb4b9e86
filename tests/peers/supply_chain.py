"""Random in-toto supply chains, made with the Python implementation, and attacks on them.

Everything comes from one seed, keys apart. An attack changes a chain before or after it is signed.
"""

import base64
import json
import shutil

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from in_toto.models.layout import Layout, Step
from in_toto.models.link import Link
from in_toto.models.metadata import Envelope, Metablock
from securesystemslib.signer import CryptoSigner

PATHS = ["a", "b", "a/b", "src/x.py", "src/y.py", "out/app", "out/app.sig", "d/e/f", "[x]", "ä ö"]
PATTERNS = [
    "*",
    "a",
    "src/*",
    "*.py",
    "out/app*",
    "[ab]",
    "[!a]*",
    "?",
    "*/*",
    "d/?/[e-g]",
    "[[]x]",
]
STEPS = ["write", "build", "pack"]


class Key:
    """A functionary, or the owner of a layout."""

    def __init__(self, name, signer):
        self.name, self.signer = name, signer
        self.keyid = signer.public_key.keyid
        self.dict = {**signer.public_key.to_dict(), "keyid": self.keyid}

    def write(self, folder):
        path = folder / f"{self.name}.pub"
        if self.dict["scheme"] == "rsa-pkcs1v15-sha256":
            # PEM does not say how an RSA key signs.
            path.write_text(json.dumps(self.dict))
        else:
            public = self.signer._private_key.public_key()
            path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return path


def keys():
    """One key of each kind that both sides check with, and a second of the commonest."""
    return [
        Key("ed25519", CryptoSigner.generate_ed25519()),
        Key("p256", CryptoSigner.generate_ecdsa()),
        Key("p384", CryptoSigner.generate_ecdsa(scheme="ecdsa-sha2-nistp384")),
        Key("pss", CryptoSigner.generate_rsa(size=2048)),
        Key("pkcs1", CryptoSigner.generate_rsa(scheme="rsa-pkcs1v15-sha256", size=3072)),
        Key("other", CryptoSigner.generate_ed25519()),
    ]


class Chain:
    """A layout with its links, before they are signed."""

    def __init__(self, random, all_keys, depth=0):
        self.random, self.depth = random, depth
        self.owner, *self.functionaries = random.sample(all_keys, 4)
        self.form = random.choice([Metablock, Envelope])
        self.parameters = (
            {"v": "a", "long-name_1": "out/*"} if random.random() < 0.2 and not depth else None
        )
        self.expires = "2099-01-01T00:00:00Z"
        self.steps, self.links, self.below = [], {}, {}
        before = self.artifacts(self.random.sample(PATHS, 3))
        history = {}
        for name in STEPS[: random.randint(1, 3)]:
            after = self.change(before)
            who = random.sample(self.functionaries, random.randint(1, 2))
            step = Step(
                name=name,
                pubkeys=[key.keyid for key in who],
                threshold=random.randint(1, len(who)),
                expected_command=["make", name],
                expected_materials=self.rules(before, after, before, history),
                expected_products=self.rules(before, after, after, history),
            )
            self.steps.append(step)
            for key in who:
                link = Link(name=name, command=["make", name], materials=before, products=after)
                self.links[name, key.name] = (key, link)
            history[name] = (before, after)
            before = after
        self.history = history

    def artifacts(self, paths):
        return {path: self.digest() for path in paths}

    def digest(self):
        return {"sha256": f"{self.random.getrandbits(256):064x}"}

    def change(self, before):
        after = dict(before)
        for path in self.random.sample(PATHS, 3):
            if path in after and self.random.random() < 0.4:
                del after[path]
            else:
                after[path] = self.digest()
        return after

    def rules(self, before, after, queue, history):
        """Rules that mostly fit, with some that do not, or that are noise."""
        rules = []
        for path in queue:
            # A path is not a pattern: `[x]` is one letter.
            pattern = path.replace("[", "[[]") if "[" in path else path
            if path not in before:
                rules.append(["CREATE", pattern])
            elif path not in after:
                rules.append(["DELETE", pattern])
            elif before[path] != after[path]:
                rules.append(["MODIFY", pattern])
            else:
                rules.append(["ALLOW", pattern])
            for name, (_, made) in history.items():
                if made.get(path) == queue[path]:
                    rules[-1] = self.random.choice([rules[-1], self.match(path, name)])
        if self.random.random() < 0.3:
            noise = self.random.choice(
                ["CREATE", "delete", "MODIFY", "ALLOW", "DISALLOW", "REQUIRE"]
            )
            rules.insert(
                self.random.randint(0, len(rules)), [noise, self.random.choice(PATTERNS + PATHS)]
            )
        if self.random.random() < 0.1 and rules:
            rules.pop(self.random.randrange(len(rules)))
        if self.random.random() < 0.8:
            rules.append(["DISALLOW", "*"])
        if self.parameters and self.random.random() < 0.5:
            rules.insert(
                0, ["ALLOW", self.random.choice(["{v}", "{v}/*", "{long-name_1}", "x{{y}}"])]
            )
        return rules

    def match(self, path, name):
        folder, _, last = path.rpartition("/")
        if folder and self.random.random() < 0.7:
            within = folder + self.random.choice(["", "/"])
            pattern = self.random.choice(["*", last])
            return ["MATCH", pattern, "IN", within, "WITH", "PRODUCTS", "IN", within, "FROM", name]
        pattern = path.replace("[", "[[]") if "[" in path else path
        return ["MATCH", pattern, "WITH", "products", "FROM", name]

    def delegate(self, all_keys):
        """Lets a functionary do the first step by a layout of their own."""
        name = self.steps[0].name
        chosen = [(step, who) for (step, who) in self.links if step == name]
        step, who = chosen[0]
        below = Chain(self.random, all_keys, self.depth + 1)
        below.owner = self.links[step, who][0]
        first, last = next(iter(below.history.values())), list(below.history.values())[-1]
        materials, products = self.history[name]
        # It takes and makes what the step does, so that it can stand for it.
        for (inner, _), (_, link) in below.links.items():
            if inner == below.steps[0].name and link.materials == first[0]:
                link.materials = materials
            if inner == below.steps[-1].name and link.products == last[1]:
                link.products = products
        for inner in below.steps:
            if self.random.random() < 0.7:
                inner.expected_materials, inner.expected_products = (
                    [["ALLOW", "*"]],
                    [["ALLOW", "*"]],
                )
        self.below[step, who] = below
        return True

    def layout(self):
        keys = {key.keyid: key.dict for key in self.functionaries}
        return Layout(steps=self.steps, keys=keys, expires=self.expires)

    def sign(self, signable, *signers):
        if self.form is Metablock:
            metadata = Metablock(signed=signable)
        else:
            metadata = Envelope.from_signable(signable)
        for key in signers:
            metadata.create_signature(key.signer)
        return metadata

    def write(self, folder):
        """Writes layout and links; returns the path of the layout."""
        shutil.rmtree(folder, ignore_errors=True)
        self.write_links(folder)
        self.sign(self.layout(), self.owner).dump(folder / "root.layout")
        return folder / "root.layout"

    def write_links(self, folder):
        folder.mkdir(parents=True)
        for place, (key, link) in self.links.items():
            path = folder / f"{place[0]}.{key.keyid[:8]}.link"
            below = self.below.get(place)
            if below:
                below.write_links(folder / f"{place[0]}.{key.keyid[:8]}")
                below.sign(below.layout(), key).dump(path)
            else:
                self.sign(link, key).dump(path)


def edit(path, change):
    """Changes a document on disk without signing it again: `change` gets envelope and payload."""
    document = json.loads(path.read_text())
    if "payload" in document:
        payload = json.loads(base64.b64decode(document["payload"]))
        change(document, payload)
        if "payload" in document:
            document["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    else:
        change(document, document["signed"])
    path.write_text(json.dumps(document))
