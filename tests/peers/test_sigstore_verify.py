"""What Sigstore's own client signs is verified here, and both agree on what is to be believed.

Its signer is used as it is, against our register, with a certificate and a timestamp authority of
the test. On the public conformance cases, both verifiers must say the same of every one.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import unittest

from sigstore.dsse import StatementBuilder, Subject
from sigstore.models import Bundle, ClientTrustConfig, TrustedRoot
from sigstore.sign import SigningContext
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

from register import ASSAY, Register
from sigstore_instance import IDENTITY, Instance
from test_sigstore import MISSING, OPENSSL, Signing, attest

ARTIFACT = b"weights"
ISSUER = "https://login.assay.example"
REPOSITORY = "https://git.example/acme/app"
REVIEW = "https://example.com/review/v1"
VECTORS = pathlib.Path(os.environ.get("ASSAY_VECTORS", "../shared/vectors")) / "sigstore"
WORKFLOW = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/"
    ".github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
GITHUB = "https://token.actions.githubusercontent.com"
# Good cases that the client refuses: it takes the promise of a log for a proof of time only for some
# kinds of entries, and the end of a period for outside of it.
REFUSED_THERE = {"intoto-with-custom-trust-root", "trust-root-tsa-validity-end-inclusive"}
# How many of the cases are by keys, which the client does not verify.
BY_KEYS = 3
POLICY = """\
apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: reviewed, version: 1}
stages: {staging: {mode: enforce}}
completeness: given
steps:
  review:
    predicates: [https://example.com/review/v1]
    signers: {anyOf: [%s]}
"""


def statement(artifact):
    digest = hashlib.sha256(artifact).hexdigest()
    subject = Subject(name="model.bin", digest={"sha256": digest})
    return StatementBuilder([subject], REVIEW, {"reviewed": "yes"}).build()


@unittest.skipUnless(OPENSSL, MISSING)
class Signed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.register = cls.enterClassContext(Register())
        instance = cls.enterClassContext(Instance())
        attest(cls.register, 2)
        cls.register.serve()
        cls.register.assay("trust", "export", "--sigstore", "--output", "whole", "--instance", instance.folder)
        folder = cls.register.folder
        config = ClientTrustConfig.from_json((folder / "whole/client_trust_config.json").read_text())
        key, certificate = instance.certificate(ISSUER, [(12, REPOSITORY), (11, "github-hosted")])
        signer = Signing(SigningContext.from_trust_config(config), key, certificate)
        (folder / "message.json").write_text(signer.sign_artifact(ARTIFACT).to_json())
        (folder / "statement.json").write_text(signer.sign_dsse(statement(ARTIFACT)).to_json())
        (folder / "other.bin").write_bytes(b"other")

    def verify(self, bundle, artifact="model.bin", identity=IDENTITY, issuer=ISSUER):
        return self.register.run(
            "verify", artifact, "--bundle", bundle, "--trusted-root", "whole/trusted_root.json",
            "--certificate-identity", identity, "--certificate-oidc-issuer", issuer, "--json",
        )  # fmt: skip

    def test_what_the_client_signed_is_verified(self):
        for bundle in ["message.json", "statement.json"]:
            with self.subTest(bundle):
                done = self.verify(bundle)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                [found] = json.loads(done.stdout)["signatures"]
                [signer] = found["signers"]
                self.assertEqual((signer["subject"], signer["issuer"]), (IDENTITY, ISSUER))
                self.assertEqual(signer["claims"], {"repository": REPOSITORY, "runner": "github-hosted"})
                [time] = found["times"]
                self.assertEqual(time["by"], "timestamp authority")
                self.assertEqual(len(found["logEntries"]), 1)

    def test_the_smallest_changes_are_not_verified(self):
        for bundle in ["message.json", "statement.json"]:
            for changes in [
                {"artifact": "other.bin"},
                {"identity": IDENTITY[:-1]},
                {"issuer": ISSUER + "/"},
            ]:
                with self.subTest(bundle, **changes):
                    self.assertEqual(self.verify(bundle, **changes).returncode, 1)

    def trust(self, name, subject, claim, owner="review-team"):
        """A trust file beside the folder's that also names this signer."""
        path = self.register.folder / f"{name}.yaml"
        shutil.copy(self.register.folder / ".assay/trust.yaml", path)
        add = ["trust", "add", "--trust", path]
        self.register.assay(*add, "--sigstore", "whole/trusted_root.json", "--name", "own")
        self.register.assay(
            *add, "--signer", name, "--instance", "own", "--owner", owner, "--issuer", ISSUER,
            "--subject", subject, "--claim", claim, "--predicate", REVIEW, "--artifact", "*.bin",
        )  # fmt: skip
        return path

    def test_a_policy_asks_for_a_keyless_signer_as_for_a_key(self):
        folder = self.register.folder
        cases = [
            ("good", "glob:*@assay.example", f"repository={REPOSITORY}", "good", 0),
            ("pattern", "regex:builder@assay[.]example", "runner=glob:github-*", "pattern", 0),
            ("another-subject", "glob:*@assay.exampl", f"repository={REPOSITORY}", "another-subject", 1),
            ("another-claim", "glob:*@assay.example", f"repository={REPOSITORY}2", "another-claim", 1),
            ("no-such-claim", "glob:*@assay.example", "commit=glob:**", "no-such-claim", 1),
            ("another-name", "glob:*@assay.example", f"repository={REPOSITORY}", "somebody", 1),
        ]
        for name, subject, claim, wanted, status in cases:
            with self.subTest(name):
                trust = self.trust(name, subject, claim)
                (folder / "policy.yaml").write_text(POLICY % wanted)
                words = ["--bundle", "statement.json", "--trust", trust]
                done = self.register.run(
                    "check", "model.bin", "--stage", "staging", "--policy", "policy.yaml", *words
                )
                self.assertEqual(done.returncode, status, done.stdout + done.stderr)
                if status == 0:
                    shown = self.register.assay("verify", "model.bin", *words, "--json")
                    [believed] = json.loads(shown)["believed"]
                    self.assertEqual(believed["signers"][0]["subject"], IDENTITY)
                    # The register that holds it is one that the trust file names.
                    self.assertIsNotNone(believed["index"])

    def test_a_message_is_verified_by_the_trust_file(self):
        trust = self.trust("builder", IDENTITY, f"repository={REPOSITORY}")
        words = ["--bundle", "message.json", "--trust", trust]
        self.assertIn(IDENTITY, self.register.assay("verify", "model.bin", *words))
        self.assertEqual(self.register.run("verify", "other.bin", *words).returncode, 1)


class Agreement(unittest.TestCase):
    def test_both_say_the_same_of_every_conformance_case(self):
        if not VECTORS.is_dir():
            self.skipTest("*** SKIPPED: no folder `sigstore` in ASSAY_VECTORS ***")
        folder = VECTORS / "bundle-verify"
        by_keys = 0
        for case in sorted(path for path in folder.iterdir() if path.is_dir()):
            if (case / "key.pub").exists():
                by_keys += 1
                continue
            with self.subTest(case.name):
                ours, theirs = self.ours(folder, case), self.theirs(folder, case)
                self.assertEqual((ours, theirs), (True, False) if case.name in REFUSED_THERE else (ours, ours))
        self.assertLessEqual(by_keys, BY_KEYS)

    def files(self, folder, case):
        own = lambda name, other: case / name if (case / name).exists() else folder / other
        said = lambda name, other: (case / name).read_text().strip() if (case / name).exists() else other
        return (
            case / "bundle.sigstore.json",
            own("trusted_root.json", "../production_trusted_root.json"),
            own("artifact", "a.txt"),
            said("identity", WORKFLOW),
            said("issuer", GITHUB),
        )

    def ours(self, folder, case):
        bundle, root, artifact, identity, issuer = self.files(folder, case)
        client = pathlib.Path(__file__).parent.parent / "conformance/client"
        words = ["verify-bundle", "--bundle", bundle, "--trusted-root", root, "--certificate-identity", identity]
        words += ["--certificate-oidc-issuer", issuer, artifact]
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ASSAY": os.path.abspath(ASSAY)}
        done = subprocess.run([client, *words], env=environment, capture_output=True, timeout=60)
        return done.returncode == 0

    def theirs(self, folder, case):
        bundle, root, artifact, identity, issuer = self.files(folder, case)
        try:
            verifier = Verifier(trusted_root=TrustedRoot.from_file(str(root)))
            parsed = Bundle.from_json(bundle.read_bytes())
            policy = Identity(identity=identity, issuer=issuer)
            if "dsseEnvelope" in json.loads(bundle.read_bytes()):
                _, payload = verifier.verify_dsse(parsed, policy)
                digest = hashlib.sha256(artifact.read_bytes()).hexdigest()
                subjects = json.loads(payload)["subject"]
                return any(subject["digest"].get("sha256") == digest for subject in subjects)
            verifier.verify_artifact(artifact.read_bytes(), parsed, policy)
            return True
        except Exception:  # it has no one kind of error for what it refuses
            return False


if __name__ == "__main__":
    unittest.main()
