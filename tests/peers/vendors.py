"""Stand-ins for the command-line tools of four key services, which sign with keys in files.

Each is a program for `PATH` that takes the options of the tool it stands for, as the tool's manual
has them, and answers in its format. Anything else is an error, as it is of the tool.
"""

import argparse
import base64
import json
import os
import pathlib
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

CURVES = {"secp256r1": ("P256", hashes.SHA256), "secp384r1": ("P384", hashes.SHA384), "secp521r1": ("P521", hashes.SHA512)}
PEM = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DER = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
PKCS8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def install(folder, keys):
    """Puts the four tools into a folder. `keys` maps what a tool calls a key to its file."""
    here = pathlib.Path(__file__).resolve()
    for tool in (aws, gcloud, az, vault):
        path = folder / tool.__name__
        path.write_text(
            f"#!{sys.executable}\nimport json, sys\nsys.path.insert(0, {str(here.parent)!r})\nimport vendors\n"
            f"vendors.KEYS = {({name: str(file) for name, file in keys.items()})!r}\n"
            f"vendors.{tool.__name__}(sys.argv[1:])\n"
        )
        path.chmod(0o755)


def key(name):
    if name not in KEYS:
        sys.exit(f"NotFoundException: no key {name}")
    return serialization.load_pem_private_key(pathlib.Path(KEYS[name]).read_bytes(), None)


def parse(words, *positional, **options):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in positional:
        parser.add_argument(name)
    for name, choices in options.items():
        parser.add_argument("--" + name.replace("_", "-"), required=True, choices=choices)
    return parser.parse_args(words)


def sign_digest(private, digest):
    _, hasher = CURVES[private.curve.name]
    return private.sign(digest, ec.ECDSA(utils.Prehashed(hasher())))


def aws(words):
    """`aws kms get-public-key` and `aws kms sign`."""
    assert os.environ.get("AWS_ACCESS_KEY_ID") == "for the plugin", "Unable to locate credentials"
    service, operation, *words = words
    assert service == "kms"
    if operation == "get-public-key":
        given = parse(words, key_id=None, output=["json"])
        private = key(given.key_id)
        spec = f"ECC_NIST_{CURVES[private.curve.name][0]}"
        answer = {
            "KeyId": f"arn:aws:kms:eu-central-1:111122223333:key/{given.key_id}",
            "PublicKey": base64.b64encode(private.public_key().public_bytes(*DER)).decode(),
            "CustomerMasterKeySpec": spec,
            "KeySpec": spec,
            "KeyUsage": "SIGN_VERIFY",
            "SigningAlgorithms": ["ECDSA_SHA_" + CURVES[private.curve.name][1].name[3:]],
        }
    else:
        assert operation == "sign"
        algorithms = ["ECDSA_SHA_256", "ECDSA_SHA_384", "ECDSA_SHA_512"]
        given = parse(
            words, key_id=None, output=["json"], message=None, message_type=["DIGEST"], signing_algorithm=algorithms
        )
        private = key(given.key_id)
        wanted = "ECDSA_SHA_" + CURVES[private.curve.name][1].name[3:]
        if given.signing_algorithm != wanted:
            sys.exit(f"InvalidKeyUsageException: {given.signing_algorithm} is not {wanted}")
        digest = pathlib.Path(given.message.removeprefix("fileb://")).read_bytes()
        answer = {
            "KeyId": f"arn:aws:kms:eu-central-1:111122223333:key/{given.key_id}",
            "Signature": base64.b64encode(sign_digest(private, digest)).decode(),
            "SigningAlgorithm": wanted,
        }
    print(json.dumps(answer, indent=4))


def gcloud(words):
    """`gcloud kms keys versions get-public-key` and `gcloud kms asymmetric-sign`."""
    named = {"project": None, "location": None, "keyring": None, "key": None}

    def whole(given, version):
        return (
            f"projects/{given.project}/locations/{given.location}/keyRings/{given.keyring}"
            f"/cryptoKeys/{given.key}/cryptoKeyVersions/{version}"
        )

    if words[:4] == ["kms", "keys", "versions", "get-public-key"]:
        given = parse(words[4:], "version", output_file=None, **named)
        public = key(whole(given, given.version)).public_key()
        pathlib.Path(given.output_file).write_bytes(public.public_bytes(*PEM))
        return
    assert words[:2] == ["kms", "asymmetric-sign"]
    files = {"input_file": None, "signature_file": None, "digest_algorithm": ["sha256", "sha384", "sha512"]}
    given = parse(words[2:], version=None, **files, **named)
    private = key(whole(given, given.version))
    if given.digest_algorithm != CURVES[private.curve.name][1].name:
        sys.exit("ERROR: (gcloud.kms.asymmetric-sign) INVALID_ARGUMENT: the digest is of another algorithm")
    hasher = hashes.Hash(CURVES[private.curve.name][1]())
    hasher.update(pathlib.Path(given.input_file).read_bytes())
    pathlib.Path(given.signature_file).write_bytes(sign_digest(private, hasher.finalize()))


def az(words):
    """`az keyvault key download` and `az keyvault key sign`."""
    assert words[:2] == ["keyvault", "key"]
    if words[2] == "download":
        given = parse(words[3:], id=None, encoding=["PEM", "DER"], file=None)
        pathlib.Path(given.file).write_bytes(key(given.id).public_key().public_bytes(*PEM))
        return
    assert words[2] == "sign"
    given = parse(words[3:], id=None, algorithm=["ES256", "ES384", "ES512"], digest=None, output=["json"])
    private = key(given.id)
    r, s = utils.decode_dss_signature(sign_digest(private, base64.b64decode(given.digest)))
    size = (private.curve.key_size + 7) // 8
    signature = base64.b64encode(r.to_bytes(size, "big") + s.to_bytes(size, "big")).decode()
    print(json.dumps({"algorithm": given.algorithm, "keyId": given.id, "signature": signature}, indent=2))


def vault(words):
    """`vault read transit/keys/NAME` and `vault write transit/sign/NAME -`."""
    assert os.environ.get("VAULT_TOKEN") == "for the plugin", "permission denied"
    operation, form, path, *rest = words
    assert form == "-format=json"
    engine, kind, name = path.rsplit("/", 2)
    private = key(f"{engine}/{name}")
    elliptic = isinstance(private, ec.EllipticCurvePrivateKey)
    envelope = {"request_id": "5ce5d5ce", "lease_id": "", "lease_duration": 0, "renewable": False, "warnings": None}
    if operation == "read":
        assert kind == "keys" and not rest
        public = private.public_key()
        shown = public.public_bytes(*PEM).decode() if elliptic else base64.b64encode(public.public_bytes(*RAW)).decode()
        curve = CURVES[private.curve.name][0].lower() if elliptic else ""
        version = {"creation_time": "2026-01-01T00:00:00Z", "name": "key", "public_key": shown}
        kind = f"ecdsa-{curve}" if elliptic else "ed25519"
        data = {"keys": {"1": {**version, "public_key": "an older one"}, "2": version}}
        data |= {"latest_version": 2, "name": name, "supports_signing": True, "type": kind}
    else:
        assert operation == "write" and kind == "sign" and rest == ["-"]
        fields = json.load(sys.stdin)
        given = base64.b64decode(fields.pop("input"))
        fields.pop("key_version", None)
        if elliptic:
            bits = CURVES[private.curve.name][1].name[3:]
            assert fields == {"prehashed": True, "hash_algorithm": f"sha2-{bits}", "marshaling_algorithm": "asn1"}
            signature = sign_digest(private, given)
        else:
            assert fields == {}
            signature = private.sign(given)
        data = {"key_version": 2, "signature": "vault:v2:" + base64.b64encode(signature).decode()}
    print(json.dumps({**envelope, "data": data}))
