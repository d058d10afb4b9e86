"""What `assay inspect` says of certificates and keys is what `cryptography` made them of.

Names, dates, number and key are drawn anew for each row, so that no answer is a constant.
"""

import base64
import datetime
import hashlib
import ipaddress
import json
import os
import pathlib
import secrets
import subprocess
import tempfile
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

ASSAY = os.environ["ASSAY"]
UTC = datetime.timezone.utc
KEYS = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa of 2048 bits": lambda: rsa.generate_private_key(65537, 2048),
    "RSA; Assay checks nothing with it": lambda: rsa.generate_private_key(3, 2048),
}


def inspect(data, status=0):
    """Explains bytes on standard input; the answer, with lists of values by their names."""
    ran = subprocess.run([ASSAY, "inspect", "--json", "-"], input=data, capture_output=True, timeout=60)
    assert ran.returncode == status, ran
    answer = json.loads(ran.stdout)
    said = {}
    for entry in answer.get("facts", []) + answer.get("claims", []):
        said.setdefault(entry["name"], []).append(entry["value"])
    return answer, said


def identity(key):
    spki = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return "sha256:" + hashlib.sha256(spki).hexdigest()


def written(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


class Made(unittest.TestCase):
    def test_keys_that_are_made_here_are_read_there(self):
        """Also by what reads PKCS#8 of the first version alone, as OpenSSL 3.0 does."""
        for algorithm in ("p256", "p384", "p521", "ed25519"):
            for passphrase in (None, secrets.token_hex(8)):
                with self.subTest(algorithm=algorithm, sealed=passphrase is not None):
                    self.one(algorithm, passphrase)

    def one(self, algorithm, passphrase):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "key.pem"
            environment = {**os.environ, "ASSAY_KEY_PASSPHRASE": passphrase or ""}
            if passphrase is None:
                del environment["ASSAY_KEY_PASSPHRASE"]
            command = [ASSAY, "key", "generate", "--algorithm", algorithm, "--output", path]
            subprocess.run(command, check=True, env=environment, capture_output=True, cwd=folder)
            key = serialization.load_pem_private_key(
                path.read_bytes(), passphrase and passphrase.encode()
            )
            public = serialization.load_pem_public_key(path.with_suffix(".pub").read_bytes())
            self.assertEqual(identity(key.public_key()), identity(public))
            # Sequence, its length, and the version: 0 is the first.
            if algorithm == "ed25519" and passphrase is None:
                der = base64.b64decode("".join(path.read_text().splitlines()[1:-1]))
                self.assertEqual(der[2:5], bytes([2, 1, 0]))


class Certificates(unittest.TestCase):
    def test_what_is_said_is_what_it_was_made_of(self):
        for algorithm, make in KEYS.items():
            for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
                with self.subTest(algorithm=algorithm, encoding=encoding):
                    self.one(algorithm, make(), encoding)

    def one(self, algorithm, key, encoding):
        word = secrets.token_hex(4)
        start = datetime.datetime.now(UTC).replace(microsecond=0)
        start -= datetime.timedelta(seconds=secrets.randbelow(10**9))
        end = start + datetime.timedelta(seconds=1 + secrets.randbelow(10**9))
        number = x509.random_serial_number()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"signer {word}")])
        address = ipaddress.ip_address(secrets.randbits(32))
        names = [
            x509.RFC822Name(f"{word}@acme.example"),
            x509.UniformResourceIdentifier(f"https://ci.example/{word}"),
            x509.DNSName(f"{word}.example"),
            x509.IPAddress(address),
        ]
        claim = x509.UnrecognizedExtension(
            x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), b"\x0c\x08" + word.encode()
        )
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), number, start, end)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(claim, critical=False)
            .sign(key, None if algorithm == "ed25519" else hashes.SHA256())
        )
        answer, said = inspect(certificate.public_bytes(encoding))
        self.assertEqual(answer["kind"], "certificate")
        self.assertIs(answer["verified"], False)
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        serial = number.to_bytes((number.bit_length() + 7) // 8, "big").hex()
        want = {
            "digest": f"sha256:{fingerprint}",
            "key": algorithm,
            "key identity": identity(key.public_key()),
            "subject": f"CN=signer {word}",
            "issuer": f"CN=signer {word}",
            "valid from": written(start),
            "valid until": written(end),
            "name (email)": f"{word}@acme.example",
            "name (URI)": f"https://ci.example/{word}",
            "name (host)": f"{word}.example",
            "name (address)": str(address),
            "issuer of the login (Fulcio .8)": word,
            "may issue certificates": "yes",
        }
        self.assertEqual({name: said[name] for name in want}, {name: [value] for name, value in want.items()})
        self.assertEqual(said["serial"][0].lstrip("0"), serial.lstrip("0"))
        # The smallest change: a byte less is no certificate, and that is said.
        cut = certificate.public_bytes(serialization.Encoding.DER)[:-1]
        self.assertIsNone(inspect(cut, status=2)[0]["kind"])


class Keys(unittest.TestCase):
    def test_both_halves_have_one_identity_and_the_secret_stays(self):
        for algorithm, make in KEYS.items():
            if algorithm.lower().startswith("rsa"):
                continue
            with self.subTest(algorithm=algorithm):
                key = make()
                pem = serialization.Encoding.PEM
                public = key.public_key().public_bytes(
                    pem, serialization.PublicFormat.SubjectPublicKeyInfo
                )
                private = key.private_bytes(
                    pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
                for half, data in (("public key", public), ("private key", private)):
                    answer, said = inspect(data)
                    self.assertEqual(answer["kind"], half)
                    self.assertEqual(said["key"], [algorithm])
                    self.assertEqual(said["key identity"], [identity(key.public_key())])
                for line in private.decode().splitlines()[1:-1]:
                    self.assertNotIn(line, json.dumps(inspect(private)[0]))


if __name__ == "__main__":
    unittest.main()
