"""A register with entries in it, and a service over it: what other people's programs are pointed at.

`ASSAY` names the command that is under test.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import time

ASSAY = os.environ.get("ASSAY", "target/debug/assay")
PATIENCE = 30  # seconds


class Register:
    """A register in a folder of its own; the folder goes away with it."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._folder.name)
        self.url = None
        self._process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self._folder.cleanup()

    def assay(self, *arguments, check=True):
        """Runs the command in the folder and gives its standard output."""
        done = self.run(*arguments)
        if check and done.returncode != 0:
            raise AssertionError(f"assay {arguments} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def run(self, *arguments, **variables):
        """Runs the command in the folder, with these environment variables, to its end."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **variables}
        return subprocess.run(
            [ASSAY, *map(str, arguments)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
        )

    def serve(self, *arguments):
        """Starts the service over the folder and gives its URL."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        log = open(self.folder / "service.log", "w", encoding="utf-8")
        said = self.folder / "listening.txt"
        with open(said, "w", encoding="utf-8") as out:
            self._process = subprocess.Popen(
                [ASSAY, "serve", "--listen", "127.0.0.1:0", *map(str, arguments)],
                cwd=self.folder,
                env=environment,
                stdout=out,
                stderr=log,
            )
        log.close()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise AssertionError((self.folder / "service.log").read_text(encoding="utf-8"))
            found = re.search(r"listening on (http://\S+)", said.read_text(encoding="utf-8"))
            if found:
                self.url = found[1]
                return self.url
            time.sleep(0.05)
        raise AssertionError("the service did not start")

    def stop(self):
        """Asks the service to stop, and waits until it has."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            self._process = None
