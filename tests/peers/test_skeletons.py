"""The statements that would satisfy a denial, once filled in, as in-toto's own library reads them."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

ASSAY = os.environ["ASSAY"]

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
POLICY = """apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: asks, version: 1}
stages: {production: {mode: enforce}}
steps:
  train: {predicates: ["https://slsa.dev/provenance/v1"], kind: training, signers: {anyOf: [local]}}
  evaluate: {predicates: [evaluation/v0.1], signers: {anyOf: [local]}}
  tests: {predicates: ["https://in-toto.io/attestation/test-result/v0.1"], signers: {anyOf: [local]}}
flow:
  - {from: train.products, to: evaluate.subject, coverage: all}
approvals: {signers: {anyOf: [local]}, maxAge: 30d}
monitoring: {signers: [local], maxAge: 24h, drift: {psi: {atMost: "0.2"}}}
dependencies:
  vulnerabilities: {maxSeverity: medium, signers: [local], scanMaxAge: 7d}
  licences: {allow: [MIT], signers: [local]}
"""


class Skeletons(unittest.TestCase):
    def test_in_toto_reads_what_would_satisfy_a_denial_and_it_does(self):
        with tempfile.TemporaryDirectory() as folder:
            self.folder = pathlib.Path(folder)
            (self.folder / "train.csv").write_text("a,b\n1,2\n")
            self.assay(
                0, "run", "--kind", "training", "--step", "train", "--material", "train.csv",
                "--product", "model.bin", "--", "cp", "train.csv", "model.bin",
            )  # fmt: skip
            (self.folder / ".assay" / "policy.yaml").write_text(POLICY)
            why = ("why", "model.bin", "--stage", "production", "--skeletons", "todo", "--json")
            findings = json.loads(self.assay(1, *why))["report"]["findings"]
            self.assertEqual(
                {finding["code"] for finding in findings},
                {
                    "step.missing", "approval.missing", "monitoring.missing",
                    "vulnerability.unscanned", "licence.unlisted",
                },
            )  # fmt: skip
            for finding in findings:
                skeleton = finding["remedy"]["skeleton"]
                path = self.folder / skeleton["file"]
                statement = json.loads(path.read_text())
                for placeholder in skeleton["placeholders"]:
                    fill(statement, placeholder["at"], placeholder["suffices"])
                path.write_text(json.dumps(statement))
                read = json_format.ParseDict(statement, statement_pb2.Statement())
                Statement.copy_from_pb(read).validate()
                if statement["predicateType"] == TEST_RESULT:
                    tests = test_result_pb2.TestResult()
                    json_format.ParseDict(statement["predicate"], tests)
                    self.assertEqual(tests.result, "PASSED")
                self.assay(0, "attest", "--statement", skeleton["file"], "--key", "local")
            self.assay(0, "check", "model.bin", "--stage", "production")

    def assay(self, status, *words):
        ran = subprocess.run([ASSAY, *words], cwd=self.folder, capture_output=True, timeout=60)
        self.assertEqual(ran.returncode, status, ran)
        return ran.stdout


def fill(statement, pointer, value):
    """Puts a value where a JSON pointer (RFC 6901) leads."""
    *way, last = [
        word.replace("~1", "/").replace("~0", "~") for word in pointer.split("/")[1:]
    ]
    at = statement
    for word in way:
        at = at[int(word) if isinstance(at, list) else word]
    last = int(last) if isinstance(at, list) else last
    assert at[last].startswith("<fill in: "), at[last]
    at[last] = value


if __name__ == "__main__":
    unittest.main()
