"""Read a data set as `export.py` and `split.py` write it."""

import csv
from pathlib import Path


def read(path: Path) -> tuple[list[str], list[list[float]], list[int]]:
    """Return the names of the features, one row of numbers a sample, and the answers.

    The last column is the answer: 1 for malignant, 0 for benign.
    """
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    samples = [[float(value) for value in row[:-1]] for row in rows]
    return header[:-1], samples, [int(row[-1]) for row in rows]
