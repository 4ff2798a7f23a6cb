# SPDX-License-Identifier: Apache-2.0
"""Rows of tables that are hls4ml's regression baselines of a dense layer and an activation, read from their texts."""

import re

import numpy as np

from hwsim.fpga.hls4ml_activation import FORMULAS, TABLES, ActivatedLayers
from hwsim.validate.rows import Mask, Rows

KIND = "tiny network"
LAYER = re.compile(r"dense (\d{1,6})->(\d{1,6}) \+ (\w+)( in name)?")
TOOL = re.compile(r"(Vivado|Vitis) (\d{4}\.\d)\b")


def activated_layers(rows: Rows) -> tuple[Mask, ActivatedLayers]:
    """The rows that are such layers, as a mask (rows,), and their configurations.

    The tool stands in front of a design's name; the activation behind it where the topology says "activation in name".
    """
    known = np.zeros(len(rows), dtype=np.bool_)
    found: list[tuple[float, float, bool, bool, bool, float]] = []
    texts = (rows.text(name).tolist() for name in ("layer_type", "topology", "design", "reuse_factor", "io_type"))
    for index, (kind, topology, design, reuse, io_type) in enumerate(zip(*texts, strict=True)):
        layer, tool = LAYER.fullmatch(topology), TOOL.match(design)
        if kind != KIND or layer is None or tool is None or reuse not in ("1", "1.0"):
            continue
        activation = design.rsplit("-", 1)[-1] if layer.group(4) else layer.group(3)
        sizes = float(layer.group(1)), float(layer.group(2))
        if min(sizes) < 1 or activation not in TABLES + FORMULAS or io_type not in ("io_parallel", "io_stream"):
            continue
        known[index] = True
        found.append((*sizes, activation in TABLES, io_type == "io_stream", tool.group(1) == "Vivado",
                      float(tool.group(2))))  # fmt: skip
    n_in, n_out, table, stream, vivado, version = np.array(found, dtype=np.float64).reshape(-1, 6).T
    return known, ActivatedLayers(n_in, n_out, table > 0, stream > 0, vivado > 0, version)
