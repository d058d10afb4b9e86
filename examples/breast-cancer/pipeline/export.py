"""Write the breast-cancer data set that comes with scikit-learn as one CSV file.

Numbers are written with `repr`, which reads back as the same number, so equal data gives equal
bytes: the file's digest is the data set's name for ever after.
"""

import argparse
import csv
from pathlib import Path

from sklearn.datasets import load_breast_cancer


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("raw", type=Path, help="file to write")
    raw = arguments.parse_args().raw

    data = load_breast_cancer()
    malignant = list(data.target_names).index("malignant")

    raw.parent.mkdir(parents=True, exist_ok=True)
    with raw.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*data.feature_names, "malignant"])
        for features, target in zip(data.data, data.target, strict=True):
            table.writerow([*(repr(float(value)) for value in features), int(target == malignant)])
    print(f"{raw}: {len(data.target)} samples, {len(data.feature_names)} features")


if __name__ == "__main__":
    main()
