"""A client that keeps its receipts where no fault of the service reaches them."""

import base64
import http.client
import json
import threading
import urllib.parse

import merkle

PATIENCE = 20  # seconds


class Wrong(Exception):
    """The service answered, and the answer contradicts what it said before."""


class Client:
    """Submits from several threads at once, and believes nothing that does not fit."""

    def __init__(self, submissions):
        self._submissions = iter(submissions)
        self._lock = threading.Lock()
        self.receipts = {}  # index: leaf hash
        self.newest = (0, None)  # size and root of the largest tree that was seen
        self.wrong = []

    def submit(self, url):
        """Submits one new envelope; whether it was acknowledged, and what was said if not."""
        with self._lock:
            submission = next(self._submissions)
        try:
            status, text = ask(url, "POST", "/v1/entries", submission)
        except (OSError, http.client.HTTPException) as error:
            return False, str(error)
        if status != 200:
            return False, f"{status}: {text}"
        try:
            self._keep(json.loads(submission), json.loads(text))
        except Wrong as error:
            self.wrong.append(str(error))
        return True, text

    def submit_until_refused(self, url):
        """Submits until the service does not take any more; what it said then."""
        while True:
            is_taken, said = self.submit(url)
            if not is_taken:
                return said

    def check(self, url, may_refuse=False):
        """Looks up everything that was acknowledged; gives the indices that are lost.

        A service in trouble may refuse to answer (503), or end between two questions; it may not
        answer wrongly. What a service that ended left unanswered is asked of the next one.
        """
        lost = []
        try:
            self._check(url, may_refuse, lost)
        except (OSError, http.client.HTTPException):
            if not may_refuse:
                raise
        return lost

    def _check(self, url, may_refuse, lost):
        size, root = checkpoint(ask(url, "GET", "/checkpoint")[1])
        old_size, old_root = self.newest
        if size < old_size:
            self.wrong.append(f"{size} entries after {old_size}")
        elif old_size > 0:
            status, text = ask(url, "GET", f"/v1/proofs/consistency?from={old_size}&to={size}")
            path = hashes(json.loads(text)["hashes"]) if status == 200 else []
            if may_refuse and status == 503:
                return
            if status != 200 or not merkle.is_consistent(old_size, size, path, old_root, root):
                said = text if status != 200 else "the proof does not hold"
                self.wrong.append(f"the tree of {size} does not extend that of {old_size}: {said}")
        for index, leaf in self.receipts.items():
            status, text = ask(url, "GET", f"/v1/proofs/inclusion?index={index}&size={size}")
            if may_refuse and status == 503:
                continue
            path = hashes(json.loads(text)["hashes"]) if status == 200 else []
            if status != 200 or not merkle.is_included(index, size, leaf, path, root):
                lost.append(index)
        if not lost and size >= old_size:
            self.newest = (size, root)

    def _keep(self, submission, answer):
        [receipt] = answer["entries"]
        bundle = receipt["bundle"]
        [entry] = bundle["verificationMaterial"]["tlogEntries"]
        index = receipt["index"]
        if bundle["dsseEnvelope"]["payload"] != submission["envelope"]["payload"]:
            raise Wrong(f"entry {index} is another statement's")
        leaf = merkle.leaf_hash(base64.b64decode(entry["canonicalizedBody"]))
        proof = entry["inclusionProof"]
        size, root = checkpoint(proof["checkpoint"]["envelope"])
        path = [base64.b64decode(step) for step in proof["hashes"]]
        if not merkle.is_included(index, size, leaf, path, root):
            raise Wrong(f"entry {index} is not under its checkpoint")
        with self._lock:
            if index in self.receipts:
                raise Wrong(f"two receipts for entry {index}")
            self.receipts[index] = leaf
            if size > self.newest[0]:
                self.newest = (size, root)


def checkpoint(note):
    """Size and root in a checkpoint."""
    _, size, root, *_ = note.split("\n")
    return int(size), base64.b64decode(root)


def hashes(steps):
    """The hashes of a proof as the service writes them."""
    return [bytes.fromhex(step.removeprefix("sha256:")) for step in steps]


def ask(url, method, path, body=None):
    """Asks the service; gives status and text."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=PATIENCE)
    try:
        headers = {"content-type": "application/json"} if body else {}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
