# SPDX-License-Identifier: Apache-2.0
"""hls4ml's ReuseFactor, PE and SIMD per layer as foldings that the hardware units can have.

``reuse_factor = (mh / pe) * (mw / simd)``: how often one multiplier is used per output position. PE and SIMD, where a
layer's configuration gives them, win over ReuseFactor. Otherwise the legal pair whose reuse factor is closest to the
wanted one is taken, with at most :data:`MAX_UNROLL` multipliers, as in hls4ml; of equally close ones the faster, then
the one with the larger SIMD.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hls.backend import PE, SIMD
from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fpga.folded import legal_pe, legal_simd
from hwsim.fpga.hls4ml import MAX_UNROLL
from hwsim.fpga.stages import Stage, pipeline
from hwsim.network import Network
from hwsim.ops import WEIGHTED

_OTHER_SPELLINGS: Mapping[str, str] = {PE: "pe", SIMD: "simd"}  # of the keys Pe, pe, Simd and simd
UNROLLED = "distributed_arithmetic"  # computes all rows at once
#: hls4ml's strategies → those of a folding. Latency and resource are one unit here, which folds by PE and SIMD.
STRATEGIES: Mapping[str, str] = {
    "latency": "latency",
    "unrolled": "latency",
    "resource": "resource",
    "resource_unrolled": "resource",
    "distributed_arithmetic": UNROLLED,
    "da": UNROLLED,
}


def foldings(network: Network, nodes: Sequence[Any]) -> dict[str, Folding]:
    """The folding of every layer with a matrix, of others that ask for PE, and of what stands before the first matrix.

    Raises:
        UnsupportedError: PE or SIMD does not divide what it must; names the nearest that do.
    """
    by_name = {node.name: node for node in nodes}
    found = {}
    for stage in pipeline(network).stages:
        node = by_name.get(stage.name)
        if node is None:
            continue
        if stage.kind in ("matrix", "depthwise"):
            found[stage.name] = _matrix_folding(stage, node)
        elif pe := _asked(node, PE):
            found[stage.name] = Folding(_legal(stage.name, "PE", pe, legal_pe(stage)))
    return _before_the_first_matrix(network, found) | found


def _before_the_first_matrix(network: Network, found: Mapping[str, Folding]) -> dict[str, Folding]:
    """Scaling, thresholds and tables at the input, as wide as the matrix that reads them: behind a matrix they are."""
    tensor, passed = network.inputs[0], list[tuple[str, int]]()
    while len(readers := network.consumers(tensor)) == 1:
        (layer,) = readers
        if layer.op in WEIGHTED:
            folding = found.get(layer.name, Folding())
            is_grouped = layer.op == "conv2d" and layer.attrs["groups"] > 1
            lanes = folding.pe if is_grouped else folding.simd
            return {name: Folding(lanes) for name, channels in passed if channels % lanes == 0}
        tensor = layer.output
        if layer.op in ("batch_norm", "threshold", "lookup"):
            passed.append((layer.name, network.tensors[tensor].shape[0]))
    return {}


def _asked(node: Any, key: str) -> int:
    return int(node.get_attr(key, 0) or node.get_attr(_OTHER_SPELLINGS[key], 0))


def _matrix_folding(stage: Stage, node: Any) -> Folding:
    name, products = stage.name, stage.mh * stage.mw * stage.groups
    strategy = _strategy(node)
    pes = _wanted(name, "PE", _asked(node, PE), legal_pe(stage))
    simds = _wanted(name, "SIMD", _asked(node, SIMD), legal_simd(stage))
    if strategy == UNROLLED:
        pes = pes[-1:]
    wanted = float(node.get_attr("reuse_factor", 1))
    pairs = [(pe, simd) for pe in pes for simd in simds if pe * simd <= MAX_UNROLL] or [(pes[0], simds[0])]
    pe, simd = min(pairs, key=lambda pair: (abs(products / (pair[0] * pair[1]) - wanted), -pair[0] * pair[1], -pair[1]))
    return Folding(pe, simd, products // (pe * simd), strategy)


def _strategy(node: Any) -> str:
    stated = str(node.model.config.get_strategy(node)).lower()
    if stated not in STRATEGIES:
        raise UnsupportedError(
            f"{node.name}: got Strategy {stated}; expected one of {', '.join(STRATEGIES)}; change it in hls_config"
        )
    return STRATEGIES[stated]


def _wanted(name: str, what: str, value: int, legal: Sequence[int]) -> Sequence[int]:
    """What the configuration asks for, or all legal numbers."""
    return (_legal(name, what, value, legal),) if value else legal


def _legal(name: str, what: str, value: int, legal: Sequence[int]) -> int:
    if value in legal:
        return value
    below = [number for number in legal if number < value][-1:]
    above = [number for number in legal if number > value][:1]
    nearest = ", ".join(map(str, below + above))
    raise UnsupportedError(f"{name}: {what}={value} must divide {legal[-1]}; nearest: {nearest}")
