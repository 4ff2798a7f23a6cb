# SPDX-License-Identifier: Apache-2.0
"""The tree of errors: drawn as it is, and caught as promised."""

import inspect
import re

import pytest

from hwsim import errors

CLASSES = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls)}


def drawn() -> dict[str, str]:
    """child → parent, read from the drawing in the module's docstring."""
    stack, parents = [], {}
    for line in errors.__doc__.splitlines():
        match = re.match(r"    ([│├└─ ]*)([A-Z]\w+)\s{2,}", line) or re.match(r"    ([│├└─ ]*)(ToolFailed)", line)
        if match:
            depth, name = len(match[1]) // 4, match[2]
            del stack[depth:]
            if stack:
                parents[name] = stack[-1]
            stack.append(name)
    return parents


def test_the_drawing_is_the_tree() -> None:
    bases = {name: cls.__bases__[0].__name__ for name, cls in CLASSES.items() if name != "SlimfabError"}
    assert drawn() == bases


@pytest.mark.parametrize("cls", CLASSES.values(), ids=lambda cls: cls.__name__)
def test_every_error_is_caught_by_the_one_base_and_explains_itself(cls: type[Exception]) -> None:
    with pytest.raises(errors.SlimfabError, match=r"^conv2: too wide$"):
        raise cls("conv2: too wide")
    assert cls.__doc__


def test_only_wrong_input_is_a_value_error() -> None:
    value_errors = {name for name, cls in CLASSES.items() if issubclass(cls, ValueError)}
    assert value_errors == {name for name, cls in CLASSES.items() if issubclass(cls, errors.InputError)}
    assert "FormatError" in value_errors
    assert "VerifyError" not in value_errors
