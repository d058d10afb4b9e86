"""Learn to tell malignant from benign, and save what was learned as JSON.

The model is not pickled. Loading a pickle runs whatever code it holds, so a pickle of known
digest is still a program of unknown intent. A logistic regression is a list of numbers; JSON says
those numbers, a person can read them, and loading them runs nothing.
"""

import argparse
import json
from pathlib import Path

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from table import read


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("model", type=Path, help="file to write")
    arguments.add_argument("data", type=Path, nargs="+", help="data to learn from")
    arguments.add_argument("--params", type=Path, required=True, help="hyperparameters, as JSON")
    options = arguments.parse_args()

    features, samples, answers = [], [], []
    for path in options.data:
        features, more_samples, more_answers = read(path)
        samples += more_samples
        answers += more_answers

    pipeline = make_pipeline(
        StandardScaler(),
        LogisticRegression(**json.loads(options.params.read_text(encoding="utf-8"))),
    )
    # One thread adds its numbers up in one order, so that the same machine gives the same bytes.
    with threadpool_limits(limits=1):
        pipeline.fit(samples, answers)
    scaler, regression = pipeline[0], pipeline[1]

    model = {
        "format": "logistic-regression/v1",
        "predicts": "malignant",
        "features": features,
        "mean": scaler.mean_.tolist(),
        "scale": scaler.scale_.tolist(),
        "coefficients": regression.coef_[0].tolist(),
        "intercept": float(regression.intercept_[0]),
    }
    options.model.parent.mkdir(parents=True, exist_ok=True)
    options.model.write_text(json.dumps(model, indent=1) + "\n", encoding="utf-8", newline="\n")
    print(f"{options.model}: learned from {len(samples)} samples")


if __name__ == "__main__":
    main()
