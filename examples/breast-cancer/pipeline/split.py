"""Split a data set into a part to learn from and a part to be judged on.

Rows are ordered by the SHA-256 of the seed and the row, and the first ones are held out. That
needs no random generator whose algorithm could change: the same seed and rows give the same two
files on every machine, which is what lets a policy name the hold-out by its digest.
"""

import argparse
import hashlib
from pathlib import Path


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("raw", type=Path)
    arguments.add_argument("train", type=Path)
    arguments.add_argument("holdout", type=Path)
    arguments.add_argument("--seed", default="0")
    arguments.add_argument("--share", type=int, default=25, help="per cent of rows to hold out")
    options = arguments.parse_args()

    header, *rows = options.raw.read_text(encoding="utf-8").splitlines()
    ranked = sorted(rows, key=lambda row: hashlib.sha256(f"{options.seed}\n{row}".encode()).digest())
    count = len(rows) * options.share // 100
    held_out = set(ranked[:count])

    # Both parts keep the order of the source. Equal rows share a rank, so they cannot be torn
    # apart: no sample of the hold-out has a twin in the training set.
    parts = {options.train: [row for row in rows if row not in held_out],
             options.holdout: [row for row in rows if row in held_out]}
    for path, part in parts.items():
        path.write_text("\n".join([header, *part]) + "\n", encoding="utf-8", newline="\n")
        print(f"{path}: {len(part)} samples")


if __name__ == "__main__":
    main()
