"""The reference implementation of OpenSSF Model Signing verifies ours, and we verify its output.

Both directions are tables: of options, and of what is done to a model after it was signed. Where
the two differ the specification rules, and the difference is a row that says so.
"""

import base64
import datetime
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from model_signing import hashing, signing, verifying
from model_signing._signing import sign_sigstore_pb

ASSAY = os.environ["ASSAY"]
CURVES = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}
HASHES = {"p256": hashes.SHA256, "p384": hashes.SHA384, "p521": hashes.SHA512}
FILES = {
    "README.md": b"words",
    "model-00001.safetensors": bytes(range(256)) * 9,
    "naïve ü.txt": b"text",
    "onnx.txt": b"before or after the folder",
    "onnx/model.onnx": b"\x00" * 5000,
    "with:colon:7": b"12345678",
    "empty.bin": b"",
    "sub/.git/HEAD": b"signed: it is not at the top",
    ".git/HEAD": b"ref",
    ".gitattributes": b"*",
    "cache/tmp.log": b"log",
}


def assay(*words, status=0, folder=None):
    """Runs the command; its answer, which must come with this exit status."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ASSAY")}
    answer = subprocess.run(
        [ASSAY, *map(str, words), "--json"], capture_output=True, text=True, cwd=folder, env=environment
    )
    assert answer.returncode == status, (words, answer.returncode, answer.stdout, answer.stderr)
    return json.loads(answer.stdout)


class Case(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name).resolve()
        self.model = self.folder / "model"
        for name, content in FILES.items():
            path = self.model / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.signature = self.folder / "model.sig"

    def key(self, name):
        path = self.folder / f"{name}.pem"
        if not path.exists():
            assay("key", "generate", "--output", path, "--algorithm", name)
        return path, path.with_suffix(".pub")

    def payload(self):
        bundle = json.loads(self.signature.read_bytes())
        return json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))

    def ours(self, public, status=0, *words):
        return assay(
            "model", "verify", self.model, "--signature", self.signature, "--key", public, *words, status=status
        )

    def theirs(self, public, config=None, unsigned=False):
        verifier = verifying.Config().use_elliptic_key_verifier(public_key=public)
        if config is not None:
            verifier.set_hashing_config(config)
        verifier.set_ignore_unsigned_files(unsigned)
        verifier.verify(self.model, self.signature)

    def sign_by_them(self, private, config):
        signer = signing.Config().use_elliptic_key_signer(private_key=private)
        signer.set_hashing_config(config).sign(self.model, self.signature)


def config(method, algorithm, ignored=(), git=True, links=False, shard=1000):
    """The reference's options."""
    made = hashing.Config()
    if method == "files":
        made.use_file_serialization(hashing_algorithm=algorithm, allow_symlinks=links)
    else:
        made.use_shard_serialization(hashing_algorithm=algorithm, shard_size=shard, allow_symlinks=links)
    return made.set_ignored_paths(paths=ignored, ignore_git_paths=git).set_allow_symlinks(links)


CHANGES = {
    "a byte": lambda model: (model / "README.md").write_bytes(b"wordz"),
    "a file longer": lambda model: (model / "onnx/model.onnx").write_bytes(b"\x00" * 5001),
    "a file shorter": lambda model: (model / "onnx/model.onnx").write_bytes(b"\x00" * 4999),
    "a file gone": lambda model: (model / "onnx.txt").unlink(),
    "a file more": lambda model: (model / "pytorch_model.bin").write_bytes(b"x"),
    "a file renamed": lambda model: (model / "onnx.txt").rename(model / "onnx.text"),
    "files swapped": lambda model: (
        (model / "onnx.txt").rename(model / "x"),
        (model / "README.md").rename(model / "onnx.txt"),
        (model / "x").rename(model / "README.md"),
    ),
    "a link": lambda model: (model / "link").symlink_to("README.md"),
    "a link to nothing": lambda model: (model / "link").symlink_to("nothing"),
}


class WeVerifyTheirs(Case):
    OPTIONS = {
        "files sha256": config("files", "sha256"),
        "files blake2": config("files", "blake2"),
        "files blake3": config("files", "blake3"),
        "shards sha256": config("shards", "sha256"),
        "shards blake2": config("shards", "blake2"),
        "shards of a byte": config("shards", "sha256", shard=1),
        "shards of the default size": config("shards", "sha256", shard=1_000_000_000),
        "ignored": config("files", "sha256", ignored=["cache", "README.md"]),
        "git paths too": config("files", "sha256", git=False),
        "shards and git paths": config("shards", "sha256", git=False, ignored=["cache"]),
    }

    def test_every_option_and_every_key(self):
        count = 0
        for curve in CURVES:
            private, public = self.key(curve)
            other = self.key({"p256": "p384", "p384": "p521", "p521": "p256"}[curve])[1]
            for name, options in self.OPTIONS.items():
                with self.subTest(curve=curve, options=name):
                    self.sign_by_them(private, options)
                    answer = self.ours(public)
                    root = self.payload()["subject"][0]["digest"]["sha256"]
                    self.assertEqual(answer["artifact"], f"oms:sha256:{root}")
                    self.assertFalse(self.ours(other, 1)["verified"])
                    count += 1
        self.assertEqual(count, 30)

    def test_whatever_is_done_to_a_model_is_seen(self):
        private, public = self.key("p256")
        count = 0
        for options in ("files sha256", "shards sha256", "files blake3"):
            self.sign_by_them(private, self.OPTIONS[options])
            kept = self.folder / f"kept-{options}"
            shutil.copytree(self.model, kept, symlinks=True)
            for name, change in CHANGES.items():
                with self.subTest(options=options, change=name):
                    change(self.model)
                    self.assertFalse(self.ours(public, 1)["verified"])
                    shutil.rmtree(self.model)
                    shutil.copytree(kept, self.model, symlinks=True)
                    self.ours(public)
                    count += 1
        self.assertEqual(count, 27)

    def test_links_followed(self):
        private, public = self.key("p256")
        outside = self.folder / "blobs" / "b1"
        outside.parent.mkdir()
        outside.write_bytes(b"weights")
        (self.model / "weights.bin").symlink_to("../blobs/b1")
        (self.model / "again.bin").symlink_to("weights.bin")
        self.sign_by_them(private, config("files", "sha256", links=True))
        self.assertEqual(self.ours(public)["intact"], len(FILES))
        outside.write_bytes(b"weightz")
        self.assertEqual(self.ours(public, 1)["changed"], ["again.bin", "weights.bin"])

    def test_unsigned_files_are_let_be_and_listed(self):
        private, public = self.key("p256")
        self.sign_by_them(private, config("files", "sha256", ignored=["cache"]))
        (self.model / "more").write_bytes(b"")
        self.assertEqual(self.ours(public, 1)["unsigned"], ["more"])
        answer = self.ours(public, 0, "--ignore-unsigned-files")
        self.assertEqual(answer["unsigned"], ["more"])
        # And what is ignored is never passed over in silence.
        skipped = [one["path"] for one in answer["notSigned"]]
        self.assertEqual(skipped, [".git/HEAD", ".gitattributes", "cache/tmp.log"])

    def test_a_model_of_one_file(self):
        private, public = self.key("p256")
        self.model = self.model / "onnx/model.onnx"
        for method in ("files", "shards"):
            self.sign_by_them(private, config(method, "sha256"))
            # Not the file's name, as section 6.1.2 has it.
            self.assertIn(self.payload()["predicate"]["resources"][0]["name"], (".", ".:0:1000"))
            self.assertEqual(self.ours(public)["intact"], 1)
        self.model.write_bytes(b"other")
        self.ours(public, 1)

    def test_a_signature_in_the_model(self):
        private, public = self.key("p256")
        self.signature = self.model / "model.sig"
        self.sign_by_them(private, config("files", "sha256", ignored=["model.sig"]))
        self.ours(public)

    def test_older_bundles(self):
        private, public = self.key("p256")
        self.sign_by_them(private, config("files", "sha256"))
        bundle = json.loads(self.signature.read_bytes())
        bundle["verificationMaterial"] = {"publicKey": {"rawBytes": "AAAA", "keyDetails": "PKIX"}}
        bundle["dsseEnvelope"]["signatures"][0]["keyid"] = None
        self.signature.write_text(json.dumps(bundle))
        self.ours(public)
        self.theirs(public)

    def test_the_legacy_kind(self):
        """Version 0.2.0 signed other bytes than it meant to; both of us read that still."""
        private, public = self.key("p256")
        names = [name for name in FILES if not name.startswith(".git")]
        digest = lambda name: hashlib.sha256(FILES[name]).hexdigest()
        payload = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": name, "digest": {"sha256": digest(name)}} for name in sorted(names)],
            "predicateType": "https://model_signing/Digests/v0.1",
            "predicate": {"unused": "It's Python's"},
        }
        payload = json.dumps(payload, indent=1, ensure_ascii=False).encode()
        for encoding in (sign_sigstore_pb.pae, sign_sigstore_pb.pae_compat):
            self.write(private, payload, encoding)
            self.theirs(public)
            self.assertEqual(self.ours(public)["predicateType"], "https://model_signing/Digests/v0.1")
        # The wrong encoding is good for nothing but that.
        self.sign_by_them(private, config("files", "sha256"))
        current = json.dumps(self.payload()).encode()
        self.write(private, current, sign_sigstore_pb.pae)
        self.ours(public)
        self.write(private, current, sign_sigstore_pb.pae_compat)
        self.ours(public, 1)
        self.write(private, current.replace(b"README.md", b"README.mD"), sign_sigstore_pb.pae)
        self.ours(public, 1)

    def write(self, private, payload, encoding=sign_sigstore_pb.pae):
        """Signs any payload."""
        key = serialization.load_pem_private_key(private.read_bytes(), None)
        sig = key.sign(encoding(payload), ec.ECDSA(hashes.SHA256()))
        encode = lambda bytes: base64.b64encode(bytes).decode()
        bundle = {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"rawBytes": "AAAA"}},
            "dsseEnvelope": {
                "payload": encode(payload),
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [{"sig": encode(sig)}],
            },
        }
        self.signature.write_text(json.dumps(bundle))

    def test_what_it_accepts_against_the_specification(self):
        private, public = self.key("p256")
        self.sign_by_them(private, config("files", "sha256"))
        good = self.payload()

        def root(payload):
            digests = b"".join(bytes.fromhex(one["digest"]) for one in payload["predicate"]["resources"])
            payload["subject"][0]["digest"]["sha256"] = hashlib.sha256(digests).hexdigest()

        def twice(payload):
            payload["predicate"]["resources"].append(payload["predicate"]["resources"][0])

        def without(payload):
            payload["predicate"]["resources"] = []
            payload["predicate"]["serialization"]["ignore_paths"] = sorted(
                {name.split("/")[0] for name in FILES}
            )

        def wildcard(payload):
            payload["predicate"]["serialization"]["ignore_paths"].append("*.tmp")

        for name, change, accepts in (
            ("nothing", lambda _: None, True),
            ("a resource twice", twice, True),
            ("no resource", without, True),
            ("a wildcard", wildcard, True),
        ):
            with self.subTest(name):
                payload = json.loads(json.dumps(good))
                change(payload)
                root(payload)
                self.write(private, json.dumps(payload).encode())
                self.theirs(public)
                self.ours(public, 0 if name == "nothing" else 1)


class TheyVerifyOurs(Case):
    def sign(self, private, *words):
        return assay("model", "sign", self.model, "--signature", self.signature, "--key", private, *words)

    def test_every_option_and_every_key(self):
        options = {
            "files": ((), None),
            "blake3": (("--hash", "blake3"), None),
            # It cannot tell the hash of its own bundles by their name: it has to be told.
            "blake2b": (("--hash", "blake2b"), config("files", "blake2")),
            "ignored": (("--ignore", "cache", "--ignore", "README.md"), None),
        }
        count = 0
        for curve in CURVES:
            private, public = self.key(curve)
            other = self.key({"p256": "p384", "p384": "p521", "p521": "p256"}[curve])[1]
            for name, (words, told) in options.items():
                with self.subTest(curve=curve, options=name):
                    answer = self.sign(private, *words)
                    self.theirs(public, told)
                    self.assertEqual(self.ours(public)["artifact"], answer["artifact"])
                    self.assertRaises(Exception, self.theirs, other, told)
                    count += 1
        self.assertEqual(count, 12)

    def test_shards_are_cut_alike(self):
        """It names the hash of a shard otherwise than the specification: digests are compared."""
        private, public = self.key("p256")
        count = 0
        for algorithm, own in (("sha256", "sha256"), ("blake2b", "blake2"), ("sha256", "sha256")):
            for shard in (1, 999, 1000, 5000, 1_000_000_000):
                self.sign(private, "--hash", algorithm, f"--shards={shard}")
                self.ours(public)
                resources = self.payload()["predicate"]["resources"]
                made = config("shards", own, shard=shard).hash(self.model).resource_descriptors()
                want = {one.identifier: one.digest.digest_hex for one in made}
                self.assertEqual({one["name"]: one["digest"] for one in resources}, want)
                self.assertEqual({one["algorithm"] for one in resources}, {algorithm})
                count += 1
        self.assertEqual(count, 15)

    def test_whatever_is_done_to_a_model_is_seen(self):
        private, public = self.key("p256")
        kept = self.folder / "kept"
        shutil.copytree(self.model, kept)
        self.sign(private)
        for name, change in CHANGES.items():
            with self.subTest(name):
                change(self.model)
                self.assertRaises(Exception, self.theirs, public)
                self.ours(public, 1)
                shutil.rmtree(self.model)
                shutil.copytree(kept, self.model)
        self.theirs(public)
        self.theirs(public, unsigned=True)

    def test_links_and_a_signature_in_the_model(self):
        private, public = self.key("p256")
        (self.model / "link").symlink_to("README.md")
        answer = assay("model", "sign", self.model, "--key", private, status=2)
        self.assertIn("`link` cannot be signed: a link to `README.md`", answer["error"])
        self.signature = self.model / "model.sig"
        self.sign(private, "--allow-symlinks")
        # It does not take from the signature that links are followed: it has to be told.
        self.theirs(public, config("files", "sha256", links=True))
        self.ours(public)
        self.assertEqual(self.payload()["subject"][0]["name"], "model")

    def test_the_order_of_names(self):
        """By code points, as section 5.2.1 has it, and not by the parts of paths."""
        private, _ = self.key("p256")
        self.sign(private)
        names = [one["name"] for one in self.payload()["predicate"]["resources"]]
        self.assertEqual(names, sorted(names))
        self.assertLess(names.index("onnx.txt"), names.index("onnx/model.onnx"))


class Certificates(Case):
    """A root, an authority under it, and signers under that."""

    def setUp(self):
        super().setUp()
        self.now = datetime.datetime.now(datetime.timezone.utc)
        self.root_key, self.root = self.authority("root", None)
        self.middle_key, self.middle = self.authority("middle", (self.root_key, self.root))
        self.other_root = self.authority("other", None)[1]

    def pem(self, name, certificate):
        path = self.folder / f"{name}.crt"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(self, name, key, issuer, extensions, days=(-1, 30)):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer_key, issuer_name = (key, subject) if issuer is None else (issuer[0], issuer[1].subject)
        builder = x509.CertificateBuilder(
            issuer_name,
            subject,
            key.public_key(),
            x509.random_serial_number(),
            self.now + datetime.timedelta(days=days[0]),
            self.now + datetime.timedelta(days=days[1]),
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(issuer_key, hashes.SHA384())

    def authority(self, name, issuer):
        key = ec.generate_private_key(ec.SECP384R1())
        extensions = [(x509.BasicConstraints(True, None), True), (usage(certificates=True), True)]
        return key, self.issue(name, key, issuer, extensions, (-60, 30))

    def signer(self, private, name="signer", issuer=None, extensions=None, days=(-1, 30)):
        key = serialization.load_pem_private_key(private.read_bytes(), None)
        names = x509.SubjectAlternativeName([x509.RFC822Name("signer@example.test")])
        extensions = extensions or [
            (x509.BasicConstraints(False, None), True),
            (usage(signatures=True), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
            (names, False),
        ]
        issuer = issuer or (self.middle_key, self.middle)
        return self.issue(name, key, issuer, extensions, days)

    def check(self, status, *roots, words=()):
        roots = [word for root in roots for word in ("--root", root)]
        command = ["model", "verify", self.model, "--signature", self.signature, *roots, *words]
        return assay(*command, status=status)

    def theirs_by_certificate(self, *roots):
        verifier = verifying.Config().use_certificate_verifier(certificate_chain=roots)
        verifier.verify(self.model, self.signature)

    def sign_by_them_with(self, private, certificate, *chain):
        signer = signing.Config().use_certificate_signer(
            private_key=private, signing_certificate=certificate, certificate_chain=chain
        )
        signer.set_hashing_config(config("files", "sha256")).sign(self.model, self.signature)

    def sign_by_us_with(self, private, certificate, *chain, status=0):
        chain = [word for path in chain for word in ("--chain", path)]
        command = ["model", "sign", self.model, "--signature", self.signature, "--key", private]
        return assay(*command, "--certificate", certificate, *chain, status=status)

    def test_both_directions_for_every_key(self):
        root, middle = self.pem("root", self.root), self.pem("middle", self.middle)
        other = self.pem("other", self.other_root)
        count = 0
        for curve in CURVES:
            private, public = self.key(curve)
            leaf = self.pem("leaf", self.signer(private))
            for sign in (self.sign_by_us_with, self.sign_by_them_with):
                with self.subTest(curve=curve, sign=sign.__name__):
                    sign(private, leaf, middle)
                    answer = self.check(0, root)
                    self.assertEqual(answer["signers"][0]["name"], "signer@example.test")
                    self.theirs_by_certificate(root)
                    self.check(1, other)
                    self.assertRaises(Exception, self.theirs_by_certificate, other)
                    self.check(0, other, root, words=("--identity", "signer@example.test"))
                    self.check(1, root, words=("--identity", "signer@example.tes"))
                    # A chain is not a key, nor the other way round.
                    self.ours(public, 1)
                    count += 1
        self.assertEqual(count, 6)

    def test_an_authority_of_the_trust_file_vouches_for_whom_it_names(self):
        private, _ = self.key("p256")
        self.sign_by_them_with(
            private, self.pem("leaf", self.signer(private)), self.pem("middle", self.middle)
        )
        trust = self.folder / "trust.yaml"
        add = lambda *words: assay("trust", "--trust", trust, "add", *words)
        add("--authority", self.pem("root", self.root), "--name", "corporate", "--clock", "now")
        model = ["--predicate", "https://model_signing/signature/v1.0"]
        named = [("a", "other@example.test", model), ("b", "signer@example.test", ["--step", "x"])]
        command = ["model", "verify", self.model, "--signature", self.signature, "--trust", trust]
        assay(*command, status=1)
        for name, address, may in [*named, ("c", "signer@example.test", model)]:
            self.assertFalse(assay(*command, status=1)["verified"])
            signer = ["--signer", name, "--certified-by", "corporate", "--owner", "team"]
            add(*signer, "--san-email", address, "--artifact", "*", *may)
        self.assertEqual(assay(*command)["signers"][0]["owner"], "team")

    def test_what_certificates_are_not_good_for(self):
        private, _ = self.key("p256")
        root, middle = self.pem("root", self.root), self.pem("middle", self.middle)
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        plain = (x509.BasicConstraints(False, None), True)
        signs = (usage(signatures=True), True)
        rows = {
            # What it says, whether we take it, whether the reference does.
            "both usages": (None, (-1, 30), True, True),
            "key usage alone": ([plain, signs], (-1, 30), True, True),
            "code signing alone": (
                [plain, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)],
                (-1, 30),
                True,
                True,
            ),
            "for servers too": ([plain, signs, (server, False)], (-1, 30), False, True),
            "for certificates": ([plain, (usage(certificates=True), True)], (-1, 30), False, False),
            "for nothing": ([plain], (-1, 30), False, False),
            "expired": (None, (-30, -1), False, True),
            "not yet valid": (None, (1, 30), False, None),
        }
        for name, (extensions, days, ours, theirs) in rows.items():
            with self.subTest(name):
                leaf = self.pem("leaf", self.signer(private, extensions=extensions, days=days))
                self.sign_by_them_with(private, leaf, middle)
                self.check(0 if ours else 1, root)
                if theirs:
                    self.theirs_by_certificate(root)
                elif theirs is False:
                    self.assertRaises(Exception, self.theirs_by_certificate, root)

    def test_chains_that_do_not_hold(self):
        private, _ = self.key("p256")
        root, middle = self.pem("root", self.root), self.pem("middle", self.middle)
        leaf = self.pem("leaf", self.signer(private))
        # Without the certificate between, nothing leads to the root; to that itself, it does.
        self.sign_by_us_with(private, leaf)
        self.check(1, root)
        self.check(0, root, middle)
        self.sign_by_us_with(private, leaf, middle)
        self.check(0, root)
        # A signer is no authority.
        signer = serialization.load_pem_private_key(private.read_bytes(), None)
        victim, _ = self.key("p384")
        below = self.pem("below", self.signer(victim, issuer=(signer, self.signer(private))))
        self.sign_by_them_with(victim, below, leaf, middle)
        self.check(1, root)
        # The certificate of another key.
        answer = self.sign_by_us_with(victim, leaf, status=2)
        self.assertIn("is that of another key", answer["error"])


def usage(signatures=False, certificates=False):
    return x509.KeyUsage(signatures, False, False, False, False, certificates, False, False, False)


if __name__ == "__main__":
    unittest.main()
