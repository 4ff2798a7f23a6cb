# SPDX-License-Identifier: Apache-2.0
"""Sums and means in an accumulator type: whatever is not refused equals hls4ml's loops, cast by cast."""

from types import SimpleNamespace

import numpy as np
from hls4ml_nodes import WeightVariable, node
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies import fixed_points

from hls.from_hls4ml_draft import Draft, View
from hls.from_hls4ml_matrix import dense
from hls.from_hls4ml_pool import pool
from hls.graph import image_order
from hwsim import reference
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Network

INPUTS = fixed_points(widths=(2, 5), fracs=(-1, 4))
WEIGHTS = fixed_points(widths=(2, 5), fracs=(0, 5), roundings=("TRN",), overflows=("WRAP",))
ACCUMULATORS = fixed_points(widths=(4, 18), fracs=(0, 10))
RESULTS = fixed_points(widths=(2, 12), fracs=(-2, 8))
RELAXED = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.filter_too_much])


def golden(lower, layer, source: FixedPoint, shape: tuple[int, ...], x: np.ndarray) -> np.ndarray:
    """What the golden layers of one hls4ml layer make of (N, elements) integers in hls4ml's order; real."""
    draft = Draft("net")
    draft.input(SimpleNamespace(name="x"), shape, source)
    hls_shape = (*shape[1:], shape[0]) if len(shape) == 3 else shape
    draft.views["x"] = View("x", hls_shape, image_order(shape))
    lower(draft, layer)
    view = draft.views[layer.name]
    network = Network("net", tuple(draft.layers), draft.tensors, ("x",), (view.tensor,))
    ints = np.empty_like(x)
    ints[:, image_order(shape)] = x
    found = reference.execute(network, draft.weights, ints.reshape(len(x), *shape))
    return draft.format(view.tensor).to_real(found.reshape(len(x), -1)[:, view.order])


def summed(accumulator: FixedPoint, total: np.ndarray, term: np.ndarray, frac: int) -> np.ndarray:
    """``acc += term`` in the accumulator's type; the term has ``frac`` fractional bits."""
    common = max(accumulator.frac, frac)
    exact = (total << (common - accumulator.frac)) + (term << (common - frac))
    return accumulator.cast(exact, common)


@RELAXED
@given(source=INPUTS, weight=WEIGHTS, bias=WEIGHTS, accumulator=ACCUMULATORS, result=RESULTS, seed=st.integers(0, 99))
def test_dense_layers_add_as_the_latency_strategy_does(source, weight, bias, accumulator, result, seed) -> None:
    rng = np.random.default_rng(seed)
    # Weights with trailing zeros fit narrower accumulators.
    matrix = rng.integers(weight.min_int, weight.max_int + 1, (6, 3)) & ~rng.choice([0, 1, 3])
    matrix = np.maximum(matrix, weight.min_int)
    offsets = rng.integers(bias.min_int, bias.max_int + 1, 3)
    weights = {"weight": WeightVariable(matrix, weight), "bias": WeightVariable(offsets, bias)}
    layer = node("fc", source, result, (3,), weights, n_in=6, n_out=3, accum_t=accumulator)
    x = rng.integers(source.min_int, source.max_int + 1, (40, 6))
    try:
        got = golden(dense, layer, source, (6,), x)
    except UnsupportedError as error:
        assume("which rounds each product" not in str(error) and "may saturate" not in str(error))
        raise
    total = np.broadcast_to(accumulator.cast(offsets, bias.frac), (40, 3))
    for i in range(6):  # nnet_dense_latency.h: products in accum_t, then the sum in accum_t
        product = accumulator.cast(x[:, i : i + 1] * matrix[i], source.frac + weight.frac)
        total = summed(accumulator, total, product, accumulator.frac)
    np.testing.assert_array_equal(got, result.to_real(result.cast(total, accumulator.frac)))


@RELAXED
@given(
    source=INPUTS,
    accumulator=ACCUMULATORS,
    result=RESULTS,
    kernel=st.sampled_from([(1, 2), (1, 3), (2, 2), (2, 3), (3, 3)]),
    seed=st.integers(0, 99),
)
def test_means_are_divided_in_the_accumulator_as_in_hls4ml(source, accumulator, result, kernel, seed) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = kernel
    attrs = {"pool_height": rows, "pool_width": columns, "stride_height": rows, "stride_width": columns}
    layer = node("pool", source, result, (1, 1, 2), accum_t=accumulator, pool_op="Average", **attrs)
    x = rng.integers(source.min_int, source.max_int + 1, (40, rows * columns * 2))
    try:
        got = golden(pool, layer, source, (2, rows, columns), x)
    except UnsupportedError as error:
        assume("for a sum of" not in str(error))
        raise
    total = np.zeros((40, 2), dtype=np.int64)
    for pixel in x.reshape(40, -1, 2).transpose(1, 0, 2):  # nnet_pooling.h: avg()
        total = summed(accumulator, total, pixel, source.frac)
    count = rows * columns
    quotient = np.sign(total) * (np.abs(total) // count)  # ap_fixed divides towards zero
    mean = accumulator.cast(quotient, accumulator.frac)
    np.testing.assert_array_equal(got, result.to_real(result.cast(mean, accumulator.frac)))


@RELAXED
@given(source=INPUTS, accumulator=ACCUMULATORS, result=RESULTS, seed=st.integers(0, 99))
def test_maxima_pass_through_the_accumulator(source, accumulator, result, seed) -> None:
    attrs = {"pool_height": 2, "pool_width": 2, "stride_height": 2, "stride_width": 2}
    layer = node("pool", source, result, (1, 1, 3), accum_t=accumulator, pool_op="Max", **attrs)
    x = np.random.default_rng(seed).integers(source.min_int, source.max_int + 1, (40, 12))
    got = golden(pool, layer, source, (3, 2, 2), x)
    largest = accumulator.cast(x.reshape(40, 4, 3).max(axis=1), source.frac)
    np.testing.assert_array_equal(got, result.to_real(result.cast(largest, accumulator.frac)))
