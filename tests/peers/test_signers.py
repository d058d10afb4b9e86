"""Keys with a program of their own: the signers in `examples/signers`, and hostile ones.

The example signers run against stand-ins of the services' tools (`vendors.py`); what they sign is
verified by Assay and by the reference implementation of OpenSSF Model Signing.
"""

import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import unittest

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from model_signing import verifying

import vendors

ASSAY = os.environ["ASSAY"]
SIGNERS = pathlib.Path(__file__).resolve().parents[2] / "examples" / "signers"
GCP = "projects/p/locations/europe/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
AZURE = "https://example.vault.azure.net/keys/release/0123456789abcdef"

# What it does is said by `key=`: `honest` signs with key.pem, the others nearly.
HOSTILE = '''
import base64, json, os, pathlib, subprocess, sys, time
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

question = json.load(sys.stdin)
how = question["key"]
with open(HERE / "asked", "a") as log:
    log.write(json.dumps({"question": question, "environment": dict(os.environ)}) + "\\n")

def load(name):
    return serialization.load_pem_private_key((HERE / name).read_bytes(), None)

def say(**fields):
    print(json.dumps({"version": "assay/signer/v1", **fields}))

def sign(private, message):
    return base64.b64encode(private.sign(message, ec.ECDSA(hashes.SHA256()))).decode()

def describe(algorithm="p256"):
    public = (HERE / "key.pub").read_text()
    say(algorithm=algorithm, publicKey=public)

if how.startswith(question["operation"] + ":"):
    how = how.split(":", 1)[1]
    message = base64.b64decode(question.get("message", ""))
    if how == "hang":
        time.sleep(1000)
    elif how == "hang with children":
        subprocess.run(["sh", "-c", "sleep 1000 & sleep 1000"])
    elif how == "much":
        sys.stdout.write("{" + " " * (1 << 20) + "}")
    elif how == "status":
        print("the service is\\x1b[2J away", file=sys.stderr)
        sys.exit(3)
    elif how == "status after an answer":
        describe() if not message else say(signature=sign(load("key.pem"), message))
        sys.stdout.flush()
        os._exit(3)
    elif how == "killed":
        os.kill(os.getpid(), 9)
    elif how == "refuse":
        say(error="not on a Friday\\x1b[2J")
    elif how == "garbage":
        print("Signature: AAAA")
    elif how == "nothing":
        pass
    elif how == "two answers":
        describe() if not message else say(signature=sign(load("key.pem"), message))
        print("{}")
    elif how == "another version":
        print(json.dumps({"version": "assay/signer/v2", "signature": "", "algorithm": "p256", "publicKey": ""}))
    elif how == "another algorithm":
        describe("p384")
    elif how == "no key":
        say(algorithm="p256", publicKey="-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----\\n")
    elif how == "another key":
        say(signature=sign(load("other.pem"), message))
    elif how == "another message":
        say(signature=sign(load("key.pem"), message + b"!"))
    elif how == "not base64":
        say(signature="?")
    elif how == "an empty signature":
        say(signature="")
    elif how == "a byte more":
        signature = base64.b64decode(sign(load("key.pem"), message)) + b"!"
        say(signature=base64.b64encode(signature).decode())
    else:
        sys.exit(f"unknown: {how}")
elif question["operation"] == "describe":
    describe()
else:
    say(signature=sign(load("key.pem"), base64.b64decode(question["message"])))
'''


class Case(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name).resolve()
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        self.model = self.folder / "model"
        self.model.mkdir()
        (self.model / "weights").write_bytes(bytes(range(256)) * 9)
        self.signature = self.folder / "model.sig"
        self.secrets = {}

    def assay(self, *words, status=0):
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("ASSAY", "AWS_", "VAULT_"))}
        environment["PATH"] = f"{self.programs}:{environment['PATH']}"
        answer = subprocess.run(
            [ASSAY, "--json", *map(str, words)],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**environment, **self.secrets},
            stdin=subprocess.DEVNULL,
        )
        self.assertEqual(answer.returncode, status, (words, answer.stdout, answer.stderr))
        return json.loads(answer.stdout) if answer.stdout else answer.stderr

    def key(self, name, algorithm):
        path = self.folder / f"{name}.pem"
        if algorithm == "ed25519":
            private = ed25519.Ed25519PrivateKey.generate()
            path.write_bytes(private.private_bytes(*vendors.PKCS8, serialization.NoEncryption()))
            path.with_suffix(".pub").write_bytes(private.public_key().public_bytes(*vendors.PEM))
        else:
            self.assay("key", "generate", "--output", path, "--algorithm", algorithm)
        return path

    def theirs(self, public):
        verifying.Config().use_elliptic_key_verifier(public_key=public).verify(self.model, self.signature)


class Examples(Case):
    """Each example with each algorithm of its service."""

    ROWS = [
        ("aws", "alias/release", ["p256", "p384", "p521"]),
        ("gcp", GCP, ["p256", "p384"]),
        ("azure", AZURE, ["p256", "p384", "p521"]),
        ("vault", "transit/release", ["p256", "p384", "p521", "ed25519"]),
    ]

    def setUp(self):
        super().setUp()
        self.secrets = {"ASSAY_SIGNER_AWS_ACCESS_KEY_ID": "for the plugin", "ASSAY_SIGNER_VAULT_TOKEN": "for the plugin"}
        # Whatever `python3` is here may put tools of its own before the stand-ins.
        (self.programs / "python3").symlink_to(os.path.realpath(sys.executable))
        for file in SIGNERS.iterdir():
            if file.suffix in ("", ".py"):
                shutil.copy(file, self.programs)

    def test_every_service_signs(self):
        for service, reference, algorithms in self.ROWS:
            for algorithm in algorithms:
                with self.subTest(f"{service} {algorithm}"):
                    private = self.key(f"{service}-{algorithm}", algorithm)
                    public = private.with_suffix(".pub")
                    vendors.install(self.programs, {reference: private})
                    identity = self.assay("key", "id", public)["id"]
                    uri = f"plugin:{service}?key={reference}&id={identity}"
                    shown = self.assay("key", "show", uri)
                    self.assertEqual((shown["pem"], shown["algorithm"]), (public.read_text(), algorithm))
                    if algorithm == "ed25519":
                        # Which Model Signing has not, and a statement has.
                        (self.folder / "review.json").write_text("{}")
                        words = ["--type", "https://example.com/review/v1", "--predicate", "review.json"]
                        said = self.assay("attest", *words, "--subject", "model/weights", "--key", uri)
                        self.assertEqual(said["key"], uri)
                        continue
                    self.assay("model", "sign", self.model, "--signature", self.signature, "--key", uri)
                    self.theirs(public)
                    ours = ["model", "verify", self.model, "--signature", self.signature, "--key"]
                    self.assay(*ours, public)

    def test_what_a_service_says_is_passed_on(self):
        vendors.install(self.programs, {})
        for service, reference, _ in self.ROWS:
            with self.subTest(service):
                answer = self.assay("key", "show", f"plugin:{service}?key={reference}", status=2)
                self.assertIn("NotFoundException", answer["error"])

    def test_credentials_that_are_not_there(self):
        private = self.key("key", "p256")
        vendors.install(self.programs, {"transit/release": private})
        self.secrets = {"VAULT_TOKEN": "of somebody else"}
        answer = self.assay("key", "show", "plugin:vault?key=transit/release", status=2)
        self.assertIn("permission denied", answer["error"])


class Hostile(Case):
    def setUp(self):
        super().setUp()
        self.key("key", "p256")
        self.key("other", "p256")
        self.program = self.programs / "assay-signer-hostile"
        head = f"#!{sys.executable}\nimport pathlib\nHERE = pathlib.Path({str(self.folder)!r})\n"
        self.program.write_text(head + HOSTILE)
        self.program.chmod(0o755)

    def asked(self):
        file = self.folder / "asked"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def sign(self, reference, status=0, more="", program="hostile"):
        uri = f"plugin:{program}?key={reference.replace(' ', '%20')}{more}"
        return self.assay("model", "sign", self.model, "--signature", self.signature, "--key", uri, status=status)

    def test_one_that_is_honest(self):
        for program in ("hostile", self.program):
            with self.subTest(str(program)):
                self.signature.unlink(missing_ok=True)
                self.sign("honest", program=program)
                self.theirs(self.folder / "key.pub")
        self.assertEqual([asked["question"]["operation"] for asked in self.asked()], ["describe", "sign"] * 2)

    def test_whatever_is_wrong_writes_nothing(self):
        both = {
            "much": "wrote more than 65536 bytes",
            "status": "ended with status 3: the service is",
            "status after an answer": "ended with status 3",
            "killed": "ended with status 137",
            "refuse": "refused: not on a Friday",
            "garbage": "did not answer as a signer does",
            "nothing": "did not answer as a signer does",
            "two answers": "did not answer as a signer does",
            "another version": "answers in version `assay/signer/v2`",
        }
        rows = {
            **{f"describe:{how}": words for how, words in both.items()},
            **{f"sign:{how}": words for how, words in both.items()},
            "describe:another algorithm": "says `p384` of a key that is `p256`",
            "describe:no key": "described no usable key",
            "sign:another key": "is not a signature by this key",
            "sign:another message": "is not a signature by this key",
            "sign:an empty signature": "is not a signature by this key",
            "sign:a byte more": "is not a signature by this key",
            "sign:not base64": "a signature that is not base64",
        }
        for how, words in rows.items():
            with self.subTest(how):
                answer = self.sign(how, status=2)
                self.assertIn(words, answer["error"])
                self.assertFalse(self.signature.exists())

    def test_one_that_hangs_is_ended_with_its_children(self):
        for how in ("describe:hang", "sign:hang", "sign:hang with children"):
            with self.subTest(how):
                begun = time.monotonic()
                answer = self.sign(how, status=2, more="&timeout=2")
                self.assertIn("has not answered within 2 s, and was ended", answer["error"])
                self.assertLess(time.monotonic() - begun, 60)
                self.assertFalse(self.signature.exists())
        self.assertEqual(self.left(), [])

    def left(self):
        """The processes that run the hostile signer."""
        found = []
        for folder in pathlib.Path("/proc").iterdir():
            try:
                if str(self.program).encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                    found.append(folder.name)
            except OSError:
                pass
        return found

    def test_the_key_that_was_asked_for(self):
        key, other = (self.assay("key", "id", self.folder / f"{name}.pub")["id"] for name in ("key", "other"))
        self.sign("honest", more=f"&id={key}")
        self.signature.unlink()
        answer = self.sign("honest", more=f"&id={other}", status=2)
        self.assertIn(f"has key {key}, and {other} was asked for", answer["error"])
        self.assertFalse(self.signature.exists())

    def test_where_programs_are_looked_for(self):
        self.assertIn("no program", self.sign("honest", status=2, program="nobody")["error"])
        self.assertIn("no program", self.sign("honest", status=2, program="/nowhere/signer")["error"])
        self.program.chmod(stat.S_IRUSR | stat.S_IWUSR)
        self.assertIn("no program", self.sign("honest", status=2)["error"])
        self.program.chmod(0o755)
        # A folder that is relative to wherever this runs is not looked into.
        shutil.move(self.program, self.folder / "assay-signer-hostile")
        self.secrets = {"PATH": f".:programs:{os.environ['PATH']}"}
        self.assertIn("no program", self.sign("honest", status=2)["error"])
        self.assertEqual(self.asked(), [])

    def test_what_it_sees_of_the_environment(self):
        self.secrets = {
            "ASSAY_KEY_PASSPHRASE": "secret",
            "ASSAY_PKCS11_PIN": "secret",
            "ASSAY_SIGNER_MINE": "given",
            "MINE": "of the step",
            "OTHER": "of the step",
            "AWS_PROFILE": "passed",
        }
        self.sign("honest")
        for asked in self.asked():
            environment = asked["environment"]
            self.assertEqual(environment["MINE"], "given")
            self.assertEqual(environment["AWS_PROFILE"], "passed")
            self.assertNotIn("OTHER", environment)
            self.assertEqual([name for name in environment if name.startswith("ASSAY")], [])

    def test_a_step_is_over_before_it_is_asked(self):
        uri = "plugin:hostile?key=honest"
        # The step would see what the plugin writes when it is asked.
        script = "env > product; test ! -e asked && sleep 0.2 && test ! -e asked"
        environment = {**self.secrets, "ASSAY_SIGNER_TOKEN": "for the plugin alone"}
        (self.folder / "data").write_text("data")
        self.secrets = environment
        step = [ASSAY, "run", "--kind", "training", "--material", "data", "--product", "product", "--key", uri]
        path = f"{self.programs}:{os.environ['PATH']}"
        answer = subprocess.run(
            [*step, "--", "sh", "-c", script],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={"PATH": path, "HOME": str(self.folder), **environment},
        )
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn(f"signed with {uri}", answer.stderr)
        self.assertNotIn("for the plugin alone", (self.folder / "product").read_text())
        self.assertEqual(self.asked()[0]["environment"]["TOKEN"], "for the plugin alone")

    def test_a_step_does_not_run_for_a_signer_that_is_not_there(self):
        step = [ASSAY, "run", "--kind", "training", "--product", "product", "--key", "plugin:nobody?key=k"]
        answer = subprocess.run(
            [*step, "--", "touch", "product"], capture_output=True, text=True, cwd=self.folder, stdin=subprocess.DEVNULL
        )
        self.assertEqual(answer.returncode, 2, answer.stderr)
        self.assertFalse((self.folder / "product").exists())

    def test_a_gate_promotes_with_it(self):
        uri = "plugin:hostile?key=honest"
        self.assay("run", "--kind", "training", "--step", "train", "--product", "product", "--", "touch", "product")
        own = ["--predicate", "*", "--step", "*", "--artifact", "*", "--stage", "*"]
        answer = self.assay("trust", "add", uri, *own, status=2)
        self.assertIn("no name for it", answer["error"])
        self.assay("trust", "add", uri, "--name", "gate", *own, "--custody", "separate")
        self.assay("trust", "add", "--verifier", "https://example.com/gate", "--key", "gate")
        trusted = (self.folder / ".assay" / "trust.yaml").read_text()
        self.assertIn("custody: separate", trusted)
        (self.folder / "policy.yaml").write_text(POLICY)
        promote = ["promote", "product", "--stage", "staging", "--policy", "policy.yaml", "--key"]
        said = self.assay(*promote, uri)
        self.assertTrue(said["report"]["passed"], said)
        before = said["entry"]["index"]
        answer = self.assay(*promote, "plugin:hostile?key=sign:another%20key", status=2)
        self.assertIn("not a signature by this key", answer["error"])
        entries = self.assay("log", "head")
        self.assertEqual(entries["size"], before + 1)


POLICY = """\
apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: gate, version: 1}
stages:
  staging: {mode: enforce}
steps:
  train: {predicates: ["https://slsa.dev/provenance/v1"], kind: training, signers: {anyOf: [local]}}
"""


if __name__ == "__main__":
    unittest.main()
