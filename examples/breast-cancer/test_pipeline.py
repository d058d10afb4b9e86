"""The pipeline gives equal bytes twice, and the policy names the hold-out that it makes."""

import hashlib
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from quickstart.line import LINE  # noqa: E402


def run_line(folder: Path) -> dict[str, str]:
    """Run every step, unrecorded, in an empty folder; return the digest of each file."""
    (folder / "pipeline").symlink_to(HERE / "pipeline")
    for step in LINE:
        subprocess.run([sys.executable, "-B", *step.command[1:]], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "pipeline" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class Pipeline(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            cls.first, cls.second = run_line(Path(first)), run_line(Path(second))

    def test_equal_bytes_twice(self) -> None:
        self.assertEqual(self.first, self.second)

    def test_every_product_is_made(self) -> None:
        for step in LINE:
            for product in step.products:
                made = [name for name in self.first if name == product or name.startswith(product + "/")]
                self.assertTrue(made, f"{step.name} makes {product}")

    def test_the_policy_names_the_holdout(self) -> None:
        policy = (HERE / "policy.yaml").read_text(encoding="utf-8")
        self.assertIn(self.first["data/holdout.csv"], policy)

    def test_every_package_is_at_one_version(self) -> None:
        for line in (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines():
            self.assertRegex(line, r"^(#.*|[\w.-]+==[\w.]+)$")


if __name__ == "__main__":
    unittest.main()
