# SPDX-License-Identifier: Apache-2.0
"""The points of the report's plots are on the scale of their roofs and bars."""

import pytest
from cost_networks import resnet8

from hwsim.targets import estimate

rooflines = pytest.importorskip("slimfab.report.rooflines", reason="needs plotly")


@pytest.mark.parametrize("target", ["cpu:jetson-orin-cpu", "gpu:h100", "npu:eyeriss"])
@pytest.mark.parametrize("batch", [1, 16])
def test_no_layer_is_above_the_roofs_of_its_target(target, batch):
    network = resnet8()
    roof = rooflines.roof(estimate(network, target, batch=batch), network)
    bandwidth = max(roof.bandwidths.values())
    assert len(roof.points) == sum(layer.op in ("conv2d", "dense") for layer in network.layers)
    highest = [min(roof.peak, bandwidth * intensity) for _, intensity, _, _ in roof.points]
    # A layer may reach the roof, and then stands on either side of it by rounding.
    assert all(0 < one[2] <= limit * (1 + 1e-9) for one, limit in zip(roof.points, highest, strict=True))
