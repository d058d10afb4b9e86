"""Programs that listen while the quickstart asks them, and are always stopped again.

A program takes a free port itself and says which (`listening on http://…`), so that no two runs
can meet on one. It is stopped by its own process, also when the quickstart fails or is interrupted.
"""

import http.client
import json
import os
import re
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

READY_SECONDS = 30
STOP_SECONDS = 10
MOST_BYTES = 16 * 1024 * 1024


class ServiceError(Exception):
    """A program did not become ready; the text is what it said."""


class Service:
    """A listening program: `with Service(...) as service: service.post(...)`."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str] | None = None,
                 awaited: str = "/readyz") -> None:
        self._command, self._folder, self._awaited = command, folder, awaited
        self._environment = environment or dict(os.environ)
        self._log = folder / ".service.log"
        self.url = ""

    def __enter__(self) -> "Service":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def log(self) -> str:
        """What the program has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> tuple[int, object]:
        return self._ask("GET", path, None)

    def post(self, path: str, body: object) -> tuple[int, object]:
        return self._ask("POST", path, json.dumps(body))

    def _ask(self, method: str, path: str, body: str | None) -> tuple[int, object]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=READY_SECONDS)
        try:
            connection.request(method, path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            data = response.read(MOST_BYTES)
        finally:
            connection.close()
        try:
            return response.status, json.loads(data)
        except ValueError:
            return response.status, data.decode(errors="replace")

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            said = self.log()
            if self._process.poll() is not None:
                raise ServiceError(said.strip() or f"exit status {self._process.returncode}")
            if not self.url and (found := re.search(r"http://127\.0\.0\.1:\d+", said)):
                self.url = found.group()
            if self.url:
                try:
                    if self.get(self._awaited)[0] == 200:
                        return
                except OSError:
                    pass  # said where, but not listening yet
            time.sleep(0.02)
        raise ServiceError(f"not ready after {READY_SECONDS} s: {self.log()}")

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
