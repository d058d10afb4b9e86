"""The quickstart's own judgement: a line is right only when everything about it is."""

import base64
import itertools
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from quickstart.attacks import ATTACKS  # noqa: E402
from quickstart.edits import body, edited  # noqa: E402
from quickstart.judge import ALLOWED, Expected, row, the_policy  # noqa: E402
from quickstart.line import KEYS  # noqa: E402
from quickstart.table import Row, draw  # noqa: E402
from quickstart.terminal import Terminal, fold  # noqa: E402
from quickstart.verdict import Verdict, of_command, of_http, of_report, of_review  # noqa: E402
from quickstart.workspace import Answer  # noqa: E402

YES = Verdict("check", "allowed")
NO = Verdict("admission", "denied", reported=False)
DENIED = Expected("denied", "flow.broken", "sha256:07", "entry 7")


def denied(code: str, names: str) -> Verdict:
    return Verdict("check", "denied", {code: frozenset({names})})


def report(passed: bool, admitted: bool, **changes: object) -> dict:
    return {"passed": passed, "admitted": admitted, "findings": [], "rejected": []} | changes


class Judgement(unittest.TestCase):
    def test_a_row_is_right_only_when_answer_code_and_evidence_are(self) -> None:
        rejected = Verdict("check", "denied", {"flow.broken": frozenset()}, frozenset({"sha256:07"}))
        cases = [
            ("as expected", [denied("flow.broken", "sha256:07"), NO], True),
            ("named among what was not believed", [rejected, NO], True),
            ("one door allows", [denied("flow.broken", "sha256:07"), YES], False),
            ("another code", [denied("step.missing", "sha256:07"), NO], False),
            ("other evidence", [denied("flow.broken", "sha256:08"), NO], False),
            ("no finding at all", [Verdict("check", "denied"), NO], False),
            ("no report at all", [NO], False),
            ("nothing answered", [], False),
            ("undecided is not denied", [Verdict("check", "undecided")], False),
        ]
        for name, verdicts, right in cases:
            with self.subTest(name):
                self.assertEqual(row("case", "command", DENIED, verdicts).right, right)

    def test_a_control_is_right_only_when_every_door_allows(self) -> None:
        cases = [([YES, YES], True), ([YES, Verdict("promote", "denied")], False), ([], False)]
        for verdicts, right in cases:
            self.assertEqual(row("case", "HTTP", ALLOWED, verdicts).right, right)

    def test_what_cannot_be_decided_has_to_say_what_is_at_fault(self) -> None:
        expected = Expected("undecided", "", "07ab", "entry 7")
        for said, right in (("body sha256:07ab is damaged", True), ("no such file", False)):
            verdict = Verdict("check", "undecided", said=said)
            self.assertEqual(row("case", "command", expected, [verdict]).right, right)
            self.assertEqual(row("case", "command", expected, [verdict]).code, "no verdict" if right else "")
            self.assertEqual(row("case", "HTTP", expected, [verdict, NO]).right, right)
        self.assertFalse(row("case", "HTTP", expected, [NO]).right)

    def test_where_only_admission_is_asked_its_sentence_has_code_and_image(self) -> None:
        expected = Expected("denied", "artifact.unknown", "oci-manifest:sha256:07", "the image")
        cases = [
            ("artifact.unknown: nothing promotes it; run `assay promote oci-manifest:sha256:07`", True),
            ("artifact.unknown: nothing promotes it; run `assay promote oci-manifest:sha256:08`", False),
            ("verdict.expired: run `assay check oci-manifest:sha256:07`", False),
            ("", False),
        ]
        for said, right in cases:
            verdict = Verdict("admission", "denied", said=said, reported=False)
            found = row("case", "HTTP", expected, [verdict])
            self.assertEqual((found.right, found.code), (right, "artifact.unknown" if right else ""))

    def test_a_report_is_read_strictly(self) -> None:
        finding = {"rule": "flow[0]", "code": "flow.broken", "outcome": "fail", "message": "", "evidence": ["sha256:07"],
                   "artifacts": ["file:sha256:01"]}
        self.assertEqual(of_report("check", report(True, True)).answer, "allowed")
        # A stage that only warns admits what failed; that is not what the quickstart calls allowed.
        self.assertEqual(of_report("check", report(False, True)).answer, "denied")
        self.assertEqual(of_report("check", report("yes", "yes")).answer, "denied")
        codes = of_report("check", report(False, False, findings=[finding])).codes
        self.assertEqual(codes, {"flow.broken": frozenset({"flow[0]", "sha256:07", "file:sha256:01"})})
        passed = of_report("check", report(True, True, findings=[finding | {"outcome": "waived"}]))
        self.assertEqual(passed.codes, {})

    def test_exit_status_and_report_have_to_agree(self) -> None:
        text = json.dumps(report(True, True))
        self.assertEqual(of_command("check", Answer(0, text, "")).answer, "allowed")
        self.assertNotIn(of_command("check", Answer(1, text, "")).answer, ("allowed", "denied"))
        self.assertEqual(of_command("check", Answer(2, "", "broken")).answer, "undecided")

    def test_over_http_only_an_answer_to_the_question_counts(self) -> None:
        self.assertEqual(of_http("check", 200, report(True, True)).answer, "allowed")
        self.assertEqual(of_http("check", 503, report(True, True)).answer, "undecided")
        cases = [(200, {"uid": "1", "allowed": True}, "allowed"), (200, {"uid": "1", "allowed": "true"}, "denied"),
                 (200, {"uid": "2", "allowed": True}, "undecided"), (500, {"uid": "1", "allowed": True}, "undecided")]
        for status, response, answer in cases:
            self.assertEqual(of_review(status, {"response": response}, "1").answer, answer)


class Cases(unittest.TestCase):
    def test_each_rule_that_is_taken_away_stands_once_in_the_policy(self) -> None:
        policy = the_policy()
        for attack in ATTACKS:
            if attack.rule:
                self.assertEqual(policy.count(attack.rule[0]), 1, attack.name)

    def test_no_two_keys_may_sign_the_same(self) -> None:
        for one, other in itertools.combinations(KEYS.values(), 2):
            common = [set(getattr(one, field)) & set(getattr(other, field)) for field in ("predicates", "artifacts")]
            self.assertFalse(all(common), f"{one.name} and {other.name}")

    def test_an_edit_changes_one_byte_and_the_name_of_the_statement(self) -> None:
        measurements = [{"metric": "accuracy", "value": "0.98", "slice": {"feature": "radius", "value": "small"}},
                        {"metric": "accuracy", "value": "0.97"}]
        payload = json.dumps({"predicate": {"measurements": measurements}}).encode()
        envelope = {"payloadType": "t", "payload": base64.b64encode(payload).decode(), "signatures": [{"sig": "s"}]}
        changed = edited(envelope)
        after = base64.b64decode(changed["payload"])
        self.assertEqual(sum(one != other for one, other in zip(payload, after, strict=True)), 1)
        self.assertEqual(json.loads(after)["predicate"]["measurements"][1]["value"], "0.99")
        self.assertEqual(changed["signatures"], envelope["signatures"])
        self.assertNotEqual(body(changed), body(envelope))


class Screen(unittest.TestCase):
    def test_the_table_has_one_line_a_case_and_says_what_is_wrong(self) -> None:
        rows = [Row("a", "command", "denied", "denied", "flow.broken", "entry 7", True),
                Row("a", "HTTP", "denied", "denied", "flow.broken", "entry 7", True),
                Row("a: control", "HTTP", "allowed", "denied", "", "", False, "because")]
        head, first, second, why = draw(rows, Terminal()).splitlines()
        self.assertEqual(head.index("expected"), first.index("denied"))
        self.assertEqual(head.index("expected"), second.index("allowed"))
        self.assertTrue(first.startswith("a ") and second.startswith("  control "))
        self.assertTrue(first.endswith("ok") and second.endswith("WRONG"))
        self.assertIn("HTTP: because", why)

    def test_a_long_command_is_folded_before_options(self) -> None:
        words = ["assay", "run", "--step", "train", "--material", "a file", "--", "python", "train.py"]
        self.assertEqual(fold(words, 24), ["assay run --step train \\", "--material 'a file' \\", "-- python train.py"])
        self.assertEqual(fold(["git", "add", "."], 24), ["git add ."])


if __name__ == "__main__":
    unittest.main()
