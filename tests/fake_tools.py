# SPDX-License-Identifier: Apache-2.0
"""Programs named as AMD's tools and ssh, first on PATH, which execute their scripts in a model."""

import sys
from pathlib import Path

import pytest

from boards import board

TESTS = Path(__file__).resolve().parent
TOOLS = ("vivado", "vivado_hls", "vitis_hls", "vitis-run", "v++")
_TOOL = """#!/bin/sh
PYTHONPATH='{root}:{tests}' exec '{python}' -W ignore '{tests}/vivado_model.py' {name} "$@"
"""
# What follows the host is a command of the other machine's shell, whose home is a folder beside this one.
_SSH = """#!/bin/sh
for command; do :; done
echo "$command" >>'{home}/../commands'
if [ -f '{home}/../refusal' ]; then cat '{home}/../refusal' >&2; exit 255; fi
cd '{home}' && exec sh -c "$command"
"""


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, release: str = "2022.2", tools: tuple[str, ...] = TOOLS
) -> None:
    """Put tools of that release in front of PATH, with every board's files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in tools:
        _write(folder / name, _TOOL.format(root=TESTS.parent, tests=TESTS, python=sys.executable, name=name))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_RELEASE", release)
    parts = (board.load(name).board_part for name in board.names())
    monkeypatch.setenv("FAKE_BOARDS", " ".join(part for part in parts if part))


def install_ssh(folder: Path, home: Path) -> None:
    """An ssh whose other machine's home is ``home``; a file ``refusal`` beside it is what it says instead."""
    home.mkdir(parents=True)
    _write(folder / "ssh", _SSH.format(home=home))


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
