"""Web servers on this machine: of a folder, of whatever is made up, and between others.

Each answers at a port of its own and ends with its block.
"""

import functools
import http.server
import threading
import urllib.error
import urllib.request


def open_url(request):
    """Sends a request past every proxy of the environment."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(request, timeout=30)


class Web:
    """A server that answers with what `answer` gives."""

    def __init__(self, handler=None):
        handler = handler or type("Handler", (_Handler,), {"web": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self):
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path, body, headers):
        """Status and bytes for a path; `body` is None unless something was sent."""
        raise NotImplementedError


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(None)

    def do_POST(self):
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body):
        status, found = self.web.answer(self.path, body, self.headers)
        self.send_response(status)
        self.send_header("Content-Length", str(len(found)))
        self.end_headers()
        self.wfile.write(found)

    def log_message(self, *_):
        pass


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Files(Web):
    """A web server of a folder, which knows nothing of logs."""

    def __init__(self, folder):
        super().__init__(functools.partial(_Quiet, directory=folder))


class Between(Web):
    """Answers as another service does, after `change` was asked: it is given path, status and
    bytes, and gives status and bytes."""

    def __init__(self, url, change):
        super().__init__()
        self.target, self.change = url, change

    def answer(self, path, body, headers):
        request = urllib.request.Request(self.target + path, data=body)
        if body is not None:
            request.add_header("Content-Type", headers["Content-Type"])
        try:
            with open_url(request) as answer:
                status, found = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, found = error.code, error.read()
        return self.change(path, status, found)


def at(place, change):
    """Changes what is at one path, its query apart, and nothing else."""

    def changed(path, status, body):
        return change(status, body) if path.split("?")[0] == place else (status, body)

    return changed


def flipped(place):
    """Changes one bit of one byte."""

    def change(status, body):
        changed = bytearray(body)
        changed[place] ^= 1
        return status, bytes(changed)

    return change


def withheld(*_):
    """There is nothing."""
    return 404, b""
