# SPDX-License-Identifier: Apache-2.0
"""What has no integer form is refused, with the layer, the reason and a remedy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scaled_networks import CODES, Source

from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint


def broken(build: Callable[[Source], Any], shape: tuple[int, ...] = (4, 4, 4), fmt: FixedPoint | None = CODES) -> Any:
    def call() -> None:
        source = Source(shape, fmt)
        build(source)
        source.exact()

    return call


FOUR = "ap_fixed<4,4,RND_CONV,SAT>"
REFUSED = {
    "real input": (
        broken(lambda s: s.dense("x", 2), (4,), None),
        "dense1: reads the real numbers of an input without a format; expected integers; give the input a format "
        "(input_format)",
    ),
    "nothing quantised": (
        broken(lambda s: s.norm("x"), (4,), None),
        "batch_norm1: nothing between input and output is quantised; expected quantisers; quantise the network",
    ),
    "two quantisers of a real input": (
        broken(lambda s: s.add("add", s.quantise("x", 0.3, FOUR), s.quantise("x", 0.3, FOUR)), fmt=None),
        "add7: reads 'batch_norm6', the second quantiser of a real input; expected one for the host to compute; give "
        "the input a format (input_format)",
    ),
    "real numbers between layers": (
        broken(lambda s: s.dense(s.add("relu", s.norm(s.dense("x", 3))), 2), (4,)),
        "dense4: reads real numbers (batch_norm, relu without a quantiser behind); expected quantised values; quantise "
        "what it reads",
    ),
    "real weights": (
        broken(lambda s: s.add("dense", "x", shape=(2,), weight=np.ones((2, 4))), (4,)),
        "dense1: weights are real numbers; expected quantised ones; quantise them",
    ),
    "width without levels": (
        broken(lambda s: s.dense(s.add("requantise", s.norm("x")), 2), (4,)),
        "requantise2: only the width of its result is known; expected its levels; export a Quant node",
    ),
    "scales per input channel": (
        broken(lambda s: s.conv(s.norm(s.quantise("x", 0.3, FOUR), np.linspace(1, 2, 4), 0.0), 2)),
        "conv2d5: sums channels of different scales; expected one scale; quantise its input per tensor",
    ),
    "relu of a falling scale": (
        broken(
            lambda s: s.add("add", x := s.quantise("x", 0.3, FOUR), s.add("relu", s.norm(x, np.array([-0.5]), 0.0)))
        ),
        "add6: reads real numbers (batch_norm, batch_norm, relu without a quantiser behind); expected quantised "
        "values; quantise what it reads",
    ),
    "branches of different scales": (
        broken(lambda s: s.add("add", s.quantise("x", 0.3, FOUR), s.quantise("x", 0.4, FOUR))),
        "add7: adds tensors of different scales; expected one scale, or scales a power of two apart; let the branches "
        "share a quantiser",
    ),
    "a maximum that a falling norm turns": (
        broken(lambda s: s.add("global_max_pool", s.norm("x", np.array([-0.3])), shape=(4, 1, 1))),
        "global_max_pool2: global_max_pool of real numbers behind batch_norm1, which it cannot precede; expected a "
        "quantiser between them; quantise its input",
    ),
    "zeros that a shift moves": (
        broken(lambda s: s.add("pad2d", s.norm("x"), shape=(4, 6, 6), attrs={"padding": (1, 1, 1, 1)})),
        "pad2d2: pad2d of real numbers behind batch_norm1, which it cannot precede; expected a quantiser between them; "
        "quantise its input",
    ),
    "argmax of scales per class": (
        broken(lambda s: s.add("argmax", s.norm(s.dense("x", 3)), shape=(1,)), (4,)),
        "argmax3: argmax of real numbers behind batch_norm2; expected one positive scale for all classes; end the "
        "network before it",
    ),
    "a table of scaled integers": (
        broken(
            lambda s: s.add(
                "lookup", s.quantise("x", 0.3, FOUR), attrs={"first": -8}, table=(np.arange(16), FixedPoint(5, 0))
            ),
            (4,),
        ),
        "lookup4: lookup of values that are no fixed-point numbers; expected a power of two as scale; quantise its "
        "input so",
    ),
    "means over different numbers of values": (
        broken(
            lambda s: s.add(
                "avg_pool2d",
                s.quantise("x", 0.3, FOUR),
                shape=(4, 2, 2),
                attrs={"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 0, 0), "count_include_pad": False},
            ),
        ),
        "avg_pool2d4: a mean over 9 values has no exact binary form; give its output a format (a quantiser after the "
        "pool)",
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(call: Any, message: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        call()
    assert str(raised.value) == message
