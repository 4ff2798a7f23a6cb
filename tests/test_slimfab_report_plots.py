# SPDX-License-Identifier: Apache-2.0
"""The points of the report's plots are on the scale of their roofs and bars."""

import pytest
from cost_networks import resnet8

from hwsim.targets import estimate

plots = pytest.importorskip("slimfab.report.plots", reason="needs plotly")


@pytest.mark.parametrize("target", ["cpu:cortex-a72", "gpu:h100"])
@pytest.mark.parametrize("batch", [1, 16])
def test_no_layer_is_above_the_peak_of_its_target(target, batch):
    network = resnet8()
    traces = {trace.name: trace for trace in plots._roof(estimate(network, target, batch=batch), network)}
    (peak,) = {value for name, trace in traces.items() if name.startswith("peak") for value in trace.y}
    points = [(x, y) for name, t in traces.items() if name.startswith("layer") for x, y in zip(t.x, t.y, strict=True)]
    bandwidth = next(t.y[-1] / t.x[-1] for name, t in traces.items() if name.startswith("cache"))
    assert len(points) == sum(layer.op in ("conv2d", "dense") for layer in network.layers)
    assert all(0 < y <= min(peak, bandwidth * x) for x, y in points)
