# SPDX-License-Identifier: Apache-2.0
"""Call the ``slimfab`` command as a shell would, in this process."""

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

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
