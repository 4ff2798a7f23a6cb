# SPDX-License-Identifier: Apache-2.0
"""Tables of objects by name, and names in files: misses say what was probably meant."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from hwsim.errors import DeviceError, UnknownNameError

T = TypeVar("T")
_LISTABLE = 16  # more names than this would bury the suggestion


def suggest(name: str, known: Iterable[str]) -> str:
    """The tail of an error message: the closest known name, or the list of all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    if close:
        rest = f" (available: {', '.join(names)})" if len(names) <= _LISTABLE else ""
        return f"did you mean '{close[0]}'?{rest}"
    return f"available: {', '.join(names) or 'none'}"


def expect_keys(data: Iterable[object], where: str, needed: Iterable[str], optional: Iterable[str] = ()) -> None:
    """Whether a mapping of a device's or a board's file has the keys it needs, and no other but optional ones.

    Raises:
        DeviceError: names the first key that is unknown or missing.
    """
    found, needed = list(data), tuple(needed)
    known = (*needed, *optional)
    for key in found:
        if key not in known:
            raise DeviceError(f"{where}: unknown key '{key}'; {suggest(str(key), known)}")
    for key in needed:
        if key not in found:
            raise DeviceError(f"{where}: key '{key}' is missing; expected {', '.join(needed)}")


class Registry(Generic[T]):
    """Named objects of one kind, registered explicitly.

    >>> criteria = Registry[Callable[..., float]]("pruning criterion")
    >>> @criteria.register("l1")
    ... def l1(weights): ...
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files its argument under ``name``; a name can be taken only once."""
        if name in self._entries:
            raise UnknownNameError(f"{self.kind} '{name}' is registered twice; choose another name")

        def add(entry: T) -> T:
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(f"unknown {self.kind} '{name}'; {suggest(name, self._entries)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> list[str]:
        """All registered names in alphabetical order."""
        return sorted(self._entries)
