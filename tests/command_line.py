# SPDX-License-Identifier: Apache-2.0
"""Call the ``slimfab`` command as a shell would, in this process."""

import contextlib
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from small_runs import NET, write_recipe

from slimfab.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


def slimfab(*arguments: object) -> Outcome:
    """Run ``slimfab ARGUMENTS``."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["slimfab", *map(str, arguments)]),
        mock.patch.object(sys, "path", list(sys.path)),  # commands add the folders of the user's code
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as leaving:
            return Outcome(int(leaving.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("the command did not end with an exit code")


def succeeds(*arguments: object) -> str:
    """The standard output of a command that must succeed."""
    outcome = slimfab(*arguments)
    assert outcome.code == 0, outcome.err
    assert outcome.err == ""
    return outcome.out


def refused(*arguments: object) -> str:
    """The message of a command that must end with one line on stderr and exit code 2."""
    outcome = slimfab(*arguments)
    assert outcome.code == 2, outcome
    (line,) = outcome.err.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def refused_run(tmp_path: Path, changes: Mapping[str, Any] | None = None, net: str = NET) -> str:
    """The message of ``slimfab run`` on a changed recipe; what it wrote is complete or not there."""
    message = refused("run", write_recipe(tmp_path, changes, net), "--output", tmp_path / "run")
    if (tmp_path / "run").exists():
        assert_nothing_half_written(tmp_path / "run")
    return message


def assert_nothing_half_written(run: Path) -> None:
    """No report, no temporary file; the failed stage is the last that started, and it is not marked as done."""
    assert not (run / "result.json").exists()
    assert not (run / "report.html").exists()
    assert {path.name for path in run.rglob(".*")} <= {".lock"}
    started = sorted(path.parent for path in run.glob("*/started.json"))
    assert [(folder / "done.json").exists() for folder in started] == [True] * (len(started) - 1) + [False]
