"""Keys in tokens: SoftHSM keeps them, Assay signs with them, and so does the reference of Model Signing.

Where SoftHSM is not installed, all of this is skipped and says so.
"""

import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from model_signing import signing, verifying

ASSAY = os.environ["ASSAY"]
MODULES = [
    pathlib.Path(folder, "softhsm", "libsofthsm2.so")
    for folder in ("/usr/lib", "/usr/local/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")
]
MODULE = next((path for path in MODULES if path.exists()), None)
PIN = "1234"
# A token's label, by which every test looks for its own.
TOKEN = "release token"
KEYS = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}
PKCS8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
SPKI = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def softhsm(folder, *words):
    environment = {**os.environ, "SOFTHSM2_CONF": str(folder / "softhsm2.conf")}
    return subprocess.run(["softhsm2-util", *words], env=environment, check=True, capture_output=True)


def make_token(folder, label):
    softhsm(folder, "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN)


def put(folder, name, label, number, token=TOKEN):
    """Puts a key into a token, with a label and an identifier of one byte."""
    file = folder / f"{name}.pem"
    file.write_bytes(KEYS[name].private_bytes(*PKCS8))
    pair = ["--label", label, "--id", f"{number:02x}", "--pin", PIN]
    softhsm(folder, "--import", str(file), "--token", token, *pair)
    file.unlink()


def configure(folder, more=""):
    tokens = folder / "tokens"
    tokens.mkdir(exist_ok=True)
    settings = f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    (folder / "softhsm2.conf").write_text(settings + more)


def setUpModule():
    if MODULE is None or shutil.which("softhsm2-util") is None:
        print("\nSKIPPED: keys in tokens, for want of SoftHSM: sudo apt install softhsm2", file=sys.stderr)
        raise unittest.SkipTest("softhsm2 is not installed")


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.hsm = pathlib.Path(temporary.name).resolve()
        configure(cls.hsm)
        make_token(cls.hsm, TOKEN)
        for number, name in enumerate(KEYS):
            put(cls.hsm, name, name, number + 1)

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name).resolve()
        self.model = self.folder / "model"
        self.model.mkdir()
        (self.model / "weights").write_bytes(bytes(range(256)) * 9)
        self.signature = self.folder / "model.sig"

    def own_token(self, more=""):
        """A folder of tokens that this test may spoil."""
        self.hsm = self.folder / "hsm"
        self.hsm.mkdir()
        configure(self.hsm, more)
        make_token(self.hsm, TOKEN)

    def uri(self, name=None, token=TOKEN, module=MODULE, more="", **attributes):
        attributes = {"token": token, "object": name, **attributes}
        path = ";".join(f"{key}={urllib.parse.quote(value)}" for key, value in attributes.items() if value)
        query = f"?module-path={module}{more}" if module else ""
        return f"pkcs11:{path}{query}"

    def assay(self, *words, status=0, pin=PIN, **more):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ASSAY")}
        environment["SOFTHSM2_CONF"] = str(self.hsm / "softhsm2.conf")
        if pin:
            environment["ASSAY_PKCS11_PIN"] = pin
        answer = subprocess.run(
            [ASSAY, "--json", *map(str, words)],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**environment, **more},
            stdin=subprocess.DEVNULL,
        )
        self.assertEqual(answer.returncode, status, (words, answer.stdout, answer.stderr))
        return json.loads(answer.stdout) if answer.stdout else None

    def public(self, name):
        path = self.folder / f"{name}.pub"
        path.write_bytes(KEYS[name].public_key().public_bytes(*SPKI))
        return path

    def sign(self, uri, *words, **more):
        return self.assay("model", "sign", self.model, "--signature", self.signature, "--key", uri, *words, **more)

    def verify(self, name):
        """By us, and by the reference."""
        public = self.public(name)
        self.assay("model", "verify", self.model, "--signature", self.signature, "--key", public)
        verifying.Config().use_elliptic_key_verifier(public_key=public).verify(self.model, self.signature)

    def refused(self, uri, words, hint="", **more):
        answer = self.sign(uri, status=2, **more)
        self.assertIn(words, answer["error"])
        self.assertIn(hint, answer.get("hint") or "")
        self.assertFalse(self.signature.exists())

    def session(self):
        """A session of another PKCS#11 client, to change the token with."""
        import PyKCS11

        os.environ["SOFTHSM2_CONF"] = str(self.hsm / "softhsm2.conf")
        library = PyKCS11.PyKCS11Lib()
        library.load(str(MODULE))
        slot = next(s for s in library.getSlotList(True) if library.getTokenInfo(s).label.strip() == TOKEN)
        session = library.openSession(slot, PyKCS11.CKF_SERIAL_SESSION | PyKCS11.CKF_RW_SESSION)
        session.login(PIN)
        self.addCleanup(library.unload)
        self.addCleanup(session.closeSession)
        return PyKCS11, session


class Signing(Case):
    def test_models_signed_in_a_token(self):
        for name in ("p256", "p384", "p521"):
            with self.subTest(name):
                self.assertEqual(self.sign(self.uri(name))["signer"], f"pkcs11:token=release%20token;object={name}")
                self.verify(name)

    def test_statements_signed_in_a_token(self):
        (self.folder / "review.json").write_text("{}")
        for name in ("p256", "p384", "p521", "ed25519"):
            with self.subTest(name):
                uri = self.uri(name)
                may = ["--predicate", "*", "--artifact", "*", "--custody", "separate"]
                self.assay("trust", "add", uri, "--name", name, *may)
                said = ["--type", "https://example.com/review/v1", "--predicate", "review.json"]
                self.assay("attest", *said, "--subject", "model/weights", "--key", uri)
                believed = self.assay("verify", "model/weights")["believed"]
                identity = self.assay("key", "id", self.public(name))["id"]
                self.assertIn(identity, json.dumps(believed))

    def test_the_public_half_needs_no_pin(self):
        for name in ("p256", "p384", "p521", "ed25519"):
            with self.subTest(name):
                shown = self.assay("key", "show", self.uri(name), pin=None)
                self.assertEqual((shown["pem"], shown["algorithm"]), (self.public(name).read_text(), name))

    def test_a_key_by_its_identifier_and_a_module_by_the_environment(self):
        self.sign(self.uri(id="\x01", module=None), ASSAY_PKCS11_MODULE=str(MODULE))
        self.verify("p256")

    def test_a_pin_from_a_file(self):
        file = self.folder / "pin"
        file.write_text(PIN + "\n")
        file.chmod(0o600)
        for spelling in (file, f"file:{file}"):
            with self.subTest(spelling):
                self.signature.unlink(missing_ok=True)
                # It goes before the environment.
                self.sign(self.uri("p256", more=f"&pin-source={spelling}"), pin="9999")
                self.verify("p256")
        file.write_text("9999")
        self.signature.unlink()
        self.refused(self.uri("p256", more=f"&pin-source={file}"), "refuses the PIN")
        file.unlink()
        self.refused(self.uri("p256", more=f"&pin-source={file}"), "cannot read the PIN")


class Refusals(Case):
    def test_no_module(self):
        self.refused(self.uri("p256", module=None), "no PKCS#11 module", hint="module-path")
        self.refused(self.uri("p256", module=None), "no PKCS#11 module", ASSAY_PKCS11_MODULE="libsofthsm2.so")
        self.refused(self.uri("p256", module="/nowhere.so"), "cannot load PKCS#11 module `/nowhere.so`")
        other = self.folder / "other.so"
        other.write_text("not a library")
        self.refused(self.uri("p256", module=other), f"cannot load PKCS#11 module `{other}`")

    def test_no_token(self):
        self.refused(self.uri("p256", token="another"), "no token as the URI says", hint="`release token`")

    def test_several_tokens(self):
        self.own_token()
        put(self.hsm, "p256", "p256", 1)
        self.sign(self.uri("p256"))
        self.signature.unlink()
        make_token(self.hsm, TOKEN)
        self.refused(self.uri("p256"), "2 tokens are as the URI says", hint="serial")

    def test_the_pin(self):
        self.refused(self.uri("p256"), "needs a PIN, and none was given", hint="pin-source", pin=None)
        self.refused(self.uri("p256"), "refuses the PIN; it locks after a few wrong ones", pin="9999")
        self.refused(self.uri("p256"), "refuses the PIN", pin="1")
        answer = self.sign(self.uri("p256", more=f"&pin-value={PIN}"), status=2)
        self.assertIn("shows the PIN", answer["error"])
        self.assertNotIn(PIN, answer["error"])

    def test_no_key(self):
        self.refused(self.uri("another"), "has no private key as the URI says", hint="`p256`")
        self.refused(self.uri("p256", id="\x09"), "has no private key as the URI says")
        self.refused(self.uri("rsa"), "not of a kind that Assay signs with")
        self.refused(self.uri("ed25519"), "keys of ed25519 sign no models")

    def test_several_keys_of_one_name(self):
        self.own_token()
        put(self.hsm, "p256", "release", 1)
        put(self.hsm, "p384", "release", 2)
        self.refused(self.uri("release"), "has 2 keys as the URI says", hint="add `id`")
        self.assertIn("has 2 keys", self.assay("key", "show", self.uri("release"), status=2)["error"])
        self.sign(self.uri("release", id="\x02"))
        self.verify("p384")

    def test_a_token_without_the_mechanism(self):
        self.own_token("slots.mechanisms = CKM_RSA_PKCS,CKM_SHA256\n")
        put(self.hsm, "p256", "p256", 1)
        self.refused(self.uri("p256"), "does not sign with p256 keys")

    def test_a_public_key_of_another_private_one(self):
        self.own_token()
        put(self.hsm, "p256", "release", 1)
        pkcs11, session = self.session()
        found = session.findObjects([(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY)])
        session.destroyObject(found[0])
        self.refused(self.uri("release"), "has neither a public key nor a certificate")
        other = ec.generate_private_key(ec.SECP256R1()).public_key()
        point = other.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        session.createObject(
            [
                (pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY),
                (pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC),
                (pkcs11.CKA_TOKEN, pkcs11.CK_TRUE),
                (pkcs11.CKA_PRIVATE, pkcs11.CK_FALSE),
                (pkcs11.CKA_ID, (1,)),
                (pkcs11.CKA_LABEL, "release"),
                (pkcs11.CKA_EC_PARAMS, tuple(bytes.fromhex("06082a8648ce3d030107"))),
                (pkcs11.CKA_EC_POINT, (4, len(point), *point)),
            ]
        )
        self.refused(self.uri("release"), "is not a signature by this key")


class Certificates(Case):
    def test_a_certificate_stands_for_the_public_key(self):
        self.own_token()
        put(self.hsm, "p256", "release", 1)
        pkcs11, session = self.session()
        session.destroyObject(session.findObjects([(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY)])[0])
        certificate = self_signed(KEYS["p256"])
        session.createObject(
            [
                (pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE),
                (pkcs11.CKA_CERTIFICATE_TYPE, pkcs11.CKC_X_509),
                (pkcs11.CKA_TOKEN, pkcs11.CK_TRUE),
                (pkcs11.CKA_PRIVATE, pkcs11.CK_FALSE),
                (pkcs11.CKA_ID, (1,)),
                (pkcs11.CKA_LABEL, "release"),
                (pkcs11.CKA_SUBJECT, tuple(certificate.subject.public_bytes())),
                (pkcs11.CKA_VALUE, tuple(certificate.public_bytes(serialization.Encoding.DER))),
            ]
        )
        self.sign(self.uri("release"))
        self.verify("p256")
        self.assertEqual(self.assay("key", "show", self.uri("release"), pin=None)["pem"], self.public("p256").read_text())


def self_signed(private):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "release")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    made = made.serial_number(1).not_valid_before(datetime.datetime(2026, 1, 1))
    return made.not_valid_after(datetime.datetime(2036, 1, 1)).sign(private, hashes.SHA256())


class Steps(Case):
    """A step that ran is over before the token is opened (THREATS, rule 4)."""

    def step(self, uri, script, **more):
        words = ["run", "--kind", "training", "--product", "product", "--key", uri]
        return self.assay(*words, "--", "sh", "-c", script, **more)

    def test_the_pin_may_come_when_the_step_is_over(self):
        pin = self.folder / "pin"
        script = f"touch product; (umask 77; echo {PIN} > {pin})"
        self.step(self.uri("p256", more=f"&pin-source={pin}"), script, pin=None)

    def test_the_step_sees_no_pin(self):
        self.step(self.uri("p256"), "env > product")
        seen = (self.folder / "product").read_text()
        self.assertIn("SOFTHSM2_CONF", seen)
        self.assertNotIn("ASSAY", seen)

    def test_a_step_does_not_run_for_a_key_that_nobody_could_open(self):
        for uri, pin in ((self.uri("p256"), None), (self.uri("p256", module=None), PIN)):
            self.step(uri, "touch product", pin=pin, status=2)
            self.assertFalse((self.folder / "product").exists())


class Reference(Case):
    def test_we_verify_what_the_reference_signs_in_a_token(self):
        os.environ["SOFTHSM2_CONF"] = str(self.hsm / "softhsm2.conf")
        for name in ("p256", "p384", "p521"):
            with self.subTest(name):
                uri = self.uri(name, more=f"&pin-value={PIN}")
                signing.Config().use_pkcs11_signer(pkcs11_uri=uri).sign(self.model, self.signature)
                self.verify(name)
                (self.model / "weights").write_bytes(b"others")
                public = self.public(name)
                self.assay("model", "verify", self.model, "--signature", self.signature, "--key", public, status=1)
                (self.model / "weights").write_bytes(bytes(range(256)) * 9)


if __name__ == "__main__":
    unittest.main()
