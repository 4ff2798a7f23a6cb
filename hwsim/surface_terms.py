# SPDX-License-Identifier: Apache-2.0
"""What a runtime's node makes a processor do, and the shape by which its efficiency is looked up.

A node takes the sum of its counts times the prices of its form – a multi-level roofline without overlap, as in
:mod:`hwsim.kernel_terms`, but with prices per form – times an efficiency that is a smooth function of the features here
(:mod:`hwsim.surfaces`). Features are logarithms of sizes, scaled so that a distance of one is about as far as a
measurement tells something of its neighbours.
"""

import numpy as np

from hwsim.columns import Column
from hwsim.kernel_terms import FIRST_CACHE, SECOND_CACHE
from hwsim.node_reuse import missed, reuse_bytes
from hwsim.runtime_nodes import FORMS, MATRIX_FORMS, Nodes
from hwsim.workload import Workload

#: Terms per node, in the unit that one count of them is.
TERMS = {
    "start": "nodes",
    "cold_start": "dispatched nodes whose code and state the first cache lost since they last ran",
    "input": "elements read",
    "output": "elements written",
    "byte_l2": "bytes of activations of nodes that exceed the first cache",
    "byte_memory": "bytes of activations of nodes that exceed the second cache",
    "mac": "products, in whole vectors",
    "weight": "weights",
    "far_weight": "bytes of weights where the network's weights exceed the second cache",
    "lost_weight": "of those, bytes that the share of the last cache has lost since the last inference",
    "sum": "elements added to results",
    "gather": "inputs packed for the matrix product",
    "line": "lines of the image packed for windows of more than one pixel, each copied by itself",
    "tail_mac": "products of output channels beyond whole vectors",
    "ragged_mac": "products whose reduction is no multiple of QUAD",
    "ragged_output": "elements written by those",
}
FEATURES = 16
#: Terms that are arithmetic; "start" is overhead, the rest memory.
COMPUTE = ("mac", "gather", "line", "tail_mac", "ragged_mac")
LAST_SHARE = 4 * SECOND_CACHE  # bytes: what a core has of a last cache that others fill, too
DTYPE_BYTES = {"int8": 1.0, "fp16": 2.0, "fp32": 4.0}
COLD = (-3, 5)  # logarithms of the reuse distance over the first cache between which it makes a difference
QUAD = 4  # 8-bit products that vector instructions add up at once (VNNI, SDOT)
READS_INPUT = ("pool", "blocked_pool", "global_pool", "blocked_global_pool", "add", "blocked_add", "other")
ENTERS = ("quantise", "channels_last")  # read and write what the kernel reads


def counts(work: Workload, nodes: Nodes, dtype: str, block: int, batch: int = 1) -> Column:
    """Counts of every node in every term of TERMS, shape (nodes, len(TERMS)).

    Args:
        work: the kernels that the nodes belong to.
        nodes: see :mod:`hwsim.runtime_nodes`.
        dtype: of DTYPE_BYTES.
        block: elements of a vector.
        batch: inferences in one call.
    """
    rows, columns, channels, taps, groups = _loops(work, nodes, batch)
    inputs, outputs = _sizes(work, nodes, batch)
    dtype_bytes = DTYPE_BYTES[dtype]
    multiplies = np.isin(nodes.form, [FORMS.index(form) for form in MATRIX_FORMS])
    blocks = np.isin(nodes.form, [index for index, form in enumerate(FORMS) if form.startswith("blocked_")])
    depthwise = np.isin(nodes.form, [FORMS.index(form) for form in ("depthwise", "blocked_depthwise")])
    weights = columns * channels * taps * groups
    inner = np.where(blocks, _whole(channels, block), channels)
    across = np.where(depthwise, _whole(groups, block), _whole(columns, block) * groups)
    macs = rows * taps * np.where(depthwise, 1.0, inner) * across
    tail = rows * taps * np.where(depthwise, groups % block, channels * (columns % block) * groups)
    ragged = (channels * taps % QUAD > 0) & ~blocks
    packed = np.where(multiplies & ~blocks, rows * channels * taps * groups, 0.0)
    moved = (inputs + outputs) * dtype_bytes
    all_weights = work.totals(work.column("weights"))[nodes.kernel] * dtype_bytes
    far = (all_weights > SECOND_CACHE) & multiplies
    distance = reuse_bytes(work, nodes, moved + np.where(multiplies, weights, 0.0) * dtype_bytes)
    found = {
        "start": np.ones_like(rows),
        "cold_start": missed(distance, FIRST_CACHE),
        "input": inputs,
        "output": outputs,
        "byte_l2": np.where(moved > FIRST_CACHE, moved, 0.0),
        "byte_memory": np.where(moved > SECOND_CACHE, moved, 0.0),
        "mac": np.where(multiplies, macs, 0.0),
        "weight": np.where(multiplies, weights, 0.0),
        "far_weight": np.where(far, weights * dtype_bytes, 0.0),
        "lost_weight": np.where(far, weights * dtype_bytes, 0.0) * missed(all_weights, LAST_SHARE),
        "sum": outputs * nodes.sums,
        "gather": packed,
        "line": np.where(taps > 1, packed / work.column("out_width")[nodes.kernel], 0.0),
        "tail_mac": np.where(multiplies & ~blocks, tail, 0.0),
        "ragged_mac": np.where(multiplies & ragged, macs, 0.0),
        "ragged_output": np.where(multiplies & ragged, outputs, 0.0),
    }
    return np.stack([found[name] for name in TERMS], axis=1)


def features(work: Workload, nodes: Nodes, dtype: str, block: int, batch: int = 1) -> Column:
    """The place of every node on the surface of its form, shape (nodes, FEATURES)."""
    rows, columns, channels, taps, groups = _loops(work, nodes, batch)
    inputs, outputs = _sizes(work, nodes, batch)
    reach = (work.totals(work.column("weights"))[nodes.kernel] + inputs + outputs) * DTYPE_BYTES[dtype] / SECOND_CACHE
    multiplies = np.isin(nodes.form, [FORMS.index(form) for form in MATRIX_FORMS])
    weights = np.where(multiplies, columns * channels * taps * groups, 0.0)
    distance = reuse_bytes(work, nodes, (inputs + outputs + weights) * DTYPE_BYTES[dtype])
    cold = np.clip(_log(distance / FIRST_CACHE), *COLD) / 2
    width = work.column("out_width")[nodes.kernel]
    wide = columns * groups
    products = [
        _log(rows) / 2, _log(columns), _log(channels), _log(taps), _log(groups), _log(inputs / outputs), nodes.sums,
        2 * _log(_whole(wide, block) / wide), 2 * _log(_whole(channels, block) / channels),
        2 * _log(_whole(rows, block) / rows), channels * taps % QUAD > 0, wide % block > 0, wide % QUAD > 0,
        _log(width) / 2, np.clip(_log(reach), -4, 3) / 2, cold,
    ]  # fmt: skip
    moves = [_log(inputs) / 2, _log(outputs) / 2, _log(work.column("out_channels")[nodes.kernel]), _log(width) / 2,
             np.clip(_log(reach), -4, 3) / 2, cold]  # fmt: skip
    padded = [*moves, *[np.zeros_like(rows)] * (len(products) - len(moves))]
    return np.where(multiplies[:, None], np.stack(products, axis=1), np.stack(padded, axis=1)).astype(np.float64)


def _loops(work: Workload, nodes: Nodes, batch: int) -> tuple[Column, ...]:
    rows, *others = (work.column(name)[nodes.kernel] for name in ("rows", "columns", "channels", "taps", "groups"))
    return rows * batch, *others


def _sizes(work: Workload, nodes: Nodes, batch: int) -> tuple[Column, Column]:
    """Elements that every node reads and writes."""
    inputs, outputs = (work.column(name)[nodes.kernel] * batch for name in ("inputs", "outputs"))
    enters = np.isin(nodes.form, [FORMS.index(form) for form in ENTERS])
    reads = np.isin(nodes.form, [FORMS.index(form) for form in (*MATRIX_FORMS, *READS_INPUT)])
    return np.where(reads | enters, inputs, outputs), np.where(enters, inputs, outputs)


def _whole(count: Column, block: int) -> Column:
    return np.asarray(np.ceil(count / block) * block)


def _log(value: Column) -> Column:
    return np.asarray(np.log(np.maximum(value, 1e-9)))
