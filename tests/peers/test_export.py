"""aics-tlog audits an export of a register, served by a web server that knows nothing of logs."""

import json
import pathlib
import unittest

from aics_tlog import TileMissingError, TileVerificationError, parse_vkey

from register import Register
from test_tlog import Writer, audit
from web import Files

# Of full tiles and a part of one, with a level above them.
SIZE = 300


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
            with Files(folder) as files:
                url = files.url
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
