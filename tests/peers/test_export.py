"""aics-tlog audits an export of a register, served by a web server that knows nothing of logs."""

import functools
import http.server
import json
import pathlib
import threading
import unittest

from aics_tlog import TileMissingError, TileVerificationError, parse_vkey

from register import Register
from test_tlog import Writer, audit

# Of full tiles and a part of one, with a level above them.
SIZE = 300


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Files:
    """A web server of a folder."""

    def __init__(self, folder):
        handler = functools.partial(Quiet, directory=folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self.url

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Exported(unittest.TestCase):
    def test_an_export_is_a_log_that_anybody_can_audit(self):
        with Register() as register:
            url = register.serve("--public")
            Writer(url).grow_to(SIZE)
            key = parse_vkey(json.loads(register.assay("log", "head", "--json"))["key"])
            live = audit(url, key)
            # While it is served, and of what the service signed last.
            register.assay("log", "export", "log")
            folder = pathlib.Path(register.folder, "log")
            with Files(folder) as url:
                self.assertEqual(audit(url, key), live)
                self.assertEqual(live.size, SIZE)
                for path in ("tile/0/000", "tile/0/001.p/44", "tile/entries/001.p/44"):
                    whole = (folder / path).read_bytes()
                    (folder / path).write_bytes(whole[:70] + bytes([whole[70] ^ 1]) + whole[71:])
                    self.assertRaises(TileVerificationError, audit, url, key)
                    (folder / path).unlink()
                    self.assertRaises(TileMissingError, audit, url, key)
                    (folder / path).write_bytes(whole)
                self.assertEqual(audit(url, key), live)


if __name__ == "__main__":
    unittest.main()
