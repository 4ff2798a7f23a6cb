# SPDX-License-Identifier: Apache-2.0
"""Scores on disk, a line each, so that a search that was cut off continues where it stopped.

Methods are deterministic given their seed: run again, they ask for the same points, and those already scored are read
from here. The first line says what problem the scores belong to.
"""

import json
import math
import threading
from collections.abc import Mapping
from pathlib import Path

from hwsim.errors import ModelFileError, OutputError


class Journal:
    """Scores by point, appended to a file of JSON lines; safe among threads.

    Args:
        path: the file, made with its folders when the first score is kept.
        fingerprint: identifies the problem; scores of another one are not taken.

    Raises:
        ModelFileError: the file belongs to another problem or is damaged before its last line.
    """

    def __init__(self, path: Path | str, fingerprint: str) -> None:
        self._path, self._fingerprint = Path(path), fingerprint
        self._lock = threading.Lock()
        self._known = self._read() if self._path.is_file() else {}

    def get(self, values: Mapping[str, int]) -> float | None:
        """The score of a point, or None."""
        return self._known.get(_key(values))

    def put(self, values: Mapping[str, int], score: float) -> None:
        """Keep the score of a point.

        Raises:
            OutputError: the file cannot be written.
        """
        line = json.dumps([dict(values), None if math.isnan(score) else score])
        with self._lock:
            self._known[_key(values)] = score
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("a", encoding="utf-8") as file:
                    if not file.tell():
                        file.write(json.dumps({"search": self._fingerprint}) + "\n")
                    file.write(line + "\n")
            except OSError as error:
                raise OutputError(
                    f"{self._path}: cannot keep scores ({error}); free space or choose another folder"
                ) from None

    def _read(self) -> dict[str, float]:
        whole, _, torn = self._path.read_text(encoding="utf-8").rpartition("\n")
        lines = whole.split("\n") if whole else []
        try:
            head = json.loads(lines[0]) if lines else {"search": self._fingerprint}
            found = [json.loads(line) for line in lines[1:]]
            scores = {_key(values): math.nan if score is None else float(score) for values, score in found}
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelFileError(f"{self._path}: not a journal of scores ({error}); delete it to start anew") from None
        if not isinstance(head, dict) or head.get("search") != self._fingerprint:
            raise ModelFileError(
                f"{self._path}: holds scores of another search; expected {self._fingerprint}; choose another folder "
                "or delete it"
            )
        if torn or not lines:  # cut off while a line was written
            self._path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return scores


def _key(values: Mapping[str, int]) -> str:
    return json.dumps(dict(values), sort_keys=True)
