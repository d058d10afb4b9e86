"""What Python pickles, zips and writes, the recorder finds in its bytes and signs."""

import base64
import collections
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ASSAY = os.environ["ASSAY"]

# Every protocol with objects of several sorts; what is importable pickles as an import.
WRITE = """
import collections, gzip, io, json, pickle, sys, zipfile, zlib
values = [{"a": 1}, [1, 2], collections.OrderedDict(a=1), print, {"w": [0.5] * 1000}]
for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
    for number, value in enumerate(values):
        pickle.dump(value, open(f"pickle-{protocol}-{number}.bin", "wb"), protocol)
with zipfile.ZipFile("pickle-archive.bin", "w") as archive:
    archive.writestr("archive/data.pkl", pickle.dumps({"w": 1}))
    archive.writestr("archive/data/0", b"0" * 64)
with zipfile.ZipFile("zip-.bin", "w") as archive:
    archive.writestr("metadata.json", "{}")
open("compressed-gzip.bin", "wb").write(gzip.compress(pickle.dumps(values[0])))
open("compressed-zlib.bin", "wb").write(zlib.compress(pickle.dumps(values[0])))
header = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
open("safetensors-.bin", "wb").write(len(header).to_bytes(8, "little") + header + b"0")
json.dump({"a": 1}, open("json-.bin", "w"))
open("text-.bin", "w").write("a,b\\n1,2\\n")
open("unknown-.bin", "wb").write(bytes(range(256)))
"""


class Formats(unittest.TestCase):
    def test_what_python_writes_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            script = folder / "write.py"
            script.write_text("import os\nos.makedirs('out')\nos.chdir('out')\n" + WRITE)
            # What is made is known only once it was made.
            made = folder / "known"
            made.mkdir()
            subprocess.run(["python3", "-c", WRITE], cwd=made, check=True)
            names = sorted(path.name for path in made.iterdir())
            self.assertGreater(len(names), 30)
            work = folder / "work"
            work.mkdir()
            self.assay(work, "key", "generate", "local")
            products = [word for name in names for word in ("--product", f"out/{name}")]
            self.assay(
                work, "run", "--kind", "training", "--step", "train", *products,
                "--output", "bundle.json", "--", "python3", str(script),
            )  # fmt: skip
            bundle = json.loads((work / "bundle.json").read_text())
            statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
            found = collections.OrderedDict(
                (subject["name"].removeprefix("out/"), subject["annotations"]["detectedFormats"])
                for subject in statement["subject"]
            )
            self.assertEqual(sorted(found), names)
            for name, formats in found.items():
                self.assertEqual(formats, [name.split("-")[0]], name)

    def assay(self, folder, *words):
        ran = subprocess.run([ASSAY, *words], cwd=folder, capture_output=True, timeout=60)
        self.assertEqual(ran.returncode, 0, ran)


if __name__ == "__main__":
    unittest.main()
