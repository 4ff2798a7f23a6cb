# SPDX-License-Identifier: Apache-2.0
"""What is no board, or not ready, is said before anything is loaded."""

from dataclasses import replace
from pathlib import Path

import board_bundles as bundles
import pytest

from boards import board, transports
from boards.deploy import driver_files
from boards.driver.errors import NotReady
from boards.driver.manifest import Manifest, load
from boards.driver.preflight import FIRST_PYNQ, KNOWN, Machine, check
from hwsim.errors import BoardError

READY = Machine("armv7l", "Pynq-Z2", "3.0.1", 0)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return load(bundles.make(tmp_path / "doubler.zip").unpack(tmp_path / "board"))


@pytest.mark.parametrize(
    "machine",
    [READY, replace(READY, pynq="4.0.0"), replace(READY, pynq="3.1.2.dev1"), replace(READY, board="")],
)
def test_a_board_that_is_ready(manifest: Manifest, machine: Machine) -> None:
    check(manifest, machine)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"arch": "x86_64"},
            "no board found: this is a x86_64; expected a pynq-z2; name it with --host, or use",
        ),
        ({"board": "Pynq-Z1"}, "board: this is a Pynq-Z1; expected pynq-z2; build the bundle for pynq-z1"),
        ({"board": "Ultra96"}, "board: this is a Ultra96; expected pynq-z2; build the bundle for ultra96-v2"),
        ({"pynq": ""}, "pynq: is not installed for .*; expected a pynq image's Python; see --python"),
        ({"pynq": "2.7.0"}, "image: has pynq 2.7.0; expected 3.0.1 to 4.0; write another image to the SD card"),
        ({"pynq": "4.1.0"}, "image: has pynq 4.1.0; expected 3.0.1 to 4.0"),
        ({"user": 1000}, "root: got user 1000; expected root, who alone reaches registers; use sudo"),
    ],
)
def test_what_is_not_ready_is_said(manifest: Manifest, changes: dict, message: str) -> None:
    with pytest.raises(NotReady, match=message):
        check(manifest, replace(READY, **changes))


def test_a_board_of_ones_own_is_whatever_it_is_called(manifest: Manifest) -> None:
    check(replace(manifest, board="mine"), READY)
    check(manifest, replace(READY, board="Mine"))


def test_the_driver_knows_the_boards_and_their_images() -> None:
    with_pynq = {name: board.load(name) for name in board.names() if board.load(name).has_bitstream}
    assert set(KNOWN) == set(with_pynq)
    versions = [image.pynq for one in with_pynq.values() for image in one.images]
    assert min(tuple(map(int, version.split("."))) for version in versions) == FIRST_PYNQ


def test_this_machine_is_no_board(tmp_path: Path) -> None:
    """The real worker, started as on a board."""
    folder = bundles.make(tmp_path / "doubler.zip").unpack(tmp_path / "board")
    for name, data in driver_files().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    with pytest.raises(BoardError, match="this board: no board found: this is a .*; expected a pynq-z2") as caught:
        transports.local(folder)
    assert caught.value.kind == "NotReady"
