# SPDX-License-Identifier: Apache-2.0
"""A small network as an emulated bundle, for the tests of boards."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder, corner_images

from boards.emulated.environment import find_pynq
from boards.emulated.project import write_emulated
from hls.emit import emit
from hls.rtl_compile import QUICK
from hwsim.design import Design, Folding
from hwsim.errors import ToolMissing
from hwsim.fixed import FixedPoint
from hwsim.network import Network, Weights


@dataclass(frozen=True, eq=False)
class Bundle:
    """An emulated bundle with the network that it computes."""

    folder: Path
    emitted: Path
    network: Network
    weights: Weights
    design: Design


def small_network() -> tuple[Network, Weights]:
    """Six-bit pixels in, twelve-bit numbers out: words with padding at one end, and an order that differs."""
    build = Builder((3, 6, 6), FixedPoint(6, 4))
    act = FixedPoint(4, 0, False, "RND", "SAT")
    x = build.conv("x", 4, (3, 3), act, FixedPoint(4, 3), FixedPoint(6, 4), stride=(2, 2))
    x = build.dense(build.add("flatten", x, act), 5, FixedPoint(12, 6, True, "TRN", "SAT"), FixedPoint(4, 3))
    return build.build(x, "small")


def small_bundle(home: Path, cache: Path, board: str = "pynq-z2", images: int = 12) -> Bundle:
    """The small network, emitted, compiled and laid out."""
    network, weights = small_network()
    design = Design(network.hash, board, 100.0, backend="Slimfab")
    emit(network, weights, design, home / "design")
    inputs = corner_images(network, images)
    folder = write_emulated(
        network, weights, inputs, home / "design", home / "bundle", board, cache=cache, optimise=QUICK
    )
    return Bundle(folder, home / "design", network, weights, design)


def wide_bundle(home: Path, cache: Path) -> Bundle:
    """Next to nothing between two wide streams: 16 bytes a cycle, for trials of the transfers themselves."""
    build = Builder((16, 8, 8), FixedPoint(8, 0))
    network, weights = build.build(build.add("relu", "x", FixedPoint(8, 0, False)), "wide")
    design = Design(network.hash, "pynq-z2", 100.0, backend="Slimfab", folding={"relu1": Folding(pe=16, simd=16)})
    emit(network, weights, design, home / "design")
    inputs = corner_images(network, 8)
    folder = write_emulated(network, weights, inputs, home / "design", home / "bundle", cache=cache)
    return Bundle(folder, home / "design", network, weights, design)


def require_pynq(version: str = "4.0.0") -> None:
    """Skip the test where that pynq is not installed."""
    try:
        find_pynq(version)
    except ToolMissing as error:
        pytest.skip(f"needs pynq: {error}")


def random_images(network: Network, count: int, seed: int = 0) -> np.ndarray:
    """(count, *shape) integers of the input's format: its corners, then random ones."""
    return corner_images(network, max(count, 8), seed)[:count]
