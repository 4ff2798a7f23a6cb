# SPDX-License-Identifier: Apache-2.0
"""Before anything is loaded: whether this machine is a board that the bundle is for, with an image that it runs on."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .errors import NotReady
from .manifest import Manifest

FIRST_PYNQ, LAST_PYNQ = (3, 0, 1), (4, 0)
ARCHITECTURES = ("armv7l", "aarch64")
#: Boards that ship with slimfab; one of your own is whatever you say it is.
KNOWN = ("pynq-z1", "pynq-z2", "zcu104", "zcu102", "ultra96-v2", "aup-zu3", "kv260", "kr260", "rfsoc4x2")
_BOARD = Path("/proc/device-tree/chosen/pynq_board")


@dataclass(frozen=True)
class Machine:
    """What this machine says of itself; ``pynq`` "" where there is none, ``board`` "" where no image names it."""

    arch: str
    board: str
    pynq: str
    user: int

    @classmethod
    def found(cls) -> Machine:
        """This machine."""
        try:
            pynq = metadata.version("pynq")
        except metadata.PackageNotFoundError:
            pynq = ""
        return cls(platform.machine(), board_name(), pynq, os.geteuid())


def board_name() -> str:
    """The board as pynq's images name it, "" elsewhere (github:Xilinx/PYNQ, sdbuild/boot; variable BOARD)."""
    try:
        return _BOARD.read_text(encoding="utf-8").strip("\0\n ")
    except OSError:
        return os.environ.get("BOARD", "")


def check(manifest: Manifest, machine: Machine) -> None:
    """Whether a bundle can be loaded here.

    Raises:
        NotReady: no board, another board, no pynq or another version, or not root; says what to do.
    """
    if machine.arch not in ARCHITECTURES:
        raise NotReady(
            f"no board found: this is a {machine.arch}; expected a {manifest.board}; name it with --host, or use the "
            "emulated one with --emulate"
        )
    other = _known(machine.board)
    if other and manifest.board in KNOWN and other != manifest.board:
        raise NotReady(f"board: this is a {machine.board}; expected {manifest.board}; build the bundle for {other}")
    if not machine.pynq:
        raise NotReady(f"pynq: is not installed for {sys.executable}; expected a pynq image's Python; see --python")
    version = tuple(map(int, re.findall(r"\d+", machine.pynq)[:3]))
    if version < FIRST_PYNQ or version[:2] > LAST_PYNQ:
        raise NotReady(
            f"image: has pynq {machine.pynq}; expected 3.0.1 to 4.0; write another image to the SD card "
            f"(slimfab board check {manifest.board} lists them)"
        )
    if machine.user != 0:
        raise NotReady(f"root: got user {machine.user}; expected root, who alone reaches registers; use sudo")


def _known(name: str) -> str:
    """The board's name here of what an image calls it: "Ultra96" is ultra96-v2; "" for others."""
    bare = _bare(name)
    return next((known for known in KNOWN if len(bare) > 4 and _bare(known).startswith(bare)), "")


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
