"""The quickstart's own judgement: a line is right only when everything about it is."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from quickstart.attacks import ATTACKS  # noqa: E402
from quickstart.judge import row  # noqa: E402
from quickstart.table import Row, draw  # noqa: E402
from quickstart.terminal import Terminal  # noqa: E402
from quickstart.verdict import Verdict, of_command, of_report  # noqa: E402
from quickstart.workspace import EXAMPLE, Answer  # noqa: E402

ALLOWED = Verdict("check", "allowed")


def denied(code: str, index: int) -> Verdict:
    return Verdict("check", "denied", frozenset({code}), {code: frozenset({index})})


class Judgement(unittest.TestCase):
    def test_a_row_is_right_only_when_answer_code_and_evidence_are(self) -> None:
        bare = Verdict("admission", "denied")
        cases = [
            ("as expected", [denied("flow.broken", 7), bare], True),
            ("one door allows", [denied("flow.broken", 7), ALLOWED], False),
            ("another code", [denied("step.missing", 7), bare], False),
            ("other evidence", [denied("flow.broken", 8), bare], False),
            ("no finding at all", [bare], False),
            ("nothing answered", [], False),
            ("undecided is not denied", [Verdict("check", "undecided")], False),
        ]
        for name, verdicts, right in cases:
            with self.subTest(name):
                self.assertEqual(row("case", "command", "denied", "flow.broken", 7, verdicts).right, right)

    def test_a_control_is_right_only_when_every_door_allows(self) -> None:
        self.assertTrue(row("case", "HTTP", "allowed", "", None, [ALLOWED, ALLOWED]).right)
        self.assertFalse(row("case", "HTTP", "allowed", "", None, [ALLOWED, Verdict("promote", "denied")]).right)
        self.assertFalse(row("case", "HTTP", "allowed", "", None, []).right)

    def test_a_mode_that_lets_a_failure_pass_does_not_make_it_allowed(self) -> None:
        report = {"passed": False, "admitted": True, "findings": []}
        self.assertEqual(of_report("check", report).answer, "denied")

    def test_exit_status_and_report_have_to_agree(self) -> None:
        text = '{"passed": true, "admitted": true, "findings": []}'
        self.assertEqual(of_command("check", Answer(0, text, "")).answer, "allowed")
        self.assertNotIn(of_command("check", Answer(1, text, "")).answer, ("allowed", "denied"))
        self.assertEqual(of_command("check", Answer(2, "", "broken")).answer, "undecided")

    def test_each_rule_that_is_taken_away_stands_once_in_the_policy(self) -> None:
        policy = (EXAMPLE / "policy.yaml").read_text(encoding="utf-8")
        for attack in ATTACKS:
            if attack.rule:
                self.assertEqual(policy.count(attack.rule[0]), 1, attack.name)

    def test_the_table_is_aligned_and_says_what_is_wrong(self) -> None:
        rows = [Row("a", "HTTP", "denied", "denied", "flow.broken", "entry 7", True),
                Row("a longer case", "command", "allowed", "denied", "", "", False, "because")]
        head, first, second, why = draw(rows, Terminal()).splitlines()
        self.assertEqual(head.index("expected"), first.index("denied"))
        self.assertEqual(head.index("expected"), second.index("allowed"))
        self.assertIn("because", why)


if __name__ == "__main__":
    unittest.main()
