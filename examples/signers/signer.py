"""What every signer for Assay does: it reads one question, answers it, or says why it does not.

A signer hands over two functions. `describe(key)` gives the public key, in PEM or DER.
`sign(key, algorithm, digest, message)` gives the signature: DER for ECDSA, 64 bytes for Ed25519.
"""

import base64
import json
import subprocess
import sys

VERSION = "assay/signer/v1"

# What stands before the key in a SubjectPublicKeyInfo (RFC 5480, RFC 8410), and what Assay calls it.
KINDS = {
    bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200"): "p256",
    bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200"): "p384",
    bytes.fromhex("30819b301006072a8648ce3d020106052b8104002303818600"): "p521",
    bytes.fromhex("302a300506032b6570032100"): "ed25519",
}


def run(*words, stdin=None):
    """What a program writes; its error, when it fails, becomes ours."""
    return subprocess.run(words, input=stdin, capture_output=True, check=True).stdout


def answer(describe, sign):
    """Reads the question from standard input and writes the answer to standard output."""
    try:
        question = json.load(sys.stdin)
        if question["version"] != VERSION:
            raise ValueError(f"version {question['version']} is unknown here")
        if question["operation"] == "describe":
            said = public(describe(question["key"]))
        elif question["operation"] == "sign":
            digest = base64.b64decode(question.get("digest", ""))
            message = base64.b64decode(question["message"])
            signature = sign(question["key"], question["algorithm"], digest, message)
            said = {"signature": base64.b64encode(signature).decode()}
        else:
            raise ValueError(f"operation {question['operation']} is unknown here")
    except subprocess.CalledProcessError as error:
        fail(error.stderr.decode(errors="replace").strip() or str(error))
    except (KeyError, ValueError, OSError) as error:
        fail(f"{type(error).__name__}: {error}")
    else:
        print(json.dumps({"version": VERSION, **said}))


def public(key):
    """The answer to `describe`."""
    if key.startswith(b"-----BEGIN PUBLIC KEY-----"):
        key = base64.b64decode(b"".join(key.split(b"-----")[2].split()))
    for prefix, algorithm in KINDS.items():
        if key.startswith(prefix):
            text = base64.encodebytes(key).decode().replace("\n", "")
            lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
            pem = f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"
            return {"algorithm": algorithm, "publicKey": pem}
    raise ValueError("the key is neither ECDSA on P-256, P-384 or P-521, nor Ed25519")


def fail(why):
    print(json.dumps({"version": VERSION, "error": why}))
    sys.exit(1)


def der(halves):
    """An ECDSA signature in DER, from two numbers of equal length (RFC 7518, section 3.4)."""
    half = len(halves) // 2

    def number(data):
        data = data.lstrip(b"\0")
        data = data if data and data[0] < 0x80 else b"\0" + data
        return bytes([2, len(data)]) + data

    body = number(halves[:half]) + number(halves[half:])
    return b"\x30" + (bytes([len(body)]) if len(body) < 0x80 else bytes([0x81, len(body)])) + body
