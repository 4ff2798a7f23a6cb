# SPDX-License-Identifier: Apache-2.0
"""What a fused kernel makes a processor do, as columns of counts: the terms that measured devices put a price on.

A kernel takes the sum of its counts times the device's prices. Read as a roofline, this is

    t = start + macs * price(mac) / efficiency + bytes through L1, L2 and memory * price(byte)

without overlap, with the efficiency surface of a blocked matrix product of M positions, N outputs and K products

    1 / efficiency = 1 + result / K + gather / N + weight / M

since sums are loaded and stored once per ``K`` products, inputs packed once per ``N`` and weights once per ``M``
(K. Goto, R. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3), 2008). Being linear in
the prices, it is fitted by :mod:`hwsim.kernel_fit` to whole networks or to single kernels alike.
"""

import numpy as np

from hwsim.columns import Column
from hwsim.workload import KINDS, REGISTER_TILE, Workload

#: Terms per kernel, in the unit that one count of them is.
TERMS = {
    "kernel": "kernels",
    "mac": "products of convolutions and of dense layers over many positions, in whole register tiles",
    "thin_mac": "the same where fewer than 8 input channels leave vector lanes empty",
    "tap_mac": "extra, of those products that belong to windows of more than one pixel",
    "ragged_mac": "extra, where channels are no multiple of 4, which blocked layouts do not take",
    "result": "sums loaded and stored",
    "gather": "inputs packed for the matrix product",
    "weight": "weights packed for the matrix product",
    "dense_weight": "weights of matrix-vector products, each used once",
    "depthwise_mac": "products of depthwise convolutions",
    "ragged_depthwise_mac": "extra, where their channels are no multiple of 4",
    "depthwise_input": "inputs of depthwise convolutions",
    "depthwise_output": "outputs of depthwise convolutions",
    "move": "elements read and written by additions, poolings and copies",
    "byte": "bytes of activations, all of which pass the first cache",
    "byte_l2": "bytes of activations of kernels that exceed the first cache",
    "byte_memory": "bytes of activations of kernels that exceed the second cache",
}
#: Terms once per inference: a call of the runtime, and what it is given, which runtimes convert and copy.
FIXED = {"inference": "calls", "input": "elements of the network's inputs"}
PRICES = (*TERMS, *FIXED)

FIRST_CACHE, SECOND_CACHE = 32 * 1024, 1024 * 1024  # bytes: L1 data cache and L2, as of Cortex-A72 and -A73
Blocks = tuple[float | Column, float | Column]
BLOCKS: Blocks = (float(REGISTER_TILE), 1.0)  # output channels of a register tile, single input channels
RAGGED = 4  # channels; ONNX Runtime's NCHWc and oneDNN's blocked kernels ask for multiples of a part of a vector
THIN = 8  # input channels below which vector lanes stay empty: 128 bits of fp16, 256 of fp32


def kernel_terms(work: Workload, bytes_per_element: Column, batch: int = 1, blocks: Blocks = BLOCKS) -> Column:
    """Counts of every kernel in every term of TERMS, shape (kernels, len(TERMS)).

    Args:
        work: the kernels.
        bytes_per_element: of the type each kernel runs in, shape (kernels,).
        batch: inferences in one call; weights are packed once for all of them.
        blocks: output and input channels are computed in multiples of these, for all kernels or for each.
    """
    rows, groups = work.column("rows") * batch, work.column("groups")
    channels, columns = work.column("channels"), work.column("columns")
    whole = np.where(channels < THIN, channels, np.ceil(channels / blocks[1]) * blocks[1])
    reduction = whole * work.column("taps")
    inputs, outputs = work.column("inputs") * batch, work.column("outputs") * batch
    kind = {name: work.kind_index == index for index, name in enumerate(KINDS)}
    vector = kind["dense"] & (rows == 1)
    product = kind["conv"] | kind["pointwise"] | (kind["dense"] & ~vector)
    thin = product & (work.column("channels") < THIN)
    sums = rows * np.ceil(columns / blocks[0]) * blocks[0] * groups
    packed = np.where(work.column("taps") == 1, rows * work.column("channels") * groups, inputs)
    moved = (inputs + outputs) * bytes_per_element
    full = product & ~thin
    ragged = (work.column("channels") * groups % RAGGED != 0) | (columns * groups % RAGGED != 0)
    depthwise = kind["depthwise"]
    counts = {
        "kernel": np.ones_like(rows),
        "mac": np.where(full, sums * reduction, 0.0),
        "thin_mac": np.where(thin, sums * reduction, 0.0),
        "tap_mac": np.where(full & (work.column("taps") > 1), sums * reduction, 0.0),
        "ragged_mac": np.where(full & ragged, sums * reduction, 0.0),
        "result": np.where(product, sums, 0.0),
        "gather": np.where(full, packed, 0.0),
        "weight": np.where(product, columns * groups * reduction, 0.0),
        "dense_weight": np.where(vector, columns * reduction, 0.0),
        "depthwise_mac": np.where(depthwise, work.column("macs") * batch, 0.0),
        "ragged_depthwise_mac": np.where(depthwise & ragged, work.column("macs") * batch, 0.0),
        "depthwise_input": np.where(depthwise, inputs, 0.0),
        "depthwise_output": np.where(depthwise, outputs, 0.0),
        "move": np.where(kind["move"], inputs + outputs, 0.0),
        "byte": moved,
        "byte_l2": np.where(moved > FIRST_CACHE, moved, 0.0),
        "byte_memory": np.where(moved > SECOND_CACHE, moved, 0.0),
    }
    return np.stack([counts[name] for name in TERMS], axis=1)


def network_terms(work: Workload, bytes_per_element: Column, batch: int = 1, blocks: Blocks = BLOCKS) -> Column:
    """Counts of a whole network in every price of PRICES, shape (len(PRICES),), all kernels in one type."""
    inputs = work.kernels[0].inputs * batch if work.kernels else 0
    return np.concatenate([kernel_terms(work, bytes_per_element, batch, blocks).sum(axis=0), [1.0, inputs]])
