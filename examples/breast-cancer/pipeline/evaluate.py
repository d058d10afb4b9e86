"""Measure a model on data that it has not seen, as a whole and for slices of the samples.

A model that is good on average can be bad for the tumours that matter: small ones are harder to
tell. So the accuracy is also measured apart for small and large mean radius.
"""

import argparse
import json
from pathlib import Path

from model import Model
from table import read


def accuracy(pairs: list[tuple[int, int]]) -> float:
    """The share of samples whose guess is the answer."""
    return round(sum(answer == guess for answer, guess in pairs) / len(pairs), 4)


def recall(pairs: list[tuple[int, int]]) -> float:
    """The share of malignant samples that were found."""
    found = [guess for answer, guess in pairs if answer == 1]
    return round(sum(found) / len(found), 4)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("model", type=Path)
    arguments.add_argument("data", type=Path)
    arguments.add_argument("metrics", type=Path, help="file to write")
    arguments.add_argument("--radius", type=float, default=13.0, help="where `large` begins")
    options = arguments.parse_args()

    model = Model.load(options.model)
    features, samples, answers = read(options.data)
    if features != model.features:
        raise SystemExit(f"{options.data} has other features than {options.model}")
    pairs = [(answer, int(model.probability(sample) >= 0.5))
             for sample, answer in zip(samples, answers, strict=True)]

    column = features.index("mean radius")
    slices = {"small": [], "large": []}
    for sample, pair in zip(samples, pairs, strict=True):
        slices["large" if sample[column] >= options.radius else "small"].append(pair)

    metrics = {
        "sampleSize": len(pairs),
        "metrics": {"accuracy": accuracy(pairs), "recall": recall(pairs)},
        "slices": [
            {
                "feature": "mean radius",
                "value": name,
                "sampleSize": len(part),
                "metrics": {"accuracy": accuracy(part)},
            }
            for name, part in slices.items()
        ],
    }
    options.metrics.parent.mkdir(parents=True, exist_ok=True)
    options.metrics.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8", newline="\n")
    print(json.dumps(metrics["metrics"]))


if __name__ == "__main__":
    main()
