# SPDX-License-Identifier: Apache-2.0
"""What hls4ml's unrolled stages make of given weights: products by zero are no hardware, equal ones are one."""

import numpy as np

from hwsim.errors import InputError
from hwsim.fpga.constant_products import given
from hwsim.fpga.hls4ml import Constants
from hwsim.fpga.stages import Pipeline, Stage
from hwsim.network import Network, Weights


def constants_of(network: Network, stages: Pipeline, weights: Weights) -> Constants:
    """The constants of every stage, (stages,); 0 for stages without a matrix.

    Args:
        weights: integers by tensor.

    Raises:
        InputError: a layer's weights are missing, of another shape, or no whole numbers.
    """
    layers = {layer.name: layer for layer in network.layers}
    found = np.zeros((len(stages.stages), 3))
    for index, stage in enumerate(stages.stages):
        if stage.kind in ("matrix", "depthwise"):
            found[index] = _of_stage(stage, layers[stage.name].params["weight"], weights)
    return Constants(*found.T)


def _of_stage(stage: Stage, tensor: str, weights: Weights) -> tuple[float, float, float]:
    array = np.asarray(weights[tensor]) if tensor in weights else np.zeros(0)
    expected = stage.groups * stage.mh * stage.mw
    if array.size != expected or not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            f"{stage.name}: got {array.size} weights of type {array.dtype} for {tensor}; expected {expected} whole "
            "numbers; give those of the quantised network"
        )
    matrices = array.astype(np.int64).reshape(stage.groups, stage.mh, stage.mw)
    return given(matrices.transpose(0, 2, 1).reshape(-1, stage.mh))
