"""The Python implementation of in-toto and ours come to the same verdict about supply chains.

A few hundred random chains with all kinds of keys, both forms, sublayouts and parameters, most of
them attacked: where the verdicts may differ, the attack says which way and why. Patterns are held
to Python's `fnmatch`. Chains that `assay run --link` recorded are verified by `in-toto-verify`.
"""

import collections
import fnmatch
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from in_toto import verifylib
from in_toto.models._signer import load_public_key_from_file
from in_toto.models.layout import Inspection, Layout, Step
from in_toto.models.link import Link
from in_toto.models.metadata import Envelope, Metablock, Metadata
from securesystemslib.formats import encode_canonical

from supply_chain import Chain, edit, keys

ASSAY = os.environ["ASSAY"]
SEED = 20261126
CASES = 480
VERIFY = Path(sys.executable).parent / "in-toto-verify"

# What is no verdict of the reference, but of nobody who looked.
STRICTER = {
    "other-name": "a link of another step under this step's file name: its name is not looked at",
    "same-key": "one key under two key ids counts as two functionaries",
    "contradiction": "two authorised functionaries disagree and the first one counts",
    "no-expiry": "a layout without `expires` is given one month from whenever it is read",
    "no-steps": "a layout that asks for nothing passes",
    "zero-threshold": "a step that nobody has to have done",
    "no-digests": "artifacts without any digest are equal",
    "md5-alone": "artifacts of equal MD5 are equal",
    "unsigned-field": "what stands beside the known fields is dropped before it is checked",
}
LAXER = {
    "no-keyid": "a DSSE envelope need not name keys; the reference wants a key id (DSSE, `keyid`)",
    "spoilt-copy": "a file that is no link is set aside, as one with a bad signature is",
}


def setUpModule():
    logging.disable(logging.CRITICAL)


class Case:
    """A chain on disk, judged by both."""

    def __init__(self, folder, chain):
        self.folder, self.chain = folder, chain
        self.key = chain.owner
        self.layout = chain.write(folder)

    def links(self):
        return sorted(self.folder.glob("*.link"))

    def python(self):
        try:
            verifylib.in_toto_verify(
                Metadata.load(str(self.layout)),
                {self.key.keyid: self.key.dict},
                link_dir_path=str(self.folder),
                substitution_parameters=self.chain.parameters,
                persist_inspection_links=False,
            )
        except Exception as error:  # whatever it raises is its way to say no
            return False, f"{type(error).__name__}: {error}".splitlines()[0]
        return True, ""

    def assay(self):
        command = [ASSAY, "layout", "verify", self.layout, "--links", self.folder]
        command += ["--key", self.key.write(self.folder)]
        for name, value in (self.chain.parameters or {}).items():
            command += ["--parameter", f"{name}={value}"]
        done = subprocess.run(command, capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert done.returncode in (0, 1, 2) and "panicked" not in said, said
        return done.returncode == 0, said


# Attacks: each gets the chain before it is written, or the case after that.


def nothing(case):
    pass


def wrong_owner(case):
    case.key = case.chain.functionaries[0]


def tampered_layout(case):
    edit(case.layout, lambda _, layout: layout.update(readme="x"))


def tampered_link(case):
    def change(_, document):
        if document["_type"] == "link":
            document["products"]["evil"] = {"sha256": "ab"}
        else:
            document["readme"] = "x"

    edit(case.links()[0], change)


def missing_link(case):
    case.links()[-1].unlink()


def unsigned_link(case):
    edit(case.links()[0], lambda envelope, _: envelope.update(signatures=[]))


def other_keyid(case):
    edit(case.links()[0], lambda envelope, _: envelope["signatures"][0].update(keyid="ab" * 32))


def renamed_key(case):
    """Somebody of the layout lays a link by another under their own name."""
    link = case.links()[0]
    step = link.name.split(".")[0]
    other = next(key for key in case.chain.functionaries if key.keyid[:8] not in link.name)
    shutil.move(link, case.folder / f"{step}.{other.keyid[:8]}.link")


def by_another(chain):
    """Every link of the last step is by one who may not do it."""
    name = chain.steps[-1].name
    may = chain.steps[-1].pubkeys
    other = next(key for key in chain.functionaries if key.keyid not in may)
    for place in [place for place in chain.links if place[0] == name]:
        _, link = chain.links.pop(place)
        chain.below.pop(place, None)
        chain.links[name, other.name] = (other, link)


def signed_by_another(case):
    """Every link of the last step bears the signature of one who may not do it, under the name of
    one who may."""
    name = case.chain.steps[-1].name
    outsider = case.chain.owner
    for (step, _), (key, link) in case.chain.links.items():
        if step == name:
            path = case.folder / f"{step}.{key.keyid[:8]}.link"
            case.chain.sign(link, outsider).dump(path)


def expired(chain):
    chain.expires = "2020-01-01T00:00:00Z"


def missing_parameter(chain):
    chain.parameters = {"other": "x"}
    chain.steps[0].expected_products.insert(0, ["ALLOW", "{v}"])


def other_name(chain):
    for (name, _), (_, link) in chain.links.items():
        link.name = "other" if name == chain.steps[-1].name else link.name


def contradiction(chain):
    step = chain.steps[-1]
    step.threshold = 1
    step.pubkeys = [key.keyid for key in chain.functionaries[:2]]
    _, link = next(value for (name, _), value in chain.links.items() if name == step.name)
    for key in chain.functionaries[:2]:
        copy = Link(
            name=step.name,
            command=link.command,
            materials=link.materials,
            products=dict(link.products),
        )
        chain.links[step.name, key.name] = (key, copy)
    chain.links[step.name, chain.functionaries[1].name][1].products["evil"] = {"sha256": "ab"}
    for place in [place for place in chain.below if place[0] == step.name]:
        del chain.below[place]


def spoilt_copy(chain):
    step = chain.steps[0]
    step.threshold = 1
    step.pubkeys = [key.keyid for key in chain.functionaries]


def spoil(case):
    step = case.chain.steps[0].name
    have = {path.name for path in case.links()}
    for key in case.chain.functionaries:
        name = f"{step}.{key.keyid[:8]}.link"
        if name not in have:
            (case.folder / name).write_text("{}")


def resign_layout(change):
    """Changes the layout as its owner would, whatever the reference lets one write."""

    def attack(case):
        document = json.loads(case.layout.read_text())
        if "signed" in document:
            change(document["signed"])
            message = encode_canonical(document["signed"]).encode()
            signature = case.chain.owner.signer.sign(message).to_dict()
            document["signatures"] = [signature]
            case.layout.write_text(json.dumps(document))
        else:
            layout = {}

            def payload(_, found):
                change(found)
                layout.update(found)

            edit(case.layout, payload)
            envelope = Envelope(json.dumps(layout).encode(), "application/vnd.in-toto+json", {})
            envelope.sign(case.chain.owner.signer)
            case.layout.write_text(json.dumps(envelope.to_dict()))

    return attack


def no_keyid(chain):
    chain.form = Envelope


def drop_keyid(case):
    for link in case.links():
        edit(link, lambda envelope, _: envelope["signatures"][0].pop("keyid"))


def zero(layout):
    layout["steps"][0]["threshold"] = 0


def empty(layout):
    layout["steps"] = []


def unsigned_field(chain):
    chain.form = Metablock


def digests(value):
    def attack(chain):
        chain.below.clear()
        both = {"f": dict(value)}
        make = lambda name, materials, products: Link(
            name=name, materials=materials, products=products
        )
        key = chain.functionaries[0]
        rule = [["MATCH", "*", "WITH", "PRODUCTS", "FROM", "one"], ["DISALLOW", "*"]]
        chain.steps = [
            Step(name="one", pubkeys=[key.keyid]),
            Step(name="two", pubkeys=[key.keyid], expected_materials=rule),
        ]
        chain.links = {
            ("one", key.name): (key, make("one", {}, both)),
            ("two", key.name): (key, make("two", both, {})),
        }

    return attack


# Name: what is done before the chain is written, and after.
ATTACKS = {
    "none": (nothing, nothing),
    "wrong-owner": (nothing, wrong_owner),
    "tampered-layout": (nothing, tampered_layout),
    "tampered-link": (nothing, tampered_link),
    "missing-link": (nothing, missing_link),
    "unsigned-link": (nothing, unsigned_link),
    "other-keyid": (nothing, other_keyid),
    "renamed-key": (nothing, renamed_key),
    "by-another": (by_another, nothing),
    "signed-by-another": (nothing, signed_by_another),
    "expired": (expired, nothing),
    "missing-parameter": (missing_parameter, nothing),
    "sha512": (digests({"sha512": "ab" * 64}), nothing),
    "other-name": (other_name, nothing),
    "contradiction": (contradiction, nothing),
    "no-expiry": (no_keyid, resign_layout(lambda layout: layout.pop("expires"))),
    "no-steps": (nothing, resign_layout(empty)),
    "zero-threshold": (nothing, resign_layout(zero)),
    "no-digests": (digests({}), nothing),
    "md5-alone": (digests({"md5": "ab" * 16}), nothing),
    "unsigned-field": (
        unsigned_field,
        lambda case: edit(case.layout, lambda _, layout: layout.update(x=1)),
    ),
    "no-keyid": (no_keyid, drop_keyid),
    "spoilt-copy": (spoilt_copy, spoil),
}
# What has to be refused by both, whatever else the chain is.
FATAL = {
    "wrong-owner",
    "tampered-layout",
    "by-another",
    "signed-by-another",
    "expired",
    "missing-parameter",
}


class Layouts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keys = keys()

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def test_generated_chains_get_the_same_verdict(self):
        source = random.Random(SEED)
        names = list(ATTACKS)
        passed, differences, kinds = (
            collections.Counter(),
            collections.Counter(),
            collections.Counter(),
        )
        for number in range(CASES):
            # Every other chain is not attacked.
            name = names[(number // 2) % len(names)] if number % 2 else "none"
            before, after = ATTACKS[name]
            chain = Chain(source, self.keys)
            if source.random() < 0.25:
                chain.delegate(self.keys)
            before(chain)
            case = Case(self.folder / "case", chain)
            after(case)
            (python, why), (ours, said) = case.python(), case.assay()
            told = f"case {number}, {name}: python {python} ({why}), assay {ours}\n{said}"
            if name in STRICTER and python and not ours:
                differences[name] += 1
            elif name in LAXER and ours and not python:
                differences[name] += 1
            else:
                self.assertEqual(python, ours, told)
            if name in FATAL:
                self.assertFalse(ours, told)
            passed[name] += ours
            passed["delegated"] += bool(ours and chain.below)
            passed["with parameters"] += bool(ours and chain.parameters)
            kinds[chain.owner.name, chain.form.__name__] += 1
        # Neither side says the same about everything, and every kind of key owned a layout.
        self.assertGreater(passed["none"], CASES // 8, passed)
        self.assertLess(passed["none"], CASES // 2)
        self.assertGreater(passed["delegated"], 10)
        self.assertGreater(passed["with parameters"], 10)
        self.assertEqual({key for key, _ in kinds}, {key.name for key in self.keys})
        # The differences that are explained above are there, each of them.
        expected = (set(STRICTER) | set(LAXER)) - {"same-key"}
        self.assertEqual(set(differences), expected, differences)

    def test_one_key_under_two_ids(self):
        chain = Chain(random.Random(SEED), self.keys)
        chain.form, chain.parameters = Metablock, None
        key = chain.functionaries[0]
        link = Link(name="one", products={"f": {"sha256": "ab"}})
        chain.below.clear()
        other = dict(key.dict, keyid="ab" * 32)
        chain.steps = [Step(name="one", pubkeys=[key.keyid, other["keyid"]], threshold=2)]
        chain.links = {("one", key.name): (key, link)}
        layout = Layout(
            steps=chain.steps,
            keys={key.keyid: key.dict, other["keyid"]: other},
            expires=chain.expires,
        )
        case = Case(self.folder / "case", chain)
        chain.sign(layout, chain.owner).dump(case.layout)
        second = json.loads(case.links()[0].read_text())
        second["signatures"][0]["keyid"] = other["keyid"]
        (case.folder / "one.abababab.link").write_text(json.dumps(second))
        self.assertEqual((case.python()[0], case.assay()[0]), (True, False), STRICTER["same-key"])

    def test_patterns_mean_what_fnmatch_means(self):
        source = random.Random(SEED)
        letters = "ab/.*?[]!-^\\&|~{}é\n "
        text = lambda most: "".join(source.choice(letters) for _ in range(source.randint(0, most)))
        pairs = self.patterns([text(9) for _ in range(700)], text)
        pairs += self.patterns(["[" + text(7) + "]" for _ in range(700)], text)
        matched = sum(match for _, _, match in pairs)
        self.assertGreater(len(pairs), 15_000)
        self.assertGreater(matched, 1_000)

    def patterns(self, patterns, text):
        """Lays each pattern into a step of its own, and the names it is tried on into the link."""
        chain = Chain(random.Random(SEED), self.keys)
        key = next(key for key in self.keys if key.name == "ed25519")
        chain.owner, chain.functionaries = key, [key]
        chain.parameters, chain.below, chain.form = None, {}, Envelope
        chain.steps, chain.links = [], {}
        names = {}
        for number, pattern in enumerate(patterns):
            step = f"s{number}"
            names[step] = (
                pattern,
                {text(5) for _ in range(10)} | {pattern, pattern[1:-1], text(1), text(1)},
            )
            rules = [["ALLOW", pattern], ["DISALLOW", "*"]]
            chain.steps.append(Step(name=step, pubkeys=[key.keyid], expected_products=rules))
            products = {name: {"sha256": "ab"} for name in names[step][1]}
            chain.links[step, key.name] = (key, Link(name=step, products=products))
        case = Case(self.folder / "patterns", chain)
        command = [ASSAY, "layout", "verify", case.layout, "--links", case.folder, "--json"]
        done = subprocess.run(
            [*command, "--key", key.write(case.folder)], capture_output=True, text=True
        )
        findings = json.loads(done.stdout)["findings"]
        left = {
            finding["item"]: set(finding["artifacts"])
            for finding in findings
            if finding["code"] == "rule.disallow"
        }
        pairs = []
        for step, (pattern, tried) in names.items():
            with self.subTest(pattern=pattern):
                want = {name for name in tried if not fnmatch.fnmatchcase(name, pattern)}
                self.assertEqual(left.get(step, set()), want)
            pairs += [(pattern, name, name not in want) for name in tried]
        return pairs

    def test_inspections_run_when_asked_and_are_held_to_their_rules(self):
        key = self.keys[0]
        inspections = {
            "untouched": (["true"], [["ALLOW", "*"]], True),
            "made": (["sh", "-c", "echo hi > new"], [["CREATE", "new"], ["ALLOW", "*"]], True),
            "unexpected": (["sh", "-c", "echo hi > new"], [["DISALLOW", "new"]], False),
            "matched": (
                ["true"],
                [["MATCH", "f", "WITH", "PRODUCTS", "FROM", "one"], ["DISALLOW", "f"]],
                True,
            ),
            "changed": (
                ["sh", "-c", "echo x > f"],
                [["MATCH", "f", "WITH", "PRODUCTS", "FROM", "one"], ["DISALLOW", "f"]],
                False,
            ),
            "failed": (["false"], [], False),
        }
        for name, (run, rules, want) in inspections.items():
            with self.subTest(name):
                answers = []
                for who in ("python", "assay", "not run"):
                    chain = Chain(random.Random(SEED), self.keys)
                    chain.owner, chain.functionaries, chain.parameters = key, [key], None
                    digest = {
                        "sha256": "98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4"
                    }
                    chain.below = {}
                    chain.links = {
                        ("one", key.name): (key, Link(name="one", products={"f": digest}))
                    }
                    chain.steps = [Step(name="one", pubkeys=[key.keyid])]
                    case = Case(self.folder / "case", chain)
                    layout = chain.layout()
                    layout.inspect = [Inspection(name=name, run=run, expected_products=rules)]
                    chain.sign(layout, key).dump(case.layout)
                    public = key.write(case.folder)
                    here = self.folder / "here"
                    shutil.rmtree(here, ignore_errors=True)
                    here.mkdir()
                    (here / "f").write_text("hi\n")
                    if who == "python":
                        command = [VERIFY, "--layout", case.layout, "--link-dir", case.folder]
                        command += ["--verification-keys", public]
                    else:
                        command = [
                            ASSAY,
                            "layout",
                            "verify",
                            case.layout,
                            "--link-dir",
                            case.folder,
                        ]
                        command += ["--verification-keys", public]
                        command += ["--run-inspections"] if who == "assay" else []
                    done = subprocess.run(command, cwd=here, capture_output=True, text=True)
                    answers.append(done.returncode)
                self.assertEqual(answers, [0, 0, 2] if want else [1, 1, 2])

    def assay(self, *words):
        """Runs the command in the test's folder."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")
        }
        done = subprocess.run(
            [ASSAY, *words], cwd=self.folder, env=environment, capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def both(self, layout, owner):
        """The exit statuses of both, for links in `links`."""
        words = ["--link-dir", "links", "--verification-keys", owner]
        commands = [VERIFY, "--layout", layout], [ASSAY, "layout", "verify", layout]
        run = lambda command: subprocess.run(
            [*command, *words], cwd=self.folder, capture_output=True
        )
        return [run(command).returncode for command in commands]

    def test_links_that_assay_recorded_are_verified_by_in_toto(self):
        write = "mkdir out && sort data/x.txt > out/x.txt && echo é > 'out/a b.txt'"
        read = 'cat out/* > model.bin && echo \'{"sampleSize": 1, "metrics": {}}\' > metrics.json'
        for algorithm in ("ed25519", "p256", "p384"):
            for name in ("out", "links", "data", "model.bin", "metrics.json"):
                path = self.folder / name
                path.unlink(True) if path.is_file() else shutil.rmtree(path, ignore_errors=True)
            (self.folder / "links").mkdir()
            (self.folder / "data").mkdir()
            (self.folder / "data/x.txt").write_text("b\na\n")
            who = {}
            for name in ("alice", "bob"):
                key = f"{name}-{algorithm}"
                self.assay("key", "generate", key, "--algorithm", algorithm)
                who[name] = load_public_key_from_file(str(self.folder / f".assay/keys/{key}.pub"))
            self.assay(
                "run", "--kind", "data-preparation", "--step", "prepare", "--link", "links",
                "--key", f"alice-{algorithm}", "--material", "data", "--product", "out",
                "--", "sh", "-c", write,
            )  # fmt: skip
            self.assay(
                "run", "--kind", "training", "--step", "train", "--link", "links",
                "--key", f"bob-{algorithm}", "--material", "out", "--product", "model.bin",
                "--metrics", "metrics.json", "--", "sh", "-c", read,
            )  # fmt: skip
            names = sorted(path.name for path in (self.folder / "links").iterdir())
            self.assertEqual(
                names,
                [
                    f"prepare.{who['alice']['keyid'][:8]}.link",
                    f"train.{who['bob']['keyid'][:8]}.link",
                ],
            )
            steps = [
                Step(
                    name="prepare",
                    pubkeys=[who["alice"]["keyid"]],
                    expected_command=["sh", "-c", write],
                    expected_materials=[
                        ["REQUIRE", "data/x.txt"],
                        ["ALLOW", "data/*"],
                        ["DISALLOW", "*"],
                    ],
                    expected_products=[
                        ["CREATE", "out/x.txt"],
                        ["CREATE", "out/a b.txt"],
                        ["DISALLOW", "*"],
                    ],
                ),
                Step(
                    name="train",
                    pubkeys=[who["bob"]["keyid"]],
                    expected_materials=[
                        ["MATCH", "out/*", "WITH", "PRODUCTS", "FROM", "prepare"],
                        ["DISALLOW", "*"],
                    ],
                    expected_products=[
                        ["CREATE", "model.bin"],
                        ["CREATE", "metrics.json"],
                        ["DISALLOW", "*"],
                    ],
                ),
            ]
            owner = self.keys[0]
            layout = Layout(
                steps=steps,
                keys={key["keyid"]: key for key in who.values()},
                expires="2099-01-01T00:00:00Z",
            )
            metadata = Envelope.from_signable(layout)
            metadata.create_signature(owner.signer)
            metadata.dump(self.folder / "root.layout")
            public = owner.write(self.folder)
            self.assertEqual(self.both("root.layout", public), [0, 0], algorithm)

            link = self.folder / "links" / names[1]
            good = link.read_bytes()
            change = lambda _, document: document["products"].update(
                {"model.bin": {"sha256": "ab"}}
            )
            edit(link, change)
            self.assertEqual(self.both("root.layout", public), [1, 1], algorithm)
            link.write_bytes(good)
            # What the second step took is not what the first one made.
            (self.folder / "out/x.txt").write_text("evil")
            (self.folder / "model.bin").unlink()
            (self.folder / "metrics.json").unlink()
            self.assay(
                "run", "--kind", "training", "--step", "train", "--link", "links",
                "--key", f"bob-{algorithm}", "--material", "out", "--product", "model.bin",
                "--metrics", "metrics.json", "--", "sh", "-c", read,
            )  # fmt: skip
            self.assertEqual(self.both("root.layout", public), [1, 1], algorithm)

    def test_links_that_in_toto_recorded_are_verified_by_assay(self):
        tools = VERIFY.parent
        (self.folder / "links").mkdir()
        for form in ([], ["--use-dsse"]):
            key = self.keys[1]
            (self.folder / "key.pem").write_bytes(key.signer.private_bytes)
            (self.folder / "made").unlink(True)
            record = [
                tools / "in-toto-run",
                "-n",
                "make",
                "--signing-key",
                "key.pem",
                "-d",
                "links",
                "-p",
                "made",
                *form,
            ]
            subprocess.run(
                [*record, "--", "sh", "-c", "echo hi > made"], cwd=self.folder, check=True
            )
            rules = [["CREATE", "made"], ["DISALLOW", "*"]]
            step = Step(name="make", pubkeys=[key.keyid], expected_products=rules)
            layout = Layout(
                steps=[step], keys={key.keyid: key.dict}, expires="2099-01-01T00:00:00Z"
            )
            Metablock(signed=layout).dump(self.folder / "root.layout")
            sign = [
                tools / "in-toto-sign",
                "-f",
                "root.layout",
                "-k",
                "key.pem",
                "-o",
                "root.layout",
            ]
            subprocess.run(sign, cwd=self.folder, check=True, capture_output=True)
            self.assertEqual(self.both("root.layout", key.write(self.folder)), [0, 0], form)


if __name__ == "__main__":
    unittest.main()
