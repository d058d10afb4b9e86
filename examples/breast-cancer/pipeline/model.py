"""The model as it runs: the evaluation and the serving program use this same code.

Standard library only: what is shipped is this file, the serving program and a list of numbers.
"""

import json
import math
from pathlib import Path


class Model:
    """A logistic regression over scaled features, read from the JSON that `train.py` writes."""

    def __init__(self, text: str) -> None:
        self._model = json.loads(text)
        if self._model.get("format") != "logistic-regression/v1":
            raise ValueError("not a `logistic-regression/v1` model")
        self.predicts: str = self._model["predicts"]
        self.features: list[str] = self._model["features"]
        lengths = {len(self._model[key]) for key in ("features", "mean", "scale", "coefficients")}
        if len(lengths) != 1:
            raise ValueError("the model's lists differ in length")

    @classmethod
    def load(cls, path: Path) -> "Model":
        return cls(path.read_text(encoding="utf-8"))

    def probability(self, sample: list[float]) -> float:
        """How likely the sample is malignant, from 0 to 1."""
        if len(sample) != len(self.features):
            raise ValueError(f"expected {len(self.features)} features, got {len(sample)}")
        parts = zip(sample, self._model["mean"], self._model["scale"], self._model["coefficients"])
        score = self._model["intercept"] + sum((x - m) / s * c for x, m, s, c in parts)
        return 1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, score))))
