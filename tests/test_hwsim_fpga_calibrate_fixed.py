# SPDX-License-Identifier: Apache-2.0
"""Error bars where nothing is fitted hold nine designs in ten, and are no narrower than those of their parts."""

import numpy as np

from hwsim.fpga import hls4ml_activation, hls4ml_resource_mlp
from hwsim.fpga.calibrate_fixed import calibrate_activated, calibrate_resource_mlps
from hwsim.fpga.hls4ml_activation import ActivatedLayers
from hwsim.fpga.hls4ml_mlp import Mlps


def test_bars_hold_nine_layers_in_ten():
    n_out = np.arange(1.0, 41.0)
    flags = np.zeros(40, dtype=bool)
    layers = ActivatedLayers(np.ones(40), n_out, ~flags, flags, flags, np.full(40, 2024.1))
    predicted = {metric: figure.value for metric, figure in hls4ml_activation.cost(layers).items()}
    truth = predicted | {"dsp": predicted["dsp"] * np.where(np.arange(40) % 10, 1.0, 2.0)}
    truth["cycles"] = np.where(np.arange(40) < 3, np.nan, predicted["cycles"])  # not reported
    found = calibrate_activated(layers, truth)
    assert found.bars == {"dsp": 1.0, "bram18": 0.0, "cycles": 0.0, "ii": 0.0}
    assert found.range["n_out"] == (1.0, 40.0)


def test_bars_of_few_designs_are_those_of_their_parts_or_wider():
    one = (np.array([value]) for value in (784.0, 140.0, 27206.0, 4.0, 3.0, 8.0, 28.0, 2.0))
    mlps = Mlps(np.zeros(1, dtype=np.intp), *one, np.array([False]))
    truth = {metric: figure.value for metric, figure in hls4ml_resource_mlp.cost(mlps).items()}
    assert calibrate_resource_mlps(mlps, truth).bars == dict(hls4ml_resource_mlp.PARTS)
    wrong = truth | {"bram18": truth["bram18"] / 2}
    assert calibrate_resource_mlps(mlps, wrong).bars["bram18"] == 0.5
