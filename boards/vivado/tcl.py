# SPDX-License-Identifier: Apache-2.0
"""Words of Tcl: text that Tcl reads back as one word, whatever is in it."""

import re
from collections.abc import Sequence

from hwsim.errors import InputError

_PLAIN = re.compile(r"[A-Za-z0-9_./:+=%,@*-]+")


def word(text: str) -> str:
    """``text`` as one word: as it is, or in braces.

    Raises:
        InputError: it holds braces, backslashes or line ends, which no name of ours needs.
    """
    if _PLAIN.fullmatch(text):
        return text
    if re.search(r"[{}\\\n]", text):
        raise InputError(f"name: got {text!r}; expected one without braces, backslashes and line ends; rename it")
    return f"{{{text}}}"


def listed(words: Sequence[str]) -> str:
    """A command that makes a list, one element to a line."""
    return "[list \\\n" + "".join(f"  {word(one)} \\\n" for one in words) + "]"
