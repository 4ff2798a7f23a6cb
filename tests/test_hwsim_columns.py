# SPDX-License-Identifier: Apache-2.0
"""Records as columns, and results remembered by network."""

from dataclasses import dataclass

import numpy as np
import pytest

from hwsim import columns
from hwsim.network import Layer, Network, Tensor


@dataclass(frozen=True)
class Item:
    name: str
    width: int
    is_wide: bool
    share: float


def network(size: int) -> Network:
    layers = (Layer("x", "input", (), ("x",)), Layer("r", "relu", ("x",), ("r",)))
    return Network("n", layers, {"x": Tensor((size,)), "r": Tensor((size,))}, ("x",), ("r",))


def test_whole_numbers_become_float_columns() -> None:
    found = columns.columns(Item, [Item("a", 3, True, 0.5), Item("b", 5, False, 0.25)])
    assert list(found) == ["width"]
    np.testing.assert_array_equal(found["width"], [3.0, 5.0])
    assert columns.columns(Item, [])["width"].shape == (0,)


def test_a_network_is_built_once_until_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "REMEMBERED", 2)
    built: list[int] = []

    @columns.per_network
    def size(net: Network) -> int:
        built.append(net.tensors["x"].size)
        return built[-1]

    assert [size(network(n)) for n in (1, 1, 2, 1)] == [1, 1, 2, 1]
    assert built == [1, 2]
    assert [size(network(n)) for n in (3, 1)] == [3, 1]  # the third pushed the first out
    assert built == [1, 2, 3, 1]
