"""Corporate certificates and clocks that other programs make are believed here as far as they should.

The certificates are by `cryptography`, the timestamps by OpenSSL, which is a timestamp authority of its
own (RFC 3161). Nothing here is issued by Assay.
"""

import base64
import datetime
import hashlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from register import ASSAY

OPENSSL = shutil.which("openssl")
BUILDER = "spiffe://corp.example/ci/builder"
REVIEW = "https://example.com/review/v1"
KIND = "application/vnd.in-toto+json"
POLICY = """\
apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: reviewed, version: 1}
stages: {staging: {mode: enforce}}
completeness: given
steps:
  review:
    predicates: [https://example.com/review/v1]
    signers: {anyOf: [builder]}
    log: optional
"""
CLOCK = """\
[tsa]
default_tsa = clock
[clock]
serial = {folder}/serial
default_policy = 1.2.3.4
digests = sha256, sha384
signer_digest = sha256
ordering = no
tsa_name = yes
ess_cert_id_chain = no
"""


def assay(*arguments, status=0):
    command = [ASSAY, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != status:
        raise AssertionError(f"{arguments}: {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
    return done.stdout


def pem(*certificates):
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def usage(signatures=False, certificates=False):
    return x509.KeyUsage(signatures, False, False, False, False, certificates, certificates, False, False)


def issue(name, key, issuer, issuer_key, seconds, extensions):
    """A certificate that holds from a minute ago for so many seconds from now on."""
    now = datetime.datetime.now(datetime.timezone.utc)
    called = lambda name: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(called(name))
        .issuer_name(called(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(seconds=60))
        .not_valid_after(now + datetime.timedelta(seconds=seconds))
    )
    for extension, critical in extensions:
        built = built.add_extension(extension, critical)
    return built.sign(issuer_key, hashes.SHA256())


def authority(name, key, issuer, issuer_key):
    extensions = [(x509.BasicConstraints(True, None), True), (usage(certificates=True), True)]
    return issue(name, key, issuer, issuer_key, 3600, extensions)


@unittest.skipUnless(OPENSSL, "!!! no openssl: its timestamps are not read !!!")
class Corporate(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        curve = lambda: ec.generate_private_key(ec.SECP256R1())
        # Many a company's root is RSA.
        root_key, self.issuing_key = rsa.generate_private_key(65537, 2048), curve()
        self.root_key = root_key
        self.root = authority("corporate", root_key, "corporate", root_key)
        self.issuing = authority("issuing", self.issuing_key, "corporate", root_key)
        clock_root_key, self.clock_key = curve(), curve()
        clock_root = authority("clocks", clock_root_key, "clocks", clock_root_key)
        stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        extensions = [(usage(signatures=True), True), (stamping, True)]
        clock = issue("clock", self.clock_key, "clocks", clock_root_key, 3600, extensions)
        self.write("root.pem", pem(self.root))
        self.write("clock.pem", pem(clock, clock_root))
        self.write("signer.pem", pem(clock))
        self.write("serial", b"01\n")
        self.write("clock.cnf", CLOCK.format(folder=self.folder).encode())
        self.write(
            "clock.key",
            self.clock_key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        self.write("model.bin", b"weights")
        self.write("policy.yaml", POLICY.encode())
        self.key = curve()

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def certificate(self, seconds=3600, names=(x509.UniformResourceIdentifier(BUILDER),)):
        signing = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        extensions = [
            (x509.SubjectAlternativeName(names), False),
            (usage(signatures=True), True),
            (signing, False),
        ]
        return issue("builder", self.key, "issuing", self.issuing_key, seconds, extensions)

    def stamp(self, signature):
        """A token by OpenSSL that says that the signature is there now."""
        run = lambda *arguments: subprocess.run(
            [OPENSSL, "ts", *map(str, arguments)], check=True, capture_output=True
        )
        at = lambda name: self.folder / name
        self.write("signature", signature)
        run("-query", "-data", at("signature"), "-sha256", "-cert", "-out", at("query"))
        run(
            *("-reply", "-config", at("clock.cnf"), "-section", "clock", "-queryfile", at("query")),
            *("-signer", at("signer.pem"), "-inkey", at("clock.key"), "-out", at("reply")),
        )
        run("-reply", "-in", at("reply"), "-token_out", "-out", at("token"))
        return at("reply").read_bytes(), at("token").read_bytes()

    def ecdsa(self, encoded):
        return self.key.sign(encoded, ec.ECDSA(hashes.SHA256()))

    def openssl(self, *options):
        """What OpenSSL signs with the key, padded as the options say."""

        def sign(encoded):
            private = self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            key, message = self.write("rsa.key", private), self.write("encoded", encoded)
            words = [OPENSSL, "dgst", "-sign", key, *options, message]
            return subprocess.run(words, check=True, capture_output=True).stdout

        return sign

    def bundle(self, certificate, stamped=True, name="bundle.json", sign=None):
        digest = hashlib.sha256(b"weights").hexdigest()
        payload = json.dumps(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"name": "model.bin", "digest": {"sha256": digest}}],
                "predicateType": REVIEW,
                "predicate": {"reviewed": "yes"},
            }
        ).encode()
        encoded = b"DSSEv1 %d %s %d %s" % (len(KIND), KIND.encode(), len(payload), payload)
        signature = (sign or self.ecdsa)(encoded)
        text = lambda data: base64.b64encode(data).decode()
        chain = [
            {"rawBytes": text(one.public_bytes(serialization.Encoding.DER))}
            for one in (certificate, self.issuing)
        ]
        stamps = [{"signedTimestamp": text(self.stamp(signature)[0])}] if stamped else []
        bundle = {
            "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2",
            "verificationMaterial": {
                "x509CertificateChain": {"certificates": chain},
                "timestampVerificationData": {"rfc3161Timestamps": stamps},
            },
            "dsseEnvelope": {
                "payload": text(payload),
                "payloadType": KIND,
                "signatures": [{"sig": text(signature)}],
            },
        }
        return self.write(name, json.dumps(bundle).encode())

    def trust(self, *clocks, rule=("--san-uri", "under:spiffe://corp.example/ci"), where=(), between=False):
        path = self.folder / "trust.yaml"
        path.unlink(missing_ok=True)
        file = () if where else ("--trust", path)
        add = lambda *arguments: assay(*where, "trust", *file, "add", *arguments)
        add("--timestamp-authority", self.folder / "clock.pem", "--name", "clock")
        named = [word for clock in clocks for word in ("--clock", clock)]
        kept = ("--intermediates", self.folder / "issuing.pem") if between else ()
        add("--authority", self.folder / "root.pem", "--name", "corporate", *named, *kept)
        add(
            *("--signer", "builder", "--certified-by", "corporate", "--owner", "ci-team", *rule),
            *("--predicate", REVIEW, "--artifact", "*"),
        )
        return path

    def verify(self, bundle, trust, status=0):
        command = ("verify", self.folder / "model.bin", "--bundle", bundle, "--trust", trust, "--json")
        return json.loads(assay(*command, status=status))

    def test_a_statement_counts_by_authority_name_and_time(self):
        bundle, trust = self.bundle(self.certificate()), self.trust("clock")
        believed = self.verify(bundle, trust)["believed"]
        (signer,) = believed[0]["signers"]
        want = {"kind": "uri", "name": BUILDER, "authority": "corporate"}
        self.assertEqual((signer["name"], signer["certified"]), ("builder", want))
        check = ("check", self.folder / "model.bin", "--stage", "staging", "--bundle", bundle)
        check += ("--policy", self.folder / "policy.yaml", "--trust")
        assay(*check, trust)
        other = self.trust("clock", rule=("--san-uri", "under:spiffe://corp.example/c"))
        assay(*check, other, status=1)
        why = self.verify(bundle, other, status=1)["notBelieved"][0]["why"]
        self.assertIn(BUILDER, why)

    def test_without_a_time_nobody_is_believed(self):
        bundle = self.bundle(self.certificate(), stamped=False)
        why = self.verify(bundle, self.trust("clock"), status=1)["notBelieved"][0]["why"]
        self.assertIn("no clock proves when it was signed", why)
        self.verify(bundle, self.trust("clock", "now"))

    def test_a_certificate_that_has_expired_counts_for_what_was_stamped_before(self):
        certificate = self.certificate(seconds=3)
        stamped, bare = self.bundle(certificate), self.bundle(certificate, False, "bare.json")
        time.sleep(4)
        self.verify(stamped, self.trust("clock"))
        self.verify(bare, self.trust("now"), status=1)
        late = self.bundle(certificate, name="late.json")
        why = self.verify(late, self.trust("clock"), status=1)["notBelieved"][0]["why"]
        self.assertIn("had expired", why)

    def test_rsa_keys_sign_by_whatever_is_sound(self):
        pss = lambda salt: ("-sigopt", "rsa_padding_mode:pss", "-sigopt", f"rsa_pss_saltlen:{salt}")
        trust = self.trust("clock")
        for bits in (2048, 3072, 4096):
            self.key = rsa.generate_private_key(65537, bits)
            certificate = self.certificate()
            for hashed in ("-sha256", "-sha384", "-sha512"):
                for padded in ((), pss("digest")):
                    with self.subTest(bits=bits, hashed=hashed, padded=padded):
                        sign = self.openssl(hashed, *padded)
                        self.verify(self.bundle(certificate, sign=sign), trust)
        theirs = lambda message: self.key.sign(
            message, padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384()
        )
        self.verify(self.bundle(certificate, sign=theirs), trust)
        mixed = lambda message: self.key.sign(
            message, padding.PSS(padding.MGF1(hashes.SHA256()), 48), hashes.SHA384()
        )
        refused = [
            ("another salt", self.openssl("-sha256", *pss(20))),
            ("the longest salt", self.openssl("-sha256", *pss("max"))),
            ("two hashes", mixed),
            ("SHA-1", self.openssl("-sha1")),
            ("SHA-224", self.openssl("-sha224")),
            ("another message", lambda message: self.openssl("-sha256")(message + b" ")),
        ]
        for name, sign in refused:
            with self.subTest(name):
                bundle = self.bundle(certificate, sign=sign)
                why = self.verify(bundle, trust, status=1)["notBelieved"][0]["why"]
                self.assertIn("no signature by a trusted key", why)
        for name, key, want in (
            ("1024 bits", rsa.generate_private_key(65537, 1024), "an RSA key of 1024 bits"),
            ("an exponent of three", rsa.generate_private_key(3, 2048), "public exponent"),
        ):
            with self.subTest(name):
                self.key = key
                bundle = self.bundle(self.certificate(), sign=self.openssl("-sha256"))
                why = self.verify(bundle, trust, status=1)["notBelieved"][0]["why"]
                self.assertIn(want, why)

    def test_a_statement_by_an_rsa_key_is_registered(self):
        self.key = rsa.generate_private_key(65537, 2048)
        bundle = self.bundle(self.certificate(), sign=self.openssl("-sha256"))
        home = ("--dir", self.folder / "home")
        model, predicate = self.folder / "model.bin", self.write("review.json", b"{}")
        words = ("--predicate", predicate, "--subject", model, "--name", "model.bin")
        assay(*home, "attest", "--type", REVIEW, *words)
        self.trust("clock", where=home)
        assay(*home, "log", "submit", bundle)
        believed = json.loads(assay(*home, "verify", model, "--json"))["believed"]
        self.assertEqual([one["signers"][0]["name"] for one in believed], ["local", "builder"])

    def revocations(self, name, key, *revoked, made=-60, until=600):
        """A list in DER by the issuer with this name, made so many seconds from now."""
        now = datetime.datetime.now(datetime.timezone.utc)
        after = lambda seconds: now + datetime.timedelta(seconds=seconds)
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = x509.CertificateRevocationListBuilder().issuer_name(issuer)
        built = built.last_update(after(made)).next_update(after(until))
        built = built.add_extension(x509.CRLNumber(7), False)
        for serial, seconds, reason in revoked:
            one = x509.RevokedCertificateBuilder().serial_number(serial)
            one = one.revocation_date(after(seconds))
            if reason:
                one = one.add_extension(x509.CRLReason(reason), False)
            built = built.add_revoked_certificate(one.build())
        signed = built.sign(key, hashes.SHA256())
        path = self.write(f"{len(list(self.folder.iterdir()))}.crl", b"")
        path.write_bytes(signed.public_bytes(serialization.Encoding.DER))
        return path

    def openssl_believes(self, certificate, lists):
        """Whether OpenSSL finds the certificate good now, by lists of everybody on the way."""
        self.write("own.pem", pem(certificate))
        words = [OPENSSL, "verify", "-crl_check_all", "-purpose", "any"]
        words += ["-CAfile", self.folder / "root.pem", "-untrusted", self.folder / "issuing.pem"]
        for path in lists:
            read = x509.load_der_x509_crl(path.read_bytes())
            text = path.with_suffix(".crl.pem")
            text.write_bytes(read.public_bytes(serialization.Encoding.PEM))
            words += ["-CRLfile", text]
        return subprocess.run([*words, self.folder / "own.pem"], capture_output=True).returncode == 0

    def test_what_an_authority_took_back_counts_from_then_on(self):
        certificate = self.certificate()
        self.write("issuing.pem", pem(self.issuing))
        own, between = certificate.serial_number, self.issuing.serial_number
        root = lambda *revoked, **times: self.revocations("corporate", self.root_key, *revoked, **times)
        issuing = lambda *revoked, **times: self.revocations(
            "issuing", self.issuing_key, *revoked, **times
        )
        superseded, compromised = x509.ReasonFlags.superseded, x509.ReasonFlags.key_compromise
        bundle = self.bundle(certificate)
        # The third says whether OpenSSL believes it too; of what is revoked later it knows nothing.
        cases = [
            ("nothing", [root(), issuing()], None, True),
            ("another", [root(), issuing((own + 1, -50, None))], None, True),
            ("it", [root(), issuing((own, -50, None))], "was revoked at", False),
            ("it, with a reason", [root(), issuing((own, -50, superseded))], "was revoked at", False),
            ("it, later", [root(), issuing((own, 60, superseded))], None, False),
            ("its key", [root(), issuing((own, 60, compromised))], "in strange hands", False),
            ("the one between", [root((between, -50, None)), issuing()], "was revoked at", False),
            ("by the other", [root((own, -50, None)), issuing((between, -50, None))], None, True),
            ("an old list", [root(), issuing(made=-60, until=-30)], "speaks until", False),
            ("an old list of the root", [root(made=-60, until=-30), issuing()], "speaks until", False),
            ("one list", [root()], "no revocation list of the authority", False),
        ]
        for name, lists, want, theirs in cases:
            with self.subTest(name):
                trust = self.trust("clock", between=True)
                named = [word for path in lists for word in ("--crl", path)]
                assay("trust", "--trust", trust, "renew", "corporate", *named)
                found = self.verify(bundle, trust, status=0 if want is None else 1)
                if want is not None:
                    self.assertIn(want, found["notBelieved"][0]["why"])
                self.assertEqual(self.openssl_believes(certificate, lists), theirs)
        listed = json.loads(assay("trust", "--trust", trust, "list", "--json"))
        (row,) = listed["authorities"][0]["revocationLists"]
        self.assertEqual((row["issuer"], row["revoked"]), ("CN=corporate", 0))
        stranger = self.revocations("issuing", self.root_key)
        before = trust.read_bytes()
        assay("trust", "--trust", trust, "renew", "corporate", "--crl", stranger, status=2)
        self.assertEqual(trust.read_bytes(), before)

    def test_names_of_other_kinds(self):
        names = (x509.DNSName("build.corp.example"), x509.RFC822Name("ci@corp.example"))
        bundle = self.bundle(self.certificate(names=names))
        cases = [
            (("--san-dns", "build.corp.example"), 0),
            (("--san-dns", "other.corp.example"), 1),
            (("--san-email", "ci@corp.example"), 0),
            (("--san-email", "build.corp.example"), 1),
        ]
        for rule, status in cases:
            with self.subTest(rule=rule):
                self.verify(bundle, self.trust("clock", rule=rule), status=status)

    def test_inspect_reads_what_openssl_wrote(self):
        reply, token = self.stamp(b"signature")
        shown = subprocess.run(
            [OPENSSL, "ts", "-reply", "-in", self.folder / "reply", "-text"],
            check=True, capture_output=True, text=True,
        ).stdout
        stamp = next(line for line in shown.splitlines() if line.startswith("Time stamp:"))
        moment = datetime.datetime.strptime(stamp, "Time stamp: %b %d %H:%M:%S %Y GMT")
        serial = next(line for line in shown.splitlines() if line.startswith("Serial number:"))
        for name, content in (("stamp.tsr", reply), ("stamp.tst", token)):
            page = json.loads(assay("inspect", "--json", self.write(name, content)))
            claims = {one["name"]: one["value"] for one in page["claims"]}
            self.assertEqual(claims["time"], moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
            self.assertEqual(int(claims["serial"], 16), int(serial.split()[-1], 16))
            digest = hashlib.sha256(b"signature").hexdigest()
            self.assertEqual(claims["covered digest"], f"SHA-256:{digest}")
            self.assertEqual(claims["authority"], "CN=clock")
        page = assay("inspect", self.bundle(self.certificate()))
        for words in ("the signature beside it", f"name (SPIFFE)  {BUILDER}", "code signing"):
            self.assertIn(" ".join(words.split()), " ".join(page.split()))


if __name__ == "__main__":
    unittest.main()
