"""Signing without a key, in both directions, against an authority that really issues.

Sigstore's own client verifies what we sign, offline, and signs against the same authority, clock and
register what we verify. What an instance does wrong, and the smallest changes to what was asked, leave
no bundle behind.
"""

import base64
import hashlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

from model_signing import signing, verifying
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import SigningContext
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

from keyless_instance import IDENTITY, WORKFLOW, Instance
from register import ASSAY, Register

ARTIFACT = b"weights"
CLIENT = pathlib.Path(__file__).parents[1] / "conformance" / "client"
REVIEW = "https://example.com/review/v1"
POLICY = """\
apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: reviewed, version: 1}
stages: {staging: {mode: enforce}}
completeness: given
steps:
  review:
    predicates: [https://example.com/review/v1]
    signers: {anyOf: [ci]}
"""
SHOW = "import os, json; json.dump(dict(os.environ), open('model.bin', 'w'))"


class Keyless(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.register = cls.enterClassContext(Register())
        cls.instance = cls.enterClassContext(Instance())
        cls.folder = cls.register.folder
        (cls.folder / "weights.bin").write_bytes(ARTIFACT)
        (cls.folder / "review.json").write_text('{"reviewed": "yes"}')
        (cls.folder / "model").mkdir()
        (cls.folder / "model" / "weights.bin").write_bytes(ARTIFACT)
        cls.register.assay(
            "attest", "--type", REVIEW, "--predicate", "review.json", "--subject", "weights.bin"
        )
        cls.register.serve()
        for fault in ["", *cls.instance.faults()]:
            cls.register.assay(
                "trust", "export", "--sigstore", "--output", f"trust/{fault}",
                "--instance", cls.instance.folder / fault,
            )  # fmt: skip
        text = (cls.folder / "trust" / "client_trust_config.json").read_text()
        cls.config = ClientTrustConfig.from_json(text)
        cls.verifier = Verifier(trusted_root=cls.config.trusted_root)

    def setUp(self):
        self.bundle = self.folder / "bundle.json"
        self.bundle.unlink(missing_ok=True)

    def words(self, fault="", root="trust"):
        """How to sign without a key."""
        return [
            "--keyless", "--identity-token", "token",
            "--signing-config", f"trust/{fault}/signing_config.json".replace("//", "/"),
            "--trusted-root", f"{root}/trusted_root.json",
        ]  # fmt: skip

    def sign(self, *words, fault="", token=None, **variables):
        (self.folder / "token").write_text(token or self.instance.token())
        return self.register.run(*words, *self.words(fault), **variables)

    def signed(self, *words, **more):
        done = self.sign(*words, "--output", self.bundle, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return Bundle.from_json(self.bundle.read_bytes())

    def policy(self, identity=IDENTITY):
        return Identity(identity=identity, issuer=self.instance.url)

    def verified(self, artifact, identity=IDENTITY, issuer=None):
        """Whether we believe the bundle."""
        done = self.register.run(
            "verify", artifact, "--bundle", self.bundle,
            "--trusted-root", "trust/trusted_root.json", "--certificate-identity", identity,
            "--certificate-oidc-issuer", issuer or self.instance.url,
        )  # fmt: skip
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode == 0

    def test_theirs_believes_a_file_that_we_sign(self):
        bundle = self.signed("sign", "weights.bin")
        self.verifier.verify_artifact(ARTIFACT, bundle, self.policy())
        self.assertTrue(self.verified("weights.bin"))
        for artifact, policy in [(b"weight", self.policy()), (ARTIFACT, self.policy(f"x{IDENTITY}"))]:
            with self.assertRaises(Exception):
                self.verifier.verify_artifact(artifact, bundle, policy)

    def test_theirs_believes_a_statement_that_we_sign(self):
        words = ["--type", REVIEW, "--predicate", "review.json"]
        bundle = self.signed("attest", *words, "--subject", "weights.bin")
        kind, payload = self.verifier.verify_dsse(bundle, self.policy())
        self.assertEqual(kind, "application/vnd.in-toto+json")
        self.assertEqual(json.loads(payload)["predicate"], {"reviewed": "yes"})
        self.assertTrue(self.verified("weights.bin"))
        with self.assertRaises(Exception):
            self.verifier.verify_dsse(bundle, self.policy("somebody"))

    def test_theirs_believes_an_approval_that_we_sign(self):
        words = ["attest", "approval", "--subject", "weights.bin", "--stage", "production"]
        bundle = self.signed(*words, "--expires", "90d")
        _, payload = self.verifier.verify_dsse(bundle, self.policy())
        self.assertIn("approval", json.loads(payload)["predicateType"])
        self.assertTrue(self.verified("weights.bin"))

    def test_theirs_believes_a_step_that_we_record(self):
        words = ["run", "--kind", "training", "--material", "weights.bin", "--product", "model.bin"]
        secret = {"SIGSTORE_ID_TOKEN": "secret", "MY_TOKEN": self.instance.token()}
        (self.folder / "token").write_text("not this one")
        done = self.register.run(
            *words, "--output", self.bundle, *self.words()[:1], *self.words()[3:],
            "--identity-token-variable", "MY_TOKEN", "--", "python3", "-c", SHOW,
            **secret, **self.instance.job(),
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        _, payload = self.verifier.verify_dsse(
            Bundle.from_json(self.bundle.read_bytes()), self.policy()
        )
        statement = json.loads(payload)
        self.assertEqual([subject["name"] for subject in statement["subject"]], ["model.bin"])
        self.assertTrue(self.verified("model.bin"))
        # What could be traded for the identity was not there for the step to see.
        seen = json.loads((self.folder / "model.bin").read_text())
        self.assertIn("PATH", seen)
        self.assertEqual(set(seen) & {*secret, *self.instance.job()}, set())

    def test_theirs_believes_a_model_that_we_sign(self):
        (self.folder / "token").write_text(self.instance.token())
        self.register.assay("model", "sign", "model", "--signature", self.bundle, *self.words())
        config = verifying.Config().use_sigstore_verifier(
            identity=IDENTITY,
            oidc_issuer=self.instance.url,
            trust_config=self.folder / "trust" / "client_trust_config.json",
        )
        config.verify(self.folder / "model", self.bundle)
        self.models(0)
        self.models(1, identity=IDENTITY[1:])
        self.models(1, issuer=self.instance.url[:-1])
        (self.folder / "model" / "weights.bin").write_bytes(b"others")
        try:
            with self.assertRaises(Exception):
                config.verify(self.folder / "model", self.bundle)
            self.models(1)
        finally:
            (self.folder / "model" / "weights.bin").write_bytes(ARTIFACT)

    def models(self, status, identity=IDENTITY, issuer=None):
        """Holds our answer on the model against the one that is wanted."""
        done = self.register.run(
            "model", "verify", "model", "--signature", self.bundle,
            "--trusted-root", "trust/trusted_root.json", "--certificate-identity", identity,
            "--certificate-oidc-issuer", issuer or self.instance.url,
        )  # fmt: skip
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertTrue(status or f"signed by   {IDENTITY}" in done.stdout, done.stdout)

    def test_we_believe_a_model_that_theirs_signs(self):
        config = signing.Config().use_sigstore_signer(
            identity_token=self.instance.token(),
            trust_config=self.folder / "trust" / "client_trust_config.json",
        )
        config.sign(self.folder / "model", self.bundle)
        self.models(0)
        self.models(1, identity=IDENTITY[1:])
        words = ["model", "verify", "model", "--signature", self.bundle]
        trust = self.folder / "models.yaml"
        root = ["--sigstore", "trust/trusted_root.json", "--name", "ours"]
        who = [
            "--signer", "ci", "--instance", "ours", "--issuer", self.instance.url,
            "--subject", IDENTITY, "--owner", "ci", "--artifact", "*", "--predicate",
        ]  # fmt: skip
        for predicate, status in [
            ("https://model_signing/signature/v1.0", 0),
            (REVIEW, 1),
        ]:
            trust.write_text((self.folder / ".assay" / "trust.yaml").read_text())
            self.register.assay("trust", "add", "--trust", trust, *root)
            self.register.assay("trust", "add", "--trust", trust, *who, predicate)
            done = self.register.run(*words, "--trust", trust)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)

    def test_a_model_signed_in_one_way_is_not_believed_in_another(self):
        (self.folder / "token").write_text(self.instance.token())
        sign = ["model", "sign", "model", "--signature"]
        self.register.assay(*sign, "keyless.sig", *self.words())
        self.register.assay(*sign, "key.sig", "--key", "local")
        root = ["--trusted-root", "trust/trusted_root.json", "--certificate-identity", IDENTITY]
        root += ["--certificate-oidc-issuer", self.instance.url]
        key = ["--key", ".assay/keys/local.pub"]
        for signature, words, status, said in [
            ("keyless.sig", root, 0, ""),
            ("keyless.sig", key, 1, "without a key of the signer's own"),
            ("key.sig", key, 0, ""),
            ("key.sig", root, 1, "with a key of the signer's own"),
        ]:
            with self.subTest(signature, words=words[0]):
                done = self.register.run(
                    "model", "verify", "model", "--signature", signature, *words
                )
                self.assertEqual(done.returncode, status, done.stdout + done.stderr)
                self.assertIn(said, done.stdout)

    def test_a_job_of_github_signs_as_its_workflow(self):
        words = ["sign", "weights.bin", "--output", self.bundle, *self.words()[:1], *self.words()[3:]]
        done = self.register.run(*words, **self.instance.job())
        self.assertEqual(done.returncode, 0, done.stderr)
        bundle = Bundle.from_json(self.bundle.read_bytes())
        self.verifier.verify_artifact(ARTIFACT, bundle, self.policy(WORKFLOW))
        done = self.register.run(
            "verify", "weights.bin", "--bundle", self.bundle, "--json",
            "--trusted-root", "trust/trusted_root.json", "--certificate-identity", WORKFLOW,
            "--certificate-oidc-issuer", self.instance.url,
        )  # fmt: skip
        [signature] = json.loads(done.stdout)["signatures"]
        [signer] = signature["signers"]
        self.assertEqual(signer["claims"]["repository"], "https://github.com/assay/model")
        self.assertEqual(signer["claims"]["runner"], "github-hosted")
        self.bundle.unlink()
        cases = [
            ({}, "there is no identity token", "--identity-token"),
            ({"GITHUB_ACTIONS": "true"}, "may not have", "id-token: write"),
            ({**self.instance.job(), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"}, "400", "id-token: write"),
            ({"SIGSTORE_ID_TOKEN": "x"}, "not an identity token", "OpenID Connect"),
        ]
        for variables, said, hint in cases:
            done = self.register.run(*words, **variables)
            self.assertEqual(done.returncode, 2, variables)
            self.assertIn(said, done.stderr)
            self.assertIn(hint, done.stderr)
            self.assertFalse(self.bundle.exists())

    def test_a_policy_takes_what_a_job_signs(self):
        words = ["attest", "--type", REVIEW, "--predicate", "review.json", "--subject", "weights.bin"]
        words += ["--output", self.bundle, *self.words()[:1], *self.words()[3:]]
        done = self.register.run(*words, **self.instance.job())
        self.assertEqual(done.returncode, 0, done.stderr)
        (self.folder / "policy.yaml").write_text(POLICY)
        trust = self.folder / "jobs.yaml"
        add = ["trust", "add", "--trust", trust]
        for claim, status in [("runner=github-hosted", 0), ("runner=self-hosted", 1)]:
            trust.write_text((self.folder / ".assay" / "trust.yaml").read_text())
            self.register.assay(*add, "--sigstore", "trust/trusted_root.json", "--name", "ours")
            self.register.assay(
                *add, "--signer", "ci", "--instance", "ours", "--owner", "ci", "--claim", claim,
                "--issuer", self.instance.url, "--subject", WORKFLOW,
                "--predicate", REVIEW, "--artifact", "weights.bin",
            )  # fmt: skip
            done = self.register.run(
                "check", "weights.bin", "--stage", "staging", "--policy", "policy.yaml",
                "--bundle", self.bundle, "--trust", trust,
            )  # fmt: skip
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            # From the register, which keeps the whole bundle, it counts no more and no less.
            self.register.assay("log", "submit", self.bundle)
            done = self.register.run("verify", "weights.bin", "--trust", trust, "--json")
            believed = json.loads(done.stdout)["believed"]
            signers = {signer["name"] for one in believed for signer in one["signers"]}
            self.assertEqual("ci" in signers, status == 0, done.stdout)
        found = self.register.run("find", "--identity", WORKFLOW, "--type", REVIEW, "--json")
        self.assertEqual(len(json.loads(found.stdout)["entries"]), 1, found.stdout)

    def test_what_is_signed_is_registered(self):
        """As it is with a key: at once, later when the register is away, and not where there is none."""
        (self.folder / "said.json").write_text(json.dumps({"at": time.time_ns()}))
        words = ["attest", "--type", REVIEW, "--predicate", "said.json", "--subject", "weights.bin"]
        done = self.sign(*words, "--output", self.bundle, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        said = json.loads(done.stdout)
        received = self.bundle.read_bytes()
        self.assertEqual((said["duplicate"], said["path"]), (False, str(self.bundle)))
        self.assertEqual(self.carried(said["index"]), received)
        # `assay log submit` of the bundle finds it there.
        submitted = json.loads(self.register.assay("log", "submit", self.bundle, "--json"))
        self.assertEqual([one["index"] for one in submitted["entries"]], [said["index"]])

        # A step and a revocation, too.
        step = ["run", "--kind", "packaging", "--material", "weights.bin", "--product", "packed.bin"]
        rest = ["--json", "--", "cp", "weights.bin", "packed.bin"]
        (self.folder / "token").write_text(self.instance.token())
        done = self.register.run(*step, "--output", self.bundle, *self.words(), *rest)
        self.assertEqual(done.returncode, 0, done.stderr)
        index = json.loads(done.stderr[done.stderr.index("{") :])["registered"]["index"]
        self.assertEqual(self.carried(index), self.bundle.read_bytes())
        revoke = ["revoke", "--subject", "packed.bin", "--reason", "TEST", "--yes", "--json"]
        done = self.sign(*revoke, "--output", self.bundle)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.carried(json.loads(done.stdout)["index"]), self.bundle.read_bytes())

    def test_what_is_signed_waits_for_a_register_that_is_away(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            away = f"http://127.0.0.1:{free.getsockname()[1]}"
        (self.folder / "said.json").write_text(json.dumps({"at": time.time_ns()}))
        words = ["attest", "--type", REVIEW, "--predicate", "said.json", "--subject", "weights.bin"]
        done = self.sign("--server", away, *words, "--output", self.bundle)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("signed, but not registered", done.stderr)
        # It is verified as any other, and no step was lost: the bundle is there.
        self.assertTrue(self.verified("weights.bin"))
        [kept] = (self.folder / ".assay" / "unsent").iterdir()
        self.addCleanup(kept.unlink, missing_ok=True)
        document = json.loads(kept.read_text())
        self.assertEqual(document["unsent"]["server"], away)
        self.assertEqual(
            base64.b64decode(document["dsseEnvelope"]["payload"]), self.bundle.read_bytes()
        )
        done = self.register.run("log", "submit")
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertTrue(kept.exists())
        # The register is there again.
        kept.write_text(kept.read_text().replace(away, self.register.url))
        submitted = json.loads(self.register.assay("log", "submit", "--json"))
        [entry] = submitted["entries"]
        self.assertFalse(kept.exists())
        self.assertEqual(self.carried(entry["index"]), self.bundle.read_bytes())

    def test_what_is_signed_where_no_register_is_stands_in_its_bundle(self):
        with tempfile.TemporaryDirectory() as folder:
            elsewhere = pathlib.Path(folder)
            for name in ["review.json", "weights.bin"]:
                (elsewhere / name).write_bytes((self.folder / name).read_bytes())
            (elsewhere / "token").write_text(self.instance.token())
            (elsewhere / "trust").symlink_to(self.folder / "trust")
            done = subprocess.run(
                [
                    ASSAY, "attest", "--type", REVIEW, "--predicate", "review.json",
                    "--subject", "weights.bin", "--output", "bundle.json", "--json", *self.words(),
                ],
                cwd=elsewhere, env={"PATH": os.environ["PATH"], "HOME": folder},
                capture_output=True, text=True,
            )  # fmt: skip
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("index", json.loads(done.stdout))
            self.assertTrue((elsewhere / "bundle.json").exists())
            self.assertFalse((elsewhere / ".assay").exists())

    def carried(self, index):
        """The bundle that the register carries in an entry, byte for byte."""
        with urllib.request.urlopen(f"{self.register.url}/v1/entries/{index}") as answer:
            envelope = json.load(answer)["bundle"]["dsseEnvelope"]
        return base64.b64decode(envelope["payload"])

    def test_we_believe_what_theirs_signs(self):
        context = SigningContext.from_trust_config(self.config)
        with context.signer(IdentityToken(self.instance.token())) as signer:
            self.bundle.write_text(signer.sign_artifact(ARTIFACT).to_json())
        self.assertTrue(self.verified("weights.bin"))
        self.assertFalse(self.verified("weights.bin", identity=IDENTITY[1:]))
        self.assertFalse(self.verified("weights.bin", issuer=self.instance.url[:-1]))
        self.assertFalse(self.verified("review.json"))

    def test_a_service_that_is_down_is_asked_again(self):
        words = ["sign", "weights.bin", "--output", self.bundle]
        done = self.sign(*words, fault="down-at-first")
        self.assertEqual(done.returncode, 0, done.stderr)
        for kind in ["certificate authority", "timestamp authority"]:
            self.assertIn(f"the {kind} at", done.stderr)
        self.assertTrue(self.verified("weights.bin"))

    def test_we_judge_what_theirs_was_told_wrongly(self):
        # It asks for the time and does not look at the answer. Of the number that it asked with
        # nothing is left in the bundle, for anybody to miss.
        told = {"early-clock": False, "other-imprint": False, "other-nonce": True}
        for fault, believed in told.items():
            with self.subTest(fault):
                path = self.folder / "trust" / fault / "client_trust_config.json"
                context = SigningContext.from_trust_config(
                    ClientTrustConfig.from_json(path.read_text())
                )
                with context.signer(IdentityToken(self.instance.token())) as signer:
                    bundle = signer.sign_artifact(ARTIFACT)
                self.bundle.write_text(bundle.to_json())
                self.assertEqual(self.verified("weights.bin"), believed)

    def test_what_an_instance_does_wrong_leaves_no_bundle(self):
        said = {
            "no-stamp": "SCT",
            "forged-stamp": "SCT",
            "other-key": "for another key",
            "other-authority": "certificate",
            "other-issuer": "names the issuer `https://login.example`",
            "early-clock": "certificate",
            "other-imprint": "over another digest",
            "other-nonce": "answers another question",
            "clock-refuses": "refuses",
        }
        self.assertEqual(sorted([*said, "down-at-first"]), self.instance.faults())
        for fault, why in said.items():
            with self.subTest(fault):
                done = self.sign("sign", "weights.bin", "--output", self.bundle, fault=fault)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(why.lower(), done.stderr.lower())
                self.assertFalse(self.bundle.exists())

    def test_a_step_that_could_not_be_signed_is_signed_later(self):
        """What a service that is away costs is a signature, and not the step."""
        words = [
            "run", "--kind", "training", "--material", "weights.bin", "--product", "late.bin",
            "--output", self.bundle,
        ]  # fmt: skip
        step = ["--", "python3", "-c", "open('late.bin', 'a').write('once')"]
        (self.folder / "token").write_text(self.instance.token())
        done = self.register.run(*words, *self.words("clock-refuses"), *step)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertFalse(self.bundle.exists())
        [kept] = self.folder.glob(f"{self.bundle.name}.unsigned-*.json")
        self.assertIn(f"assay sign {kept} --statement --keyless", done.stderr)
        payload = kept.read_bytes()

        signed = self.signed("sign", kept, "--statement")
        kind, found = self.verifier.verify_dsse(signed, self.policy())
        self.assertEqual((kind, found), ("application/vnd.in-toto+json", payload))
        [subject] = json.loads(payload)["subject"]
        digest = hashlib.sha256((self.folder / "late.bin").read_bytes()).hexdigest()
        self.assertEqual((subject["name"], subject["digest"]["sha256"]), ("late.bin", digest))
        self.assertEqual((self.folder / "late.bin").read_text(), "once")
        self.assertTrue(self.verified("late.bin"))

        # A step that failed says nothing, and nothing of it is kept.
        kept.unlink()
        done = self.register.run(*words, *self.words("clock-refuses"), "--", "false")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(list(self.folder.glob("*.unsigned-*")), [])

    def test_tokens_that_are_not_good(self):
        now = int(time.time())
        good = self.instance.token()
        head, said, signature = good.split(".")
        changed = json.loads(base64.urlsafe_b64decode(said + "=="))
        changed["email"] = "root@assay.example"
        changed = base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip("=")
        cases = {
            "for another audience": (self.instance.token(aud="sigstor"), "audience `sigstore`"),
            "expired": (self.instance.token(exp=now - 1), "expired"),
            "not good yet": (self.instance.token(nbf=now + 600), "not good yet"),
            "of another issuer": (self.instance.token(iss="https://login.example"), "another issuer"),
            "changed": (f"{head}.{changed}.{signature}", "not by the issuer"),
            "an address that nobody checked": (self.instance.token(email_verified=False), "not verified"),
            "cut short": (good.rsplit(".", 1)[0], "not an identity token"),
        }
        for name, (token, why) in cases.items():
            with self.subTest(name):
                done = self.sign("sign", "weights.bin", "--output", self.bundle, token=token)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(why, done.stderr)
                self.assertNotIn(token, done.stderr)
                self.assertFalse(self.bundle.exists())

    def test_the_root_of_another_instance_is_not_enough(self):
        with Instance() as other:
            (self.folder / "token").write_text(self.instance.token())
            words = self.words()
            words[-1] = other.folder / "trusted_root.json"
            done = self.register.run("sign", "weights.bin", "--output", self.bundle, *words)
        self.assertEqual(done.returncode, 2)
        self.assertIn("not good under", done.stderr)
        self.assertFalse(self.bundle.exists())

    def test_nothing_is_asked_for_that_cannot_be_used(self):
        (self.folder / "token").write_text(self.instance.token())
        config = json.loads((self.folder / "trust" / "signing_config.json").read_text())
        ended = {"start": "2020-01-01T00:00:00Z", "end": "2021-01-01T00:00:00Z"}
        cases = {
            "no authority": ("caUrls", []),
            "an authority of a later version": ("caUrls", [{**config["caUrls"][1], "majorApiVersion": 2}]),
            "a log that ended": ("rekorTlogUrls", [{**config["rekorTlogUrls"][0], "validFor": ended}]),
            "a log of Rekor v1": ("rekorTlogUrls", [{**config["rekorTlogUrls"][0], "majorApiVersion": 1}]),
            "no clock": ("tsaUrls", []),
        }
        for name, (field, value) in cases.items():
            with self.subTest(name):
                path = self.folder / "changed.json"
                path.write_text(json.dumps({**config, field: value}))
                words = self.words()
                words[words.index("--signing-config") + 1] = path
                done = self.register.run("sign", "weights.bin", "--output", self.bundle, *words)
                self.assertEqual(done.returncode, 2)
                self.assertIn("is valid now", done.stderr)
                self.assertFalse(self.bundle.exists())

    def test_the_client_of_the_conformance_suite_signs_and_verifies(self):
        def client(*words):
            environment = {**os.environ, "ASSAY": os.path.abspath(ASSAY)}
            environment = {name: value for name, value in environment.items() if "TOKEN" not in name}
            return subprocess.run(
                [CLIENT, *map(str, words)],
                cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60,
            )  # fmt: skip

        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "x", "digest": {"sha256": hashlib.sha256(ARTIFACT).hexdigest()}}],
            "predicateType": REVIEW,
            "predicate": {},
        }
        (self.folder / "statement.json").write_text(json.dumps(statement))
        instance = [
            "--trusted-root", "trust/trusted_root.json",
            "--signing-config", "trust/signing_config.json",
        ]  # fmt: skip
        for kind, artifact in [([], "weights.bin"), (["--in-toto"], "statement.json")]:
            self.bundle.unlink(missing_ok=True)
            token = ["--identity-token", self.instance.token(), "--bundle", self.bundle]
            done = client("sign-bundle", *kind, *token, *instance, artifact)
            self.assertEqual(done.returncode, 0, done.stderr)
            for identity, status in [(IDENTITY, 0), (IDENTITY[1:], 1)]:
                done = client(
                    "verify-bundle", "--bundle", self.bundle, *instance[:2],
                    "--certificate-identity", identity,
                    "--certificate-oidc-issuer", self.instance.url, "weights.bin",
                )  # fmt: skip
                self.assertEqual(done.returncode, status, done.stderr)
        self.bundle.unlink()
        good = ["--identity-token", self.instance.token(), "--bundle", self.bundle, *instance]
        for name, words in {
            "no token": [*good[2:], "weights.bin"],
            "no root": [*good[:4], *good[6:], "weights.bin"],
            "no configuration": [*good[:6], "weights.bin"],
            "the staging instance": [*good, "--staging", "weights.bin"],
            "no artifact": good,
        }.items():
            with self.subTest(name):
                self.assertEqual(client("sign-bundle", *words).returncode, 1)
                self.assertFalse(self.bundle.exists())


if __name__ == "__main__":
    unittest.main()
