# SPDX-License-Identifier: Apache-2.0
"""Registries hand back what was registered and guess what a misspelt name meant."""

import re

import pytest

from hwsim.errors import InputError, UnknownNameError
from hwsim.registry import Registry, suggest


@pytest.fixture
def criteria() -> Registry[int]:
    registry = Registry[int]("pruning criterion")
    registry.register("l2")(2)
    registry.register("bn_gamma")(3)
    registry.register("l1")(1)
    return registry


def test_it_behaves_as_a_sorted_read_only_mapping(criteria: Registry[int]) -> None:
    assert criteria["l1"] == 1
    assert criteria.names() == list(criteria) == ["bn_gamma", "l1", "l2"]
    assert len(criteria) == 3
    assert "l2" in criteria
    assert "l3" not in criteria


def test_the_decorator_returns_what_it_files() -> None:
    registry = Registry("function")

    @registry.register("double")
    def double(x: int) -> int:
        return 2 * x

    assert registry["double"] is double
    assert double(4) == 8


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bn_gama", "unknown pruning criterion 'bn_gama'; did you mean 'bn_gamma'? (available: bn_gamma, l1, l2)"),
        ("taylor", "unknown pruning criterion 'taylor'; available: bn_gamma, l1, l2"),
        (7, "unknown pruning criterion '7'; available: bn_gamma, l1, l2"),
        (None, "unknown pruning criterion 'None'; available: bn_gamma, l1, l2"),
    ],
)
def test_an_unknown_name_is_answered_with_a_guess(criteria: Registry[int], name: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=f"^{re.escape(message)}$"):
        criteria[name]


def test_an_unknown_name_is_an_input_error(criteria: Registry[int]) -> None:
    with pytest.raises(InputError):
        criteria["l3"]


def test_a_name_is_taken_once(criteria: Registry[int]) -> None:
    with pytest.raises(UnknownNameError, match=r"^pruning criterion 'l1' is registered twice; choose another name$"):
        criteria.register("l1")
    assert criteria["l1"] == 1


def test_an_empty_registry_says_so() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown board 'zcu104'; available: none$"):
        Registry("board")["zcu104"]


def test_a_long_list_does_not_bury_the_guess() -> None:
    names = [f"stages.{i}.conv.weight" for i in range(40)]
    assert suggest("stages.7.conv.wieght", names) == "did you mean 'stages.7.conv.weight'?"
