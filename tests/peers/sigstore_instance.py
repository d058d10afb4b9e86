"""What of Sigstore is not the register: who issues certificates, who logs them, who tells the time.

Made anew for every test, as files that `assay trust export --instance` reads. The timestamp
authority is the program `openssl` behind a small HTTP server.
"""

import base64
import datetime
import hashlib
import http.server
import json
import pathlib
import struct
import subprocess
import tempfile
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

IDENTITY = "builder@assay.example"
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")  # RFC 6962, section 3.3
FULCIO = "1.3.6.1.4.1.57264.1"  # oid-info.md of sigstore/fulcio
TIMESTAMPS = """
[ tsa ]
default_tsa = here
[ here ]
serial = {folder}/serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
"""


def base64_of(data):
    return base64.b64encode(data).decode()


def der_of(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def key_id(key):
    """RFC 6962, section 3.2."""
    encoded = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(encoded).digest(), encoded


class Instance:
    """A certificate authority, a log of certificates and a timestamp authority."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._folder.name)
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        self._from, self._until = now - datetime.timedelta(hours=1), now + datetime.timedelta(hours=1)
        self._key, self.root = self._authority("authority")
        self._log = ec.generate_private_key(ec.SECP256R1())
        self._clock_key, self._clock_root = self._authority("clock authority")
        self._serve_time()
        self._write()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._folder.cleanup()

    def certificate(self, issuer=None, claims=()):
        """A fresh key, and a certificate for it that was logged.

        It names the issuer and says the claims (number of the extension of Fulcio, value), if any.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder("", key, self.root, self._key)
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(IDENTITY)]), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        )
        for number, value in [(8, issuer), *claims]:
            if value is not None:
                text = value.encode()
                extension = x509.UnrecognizedExtension(
                    x509.ObjectIdentifier(f"{FULCIO}.{number}"), bytes([12, len(text)]) + text
                )
                builder = builder.add_extension(extension, critical=False)
        # What the log signs is the certificate without the log's own signature.
        body = builder.sign(self._key, hashes.SHA256()).tbs_certificate_bytes
        time = int(self._from.timestamp() * 1000)
        issuer, _ = key_id(self._key)
        length = struct.pack("!I", len(body))[1:]
        signed = struct.pack("!BBQH", 0, 0, time, 1) + issuer + length + body + b"\0\0"
        signature = self._log.sign(signed, ec.ECDSA(hashes.SHA256()))
        log, _ = key_id(self._log)
        stamp = b"\0" + log + struct.pack("!Q", time) + b"\0\0"
        stamp += b"\4\3" + struct.pack("!H", len(signature)) + signature
        stamps = struct.pack("!H", len(stamp)) + stamp
        content = struct.pack("!H", len(stamps)) + stamps
        value = b"\x04" + (bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)]))
        extension = x509.UnrecognizedExtension(SCT_LIST, value + content)
        return key, builder.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())

    def _builder(self, name, key, issuer, issuer_key):
        names = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
        subject = x509.Name(names)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        usage = dict.fromkeys(
            [
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ],
            False,
        )
        own = issuer is None
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if own else issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._from)
            .not_valid_after(self._until)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(authority, critical=False)
            .add_extension(
                x509.KeyUsage(digital_signature=not own, key_cert_sign=own, crl_sign=own, **usage),
                critical=True,
            )
        )

    def _authority(self, name):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(name, key, None, key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return key, builder.sign(key, hashes.SHA256())

    def _serve_time(self):
        key = ec.generate_private_key(ec.SECP256R1())
        stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = self._builder("clock", key, self._clock_root, self._clock_key)
        builder = builder.add_extension(stamping, critical=True)
        self._clock = builder.sign(self._clock_key, hashes.SHA256())
        folder = self.folder
        (folder / "serial").write_text("01\n")
        (folder / "tsa.conf").write_text(TIMESTAMPS.format(folder=folder))
        (folder / "clock.pem").write_bytes(self._clock.public_bytes(serialization.Encoding.PEM))
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (folder / "clock.key").write_bytes(pem)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                query = self.rfile.read(int(self.headers["content-length"]))
                (folder / "query").write_bytes(query)
                words = "openssl ts -reply -queryfile query -signer clock.pem -inkey clock.key -config tsa.conf"
                done = subprocess.run(words.split(), cwd=folder, capture_output=True, timeout=30)
                self.send_response(200 if done.returncode == 0 else 500)
                self.end_headers()
                self.wfile.write(done.stdout or done.stderr)

            def log_message(self, *_):
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _write(self):
        valid = {"start": self._from.isoformat().replace("+00:00", "Z")}

        def authority(name, *certificates):
            chain = [{"rawBytes": base64_of(der_of(certificate))} for certificate in certificates]
            subject = {"organization": "assay.example", "commonName": name}
            return {"subject": subject, "certChain": {"certificates": chain}, "validFor": valid}

        def service(url):
            return {"url": url, "majorApiVersion": 1, "validFor": valid, "operator": "assay.example"}

        log, encoded = key_id(self._log)
        root = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [],
            "certificateAuthorities": [authority("authority", self.root)],
            "ctlogs": [
                {
                    "baseUrl": "https://certificates.assay.example",
                    "hashAlgorithm": "SHA2_256",
                    "publicKey": {
                        "rawBytes": base64_of(encoded),
                        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                        "validFor": valid,
                    },
                    "logId": {"keyId": base64_of(log)},
                }
            ],
            "timestampAuthorities": [authority("clock", self._clock, self._clock_root)],
        }
        port = self._server.server_address[1]
        config = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [service("https://authority.assay.example")],
            "oidcUrls": [service("https://names.assay.example")],
            "rekorTlogUrls": [service("https://another-log.assay.example")],
            "tsaUrls": [service(f"http://127.0.0.1:{port}")],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        }
        (self.folder / "trusted_root.json").write_text(json.dumps(root))
        (self.folder / "signing_config.json").write_text(json.dumps(config))
