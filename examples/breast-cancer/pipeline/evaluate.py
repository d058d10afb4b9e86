"""Measure a model on data that it has not seen, as a whole and for slices of the samples.

A model that is good on average can be bad for the tumours that matter: small ones are harder to
tell. So the accuracy is also measured apart for small and large mean radius.
"""

import argparse
import json
from pathlib import Path

from sklearn.metrics import accuracy_score, recall_score

from model import Model
from table import read


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
    guesses = [int(model.probability(sample) >= 0.5) for sample in samples]

    column = features.index("mean radius")
    slices = {"small": [], "large": []}
    for sample, answer, guess in zip(samples, answers, guesses, strict=True):
        slices["large" if sample[column] >= options.radius else "small"].append((answer, guess))

    metrics = {
        "sampleSize": len(samples),
        "metrics": {
            "accuracy": round(float(accuracy_score(answers, guesses)), 4),
            "recall": round(float(recall_score(answers, guesses)), 4),
        },
        "slices": [
            {
                "feature": "mean radius",
                "value": name,
                "sampleSize": len(pairs),
                "metrics": {"accuracy": round(float(accuracy_score(*zip(*pairs))), 4)},
            }
            for name, pairs in slices.items()
        ],
    }
    options.metrics.parent.mkdir(parents=True, exist_ok=True)
    options.metrics.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8", newline="\n")
    print(json.dumps(metrics["metrics"]))


if __name__ == "__main__":
    main()
