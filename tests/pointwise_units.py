# SPDX-License-Identifier: Apache-2.0
"""One layer as the one unit it becomes, with the golden executor's answers, for the contract tests of its template."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hls_networks import Builder
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from rtl_units import WIRES, alone, corners
from test_hls_emit import design

from hls.dataflow import Dataflow
from hls.layers import build
from hls.templates.matrix_vector import accumulator
from hwsim.design import Folding
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format
from hwsim.reference import execute

#: Every example compiles a design; few are new in every way.
CONTRACT = settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
IMAGES = 9
SIGNED = ("threshold", "scale")  # modules whose results are always signed


@st.composite
def formats(draw: st.DrawFn, widths: tuple[int, int] = (1, 10), fracs: tuple[int, int] = (-2, 7)) -> FixedPoint:
    return FixedPoint(draw(st.integers(*widths)), draw(st.integers(*fracs)), draw(st.booleans()))


def divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


def one_layer(
    op: str,
    shape: Sequence[int],
    source: FixedPoint,
    params: Mapping[str, tuple[Sequence[int], FixedPoint]],
    folding: Folding,
    module: str,
    **attrs: Any,
) -> tuple[Dataflow, np.ndarray, np.ndarray]:
    """A layer's unit alone, (images, values) that go in, and what must come out.

    Its output has the format in which the unit gives its exact result, so that no cast follows.
    """
    draft = Builder(shape, source, seed=3)
    roles = {role: draft.parameter(role, *parameter) for role, parameter in params.items()}
    network, weights = draft.build(draft.add(op, "x", source, roles, **attrs))
    exact = exact_format(network, network.layers[-1])
    if module in SIGNED:
        exact = accumulator(op, exact)
    network = network.with_formats({network.outputs[0]: exact})
    dataflow = build(network, weights, design(network, **{network.layers[-1].name: folding}))
    unit, ins, outs = dataflow.units[0], dataflow.input, dataflow.output
    assert unit.module == module
    images = corners(source, (IMAGES, int(np.prod(shape))))
    golden = execute(network, weights, images.reshape(IMAGES, *shape)).reshape(IMAGES, -1)
    unit = replace(unit, inputs=WIRES[:1], outputs=WIRES[1:])
    contract = alone(unit, replace(ins, wire=WIRES[0]), replace(outs, wire=WIRES[1]))
    return contract, images[:, ins.order], golden[:, outs.order]
