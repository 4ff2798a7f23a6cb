# SPDX-License-Identifier: Apache-2.0
"""The same work on several boards at once: one verdict each, and one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from hwsim.errors import SlimfabError

R = TypeVar("R")


@dataclass(frozen=True)
class Verdict(Generic[R]):
    """What came of one board: a result, or the error that it ended with."""

    where: str
    result: R | None
    error: SlimfabError | None = None


def everywhere(work: Mapping[str, Callable[[], R]]) -> tuple[Verdict[R], ...]:
    """Do every piece of work, all at once, and wait for all of them.

    Args:
        work: by the name of its board; each talks to a worker in a process of its own.

    Returns:
        verdicts in the order of ``work``. Errors on purpose are verdicts; any other is raised when all have ended.
    """

    def judged(where: str, one: Callable[[], R]) -> Verdict[R]:
        try:
            return Verdict(where, one())
        except SlimfabError as error:
            return Verdict(where, None, error)

    with ThreadPoolExecutor(max(1, len(work))) as pool:
        started = [pool.submit(judged, where, one) for where, one in work.items()]
    return tuple(one.result() for one in started)
