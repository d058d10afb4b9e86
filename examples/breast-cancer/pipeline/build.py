"""Build the serving program: its sources in one executable zip file that Python runs.

Times and permissions inside the file are fixed and nothing is compressed, so equal sources give
equal bytes whatever zlib the machine has.
"""

import argparse
import zipfile
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can say


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("program", type=Path, help="file to write")
    arguments.add_argument("main", type=Path, help="what to run")
    arguments.add_argument("modules", type=Path, nargs="*", help="what it imports")
    options = arguments.parse_args()

    options.program.parent.mkdir(parents=True, exist_ok=True)
    with options.program.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w") as archive:
            for source in [options.main, *sorted(options.modules)]:
                name = "__main__.py" if source == options.main else source.name
                entry = zipfile.ZipInfo(name, date_time=EPOCH)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, source.read_bytes())
    options.program.chmod(0o755)
    print(f"{options.program}: {options.program.stat().st_size} bytes")


if __name__ == "__main__":
    main()
