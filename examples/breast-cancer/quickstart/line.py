"""The line from data set to image: what each step runs, reads and writes, and who signs it.

A key may do only what is written here (`may` in the trust file): the trainer's key cannot sign an
evaluation, nor the evaluator's a package.
"""

from dataclasses import dataclass

NAMESPACE = "https://assay.example/attestation/"
PROVENANCE = "https://slsa.dev/provenance/v1"
EVALUATION = NAMESPACE + "evaluation/v0.1"
BOM = "https://cyclonedx.org/bom"
SUMMARY = "https://slsa.dev/verification_summary/v1"

STAGES = ("development", "staging", "production")


@dataclass(frozen=True)
class Key:
    """Somebody who signs, and all that he may sign."""

    name: str
    predicates: tuple[str, ...]
    artifacts: tuple[str, ...]
    steps: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()


_KEYS = (
    Key("data", (PROVENANCE,), ("data/*",), steps=("export", "prepare")),
    Key("trainer", (PROVENANCE,), ("model/*",), steps=("train",)),
    Key("evaluator", (EVALUATION,), ("model/*",), steps=("evaluate",)),
    Key("builder", (PROVENANCE,), ("dist/*",), steps=("build",)),
    Key("packager", (PROVENANCE, BOM), ("image",), steps=("package",)),
    Key("gate", (SUMMARY,), ("image",), stages=STAGES),
)


KEYS = {key.name: key for key in _KEYS}


@dataclass(frozen=True)
class Step:
    """One recorded command. Materials may carry a role, as `role=path`."""

    name: str
    kind: str
    key: str
    materials: tuple[str, ...]
    products: tuple[str, ...]
    command: tuple[str, ...]
    options: tuple[str, ...] = ()


LINE = (
    Step(
        "export", "data-preparation", "data",
        ("source=pipeline/export.py",),
        ("data/raw.csv",),
        ("python", "pipeline/export.py", "data/raw.csv"),
    ),
    Step(
        "prepare", "data-preparation", "data",
        ("source=pipeline/split.py", "raw-dataset=data/raw.csv"),
        ("data/train.csv", "data/holdout.csv"),
        ("python", "pipeline/split.py", "data/raw.csv", "data/train.csv", "data/holdout.csv",
         "--seed", "2026", "--share", "25"),
        ("--param", "seed=2026", "--param", "share=25"),
    ),
    Step(
        "train", "training", "trainer",
        ("source=pipeline/train.py", "source=pipeline/table.py",
         "configuration=pipeline/train.json", "training-dataset=data/train.csv"),
        ("model/model.json",),
        ("python", "pipeline/train.py", "model/model.json", "data/train.csv",
         "--params", "pipeline/train.json"),
        ("--params", "pipeline/train.json"),
    ),
    Step(
        "evaluate", "evaluation", "evaluator",
        ("source=pipeline/evaluate.py", "source=pipeline/model.py", "source=pipeline/table.py",
         "model=model/model.json", "holdout-dataset=data/holdout.csv"),
        ("reports/metrics.json",),
        ("python", "pipeline/evaluate.py", "model/model.json", "data/holdout.csv",
         "reports/metrics.json", "--radius", "13"),
        ("--metrics", "reports/metrics.json", "--param", "radius=13"),
    ),
    Step(
        "build", "build", "builder",
        ("source=pipeline/build.py", "source=pipeline/serve.py", "source=pipeline/model.py"),
        ("dist/serve.pyz",),
        ("python", "pipeline/build.py", "dist/serve.pyz", "pipeline/serve.py", "pipeline/model.py"),
    ),
    Step(
        "package", "packaging", "packager",
        ("source=pipeline/package.py", "model=model/model.json", "dist/serve.pyz"),
        ("image",),
        ("python", "pipeline/package.py", "image", "model/model.json", "dist/serve.pyz"),
    ),
)

STEPS = {step.name: step for step in LINE}
