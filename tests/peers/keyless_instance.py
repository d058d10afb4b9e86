"""The Sigstore instance of `fixtures`, as its example program serves it: an authority that checks
tokens and issues certificates, a log of certificates, and a timestamp authority.
"""

import json
import os
import pathlib
import subprocess
import tempfile

import requests

from register import ASSAY

PROGRAM = pathlib.Path(ASSAY).absolute().parent / "examples" / "sigstore"
IDENTITY = "builder@assay.example"
JOB_SECRET = "assay-test-job"  # what a runner shows to get a token
WORKFLOW = "https://github.com/assay/model/.github/workflows/train.yml@refs/heads/main"


class Instance:
    """An instance with fresh keys; it ends when its standard input does."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._folder.name)
        self._process = subprocess.Popen(
            [PROGRAM, self.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = self._process.stdout.readline().removeprefix("listening on ").strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._folder.cleanup()

    def faults(self):
        """What it can do wrong, by the names of folders."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir())

    def token(self, **claims):
        """A token for Sigstore, which says this besides."""
        said = {"sub": "4711", "email": IDENTITY, "email_verified": True, **claims}
        answer = requests.post(f"{self.url}/token", data=json.dumps(said), timeout=30)
        answer.raise_for_status()
        return answer.text

    def job(self):
        """What the environment of a job of GitHub holds, for whoever asks for a token."""
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/job?version=2",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": JOB_SECRET,
        }
