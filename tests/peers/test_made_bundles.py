"""The bundles that `fixtures` makes anew, before two programs that do not know how they were made."""

import pathlib
import subprocess
import tempfile
import unittest

from sigstore.errors import VerificationError
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

from register import ASSAY

PROGRAM = pathlib.Path(ASSAY).absolute().parent / "examples" / "bundles"
IDENTITY, ISSUER = "builder@assay.example", "https://login.assay.example"
# What Sigstore's client refuses of what the conformance suite calls good, and what it says.
REFUSED = {
    "intoto-with-custom-trust-root": "only supported for dsse/hashedrekord 0.0.1",
    "trust-root-tsa-validity-end-inclusive": "not enough sources of verified time",
}


class Made(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        subprocess.run([PROGRAM, cls.folder], check=True, timeout=60)
        cls.cases = sorted(cls.folder.iterdir())

    def test_all_are_made(self):
        self.assertEqual(len(self.cases), 18)

    def test_the_command_believes_each(self):
        for case in self.cases:
            with self.subTest(case.name):
                signer = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER]
                if (case / "key.pub").exists():
                    signer = ["--key", case / "key.pub"]
                words = ["verify", case / "artifact", "--bundle", case / "bundle.json"]
                words += ["--trusted-root", case / "trusted_root.json", *signer]
                done = subprocess.run([ASSAY, *words], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_sigstore_believes_those_that_a_certificate_comes_with(self):
        believed, refused = 0, {}
        for case in self.cases:
            if (case / "key.pub").exists():
                continue  # It knows no keys but those of certificates.
            verifier = Verifier(trusted_root=TrustedRoot.from_file(case / "trusted_root.json"))
            bundle = Bundle.from_json((case / "bundle.json").read_bytes())
            policy = Identity(identity=IDENTITY, issuer=ISSUER)
            try:
                if bundle._inner.dsse_envelope:
                    verifier.verify_dsse(bundle, policy)
                else:
                    verifier.verify_artifact((case / "artifact").read_bytes(), bundle, policy)
                believed += 1
            except VerificationError as error:
                refused[case.name] = str(error)
        self.assertEqual(set(refused), set(REFUSED), refused)
        for name, why in REFUSED.items():
            self.assertIn(why, refused[name])
        self.assertEqual(believed, 12)


if __name__ == "__main__":
    unittest.main()
