# SPDX-License-Identifier: Apache-2.0
"""HGQ's quantisers with a format per element are the element's own ap_fixed cast."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hls.from_hls4ml_draft import Draft, View
from hls.from_hls4ml_quantiser import quantiser
from hls.graph import image_order
from hwsim import reference
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Network

SOURCE = FixedPoint(10, 5)
RESULT = "fixed<24,12,TRN,WRAP,0>"


class FixedPrecisionType:
    """What hls4ml's class of this name shows of itself."""

    def __str__(self):
        return RESULT


def node(masks, rounding: str, overflow: str, shape: tuple[int, ...]):
    variable = SimpleNamespace(type=SimpleNamespace(precision=FixedPrecisionType()), shape=shape)
    variable.size = lambda: int(np.prod(shape))
    return SimpleNamespace(
        name="q", inputs=["x"], outputs=["q"], mask_kbi=masks, RND=rounding, SAT=overflow,
        get_output_variable=lambda: variable,
    )  # fmt: skip


def quantised(layer, x: np.ndarray, golden: tuple[int, ...]) -> np.ndarray:
    """What the golden layers of one quantiser make of integers of SOURCE; (N, elements) in hls4ml's order, real."""
    draft = Draft("net")
    draft.input(SimpleNamespace(name="x"), golden, SOURCE)
    draft.views["x"] = View("x", layer.get_output_variable().shape, image_order(golden))
    quantiser(draft, layer)
    view = draft.views["q"]
    network = Network("net", tuple(draft.layers), draft.tensors, ("x",), (view.tensor,))
    ints = np.empty_like(x)
    ints[:, image_order(golden)] = x
    found = reference.execute(network, draft.weights, ints.reshape(len(x), *golden))
    return draft.format(view.tensor).to_real(found.reshape(len(x), -1)[:, view.order])


@settings(deadline=None, max_examples=150)
@given(
    data=st.lists(
        st.tuples(st.booleans(), st.integers(0, 7), st.integers(-2, 6)), min_size=1, max_size=5
    ).filter(lambda masks: any(width for _, width, _ in masks)),
    rounding=st.sampled_from(["TRN", "RND", "RND_CONV"]),
    overflow=st.sampled_from(["WRAP", "SAT"]),
)  # fmt: skip
def test_every_element_is_cast_to_its_own_format(data, rounding: str, overflow: str) -> None:
    masks = tuple(np.array([column]) for column in zip(*data, strict=True))
    codes = np.arange(SOURCE.min_int, SOURCE.max_int + 1)
    x = np.repeat(codes[:, None], len(data), axis=1)
    got = quantised(node(masks, rounding, overflow, (len(data),)), x, (len(data),))
    for column, (signed, width, integer) in enumerate(data):
        expected = np.zeros(len(codes))
        if width:
            own = FixedPoint(width, width - integer, signed, rounding, overflow)
            expected = own.to_real(own.cast(codes, SOURCE.frac))
        result = FixedPoint.parse(RESULT)
        np.testing.assert_array_equal(got[:, column], result.to_real(result.quantise(expected)), str(data[column]))


def test_channels_of_an_image_may_differ_and_pixels_may_not() -> None:
    bits = np.array([3, 5])
    masks = (np.ones((1, 1, 1, 2)), np.broadcast_to(bits, (1, 2, 3, 2)), np.full((1, 1, 1, 1), 2))
    x = np.random.default_rng(0).integers(SOURCE.min_int, SOURCE.max_int + 1, (20, 12))
    got = quantised(node(masks, "RND", "WRAP", (2, 3, 2)), x, (2, 2, 3))
    for channel, width in enumerate(bits.tolist()):
        own = FixedPoint(width, width - 2, True, "RND")
        np.testing.assert_array_equal(got[:, channel::2], own.to_real(own.cast(x[:, channel::2], SOURCE.frac)))
    uneven = (masks[0], np.arange(1, 13).reshape(1, 2, 3, 2), masks[2])
    with pytest.raises(UnsupportedError, match=r"^q: got a different format for every pixel; expected one for every"):
        quantised(node(uneven, "RND", "WRAP", (2, 3, 2)), x, (2, 2, 3))


def test_what_no_scaling_can_bring_together_is_refused() -> None:
    masks = (np.ones((1, 2)), np.array([[3, 4]]), np.array([[1, 1]]))
    with pytest.raises(
        UnsupportedError, match="^q: got SAT_SYM with a format per channel; expected WRAP or SAT; change"
    ):
        quantised(node(masks, "RND", "SAT_SYM", (2,)), np.zeros((1, 2), np.int64), (2,))
    dead = (np.ones((1, 2)), np.zeros((1, 2)), np.zeros((1, 2)))
    with pytest.raises(
        UnsupportedError, match="^q: got a quantiser of zero bits throughout; expected at least one bit"
    ):
        quantised(node(dead, "RND", "WRAP", (2,)), np.zeros((1, 2), np.int64), (2,))
