"""Witnesses over HTTP: the one of PyPI, and our own. Each ends with its block."""

import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from register import ASSAY, PATIENCE


class Witness:
    """A process in a folder of its own that answers as a witness."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._folder.name)
        self._process = None
        self.url = None
        self.key = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self._folder.cleanup()

    def stop(self):
        """Ends the process; what it knows stays in its folder."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            self._process = None

    def log(self):
        """What it logged."""
        return (self.folder / "witness.log").read_text(encoding="utf-8")

    def _start(self, command, listening):
        with open(self.folder / "witness.log", "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                list(map(str, command)), cwd=self.folder, stdout=log, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            found = re.findall(listening, self.log())
            if found and answers(found[-1]):
                self.url = found[-1]
                return
            time.sleep(0.05)
        raise AssertionError(f"the witness did not start: {self.log()}")

    def add(self, body):
        """Sends a request as it is; gives status and body."""
        return post(f"{self.url}/add-checkpoint", body)


class PeerWitness(Witness):
    """`aics-witness`, of PyPI."""

    def __init__(self):
        super().__init__()
        self._command("init", "--name", "peer.example/w1", "--listen", f"127.0.0.1:{free_port()}")
        self.key = self._command("init").strip()

    def _command(self, *arguments):
        command = [sys.executable, "-m", "aics_witness", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout

    def serve(self, *logs):
        """Cosigns the logs with these verifier keys."""
        for log in logs:
            self._command("add-log", "--origin", log.split("+")[0], "--vkey", log)
        self._start([sys.executable, "-m", "aics_witness", "serve"], r"listening on (http://\S+) ")


class OwnWitness(Witness):
    """`assay witness serve`."""

    def __init__(self):
        super().__init__()
        command = [ASSAY, "--quiet", "witness", "key", "--name", "own.example/w1"]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=True
        )
        self.key = done.stdout.strip()

    def serve(self, *logs):
        """Cosigns the logs with these verifier keys."""
        named = [word for log in logs for word in ("--log", log)]
        command = [ASSAY, "witness", "serve", "--name", "own.example/w1"]
        self._start([*command, "--listen", "127.0.0.1:0", *named], r"listening on (http://\S+)")


def free_port():
    """A port that nobody listens at, for a program that does not find one itself."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(url):
    """Whether something answers there."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def post(url, body):
    """Posts a text; gives status and body whatever they are."""
    request = urllib.request.Request(url, data=body.encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def get(url):
    """Gets a text; gives status and body whatever they are."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
