# SPDX-License-Identifier: Apache-2.0
"""Several boards at once: a verdict each."""

import threading

import pytest

from boards.fleet import everywhere
from hwsim.errors import BoardError


def test_one_that_fails_does_not_stop_the_others() -> None:
    together = threading.Barrier(3, timeout=30)  # none gets past it before all have started

    def works(result: int) -> int:
        together.wait()
        return result

    def fails() -> int:
        together.wait()
        raise BoardError("b: dma: nothing more came; run again", "DmaTimeout")

    verdicts = everywhere({"a": lambda: works(1), "b": fails, "c": lambda: works(3)})
    assert [(one.where, one.result) for one in verdicts] == [("a", 1), ("b", None), ("c", 3)]
    assert str(verdicts[1].error) == "b: dma: nothing more came; run again"
    assert everywhere({}) == ()


def test_a_mistake_of_ours_is_no_verdict() -> None:
    done = []

    def mistaken() -> int:
        raise ZeroDivisionError("oops")

    with pytest.raises(ZeroDivisionError, match="oops"):
        everywhere({"a": mistaken, "b": lambda: len(done) or done.append(1) or 0})
    assert done == [1]
