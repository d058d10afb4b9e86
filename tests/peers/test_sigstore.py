"""Sigstore's own client signs against the register and believes what it answers.

Its Rekor v2 client, its reading of trusted roots and signing configurations, its verification of
bundles, proofs and checkpoints are used as they are. Only the certificate comes from the test
instead of over the network, because nobody here has an identity to show.
"""

import base64
import json
import shutil
import unittest

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor import RekorClientError
from sigstore._internal.rekor.checkpoint import verify_checkpoint
from sigstore._internal.rekor.client_v2 import RekorV2Client
from sigstore._internal.trust import KeyringPurpose
from sigstore._utils import sha256_digest
from sigstore.dsse import StatementBuilder, Subject
from sigstore.errors import Error, VerificationError
from sigstore.models import ClientTrustConfig, SigningConfig, TransparencyLogEntry, TrustedRoot
from sigstore.sign import Signer, SigningContext
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity
from sigstore_models.trustroot import v1 as trustroot

from register import Register
from sigstore_instance import IDENTITY, Instance

ARTIFACT = b"weights"
OPENSSL = shutil.which("openssl")
MISSING = "*** SKIPPED: no program `openssl` to tell the time with ***"


class Signing(Signer):
    """Sigstore's signer, with a certificate that was not asked for over the network."""

    def __init__(self, context, key, certificate):
        self._signing_ctx = context
        self._Signer__cached_private_key = key
        self._Signer__cached_signing_certificate = certificate


def attest(register, count):
    """Makes the register, and some entries in it."""
    (register.folder / "model.bin").write_bytes(ARTIFACT)
    (register.folder / "review.json").write_text('{"reviewed": "yes"}')
    for _ in range(count):
        register.assay(
            "attest", "--type", "https://example.com/review/v1",
            "--predicate", "review.json", "--subject", "model.bin",
        )  # fmt: skip


def statement():
    subject = Subject(name="model.bin", digest={"sha256": sha256_digest(ARTIFACT).digest.hex()})
    builder = StatementBuilder([subject], "https://example.com/review/v1", {"reviewed": "yes"})
    return builder.build()


class Sigstore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.register = cls.enterClassContext(Register())
        cls.instance = cls.enterClassContext(Instance())
        attest(cls.register, 3)
        cls.url = cls.register.serve()
        cls.register.assay("trust", "export", "--sigstore", "--output", "bare")
        cls.register.assay(
            "trust", "export", "--sigstore", "--output", "whole", "--instance", cls.instance.folder
        )
        cls.bare, cls.whole = cls.register.folder / "bare", cls.register.folder / "whole"
        text = (cls.whole / "client_trust_config.json").read_text()
        cls.config = ClientTrustConfig.from_json(text)
        cls.keyring = cls.config.trusted_root.rekor_keyring(KeyringPurpose.VERIFY)
        cls.key, cls.certificate = cls.instance.certificate()
        cls.signer = Signing(SigningContext.from_trust_config(cls.config), cls.key, cls.certificate)
        cls.verifier = Verifier(trusted_root=cls.config.trusted_root)

    def client(self):
        [client] = self.config.signing_config.get_tlogs()
        self.assertIsInstance(client, RekorV2Client)
        self.assertEqual(client.url, f"{self.url}/api/v2")
        return client

    def request(self, artifact=ARTIFACT):
        """What the client sends for an artifact: Sigstore's own words."""
        hashed = sha256_digest(artifact)
        signature = self.key.sign(artifact, ec.ECDSA(hashes.SHA256()))
        return RekorV2Client._build_hashed_rekord_request(hashed, signature, self.certificate)

    @unittest.skipUnless(OPENSSL, MISSING)
    def test_an_artifact_is_signed_and_verified(self):
        bundle = self.signer.sign_artifact(ARTIFACT)
        self.verifier.verify_artifact(ARTIFACT, bundle, Identity(identity=IDENTITY))
        for artifact, identity in [(b"weight", IDENTITY), (ARTIFACT, f"no-{IDENTITY}")]:
            with self.assertRaises(VerificationError):
                self.verifier.verify_artifact(artifact, bundle, Identity(identity=identity))

    @unittest.skipUnless(OPENSSL, MISSING)
    def test_a_statement_is_signed_and_verified(self):
        bundle = self.signer.sign_dsse(statement())
        kind, payload = self.verifier.verify_dsse(bundle, Identity(identity=IDENTITY))
        self.assertEqual(kind, "application/vnd.in-toto+json")
        self.assertEqual(json.loads(payload)["predicate"], {"reviewed": "yes"})
        entry = bundle.log_entry._inner.kind_version
        self.assertEqual((entry.kind, entry.version), ("hashedrekord", "0.0.2"))

    def test_every_entry_is_proven_under_the_checkpoint(self):
        for number in range(9):
            entry = self.client().create_entry(self.request(f"artifact {number}".encode()))
            entry._verify(self.keyring)

    def test_the_smallest_changes_are_not_believed(self):
        entry = self.client().create_entry(self.request())._inner
        proof = entry.inclusion_proof
        self.assertTrue(proof.hashes)

        def flipped(data):
            return bytes([data[0] ^ 1]) + data[1:]

        note = proof.checkpoint.envelope
        line = note.splitlines()[-1]
        signature = bytearray(base64.b64decode(line.split()[-1]))
        signature[-1] ^= 1
        forged = note.replace(line, f"{line.rsplit(' ', 1)[0]} {base64.b64encode(signature).decode()}")
        size = note.splitlines()[1]
        proofs = {
            "as it is, the control": {},
            "a bit of the path": {"hashes": [flipped(proof.hashes[0]), *proof.hashes[1:]]},
            "a shorter path": {"hashes": proof.hashes[1:]},
            "another root": {"root_hash": flipped(proof.root_hash)},
            "another place": {"log_index": proof.log_index - 1},
            "another signature": {"checkpoint": proof.checkpoint.model_copy(update={"envelope": forged})},
            "another size": {
                "checkpoint": proof.checkpoint.model_copy(
                    update={"envelope": note.replace(f"\n{size}\n", f"\n{int(size) + 1}\n")}
                )
            },
        }
        for name, update in proofs.items():
            changed = entry.model_copy(update={"inclusion_proof": proof.model_copy(update=update)})
            self.check(name, changed, name.startswith("as it is"))
        body = {"canonicalized_body": flipped(entry.canonicalized_body)}
        self.check("another entry", entry.model_copy(update=body), False)
        log = {"log_id": entry.log_id.model_copy(update={"key_id": flipped(entry.log_id.key_id)})}
        self.check("another log", entry.model_copy(update=log), False)

    def check(self, name, entry, believed):
        entry = TransparencyLogEntry(entry)
        with self.subTest(name):
            if believed:
                verify_merkle_inclusion(entry)
                verify_checkpoint(self.keyring, entry)
            else:
                with self.assertRaises(VerificationError):
                    entry._verify(self.keyring)

    def test_the_checkpoint_of_another_register_is_not_believed(self):
        entry = self.client().create_entry(self.request())
        with Register() as other:
            attest(other, 1)
            other.assay("trust", "export", "--sigstore", "--url", "https://assay.example")
            root = TrustedRoot.from_file(str(other.folder / "trusted_root.json"))
        verify_checkpoint(self.keyring, entry)
        with self.assertRaises(VerificationError):
            verify_checkpoint(root.rekor_keyring(KeyringPurpose.VERIFY), entry)

    def test_what_was_sent_twice_stands_once(self):
        request = self.request()
        first = self.client().create_entry(request)._inner
        second = self.client().create_entry(request)._inner
        self.assertEqual(first.log_index, second.log_index)
        self.assertEqual(first.canonicalized_body, second.canonicalized_body)
        answer = requests.post(f"{self.url}/api/v2/log/entries", json=request, timeout=30)
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer.headers["x-log-index"], str(first.log_index))

    def test_what_makes_no_entry_is_refused(self):
        before = self.size()
        refused = self.request()
        refused["hashedRekordRequestV002"]["digest"] = base64.b64encode(b"\0" * 32).decode()
        with self.assertRaises(RekorClientError):
            self.client().create_entry(refused)

        def record(change):
            request = self.request()
            change(request["hashedRekordRequestV002"])
            return request

        def details(name):
            return lambda record: record["signature"]["verifier"].update(keyDetails=name)

        cases = {
            "another digest": refused,
            "an unknown algorithm": record(details("PKIX_ECDSA_P521_MD5")),
            "another curve": record(details("PKIX_ECDSA_P384_SHA_384")),
            "no verifier": record(lambda record: record["signature"].pop("verifier")),
            "a DSSE envelope": {"dsseRequestV002": {"envelope": {}, "verifiers": []}},
        }
        for name, request in cases.items():
            with self.subTest(name):
                answer = requests.post(f"{self.url}/api/v2/log/entries", json=request, timeout=30)
                self.assertEqual(answer.status_code, 400, answer.text)
                self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertEqual(self.size(), before)

    def size(self):
        return json.loads(self.register.assay("log", "head", "--json"))["size"]

    def test_the_command_shows_what_it_is(self):
        index = self.client().create_entry(self.request(b"shown"))._inner.log_index
        shown = self.register.assay("log", "entry", index)
        self.assertIn("a certificate", shown)
        self.assertIn("evidence of nothing", shown)
        listed = json.loads(self.register.assay("find", "--cursor", index, "--json"))["entries"]
        self.assertEqual(listed[0]["state"], "unknown")
        self.assertIn("proven", self.register.assay("log", "prove", index))

    def test_what_was_signed_keyless_is_found_by_who_the_certificate_says_it_was(self):
        index = self.client().create_entry(self.request(b"found"))._inner.log_index
        words = ["find", "--cursor", index, "--proofs"]
        shown = self.register.assay(*words, "--identity", IDENTITY)
        self.assertIn(f"not trusted ({IDENTITY}?)", shown)
        self.assertIn("proven: every entry shown", shown)
        found = json.loads(self.register.assay(*words, "--identity", IDENTITY, "--json"))
        [entry], [evidence] = found["entries"], found["evidence"]
        self.assertEqual(entry["certificate"], {"names": [IDENTITY]})
        self.assertEqual(set(evidence), {"leaf", "proof"})
        leaf, proof = self.register.folder / "leaf", self.register.folder / "leaf.tlog-proof"
        leaf.write_bytes(base64.b64decode(evidence["leaf"]))
        proof.write_text(evidence["proof"])
        self.assertIn("proven", self.register.assay("verify", leaf, "--proof", proof))
        for other in (["--identity", IDENTITY[:-1]], ["--issuer", "https://login.example"]):
            self.assertIn("0 entries", self.register.assay("find", *other))

    def test_without_an_instance_entries_can_be_checked_alone(self):
        root = TrustedRoot.from_file(str(self.bare / "trusted_root.json"))
        entry = self.client().create_entry(self.request())
        entry._verify(root.rekor_keyring(KeyringPurpose.VERIFY))
        path = str(self.bare / "signing_config.json")
        config = trustroot.SigningConfig.from_json((self.bare / "signing_config.json").read_bytes())
        self.assertEqual([service.url for service in config.rekor_tlog_urls], [self.url])
        # It says so itself: nobody signs without a certificate authority.
        with self.assertRaisesRegex(Error, "No valid Fulcio CA"):
            SigningConfig.from_file(path)


if __name__ == "__main__":
    unittest.main()
