# SPDX-License-Identifier: Apache-2.0
"""``python -m hwsim.validate TABLE.csv [--json OUT]``; see hwsim/validate/__init__.py."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hwsim.errors import OutputError, SlimfabError
from hwsim.validate.rows import read_rows
from hwsim.validate.scores import as_json, scores
from hwsim.validate.table import recognise
from hwsim.validate.tables import TABLES
from hwsim.validate.text import lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 with one line on stderr when something given is wrong."""
    parser = argparse.ArgumentParser(prog="python -m hwsim.validate", description="Predictions beside a table's rows.")
    parser.add_argument("table", type=Path, help="CSV file; its columns tell what it is")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the scores here, too")
    given = parser.parse_args(arguments)
    try:
        rows = read_rows(given.table)
        table = recognise(rows, TABLES, str(given.table))
        result = scores(table, rows)
        if given.json is not None:
            _write(given.json, json.dumps(as_json(result), indent=2) + "\n")
    except SlimfabError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    text = [f"{given.table}: {table.name}, {len(rows)} rows", "", *lines(result), *table.report(rows)]
    sys.stdout.write("\n".join(text) + "\n")
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; choose another path") from None


if __name__ == "__main__":
    sys.exit(main())
