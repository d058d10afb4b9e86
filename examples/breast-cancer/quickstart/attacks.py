"""The attacks: what is done to the evidence, and what has to refuse it.

A case is made three times, each on a copy of the workspace: without the tampering (allowed),
with it (denied, by the finding that the case names and on the statement at fault), and, where one
rule of the policy is what refuses, with it under a policy that lacks that rule (allowed: so it was
that rule). Statements are recorded with the honest command and honest keys; only what the case
says is tampered with.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from .line import KEYS, STEPS
from .workspace import Workspace

HOLDOUT = "data/holdout.csv"


def nothing(workspace: Workspace, tampered: bool = False) -> None:
    """All is left as it is."""


@dataclass(frozen=True)
class Attack:
    """One case."""

    name: str
    perform: Callable[[Workspace, bool], None]
    """Records what the case needs, with the tampering or without."""
    code: str
    fault: str
    """The step whose newest statement the finding has to name; empty when nothing was said, and
    it is the image that has to be named."""
    start: str = "recorded"
    """The snapshot of the workspace that the case begins with."""
    prepare: Callable[[Workspace], None] = nothing
    """Done in all three, before anything is recorded."""
    rule: tuple[str, str] | None = None
    """A piece of the policy and what stands there instead when its rule is taken away."""
    skipped: tuple[str, ...] = ()
    """Stages that the tampered image is not promoted to."""


def flip_a_byte(workspace: Workspace, tampered: bool) -> None:
    """Change the lowest bit of one digit of the weights between training and packaging."""
    if tampered:
        path = workspace.folder / "model/model.json"
        weights = bytearray(path.read_bytes())
        start = weights.index(b'"coefficients"')
        place = next(i for i in range(start, len(weights)) if weights[i] in b"0123456789")
        weights[place] ^= 1
        path.write_bytes(weights)
    workspace.redo("package")


def train_on_holdout(workspace: Workspace, tampered: bool) -> None:
    """Learn from the hold-out too; the recorder sees it, because it was told of every input."""
    step = STEPS["train"]
    if tampered:
        step = dataclasses.replace(
            step,
            materials=(*step.materials, f"training-dataset={HOLDOUT}"),
            command=(*step.command[:4], HOLDOUT, *step.command[4:]),
        )
    workspace.record(step)
    workspace.redo("evaluate", "package")


def evaluate_with_trainers_key(workspace: Workspace, tampered: bool) -> None:
    """Have the evaluation signed by the key that signed the training."""
    step = STEPS["evaluate"]
    workspace.record(dataclasses.replace(step, key="trainer") if tampered else step)
    workspace.redo("build", "package")


def let_trainer_evaluate(workspace: Workspace) -> None:
    """Have whoever keeps the trust file let the trainer's key sign evaluations."""
    workspace.trust(dataclasses.replace(KEYS["evaluator"], name="trainer-too"), key="trainer")


ATTACKS = (
    # No one rule refuses here: nothing that was said about the trained model is about this one.
    Attack("a byte of the weights flipped", flip_a_byte, "step.missing", "package"),
    Attack(
        "hold-out used for training", train_on_holdout, "flow.forbidden", "train",
        rule=('  - {forbid: {from: prepare.products, select: "data/holdout.csv", to: train.materials}, strength: declared-files}\n', ""),
    ),
    # It is the trust file that refuses, and no rule of the policy could let it pass.
    Attack(
        "evaluation by a key not trusted for it", evaluate_with_trainers_key, "step.signer", "evaluate",
        start="trained",
    ),
    Attack(
        "evaluation by a key not in the policy", evaluate_with_trainers_key, "step.signer", "evaluate",
        start="trained", prepare=let_trainer_evaluate,
        rule=("signers: {anyOf: [evaluator], threshold: 1, notSameAs: train}",
              "signers: {anyOf: [evaluator, trainer-too], threshold: 1}"),
    ),
    Attack(
        "a stage skipped", nothing, "stage.not-passed", "",
        rule=("production: {mode: enforce, after: [staging]}", "production: {mode: enforce}"),
        skipped=("staging",),
    ),
)
